// SPDX-License-Identifier: BSD-3-Clause
/* test_dir.c - reading directories. */
#include <dirent.h>
#include <sys/syscall.h>

#include "shim_test.h"

static void names(const char *dir, int n)
{
	char name[64];

	assert_ok(mkdir(at(dir), 0755));
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/file%d", dir, i);
		assert_ok(close(open(at(name), O_WRONLY | O_CREAT, 0644)));
	}
}

static void remove_names(const char *dir, int n)
{
	char name[64];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/file%d", dir, i);
		unlink(at(name));
	}
	assert_ok(rmdir(at(dir)));
}

/* How often each fileN comes; "." and ".." are counted behind them. */
static void count(DIR *d, int *seen, int n)
{
	struct dirent *e;
	int i;

	memset(seen, 0, sizeof(*seen) * (size_t)(n + 2));
	while ((errno = 0, e = readdir(d))) {
		if (!strcmp(e->d_name, "."))
			seen[n]++;
		else if (!strcmp(e->d_name, ".."))
			seen[n + 1]++;
		else if (sscanf(e->d_name, "file%d", &i) == 1 && i >= 0 && i < n)
			seen[i]++;
		else
			fail_msg("unexpected name %s", e->d_name);
	}
	assert_int_equal(errno, 0);
}

static void each_name_once(void **state)
{
	static const int sizes[] = {0, 1, 10, 300, 3000};
	static int seen[3002];

	(void)state;
	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		DIR *d;

		names("d", sizes[k]);
		d = opendir(at("d"));
		assert_non_null(d);
		for (int round = 0; round < 2; round++) {
			count(d, seen, sizes[k]);
			for (int i = 0; i < sizes[k] + 2; i++)
				assert_int_equal(seen[i], 1);
			rewinddir(d);
		}
		assert_ok(closedir(d));
		remove_names("d", sizes[k]);
	}
}

static void entries_are_right(void **state)
{
	struct stat st, up;
	struct dirent *e;
	DIR *d;
	int found = 0;

	(void)state;
	assert_ok(mkdir(at("d"), 0755));
	assert_ok(mkdir(at("d/sub"), 0755));
	put_file("d/f", "x");
	assert_ok(symlink("f", at("d/l")));
	assert_ok(stat(test_dir(), &up));
	d = opendir(at("d"));
	while ((e = readdir(d))) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/d/%s", test_dir(), e->d_name);
		assert_ok(lstat(path, &st));
		assert_int_equal(e->d_ino, st.st_ino);
		assert_int_equal(e->d_type, IFTODT(st.st_mode));
		found++;
	}
	assert_int_equal(found, 5);
	assert_ok(closedir(d));
	unlink(at("d/l"));
	unlink(at("d/f"));
	rmdir(at("d/sub"));
	rmdir(at("d"));
}

static void names_removed_while_reading(void **state)
{
	static int seen[1002];
	struct dirent *e;
	int n = 0;
	DIR *d;

	(void)state;
	names("d", 1000);
	d = opendir(at("d"));
	while ((e = readdir(d))) {
		char path[PATH_MAX];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/d/%s", test_dir(), e->d_name);
		assert_ok(unlink(path));
		n++;
	}
	assert_int_equal(n, 1000);
	rewinddir(d);
	count(d, seen, 0);
	assert_ok(closedir(d));
	assert_ok(rmdir(at("d")));
}

static void names_there_all_the_time_come_once(void **state)
{
	static int seen[502];
	struct dirent *e;
	int i, k = 0;
	DIR *d;

	(void)state;
	names("d", 500);
	d = opendir(at("d"));
	memset(seen, 0, sizeof(seen));
	while ((e = readdir(d))) {
		char name[64];

		if (sscanf(e->d_name, "file%d", &i) == 1)
			seen[i]++;
		/* Others come and go meanwhile. */
		snprintf(name, sizeof(name), "d/other%d", k);
		put_file(name, "");
		if (k > 3) {
			snprintf(name, sizeof(name), "d/other%d", k - 3);
			assert_ok(unlink(at(name)));
		}
		if (++k > 5000)
			break;
	}
	for (i = 0; i < 500; i++)
		assert_int_equal(seen[i], 1);
	assert_ok(closedir(d));
	for (i = 0; i <= k; i++) {
		char name[64];

		snprintf(name, sizeof(name), "d/other%d", i);
		unlink(at(name));
	}
	remove_names("d", 500);
}

static void tell_and_seek(void **state)
{
	char third[256] = "";
	struct dirent *e;
	long where = 0;
	DIR *d;

	(void)state;
	names("d", 50);
	d = opendir(at("d"));
	for (int i = 0; i < 20; i++) {
		assert_non_null(readdir(d));
		if (i == 8)
			where = telldir(d);
		if (i == 9) {
			seekdir(d, where);
			e = readdir(d);
			assert_non_null(e);
			snprintf(third, sizeof(third), "%s", e->d_name);
		}
	}
	seekdir(d, where);
	e = readdir(d);
	assert_non_null(e);
	assert_string_equal(e->d_name, third);
	assert_ok(closedir(d));
	remove_names("d", 50);
}

