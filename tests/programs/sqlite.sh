# SPDX-License-Identifier: BSD-3-Clause
# sqlite3: two writers at once with each journal, and one killed in the middle of a transaction.
. "${0%/*}/lib.sh"

each=$((EFFORT > 1 ? 2000 : 60))

sql() {
	sqlite3 -batch -cmd '.timeout 60000' "$@"
}

# Transactions one by one: the sum is right only if none of them saw another half done.
writer() {
	local i
	for ((i = 0; i < each; i++)); do
		echo "BEGIN IMMEDIATE; UPDATE sum SET n = (SELECT n FROM sum) + 1;"
		echo "INSERT INTO log SELECT '$1', n FROM sum; COMMIT;"
	done
}

# The log's index is a shared mapping.
journals=(delete wal)
[ "$SHARED_MAPS" = yes ] || journals=(delete truncate)
for journal in "${journals[@]}"; do
	db=$journal.db
	sql $db "PRAGMA journal_mode=$journal; CREATE TABLE sum(n); INSERT INTO sum VALUES(0);
		CREATE TABLE log(who, n); CREATE TABLE t(a INTEGER PRIMARY KEY, b);
		WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 5000)
		INSERT INTO t SELECT x, 'row ' || (x * 7919 % 5003) FROM c; CREATE INDEX tb ON t(b);"
	writer a | ours sqlite3 -batch -cmd '.timeout 60000' $db &
	a=$!
	writer b | other sqlite3 -batch -cmd '.timeout 60000' $db &
	wait $! || fail "writer b, $journal"
	wait $a || fail "writer a, $journal"
	sql $db "SELECT n FROM sum; SELECT who, count(*) FROM log GROUP BY who ORDER BY who;
		SELECT count(DISTINCT n) FROM log;" "VACUUM; PRAGMA integrity_check;"

	mkfifo "$WORK/in"
	sqlite3 -batch $db <"$WORK/in" >"$WORK/out" &
	killed=$!
	exec 8>"$WORK/in"
	# More than its cache holds, so that it is in the file or the log when it dies.
	printf '%s\n' "PRAGMA cache_size=5;" "BEGIN EXCLUSIVE;" "UPDATE sum SET n = -1;" \
		"UPDATE t SET b = b || ' changed';" ".print there" >&8
	until_true grep there "$WORK/out"
	sqlite3 -batch $db "INSERT INTO sum VALUES(7);" >"$WORK/refused" 2>&1 || grep -o locked "$WORK/refused"
	kill -9 $killed
	wait $killed 2>/dev/null || true
	exec 8>&-
	rm "$WORK/in"
	other sqlite3 -batch $db "PRAGMA integrity_check; SELECT n FROM sum;
		SELECT count(*) FROM t WHERE b LIKE '%changed';"
	sql $db "SELECT * FROM t" >$journal.dump
	sql $db "SELECT who, count(*) FROM log GROUP BY who" >>$journal.dump
	did $((2 * each)) transactions
	rm -f $db $db-wal $db-shm $db-journal
done
did 2 deaths
