# SPDX-License-Identifier: BSD-3-Clause
# sqlite3: a transaction for each row, with either journal, and all rows in one.
. "${0%/*}/lib.sh"

each=$((3000 / PARTS))
all=200000

rows() {
	python3 -c "
for i in range($1):
    print(f\"INSERT INTO t VALUES({i}, 'row {i} {i * 7919 % 5003:0100d}');\")"
}

case $1 in
prepare)
	plain bash -c "$(declare -f rows); rows $each" >"$WORK/rows"
	;;
inserts | wal)
	journal=delete
	[ "$1" = inserts ] || journal=wal
	begin
	sqlite3 -batch $1.db "PRAGMA journal_mode=$journal; PRAGMA synchronous=FULL;
		CREATE TABLE t(a INTEGER PRIMARY KEY, b)" ".read $WORK/rows" >/dev/null
	finish
	done_of $each transactions
	;;
batched)
	begin
	sqlite3 -batch batched.db "CREATE TABLE t(a INTEGER PRIMARY KEY, b); BEGIN;
		WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT $all)
		INSERT INTO t SELECT x, 'row ' || (x * 7919 % 5003) FROM c;
		CREATE INDEX tb ON t(b); COMMIT;"
	finish
	done_of $all rows
	;;
clear) rm -f ./*.db ./*.db-* ;;
esac
