// SPDX-License-Identifier: BSD-3-Clause
/* test_path.c - walking paths: links, dots, slashes, what leaves the file system. */
#include "unit.h"

#include <stdio.h>

static char room[UMFS_WALK_ROOM];

static int walk(struct unit *u, const char *path, uint32_t flags, struct umfs_walk *w)
{
	memset(w, 0, sizeof(*w));
	w->rest = room;
	return umfs_walk(u->fs, &world_root, UMFS_ROOT_INO, path, flags, w);
}

static void make_tree(struct unit *u)
{
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_mkdir(u->fs, "/d/e"));
	assert_ok(world_creat(u->fs, "/d/f", 0644));
	assert_ok(world_symlink(u->fs, "d/e", "/to-e"));
	assert_ok(world_symlink(u->fs, "f", "/d/to-f"));
	assert_ok(world_symlink(u->fs, "/etc/passwd", "/absolute"));
	assert_ok(world_symlink(u->fs, "../../up", "/d/above"));
	assert_ok(world_symlink(u->fs, "nowhere", "/dangling"));
}

static void path_plain_found(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;
	uint32_t ino;

	make_tree(u);
	assert_ok(world_ino(u->fs, "/d/f", &ino));
	assert_ok(walk(u, "d/f", 0, &w));
	assert_int_equal((uint32_t)w.ino, ino);
	assert_int_equal(w.name_len, 1);
	assert_memory_equal(w.name, "f", 1);
	assert_ok(walk(u, "d//.///f", 0, &w));
	assert_int_equal((uint32_t)w.ino, ino);
	assert_ok(walk(u, "d/e/../f", 0, &w));
	assert_int_equal((uint32_t)w.ino, ino);
}

static void path_through_links_found(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;
	uint32_t f, link;

	make_tree(u);
	assert_ok(world_ino(u->fs, "/d/f", &f));
	assert_ok(world_ino(u->fs, "/d/to-f", &link));
	assert_ok(walk(u, "to-e/../to-f", 0, &w));
	assert_int_equal((uint32_t)w.ino, f);
	assert_ok(walk(u, "d/to-f", UMFS_WALK_NOFOLLOW, &w));
	assert_int_equal((uint32_t)w.ino, link);
	assert_err(walk(u, "d/to-f/", UMFS_WALK_NOFOLLOW, &w), ENOTDIR);
}

/* What a walk says of what it found is what asking for it says, or it says nothing. */
static void path_found_has_its_attributes(void **state)
{
	static const char *const paths[] = {"d/f", "d/to-f", "to-e", "d", "d/e/..", ".", "d/e/."};
	struct unit *u = *state;
	struct umfs_attr attr, walked;
	struct umfs_walk w;
	uint32_t i;

	make_tree(u);
	assert_ok(world_put(u->fs, "/d/f", 0, 100, 1));
	for (i = 0; i < UMFS_ARRAY_LEN(paths); i++) {
		memset(&attr, 0, sizeof(attr));
		memset(&walked, 0, sizeof(walked));
		assert_ok(walk(u, paths[i], 0, &w));
		assert_ok(umfs_getattr(u->fs, w.ino, &attr));
		assert_ok(umfs_walk_getattr(u->fs, &w, &walked));
		assert_memory_equal(&attr, &walked, sizeof(attr));
	}
	assert_ok(walk(u, "d/f", 0, &w));
	assert_int_equal(w.attr.size, 100); /* without asking */
	assert_ok(walk(u, "d/missing", UMFS_WALK_PARENT, &w));
	assert_true(umfs_walk_getattr(u->fs, &w, &attr) < 0);
}

