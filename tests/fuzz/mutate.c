// SPDX-License-Identifier: BSD-3-Clause
/*
 * mutate.c - what libFuzzer does to an input, by records: one more, one less, one that is
 * another's, a part of one made something that matters. Now and then any of its bytes.
 */
#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
				 uint8_t *out, size_t room, unsigned int seed);

static uint64_t state;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(sim_random(&state) % n);
}

static void change_part(struct record *r)
{
	switch (below(6)) {
	case 0: r->what ^= (uint8_t)(1u << below(8)); break;
	case 1: r->how ^= (uint8_t)(1u << below(6)); break;
	case 2: r->index = (uint16_t)below(64); break;
	case 3: r->field = (uint16_t)(below(64) | below(256) << 8); break;
	case 4: r->more ^= (uint16_t)(1u << below(16)); break;
	default: r->value = below(3) ? random_value(&state) : r->value + below(33) - 16; break;
	}
}

static void change_head(struct head *h)
{
	switch (below(3)) {
	case 0: h->op = (uint16_t)below(65536); break;
	case 1: h->point = (uint8_t)below(256); break;
	default: h->flags = (uint8_t)below(16); break;
	}
}

static void change(struct input *in)
{
	uint32_t at = in->count ? below(in->count) : 0;

	switch (in->count ? below(8) : 0) {
	case 0:
	case 1:
		if (in->count == RECORDS_MAX)
			break;
		memmove(&in->records[at + 1], &in->records[at],
			(in->count++ - at) * sizeof(in->records[0]));
		random_record(&in->records[at], &state);
		break;
	case 2:
		memmove(&in->records[at], &in->records[at + 1],
			(--in->count - at) * sizeof(in->records[0]));
		break;
	case 3: in->records[at] = in->records[below(in->count)]; break;
	case 4: change_head(&in->head); break;
	default: change_part(&in->records[at]); break;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room, unsigned int seed)
{
	static struct input in;

	state = seed;
	if (!below(8))
		return LLVMFuzzerMutate(data, n, room);
	input_parse(&in, data, n);
	for (uint32_t times = 1 + below(3); times; times--)
		change(&in);
	return input_write(&in, data, room);
}

/* Records of both, in turns. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
				 uint8_t *out, size_t room, unsigned int seed)
{
	static struct input x, y, both;

	state = seed;
	input_parse(&x, a, an);
	input_parse(&y, b, bn);
	both.head = below(2) ? x.head : y.head;
	both.count = 0;
	for (uint32_t i = 0; i < RECORDS_MAX && both.count < RECORDS_MAX; i++) {
		if (i < x.count && below(3))
			both.records[both.count++] = x.records[i];
		if (i < y.count && below(3) && both.count < RECORDS_MAX)
			both.records[both.count++] = y.records[i];
	}
	return input_write(&both, out, room);
}
