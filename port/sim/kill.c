// SPDX-License-Identifier: BSD-3-Clause
/* kill.c - the images that the death of a process after each store leaves. */
#include "sim_internal.h"

#define CUTS_MAX 6u

struct run {
	struct sim *sim;
	const struct sim_log *log;
	size_t first;
	sim_image_fn fn;
	void *arg;
	uint64_t images;
};

static int image(struct run *run, size_t event, uint64_t part)
{
	struct sim_point point = {.event = event, .old = run->first};

	point.inside = part != 0;
	point.complete = event == run->log->count;
	snprintf(point.what, sizeof(point.what), "kill before event %zu of %zu, %llu bytes into it",
		 event, run->log->count, (unsigned long long)part);
	run->images++;
	sim_reload(run->sim);
	return run->fn(run->arg, &point);
}

/* A store of up to 8 bytes is whole or not there; a copy may be cut between words. */
static int store(struct run *run, size_t at)
{
	const struct sim_event *e = &run->log->events[at];
	const uint8_t *data = run->log->data + e->data;
	uint64_t step = (e->len / (CUTS_MAX + 1) + 7) & ~7ull;
	uint64_t done, next;
	int ret;

	step = UMFS_MAX(step, 8);
	for (done = 0; done < e->len; done = next) {
		next = UMFS_MIN(done + step, e->len);
		sim_put_media(run->sim, e->off + done, data + done, next - done);
		if (at < run->first || next == e->len)
			continue;
		ret = image(run, at, next);
		if (ret)
			return ret;
	}
	return at < run->first ? 0 : image(run, at + 1, 0);
}

uint64_t sim_images_kill(struct sim *sim, const struct sim_log *log, size_t first, sim_image_fn fn,
			 void *arg)
{
	struct run run = {sim, log, first, fn, arg, 0};
	size_t at;

	for (at = 0; at < log->count; at++) {
		const struct sim_event *e = &log->events[at];

		if (e->kind == SIM_PUNCH)
			sim_media_punch(sim, e);
		else if ((e->kind == SIM_STORE || e->kind == SIM_STORE_NT) && store(&run, at))
			break;
	}
	return run.images;
}
