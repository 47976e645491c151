// SPDX-License-Identifier: BSD-3-Clause
/* test_xattr.c - extended attributes. */
#include "unit.h"

static const struct umfs_cred owner = {.uid = 1000, .gid = 1000};
static const struct umfs_cred other = {.uid = 1001, .gid = 1001};

static umfs_node node_of(struct unit *u, const char *path)
{
	umfs_node node;

	assert_ok(world_node(u->fs, path, &node));
	return node;
}

static umfs_node make(struct unit *u, const char *path, uint32_t mode)
{
	umfs_node node;

	if ((mode & 0170000) == 0040000)
		assert_ok(world_mkdir(u->fs, path));
	else
		assert_ok(world_mknod(u->fs, path, mode, 0));
	node = node_of(u, path);
	assert_ok(umfs_chown(u->fs, &world_root, node, 1000, 1000));
	assert_ok(umfs_chmod(u->fs, &world_root, node, mode & 07777));
	return node;
}

static int set(struct unit *u, const struct umfs_cred *cred, umfs_node node, const char *name,
	       const char *value, uint32_t flags)
{
	return umfs_setxattr(u->fs, cred, node, name, (uint32_t)strlen(name), value,
			     strlen(value), flags);
}

static int64_t get(struct unit *u, const struct umfs_cred *cred, umfs_node node,
		   const char *name, void *buf, uint64_t size)
{
	return umfs_getxattr(u->fs, cred, node, name, (uint32_t)strlen(name), buf, size);
}

static int drop(struct unit *u, const struct umfs_cred *cred, umfs_node node, const char *name)
{
	return umfs_removexattr(u->fs, cred, node, name, (uint32_t)strlen(name));
}

static void assert_value(struct unit *u, umfs_node node, const char *name, const char *value)
{
	char buf[100];
	int64_t got = get(u, &world_root, node, name, buf, sizeof(buf));

	assert_int_equal(got, strlen(value));
	assert_memory_equal(buf, value, strlen(value));
}

static void assert_names(struct unit *u, const struct umfs_cred *cred, umfs_node node,
			 const char *names, uint64_t bytes)
{
	char buf[1000];

	assert_int_equal(umfs_listxattr(u->fs, cred, node, NULL, 0), bytes);
	assert_int_equal(umfs_listxattr(u->fs, cred, node, buf, sizeof(buf)), bytes);
	assert_memory_equal(buf, names, bytes);
}

static void value_set_is_read_back(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	char buf[8];

	assert_int_equal(umfs_listxattr(u->fs, &owner, node, buf, 8), 0);
	assert_err(get(u, &owner, node, "user.a", buf, 8), ENODATA);
	assert_err(drop(u, &owner, node, "user.a"), ENODATA);
	assert_ok(set(u, &owner, node, "user.a", "alpha", 0));
	assert_ok(set(u, &owner, node, "user.b", "", 0));
	assert_value(u, node, "user.a", "alpha");
	assert_value(u, node, "user.b", "");
	assert_int_equal(get(u, &owner, node, "user.a", NULL, 0), 5);
	assert_err(get(u, &owner, node, "user.a", buf, 4), ERANGE);
	assert_names(u, &owner, node, "user.a\0user.b", 14);
	assert_err(umfs_listxattr(u->fs, &owner, node, buf, 8), ERANGE);
	assert_err(set(u, &owner, node, "user.a", "x", UMFS_XATTR_CREATE), EEXIST);
	assert_err(set(u, &owner, node, "user.c", "x", UMFS_XATTR_REPLACE), ENODATA);
	assert_err(set(u, &owner, node, "user.c", "x", 4), EINVAL);
	assert_ok(set(u, &owner, node, "user.a", "beta", UMFS_XATTR_REPLACE));
	assert_ok(set(u, &owner, node, "user.c", "gamma", UMFS_XATTR_CREATE));
	unit_reattach(u, UMFS_MODE_POSIX);
	assert_value(u, node, "user.a", "beta");
	assert_value(u, node, "user.c", "gamma");
	assert_ok(drop(u, &owner, node, "user.b"));
	assert_names(u, &owner, node, "user.a\0user.c", 14);
	unit_die(u);
	assert_err(get(u, &owner, node, "user.b", buf, 8), ENODATA);
	assert_value(u, node, "user.c", "gamma");
}

