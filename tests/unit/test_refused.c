// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_refused.c - what calls refuse, a row each: arguments that none may have, files that are
 * gone, who may not, lists that are none, pools that can not be made.
 */
#include "unit.h"

#include <stdio.h>

/* ---- arguments ---- */

static uint8_t bytes[100];

static int64_t do_seek(struct umfs_file *f, uint64_t whence, uint64_t off)
{
	return umfs_seek(f, (int64_t)off, (int)whence);
}
static int64_t do_readv(struct umfs_file *f, uint64_t a, uint64_t b)
{
	struct umfs_iov iov[] = {{bytes, a}, {bytes, b}};

	return umfs_preadv(f, iov, 2, 0);
}
static int64_t do_writev(struct umfs_file *f, uint64_t a, uint64_t b)
{
	struct umfs_iov iov[] = {{bytes, a}, {bytes, b}};
	uint64_t off = 0;

	return umfs_pwritev(f, iov, 2, &off, false);
}
static int64_t do_writev_at(struct umfs_file *f, uint64_t n, uint64_t off)
{
	struct umfs_iov iov = {bytes, n};

	return umfs_pwritev(f, &iov, 1, &off, false);
}
static int64_t do_write(struct umfs_file *f, uint64_t n, uint64_t off)
{
	return umfs_pwrite(f, bytes, n, off);
}
static int64_t do_copy(struct umfs_file *f, uint64_t from, uint64_t to)
{
	return umfs_copy_range(f, from, f, to, 10);
}

static void arguments_that_none_may_have_refused(void **state)
{
	static const struct {
		int64_t (*call)(struct umfs_file *f, uint64_t a, uint64_t b);
		uint64_t a, b;
	} rows[] = {
		{do_seek, UINT64_MAX, 0},
		{do_seek, 5, 0},
		{do_seek, 0, UINT64_MAX},
		{do_readv, 1, (uint64_t)INT64_MAX},
		{do_readv, UINT64_MAX, 0},
		{do_writev, 1, (uint64_t)INT64_MAX},
		{do_writev, UINT64_MAX, 0},
		{do_writev_at, 1, 1ull << 63},
		{do_write, 1ull << 63, 0},
		{do_write, 1, 1ull << 63},
		{do_copy, 1ull << 63, 0},
		{do_copy, 0, 1ull << 63},
	};
	struct unit *u = *state;
	struct umfs_attr attr;
	struct umfs_file file;
	size_t i;

	assert_ok(world_put(u->fs, "/f", 0, 50, 1));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++)
		assert_err(rows[i].call(&file, rows[i].a, rows[i].b), EINVAL);
	assert_ok(world_stat(u->fs, "/f", &attr));
	assert_int_equal(attr.size, 50);
	world_close(&file);
}

static void types_that_no_file_has_not_made(void **state)
{
	static const uint32_t types[] = {003, 004, 005, 007, 011, 012, 013, 015, 017};
	struct unit *u = *state;
	umfs_node node;
	uint32_t ino;
	size_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(types); i++)
		assert_err(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "new", 3,
				       types[i] << 12 | 0644, 0, &node), EINVAL);
	assert_err(world_ino(u->fs, "/new", &ino), ENOENT);
}

static void times_both_omitted_change_nothing(void **state)
{
	struct unit *u = *state;
	struct umfs_attr before, after;

	assert_ok(world_creat(u->fs, "/f", 0600));
	assert_ok(world_stat(u->fs, "/f", &before));
	assert_ok(umfs_utimens(u->fs, &world_root, before.ino, UMFS_TIME_OMIT, UMFS_TIME_OMIT));
	assert_ok(world_stat(u->fs, "/f", &after));
	assert_int_equal(before.ctime_ns, after.ctime_ns);
}

/* ---- a file that is gone ---- */

