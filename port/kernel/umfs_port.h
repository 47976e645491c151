/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * umfs_port.h - what core needs from its surroundings, in the kernel.
 *
 * The list and its meanings are those of the user-space port's header. The functions
 * are in the files beside this one, which the module is built with. What core may leave
 * undefined is in symbols.txt, and scripts/check-kbuild compares.
 */
#ifndef UMFS_PORT_H
#define UMFS_PORT_H

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

#include <asm/processor.h>

#ifndef INT64_MIN
#define INT64_MIN S64_MIN
#define INT64_MAX S64_MAX
#define UINT64_MAX U64_MAX
#endif
#ifndef UINT32_MAX
#define UINT32_MAX U32_MAX
#define INT32_MAX S32_MAX
#define UINT16_MAX U16_MAX
#define UINT8_MAX U8_MAX
#endif

#ifndef ENOTSUP
#define ENOTSUP EOPNOTSUPP
#endif

struct umfs;

static inline void port_stored(const void *p, uint64_t n)
{
	(void)p;
	(void)n;
}

void port_copy(void *pool, const void *src, uint64_t n);
void port_zero(void *pool, uint64_t n);
void port_copy_nt(void *pool, const void *src, uint64_t n);
int port_copy_in(void *pool, const void *user, uint64_t n);
int port_copy_in_nt(void *pool, const void *user, uint64_t n);
int port_copy_out(void *user, const void *pool, uint64_t n);

void port_flush_lines(const void *p, uint64_t n);
static inline void port_fence(void)
{
	asm volatile("sfence" ::: "memory");
}

uint32_t port_crc32c(uint32_t seed, const void *p, uint64_t n);

void port_wait(const uint32_t *word, uint32_t seen, uint64_t ns);
void port_wake(const uint32_t *word);
static inline void port_relax(void)
{
	cpu_relax();
}
uint32_t port_thread(void);
bool port_keeps_setid(void);
int64_t port_now_ns(void);
uint32_t port_random(void);

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

#endif
