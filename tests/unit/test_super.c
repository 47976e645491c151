// SPDX-License-Identifier: BSD-3-Clause
/* test_super.c - which superblocks are taken, and which are refused how. */
#include "unit.h"

static struct umfs_super_pm *primary(struct unit *u)
{
	return (struct umfs_super_pm *)u->sim->mem;
}

static struct umfs_super_pm *backup(struct unit *u)
{
	return (struct umfs_super_pm *)(u->sim->mem +
					(uint64_t)UMFS_SB_BACKUP_PAGE * UMFS_PAGE_BYTES);
}

static int check(struct unit *u)
{
	struct umfs_geometry geo;

	return umfs_super_check(u->sim->mem, u->sim->bytes, &geo);
}

static void reseal(struct umfs_super_pm *sb)
{
	sb->crc.v = umfs_super_crc(sb);
}

static void super_intact_loads(void **state)
{
	struct unit *u = *state;
	bool from_backup = true;

	assert_ok(check(u));
	assert_ok(umfs_super_load(u->fs, &from_backup));
	assert_false(from_backup);
	assert_int_equal(u->fs->geo.pool_pages, u->sim->bytes / UMFS_PAGE_BYTES);
}

static void super_without_magic_refused(void **state)
{
	struct unit *u = *state;

	u->damaged = true;
	primary(u)->magic.v ^= 1;
	assert_err(check(u), EINVAL);
}

static void super_all_zero_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_geometry geo;
	static uint8_t zero[UMFS_PAGE_BYTES];

	assert_err(umfs_super_check(zero, u->sim->bytes, &geo), EINVAL);
}

static void super_of_later_version_refused(void **state)
{
	struct unit *u = *state;

	u->damaged = true;
	primary(u)->version.v = UMFS_VERSION + 1;
	reseal(primary(u));
	assert_err(check(u), EPROTONOSUPPORT);
}

static void super_with_unknown_incompat_feature_refused(void **state)
{
	struct unit *u = *state;

	u->damaged = true;
	primary(u)->feature_incompat.v = 1ull << 40;
	reseal(primary(u));
	assert_err(check(u), EPROTONOSUPPORT);
}

static void super_with_unknown_ro_compat_feature_only_looked_at(void **state)
{
	struct unit *u = *state;
	struct umfs_geometry geo;
	int err;

	sim_detach(u->proc);
	u->proc = NULL;
	u->damaged = true;
	primary(u)->feature_ro_compat.v = 1ull << 40;
	reseal(primary(u));
	assert_ok(umfs_super_check(u->sim->mem, u->sim->bytes, &geo));
	assert_true(geo.look_only);
	assert_null(sim_attach(u->sim, UMFS_MODE_ATOMIC, &err));
	assert_int_equal(err, -EROFS);
	primary(u)->feature_ro_compat.v = 0;
	reseal(primary(u));
	assert_ok(umfs_super_check(u->sim->mem, u->sim->bytes, &geo));
	assert_false(geo.look_only);
}

static void super_with_unknown_compat_feature_loads(void **state)
{
	struct unit *u = *state;

	u->damaged = true;
	primary(u)->feature_compat.v = 1ull << 40;
	reseal(primary(u));
	assert_ok(check(u));
}

static void super_of_pool_cut_short_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_geometry geo;

	assert_err(umfs_super_check(u->sim->mem, u->sim->bytes - 1, &geo), ENOSPC);
}

