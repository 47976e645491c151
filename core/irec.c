// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * irec.c - records of open inodes: who has which file open.
 *
 * A record has a bit per slot; a process counts its own holders in private
 * memory and sets or clears only its bit, so a dead process's holds are dropped
 * by clearing one bit per record. The inode's hot line says where its record is.
 *
 * I1  A record is found, held, dropped and freed under its inode's lock.
 * I2  Whoever leaves an inode that has a record without names, or with pages past
 *     its end, has first made the record's flag durable; so every crash leaves a
 *     record by which recovery finds what to reclaim. An inode without a record:
 *     promise.c.
 * I3  A free record has no holders' bits: they are cleared before it is freed, and
 *     all of them by the recovery of a whole pool. So a death while one is claimed
 *     leaves nobody's bits in it.
 */
#include "open.h"

struct umfs_irec_pm *umfs_irec_find(struct umfs *fs, const struct umfs_inode_pm *inode,
				    uint32_t ino)
{
	uint64_t rec = ld64(&inode->rec);
	uint32_t index = (uint32_t)rec;

	if (umfs_key_epoch(rec) != fs->epoch || index >= fs->geo.irec_count ||
	    ld64(&umfs_irec(fs, index)->key) != ((uint64_t)fs->epoch << 32 | ino))
		return NULL;
	return umfs_irec(fs, index);
}

/* Take the record for the inode, if it is free. */
static bool claim_at(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino, uint32_t index)
{
	struct umfs_irec_pm *r = umfs_irec(fs, index);
	uint64_t key = ld64(&r->key);
	uint32_t k;

	if (umfs_key_epoch(key) == fs->epoch)
		return false;
	umfs_irec_note(fs, index);
	if (!cas64(&r->key, &key, (uint64_t)fs->epoch << 32 | ino))
		return false;
	for (k = 0; k < 4; k++)
		st64(&r->opens[k], 0);
	st32(&r->flags, 0);
	st32(&r->generation, ld32(&inode->generation));
	st64(&r->dirty_lo, 0);
	st64(&r->dirty_hi, 0); /* a line that need not be durable before it has a flag */
	st64(&inode->rec, (uint64_t)fs->epoch << 32 | index);
	return true;
}

int umfs_irec_claim(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino,
		    struct umfs_irec_pm **rec)
{
	struct umfs_recent *recent = umfs_recent(fs);
	uint32_t cursor, index, i;

	if (umfs_recent_take(&recent->irec, &index) && claim_at(fs, inode, ino, index)) {
		*rec = umfs_irec(fs, index);
		return 0;
	}
	cursor = __atomic_load_n(&recent->irec_cursor, __ATOMIC_RELAXED);
	for (i = 0; i < fs->geo.irec_count; i++) {
		index = (cursor + i) % fs->geo.irec_count;
		if (claim_at(fs, inode, ino, index)) {
			__atomic_store_n(&recent->irec_cursor, index + 1, __ATOMIC_RELAXED);
			*rec = umfs_irec(fs, index);
			return 0;
		}
	}
	return -ENFILE;
}

int umfs_irec_hold(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino, uint32_t *irec)
{
	struct umfs_irec_pm *rec = umfs_irec_find(fs, inode, ino);
	bool found = rec;
	int err;

	if (!found) {
		err = umfs_irec_claim(fs, inode, ino, &rec);
		if (err)
			return err;
		/* It has nobody else's (I3), and gets none until there is a reference (ofd.c). */
		st64(&rec->opens[fs->slot / 64u], umfs_slot_bit(fs->slot));
	}
	*irec = (uint32_t)(rec - umfs_irec(fs, 0));
	umfs_widen(&fs->irec_range, *irec);
	if (__atomic_fetch_add(&fs->irec_refs[*irec], 1, __ATOMIC_ACQ_REL) || !found)
		return 0;
	umfs_irec_note(fs, *irec); /* who claimed it may not know of that */
	or64(&rec->opens[fs->slot / 64u], umfs_slot_bit(fs->slot));
	return 0;
}

/*
 * Durable, as the way from the inode to the record is, by the caller's next fence: the one
 * before the commit of what it announces, or of the record that the pages are noted in (I2).
 * In a recovery the record may be one whose claim a power cut left in part: its first words
 * and the inode's are there, and the generation is a former owner's.
 */
