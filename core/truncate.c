// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * truncate.c - moving the end of a file.
 *
 * The store of the size is the commit point. A file made longer has its gap
 * zeroed before; of one made shorter the pages are freed after, and until they
 * are, its record carries UMFS_IREC_TRIM, or where nobody has it open the lane a
 * promise, by which a crash leaves them to be freed by recovery. Pages that
 * fallocate() was asked to keep past the end go too, unless the file is made longer:
 * the wish for them then ends in one transaction with the size, whose commit is the
 * commit point. Of a file that may be mapped nothing is freed before the last close
 * (map.c).
 */
#include "write.h"

static void store_size(struct umfs *fs, struct umfs_inode_pm *in, uint32_t ino, uint64_t size)
{
	umfs_inode_touch(fs, in);
	umfs_fence(fs);
	umfs_inode_set_size(fs, in, ino, size); /* commit point */
	umfs_fence(fs);
}

/* The same, and nothing is kept past it. */
static int store_size_unkept(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino,
			     uint64_t size)
{
	struct umfs *fs = tx->fs;
	int err;

	umfs_tx_begin(tx);
	err = umfs_inode_save(tx, in, ino);
	if (!err)
		err = umfs_tx_save(tx, &in->size, sizeof(in->size));
	if (err) {
		umfs_tx_abort(tx);
		return err;
	}
	umfs_tx_fence(tx);
	st64(&in->keep, 0);
	umfs_inode_seal(in, ino);
	umfs_inode_touch(fs, in);
	umfs_inode_set_size(fs, in, ino, size);
	umfs_tx_commit(tx);
	return 0;
}

/* Of a file without a record (promise.c) the pages go at once, of one with it by its flag. */
static void announce_cut(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino,
			 struct umfs_irec_pm *rec)
{
	if (rec)
		umfs_irec_flag(tx->fs, in, rec, UMFS_IREC_TRIM);
	else
		umfs_promise_make(tx, in, ino);
}

/* `rec`: its record, held, or NULL. */
static int resize(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino,
		  struct umfs_irec_pm *rec, uint64_t size)
{
	struct umfs *fs = tx->fs;
	uint64_t old = umfs_inode_size(in);
	bool kept = ld64(&in->keep) != 0;
	int err;

	if (size > old && size > fs->end_max)
		return -EFBIG;
	err = umfs_setid_drop(tx, in, ino);
	if (err)
		return err;
	if (size > old)
		umfs_write_zero_gap(fs, in, old, size);
	else if (size < old || kept)
		announce_cut(tx, in, ino, rec);
	if (size <= old && kept)
		err = store_size_unkept(tx, in, ino, size);
	else
		store_size(fs, in, ino, size);
	if (err || size > old || (size == old && !kept))
		return err;
	if (umfs_irec_mapped(rec)) {
		/* What is cut off stays until the last close; a mapping sees zeros to the page's end. */
		umfs_write_zero_gap(fs, in, size,
				    (size + UMFS_PAGE_MASK) & ~(uint64_t)UMFS_PAGE_MASK);
		return 0;
	}
	return umfs_fpt_trim(tx, in, ino, (size + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT);
}

int umfs_truncate(struct umfs *fs, umfs_node node, uint64_t size)
{
	uint32_t ino = (uint32_t)node;
	struct umfs_inode_pm *in;
	struct umfs_irec_pm *rec = NULL;
	struct umfs_tx tx;
	uint32_t irec = 0, mode;
	int err;

	if (size > UMFS_FILE_BYTES_MAX)
		return -EFBIG;
	err = umfs_enter(fs, &tx, &ino, 1);
	if (err)
		return err;
	in = umfs_inode_known(fs, ino);
	mode = ld32(&in->mode);
	err = umfs_node_check(in, node);
	if (!err && !umfs_is_reg(mode))
		err = umfs_is_dir(mode) ? -EISDIR : -EINVAL;
	if (!err && !umfs_inode_whole(in, ino))
		err = -EUCLEAN;
	if (err) {
		umfs_leave(&tx, &ino, 1);
		return err;
	}
	if (umfs_irec_find(fs, in, ino) && !umfs_irec_hold(fs, in, ino, &irec))
		rec = umfs_irec(fs, irec);
	umfs_seq_begin(in);
	err = resize(&tx, in, ino, rec, size);
	umfs_seq_end(fs, in);
	if (!rec)
		umfs_promise_drop(&tx);
	umfs_leave(&tx, &ino, 1);
	if (rec)
		umfs_irec_drop(fs, irec);
	return err;
}
