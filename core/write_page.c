// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * write_page.c - the usual writes: inside one written page.
 *
 * What the general way (write.c) would find out step by step is known here:
 * nothing is allocated, one copy does it. By what is overwritten, mode and length:
 *
 *   nothing        from the end on: in place, then the size (I2); no lane
 *   sync, posix    in place; no lane, for nothing is ever undone
 *   atomic         the old bytes to the lane's U-Log, then in place
 *   atomic, all    written once into the lane's spare page, then exchanged
 *
 * A file of height 0 has its one entry under the inode's checksum and goes the
 * general way, as does posix where dirty ranges are kept.
 *
 * The page is looked for before the lock is taken, and the lines to be written
 * are fetched: they are on their way while the lock is. A lock can not be let go
 * of before what is stored under it has left the processor's queue of stores, so
 * without that each call waits for the memory by itself [measured, -O2, busy machine:
 * 64 bytes at random, 194 ns without, 144 ns with].
 *
 * I1  What was found at an even sequence is true under the lock if the sequence
 *     is still the same: tables, entries and pages of a file change only in between
 *     umfs_seq_begin() and umfs_seq_end(). Before, it is trusted for nothing.
 * I2  Bytes past the end are undefined and seen by nobody (write.c, I1). So the store of the
 *     size, fenced from them, commits what goes on from the end: before it the file is as it
 *     was, after it all of it is there.
 */
#include "write.h"

struct found {
	struct umfs_fpt_at at;
	uint64_t seq;
	bool there;
	bool on; /* asked for by who goes on from the file's end */
};

/* Like umfs_write_take(), for a copy that is the only one. */
static int put(const struct umfs *fs, void *pool, const void *buf, uint64_t n, bool stream)
{
	int err;

	if (stream)
		return port_copy_in_nt(pool, buf, n);
	err = port_copy_in(pool, buf, n);
	umfs_flush(fs, pool, n);
	return err;
}

/*
 * The bytes are durable, and seen before what is stored next. Streaming stores
 * could also overtake the odd sequence that warns readers: so before them, too.
 */
static void settle(const struct umfs *fs, bool stream)
{
	if (stream)
		umfs_drain(fs);
	else
		umfs_fence(fs);
}

static int write_over(struct umfs *fs, struct umfs_inode_pm *in, uint8_t *data, const void *buf,
		      uint64_t n, bool stream)
{
	int err;

	if (stream)
		umfs_drain(fs);
	err = put(fs, data, buf, n, stream);
	if (!err)
		umfs_inode_touch(fs, in);
	settle(fs, stream);
	return err;
}

/* I2 */
static int write_on(const struct umfs_file *f, uint8_t *data, const void *buf, uint64_t n,
		    uint64_t end)
{
	struct umfs *fs = f->fs;
	struct umfs_inode_pm *in = f->inode;
	bool stream = n >= UMFS_NT_BYTES;
	int err;

	if (!umfs_inode_whole(in, f->ino))
		return -EUCLEAN; /* nobody can say where it ends */
	err = put(fs, data, buf, n, stream);
	if (!err)
		umfs_inode_touch(fs, in);
	settle(fs, stream);
	if (err)
		return err;
	umfs_inode_set_size(fs, in, f->ino, end); /* commit point */
	umfs_fence(fs);
	return 0;
}

static int write_undo(struct umfs_tx *tx, const struct umfs_file *f, uint8_t *data,
		      const void *buf, uint64_t n, uint64_t off)
{
	struct umfs_ulog_pm *log = umfs_lane_ulog(tx->lane);
	int err;

	umfs_ulog_arm(f->fs, log, f->inode, f->ino, off, n, data);
	if (f->fs->broken) {
		umfs_ulog_retire(f->fs, log); /* nothing was overwritten: others may write here */
		return -EIO;
	}
	/* Where the old bytes were just read: a line that the caches have is streamed over slowly. */
	err = write_over(f->fs, f->inode, data, buf, n,
			 n >= UMFS_NT_BYTES && f->fs->geo.durability == UMFS_DURABLE_FLUSH);
	if (err)
		(void)umfs_ulog_recover(f->fs, log, UMFS_ULOG_LANE_BYTES);
	else
		umfs_ulog_retire(f->fs, log); /* commit point */
	return err;
}

static int write_swap(struct umfs_tx *tx, const struct umfs_file *f, const struct umfs_fpt_at *at,
		      const void *buf)
{
	struct umfs *fs = f->fs;
	uint64_t spare;
	int err;

	if (umfs_irec_mapped(umfs_irec_find(fs, f->inode, f->ino)))
		return -EAGAIN; /* its pages stay where they are */
	if (!umfs_inode_whole(f->inode, f->ino))
		return -EUCLEAN; /* nor is one taken from whom it may belong to */
	if (umfs_pte_page(ld64(at->slot)) != at->page)
		return -EUCLEAN; /* where all is said to be a run, this entry is not of it */
	err = umfs_swap_prepare(tx, at->page);
	if (err)
		return err == -ENOSPC ? -EAGAIN : err; /* the general way has a reserve */
	spare = ld64(&tx->lane->spare);
	if (!umfs_page_valid(fs, spare))
		return -EUCLEAN;
	err = put(fs, umfs_page(fs, spare), buf, UMFS_PAGE_BYTES, true);
	if (err)
		return err;
	umfs_inode_touch(fs, f->inode);
	if (at->run) { /* durable before the entry: by the fence before that is stored */
		st64(at->run, ld64(at->run) & ~UMFS_PTE_RUN);
		umfs_flush(fs, at->run, sizeof(*at->run));
	}
	umfs_swap_commit(tx, at->slot, spare << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF);
	return 0;
}

