// SPDX-License-Identifier: BSD-3-Clause
/* test_fallocate.c - pages given, punched, zeroed; data and holes found; copies in a pool. */
#include "unit.h"

#include <stdio.h>
#include <time.h>

#define KEEP UMFS_FALLOC_KEEP_SIZE
#define PUNCH (UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE)
#define ZERO UMFS_FALLOC_ZERO
#define PAGE UMFS_PAGE_BYTES

static void open_new(struct unit *u, struct umfs_file *file)
{
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, file));
}

static uint64_t pages_of(struct umfs_file *file)
{
	return ld64(&file->inode->pages);
}

static uint64_t size_of(struct umfs_file *file)
{
	return umfs_inode_size(file->inode);
}

static void assert_zeros(struct umfs_file *file, uint64_t off, uint64_t n)
{
	uint8_t *buf = malloc(n + 1);
	uint64_t i = 0;

	assert_non_null(buf);
	assert_int_equal(umfs_pread(file, buf, n, off), n);
	while (i < n && !buf[i])
		i++;
	assert_int_equal(i, n);
	free(buf);
}

static void assert_bytes(struct umfs_file *file, uint64_t off, uint64_t n, uint32_t version)
{
	uint8_t *want = malloc(n + 1), *got = malloc(n + 1);

	assert_true(want && got);
	world_fill(want, n, off, version);
	assert_int_equal(umfs_pread(file, got, n, off), n);
	assert_memory_equal(want, got, n);
	free(want);
	free(got);
}

static void fill_pool(struct unit *u)
{
	struct umfs_file filler;

	u->sim->log = NULL;
	assert_ok(world_open(u->fs, "/filler", O_RDWR | O_CREAT, &filler));
	while (!world_append(&filler, 64 * KIB, 1) || !world_append(&filler, PAGE, 1))
		;
	world_close(&filler);
}

/* ---- allocating ---- */

static void allocate_gives_pages_and_moves_end(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 100, 1));
	assert_ok(umfs_fallocate(&file, 0, 50, 10 * PAGE));
	assert_int_equal(size_of(&file), 50 + 10 * PAGE);
	assert_int_equal(pages_of(&file), 11 + 1);
	assert_bytes(&file, 0, 100, 1);
	assert_zeros(&file, 100, 10 * PAGE - 50);
	assert_ok(umfs_fallocate(&file, 0, 0, 100)); /* all there: the end stays */
	assert_int_equal(size_of(&file), 50 + 10 * PAGE);
	world_close(&file);
}

/* Bytes cut off, in a page that stayed, must not come back with the end. */
static void allocate_past_cut_end_shows_zeros(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 3 * PAGE, 1));
	assert_ok(umfs_truncate(u->fs, file.ino, 100));
	assert_ok(umfs_fallocate(&file, 0, 0, 3 * PAGE));
	assert_bytes(&file, 0, 100, 1);
	assert_zeros(&file, 100, 3 * PAGE - 100);
	assert_ok(umfs_truncate(u->fs, file.ino, PAGE));
	assert_ok(world_write(&file, 200, 1000, 2));
	assert_ok(umfs_truncate(u->fs, file.ino, 300));
	assert_ok(umfs_fallocate(&file, ZERO, 2000, PAGE));
	assert_zeros(&file, 300, 1700 + PAGE);
	world_close(&file);
}

static void kept_pages_survive_close_and_death(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t pages;

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 100, 1));
	assert_ok(umfs_fallocate(&file, KEEP, 0, 20 * PAGE));
	assert_int_equal(size_of(&file), 100);
	pages = pages_of(&file);
	assert_int_equal(pages, 20 + 1);
	world_close(&file);
	open_new(u, &file);
	assert_int_equal(pages_of(&file), pages);
	unit_die(u);
	open_new(u, &file);
	assert_int_equal(pages_of(&file), pages);
	assert_int_equal(size_of(&file), 100);
	assert_zeros(&file, 50, 0);
	world_close(&file);
}

/* What appends take ahead goes at the last close, what was asked for stays. */
static void pages_ahead_of_kept_ones_trimmed(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint32_t i;

	open_new(u, &file);
	assert_ok(umfs_fallocate(&file, KEEP, 0, 20 * PAGE));
	for (i = 0; i < 30; i++)
		assert_ok(world_append(&file, PAGE, 1));
	assert_true(pages_of(&file) > 31);
	world_close(&file);
	open_new(u, &file);
	assert_int_equal(pages_of(&file), 31);
	assert_ok(umfs_fallocate(&file, KEEP, 0, 60 * PAGE));
	world_close(&file);
	open_new(u, &file);
	assert_int_equal(pages_of(&file), 61);
	world_close(&file);
}

