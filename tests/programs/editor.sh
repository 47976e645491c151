# SPDX-License-Identifier: BSD-3-Clause
# vim, or nano: edits files in a pseudo-terminal, with its swap and backup files there, and once killed.
. "${0%/*}/lib.sh"
python3 "$SCRIPTS/editor.py"
did 6 sessions
