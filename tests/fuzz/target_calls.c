// SPDX-License-Identifier: BSD-3-Clause
/* target_calls.c - calls as the input says, and a neighbour who changes the pool meanwhile. */
#include "fuzz.h"

void fuzz_one(const uint8_t *data, size_t n)
{
	static struct input in;

	input_parse(&in, data, n);
	session_run(&in, NULL);
}
