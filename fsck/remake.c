// SPDX-License-Identifier: BSD-3-Clause
/*
 * remake.c - inodes that are made anew, or given up, when a round cuts (rounds.c).
 *
 * What an inode was whose mode is none shows in its root: a directory's leads to a page with
 * the directory's number, a file's is an entry of a page table. One whose root is neither has
 * nothing in it that could be found by it, and is given up.
 */
#include <sys/stat.h>

#include "fsck.h"

#define TABLE_BITS (UMFS_PTE_TABLE & ~UMFS_PTE_VOLATILE)
#define LEAF_BITS (UMFS_PTE_LEAF & ~UMFS_PTE_VOLATILE)

void dir_fill(struct umfs_inode_pm *want, uint32_t ino, uint32_t generation, uint32_t perm)
{
	uint64_t now = (uint64_t)port_now_ns();

	*want = (struct umfs_inode_pm){0};
	st32(&want->mode, S_IFDIR | perm);
	st32(&want->nlink, 2);
	st32(&want->generation, generation);
	st64(&want->parent, UMFS_ROOT_INO);
	st64(&want->size, (uint64_t)sum_size_check(0, ino, generation) << UMFS_SIZE_BITS);
	st64(&want->btime_ns, now);
	st64(&want->mtime_ns, now);
	st64(&want->ctime_ns, now);
	st64(&want->atime_ns, now);
	st32(&want->crc, sum_crc32c(ino, &want->mode, UMFS_INODE_CRC_BYTES - 4));
}

bool leaf_like(const struct fsck *c, uint64_t page, uint32_t ino)
{
	const struct umfs_dleaf_pm *leaf = page_at(c, page);

	return ld32(&leaf->magic) == UMFS_DLEAF_MAGIC && ld32(&leaf->ino) == ino;
}

/* Does the root lead to a leaf of the directory, or to a node that does? */
static bool dir_like(const struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino)
{
	uint64_t ref = ld64(&inode->root), page = (ref & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT;

	for (uint32_t level = 0; level <= UMFS_DIR_LEVELS_MAX; level++) {
		if (!(ref & UMFS_DREF_P) || !page_valid(c, page))
			return false;
		if (ref & UMFS_DREF_LEAF)
			return leaf_like(c, page, ino);
		ref = ld64((const le64 *)page_at(c, page));
		page = (ref & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT;
	}
	return false;
}

static bool file_like(const struct fsck *c, const struct umfs_inode_pm *inode)
{
	uint64_t root = ld64(&inode->root) & ~UMFS_PTE_VOLATILE, base = ld64(&inode->base);
	uint64_t bits = root & ~(UMFS_ROOT_HEIGHT_MASK | UMFS_PTE_ADDR), at = root & UMFS_PTE_ADDR;

	return at >= base && page_valid(c, (at - base) >> UMFS_PAGE_SHIFT) &&
	       bits == (root & UMFS_ROOT_HEIGHT_MASK ? TABLE_BITS : LEAF_BITS);
}

void inode_clear(struct fsck *c, uint32_t ino)
{
	struct umfs_inode_pm *inode = inode_at(c, ino), want = *inode;

	st32(&want.mode, 0);
	inode_put(c, inode, ino, &want);
	info_at(c, ino)->type = 0;
	cut_done(c);
}

void mode_remake(struct fsck *c, uint32_t ino)
{
	struct umfs_inode_pm *inode = inode_at(c, ino), want = *inode;
	uint32_t type = dir_like(c, inode, ino) ? S_IFDIR : file_like(c, inode) ? S_IFREG : 0;

	if (!type) {
		inode_clear(c, ino);
		return;
	}
	st32(&want.mode, type | (ld32(&want.mode) & 0777));
	inode_put(c, inode, ino, &want);
	cut_done(c);
}

/* The names in it, if it was a directory, stay. */
void root_remake(struct fsck *c)
{
	struct umfs_inode_pm *inode = inode_at(c, UMFS_ROOT_INO), want;

	dir_fill(&want, UMFS_ROOT_INO, ld32(&inode->generation), 0755);
	if (dir_like(c, inode, UMFS_ROOT_INO))
		want.root = inode->root;
	st32(&want.crc, sum_crc32c(UMFS_ROOT_INO, &want.mode, UMFS_INODE_CRC_BYTES - 4));
	mend_bytes(c, inode, &want, sizeof(want));
	cut_done(c);
}
