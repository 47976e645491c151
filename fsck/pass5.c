// SPDX-License-Identifier: BSD-3-Clause
/*
 * pass5.c - the groups: bitmaps against what was found in use, counts against
 * bitmaps.
 *
 * A bit may be set whenever something uses what it stands for. It is cleared
 * only while everything in use is known (I2 in fsck.h, and see I3).
 */
#include "fsck.h"

/* One kind of bits of one group, and a run of them that are wrong in the same way. */
struct bits {
	struct fsck *c;
	le64 *map;
	const char *kind; /* "page", "inode" */
	uint64_t first;	  /* number of bit 0 */
	enum problem_code code;
	uint32_t from, count;
	bool value; /* what the run's bits should be */
};

static void flip_run(struct bits *b)
{
	for (uint32_t i = b->from; i < b->from + b->count; i++) {
		if (b->value)
			or64(&b->map[i / 64], 1ull << i % 64);
		else
			and64(&b->map[i / 64], ~(1ull << i % 64));
	}
	media_sync(b->c, b->map, UMFS_PAGE_BYTES);
}

static void end_run(struct bits *b)
{
	struct object about = object(b->kind, b->first + b->from);

	bool pages = b->code == PR_PAGE_FREE || b->code == PR_PAGE_LEAK;

	if (!b->count)
		return;
	if (pages && b->c->crossed && b->c->mode == FSCK_PREEN)
		problem_keep(b->c, b->code, about,
			     "%u of them; an entry may lead to the wrong page", b->count);
	else if (!b->value && b->c->unsure && !b->c->freeing)
		problem_keep(b->c, b->code, about,
			     "%u of them; nothing is freed while damage is left", b->count);
	else if (problem(b->c, b->code, about, "%u of them", b->count))
		flip_run(b);
	b->count = 0;
}

static void wrong_bit(struct bits *b, uint32_t bit, enum problem_code code, bool value)
{
	if (b->count && b->from + b->count == bit && b->code == code && b->value == value) {
		b->count++;
		return;
	}
	end_run(b);
	b->code = code;
	b->from = bit;
	b->count = 1;
	b->value = value;
}

static bool map_get(const struct bits *b, uint32_t bit)
{
	return ld64(&b->map[bit / 64]) >> bit % 64 & 1;
}

static uint32_t count_zeros(const le64 *map, uint32_t end)
{
	uint32_t zeros = 0;

	for (uint32_t i = 0; i < end; i += 64) {
		uint64_t clear = ~ld64(&map[i / 64]);

		if (end - i < 64)
			clear &= (1ull << (end - i)) - 1;
		zeros += (uint32_t)__builtin_popcountll(clear);
	}
	return zeros;
}

/* Have units memory that the bitmap does not know? It is the bitmap that they were taken by. */
static bool backed_behind(const struct fsck *c, uint32_t group, uint32_t known)
{
	uint32_t last = (known - 1) / UMFS_UNIT_PAGES;

	return !(c->geo.flags & UMFS_SB_BACKED) && ld64(&group_at(c, group)->backed) >> last >> 1;
}

/* Does the bitmap know all pages that are in use, and none that the group has not? */
static void check_known(struct fsck *c, uint32_t group)
{
	struct umfs_group_pm *g = group_at(c, group);
	uint32_t said = ld32(&g->pages), all = group_pages(c, group), i;

	for (i = group_known(c, group); i < all && !bit_get(c->groups[group].used, i); i++)
		;
	if (said > group_head(c) && said <= all && i == all &&
	    (said == all || !backed_behind(c, group, said)))
		return;
	if (problem(c, PR_GROUP_PAGES, object("group", group), "%u of %u", said, all)) {
		st32(&g->pages, all);
		media_sync(c, &g->pages, sizeof(g->pages));
	}
}

static void check_pages(struct fsck *c, uint32_t group)
{
	struct bits b = { .c = c, .map = page_at(c, group_first(c, group)), .kind = "page",
			  .first = group_first(c, group) };
	uint32_t head = group_head(c), end = group_pages(c, group), known = group_known(c, group);
	const uint8_t *used = c->groups[group].used;

	for (uint32_t i = 0; i < UMFS_GROUP_PAGES; i++) {
		bool set = map_get(&b, i);

		if (i % 64 == 0 && (i >= head && i + 64 <= known
					    ? ld64(&b.map[i / 64]) == bit_word(used, i)
					    : i >= end && !~ld64(&b.map[i / 64]))) {
			i |= 63; /* all of the word is as it should be */
			continue;
		}
		if (i < head || i >= end) {
			if (!set)
				wrong_bit(&b, i, PR_PAGE_HEAD, true);
		} else if (i < known && set != bit_get(used, i)) {
			wrong_bit(&b, i, set ? PR_PAGE_LEAK : PR_PAGE_FREE, !set);
		}
	}
	end_run(&b);
}

