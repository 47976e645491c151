#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# pools.sh - what libumfs makes of bad configurations and bad pools: one clear
# line, EIO below the directory, and nothing else disturbed. Only a LIBUMFS_MOUNT
# that says no directory keeps programs from starting.

. "$(dirname "$0")/lib.sh"

full() {
	mkdir "$work/full"
	mount -t tmpfs -o size=24M none "$work/full" || return 1
	pool=$work/full/pool
	make_pool 64M
	u dd if=/dev/zero of="$mnt/first" bs=1M count=4 status=none || fail "full: first file"
	promised=$(u stat -f -c %a "$mnt/first")
	out=$(u dd if=/dev/zero of="$mnt/big" bs=64k count=1000 2>&1) && fail "full: dd succeeded"
	printf '%s\n' "$out" | grep -q 'No space left' || fail "full: $out"
	# Of what was promised all but 2 MiB and the table pages went in.
	size=$(u stat -c %s "$mnt/big")
	left=$((promised * 4096 - size))
	[ $left -ge 0 ] && [ $left -le 2200000 ] ||
		fail "full: $promised pages promised, $size bytes went in"
	left=$(u stat -f -c %a "$mnt/first")
	[ "$left" -le 512 ] || fail "full: $left pages still promised"
	# What was written before is whole, names can be removed, and then there is space.
	u cmp -n 4194304 /dev/zero "$mnt/first" || fail "full: first file changed"
	u dd if=/dev/urandom of="$mnt/first" bs=4k count=100 conv=notrunc status=none ||
		fail "full: overwriting needs no space"
	u rm "$mnt/big" || fail "full: rm"
	left=$(u stat -f -c %a "$mnt/first")
	[ $((promised - left)) -le 512 ] || fail "full: $left of $promised pages back after rm"
	u dd if=/dev/zero of="$mnt/next" bs=1M count=4 status=none || fail "full: no space after rm"
	check_pool "a full file system"
	unmount_full
}

# Who looks at a process in /proc as it ends keeps its memory, and so its files, a moment longer.
unmount_full() {
	for try in $(seq 50); do
		umount "$work/full" 2>/dev/null && return
		sleep 0.1
	done
	umount "$work/full"
}

# A user who may not mount runs this part alone, in a namespace where he may.
if [ "${1:-}" = full ]; then
	full || fail "no tmpfs to try it on"
	finish
fi

# refused TEXT PATTERN: `cat` below the directory says EIO; one line matches.
refused() {
	out=$(u cat "$mnt/f" "$mnt" "$mnt/d/e" 2>&1)
	is "$1: exit" 1 $?
	is "$1: lines of libumfs" 1 "$(printf '%s\n' "$out" | grep -c '^libumfs: ')"
	printf '%s\n' "$out" | grep -q "^libumfs: pool $pool: .*$2" ||
		fail "$1: no line with '$2' in: $out"
	is "$1: EIO" 3 "$(printf '%s\n' "$out" | grep -c 'Input/output error')"
	# Other paths are as ever.
	is "$1: elsewhere" root: "$(u head -c 5 /etc/passwd 2>/dev/null)"
}

# ---- no pool ----

rm -f "$pool"
refused "missing pool" "no such file"
mkdir "$pool"
refused "directory as pool" "."
rmdir "$pool"
head -c 1000000 /dev/urandom >"$pool"
refused "random bytes" "not a UMFS pool\|no UMFS\|pool"
: >"$pool"
refused "empty file" "."

# The kernel module's, where it has none by that name.
own=$pool
pool=/dev/umfs/no-such-pool
refused "no pool attached" "no pool is attached by that name"
pool=$own

# ---- a pool that can not be used ----

make_pool
truncate -s 30M "$pool"
refused "cut short" "short\|smaller\|cut"

# Version 99 with a good checksum, in both superblocks.
make_pool
python3 - "$pool" <<'PY' || exit 2
import struct, sys
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
with open(sys.argv[1], "r+b") as f:
    for page in (0, 511):
        f.seek(page * 4096)
        sb = bytearray(f.read(512))
        sb[8:12] = struct.pack("<I", 99)
        sb[12:16] = bytes(4)
        sb[12:16] = struct.pack("<I", crc32c(sb))
        f.seek(page * 4096)
        f.write(sb)
