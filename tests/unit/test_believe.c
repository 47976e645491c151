// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_believe.c - what recovery reads, with one thing wrong at a time: nothing is done by it.
 *
 * Each table has a row in which nothing is wrong, and then something is done: so that a row
 * that is not believed for another reason than its own would be seen.
 */
#include "field.h"
#include "unit.h"

#include <stdio.h>

static struct umfs_lane_pm *own_lane(struct unit *u)
{
	return umfs_lane(u->fs, u->fs->slot, 0);
}

static uint64_t ino_of(struct unit *u, const char *path)
{
	uint32_t ino;

	assert_ok(world_ino(u->fs, path, &ino));
	return ino;
}

static le64 *entry_of(struct unit *u, const char *path, uint64_t index)
{
	return umfs_fpt_slot(u->fs, umfs_inode(u->fs, (uint32_t)ino_of(u, path)), index);
}

static void damaging(struct unit *u)
{
	u->sim->log = NULL;
	u->damaged = true;
}

/* ---- an exchange of pages (swap.c) ---- */

enum { LINE_ENTRY, LINE_OLD, LINE_NEW, LINE_CHECK };

/*
 * The line says that the page of another file was replaced by the one that lies there: the
 * other file's page would be given back.
 */
static void exchange_wrong_in_one_field_not_believed(void **state)
{
	static const struct {
		uint32_t field;
		uint64_t value;
		uint32_t freed;
	} rows[] = {
		{LINE_CHECK, 0, 1}, /* nothing is wrong */
		{LINE_CHECK, 1, 0},
		{LINE_ENTRY, 0, 0},
		{LINE_ENTRY, ~0ull << 3, 0},
		{LINE_ENTRY, UMFS_RUNTIME_PAGE << UMFS_PAGE_SHIFT, 0},
		{LINE_ENTRY, 24 * MIB, 0},
		{LINE_OLD, 0, 0},
		{LINE_OLD, UMFS_SB_BACKUP_PAGE << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF, 0},
		{LINE_OLD, 24 * MIB | UMFS_PTE_LEAF, 0},
		{LINE_NEW, 0, 0},
		{LINE_NEW, UMFS_PTE_ADDR | UMFS_PTE_LEAF, 0},
	};
	struct unit *u = *state;
	struct umfs_lane_pm *lane = own_lane(u);
	uint64_t free_pages;
	size_t i;

	damaging(u);
	assert_ok(world_put(u->fs, "/a", 0, 20000, 1));
	assert_ok(world_put(u->fs, "/b", 0, 20000, 2));
	free_pages = unit_pages_free(u);
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
		le64 *words[] = {&lane->swap_entry, &lane->swap_old, &lane->swap_new,
				 &lane->swap_check};

		st64(&lane->spare, 0);
		st64(&lane->swap_entry, umfs_off(u->fs, entry_of(u, "/a", 1)));
		st64(&lane->swap_old, ld64(entry_of(u, "/b", 1)));
		st64(&lane->swap_new, ld64(entry_of(u, "/a", 1)));
		if (rows[i].field != LINE_CHECK)
			st64(words[rows[i].field], rows[i].value);
		assert_true(field_seal("umfs_lane_pm", lane, 0, sizeof(*lane)));
		if (rows[i].field == LINE_CHECK)
			st64(&lane->swap_check, ld64(&lane->swap_check) ^ rows[i].value);
		assert_ok(umfs_swap_recover(u->fs, u->fs->slot, lane));
		assert_int_equal(unit_pages_free(u), free_pages + rows[i].freed);
		assert_int_equal(ld64(&lane->swap_entry), 0);
		free_pages = unit_pages_free(u);
	}
	/* The entry is neither of both, or both are one. */
	for (i = 0; i < 2; i++) {
		st64(&lane->spare, 0);
		st64(&lane->swap_entry, umfs_off(u->fs, entry_of(u, "/a", 1)));
		st64(&lane->swap_old, ld64(entry_of(u, i ? "/a" : "/b", 1)));
		st64(&lane->swap_new, ld64(entry_of(u, i ? "/a" : "/b", i ? 1 : 2)));
		assert_true(field_seal("umfs_lane_pm", lane, 0, sizeof(*lane)));
		assert_ok(umfs_swap_recover(u->fs, u->fs->slot, lane));
		assert_int_equal(unit_pages_free(u), free_pages);
		assert_int_equal(ld64(&lane->swap_entry), 0);
	}
	/* An entry that is not on a word's boundary, in a page that may hold some. */
	st64(&lane->spare, 0);
	st64(&lane->swap_entry, umfs_off(u->fs, entry_of(u, "/a", 1)) + 4);
	st64(&lane->swap_old, ld64(entry_of(u, "/b", 2)));
	st64(&lane->swap_new, ld64(entry_of(u, "/a", 1)));
	assert_true(field_seal("umfs_lane_pm", lane, 0, sizeof(*lane)));
	assert_ok(umfs_swap_recover(u->fs, u->fs->slot, lane));
	assert_int_equal(unit_pages_free(u), free_pages);
}

