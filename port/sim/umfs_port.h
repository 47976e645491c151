/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * umfs_port.h - what core needs from its surroundings, in the simulator.
 *
 * The pool is plain memory of the test process and the "processes" are handles
 * in it. Every store, flush and fence is told to sim.c, which can write them
 * down, end a process after any of them, and refuse what the surroundings may
 * refuse (backing, a fault in user memory). port/user/umfs_port.h states what
 * each function means; sim.h is the tests' side.
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

void port_stored(const void *p, uint64_t n);

void port_copy(void *pool, const void *src, uint64_t n);
void port_zero(void *pool, uint64_t n);
void port_copy_nt(void *pool, const void *src, uint64_t n);
int port_copy_in(void *pool, const void *user, uint64_t n);
int port_copy_in_nt(void *pool, const void *user, uint64_t n);
int port_copy_out(void *user, const void *pool, uint64_t n);

void port_flush_lines(const void *p, uint64_t n);
void port_fence(void);

uint32_t port_crc32c(uint32_t seed, const void *p, uint64_t n);

void port_wait(const uint32_t *word, uint32_t seen, uint64_t ns);
void port_wake(const uint32_t *word);
void port_relax(void);
uint32_t port_thread(void);
static inline bool port_keeps_setid(void)
{
	return false;
}
int64_t port_now_ns(void);
uint32_t port_random(void); /* the same in each run: sim->random */

int port_attach_lock(struct umfs *fs);
void port_attach_unlock(struct umfs *fs);
bool port_slot_any(struct umfs *fs);
int port_slot_take(struct umfs *fs, uint32_t slot);
void port_slot_drop(struct umfs *fs, uint32_t slot);
int port_slot_claim(struct umfs *fs, uint32_t slot);
void port_slot_unclaim(struct umfs *fs, uint32_t slot);

int port_back(struct umfs *fs, uint64_t off, uint64_t n);
void port_unback(struct umfs *fs, uint64_t off, uint64_t n);
int port_extend(struct umfs *fs, uint64_t bytes);
int port_reach(struct umfs *fs, uint64_t bytes);

void port_bug(const char *what, const char *file, int line);

#ifdef UMFS_DEBUG
struct umfs_order *port_order(void);
#endif

#endif