void umfs_irec_flag(struct umfs *fs, struct umfs_inode_pm *inode, struct umfs_irec_pm *rec,
		    uint32_t flag)
{
	uint32_t generation = ld32(&inode->generation);

	if (ld32(&rec->generation) != generation)
		st32(&rec->generation, generation);
	else if ((ld32(&rec->flags) & flag) == flag)
		return;
	umfs_flush(fs, &inode->rec, sizeof(inode->rec));
	st32(&rec->flags, ld32(&rec->flags) | flag);
	umfs_flush(fs, rec, sizeof(*rec));
}

/* ---- the last holder is gone ---- */

int umfs_inode_reclaim(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino)
{
	int err;

	if (!umfs_inode_sealed(inode, ino))
		return -EUCLEAN;
	umfs_seq_begin(inode);
	if (umfs_is_dir(ld32(&inode->mode)))
		err = umfs_dir_clear(tx, inode, ino);
	else
		err = umfs_fpt_trim(tx, inode, ino, 0);
	if (err)
		goto out;
	umfs_tx_begin(tx);
	err = umfs_inode_save(tx, inode, ino);
	if (!err)
		err = umfs_xattr_free(tx, inode);
	if (!err)
		err = umfs_inode_free(tx, ino);
	if (err) {
		umfs_tx_abort(tx);
		goto out;
	}
	umfs_tx_fence(tx);
	st32(&inode->mode, 0);
	umfs_inode_seal(inode, ino);
	umfs_tx_commit(tx);
out:
	umfs_seq_end(tx->fs, inode);
	return err;
}

/* What its record promises for an inode that nobody has open; lane and lock held. */
static void irec_settle(struct umfs_tx *tx, struct umfs_irec_pm *rec, struct umfs_inode_pm *inode,
			uint32_t ino)
{
	struct umfs *fs = tx->fs;
	uint32_t flags = ld32(&rec->flags);
	uint64_t pages = umfs_inode_pages_kept(inode);

	if ((flags & UMFS_IREC_ORPHAN) && ld32(&inode->nlink) == 0) {
		(void)umfs_inode_reclaim(tx, inode, ino);
	} else if ((flags & UMFS_IREC_TRIM) && umfs_is_reg(ld32(&inode->mode)) &&
		   umfs_inode_whole(inode, ino)) {
		/*
		 * Who died may have stored the end and no more. What lies past it is decided by what
		 * it says now, so that is durable before the record is let go of.
		 */
		umfs_flush(fs, &inode->size, sizeof(inode->size));
		umfs_fence(fs);
		umfs_seq_begin(inode);
		(void)umfs_fpt_trim(tx, inode, ino, pages);
		umfs_seq_end(tx->fs, inode);
	}
}

/*
 * The last holder is gone. The record is let go of after what it promises is
 * done, so that a death in between leaves it to be found again. Who lost the pool on
 * the way holds it, so that it is found when that process is dead.
 */
static void irec_finish(struct umfs_tx *tx, struct umfs_irec_pm *rec, struct umfs_inode_pm *inode,
			uint32_t ino)
{
	struct umfs *fs = tx->fs;
	bool its = umfs_irec_find(fs, inode, ino) == rec;

	if (its && ld32(&inode->mode) && ld32(&inode->generation) == ld32(&rec->generation)) {
		umfs_irec_sync(fs, inode, rec);
		irec_settle(tx, rec, inode, ino);
	}
	if (fs->broken) {
		or64(&rec->opens[fs->slot / 64u], umfs_slot_bit(fs->slot));
		return;
	}
	if (its)
		st64(&inode->rec, 0);
	st64(&rec->key, 0);
	umfs_flush(fs, rec, sizeof(*rec));
}

/* Is there nothing to do for the inode but to forget the record? */
static bool nothing_promised(const struct umfs_irec_pm *rec)
{
	return !ld32(&rec->flags) && ld64(&rec->dirty_lo) >= ld64(&rec->dirty_hi);
}

/* Inode locked. False: this may be the last holder and have work to do, for which it needs a lane. */
static bool drop_locked(struct umfs *fs, struct umfs_tx *tx, struct umfs_irec_pm *rec,
			struct umfs_inode_pm *inode, uint32_t irec)
{
	if (!tx && !nothing_promised(rec))
		return false;
	if (__atomic_sub_fetch(&fs->irec_refs[irec], 1, __ATOMIC_ACQ_REL))
		return true;
	and64(&rec->opens[fs->slot / 64u], ~umfs_slot_bit(fs->slot));
	if (!umfs_slots_empty(rec->opens))
		return true;
	if (tx) {
		irec_finish(tx, rec, inode, (uint32_t)ld64(&rec->key));
	} else {
		st64(&inode->rec, 0);
		st64(&rec->key, 0);
	}
	umfs_recent_give(&umfs_recent(fs)->irec, irec);
	return true;
}

