/* SPDX-License-Identifier: BSD-3-Clause */
/* raw.h - system calls by an instruction of the test's own, which nobody sees. */
#ifndef UMFS_SHIM_RAW_H
#define UMFS_SHIM_RAW_H

/* What the kernel returned: a number, or -errno. Arguments behind the third are 0. */
static inline long raw(long nr, long a, long b, long c)
{
	register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0, r9 __asm__("r9") = 0;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#endif
