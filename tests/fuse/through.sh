#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# through.sh - a test program of the shim's, which knows nothing of UMFS, on the
# mount, not preloaded.
#
# usage: through.sh PROGRAM

. "$(dirname "$0")/lib.sh"

make_pool 64M
[ "$(id -u)" = 0 ] && more=-oallow_other,dev,suid
# shellcheck disable=SC2086
ok "mount" m ${more:-}
# Somebody else is to reach the directory in it.
chmod 711 "$work"
ok "$(basename "$1") on the mount" env TEST_DIR="$mnt" SHIM_WORK="$work" timeout 300 "$1"
um
check_pool "$1"
finish
