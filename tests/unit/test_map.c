// SPDX-License-Identifier: BSD-3-Clause
/* test_map.c - files that may be mapped: their pages stay where they are. */
#include "unit.h"
#include "sim.h"

#define PAGE UMFS_PAGE_BYTES
#define PUNCH (UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE)
#define PAGES 40u

struct mapped {
	struct umfs_file file;
	uint64_t where[PAGES], end;
	uint32_t irec;
};

/* A file of PAGES pages, mapped, and where its pages lie. */
static void map_new(struct unit *u, const char *path, struct mapped *m)
{
	uint32_t i;

	assert_ok(world_put(u->fs, path, 0, PAGES * PAGE, 1));
	assert_ok(world_open(u->fs, path, O_RDWR, &m->file));
	m->end = 1 * GIB;
	assert_ok(umfs_map_pin(&m->file, UMFS_MAP_SHARED, 0, &m->end, &m->irec));
	assert_int_equal(m->end, PAGES * PAGE);
	for (i = 0; i < PAGES; i++) {
		assert_int_equal(umfs_map_run(&m->file, i * PAGE, PAGE, &m->where[i]), PAGE);
		assert_true(m->where[i]);
	}
}

/* The pages that were free before it; what its name needs is not among them. */
static uint64_t map_new_counted(struct unit *u, struct mapped *m)
{
	uint64_t before;

	assert_ok(world_put(u->fs, "/other", 0, 1, 1)); /* the directory has its page */
	before = unit_pages_free(u);
	map_new(u, "/f", m);
	return before;
}

static void unmap(struct unit *u, struct mapped *m)
{
	umfs_map_put(u->fs, m->irec);
	world_close(&m->file);
}

/* As map.c's I2 has it, for the first `count` pages. */
static void assert_in_place(struct mapped *m, uint32_t count)
{
	uint64_t where;
	uint32_t i;

	for (i = 0; i < count; i++) {
		assert_int_equal(umfs_map_run(&m->file, i * PAGE, PAGE, &where), PAGE);
		assert_int_equal(where, m->where[i]);
	}
}

/* Nobody else gets one of them: their bits are still set. */
static void assert_not_free(struct unit *u, struct mapped *m)
{
	uint32_t i;

	for (i = 0; i < PAGES; i++) {
		uint64_t rel = (m->where[i] >> UMFS_PAGE_SHIFT) - u->fs->geo.groups_page;
		const le64 *bits = umfs_page(u->fs, umfs_group_page(
			u->fs, (uint32_t)(rel >> UMFS_GROUP_SHIFT)));

		rel &= UMFS_GROUP_PAGES - 1;
		assert_true(ld64(&bits[rel / 64]) >> rel % 64 & 1);
	}
}

static void assert_byte(struct mapped *m, uint64_t off, uint8_t want)
{
	uint8_t got;

	assert_int_equal(umfs_pread(&m->file, &got, 1, off), 1);
	assert_int_equal(got, want);
}

static void overwrites_of_mapped_stay_in_place(void **state)
{
	static const struct {
		uint64_t off, n;
	} writes[] = {{10, 5},	       {0, PAGE},      {PAGE, 2 * PAGE}, {100, 3 * PAGE},
		      {0, PAGES * PAGE}, {PAGE - 1, 2}, {5, 30 * PAGE}};
	struct unit *u = *state;
	struct mapped m;
	uint32_t i;

	map_new(u, "/f", &m);
	for (i = 0; i < UMFS_ARRAY_LEN(writes); i++) {
		assert_ok(world_write(&m.file, writes[i].off, writes[i].n, 2 + i));
		assert_in_place(&m, PAGES);
	}
	unmap(u, &m);
}

static void store_through_mapping_is_read(void **state)
{
	struct unit *u = *state;
	struct mapped m;
	uint8_t byte = 0x5a;

	map_new(u, "/f", &m);
	port_copy((uint8_t *)u->fs->base + m.where[7] + 11, &byte, 1);
	assert_byte(&m, 7 * PAGE + 11, 0x5a);
	assert_ok(umfs_fsync(&m.file));
	unmap(u, &m);
}

/* Does the log end with a flush of that place and then a fence? */
static bool flushed_and_fenced(const struct sim_log *log, uint64_t off)
{
	bool flushed = false, fenced = false;
	size_t i;

	for (i = 0; i < log->count; i++) {
		const struct sim_event *e = &log->events[i];

		if (e->kind == SIM_STORE && e->off <= off && off < e->off + e->len)
			flushed = fenced = false;
		else if (e->kind == SIM_FLUSH && e->off <= off && off < e->off + e->len)
			flushed = true;
		else if (e->kind == SIM_FENCE && flushed)
			fenced = true;
	}
	return fenced;
}

