# SPDX-License-Identifier: BSD-3-Clause
# fio: each engine writes and reads back with every block verified, as threads and processes.
. "${0%/*}/lib.sh"

engines="psync sync vsync mmap libaio" # rings are to be had by the mount
case $COMPARED in
mount | both) engines="psync sync vsync libaio io_uring" ;; # no shared mappings
esac
engines=${ENGINES:-$engines}
size=$((EFFORT > 1 ? 256 : 4))m
cd "$WORK"

# What is written depends on the offset alone, so that the files are the same each time.
verify='--verify=pattern --verify_pattern=%o --verify_fatal=1 --do_verify=1 --verify_state_save=0'
job() {
	local log=$WORK/fio.log
	fio --name="$1" --directory="$DIR" --ioengine="$2" --randseed=7 --size=$size --numjobs=2 \
		--group_reporting --minimal "${@:3}" >"$log" 2>&1 || { tail "$log" >&2; fail "fio $*"; }
	grep -q '^3;' "$log" || fail "fio $*: no result"
	n=$((n + 1))
}

n=0
for engine in $engines; do
	job "$engine-t" "$engine" --rw=write --bs=64k --thread=1 $verify
	job "$engine-t" "$engine" --rw=randwrite --bs=4k --thread=1 $verify
	[ "$EFFORT" -gt 0 ] || continue
	job "$engine-p" "$engine" --rw=randwrite --bs=4k --fsync=32 $verify
	job "$engine-p" "$engine" --rw=write --bs=1m --overwrite=1 $verify
	job "$engine-p" "$engine" --rw=randread --bs=512 --io_size=1m
done
did $n jobs
