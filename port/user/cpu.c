// SPDX-License-Identifier: BSD-3-Clause
/* cpu.c - processor features, looked up once when the program or library is loaded. */
#include "cpu.h"

#include <cpuid.h>

uint32_t port_cpu;

#define XCR0_SSE_AVX 6u

static uint32_t xcr0(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo;
}

__attribute__((constructor(101))) static void cpu_init(void)
{
	uint32_t a, b, c, d, found = 0, ymm_kept = 0;

	if (!__get_cpuid(1, &a, &b, &c, &d))
		return;
	if (c & bit_SSE4_2)
		found |= CPU_SSE42;
	if (c & bit_OSXSAVE && c & bit_AVX)
		ymm_kept = (xcr0() & XCR0_SSE_AVX) == XCR0_SSE_AVX;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		if (ymm_kept && b & bit_AVX2)
			found |= CPU_AVX2;
		if (b & bit_CLFLUSHOPT)
			found |= CPU_CLFLUSHOPT;
		if (b & bit_CLWB)
			found |= CPU_CLWB;
	}
	port_cpu = found;
}
