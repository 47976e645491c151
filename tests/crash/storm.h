/* SPDX-License-Identifier: BSD-3-Clause */
/* storm.h - what the parent of a storm and its workers share. */
#ifndef UMFS_TESTS_STORM_H
#define UMFS_TESTS_STORM_H

#include "real.h"
#include "tree.h"

#define STORM_WORKERS_MAX 16

/* Shared by all: each worker's steps, and what it is at, for the parent to print. */
struct board {
	uint64_t steps[STORM_WORKERS_MAX];
	char what[STORM_WORKERS_MAX][64];
	uint64_t calls, refused;
	uint32_t ino[64]; /* the kind's own: what its prepare() made */
	uint64_t begun[STORM_WORKERS_MAX], done[STORM_WORKERS_MAX]; /* storm_freeze's: calls */
	uint32_t whole[STORM_WORKERS_MAX]; /* 0: the worker was killed, and what it was at may be torn */
	uint64_t copies;
	uint32_t frozen;
};
extern struct board *storm_board;

struct worker {
	struct umfs *fs;
	struct pool *pool;
	uint64_t random;
	uint32_t number, mode;
	struct umfs_file files[3]; /* the kind's own */
};

/* The parent's. */
struct storm {
	const char *path, *fsck;
	uint32_t mode;
	uint64_t *random;
};

/* What the workers of a storm do. */
struct storm_kind {
	const char *name;
	void (*prepare)(struct umfs *fs); /* on the new pool */
	void (*begin)(struct worker *w);  /* a worker has attached; or NULL */
	void (*step)(struct worker *w);
	/* Is everything there, after recovery? 0, or -1 with a reason. */
	int (*check)(const struct tree *t, char why[256]);
	void (*round)(const struct storm *s); /* NULL, or what the parent does between two deaths */
};
extern const struct storm_kind storm_files, storm_names, storm_maps, storm_freeze;

/* Kill a worker and start another. */
void storm_replace(const struct storm *s);

uint64_t storm_random(uint64_t *state);
uint32_t storm_upto(struct worker *w, uint32_t n);
/* One of them, drawn by weight, its name on the board. */
struct storm_step {
	const char *what;
	void (*run)(struct worker *w);
	uint32_t weight;
};
void storm_draw(struct worker *w, const struct storm_step *steps, uint32_t count);
/* Ends the test unless the answer is one that other processes' changes explain. */
void storm_allow(struct worker *w, int64_t ret, const char *call);

#endif
