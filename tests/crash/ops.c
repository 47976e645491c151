// SPDX-License-Identifier: BSD-3-Clause
/* ops.c - see ops.h. */
#include "ops.h"
#include "ops_lease.h"
#include "open.h"

#include <stdio.h>

void op_tree(struct umfs *fs)
{
	char target[301];

	memset(target, 'x', 300);
	target[300] = 0;
	need(world_put(fs, "/a", 0, 100, 1));
	need(world_put(fs, "/b", 0, 5000, 1));
	need(world_put(fs, "/m", 0, 120000, 1));
	need(world_creat(fs, "/empty", 0600));
	need(world_mkdir(fs, "/d"));
	need(world_put(fs, "/d/x", 0, 10, 1));
	need(world_mkdir(fs, "/d/sub"));
	need(world_put(fs, "/d/sub/y", 0, 4096, 1));
	need(world_mkdir(fs, "/e"));
	need(world_mkdir(fs, "/t"));
	need(world_put(fs, "/t/f", 0, 300, 1));
	need(world_symlink(fs, "d/x", "/s"));
	need(world_symlink(fs, target, "/long"));
	need(world_link(fs, "/a", "/d/l"));
}

/* ---- names ---- */

static int creat_run(struct stage *s)
{
	return world_creat(s->fs, "/d/new", 0644);
}

static int creat_empty_dir_run(struct stage *s)
{
	return world_creat(s->fs, "/e/first", 0644);
}

static int creat_long_name_run(struct stage *s)
{
	char path[300] = "/d/";

	memset(path + 3, 'n', 255);
	return world_creat(s->fs, path, 0644);
}

/* How many files of this kind of name a new directory takes until it needs another page. */
static uint32_t names_that_fit(struct umfs *fs)
{
	struct umfs_attr first, now;
	uint32_t n, i;
	char path[32];

	need(world_mkdir(fs, "/probe"));
	need(world_creat(fs, "/probe/0", 0644));
	need(world_stat(fs, "/probe", &first));
	for (n = 1, now = first; n < 2000 && now.blocks_512 == first.blocks_512; n++) {
		snprintf(path, sizeof(path), "/probe/%u", n);
		need(world_creat(fs, path, 0644));
		need(world_stat(fs, "/probe", &now));
	}
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/probe/%u", i);
		need(world_unlink(fs, path));
	}
	need(world_rmdir(fs, "/probe"));
	return n - 1;
}

static int creat_split_prepare(struct stage *s)
{
	char path[32];
	uint32_t i;

	s->count = names_that_fit(s->fs);
	need(world_mkdir(s->fs, "/split"));
	for (i = 0; i < s->count; i++) {
		snprintf(path, sizeof(path), "/split/%u", i);
		need(world_creat(s->fs, path, 0644));
	}
	return 0;
}

static int creat_split_run(struct stage *s)
{
	char path[32];

	snprintf(path, sizeof(path), "/split/%u", s->count);
	return world_creat(s->fs, path, 0644);
}

/* Names so long that hardly more than a dozen fill a page of a directory. */
static int creat_wide(struct umfs *fs, const char *dir, uint32_t number, uint32_t len)
{
	char path[300];
	int at = snprintf(path, sizeof(path), "%s/%03u", dir, number);

	memset(path + at, 'w', len - 3);
	path[(uint32_t)at + len - 3] = 0;
	return world_creat(fs, path, 0644);
}

static int unlink_wide(struct umfs *fs, const char *dir, uint32_t number)
{
	char path[300];
	int at = snprintf(path, sizeof(path), "%s/%03u", dir, number);

	memset(path + at, 'w', 197);
	path[at + 197] = 0;
	return world_unlink(fs, path);
}

/* Wide names into a new directory until it was given pages so many times. */
static uint32_t fill_wide(struct umfs *fs, const char *dir, uint32_t times)
{
	struct umfs_attr before, now;
	uint32_t n = 0;

	need(world_mkdir(fs, dir));
	need(world_stat(fs, dir, &before));
	while (times) {
		need(creat_wide(fs, dir, n++, 200));
		need(world_stat(fs, dir, &now));
		times -= now.blocks_512 != before.blocks_512;
		before = now;
	}
	return n;
}

static void empty_wide(struct umfs *fs, const char *dir, uint32_t n)
{
	while (n--)
		need(unlink_wide(fs, dir, n));
}

/* The third page is the one after the first split, by which the directory got a node. */
static int creat_split_again_prepare(struct stage *s)
{
	uint32_t i;

	s->count = fill_wide(s->fs, "/probe", 3);
	empty_wide(s->fs, "/probe", s->count);
	need(world_rmdir(s->fs, "/probe"));
	need(world_mkdir(s->fs, "/split"));
	for (i = 0; i + 1 < s->count; i++)
		need(creat_wide(s->fs, "/split", i, 200));
	return 0;
}

static int creat_split_again_run(struct stage *s)
{
	return creat_wide(s->fs, "/split", s->count - 1, 200);
}

/* Every other name is gone: room enough, and nowhere for a longer one. */
static int creat_repack_prepare(struct stage *s)
{
	uint32_t i;

	need(world_mkdir(s->fs, "/split"));
	for (i = 0; i < 16; i++)
		need(creat_wide(s->fs, "/split", i, 200));
	for (i = 0; i < 16; i += 2)
		need(unlink_wide(s->fs, "/split", i));
	return 0;
}

static int creat_repack_run(struct stage *s)
{
	return creat_wide(s->fs, "/split", 99, 250);
}

static int rmdir_split_prepare(struct stage *s)
{
	empty_wide(s->fs, "/split", fill_wide(s->fs, "/split", 2));
	return 0;
}

static int rmdir_split_run(struct stage *s)
{
	return world_rmdir(s->fs, "/split");
}

static int open_close_run(struct stage *s)
{
	int err = world_open(s->fs, "/b", O_RDWR, &s->file);

	if (!err)
		world_close(&s->file);
	return err;
}

static int creat_open_close_run(struct stage *s)
{
	int err = world_open(s->fs, "/d/new", O_RDWR | O_CREAT, &s->file);

	if (!err)
		world_close(&s->file);
	return err;
}

static int mkdir_run(struct stage *s)
{
	return world_mkdir(s->fs, "/d/new");
}

static int mkfifo_run(struct stage *s)
{
	return world_mknod(s->fs, "/d/new", 0010644, 0);
}

static int mksock_run(struct stage *s)
{
	return world_mknod(s->fs, "/d/new", 0140755, 0);
}

static int mknod_run(struct stage *s)
{
	return world_mknod(s->fs, "/d/new", 0060640, 0x801);
}

static int special_prepare(struct stage *s)
{
	need(world_mknod(s->fs, "/d/fifo", 0010644, 0));
	return world_mknod(s->fs, "/d/device", 0020600, 0x103);
}

static int unlink_device_run(struct stage *s)
{
	return world_unlink(s->fs, "/d/device");
}

static int rename_over_fifo_run(struct stage *s)
{
	return world_rename(s->fs, "/d/device", "/d/fifo");
}

static int exchange_device_run(struct stage *s)
{
	return world_rename2(s->fs, "/d/device", "/m", UMFS_RENAME_EXCHANGE);
}

static int chmod_fifo_run(struct stage *s)
{
	uint32_t ino;
	int err = world_ino(s->fs, "/d/fifo", &ino);

	return err ? err : umfs_chmod(s->fs, &world_root, ino, 0600);
}

static int symlink_run(struct stage *s)
{
	return world_symlink(s->fs, "where/to", "/d/new");
}

static int symlink_long_run(struct stage *s)
{
	char target[4096];

	memset(target, 'y', 4095);
	target[4095] = 0;
	return world_symlink(s->fs, target, "/d/new");
}

static int link_run(struct stage *s)
{
	return world_link(s->fs, "/b", "/d/new");
}

static int unlink_run(struct stage *s)
{
	return world_unlink(s->fs, "/m");
}

