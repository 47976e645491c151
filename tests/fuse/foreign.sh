#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# foreign.sh - programs that can not have libumfs in them, started from a preloaded shell:
# without a libc, as Go's, of 32 bits, of another libc, set-user-id. Where the pool is mounted
# they work by the mount; where it is not they say why not, and end. What musl's loader starts
# is not started with libumfs in LD_PRELOAD, however it is started.
#
# usage: foreign.sh NAME=PROGRAM... (no PROGRAM: it could not be built; NAME umfs: the tool)

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
	if [ "$(id -u)" != 65534 ] && cp "$1" "$place/setuid" 2>/dev/null && chown 65534 "$place/setuid" 2>/dev/null &&
		chmod 4755 "$place/setuid" && chmod 755 "$place" &&
		[ "$("$place/setuid" who 1)" = 65534 ]; then
		echo "$place/setuid"
	else
		rm -rf "$place"
	fi
}

# Started by each of libc's ways, which of glibc's children come back to libumfs, and what
# else LD_PRELOAD names.
started() {
	rm -rf "$mnt/dir"
	mkdir "$mnt/dir"
	echo text >"$mnt/dir/f"
	is "$1: system" text "$(quietly p python3 -c 'import os, sys
os.system(" ".join(sys.argv[1:]))' "$2" read "$mnt/dir/f")"
	is "$1: posix_spawn" text "$(quietly p python3 -c 'import os, sys
os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)' "$2" read "$mnt/dir/f")"
	quietly p python3 -c 'import os, sys
out = [(os.POSIX_SPAWN_OPEN, 1, sys.argv[3] + "/g", os.O_CREAT | os.O_WRONLY, 0o600)]
os.waitpid(os.posix_spawn(sys.argv[1], [sys.argv[1], "read", sys.argv[2]], os.environ, file_actions=out), 0)
out = os.open(sys.argv[3] + "/h", os.O_CREAT | os.O_WRONLY, 0o600)
out = [(os.POSIX_SPAWN_DUP2, out, 1)]
os.waitpid(os.posix_spawnp(sys.argv[1], [sys.argv[1], "read", sys.argv[2]], os.environ, file_actions=out), 0)' \
		"$2" "$mnt/dir/f" "$mnt/dir"
	is "$1: posix_spawn with file actions" "text text" "$(cat "$mnt/dir/g" "$mnt/dir/h" | xargs)"
	export LIBUMFS_REDIRECT=0
	is "$1: posix_spawn, libc left as it is" "text text" "$(quietly p python3 -c 'import os, sys
os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
os.environ["PATH"] = "/nowhere:" + os.path.dirname(sys.argv[1]) + ":/bin"
name = os.path.basename(sys.argv[1])
os.waitpid(os.posix_spawnp(name, [name] + sys.argv[2:], os.environ), 0)' "$2" read "$mnt/dir/f" | xargs)"
	quietly p python3 -c 'import os, sys
fd = os.open(sys.argv[2], os.O_CREAT | os.O_RDWR, 0o600)
os.set_inheritable(fd, True)
os.write(fd, b"before ")
for i in range(2):
    os.waitpid(os.posix_spawn(sys.argv[1], [sys.argv[1], "write", str(fd), "child "], os.environ), 0)
os.write(fd, b"after")
os.lseek(fd, 0, 0)
os.write(fd, os.read(fd, 6).upper())' "$2" "$mnt/dir/i"
	is "$1: and an open file" "beforeBEFORE child after" "$(cat "$mnt/dir/i")"
	unset LIBUMFS_REDIRECT
	printf '#!%s read\ntext\n' "$2" >"$mnt/dir/script"
	chmod 755 "$mnt/dir/script"
	is "$1: a script" "#!$2 read text" "$(quietly p sh -c '"$0"' "$mnt/dir/script" | xargs)"
	is "$1: its child" "none text" "$(quietly p sh -c '"$0" exec /bin/sh -c "echo \${LD_PRELOAD-none}; cat $1"' \
		"$2" "$mnt/dir/f" | xargs)"
	cp "$UMFS_LIB" "$work/other.so"
	LD_PRELOAD="$UMFS_LIB" timeout 60 env LD_PRELOAD="$work/other.so:$UMFS_LIB" "$2" who 1 >"$work/out" 2>&1
	is "$1: other libraries are the user's" 127 $?
	ok "$1: and it says which" grep -q other.so "$work/out"
	is "$1: which is not ours" "" "$(grep libumfs "$work/out")"
}

# Without a mount, by the tool.
run_alone() {
	is "$1: umfs run" "$(id -u)" "$(quietly timeout 60 "$umfs" run -p "$pool" -m "$mnt" -- "$2" who 1)"
	ok "$1: umfs run says so" grep -q "another C library" "$work/said"
	is "$1: umfs run in its child" text "$(quietly timeout 60 "$umfs" run -p "$pool" -m "$mnt" -- "$2" \
		exec "$umfs" run -p "$pool" -m "$mnt" -- sh -c 'echo text >"$0/f"; cat "$0/f"' "$mnt")"
}

each() {
	for arg in "$@"; do
		name=${arg%%=*}
		program=${arg#*=}
		[ "$name" != libc ] && [ "$name" != umfs ] || continue
		if [ -z "$program" ]; then
			[ "$what" = alone ] || skip "$name" "it could not be built"
		elif [ "$(quietly timeout 60 "$program" who 1)" = "" ]; then
			[ "$what" = alone ] || skip "$name" "it does not run here"
		elif [ "$name" = musl_dynamic ] && [ -n "${UMFS_PRELOAD:-}" ]; then
			[ "$what" = alone ] || skip "$name" "a sanitizer is preloaded, which is of glibc too"
		else
			"$what" "$name" "$program"
			[ "$name$what" != musl_dynamicmounted ] || started "$name" "$program"
			[ "$name$what" != musl_dynamicalone ] || run_alone "$name" "$program"
		fi
	done
}

for arg in "$@"; do
	[ "${arg%%=*}" != libc ] || setuid=$(with_uid "$(readlink -f "${arg#*=}")")
	[ "${arg%%=*}" != umfs ] || umfs=${arg#*=}
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
