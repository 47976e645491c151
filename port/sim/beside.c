// SPDX-License-Identifier: BSD-3-Clause
/*
 * beside.c - what another processor sees of the memory while a writer is at work.
 *
 * No power goes and nobody dies. Ordinary stores are seen in their order. A
 * non-temporal store waits in a buffer until the next fence at the latest; and it may
 * be seen before the ordinary stores before it, which wait in a queue of their own, back
 * to the last fence. Stores to one line of 64 bytes keep their order. (Locked
 * instructions are fences too; here they are not, so that what relies on them is found.)
 *
 * So each piece of what was stored has a moment, the number of an event, from which on it is
 * seen: an ordinary store its own, a non-temporal one any between both fences.
 */
#include <stdlib.h>

#include "sim_internal.h"

struct piece {
	size_t moment; /* seen when so many events are done */
	size_t number; /* in program order */
	uint32_t len;
	uint64_t off;
	const uint8_t *data; /* NULL: zeros */
};

struct sim_beside {
	struct sim *sim;
	const struct sim_log *log;
	struct piece *pieces; /* by moment */
	size_t count, room;
	size_t done; /* pieces that the view has */
};

static struct piece *piece_new(struct sim_beside *b)
{
	if (b->count == b->room) {
		b->room = b->room ? 2 * b->room : 1024;
		b->pieces = sim_alloc(b->pieces, b->room * sizeof(*b->pieces));
	}
	b->pieces[b->count] = (struct piece){.number = b->count};
	return &b->pieces[b->count++];
}

/* The moments when the fences around event `at` are done; after the last one: past the end. */
static void fences(const struct sim_log *log, size_t at, size_t *from, size_t *to)
{
	for (*from = at; *from && log->events[*from - 1].kind != SIM_FENCE; --*from)
		;
	for (*to = at; *to < log->count && log->events[*to].kind != SIM_FENCE; ++*to)
		;
	++*to;
}

static bool same_line(const struct piece *a, const struct piece *b)
{
	uint64_t a_last = (a->off + a->len - 1) / UMFS_LINE_BYTES;
	uint64_t b_last = (b->off + b->len - 1) / UMFS_LINE_BYTES;

	return a->off / UMFS_LINE_BYTES <= b_last && b->off / UMFS_LINE_BYTES <= a_last;
}

static size_t moment_of(struct sim_beside *b, size_t at, enum sim_seen seen, uint64_t *seed)
{
	size_t from, to;

	if (b->log->events[at].kind != SIM_STORE_NT)
		return at + 1;
	fences(b->log, at, &from, &to);
	if (seen == SIM_SEEN_EARLY)
		return from;
	return seen == SIM_SEEN_LATE ? to : from + sim_random(seed) % (to - from + 1);
}

/* A line at a time; those of one line keep their order. */
static void add(struct sim_beside *b, size_t at, enum sim_seen seen, uint64_t *seed)
{
	const struct sim_event *e = &b->log->events[at];
	uint64_t done, next;
	size_t i;

	for (done = 0; done < e->len; done = next) {
		uint64_t off = e->off + done;
		struct piece *p = piece_new(b);

		next = UMFS_MIN((off | (UMFS_LINE_BYTES - 1)) + 1 - e->off, (uint64_t)e->len);
		if (e->kind == SIM_PUNCH)
			next = e->len;
		p->off = off;
		p->len = (uint32_t)(next - done);
		p->data = e->kind == SIM_PUNCH ? NULL : b->log->data + e->data + done;
		p->moment = moment_of(b, at, seen, seed);
		for (i = 0; i + 1 < b->count; i++) {
			struct piece *before = &b->pieces[i];

			if (!same_line(before, p))
				continue;
			/* An ordinary store drives out what waits for its line. */
			if (e->kind != SIM_STORE_NT)
				before->moment = UMFS_MIN(before->moment, p->moment);
			p->moment = UMFS_MAX(p->moment, before->moment);
		}
	}
}

static int by_moment(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->moment != y->moment)
		return x->moment < y->moment ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

struct sim_beside *sim_beside_new(struct sim *sim, const struct sim_log *log, size_t first,
				  enum sim_seen seen, uint64_t seed)
{
	struct sim_beside *b = sim_alloc(NULL, sizeof(*b));
	size_t at;

	*b = (struct sim_beside){.sim = sim, .log = log};
	for (at = first; at < log->count; at++)
		if (log->events[at].kind == SIM_STORE || log->events[at].kind == SIM_STORE_NT ||
		    log->events[at].kind == SIM_PUNCH)
			add(b, at, seen, &seed);
	qsort(b->pieces, b->count, sizeof(*b->pieces), by_moment);
	return b;
}

void sim_beside_free(struct sim_beside *b)
{
	free(b->pieces);
	free(b);
}

void sim_beside_start(struct sim_beside *b)
{
	sim_reload(b->sim);
	b->done = 0;
}

void sim_beside_go(struct sim_beside *b, size_t moment)
{
	for (; b->done < b->count && b->pieces[b->done].moment <= moment; b->done++) {
		const struct piece *p = &b->pieces[b->done];

		if (p->data) {
			sim_put_view(b->sim, p->off, p->data, p->len);
			continue;
		}
		memset(b->sim->mem + p->off, 0, p->len);
		sim_note_view(b->sim, p->off, p->len);
	}
}
