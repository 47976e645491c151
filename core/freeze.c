// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * freeze.c - a pool that stays as it is while somebody copies it.
 *
 * The word `freeze` of the runtime zone is a lock word: it is held by the slot that
 * froze the pool, and so free when that slot is dead and was cleaned up. Nobody takes
 * it but to freeze; who changes the pool only looks at it.
 *
 *   free --freeze_take--> held, others may be inside --quiet--> frozen
 *        <--umfs_thaw, death of the holder, nobody attached-- held or frozen
 *
 * I1  What is changed while the pool is frozen is the runtime zone and nothing else:
 *     slots, records, descriptions, lock words, and of an inode's hot line the word
 *     that names its record, its lock and its sequence. A copy made meanwhile has each
 *     word of these as of some moment, and recovery believes none of them: nobody is
 *     alive in a copy, and a record that inode and epoch do not both name is nothing.
 * I2  Who changes more takes something first, by an atomic operation that is a full
 *     barrier, and then looks at the word; the freezer stores the word, by another one,
 *     and then looks for what is taken. So one of them sees the other. Taken are
 *       - a lane (its busy word), by all operations but the next three;
 *       - the inode's lock, by a write without a lane (write_page.c), which is
 *         found because its inode has a record;
 *       - `cleaning` of the own slot, by who cleans up after the dead or gives his spare
 *         pages back;
 *       - the attach lock, under which the word is stored, by who grows the pool or
 *         cleans a slot up to take it.
 * I3  While it is frozen a slot is cleaned up only if that changes nothing but the
 *     runtime zone (umfs_slot_at_rest). All others wait for the thaw, as their writers do.
 *     But for the holder's own: with it the freeze ends.
 * I4  A copy has slots of one moment and lock words of others, which may be of a later
 *     incarnation than its slot has there. The first to attach moves all incarnations by
 *     an amount that nobody can foresee (slot.c, I3), so whoever comes next gets none of those.
 */
#include "internal.h"

#define PAUSE_FIRST_NS 20000ull
#define PAUSE_LAST_NS 5000000ull

static le64 *freeze_word(const struct umfs *fs)
{
	return &umfs_runtime(fs)->freeze;
}

bool umfs_freeze_holds(const struct umfs *fs)
{
	return !fs->alone && !umfs_lock_free(fs, ld64(freeze_word(fs)));
}

bool umfs_frozen_by(const struct umfs *fs, uint32_t *slot)
{
	uint64_t word = ld64(freeze_word(fs));

	*slot = umfs_lock_slot(word);
	return !umfs_lock_free(fs, word);
}

/* ---- who has to wait ---- */

void umfs_freeze_await(struct umfs *fs)
{
	struct umfs_wait w = {0, 0};
	uint64_t seen;

	while (!fs->broken && umfs_freeze_holds(fs))
		umfs_lock_await(fs, freeze_word(fs), &w);
	/* A word that is free and not 0, which only damage leaves, would make everybody look twice. */
	seen = ld64(freeze_word(fs));
	if (seen && umfs_lock_free(fs, seen))
		(void)cas64(freeze_word(fs), &seen, 0);
}

void umfs_cleaning_begin(struct umfs *fs)
{
	if (fs->slot < fs->geo.slot_count)
		(void)add32(&umfs_slot(fs, fs->slot)->cleaning, 1);
}

void umfs_cleaning_end(struct umfs *fs)
{
	if (fs->slot < fs->geo.slot_count)
		(void)add32(&umfs_slot(fs, fs->slot)->cleaning, UINT32_MAX);
}

static bool lane_at_rest(struct umfs_lane_pm *lane)
{
	return (ld64(&lane->state) & 3) == UMFS_TX_IDLE && !ld64(&lane->spare) &&
	       !ld64(&lane->swap_entry) && !ld64(&lane->promise) && !ld64(&lane->group) &&
	       !(ld64(&umfs_lane_ulog(lane)->state) & 1);
}

bool umfs_slot_at_rest(const struct umfs *fs, uint32_t slot)
{
	uint32_t i;

	if (ld32(&umfs_slot(fs, slot)->state) == UMFS_SLOT_FREE)
		return true;
	for (i = 0; i < fs->geo.lanes_per_slot; i++)
		if (umfs_lane_used(fs, slot, i) && !lane_at_rest(umfs_lane(fs, slot, i)))
			return false;
	for (i = 0; i < fs->geo.reserve_count; i++)
		if (umfs_lock_held_by(fs, ld64(&umfs_reserve(fs, i)->lock), slot))
			return false;
	return true;
}

bool umfs_freeze_lets_clean(const struct umfs *fs, uint32_t slot)
{
	uint32_t holder;

	if (!umfs_frozen(fs) || !umfs_frozen_by(fs, &holder))
		return true;
	return (holder == fs->slot && fs->freezing) || (holder == slot && holder != fs->slot) ||
	       umfs_slot_at_rest(fs, slot);
}

/* ---- freezing ---- */

