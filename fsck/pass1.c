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

static void check_sums(struct inode_case *k)
{
	uint32_t crc = sum_crc32c(k->ino, &k->inode->mode, UMFS_INODE_CRC_BYTES - 4);

	if (ld32(&k->inode->crc) != crc)
		bad(k, PR_INO_CRC, "found 0x%x, computed 0x%x", ld32(&k->inode->crc), crc);
	if (!size_good(k->inode, k->ino))
		k->info->flags |= INFO_SIZE;
}

static void check_kind(struct inode_case *k)
{
	uint32_t type = k->mode & S_IFMT;
	bool device = type == S_IFCHR || type == S_IFBLK;

	if (type != S_IFDIR && ld64(&k->inode->parent))
		bad(k, PR_INO_PARENT, "%llu", (unsigned long long)ld64(&k->inode->parent));
	if (type != S_IFDIR)
		count_check(k->c, PR_INO_ENTRIES, k->ino, &k->inode->entries, 0);
	if (!device && ld64(&k->inode->rdev))
		bad(k, PR_INO_RDEV, "0x%llx", (unsigned long long)ld64(&k->inode->rdev));
	if (ld32(&k->inode->flags))
		bad(k, PR_INO_FLAGS, "0x%x", ld32(&k->inode->flags));
	if (ld64(&k->inode->ulog))
		bad(k, PR_INO_RESERVED, "ulog 0x%llx", (unsigned long long)ld64(&k->inode->ulog));
	if (ld64(&k->inode->keep) > UMFS_FILE_BYTES_MAX >> UMFS_PAGE_SHIFT ||
	    (ld64(&k->inode->keep) && type != S_IFREG))
		bad(k, PR_INO_KEEP, "%llu pages", (unsigned long long)ld64(&k->inode->keep));
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
		return;
	}
	k.info->type = (uint8_t)((k.mode & S_IFMT) >> 12);
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
