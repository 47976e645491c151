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
#include <wmmintrin.h>

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

/*
 * Three parts of 8 * w bytes each at once, since a step waits for the one before it. Those of the
 * first two are then moved over what follows them: a remainder times x^(8 * distance) is one
 * multiplication without carry and one step more (Gopal and others, "Fast CRC Computation for
 * iSCSI Polynomial Using CRC32 Instruction", Intel, 2011). For w of PARTS_MIN and more:
 * x^(128 w - 33) and x^(64 w - 33) by the polynomial, the lowest bit first; 33 of the way are
 * what the product's place and the last step are.
 */
#define PARTS_MIN 3u
#define PARTS_MAX 16u
static const uint32_t moves[PARTS_MAX - PARTS_MIN + 1][2] = {
	{0xddc0152b, 0xf20c0dfe},
	{0x9e4addf8, 0xba4fc28e},
	{0x39d3b296, 0x3da6d0cb},
	{0x0715ce53, 0xddc0152b},
	{0x47db8317, 0x1c291d04},
	{0x0d3b6092, 0x9e4addf8},
	{0xc96cfdc0, 0x740eef02},
	{0x878a92a7, 0x39d3b296},
	{0xdaece73e, 0x083a6eec},
	{0xab7aff2a, 0x0715ce53},
	{0x2162d385, 0xc49f4f67},
	{0x83348832, 0x47db8317},
	{0x299847d5, 0x2ad91c30},
	{0xb9e02b86, 0x0d3b6092},
};

UMFS_PEEKS __attribute__((hot, target("sse4.2,pclmul"))) static uint32_t crc_parts(uint32_t crc,
								       const uint8_t *p, uint64_t words)
{
	const struct word *a = (const void *)p, *b = a + words, *c = b + words;
	uint64_t sa = crc, sb = 0, sc = 0, i;
	__m128i ma = _mm_cvtsi32_si128((int)moves[words - PARTS_MIN][0]);
	__m128i mb = _mm_cvtsi32_si128((int)moves[words - PARTS_MIN][1]);

	for (i = 0; i < words - 1; i++) {
		sa = _mm_crc32_u64(sa, a[i].v);
		sb = _mm_crc32_u64(sb, b[i].v);
		sc = _mm_crc32_u64(sc, c[i].v);
	}
	sa = _mm_crc32_u64(sa, a[i].v);
	sb = _mm_crc32_u64(sb, b[i].v);
	ma = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)sa), ma, 0);
	mb = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)sb), mb, 0);
	return (uint32_t)_mm_crc32_u64(
		sc, c[i].v ^ (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(ma, mb)));
}

UMFS_PEEKS __attribute__((hot)) static uint32_t crc_fast(uint32_t crc, const uint8_t *p, uint64_t n)
{
	while (n >= 24 * PARTS_MIN) {
		uint64_t words = UMFS_MIN(n / 24, PARTS_MAX);

		crc = crc_parts(crc, p, words);
		p += 24 * words;
		n -= 24 * words;
	}
	return crc_sse42(crc, p, n);
}

/* Calls nothing of libc: its own text is checked by this while it can not run. */
__attribute__((hot)) uint32_t port_crc32c(uint32_t seed, const void *p, uint64_t n)
{
	if (n >= 24 * PARTS_MIN && port_cpu & CPU_CLMUL)
		return ~crc_fast(~seed, p, n);
	if (port_cpu & CPU_SSE42)
		return ~crc_sse42(~seed, p, n);
	return ~crc_table(~seed, p, n);
}
