// SPDX-License-Identifier: BSD-3-Clause
/*
 * reads.c - what a pread and a pwrite cost, in the guest, in instructions: see bench.c.
 *
 *   kmod-reads FILE WHERE    FILE is made and removed; WHERE: what it is, for who reads this
 *
 * By libc's function, which is libumfs's where that is loaded, and by the system call on the
 * same descriptor. The least of some rounds, so without page faults.
 */
#include <sys/syscall.h>
#include <x86intrin.h>

#include "kmod_test.h"

int pool, checks, failures;

#define ROUNDS 3
#define READS 2000
#define PAGE 4096ull
#define FILE_BYTES (64ull << 20)

static char buf[1 << 20];

static long raw(long nr, int fd, void *to, size_t n, off_t off)
{
	register long r10 __asm__("r10") = off;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(fd), "S"(to), "d"(n), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Of one, at places far from one another. */
static uint64_t cost(int fd, size_t n, bool write, bool by_call)
{
	uint64_t best = ~0ull, start, i;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		start = __rdtsc();
		for (i = 0; i < READS; i++) {
			off_t off = (off_t)(i * 7919 * PAGE % (FILE_BYTES / 2));

			if (by_call)
				CHECK(raw(write ? SYS_pwrite64 : SYS_pread64, fd, buf, n, off) == (long)n);
			else
				CHECK((write ? pwrite(fd, buf, n, off) : pread(fd, buf, n, off)) ==
				      (long)n);
		}
		start = (__rdtsc() - start) / READS;
		best = start < best ? start : best;
	}
	return best;
}

static void measure(int fd, const char *where, bool write)
{
	const size_t sizes[] = {64, PAGE, 64 << 10};
	const char *name = write ? "pwrite" : "pread";
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		printf("call | %s %zu B | %s, libc's function | %llu\n", name, sizes[i], where,
		       (unsigned long long)cost(fd, sizes[i], write, false));
		printf("call | %s %zu B | %s, system call | %llu\n", name, sizes[i], where,
		       (unsigned long long)cost(fd, sizes[i], write, true));
	}
}

int main(int argc, char **argv)
{
	size_t i;
	int fd;

	if (argc != 3)
		return 2;
	memset(buf, 'r', sizeof(buf));
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (i = 0; i < FILE_BYTES; i += sizeof(buf))
		CHECK(pwrite(fd, buf, sizeof(buf), (off_t)i) == sizeof(buf));
	CHECK(close(fd) == 0);
	fd = open(argv[1], O_RDONLY);
	CHECK(fd >= 0);
	measure(fd, argv[2], false);
	CHECK(close(fd) == 0);
	fd = open(argv[1], O_RDWR);
	measure(fd, argv[2], true);
	CHECK(close(fd) == 0 && unlink(argv[1]) == 0);
	return failures ? 1 : 0;
}
