// SPDX-License-Identifier: BSD-3-Clause
/* test_open.c - who has a file open, and what happens to it when nobody has. */
#include "open.h"
#include "unit.h"

#include <stdio.h>

static uint64_t inodes_free(struct unit *u)
{
	struct umfs_statfs st;

	umfs_statfs(u->fs, &st);
	return st.inodes_free;
}

static void file_unlinked_while_open_lives_until_close(void **state)
{
	struct unit *u = *state;
	uint64_t before;
	struct umfs_file file;
	struct umfs_attr attr;
	uint8_t want[10000], got[10000];

	assert_ok(world_creat(u->fs, "/other", 0644));
	before = unit_pages_free(u);
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 10000, 1));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_err(world_stat(u->fs, "/f", &attr), ENOENT);
	assert_ok(world_write(&file, 5000, 5000, 2));
	world_fill(want, 5000, 0, 1);
	world_fill(want + 5000, 5000, 5000, 2);
	assert_int_equal(umfs_pread(&file, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(want, got, sizeof(got));
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_int_equal(attr.nlink, 0);
	assert_true(unit_pages_free(u) < before);
	world_close(&file);
	assert_true(unit_pages_free(u) + 1 >= before); /* a spare page of the lane may remain */
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
}

static void file_unlinked_lives_while_another_process_has_it(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_file mine, theirs;
	uint8_t c;

	assert_ok(world_put(u->fs, "/f", 0, 10000, 1));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &mine));
	assert_ok(world_open(&other->fs, "/f", O_RDWR, &theirs));
	assert_ok(world_unlink(u->fs, "/f"));
	world_close(&mine);
	assert_int_equal(umfs_pread(&theirs, &c, 1, 9999), 1);
	assert_ok(world_write(&theirs, 20000, 1, 1));
	world_close(&theirs);
	sim_detach(other);
}

/* The dead's file waits; who opens another one does not. */
static void file_of_the_dead_locked_by_the_living_delays_nobody(void **state)
{
	struct unit *u = *state;
	struct sim_proc *dead = unit_attach(u), *slow = unit_attach(u);
	struct umfs_inode_pm *inode;
	struct umfs_file file;
	struct umfs_attr attr;
	uint32_t slot = dead->fs.slot;

	assert_ok(world_open(&dead->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_unlink(u->fs, "/f"));
	inode = umfs_inode(&slow->fs, file.ino);
	assert_ok(umfs_lock(&slow->fs, &inode->lock)); /* and it is stopped there */
	sim_kill(dead);
	assert_ok(umfs_slot_recover(u->fs, slot));
	assert_ok(world_creat(u->fs, "/g", 0644));
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	umfs_unlock(&slow->fs, &inode->lock);
	assert_ok(world_creat(u->fs, "/h", 0644));
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
	sim_detach(slow);
}

static void file_held_by_the_dead_reclaimed(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint32_t slot = other->fs.slot;
	struct umfs_file theirs;
	struct umfs_attr attr;
	uint64_t before;

	assert_ok(world_creat(u->fs, "/x", 0644));
	before = unit_pages_free(u);
	assert_ok(world_open(&other->fs, "/f", O_RDWR | O_CREAT, &theirs));
	assert_ok(world_write(&theirs, 0, 100000, 1));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_ok(umfs_getattr(u->fs, theirs.ino, &attr));
	sim_kill(other);
	assert_ok(umfs_slot_recover(u->fs, slot));
	assert_ok(world_creat(u->fs, "/y", 0644)); /* whoever works next reclaims */
	assert_ok(world_put(u->fs, "/x", 0, 0, 1));
	assert_err(umfs_getattr(u->fs, theirs.ino, &attr), ENOENT);
	assert_int_equal(unit_pages_free(u), before);
}

static void file_grown_trimmed_at_last_close(void **state)
{
	struct unit *u = *state;
	struct umfs_file one, two;
	struct umfs_attr attr;
	uint32_t i;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &one));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &two));
	for (i = 0; i < 33; i++)
		assert_ok(world_append(&one, UMFS_PAGE_BYTES, 1));
	world_close(&one);
	world_close(&two);
	assert_ok(world_stat(u->fs, "/f", &attr));
	assert_int_equal(attr.blocks_512, (33 + 1) * 8); /* its pages and a table */
}

