#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# run.sh - `umfs run` with libumfs itself: directories that are not there, runs
# within runs, modes. usage: run.sh UMFS

. "$(dirname "$0")/lib.sh"
umfs=$(readlink -f "$1")
export LIBUMFS_SO="$UMFS_LIB" LD_PRELOAD="${UMFS_PRELOAD:-}"
cd "$work" || exit 2
second=$work/second
"$UMFS_MKFS" -q --size 64M "$second" || exit 2
make_pool

run() {
	"$umfs" run --pool "$pool" --mount mnt -- "$@"
}
# within DIR COMMAND...: the second pool at DIR as well
within() {
	dir=$1
	shift
	run "$umfs" run --pool "$second" --mount "$dir" -- "$@"
}

is "a directory that is not there" text "$(run sh -c 'echo text >mnt/f; cat mnt/f' 2>&1)"
ok "and is not made" [ ! -e mnt ]
mkdir locked
chmod 555 locked
is "below one that nobody may write to" text \
	"$("$umfs" run --pool "$pool" --mount locked/m -- cat locked/m/f 2>&1)"
is "nothing was made there" "" "$(ls locked)"
mkdir there
is "one that is there" text "$("$umfs" run --pool "$pool" --mount there -- cat there/f 2>&1)"
is "nothing was written there" "" "$(ls there)"

is "the same again" text "$(run "$umfs" run --pool "$pool" --mount mnt -- cat mnt/f 2>&1)"
is "another directory" "here there" "$(within other sh -c '
	echo here >mnt/g; echo there >other/g; echo $(cat mnt/g) $(cat other/g)' 2>&1)"
is "what they wrote" "f g" "$(echo $(run ls mnt 2>&1))"
is "one within the other" inner "$(within mnt/in sh -c 'echo inner >mnt/in/h; cat mnt/in/h' 2>&1)"
is "each has its own" "g h" "$(echo $("$umfs" run --pool "$second" --mount mnt -- ls mnt 2>&1))"
out=$(within mnt true 2>&1) && fail "another pool there: no error"
is "another pool there" "umfs: $work/mnt: holds the files of another pool already, $pool" "$out"

# The report, in one file wherever the programs go, or on stderr.
(cd "$work" && "$umfs" run --pool "$pool" --mount mnt --report=said -- sh -c 'cd / && cat "$0"' "$work/mnt/f") >/dev/null
ok "report in a file" grep -q 'read: served [1-9]' "$work/said"
"$umfs" run --pool "$pool" --mount mnt --json -- cat mnt/f 2>&1 >/dev/null |
	python3 -c 'import json, sys; sys.exit(json.loads(sys.stdin.read())["calls"]["open"]["served"] < 1)' ||
	fail "report as JSON"

# A pool in use keeps a stronger mode, and says so.
asked() {
	run sh -c 'exec 3>mnt/open; "$0" run --pool "$1" --mount mnt --mode "$2" -- true' \
		"$umfs" "$pool" "$1" 2>&1
}
is "a weaker mode" "umfs: $pool: is in use and stays in mode atomic" "$(asked posix)"
is "the same mode" "" "$(asked atomic)"
check_pool "run"
finish
