// SPDX-License-Identifier: BSD-3-Clause
/* test_lane.c - transactions: what is undone, what is kept, what is not believed. */
#include "unit.h"

/* A page of the pool that belongs to the test. */
struct scratch {
	struct umfs_tx tx;
	le64 *words;
	uint64_t page;
};

static void scratch_get(struct unit *u, struct scratch *s)
{
	uint32_t got;

	assert_ok(umfs_lane_get(u->fs, &s->tx));
	umfs_tx_begin(&s->tx);
	assert_ok(umfs_pages_alloc(&s->tx, 0, 1, &s->page, &got));
	umfs_tx_commit(&s->tx);
	s->words = umfs_page(u->fs, s->page);
	st64(&s->words[0], 11);
	st64(&s->words[1], 22);
	u->damaged = true; /* the page is in nobody's file */
}

static void tx_aborted_restores(void **state)
{
	struct scratch s;

	scratch_get(*state, &s);
	umfs_tx_begin(&s.tx);
	assert_ok(umfs_tx_save(&s.tx, s.words, 16));
	umfs_tx_fence(&s.tx);
	st64(&s.words[0], 1);
	st64(&s.words[1], 2);
	umfs_tx_abort(&s.tx);
	assert_int_equal(ld64(&s.words[0]), 11);
	assert_int_equal(ld64(&s.words[1]), 22);
	umfs_lane_put(&s.tx);
}

static void tx_committed_keeps(void **state)
{
	struct unit *u = *state;
	struct scratch s;
	uint64_t page;

	scratch_get(u, &s);
	umfs_tx_begin(&s.tx);
	assert_ok(umfs_tx_save(&s.tx, s.words, 8));
	st64(&s.words[0], 1);
	umfs_tx_commit(&s.tx);
	umfs_lane_put(&s.tx);
	page = s.page;
	unit_die(u);
	assert_int_equal(ld64(umfs_page(u->fs, page)), 1);
}

static void tx_interrupted_undone_at_attach(void **state)
{
	struct unit *u = *state;
	struct scratch s;
	uint64_t page;

	scratch_get(u, &s);
	umfs_tx_begin(&s.tx);
	assert_ok(umfs_tx_save(&s.tx, s.words, 8));
	umfs_tx_fence(&s.tx);
	st64(&s.words[0], 1);
	page = s.page;
	unit_die(u);
	assert_int_equal(ld64(umfs_page(u->fs, page)), 11);
}

static void tx_saved_twice_restores_first(void **state)
{
	struct scratch s;

	scratch_get(*state, &s);
	umfs_tx_begin(&s.tx);
	assert_ok(umfs_tx_save(&s.tx, s.words, 8));
	st64(&s.words[0], 1);
	assert_ok(umfs_tx_save(&s.tx, s.words, 8));
	st64(&s.words[0], 2);
	umfs_tx_abort(&s.tx);
	assert_int_equal(ld64(&s.words[0]), 11);
	umfs_lane_put(&s.tx);
}

static void tx_too_long_refused_and_undone(void **state)
{
	struct scratch s;
	int err = 0, saves = 0;

	scratch_get(*state, &s);
	umfs_tx_begin(&s.tx);
	while (!err && saves < 1000) {
		err = umfs_tx_save(&s.tx, s.words, 1024);
		saves += !err;
	}
	assert_int_equal(err, -ENOSPC);
	assert_true(saves >= 4);
	st64(&s.words[0], 1);
	umfs_tx_abort(&s.tx);
	assert_int_equal(ld64(&s.words[0]), 11);
	umfs_lane_put(&s.tx);
}

static void tx_allocation_aborted_given_back(void **state)
{
	struct unit *u = *state;
	uint64_t before = unit_pages_free(u), page;
	struct umfs_tx tx;
	uint32_t got, ino;

	assert_ok(umfs_lane_get(u->fs, &tx));
	umfs_tx_begin(&tx);
	assert_ok(umfs_pages_alloc(&tx, 0, 10, &page, &got));
	assert_ok(umfs_inode_alloc(&tx, UMFS_ROOT_INO, false, &ino));
	assert_int_equal(unit_pages_free(u), before - got);
	umfs_tx_abort(&tx);
	umfs_unlock(u->fs, &umfs_inode(u->fs, ino)->lock);
	umfs_lane_put(&tx);
	assert_int_equal(unit_pages_free(u), before);
	assert_false(umfs_inode_allocated(u->fs, ino));
}

