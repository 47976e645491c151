// SPDX-License-Identifier: BSD-3-Clause
/* test_corners.c - ways through a call that it seldom goes, with what must come of them. */
#include "unit.h"

#include <stdio.h>

#define HEAD 2, 0, 0, 0
#define ENTRY(tag, perm, id) tag, 0, perm, 0, id, 0, 0, 0
#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static int set_list(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
		    const char *name, const uint8_t *list, uint64_t size)
{
	return umfs_setxattr(fs, cred, node, name, (uint32_t)strlen(name), list, size, 0);
}

static int64_t list_size(struct umfs *fs, umfs_node node, const char *name)
{
	return umfs_getxattr(fs, &world_root, node, name, (uint32_t)strlen(name), NULL, 0);
}

/* ---- access control lists ---- */

/* A default list that a mode can say: files have the mode, directories the list as well. */
static void default_list_like_a_mode_passed_on(void **state)
{
	static const uint8_t list[] = {HEAD, ENTRY(1, 6, 0), ENTRY(4, 4, 0), ENTRY(32, 0, 0)};
	struct unit *u = *state;
	struct umfs_attr attr;
	umfs_node dir, node;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_node(u->fs, "/d", &dir));
	assert_ok(set_list(u->fs, &world_root, dir, DEFAULT, list, sizeof(list)));
	assert_ok(world_creat(u->fs, "/d/f", 0777));
	assert_ok(world_stat(u->fs, "/d/f", &attr));
	assert_int_equal(attr.mode, 0100640);
	assert_ok(world_node(u->fs, "/d/f", &node));
	assert_err(list_size(u->fs, node, ACCESS), ENODATA);
	assert_ok(world_mkdir(u->fs, "/d/e"));
	assert_ok(world_node(u->fs, "/d/e", &node));
	assert_err(list_size(u->fs, node, ACCESS), ENODATA);
	assert_int_equal(list_size(u->fs, node, DEFAULT), sizeof(list));
	assert_ok(set_list(u->fs, &world_root, node, DEFAULT, list, 4)); /* an empty one is none */
	assert_err(list_size(u->fs, node, DEFAULT), ENODATA);
}

static void default_list_of_what_is_no_directory_refused(void **state)
{
	static const uint8_t list[] = {HEAD, ENTRY(1, 6, 0), ENTRY(4, 4, 0), ENTRY(32, 0, 0)};
	struct unit *u = *state;
	umfs_node file, link;

	assert_ok(world_creat(u->fs, "/f", 0600));
	assert_ok(world_symlink(u->fs, "f", "/l"));
	assert_ok(world_node(u->fs, "/f", &file));
	assert_ok(world_node(u->fs, "/l", &link));
	assert_err(set_list(u->fs, &world_root, file, DEFAULT, list, sizeof(list)), EACCES);
	assert_ok(set_list(u->fs, &world_root, file, DEFAULT, list, 4)); /* what it has not, anyway */
	assert_ok(set_list(u->fs, &world_root, file, DEFAULT, list, 0));
	assert_ok(umfs_removexattr(u->fs, &world_root, file, DEFAULT, 24));
	assert_err(set_list(u->fs, &world_root, link, ACCESS, list, sizeof(list)), EOPNOTSUPP);
	assert_err(set_list(u->fs, &world_root, file, ACCESS, list, 3), EINVAL);
}

/* Who is not in the file's group takes its set-group-id bit away by setting a list. */
static void list_of_an_outsider_drops_setgid(void **state)
{
	static const uint8_t list[] = {HEAD, ENTRY(1, 7, 0), ENTRY(2, 7, 9), ENTRY(4, 5, 0),
				       ENTRY(16, 5, 0), ENTRY(32, 0, 0)};
	static const struct {
		struct umfs_cred cred;
		uint32_t mode;
	} rows[] = {
		{{.uid = 7, .gid = 5}, 0102750},
		{{.uid = 7, .gid = 6}, 0100750},
		{{.uid = 7, .gid = 6, .override = true}, 0102750},
	};
	struct unit *u = *state;
	struct umfs_attr attr;
	umfs_node node;
	size_t i;

	assert_ok(world_creat(u->fs, "/f", 0755));
	assert_ok(world_node(u->fs, "/f", &node));
	assert_ok(umfs_chown(u->fs, &world_root, node, 7, 5));
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
		assert_ok(umfs_chmod(u->fs, &world_root, node, 02755));
		assert_ok(set_list(u->fs, &rows[i].cred, node, ACCESS, list, sizeof(list)));
		assert_ok(umfs_getattr(u->fs, node, &attr));
		assert_int_equal(attr.mode, rows[i].mode);
	}
}

