#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# locks.sh - file locks between programs, users and mount namespaces; what is
# left behind in /dev/shm.

# In a /dev/shm of its own, where one can be had, so that what is there is ours. What others have
# mounted below theirs goes first: a mount has a daemon until the last namespace that has it is gone.
if [ -z "${LOCKS_ALONE:-}" ] && unshare -m mount -t tmpfs none /dev/shm 2>/dev/null; then
	LOCKS_ALONE=1 exec unshare -m sh -c '
		awk "index(\$5, \"/dev/shm/\") == 1 { print \$5 }" /proc/self/mountinfo | sort -r |
			while read -r at; do umount -l "$(printf "%b" "$at")" 2>/dev/null; done
		mount -t tmpfs none /dev/shm && exec "$0"' "$0"
fi

. "$(dirname "$0")/lib.sh"

make_pool
chmod 711 "$work"

# 0: got it.
try() {
	"$@" flock -n "$mnt/f" true
	echo $?
}

# Hold the lock on f until release.
hold() {
	: >"$work/out"
	u "$@" flock ${close:-} "$mnt/f" sh -c 'echo held $PPID; read -r _' <"$work/in" >"$work/out" 2>&1 &
	shell=$!
	exec 8>"$work/in"
	for _ in $(seq 600); do
		read -r held holder <"$work/out" && [ "$held" = held ] && return
		sleep 0.1
	done
	fail "flock gets no lock: $(cat "$work/out")"
}

release() {
	exec 8>&-
	wait "$shell"
}

mkfifo "$work/in"
u touch "$mnt/f"
hold
is "held by flock(1)" 1 "$(try u)"
release
is "released by flock(1)" 0 "$(try u)"

is "python3: both kinds" "BlockingIOError BlockingIOError done" "$(u python3 - "$mnt/f" <<'END' | xargs
import fcntl, os, sys
f = open(sys.argv[1], "r+")
fcntl.lockf(f, fcntl.LOCK_EX)
fcntl.flock(f, fcntl.LOCK_EX)
if os.fork() == 0:
    g = os.open(sys.argv[1], os.O_RDWR)
    for call in fcntl.lockf, fcntl.flock:
        try:
            call(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
            print("got it")
        except OSError as e:
            print(type(e).__name__, flush=True)
    os._exit(0)
os.wait()
print("done")
END
)"

# The one who made the directory is killed: another cleans up. Its child has no part in it.
close=-o
hold
close=
made=$(ls -ad /dev/shm/.umfs-locks-* 2>/dev/null | wc -l)
[ "$made" -ge 1 ] || fail "no directory of locks where one is expected"
kill -9 "$holder"
release
u stat "$mnt/f" >/dev/null
[ -z "${LOCKS_ALONE:-}" ] || is "after a death" "${work##*/}" "$(ls -A /dev/shm)"
is "after a death" 0 "$(try u)"

as_nobody() {
	u setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

if [ "$(id -u)" != 0 ]; then
	echo "not root: other users and mount namespaces are not tried"
elif ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$UMFS_LIB" ||
	! setpriv --reuid=65534 --regid=65534 --clear-groups cat "$UMFS_LIB" >/dev/null; then
	echo "other users can not read the library here: they are not tried"
else
	u chmod 666 "$mnt/f"
	chmod 666 "$pool"
	hold
	is "another user sees it" 1 "$(try as_nobody)"
	# Nobody can look what is in there, or take it away.
	dir=$(ls -ad /dev/shm/.umfs-locks-* | tail -n 1)
	setpriv --reuid=65534 --regid=65534 --clear-groups ls "$dir" >/dev/null 2>&1 &&
		fail "the directory of locks can be listed"
	setpriv --reuid=65534 --regid=65534 --clear-groups rm -rf "$dir" 2>/dev/null
	is "it stays" 1 "$(try as_nobody)"
	release
	hold setpriv --reuid=65534 --regid=65534 --clear-groups
	is "another user has it" 1 "$(try u)"
	release
	is "another user had it" 0 "$(try u)"
	# As a member of the pool's group, who does not own the pool.
	chmod 660 "$pool"
	chgrp 65534 "$pool"
	hold setpriv --reuid=65534 --regid=65534 --clear-groups
	is "a member of the group has it" 1 "$(try u)"
	release

	if unshare -m true 2>/dev/null; then
		# A namespace with a /dev/shm of its own: no lock, rather than one of its own.
		hold
		is "another /dev/shm" "71 No locks available" "$(u unshare -m sh -c '
			mkdir -p "$1/ns" && mount --bind "$1" /mnt && mount -t tmpfs none /dev/shm || exit
			LIBUMFS_MOUNT=$2=/mnt/pool flock -n "$2/f" true 2>"/mnt/err"
			echo $?; grep -o "No locks available" /mnt/err' sh "$work" "$mnt" | xargs)"
		release
	else
		echo "no mount namespaces here: not tried"
	fi
fi

# Its pool is removed, too: whoever next makes a directory cleans up, in what pool it may be.
# One that is in use stays.
check_pool "locks"
close=-o
hold
close=
dead=$(ls -ad /dev/shm/.umfs-locks-* | tail -n 1)
kill -9 "$holder"
release
rm "$pool"
make_pool
u touch "$mnt/f"
hold
[ -n "$dead" ] || fail "no directory of locks where one is expected"
[ -z "${LOCKS_ALONE:-}" ] || is "of the pool that is gone" "" "$(ls -d "$dead" 2>/dev/null)"
first=$pool
pool=$work/second
make_pool
u touch "$mnt/f"
is "of a second pool" 0 "$(try u)"
pool=$first
is "still held" 1 "$(try u)"
release
check_pool "locks"
if [ -n "${LOCKS_ALONE:-}" ]; then
	is "left behind in /dev/shm" "${work##*/}" "$(ls -A /dev/shm)"
else
	echo "no /dev/shm of its own: what is left behind there is not looked at"
fi
finish
