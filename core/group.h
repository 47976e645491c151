/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* group.h - what the allocators of pages and of inodes share of an allocation group. */
#ifndef UMFS_CORE_GROUP_H
#define UMFS_CORE_GROUP_H

#include "internal.h"

#define UMFS_ALIGN_PAGES_MIN 16u

static inline le64 *umfs_group_page_bits(const struct umfs *fs, uint32_t group)
{
	return umfs_page(fs, umfs_group_page(fs, group));
}

static inline le64 *umfs_group_inode_bits(const struct umfs *fs, uint32_t group)
{
	return umfs_page(fs, umfs_group_page(fs, group) + 1);
}

/*
 * The groups in the order in which they are looked at, i = 0 .. group_count: the one
 * that is near, and then from where this process last found something. A walk that
 * began at the near one each time would pass all the full ones behind it again, in a
 * large pool that is nearly full as many as there are.
 */
static inline uint32_t umfs_group_nth(const struct umfs *fs, uint32_t near, const uint32_t *walk,
				      uint32_t i)
{
	uint32_t from = __atomic_load_n(walk, __ATOMIC_RELAXED);

	from = from ? from - 1 : near + 1;
	return (i ? from + i - 1 : near) % fs->geo.group_count;
}

static inline void umfs_group_found(uint32_t *walk, uint32_t i, uint32_t group)
{
	if (i && __atomic_load_n(walk, __ATOMIC_RELAXED) != group + 1)
		__atomic_store_n(walk, group + 1, __ATOMIC_RELAXED);
}

/*
 * Something was freed in the group, which the walk may have passed: it begins there
 * again, or a file that is cut and written anew would go on into memory never used.
 */
static inline void umfs_group_freed(uint32_t *walk, uint32_t group)
{
	if (group + 1 < __atomic_load_n(walk, __ATOMIC_RELAXED))
		__atomic_store_n(walk, group + 1, __ATOMIC_RELAXED);
}

/* The alignment that a run of `want` pages deserves: gaps between small files are not worth it. */
static inline uint32_t umfs_run_align(uint32_t want)
{
	if (want < UMFS_ALIGN_PAGES_MIN)
		return 1;
	return want >= UMFS_UNIT_PAGES ? UMFS_UNIT_PAGES : 1u << (31 - __builtin_clz(want));
}

/* ---- runs.c: hints; the group's lock is held, but for umfs_runs_longest() ---- */

struct umfs_search;
/* Pages [first, first+count) of the group are free now. */
void umfs_runs_freed(struct umfs *fs, uint32_t group, uint32_t first, uint32_t count);
/* The run freed last, where it has `want` pages that are free: *first. */
bool umfs_runs_take(struct umfs *fs, uint32_t group, const struct umfs_search *s, uint32_t head,
		    uint32_t want, uint32_t *first);
/* A search of all the group's pages with memory saw no longer run than that. */
void umfs_runs_searched(struct umfs *fs, uint32_t group, uint32_t longest);
uint32_t umfs_runs_longest(struct umfs *fs, uint32_t group);
/* Is a search for `want` pages on end most likely in vain? */
bool umfs_runs_pass(struct umfs *fs, uint32_t group, uint32_t want);

/* So many of its pages the group's bitmap knows: all, but for a while after the pool grew. */
uint32_t umfs_group_known(const struct umfs *fs, uint32_t group);
/* Back a unit, if it is not yet. Group lock held. 0 or -ENOSPC. */
int umfs_group_back(struct umfs *fs, uint32_t group, uint32_t unit);
/* Does its entry make sense: is it set up, and its bitmaps have memory and know more than themselves? */
bool umfs_group_sound(const struct umfs *fs, uint32_t group);
/*
 * Before a group is used: sets it up the first time, extends it where the pool has grown,
 * recounts where recovery asked for it. Group lock held.
 * Until UMFS_GROUP_INIT is stored the group is as if never used. 0, -ENOSPC, or -EUCLEAN: what
 * is in use in it can not be told.
 */
int umfs_group_init(struct umfs *fs, uint32_t group);

#endif
