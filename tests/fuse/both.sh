#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# both.sh - preloaded programs and others, through the mount, on the same files at once.
#
# The mount's directory is the one that preloaded programs are told of, so that
# both use the same paths.

. "$(dirname "$0")/lib.sh"

make_pool 256M
ok "mount" m
cd "$work" || exit 2

# ---- what one does the other sees, with the next call ----

i=0
while [ $i -lt 20 ]; do
	u sh -c "echo ours $i >$mnt/f"
	is "content $i, by the mount" "ours $i" "$(cat "$mnt/f")"
	echo "theirs $i, longer" >"$mnt/f"
	is "content $i, preloaded" "theirs $i, longer" "$(u cat "$mnt/f")"
	u mv "$mnt/f" "$mnt/g"
	ok "name $i, by the mount" test -e "$mnt/g" -a ! -e "$mnt/f"
	mv "$mnt/g" "$mnt/f"
	ok "name $i, preloaded" u test -e "$mnt/f" -a ! -e "$mnt/g"
	i=$((i + 1))
done
is "number and size" "$(stat -c '%i %s %Y %a' "$mnt/f")" "$(u stat -c '%i %s %Y %a' "$mnt/f")"
u chmod 600 "$mnt/f"
is "mode, by the mount" 600 "$(stat -c %a "$mnt/f")"
for when in 99999999999 -99999999999; do
	u touch -d @$when "$mnt/f"
	ours=$(stat -c %Y "$mnt/f")
	touch -d @$when "$mnt/f"
	is "a time that does not fit: $when" "$ours" "$(stat -c %Y "$mnt/f")"
	ok "which is near it: $ours" test $((ours / 9000000000)) = $((when / 99999999999))
done

# ---- appends are not lost, whoever makes them ----

append() {
	n=0
	while [ $n -lt 100 ]; do
		echo "$1 $n" >>"$mnt/log"
		n=$((n + 1))
	done
}
: >"$mnt/log"
append a &
append b &
for who in c d; do
	u sh -c 'n=0; while [ $n -lt 300 ]; do echo "$1 $n" >>"$0"; n=$((n + 1)); done' "$mnt/log" $who &
done
# shellcheck disable=SC2046
wait $(jobs -p)
is "lines" 800 "$(sort -u "$mnt/log" | wc -l)"
is "lines, preloaded" 800 "$(u cat "$mnt/log" | wc -l)"
for who in a b c d; do
	ok "in order: $who" sh -c "grep '^$who ' '$mnt/log' | sort -c -n -k2"
done

# ---- a lock keeps out both kinds ----

count='i=0; while [ $i -lt 60 ]; do flock -x 9; n=$(cat "$0"); echo $((n + 1)) >"$0"; flock -u 9; i=$((i + 1)); done'
echo 0 >"$mnt/n"
sh -c "exec 9<>'$mnt/lock'; $count" "$mnt/n" &
u sh -c "exec 9<>'$mnt/lock'; $count" "$mnt/n" &
sh -c "exec 9<>'$mnt/lock'; $count" "$mnt/n" &
# shellcheck disable=SC2046
wait $(jobs -p)
is "counted under a lock" 180 "$(cat "$mnt/n")"

# Each of the three kinds of lock; and it goes with who holds it, however he dies.
cat >"$work/lock.py" <<'PY'
import fcntl, os, struct, sys, time
kind, what, path, count = sys.argv[1:]
fd = os.open(path, os.O_RDWR)

def change(how, wait=True):
    if kind == "flock":
        fcntl.flock(fd, how | (0 if wait else fcntl.LOCK_NB))
    elif kind == "posix":
        fcntl.lockf(fd, how | (0 if wait else fcntl.LOCK_NB), 10, 100)
    else:
        type = fcntl.F_UNLCK if how == fcntl.LOCK_UN else fcntl.F_WRLCK
        command = 38 if wait else 37  # F_OFD_SETLKW, F_OFD_SETLK
        fcntl.fcntl(fd, command, struct.pack("hhqqi4x", type, 0, 100, 10, 0))

