// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_limits.c - what docs/SPEC.md calls the largest, at its edge and past it. Link
 * counts are in test_namei.c, symbolic links and components in test_path.c.
 */
#include "unit.h"

#include <stdio.h>

#define LAST (UMFS_FILE_BYTES_MAX - 1)
/* Of a pool of 16 TiB: 131072 groups, each with the most that lets the sum fit 32 bits. */
#define INODES_MOST (131072ull * (UMFS_GROUP_PAGES - 64))

/* ---- names ---- */

struct listing {
	uint32_t names;
	bool seen[256]; /* by the byte that the name consists of */
};

static int list_one(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		    uint64_t cookie)
{
	struct listing *l = arg;
	uint32_t i;

	(void)ino;
	(void)type;
	(void)cookie;
	assert_int_equal(len, 255);
	for (i = 1; i < len; i++)
		assert_int_equal(name[i], name[0]);
	assert_false(l->seen[(uint8_t)name[0]]);
	l->seen[(uint8_t)name[0]] = true;
	l->names++;
	return 0;
}

/* 255 times the same byte, for every byte but / and NUL. */
static void longest_names_of_every_byte_kept(void **state)
{
	struct unit *u = *state;
	struct listing l = {0};
	char name[256], other[256];
	uint32_t c, ino, found;
	umfs_node node, none;

	for (c = 1; c < 256; c++) {
		memset(name, (int)c, 256);
		if (c == '/')
			continue;
		assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, name, 255, 0100644, 0,
				      &node));
		assert_err(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, name, 256, 0100644, 0,
				       &none),
			   ENAMETOOLONG);
		assert_ok(umfs_lookup(u->fs, UMFS_ROOT_INO, name, 255, &found));
		assert_int_equal(found, (uint32_t)node);
		assert_err(umfs_lookup(u->fs, UMFS_ROOT_INO, name, 254, &found), ENOENT);
	}
	unit_reattach(u, UMFS_MODE_ATOMIC);
	assert_ok(umfs_readdir(u->fs, UMFS_ROOT_INO, 0, list_one, &l));
	assert_int_equal(l.names, 254);
	/* And moved: to each other's place, and one byte too long. */
	memset(name, 'a', 256);
	memset(other, 0xff, 256);
	assert_ok(umfs_lookup(u->fs, UMFS_ROOT_INO, name, 255, &ino));
	assert_ok(umfs_rename(u->fs, &world_root, UMFS_ROOT_INO, name, 255, UMFS_ROOT_INO, other,
			      255, UMFS_RENAME_EXCHANGE));
	assert_ok(umfs_lookup(u->fs, UMFS_ROOT_INO, other, 255, &found));
	assert_int_equal(found, ino);
	assert_err(umfs_rename(u->fs, &world_root, UMFS_ROOT_INO, name, 255, UMFS_ROOT_INO, other,
			       256, 0),
		   ENAMETOOLONG);
	assert_err(umfs_link(u->fs, &world_root, ino, UMFS_ROOT_INO, name, 256), ENAMETOOLONG);
	assert_err(umfs_unlink(u->fs, &world_root, UMFS_ROOT_INO, name, 256), ENAMETOOLONG);
}

static void names_that_begin_with_dots_are_names(void **state)
{
	static const char *const names[] = {"...", ".a", "..a", "a.", "....", ". ", ".\n"};
	struct unit *u = *state;
	uint32_t i;
	umfs_node node;

	for (i = 0; i < UMFS_ARRAY_LEN(names); i++) {
		uint32_t len = (uint32_t)strlen(names[i]);

		assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, names[i], len, 0100644, 0,
				      &node));
		assert_ok(umfs_unlink(u->fs, &world_root, UMFS_ROOT_INO, names[i], len));
	}
}

/* ---- the size of a file ---- */

static void check_size_limit(struct unit *u)
{
	static uint8_t buf[3 * UMFS_PAGE_BYTES];
	struct umfs_iov iov = {buf, sizeof(buf)};
	uint64_t off = 0;
	struct umfs_file file;
	struct umfs_attr attr;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	/* Cut at the end, across pages. */
	assert_int_equal(umfs_pwrite(&file, buf, sizeof(buf), LAST - 5000), 5001);
	assert_int_equal(umfs_pwrite(&file, buf, sizeof(buf), LAST - 5000), 5001);
	assert_int_equal(umfs_pwrite(&file, buf, 5, LAST), 1);
	assert_err(umfs_pwrite(&file, buf, 1, LAST + 1), EFBIG);
	assert_err(umfs_pwrite(&file, buf, 1, LAST + UMFS_PAGE_BYTES), EFBIG);
	assert_err(umfs_pwritev(&file, &iov, 1, &off, true), EFBIG);
	assert_int_equal(umfs_pread(&file, buf, sizeof(buf), LAST), 1);
	assert_int_equal(umfs_pread(&file, buf, sizeof(buf), LAST + 1), 0);
	assert_int_equal(umfs_seek(&file, 0, SEEK_END), UMFS_FILE_BYTES_MAX);
	assert_err(umfs_truncate(u->fs, file.ino, UMFS_FILE_BYTES_MAX + 1), EFBIG);
	assert_err(umfs_truncate(u->fs, file.ino, UINT64_MAX), EFBIG);
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_int_equal(attr.size, UMFS_FILE_BYTES_MAX);
	/* Pages past it are as impossible as bytes. */
	assert_err(umfs_fallocate(&file, 0, LAST, 2), EFBIG);
	assert_err(umfs_fallocate(&file, UMFS_FALLOC_KEEP_SIZE, LAST, 2), EFBIG);
	assert_ok(umfs_fallocate(&file, 0, LAST, 1));
	assert_ok(umfs_truncate(u->fs, file.ino, LAST));
	assert_int_equal(umfs_pwritev(&file, &iov, 1, &off, true), 1);
	assert_ok(umfs_truncate(u->fs, file.ino, 0));
	world_close(&file);
	assert_ok(world_unlink(u->fs, "/f"));
}

