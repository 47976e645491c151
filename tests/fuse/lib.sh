# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# lib.sh - what the mount's tests share, on top of the shim's; sourced.
#
# The environment names the build: UMFS_MOUNT besides what the shim's tests want.
# Whatever happens, nothing stays mounted: each call that might hang has a time
# limit, and at the end the daemons of this test's pools are killed by number.

here=$(cd "$(dirname "$0")" && pwd)
"$here/can-mount" || exit 77
. "$here/../shim/lib.sh"
export SHIM_MOUNT=1
mkdir "$mnt"

# Daemons of pool $1, by their command line.
daemons() {
	pgrep -f "mount.umfs.* $1 " || true
}

clean_up() {
	awk -v w="$work/" 'index($5, w) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
		while read -r at; do
			at=$(printf '%b' "$at") # "\040" is a space
			timeout 10 umount -l "$at" 2>/dev/null || timeout 10 fusermount3 -u -z "$at"
		done
	for pid in $(daemons "$work/[^ ]*"); do
		kill -9 "$pid" 2>/dev/null
	done
	rm -rf "$work"
}
trap clean_up EXIT

# m [OPTION...]: mount the pool at $mnt.
m() {
	timeout 60 "$UMFS_MOUNT" "$@" "$pool" "$mnt"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	tries=$(($1 * 20))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

no_daemon() {
	[ -z "$(daemons "$pool")" ]
}

# Unmount; it may be busy for a moment, with what another process is just closing.
unmount() {
	wait_for 20 timeout 20 fusermount3 -u "$1"
}

# And wait until the daemon has left the pool.
um() {
	ok "unmount" unmount "$mnt"
	ok "the daemon ends" wait_for 20 no_daemon
}