PY
refused "later format" "later\|newer\|format\|version"

make_pool
u sh -c "echo text > $mnt/f"
head -c 512 /dev/urandom | dd of="$pool" conv=notrunc status=none
is "damaged superblock, good backup" text "$(u cat "$mnt/f")"
head -c 512 /dev/urandom | dd of="$pool" bs=4096 seek=511 conv=notrunc status=none
refused "both superblocks damaged" "."

make_pool
chmod 0 "$pool"
if [ "$(id -u)" = 0 ]; then
	chmod 755 "$work"
	out=$(u setpriv --reuid=65534 --regid=65534 --clear-groups cat "$mnt/f" 2>&1)
else
	out=$(u cat "$mnt/f" 2>&1)
fi
printf '%s\n' "$out" | grep -q "^libumfs: pool $pool: .*ermission" ||
	fail "no permission: $out"
chmod 600 "$pool"

# ---- configurations ----

bare() {
	LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" "$@"
}
# unstarted TEXT VALUE: with that LIBUMFS_MOUNT no program starts; one line has TEXT and why.
unstarted() {
	out=$(LIBUMFS_MOUNT=$2 bare head -n 1 /etc/passwd 2>&1)
	is "unstarted: $2: exit" 127 $?
	is "unstarted: $2: lines" 1 "$(printf '%s\n' "$out" | wc -l)"
	case $out in
	"libumfs: LIBUMFS_MOUNT"*"$1"*"; the program is not started") ;;
	*) fail "unstarted: $2: $out" ;;
	esac
}
form="DIR=POOL"
unstarted "=nonsense: not of the form $form" nonsense
unstarted "=$mnt=: not of the form $form" "$mnt="
unstarted "==$pool: not of the form $form" "=$pool"
unstarted "directory relative is not absolute" "relative=$pool"
unstarted 'directory /a/../b contains ".."' "/a/../b=$pool"
unstarted "directory / is the root directory" "/=$pool"
unstarted "directory $mnt is given twice" "$mnt=$pool,$mnt=$pool"
unstarted "not of the form $form" "$mnt=$pool=x"
unstarted "not of the form $form" "$mnt=$pool\\"
unstarted "not of the form $form" "$mnt=$pool,"
many=
for i in 1 2 3 4 5 6 7 8 9; do
	many=$many,$mnt/$i=$pool
done
unstarted "too many mounts" "${many#,}"

# closed VARIABLE VALUE: nothing below the mounts is to be had, nor made in what lies there outside.
closed() {
	mkdir "$work/under" "$work/under/sub"
	out=$(LIBUMFS_MOUNT="$mnt=$pool,$work/under=$pool" bare env "$1=$2" sh -c '
		head -n 1 /etc/passwd; cat "$1/f"; true >"$2/new"; mkdir "$2/dir" "$2/sub/dir"
		cd "$2" && true >newer; cp /etc/passwd "$2"; ls "$2"' - "$mnt" "$work/under" 2>&1)
	is "closed: $1=$2: a line of each process" 5 "$(printf '%s\n' "$out" | grep -c "^libumfs: $1=$2: not .*EIO")"
	is "closed: $1=$2: errors" 7 "$(printf '%s\n' "$out" | grep -ci 'input/output\|i/o error\|cd: can')"
	printf '%s\n' "$out" | grep -q '^root:' || fail "closed: $1=$2: the program did not run: $out"
	is "closed: $1=$2: nothing beneath" "under under/sub" \
		"$(cd "$work" && find under | sort | tr '\n' ' ' | sed 's/ $//')"
	# Nor from within, relative to where the kernel sees us.
	out=$(cd "$work/under" && LIBUMFS_MOUNT="$work/under=$pool" bare env "$1=$2" touch here 2>&1) &&
		fail "closed: $1=$2: touch here: $out"
	rm -r "$work/under" || fail "closed: $1=$2: left something"
}
make_pool
closed LIBUMFS_MODE fast
closed LIBUMFS_MODE "atomic "
closed LIBUMFS_ATIME never
closed LIBUMFS_REDIRECT yes
for variable in MODE ATIME REDIRECT REPORT; do
	ok "empty LIBUMFS_$variable is the default" u env "LIBUMFS_$variable=" touch "$mnt/empty"
done
out=$(LIBUMFS_REPORT=$work/no/where u cat /dev/null 2>&1)
is "report that can not be written" "libumfs: LIBUMFS_REPORT=$work/no/where: no such file" "$out"
is "empty means off" "" "$(LIBUMFS_MOUNT= LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" true 2>&1)"

