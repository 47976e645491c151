// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * slot.c - slots: taking part in a pool, leaving it, and cleaning up after the dead.
 *
 * A slot is one attached address space. The port proves it alive; core's state
 * word only says whether there may be something to clean up.
 *
 *   FREE --slot_enter--> LIVE --umfs_detach--> FREE
 *                        LIVE --(death)--> LIVE --slot_clean--> FREE
 *   FREE --umfs_slot_heir--> HEIR --umfs_slot_inherit--> LIVE
 *                            HEIR --(never taken)--> HEIR --slot_clean--> FREE
 *
 * I1  Who cleans a slot up has it exclusively: it holds the port's claim, or took
 *     the slot over, or nobody is attached.
 * I2  A slot's logs are rolled back and its opens dropped before its incarnation
 *     is raised; that store lets its locks go.
 * I3  What names an incarnation that a slot is to have was stored by who knew it: the
 *     first to attach moves them all by an amount that nobody can foresee, before it
 *     waits for any lock. Else an image could hold locks in the name of whoever attaches,
 *     who would wait for itself.
 * I4  The clean flag is set only by the last to leave and cleared before anybody
 *     changes anything; without it the first to attach recovers every slot.
 * I5  A slot is free as its incarnation is raised, and in use after its lanes are
 *     marked unused in the name of that life (lane.c, I5): at no moment a slot in use
 *     seems to have used lanes that nobody of that life has taken.
 */
#include "internal.h"

#define NO_SLOT UINT32_MAX

uint32_t umfs_mode(const struct umfs *fs)
{
	return ld32(&umfs_runtime(fs)->mode);
}

int umfs_attach_lock(struct umfs *fs)
{
	int err;

	umfs_order_wait(fs, fs);
	err = port_attach_lock(fs);
	if (!err)
		umfs_order_got(fs, fs);
	return err;
}

void umfs_attach_unlock(struct umfs *fs)
{
	umfs_order_let(fs, fs);
	port_attach_unlock(fs);
}

/* ---- cleaning up ---- */

/*
 * What recovery goes by is made durable before anything is done because of it: who died may
 * have stored it, and not written it back. With a commit point lost, power that goes next
 * would have a call undone whose pages are free already; with a record, fewer pages would
 * be to be freed than the lane says are.
 */
static void settle_lanes(struct umfs *fs, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < fs->geo.lanes_per_slot; i++) {
		struct umfs_lane_pm *lane = umfs_lane(fs, slot, i);
		bool active;

		if (!umfs_lane_used(fs, slot, i))
			continue;
		active = (ld64(&lane->state) & 3) == UMFS_TX_ACTIVE;
		umfs_flush(fs, lane, active ? sizeof(*lane) : offsetof(struct umfs_lane_pm, records));
		umfs_flush(fs, umfs_lane_ulog(lane), UMFS_ULOG_HEAD_BYTES);
	}
	umfs_fence(fs);
}

void umfs_slot_leave_groups(struct umfs *fs, uint32_t slot)
{
	uint32_t i;

	settle_lanes(fs, slot);
	for (i = 0; i < fs->geo.lanes_per_slot; i++)
		if (umfs_lane_used(fs, slot, i))
			umfs_lane_leave_group(fs, slot, umfs_lane(fs, slot, i));
}

static void clean_reserves(struct umfs *fs, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < fs->geo.reserve_count && !fs->broken; i++) {
		struct umfs_ulog_pm *log = umfs_reserve(fs, i);

		if (!umfs_lock_held_by(fs, ld64(&log->lock), slot))
			continue;
		umfs_flush(fs, log, UMFS_ULOG_HEAD_BYTES); /* as settle_lanes() */
		umfs_lease_recover(fs, log);
		(void)umfs_ulog_recover(fs, log, UMFS_ATOMIC_BYTES);
	}
}