static void truncate_lets_kept_pages_go(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 2 * PAGE, 1));
	assert_ok(umfs_fallocate(&file, KEEP, 0, 20 * PAGE));
	assert_ok(umfs_truncate(u->fs, file.ino, 3 * PAGE)); /* longer: they stay */
	assert_int_equal(pages_of(&file), 21);
	assert_ok(umfs_truncate(u->fs, file.ino, 3 * PAGE)); /* the same: they go */
	assert_int_equal(pages_of(&file), 4);
	assert_ok(umfs_fallocate(&file, KEEP, 0, 20 * PAGE));
	assert_ok(umfs_truncate(u->fs, file.ino, 100));
	assert_int_equal(pages_of(&file), 2);
	assert_bytes(&file, 0, 100, 1);
	world_close(&file);
}

/* All of it a hole, by somebody who stored nothing: with the last close its table is free. */
static void punched_whole_keeps_no_table(void **state)
{
	static const uint64_t sizes[] = {2 * PAGE, PAGE + 904, 600 * PAGE};
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t before;
	uint32_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(sizes); i++) {
		open_new(u, &file);
		before = unit_pages_free(u);
		assert_ok(world_write(&file, 0, sizes[i], 1));
		world_close(&file);
		open_new(u, &file);
		assert_ok(umfs_fallocate(&file, PUNCH, 0, 4 * GIB));
		assert_int_equal(size_of(&file), sizes[i]);
		world_close(&file);
		open_new(u, &file);
		assert_int_equal(pages_of(&file), 0);
		assert_int_equal(unit_pages_free(u), before);
		assert_ok(umfs_truncate(u->fs, file.ino, 0));
		world_close(&file);
	}
}

/* Before the new end there is a hole: no table is kept for it, of any height. */
static void truncate_to_a_hole_keeps_no_page(void **state)
{
	static const uint64_t at[] = {3 * PAGE, 600 * PAGE, 2 * GIB};
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t before;
	uint32_t i;

	open_new(u, &file);
	before = unit_pages_free(u);
	for (i = 0; i < UMFS_ARRAY_LEN(at); i++) {
		assert_ok(world_write(&file, at[i], PAGE, 1));
		assert_ok(umfs_truncate(u->fs, file.ino, at[i] - PAGE + 511));
		assert_int_equal(pages_of(&file), 0);
		assert_int_equal(size_of(&file), at[i] - PAGE + 511);
		assert_int_equal(unit_pages_free(u), before);
		assert_ok(umfs_truncate(u->fs, file.ino, 0));
	}
	world_close(&file);
}

static void allocate_too_much_takes_nothing(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t before;

	open_new(u, &file);
	before = unit_pages_free(u);
	assert_err(umfs_fallocate(&file, 0, 0, GIB), ENOSPC);
	assert_err(umfs_fallocate(&file, KEEP, GIB, 100 * GIB), ENOSPC);
	assert_int_equal(unit_pages_free(u), before);
	assert_int_equal(size_of(&file), 0);
	/* Nearly all of it can be had, but not in the end. */
	assert_err(umfs_fallocate(&file, 0, 0, before * PAGE), ENOSPC);
	assert_int_equal(size_of(&file), 0);
	assert_true(unit_pages_free(u) >= before - 1);
	world_close(&file);
}

static void modes_and_ranges_refused(void **state)
{
	static const uint32_t modes[] = {UMFS_FALLOC_PUNCH, PUNCH | ZERO, 8, 8 | KEEP, 0x20, 0x40};
	struct unit *u = *state;
	struct umfs_file file, dir;
	uint32_t i;

	open_new(u, &file);
	for (i = 0; i < UMFS_ARRAY_LEN(modes); i++)
		assert_err(umfs_fallocate(&file, modes[i], 0, PAGE), EOPNOTSUPP);
	assert_err(umfs_fallocate(&file, 0, 0, 0), EINVAL);
	assert_err(umfs_fallocate(&file, 0, UMFS_FILE_BYTES_MAX, 1), EFBIG);
	assert_err(umfs_fallocate(&file, PUNCH, UINT64_MAX, UINT64_MAX), EFBIG);
	assert_ok(world_open(u->fs, "/", O_RDONLY, &dir));
	assert_err(umfs_fallocate(&dir, 0, 0, PAGE), EISDIR);
	world_close(&dir);
	world_close(&file);
	assert_err(umfs_fallocate(&file, 0, 0, PAGE), EBADF);
}

