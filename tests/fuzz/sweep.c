// SPDX-License-Identifier: BSD-3-Clause
/*
 * sweep.c - each call, and beside it a neighbour that changes a group at each of its stores.
 *
 *	fuzz-sweep
 *
 * Chance seldom meets the one store between two looks at a word that both must survive: here
 * each is met. What a call found backed may be said to be gone, or be back, before its next
 * look. As with all hostile neighbours, any answer will do, but one must come.
 */
#include <stdio.h>
#include <stdlib.h>

#include "field.h"
#include "fuzz.h"

#define STORES 70u /* more than a call makes that neither writes nor frees much */

static const char *const texts[] = {"backed", "flags", "free_inodes"};
static const uint16_t names[] = {0, 4, 19}; /* a file, a directory, one that is not there */

static uint16_t number_of(const char *name)
{
	uint16_t n = 0;
	size_t i;

	for (i = 0; i < field_count; i++) {
		if (strcmp(fields[i].type, "umfs_group_pm"))
			continue;
		if (!strcmp(fields[i].name, name))
			return n;
		n++;
	}
	fprintf(stderr, "a group has no %s\n", name);
	exit(1);
}

static struct record change(uint16_t field, uint8_t how, uint16_t stores, uint64_t value)
{
	return (struct record){
		.what = OBJECT_GROUP, .how = how, .field = field, .more = stores, .value = value};
}

static struct record call(uint32_t number, uint16_t name)
{
	return (struct record){.what = (uint8_t)(RECORD_CALL | number), .how = (uint8_t)name,
			       .field = 0x1234, .more = 2 | 64, .value = 5000};
}

/* Zero, or, `back`, zero and then all ones. */
static void run(uint16_t field, bool back, uint32_t number, uint16_t name, uint16_t stores)
{
	struct input in = {.count = 0};
	uint8_t data[INPUT_MAX];

	in.records[in.count++] = call(25, name); /* open, and what has to be done but once */
	if (back)
		in.records[in.count++] = change(field, CHANGE_SET, 0, 0);
	in.records[in.count++] = change(field, CHANGE_SET | CHANGE_LATER, stores, back ? ~0ull : 0);
	in.records[in.count++] = call(number, name);
	fuzz_one(data, input_write(&in, data, sizeof(data)));
}

int main(void)
{
	uint32_t done = 0, number;
	uint16_t stores;
	size_t i, name;
	int back;

	for (i = 0; i < UMFS_ARRAY_LEN(texts); i++)
		for (back = 0; back < 2; back++)
			for (number = 0; number < CALL_COUNT; number++)
				for (name = 0; name < UMFS_ARRAY_LEN(names); name++)
					for (stores = 0; stores < STORES; stores++, done++)
						run(number_of(texts[i]), back, number, names[name], stores);
	fprintf(stderr, "%u times\n", done);
	return 0;
}
