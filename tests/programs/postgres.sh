# SPDX-License-Identifier: BSD-3-Clause
# postgres: initdb, pgbench by four clients, the server killed in the middle and started again.
. "${0%/*}/lib.sh"

bin=$(dirname "$(ls -d /usr/lib/postgresql/*/bin/postgres | tail -n 1)")
PATH=$bin:$PATH
each=$((EFFORT > 1 ? 5000 : EFFORT ? 60 : 10))
export PGHOST=$WORK PGDATABASE=postgres PGUSER=me
server=

# pg_ctl would start it in a session of its own.
start() {
	postgres -D "$DIR/data" -c listen_addresses= -c unix_socket_directories="$WORK" \
		-c fsync=on -c shared_buffers=16MB -c max_connections=20 -c autovacuum_naptime=5s \
		"$@" >>"$WORK/log" 2>&1 &
	server=$!
	until_true pg_isready -q || { tail "$WORK/log" >&2; fail "it does not start"; }
}
quit() {
	kill -INT $server
	wait $server
}
trap 'tail -n 20 "$WORK/log" >&2' ERR

initdb -D "$DIR/data" -U me -A trust --no-instructions -E UTF8 --locale=C >"$WORK/initdb" 2>&1 ||
	{ cat "$WORK/initdb" >&2; fail initdb; }
start
pgbench -q -i -s 1 2>/dev/null
pgbench -n -c 4 -j 2 -t $each --random-seed=7 >"$WORK/pgbench" 2>&1 || { tail "$WORK/pgbench" >&2; fail pgbench; }
grep -o 'number of transactions actually processed: .*' "$WORK/pgbench"
did $((4 * each)) transactions
psql -q -c 'VACUUM FULL pgbench_accounts' -c 'CREATE INDEX ON pgbench_accounts(abalance)' -c 'CLUSTER pgbench_branches USING pgbench_branches_pkey;'
psql -qc "CREATE TABLE big AS SELECT i, repeat(md5(i::text), 20) AS t FROM generate_series(1, $((EFFORT ? 5000 : 500))) i; ALTER TABLE big ADD PRIMARY KEY (i);"
psql -qc "COPY big TO '$DIR/big.copy'; CREATE TABLE copied (LIKE big); COPY copied FROM '$DIR/big.copy';"
psql -Atc 'SELECT count(*), sum(length(t)) FROM copied'
quit

# Kill it in the middle of work of its own table; what was committed must be there.
start -c checkpoint_timeout=30s -c full_page_writes=on
psql -qc 'CREATE TABLE steps (client int, n int)'
for client in 1 2; do
	for ((i = 1; i <= 100000; i++)); do echo "INSERT INTO steps VALUES ($client, $i);" "SELECT 'done $i';"; done |
		psql -At >"$WORK/client$client" 2>/dev/null &
done
until_true grep -q "done $((EFFORT ? 50 : 5))" "$WORK/client1"
until_true grep -q "done $((EFFORT ? 50 : 5))" "$WORK/client2"
# All of its processes, as when power is cut; it starts no more of them meanwhile.
kill -STOP $server
crew=$(ps -o pid= --ppid $server)
kill -9 $server $crew
wait $server 2>/dev/null || true
wait
for pid in $crew; do until_true ended "$pid"; done
start
for client in 1 2; do
	told=$(grep -c done "$WORK/client$client" || true)
	kept=$(psql -Atc "SELECT count(*) FROM steps WHERE client = $client")
	whole=$(psql -Atc "SELECT max(n) = count(*) FROM steps WHERE client = $client")
	[ "$whole" = t ] && [ "$kept" -ge "$told" ] && [ "$kept" -le $((told + 1)) ] ||
		fail "client $client was told of $told, $kept are there, whole: $whole"
done
psql -qc 'DROP TABLE steps'
psql -Atc "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history),
	(SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance) FROM pgbench_tellers)"
other psql -Atc 'SELECT * FROM pgbench_accounts ORDER BY aid' >accounts
psql -Atc 'SELECT tid, bid, aid, delta FROM pgbench_history ORDER BY 1, 2, 3, 4' >history
psql -Atc 'SELECT * FROM copied ORDER BY i' >copied
quit
pg_controldata "$DIR/data" | grep 'cluster state'
did 1 death
rm -r data