if what == "count":
    for i in range(60):
        change(fcntl.LOCK_EX)
        n = int(os.pread(os.open(count, os.O_RDONLY), 20, 0))
        out = os.open(count, os.O_WRONLY | os.O_TRUNC)
        os.write(out, b"%d" % (n + 1))
        os.close(out)
        change(fcntl.LOCK_UN)
elif what == "try":
    try:
        change(fcntl.LOCK_EX, False)
        print("free")
    except OSError:
        print("held")
else:
    change(fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(100 if what == "hold" else 0)
PY
python3=$(readlink -f "$(command -v python3)")
# as WHO LOCK-ARGUMENT...
as() {
	who=$1
	shift
	case $who in
	ours) LIBUMFS_MOUNT=$mnt=$pool LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" exec "$python3" "$work/lock.py" "$@" ;;
	*) exec "$python3" "$work/lock.py" "$@" ;;
	esac
}
for kind in flock posix ofd; do
	echo 0 >"$mnt/n"
	(as ours $kind count "$mnt/lock" "$mnt/n") &
	(as theirs $kind count "$mnt/lock" "$mnt/n") &
	(as ours $kind count "$mnt/lock" "$mnt/n") &
	# shellcheck disable=SC2046
	wait $(jobs -p)
	is "counted under a lock of kind $kind" 180 "$(cat "$mnt/n")"
	for pair in "ours theirs" "theirs ours"; do
		holder=${pair% *} other=${pair#* }
		: >"$work/held"
		(as $holder $kind hold "$mnt/lock" 0 >"$work/held") &
		held_by=$!
		ok "$kind: $holder hold it" wait_for 20 grep -q held "$work/held"
		is "$kind: $other are told" held "$( (as $other $kind try "$mnt/lock" 0))"
		(as $other $kind wait "$mnt/lock" 0 >"$work/waited") &
		waiter=$!
		sleep 0.1
		kill -9 $held_by
		wait $waiter
		is "$kind: $holder dead, $other have it" held "$(cat "$work/waited")"
		wait
		is "$kind: and it is free" free "$( (as $holder $kind try "$mnt/lock" 0))"
	done
done

if command -v sqlite3 >/dev/null; then
	writer() {
		i=0
		while [ $i -lt 60 ]; do
			echo "BEGIN IMMEDIATE; UPDATE sum SET n = n + 1; INSERT INTO log SELECT '$1', n FROM sum; COMMIT;"
			i=$((i + 1))
		done
	}
	sql() { sqlite3 -batch -cmd '.timeout 60000' "$mnt/db" "$@"; }
	sql "CREATE TABLE sum(n); INSERT INTO sum VALUES(0); CREATE TABLE log(who, n);"
	writer a | sql >"$work/a" 2>&1 &
	writer b | u sqlite3 -batch -cmd '.timeout 60000' "$mnt/db" >"$work/b" 2>&1 &
	# shellcheck disable=SC2046
	wait $(jobs -p)
	is "sqlite3: what the writers said" "" "$(cat "$work/a" "$work/b")"
	is "sqlite3: two writers" "120 120|120 ok" "$(sql "SELECT n FROM sum;
		SELECT count(*), count(DISTINCT n) FROM log; PRAGMA integrity_check;" | xargs)"
fi

# ---- removed while open ----

echo kept >"$mnt/open"
exec 7<"$mnt/open"
u rm "$mnt/open"
is "open by the mount, removed preloaded" kept "$(cat <&7)"
exec 7<&-
echo kept >"$mnt/open"
mkfifo "$work/go"
u sh -c 'exec 7<"$0"; echo open; read line; read line <&7; echo "$line"' "$mnt/open" \
	<"$work/go" >"$work/out" &
pid=$!
exec 8>"$work/go"
ok "it is open" wait_for 20 grep -q open "$work/out"
rm "$mnt/open"
echo >&8
exec 8>&-
wait $pid
is "open preloaded, removed by the mount" kept "$(tail -n 1 "$work/out")"
(
	cd "$mnt" && mkdir gone && cd gone && rmdir "$mnt/gone" && ls >"$work/out" 2>&1
	stat -c %h . >>"$work/out" 2>&1
)
is "a working directory that was removed" 0 "$(cat "$work/out")"
um
check_pool "both kinds"
finish
