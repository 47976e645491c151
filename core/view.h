/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * view.h - the usual read, inline: within one page of a file whose view was taken, or
 * within one run of its pages, not across its end.
 *
 * So few instructions let the processor overlap the cache misses of
 * neighbouring calls; that, and not their own time, is what counts.
 *
 * I1  What the view says is true while the inode's sequence is the view's, which
 *     is looked at before the walk and after the copy. In between, entries are
 *     trusted for nothing but what memory safety needs.
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

static inline const le64 *umfs_view_entry(const uint8_t *base, uint64_t entry, uint64_t byte)
{
	return (const le64 *)(const void *)(base + (entry & UMFS_PTE_ADDR) + byte);
}

/* Is it the entry of a table, in a pool of so many bytes? */
static inline bool umfs_view_follows(uint64_t entry, uint64_t bytes)
{
	return (entry & (UMFS_PTE_P | UMFS_PTE_PSE)) == UMFS_PTE_P &&
	       (entry & UMFS_PTE_ADDR) < bytes;
}

/* Is it true now? Asked before the bytes are looked for, and after they were copied. */
static inline bool umfs_view_holds(const struct umfs_file *f, const struct umfs_view *v)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ld64(&f->inode->seq) == v->seq;
}

/* Copied by one look at most: so much is copied in vain when somebody writes meanwhile. */
#define UMFS_VIEW_BYTES_MAX 65536u

/*
 * Where [off, off+n) lies, 0 < n <= UMFS_VIEW_BYTES_MAX, if it is in one written page or run
 * and before the end of the file; with `page` in one page only, which takes less. f and v are
 * the caller's own, or he knows that they do not change.
 */
static inline bool umfs_view_find(const struct umfs_file *f, const struct umfs_view *v, uint64_t n,
				  uint64_t off, bool page, const uint8_t **data)
{
	const struct umfs *fs = f->fs;
	const uint8_t *base = fs->base;
	uint64_t look, last = off + n - 1, height = v->table & 3, entry = v->table - height;
	bool one_page = (off ^ last) <= UMFS_PAGE_MASK;

	if ((!one_page && (page || height < 2 || (off ^ last) >= UMFS_UNIT_BYTES)) ||
	    last >= v->size || fs->broken || !umfs_view_holds(f, v))
		return false;
	if (height != 2) {
		if (height == 0) {
			*data = base + entry + off;
			return true;
		}
		if (height == 3) {
			entry = ld64(umfs_view_entry(base, entry, off >> 27 & 0xff8u));
			if (!umfs_view_follows(entry, fs->bytes))
				return false;
		}
	}
	look = off >> 9 & 0xff8u;
	if (height >= 2) {
		entry = ld64(umfs_view_entry(base, entry, off >> 18 & 0xff8u));
		if (!umfs_view_follows(entry, fs->bytes))
			return false;
		if (entry & UMFS_PTE_RUN)
			look = umfs_run_look(off >> UMFS_PAGE_SHIFT) * 8;
		else if (!page && !one_page)
			return false;
	}
	entry = ld64(umfs_view_entry(base, entry, look));
	if ((entry & (UMFS_PTE_P | UMFS_PTE_PSE)) != UMFS_PTE_P)
		return false;
	entry = (entry & UMFS_PTE_ADDR) + (off & (UMFS_UNIT_BYTES - 1)) - (look << 9);
	*data = base + entry;
	return entry <= fs->bytes - n;
}

/* Bytes copied, or -EFAULT, or -EAGAIN: the view does not serve, call umfs_pread(). */
static inline int64_t umfs_view_pread(const struct umfs_file *f, const struct umfs_view *v,
				      void *buf, uint64_t n, uint64_t off)
{
	const uint8_t *data;
	int err;

	if (n - 1 >= UMFS_VIEW_BYTES_MAX || !umfs_view_find(f, v, n, off, false, &data))
		return -EAGAIN;
	err = port_copy_out(buf, data, n);
	if (!umfs_view_holds(f, v))
		return -EAGAIN;
	return err ? err : (int64_t)n;
}

#endif
