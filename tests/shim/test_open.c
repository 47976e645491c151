// SPDX-License-Identifier: BSD-3-Clause
/* test_open.c - open and create in all their forms. */
#include <sys/resource.h>

#include "shim_test.h"

int __open_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);

static void open_missing_enoent(void **state)
{
	(void)state;
	assert_errno(open(at("none"), O_RDONLY), ENOENT);
	assert_errno(open(at("none/none"), O_RDONLY | O_CREAT, 0644), ENOENT);
	assert_errno(open("", O_RDONLY), ENOENT);
	assert_errno(open(at(""), O_RDWR), EISDIR);
}

static void create_new_is_there(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	umask(027);
	fd = open(at("new"), O_RDWR | O_CREAT, 0666);
	assert_true(fd >= 0);
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_nlink, 1);
	assert_ok(close(fd));
	umask(022);
	assert_errno(open(at("new"), O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
	assert_ok(unlink(at("new")));
}

static void create_readonly_mode_still_writes(void **state)
{
	int fd;

	(void)state;
	fd = open(at("ro"), O_RDWR | O_CREAT, 0444);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_ok(close(fd));
	assert_ok(unlink(at("ro")));
}

static void excl_dangling_link_eexist(void **state)
{
	(void)state;
	assert_ok(symlink("nowhere", at("dangling")));
	assert_errno(open(at("dangling"), O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
	/* Without O_EXCL the file is made where the link points to. */
	assert_ok(close(open(at("dangling"), O_RDWR | O_CREAT, 0644)));
	assert_ok(access(at("nowhere"), F_OK));
	assert_ok(unlink(at("nowhere")));
	assert_ok(unlink(at("dangling")));
}

static void trunc_existing_is_empty(void **state)
{
	struct stat st;

	(void)state;
	put_file("t", "something");
	assert_ok(close(open(at("t"), O_WRONLY | O_TRUNC)));
	assert_ok(stat(at("t"), &st));
	assert_int_equal(st.st_size, 0);
	assert_ok(close(creat(at("t"), 0600)));
	assert_ok(unlink(at("t")));
}

static void directory_rules(void **state)
{
	int fd;

	(void)state;
	assert_ok(mkdir(at("dir"), 0755));
	put_file("file", "x");
	assert_errno(open(at("dir"), O_WRONLY), EISDIR);
	assert_errno(open(at("dir"), O_RDWR), EISDIR);
	assert_errno(open(at("dir"), O_RDONLY | O_CREAT, 0644), EISDIR);
	assert_errno(open(at("file"), O_RDONLY | O_DIRECTORY), ENOTDIR);
	assert_errno(open(at("file/"), O_RDONLY), ENOTDIR);
	assert_errno(open(at("file/x"), O_RDONLY), ENOTDIR);
	assert_errno(open(at("newfile/"), O_WRONLY | O_CREAT, 0644), EISDIR);
	fd = open(at("dir/"), O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_errno(read(fd, &fd, 1), EISDIR);
	assert_errno(write(fd, "x", 1), EBADF);
	assert_ok(close(fd));
	assert_ok(rmdir(at("dir")));
	assert_ok(unlink(at("file")));
}

static void nofollow_link_eloop(void **state)
{
	(void)state;
	put_file("file", "x");
	assert_ok(symlink("file", at("link")));
	assert_errno(open(at("link"), O_RDONLY | O_NOFOLLOW), ELOOP);
	assert_errno(open(at("link"), O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
	assert_errno(open(at("link"), O_ACCMODE | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
	assert_ok(close(open(at("link"), O_RDONLY)));
	assert_ok(unlink(at("link")));
	assert_ok(symlink("loop", at("loop")));
	assert_errno(open(at("loop"), O_RDONLY), ELOOP);
	assert_ok(unlink(at("loop")));
	assert_ok(unlink(at("file")));
}

static void access_mode_is_kept(void **state)
{
	char c;
	int fd;

	(void)state;
	put_file("file", "x");
	fd = open(at("file"), O_RDONLY);
	assert_errno(write(fd, "y", 1), EBADF);
	assert_errno(pwrite(fd, "y", 1, 0), EBADF);
	assert_errno(ftruncate(fd, 0), EINVAL);
	assert_ok(close(fd));
	fd = open(at("file"), O_WRONLY);
	assert_errno(read(fd, &c, 1), EBADF);
	assert_errno(pread(fd, &c, 1, 0), EBADF);
	assert_ok(close(fd));
	assert_ok(unlink(at("file")));
}

static void o_path_names_only(void **state)
{
	struct stat st;
	char c;
	int fd;

	(void)state;
	put_file("file", "x");
	fd = open(at("file"), O_PATH);
	assert_true(fd >= 0);
	assert_errno(read(fd, &c, 1), EBADF);
	assert_errno(write(fd, &c, 1), EBADF);
	assert_errno(ftruncate(fd, 0), EBADF);
	assert_errno(ftruncate(fd, -1), EINVAL);
	assert_errno(fchmod(fd, 0600), EBADF);
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_size, 1);
	assert_ok(close(fd));
	assert_ok(symlink("file", at("link")));
	fd = open(at("link"), O_PATH | O_NOFOLLOW);
	assert_true(fd >= 0);
	assert_ok(fstat(fd, &st));
	assert_true(S_ISLNK(st.st_mode));
	assert_ok(close(fd));
	assert_ok(unlink(at("link")));
	assert_ok(unlink(at("file")));
}

static void openat_relative(void **state)
{
	int dir, fd, file;

	(void)state;
	assert_ok(mkdir(at("d"), 0755));
	dir = open(at("d"), O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	fd = openat(dir, "f", O_RDWR | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_ok(close(fd));
	assert_ok(close(openat(dir, "../d/./f", O_RDONLY)));
	assert_ok(close(openat(dir, at("d/f"), O_RDONLY)));
	file = openat(dir, "f", O_RDONLY);
	assert_errno(openat(file, "x", O_RDONLY), ENOTDIR);
	assert_errno(openat(file, "", O_RDONLY), ENOENT);
	assert_ok(close(file));
	assert_ok(close(dir));
	assert_errno(openat(dir, "f", O_RDONLY), EBADF);
	assert_ok(unlink(at("d/f")));
	assert_ok(rmdir(at("d")));
}

static void fortified_forms(void **state)
{
	int dir = open(test_dir(), O_RDONLY | O_DIRECTORY);

	(void)state;
	put_file("file", "x");
	assert_ok(close(__open_2(at("file"), O_RDONLY)));
	assert_ok(close(__openat_2(dir, "file", O_RDONLY)));
	assert_ok(close(dir));
	assert_ok(unlink(at("file")));
}

static void names_too_long(void **state)
{
	char name[300], path[PATH_MAX * 2];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	assert_ok(close(open(at(name), O_RDWR | O_CREAT, 0644)));
	assert_ok(unlink(at(name)));
	name[255] = 'n';
	name[256] = '\0';
	assert_errno(open(at(name), O_RDWR | O_CREAT, 0644), ENAMETOOLONG);
	assert_errno(mkdir(at(name), 0755), ENAMETOOLONG);
	snprintf(path, sizeof(path), "%s", test_dir());
	while (strlen(path) < PATH_MAX)
		strcat(path, "/.");
	assert_errno(open(path, O_RDONLY), ENAMETOOLONG);
}

/* TEST_DIR/./././...NAME, as long as said. */
static const char *path_of_length(char *path, size_t length, const char *name)
{
	size_t n = (size_t)sprintf(path, "%s/", test_dir()), end = length - strlen(name);

	if ((end - n) % 2)
		path[n++] = '/';
	while (n < end) {
		path[n++] = '.';
		path[n++] = '/';
	}
	strcpy(path + n, name);
	return path;
}

/* With its end a path has PATH_MAX bytes at most, and no call takes one byte more. */
static void longest_path(void **state)
{
	char longest[PATH_MAX + 1], longer[PATH_MAX + 2], buf[8];
	struct stat st;

	(void)state;
	path_of_length(longest, PATH_MAX - 1, "name");
	path_of_length(longer, PATH_MAX, "name");
	assert_int_equal(strlen(longest), PATH_MAX - 1);
	assert_errno(open(longer, O_RDWR | O_CREAT, 0644), ENAMETOOLONG);
	assert_ok(close(open(longest, O_RDWR | O_CREAT, 0644)));
	assert_ok(stat(longest, &st));
	assert_errno(stat(longer, &st), ENAMETOOLONG);
	assert_errno(unlink(longer), ENAMETOOLONG);
	assert_errno(mkdir(longer, 0755), ENAMETOOLONG);
	assert_errno(rename(longest, longer), ENAMETOOLONG);
	assert_errno(rename(longer, longest), ENAMETOOLONG);
	assert_errno(link(longest, longer), ENAMETOOLONG);
	assert_errno(symlink("x", longer), ENAMETOOLONG);
	assert_errno(readlink(longer, buf, sizeof(buf)), ENAMETOOLONG);
	assert_errno(truncate(longer, 0), ENAMETOOLONG);
	assert_errno(chmod(longer, 0600), ENAMETOOLONG);
	assert_errno(access(longer, F_OK), ENAMETOOLONG);
	assert_ok(access(at("name"), F_OK));
	assert_ok(rename(longest, at("moved")));
	assert_ok(rename(at("moved"), longest));
	assert_ok(unlink(longest));
}

/* Deeper than any path: reached step by step, and removed so. */
static void tree_deeper_than_paths(void **state)
{
	char name[201], text[PATH_MAX];
	int dirs[30], i;

	(void)state;
	memset(name, 'd', 200);
	name[200] = '\0';
	dirs[0] = open(test_dir(), O_RDONLY | O_DIRECTORY);
	for (i = 1; i < 30; i++) {
		assert_ok(mkdirat(dirs[i - 1], name, 0755));
		dirs[i] = openat(dirs[i - 1], name, O_RDONLY | O_DIRECTORY);
		assert_true(dirs[i] >= 0);
	}
	assert_ok(close(openat(dirs[29], "deep", O_WRONLY | O_CREAT, 0644)));
	assert_errno(renameat(dirs[0], name, dirs[29], "x"), EINVAL);
	assert_errno(renameat2(dirs[0], name, dirs[29], "deep", RENAME_EXCHANGE), EINVAL);
	assert_ok(fchdir(dirs[29]));
	assert_ok(access("deep", F_OK));
	assert_null(getcwd(text, sizeof(text)));
	assert_true(errno == ERANGE || errno == ENAMETOOLONG);
	assert_ok(chdir("/"));
	assert_ok(unlinkat(dirs[29], "deep", 0));
	for (i = 29; i > 0; i--) {
		assert_ok(close(dirs[i]));
		assert_ok(unlinkat(dirs[i - 1], name, AT_REMOVEDIR));
	}
	assert_ok(close(dirs[0]));
}

static void lowest_number_first(void **state)
{
	int a, b, c, k;

	(void)state;
	a = make_file("a", "");
	b = make_file("b", "");
	k = open("/dev/null", O_RDONLY);
	assert_int_equal(b, a + 1);
	assert_int_equal(k, b + 1);
	assert_ok(close(b));
	c = open("/dev/null", O_RDONLY);
	assert_int_equal(c, b);
	assert_ok(close(c));
	c = make_file("c", "");
	assert_int_equal(c, b);
	close(a);
	close(c);
	close(k);
	unlink(at("a"));
	unlink(at("b"));
	unlink(at("c"));
}

static void descriptors_run_out_emfile(void **state)
{
	struct rlimit old, low;
	int fds[64], n = 0;

	(void)state;
	put_file("f", "x");
	assert_ok(getrlimit(RLIMIT_NOFILE, &old));
	low = old;
	low.rlim_cur = 40;
	assert_ok(setrlimit(RLIMIT_NOFILE, &low));
	while (n < 64 && (fds[n] = open(at("f"), O_RDONLY)) >= 0)
		n++;
	assert_true(n < 40);
	assert_errno(open(at("f"), O_RDONLY), EMFILE);
	/* Nothing is made when it can not be opened. */
	assert_errno(open(at("g"), O_RDWR | O_CREAT, 0644), EMFILE);
	while (n)
		assert_ok(close(fds[--n]));
	assert_ok(setrlimit(RLIMIT_NOFILE, &old));
	assert_errno(access(at("g"), F_OK), ENOENT);
	assert_ok(unlink(at("f")));
}

static void temporary_names(void **state)
{
	char a[PATH_MAX], b[PATH_MAX], d[PATH_MAX];
	struct stat st;
	int fd;

	(void)state;
	snprintf(a, sizeof(a), "%s/tmpXXXXXX", test_dir());
	snprintf(b, sizeof(b), "%s/tmpXXXXXX.suffix", test_dir());
	snprintf(d, sizeof(d), "%s/dirXXXXXX", test_dir());
	fd = mkstemp(a);
	assert_true(fd >= 0);
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_ok(close(fd));
	assert_ok(unlink(a));
	fd = mkostemps(b, 7, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_ok(close(fd));
	assert_ok(unlink(b));
	assert_non_null(mkdtemp(d));
	assert_ok(rmdir(d));
	snprintf(a, sizeof(a), "%s/tmpXXXXX", test_dir());
	assert_errno(mkstemp(a), EINVAL);
}

static void unlinked_open_goes_on(void **state)
{
	struct stat st;
	int fd = make_file("gone", "still here");

	(void)state;
	assert_ok(unlink(at("gone")));
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_nlink, 0);
	check_text(fd, "still here");
	assert_int_equal(pwrite(fd, "S", 1, 0), 1);
	check_text(fd, "Still here");
	assert_ok(close(fd));
	assert_errno(open(at("gone"), O_RDONLY), ENOENT);
}

static void reopen_by_descriptor(void **state)
{
	char path[64];
	int fd = make_file("file", "text"), again;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	assert_true(again >= 0);
	check_text(again, "text");
	assert_ok(close(again));
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	again = open(path, O_RDWR);
	assert_true(again >= 0);
	/* A position of its own. */
	assert_int_equal(lseek(again, 0, SEEK_CUR), 0);
	assert_ok(close(again));
	assert_ok(close(fd));
	assert_ok(unlink(at("file")));
}

/* What /proc says that a number is open for, in whole and cut off. */
static void assert_link(int fd, const char *expected)
{
	static const char *const forms[] = {"/proc/self/fd/%d", "/dev/fd/%d", "/proc/%2$d/fd/%1$d"};
	char path[64], got[PATH_MAX], real[PATH_MAX];
	char *volatile nowhere = (char *)1;
	size_t n = strlen(expected);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		snprintf(path, sizeof(path), forms[i], fd, getpid());
		assert_int_equal(readlink(path, got, sizeof(got)), n);
		assert_memory_equal(got, expected, n);
		got[3] = '-';
		assert_int_equal(readlink(path, got, 3), 3);
		assert_memory_equal(got, expected, 3);
		assert_int_equal(got[3], '-');
		assert_errno(readlink(path, nowhere, sizeof(got)), EFAULT);
		assert_non_null(realpath(path, real));
		assert_string_equal(real, expected);
	}
}

static void numbers_say_their_paths(void **state)
{
	char dir[PATH_MAX], sub[PATH_MAX + 10], file[PATH_MAX + 20], moved[PATH_MAX + 20];
	int d, fd, path, other, again, status;
	pid_t child;

	(void)state;
	assert_non_null(realpath(test_dir(), dir));
	assert_ok(mkdir(at("sub"), 0755));
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	snprintf(file, sizeof(file), "%s/file", sub);
	snprintf(moved, sizeof(moved), "%s/moved", sub);
	assert_link(d = open(sub, O_RDONLY | O_DIRECTORY), sub);
	assert_link(fd = openat(d, "file", O_RDWR | O_CREAT, 0644), file);
	assert_ok(symlink("sub/file", at("link")));
	assert_link(path = open(at("link"), O_PATH), file);
	assert_link(other = dup(fd), file);
	assert_int_equal(dup2(path, other), other);
	assert_link(other, file);
	/* Its name of now, in a directory of now. */
	assert_ok(rename(file, moved));
	assert_link(fd, moved);
	child = fork();
	if (!child) {
		assert_link(fd, moved);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_ok(rename(at("sub"), at("sub2")));
	snprintf(sub, sizeof(sub), "%s/sub2", dir);
	snprintf(moved, sizeof(moved), "%s/moved", sub);
	assert_link(d, sub);
	assert_link(fd, moved);
	assert_link(again = open(at("sub2/moved"), O_RDONLY), moved);
	assert_ok(close(again));
	/* The number is a file of the kernel's. */
	assert_link(again = open("/dev/null", O_RDONLY), "/dev/null");
	assert_ok(close(again));
	assert_link(again = open(test_dir(), O_RDONLY), dir);
	assert_ok(close(again));
	assert_ok(close(other));
	assert_ok(close(path));
	assert_ok(close(fd));
	assert_ok(close(d));
	assert_ok(unlink(moved));
	assert_ok(unlink(at("link")));
	assert_ok(rmdir(at("sub2")));
}

/* By /proc/self/fd, which every kernel lets anybody do. */
static int name_it(int fd, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, at(name), AT_SYMLINK_FOLLOW);
}

static void tmpfile_named(void **state)
{
	char path[64];
	struct stat st;
	int fd, again;

	(void)state;
	umask(022);
	assert_errno(open(test_dir(), O_TMPFILE | O_RDONLY, 0600), EINVAL);
	assert_errno(open(test_dir(), O_TMPFILE | O_RDONLY | O_TRUNC, 0600), EINVAL);
	assert_errno(open(at("none"), O_TMPFILE | O_RDONLY | O_TRUNC, 0600), EINVAL);
	assert_errno(open(at("none"), O_TMPFILE | O_RDWR, 0600), ENOENT);
	put_file("f", "x");
	assert_errno(open(at("f"), O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	fd = open(test_dir(), O_TMPFILE | O_RDWR, 0666);
	assert_true(fd >= 0);
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(write(fd, "no name yet", 11), 11);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	assert_true(again >= 0);
	check_text(again, "no name yet");
	assert_ok(close(again));
	assert_errno(name_it(fd, "f"), EEXIST);
	assert_ok(name_it(fd, "named"));
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_nlink, 1);
	assert_ok(close(fd));
	check_file("named", "no name yet");
	assert_ok(unlink(at("named")));
	assert_ok(unlink(at("f")));
}

static void tmpfile_not_to_be_named(void **state)
{
	int fd = open(test_dir(), O_TMPFILE | O_WRONLY | O_EXCL, 0600);
	char c;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_errno(read(fd, &c, 1), EBADF);
	assert_errno(name_it(fd, "named"), ENOENT);
	assert_ok(close(fd));
	/* Nor what had a name and lost it. */
	fd = make_file("gone", "x");
	assert_ok(unlink(at("gone")));
	assert_errno(name_it(fd, "named"), ENOENT);
	assert_ok(close(fd));
}

static void tmpfile_named_by_descriptor(void **state)
{
	int fd = open(test_dir(), O_TMPFILE | O_RDWR, 0600);

	(void)state;
	assert_true(fd >= 0);
	/* The kernel asks for a capability. */
	if (on_umfs() || geteuid() == 0) {
		assert_ok(linkat(fd, "", AT_FDCWD, at("named"), AT_EMPTY_PATH));
		assert_ok(unlink(at("named")));
	}
	assert_ok(close(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_missing_enoent),
		cmocka_unit_test(create_new_is_there),
		cmocka_unit_test(create_readonly_mode_still_writes),
		cmocka_unit_test(excl_dangling_link_eexist),
		cmocka_unit_test(trunc_existing_is_empty),
		cmocka_unit_test(directory_rules),
		cmocka_unit_test(nofollow_link_eloop),
		cmocka_unit_test(access_mode_is_kept),
		cmocka_unit_test(o_path_names_only),
		cmocka_unit_test(openat_relative),
		cmocka_unit_test(fortified_forms),
		cmocka_unit_test(names_too_long),
		cmocka_unit_test(longest_path),
		cmocka_unit_test(tree_deeper_than_paths),
		cmocka_unit_test(lowest_number_first),
		cmocka_unit_test(descriptors_run_out_emfile),
		cmocka_unit_test(temporary_names),
		cmocka_unit_test(unlinked_open_goes_on),
		cmocka_unit_test(reopen_by_descriptor),
		cmocka_unit_test(numbers_say_their_paths),
		cmocka_unit_test(tmpfile_named),
		cmocka_unit_test(tmpfile_not_to_be_named),
		cmocka_unit_test(tmpfile_named_by_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
