// SPDX-License-Identifier: BSD-3-Clause
/* use.c - which pages and inodes were found in use, kept for groups that are in use. */
#include <errno.h>
#include <stdlib.h>

#include "fsck.h"

/* Units in which a bitmap says that something lies, or an inode does: they were given memory before. */
static uint64_t units_needed(const struct fsck *c, uint32_t group)
{
	const le64 *pages = page_at(c, group_first(c, group));
	const le64 *inodes = pages + UMFS_PAGE_BYTES / 8;
	uint32_t per_page = UMFS_PAGE_BYTES / UMFS_INODE_BYTES;
	uint64_t units = 1 | group_units_of_inodes(c, group, ld64(&group_at(c, group)->backed));

	for (uint32_t i = group_head(c), end = group_known(c, group); i < end; i++) {
		if (ld64(&pages[i / 64]) >> i % 64 & 1)
			units |= 1ull << i / UMFS_UNIT_PAGES;
		else if (!(ld64(&pages[i / 64]) >> i % 64))
			i |= 63; /* nor any other of this word */
	}
	for (uint32_t i = 0; i < c->geo.inodes_per_group; i++)
		if (ld64(&inodes[i / 64]) >> i % 64 & 1)
			units |= 1ull << (UMFS_GROUP_HEAD_PAGES + i / per_page) / UMFS_UNIT_PAGES;
	return units;
}

/* What lies behind the group is not its own, and will not have memory when the pool grows. */
static void check_units(struct fsck *c, uint32_t group)
{
	struct umfs_group_pm *g = group_at(c, group);
	uint32_t last = (group_pages(c, group) - 1) / UMFS_UNIT_PAGES;
	uint64_t said = ld64(&g->backed), behind = said & ~((2ull << last) - 1);

	if (!behind || c->geo.flags & UMFS_SB_BACKED ||
	    !problem(c, PR_GROUP_BACKED, object("group", group),
		     "units 0x%llx are past its end", (unsigned long long)behind))
		return;
	st64(&g->backed, said & ~behind);
	media_sync(c, g, sizeof(*g));
}

static void check_backing(struct fsck *c, uint32_t group)
{
	struct umfs_group_pm *g = group_at(c, group);
	uint64_t said, missing;

	check_units(c, group);
	said = ld64(&g->backed);
	missing = c->geo.flags & UMFS_SB_BACKED ? 0 : units_needed(c, group) & ~said;
	c->groups[group].backed = said | missing;
	if (!missing)
		return;
	if (!problem(c, PR_GROUP_BACKED, object("group", group),
		     "units 0x%llx are in use but not marked as backed",
		     (unsigned long long)missing)) {
		c->unsure = true;
		return;
	}
	/* Where no memory is left for the holes of a unit, what is in use is no hole: no error. */
	for (uint64_t i = 0; i < UMFS_GROUP_UNITS; i++)
		if (missing >> i & 1)
			(void)port_back(&c->pool.fs,
					(group_first(c, group) + i * UMFS_UNIT_PAGES)
						<< UMFS_PAGE_SHIFT,
					UMFS_UNIT_BYTES);
	st64(&g->backed, said | missing);
	media_sync(c, g, sizeof(*g));
}

int use_make(struct fsck *c)
{
	if (!c->groups)
		c->groups = calloc(c->geo.group_count, sizeof(*c->groups));
	if (!c->groups)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->geo.group_count; i++) {
		group_flags_check(c, i);
		if (!(ld32(&group_at(c, i)->flags) & UMFS_GROUP_INIT))
			continue;
		if (group_make(c, i))
			return -ENOMEM;
		check_backing(c, i);
	}
	return 0;
}

/* What a round that cut nothing knows of the inodes. */
static void keep_flags(const struct fsck *c, struct group_info *g)
{
	for (uint32_t i = 0; g->before && g->inodes && i < c->geo.inodes_per_group; i++) {
		g->before[i] = g->inodes[i].flags;
		if (g->inodes[i].names > 1)
			g->before[i] |= INFO_NAMES;
	}
}

