// SPDX-License-Identifier: BSD-3-Clause
/* input.c - an input's bytes and what they mean: see fuzz.h. */
#include "fuzz.h"

static uint64_t number(const uint8_t *at, unsigned int bytes)
{
	uint64_t n = 0;

	memcpy(&n, at, bytes);
	return n;
}

void input_parse(struct input *in, const uint8_t *data, size_t n)
{
	uint8_t all[INPUT_MAX] = {0};

	memset(in, 0, sizeof(*in));
	n = UMFS_MIN(n, sizeof(all));
	if (n)
		memcpy(all, data, n);
	in->random = port_crc32c(0, all, n) | 1;
	in->head = (struct head){(uint16_t)number(all, 2), all[2], all[3]};
	if (n > HEAD_BYTES)
		in->count = (uint32_t)((n - HEAD_BYTES + RECORD_BYTES - 1) / RECORD_BYTES);
	for (uint32_t i = 0; i < in->count; i++) {
		const uint8_t *at = all + HEAD_BYTES + i * RECORD_BYTES;

		in->records[i] = (struct record){at[0], at[1], (uint16_t)number(at + 2, 2),
						 (uint16_t)number(at + 4, 2),
						 (uint16_t)number(at + 6, 2), number(at + 8, 8)};
	}
}

size_t input_write(const struct input *in, uint8_t *data, size_t room)
{
	size_t n = HEAD_BYTES;

	if (room < n)
		return 0;
	memcpy(data, &in->head.op, 2);
	data[2] = in->head.point;
	data[3] = in->head.flags;
	for (uint32_t i = 0; i < in->count && n + RECORD_BYTES <= room; i++, n += RECORD_BYTES) {
		const struct record *r = &in->records[i];
		uint8_t *at = data + n;

		at[0] = r->what;
		at[1] = r->how;
		memcpy(at + 2, &r->index, 2);
		memcpy(at + 4, &r->field, 2);
		memcpy(at + 6, &r->more, 2);
		memcpy(at + 8, &r->value, 8);
	}
	return n;
}
