// SPDX-License-Identifier: BSD-3-Clause
/*
 * crc32c.c - CRC32C (Castagnoli), reflected, inverted before and after.
 *
 * Seed 0 gives the standard value, and crc(crc(0, a), b) is that of a and b
 * joined.
 */
#include "cpu.h"
#include "types.h"

#include <nmmintrin.h>

/* A word that may lie anywhere, loaded without a call of memcpy whatever the compiler. */
struct word {
	uint64_t v;
} __attribute__((packed, may_alias));
struct half {
	uint32_t v;
} __attribute__((packed, may_alias));

/* What four bits of remainder turn into: processors without SSE 4.2 are rare and old. */
static const uint32_t nibble[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
	0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

UMFS_PEEKS static uint32_t crc_table(uint32_t crc, const uint8_t *p, uint64_t n)
{
	for (; n; n--) {
		crc ^= *p++;
		crc = nibble[crc & 15] ^ crc >> 4;
		crc = nibble[crc & 15] ^ crc >> 4;
	}
	return crc;
}

UMFS_PEEKS __attribute__((hot, target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *p,
							    uint64_t n)
{
	uint64_t wide = crc;

	for (; n >= 8; n -= 8, p += 8)
		wide = _mm_crc32_u64(wide, ((const struct word *)p)->v);
	crc = (uint32_t)wide;
	if (n & 4) {
		crc = _mm_crc32_u32(crc, ((const struct half *)p)->v);
		p += 4;
	}
	for (n &= 3; n; n--) /* not two at once: they may have just been stored one by one */
		crc = _mm_crc32_u8(crc, *p++);
	return crc;
}

/* Calls nothing of libc: its own text is checked by this while it can not run. */
__attribute__((hot)) uint32_t port_crc32c(uint32_t seed, const void *p, uint64_t n)
{
	if (port_cpu & CPU_SSE42)
		return ~crc_sse42(~seed, p, n);
	return ~crc_table(~seed, p, n);
}
