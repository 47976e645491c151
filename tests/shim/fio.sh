#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# fio.sh - an unmodified fio writes and verifies (crc32c) under libumfs, at
# block sizes from 64 B to 1 MiB, with its jobs as threads and as processes; by psync
# and by libaio. By io_uring it says that there is none, and goes.
#
# usage: fio.sh [atomic|sync|posix]

. "$(dirname "$0")/lib.sh"

mode=${1:-atomic}
export LIBUMFS_MODE=$mode
make_pool 512M
cd "$work" || exit 2

run() {
	kind=$1
	bs=$2
	rw=$3
	jobs=$4
	checks=$((checks + 1))
	thread=
	[ "$kind" = threads ] && thread=--thread
	u fio --name=v --directory="$mnt" --rw="$rw" --bs="$bs" \
		--ioengine="${engine:-psync}" --iodepth=8 --size="$5" --numjobs="$jobs" $thread \
		--verify=crc32c --do_verify=1 --verify_state_save=0 \
		--verify_fatal=1 --group_reporting --minimal >"$work/fio.out" 2>&1 || {
		fail "fio $mode $kind bs=$bs $rw: exit $?"
		tail -n 5 "$work/fio.out" >&2
	}
	if ! grep -q '^3;' "$work/fio.out"; then
		fail "fio $mode $kind bs=$bs $rw: no result"
		tail -n 5 "$work/fio.out" >&2
	fi
}

for kind in threads processes; do
	run $kind 64 randwrite 3 512k
	run $kind 512 write 2 2m
	run $kind 4k randwrite 3 8m
	run $kind 5000 randwrite 2 10m
	run $kind 64k randwrite 2 16m
	run $kind 1m write 2 32m
	run $kind 1m randwrite 2 32m
	engine=libaio
	run $kind 512 randwrite 2 1m
	run $kind 4k randrw 3 8m
	run $kind 64k randwrite 2 16m
	engine=
	u sh -c "rm -f $mnt/v.*"
	check_pool "fio with $kind"
done
checks=$((checks + 1))
if u fio --name=v --directory="$mnt" --ioengine=io_uring --rw=write --bs=4k --size=1m \
	>"$work/fio.out" 2>&1 || ! grep -q "does.* support io_uring" "$work/fio.out"; then
	fail "fio by io_uring: it does not say that there is none"
	tail -n 5 "$work/fio.out" >&2
fi
finish
