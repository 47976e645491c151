// SPDX-License-Identifier: BSD-3-Clause
/* test_namei.c - creating, linking, removing, renaming: what POSIX allows and refuses. */
#include "unit.h"

#include <stdio.h>

static const struct umfs_cred user = {.uid = 1000, .gid = 1000, .umask = 022};
static const struct umfs_cred other = {.uid = 2000, .gid = 2000, .umask = 022};

static struct umfs_attr stat_of(struct unit *u, const char *path)
{
	struct umfs_attr attr = {0};

	assert_ok(world_stat(u->fs, path, &attr));
	return attr;
}

static int missing(struct unit *u, const char *path)
{
	struct umfs_attr attr;

	return world_stat(u->fs, path, &attr);
}

/* ---- create ---- */

static void create_of_existing_refused_and_named(void **state)
{
	struct unit *u = *state;
	umfs_node first, again = 0;

	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "a", 1, 0100644, 0, &first));
	assert_err(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "a", 1, 0100644, 0, &again),
		   EEXIST);
	assert_int_equal((uint32_t)first, again);
	assert_err(world_mkdir(u->fs, "/a"), EEXIST);
	assert_err(world_symlink(u->fs, "x", "/a"), EEXIST);
}

static void create_uses_umask_and_ids(void **state)
{
	struct unit *u = *state;
	struct umfs_attr attr;
	umfs_node node;

	assert_ok(umfs_chmod(u->fs, &world_root, UMFS_ROOT_INO, 0777));
	assert_ok(umfs_create(u->fs, &user, UMFS_ROOT_INO, "a", 1, 0100666, 0, &node));
	attr = stat_of(u, "/a");
	assert_int_equal(attr.mode, 0100644);
	assert_int_equal(attr.uid, 1000);
	assert_int_equal(attr.gid, 1000);
	assert_int_equal(attr.nlink, 1);
}

static void create_of_special_files_kept(void **state)
{
	struct unit *u = *state;
	umfs_node node;

	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "p", 1, 0010644, 0, &node));
	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "s", 1, 0140644, 0, &node));
	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "c", 1, 0020644, 0x501, &node));
	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "b", 1, 0060644, 0x801, &node));
	assert_int_equal(stat_of(u, "/p").mode & 0170000, 0010000);
	assert_int_equal(stat_of(u, "/s").mode & 0170000, 0140000);
	assert_int_equal(stat_of(u, "/c").rdev, 0x501);
	assert_int_equal(stat_of(u, "/b").rdev, 0x801);
	/* Only devices have a number, and only these types are made here. */
	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "q", 1, 0010644, 0x501, &node));
	assert_int_equal(stat_of(u, "/q").rdev, 0);
	assert_err(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "x", 1, 0040755, 0, &node), EINVAL);
	assert_err(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "x", 1, 0120777, 0, &node), EINVAL);
	assert_err(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "x", 1, 0050644, 0, &node), EINVAL);
	assert_err(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "x", 1, 0170644, 0, &node), EINVAL);
}

static void special_files_hold_no_bytes(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	char c;

	assert_ok(world_mknod(u->fs, "/p", 0010644, 0));
	assert_ok(world_open(u->fs, "/p", O_RDWR, &file));
	assert_err(umfs_pread(&file, &c, 1, 0), EINVAL);
	assert_err(umfs_pwrite(&file, "x", 1, 0), EINVAL);
	assert_err(umfs_truncate(u->fs, file.ino, 10), EINVAL);
	assert_ok(world_unlink(u->fs, "/p"));
	world_close(&file);
	assert_err(umfs_getattr(u->fs, file.ino, &(struct umfs_attr){0}), ENOENT);
}

static void create_in_setgid_directory_inherits(void **state)
{
	struct unit *u = *state;
	uint32_t dir;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_ino(u->fs, "/d", &dir));
	assert_ok(umfs_chown(u->fs, &world_root, dir, ~0u, 77));
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 02755));
	assert_ok(world_creat(u->fs, "/d/f", 0644));
	assert_ok(world_mkdir(u->fs, "/d/sub"));
	assert_int_equal(stat_of(u, "/d/f").gid, 77);
	assert_int_equal(stat_of(u, "/d/sub").gid, 77);
	assert_int_equal(stat_of(u, "/d/sub").mode & 02000, 02000);
}

