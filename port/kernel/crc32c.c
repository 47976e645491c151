// SPDX-License-Identifier: GPL-2.0-only
/*
 * crc32c.c - CRC32C by the processor's instruction, inverted before and after.
 *
 * The instruction works on general registers, so the kernel's vector state is not
 * touched, and the module needs no other module for it.
 */
#include <asm/cpufeature.h>

#include "port_own.h"

bool umfs_kport_usable(void)
{
	return boot_cpu_has(X86_FEATURE_XMM4_2);
}

uint32_t port_crc32c(uint32_t seed, const void *p, uint64_t n)
{
	const uint8_t *at = p;
	uint64_t crc = ~seed & U32_MAX;

	for (; n >= 8; n -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		asm("crc32q %1, %0" : "+r"(crc) : "rm"(word));
	}
	for (; n; n--, at++)
		asm("crc32b %1, %k0" : "+r"(crc) : "rm"(*at));
	return ~(uint32_t)crc;
}