static int64_t on_pread(struct umfs_file *f)
{
	return umfs_pread(f, bytes, 10, 0);
}
static int64_t on_pwrite(struct umfs_file *f)
{
	return umfs_pwrite(f, bytes, 10, 0);
}
static int64_t on_append(struct umfs_file *f)
{
	struct umfs_iov iov = {bytes, 10};
	uint64_t off = 0;

	return umfs_pwritev(f, &iov, 1, &off, true);
}
static int64_t on_readv(struct umfs_file *f)
{
	struct umfs_iov iov = {bytes, 10};

	return umfs_readv(f, &iov, 1);
}
static int64_t on_writev(struct umfs_file *f)
{
	struct umfs_iov iov = {bytes, 10};

	return umfs_writev(f, &iov, 1);
}
static int64_t on_seek(struct umfs_file *f)
{
	return umfs_seek(f, 0, 1);
}
static int64_t on_copy(struct umfs_file *f)
{
	return umfs_copy_range(f, 0, f, 100, 10);
}
static int64_t on_allocate(struct umfs_file *f)
{
	return umfs_fallocate(f, 0, 0, 10000);
}
static int64_t on_map_run(struct umfs_file *f)
{
	uint64_t where;

	return umfs_map_run(f, 0, UMFS_PAGE_BYTES, &where);
}
static int64_t on_map_pin(struct umfs_file *f)
{
	uint64_t end = UMFS_PAGE_BYTES;
	uint32_t irec;

	return umfs_map_pin(f, 0, 0, &end, &irec);
}
static int64_t on_flags(struct umfs_file *f)
{
	return umfs_ofd_set_flags(f, UMFS_O_APPEND, UMFS_O_APPEND);
}
static int64_t on_init(struct umfs_file *f)
{
	struct umfs_file again;

	return umfs_file_init(f->fs, f->ofd, &again);
}

/* Closed and removed; and another file has its inode since. */
static void calls_on_a_file_that_is_gone_refused(void **state)
{
	static int64_t (*const calls[])(struct umfs_file *f) = {
		on_pread, on_pwrite, on_append, on_readv, on_writev, on_seek, on_copy, on_allocate,
		on_map_run, on_map_pin, on_flags, on_init,
	};
	struct unit *u = *state;
	struct umfs_file file;
	struct umfs_attr attr;
	uint32_t ino;
	size_t i;
	int again;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 50, 1));
	assert_ok(world_unlink(u->fs, "/f"));
	ino = file.ino;
	world_close(&file);
	for (again = 0; again < 2; again++) {
		for (i = 0; i < UMFS_ARRAY_LEN(calls); i++)
			assert_err(calls[i](&file), EBADF);
		if (again)
			break;
		u->fs->inode_home[0] = 0;
		st32(&umfs_group(u->fs, 0)->inode_hint, ino);
		assert_ok(world_put(u->fs, "/g", 0, 20, 2));
		assert_ok(world_stat(u->fs, "/g", &attr));
		assert_int_equal(attr.ino, ino);
	}
	assert_ok(world_stat(u->fs, "/g", &attr));
	assert_int_equal(attr.size, 20);
}

/* ---- who may not ---- */

static void owner_and_group_changed_by_who_may(void **state)
{
	static const uint32_t groups[] = {5, 6};
	static const struct umfs_cred owner = {.uid = 7, .gid = 5, .group_count = 2, .groups = groups},
				      other = {.uid = 8, .gid = 5, .group_count = 2, .groups = groups};
	static const struct {
		const struct umfs_cred *cred;
		uint32_t uid, gid;
		int err;
	} rows[] = {
		{&owner, ~0u, ~0u, 0}, {&owner, 7, ~0u, 0},	{&owner, ~0u, 6, 0},
		{&owner, 7, 5, 0},     {&owner, 8, ~0u, -EPERM}, {&owner, ~0u, 9, -EPERM},
		{&owner, 8, 6, -EPERM}, {&other, ~0u, ~0u, -EPERM}, {&other, 8, 6, -EPERM},
	};
	struct unit *u = *state;
	struct umfs_attr attr;
	uint32_t ino;
	size_t i;

	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_ino(u->fs, "/f", &ino));
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
		assert_ok(umfs_chown(u->fs, &world_root, ino, 7, 5));
		assert_int_equal(umfs_chown(u->fs, rows[i].cred, ino, rows[i].uid, rows[i].gid),
				 rows[i].err);
		assert_ok(umfs_getattr(u->fs, ino, &attr));
		assert_int_equal(attr.uid, 7);
		assert_int_equal(attr.gid, !rows[i].err && rows[i].gid == 6 ? 6 : 5);
	}
}

