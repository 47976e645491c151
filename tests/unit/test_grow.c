// SPDX-License-Identifier: BSD-3-Clause
/* test_grow.c - a pool made larger, and processes that were not told. */
#include "unit.h"

#include <stdio.h>

#define PAGES(bytes) ((bytes) >> UMFS_PAGE_SHIFT)

static uint64_t two_groups(const struct unit *u)
{
	return u->fs->geo.groups_page + UMFS_GROUP_PAGES + 4000u;
}

static const struct umfs_super_pm *super_page(const struct unit *u, uint32_t page)
{
	return umfs_page(u->fs, page);
}

/* Both copies say so, and so does what the process knows. */
static void check_size(const struct unit *u, uint64_t pages)
{
	struct umfs_geometry geo;

	assert_int_equal(u->fs->geo.pool_pages, pages);
	assert_memory_equal(super_page(u, UMFS_SB_PAGE), super_page(u, UMFS_SB_BACKUP_PAGE),
			    sizeof(struct umfs_super_pm));
	assert_ok(umfs_super_check(super_page(u, UMFS_SB_PAGE), u->sim->bytes, &geo));
	assert_int_equal(geo.pool_pages, pages);
	assert_int_equal(geo.group_count, u->fs->geo.group_count);
}

/* Append until nothing more goes in; bytes. */
static uint64_t fill(struct umfs *fs, const char *path)
{
	static const uint64_t sizes[] = {MIB, 64 * KIB, 4096};
	struct umfs_file file;
	struct umfs_attr attr;
	size_t i;

	assert_ok(world_open(fs, path, O_RDWR | O_CREAT, &file));
	for (i = 0; i < UMFS_ARRAY_LEN(sizes); i++)
		while (!world_append(&file, sizes[i], 3))
			;
	world_close(&file);
	assert_ok(world_stat(fs, path, &attr));
	return attr.size;
}

static void check_content(struct umfs *fs, const char *path, uint64_t n, uint32_t version)
{
	static uint8_t want[MIB], got[MIB];
	struct umfs_file file;
	uint64_t off, part;

	assert_ok(world_open(fs, path, O_RDONLY, &file));
	for (off = 0; off < n; off += part) {
		part = UMFS_MIN(n - off, MIB);
		world_fill(want, part, off, version);
		assert_int_equal(umfs_pread(&file, got, part, off), part);
		assert_memory_equal(got, want, part);
	}
	world_close(&file);
}

static void grown_pool_has_room_for_more(void **state)
{
	struct unit *u = *state;
	uint64_t pages = u->fs->geo.pool_pages, was, now;
	struct umfs_statfs before, after;

	was = fill(u->fs, "/full");
	umfs_statfs(u->fs, &before);
	assert_ok(umfs_grow(u->fs, pages + 1000));
	check_size(u, pages + 1000);
	umfs_statfs(u->fs, &after);
	assert_int_equal(after.pages, before.pages + 1000);
	assert_int_equal(after.pages_free, before.pages_free + 1000);
	assert_int_equal(after.inodes, before.inodes);
	now = fill(u->fs, "/full");
	assert_true(now >= was + 990 * UMFS_PAGE_BYTES);
	umfs_statfs(u->fs, &after);
	assert_int_equal(after.pages_free, 0);
	unit_reattach(u, UMFS_MODE_ATOMIC);
	check_size(u, pages + 1000);
	check_content(u->fs, "/full", now, 3);
}

static void grown_in_steps_as_at_once(void **state)
{
	struct unit *u = *state;
	uint64_t first = u->fs->geo.pool_pages, pages;
	struct umfs_statfs st;

	assert_ok(world_put(u->fs, "/f", 0, 100000, 1));
	for (pages = first + 1; pages < first + 2000; pages += pages % 7 ? 111 : 1) {
		assert_ok(umfs_grow(u->fs, pages));
		if (pages % 3)
			assert_ok(world_put(u->fs, "/f", 0, 100000, 1));
		umfs_statfs(u->fs, &st);
		assert_int_equal(st.pages + UMFS_GROUP_HEAD_PAGES + u->fs->geo.itable_pages,
				 pages - u->fs->geo.groups_page);
	}
	fill(u->fs, "/full");
	umfs_statfs(u->fs, &st);
	assert_int_equal(st.pages_free, 0);
}

