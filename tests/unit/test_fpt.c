// SPDX-License-Identifier: BSD-3-Clause
/* test_fpt.c - file page tables of all heights, and entries that are not believed. */
#include "unit.h"

static const uint64_t edges[] = {0,	   1,
				 511,	   512,
				 513,	   (1u << 18) - 1,
				 1u << 18, (1u << 27) - 1}; /* pages at the ends of each height */

static struct umfs_inode_pm *file_at(struct unit *u, uint64_t index)
{
	uint32_t ino;

	assert_ok(world_put(u->fs, "/f", index * UMFS_PAGE_BYTES, UMFS_PAGE_BYTES, 1));
	assert_ok(world_ino(u->fs, "/f", &ino));
	return umfs_inode(u->fs, ino);
}

static void entry_at_each_edge_found(void **state)
{
	struct unit *u = *state;
	uint32_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(edges); i++) {
		struct umfs_inode_pm *in = file_at(u, edges[i]);
		uint64_t root = ld64(&in->root);

		assert_true(umfs_pte_written(umfs_fpt_get(u->fs, root, edges[i])));
		if (edges[i])
			assert_int_equal(umfs_fpt_get(u->fs, root, edges[i] - 1), 0);
		assert_int_equal(umfs_fpt_next(u->fs, root, 0, 1u << 27), edges[i]);
		assert_ok(world_unlink(u->fs, "/f"));
	}
}

static void height_is_least_that_covers(void **state)
{
	struct unit *u = *state;
	static const uint32_t heights[] = {0, 1, 1, 2, 2, 2, 3, 3};
	uint32_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(edges); i++) {
		struct umfs_inode_pm *in = file_at(u, edges[i]);

		assert_int_equal(umfs_root_height(ld64(&in->root)), heights[i]);
		/* Tables and one page, no more. */
		assert_int_equal(ld64(&in->pages), heights[i] + 1);
		assert_ok(world_unlink(u->fs, "/f"));
	}
}

static void height_grown_keeps_what_was(void **state)
{
	struct unit *u = *state;
	uint8_t want[UMFS_PAGE_BYTES], got[UMFS_PAGE_BYTES];
	struct umfs_file file;
	uint32_t i;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	for (i = 0; i < UMFS_ARRAY_LEN(edges); i++)
		assert_ok(world_write(&file, edges[i] * UMFS_PAGE_BYTES, UMFS_PAGE_BYTES, i));
	for (i = 0; i < UMFS_ARRAY_LEN(edges); i++) {
		world_fill(want, sizeof(want), edges[i] * UMFS_PAGE_BYTES, i);
		assert_int_equal(umfs_pread(&file, got, sizeof(got), edges[i] * UMFS_PAGE_BYTES),
				 sizeof(got));
		assert_memory_equal(want, got, sizeof(got));
	}
	world_close(&file);
}

static void trim_at_each_edge_frees_the_rest(void **state)
{
	struct unit *u = *state;
	uint64_t before;
	uint32_t i, k;

	assert_ok(world_creat(u->fs, "/f", 0644));
	before = unit_pages_free(u);
	for (i = UMFS_ARRAY_LEN(edges); i-- > 0;) {
		for (k = 0; k < UMFS_ARRAY_LEN(edges); k++)
			assert_ok(world_put(u->fs, "/f", edges[k] * UMFS_PAGE_BYTES, 100, 1));
		assert_ok(world_truncate(u->fs, "/f", edges[i] * UMFS_PAGE_BYTES));
		for (k = 0; k < UMFS_ARRAY_LEN(edges); k++) {
			struct umfs_inode_pm *in;
			uint32_t ino;

			assert_ok(world_ino(u->fs, "/f", &ino));
			in = umfs_inode(u->fs, ino);
			assert_int_equal(umfs_fpt_get(u->fs, ld64(&in->root), edges[k]) != 0,
					 k < i);
		}
	}
	assert_ok(world_truncate(u->fs, "/f", 0));
	assert_int_equal(unit_pages_free(u), before);
}

static void runs_of_alike_pages_counted(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in;
	uint64_t entry, n;
	uint32_t ino;

	assert_ok(world_put(u->fs, "/f", 0, 40 * UMFS_PAGE_BYTES, 1));
	assert_ok(world_put(u->fs, "/f", 60 * UMFS_PAGE_BYTES, 10, 1));
	assert_ok(world_ino(u->fs, "/f", &ino));
	in = umfs_inode(u->fs, ino);
	n = umfs_fpt_run(u->fs, ld64(&in->root), 40, 1000, &entry);
	assert_int_equal(entry, 0);
	assert_int_equal(n, 20);
	n = umfs_fpt_run(u->fs, ld64(&in->root), 0, 7, &entry);
	assert_true(umfs_pte_written(entry));
	assert_true(n >= 1 && n <= 7);
	n = umfs_fpt_run(u->fs, ld64(&in->root), 61, 1u << 20, &entry);
	assert_int_equal(n, 1u << 20);
}

static bool marked(const struct unit *u, const struct umfs_inode_pm *in, uint32_t table)
{
	const le64 *top = umfs_page(u->fs, umfs_pte_page(ld64(&in->root)));

	return ld64(&top[table]) & UMFS_PTE_RUN;
}