/* A directory that goes to another parent is changed itself: its ".." is. */
static void directory_moved_by_who_may_write_it(void **state)
{
	static const struct umfs_cred user = {.uid = 7, .gid = 7};
	struct unit *u = *state;
	umfs_node from, to;
	uint32_t mine, theirs;

	assert_ok(world_mkdir(u->fs, "/from"));
	assert_ok(world_mkdir(u->fs, "/to"));
	assert_ok(world_mkdir(u->fs, "/from/mine"));
	assert_ok(world_mkdir(u->fs, "/from/theirs"));
	assert_ok(world_mkdir(u->fs, "/to/theirs"));
	assert_ok(world_node(u->fs, "/from", &from));
	assert_ok(world_node(u->fs, "/to", &to));
	assert_ok(umfs_chmod(u->fs, &world_root, from, 0777));
	assert_ok(umfs_chmod(u->fs, &world_root, to, 0777));
	assert_ok(world_ino(u->fs, "/from/mine", &mine));
	assert_ok(world_ino(u->fs, "/from/theirs", &theirs));
	assert_ok(umfs_chown(u->fs, &world_root, mine, 7, 7));
	assert_err(umfs_rename(u->fs, &user, from, "theirs", 6, to, "new", 3, 0), EACCES);
	assert_err(umfs_rename(u->fs, &user, from, "mine", 4, to, "theirs", 6,
			       UMFS_RENAME_EXCHANGE), EACCES);
	assert_err(umfs_rename(u->fs, &user, to, "theirs", 6, from, "mine", 4,
			       UMFS_RENAME_EXCHANGE), EACCES);
	assert_ok(umfs_rename(u->fs, &user, from, "theirs", 6, from, "here", 4, 0));
	assert_ok(umfs_rename(u->fs, &user, from, "mine", 4, to, "new", 3, 0));
}

/* In a directory with the sticky bit: the file's owner, the directory's, and who may do anything. */
static void name_in_sticky_directory_removed_by_who_may(void **state)
{
	static const struct {
		uint32_t uid, sticky;
		bool override;
		int err;
	} rows[] = {
		{7, 01000, false, 0}, {8, 01000, false, 0}, {9, 01000, true, 0},
		{9, 0, false, 0},     {9, 01000, false, -EPERM},
	};
	struct unit *u = *state;
	uint32_t ino;
	umfs_node dir;
	size_t i;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_node(u->fs, "/d", &dir));
	assert_ok(umfs_chown(u->fs, &world_root, dir, 7, 7));
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
		struct umfs_cred cred = {.uid = rows[i].uid, .gid = 7, .override = rows[i].override};

		assert_ok(umfs_chmod(u->fs, &world_root, dir, 0777 | rows[i].sticky));
		assert_ok(world_creat(u->fs, "/d/f", 0644));
		assert_ok(world_ino(u->fs, "/d/f", &ino));
		assert_ok(umfs_chown(u->fs, &world_root, ino, 8, 8));
		assert_int_equal(umfs_unlink(u->fs, &cred, dir, "f", 1), rows[i].err);
		if (rows[i].err)
			assert_ok(world_unlink(u->fs, "/d/f"));
	}
}

/* ---- access control lists that are none ---- */

#define HEAD 2, 0, 0, 0
#define ENTRY(tag, perm, id) tag, 0, perm, 0, id, 0, 0, 0
#define OWNER ENTRY(1, 7, 0)
#define USER(id) ENTRY(2, 6, id)
#define GROUP ENTRY(4, 5, 0)
#define NAMED(id) ENTRY(8, 5, id)
#define MASK ENTRY(16, 5, 0)
#define OTHER ENTRY(32, 4, 0)
#define LIST(...) {sizeof((uint8_t[]){__VA_ARGS__}), {__VA_ARGS__}}

struct list {
	uint32_t size;
	uint8_t bytes[64];
};