make_pool
for mode in posix sync atomic; do
	ok "mode $mode" env LIBUMFS_MODE=$mode LIBUMFS_MOUNT="$mnt=$pool" \
		LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" \
		dd if=/dev/zero of="$mnt/$mode" bs=100k count=3 status=none
done
check_pool modes

# Escapes, several pools, one below the other; sloppy directories.
mkdir "$work/odd,na=me\\"
mv "$pool" "$work/odd,na=me\\/pool"
mounts="$work//x/./y/=$work/odd\\,na\\=me\\\\/pool"
is "escapes" "atomic posix sync" "$(u ls "$work/x/y" | tr '\n' ' ' | sed 's/ $//')"
make_pool
mounts="$mnt=$pool,$mnt/in/ner=$work/odd\\,na\\=me\\\\/pool"
ok "two pools" u mkdir "$mnt/in"
is "inner pool" "atomic posix sync" "$(u ls "$mnt/in/ner" | tr '\n' ' ' | sed 's/ $//')"
ok "between pools" u cp "$mnt/in/ner/sync" "$mnt/copy"
ok "move between pools" u mv "$mnt/in/ner/sync" "$mnt/moved"
ok "the same content" u cmp "$mnt/copy" "$mnt/moved"
mounts=

# ---- a directory that exists, as long as nobody may write to it ----

mkdir "$work/there"
chmod 555 "$work/there"
ln -s there "$work/to-there"
mounts=$work/there=$pool
is "existing directory" "copy in moved" "$(u ls "$work/there" | tr '\n' ' ' | sed 's/ $//')"
is "link to it" "copy in moved" "$(cd / && u sh -c "cd $work/to-there && ls" | tr '\n' ' ' | sed 's/ $//')"
is "working directory" "$work/there" "$(cd / && u sh -c "cd $work/to-there && /bin/pwd")"
ok "beneath a link" u cmp "$work/to-there/copy" "$work/there/copy"
is "nothing written beneath" "" "$(ls "$work/there")"
mounts=

# ---- the exit report ----

out=$(LIBUMFS_REPORT=1 u cat "$mnt/copy" 2>&1 >/dev/null)
printf '%s\n' "$out" | grep -q '^libumfs\[[0-9]*\]: calls served: [1-9]' ||
	fail "report on stderr: $out"
LIBUMFS_REPORT=$work/report u cp "$mnt/copy" "$mnt/again"
grep -q 'unsupported: clone' "$work/report" || fail "report to a file"

cat >"$work/refused.py" <<'PY'
import ctypes, os, select, socket, sys
a, b = socket.socketpair()
f = open(sys.argv[1])
try:
    socket.send_fds(a, [b"x"], [f.fileno()])
except OSError as e:
    pass
libc = ctypes.CDLL(None)
libc.inotify_add_watch(libc.inotify_init(), sys.argv[1].encode(), 2)
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.mmap(None, 4096, 1, 0x80003, f.fileno(), 0) # MAP_SYNC
libc.syscall(231, 0) # exit_group
PY
LIBUMFS_REPORT=$work/report u python3 "$work/refused.py" "$mnt/copy"
for what in "descriptor in a message" "inotify watch" mmap; do
	grep -q "unsupported: $what: 1" "$work/report" || fail "report: no $what"
done

# Names, bytes, times and rates, as text and as JSON; a forked child counts its own.
cat >"$work/counted.py" <<'PY'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC)
for i in range(100):
    os.write(fd, b"x" * 1000)
for i in range(300):
    os.pread(fd, 64, i)
os.preadv(fd, [bytearray(5)], 0)
os.lseek(fd, 0, 0)
if not os.fork():
    os.pwrite(fd, b"child", 0)
    sys.exit(0)