/* Each change of an entry takes the mark of its table away, and no other. */
static void run_marked_and_broken(void **state)
{
	struct unit *u = *state;
	const uint64_t table = UMFS_PTE_PER_PAGE * UMFS_PAGE_BYTES;
	struct umfs_inode_pm *in;
	struct umfs_file file;
	uint64_t i, entry;
	uint32_t ino;

	for (i = 0; i < 8; i++)
		assert_ok(world_put(u->fs, "/f", i * table / 2, (uint32_t)table / 2, 1));
	assert_ok(world_ino(u->fs, "/f", &ino));
	in = umfs_inode(u->fs, ino);
	for (i = 0; i < 4; i++) {
		assert_true(marked(u, in, (uint32_t)i));
		assert_int_equal(umfs_fpt_run(u->fs, ld64(&in->root), i * 512 + 5, 507, &entry),
				 507);
		assert_int_equal(entry, umfs_fpt_get(u->fs, ld64(&in->root), i * 512 + 5));
	}
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	assert_ok(world_write(&file, 5, 100, 2)); /* in place */
	assert_true(marked(u, in, 0));
	assert_ok(world_write(&file, 5 * UMFS_PAGE_BYTES, UMFS_PAGE_BYTES, 2));
	assert_int_equal(marked(u, in, 0), umfs_mode(u->fs) != UMFS_MODE_ATOMIC);
	assert_ok(world_write(&file, table + 7 * UMFS_PAGE_BYTES, 3 * UMFS_PAGE_BYTES, 2));
	assert_int_equal(marked(u, in, 1), umfs_mode(u->fs) != UMFS_MODE_ATOMIC);
	assert_true(marked(u, in, 2));
	assert_true(marked(u, in, 3));
	assert_ok(world_truncate(u->fs, "/f", 3 * table + 5000));
	assert_false(marked(u, in, 3));
	assert_true(marked(u, in, 2));
	assert_ok(world_truncate(u->fs, "/f", 3 * table));
	assert_true(marked(u, in, 2));
	world_close(&file);
}

/* What the processor writes into entries changes nothing. */
static void volatile_bits_ignored(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = file_at(u, 3);
	le64 *slot = umfs_fpt_slot(u->fs, in, 3);
	uint64_t before = umfs_fpt_get(u->fs, ld64(&in->root), 3);

	st64(slot, ld64(slot) ^ UMFS_PTE_VOLATILE);
	assert_int_equal(umfs_fpt_get(u->fs, ld64(&in->root), 3), before);
	st64(slot, ld64(slot) ^ UMFS_PTE_VOLATILE);
}

static void hostile_entries_never_followed(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = file_at(u, 600); /* height 2 */
	uint64_t bad[] = {0,
			  1,
			  UMFS_SB_BACKUP_PAGE,
			  u->fs->geo.groups_page,
			  u->fs->geo.pool_pages,
			  ~0ull >> 12,
			  1ull << 39};
	uint64_t root = ld64(&in->root), size = UMFS_PAGE_BYTES;
	le64 *top = umfs_page(u->fs, umfs_pte_page(root));
	uint64_t good = ld64(&top[1]);
	struct umfs_file file;
	uint8_t *buf = malloc(size);
	uint32_t i;

	assert_non_null(buf);
	u->damaged = true;
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	for (i = 0; i < UMFS_ARRAY_LEN(bad); i++) {
		st64(&top[1], (bad[i] << 12 & UMFS_PTE_ADDR) | UMFS_PTE_TABLE);
		assert_int_equal(umfs_fpt_get(u->fs, root, 600), 0);
		assert_true(umfs_pread(&file, buf, size, 600 * UMFS_PAGE_BYTES) <= (int64_t)size);
		st64(&top[1], good);
		st64(umfs_fpt_slot(u->fs, in, 600), (bad[i] << 12 & UMFS_PTE_ADDR) | UMFS_PTE_LEAF);
		assert_int_equal(umfs_fpt_get(u->fs, root, 600), 0);
		assert_true(umfs_pread(&file, buf, size, 600 * UMFS_PAGE_BYTES) <= (int64_t)size);
	}
	world_close(&file);
	free(buf);
}

/* A table that names itself is not walked for ever. */
static void table_in_a_circle_ends(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = file_at(u, 1u << 18); /* height 3 */
	uint64_t root = ld64(&in->root);
	le64 *top = umfs_page(u->fs, umfs_pte_page(root));
	uint32_t i;

	u->damaged = true;
	for (i = 0; i < UMFS_PTE_PER_PAGE; i++)
		st64(&top[i], (root & UMFS_PTE_ADDR) | UMFS_PTE_TABLE);
	for (i = 0; i < 100; i++)
		(void)umfs_fpt_get(u->fs, root, (uint64_t)i << 20);
	(void)world_truncate(u->fs, "/f", 0);
}

static void huge_leaf_resolved_to_its_pages(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = file_at(u, 600);
	le64 *top = umfs_page(u->fs, umfs_pte_page(ld64(&in->root)));
	uint64_t unit = (u->fs->geo.groups_page + 4 * UMFS_UNIT_PAGES);
	uint32_t i;

	u->damaged = true;
	st64(&top[2], unit << 12 | UMFS_PTE_LEAF | UMFS_PTE_PSE);
	for (i = 0; i < UMFS_UNIT_PAGES; i++)
		assert_int_equal(umfs_pte_page(umfs_fpt_get(u->fs, ld64(&in->root), 1024 + i)),
				 unit + i);
	st64(&top[2], (unit + 1) << 12 | UMFS_PTE_LEAF | UMFS_PTE_PSE); /* not aligned */
	assert_int_equal(umfs_fpt_get(u->fs, ld64(&in->root), 1024), 0);
}

static const struct CMUnitTest tests[] = {
	CASE(entry_at_each_edge_found),	       CASE(height_is_least_that_covers),
	CASE(height_grown_keeps_what_was),     CASE(trim_at_each_edge_frees_the_rest),
	CASE(runs_of_alike_pages_counted),     CASE(volatile_bits_ignored),
	CASE(hostile_entries_never_followed),  CASE(table_in_a_circle_ends),
	CASE(huge_leaf_resolved_to_its_pages), CASE(run_marked_and_broken),
};
UNIT_MAIN("fpt", tests)
