# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# lib.sh - what quickstart, check and the tests' scripts share. Sourced, not run;
# sets ROOT to the top of the checkout.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# What building and running needs, and what the whole test run needs besides.
PACKAGES_BUILD=(gcc libc6-dev meson ninja-build pkg-config libpmem-dev uuid-dev libblkid-dev
	libjson-c-dev libcmocka-dev libfuse3-dev python3)
PACKAGES_RUN=(fio fuse3)
PACKAGES_CHECK=(clang libclang-rt-14-dev binutils make linux-headers-amd64 sparse debootstrap procps strace sqlite3
	attr acl rsync valgrind liburing2 musl-tools gnuplot-nox e2fsprogs)
# What tests/programs runs.
PACKAGES_PROGRAMS=(redis-server rocksdb-tools postgresql git vim nginx perl stress-ng dbench
	busybox-static python3-venv dash tar findutils)
# What tests/kmod runs: a machine to emulate, and what is in it.
PACKAGES_KMOD=(qemu-system-x86 busybox-static linux-headers-6.12-amd64)

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Run a command as root: directly, or through sudo (which asks only on a terminal).
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif ! command -v sudo >/dev/null; then
		return 126
	elif [ -t 0 ]; then
		sudo -- "$@"
	else
		sudo -n -- "$@"
	fi
}

package_here() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# As root. Debian starts the servers that it installs unless the machine's policy is not to.
INSTALL='
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap "rm -f $policy" EXIT
	printf "#!/bin/sh\nexit 101\n" >$policy
	chmod 755 $policy
fi
DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@"'

# Install those of the named packages that are missing, saying which.
install_missing() {
	local missing=() p
	command -v dpkg-query >/dev/null ||
		die "this is not Debian: install by hand what README.md lists (${*})"
	for p in "$@"; do
		package_here "$p" || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return 0
	say "Installing with apt-get: ${missing[*]}"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update </dev/null >/dev/null ||
		say "apt-get update failed; trying with the lists that are here"
	as_root bash -c "$INSTALL" - "${missing[@]}" </dev/null >/dev/null ||
		die "could not install ${missing[*]} (run as root, or as a user who may use sudo)"
}

# build_in DIR [meson option...]: configure when needed, then compile.
build_in() {
	local dir=$1
	shift
	mkdir -p "$dir"
	if [ -f "$dir/build.ninja" ]; then
		meson configure "$dir" "$@" >/dev/null
	else
		meson setup "$dir" "$ROOT" "$@" >"$dir/setup.log" 2>&1 ||
			{ tail -n 20 "$dir/setup.log" >&2; return 1; }
	fi
	ninja -j "$(nproc)" -C "$dir" >"$dir/ninja.log" 2>&1 || { tail -n 40 "$dir/ninja.log" >&2; return 1; }
}