static int unlink_one_of_two_run(struct stage *s)
{
	return world_unlink(s->fs, "/a");
}

static int unlink_symlink_run(struct stage *s)
{
	return world_unlink(s->fs, "/long");
}

static int unlink_last_name_run(struct stage *s)
{
	return world_unlink(s->fs, "/t/f");
}

static int open_b_prepare(struct stage *s)
{
	need(world_open(s->fs, "/b", O_RDWR, &s->file));
	return 0;
}

static int unlink_open_run(struct stage *s)
{
	return world_unlink(s->fs, "/b");
}

static int close_unlinked_prepare(struct stage *s)
{
	need(world_open(s->fs, "/m", O_RDWR, &s->file));
	need(world_unlink(s->fs, "/m"));
	return 0;
}

static int close_run(struct stage *s)
{
	world_close(&s->file);
	return 0;
}

/* The file has pages past its end, to be trimmed at the close. */
static int close_written_prepare(struct stage *s)
{
	uint32_t i;

	need(world_open(s->fs, "/d/grown", O_RDWR | O_CREAT, &s->file));
	for (i = 0; i < 9; i++)
		need(world_append(&s->file, 4096, 1));
	need(umfs_fsync(&s->file));
	return 0;
}

/* ---- files without a name ---- */

static int tmpfile_run(struct stage *s)
{
	return world_tmpfile(s->fs, "/d", true, &s->file);
}

static int tmpfile_excl_run(struct stage *s)
{
	return world_tmpfile(s->fs, "/d", false, &s->file);
}

static int tmpfile_prepare(struct stage *s)
{
	return world_tmpfile(s->fs, "/d", true, &s->file);
}

static int tmpfile_write_run(struct stage *s)
{
	return world_write(&s->file, 0, 100, 1);
}

static int tmpfile_grown_prepare(struct stage *s)
{
	uint32_t i;

	need(tmpfile_prepare(s));
	for (i = 0; i < 9; i++)
		need(world_append(&s->file, 4096, 1));
	return umfs_fsync(&s->file);
}

static int tmpfile_name_run(struct stage *s)
{
	return world_name(&s->file, "/d/new");
}

static int tmpfile_name_first_run(struct stage *s)
{
	return world_name(&s->file, "/e/first");
}

static int close_named_prepare(struct stage *s)
{
	need(tmpfile_grown_prepare(s));
	return world_name(&s->file, "/d/new");
}

static int rmdir_run(struct stage *s)
{
	return world_rmdir(s->fs, "/e");
}

static int rmdir_used_prepare(struct stage *s)
{
	need(world_unlink(s->fs, "/t/f"));
	return 0;
}

static int rmdir_used_run(struct stage *s)
{
	return world_rmdir(s->fs, "/t");
}

static int rename_run(struct stage *s)
{
	return world_rename(s->fs, "/d/x", "/d/z");
}

static int rename_over_file_run(struct stage *s)
{
	return world_rename(s->fs, "/a", "/m");
}

static int rename_over_open_run(struct stage *s)
{
	return world_rename(s->fs, "/m", "/b");
}

static int rename_over_same_run(struct stage *s)
{
	return world_rename(s->fs, "/a", "/d/l");
}

static int rename_over_symlink_run(struct stage *s)
{
	return world_rename(s->fs, "/b", "/s");
}

static int rename_over_dir_run(struct stage *s)
{
	return world_rename(s->fs, "/t", "/e");
}

static int rename_across_run(struct stage *s)
{
	return world_rename(s->fs, "/d/sub/y", "/t/y");
}

static int rename_across_over_run(struct stage *s)
{
	return world_rename(s->fs, "/m", "/d/x");
}

static int rename_dir_across_run(struct stage *s)
{
	return world_rename(s->fs, "/t", "/d/t");
}

static int rename_dir_across_over_run(struct stage *s)
{
	return world_rename(s->fs, "/d/sub", "/e");
}

static int rename_noreplace_run(struct stage *s)
{
	return world_rename2(s->fs, "/a", "/t/new", UMFS_RENAME_NOREPLACE);
}

#define WHITEOUT_OP(name, from, to)                                                                \
	static int name##_run(struct stage *s)                                                     \
	{                                                                                          \
		return world_rename2(s->fs, from, to, UMFS_RENAME_WHITEOUT);                       \
	}

WHITEOUT_OP(whiteout, "/a", "/new")
WHITEOUT_OP(whiteout_across_over, "/m", "/d/sub/y")
WHITEOUT_OP(whiteout_dir_across, "/t", "/d/t")

#define EXCHANGE_OP(name, one, other)                                                              \
	static int name##_run(struct stage *s)                                                     \
	{                                                                                          \
		return world_rename2(s->fs, one, other, UMFS_RENAME_EXCHANGE);                     \
	}

EXCHANGE_OP(exchange_files, "/a", "/m")
EXCHANGE_OP(exchange_files_across, "/b", "/d/sub/y")
EXCHANGE_OP(exchange_dirs, "/d", "/t")
EXCHANGE_OP(exchange_dirs_across, "/d/sub", "/t")
EXCHANGE_OP(exchange_file_and_dir, "/s", "/e")
EXCHANGE_OP(exchange_file_and_dir_across, "/m", "/d/sub")
EXCHANGE_OP(exchange_dir_and_file_across, "/e", "/d/sub/y")

/* ---- attributes ---- */

static int chmod_run(struct stage *s)
{
	uint32_t ino;
	int err = world_ino(s->fs, "/b", &ino);

	return err ? err : umfs_chmod(s->fs, &world_root, ino, 0711);
}

static int chown_run(struct stage *s)
{
	uint32_t ino;
	int err = world_ino(s->fs, "/b", &ino);

	return err ? err : umfs_chown(s->fs, &world_root, ino, 12, 34);
}

static int utimens_run(struct stage *s)
{
	uint32_t ino;
	int err = world_ino(s->fs, "/b", &ino);

	return err ? err : umfs_utimens(s->fs, &world_root, ino, 111222333444, 555666777888);
}

/* ---- data; version 2 over version 1 ---- */

static int open_for(struct stage *s, const char *path)
{
	need(world_open(s->fs, path, O_RDWR | O_CREAT, &s->file));
	return 0;
}

#define WRITE_OP(name, op_path, op_off, op_len)                                                    \
	static int name##_prepare(struct stage *s)                                                 \
	{                                                                                          \
		return open_for(s, op_path);                                                       \
	}                                                                                          \
	static int name##_run(struct stage *s)                                                     \
	{                                                                                          \
		return world_write(&s->file, op_off, op_len, 2);                                   \
	}

WRITE_OP(write_64, "/b", 128, 64)
WRITE_OP(write_1, "/a", 7, 1)
WRITE_OP(write_small_file, "/a", 10, 50)
WRITE_OP(write_across, "/m", 4000, 200)
WRITE_OP(write_page, "/m", 8192, 4096)
WRITE_OP(write_only_page, "/d/sub/y", 0, 4096)
WRITE_OP(write_pages, "/m", 16384, 16384)
WRITE_OP(write_100k, "/m", 5001, 102400)
WRITE_OP(append_small, "/b", 5000, 64)
WRITE_OP(append_cross, "/b", 5000, 4000)
WRITE_OP(append_large, "/b", 5000, 300000)
WRITE_OP(append_second_page, "/d/sub/y", 4096, 100)
WRITE_OP(write_first, "/empty", 0, 1000)
WRITE_OP(write_first_pages, "/empty", 0, 20000)
WRITE_OP(write_over_end, "/b", 4000, 9000)
/* The entries past the old end are in another line than those before it. */
WRITE_OP(write_over_end_lines, "/m", 110000, 30000)
WRITE_OP(write_past_end, "/b", 70000, 100)
WRITE_OP(write_past_end_far, "/a", 3 * MIB, 100)
WRITE_OP(write_past_end_1g, "/a", 1 * GIB + 5, 100)

