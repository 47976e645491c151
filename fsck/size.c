// SPDX-License-Identifier: BSD-3-Clause
/*
 * size.c - a size whose check does not fit, or that this kind of file can not have.
 *
 * The size word is one store, so no crash explains it; but what is wrong is one word,
 * and what the file has says what it may have been. In this order:
 *
 *   one bit of the word turned makes its check fit
 *   the size in it ends in the file's last page
 *   the end of the last page: no byte is lost, and those behind the end were the file's
 *
 * A symbolic link ends at the first NUL of its page; other kinds have no size.
 */
#include <string.h>
#include <sys/stat.h>

#include "fsck.h"

#define LINK_BYTES_MAX 4095u
#define SIZE_MASK ((1ull << UMFS_SIZE_BITS) - 1)

struct sized {
	const struct fsck *c;
	const struct umfs_inode_pm *inode;
	uint32_t ino;
	uint64_t extent; /* pages up to and with the last that it has */
};

static uint64_t pages_of(uint64_t size)
{
	return (size + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
}

static uint64_t size_word(const struct umfs_inode_pm *inode, uint32_t ino, uint64_t size)
{
	return size | (uint64_t)sum_size_check(size, ino, ld32(&inode->generation))
			      << UMFS_SIZE_BITS;
}

/* Could a file that has these pages be so long? */
static bool plausible(const struct sized *s, uint64_t size)
{
	uint64_t pages = pages_of(size), keep = ld64(&s->inode->keep);

	return size <= UMFS_FILE_BYTES_MAX && (pages > keep ? pages : keep) >= s->extent;
}

static bool one_bit_off(const struct sized *s, uint64_t *size)
{
	uint64_t word = ld64(&s->inode->size);
	uint32_t fits = 0;

	for (uint32_t bit = 0; bit < 64; bit++) {
		uint64_t other = word ^ 1ull << bit, n = other & SIZE_MASK;

		if (other != size_word(s->inode, s->ino, n) || !plausible(s, n))
			continue;
		*size = n;
		fits++;
	}
	return fits == 1;
}

static uint64_t file_size(const struct sized *s)
{
	uint64_t size = inode_size(s->inode), most = s->extent << UMFS_PAGE_SHIFT;

	if (ld64(&s->inode->size) != size_word(s->inode, s->ino, size)) {
		if (one_bit_off(s, &size))
			return size;
		if (size <= UMFS_FILE_BYTES_MAX && pages_of(size) == s->extent)
			return size;
	}
	return most < UMFS_FILE_BYTES_MAX ? most : UMFS_FILE_BYTES_MAX;
}

/* 0: it can not be told. */
static uint64_t link_size(const struct sized *s)
{
	uint64_t root = ld64(&s->inode->root), base = ld64(&s->inode->base);
	uint64_t page = ((root & UMFS_PTE_ADDR) - base) >> UMFS_PAGE_SHIFT;

	if (s->extent != 1 || root & UMFS_ROOT_HEIGHT_MASK || !page_valid(s->c, page))
		return 0;
	return strnlen(page_at(s->c, page), LINK_BYTES_MAX);
}

static bool size_found(const struct sized *s, uint64_t *size)
{
	switch (ld32(&s->inode->mode) & S_IFMT) {
	case S_IFREG:
		*size = file_size(s);
		return true;
	case S_IFLNK:
		*size = link_size(s);
		return *size != 0;
	default:
		*size = 0;
		return true;
	}
}

static bool allowed(const struct umfs_inode_pm *inode)
{
	uint64_t size = inode_size(inode);

	switch (ld32(&inode->mode) & S_IFMT) {
	case S_IFREG:
		return size <= UMFS_FILE_BYTES_MAX;
	case S_IFLNK:
		return size >= 1 && size <= LINK_BYTES_MAX;
	default:
		return size == 0;
	}
}

bool size_good(const struct umfs_inode_pm *inode, uint32_t ino)
{
	return allowed(inode) && ld64(&inode->size) == size_word(inode, ino, inode_size(inode));
}

void size_check(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino,
		struct inode_info *info, uint64_t extent)
{
	struct sized s = { .c = c, .inode = inode, .ino = ino, .extent = extent };
	unsigned long long word = ld64(&inode->size);
	enum problem_code code = PR_INO_SIZE;
	uint64_t size;

	if (size_good(inode, ino))
		return;
	if (word != size_word(inode, ino, inode_size(inode)))
		code = PR_INO_SIZE_CHECK;
	/* Of a link whose target is gone nothing is left. */
	if (cuts(c) && !(info->flags & INFO_BAD) && !size_found(&s, &size)) {
		if (problem(c, code, object("inode", ino), "a link to nowhere; given up"))
			inode_clear(c, ino);
		return;
	}
	if (info->flags & INFO_BAD || !size_found(&s, &size)) {
		problem_keep(c, code, object("inode", ino), "size word 0x%llx", word);
		inode_bad(c, info);
		return;
	}
	if (!problem(c, code, object("inode", ino), "size word 0x%llx, is %llu bytes", word,
		     (unsigned long long)size)) {
		inode_bad(c, info);
		return;
	}
	st64(&inode->size, size_word(inode, ino, size));
	media_sync(c, &inode->size, sizeof(inode->size));
}