void use_forget(struct fsck *c)
{
	for (uint32_t i = 0; c->groups && i < c->geo.group_count; i++) {
		struct group_info *g = &c->groups[i];

		if (!c->cutting)
			keep_flags(c, g);
		free(g->used);
		free(g->inodes);
		g->used = NULL;
		g->inodes = NULL;
		g->unsound = 0;
	}
}

void use_drop(struct fsck *c)
{
	use_forget(c);
	for (uint32_t i = 0; c->groups && i < c->geo.group_count; i++)
		free(c->groups[i].before);
	free(c->groups);
	c->groups = NULL;
}

uint32_t info_before(const struct fsck *c, uint32_t ino)
{
	const struct group_info *g = &c->groups[ino / c->geo.inodes_per_group];

	return g->before ? g->before[ino % c->geo.inodes_per_group] : 0;
}

bool page_valid(const struct fsck *c, uint64_t page)
{
	uint64_t rel, group;

	if (page < c->geo.groups_page || page >= c->geo.pool_pages)
		return false;
	rel = page - c->geo.groups_page;
	group = rel / UMFS_GROUP_PAGES;
	rel %= UMFS_GROUP_PAGES;
	return group < c->geo.group_count && group_used(c, (uint32_t)group) &&
	       rel >= group_head(c) && unit_backed(c, (uint32_t)group, (uint32_t)rel);
}

static uint8_t *used_bits(const struct fsck *c, uint64_t page, uint32_t *bit)
{
	uint64_t rel = page - c->geo.groups_page;

	*bit = (uint32_t)(rel % UMFS_GROUP_PAGES);
	return c->groups[rel / UMFS_GROUP_PAGES].used;
}

bool page_claim(struct fsck *c, uint64_t page)
{
	uint32_t bit;
	uint8_t *bits = used_bits(c, page, &bit);

	uint8_t mask = (uint8_t)(1u << (bit & 7));

	if (c->hold)
		return c->hold_left && c->hold_left--;
	if (__atomic_fetch_or(&bits[bit >> 3], mask, __ATOMIC_RELAXED) & mask)
		return false;
	c->pages_used++;
	return true;
}

bool page_claimed(const struct fsck *c, uint64_t page)
{
	uint32_t bit;
	const uint8_t *bits = used_bits(c, page, &bit);

	return !c->hold && __atomic_load_n(&bits[bit >> 3], __ATOMIC_RELAXED) >> (bit & 7) & 1;
}

bool page_marked(const struct fsck *c, uint64_t page)
{
	uint64_t rel = page - c->geo.groups_page;
	const le64 *map = page_at(c, group_first(c, (uint32_t)(rel / UMFS_GROUP_PAGES)));

	return ld64(&map[rel % UMFS_GROUP_PAGES / 64]) >> rel % 64 & 1;
}

/* Memory for a unit that had none; then nothing of it is in use. */
static bool unit_back(struct fsck *c, uint32_t group, uint32_t rel)
{
	struct umfs_group_pm *g = group_at(c, group);
	uint64_t unit = rel / UMFS_UNIT_PAGES,
		 first = group_first(c, group) + unit * UMFS_UNIT_PAGES;
	uint64_t pages = UMFS_MIN(c->geo.pool_pages - first, (uint64_t)UMFS_UNIT_PAGES);

	if (unit_backed(c, group, rel))
		return true;
	if (port_back(&c->pool.fs, first << UMFS_PAGE_SHIFT, pages << UMFS_PAGE_SHIFT))
		return false;
	c->groups[group].backed |= 1ull << unit;
	st64(&g->backed, ld64(&g->backed) | 1ull << unit);
	media_sync(c, g, sizeof(*g));
	return true;
}

