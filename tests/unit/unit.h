/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unit.h - a fresh simulated pool for each case.
 *
 * A test program is run as `test_x memory` (durability none), `test_x flush` and
 * `test_x eadr` (those with everything recorded). After each case the pool is detached, every
 * store must have been told of, and fsck's passes must find nothing.
 */
#ifndef UMFS_TESTS_UNIT_H
#define UMFS_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "check.h"
#include "internal.h"
#include "tree.h"

#include <cmocka.h>

struct unit {
	struct sim *sim;
	struct sim_proc *proc;
	struct umfs *fs; /* proc's */
	struct sim_log log;
	uint32_t mode;
	bool damaged; /* the case damages the pool on purpose: not checked at its end */
};

int unit_setup(void **state);
int unit_teardown(void **state);
#define CASE(name) cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)

/* Another pool in place of the usual 24 MiB with 1024 inodes, not recorded. */
void unit_pool(struct unit *u, uint64_t bytes, uint64_t inodes);
/* Detach and attach again, in `mode`. */
void unit_reattach(struct unit *u, uint32_t mode);
/* Another process in the same pool. */
struct sim_proc *unit_attach(struct unit *u);
/* The process dies; a new one attaches. */
void unit_die(struct unit *u);
uint64_t unit_pages_free(struct unit *u);
/* What a case puts into lanes of the slot counts, whoever has the slot and took them or not. */
void unit_lanes_used(struct unit *u, uint32_t slot);

/* The pool is lost to `fs` at the n-th store from now on, whoever's; 0: no more. */
void unit_lose_at(struct unit *u, struct umfs *fs, uint64_t n);

int unit_run(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t n);
#define UNIT_MAIN(name, tests)                                                                     \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return unit_run(argc, argv, name, tests, sizeof(tests) / sizeof((tests)[0]));      \
	}

#define assert_ok(call) assert_int_equal(call, 0)
#define assert_err(call, err) assert_int_equal(call, -(err))
/* All that the inode says; its sequence is of the reading. */
#define assert_same_attr(a, b) assert_memory_equal(a, b, offsetof(struct umfs_attr, seq))

#endif
