// SPDX-License-Identifier: BSD-3-Clause
/*
 * group.c - groups that are in use and do not say so, and groups that come into use.
 *
 * A group that was never used has zeros for its entry, or what a process left that died
 * while it set the group up: bitmaps in which nothing but the head is in use. One that has
 * more in them, and a count of pages that fits, has lost its flag. After a power cut bits may
 * be there without the flag, of pages and inodes that were taken and never came into use:
 * then it takes an inode that is in use, which recovery would have taken back, or a page that is
 * in the table of a file elsewhere, which a round finds for the next one. The first group has
 * the root.
 */
#include <errno.h>
#include <stdlib.h>

#include "fsck.h"
#include "sum.h"

#define GROUP_FLAGS_KNOWN (UMFS_GROUP_INIT | UMFS_GROUP_RECOUNT)

static le64 *page_bits(const struct fsck *c, uint32_t group)
{
	return page_at(c, group_first(c, group));
}

static le64 *inode_bits(const struct fsck *c, uint32_t group)
{
	return page_at(c, group_first(c, group) + 1);
}

static bool map_get(const le64 *map, uint32_t bit)
{
	return ld64(&map[bit / 64]) >> bit % 64 & 1;
}

/* Bits from..to-1: all set (`value`), or all clear? */
static bool all_are(const le64 *map, uint32_t from, uint32_t to, bool value)
{
	for (uint32_t i = from; i < to; i++)
		if (map_get(map, i) != value)
			return false;
	return true;
}

/* Are there bitmaps, as they are when something of the group is in use? */
static bool bitmaps_used(const struct fsck *c, uint32_t group)
{
	uint32_t said = ld32(&group_at(c, group)->pages), ipg = c->geo.inodes_per_group;
	const le64 *pages = page_bits(c, group), *inodes = inode_bits(c, group);

	if (said <= group_head(c) || said > group_pages(c, group) ||
	    !all_are(pages, 0, group_head(c), true) ||
	    !all_are(inodes, ipg, UMFS_GROUP_PAGES, true))
		return false;
	return !all_are(pages, group_head(c), said, false) || !all_are(inodes, 0, ipg, false);
}

/* The group is not one that inode_at() knows. */
static bool inode_used(const struct fsck *c, uint32_t group, uint32_t index)
{
	uint32_t ino = group * c->geo.inodes_per_group + index;
	uint32_t rel = UMFS_GROUP_HEAD_PAGES + index / (UMFS_PAGE_BYTES / UMFS_INODE_BYTES);
	const struct umfs_inode_pm *inode =
		(struct umfs_inode_pm *)page_at(c, group_first(c, group) + UMFS_GROUP_HEAD_PAGES) +
		index;

	return (ld64(&group_at(c, group)->backed) >> (rel >> UMFS_UNIT_SHIFT) & 1) &&
	       ld32(&inode->mode) &&
	       ld32(&inode->crc) ==
		       sum_crc32c(ino, &inode->mode, UMFS_INODE_CRC_BYTES - sizeof(inode->crc));
}

static bool inodes_used(const struct fsck *c, uint32_t group)
{
	for (uint32_t i = 0; i < c->geo.inodes_per_group; i++)
		if (map_get(inode_bits(c, group), i) && inode_used(c, group, i))
			return true;
	return false;
}

static bool lost_its_flag(const struct fsck *c, uint32_t group)
{
	return bitmaps_used(c, group) &&
	       (c->was_clean || c->groups[group].wanted || inodes_used(c, group));
}

void group_want(struct fsck *c, uint32_t group)
{
	bool *wanted = &c->groups[group].wanted;

	/* Tables are looked at by several threads. */
	if (!__atomic_exchange_n(wanted, true, __ATOMIC_RELAXED) && bitmaps_used(c, group))
		__atomic_store_n(&c->wanted, true, __ATOMIC_RELAXED);
}

void group_flags_check(struct fsck *c, uint32_t group)
{
	struct umfs_group_pm *g = group_at(c, group);
	uint32_t said = ld32(&g->flags), want = said & GROUP_FLAGS_KNOWN;

	if (!(said & UMFS_GROUP_INIT) && (!group || lost_its_flag(c, group)))
		want |= UMFS_GROUP_INIT;
	if (want == said)
		return;
	if (!problem(c, PR_GROUP_FLAGS, object("group", group), "0x%x, should be 0x%x", said,
		     want)) {
		c->unsure |= !(said & UMFS_GROUP_INIT);
		return;
	}
	st32(&g->flags, want);
	media_sync(c, g, sizeof(*g));
}

int group_make(struct fsck *c, uint32_t group)
{
	struct group_info *g = &c->groups[group];

	g->used = calloc(1, UMFS_GROUP_PAGES / 8);
	g->inodes = calloc(c->geo.inodes_per_group, sizeof(*g->inodes));
	if (c->mode == FSCK_YES && !g->before)
		g->before = calloc(c->geo.inodes_per_group, sizeof(*g->before));
	return g->used && g->inodes && (g->before || c->mode != FSCK_YES) ? 0 : -ENOMEM;
}

static void fill(le64 *map, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		or64(&map[i / 64], 1ull << i % 64);
}

/* What core does for the first who takes something of a group; the flag commits. */
bool group_start(struct fsck *c, uint32_t group)
{
	struct umfs_group_pm *g = group_at(c, group);
	uint64_t first = group_first(c, group);
	uint32_t head = group_head(c), end = group_pages(c, group);
	uint32_t units = (head + UMFS_UNIT_PAGES - 1) / UMFS_UNIT_PAGES;
	uint64_t bytes = (uint64_t)UMFS_MIN(units * UMFS_UNIT_PAGES, end) << UMFS_PAGE_SHIFT;

	if (port_back(&c->pool.fs, first << UMFS_PAGE_SHIFT, bytes))
		return false;
	port_zero(page_at(c, first), (uint64_t)head << UMFS_PAGE_SHIFT);
	fill(page_bits(c, group), 0, head);
	fill(page_bits(c, group), end, UMFS_GROUP_PAGES);
	fill(inode_bits(c, group), c->geo.inodes_per_group, UMFS_GROUP_PAGES);
	media_sync(c, page_at(c, first), (uint64_t)head << UMFS_PAGE_SHIFT);
	st64(&g->backed, (1ull << units) - 1);
	st32(&g->pages, end);
	st32(&g->free_pages, end - head);
	st32(&g->free_inodes, c->geo.inodes_per_group);
	st32(&g->page_hint, head);
	st32(&g->inode_hint, 0);
	media_sync(c, g, sizeof(*g));
	if (group_make(c, group))
		return false;
	c->groups[group].backed = ld64(&g->backed);
	st32(&g->flags, UMFS_GROUP_INIT); /* commit point */
	media_sync(c, g, sizeof(*g));
	return true;
}