static void inodes_come_with_groups(void **state)
{
	struct unit *u = *state;
	struct umfs_statfs before, after;
	uint32_t n, highest = 0;
	struct umfs_attr attr;
	char path[32];
	int err = 0;

	umfs_statfs(u->fs, &before);
	assert_ok(umfs_grow(u->fs, two_groups(u)));
	assert_int_equal(u->fs->geo.group_count, 2);
	umfs_statfs(u->fs, &after);
	assert_int_equal(after.inodes, before.inodes + u->fs->geo.inodes_per_group);
	assert_ok(world_mkdir(u->fs, "/d"));
	for (n = 0; !err; n++) {
		snprintf(path, sizeof(path), "/d/%u", n);
		err = world_creat(u->fs, path, 0600);
		if (!err && !world_stat(u->fs, path, &attr))
			highest = UMFS_MAX(highest, attr.ino);
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(n - 1, after.inodes_free - 1);
	assert_int_equal(highest, 2 * u->fs->geo.inodes_per_group - 1);
}

/* A tail that is too short for a group belongs to none, and becomes one. */
static void short_tail_becomes_group(void **state)
{
	struct unit *u = *state;
	uint64_t group1 = u->fs->geo.groups_page + UMFS_GROUP_PAGES;

	assert_ok(umfs_grow(u->fs, group1 + 50));
	assert_int_equal(u->fs->geo.group_count, 1);
	check_size(u, group1 + 50);
	assert_ok(umfs_grow(u->fs, group1 + 100));
	assert_int_equal(u->fs->geo.group_count, 1);
	assert_ok(umfs_grow(u->fs, group1 + 500));
	assert_int_equal(u->fs->geo.group_count, 2);
	check_size(u, group1 + 500);
}

/* ---- others ---- */

static void other_process_writes_there(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint64_t old = u->fs->geo.pool_pages, was = fill(&other->fs, "/full");

	assert_ok(umfs_grow(u->fs, two_groups(u)));
	assert_int_equal(other->fs.geo.pool_pages, old);
	assert_true(fill(&other->fs, "/full") > was + 100 * MIB);
	assert_int_equal(other->fs.geo.pool_pages, two_groups(u));
	sim_detach(other);
}

static void other_process_reads_what_lies_there(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint8_t got[5000], want[5000];
	struct umfs_file mine, its;
	uint64_t was, now;

	was = fill(u->fs, "/full");
	assert_ok(world_open(&other->fs, "/full", O_RDONLY, &its));
	assert_int_equal(umfs_pread(&its, got, 5000, was - 5000), 5000);
	assert_ok(umfs_grow(u->fs, two_groups(u)));
	now = fill(u->fs, "/full");
	world_fill(want, 5000, now - 5000, 3);
	assert_int_equal(umfs_pread(&its, got, 5000, now - 5000), 5000);
	assert_memory_equal(got, want, 5000);
	/* And writes over it, as who does not know of more than before. */
	world_close(&its);
	assert_ok(world_open(&other->fs, "/full", O_RDWR, &mine));
	assert_ok(world_write(&mine, now - 5000, 100, 4));
	assert_ok(world_write(&mine, UMFS_PAGE_BYTES, UMFS_PAGE_BYTES, 4));
	world_close(&mine);
	sim_detach(other);
}

/* Nothing of what the other process did has shown it the new size before. */
static void other_process_meets(struct unit *u, struct umfs *other, uint32_t ino)
{
	struct umfs_attr attr;
	uint64_t pages = two_groups(u);

	assert_true(other->geo.pool_pages < pages);
	assert_ok(umfs_getattr(other, ino, &attr));
	assert_int_equal(other->geo.pool_pages, pages);
	assert_int_equal(other->geo.group_count, 2);
	assert_true(other->bytes >= pages << UMFS_PAGE_SHIFT);
}

static void other_process_finds_inode_there(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_attr attr;
	uint32_t n;
	char path[32];

	assert_ok(umfs_grow(u->fs, two_groups(u)));
	assert_ok(world_mkdir(u->fs, "/d"));
	for (n = 0, attr.ino = 0; attr.ino < u->fs->geo.inodes_per_group; n++) {
		snprintf(path, sizeof(path), "/d/%u", n);
		assert_ok(world_creat(u->fs, path, 0600));
		assert_ok(world_stat(u->fs, path, &attr));
	}
	other_process_meets(u, &other->fs, attr.ino);
	assert_err(umfs_getattr(&other->fs, 2 * u->fs->geo.inodes_per_group, &attr), EUCLEAN);
	sim_detach(other);
}

/* A thread of it has learnt of the pages, and not yet of the group that they are in. */
static void other_thread_meets_page_between_two_words(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_geometry *known = &other->fs.geo;
	uint64_t last = two_groups(u) - 1;

	assert_ok(umfs_grow(u->fs, two_groups(u)));
	assert_ok(port_reach(&other->fs, two_groups(u) << UMFS_PAGE_SHIFT));
	known->pool_pages = two_groups(u);
	assert_int_equal(known->group_count, 1);
	assert_true(umfs_page_valid(&other->fs, last));
	assert_int_equal(known->group_count, 2);
	known->group_count = 1;
	assert_true(umfs_group_there(&other->fs, 1));
	/* Nor does one that makes the pool larger take the group for one that was never used. */
	(void)fill(u->fs, "/full");
	known->group_count = 1;
	assert_ok(umfs_grow(&other->fs, two_groups(u) + 1000));
	assert_true(ld32(&umfs_group(u->fs, 1)->flags) & UMFS_GROUP_INIT);
	sim_detach(other);
}

static void other_thread_finds_room_between_two_words(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other;
	struct umfs_tx tx;
	uint64_t page;
	uint32_t got;

	assert_ok(umfs_grow(u->fs, u->fs->geo.groups_page + UMFS_GROUP_PAGES));
	(void)fill(u->fs, "/full");
	other = unit_attach(u);
	assert_ok(umfs_grow(u->fs, two_groups(u)));
	assert_ok(port_reach(&other->fs, two_groups(u) << UMFS_PAGE_SHIFT));
	other->fs.geo.pool_pages = two_groups(u);
	assert_ok(umfs_lane_get(&other->fs, &tx));
	umfs_tx_begin(&tx);
	assert_ok(umfs_pages_alloc(&tx, 0, 1, &page, &got));
	umfs_tx_abort(&tx);
	umfs_lane_put(&tx);
	sim_detach(other);
}

static void space_of_others_is_counted(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_statfs mine, its;

	assert_ok(umfs_grow(u->fs, two_groups(u)));
	umfs_statfs(u->fs, &mine);
	umfs_statfs(&other->fs, &its);
	assert_memory_equal(&mine, &its, sizeof(mine));
	sim_detach(other);
}

/* Who can not reach the new space answers with an error, and never with zeros. */
static void space_out_of_reach_is_an_error(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_file its;
	uint64_t was, now;
	uint8_t got[100];

	was = fill(u->fs, "/full");
	assert_ok(world_open(&other->fs, "/full", O_RDONLY, &its));
	assert_ok(umfs_grow(u->fs, two_groups(u)));
	now = fill(u->fs, "/full");
	assert_true(now > was);
	u->sim->bytes = 24 * MIB;
	(void)umfs_pread(&its, got, 100, now - 100);
	assert_err(umfs_pread(&its, got, 100, now - 100), EIO);
	u->sim->bytes = two_groups(u) << UMFS_PAGE_SHIFT;
	sim_kill(other);
}

/* ---- deaths ---- */

/* Who grows it, or first uses it, dies at a store; one who does not know of it cleans up. */
static bool die_at(struct unit *u, struct umfs *other, int (*run)(struct unit *u), uint64_t n)
{
	static jmp_buf jump;
	int cut = setjmp(jump);
	uint32_t slot;

	if (!cut) {
		sim_kill_arm(u->sim, n, &jump);
		assert_ok(run(u));
		sim_kill_arm(u->sim, 0, NULL);
		return false;
	}
	sim_kill(u->proc);
	u->proc = NULL;
	for (slot = 0; slot < other->geo.slot_count; slot++)
		if (slot != other->slot)
			assert_ok(umfs_slot_recover(other, slot));
	return true;
}

static int grow_run(struct unit *u)
{
	return umfs_grow(u->fs, two_groups(u));
}

/* The pool is full, so that this sets the new group up. Nothing to free: it may not come back. */
static int first_use_run(struct unit *u)
{
	static const uint8_t bytes[100000] = {1};
	struct umfs_file file;
	int err = world_open(u->fs, "/new", O_RDWR | O_CREAT, &file);

	if (err)
		return err;
	if (umfs_pwrite(&file, bytes, sizeof(bytes), 0) != sizeof(bytes))
		err = -EIO;
	world_close(&file);
	return err;
}

static void start_over(struct unit *u)
{
	unit_pool(u, 24 * MIB, 1024);
	u->sim->log = NULL;
}

static void death_while_growing_leaves_old_or_new_size(void **state)
{
	struct unit *u = *state;
	bool more = true, saw_old = false, saw_new = false;
	uint64_t n, old;

	for (n = 1; more; n++) {
		struct sim_proc *other;
		char why[256];

		start_over(u);
		old = u->fs->geo.pool_pages;
		other = unit_attach(u);
		more = die_at(u, &other->fs, grow_run, n);
		assert_ok(first_use_run(&(struct unit){.fs = &other->fs}));
		umfs_grow_seen(&other->fs);
		saw_old |= other->fs.geo.pool_pages == old;
		saw_new |= other->fs.geo.pool_pages == two_groups(&(struct unit){.fs = &other->fs});
		/* It can be grown again, whatever was left; the last to leave makes both copies alike. */
		if (n % 2 && other->fs.geo.pool_pages == old)
			assert_ok(umfs_grow(&other->fs, old + 700));
		if (u->proc)
			sim_detach(u->proc);
		sim_detach(other);
		assert_memory_equal(u->sim->mem,
				    u->sim->mem + UMFS_SB_BACKUP_PAGE * UMFS_PAGE_BYTES, 512);
		if (image_check(u->sim, why))
			fail_msg("death at store %d: %s", (int)n, why);
		u->proc = sim_attach(u->sim, u->mode, &(int){0});
		u->fs = &u->proc->fs;
	}
	assert_true(saw_old && saw_new);
}

static void death_while_group_is_set_up_is_cleaned_up(void **state)
{
	struct unit *u = *state;
	bool more = true;
	uint64_t n;

	for (n = 1; more; n += 41) {
		struct sim_proc *other;

		start_over(u);
		/* All of the first group, so that the next one is set up. */
		assert_ok(umfs_grow(u->fs, u->fs->geo.groups_page + UMFS_GROUP_PAGES));
		(void)fill(u->fs, "/full");
		other = unit_attach(u);
		assert_ok(umfs_grow(u->fs, two_groups(u)));
		more = die_at(u, &other->fs, first_use_run, n);
		if (!u->proc)
			u->proc = sim_attach(u->sim, u->mode, &(int){0});
		u->fs = &u->proc->fs;
		assert_ok(world_unlink(u->fs, "/full"));
		assert_ok(world_put(&other->fs, "/new", 0, 200000, 2));
		check_content(u->fs, "/new", 200000, 2);
		sim_detach(other);
	}
}

/* ---- what is refused ---- */

static void wrong_sizes_refused(void **state)
{
	struct unit *u = *state;
	uint64_t pages = u->fs->geo.pool_pages, room;

	assert_ok(world_put(u->fs, "/f", 0, 10000, 1));
	assert_err(umfs_grow(u->fs, pages), EINVAL);
	assert_err(umfs_grow(u->fs, pages - 1), EINVAL);
	assert_err(umfs_grow(u->fs, 0), EINVAL);
	room = u->fs->geo.groups_page + (uint64_t)u->fs->geo.group_count_max * UMFS_GROUP_PAGES;
	assert_err(umfs_grow(u->fs, room + 1000), EFBIG);
	assert_err(umfs_grow(u->fs, UMFS_POOL_PAGES_MAX + 1), EFBIG);
	assert_err(umfs_grow(u->fs, UINT64_MAX), EFBIG);
	u->sim->extend_fails = true;
	assert_err(umfs_grow(u->fs, pages + 1000), ENOSPC);
	u->sim->extend_fails = false;
	u->fs->readonly = 1;
	assert_err(umfs_grow(u->fs, pages + 1000), EROFS);
	u->fs->readonly = 0;
	check_size(u, pages);
	check_content(u->fs, "/f", 10000, 1);
}

/* More inodes than 32 bits number. */
static void too_many_inodes_refused(void **state)
{
	struct unit *u = *state;
	uint64_t most;

	sim_room = UMFS_POOL_PAGES_MAX * UMFS_PAGE_BYTES;
	unit_pool(u, 16 * GIB, 128 * (uint64_t)UMFS_GROUP_PAGES);
	sim_room = 160 * MIB;
	u->sim->log = NULL;
	assert_int_equal(u->fs->geo.inodes_per_group, UMFS_GROUP_PAGES);
	assert_int_equal(u->fs->geo.group_count_max, UMFS_POOL_PAGES_MAX / UMFS_GROUP_PAGES);
	assert_err(umfs_grow(u->fs, UMFS_POOL_PAGES_MAX), EFBIG);
	most = u->fs->geo.groups_page +
	       (UMFS_POOL_PAGES_MAX / UMFS_GROUP_PAGES - 1) * (uint64_t)UMFS_GROUP_PAGES;
	assert_ok(umfs_grow(u->fs, most));
	assert_int_equal(u->fs->geo.group_count, UMFS_POOL_PAGES_MAX / UMFS_GROUP_PAGES - 1);
}

static void grown_to_16_tib_works(void **state)
{
	struct unit *u = *state;
	struct umfs_statfs st;

	sim_room = UMFS_POOL_PAGES_MAX * UMFS_PAGE_BYTES;
	unit_pool(u, 16 * GIB, 0);
	sim_room = 160 * MIB;
	u->sim->log = NULL;
	assert_ok(world_put(u->fs, "/before", 0, 100000, 1));
	assert_ok(umfs_grow(u->fs, UMFS_POOL_PAGES_MAX));
	check_size(u, UMFS_POOL_PAGES_MAX);
	umfs_statfs(u->fs, &st);
	assert_true(st.pages > UMFS_POOL_PAGES_MAX * 98 / 100);
	assert_true(st.inodes > (1ull << 30) * 99 / 100);
	assert_err(umfs_grow(u->fs, UMFS_POOL_PAGES_MAX + 1), EFBIG);
	assert_err(umfs_grow(u->fs, UMFS_POOL_PAGES_MAX), EINVAL);
	check_content(u->fs, "/before", 100000, 1);
	assert_ok(world_put(u->fs, "/after", 0, 100000, 2));
	unit_die(u);
	check_content(u->fs, "/after", 100000, 2);
	/* Its very last page. */
	assert_true(umfs_page_valid(u->fs, UMFS_POOL_PAGES_MAX - 1));
	assert_false(umfs_page_valid(u->fs, UMFS_POOL_PAGES_MAX));
}

static const struct CMUnitTest tests[] = {
	CASE(grown_pool_has_room_for_more),
	CASE(grown_in_steps_as_at_once),
	CASE(inodes_come_with_groups),
	CASE(short_tail_becomes_group),
	CASE(other_process_writes_there),
	CASE(other_process_reads_what_lies_there),
	CASE(other_process_finds_inode_there),
	CASE(other_thread_meets_page_between_two_words),
	CASE(other_thread_finds_room_between_two_words),
	CASE(space_of_others_is_counted),
	CASE(space_out_of_reach_is_an_error),
	CASE(death_while_growing_leaves_old_or_new_size),
	CASE(death_while_group_is_set_up_is_cleaned_up),
	CASE(wrong_sizes_refused),
	CASE(too_many_inodes_refused),
	CASE(grown_to_16_tib_works),
};
UNIT_MAIN("grow", tests)