static void file_size_limit_in_every_mode(void **state)
{
	struct unit *u = *state;
	uint32_t mode;

	for (mode = UMFS_MODE_POSIX; mode <= UMFS_MODE_ATOMIC; mode++) {
		unit_reattach(u, mode);
		check_size_limit(u);
	}
}

/* ---- inode numbers ---- */

/* All groups but the last seem full, and as they were again. */
static void fill_groups(struct unit *u, uint32_t (*was)[3])
{
	uint32_t g;

	for (g = 0; g + 1 < u->fs->geo.group_count; g++) {
		struct umfs_group_pm *grp = umfs_group(u->fs, g);

		was[g][0] = ld32(&grp->flags);
		was[g][1] = ld32(&grp->free_pages);
		was[g][2] = ld32(&grp->free_inodes);
		st32(&grp->flags, UMFS_GROUP_INIT);
		st32(&grp->free_pages, 0);
		st32(&grp->free_inodes, 0);
	}
}

static void restore_groups(struct unit *u, uint32_t (*was)[3])
{
	uint32_t g;

	for (g = 0; g + 1 < u->fs->geo.group_count; g++) {
		struct umfs_group_pm *grp = umfs_group(u->fs, g);

		st32(&grp->flags, was[g][0]);
		st32(&grp->free_pages, was[g][1] + ld32(&grp->free_pages)); /* what was freed */
		st32(&grp->free_inodes, was[g][2]);
	}
}

/*
 * The last group's inodes, until there is none: the highest number is among them.
 * Their directory lies there too, so that each is looked for near it.
 */
static uint32_t fill_last_group(struct unit *u)
{
	uint32_t highest = 0, n;
	umfs_node dir, node;
	char name[16];
	int err = 0;

	assert_ok(umfs_mkdir(u->fs, &world_root, UMFS_ROOT_INO, "d", 1, 0755, &dir));
	for (n = 0; !err; n++) {
		sprintf(name, "%u", n);
		err = umfs_create(u->fs, &world_root, dir, name, (uint32_t)strlen(name), 0100644,
				  0, &node);
		if (!err)
			highest = UMFS_MAX(highest, node);
	}
	assert_int_equal(err, -ENOSPC);
	return highest;
}

/* 16 TiB with as many inodes as 32 bits name: only what is used is there. */
static void highest_inode_of_the_largest_pool_works(void **state)
{
	struct unit *u = *state;
	const struct umfs_geometry *geo;
	struct umfs_attr attr;
	uint32_t (*was)[3], highest, n;
	char name[16];

	u->sim->log = NULL;
	unit_pool(u, UMFS_POOL_PAGES_MAX * UMFS_PAGE_BYTES, INODES_MOST);
	u->sim->log = NULL;
	geo = &u->fs->geo;
	assert_true((uint64_t)geo->group_count * geo->inodes_per_group > (1ull << 32) * 99 / 100);
	assert_ok(world_creat(u->fs, "/first", 0644)); /* the root has a page */
	was = calloc(geo->group_count, sizeof(*was));
	assert_non_null(was);
	fill_groups(u, was);
	highest = fill_last_group(u);
	restore_groups(u, was);
	free(was);
	assert_int_equal(highest, geo->group_count * geo->inodes_per_group - 1);
	for (n = 0; n < geo->inodes_per_group; n++) {
		sprintf(name, "/d/%u", n);
		assert_ok(world_stat(u->fs, name, &attr));
		if (attr.ino == highest)
			break;
	}
	assert_int_equal(attr.ino, highest);
	assert_ok(world_put(u->fs, name, 0, 10000, 1));
	assert_ok(world_link(u->fs, name, "/second"));
	unit_die(u);
	assert_ok(world_stat(u->fs, "/second", &attr));
	assert_int_equal(attr.ino, highest);
	assert_int_equal(attr.size, 10000);
	assert_ok(world_unlink(u->fs, name));
	assert_ok(world_unlink(u->fs, "/second"));
	assert_null(umfs_inode(u->fs, highest + 1));
	assert_true(umfs_getattr(u->fs, highest + 1, &attr) < 0);
}

static const struct CMUnitTest tests[] = {
	CASE(longest_names_of_every_byte_kept),
	CASE(names_that_begin_with_dots_are_names),
	CASE(file_size_limit_in_every_mode),
	CASE(highest_inode_of_the_largest_pool_works),
};
UNIT_MAIN("limits", tests)
