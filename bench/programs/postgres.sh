# SPDX-License-Identifier: BSD-3-Clause
# postgres: pgbench's own transactions, by one client and by four; initdb is not measured.
. "${0%/*}/lib.sh"

PATH=$(dirname "$(ls -d /usr/lib/postgresql/*/bin/postgres | tail -n 1)"):$PATH
export PGHOST=$WORK PGDATABASE=postgres PGUSER=me
server=

start() {
	postgres -D "$DIR/data" -c listen_addresses= -c unix_socket_directories="$WORK" \
		-c shared_buffers=16MB -c max_connections=20 -c autovacuum=off >>"$WORK/server.log" 2>&1 &
	server=$!
	until_true pg_isready -q || { tail "$WORK/server.log" >&2; fail "it does not start"; }
}
quit() {
	kill -INT $server
	wait $server
}

run() {
	start
	begin
	pgbench -n -c "$1" -j "$1" -t $(($2 / $1)) --random-seed=7 >"$WORK/pgbench" 2>&1 ||
		{ tail "$WORK/pgbench" >&2; fail pgbench; }
	finish
	quit
	done_of $(($2 / $1 * $1)) transactions
}

case $1 in
prepare)
	initdb -D "$DIR/data" -U me -A trust --no-instructions -E UTF8 --locale=C >"$WORK/initdb" 2>&1 ||
		{ cat "$WORK/initdb" >&2; fail initdb; }
	start
	pgbench -q -i -s 2 2>/dev/null
	quit
	;;
one) run 1 $((2000 / PARTS)) ;;
four) run 4 $((4000 / PARTS)) ;;
esac
