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
 * I3  UMFS_GROUP_INIT is durable before anything of the group is taken. So where it is
 *     missing, all that its entry and its bitmaps may say is what set_up() stores: a group
 *     in which there is more has lost its flag, and must not be set up anew.
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
	/* Durable before an inode there has a mode: undoing it looks at no place without memory. */
	st64(&grp->backed, ld64(&grp->backed) | 1ull << unit);
	umfs_flush(fs, &grp->backed, sizeof(grp->backed));
	umfs_runs_searched(fs, group, UMFS_UNIT_PAGES); /* no run is longer: none is passed over */
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

/* ---- what its bitmaps know ---- */

/* Pages of the group, when an entry says that they are `said`: who stored that may know more. */
static uint32_t pages_now(const struct umfs *fs, uint32_t group, uint32_t said)
{
	if (__builtin_expect(said > umfs_group_pages(fs, group), 0))
		umfs_grow_seen(fs);
	return umfs_group_pages(fs, group);
}

uint32_t umfs_group_known(const struct umfs *fs, uint32_t group)
{
	uint32_t known = ld32(&umfs_group(fs, group)->pages);

	return UMFS_MIN(known, pages_now(fs, group, known));
}

/* `pages` of an entry that has bitmaps: they know more than their own place, and no more than all. */
static bool pages_sound(const struct umfs *fs, uint32_t group, uint32_t known)
{
	return known > head_pages(fs) && known <= pages_now(fs, group, known);
}

bool umfs_group_sound(const struct umfs *fs, uint32_t group)
{
	const struct umfs_group_pm *grp = umfs_group(fs, group);

	return (ld32(&grp->flags) & UMFS_GROUP_INIT) && umfs_group_backed(fs, group, 0) &&
	       pages_sound(fs, group, ld32(&grp->pages));
}

static void recount(struct umfs *fs, uint32_t group)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	uint32_t pages = umfs_bits_zeros(umfs_group_page_bits(fs, group), umfs_group_known(fs, group));
	uint32_t inodes = umfs_bits_zeros(umfs_group_inode_bits(fs, group), UMFS_GROUP_PAGES);

	if (fs->broken) /* those were not the bitmaps */
		return;
	st32(&grp->free_pages, pages);
	st32(&grp->free_inodes, inodes);
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
 * Nothing past `from` was ever handed out, or `from` is not where the bitmap ended: then its
 * count does not fit, or a unit has memory that lies behind.
 */
static bool ended_at(const struct umfs *fs, uint32_t group, uint32_t from)
{
	const struct umfs_group_pm *grp = umfs_group(fs, group);
	uint32_t last = (from - 1) >> UMFS_UNIT_SHIFT;

	if (!(fs->geo.flags & UMFS_SB_BACKED) && ld64(&grp->backed) >> last >> 1)
		return false;
	return (ld32(&grp->flags) & UMFS_GROUP_RECOUNT) ||
	       ld32(&grp->free_pages) == umfs_bits_zeros(umfs_group_page_bits(fs, group), from);
}

/*
 * The pool has grown since the group was set up: its bitmap learns of the new pages.
 * Group lock held. The store of `pages` commits; before it the bits past it mean
 * nothing, and a death after it leaves the mark to count again.
 */
static int group_extend(struct umfs *fs, uint32_t group, uint32_t from, uint32_t to)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *bits = umfs_group_page_bits(fs, group);

	if (!ended_at(fs, group, from))
		return -EUCLEAN;
	if (fs->broken) /* that was not the bitmap */
		return -EIO;
	if (back_rest(fs, group, from, to))
		return 0; /* no memory now: it stays as it is until the next time */
	(void)umfs_bits_clear(bits, from, to);
	umfs_flush(fs, bits, UMFS_PAGE_BYTES);
	umfs_fence(fs);
	st32(&grp->flags, ld32(&grp->flags) | UMFS_GROUP_RECOUNT);
	st32(&grp->pages, to); /* commit point */
	recount(fs, group); /* durable before anything that is noted in a lane and taken here */
	return 0;
}

/* Of a group that says that it was set up. */
static int make_ready(struct umfs *fs, uint32_t group)
{
	uint32_t known = ld32(&umfs_group(fs, group)->pages), end = umfs_group_pages(fs, group);
	int err = 0;

	if (__builtin_expect(!umfs_group_sound(fs, group), 0))
		return -EUCLEAN;
	if (__builtin_expect(known < end, 0) && pages_sound(fs, group, known))
		err = group_extend(fs, group, known, end);
	if (!err)
		umfs_group_recount(fs, group);
	return err;
}

/* ---- was it never used? (I3) ---- */

/* Counts are those of a group in which all is free, or not there yet. */
static bool entry_unused(const struct umfs *fs, uint32_t group)
{
	const struct umfs_group_pm *grp = umfs_group(fs, group);
	uint32_t head = head_pages(fs), known = ld32(&grp->pages);
	uint32_t pages = ld32(&grp->free_pages), inodes = ld32(&grp->free_inodes);
	uint64_t behind = ld64(&grp->backed) >> ((head - 1) >> UMFS_UNIT_SHIFT) >> 1;

	if (ld32(&grp->flags) || (behind && !(fs->geo.flags & UMFS_SB_BACKED)))
		return false;
	if (!known)
		return !pages && !inodes;
	return pages_sound(fs, group, known) && (!pages || pages == known - head) &&
	       (!inodes || inodes == fs->geo.inodes_per_group - !group);
}

