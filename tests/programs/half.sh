# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# half.sh - half of the commands of a script under libumfs, the others not: BASH_ENV of all
# shells in form `both`.
#
# The shell itself is none of libumfs's, so what it opens for a command is the mount's.
# Before each simple command a step of a fixed sequence decides how it runs, with all
# that it starts; only shells among those that are not under libumfs go on in the same
# way. So it is the same each time, and no loop or pipeline has all of one kind.

if [ -z "${LD_PRELOAD-}" ]; then
	export HALF_STEP=${HALF_STEP:-1}
	set -o functrace
	trap 'if (((HALF_STEP = (HALF_STEP * 1103515245 + 12345) & 0x7fffffff) & 0x10000)); then
		export LD_PRELOAD=$HALF; else unset LD_PRELOAD; fi' DEBUG
fi
