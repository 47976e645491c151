// SPDX-License-Identifier: BSD-3-Clause
/* test_damage.c - groups and inodes that are damaged: what is whole in them is not given away. */
#include "bits.h"
#include "group.h"
#include "unit.h"

#include <stdio.h>

#define POOL_BYTES (300 * MIB) /* three groups, the last one short */
#define FILE_BYTES (3 * MIB)

static int ready(struct unit *u, uint32_t group)
{
	struct umfs_tx tx;
	int err;

	assert_ok(umfs_lane_get(u->fs, &tx));
	assert_ok(umfs_group_lock(u->fs, tx.lane, group, true));
	err = umfs_group_init(u->fs, group);
	umfs_group_unlock(u->fs, tx.lane, group);
	umfs_lane_put(&tx);
	return err;
}

/* What is made next lies in the group. */
static void go_to(struct unit *u, uint32_t group)
{
	uint32_t i;

	assert_ok(ready(u, group));
	for (i = 0; i < UMFS_LANES_MAX; i++)
		u->fs->inode_home[i] = group + 1;
}

static void make_file_in(struct unit *u, uint32_t group, const char *path)
{
	struct umfs_attr attr;

	go_to(u, group);
	assert_ok(world_put(u->fs, path, 0, FILE_BYTES, 1));
	assert_ok(world_stat(u->fs, path, &attr));
	assert_int_equal(umfs_ino_group(u->fs, (uint32_t)attr.ino), group);
}

static void file_whole(struct unit *u, const char *path)
{
	static uint8_t want[FILE_BYTES], got[FILE_BYTES];
	struct umfs_file file;

	assert_ok(world_open(u->fs, path, O_RDONLY, &file));
	assert_int_equal(umfs_pread(&file, got, sizeof(got), 0), sizeof(got));
	world_fill(want, sizeof(want), 0, 1);
	assert_memory_equal(want, got, sizeof(got));
	world_close(&file);
}

/* Three groups, of which but the second have hardly a free page. */
static void pool_of_one_group(struct unit *u)
{
	uint32_t head, group;

	unit_pool(u, POOL_BYTES, 4096);
	u->damaged = true;
	head = UMFS_GROUP_HEAD_PAGES + u->fs->geo.itable_pages;
	for (group = 0; group < 3; group += 2) {
		assert_ok(ready(u, group));
		umfs_bits_fill(umfs_group_page_bits(u->fs, group), head + 200, UMFS_GROUP_PAGES);
	}
}

/* All pages that there are are written, and inodes made, and given back again. */
static void fill_pool(struct unit *u)
{
	struct umfs_file file;
	char name[16];
	uint32_t i, n;

	assert_ok(world_open(u->fs, "/fill", O_RDWR | O_CREAT, &file));
	while (!world_append(&file, MIB, 2))
		;
	while (!world_append(&file, UMFS_PAGE_BYTES, 2))
		;
	world_close(&file);
	assert_ok(world_unlink(u->fs, "/fill"));
	for (n = 0; n < 5000; n++) {
		snprintf(name, sizeof(name), "/%u", n);
		if (world_creat(u->fs, name, 0600))
			break;
	}
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/%u", i);
		assert_ok(world_unlink(u->fs, name));
	}
}

static void leave(struct unit *u)
{
	sim_detach(u->proc);
	u->proc = NULL;
}

static void come_back(struct unit *u)
{
	int err;

	u->proc = sim_attach(u->sim, UMFS_MODE_ATOMIC, &err);
	if (!u->proc)
		die("attach: %d", err);
	u->fs = &u->proc->fs;
}

static void found_and_mended(struct unit *u)
{
	char why[256] = "";

	leave(u);
	if (!image_check(u->sim, why))
		die("damage not found");
	if (image_mend(u->sim, true, why) || image_check(u->sim, why))
		die("not mended: %s", why);
	come_back(u);
}

/* ---- groups that lost their flag ---- */

