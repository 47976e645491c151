// SPDX-License-Identifier: GPL-2.0-only
/* persist.c - write-back of cache lines; the kernel picks clwb, clflushopt or clflush. */
#include <linux/sched.h>

#include <asm/special_insns.h>

#include "types.h"

#define RESCHED_BYTES (64u << 10) /* fsync of a mapped file may write back all of it */

void port_flush_lines(const void *p, uint64_t n)
{
	char *line = (char *)((uintptr_t)p & ~(uintptr_t)(UMFS_LINE_BYTES - 1));
	const char *end = (const char *)p + n;

	for (; line < end; line += UMFS_LINE_BYTES) {
		if (!((uintptr_t)line & (RESCHED_BYTES - 1)))
			cond_resched();
		clwb(line);
	}
}
