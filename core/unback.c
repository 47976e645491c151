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
 *  - for processes of which one makes files and the next one removes them: KEEP_UNITS of
 *    each group, an eighth of the memory that the pool once had at most. A group may use
 *    what is left of its neighbours' as well, MOST_AT_ONCE of them in one look: one who
 *    removes much leaves no more behind.
 *
 * I1  A unit is given back under its group's lock, and only while none of its
 *     bits is set; whatever they say, none with a page of the head or past the end.
 * I2  Its bit in `backed` is cleared durably before the memory goes, and nothing
 *     is stored in a unit whose bit is clear. A crash in between leaves memory
 *     that nobody counts on: whoever next needs the unit backs it, and finds it
 *     there.
 */
#include "group.h"

#define AFTER_PAGES 4096u	   /* freed since the last look */
#define PAUSE_NS 1000000000ull	   /* between looks of who also takes pages; see taken_lately() */
#define UNITS_AT_ONCE 8u	   /* given back in one hold of the group's lock */
#define KEEP_UNITS 8u		   /* spare ones of a group, without a look at others */
#define NEAR_GROUPS 8u		   /* that share what they may keep: 1 GiB */
#define MOST_AT_ONCE (KEEP_UNITS * NEAR_GROUPS)
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

/* Is all of it data pages? Not where the head or the pool's end cuts it. */
static bool unit_given(const struct umfs *fs, uint32_t group, uint32_t unit)
{
	uint32_t first = unit << UMFS_UNIT_SHIFT;

	return first >= UMFS_GROUP_HEAD_PAGES + fs->geo.itable_pages &&
	       first + UMFS_UNIT_PAGES <= umfs_group_known(fs, group);
}

/* Backed and without a used page. */
static bool unit_spare(const struct umfs *fs, uint32_t group, uint32_t unit)
{
	const le64 *bits = umfs_group_page_bits(fs, group);
	uint64_t used = 0;
	uint32_t i;

	if (unit >= UMFS_GROUP_UNITS || !unit_given(fs, group, unit) ||
	    !(ld64(&umfs_group(fs, group)->backed) >> unit & 1))
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

	if (!umfs_group_sound(fs, group))
		return false;
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

	if (!umfs_group_sound(fs, group))
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

/* What may be spare in `group`, beside what is in those that it shares with. */
static uint32_t may_stay(const struct umfs *fs, uint32_t group)
{
	uint32_t at = group - group % NEAR_GROUPS, may = 0, others = 0;
	uint32_t end = UMFS_MIN(at + NEAR_GROUPS, fs->geo.group_count);

	for (; at < end; at++) {
		may += KEEP_UNITS;
		others += at == group ? 0 : spare_units(fs, at);
	}
	return may - UMFS_MIN(may, others);
}

/* How many of its units may stay with one look at all groups. */
struct keeping {
	uint32_t taken; /* for the sake of what was taken lately */
	uint32_t next;	/* for the next process */
};

static uint32_t leave(uint32_t *of, uint32_t units)
{
	uint32_t n = UMFS_MIN(*of, units);

	*of -= n;
	return n;
}

/* A group that is busy is passed over: who is at it may be taking what is spare. */
static void unback_group(struct umfs_tx *tx, uint32_t group, struct keeping *k)
{
	const struct umfs_group_pm *grp = umfs_group(tx->fs, group);
	uint32_t spare = spare_units(tx->fs, group), stay = leave(&k->taken, spare), unit;
	bool more = true;

	if (spare - stay <= (tx->fs->unback_after ? 0 : KEEP_UNITS))
		return;
	if (k->next) /* or all groups would be read for nothing */
		stay += leave(&k->next, UMFS_MIN(may_stay(tx->fs, group), spare - stay));
	unit = pass_spare(tx->fs, group, stay);
	while (more && spare > stay && ld32(&grp->free_pages) >= UMFS_UNIT_PAGES &&
	       !umfs_group_lock(tx->fs, tx->lane, group, false)) {
		more = unback_run(tx->fs, group, &unit);
		umfs_group_unlock(tx->fs, tx->lane, group);
	}
}

/* True: something stays that will not have to if no pages are taken for a while. */
static bool unback_groups(struct umfs_tx *tx, uint32_t keep)
{
	struct umfs *fs = tx->fs;
	struct keeping k = {keep, fs->unback_after ? 0 : MOST_AT_ONCE};
	uint32_t step = groups_a_bit(fs), group;
	uint64_t where = __atomic_exchange_n(&fs->freed_where, 0, __ATOMIC_RELAXED), kept = 0;

	for (group = 0; group < fs->geo.group_count && !fs->broken; group++) {
		uint64_t bit = group / step < 64 ? 1ull << group / step : 0;
		uint32_t left = k.taken;

		if (where & bit)
			unback_group(tx, group, &k);
		kept |= k.taken != left ? bit : 0;
	}
	__atomic_fetch_or(&fs->freed_where, kept, __ATOMIC_RELAXED);
	return k.taken != keep;
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