static void name_itself_not_looked_up(void **state)
{
	const uint32_t flags = UMFS_WALK_NOFOLLOW | UMFS_WALK_PARENT | UMFS_WALK_NAME;
	struct unit *u = *state;
	struct umfs_walk w;
	uint32_t dir;

	make_tree(u);
	assert_ok(world_ino(u->fs, "/d", &dir));
	assert_ok(walk(u, "d/f", flags, &w));
	assert_int_equal(w.ino, 0);
	assert_int_equal((uint32_t)w.parent, dir);
	assert_int_equal(w.name_len, 1);
	assert_ok(walk(u, "d/", flags, &w)); /* the slash asks what it is */
	assert_int_equal((uint32_t)w.ino, dir);
	assert_err(walk(u, "d/f/x", flags, &w), ENOTDIR);
}

static void path_missing_tells_where(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;
	uint32_t dir;

	make_tree(u);
	assert_ok(world_ino(u->fs, "/d", &dir));
	assert_err(walk(u, "d/none", 0, &w), ENOENT);
	assert_ok(walk(u, "d/none", UMFS_WALK_PARENT, &w));
	assert_int_equal((uint32_t)w.ino, 0);
	assert_int_equal((uint32_t)w.parent, dir);
	assert_int_equal(w.name_len, 4);
	assert_err(walk(u, "none/none", UMFS_WALK_PARENT, &w), ENOENT);
	assert_ok(walk(u, "dangling", UMFS_WALK_PARENT, &w)); /* where open(O_CREAT) creates */
	assert_int_equal((uint32_t)w.ino, 0);
	assert_int_equal(w.name_len, 7);
	assert_memory_equal(w.name, "nowhere", 7);
}

static void path_through_a_file_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;

	make_tree(u);
	assert_err(walk(u, "d/f/x", 0, &w), ENOTDIR);
	assert_err(walk(u, "d/f/", 0, &w), ENOTDIR);
	assert_err(walk(u, "d/f/..", 0, &w), ENOTDIR);
	assert_err(walk(u, "d/f/.", 0, &w), ENOTDIR);
}

static void path_ending_in_slash_or_dots_has_no_name(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;

	make_tree(u);
	assert_ok(walk(u, "d/.", 0, &w));
	assert_int_equal(w.name_len, 0);
	assert_ok(walk(u, "d/e/..", 0, &w));
	assert_int_equal(w.name_len, 0);
	assert_ok(walk(u, "", 0, &w));
	assert_int_equal((uint32_t)w.ino, UMFS_ROOT_INO);
	assert_ok(walk(u, "d/", 0, &w));
	assert_true(w.must_be_dir);
}

static void path_leaving_handed_back(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;

	make_tree(u);
	assert_int_equal(walk(u, "absolute", 0, &w), UMFS_WALK_ESCAPED);
	assert_false(w.above);
	assert_string_equal(w.rest, "/etc/passwd");
	assert_int_equal(walk(u, "../x/y", 0, &w), UMFS_WALK_ESCAPED);
	assert_true(w.above);
	assert_string_equal(w.rest, "x/y");
	assert_int_equal(walk(u, "d/above/more", 0, &w), UMFS_WALK_ESCAPED);
	assert_true(w.above);
	assert_string_equal(w.rest, "up/more");
	assert_ok(walk(u, "absolute", UMFS_WALK_NOFOLLOW, &w));
}

static void walk_without_room_asks_for_it(void **state)
{
	const char *const paths[] = {"to-e/x", "d/to-f", "absolute", "../x", "d/above/more"};
	struct unit *u = *state;
	struct umfs_walk w = {.links = 7};
	uint32_t i;

	make_tree(u);
	for (i = 0; i < UMFS_ARRAY_LEN(paths); i++) {
		assert_int_equal(umfs_walk(u->fs, &world_root, UMFS_ROOT_INO, paths[i], 0, &w),
				 UMFS_WALK_NO_ROOM);
		assert_int_equal(w.links, 7);
	}
	assert_ok(umfs_walk(u->fs, &world_root, UMFS_ROOT_INO, "d/e/../f", 0, &w));
	assert_ok(umfs_walk(u->fs, &world_root, UMFS_ROOT_INO, "d/to-f", UMFS_WALK_NOFOLLOW, &w));
}

