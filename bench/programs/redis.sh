# SPDX-License-Identifier: BSD-3-Clause
# redis: SET with a log that is synced for each command; one client, and twenty at once.
. "${0%/*}/lib.sh"

sock=$WORK/redis.sock

run() {
	local server
	rm -rf appendonlydir
	redis-server --port 0 --unixsocket "$sock" --dir "$DIR" --daemonize no --save '' \
		--appendonly yes --appendfsync always --logfile "$WORK/redis.log" >/dev/null &
	server=$!
	until_true redis-cli -s "$sock" ping
	begin
	redis-benchmark -s "$sock" -q -t set -d 100 -r 100000 -n "$2" -c "$1" >"$WORK/benchmark"
	finish
	grep -q 'requests per second' "$WORK/benchmark" || fail "redis-benchmark"
	redis-cli -s "$sock" shutdown nosave || true
	wait $server
	done_of "$2" commands
}

case $1 in
one) run 1 $((20000 / PARTS)) ;;
twenty) run 20 $((40000 / PARTS)) ;;
clear) rm -rf appendonlydir ;;
esac
