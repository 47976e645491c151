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
	uint8_t *buf = malloc(2 * size);
	uint32_t i;

	assert_non_null(buf);
	u->damaged = true;
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	for (i = 0; i < UMFS_ARRAY_LEN(bad); i++) {
		st64(&top[1], (bad[i] << 12 & UMFS_PTE_ADDR) | UMFS_PTE_TABLE);
		assert_int_equal(umfs_fpt_get(u->fs, root, 600), 0);
		assert_err(umfs_pread(&file, buf, size, 600 * UMFS_PAGE_BYTES), EUCLEAN);
		assert_err(umfs_pread(&file, buf, 2 * size, 511 * UMFS_PAGE_BYTES), EUCLEAN);
		st64(&top[1], good);
		st64(umfs_fpt_slot(u->fs, in, 600), (bad[i] << 12 & UMFS_PTE_ADDR) | UMFS_PTE_LEAF);
		assert_int_equal(umfs_fpt_get(u->fs, root, 600), 0);
		assert_err(umfs_pread(&file, buf, size, 600 * UMFS_PAGE_BYTES), EUCLEAN);
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

/* Whose pages go on where those of the table before end. */
static void huge_leaf_behind_a_table_overwritten(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = file_at(u, 0);
	static const uint8_t bytes[3 * UMFS_PAGE_BYTES] = {7};
	struct umfs_file file;
	uint64_t root, page;
	uint32_t ino, i;
	le64 *top, *entries;

	u->damaged = true; /* they are two files' */
	assert_ok(world_put(u->fs, "/other", 0, 8 * MIB, 1));
	assert_ok(world_ino(u->fs, "/other", &ino));
	root = ld64(&umfs_inode(u->fs, ino)->root);
	for (i = 1, page = 0; !page; i++)
		if (umfs_pte_page(umfs_fpt_get(u->fs, root, i)) % UMFS_UNIT_PAGES == 0 &&
		    umfs_fpt_run(u->fs, root, i - 1, UMFS_UNIT_PAGES + 1, &page) <= UMFS_UNIT_PAGES)
			page = 0;
	assert_ok(world_put(u->fs, "/f", 0, 4 * MIB, 1));
	top = umfs_page(u->fs, umfs_pte_page(ld64(&in->root)));
	entries = umfs_page(u->fs, umfs_pte_page(ld64(&top[0])));
	page = umfs_pte_page(page) + 1;
	umfs_fpt_break_run(u->fs, in, 511);
	st64(&entries[511], (page - 1) << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF);
	st64(&top[1], page << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF | UMFS_PTE_PSE);
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	assert_int_equal(umfs_pwrite(&file, bytes, sizeof(bytes), 511 * UMFS_PAGE_BYTES),
			 sizeof(bytes));
	world_close(&file);
	assert_int_equal(*(uint8_t *)umfs_page(u->fs, page - 1), 7);
}

/* A page of another file, with entries in it that would be followed if it were a table. */
static uint64_t page_that_looks_like_a_table(struct unit *u)
{
	struct umfs_inode_pm *in;
	uint32_t ino, i;
	le64 *entries;

	assert_ok(world_put(u->fs, "/other", 0, UMFS_PAGE_BYTES, 1));
	assert_ok(world_ino(u->fs, "/other", &ino));
	in = umfs_inode(u->fs, ino);
	entries = umfs_page(u->fs, umfs_pte_page(ld64(&in->root)));
	for (i = 0; i < UMFS_PTE_PER_PAGE; i++)
		st64(&entries[i], umfs_pte_page(ld64(&in->root)) << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF);
	return umfs_pte_page(ld64(&in->root));
}

static int64_t put_at(struct unit *u, uint64_t index, const char *what)
{
	struct umfs_file file;
	int64_t ret;

	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	ret = umfs_pwrite(&file, what, strlen(what), index * UMFS_PAGE_BYTES);
	world_close(&file);
	return ret;
}

/* What is marked 2 MiB but is no such leaf is neither that nor a table. */
static void leaf_in_the_wrong_place_not_followed(void **state)
{
	struct unit *u = *state;
	uint64_t page = page_that_looks_like_a_table(u), root, end, entry;
	struct umfs_inode_pm *in = file_at(u, 1u << 18); /* height 3 */
	le64 *top, *middle, *word;
	uint32_t i;

	u->damaged = true;
	root = ld64(&in->root);
	end = (u->fs->geo.pool_pages & ~(uint64_t)(UMFS_UNIT_PAGES - 1)) << UMFS_PAGE_SHIFT;
	top = umfs_page(u->fs, umfs_pte_page(root));
	middle = umfs_page(u->fs, umfs_pte_page(ld64(&top[1])));
	const struct {
		le64 *at;
		uint64_t address, index;
	} bad[] = {
		{&top[2], page << UMFS_PAGE_SHIFT, 2u << 18},
		{&top[2], 8 * UMFS_UNIT_BYTES, 2u << 18}, /* 1 GiB there is not */
		{&middle[1], page << UMFS_PAGE_SHIFT, (1u << 18) + 512},
		{&middle[1], u->fs->geo.groups_page << UMFS_PAGE_SHIFT, (1u << 18) + 512},
		{&middle[1], 0, (1u << 18) + 512},
		{&middle[1], end, (1u << 18) + 512},
	};

	for (i = 0; i < UMFS_ARRAY_LEN(bad); i++) {
		word = bad[i].at;
		st64(word, bad[i].address | UMFS_PTE_LEAF | UMFS_PTE_PSE);
		assert_int_equal(umfs_fpt_get(u->fs, root, bad[i].index), 0);
		assert_int_equal(umfs_fpt_run(u->fs, root, bad[i].index, 1000, &entry), 1000);
		assert_int_equal(entry, 0);
		assert_err(put_at(u, bad[i].index + 3, "new"), EUCLEAN);
		assert_int_equal(ld64(word), bad[i].address | UMFS_PTE_LEAF | UMFS_PTE_PSE);
		st64(word, 0);
	}
	assert_int_equal(put_at(u, 2u << 18, "new"), 3);
}

/* A bit that turned in the entry of a page: 512 pages would be freed by it. */
static void page_marked_leaf_frees_no_others(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = file_at(u, 600);
	struct umfs_file file, copy;
	uint64_t free;
	char got[4];
	le64 *slot;

	u->damaged = true;
	assert_ok(world_put(u->fs, "/other", 0, MIB, 2)); /* which follow it in the pool */
	slot = umfs_fpt_slot(u->fs, in, 600);
	st64(slot, ld64(slot) | UMFS_PTE_PSE);
	free = unit_pages_free(u);
	assert_int_equal(umfs_fpt_get(u->fs, ld64(&in->root), 600), 0);
	assert_err(put_at(u, 600, "new"), EUCLEAN);
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	assert_err(umfs_pread(&file, got, sizeof(got), 600 * UMFS_PAGE_BYTES), EUCLEAN);
	assert_ok(world_open(u->fs, "/copy", O_RDWR | O_CREAT, &copy));
	assert_err(umfs_copy_range(&file, 600 * UMFS_PAGE_BYTES, &copy, 0, 100), EUCLEAN);
	assert_ok(world_write(&copy, 0, 200, 1));
	assert_err(umfs_copy_range(&file, 600 * UMFS_PAGE_BYTES, &copy, 0, 100), EUCLEAN);
	assert_int_equal(umfs_copy_range(&file, 599 * UMFS_PAGE_BYTES, &copy, 0, 100), 100);
	world_close(&copy);
	assert_ok(world_unlink(u->fs, "/copy"));
	assert_int_equal(umfs_pread(&file, got, sizeof(got), 599 * UMFS_PAGE_BYTES), sizeof(got));
	assert_memory_equal(got, "\0\0\0", 4);
	assert_err(umfs_fallocate(&file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE,
				  600 * UMFS_PAGE_BYTES, UMFS_PAGE_BYTES), EUCLEAN);
	assert_err(umfs_fallocate(&file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, 0, MIB * 10),
		   EUCLEAN);
	assert_err(umfs_fallocate(&file, UMFS_FALLOC_ZERO, 600 * UMFS_PAGE_BYTES, UMFS_PAGE_BYTES),
		   EUCLEAN);
	world_close(&file);
	assert_int_equal(unit_pages_free(u), free);
	assert_err(world_truncate(u->fs, "/f", 0), EUCLEAN);
	assert_true(unit_pages_free(u) >= free && unit_pages_free(u) < free + 10);
	assert_ok(world_unlink(u->fs, "/f"));
	assert_true(unit_pages_free(u) < free + 10);
	assert_ok(world_truncate(u->fs, "/other", 0));
}

/* A table that lost its bit, or its address: 512 pages of the file. No new one takes its place. */
static void table_that_makes_no_sense_not_replaced(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = file_at(u, 600);
	le64 *top = umfs_page(u->fs, umfs_pte_page(ld64(&in->root)));
	uint64_t good = ld64(&top[1]);

	st64(&top[1], good & ~UMFS_PTE_P);
	assert_err(put_at(u, 700, "new"), EUCLEAN);
	assert_int_equal(ld64(&top[1]), good & ~UMFS_PTE_P);
	st64(&top[1], good);
	assert_int_equal(put_at(u, 700, "new"), 3);
}

/* So is a page's. */
static void page_that_makes_no_sense_not_replaced(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = file_at(u, 600);
	le64 *slot = umfs_fpt_slot(u->fs, in, 600);
	uint64_t good = ld64(slot);

	st64(slot, good & ~UMFS_PTE_P);
	assert_err(put_at(u, 600, "new"), EUCLEAN);
	assert_int_equal(ld64(slot), good & ~UMFS_PTE_P);
	st64(slot, good);
	assert_int_equal(put_at(u, 600, "new"), 3);
}

/* An overwritten page becomes the lane's: the one that the entry names, and no other. */
static void entry_that_is_not_of_its_run_not_exchanged(void **state)
{
	static uint8_t page[UMFS_PAGE_BYTES];
	struct unit *u = *state;
	struct umfs_inode_pm *in;
	struct umfs_file file;
	uint64_t good;
	uint32_t ino;
	le64 *slot;

	assert_ok(world_put(u->fs, "/f", 0, 4 * MIB, 1));
	assert_ok(world_ino(u->fs, "/f", &ino));
	in = umfs_inode(u->fs, ino);
	slot = umfs_fpt_slot(u->fs, in, 5);
	good = ld64(slot);
	st64(slot, ld64(umfs_fpt_slot(u->fs, in, 6)));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	assert_err(umfs_pwrite(&file, page, sizeof(page), 5 * UMFS_PAGE_BYTES), EUCLEAN);
	st64(slot, good);
	assert_int_equal(umfs_pwrite(&file, page, sizeof(page), 5 * UMFS_PAGE_BYTES), sizeof(page));
	world_close(&file);
}

/* However many pages the inode says are kept, there is an end to looking for them. */
static void keep_past_all_files_ends(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = file_at(u, 600);
	struct umfs_file file;
	uint32_t ino;

	u->damaged = true;
	assert_ok(world_ino(u->fs, "/f", &ino));
	assert_int_equal(umfs_fpt_next(u->fs, ld64(&in->root), 601, ~0ull), ~0ull);
	assert_int_equal(umfs_fpt_seek(u->fs, ld64(&in->root), 601, ~0ull, true), ~0ull);
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	assert_ok(umfs_fallocate(&file, UMFS_FALLOC_KEEP_SIZE, 0, 700 * UMFS_PAGE_BYTES));
	st64(&in->keep, ~0ull);
	umfs_inode_seal(in, ino);
	assert_int_equal(umfs_inode_pages_kept(in), 1u << 27);
	world_close(&file); /* and trims */
	assert_ok(world_truncate(u->fs, "/f", 5));
}

static const struct CMUnitTest tests[] = {
	CASE(entry_at_each_edge_found),	       CASE(height_is_least_that_covers),
	CASE(height_grown_keeps_what_was),     CASE(trim_at_each_edge_frees_the_rest),
	CASE(runs_of_alike_pages_counted),     CASE(volatile_bits_ignored),
	CASE(hostile_entries_never_followed),  CASE(table_in_a_circle_ends),
	CASE(huge_leaf_resolved_to_its_pages),
	CASE(huge_leaf_behind_a_table_overwritten), CASE(run_marked_and_broken),
	CASE(leaf_in_the_wrong_place_not_followed),
	CASE(page_marked_leaf_frees_no_others),
	CASE(table_that_makes_no_sense_not_replaced),
	CASE(page_that_makes_no_sense_not_replaced),
	CASE(entry_that_is_not_of_its_run_not_exchanged),
	CASE(keep_past_all_files_ends),
};
UNIT_MAIN("fpt", tests)
