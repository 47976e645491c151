#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# medium.sh - LIBUMFS_PMEM and LIBUMFS_NT: what is flushed and fenced on plain memory, as the
# library with hooks counts it.
#
# The environment names the build, as for the other tests: see lib.sh.
. "$(dirname "$0")/lib.sh"

make_pool
head -c 65536 /dev/urandom >"$work/data"

# counted [VARIABLE=VALUE]...: 64 KiB are written in one call, over those that are there;
# "lines fences" of the process.
counted() {
	(
		lib=$UMFS_HOOKS_LIB
		[ $# -eq 0 ] || export "$@"
		UMFS_COUNT_FD=9 u dd if="$work/data" of="$mnt/f" bs=64k conv=notrunc status=none 9>"$work/count"
	) || fail "dd with '$*'"
	cat "$work/count"
}

# between TEXT LEAST MOST GOT
between() {
	checks=$((checks + 1))
	[ "$4" -ge "$2" ] && [ "$4" -le "$3" ] || fail "$1: $4, not from $2 to $3"
}

counted >/dev/null
for mode in atomic sync posix; do
	LIBUMFS_MODE=$mode
	export LIBUMFS_MODE
	read -r lines fences <<-END
	$(counted)
	END
	is "$mode: lines flushed on memory" 0 "$lines"
	between "$mode: fences on memory" 1 100 "$fences"

	# Streamed: what is flushed is little beside the 1024 lines of the data.
	read -r lines fences <<-END
	$(counted LIBUMFS_PMEM=1)
	END
	if [ $mode != posix ]; then
		between "$mode: lines flushed as if persistent" 1 1000 "$lines"
	fi
	between "$mode: fences as if persistent" 2 1000 "$fences"

	read -r lines fences <<-END
	$(counted LIBUMFS_PMEM=1 LIBUMFS_NT=0)
	END
	# posix flushes when it is asked to.
	[ $mode = posix ] || between "$mode: lines flushed with ordinary stores" 1024 10000 "$lines"
	between "$mode: fences with ordinary stores" 2 1000 "$fences"

	read -r lines fences <<-END
	$(counted LIBUMFS_NT=0)
	END
	is "$mode: lines flushed on memory with ordinary stores" 0 "$lines"
done
unset LIBUMFS_MODE
ok "what was written" u cmp "$mnt/f" "$work/data"

for bad in LIBUMFS_PMEM=yes LIBUMFS_NT=2; do
	got=$(env "$bad" LIBUMFS_MOUNT="$mnt=$pool" LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" \
		cat "$mnt/f" 2>&1 >/dev/null)
	case $got in
	*"$bad"*"all files below LIBUMFS_MOUNT give EIO"*) checks=$((checks + 1)) ;;
	*) fail "$bad: '$got'" ;;
	esac
done

# One after the other: of one kind first, which must not matter to the next.
LIBUMFS_PMEM=1
export LIBUMFS_PMEM
ok "as if persistent" u sh -c "cd '$mnt' && mkdir d && cp f d/g && mv d/g d/h && ln d/h d/i && truncate -s 5 f"
unset LIBUMFS_PMEM
ok "again as it is" u sh -c "cd '$mnt' && cmp d/h '$work/data' && rm d/i"

# An outside tool that follows each store: Debian's valgrind has none for their order.
if [ -z "${UMFS_PRELOAD:-}" ] && command -v valgrind >/dev/null; then
	LIBUMFS_PMEM=1 LIBUMFS_NT=0
	export LIBUMFS_PMEM LIBUMFS_NT
	ok "under valgrind" u valgrind -q --tool=none dd if="$work/data" of="$mnt/v" bs=64k status=none
	unset LIBUMFS_PMEM LIBUMFS_NT
	ok "what was written there" u cmp "$mnt/v" "$work/data"
fi
check_pool "all of it"
finish
