/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* bytes.h - which of 64 bytes are a given one. */
#ifndef UMFS_CORE_BYTES_H
#define UMFS_CORE_BYTES_H

#include "types.h"

#define UMFS_BYTES_01 0x0101010101010101ull
#define UMFS_BYTES_7F 0x7f7f7f7f7f7f7f7full

/* Bit n: the n-th byte of a word is zero. Exact: no byte carries into the next. */
static inline uint64_t umfs_zero_bytes(uint64_t x)
{
	uint64_t not_zero = ((x & UMFS_BYTES_7F) + UMFS_BYTES_7F) | x;

	/* The top bits, moved to the bottom of their bytes, are gathered in the highest byte. */
	return (~not_zero >> 7 & UMFS_BYTES_01) * 0x0102040810204080ull >> 56;
}

/* Bit n: the n-th of the 64 bytes at `bytes`, which are 8-byte aligned, is `byte`. */
static inline uint64_t umfs_bytes_equal_by_words(const le8 *bytes, uint8_t byte)
{
	const le64 *words = (const le64 *)(const void *)bytes;
	uint64_t equal = 0;
	uint32_t i;

	for (i = 0; i < 8; i++)
		equal |= umfs_zero_bytes(ld64(&words[i]) ^ byte * UMFS_BYTES_01) << (i * 8u);
	return equal;
}

/*
 * The same, of bytes that are 16-byte aligned. A kernel has no vectors at hand, and the
 * thread sanitizer knows no access by them that may be beside another's store.
 */
static inline uint64_t umfs_bytes_equal(const le8 *bytes, uint8_t byte)
{
#if defined(__SSE2__) && !defined(UMFS_THREAD_SANITIZER)
	typedef char vector __attribute__((vector_size(16), may_alias));
	const vector *v = (const vector *)(const void *)bytes;
	vector want = (char)byte - (vector){0};
	uint64_t equal = 0;
	uint32_t i;

	for (i = 0; i < 4; i++)
		equal |= (uint64_t)(uint16_t)__builtin_ia32_pmovmskb128(v[i] == want) << (i * 16u);
	return equal;
#else
	return umfs_bytes_equal_by_words(bytes, byte);
#endif
}

#endif