/* A regular file without set-id bits: those go first, where write.c sees to it. */
static bool is_plain(uint32_t mode)
{
	return (mode & (0170000u | UMFS_S_ISUID | UMFS_S_ISGID)) == 0100000u;
}

static void find_page(const struct umfs_file *f, uint64_t off, struct found *found)
{
	found->seq = ld64(&f->inode->seq);
	found->there = umfs_fpt_find(f->fs, ld64(&f->inode->root), off >> UMFS_PAGE_SHIFT,
				     &found->at);
}

static uint8_t *found_data(const struct umfs_file *f, uint64_t off, const struct found *found)
{
	return (uint8_t *)umfs_page(f->fs, found->at.page) + (off & UMFS_PAGE_MASK);
}

#define STREAMED_BYTES 1024u /* so many may be streamed past the caches (port_copy_in_nt) */

/*
 * What the write will store to through the caches. (A call of a function that only
 * prefetches, gcc leaves out.)
 */
static inline __attribute__((always_inline)) void fetch(const struct umfs_file *f, uint64_t off,
							uint64_t n, bool undo,
							const struct found *found)
{
	const uint8_t *data = found_data(f, off, found);
	uint64_t at, lines = UMFS_MIN((off & (UMFS_LINE_BYTES - 1)) + n, (uint64_t)UMFS_NT_BYTES);

	if (n == UMFS_PAGE_BYTES)
		__builtin_prefetch(found->at.slot, 1);
	if (n == UMFS_PAGE_BYTES || (n >= STREAMED_BYTES && !undo))
		return;
	for (at = 0; at < lines; at += UMFS_LINE_BYTES)
		__builtin_prefetch(data + at, 1);
}

/* Inode locked; tx: its lane, where there may be something to undo, else NULL. */
static int write_locked(struct umfs_tx *tx, const struct umfs_file *f, const void *buf, uint64_t n,
			uint64_t off, struct found *found)
{
	struct umfs_inode_pm *in = f->inode;
	uint64_t size = umfs_inode_size(in);
	uint8_t *data;
	int err;

	if (ld32(&in->generation) != f->generation || !is_plain(ld32(&in->mode)) ||
	    (found->on ? off != size : off + n > size))
		return -EAGAIN;
	if ((found->seq & 1) || ld64(&in->seq) != found->seq) { /* I1 */
		find_page(f, off, found);
		if (!found->there)
			return -EAGAIN;
	}
	data = found_data(f, off, found);
	umfs_seq_begin(in);
	if (found->on)
		err = write_on(f, data, buf, n, off + n);
	else if (!tx)
		err = write_over(f->fs, in, data, buf, n, n >= UMFS_NT_BYTES);
	else if (n < UMFS_PAGE_BYTES)
		err = write_undo(tx, f, data, buf, n, off);
	else
		err = write_swap(tx, f, &found->at, buf);
	umfs_seq_end(f->fs, in);
	return err;
}

static int write_without_lane(const struct umfs_file *f, const void *buf, uint64_t n, uint64_t off,
			      struct found *found)
{
	struct umfs *fs = f->fs;
	int err = umfs_lock(fs, &f->inode->lock);

	if (err)
		return err;
	if (umfs_frozen(fs) || !ld64(&f->inode->rec)) /* see freeze.c, I2 */
		err = -EAGAIN;
	else
		err = write_locked(NULL, f, buf, n, off, found);
	umfs_unlock(fs, &f->inode->lock);
	return err;
}

static int write_with_lane(const struct umfs_file *f, const void *buf, uint64_t n, uint64_t off,
			   struct found *found)
{
	struct umfs_tx tx;
	int err = umfs_enter_inode(f->fs, &tx, f->inode);

	if (err)
		return err;
	err = write_locked(&tx, f, buf, n, off, found);
	umfs_leave_inode(&tx, f->inode);
	return err;
}

int64_t umfs_write_in_page(const struct umfs_file *f, const void *buf, uint64_t n, uint64_t off,
			   bool append)
{
	struct umfs *fs = f->fs;
	uint32_t mode = ld32(&umfs_runtime(fs)->mode);
	struct found found = {.on = append || off == umfs_inode_size(f->inode)};
	bool lane = !found.on && mode == UMFS_MODE_ATOMIC;
	int err;

	if (n - 1 >= UMFS_PAGE_BYTES - (off & UMFS_PAGE_MASK) || off + n > fs->end_max ||
	    fs->readonly ||
	    (mode == UMFS_MODE_POSIX && fs->geo.durability == UMFS_DURABLE_FLUSH))
		return -EAGAIN;
	find_page(f, off, &found);
	if (!found.there)
		return -EAGAIN;
	fetch(f, off, n, lane, &found);
	err = lane ? write_with_lane(f, buf, n, off, &found) :
		     write_without_lane(f, buf, n, off, &found);
	return err ? err : (int64_t)n;
}