void unit_revive(struct fsck *c, uint64_t page)
{
	uint64_t group = (page - c->geo.groups_page) / UMFS_GROUP_PAGES;
	uint32_t rel = (uint32_t)((page - c->geo.groups_page) % UMFS_GROUP_PAGES);

	if (c->mode != FSCK_YES || c->dry || page < c->geo.groups_page ||
	    page >= c->geo.pool_pages || group >= c->geo.group_count || rel < group_head(c))
		return;
	if (!group_used(c, (uint32_t)group)) {
		group_want(c, (uint32_t)group, page);
		return;
	}
	if (unit_backed(c, (uint32_t)group, rel) || !media_data(c, page, 1))
		return;
	if (problem(c, PR_GROUP_BACKED, object("group", group),
		    "unit %u is not marked as backed, and pool page %llu is in use",
		    rel / UMFS_UNIT_PAGES, (unsigned long long)page))
		(void)unit_back(c, (uint32_t)group, rel);
}

/* The bit before the count: a crash in between leaves a count that is wrong. */
static void pool_bit_take(struct fsck *c, le64 *word, uint32_t bit, le32 *count)
{
	or64(word, 1ull << bit % 64);
	media_sync(c, word, sizeof(*word));
	st32(count, ld32(count) - 1);
	media_sync(c, count, sizeof(*count));
}

static uint64_t page_alloc_in(struct fsck *c, uint32_t group)
{
	le64 *map = page_at(c, group_first(c, group));
	uint32_t end = group_known(c, group);
	uint64_t first = group_first(c, group), from = c->alloc_from;

	for (uint32_t i = from > first + group_head(c) ? (uint32_t)(from - first) : group_head(c);
	     i < end; i++) {
		if (bit_get(c->groups[group].used, i) || ld64(&map[i / 64]) >> i % 64 & 1)
			continue;
		if (!unit_back(c, group, i)) {
			i |= UMFS_UNIT_PAGES - 1;
			continue;
		}
		pool_bit_take(c, &map[i / 64], i, &group_at(c, group)->free_pages);
		(void)page_claim(c, first + i);
		c->alloc_from = first + i;
		return first + i;
	}
	return 0;
}

static uint64_t page_alloc_any(struct fsck *c)
{
	uint64_t page = 0;

	for (uint32_t g = 0; !page && g < c->geo.group_count; g++)
		if (c->alloc_from < group_first(c, g) + group_pages(c, g) &&
		    (group_used(c, g) || group_start(c, g)))
			page = page_alloc_in(c, g);
	return page;
}

uint64_t page_alloc(struct fsck *c)
{
	uint64_t page = page_alloc_any(c);

	if (!page && c->alloc_from) {
		c->alloc_from = 0; /* once more, all of them */
		page = page_alloc_any(c);
	}
	c->no_room |= !page;
	return page;
}

static uint32_t inode_alloc_in(struct fsck *c, uint32_t group)
{
	le64 *map = (le64 *)page_at(c, group_first(c, group) + 1);
	uint32_t first = group * c->geo.inodes_per_group;

	for (uint32_t i = 0; i < c->geo.inodes_per_group; i++) {
		uint32_t rel = UMFS_GROUP_HEAD_PAGES + i / (UMFS_PAGE_BYTES / UMFS_INODE_BYTES);

		if (ld64(&map[i / 64]) >> i % 64 & 1 || !unit_back(c, group, rel) ||
		    ld32(&inode_at(c, first + i)->mode))
			continue;
		pool_bit_take(c, &map[i / 64], i, &group_at(c, group)->free_inodes);
		c->inodes_used++;
		return first + i;
	}
	return 0;
}

uint32_t inode_alloc(struct fsck *c)
{
	uint32_t ino = 0;

	for (uint32_t g = 0; !ino && g < c->geo.group_count; g++)
		if (group_used(c, g) || group_start(c, g))
			ino = inode_alloc_in(c, g);
	return ino;
}

