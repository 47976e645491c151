// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * ialloc.c - inodes: which are in use, where they lie, and new ones.
 *
 * A bit is set as in alloc.c: under the group lock, after the record that names it.
 */
#include "bits.h"
#include "group.h"

/*
 * Lock held, group set up. 1: *index is free, its place backed and itself locked.
 * A free inode may be locked for a moment by who remembers its former life;
 * nobody waits for it here, which would upset the order of locks. One that is in use by its
 * mode has lost its bit: mode is 0, durably, before a bit is cleared.
 */
static int choose_inode(struct umfs *fs, uint32_t group, uint32_t *index)
{
	struct umfs_search s = {umfs_group_inode_bits(fs, group), ~0ull, fs->geo.inodes_per_group};
	uint32_t hint = ld32(&umfs_group(fs, group)->inode_hint), tries = 0, seen;
	uint32_t first = group * fs->geo.inodes_per_group;
	uint32_t lowest = !first; /* whatever the bitmap says of it, there is no inode 0 */
	uint64_t mine = umfs_lock_value(fs, fs->slot);

	if (hint < lowest || hint >= s.end)
		hint = lowest;
	for (seen = 0; seen < s.end && tries < 8; seen++) {
		struct umfs_inode_pm *in;

		*index = umfs_bits_next(&s, hint, s.end, false);
		if (*index == s.end)
			*index = umfs_bits_next(&s, lowest, s.end, false);
		if (*index == s.end)
			return 0;
		if (umfs_group_back(fs, group, umfs_inode_unit(*index))) {
			if (hint == lowest)
				return -ENOSPC;
			hint = lowest; /* where there is memory already */
			tries++;
			continue;
		}
		in = umfs_inode_known(fs, first + *index);
		if (!ld32(&in->mode)) {
			if (umfs_lock_try(fs, &in->lock, mine))
				return 1;
			tries++;
		}
		hint = *index + 1 < s.end ? *index + 1 : lowest;
	}
	return 0;
}

static void take_inode(struct umfs *fs, uint32_t group, uint32_t index)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *bits = umfs_group_inode_bits(fs, group);

	umfs_bits_fill(bits, index, index + 1);
	umfs_flush(fs, &bits[index / 64u], 8);
	st32(&grp->free_inodes, ld32(&grp->free_inodes) - 1);
	st32(&grp->inode_hint, index + 1);
	umfs_flush(fs, grp, sizeof(*grp));
}

struct search {
	uint32_t least; /* a group with fewer free inodes will not do */
	bool fresh; /* groups that were never used will do */
	bool wait; /* for a group's lock */
	bool met; /* somebody who had a group's lock */
	bool no_backing; /* there is no more to be had */
};

/* 1: *ino is taken, 0: nothing here, or -errno. */
static int inode_in_group(struct umfs_tx *tx, uint32_t group, struct search *s, uint32_t *ino)
{
	struct umfs *fs = tx->fs;
	struct umfs_group_pm *grp = umfs_group(fs, group);
	bool init = ld32(&grp->flags) & UMFS_GROUP_INIT;
	uint32_t index = 0;
	int ret;

	if (init ? ld32(&grp->free_inodes) < s->least : !s->fresh || s->no_backing)
		return 0;
	ret = umfs_group_lock(fs, tx->lane, group, s->wait);
	if (ret == -EAGAIN)
		s->met = true;
	if (ret)
		return ret == -EAGAIN ? 0 : ret;
	ret = umfs_group_init(fs, group);
	if (!ret)
		ret = choose_inode(fs, group, &index);
	if (ret == 1) {
		uint32_t chosen = group * fs->geo.inodes_per_group + index;

		ret = umfs_tx_note(tx, UMFS_REC_INODE_ALLOC, chosen, 1);
		umfs_tx_fence(tx);
		if (!ret) {
			take_inode(fs, group, index);
			*ino = chosen; /* not before: who has a number unlocks it */
			ret = 1;
		} else {
			umfs_unlock(fs, &umfs_inode_known(fs, chosen)->lock);
		}
	}
	umfs_group_unlock(fs, tx->lane, group);
	if (ret == -ENOSPC && !init)
		s->no_backing = true;
	return ret == -ENOSPC || ret == -EUCLEAN ? 0 : ret; /* a damaged one is passed over */
}