static void last_page_of_largest_file_given(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	open_new(u, &file);
	assert_ok(umfs_fallocate(&file, 0, UMFS_FILE_BYTES_MAX - 1, 1));
	assert_int_equal(size_of(&file), UMFS_FILE_BYTES_MAX);
	assert_ok(umfs_fallocate(&file, PUNCH, 0, UMFS_FILE_BYTES_MAX));
	assert_true(pages_of(&file) <= 4); /* tables may stay */
	world_close(&file);
}

/* ---- punching and zeroing ---- */

static void punch_frees_whole_pages(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t free;

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 20 * PAGE, 1));
	world_close(&file); /* what was taken ahead goes */
	open_new(u, &file);
	free = unit_pages_free(u);
	assert_ok(umfs_fallocate(&file, PUNCH, 5 * PAGE + 100, 3 * PAGE));
	assert_int_equal(unit_pages_free(u), free + 2);
	assert_int_equal(size_of(&file), 20 * PAGE);
	assert_bytes(&file, 0, 5 * PAGE + 100, 1);
	assert_zeros(&file, 5 * PAGE + 100, 3 * PAGE);
	assert_bytes(&file, 8 * PAGE + 100, 12 * PAGE - 100, 1);
	assert_ok(umfs_fallocate(&file, PUNCH, PAGE + 7, 100)); /* inside a page */
	assert_int_equal(unit_pages_free(u), free + 2);
	assert_bytes(&file, PAGE, 7, 1);
	assert_zeros(&file, PAGE + 7, 100);
	assert_bytes(&file, PAGE + 107, 1000, 1);
	assert_ok(umfs_fallocate(&file, PUNCH, 0, GIB));
	assert_int_equal(pages_of(&file), 1); /* the table */
	assert_zeros(&file, 0, 20 * PAGE);
	world_close(&file);
}

static void punch_of_only_page_empties_file(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 1000, 1));
	assert_ok(umfs_fallocate(&file, PUNCH, 10, 20));
	assert_bytes(&file, 0, 10, 1);
	assert_zeros(&file, 10, 20);
	assert_ok(umfs_fallocate(&file, ZERO | KEEP, 0, PAGE));
	assert_int_equal(pages_of(&file), 1);
	assert_zeros(&file, 0, 1000);
	assert_ok(world_write(&file, 0, 1000, 2));
	assert_ok(umfs_fallocate(&file, PUNCH, 0, PAGE));
	assert_int_equal(pages_of(&file), 0);
	assert_zeros(&file, 0, 1000);
	world_close(&file);
}

/* Tables go with what they held; the mark of a run never outlives it. */
static void punch_over_tables_frees_them(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	u->sim->log = NULL;
	open_new(u, &file);
	assert_ok(world_write(&file, 0, 8 * MIB, 1));
	world_close(&file); /* what was taken ahead goes */
	open_new(u, &file);
	assert_int_equal(pages_of(&file), 2048 + 4 + 1);
	assert_ok(umfs_fallocate(&file, PUNCH, 2 * MIB + 3 * PAGE, PAGE)); /* in a run */
	assert_zeros(&file, 2 * MIB + 3 * PAGE, PAGE);
	assert_bytes(&file, 2 * MIB + 4 * PAGE, PAGE, 1);
	assert_ok(umfs_fallocate(&file, PUNCH, MIB + 5, 5 * MIB));
	assert_int_equal(pages_of(&file), 257 + 512 + 2 + 1);
	assert_bytes(&file, 0, MIB + 5, 1);
	assert_zeros(&file, MIB + 5, 5 * MIB);
	assert_bytes(&file, 6 * MIB + 5, 2 * MIB - 5, 1);
	assert_ok(world_write(&file, 3 * MIB, MIB, 2));
	assert_bytes(&file, 3 * MIB, MIB, 2);
	world_close(&file);
}