os.wait()
os.close(fd)
PY
python3=$(u python3 -c 'import sys; print(sys.executable)')
rm "$work/report"
LIBUMFS_REPORT=$work/report u "$python3" "$work/counted.py" "$mnt/counted"
for line in "pread: served 300, 18.7 KiB" "write: served 100, 97.6 KiB" "lseek: served 1" "readv: served 1, 5 B" \
	"open: served 1" "pwrite: served 1, 5 B" "18.7 KiB read, 97.6 KiB written in " "time of reads served" \
	"time of writes served" "[0-9.]* s: .*/s read, .* written .*w"; do
	grep -q "^libumfs\[[0-9]*\]: *$line" "$work/report" || fail "report: no $line in $(cat "$work/report")"
done
rm "$work/report"
LIBUMFS_REPORT=$work/report LIBUMFS_REPORT_FORM=json u "$python3" "$work/counted.py" "$mnt/counted"
python3 - "$work/report" <<'PY' || fail "report as JSON"
import json, sys
child, parent = sorted(map(json.loads, open(sys.argv[1])), key=lambda r: r["served"])
assert child["calls"]["pwrite"] == {"served": 1, "passed": 0, "bytes": 5}, child
assert "pread" not in child["calls"] and child["written_bytes"] == 5 and child["pid"] != parent["pid"], child
calls = parent["calls"]
assert calls["pread"] == {"served": 300, "passed": 0, "bytes": 19200}, calls
assert calls["write"]["bytes"] == 100000 and calls["open"]["served"] == 1, calls
assert parent["read_bytes"] == 19205 == sum(parent["read"]), parent
assert parent["written_bytes"] == 100000 == sum(parent["written"]), parent
assert sum(n for _, n in parent["latency"]["reads"]) == 301, parent["latency"]
assert sum(n for _, n in parent["latency"]["writes"]) == 100, parent["latency"]
assert all(ns > 0 for part in parent["latency"].values() for ns, _ in part) and parent["ns"] > 100000, parent
assert len(parent["read"]) <= 64 and parent["step_ns"] * len(parent["read"]) > parent["ns"] * 0.99, parent
assert parent["served"] == sum(c["served"] for c in calls.values()), parent
PY
LIBUMFS_REPORT=1 LIBUMFS_REPORT_FORM=xml u cat "$mnt/copy" >"$work/out" 2>&1 && fail "a form that there is not"
grep -q "LIBUMFS_REPORT_FORM=xml: not text or json" "$work/out" || fail "a form that there is not: $(cat "$work/out")"

# ---- the pool's file system is full ----

if [ "$(id -u)" = 0 ]; then
	full || fail "pool on a full file system: no tmpfs to try it on"
elif unshare -rm true 2>/dev/null; then
	ok "pool on a full file system" unshare -rm "$0" full
else
	echo "SKIP: pool on a full file system: neither root nor a user namespace"
fi

# ---- times of access ----

pool=$work/pool
make_pool
# read_at OLD [MODE]: is the atime of a file and a directory still OLD after reading them?
read_at() {
	[ $# -gt 1 ] && export LIBUMFS_ATIME="$2"
	u touch -a -d "@$1" "$mnt/read" "$mnt/list"
	u cat "$mnt/read" >/dev/null
	u ls "$mnt/list" >/dev/null
	for f in read list; do
		[ "$(u stat -c %X "$mnt/$f")" = "$1" ] && printf 'same ' || printf 'new '
	done
	unset LIBUMFS_ATIME
}
u mkdir "$mnt/list"
u sh -c ': >"$1/list/f"; echo text >"$1/read"; touch -m -d @1000 "$1/read" "$1/list"' - "$mnt"
recent=$(($(date +%s) + 3600))
is "atime by default" "new new " "$(read_at 1000)"
is "atime, relatime" "new new " "$(read_at 1000 relatime)"
is "atime, relatime, newer" "same same " "$(read_at $recent relatime)"
is "atime, noatime" "same same " "$(read_at 1000 noatime)"
# read_again MODE: and a second time, when the first reading is newer than any change?
read_again() {
	for i in 1 2; do
		sleep 0.05
		LIBUMFS_ATIME=$1 u cat "$mnt/read" >/dev/null
		LIBUMFS_ATIME=$1 u ls "$mnt/list" >/dev/null
		u stat -c %x "$mnt/read" "$mnt/list" >"$work/atimes.$i"
	done
	if cmp -s "$work/atimes.1" "$work/atimes.2"; then echo same; else echo new; fi
}
u touch -a -d @1000 "$mnt/read" "$mnt/list"
is "atime again, relatime" same "$(read_again relatime)"
is "atime again, strictatime" new "$(read_again strictatime)"
check_pool "reading"

# ---- the first attachment is a child's of posix_spawn, in its parent's memory ----

pool=$work/pool
make_pool
ok "a program in a pool" u cp /bin/true "$mnt/prog"
u sh -c 'echo text >"$1/f"' - "$mnt"
cat >"$work/spawn.py" <<'PY'
import os, sys
mnt, pool = sys.argv[1:]
print(os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(mnt + "/prog", ["prog"], os.environ), 0)[1]))
# It has the pool without looking for it, and by a descriptor of its own.
os.rename(pool, pool + "-moved")
links = [os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)]
print(sum(l == pool + "-moved" for l in links), open(mnt + "/f").read().strip())
child = os.fork()
if not child:
    os.closerange(3, 4096)
    open(mnt + "/g", "w").write("child's")
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), open(mnt + "/g").read())
os.rename(pool + "-moved", pool)
PY
is "first attached by posix_spawn's child" "0 1 text 0 child's" \
	"$(u python3 "$work/spawn.py" "$mnt" "$pool" 2>&1 | tr '\n' ' ' | sed 's/ $//')"