static void create_in_setgid_directory_keeps_others_from_its_group(void **state)
{
	struct unit *u = *state;
	uint32_t dir;
	umfs_node node;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_ino(u->fs, "/d", &dir));
	assert_ok(umfs_chown(u->fs, &world_root, dir, ~0u, 77));
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 02777));
	/* Not in group 77: no program that runs as that group. */
	assert_ok(umfs_create(u->fs, &user, dir, "f", 1, 0102775, 0, &node));
	assert_int_equal(stat_of(u, "/d/f").mode, 0100755);
	assert_int_equal(stat_of(u, "/d/f").gid, 77);
	assert_ok(umfs_create(u->fs, &user, dir, "g", 1, 0102765, 0, &node));
	assert_int_equal(stat_of(u, "/d/g").mode, 0102745);
	assert_ok(umfs_create(u->fs, &world_root, dir, "h", 1, 0102775, 0, &node));
	assert_int_equal(stat_of(u, "/d/h").mode, 0102755);
	assert_ok(umfs_create(u->fs, &user, dir, "i", 1, 0104755, 0, &node));
	assert_int_equal(stat_of(u, "/d/i").mode, 0104755);
}

static void create_below_a_file_refused(void **state)
{
	struct unit *u = *state;
	uint32_t file, found;
	umfs_node node;

	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_ino(u->fs, "/f", &file));
	assert_err(umfs_create(u->fs, &world_root, file, "x", 1, 0100644, 0, &node), ENOTDIR);
	assert_err(umfs_lookup(u->fs, file, "x", 1, &found), ENOTDIR);
}

static void create_in_removed_directory_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_file held;
	uint32_t dir;
	umfs_node node;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_open(u->fs, "/d", O_RDONLY, &held));
	dir = held.ino;
	assert_ok(world_rmdir(u->fs, "/d"));
	assert_err(umfs_create(u->fs, &world_root, dir, "x", 1, 0100644, 0, &node), ENOENT);
	assert_err(umfs_mkdir(u->fs, &world_root, dir, "x", 1, 0755, &node), ENOENT);
	world_close(&held);
}

static void dot_names_refused(void **state)
{
	struct unit *u = *state;
	umfs_node node;

	assert_true(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, ".", 1, 0100644, 0, &node) < 0);
	assert_true(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "..", 2, 0100644, 0, &node) < 0);
	assert_true(umfs_rmdir(u->fs, &world_root, UMFS_ROOT_INO, ".", 1) < 0);
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_true(umfs_rename(u->fs, &world_root, UMFS_ROOT_INO, "d", 1, UMFS_ROOT_INO, "..", 2,
				0) < 0);
}

static void symlink_targets_at_the_limits(void **state)
{
	struct unit *u = *state;
	static char target[4097], got[5000];
	umfs_node node;

	memset(target, 't', sizeof(target));
	assert_ok(umfs_symlink(u->fs, &world_root, UMFS_ROOT_INO, "a", 1, target, 1, &node));
	assert_ok(umfs_symlink(u->fs, &world_root, UMFS_ROOT_INO, "b", 1, target, 4095, &node));
	assert_int_equal(umfs_readlink(u->fs, node, got, sizeof(got)), 4095);
	assert_memory_equal(got, target, 4095);
	assert_int_equal(umfs_readlink(u->fs, node, got, 10), 10);
	assert_err(umfs_symlink(u->fs, &world_root, UMFS_ROOT_INO, "c", 1, target, 4096, &node),
		   ENAMETOOLONG);
	assert_err(umfs_symlink(u->fs, &world_root, UMFS_ROOT_INO, "c", 1, target, 0, &node),
		   ENOENT);
	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_node(u->fs, "/f", &node));
	assert_err(umfs_readlink(u->fs, node, got, sizeof(got)), EINVAL);
}

/* ---- links ---- */

