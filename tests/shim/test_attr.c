// SPDX-License-Identifier: BSD-3-Clause
/* test_attr.c - mode, owner, times; who may do what. */
#include <grp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <utime.h>

#include "shim_test.h"

static struct stat stat_of(const char *name)
{
	struct stat st;

	assert_ok(lstat(at(name), &st));
	return st;
}

static void modes(void **state)
{
	int fd = make_file("f", "x"), dir = open(test_dir(), O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_ok(chmod(at("f"), 04751));
	assert_int_equal(stat_of("f").st_mode & 07777, 04751);
	assert_ok(chmod(at("f"), 0751));
	assert_int_equal(stat_of("f").st_mode & 07777, 0751);
	assert_ok(fchmod(fd, 0600));
	assert_int_equal(stat_of("f").st_mode & 07777, 0600);
	assert_ok(fchmodat(dir, "f", 0640, 0));
	assert_int_equal(stat_of("f").st_mode & 07777, 0640);
	assert_ok(fchmodat(dir, "f", 0644, AT_SYMLINK_NOFOLLOW));
	assert_int_equal(stat_of("f").st_mode & 07777, 0644);
	assert_ok(symlink("f", at("l")));
	assert_ok(chmod(at("l"), 0611));
	assert_int_equal(stat_of("f").st_mode & 07777, 0611);
	assert_errno(lchmod(at("l"), 0600), EOPNOTSUPP);
	assert_errno(chmod(at("none"), 0600), ENOENT);
	assert_errno(chmod(at("f/"), 0600), ENOTDIR);
	assert_ok(unlink(at("l")));
	close(dir);
	close(fd);
}

static void owners(void **state)
{
	int fd = make_file("f", "x");
	uid_t me = geteuid();

	(void)state;
	assert_ok(chown(at("f"), me, (gid_t)-1));
	assert_ok(fchown(fd, (uid_t)-1, getegid()));
	assert_int_equal(stat_of("f").st_uid, me);
	if (me == 0) {
		assert_ok(chown(at("f"), 12345, 54321));
		assert_int_equal(stat_of("f").st_uid, 12345);
		assert_int_equal(stat_of("f").st_gid, 54321);
		assert_ok(symlink("f", at("l")));
		assert_ok(lchown(at("l"), 7, 8));
		assert_int_equal(stat_of("l").st_uid, 7);
		assert_int_equal(stat_of("f").st_uid, 12345);
		assert_ok(fchownat(AT_FDCWD, at("l"), 9, 10, AT_SYMLINK_NOFOLLOW));
		assert_int_equal(stat_of("l").st_gid, 10);
		assert_ok(unlink(at("l")));
	} else {
		assert_errno(chown(at("f"), 0, (gid_t)-1), EPERM);
	}
	assert_errno(chown(at("none"), 0, 0), ENOENT);
	assert_ok(close(fd));
}

static void times(void **state)
{
	struct timespec ts[2] = {{1000, 123}, {2000, 456}};
	struct timeval tv[2] = {{3000, 7}, {4000, 8}};
	struct utimbuf ut = {5000, 6000};
	int fd = make_file("f", "x"), dir = open(test_dir(), O_RDONLY | O_DIRECTORY);
	struct stat st;

	(void)state;
	assert_ok(utimensat(dir, "f", ts, 0));
	st = stat_of("f");
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_int_equal(st.st_atim.tv_nsec, 123);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_mtim.tv_nsec, 456);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_sec = -5;
	assert_ok(futimens(fd, ts));
	st = stat_of("f");
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_sec, -5);
	assert_int_equal(st.st_mtim.tv_nsec, 456);
	ts[1].tv_nsec = UTIME_NOW;
	assert_ok(futimens(fd, ts));
	assert_true(stat_of("f").st_mtim.tv_sec > 1600000000);
	assert_ok(utimes(at("f"), tv));
	assert_int_equal(stat_of("f").st_mtim.tv_sec, 4000);
	assert_int_equal(stat_of("f").st_mtim.tv_nsec, 8000);
	assert_ok(utime(at("f"), &ut));
	assert_int_equal(stat_of("f").st_mtim.tv_sec, 6000);
	assert_ok(futimes(fd, tv));
	assert_int_equal(stat_of("f").st_atim.tv_sec, 3000);
	assert_ok(utime(at("f"), NULL));
	assert_true(stat_of("f").st_atim.tv_sec > 1600000000);
	assert_ok(symlink("f", at("l")));
	assert_ok(lutimes(at("l"), tv));
	assert_int_equal(stat_of("l").st_mtim.tv_sec, 4000);
	assert_true(stat_of("f").st_mtim.tv_sec > 1600000000);
	ts[0].tv_nsec = 1000000000;
	assert_errno(futimens(fd, ts), EINVAL);
	assert_errno(utimensat(dir, "none", NULL, 0), ENOENT);
	assert_ok(unlink(at("l")));
	close(dir);
	close(fd);
}