static void lists_that_say_nothing_refused(void **state)
{
	static const struct {
		struct list list;
		int err;
	} rows[] = {
		{LIST(HEAD, OWNER, GROUP, OTHER), 0},
		{LIST(HEAD, OWNER, USER(1), USER(2), GROUP, NAMED(1), MASK, OTHER), 0},
		{LIST(HEAD, OWNER, GROUP, MASK, OTHER), 0},
		{LIST(HEAD), 0},
		{{0, {0}}, 0},
		{LIST(2, 0, 0), -EINVAL},
		{LIST(1, 0, 0, 0, OWNER, GROUP, OTHER), -EOPNOTSUPP},
		{LIST(HEAD, OWNER, GROUP, OTHER, 1), -EINVAL},
		{LIST(HEAD, ENTRY(0, 7, 0), GROUP, OTHER), -EINVAL},
		{LIST(HEAD, ENTRY(3, 7, 0), GROUP, OTHER), -EINVAL},
		{LIST(HEAD, OWNER, GROUP, ENTRY(64, 7, 0)), -EINVAL},
		{LIST(HEAD, ENTRY(1, 8, 0), GROUP, OTHER), -EINVAL},
		{LIST(HEAD, GROUP, OWNER, OTHER), -EINVAL},
		{LIST(HEAD, OWNER, OWNER, GROUP, OTHER), -EINVAL},
		{LIST(HEAD, OWNER, GROUP), -EINVAL},
		{LIST(HEAD, GROUP, OTHER), -EINVAL},
		{LIST(HEAD, OWNER, OTHER), -EINVAL},
		{LIST(HEAD, OWNER, USER(1), GROUP, OTHER), -EINVAL},
		{LIST(HEAD, OWNER, GROUP, NAMED(1), OTHER), -EINVAL},
	};
	struct unit *u = *state;
	struct umfs_acl acl;
	umfs_node node;
	size_t i;

	assert_ok(world_creat(u->fs, "/f", 0600));
	assert_ok(world_node(u->fs, "/f", &node));
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
		const struct list *l = &rows[i].list;

		assert_int_equal(umfs_acl_parse(l->bytes, l->size, &acl), rows[i].err);
		assert_int_equal(umfs_setxattr(u->fs, &world_root, node, "system.posix_acl_access", 23,
					       l->bytes, l->size, 0), rows[i].err);
	}
}

/* ---- memory of the caller that is not there ---- */

static const char name_of_list[] = "system.posix_acl_access";

static void memory_that_is_not_there_refused(void **state)
{
	static const struct list acl = LIST(HEAD, OWNER, USER(1), GROUP, MASK, OTHER),
				 same = LIST(HEAD, OWNER, GROUP, OTHER);
	static uint8_t room[200];
	struct unit *u = *state;
	struct umfs_file file;
	umfs_node node;
	size_t at;

	assert_ok(world_creat(u->fs, "/f", 0600));
	assert_ok(world_truncate(u->fs, "/f", 100));
	assert_ok(world_node(u->fs, "/f", &node));
	assert_ok(umfs_setxattr(u->fs, &world_root, node, "user.a", 6, "value", 5, 0));
	assert_ok(umfs_setxattr(u->fs, &world_root, node, name_of_list, 23, acl.bytes, acl.size, 0));
	assert_ok(world_open(u->fs, "/f", O_RDONLY, &file));
	u->sim->fault_hi = room + sizeof(room);
	for (at = 0; at < 6; at++) { /* somewhere in a name or before its end, or in a value */
		u->sim->fault_lo = room + at;
		assert_err(umfs_listxattr(u->fs, &world_root, node, (char *)room, sizeof(room)),
			   EFAULT);
	}
	u->sim->fault_lo = room + 6; /* all but what ends it */
	assert_err(umfs_listxattr(u->fs, &world_root, node, (char *)room, sizeof(room)), EFAULT);
	u->sim->fault_lo = room + 3;
	assert_err(umfs_getxattr(u->fs, &world_root, node, "user.a", 6, room, sizeof(room)), EFAULT);
	assert_err(umfs_getxattr(u->fs, &world_root, node, name_of_list, 23, room, sizeof(room)),
		   EFAULT);
	u->sim->fault_lo = room + 20;
	assert_err(umfs_getxattr(u->fs, &world_root, node, name_of_list, 23, room, sizeof(room)),
		   EFAULT);
	u->sim->fault_lo = room;
	assert_err(umfs_pread(&file, room, 100, 0), EFAULT);
	assert_err(umfs_setxattr(u->fs, &world_root, node, "user.b", 6, room, 5, 0), EFAULT);
	assert_err(umfs_setxattr(u->fs, &world_root, node, "security.capability", 19, room, 20, 0),
		   EFAULT);
	assert_err(umfs_setxattr(u->fs, &world_root, node, name_of_list, 23, room, acl.size, 0),
		   EFAULT);
	assert_err(umfs_setxattr(u->fs, &world_root, node, name_of_list, 23, room, same.size, 0),
		   EFAULT);
	u->sim->fault_lo = room + 8;
	memcpy(room, acl.bytes, 8);
	assert_err(umfs_setxattr(u->fs, &world_root, node, name_of_list, 23, room, acl.size, 0),
		   EFAULT);
	u->sim->fault_lo = u->sim->fault_hi = NULL;
	assert_int_equal(umfs_getxattr(u->fs, &world_root, node, name_of_list, 23, room, sizeof(room)),
			 acl.size);
	world_close(&file);
}

