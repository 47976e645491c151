/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * valgrind.h - is the program run by valgrind? It tells its user of what it takes for errors: a
 * read past the end of a string (its tool memcheck), system calls that it does not know.
 */
#ifndef UMFS_VALGRIND_H
#define UMFS_VALGRIND_H

#include <stdbool.h>
#include <stdint.h>

#include "sys.h"

/* A client request: valgrind does it in place of these instructions, which change nothing. */
static inline uint64_t umfs_valgrind_ask(uint64_t what)
{
	uint64_t request[6] = {what}, answer = 0;

	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi;"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(request)
			 : "cc", "memory");
	return answer;
}

/* *known: 0, or 1 + the answer. */
static inline bool umfs_valgrind_known(uint64_t what, int8_t *known)
{
	if (!*known)
		*known = umfs_valgrind_ask(what) ? 2 : 1;
	return *known == 2;
}

#define UMFS_VALGRIND_RUNNING 0x1001u		/* RUNNING_ON_VALGRIND */
#define UMFS_VALGRIND_MEMCHECK 0x4d430002u /* MAKE_MEM_DEFINED of no bytes: -1, by memcheck only */

static inline bool umfs_on_valgrind(void)
{
	static int8_t known PORT_START;

	return umfs_valgrind_known(UMFS_VALGRIND_RUNNING, &known);
}

static inline bool umfs_on_memcheck(void)
{
	static int8_t known PORT_START;

	return umfs_valgrind_known(UMFS_VALGRIND_MEMCHECK, &known);
}

#endif
