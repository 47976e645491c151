// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * unback.c - memory given back to what lies behind a sparse pool.
 *
 * A process counts the pages that it frees and notes where. When they are many
 * it looks, at the end of that operation and with no lock held, for 2 MiB units
 * there without a used page, and gives their memory back; whoever detaches looks a
 * last time. Taking a unit costs more than writing it full, so two kinds stay:
 *
 *  - for what a process takes again and again (a file that is written, cut and
 *    written anew): as much as it has taken within the last second or two
 *    (umfs_taken_note). It looks again a second later, so a process that went on
 *    to something else gives that back then; one that does nothing at all any
 *    more keeps it until it detaches;
 *  - for a process that makes a file and the next one, that removes it: a few units
 *    of each group, KEEP_UNITS, an eighth of the memory that the pool once had at most.
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
#define PAUSE_NS 1000000000ull	   /* between looks of who also takes pages; see taken_lately() */
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

/* The clock may have been set back, too: that was long ago. */
static uint64_t ns_since(const int64_t *then, int64_t now)
{
	return (uint64_t)(now - __atomic_load_n(then, __ATOMIC_RELAXED));
}

void umfs_taken_note(struct umfs *fs, uint32_t pages)
{
	int64_t now;
	uint64_t since;

	if (fs->geo.flags & UMFS_SB_BACKED)
		return;
	now = port_now_ns();
	since = ns_since(&fs->taken_since_ns, now);
	if (since >= PAUSE_NS) {
		uint32_t taken = __atomic_exchange_n(&fs->taken_pages, 0, __ATOMIC_RELAXED);

		__atomic_store_n(&fs->taken_before, since < 2 * PAUSE_NS ? taken : 0,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&fs->taken_since_ns, now, __ATOMIC_RELAXED);
	}
	__atomic_fetch_add(&fs->taken_pages, pages, __ATOMIC_RELAXED);
}

/* Units' worth of pages, of the second that goes on or of the one before. */
static uint32_t taken_lately(const struct umfs *fs, int64_t now)
{
	uint64_t since = ns_since(&fs->taken_since_ns, now);
	uint32_t pages = 0;

	if (since < 2 * PAUSE_NS)
		pages = __atomic_load_n(&fs->taken_pages, __ATOMIC_RELAXED);
	if (since < PAUSE_NS)
		pages = UMFS_MAX(pages, __atomic_load_n(&fs->taken_before, __ATOMIC_RELAXED));
	return (pages + UMFS_UNIT_PAGES - 1) / UMFS_UNIT_PAGES;
}

static uint32_t look_after(const struct umfs *fs)
{
	return fs->unback_after ? fs->unback_after : AFTER_PAGES;
}

bool umfs_unback_due(const struct umfs *fs)
{
	return __atomic_load_n(&fs->freed_pages, __ATOMIC_RELAXED) >= look_after(fs);
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
static uint32_t spare_units(const struct umfs *fs, uint32_t group)
{
	uint32_t unit, n = 0;

	if (!(ld32(&umfs_group(fs, group)->flags) & UMFS_GROUP_INIT))
		return 0;
	for (unit = 0; unit < UMFS_GROUP_UNITS; unit++)
		n += unit_spare(fs, group, unit);
	return n;
}

/* The first unit behind `n` that are spare. */
static uint32_t pass_spare(const struct umfs *fs, uint32_t group, uint32_t n)
{
	uint32_t unit;

	for (unit = 0; n && unit < UMFS_GROUP_UNITS; unit++)
		n -= unit_spare(fs, group, unit);
	return unit;
}

/*
 * All but *keep units, and nothing where no more than KEEP_UNITS are spare besides; *keep is
 * less by those that stay for its sake. A group that is busy is passed over: who is at it may
 * be taking what is spare.
 */
static void unback_group(struct umfs_tx *tx, uint32_t group, uint32_t *keep)
{
	uint32_t spare = spare_units(tx->fs, group), stay = UMFS_MIN(spare, *keep), unit;
	bool more = spare - stay > (tx->fs->unback_after ? 0 : KEEP_UNITS);

	*keep -= stay;
	unit = more ? pass_spare(tx->fs, group, stay) : 0;
	while (more && ld32(&umfs_group(tx->fs, group)->free_pages) >= UMFS_UNIT_PAGES &&
	       !umfs_group_lock(tx->fs, tx->lane, group, false)) {
		more = unback_run(tx->fs, group, &unit);
		umfs_group_unlock(tx->fs, tx->lane, group);
	}
}

/* True: something stays that will not have to if no pages are taken for a while. */
static bool unback_groups(struct umfs_tx *tx, uint32_t keep)
{
	struct umfs *fs = tx->fs;
	uint32_t step = groups_a_bit(fs), group, wanted = keep;
	uint64_t where = __atomic_exchange_n(&fs->freed_where, 0, __ATOMIC_RELAXED), kept = 0;

	for (group = 0; group < fs->geo.group_count && !fs->broken; group++) {
		uint64_t bit = group / step < 64 ? 1ull << group / step : 0;
		uint32_t left = keep;

		if (where & bit)
			unback_group(tx, group, &keep);
		kept |= keep != left ? bit : 0;
	}
	__atomic_fetch_or(&fs->freed_where, kept, __ATOMIC_RELAXED);
	return keep != wanted;
}

void umfs_unback(struct umfs_tx *tx, bool at_once)
{
	struct umfs *fs = tx->fs;
	int64_t now = port_now_ns();
	uint32_t keep = at_once ? 0 : taken_lately(fs, now);

	if (keep && ns_since(&fs->unback_last_ns, now) < PAUSE_NS)
		return;
	__atomic_store_n(&fs->unback_last_ns, now, __ATOMIC_RELAXED);
	__atomic_store_n(&fs->freed_pages, 0, __ATOMIC_RELAXED);
	if (unback_groups(tx, keep))
		__atomic_fetch_add(&fs->freed_pages, look_after(fs), __ATOMIC_RELAXED);
}