static void lose_flag(struct unit *u)
{
	st32(&umfs_group(u->fs, 1)->flags, 0);
}
static void lose_entry(struct unit *u)
{
	memset(umfs_group(u->fs, 1), 0, sizeof(struct umfs_group_pm));
}
static void lose_entry_and_head(struct unit *u)
{
	lose_entry(u);
	memset(umfs_group_page_bits(u->fs, 1), 0, 64);
}
static void lose_entry_and_pages(struct unit *u)
{
	lose_entry(u);
	memset(umfs_group_page_bits(u->fs, 1), 0, UMFS_PAGE_BYTES);
}
static void lose_entry_and_inodes(struct unit *u)
{
	lose_entry(u);
	memset(umfs_group_inode_bits(u->fs, 1), 0, UMFS_PAGE_BYTES);
}
static void lose_entry_and_bits(struct unit *u)
{
	lose_entry_and_pages(u);
	lose_entry_and_inodes(u);
}
static void lose_flag_and_bits(struct unit *u)
{
	lose_entry_and_bits(u);
	memset(umfs_inode_at(u->fs, 1, 0), 0, UMFS_INODE_BYTES); /* the file's alone */
	st64(&umfs_group(u->fs, 1)->backed, 3);
}
static void lose_all_but_counts(struct unit *u)
{
	lose_flag_and_bits(u);
	st64(&umfs_group(u->fs, 1)->backed, 1);
	st32(&umfs_group(u->fs, 1)->pages, UMFS_GROUP_PAGES);
	st32(&umfs_group(u->fs, 1)->free_pages, 20000);
}
static void turn_flag(struct unit *u)
{
	lose_entry(u);
	st32(&umfs_group(u->fs, 1)->flags, 0x100);
	memset(umfs_page(u->fs, umfs_group_page(u->fs, 1)), 0, 3 * UMFS_PAGE_BYTES);
}

static void group_that_lost_its_flag_not_set_up_anew(void **state)
{
	static void (*const losses[])(struct unit *u) = {
		lose_flag, lose_entry, lose_entry_and_head, lose_entry_and_pages,
		lose_entry_and_inodes, lose_entry_and_bits, lose_flag_and_bits,
		lose_all_but_counts, turn_flag};
	struct unit *u = *state;
	size_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(losses); i++) {
		pool_of_one_group(u);
		make_file_in(u, 1, "/f");
		losses[i](u);
		assert_err(ready(u, 1), EUCLEAN);
		if (i < 6) /* the others took the file with them */
			file_whole(u, "/f");
		fill_pool(u);
		if (i < 6)
			file_whole(u, "/f");
		assert_err(ready(u, 1), EUCLEAN);
		found_and_mended(u);
		if (i < 6)
			file_whole(u, "/f");
		make_file_in(u, 1, "/g");
	}
}

/* Bits of a group that holds nothing: it is used all the same, when fsck has looked at it. */
static void group_with_stale_bits_used_once_mended(void **state)
{
	struct unit *u = *state;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		le64 *bits;

		unit_pool(u, POOL_BYTES, 4096);
		u->damaged = true;
		bits = i % 2 ? umfs_group_inode_bits(u->fs, 1) : umfs_group_page_bits(u->fs, 1);
		memset((uint8_t *)bits + 40, i / 2 ? 1 : 0x55, 100);
		assert_err(ready(u, 1), EUCLEAN);
		found_and_mended(u);
		make_file_in(u, 1, "/f");
		file_whole(u, "/f");
	}
}

/* The first group is never one that nobody used. */
static void first_group_not_set_up_anew(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	u->damaged = true;
	assert_ok(world_put(u->fs, "/f", 0, FILE_BYTES, 1));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	memset(umfs_group(u->fs, 0), 0, sizeof(struct umfs_group_pm));
	memset(umfs_group_page_bits(u->fs, 0), 0, 2 * UMFS_PAGE_BYTES);
	/* Where units have no mark inodes are not looked at: that of the first says nothing here. */
	st64(&umfs_group(u->fs, 0)->backed, 1);
	assert_err(ready(u, 0), EUCLEAN);
	assert_err(world_append(&file, MIB, 2), ENOSPC);
	assert_err(world_creat(u->fs, "/g", 0600), ENOSPC);
	file_whole(u, "/f");
	world_close(&file);
}

