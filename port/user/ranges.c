// SPDX-License-Identifier: BSD-3-Clause
/* ranges.c - where pools are mapped in this process. */
#include "ranges.h"
#include "sys.h"

#include <errno.h>
#include <stddef.h>

#define RESERVED 1u /* an entry being filled: no mapping starts there */

static struct {
	uintptr_t base;
	uint64_t bytes;
} ranges[RANGES_MAX] PORT_START;

int port_range_add(uintptr_t base, uint64_t bytes)
{
	uint32_t i;

	for (i = 0; i < RANGES_MAX; i++) {
		uintptr_t none = 0;

		if (!__atomic_compare_exchange_n(&ranges[i].base, &none, RESERVED, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		__atomic_store_n(&ranges[i].bytes, bytes, __ATOMIC_RELAXED);
		__atomic_store_n(&ranges[i].base, base, __ATOMIC_RELEASE);
		return 0;
	}
	return -ENFILE;
}

void port_range_del(uintptr_t base)
{
	uint32_t i;

	for (i = 0; i < RANGES_MAX; i++)
		if (__atomic_load_n(&ranges[i].base, __ATOMIC_RELAXED) == base)
			__atomic_store_n(&ranges[i].base, 0, __ATOMIC_RELEASE);
}

void port_range_extend(uintptr_t base, uint64_t bytes)
{
	uint32_t i;

	for (i = 0; i < RANGES_MAX; i++)
		if (__atomic_load_n(&ranges[i].base, __ATOMIC_RELAXED) == base)
			__atomic_store_n(&ranges[i].bytes, bytes, __ATOMIC_RELEASE);
}

uintptr_t port_range_find(uintptr_t addr, uint64_t *bytes)
{
	uint32_t i;

	for (i = 0; i < RANGES_MAX; i++) {
		uintptr_t base = __atomic_load_n(&ranges[i].base, __ATOMIC_ACQUIRE);

		if (base <= RESERVED || addr < base)
			continue;
		*bytes = __atomic_load_n(&ranges[i].bytes, __ATOMIC_RELAXED);
		if (addr - base < *bytes)
			return base;
	}
	return 0;
}

bool port_range_has(uintptr_t addr)
{
	uint64_t bytes;

	return port_range_find(addr, &bytes) != 0;
}
