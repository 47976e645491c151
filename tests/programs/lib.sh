# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# lib.sh - what the scripts of the programs share; sourced by each.
#
# run.py starts a script once for each form, with
#   DIR     the directory to work in: on tmpfs, in a pool, on a mount
#   WORK    a private directory of the kernel's, for sockets and logs
#   SOURCE  the top of this project, or a copy of it
#   EFFORT  0 (under strace), 1, or more for a long run
#   FORM    which form this is
#   COMPARED     and which is compared with tmpfs
#   SHARED_MAPS  no: that is one with a mount, which refuses shared mappings (README)
# What a script prints on stdout, and the tree that it leaves in DIR, must be the
# same in each form; what is by nature different each time goes to stderr or away.
# A failure is a command that fails.

set -euo pipefail
export LC_ALL=C TZ=UTC HOME=$WORK
cd "$DIR"

# did N WHAT: for the table in README: so many of these were done.
did() {
	echo "$@" >>"$WORK/did"
}

# A command under libumfs, and one that is not, where there are two kinds of process:
# whatever half.sh would make of them.
ours() {
	if [ "$FORM" = both ]; then
		env LD_PRELOAD="$HALF" "$@"
	else
		"$@"
	fi
}
other() {
	if [ "$FORM" = both ]; then
		env -u LD_PRELOAD "$@"
	else
		"$@"
	fi
}

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# until_true COMMAND...: within two minutes, on however busy a machine.
until_true() {
	local end=$((SECONDS + 120))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "in vain: $*"
		sleep 0.05
	done
}

# ended PID: it is gone, or a zombie that nobody has waited for.
ended() {
	case $(cat "/proc/$1/stat" 2>/dev/null) in
	*') Z '* | '') return 0 ;;
	esac
	return 1
}

# stop SIGNAL PID: end a child and wait for it, whatever it says.
stop() {
	kill "-$1" "$2"
	wait "$2" 2>/dev/null || true
}