static void device_pool(struct unit *u)
{
	int err;

	sim_detach(u->proc);
	sim_free(u->sim);
	sim_log_clear(&u->log);
	u->sim = sim_blank(POOL_BYTES);
	assert_non_null(u->sim);
	memset(u->sim->backed, 1, POOL_BYTES / UMFS_UNIT_BYTES);
	assert_ok(sim_format(u->sim, UMFS_DURABLE_NONE, 4096, UMFS_SB_BACKED));
	u->proc = sim_attach(u->sim, UMFS_MODE_ATOMIC, &err);
	assert_non_null(u->proc);
	u->fs = &u->proc->fs;
}

/* A device has an older pool's bytes where no group was set up; they say nothing, locks do. */
static void group_of_a_device_told_by_entry_and_locks(void **state)
{
	struct unit *u = *state;
	struct umfs_group_pm *grp;
	struct umfs_inode_pm *in;

	device_pool(u);
	grp = umfs_group(u->fs, 1);
	memset(umfs_page(u->fs, umfs_group_page(u->fs, 1)), 0xa5, 16 * MIB);
	assert_ok(ready(u, 1));
	make_file_in(u, 1, "/f");
	u->damaged = true;
	st32(&grp->flags, 0);
	assert_err(ready(u, 1), EUCLEAN);
	memset(grp, 0, sizeof(*grp));
	in = umfs_inode_at(u->fs, 1, 70);
	st64(&in->lock, umfs_lock_mine(u->fs));
	assert_err(ready(u, 1), EUCLEAN);
	assert_int_equal(ld64(&in->lock), umfs_lock_mine(u->fs));
	st64(&in->lock, 0);
	file_whole(u, "/f");
}

static void damage_entry(struct umfs_group_pm *grp, uint32_t times)
{
	static uint64_t random = 1;

	while (times--) {
		uint64_t r = sim_random(&random);
		uint8_t bit = (uint8_t)(1u << (r >> 8) % 8);

		((uint8_t *)grp)[8 + r % 32] ^= r >> 32 & 1 ? bit : (uint8_t)(r >> 40 | 1);
	}
}

/* The group's lock is no part of it. */
static void refused_is_found(struct unit *u, uint32_t times, uint32_t *refused)
{
	struct umfs_group_pm *grp = umfs_group(u->fs, 1), was = *grp;
	bool used = ld32(&grp->flags) & UMFS_GROUP_INIT, sound;
	char why[256];

	leave(u);
	damage_entry(grp, times);
	sound = !image_check(u->sim, why);
	come_back(u);
	assert_ok(umfs_grow(u->fs, u->fs->geo.pool_pages + 16));
	if (ready(u, 1)) {
		++*refused;
		assert_false(sound);
	}
	*grp = was;
	if (used && times > 2)
		(void)ready(u, 1); /* the bitmap knows all pages: what is past them is past the end */
	if (!used) /* it may have been set up */
		memset(umfs_group_page_bits(u->fs, 1), 0, 2 * UMFS_PAGE_BYTES);
}

/* Whatever is wrong with an entry, what core refuses, also when it grows, is no clean pool to fsck. */
static void group_refused_is_one_that_fsck_finds(void **state)
{
	struct unit *u = *state;
	uint32_t i, used, refused = 0;

	for (used = 0; used < 2; used++) {
		unit_pool(u, 160 * MIB, 2048);
		u->damaged = true;
		if (used)
			make_file_in(u, 1, "/f");
		for (i = 0; i < 600; i++)
			refused_is_found(u, 1 + i % 3, &refused);
	}
	assert_true(refused > 300);
}

/* ---- set up, and cut short ---- */

static bool dies_setting_up(struct unit *u, uint64_t n)
{
	struct sim_proc *other = unit_attach(u);
	jmp_buf jump;
	struct umfs_tx tx;
	uint64_t page;
	uint32_t got;

	if (setjmp(jump)) {
		sim_kill_arm(u->sim, 0, NULL);
		sim_kill(other);
		return true;
	}
	sim_kill_arm(u->sim, n, &jump);
	assert_ok(umfs_lane_get(&other->fs, &tx));
	umfs_tx_begin(&tx);
	assert_ok(umfs_pages_alloc(&tx, umfs_group_page(u->fs, 1), 1, &page, &got));
	umfs_tx_abort(&tx);
	umfs_lane_put(&tx);
	sim_kill_arm(u->sim, 0, NULL);
	sim_detach(other);
	return false;
}

