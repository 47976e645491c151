/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * umfs_port.h - what core needs from its surroundings, in user space.
 *
 * Need (each port supplies all of it, with these meanings):
 *   types      fixed-width integers, bool, NULL, errno names, INT64_MIN
 *   memory     memcpy memmove memset memcmp, strlen strrchr strchrnul
 *   stores     port_stored: told of each store into the pool
 *              port_copy, port_zero: ordinary stores into the pool
 *              port_copy_nt: stores into the pool that bypass the cache where that wins
 *              port_copy_in(_nt): from user memory, -EFAULT
 *              port_copy_out: to user memory, -EFAULT
 *   persist    port_flush: start write-back of the lines of a range
 *              port_fence: all stores and write-backs before it come first
 *   check      port_crc32c
 *   waiting    port_wait, port_wake, port_relax, port_thread
 *   time       port_now_ns
 *   chance     port_random
 *   rights     port_keeps_setid
 *   processes  port_attach_lock/unlock, port_slot_*
 *   backing    port_back, port_unback, port_extend, port_reach
 *   faults     port_bug
 *   debug      port_order (builds with UMFS_DEBUG only)
 */
#ifndef UMFS_PORT_H
#define UMFS_PORT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct umfs;
struct umfs_order;

/* Told of each store of n bytes at p, after it. Builds with kill hooks count there. */
#ifdef UMFS_KILL_HOOKS
void port_stored(const void *p, uint64_t n);
void port_fenced(void);
#else
static inline void port_stored(const void *p, uint64_t n)
{
	(void)p;
	(void)n;
}
static inline void port_fenced(void)
{
}
#endif

/* Ordinary stores into the pool. */
void port_copy(void *pool, const void *src, uint64_t n);
void port_zero(void *pool, uint64_t n);
/*
 * Non-temporal where that wins. The caller fences before publishing; after the
 * fence all of it is durable without a flush of the caller's, ends included.
 */
void port_copy_nt(void *pool, const void *src, uint64_t n);
/* 0 or -EFAULT when the user's side faults, -EIO when the pool's does. */
int port_copy_in(void *pool, const void *user, uint64_t n);
int port_copy_in_nt(void *pool, const void *user, uint64_t n);
int port_copy_out(void *user, const void *pool, uint64_t n);
/*
 * The same for at most PORT_SMALL_BYTES, sparing the caller's registers: a hot
 * function that calls nothing else needs to save none. What uses this is built
 * with -mno-red-zone, since the compiler does not see the call.
 */
#define PORT_SMALL_BYTES 128u
static inline int port_copy_out_small(void *user, const void *pool, uint64_t n)
{
	int err;

	__asm__ volatile("call umfs_guard_small"
			 : "=a"(err)
			 : "D"(user), "S"(pool), "d"(n)
			 : "rcx", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			   "memory", "cc");
	return err;
}

/*
 * Write back the lines of [p, p+n) as the medium needs (fs->geo.durability);
 * durable after the next port_fence. port_fence orders non-temporal stores too.
 */
void port_flush_lines(const void *p, uint64_t n);
/* The same of what may be gone: 0, or as the guarded copies. */
int port_flush_guarded(const void *p, uint64_t n);
static inline void port_fence(void)
{
	__asm__ volatile("sfence" ::: "memory");
	port_fenced();
}

uint32_t port_crc32c(uint32_t seed, const void *p, uint64_t n);

/* Wait while *word == seen, at most `ns`; spurious returns are fine. Shared between processes. */
void port_wait(const uint32_t *word, uint32_t seen, uint64_t ns);
void port_wake(const uint32_t *word);
static inline void port_relax(void)
{
	__builtin_ia32_pause();
}
/* This thread, 1..2^23-1, unique within the address space. */
uint32_t port_thread(void);
/* Wall clock, ns since 1970; coarse (a tick) is enough. */
int64_t port_now_ns(void);
/*
 * A number that who made an image could not foresee. The processor's counter is, without a
 * system call: its low half passes through all values in a second or two.
 */
static inline uint32_t port_random(void)
{
	return (uint32_t)__builtin_ia32_rdtsc();
}
/* Whom this thread works for has CAP_FSETID: where not all do (fs->keeps_setid). */
bool port_keeps_setid(void);

/* One attacher at a time, pool-wide. 0 or -errno. */
int port_attach_lock(struct umfs *fs);
void port_attach_unlock(struct umfs *fs);
/* Is any slot of the pool alive (this process's own included)? */
bool port_slot_any(struct umfs *fs);
/*
 * Own the slot from now until death or port_slot_drop: 0, or -EBUSY when
 * somebody alive owns it. The proof must survive close() of any descriptor
 * and must not pass to a child of fork, but for a slot taken for one.
 */
int port_slot_take(struct umfs *fs, uint32_t slot);
void port_slot_drop(struct umfs *fs, uint32_t slot);
/* Exclusive right to recover a dead slot: 0, or -EBUSY (alive, or another recovers it). */
int port_slot_claim(struct umfs *fs, uint32_t slot);
void port_slot_unclaim(struct umfs *fs, uint32_t slot);

/* Back [off, off+n) of the pool with memory: 0 or -ENOSPC. Unback gives it back. */
int port_back(struct umfs *fs, uint64_t off, uint64_t n);
void port_unback(struct umfs *fs, uint64_t off, uint64_t n);

/*
 * A larger pool. Extend: the medium has room for `bytes` of it, with memory where the
 * pool is backed as a whole; attach lock held. -EFBIG, -ENOSPC, -EOPNOTSUPP: it can
 * not grow, or another reason; then it is as before. Reach: all of them can be
 * addressed from fs->base on, and fs->bytes says so; at any time, from any thread.
 */
int port_extend(struct umfs *fs, uint64_t bytes);
int port_reach(struct umfs *fs, uint64_t bytes);

/* A failed assertion: say so once; aborts in debug builds, else returns. */
void port_bug(const char *what, const char *file, int line);

#ifdef UMFS_DEBUG
/* This thread's record of the locks that it holds, all zero to begin with. */
struct umfs_order *port_order(void);
#endif

#endif
