// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * write.c - write(): up to 2 MiB at a time under the inode's lock.
 *
 * Inside one page there is a shorter way (write_page.c); this is the general one.
 *
 * First every page of the range is allocated, unwritten, which nobody can see.
 * Then, by what is overwritten and what the mode promises:
 *
 *   extend    nothing before the old end changes: bytes in place, then the size
 *   in place  sync, posix: bytes in place, then the size
 *   undo      atomic, less than a page: old bytes to the lane's U-Log first
 *   replace   atomic, more: fresh pages in one transaction
 *   reserve   atomic, no fresh pages to be had, or a 2 MiB leaf: old bytes to a
 *             reserve U-Log first
 *
 * The pages of a file that may be mapped stay (map.c): undo, up to what the
 * lane's U-Log holds, or reserve.
 *
 * I1  Bytes past the end of file are undefined; who moves the end over a gap
 *     zeroes the gap first. So extending needs no undo: the store of the size
 *     is the commit point.
 * I2  The first write to a page zeroes the rest of it. What lies past the end of file is left
 *     out where nobody sees it: in a file that is not mapped (who maps it zeroes that: map.c),
 *     and where stores become durable in their order. Elsewhere power may leave an end that
 *     was moved over bytes which posix has not flushed, and what was there before is shown.
 * I3  Non-temporal stores are drained, and flushed lines fenced, before an
 *     entry or a size that shows them is stored.
 */
#include "write.h"

/* ---- the caller's bytes ---- */