/* ---- pools ---- */

static void pools_that_can_not_be_made_refused(void **state)
{
	static const struct {
		uint64_t bytes, inodes;
		int err;
	} rows[] = {
		{24 * MIB, 1024, 0},
		{24 * MIB, 1, 0},
		{9 * MIB, 1024, -EINVAL},
		{10 * MIB, 1 << 20, -EINVAL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < UMFS_ARRAY_LEN(rows); i++) {
		struct sim *sim = sim_blank(rows[i].bytes);

		assert_int_equal(sim_format(sim, UMFS_DURABLE_NONE, rows[i].inodes, 0), rows[i].err);
		sim_free(sim);
	}
}

/* Without memory for its front, or for the first group, there is no pool, and then there is. */
static void pool_without_memory_not_made(void **state)
{
	struct sim *sim = sim_blank(24 * MIB);
	uint64_t n, refused = 0;
	int err;

	(void)state;
	for (n = 1;; n++) {
		sim->back_fail_at = sim->back_calls + n;
		err = sim_format(sim, UMFS_DURABLE_NONE, 1024, 0);
		if (!err)
			break;
		assert_int_equal(err, -ENOSPC);
		refused++;
	}
	assert_true(refused >= 2);
	sim_free(sim);
}

/* A medium that is shorter than any pool. */
static void pool_cut_short_not_loaded(void **state)
{
	static const uint64_t lengths[] = {0, 100, UMFS_PAGE_BYTES, MIB, 12 * MIB};
	struct unit *u = *state;
	struct umfs fs;
	bool from_backup;
	size_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(lengths); i++) {
		fs = (struct umfs){.base = u->sim->mem, .bytes = lengths[i], .port = u->sim};
		assert_err(umfs_super_load(&fs, &from_backup),
			   lengths[i] < UMFS_PAGE_BYTES ? EINVAL : ENOSPC);
	}
}

/* A pool whose memory was all there when it was made is used, and none is asked for. */
static void pool_backed_as_a_whole_asks_for_nothing(void **state)
{
	struct unit *u = *state;
	struct umfs_statfs st;
	char path[32], why[256];
	uint32_t i;

	sim_detach(u->proc);
	sim_free(u->sim);
	sim_log_clear(&u->log);
	u->sim = sim_blank(200 * MIB);
	u->sim->watch_backing = false;
	assert_ok(sim_format(u->sim, UMFS_DURABLE_NONE, 1024, UMFS_SB_BACKED));
	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
	umfs_statfs(u->fs, &st);
	assert_int_equal(u->fs->geo.group_count, 2); /* of which one was never used */
	assert_int_equal(st.pages_ready, st.pages_free);
	u->sim->back_left = 0;
	for (i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/f%u", i);
		assert_ok(world_put(u->fs, path, 0, 50000, i));
	}
	for (i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/f%u", i);
		assert_ok(world_unlink(u->fs, path));
	}
	umfs_statfs(u->fs, &st);
	assert_int_equal(st.pages_ready, st.pages_free);
	u->sim->back_left = UINT64_MAX;
	sim_detach(u->proc);
	assert_int_equal(image_check(u->sim, why), 0);
	u->proc = unit_attach(u);
}

static const struct CMUnitTest tests[] = {
	CASE(arguments_that_none_may_have_refused),
	CASE(types_that_no_file_has_not_made),
	CASE(times_both_omitted_change_nothing),
	CASE(calls_on_a_file_that_is_gone_refused),
	CASE(owner_and_group_changed_by_who_may),
	CASE(directory_moved_by_who_may_write_it),
	CASE(name_in_sticky_directory_removed_by_who_may),
	CASE(lists_that_say_nothing_refused),
	CASE(memory_that_is_not_there_refused),
	CASE(pools_that_can_not_be_made_refused),
	CASE(pool_without_memory_not_made),
	CASE(pool_cut_short_not_loaded),
	CASE(pool_backed_as_a_whole_asks_for_nothing),
};

UNIT_MAIN("refused", tests)
