#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# sqlite.sh - sqlite3 with both its journals: two processes that write at the same
# time, the same on tmpfs, and one that is killed.

. "$(dirname "$0")/lib.sh"

command -v sqlite3 >/dev/null || {
	echo "sqlite3 is not installed"
	exit 77
}
make_pool 256M
mkdir "$work/tmpfs"

# sql WRAPPER FILE TEXT...
sql() {
	wrapper=$1 file=$2
	shift 2
	$wrapper sqlite3 -batch -cmd '.timeout 60000' "$file" "$@"
}

# Transactions one by one: the sum is right only if none of them saw another half done.
writer() {
	i=0
	while [ $i -lt 120 ]; do
		echo "BEGIN IMMEDIATE;"
		echo "UPDATE sum SET n = (SELECT n FROM sum) + 1;"
		echo "INSERT INTO log SELECT '$1', n FROM sum;"
		echo "COMMIT;"
		i=$((i + 1))
	done
}

two_writers() {
	wrapper=$1 db=$2
	sql "$wrapper" "$db" "PRAGMA journal_mode=$3; CREATE TABLE sum(n); INSERT INTO sum VALUES(0); CREATE TABLE log(who, n);"
	writer a | sql "$wrapper" "$db" >"$work/a" 2>&1 &
	a=$!
	writer b | sql "$wrapper" "$db" >"$work/b" 2>&1 &
	b=$!
	wait $a || fail "writer a with '$wrapper': $(head -3 "$work/a")"
	wait $b || fail "writer b with '$wrapper': $(head -3 "$work/b")"
	cat "$work/a" "$work/b"
	sql "$wrapper" "$db" "SELECT n FROM sum; SELECT count(*), count(DISTINCT n), max(n) FROM log;
		SELECT who, count(*) FROM log GROUP BY who ORDER BY who; PRAGMA integrity_check;"
}

for journal in delete wal; do
	wanted="$journal 240 240|240|240 a|120 b|120 ok"
	is "two writers, $journal, on tmpfs" "$wanted" \
		"$(two_writers "" "$work/tmpfs/$journal.db" $journal | xargs)"
	is "two writers, $journal" "$wanted" "$(two_writers u "$mnt/$journal.db" $journal | xargs)"
done

# A writer's lock keeps others out, and goes with it when it is killed; its journal is rolled back.
mkfifo "$work/in"
u sh -c 'echo $$ >"$0"; exec sqlite3 -batch "$1"' "$work/pid" "$mnt/delete.db" <"$work/in" \
	>"$work/holder" &
exec 8>"$work/in"
printf '%s\n' "BEGIN EXCLUSIVE;" "UPDATE sum SET n = -1;" ".print there" >&8
for _ in $(seq 600); do
	grep -q there "$work/holder" && break
	sleep 0.1
done
is "locked out" "locked" "$(u sqlite3 -batch "$mnt/delete.db" "SELECT n FROM sum;" 2>&1 | grep -o locked)"
kill -9 "$(cat "$work/pid")"
wait $!
is "it was killed" 137 $?
exec 8>&-
is "after its death" "240" "$(sql u "$mnt/delete.db" "SELECT n FROM sum;" | xargs)"
is "and whole" "ok" "$(sql u "$mnt/delete.db" "PRAGMA integrity_check;" | xargs)"
check_pool "sqlite"
finish
