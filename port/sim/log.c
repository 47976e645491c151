// SPDX-License-Identifier: BSD-3-Clause
/* log.c - what was stored, flushed and fenced, in program order. */
#include <stdlib.h>

#include "sim_internal.h"

void sim_log_clear(struct sim_log *log)
{
	log->count = 0;
	log->data_used = 0;
}

void sim_log_free(struct sim_log *log)
{
	free(log->events);
	free(log->data);
	memset(log, 0, sizeof(*log));
}

static struct sim_event *event_new(struct sim_log *log)
{
	if (log->count == log->room) {
		log->room = log->room ? 2 * log->room : 1024;
		log->events = sim_alloc(log->events, log->room * sizeof(*log->events));
	}
	return &log->events[log->count++];
}

static size_t data_put(struct sim_log *log, const void *p, uint64_t n)
{
	size_t at = log->data_used;

	if (at + n > log->data_room) {
		log->data_room = 2 * (log->data_room + n);
		log->data = sim_alloc(log->data, log->data_room);
	}
	memcpy(log->data + at, p, n);
	log->data_used += n;
	return at;
}

void sim_log_event(struct sim *sim, enum sim_kind kind, uint64_t off, uint64_t n)
{
	struct sim_event *event = event_new(sim->log);

	*event = (struct sim_event){.kind = kind, .len = (uint32_t)n, .off = off};
}

void sim_log_store(struct sim *sim, enum sim_kind kind, const void *p, uint64_t n)
{
	uint64_t off = (uint64_t)((const uint8_t *)p - sim->mem);

	sim_log_event(sim, kind, off, n);
	sim->log->events[sim->log->count - 1].data = data_put(sim->log, p, n);
}

bool sim_log_complete(const struct sim *sim, const struct sim_log *log)
{
	uint8_t *all = sim_alloc(NULL, sim->bytes);
	size_t i;
	bool same;

	memcpy(all, sim->media, sim->bytes);
	for (i = 0; i < log->count; i++) {
		const struct sim_event *e = &log->events[i];

		if (e->kind == SIM_STORE || e->kind == SIM_STORE_NT)
			memcpy(all + e->off, log->data + e->data, e->len);
		else if (e->kind == SIM_PUNCH)
			memset(all + e->off, 0, e->len);
	}
	same = !memcmp(all, sim->mem, sim->bytes);
	free(all);
	return same;
}
