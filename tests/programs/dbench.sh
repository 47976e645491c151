# SPDX-License-Identifier: BSD-3-Clause
# dbench: what a file server does for office programs, by two and by five clients.
. "${0%/*}/lib.sh"

load=/usr/share/dbench/client.txt
seconds=$((EFFORT > 1 ? 60 : EFFORT ? 3 : 2))
for clients in 2 5; do
	dbench -c $load -D "$DIR" -t $seconds $clients >"$WORK/dbench.log" 2>&1 || { tail "$WORK/dbench.log" >&2; fail dbench; }
	grep -q '^Throughput [1-9]' "$WORK/dbench.log" || { tail "$WORK/dbench.log" >&2; fail "nothing done"; }
	! grep -iE 'fail|error|different' "$WORK/dbench.log" >&2 || fail dbench
	other rm -r clients
done
ls -A
did 7 clients
