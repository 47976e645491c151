# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# lib.sh - for the tests of the documentation. Sourced with the build directory
# as first argument; puts what `meson install` installs into a private place and
# first on PATH.

. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
BUILD=$(readlink -f "${1:-$ROOT/build}")
TEMP=$(mktemp -d)
trap 'rm -rf "$TEMP"' EXIT

install_private() {
	DESTDIR=$TEMP/dest meson install -C "$BUILD" --no-rebuild >"$TEMP/install.log" ||
		{ cat "$TEMP/install.log"; die "meson install failed"; }
	export PATH=$TEMP/dest/usr/local/sbin:$TEMP/dest/usr/local/bin:$PATH
	export LD_LIBRARY_PATH=$TEMP/dest/usr/local/lib
}
