// SPDX-License-Identifier: BSD-3-Clause
/* test_stat.c - stat and access in all their forms, file systems, limits. */
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "shim_test.h"

int __xstat(int version, const char *path, struct stat *st);
int __lxstat(int version, const char *path, struct stat *st);
int __fxstat(int version, int fd, struct stat *st);
int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int flags);
int euidaccess(const char *path, int mode);

static void same(const struct stat *a, const struct stat *b)
{
	assert_int_equal(a->st_ino, b->st_ino);
	assert_int_equal(a->st_dev, b->st_dev);
	assert_int_equal(a->st_mode, b->st_mode);
	assert_int_equal(a->st_size, b->st_size);
	assert_int_equal(a->st_nlink, b->st_nlink);
	assert_int_equal(a->st_mtim.tv_nsec, b->st_mtim.tv_nsec);
}

static void all_forms_agree(void **state)
{
	struct stat st, other;
	struct statx stx;
	int dir = open(test_dir(), O_RDONLY | O_DIRECTORY);
	int fd = make_file("f", "12345");

	(void)state;
	assert_ok(stat(at("f"), &st));
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_size, 5);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_blksize, 4096);
	assert_int_equal(st.st_blocks, 8);
	assert_ok(lstat(at("f"), &other));
	same(&st, &other);
	assert_ok(fstat(fd, &other));
	same(&st, &other);
	assert_ok(fstatat(dir, "f", &other, 0));
	same(&st, &other);
	assert_ok(fstatat(fd, "", &other, AT_EMPTY_PATH));
	same(&st, &other);
	assert_ok(__xstat(1, at("f"), &other));
	same(&st, &other);
	assert_ok(__lxstat(1, at("f"), &other));
	same(&st, &other);
	assert_ok(__fxstat(1, fd, &other));
	same(&st, &other);
	assert_ok(__fxstatat(1, dir, "f", &other, 0));
	same(&st, &other);
	assert_ok(statx(dir, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &stx));
	assert_int_equal(stx.stx_ino, st.st_ino);
	assert_int_equal(stx.stx_size, st.st_size);
	assert_int_equal(stx.stx_mode, st.st_mode);
	assert_int_equal(makedev(stx.stx_dev_major, stx.stx_dev_minor), st.st_dev);
	assert_int_equal(stx.stx_mtime.tv_nsec, st.st_mtim.tv_nsec);
	assert_ok(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx));
	assert_int_equal(stx.stx_size, 5);
	close(dir);
	close(fd);
}

static void errors(void **state)
{
	struct stat st;

	(void)state;
	put_file("f", "x");
	assert_errno(stat(at("none"), &st), ENOENT);
	assert_errno(stat(at("f/"), &st), ENOTDIR);
	assert_errno(stat(at("f/x"), &st), ENOTDIR);
	assert_errno(stat("", &st), ENOENT);
	assert_errno(fstatat(AT_FDCWD, "", &st, 0), ENOENT);
	assert_errno(fstat(-1, &st), EBADF);
}

static void links_followed_or_not(void **state)
{
	struct stat st;

	(void)state;
	put_file("target", "four");
	assert_ok(symlink("target", at("link")));
	assert_ok(stat(at("link"), &st));
	assert_true(S_ISREG(st.st_mode));
	assert_ok(lstat(at("link"), &st));
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(st.st_size, 6);
	assert_ok(fstatat(AT_FDCWD, at("link"), &st, AT_SYMLINK_NOFOLLOW));
	assert_true(S_ISLNK(st.st_mode));
	assert_ok(unlink(at("link")));
	assert_ok(unlink(at("target")));
}

static void times_move(void **state)
{
	struct stat before, after;
	int fd = make_file("f", "x");

	(void)state;
	assert_ok(fstat(fd, &before));
	usleep(20000);
	assert_int_equal(write(fd, "y", 1), 1);
	assert_ok(fstat(fd, &after));
	assert_true(after.st_mtim.tv_sec > before.st_mtim.tv_sec ||
		    after.st_mtim.tv_nsec > before.st_mtim.tv_nsec);
	assert_ok(stat(test_dir(), &before));
	usleep(20000);
	put_file("another", "");
	assert_ok(stat(test_dir(), &after));
	assert_true(after.st_mtim.tv_sec > before.st_mtim.tv_sec ||
		    after.st_mtim.tv_nsec > before.st_mtim.tv_nsec);
	assert_ok(close(fd));
	assert_ok(unlink(at("another")));
}

static void access_modes(void **state)
{
	(void)state;
	put_file("f", "x");
	assert_ok(chmod(at("f"), 0644));
	assert_ok(access(at("f"), F_OK));
	assert_ok(access(at("f"), R_OK | W_OK));
	assert_errno(access(at("f"), X_OK), EACCES);
	assert_errno(faccessat(AT_FDCWD, at("f"), X_OK, AT_EACCESS), EACCES);
	assert_errno(euidaccess(at("f"), X_OK), EACCES);
	assert_ok(chmod(at("f"), 0744));
	assert_ok(access(at("f"), X_OK));
	assert_ok(eaccess(at("f"), X_OK));
	assert_errno(access(at("none"), F_OK), ENOENT);
	assert_errno(access(at("f"), 99), EINVAL);
}

static void file_systems(void **state)
{
	struct statfs fs;
	struct statvfs vfs;
	int fd = make_file("f", "x");

	(void)state;
	assert_ok(statfs(at("f"), &fs));
	assert_int_equal(fs.f_bsize, 4096);
	assert_int_equal(fs.f_namelen, 255);
	assert_true(fs.f_bfree <= fs.f_blocks);
	assert_ok(fstatfs(fd, &fs));
	assert_ok(statvfs(test_dir(), &vfs));
	assert_int_equal(vfs.f_namemax, 255);
	assert_int_equal(vfs.f_frsize, 4096);
	assert_int_equal(vfs.f_blocks, fs.f_blocks);
	assert_ok(fstatvfs(fd, &vfs));
	assert_errno(statfs(at("none"), &fs), ENOENT);
	assert_int_equal(pathconf(test_dir(), _PC_NAME_MAX), 255);
	assert_int_equal(fpathconf(fd, _PC_PATH_MAX), 4096);
	assert_true(fpathconf(fd, _PC_LINK_MAX) > 100);
	assert_ok(close(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms_agree),
		cmocka_unit_test(errors),
		cmocka_unit_test(links_followed_or_not),
		cmocka_unit_test(times_move),
		cmocka_unit_test(access_modes),
		cmocka_unit_test(file_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