static void fsync_of_mapped_is_durable(void **state)
{
	struct unit *u = *state;
	struct mapped m;
	uint8_t byte = 0x5a;

	map_new(u, "/f", &m);
	port_copy((uint8_t *)u->fs->base + m.where[7] + 11, &byte, 1);
	if (u->fs->geo.durability == UMFS_DURABLE_FLUSH) {
		assert_false(flushed_and_fenced(u->sim->log, m.where[7] + 11));
		assert_ok(umfs_fsync(&m.file));
		assert_true(flushed_and_fenced(u->sim->log, m.where[7] + 11));
	}
	unmap(u, &m);
}

static void punched_and_zeroed_stay_in_place(void **state)
{
	struct unit *u = *state;
	struct mapped m;

	map_new(u, "/f", &m);
	assert_ok(umfs_fallocate(&m.file, PUNCH, PAGE, 5 * PAGE));
	assert_byte(&m, PAGE, 0);
	assert_byte(&m, 6 * PAGE - 1, 0);
	assert_ok(umfs_fallocate(&m.file, UMFS_FALLOC_ZERO, 10 * PAGE + 1, 5 * PAGE));
	assert_byte(&m, 12 * PAGE, 0);
	assert_in_place(&m, PAGES);
	assert_ok(umfs_fallocate(&m.file, PUNCH, 100 * PAGE + 5, 7)); /* behind the end */
	unmap(u, &m);
}

static void cut_off_pages_are_nobodys_until_the_end(void **state)
{
	struct unit *u = *state;
	struct mapped m;
	uint64_t before;

	before = map_new_counted(u, &m);
	assert_ok(umfs_truncate(u->fs, umfs_file_node(&m.file), 3 * PAGE + 7));
	assert_ok(umfs_fallocate(&m.file, UMFS_FALLOC_KEEP_SIZE, 0, PAGE));
	assert_not_free(u, &m);
	assert_ok(umfs_truncate(u->fs, umfs_file_node(&m.file), PAGES * PAGE));
	assert_byte(&m, 3 * PAGE + 7, 0);
	assert_byte(&m, PAGES * PAGE - 1, 0);
	assert_in_place(&m, PAGES);
	assert_ok(umfs_truncate(u->fs, umfs_file_node(&m.file), 0));
	assert_ok(world_unlink(u->fs, "/f"));
	world_close(&m.file);
	assert_not_free(u, &m);
	umfs_map_put(u->fs, m.irec);
	assert_int_equal(unit_pages_free(u), before);
}

static void full_pool_does_not_stop_overwrites_of_mapped(void **state)
{
	struct unit *u = *state;
	struct umfs_file filler;
	struct mapped m;

	map_new(u, "/f", &m);
	u->sim->log = NULL;
	assert_ok(world_open(u->fs, "/filler", O_RDWR | O_CREAT, &filler));
	while (!world_append(&filler, 64 * KIB, 1) || !world_append(&filler, PAGE, 1))
		;
	assert_ok(world_write(&m.file, 100, 30 * PAGE, 3));
	assert_ok(umfs_fallocate(&m.file, PUNCH, 100, 20 * PAGE));
	assert_in_place(&m, PAGES);
	assert_int_equal(umfs_fallocate(&m.file, UMFS_FALLOC_KEEP_SIZE, 0, 4000 * PAGE), -ENOSPC);
	assert_not_free(u, &m);
	world_close(&filler);
	unmap(u, &m);
}

static void hole_gets_pages_or_enospc(void **state)
{
	struct unit *u = *state;
	struct umfs_file file, filler;
	uint64_t end, where;
	uint32_t irec;

	u->sim->log = NULL;
	assert_ok(world_open(u->fs, "/h", O_RDWR | O_CREAT, &file));
	assert_ok(umfs_truncate(u->fs, umfs_file_node(&file), 3 * MIB + 5));
	end = MIB;
	assert_ok(umfs_map_pin(&file, 0, 0, &end, &irec)); /* private: stays a hole */
	assert_int_equal(umfs_map_run(&file, 0, MIB, &where), MIB);
	assert_int_equal(where, 0);
	umfs_map_put(u->fs, irec);
	end = 8 * MIB;
	assert_ok(umfs_map_pin(&file, UMFS_MAP_SHARED, MIB, &end, &irec));
	assert_int_equal(end, 3 * MIB + PAGE);
	assert_true(umfs_map_run(&file, 3 * MIB, PAGE, &where) == (int64_t)PAGE && where);
	umfs_map_put(u->fs, irec);
	assert_ok(umfs_truncate(u->fs, umfs_file_node(&file), 200 * MIB));
	assert_ok(world_open(u->fs, "/filler", O_RDWR | O_CREAT, &filler));
	end = 200 * MIB;
	assert_err(umfs_map_pin(&file, UMFS_MAP_SHARED, 0, &end, &irec), ENOSPC);
	world_close(&filler);
	world_close(&file);
}

