/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * valgrind.h - is the program run by valgrind? It tells its user of what it takes for errors: a
 * read past the end of a string, system calls that it does not know.
 */
#ifndef UMFS_VALGRIND_H
#define UMFS_VALGRIND_H

#include <stdbool.h>
#include <stdint.h>

#include "sys.h"

/*
 * Its client request RUNNING_ON_VALGRIND: what it does in place of these instructions; for a
 * processor they change nothing.
 */
static inline bool umfs_on_valgrind(void)
{
	static int8_t known PORT_START; /* 1 + the answer */
	uint64_t request[6] = {0x1001}, answer = 0;

	if (known)
		return known == 2;
	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi;"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(request)
			 : "cc", "memory");
	known = answer ? 2 : 1;
	return answer != 0;
}

#endif
