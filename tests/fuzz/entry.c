// SPDX-License-Identifier: BSD-3-Clause
/* entry.c - where libFuzzer comes in. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_one(data, n);
	return 0;
}
