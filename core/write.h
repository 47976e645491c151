/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* write.h - one write in progress, shared by write.c, write_alloc.c and write_replace.c. */
#ifndef UMFS_CORE_WRITE_H
#define UMFS_CORE_WRITE_H

#include "internal.h"

#define UMFS_NT_BYTES 256u /* from here on non-temporal stores win */

/* The caller's bytes and how far they are taken. */
struct umfs_src {
	const struct umfs_iov *iov;
	uint32_t at;
	uint64_t off;
	const struct umfs_inode_pm *from; /* not the caller's: those of this file, from `off` on */
};

struct umfs_write {
	struct umfs *fs;
	struct umfs_inode_pm *in; /* locked, sequence odd */
	struct umfs_irec_pm *rec;
	struct umfs_tx tx; /* the lane */
	struct umfs_src src;
	uint64_t n;
	uint64_t off, end; /* bytes; end may be cut for lack of space */
	uint64_t old;	   /* size before */
	uint32_t ino, mode;
	bool append;
	bool exact;    /* allocate nothing ahead */
	bool streamed; /* non-temporal stores are under way */
	bool warned;   /* readers see the odd sequence before any that comes now */
};

/* Unwritten pages of [w->off, end) become pages of zeros; all have pages. */
int umfs_write_settle(struct umfs_write *w, uint64_t end);
int umfs_write_take(struct umfs_write *w, void *pool, uint64_t n);
/* What was taken so far comes before what is stored next, and is durable then. */
void umfs_write_drain(struct umfs_write *w);
void umfs_write_zero(struct umfs *fs, void *pool, uint64_t n);
void umfs_write_zero_gap(struct umfs *fs, const struct umfs_inode_pm *in, uint64_t from,
			 uint64_t to);
/* Write w->n bytes of w->src at w->off, or the end; w->end says how far it went. */
int umfs_write_locked(struct umfs_write *w);
/* Times, and the end moved to w->end if that is further: the commit point of an extension. */
void umfs_write_publish(struct umfs_write *w);
/* The file is the one that was opened, of this generation, still in use and held; finds w->rec. */
int umfs_write_check(struct umfs_write *w, uint32_t generation);
/* Any reserve that is free, else this lane's own, locked. */
int umfs_reserve_take(struct umfs_write *w, struct umfs_ulog_pm **log);
/* Every page of the range has an entry when this returns 0; w->end is cut at what space allows. */
int umfs_write_allocate(struct umfs_write *w);
/*
 * Inside one written page, over bytes of the file or from its end on: `n`, or an error;
 * -EAGAIN: it is another kind of write. `append`: not unless the end is at `off` still.
 */
int64_t umfs_write_in_page(const struct umfs_file *f, const void *buf, uint64_t n, uint64_t off,
			   bool append);
/*
 * Fresh pages for all that is overwritten, which lies in so many runs, in one transaction.
 * -ENOSPC: use a reserve.
 */
int umfs_write_replace(struct umfs_write *w, uint32_t runs);

static inline uint64_t umfs_pte_shown(uint64_t entry)
{
	return (entry & (UMFS_PTE_ADDR | UMFS_PTE_PSE)) | UMFS_PTE_LEAF;
}
static inline uint64_t umfs_pte_hidden(uint64_t page)
{
	return page << UMFS_PAGE_SHIFT | (UMFS_PTE_LEAF & ~UMFS_PTE_P) | UMFS_PTE_UNWRITTEN;
}

#endif