static void descriptions_counted_by_descriptors(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	umfs_ofd_get(u->fs, file.ofd);
	umfs_ofd_put(u->fs, file.ofd);
	assert_non_null(umfs_ofd(u->fs, file.ofd));
	assert_int_equal(umfs_seek(&file, 5, 0), 5);
	umfs_ofd_put(u->fs, file.ofd);
	assert_err(umfs_seek(&file, 5, 0), EBADF);
	assert_null(umfs_ofd(u->fs, u->fs->geo.ofd_count));
	assert_null(umfs_ofd(u->fs, ~0u));
}

static void table_of_descriptions_full_refused(void **state)
{
	struct unit *u = *state;
	uint32_t count = u->fs->geo.ofd_count, i, n = 0, ino;
	uint32_t *ofd = calloc(count + 1, sizeof(*ofd));
	struct umfs_file file;
	uint64_t inodes;
	int err = 0;

	assert_non_null(ofd);
	u->sim->log = NULL;
	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_ino(u->fs, "/f", &ino));
	while (!err && n <= count) {
		err = umfs_open(u->fs, ino, O_RDONLY, &ofd[n]);
		n += !err;
	}
	assert_int_equal(err, -ENFILE);
	assert_int_equal(n, count);
	inodes = inodes_free(u);
	assert_err(world_tmpfile(u->fs, "/", true, &file), ENFILE);
	assert_int_equal(inodes_free(u), inodes);
	for (i = 0; i < n; i++)
		umfs_ofd_put(u->fs, ofd[i]);
	assert_ok(umfs_open(u->fs, ino, O_RDONLY, &ofd[0]));
	umfs_ofd_put(u->fs, ofd[0]);
	free(ofd);
}

/* As many different open files as there are records for, not one more, and no harm done. */
static void table_of_open_inodes_full_refused(void **state)
{
	struct unit *u = *state;
	uint32_t count, i, n = 0;
	uint32_t *ofd;
	struct umfs_file file;
	struct umfs_attr attr;
	uint64_t inodes;
	char path[32];
	int err = 0;

	unit_pool(u, 32 * MIB, 4096);
	count = u->fs->geo.irec_count;
	ofd = calloc(count + 2, sizeof(*ofd));
	assert_non_null(ofd);
	assert_ok(world_put(u->fs, "/large", 0, 4 * MIB, 1));
	assert_ok(world_put(u->fs, "/large", GIB, 10, 1));
	while (!err && n <= count) {
		uint32_t ino;

		snprintf(path, sizeof(path), "/%u", n);
		assert_ok(world_creat(u->fs, path, 0644));
		assert_ok(world_ino(u->fs, path, &ino));
		err = umfs_open(u->fs, ino, O_RDONLY, &ofd[n]);
		n += !err;
	}
	assert_int_equal(err, -ENFILE);
	inodes = inodes_free(u);
	assert_err(world_tmpfile(u->fs, "/", true, &file), ENFILE);
	assert_int_equal(inodes_free(u), inodes);
	/* Removing may need one to be safe: then it is refused, and the file is as it was. */
	err = world_unlink(u->fs, "/large");
	assert_true(err == 0 || err == -ENFILE);
	assert_int_equal(world_stat(u->fs, "/large", &attr), err ? 0 : -ENOENT);
	for (i = 0; i < n; i++)
		umfs_ofd_put(u->fs, ofd[i]);
	assert_int_equal(world_unlink(u->fs, "/large"), err ? 0 : -ENOENT);
	free(ofd);
}