static int hole_prepare(struct stage *s)
{
	need(world_put(s->fs, "/h", 0, 4096, 1));
	need(world_put(s->fs, "/h", 40960, 4096, 1));
	return open_for(s, "/h");
}

/*
 * Each page that is exchanged gets the one that was exchanged before it had: in the order of the
 * powers of 6, which are all numbers below the prime 41, what was of page 7 k comes to page k.
 */
#define SCATTERED 41u

static int scattered_prepare(struct stage *s)
{
	uint32_t page = 1, i;

	need(world_put(s->fs, "/h", 0, SCATTERED * 4096, 1));
	need(open_for(s, "/h"));
	for (i = 1; i < SCATTERED; i++, page = page * 6 % SCATTERED)
		need(world_write(&s->file, page * 4096, 4096, 1));
	s->fs->scattered = UINT32_MAX; /* it is not looked for a run for all of them */
	return 0;
}

static int write_scattered_run(struct stage *s)
{
	return world_write(&s->file, 3000, 20 * 4096, 2);
}

static int write_scattered_over_run(struct stage *s)
{
	return world_write(&s->file, 30 * 4096 + 100, 25 * 4096, 2);
}

static int write_scattered_many_run(struct stage *s)
{
	return world_write(&s->file, 0, SCATTERED * 4096, 2);
}

/* One page that reads as zeros: its entry lies in the inode, under the checksum. */
static int write_zeros_prepare(struct stage *s)
{
	need(open_for(s, "/h"));
	return umfs_fallocate(&s->file, 0, 0, 3000);
}

static int write_zeros_run(struct stage *s)
{
	return world_write(&s->file, 100, 1000, 2);
}

static int write_hole_run(struct stage *s)
{
	return world_write(&s->file, 12288 + 100, 64, 2);
}

static int write_hole_pages_run(struct stage *s)
{
	return world_write(&s->file, 8192, 8192, 2);
}

/* Part data, part hole, part data. */
static int write_over_hole_run(struct stage *s)
{
	return world_write(&s->file, 1000, 43000, 2);
}

static int write_3m_prepare(struct stage *s)
{
	need(world_put(s->fs, "/h", 0, 3 * MIB, 1));
	return open_for(s, "/h");
}

static int write_2m_run(struct stage *s)
{
	return world_write(&s->file, 4096 + 50, 2 * MIB, 2);
}

/* A PTE page that is a run (its mark must go first), and one that becomes one. */

static int write_run_page_run(struct stage *s)
{
	return world_write(&s->file, 8192, 4096, 2);
}

static int write_run_pages_run(struct stage *s)
{
	return world_write(&s->file, 12288, 8192, 2);
}

static int write_run_part_run(struct stage *s)
{
	return world_write(&s->file, 20000, 100, 2);
}

static int truncate_run_run(struct stage *s)
{
	return world_truncate(s->fs, "/h", MIB + 5);
}

static int run_completed_prepare(struct stage *s)
{
	need(world_put(s->fs, "/h", 0, 2 * MIB - 4096, 1));
	return open_for(s, "/h");
}

static int run_completed_run(struct stage *s)
{
	return world_write(&s->file, 2 * MIB - 4096, 3 * 4096, 2);
}

/* The last page has no bytes any more, and its place: with them it is a run again. */
static int run_refilled_prepare(struct stage *s)
{
	need(write_3m_prepare(s));
	return umfs_fallocate(&s->file, UMFS_FALLOC_ZERO, 511 * 4096, 4096);
}

static int run_refilled_run(struct stage *s)
{
	return world_write(&s->file, 511 * 4096, 4096, 2);
}

static int fsync_run(struct stage *s)
{
	int err = world_write(&s->file, 100, 9000, 2);

	return err ? err : umfs_fsync(&s->file);
}

/* ---- truncate ---- */

#define TRUNCATE_OP(name, path, size)                                                              \
	static int name##_run(struct stage *s)                                                     \
	{                                                                                          \
		return world_truncate(s->fs, path, size);                                          \
	}

TRUNCATE_OP(truncate_up, "/b", 50000)
TRUNCATE_OP(truncate_up_in_page, "/b", 6000)
TRUNCATE_OP(truncate_up_far, "/b", 2 * GIB)
TRUNCATE_OP(truncate_down, "/m", 50001)
TRUNCATE_OP(truncate_down_in_page, "/b", 4500)
TRUNCATE_OP(truncate_zero, "/m", 0)
TRUNCATE_OP(truncate_zero_small, "/a", 0)
TRUNCATE_OP(truncate_tall_down, "/h", 1000)
TRUNCATE_OP(truncate_tall_middle, "/h", 2 * MIB + 5000)
TRUNCATE_OP(truncate_tall_zero, "/h", 0)

/* Height 2, in several tables. */
static int tall_prepare(struct stage *s)
{
	need(world_put(s->fs, "/h", 0, 9000, 1));
	need(world_put(s->fs, "/h", 2 * MIB, 9000, 1));
	need(world_put(s->fs, "/h", 3 * MIB + 777, 5000, 1));
	s->count = 0;
	return 0;
}

static int unlink_tall_run(struct stage *s)
{
	return world_unlink(s->fs, "/h");
}

static int rename_over_tall_run(struct stage *s)
{
	return world_rename(s->fs, "/a", "/h");
}

/* Every record of an open inode is in use, by this process. */
static int no_records_prepare(struct stage *s)
{
	struct umfs *fs = s->fs;
	uint32_t i;

	for (i = 0; i < fs->geo.irec_count; i++) {
		struct umfs_irec_pm *rec = umfs_irec(fs, i);

		if (umfs_key_epoch(ld64(&rec->key)) == fs->epoch)
			continue;
		umfs_irec_note(fs, i);
		st64(&rec->opens[fs->slot / 64u], umfs_slot_bit(fs->slot));
		st32(&rec->flags, 0);
		st64(&rec->key, (uint64_t)fs->epoch << 32 | UMFS_ROOT_INO);
	}
	return 0;
}

static int truncate_no_records_run(struct stage *s)
{
	return world_truncate(s->fs, "/m", 50001);
}

static int truncate_open_run(struct stage *s)
{
	return world_truncate(s->fs, "/b", 100);
}

/* ---- pages without bytes ---- */

#define FALLOC_KEEP UMFS_FALLOC_KEEP_SIZE
#define FALLOC_PUNCH (UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE)
#define FALLOC_ZERO UMFS_FALLOC_ZERO

static int open_a_prepare(struct stage *s)
{
	return open_for(s, "/a");
}

static int open_empty_prepare(struct stage *s)
{
	return open_for(s, "/empty");
}

static int open_m_prepare(struct stage *s)
{
	return open_for(s, "/m");
}

static int open_tall_prepare(struct stage *s)
{
	need(world_put(s->fs, "/h", 0, 9000, 1));
	need(world_put(s->fs, "/h", 2 * MIB - 5000, 14000, 1));
	need(world_put(s->fs, "/h", 3 * MIB + 777, 5000, 1));
	need(world_put(s->fs, "/h", GIB + 5, 5000, 1));
	return open_for(s, "/h");
}

/* Pages past the end, asked for. */
static int kept_prepare(struct stage *s)
{
	need(open_b_prepare(s));
	need(umfs_fallocate(&s->file, FALLOC_KEEP, 0, 80000));
	return 0;
}

static int close_kept_prepare(struct stage *s)
{
	need(kept_prepare(s));
	need(world_write(&s->file, 78000, 8000, 1));
	need(umfs_fsync(&s->file));
	return 0;
}

static int truncate_kept_run(struct stage *s)
{
	return world_truncate(s->fs, "/b", 4500);
}

#define FALLOC_OP(name, mode, op_off, op_len)                                                      \
	static int name##_run(struct stage *s)                                                     \
	{                                                                                          \
		return umfs_fallocate(&s->file, mode, op_off, op_len);                             \
	}

