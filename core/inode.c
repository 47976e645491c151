// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * inode.c - inodes: checks, the hot size word, sequence and locks.
 *
 * I1  Lines 0 and 1 change only inside a transaction that saved them, and carry
 *     a checksum when it commits. They are saved only while their checksum holds: what
 *     was damaged is not sealed anew, and nothing is freed by what it says.
 * I2  A hot word is stored whole and needs no other word to be read: the size
 *     carries its own check, any time is valid. So a write publishes its end
 *     with one store.
 * I3  The sequence is odd exactly while a writer is inside; a lock-free reader's
 *     result counts if it was even and the same before and after.
 */
#include "internal.h"

static uint32_t inode_crc(const struct umfs_inode_pm *inode, uint32_t ino)
{
	return port_crc32c(ino, &inode->mode, UMFS_INODE_CRC_BYTES - 4);
}

bool umfs_inode_sealed(const struct umfs_inode_pm *inode, uint32_t ino)
{
	return ld32(&inode->crc) == inode_crc(inode, ino);
}

void umfs_inode_seal(struct umfs_inode_pm *inode, uint32_t ino)
{
	st32(&inode->crc, inode_crc(inode, ino));
}

int umfs_inode_save(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino)
{
	if (!umfs_inode_sealed(inode, ino))
		return -EUCLEAN;
	return umfs_tx_save(tx, inode, UMFS_INODE_CRC_BYTES);
}

uint64_t umfs_size_word(uint64_t size, uint32_t ino, uint32_t generation)
{
	/* Stored as words, since that is how they are loaded again at once. */
	uint64_t image[2] = {size, (uint64_t)generation << 32 | ino};
	uint64_t check = port_crc32c(0, image, sizeof(image)) & 0xffffu;

	return size | check << UMFS_SIZE_BITS;
}

static bool size_whole(const struct umfs_inode_pm *inode, uint32_t ino)
{
	uint64_t word = ld64(&inode->size), size = word & ((1ull << UMFS_SIZE_BITS) - 1);

	return word == umfs_size_word(size, ino, ld32(&inode->generation));
}

bool umfs_inode_whole(const struct umfs_inode_pm *inode, uint32_t ino)
{
	return umfs_inode_sealed(inode, ino) && size_whole(inode, ino);
}

void umfs_inode_set_size(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino,
			 uint64_t size)
{
	st64(&inode->size, umfs_size_word(size, ino, ld32(&inode->generation)));
	umfs_flush(fs, &inode->size, sizeof(inode->size));
}

int umfs_node_check(const struct umfs_inode_pm *inode, umfs_node node)
{
	uint32_t generation = (uint32_t)(node >> 32);

	if (!ld32(&inode->mode))
		return generation ? -ESTALE : -ENOENT;
	return generation && ld32(&inode->generation) != generation ? -ESTALE : 0;
}

/* A writer may be changing it: try again while the sequence moves. */
static int check_once(const struct umfs_inode_pm *inode, umfs_node node, uint64_t seq)
{
	int used = umfs_node_check(inode, node);
	bool good = umfs_inode_whole(inode, (uint32_t)node);

	if ((seq & 1) || ld64(&inode->seq) != seq)
		return -EAGAIN;
	if (used)
		return used;
	return good ? 0 : -EUCLEAN;
}

/*
 * Checksums that held at an inode's present sequence still do: every change by
 * core moves it, and what a medium does to bytes it does not do by the minute.
 * One word for each of a few inodes, so that threads need no lock.
 */
static uint64_t checked_word(uint32_t ino, uint64_t seq)
{
	return (uint64_t)ino << 32 | (uint32_t)seq;
}

/* Neighbours lie in different lines: those who work on them apart do not share one. */
static uint64_t *checked_place(struct umfs *fs, uint32_t ino)
{
	return &fs->checked[ino * 9u % UMFS_CHECKED];
}

static bool checked_before(struct umfs *fs, const struct umfs_inode_pm *in, uint32_t ino)
{
	uint64_t seq = ld64(&in->seq);

	return !(seq & 1) && __atomic_load_n(checked_place(fs, ino), __ATOMIC_RELAXED) ==
				     checked_word(ino, seq);
}

static void note_checked(struct umfs *fs, uint32_t ino, uint64_t seq)
{
	__atomic_store_n(checked_place(fs, ino), checked_word(ino, seq), __ATOMIC_RELAXED);
}

void umfs_attr_believe(struct umfs *fs, const struct umfs_attr *attr)
{
	if (attr->seq && !(attr->seq & 1))
		note_checked(fs, attr->ino, attr->seq);
}

/* Not rare, as files come for the first time, but its frame is not the others' to make. */
static __attribute__((__noinline__)) int check_now(struct umfs *fs, umfs_node node,
						   struct umfs_inode_pm *in)
{
	int tries, err;

	for (tries = 0; tries < 4; tries++) {
		uint64_t seq = ld64(&in->seq);

		err = check_once(in, node, seq);
		if (!err)
			note_checked(fs, (uint32_t)node, seq);
		if (err != -EAGAIN)
			return err;
		port_relax();
	}
	if (fs->readonly)
		return umfs_node_check(in, node);
	err = umfs_lock(fs, &in->lock);
	if (err)
		return err;
	umfs_seq_heal(in);
	err = check_once(in, node, ld64(&in->seq));
	umfs_unlock(fs, &in->lock);
	return err;
}

