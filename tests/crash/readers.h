/* SPDX-License-Identifier: BSD-3-Clause */
/* readers.h - an op as others see it that look on meanwhile. */
#ifndef UMFS_TESTS_READERS_H
#define UMFS_TESTS_READERS_H

#include "explore.h"

/*
 * One op, on DRAM, with a reader at each store of it; work as for explore(), which says what
 * it adds to `sum`. False, having said why, when somebody saw what was neither before nor
 * after.
 */
bool readers_explore(const struct work *w, struct explored *sum);
/* So many times as many moments, and choices of what is seen when. */
extern uint32_t readers_effort;

#endif