/* More than the journal holds: 511 entries, and nearly two pages of bytes. */
static void punch_of_odd_2_mib_goes_by_reserve(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint32_t mode, pass;

	u->sim->log = NULL;
	for (mode = UMFS_MODE_POSIX; mode <= UMFS_MODE_ATOMIC; mode++) {
		unit_reattach(u, mode);
		for (pass = 0; pass < 2; pass++) {
			open_new(u, &file);
			assert_ok(world_write(&file, 0, 3 * MIB, 1));
			world_close(&file); /* what was taken ahead goes */
			open_new(u, &file);
			assert_ok(umfs_fallocate(&file, pass ? ZERO : PUNCH, 10, 2 * MIB - 20));
			assert_bytes(&file, 0, 10, 1);
			assert_zeros(&file, 10, 2 * MIB - 20);
			assert_bytes(&file, 2 * MIB - 10, MIB, 1);
			assert_int_equal(pages_of(&file), 768 + 3 - (pass ? 0 : 510));
			world_close(&file);
			assert_ok(world_unlink(u->fs, "/f"));
		}
	}
}

static void zero_keeps_pages_and_takes_holes(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 4 * PAGE, 1));
	assert_ok(world_write(&file, 8 * PAGE, 100, 1));
	assert_ok(umfs_fallocate(&file, ZERO, 2 * PAGE + 10, 5 * PAGE));
	assert_int_equal(size_of(&file), 8 * PAGE + 100);
	assert_bytes(&file, 0, 2 * PAGE + 10, 1);
	assert_zeros(&file, 2 * PAGE + 10, 6 * PAGE - 10);
	assert_int_equal(umfs_seek(&file, 3 * PAGE, 3), 8 * PAGE);
	assert_true(pages_of(&file) >= 9 + 1);
	assert_ok(umfs_fallocate(&file, ZERO | KEEP, 8 * PAGE + 50, 9 * PAGE));
	assert_int_equal(size_of(&file), 8 * PAGE + 100);
	assert_bytes(&file, 8 * PAGE, 50, 1);
	assert_zeros(&file, 8 * PAGE + 50, 50);
	assert_ok(umfs_fallocate(&file, ZERO, 8 * PAGE + 70, 9 * PAGE));
	assert_int_equal(size_of(&file), 17 * PAGE + 70);
	assert_zeros(&file, 8 * PAGE + 50, 9 * PAGE + 20);
	world_close(&file);
}

/* Core makes no 2 MiB entries yet; such a file is made by hand. */
static void make_leaf(struct unit *u, struct umfs_file *file, uint64_t index)
{
	uint64_t root = ld64(&file->inode->root);
	le64 *top = umfs_page(u->fs, umfs_pte_page(root)), *entry = &top[index >> 9];
	uint64_t pages = umfs_pte_page(ld64(entry));
	uint64_t first = umfs_pte_page(umfs_fpt_get(u->fs, root, index));
	struct umfs_tx tx;

	assert_int_equal(umfs_root_height(root), 2);
	assert_int_equal(first % UMFS_UNIT_PAGES, 0);
	assert_ok(umfs_enter(u->fs, &tx, &file->ino, 1));
	umfs_tx_begin(&tx);
	assert_ok(umfs_inode_save(&tx, file->inode, file->ino));
	assert_ok(umfs_tx_save(&tx, entry, 8));
	assert_ok(umfs_pages_free(&tx, pages, 1));
	st64(entry, first << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF | UMFS_PTE_PSE);
	st64(&file->inode->pages, ld64(&file->inode->pages) - 1);
	umfs_inode_seal(file->inode, file->ino);
	umfs_tx_commit(&tx);
	umfs_leave(&tx, &file->ino, 1);
}

static void large_entries_punched_whole_zeroed_in_part(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t pages;

	u->sim->log = NULL;
	open_new(u, &file);
	assert_ok(umfs_fallocate(&file, 0, 2 * MIB, 4 * MIB));
	assert_ok(world_write(&file, 2 * MIB, 4 * MIB, 1));
	make_leaf(u, &file, 512);
	make_leaf(u, &file, 1024);
	pages = pages_of(&file);
	assert_ok(umfs_fallocate(&file, PUNCH, 3 * MIB + 5, 100 * PAGE));
	assert_int_equal(pages_of(&file), pages);
	assert_bytes(&file, 2 * MIB, MIB + 5, 1);
	assert_zeros(&file, 3 * MIB + 5, 100 * PAGE);
	assert_bytes(&file, 3 * MIB + 5 + 100 * PAGE, MIB, 1);
	assert_ok(umfs_fallocate(&file, ZERO, 4 * MIB, MIB));
	assert_zeros(&file, 4 * MIB, MIB);
	assert_bytes(&file, 5 * MIB, MIB, 1);
	assert_ok(umfs_fallocate(&file, PUNCH, 4 * MIB, 2 * MIB));
	assert_int_equal(pages_of(&file), pages - 512);
	assert_zeros(&file, 4 * MIB, 2 * MIB);
	world_close(&file);
}