static void super_with_any_bit_flipped_refused(void **state)
{
	struct unit *u = *state;
	uint8_t *bytes = u->sim->mem;
	uint32_t bit;

	u->damaged = true;
	for (bit = 0; bit < 8 * UMFS_SUPER_CRC_BYTES; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(check(u) < 0);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_ok(check(u));
}

static void super_damaged_loads_backup(void **state)
{
	struct unit *u = *state;
	bool from_backup = false;

	u->damaged = true;
	primary(u)->pool_pages.v ^= 4;
	assert_ok(umfs_super_load(u->fs, &from_backup));
	assert_true(from_backup);
}

static void super_wiped_loads_backup(void **state)
{
	struct unit *u = *state;
	bool from_backup = false;

	u->damaged = true;
	memset(u->sim->mem, 0, UMFS_PAGE_BYTES);
	assert_ok(umfs_super_load(u->fs, &from_backup));
	assert_true(from_backup);
}

static void super_and_backup_damaged_refused(void **state)
{
	struct unit *u = *state;
	bool from_backup;

	u->damaged = true;
	primary(u)->pool_pages.v ^= 4;
	backup(u)->pool_pages.v ^= 4;
	assert_err(umfs_super_load(u->fs, &from_backup), EUCLEAN);
}

/* Is everything that geometry addresses inside the pool? */
static bool inside(const struct umfs_geometry *g, uint64_t page, uint64_t count, uint64_t bytes)
{
	return page > 0 &&
	       page * UMFS_PAGE_BYTES + count * bytes <= g->pool_pages * UMFS_PAGE_BYTES;
}

static bool geometry_safe(const struct umfs_geometry *g)
{
	return inside(g, g->gtable_page, g->group_count_max, sizeof(struct umfs_group_pm)) &&
	       inside(g, g->lanes_page, (uint64_t)g->slot_count * g->lanes_per_slot,
		      UMFS_LANE_PAGES * UMFS_PAGE_BYTES) &&
	       inside(g, g->irecs_page, g->irec_count, sizeof(struct umfs_irec_pm)) &&
	       inside(g, g->ofds_page, g->ofd_count, sizeof(struct umfs_ofd_pm)) &&
	       inside(g, g->reserves_page, g->reserve_count,
		      UMFS_RESERVE_PAGES * UMFS_PAGE_BYTES) &&
	       g->groups_page + (g->group_count - 1) * (uint64_t)UMFS_GROUP_PAGES +
			       UMFS_GROUP_HEAD_PAGES + g->itable_pages <
		       g->pool_pages &&
	       g->slot_count <= UMFS_SLOTS_MAX && g->lanes_per_slot <= UMFS_LANES_MAX &&
	       g->reserve_count <= UMFS_RESERVES_MAX;
}

/* Whoever writes a good checksum may still not make core address anything outside. */
static void super_with_hostile_geometry_never_unsafe(void **state)
{
	struct unit *u = *state;
	static const uint32_t values[] = {0,	    1,	      2,	3,	   63,
					  64,	    511,      512,	4095,	   65535,
					  1u << 20, 1u << 24, 1u << 31, 0xffffffff};
	uint32_t at = offsetof(struct umfs_super_pm, pool_pages), i;
	struct umfs_geometry geo;
	uint32_t taken = 0;

	u->damaged = true;
	for (; at < offsetof(struct umfs_super_pm, pad); at += 4)
		for (i = 0; i < UMFS_ARRAY_LEN(values); i++) {
			struct umfs_super_pm sb = *primary(u);
			int err;

			memcpy((uint8_t *)&sb + at, &values[i], 4);
			reseal(&sb);
			err = umfs_super_check(&sb, u->sim->bytes, &geo);
			assert_true(err == 0 || err == -EUCLEAN || err == -ENOSPC);
			if (!err)
				assert_true(geometry_safe(&geo));
			taken += !err;
		}
	assert_true(taken > 0);
}

/* A large pool with tables of so many records and descriptions, which fit. */
static int check_opens(uint32_t irecs, uint32_t ofds)
{
	struct umfs_format f = {.pool_pages = 16 * GIB >> UMFS_PAGE_SHIFT, .hash_key = {1, 2}};
	struct umfs_super_pm sb = {0};
	struct umfs_geometry geo;
	uint32_t end;

	assert_ok(umfs_format_plan(&f, &sb));
	end = ld32(&sb.groups_page);
	st32(&sb.irecs_page, end);
	st32(&sb.irec_count, irecs);
	st32(&sb.ofds_page, end + UMFS_GROUP_PAGES);
	st32(&sb.ofd_count, ofds);
	st32(&sb.groups_page, end + 4 * UMFS_GROUP_PAGES);
	st32(&sb.group_count, ld32(&sb.group_count) - 4);
	reseal(&sb);
	return umfs_super_check(&sb, 16 * GIB, &geo);
}

/* Who cleans up after a process goes through all of them. */
static void super_with_too_many_records_damaged(void **state)
{
	(void)state;
	assert_ok(check_opens(UMFS_OPENS_MAX, UMFS_OPENS_MAX));
	assert_err(check_opens(UMFS_OPENS_MAX + 1, UMFS_OPENS_MAX), EUCLEAN);
	assert_err(check_opens(UMFS_OPENS_MAX, UMFS_OPENS_MAX + 1), EUCLEAN);
}

static const struct CMUnitTest tests[] = {
	CASE(super_with_too_many_records_damaged),
	CASE(super_intact_loads),
	CASE(super_without_magic_refused),
	CASE(super_all_zero_refused),
	CASE(super_of_later_version_refused),
	CASE(super_with_unknown_incompat_feature_refused),
	CASE(super_with_unknown_ro_compat_feature_only_looked_at),
	CASE(super_with_unknown_compat_feature_loads),
	CASE(super_of_pool_cut_short_refused),
	CASE(super_with_any_bit_flipped_refused),
	CASE(super_damaged_loads_backup),
	CASE(super_wiped_loads_backup),
	CASE(super_and_backup_damaged_refused),
	CASE(super_with_hostile_geometry_never_unsafe),
};
UNIT_MAIN("super", tests)
