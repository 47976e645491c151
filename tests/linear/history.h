/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * history.h - was there one order of all calls that explains what each of them saw?
 *
 * A history is what several processes did to one thing and what they saw of it, each call
 * with the time before it began and the time after it had ended. It is linearizable (Herlihy
 * and Wing, 1990) when the calls can be put in one order in which each reads what the last
 * write before it wrote, and in which a call that ended before another one began comes first.
 * Each write is of a number that no other one has, so that this can be decided exactly.
 */
#ifndef UMFS_TESTS_HISTORY_H
#define UMFS_TESTS_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#define HISTORY_NEVER UINT64_MAX /* as `end`: the process died inside; it may have done it or not */

enum history_kind { HISTORY_WRITE, HISTORY_READ };

/* A call on a register: something that holds one number at a time. */
struct history_event {
	uint64_t start, end;
	uint64_t number; /* written or seen */
	uint32_t worker;
	enum history_kind kind;
};

/*
 * 0, or -1 and why not. `initial` is what it held before all calls. The events are sorted by
 * the way. A read that never ended is left out by the caller.
 */
int history_register(struct history_event *events, size_t count, uint64_t initial, char why[256]);

/* A record that was appended to a log, in the order in which they lie there. */
struct history_record {
	uint64_t start, end;
	uint64_t end_off; /* where it ends */
};
/* Somebody saw the end of the log there. */
struct history_look {
	uint64_t start, end, off;
};
/* The same for a log to which whole records are appended, and none is taken away. */
int history_log(const struct history_record *records, size_t count, struct history_look *looks,
		size_t look_count, char why[256]);

#endif
