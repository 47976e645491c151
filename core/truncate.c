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
		umfs_irec_flag(fs, in, umfs_irec(fs, irec), UMFS_IREC_TRIM);
	umfs_inode_touch(fs, in);
	umfs_fence(fs);
	umfs_inode_set_size(fs, in, ino, size); /* commit point */
	umfs_fence(fs);
	return size < old ? umfs_fpt_trim(tx, in, ino,
					  (size + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT)
			  : 0;
}

int umfs_truncate(struct umfs *fs, umfs_node node, uint64_t size)
{
	uint32_t ino = (uint32_t)node;
	struct umfs_inode_pm *in = umfs_inode(fs, ino);
	struct umfs_tx tx;
	uint32_t irec, mode;
	int err;

	if (size > UMFS_FILE_BYTES_MAX)
		return -EFBIG;
	err = umfs_enter(fs, &tx, &ino, 1);
	if (err)
		return err;
	mode = ld32(&in->mode);
	err = umfs_node_check(in, node);
	if (!err && !umfs_is_reg(mode))
		err = umfs_is_dir(mode) ? -EISDIR : -EINVAL;
	if (!err)
		err = umfs_irec_hold(fs, in, ino, &irec);
	if (err) {
		umfs_leave(&tx, &ino, 1);
		return err;
	}
	umfs_seq_begin(in);
	err = resize(&tx, in, ino, irec, size);
	umfs_seq_end(in);
	umfs_leave(&tx, &ino, 1);
	umfs_irec_drop(fs, irec);
	return err;
}