static void pages_follow_attributes(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	uint64_t free = unit_pages_free(u);
	struct umfs_attr attr;

	assert_ok(world_setxattr(u->fs, "/f", "user.a", 5000, 1));
	assert_ok(umfs_getattr(u->fs, node, &attr));
	assert_int_equal(attr.blocks_512, 16);
	assert_int_equal(attr.size, 0);
	assert_int_equal(unit_pages_free(u), free - 2);
	assert_ok(world_setxattr(u->fs, "/f", "user.a", 50, 1));
	assert_int_equal(unit_pages_free(u), free - 1);
	assert_ok(world_removexattr(u->fs, "/f", "user.a"));
	assert_ok(umfs_getattr(u->fs, node, &attr));
	assert_int_equal(attr.blocks_512, 0);
	assert_int_equal(unit_pages_free(u), free);
	assert_ok(world_setxattr(u->fs, "/f", "user.a", 50000, 1));
	assert_ok(world_put(u->fs, "/f", 0, 100000, 1));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_int_equal(unit_pages_free(u), free);
}

static void sizes_at_and_past_the_limits(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	static uint8_t want[UMFS_XATTR_VALUE_MAX], got[UMFS_XATTR_VALUE_MAX];
	char name[257] = "user.", path[10];
	int i;

	memset(name + 5, 'n', 251);
	assert_err(umfs_setxattr(u->fs, &owner, node, name, 256, "v", 1, 0), ERANGE);
	assert_err(umfs_setxattr(u->fs, &owner, node, name, 0, "v", 1, 0), ERANGE);
	assert_err(umfs_getxattr(u->fs, &owner, node, name, 256, got, 1), ERANGE);
	assert_err(world_setxattr(u->fs, "/f", "user.a", UMFS_XATTR_VALUE_MAX + 1, 1), E2BIG);
	world_fill(want, sizeof(want), 0, 7);
	assert_ok(umfs_setxattr(u->fs, &owner, node, name, 255, want, sizeof(want), 0));
	assert_int_equal(umfs_getxattr(u->fs, &owner, node, name, 255, got, sizeof(got)),
			 sizeof(got));
	assert_memory_equal(want, got, sizeof(got));
	/* There is some room left, and then none. */
	assert_err(world_setxattr(u->fs, "/f", "user.b", 5000, 1), ENOSPC);
	assert_ok(world_setxattr(u->fs, "/f", "user.b", 3000, 1));
	assert_err(world_setxattr(u->fs, "/f", "user.c", 1000, 1), ENOSPC);
	assert_int_equal(umfs_listxattr(u->fs, &owner, node, NULL, 0), 255 + 1 + 7);
	assert_ok(world_removexattr(u->fs, "/f", "user.b"));
	/* Many small ones. */
	make(u, "/g", 0100644);
	for (i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "user.%03d", i);
		assert_ok(world_setxattr(u->fs, "/g", path, (uint64_t)i % 100, 1));
	}
	assert_int_equal(umfs_listxattr(u->fs, &owner, node_of(u, "/g"), NULL, 0), 500 * 9);
}

static void list_longer_than_a_call_gives_is_refused(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	static char list[70000];
	char name[256] = "user.";
	int64_t bytes = 0;
	int i, err = 0;

	for (i = 0; !err; i++) {
		snprintf(name + 5, 251, "%0250d", i);
		err = umfs_setxattr(u->fs, &owner, node, name, 255, "", 0, 0);
		bytes += err ? 0 : 256;
	}
	assert_int_equal(err, -ENOSPC);
	assert_true(bytes > 65536);
	assert_int_equal(umfs_listxattr(u->fs, &owner, node, NULL, 0), bytes);
	assert_err(umfs_listxattr(u->fs, &owner, node, list, 65536), E2BIG);
	assert_err(umfs_listxattr(u->fs, &owner, node, list, 65535), ERANGE);
}

static void names_outside_the_namespaces_refused(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	char buf[8];

	assert_err(set(u, &world_root, node, "mine.a", "x", 0), EOPNOTSUPP);
	assert_err(set(u, &world_root, node, "user", "x", 0), EOPNOTSUPP);
	assert_err(set(u, &world_root, node, "system.other", "x", 0), EOPNOTSUPP);
	assert_err(set(u, &world_root, node, "user.", "x", 0), EINVAL);
	assert_err(set(u, &world_root, node, "trusted.", "x", 0), EINVAL);
	assert_err(get(u, &world_root, node, "mine.a", buf, 8), EOPNOTSUPP);
	assert_err(get(u, &world_root, node, "security.", buf, 8), EINVAL);
	assert_err(drop(u, &world_root, node, "mine.a"), EOPNOTSUPP);
}

