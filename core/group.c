// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * group.c - one allocation group: its lock, its 2 MiB units of backing, its first use.
 *
 * Each group has its own lock, bitmaps, counts and units, so allocations in
 * different groups share nothing. A group is set up when it is first used.
 *
 * I1  Counts follow the bits under the lock; where a death came in between,
 *     UMFS_GROUP_RECOUNT makes the next holder count again.
 * I2  A unit is backed before its first page is handed out; the group's word
 *     says so after the backing was had.
 */
#include "bits.h"
#include "group.h"

static uint32_t head_pages(const struct umfs *fs)
{
	return UMFS_GROUP_HEAD_PAGES + fs->geo.itable_pages;
}

/* ---- the lock, noted in the lane ---- */

int umfs_group_lock(struct umfs *fs, struct umfs_lane_pm *lane, uint32_t group, bool wait)
{
	le64 *word = &umfs_group(fs, group)->lock;

	st64(&lane->group, (uint64_t)port_thread() << 32 | (group + 1));
	if (wait)
		return umfs_lock(fs, word);
	if (umfs_lock_try(fs, word, umfs_lock_value(fs, fs->slot)))
		return 0;
	st64(&lane->group, 0);
	return -EAGAIN;
}

void umfs_group_unlock(struct umfs *fs, struct umfs_lane_pm *lane, uint32_t group)
{
	umfs_unlock_now(fs, &umfs_group(fs, group)->lock);
	st64(&lane->group, 0);
}

/* ---- backing ---- */

int umfs_group_back(struct umfs *fs, uint32_t group, uint32_t unit)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	uint64_t off = (umfs_group_page(fs, group) + (uint64_t)unit * UMFS_UNIT_PAGES)
		       << UMFS_PAGE_SHIFT;
	uint64_t end = fs->geo.pool_pages << UMFS_PAGE_SHIFT;
	int err;

	if (umfs_group_backed(fs, group, unit))
		return 0;
	err = port_back(fs, off, UMFS_MIN((uint64_t)UMFS_UNIT_BYTES, end - off));
	if (err)
		return err;
	/* Durable with the first page or inode that is taken there, in whose line it is. */
	st64(&grp->backed, ld64(&grp->backed) | 1ull << unit);
	return 0;
}

/* What is used is backed, the head as well. */
uint64_t umfs_group_ready(const struct umfs *fs, uint32_t group, uint32_t free)
{
	uint32_t pages = umfs_group_pages(fs, group), last = (pages - 1) >> UMFS_UNIT_SHIFT;
	uint64_t backed = ld64(&umfs_group(fs, group)->backed);
	uint64_t behind = (uint64_t)umfs_count_ones(backed) << UMFS_UNIT_SHIFT, used;

	if (fs->geo.flags & UMFS_SB_BACKED)
		return free;
	if (backed >> last & 1)
		behind -= ((uint64_t)(last + 1) << UMFS_UNIT_SHIFT) - pages;
	used = pages - UMFS_MIN(free, pages);
	return behind > used ? UMFS_MIN(behind - used, free) : 0;
}

/* ---- setting it up ---- */

uint32_t umfs_group_known(const struct umfs *fs, uint32_t group)
{
	uint32_t known = ld32(&umfs_group(fs, group)->pages);

	if (__builtin_expect(known > umfs_group_pages(fs, group), 0))
		umfs_grow_seen(fs); /* somebody else has told it */
	return UMFS_MIN(known, umfs_group_pages(fs, group));
}

static void recount(struct umfs *fs, uint32_t group)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);

	st32(&grp->free_pages,
	     umfs_bits_zeros(umfs_group_page_bits(fs, group), umfs_group_known(fs, group)));
	st32(&grp->free_inodes,
	     umfs_bits_zeros(umfs_group_inode_bits(fs, group), UMFS_GROUP_PAGES));
	st32(&grp->flags, ld32(&grp->flags) & ~UMFS_GROUP_RECOUNT);
	umfs_flush(fs, grp, sizeof(*grp));
}

