// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * setid.c - set-user-id and set-group-id bits go when bytes or owner change.
 *
 * As Linux: the user's always, the group's where the group may execute (without
 * that it means something else), and only of what is no directory. Whoever has
 * CAP_FSETID keeps them through a write or truncate, but not through a chown.
 *
 * I1  The bits are gone, durably, before the first byte changes: a crash can
 *     leave the old bytes without the bits, never new bytes with them.
 */
#include "internal.h"
#include "names.h"

uint32_t umfs_setid_bits(uint32_t mode)
{
	if (umfs_is_dir(mode))
		return 0;
	return mode & (UMFS_S_ISUID | ((mode & 010u) ? UMFS_S_ISGID : 0));
}

int umfs_setid_drop(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino)
{
	uint32_t mode = ld32(&in->mode), bits = umfs_setid_bits(mode);
	int err;

	if (!bits || tx->fs->keeps_setid || port_keeps_setid())
		return 0;
	umfs_tx_begin(tx);
	err = umfs_inode_save_times(tx, in, ino);
	if (err) {
		umfs_tx_abort(tx);
		return err;
	}
	umfs_tx_fence(tx);
	st32(&in->mode, mode & ~bits);
	umfs_inode_touch_ctime(in);
	umfs_inode_seal(in, ino);
	umfs_tx_commit(tx); /* commit point */
	return 0;
}
