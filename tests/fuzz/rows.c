// SPDX-License-Identifier: BSD-3-Clause
/*
 * rows.c - each field of each structure, a value at a time, and then each call.
 *
 *	fuzz-rows [FIRST [LAST]]	rows of these numbers; all of them
 *
 * Chance damages what there is much of: here every field has every value of a list, with the
 * checksum that fits and without, in a pool that was left in order and in some that a crash
 * left, so that recovery reads it, too. Then each call is made, on names that exist and some
 * that do not. Any answer will do, but one must come: no access outside of the pool, no
 * failed assertion, no wait that nobody ends. Lastly the same with a value that comes while
 * the calls are under way, and that a look before did not see.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"
#include "fuzz.h"

static const struct {
	enum object_kind kind;
	const char *type; /* NULL: words */
	uint16_t count;	  /* so many of them */
} objects[] = {
	{OBJECT_RUNTIME, "umfs_runtime_pm", 1}, {OBJECT_SLOT, "umfs_slot_pm", 2},
	{OBJECT_GROUP, "umfs_group_pm", 1},	   {OBJECT_INODE, "umfs_inode_pm", 24},
	{OBJECT_LEAF, "umfs_dleaf_pm", 4},	   {OBJECT_DENTRY, "umfs_dentry_pm", 16},
	{OBJECT_XATTR, "umfs_xattr_pm", 2},	   {OBJECT_XENTRY, "umfs_xentry_pm", 2},
	{OBJECT_LANE, "umfs_lane_pm", 2},	   {OBJECT_REC, "umfs_rec_pm", 8},
	{OBJECT_ULOG, "umfs_ulog_pm", 2},	   {OBJECT_RESERVE, "umfs_ulog_pm", 1},
	{OBJECT_IREC, "umfs_irec_pm", 2},	   {OBJECT_OFD, "umfs_ofd_pm", 2},
	{OBJECT_TABLE, NULL, 8},
};

/* What cuts an op short, and at which part of it. */
static const struct head heads[] = {
	{0, 0, 0}, {0x2000, 60, HEAD_DEAD}, {0x7000, 140, HEAD_DEAD}, {0xc000, 220, HEAD_DEAD},
};

#define VALUES 40u

static uint64_t value_at(uint32_t n)
{
	static const uint64_t edges[] = {0, 1, 2, 3, 5, ~0ull, 1ull << 63, 1ull << 31, 0x7f, 0xffff};
	uint64_t state = n;

	return n < UMFS_ARRAY_LEN(edges) ? edges[n] : random_value(&state);
}

static uint32_t fields_of(const char *type)
{
	uint32_t n = 0;

	for (size_t i = 0; type && i < field_count; i++)
		n += !strcmp(fields[i].type, type);
	return type ? n : 4;
}

static struct record change(size_t object, uint16_t index, uint16_t field, uint64_t value, bool seal)
{
	return (struct record){.what = (uint8_t)objects[object].kind,
			       .how = (uint8_t)(CHANGE_SET | (seal ? CHANGE_SEAL : 0)),
			       .index = index,
			       .field = field,
			       .value = value};
}

/* Each call once; which names and offsets is the row's number's. */
static void add_calls(struct input *in, uint64_t *random)
{
	uint32_t n, first = (uint32_t)sim_random(random) % CALL_COUNT;

	for (n = 0; n < CALL_COUNT && in->count < RECORDS_MAX; n++) {
		uint64_t r = sim_random(random);

		in->records[in->count++] = (struct record){
			.what = (uint8_t)(RECORD_CALL | (first + n) % CALL_COUNT),
			.how = (uint8_t)(r & 63),
			.index = (uint16_t)(r >> 8),
			.field = (uint16_t)(r >> 24),
			.more = (uint16_t)(r >> 40 & 0xc3),
			.value = (r >> 16 & 15) << 56 | (r >> 20 & 7) << 24 | (r >> 48),
		};
	}
}

static void run(uint64_t number, size_t object, uint16_t index, uint16_t field, uint32_t value)
{
	static uint8_t data[INPUT_MAX];
	struct input in = {.head = heads[number % UMFS_ARRAY_LEN(heads)]};
	uint64_t random = number * 0x9e3779b97f4a7c15ull + 1;
	struct record r = change(object, index, field, value_at(value), number / 4 % 4 != 0);

	in.head.flags |= (uint8_t)(number % 3 + 1);
	if (number % 5 < 3) {
		in.records[in.count++] = r;
		add_calls(&in, &random);
	} else {
		add_calls(&in, &random);
		r.how |= CHANGE_LATER;
		r.more = (uint16_t)(number / 5 % 150);
		in.records[number / 5 % 40] = r;
	}
	fuzz_one(data, input_write(&in, data, sizeof(data)));
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	uint64_t last = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? first : UINT64_MAX;
	uint64_t number = 0, done = 0;
	uint16_t index, field;
	uint32_t value;
	size_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(objects); i++)
		for (field = 0; field < fields_of(objects[i].type); field++)
			for (index = 0; index < objects[i].count; index++)
				for (value = 0; value < VALUES; value++, number++) {
					if (number < first || number > last)
						continue;
					snprintf(sim_context, sizeof(sim_context), "row %llu: ",
						 (unsigned long long)number);
					run(number, i, index, field, value);
					done++;
				}
	fprintf(stderr, "%llu of %llu rows\n", (unsigned long long)done, (unsigned long long)number);
	return !done;
}
