// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_node.c - a node means one inode and no other that has its number later.
 *
 * Each case has a node from before, whose inode was removed and whose number
 * then went to another file or directory: nothing may happen to that one.
 */
#include "unit.h"

#define ROOT UMFS_ROOT_INO

/* Make things until one gets that number. */
static void reuse(struct unit *u, uint32_t ino, bool dir)
{
	umfs_node got = 0;
	uint32_t i;

	for (i = 0; i < 3000; i++) {
		if (dir)
			assert_ok(umfs_mkdir(u->fs, &world_root, ROOT, "other", 5, 0755, &got));
		else
			assert_ok(umfs_create(u->fs, &world_root, ROOT, "other", 5, 0100600, 0,
					      &got));
		if ((uint32_t)got == ino)
			return;
		if (dir)
			assert_ok(world_rmdir(u->fs, "/other"));
		else
			assert_ok(world_unlink(u->fs, "/other"));
	}
	fail_msg("inode %u is never used again", ino);
}

static umfs_node stale_file(struct unit *u)
{
	umfs_node node;

	assert_ok(world_put(u->fs, "/f", 0, 100, 1));
	assert_ok(world_node(u->fs, "/f", &node));
	assert_true(node >> 32);
	assert_ok(world_unlink(u->fs, "/f"));
	reuse(u, (uint32_t)node, false);
	return node;
}

static umfs_node stale_dir(struct unit *u)
{
	umfs_node node;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_node(u->fs, "/d", &node));
	assert_ok(world_rmdir(u->fs, "/d"));
	reuse(u, (uint32_t)node, true);
	return node;
}

static void attributes_of_reused_inode_unchanged(void **state)
{
	struct unit *u = *state;
	umfs_node node = stale_file(u);
	struct umfs_attr before, after, attr;

	assert_ok(world_stat(u->fs, "/other", &before));
	assert_err(umfs_chmod(u->fs, &world_root, node, 0777), ESTALE);
	assert_err(umfs_chown(u->fs, &world_root, node, 5, 5), ESTALE);
	assert_err(umfs_utimens(u->fs, &world_root, node, 1, 1), ESTALE);
	assert_err(umfs_getattr(u->fs, node, &attr), ESTALE);
	assert_err(umfs_access(u->fs, &world_root, node, 4), ESTALE);
	assert_ok(world_stat(u->fs, "/other", &after));
	assert_same_attr(&before, &after);
}

static void data_of_reused_inode_unchanged(void **state)
{
	struct unit *u = *state;
	umfs_node node = stale_file(u);
	struct umfs_attr attr;
	uint32_t ofd;
	char buf[10];

	assert_ok(world_put(u->fs, "/other", 0, 5000, 1));
	assert_err(umfs_truncate(u->fs, node, 0), ESTALE);
	assert_err(umfs_open(u->fs, node, O_RDWR, &ofd), ESTALE);
	assert_err(umfs_readlink(u->fs, node, buf, sizeof(buf)), ESTALE);
	assert_err(umfs_link(u->fs, &world_root, node, ROOT, "x", 1), ESTALE);
	assert_ok(world_stat(u->fs, "/other", &attr));
	assert_int_equal(attr.size, 5000);
	assert_int_equal(attr.nlink, 1);
}

static void names_in_reused_directory_unchanged(void **state)
{
	struct unit *u = *state;
	umfs_node dir = stale_dir(u), found;
	uint32_t ino, file, n = 0;
	umfs_node node;

	assert_ok(world_creat(u->fs, "/other/in", 0644));
	assert_ok(world_mkdir(u->fs, "/other/sub"));
	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_ino(u->fs, "/f", &file));
	assert_err(umfs_lookup(u->fs, dir, "in", 2, &ino), ESTALE);
	assert_err(umfs_create(u->fs, &world_root, dir, "x", 1, 0100644, 0, &node), ESTALE);
	assert_err(umfs_mkdir(u->fs, &world_root, dir, "x", 1, 0755, &node), ESTALE);
	assert_err(umfs_symlink(u->fs, &world_root, dir, "x", 1, "t", 1, &node), ESTALE);
	assert_err(umfs_link(u->fs, &world_root, file, dir, "x", 1), ESTALE);
	assert_err(umfs_unlink(u->fs, &world_root, dir, "in", 2), ESTALE);
	assert_err(umfs_rmdir(u->fs, &world_root, dir, "sub", 3), ESTALE);
	assert_err(umfs_rename(u->fs, &world_root, dir, "in", 2, ROOT, "x", 1, 0), ESTALE);
	assert_err(umfs_rename(u->fs, &world_root, ROOT, "f", 1, dir, "x", 1, 0), ESTALE);
	assert_err(umfs_readdir(u->fs, dir, 0, world_count_name, &n), ESTALE);
	assert_ok(world_node(u->fs, "/other", &found));
	assert_int_equal((uint32_t)found, (uint32_t)dir);
	assert_ok(umfs_readdir(u->fs, found, 0, world_count_name, &n));
	assert_int_equal(n, 2);
}

