// SPDX-License-Identifier: BSD-3-Clause
/* random.c - a change of a field that may matter, or a call, at random. */
#include "fuzz.h"

static uint32_t below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(sim_random(state) % n);
}

static uint64_t any_page(uint64_t *state)
{
	const uint32_t *lists[] = {survey.leaves, survey.xattrs, survey.tables, survey.used};
	const uint32_t counts[] = {survey.leaf_count, survey.xattr_count, survey.table_count,
				   survey.used_count};
	uint32_t which = below(state, 4);

	return counts[which] ? lists[which][below(state, counts[which])] : below(state, 6144);
}

/* Numbers that a field may have: of pages, entries, inodes, sizes, states; and the edges. */
uint64_t random_value(uint64_t *state)
{
	switch (below(state, 12)) {
	case 0: return 0;
	case 1: return ~0ull >> below(state, 64);
	case 2: return 1ull << below(state, 64);
	case 3: return below(state, IMAGE_INODES);
	case 4: return any_page(state);
	case 5: return any_page(state) << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF;
	case 6: return any_page(state) << UMFS_PAGE_SHIFT | UMFS_PTE_TABLE;
	case 7: return any_page(state) << UMFS_PAGE_SHIFT | UMFS_DREF_P |
		       (below(state, 2) ? UMFS_DREF_LEAF : 0) | (uint64_t)below(state, 16)
							    << UMFS_DREF_DEPTH_SHIFT;
	case 8: return any_page(state) << UMFS_PAGE_SHIFT | UMFS_PTE_TABLE |
		       (uint64_t)below(state, 4) << UMFS_ROOT_HEIGHT_SHIFT;
	case 9: return (uint64_t)below(state, 3) << 32 | below(state, IMAGE_INODES);
	case 10: return (uint64_t)below(state, 65536) << below(state, 48);
	default: return sim_random(state);
	}
}

void random_damage(struct record *r, uint64_t *state)
{
	*r = (struct record){.what = (uint8_t)below(state, OBJECT_KINDS),
			     .how = (uint8_t)below(state, 16),
			     .index = (uint16_t)below(state, 64),
			     .field = (uint16_t)(below(state, 64) |
						 below(state, 4) * below(state, 256) << 8),
			     .more = (uint16_t)below(state, 512),
			     .value = random_value(state)};
	if (!(r->how & CHANGE_SEAL) && below(state, 2))
		r->how |= CHANGE_SEAL;
}

void random_record(struct record *r, uint64_t *state)
{
	random_damage(r, state);
	if (below(state, 2)) {
		r->what = (uint8_t)(RECORD_CALL | below(state, CALL_COUNT));
		r->how = (uint8_t)below(state, 64);
		r->more = (uint16_t)(below(state, 65536) & (below(state, 2) ? 0x43u : 0xffffu));
		r->value = (uint64_t)below(state, 16) << 56 | (uint64_t)below(state, 65536) << 32 |
			   below(state, 8) << 24 | below(state, 65536);
	}
}

size_t random_input(uint8_t *data, size_t room, uint64_t *state)
{
	static struct input in;

	in.head = (struct head){.op = (uint16_t)below(state, 65536),
				.point = (uint8_t)below(state, 256),
				.flags = (uint8_t)below(state, 16)};
	in.count = 1 + below(state, 12);
	for (uint32_t i = 0; i < in.count; i++)
		random_record(&in.records[i], state);
	return input_write(&in, data, room);
}