static void attribute_by_who_may_not_write_refused(void **state)
{
	static const struct umfs_cred other = {.uid = 9, .gid = 9};
	struct unit *u = *state;
	umfs_node node;

	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_node(u->fs, "/f", &node));
	assert_err(umfs_setxattr(u->fs, &other, node, "user.a", 6, "v", 1, 0), EACCES);
	assert_err(umfs_setxattr(u->fs, &other, node, "none.a", 6, "v", 1, 0), EACCES);
	assert_err(umfs_setxattr(u->fs, &world_root, node, "system.none", 11, "v", 1, 0), EOPNOTSUPP);
	assert_err(umfs_setxattr(u->fs, &other, node, "security.a", 10, "v", 1, 0), EPERM);
	assert_ok(umfs_setxattr(u->fs, &world_root, node, "security.a", 10, "v", 1, 0));
	assert_err(umfs_setxattr(u->fs, &world_root, node, "security.capability", 19, "v", 1, 0), EINVAL);
	assert_ok(umfs_setxattr(u->fs, &world_root, node, "security.Capability", 19, "v", 1, 0));
}

/* ---- new inodes ---- */

static void every_type_of_node_made(void **state)
{
	static const uint32_t modes[] = {0, 0010000, 0020000, 0060000, 0100000, 0140000};
	struct unit *u = *state;
	struct umfs_attr attr;
	umfs_node node;
	size_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(modes); i++) {
		bool device = modes[i] == 0020000 || modes[i] == 0060000;

		assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "n", 1, modes[i] | 0640,
					   0x103, &node));
		assert_ok(umfs_getattr(u->fs, node, &attr));
		assert_int_equal(attr.mode, (modes[i] ? modes[i] : 0100000u) | 0640);
		assert_int_equal(attr.rdev, device ? 0x103 : 0);
		assert_ok(world_unlink(u->fs, "/n"));
	}
}

static void file_in_setgid_directory_keeps_the_bit_for_members(void **state)
{
	static const struct {
		struct umfs_cred cred;
		uint32_t asked, mode;
	} rows[] = {
		{{.uid = 7, .gid = 5}, 02710, 0102710},
		{{.uid = 7, .gid = 6}, 02710, 0100710},
		{{.uid = 7, .gid = 6}, 02700, 0102700},
		{{.uid = 7, .gid = 6, .override = true}, 02710, 0102710},
	};
	struct unit *u = *state;
	struct umfs_attr attr;
	umfs_node dir, node;
	size_t i;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_node(u->fs, "/d", &dir));
	assert_ok(umfs_chown(u->fs, &world_root, dir, 7, 5));
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 02777));
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
		assert_ok(umfs_create(u->fs, &rows[i].cred, dir, "f", 1, 0100000 | rows[i].asked, 0,
					   &node));
		assert_ok(umfs_getattr(u->fs, node, &attr));
		assert_int_equal(attr.mode, rows[i].mode);
		assert_int_equal(attr.gid, 5);
		assert_ok(world_unlink(u->fs, "/d/f"));
	}
}

/* ---- what the dead left ---- */

static struct umfs_attr attr_of(struct unit *u, umfs_node node)
{
	struct umfs_attr attr = {0};

	(void)umfs_getattr(u->fs, node, &attr);
	return attr;
}

static int make_unnamed(struct umfs *fs)
{
	struct umfs_file file;
	int err = world_tmpfile(fs, "/", false, &file);

	if (!err)
		world_close(&file);
	return err;
}

static int white_out(struct umfs *fs)
{
	return world_rename2(fs, "/a", "/b", UMFS_RENAME_WHITEOUT);
}

/* Whoever needs an inode looks first whether a dead one left some. */
static void file_that_a_dead_one_held_last_freed_by_who_needs_an_inode(void **state)
{
	static int (*const calls[])(struct umfs *fs) = {make_unnamed, white_out};
	struct unit *u = *state;
	size_t i;

	assert_ok(world_creat(u->fs, "/a", 0600));
	for (i = 0; i < UMFS_ARRAY_LEN(calls); i++) {
		struct sim_proc *other = unit_attach(u);
		uint32_t slot = other->fs.slot;
		struct umfs_file file;

		assert_ok(world_open(&other->fs, "/f", O_RDWR | O_CREAT, &file));
		assert_ok(world_unlink(u->fs, "/f"));
		sim_kill(other);
		assert_ok(umfs_slot_recover(u->fs, slot));
		assert_int_equal(u->fs->zombies, 1);
		assert_int_equal(attr_of(u, file.ino).nlink, 0);
		assert_ok(calls[i](u->fs));
		assert_int_equal(u->fs->zombies, 0);
	}
}

