// SPDX-License-Identifier: BSD-3-Clause
/*
 * cpu.c - processor features, looked up once when the program or library is loaded.
 *
 * They are taken from libc, whose loader has asked the processor: in a virtual machine
 * each CPUID instruction is a visit to the hypervisor, of 10 to 20 us where that is one
 * in a virtual machine itself.
 */
#include "cpu.h"
#include "sys.h"

#include <sys/platform/x86.h>

uint32_t port_cpu PORT_START;

/* "Active" is what the kernel also keeps the registers of. */
__attribute__((constructor(101))) static void cpu_init(void)
{
	uint32_t found = 0;

	if (CPU_FEATURE_ACTIVE(SSE4_2))
		found |= CPU_SSE42;
	if (CPU_FEATURE_ACTIVE(SSE4_2) && CPU_FEATURE_ACTIVE(PCLMULQDQ))
		found |= CPU_CLMUL;
	if (CPU_FEATURE_ACTIVE(AVX2))
		found |= CPU_AVX2;
	if (CPU_FEATURE_PRESENT(CLFLUSHOPT))
		found |= CPU_CLFLUSHOPT;
	if (CPU_FEATURE_PRESENT(CLWB))
		found |= CPU_CLWB;
	if (CPU_FEATURE_PRESENT(FSRM))
		found |= CPU_FSRM;
	/* libc does not tell who made it; SSE4A is what AMD's have and Intel's never had. */
	if (CPU_FEATURE_PRESENT(FSRM) && !CPU_FEATURE_PRESENT(SSE4A))
		found |= CPU_FSRM_INTEL;
	port_cpu = found;
}
