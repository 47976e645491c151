// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * write_alloc.c - pages for a write, before any of its bytes.
 *
 * Holes in the range get pages marked unwritten, in transactions of their own:
 * they read as zeros as the hole did, so nothing is seen and nothing has to be
 * undone with the write. A file that grows gets more than it asks for, doubling
 * up to 2 MiB, so that its pages stay neighbours and most appends allocate
 * nothing; what is left over is trimmed at the last close, which UMFS_IREC_TRIM
 * promises before the first such page is linked.
 */
#include "write.h"

#define PREALLOC_PAGES_MAX UMFS_UNIT_PAGES

/* Link `count` fresh pages from `page` on, unwritten, at `index`; one PTE page. */
static int link_hidden(struct umfs_write *w, uint64_t index, uint64_t page, uint32_t count)
{
	le64 *slot = umfs_fpt_slot(w->fs, w->in, index);
	uint32_t i;
	int err;

	if (!slot)
		return -EUCLEAN;
	if (slot != &w->in->root) {
		err = umfs_tx_save(&w->tx, slot, count * 8);
		if (err)
			return err;
	}
	for (i = 0; i < count; i++)
		if (ld64(&slot[i]) & ~UMFS_PTE_VOLATILE)
			return -EUCLEAN; /* it reads as a hole, but named something once */
	umfs_tx_fence(&w->tx);
	for (i = 0; i < count; i++)
		st64(&slot[i], umfs_pte_hidden(page + i));
	st64(&w->in->pages, ld64(&w->in->pages) + count);
	umfs_inode_seal(w->in, w->ino);
	return 0;
}

/* One transaction: tables and 1..want pages at `index`. */
static int allocate_some(struct umfs_write *w, uint64_t index, uint32_t want, uint32_t *got)
{
	uint64_t before = index ? umfs_fpt_get(w->fs, ld64(&w->in->root), index - 1) : 0;
	uint64_t goal = before ? umfs_pte_page(before) + 1 : 0, page;
	int err;

	if (!goal) /* the file's first page: in its inode's group */
		goal = umfs_group_page(w->fs, umfs_ino_group(w->fs, w->ino));
	umfs_tx_begin(&w->tx);
	err = umfs_inode_save(&w->tx, w->in, w->ino);
	if (!err)
		err = umfs_fpt_reserve(&w->tx, w->in, w->ino, !index && want > 1 ? 1 : index);
	if (!err)
		err = umfs_pages_alloc(&w->tx, goal, want, &page, got);
	if (!err)
		err = link_hidden(w, index, page, *got);
	if (err)
		umfs_tx_abort(&w->tx);
	else
		umfs_tx_commit(&w->tx);
	return err;
}

/* How many pages past the hole a growing file gets too. */
static uint64_t ahead(const struct umfs_write *w)
{
	uint64_t pages = ld64(&w->in->pages);

	return w->exact ? 0 : UMFS_MIN(pages, (uint64_t)PREALLOC_PAGES_MAX);
}

/* Fill the hole [index, index+count), and go on past it when it ends the file. */
static int fill_hole(struct umfs_write *w, uint64_t index, uint64_t count)
{
	uint64_t stop = index + count;
	uint64_t eof_pages = (w->old + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
	int err = 0;

	if (stop > eof_pages) {
		uint64_t root = ld64(&w->in->root);
		uint64_t most = UMFS_MIN(stop + ahead(w),
					 UMFS_FILE_BYTES_MAX >> UMFS_PAGE_SHIFT);

		umfs_irec_flag(w->fs, w->in, w->rec, UMFS_IREC_TRIM);
		stop = umfs_fpt_next(w->fs, root, stop, most);
	}
	while (!err && index < stop) {
		uint64_t in_table = UMFS_PTE_PER_PAGE - (index & (UMFS_PTE_PER_PAGE - 1));
		uint32_t got = 0;

		err = allocate_some(w, index, (uint32_t)UMFS_MIN(in_table, stop - index), &got);
		index += got;
	}
	return err;
}

int umfs_write_allocate(struct umfs_write *w)
{
	uint64_t index = w->off >> UMFS_PAGE_SHIFT;
	uint64_t stop = (w->end + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
	uint64_t entry;

	while (index < stop) {
		uint64_t n =
			umfs_fpt_run(w->fs, ld64(&w->in->root), index, stop - index, &entry);
		int err = 0;

		if (!entry)
			err = fill_hole(w, index, n);
		if (err && err != -ENOSPC)
			return err;
		if (err) { /* as far as there is room: at least one byte, or the error */
			while (index < stop && umfs_fpt_get(w->fs, ld64(&w->in->root), index))
				index++;
			if (index == stop)
				return 0; /* only what was asked ahead is missing */
			if (index << UMFS_PAGE_SHIFT <= w->off)
				return err;
			w->end = index << UMFS_PAGE_SHIFT;
			return 0;
		}
		index += n;
	}
	return 0;
}
