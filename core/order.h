/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * order.h - the order in which locks are taken, and its check in debug builds.
 *
 *   attach lock -> open file description -> rename lock -> lane -> inode -> reserve -> group
 *
 * I1  A thread waits only for what comes after all it holds. A lane it may have
 *     one of, a group lock one of, and so on: none waits for a second of its kind.
 * I2  So inode locks are never waited for with a lane or another inode lock in hand:
 *     who needs both takes the lane, tries the inodes by ascending number, and lets
 *     go of everything before it waits (umfs_enter). What is only tried for can not
 *     close a circle of waiters; it counts as held all the same.
 * I3  Nothing is waited for under a group lock.
 *
 * With UMFS_DEBUG each thread has a record of what it holds (port_order) and core
 * asserts I1 where it may begin to wait, whether or not it has to in that run.
 */
#ifndef UMFS_CORE_ORDER_H
#define UMFS_CORE_ORDER_H

#include "types.h"

struct umfs;

#ifdef UMFS_DEBUG

#define UMFS_ORDER_MAX 16u
struct umfs_order {
	uint32_t count;
	struct umfs_order_held {
		const struct umfs *fs;
		const void *what;
	} held[UMFS_ORDER_MAX];
};

/*
 * `what`: a lock word of the pool; `busy` for a lane; fs itself for the
 * attach lock.
 */
void umfs_order_wait(struct umfs *fs, const void *what); /* about to take it, may wait */
void umfs_order_got(struct umfs *fs, const void *what);
void umfs_order_let(struct umfs *fs, const void *what); /* not recorded: taken by somebody dead */
/* The process whose handle this is has ended in the middle (simulator). */
void umfs_order_forget(const struct umfs *fs);

#else

static inline void umfs_order_wait(struct umfs *fs, const void *what)
{
	(void)fs;
	(void)what;
}
static inline void umfs_order_got(struct umfs *fs, const void *what)
{
	(void)fs;
	(void)what;
}
static inline void umfs_order_let(struct umfs *fs, const void *what)
{
	(void)fs;
	(void)what;
}

#endif
#endif
