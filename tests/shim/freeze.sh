#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# freeze.sh UMFS - programs that change a pool while it is frozen, and others that read.

. "$(dirname "$0")/lib.sh"

umfs=$1

# A program that appends numbered lines, and says of each when write() has answered.
writer() {
	u python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
n = 0
while not os.path.exists(sys.argv[2]):
    os.write(fd, b"%d\n" % n)
    print(n, flush=True)
    n += 1
' "$mnt/$1" "$work/stop" >"$work/$1.out" 2>"$work/$1.err"
}
answered() {
	tail -n 1 "$work/$1.out" 2>/dev/null
}
# until COMMAND...: within half a minute.
until_so() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 3000 ] || return
		sleep 0.01
	done
}
more_than() {
	[ "$(answered "$1")" -gt "$2" ] 2>/dev/null
}

make_pool 256M
u mkdir "$mnt/d"
echo content >"$work/content"
u cp "$work/content" "$mnt/read"
for f in a b c; do
	writer $f &
	eval "$f=\$!"
done
for f in a b c; do
	ok "$f writes" until_so more_than $f 100
done

ok "freeze" "$umfs" freeze "$pool" >"$work/frozen"
before=$(answered a)
ok "reading" u cmp "$mnt/read" "$work/content"
ok "looking" u ls -la "$mnt" >/dev/null
u sh -c 'exec 3>>"$0"; echo more >&3' "$mnt/later" &
later=$!
u timeout 0.2 sh -c 'echo never >"$0"' "$mnt/never"
is "a program that waits can be ended" 124 $?
cp --sparse=always "$pool" "$work/copy"
sleep 0.5
# One call may have been done before, and be answered now.
still=$(answered a)
ok "answers while frozen: $before, $still" test "$still" -le $((before + 1))
ok "thaw" "$umfs" thaw "$pool"
ok "a program that waited" wait $later
for f in a b c; do
	ok "$f goes on" until_so more_than $f $((still + 1000))
done

# By itself, and what was answered is in the copy.
for f in a b c; do
	answered $f >"$work/$f.before"
done
ok "copy" "$umfs" freeze "$pool" -- cp --sparse=always "$pool" "$work/copy2"
: >"$work/stop"
for f in a b c; do
	eval "wait \$$f" || fail "$f: $(cat "$work/$f.err")"
done
check_pool "freezing"
is "state" clean "$("$umfs" info "$pool" | sed -n 's/^state  *//p')"
ok "what waited was done" u grep -qx more "$mnt/later"
mv "$pool" "$work/pool1"

for n in 1 2; do
	[ $n = 1 ] && mv "$work/copy" "$pool" || mv "$work/copy2" "$pool"
	check_pool "copy $n"
	for f in a b c; do
		u cat "$mnt/$f" >"$work/lines"
		last=$(tail -n 1 "$work/lines")
		is "lines of $f in copy $n" $((last + 1)) "$(wc -l <"$work/lines")"
		[ $n = 1 ] || ok "what was answered of $f" test "$last" -ge "$(cat "$work/$f.before")"
	done
	[ $n = 2 ] || ok "what waited is not there" u test ! -s "$mnt/later"
	ok "the copy can be used" u cp "$work/content" "$mnt/used"
	check_pool "using copy $n"
done

# Its freezer killed.
ok "freeze again" "$umfs" freeze "$pool" >"$work/frozen"
u sh -c 'echo go >"$0"' "$mnt/go" &
go=$!
sleep 0.1
kill -9 "$(sed -n 's/.*process \([0-9]*\)$/\1/p' "$work/frozen")"
ok "the freezer dead" wait $go
check_pool "a dead freezer"
finish