static void tmpfile_has_no_name_and_goes_with_its_holder(void **state)
{
	struct unit *u = *state;
	uint64_t inodes = inodes_free(u);
	struct umfs_file file;
	struct umfs_attr attr;
	struct tree t;
	char why[256];

	assert_ok(world_tmpfile(u->fs, "/", true, &file));
	assert_int_equal(inodes_free(u), inodes - 1);
	assert_ok(world_write(&file, 0, 10000, 1));
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_int_equal(attr.nlink, 0);
	assert_int_equal(attr.mode, 0100644);
	assert_int_equal(attr.size, 10000);
	assert_ok(tree_read(u->fs, &t, why));
	assert_int_equal(t.count, 1);
	tree_free(&t);
	world_close(&file);
	assert_int_equal(inodes_free(u), inodes);
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
}

static void tmpfile_named_once_stays(void **state)
{
	struct unit *u = *state;
	struct umfs_file file, again;
	struct umfs_attr attr;
	uint8_t c;

	assert_ok(world_creat(u->fs, "/there", 0644));
	assert_ok(world_tmpfile(u->fs, "/", true, &file));
	assert_ok(world_write(&file, 0, 5000, 1));
	assert_err(world_name(&file, "/there"), EEXIST);
	assert_ok(world_name(&file, "/f"));
	assert_ok(world_name(&file, "/g"));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_ok(world_unlink(u->fs, "/g"));
	/* What had a name and lost it can not be named again. */
	assert_err(world_name(&file, "/h"), ENOENT);
	world_close(&file);
	assert_ok(world_tmpfile(u->fs, "/", true, &file));
	assert_ok(world_write(&file, 0, 5000, 1));
	assert_ok(world_name(&file, "/f"));
	world_close(&file);
	unit_die(u);
	assert_ok(world_stat(u->fs, "/f", &attr));
	assert_int_equal(attr.nlink, 1);
	assert_ok(world_open(u->fs, "/f", O_RDONLY, &again));
	assert_int_equal(umfs_pread(&again, &c, 1, 4999), 1);
	world_close(&again);
}

static void tmpfile_exclusive_not_named(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;

	assert_ok(world_tmpfile(u->fs, "/", false, &file));
	assert_err(world_name(&file, "/f"), ENOENT);
	world_close(&file);
}

static void tmpfile_of_the_dead_reclaimed(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint64_t inodes = inodes_free(u);
	uint32_t slot = other->fs.slot;
	struct umfs_file file;

	assert_ok(world_tmpfile(&other->fs, "/", true, &file));
	assert_ok(world_write(&file, 0, 100000, 1));
	sim_kill(other);
	assert_ok(umfs_slot_recover(u->fs, slot));
	umfs_reap(u->fs, true);
	assert_int_equal(inodes_free(u), inodes);
}

/* A file without a name, in records from `at` on, of a process that dies. */
static uint32_t die_with_open(struct unit *u, uint32_t at)
{
	struct sim_proc *other = unit_attach(u);
	uint32_t slot = other->fs.slot, i;
	struct umfs_file file;

	for (i = 0; i < UMFS_RECENTS; i++)
		other->fs.recent[i] = (struct umfs_recent){.irec_cursor = at, .ofd_cursor = at};
	assert_ok(world_tmpfile(&other->fs, "/", true, &file));
	assert_int_equal(file.ofd, at);
	sim_kill(other);
	return slot;
}

static void records_of_the_dead_found_wherever_they_are(void **state)
{
	struct unit *u = *state;
	struct umfs_runtime_pm *rt = umfs_runtime(u->fs);
	uint32_t count = u->fs->geo.ofd_count, i;
	uint32_t at[] = {0, 1, count / 2, count - 1};
	uint64_t inodes = inodes_free(u);

	for (i = 0; i < 3 * UMFS_ARRAY_LEN(at); i++) {
		uint32_t slot = die_with_open(u, at[i / 3]);

		/* Words of another epoch are not believed, nor where somebody does not know of them. */
		if (i % 3) {
			st64(&rt->ofd_blocks, 0);
			st64(&rt->irec_blocks, 0);
		}
		if (i % 3 == 1)
			st32(&rt->blocks_epoch, u->fs->epoch - 1);
		if (i % 3 == 2)
			st32(&umfs_slot(u->fs, slot)->notes, 0);
		assert_ok(umfs_slot_recover(u->fs, slot));
		assert_int_equal(u->fs->zombies, 1);
		umfs_reap(u->fs, true);
		assert_int_equal(inodes_free(u), inodes);
		st64(&rt->ofd_blocks, 0);
		st64(&rt->irec_blocks, 0);
		st32(&rt->blocks_epoch, u->fs->epoch);
	}
}

