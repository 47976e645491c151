#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# freeze.sh UMFS - a pool that is mounted, frozen: what reads goes on, what writes waits, and
# the mount is not needed to thaw it.

. "$(dirname "$0")/lib.sh"

umfs=$1

make_pool 64M
ok "mount" m
echo content >"$mnt/read"
mkdir "$mnt/d"
ok "freeze" "$umfs" freeze "$pool" >/dev/null
n=0
while [ $n -lt 20 ]; do # as many workers wait
	echo $n >"$mnt/d/$n" &
	eval "w$n=\$!"
	n=$((n + 1))
done
sleep 0.5
is "reading" content "$(timeout 60 cat "$mnt/read")"
is "looking" "d read" "$(timeout 60 ls "$mnt" | tr '\n' ' ' | sed 's/ $//')"
cp --sparse=always "$pool" "$work/copy"
ok "thaw" timeout 60 "$umfs" thaw "$pool"
n=0
while [ $n -lt 20 ]; do
	eval "wait \$w$n" || fail "writer $n"
	is "what writer $n wrote" $n "$(cat "$mnt/d/$n")"
	n=$((n + 1))
done
um
check_pool "thawing"
mv "$work/copy" "$pool"
check_pool "the copy"
ok "mount the copy" m
is "files in the copy" "0" "$(find "$mnt/d" -type f | wc -l)"
is "content of the copy" content "$(cat "$mnt/read")"
um
check_pool "using the copy"
finish
