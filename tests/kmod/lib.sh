# SPDX-License-Identifier: BSD-3-Clause
# lib.sh - what the suites share, in the guest; sourced from /lib.sh.

EPERM=1 ENOENT=2 ENOEXEC=8 ENOTBLK=15 EBUSY=16 EEXIST=17 EINVAL=22 ENOSPC=28 EROFS=30
EPROTONOSUPPORT=93 EOPNOTSUPP=95 EUCLEAN=117
failed=0

fail() {
	echo "FAILED: $*"
	failed=1
}

# expect CODE COMMAND...: the command's exit code.
expect() {
	local want=$1 got
	shift
	"$@" >/tmp/expect 2>&1
	got=$?
	[ $got = "$want" ] && return
	fail "$*: $got, not $want"
	cat /tmp/expect
}

# The namespace of the bus whose provider is $1: ACPI.NFIT (the NVDIMM) or e820 (memmap=).
namespace_of() {
	local bus at
	for bus in /sys/bus/nd/devices/ndbus*; do
		[ "$(cat "$bus/provider")" = "$1" ] || continue
		for at in "$bus"/region*/namespace*.0; do
			basename "$at"
			return
		done
	done
}

region_of() {
	dirname "$(readlink -f "/sys/bus/nd/devices/$1")"
}

# The block device below a directory of sysfs.
block_below() {
	local at
	for at in "$1"/block/*; do
		[ -e "$at" ] && echo "/dev/${at##*/}"
	done
}

# The memory that memmap= reserved: usable as it is.
reserved_device() {
	block_below "/sys/bus/nd/devices/$(namespace_of e820)"
}

raw_device() {
	block_below "/sys/bus/nd/devices/$(namespace_of ACPI.NFIT)"
}

# The NVDIMM's namespace in fsdax mode with its map on the device, made so when it is not:
# what `ndctl create-namespace -f -e namespace0.0 -m fsdax -M dev` does.
fsdax_device() {
	local ns region pfn at
	ns=$(namespace_of ACPI.NFIT)
	region=$(region_of "$ns")
	for at in "$region"/pfn*/block/*; do
		[ -e "$at" ] && echo "/dev/${at##*/}" && return
	done
	echo "$ns" >/sys/bus/nd/drivers/nd_pmem/unbind
	pfn=$(cat "$region/pfn_seed")
	echo 6e0a6ba2-1c11-4b5c-9c5a-0f7d0c4d1e55 >"$region/$pfn/uuid"
	echo pmem >"$region/$pfn/mode"
	echo "$ns" >"$region/$pfn/namespace"
	echo "$pfn" >/sys/bus/nd/drivers/nd_pmem/bind
	block_below "$region/$pfn"
}