static void rights_are_those_of_linux(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100640), dir = make(u, "/d", 0041777);
	char buf[8];

	assert_ok(set(u, &owner, node, "user.a", "x", 0));
	assert_err(set(u, &other, node, "user.a", "y", 0), EACCES);
	assert_err(drop(u, &other, node, "user.a"), EACCES);
	assert_err(get(u, &other, node, "user.a", buf, 8), EACCES);
	assert_ok(umfs_chmod(u->fs, &world_root, node, 0444));
	assert_int_equal(get(u, &other, node, "user.a", buf, 8), 1);
	assert_err(set(u, &owner, node, "user.a", "y", 0), EACCES);
	/* In a directory with the sticky bit only its owner. */
	assert_err(set(u, &other, dir, "user.a", "x", 0), EPERM);
	assert_ok(set(u, &owner, dir, "user.a", "x", 0));
	assert_err(set(u, &owner, node, "trusted.a", "x", 0), EPERM);
	assert_ok(set(u, &world_root, node, "trusted.a", "x", 0));
	assert_err(get(u, &owner, node, "trusted.a", buf, 8), ENODATA);
	assert_err(drop(u, &owner, node, "trusted.a"), EPERM);
	assert_value(u, node, "trusted.a", "x");
	assert_names(u, &owner, node, "user.a", 7);
	assert_names(u, &world_root, node, "user.a\0trusted.a", 17);
	assert_err(set(u, &owner, node, "security.a", "x", 0), EPERM);
	assert_ok(set(u, &world_root, node, "security.a", "x", 0));
	assert_int_equal(get(u, &other, node, "security.a", buf, 8), 1);
	assert_names(u, &owner, node, "user.a\0security.a", 18);
}

static void user_space_is_for_files_and_directories(void **state)
{
	struct unit *u = *state;
	umfs_node fifo = make(u, "/p", 0010666), link;
	char buf[8];

	assert_ok(world_symlink(u->fs, "nowhere", "/l"));
	link = node_of(u, "/l");
	assert_err(set(u, &world_root, fifo, "user.a", "x", 0), EPERM);
	assert_err(get(u, &world_root, fifo, "user.a", buf, 8), ENODATA);
	assert_err(set(u, &world_root, link, "user.a", "x", 0), EPERM);
	assert_ok(set(u, &world_root, fifo, "trusted.a", "fifo", 0));
	assert_ok(set(u, &world_root, link, "security.a", "link", 0));
	assert_value(u, fifo, "trusted.a", "fifo");
	assert_value(u, link, "security.a", "link");
	assert_int_equal(umfs_readlink(u->fs, link, buf, 8), 7);
	assert_ok(world_unlink(u->fs, "/p"));
	assert_ok(world_unlink(u->fs, "/l"));
}

static void links_and_renames_share_attributes(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);

	assert_ok(set(u, &owner, node, "user.a", "x", 0));
	assert_ok(world_link(u->fs, "/f", "/g"));
	assert_value(u, node_of(u, "/g"), "user.a", "x");
	assert_ok(world_unlink(u->fs, "/f"));
	assert_ok(world_rename(u->fs, "/g", "/h"));
	assert_value(u, node_of(u, "/h"), "user.a", "x");
}

static void nameless_file_has_attributes(void **state)
{
	struct unit *u = *state;
	uint64_t free;
	struct umfs_file file;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_put(u->fs, "/d/x", 0, 10, 1)); /* the directory has its page */
	free = unit_pages_free(u);
	assert_ok(world_tmpfile(u->fs, "/d", true, &file));
	assert_ok(set(u, &world_root, umfs_file_node(&file), "user.a", "x", 0));
	assert_ok(world_name(&file, "/d/named"));
	world_close(&file);
	assert_value(u, node_of(u, "/d/named"), "user.a", "x");
	assert_ok(world_unlink(u->fs, "/d/named"));
	assert_ok(world_tmpfile(u->fs, "/d", true, &file));
	assert_ok(set(u, &world_root, umfs_file_node(&file), "user.a", "x", 0));
	assert_int_equal(unit_pages_free(u), free - 1);
	unit_die(u);
	assert_int_equal(unit_pages_free(u), free);
}

