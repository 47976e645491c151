// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * map.c - pages of a file that a process maps into its own memory.
 *
 * What is mapped are the pool's own pages, so that stores to them are seen by
 * everybody's reads at once. Such a page must not come to mean anything else
 * while a mapping of it may exist, for a store through that mapping would land
 * in whatever file has the page next.
 *
 * I1  A file that may be mapped has UMFS_IREC_MAPPED in its record; the flag is set
 *     under the inode's lock before the first mapping is made, and goes with the
 *     record, at the last close. Who has a mapping holds the record (umfs_map_pin)
 *     as who has it open does: a child of fork gets its share, the holds of a dead
 *     process are dropped when its memory is gone.
 * I2  While the flag is set no entry of the file's page table that names a page
 *     changes, and no page of the file is freed: overwrites go in place with byte
 *     undo (write.c), punched and zeroed ranges become pages of zeros (fallocate.c),
 *     and the pages that truncate cuts off stay past the end (truncate.c), where
 *     UMFS_IREC_TRIM has the last close free them.
 * I3  What a shared mapping covers has written pages before it is made: nobody
 *     could make them when they are touched. Bytes between the end of the file
 *     and that of its page are zeros then.
 *
 * The flag needs no durability: a mapping ends with its process.
 */
#include "write.h"

static uint64_t page_above(uint64_t off)
{
	return (off + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT << UMFS_PAGE_SHIFT;
}

/* I3, for [w->off, w->end); sequence odd. Needs no undo: all of it reads as before. */
static int fill(struct umfs_write *w)
{
	uint64_t end = w->end;
	int err = umfs_write_allocate(w);

	if (!err && w->end < end)
		err = -ENOSPC;
	return err ? err : umfs_write_settle(w, end);
}

/* The bytes behind the end of the file in its last page. */
static void zero_end(struct umfs *fs, const struct umfs_inode_pm *in)
{
	uint64_t size = umfs_inode_size(in);

	umfs_write_zero_gap(fs, in, size, page_above(size));
}

/* One piece, *off moves past it; the first one takes the hold. */
static int pin_piece(struct umfs_write *w, uint32_t flags, uint64_t *off, uint64_t *end,
		     bool *held, uint32_t *irec)
{
	int err;

	w->old = umfs_inode_size(w->in);
	*end = UMFS_MAX(*off, UMFS_MIN(*end, page_above(w->old)));
	w->off = *off;
	w->end = UMFS_MIN(*end, *off + UMFS_ATOMIC_BYTES);
	if (!*held) {
		err = umfs_irec_hold(w->fs, w->in, w->ino, irec);
		if (err)
			return err;
		*held = true;
		umfs_irec_flag(w->fs, w->in, w->rec, UMFS_IREC_MAPPED); /* I1 */
	}
	umfs_seq_begin(w->in);
	err = (flags & UMFS_MAP_SHARED) && w->off < w->end ? fill(w) : 0;
	zero_end(w->fs, w->in);
	if (flags & UMFS_MAP_WRITE) {
		umfs_inode_touch(w->fs, w->in);
		umfs_fence(w->fs);
	}
	umfs_seq_end(w->fs, w->in);
	*off = UMFS_MIN(*end, *off + UMFS_ATOMIC_BYTES);
	return err;
}

int umfs_map_pin(const struct umfs_file *f, uint32_t flags, uint64_t off, uint64_t *end,
		 uint32_t *irec)
{
	struct umfs_write w = {.fs = f->fs, .in = f->inode, .ino = f->ino, .exact = true};
	bool held = false;
	int err;

	do {
		err = umfs_enter_inode(w.fs, &w.tx, w.in);
		if (err)
			break;
		w.mode = umfs_mode(w.fs);
		err = umfs_write_check(&w, f->generation);
		if (!err)
			err = pin_piece(&w, flags, &off, end, &held, irec);
		umfs_leave_inode(&w.tx, w.in);
	} while (!err && (flags & UMFS_MAP_SHARED) && off < *end);
	if (err && held)
		umfs_irec_drop(f->fs, *irec);
	return err;
}

void umfs_map_get(struct umfs *fs, uint32_t irec)
{
	__atomic_fetch_add(&fs->irec_refs[irec], 1, __ATOMIC_ACQ_REL);
}

void umfs_map_put(struct umfs *fs, uint32_t irec)
{
	umfs_irec_drop(fs, irec);
}

int64_t umfs_map_run(const struct umfs_file *f, uint64_t off, uint64_t n, uint64_t *where)
{
	uint64_t entry, pages;
	int err = umfs_lock(f->fs, &f->inode->lock);

	if (err)
		return err;
	if (ld32(&f->inode->generation) != f->generation || !umfs_is_reg(ld32(&f->inode->mode))) {
		umfs_unlock(f->fs, &f->inode->lock);
		return -EBADF;
	}
	pages = umfs_fpt_run(f->fs, ld64(&f->inode->root), off >> UMFS_PAGE_SHIFT,
			     n >> UMFS_PAGE_SHIFT, &entry);
	umfs_unlock(f->fs, &f->inode->lock);
	*where = umfs_pte_written(entry) ? umfs_pte_page(entry) << UMFS_PAGE_SHIFT : 0;
	return (int64_t)(pages << UMFS_PAGE_SHIFT);
}

void umfs_pages_flush(struct umfs *fs, uint64_t root, uint64_t index, uint64_t last)
{
	uint64_t entry, pages;

	while ((index = umfs_fpt_next(fs, root, index, last)) < last) {
		pages = umfs_fpt_run(fs, root, index, last - index, &entry);
		if (umfs_pte_written(entry))
			umfs_flush(fs, umfs_page(fs, umfs_pte_page(entry)),
				   pages << UMFS_PAGE_SHIFT);
		index += pages;
	}
}

void umfs_map_flush(struct umfs *fs, const struct umfs_inode_pm *in)
{
	umfs_pages_flush(fs, ld64(&in->root), 0,
			 page_above(umfs_inode_size(in)) >> UMFS_PAGE_SHIFT);
	umfs_fence(fs);
}