static void links_40_followed_41_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;
	char from[16], to[16];
	uint32_t i;

	assert_ok(world_creat(u->fs, "/l0", 0644));
	for (i = 1; i <= 41; i++) {
		sprintf(from, "/l%u", i);
		sprintf(to, "l%u", i - 1);
		assert_ok(world_symlink(u->fs, to, from));
	}
	assert_ok(walk(u, "l40", 0, &w));
	assert_int_equal(w.links, 40);
	assert_err(walk(u, "l41", 0, &w), ELOOP);
	assert_ok(walk(u, "l41", UMFS_WALK_NOFOLLOW, &w));
	/* Links followed before this walk count too. */
	memset(&w, 0, sizeof(w));
	w.rest = room;
	w.links = 1;
	assert_err(umfs_walk(u->fs, &world_root, UMFS_ROOT_INO, "l40", 0, &w), ELOOP);
}

static void link_to_itself_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;

	assert_ok(world_symlink(u->fs, "loop", "/loop"));
	assert_err(walk(u, "loop", 0, &w), ELOOP);
	assert_err(walk(u, "loop/x", 0, &w), ELOOP);
}

static void component_too_long_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;
	char path[600];

	memset(path, 'x', sizeof(path));
	path[256] = 0;
	assert_err(walk(u, path, 0, &w), ENAMETOOLONG);
	path[255] = 0;
	assert_err(walk(u, path, 0, &w), ENOENT);
	memset(path, 'x', sizeof(path));
	path[256] = '/';
	path[300] = 0;
	assert_err(walk(u, path, 0, &w), ENAMETOOLONG);
}

static void links_that_grow_the_path_bounded(void **state)
{
	struct unit *u = *state;
	struct umfs_walk w;
	char target[4096];
	uint32_t i;

	for (i = 0; i + 5 < sizeof(target); i += 2)
		memcpy(target + i, "./", 2);
	strcpy(target + i, "big"); /* 4 KiB that lead back here */
	assert_ok(world_symlink(u->fs, target, "/big"));
	assert_err(walk(u, "big", 0, &w), ELOOP);
	assert_err(walk(u, "big/big/big/big", 0, &w), ELOOP);
}

static void directory_without_search_right_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_cred user = {.uid = 1000, .gid = 1000};
	struct umfs_walk w = {.rest = room};
	uint32_t dir;

	make_tree(u);
	assert_ok(world_ino(u->fs, "/d", &dir));
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 0700));
	assert_err(umfs_walk(u->fs, &user, UMFS_ROOT_INO, "d/f", 0, &w), EACCES);
	assert_ok(umfs_walk(u->fs, &user, UMFS_ROOT_INO, "d", 0, &w));
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 0701));
	assert_ok(umfs_walk(u->fs, &user, UMFS_ROOT_INO, "d/f", 0, &w));
}

/* What was kept of the way to a directory must not outlive any of these changes. */
static void way_that_changed_walked_anew(void **state)
{
	struct unit *u = *state;
	struct umfs_attr attr;
	struct umfs_walk w;
	uint32_t x, other;

	make_tree(u);
	assert_ok(world_creat(u->fs, "/d/e/x", 0644));
	assert_ok(world_ino(u->fs, "/d/e/x", &x));
	assert_ok(walk(u, "d/e/x", 0, &w));
	assert_ok(walk(u, "d/e/x", 0, &w)); /* the kept way */
	assert_int_equal((uint32_t)w.ino, x);
	assert_ok(world_rename(u->fs, "/d/e", "/d/was"));
	assert_err(walk(u, "d/e/x", 0, &w), ENOENT);
	assert_ok(world_mkdir(u->fs, "/d/e"));
	assert_err(walk(u, "d/e/x", 0, &w), ENOENT);
	assert_ok(world_creat(u->fs, "/d/e/x", 0644));
	assert_ok(walk(u, "d/e/x", 0, &w));
	assert_ok(world_ino(u->fs, "/d/e/x", &other));
	assert_int_not_equal(other, x);
	assert_int_equal((uint32_t)w.ino, other);
	assert_ok(world_unlink(u->fs, "/d/e/x"));
	assert_ok(world_rmdir(u->fs, "/d/e"));
	assert_ok(world_symlink(u->fs, "was", "/d/e"));
	assert_ok(walk(u, "d/e/x", 0, &w));
	assert_int_equal((uint32_t)w.ino, x);
	assert_ok(world_rename(u->fs, "/d", "/moved"));
	assert_err(walk(u, "d/e/x", 0, &w), ENOENT);
	assert_ok(walk(u, "moved/was/x", 0, &w));
	assert_ok(walk(u, "moved/was/x", 0, &w));
	assert_ok(world_stat(u->fs, "/moved/was/x", &attr));
	assert_int_equal((uint32_t)w.ino, x);
	assert_int_equal(attr.ino, x);
}

