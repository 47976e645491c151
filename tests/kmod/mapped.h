/* SPDX-License-Identifier: BSD-3-Clause */
/* mapped.h - files whose every page says which it is, and mappings of them. */
#ifndef KMOD_MAPPED_H
#define KMOD_MAPPED_H

#include "kmod_test.h"

#define PAGE 4096ull
#define MIB (1ull << 20)
#define RW (PROT_READ | PROT_WRITE)

/* What is at the start of each page of a file that fill() wrote. */
static inline uint64_t mark_of(uint64_t page)
{
	return page * 0x9e3779b97f4a7c15ull + 1;
}

static inline void fill(int fd, uint64_t from, uint64_t to)
{
	static uint64_t buf[MIB / 8];
	uint64_t at, i;

	for (at = from; at < to; at += MIB) {
		for (i = 0; i < MIB / PAGE; i++)
			buf[i * PAGE / 8] = mark_of(at / PAGE + i);
		CHECK(pwrite(fd, buf, to - at < MIB ? to - at : MIB, (off_t)at) > 0);
	}
}

static inline int new_file(const char *name, uint64_t bytes)
{
	int fd = k_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0);
	fill(fd, 0, bytes);
	return fd;
}

static inline char *map(int fd, uint64_t bytes, int prot)
{
	char *at = mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

/* How many pages of [0, bytes) are not as fill() wrote them. */
static inline uint64_t wrong(const char *at, uint64_t bytes)
{
	uint64_t i, n = 0;

	for (i = 0; i < bytes / PAGE; i++)
		n += *(const volatile uint64_t *)(at + i * PAGE) != mark_of(i);
	return n;
}

#endif
