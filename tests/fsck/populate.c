// SPDX-License-Identifier: BSD-3-Clause
/*
 * populate.c - a pool with one of everything, for the checker's tests.
 *
 *   populate clean POOL  two groups, of which one was never used; detached cleanly
 *   populate crash POOL  the same, left by a process that vanished: a file unlinked
 *                        while open, pages ahead of a file's end, a slot in use
 *   populate wide POOL   the same in many small groups
 *   populate many POOL   16 GiB with a million inodes, for measurements
 *   populate huge POOL   1 TiB with hardly anything in it
 *   populate small POOL  one group, shorter than a whole one; detached cleanly
 *   populate full POOL   the same without a free page
 *
 * Every file and name is the same each time, so that cases may name them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool.h"

#define POOL_BYTES (192ull << 20)
#define SMALL_BYTES (64ull << 20)
#define HUGE_BYTES (1ull << 40)
#define MANY_BYTES (16ull << 30)
#define MANY_FILES 1000000
#define WIDE_BYTES (2ull << 30)
#define WIDE_INODES 1024 /* 64 a group, so that the files are in ten of them */
#define MANY 700
#define DATA_BYTE 0xdd /* no metadata page is full of these: the fuzzer skips such pages */

static struct pool pool;
static const struct umfs_cred root = { .umask = 022, .override = true };

static void must(long ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "populate: %s: %s\n", what, strerror((int)-ret));
	exit(1);
}

static void make_pool(const char *path, uint64_t bytes)
{
	struct umfs_format f = {
		.pool_pages = bytes / UMFS_PAGE_BYTES,
		.inode_count = bytes == HUGE_BYTES || bytes == MANY_BYTES ? 0 :
			       bytes == WIDE_BYTES ? WIDE_INODES : 8192,
		.uuid = "fsck test pool!",
		.label = "fsck",
		.hash_key = { 0x0123456789abcdefull, 0xfedcba9876543210ull },
		.now_ns = 1000000000,
		.root_mode = 0755,
	};
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd < 0 ? -1 : 0, "create");
	must(ftruncate(fd, (off_t)bytes) ? -1 : 0, "ftruncate");
	close(fd);
	must(pool_map(&pool, path, 0), "map");
	must(umfs_format_write(&pool.fs, &f), "format");
	pool_close(&pool);
}

static uint32_t make(uint32_t dir, const char *name, uint32_t mode, uint64_t rdev)
{
	uint32_t len = (uint32_t)strlen(name);
	umfs_node node = 0;

	if (S_ISDIR(mode))
		must(umfs_mkdir(&pool.fs, &root, dir, name, len, mode & 07777, &node), name);
	else
		must(umfs_create(&pool.fs, &root, dir, name, len, mode, rdev, &node), name);
	return (uint32_t)node;
}

static uint32_t open_ino(uint32_t ino, struct umfs_file *f)
{
	uint32_t ofd;

	must(umfs_open(&pool.fs, ino, O_RDWR, &ofd), "open");
	must(umfs_file_init(&pool.fs, ofd, f), "file_init");
	return ofd;
}

static void put_data(const struct umfs_file *f, uint64_t off, uint64_t n)
{
	static uint8_t buf[1 << 20];

	memset(buf, DATA_BYTE, sizeof(buf));
	while (n) {
		uint64_t now = n < sizeof(buf) ? n : sizeof(buf);
		int64_t done = umfs_pwrite(f, buf, now, off);

		must(done > 0 ? 0 : -5, "write");
		off += (uint64_t)done;
		n -= (uint64_t)done;
	}
}

static uint32_t file_with(uint32_t dir, const char *name, uint64_t off, uint64_t n)
{
	uint32_t ino = make(dir, name, S_IFREG | 0644, 0);
	struct umfs_file f;
	uint32_t ofd = open_ino(ino, &f);

	put_data(&f, off, n);
	umfs_ofd_put(&pool.fs, ofd);
	return ino;
}

static void fill_big(uint32_t dir)
{
	char name[64];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "a-file-with-a-name-of-some-length-%04d", i);
		make(dir, name, S_IFREG | 0644, 0);
	}
	for (int i = 0; i < MANY; i += 3) {
		snprintf(name, sizeof(name), "a-file-with-a-name-of-some-length-%04d", i);
		must(umfs_unlink(&pool.fs, &root, dir, name, (uint32_t)strlen(name)), "unlink");
	}
}

static void attribute(uint32_t ino, const char *name, const char *value, uint64_t n)
{
	must(umfs_setxattr(&pool.fs, &root, ino, name, (uint32_t)strlen(name), value, n, 0), name);
}