static void blocks_are_the_whole_table(void **state)
{
	static const uint32_t counts[] = {1, 2, 63, 64, 65, 100, 127, 129, 1000, 65536};
	uint32_t i;

	(void)state;
	for (i = 0; i < UMFS_ARRAY_LEN(counts); i++) {
		uint64_t all = ~0ull;
		uint32_t next = 0, from = 0, to = 0, k;

		while (umfs_block_next(&all, counts[i], &from, &to)) {
			assert_int_equal(from, next);
			next = to;
		}
		assert_int_equal(next, counts[i]);
		for (k = 0; k < counts[i]; k++) {
			le64 one = {0};
			uint64_t word;

			umfs_block_note(&one, counts[i], k);
			word = ld64(&one);
			assert_true(umfs_block_next(&word, counts[i], &from, &to));
			assert_true(from <= k && k < to && !word);
		}
	}
}

static void tmpfile_as_its_directory_says(void **state)
{
	static const struct umfs_cred user = {.uid = 1000, .gid = 1000, .umask = 022};
	struct unit *u = *state;
	uint64_t inodes;
	uint32_t ofd, file, dir;
	struct umfs_attr attr;
	struct umfs_file f;

	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_ino(u->fs, "/f", &file));
	inodes = inodes_free(u);
	assert_err(umfs_tmpfile(u->fs, &user, UMFS_ROOT_INO, 0600, true, O_RDWR, &ofd), EACCES);
	assert_err(umfs_tmpfile(u->fs, &world_root, file, 0600, true, O_RDWR, &ofd), ENOTDIR);
	assert_int_equal(inodes_free(u), inodes);
	/* A setgid directory gives its group here too. */
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_ino(u->fs, "/d", &dir));
	assert_ok(umfs_chown(u->fs, &world_root, dir, ~0u, 77));
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 02777));
	assert_ok(umfs_tmpfile(u->fs, &user, dir, 0666, true, O_RDWR, &ofd));
	assert_ok(umfs_file_init(u->fs, ofd, &f));
	assert_ok(umfs_getattr(u->fs, f.ino, &attr));
	assert_int_equal(attr.gid, 77);
	assert_int_equal(attr.mode, 0100644);
	umfs_ofd_put(u->fs, ofd);
}

static void file_without_a_name_opened_again_by_number(void **state)
{
	struct unit *u = *state;
	struct umfs_file file, again;
	uint32_t ofd;
	uint8_t c;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 10, 1));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_ok(umfs_open(u->fs, file.ino, O_RDWR, &ofd));
	assert_ok(umfs_file_init(u->fs, ofd, &again));
	world_close(&file);
	assert_int_equal(umfs_pread(&again, &c, 1, 9), 1);
	world_close(&again);
	assert_err(umfs_open(u->fs, file.ino, O_RDWR, &ofd), ENOENT);
}