/* ---- a pool with no page free ---- */

static void nothing_needs_room_that_has_its_pages(void **state)
{
	struct unit *u = *state;
	uint32_t mode;

	for (mode = UMFS_MODE_POSIX; mode <= UMFS_MODE_ATOMIC; mode++) {
		struct umfs_file file;

		unit_reattach(u, mode);
		open_new(u, &file);
		assert_ok(world_write(&file, 0, 3 * MIB, 1));
		assert_ok(umfs_fallocate(&file, 0, 3 * MIB, 2 * MIB));
		assert_ok(umfs_fallocate(&file, KEEP, 5 * MIB, MIB));
		fill_pool(u);
		assert_int_equal(unit_pages_free(u), 0);
		assert_ok(world_write(&file, 8192, PAGE, 2)); /* a page */
		assert_ok(world_write(&file, 100, 64, 2));
		assert_ok(world_write(&file, 5000, 2 * MIB, 2));
		assert_ok(world_write(&file, 2 * MIB + 99, 2 * MIB, 3)); /* half of it unwritten */
		assert_ok(world_write(&file, 5 * MIB - 50, 100, 3)); /* over the end, kept */
		assert_bytes(&file, 2 * MIB + 99, 2 * MIB, 3);
		assert_bytes(&file, 5 * MIB - 50, 100, 3);
		assert_ok(umfs_fallocate(&file, 0, 0, 5 * MIB)); /* there already */
		assert_ok(umfs_fallocate(&file, ZERO, MIB + 1, 2 * MIB + 1));
		assert_ok(umfs_fallocate(&file, ZERO, 5, 2 * MIB - 10));
		assert_zeros(&file, 5, 3 * MIB - 5);
		assert_int_equal(unit_pages_free(u), 0);
		assert_ok(umfs_fallocate(&file, PUNCH, 10, 2 * MIB - 20));
		assert_int_equal(unit_pages_free(u), 510);
		world_close(&file);
		assert_ok(world_truncate(u->fs, "/f", 100));
		assert_ok(world_unlink(u->fs, "/f"));
		assert_ok(world_unlink(u->fs, "/filler"));
	}
}

/* Everything in it goes, one after the other, without a page to be had. */
static void full_pool_can_be_emptied(void **state)
{
	struct unit *u = *state;
	char path[32];
	uint32_t mode, i;

	for (mode = UMFS_MODE_POSIX; mode <= UMFS_MODE_ATOMIC; mode++) {
		uint64_t before;

		unit_reattach(u, mode);
		before = unit_pages_free(u);
		assert_ok(world_mkdir(u->fs, "/d"));
		for (i = 0; i < 300; i++) {
			snprintf(path, sizeof(path), "/d/%u", i);
			assert_ok(world_put(u->fs, path, i * 1000, 3000, 1));
		}
		assert_ok(world_mkdir(u->fs, "/d/sub"));
		assert_ok(world_symlink(u->fs, "d", "/s"));
		fill_pool(u);
		assert_int_equal(unit_pages_free(u), 0);
		assert_ok(world_rmdir(u->fs, "/d/sub"));
		assert_ok(world_unlink(u->fs, "/s"));
		fill_pool(u);
		for (i = 0; i < 300; i++) {
			snprintf(path, sizeof(path), "/d/%u", i);
			assert_ok(world_unlink(u->fs, path));
		}
		assert_ok(world_rmdir(u->fs, "/d"));
		assert_ok(world_unlink(u->fs, "/filler"));
		unit_reattach(u, mode); /* a lane's spare page */
		assert_true(unit_pages_free(u) + 1 >= before); /* the root directory's */
	}
}

/* ---- looking for data and holes ---- */