/* ---- an undo log (ulog.c) ---- */

struct undo {
	struct umfs *fs;
	struct umfs_ulog_pm *log;
	uint32_t dir;
};

static void wrong_crc(struct undo *o)
{
	st32(&o->log->crc, ld32(&o->log->crc) ^ 1);
}
static void wrong_serial(struct undo *o)
{
	st64(&o->log->state, ld64(&o->log->state) + 2);
}
static void no_such_inode(struct undo *o)
{
	st32(&o->log->ino, UINT32_MAX);
}
static void inode_zero(struct undo *o)
{
	st32(&o->log->ino, 0);
}
static void a_directory(struct undo *o)
{
	st32(&o->log->ino, o->dir);
}
static void another_life(struct undo *o)
{
	st32(&o->log->generation, ld32(&o->log->generation) + 1);
}
static void longer_than_the_log(struct undo *o)
{
	st64(&o->log->len, UMFS_ULOG_LANE_BYTES + 1);
}
static void larger_than_a_file(struct undo *o)
{
	st64(&o->log->size, UMFS_FILE_BYTES_MAX + 1);
}
static void past_the_end(struct undo *o)
{
	st64(&o->log->off, ld64(&o->log->size) + 1);
}
static void over_the_end(struct undo *o)
{
	st64(&o->log->size, ld64(&o->log->off) + ld64(&o->log->len) - 1);
}
/* The root of the file may then name pages of another. */
static void another_root(struct undo *o)
{
	le32 *uid = &umfs_inode(o->fs, ld32(&o->log->ino))->uid;

	st32(uid, ld32(uid) ^ 1);
}
static void other_bytes(struct undo *o)
{
	st32(&o->log->data_crc, 12345);
}

static void undo_wrong_in_one_field_not_believed(void **state)
{
	static const struct {
		const char *what;
		void (*spoil)(struct undo *o);
		bool seal;
	} rows[] = {
		{"nothing", NULL, true},
		{"the sum", wrong_crc, false},
		{"the serial", wrong_serial, false},
		{"a number that no inode has", no_such_inode, true},
		{"no number", inode_zero, true},
		{"a directory", a_directory, true},
		{"the generation", another_life, true},
		{"the inode", another_root, true},
		{"the length", longer_than_the_log, true},
		{"the size", larger_than_a_file, true},
		{"the offset", past_the_end, true},
		{"the offset and the length", over_the_end, true},
		{"the sum of the bytes", other_bytes, true},
	};
	static const uint8_t news[200] = "other bytes";
	struct unit *u = *state;
	struct undo o = {.fs = u->fs, .log = umfs_lane_ulog(own_lane(u))};
	struct umfs_inode_pm *in;
	uint8_t *data, olds[200];
	uint32_t ino;
	size_t i;

	damaging(u);
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_put(u->fs, "/f", 0, 5000, 1));
	ino = (uint32_t)ino_of(u, "/f");
	o.dir = (uint32_t)ino_of(u, "/d");
	in = umfs_inode(u->fs, ino);
	data = (uint8_t *)umfs_page(u->fs, umfs_pte_page(ld64(entry_of(u, "/f", 0)))) + 100;
	memcpy(olds, data, sizeof(olds));
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
		port_copy(data, olds, sizeof(olds));
		umfs_ulog_arm(u->fs, o.log, in, ino, 100, sizeof(news), NULL);
		port_copy(data, news, sizeof(news));
		if (rows[i].spoil)
			rows[i].spoil(&o);
		if (rows[i].spoil == a_directory)
			st32(&o.log->generation, ld32(&umfs_inode(u->fs, o.dir)->generation));
		if (rows[i].seal)
			assert_true(field_seal("umfs_ulog_pm", o.log, 0, sizeof(*o.log)));
		snprintf(sim_context, sizeof(sim_context), "%s is wrong: ", rows[i].what);
		assert_int_equal(umfs_ulog_recover(u->fs, o.log, UMFS_ULOG_LANE_BYTES),
				 rows[i].spoil ? -EUCLEAN : 0);
		assert_memory_equal(data, rows[i].spoil ? news : olds, sizeof(news));
		assert_int_equal(umfs_inode_size(in), 5000);
		assert_int_equal(ld64(&o.log->state) & 1, 0);
		if (rows[i].spoil == another_root)
			another_root(&o);
	}
	sim_context[0] = 0;
}

