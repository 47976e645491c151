// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * truncate.c - moving the end of a file.
 *
 * The store of the size is the commit point. A file made longer has its gap
 * zeroed before; of one made shorter the pages are freed after, and until they
 * are, its record carries UMFS_IREC_TRIM, by which a crash leaves them to be
 * freed by recovery.
 */
#include "write.h"

static int resize(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino, uint32_t irec,
		  uint64_t size)
{
	struct umfs *fs = tx->fs;
	uint64_t old = umfs_inode_size(in);

	if (size > old)
		umfs_write_zero_gap(fs, in, old, size);
	else if (size < old)
		umfs_irec_flag(fs, umfs_irec(fs, irec), UMFS_IREC_TRIM);
	umfs_inode_touch(fs, in);
	umfs_fence(fs);
	umfs_inode_set_size(fs, in, ino, size); /* commit point */
	umfs_fence(fs);
	return size < old ? umfs_fpt_trim(tx, in, ino,
					  (size + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT)
			  : 0;
}

int umfs_truncate(struct umfs *fs, uint32_t ino, uint64_t size)
{
	struct umfs_inode_pm *in = umfs_inode(fs, ino);
	struct umfs_tx tx;
	uint32_t irec;
	int err;

	if (!in)
		return -EUCLEAN;
	if (size > UMFS_FILE_BYTES_MAX)
		return -EFBIG;
	err = umfs_lane_get(fs, &tx);
	if (err)
		return err;
	err = umfs_lock(fs, &in->lock);
	if (err) {
		umfs_lane_put(&tx);
		return err;
	}
	if (!umfs_is_reg(ld32(&in->mode)))
		err = umfs_is_dir(ld32(&in->mode)) ? -EISDIR : -EINVAL;
	else
		err = umfs_irec_hold(fs, in, ino, &irec);
	if (err) {
		umfs_unlock(fs, &in->lock);
		umfs_lane_put(&tx);
		return err;
	}
	umfs_seq_begin(in);
	err = resize(&tx, in, ino, irec, size);
	umfs_seq_end(in);
	umfs_unlock(fs, &in->lock);
	umfs_lane_put(&tx);
	umfs_irec_drop(fs, irec);
	return err;
}
