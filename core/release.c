// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * release.c - bits of freed pages and inodes are cleared, by a commit or by a recovery.
 *
 * I1  A bit that a crash makes somebody clear again is cleared under the group
 *     lock, held in the dead slot's name, until its progress word says done
 *     (umfs_bits_release): nobody else can have allocated it in between.
 */
#include "bits.h"
#include "group.h"

int64_t umfs_bits_group(const struct umfs *fs, bool inodes, uint64_t first, uint64_t count)
{
	uint64_t group;

	if (inodes) {
		group = first / fs->geo.inodes_per_group;
		return first && count == 1 && umfs_group_there(fs, group) ? (int64_t)group : -1;
	}
	if (!count || count > UMFS_GROUP_PAGES || !umfs_page_valid(fs, first) ||
	    !umfs_page_valid(fs, first + count - 1))
		return -1;
	group = (first - fs->geo.groups_page) >> UMFS_GROUP_SHIFT;
	return group == (first + count - 1 - fs->geo.groups_page) >> UMFS_GROUP_SHIFT
		       ? (int64_t)group
		       : -1;
}

/* Clear the bits that are still set and add them to the count. Group lock held. */
static void clear_bits(struct umfs *fs, uint32_t group, bool inodes, uint64_t first, uint64_t count)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *bits = inodes ? umfs_group_inode_bits(fs, group) : umfs_group_page_bits(fs, group);
	uint32_t from = (uint32_t)(inodes ? first - (uint64_t)group * fs->geo.inodes_per_group
					  : first - umfs_group_page(fs, group));
	uint32_t to = from + (uint32_t)count, start = from & ~63u, cleared;

	if (!umfs_group_sound(fs, group))
		return;
	cleared = umfs_bits_clear(bits, from, to);
	umfs_flush(fs, &bits[start / 64u], (to - start + 7u) / 8u);
	if (inodes) {
		st32(&grp->free_inodes, ld32(&grp->free_inodes) + cleared);
		umfs_group_freed(&fs->inode_walk, group);
	} else {
		st32(&grp->free_pages, ld32(&grp->free_pages) + cleared);
		umfs_group_freed(&fs->page_walk, group);
		umfs_freed_note(fs, group, cleared);
		umfs_runs_freed(fs, group, from, (uint32_t)count);
		/* Taken ahead and not used: the next one starts here, and no gap is left. */
		if (to == ld32(&grp->page_hint))
			st32(&grp->page_hint, from);
	}
	umfs_flush(fs, grp, sizeof(*grp));
}

/*
 * A dead owner in the way is not recovered, which would need other locks. That no lane
 * of it has noted this one a power cut may have done, or damage: nobody else lets go of it.
 */
static void make_let_go(struct umfs *fs, le64 *word, uint64_t seen)
{
	uint32_t owner = umfs_lock_slot(seen);

	if (!fs->alone && port_slot_claim(fs, owner))
		return;
	umfs_slot_leave_groups(fs, owner);
	(void)cas64(word, &seen, 0);
	if (!fs->alone)
		port_slot_unclaim(fs, owner);
}

/*
 * The lock in the name of `slot`: this process's own, or a dead one that this
 * thread has claimed and that may hold it already.
 */
static int group_lock_for(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane, uint32_t group)
{
	le64 *word = &umfs_group(fs, group)->lock;
	uint64_t mine = umfs_lock_value(fs, slot);
	struct umfs_wait w = {0, 0};

	umfs_order_wait(fs, word);
	st64(&lane->group, (uint64_t)port_thread() << 32 | (group + 1));
	while (!fs->broken) {
		if (slot != fs->slot && umfs_lock_held_by(fs, ld64(word), slot))
			return 0;
		if (umfs_lock_try(fs, word, w.seen ? mine | UMFS_LOCK_WAITERS : mine))
			return 0;
		if (umfs_lock_sleep(fs, word, &w))
			make_let_go(fs, word, w.seen);
	}
	return -EIO;
}

static void group_unlock_for(struct umfs *fs, struct umfs_lane_pm *lane, uint32_t group)
{
	le64 *word = &umfs_group(fs, group)->lock;

	umfs_order_let(fs, word);
	if (xchg64(word, 0) & UMFS_LOCK_WAITERS)
		port_wake((const uint32_t *)(const void *)word);
	st64(&lane->group, 0);
}

/* A death may have come between bits and counts. */
static void doubt_counts(struct umfs *fs, uint32_t group)
{
	le32 *flags = &umfs_group(fs, group)->flags;

	if (ld32(flags) & UMFS_GROUP_INIT)
		st32(flags, ld32(flags) | UMFS_GROUP_RECOUNT);
}

/* What was put back and cleared is durable, and then that it is done. */
static void step(struct umfs *fs, le64 *progress, uint64_t value)
{
	umfs_fence(fs);
	umfs_persist64(fs, progress, value);
}

void umfs_bits_release(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane, bool inodes,
		       uint64_t first, uint64_t count, le64 *progress, uint64_t value)
{
	int64_t at = umfs_bits_group(fs, inodes, first, count);
	uint32_t group = (uint32_t)at;

	if (at < 0) { /* a damaged record: nothing to free by it */
		if (!fs->broken)
			step(fs, progress, value);
		return;
	}
	if (group_lock_for(fs, slot, lane, group))
		return;
	if (slot != fs->slot)
		doubt_counts(fs, group);
	clear_bits(fs, group, inodes, first, count);
	if (fs->broken) { /* maybe nothing was cleared: it, and the lock, are recovery's */
		umfs_order_let(fs, &umfs_group(fs, group)->lock);
		return;
	}
	step(fs, progress, value);
	umfs_group_recount(fs, group);
	group_unlock_for(fs, lane, group);
}

/* Does the lane's thread hold the group lock that the lane has noted? */
bool umfs_bits_held(const struct umfs *fs, uint32_t slot, const struct umfs_lane_pm *lane)
{
	uint64_t note = ld64(&lane->group), word;
	uint32_t group = (uint32_t)note - 1;

	if (!umfs_group_there(fs, group))
		return false;
	word = ld64(&umfs_group(fs, group)->lock);
	return umfs_lock_held_by(fs, word, slot) &&
	       ((word >> 1) & UMFS_LOCK_THREAD_MASK) == note >> 32;
}

/*
 * The slot is dead and claimed by us, and its lane holds a group lock; waits for
 * nothing. Whatever it was at under that lock is finished and the lock let go,
 * so that other recoveries can pass.
 */
void umfs_bits_leave(struct umfs *fs, struct umfs_lane_pm *lane, const struct umfs_bits *next)
{
	uint32_t group = (uint32_t)ld64(&lane->group) - 1;

	if (group >= fs->geo.group_count)
		return; /* changed since umfs_bits_held: damage */
	doubt_counts(fs, group);
	if (next->any && umfs_bits_group(fs, next->inodes, next->first, next->count) == group) {
		clear_bits(fs, group, next->inodes, next->first, next->count);
		if (fs->broken)
			return;
		step(fs, next->progress, next->value);
	}
	umfs_group_recount(fs, group);
	group_unlock_for(fs, lane, group);
}
