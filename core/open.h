/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* open.h - what records of open inodes and open file descriptions have in common. */
#ifndef UMFS_CORE_OPEN_H
#define UMFS_CORE_OPEN_H

#include "internal.h"

static inline uint64_t umfs_slot_bit(uint32_t slot)
{
	return 1ull << slot % 64u;
}

static inline bool umfs_slots_empty(const le64 bits[4])
{
	return !(ld64(&bits[0]) | ld64(&bits[1]) | ld64(&bits[2]) | ld64(&bits[3]));
}

static inline uint32_t umfs_key_epoch(uint64_t key)
{
	return (uint32_t)(key >> 32);
}

/*
 * Where this process's own lie: high << 32 | low of the half-open range, 0 of none. One word,
 * so that of threads that open at once none takes back what another has widened.
 */
static inline uint32_t umfs_range_low(const uint64_t *range)
{
	return (uint32_t)__atomic_load_n(range, __ATOMIC_ACQUIRE);
}
static inline uint32_t umfs_range_high(const uint64_t *range)
{
	return (uint32_t)(__atomic_load_n(range, __ATOMIC_ACQUIRE) >> 32);
}
static inline uint64_t umfs_range_with(uint64_t range, uint32_t index)
{
	uint32_t low = (uint32_t)range, high = (uint32_t)(range >> 32);

	if (!high || index < low)
		low = index;
	return (uint64_t)UMFS_MAX(high, index + 1) << 32 | low;
}
static inline void umfs_widen(uint64_t *range, uint32_t index)
{
	uint64_t seen = __atomic_load_n(range, __ATOMIC_RELAXED), wide;

	while ((wide = umfs_range_with(seen, index)) != seen)
		if (__atomic_compare_exchange_n(range, &seen, wide, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return;
}

/*
 * Where anybody's may lie: of each table a bit for each block of it that had a record in use in
 * this epoch, set before that is claimed, so that whoever cleans up after the dead does not
 * read megabytes that nobody has used. A bit is never cleared before the next epoch. Blocks
 * are of the least power of two records of which 64 are the whole table.
 */
static inline uint32_t umfs_block_shift(uint32_t count)
{
	uint32_t over = (count - 1u) / 64u;

	return over ? 32u - (uint32_t)__builtin_clz(over) : 0;
}
static inline void umfs_block_note(le64 *blocks, uint32_t count, uint32_t index)
{
	uint64_t bit = 1ull << (index >> umfs_block_shift(count));

	if (!(ld64(blocks) & bit))
		or64(blocks, bit);
}
/* Before a record is claimed, or one is held that others have. */
static inline void umfs_irec_note(struct umfs *fs, uint32_t irec)
{
	umfs_block_note(&umfs_runtime(fs)->irec_blocks, fs->geo.irec_count, irec);
}
static inline void umfs_ofd_note(struct umfs *fs, uint32_t ofd)
{
	umfs_block_note(&umfs_runtime(fs)->ofd_blocks, fs->geo.ofd_count, ofd);
}
/* All of them where the words are of another epoch. */
static inline uint64_t umfs_blocks(const struct umfs *fs, const le64 *blocks)
{
	return ld32(&umfs_runtime(fs)->blocks_epoch) == fs->epoch ? ld64(blocks) : ~0ull;
}
/* The first of `*blocks`, which is taken out of it, is [*from, *to); false: there is none. */
static inline bool umfs_block_next(uint64_t *blocks, uint32_t count, uint32_t *from, uint32_t *to)
{
	uint32_t shift = umfs_block_shift(count);
	uint64_t first;

	if (!*blocks)
		return false;
	first = (uint64_t)__builtin_ctzll(*blocks) << shift;
	*blocks &= *blocks - 1;
	*from = (uint32_t)UMFS_MIN(first, count);
	*to = (uint32_t)UMFS_MIN(first + (1ull << shift), count);
	return true;
}

static inline struct umfs_recent *umfs_recent(struct umfs *fs)
{
	return &fs->recent[port_thread() % UMFS_RECENTS];
}
static inline void umfs_recent_give(uint32_t *recent, uint32_t index)
{
	__atomic_store_n(recent, index + 1, __ATOMIC_RELAXED);
}
/* Others may have taken it meanwhile: it is only where to look first. */
static inline bool umfs_recent_take(uint32_t *recent, uint32_t *index)
{
	*index = __atomic_load_n(recent, __ATOMIC_RELAXED) - 1;
	if (*index == UINT32_MAX)
		return false;
	__atomic_store_n(recent, 0, __ATOMIC_RELAXED);
	return true;
}

/* `slot` lets go of a record: this process's own that leaves, or a dead, claimed one. */
void umfs_irec_drop_slot(struct umfs *fs, struct umfs_irec_pm *rec, uint32_t slot);

#endif
