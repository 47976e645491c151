/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * view.h - the usual read, inline: within one page of a file whose view was taken.
 *
 * So few instructions let the processor overlap the cache misses of
 * neighbouring calls; that, and not their own time, is what counts.
 *
 * I1  What the view says is true while the inode's sequence is the view's, which
 *     is looked at before the walk and after the copy. In between, entries are
 *     trusted for nothing but what memory safety needs.
 * I2  View and file may be torn, when the caller's entry for them changes
 *     meanwhile: the caller looks at that after this, and throws the bytes away.
 */
#ifndef UMFS_CORE_VIEW_H
#define UMFS_CORE_VIEW_H

#include "umfs.h"

/*
 * Which entry of a run to look at for page `index` of the file: always the same
 * for one table, so that one of its 64 lines stays cached, and another for the
 * next table, so that those lines do not all fall on one set of the cache.
 */
static inline uint32_t umfs_run_look(uint64_t index)
{
	return (uint32_t)(index >> 6) & (UMFS_PTE_PER_PAGE - 8);
}

/* May this entry of a table be followed in a pool of so many bytes? */
static inline bool umfs_view_follows(uint64_t entry, uint64_t bytes)
{
	return (entry & (UMFS_PTE_P | UMFS_PTE_PSE)) == UMFS_PTE_P &&
	       (entry & UMFS_PTE_ADDR) < bytes;
}

/* Bytes copied, or -EFAULT, or -EAGAIN: the view does not serve, call umfs_pread(). */
static inline int64_t umfs_view_pread(const struct umfs_file *f, const struct umfs_view *v,
				      void *buf, uint64_t n, uint64_t off)
{
	const uint8_t *base = f->fs->base;
	const le64 *seq_word = &f->inode->seq;
	uint64_t bytes = f->fs->bytes, seq = v->seq, size = v->size, entry = v->table;
	uint64_t index = off >> UMFS_PAGE_SHIFT, in_page = off & UMFS_PAGE_MASK, at;
	uint32_t level = entry & 3;
	int err;

	if (ld64(seq_word) != seq || off >= size || n - 1 >= UMFS_PAGE_BYTES - in_page ||
	    f->fs->broken)
		return -EAGAIN;
	n = UMFS_MIN(n, size - off);
	entry &= UMFS_PTE_ADDR;
	if (level == 3) {
		entry = ld64((const le64 *)(const void *)(base + entry) + (index >> 18));
		if (!umfs_view_follows(entry, bytes))
			return -EAGAIN;
		entry &= UMFS_PTE_ADDR;
	}
	if (level >= 1) {
		at = index & (UMFS_PTE_PER_PAGE - 1);
		if (level >= 2) {
			entry = ld64((const le64 *)(const void *)(base + entry) +
				     (index >> 9 & (UMFS_PTE_PER_PAGE - 1)));
			if (!umfs_view_follows(entry, bytes))
				return -EAGAIN;
			if (entry & UMFS_PTE_RUN)
				at = umfs_run_look(index);
			entry &= UMFS_PTE_ADDR;
		}
		entry = ld64((const le64 *)(const void *)(base + entry) + at);
		if (!(entry & UMFS_PTE_P))
			return -EAGAIN;
		entry = (entry & UMFS_PTE_ADDR) +
			(((index & (UMFS_PTE_PER_PAGE - 1)) - at) << UMFS_PAGE_SHIFT);
		if (entry >= bytes)
			return -EAGAIN;
	}
	err = port_copy_out(buf, base + entry + in_page, n);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (ld64(seq_word) != seq)
		return -EAGAIN;
	return err ? err : (int64_t)n;
}

#endif
