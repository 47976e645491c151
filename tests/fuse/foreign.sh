#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# foreign.sh - programs that can not have libumfs in them, started from a preloaded shell:
# without a libc, of 32 bits, of another libc, set-user-id. Where the pool is mounted
# they work by the mount; where it is not they say why not, and end. What musl's loader starts
# does not run at all with LD_PRELOAD set to a library of glibc's, and says so.
#
# usage: foreign.sh NAME=PROGRAM... (no PROGRAM: it could not be built)

. "$(dirname "$0")/lib.sh"

# Preloaded, with nothing but that.
p() {
	LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" timeout 60 "$@"
}

skip() {
	printf 'skipped: %s\n[  SKIPPED ] %s\n' "$2" "$1"
}

# What the loaders and the shell say besides is of no interest here.
quietly() {
	"$@" 2>"$work/said"
}

# mounted NAME PROGRAM: from a preloaded shell in a directory of the pool.
mounted() {
	rm -rf "$mnt/dir"
	mkdir "$mnt/dir"
	chmod 777 "$mnt/dir"
	is "$1: a path" text "$(quietly p sh -c 'echo text >"$1/f"; "$0" read "$1/f"' "$2" "$mnt/dir")"
	is "$1: in the working directory" text "$(quietly p sh -c 'cd "$1"; "$0" read f' "$2" "$mnt/dir")"
	quietly p sh -c 'cd "$1"; { echo a; "$0" write 1 "b
"; echo c; } >g' "$2" "$mnt/dir"
	is "$1: an open file" "a b c" "$(xargs <"$mnt/dir/g")"
	quietly p bash -c 'cd "$1"; echo 1 >h; chmod 666 h; exec 5>>h; "$0" append h "2
"; echo 3 >&5; exec "$0" write 5 "4
"' "$2" "$mnt/dir"
	is "$1: by both" "1 2 3 4" "$(xargs <"$mnt/dir/h")"
	p sh -c 'cd "$1"; "$0" read nowhere' "$2" "$mnt/dir" >"$work/out" 2>&1
	is "$1: the error" 2 $?
	cp "$2" "$mnt/dir/program"
	is "$1: it lies in the pool" text "$(quietly p sh -c 'cd "$1"; ./program read f' - "$mnt/dir")"
}

# alone NAME PROGRAM: where there is no mount.
alone() {
	quietly timeout 60 env LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" \
		LIBUMFS_MOUNT="$mnt=$pool" sh -c '"$0" read "$1/f"; echo $?' "$2" "$mnt" >"$work/out"
	is "$1: no mount, a path" 2 "$(cat "$work/out")"
	quietly timeout 60 env LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" \
		LIBUMFS_MOUNT="$mnt=$pool" sh -c 'echo text >"$1/f"; "$0" write 1 x >"$1/g"; echo $?; cat "$1/f"' \
		"$2" "$mnt" >"$work/out"
	is "$1: no mount, an open file" "126 text" "$(xargs <"$work/out")"
	ok "$1: it is said" grep -q "not supported" "$work/said"
}

# with_uid PROGRAM: a copy that becomes user 65534, or nothing where that is not possible.
with_uid() {
	place=$(mktemp -d "${TMPDIR:-/tmp}/umfs-foreign-XXXXXX")
	if cp "$1" "$place/setuid" 2>/dev/null && chown 65534 "$place/setuid" 2>/dev/null &&
		chmod 4755 "$place/setuid" && chmod 755 "$place" &&
		[ "$("$place/setuid" who 1)" = 65534 ]; then
		echo "$place/setuid"
	else
		rm -rf "$place"
	fi
}

each() {
	for arg in "$@"; do
		name=${arg%%=*}
		program=${arg#*=}
		[ "$name" != libc ] || continue
		if [ -z "$program" ]; then
			[ "$what" = alone ] || skip "$name" "it could not be built"
		elif [ "$(quietly timeout 20 "$program" who 1)" = "" ]; then
			[ "$what" = alone ] || skip "$name" "it does not run here"
		elif [ "$name" = musl_dynamic ]; then
			p "$program" who 1 >"$work/out" 2>&1
			is "$name: does not start" 127 $?
			ok "$name: and says why" grep -q "^Error " "$work/out"
		else
			"$what" "$name" "$program"
		fi
	done
}

for arg in "$@"; do
	[ "${arg%%=*}" != libc ] || setuid=$(with_uid "$(readlink -f "${arg#*=}")")
done
[ "$(id -u)" = 0 ] && more=-oallow_other
make_pool 64M
chmod 711 "$work"
# shellcheck disable=SC2086
ok "mount" m ${more:-}
what=mounted
each "$@"
if [ -n "${setuid:-}" ]; then
	mounted setuid "$setuid"
	is "setuid: it is somebody else" 65534 "$(quietly p sh -c '"$0" who 1' "$setuid")"
else
	skip setuid "no program is set-user-id here"
fi
um
check_pool "foreign programs"

rmdir "$mnt"
what=alone
each "$@"
if [ -n "${setuid:-}" ]; then
	alone setuid "$setuid"
	rm -rf "${setuid%/*}"
fi
check_pool "foreign programs without a mount"
mkdir "$mnt"
finish
