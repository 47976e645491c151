// SPDX-License-Identifier: BSD-3-Clause
/* test_unback.c - memory given back to what lies behind the pool. */
#include "unit.h"

#define POOL_BYTES (300 * MIB) /* three groups */
#define STAY (3 * 8u)	       /* units that may stay in them for the next process */

static uint32_t units_backed(const struct unit *u)
{
	uint32_t n = 0;
	uint64_t i;

	for (i = 0; i < POOL_BYTES / UMFS_UNIT_BYTES; i++)
		n += u->sim->backed[i];
	return n;
}

static uint32_t bits_backed(const struct unit *u)
{
	uint32_t n = 0, g;

	for (g = 0; g < u->fs->geo.group_count; g++)
		n += (uint32_t)__builtin_popcountll(ld64(&umfs_group(u->fs, g)->backed));
	return n;
}

static void make_file(struct unit *u, const char *path, uint64_t bytes)
{
	struct umfs_file file;

	assert_ok(world_open(u->fs, path, O_RDWR | O_CREAT, &file));
	assert_ok(umfs_fallocate(&file, 0, 0, bytes));
	world_close(&file);
}

static void pool_of_three_groups(struct unit *u)
{
	unit_pool(u, POOL_BYTES, 4096);
	assert_int_equal(u->fs->geo.group_count, 3);
}

static void removal_of_large_file_gives_memory_back(void **state)
{
	struct unit *u = *state;
	uint32_t before, bits;

	pool_of_three_groups(u);
	make_file(u, "/small", 5000);
	before = units_backed(u);
	bits = bits_backed(u);
	make_file(u, "/large", 200 * MIB);
	assert_true(units_backed(u) >= before + 99);
	u->sim->now_ns += 2000000000;
	assert_ok(world_unlink(u->fs, "/large"));
	assert_true(units_backed(u) <= before + STAY + 3); /* a new group's head, a spare page */
	assert_int_equal(units_backed(u) - before, bits_backed(u) - bits);
	make_file(u, "/large", 200 * MIB);
	assert_ok(world_put(u->fs, "/large", 0, 3 * MIB, 1));
	assert_ok(world_unlink(u->fs, "/large"));
}

/* Or a file that is cut and written anew would go on into memory that the pool never had. */
static void freed_groups_looked_at_again(void **state)
{
	struct unit *u = *state;

	pool_of_three_groups(u);
	make_file(u, "/first", 150 * MIB); /* into the second group */
	u->fs->page_walk = 3; /* something was last found in the third */
	assert_ok(world_truncate(u->fs, "/first", 0));
	assert_int_equal(u->fs->page_walk, 1);
	make_file(u, "/first", 5000);
	u->fs->inode_walk = 3;
	assert_ok(world_unlink(u->fs, "/first"));
	assert_int_equal(u->fs->inode_walk, 1);
}

/* From the first time on, through two groups; detaching does not wait. */
static void made_and_removed_again_keeps_memory(void **state)
{
	struct unit *u = *state;
	uint32_t before, i;
	uint64_t calls = 0;

	pool_of_three_groups(u);
	before = units_backed(u);
	for (i = 0; i < 20; i++) {
		make_file(u, "/f", 150 * MIB);
		if (i == 1) /* the first time again takes one unit more: it begins elsewhere */
			calls = u->sim->back_calls;
		assert_ok(world_unlink(u->fs, "/f"));
		assert_true(units_backed(u) >= before + 75);
		u->sim->now_ns += i % 4 * 300000000;
	}
	assert_int_equal(u->sim->back_calls, calls);
	unit_reattach(u, UMFS_MODE_ATOMIC);
	assert_true(units_backed(u) <= before + STAY + 1);
}

/* Its first group was full when it was last searched. */
static void cut_and_appended_again_takes_no_new_memory(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint32_t i, backed = 0;
	uint64_t off;

	pool_of_three_groups(u);
	make_file(u, "/filled", 60 * MIB);
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	for (i = 0; i < 12; i++) {
		for (off = 0; off < 100 * MIB; off += MIB / 32)
			assert_ok(umfs_fallocate(&file, 0, off, MIB / 32));
		if (!i)
			backed = units_backed(u);
		assert_true(units_backed(u) <= backed + 1); /* it begins elsewhere */
		assert_ok(umfs_truncate(u->fs, umfs_file_node(&file), 0));
		u->sim->now_ns += 100000000;
	}
	world_close(&file);
}

/*
 * Its pages lie anywhere then, and what a larger write frees are single ones. Whatever is
 * written, it takes no more than the unit that the first of them wants.
 */
