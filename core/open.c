// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * open.c - who has which file open: records of open inodes, open file descriptions.
 *
 * A record (irec) has a bit per slot; a process counts its own holders in
 * private memory and sets or clears only its bit, so a dead process's holds are
 * dropped by clearing one bit per record. The inode's hot line says where its
 * record is. An open file description (ofd) works the same way.
 *
 * I1  A record is found, held, dropped and freed under its inode's lock.
 * I2  Whoever leaves an inode without names, or pages past its end, has first
 *     made the record's flag durable; so every crash leaves a record by which
 *     recovery finds what to reclaim.
 * I3  An ofd is freed by one compare-and-swap of its key, which never repeats
 *     within an epoch while anybody can remember it.
 * I4  A call may be inside when another thread closes its ofd. It holds the ofd's
 *     lock, and found under it that the ofd was still the one it meant
 *     (umfs_ofd_lock). So an ofd is taken anew, and filled in, only by who has its
 *     lock; one that is locked is passed over.
 */
#include "internal.h"

static uint64_t slot_bit(uint32_t slot)
{
	return 1ull << slot % 64u;
}

static bool bits_empty(const le64 bits[4])
{
	return !(ld64(&bits[0]) | ld64(&bits[1]) | ld64(&bits[2]) | ld64(&bits[3]));
}

static uint32_t key_epoch(uint64_t key)
{
	return (uint32_t)(key >> 32);
}

static void widen(uint32_t *low, uint32_t *high, uint32_t index)
{
	if (*high == 0 || index < *low)
		*low = index;
	if (index >= *high)
		*high = index + 1;
}

/* ---- records of open inodes ---- */

struct umfs_irec_pm *umfs_irec_find(struct umfs *fs, const struct umfs_inode_pm *inode,
				    uint32_t ino)
{
	uint64_t rec = ld64(&inode->rec);
	uint32_t index = (uint32_t)rec;

	if (key_epoch(rec) != fs->epoch || index >= fs->geo.irec_count ||
	    ld64(&umfs_irec(fs, index)->key) != ((uint64_t)fs->epoch << 32 | ino))
		return NULL;
	return umfs_irec(fs, index);
}

/* Claim a free record for the inode. */
static int irec_claim(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino,
		      struct umfs_irec_pm **rec)
{
	uint64_t mine = (uint64_t)fs->epoch << 32 | ino;
	uint32_t i, k;

	for (i = 0; i < fs->geo.irec_count; i++) {
		uint32_t index = (fs->irec_cursor + i) % fs->geo.irec_count;
		struct umfs_irec_pm *r = umfs_irec(fs, index);
		uint64_t key = ld64(&r->key);

		if (key_epoch(key) == fs->epoch || !cas64(&r->key, &key, mine))
			continue;
		for (k = 0; k < 4; k++)
			st64(&r->opens[k], 0);
		st32(&r->flags, 0);
		st32(&r->generation, ld32(&inode->generation));
		st64(&r->dirty_lo, 0);
		st64(&r->dirty_hi, 0);
		umfs_flush(fs, r, sizeof(*r));
		st64(&inode->rec, (uint64_t)fs->epoch << 32 | index);
		fs->irec_cursor = index + 1;
		*rec = r;
		return 0;
	}
	return -ENFILE;
}

int umfs_irec_hold(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino, uint32_t *irec)
{
	struct umfs_irec_pm *rec = umfs_irec_find(fs, inode, ino);
	int err;

	if (!rec) {
		err = irec_claim(fs, inode, ino, &rec);
		if (err)
			return err;
	}
	*irec = (uint32_t)(rec - umfs_irec(fs, 0));
	widen(&fs->irec_low, &fs->irec_high, *irec);
	if (__atomic_fetch_add(&fs->irec_refs[*irec], 1, __ATOMIC_ACQ_REL) == 0)
		or64(&rec->opens[fs->slot / 64u], slot_bit(fs->slot));
	return 0;
}

/* Durable when this returns (I2), and so is the way from the inode to the record. */
void umfs_irec_flag(struct umfs *fs, struct umfs_inode_pm *inode, struct umfs_irec_pm *rec,
		    uint32_t flag)
{
	if ((ld32(&rec->flags) & flag) == flag)
		return;
	umfs_flush(fs, &inode->rec, sizeof(inode->rec));
	st32(&rec->flags, ld32(&rec->flags) | flag);
	umfs_flush(fs, rec, sizeof(*rec));
	umfs_fence(fs);
}

/* ---- the last holder is gone ---- */