static void set_slot(struct umfs *fs, uint32_t slot, uint32_t state)
{
	struct umfs_slot_pm *s = umfs_slot(fs, slot);
	uint32_t life = ld32(&s->incarnation) + 1;
	uint64_t lanes = (1ull << fs->geo.lanes_per_slot) - 1;

	if (ld32(&s->cleaning))
		st32(&s->cleaning, 0);
	/*
	 * It is one line, in which what is stored first is durable first (I5). The locks of who had
	 * it before are free from here on (I2), and the slot with them: one store of both words.
	 */
	st64((le64 *)(void *)&s->incarnation, (uint64_t)UMFS_SLOT_FREE << 32 | life);
	st64(&s->unused, state == UMFS_SLOT_FREE ? 0 : (uint64_t)life << 32 | lanes);
	st32(&s->notes, state == UMFS_SLOT_FREE ? 0 : life);
	st32(&s->pid, port_thread());
	st32(&s->state, state);
	umfs_flush(fs, s, sizeof(*s));
	umfs_fence(fs);
}

/* What was under way is undone or done. I1 holds. Restartable: all does nothing the second time. */
static void recover_lanes(struct umfs *fs, uint32_t slot)
{
	uint32_t i;

	umfs_slot_leave_groups(fs, slot);
	for (i = 0; i < fs->geo.lanes_per_slot; i++)
		if (umfs_lane_used(fs, slot, i))
			(void)umfs_lane_recover(fs, slot, umfs_lane(fs, slot, i));
}

/*
 * The lanes are at rest on the medium before the slot is free there, with the words that are
 * cleared last and go with whatever is flushed next: what lies in a free slot nobody looks at,
 * until a lane is taken in its next life, and then it is lost. To fsck it would be damage.
 */
static void leave_slot(struct umfs *fs, uint32_t slot)
{
	settle_lanes(fs, slot);
	set_slot(fs, slot, UMFS_SLOT_FREE);
}

/* And then what it left to do (promise.c, I4). -EIO: the pool is lost, and the slot as it was. */
static int slot_finish(struct umfs *fs, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < fs->geo.lanes_per_slot && !fs->broken; i++)
		if (umfs_lane_used(fs, slot, i))
			umfs_promise_recover(fs, slot, umfs_lane(fs, slot, i));
	if (fs->broken) /* who comes next goes on */
		return -EIO;
	umfs_slot_drop_opens(fs, slot);
	(void)umfs_thaw_of(fs, slot);
	leave_slot(fs, slot);
	return 0;
}

/* Who does not know of the words has records where they say none are: all are looked at from here on. */
static void doubt_blocks(struct umfs *fs, uint32_t slot)
{
	const struct umfs_slot_pm *s = umfs_slot(fs, slot);

	if (ld32(&s->notes) != ld32(&s->incarnation))
		st32(&umfs_runtime(fs)->blocks_epoch, 0);
}

static int slot_clean(struct umfs *fs, uint32_t slot)
{
	if (ld32(&umfs_slot(fs, slot)->state) == UMFS_SLOT_FREE)
		return 0;
	doubt_blocks(fs, slot);
	recover_lanes(fs, slot);
	clean_reserves(fs, slot);
	return slot_finish(fs, slot);
}

static int recover_claimed(struct umfs *fs, uint32_t slot)
{
	if (!umfs_freeze_lets_clean(fs, slot))
		return -EAGAIN;
	/* A lock word in the name of a slot that nobody has: damage, and let go of as that. */
	if (ld32(&umfs_slot(fs, slot)->state) == UMFS_SLOT_FREE)
		set_slot(fs, slot, UMFS_SLOT_FREE);
	return slot_clean(fs, slot);
}

int umfs_slot_recover(struct umfs *fs, uint32_t slot)
{
	int err = -EAGAIN;

	if (slot >= fs->geo.slot_count)
		return 0;
	umfs_cleaning_begin(fs);
	if (!port_slot_claim(fs, slot)) {
		err = recover_claimed(fs, slot);
		port_slot_unclaim(fs, slot);
	}
	umfs_cleaning_end(fs);
	return err;
}

/* ---- a whole pool after a crash; nobody is attached ---- */

/*
 * No slot is alive, so no record has a holder, whatever its bits say, a free one neither,
 * and there are no descriptions. A copy of a frozen pool, or what a power cut left, may
 * name slots in them that are free there.
 */
static void forget_opens(struct umfs *fs)
{
	uint32_t i, k;

	for (i = 0; i < fs->geo.ofd_count; i++)
		umfs_ofd_forget(fs, i);
	for (i = 0; i < fs->geo.irec_count; i++) {
		struct umfs_irec_pm *rec = umfs_irec(fs, i);

		for (k = 0; k < 4; k++)
			if (ld64(&rec->opens[k]))
				st64(&rec->opens[k], 0);
	}
}

