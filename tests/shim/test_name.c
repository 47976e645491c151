// SPDX-License-Identifier: BSD-3-Clause
/* test_name.c - mkdir, unlink, rename, link, symlink, readlink. */
#include <dirent.h>
#include <sys/sysmacros.h>

#include "shim_test.h"

static void mkdir_rules(void **state)
{
	struct stat st;

	(void)state;
	umask(022);
	assert_ok(mkdir(at("d"), 0777));
	assert_ok(stat(at("d"), &st));
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(st.st_nlink, 2);
	assert_errno(mkdir(at("d"), 0777), EEXIST);
	assert_errno(mkdir(at("d/"), 0777), EEXIST);
	assert_errno(mkdir(test_dir(), 0777), EEXIST);
	assert_errno(mkdir(at("none/d"), 0777), ENOENT);
	assert_errno(mkdir("", 0777), ENOENT);
	assert_ok(mkdir(at("d/e/"), 0777));
	assert_ok(stat(at("d"), &st));
	assert_int_equal(st.st_nlink, 3);
	put_file("f", "x");
	assert_errno(mkdir(at("f"), 0777), EEXIST);
	assert_errno(mkdir(at("f/d"), 0777), ENOTDIR);
	assert_errno(rmdir(at("d")), ENOTEMPTY);
	assert_errno(rmdir(at("d/e/.")), EINVAL);
	assert_errno(rmdir(at("d/e/..")), ENOTEMPTY);
	assert_errno(rmdir(at("f")), ENOTDIR);
	assert_errno(rmdir(at("none")), ENOENT);
	assert_errno(unlink(at("d")), EISDIR);
	assert_errno(unlink(at("f/")), ENOTDIR);
	assert_ok(rmdir(at("d/e/")));
	assert_ok(remove(at("d")));
	assert_ok(remove(at("f")));
	assert_errno(remove(at("f")), ENOENT);
}

static void at_calls(void **state)
{
	int dir;

	(void)state;
	assert_ok(mkdir(at("d"), 0755));
	dir = open(at("d"), O_RDONLY | O_DIRECTORY);
	assert_ok(mkdirat(dir, "e", 0755));
	assert_ok(close(openat(dir, "e/f", O_RDWR | O_CREAT, 0644)));
	assert_ok(linkat(dir, "e/f", dir, "g", 0));
	assert_ok(symlinkat("g", dir, "l"));
	assert_ok(renameat(dir, "g", dir, "h"));
	assert_errno(faccessat(dir, "l", F_OK, 0), ENOENT);
	assert_ok(faccessat(dir, "h", F_OK, 0));
	assert_errno(unlinkat(dir, "e", 0), EISDIR);
	assert_errno(unlinkat(dir, "e", AT_REMOVEDIR), ENOTEMPTY);
	assert_ok(unlinkat(dir, "e/f", 0));
	assert_ok(unlinkat(dir, "e", AT_REMOVEDIR));
	assert_ok(unlinkat(dir, "l", 0));
	assert_ok(unlinkat(dir, "h", 0));
	assert_errno(unlinkat(dir, "h", 0x40), EINVAL);
	assert_ok(close(dir));
	assert_ok(rmdir(at("d")));
}

static void rename_rules(void **state)
{
	struct stat a, b;
	int fd;

	(void)state;
	put_file("a", "A");
	put_file("b", "B");
	fd = open(at("b"), O_RDONLY);
	assert_ok(stat(at("a"), &a));
	assert_ok(rename(at("a"), at("b")));
	assert_ok(stat(at("b"), &b));
	assert_int_equal(a.st_ino, b.st_ino);
	assert_errno(stat(at("a"), &a), ENOENT);
	check_file("b", "A");
	check_text(fd, "B"); /* replaced while open */
	assert_ok(close(fd));
	assert_ok(rename(at("b"), at("b")));
	assert_errno(rename(at("a"), at("b")), ENOENT);
	assert_ok(mkdir(at("d"), 0755));
	assert_ok(mkdir(at("d/e"), 0755));
	assert_errno(rename(at("b"), at("d")), EISDIR);
	assert_errno(rename(at("d"), at("b")), ENOTDIR);
	assert_errno(rename(at("d"), at("d/e/f")), EINVAL);
	assert_errno(rename(at("b/"), at("c")), ENOTDIR);
	assert_ok(mkdir(at("x"), 0755));
	assert_errno(rename(at("x"), at("d")), ENOTEMPTY);
	assert_ok(rename(at("d"), at("x")));
	assert_ok(access(at("x/e"), F_OK));
	assert_ok(rename(at("b"), at("x/e/b")));
	check_file("x/e/b", "A");
	assert_ok(stat(at("x"), &a));
	assert_int_equal(a.st_nlink, 3);
	assert_ok(rename(at("x/e"), at("e/")));
	assert_ok(stat(at("x"), &a));
	assert_int_equal(a.st_nlink, 2);
	assert_ok(unlink(at("e/b")));
	assert_ok(rmdir(at("e")));
	assert_ok(rmdir(at("x")));
}