/* The pool's old end may have cut a unit that is backed: the rest of it, or nothing, is too. */
static int back_rest(struct umfs *fs, uint32_t group, uint32_t from, uint32_t to)
{
	uint32_t end = UMFS_MIN((from | (UMFS_UNIT_PAGES - 1)) + 1, to);

	if (!(from % UMFS_UNIT_PAGES) || !umfs_group_backed(fs, group, from >> UMFS_UNIT_SHIFT))
		return 0;
	return port_back(fs, (umfs_group_page(fs, group) + from) << UMFS_PAGE_SHIFT,
			 (uint64_t)(end - from) << UMFS_PAGE_SHIFT);
}

/*
 * The pool has grown since the group was set up: its bitmap learns of the new pages.
 * Group lock held. The store of `pages` commits; before it the bits past it mean
 * nothing, and a death after it leaves the mark to count again.
 */
static void group_extend(struct umfs *fs, uint32_t group, uint32_t to)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	uint32_t from = ld32(&grp->pages);
	le64 *bits = umfs_group_page_bits(fs, group);

	if (back_rest(fs, group, from, to))
		return; /* no memory now: it stays as it is until the next time */
	(void)umfs_bits_clear(bits, from, to);
	umfs_flush(fs, bits, UMFS_PAGE_BYTES);
	umfs_fence(fs);
	st32(&grp->flags, ld32(&grp->flags) | UMFS_GROUP_RECOUNT);
	st32(&grp->pages, to); /* commit point */
	recount(fs, group); /* durable before anything that is noted in a lane and taken here */
}

/*
 * A device has what was written there last, a former pool's inodes among it. In all
 * other pools this is memory that was had for the group and reads as zeros.
 */
static void clear_inodes(struct umfs *fs, uint32_t group)
{
	void *table = umfs_page(fs, umfs_group_page(fs, group) + UMFS_GROUP_HEAD_PAGES);
	uint64_t bytes = (uint64_t)fs->geo.itable_pages << UMFS_PAGE_SHIFT;

	port_zero(table, bytes);
	umfs_flush(fs, table, bytes);
}

int umfs_group_init(struct umfs *fs, uint32_t group)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *pages = umfs_group_page_bits(fs, group), *inodes = umfs_group_inode_bits(fs, group);
	uint32_t end = umfs_group_pages(fs, group);
	int err;

	if (ld32(&grp->flags) & UMFS_GROUP_INIT) {
		if (__builtin_expect(ld32(&grp->pages) < end, 0))
			group_extend(fs, group, end);
		if (ld32(&grp->flags) & UMFS_GROUP_RECOUNT)
			recount(fs, group);
		return 0;
	}
	err = umfs_group_back(fs, group, 0);
	if (err)
		return err;
	if (fs->geo.flags & UMFS_SB_BACKED)
		clear_inodes(fs, group);
	port_zero(pages, 2 * UMFS_PAGE_BYTES);
	umfs_bits_fill(pages, 0, head_pages(fs));
	umfs_bits_fill(pages, end, UMFS_GROUP_PAGES);
	umfs_bits_fill(inodes, fs->geo.inodes_per_group, UMFS_GROUP_PAGES);
	if (group == 0)
		umfs_bits_fill(inodes, 0, 1); /* inode 0 names nothing */
	umfs_flush(fs, pages, 2 * UMFS_PAGE_BYTES);
	st32(&grp->pages, end);
	recount(fs, group);
	umfs_fence(fs);
	st32(&grp->page_hint, head_pages(fs));
	st32(&grp->inode_hint, 0);
	st32(&grp->flags, UMFS_GROUP_INIT); /* durable as `backed` is */
	return 0;
}

void umfs_group_recount(struct umfs *fs, uint32_t group)
{
	if (ld32(&umfs_group(fs, group)->flags) & UMFS_GROUP_RECOUNT)
		recount(fs, group);
}

/* Making a pool: the first group, with inode `ino` in use. Nobody else is there. */
int umfs_group_make_first(struct umfs *fs, uint32_t ino)
{
	uint32_t unit = umfs_inode_unit(ino);
	int err = umfs_group_init(fs, 0);

	if (!err)
		err = umfs_group_back(fs, 0, unit);
	if (err)
		return err;
	umfs_bits_fill(umfs_group_inode_bits(fs, 0), ino, ino + 1);
	umfs_flush(fs, umfs_group_inode_bits(fs, 0), 8);
	recount(fs, 0);
	return 0;
}