/* As somebody else, where we may become one. */
static int as_nobody(void *arg)
{
	struct stat st;

	(void)arg;
	CHILD_CHECK(setgid(65534) == 0 && setuid(65534) == 0);
	CHILD_CHECK(open(at("private"), O_RDONLY) == -1 && errno == EACCES);
	CHILD_CHECK(open(at("public"), O_RDONLY) >= 0);
	CHILD_CHECK(open(at("public"), O_WRONLY) == -1 && errno == EACCES);
	CHILD_CHECK(open(at("public"), O_RDONLY | O_TRUNC) == -1 && errno == EACCES);
	CHILD_CHECK(truncate(at("public"), 0) == -1 && errno == EACCES);
	CHILD_CHECK(open(at("new"), O_WRONLY | O_CREAT, 0644) == -1 && errno == EACCES);
	CHILD_CHECK(mkdir(at("new"), 0755) == -1 && errno == EACCES);
	CHILD_CHECK(unlink(at("public")) == -1 && errno == EACCES);
	CHILD_CHECK(rename(at("public"), at("other")) == -1 && errno == EACCES);
	CHILD_CHECK(chmod(at("public"), 0777) == -1 && errno == EPERM);
	CHILD_CHECK(chown(at("public"), 65534, 65534) == -1 && errno == EPERM);
	CHILD_CHECK(utime(at("public"), NULL) == -1 && errno == EACCES);
	CHILD_CHECK(stat(at("closed/f"), &st) == -1 && errno == EACCES);
	CHILD_CHECK(open(at("closed/f"), O_RDONLY | O_CREAT, 0644) == -1 && errno == EACCES);
	CHILD_CHECK(chdir(at("closed")) == -1 && errno == EACCES);
	CHILD_CHECK(access(at("private"), R_OK) == -1 && errno == EACCES);
	CHILD_CHECK(access(at("public"), R_OK) == 0);
	/* Anybody may make files in a sticky directory, and remove only his own. */
	CHILD_CHECK(close(open(at("sticky/mine"), O_WRONLY | O_CREAT, 0644)) == 0);
	CHILD_CHECK(stat(at("sticky/mine"), &st) == 0 && st.st_uid == 65534);
	CHILD_CHECK(unlink(at("sticky/theirs")) == -1 && errno == EPERM);
	CHILD_CHECK(unlink(at("sticky/mine")) == 0);
	return 0;
}

