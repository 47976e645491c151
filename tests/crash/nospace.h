/* SPDX-License-Identifier: BSD-3-Clause */
/* nospace.h - an op on a pool that is short of something, and what its failure may leave. */
#ifndef UMFS_TESTS_NOSPACE_H
#define UMFS_TESTS_NOSPACE_H

#include "ops.h"
#include "sim.h"

struct trial {
	const struct op *op;
	uint32_t mode;
	struct sim *sim;
	struct sim_proc *proc;
	struct stage stage;
	struct tree before;
	struct umfs_statfs room;
	int error; /* what a failure has to say; 0: it must not fail */
};

/* What ran out, and how often an op failed for it, or for lanes and reserves waited. */
enum want { PAGES, BACKING, INODES, RECORDS, DESCRIPTIONS, LANES, RESERVES, WANTS };
extern uint64_t nospace_points[WANTS];
extern bool nospace_failed;

__attribute__((format(printf, 2, 3))) void nospace_fail(const struct trial *t, const char *format,
							...);
/* A fresh pool on which the op is prepared; /filler is there. */
void nospace_start(struct trial *t, const struct op *op, uint32_t mode);
/* Fill /filler until at most n pages are free. */
void nospace_leave_pages(struct umfs *fs, uint64_t n);
/* Remember what there is. */
void nospace_look(struct trial *t);
/* The op failed with `err`: has it the right to, and is all as it was? */
void nospace_check_failure(struct trial *t, int err);
/* There is room again; `again`: and the op must succeed now. Then all must hang together. */
void nospace_finish(struct trial *t, bool again);

/* ---- nospace_tables.c: what is there a fixed number of times ---- */

void nospace_records(const struct op *op, uint32_t mode, bool opens);
void nospace_lanes(const struct op *op, uint32_t mode);
void nospace_reserves(const struct op *op, uint32_t mode);
/* Attaching, fork and exec without a slot, or without memory for its lanes. */
void nospace_slots(uint32_t mode);

#endif