check_pool "a first attachment by posix_spawn's child"

# ---- a child that gives up what it would need to open its parent's pool ----

if [ "$(id -u)" = 0 ]; then
	chown 1000 "$pool"
	cat >"$work/caps.py" <<'PY'
import ctypes, os, sys
os.stat(sys.argv[1])
if not os.fork():
    none = (ctypes.c_uint32 * 6)()
    print(ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), none), flush=True)
    print(os.path.getsize(sys.argv[1]), flush=True)
    os._exit(0)
print(os.wait()[1])
PY
	is "a child without capabilities" "0 5 0" \
		"$(u python3 "$work/caps.py" "$mnt/f" 2>&1 | tr '\n' ' ' | sed 's/ $//')"
	chown 0 "$pool"
fi

# ---- the pool is cut short, or removed, under a running program ----

# It goes on, with errors where its files were; its own handler for SIGBUS sees its own
# faults only, and is what it was.
cat >"$work/cut.py" <<'PY'
import ctypes, errno, mmap, os, signal, sys, threading
mnt, pool, what, how = sys.argv[1:]
n = 65536
fd = os.open(mnt + "/f", os.O_RDWR | os.O_CREAT)
for i in range(256):
    os.pwrite(fd, b"x" * n, i * n)
os.mkdir(mnt + "/dir")
names = ["%s/dir/%d" % (mnt, i) for i in range(200)]
for name in names:
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))

# A file of the program's own that is cut short under its mapping.
own = os.open(os.path.dirname(pool) + "/own", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.truncate(own, 8192)
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
at = libc.mmap(None, 8192, 3, mmap.MAP_SHARED, own, 0)
handled = 0
HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)

@HANDLER
def on_bus(sig):
    global handled
    handled += 1
    os.truncate(own, 8192) # the faulting instruction is done again

libc.signal.restype = ctypes.c_void_p
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.signal(signal.SIGBUS, ctypes.cast(on_bus, ctypes.c_void_p))

seen = {}
def attempt(call):
    try:
        call()
        seen[0] = seen.get(0, 0) + 1
    except OSError as e:
        seen[e.errno] = seen.get(e.errno, 0) + 1

def use(turn):
    for i in range(0, 256, 5):
        attempt(lambda: os.pread(fd, n, i * n))
        attempt(lambda: os.pread(fd, 64, i * n + 100))
        attempt(lambda: os.pwrite(fd, b"y" * 4096, i * n + 5000))
    for name in names[turn::4]:
        attempt(lambda: os.stat(name))
        attempt(lambda: os.rename(name, name + "-"))
        attempt(lambda: os.close(os.open(name + "-", os.O_RDWR)))
        attempt(lambda: os.unlink(name + "-"))
    attempt(lambda: os.mkdir("%s/d%d" % (mnt, turn)))
    attempt(lambda: os.listdir(mnt + "/dir"))
    attempt(lambda: os.ftruncate(fd, 100 * n))
    attempt(lambda: os.pwrite(fd, b"z" * n, 300 * n))
    attempt(lambda: os.fsync(fd))
    attempt(lambda: os.statvfs(mnt))

