/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_limits.c - the largest that a program may ask for, and one more, on a sparse pool
 * of 16 TiB with as many inodes as there can be. Paths are in test_open.c, symbolic
 * links in test_name.c; what core says to each is in tests/unit.
 *
 * UMFS_LIMITS_NAMES: so many names in one directory instead of 20 000; 10000000 takes
 * half a minute and 4 GiB of memory.
 */
#include "shim_test.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#define FILE_MAX (512ll << 30)
#define LINKS_MAX 65000
#define PAGE 4096

/* ---- names ---- */

static void name_of_byte(char path[PATH_MAX], int byte, size_t len)
{
	size_t n = (size_t)snprintf(path, PATH_MAX, "%s/bytes/", test_dir());

	memset(path + n, byte, len);
	path[n + len] = '\0';
}

/* 255 times each byte that may be in a name. */
static void names_of_any_byte_and_255_bytes(void **state)
{
	char path[PATH_MAX], other[PATH_MAX];
	bool seen[256] = { false };
	struct dirent *e;
	struct stat st;
	int count = 0;
	DIR *dir;

	(void)state;
	assert_ok(mkdir(at("bytes"), 0755));
	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		name_of_byte(path, c, 255);
		assert_ok(close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644)));
		name_of_byte(path, c, 256);
		assert_errno(open(path, O_WRONLY | O_CREAT, 0644), ENAMETOOLONG);
		assert_errno(stat(path, &st), ENAMETOOLONG);
	}
	dir = opendir(at("bytes"));
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		uint8_t c = (uint8_t)e->d_name[0];

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		assert_int_equal(strlen(e->d_name), 255);
		for (int i = 1; i < 255; i++)
			assert_int_equal((uint8_t)e->d_name[i], c);
		assert_false(seen[c]);
		seen[c] = true;
		count++;
	}
	assert_ok(closedir(dir));
	assert_int_equal(count, 254);
	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		name_of_byte(path, c, 255);
		name_of_byte(other, c, 254);
		assert_ok(rename(path, other));
		assert_ok(link(other, path));
		assert_ok(unlink(other));
		assert_ok(unlink(path));
	}
	assert_ok(rmdir(at("bytes")));
}

/* ---- links ---- */

static const char *numbered(const char *dir, unsigned n)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/%u", dir, n);
	return at(name);
}

static void links_up_to_65000(void **state)
{
	struct stat st;

	(void)state;
	assert_ok(mkdir(at("links"), 0755));
	put_file("links/0", "linked");
	for (unsigned n = 1; n < LINKS_MAX; n++)
		assert_ok(link(at("links/0"), numbered("links", n)));
	assert_ok(stat(at("links/0"), &st));
	assert_int_equal(st.st_nlink, LINKS_MAX);
	assert_errno(link(at("links/0"), at("links/more")), EMLINK);
	assert_ok(rename(at("links/1"), at("links/moved")));
	assert_ok(unlink(at("links/moved")));
	assert_ok(link(at("links/0"), at("links/more")));
	check_file("links/more", "linked");
	assert_ok(unlink(at("links/more")));
	for (unsigned n = 2; n < LINKS_MAX; n++)
		assert_ok(unlink(numbered("links", n)));
	assert_ok(unlink(at("links/0")));
	assert_ok(rmdir(at("links")));
}

/* ---- one file ---- */