/* ---- what is to be freed (release.c) ---- */

static void runs_that_are_in_no_group_not_freed(void **state)
{
	struct unit *u = *state;
	uint64_t end, first;
	uint32_t heads;
	size_t i;

	unit_pool(u, 200 * MIB, 1024);
	damaging(u);
	assert_int_equal(u->fs->geo.group_count, 2);
	end = u->fs->geo.pool_pages;
	first = umfs_group_page(u->fs, 1);
	heads = UMFS_GROUP_HEAD_PAGES + u->fs->geo.itable_pages;
	{
		const struct {
			bool inodes;
			uint64_t first, count;
			int64_t group;
		} rows[] = {
			{true, 1, 1, 0},
			{true, u->fs->geo.inodes_per_group, 1, 1},
			{true, 0, 1, -1},
			{true, 1, 2, -1},
			{true, 2ull * u->fs->geo.inodes_per_group, 1, -1},
			{true, ~0ull, 1, -1},
			{false, first - 1, 1, 0},
			{false, first + heads, 3, 1},
			{false, first - 1, 0, -1},
			{false, first - 1, 2, -1}, /* to the next one's head */
			{false, first - 1, heads + 2ull, -1}, /* and over it */
			{false, first + heads, UMFS_GROUP_PAGES + 1ull, -1},
			{false, first + heads, end - first - heads + 1, -1},
			{false, first + heads - 1, 1, -1},
			{false, 0, 1, -1},
			{false, UMFS_SB_BACKUP_PAGE, 1, -1},
			{false, end, 1, -1},
			{false, ~0ull, 1, -1},
		};
		struct umfs_lane_pm *lane = own_lane(u);
		uint64_t free_pages = unit_pages_free(u);
		struct umfs_statfs st;

		for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
			assert_int_equal(umfs_bits_group(u->fs, rows[i].inodes, rows[i].first,
							 rows[i].count), rows[i].group);
			if (rows[i].group >= 0)
				continue;
			/* A record that says so is done with, nothing else. */
			umfs_bits_release(u->fs, u->fs->slot, lane, rows[i].inodes, rows[i].first,
					  rows[i].count, &lane->done, i + 1);
			assert_int_equal(ld64(&lane->done), i + 1);
			umfs_statfs(u->fs, &st);
			assert_int_equal(st.pages_free, free_pages);
		}
	}
}

/* ---- a journal (lane.c) ---- */

static struct umfs_rec_pm *put_rec(struct umfs_lane_pm *lane, uint32_t at, uint32_t type,
				   uint32_t len, uint64_t where, uint64_t count)
{
	struct umfs_rec_pm *rec = (struct umfs_rec_pm *)(lane->records + at);

	st16(&rec->type, (uint16_t)type);
	st16(&rec->len, (uint16_t)len);
	st64(&rec->txid, ld64(&lane->state) >> 2);
	st64(&rec->where, where);
	st64(&rec->count, count);
	(void)field_seal("umfs_rec_pm", rec, 0, sizeof(*lane) - sizeof(*rec) - at);
	return rec;
}

static struct umfs_lane_pm *journal(struct unit *u, uint32_t state)
{
	struct umfs_lane_pm *lane = own_lane(u);

	st64(&lane->state, ((ld64(&lane->state) >> 2) + 1) << 2 | state);
	st64(&lane->done, 0);
	return lane;
}

static void recover_lane(struct unit *u, struct umfs_lane_pm *lane)
{
	assert_ok(umfs_lane_recover(u->fs, u->fs->slot, lane));
	assert_int_equal(ld64(&lane->state) & 3, UMFS_TX_IDLE);
}

