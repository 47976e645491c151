// SPDX-License-Identifier: BSD-3-Clause
/*
 * cut.c - the images that a power cut leaves.
 *
 * Stores lie in lines of 64 bytes and are cut into pieces of at most a word. A
 * line reaches the medium as some prefix of its stores, at any time the cache
 * likes; what was flushed is there after the next fence. So before a fence any
 * choice of a prefix for each line that has stores pending is possible, and
 * every image possible earlier since the last fence is among them: it is
 * enough to cut before each fence and at the end.
 *
 * Non-temporal stores count as flushed when stored; until the fence their
 * buffers drain in any order, so of a line that has nothing else any part may
 * be there.
 */
#include <stdlib.h>

#include "sim_internal.h"

#define NONE UINT32_MAX

struct piece {
	uint32_t next; /* later piece of the line */
	uint16_t len;
	bool nt;
	uint64_t off;
	const uint8_t *data;
};

struct line {
	uint32_t head, tail;
	uint32_t count; /* pieces pending */
	uint32_t flushed; /* the first so many are there after the next fence */
	uint32_t old; /* so many were there before what is under test */
	uint32_t dirty_at; /* place in `dirty`, NONE: no piece pending */
	bool mixed; /* has other than non-temporal stores */
};

struct cutter {
	struct sim *sim;
	const struct sim_log *log;
	const struct sim_effort *effort;
	size_t first, at;
	sim_image_fn fn;
	void *arg;
	uint64_t images, seed;
	uint32_t near; /* fences to come at which to cut; ~0: all */
	int stop;

	struct line *lines; /* of the whole pool */
	uint32_t *dirty; /* numbers of the lines with pieces */
	uint32_t dirty_count, dirty_room;
	struct piece *pieces;
	uint32_t piece_count, piece_room;
	uint32_t fenced; /* pieces from here on were stored since the last fence */
	uint32_t *take; /* for each of `dirty`: pieces in the image */
	bool changed; /* something is pending that no image was made of */
};

/* ---- what is pending ---- */

static void dirty_add(struct cutter *c, uint32_t number)
{
	struct line *line = &c->lines[number];

	if (c->dirty_count == c->dirty_room) {
		c->dirty_room = c->dirty_room ? 2 * c->dirty_room : 256;
		c->dirty = sim_alloc(c->dirty, c->dirty_room * sizeof(*c->dirty));
		c->take = sim_alloc(c->take, c->dirty_room * sizeof(*c->take));
	}
	*line = (struct line){.head = NONE, .tail = NONE, .dirty_at = c->dirty_count};
	c->dirty[c->dirty_count++] = number;
}

static void dirty_remove(struct cutter *c, uint32_t number)
{
	uint32_t place = c->lines[number].dirty_at;
	uint32_t last = c->dirty[--c->dirty_count];

	c->dirty[place] = last;
	c->lines[last].dirty_at = place;
	c->lines[number].dirty_at = NONE;
	c->lines[number].count = 0;
}

static void piece_add(struct cutter *c, const struct sim_event *e, uint64_t off, uint32_t len)
{
	uint32_t number = (uint32_t)(off / UMFS_LINE_BYTES);
	struct line *line = &c->lines[number];
	struct piece *piece;

	if (!line->count)
		dirty_add(c, number);
	if (c->piece_count == c->piece_room) {
		c->piece_room = c->piece_room ? 2 * c->piece_room : 4096;
		c->pieces = sim_alloc(c->pieces, c->piece_room * sizeof(*c->pieces));
	}
	piece = &c->pieces[c->piece_count];
	*piece = (struct piece){.next = NONE, .len = (uint16_t)len, .off = off};
	piece->nt = e->kind == SIM_STORE_NT;
	piece->data = c->log->data + e->data + (off - e->off);
	if (line->tail != NONE)
		c->pieces[line->tail].next = c->piece_count;
	else
		line->head = c->piece_count;
	line->tail = c->piece_count++;
	line->count++;
	line->mixed |= !piece->nt;
	if (piece->nt)
		line->flushed = line->count;
	if (c->at < c->first)
		line->old = line->count;
	c->changed = true;
}

static void store_add(struct cutter *c, const struct sim_event *e)
{
	uint64_t off, end = e->off + e->len;

	for (off = e->off; off < end;) {
		uint64_t next = UMFS_MIN((off | 7) + 1, end);

		piece_add(c, e, off, (uint32_t)(next - off));
		off = next;
	}
}

