/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steps.h - calls on two files in two directories, in any order: what sequences
 * are made of.
 */
#ifndef UMFS_TESTS_STEPS_H
#define UMFS_TESTS_STEPS_H

#include "ops.h"

/* Each works on whatever the steps before have left; it may fail, and then changes nothing. */
extern const struct op steps[];
extern const size_t step_count;
const struct op *step_find(const char *name, size_t len);

/*
 * What they start from: /p/f of 6000 bytes, with an attribute, and /q/g of 100. The names
 * /p/n and /q/n are free. Data calls open what has the name and close it again, or, after
 * steps_hold(), go to the file that had it at the beginning, held open all the time.
 */
void steps_tree(struct umfs *fs);
int steps_hold(struct stage *s);

#endif