/* More records than fit there may be, all of them empty. */
static void journal_full_of_empty_records_comes_to_an_end(void **state)
{
	static const uint32_t states[] = {UMFS_TX_ACTIVE, UMFS_TX_COMMITTED};
	struct unit *u = *state;
	uint64_t free_pages;
	size_t i;

	damaging(u);
	assert_ok(world_put(u->fs, "/f", 0, 5000, 1));
	free_pages = unit_pages_free(u);
	for (i = 0; i < UMFS_ARRAY_LEN(states); i++) {
		struct umfs_lane_pm *lane = journal(u, states[i]);
		uint32_t at;

		for (at = 0; at + sizeof(struct umfs_rec_pm) <= UMFS_TX_BYTES;
		     at += (uint32_t)sizeof(struct umfs_rec_pm))
			put_rec(lane, at, UMFS_REC_BYTES, 0, UMFS_PAGE_BYTES, 0);
		recover_lane(u, lane);
		assert_int_equal(unit_pages_free(u), free_pages);
	}
}

/* Where a record would reach past the journal, or past what any has, it ends. */
static void record_longer_than_may_be_not_undone(void **state)
{
	static const struct {
		uint32_t at, len;
		uint64_t value; /* of the word afterwards */
	} rows[] = {
		{0, 8, 11},
		{0, UMFS_SAVE_MAX, 11},
		{0, UMFS_SAVE_MAX + 8, 22},
		{UMFS_SAVE_MAX + sizeof(struct umfs_rec_pm), UMFS_SAVE_MAX, 22},
	};
	struct unit *u = *state;
	uint8_t *page;
	size_t i;

	damaging(u);
	assert_ok(world_put(u->fs, "/f", 0, 20000, 1));
	page = umfs_page(u->fs, umfs_pte_page(ld64(entry_of(u, "/f", 1))));
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
		struct umfs_lane_pm *lane = journal(u, UMFS_TX_ACTIVE);
		uint64_t olds = 11, news = 22;

		port_copy(page, &news, sizeof(news));
		if (rows[i].at)
			put_rec(lane, 0, UMFS_REC_PAGES_FREE, UMFS_SAVE_MAX, 0, 0);
		port_copy(lane->records + rows[i].at + sizeof(struct umfs_rec_pm), &olds, 8);
		put_rec(lane, rows[i].at, UMFS_REC_BYTES, rows[i].len, umfs_off(u->fs, page), 0);
		recover_lane(u, lane);
		assert_memory_equal(page, &rows[i].value, 8);
	}
}

/* And no more than that. */
static void undo_only(struct unit *u, struct umfs_lane_pm *lane)
{
	struct umfs_tx tx = {.fs = u->fs, .lane = lane, .slot = u->fs->slot, .active = true};

	tx.txid = ld64(&lane->state) >> 2;
	tx.used = UMFS_TX_BYTES;
	umfs_tx_abort(&tx);
}

/* What no transaction saves is not put back, whatever a record says that fits otherwise. */
static void bytes_put_back_only_where_they_may_be_saved(void **state)
{
	struct unit *u = *state;
	uint64_t inode, page, group;
	struct umfs_lane_pm *lane;
	uint32_t i;

	damaging(u);
	assert_ok(world_put(u->fs, "/f", 0, 20000, 1));
	page = umfs_pte_page(ld64(entry_of(u, "/f", 1))) << UMFS_PAGE_SHIFT;
	inode = umfs_off(u->fs, umfs_inode(u->fs, (uint32_t)ino_of(u, "/f")));
	group = umfs_group_page(u->fs, 0) << UMFS_PAGE_SHIFT;
	lane = own_lane(u);
	{
		const struct {
			uint64_t where;
			bool may;
		} rows[] = {
			{page, true},
			{inode + offsetof(struct umfs_inode_pm, pad3), true},
			{umfs_off(u->fs, &lane->spare), true},
			{umfs_off(u->fs, &lane->promise), false},
			{umfs_off(u->fs, &umfs_lane(u->fs, u->fs->slot, 1)->spare), false},
			{umfs_off(u->fs, &umfs_runtime(u->fs)->ofd_serial), false},
			{umfs_off(u->fs, &umfs_slot(u->fs, 7)->pad), false},
			{UMFS_SB_BACKUP_PAGE << UMFS_PAGE_SHIFT, false},
			{umfs_off(u->fs, &umfs_group(u->fs, 0)->pad), false},
			{group, false},
			{group + 2 * UMFS_PAGE_BYTES - 8, false},
			{group + 2 * UMFS_PAGE_BYTES - 4, false}, /* and into the inodes */
			{24 * MIB, false},
			{24 * MIB - 4, false},
			{~0ull - 3, false},
		};

		for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
			bool there = rows[i].where < 24 * MIB - 8;
			uint8_t *at = umfs_at(u->fs, there ? rows[i].where : 0);
			uint64_t olds = 0x6c6f, was, now;

			lane = journal(u, UMFS_TX_ACTIVE);
			port_copy(lane->records + sizeof(struct umfs_rec_pm), &olds, 8);
			put_rec(lane, 0, UMFS_REC_BYTES, 8, rows[i].where, 0);
			port_copy(&was, at, 8);
			undo_only(u, lane);
			port_copy(&now, at, 8);
			assert_int_equal(now, rows[i].may ? olds : was);
			port_copy(at, &was, 8);
		}
	}
}