static void overwritten_anywhere_takes_no_new_memory(void **state)
{
	struct unit *u = *state;
	static const uint32_t sizes[] = {4096, 16384, 65536, MIB, 65536};
	struct umfs_file file;
	uint32_t i, k, seed = 1, before;

	pool_of_three_groups(u);
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	for (i = 0; i < 130; i++) /* beyond the first group */
		assert_ok(world_write(&file, (uint64_t)i * MIB, MIB, 1));
	before = units_backed(u);
	for (i = 0; i < UMFS_ARRAY_LEN(sizes); i++)
		for (k = 0; k < 60 * MIB / sizes[i]; k++) {
			seed = seed * 1664525u + 1013904223u;
			assert_ok(world_write(&file, (uint64_t)(seed >> 8) % (130 * MIB / sizes[i]) * sizes[i],
					      sizes[i], 2));
		}
	assert_true(units_backed(u) <= before + 2);
	world_close(&file);
}

/* Nothing more is freed or taken. */
static void what_was_kept_goes_when_it_is_not_needed(void **state)
{
	struct unit *u = *state;
	uint32_t before;

	pool_of_three_groups(u);
	assert_ok(world_creat(u->fs, "/x", 0600));
	before = units_backed(u);
	make_file(u, "/f", 120 * MIB);
	assert_ok(world_unlink(u->fs, "/f"));
	assert_true(units_backed(u) >= before + 60);
	u->sim->now_ns += 500000000;
	assert_ok(world_truncate(u->fs, "/x", 0)); /* anything that takes a lane */
	assert_true(units_backed(u) >= before + 60);
	u->sim->now_ns += 2000000000;
	assert_ok(world_truncate(u->fs, "/x", 0));
	assert_true(units_backed(u) <= before + STAY + 1);
}

/* As much stays as was taken lately, however much more is freed. */
static void no_more_is_kept_than_was_taken(void **state)
{
	struct unit *u = *state;
	uint32_t before, bits;

	pool_of_three_groups(u);
	before = units_backed(u);
	bits = bits_backed(u);
	make_file(u, "/large", 160 * MIB);
	u->sim->now_ns += 2000000000;
	make_file(u, "/f", 40 * MIB);
	assert_ok(world_unlink(u->fs, "/large"));
	assert_true(units_backed(u) >= before + 20 + 18);
	assert_true(units_backed(u) <= before + 20 + 24 + STAY);
	assert_int_equal(units_backed(u) - before, bits_backed(u) - bits);
	u->sim->now_ns += 2000000000;
	assert_ok(world_unlink(u->fs, "/f"));
	assert_true(units_backed(u) <= before + STAY + 3);
}

static void clock_set_back_keeps_nothing_taken(void **state)
{
	struct unit *u = *state;
	uint32_t before;

	pool_of_three_groups(u);
	before = units_backed(u);
	make_file(u, "/f", 120 * MIB);
	u->sim->now_ns -= 3600000000000;
	assert_ok(world_unlink(u->fs, "/f"));
	assert_true(units_backed(u) <= before + STAY + 1);
}

static void unit_with_a_page_in_use_stays(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint8_t want[UMFS_PAGE_BYTES], got[UMFS_PAGE_BYTES];
	uint64_t i;

	pool_of_three_groups(u);
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(umfs_fallocate(&file, 0, 0, 40 * MIB));
	for (i = 0; i < 20; i++)
		assert_ok(world_write(&file, i * 2 * MIB, UMFS_PAGE_BYTES, 1));
	for (i = 0; i < 20; i++)
		assert_ok(umfs_fallocate(&file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE,
					 i * 2 * MIB + UMFS_PAGE_BYTES,
					 2 * MIB - UMFS_PAGE_BYTES));
	for (i = 0; i < 20; i++) {
		world_fill(want, sizeof(want), i * 2 * MIB, 1);
		assert_int_equal(umfs_pread(&file, got, sizeof(got), i * 2 * MIB), sizeof(got));
		assert_memory_equal(want, got, sizeof(got));
	}
	assert_true(units_backed(u) >= 20);
	world_close(&file);
}

static void busy_group_passed_over(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other;
	uint32_t before;

	pool_of_three_groups(u);
	assert_ok(world_creat(u->fs, "/x", 0600));
	make_file(u, "/f", 40 * MIB);
	before = units_backed(u);
	other = unit_attach(u);
	u->fs->unback_after = ~0u;
	assert_ok(world_unlink(u->fs, "/f"));
	st64(&umfs_group(u->fs, 0)->lock, umfs_lock_value(&other->fs, other->fs.slot));
	u->fs->unback_after = 1;
	u->fs->taken_since_ns = 0;
	assert_ok(world_truncate(u->fs, "/x", 0)); /* anything that takes a lane */
	assert_int_equal(units_backed(u), before);
	st64(&umfs_group(u->fs, 0)->lock, 0);
	sim_detach(other);
}

/* By processes that come and go: what one takes is there for the next. */
static void few_units_stay_for_the_next(void **state)
{
	struct unit *u = *state;
	uint32_t before, with_file = 0, i;

	pool_of_three_groups(u);
	before = units_backed(u);
	for (i = 0; i < 6; i++) {
		make_file(u, "/f", 5 * MIB);
		unit_reattach(u, UMFS_MODE_ATOMIC);
		with_file = i ? with_file : units_backed(u);
		assert_ok(world_unlink(u->fs, "/f"));
		unit_reattach(u, UMFS_MODE_ATOMIC);
		assert_true(units_backed(u) >= with_file);
	}
	assert_true(with_file >= before + 2);
	assert_true(units_backed(u) <= with_file + 2);
}

