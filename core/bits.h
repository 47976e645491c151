/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* bits.h - bitmaps on the medium. Nothing here flushes; `to` and `end` are not included. */
#ifndef UMFS_CORE_BITS_H
#define UMFS_CORE_BITS_H

#include "internal.h"

/* A bitmap to look in; units that are not backed count as used when `backed` says so. */
struct umfs_search {
	const le64 *bits;
	uint64_t backed;
	uint32_t end;
};

void umfs_bits_fill(le64 *bits, uint32_t from, uint32_t to);
/* Returns how many of them were set. */
uint32_t umfs_bits_clear(le64 *bits, uint32_t from, uint32_t to);
uint32_t umfs_bits_zeros(const le64 *bits, uint32_t total);
/* First bit at or after `from` that is `value`, below `end`, or `end`. */
uint32_t umfs_bits_next(const struct umfs_search *s, uint32_t from, uint32_t end, bool value);
/*
 * First of `count` (1 or more) zeros on end, at or after `from`; at or after `to`, or s->end, where
 * none begins before that.
 */
uint32_t umfs_bits_run(const struct umfs_search *s, uint32_t from, uint32_t to, uint32_t count);

#endif