static void removed_inode_is_stale(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	char buf[8];

	assert_ok(set(u, &owner, node, "user.a", "x", 0));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_err(get(u, &world_root, node, "user.a", buf, 8), ESTALE);
	assert_err(set(u, &world_root, node, "user.a", "y", 0), ESTALE);
	assert_err(drop(u, &world_root, node, "user.a"), ESTALE);
	assert_err(umfs_listxattr(u->fs, &world_root, node, buf, 8), ESTALE);
	/* Whoever has the number now has none. */
	assert_ok(world_creat(u->fs, "/g", 0644));
	if ((uint32_t)node_of(u, "/g") == (uint32_t)node)
		assert_int_equal(umfs_listxattr(u->fs, &world_root, node_of(u, "/g"), buf, 8), 0);
}

/* All pages but `left` of the pool are taken. */
static void fill_but(struct unit *u, uint64_t left)
{
	struct umfs_file file;
	uint64_t off = 0;

	assert_ok(world_open(u->fs, "/full", O_RDWR | O_CREAT, &file));
	while (umfs_fallocate(&file, UMFS_FALLOC_KEEP_SIZE, off, 16 * 4096) == 0)
		off += 16 * 4096;
	while (umfs_fallocate(&file, UMFS_FALLOC_KEEP_SIZE, off, 4096) == 0)
		off += 4096;
	if (left)
		assert_ok(umfs_fallocate(&file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE,
					 off - left * 4096, left * 4096));
	world_close(&file);
}

static void removal_on_full_pool_succeeds(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);

	assert_ok(world_setxattr(u->fs, "/f", "user.large", 9000, 1));
	assert_ok(set(u, &owner, node, "user.b", "b", 0));
	assert_ok(set(u, &owner, node, "user.c", "c", 0));
	assert_ok(set(u, &owner, node, "user.d", "d", 0));
	fill_but(u, 0);
	assert_err(set(u, &owner, node, "user.b", "B", 0), ENOSPC);
	assert_ok(drop(u, &owner, node, "user.large"));
	assert_ok(drop(u, &owner, node, "user.c"));
	assert_names(u, &owner, node, "user.b\0user.d", 14);
	assert_value(u, node, "user.d", "d");
	assert_err(drop(u, &owner, node, "user.c"), ENODATA);
	unit_die(u);
	assert_names(u, &owner, node, "user.b\0user.d", 14);
	assert_ok(drop(u, &owner, node, "user.b"));
	assert_ok(drop(u, &owner, node, "user.d"));
	assert_int_equal(umfs_listxattr(u->fs, &owner, node, NULL, 0), 0);
	/* Those three pages are free; what was removed takes no room in a new block. */
	assert_ok(set(u, &owner, node, "user.b", "B", 0));
	assert_ok(world_removexattr(u->fs, "/f", "user.b"));
	assert_ok(world_unlink(u->fs, "/full"));
}

static void block_without_what_was_removed_shrinks(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	struct umfs_attr attr;

	assert_ok(world_setxattr(u->fs, "/f", "user.large", 60000, 1));
	assert_ok(set(u, &owner, node, "user.b", "b", 0));
	fill_but(u, 0);
	assert_ok(drop(u, &owner, node, "user.large"));
	assert_ok(umfs_getattr(u->fs, node, &attr));
	assert_int_equal(attr.blocks_512, 15 * 8);
	assert_ok(world_unlink(u->fs, "/full"));
	assert_ok(set(u, &owner, node, "user.c", "c", 0));
	assert_ok(umfs_getattr(u->fs, node, &attr));
	assert_int_equal(attr.blocks_512, 8);
	assert_value(u, node, "user.b", "b");
}

/* ---- access control lists ---- */

#define ACL_HEAD 2, 0, 0, 0
#define ACL_ANY 0xff, 0xff, 0xff, 0xff
#define ACL_OWNER(p) 1, 0, p, 0, ACL_ANY
#define ACL_USER(p, id) 2, 0, p, 0, id, 0, 0, 0
#define ACL_GROUP(p) 4, 0, p, 0, ACL_ANY
#define ACL_MASK(p) 16, 0, p, 0, ACL_ANY
#define ACL_OTHER(p) 32, 0, p, 0, ACL_ANY
#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static int set_acl(struct unit *u, const struct umfs_cred *cred, umfs_node node,
		   const char *name, const void *acl, uint64_t bytes)
{
	return umfs_setxattr(u->fs, cred, node, name, (uint32_t)strlen(name), acl, bytes, 0);
}

