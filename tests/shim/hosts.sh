#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# hosts.sh - host programs of special kinds: built with sanitizers, under valgrind, a
# shell that reads its script from a pool; a libumfs.so of the wrong architecture; a
# pool that is removed under a running program.

. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
make_pool
export TEST_DIR=$mnt

# ---- sanitizers, valgrind ----

# host NAME PRELOAD COMPILER-FLAG...
host() {
	name=$1 preload=$2
	shift 2
	"${CC:-cc}" -g -O1 "$@" -o "$work/host" "$here/host.c" -pthread 2>"$work/cc.out" || {
		fail "$name: it can not be built: $(head -n 3 "$work/cc.out")"
		return
	}
	out=$(UMFS_PRELOAD=$preload u "$work/host" 2>&1)
	is "a program with $name" "all is well" "$(printf '%s\n' "$out" | head -n 20)"
}

skip() {
	printf 'skipped: %s\n[  SKIPPED ] %s\n' "$2" "$1"
}

runtime() {
	"${CC:-cc}" -print-file-name="lib$1.so"
}

host "nothing special" "${UMFS_PRELOAD:-}"
if [ -n "${UMFS_PRELOAD:-}" ]; then
	skip sanitizers "a sanitizer is preloaded already"
	skip valgrind "a sanitizer is preloaded"
elif ! command -v gcc >/dev/null; then
	skip sanitizers "gcc is not installed, whose runtimes are libraries"
else
	CC=gcc # whatever the build is made by
	host "the address sanitizer" "$(runtime asan)" -fsanitize=address
	# What the pool's memory sees happen between its atomic operations is not for it.
	TSAN_OPTIONS=ignore_noninstrumented_modules=1 \
		host "the thread sanitizer" "$(runtime tsan)" -fsanitize=thread
	host "the undefined behaviour sanitizer" "" -fsanitize=undefined
	host "nothing special" ""
	if command -v valgrind >/dev/null; then
		out=$(LIBUMFS_MOUNT=$mnt=$pool LD_PRELOAD=$UMFS_LIB valgrind -q --error-exitcode=9 \
			--leak-check=full "$work/host" 2>&1)
		is "a program under valgrind" "all is well" "$(printf '%s\n' "$out" | head -n 20)"
	else
		skip valgrind "it is not installed"
	fi
fi

# ---- a shell whose script lies in the pool: it reads it by descriptor 255 ----

u sh -c "cat >$mnt/script" <<'SCRIPT'
exec 3>"$TEST_DIR/out"
echo first >&3
(echo in a subshell >&3)
/bin/echo by a program >&3
ls -l /proc/self/fd/255 >/dev/null 2>&1 && echo 255 passed on >&3
echo "$(echo substituted)" >&3
for i in 1 2 3; do
	read -r line
	echo "$i: $line" >&3
done <<HERE
one
two
three
HERE
exec 3>&-
exit 7
SCRIPT
u bash "$mnt/script"
is "its exit code" 7 $?
is "its output" "first in a subshell by a program substituted 1: one 2: two 3: three" \
	"$(u cat "$mnt/out" | tr '\n' ' ' | sed 's/ $//')"
is "a script by its standard input" "hello" "$(echo 'echo hello' | u tee "$mnt/s2" >/dev/null
	u sh -c "bash <$mnt/s2")"

# ---- the wrong architecture: the loader says so and goes on without it ----

cp "$UMFS_LIB" "$work/libumfs.so"
printf '\1' | dd of="$work/libumfs.so" bs=1 seek=4 conv=notrunc status=none
out=$(UMFS_PRELOAD='' lib=$work/libumfs.so u touch "$mnt/f" 2>&1) && fail "wrong architecture: touch worked"
printf '%s\n' "$out" | grep -q 'cannot be preloaded' || fail "wrong architecture: $out"
[ ! -e "$mnt" ] || fail "wrong architecture: something was made outside"
checks=$((checks + 1))

# ---- the pool is removed under a running program ----

out=$(u bash -c '
	exec 3<>"$TEST_DIR/f"
	rm "$0"
	echo still there >&3
	cat "$TEST_DIR/f" 2>&1 | tail -n 1
	read -r line <"$TEST_DIR/f" && echo "$line"
	exit 5' "$pool" 2>"$work/err")
code=$?
is "a pool that is removed: the exit code" 5 $code
# For the process that has it, it is; a new one finds none.
is "a pool that is removed: who has it" "still there" "$(printf '%s\n' "$out" | tail -n 1)"
out=$(u cat "$mnt/f" 2>&1) && fail "a pool that is removed: found"
printf '%s\n' "$out" | grep -q 'no such file' || fail "a pool that is removed: $out"
finish
