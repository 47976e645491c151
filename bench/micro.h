/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro.h - the parts of the micro benchmark: micro.c talks to bench/run,
 * ops_data.c and ops_name.c make the plain libc calls that are measured, raw.c
 * does the bare copies they are compared with, spawn.c starts processes.
 *
 * A measured function makes n calls and returns 0 or an errno; the caller
 * takes the time around it. It must fail rather than measure calls that do not
 * do their work: each result is compared with what the call should return.
 */
#ifndef UMFS_BENCH_MICRO_H
#define UMFS_BENCH_MICRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
	const char *dir; /* where names are made */
	int fd;		 /* the filled file, or -1 */
	int append_fd;	 /* opened with O_APPEND */
	uint64_t file_bytes;
	uint8_t *raw; /* side "raw": the mapping; else NULL */
	uint8_t *buf; /* of BENCH_BUF_BYTES, page aligned */
	uint64_t block, blocks; /* bytes of a call; how many fit into the file */
	bool random;
	uint64_t cursor;  /* sequential: number of the next block */
	uint64_t draw;	  /* random: state of the generator, never 0 */
	uint64_t serial; /* next number of a name */
};
#define BENCH_BUF_BYTES (2u << 20)

/* Offset of the next call: a multiple of the block size. */
static inline uint64_t bench_next_off(struct bench *b)
{
	uint64_t x = b->draw;

	if (!b->random) {
		if (b->cursor >= b->blocks)
			b->cursor = 0;
		return b->cursor++ * b->block;
	}
	/* xorshift64: the same order in every run and on every side, in a few cycles. */
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	b->draw = x;
	return ((x >> 32) * b->blocks >> 32) * b->block;
}

int bench_fill(struct bench *b, const char *path, uint64_t bytes);
int bench_pread(struct bench *b, uint64_t n);
int bench_pwrite(struct bench *b, uint64_t n);
int bench_append(struct bench *b, uint64_t n);
int bench_append_reset(struct bench *b);
int bench_foreign(struct bench *b, uint64_t n);

/* Names b->serial .. + n; each works on what the one before it left (see micro.c). */
int bench_create(struct bench *b, uint64_t n);
int bench_create_write(struct bench *b, uint64_t n);
int bench_stat(struct bench *b, uint64_t n);
int bench_open(struct bench *b, uint64_t n);
int bench_rename(struct bench *b, uint64_t n);
int bench_unlink(struct bench *b, uint64_t n);
int bench_keep(struct bench *b, uint64_t n);

int raw_map(struct bench *b, const char *path, uint64_t bytes);
int raw_read(struct bench *b, uint64_t n);
int raw_write(struct bench *b, uint64_t n);

/* CPU time in ns that n processes of /bin/true took, with `preload` when not NULL. */
int spawn_run(uint64_t n, const char *preload, const char *mount, uint64_t *cpu_ns);

#endif
