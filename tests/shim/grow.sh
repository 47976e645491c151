#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# grow.sh UMFS - a pool made larger while programs write to it that wait for room.
#
# Three append to files that together need five times the pool, one reads what another
# appends, and one has a limit on its address space, so that its mapping has no room to
# grow into. None of them is started anew.

. "$(dirname "$0")/lib.sh"

umfs=$1
here=$(dirname "$0")
pieces=1000 # of 64 KiB

make_pool 48M
writer() {
	u python3 "$here/grow_writer.py" write "$mnt/$1" $pieces >"$work/$1.out" 2>&1
}

mkfifo "$work/ready"
u python3 "$here/grow_writer.py" watch "$mnt/a" $pieces >"$work/ready" 2>"$work/watch.out" &
watch=$!
read -r _ <"$work/ready"
writer a &
a=$!
writer b &
b=$!
# A sanitizer needs more address space than anybody would allow.
(
	[ -n "${UMFS_PRELOAD:-}" ] || ulimit -v 2000000
	writer c
) &
c=$!

# Until each of them has found the pool full.
tries=0
while [ "$(cat "$work"/[abc].out | grep -c full)" -lt 3 ] && [ $tries -lt 2000 ]; do
	tries=$((tries + 1))
	sleep 0.05
done
is "writers that found the pool full" 3 "$(cat "$work"/[abc].out | grep -c full)"
ok "grow" "$umfs" grow "$pool" --size 64M >/dev/null
ok "grow once more" "$umfs" grow "$pool" --size 150M >/dev/null
ok "grow by a group" "$umfs" grow "$pool" --size 400M >/dev/null
wait $a || fail "a: $(cat "$work/a.out")"
wait $b || fail "b: $(cat "$work/b.out")"
wait $c || fail "c: $(cat "$work/c.out")"
wait $watch || fail "reader: $(cat "$work/watch.out")"
for f in a b c; do
	is "size of $f" $((pieces * 65536)) "$(u stat -c %s "$mnt/$f")"
	u python3 "$here/grow_writer.py" watch "$mnt/$f" $pieces >/dev/null || fail "content of $f"
done
check_pool "growing"
is "size" "400 MiB" "$("$umfs" info "$pool" | sed -n 's/^size  *//p')"
is "state" clean "$("$umfs" info "$pool" | sed -n 's/^state  *//p')"

# Killed at any time, it is as large as before or as after.
n=0
while [ $n -lt 10 ]; do
	"$umfs" grow "$pool" --size $((500 + n))M >/dev/null 2>&1 &
	kill -9 $! 2>/dev/null
	wait $! 2>/dev/null
	n=$((n + 1))
done
check_pool "killed growths"
ok "used after that" u cp "$mnt/a" "$mnt/d"
check_pool "a copy"

# ---- what is refused: one line, and nothing is lost ----

# refused TEXT PATTERN ARGUMENT...
refused() {
	text=$1 pattern=$2
	shift 2
	cp --sparse=always "$pool" "$work/before"
	out=$("$umfs" grow "$@" 2>&1)
	is "$text: exit" 1 $?
	is "$text: lines" 1 "$(printf '%s\n' "$out" | wc -l)"
	printf '%s\n' "$out" | grep -q "$pattern" || fail "$text: no '$pattern' in: $out"
	ok "$text: changed nothing" cmp "$pool" "$work/before"
}

make_pool 64M
u cp /etc/passwd "$mnt/f"
refused "the same size" "large already" "$pool" --size 64M
refused "smaller" "large already" "$pool" --size 32M
refused "no multiple of a page" "multiple of 4096" "$pool" --size 100000001
refused "no size" "bad size" "$pool" --size much
refused "past what it was made for" "made for at most" "$pool" --size 200G
refused "past all limits" "more than a pool can have" "$pool" --size 17T
refused "no pool" "not a UMFS pool" /etc/passwd --size 64M
refused "nothing" "no such file" "$work/none" --size 64M
refused "no option" "wants one POOL" "$pool"
if [ "$(id -u)" -ne 0 ]; then
	chmod a-w "$pool"
	refused "a pool that may not be written" "denied" "$pool" --size 128M
	chmod u+w "$pool"
fi
out=$(ulimit -f 100000 && "$umfs" grow "$pool" --size 1G 2>&1)
is "a limit of the file's size: exit" 1 $?
printf '%s\n' "$out" | grep -q "a limit" || fail "a limit of the file's size: $out"
ok "as it was" u cmp /etc/passwd "$mnt/f"
check_pool "refusals"

# The largest there is, on a sparse file.
make_pool 16G
u cp /etc/passwd "$mnt/f"
u sh -c 'read -r _ <"$0"; cp /etc/passwd "$1"; cat "$2"' "$work/ready" "$mnt/g" "$mnt/f" \
	>"$work/f.out" &
late=$!
exec 7>"$work/ready"
ok "16 TiB" "$umfs" grow "$pool" --size 16T >/dev/null
echo >&7
exec 7>&-
wait $late || fail "a process that was there before"
ok "its file" cmp /etc/passwd "$work/f.out"
ok "written after" u cmp /etc/passwd "$mnt/g"
refused_16t=$("$umfs" grow "$pool" --size 16T 2>&1) && fail "16 TiB twice: $refused_16t"
u dd if=/dev/zero of="$mnt/large" bs=4096 count=1 seek=134217727 status=none || fail "512 GiB"
check_pool "16 TiB"
is "inodes of 16 TiB" 1073741823 "$("$umfs" info --json "$pool" | sed -n 's/.*"inodes": *\([0-9]*\).*/\1/p')"
finish