FALLOC_OP(allocate_grow, 0, 3000, 60000)
FALLOC_OP(allocate_first, 0, 0, 100)
FALLOC_OP(allocate_keep, FALLOC_KEEP, 4000, 90000)
FALLOC_OP(allocate_holes, 0, 0, 44000)
FALLOC_OP(allocate_kept, 0, 0, 70000)
FALLOC_OP(punch_bytes, FALLOC_PUNCH, 100, 200)
FALLOC_OP(punch_across, FALLOC_PUNCH, 8000, 300)
FALLOC_OP(punch_page, FALLOC_PUNCH, 8192, 4096)
FALLOC_OP(punch_pages, FALLOC_PUNCH, 5001, 60000)
FALLOC_OP(punch_only_page, FALLOC_PUNCH, 0, 4096)
FALLOC_OP(punch_all, FALLOC_PUNCH, 0, 1 * MIB)
FALLOC_OP(punch_tables, FALLOC_PUNCH, 2 * MIB - 4096, 2 * MIB)
FALLOC_OP(punch_tall, FALLOC_PUNCH, 5000, 2 * GIB)
/* More than the journal holds: by a reserve. */
FALLOC_OP(punch_odd, FALLOC_PUNCH, 10, 3 * 4096 - 20)
FALLOC_OP(zero_bytes, FALLOC_ZERO, 4090, 500)
FALLOC_OP(zero_pages, FALLOC_ZERO, 5001, 60000)
FALLOC_OP(zero_only_page, FALLOC_ZERO | FALLOC_KEEP, 0, 4096)
FALLOC_OP(zero_grow, FALLOC_ZERO, 4000, 60000)
FALLOC_OP(zero_keep, FALLOC_ZERO | FALLOC_KEEP, 4000, 60000)
FALLOC_OP(zero_holes, FALLOC_ZERO, 1000, 42000)
FALLOC_OP(zero_odd, FALLOC_ZERO, 10, 3 * 4096 - 20)

/* ---- set-id bits, which go before the first byte ---- */

static int setid_prepare(struct stage *s)
{
	uint32_t ino;

	need(world_ino(s->fs, "/b", &ino));
	need(umfs_chmod(s->fs, &world_root, ino, 06755));
	return open_for(s, "/b");
}

static int setid_write_run(struct stage *s)
{
	return world_write(&s->file, 128, 64, 2);
}

static int setid_write_page_run(struct stage *s)
{
	return world_write(&s->file, 0, 4096, 2);
}

static int setid_append_run(struct stage *s)
{
	return world_write(&s->file, 5000, 4000, 2);
}

TRUNCATE_OP(setid_truncate, "/b", 1000)

static int setid_chown_run(struct stage *s)
{
	return umfs_chown(s->fs, &world_root, s->file.ino, 7, 8);
}

FALLOC_OP(setid_punch, FALLOC_PUNCH, 100, 4500)

/* ---- memory given back ---- */

/* Once they are free, the pages of the file are the first that somebody gets. */
static void look_here_next(struct umfs *fs, const struct umfs_file *file)
{
	uint64_t entry = umfs_fpt_get(fs, ld64(&file->inode->root), 0);
	struct umfs_group_pm *grp = umfs_group(fs, 0);

	st32(&grp->page_hint, (uint32_t)(umfs_pte_page(entry) - umfs_group_page(fs, 0)));
	umfs_flush(fs, grp, sizeof(*grp));
	umfs_fence(fs);
}

/* A file that has a 2 MiB unit for itself. */
static int unback_prepare(struct stage *s)
{
	struct umfs_file file;

	need(world_open(s->fs, "/u", O_RDWR | O_CREAT, &file));
	need(umfs_fallocate(&file, 0, 0, 2 * MIB));
	look_here_next(s->fs, &file);
	world_close(&file);
	s->fs->unback_after = 1;
	s->fs->taken_since_ns = 0;
	return 0;
}

static int unback_run(struct stage *s)
{
	return world_unlink(s->fs, "/u");
}

static int unback_truncate_run(struct stage *s)
{
	return world_truncate(s->fs, "/u", 5000);
}

/* ---- copies within the pool ---- */

static int copy_run(struct stage *s, const char *from, uint64_t from_off, uint64_t off, uint64_t n)
{
	struct umfs_file in;
	int64_t got = world_open(s->fs, from, O_RDONLY, &in);

	if (got)
		return (int)got;
	got = umfs_copy_range(&in, from_off, &s->file, off, n);
	world_close(&in);
	return got < 0 ? (int)got : (uint64_t)got == n ? 0 : -EIO;
}

static int copy_over_run(struct stage *s)
{
	return copy_run(s, "/b", 100, 7000, 4800);
}

static int copy_over_bytes_run(struct stage *s)
{
	return copy_run(s, "/b", 100, 7000, 700);
}

static int copy_same_run(struct stage *s)
{
	return copy_run(s, "/m", 0, 50000, 20000);
}

static int copy_first_run(struct stage *s)
{
	return copy_run(s, "/b", 0, 0, 4096);
}

static int copy_hole_prepare(struct stage *s)
{
	need(hole_prepare(s));
	world_close(&s->file);
	return open_for(s, "/d/x");
}

static int copy_zeros_prepare(struct stage *s)
{
	need(hole_prepare(s));
	world_close(&s->file);
	return open_for(s, "/m");
}

/* Data, a hole, data, over data. */
static int copy_zeros_run(struct stage *s)
{
	return copy_run(s, "/h", 1000, 50000, 43000);
}

static int copy_hole_run(struct stage *s)
{
	return copy_run(s, "/h", 4096, 8192, 30000);
}

/* ---- files that may be mapped ---- */

static int map_for(struct stage *s, const char *path)
{
	uint64_t end = 64 * MIB;
	uint32_t irec;

	need(open_for(s, path));
	return umfs_map_pin(&s->file, UMFS_MAP_SHARED | UMFS_MAP_WRITE, 0, &end, &irec);
}

static int map_m_prepare(struct stage *s)
{
	return map_for(s, "/m");
}

static int map_small_prepare(struct stage *s)
{
	return map_for(s, "/d/sub/y");
}

static int map_tall_prepare(struct stage *s)
{
	need(world_put(s->fs, "/h", 2 * MIB - 5000, 14000, 1));
	return map_for(s, "/h");
}

static uint64_t page_at(const struct umfs_file *f, uint64_t off)
{
	return umfs_pte_page(umfs_fpt_get(f->fs, ld64(&f->inode->root), off >> UMFS_PAGE_SHIFT));
}

/* The pages stay, whoever has them mapped: another's stores would go elsewhere. */
static int map_write(struct stage *s, uint64_t at, uint64_t n)
{
	uint64_t first = page_at(&s->file, at), last = page_at(&s->file, at + n - 1);
	int err = world_write(&s->file, at, n, 2);

	if (first != page_at(&s->file, at) || (last && last != page_at(&s->file, at + n - 1)))
		die("a page of a mapped file is another now");
	return err;
}

#define MAP_WRITE_OP(name, at, n)                                                                  \
	static int name##_run(struct stage *s)                                                     \
	{                                                                                          \
		return map_write(s, at, n);                                                        \
	}

MAP_WRITE_OP(map_write_64, 128, 64)
MAP_WRITE_OP(map_write_page, 8192, 4096)
MAP_WRITE_OP(map_write_two, 8000, 8000)
MAP_WRITE_OP(map_write_100k, 5001, 102400)
MAP_WRITE_OP(map_write_over_end, 110000, 30000)
MAP_WRITE_OP(map_write_small, 0, 4096)
MAP_WRITE_OP(map_write_tall, 2 * MIB - 4096, 8192)
FALLOC_OP(map_punch, FALLOC_PUNCH, 5001, 60000)
FALLOC_OP(map_zero, FALLOC_ZERO, 5001, 60000)
FALLOC_OP(map_zero_grow, FALLOC_ZERO, 110000, 60000)

/* What a mapping takes: the holes, and nothing that can be read. */
static int map_hole_run(struct stage *s)
{
	uint64_t end = 64 * MIB;
	uint32_t irec;

	return umfs_map_pin(&s->file, UMFS_MAP_SHARED, 0, &end, &irec);
}