static void link_count_up_to_65000(void **state)
{
	struct unit *u = *state;
	char path[32];
	uint32_t i;

	unit_pool(u, 64 * MIB, 1024);
	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_mkdir(u->fs, "/d"));
	for (i = 1; i < UMFS_LINKS_MAX; i++) {
		sprintf(path, "/d/%u", i);
		assert_ok(world_link(u->fs, "/f", path));
	}
	assert_int_equal(stat_of(u, "/f").nlink, UMFS_LINKS_MAX);
	assert_err(world_link(u->fs, "/f", "/d/more"), EMLINK);
	assert_ok(world_unlink(u->fs, "/d/5"));
	assert_ok(world_link(u->fs, "/f", "/d/more"));
}

static void subdirectories_up_to_the_link_limit(void **state)
{
	struct unit *u = *state;
	char path[32];
	uint32_t i;

	unit_pool(u, 600 * MIB, 70000);
	assert_ok(world_mkdir(u->fs, "/d"));
	for (i = 2; i < UMFS_LINKS_MAX; i++) {
		sprintf(path, "/d/%u", i);
		assert_ok(world_mkdir(u->fs, path));
	}
	assert_int_equal(stat_of(u, "/d").nlink, UMFS_LINKS_MAX);
	assert_err(world_mkdir(u->fs, "/d/more"), EMLINK);
	assert_ok(world_mkdir(u->fs, "/outside"));
	assert_err(world_rename(u->fs, "/outside", "/d/more"), EMLINK);
	assert_ok(world_creat(u->fs, "/d/file", 0644));
	assert_err(world_rename2(u->fs, "/outside", "/d/file", UMFS_RENAME_EXCHANGE), EMLINK);
	assert_err(world_rename2(u->fs, "/d/file", "/outside", UMFS_RENAME_EXCHANGE), EMLINK);
	assert_ok(world_rename2(u->fs, "/d/5", "/outside", UMFS_RENAME_EXCHANGE));
}

static void link_of_directory_refused(void **state)
{
	struct unit *u = *state;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_err(world_link(u->fs, "/d", "/e"), EPERM);
	assert_err(world_link(u->fs, "/d", "/d/e"), EPERM);
}

static void link_over_existing_refused(void **state)
{
	struct unit *u = *state;

	assert_ok(world_creat(u->fs, "/a", 0644));
	assert_ok(world_creat(u->fs, "/b", 0644));
	assert_err(world_link(u->fs, "/a", "/b"), EEXIST);
	assert_err(world_link(u->fs, "/a", "/a"), EEXIST);
	assert_int_equal(stat_of(u, "/a").nlink, 1);
}

/* ---- unlink, rmdir ---- */

static void unlink_of_wrong_kinds_refused(void **state)
{
	struct unit *u = *state;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_err(world_unlink(u->fs, "/d"), EISDIR);
	assert_err(world_rmdir(u->fs, "/f"), ENOTDIR);
	assert_err(world_unlink(u->fs, "/none"), ENOENT);
	assert_err(world_rmdir(u->fs, "/none"), ENOENT);
}

static void rmdir_of_used_directory_refused(void **state)
{
	struct unit *u = *state;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_creat(u->fs, "/d/f", 0644));
	assert_err(world_rmdir(u->fs, "/d"), ENOTEMPTY);
	assert_ok(world_unlink(u->fs, "/d/f"));
	assert_ok(world_rmdir(u->fs, "/d"));
	assert_int_equal(stat_of(u, "/").nlink, 2);
}

static void sticky_directory_keeps_others_files(void **state)
{
	struct unit *u = *state;
	umfs_node node;

	assert_ok(umfs_chmod(u->fs, &world_root, UMFS_ROOT_INO, 01777));
	assert_ok(umfs_create(u->fs, &user, UMFS_ROOT_INO, "f", 1, 0100666, 0, &node));
	assert_err(umfs_unlink(u->fs, &other, UMFS_ROOT_INO, "f", 1), EPERM);
	assert_err(umfs_rename(u->fs, &other, UMFS_ROOT_INO, "f", 1, UMFS_ROOT_INO, "g", 1, 0),
		   EPERM);
	/* Nor may another's file be replaced or exchanged. */
	assert_ok(umfs_create(u->fs, &other, UMFS_ROOT_INO, "o", 1, 0100666, 0, &node));
	assert_err(umfs_rename(u->fs, &other, UMFS_ROOT_INO, "o", 1, UMFS_ROOT_INO, "f", 1, 0), EPERM);
	assert_err(umfs_rename(u->fs, &other, UMFS_ROOT_INO, "o", 1, UMFS_ROOT_INO, "f", 1,
			       UMFS_RENAME_EXCHANGE),
		   EPERM);
	assert_ok(umfs_mkdir(u->fs, &user, UMFS_ROOT_INO, "d", 1, 0777, &node));
	assert_err(umfs_rmdir(u->fs, &other, UMFS_ROOT_INO, "d", 1), EPERM);
	assert_ok(umfs_unlink(u->fs, &user, UMFS_ROOT_INO, "f", 1));
	/* The directory's owner may take what is anybody's. */
	assert_ok(umfs_chown(u->fs, &world_root, UMFS_ROOT_INO, 1000, ~0u));
	assert_ok(umfs_unlink(u->fs, &user, UMFS_ROOT_INO, "o", 1));
}

