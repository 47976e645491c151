// SPDX-License-Identifier: BSD-3-Clause
/*
 * pass1.c - each inode by itself, its attributes, and what its page table names.
 *
 * In a round that cuts, the latter two come when all inodes are known, in the order of
 * rounds.c.
 */
#include <sys/stat.h>

#include "fsck.h"

struct inode_case {
	struct fsck *c;
	struct umfs_inode_pm *inode;
	struct inode_info *info;
	uint32_t ino, mode;
};

bool mode_known(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return !(mode & ~(uint32_t)(S_IFMT | 07777));
	default:
		return false;
	}
}

/* The only inode that one bit turned makes of it, if that has its checksum. */
static bool inode_guess(const struct inode_case *k, struct umfs_inode_pm *want)
{
	uint8_t *bytes = (uint8_t *)want;
	uint32_t fits = 0, found = 0;

	*want = *k->inode;
	for (uint32_t bit = 0; bit < 8 * UMFS_INODE_CRC_BYTES; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (ld32(&want->crc) == sum_crc32c(k->ino, &want->mode, UMFS_INODE_CRC_BYTES - 4)) {
			found = bit;
			fits++;
		}
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	bytes[found / 8] ^= (uint8_t)(1u << found % 8);
	return fits == 1 && mode_known(ld32(&want->mode));
}

/* More than a bit is wrong. What it has is looked at as that of any other; but it gains no rights. */
static void seal_anew(const struct inode_case *k)
{
	struct umfs_inode_pm want = *k->inode;

	st32(&want.mode, ld32(&want.mode) & ~(uint32_t)(S_ISUID | S_ISGID));
	inode_put(k->c, k->inode, k->ino, &want);
}

static void check_crc(struct inode_case *k)
{
	uint32_t crc = sum_crc32c(k->ino, &k->inode->mode, UMFS_INODE_CRC_BYTES - 4);
	struct object about = object("inode", k->ino);
	struct umfs_inode_pm want;

	if (ld32(&k->inode->crc) == crc)
		return;
	if (media_lost(k->c) || !inode_guess(k, &want)) {
		if (!cuts(k->c)) {
			problem_keep(k->c, PR_INO_CRC, about, "found 0x%x, computed 0x%x",
				     ld32(&k->inode->crc), crc);
			inode_bad(k->c, k->info);
		} else if (problem(k->c, PR_INO_CRC, about, "found 0x%x; it is taken as it is",
				   ld32(&k->inode->crc))) {
			seal_anew(k);
			cut_done(k->c);
		}
	} else if (problem(k->c, PR_INO_CRC, about, "one bit is wrong")) {
		inode_put(k->c, k->inode, k->ino, &want);
	} else {
		inode_bad(k->c, k->info);
	}
	k->mode = ld32(&k->inode->mode);
}

static void check_sums(struct inode_case *k)
{
	check_crc(k);
	if (!size_good(k->inode, k->ino))
		k->info->flags |= INFO_SIZE;
}

/* A field that is 0 in this kind of file. */
static void check_zero(struct inode_case *k, enum problem_code code, const char *name,
		       const le64 *field)
{
	struct object about = object("inode", k->ino);
	unsigned long long value = ld64(field);

	if (!value)
		return;
	if (k->info->flags & INFO_BAD)
		problem_keep(k->c, code, about, "%s 0x%llx", name, value);
	else if (problem(k->c, code, about, "%s 0x%llx", name, value))
		inode_put64(k->c, k->inode, k->ino, field, 0);
	else
		inode_bad(k->c, k->info);
}

static void check_flags(struct inode_case *k)
{
	struct object about = object("inode", k->ino);
	struct umfs_inode_pm want = *k->inode;

	if (!ld32(&want.flags))
		return;
	if (k->info->flags & INFO_BAD) {
		problem_keep(k->c, PR_INO_FLAGS, about, "0x%x", ld32(&want.flags));
	} else if (problem(k->c, PR_INO_FLAGS, about, "0x%x", ld32(&want.flags))) {
		st32(&want.flags, 0);
		inode_put(k->c, k->inode, k->ino, &want);
	} else {
		inode_bad(k->c, k->info);
	}
}

/* Does the root lead to a page that may be a file's, when this is the base? */
static bool base_fits(const struct inode_case *k, uint64_t base)
{
	uint64_t at = ld64(&k->inode->root) & UMFS_PTE_ADDR;

	return at >= base && page_valid(k->c, (at - base) >> UMFS_PAGE_SHIFT);
}

static void check_base(struct inode_case *k)
{
	uint32_t type = k->mode & S_IFMT;
	uint64_t base = ld64(&k->inode->base), whole = base & ~(uint64_t)UMFS_PAGE_MASK;
	bool file = type == S_IFREG || type == S_IFLNK;
	/* The table may be damaged, and the base not. */
	bool better = file && !base_fits(k, base) && base_fits(k, 0);

	if (!base || (file && base == whole && !(cuts(k->c) && better)))
		return;
	if (!problem(k->c, PR_INO_BASE, object("inode", k->ino), "0x%llx",
		     (unsigned long long)base)) {
		inode_bad(k->c, k->info);
		return;
	}
	inode_put64(k->c, k->inode, k->ino, &k->inode->base, file && !better ? whole : 0);
	cut_done(k->c);
}

static void check_kind(struct inode_case *k)
{
	uint32_t type = k->mode & S_IFMT;
	bool device = type == S_IFCHR || type == S_IFBLK;

	if (type != S_IFDIR)
		check_zero(k, PR_INO_PARENT, "parent", &k->inode->parent);
	if (type != S_IFDIR)
		count_check(k->c, PR_INO_ENTRIES, k->ino, &k->inode->entries, 0);
	if (!device)
		check_zero(k, PR_INO_RDEV, "rdev", &k->inode->rdev);
	check_flags(k);
	check_zero(k, PR_INO_RESERVED, "ulog", &k->inode->ulog);
	/* Pages past the end may be kept; that no more are is no loss. */
	if (type != S_IFREG || ld64(&k->inode->keep) > UMFS_FILE_BYTES_MAX >> UMFS_PAGE_SHIFT)
		check_zero(k, PR_INO_KEEP, "keep", &k->inode->keep);
	check_base(k);
}

static void check_root_unused(struct inode_case *k)
{
	unsigned long long root = ld64(&k->inode->root);

	count_check(k->c, PR_INO_PAGES, k->ino, &k->inode->pages, xattr_pages(k->c, k->inode));
	if (!root)
		return;
	if (!problem(k->c, PR_FPT_ROOT, object("inode", k->ino), "0x%llx in a file without data",
		     root)) {
		inode_bad(k->c, k->info);
		return;
	}
	inode_put64(k->c, k->inode, k->ino, &k->inode->root, 0);
	cut_done(k->c);
}

/* A link has no page, and so no target. False: it was given up. */
static bool check_target(struct inode_case *k)
{
	if (k->info->flags & INFO_BAD)
		return true;
	if (!problem(k->c, PR_FPT_ROOT, object("inode", k->ino), "a link without a target")) {
		inode_bad(k->c, k->info);
		return true;
	}
	inode_clear(k->c, k->ino);
	return false;
}

static void check_tree(struct inode_case *k)
{
	uint64_t pages, extent = 0;

	if (S_ISREG(k->mode) || S_ISLNK(k->mode)) {
		pages = fpt_check(k->c, k->inode, k->ino, k->info, &extent);
		pages += xattr_pages(k->c, k->inode);
		count_check(k->c, PR_INO_PAGES, k->ino, &k->inode->pages, pages);
		if (S_ISLNK(k->mode) && !extent && !check_target(k))
			return;
	} else if (!S_ISDIR(k->mode)) {
		check_root_unused(k);
	}
	size_check(k->c, k->inode, k->ino, k->info, extent);
}

static struct inode_case case_of(struct fsck *c, uint32_t ino)
{
	struct inode_case k = {.c = c, .ino = ino, .inode = inode_at(c, ino),
			       .info = info_at(c, ino)};

	if (k.inode)
		k.mode = ld32(&k.inode->mode);
	return k;
}

void inode_attributes(struct fsck *c, uint32_t ino)
{
	xattr_check(c, inode_at(c, ino), ino, info_at(c, ino));
}

void inode_body(struct fsck *c, uint32_t ino)
{
	struct inode_case k = case_of(c, ino);

	check_tree(&k);
}

/* Its type; false: it has none, and what is to be done about that is done. */
static bool check_type(struct inode_case *k)
{
	struct fsck *c = k->c;

	if (k->ino == UMFS_ROOT_INO && !S_ISDIR(k->mode) && cuts(c)) {
		(void)problem(c, PR_ROOT_DIR, object("inode", k->ino), "mode 0%o; made anew", k->mode);
		root_remake(c);
	} else if (k->mode && !mode_known(k->mode)) {
		if (problem(c, PR_INO_MODE, object("inode", k->ino), "0%o", k->mode)) {
			mode_remake(c, k->ino);
		} else {
			inode_bad(c, k->info);
			c->hidden = true; /* it may be a directory */
			return false;
		}
	}
	k->mode = ld32(&k->inode->mode);
	k->info->type = (uint8_t)((k->mode & S_IFMT) >> 12);
	return k->mode;
}

void inode_check(struct fsck *c, uint32_t ino)
{
	struct inode_case k = case_of(c, ino);

	if (!k.inode || (!k.mode && ino != UMFS_ROOT_INO))
		return;
	if (k.mode) {
		c->inodes_used++;
		check_sums(&k);
	}
	if (!check_type(&k))
		return;
	if (ino == UMFS_ROOT_INO && !S_ISDIR(k.mode)) { /* pass 3 says so; as it is it stays */
		inode_bad(c, k.info);
		c->hidden = true;
	}
	check_kind(&k);
	lock_check(c, PR_INO_LOCK, object("inode", ino), "lock", &k.inode->lock);
	if (c->cutting)
		return;
	xattr_check(c, k.inode, ino, k.info);
	check_tree(&k);
}

/* What sound.c left, or all. */
static void check_group(struct fsck *c, uint32_t group, bool sound)
{
	struct group_info *g = &c->groups[group];
	uint32_t first = group * c->geo.inodes_per_group;

	for (uint32_t i = 0; (g->unsound || !sound) && i < c->geo.inodes_per_group; i++)
		if (!g->inodes[i].type)
			inode_check(c, first + i);
}

int pass1(struct fsck *c)
{
	bool sound = !c->cutting && sound_claim(c);

	for (uint32_t g = 0; g < c->geo.group_count; g++) {
		/* All of the pool, also of groups that are not set up; number 0 names nothing. */
		c->inodes_all += c->geo.inodes_per_group - (g == 0);
		if (!group_used(c, g))
			continue;
		check_group(c, g, sound);
		if (!sound)
			progress(c, 1, g + 1, c->geo.group_count);
	}
	return 0;
}
