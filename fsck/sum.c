// SPDX-License-Identifier: BSD-3-Clause
/* sum.c - CRC32C by table, and SipHash-1-3 (Aumasson and Bernstein, 2012). */
#include <string.h>

#include "sum.h"

static uint32_t table[8][256];

__attribute__((constructor)) static void table_make(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t r = i;

		for (int bit = 0; bit < 8; bit++)
			r = r >> 1 ^ (r & 1 ? 0x82f63b78u : 0);
		table[0][i] = r;
	}
	for (int t = 1; t < 8; t++)
		for (uint32_t i = 0; i < 256; i++)
			table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];
}

uint32_t sum_crc32c(uint32_t seed, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t r = ~seed;

	for (; n >= 8; n -= 8, b += 8) {
		uint64_t w;

		memcpy(&w, b, 8);
		w ^= r;
		r = 0;
		for (int t = 0; t < 8; t++)
			r ^= table[7 - t][w >> 8 * t & 0xff];
	}
	while (n--)
		r = r >> 8 ^ table[0][(r ^ *b++) & 0xff];
	return ~r;
}

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static uint64_t siphash13(const uint64_t key[2], const uint8_t *p, size_t n)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575ull,
		key[1] ^ 0x646f72616e646f6dull,
		key[0] ^ 0x6c7967656e657261ull,
		key[1] ^ 0x7465646279746573ull,
	};
	uint64_t last = (uint64_t)n << 56;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t m;

		memcpy(&m, p, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)p[i] << 8 * i;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t sum_name_hash(const uint64_t key[2], const void *name, size_t n)
{
	uint64_t hash = siphash13(key, name, n) & INT64_MAX;

	return hash ? hash : 1;
}

uint16_t sum_size_check(uint64_t size, uint32_t ino, uint32_t generation)
{
	uint8_t b[16];

	memcpy(b, &size, 8);
	memcpy(b + 8, &ino, 4);
	memcpy(b + 12, &generation, 4);
	return (uint16_t)sum_crc32c(0, b, sizeof(b));
}