int umfs_inode_reclaim(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino)
{
	int err;

	umfs_seq_begin(inode);
	if (umfs_is_dir(ld32(&inode->mode)))
		err = umfs_dir_clear(tx, inode, ino);
	else
		err = umfs_fpt_trim(tx, inode, ino, 0);
	if (err)
		goto out;
	umfs_tx_begin(tx);
	err = umfs_inode_save(tx, inode);
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
	umfs_seq_end(inode);
	return err;
}

/* What its record promises for an inode that nobody has open; lane and lock held. */
static void irec_settle(struct umfs_tx *tx, struct umfs_irec_pm *rec, struct umfs_inode_pm *inode,
			uint32_t ino)
{
	uint32_t flags = ld32(&rec->flags);
	uint64_t pages = umfs_inode_pages_kept(inode);

	if ((flags & UMFS_IREC_ORPHAN) && ld32(&inode->nlink) == 0) {
		(void)umfs_inode_reclaim(tx, inode, ino);
	} else if ((flags & UMFS_IREC_TRIM) && umfs_is_reg(ld32(&inode->mode))) {
		umfs_seq_begin(inode);
		(void)umfs_fpt_trim(tx, inode, ino, pages);
		umfs_seq_end(inode);
	}
}

/*
 * The last holder is gone. The record is let go of after what it promises is
 * done, so that a death in between leaves it to be found again.
 */
static void irec_finish(struct umfs_tx *tx, struct umfs_irec_pm *rec,
			struct umfs_inode_pm *inode, uint32_t ino)
{
	struct umfs *fs = tx->fs;
	bool its = umfs_irec_find(fs, inode, ino) == rec;

