// SPDX-License-Identifier: BSD-3-Clause
/* test_attr.c - attributes and rights. */
#include "unit.h"

static const struct umfs_cred user = {.uid = 1000, .gid = 1000};

static uint32_t new_file(struct unit *u, uint32_t mode, uint32_t uid, uint32_t gid)
{
	uint32_t ino;

	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "f", 1, 0100600, 0, &ino));
	assert_ok(umfs_chown(u->fs, &world_root, ino, uid, gid));
	assert_ok(umfs_chmod(u->fs, &world_root, ino, mode));
	return ino;
}

static struct umfs_attr get(struct unit *u, uint32_t ino)
{
	struct umfs_attr attr;

	assert_ok(umfs_getattr(u->fs, ino, &attr));
	return attr;
}

static void rights_by_class(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0640, 1000, 50), groups[] = {7, 50};
	struct umfs_cred member = {.uid = 1, .gid = 1, .group_count = 2, .groups = groups};
	struct umfs_cred stranger = {.uid = 1, .gid = 1};

	assert_ok(umfs_access(u->fs, &user, ino, 6));
	assert_err(umfs_access(u->fs, &user, ino, 1), EACCES);
	assert_ok(umfs_access(u->fs, &member, ino, 4));
	assert_err(umfs_access(u->fs, &member, ino, 2), EACCES);
	assert_err(umfs_access(u->fs, &stranger, ino, 4), EACCES);
	assert_ok(umfs_access(u->fs, &world_root, ino, 6));
	assert_err(umfs_access(u->fs, &world_root, ino, 1), EACCES); /* nobody may execute it */
	assert_ok(umfs_chmod(u->fs, &world_root, ino, 0077));
	assert_err(umfs_access(u->fs, &user, ino, 4), EACCES); /* the owner's class alone counts */
}

static void chmod_by_owner_only(void **state)
{
	struct unit *u = *state;
	struct umfs_cred stranger = {.uid = 1, .gid = 1};
	uint32_t ino = new_file(u, 0644, 1000, 1000);

	assert_ok(umfs_chmod(u->fs, &user, ino, 0123));
	assert_int_equal(get(u, ino).mode, 0100123);
	assert_err(umfs_chmod(u->fs, &stranger, ino, 0777), EPERM);
	assert_ok(umfs_chmod(u->fs, &world_root, ino, 0170777));
	assert_int_equal(get(u, ino).mode, 0100777); /* the type stays */
}

static void chown_keeps_and_clears(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 06755, 1000, 1000);

	assert_ok(umfs_chown(u->fs, &world_root, ino, ~0u, 5));
	assert_int_equal(get(u, ino).uid, 1000);
	assert_int_equal(get(u, ino).gid, 5);
	assert_int_equal(get(u, ino).mode & 06000, 0);
	assert_err(umfs_chown(u->fs, &user, ino, 7, ~0u), EPERM);
	assert_err(umfs_chown(u->fs, &user, ino, ~0u, 8), EPERM);
	assert_ok(umfs_chown(u->fs, &user, ino, ~0u, 1000));
	assert_ok(umfs_chown(u->fs, &user, ino, 1000, ~0u));
}

static void utimens_sets_omits_and_takes_now(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0644, 1000, 1000);
	struct umfs_cred stranger = {.uid = 1, .gid = 1};

	assert_ok(umfs_utimens(u->fs, &user, ino, 111, -222));
	assert_int_equal(get(u, ino).atime_ns, 111);
	assert_int_equal(get(u, ino).mtime_ns, -222);
	assert_ok(umfs_utimens(u->fs, &user, ino, UMFS_TIME_OMIT, 333));
	assert_int_equal(get(u, ino).atime_ns, 111);
	assert_int_equal(get(u, ino).mtime_ns, 333);
	assert_ok(umfs_utimens(u->fs, &user, ino, UMFS_TIME_NOW, UMFS_TIME_OMIT));
	assert_true(get(u, ino).atime_ns > 1000000000000000000);
	assert_int_equal(get(u, ino).mtime_ns, 333);
	assert_err(umfs_utimens(u->fs, &stranger, ino, 1, 1), EPERM);
	assert_err(umfs_utimens(u->fs, &stranger, ino, UMFS_TIME_NOW, UMFS_TIME_NOW), EACCES);
	assert_ok(umfs_chmod(u->fs, &user, ino, 0666));
	assert_ok(umfs_utimens(u->fs, &stranger, ino, UMFS_TIME_NOW, UMFS_TIME_NOW));
}

static void times_move_with_changes(void **state)
{
	struct unit *u = *state;
	struct umfs_attr first, now, dir, dir_now;
	struct umfs_file file;
	char c;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	first = get(u, file.ino);
	assert_ok(world_write(&file, 0, 10, 1));
	now = get(u, file.ino);
	assert_true(now.mtime_ns > first.mtime_ns && now.ctime_ns > first.ctime_ns);
	first = now;
	assert_ok(umfs_chmod(u->fs, &world_root, file.ino, 0600));
	now = get(u, file.ino);
	assert_true(now.mtime_ns == first.mtime_ns && now.ctime_ns > first.ctime_ns);
	assert_int_equal(umfs_pread(&file, &c, 1, 0), 1);
	assert_true(get(u, file.ino).atime_ns >= now.mtime_ns); /* relatime */
	dir = get(u, UMFS_ROOT_INO);
	assert_ok(world_creat(u->fs, "/g", 0644));
	dir_now = get(u, UMFS_ROOT_INO);
	assert_true(dir_now.mtime_ns > dir.mtime_ns);
	world_close(&file);
}

static void statfs_counts_what_is_used(void **state)
{
	struct unit *u = *state;
	struct umfs_statfs before, after;

	assert_ok(world_creat(u->fs, "/first", 0644));
	umfs_statfs(u->fs, &before);
	assert_ok(world_put(u->fs, "/f", 0, 10 * UMFS_PAGE_BYTES, 1));
	umfs_statfs(u->fs, &after);
	assert_int_equal(before.pages_free - after.pages_free, 11);
	assert_int_equal(before.inodes_free - after.inodes_free, 1);
	assert_int_equal(after.name_max, 255);
	assert_int_equal(after.atomic_bytes, 2 * MIB);
	assert_true(after.pages * UMFS_PAGE_BYTES < u->sim->bytes);
}

static void attributes_of_missing_inode_refused(void **state)
{
	struct unit *u = *state;

	assert_err(umfs_chmod(u->fs, &world_root, 900, 0), ENOENT);
	assert_err(umfs_chown(u->fs, &world_root, 900, 0, 0), ENOENT);
	assert_err(umfs_utimens(u->fs, &world_root, 900, 0, 0), ENOENT);
	assert_true(umfs_chmod(u->fs, &world_root, ~0u, 0) < 0);
	assert_true(umfs_truncate(u->fs, ~0u, 0) < 0);
}

static const struct CMUnitTest tests[] = {
	CASE(rights_by_class),
	CASE(chmod_by_owner_only),
	CASE(chown_keeps_and_clears),
	CASE(utimens_sets_omits_and_takes_now),
	CASE(times_move_with_changes),
	CASE(statfs_counts_what_is_used),
	CASE(attributes_of_missing_inode_refused),
};
UNIT_MAIN("attr", tests)
