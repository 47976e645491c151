// SPDX-License-Identifier: BSD-3-Clause
/* test_alloc.c - pages and inodes: runs, alignment, exhaustion, backing. */
#include "bits.h"
#include "group.h"
#include "unit.h"

#include <stdio.h>

static void begin(struct unit *u, struct umfs_tx *tx)
{
	assert_ok(umfs_lane_get(u->fs, tx));
	umfs_tx_begin(tx);
}

static void end(struct umfs_tx *tx)
{
	umfs_tx_abort(tx);
	umfs_lane_put(tx);
}

static void pages_run_whole_and_neighbouring(void **state)
{
	struct unit *u = *state;
	struct umfs_tx tx;
	uint64_t page, next;
	uint32_t got;

	begin(u, &tx);
	assert_ok(umfs_pages_alloc(&tx, 0, 100, &page, &got));
	assert_int_equal(got, 100);
	assert_true(umfs_page_valid(u->fs, page) && umfs_page_valid(u->fs, page + 99));
	assert_ok(umfs_pages_alloc(&tx, page + 100, 5, &next, &got));
	assert_int_equal(next, page + 100);
	end(&tx);
}

static void pages_of_a_unit_aligned(void **state)
{
	struct unit *u = *state;
	struct umfs_tx tx;
	uint64_t page;
	uint32_t got;

	begin(u, &tx);
	assert_ok(umfs_pages_alloc(&tx, 0, 3, &page, &got));
	assert_ok(umfs_pages_alloc(&tx, 0, UMFS_UNIT_PAGES, &page, &got));
	assert_int_equal(got, UMFS_UNIT_PAGES);
	assert_int_equal(page % UMFS_UNIT_PAGES, 0);
	end(&tx);
}

/* Bitmaps and inodes lie there, and the locks of those that are being made. */
static void pages_of_a_head_never_given_out(void **state)
{
	struct unit *u = *state;
	uint64_t first = umfs_group_page(u->fs, 0), page;
	le64 *bits = umfs_page(u->fs, first);
	struct umfs_tx tx;
	uint32_t got;

	u->damaged = true;
	st64(&bits[0], 0);
	st32(&umfs_group(u->fs, 0)->page_hint, 0);
	begin(u, &tx);
	assert_ok(umfs_pages_alloc(&tx, 0, 1, &page, &got));
	assert_true(umfs_page_valid(u->fs, page));
	assert_ok(umfs_pages_alloc(&tx, first, 8, &page, &got));
	assert_true(umfs_page_valid(u->fs, page));
	end(&tx);
}