/* Frozen: one of two who have a removed file open closes it, and then the other. */
static void last_close_in_a_frozen_pool_left_for_later(void **state)
{
	struct unit *u = *state;
	struct sim_proc *freezer = unit_attach(u), *other = unit_attach(u);
	struct umfs_file mine, again, theirs;
	uint32_t slot;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &mine));
	assert_ok(world_write(&mine, 0, 20000, 1));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &again));
	assert_ok(world_open(&other->fs, "/f", O_RDWR, &theirs));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_ok(umfs_freeze(&freezer->fs, 1000000, &slot));
	world_close(&mine); /* this process has it open still */
	assert_int_equal(u->fs->zombies, 0);
	world_close(&again); /* the other one has */
	assert_int_equal(u->fs->zombies, 0);
	world_close(&theirs);
	assert_int_equal(other->fs.zombies, 1);
	assert_ok(umfs_thaw(&freezer->fs));
	assert_int_not_equal(attr_of(u, theirs.ino).ino, 0);
	assert_ok(world_creat(&other->fs, "/g", 0600));
	assert_int_equal(other->fs.zombies, 0);
	sim_detach(other);
	sim_detach(freezer);
}

/* A dead one's lane had just got a group's lock, and was at nothing yet. */
static void group_lock_of_idle_lane_let_go_of(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint32_t slot = other->fs.slot;
	uint64_t before = unit_pages_free(u);
	struct umfs_tx tx;

	assert_ok(umfs_lane_get(&other->fs, &tx));
	assert_int_equal(umfs_group_lock(&other->fs, tx.lane, 0, true), 0);
	assert_true(umfs_bits_held(u->fs, slot, tx.lane));
	sim_kill(other);
	assert_ok(umfs_slot_recover(u->fs, slot));
	assert_true(umfs_lock_free(u->fs, ld64(&umfs_group(u->fs, 0)->lock)));
	assert_int_equal(unit_pages_free(u), before);
}

/* The same of one that was giving its spare page back. */
static void group_lock_of_lane_that_gives_its_spare_back_let_go_of(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint32_t slot = other->fs.slot;
	uint64_t before = unit_pages_free(u);
	struct umfs_tx tx;

	assert_ok(umfs_lane_get(&other->fs, &tx));
	assert_ok(umfs_swap_prepare(&tx, 0));
	assert_int_equal(unit_pages_free(u), before - 1);
	assert_int_equal(umfs_group_lock(&other->fs, tx.lane, 0, true), 0);
	sim_kill(other);
	assert_ok(umfs_slot_recover(u->fs, slot));
	assert_true(umfs_lock_free(u->fs, ld64(&umfs_group(u->fs, 0)->lock)));
	assert_int_equal(unit_pages_free(u), before);
}

/* ---- who only looks ---- */

static void link_read_without_its_time_stored(void **state)
{
	struct unit *u = *state;
	struct umfs_attr before, after;
	umfs_node node;
	char c[8];

	assert_ok(world_symlink(u->fs, "to", "/l"));
	assert_ok(world_node(u->fs, "/l", &node));
	assert_ok(umfs_utimens(u->fs, &world_root, node, 5, UMFS_TIME_OMIT));
	before = attr_of(u, node);
	umfs_atime_set(u->fs, UMFS_ATIME_NEVER);
	assert_int_equal(umfs_readlink(u->fs, node, c, sizeof(c)), 2);
	after = attr_of(u, node);
	assert_int_equal(before.atime_ns, after.atime_ns);
	umfs_atime_set(u->fs, UMFS_ATIME_RELATIME);
	assert_int_equal(umfs_readlink(u->fs, node, c, sizeof(c)), 2);
	after = attr_of(u, node);
	assert_true(after.atime_ns > before.atime_ns);
}