static void changes_without_write_permission_refused(void **state)
{
	struct unit *u = *state;
	uint32_t file;
	umfs_node node;

	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_ino(u->fs, "/f", &file));
	assert_err(umfs_create(u->fs, &user, UMFS_ROOT_INO, "x", 1, 0100644, 0, &node), EACCES);
	assert_err(umfs_mkdir(u->fs, &user, UMFS_ROOT_INO, "x", 1, 0755, &node), EACCES);
	assert_err(umfs_symlink(u->fs, &user, UMFS_ROOT_INO, "x", 1, "t", 1, &node), EACCES);
	assert_err(umfs_link(u->fs, &user, file, UMFS_ROOT_INO, "x", 1), EACCES);
	assert_err(umfs_unlink(u->fs, &user, UMFS_ROOT_INO, "f", 1), EACCES);
	assert_err(umfs_rename(u->fs, &user, UMFS_ROOT_INO, "f", 1, UMFS_ROOT_INO, "x", 1, 0),
		   EACCES);
}

/* ---- rename ---- */

static void rename_to_own_subdirectory_refused(void **state)
{
	struct unit *u = *state;

	assert_ok(world_mkdir(u->fs, "/a"));
	assert_ok(world_mkdir(u->fs, "/a/b"));
	assert_ok(world_mkdir(u->fs, "/a/b/c"));
	assert_err(world_rename(u->fs, "/a", "/a/b/c/a"), EINVAL);
	assert_err(world_rename(u->fs, "/a", "/a/x"), EINVAL);
	assert_err(world_rename(u->fs, "/a/b/c", "/a/b"), ENOTEMPTY);
	assert_ok(world_rename(u->fs, "/a/b/c", "/c"));
	assert_ok(world_rename(u->fs, "/a", "/c/a"));
	assert_ok(missing(u, "/c/a/b"));
}

static void rename_over_wrong_kinds_refused(void **state)
{
	struct unit *u = *state;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_mkdir(u->fs, "/full"));
	assert_ok(world_creat(u->fs, "/full/x", 0644));
	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_err(world_rename(u->fs, "/d", "/f"), ENOTDIR);
	assert_err(world_rename(u->fs, "/f", "/d"), EISDIR);
	assert_err(world_rename(u->fs, "/d", "/full"), ENOTEMPTY);
	assert_err(world_rename(u->fs, "/none", "/f"), ENOENT);
	assert_ok(world_rename(u->fs, "/full", "/d"));
	assert_ok(missing(u, "/d/x"));
}

static void rename_to_itself_changes_nothing(void **state)
{
	struct unit *u = *state;

	assert_ok(world_creat(u->fs, "/a", 0644));
	assert_ok(world_link(u->fs, "/a", "/b"));
	assert_ok(world_rename(u->fs, "/a", "/a"));
	assert_ok(world_rename(u->fs, "/a", "/b"));
	assert_int_equal(stat_of(u, "/a").nlink, 2);
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_rename(u->fs, "/d", "/d"));
}