static int map_hole_write_run(struct stage *s)
{
	uint64_t end = 64 * MIB;
	uint32_t irec;

	return umfs_map_pin(&s->file, UMFS_MAP_SHARED | UMFS_MAP_WRITE, 0, &end, &irec);
}

/* Stores of the program's own, which are durable when it says so. */
static int map_fsync_run(struct stage *s)
{
	uint8_t bytes[300];
	uint64_t where;
	int64_t got = umfs_map_run(&s->file, 8192, UMFS_PAGE_BYTES, &where);

	if (got < 0)
		return (int)got;
	world_fill(bytes, sizeof(bytes), 8192, 2);
	port_copy(umfs_at(s->fs, where), bytes, sizeof(bytes));
	return umfs_fsync(&s->file);
}

static int map_truncate_run(struct stage *s)
{
	return world_truncate(s->fs, "/m", 20001);
}

static int map_truncate_up_prepare(struct stage *s)
{
	need(map_m_prepare(s));
	return world_truncate(s->fs, "/m", 20001);
}

static int map_truncate_up_run(struct stage *s)
{
	return world_truncate(s->fs, "/m", 90000);
}

static int map_unlink_prepare(struct stage *s)
{
	need(map_truncate_up_prepare(s));
	return umfs_fsync(&s->file);
}

static int map_unlink_run(struct stage *s)
{
	return world_unlink(s->fs, "/m");
}

/* ---- extended attributes ---- */

static int xattr_prepare(struct stage *s)
{
	need(world_setxattr(s->fs, "/b", "user.one", 10, 1));
	need(world_setxattr(s->fs, "/b", "user.two", 5000, 1));
	need(world_setxattr(s->fs, "/b", "user.three", 100, 1));
	return world_setxattr(s->fs, "/e", "user.only", 20, 1);
}

#define SETXATTR_OP(name, path, attribute, n)                                                      \
	static int name##_run(struct stage *s)                                                     \
	{                                                                                          \
		return world_setxattr(s->fs, path, attribute, n, 2);                               \
	}

SETXATTR_OP(xattr_first, "/d/x", "user.first", 7)
SETXATTR_OP(xattr_first_dir, "/e", "trusted.first", 5000)
SETXATTR_OP(xattr_first_link, "/s", "security.first", 3)
SETXATTR_OP(xattr_first_large, "/a", "user.large", 65536)
SETXATTR_OP(xattr_add, "/b", "user.four", 4000)
SETXATTR_OP(xattr_replace, "/b", "user.two", 5000)
SETXATTR_OP(xattr_replace_shorter, "/b", "user.two", 1)

/* An access control list: owner rwx, user 9 rw, the group, a mask, others x. */
static int set_list(struct stage *s, const char *path, const char *name, uint8_t group,
		    uint8_t mask)
{
	const uint8_t acl[] = {2, 0, 0, 0, 1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
			       2, 0, 6, 0, 9, 0, 0, 0, 4, 0, group, 0, 0xff, 0xff, 0xff, 0xff,
			       16, 0, mask, 0, 0xff, 0xff, 0xff, 0xff,
			       32, 0, 1, 0, 0xff, 0xff, 0xff, 0xff};
	uint32_t ino;
	int err = world_ino(s->fs, path, &ino);

	return err ? err : umfs_setxattr(s->fs, &world_root, ino, name, (uint32_t)strlen(name), acl,
					 sizeof(acl), 0);
}

static int xattr_mode_run(struct stage *s)
{
	return set_list(s, "/b", "system.posix_acl_access", 0, 5);
}

/* A list that says what a mode can say: the mode alone changes. */
static int xattr_mode_only_run(struct stage *s)
{
	const uint8_t acl[] = {2, 0, 0, 0, 1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
			       4, 0, 5, 0, 0xff, 0xff, 0xff, 0xff,
			       32, 0, 1, 0, 0xff, 0xff, 0xff, 0xff};
	uint32_t ino;
	int err = world_ino(s->fs, "/b", &ino);

	if (err)
		return err;
	return umfs_setxattr(s->fs, &world_root, ino, "system.posix_acl_access",
			     (uint32_t)strlen("system.posix_acl_access"), acl, sizeof(acl), 0);
}

/* /e passes on a list with a mask, to files as theirs, to directories as both. */
static int inherit_prepare(struct stage *s)
{
	return set_list(s, "/e", "system.posix_acl_default", 5, 7);
}

static int inherit_creat_run(struct stage *s)
{
	return world_creat(s->fs, "/e/new", 0664);
}

static int inherit_mkdir_run(struct stage *s)
{
	return world_mkdir(s->fs, "/e/new");
}

static int inherit_tmpfile_run(struct stage *s)
{
	return world_tmpfile(s->fs, "/e", true, &s->file);
}

static int xattr_remove_run(struct stage *s)
{
	return world_removexattr(s->fs, "/b", "user.two");
}

static int xattr_remove_last_run(struct stage *s)
{
	return world_removexattr(s->fs, "/e", "user.only");
}

static int xattr_open_unlinked_prepare(struct stage *s)
{
	need(xattr_prepare(s));
	return open_b_prepare(s);
}

static int xattr_unlink_run(struct stage *s)
{
	return world_unlink(s->fs, "/b");
}

static int xattr_rmdir_run(struct stage *s)
{
	return world_rmdir(s->fs, "/e");
}

static int xattr_rename_over_run(struct stage *s)
{
	return world_rename(s->fs, "/a", "/b");
}

static int xattr_close_unlinked_prepare(struct stage *s)
{
	need(xattr_open_unlinked_prepare(s));
	return world_unlink(s->fs, "/b");
}

/* The inode without a name gets another one: nothing of it is left by a crash. */
static int xattr_unlinked_run(struct stage *s)
{
	return umfs_setxattr(s->fs, &world_root, umfs_file_node(&s->file), "user.late", 9,
			     "value", 5, 0);
}

static int xattr_tmpfile_name_prepare(struct stage *s)
{
	need(tmpfile_grown_prepare(s));
	return xattr_unlinked_run(s);
}

static int xattr_special_prepare(struct stage *s)
{
	need(special_prepare(s));
	return world_setxattr(s->fs, "/d/fifo", "trusted.t", 100, 1);
}

SETXATTR_OP(xattr_fifo, "/d/fifo", "trusted.t", 70)

static int xattr_unlink_fifo_run(struct stage *s)
{
	return world_unlink(s->fs, "/d/fifo");
}

/* ---- a larger pool ---- */

#define SECOND_GROUP_PAGES 4000u /* beyond the first group */

/* Without free pages side by side an attribute is struck out where it is. */
static int take_first_group(struct stage *s, uint32_t leave);

/* Single pages are left, and no two together: none for a new block that keeps the others. */
static int xattr_full_prepare(struct stage *s)
{
	struct umfs_file file;
	uint64_t i;
	int err = 0;

	need(xattr_prepare(s));
	need(take_first_group(s, 0));
	need(world_open(s->fs, "/t/f", O_RDWR, &file));
	for (i = 0; !err && i < 2 * 64; i += 2) /* of what was taken 64 pages at a time */
		err = umfs_fallocate(&file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE,
				     MIB + (i / 64 * 65 + i % 64) * UMFS_PAGE_BYTES,
				     UMFS_PAGE_BYTES);
	world_close(&file);
	return err;
}

static int xattr_remove_full_run(struct stage *s)
{
	return world_removexattr(s->fs, "/b", "user.three");
}

static uint64_t two_groups(const struct umfs *fs)
{
	return fs->geo.groups_page + UMFS_GROUP_PAGES + SECOND_GROUP_PAGES;
}

/* Within the last group, and not by whole units. */
static int freeze_run(struct stage *s)
{
	uint32_t slot;

	return umfs_freeze(s->fs, 1000000000ull, &slot);
}