static bool inode_in_use(const struct fsck *c, uint32_t group, uint32_t index)
{
	const struct umfs_inode_pm *inode;

	if (c->groups[group].inodes[index].type)
		return true;
	inode = inode_at(c, group * c->geo.inodes_per_group + index);
	return inode && ld32(&inode->mode); /* a damaged one */
}

static void check_inodes(struct fsck *c, uint32_t group)
{
	struct bits b = { .c = c, .map = page_at(c, group_first(c, group) + 1), .kind = "inode",
			  .first = (uint64_t)group * c->geo.inodes_per_group };

	for (uint32_t i = 0; i < UMFS_GROUP_PAGES; i++) {
		bool set = map_get(&b, i), none = i >= c->geo.inodes_per_group || b.first + i == 0;

		if (i % 64 == 0 && i >= c->geo.inodes_per_group && !~ld64(&b.map[i / 64])) {
			i |= 63;
			continue;
		}
		if (none) {
			if (!set)
				wrong_bit(&b, i, PR_INODE_TAIL, true);
		} else if (set != inode_in_use(c, group, i)) {
			wrong_bit(&b, i, set ? PR_INODE_LEAK : PR_INODE_FREE, !set);
		}
	}
	end_run(&b);
}

static void check_count(struct fsck *c, uint32_t group, enum problem_code code, le32 *field,
			uint32_t found)
{
	uint32_t said = ld32(field);

	/* A death between bits and count leaves a mark: the next user counts again. */
	if (said == found || ld32(&group_at(c, group)->flags) & UMFS_GROUP_RECOUNT)
		return;
	if (problem(c, code, object("group", group), "%u, found %u", said, found)) {
		st32(field, found);
		media_sync(c, field, sizeof(*field));
	}
}

static void check_group(struct fsck *c, uint32_t group)
{
	struct umfs_group_pm *g = group_at(c, group);

	lock_check(c, PR_RT_LOCK, object("group", group), "lock", &g->lock);
	if (!group_used(c, group))
		return;
	check_known(c, group);
	check_pages(c, group);
	check_inodes(c, group);
	check_count(c, group, PR_COUNT_PAGES, &g->free_pages,
		    count_zeros(page_at(c, group_first(c, group)), group_known(c, group)));
	check_count(c, group, PR_COUNT_INODES, &g->free_inodes,
		    count_zeros(page_at(c, group_first(c, group) + 1), UMFS_GROUP_PAGES));
}

/* Pages in use that are marked free, and pages marked in use that are not. */
static void compare_pages(const struct fsck *c, bool *any_lost, bool *any_leaked)
{
	bool lost = false, leaked = false;

	for (uint32_t g = 0; g < c->geo.group_count; g++) {
		const le64 *map = page_at(c, group_first(c, g));
		uint32_t end = group_used(c, g) ? group_known(c, g) : 0;

		for (uint32_t i = group_head(c); i < end; i++) {
			bool set = ld64(&map[i / 64]) >> i % 64 & 1;
			bool used = bit_get(c->groups[g].used, i);

			if (i % 64 == 0 && ld64(&map[i / 64]) == bit_word(c->groups[g].used, i)) {
				i |= 63;
				continue;
			}

			lost |= used && !set;
			leaked |= set && !used;
		}
	}
	*any_lost = lost;
	*any_leaked = leaked;
}

bool pages_leaked(const struct fsck *c)
{
	bool lost, leaked;

	compare_pages(c, &lost, &leaked);
	return leaked;
}

int pass5(struct fsck *c)
{
	bool lost, leaked;

	compare_pages(c, &lost, &leaked);
	c->crossed = lost && leaked;
	for (uint32_t g = 0; g < c->geo.group_count; g++) {
		check_group(c, g);
		progress(c, 5, g + 1, c->geo.group_count);
	}
	return 0;
}