static uint32_t mode_of(struct unit *u, umfs_node node)
{
	struct umfs_attr attr;

	assert_ok(umfs_getattr(u->fs, node, &attr));
	return attr.mode & 07777;
}

static void access_list_sets_the_mode(void **state)
{
	static const uint8_t full[] = {ACL_HEAD, ACL_OWNER(7), ACL_USER(6, 9), ACL_GROUP(1),
				       ACL_MASK(5), ACL_OTHER(4)};
	static const uint8_t minimal[] = {ACL_HEAD, ACL_OWNER(6), ACL_GROUP(4), ACL_OTHER(0)};
	static const uint8_t changed[] = {ACL_HEAD, ACL_OWNER(6), ACL_USER(6, 9), ACL_GROUP(1),
					  ACL_MASK(2), ACL_OTHER(0)};
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0102640);
	char buf[100];

	assert_err(set_acl(u, &other, node, ACCESS, full, sizeof(full)), EPERM);
	assert_ok(set_acl(u, &owner, node, ACCESS, full, sizeof(full)));
	assert_int_equal(mode_of(u, node), 02754);
	assert_int_equal(get(u, &other, node, ACCESS, buf, sizeof(buf)), sizeof(full));
	assert_memory_equal(buf, full, sizeof(full));
	/* The mode says what owner, mask and others may. */
	assert_ok(umfs_chmod(u->fs, &owner, node, 02620));
	assert_int_equal(get(u, &owner, node, ACCESS, buf, sizeof(buf)), sizeof(changed));
	assert_memory_equal(buf, changed, sizeof(changed));
	assert_err(get(u, &owner, node, ACCESS, buf, sizeof(full) - 1), ERANGE);
	assert_ok(set_acl(u, &owner, node, ACCESS, full, sizeof(full)));
	/* One that says no more than a mode is not kept. */
	assert_ok(set_acl(u, &owner, node, ACCESS, minimal, sizeof(minimal)));
	assert_int_equal(mode_of(u, node), 02640);
	assert_err(get(u, &owner, node, ACCESS, buf, sizeof(buf)), ENODATA);
	assert_ok(set_acl(u, &owner, node, ACCESS, minimal, sizeof(minimal)));
	assert_ok(set_acl(u, &owner, node, ACCESS, full, sizeof(full)));
	assert_ok(set_acl(u, &owner, node, ACCESS, NULL, 0));
	assert_int_equal(mode_of(u, node), 02754);
	assert_int_equal(umfs_listxattr(u->fs, &owner, node, NULL, 0), 0);
}

static void list_that_is_a_mode_set_on_full_pool(void **state)
{
	static const uint8_t full[] = {ACL_HEAD, ACL_OWNER(7), ACL_USER(6, 9), ACL_GROUP(1),
				       ACL_MASK(5), ACL_OTHER(4)};
	static const uint8_t minimal[] = {ACL_HEAD, ACL_OWNER(6), ACL_GROUP(4), ACL_OTHER(0)};
	struct unit *u = *state;
	umfs_node none = make(u, "/n", 0100600), one = make(u, "/o", 0100600);
	umfs_node two = make(u, "/t", 0100600), dir = make(u, "/d", 0040755);

	assert_ok(set_acl(u, &owner, one, ACCESS, full, sizeof(full)));
	assert_ok(set_acl(u, &owner, two, ACCESS, full, sizeof(full)));
	assert_ok(set(u, &owner, two, "user.a", "x", 0));
	fill_but(u, 0);
	assert_err(set_acl(u, &owner, none, ACCESS, full, sizeof(full)), ENOSPC);
	assert_int_equal(mode_of(u, none), 0600);
	assert_ok(set_acl(u, &owner, none, ACCESS, minimal, sizeof(minimal)));
	assert_int_equal(mode_of(u, none), 0640);
	assert_ok(set_acl(u, &owner, none, ACCESS, minimal, UMFS_ACL_EMPTY_BYTES));
	/* Among others its entry stays, without a name; alone it frees the page. */
	assert_ok(set_acl(u, &owner, two, ACCESS, minimal, sizeof(minimal)));
	assert_int_equal(mode_of(u, two), 0640);
	assert_names(u, &owner, two, "user.a", 7);
	assert_err(set_acl(u, &owner, dir, DEFAULT, minimal, sizeof(minimal)), ENOSPC);
	assert_ok(set_acl(u, &owner, one, ACCESS, minimal, sizeof(minimal)));
	assert_int_equal(umfs_listxattr(u->fs, &owner, one, NULL, 0), 0);
	assert_ok(set_acl(u, &owner, dir, DEFAULT, minimal, sizeof(minimal)));
}

