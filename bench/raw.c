/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw.c - bare copies: what a read or write costs when there is no file system
 * at all, over a mapping made like that of a pool.
 *
 * A file in the pools' directory is backed 2 MiB at a time and collapsed into
 * huge pages where the kernel does that, as UMFS does it. Reads are memcpy;
 * writes are non-temporal stores and one store fence for each write. An open is a number
 * of the kernel's that is taken and let go.
 */
#include "micro.h"

#include <emmintrin.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define UNIT_BYTES (2u << 20)

/* A mapping of `bytes` at a multiple of 2 MiB. */
static uint8_t *map_aligned(int fd, uint64_t bytes)
{
	uint8_t *room = mmap(NULL, bytes + UNIT_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
	uint8_t *at;

	if (room == MAP_FAILED)
		return NULL;
	at = (uint8_t *)(((uintptr_t)room + UNIT_BYTES - 1) & ~(uintptr_t)(UNIT_BYTES - 1));
	at = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

int raw_map(struct bench *b, const char *path, uint64_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		return errno;
	b->raw = map_aligned(fd, bytes);
	if (!b->raw)
		return errno;
	for (uint64_t off = 0; off < bytes; off += UNIT_BYTES) {
		b->raw[off] = 1;
		/* Refused where there are no huge pages: bench/run prints what came of it. */
		madvise(b->raw + off, UNIT_BYTES, MADV_COLLAPSE);
		memset(b->raw + off, 0x5a, bytes - off < UNIT_BYTES ? bytes - off : UNIT_BYTES);
	}
	b->file_bytes = bytes;
	close(fd);
	return 0;
}

int raw_read(struct bench *b, uint64_t n)
{
	struct place at = b->at;

	while (n--) {
		memcpy(b->buf, b->raw + bench_next_off(&at), at.block);
		__asm__ volatile("" ::"r"(b->buf) : "memory");
	}
	b->at = at;
	return 0;
}

/* Blocks are multiples of 64 bytes. */
static void copy_nt(uint8_t *to, const uint8_t *from, uint64_t n)
{
	for (uint64_t i = 0; i < n; i += 64) {
		__m128i a = _mm_load_si128((const __m128i *)(const void *)(from + i));
		__m128i c = _mm_load_si128((const __m128i *)(const void *)(from + i + 16));
		__m128i d = _mm_load_si128((const __m128i *)(const void *)(from + i + 32));
		__m128i e = _mm_load_si128((const __m128i *)(const void *)(from + i + 48));

		_mm_stream_si128((__m128i *)(void *)(to + i), a);
		_mm_stream_si128((__m128i *)(void *)(to + i + 16), c);
		_mm_stream_si128((__m128i *)(void *)(to + i + 32), d);
		_mm_stream_si128((__m128i *)(void *)(to + i + 48), e);
	}
}

int raw_write(struct bench *b, uint64_t n)
{
	struct place at = b->at;

	if (at.block % 64)
		return EINVAL;
	while (n--) {
		copy_nt(b->raw + bench_next_off(&at), b->buf, at.block);
		_mm_sfence();
	}
	b->at = at;
	return 0;
}

/* The least that a descriptor costs whoever wants its number from the kernel. */
int raw_number(struct bench *b, uint64_t n)
{
	(void)b;
	for (uint64_t i = 0; i < n; i++) {
		int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

		if (fd < 0 || close(fd))
			return errno;
	}
	return 0;
}