static void unwritten_pages_are_holes(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	open_new(u, &file);
	assert_ok(umfs_fallocate(&file, 0, 0, 20 * PAGE));
	assert_err(umfs_seek(&file, 0, 3), ENXIO);
	assert_int_equal(umfs_seek(&file, 5, 4), 5);
	assert_ok(world_write(&file, 6 * PAGE + 10, 10, 1));
	assert_int_equal(umfs_seek(&file, 0, 3), 6 * PAGE);
	assert_int_equal(umfs_seek(&file, 6 * PAGE + 100, 3), 6 * PAGE + 100);
	assert_int_equal(umfs_seek(&file, 6 * PAGE + 100, 4), 7 * PAGE);
	assert_err(umfs_seek(&file, 20 * PAGE, 4), ENXIO);
	assert_err(umfs_seek(&file, -1, 4), ENXIO);
	assert_ok(umfs_truncate(u->fs, file.ino, 6 * PAGE + 50));
	assert_int_equal(umfs_seek(&file, 6 * PAGE, 4), 6 * PAGE + 50); /* the end is one */
	world_close(&file);
}

static void holes_found_across_tables_and_runs(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	u->sim->log = NULL;
	open_new(u, &file);
	assert_ok(umfs_fallocate(&file, 0, 0, 6 * MIB));
	assert_ok(world_write(&file, 2 * MIB, 4 * MIB, 1));
	assert_ok(umfs_truncate(u->fs, file.ino, 2 * GIB));
	assert_int_equal(umfs_seek(&file, 0, 3), 2 * MIB);
	assert_int_equal(umfs_seek(&file, 2 * MIB, 4), 6 * MIB);
	assert_int_equal(umfs_seek(&file, 6 * MIB - 1, 4), 6 * MIB);
	assert_ok(world_write(&file, GIB + 2 * MIB - PAGE, 2 * PAGE, 1));
	assert_int_equal(umfs_seek(&file, 6 * MIB, 3), GIB + 2 * MIB - PAGE);
	assert_int_equal(umfs_seek(&file, GIB + 2 * MIB - PAGE, 4), GIB + 2 * MIB + PAGE);
	assert_err(umfs_seek(&file, GIB + 3 * MIB, 3), ENXIO);
	world_close(&file);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* 134 million pages looked at one by one would take a second; tables take microseconds. */
static void search_in_512_gib_does_not_walk_pages(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t start;

	open_new(u, &file);
	assert_ok(world_write(&file, UMFS_FILE_BYTES_MAX - PAGE, PAGE, 1));
	start = cpu_ns();
	assert_int_equal(umfs_seek(&file, 0, 3), UMFS_FILE_BYTES_MAX - PAGE);
	assert_ok(umfs_fallocate(&file, PUNCH, 0, UMFS_FILE_BYTES_MAX - PAGE));
	assert_bytes(&file, UMFS_FILE_BYTES_MAX - PAGE, PAGE, 1);
	assert_ok(umfs_fallocate(&file, PUNCH, 0, UMFS_FILE_BYTES_MAX));
	assert_err(umfs_seek(&file, 0, 3), ENXIO);
	assert_true(cpu_ns() - start < 200000000);
	world_close(&file);
}

/* ---- copies ---- */

static void copy_of_file_reads_the_same(void **state)
{
	struct unit *u = *state;
	struct umfs_file from, to;
	uint32_t mode;

	u->sim->log = NULL;
	for (mode = UMFS_MODE_POSIX; mode <= UMFS_MODE_ATOMIC; mode++) {
		unit_reattach(u, mode);
		open_new(u, &from);
		assert_ok(world_open(u->fs, "/to", O_RDWR | O_CREAT, &to));
		assert_ok(world_write(&from, 0, 3 * MIB + 7, 1));
		assert_int_equal(umfs_copy_range(&from, 0, &to, 0, GIB), 3 * MIB + 7);
		assert_int_equal(size_of(&to), 3 * MIB + 7);
		assert_bytes(&to, 0, 3 * MIB + 7, 1);
		assert_ok(world_write(&from, 0, 3 * MIB, 2));
		assert_int_equal(umfs_copy_range(&from, MIB, &to, MIB, PAGE), PAGE); /* over */
		assert_bytes(&to, MIB, PAGE, 2);
		assert_bytes(&to, MIB + PAGE, PAGE, 1);
		assert_int_equal(umfs_copy_range(&from, 3 * MIB + 7, &to, 0, 1), 0);
		assert_int_equal(umfs_copy_range(&from, 0, &to, 0, 0), 0);
		world_close(&to);
		world_close(&from);
		assert_ok(world_unlink(u->fs, "/f"));
		assert_ok(world_unlink(u->fs, "/to"));
	}
}

static void copy_of_sparse_file_stays_sparse(void **state)
{
	struct unit *u = *state;
	struct umfs_file from, to;

	open_new(u, &from);
	assert_ok(world_open(u->fs, "/to", O_RDWR | O_CREAT, &to));
	assert_ok(world_write(&from, 0, PAGE, 1));
	assert_ok(world_write(&from, 100 * MIB, PAGE, 1));
	assert_ok(umfs_truncate(u->fs, from.ino, 200 * MIB + 5));
	assert_int_equal(umfs_copy_range(&from, 0, &to, 0, GIB), 200 * MIB + 5);
	assert_int_equal(size_of(&to), 200 * MIB + 5);
	assert_true(pages_of(&to) < 2000); /* of 51 200: two pieces, and some ahead */
	assert_bytes(&to, 100 * MIB, PAGE, 1);
	assert_zeros(&to, 150 * MIB, MIB);
	world_close(&to);
	world_close(&from);
}

static void copy_refused_where_it_makes_no_sense(void **state)
{
	struct unit *u = *state;
	struct umfs_file file, dir;

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 10000, 1));
	assert_ok(world_open(u->fs, "/", O_RDONLY, &dir));
	assert_err(umfs_copy_range(&dir, 0, &file, 0, 1), EISDIR);
	assert_err(umfs_copy_range(&file, 0, &dir, 0, 1), EISDIR);
	assert_err(umfs_copy_range(&file, 0, &file, 9999, 10000), EINVAL);
	assert_err(umfs_copy_range(&file, 5, &file, 0, 6), EINVAL);
	assert_int_equal(umfs_copy_range(&file, 0, &file, 5000, 5000), 5000); /* they touch */
	assert_err(umfs_copy_range(&file, 0, &file, UMFS_FILE_BYTES_MAX, 10), EFBIG);
	assert_int_equal(umfs_copy_range(&file, 0, &file, UMFS_FILE_BYTES_MAX - 5, 10), 5);
	assert_ok(umfs_truncate(u->fs, file.ino, 10));
	world_close(&dir);
	world_close(&file);
	assert_err(umfs_copy_range(&file, 0, &file, 5000, 10), EBADF);
}