/*
 * Also when the pool has grown meanwhile, so that the group has more pages than were thought:
 * after the death, or after one that all but set it up (`again`).
 */
static bool set_up_after_death(struct unit *u, uint64_t n, bool again)
{
	bool dies;

	unit_pool(u, 160 * MIB, 2048);
	assert_int_equal(u->fs->geo.group_count, 2);
	if (again) {
		assert_ok(ready(u, 1));
		st32(&umfs_group(u->fs, 1)->flags, 0);
		assert_ok(umfs_grow(u->fs, u->fs->geo.pool_pages + 3000));
	}
	dies = dies_setting_up(u, n);
	if (!again && n % 2)
		assert_ok(umfs_grow(u->fs, u->fs->geo.pool_pages + 3000));
	assert_ok(ready(u, 1));
	make_file_in(u, 1, "/f");
	file_whole(u, "/f");
	return dies;
}

static void setting_up_cut_short_begun_again(void **state)
{
	uint64_t n = 1;

	while (set_up_after_death(*state, n, false))
		n++;
	assert_true(n > 40);
	for (n = 1; set_up_after_death(*state, n, true); n++)
		;
}

/* ---- entries that make no sense ---- */

static void entry_that_makes_no_sense_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_group_pm *grp, was;
	uint32_t head, i;

	pool_of_one_group(u);
	make_file_in(u, 1, "/f");
	grp = umfs_group(u->fs, 1);
	head = UMFS_GROUP_HEAD_PAGES + u->fs->geo.itable_pages;
	memcpy(&was, grp, sizeof(was));
	for (i = 0; i < 6; i++) {
		const uint32_t pages[] = {0, 1, head, UMFS_GROUP_PAGES + 1, UINT32_MAX};

		memcpy(grp, &was, sizeof(was));
		if (i < 5)
			st32(&grp->pages, pages[i]);
		else
			st64(&grp->backed, ld64(&was.backed) & ~1ull);
		assert_err(ready(u, 1), EUCLEAN);
		fill_pool(u);
		memcpy(grp, &was, sizeof(was)); /* no inode is looked at where there is no memory */
		file_whole(u, "/f");
	}
	assert_ok(ready(u, 1));
}

/* A count that is too small would be grown, and what lies behind be free. */
static void pages_in_use_behind_the_bitmap_stay(void **state)
{
	struct unit *u = *state;
	struct umfs_group_pm *grp, was;
	uint32_t i;

	pool_of_one_group(u);
	make_file_in(u, 1, "/f");
	grp = umfs_group(u->fs, 1);
	memcpy(&was, grp, sizeof(was));
	for (i = 0; i < 2; i++) {
		memcpy(grp, &was, sizeof(was));
		st32(&grp->pages, 600);
		if (i) /* where nobody counts the units tell */
			st32(&grp->flags, UMFS_GROUP_INIT | UMFS_GROUP_RECOUNT);
		else
			st64(&grp->backed, 3);
		assert_err(ready(u, 1), EUCLEAN);
		fill_pool(u);
		file_whole(u, "/f");
	}
}

/* The pool has grown, and the group not yet: nothing of what it has now can have memory. */
static void memory_behind_the_bitmap_found(void **state)
{
	struct unit *u = *state;
	struct umfs_group_pm *grp;

	unit_pool(u, 160 * MIB, 2048);
	make_file_in(u, 1, "/f");
	assert_ok(umfs_grow(u->fs, u->fs->geo.pool_pages + 3000));
	grp = umfs_group(u->fs, 1);
	st64(&grp->backed, ld64(&grp->backed) |
				   1ull << (umfs_group_pages(u->fs, 1) - 1) / UMFS_UNIT_PAGES);
	assert_err(ready(u, 1), EUCLEAN);
	found_and_mended(u);
	assert_ok(ready(u, 1));
	file_whole(u, "/f");
}