static int freeze_thaw_run(struct stage *s)
{
	int err = freeze_run(s);

	return err ? err : umfs_thaw(s->fs);
}

/* Who makes it larger knows so at once. */
static int grow_to(struct stage *s, uint64_t pool_pages)
{
	int err = umfs_grow(s->fs, pool_pages);

	return !err && s->fs->geo.pool_pages != pool_pages ? -EIO : err;
}

static int grow_tail_run(struct stage *s)
{
	return grow_to(s, s->fs->geo.pool_pages + 700);
}

/*
 * Take the pages of the first group but some, past the end of a file: reading it costs
 * nothing. The last ones one by one, and none behind another, or those of the next group
 * would be taken before.
 */
static int take_first_group(struct stage *s, uint32_t leave)
{
	const struct umfs_group_pm *grp = umfs_group(s->fs, 0);
	struct umfs_file file;
	uint64_t off = MIB, n = 1;
	int err = 0;

	need(world_open(s->fs, "/t/f", O_RDWR, &file));
	while (!err && ld32(&grp->free_pages) > leave) {
		n = ld32(&grp->free_pages) > leave + 600 ? 64 : 1;
		err = umfs_fallocate(&file, UMFS_FALLOC_KEEP_SIZE, off, n * UMFS_PAGE_BYTES);
		off += (n + 1) * UMFS_PAGE_BYTES;
	}
	world_close(&file);
	return err == -ENOSPC ? 0 : err; /* the last one may have been wanted for a table */
}

/* The unit that the end cuts has memory. */
static int grow_unit_prepare(struct stage *s)
{
	need(grow_tail_run(s));
	return take_first_group(s, 200);
}

static int grow_unit_run(struct stage *s)
{
	return grow_to(s, s->fs->geo.pool_pages + 2000);
}

static int grow_group_run(struct stage *s)
{
	return grow_to(s, two_groups(s->fs));
}

/* What a damaged pool has where the next group's entry will be must not come to life. */
static int grow_dirty_prepare(struct stage *s)
{
	struct umfs_group_pm *grp = umfs_group(s->fs, 1);

	st32(&grp->flags, UMFS_GROUP_INIT);
	st32(&grp->free_pages, 77);
	st64(&grp->backed, 5);
	umfs_flush(s->fs, grp, sizeof(*grp));
	umfs_fence(s->fs);
	return 0;
}

static int grow_dirty_run(struct stage *s)
{
	return grow_group_run(s);
}

static int grow_most_run(struct stage *s)
{
	return grow_to(s, s->fs->geo.pool_pages + (128 * MIB >> UMFS_PAGE_SHIFT));
}

/* The last group learns of its pages when they are needed. */
static int grow_extend_prepare(struct stage *s)
{
	need(grow_tail_run(s));
	need(take_first_group(s, 0));
	return grow_unit_run(s);
}

static int grow_extend_run(struct stage *s)
{
	return world_put(s->fs, "/m", 118000, 20000, 2);
}

/* The new group is set up when the first page or inode of it is needed. */
static int grow_set_up_prepare(struct stage *s)
{
	need(grow_group_run(s));
	return take_first_group(s, 0);
}

static int grow_set_up_run(struct stage *s)
{
	return world_put(s->fs, "/m", 118000, 20000, 2);
}

/* Pages of a group that was not there. */
static int grow_write_prepare(struct stage *s)
{
	need(grow_group_run(s));
	need(take_first_group(s, 0));
	return world_put(s->fs, "/e/x", 0, 100, 1);
}

static int grow_write_run(struct stage *s)
{
	return world_put(s->fs, "/m", 118000, 20000, 2);
}

/* Whose process has the pool has to see to it that they end. */
#define LEASES (OP_LEASE | OP_ALONE)

