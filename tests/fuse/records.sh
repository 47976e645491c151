#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# records.sh - no description of an open file is left in the pool: see records.py.

. "$(dirname "$0")/lib.sh"

make_pool 32M
ok "mount" m
ok "without a free description" timeout 120 /usr/bin/python3 "$here/records.py" "$mnt"
um
check_pool "all descriptions used"
finish
