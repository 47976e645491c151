// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * grow.c - a pool made larger while processes use it, and how they learn of it.
 *
 * The new size is in the superblock and nowhere else. Both copies of it are changed
 * under the attach lock, the backup first:
 *
 *   both old --store the backup--> both whole, the first one old: the old size
 *            --pool_pages of the first one--> it is not whole any more, and the backup
 *              counts: the new size (commit point)
 *            --the rest of the first one--> both new
 *
 * I1  Before the commit point the medium is as large as the new size, and the entries
 *     of the new groups read as groups that were never used.
 * I2  At every moment the copy that counts is whole. Whoever finds the copies
 *     different, under the attach lock, makes them alike (umfs_super_settle): the
 *     first to attach, the last to detach, and who grows it next.
 * I3  Nothing names a page or inode of the new space before the commit point. So who
 *     meets one past the end that it knows finds the new size in the superblock:
 *     it is looked for there (umfs_grow_seen) before any page is called invalid, and
 *     before the pool is called full. Nobody has to be told.
 * I4  What a process knows of the size only grows: fs->bytes, then pool_pages, then
 *     group_count, so that no group is known whose pages are not. Another thread may
 *     come in between: it goes on for the first (umfs_grow_seen).
 * I5  Where the last group was a short one its bitmap does not know the new pages yet:
 *     `pages` of its entry says how far it reaches, and who next locks the group goes
 *     on from there (group.c).
 */
#include "internal.h"

#define NO_LIMIT (UMFS_POOL_PAGES_MAX << UMFS_PAGE_SHIFT)

static struct umfs_super_pm *super_at(const struct umfs *fs, uint32_t page)
{
	return umfs_page(fs, page);
}

/* ---- who did not do it ---- */

static void raise64(uint64_t *at, uint64_t to)
{
	uint64_t seen = __atomic_load_n(at, __ATOMIC_RELAXED);

	while (seen < to && !__atomic_compare_exchange_n(at, &seen, to, false, __ATOMIC_ACQ_REL,
							 __ATOMIC_RELAXED))
		;
}

static void raise32(uint32_t *at, uint32_t to)
{
	uint32_t seen = __atomic_load_n(at, __ATOMIC_RELAXED);

	while (seen < to && !__atomic_compare_exchange_n(at, &seen, to, false, __ATOMIC_ACQ_REL,
							 __ATOMIC_RELAXED))
		;
}

/* The same pool, as large or larger? */
static bool same_pool(const struct umfs_geometry *now, const struct umfs_geometry *known)
{
	return now->pool_pages >= known->pool_pages && now->group_count >= known->group_count &&
	       now->groups_page == known->groups_page &&
	       now->group_count_max == known->group_count_max &&
	       now->gtable_page == known->gtable_page &&
	       now->inodes_per_group == known->inodes_per_group;
}

/* A copy is checked, for somebody may be storing to it between checksum and use. */
static bool load_one(const struct umfs *fs, uint32_t page, struct umfs_geometry *geo)
{
	struct umfs_super_pm sb;

	memcpy(&sb, super_at(fs, page), sizeof(sb));
	return !umfs_super_check(&sb, NO_LIMIT, geo);
}

/* The superblock that counts, whatever its size; false: neither is whole. */
static bool load_current(const struct umfs *fs, struct umfs_geometry *geo)
{
	return load_one(fs, UMFS_SB_PAGE, geo) || load_one(fs, UMFS_SB_BACKUP_PAGE, geo);
}

/* Both words: a thread that is not through yet has raised the first alone. */
static bool is_known(const struct umfs *fs)
{
	const struct umfs_super_pm *first = super_at(fs, UMFS_SB_PAGE);

	return ld64(&first->pool_pages) ==
		       __atomic_load_n(&fs->geo.pool_pages, __ATOMIC_RELAXED) &&
	       ld32(&first->group_count) ==
		       __atomic_load_n(&fs->geo.group_count, __ATOMIC_RELAXED);
}

void umfs_grow_seen(const struct umfs *known)
{
	struct umfs *fs = (struct umfs *)(uintptr_t)known;
	struct umfs_geometry now;

	if (fs->readonly || is_known(fs) || !load_current(fs, &now) || !same_pool(&now, &fs->geo))
		return;
	if (port_reach(fs, now.pool_pages << UMFS_PAGE_SHIFT)) {
		fs->broken = 1; /* what lies there can not be told from a hole */
		return;
	}
	/* Who made it larger may have died before that was durable: nothing goes there sooner. */
	umfs_flush(fs, super_at(fs, UMFS_SB_PAGE), sizeof(struct umfs_super_pm));
	umfs_fence(fs);
	/* Bits stand for other groups from now on: look at all of them. */
	if (__atomic_load_n(&fs->freed_where, __ATOMIC_RELAXED))
		__atomic_store_n(&fs->freed_where, UINT64_MAX, __ATOMIC_RELAXED);
	raise64(&fs->geo.pool_pages, now.pool_pages);
	raise32(&fs->geo.group_count, now.group_count);
}

bool umfs_grow_since(const struct umfs *fs, uint64_t known)
{
	umfs_grow_seen(fs);
	return umfs_grow_known(fs) != known;
}