static int rename2(const char *from, const char *to, unsigned flags)
{
	return renameat2(AT_FDCWD, at(from), AT_FDCWD, at(to), flags);
}

static ino_t ino_of(const char *name)
{
	struct stat st;

	assert_ok(lstat(at(name), &st));
	return st.st_ino;
}

static unsigned links_of(const char *name)
{
	struct stat st;

	assert_ok(lstat(at(name), &st));
	return (unsigned)st.st_nlink;
}

/* A path that can not be read names nothing, whatever was named before. */
static void bad_pointers_efault(void **state)
{
	static const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	const char *bad = (const char *)8;
	struct stat st;

	(void)state;
	put_file("a", "A");
	put_file("b", "B");
	assert_errno(rename(at("a"), bad), EFAULT);
	assert_errno(rename(bad, at("b")), EFAULT);
	assert_errno(link(at("a"), bad), EFAULT);
	assert_errno(link(bad, at("c")), EFAULT);
	assert_errno(rename2("a", "b", RENAME_NOREPLACE), EEXIST);
	assert_errno(renameat2(AT_FDCWD, at("a"), AT_FDCWD, bad, RENAME_EXCHANGE), EFAULT);
	check_file("a", "A");
	check_file("b", "B");
	assert_errno(access(at("c"), F_OK), ENOENT);
	/* Nor is the way to the other one gone, which would leave a trace in a link. */
	assert_ok(symlink(".", at("here")));
	assert_ok(utimensat(AT_FDCWD, at("here"), old, AT_SYMLINK_NOFOLLOW));
	assert_errno(rename(bad, at("here/a")), EFAULT);
	assert_ok(lstat(at("here"), &st));
	assert_int_equal(st.st_atime, old[0].tv_sec);
	assert_ok(unlink(at("here")));
	assert_ok(unlink(at("a")));
	assert_ok(unlink(at("b")));
}

static void rename_noreplace(void **state)
{
	(void)state;
	put_file("a", "A");
	put_file("b", "B");
	assert_ok(mkdir(at("d"), 0755));
	assert_errno(rename2("a", "b", RENAME_NOREPLACE), EEXIST);
	assert_errno(rename2("a", "a", RENAME_NOREPLACE), EEXIST);
	assert_errno(rename2("a", "d", RENAME_NOREPLACE), EEXIST);
	assert_errno(rename2("a", "d/.", RENAME_NOREPLACE), EEXIST);
	assert_errno(rename2("d/.", "x", RENAME_NOREPLACE), EBUSY);
	assert_errno(rename2("none", "x", RENAME_NOREPLACE), ENOENT);
	assert_errno(rename2("none", "b", RENAME_NOREPLACE), ENOENT);
	assert_errno(rename2("d", "d/e", RENAME_NOREPLACE), EINVAL);
	assert_ok(rename2("a", "d/c", RENAME_NOREPLACE));
	check_file("d/c", "A");
	assert_ok(rename2("d", "e", RENAME_NOREPLACE));
	check_file("e/c", "A");
	check_file("b", "B");
	assert_ok(unlink(at("e/c")));
	assert_ok(rmdir(at("e")));
	assert_ok(unlink(at("b")));
}

static void is_whiteout(const char *name)
{
	struct stat st;

	assert_ok(lstat(at(name), &st));
	assert_int_equal(st.st_mode, S_IFCHR);
	assert_int_equal(st.st_rdev, 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_nlink, 1);
	assert_ok(unlink(at(name)));
}