static int back_lanes(struct umfs *fs, uint32_t slot)
{
	uint64_t bytes = (uint64_t)fs->geo.lanes_per_slot * UMFS_LANE_PAGES * UMFS_PAGE_BYTES;

	return port_back(fs, umfs_off(fs, umfs_lane(fs, slot, 0)), bytes);
}

static int slot_enter(struct umfs *fs, uint32_t slot, uint32_t state)
{
	int err = back_lanes(fs, slot);

	if (err)
		return err;
	set_slot(fs, slot, state);
	return 0;
}

/*
 * I3; no slot is in use. Needs no flush: an incarnation is durable, by set_slot(), before
 * anything is stored in its name.
 */
static void move_incarnations(struct umfs *fs, uint32_t slots)
{
	uint32_t by = port_random(), i;

	for (i = 0; i < slots; i++)
		st32(&umfs_slot(fs, i)->incarnation, ld32(&umfs_slot(fs, i)->incarnation) + by);
}

static int clean_all(struct umfs *fs)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < fs->geo.slot_count; i++)
		if (ld32(&umfs_slot(fs, i)->state) != UMFS_SLOT_FREE)
			umfs_slot_leave_groups(fs, i);
	for (i = 0; i < fs->geo.slot_count; i++)
		if (ld32(&umfs_slot(fs, i)->state) != UMFS_SLOT_FREE)
			recover_lanes(fs, i);
	/* A lease counts of a whole inode only, which any slot's transaction may have been changing. */
	for (i = 0; i < fs->geo.slot_count; i++)
		if (ld32(&umfs_slot(fs, i)->state) != UMFS_SLOT_FREE)
			clean_reserves(fs, i);
	for (i = 0; i < fs->geo.slot_count && !err; i++)
		if (ld32(&umfs_slot(fs, i)->state) != UMFS_SLOT_FREE)
			err = slot_finish(fs, i);
	return err;
}

int umfs_recover_all(struct umfs *fs)
{
	int err;

	fs->slot = NO_SLOT;
	fs->epoch = ld32(&umfs_runtime(fs)->epoch);
	if (ld64(&umfs_runtime(fs)->clean) == UMFS_CLEAN)
		return 0;
	fs->alone = 1;
	st32(&umfs_runtime(fs)->blocks_epoch, 0); /* what a power cut left may be older than the records */
	(void)umfs_super_settle(fs); /* damage is not for here: one of them was good enough */
	err = clean_all(fs);
	st64(&umfs_runtime(fs)->freeze, 0); /* of a copy; durable with `clean`, in the same line */
	fs->alone = 0;
	if (err)
		return err;
	forget_opens(fs);
	move_incarnations(fs, 1);
	/* What was open and has no name, or pages past its end, is settled in slot 0's name. */
	err = slot_enter(fs, 0, UMFS_SLOT_LIVE);
	if (err)
		return err;
	fs->slot = 0;
	fs->incarnation = ld32(&umfs_slot(fs, 0)->incarnation);
	fs->lanes_taken = 0;
	umfs_reap(fs, true);
	fs->slot = NO_SLOT;
	return slot_clean(fs, 0);
}

/* ---- attaching ---- */

/* Any slot that nobody alive has; what a dead one left in it is cleaned up. Attach lock held. */
static int take_slot(struct umfs *fs, uint32_t state, uint32_t *slot)
{
	uint32_t i;
	int err;

	for (i = 0; i < fs->geo.slot_count; i++) {
		if (i == fs->slot || port_slot_take(fs, i))
			continue;
		if (!umfs_freeze_lets_clean(fs, i)) {
			port_slot_drop(fs, i);
			continue;
		}
		err = slot_clean(fs, i);
		if (!err)
			err = slot_enter(fs, i, state);
		if (err) {
			port_slot_drop(fs, i);
			return err;
		}
		*slot = i;
		return 0;
	}
	return -EBUSY;
}

/*
 * All that were in use are recovered; or the pool is clean, then none was, and what says
 * otherwise is damage, which is not obeyed. Durable before the pool is not clean any more.
 */
static void free_slots(struct umfs *fs)
{
	uint32_t i;

	for (i = 0; i < fs->geo.slot_count; i++)
		if (ld32(&umfs_slot(fs, i)->state) != UMFS_SLOT_FREE)
			set_slot(fs, i, UMFS_SLOT_FREE);
}