/* ---- a random history against a model ---- */

#define MODEL_BYTES (5 * MIB)

struct model {
	uint8_t bytes[MODEL_BYTES];
	uint64_t size, random;
};

static uint64_t model_random(struct model *m, uint64_t n)
{
	return sim_random(&m->random) % n;
}

static void model_range(struct model *m, uint64_t *off, uint64_t *n)
{
	static const uint64_t most[] = {100, 5000, 70000, 2 * MIB, 4 * MIB};

	*n = 1 + model_random(m, most[model_random(m, 5)]);
	*off = model_random(m, MODEL_BYTES - *n);
	if (model_random(m, 3) == 0) {
		*off &= ~(uint64_t)UMFS_PAGE_MASK;
		*n = (*n + UMFS_PAGE_MASK) & ~(uint64_t)UMFS_PAGE_MASK;
		*n = UMFS_MIN(*n, MODEL_BYTES - *off);
	}
}

static void model_fallocate(struct model *m, struct umfs_file *file)
{
	static const uint32_t modes[] = {0, KEEP, PUNCH, PUNCH, ZERO, ZERO | KEEP};
	uint32_t mode = modes[model_random(m, 6)];
	uint64_t off, n;

	model_range(m, &off, &n);
	assert_ok(umfs_fallocate(file, mode, off, n));
	if (mode & (UMFS_FALLOC_PUNCH | ZERO))
		memset(m->bytes + off, 0, n);
	if (!(mode & KEEP))
		m->size = UMFS_MAX(m->size, off + n);
}

static void model_write(struct model *m, struct umfs_file *file)
{
	uint32_t version = (uint32_t)model_random(m, 1000);
	uint64_t off, n;

	model_range(m, &off, &n);
	assert_ok(world_write(file, off, n, version));
	world_fill(m->bytes + off, n, off, version);
	m->size = UMFS_MAX(m->size, off + n);
}