static void rename_whiteout(void **state)
{
	(void)state;
	put_file("a", "A");
	put_file("b", "B");
	assert_ok(mkdir(at("d"), 0755));
	assert_ok(rename2("a", "c", RENAME_WHITEOUT));
	check_file("c", "A");
	is_whiteout("a");
	assert_ok(rename2("c", "b", RENAME_WHITEOUT));
	check_file("b", "A");
	is_whiteout("c");
	assert_errno(rename2("b", "d/b", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
	assert_ok(rename2("b", "d/b", RENAME_WHITEOUT | RENAME_NOREPLACE));
	is_whiteout("b");
	assert_ok(mkdir(at("e"), 0755));
	assert_ok(rename2("d", "e/d", RENAME_WHITEOUT));
	check_file("e/d/b", "A");
	assert_int_equal(links_of("e"), 3);
	is_whiteout("d");
	assert_errno(rename2("e", "e/d/e", RENAME_WHITEOUT), EINVAL);
	assert_errno(rename2("none", "x", RENAME_WHITEOUT), ENOENT);
	/* Two names of one file: nothing is done. */
	assert_ok(link(at("e/d/b"), at("f")));
	assert_ok(rename2("f", "e/d/b", RENAME_WHITEOUT));
	check_file("f", "A");
	assert_ok(unlink(at("f")));
	assert_ok(unlink(at("e/d/b")));
	assert_ok(rmdir(at("e/d")));
	assert_ok(rmdir(at("e")));
}

static void rename_exchange(void **state)
{
	ino_t a, b;

	(void)state;
	put_file("a", "A");
	put_file("b", "B");
	assert_ok(mkdir(at("d"), 0755));
	assert_ok(mkdir(at("d/sub"), 0755));
	assert_ok(mkdir(at("e"), 0755));
	a = ino_of("a");
	b = ino_of("b");
	assert_ok(rename2("a", "b", RENAME_EXCHANGE));
	assert_true(ino_of("a") == b && ino_of("b") == a);
	check_file("a", "B");
	check_file("b", "A");
	assert_ok(rename2("a", "a", RENAME_EXCHANGE));
	assert_errno(rename2("a", "none", RENAME_EXCHANGE), ENOENT);
	assert_errno(rename2("none", "a", RENAME_EXCHANGE), ENOENT);
	assert_errno(rename2("a/", "d", RENAME_EXCHANGE), ENOTDIR);
	assert_errno(rename2("d", "a/", RENAME_EXCHANGE), ENOTDIR);
	assert_errno(rename2("d", "d/sub", RENAME_EXCHANGE), EINVAL);
	assert_errno(rename2("d/sub", "d", RENAME_EXCHANGE), EINVAL);
	/* A file and a directory, in one directory and across. */
	assert_ok(rename2("a", "d", RENAME_EXCHANGE));
	check_file("d", "B");
	assert_ok(access(at("a/sub"), F_OK));
	assert_ok(rename2("a/", "d", RENAME_EXCHANGE));
	assert_ok(rename2("a", "d/sub", RENAME_EXCHANGE));
	check_file("d/sub", "B");
	assert_int_equal(links_of("d"), 2);
	assert_ok(rename2("d/sub", "a/", RENAME_EXCHANGE));
	assert_int_equal(links_of("d"), 3);
	/* Two directories that are not empty. */
	put_file("e/x", "X");
	assert_ok(rename2("d/sub", "e", RENAME_EXCHANGE));
	check_file("d/sub/x", "X");
	assert_ok(rename2("e", "d/sub", RENAME_EXCHANGE));
	assert_errno(rename2("a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
	assert_errno(rename2("a", "b", 0x100), EINVAL);
	assert_errno(rename2("a", "b", RENAME_EXCHANGE | RENAME_WHITEOUT), EINVAL);
	assert_ok(unlink(at("e/x")));
	assert_ok(rmdir(at("e")));
	assert_ok(rmdir(at("d/sub")));
	assert_ok(rmdir(at("d")));
	assert_ok(unlink(at("a")));
	assert_ok(unlink(at("b")));
}

static void links(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	put_file("a", "A");
	assert_ok(link(at("a"), at("b")));
	assert_ok(stat(at("b"), &st));
	assert_int_equal(st.st_nlink, 2);
	fd = open(at("b"), O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "new", 3), 3);
	assert_ok(close(fd));
	check_file("a", "new");
	assert_errno(link(at("a"), at("b")), EEXIST);
	assert_errno(link(at("none"), at("c")), ENOENT);
	assert_ok(mkdir(at("d"), 0755));
	assert_errno(link(at("d"), at("e")), EPERM);
	assert_errno(link(at("a"), at("c/")), ENOENT);
	/* A link to a link, or through it. */
	assert_ok(symlink("a", at("s")));
	assert_ok(link(at("s"), at("s2")));
	assert_ok(lstat(at("s2"), &st));
	assert_true(S_ISLNK(st.st_mode));
	assert_ok(linkat(AT_FDCWD, at("s"), AT_FDCWD, at("s3"), AT_SYMLINK_FOLLOW));
	assert_ok(lstat(at("s3"), &st));
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_nlink, 3);
	unlink(at("a"));
	unlink(at("b"));
	unlink(at("s"));
	unlink(at("s2"));
	unlink(at("s3"));
	rmdir(at("d"));
}

static void across_file_systems_exdev(void **state)
{
	char out[PATH_MAX];

	(void)state;
	snprintf(out, sizeof(out), "/tmp/umfs-shim-%d", getpid());
	put_file("a", "A");
	if (on_umfs()) {
		assert_errno(rename(at("a"), out), EXDEV);
		assert_errno(link(at("a"), out), EXDEV);
		assert_ok(close(open(out, O_WRONLY | O_CREAT, 0600)));
		assert_errno(rename(out, at("b")), EXDEV);
		assert_errno(link(out, at("b")), EXDEV);
		assert_ok(unlink(out));
	}
	assert_ok(unlink(at("a")));
}

static void symlinks(void **state)
{
	char buf[PATH_MAX], longest[PATH_MAX + 1];

	(void)state;
	assert_ok(symlink("some/where", at("s")));
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(readlink(at("s"), buf, sizeof(buf)), 10);
	assert_memory_equal(buf, "some/wherex", 11);
	assert_int_equal(readlink(at("s"), buf, 4), 4);
	assert_errno(readlink(at("s"), buf, 0), EINVAL);
	assert_errno(symlink("x", at("s")), EEXIST);
	assert_errno(symlink("", at("t")), ENOENT);
	put_file("f", "x");
	assert_errno(readlink(at("f"), buf, sizeof(buf)), EINVAL);
	assert_errno(readlink(at("none"), buf, sizeof(buf)), ENOENT);
	memset(longest, 'n', PATH_MAX);
	longest[PATH_MAX - 1] = '\0';
	assert_ok(symlink(longest, at("long")));
	assert_int_equal(readlink(at("long"), buf, sizeof(buf)), PATH_MAX - 1);
	longest[PATH_MAX - 1] = 'n';
	longest[PATH_MAX] = '\0';
	assert_errno(symlink(longest, at("longer")), ENAMETOOLONG);
	unlink(at("s"));
	unlink(at("f"));
	unlink(at("long"));
}

static void links_in_the_middle(void **state)
{
	char a[16], b[16];

	(void)state;
	assert_ok(mkdir(at("d"), 0755));
	put_file("d/f", "deep");
	assert_ok(symlink("d", at("l")));
	assert_ok(symlink(at("l/f"), at("abs")));
	check_file("l/f", "deep");
	check_file("abs", "deep");
	check_file("l/../d/f", "deep");
	/* 40 links are followed, 41 are not. */
	assert_ok(symlink("d/f", at("c0")));
	for (int i = 1; i <= 40; i++) {
		snprintf(a, sizeof(a), "c%d", i - 1);
		snprintf(b, sizeof(b), "c%d", i);
		assert_ok(symlink(a, at(b)));
	}
	check_file("c39", "deep");
	assert_errno(open(at("c40"), O_RDONLY), ELOOP);
	for (int i = 0; i <= 40; i++) {
		snprintf(a, sizeof(a), "c%d", i);
		assert_ok(unlink(at(a)));
	}
	unlink(at("abs"));
	unlink(at("l"));
	unlink(at("d/f"));
	rmdir(at("d"));
}

static struct stat stat_as(const char *name, mode_t mode)
{
	struct stat st;

	assert_ok(lstat(at(name), &st));
	assert_int_equal(st.st_mode, mode);
	assert_int_equal(st.st_size, 0);
	return st;
}

static unsigned char type_in_list(const char *name)
{
	DIR *dir = opendir(test_dir());
	unsigned char type = DT_UNKNOWN;
	struct dirent *d;

	assert_non_null(dir);
	while ((d = readdir(dir)))
		if (!strcmp(d->d_name, name))
			type = d->d_type;
	closedir(dir);
	return type;
}

static void special_files(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	umask(022);
	assert_ok(mkfifo(at("p"), 0666));
	assert_ok(mknod(at("s"), S_IFSOCK | 0755, 0));
	assert_ok(mknod(at("r"), S_IFREG | 0644, 0));
	stat_as("p", S_IFIFO | 0644);
	stat_as("s", S_IFSOCK | 0755);
	assert_int_equal(type_in_list("p"), DT_FIFO);
	assert_int_equal(type_in_list("s"), DT_SOCK);
	assert_errno(mkfifo(at("p"), 0666), EEXIST);
	assert_errno(mknod(at("x/"), S_IFIFO | 0644, 0), ENOENT);
	assert_errno(mknod(at("x"), S_IFDIR | 0755, 0), EPERM);
	assert_errno(mknod(at("x"), S_IFLNK | 0755, 0), EINVAL);
	assert_errno(mknod(at("x"), 0050644, 0), EINVAL);
	assert_errno(truncate(at("p"), 0), EINVAL);
	assert_errno(open(at("s"), O_RDONLY), ENXIO);
	if (on_umfs()) {
		assert_errno(open(at("p"), O_RDONLY | O_NONBLOCK), ENOTSUP);
		assert_errno(open(at("p"), O_RDWR | O_CREAT, 0644), ENOTSUP);
	}
	fd = open(at("p"), O_PATH);
	assert_ok(fstat(fd, &st));
	assert_true(S_ISFIFO(st.st_mode));
	assert_ok(close(fd));
	assert_ok(chmod(at("p"), 0600));
	stat_as("p", S_IFIFO | 0600);
	assert_ok(access(at("p"), R_OK | W_OK));
	assert_ok(link(at("p"), at("q")));
	assert_ok(rename(at("q"), at("s")));
	stat_as("s", S_IFIFO | 0600);
	assert_ok(unlink(at("p")));
	assert_ok(unlink(at("s")));
	assert_ok(unlink(at("r")));
	if (geteuid()) {
		char longest[300] = "";

		assert_errno(mknod(at("c"), S_IFCHR | 0600, makedev(1, 3)), EPERM);
		memset(longest, 'n', 256);
		assert_errno(mknod(at(longest), S_IFCHR | 0600, makedev(1, 3)), ENAMETOOLONG);
	} else if (!mknod(at("c"), S_IFCHR | 0600, makedev(300, 70000))) {
		st = stat_as("c", S_IFCHR | 0600);
		assert_true(st.st_rdev == makedev(300, 70000));
		assert_errno(open(at("c"), O_RDONLY), ENXIO);
		assert_ok(unlink(at("c")));
	} else {
		assert_false(on_umfs()); /* a container may forbid it; a pool does not */
	}
}

static void many_names(void **state)
{
	char name[64];

	(void)state;
	assert_ok(mkdir(at("many"), 0755));
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "many/a rather long name number %d", i);
		assert_ok(close(open(at(name), O_WRONLY | O_CREAT | O_EXCL, 0644)));
	}
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "many/a rather long name number %d", i);
		assert_ok(access(at(name), F_OK));
		assert_ok(unlink(at(name)));
		assert_errno(access(at(name), F_OK), ENOENT);
	}
	assert_ok(rmdir(at("many")));
}