/* The pool is frozen: what the last holder would have to do is left for the next reap. */
static void drop_later(struct umfs *fs, struct umfs_irec_pm *rec, struct umfs_inode_pm *inode,
		       uint32_t irec)
{
	if (umfs_lock(fs, &inode->lock))
		return;
	if (!__atomic_sub_fetch(&fs->irec_refs[irec], 1, __ATOMIC_ACQ_REL)) {
		and64(&rec->opens[fs->slot / 64u], ~umfs_slot_bit(fs->slot));
		if (umfs_slots_empty(rec->opens))
			fs->zombies = 1;
	}
	umfs_unlock(fs, &inode->lock);
}

void umfs_irec_drop(struct umfs *fs, uint32_t irec)
{
	struct umfs_irec_pm *rec = umfs_irec(fs, irec);
	uint32_t ino = (uint32_t)ld64(&rec->key);
	struct umfs_inode_pm *inode = umfs_inode(fs, ino);
	struct umfs_tx tx;
	bool done = false;

	if (!inode)
		return;
	if (nothing_promised(rec)) {
		if (umfs_lock(fs, &inode->lock))
			return;
		done = drop_locked(fs, NULL, rec, inode, irec);
		umfs_unlock(fs, &inode->lock);
	}
	if (!done && umfs_frozen(fs)) {
		drop_later(fs, rec, inode, irec);
		return;
	}
	if (done || umfs_enter(fs, &tx, &ino, 1))
		return;
	(void)drop_locked(fs, &tx, rec, inode, irec);
	umfs_leave(&tx, &ino, 1);
}

/* Does somebody alive hold the lock, maybe stopped? A dead owner is recovered. */
static bool held_by_living(struct umfs *fs, le64 *word, bool patient)
{
	uint64_t seen = ld64(word);
	int err;

	if (!patient)
		return !umfs_lock_free(fs, seen) && umfs_slot_recover(fs, umfs_lock_slot(seen));
	err = umfs_lock_soon(fs, word);
	if (!err)
		umfs_unlock(fs, word);
	return err;
}

static void reap_one(struct umfs *fs, uint32_t irec, bool patient)
{
	struct umfs_irec_pm *rec = umfs_irec(fs, irec);
	uint64_t key = ld64(&rec->key);
	uint32_t ino = (uint32_t)key;
	struct umfs_inode_pm *inode = umfs_inode(fs, ino);
	struct umfs_tx tx;

	if (!inode) {
		(void)cas64(&rec->key, &key, 0);
		return;
	}
	if (held_by_living(fs, &inode->lock, patient)) {
		fs->zombies = 1;
		return;
	}
	if (umfs_enter(fs, &tx, &ino, 1))
		return;
	if (ld64(&rec->key) == key && umfs_slots_empty(rec->opens))
		irec_finish(&tx, rec, inode, ino);
	umfs_leave(&tx, &ino, 1);
}

/*
 * Whoever calls this wants something else, so what is locked, if `patient` for
 * longer than 3 ms, is left for the next time: fs->zombies stays 1. Who leaves the
 * pool with that leaves like the dead.
 */
void umfs_reap(struct umfs *fs, bool patient)
{
	uint64_t blocks;
	uint32_t i, end;

	if (umfs_frozen(fs))
		return; /* nobody is to wait for a thaw to do the work of others */
	fs->zombies = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* who sets it again has set a bit that is seen here */
	blocks = umfs_blocks(fs, &umfs_runtime(fs)->irec_blocks);
	while (umfs_block_next(&blocks, fs->geo.irec_count, &i, &end)) {
		for (; i < end; i++) {
			struct umfs_irec_pm *rec = umfs_irec(fs, i);

			if (umfs_key_epoch(ld64(&rec->key)) == fs->epoch &&
			    umfs_slots_empty(rec->opens))
				reap_one(fs, i, patient);
		}
	}
}

/* A slot lets go of all it holds; a file it was the last to hold becomes a zombie. */
void umfs_irec_drop_slot(struct umfs *fs, struct umfs_irec_pm *rec, uint32_t slot)
{
	if (umfs_key_epoch(ld64(&rec->key)) != fs->epoch)
		return;
	if (ld64(&rec->opens[slot / 64u]) & umfs_slot_bit(slot))
		and64(&rec->opens[slot / 64u], ~umfs_slot_bit(slot));
	if (umfs_slots_empty(rec->opens))
		fs->zombies = 1;
}
