// SPDX-License-Identifier: BSD-3-Clause
/* test_format.c - the geometry of pools of all sizes, and the pool as mkfs leaves it. */
#include "unit.h"

#include <stdio.h>

static int plan(uint64_t bytes, uint64_t inodes, struct umfs_super_pm *sb,
		struct umfs_geometry *geo)
{
	struct umfs_format f = {.pool_pages = bytes >> UMFS_PAGE_SHIFT, .inode_count = inodes};
	int err;

	memset(sb, 0, sizeof(*sb));
	err = umfs_format_plan(&f, sb);
	if (err)
		return err;
	st32(&sb->crc, umfs_super_crc(sb));
	assert_ok(umfs_super_check(sb, bytes, geo));
	return 0;
}

static void plan_of_any_size_sane(void **state)
{
	struct umfs_super_pm sb;
	struct umfs_geometry geo;
	uint64_t bytes = 10 * MIB;

	(void)state;
	while (bytes <= 16384 * GIB) {
		assert_ok(plan(bytes, 0, &sb, &geo));
		assert_true(geo.group_count <= geo.group_count_max);
		/* Nearly all of the pool is in groups. */
		assert_true(geo.groups_page < 8192 * 4 || geo.groups_page * 20ull < geo.pool_pages);
		bytes += (bytes / 7) & ~(uint64_t)UMFS_PAGE_MASK;
	}
}

static void plan_of_sizes_around_group_ends_sane(void **state)
{
	struct umfs_super_pm sb;
	struct umfs_geometry geo;
	uint64_t pages, start = 200 * MIB / UMFS_PAGE_BYTES;

	(void)state;
	for (pages = start; pages < start + UMFS_GROUP_PAGES + 100; pages += 13)
		assert_ok(plan(pages * UMFS_PAGE_BYTES, 0, &sb, &geo));
}

static void plan_too_small_refused(void **state)
{
	struct umfs_super_pm sb;
	struct umfs_geometry geo;

	(void)state;
	assert_err(plan(10 * MIB - UMFS_PAGE_BYTES, 0, &sb, &geo), EINVAL);
	assert_err(plan(0, 0, &sb, &geo), EINVAL);
}

static void plan_too_large_refused(void **state)
{
	struct umfs_super_pm sb;
	struct umfs_geometry geo;

	(void)state;
	assert_err(plan(16384 * GIB + UMFS_PAGE_BYTES, 0, &sb, &geo), EINVAL);
}

static void plan_with_inode_count_has_as_many(void **state)
{
	struct umfs_super_pm sb;
	struct umfs_geometry geo;

	(void)state;
	assert_ok(plan(GIB, 100000, &sb, &geo));
	assert_true((uint64_t)geo.group_count * geo.inodes_per_group >= 100000);
}

/* A last group that would be too short is given up, and its inodes go to the others. */
static void plan_with_inode_count_and_short_end_has_as_many(void **state)
{
	struct umfs_super_pm sb;
	struct umfs_geometry geo;
	uint64_t mib;

	(void)state;
	for (mib = 512; mib <= 640; mib += 2) {
		assert_ok(plan(mib * MIB, 100000, &sb, &geo));
		assert_true((uint64_t)geo.group_count * geo.inodes_per_group >= 100000);
	}
}

static void plan_with_too_many_inodes_refused(void **state)
{
	struct umfs_super_pm sb;
	struct umfs_geometry geo;

	(void)state;
	assert_err(plan(GIB, 1ull << 40, &sb, &geo), EINVAL);
	/* 16 TiB are 131072 groups, the last one a little shorter. */
	assert_ok(plan(16384 * GIB, 131072ull * 32704, &sb, &geo));
	assert_int_equal(geo.group_count, 131072);
	assert_int_equal(geo.inodes_per_group, 32704);
	assert_err(plan(16384 * GIB, 131072ull * 32704 + 1, &sb, &geo), EINVAL);
	assert_err(plan(16384 * GIB, 1ull << 32, &sb, &geo), EINVAL);
	/* Of a pool that has fewer groups each may have as many as there is room for. */
	assert_ok(plan(8192 * GIB, 65535ull * 32768, &sb, &geo));
	assert_int_equal(geo.inodes_per_group, 32768);
	assert_err(plan(8192 * GIB, 65536ull * 32768 + 1, &sb, &geo), EINVAL);
}