static void link_of_no_descriptor_leaves_no_trace(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	struct stat st;

	(void)state;
	assert_ok(mkdir(at("dir"), 0755));
	assert_ok(symlink("dir", at("way")));
	assert_ok(utimensat(AT_FDCWD, at("way"), old, AT_SYMLINK_NOFOLLOW));
	assert_errno(linkat(699, "", AT_FDCWD, at("way/new"), AT_EMPTY_PATH), EBADF);
	assert_errno(linkat(699, "f", AT_FDCWD, at("way/new"), 0), EBADF);
	assert_ok(lstat(at("way"), &st));
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_ok(unlink(at("way")));
	assert_ok(rmdir(at("dir")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mkdir_rules),
		cmocka_unit_test(at_calls),
		cmocka_unit_test(rename_rules),
		cmocka_unit_test(bad_pointers_efault),
		cmocka_unit_test(rename_noreplace),
		cmocka_unit_test(rename_whiteout),
		cmocka_unit_test(rename_exchange),
		cmocka_unit_test(links),
		cmocka_unit_test(across_file_systems_exdev),
		cmocka_unit_test(symlinks),
		cmocka_unit_test(links_in_the_middle),
		cmocka_unit_test(special_files),
		cmocka_unit_test(many_names),
		cmocka_unit_test(link_of_no_descriptor_leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
