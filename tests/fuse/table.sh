#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# table.sh - LD_PRELOAD alone: libumfs finds pool and directory in the table of mounts.

. "$(dirname "$0")/lib.sh"

make_pool 64M
# p COMMAND...: preloaded, with nothing else in the environment.
p() {
	LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" "$@"
}

# served COMMAND...: how many of its calls libumfs answered.
served() {
	rm -f "$work/report"
	LIBUMFS_REPORT=$work/report p "$@" >"$work/out"
	sed -n 's/.*calls served: //p' "$work/report"
}

mkdir "$work/a b" && rmdir "$mnt" && mv "$work/a b" "$work/mnt x" && mnt="$work/mnt x"
[ "$(id -u)" = 0 ] && more=-oallow_other
# shellcheck disable=SC2086
ok "mount, with a space in the name" m -o mode=sync ${more:-}
echo text >"$mnt/f"
is "content" text "$(p cat "$mnt/f")"
n=$(served cat "$mnt/f")
ok "served by libumfs: ${n:-0}" test "${n:-0}" -ge 2
p sh -c "echo ours >'$mnt/g'; cd '$mnt' && cat g && mkdir d && ls" >"$work/out"
is "written preloaded" "ours d f g" "$(xargs <"$work/out")"
is "and read by the mount" ours "$(cat "$mnt/g")"
is "numbers" "$(stat -c '%d %i %h %s' "$mnt/f" "$mnt" "$mnt/d" | xargs)" \
	"$(p stat -c '%d %i %h %s' "$mnt/f" "$mnt" "$mnt/d" | xargs)"
# Started in a directory of the mount by who is not preloaded.
mkdir -p "$mnt/d/e" "$mnt/gone"
echo deep >"$mnt/d/e/f"
n=$(cd "$mnt/d/e" && served cat f)
ok "below the mount, served by libumfs: ${n:-0}" test "${n:-0}" -ge 2
is "below the mount" "deep text /d/e" \
	"$(cd "$mnt/d/e" && p sh -c 'cat f ../../f && echo new >g && pwd -P' | sed "s,$mnt,," | xargs)"
is "written there" new "$(cat "$mnt/d/e/g")"
is "by a descriptor of the kernel's" deep \
	"$(p python3 -c 'import os, sys
os.fchdir(9)
sys.stdout.write(open("f").read())' 9<"$mnt/d/e")"
is "in a directory that is gone" 1 "$(cd "$mnt/gone" && rmdir "$mnt/gone" && p cat f 2>/dev/null; echo $?)"
rm -r "$mnt/d/e"
is "children too" "ours" "$(p sh -c "sh -c 'cat \"\$0\"/g' '$mnt'; true")"
p sh -c "{ echo one; sh -c 'echo two'; /bin/echo three; } >'$mnt/shared'"
is "a shared position over exec" "one two three" "$(xargs <"$mnt/shared")"
# Who is preloaded asks for no mode: a stronger one would be everybody's.
mkdir "$work/again"
"$UMFS_MOUNT" -o mode=posix "$pool" "$work/again" 2>"$work/out"
ok "the pool is in its mode" grep -q "stays in mode sync" "$work/out"
ok "unmount the second" unmount "$work/again"

# Who works on one mount has nothing to do with the others. The directory is told over exec.
mkdir "$work/later"
"$UMFS_MKFS" -q --size 64M "$work/second" && "$UMFS_MOUNT" "$work/second" "$work/later"
echo text >"$work/later/f"
is "no other pool is attached" "f:0 /proc/self/maps:0" \
	"$(p sh -c "cd '$work/later' && exec grep -c '$pool' f /proc/self/maps" | xargs)"
is "its own is" "f:0 maps" \
	"$(p sh -c "cd '$work/later' && exec grep -c '$work/second' f /proc/self/maps" |
		sed 's,.*maps:[1-9].*,maps,' | xargs)"
ok "unmount the other" unmount "$work/later"

# Left to the mount, and right: a part of the pool, somebody who may not open the pool,
# a directory with something else in it.
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$work"
	chmod 600 "$pool"
	is "nobody's rights" text "$(LD_PRELOAD="${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" \
		setpriv --reuid=65534 --regid=65534 --clear-groups cat "$mnt/f")"
	unshare --mount sh -c '
		mkdir "$1/bound" && mount --bind "$1/mnt x/d" "$1/bound" && echo sub >"$1/mnt x/d/h" &&
		LD_PRELOAD=$2 cat "$1/bound/h" && LD_PRELOAD=$2 ls "$1/bound/.." | grep -c bound
		mount -t tmpfs none "$1/mnt x/d" && echo inner >"$1/mnt x/d/i" &&
		LD_PRELOAD=$2 cat "$1/mnt x/d/i" && LD_PRELOAD=$2 sh -c "echo outer >\"$1/mnt x/o\"" &&
		cat "$1/mnt x/o"' - "$work" "${UMFS_PRELOAD:+$UMFS_PRELOAD:}$UMFS_LIB" >"$work/out" 2>&1
	is "bound, and mounted upon" "sub 1 inner outer" "$(xargs <"$work/out")"
fi

# Another pool at the path that the mount was made with.
mv "$pool" "$work/kept"
"$UMFS_MKFS" -q --size 64M "$pool"
p cat "$mnt/f" >"$work/out" 2>&1 && fail "another pool was read as the one that is mounted"
ok "it is said" grep -q "not the one that is mounted" "$work/out"
rm "$pool"
mv "$work/kept" "$pool"

# Whoever is preloaded needs no daemon.
kill -9 $(daemons "$pool")
ok "it is dead" wait_for 20 sh -c "! cat '$mnt/f' 2>/dev/null"
is "without a daemon" text "$(p cat "$mnt/f")"
ok "taken away" unmount "$mnt"
check_pool "LD_PRELOAD alone"
finish