static void many_files(struct unit *u, uint32_t n, bool make)
{
	char name[16];
	uint32_t i;

	for (i = 0; i < n; i++) {
		sprintf(name, "/%u", i);
		if (make)
			make_file(u, name, 256 * KIB);
		else
			assert_ok(world_unlink(u->fs, name));
	}
	unit_reattach(u, UMFS_MODE_ATOMIC);
}

/* More than a group may keep for itself: as much as its neighbours leave. */
static void memory_of_a_tree_stays_for_the_next(void **state)
{
	struct unit *u = *state;
	uint32_t with_tree = 0, i;

	pool_of_three_groups(u);
	for (i = 0; i < 6; i++) {
		many_files(u, 80, true);
		with_tree = i ? with_tree : units_backed(u);
		assert_in_range(units_backed(u), with_tree, with_tree + 1);
		many_files(u, 80, false);
		assert_in_range(units_backed(u), with_tree, with_tree + 1);
	}
	assert_true(with_tree >= 20);
}

/* An eighth of the memory, whoever leaves it, and wherever. */
static void many_together_keep_no_more(void **state)
{
	struct unit *u = *state;
	uint32_t before, i;
	char name[8];

	pool_of_three_groups(u);
	before = units_backed(u);
	for (i = 0; i < 6; i++) {
		sprintf(name, "/f%u", i);
		make_file(u, name, 40 * MIB);
	}
	for (i = 0; i < 6; i++) {
		sprintf(name, "/f%u", i);
		unit_reattach(u, UMFS_MODE_ATOMIC);
		assert_ok(world_unlink(u->fs, name));
	}
	unit_reattach(u, UMFS_MODE_ATOMIC);
	assert_true(units_backed(u) <= before + STAY + 3);
}

/* One look leaves no more than 128 MiB, however large the pool is. */
static void much_removed_at_once_gives_its_memory_back(void **state)
{
	const uint32_t most = 64;
	struct unit *u = *state;
	uint32_t before;

	unit_pool(u, 3 * GIB, 4096);
	before = bits_backed(u);
	make_file(u, "/f", 2 * GIB + GIB / 2);
	assert_true(bits_backed(u) >= before + 1280);
	u->sim->now_ns += 2000000000;
	assert_ok(world_unlink(u->fs, "/f"));
	assert_true(bits_backed(u) >= before + most);
	assert_true(bits_backed(u) <= before + most + 24); /* heads of groups, spare pages */
}

/* By the bits, page by page. */
static uint64_t ready_counted(const struct unit *u)
{
	uint64_t n = 0;
	uint32_t g, i;

	for (g = 0; g < u->fs->geo.group_count; g++) {
		const struct umfs_group_pm *grp = umfs_group(u->fs, g);
		const uint8_t *bits = umfs_page(u->fs, umfs_group_page(u->fs, g));

		for (i = 0; i < UMFS_GROUP_PAGES && (ld32(&grp->flags) & UMFS_GROUP_INIT); i++)
			n += (ld64(&grp->backed) >> (i / UMFS_UNIT_PAGES) & 1) &&
			     !(bits[i / 8] >> i % 8 & 1);
	}
	return n;
}

static void free_pages_with_memory_counted(void **state)
{
	struct unit *u = *state;
	struct umfs_statfs st;
	uint64_t n;

	pool_of_three_groups(u);
	u->fs->unback_after = ~0u;
	for (n = 0; n < 6; n++) {
		umfs_statfs(u->fs, &st);
		assert_int_equal(st.pages_ready, ready_counted(u));
		assert_true(st.pages_ready <= st.pages_free);
		if (n == 4)
			assert_ok(world_unlink(u->fs, "/f"));
		else
			make_file(u, "/f", (n % 4 + 1) * 55 * MIB);
	}
}

static const struct CMUnitTest tests[] = {
	CASE(freed_groups_looked_at_again),
	CASE(removal_of_large_file_gives_memory_back),
	CASE(made_and_removed_again_keeps_memory),
	CASE(cut_and_appended_again_takes_no_new_memory),
	CASE(overwritten_anywhere_takes_no_new_memory),
	CASE(what_was_kept_goes_when_it_is_not_needed),
	CASE(no_more_is_kept_than_was_taken),
	CASE(clock_set_back_keeps_nothing_taken),
	CASE(unit_with_a_page_in_use_stays),
	CASE(busy_group_passed_over),
	CASE(few_units_stay_for_the_next),
	CASE(memory_of_a_tree_stays_for_the_next),
	CASE(many_together_keep_no_more),
	CASE(much_removed_at_once_gives_its_memory_back),
	CASE(free_pages_with_memory_counted),
};
UNIT_MAIN("unback", tests)