/* Attach lock held. */
static int freeze_take(struct umfs *fs, uint32_t *slot)
{
	uint64_t mine = umfs_lock_value(fs, fs->slot), seen = ld64(freeze_word(fs));

	for (;;) {
		*slot = umfs_lock_slot(seen);
		if (!umfs_lock_free(fs, seen) &&
		    (*slot == fs->slot || umfs_slot_recover(fs, *slot)))
			return -EBUSY;
		if (umfs_lock_free(fs, seen) && cas64(freeze_word(fs), &seen, mine))
			return 0;
	}
}

/* How long is waited for operations that are under way. */
struct patience {
	uint64_t left_ns, pause_ns;
};

/*
 * Who is waited for may wait for what a dead one holds, whom he does not clean up after (I3):
 * all the dead are looked for before each sleep.
 */
static bool sleep_on(struct umfs *fs, struct patience *p, const le32 *word)
{
	uint64_t ns = UMFS_MIN(p->pause_ns, p->left_ns);

	if (!ns)
		return false;
	umfs_slot_recover_dead(fs);
	port_wait((const uint32_t *)(const void *)word, ld32(word), ns);
	p->left_ns -= ns;
	p->pause_ns = UMFS_MIN(p->pause_ns * 2, PAUSE_LAST_NS);
	return true;
}

/* What says that the slot is at work, or NULL; the dead are cleaned up. */
static const le32 *at_work(struct umfs *fs, uint32_t slot)
{
	const struct umfs_slot_pm *s = umfs_slot(fs, slot);
	uint32_t i;

	if (ld32(&s->state) == UMFS_SLOT_FREE ||
	    (slot != fs->slot && !umfs_slot_recover(fs, slot)))
		return NULL;
	for (i = 0; i < fs->geo.lanes_per_slot; i++) {
		const le32 *busy = &umfs_lane(fs, slot, i)->busy;

		if (ld32(busy) == ld32(&s->incarnation))
			return busy;
	}
	return ld32(&s->cleaning) ? &s->cleaning : NULL;
}

static int slots_quiet(struct umfs *fs, struct patience *p, uint32_t *slot)
{
	const le32 *word;

	for (*slot = 0; *slot < fs->geo.slot_count; ++*slot) {
		p->pause_ns = PAUSE_FIRST_NS;
		while ((word = at_work(fs, *slot)))
			if (!sleep_on(fs, p, word))
				return -ETIMEDOUT;
	}
	return 0;
}

/* Until the lock was free once: who takes it later sees that the pool is frozen (I2). */
static int lock_quiet(struct umfs *fs, le64 *word, struct patience *p, uint32_t *slot)
{
	uint64_t seen;

	p->pause_ns = PAUSE_FIRST_NS;
	while (!umfs_lock_free(fs, seen = ld64(word))) {
		*slot = umfs_lock_slot(seen);
		if (*slot != fs->slot && !umfs_slot_recover(fs, *slot))
			continue;
		if (!sleep_on(fs, p, (const le32 *)(const void *)word))
			return -ETIMEDOUT;
	}
	return 0;
}

static int files_quiet(struct umfs *fs, struct patience *p, uint32_t *slot)
{
	uint32_t i;

	for (i = 0; i < fs->geo.irec_count; i++) {
		uint64_t key = ld64(&umfs_irec(fs, i)->key);
		struct umfs_inode_pm *inode;
		int err = 0;

		if (key >> 32 != fs->epoch)
			continue;
		inode = umfs_inode(fs, (uint32_t)key);
		if (inode)
			err = lock_quiet(fs, &inode->lock, p, slot);
		if (err)
			return err;
	}
	return 0;
}

static int quiet(struct umfs *fs, uint64_t ns, uint32_t *slot)
{
	struct patience p = {.left_ns = ns};
	int err = slots_quiet(fs, &p, slot);

	return err ? err : files_quiet(fs, &p, slot);
}

int umfs_freeze(struct umfs *fs, uint64_t ns, uint32_t *slot)
{
	int err;

	if (fs->broken)
		return -EIO;
	if (fs->readonly)
		return -EROFS;
	err = umfs_attach_lock(fs);
	if (err)
		return err;
	err = freeze_take(fs, slot);
	umfs_attach_unlock(fs);
	if (err)
		return err;
	fs->freezing = 1;
	err = quiet(fs, ns, slot);
	fs->freezing = 0;
	if (!err && fs->broken)
		err = -EIO;
	if (err)
		(void)umfs_thaw(fs);
	return err;
}

int umfs_thaw_of(struct umfs *fs, uint32_t slot)
{
	le64 *word = freeze_word(fs);
	uint64_t seen = ld64(word);

	do
		if (umfs_lock_free(fs, seen) || umfs_lock_slot(seen) != slot)
			return -EINVAL;
	while (!cas64(word, &seen, 0));
	port_wake((const uint32_t *)(const void *)word);
	return 0;
}

int umfs_thaw(struct umfs *fs)
{
	return umfs_thaw_of(fs, fs->slot) ? -ESTALE : 0;
}

uint32_t umfs_mapped_files(const struct umfs *fs)
{
	uint32_t epoch = ld32(&umfs_runtime(fs)->epoch), i, n = 0;

	for (i = 0; i < fs->geo.irec_count; i++)
		n += ld64(&umfs_irec(fs, i)->key) >> 32 == epoch && umfs_irec_mapped(umfs_irec(fs, i));
	return n;
}
