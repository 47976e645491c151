// SPDX-License-Identifier: BSD-3-Clause
/* numbers.c - what is written, so that it can be told who wrote it and whether all of it is there. */
#include "linear.h"

#include <stdarg.h>
#include <stdio.h>

#define ROUND_SHIFT 44
#define WORKER_SHIFT 40

const struct range ranges[RANGES] = {
	{"within a page, over lines", 60, 64, 8},
	{"over a page's end", 3 * 4096 - 36, 72, 8},
	{"a whole page", 4 * 4096, 4096, 8},
	{"whole pages", 5 * 4096, 4 * 4096, 6},
	{"parts of pages", 9 * 4096 + 100, 20000, 6},
	{"what is left of the last of those", 9 * 4096 + 20100, 64, 8}, /* neither may lose the other's */
	{"256 KiB", 1 * MIB, 256 * KIB, 2},
	{"2 MiB", 2 * MIB, RANGE_BYTES_MAX, 1},
};

uint64_t number_initial(const struct round *r)
{
	return r->number << ROUND_SHIFT;
}

uint64_t number_of(const struct round *r, uint32_t worker, uint32_t index)
{
	return r->number << ROUND_SHIFT | (uint64_t)(worker + 1) << WORKER_SHIFT | (index + 1);
}

void number_fill(void *buf, uint64_t bytes, uint64_t number)
{
	uint64_t i;

	for (i = 0; i < bytes; i += 8)
		memcpy((uint8_t *)buf + i, &number, 8);
}

bool number_read(const struct round *r, const void *buf, uint64_t bytes, const char *what,
		 uint64_t *number)
{
	memcpy(number, buf, 8);
	if (memcmp(buf, (const uint8_t *)buf + 8, bytes - 8)) {
		found("%s: a mixture, of %llx and others", what, (unsigned long long)*number);
		return false;
	}
	if (*number >> ROUND_SHIFT != r->number) {
		found("%s: %llx, from an earlier round", what, (unsigned long long)*number);
		return false;
	}
	return true;
}

void record_fill(uint8_t *buf, uint64_t bytes, uint64_t number)
{
	number_fill(buf, bytes, number);
	memcpy(buf + 8, &bytes, 8);
}

int64_t record_read(const struct round *r, const uint8_t *buf, uint64_t n, uint64_t *number)
{
	uint64_t bytes;

	if (n < 24)
		return 0;
	memcpy(&bytes, buf + 8, 8);
	if (bytes < 24 || bytes > RECORD_BYTES_MAX || bytes % 8) {
		found("the log: a record of %llu bytes", (unsigned long long)bytes);
		return -1;
	}
	if (bytes > n)
		return 0;
	if (!number_read(r, buf + 16, bytes - 16, "the log", number))
		return -1;
	if (memcmp(buf, number, 8)) {
		found("the log: %llx is not at its record's beginning", (unsigned long long)*number);
		return -1;
	}
	return (int64_t)bytes;
}

/* The first one speaks. */
void found(const char *format, ...)
{
	va_list args;

	if (__atomic_exchange_n(&board->found, 1, __ATOMIC_SEQ_CST))
		return;
	va_start(args, format);
	vsnprintf(board->why, sizeof(board->why), format, args);
	va_end(args);
}
