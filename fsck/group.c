// SPDX-License-Identifier: BSD-3-Clause
/*
 * group.c - groups that are in use and do not say so, and groups that come into use.
 *
 * The flag of a group is durable before anything in it is taken. So a group without it was
 * never used only if its entry and its bitmaps are zeros, or what a process left that died
 * while it set the group up: counts and bitmaps in which nothing but the head is in use. In all
 * pools but those on devices, which may have an older pool's bytes there, its inodes are zeros,
 * too. One that has more has lost its flag; what is in use in it shows when it is looked at,
 * and what was not is free then. A page that is in the table of a file elsewhere may be all that
 * there is of a group: a round finds that for the next one. The first group has the root.
 */
#include <errno.h>
#include <stdlib.h>

#include "fsck.h"

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

static bool on_device(const struct fsck *c)
{
	return c->geo.flags & UMFS_SB_BACKED;
}

/* Units of a group in which its head lies. */
static uint64_t head_units(const struct fsck *c)
{
	return (2ull << (group_head(c) - 1) / UMFS_UNIT_PAGES) - 1;
}

static bool pages_good(const struct fsck *c, uint32_t group)
{
	uint32_t said = ld32(&group_at(c, group)->pages);

	return said > group_head(c) && said <= group_pages(c, group);
}

/* ---- was it never used? ---- */

static bool entry_unused(const struct fsck *c, uint32_t group)
{
	const struct umfs_group_pm *g = group_at(c, group);
	uint32_t pages = ld32(&g->free_pages), inodes = ld32(&g->free_inodes);

	if (ld32(&g->flags) || (!on_device(c) && ld64(&g->backed) & ~head_units(c)))
		return false;
	if (!ld32(&g->pages))
		return !pages && !inodes;
	return pages_good(c, group) && (!pages || pages == ld32(&g->pages) - group_head(c)) &&
	       (!inodes || inodes == c->geo.inodes_per_group - !group);
}

static bool bits_unused(const struct fsck *c, uint32_t group)
{
	return all_are(page_bits(c, group), group_head(c), group_known(c, group), false) &&
	       all_are(inode_bits(c, group), !group, c->geo.inodes_per_group, false);
}

uint64_t group_units_of_inodes(const struct fsck *c, uint32_t group, uint64_t known)
{
	uint32_t per_page = UMFS_PAGE_BYTES / UMFS_INODE_BYTES;
	uint64_t first = group_first(c, group), units = 0;

	for (uint32_t rel = UMFS_GROUP_HEAD_PAGES; rel < group_head(c); rel++) {
		const struct umfs_inode_pm *in = page_at(c, first + rel);
		uint64_t unit = 1ull << rel / UMFS_UNIT_PAGES;

		if ((known | units) & unit || !media_data(c, first + rel, 1))
			continue;
		for (uint32_t i = 0; i < per_page; i++)
			if (ld32(&in[i].mode))
				units |= unit;
	}
	return units;
}

/* Are there bitmaps, as they are when something of the group is in use? */
static bool bitmaps_used(const struct fsck *c, uint32_t group)
{
	return all_are(page_bits(c, group), 0, group_head(c), true) &&
	       all_are(inode_bits(c, group), c->geo.inodes_per_group, UMFS_GROUP_PAGES, true) &&
	       !bits_unused(c, group);
}

static bool never_used(const struct fsck *c, uint32_t group)
{
	bool wanted = c->groups[group].wanted;

	if (on_device(c))
		return entry_unused(c, group) &&
		       !((c->was_clean || wanted) && pages_good(c, group) && bitmaps_used(c, group));
	return !wanted && entry_unused(c, group) &&
	       (!media_data(c, group_first(c, group), group_head(c)) ||
		(bits_unused(c, group) && !group_units_of_inodes(c, group, 0)));
}

/* Where there may be an older pool's bytes the group's own are told by their form. */
static bool has_bitmaps(const struct fsck *c, uint32_t group)
{
	return !on_device(c) || pages_good(c, group) || bitmaps_used(c, group);
}

void group_want(struct fsck *c, uint32_t group, uint64_t page)
{
	bool *wanted = &c->groups[group].wanted;

	if (on_device(c) ? !pages_good(c, group) || !bitmaps_used(c, group)
			 : !media_data(c, page, 1))
		return;
	/* Tables are looked at by several threads. */
	if (!__atomic_exchange_n(wanted, true, __ATOMIC_RELAXED))
		__atomic_store_n(&c->wanted, true, __ATOMIC_RELAXED);
}

static void entry_clear(struct fsck *c, uint32_t group)
{
	struct umfs_group_pm *g = group_at(c, group);

	port_zero(g, sizeof(*g));
	media_sync(c, g, sizeof(*g));
}

void group_flags_check(struct fsck *c, uint32_t group)
{
	struct umfs_group_pm *g = group_at(c, group);
	uint32_t said = ld32(&g->flags), want = said & GROUP_FLAGS_KNOWN;
	bool lost = !(said & UMFS_GROUP_INIT) && (!group || !never_used(c, group));

	if (lost)
		want = !group || has_bitmaps(c, group) ? want | UMFS_GROUP_INIT : 0;
	if (want == said && !lost)
		return;
	if (!problem(c, PR_GROUP_FLAGS, object("group", group), "0x%x, should be 0x%x", said,
		     want)) {
		c->unsure |= !(said & UMFS_GROUP_INIT);
		return;
	}
	if (!want) {
		entry_clear(c, group);
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

	if (!never_used(c, group) || port_back(&c->pool.fs, first << UMFS_PAGE_SHIFT, bytes))
		return false;
	port_zero(page_at(c, first), (uint64_t)head << UMFS_PAGE_SHIFT);
	media_sync(c, page_at(c, first), (uint64_t)head << UMFS_PAGE_SHIFT);
	st32(&g->pages, end); /* before bits past it */
	media_sync(c, g, sizeof(*g));
	fill(page_bits(c, group), 0, head);
	fill(page_bits(c, group), end, UMFS_GROUP_PAGES);
	fill(inode_bits(c, group), c->geo.inodes_per_group, UMFS_GROUP_PAGES);
	media_sync(c, page_at(c, first), (uint64_t)head << UMFS_PAGE_SHIFT);
	st64(&g->backed, (1ull << units) - 1);
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