static void default_list_is_for_directories(void **state)
{
	static const uint8_t minimal[] = {ACL_HEAD, ACL_OWNER(6), ACL_GROUP(4), ACL_OTHER(0)};
	static const uint8_t version[] = {1, 0, 0, 0, ACL_OWNER(6), ACL_GROUP(4), ACL_OTHER(0)};
	static const uint8_t tag[] = {ACL_HEAD, ACL_OWNER(6), 3, 0, 4, 0, ACL_ANY, ACL_OTHER(0)};
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644), dir = make(u, "/d", 0040755);
	char buf[100];

	/* The list is looked at first, then what it is for, then whose it is. */
	assert_err(set_acl(u, &other, node, DEFAULT, version, sizeof(version)), EOPNOTSUPP);
	assert_err(set_acl(u, &other, node, DEFAULT, tag, sizeof(tag)), EINVAL);
	assert_err(set_acl(u, &other, node, DEFAULT, minimal, sizeof(minimal) - 1), EINVAL);
	assert_err(set_acl(u, &other, node, DEFAULT, minimal, sizeof(minimal)), EACCES);
	assert_err(set_acl(u, &other, dir, DEFAULT, minimal, sizeof(minimal)), EPERM);
	assert_ok(set_acl(u, &owner, dir, DEFAULT, minimal, sizeof(minimal)));
	assert_int_equal(get(u, &owner, dir, DEFAULT, buf, sizeof(buf)), sizeof(minimal));
	assert_int_equal(mode_of(u, dir), 0755);
	assert_ok(drop(u, &owner, dir, DEFAULT));
	assert_ok(drop(u, &owner, dir, DEFAULT));
	assert_err(get(u, &owner, dir, DEFAULT, buf, sizeof(buf)), ENODATA);
	assert_ok(drop(u, &owner, node, DEFAULT));
	assert_ok(world_symlink(u->fs, "f", "/l"));
	assert_err(set_acl(u, &world_root, node_of(u, "/l"), ACCESS, minimal, sizeof(minimal)),
		   EOPNOTSUPP);
}

/* In place of the umask: a file gets it as its own, a directory as both. */
static void default_list_is_passed_on(void **state)
{
	static const uint8_t full[] = {ACL_HEAD, ACL_OWNER(7), ACL_USER(6, 9), ACL_GROUP(1),
				       ACL_MASK(7), ACL_OTHER(5)};
	static const uint8_t limited[] = {ACL_HEAD, ACL_OWNER(6), ACL_USER(6, 9), ACL_GROUP(1),
					  ACL_MASK(6), ACL_OTHER(4)};
	static const uint8_t minimal[] = {ACL_HEAD, ACL_OWNER(7), ACL_GROUP(4), ACL_OTHER(0)};
	struct umfs_cred masked = owner;
	struct unit *u = *state;
	umfs_node dir = make(u, "/d", 0040777), sub, plain;
	umfs_node node;
	char buf[100];

	masked.umask = 077;
	assert_ok(set_acl(u, &owner, dir, DEFAULT, full, sizeof(full)));
	assert_ok(umfs_create(u->fs, &masked, dir, "f", 1, 0100666, 0, &node));
	assert_int_equal(mode_of(u, node), 0664);
	assert_int_equal(get(u, &owner, node, ACCESS, buf, sizeof(buf)), sizeof(limited));
	assert_memory_equal(buf, limited, sizeof(limited));
	assert_err(get(u, &owner, node, DEFAULT, buf, sizeof(buf)), ENODATA);
	assert_ok(umfs_mkdir(u->fs, &masked, dir, "s", 1, 0777, &node));
	sub = node;
	assert_int_equal(mode_of(u, sub), 0775);
	assert_int_equal(get(u, &owner, sub, DEFAULT, buf, sizeof(buf)), sizeof(full));
	assert_memory_equal(buf, full, sizeof(full));
	/* One that says no more than a mode is passed on, and not kept. */
	assert_ok(set_acl(u, &owner, sub, DEFAULT, minimal, sizeof(minimal)));
	assert_ok(umfs_create(u->fs, &masked, sub, "f", 1, 0100666, 0, &node));
	plain = node;
	assert_int_equal(mode_of(u, plain), 0640);
	assert_int_equal(umfs_listxattr(u->fs, &owner, plain, NULL, 0), 0);
	assert_ok(umfs_symlink(u->fs, &masked, sub, "l", 1, "f", 1, &node));
	assert_int_equal(mode_of(u, node), 0777);
}

