// SPDX-License-Identifier: BSD-3-Clause
/*
 * lock.c - mutexes between the threads of one process.
 *
 * Held only between umfs_guard_enter() and umfs_guard_leave(), so no signal
 * handler of the host can find it taken by its own thread. fork() takes it, so
 * a child never inherits it held by a thread that it does not have.
 */
#include <linux/futex.h>

#include "internal.h"

/* 0 free, 1 held, 2 held and waited for; in a cache line of their own. */
static uint32_t words[UMFS_MAX(LOCK_LEASE, 16)] PORT_START __attribute__((aligned(64)));
/* Each in one, since threads that have nothing to do with one another take them all the time. */
static uint32_t lease_words[LEASE_LOCKS][16] __attribute__((aligned(64)));

bool umfs_memory_shared PORT_START;

/*
 * No other thread has been made, by libc or by clone with our memory: then a lock is only a mark,
 * since handlers of signals wait (L3). A thread is made outside of any lock.
 */
static inline bool alone(void)
{
	return __libc_single_threaded && !LOAD_RELAXED(&umfs_memory_shared);
}

/* Where this thread is alone: false where it is taken all the same. */
static inline bool mark_word(uint32_t *word)
{
	if (*word)
		return false;
	*(volatile uint32_t *)word = 1;
	return true;
}

static inline uint32_t *word_of(enum lock which)
{
	return which < LOCK_LEASE ? &words[which] : lease_words[which - LOCK_LEASE];
}

static inline bool try_word(uint32_t *word)
{
	uint32_t seen = 0;

	return __atomic_compare_exchange_n(word, &seen, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

bool umfs_local_trylock(enum lock which)
{
	uint32_t *word = word_of(which);

	return alone() ? mark_word(word) : try_word(word);
}

void umfs_local_lock(enum lock which)
{
	uint32_t *word = word_of(which);

	if (alone() ? mark_word(word) : try_word(word))
		return;
	while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0)
		sys4(SYS_futex, word, FUTEX_WAIT_PRIVATE, 2, 0);
}

void umfs_local_unlock(enum lock which)
{
	uint32_t *word = word_of(which);

	if (alone()) {
		STORE(word, 0);
		return;
	}
	if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
		sys3(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

/*
 * Those of leases are not looked at where there is no pool of the module's: they lie in two
 * pages more to copy after fork.
 */
static int all(void)
{
	return umfs_config.modules | umfs_config.kernel_count ? LOCK_COUNT : LOCK_LEASE;
}

void umfs_local_lock_all(void)
{
	for (int i = 0, n = all(); i < n; i++)
		umfs_local_lock((enum lock)i);
}

void umfs_local_unlock_all(void)
{
	for (int i = all() - 1; i >= 0; i--)
		umfs_local_unlock((enum lock)i);
}

/*
 * stopped: 0, 1 while a thread forks, 2 when others wait for the end of that. It is taken
 * like a mutex, since libc lets two threads fork at once, and what one child finds here is what
 * its parent had at that moment.
 */
static struct {
	uint32_t inside, stopped;
} __attribute__((aligned(64))) opens PORT_START;

static void wait_to_go(void)
{
	uint32_t stopped;

	while ((stopped = LOAD(&opens.stopped)) != 0)
		if (stopped == 2 || __atomic_compare_exchange_n(&opens.stopped, &stopped, 2, false,
								__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			sys4(SYS_futex, &opens.stopped, FUTEX_WAIT_PRIVATE, 2, 0);
}

static bool stop(void)
{
	uint32_t going = 0;

	return __atomic_compare_exchange_n(&opens.stopped, &going, 1, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

void umfs_opens_enter(void)
{
	if (alone()) {
		opens.inside++;
		return;
	}
	for (;;) {
		__atomic_fetch_add(&opens.inside, 1, __ATOMIC_SEQ_CST);
		if (likely(!__atomic_load_n(&opens.stopped, __ATOMIC_SEQ_CST)))
			return;
		umfs_opens_leave();
		wait_to_go();
	}
}

void umfs_opens_leave(void)
{
	if (alone()) {
		opens.inside--;
		return;
	}
	__atomic_fetch_sub(&opens.inside, 1, __ATOMIC_SEQ_CST);
}

void umfs_opens_stop(void)
{
	while (!stop())
		wait_to_go();
	while (__atomic_load_n(&opens.inside, __ATOMIC_SEQ_CST))
		sys0(SYS_sched_yield);
}

/* Threads that were about to find it stopped are not in the child. */
void umfs_opens_forked(void)
{
	STORE(&opens.inside, 0);
}

void umfs_opens_go(void)
{
	if (__atomic_exchange_n(&opens.stopped, 0, __ATOMIC_RELEASE) == 2)
		sys3(SYS_futex, &opens.stopped, FUTEX_WAKE_PRIVATE, INT_MAX);
}