static void tx_free_happens_after_commit_only(void **state)
{
	struct unit *u = *state;
	uint64_t before = unit_pages_free(u);
	struct scratch s;

	scratch_get(u, &s);
	u->damaged = false;
	umfs_tx_begin(&s.tx);
	assert_ok(umfs_pages_free(&s.tx, s.page, 1));
	assert_int_equal(unit_pages_free(u), before - 1);
	umfs_tx_commit(&s.tx);
	assert_int_equal(unit_pages_free(u), before);
	umfs_lane_put(&s.tx);
}

static void tx_free_aborted_not_done(void **state)
{
	struct unit *u = *state;
	uint64_t before = unit_pages_free(u);
	struct scratch s;

	scratch_get(u, &s);
	umfs_tx_begin(&s.tx);
	assert_ok(umfs_pages_free(&s.tx, s.page, 1));
	umfs_tx_abort(&s.tx);
	umfs_lane_put(&s.tx);
	assert_int_equal(unit_pages_free(u), before - 1);
}

/* A lane that died with one saved word; the test spoils its record before it is recovered. */
static struct umfs_rec_pm *die_with_record(struct unit *u, struct scratch *s)
{
	struct umfs_lane_pm *lane;

	scratch_get(u, s);
	umfs_tx_begin(&s->tx);
	assert_ok(umfs_tx_save(&s->tx, s->words, 8));
	st64(&s->words[0], 1);
	lane = s->tx.lane;
	sim_kill(u->proc);
	u->sim->log = NULL;
	return (struct umfs_rec_pm *)lane->records;
}

static void attach_again(struct unit *u)
{
	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
}

static void record_damaged_not_believed(void **state)
{
	struct unit *u = *state;
	struct scratch s;
	struct umfs_rec_pm *rec = die_with_record(u, &s);

	((uint8_t *)(rec + 1))[0] ^= 1;
	attach_again(u);
	assert_int_equal(ld64(umfs_page(u->fs, s.page)), 1);
}

static void record_of_other_transaction_not_believed(void **state)
{
	struct unit *u = *state;
	struct scratch s;
	struct umfs_rec_pm *rec = die_with_record(u, &s);

	rec->txid.v++;
	rec->crc.v = port_crc32c((uint32_t)rec->txid.v, &rec->type, sizeof(*rec) - 4 + 8);
	attach_again(u);
	assert_int_equal(ld64(umfs_page(u->fs, s.page)), 1);
}

/* A record with a good checksum that wants to write outside the pool, or over the superblock. */
static void record_with_hostile_target_harmless(void **state)
{
	static const uint64_t targets[] = {0,	      8,	4088,	      ~0ull,
					   ~0ull - 7, 24 * MIB, 24 * MIB - 4, 1ull << 63};
	struct unit *u = *state;
	struct scratch s;
	struct umfs_rec_pm *rec = die_with_record(u, &s);
	uint8_t before[UMFS_PAGE_BYTES];
	uint32_t i;

	memcpy(before, u->sim->mem, sizeof(before));
	sim_settle(u->sim);
	for (i = 0; i < UMFS_ARRAY_LEN(targets); i++) {
		sim_reload(u->sim);
		rec->where.v = targets[i];
		rec->crc.v = port_crc32c((uint32_t)rec->txid.v, &rec->type, sizeof(*rec) - 4 + 8);
		attach_again(u);
		assert_memory_equal(before, u->sim->mem, sizeof(before));
		if (i + 1 < UMFS_ARRAY_LEN(targets))
			sim_kill(u->proc);
	}
}

static const struct CMUnitTest tests[] = {
	CASE(tx_aborted_restores),
	CASE(tx_committed_keeps),
	CASE(tx_interrupted_undone_at_attach),
	CASE(tx_saved_twice_restores_first),
	CASE(tx_too_long_refused_and_undone),
	CASE(tx_allocation_aborted_given_back),
	CASE(tx_free_happens_after_commit_only),
	CASE(tx_free_aborted_not_done),
	CASE(record_damaged_not_believed),
	CASE(record_of_other_transaction_not_believed),
	CASE(record_with_hostile_target_harmless),
};
UNIT_MAIN("lane", tests)