UMFS_RARE bool umfs_page_valid_now(const struct umfs *fs, uint64_t page)
{
	if (page < fs->geo.groups_page || page >= UMFS_POOL_PAGES_MAX)
		return false;
	umfs_grow_seen(fs);
	return umfs_page_within(fs, page);
}

bool umfs_group_there(const struct umfs *fs, uint64_t group)
{
	if (group >= fs->geo.group_count && group < fs->geo.group_count_max)
		umfs_grow_seen(fs);
	return group < fs->geo.group_count;
}

/* ---- both copies alike ---- */

static void store_super(struct umfs *fs, uint32_t page, const struct umfs_super_pm *sb)
{
	port_copy(super_at(fs, page), sb, sizeof(*sb));
	umfs_flush(fs, super_at(fs, page), sizeof(*sb));
	umfs_fence(fs);
}

/* Do they differ in what growing changes, and in nothing else? */
static bool cut_short(const struct umfs_super_pm *first, const struct umfs_super_pm *backup)
{
	struct umfs_super_pm as_backup;

	memcpy(&as_backup, first, sizeof(as_backup));
	as_backup.pool_pages = backup->pool_pages;
	as_backup.group_count = backup->group_count;
	as_backup.crc = backup->crc;
	return !memcmp(&as_backup, backup, sizeof(as_backup));
}

/* Other differences are damage, of which fsck.umfs has to tell somebody. */
int umfs_super_settle(struct umfs *fs)
{
	const struct umfs_super_pm *first = super_at(fs, UMFS_SB_PAGE);
	const struct umfs_super_pm *backup = super_at(fs, UMFS_SB_BACKUP_PAGE);
	struct umfs_geometry geo;

	if (!memcmp(first, backup, sizeof(*first)))
		return 0;
	if (!cut_short(first, backup))
		return -EUCLEAN;
	if (!umfs_super_check(first, NO_LIMIT, &geo))
		store_super(fs, UMFS_SB_BACKUP_PAGE, first);
	else if (!umfs_super_check(backup, NO_LIMIT, &geo))
		store_super(fs, UMFS_SB_PAGE, backup);
	else
		return -EUCLEAN;
	return 0;
}

/* ---- growing ---- */

/* The superblock of the pool when it has so many pages. */
static int plan(const struct umfs *fs, uint64_t pool_pages, struct umfs_super_pm *sb)
{
	const struct umfs_geometry *g = &fs->geo;
	struct umfs_geometry geo;
	uint64_t groups;

	if (pool_pages <= g->pool_pages)
		return -EINVAL;
	if (pool_pages > UMFS_POOL_PAGES_MAX)
		return -EFBIG;
	groups = umfs_groups_of(pool_pages - g->groups_page, g->itable_pages);
	if (groups > g->group_count_max || groups * g->inodes_per_group > UINT32_MAX)
		return -EFBIG;
	st64(&sb->pool_pages, pool_pages);
	st32(&sb->group_count, (uint32_t)groups);
	st32(&sb->crc, umfs_super_crc(sb));
	return umfs_super_check(sb, NO_LIMIT, &geo);
}

/* I1: nobody wrote there since mkfs, but what a damaged pool has there must not come to life. */
static void clear_groups(struct umfs *fs, uint32_t from, uint32_t to)
{
	static const struct umfs_group_pm never;

	for (; from < to; from++)
		if (memcmp(umfs_group(fs, from), &never, sizeof(never))) {
			port_copy(umfs_group(fs, from), &never, sizeof(never));
			umfs_flush(fs, umfs_group(fs, from), sizeof(never));
		}
}

static void publish(struct umfs *fs, const struct umfs_super_pm *sb)
{
	struct umfs_super_pm *first = super_at(fs, UMFS_SB_PAGE);

	store_super(fs, UMFS_SB_BACKUP_PAGE, sb);
	st64(&first->pool_pages, ld64(&sb->pool_pages)); /* commit point; the rest in any order */
	st32(&first->group_count, ld32(&sb->group_count));
	st32(&first->crc, ld32(&sb->crc));
	umfs_flush(fs, first, sizeof(*first));
	umfs_fence(fs);
}

static int grow(struct umfs *fs, uint64_t pool_pages)
{
	struct umfs_super_pm sb;
	int err = umfs_super_settle(fs);

	if (err)
		return err;
	umfs_grow_seen(fs);
	memcpy(&sb, super_at(fs, UMFS_SB_PAGE), sizeof(sb));
	err = plan(fs, pool_pages, &sb);
	if (!err)
		err = port_extend(fs, pool_pages << UMFS_PAGE_SHIFT);
	if (err)
		return err;
	clear_groups(fs, fs->geo.group_count, ld32(&sb.group_count)); /* fenced with the backup */
	publish(fs, &sb);
	umfs_grow_seen(fs);
	return fs->broken ? -EIO : 0;
}

int umfs_grow(struct umfs *fs, uint64_t pool_pages)
{
	int err;

	if (fs->broken)
		return -EIO;
	if (fs->readonly)
		return -EROFS;
	err = umfs_attach_lock(fs);
	if (err)
		return err;
	err = umfs_frozen(fs) ? -EBUSY : grow(fs, pool_pages);
	umfs_attach_unlock(fs);
	return err;
}