static void capability_of_another_form_refused(void **state)
{
	static const uint8_t v2[20] = {1, 0, 0, 2}, v3[24] = {0, 0, 0, 3};
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100755);
	const char *name = "security.capability";

	assert_err(set(u, &world_root, node, name, "junk", 0), EINVAL);
	assert_err(set_acl(u, &world_root, node, name, v3, 20), EINVAL);
	assert_err(set_acl(u, &owner, node, name, v2, 20), EPERM);
	assert_ok(set_acl(u, &world_root, node, name, v2, 20));
	assert_ok(set_acl(u, &world_root, node, name, v3, 24));
}

static void wrong_lists_refused(void **state)
{
	static const struct {
		uint8_t bytes[60];
		uint32_t n;
		int err;
	} lists[] = {
		{{2, 0, 0}, 3, EINVAL},
		{{3, 0, 0, 0, ACL_OWNER(6), ACL_GROUP(4), ACL_OTHER(0)}, 28, EOPNOTSUPP},
		{{ACL_HEAD, ACL_OWNER(6), ACL_GROUP(4), ACL_OTHER(0)}, 27, EINVAL},
		{{ACL_HEAD, ACL_OWNER(6), ACL_GROUP(4)}, 20, EINVAL},
		{{ACL_HEAD, ACL_OWNER(8), ACL_GROUP(4), ACL_OTHER(0)}, 28, EINVAL},
		{{ACL_HEAD, ACL_GROUP(4), ACL_OWNER(6), ACL_OTHER(0)}, 28, EINVAL},
		{{ACL_HEAD, ACL_OWNER(6), ACL_OWNER(6), ACL_GROUP(4), ACL_OTHER(0)}, 36, EINVAL},
		{{ACL_HEAD, ACL_OWNER(6), ACL_USER(6, 9), ACL_GROUP(4), ACL_OTHER(0)}, 36, EINVAL},
		{{ACL_HEAD, ACL_OWNER(6), 3, 0, 4, 0, ACL_ANY, ACL_OTHER(0)}, 28, EINVAL},
		{{ACL_HEAD, ACL_OWNER(6), ACL_GROUP(4), 64, 0, 0, 0, ACL_ANY}, 28, EINVAL},
	};
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	uint64_t free = unit_pages_free(u);
	size_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(lists); i++)
		assert_err(set_acl(u, &owner, node, ACCESS, lists[i].bytes, lists[i].n),
			   lists[i].err);
	assert_int_equal(mode_of(u, node), 0644);
	assert_int_equal(unit_pages_free(u), free);
}

/* ---- damage, faults, stopped writers ---- */

static struct umfs_xattr_pm *block_of(struct unit *u, umfs_node node)
{
	return umfs_page(u->fs, (ld64(&umfs_inode(u->fs, (uint32_t)node)->xattr) & UMFS_PTE_ADDR) >>
					UMFS_PAGE_SHIFT);
}

static void seal(struct umfs_xattr_pm *head)
{
	st32(&head->crc, port_crc32c(0, &head->ino, ld32(&head->bytes) - 8));
}

static void expect_damage(struct unit *u, umfs_node node)
{
	char buf[100];

	assert_err(get(u, &world_root, node, "user.none", buf, sizeof(buf)), EUCLEAN);
	assert_err(umfs_listxattr(u->fs, &world_root, node, buf, sizeof(buf)), EUCLEAN);
	assert_err(set(u, &world_root, node, "user.a", "y", 0), EUCLEAN);
	assert_err(drop(u, &world_root, node, "user.none"), EUCLEAN);
}

