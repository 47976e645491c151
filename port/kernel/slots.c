// SPDX-License-Identifier: GPL-2.0-only
/*
 * slots.c - who is alive, and memory behind the pool.
 *
 * The module has the device to itself, so whoever is attached is this kernel: a bit
 * in its memory says which slots it has, and that no slot has one, whatever the pool
 * says, is what follows a crash. The device is memory as a whole, so backing is nothing.
 */
#include <linux/bitmap.h>

#include "port_own.h"

static struct umfs_kport *port_of(struct umfs *fs)
{
	return fs->port;
}

int port_attach_lock(struct umfs *fs)
{
	mutex_lock(&port_of(fs)->attaching);
	return 0;
}

void port_attach_unlock(struct umfs *fs)
{
	mutex_unlock(&port_of(fs)->attaching);
}

bool port_slot_any(struct umfs *fs)
{
	return !bitmap_empty(port_of(fs)->slots, UMFS_SLOTS_MAX);
}

int port_slot_take(struct umfs *fs, uint32_t slot)
{
	if (slot >= UMFS_SLOTS_MAX || test_and_set_bit(slot, port_of(fs)->slots))
		return -EBUSY;
	return 0;
}

void port_slot_drop(struct umfs *fs, uint32_t slot)
{
	if (slot < UMFS_SLOTS_MAX)
		clear_bit(slot, port_of(fs)->slots);
}

int port_slot_claim(struct umfs *fs, uint32_t slot)
{
	return port_slot_take(fs, slot);
}

void port_slot_unclaim(struct umfs *fs, uint32_t slot)
{
	port_slot_drop(fs, slot);
}

int port_back(struct umfs *fs, uint64_t off, uint64_t n)
{
	(void)fs;
	(void)off;
	(void)n;
	return 0;
}

void port_unback(struct umfs *fs, uint64_t off, uint64_t n)
{
	(void)fs;
	(void)off;
	(void)n;
}

/* A device has the size it has; what is mapped of it here is all of it. */
int port_extend(struct umfs *fs, uint64_t bytes)
{
	return bytes <= fs->bytes ? 0 : -EOPNOTSUPP;
}

int port_reach(struct umfs *fs, uint64_t bytes)
{
	return bytes <= fs->bytes ? 0 : -EIO;
}
