// SPDX-License-Identifier: BSD-3-Clause
/*
 * maps.c - which ranges of this process's memory are pages of files of ours.
 *
 * M1  A range has a hold on its file (core's umfs_map_pin) from before it is mapped
 *     until after it is unmapped. What is missed, since it was not unmapped through
 *     libc, stays held until the process ends: too long is harmless, too short is not.
 * M2  Unmapping and forgetting are one step under LOCK_MAPS, so that no range that
 *     another thread maps at the same place in between is forgotten with it. A new
 *     range is mapped first and then added.
 * M3  Holds are given back without the lock, since that may free a whole file.
 * M4  fork: the child has the same ranges, and core gives its slot the same holds; a
 *     child without a slot loses them (umfs_maps_lost).
 *     exec: all goes with the slot.
 * M5  Pages that come to a range later are mapped under LOCK_MAPS and into what the
 *     range is then: its other parts may be somebody else's memory by now.
 */
#include <sys/mman.h>

#include "maps.h"

#define RANGES_MAX 65536u /* as many mappings as the kernel lets a process have */

uint32_t umfs_maps_count PORT_START;
static struct range *table;

static bool is_free(const struct range *r)
{
	return !r->end && !r->dead;
}

struct range *umfs_maps_next(uint32_t *at, uintptr_t start, uintptr_t end)
{
	while (*at < umfs_maps_count) {
		struct range *r = &table[(*at)++];

		if (!r->dead && r->start < end && start < r->end)
			return r;
	}
	return NULL;
}

static struct range *free_entry(void)
{
	uint32_t i;

	if (!table) {
		long at = sys6(SYS_mmap, 0, (long)(RANGES_MAX * sizeof(struct range)),
			       PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (at < 0 && at > -4096)
			return NULL;
		table = (struct range *)at;
	}
	for (i = 0; i < umfs_maps_count; i++)
		if (is_free(&table[i]))
			return &table[i];
	return i < RANGES_MAX ? &table[i] : NULL;
}

static void put(struct range *to, const struct range *r)
{
	*to = *r;
	if ((uint32_t)(to - table) >= umfs_maps_count)
		STORE(&umfs_maps_count, (uint32_t)(to - table) + 1);
}

/* The part of r from `from` on, as a range of its own with its own hold. */
static void split(struct range *r, uintptr_t from)
{
	struct range *to = free_entry(), rest = *r;

	if (!to)
		return; /* M1: r goes on for all of it */
	umfs_map_get(r->file.fs, r->irec);
	rest.off += from - r->start;
	rest.start = from;
	rest.valid = UMFS_MAX(rest.valid, from);
	put(to, &rest);
}

static void forget_one(struct range *r, uintptr_t start, uintptr_t end)
{
	if (start <= r->start && r->end <= end) {
		r->start = r->end = 0;
		r->dead = true;
	} else if (start <= r->start) {
		r->off += end - r->start;
		r->start = end;
		r->valid = UMFS_MAX(r->valid, end);
	} else {
		if (end < r->end)
			split(r, end);
		r->end = start;
		r->valid = UMFS_MIN(r->valid, start);
	}
}

void umfs_maps_forget(uintptr_t start, uintptr_t end)
{
	struct range *r;
	uint32_t at = 0;

	while ((r = umfs_maps_next(&at, start, end)))
		forget_one(r, start, end);
}

int umfs_maps_add(const struct range *r)
{
	struct range *to;

	umfs_maps_forget(r->start, r->end);
	to = free_entry();
	if (!to)
		return -ENOMEM;
	put(to, r);
	return 0;
}

void umfs_maps_enter(void)
{
	umfs_guard_enter();
	umfs_opens_enter();
	umfs_local_lock(LOCK_MAPS);
}

/* A dead entry taken out of the table; false: there is none. */
static bool take_dead(struct range *dead)
{
	uint32_t i;

	for (i = 0; i < umfs_maps_count; i++)
		if (table[i].dead) {
			*dead = table[i];
			memset(&table[i], 0, sizeof(table[i]));
			return true;
		}
	while (i && is_free(&table[i - 1]))
		i--;
	STORE(&umfs_maps_count, i);
	return false;
}

void umfs_maps_leave(void)
{
	struct range dead;

	while (take_dead(&dead)) {
		umfs_local_unlock(LOCK_MAPS);
		umfs_map_put(dead.file.fs, dead.irec); /* M3 */
		umfs_local_lock(LOCK_MAPS);
	}
	umfs_local_unlock(LOCK_MAPS);
	umfs_opens_leave();
	umfs_guard_leave();
}
