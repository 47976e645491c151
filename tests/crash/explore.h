/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore.h - a few calls one after the other, cut short everywhere, and every
 * image that is left looked at.
 */
#ifndef UMFS_TESTS_EXPLORE_H
#define UMFS_TESTS_EXPLORE_H

#include "ops.h"
#include "sim.h"

#define STEPS_MAX 200u

/* What is done, and from which step on it is cut short. */
struct work {
	const char *name;
	uint32_t mode, durability;
	const struct sim *base; /* a pool at rest to begin with; NULL: a new one */
	void (*tree)(struct umfs *fs); /* what is made in it first; NULL: nothing */
	int (*prepare)(struct stage *s); /* and then */
	const struct op *const *steps;
	uint32_t count, from;
	bool may_fail; /* a step that answers with an error is a step all the same */
};

struct explored {
	uint64_t events; /* of the steps that were cut short */
	uint64_t points, in_recovery; /* images, and those of a recovery cut short */
	uint64_t tree; /* tells the tree that the steps led to from others */
	bool failed;
};

/* How many images where not all are tried, and at how many points recovery is cut short too. */
struct explore_effort {
	struct sim_effort cut, recovery;
	uint32_t eadr_randoms, recoveries;
	uint32_t uses; /* each so many-th recovered pool that is cut short is used before */
	uint32_t checks; /* each so many-th image is checked before anybody attaches */
	uint32_t deaths; /* 1, or so many times as many, and each with both ways to go on: deaths.c */
};
extern struct explore_effort explore_effort;

/* False, having said why, when an image is not what it must be. */
bool explore(const struct work *w, struct explored *sum);
/* A pool for that op, at rest, in which only `make` was done; for work.base. */
struct sim *explore_base(const struct op *op, uint32_t mode, uint32_t durability,
			 void (*make)(struct umfs *fs));

/* A slot that nobody has, durably, has left nothing to do in its lanes. 0, or -1 with why. */
int explore_free_slots(const struct sim *sim, char why[256]);
/* Who needs pages next gets those that are free first: maybe what was freed a moment ago. */
void explore_hint_low(struct umfs *fs);

/*
 * explore_format.c: the making of a pool, cut short. On a `device` the groups hold
 * those of an older pool.
 */
bool explore_format(uint32_t durability, bool device, struct explored *sum);

/*
 * deaths.c: the op's process dies, another goes on and recovers it, and then power goes.
 * For ops that are made by a process that is there already, and are not of many pieces.
 */
#define DEATHS_NOT (OP_ATTACH | OP_DETACH | OP_LONG | OP_PIECES | OP_FREEZES)
bool explore_deaths(const struct op *op, uint32_t mode, struct explored *sum);

/* trace.c */
void sim_trace(const struct sim_log *log, size_t first, const struct umfs_geometry *g);

#endif
