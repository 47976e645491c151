#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# mount.sh - the command: options, errors, its end, and who comes after one that was killed.

. "$(dirname "$0")/lib.sh"

mounted() {
	grep -q " $mnt .* - fuse.umfs $pool " /proc/self/mountinfo
}

# complains TEXT WHAT COMMAND...: it fails with one line that says so.
complains() {
	text=$1 what=$2
	shift 2
	timeout 60 "$@" >"$work/out" 2>&1
	code=$?
	[ $code -ne 0 ] && [ $code -ne 124 ] || fail "$text: exit $code"
	is "$text: lines" 1 "$(wc -l <"$work/out")"
	ok "$text" grep -q -- "$what" "$work/out"
}

make_pool 64M
"$UMFS_MOUNT" --help >"$work/help"
for word in mode= ro rw allow_other foreground debug relatime; do
	ok "--help tells of $word" grep -q -- "$word" "$work/help"
done
ok "--version" "$UMFS_MOUNT" --version

complains "no pool" "No such file" "$UMFS_MOUNT" "$work/none" "$mnt"
complains "not a pool" "not a UMFS pool" "$UMFS_MOUNT" "$work/help" "$mnt"
complains "no directory" "No such file" "$UMFS_MOUNT" "$pool" "$work/none"
complains "a file for a directory" "not a directory" "$UMFS_MOUNT" "$pool" "$work/help"
complains "an unknown option" "unknown option frob" "$UMFS_MOUNT" -o ro,frob "$pool" "$mnt"
complains "an unknown mode" "fast" "$UMFS_MOUNT" -o mode=fast "$pool" "$mnt"
complains "no operands" "wants a pool" "$UMFS_MOUNT"
ok "only looked" m -f
mounted && fail "-f has mounted it"

# As fstab and mount(8) give it.
ok "mount as mount(8)" "$UMFS_MOUNT" "$pool" "$mnt" -o rw,noauto,user,nofail,x-systemd.automount -s
ok "it is in the table" mounted
echo text >"$mnt/f"
is "text" text "$(cat "$mnt/f")"
is "root of the mount" 1 "$(stat -c %i "$mnt")"
mkdir "$work/again"
timeout 60 "$UMFS_MOUNT" -o mode=posix "$pool" "$work/again" 2>"$work/out"
is "a weaker mode: exit" 0 $?
ok "a weaker mode" grep -q "stays in mode atomic" "$work/out"
is "the same in both" text "$(cat "$work/again/f")"
ok "unmount the second" unmount "$work/again"
um
mounted && fail "still in the table"
check_pool "the first mount"

ok "mount read-only" m -o ro
is "text, read-only" text "$(cat "$mnt/f")"
(echo more >"$mnt/f") 2>/dev/null && fail "written to a read-only mount"
um

# Options, each with what comes of it.

# with OPTION... -- TEXT COMMAND: mounted with each of them, the command prints the text.
with() {
	options=
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	for option in $options; do
		ok "mount with $option" m -o "$option"
		is "$option: $3" "$2" "$(sh -c "$3" - "$mnt" 2>/dev/null)"
		um
	done
}
ok "mount to prepare" m
echo text >"$mnt/read"
cp /bin/true "$mnt/program"
um
with noexec defaults,noexec -- 126 '"$1/program"; echo $?'
with exec rw,exec defaults -- 0 '"$1/program"; echo $?'
old='touch -a -d @1000000000 "$1/read"; cat "$1/read" >/dev/null; test $(stat -c %X "$1/read") = 1000000000; echo $?'
with noatime -- 0 "$old"
with relatime strictatime defaults -- 1 "$old"
again='cat "$1/read"; first=$(stat -c %x "$1/read"); sleep 0.05; cat "$1/read"; [ "$first" = "$(stat -c %x "$1/read")" ]; echo $?'
with relatime noatime -- "text text 0" "echo \$($again)"
with strictatime -- "text text 1" "echo \$($again)"
list='touch -a -d @1000000000 "$1/read" "$1"; cat "$1/read" >/dev/null; ls "$1" >/dev/null
	for f in "$1" "$1/read"; do test $(stat -c %X "$f") = 1000000000; echo $?; done | xargs'
with nodiratime relatime,nodiratime strictatime,nodiratime -- "0 1" "$list"
with diratime nodiratime,diratime -- "1 1" "$list"
for option in sync dirsync nodev nosuid nodev,nosuid,noexec ro; do
	with "$option" -- 1 "awk -v at='$mnt' -v want=$option '\$5 == at {
		n = split(want, words, \",\"); for (i in words) found += (\",\" \$6 \",\" \$NF \",\") ~ \",\" words[i] \",\"
		print found == n }' /proc/self/mountinfo"
