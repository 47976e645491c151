// SPDX-License-Identifier: BSD-3-Clause
/*
 * history.c - see history.h.
 *
 * Registers: Gibbons and Korach, Testing shared memories (SIAM J. Comput., 1997). All calls
 * on one number, its write and the reads that saw it, are a cluster, and stand together in any
 * order that explains them. It has a zone, from the first end of one of its calls to the last
 * beginning of one. A cluster A comes before B when one of A's ended before one of B's began,
 * that is when A.first_end < B.last_start. Of two clusters not both may come before the other:
 * that is all there is to look at, since among clusters longer circles contain one of two.
 */
#include "history.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- registers ---- */

struct zone {
	uint64_t number;
	uint64_t first_end, last_start;
};

static int by_number(const void *a, const void *b)
{
	const struct history_event *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (int)x->kind - (int)y->kind; /* the write first */
}

static int by_first_end(const void *a, const void *b)
{
	const struct zone *x = a, *y = b;

	return x->first_end < y->first_end ? -1 : x->first_end > y->first_end;
}

static void say(char why[256], const char *what, const struct history_event *e)
{
	snprintf(why, 256, "%llx %s (worker %u, %llu to %llu)", (unsigned long long)e->number, what,
		 e->worker, (unsigned long long)e->start, (unsigned long long)e->end);
}

static int contradict(char why[256], const struct zone *a, const struct zone *b)
{
	snprintf(why, 256,
		 "neither of %llx and %llx comes first: of the one a call ended at %llu and one began at %llu, of the other at %llu and %llu",
		 (unsigned long long)a->number, (unsigned long long)b->number,
		 (unsigned long long)a->first_end, (unsigned long long)a->last_start,
		 (unsigned long long)b->first_end, (unsigned long long)b->last_start);
	return -1;
}

/* The events from e on that are of one number: their zone. *n: how many they are. */
static int cluster(const struct history_event *e, const struct history_event *stop,
		   uint64_t initial, struct zone *z, size_t *n, char why[256])
{
	uint64_t begun = 0;
	const struct history_event *at = e;

	*z = (struct zone){.number = e->number, .first_end = HISTORY_NEVER};
	if (e->number == initial) {
		z->first_end = 0;
	} else if (e->kind != HISTORY_WRITE) {
		say(why, "was read, and nobody wrote it", e);
		return -1;
	} else {
		begun = e->start;
	}
	for (; at < stop && at->number == e->number; at++) {
		if (at->kind == HISTORY_WRITE && (at > e || e->number == initial)) {
			say(why, "was written twice", at);
			return -1;
		}
		if (at->end < begun) {
			say(why, "was read before its write began", at);
			return -1;
		}
		if (at->end < z->first_end)
			z->first_end = at->end;
		if (at->start > z->last_start)
			z->last_start = at->start;
	}
	*n = (size_t)(at - e);
	return 0;
}

/* The last of the forward zones, which are disjoint and sorted, that ends something before `start`. */
static const struct zone *last_before(const struct zone *forward, size_t count, uint64_t start)
{
	size_t lo = 0, hi = count;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (forward[middle].first_end < start)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo ? &forward[lo - 1] : NULL;
}

/* A zone is forward when one of its calls ended before another one began, else backward. */
static int compare(struct zone *zones, size_t count, char why[256])
{
	size_t forward = 0, i;

	for (i = 0; i < count; i++) {
		if (zones[i].first_end < zones[i].last_start) {
			struct zone z = zones[i];

			zones[i] = zones[forward];
			zones[forward++] = z;
		}
	}
	qsort(zones, forward, sizeof(*zones), by_first_end);
	for (i = 1; i < forward; i++)
		if (zones[i].first_end < zones[i - 1].last_start)
			return contradict(why, &zones[i - 1], &zones[i]);
	for (i = forward; i < count; i++) {
		const struct zone *a = last_before(zones, forward, zones[i].last_start);

		if (a && zones[i].first_end < a->last_start)
			return contradict(why, a, &zones[i]);
	}
	return 0;
}