static void others_are_kept_out(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		/* The same rules against ourselves: mode bits of the owner count. */
		put_file("private", "x");
		assert_ok(chmod(at("private"), 0));
		assert_errno(open(at("private"), O_RDONLY), EACCES);
		assert_errno(truncate(at("private"), 0), EACCES);
		assert_ok(chmod(at("private"), 0400));
		assert_ok(close(open(at("private"), O_RDONLY)));
		assert_errno(open(at("private"), O_WRONLY), EACCES);
		assert_ok(mkdir(at("closed"), 0700));
		assert_ok(chmod(at("closed"), 0500));
		assert_errno(open(at("closed/f"), O_WRONLY | O_CREAT, 0644), EACCES);
		assert_ok(chmod(at("closed"), 0600));
		assert_errno(access(at("closed/f"), F_OK), EACCES);
		assert_ok(rmdir(at("closed")));
		assert_ok(unlink(at("private")));
		return;
	}
	put_file("private", "x");
	put_file("public", "x");
	assert_ok(chmod(at("private"), 0600));
	assert_ok(chmod(at("public"), 0644));
	assert_ok(chmod(test_dir(), 0755));
	assert_ok(chmod(getenv("SHIM_WORK"), 0755));
	assert_ok(mkdir(at("closed"), 0700));
	put_file("closed/f", "x");
	assert_ok(mkdir(at("sticky"), 0777));
	assert_ok(chmod(at("sticky"), 01777));
	put_file("sticky/theirs", "x");
	assert_int_equal(in_child(as_nobody, NULL), 0);
}

/* The ids that count are those of the moment. */
static int back_and_forth(void *arg)
{
	(void)arg;
	CHILD_CHECK(seteuid(65534) == 0);
	CHILD_CHECK(open(at("private"), O_RDONLY) == -1 && errno == EACCES);
	CHILD_CHECK(seteuid(0) == 0);
	CHILD_CHECK(close(open(at("private"), O_RDONLY)) == 0);
	CHILD_CHECK(setresuid(65534, 65534, 0) == 0);
	CHILD_CHECK(open(at("private"), O_RDONLY) == -1 && errno == EACCES);
	return 0;
}

static void ids_change(void **state)
{
	(void)state;
	if (geteuid() != 0)
		SKIP("not root: nobody else to become");
	put_file("private", "x");
	assert_ok(chmod(at("private"), 0600));
	assert_int_equal(in_child(back_and_forth, NULL), 0);
}

static int mode_of(const char *name)
{
	struct stat st;

	return lstat(at(name), &st) ? -1 : (int)(st.st_mode & 07777);
}

#define NOBODY 65534u

/* Run as root, which has CAP_FSETID, and again as nobody. */
static int write_as(void *arg)
{
	bool root = *(bool *)arg;
	int fd;

	if (!root)
		CHILD_CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setgroups(0, NULL) == 0 &&
			    setresuid(NOBODY, NOBODY, NOBODY) == 0);
	fd = open(at("set"), O_RDWR);
	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(chmod(at("set"), 06755) == 0);
	CHILD_CHECK(write(fd, "", 0) == 0);
	CHILD_CHECK(mode_of("set") == 06755);
	CHILD_CHECK(pwrite(fd, "x", 1, 0) == 1);
	CHILD_CHECK(mode_of("set") == (root ? 06755 : 0755));
	CHILD_CHECK(chmod(at("set"), 06755) == 0);
	CHILD_CHECK(ftruncate(fd, 100) == 0);
	CHILD_CHECK(mode_of("set") == (root ? 06755 : 0755));
	CHILD_CHECK(chmod(at("set"), 06755) == 0);
	CHILD_CHECK(close(open(at("set"), O_WRONLY | O_TRUNC)) == 0);
	CHILD_CHECK(mode_of("set") == (root ? 06755 : 0755));
	CHILD_CHECK(chmod(at("set"), 06755) == 0);
	CHILD_CHECK(chown(at("set"), (uid_t)-1, NOBODY) == 0);
	CHILD_CHECK(mode_of("set") == 0755);
	return 0;
}

static void writing_drops_setid(void **state)
{
	bool root;

	(void)state;
	if (geteuid() != 0)
		SKIP("not root: nobody else to become");
	assert_ok(chmod(test_dir(), 0777));
	assert_ok(chmod(getenv("SHIM_WORK"), 0755));
	put_file("set", "text");
	assert_ok(chown(at("set"), NOBODY, NOBODY));
	root = true;
	assert_int_equal(in_child(write_as, &root), 0);
	root = false;
	assert_int_equal(in_child(write_as, &root), 0);
	assert_ok(unlink(at("set")));
}

