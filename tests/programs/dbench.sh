# SPDX-License-Identifier: BSD-3-Clause
# dbench: what a file server does for office programs, by two and by five clients.
. "${0%/*}/lib.sh"

load=/usr/share/dbench/client.txt
seconds=$((EFFORT > 1 ? 60 : EFFORT ? 3 : 2))

# It begins with a System V semaphore, and those are the whole system's: where others have
# all of them, for a moment, it ends before it has touched a file.
run_dbench() {
	local try
	for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
		dbench -c $load -D "$DIR" -t $seconds "$1" >"$WORK/dbench.log" 2>&1 && return
		grep -q 'failed to create barrier semaphore' "$WORK/dbench.log" || return 1
		sleep "$try"
	done
	return 1
}

for clients in 2 5; do
	run_dbench $clients || { tail "$WORK/dbench.log" >&2; fail dbench; }
	grep -q '^Throughput [0-9.]*[1-9]' "$WORK/dbench.log" || { tail "$WORK/dbench.log" >&2; fail "nothing done"; }
	! grep -iE 'fail|error|different' "$WORK/dbench.log" >&2 || fail dbench
	other rm -r clients
done
ls -A
did 7 clients