int history_register(struct history_event *events, size_t count, uint64_t initial, char why[256])
{
	struct zone *zones = malloc((count + 1) * sizeof(*zones));
	size_t at, n, zone_count = 0;
	int bad = zones ? 0 : -1;

	if (!zones)
		snprintf(why, 256, "out of memory");
	else if (count)
		qsort(events, count, sizeof(*events), by_number);
	for (at = 0; !bad && at < count; at += n) {
		bad = cluster(events + at, events + count, initial, &zones[zone_count], &n, why);
		/* What a dead process may have written and nobody saw need not have happened. */
		if (!bad && zones[zone_count].first_end != HISTORY_NEVER)
			zone_count++;
	}
	if (!bad)
		bad = compare(zones, zone_count, why);
	free(zones);
	return bad;
}

/* ---- logs ---- */

static int records_in_order(const struct history_record *records, size_t count, char why[256])
{
	uint64_t begun = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if (records[i].end < begun) {
			snprintf(why, 256,
				 "record %zu of the log had ended at %llu, before one in front of it began at %llu",
				 i, (unsigned long long)records[i].end, (unsigned long long)begun);
			return -1;
		}
		if (records[i].start > begun)
			begun = records[i].start;
	}
	return 0;
}

static int by_off(const void *a, const void *b)
{
	const struct history_look *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

/* How many records there are before that offset, or -1 when it is inside one; looks come in order. */
static int64_t records_before(const struct history_record *records, size_t count, uint64_t off,
			      size_t *at)
{
	while (*at < count && records[*at].end_off <= off)
		++*at;
	return off == (*at ? records[*at - 1].end_off : 0) ? (int64_t)*at : -1;
}

static int look_wrong(char why[256], const struct history_look *l, const char *what, uint64_t when)
{
	snprintf(why, 256, "the log's end was seen at %llu (%llu to %llu): %s %llu",
		 (unsigned long long)l->off, (unsigned long long)l->start,
		 (unsigned long long)l->end, what, (unsigned long long)when);
	return -1;
}

/* Nobody saw a record before it began, or none that had ended, or the end of a log go back. */
static int looks_fit(const struct history_record *records, size_t count,
		     const struct history_look *looks, size_t look_count, const uint64_t *ended,
		     char why[256])
{
	uint64_t begun = 0; /* the last beginning of all that lies, or was seen, before */
	size_t i, at = 0, before = 0;

	for (i = 0; i < look_count; i++) {
		const struct history_look *l = &looks[i];

		if (records_before(records, count, l->off, &at) < 0)
			return look_wrong(why, l, "inside of the record that was to end at",
					  at < count ? records[at].end_off : 0);
		for (; before < at; before++)
			if (records[before].start > begun)
				begun = records[before].start;
		if (l->end < begun)
			return look_wrong(why, l, "what lies before it, or a look that saw less, began at",
					  begun);
		if (ended[at] < l->start)
			return look_wrong(why, l, "a record behind it had ended at", ended[at]);
		/* Looks that saw the same have no order among themselves. */
		if (i + 1 < look_count && looks[i + 1].off != l->off) {
			size_t k;

			for (k = i + 1; k-- > 0 && looks[k].off == l->off;)
				if (looks[k].start > begun)
					begun = looks[k].start;
		}
	}
	return 0;
}

int history_log(const struct history_record *records, size_t count, struct history_look *looks,
		size_t look_count, char why[256])
{
	uint64_t *ended = malloc((count + 1) * sizeof(*ended)); /* first end of all from there on */
	size_t i;
	int bad;

	if (!ended) {
		snprintf(why, 256, "out of memory");
		return -1;
	}
	ended[count] = HISTORY_NEVER;
	for (i = count; i-- > 0;)
		ended[i] = records[i].end < ended[i + 1] ? records[i].end : ended[i + 1];
	if (look_count)
		qsort(looks, look_count, sizeof(*looks), by_off);
	bad = records_in_order(records, count, why);
	if (!bad)
		bad = looks_fit(records, count, looks, look_count, ended, why);
	free(ended);
	return bad;
}
