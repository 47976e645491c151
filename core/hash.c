// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * hash.c - SipHash-1-3 of names (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF"; one compression round, three of finalisation).
 *
 * Keyed, so that nobody who does not know the pool's key can make a directory
 * of names that collide.
 */
#include "internal.h"

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline __attribute__((always_inline)) void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = ROTL(s->v1, 13) ^ s->v0;
	s->v0 = ROTL(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = ROTL(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = ROTL(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = ROTL(s->v1, 17) ^ s->v2;
	s->v2 = ROTL(s->v2, 32);
}

static inline __attribute__((always_inline)) void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

/* The last len % 8 bytes, and the length in the uppermost one. */
static uint64_t last_word(const char *name, uint32_t len)
{
	uint64_t word = 0;
	uint32_t rest = len % 8u, i;

	if (rest && len >= 8) { /* with bytes before them that are shifted out */
		memcpy(&word, name + len - 8, 8);
		word >>= 8u * (8u - rest);
	} else {
		for (i = 0; i < rest; i++)
			word |= (uint64_t)(uint8_t)name[i] << 8u * i;
	}
	return word | (uint64_t)len << 56;
}

uint64_t umfs_name_hash(const struct umfs *fs, const char *name, uint32_t len)
{
	uint64_t k0 = fs->geo.hash_key[0], k1 = fs->geo.hash_key[1], word, hash;
	struct sip s = {k0 ^ 0x736f6d6570736575ull, k1 ^ 0x646f72616e646f6dull,
			k0 ^ 0x6c7967656e657261ull, k1 ^ 0x7465646279746573ull};
	uint32_t at;

	for (at = 0; at + 8 <= len; at += 8) {
		memcpy(&word, name + at, 8);
		sip_word(&s, word);
	}
	sip_word(&s, last_word(name, len));
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	hash = (s.v0 ^ s.v1 ^ s.v2 ^ s.v3) & INT64_MAX;
	return hash ? hash : 1;
}
