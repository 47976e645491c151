# SPDX-License-Identifier: BSD-3-Clause
# lib.sh - what the shim's shell tests share; sourced.
#
# The environment names the build: UMFS_LIB, UMFS_HOOKS_LIB, UMFS_MKFS,
# UMFS_FSCK; UMFS_PRELOAD is what must be loaded before libumfs.

set -u
work=$(mktemp -d /dev/shm/umfs-shim-XXXXXX)
pool=$work/pool
mnt=$work/mnt
failures=0
checks=0
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export ASAN_OPTIONS="${ASAN_OPTIONS:-}${ASAN_OPTIONS:+:}detect_leaks=0"

# A command under libumfs with the pool at $mnt.
u() {
	LIBUMFS_MOUNT="${mounts:-$mnt=$pool}" \
		LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}${lib:-$UMFS_LIB}" "$@"
}

make_pool() {
	rm -f "$pool"
	"$UMFS_MKFS" -q --size "${1:-64M}" "$pool" || exit 2
}

fail() {
	echo "FAILED: $*" >&2
	failures=$((failures + 1))
}

# ok TEXT COMMAND...: it must succeed.
ok() {
	text=$1
	shift
	checks=$((checks + 1))
	"$@" || fail "$text (exit $?): $*"
}

# is TEXT EXPECTED GOT
is() {
	checks=$((checks + 1))
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# The pool must be consistent as it lies. Who ends is gone from the list of processes a moment
# before it is out of the pool.
check_pool() {
	checks=$((checks + 1))
	for try in 1 2 3 4 5 6 7 8 9 10; do
		"$UMFS_FSCK" -n "$pool" >"$work/fsck.out" 2>&1 && return
		code=$?
		grep -q "the pool is in use" "$work/fsck.out" || break
		sleep 0.2
	done
	fail "fsck -n after $1: exit $code"
	cat "$work/fsck.out" >&2
}

finish() {
	echo "$checks checks, $failures failed"
	[ $failures -eq 0 ]
	exit
}
