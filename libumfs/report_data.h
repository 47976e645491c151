/* SPDX-License-Identifier: BSD-3-Clause */
/* report_data.h - what is counted for the exit report. */
#ifndef UMFS_LIBUMFS_REPORT_DATA_H
#define UMFS_LIBUMFS_REPORT_DATA_H

#include <time.h>

#include "internal.h"

#define REPORT_CALLS 128u
#define REPORT_STEPS 64
#define REPORT_WIDTH_MIN 24u /* log2 of a step's ticks: some milliseconds */

struct report_call {
	const char *name; /* of its hook's function */
	uint64_t served, passed, materialised, bytes;
};

struct report {
	uint64_t counts[REPORT_KINDS];
	struct report_call calls[REPORT_CALLS];
	uint64_t bytes[REPORT_OTHERS];
	uint64_t ticks[REPORT_CLASSES][64]; /* calls that took from 2^i ticks on */
	uint64_t steps[REPORT_OTHERS][REPORT_STEPS]; /* bytes moved in each step of the run */
	uint32_t width;				     /* log2 of a step's ticks */
	uint64_t begun, begun_ns;		     /* in ticks, and by the clock */
	uint32_t written;
};
extern PORT_HIDDEN struct report umfs_report;

/* In which step is it, so many ticks after the beginning? Makes steps that reach so far. */
uint64_t umfs_report_step(uint64_t since);

#endif
