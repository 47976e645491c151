// SPDX-License-Identifier: BSD-3-Clause
/* trace.c - what was stored, flushed and fenced, and what lies there: for whoever has to find out why. */
#include "explore.h"
#include "internal.h"

/* A table of the pool, for naming what lies in it. */
struct table {
	const char *name;
	uint64_t first, bytes; /* page, length */
	uint32_t each; /* bytes of an entry */
};

static void describe(const struct umfs_geometry *g, uint64_t off, char text[64])
{
	const struct table tables[] = {
		{"runtime", UMFS_RUNTIME_PAGE, 4096, 4096},
		{"slot", UMFS_SLOTS_PAGE, UMFS_SLOTS_MAX * sizeof(struct umfs_slot_pm),
		 sizeof(struct umfs_slot_pm)},
		{"lane", g->lanes_page,
		 (uint64_t)g->slot_count * g->lanes_per_slot * UMFS_LANE_PAGES * UMFS_PAGE_BYTES,
		 UMFS_LANE_PAGES * UMFS_PAGE_BYTES},
		{"group", g->gtable_page, g->group_count * sizeof(struct umfs_group_pm),
		 sizeof(struct umfs_group_pm)},
		{"irec", g->irecs_page, g->irec_count * sizeof(struct umfs_irec_pm),
		 sizeof(struct umfs_irec_pm)},
		{"ofd", g->ofds_page, g->ofd_count * sizeof(struct umfs_ofd_pm),
		 sizeof(struct umfs_ofd_pm)},
		{"inode", g->groups_page + UMFS_GROUP_HEAD_PAGES,
		 (uint64_t)g->itable_pages * UMFS_PAGE_BYTES, UMFS_INODE_BYTES},
		{"page", 0, UINT64_MAX, UMFS_PAGE_BYTES}, /* anything else */
	};
	const struct table *t = tables;

	while (off < t->first << UMFS_PAGE_SHIFT || off - (t->first << UMFS_PAGE_SHIFT) >= t->bytes)
		t++;
	off -= t->first << UMFS_PAGE_SHIFT;
	snprintf(text, 64, "%s %llu +%llu", t->name, (unsigned long long)(off / t->each),
		 (unsigned long long)(off % t->each));
}

void sim_trace(const struct sim_log *log, size_t first, const struct umfs_geometry *g)
{
	static const char *const kinds[] = {"store", "store nt", "flush", "fence", "punch", "left out"};
	char text[64];
	size_t i;

	for (i = first; i < log->count; i++) {
		const struct sim_event *e = &log->events[i];
		uint64_t word = 0;

		describe(g, e->off, text);
		if (e->kind <= SIM_STORE_NT)
			memcpy(&word, log->data + e->data, UMFS_MIN(e->len, 8u));
		printf("%6zu %-8s %-20s %6u bytes  %llx\n", i, kinds[e->kind],
		       e->kind == SIM_FENCE || e->kind == SIM_MARK ? "" : text, e->len, (unsigned long long)word);
	}
}
