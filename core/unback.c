// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * unback.c - memory given back to what lies behind a sparse pool.
 *
 * A process counts the pages that it frees and notes where. When they are many
 * it looks, at the end of that operation and with no lock held, for 2 MiB units
 * there without a used page, and gives their memory back. Somebody who also
 * takes units is made to wait between two such looks, so that a file that is
 * made and removed again and again does not cost its memory each time; whoever
 * detaches looks a last time. A group keeps a few spare units, up to KEEP_UNITS: or a
 * process that makes a file and the next one, that removes it, would take and give back
 * the same unit each time, and taking it costs more than writing it full. So what stays
 * without a use is an eighth of the memory that the pool once had, at most.
 *
 * I1  A unit is given back under its group's lock, and only while none of its
 *     bits is set.
 * I2  Its bit in `backed` is cleared durably before the memory goes, and nothing
 *     is stored in a unit whose bit is clear. A crash in between leaves memory
 *     that nobody counts on: whoever next needs the unit backs it, and finds it
 *     there.
 */
#include "internal.h"

#define AFTER_PAGES 4096u	   /* freed since the last look */
#define PAUSE_NS 1000000000ll	   /* between looks, when units were taken since the last */
#define UNITS_AT_ONCE 8u	   /* given back in one hold of the group's lock */
#define KEEP_UNITS 8u		   /* spare ones of a group; more are all given back */
#define WORDS_PER_UNIT (UMFS_UNIT_PAGES / 64u)

/* Groups that one bit of fs->freed_where stands for. */
static uint32_t groups_a_bit(const struct umfs *fs)
{
	return (fs->geo.group_count + 63u) / 64u;
}

void umfs_freed_note(struct umfs *fs, uint32_t group, uint32_t pages)
{
	uint64_t bit = 1ull << group / groups_a_bit(fs);

	if (fs->geo.flags & UMFS_SB_BACKED)
		return;
	if (!(__atomic_load_n(&fs->freed_where, __ATOMIC_RELAXED) & bit))
		__atomic_fetch_or(&fs->freed_where, bit, __ATOMIC_RELAXED);
	__atomic_fetch_add(&fs->freed_pages, pages, __ATOMIC_RELAXED);
}

bool umfs_unback_due(const struct umfs *fs)
{
	uint32_t after = fs->unback_after ? fs->unback_after : AFTER_PAGES;

	return __atomic_load_n(&fs->freed_pages, __ATOMIC_RELAXED) >= after;
}

/* Backed and without a used page; a unit that the pool's end cuts never is (its bits are set). */
static bool unit_spare(const struct umfs *fs, uint32_t group, uint32_t unit)
{
	const le64 *bits = umfs_page(fs, umfs_group_page(fs, group));
	uint64_t used = 0;
	uint32_t i;

	if (unit >= UMFS_GROUP_UNITS || !(ld64(&umfs_group(fs, group)->backed) >> unit & 1))
		return false;
	for (i = 0; i < WORDS_PER_UNIT && !used; i++)
		used = ld64(&bits[unit * WORDS_PER_UNIT + i]);
	return !used;
}

/* Group locked: the next run of spare units from *unit on; false: there is none. */
static bool unback_run(struct umfs *fs, uint32_t group, uint32_t *unit)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	uint32_t first = *unit, n = 0;
	uint64_t off, bits;

	while (first < UMFS_GROUP_UNITS && !unit_spare(fs, group, first))
		first++;
	while (n < UNITS_AT_ONCE && unit_spare(fs, group, first + n))
		n++;
	*unit = first + n;
	if (!n)
		return false;
	bits = ((1ull << n) - 1) << first;
	umfs_persist64(fs, &grp->backed, ld64(&grp->backed) & ~bits); /* I2 */
	off = (umfs_group_page(fs, group) + (uint64_t)first * UMFS_UNIT_PAGES) << UMFS_PAGE_SHIFT;
	port_unback(fs, off, (uint64_t)n * UMFS_UNIT_BYTES);
	return true;
}

/* Not locked: what it comes to when others are at it decides nothing but whether to look. */
static bool many_spare(const struct umfs *fs, uint32_t group)
{
	uint32_t keep = fs->unback_after ? 0 : KEEP_UNITS, unit, n = 0;

	for (unit = 0; unit < UMFS_GROUP_UNITS && n <= keep; unit++)
		n += unit_spare(fs, group, unit);
	return n > keep;
}

/* A group that is busy is passed over: who is at it may be taking what is spare. */
static void unback_group(struct umfs_tx *tx, uint32_t group)
{
	const struct umfs_group_pm *grp = umfs_group(tx->fs, group);
	uint32_t unit = 0;
	bool more = (ld32(&grp->flags) & UMFS_GROUP_INIT) && many_spare(tx->fs, group);

	while (more && ld32(&grp->free_pages) >= UMFS_UNIT_PAGES &&
	       !umfs_group_lock(tx->fs, tx->lane, group, false)) {
		more = unback_run(tx->fs, group, &unit);
		umfs_group_unlock(tx->fs, tx->lane, group);
	}
}

void umfs_unback(struct umfs_tx *tx, bool at_once)
{
	struct umfs *fs = tx->fs;
	uint32_t step = groups_a_bit(fs), groups = fs->geo.group_count, group;
	int64_t now = port_now_ns();
	uint64_t where;

	__atomic_store_n(&fs->freed_pages, 0, __ATOMIC_RELAXED);
	if (!at_once && __atomic_load_n(&fs->backed_units, __ATOMIC_RELAXED) &&
	    now < __atomic_load_n(&fs->unback_next_ns, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&fs->unback_next_ns, now + PAUSE_NS, __ATOMIC_RELAXED);
	__atomic_store_n(&fs->backed_units, 0, __ATOMIC_RELAXED);
	where = __atomic_exchange_n(&fs->freed_where, 0, __ATOMIC_RELAXED);
	for (group = 0; group < groups && !fs->broken; group++)
		if (group / step < 64 && where >> group / step & 1)
			unback_group(tx, group);
}