/* Nothing is stored where the bitmaps have no memory. */
static void pages_not_freed_without_a_bitmap(void **state)
{
	struct unit *u = *state;
	struct umfs_group_pm *grp;
	uint64_t head;
	struct umfs_tx tx;
	uint64_t page;
	uint32_t got;

	unit_pool(u, POOL_BYTES, 4096);
	u->damaged = true;
	grp = umfs_group(u->fs, 1);
	assert_ok(umfs_lane_get(u->fs, &tx));
	umfs_tx_begin(&tx);
	assert_ok(umfs_pages_alloc(&tx, umfs_group_page(u->fs, 1) + 4000, 8, &page, &got));
	umfs_tx_commit(&tx);
	st64(&grp->backed, ld64(&grp->backed) & ~1ull);
	head = (umfs_group_page(u->fs, 1) << UMFS_PAGE_SHIFT) / UMFS_UNIT_BYTES;
	u->sim->backed[head] = 0; /* a store is the end */
	umfs_tx_begin(&tx);
	assert_ok(umfs_pages_free(&tx, page, got));
	umfs_tx_commit(&tx);
	umfs_lane_put(&tx);
	st32(&grp->flags, UMFS_GROUP_INIT | UMFS_GROUP_RECOUNT);
	umfs_group_recount(u->fs, 1);
	assert_int_equal(ld32(&grp->flags), UMFS_GROUP_INIT | UMFS_GROUP_RECOUNT);
	u->sim->backed[head] = 1;
}

/* ---- memory that is given back ---- */

static bool unit_there(const struct unit *u, uint32_t group, uint32_t unit)
{
	uint64_t first = umfs_group_page(u->fs, group) + (uint64_t)unit * UMFS_UNIT_PAGES;

	return u->sim->backed[first / UMFS_UNIT_PAGES];
}

static void head_keeps_its_memory(void **state)
{
	struct unit *u = *state;
	uint32_t unit;

	unit_pool(u, POOL_BYTES, 3 * 32768); /* 2050 pages: four units, and part of one */
	assert_int_equal(u->fs->geo.itable_pages, 2048);
	u->damaged = true;
	make_file_in(u, 1, "/f");
	make_file_in(u, 1, "/g");
	for (unit = 0; unit < 5; unit++)
		assert_ok(umfs_group_back(u->fs, 1, unit));
	memset(umfs_group_page_bits(u->fs, 1), 0, 5 * UMFS_UNIT_PAGES / 8);
	u->fs->unback_after = 1;
	assert_ok(world_unlink(u->fs, "/g"));
	unit_reattach(u, UMFS_MODE_ATOMIC);
	for (unit = 0; unit < 5; unit++)
		assert_true(unit_there(u, 1, unit));
}

/* The last group is a short one; past the end there is nothing to give back. */
static void nothing_past_the_end_given_back(void **state)
{
	struct unit *u = *state;
	struct umfs_group_pm *grp;
	uint32_t unit;

	unit_pool(u, POOL_BYTES - 300 * KIB, 4096);
	u->damaged = true;
	make_file_in(u, 2, "/f");
	make_file_in(u, 2, "/g");
	grp = umfs_group(u->fs, 2);
	unit = (umfs_group_pages(u->fs, 2) - 1) / UMFS_UNIT_PAGES; /* of which the end cuts off a part */
	assert_ok(umfs_group_back(u->fs, 2, unit));
	st64(&grp->backed, ld64(&grp->backed) | ~0ull << unit);
	memset((uint8_t *)umfs_group_page_bits(u->fs, 2) + unit * UMFS_UNIT_PAGES / 8, 0,
	       (UMFS_GROUP_UNITS - unit) * UMFS_UNIT_PAGES / 8);
	u->fs->unback_after = 1;
	assert_ok(world_unlink(u->fs, "/g"));
	assert_int_equal(ld64(&grp->backed) >> unit, ~0ull >> unit);
	assert_true(unit_there(u, 2, unit));
}

/* ---- inodes ---- */