static void flush(struct cutter *c, const struct sim_event *e)
{
	uint64_t line = e->off / UMFS_LINE_BYTES;
	uint64_t last = (e->off + e->len - 1) / UMFS_LINE_BYTES;

	for (; line <= last; line++)
		c->lines[line].flushed = c->lines[line].count;
}

/* What was flushed is on the medium. */
static void fence(struct cutter *c)
{
	uint32_t i = 0, n;

	while (i < c->dirty_count) {
		struct line *line = &c->lines[c->dirty[i]];

		for (n = line->flushed; n; n--) {
			const struct piece *piece = &c->pieces[line->head];

			sim_put_media(c->sim, piece->off, piece->data, piece->len);
			line->head = piece->next;
		}
		line->count -= line->flushed;
		line->old -= UMFS_MIN(line->old, line->flushed);
		line->flushed = 0;
		if (line->count)
			i++;
		else
			dirty_remove(c, c->dirty[i]);
	}
	if (!c->dirty_count)
		c->piece_count = 0;
	c->fenced = c->piece_count;
	c->changed = true;
}

static void punch(struct cutter *c, const struct sim_event *e)
{
	uint32_t i = 0;

	while (i < c->dirty_count) {
		uint64_t off = (uint64_t)c->dirty[i] * UMFS_LINE_BYTES;

		if (off >= e->off && off < e->off + e->len)
			dirty_remove(c, c->dirty[i]);
		else
			i++;
	}
	sim_media_punch(c->sim, e);
}

/* ---- one image ---- */

static void image(struct cutter *c, const char *how, bool torn)
{
	struct sim_point point = {.event = c->at, .old = c->first};
	uint32_t i, n;

	if (c->stop)
		return;
	point.complete = c->at == c->log->count;
	snprintf(point.what, sizeof(point.what), "cut at event %zu of %zu, image %llu (%s)", c->at,
		 c->log->count, (unsigned long long)c->images, how);
	sim_reload(c->sim);
	for (i = 0; i < c->dirty_count; i++) {
		const struct line *line = &c->lines[c->dirty[i]];
		const struct piece *piece;
		uint32_t at = line->head;

		for (n = 0; n < c->take[i]; n++, at = piece->next) {
			piece = &c->pieces[at];
			if (!torn || line->mixed || sim_random(&c->seed) & 1)
				sim_put_view(c->sim, piece->off, piece->data, piece->len);
		}
	}
	c->images++;
	c->stop = c->fn(c->arg, &point);
}

static uint32_t count_of(const struct cutter *c, uint32_t i)
{
	return c->lines[c->dirty[i]].count;
}

/* What was stored before the test began is there or not as a whole, by turns. */
static uint32_t least(const struct cutter *c, uint32_t i)
{
	return c->images & 1 ? c->lines[c->dirty[i]].old : 0;
}

/* ---- which images ---- */

static uint64_t choices(const struct cutter *c, uint64_t limit)
{
	uint64_t all = 1;
	uint32_t i;

	for (i = 0; i < c->dirty_count && all <= limit; i++)
		all *= count_of(c, i) + 1;
	return all;
}

static void try_all(struct cutter *c, uint64_t all)
{
	uint64_t n;

	for (n = 0; n < all; n++) {
		uint64_t rest = n;
		uint32_t i;

		for (i = 0; i < c->dirty_count; i++) {
			c->take[i] = (uint32_t)(rest % (count_of(c, i) + 1));
			rest /= count_of(c, i) + 1;
		}
		image(c, "one of all", false);
	}
}

enum pick { PICK_NONE, PICK_ALL };

static void pick(struct cutter *c, enum pick what)
{
	uint32_t i;

	for (i = 0; i < c->dirty_count; i++)
		c->take[i] = what == PICK_ALL ? count_of(c, i) : least(c, i);
}

static void dirty_swap(struct cutter *c, uint32_t i, uint32_t k)
{
	uint32_t number = c->dirty[i];

	c->dirty[i] = c->dirty[k];
	c->dirty[k] = number;
	c->lines[c->dirty[i]].dirty_at = i;
	c->lines[c->dirty[k]].dirty_at = k;
}

/* The lines stored to since the last fence come first: how many. Others may never be flushed. */
static uint32_t recent_first(struct cutter *c)
{
	uint32_t count = 0, i;

	for (i = 0; i < c->dirty_count; i++)
		if (c->lines[c->dirty[i]].tail >= c->fenced)
			dirty_swap(c, i, count++);
	return count;
}

