// SPDX-License-Identifier: BSD-3-Clause
/*
 * attrs.c - modes, owners, times and sizes by path, and names that become whiteouts, in the guest.
 *
 *   kmod-attrs NODE    by the module's calls
 *   kmod-attrs DIR     the same things by libc, under libumfs, also by who has no descriptor left
 */
#include <grp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "kmod_test.h"

int pool, checks, failures;

#define WHITEOUT 4u /* RENAME_WHITEOUT */

static int set(const char *path, struct umfs_ioc_setattr a)
{
	a.path = path_of(path);
	return ioctl(pool, UMFS_IOC_SETATTR, &a);
}

static int set_mode(const char *path, unsigned flags, unsigned mode)
{
	return set(path, (struct umfs_ioc_setattr){
				 .what = UMFS_IOC_SET_MODE, .flags = flags, .mode = mode});
}

static int set_owner(const char *path, unsigned flags, unsigned uid, unsigned gid)
{
	return set(path, (struct umfs_ioc_setattr){.what = UMFS_IOC_SET_OWNER, .flags = flags,
						   .uid = uid, .gid = gid});
}

static int set_times(const char *path, unsigned flags, long atime, unsigned atime_ns, long mtime,
		     unsigned mtime_ns)
{
	return set(path, (struct umfs_ioc_setattr){.what = UMFS_IOC_SET_TIMES,
						   .flags = flags,
						   .atime = {atime, atime_ns, 0},
						   .mtime = {mtime, mtime_ns, 0}});
}

static int set_size(const char *path, uint64_t size)
{
	return set(path, (struct umfs_ioc_setattr){.what = UMFS_IOC_SET_SIZE, .size = size});
}

static struct umfs_ioc_attr attr_of(const char *path, unsigned flags)
{
	struct umfs_ioc_attr a = {.mode = 0};

	CHECK(k_stat(path, flags, &a) == 0);
	return a;
}

static void make(const char *path, unsigned mode)
{
	int fd = k_open(path, O_WRONLY | O_CREAT | O_EXCL, mode);

	CHECK(fd >= 0 && write(fd, "0123456789", 10) == 10 && close(fd) == 0);
}

static void attributes_are_set_by_path(void)
{
	int fd;

	make("f", 0600);
	CHECK(k_symlink("f", "l") == 0 && k_mkdir("d", 0755) == 0);
	fd = k_open("f", O_RDONLY, 0);
	CHECK(set_mode("l", 0, 04711) == 0 && (attr_of("f", 0).mode & 07777) == 04711);
	FAILS(EOPNOTSUPP, set_mode("l", UMFS_IOC_NOFOLLOW, 0700));
	CHECK(set_owner("l", 0, 5, 6) == 0 && attr_of("f", 0).uid == 5 && attr_of("f", 0).gid == 6);
	CHECK((attr_of("f", 0).mode & 07777) == 0711); /* who gets it gets no rights with it */
	CHECK(set_owner("l", UMFS_IOC_NOFOLLOW, 7, ~0u) == 0 &&
	      attr_of("l", UMFS_IOC_NOFOLLOW).uid == 7 && attr_of("l", UMFS_IOC_NOFOLLOW).gid == 0);
	CHECK(attr_of("f", 0).uid == 5);
	CHECK(set_times("l", 0, 1000, 5, -2, 7) == 0 && attr_of("f", 0).atime_ns == 1000000000005 &&
	      attr_of("f", 0).mtime_ns == -1999999993);
	CHECK(set_times("f", 0, 0, UTIME_OMIT, 3, 0) == 0 &&
	      attr_of("f", 0).atime_ns == 1000000000005 && attr_of("f", 0).mtime_ns == 3000000000);
	CHECK(set_times("f", 0, 0, UTIME_NOW, 4, 0) == 0 &&
	      attr_of("f", 0).atime_ns > 1000000000005 && attr_of("f", 0).mtime_ns == 4000000000);
	CHECK(set_times("l", UMFS_IOC_NOFOLLOW, 1, 1, 2, 2) == 0 &&
	      attr_of("l", UMFS_IOC_NOFOLLOW).mtime_ns == 2000000002);
	CHECK(set_size("l", 4) == 0 && attr_of("f", 0).size == 4);
	CHECK(set_size("f", 1 << 20) == 0 && lseek(fd, 0, SEEK_END) == 1 << 20);
	FAILS(EISDIR, set_size("d", 0));
	FAILS(EINVAL, set_size("f", 1ull << 63));
	FAILS(EFBIG, set_size("f", 1ull << 50));
	FAILS(ENOENT, set_mode("none", 0, 0600));
	FAILS(ENOTDIR, set_mode("f/x", 0, 0600));
	CHECK(set_mode("d", 0, 02777) == 0 && (attr_of("d", 0).mode & 07777) == 02777);
	close(fd);
	CHECK(k_unlink("f", 0) == 0 && k_unlink("l", 0) == 0 && k_unlink("d", UMFS_IOC_REMOVEDIR) == 0);
}