static void rename_moves_directory_counts(void **state)
{
	struct unit *u = *state;
	struct tree t;
	char why[256];

	assert_ok(world_mkdir(u->fs, "/a"));
	assert_ok(world_mkdir(u->fs, "/b"));
	assert_ok(world_mkdir(u->fs, "/a/d"));
	assert_ok(world_rename(u->fs, "/a/d", "/b/d"));
	assert_int_equal(stat_of(u, "/a").nlink, 2);
	assert_int_equal(stat_of(u, "/b").nlink, 3);
	assert_ok(world_mkdir(u->fs, "/a/e"));
	assert_ok(world_rename(u->fs, "/b/d", "/a/e"));
	assert_int_equal(stat_of(u, "/a").nlink, 3);
	assert_int_equal(stat_of(u, "/b").nlink, 2);
	assert_ok(tree_read(u->fs, &t, why));
	tree_free(&t);
}

static void rename_over_file_frees_it(void **state)
{
	struct unit *u = *state;
	uint64_t before;

	assert_ok(world_creat(u->fs, "/a", 0644));
	before = unit_pages_free(u);
	assert_ok(world_put(u->fs, "/b", 0, MIB, 1));
	assert_ok(world_rename(u->fs, "/a", "/b"));
	assert_int_equal(unit_pages_free(u), before);
	assert_int_equal(stat_of(u, "/b").size, 0);
}

static void rename_with_unknown_flags_refused(void **state)
{
	struct unit *u = *state;

	assert_ok(world_creat(u->fs, "/a", 0644));
	assert_ok(world_creat(u->fs, "/b", 0644));
	assert_err(world_rename2(u->fs, "/a", "/b", 6), EINVAL); /* a whiteout and an exchange */
	assert_err(world_rename2(u->fs, "/a", "/b", 3), EINVAL);
	assert_err(world_rename2(u->fs, "/a", "/b", 1u << 31), EINVAL);
	assert_ok(missing(u, "/a"));
}

static void rename_noreplace_keeps_what_is_there(void **state)
{
	struct unit *u = *state;

	assert_ok(world_put(u->fs, "/a", 0, 10, 1));
	assert_ok(world_put(u->fs, "/b", 0, 20, 1));
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_err(world_rename2(u->fs, "/a", "/b", UMFS_RENAME_NOREPLACE), EEXIST);
	assert_err(world_rename2(u->fs, "/a", "/a", UMFS_RENAME_NOREPLACE), EEXIST);
	assert_err(world_rename2(u->fs, "/a", "/d", UMFS_RENAME_NOREPLACE), EEXIST);
	assert_err(world_rename2(u->fs, "/none", "/x", UMFS_RENAME_NOREPLACE), ENOENT);
	assert_int_equal(stat_of(u, "/b").size, 20);
	assert_ok(world_rename2(u->fs, "/a", "/d/x", UMFS_RENAME_NOREPLACE));
	assert_err(missing(u, "/a"), ENOENT);
}

static void exchange_moves_directory_counts(void **state)
{
	struct unit *u = *state;
	struct tree t;
	char why[256];

	assert_ok(world_mkdir(u->fs, "/a"));
	assert_ok(world_mkdir(u->fs, "/b"));
	assert_ok(world_mkdir(u->fs, "/a/d"));
	assert_ok(world_creat(u->fs, "/a/d/deep", 0644));
	assert_ok(world_creat(u->fs, "/b/f", 0644));
	assert_ok(world_rename2(u->fs, "/a/d", "/b/f", UMFS_RENAME_EXCHANGE));
	assert_int_equal(stat_of(u, "/a").nlink, 2);
	assert_int_equal(stat_of(u, "/b").nlink, 3);
	assert_ok(missing(u, "/b/f/deep"));
	assert_ok(world_rename2(u->fs, "/a/d", "/b/f", UMFS_RENAME_EXCHANGE));
	assert_int_equal(stat_of(u, "/a").nlink, 3);
	assert_int_equal(stat_of(u, "/b").nlink, 2);
	assert_ok(world_mkdir(u->fs, "/b/e"));
	assert_ok(world_rename2(u->fs, "/a/d", "/b/e", UMFS_RENAME_EXCHANGE));
	assert_ok(missing(u, "/b/e/deep"));
	assert_ok(tree_read(u->fs, &t, why));
	tree_free(&t);
}