/* Bits of the head, and those past the end, say nothing: they are set before the flag is. */
static bool bits_unused(const struct umfs *fs, uint32_t group)
{
	uint32_t known = ld32(&umfs_group(fs, group)->pages);
	uint32_t end = known ? umfs_group_known(fs, group) : umfs_group_pages(fs, group);
	struct umfs_search pages = {umfs_group_page_bits(fs, group), ~0ull, end};
	struct umfs_search inodes = {umfs_group_inode_bits(fs, group), ~0ull,
				     fs->geo.inodes_per_group};

	return umfs_bits_next(&pages, head_pages(fs), end, true) == end &&
	       umfs_bits_next(&inodes, !group, inodes.end, true) == inodes.end;
}

/*
 * A device has what was written there last, a former pool's bitmaps and inodes among it; but
 * nobody has a lock there. In all other pools this is memory that was had for the group and
 * reads as zeros: only the first page of inodes is looked at, which are taken first.
 */
static bool inodes_unused(const struct umfs *fs, uint32_t group)
{
	bool device = fs->geo.flags & UMFS_SB_BACKED;
	uint32_t i, count = device ? fs->geo.inodes_per_group : UMFS_PAGE_BYTES / UMFS_INODE_BYTES;

	for (i = 0; i < count; i++) {
		const struct umfs_inode_pm *in = umfs_inode_at(fs, group, i);

		if (device ? !umfs_lock_free(fs, ld64(&in->lock)) : ld32(&in->mode))
			return false;
	}
	return true;
}

static bool lost_its_flag(const struct umfs *fs, uint32_t group)
{
	return !inodes_unused(fs, group) ||
	       (!(fs->geo.flags & UMFS_SB_BACKED) && !bits_unused(fs, group));
}

/* ---- setting it up ---- */

static void clear_head(struct umfs *fs, uint32_t group)
{
	bool device = fs->geo.flags & UMFS_SB_BACKED;
	uint64_t pages = device ? head_pages(fs) : UMFS_GROUP_HEAD_PAGES;
	void *head = umfs_page(fs, umfs_group_page(fs, group));

	port_zero(head, pages << UMFS_PAGE_SHIFT);
	umfs_flush(fs, head, pages << UMFS_PAGE_SHIFT);
}

/*
 * `pages` comes before the bits past it, for the pool may grow before the flag is there, and
 * after what lay there is gone, since who finds it believes the bits.
 */
static void set_pages(struct umfs *fs, uint32_t group, uint32_t end)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);

	umfs_fence(fs);
	st32(&grp->free_pages, 0);
	st32(&grp->free_inodes, 0);
	st32(&grp->pages, end);
	umfs_flush(fs, grp, sizeof(*grp));
	umfs_fence(fs);
}

/* Its head has memory. 0, or -EIO: the pool was lost on the way, and it is as if never used. */
static int set_up(struct umfs *fs, uint32_t group)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *pages = umfs_group_page_bits(fs, group), *inodes = umfs_group_inode_bits(fs, group);
	uint32_t end = umfs_group_pages(fs, group);

	clear_head(fs, group);
	set_pages(fs, group, end);
	umfs_bits_fill(pages, 0, head_pages(fs));
	umfs_bits_fill(pages, end, UMFS_GROUP_PAGES);
	umfs_bits_fill(inodes, fs->geo.inodes_per_group, UMFS_GROUP_PAGES);
	if (group == 0)
		umfs_bits_fill(inodes, 0, 1); /* inode 0 names nothing */
	umfs_flush(fs, pages, 2 * UMFS_PAGE_BYTES);
	recount(fs, group);
	if (fs->broken)
		return -EIO;
	umfs_fence(fs);
	st32(&grp->page_hint, head_pages(fs));
	st32(&grp->inode_hint, 0);
	st32(&grp->flags, UMFS_GROUP_INIT); /* commit point */
	umfs_flush(fs, grp, sizeof(*grp));
	umfs_fence(fs); /* I3 */
	return 0;
}

int umfs_group_init(struct umfs *fs, uint32_t group)
{
	int err;

	if (ld32(&umfs_group(fs, group)->flags) & UMFS_GROUP_INIT)
		return make_ready(fs, group);
	if (!entry_unused(fs, group))
		return -EUCLEAN;
	err = umfs_group_back(fs, group, 0);
	if (err)
		return err;
	if (lost_its_flag(fs, group))
		return -EUCLEAN;
	if (fs->broken) /* that was not its head */
		return -EIO;
	return set_up(fs, group);
}

void umfs_group_recount(struct umfs *fs, uint32_t group)
{
	if ((ld32(&umfs_group(fs, group)->flags) & UMFS_GROUP_RECOUNT) &&
	    umfs_group_sound(fs, group))
		recount(fs, group);
}

/* Making a pool: the first group, with inode `ino` in use. Nobody else is there. */
int umfs_group_make_first(struct umfs *fs, uint32_t ino)
{
	int err = umfs_group_back(fs, 0, 0);

	if (err)
		return err;
	err = set_up(fs, 0); /* whatever lies there */
	if (!err)
		err = umfs_group_back(fs, 0, umfs_inode_unit(ino));
	if (err)
		return err;
	umfs_bits_fill(umfs_group_inode_bits(fs, 0), ino, ino + 1);
	umfs_flush(fs, umfs_group_inode_bits(fs, 0), 8);
	recount(fs, 0);
	return 0;
}
