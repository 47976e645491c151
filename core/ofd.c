// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * ofd.c - open file descriptions: inode, position and flags, shared over dup, fork and exec.
 *
 * As a record of an open inode (irec.c), a description has a bit per slot; a
 * process counts its own references in private memory.
 *
 * I1  An ofd is freed by one compare-and-swap of its key, which never repeats
 *     while anybody can remember it: the serial in it stays when it is freed, and the
 *     next who takes it adds one. So no count is shared by those who open files.
 * I2  A call may be inside when another thread closes its ofd. It holds the ofd's
 *     lock, and found under it that the ofd was still the one it meant
 *     (umfs_ofd_lock). So an ofd is taken anew, and filled in, only by who has its
 *     lock; one that is locked is passed over. Which one it meant says its key, the
 *     low bits of which the caller has: the same inode may be open there again.
 */
#include "open.h"

static struct umfs_ofd_pm *ofd_at(const struct umfs *fs, uint32_t index)
{
	return (struct umfs_ofd_pm *)umfs_page(fs, fs->geo.ofds_page) + index;
}

struct umfs_ofd_pm *umfs_ofd(struct umfs *fs, uint32_t ofd)
{
	if (ofd >= fs->geo.ofd_count || umfs_key_epoch(ld64(&ofd_at(fs, ofd)->key)) != fs->epoch)
		return NULL;
	return ofd_at(fs, ofd);
}

struct umfs_ofd_pm *umfs_ofd_of(const struct umfs_file *f)
{
	struct umfs_ofd_pm *o = umfs_ofd(f->fs, f->ofd);

