// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * format.c - making a pool.
 *
 * The plan decides the geometry from the size; writing touches the front's
 * fixed pages and the first group, whatever the size. The superblock is stored
 * last: until then there is no pool.
 */
#include "internal.h"

#define MIB_PAGES 256u
#define LEAST_DATA_PAGES 64u /* a group with less room than this is not worth its head */

/* What grows with the pool, in three sizes. */
struct scale {
	uint64_t below_pages;
	uint32_t slots, lanes, opens, reserves;
};

static const struct scale scales[] = {
	{64 * MIB_PAGES, 16, 4, 1024, 1},
	{1024 * MIB_PAGES, 64, 4, 8192, 2},
	{~0ull, 256, 8, 65536, 4},
};

static uint32_t pages_of(uint64_t count, uint32_t bytes)
{
	return (uint32_t)((count * bytes + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT);
}

/* Lay tables out in turn: in the first unit before the backup while they fit, else behind it. */
struct layout {
	uint32_t low, high;
};

static uint32_t place(struct layout *l, uint32_t pages)
{
	uint32_t at = l->low;

	if (at + pages <= UMFS_SB_BACKUP_PAGE) {
		l->low += pages;
		return at;
	}
	at = l->high;
	l->high += pages;
	return at;
}

static uint32_t groups_for(uint64_t pages)
{
	return (uint32_t)((pages + UMFS_GROUP_PAGES - 1) >> UMFS_GROUP_SHIFT);
}

uint32_t umfs_groups_of(uint64_t pages, uint32_t itable_pages)
{
	uint32_t groups = groups_for(pages);
	uint64_t tail = pages - ((uint64_t)(groups - 1) << UMFS_GROUP_SHIFT);

	return tail < UMFS_GROUP_HEAD_PAGES + itable_pages + LEAST_DATA_PAGES ? groups - 1
									      : groups;
}

/* So many for each of `groups` groups that the wish is met. */
static uint64_t inodes_each(const struct umfs_format *f, uint64_t pages, uint32_t groups)
{
	uint64_t inodes = f->inode_count ? f->inode_count : pages / 4;
	uint64_t each = UMFS_MAX((((inodes + groups - 1) / groups) + 63) & ~63ull, 64ull);

	/* A short last group does not make the others poorer. */
	return f->inode_count ? each : UMFS_MIN(each, 8192ull);
}

/* Inodes per group, and no last group too short for them. */
static int plan_groups(const struct umfs_format *f, struct umfs_super_pm *sb, uint32_t groups_page)
{
	uint64_t pages = f->pool_pages - groups_page;
	uint32_t groups = groups_for(pages);
	uint64_t each = inodes_each(f, pages, groups);

	if (umfs_groups_of(pages, (uint32_t)each / 16) < groups) {
		if (groups == 1)
			return -EINVAL;
		groups--;
		each = inodes_each(f, pages, groups);
	}
	if (each > UMFS_GROUP_PAGES || each * groups > UINT32_MAX)
		return -EINVAL;
	st32(&sb->group_count, groups);
	st32(&sb->inodes_per_group, (uint32_t)each);
	st32(&sb->groups_page, groups_page);
	return 0;
}

static uint32_t group_room(uint64_t pool_pages)
{
	uint64_t groups = (uint64_t)groups_for(pool_pages) * 1024; /* how far it may grow */

	groups = UMFS_MAX(groups, 64ull);
	return (uint32_t)UMFS_MIN(groups, UMFS_POOL_PAGES_MAX / UMFS_GROUP_PAGES);
}

static void copy_label(struct umfs_super_pm *sb, const struct umfs_format *f)
{
	uint32_t i;

	for (i = 0; i < 16; i++)
		st8(&sb->uuid[i], f->uuid[i]);
	for (i = 0; i < 32 && f->label[i]; i++)
		st8(&sb->label[i], (uint8_t)f->label[i]);
}

int umfs_format_plan(const struct umfs_format *f, struct umfs_super_pm *sb)
{
	struct layout l = {UMFS_SLOTS_PAGE + pages_of(UMFS_SLOTS_MAX, sizeof(struct umfs_slot_pm)),
			   UMFS_SB_BACKUP_PAGE + 1};
	uint32_t room = group_room(f->pool_pages);
	const struct scale *s = scales;

	if (f->pool_pages < UMFS_POOL_PAGES_MIN || f->pool_pages > UMFS_POOL_PAGES_MAX)
		return -EINVAL;
	while (f->pool_pages >= s->below_pages)
		s++;
	st64(&sb->magic, UMFS_MAGIC);
	st32(&sb->version, UMFS_VERSION);
	copy_label(sb, f);
	st64(&sb->pool_pages, f->pool_pages);
	st64(&sb->created_ns, f->now_ns);
	st64(&sb->hash_key[0], f->hash_key[0]);
	st64(&sb->hash_key[1], f->hash_key[1]);
	st32(&sb->durability, f->durability);
	st32(&sb->flags, f->flags);
	st32(&sb->group_count_max, room);
	st32(&sb->slot_count, s->slots);
	st32(&sb->lanes_per_slot, s->lanes);
	st32(&sb->irec_count, s->opens);
	st32(&sb->ofd_count, s->opens);
	st32(&sb->reserve_count, s->reserves);
	st32(&sb->gtable_page, place(&l, pages_of(room, sizeof(struct umfs_group_pm))));
	st32(&sb->irecs_page, place(&l, pages_of(s->opens, sizeof(struct umfs_irec_pm))));
	st32(&sb->ofds_page, place(&l, pages_of(s->opens, sizeof(struct umfs_ofd_pm))));
	st32(&sb->reserves_page, place(&l, s->reserves * UMFS_RESERVE_PAGES));
	/* Last, so that what mkfs backs is one range: lanes are backed when a slot is taken. */
	l.low = UMFS_SB_BACKUP_PAGE;
	st32(&sb->lanes_page, place(&l, s->slots * s->lanes * UMFS_LANE_PAGES));
	return plan_groups(f, sb, (l.high + UMFS_UNIT_PAGES - 1) & ~(UMFS_UNIT_PAGES - 1));
}

uint64_t umfs_format_front_bytes(const struct umfs_super_pm *sb)
{
	return (uint64_t)ld32(&sb->groups_page) << UMFS_PAGE_SHIFT;
}

static void make_root(struct umfs *fs, const struct umfs_format *f)
{
	struct umfs_inode_pm *in = umfs_inode(fs, UMFS_ROOT_INO);

	port_zero(in, UMFS_INODE_BYTES);
	st32(&in->uid, f->uid);
	st32(&in->gid, f->gid);
	st32(&in->nlink, 2);
	st32(&in->generation, 1);
	st64(&in->parent, UMFS_ROOT_INO);
	st64(&in->btime_ns, f->now_ns);
	st64(&in->mtime_ns, f->now_ns);
	st64(&in->ctime_ns, f->now_ns);
	st64(&in->atime_ns, f->now_ns);
	umfs_inode_set_size(fs, in, UMFS_ROOT_INO, 0);
	st32(&in->mode, 0040000u | (f->root_mode & 07777u));
	umfs_inode_seal(in, UMFS_ROOT_INO);
	umfs_flush(fs, in, UMFS_INODE_BYTES);
}

/*
 * Epochs begin where none of an older pool in this place was. So would incarnations, but the
 * first to attach moves them.
 */
static void make_runtime(struct umfs *fs, const struct umfs_format *f)
{
	struct umfs_runtime_pm *rt = umfs_runtime(fs);

	st32(&rt->epoch, (uint32_t)(f->now_ns >> 16 ^ f->now_ns >> 48) | 1);
	st32(&rt->mode, UMFS_MODE_ATOMIC);
	st64(&rt->clean, UMFS_CLEAN);
	umfs_flush(fs, rt, sizeof(*rt));
}

int umfs_format_write(struct umfs *fs, const struct umfs_format *f)
{
	uint64_t backup = (uint64_t)UMFS_SB_BACKUP_PAGE << UMFS_PAGE_SHIFT;
	struct umfs_super_pm sb;
	int err;

	memset(&sb, 0, sizeof(sb));
	err = umfs_format_plan(f, &sb);
	if (err)
		return err;
	st32(&sb.crc, umfs_super_crc(&sb));
	err = umfs_super_check(&sb, fs->bytes, &fs->geo);
	if (err)
		return err;
	err = port_back(fs, 0, (uint64_t)fs->geo.lanes_page << UMFS_PAGE_SHIFT);
	if (!err)
		err = umfs_group_make_first(fs, UMFS_ROOT_INO);
	if (err)
		return err;
	make_root(fs, f);
	make_runtime(fs, f);
	umfs_fence(fs);
	port_copy(fs->base + backup, &sb, sizeof(sb));
	umfs_flush(fs, fs->base + backup, sizeof(sb));
	umfs_fence(fs);
	port_copy(fs->base, &sb, sizeof(sb)); /* now there is a pool */
	umfs_flush(fs, fs->base, sizeof(sb));
	umfs_fence(fs);
	return 0;
}