/*
 * Files go near their directory, unless others who made some were met there several times:
 * from then on they go to a group of the lane's own while that has room, so that who makes
 * files beside others shares no line of a group with them. Their pages follow them.
 * A directory goes to a group near by that is in
 * use and has many inodes left, so that each has room for its files. A group
 * whose lock is busy is passed over as long as there are others. Groups never used
 * before cost backing: after the others, but before waiting.
 */
enum { PASS_HALF, PASS_FREE, PASS_NEW, PASS_WAIT, PASSES };

#define HALF_GROUPS 64u /* so many are searched for one with many inodes left */
#define MET_OFTEN 8u

static uint32_t first_group(const struct umfs *fs, uint32_t near_ino, const uint32_t *home)
{
	return home && *home && *home <= fs->geo.group_count ? *home - 1
							     : umfs_ino_group(fs, near_ino);
}

/* Found in another group than the first one: it is home if it was others who were in the way. */
static void settle(uint32_t *home, const struct search *s, uint32_t group)
{
	uint32_t to = s->met ? group + 1 : 0;

	if (home && *home != to)
		*home = to;
}

static int alloc_in_pass(struct umfs_tx *tx, uint32_t first, struct search *s, uint32_t from,
			 uint32_t to, uint32_t *home, uint32_t *ino)
{
	struct umfs *fs = tx->fs;
	uint32_t i;

	for (i = from; i <= to; i++) {
		uint32_t group = umfs_group_nth(fs, first, &fs->inode_walk, i);
		int ret = inode_in_group(tx, group, s, ino);

		if (ret <= 0) {
			if (ret)
				return ret;
			continue;
		}
		umfs_group_found(&fs->inode_walk, i, group);
		if (i)
			settle(home, s, group);
		return 1;
	}
	return 0;
}

static int alloc_known(struct umfs_tx *tx, uint32_t near_ino, bool directory, uint32_t *ino)
{
	struct umfs *fs = tx->fs;
	uint32_t lane = tx->lane_index % UMFS_LANES_MAX, groups = fs->geo.group_count;
	uint32_t *home = directory ? NULL : &fs->inode_home[lane];
	uint32_t first = first_group(fs, near_ino, home);
	struct search s = {.no_backing = false};
	bool often = false;
	uint32_t pass;
	int ret;

	for (pass = directory ? PASS_HALF : PASS_FREE; pass < PASSES; pass++) {
		bool half = pass == PASS_HALF;

		s.least = half ? fs->geo.inodes_per_group / 2 : 1;
		s.fresh = pass >= PASS_NEW;
		s.wait = pass >= PASS_WAIT;
		if (pass == PASS_NEW && s.met && home)
			often = ++fs->inode_met[lane] % MET_OFTEN == 0;
		ret = alloc_in_pass(tx, first, &s, pass == PASS_NEW && often,
				    half ? UMFS_MIN(groups, HALF_GROUPS) : groups, home, ino);
		if (ret)
			return ret < 0 ? ret : 0;
	}
	return -ENOSPC;
}

int umfs_inode_alloc(struct umfs_tx *tx, uint32_t near_ino, bool directory, uint32_t *ino)
{
	uint64_t known = umfs_grow_known(tx->fs);
	int err = alloc_known(tx, near_ino, directory, ino);

	if (err == -ENOSPC && umfs_grow_since(tx->fs, known))
		err = alloc_known(tx, near_ino, directory, ino);
	return err;
}

int umfs_inode_free(struct umfs_tx *tx, uint32_t ino)
{
	return umfs_tx_note(tx, UMFS_REC_INODE_FREE, ino, 1);
}

bool umfs_inode_allocated(struct umfs *fs, uint32_t ino)
{
	uint32_t group = umfs_ino_group(fs, ino), index = ino - group * fs->geo.inodes_per_group;

	if (!umfs_group_there(fs, group) ||
	    !(ld32(&umfs_group(fs, group)->flags) & UMFS_GROUP_INIT))
		return false;
	return ld64(&umfs_group_inode_bits(fs, group)[index / 64u]) >> index % 64u & 1;
}

UMFS_RARE struct umfs_inode_pm *umfs_inode_now(const struct umfs *fs, uint32_t ino)
{
	uint32_t group = umfs_ino_group(fs, ino), index = ino - group * fs->geo.inodes_per_group;

	if (!ino || !umfs_group_there(fs, group) ||
	    !umfs_group_backed(fs, group, umfs_inode_unit(index)))
		return NULL;
	return umfs_inode_at(fs, group, index);
}