static int attach_first(struct umfs *fs, uint32_t mode)
{
	struct umfs_runtime_pm *rt = umfs_runtime(fs);
	int err = umfs_recover_all(fs);

	if (err)
		return err;
	free_slots(fs);
	move_incarnations(fs, fs->geo.slot_count);
	fs->epoch = ld32(&rt->epoch) + 1;
	if (!fs->epoch)
		fs->epoch = 1;
	st64(&rt->clean, 0);
	st64(&rt->rename_lock, 0);
	st64(&rt->freeze, 0);
	st32(&rt->mode, mode);
	st32(&rt->epoch, fs->epoch);
	st64(&rt->irec_blocks, 0);
	st64(&rt->ofd_blocks, 0);
	st32(&rt->blocks_epoch, fs->epoch);
	umfs_lease_forget(fs);
	umfs_flush(fs, rt, sizeof(*rt));
	umfs_fence(fs);
	return 0;
}

static int attach_locked(struct umfs *fs, uint32_t mode)
{
	struct umfs_runtime_pm *rt = umfs_runtime(fs);
	uint32_t slot;
	int err = 0;

	fs->slot = NO_SLOT;
	/* Known of the pool before others may have had it. */
	if (!fs->fresh) {
		memset(fs->checked, 0, sizeof(fs->checked));
		memset(fs->prefixes, 0, sizeof(fs->prefixes));
	}
	fs->fresh = 0;
	umfs_grow_seen(fs);
	if (!port_slot_any(fs)) {
		err = attach_first(fs, mode ? mode : UMFS_MODE_ATOMIC);
	} else {
		fs->epoch = ld32(&rt->epoch);
		if (mode > ld32(&rt->mode))
			st32(&rt->mode, mode);
	}
	if (!err)
		err = take_slot(fs, UMFS_SLOT_LIVE, &slot);
	if (err)
		return err;
	fs->end_max = UMFS_FILE_BYTES_MAX;
	umfs_slot_become(fs, slot, ld32(&umfs_slot(fs, slot)->incarnation));
	return 0;
}

int umfs_attach(struct umfs *fs, uint32_t mode)
{
	bool from_backup;
	int err = 0;

	if (mode > UMFS_MODE_ATOMIC)
		return -EINVAL;
	if (!fs->geo.pool_pages)
		err = umfs_super_load(fs, &from_backup);
	if (!err && fs->geo.look_only)
		err = -EROFS;
	if (!err)
		err = umfs_attach_lock(fs);
	if (err)
		return err;
	err = attach_locked(fs, mode);
	umfs_attach_unlock(fs);
	return err;
}

#define REFS_PER_LINE (UMFS_LINE_BYTES / 4u)

/* Apart, and so that their counts in this process lie in different lines, too. */
static void recents_init(struct umfs *fs)
{
	uint32_t irecs = fs->geo.irec_count / fs->geo.slot_count;
	uint32_t ofds = fs->geo.ofd_count / fs->geo.slot_count, i;

	for (i = 0; i < UMFS_RECENTS; i++) {
		struct umfs_recent *r = &fs->recent[i];

		r->irec = r->ofd = 0;
		r->irec_cursor = fs->slot * irecs + i * REFS_PER_LINE;
		r->ofd_cursor = fs->slot * ofds + i * REFS_PER_LINE;
	}
}

void umfs_slot_become(struct umfs *fs, uint32_t slot, uint32_t incarnation)
{
	fs->slot = slot;
	fs->incarnation = incarnation;
	fs->lane_wanted = 0;
	fs->lanes_taken = 0;
	umfs_atime_day(fs);
	umfs_slot_recount_opens(fs);
	recents_init(fs);
}

void umfs_slot_forget(struct umfs *fs)
{
	umfs_slot_forget_opens(fs);
	fs->slot = NO_SLOT;
	fs->zombies = 0;
	fs->freed_where = 0;
}

static int slot_for_another(struct umfs *fs, uint32_t state, uint32_t *slot,
			    uint32_t *incarnation)
{
	int err = umfs_attach_lock(fs);

	if (err)
		return err;
	err = take_slot(fs, state, slot);
	if (!err)
		*incarnation = ld32(&umfs_slot(fs, *slot)->incarnation);
	umfs_attach_unlock(fs);
	return err;
}