/* Kept for who owns the directories, or for all. */
static void way_that_another_user_may_not_go_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_cred owner = {.uid = 1000, .gid = 1000}, user = {.uid = 1001, .gid = 1001};
	struct umfs_walk w = {.rest = room};
	uint32_t dir, i;

	make_tree(u);
	assert_ok(world_ino(u->fs, "/d", &dir));
	assert_ok(umfs_chown(u->fs, &world_root, dir, 1000, 1000));
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 0700));
	for (i = 0; i < 3; i++) {
		assert_ok(umfs_walk(u->fs, &owner, UMFS_ROOT_INO, "d/e/..", 0, &w));
		assert_ok(umfs_walk(u->fs, &owner, UMFS_ROOT_INO, "d/e/none", UMFS_WALK_PARENT, &w));
		assert_err(umfs_walk(u->fs, &user, UMFS_ROOT_INO, "d/e/none", UMFS_WALK_PARENT, &w),
			   EACCES);
	}
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 0755));
	for (i = 0; i < 3; i++)
		assert_ok(umfs_walk(u->fs, &user, UMFS_ROOT_INO, "d/e/none", UMFS_WALK_PARENT, &w));
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 0600));
	assert_err(umfs_walk(u->fs, &user, UMFS_ROOT_INO, "d/e/none", UMFS_WALK_PARENT, &w), EACCES);
	assert_err(umfs_walk(u->fs, &owner, UMFS_ROOT_INO, "d/e/none", UMFS_WALK_PARENT, &w), EACCES);
	assert_ok(umfs_walk(u->fs, &world_root, UMFS_ROOT_INO, "d/e/none", UMFS_WALK_PARENT, &w));
}

static void deep_tree_walked_and_named(void **state)
{
	struct unit *u = *state;
	char path[4096] = "", got[4096];
	struct umfs_walk w;
	uint32_t i;

	for (i = 0; i < 300; i++) {
		strcat(path, "/dir");
		assert_ok(world_mkdir(u->fs, path));
	}
	assert_ok(walk(u, path + 1, 0, &w));
	assert_ok(umfs_getpath(u->fs, w.ino, got, sizeof(got)));
	assert_string_equal(got, path);
	assert_err(umfs_getpath(u->fs, w.ino, got, 100), ERANGE);
	assert_ok(umfs_getpath(u->fs, UMFS_ROOT_INO, got, sizeof(got)));
	assert_string_equal(got, "/");
}

static const struct CMUnitTest tests[] = {
	CASE(path_plain_found),
	CASE(path_through_links_found),
	CASE(name_itself_not_looked_up),
	CASE(path_missing_tells_where),
	CASE(path_through_a_file_refused),
	CASE(path_ending_in_slash_or_dots_has_no_name),
	CASE(path_leaving_handed_back),
	CASE(walk_without_room_asks_for_it),
	CASE(links_40_followed_41_refused),
	CASE(link_to_itself_refused),
	CASE(component_too_long_refused),
	CASE(links_that_grow_the_path_bounded),
	CASE(directory_without_search_right_refused),
	CASE(way_that_changed_walked_anew),
	CASE(way_that_another_user_may_not_go_refused),
	CASE(deep_tree_walked_and_named),
	CASE(path_found_has_its_attributes),
};
UNIT_MAIN("path", tests)
