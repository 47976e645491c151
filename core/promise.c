// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * promise.c - what an operation is going to free after its commit point, noted in its lane.
 *
 * Who removes the last name of an inode, or cuts off pages, commits first and frees
 * afterwards, in transactions of its own. Should it die in between, somebody has to
 * find what is left. While a process has the inode open its record says so (irec.c);
 * when nobody has, the lane says it, which every operation has anyway: so removing and
 * cutting need no record, and work when there is none left.
 *
 *   0 --make--> inode --(all freed) keep--> 0
 *                     --(nothing was committed) drop--> 0
 *                     --(death) recover--> 0, and a record says it, or all is freed
 *
 * I1  The promise is durable before the commit of what it announces.
 * I2  The inode has no record and is locked from before the promise is made until it is
 *     kept or dropped. So nobody can open it meanwhile, and a dead process's lock on it
 *     keeps it as it is until its lane is recovered.
 * I3  What it asks for depends on the inode alone: without a link, all of it is freed;
 *     else the pages past its end, which nobody has open, that nobody asked for. So it
 *     may be kept twice, or though nothing was committed.
 * I4  Recovery acts on it when all transactions that are recovered together are undone or
 *     done: a promise that a power cut brought back may be about an inode that another
 *     lane was changing since, and what that did not commit asks for nothing.
 */
#include "internal.h"

/* Fenced before the commit point, as all that commits something does (I1). */
void umfs_promise_make(struct umfs_tx *tx, const struct umfs_inode_pm *inode, uint32_t ino)
{
	st64(&tx->lane->promise, umfs_node_of(ino, ld32(&inode->generation)));
	umfs_flush(tx->fs, &tx->lane->promise, sizeof(tx->lane->promise));
}

/*
 * Durable with the lane's state, in whose line it is: a promise that is there again after a crash
 * asks for nothing new (I3). Who lost the pool on the way may not have kept it: then it is for
 * recovery, as after a death.
 */
static void forget(const struct umfs *fs, struct umfs_lane_pm *lane)
{
	if (fs->broken)
		return;
	st64(&lane->promise, 0);
}

void umfs_promise_drop(struct umfs_tx *tx)
{
	if (ld64(&tx->lane->promise))
		forget(tx->fs, tx->lane);
}

static int settle(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino)
{
	int err;

	if (!ld32(&inode->nlink))
		return umfs_inode_reclaim(tx, inode, ino);
	if (!umfs_inode_whole(inode, ino))
		return -EUCLEAN;
	umfs_seq_begin(inode);
	err = umfs_fpt_trim(tx, inode, ino, umfs_inode_pages_kept(inode));
	umfs_seq_end(tx->fs, inode);
	return err;
}

void umfs_promise_keep(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino)
{
	(void)settle(tx, inode, ino);
	forget(tx->fs, tx->lane);
}

/* ---- after a death ---- */

/* Is there anything to do for the inode? */
static bool due(const struct umfs *fs, const struct umfs_inode_pm *inode)
{
	uint64_t pages = umfs_inode_pages_kept(inode), max = UMFS_FILE_BYTES_MAX >> UMFS_PAGE_SHIFT;
	uint64_t root = ld64(&inode->root);

	if (!ld32(&inode->nlink))
		return true;
	if (!umfs_is_reg(ld32(&inode->mode)) || !root)
		return false;
	/* Where a hole is all that stays, its tables go, too: the last of the pages went before. */
	return umfs_fpt_next(fs, root, pages, max) < max ||
	       umfs_fpt_next(fs, root, 0, pages) == pages;
}

/*
 * The inode is locked in the dead slot's name (I2), or free, since a recovery let go of
 * it: then it is taken in that name. Locks mean nothing while nobody is attached.
 */
static bool locked(struct umfs *fs, uint32_t slot, struct umfs_inode_pm *inode)
{
	if (fs->alone || umfs_lock_held_by(fs, ld64(&inode->lock), slot))
		return true;
	if (!umfs_lock_try(fs, &inode->lock, umfs_lock_value(fs, slot)))
		return false;
	umfs_order_let(fs, &inode->lock); /* it goes with the slot's incarnation */
	return true;
}

/* A record takes the promise over: whoever reaps frees, and nobody waits for that here. */
static bool pass_on(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino)
{
	struct umfs_irec_pm *rec = umfs_irec_find(fs, inode, ino);

	if (!rec && umfs_irec_claim(fs, inode, ino, &rec))
		return false;
	umfs_irec_flag(fs, inode, rec, ld32(&inode->nlink) ? UMFS_IREC_TRIM : UMFS_IREC_ORPHAN);
	umfs_fence(fs); /* before the promise is forgotten */
	fs->zombies = 1;
	return true;
}

/* The inode that was meant; NULL: what stands there makes no sense, or no longer does. */
static struct umfs_inode_pm *promised(struct umfs *fs, uint32_t slot, umfs_node node)
{
	struct umfs_inode_pm *inode = umfs_inode(fs, (uint32_t)node);

	if (!inode || !locked(fs, slot, inode) || umfs_node_check(inode, node))
		return NULL;
	return inode;
}

/*
 * Restartable: the lane is at rest, and what is freed here goes through it, in the dead
 * slot's name.
 */
void umfs_promise_recover(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane)
{
	struct umfs_tx tx = {.fs = fs, .lane = lane, .slot = slot};
	umfs_node node = ld64(&lane->promise);
	struct umfs_inode_pm *inode;

	if (!node)
		return;
	inode = promised(fs, slot, node);
	/*
	 * Who died may have stored the end of the file and no more. Others see it from now on, and
	 * what is past it is decided by what it says. So it is durable before any of that goes, and
	 * before the inode is anybody's: each way from here has a fence before that.
	 */
	if (inode)
		umfs_flush(fs, &inode->size, sizeof(inode->size));
	if (inode && due(fs, inode) && !pass_on(fs, inode, (uint32_t)node))
		(void)settle(&tx, inode, (uint32_t)node);
	forget(fs, lane);
}