int umfs_slot_fork(struct umfs *fs, uint32_t *slot, uint32_t *incarnation)
{
	int err = slot_for_another(fs, UMFS_SLOT_LIVE, slot, incarnation);

	if (!err)
		umfs_slot_share_opens(fs, *slot);
	return err;
}

int umfs_slot_heir(struct umfs *fs, uint32_t *slot, uint32_t *incarnation)
{
	return slot_for_another(fs, UMFS_SLOT_HEIR, slot, incarnation);
}

/* One image takes it, whoever else was told of it. */
int umfs_slot_inherit(struct umfs *fs, uint32_t slot, uint32_t incarnation)
{
	struct umfs_slot_pm *s = umfs_slot(fs, slot);

	if (slot >= fs->geo.slot_count || ld32(&s->incarnation) != incarnation ||
	    !cas32(&s->state, UMFS_SLOT_HEIR, UMFS_SLOT_LIVE))
		return -ESTALE;
	/* Not durable: the first attacher after a power cut makes no difference between both. */
	fs->epoch = ld32(&umfs_runtime(fs)->epoch);
	fs->end_max = UMFS_FILE_BYTES_MAX;
	umfs_slot_become(fs, slot, incarnation);
	return 0;
}

void umfs_slot_abandon(struct umfs *fs, uint32_t slot, uint32_t incarnation)
{
	if (ld32(&umfs_slot(fs, slot)->incarnation) == incarnation)
		(void)slot_clean(fs, slot);
	port_slot_drop(fs, slot);
}

/* ---- leaving ---- */

/* Did somebody die and leave a slot to be cleaned up? */
static bool any_live(const struct umfs *fs)
{
	uint32_t i;

	for (i = 0; i < fs->geo.slot_count; i++)
		if (ld32(&umfs_slot(fs, i)->state) != UMFS_SLOT_FREE)
			return true;
	return false;
}

void umfs_slot_recover_dead(struct umfs *fs)
{
	uint32_t i;

	for (i = 0; i < fs->geo.slot_count; i++)
		if (i != fs->slot && ld32(&umfs_slot(fs, i)->state) != UMFS_SLOT_FREE)
			(void)umfs_slot_recover(fs, i);
}

/*
 * Spare pages go back; no thread of this process is inside any more. False: there are
 * some, and the pool is frozen. Lanes that were not used are not looked at: two page faults
 * of a process that only reads.
 */
static bool leave_lanes(struct umfs *fs)
{
	bool may;
	uint32_t i;

	umfs_cleaning_begin(fs);
	may = umfs_freeze_lets_clean(fs, fs->slot);
	for (i = 0; may && i < fs->geo.lanes_per_slot; i++)
		if (fs->lanes_taken >> i & 1)
			umfs_swap_recover(fs, fs->slot, umfs_lane(fs, fs->slot, i));
	umfs_cleaning_end(fs);
	return may;
}

static void unback_last(struct umfs *fs)
{
	struct umfs_tx tx;

	if (!fs->freed_where || umfs_frozen(fs) || umfs_lane_get(fs, &tx))
		return;
	umfs_unback(&tx, true);
	umfs_lane_put(&tx);
}

void umfs_detach(struct umfs *fs)
{
	struct umfs_runtime_pm *rt = umfs_runtime(fs);
	bool left = true;

	if (fs->slot == NO_SLOT)
		return;
	if (!fs->broken) {
		umfs_slot_drop_own_opens(fs);
		umfs_slot_recover_dead(fs); /* the last to leave leaves a clean pool */
		if (fs->zombies)
			umfs_reap(fs, true);
		left = leave_lanes(fs);
		unback_last(fs);
	}
	if (fs->broken || fs->zombies || !left || umfs_attach_lock(fs)) {
		port_slot_drop(fs, fs->slot); /* as if it had died: the next one cleans up */
		fs->slot = NO_SLOT;
		return;
	}
	(void)umfs_thaw(fs);
	leave_slot(fs, fs->slot);
	port_slot_drop(fs, fs->slot);
	fs->slot = NO_SLOT;
	if (!port_slot_any(fs) && !any_live(fs)) {
		(void)umfs_super_settle(fs);
		st64(&rt->clean, UMFS_CLEAN);
		umfs_flush(fs, rt, sizeof(*rt));
		umfs_fence(fs);
	}
	umfs_attach_unlock(fs);
}