/* As fs.protected_hardlinks says, which is on in most places. */
static bool link_refused(const char *from)
{
	int fd = open("/proc/sys/fs/protected_hardlinks", O_RDONLY);
	char value = '1';
	bool refused;

	(void)!read(fd, &value, 1);
	close(fd);
	refused = link(at(from), at("stick/link")) == -1 && errno == EPERM;
	return refused || (value == '0' && unlink(at("stick/link")) == 0);
}

static int in_shared_dirs(void *arg)
{
	struct stat st;
	int fd;

	(void)arg;
	CHILD_CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setgroups(0, NULL) == 0 &&
		    setresuid(NOBODY, NOBODY, NOBODY) == 0);
	umask(0);
	/* A directory with setgid gives its group away, but no right to run as that group. */
	fd = open(at("group/f"), O_RDWR | O_CREAT, 02775);
	CHILD_CHECK(fd >= 0 && fstat(fd, &st) == 0 && close(fd) == 0);
	CHILD_CHECK(st.st_gid == 77 && (st.st_mode & 07777) == 0775);
	CHILD_CHECK(chmod(at("group/f"), 02755) == 0 && mode_of("group/f") == 0755);
	CHILD_CHECK(mkdir(at("group/d"), 0755) == 0 && mode_of("group/d") == 02755);
	CHILD_CHECK(stat(at("group/d"), &st) == 0 && st.st_gid == 77);
	/* A name of one's own for another's file is for who may read and write that. */
	CHILD_CHECK(link_refused("stick/root") && link_refused("stick/setuid"));
	CHILD_CHECK(link_refused("stick/fifo"));
	CHILD_CHECK(link(at("stick/open"), at("stick/link")) == 0);
	CHILD_CHECK(link(at("stick/link"), at("stick/link")) == -1 && errno == EEXIST);
	CHILD_CHECK(link(at("group/f"), at("group/g")) == 0 && unlink(at("group/g")) == 0);
	/* What lies in a sticky directory is its owner's. */
	CHILD_CHECK(unlink(at("stick/root")) == -1 && errno == EPERM);
	CHILD_CHECK(rename(at("stick/root"), at("stick/x")) == -1 && errno == EPERM);
	CHILD_CHECK(rmdir(at("stick/d")) == -1 && errno == EPERM);
	CHILD_CHECK(mkdir(at("stick/mine"), 0755) == 0 && rmdir(at("stick/mine")) == 0);
	fd = open(at("stick/mine"), O_RDWR | O_CREAT, 0644);
	CHILD_CHECK(fd >= 0 && close(fd) == 0);
	CHILD_CHECK(rename(at("stick/mine"), at("stick/root")) == -1 && errno == EPERM);
	CHILD_CHECK(renameat2(AT_FDCWD, at("stick/mine"), AT_FDCWD, at("stick/root"),
			      RENAME_EXCHANGE) == -1 && errno == EPERM);
	CHILD_CHECK(unlink(at("stick/mine")) == 0);
	return 0;
}

static void shared_directories(void **state)
{
	(void)state;
	if (geteuid() != 0)
		SKIP("not root: nobody else to become");
	assert_ok(chmod(test_dir(), 0777));
	assert_ok(mkdir(at("group"), 0755));
	assert_ok(chown(at("group"), 0, 77));
	assert_ok(chmod(at("group"), 02777));
	assert_ok(mkdir(at("stick"), 0755));
	assert_ok(chmod(at("stick"), 01777));
	assert_ok(mkdir(at("stick/d"), 0777));
	put_file("stick/root", "x");
	put_file("stick/open", "x");
	put_file("stick/setuid", "x");
	assert_ok(chmod(at("stick/open"), 0666));
	assert_ok(chmod(at("stick/setuid"), 04666));
	assert_ok(mkfifo(at("stick/fifo"), 0666));
	assert_int_equal(in_child(in_shared_dirs, NULL), 0);
	assert_ok(unlink(at("stick/link")));
	assert_ok(unlink(at("stick/open")));
	assert_ok(unlink(at("stick/setuid")));
	assert_ok(unlink(at("stick/fifo")));
	assert_ok(unlink(at("group/f")));
	assert_ok(rmdir(at("group/d")));
	assert_ok(rmdir(at("group")));
	assert_ok(unlink(at("stick/root")));
	assert_ok(rmdir(at("stick/d")));
	assert_ok(rmdir(at("stick")));
}