/* A call that was on its way while the descriptor was closed, and the file opened again. */
static void ofd_closed_and_taken_again_is_another(void **state)
{
	struct unit *u = *state;
	struct umfs_file old, new;
	uint8_t buf[10];
	struct umfs_iov iov = {buf, sizeof(buf)};

	assert_ok(world_put(u->fs, "/f", 0, 100, 1));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &old));
	world_close(&old);
	assert_ok(world_open(u->fs, "/f", O_RDWR, &new));
	assert_int_equal(new.ofd, old.ofd);
	assert_int_equal(new.ino, old.ino);
	assert_err(umfs_readv(&old, &iov, 1), EBADF);
	assert_err(umfs_seek(&old, 50, 0), EBADF);
	assert_err(umfs_ofd_set_flags(&old, O_APPEND, O_APPEND), EBADF);
	assert_int_equal(umfs_seek(&new, 0, 1), 0);
	assert_ok(umfs_ofd_set_flags(&new, O_APPEND | O_NONBLOCK, O_APPEND));
	assert_int_equal(ld32(&umfs_ofd_of(&new)->flags), O_RDWR | O_APPEND);
	assert_ok(umfs_ofd_set_flags(&new, O_NONBLOCK, O_NONBLOCK | O_SYNC));
	assert_int_equal(ld32(&umfs_ofd_of(&new)->flags), O_RDWR | O_APPEND | O_NONBLOCK);
	world_close(&new);
}

/* A record that is free and has bits in it, as no process leaves one. */
static void record_with_stale_holders_cleared_by_recovery(void **state)
{
	struct unit *u = *state;
	uint32_t i, k;

	for (i = 0; i < u->fs->geo.irec_count; i++)
		if (ld64(&umfs_irec(u->fs, i)->key) >> 32 != u->fs->epoch)
			st64(&umfs_irec(u->fs, i)->opens[i % 4], ~0ull);
	unit_die(u);
	for (i = 0; i < u->fs->geo.irec_count; i++)
		for (k = 0; k < 4; k++)
			assert_int_equal(ld64(&umfs_irec(u->fs, i)->opens[k]), 0);
}

static void open_of_missing_inode_refused(void **state)
{
	struct unit *u = *state;
	uint32_t ofd;

	assert_err(umfs_open(u->fs, 900, O_RDONLY, &ofd), ENOENT);
	assert_true(umfs_open(u->fs, 0, O_RDONLY, &ofd) < 0);
	assert_true(umfs_open(u->fs, ~0u, O_RDONLY, &ofd) < 0);
}

static void file_of_earlier_generation_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	char c = 'x';
	uint32_t i;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	world_close(&file);
	assert_ok(world_unlink(u->fs, "/f"));
	for (i = 0; i < 1500; i++) { /* until the inode is somebody else's */
		uint32_t ino;

		assert_ok(world_creat(u->fs, "/g", 0644));
		assert_ok(world_ino(u->fs, "/g", &ino));
		if (ino == file.ino)
			break;
		assert_ok(world_unlink(u->fs, "/g"));
	}
	assert_true(i < 1500);
	assert_err(umfs_pread(&file, &c, 1, 0), EBADF);
	assert_err(umfs_pwrite(&file, &c, 1, 0), EBADF);
}

static const struct CMUnitTest tests[] = {
	CASE(file_unlinked_while_open_lives_until_close),
	CASE(file_unlinked_lives_while_another_process_has_it),
	CASE(file_of_the_dead_locked_by_the_living_delays_nobody),
	CASE(file_held_by_the_dead_reclaimed),
	CASE(file_grown_trimmed_at_last_close),
	CASE(descriptions_counted_by_descriptors),
	CASE(table_of_descriptions_full_refused),
	CASE(table_of_open_inodes_full_refused),
	CASE(tmpfile_has_no_name_and_goes_with_its_holder),
	CASE(tmpfile_named_once_stays),
	CASE(tmpfile_exclusive_not_named),
	CASE(tmpfile_of_the_dead_reclaimed),
	CASE(records_of_the_dead_found_wherever_they_are),
	CASE(blocks_are_the_whole_table),
	CASE(tmpfile_as_its_directory_says),
	CASE(file_without_a_name_opened_again_by_number),
	CASE(ofd_closed_and_taken_again_is_another),
	CASE(record_with_stale_holders_cleared_by_recovery),
	CASE(open_of_missing_inode_refused),
	CASE(file_of_earlier_generation_refused),
};
UNIT_MAIN("open", tests)