	if (its && ld32(&inode->mode) && ld32(&inode->generation) == ld32(&rec->generation)) {
		umfs_irec_sync(fs, inode, rec);
		irec_settle(tx, rec, inode, ino);
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

/* Inode locked. False: this may be the last holder of an inode with work to do, a lane is needed. */
static bool drop_locked(struct umfs *fs, struct umfs_tx *tx, struct umfs_irec_pm *rec,
			struct umfs_inode_pm *inode, uint32_t irec)
{
	if (!tx && !nothing_promised(rec))
		return false;
	if (__atomic_sub_fetch(&fs->irec_refs[irec], 1, __ATOMIC_ACQ_REL))
		return true;
	and64(&rec->opens[fs->slot / 64u], ~slot_bit(fs->slot));
	if (!bits_empty(rec->opens))
		return true;
	if (tx) {
		irec_finish(tx, rec, inode, (uint32_t)ld64(&rec->key));
	} else {
		st64(&inode->rec, 0);
		st64(&rec->key, 0);
	}
	return true;
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
	if (ld64(&rec->key) == key && bits_empty(rec->opens))
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
	uint32_t i;

	fs->zombies = 0;
	for (i = 0; i < fs->geo.irec_count; i++) {
		struct umfs_irec_pm *rec = umfs_irec(fs, i);

		if (key_epoch(ld64(&rec->key)) == fs->epoch && bits_empty(rec->opens))
			reap_one(fs, i, patient);
	}
}

/* ---- open file descriptions ---- */

static struct umfs_ofd_pm *ofd_at(const struct umfs *fs, uint32_t index)
{
	return (struct umfs_ofd_pm *)umfs_page(fs, fs->geo.ofds_page) + index;
}

struct umfs_ofd_pm *umfs_ofd(struct umfs *fs, uint32_t ofd)
{
	if (ofd >= fs->geo.ofd_count || key_epoch(ld64(&ofd_at(fs, ofd)->key)) != fs->epoch)
		return NULL;
	return ofd_at(fs, ofd);
}

struct umfs_ofd_pm *umfs_ofd_of(const struct umfs_file *f)
{
	struct umfs_ofd_pm *o = umfs_ofd(f->fs, f->ofd);

	return o && ld32(&o->ino) == f->ino && ld32(&o->generation) == f->generation &&
			       __atomic_load_n(&f->fs->ofd_refs[f->ofd], __ATOMIC_ACQUIRE)
		       ? o
		       : NULL;
}

int umfs_ofd_lock(const struct umfs_file *f, struct umfs_ofd_pm **ofd)
{
	struct umfs_ofd_pm *o = umfs_ofd(f->fs, f->ofd);
	int err = o ? umfs_lock(f->fs, &o->lock) : -EBADF;

	if (err)
		return err;
	*ofd = umfs_ofd_of(f);
	if (*ofd)
		return 0;
	umfs_unlock(f->fs, &o->lock);
	return -EBADF;
}

/* The claimer's slot is part of the key, so that its death in here is cleaned up. Lock held. */
static bool claim_one(struct umfs *fs, struct umfs_ofd_pm *o)
{
	uint64_t key = ld64(&o->key), mine = (uint64_t)fs->epoch << 32 | fs->slot << 24;
	uint32_t k;

	if (key_epoch(key) == fs->epoch)
		return false;
	mine |= __atomic_add_fetch(&fs->serial, 1, __ATOMIC_RELAXED) & 0xffffffu;
	if (!cas64(&o->key, &key, mine))
		return false;
	for (k = 0; k < 4; k++)
		st64(&o->slots[k], 0);
	return true;
}

/* A free one, locked (I4). */
static int ofd_claim(struct umfs *fs, uint32_t *ofd)
{
	uint64_t mine = umfs_lock_value(fs, fs->slot);
	uint32_t i;

	for (i = 0; i < fs->geo.ofd_count; i++) {
		uint32_t index = (fs->ofd_cursor + i) % fs->geo.ofd_count;
		struct umfs_ofd_pm *o = ofd_at(fs, index);

		if (key_epoch(ld64(&o->key)) == fs->epoch || !umfs_lock_try(fs, &o->lock, mine))
			continue;
		if (!claim_one(fs, o)) {
			umfs_unlock(fs, &o->lock);
			continue;
		}
		fs->ofd_cursor = index + 1;
		*ofd = index;
		return 0;
	}
	return -ENFILE;
}

static int hold_open(struct umfs *fs, umfs_node node, uint32_t *irec, uint32_t *generation)
{
	struct umfs_inode_pm *inode;
	int err = umfs_inode_check(fs, node, &inode);

	if (err)
		return err;
	if (ld64(&inode->base))
		return -ENOTSUP; /* written in kernel mode and not rebased */
	err = umfs_lock(fs, &inode->lock);
	if (err)
		return err;
	err = umfs_node_check(inode, node);
	if (!err && !ld32(&inode->nlink) && !umfs_irec_find(fs, inode, (uint32_t)node))
		err = node >> 32 ? -ESTALE : -ENOENT;
	if (!err) /* without a name it can still be opened by who has it open */
		err = umfs_irec_hold(fs, inode, (uint32_t)node, irec);
	*generation = ld32(&inode->generation);
	umfs_unlock(fs, &inode->lock);
	return err;
}

int umfs_ofd_new(struct umfs *fs, const struct umfs_held *h, uint32_t flags, uint32_t *ofd)
{
	struct umfs_ofd_pm *o;
	int err = ofd_claim(fs, ofd);

	if (err) {
		umfs_irec_drop(fs, h->irec);
		return err;
	}
	o = ofd_at(fs, *ofd);
	st32(&o->ino, h->ino);
	st32(&o->generation, h->generation);
	st32(&o->irec, h->irec);
	st32(&o->flags, flags);
	st64(&o->pos, 0);
	__atomic_store_n(&fs->ofd_refs[*ofd], 1, __ATOMIC_RELEASE);
	widen(&fs->ofd_low, &fs->ofd_high, *ofd);
	or64(&o->slots[fs->slot / 64u], slot_bit(fs->slot));
	umfs_unlock(fs, &o->lock);
	return 0;
}

int umfs_open(struct umfs *fs, umfs_node node, uint32_t flags, uint32_t *ofd)
{
	struct umfs_held h = {.ino = (uint32_t)node};
	int err;

	if (fs->zombies)
		umfs_reap(fs, false);
	umfs_atime_day(fs);
	err = hold_open(fs, node, &h.irec, &h.generation);
	return err ? err : umfs_ofd_new(fs, &h, flags, ofd);
}

void umfs_ofd_get(struct umfs *fs, uint32_t ofd)
{
	__atomic_fetch_add(&fs->ofd_refs[ofd], 1, __ATOMIC_ACQ_REL);
}

/* A slot lets go; the last one frees the description (I3). */
static void ofd_leave(struct umfs_ofd_pm *o, uint32_t slot)
{
	uint64_t key = ld64(&o->key);

	and64(&o->slots[slot / 64u], ~slot_bit(slot));
	if (bits_empty(o->slots))
		(void)cas64(&o->key, &key, 0);
}

void umfs_ofd_put(struct umfs *fs, uint32_t ofd)
{
	struct umfs_ofd_pm *o = ofd_at(fs, ofd);
	uint32_t irec = ld32(&o->irec);

	if (__atomic_sub_fetch(&fs->ofd_refs[ofd], 1, __ATOMIC_ACQ_REL))
		return;
	ofd_leave(o, fs->slot);
	if (irec < fs->geo.irec_count)
		umfs_irec_drop(fs, irec);
}

/* ---- slots come and go ---- */

static void drop_ofd(struct umfs *fs, struct umfs_ofd_pm *o, uint32_t slot)
{
	uint64_t key = ld64(&o->key);

	if (key_epoch(key) != fs->epoch)
		return;
	if (ld64(&o->slots[slot / 64u]) & slot_bit(slot))
		ofd_leave(o, slot);
	else if (bits_empty(o->slots) && ((uint32_t)key >> 24) == slot)
		(void)cas64(&o->key, &key, 0); /* it died claiming it */
}

static void drop_irec(struct umfs *fs, struct umfs_irec_pm *rec, uint32_t slot)
{
	if (key_epoch(ld64(&rec->key)) != fs->epoch)
		return;
	if (ld64(&rec->opens[slot / 64u]) & slot_bit(slot))
		and64(&rec->opens[slot / 64u], ~slot_bit(slot));
	if (bits_empty(rec->opens))
		fs->zombies = 1;
}

/* Bits of a slot that is dead and claimed; files it was the last to hold become zombies. */
void umfs_slot_drop_opens(struct umfs *fs, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < fs->geo.ofd_count; i++)
		drop_ofd(fs, ofd_at(fs, i), slot);
	for (i = 0; i < fs->geo.irec_count; i++)
		drop_irec(fs, umfs_irec(fs, i), slot);
}

/* The same for this process when it leaves: it knows where its own lie. */
void umfs_slot_drop_own_opens(struct umfs *fs)
{
	uint32_t i;

	for (i = fs->ofd_low; i < fs->ofd_high; i++)
		drop_ofd(fs, ofd_at(fs, i), fs->slot);
	for (i = fs->irec_low; i < fs->irec_high; i++)
		drop_irec(fs, umfs_irec(fs, i), fs->slot);
}

void umfs_ofd_give(struct umfs *fs, uint32_t ofd, uint32_t slot)
{
	struct umfs_ofd_pm *o = ofd_at(fs, ofd);
	uint32_t irec = ld32(&o->irec);

	if (irec < fs->geo.irec_count)
		or64(&umfs_irec(fs, irec)->opens[slot / 64u], slot_bit(slot));
	or64(&o->slots[slot / 64u], slot_bit(slot));
}

int umfs_ofd_inherit(struct umfs *fs, uint32_t ofd)
{
	struct umfs_ofd_pm *o = umfs_ofd(fs, ofd);
	uint32_t irec;

	if (!o || !(ld64(&o->slots[fs->slot / 64u]) & slot_bit(fs->slot)))
		return -EBADF;
	irec = ld32(&o->irec);
	if (irec >= fs->geo.irec_count)
		return -EUCLEAN;
	if (__atomic_fetch_add(&fs->ofd_refs[ofd], 1, __ATOMIC_ACQ_REL) == 0)
		__atomic_fetch_add(&fs->irec_refs[irec], 1, __ATOMIC_ACQ_REL);
	widen(&fs->ofd_low, &fs->ofd_high, ofd);
	widen(&fs->irec_low, &fs->irec_high, irec);
	return 0;
}

/*
 * Give another slot a share of all that this process has open. What is held
 * without an ofd is held for the time of a call, by a thread that the child of
 * fork will not have. No ofd is opened or closed here meanwhile.
 */
void umfs_slot_share_opens(struct umfs *fs, uint32_t slot)
{
	uint32_t i;

	for (i = fs->ofd_low; i < fs->ofd_high; i++)
		if (__atomic_load_n(&fs->ofd_refs[i], __ATOMIC_ACQUIRE))
			umfs_ofd_give(fs, i, slot);
}

/* The child's side of that: it holds what its ofds hold. */
void umfs_slot_recount_opens(struct umfs *fs)
{
	uint32_t i;

	for (i = fs->irec_low; i < fs->irec_high; i++)
		fs->irec_refs[i] = 0;
	for (i = fs->ofd_low; i < fs->ofd_high; i++) {
		uint32_t irec = ld32(&ofd_at(fs, i)->irec);

		if (fs->ofd_refs[i] && irec < fs->geo.irec_count)
			fs->irec_refs[irec]++;
	}
}