static void file_up_to_512_gib(void **state)
{
	int fd = open(at("large"), O_RDWR | O_CREAT, 0644);
	struct stat st;
	char c = 'x';
	char *p;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "first", 5, 0), 5);
	assert_int_equal(pwrite(fd, "last!", 5, FILE_MAX - 3), 3); /* as far as it goes */
	assert_errno(pwrite(fd, "x", 1, FILE_MAX), EFBIG);
	assert_int_equal(lseek(fd, 0, SEEK_END), FILE_MAX);
	assert_errno(write(fd, "x", 1), EFBIG);
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_size, FILE_MAX);
	assert_true(st.st_blocks < 100); /* holes take nothing */
	assert_int_equal(lseek(fd, PAGE, SEEK_DATA), FILE_MAX - PAGE);
	assert_int_equal(lseek(fd, FILE_MAX - 1, SEEK_HOLE), FILE_MAX);
	assert_int_equal(pread(fd, &c, 1, FILE_MAX / 2), 1);
	assert_int_equal(c, 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, FILE_MAX - PAGE);
	assert_true(p != MAP_FAILED);
	assert_memory_equal(p + PAGE - 3, "las", 3);
	assert_ok(munmap(p, PAGE));
	assert_errno(ftruncate(fd, FILE_MAX + 1), EFBIG);
	assert_errno(fallocate(fd, 0, FILE_MAX, 1), EFBIG);
	assert_ok(ftruncate(fd, FILE_MAX - 1));
	assert_ok(ftruncate(fd, FILE_MAX));
	assert_int_equal(pread(fd, &c, 1, FILE_MAX - 1), 1);
	assert_int_equal(c, 0);
	assert_ok(close(fd));
	assert_ok(unlink(at("large")));
}

/* ---- many names ---- */

static unsigned names_wanted(void)
{
	const char *text = getenv("UMFS_LIMITS_NAMES");

	return text ? (unsigned)strtoul(text, NULL, 10) : 20000;
}

static void list_once(const char *name, unsigned count)
{
	uint8_t *seen = calloc(count, 1);
	unsigned found = 0;
	struct dirent *e;
	DIR *dir = opendir(at(name));

	assert_non_null(seen);
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		unsigned long n;

		if (e->d_name[0] == '.')
			continue;
		n = strtoul(e->d_name, NULL, 10);
		assert_true(n < count && !seen[n]);
		seen[n] = 1;
		found++;
	}
	assert_ok(closedir(dir));
	assert_int_equal(found, count);
	free(seen);
}

static void directory_of_many_names(void **state)
{
	unsigned count = names_wanted();
	struct stat st;

	(void)state;
	assert_ok(mkdir(at("many"), 0755));
	for (unsigned n = 0; n < count; n++)
		assert_ok(close(open(numbered("many", n), O_WRONLY | O_CREAT | O_EXCL, 0644)));
	assert_errno(open(numbered("many", count / 2), O_WRONLY | O_CREAT | O_EXCL, 0644),
		     EEXIST);
	assert_errno(rmdir(at("many")), ENOTEMPTY);
	list_once("many", count);
	for (unsigned n = 0; n < count; n += 7)
		assert_ok(stat(numbered("many", n), &st));
	assert_errno(stat(numbered("many", count), &st), ENOENT);
	for (unsigned n = 0; n < count; n++)
		assert_ok(unlink(numbered("many", n)));
	list_once("many", 0);
	assert_ok(rmdir(at("many")));
}

/* ---- the pool ---- */

static void pool_says_how_large_it_is(void **state)
{
	struct statvfs v;

	(void)state;
	assert_ok(statvfs(test_dir(), &v));
	/* Inodes take 6 % of it; what there is memory for is another matter. */
	assert_true((uint64_t)v.f_blocks * v.f_frsize > 15ull << 40);
	assert_true((uint64_t)v.f_blocks * v.f_frsize < 16ull << 40);
	assert_true(v.f_bfree <= v.f_blocks);
	assert_true(v.f_files > 4286000000u && v.f_files <= UINT32_MAX);
	assert_true(v.f_ffree <= v.f_files && v.f_ffree > 4286000000u);
	assert_int_equal(v.f_namemax, 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_any_byte_and_255_bytes),
		cmocka_unit_test(links_up_to_65000),
		cmocka_unit_test(file_up_to_512_gib),
		cmocka_unit_test(directory_of_many_names),
		cmocka_unit_test(pool_says_how_large_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