static void streams_and_descriptors(void **state)
{
	static int seen[12];
	struct stat a, b;
	DIR *d;
	int fd;

	(void)state;
	names("d", 10);
	fd = open(at("d"), O_RDONLY | O_DIRECTORY);
	d = fdopendir(fd);
	assert_non_null(d);
	assert_int_equal(dirfd(d), fd);
	assert_ok(fstat(dirfd(d), &a));
	assert_ok(stat(at("d"), &b));
	assert_int_equal(a.st_ino, b.st_ino);
	assert_ok(fstatat(dirfd(d), "file3", &a, 0));
	count(d, seen, 10);
	assert_ok(closedir(d));
	assert_errno(close(fd), EBADF);
	errno = 0;
	assert_null(opendir(at("none")));
	assert_int_equal(errno, ENOENT);
	assert_null(opendir(at("d/file1")));
	assert_int_equal(errno, ENOTDIR);
	fd = open(at("d/file1"), O_RDONLY);
	assert_null(fdopendir(fd));
	assert_int_equal(errno, ENOTDIR);
	close(fd);
	/* The kernel's directories still work. */
	d = opendir("/");
	assert_non_null(d);
	assert_non_null(readdir(d));
	rewinddir(d);
	assert_true(telldir(d) >= 0);
	assert_ok(closedir(d));
	remove_names("d", 10);
}

static int only_odd(const struct dirent *e)
{
	return (e->d_name[strlen(e->d_name) - 1] - '0') % 2 == 1;
}

static void scan(void **state)
{
	struct dirent **list;
	int n;

	(void)state;
	names("d", 10);
	n = scandir(at("d"), &list, only_odd, alphasort);
	assert_int_equal(n, 5);
	assert_string_equal(list[0]->d_name, "file1");
	assert_string_equal(list[4]->d_name, "file9");
	while (n)
		free(list[--n]);
	free(list);
	assert_errno(scandir(at("none"), &list, NULL, NULL), ENOENT);
	n = scandir("/", &list, NULL, alphasort);
	assert_true(n > 2);
	while (n)
		free(list[--n]);
	free(list);
	remove_names("d", 10);
}

static void raw_entries(void **state)
{
	static const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	char buf[512];
	int total = 0, fd;
	struct stat st;
	ssize_t n;

	(void)state;
	names("d", 100);
	fd = open(at("d"), O_RDONLY | O_DIRECTORY);
	while ((n = getdents64(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n;) {
			struct dirent64 *e = (struct dirent64 *)(void *)(buf + i);

			total++;
			i += e->d_reclen;
		}
	assert_int_equal(n, 0);
	assert_int_equal(total, 102);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_ok(futimens(fd, old));
	assert_errno(getdents64(fd, buf, 10), EINVAL);
	assert_ok(fstat(fd, &st));
	assert_true(st.st_atime > old[0].tv_sec); /* nothing fits, and yet it was read */
	assert_errno(pread(fd, buf, 10, 0), EISDIR);
	assert_errno(pread(fd, buf, 10, INT64_MAX), EINVAL);
	assert_ok(close(fd));
	fd = open(at("d/file1"), O_RDONLY);
	assert_errno(getdents64(fd, buf, sizeof(buf)), ENOTDIR);
	assert_ok(close(fd));
	remove_names("d", 100);
}

/* Behind others as well, where nothing would be the end. */
static void name_that_does_not_fit_is_no_end(void **state)
{
	char buf[400], name[110] = "d/";
	int fd, made;

	(void)state;
	assert_ok(mkdir(at("d"), 0700));
	memset(name + 2, 'n', 100);
	made = open(at(name), O_WRONLY | O_CREAT, 0600);
	assert_true(made >= 0 && !close(made));
	fd = open(at("d"), O_RDONLY | O_DIRECTORY);
	assert_int_equal(getdents64(fd, buf, 60), 48); /* itself, and the one above */
	assert_errno(getdents64(fd, buf, 60), EINVAL);
	assert_true(getdents64(fd, buf, sizeof(buf)) > 100);
	assert_int_equal(getdents64(fd, buf, sizeof(buf)), 0);
	assert_ok(close(fd));
	assert_ok(unlink(at(name)));
	assert_ok(rmdir(at("d")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_once),
		cmocka_unit_test(entries_are_right),
		cmocka_unit_test(names_removed_while_reading),
		cmocka_unit_test(names_there_all_the_time_come_once),
		cmocka_unit_test(tell_and_seek),
		cmocka_unit_test(streams_and_descriptors),
		cmocka_unit_test(scan),
		cmocka_unit_test(raw_entries),
		cmocka_unit_test(name_that_does_not_fit_is_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
