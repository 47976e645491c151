// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_point.c - the directory itself as the last component of a path, however
 * one comes there. Run twice: where it exists outside as well, and where not.
 */
#include <dirent.h>

#include "shim_test.h"

static char parent[PATH_MAX], name[NAME_MAX + 1];
static struct stat top;

static int find_parent(void **state)
{
	const char *slash = strrchr(test_dir(), '/');

	(void)state;
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - test_dir()), test_dir());
	snprintf(name, sizeof(name), "%s", slash + 1);
	return stat(test_dir(), &top) || mkdir(at("sub"), 0755);
}

static int remove_sub(void **state)
{
	(void)state;
	return rmdir(at("sub"));
}

static int go_back(void **state)
{
	(void)state;
	return chdir("/");
}

static const char *with(const char *format)
{
	static char buf[4][PATH_MAX];
	static unsigned n;
	char *p = buf[n++ % 4];

	snprintf(p, PATH_MAX, format, name);
	return p;
}

static int open_parent(void)
{
	int fd = open(parent, O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	return fd;
}

static void same_dir(const struct stat *st)
{
	assert_true(S_ISDIR(st->st_mode));
	assert_int_equal(st->st_dev, top.st_dev);
	assert_int_equal(st->st_ino, top.st_ino);
}

/* All that leads there, relative to a descriptor of the directory around it. */
static const char *const forms[] = {
	"%s", "%s/", "%s/.", "./%s", "./%s/./", ".//%s//", "%s/sub/..", "%s/../%1$s",
};

static void stat_and_open_by_descriptor(void **state)
{
	int dirfd = open_parent();
	struct statx stx;
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const char *path = with(forms[i]);
		int fd;

		assert_ok(fstatat(dirfd, path, &st, 0));
		same_dir(&st);
		assert_ok(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW));
		same_dir(&st);
		assert_ok(statx(dirfd, path, 0, STATX_BASIC_STATS, &stx));
		assert_int_equal(stx.stx_ino, top.st_ino);
		assert_ok(faccessat(dirfd, path, R_OK, 0));
		fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		assert_true(fd >= 0);
		assert_ok(fstat(fd, &st));
		same_dir(&st);
		assert_ok(fstatat(fd, "sub", &st, 0));
		assert_ok(mkdirat(fd, "new", 0755));
		assert_ok(access(at("new"), F_OK));
		assert_ok(unlinkat(dirfd, with("%s/new"), AT_REMOVEDIR));
		assert_ok(close(fd));
	}
	assert_ok(close(dirfd));
}

static void from_the_root_by_descriptors(void **state)
{
	char text[PATH_MAX], *save = NULL;
	int fd = open("/", O_PATH | O_DIRECTORY);
	struct stat st;

	(void)state;
	snprintf(text, sizeof(text), "%s", test_dir());
	for (char *part = strtok_r(text, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		int next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		assert_true(next >= 0);
		assert_ok(close(fd));
		fd = next;
	}
	assert_ok(fstat(fd, &st));
	same_dir(&st);
	assert_ok(close(fd));
}

static void from_the_working_directory(void **state)
{
	struct stat st;

	(void)state;
	assert_ok(chdir(parent));
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_ok(stat(with(forms[i]), &st));
		same_dir(&st);
	}
	assert_ok(mkdir("around", 0755));
	assert_ok(chdir("around"));
	assert_ok(stat(with("../%s"), &st));
	same_dir(&st);
	assert_ok(close(open(with("../%s/f"), O_WRONLY | O_CREAT | O_EXCL, 0644)));
	assert_ok(unlink(at("f")));
	assert_ok(chdir(with("../%s")));
	assert_ok(stat("sub", &st));
	assert_ok(stat(".", &st));
	same_dir(&st);
	assert_ok(chdir(".."));
	assert_ok(rmdir("around"));
}

