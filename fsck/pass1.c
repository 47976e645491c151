// SPDX-License-Identifier: BSD-3-Clause
/* pass1.c - each inode by itself, its attributes, and what its page table names. */
#include <sys/stat.h>

#include "fsck.h"

struct inode_case {
	struct fsck *c;
	struct umfs_inode_pm *inode;
	struct inode_info *info;
	uint32_t ino, mode;
};

#define bad(k, code, ...)                                                                \
	do {                                                                             \
		problem((k)->c, (code), object("inode", (k)->ino), __VA_ARGS__);         \
		inode_bad((k)->c, (k)->info);                                            \
	} while (0)

static bool type_known(uint32_t mode)
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
	return fits == 1 && type_known(ld32(&want->mode));
}

static void check_crc(struct inode_case *k)
{
	uint32_t crc = sum_crc32c(k->ino, &k->inode->mode, UMFS_INODE_CRC_BYTES - 4);
	struct umfs_inode_pm want;

	if (ld32(&k->inode->crc) == crc)
		return;
	if (media_lost(k->c) || !inode_guess(k, &want)) {
		problem_keep(k->c, PR_INO_CRC, object("inode", k->ino), "found 0x%x, computed 0x%x",
			     ld32(&k->inode->crc), crc);
	} else if (problem(k->c, PR_INO_CRC, object("inode", k->ino), "one bit is wrong")) {
		inode_put(k->c, k->inode, k->ino, &want);
		k->mode = ld32(&k->inode->mode);
		return;
	}
	inode_bad(k->c, k->info);
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
	if (ld64(&k->inode->base) & UMFS_PAGE_MASK ||
	    (ld64(&k->inode->base) && type != S_IFREG && type != S_IFLNK))
		bad(k, PR_INO_BASE, "0x%llx", (unsigned long long)ld64(&k->inode->base));
}

static void check_root_unused(struct inode_case *k)
{
	count_check(k->c, PR_INO_PAGES, k->ino, &k->inode->pages, xattr_pages(k->c, k->inode));
	if (ld64(&k->inode->root))
		bad(k, PR_FPT_ROOT, "0x%llx in a file without data",
		    (unsigned long long)ld64(&k->inode->root));
}

static void check_inode(struct fsck *c, uint32_t ino)
{
	struct inode_case k = { .c = c, .ino = ino };
	uint64_t pages, extent = 0;

	k.inode = inode_at(c, ino);
	k.info = info_at(c, ino);
	if (!k.inode)
		return;
	k.mode = ld32(&k.inode->mode);
	if (!k.mode)
		return;
	c->inodes_used++;
	check_sums(&k);
	if (!type_known(k.mode)) {
		bad(&k, PR_INO_MODE, "0%o", k.mode);
		c->hidden = true; /* it may be a directory */
		return;
	}
	k.info->type = (uint8_t)((k.mode & S_IFMT) >> 12);
	if (ino == UMFS_ROOT_INO && !S_ISDIR(k.mode)) { /* pass 3 says so; as it is it stays */
		inode_bad(c, k.info);
		c->hidden = true;
	}
	check_kind(&k);
	lock_check(c, PR_INO_LOCK, object("inode", ino), "lock", &k.inode->lock);
	xattr_check(c, k.inode, ino, k.info);
	if (S_ISREG(k.mode) || S_ISLNK(k.mode)) {
		pages = fpt_check(c, k.inode, ino, k.info, &extent) + xattr_pages(c, k.inode);
		count_check(c, PR_INO_PAGES, ino, &k.inode->pages, pages);
	} else if (!S_ISDIR(k.mode)) {
		check_root_unused(&k);
	}
	size_check(c, k.inode, ino, k.info, extent);
}

int pass1(struct fsck *c)
{
	for (uint32_t g = 0; g < c->geo.group_count; g++) {
		uint32_t first = g * c->geo.inodes_per_group;

		/* All of the pool, also of groups that are not set up; number 0 names nothing. */
		c->inodes_all += c->geo.inodes_per_group - (g == 0);
		if (!group_used(c, g))
			continue;
		for (uint32_t i = 0; i < c->geo.inodes_per_group; i++)
			check_inode(c, first + i);
		progress(c, 1, g + 1, c->geo.group_count);
	}
	return 0;
}
