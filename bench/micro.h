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

/* Where the next call goes. */
struct place {
	uint64_t state;	 /* random: of the generator, never 0; sequential: number of the block */
	uint64_t blocks; /* calls that fit into the file */
	uint64_t block;	 /* bytes of a call */
	bool random;
};

struct bench {
	char *dir;	 /* where names are made */
	int fd;		 /* the filled file, or -1 */
	int append_fd;	 /* opened with O_APPEND */
	uint64_t file_bytes;
	uint8_t *raw; /* side "raw": the mapping; else NULL */
	uint8_t *buf; /* of BENCH_BUF_BYTES, page aligned */
	uint64_t block;
	struct place at;
	uint64_t draw;	 /* the generator's state, kept between the runs */
	uint64_t serial; /* next number of a name */
	uint64_t spread; /* names go into so many directories below `dir`; 0: into itself */
};
#define BENCH_BUF_BYTES (2u << 20)

/* Offset of the next call: a multiple of the block size. */
static inline uint64_t bench_next_off(struct place *at)
{
	uint64_t x = at->state;

	if (!at->random) {
		at->state = x + 1 < at->blocks ? x + 1 : 0;
		return x * at->block;
	}
	/* xorshift64: the same order in every run and on every side, in a few cycles. */
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	at->state = x;
	return ((x >> 32) * at->blocks >> 32) * at->block;
}

int bench_fill(struct bench *b, const char *path, uint64_t bytes);
int bench_pread(struct bench *b, uint64_t n);
int bench_pwrite(struct bench *b, uint64_t n);
int bench_append(struct bench *b, uint64_t n);
int bench_append_reset(struct bench *b);
/* Map the file shared, read a byte of each page n times over, and leave it mapped. */
int bench_touch_mapped(struct bench *b, uint64_t n);

/* Names b->serial .. + n; each works on what the one before it left (see micro.c). */
int bench_create(struct bench *b, uint64_t n);
int bench_create_write(struct bench *b, uint64_t n);
int bench_stat(struct bench *b, uint64_t n);
int bench_open(struct bench *b, uint64_t n);
int bench_rename(struct bench *b, uint64_t n);
int bench_unlink(struct bench *b, uint64_t n);
int bench_keep(struct bench *b, uint64_t n);
/* Of the names there are, 0 .. b->serial: at random; in the order made, from a random one on. */
int bench_lookup_random(struct bench *b, uint64_t n);
int bench_lookup_made(struct bench *b, uint64_t n);
int bench_lookup_few(struct bench *b, uint64_t n);
/* Open n files of those and leave them open. */
int bench_hold(struct bench *b, uint64_t n);
int bench_spread(struct bench *b, uint64_t directories);

int raw_map(struct bench *b, const char *path, uint64_t bytes);
int raw_read(struct bench *b, uint64_t n);
int raw_write(struct bench *b, uint64_t n);
int raw_number(struct bench *b, uint64_t n);

/*
 * CPU time in ns that n processes of `program` took, with `preload` when not NULL; what they
 * print is thrown away.
 */
int spawn_run(uint64_t n, const char *program, const char *arg, const char *preload,
	      const char *mount, uint64_t *cpu_ns);

/* Of one call, ps: libc's own and what libumfs adds, medians, and that one's quartiles. */
struct foreign {
	int64_t plain_ps, added_ps, low_ps, high_ps;
};
/* lseek, read, write, fstat or close, so many pairs of turns; an error number. */
int foreign_run(const char *name, uint64_t pairs, struct foreign *took);

#endif