int umfs_inode_check(struct umfs *fs, umfs_node node, struct umfs_inode_pm **inode)
{
	struct umfs_inode_pm *in = umfs_inode(fs, (uint32_t)node);

	*inode = in;
	if (fs->broken)
		return -EIO;
	if (!in)
		return -EUCLEAN;
	return checked_before(fs, in, (uint32_t)node) ? umfs_node_check(in, node) :
							check_now(fs, node, in);
}

/* A writer that died inside left it odd: go on from there. */
void umfs_seq_begin(struct umfs_inode_pm *inode)
{
	uint64_t seq = ld64(&inode->seq);

	st64(&inode->seq, (seq | 1) + ((seq & 1) ? 2 : 0));
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

void umfs_seq_end(const struct umfs *fs, struct umfs_inode_pm *inode)
{
	/* What recovery will undo nobody is to read, either: who wants it waits for the lock. */
	if (__builtin_expect(fs->unfinished, 0))
		return;
	st64(&inode->seq, ld64(&inode->seq) + 1);
}

void umfs_inode_touch_ctime(struct umfs_inode_pm *inode)
{
	st64(&inode->ctime_ns, (uint64_t)port_now_ns());
}

void umfs_inode_touch(struct umfs *fs, struct umfs_inode_pm *inode)
{
	uint64_t now = (uint64_t)port_now_ns();

	if (ld64(&inode->mtime_ns) == now && ld64(&inode->ctime_ns) == now)
		return; /* the clock is coarse */
	st64(&inode->mtime_ns, now);
	st64(&inode->ctime_ns, now);
	umfs_flush(fs, &inode->size, UMFS_LINE_BYTES - 16);
}

/* ---- several locks ---- */

/* The smallest number above `above` among them, or 0. */
static uint32_t next_above(const uint32_t *ino, uint32_t count, uint32_t above)
{
	uint32_t best = 0, i;

	for (i = 0; i < count; i++)
		if (ino[i] > above && (!best || ino[i] < best))
			best = ino[i];
	return best;
}

static void unlock_up_to(struct umfs *fs, const uint32_t *ino, uint32_t count, uint32_t last)
{
	uint32_t at = 0;

	while ((at = next_above(ino, count, at)) && at <= last)
		umfs_unlock(fs, &umfs_inode_known(fs, at)->lock);
}

/* All locks without waiting, or none: -EAGAIN, and *busy is the one that is held. */
static int try_locks(struct umfs *fs, const uint32_t *ino, uint32_t count, uint64_t mine,
		     uint32_t *busy)
{
	uint32_t held = 0, next;

	while ((next = next_above(ino, count, held))) {
		struct umfs_inode_pm *inode = umfs_inode(fs, next);

		if (!inode || !umfs_lock_try(fs, &inode->lock, mine)) {
			unlock_up_to(fs, ino, count, held);
			*busy = next;
			return inode ? -EAGAIN : -EUCLEAN;
		}
		held = next;
	}
	return 0;
}

/*
 * Waiting is done with neither lane nor lock in hand, so that a stopped owner
 * of one file keeps no lane of this process from work on others.
 */
int umfs_enter(struct umfs *fs, struct umfs_tx *tx, const uint32_t *ino, uint32_t count)
{
	uint64_t mine = umfs_lock_mine(fs);
	struct umfs_wait w = {0, 0};
	uint32_t busy = 0;

	for (;;) {
		int err = umfs_lane_get(fs, tx);

		if (err)
			return err;
		err = try_locks(fs, ino, count, w.seen ? mine | UMFS_LOCK_WAITERS : mine, &busy);
		if (!err)
			return 0;
		umfs_lane_put(tx);
		if (err != -EAGAIN)
			return err;
		umfs_order_wait(fs, &umfs_inode_known(fs, busy)->lock);
		umfs_lock_await(fs, &umfs_inode_known(fs, busy)->lock, &w);
	}
}

int umfs_enter_inode(struct umfs *fs, struct umfs_tx *tx, struct umfs_inode_pm *inode)
{
	uint64_t mine = umfs_lock_mine(fs);
	struct umfs_wait w = {0, 0};

	for (;;) {
		int err = umfs_lane_get(fs, tx);

		if (err)
			return err;
		if (umfs_lock_try(fs, &inode->lock, w.seen ? mine | UMFS_LOCK_WAITERS : mine))
			return 0;
		umfs_lane_put(tx);
		umfs_order_wait(fs, &inode->lock);
		umfs_lock_await(fs, &inode->lock, &w);
	}
}

void umfs_leave_inode(struct umfs_tx *tx, struct umfs_inode_pm *inode)
{
	umfs_unlock(tx->fs, &inode->lock);
	umfs_lane_put(tx);
}

void umfs_leave(struct umfs_tx *tx, const uint32_t *ino, uint32_t count)
{
	unlock_up_to(tx->fs, ino, count, UINT32_MAX);
	umfs_lane_put(tx);
}

void umfs_leave_others(struct umfs_tx *tx, const uint32_t *ino, uint32_t count, uint32_t keep)
{
	uint32_t at = 0;

	while ((at = next_above(ino, count, at)))
		if (at != keep)
			umfs_unlock(tx->fs, &umfs_inode_known(tx->fs, at)->lock);
}

void umfs_seq_heal(struct umfs_inode_pm *inode)
{
	if (ld64(&inode->seq) & 1) {
		umfs_seq_begin(inode);
		st64(&inode->seq, ld64(&inode->seq) + 1);
	}
}