static void fill(void)
{
	static const char large[10000] = { DATA_BYTE };
	uint32_t dir, sub, ino;
	umfs_node target;

	make(UMFS_ROOT_INO, "empty", S_IFREG | 0600, 0);
	file_with(UMFS_ROOT_INO, "height0", 0, 100);
	file_with(UMFS_ROOT_INO, "height1", 0, 40 << 10);
	ino = file_with(UMFS_ROOT_INO, "height2", 0, 3 << 20);
	(void)ino;
	file_with(UMFS_ROOT_INO, "holes", 5 << 20, 5000);
	file_with(UMFS_ROOT_INO, "height3", 2ull << 30, 1);
	dir = make(UMFS_ROOT_INO, "dir", S_IFDIR | 0755, 0);
	sub = make(dir, "sub", S_IFDIR | 0755, 0);
	make(sub, "deep", S_IFDIR | 0700, 0);
	make(UMFS_ROOT_INO, "other", S_IFDIR | 0755, 0);
	fill_big(make(UMFS_ROOT_INO, "big", S_IFDIR | 0755, 0));
	ino = file_with(dir, "hard1", 0, 10);
	must(umfs_link(&pool.fs, &root, ino, sub, "hard2", 5), "link");
	must(umfs_symlink(&pool.fs, &root, dir, "link", 4, "../height1", 10, &target), "symlink");
	make(dir, "fifo", S_IFIFO | 0644, 0);
	make(dir, "socket", S_IFSOCK | 0644, 0);
	make(dir, "chardev", S_IFCHR | 0644, 0x103);
	attribute(ino, "user.one", "first", 5);
	attribute(ino, "user.two", "second", 6);
	attribute(dir, "trusted.large", large, sizeof(large));
	attribute(target, "security.link", "x", 1);
}

/* What a process leaves that ends without a word. */
static void leave_open(void)
{
	struct umfs_file f;
	uint32_t ino;

	ino = make(UMFS_ROOT_INO, "gone", S_IFREG | 0644, 0);
	open_ino(ino, &f);
	put_data(&f, 0, 300 << 10);
	must(umfs_unlink(&pool.fs, &root, UMFS_ROOT_INO, "gone", 4), "unlink");
	ino = make(UMFS_ROOT_INO, "growing", S_IFREG | 0644, 0);
	open_ino(ino, &f);
	put_data(&f, 0, 70 << 10);
	put_data(&f, 4096, 4096);
}

/* The last pages one by one, so that none is left. */
static void fill_up(void)
{
	static uint8_t buf[1 << 20];
	uint64_t n = sizeof(buf), off = 0;
	struct umfs_file f;
	uint32_t ofd = open_ino(make(UMFS_ROOT_INO, "filler", S_IFREG | 0644, 0), &f);

	memset(buf, DATA_BYTE, sizeof(buf));
	while (n >= UMFS_PAGE_BYTES) {
		int64_t done = umfs_pwrite(&f, buf, n, off);

		if (done > 0)
			off += (uint64_t)done;
		else
			n /= 2;
	}
	umfs_ofd_put(&pool.fs, ofd);
}

static void fill_many(void)
{
	char name[32];
	uint32_t dir = 0;

	for (int i = 0; i < MANY_FILES; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (i % 1000 == 0)
			dir = make(UMFS_ROOT_INO, name, S_IFDIR | 0755, 0);
		make(dir, name, S_IFREG | 0644, 0);
	}
}

struct kind {
	const char *name;
	uint64_t bytes;
	bool crash, full;
};

static const struct kind kinds[] = {
	{ "clean", POOL_BYTES, false, false },
	{ "crash", POOL_BYTES, true, false },
	{ "small", SMALL_BYTES, false, false },
	{ "huge", HUGE_BYTES, false, false },
	{ "full", SMALL_BYTES, false, true },
	{ "two", POOL_BYTES, false, true }, /* groups: one file has all of the second */
	{ "many", MANY_BYTES, false, false },
	{ "wide", WIDE_BYTES, false, false },
};

static void populate(const struct kind *k, const char *path)
{
	make_pool(path, k->bytes);
	must(pool_attach(&pool, path, UMFS_MODE_ATOMIC), "attach");
	fill();
	if (k->full)
		fill_up();
	if (k->bytes == MANY_BYTES)
		fill_many();
	if (k->crash) {
		leave_open();
		_exit(0);
	}
	pool_close(&pool);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < UMFS_ARRAY_LEN(kinds); i++) {
		if (!strcmp(argv[1], kinds[i].name)) {
			populate(&kinds[i], argv[2]);
			return 0;
		}
	}
	fprintf(stderr, "usage: populate clean|crash|small|wide|many|huge|full|two POOL\n");
	return 2;
}
