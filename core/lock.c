// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * lock.c - lock words that survive their owner.
 *
 * A word names its owner's slot and that slot's incarnation.
 *
 * I1  A word is held if and only if its low half is non-zero and its high half
 *     is the current incarnation of the slot it names. So raising a slot's
 *     incarnation, the last store of its recovery, frees all its locks at once,
 *     and nothing has to remember which they were.
 * I2  Nobody but the owner, or a recovery that claimed the owner's slot, stores
 *     to a held word, but for the waiters bit.
 *
 * Waiting is bounded and doubles: a waiter that waited long probes the owner's
 * slot and recovers it when dead; while the owner lives the waiter waits on.
 * So letting go may be a plain store when no waiter was seen: an atomic
 * exchange would stall until all the stores of the critical section have left
 * the processor. The one waiter that came between look and store waits out its
 * first, short, time: the doubling starts again whenever the word has changed.
 */
#include "internal.h"

#define SPINS 100
#define WAIT_FIRST_NS 50000ull
#define SOON_ROUNDS 6 /* of doubling waits: 3.2 ms */
#define WAIT_PROBE_NS 20000000ull /* then probe the owner: a death delays others by this much */

uint32_t umfs_lock_slot(uint64_t word)
{
	return (uint32_t)(word >> 24) & 0xffu;
}

bool umfs_lock_held_by(const struct umfs *fs, uint64_t word, uint32_t slot)
{
	return (uint32_t)word && umfs_lock_slot(word) == slot &&
	       (uint32_t)(word >> 32) == ld32(&umfs_slot(fs, slot)->incarnation);
}

/* I1, the other way round; a word that names no slot of this pool is free. */
bool umfs_lock_free(const struct umfs *fs, uint64_t word)
{
	uint32_t slot = umfs_lock_slot(word);

	return !(uint32_t)word || slot >= fs->geo.slot_count ||
	       !umfs_lock_held_by(fs, word, slot);
}

/* What this thread stores to hold a lock in the name of `slot`. */
uint64_t umfs_lock_value(const struct umfs *fs, uint32_t slot)
{
	uint64_t thread = port_thread() & UMFS_LOCK_THREAD_MASK;

	return (uint64_t)ld32(&umfs_slot(fs, slot)->incarnation) << 32 | (uint64_t)slot << 24 |
	       thread << 1;
}

bool umfs_lock_try(struct umfs *fs, le64 *word, uint64_t mine)
{
	uint64_t seen = ld64(word);
	int spins;

	for (spins = 0; spins < SPINS; spins++) {
		if (umfs_lock_free(fs, seen)) {
			if (cas64(word, &seen, mine)) {
				umfs_order_got(fs, word);
				return true;
			}
		} else {
			port_relax();
			seen = ld64(word);
		}
	}
	return false;
}

/*
 * Sleep while the word stays as it is, at most w->ns, which doubles as long as
 * nothing moves. 1: it is time to probe the owner; 0: look again.
 */
int umfs_lock_sleep(struct umfs *fs, le64 *word, struct umfs_wait *w)
{
	uint64_t seen = ld64(word), with = seen | UMFS_LOCK_WAITERS;

	if (umfs_lock_free(fs, seen))
		return 0;
	if (w->seen != with) {
		w->seen = with;
		w->ns = WAIT_FIRST_NS;
	}
	if (seen != with && !cas64(word, &seen, with))
		return 0;
	port_wait((const uint32_t *)(const void *)word, (uint32_t)with, w->ns);
	if (w->ns < WAIT_PROBE_NS) {
		w->ns = UMFS_MIN(w->ns * 2, WAIT_PROBE_NS);
		return 0;
	}
	return ld64(word) == with && umfs_lock_slot(with) != fs->slot;
}

/* Wait until the word may be had, or a while; takes nothing. */
void umfs_lock_await(struct umfs *fs, le64 *word, struct umfs_wait *w)
{
	if (umfs_lock_sleep(fs, word, w))
		(void)umfs_slot_recover(fs, umfs_lock_slot(w->seen));
}

UMFS_RARE static int lock_waiting(struct umfs *fs, le64 *word, uint64_t mine)
{
	struct umfs_wait w = {0, 0};

	/* Others may be asleep on the word: whoever slept too wakes them again. */
	while (!fs->broken) {
		if (umfs_lock_try(fs, word, w.seen ? mine | UMFS_LOCK_WAITERS : mine))
			return 0;
		umfs_lock_await(fs, word, &w);
	}
	return -EIO;
}

int umfs_lock(struct umfs *fs, le64 *word)
{
	uint64_t mine = umfs_lock_mine(fs);

	umfs_order_wait(fs, word);
	if (!fs->broken && umfs_lock_try(fs, word, mine))
		return 0;
	return lock_waiting(fs, word, mine);
}

int umfs_lock_soon(struct umfs *fs, le64 *word)
{
	uint64_t mine = umfs_lock_mine(fs), seen;
	struct umfs_wait w = {0, 0};
	int rounds;

	umfs_order_wait(fs, word);
	for (rounds = 0; rounds <= SOON_ROUNDS; rounds++) {
		if (fs->broken)
			return -EIO;
		if (umfs_lock_try(fs, word, w.seen ? mine | UMFS_LOCK_WAITERS : mine))
			return 0;
		if (rounds < SOON_ROUNDS)
			(void)umfs_lock_sleep(fs, word, &w);
	}
	seen = ld64(word);
	if (umfs_lock_slot(seen) != fs->slot && umfs_lock_slot(seen) < fs->geo.slot_count &&
	    umfs_slot_recover(fs, umfs_lock_slot(seen)) == 0 && !fs->broken &&
	    umfs_lock_try(fs, word, mine | UMFS_LOCK_WAITERS))
		return 0;
	return -EAGAIN;
}

void umfs_unlock(struct umfs *fs, le64 *word)
{
	/* What recovery will undo is nobody else's to change before. */
	if (__builtin_expect(fs->unfinished, 0))
		umfs_order_let(fs, word);
	else
		umfs_unlock_now(fs, word);
}

void umfs_unlock_now(struct umfs *fs, le64 *word)
{
	uint64_t old = ld64(word);

	umfs_assert(fs, umfs_lock_held_by(fs, old, fs->slot));
	umfs_order_let(fs, word);
	st64(word, 0);
	if (old & UMFS_LOCK_WAITERS)
		port_wake((const uint32_t *)(const void *)word);
}
