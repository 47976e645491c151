/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * touch.h - which pages of a mapping a piece of code touches, counted exactly.
 *
 * Time tells little about what a call does to a large pool: caches are warm or not,
 * machines are noisy. The number of different 4 KiB pages that it reads or writes is
 * the same in every run. All pages are made inaccessible; the first touch of each is a
 * SIGSEGV that counts it and gives it back.
 */
#ifndef UMFS_BENCH_TOUCH_H
#define UMFS_BENCH_TOUCH_H

#include <stdint.h>

/* One mapping at a time, one thread, pages of 4 KiB (not hugetlbfs). 0 or an errno. */
int touch_start(void *base, uint64_t bytes);
/* Ends it: how many pages were touched since. */
uint64_t touch_stop(void);

#endif
