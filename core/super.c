// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * super.c - reading the superblock.
 *
 * Everything that addresses are computed from is checked here, once: the rest of
 * core may rely on the geometry, and on nothing else that lies in the pool.
 */
#include "internal.h"

/* The checksum, with its own field as zero. */
static uint32_t super_crc(const struct umfs_super_pm *sb)
{
	static const uint8_t zero[4];
	const uint8_t *p = (const uint8_t *)sb;
	uint32_t at = offsetof(struct umfs_super_pm, crc);
	uint32_t crc = port_crc32c(0, p, at);

	crc = port_crc32c(crc, zero, 4);
	return port_crc32c(crc, p + at + 4, UMFS_SUPER_CRC_BYTES - at - 4);
}

uint32_t umfs_super_crc(const struct umfs_super_pm *sb)
{
	return super_crc(sb);
}

static void load_geometry(const struct umfs_super_pm *sb, struct umfs_geometry *g)
{
	g->pool_pages = ld64(&sb->pool_pages);
	g->group_count = ld32(&sb->group_count);
	g->group_count_max = ld32(&sb->group_count_max);
	g->inodes_per_group = ld32(&sb->inodes_per_group);
	g->inode_bitmap_words = g->inodes_per_group / 64u;
	g->group_of_ino = g->inodes_per_group ? UINT64_MAX / g->inodes_per_group + 1 : 0;
	g->itable_pages = g->inodes_per_group / (UMFS_PAGE_BYTES / UMFS_INODE_BYTES);
	g->groups_page = ld32(&sb->groups_page);
	g->gtable_page = ld32(&sb->gtable_page);
	g->slot_count = ld32(&sb->slot_count);
	g->lanes_per_slot = ld32(&sb->lanes_per_slot);
	g->lanes_page = ld32(&sb->lanes_page);
	g->irec_count = ld32(&sb->irec_count);
	g->irecs_page = ld32(&sb->irecs_page);
	g->ofd_count = ld32(&sb->ofd_count);
	g->ofds_page = ld32(&sb->ofds_page);
	g->reserve_count = ld32(&sb->reserve_count);
	g->reserves_page = ld32(&sb->reserves_page);
	g->durability = ld32(&sb->durability);
	g->flags = ld32(&sb->flags);
	g->hash_key[0] = ld64(&sb->hash_key[0]);
	g->hash_key[1] = ld64(&sb->hash_key[1]);
}

/* The tables of the front: first page and pages. */
struct table {
	uint64_t page, pages;
};
#define TABLES 5u

static void list_tables(const struct umfs_geometry *g, struct table t[TABLES])
{
	uint64_t bytes[TABLES] = {
		(uint64_t)g->group_count_max * sizeof(struct umfs_group_pm),
		(uint64_t)g->slot_count * g->lanes_per_slot * UMFS_LANE_PAGES * UMFS_PAGE_BYTES,
		(uint64_t)g->irec_count * sizeof(struct umfs_irec_pm),
		(uint64_t)g->ofd_count * sizeof(struct umfs_ofd_pm),
		(uint64_t)g->reserve_count * UMFS_RESERVE_PAGES * UMFS_PAGE_BYTES,
	};
	uint32_t pages[TABLES] = {g->gtable_page, g->lanes_page, g->irecs_page, g->ofds_page,
				  g->reserves_page};
	uint32_t i;

	for (i = 0; i < TABLES; i++) {
		t[i].page = pages[i];
		t[i].pages = (bytes[i] + UMFS_PAGE_MASK) / UMFS_PAGE_BYTES;
	}
}

static bool apart(const struct table *a, uint64_t page, uint64_t pages)
{
	return a->page + a->pages <= page || page + pages <= a->page;
}

/* All inside the front, behind the fixed pages, and none over another or the backup. */
static bool tables_fit(const struct umfs_geometry *g)
{
	const uint64_t fixed = UMFS_SLOTS_PAGE + UMFS_SLOTS_MAX * sizeof(struct umfs_slot_pm) /
							 UMFS_PAGE_BYTES;
	struct table t[TABLES];
	uint32_t i, k;

	list_tables(g, t);
	for (i = 0; i < TABLES; i++) {
		if (t[i].page < fixed || t[i].page + t[i].pages > g->groups_page ||
		    !apart(&t[i], UMFS_SB_BACKUP_PAGE, 1))
			return false;
		for (k = 0; k < i; k++)
			if (!apart(&t[i], t[k].page, t[k].pages))
				return false;
	}
	return true;
}