static void pages_until_full_never_twice(void **state)
{
	struct unit *u = *state;
	uint64_t pages = u->fs->geo.pool_pages, page, all = 0;
	uint8_t *seen = calloc(pages, 1);
	struct umfs_tx tx;
	uint32_t got, i, want = 1;
	int err = 0;

	assert_non_null(seen);
	u->damaged = true; /* allocated and put into no file */
	assert_ok(umfs_lane_get(u->fs, &tx));
	while (!err) {
		umfs_tx_begin(&tx);
		err = umfs_pages_alloc(&tx, 0, want, &page, &got);
		for (i = 0; !err && i < got; i++) {
			assert_true(umfs_page_valid(u->fs, page + i));
			assert_false(seen[page + i]);
			seen[page + i] = 1;
			all++;
		}
		if (err)
			umfs_tx_abort(&tx);
		else
			umfs_tx_commit(&tx);
		want = want * 3 % 97 + 1;
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(unit_pages_free(u), 0);
	assert_true(all > pages / 2);
	umfs_lane_put(&tx);
	free(seen);
}

static uint64_t take(struct unit *u, uint64_t goal, uint32_t want)
{
	struct umfs_tx tx;
	uint64_t page;
	uint32_t got;

	begin(u, &tx);
	assert_ok(umfs_pages_alloc(&tx, goal, want, &page, &got));
	assert_int_equal(got, want);
	umfs_tx_commit(&tx);
	umfs_lane_put(&tx);
	return page;
}

static void give(struct unit *u, uint64_t page, uint32_t count)
{
	struct umfs_tx tx;

	begin(u, &tx);
	assert_ok(umfs_pages_free(&tx, page, count));
	umfs_tx_commit(&tx);
	umfs_lane_put(&tx);
}

static void back_units(struct unit *u, uint32_t group, uint32_t units)
{
	uint32_t i;

	for (i = 0; i < units; i++)
		assert_ok(umfs_group_back(u->fs, group, i));
}

/* A search in vain is not repeated for each request, and yet not for the last time. */
static void gaps_not_searched_each_time(void **state)
{
	struct unit *u = *state;
	uint32_t head, i, near = 0, at = 0;
	le64 *bits;

	unit_pool(u, 300 * MIB, 4096);
	u->damaged = true;
	head = UMFS_GROUP_HEAD_PAGES + u->fs->geo.itable_pages;
	bits = umfs_group_page_bits(u->fs, 0);
	take(u, 0, 1);
	back_units(u, 0, UMFS_GROUP_PAGES / UMFS_UNIT_PAGES);
	for (i = head; i < UMFS_GROUP_PAGES; i += 2)
		umfs_bits_fill(bits, i, i + 1);
	for (i = 0; i < 100; i++) {
		if (take(u, umfs_group_page(u->fs, 0) + head, 4) < umfs_group_page(u->fs, 1)) {
			near++;
			at = i;
		}
		if (i == 1) /* somebody else gives back, which nobody here hears of */
			umfs_bits_clear(bits, 20001, 20005);
	}
	assert_int_equal(near, 1);
	assert_true(at > 50);
}

/* The group of what was found for `want` pages on end that need no new memory, or -1. */
static int64_t take_ready(struct unit *u, uint64_t goal, uint32_t want)
{
	struct umfs_tx tx;
	uint64_t page;
	int err;

	begin(u, &tx);
	err = umfs_pages_alloc_ready(&tx, goal, want, &page);
	umfs_tx_abort(&tx);
	umfs_lane_put(&tx);
	assert_true(!err || err == -ENOSPC);
	return err ? -1 : umfs_bits_group(u->fs, false, page, want);
}

/* The same where only what has memory is looked at; and what gets some is seen at once. */
static void gaps_with_memory_not_searched_each_time(void **state)
{
	struct unit *u = *state;
	uint64_t goal;
	uint32_t i, in_vain = 0;
	le64 *bits;

	unit_pool(u, 300 * MIB, 4096);
	u->damaged = true;
	goal = umfs_group_page(u->fs, 0) + UMFS_GROUP_HEAD_PAGES + u->fs->geo.itable_pages;
	take(u, goal, 1);
	back_units(u, 0, UMFS_GROUP_PAGES / UMFS_UNIT_PAGES / 2);
	bits = umfs_group_page_bits(u->fs, 0);
	for (i = (uint32_t)(goal - umfs_group_page(u->fs, 0)); i < UMFS_GROUP_PAGES / 2; i += 2)
		umfs_bits_fill(bits, i, i + 1);
	assert_int_equal(take_ready(u, goal, 4), -1);
	umfs_bits_clear(bits, 9001, 9005); /* by somebody else */
	while (take_ready(u, goal, 4) != 0)
		in_vain++;
	assert_in_range(in_vain, 50, 70);
	umfs_bits_fill(bits, 9001, 9005);
	assert_int_equal(take_ready(u, goal, 4), -1);
	assert_ok(umfs_group_back(u->fs, 0, UMFS_GROUP_PAGES / UMFS_UNIT_PAGES - 1));
	assert_int_equal(take_ready(u, goal, 4), 0);
}

/* The more often `thin`, the fewer of its bits are set. */
static uint64_t random_word(uint32_t thin)
{
	uint64_t word = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();

	return thin ? word & random_word(thin - 1) : word;
}

static uint32_t run_by_bits(const struct umfs_search *s, uint32_t from, uint32_t to, uint32_t count)
{
	uint32_t i, n = 0;

	for (i = from; i < s->end && i < to + n; i++) {
		n = umfs_bits_next(s, i, i + 1, false) == i ? n + 1 : 0;
		if (n == count)
			return i + 1 - n;
	}
	return s->end;
}

static void runs_found_as_by_single_bits(void **state)
{
	enum { WORDS = 16 };
	le64 bits[WORDS];
	uint32_t round, i;

	(void)state;
	srandom(1);
	for (round = 0; round < 20000; round++) {
		struct umfs_search s = {bits, round % 3 ? ~0ull : ~2ull, WORDS * 64 - round % 90};
		uint32_t from = (uint32_t)random() % s.end;
		uint32_t to = from + 1 + (uint32_t)random() % (s.end - from);
		uint32_t count = 1 + (uint32_t)random() % (round % 5 ? 9 : 200);

		for (i = 0; i < WORDS; i++)
			st64(&bits[i], random_word(round % 8));
		assert_int_equal(UMFS_MIN(umfs_bits_run(&s, from, to, count), to),
				 UMFS_MIN(run_by_bits(&s, from, to, count), to));
	}
}

static void run_given_back_taken_next(void **state)
{
	struct unit *u = *state;
	uint64_t page, next;

	u->damaged = true;
	page = take(u, 0, 8);
	next = take(u, 0, 8);
	give(u, page, 8);
	assert_int_equal(take(u, 0, 5), page);
	assert_int_equal(take(u, 0, 3), page + 5);
	give(u, page, 8);
	umfs_bits_fill(umfs_group_page_bits(u->fs, 0), (uint32_t)(page - umfs_group_page(u->fs, 0)) + 1,
		       (uint32_t)(page - umfs_group_page(u->fs, 0)) + 2); /* somebody else's now */
	page = take(u, 0, 8);
	assert_true(page >= next + 8 || page + 8 <= next);
	assert_true(page != next - 8);
}

static void pages_without_backing_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_tx tx;
	uint64_t page;
	uint32_t got;
	int err = 0;

	u->damaged = true;
	u->sim->back_left = 1;
	assert_ok(umfs_lane_get(u->fs, &tx));
	while (!err) {
		umfs_tx_begin(&tx);
		err = umfs_pages_alloc(&tx, 0, 64, &page, &got);
		if (err)
			umfs_tx_abort(&tx);
		else
			umfs_tx_commit(&tx);
	}
	assert_int_equal(err, -ENOSPC);
	assert_true(unit_pages_free(u) > UMFS_UNIT_PAGES); /* in the pool, but not to be had */
	u->sim->back_left = ~0ull;
	umfs_tx_begin(&tx);
	assert_ok(umfs_pages_alloc(&tx, 0, 64, &page, &got));
	umfs_tx_abort(&tx);
	umfs_lane_put(&tx);
}

