#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# pass.sh - open files of preloaded processes that others are given: by exec of what
# libumfs is not in, by posix_spawn, in a message. static_io is linked statically.

. "$(dirname "$0")/lib.sh"

io=$(readlink -f "$1")
python3=$(readlink -f "$(command -v python3)")
make_pool 64M
ok "mount" m
cd "$work" || exit 2

# Preloaded, with nothing but that.
p() {
	LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" "$@"
}

# same NAME SCRIPT: preloaded, on $mnt, what it prints must be what it prints on tmpfs. It goes
# there itself: started there, it would have the mount's descriptors from the beginning.
same() {
	rm -rf "$work/ref" "$mnt/dir"
	mkdir "$work/ref" "$mnt/dir"
	expected=$(cd "$work/ref" && bash -c "$2" "$io" 2>&1)
	is "$1" "$expected" "$(p timeout 60 bash -c "cd '$mnt/dir' && $2" "$io" 2>&1)"
	[ -n "$expected" ] || fail "$1: prints nothing"
	is "$1: by the mount" "$(cat "$work/ref/f" 2>/dev/null)" "$(cat "$mnt/dir/f" 2>/dev/null)"
}

# ---- one position ----

same "writers take turns" '{ echo a; $0 write 1 "b
"; echo c; $0 write 1 "d
" write 1 "e
"; echo f; } >f; cat f'
same "two numbers of one description" '{ echo a; $0 write 1 b write 2 c; echo d; } >f 2>&1; cat f'
same "at once" 'for i in $(seq 20); do $0 write 1 "static $i
" & echo "other $i" & done >f; wait; sort -o f f; cat f'
same "appends" 'echo 1 >f; { $0 write 1 "2
"; echo 3; $0 write 1 "4
"; } >>f; cat f'
same "readers take turns" 'seq 1000 1100 >f; { read -r a; $0 read 0 5; read -r b; $0 read 0 4 read 0 1; read -r c; echo $a $b $c; } <f'
same "a seek, and what is read or written then" 'echo 0123456789 >f; { $0 read 0 1 seek 0 5 read 0 1; read -r a; echo $a; } <f
	exec 5<>f; $0 seek 5 3 write 5 x; echo y >&5; exec 5>&-; cat f'
same "pread beside it" 'echo 0123456789 >f; { read -r -n 2 a; $0 pread 0 7 pread 0 1 read 0 2; } <f; cat f'

same "pread moves nobody's position" 'echo 0123456789abcdef >f
	{ read -r -n 2 a; $0 pread 0 7; read -r -n 2 b; $0 read 0 1 pread 0 11 read 0 1 seek 0 9 read 0 1 pread 0 3
	read -r -n 2 c; echo $a $b $c; } <f
	exec 5<>f 6<f; $0 pread 5 7 pread 6 8 read 5 1 pread 5 3; echo X >&5; read -r -n 3 d <&6; echo $d; cat f'
same "pwrite moves nobody's position" 'exec 5<>f; echo start >&5; $0 blocks 5 50; echo X >&5; cksum f; : >f'
same "threads, each at its own places" 'exec 5<>f; $0 blocks 5 500; cksum f'

# ---- what it is open for ----

same "reading only" 'echo text >f; $0 show 0 "" write 0 x read 0 9 <f'
same "writing only" '$0 show 1 "" read 1 9 write 1 x >f 2>&1; cat f'
same "both" 'exec 5<>f; $0 show 5 "" write 5 text seek 5 1 read 5 3; cat f'
same "for appending" 'echo 1 >f; exec 5>>f; $0 show 5 "" seek 5 0 write 5 "2
"; cat f'
same "without a name" 'exec 5<>f; rm f; $0 write 5 gone seek 5 0 read 5 9 show 5 ""; ls'
same "rights that went" 'echo text >f; exec 5<f; chmod 0 f; $0 read 5 9; chmod 600 f'
same "cut short" 'echo text >f; exec 5<>f; $0 trunc 5 2 show 5 ""; cat f; echo; stat -c %s f'
same "closed at exec" 'exec 5>f; "$0" write 5 x 5>&-; ls'
same "an environment without libumfs" '{ echo a; env -i cat f; env -i "$0" write 1 b; echo c; } 2>&1 >f; cat f'
same "a script of a static interpreter" 'printf "#!$0 write\n" >s; cp s "${TMPDIR:-/tmp}/umfs-script-$$"; s=${TMPDIR:-/tmp}/umfs-script-$$
	chmod +x $s; $s 1 "x" >f; rm $s; stat -c %s f'
same "a working directory that this image never looked at" "mkdir -p sub/there; cd sub; env -i \"\$0\" cwd 0 there
	'$python3' -c 'import os, sys
