// SPDX-License-Identifier: BSD-3-Clause
/*
 * eadr.c - the images that a power cut leaves on a medium with durable caches.
 *
 * What has left the core for the caches is durable, and ordinary stores leave it
 * in their order: of those some prefix is there. Non-temporal stores wait in
 * buffers that the power cut empties nowhere, and leave them in any order, late
 * or early: until the next fence any part of them may be there or not. A store
 * to a line whose bytes wait in such a buffer drives them out first.
 */
#include <stdlib.h>

#include "sim_internal.h"

#define CUTS_MAX 6u

struct pending {
	uint64_t off;
	uint32_t len;
	const uint8_t *data;
};

struct eadr {
	struct sim *sim;
	const struct sim_log *log;
	size_t first;
	uint32_t randoms;
	uint64_t seed, images;
	sim_image_fn fn;
	void *arg;

	struct pending *pending; /* pieces of at most a line */
	size_t count, room;
};

enum choice { CHOOSE_NONE, CHOOSE_ALL, CHOOSE_ANY };

static int image(struct eadr *e, size_t event, bool inside, enum choice choice)
{
	static const char *const names[] = {"no", "all", "any"};
	struct sim_point point = {.event = event, .old = e->first};
	size_t i;

	point.inside = inside;
	point.complete = event == e->log->count;
	snprintf(point.what, sizeof(point.what), "cut before event %zu of %zu, %s of %zu pending",
		 event, e->log->count, names[choice], e->count);
	e->images++;
	sim_reload(e->sim);
	for (i = 0; i < e->count; i++)
		if (choice == CHOOSE_ALL || (choice == CHOOSE_ANY && (sim_random(&e->seed) & 1)))
			sim_put_view(e->sim, e->pending[i].off, e->pending[i].data,
				     e->pending[i].len);
	return e->fn(e->arg, &point);
}

/* All that may be there before this event. */
static int images(struct eadr *e, size_t event, bool inside)
{
	uint32_t i;
	int ret = image(e, event, inside, CHOOSE_NONE);

	if (!ret && e->count)
		ret = image(e, event, inside, CHOOSE_ALL);
	for (i = 0; !ret && e->count > 1 && i < e->randoms; i++)
		ret = image(e, event, inside, CHOOSE_ANY);
	return ret;
}

static void drain(struct eadr *e, size_t i)
{
	sim_put_media(e->sim, e->pending[i].off, e->pending[i].data, e->pending[i].len);
}

static void drain_all(struct eadr *e)
{
	size_t i;

	for (i = 0; i < e->count; i++)
		drain(e, i);
	e->count = 0;
}

/* What waits for lines of [off, off+len) goes first; in its order, since pieces may overlap. */
static void drain_lines(struct eadr *e, uint64_t off, uint64_t len)
{
	uint64_t lo = off / UMFS_LINE_BYTES, hi = (off + len - 1) / UMFS_LINE_BYTES;
	size_t i, kept = 0;

	for (i = 0; i < e->count; i++) {
		uint64_t line = e->pending[i].off / UMFS_LINE_BYTES;

		if (line >= lo && line <= hi)
			drain(e, i);
		else
			e->pending[kept++] = e->pending[i];
	}
	e->count = kept;
}

static void wait_in_buffer(struct eadr *e, const struct sim_event *event)
{
	uint64_t done, next;

	for (done = 0; done < event->len; done = next) {
		uint64_t at = event->off + done;

		next = UMFS_MIN(((at | (UMFS_LINE_BYTES - 1)) + 1) - event->off,
				(uint64_t)event->len);
		if (e->count == e->room) {
			e->room = e->room ? 2 * e->room : 1024;
			e->pending = sim_alloc(e->pending, e->room * sizeof(*e->pending));
		}
		e->pending[e->count++] = (struct pending){
			at, (uint32_t)(next - done), e->log->data + event->data + done};
	}
}

/* A word at a time; a long copy is cut in some places only. */
static int store(struct eadr *e, size_t at)
{
	const struct sim_event *event = &e->log->events[at];
	uint64_t step = UMFS_MAX((event->len / (CUTS_MAX + 1) + 7) & ~7ull, 8);
	uint64_t done, next;
	int ret = 0;

	drain_lines(e, event->off, event->len);
	for (done = 0; !ret && done < event->len; done = next) {
		next = UMFS_MIN(done + step, event->len);
		sim_put_media(e->sim, event->off + done, e->log->data + event->data + done,
			      next - done);
		if (at >= e->first && next < event->len)
			ret = images(e, at, true);
	}
	return ret;
}

/* -1: nothing changed that an image could show. */
static int step(struct eadr *e, size_t at)
{
	const struct sim_event *event = &e->log->events[at];

	switch (event->kind) {
	case SIM_STORE:
		return store(e, at);
	case SIM_STORE_NT:
		wait_in_buffer(e, event);
		return 0;
	case SIM_FENCE:
		if (!e->count)
			return -1;
		drain_all(e);
		return 0;
	case SIM_PUNCH:
		drain_lines(e, event->off, event->len);
		sim_media_punch(e->sim, event);
		return 0;
	default:
		return -1;
	}
}

uint64_t sim_images_eadr(struct sim *sim, const struct sim_log *log, size_t first,
			 uint32_t randoms, sim_image_fn fn, void *arg)
{
	struct eadr e = {.sim = sim,
			 .log = log,
			 .first = first,
			 .randoms = randoms,
			 .seed = 1,
			 .fn = fn,
			 .arg = arg};
	size_t at;
	int ret = 0;

	for (at = 0; ret <= 0 && at < log->count; at++) {
		ret = step(&e, at);
		/* After the last event, whatever it was: the call has returned. */
		if (at >= first && (!ret || (ret < 0 && at + 1 == log->count)))
			ret = images(&e, at + 1, false);
	}
	drain_all(&e);
	free(e.pending);
	return e.images;
}
