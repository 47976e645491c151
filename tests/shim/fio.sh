#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# fio.sh - an unmodified fio writes and verifies (crc32c) under libumfs, at
# block sizes from 64 B to 1 MiB, with its jobs as threads and as processes.
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
	u fio --name=v --directory="$mnt" --ioengine=psync --rw="$rw" --bs="$bs" \
		--size="$5" --numjobs="$jobs" $thread --verify=crc32c --do_verify=1 \
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
	u sh -c "rm -f $mnt/v.*"
	check_pool "fio with $kind"
done
finish
