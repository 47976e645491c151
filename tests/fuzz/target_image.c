// SPDX-License-Identifier: BSD-3-Clause
/* target_image.c - a damaged pool: attach and recovery, each call once, and again. */
#include "fuzz.h"

/* The same calls for each input but for the names, so that its bytes are all damage. */
static void each_call(const struct input *in)
{
	struct record r = {.value = 0x00000100000001f4ull};

	for (uint32_t i = 0; i < 2 * CALL_COUNT; i++) {
		r.what = (uint8_t)(RECORD_CALL | i % CALL_COUNT);
		r.how = (uint8_t)(in->head.point + i * 7);
		r.index = (uint16_t)(in->head.point + i * 3);
		r.field = (uint16_t)i;
		r.more = (uint16_t)(i / CALL_COUNT * 3);
		calls_run(&r);
	}
}

void fuzz_one(const uint8_t *data, size_t n)
{
	static struct input in;

	input_parse(&in, data, n);
	for (uint32_t i = 0; i < in.count; i++)
		in.records[i].what &= (uint8_t)~RECORD_CALL;
	session_run(&in, each_call);
}