static void inode_that_lost_its_bit_not_taken(void **state)
{
	struct unit *u = *state;
	struct umfs_attr before[12], now;
	char name[16];
	uint32_t i, k;

	u->damaged = true;
	for (i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "/f%u", i);
		assert_ok(world_put(u->fs, name, 0, 5000, i));
		assert_ok(world_stat(u->fs, name, &before[i]));
	}
	umfs_bits_clear(umfs_group_inode_bits(u->fs, 0), 0, u->fs->geo.inodes_per_group);
	st32(&umfs_group(u->fs, 0)->inode_hint, 0);
	for (i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "/new%u", i);
		assert_ok(world_creat(u->fs, name, 0600));
		assert_ok(world_stat(u->fs, name, &now));
		assert_true(now.ino > UMFS_ROOT_INO);
		for (k = 0; k < 12; k++)
			assert_true(now.ino != before[k].ino);
	}
	for (i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "/f%u", i);
		assert_ok(world_stat(u->fs, name, &now));
		assert_int_equal(now.generation, before[i].generation);
		assert_int_equal(now.size, 5000);
	}
}

/* The first event from `i` on of a kind that has to do with the byte at `off`; any fence. */
static size_t event_after(const struct unit *u, size_t i, enum sim_kind kind, uint64_t off)
{
	const struct sim_event *e;

	for (; i < u->log.count; i++) {
		e = &u->log.events[i];
		if (e->kind == kind && (kind == SIM_FENCE || off - e->off < e->len))
			return i;
	}
	return i;
}

/* Or a crash would leave an inode in use where nobody looks, to undo it. */
static void memory_of_inode_marked_before_it_is_one(void **state)
{
	struct unit *u = *state;
	uint64_t backed, mode;
	size_t stored, i;

	unit_pool(u, POOL_BYTES, 3 * 32768);
	if (u->fs->geo.durability != UMFS_DURABLE_FLUSH)
		return;
	assert_ok(world_creat(u->fs, "/a", 0600));
	st32(&umfs_group(u->fs, 0)->inode_hint, 9000); /* in the second unit */
	sim_settle(u->sim);
	u->sim->log = &u->log;
	assert_ok(world_creat(u->fs, "/b", 0600));
	backed = umfs_off(u->fs, &umfs_group(u->fs, 0)->backed);
	mode = umfs_off(u->fs, &umfs_inode_at(u->fs, 0, 9000)->mode);
	stored = event_after(u, 0, SIM_STORE, backed);
	i = event_after(u, event_after(u, stored, SIM_FLUSH, backed), SIM_FENCE, 0);
	assert_true(stored < i && i < event_after(u, 0, SIM_STORE, mode));
	assert_true(event_after(u, 0, SIM_STORE, mode) < u->log.count);
}

/* Where its head can not be read zeros are, which says nothing of the group. */
static void group_whose_head_is_lost_not_set_up(void **state)
{
	struct unit *u = *state;
	struct umfs_tx tx;

	u->sim->log = NULL;
	unit_pool(u, POOL_BYTES, 4096);
	u->damaged = true;
	assert_ok(umfs_lane_get(u->fs, &tx));
	assert_ok(umfs_group_lock(u->fs, tx.lane, 1, true));
	unit_lose_at(u, u->fs, 1); /* of `backed`, and then the head is looked at */
	assert_int_equal(umfs_group_init(u->fs, 1), -EIO);
	unit_lose_at(u, NULL, 0);
	assert_int_equal(ld32(&umfs_group(u->fs, 1)->flags), 0);
	assert_int_equal(ld32(&umfs_group(u->fs, 1)->pages), 0);
	unit_die(u);
}

static const struct CMUnitTest tests[] = {
	CASE(group_that_lost_its_flag_not_set_up_anew),
	CASE(group_with_stale_bits_used_once_mended),
	CASE(first_group_not_set_up_anew),
	CASE(group_of_a_device_told_by_entry_and_locks),
	CASE(group_refused_is_one_that_fsck_finds),
	CASE(setting_up_cut_short_begun_again),
	CASE(entry_that_makes_no_sense_refused),
	CASE(pages_in_use_behind_the_bitmap_stay),
	CASE(memory_behind_the_bitmap_found),
	CASE(pages_not_freed_without_a_bitmap),
	CASE(head_keeps_its_memory),
	CASE(nothing_past_the_end_given_back),
	CASE(inode_that_lost_its_bit_not_taken),
	CASE(memory_of_inode_marked_before_it_is_one),
	CASE(group_whose_head_is_lost_not_set_up),
};
UNIT_MAIN("damage", tests)
