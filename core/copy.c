// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * copy.c - bytes from one file to another without passing through the caller.
 *
 * A piece of up to 2 MiB is a write (write.c) whose bytes come from a file: the
 * locks of both are held, taken together in ascending order, so that the source
 * stands still. What a crash leaves is what it leaves of a write.
 *
 * I1  Source and target of a call do not overlap, so no piece changes what is
 *     still to be read, by whatever way it is written.
 * I2  A piece that is a hole in both only moves the end: no page is taken, and a
 *     copied hole stays one.
 */
#include "write.h"

static int check_source(const struct umfs_file *in)
{
	uint32_t mode = ld32(&in->inode->mode);

	if (ld32(&in->inode->generation) != in->generation || !mode)
		return -EBADF;
	if (umfs_is_dir(mode))
		return -EISDIR;
	return umfs_is_reg(mode) ? 0 : -EINVAL;
}

/* Is there an entry by which nothing can be read? That is no hole. */
static bool any_lost(const struct umfs *fs, uint64_t root, uint64_t index, uint64_t last)
{
	uint64_t entry;

	while ((index = umfs_fpt_next(fs, root, index, last)) < last) {
		index += umfs_fpt_run(fs, root, index, last - index, &entry);
		if (!entry)
			return true;
	}
	return false;
}

/* I2 */
static bool holes(const struct umfs_write *w)
{
	uint64_t from = ld64(&w->src.from->root), to = ld64(&w->in->root);
	uint64_t from_last = (w->src.off + w->n + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
	uint64_t to_last = (w->off + w->n + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;

	return umfs_fpt_seek(w->fs, from, w->src.off >> UMFS_PAGE_SHIFT, from_last, true) ==
		       from_last &&
	       !any_lost(w->fs, from, w->src.off >> UMFS_PAGE_SHIFT, from_last) &&
	       umfs_fpt_next(w->fs, to, w->off >> UMFS_PAGE_SHIFT, to_last) == to_last &&
	       w->off + w->n <= w->fs->end_max;
}

static int write_hole(struct umfs_write *w)
{
	int err = umfs_setid_drop(&w->tx, w->in, w->ino);

	if (err)
		return err;
	w->old = umfs_inode_size(w->in);
	w->end = w->off + w->n;
	if (w->end > w->old)
		umfs_write_zero_gap(w->fs, w->in, w->old, w->end);
	umfs_write_publish(w);
	return 0;
}

/* Both locked. */
static int copy_locked(struct umfs_write *w, const struct umfs_file *in,
		       const struct umfs_file *out)
{
	uint64_t size = umfs_inode_size(in->inode);
	int err = check_source(in);

	if (!err)
		err = umfs_write_check(w, out->generation);
	w->end = w->off;
	if (err || w->src.off >= size)
		return err;
	w->n = UMFS_MIN(w->n, size - w->src.off);
	umfs_seq_begin(w->in);
	err = holes(w) ? write_hole(w) : umfs_write_locked(w);
	umfs_seq_end(w->fs, w->in);
	return err;
}

/* At most 2 MiB. */
static int64_t copy_piece(const struct umfs_file *in, uint64_t in_off, const struct umfs_file *out,
			  uint64_t out_off, uint64_t n)
{
	struct umfs_write w = {
		.fs = out->fs,
		.in = out->inode,
		.src = {.from = in->inode, .off = in_off},
		.n = n,
		.off = out_off,
		.ino = out->ino,
		.mode = umfs_mode(out->fs),
	};
	const uint32_t both[2] = {in->ino, out->ino};
	int err = umfs_enter(w.fs, &w.tx, both, 2);

	if (err)
		return err;
	err = copy_locked(&w, in, out);
	umfs_leave(&w.tx, both, 2);
	return err ? err : (int64_t)(w.end - w.off);
}

int64_t umfs_copy_range(const struct umfs_file *in, uint64_t in_off, const struct umfs_file *out,
			uint64_t out_off, uint64_t n)
{
	uint64_t size = umfs_inode_size(in->inode), done = 0;
	int64_t ret = check_source(in);

	if (ret)
		return ret;
	if (in_off > (uint64_t)INT64_MAX || out_off > (uint64_t)INT64_MAX)
		return -EINVAL;
	n = in_off < size ? UMFS_MIN(n, size - in_off) : 0;
	if (in->ino == out->ino && in_off < out_off + n && out_off < in_off + n)
		return -EINVAL; /* I1 */
	while (done < n) {
		uint64_t part = UMFS_MIN(n - done, (uint64_t)UMFS_ATOMIC_BYTES);

		ret = copy_piece(in, in_off + done, out, out_off + done, part);
		if (ret < 0 && !done)
			return ret;
		if (ret <= 0)
			break;
		done += (uint64_t)ret;
		if ((uint64_t)ret < part)
			break;
	}
	if (done)
		umfs_accessed(in);
	return (int64_t)done;
}