/* Numbers that do not fit 32 bits, from somebody else's mkfs. */
static void super_with_too_many_inodes_refused(void **state)
{
	static uint8_t page[UMFS_PAGE_BYTES] __attribute__((aligned(8)));
	struct umfs_super_pm *sb = (struct umfs_super_pm *)page;
	struct umfs_geometry geo;

	(void)state;
	assert_ok(plan(16384 * GIB, 131072ull * 32704, sb, &geo));
	st32(&sb->crc, umfs_super_crc(sb));
	assert_ok(umfs_super_check(page, 16384 * GIB, &geo));
	st32(&sb->inodes_per_group, 32768);
	st32(&sb->crc, umfs_super_crc(sb));
	assert_err(umfs_super_check(page, 16384 * GIB, &geo), EUCLEAN);
}

static void pool_new_holds_empty_root(void **state)
{
	struct unit *u = *state;
	struct umfs_attr attr;
	struct tree t;
	char why[256];

	assert_ok(umfs_getattr(u->fs, UMFS_ROOT_INO, &attr));
	assert_int_equal(attr.mode, 040755);
	assert_int_equal(attr.nlink, 2);
	assert_ok(tree_read(u->fs, &t, why));
	assert_int_equal(t.count, 1);
	tree_free(&t);
}

static void pool_smallest_usable(void **state)
{
	struct unit *u = *state;
	struct tree t;
	char why[256];

	unit_pool(u, 10 * MIB, 0);
	assert_ok(world_put(u->fs, "/file", 0, 100 * KIB, 1));
	assert_ok(tree_read(u->fs, &t, why));
	assert_ok(tree_use(u->fs, &t, why));
	tree_free(&t);
}

static void pool_of_several_groups_usable(void **state)
{
	struct unit *u = *state;
	struct umfs_statfs before, after;
	uint32_t i;
	char path[32];

	unit_pool(u, 700 * MIB, 0);
	umfs_statfs(u->fs, &before);
	for (i = 0; i < 40; i++) {
		sprintf(path, "/d%u", i);
		assert_ok(world_mkdir(u->fs, path));
		sprintf(path, "/d%u/f", i);
		assert_ok(world_put(u->fs, path, 0, 10000, i));
	}
	umfs_statfs(u->fs, &after);
	assert_true(after.pages_free < before.pages_free);
	assert_int_equal(before.inodes_free - after.inodes_free, 80);
}

/* A new pool in the memory of the old one, of which `clear` bytes are zeros. */
static void format_again(struct unit *u, uint64_t clear, uint32_t flags)
{
	struct umfs_format f = {.pool_pages = u->sim->bytes / UMFS_PAGE_BYTES,
				.now_ns = 1ull << 60,
				.root_mode = 0700,
				.flags = flags,
				.durability = u->fs->geo.durability};
	struct umfs fs = {0};

	sim_detach(u->proc);
	fs.base = u->sim->mem;
	fs.bytes = u->sim->bytes;
	fs.port = u->sim;
	memset(fs.base, 0, clear);
	u->sim->log = NULL;
	assert_ok(umfs_format_write(&fs, &f));
	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
}

static void pool_formatted_again_forgets_the_old(void **state)
{
	struct unit *u = *state;
	struct umfs_attr attr;

	assert_ok(world_put(u->fs, "/old", 0, 10000, 1));
	format_again(u, u->sim->bytes, 0); /* what mkfs's punch does */
	assert_err(world_stat(u->fs, "/old", &attr), ENOENT);
	assert_ok(world_put(u->fs, "/new", 0, 10000, 1));
}

/* Of a device mkfs clears the front: inodes of the old pool are in the way of the new one's. */
static void pool_on_a_device_formatted_again_forgets_the_old(void **state)
{
	struct unit *u = *state;
	char path[32];

	unit_pool(u, 700 * MIB, 0);
	for (uint32_t i = 0; i < 400; i++) {
		sprintf(path, "/d%u", i);
		assert_ok(world_mkdir(u->fs, path));
	}
	format_again(u, (uint64_t)u->fs->geo.groups_page << UMFS_PAGE_SHIFT, UMFS_SB_BACKED);
	for (uint32_t i = 0; i < 40; i++) {
		sprintf(path, "/d%u", i);
		assert_ok(world_mkdir(u->fs, path));
	}
}

static const struct CMUnitTest tests[] = {
	CASE(plan_of_any_size_sane),
	CASE(plan_of_sizes_around_group_ends_sane),
	CASE(plan_too_small_refused),
	CASE(plan_too_large_refused),
	CASE(plan_with_inode_count_has_as_many),
	CASE(plan_with_inode_count_and_short_end_has_as_many),
	CASE(plan_with_too_many_inodes_refused),
	CASE(super_with_too_many_inodes_refused),
	CASE(pool_new_holds_empty_root),
	CASE(pool_smallest_usable),
	CASE(pool_of_several_groups_usable),
	CASE(pool_formatted_again_forgets_the_old),
	CASE(pool_on_a_device_formatted_again_forgets_the_old),
};
UNIT_MAIN("format", tests)
