#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# dsync.sh - in posix mode: what was written, by whatever call, to a descriptor that was
# opened with O_DSYNC is durable when the call has returned; what other descriptors wrote
# before is, too. Without the flag it is after fsync.
#
# usage: dsync.sh DIRTY

. "$(dirname "$0")/lib.sh"

dirty=$1
rm -f "$pool"
"$UMFS_MKFS" -q --size 64M --durability=flush "$pool" || exit 2
cat >"$work/dsync.py" <<'PY'
import os, subprocess, sys
mnt, pool, dirty = sys.argv[1:]
clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
n = 100000
source = os.open(mnt + "/source", os.O_RDWR | os.O_CREAT)
os.write(source, bytes(range(250)) * (n // 250))
plain = os.open(mnt + "/f", os.O_RDWR | os.O_CREAT)
os.write(plain, b"-" * n)
sync = os.open(mnt + "/f", os.O_RDWR | os.O_DSYNC)
os.fsync(plain)
os.fsync(source)

def files_with_dirty_bytes():
    return subprocess.run([dirty, pool], env=clean, capture_output=True, text=True).stdout.strip()

def by_pipe(fd):
    r, w = os.pipe()
    os.write(w, b"z" * 4000)
    os.splice(r, fd, 4000, offset_dst=17)

calls = {
    "write": lambda fd: os.write(fd, b"a" * 5000),
    "pwrite": lambda fd: os.pwrite(fd, b"b" * 100, 77),
    "writev": lambda fd: os.writev(fd, [b"c" * 1000, b"d" * 1000]),
    "copy_file_range": lambda fd: os.copy_file_range(source, fd, n - 100, 100, 50),
    "copy_file_range at the positions": lambda fd: os.copy_file_range(source, fd, 3000),
    "sendfile": lambda fd: os.sendfile(fd, source, 300, 9000),
    "splice": by_pipe,
}
for name, call in calls.items():
    for fd in plain, sync:
        os.lseek(source, 100, 0)
        os.lseek(fd, 1000, 0)
        call(fd)
        print(name, "O_DSYNC" if fd == sync else "without", files_with_dirty_bytes())
    os.pwrite(plain, b"x", 5)
    call(sync)
    print(name, "after others", files_with_dirty_bytes())
os.pwritev(plain, [b"e" * 10], 99, os.RWF_DSYNC)
print("RWF_DSYNC", files_with_dirty_bytes())
os.pwrite(plain, b"x", 5)
os.fdatasync(plain)
print("fdatasync", files_with_dirty_bytes())
PY
expected=$(for call in write pwrite writev copy_file_range "copy_file_range at the positions" sendfile \
	splice; do
	printf '%s without 1\n%s O_DSYNC 0\n%s after others 0\n' "$call" "$call" "$call"
done)
is "bytes that are not durable" "$expected
RWF_DSYNC 0
fdatasync 0" "$(LIBUMFS_MODE=posix u python3 "$work/dsync.py" "$mnt" "$pool" "$dirty" 2>&1)"
check_pool "synchronous writing"
finish