pid = os.posix_spawn(sys.argv[1], [sys.argv[1], \"cwd\", \"0\", \"there\", \"cwd\", \"0\", \"nowhere\"], {})
print(os.waitpid(pid, 0)[1])' \"\$0\"; (exec env -i /bin/ls)"
same "the working directory" 'mkdir -p sub/there; cd sub; "$0" cwd 0 there; cd there; "$0" cwd 0 ../there cwd 0 nowhere; echo done'

# ---- exec that fails; posix_spawn; threads that are in the middle of something ----

cat >"$work/spawn.py" <<'PY'
import os, subprocess, sys
io, = sys.argv[1:]
fd = os.open("f", os.O_RDWR | os.O_CREAT)
os.set_inheritable(fd, True)
os.write(fd, b"begun\n")
for program in ("/nowhere/at/all", "/"):
    try:
        os.execve(program, ["x"], {})
    except OSError as e:
        print(e.strerror)
os.write(fd, b"goes on\n")
for i in range(3):
    pid = os.posix_spawn(io, [io, "write", str(fd), f"spawned {i}\n"], os.environ)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.posix_spawn(io, [io, "write", "77", "moved\n", "write", "1", "as 1\n"], os.environ,
                     file_actions=[(os.POSIX_SPAWN_DUP2, fd, 77), (os.POSIX_SPAWN_DUP2, fd, 1), (os.POSIX_SPAWN_CLOSE, fd)])
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(subprocess.run([io, "show", "0", ""], stdin=fd, capture_output=True).stdout)
print(os.system(f"{io} write {fd} 'by system\n'"))
os.write(fd, b"the end\n")
print(os.pread(fd, 1000, 0).decode(), end="")
if not os.fork():
    os.execv(io, [io, "write", str(fd), "the child's\n"])
os.wait()
os.lseek(fd, 0, os.SEEK_CUR)
os.write(fd, b"the parent's\n")
print(open("f").read(), end="")
PY
same "posix_spawn and exec" "'$python3' '$work/spawn.py' \$0"

# ---- directories ----

same "a directory" 'mkdir d; echo text >d/f; : >f; exec 5<d; "$0" at 5 f at 5 nowhere at 5 ..; mv d e; "$0" at 5 f; echo more >e/g
	"$0" at 5 g; exec "$0" at 5 g'
cat >"$work/dirs.py" <<'PY'
import os, socket, sys
io, python, = sys.argv[1:]
os.mkdir("d")
for i in range(200):
    open("d/%d" % i, "w").close()
open("f", "w").close()
fd = os.open("d", os.O_RDONLY | os.O_DIRECTORY)
path = os.open("d", os.O_PATH)
for n in fd, path:
    os.set_inheritable(n, True)
    pid = os.posix_spawn(io, [io, "at", str(n), "7", "at", str(n), "none"], {})
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
print(len(os.listdir(fd)), os.open("9", os.O_RDONLY, dir_fd=path) > 0, flush=True)
ours, theirs = socket.socketpair()
theirs.set_inheritable(True)
child = os.posix_spawn(python, [python, "-c", """
import os, socket
_, fds, _, _ = socket.recv_fds(socket.socket(fileno=%d), 100, 9)
print(len(os.listdir(fds[0])), os.fstat(fds[0]).st_nlink, os.stat("100", dir_fd=fds[1]).st_size, flush=True)
""" % theirs.fileno()], {})
socket.send_fds(ours, [b"two"], [fd, path])
print(os.waitpid(child, 0)[1])
PY
same "directories by posix_spawn and in a message" "'$python3' '$work/dirs.py' \$0 '$python3'"

# ---- in a message ----

cat >"$work/send.py" <<'PY'
import array, os, socket, sys
python, receive = sys.argv[1:]
ours, theirs = socket.socketpair()
fds = [os.open("f", os.O_RDWR | os.O_CREAT), os.open("/dev/null", os.O_RDONLY), os.open("f", os.O_WRONLY | os.O_APPEND)]
os.write(fds[0], b"0123456789")
os.lseek(fds[0], 2, 0)
os.unlink("f")
if not os.fork():
    ours.close()
    os.set_inheritable(theirs.fileno(), True)
    os.environ.pop("LD_PRELOAD", None)
    for fd in fds:
        os.close(fd)
    os.execv(python, [python, receive, str(theirs.fileno())])
socket.send_fds(ours, [b"three"], fds)
print(ours.recv(100))
print(os.read(fds[0], 3), os.pread(fds[0], 100, 0))
ours.send(b"over")
os.wait()
PY
cat >"$work/receive.py" <<'PY'
import os, socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
text, fds, _, _ = socket.recv_fds(sock, 100, 9)
print(text, len(fds), os.read(fds[0], 3), os.read(fds[1], 3), os.fstat(fds[0]).st_nlink, os.fstat(fds[2]).st_size, flush=True)
os.write(fds[2], b"appended")
sock.send(b"done")
sock.recv(9)
PY
same "a message" "'$python3' '$work/send.py' '$python3' '$work/receive.py'"

# ---- a FIFO: its ends meet, whoever opens them ----

same "a FIFO" 'mkfifo p; (echo one >p) & cat p; wait; (cat p) & echo two >p; wait; (env -u LD_PRELOAD cat p) & echo three >p; wait
	(env -u LD_PRELOAD sh -c "echo four >p") & cat <p; wait; stat -c "%F %s" p; : >f'
same "a FIFO with nobody there" '"'"$python3"'" -c "
import os
os.mkfifo(\"p\")
try:
    os.open(\"p\", os.O_WRONLY | os.O_NONBLOCK)
except OSError as e:
    print(e.strerror)
r = os.open(\"p\", os.O_RDONLY | os.O_NONBLOCK)
w = os.open(\"p\", os.O_WRONLY)
os.write(w, b\"x\")
print(os.read(r, 9), os.fstat(r).st_ino == os.stat(\"p\").st_ino, os.fstat(r).st_dev == os.stat(\"p\").st_dev)
os.unlink(\"p\")
os.write(w, b\"y\")
print(os.read(r, 9))"; : >f'
mkfifo "$mnt/p"
p timeout 0.5 cat "$mnt/p"
is "waiting for the other end ends with a signal" 124 $?
rm "$mnt/p"

# ---- names of sockets ----

cat >"$work/sockets.py" <<'PY'
import os, socket, stat, struct, subprocess, sys
def say(what, call):
    try:
        print(what, call(), flush=True)
    except OSError as e:
        print(what, e.strerror, flush=True)
def end(name):
    return os.path.relpath(name, here) if name else "none"
def connected(name, *more):
    s = socket.socket(socket.AF_UNIX)
    s.connect(name)
    return s
def talk(name):
    s = connected(name)
    pid = struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return pid == os.getpid(), end(s.getpeername()), end(s.getsockname())
OTHER = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(9))"
here = os.getcwd()
os.umask(0o027)
s = socket.socket(socket.AF_UNIX)
say("bound", lambda: s.bind(here + "/s"))
st = os.stat("s")
print(stat.S_ISSOCK(st.st_mode), oct(st.st_mode), st.st_uid, st.st_size, st.st_nlink, os.listdir("."))
say("nobody listens", lambda: connected(here + "/s"))
s.listen(5)
print(end(s.getsockname()))
say("absolute", lambda: talk(here + "/s"))
say("relative", lambda: connected("s").fileno() > 0)
say("again", lambda: socket.socket(socket.AF_UNIX).bind(here + "/s"))
say("of what is none", lambda: connected(sys.argv[0]))
while True:
    s.setblocking(False)
    try:
        s.accept()
    except BlockingIOError:
        break
s.setblocking(True)
for env in {}, os.environ:
    child = subprocess.Popen([sys.executable, "-c", OTHER, here + "/s"], env=env, stdout=subprocess.PIPE)
    s.accept()[0].send(b"hello")
    print(child.communicate()[0])
os.rename("s", "t")
say("by its old name", lambda: connected(here + "/s"))
say("by its new name", lambda: talk(here + "/t"))
os.symlink("t", "l")
say("by a link", lambda: connected(here + "/l").fileno() > 0)
say("and relative", lambda: connected("l").fileno() > 0)
os.mkdir("d")
os.chdir("d")
r = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
say("bound, relative", lambda: r.bind("../d/r"))
d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
say("bound, a datagram's", lambda: d.bind(here + "/d/d"))
say("sent", lambda: d.sendto(b"datagram", here + "/d/r"))
say("received", lambda: (lambda got: (got[0], end(got[1])))(r.recvfrom(99)))
say("nowhere", lambda: socket.socket(socket.AF_UNIX).bind(here + "/no/r"))
say("a name without a file", lambda: socket.socket(socket.AF_UNIX).bind("\0" + "umfs %d" % os.getpid()))
s.close()
say("who listened is gone", lambda: connected(here + "/t"))
os.unlink(here + "/t")
say("removed", lambda: connected(here + "/t"))
say("bound once more", lambda: socket.socket(socket.AF_UNIX).bind(here + "/t"))
PY
same "names of sockets" "'$python3' '$work/sockets.py'; : >f"

# ---- the report ----

rm -f "$work/report"
(cd "$mnt" && LIBUMFS_REPORT=$work/report LIBUMFS_REPORT_FORM=json p "$python3" -c '
import os, subprocess, sys
f = open("f", "w")
subprocess.run([sys.argv[1], "write", "1", "x"], stdout=f, close_fds=False)
' "$io")
is "the report counts and names it" "1 {'posix_spawn': 1}" "$("$python3" -c '
import json, sys
r = max(map(json.loads, open(sys.argv[1])), key=lambda r: r["materialised"])
print(r["materialised"], {n: c["materialised"] for n, c in r["calls"].items() if "materialised" in c})' "$work/report")"

# ---- what is not to be had ----

is "a name that nobody gave" "No such file or directory" "$(cat "$mnt/.umfs-pass-0123456789abcdef0123456789abcdef/f" 2>&1 | sed 's/.*: //')"
mkdir "$mnt/inner"
is "a removed directory's descriptor" "refused" "$(p bash -c 'exec 5<"$1"; rmdir "$1"; "$0" show 5 "" 2>/dev/null || echo refused' "$io" "$mnt/inner" 2>/dev/null)"
um
check_pool "what was passed on"
is "no mount: refused as ever" "refused" "$(rmdir "$mnt"; u bash -c 'exec 5>"$1/f"; "$0" show 5 "" 2>/dev/null || echo refused' "$io" "$mnt" 2>/dev/null)"
mkdir "$mnt"
finish