#define NAME_OP(op, prep, how)                                                                     \
	{.name = #op, .prepare = prep, .run = op##_run, .flags = how}
#define DATA_OP(op, how, file, at, n)                                                              \
	{.name = #op, .prepare = op##_prepare, .run = op##_run, .flags = how, .path = file,        \
	 .off = at, .len = n}

const struct op ops[] = {
	NAME_OP(creat, NULL, OP_NEEDS_INODE),
	NAME_OP(creat_empty_dir, NULL, OP_NEEDS_PAGE | OP_NEEDS_INODE),
	NAME_OP(creat_long_name, NULL, OP_NEEDS_INODE),
	NAME_OP(creat_split, creat_split_prepare, OP_NEEDS_PAGE | OP_NEEDS_INODE),
	NAME_OP(creat_split_again, creat_split_again_prepare, OP_NEEDS_PAGE | OP_NEEDS_INODE),
	NAME_OP(creat_repack, creat_repack_prepare, OP_NEEDS_PAGE | OP_NEEDS_INODE),
	NAME_OP(rmdir_split, rmdir_split_prepare, 0),
	NAME_OP(creat_open_close, NULL, OP_NEEDS_INODE | OP_OPENS),
	NAME_OP(open_close, NULL, OP_OPENS),
	NAME_OP(mkdir, NULL, OP_NEEDS_INODE),
	NAME_OP(symlink, NULL, OP_NEEDS_PAGE | OP_NEEDS_INODE),
	NAME_OP(symlink_long, NULL, OP_NEEDS_PAGE | OP_NEEDS_INODE),
	NAME_OP(mkfifo, NULL, OP_NEEDS_INODE),
	NAME_OP(mksock, NULL, OP_NEEDS_INODE),
	NAME_OP(mknod, NULL, OP_NEEDS_INODE),
	NAME_OP(unlink_device, special_prepare, 0),
	NAME_OP(rename_over_fifo, special_prepare, 0),
	NAME_OP(exchange_device, special_prepare, 0),
	NAME_OP(chmod_fifo, special_prepare, 0),
	NAME_OP(link, NULL, 0),
	NAME_OP(unlink, NULL, 0),
	NAME_OP(unlink_one_of_two, NULL, 0),
	NAME_OP(unlink_symlink, NULL, 0),
	NAME_OP(unlink_last_name, NULL, 0),
	NAME_OP(unlink_open, open_b_prepare, 0),
	{"close_unlinked", close_unlinked_prepare, close_run, 0, NULL, 0, 0},
	{"close_written", close_written_prepare, close_run, 0, NULL, 0, 0},
	NAME_OP(tmpfile, NULL, OP_NEEDS_INODE | OP_OPENS),
	NAME_OP(tmpfile_excl, NULL, OP_NEEDS_INODE | OP_OPENS),
	NAME_OP(tmpfile_write, tmpfile_prepare, OP_NEEDS_PAGE),
	NAME_OP(tmpfile_name, tmpfile_grown_prepare, 0),
	NAME_OP(tmpfile_name_first, tmpfile_grown_prepare, OP_NEEDS_PAGE),
	{"close_tmpfile", tmpfile_grown_prepare, close_run, 0, NULL, 0, 0},
	{"close_named_tmpfile", close_named_prepare, close_run, 0, NULL, 0, 0},
	NAME_OP(rmdir, NULL, 0),
	NAME_OP(rmdir_used, rmdir_used_prepare, 0),
	NAME_OP(rename, NULL, 0),
	NAME_OP(rename_over_file, NULL, 0),
	NAME_OP(rename_over_open, open_b_prepare, 0),
	NAME_OP(rename_over_same, NULL, 0),
	NAME_OP(rename_over_symlink, NULL, 0),
	NAME_OP(rename_over_dir, NULL, 0),
	NAME_OP(rename_across, NULL, 0),
	NAME_OP(rename_across_over, NULL, 0),
	NAME_OP(rename_dir_across, NULL, 0),
	NAME_OP(rename_dir_across_over, NULL, 0),
	NAME_OP(rename_noreplace, NULL, 0),
	NAME_OP(whiteout, NULL, OP_NEEDS_INODE),
	NAME_OP(whiteout_across_over, NULL, OP_NEEDS_INODE),
	NAME_OP(whiteout_dir_across, NULL, OP_NEEDS_INODE),
	NAME_OP(exchange_files, NULL, 0),
	NAME_OP(exchange_files_across, NULL, 0),
	NAME_OP(exchange_dirs, NULL, 0),
	NAME_OP(exchange_dirs_across, NULL, 0),
	NAME_OP(exchange_file_and_dir, NULL, 0),
	NAME_OP(exchange_file_and_dir_across, NULL, 0),
	NAME_OP(exchange_dir_and_file_across, NULL, 0),
	NAME_OP(chmod, NULL, 0),
	NAME_OP(chown, NULL, 0),
	NAME_OP(utimens, NULL, OP_TIMES),
	DATA_OP(write_64, 0, "/b", 128, 64),
	DATA_OP(write_1, 0, "/a", 7, 1),
	DATA_OP(write_small_file, 0, "/a", 10, 50),
	DATA_OP(write_across, 0, "/m", 4000, 200),
	DATA_OP(write_page, 0, "/m", 8192, 4096),
	DATA_OP(write_only_page, 0, "/d/sub/y", 0, 4096),
	DATA_OP(write_pages, 0, "/m", 16384, 16384),
	DATA_OP(write_100k, 0, "/m", 5001, 102400),
	DATA_OP(append_small, 0, "/b", 5000, 64),
	DATA_OP(append_cross, OP_NEEDS_PAGE, "/b", 5000, 4000),
	DATA_OP(append_large, OP_NEEDS_PAGE, "/b", 5000, 300000),
	DATA_OP(append_second_page, OP_NEEDS_PAGE, "/d/sub/y", 4096, 100),
	DATA_OP(write_first, OP_NEEDS_PAGE, "/empty", 0, 1000),
	DATA_OP(write_first_pages, OP_NEEDS_PAGE, "/empty", 0, 20000),
	DATA_OP(write_over_end, OP_NEEDS_PAGE, "/b", 4000, 9000),
	DATA_OP(write_over_end_lines, OP_NEEDS_PAGE, "/m", 110000, 30000),
	DATA_OP(write_past_end, OP_NEEDS_PAGE, "/b", 70000, 100),
	DATA_OP(write_past_end_far, OP_NEEDS_PAGE, "/a", 3 * MIB, 100),
	DATA_OP(write_past_end_1g, OP_NEEDS_PAGE, "/a", 1 * GIB + 5, 100),
	{"write_zeros", write_zeros_prepare, write_zeros_run, 0, "/h", 100, 1000},
	{"write_hole", hole_prepare, write_hole_run, OP_NEEDS_PAGE, "/h", 12388, 64},
	{"write_hole_pages", hole_prepare, write_hole_pages_run, OP_NEEDS_PAGE, "/h", 8192, 8192},
	{"write_over_hole", hole_prepare, write_over_hole_run, OP_NEEDS_PAGE, "/h", 1000, 43000},
	{"write_2m", write_3m_prepare, write_2m_run, OP_LONG, "/h", 4146, 2 * MIB},
	{"write_scattered", scattered_prepare, write_scattered_run, 0, "/h", 3000, 20 * 4096},
	{"write_scattered_over", scattered_prepare, write_scattered_over_run, OP_NEEDS_PAGE, "/h",
	 30 * 4096 + 100, 25 * 4096},
	{"write_scattered_many", scattered_prepare, write_scattered_many_run, 0, "/h", 0,
	 SCATTERED * 4096},
	{"write_run_page", write_3m_prepare, write_run_page_run, 0, "/h", 8192, 4096},
	{"write_run_pages", write_3m_prepare, write_run_pages_run, 0, "/h", 12288, 8192},
	{"write_run_part", write_3m_prepare, write_run_part_run, 0, "/h", 20000, 100},
	{"truncate_run", write_3m_prepare, truncate_run_run, 0, NULL, 0, 0},
	{"run_completed", run_completed_prepare, run_completed_run, OP_NEEDS_PAGE, "/h",
	 2 * MIB - 4096, 3 * 4096},
	{"run_refilled", run_refilled_prepare, run_refilled_run, 0, "/h", 511 * 4096, 4096},
	{"fsync", open_b_prepare, fsync_run, OP_FSYNC | OP_NEEDS_PAGE, "/b", 100, 9000},
	{"setid_write", setid_prepare, setid_write_run, OP_SETID, "/b", 128, 64},
	{"setid_write_page", setid_prepare, setid_write_page_run, OP_SETID, "/b", 0, 4096},
	{"setid_append", setid_prepare, setid_append_run, OP_SETID | OP_NEEDS_PAGE, "/b", 5000,
	 4000},
	{"setid_truncate", setid_prepare, setid_truncate_run, OP_SETID, "/b", 0, 0},
	{"setid_punch", setid_prepare, setid_punch_run, OP_SETID, "/b", 100, 4500},
	NAME_OP(setid_chown, setid_prepare, 0),
	NAME_OP(truncate_up, NULL, 0),
	NAME_OP(truncate_up_in_page, NULL, 0),
	NAME_OP(truncate_up_far, NULL, 0),
	NAME_OP(truncate_down, NULL, 0),
	NAME_OP(truncate_down_in_page, NULL, 0),
	NAME_OP(truncate_zero, NULL, 0),
	NAME_OP(truncate_zero_small, NULL, 0),
	NAME_OP(truncate_tall_down, tall_prepare, 0),
	NAME_OP(truncate_tall_middle, tall_prepare, 0),
	NAME_OP(truncate_tall_zero, tall_prepare, 0),
	NAME_OP(unlink_tall, tall_prepare, 0),
	NAME_OP(rename_over_tall, tall_prepare, 0),
	NAME_OP(truncate_open, open_b_prepare, 0),
	NAME_OP(truncate_no_records, no_records_prepare, OP_ALONE),
	NAME_OP(truncate_kept, kept_prepare, 0),
	{"close_kept", close_kept_prepare, close_run, 0, NULL, 0, 0},
	NAME_OP(allocate_grow, open_b_prepare, OP_NEEDS_PAGE),
	NAME_OP(allocate_first, open_empty_prepare, OP_NEEDS_PAGE),
	NAME_OP(allocate_keep, open_b_prepare, OP_NEEDS_PAGE),
	NAME_OP(allocate_holes, hole_prepare, OP_NEEDS_PAGE),
	NAME_OP(allocate_kept, kept_prepare, 0),
	NAME_OP(punch_bytes, open_b_prepare, 0),
	NAME_OP(punch_across, open_m_prepare, 0),
	NAME_OP(punch_page, open_m_prepare, 0),
	NAME_OP(punch_pages, open_m_prepare, 0),
	NAME_OP(punch_only_page, open_a_prepare, 0),
	NAME_OP(punch_all, open_m_prepare, 0),
	NAME_OP(punch_tables, open_tall_prepare, 0),
	{"punch_tall", open_tall_prepare, punch_tall_run, OP_PIECES, "/h", 5000, 2 * GIB},
	{"punch_odd", open_m_prepare, punch_odd_run, 0, "/m", 10, 3 * 4096 - 20},
	NAME_OP(zero_bytes, open_m_prepare, 0),
	NAME_OP(zero_pages, open_m_prepare, 0),
	NAME_OP(zero_only_page, open_a_prepare, 0),
	NAME_OP(zero_grow, open_b_prepare, OP_NEEDS_PAGE),
	NAME_OP(zero_keep, open_b_prepare, OP_NEEDS_PAGE),
	NAME_OP(zero_holes, hole_prepare, OP_NEEDS_PAGE),
	{"zero_odd", open_m_prepare, zero_odd_run, 0, "/m", 10, 3 * 4096 - 20},
	NAME_OP(unback, unback_prepare, 0),
	NAME_OP(unback_truncate, unback_prepare, 0),
	{"copy_over", open_m_prepare, copy_over_run, OP_OPENS, "/m", 7000, 4800},
	{"copy_over_bytes", open_m_prepare, copy_over_bytes_run, OP_OPENS, "/m", 7000, 700},
	{"copy_same", open_m_prepare, copy_same_run, OP_NEEDS_OFD, "/m", 50000, 20000},
	{"copy_first", open_empty_prepare, copy_first_run, OP_NEEDS_PAGE | OP_OPENS, "/empty", 0, 4096},
	{"copy_zeros", copy_zeros_prepare, copy_zeros_run, OP_OPENS, "/m", 50000, 43000},
	NAME_OP(copy_hole, copy_hole_prepare, OP_OPENS),
	{"map_write_64", map_m_prepare, map_write_64_run, 0, "/m", 128, 64},
	{"map_write_page", map_m_prepare, map_write_page_run, 0, "/m", 8192, 4096},
	{"map_write_two", map_m_prepare, map_write_two_run, 0, "/m", 8000, 8000},
	{"map_write_100k", map_m_prepare, map_write_100k_run, 0, "/m", 5001, 102400},
	{"map_write_over_end", map_m_prepare, map_write_over_end_run, OP_NEEDS_PAGE, "/m", 110000,
	 30000},
	{"map_write_small", map_small_prepare, map_write_small_run, 0, "/d/sub/y", 0, 4096},
	{"map_write_tall", map_tall_prepare, map_write_tall_run, 0, "/h", 2 * MIB - 4096, 8192},
	{"map_punch", map_m_prepare, map_punch_run, 0, "/m", 5001, 60000},
	{"map_zero", map_m_prepare, map_zero_run, 0, "/m", 5001, 60000},
	{"map_zero_grow", map_m_prepare, map_zero_grow_run, OP_NEEDS_PAGE, "/m", 110000, 60000},
	NAME_OP(map_hole, hole_prepare, OP_NEEDS_PAGE),
	NAME_OP(map_hole_write, hole_prepare, OP_NEEDS_PAGE),
	{"map_fsync", map_m_prepare, map_fsync_run, OP_FSYNC | OP_PIECES, "/m", 8192, 300},
	NAME_OP(map_truncate, map_m_prepare, 0),
	NAME_OP(map_truncate_up, map_truncate_up_prepare, 0),
	NAME_OP(map_unlink, map_unlink_prepare, 0),
	NAME_OP(lease_take, lease_free_prepare, LEASES),
	NAME_OP(lease_setid, lease_setid_prepare, LEASES),
	NAME_OP(lease_write, lease_free_prepare, LEASES),
	NAME_OP(lease_write_twice, lease_prepare, LEASES),
	NAME_OP(lease_held, lease_prepare, LEASES),
	NAME_OP(lease_cut, lease_prepare, LEASES),
	NAME_OP(lease_cut_several, lease_two_prepare, LEASES),
	NAME_OP(lease_back, lease_prepare, LEASES),
	{"lease_back_write", lease_prepare, lease_back_write_run, LEASES, "/m", LEASE_AFTER_OFF,
	 LEASE_AFTER_LEN},
	{"lease_back_write_two", lease_two_prepare, lease_back_write_two_run, LEASES, "/m",
	 LEASE_AFTER_OFF, LEASE_AFTER_LEN},
	{"lease_back_punch", lease_prepare, lease_back_punch_run, LEASES, "/m", LEASE_PUNCH_OFF,
	 LEASE_PUNCH_LEN},
	NAME_OP(lease_back_truncate, lease_prepare, LEASES),
	NAME_OP(lease_back_unlink, lease_prepare, LEASES),
	NAME_OP(lease_last, lease_full_prepare, LEASES),
	{"lease_then_reserve", lease_bytes_prepare, lease_then_reserve_run, LEASES, "/b", 0,
	 LEASE_BYTES_LEN},
	NAME_OP(inherit_creat, inherit_prepare, OP_NEEDS_PAGE | OP_NEEDS_INODE),
	NAME_OP(inherit_mkdir, inherit_prepare, OP_NEEDS_PAGE | OP_NEEDS_INODE),
	NAME_OP(inherit_tmpfile, inherit_prepare, OP_NEEDS_PAGE | OP_NEEDS_INODE | OP_OPENS),
	NAME_OP(xattr_first, NULL, OP_NEEDS_PAGE),
	NAME_OP(xattr_first_dir, NULL, OP_NEEDS_PAGE),
	NAME_OP(xattr_first_link, NULL, OP_NEEDS_PAGE),
	NAME_OP(xattr_first_large, NULL, OP_NEEDS_PAGE),
	NAME_OP(xattr_add, xattr_prepare, OP_NEEDS_PAGE),
	NAME_OP(xattr_replace, xattr_prepare, OP_NEEDS_PAGE),
	NAME_OP(xattr_replace_shorter, xattr_prepare, OP_NEEDS_PAGE),
	NAME_OP(xattr_mode, xattr_prepare, OP_NEEDS_PAGE),
	NAME_OP(xattr_mode_only, NULL, 0),
	NAME_OP(xattr_remove, xattr_prepare, 0),
	NAME_OP(xattr_remove_full, xattr_full_prepare, 0),
	NAME_OP(xattr_remove_last, xattr_prepare, 0),
	NAME_OP(xattr_unlink, xattr_prepare, 0),
	NAME_OP(xattr_rmdir, xattr_prepare, 0),
	NAME_OP(xattr_rename_over, xattr_prepare, 0),
	{"xattr_unlink_open", xattr_open_unlinked_prepare, xattr_unlink_run, 0, NULL, 0, 0},
	{"xattr_close_unlinked", xattr_close_unlinked_prepare, close_run, 0, NULL, 0, 0},
	NAME_OP(xattr_unlinked, xattr_close_unlinked_prepare, OP_NEEDS_PAGE),
	{"xattr_tmpfile_name", xattr_tmpfile_name_prepare, tmpfile_name_run, 0, NULL, 0, 0},
	NAME_OP(xattr_fifo, xattr_special_prepare, OP_NEEDS_PAGE),
	NAME_OP(xattr_unlink_fifo, xattr_special_prepare, 0),
	NAME_OP(grow_tail, NULL, 0),
	NAME_OP(grow_unit, grow_unit_prepare, 0),
	NAME_OP(grow_group, NULL, 0),
	NAME_OP(grow_dirty, grow_dirty_prepare, 0),
	NAME_OP(grow_most, grow_unit_prepare, 0),
	{"grow_extend", grow_extend_prepare, grow_extend_run, OP_NEEDS_PAGE | OP_OPENS, "/m", 118000, 20000},
	{"grow_set_up", grow_set_up_prepare, grow_set_up_run, OP_NEEDS_PAGE | OP_OPENS | OP_LONG, "/m", 118000, 20000},
	{"grow_write", grow_write_prepare, grow_write_run, OP_NEEDS_PAGE | OP_OPENS, "/m", 118000, 20000},
	NAME_OP(freeze, NULL, OP_FREEZES),
	NAME_OP(freeze_thaw, NULL, 0),
	{"attach", NULL, NULL, OP_ATTACH, NULL, 0, 0},
	{"detach", NULL, NULL, OP_DETACH, NULL, 0, 0},
	{"detach_promised", unlink_run, NULL, OP_DETACH, NULL, 0, 0},
};
const size_t op_count = sizeof(ops) / sizeof(ops[0]);

uint64_t op_pool_bytes(const struct op *op)
{
	return op->flags & OP_LEASE ? 64 * MIB : 24 * MIB;
}

struct tree_torn op_torn(const struct op *op, uint32_t mode, bool power, bool complete)
{
	struct tree_torn torn = {.complete = complete};

	torn.lazy = mode == UMFS_MODE_POSIX && power && !(complete && (op->flags & OP_FSYNC));
	/* atomic: never; else a write that returned is whole, but for posix's unsynced data */
	torn.mixed = op->path && (mode != UMFS_MODE_ATOMIC || (op->flags & OP_PIECES)) &&
		     (!complete || torn.lazy);
	torn.modes = (op->flags & OP_SETID) && !complete;
	torn.times_of = (op->flags & OP_TIMES) ? "/b" : NULL;
	return torn;
}