done
with ro -- "1 1 text" 'echo $(touch "$1/none"; echo $?) $(rm -f "$1/read"; echo $?) $(cat "$1/read")'
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$work"
	nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
	with defaults -- "" "$nobody cat \"\$1/read\""
	with allow_other rw,allow_other,nosuid -- text "$nobody cat \"\$1/read\""
	with dev,suid -- 0 "awk '\$5 == \"$mnt\" { print \$6 ~ /nodev|nosuid/ }' /proc/self/mountinfo"
fi

# By mount(8), which finds its helper in /sbin only, and in fstab, in mounts of its own.
if [ "$(id -u)" = 0 ]; then
	mkdir "$work/sbin"
	ln -s "$(readlink -f "$UMFS_MOUNT")" "$work/sbin/mount.fuse.umfs"
	echo "$pool $mnt fuse.umfs mode=sync,allow_other,noauto,user,x-systemd.automount 0 0" >"$work/fstab"
	for command in "mount -T $work/fstab $mnt" "mount -T $work/fstab $pool" \
		"mount -t fuse.umfs -o ro,mode=sync,noatime $pool $mnt"; do
		unshare --mount sh -c 'mount --bind "$1/sbin" "$(readlink -f /sbin)" && $2 &&
			grep " $3 .* - fuse.umfs $4 " /proc/self/mountinfo >"$1/line" && cat "$3/f" &&
			for _ in $(seq 100); do umount "$3" 2>/dev/null && break; sleep 0.1; done
			! grep " $3 " /proc/self/mountinfo' - "$work" "$command" "$mnt" "$pool" >"$work/out" 2>&1
		is "$command" text "$(cat "$work/out")"
		ok "its daemon ends" wait_for 20 no_daemon
	done
	ok "mounted read-only by mount(8)" grep -q " ro,.* ro," "$work/line"
	check_pool "mount(8)"
fi

# In the foreground; a signal ends it in order.
"$UMFS_MOUNT" -F "$pool" "$mnt" &
pid=$!
ok "in the foreground" wait_for 20 mounted
is "text, in the foreground" text "$(cat "$mnt/f")"
kill "$pid"
wait "$pid"
is "ended by SIGTERM" 0 $?
mounted && fail "still mounted after SIGTERM"
check_pool "SIGTERM"

# The same while somebody writes, whose file keeps the mount: no request is begun without the pool.
for round in 1 2 3; do
	ok "mount to be ended, $round" m
	(
		exec 2>/dev/null 9>"$mnt/busy$round" || exit
		echo >"$work/writes"
		while echo more >&9 && : >"$mnt/made"; do
			:
		done
	) &
	writer=$!
	ok "it writes" wait_for 20 test -e "$work/writes"
	sleep 0.$round
	kill $(daemons "$pool")
	ok "the daemon ends under a writer" wait_for 20 no_daemon
	wait $writer
	rm "$work/writes"
	ok "fsck -n after an end under a writer" "$UMFS_FSCK" -n "$pool"
done

# A pool whose name has what separates options.
mkdir "$work/a b,c\\d"
mv "$pool" "$work/a b,c\\d/pool"
ok "odd name" timeout 60 "$UMFS_MOUNT" "$work/a b,c\\d/pool" "$mnt"
is "text, odd name" text "$(cat "$mnt/f")"
ok "unmount" unmount "$mnt"
ok "the daemon ends" wait_for 20 no_daemon
ok "and leaves the pool" wait_for 20 mv "$work/a b,c\\d/pool" "$pool"

# Killed in the middle of writing: what had returned is there, the rest as if never asked.
for round in 1 2 3; do
	ok "mount in round $round" m
	(
		i=0
		while printf '%08d' $i >>"$mnt/log" && echo $i >"$work/done"; do
			i=$((i + 1))
			dd if=/dev/zero of="$mnt/big$((i % 3))" bs=200k count=3 status=none
			mv "$mnt/big$((i % 3))" "$mnt/moved"
		done
	) 2>/dev/null &
	writer=$!
	ok "it writes in round $round" wait_for 20 test -s "$work/done"
	sleep 0.$((round * 2))
	kill -9 $(daemons "$pool")
	wait $writer
	(cat "$mnt/f") 2>/dev/null && fail "read from a mount without a daemon"
	ok "fsck -n after the kill" wait_for 10 "$UMFS_FSCK" -n "$pool"
	# Without unmounting: the new one takes the dead one's place.
	ok "take over" m
	is "text in round $round" text "$(cat "$mnt/f")"
	done=$(cat "$work/done")
	ok "what had returned is there" test "$(stat -c %s "$mnt/log")" -ge $((done * 8 + 8))
	is "the last that had returned" "$(printf '%08d' "$done")" \
		"$(dd if="$mnt/log" bs=8 skip="$done" count=1 status=none)"
	um
	rm -f "$work/done"
	timeout 60 "$UMFS_MOUNT" "$pool" "$mnt"
	rm -f "$mnt/log"
	um
done
check_pool "kills"
finish