static bool pool_bit_clear(struct fsck *c, uint64_t bitmap_page, uint32_t bit)
{
	le64 *word = (le64 *)page_at(c, bitmap_page) + bit / 64;

	if (!(and64(word, ~(1ull << bit % 64)) >> bit % 64 & 1))
		return false;
	media_sync(c, word, sizeof(*word));
	return true;
}

void page_free(struct fsck *c, uint64_t page)
{
	uint32_t bit, group = (uint32_t)((page - c->geo.groups_page) / UMFS_GROUP_PAGES);
	uint8_t *bits = used_bits(c, page, &bit);
	struct umfs_group_pm *g = group_at(c, group);

	if (!bit_get(bits, bit))
		return;
	c->pages_used--;
	if (page < c->alloc_from)
		c->alloc_from = page;
	bit_clear(bits, bit);
	if (pool_bit_clear(c, group_first(c, group), bit))
		st32(&g->free_pages, ld32(&g->free_pages) + 1);
	media_sync(c, g, sizeof(*g));
}

void inode_free(struct fsck *c, uint32_t ino)
{
	uint32_t group = ino / c->geo.inodes_per_group;
	struct umfs_group_pm *g = group_at(c, group);

	c->inodes_used--;
	if (pool_bit_clear(c, group_first(c, group) + 1, ino % c->geo.inodes_per_group))
		st32(&g->free_inodes, ld32(&g->free_inodes) + 1);
	media_sync(c, g, sizeof(*g));
}

struct umfs_inode_pm *inode_at(const struct fsck *c, uint32_t ino)
{
	uint32_t group = ino / c->geo.inodes_per_group, index = ino % c->geo.inodes_per_group;
	uint32_t rel = UMFS_GROUP_HEAD_PAGES + index / (UMFS_PAGE_BYTES / UMFS_INODE_BYTES);

	if (!ino || group >= c->geo.group_count || !group_used(c, group) ||
	    !unit_backed(c, group, rel))
		return NULL;
	return (struct umfs_inode_pm *)page_at(c, group_first(c, group) + UMFS_GROUP_HEAD_PAGES) +
	       index;
}

struct inode_info *info_at(const struct fsck *c, uint32_t ino)
{
	uint32_t group = ino / c->geo.inodes_per_group;

	if (!ino || group >= c->geo.group_count || !group_used(c, group))
		return NULL;
	return &c->groups[group].inodes[ino % c->geo.inodes_per_group];
}

void inode_seal(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino)
{
	st32(&inode->crc, sum_crc32c(ino, &inode->mode, UMFS_INODE_CRC_BYTES - 4));
	media_sync(c, inode, sizeof(*inode));
}

void inode_put(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino,
	       struct umfs_inode_pm *want)
{
	st32(&want->crc, sum_crc32c(ino, &want->mode, UMFS_INODE_CRC_BYTES - 4));
	mend_bytes(c, inode, want, UMFS_INODE_CRC_BYTES);
}

void inode_put64(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino, const le64 *field,
		 uint64_t value)
{
	uint64_t at = (uint64_t)((const uint8_t *)field - (const uint8_t *)inode);
	struct umfs_inode_pm want = *inode;

	st64((le64 *)((uint8_t *)&want + at), value);
	inode_put(c, inode, ino, &want);
}

bool lock_held(const struct fsck *c, uint64_t word)
{
	uint32_t slot = (uint32_t)(word >> 24) & 0xff;
	const struct umfs_slot_pm *slots = page_at(c, UMFS_SLOTS_PAGE);

	return (uint32_t)word && slot < c->geo.slot_count &&
	       (uint32_t)(word >> 32) == ld32(&slots[slot].incarnation);
}

void lock_check(struct fsck *c, enum problem_code code, struct object about, const char *name,
		le64 *word)
{
	uint64_t value = ld64(word);

	if (!lock_held(c, value))
		return;
	if (!problem(c, code, about, "%s is 0x%llx, slot %u", name, (unsigned long long)value,
		     (uint32_t)(value >> 24) & 0xff))
		return;
	st64(word, 0);
	media_sync(c, word, sizeof(*word));
}