static void damaged_block_is_an_error(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	struct umfs_inode_pm *in = umfs_inode(u->fs, (uint32_t)node);
	struct umfs_xattr_pm *head, copy;
	struct umfs_xentry_pm *entry;
	uint64_t word;

	u->damaged = true;
	u->sim->log = NULL;
	assert_ok(set(u, &owner, node, "user.a", "x", 0));
	word = ld64(&in->xattr);
	head = block_of(u, node);
	memcpy(&copy, head, sizeof(copy));
	st32(&head->crc, ld32(&head->crc) ^ 1);
	expect_damage(u, node);
	memcpy(head, &copy, sizeof(copy));
	st32(&head->bytes, 0xfffffff8);
	expect_damage(u, node);
	st32(&head->bytes, 8);
	expect_damage(u, node);
	memcpy(head, &copy, sizeof(copy));
	st32(&head->ino, 77);
	seal(head);
	expect_damage(u, node);
	memcpy(head, &copy, sizeof(copy));
	entry = (struct umfs_xentry_pm *)(head + 1);
	st32(&entry->value_bytes, 0xffffffff);
	seal(head);
	expect_damage(u, node);
	st32(&entry->value_bytes, 4096);
	seal(head);
	expect_damage(u, node);
	st64(&in->xattr, 1ull << 50 | 1);
	umfs_inode_seal(in, (uint32_t)node);
	expect_damage(u, node);
	st64(&in->xattr, word + 17);
	umfs_inode_seal(in, (uint32_t)node);
	expect_damage(u, node);
	st64(&in->xattr, 5);
	umfs_inode_seal(in, (uint32_t)node);
	expect_damage(u, node);
	assert_ok(world_unlink(u->fs, "/f"));
}

/* Another process, in the middle of writing to the inode that has user.a. */
static struct sim_proc *writer_inside(struct unit *u, umfs_node node)
{
	struct umfs_inode_pm *in = umfs_inode(u->fs, (uint32_t)node);
	struct sim_proc *proc = unit_attach(u);

	assert_ok(set(u, &owner, node, "user.a", "x", 0));
	assert_ok(umfs_lock(&proc->fs, &in->lock));
	umfs_seq_begin(in);
	return proc;
}

static void writer_inside_hides_nothing(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	struct umfs_inode_pm *in = umfs_inode(u->fs, (uint32_t)node);
	struct sim_proc *proc = writer_inside(u, node);

	assert_value(u, node, "user.a", "x");
	assert_names(u, &owner, node, "user.a", 7);
	assert_true(ld64(&in->seq) & 1);
	umfs_seq_end(&proc->fs, in);
	umfs_unlock(&proc->fs, &in->lock);
	sim_detach(proc);
}

static void reader_past_dead_writer_recovers(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);
	struct umfs_inode_pm *in = umfs_inode(u->fs, (uint32_t)node);

	sim_kill(writer_inside(u, node));
	assert_value(u, node, "user.a", "x");
	assert_false(ld64(&in->seq) & 1);
}

static void pool_looked_at_only_refuses_changes(void **state)
{
	struct unit *u = *state;
	umfs_node node = make(u, "/f", 0100644);

	assert_ok(set(u, &owner, node, "user.a", "x", 0));
	u->fs->readonly = 1;
	assert_value(u, node, "user.a", "x");
	assert_err(set(u, &owner, node, "user.a", "y", 0), EROFS);
	assert_err(drop(u, &owner, node, "user.a"), EROFS);
	u->fs->readonly = 0;
}

static const struct CMUnitTest tests[] = {
	CASE(value_set_is_read_back),
	CASE(pages_follow_attributes),
	CASE(sizes_at_and_past_the_limits),
	CASE(list_longer_than_a_call_gives_is_refused),
	CASE(names_outside_the_namespaces_refused),
	CASE(rights_are_those_of_linux),
	CASE(user_space_is_for_files_and_directories),
	CASE(links_and_renames_share_attributes),
	CASE(nameless_file_has_attributes),
	CASE(removed_inode_is_stale),
	CASE(removal_on_full_pool_succeeds),
	CASE(block_without_what_was_removed_shrinks),
	CASE(access_list_sets_the_mode),
	CASE(list_that_is_a_mode_set_on_full_pool),
	CASE(default_list_is_for_directories),
	CASE(default_list_is_passed_on),
	CASE(capability_of_another_form_refused),
	CASE(wrong_lists_refused),
	CASE(damaged_block_is_an_error),
	CASE(writer_inside_hides_nothing),
	CASE(reader_past_dead_writer_recovers),
	CASE(pool_looked_at_only_refuses_changes),
};
UNIT_MAIN("xattr", tests)