static void attributes_want_rights(void)
{
	struct rlimit limit = {100, 100};

	make("f", 0644);
	CHECK(set_times("f", 0, 1, 0, 1, 0) == 0);
	AS(1000, {
		FAILS(EPERM, set_mode("f", 0, 0666));
		FAILS(EPERM, set_owner("f", 0, 1000, ~0u));
		FAILS(EPERM, set_owner("f", 0, ~0u, 1000));
		FAILS(EPERM, set_times("f", 0, 1, 0, 0, UTIME_OMIT));
		FAILS(EACCES, set_times("f", 0, 0, UTIME_NOW, 0, UTIME_NOW));
		FAILS(EACCES, set_size("f", 0));
	});
	CHECK(set_mode("f", 0, 0666) == 0);
	AS(1000, {
		FAILS(EPERM, set_times("f", 0, 0, UTIME_NOW, 0, UTIME_OMIT));
		CHECK(set_times("f", 0, 0, UTIME_NOW, 0, UTIME_NOW) == 0);
		CHECK(set_size("f", 3) == 0);
		signal(SIGXFSZ, SIG_IGN);
		CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
		FAILS(EFBIG, set_size("f", 101));
	});
	CHECK(attr_of("f", 0).size == 3 && attr_of("f", 0).mtime_ns > 1000000000);
	CHECK(set_owner("f", 0, 1000, 1000) == 0);
	AS(1000, {
		CHECK(set_mode("f", 0, 0600) == 0);
		CHECK(set_owner("f", 0, 1000, 1000) == 0);
		FAILS(EPERM, set_owner("f", 0, 0, ~0u));
		FAILS(EPERM, set_owner("f", 0, ~0u, 0));
		CHECK(set_times("f", 0, 1, 0, 1, 0) == 0);
	});
	CHECK(k_mkdir("closed", 0700) == 0);
	make("closed/f", 0666);
	AS(1000, FAILS(EACCES, set_size("closed/f", 0)));
	CHECK(k_unlink("closed/f", 0) == 0 && k_unlink("closed", UMFS_IOC_REMOVEDIR) == 0);
	CHECK(k_unlink("f", 0) == 0);
}

static void bad_attributes_are_refused(void)
{
	const struct umfs_ioc_setattr good = {.what = UMFS_IOC_SET_MODE, .mode = 0600};
	struct umfs_ioc_setattr a;

	make("f", 0644);
#define BAD(...)                                                                                   \
	do {                                                                                       \
		a = good;                                                                          \
		__VA_ARGS__;                                                                       \
		FAILS(EINVAL, set("f", a));                                                        \
	} while (0)
	BAD(a.what = 0);
	BAD(a.what = 3);
	BAD(a.what = 16);
	BAD(a.flags = 2);
	BAD(a.mode = 010600);
	BAD(a.uid = 1);
	BAD(a.gid = 1);
	BAD(a.size = 1);
	BAD(a.atime.sec = 1);
	BAD(a.mtime.nsec = 1);
	BAD(a.zero0 = 1);
	BAD(a.zero[3] = 1);
	BAD(a = (struct umfs_ioc_setattr){.what = UMFS_IOC_SET_TIMES, .atime.nsec = 1000000000});
	BAD(a = (struct umfs_ioc_setattr){.what = UMFS_IOC_SET_TIMES, .mtime.zero = 1});
	FAILS(EFAULT, ioctl(pool, UMFS_IOC_SETATTR, (void *)16));
	CHECK((attr_of("f", 0).mode & 07777) == 0644);
	CHECK(k_unlink("f", 0) == 0);
}

