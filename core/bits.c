// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/* bits.c - bitmaps on the medium: runs of bits set, looked for, counted and cleared. */
#include "bits.h"

void umfs_bits_fill(le64 *bits, uint32_t from, uint32_t to)
{
	while (from < to) {
		uint32_t n = UMFS_MIN(64u - from % 64u, to - from);
		uint64_t mask = (n == 64 ? ~0ull : (1ull << n) - 1) << from % 64u;

		st64(&bits[from / 64u], ld64(&bits[from / 64u]) | mask);
		from += n;
	}
}

/* Bits set in a word; the compiler's builtin is a library call that the kernel does not have. */
uint32_t umfs_count_ones(uint64_t v)
{
	v -= v >> 1 & 0x5555555555555555ull;
	v = (v & 0x3333333333333333ull) + (v >> 2 & 0x3333333333333333ull);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (uint32_t)(v * 0x0101010101010101ull >> 56);
}

uint32_t umfs_bits_zeros(const le64 *bits, uint32_t total)
{
	uint32_t i, zeros = 0;

	for (i = 0; i < total; i += 64) {
		uint64_t past = total - i < 64 ? ~0ull << (total - i) : 0;

		zeros += 64u - umfs_count_ones(ld64(&bits[i / 64u]) | past);
	}
	return zeros;
}

static uint64_t used_word(const struct umfs_search *s, uint32_t word)
{
	return (s->backed >> (word >> 3) & 1) ? ld64(&s->bits[word]) : ~0ull;
}

uint32_t umfs_bits_next(const struct umfs_search *s, uint32_t from, uint32_t end, bool value)
{
	while (from < end) {
		uint64_t word = used_word(s, from / 64u);

		word = (value ? word : ~word) >> from % 64u;
		if (word) {
			from += (uint32_t)__builtin_ctzll(word);
			return UMFS_MIN(from, end);
		}
		from = (from / 64u + 1) * 64u;
	}
	return end;
}

/* Of the bits, those that `count` set ones begin with, all in this word. */
static uint64_t runs_begin(uint64_t bits, uint32_t count)
{
	uint32_t n = 1, more;

	if (count > 64)
		return 0;
	for (; bits && n < count; n += more) { /* each is the first of n */
		more = UMFS_MIN(n, count - n);
		bits &= bits >> more;
	}
	return bits;
}

/* By words, not by gaps: a bitmap full of short ones has thousands of them. */
uint32_t umfs_bits_run(const struct umfs_search *s, uint32_t from, uint32_t to, uint32_t count)
{
	uint32_t at = from / 64u * 64u, before = 0; /* zeros right before `at` */

	for (; at < s->end && at < to + before; at += 64) {
		uint64_t zeros = ~used_word(s, at / 64u), begin;

		if (at < from)
			zeros &= ~0ull << (from - at);
		if (s->end - at < 64)
			zeros &= (1ull << (s->end - at)) - 1;
		if (!~zeros) {
			before += 64;
			if (before >= count)
				return at + 64 - before;
			continue;
		}
		if (before + (uint32_t)__builtin_ctzll(~zeros) >= count)
			return at - before;
		begin = runs_begin(zeros, count);
		if (begin) /* behind `to`, maybe */
			return at + (uint32_t)__builtin_ctzll(begin);
		before = (uint32_t)__builtin_clzll(~zeros);
	}
	return s->end;
}

uint32_t umfs_bits_clear(le64 *bits, uint32_t from, uint32_t to)
{
	uint32_t cleared = 0;

	while (from < to) {
		uint32_t n = UMFS_MIN(64u - from % 64u, to - from);
		uint64_t mask = (n == 64 ? ~0ull : (1ull << n) - 1) << from % 64u;
		uint64_t word = ld64(&bits[from / 64u]);

		cleared += umfs_count_ones(word & mask);
		st64(&bits[from / 64u], word & ~mask);
		from += n;
	}
	return cleared;
}