	return o && (ld64(&o->key) & ((1u << UMFS_FILE_TAG_BITS) - 1)) == f->tag &&
			       ld32(&o->ino) == f->ino && ld32(&o->generation) == f->generation &&
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

/* Under the lock: no two callers lose each other's change, and it goes to no other description. */
int umfs_ofd_set_flags(const struct umfs_file *f, uint32_t mask, uint32_t flags)
{
	struct umfs_ofd_pm *o;
	int err = umfs_ofd_lock(f, &o);

	if (err)
		return err;
	st32(&o->flags, (ld32(&o->flags) & ~mask) | (flags & mask));
	umfs_unlock(f->fs, &o->lock);
	return 0;
}

#define SERIAL_MASK 0xffffffu

/* Of no epoch. */
static uint64_t freed_key(uint64_t key)
{
	return key & SERIAL_MASK;
}

/*
 * The claimer's slot is part of the key, so that its death in here is cleaned up. Lock held:
 * nobody else changes a key that is free (I2), or the slots before there is a reference.
 */
static bool claim_one(struct umfs *fs, struct umfs_ofd_pm *o)
{
	uint64_t key = ld64(&o->key), mine = (uint64_t)fs->epoch << 32 | fs->slot << 24;
	uint32_t k;

	if (umfs_key_epoch(key) == fs->epoch)
		return false;
	mine |= (key + 1) & SERIAL_MASK;
	st64(&o->key, mine);
	for (k = 0; k < 4; k++)
		st64(&o->slots[k], 0);
	return true;
}

/* Take this one, locked (I2), if it is free. */
static bool claim_at(struct umfs *fs, uint32_t index)
{
	struct umfs_ofd_pm *o = ofd_at(fs, index);

	if (umfs_key_epoch(ld64(&o->key)) == fs->epoch ||
	    !umfs_lock_try(fs, &o->lock, umfs_lock_value(fs, fs->slot)))
		return false;
	umfs_ofd_note(fs, index);
	if (claim_one(fs, o))
		return true;
	umfs_unlock(fs, &o->lock);
	return false;
}

int umfs_ofd_claim(struct umfs *fs, uint32_t *ofd)
{
	struct umfs_recent *recent = umfs_recent(fs);
	uint32_t cursor, i;

	if (umfs_recent_take(&recent->ofd, ofd) && claim_at(fs, *ofd))
		return 0;
	cursor = __atomic_load_n(&recent->ofd_cursor, __ATOMIC_RELAXED);
	for (i = 0; i < fs->geo.ofd_count; i++) {
		*ofd = (cursor + i) % fs->geo.ofd_count;
		if (claim_at(fs, *ofd)) {
			__atomic_store_n(&recent->ofd_cursor, *ofd + 1, __ATOMIC_RELAXED);
			return 0;
		}
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

void umfs_ofd_unclaim(struct umfs *fs, uint32_t ofd)
{
	struct umfs_ofd_pm *o = ofd_at(fs, ofd);

	st64(&o->key, freed_key(ld64(&o->key)));
	umfs_unlock(fs, &o->lock);
}

void umfs_ofd_fill(struct umfs *fs, uint32_t ofd, const struct umfs_held *h, uint32_t flags)
{
	struct umfs_ofd_pm *o = ofd_at(fs, ofd);

	st32(&o->ino, h->ino);
	st32(&o->generation, h->generation);
	st32(&o->irec, h->irec);
	st32(&o->flags, flags);
	st64(&o->pos, 0);
	st64(&o->slots[fs->slot / 64u], umfs_slot_bit(fs->slot));
	__atomic_store_n(&fs->ofd_refs[ofd], 1, __ATOMIC_RELEASE);
	umfs_widen(&fs->ofd_range, ofd);
	umfs_unlock(fs, &o->lock);
}

int umfs_ofd_new(struct umfs *fs, const struct umfs_held *h, uint32_t flags, uint32_t *ofd)
{
	int err = umfs_ofd_claim(fs, ofd);

	if (err)
		umfs_irec_drop(fs, h->irec);
	else
		umfs_ofd_fill(fs, *ofd, h, flags);
	return err;
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

/* A slot lets go; the last one frees the description (I1). */
static void ofd_leave(struct umfs_ofd_pm *o, uint32_t slot)
{
	uint64_t key = ld64(&o->key);

	and64(&o->slots[slot / 64u], ~umfs_slot_bit(slot));
	if (umfs_slots_empty(o->slots))
		(void)cas64(&o->key, &key, freed_key(key));
}

void umfs_ofd_put(struct umfs *fs, uint32_t ofd)
{
	struct umfs_ofd_pm *o = ofd_at(fs, ofd);
	uint32_t irec = ld32(&o->irec);

	/* In a pool that is lost to this process the slot may be another's. */
	if (__atomic_sub_fetch(&fs->ofd_refs[ofd], 1, __ATOMIC_ACQ_REL) || fs->broken)
		return;
	ofd_leave(o, fs->slot);
	umfs_recent_give(&umfs_recent(fs)->ofd, ofd);
	if (irec < fs->geo.irec_count)
		umfs_irec_drop(fs, irec);
}

/*
 * Under the lock nobody claims it, so what was set in a description that was freed
 * meanwhile can be taken back.
 */
int umfs_ofd_join(struct umfs *fs, uint32_t ofd, uint64_t key)
{
	struct umfs_ofd_pm *o = umfs_ofd(fs, ofd);
	le64 *slots;
	int err = o ? umfs_lock(fs, &o->lock) : -EBADF;

	if (err)
		return err;
	slots = &o->slots[fs->slot / 64u];
	if (ld64(&o->key) != key) {
		err = -EBADF;
		goto out;
	}
	umfs_ofd_note(fs, ofd);
	or64(slots, umfs_slot_bit(fs->slot));
	if (ld64(&o->key) != key) {
		and64(slots, ~umfs_slot_bit(fs->slot));
		err = -EBADF;
		goto out;
	}
	__atomic_fetch_add(&fs->ofd_refs[ofd], 1, __ATOMIC_ACQ_REL);
	umfs_widen(&fs->ofd_range, ofd);
out:
	umfs_unlock(fs, &o->lock);
	return err;
}

/*
 * Its last other holder may have freed it when this one had just joined: then it is free
 * or another's, and under the lock no other's is half made.
 */
void umfs_ofd_part(struct umfs *fs, uint32_t ofd, uint64_t key)
{
	struct umfs_ofd_pm *o = ofd_at(fs, ofd);

	if (fs->broken || umfs_lock(fs, &o->lock)) {
		__atomic_fetch_sub(&fs->ofd_refs[ofd], 1, __ATOMIC_ACQ_REL);
		return;
	}
	if (!__atomic_sub_fetch(&fs->ofd_refs[ofd], 1, __ATOMIC_ACQ_REL) && ld64(&o->key) == key)
		ofd_leave(o, fs->slot);
	umfs_unlock(fs, &o->lock);
}

/* ---- slots come and go ---- */

static void drop_ofd(struct umfs *fs, struct umfs_ofd_pm *o, uint32_t slot)
{
	uint64_t key = ld64(&o->key);

	if (umfs_key_epoch(key) != fs->epoch)
		return;
	if (ld64(&o->slots[slot / 64u]) & umfs_slot_bit(slot))
		ofd_leave(o, slot);
	else if (umfs_slots_empty(o->slots) && ((uint32_t)key >> 24) == slot)
		(void)cas64(&o->key, &key, freed_key(key)); /* it died claiming it */
}

/* Nobody is attached: it is free, whoever its bits name. */
void umfs_ofd_forget(struct umfs *fs, uint32_t ofd)
{
	struct umfs_ofd_pm *o = ofd_at(fs, ofd);

	if (umfs_key_epoch(ld64(&o->key)) == fs->epoch)
		st64(&o->key, freed_key(ld64(&o->key)));
}

/* Bits of a slot that is dead and claimed; files it was the last to hold become zombies. */
void umfs_slot_drop_opens(struct umfs *fs, uint32_t slot)
{
	const struct umfs_runtime_pm *rt = umfs_runtime(fs);
	uint64_t ofds = umfs_blocks(fs, &rt->ofd_blocks), irecs = umfs_blocks(fs, &rt->irec_blocks);
	uint32_t i, end;

	while (umfs_block_next(&ofds, fs->geo.ofd_count, &i, &end))
		for (; i < end; i++)
			drop_ofd(fs, ofd_at(fs, i), slot);
	while (umfs_block_next(&irecs, fs->geo.irec_count, &i, &end))
		for (; i < end; i++)
			umfs_irec_drop_slot(fs, umfs_irec(fs, i), slot);
}

/* The same for this process when it leaves: it knows where its own lie. */
void umfs_slot_drop_own_opens(struct umfs *fs)
{
	uint32_t i;

	for (i = umfs_range_low(&fs->ofd_range); i < umfs_range_high(&fs->ofd_range); i++)
		drop_ofd(fs, ofd_at(fs, i), fs->slot);
	for (i = umfs_range_low(&fs->irec_range); i < umfs_range_high(&fs->irec_range); i++)
		umfs_irec_drop_slot(fs, umfs_irec(fs, i), fs->slot);
}

void umfs_ofd_give(struct umfs *fs, uint32_t ofd, uint32_t slot)
{
	struct umfs_ofd_pm *o = ofd_at(fs, ofd);
	uint32_t irec = ld32(&o->irec);

	if (irec < fs->geo.irec_count) {
		umfs_irec_note(fs, irec);
		or64(&umfs_irec(fs, irec)->opens[slot / 64u], umfs_slot_bit(slot));
	}
	umfs_ofd_note(fs, ofd);
	or64(&o->slots[slot / 64u], umfs_slot_bit(slot));
}

int umfs_ofd_inherit(struct umfs *fs, uint32_t ofd)
{
	struct umfs_ofd_pm *o = umfs_ofd(fs, ofd);
	uint32_t irec;

	if (!o || !(ld64(&o->slots[fs->slot / 64u]) & umfs_slot_bit(fs->slot)))
		return -EBADF;
	irec = ld32(&o->irec);
	if (irec >= fs->geo.irec_count)
		return -EUCLEAN;
	if (__atomic_fetch_add(&fs->ofd_refs[ofd], 1, __ATOMIC_ACQ_REL) == 0)
		__atomic_fetch_add(&fs->irec_refs[irec], 1, __ATOMIC_ACQ_REL);
	umfs_widen(&fs->ofd_range, ofd);
	umfs_widen(&fs->irec_range, irec);
	return 0;
}

#define REFS_KEPT (1u << 31)

/* Held by this process, in the name of `slot`, and maybe by a mapping. */
static bool maps_as(const struct umfs *fs, uint32_t irec, uint32_t slot)
{
	const struct umfs_irec_pm *rec = umfs_irec(fs, irec);

	return __atomic_load_n(&fs->irec_refs[irec], __ATOMIC_ACQUIRE) &&
	       (ld32(&rec->flags) & UMFS_IREC_MAPPED) &&
	       (ld64(&rec->opens[slot / 64u]) & umfs_slot_bit(slot));
}

/*
 * Give another slot a share of all that this process has open or mapped: a child of fork has
 * the mappings, and a page may not be freed while it has. What else is held
 * without an ofd is held for the time of a call, by a thread that the child of
 * fork will not have. No ofd is opened or closed, and nothing mapped, here meanwhile.
 */
void umfs_slot_share_opens(struct umfs *fs, uint32_t slot)
{
	uint32_t i;

	for (i = umfs_range_low(&fs->ofd_range); i < umfs_range_high(&fs->ofd_range); i++)
		if (__atomic_load_n(&fs->ofd_refs[i], __ATOMIC_ACQUIRE))
			umfs_ofd_give(fs, i, slot);
	for (i = umfs_range_low(&fs->irec_range); i < umfs_range_high(&fs->irec_range); i++)
		if (maps_as(fs, i, fs->slot))
			or64(&umfs_irec(fs, i)->opens[slot / 64u], umfs_slot_bit(slot));
}

/* Of inodes nothing is held then: umfs_slot_recount_opens(), at the next attach. */
void umfs_slot_forget_opens(struct umfs *fs)
{
	uint32_t i;

	for (i = umfs_range_low(&fs->ofd_range); i < umfs_range_high(&fs->ofd_range); i++)
		fs->ofd_refs[i] = 0;
}

/*
 * The child's side of that: it holds what its ofds hold. Of a file that is mapped the parent's
 * count, which came along, is right, or too high by calls that were under way there; then
 * the child holds the file until it ends.
 */
void umfs_slot_recount_opens(struct umfs *fs)
{
	uint32_t i;

	for (i = umfs_range_low(&fs->irec_range); i < umfs_range_high(&fs->irec_range); i++)
		/* Others may map what is not mapped yet. */
		fs->irec_refs[i] = maps_as(fs, i, fs->slot) ? fs->irec_refs[i] | REFS_KEPT : 0;
	for (i = umfs_range_low(&fs->ofd_range); i < umfs_range_high(&fs->ofd_range); i++) {
		uint32_t irec = ld32(&ofd_at(fs, i)->irec);

		if (fs->ofd_refs[i] && irec < fs->geo.irec_count &&
		    !(fs->irec_refs[irec] & REFS_KEPT))
			fs->irec_refs[irec]++;
	}
	for (i = umfs_range_low(&fs->irec_range); i < umfs_range_high(&fs->irec_range); i++)
		fs->irec_refs[i] &= ~REFS_KEPT;
}
