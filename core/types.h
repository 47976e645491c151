/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * types.h - the types that keep media, memory and units apart.
 *
 * What lies in the pool has little-endian wrapper types: `x.v` is never
 * touched outside this file, so a load or store without ld*() / st*() does not
 * compile. Every store into the pool goes through st*(), the atomics or the
 * port's copy routines, because the simulator and the kill tests count them
 * there.
 */
#ifndef UMFS_CORE_TYPES_H
#define UMFS_CORE_TYPES_H

#include "umfs_port.h"

typedef struct { uint8_t v; } le8;
typedef struct { uint16_t v; } le16;
typedef struct { uint32_t v; } le32;
typedef struct { uint64_t v; } le64;

#define UMFS_PAGE_SHIFT 12
#define UMFS_PAGE_BYTES 4096u
#define UMFS_PAGE_MASK 4095u
#define UMFS_LINE_BYTES 64u
#define UMFS_UNIT_SHIFT 9 /* pages to a 2 MiB unit of backing */
#define UMFS_UNIT_PAGES 512u
#define UMFS_UNIT_BYTES (2u << 20)

/*
 * Loads are single and acquire-ordered, stores single and release-ordered:
 * lock-free readers run beside every store.
 */
static inline uint8_t ld8(const le8 *p)
{
	return __atomic_load_n(&p->v, __ATOMIC_ACQUIRE);
}
static inline uint16_t ld16(const le16 *p)
{
	return __atomic_load_n(&p->v, __ATOMIC_ACQUIRE);
}
static inline uint32_t ld32(const le32 *p)
{
	return __atomic_load_n(&p->v, __ATOMIC_ACQUIRE);
}
static inline uint64_t ld64(const le64 *p)
{
	return __atomic_load_n(&p->v, __ATOMIC_ACQUIRE);
}

/* port_stored() follows each store: a no-op but in the simulator and in builds with kill hooks. */
static inline void st8(le8 *p, uint8_t v)
{
	__atomic_store_n(&p->v, v, __ATOMIC_RELEASE);
	port_stored(p, sizeof(*p));
}
static inline void st16(le16 *p, uint16_t v)
{
	__atomic_store_n(&p->v, v, __ATOMIC_RELEASE);
	port_stored(p, sizeof(*p));
}
static inline void st32(le32 *p, uint32_t v)
{
	__atomic_store_n(&p->v, v, __ATOMIC_RELEASE);
	port_stored(p, sizeof(*p));
}
static inline void st64(le64 *p, uint64_t v)
{
	__atomic_store_n(&p->v, v, __ATOMIC_RELEASE);
	port_stored(p, sizeof(*p));
}

/* Compare and swap; true when *p was *seen and is now v, else *seen is what was there. */
static inline bool cas64(le64 *p, uint64_t *seen, uint64_t v)
{
	bool done = __atomic_compare_exchange_n(&p->v, seen, v, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE);
	if (done)
		port_stored(p, sizeof(*p));
	return done;
}
static inline bool cas32(le32 *p, uint32_t seen, uint32_t v)
{
	bool done = __atomic_compare_exchange_n(&p->v, &seen, v, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE);
	if (done)
		port_stored(p, sizeof(*p));
	return done;
}
static inline uint32_t add32(le32 *p, uint32_t n)
{
	uint32_t sum = __atomic_add_fetch(&p->v, n, __ATOMIC_SEQ_CST);
	port_stored(p, sizeof(*p));
	return sum;
}
static inline uint64_t xchg64(le64 *p, uint64_t v)
{
	uint64_t old = __atomic_exchange_n(&p->v, v, __ATOMIC_ACQ_REL);
	port_stored(p, sizeof(*p));
	return old;
}
static inline uint64_t or64(le64 *p, uint64_t bits)
{
	uint64_t old = __atomic_fetch_or(&p->v, bits, __ATOMIC_ACQ_REL);
	port_stored(p, sizeof(*p));
	return old;
}
static inline uint64_t and64(le64 *p, uint64_t bits)
{
	uint64_t old = __atomic_fetch_and(&p->v, bits, __ATOMIC_ACQ_REL);
	port_stored(p, sizeof(*p));
	return old;
}

/*
 * Copies and comparisons of bytes that others may store to meanwhile: whether what was read
 * counts, a sequence or a checksum says afterwards. The thread sanitizer can not know that;
 * for it, and for nothing else, they are single relaxed loads and stores.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UMFS_THREAD_SANITIZER
#endif
#elif defined(__SANITIZE_THREAD__)
#define UMFS_THREAD_SANITIZER
#endif
#ifdef UMFS_THREAD_SANITIZER
static inline void umfs_peek(void *to, const void *pool, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		((uint8_t *)to)[i] =
			__atomic_load_n((const uint8_t *)pool + i, __ATOMIC_RELAXED);
}
static inline bool umfs_peek_same(const void *pool, const void *with, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		if (__atomic_load_n((const uint8_t *)pool + i, __ATOMIC_RELAXED) !=
		    ((const uint8_t *)with)[i])
			return false;
	return true;
}
static inline void umfs_poke(void *pool, const void *from, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		__atomic_store_n((uint8_t *)pool + i, ((const uint8_t *)from)[i], __ATOMIC_RELAXED);
}
static inline void umfs_poke_zero(void *pool, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		__atomic_store_n((uint8_t *)pool + i, 0, __ATOMIC_RELAXED);
}
#define UMFS_PEEKS __attribute__((no_sanitize("thread"))) /* for plain accesses of that kind */
#else
static inline void umfs_peek(void *to, const void *pool, uint64_t n)
{
	memcpy(to, pool, n);
}
static inline bool umfs_peek_same(const void *pool, const void *with, uint64_t n)
{
	return memcmp(pool, with, n) == 0;
}
static inline void umfs_poke(void *pool, const void *from, uint64_t n)
{
	memcpy(pool, from, n);
}
static inline void umfs_poke_zero(void *pool, uint64_t n)
{
	memset(pool, 0, n);
}
#define UMFS_PEEKS /* of a function that reads as umfs_peek() does */
#endif

/* Out of the usual way, and of its functions: those keep their frames small. */
#define UMFS_RARE __attribute__((__noinline__, __cold__))

#define UMFS_MIN(a, b) ((a) < (b) ? (a) : (b))
#define UMFS_MAX(a, b) ((a) > (b) ? (a) : (b))
#define UMFS_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