static bool counts_sane(const struct umfs_geometry *g)
{
	return g->pool_pages >= UMFS_POOL_PAGES_MIN && g->pool_pages <= UMFS_POOL_PAGES_MAX &&
	       g->group_count >= 1 && g->group_count <= g->group_count_max &&
	       g->group_count_max <= UMFS_POOL_PAGES_MAX / UMFS_GROUP_PAGES &&
	       g->inodes_per_group >= 64 && g->inodes_per_group <= UMFS_GROUP_PAGES &&
	       g->inodes_per_group % 64u == 0 &&
	       (uint64_t)g->group_count * g->inodes_per_group <= UINT32_MAX && g->slot_count >= 1 &&
	       g->slot_count <= UMFS_SLOTS_MAX && g->lanes_per_slot >= 1 &&
	       g->lanes_per_slot <= UMFS_LANES_MAX && g->irec_count >= 1 &&
	       g->irec_count <= UMFS_OPENS_MAX && g->ofd_count >= 1 &&
	       g->ofd_count <= UMFS_OPENS_MAX &&
	       g->reserve_count >= 1 && g->reserve_count <= UMFS_RESERVES_MAX &&
	       g->durability <= UMFS_DURABLE_EADR && !(g->flags & ~UMFS_SB_BACKED);
}

static bool geometry_sane(const struct umfs_geometry *g)
{
	uint64_t last, groups;

	if (!counts_sane(g) || g->groups_page % UMFS_UNIT_PAGES ||
	    g->groups_page >= g->pool_pages)
		return false;
	/* As many groups as begin in the pool, but for a tail too short to be one. */
	groups = (g->pool_pages - g->groups_page + UMFS_GROUP_PAGES - 1) >> UMFS_GROUP_SHIFT;
	if (g->group_count != groups && g->group_count + 1 != groups)
		return false;
	/* The last group starts inside the pool and has room behind its head. */
	last = g->groups_page + ((uint64_t)(g->group_count - 1) << UMFS_GROUP_SHIFT);
	return last + UMFS_GROUP_HEAD_PAGES + g->itable_pages < g->pool_pages && tables_fit(g);
}

int umfs_super_check(const void *page, uint64_t bytes, struct umfs_geometry *geo)
{
	const struct umfs_super_pm *sb = page;

	if (ld64(&sb->magic) != UMFS_MAGIC)
		return -EINVAL;
	/* Every format has its checksum here: what fails it says nothing, not even its version. */
	if (ld32(&sb->crc) != super_crc(sb))
		return -EUCLEAN;
	if (ld32(&sb->version) != UMFS_VERSION)
		return -EPROTONOSUPPORT;
	/* No feature is known to this version yet; compatible ones may be there. */
	if (ld64(&sb->feature_incompat))
		return -EPROTONOSUPPORT;
	load_geometry(sb, geo);
	geo->look_only = ld64(&sb->feature_ro_compat) != 0;
	if (!geometry_sane(geo))
		return -EUCLEAN;
	return geo->pool_pages > bytes >> UMFS_PAGE_SHIFT ? -ENOSPC : 0;
}

int umfs_super_load(struct umfs *fs, bool *from_backup)
{
	uint64_t backup = (uint64_t)UMFS_SB_BACKUP_PAGE << UMFS_PAGE_SHIFT;
	int err, again;

	*from_backup = false;
	if (fs->bytes < UMFS_PAGE_BYTES)
		return -EINVAL;
	if (fs->bytes < (uint64_t)UMFS_POOL_PAGES_MIN << UMFS_PAGE_SHIFT) {
		err = umfs_super_check(fs->base, fs->bytes, &fs->geo);
		return err ? err : -ENOSPC;
	}
	err = umfs_super_check(fs->base, fs->bytes, &fs->geo);
	if (err != -EINVAL && err != -EUCLEAN)
		return err;
	again = umfs_super_check(fs->base + backup, fs->bytes, &fs->geo);
	if (again == -EINVAL || again == -EUCLEAN)
		return err; /* what is wrong with the primary says more */
	*from_backup = again == 0;
	return again;
}
