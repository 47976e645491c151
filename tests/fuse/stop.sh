#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# stop.sh - a preloaded process that is stopped inside a write keeps only those waiting
# who want that very file, also by the mount, and however many they are; and a stopped
# mount only those who ask it.

. "$(dirname "$0")/lib.sh"

READERS=40

make_pool 64M
ok "mount" m
head -c 1M /dev/zero >"$mnt/victim"
echo other >"$mnt/other"

state() {
	sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null
}

stopped_or_gone() {
	[ "$(state "$1")" = T ] || [ -z "$(state "$1")" ] || [ "$(state "$1")" = Z ]
}

gone() {
	[ -z "$(state "$1")" ] || [ "$(state "$1")" = Z ]
}

# A writer that is stopped at its first store of data, where a reader of the file waits.
# Readers are not ended: who waits for an answer of FUSE can not be.
(
	export UMFS_STOP_AT=1 UMFS_STORE_BYTES=4096 LIBUMFS_MOUNT="$mnt=$pool"
	export LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_HOOKS_LIB"
	exec dd if=/dev/urandom of="$mnt/victim" bs=1M count=1 conv=notrunc status=none
) &
writer=$!
ok "stopped or done" wait_for 20 stopped_or_gone $writer
is "the writer's state" T "$(state $writer)"
cat "$mnt/victim" >"$work/read.0" &
reader=$!
if wait_for 1 gone $reader; then
	fail "the reader did not wait"
fi

i=1
readers=$reader
while [ $i -lt $READERS ]; do
	cat "$mnt/victim" >"$work/read.$i" &
	readers="$readers $!"
	i=$((i + 1))
done

# Meanwhile everything else goes on; without parking and without more workers it would hang.
sleep 0.3
ok "another file is read" timeout 60 cat "$mnt/other"
ok "another file is made" timeout 60 sh -c "echo new >'$mnt/new' && mv '$mnt/new' '$mnt/newer'"
ok "a directory is listed" timeout 60 ls -l "$mnt"
ok "space is told" timeout 60 df "$mnt"
ok "the file itself is looked at" timeout 60 stat "$mnt/victim"
daemon=$(daemons "$pool")
threads=$(ls "/proc/$daemon/task" | wc -l)
echo "$threads threads of the mount"
ok "few workers wait" test "$threads" -lt 20

kill -9 $writer
for pid in $readers; do
	ok "reader $pid goes on" wait_for 20 gone $pid
done
wait
i=0
while [ $i -lt $READERS ]; do
	is "what reader $i has" 1048576 "$(stat -c %s "$work/read.$i")"
	i=$((i + 1))
done
um
check_pool "a stopped writer"

# ---- a mount whose daemon is stopped: who asks it first waits, and no other thread ----

ok "mount" m
second=$work/pool2
mkdir "$work/mnt2"
"$UMFS_MKFS" -q --size 32M "$second" || exit 2
ok "mount another" timeout 60 "$UMFS_MOUNT" "$second" "$work/mnt2"
echo text >"$work/mnt2/f"
cat >"$work/beside.py" <<'PY'
import os, signal, sys, threading, time
stopped, other, daemon, before = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
if before:
    os.stat(stopped)
os.kill(daemon, signal.SIGSTOP)
def states(pid):
    tasks = "/proc/%d/task/" % pid
    return {open(tasks + t + "/stat").read().rpartition(")")[2].split()[0] for t in os.listdir(tasks)}
while states(daemon) != {"T"}:
    time.sleep(0.01)
size = []
t = threading.Thread(target=lambda: size.append(os.stat(stopped + "/victim").st_size))
t.start()
t.join(20 if before else 0.3) # it knows already, or it waits
print(open(other + "/f").read().strip(), flush=True)
if not os.fork():
    if before:
        os.stat(stopped + "/victim") # its parent knew
    os.close(os.open(other + "/child", os.O_CREAT | os.O_WRONLY))
    os._exit(0)
print(os.wait()[1], os.path.exists(other + "/child"), size, flush=True)
os.kill(daemon, signal.SIGCONT)
t.join()
print(size)
PY
beside() {
	LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" timeout 120 python3 "$work/beside.py" "$mnt" \
		"$work/mnt2" "$(daemons "$pool")" "$@" 2>&1 | xargs
}
is "another pool's files, and a child" "text 0 True [] [1048576]" "$(beside)"
is "where it was asked before" "text 0 True [1048576] [1048576]" "$(beside before)"
kill -CONT $(daemons "$pool")
ok "unmount the other" unmount "$work/mnt2"
um
finish