static void try_singles(struct cutter *c)
{
	uint32_t n = UMFS_MIN(c->effort->singles, c->dirty_count), recent = recent_first(c);
	uint32_t i;

	for (i = 0; i < n; i++) {
		/* all lines when there are few, else the recent ones, else some of those */
		uint32_t line = i, of = recent > n ? recent : c->dirty_count;

		if (n < c->dirty_count && (recent > n || i >= recent))
			line = (uint32_t)(sim_random(&c->seed) % of);

		pick(c, PICK_NONE);
		c->take[line] = count_of(c, line);
		image(c, "one line alone", false);
		pick(c, PICK_ALL);
		c->take[line] = 0;
		image(c, "all lines but one", false);
		if (count_of(c, line) < 2)
			continue;
		pick(c, PICK_NONE);
		c->take[line] = 1 + (uint32_t)(sim_random(&c->seed) % (count_of(c, line) - 1));
		image(c, "the beginning of one line alone", false);
	}
}

/* As if every line were written back at once, some time ago. */
static void try_prefix(struct cutter *c, uint32_t limit)
{
	uint32_t i;

	for (i = 0; i < c->dirty_count; i++) {
		uint32_t at = c->lines[c->dirty[i]].head;

		for (c->take[i] = 0; c->take[i] < count_of(c, i) && at < limit; c->take[i]++)
			at = c->pieces[at].next;
	}
	image(c, "all lines up to a time", false);
}

static void try_prefixes(struct cutter *c)
{
	uint32_t n = UMFS_MIN(c->effort->prefixes, c->piece_count);
	uint32_t i;

	for (i = 0; i < n; i++)
		try_prefix(c, (uint32_t)((uint64_t)c->piece_count * i / n));
}

static void try_random(struct cutter *c)
{
	uint32_t i;

	for (i = 0; i < c->dirty_count; i++) {
		uint64_t r = sim_random(&c->seed);
		uint32_t low = least(c, i), span = count_of(c, i) - low;

		if (r % 3 == 0)
			c->take[i] = low;
		else if (r % 3 == 1)
			c->take[i] = low + span;
		else
			c->take[i] = low + (uint32_t)((r >> 8) % (span + 1));
	}
	image(c, "random", true);
}

static void cut(struct cutter *c)
{
	uint64_t all = choices(c, c->effort->exhaustive);
	uint32_t i;

	if (!c->changed || !c->near)
		return;
	if (c->near != UINT32_MAX)
		c->near--;
	c->changed = false;
	if (all <= c->effort->exhaustive) {
		try_all(c, all);
		return;
	}
	pick(c, PICK_NONE);
	image(c, "nothing pending", false);
	pick(c, PICK_ALL);
	image(c, "all pending", false);
	try_singles(c);
	try_prefixes(c);
	for (i = 0; i < c->effort->randoms; i++)
		try_random(c);
}

static void step(struct cutter *c, const struct sim_event *e)
{
	switch (e->kind) {
	case SIM_STORE:
	case SIM_STORE_NT:
		store_add(c, e);
		break;
	case SIM_FLUSH:
		flush(c, e);
		break;
	case SIM_FENCE:
		if (c->at >= c->first)
			cut(c);
		fence(c);
		break;
	case SIM_PUNCH:
		punch(c, e);
		break;
	case SIM_MARK:
		if (c->near != UINT32_MAX)
			c->near = c->effort->near;
		break;
	}
}

static bool marked(const struct sim_log *log, size_t first)
{
	while (first < log->count && log->events[first].kind != SIM_MARK)
		first++;
	return first < log->count;
}

uint64_t sim_images_cut(struct sim *sim, const struct sim_log *log, size_t first,
			const struct sim_effort *effort, sim_image_fn fn, void *arg)
{
	struct cutter c = {.sim = sim,
			   .log = log,
			   .effort = effort,
			   .first = first,
			   .fn = fn,
			   .arg = arg,
			   .seed = effort->seed};
	uint64_t lines = sim->bytes / UMFS_LINE_BYTES;

	c.lines = calloc(lines, sizeof(*c.lines));
	if (!c.lines)
		sim_fail("out of memory");
	c.near = effort->near && marked(log, first) ? 0 : UINT32_MAX;
	for (c.at = 0; c.at < log->count && !c.stop; c.at++)
		step(&c, &log->events[c.at]);
	c.near = UINT32_MAX; /* the end is looked at wherever marks are: all is to be durable */
	cut(&c);
	/* Leave the medium as if all had been written back at leisure. */
	for (c.at = 0; !c.stop && c.at < c.dirty_count; c.at++)
		c.lines[c.dirty[c.at]].flushed = c.lines[c.dirty[c.at]].count;
	fence(&c);
	free(c.lines);
	free(c.dirty);
	free(c.take);
	free(c.pieces);
	return c.images;
}