if how == "between":
    threads = []
else:
    threads = [threading.Thread(target=use, args=(i,)) for i in (0, 1)]
for t in threads:
    t.start()
if what == "remove":
    os.unlink(pool)
else:
    os.truncate(pool, int(what))
for t in threads:
    t.join()
use(2)
def child():
    attempt(lambda: os.close(os.open(mnt + "/f", os.O_RDONLY)))
    os._exit(0)
pid = os.fork()
if not pid:
    child()
status = os.waitpid(pid, 0)[1]
os.truncate(own, 0)
ctypes.memmove(at + 4096, b"own", 3)
attempt(lambda: os.close(fd))
wrong = set(seen) - {0, errno.EIO, errno.EUCLEAN, errno.ENOENT, errno.ESTALE, errno.EBADF, errno.EROFS}
print("went on,", "errors" if set(seen) - {0, errno.ENOENT} else "no errors", ", handled", handled,
      ", the child", status, *[errno.errorcode[e] for e in wrong])
if what == "remove":
    print(os.pread(os.open(mnt + "/f", os.O_RDONLY), 3, 64))
PY
for what in 4096 $((2 << 20)) $((12 << 20)); do
	for how in between during; do
		make_pool
		is "pool cut short to $what while in use, $how calls" "went on, errors , handled 1 , the child 0" \
			"$(u timeout 60 python3 "$work/cut.py" "$mnt" "$pool" $what $how 2>"$work/err")"
	done
done
make_pool
is "pool removed while in use" "went on, no errors , handled 1 , the child 0 b'xxx'" \
	"$(u timeout 60 python3 "$work/cut.py" "$mnt" "$pool" remove during 2>&1 | tr '\n' ' ' | sed 's/ $//')"

# ---- as many files open as the pool has records for: nothing half made, and all can go ----

make_pool 24M
cat >"$work/open.py" <<'PY'
import errno, os, resource, sys
mnt = sys.argv[1]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
for name in "large", "large2", "old":
    with open(mnt + "/" + name, "wb") as f:
        f.write(b"x" * 100000)
fds = []
try:
    while len(fds) < 4000:
        fds.append(os.open("%s/f%d" % (mnt, len(fds)), os.O_CREAT | os.O_RDWR, 0o644))
except OSError as e:
    print(errno.errorcode[e.errno], len(fds))
print("left behind" if os.path.exists("%s/f%d" % (mnt, len(fds))) else "nothing left behind")
os.unlink(mnt + "/large")
os.rename(mnt + "/old", mnt + "/large2")
os.truncate(mnt + "/large2", 5)
os.close(fds.pop())
with open(mnt + "/large2", "rb") as f:
    print(f.read())
PY
is "all records in use" "ENFILE 1024 nothing left behind b'xxxxx'" \
	"$(u python3 "$work/open.py" "$mnt" | tr '\n' ' ' | sed 's/ $//')"
check_pool "all records in use"

# ---- memory behind a sparse pool: taken, given back, and no more promised than there is ----

kib() {
	echo $(($(stat -c %b "$pool") / 2))
}
make_pool 512M
empty=$(kib)
ok "a large file" u dd if=/dev/zero of="$mnt/large" bs=1M count=200 status=none
ok "a small file" u cp /etc/passwd "$mnt/small"
full=$(kib)
[ $((full - empty)) -ge 204800 ] || fail "200 MiB took $((full - empty)) KiB"
ok "remove it" u rm "$mnt/large"
left=$(($(kib) - empty))
# Four groups may keep 16 MiB each, wherever that lies; their heads stay, too.
[ $left -le 73728 ] || fail "after its removal $left KiB more than at first"
ok "what is left can be read" u cmp /etc/passwd "$mnt/small"
ok "and written" u dd if=/dev/zero of="$mnt/large" bs=1M count=200 status=none
ok "punch" u fallocate -p -o 1M -l 198M "$mnt/large"
left=$(($(kib) - empty))
[ $left -le 81920 ] || fail "after punching it $left KiB more than at first"
check_pool "giving memory back"

finish
