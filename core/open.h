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

/* Where this process's own lie: [*low, *high) comes to include index. */
static inline void umfs_widen(uint32_t *low, uint32_t *high, uint32_t index)
{
	if (*high == 0 || index < *low)
		*low = index;
	if (index >= *high)
		*high = index + 1;
}

/* `slot` lets go of a record: this process's own that leaves, or a dead, claimed one. */
void umfs_irec_drop_slot(struct umfs *fs, struct umfs_irec_pm *rec, uint32_t slot);

#endif
