// SPDX-License-Identifier: BSD-3-Clause
/*
 * mend.c - changes to the pool, so that fsck.umfs may be killed at any store.
 *
 * Most of what is mended is one store. A field and the checksum over it are two: they
 * change as core changes them, with the bytes before in the journal of a lane, here the
 * first of slot 0. Whoever recovers the pool next undoes a change that was cut short,
 * be it fsck.umfs or a process that attaches.
 *
 * I1  Before the first change that a pass makes (pass 0 lays to rest, one store each)
 *     the clean flag is 0: what was cut short is seen, recovered and looked at again.
 * I2  The journal is used when all lanes are at rest and nobody is attached; slot 0 is
 *     in use, durably, before anything is done in its name, and free again at the end.
 * I3  The record is durable before the bytes that it can put back, and those before the
 *     commit.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fsck.h"

static struct umfs_lane_pm *journal(const struct fsck *c)
{
	return page_at(c, c->geo.lanes_page);
}

static void slot_set(struct fsck *c, uint32_t state)
{
	struct umfs_slot_pm *slot = page_at(c, UMFS_SLOTS_PAGE);

	st64(&slot->unused, 0); /* whatever stood there: the journal counts */
	st32(&slot->state, state);
	media_sync(c, slot, sizeof(*slot));
}

static void clean_set(struct fsck *c, uint64_t clean)
{
	struct umfs_runtime_pm *rt = runtime_at(c);

	st64(&rt->clean, clean);
	media_sync(c, rt, sizeof(*rt));
}

void mend_begin(struct fsck *c)
{
	if (c->rested && ld64(&runtime_at(c)->clean) == UMFS_CLEAN)
		clean_set(c, 0);
}

void mend_end(struct fsck *c)
{
	if (c->mode == FSCK_CHECK || c->skipped)
		return;
	if (c->journal)
		slot_set(c, UMFS_SLOT_FREE);
	c->journal = false;
	if (ld64(&runtime_at(c)->clean) != UMFS_CLEAN && (!c->left || c->was_clean))
		clean_set(c, UMFS_CLEAN);
}

/* A lane that no slot ever used may have no memory behind it. */
static void journal_open(struct fsck *c)
{
	uint64_t at = (uint64_t)c->geo.lanes_page << UMFS_PAGE_SHIFT;

	if (c->journal)
		return;
	if (port_back(&c->pool.fs, at, UMFS_LANE_PAGES * (uint64_t)UMFS_PAGE_BYTES)) {
		fprintf(stderr, "fsck.umfs: %s: no memory for the journal\n", c->path);
		exit(EXIT_ERROR | (c->fixed ? EXIT_FIXED : 0));
	}
	slot_set(c, UMFS_SLOT_LIVE); /* I2 */
	c->journal = true;
}

/* The record ends at what is returned. */
static uint8_t *put_record(struct fsck *c, uint64_t txid, uint8_t *to, const struct mend *m)
{
	struct umfs_rec_pm *rec = (struct umfs_rec_pm *)to;

	port_copy(rec + 1, m->at, m->n);
	st16(&rec->type, UMFS_REC_BYTES);
	st16(&rec->len, (uint16_t)m->n);
	st64(&rec->txid, txid);
	st64(&rec->where, (uint64_t)((const uint8_t *)m->at - c->base));
	st64(&rec->count, 0);
	st32(&rec->crc, sum_crc32c((uint32_t)txid, &rec->type, sizeof(*rec) - 4 + m->n));
	media_sync(c, rec, sizeof(*rec) + m->n);
	return to + sizeof(*rec) + ((m->n + 7) & ~7u);
}

void mend_all(struct fsck *c, const struct mend *all, uint32_t count)
{
	struct umfs_lane_pm *lane = journal(c);
	uint8_t *to = (uint8_t *)lane->records;
	uint64_t txid;

	journal_open(c);
	txid = (ld64(&lane->state) >> 2) + 1;
	st64(&lane->done, 0);
	st64(&lane->state, txid << 2 | UMFS_TX_ACTIVE);
	media_sync(c, lane, UMFS_LINE_BYTES);
	for (uint32_t i = 0; i < count; i++)
		to = put_record(c, txid, to, &all[i]);
	for (uint32_t i = 0; i < count; i++) {
		port_copy(all[i].at, all[i].bytes, all[i].n);
		media_sync(c, all[i].at, all[i].n);
	}
	st64(&lane->state, txid << 2 | UMFS_TX_IDLE); /* commit point */
	media_sync(c, lane, UMFS_LINE_BYTES);
}

void mend_bytes(struct fsck *c, void *at, const void *bytes, uint32_t n)
{
	const struct mend one = {at, bytes, n};

	mend_all(c, &one, 1);
}