static void exchange_with_own_parent_refused(void **state)
{
	struct unit *u = *state;

	assert_ok(world_mkdir(u->fs, "/a"));
	assert_ok(world_mkdir(u->fs, "/a/b"));
	assert_ok(world_mkdir(u->fs, "/a/b/c"));
	assert_ok(world_creat(u->fs, "/a/b/f", 0644));
	assert_err(world_rename2(u->fs, "/a", "/a/b", UMFS_RENAME_EXCHANGE), EINVAL);
	assert_err(world_rename2(u->fs, "/a/b", "/a", UMFS_RENAME_EXCHANGE), EINVAL);
	assert_err(world_rename2(u->fs, "/a/b/c", "/a", UMFS_RENAME_EXCHANGE), EINVAL);
	assert_err(world_rename2(u->fs, "/a", "/a/b/c", UMFS_RENAME_EXCHANGE), EINVAL);
	assert_err(world_rename2(u->fs, "/a/b/f", "/a", UMFS_RENAME_EXCHANGE), EINVAL);
	assert_err(world_rename2(u->fs, "/a", "/a/b/f", UMFS_RENAME_EXCHANGE), EINVAL);
	assert_err(world_rename2(u->fs, "/a", "/a/none", UMFS_RENAME_EXCHANGE), ENOENT);
	assert_ok(world_rename2(u->fs, "/a/b/c", "/a/b/f", UMFS_RENAME_EXCHANGE));
}

/* Each side needs what a rename of it would need. */
static void exchange_without_rights_refused(void **state)
{
	struct unit *u = *state;
	uint32_t mine, theirs;
	umfs_node node;

	assert_ok(world_mkdir(u->fs, "/mine"));
	assert_ok(world_mkdir(u->fs, "/theirs"));
	assert_ok(world_ino(u->fs, "/mine", &mine));
	assert_ok(world_ino(u->fs, "/theirs", &theirs));
	assert_ok(umfs_chmod(u->fs, &world_root, mine, 0777));
	assert_ok(umfs_create(u->fs, &user, mine, "f", 1, 0100644, 0, &node));
	assert_ok(umfs_mkdir(u->fs, &world_root, theirs, "d", 1, 0755, &node));
	assert_err(umfs_rename(u->fs, &user, mine, "f", 1, theirs, "d", 1, UMFS_RENAME_EXCHANGE),
		   EACCES);
	assert_err(umfs_rename(u->fs, &user, theirs, "d", 1, mine, "f", 1, UMFS_RENAME_EXCHANGE),
		   EACCES);
	assert_ok(umfs_chmod(u->fs, &world_root, theirs, 0777));
	/* The directory's ".." would change, and that is not the user's to write. */
	assert_err(umfs_rename(u->fs, &user, mine, "f", 1, theirs, "d", 1, UMFS_RENAME_EXCHANGE),
		   EACCES);
	assert_ok(umfs_chmod(u->fs, &world_root, theirs, 01777));
	assert_ok(umfs_chmod(u->fs, &world_root, node, 0777));
	assert_err(umfs_rename(u->fs, &user, mine, "f", 1, theirs, "d", 1, UMFS_RENAME_EXCHANGE),
		   EPERM);
	assert_ok(umfs_chmod(u->fs, &world_root, theirs, 0777));
	assert_ok(umfs_rename(u->fs, &user, mine, "f", 1, theirs, "d", 1, UMFS_RENAME_EXCHANGE));
}

/* ---- a random history of names against a model ---- */

#define SLOTS 12

struct model {
	uint32_t file[2][SLOTS]; /* in /0 and /1: which file each name is, or 0 */
	uint64_t random;
};

static void path_of(char *path, uint32_t dir, uint32_t slot)
{
	sprintf(path, "/%u/%u", dir, slot);
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t was = *a;

	*a = *b;
	*b = was;
}

