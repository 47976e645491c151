/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * splice.h - what map.c, tables.c and splice.c share: docs/KERNEL.md, "The splice".
 */
#ifndef UMFS_SPLICE_H
#define UMFS_SPLICE_H

#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "kmod.h"

/* ---- tables.c: a file's page tables, in the form that processors read ---- */

/* One for who may only read, one for who may write: [writable]. A GiB for each pointer. */
struct umfs_ktable {
	pmd_t *gib[PTRS_PER_PUD];
};

/* What a mapped file has in memory; lives while a file that was mapped is open (T2). */
struct umfs_kmaps {
	unsigned int refs;	/* of open files; under the inode's i_lock */
	struct mutex lock;	/* T3 */
	bool loose;		/* T4: zero pages may be shown by entries outside of our tables */
	struct umfs_ktable *side[2];
	struct list_head shares; /* share.c; under i_lock */
	struct umfs_klease *lease; /* lease.c L1; or NULL */
	struct rcu_work free;
};

int umfs_tables_init(void);
void umfs_tables_exit(void);

/* The maps of an open file that is about to be mapped; kept until it is closed. -ENOMEM. */
int umfs_maps_get(struct file *file);
void umfs_maps_put(struct inode *inode, struct umfs_kmaps *m);
struct umfs_ktable *umfs_maps_side(struct umfs_kmaps *m, bool writable);

/*
 * All below with the invalidate lock held, shared, and not m->lock. Errors: -ENXIO past the
 * end of the file, -ENOMEM, what core says.
 *
 * The tables have an entry for page `index`, and for all written pages of its 2 MiB. A hole
 * is given the zero page, or with `store` nothing.
 */
int umfs_maps_fill(struct umfs_kmaps *m, const struct umfs_kfile *k, bool writable, u64 index,
		   bool store);
/* The file has a page at `index`, at *where in the pool, and nobody sees a zero page there. */
int umfs_maps_store(struct umfs_kmaps *m, const struct file *file, u64 index, u64 *where);
/* Where the page lies; 0: a hole. */
int umfs_maps_find(const struct umfs_kfile *k, u64 index, u64 *where);

/* What to hang into a process for the 2 MiB, or the GiB, of page `index`; 0: nothing yet. */
unsigned long umfs_table_mib(const struct umfs_ktable *t, u64 index);
unsigned long umfs_table_gib(const struct umfs_ktable *t, u64 index);
/* The entry of the page, maybe none. */
pte_t umfs_table_entry(const struct umfs_ktable *t, u64 index);

static inline unsigned long umfs_pfn_of(const struct umfs_kpool *pool, u64 where)
{
	return pool->pfn + PHYS_PFN(where);
}
static inline unsigned long umfs_zero_pfn(void)
{
	return page_to_pfn(ZERO_PAGE(0));
}

/* ---- map.c ---- */

int umfs_kpin(const struct umfs_kfile *k, u32 flags, u64 off, u64 *end);
vm_fault_t umfs_fault_of(int err);
/* A page fault by an entry of its own, in a mapping or part of one that is not spliced. */
vm_fault_t umfs_map_loose(struct vm_fault *vmf);
vm_fault_t umfs_mkwrite_loose(struct vm_fault *vmf);

/* ---- splice.c ---- */

/* Whether this kernel can do it; said once if not. */
void umfs_splice_init(void);
/* `vma` is spliced from now on; false: it can not be, nothing was done. */
bool umfs_splice_mmap(struct file *file, struct vm_area_struct *vma);
unsigned long umfs_splice_area(struct file *file, unsigned long addr, unsigned long len,
			       unsigned long pgoff, unsigned long flags);

#endif
