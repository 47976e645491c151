#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# dead.sh - a mount whose daemon is killed under preloaded programs: their own files they go on
# with; what only the mount could do is an error, at once, until there is a new one; and
# descriptors that the dead one gave out to others are errors.
#
# usage: dead.sh STATIC_IO

. "$(dirname "$0")/lib.sh"

io=$(readlink -f "$1")
python3=$(readlink -f "$(command -v python3)")
make_pool 64M
ok "mount" m
mkdir "$mnt/dir"

cat >"$work/dead.py" <<'PY'
import errno, os, signal, socket, subprocess, sys, time
io, mount, pool, mnt, daemon = sys.argv[1:]
plain = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
ours, theirs = socket.socketpair()

def answer(what, call):
    try:
        print(what, call(), flush=True)
    except OSError as e:
        print(what, errno.errorcode[e.errno], flush=True)

def written_by_static(fd, text):
    return subprocess.run([io, "write", str(fd), text], pass_fds=[fd]).returncode

fd = os.open("f", os.O_RDWR | os.O_CREAT | os.O_APPEND)
given = os.open("g", os.O_RDWR | os.O_CREAT)
answer("by a static program", lambda: written_by_static(given, "alive\n"))
answer("a message", lambda: socket.send_fds(ours, [b"x"], [given]))
got = socket.recv_fds(theirs, 9, 1)[1][0]
answer("received", lambda: (os.pread(got, 100, 0), os.write(got, b"too\n")))
os.kill(int(daemon), signal.SIGKILL)
while subprocess.run(["ls", mnt], env=plain, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
    time.sleep(0.05) # until the kernel knows
answer("ours is written to", lambda: os.write(fd, b"goes on\n"))
answer("ours is read", lambda: os.pread(fd, 100, 0))
answer("a new one", lambda: os.write(os.open("new", os.O_RDWR | os.O_CREAT), b"new"))
answer("names", lambda: (os.rename("new", "newer"), sorted(os.listdir("."))))
answer("what was handed over", lambda: (os.write(given, b"more"), os.fstat(given).st_size, os.pread(given, 100, 0)))
answer("received", lambda: os.pread(got, 100, 0))
answer("received, written to", lambda: os.write(got, b"x"))
answer("a message", lambda: socket.send_fds(ours, [b"x"], [fd]))
answer("by a static program", lambda: written_by_static(fd, "x"))
answer("by another of ours", lambda: subprocess.run(["sh", "-c", f"echo child >&{fd}"], pass_fds=[fd]).returncode)
answer("a child", lambda: os.waitpid(os.fork() or os._exit(os.write(fd, b"forked\n")), 0)[1] >> 8)
print("taken over", subprocess.run([mount, pool, mnt], env=plain).returncode, flush=True)
answer("by a static program", lambda: written_by_static(fd, "taken over\n"))
answer("a message", lambda: socket.send_fds(ours, [b"x"], [fd]))
print(open("f").read(), end="")
PY
LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" timeout 60 sh -c 'cd "$0" && exec "$@"' "$mnt/dir" \
	"$python3" "$work/dead.py" "$io" "$UMFS_MOUNT" "$pool" "$mnt" "$(daemons "$pool")" >"$work/out" 2>"$work/err"
is "its exit code" 0 $?
cat "$work/err" >&2
cat >"$work/expected" <<'TEXT'
by a static program 0
a message 1
received (b'alive\n', 4)
ours is written to 8
ours is read b'goes on\n'
a new one 3
names (None, ['f', 'g', 'newer'])
what was handed over (4, 14, b'alive\ntoo\nmore')
received ENOTCONN
received, written to ENOTCONN
a message ENOTSUP
by a static program ENOTSUP
by another of ours 0
a child 7
taken over 0
by a static program 0
a message 1
goes on
child
forked
taken over
TEXT
ok "what it says" diff "$work/expected" "$work/out"
um
check_pool "a dead daemon"
finish
