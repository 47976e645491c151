// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * xattr_block.c - the attributes of an inode as they lie in the pool: one run
 * of pages with a head and entries.
 *
 * I1  What lies there may be anything, and may change while it is looked at: a
 *     length is loaded once and bounded by the run before it is used. The checksum
 *     says whether it is what somebody meant.
 */
#include "internal.h"

bool umfs_xattr_run(const struct umfs *fs, uint64_t word, uint64_t *page, uint32_t *pages)
{
	*page = (word & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT;
	*pages = (uint32_t)(word & UMFS_PAGE_MASK);
	return !(word & ~(UMFS_PTE_ADDR | UMFS_PAGE_MASK)) && *pages &&
	       *pages <= UMFS_XATTR_PAGES_MAX && umfs_bits_group(fs, false, *page, *pages) >= 0;
}

int umfs_xblock_load(const struct umfs *fs, uint64_t word, uint32_t ino, struct umfs_xblock *b)
{
	memset(b, 0, sizeof(*b));
	if (!word)
		return 0;
	if (!umfs_xattr_run(fs, word, &b->page, &b->pages))
		return -EUCLEAN;
	b->head = umfs_page(fs, b->page);
	b->bytes = ld32(&b->head->bytes);
	if (b->bytes <= sizeof(*b->head) || (b->bytes & 7u) ||
	    b->bytes > b->pages * UMFS_PAGE_BYTES ||
	    ld32(&b->head->magic) != UMFS_XATTR_MAGIC || ld32(&b->head->ino) != ino)
		return -EUCLEAN;
	return ld32(&b->head->crc) == port_crc32c(0, &b->head->ino, b->bytes - 8u) ? 0 : -EUCLEAN;
}

int umfs_xblock_next(const struct umfs_xblock *b, uint32_t *at, struct umfs_xentry *e)
{
	uint32_t left = b->bytes - *at;

	if (!b->head || !left)
		return 0;
	e->at = (const struct umfs_xentry_pm *)((const uint8_t *)b->head + *at);
	e->name_bytes = ld8(&e->at->name_bytes);
	e->value_bytes = ld32(&e->at->value_bytes);
	if (e->value_bytes > UMFS_XATTR_PAGES_MAX * UMFS_PAGE_BYTES)
		return -EUCLEAN;
	e->bytes = umfs_xentry_bytes(e->name_bytes, e->value_bytes);
	if (e->bytes > left)
		return -EUCLEAN;
	*at += e->bytes;
	return 1;
}

int umfs_xblock_find(const struct umfs_xblock *b, const char *name, uint32_t len,
		     struct umfs_xentry *e)
{
	uint32_t at = sizeof(struct umfs_xattr_pm);
	int more;

	while ((more = umfs_xblock_next(b, &at, e)) > 0)
		if (e->name_bytes == len && !memcmp(umfs_xentry_name(e), name, len))
			return 0;
	return more ? more : -ENODATA;
}

void umfs_xblock_seal(struct umfs *fs, struct umfs_xattr_pm *head, uint32_t ino, uint32_t bytes,
		      uint32_t count)
{
	port_zero(head, sizeof(*head));
	st32(&head->magic, UMFS_XATTR_MAGIC);
	st32(&head->ino, ino);
	st32(&head->bytes, bytes);
	st32(&head->count, count);
	st32(&head->crc, port_crc32c(0, &head->ino, bytes - 8u));
	umfs_flush(fs, head, bytes);
}

int umfs_xattr_free(struct umfs_tx *tx, const struct umfs_inode_pm *inode)
{
	uint64_t page;
	uint32_t pages;

	if (!umfs_xattr_run(tx->fs, ld64(&inode->xattr), &page, &pages))
		return 0; /* damage frees nothing, and keeps nobody from removing the file */
	return umfs_pages_free(tx, page, pages);
}
