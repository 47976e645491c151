# SPDX-License-Identifier: BSD-3-Clause
# redis: RDB and AOF with appendfsync always, restarted in order and after SIGKILL.
. "${0%/*}/lib.sh"

keys=$((EFFORT > 1 ? 50000 : EFFORT ? 3000 : 300))
sock=$WORK/redis.sock
server=

cli() {
	redis-cli -s "$sock" "$@"
}

# told FIELD: as the server says it of its files.
told() {
	cli info persistence | tr -d '\r' | grep "^$1:"
}

# until_told FIELD:VALUE, for as long as the case may take.
until_told() {
	until [ "$(told "${1%:*}")" = "$1" ]; do sleep 0.1; done
}

start() {
	redis-server --port 0 --unixsocket "$sock" --dir "$DIR" --daemonize no --save '' \
		--appendfsync always --logfile "$WORK/redis.log" "$@" >/dev/null &
	server=$!
	until_true cli ping
	until_told loading:0
}

# One command after the other, a few hundred at a time, with no waiting in between.
fill() {
	local i
	for ((i = $1; i < $2; i++)); do
		printf 'SET key:%d value-%d-%0100d\r\nRPUSH list:%d %d\r\nHSET hash:%d field %d\r\n' \
			$i $i $i $((i % 50)) $i $((i % 20)) $i
	done | cli --pipe >"$WORK/pipe" || { cat "$WORK/pipe" >&2; fail "the pipe"; }
	did $((3 * ($2 - $1))) commands
}

# All that is in it, as text, in an order of its own.
dump() {
	cli dbsize
	{
		cli --raw sort list:7
		cli --raw hgetall hash:3 | sort
		cli --raw --scan --pattern 'key:*' | sort | sed 's/^/GET /' | cli --raw
	} >"$1"
	wc -l <"$1"
	sha256sum "$1"
}

start --appendonly no
fill 0 $keys
cli save
dump rdb-1
cli bgsave >/dev/null
until_told rdb_bgsave_in_progress:0
told rdb_last_bgsave_status
fill $keys $((keys + 200))
stop KILL $server
start --appendonly no
dump rdb-2
fill $keys $((keys + 200))
cli shutdown save || true
wait $server
start --appendonly no
dump rdb-3
cli shutdown nosave || true
wait $server
redis-check-rdb dump.rdb | grep -o 'RDB looks OK'
rm dump.rdb

start --appendonly yes
fill 0 $keys
stop KILL $server
start --appendonly yes
dump aof-1
cli bgrewriteaof >/dev/null
until_told aof_rewrite_in_progress:0
told aof_last_bgrewrite_status
fill $keys $((keys + 200))
stop KILL $server
start --appendonly yes
dump aof-2
cli shutdown || true
wait $server
redis-check-aof appendonlydir/*.manifest | grep -o 'All AOF files and manifest are valid'
did 5 restarts
rm -r appendonlydir dump.rdb 2>/dev/null || true