/* A copy in which a writer was inside: there is nobody to wait for, and nothing to heal. */
static void copy_with_a_writer_inside_read_as_it_is(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *dir, *in;
	struct umfs_file file;
	struct umfs_attr attr;
	uint64_t seqs[2];
	uint32_t ino, names = 0;
	char c[10];

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_put(u->fs, "/d/f", 0, 100, 1));
	assert_ok(world_open(u->fs, "/d/f", O_RDONLY, &file));
	in = file.inode;
	assert_ok(world_ino(u->fs, "/d", &ino));
	dir = umfs_inode(u->fs, ino);
	memset(u->fs->checked, 0, sizeof(u->fs->checked));
	memset(u->fs->prefixes, 0, sizeof(u->fs->prefixes));
	u->fs->readonly = 1;
	seqs[0] = ld64(&in->seq);
	seqs[1] = ld64(&dir->seq);
	st64(&in->seq, seqs[0] + 1);
	st64(&dir->seq, seqs[1] + 1);
	assert_int_equal(umfs_pread(&file, c, sizeof(c), 0), sizeof(c));
	assert_ok(umfs_lookup(u->fs, ino, "f", 1, &file.ino));
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_ok(umfs_access(u->fs, &world_root, file.ino, 4));
	assert_ok(umfs_readdir(u->fs, ino, 0, world_count_name, &names));
	assert_int_equal(names, 1);
	assert_int_equal(attr.size, 100);
	assert_int_equal(ld64(&in->seq), seqs[0] + 1);
	st64(&in->seq, seqs[0]);
	st64(&dir->seq, seqs[1]);
	u->fs->readonly = 0;
	world_close(&file);
}

/* ---- bytes ---- */

/* A hole of the source goes where the target may not grow to. */
static void hole_copied_no_further_than_the_limit(void **state)
{
	struct unit *u = *state;
	struct umfs_file from, to;
	struct umfs_attr attr;

	assert_ok(world_open(u->fs, "/from", O_RDWR | O_CREAT, &from));
	assert_ok(world_open(u->fs, "/to", O_RDWR | O_CREAT, &to));
	assert_ok(umfs_truncate(u->fs, from.ino, MIB));
	u->fs->end_max = MIB / 2;
	assert_int_equal(umfs_copy_range(&from, 0, &to, 0, MIB), MIB / 2);
	assert_err(umfs_copy_range(&from, 0, &to, MIB / 2, MIB), EFBIG);
	assert_ok(umfs_getattr(u->fs, to.ino, &attr));
	assert_int_equal(attr.size, MIB / 2);
	u->fs->end_max = UMFS_FILE_BYTES_MAX;
	world_close(&from);
	world_close(&to);
}

/* Of a file that is mapped no page goes back, whatever it was taken for. */
static void pages_of_a_mapped_file_stay_when_there_is_no_room(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	struct umfs_attr attr;
	uint64_t end = 8192;
	uint32_t irec;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 8192, 1));
	assert_ok(umfs_map_pin(&file, UMFS_MAP_SHARED, 0, &end, &irec));
	assert_err(umfs_fallocate(&file, 0, 0, unit_pages_free(u) * UMFS_PAGE_BYTES + 2 * MIB), ENOSPC);
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_int_equal(attr.size, 8192);
	umfs_map_put(u->fs, irec);
	world_close(&file);
}

static void label_of_all_its_bytes_kept(void **state)
{
	static const char text[] = "0123456789abcdef0123456789abcdef";
	struct umfs_format f = {.pool_pages = 6144, .inode_count = 1024};
	struct umfs_super_pm sb = {0};

	(void)state;
	memcpy(f.label, text, 32);
	assert_ok(umfs_format_plan(&f, &sb));
	assert_memory_equal(sb.label, text, 32);
}

static const struct CMUnitTest tests[] = {
	CASE(default_list_like_a_mode_passed_on),
	CASE(default_list_of_what_is_no_directory_refused),
	CASE(list_of_an_outsider_drops_setgid),
	CASE(attribute_by_who_may_not_write_refused),
	CASE(every_type_of_node_made),
	CASE(file_in_setgid_directory_keeps_the_bit_for_members),
	CASE(file_that_a_dead_one_held_last_freed_by_who_needs_an_inode),
	CASE(last_close_in_a_frozen_pool_left_for_later),
	CASE(group_lock_of_idle_lane_let_go_of),
	CASE(group_lock_of_lane_that_gives_its_spare_back_let_go_of),
	CASE(link_read_without_its_time_stored),
	CASE(copy_with_a_writer_inside_read_as_it_is),
	CASE(hole_copied_no_further_than_the_limit),
	CASE(pages_of_a_mapped_file_stay_when_there_is_no_room),
	CASE(label_of_all_its_bytes_kept),
};

UNIT_MAIN("corners", tests)