static void pages_freed_found_again(void **state)
{
	struct unit *u = *state;
	uint64_t before;
	uint32_t i;

	assert_ok(world_put(u->fs, "/fill", 0, 1, 1));
	before = unit_pages_free(u);
	for (i = 0; i < 50; i++) { /* ten times what the pool holds */
		assert_ok(world_put(u->fs, "/f", 0, 5 * MIB, i));
		assert_ok(world_unlink(u->fs, "/f"));
	}
	assert_int_equal(unit_pages_free(u), before);
}

static void inodes_until_none_left_each_once(void **state)
{
	struct unit *u = *state;
	struct umfs_statfs st;
	uint32_t n = 0, seen[1100] = {0};
	umfs_node node;
	char name[16];
	int err;

	umfs_statfs(u->fs, &st);
	for (;; n++) {
		snprintf(name, sizeof(name), "%u", n);
		err = umfs_create(u->fs, &world_root, UMFS_ROOT_INO, name, (uint32_t)strlen(name),
				  0100644, 0, &node);
		if (err)
			break;
		assert_true((uint32_t)node < 1100 && !seen[(uint32_t)node]);
		seen[(uint32_t)node] = 1;
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(n, st.inodes_free);
	umfs_statfs(u->fs, &st);
	assert_int_equal(st.inodes_free, 0);
	assert_ok(world_unlink(u->fs, "/17"));
	assert_ok(world_creat(u->fs, "/again", 0644));
}

/* Free ones whose memory is there serve when the next in turn would need more. */
static void inode_without_backing_found_where_it_is(void **state)
{
	struct unit *u = *state;
	struct umfs_attr attr;

	unit_pool(u, 140 * MIB, 16384);
	assert_ok(world_creat(u->fs, "/a", 0644)); /* and the root has a page */
	st32(&umfs_group(u->fs, 0)->inode_hint, 10000);
	u->sim->back_left = 0;
	assert_ok(world_creat(u->fs, "/b", 0644));
	assert_ok(world_stat(u->fs, "/b", &attr));
	assert_true(attr.ino < UMFS_UNIT_PAGES * UMFS_PAGE_BYTES / UMFS_INODE_BYTES);
	u->sim->back_left = ~0ull;
	st32(&umfs_group(u->fs, 0)->inode_hint, 10000);
	assert_ok(world_creat(u->fs, "/c", 0644));
	assert_ok(world_stat(u->fs, "/c", &attr));
	assert_int_equal(attr.ino, 10000);
}

static void there_is_no_inode_0(void **state)
{
	struct unit *u = *state;
	struct umfs_attr attr;
	le64 *bits = umfs_group_inode_bits(u->fs, 0);

	st64(&bits[0], ld64(&bits[0]) & ~1ull); /* damage */
	st32(&umfs_group(u->fs, 0)->inode_hint, 0);
	assert_ok(world_creat(u->fs, "/a", 0644));
	assert_ok(world_stat(u->fs, "/a", &attr));
	assert_true(attr.ino > UMFS_ROOT_INO);
	st64(&bits[0], ld64(&bits[0]) | 1);
}

static void inode_reused_has_other_generation(void **state)
{
	struct unit *u = *state;
	struct umfs_attr first, now;
	uint32_t i;

	assert_ok(world_creat(u->fs, "/a", 0644));
	assert_ok(world_stat(u->fs, "/a", &first));
	for (i = 0; i < 3000; i++) {
		assert_ok(world_unlink(u->fs, "/a"));
		assert_ok(world_creat(u->fs, "/a", 0644));
		assert_ok(world_stat(u->fs, "/a", &now));
		if (now.ino == first.ino)
			break;
	}
	assert_int_equal(now.ino, first.ino);
	assert_true(now.generation != first.generation);
}

static void counts_doubted_counted_again(void **state)
{
	struct unit *u = *state;
	struct umfs_group_pm *grp = umfs_group(u->fs, 0);
	uint64_t before = unit_pages_free(u);

	st32(&grp->free_pages, 7);
	st32(&grp->flags, ld32(&grp->flags) | UMFS_GROUP_RECOUNT);
	assert_ok(world_creat(u->fs, "/a", 0644));
	assert_ok(world_unlink(u->fs, "/a"));
	assert_true(unit_pages_free(u) >= before - 1); /* the directory has a page now */
}

/* Files that grew, one after the other: what they took ahead and gave back is used by the next. */
static void files_grown_leave_no_gaps(void **state)
{
	struct unit *u = *state;
	const struct umfs_group_pm *grp = umfs_group(u->fs, 0);
	uint64_t before, first;
	struct umfs_file file;
	char name[8];
	uint32_t i;

	assert_ok(world_creat(u->fs, "/f", 0644)); /* the directory has its page now */
	before = unit_pages_free(u);
	first = ld32(&grp->page_hint);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "/f%u", i);
		assert_ok(world_open(u->fs, name, O_RDWR | O_CREAT, &file));
		assert_ok(world_append(&file, (5 + i % 3) * UMFS_PAGE_BYTES, 1));
		assert_ok(world_append(&file, UMFS_PAGE_BYTES, 1));
		world_close(&file);
	}
	assert_int_equal(ld32(&grp->page_hint) - first, before - unit_pages_free(u));
}

static const struct CMUnitTest tests[] = {
	CASE(pages_run_whole_and_neighbouring),	 CASE(pages_of_a_unit_aligned),
	CASE(pages_of_a_head_never_given_out),
	CASE(pages_until_full_never_twice),	 CASE(gaps_not_searched_each_time),
	CASE(gaps_with_memory_not_searched_each_time),
	CASE(runs_found_as_by_single_bits),
	CASE(run_given_back_taken_next),	 CASE(pages_without_backing_refused),
	CASE(pages_freed_found_again),		 CASE(inodes_until_none_left_each_once),
	CASE(inode_without_backing_found_where_it_is),
	CASE(there_is_no_inode_0),		 CASE(inode_reused_has_other_generation),
	CASE(counts_doubted_counted_again),	 CASE(files_grown_leave_no_gaps),
};
UNIT_MAIN("alloc", tests)