/* Within the file: refused where it overlaps, else as memcpy, up to the end. */
static void model_copy(struct model *m, struct umfs_file *file)
{
	uint64_t from, to, n, other;

	model_range(m, &from, &n);
	model_range(m, &to, &other);
	to = UMFS_MIN(to, MODEL_BYTES - n);
	n = from < m->size ? UMFS_MIN(n, m->size - from) : 0;
	if (from < to + n && to < from + n) {
		assert_err(umfs_copy_range(file, from, file, to, n), EINVAL);
		return;
	}
	assert_int_equal(umfs_copy_range(file, from, file, to, n), n);
	memcpy(m->bytes + to, m->bytes + from, n);
	if (n)
		m->size = UMFS_MAX(m->size, to + n);
}

static void model_truncate(struct model *m, struct umfs_file *file)
{
	uint64_t size = model_random(m, MODEL_BYTES);

	assert_ok(umfs_truncate(file->fs, file->ino, size));
	if (size < m->size)
		memset(m->bytes + size, 0, m->size - size);
	m->size = size;
}

static void model_check(struct model *m, struct umfs_file *file, uint8_t *buf)
{
	uint64_t off = model_random(m, MODEL_BYTES), n = model_random(m, MODEL_BYTES);
	uint64_t want = off >= m->size ? 0 : UMFS_MIN(n, m->size - off);

	assert_int_equal(umfs_pread(file, buf, n, off), want);
	assert_memory_equal(buf, m->bytes + off, want);
}

static void history(struct unit *u, uint32_t mode)
{
	struct model *m = calloc(1, sizeof(*m));
	uint8_t *buf = malloc(MODEL_BYTES);
	struct umfs_file file;
	uint32_t i;

	assert_true(m && buf);
	unit_reattach(u, mode);
	m->random = mode;
	open_new(u, &file);
	for (i = 0; i < 300; i++) {
		uint64_t what = model_random(m, 10);

		if (what == 0)
			model_truncate(m, &file);
		else if (what < 4)
			model_write(m, &file);
		else if (what < 6)
			model_copy(m, &file);
		else
			model_fallocate(m, &file);
		if (what == 9) {
			world_close(&file);
			open_new(u, &file);
		}
		model_check(m, &file, buf);
		sim_log_clear(&u->log);
	}
	u->sim->log = NULL;
	world_close(&file);
	free(buf);
	free(m);
}

static void history_in_atomic_mode_as_model(void **state)
{
	history(*state, UMFS_MODE_ATOMIC);
}

static void history_in_sync_mode_as_model(void **state)
{
	history(*state, UMFS_MODE_SYNC);
}

static void history_in_posix_mode_as_model(void **state)
{
	history(*state, UMFS_MODE_POSIX);
}

static const struct CMUnitTest tests[] = {
	CASE(allocate_gives_pages_and_moves_end),
	CASE(allocate_past_cut_end_shows_zeros),
	CASE(kept_pages_survive_close_and_death),
	CASE(pages_ahead_of_kept_ones_trimmed),
	CASE(truncate_lets_kept_pages_go),
	CASE(punched_whole_keeps_no_table),
	CASE(truncate_to_a_hole_keeps_no_page),
	CASE(allocate_too_much_takes_nothing),
	CASE(modes_and_ranges_refused),
	CASE(last_page_of_largest_file_given),
	CASE(punch_frees_whole_pages),
	CASE(punch_of_only_page_empties_file),
	CASE(punch_over_tables_frees_them),
	CASE(punch_of_odd_2_mib_goes_by_reserve),
	CASE(zero_keeps_pages_and_takes_holes),
	CASE(large_entries_punched_whole_zeroed_in_part),
	CASE(nothing_needs_room_that_has_its_pages),
	CASE(full_pool_can_be_emptied),
	CASE(unwritten_pages_are_holes),
	CASE(holes_found_across_tables_and_runs),
	CASE(search_in_512_gib_does_not_walk_pages),
	CASE(copy_of_file_reads_the_same),
	CASE(copy_of_sparse_file_stays_sparse),
	CASE(copy_refused_where_it_makes_no_sense),
	CASE(history_in_atomic_mode_as_model),
	CASE(history_in_sync_mode_as_model),
	CASE(history_in_posix_mode_as_model),
};
UNIT_MAIN("fallocate", tests)