/* The same from a file of the pool, whose holes are zeros; it is locked. */
static int take_file(const struct umfs *fs, struct umfs_src *src, uint8_t *pool, uint64_t n,
		     bool nt)
{
	while (n) {
		uint64_t in_page = src->off & UMFS_PAGE_MASK, entry, pages, part;
		uint64_t index = src->off >> UMFS_PAGE_SHIFT;
		const uint8_t *data;

		pages = umfs_fpt_run(fs, ld64(&src->from->root), index,
				     (in_page + n + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT, &entry);
		part = UMFS_MIN((pages << UMFS_PAGE_SHIFT) - in_page, n);
		data = (const uint8_t *)umfs_page(fs, umfs_pte_page(entry)) + in_page;
		if (!entry && umfs_fpt_next(fs, ld64(&src->from->root), index, index + pages) <
				      index + pages)
			return -EUCLEAN;
		if (!umfs_pte_written(entry)) {
			port_zero(pool, part);
			umfs_flush(fs, pool, part);
		} else if (nt) {
			port_copy_nt(pool, data, part);
		} else {
			port_copy(pool, data, part);
		}
		pool += part;
		src->off += part;
		n -= part;
	}
	return 0;
}

static int take(const struct umfs *fs, struct umfs_src *src, void *pool, uint64_t n, bool nt)
{
	if (src->from)
		return take_file(fs, src, pool, n, nt);
	while (n) {
		const struct umfs_iov *iov = &src->iov[src->at];
		uint64_t part = UMFS_MIN(n, iov->len - src->off);
		const uint8_t *from = (const uint8_t *)iov->base + src->off;
		int err = 0;

		if (part)
			err = nt ? port_copy_in_nt(pool, from, part)
				 : port_copy_in(pool, from, part);
		if (err)
			return err;
		pool = (uint8_t *)pool + part;
		n -= part;
		src->off += part;
		if (src->off == iov->len) {
			src->at++;
			src->off = 0;
		}
	}
	return 0;
}

static void note_dirty(struct umfs_write *w, uint64_t off, uint64_t n)
{
	struct umfs_irec_pm *rec = w->rec;
	uint64_t lo = ld64(&rec->dirty_lo), hi = ld64(&rec->dirty_hi);

	if (lo >= hi) {
		lo = off;
		hi = off + n;
	}
	st64(&rec->dirty_lo, UMFS_MIN(lo, off));
	st64(&rec->dirty_hi, UMFS_MAX(hi, off + n));
}

/* Bytes of the caller to pages that nobody sees yet; durable after the drain. */
int umfs_write_take(struct umfs_write *w, void *pool, uint64_t n)
{
	bool nt = n >= UMFS_NT_BYTES;
	int err = take(w->fs, &w->src, pool, n, nt);

	if (err)
		return err;
	if (!nt)
		umfs_flush(w->fs, pool, n);
	w->streamed |= nt;
	return 0;
}

/*
 * Over bytes that readers may be copying now, at offset `off` of the file.
 * Streaming stores could overtake the odd sequence that warns those readers.
 */
static int take_over(struct umfs_write *w, void *pool, uint64_t off, uint64_t n)
{
	if (w->mode == UMFS_MODE_POSIX && w->fs->geo.durability == UMFS_DURABLE_FLUSH) {
		note_dirty(w, off, n);
		return take(w->fs, &w->src, pool, n, false);
	}
	if (n >= UMFS_NT_BYTES && !w->warned) {
		umfs_drain(w->fs);
		w->warned = true;
	}
	return umfs_write_take(w, pool, n);
}

/* I3; without streamed bytes, and on DRAM, stores are in order by themselves. */
void umfs_write_drain(struct umfs_write *w)
{
	if (w->streamed)
		umfs_drain(w->fs);
	else
		umfs_fence(w->fs);
	w->streamed = false;
}

void umfs_write_zero(struct umfs *fs, void *pool, uint64_t n)
{
	if (!n)
		return;
	port_zero(pool, n);
	umfs_flush(fs, pool, n);
}

/* ---- in place ---- */

/*
 * I2: around what is to be written at [off, stop), to unwritten pages of which the first
 * begins at `data` and the last ends at offset `last` of the file.
 */
static void zero_around(const struct umfs_write *w, uint8_t *data, uint64_t off, uint64_t stop,
			uint64_t last)
{
	uint64_t in_page = off & UMFS_PAGE_MASK;

	umfs_write_zero(w->fs, data, in_page);
	if (!umfs_irec_mapped(w->rec) && w->fs->geo.durability != UMFS_DURABLE_FLUSH)
		last = UMFS_MIN(last, w->old);
	if (last > stop)
		umfs_write_zero(w->fs, data + in_page + (stop - off), last - stop);
}

/* Copy to the pages of [off, end), which are allocated. Unwritten ones stay so. */
static int copy_in_place(struct umfs_write *w, uint64_t off, uint64_t end)
{
	uint64_t root = ld64(&w->in->root), entry;
	int err = 0;

	while (!err && off < end) {
		uint64_t index = off >> UMFS_PAGE_SHIFT, in_page = off & UMFS_PAGE_MASK;
		uint64_t last = (end + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
		uint64_t pages = umfs_fpt_run(w->fs, root, index, last - index, &entry);
		uint64_t stop = UMFS_MIN(end, (index + pages) << UMFS_PAGE_SHIFT);
		uint8_t *data = umfs_page(w->fs, umfs_pte_page(entry));

		if (!entry)
			return -EUCLEAN;
		if (!umfs_pte_written(entry))
			zero_around(w, data, off, stop, (index + pages) << UMFS_PAGE_SHIFT);
		err = umfs_pte_written(entry) ? take_over(w, data + in_page, off, stop - off)
					      : umfs_write_take(w, data + in_page, stop - off);
		off = stop;
	}
	return err;
}

/* Make the unwritten pages of [off, end) written; what they hold is drained. */
static void show_pages(struct umfs_write *w, uint64_t off, uint64_t end)
{
	uint64_t index = off >> UMFS_PAGE_SHIFT, last = (end - 1) >> UMFS_PAGE_SHIFT;

	for (; index <= last; index++) {
		le64 *slot = umfs_fpt_slot(w->fs, w->in, index);

		if (!slot || !(ld64(slot) & UMFS_PTE_UNWRITTEN))
			continue;
		st64(slot, umfs_pte_shown(ld64(slot)));
		umfs_flush(w->fs, slot, sizeof(*slot));
		if (slot == &w->in->root)
			umfs_inode_seal(w->in, w->ino); /* it was saved: flushed by the commit */
	}
}

/*
 * The root entry of a one-page file lies under the inode's checksum, so showing
 * it is a transaction; with a table it is one store.
 */
static int show_root(struct umfs_write *w)
{
	int err;

	umfs_tx_begin(&w->tx);
	err = umfs_inode_save(&w->tx, w->in, w->ino);
	if (err) {
		umfs_tx_abort(&w->tx);
		return err;
	}
	umfs_tx_fence(&w->tx);
	show_pages(w, 0, 1);
	umfs_tx_commit(&w->tx);
	return 0;
}

static int show_range(struct umfs_write *w, uint64_t off, uint64_t end)
{
	uint64_t root = ld64(&w->in->root), last = (end - 1) >> UMFS_PAGE_SHIFT, index;

	umfs_write_drain(w);
	if (umfs_root_height(root) == 0)
		return (root & UMFS_PTE_UNWRITTEN) ? show_root(w) : 0;
	show_pages(w, off, end);
	/*
	 * Files are mostly filled in order: what ends a PTE page may have made it
	 * a run; so may what begins the next one, when the file had no height for it.
	 */
	index = off >> UMFS_PAGE_SHIFT;
	index = (index ? index - 1 : 0) | (UMFS_PTE_PER_PAGE - 1);
	for (; index <= last; index += UMFS_PTE_PER_PAGE)
		umfs_fpt_mark_run(w->fs, w->in, index);
	return 0;
}

void umfs_write_publish(struct umfs_write *w)
{
	umfs_inode_touch(w->fs, w->in);
	umfs_fence(w->fs);
	if (w->end > w->old) {
		umfs_inode_set_size(w->fs, w->in, w->ino, w->end); /* commit point of an extension */
		umfs_fence(w->fs);
	}
}

/* Also the whole of an extension: pages past the end are seen by nobody before the size. */
static int write_in_place(struct umfs_write *w)
{
	int err = copy_in_place(w, w->off, w->end);

	if (!err)
		err = show_range(w, w->off, w->end);
	if (!err)
		umfs_write_publish(w);
	return err;
}

/* ---- undo and reserve ---- */

static int write_with_undo(struct umfs_write *w, struct umfs_ulog_pm *log, uint64_t room)
{
	int err;

	umfs_ulog_arm(w->fs, log, w->in, w->ino, w->off, UMFS_MIN(w->end, w->old) - w->off, NULL);
	if (w->fs->broken) {
		umfs_ulog_retire(w->fs, log); /* nothing was overwritten: others may have the log */
		return -EIO;
	}
	err = write_in_place(w);
	if (err) {
		umfs_write_drain(w);
		(void)umfs_ulog_recover(w->fs, log, room);
		return err;
	}
	umfs_ulog_retire(w->fs, log); /* commit point */
	return 0;
}

/* Unwritten pages inside the file read as zeros: make them pages of zeros. */
int umfs_write_settle(struct umfs_write *w, uint64_t end)
{
	uint64_t index = w->off >> UMFS_PAGE_SHIFT, last = (end - 1) >> UMFS_PAGE_SHIFT;

	for (; index <= last; index++) {
		uint64_t entry = umfs_fpt_get(w->fs, ld64(&w->in->root), index);
		int err;

		if (umfs_pte_written(entry))
			continue;
		if (!entry)
			return -EUCLEAN;
		/* Fenced by show_range(), what that stores by the arming of the log. */
		umfs_write_zero(w->fs, umfs_page(w->fs, umfs_pte_page(entry)), UMFS_PAGE_BYTES);
		err = show_range(w, index << UMFS_PAGE_SHIFT, (index << UMFS_PAGE_SHIFT) + 1);
		if (err)
			return err;
	}
	return 0;
}

int umfs_reserve_take(struct umfs_write *w, struct umfs_ulog_pm **log)
{
	struct umfs *fs = w->fs;
	uint64_t mine = umfs_lock_value(fs, fs->slot);
	uint32_t i, n;

	for (i = 0; i < fs->geo.reserve_count; i++) {
		*log = umfs_reserve(fs, i);
		if (umfs_lock_try(fs, &(*log)->lock, mine))
			return 0;
	}
	/* Nobody waits for the last one: it may be divided into leases, which last. */
	n = UMFS_MAX(fs->geo.reserve_count, 2u) - 1;
	*log = umfs_reserve(fs, w->tx.lane_index % n);
	return umfs_lock(fs, &(*log)->lock);
}

static int write_by_reserve(struct umfs_write *w)
{
	struct umfs_ulog_pm *log;
	int err = umfs_write_settle(w, UMFS_MIN(w->end, w->old));

	if (!err)
		err = umfs_reserve_take(w, &log);
	if (err)
		return err;
	err = write_with_undo(w, log, UMFS_ATOMIC_BYTES);
	umfs_unlock(w->fs, &log->lock);
	return err;
}

/* ---- choosing ---- */

/* What is overwritten of [off, min(end, old size)). */
struct covered {
	uint32_t runs; /* of pages that are neighbours, and alike */
	bool all_written;
	bool leaf_2m;
};

static void look(struct umfs_write *w, struct covered *c)
{
	uint64_t root = ld64(&w->in->root), entry;
	uint64_t index = w->off >> UMFS_PAGE_SHIFT;
	uint64_t stop = (UMFS_MIN(w->end, w->old) + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;

	*c = (struct covered){.all_written = true};
	for (; index < stop; c->runs++) {
		index += umfs_fpt_run(w->fs, root, index, stop - index, &entry);
		if (!umfs_pte_written(entry))
			c->all_written = false;
		if (entry & UMFS_PTE_PSE)
			c->leaf_2m = true;
	}
}

static int write_atomic(struct umfs_write *w)
{
	uint64_t over = UMFS_MIN(w->end, w->old) - w->off;
	bool mapped = umfs_irec_mapped(w->rec);
	struct covered c;
	int err = -ENOSPC;

	look(w, &c);
	if (c.all_written && (mapped ? over <= UMFS_ULOG_LANE_BYTES : over < UMFS_PAGE_BYTES))
		return write_with_undo(w, umfs_lane_ulog(w->tx.lane), UMFS_ULOG_LANE_BYTES);
	if (!c.leaf_2m && !mapped)
		err = umfs_write_replace(w, c.runs);
	return err == -ENOSPC ? write_by_reserve(w) : err;
}

/*
 * Written pages of the gap between the old end and the write are zeroed (I1). Not fenced:
 * each caller fences before it stores the size, or retires the log, that this is for.
 */
void umfs_write_zero_gap(struct umfs *fs, const struct umfs_inode_pm *in, uint64_t from,
			 uint64_t to)
{
	uint64_t root = ld64(&in->root), last = (to + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
	uint64_t index = from >> UMFS_PAGE_SHIFT, entry;

	while ((index = umfs_fpt_next(fs, root, index, last)) < last) {
		uint64_t pages = umfs_fpt_run(fs, root, index, last - index, &entry);
		uint64_t start = index << UMFS_PAGE_SHIFT;
		uint64_t lo = UMFS_MAX(from, start);
		uint64_t hi = UMFS_MIN(to, start + (pages << UMFS_PAGE_SHIFT));
		uint8_t *data = umfs_page(fs, umfs_pte_page(entry));

		if (umfs_pte_written(entry))
			umfs_write_zero(fs, data + (lo - start), hi - lo);
		index += pages;
	}
}

int umfs_write_locked(struct umfs_write *w)
{
	int err;

	w->old = umfs_inode_size(w->in);
	if (w->append)
		w->off = w->old;
	if (w->off >= w->fs->end_max)
		return -EFBIG;
	w->end = UMFS_MIN(w->off + w->n, w->fs->end_max);
	err = umfs_write_allocate(w);
	if (!err)
		err = umfs_setid_drop(&w->tx, w->in, w->ino);
	if (err)
		return err;
	if (w->off > w->old)
		umfs_write_zero_gap(w->fs, w->in, w->old, w->off);
	if (w->off >= w->old || w->mode != UMFS_MODE_ATOMIC)
		return write_in_place(w);
	return write_atomic(w);
}

int umfs_write_check(struct umfs_write *w, uint32_t generation)
{
	if (ld32(&w->in->generation) != generation || !ld32(&w->in->mode))
		return -EBADF;
	if (umfs_is_dir(ld32(&w->in->mode)))
		return -EISDIR;
	if (!umfs_is_reg(ld32(&w->in->mode)))
		return -EINVAL;
	w->rec = umfs_irec_find(w->fs, w->in, w->ino);
	if (!w->rec)
		return -EBADF;
	return umfs_inode_whole(w->in, w->ino) ? 0 : -EUCLEAN;
}

/* At most 2 MiB; bytes written, which no space may make fewer. */
static int64_t write_chunk(const struct umfs_file *f, struct umfs_src *src, uint64_t n,
			   uint64_t *off, bool append)
{
	struct umfs_write w;
	int err;

	w.fs = f->fs;
	w.in = f->inode;
	w.ino = f->ino;
	w.src = *src;
	w.n = n;
	w.off = *off;
	w.append = append;
	w.exact = false;
	w.streamed = false;
	w.warned = false;
	w.mode = umfs_mode(f->fs);
	err = umfs_enter_inode(w.fs, &w.tx, w.in);
	if (err)
		return err;
	err = umfs_write_check(&w, f->generation);
	if (!err) {
		umfs_seq_begin(w.in);
		err = umfs_write_locked(&w);
		umfs_seq_end(w.fs, w.in);
	}
	umfs_leave_inode(&w.tx, w.in);
	if (err)
		return err;
	*src = w.src;
	*off = w.off;
	return (int64_t)(w.end - w.off);
}

/* 2 MiB at a time, from *off, which an append moves to where it began. */
static int64_t write_chunks(const struct umfs_file *f, struct umfs_src *src, uint64_t total,
			    uint64_t *off, bool append, uint64_t *end)
{
	uint64_t done = 0, at = *off, part;
	int64_t ret;

	while (done < total) {
		part = UMFS_MIN(total - done, (uint64_t)UMFS_ATOMIC_BYTES);
		ret = write_chunk(f, src, part, &at, append);
		if (ret < 0)
			return done ? (int64_t)done : ret;
		if (!done)
			*off = at;
		done += (uint64_t)ret;
		at += (uint64_t)ret;
		*end = at;
		if ((uint64_t)ret < part)
			break;
	}
	return (int64_t)done;
}

/* Of a pool that was lost on the way nobody knows where the bytes went. */
static int64_t if_done(const struct umfs_file *f, int64_t ret)
{
	return ret > 0 && f->fs->broken ? -EIO : ret;
}

/* *end: behind the last byte; others may have appended between the chunks of one call. */
int64_t umfs_write_vector(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count,
			  uint64_t *off, bool append, uint64_t *end)
{
	struct umfs_src src = {.iov = iov};
	uint64_t total = 0;
	int64_t ret;
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (iov[i].len > (uint64_t)INT64_MAX - total)
			return -EINVAL;
		total += iov[i].len;
	}
	if (*off > (uint64_t)INT64_MAX)
		return -EINVAL;
	if (count == 1) {
		if (append)
			*off = umfs_inode_size(f->inode);
		ret = umfs_write_in_page(f, iov->base, total, *off, append);
		*end = *off + total;
		if (ret != -EAGAIN)
			return if_done(f, ret);
	}
	return if_done(f, write_chunks(f, &src, total, off, append, end));
}

int64_t umfs_pwritev(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count,
		     uint64_t *off, bool append)
{
	uint64_t end;

	return umfs_write_vector(f, iov, count, off, append, &end);
}

static int64_t pwrite_chunks(const struct umfs_file *f, const void *buf, uint64_t n, uint64_t off)
{
	struct umfs_iov iov = {(void *)(uintptr_t)buf, n};
	struct umfs_src src = {.iov = &iov};
	uint64_t end;

	if (n > (uint64_t)INT64_MAX || off > (uint64_t)INT64_MAX)
		return -EINVAL;
	return write_chunks(f, &src, n, &off, false, &end);
}

int64_t umfs_pwrite(const struct umfs_file *f, const void *buf, uint64_t n, uint64_t off)
{
	int64_t ret = umfs_write_in_page(f, buf, n, off, false);

	return if_done(f, ret == -EAGAIN ? pwrite_chunks(f, buf, n, off) : ret);
}