static void names_become_whiteouts(void)
{
	struct umfs_ioc_attr a;

	make("f", 0644);
	CHECK(k_mkdir("d", 0777) == 0);
	CHECK(k_rename("f", "d/g", WHITEOUT) == 0);
	a = attr_of("f", 0);
	CHECK(S_ISCHR(a.mode) && a.rdev == 0 && attr_of("d/g", 0).size == 10);
	make("h", 0644);
	FAILS(EEXIST, k_rename("h", "f", WHITEOUT | 1));
	FAILS(EINVAL, k_rename("h", "f", WHITEOUT | 2));
	CHECK(k_rename("h", "f", WHITEOUT) == 0 && attr_of("f", 0).size == 10);
	CHECK(S_ISCHR(attr_of("h", 0).mode));
	FAILS(ENXIO, k_open("h", O_RDONLY, 0));
	AS(1000, FAILS(EACCES, k_rename("f", "d/x", WHITEOUT)));
	CHECK(k_unlink("f", 0) == 0 && k_unlink("h", 0) == 0 && k_unlink("d/g", 0) == 0 &&
	      k_unlink("d", UMFS_IOC_REMOVEDIR) == 0);
}

/* ---- by libc ---- */

static void libc_without_a_descriptor(void)
{
	struct timespec times[2] = {{5, 6}, {7, 8}};
	int fd = open("f", O_RDWR | O_CREAT, 0600), last = -1, n;
	struct rlimit was, none;
	struct stat st;

	CHECK(fd >= 0 && symlink("f", "l") == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &was) == 0);
	none = was;
	none.rlim_cur = 64;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	while ((n = dup(fd)) >= 0)
		last = n;
	CHECK(last > fd && errno == EMFILE);
	FAILS(EMFILE, open("f", O_RDONLY));
	CHECK(stat("f", &st) == 0 && chmod("l", 0640) == 0 && chown("l", 3, 4) == 0);
	CHECK(lchown("l", 8, 9) == 0 && utimensat(AT_FDCWD, "l", times, 0) == 0);
	CHECK(utimensat(AT_FDCWD, "l", NULL, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK(truncate("l", 12345) == 0 && rename("f", "g") == 0 && rename("g", "f") == 0);
	CHECK(stat("l", &st) == 0 && (st.st_mode & 07777) == 0640 && st.st_uid == 3 &&
	      st.st_gid == 4 && st.st_size == 12345 && st.st_atim.tv_sec == 5);
	CHECK(lstat("l", &st) == 0 && st.st_uid == 8 && st.st_mtim.tv_sec > 100);
	for (; last > fd; last--)
		close(last);
	CHECK(setrlimit(RLIMIT_NOFILE, &was) == 0);
	close(fd);
	CHECK(unlink("f") == 0 && unlink("l") == 0);
}

static void libc_times(void)
{
	struct timespec bad[2] = {{0, 1ll << 32}, {0, 0}}, omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
	struct stat st;

	close(open("f", O_WRONLY | O_CREAT, 0666));
	FAILS(EINVAL, utimensat(AT_FDCWD, "f", bad, 0));
	CHECK(utimensat(AT_FDCWD, "f", omit, 0) == 0);
	bad[0] = (struct timespec){1l << 60, 0};
	CHECK(utimensat(AT_FDCWD, "f", bad, 0) == 0 && stat("f", &st) == 0 &&
	      st.st_atim.tv_sec > 1l << 32);
	FAILS(EINVAL, truncate("f", -1));
	CHECK(mkfifo("p", 0666) == 0);
	FAILS(EINVAL, truncate("p", 0));
	CHECK(unlink("p") == 0 && unlink("f") == 0);
}

static void libc_names(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat st;

	CHECK(fd >= 0);
	FAILS(EOPNOTSUPP, bind(fd, (void *)&name, sizeof(name)));
	FAILS(ENOENT, stat("socket", &st));
	close(fd);
	close(open("f", O_WRONLY | O_CREAT, 0600));
	CHECK(renameat2(AT_FDCWD, "f", AT_FDCWD, "g", WHITEOUT) == 0);
	CHECK(stat("f", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0);
	CHECK(unlink("f") == 0 && unlink("g") == 0);
}

static void by_libc(const char *dir)
{
	CHECK(chdir(dir) == 0);
	libc_without_a_descriptor();
	libc_times();
	libc_names();
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	umask(0);
	if (strncmp(argv[1], "/dev/", 5)) {
		by_libc(argv[1]);
	} else {
		pool = open(argv[1], O_RDONLY | O_CLOEXEC);
		if (pool < 0) {
			perror(argv[1]);
			return 2;
		}
		attributes_are_set_by_path();
		attributes_want_rights();
		bad_attributes_are_refused();
		names_become_whiteouts();
	}
	printf("attrs: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