static void model_step(struct unit *u, struct model *m, uint32_t serial)
{
	uint32_t d1 = sim_random(&m->random) & 1, d2 = sim_random(&m->random) & 1;
	uint32_t s1 = sim_random(&m->random) % SLOTS, s2 = sim_random(&m->random) % SLOTS;
	uint32_t *from = &m->file[d1][s1], *to = &m->file[d2][s2];
	char a[32], b[32];
	int want, got;

	path_of(a, d1, s1);
	path_of(b, d2, s2);
	switch (sim_random(&m->random) % 6) {
	case 0:
		got = world_creat(u->fs, a, 0644);
		want = *from ? -EEXIST : 0;
		if (!want)
			*from = serial;
		break;
	case 1:
		got = world_unlink(u->fs, a);
		want = *from ? 0 : -ENOENT;
		*from = 0;
		break;
	case 2:
		got = world_link(u->fs, a, b);
		want = !*from ? -ENOENT : *to ? -EEXIST : 0;
		if (!want)
			*to = *from;
		break;
	case 3:
		got = world_rename2(u->fs, a, b, UMFS_RENAME_EXCHANGE);
		want = *from && *to ? 0 : -ENOENT;
		if (!want)
			swap(from, to);
		break;
	case 4:
		got = world_rename2(u->fs, a, b, UMFS_RENAME_NOREPLACE);
		want = !*from ? -ENOENT : *to ? -EEXIST : 0;
		if (!want)
			swap(from, to);
		break;
	default:
		got = world_rename(u->fs, a, b);
		want = *from ? 0 : -ENOENT;
		if (!want && *from != *to) {
			*to = *from;
			*from = 0;
		}
		break;
	}
	assert_int_equal(got, want);
}

static void model_check(struct unit *u, const struct model *m)
{
	uint32_t ino[2][SLOTS] = {{0}}, i, k;
	char path[32];

	for (i = 0; i < 2 * SLOTS; i++) {
		path_of(path, i / SLOTS, i % SLOTS);
		assert_int_equal(world_ino(u->fs, path, &ino[i / SLOTS][i % SLOTS]),
				 m->file[i / SLOTS][i % SLOTS] ? 0 : -ENOENT);
	}
	for (i = 0; i < 2 * SLOTS; i++) /* the same file where the model says so */
		for (k = 0; k < i; k++)
			if (m->file[i / SLOTS][i % SLOTS])
				assert_int_equal(ino[i / SLOTS][i % SLOTS] ==
							 ino[k / SLOTS][k % SLOTS],
						 m->file[i / SLOTS][i % SLOTS] ==
							 m->file[k / SLOTS][k % SLOTS]);
}

static void history_of_names_as_model(void **state)
{
	struct unit *u = *state;
	struct model m = {.random = 42};
	uint32_t i;

	assert_ok(world_mkdir(u->fs, "/0"));
	assert_ok(world_mkdir(u->fs, "/1"));
	for (i = 1; i <= 3000; i++) {
		model_step(u, &m, i);
		if (i % 10 == 0)
			model_check(u, &m);
		if (i % 1000 == 0)
			unit_die(u);
	}
}

static const struct CMUnitTest tests[] = {
	CASE(create_of_existing_refused_and_named),
	CASE(create_uses_umask_and_ids),
	CASE(create_of_special_files_kept),
	CASE(special_files_hold_no_bytes),
	CASE(create_in_setgid_directory_inherits),
	CASE(create_in_setgid_directory_keeps_others_from_its_group),
	CASE(create_below_a_file_refused),
	CASE(create_in_removed_directory_refused),
	CASE(dot_names_refused),
	CASE(symlink_targets_at_the_limits),
	CASE(link_count_up_to_65000),
	CASE(subdirectories_up_to_the_link_limit),
	CASE(link_of_directory_refused),
	CASE(link_over_existing_refused),
	CASE(unlink_of_wrong_kinds_refused),
	CASE(rmdir_of_used_directory_refused),
	CASE(sticky_directory_keeps_others_files),
	CASE(changes_without_write_permission_refused),
	CASE(rename_to_own_subdirectory_refused),
	CASE(rename_over_wrong_kinds_refused),
	CASE(rename_to_itself_changes_nothing),
	CASE(rename_moves_directory_counts),
	CASE(rename_over_file_frees_it),
	CASE(rename_with_unknown_flags_refused),
	CASE(rename_noreplace_keeps_what_is_there),
	CASE(exchange_moves_directory_counts),
	CASE(exchange_with_own_parent_refused),
	CASE(exchange_without_rights_refused),
	CASE(history_of_names_as_model),
};
UNIT_MAIN("namei", tests)