static void pin_of_a_dead_process_goes_with_it(void **state)
{
	struct unit *u = *state;
	struct mapped m;
	uint64_t before;

	before = map_new_counted(u, &m);
	assert_ok(umfs_truncate(u->fs, umfs_file_node(&m.file), 0));
	assert_ok(world_unlink(u->fs, "/f"));
	unit_die(u);
	assert_int_equal(unit_pages_free(u), before);
}

static void other_process_writes_in_place(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_file file;
	struct mapped m;

	map_new(u, "/f", &m);
	assert_ok(world_open(&other->fs, "/f", O_RDWR, &file));
	assert_ok(world_write(&file, 0, PAGE, 5));
	assert_ok(world_write(&file, PAGE, 20 * PAGE, 5));
	assert_in_place(&m, PAGES);
	world_close(&file);
	sim_detach(other);
	unmap(u, &m);
	assert_ok(world_open(u->fs, "/f", O_RDWR, &m.file)); /* by now nobody has it mapped */
	assert_ok(world_write(&m.file, 0, PAGES * PAGE, 6));
	if (umfs_mode(u->fs) == UMFS_MODE_ATOMIC) {
		uint64_t where;

		assert_int_equal(umfs_map_run(&m.file, 0, PAGE, &where), PAGE);
		assert_int_not_equal(where, m.where[0]);
	}
	world_close(&m.file);
}

/* ---- what lies past the end ---- */

static bool zeros(const struct umfs_file *file, uint64_t from, uint64_t to)
{
	uint64_t where;
	uint8_t *page;

	assert_int_equal(umfs_map_run(file, from & ~(uint64_t)UMFS_PAGE_MASK, PAGE, &where), PAGE);
	page = file->fs->base + where;
	for (; from < to; from++)
		if (page[from & UMFS_PAGE_MASK])
			return false;
	return true;
}

/* A file's first byte goes to a page that had others'. */
static void new_in_used_page(struct unit *u, struct umfs_file *file, uint64_t off)
{
	assert_ok(world_put(u->fs, "/used", 0, 500 * PAGE, 9));
	assert_ok(world_unlink(u->fs, "/used"));
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, file));
	assert_ok(world_write(file, off, 1, 1));
	/* Else this would test nothing; what is not flushed may be lost and shown, so it is cleared. */
	assert_int_equal(zeros(file, off + 1, PAGE), u->fs->geo.durability == UMFS_DURABLE_FLUSH);
}

static void bytes_past_the_end_read_by_nobody(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint8_t got[8 * PAGE];
	uint32_t i;

	new_in_used_page(u, &file, 10);
	assert_true(zeros(&file, 0, 10));
	assert_ok(umfs_truncate(u->fs, umfs_file_node(&file), 2000));
	assert_true(zeros(&file, 11, 2000));
	assert_ok(world_write(&file, 3000, 1, 1));
	assert_true(zeros(&file, 11, 3000));
	assert_ok(umfs_fallocate(&file, 0, 0, 8 * PAGE));
	assert_true(zeros(&file, 3001, PAGE));
	assert_ok(world_write(&file, 3 * PAGE + 7, 1, 1)); /* before the end, to an unwritten page */
	assert_int_equal(umfs_pread(&file, got, sizeof(got), 0), sizeof(got));
	for (i = 0; i < sizeof(got); i++)
		assert_true(!got[i] || i == 10 || i == 3000 || i == 3 * PAGE + 7);
	world_close(&file);
}

static void bytes_past_the_end_of_mapped_are_zeros(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t end = GIB;
	uint32_t irec;

	new_in_used_page(u, &file, 10);
	assert_ok(umfs_map_pin(&file, 0, 0, &end, &irec));
	assert_true(zeros(&file, 11, PAGE));
	assert_ok(world_write(&file, PAGE + 5, 1, 1));
	assert_true(zeros(&file, PAGE, PAGE + 5));
	assert_true(zeros(&file, PAGE + 6, 2 * PAGE));
	umfs_map_put(u->fs, irec);
	world_close(&file);
}

static const struct CMUnitTest tests[] = {
	CASE(overwrites_of_mapped_stay_in_place),
	CASE(store_through_mapping_is_read),
	CASE(fsync_of_mapped_is_durable),
	CASE(punched_and_zeroed_stay_in_place),
	CASE(cut_off_pages_are_nobodys_until_the_end),
	CASE(full_pool_does_not_stop_overwrites_of_mapped),
	CASE(hole_gets_pages_or_enospc),
	CASE(pin_of_a_dead_process_goes_with_it),
	CASE(other_process_writes_in_place),
	CASE(bytes_past_the_end_read_by_nobody),
	CASE(bytes_past_the_end_of_mapped_are_zeros),
};
UNIT_MAIN("map", tests)
