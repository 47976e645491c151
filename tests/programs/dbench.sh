# SPDX-License-Identifier: BSD-3-Clause
# dbench: what a file server does for office programs, by two and by five clients.
. "${0%/*}/lib.sh"

load=/usr/share/dbench/client.txt
seconds=$((EFFORT > 1 ? 60 : EFFORT ? 3 : 2))

# It begins with a System V semaphore, and those are the whole system's: where others have
# all of them, for a moment, it ends before it has touched a file, or goes on without. And the
# first of its clients that is let go takes the semaphore away, from one that has not begun to
# wait, too.
run_dbench() {
	local try code
	for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
		code=0
		dbench -c $load -D "$DIR" -t $seconds "$1" >"$WORK/dbench.log" 2>&1 || code=$?
		grep -q 'barrier' "$WORK/dbench.log" || return "$code"
		rm -rf "$DIR/clients"
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