static void through_links_and_proc(void **state)
{
	char path[2 * PATH_MAX];
	struct stat st;
	int dirfd = open_parent();
	DIR *dir;
	int fd, names = 0;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/root%s", test_dir());
	assert_ok(stat(path, &st));
	same_dir(&st);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	assert_ok(stat(path, &st));
	same_dir(&st);
	/* A link to the directory around it, and one to itself. */
	assert_ok(symlinkat(".", dirfd, "around"));
	assert_ok(symlinkat(name, dirfd, "itself"));
	snprintf(path, sizeof(path), "%s/around/%s", parent, name);
	assert_ok(stat(path, &st));
	same_dir(&st);
	snprintf(path, sizeof(path), "%s/around/%s/f", parent, name);
	assert_ok(close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644)));
	assert_ok(unlink(at("f")));
	assert_ok(fstatat(dirfd, "itself", &st, 0));
	same_dir(&st);
	assert_ok(fstatat(dirfd, "itself", &st, AT_SYMLINK_NOFOLLOW));
	assert_true(S_ISLNK(st.st_mode));
	fd = openat(dirfd, "itself", O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_ok(mkdirat(fd, "new", 0755));
	assert_ok(close(fd));
	snprintf(path, sizeof(path), "%s/itself", parent);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		names++;
	assert_int_equal(names, 4); /* ., .., sub, new */
	assert_ok(closedir(dir));
	assert_ok(rmdir(at("new")));
	/* Not asked to be a directory: what is made by it must be in the right place. */
	fd = openat(dirfd, "itself", O_RDONLY);
	assert_true(fd >= 0);
	assert_ok(mkdirat(fd, "new", 0755));
	assert_ok(close(openat(fd, "new/f", O_WRONLY | O_CREAT | O_EXCL, 0644)));
	assert_ok(symlinkat("x", fd, "soft"));
	assert_ok(fstatat(fd, "soft", &st, AT_SYMLINK_NOFOLLOW));
	assert_ok(close(fd));
	assert_ok(unlink(at("soft")));
	assert_ok(unlink(at("new/f")));
	assert_ok(rmdir(at("new")));
	assert_ok(unlinkat(dirfd, "around", 0));
	assert_ok(unlinkat(dirfd, "itself", 0));
	assert_ok(close(dirfd));
}

static void created_below_by_descriptor(void **state)
{
	int dirfd = open_parent();
	char buf[8];
	int fd;

	(void)state;
	fd = openat(dirfd, with("%s/file"), O_RDWR | O_CREAT | O_EXCL, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text", 4), 4);
	assert_ok(close(fd));
	check_file("file", "text");
	assert_ok(linkat(dirfd, with("%s/file"), dirfd, with("%s/link"), 0));
	assert_ok(renameat(dirfd, with("%s/link"), dirfd, with("./%s/sub/link")));
	assert_ok(symlinkat("x", dirfd, with("%s/soft")));
	assert_int_equal(readlinkat(dirfd, with("%s/soft"), buf, sizeof(buf)), 1);
	assert_ok(unlink(at("sub/link")));
	assert_ok(unlink(at("soft")));
	assert_ok(unlinkat(dirfd, with("%s/file"), 0));
	assert_errno(mkdirat(dirfd, name, 0755), EEXIST);
	assert_errno(openat(dirfd, name, O_WRONLY | O_CREAT, 0644), EISDIR);
	assert_errno(unlinkat(dirfd, name, 0), EISDIR);
	if (on_umfs()) {
		assert_errno(unlinkat(dirfd, name, AT_REMOVEDIR), EBUSY);
		assert_errno(renameat(dirfd, name, dirfd, "elsewhere"), EBUSY);
		assert_errno(rmdir(test_dir()), EBUSY);
	}
	/* The same name in other directories is not it. */
	assert_ok(mkdir(at(name), 0755));
	assert_ok(rmdir(at(name)));
	assert_ok(mkdirat(dirfd, "other", 0755));
	assert_ok(mkdirat(dirfd, with("other/%s"), 0700));
	assert_errno(openat(dirfd, with("other/%s/sub"), O_RDONLY), ENOENT);
	assert_ok(unlinkat(dirfd, with("other/%s"), AT_REMOVEDIR));
	assert_ok(unlinkat(dirfd, "other", AT_REMOVEDIR));
	assert_ok(close(dirfd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_and_open_by_descriptor),
		cmocka_unit_test(from_the_root_by_descriptors),
		cmocka_unit_test_teardown(from_the_working_directory, go_back),
		cmocka_unit_test(through_links_and_proc),
		cmocka_unit_test(created_below_by_descriptor),
	};

	return cmocka_run_group_tests(tests, find_parent, remove_sub);
}