/* Read one byte of a file whose atime is old; is it still that? */
static bool atime_stays(int flags)
{
	struct timespec old[2] = {{1000, 1}, {1000, 1}};
	int fd = open(at("read"), O_RDONLY | flags);
	char c;

	assert_true(fd >= 0);
	assert_ok(utimensat(AT_FDCWD, at("read"), old, 0));
	assert_int_equal(read(fd, &c, 1), 1);
	assert_ok(close(fd));
	return stat_of("read").st_atim.tv_sec == 1000;
}

/* The same of a file that is open already. */
static bool atime_stays_once_asked(void)
{
	struct timespec old[2] = {{1000, 1}, {1000, 1}};
	int fd = open(at("read"), O_RDWR);
	char *map, c;

	assert_true(fd >= 0);
	assert_ok(utimensat(AT_FDCWD, at("read"), old, 0));
	assert_ok(fcntl(fd, F_SETFL, O_NOATIME));
	assert_int_equal(read(fd, &c, 1), 1);
	map = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	assert_int_equal(*map, c);
	assert_ok(munmap(map, 1));
	assert_ok(close(fd));
	return stat_of("read").st_atim.tv_sec == 1000;
}

static int noatime_of_another(void *arg)
{
	(void)arg;
	CHILD_CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	CHILD_CHECK(open(at("read"), O_RDONLY | O_NOATIME) == -1 && errno == EPERM);
	CHILD_CHECK(close(open(at("read"), O_RDONLY)) == 0);
	return 0;
}

/* With relatime, as tmpfs has it unless somebody mounted it otherwise. */
static void access_times(void **state)
{
	struct stat st;

	(void)state;
	put_file("read", "x");
	assert_true(atime_stays(O_NOATIME));
	if (!on_mount()) /* which learns of the flags at the open only */
		assert_true(atime_stays_once_asked());
	if (on_umfs())
		assert_false(atime_stays(0));
	if (on_umfs() && geteuid() == 0) {
		assert_ok(chmod(test_dir(), 0777));
		assert_int_equal(in_child(noatime_of_another, NULL), 0);
	}
	assert_ok(unlink(at("read")));
	/* The time of creation is kept for good. */
	put_file("b", "x");
	st = stat_of("b");
	{
		struct statx first, now;

		assert_ok(statx(AT_FDCWD, at("b"), 0, STATX_ALL, &first));
		if (on_umfs())
			assert_true(first.stx_mask & STATX_BTIME);
		assert_ok(chmod(at("b"), 0600));
		put_file("b", "more");
		assert_ok(statx(AT_FDCWD, at("b"), 0, STATX_ALL, &now));
		assert_int_equal(now.stx_btime.tv_sec, first.stx_btime.tv_sec);
		assert_int_equal(now.stx_btime.tv_nsec, first.stx_btime.tv_nsec);
		assert_true(now.stx_ctime.tv_sec > st.st_ctim.tv_sec ||
			    now.stx_ctime.tv_nsec >= (uint32_t)st.st_ctim.tv_nsec);
	}
	assert_ok(unlink(at("b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(owners),
		cmocka_unit_test(times),
		cmocka_unit_test(others_are_kept_out),
		cmocka_unit_test(ids_change),
		cmocka_unit_test(writing_drops_setid),
		cmocka_unit_test(shared_directories),
		cmocka_unit_test(access_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
