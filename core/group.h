/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* group.h - what the allocators of pages and of inodes share of an allocation group. */
#ifndef UMFS_CORE_GROUP_H
#define UMFS_CORE_GROUP_H

#include "internal.h"

static inline le64 *umfs_group_page_bits(const struct umfs *fs, uint32_t group)
{
	return umfs_page(fs, umfs_group_page(fs, group));
}

static inline le64 *umfs_group_inode_bits(const struct umfs *fs, uint32_t group)
{
	return umfs_page(fs, umfs_group_page(fs, group) + 1);
}

/* The unit of a group in which the inode's bytes lie. */
static inline uint32_t umfs_inode_unit(uint32_t index)
{
	uint32_t page = UMFS_GROUP_HEAD_PAGES + (index >> (UMFS_PAGE_SHIFT - UMFS_INODE_SHIFT));

	return page >> UMFS_UNIT_SHIFT;
}

static inline bool umfs_group_backed(const struct umfs *fs, uint32_t group, uint32_t unit)
{
	return (fs->geo.flags & UMFS_SB_BACKED) ||
	       (ld64(&umfs_group(fs, group)->backed) >> unit & 1);
}

/* Back a unit, if it is not yet. Group lock held. 0 or -ENOSPC. */
int umfs_group_back(struct umfs *fs, uint32_t group, uint32_t unit);
/*
 * Before a group's first use; recounts where recovery asked for it. Group lock held.
 * Until UMFS_GROUP_INIT is stored the group is as if never used. 0 or -ENOSPC.
 */
int umfs_group_init(struct umfs *fs, uint32_t group);

#endif
