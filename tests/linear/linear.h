/* SPDX-License-Identifier: BSD-3-Clause */
/* linear.h - what the parent of a round and its workers share. */
#ifndef UMFS_TESTS_LINEAR_H
#define UMFS_TESTS_LINEAR_H

#include "history.h"
#include "real.h"
#include "world.h"

#define WORKERS_MAX 8u
#define OPS_MAX 8000u
#define WHY 256u

/* Ranges of one file that are always written whole: registers. Then the other things. */
struct range {
	const char *name;
	uint64_t off, bytes;
	uint32_t weight;
};
#define RANGES 8u
extern const struct range ranges[RANGES];
enum { HEAD = RANGES, SIZE, LOG, THINGS };
#define RANGE_BYTES_MAX (2 * MIB)

/* The file whose size is changed: its first bytes are a register, and the others zeros. */
#define HEAD_BYTES 64u
#define SIZE_FIRST 4000u /* the initial one; the others are all different, and larger */
#define SIZE_BASE 4096u
#define SIZE_PRIME 131071u
#define SIZE_MAX_BYTES (SIZE_BASE + SIZE_PRIME)

/* A record of the log: its number and its length, then the number over and over. */
#define RECORD_BYTES_MAX 20000u

struct op {
	uint64_t start, end; /* end: HISTORY_NEVER until it has ended */
	uint64_t number;
	uint64_t off; /* log: where the record went, or where the end was seen */
	uint32_t thing;
	enum history_kind kind;
};

struct board {
	uint32_t ready;	 /* workers that wait for the others */
	uint32_t found;	 /* somebody saw what is not to be seen, and says it in `why` */
	char why[WHY];
	uint32_t count[WORKERS_MAX];
	struct op ops[WORKERS_MAX][OPS_MAX];
};
extern struct board *board;

struct round {
	const char *path;
	uint64_t number; /* from 1 on */
	uint32_t mode, workers, ops;
};

struct linear_files {
	struct umfs_file ranges, size, log;
};
void files_open(struct umfs *fs, struct linear_files *files);
void files_close(struct linear_files *files);

/* Numbers say who wrote them. Number `index` of worker `worker`; what there was before it all. */
uint64_t number_of(const struct round *r, uint32_t worker, uint32_t index);
uint64_t number_initial(const struct round *r);
void number_fill(void *buf, uint64_t bytes, uint64_t number);
/* The number that is in all of it; else says so on the board, and false. */
bool number_read(const struct round *r, const void *buf, uint64_t bytes, const char *what,
		 uint64_t *number);
void record_fill(uint8_t *buf, uint64_t bytes, uint64_t number);
/* Bytes of the whole record at buf, 0 when it is cut off after n; else says so, and -1. */
int64_t record_read(const struct round *r, const uint8_t *buf, uint64_t n, uint64_t *number);

__attribute__((format(printf, 1, 2))) void found(const char *format, ...);
uint64_t stamp(void);

/* In a child: attach, wait for the others, do calls, end. */
_Noreturn void worker_run(const struct round *r, uint32_t worker, uint64_t random);
/* After all have ended: the histories. False, and found() was called. */
bool judge(const struct round *r);

uint64_t random_next(uint64_t *state);

#endif