/* An inode that was taken, in a record of a transaction that is to be undone. */
static void inode_that_none_can_be_not_freed(void **state)
{
	static const uint64_t numbers[] = {0, 1ull << 32, ~0ull, 1024, UINT32_MAX};
	struct unit *u = *state;
	struct umfs_statfs before, after;
	size_t i;

	damaging(u);
	assert_ok(world_put(u->fs, "/f", 0, 5000, 1));
	umfs_statfs(u->fs, &before);
	for (i = 0; i < UMFS_ARRAY_LEN(numbers); i++) {
		struct umfs_lane_pm *lane = journal(u, UMFS_TX_ACTIVE);

		put_rec(lane, 0, UMFS_REC_INODE_ALLOC, 0, numbers[i], 0);
		recover_lane(u, lane);
		umfs_statfs(u->fs, &after);
		assert_int_equal(after.inodes_free, before.inodes_free);
	}
	put_rec(journal(u, UMFS_TX_ACTIVE), 0, UMFS_REC_INODE_ALLOC, 0, ino_of(u, "/f"), 0);
	recover_lane(u, own_lane(u)); /* one that there is */
	umfs_statfs(u->fs, &after);
	assert_int_equal(after.inodes_free, before.inodes_free + 1);
}

/* ---- what is left to do in a slot (freeze.c) ---- */

static void slot_with_anything_left_is_not_at_rest(void **state)
{
	struct unit *u = *state;
	struct umfs_lane_pm *lane = umfs_lane(u->fs, u->fs->slot, u->fs->geo.lanes_per_slot - 1);
	struct umfs_ulog_pm *reserve = umfs_reserve(u->fs, u->fs->geo.reserve_count - 1);
	le64 *const words[] = {&lane->state,  &lane->spare,		     &lane->swap_entry,
			       &lane->promise, &lane->group, &umfs_lane_ulog(lane)->state,
			       &reserve->lock};
	uint64_t mine = umfs_lock_value(u->fs, u->fs->slot);
	size_t i;

	u->sim->log = NULL;
	st64(&lane->spare, 1);
	assert_true(umfs_slot_at_rest(u->fs, u->fs->slot)); /* nobody has taken that lane */
	st64(&lane->spare, 0);
	unit_lanes_used(u, u->fs->slot);
	assert_true(umfs_slot_at_rest(u->fs, u->fs->slot));
	for (i = 0; i < UMFS_ARRAY_LEN(words); i++) {
		uint64_t was = ld64(words[i]);

		st64(words[i], words[i] == &reserve->lock ? mine : was + 1);
		assert_false(umfs_slot_at_rest(u->fs, u->fs->slot));
		st64(words[i], was);
	}
	st64(&reserve->lock, mine + (1ull << 32)); /* of another life of the slot */
	assert_true(umfs_slot_at_rest(u->fs, u->fs->slot));
	st64(&reserve->lock, 0);
	assert_true(umfs_slot_at_rest(u->fs, u->fs->slot + 1)); /* which is free */
}

static const struct CMUnitTest tests[] = {
	CASE(exchange_wrong_in_one_field_not_believed),
	CASE(undo_wrong_in_one_field_not_believed),
	CASE(runs_that_are_in_no_group_not_freed),
	CASE(journal_full_of_empty_records_comes_to_an_end),
	CASE(record_longer_than_may_be_not_undone),
	CASE(bytes_put_back_only_where_they_may_be_saved),
	CASE(inode_that_none_can_be_not_freed),
	CASE(slot_with_anything_left_is_not_at_rest),
};

UNIT_MAIN("believe", tests)
