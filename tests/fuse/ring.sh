#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# ring.sh - io_uring in preloaded programs, where the pool is mounted and where it is not.

. "$(dirname "$0")/lib.sh"

io=$(readlink -f "$1")
static_io=$(readlink -f "$2")
if ! why=$("$io" probe); then
	echo "no io_uring here: $why"
	exit 77
fi
make_pool 64M
ok "mount" m

# Preloaded, with nothing but that.
p() {
	LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" "$@"
}

# ours WHAT: in the pool's directory. (Started in it, it would have the mount for all of it.)
ours() {
	p timeout 60 sh -c 'cd "$0" && exec "$@"' "$mnt/dir" "$io" "$@" 2>&1
}

# same WHAT: what it prints must be what it prints on tmpfs, by itself.
same() {
	rm -rf "$work/ref" "$mnt/dir"
	mkdir "$work/ref" "$mnt/dir"
	expected=$(cd "$work/ref" && "$io" "$1" 2>&1)
	is "$1" "$expected" "$(ours "$1")"
	ok "$1: prints" test -n "$expected"
	is "$1: by the mount" "$(cat "$work/ref/f")" "$(cat "$mnt/dir/f")"
}

same run
same threads
same threads
is "a lock that would be lost" "$(printf '%s\n' "locked: 0" "a ring: -38 Function not implemented" \
	"unlocked: 0" "a ring: 0" "write: 5")" "$(ours locks)"
is "a shared descriptor that has none" "a ring: 0" \
	"$(p sh -c 'cd "$1"; exec 5<>f; /bin/true; "$0" passed 5 | grep ring' "$io" "$mnt/dir")"

is "others' locks, and first rings" "locked often: 1 failed: 0 30" "$(p timeout 60 bash -c 'cd "$1"; exec 5<>held
	for i in $(seq 30); do "$0" passed 5; done 2>&1 >"$2" | "$0" held 6 6<>held' "$io" "$mnt/dir" "$work/rings" |
	xargs) $(grep -c "a ring: 0" "$work/rings")"
same dirs

# One thread waits for the mount, and others have no need of it.
daemon=$(daemons "$pool")
is "exec that waits for the mount" "went on: 100" "$(p timeout 30 sh -c 'cd "$1"; exec "$0" beside "$2" "$3"' \
	"$io" "$mnt/dir" "$daemon" "$static_io")"
kill -CONT "$daemon"
is "and then goes on" "by a static program" "$(cat "$mnt/dir/f")"

same exec
same exec-dir

# A program without libumfs that has threads, with a descriptor that it was given.
p bash -c 'cd "$1"; exec 5<>blocks; "$0" blocks 5 1000' "$static_io" "$mnt/dir" >"$work/out" 2>&1
is "threads, each at its own places" "0 " "$? $(cat "$work/out")"
is "all that they wrote" "2048000 $("$static_io" blocks 5 1000 5<>"$work/blocks"; cksum <"$work/blocks")" \
	"$(stat -c %s "$mnt/dir/blocks") $(cksum <"$mnt/dir/blocks")"

rm -f "$work/report"
LIBUMFS_REPORT=$work/report ours locks >/dev/null
ok "the report tells" grep -q "io_uring: .*materialised 1" "$work/report"

# A mount whose daemon is gone: no rings, and what is opened with one there fails.
kill -9 $(daemons "$pool")
ok "it is dead" wait_for 20 no_daemon
is "no daemon, no rings" "a ring: -38 Function not implemented" \
	"$(p sh -c 'cd "$1"; exec 5<>f; exec "$0" passed 5' "$io" "$mnt/dir")"
ok "taken away" unmount "$mnt"
check_pool "rings"
is "not mounted: programs do without" "Function not implemented" \
	"$(rmdir "$mnt"; u "$io" probe)"
mkdir "$mnt"
finish
