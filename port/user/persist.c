// SPDX-License-Identifier: BSD-3-Clause
/* persist.c - write-back of cache lines, with the best instruction there is. */
#include "cpu.h"
#include "kill.h"
#include "types.h"

/* copy_guard.S */
int umfs_guard_clwb(const void *line, const void *end);
int umfs_guard_clflushopt(const void *line, const void *end);
int umfs_guard_clflush(const void *line, const void *end);

static inline void line_flushed(void)
{
#ifdef UMFS_KILL_HOOKS
	__atomic_fetch_add(&port_lines_flushed, 1, __ATOMIC_RELAXED);
#endif
}

#define FOR_LINES(p, n, insn)                                                            \
	do {                                                                             \
		const char *line = (const char *)((uintptr_t)(p) & -(uintptr_t)UMFS_LINE_BYTES); \
		const char *end = (const char *)(p) + (n);                               \
                                                                                         \
		for (; line < end; line += UMFS_LINE_BYTES) {                            \
			__asm__ volatile(insn : : "m"(*line) : "memory");                \
			line_flushed();                                                  \
		}                                                                        \
	} while (0)

int port_flush_guarded(const void *p, uint64_t n)
{
	const char *line = (const char *)((uintptr_t)p & -(uintptr_t)UMFS_LINE_BYTES);
	const char *end = (const char *)p + n;

#ifdef UMFS_KILL_HOOKS
	for (const char *at = line; at < end; at += UMFS_LINE_BYTES)
		line_flushed();
#endif
	if (port_cpu & CPU_CLWB)
		return umfs_guard_clwb(line, end);
	if (port_cpu & CPU_CLFLUSHOPT)
		return umfs_guard_clflushopt(line, end);
	return umfs_guard_clflush(line, end);
}

void port_flush_lines(const void *p, uint64_t n)
{
	if (port_cpu & CPU_CLWB)
		FOR_LINES(p, n, "clwb %0");
	else if (port_cpu & CPU_CLFLUSHOPT)
		FOR_LINES(p, n, "clflushopt %0");
	else
		FOR_LINES(p, n, "clflush %0");
}