static void walk_from_reused_directory_refused(void **state)
{
	struct unit *u = *state;
	static char room[UMFS_WALK_ROOM];
	struct umfs_walk w = {.rest = room};
	umfs_node dir = stale_dir(u);

	assert_ok(world_creat(u->fs, "/other/in", 0644));
	assert_err(umfs_walk(u->fs, &world_root, dir, "in", 0, &w), ESTALE);
	assert_err(umfs_walk(u->fs, &world_root, dir, "..", 0, &w), ESTALE);
	assert_ok(umfs_walk(u->fs, &world_root, (uint32_t)dir, "in", 0, &w));
}

static void node_of_free_inode_refused(void **state)
{
	struct unit *u = *state;
	umfs_node node;
	struct umfs_attr attr;
	uint32_t ofd;

	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_node(u->fs, "/f", &node));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_err(umfs_getattr(u->fs, node, &attr), ESTALE);
	assert_err(umfs_open(u->fs, node, O_RDWR, &ofd), ESTALE);
	assert_err(umfs_chmod(u->fs, &world_root, node, 0), ESTALE);
	assert_err(umfs_chmod(u->fs, &world_root, (uint32_t)node, 0), ENOENT); /* a bare number */
}

static void node_without_name_held_open_served(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	struct umfs_attr attr;
	uint32_t ofd;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_ok(umfs_chmod(u->fs, &world_root, umfs_file_node(&file), 0611));
	assert_ok(umfs_getattr(u->fs, umfs_file_node(&file), &attr));
	assert_int_equal(attr.mode, 0100611);
	assert_ok(umfs_open(u->fs, umfs_file_node(&file), O_RDWR, &ofd));
	umfs_ofd_put(u->fs, ofd);
	assert_err(umfs_link(u->fs, &world_root, umfs_file_node(&file), ROOT, "x", 1), ENOENT);
	world_close(&file);
}

static void created_node_names_what_was_created(void **state)
{
	struct unit *u = *state;
	umfs_node node, again, found;

	assert_ok(umfs_create(u->fs, &world_root, ROOT, "a", 1, 0100644, 0, &node));
	assert_ok(world_node(u->fs, "/a", &found));
	assert_true(node == found && node >> 32);
	assert_err(umfs_create(u->fs, &world_root, ROOT, "a", 1, 0100644, 0, &again), EEXIST);
	assert_int_equal((uint32_t)again, (uint32_t)node);
}

static void directory_removed_only_if_meant(void **state)
{
	struct unit *u = *state;
	umfs_node stale = stale_dir(u), other, node;

	assert_ok(world_node(u->fs, "/other", &other));
	assert_true((uint32_t)stale == (uint32_t)other && stale != other);
	assert_ok(umfs_mkdir(u->fs, &world_root, ROOT, "n", 1, 0700, &node));
	assert_err(umfs_rmdir_node(u->fs, &world_root, ROOT, "other", 5, stale), ESTALE);
	assert_err(umfs_rmdir_node(u->fs, &world_root, ROOT, "other", 5, node), ESTALE);
	assert_err(umfs_rename_over(u->fs, &world_root, ROOT, "n", 1, ROOT, "other", 5, stale, 0),
		   ESTALE);
	assert_err(umfs_rename_over(u->fs, &world_root, ROOT, "n", 1, ROOT, "free", 4, other, 0),
		   ESTALE);
	assert_ok(umfs_rename_over(u->fs, &world_root, ROOT, "n", 1, ROOT, "other", 5, other, 0));
	assert_ok(umfs_rmdir_node(u->fs, &world_root, ROOT, "other", 5, node));
}

static void generation_wraps_past_zero(void **state)
{
	struct unit *u = *state;
	umfs_node node;
	struct umfs_inode_pm *in;

	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_node(u->fs, "/f", &node));
	in = umfs_inode(u->fs, (uint32_t)node);
	assert_ok(world_unlink(u->fs, "/f"));
	st32(&in->generation, UINT32_MAX); /* of a free inode: no checksum is looked at */
	reuse(u, (uint32_t)node, false);
	assert_int_equal(ld32(&in->generation), 1); /* 0 would be a bare number */
}

static const struct CMUnitTest tests[] = {
	CASE(attributes_of_reused_inode_unchanged),
	CASE(data_of_reused_inode_unchanged),
	CASE(names_in_reused_directory_unchanged),
	CASE(walk_from_reused_directory_refused),
	CASE(node_of_free_inode_refused),
	CASE(node_without_name_held_open_served),
	CASE(created_node_names_what_was_created),
	CASE(directory_removed_only_if_meant),
	CASE(generation_wraps_past_zero),
};
UNIT_MAIN("node", tests)
