// SPDX-License-Identifier: BSD-3-Clause
/*
 * files.c - the file interface of an attached pool, in the guest.
 *
 *   kmod-files NODE
 *
 * The pool is empty at first. Each case cleans up after itself.
 */
#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#include "kmod_test.h"

int pool, checks, failures;

#define MIB (1u << 20)

static char *volatile nowhere = (char *)8;

static void fill(char *p, size_t n, unsigned seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (char)((i * 131 + seed) >> 3);
}

static void file_written_reads_back(void)
{
	char *a = malloc(5 * MIB), *b = malloc(5 * MIB), text[16];
	int fd = k_open("f", O_RDWR | O_CREAT | O_EXCL, 0640);
	struct umfs_ioc_attr attr;
	struct stat st;

	fill(a, 5 * MIB, 1);
	CHECK(fd >= 0);
	CHECK(write(fd, "hello", 5) == 5);
	CHECK(lseek(fd, 0, SEEK_CUR) == 5);
	CHECK(lseek(fd, 1, SEEK_SET) == 1);
	CHECK(read(fd, text, sizeof(text)) == 4 && !memcmp(text, "ello", 4));
	CHECK(read(fd, text, sizeof(text)) == 0);
	CHECK(pwrite(fd, a, 5 * MIB, 0) == 5 * MIB);
	CHECK(pread(fd, b, 5 * MIB, 0) == 5 * MIB && !memcmp(a, b, 5 * MIB));
	CHECK(pwrite(fd, a, 3000, 1234567) == 3000);
	CHECK(pread(fd, b, 3000, 1234567) == 3000 && !memcmp(a, b, 3000));
	CHECK(lseek(fd, 0, SEEK_END) == 5 * MIB);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 5 * MIB && S_ISREG(st.st_mode) &&
	      (st.st_mode & 07777) == 0640 && st.st_nlink == 1 && st.st_uid == 0);
	CHECK(k_stat("f", 0, &attr) == 0 && attr.size == 5 * MIB && attr.ino == st.st_ino);
	CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
	CHECK(ftruncate(fd, 100) == 0 && fstat(fd, &st) == 0 && st.st_size == 100);
	CHECK(ftruncate(fd, 10000) == 0);
	CHECK(pread(fd, b, 10000, 0) == 10000 && !memcmp(a, b, 100) && !b[100] && !b[9999]);
	CHECK(pwrite(fd, "x", 1, 3u * MIB) == 1);
	CHECK(pread(fd, b, 2, 2u * MIB) == 2 && !b[0] && !b[1]);
	FAILS(EBADF, pread(-1, b, 1, 0));
	FAILS(EINVAL, lseek(fd, -1, SEEK_SET));
	CHECK(close(fd) == 0);
	FAILS(EEXIST, k_open("f", O_RDWR | O_CREAT | O_EXCL, 0644));
	fd = k_open("/f", O_WRONLY | O_TRUNC, 0);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 0);
	FAILS(EBADF, read(fd, text, 1));
	close(fd);
	fd = k_open("f", O_RDONLY, 0);
	FAILS(EBADF, write(fd, text, 1));
	FAILS(EINVAL, ftruncate(fd, 0));
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
	FAILS(ENOENT, k_open("f", O_RDONLY, 0));
	FAILS(ENOENT, k_stat("f", 0, &attr));
	free(a);
	free(b);
}

static void direct_is_as_any(void)
{
	int fd = k_open("f", O_RDWR | O_CREAT | O_DIRECT, 0600), n;
	char text[8];

	CHECK(fd >= 0 && write(fd, "hello", 5) == 5 && pread(fd, text, 8, 1) == 4);
	n = fcntl(fd, F_GETFL);
	CHECK(n & O_DIRECT && fcntl(fd, F_SETFL, n & ~O_DIRECT) == 0 && fcntl(fd, F_SETFL, n) == 0);
	close(fd);
	FAILS(EINVAL, k_open("/", O_RDONLY | O_DIRECTORY | O_DIRECT, 0));
	fd = k_open("f", O_PATH | O_NOFOLLOW, 0);
	CHECK(fcntl(fd, F_GETFL) == (O_PATH | O_NOFOLLOW));
	close(fd);
	/* Neither to read nor to write, and with the right to both: as Linux has it. */
	fd = k_open("f", O_ACCMODE, 0);
	FAILS(EBADF, read(fd, text, 1));
	FAILS(EBADF, write(fd, text, 1));
	FAILS(EACCES, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	close(fd);
	fd = k_open(".", O_RDWR | O_TMPFILE, 0600);
	CHECK((fcntl(fd, F_GETFL) & O_TMPFILE) == O_TMPFILE);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* Who writes takes what the owner gave away with the file, but for who may set it anyway. */
static void write_takes_setid(void)
{
	int fd = k_open("f", O_RDWR | O_CREAT, 0600);
	struct stat st;

	CHECK(fchmod(fd, 06777) == 0 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0);
	CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 06777);
	AS(1000, CHECK(write(k_open("f", O_WRONLY, 0), "x", 1) == 1));
	CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0777);
	CHECK(fchmod(fd, 06777) == 0);
	AS(1000, CHECK(k_open("f", O_WRONLY | O_TRUNC, 0) >= 0));
	CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0777 && st.st_size == 0);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

static void append_goes_to_the_end(void)
{
	int a = k_open("f", O_WRONLY | O_CREAT | O_APPEND, 0600);
	int b = k_open("f", O_RDWR | O_APPEND, 0);
	struct iovec iov[2] = {{"two", 3}, {"three", 5}};
	char text[32];

	CHECK(write(a, "one", 3) == 3);
	CHECK(writev(b, iov, 2) == 8);
	CHECK(write(a, "four", 4) == 4);
	CHECK(lseek(a, 0, SEEK_CUR) == 15);
	CHECK(pread(b, text, 32, 0) == 15 && !memcmp(text, "onetwothreefour", 15));
	CHECK(fcntl(a, F_SETFL, 0) == 0 && pwrite(a, "ONE", 3, 0) == 3);
	CHECK(pread(b, text, 32, 0) == 15 && !memcmp(text, "ONEtwo", 6));
	close(a);
	close(b);
	CHECK(k_unlink("f", 0) == 0);
}

static void unlinked_file_lives_until_closed(void)
{
	int fd = k_open("f", O_RDWR | O_CREAT, 0600), again;
	struct statfs before, after;
	char path[64], *a = calloc(1, 4 * MIB);
	struct stat st;

	CHECK(fstatfs(fd, &before) == 0);
	CHECK(write(fd, a, 4 * MIB) == 4 * MIB);
	CHECK(k_unlink("f", 0) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0);
	CHECK(pread(fd, a, 10, 0) == 10);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	CHECK(again >= 0 && fstat(again, &st) == 0 && st.st_size == 4 * MIB);
	close(fd);
	CHECK(pread(again, a, 10, 0) == 10);
	close(again);
	fd = k_open("/", O_RDONLY | O_DIRECTORY, 0);
	CHECK(fstatfs(fd, &after) == 0 && after.f_bfree + 64 > before.f_bfree &&
	      after.f_type == UMFS_IOC_FS_MAGIC);
	close(fd);
	free(a);
}

static int count_names(const char *path, int want_one)
{
	int fd = k_open(path, O_RDONLY | O_DIRECTORY, 0), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -1;
	while ((e = readdir(d))) {
		n++;
		if (want_one && !strcmp(e->d_name, "name7"))
			want_one = 0;
	}
	rewinddir(d);
	e = readdir(d);
	CHECK(e && e->d_name[0] == '.');
	closedir(d);
	return want_one ? -2 : n;
}

static void names_come_and_go(void)
{
	struct umfs_ioc_attr a, b;
	char name[64], text[64];
	int i, fd, dir;

	CHECK(k_mkdir("d", 0755) == 0);
	FAILS(EEXIST, k_mkdir("d", 0755));
	FAILS(EEXIST, k_mkdir("/", 0755));
	CHECK(k_mkdir("d/e/", 0700) == 0);
	FAILS(ENOENT, k_mkdir("x/e", 0700));
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d/name%d", i);
		fd = k_open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		CHECK(fd >= 0);
		close(fd);
	}
	CHECK(count_names("d", 1) == 503);
	CHECK(count_names("d/e", 0) == 2);
	FAILS(ENOTEMPTY, k_unlink("d", UMFS_IOC_REMOVEDIR));
	FAILS(ENOTDIR, k_unlink("d/name1", UMFS_IOC_REMOVEDIR));
	FAILS(EISDIR, k_unlink("d/e", 0));
	FAILS(ENOTDIR, k_open("d/name1/x", O_RDONLY, 0));
	FAILS(ENOTDIR, k_open("d/name1", O_RDONLY | O_DIRECTORY, 0));
	FAILS(EISDIR, k_open("d", O_WRONLY, 0));
	FAILS(EISDIR, k_open("d", O_RDONLY | O_CREAT, 0600));
	FAILS(ENOENT, k_open("d/none", O_RDWR, 0));
	CHECK(k_rename("d/name1", "d/e/moved", 0) == 0);
	CHECK(k_stat("d/e/moved", 0, &a) == 0 && k_stat("d/name2", 0, &b) == 0);
	FAILS(EEXIST, k_rename("d/e/moved", "d/name2", 1));
	CHECK(k_rename("d/e/moved", "d/name2", 2) == 0);
	CHECK(k_stat("d/name2", 0, &b) == 0 && a.ino == b.ino);
	CHECK(k_rename("d/name3", "d/name2", 0) == 0);
	FAILS(ENOENT, k_stat("d/name3", 0, &a));
	FAILS(EINVAL, k_rename("d", "d/e/d", 0));
	CHECK(k_link("d/name4", "d/hard") == 0 && k_stat("d/hard", 0, &a) == 0 && a.nlink == 2);
	FAILS(EEXIST, k_link("d/name4", "d/hard"));
	FAILS(EPERM, k_link("d/e", "d/hard2"));
	CHECK(k_symlink("name5", "d/soft") == 0 && k_symlink("/etc", "d/out") == 0);
	CHECK(k_readlink("d/soft", text, sizeof(text)) == 5 && !memcmp(text, "name5", 5));
	CHECK(k_stat("d/soft", UMFS_IOC_NOFOLLOW, &a) == 0 && S_ISLNK(a.mode));
	CHECK(k_stat("d/soft", 0, &a) == 0 && S_ISREG(a.mode));
	FAILS(ELOOP, k_open("d/soft", O_RDONLY | O_NOFOLLOW, 0));
	FAILS(EXDEV, k_open("d/out", O_RDONLY, 0));
	FAILS(EXDEV, k_open("../x", O_RDONLY, 0));
	FAILS(EINVAL, k_readlink("d/name5", text, sizeof(text)));
	/* Relative to an open directory. */
	dir = k_open("d", O_RDONLY | O_DIRECTORY, 0);
	{
		struct umfs_ioc_open o = {.path = in_dir(dir, "e/../name6"), .flags = O_RDONLY};

		CHECK(ioctl(pool, UMFS_IOC_OPEN, &o) == 0 && S_ISREG(o.attr.mode));
		close(o.fd);
		o.path = in_dir(pool, "x");
		FAILS(EBADF, ioctl(pool, UMFS_IOC_OPEN, &o));
		fd = k_open("d/name6", O_RDONLY, 0);
		o.path = in_dir(fd, "x");
		FAILS(ENOTDIR, ioctl(pool, UMFS_IOC_OPEN, &o));
		close(fd);
	}
	close(dir);
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d/name%d", i);
		k_unlink(name, 0);
	}
	CHECK(k_unlink("d/hard", 0) == 0 && k_unlink("d/soft", 0) == 0 &&
	      k_unlink("d/out", 0) == 0 && k_unlink("d/e/moved", 0) == 0 &&
	      k_unlink("d/e", UMFS_IOC_REMOVEDIR) == 0 && k_unlink("d", UMFS_IOC_REMOVEDIR) == 0);
}

static void rights_are_the_callers(void)
{
	struct umfs_ioc_attr a;
	int fd, secret;
	char path[64];

	umask(0);
	secret = k_open("secret", O_RDWR | O_CREAT, 0600);
	CHECK(secret >= 0 && write(secret, "x", 1) == 1);
	CHECK(k_mkdir("open", 0777) == 0 && k_mkdir("closed", 0700) == 0 &&
	      k_mkdir("sticky", 01777) == 0);
	close(k_open("open/shown", O_RDWR | O_CREAT, 0644));
	close(k_open("closed/in", O_RDWR | O_CREAT, 0666));
	close(k_open("sticky/roots", O_RDWR | O_CREAT, 0666));
	close(k_open("open/setid", O_RDWR | O_CREAT, 04666));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", secret);
	AS(1000, {
		FAILS(EACCES, k_open("secret", O_RDONLY, 0));
		FAILS(EACCES, k_open("secret", O_WRONLY | O_TRUNC, 0));
		FAILS(EACCES, k_open("new", O_RDWR | O_CREAT, 0600));
		FAILS(EACCES, k_open("closed/in", O_RDONLY, 0));
		FAILS(EACCES, k_stat("closed/in", 0, &a));
		FAILS(EACCES, k_mkdir("sub", 0700));
		FAILS(EACCES, k_unlink("secret", 0));
		FAILS(EACCES, k_rename("secret", "open/secret", 0));
		FAILS(EPERM, k_link("secret", "open/mine"));
		FAILS(EPERM, k_link("open/shown", "open/mine"));
		FAILS(EPERM, k_link("open/setid", "open/mine"));
		CHECK(k_link("sticky/roots", "open/mine") == 0 && k_unlink("open/mine", 0) == 0);
		FAILS(EPERM, k_unlink("sticky/roots", 0));
		FAILS(EPERM, k_rename("sticky/roots", "sticky/x", 0));
		FAILS(EACCES, k_open("open/shown", O_RDWR, 0));
		FAILS(EACCES, open(path, O_RDWR)); /* inherited, and not to be had anew */
		FAILS(EPERM, fchmod(secret, 0666));
		FAILS(EPERM, fchown(secret, 1000, 1000));
		FAILS(EPERM, k_open("open/shown", O_RDONLY | O_NOATIME, 0));
		umask(027);
		fd = k_open("open/mine", O_RDWR | O_CREAT, 0666);
		CHECK(fd >= 0 && k_stat("open/mine", 0, &a) == 0 && a.uid == 1000 &&
		      a.gid == 1000 && (a.mode & 07777) == 0640);
		CHECK(fchmod(fd, 0400) == 0 && k_stat("open/mine", 0, &a) == 0 &&
		      (a.mode & 07777) == 0400);
		FAILS(EPERM, fchown(fd, 0, 0));
		CHECK(write(fd, "still", 5) == 5);
		close(fd);
		FAILS(EACCES, k_open("open/mine", O_RDWR, 0));
		fd = k_open("open/shown", O_RDONLY, 0);
		CHECK(fd >= 0);
		FAILS(EACCES, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
				      MAP_FAILED ? -1 : 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		FAILS(EACCES, open(path, O_RDWR));
	});
	AS(1001, {
		FAILS(EACCES, k_open("open/mine", O_RDONLY, 0));
		CHECK(k_unlink("open/mine", 0) == 0); /* the directory is everybody's */
	});
	CHECK(fchown(secret, 1000, 2000) == 0 && fchmod(secret, 04755) == 0);
	CHECK(k_stat("secret", 0, &a) == 0 && a.uid == 1000 && a.gid == 2000 &&
	      (a.mode & 07777) == 04755);
	close(secret);
	CHECK(k_unlink("secret", 0) == 0 && k_unlink("open/shown", 0) == 0 &&
	      k_unlink("open/setid", 0) == 0 &&
	      k_unlink("closed/in", 0) == 0 && k_unlink("sticky/roots", 0) == 0);
	CHECK(k_unlink("open", UMFS_IOC_REMOVEDIR) == 0 &&
	      k_unlink("closed", UMFS_IOC_REMOVEDIR) == 0 &&
	      k_unlink("sticky", UMFS_IOC_REMOVEDIR) == 0);
	umask(022);
}

/* Who is root in a user namespace is nobody outside of it. */
static void user_namespace_gives_no_rights(void)
{
	int fd = k_open("secret", O_RDWR | O_CREAT, 0600);

	close(fd);
	AS(1000, {
		CHECK(unshare(CLONE_NEWUSER) == 0);
		FAILS(EACCES, k_open("secret", O_RDONLY, 0));
		FAILS(EACCES, k_unlink("secret", 0));
		FAILS(EACCES, k_open("new", O_RDWR | O_CREAT, 0600));
	});
	CHECK(k_unlink("secret", 0) == 0);
}

static void mapping_is_the_file(void)
{
	int fd = k_open("m", O_RDWR | O_CREAT, 0600), ro;
	char *a, *b, text[8];
	pid_t child;

	CHECK(pwrite(fd, "hello", 5, 0) == 5 && ftruncate(fd, 3 * 4096 + 100) == 0);
	a = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 8 * 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(a != MAP_FAILED && b != MAP_FAILED);
	CHECK(!memcmp(a, "hello", 5) && !memcmp(b, "hello", 5));
	a[1] = 'E';
	CHECK(b[1] == 'E' && pread(fd, text, 5, 0) == 5 && !memcmp(text, "hEllo", 5));
	CHECK(pwrite(fd, "J", 1, 0) == 1 && a[0] == 'J' && b[0] == 'J');
	/* Holes: read first, then stored to, then seen by the other mapping. */
	CHECK(a[4096] == 0 && b[4096] == 0 && b[8192] == 0);
	a[4096] = 'x';
	CHECK(b[4096] == 'x' && pread(fd, text, 1, 4096) == 1 && text[0] == 'x');
	CHECK(pwrite(fd, "z", 1, 8192) == 1 && b[8192] == 'z' && a[8192] == 'z');
	a[12288] = 'q'; /* stored to without having been read */
	CHECK(b[12288] == 'q');
	/* Past the end. */
	CHECK(touch(a + 4 * 4096, false) == SIGBUS && touch(a + 4 * 4096, true) == SIGBUS);
	CHECK(touch(b, true) == SIGSEGV);
	CHECK(ftruncate(fd, 4096) == 0);
	CHECK(touch(a + 4096, false) == SIGBUS && touch(b + 8192, false) == SIGBUS);
	CHECK(ftruncate(fd, 4 * 4096) == 0 && a[4096] == 0 && b[8192] == 0 && a[12288] == 0);
	/* The child's stores are the file's too. */
	child = fork();
	if (!child) {
		a[5] = 'c';
		_exit(0);
	}
	waitpid(child, NULL, 0);
	CHECK(b[5] == 'c');
	/* Its mapping outlives the descriptor and the name. */
	CHECK(close(fd) == 0 && k_unlink("m", 0) == 0);
	a[6] = 'd';
	CHECK(b[6] == 'd');
	munmap(a, 8 * 4096);
	munmap(b, 8 * 4096);

	fd = k_open("m", O_RDWR | O_CREAT, 0600);
	CHECK(pwrite(fd, "first", 5, 0) == 5 && ftruncate(fd, 3 * 4096) == 0);
	a = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(a[0] == 'f' && a[4096] == 0);
	a[1] = 'I';
	a[4097] = 'p';
	a[8192] = 's';
	CHECK(!memcmp(a, "fIrst", 5) && a[4097] == 'p' && a[8192] == 's');
	CHECK(pread(fd, text, 5, 0) == 5 && !memcmp(text, "first", 5));
	CHECK(pread(fd, text, 2, 4096) == 2 && !text[1]);
	munmap(a, 3 * 4096);
	/* Read only at first: what holes show is never writable. */
	a = mmap(NULL, 3 * 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(a[8192] == 0 && mprotect(a, 3 * 4096, PROT_READ | PROT_WRITE) == 0);
	a[8192] = 'w';
	a[8192 + 64] = 'w';
	CHECK(pread(fd, text, 1, 8192) == 1 && text[0] == 'w');
	b = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(b[64] == 0); /* the zero page is that still */
	munmap(b, 4096);
	munmap(a, 3 * 4096);
	ro = k_open("m", O_RDONLY, 0);
	a = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
	FAILS(EACCES, mprotect(a, 4096, PROT_READ | PROT_WRITE));
	munmap(a, 4096);
	close(ro);
	close(fd);
	CHECK(k_unlink("m", 0) == 0);
}

/* A read or write whose user memory is the very file, and whose memory is not there. */
static void own_mapping_as_buffer(void)
{
	int fd = k_open("m", O_RDWR | O_CREAT, 0600);
	char *a;

	CHECK(ftruncate(fd, 4 * 4096) == 0 && pwrite(fd, "abcd", 4, 0) == 4);
	a = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(pwrite(fd, a, 4096, 4096) == 4096 && a[4096] == 'a');
	CHECK(pread(fd, a + 8192, 4096, 0) == 4096 && a[8195] == 'd');
	FAILS(EFAULT, pwrite(fd, nowhere, 10, 0));
	FAILS(EFAULT, pread(fd, nowhere, 10, 0));
	FAILS(EFAULT, pwrite(fd, a + 4 * 4096 - 10 + (1ul << 40), 20, 0));
	CHECK(a[0] == 'a');
	munmap(a, 4 * 4096);
	close(fd);
	CHECK(k_unlink("m", 0) == 0);
}

static void limits_and_locks_hold(void)
{
	struct rlimit old, limit;
	int fd = k_open("f", O_RDWR | O_CREAT, 0600), other = k_open("f", O_RDWR, 0), pipes[2];
	off_t from = 0;
	char text[8];

	getrlimit(RLIMIT_FSIZE, &old);
	limit = (struct rlimit){.rlim_cur = 1000, .rlim_max = old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	CHECK(pwrite(fd, text, 8, 996) == 4);
	FAILS(EFBIG, pwrite(fd, text, 8, 1000));
	FAILS(EFBIG, ftruncate(fd, 1001));
	FAILS(EFBIG, posix_fallocate(fd, 0, 2000) ? (errno = EFBIG, -1) : 0);
	setrlimit(RLIMIT_FSIZE, &old);
	FAILS(EFBIG, pwrite(fd, text, 1, 1ll << 40));
	CHECK(flock(fd, LOCK_EX) == 0);
	FAILS(EWOULDBLOCK, flock(other, LOCK_EX | LOCK_NB));
	CHECK(flock(fd, LOCK_UN) == 0 && flock(other, LOCK_EX | LOCK_NB) == 0);
	CHECK(fallocate(fd, 0, 0, 1 << 20) == 0 && lseek(fd, 0, SEEK_END) == 1 << 20);
	CHECK(pwrite(fd, "abc", 3, 8192) == 3);
	CHECK(fallocate(fd, 3, 8192, 4096) == 0); /* punch, keep size */
	CHECK(pread(fd, text, 1, 8192) == 1 && text[0] == 0);
	FAILS(EOPNOTSUPP, fallocate(fd, 0x40, 0, 4096));
	CHECK(pwrite(fd, "spliced", 7, 0) == 7 && pipe(pipes) == 0);
	CHECK(sendfile(pipes[1], fd, &from, 7) == 7 && read(pipes[0], text, 7) == 7 &&
	      !memcmp(text, "spliced", 7));
	CHECK(write(pipes[1], "IN", 2) == 2);
	from = 0;
	CHECK(splice(pipes[0], NULL, fd, &from, 2, 0) == 2 && pread(fd, text, 7, 0) == 7 &&
	      !memcmp(text, "INliced", 7));
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	close(other);
	CHECK(k_unlink("f", 0) == 0);
}

/* Opens "f" until no description is left. */
static int use_up(int *fds, int most)
{
	int n = 0;

	while (n < most && (fds[n] = k_open("f", O_RDONLY, 0)) >= 0)
		n++;
	CHECK(n > 500 && n < most && errno == ENFILE);
	return n;
}

static void refused_open_makes_nothing(void)
{
	enum { MOST = 20000 };
	const struct rlimit more = {MOST + 100, MOST + 100};
	int *fds = calloc(MOST, sizeof(*fds)), n, fd;
	struct umfs_ioc_attr a;
	struct rlimit old;

	getrlimit(RLIMIT_NOFILE, &old);
	CHECK(setrlimit(RLIMIT_NOFILE, &more) == 0);
	close(k_open("f", O_RDWR | O_CREAT, 0600));
	n = use_up(fds, MOST);
	FAILS(ENFILE, k_open("new", O_RDWR | O_CREAT, 0600));
	FAILS(ENOENT, k_stat("new", 0, &a));
	FAILS(ENFILE, k_open("new", O_WRONLY | O_CREAT | O_EXCL | O_TRUNC, 0600));
	FAILS(ENOENT, k_stat("new", 0, &a));
	CHECK(k_mkdir("d", 0700) == 0 && k_unlink("d", UMFS_IOC_REMOVEDIR) == 0);
	close(fds[--n]);
	fd = k_open("new", O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0 && k_stat("new", 0, &a) == 0 && a.nlink == 1);
	close(fd);
	while (n > 0)
		close(fds[--n]);
	CHECK(k_unlink("new", 0) == 0 && k_unlink("f", 0) == 0);
	setrlimit(RLIMIT_NOFILE, &old);
	free(fds);
}

static void set_file_max(const char *to, char *was, size_t room)
{
	int fd = open("/proc/sys/fs/file-max", O_RDWR);
	ssize_t n = was ? pread(fd, was, room - 1, 0) : 0;

	if (was)
		was[n > 0 ? n : 0] = '\0';
	CHECK(fd >= 0 && write(fd, to, strlen(to)) == (ssize_t)strlen(to));
	close(fd);
}

/* The system, not the pool, has no more open files. */
static void no_struct_file_makes_nothing(void)
{
	struct umfs_ioc_attr a;
	char was[32];

	umask(0);
	CHECK(k_mkdir("open", 0777) == 0);
	umask(022);
	set_file_max("0", was, sizeof(was));
	AS(1000, {
		FAILS(ENFILE, k_open("open/new", O_RDWR | O_CREAT, 0600));
		FAILS(ENOENT, k_stat("open/new", 0, &a));
	});
	set_file_max(was, NULL, 0);
	CHECK(k_unlink("open", UMFS_IOC_REMOVEDIR) == 0);
}

/* What one has written is there at once for him, whoever asks for the same meanwhile. */
static void end_is_not_an_older_one(void)
{
	int fd = k_open("f", O_RDWR | O_CREAT | O_APPEND, 0600), i;
	struct stat st;
	pid_t child = fork();

	if (!child)
		for (;;)
			fstat(fd, &st);
	for (i = 0; i < 2000; i++) {
		if (write(fd, "x", 1) != 1 || lseek(fd, 0, SEEK_END) != i + 1 ||
		    fstat(fd, &st) || st.st_size != i + 1)
			break;
	}
	CHECK(i == 2000);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

static void times_that_do_not_fit_are_cut(void)
{
	const struct timespec far[2] = {{1ll << 40, 5}, {-(1ll << 40), 5}};
	int fd = k_open("f", O_RDWR | O_CREAT, 0600);
	struct stat st;

	CHECK(futimens(fd, far) == 0 && fstat(fd, &st) == 0);
	CHECK(st.st_atim.tv_sec == 9223372036 && st.st_mtim.tv_sec == -9223372035);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* A walk from the pool's root; `rest` gets what leaves it. */
static int k_walk(const char *path, unsigned flags, struct umfs_ioc_walk *a, char *rest)
{
	*a = (struct umfs_ioc_walk){.path = path_of(path), .flags = flags, .rest = (uintptr_t)rest};
	return ioctl(pool, UMFS_IOC_WALK, a);
}

static int k_where(int dir, char *buf, unsigned bytes)
{
	struct umfs_ioc_where a = {.path = in_dir(dir, "."), .buf = (uintptr_t)buf, .bytes = bytes};

	return ioctl(pool, UMFS_IOC_WHERE, &a) ? -1 : (int)a.done;
}

static void walk_says_where_a_path_leads(void)
{
	static char rest[UMFS_IOC_REST_BYTES];
	struct umfs_ioc_walk a;
	struct umfs_ioc_attr attr = {.ino = 0};

	CHECK(k_mkdir("d", 0755) == 0 && k_symlink("f", "d/soft") == 0 &&
	      k_symlink("/etc/x", "d/away") == 0 && k_symlink("loop", "loop") == 0);
	CHECK(close(k_open("d/f", O_RDWR | O_CREAT, 0640)) == 0 && k_stat("d/f", 0, &attr) == 0);
	CHECK(k_walk("d/soft", 0, &a, rest) == 0 && a.left == 0 && a.links == 1 &&
	      a.attr.ino == attr.ino && a.attr.mode == (S_IFREG | 0640) && !a.must_be_dir);
	CHECK(k_walk("d/soft", UMFS_IOC_NOFOLLOW, &a, rest) == 0 && S_ISLNK(a.attr.mode) &&
	      a.name_bytes == 4 && a.links == 0);
	CHECK(k_walk("d/none/", UMFS_IOC_PARENT, &a, rest) == 0 && a.attr.ino == 0 &&
	      a.name_bytes == 4 && a.must_be_dir);
	FAILS(ENOENT, k_walk("d/none", 0, &a, rest));
	FAILS(ENOTDIR, k_walk("d/f/none", UMFS_IOC_PARENT, &a, rest));
	FAILS(ELOOP, k_walk("loop", 0, &a, rest));
	CHECK(k_walk("d/away/more", 0, &a, rest) == 0 && a.left == UMFS_IOC_LEFT_ABSOLUTE &&
	      !strcmp(rest, "/etc/x/more") && a.links == 1 && a.attr.ino == 0);
	CHECK(k_walk("d/../../up", 0, &a, rest) == 0 && a.left == UMFS_IOC_LEFT_ABOVE &&
	      !strcmp(rest, "up"));
	FAILS(EFAULT, k_walk("d/away", 0, &a, NULL));
	CHECK(k_walk("d", 0, &a, NULL) == 0);
	FAILS(EINVAL, k_walk("d", 4, &a, rest));
	a = (struct umfs_ioc_walk){.path = path_of("d/soft"), .links = 40};
	FAILS(ELOOP, ioctl(pool, UMFS_IOC_WALK, &a));
	CHECK(k_unlink("d/soft", 0) == 0 && k_unlink("d/away", 0) == 0 && k_unlink("d/f", 0) == 0 &&
	      k_unlink("loop", 0) == 0 && k_unlink("d", UMFS_IOC_REMOVEDIR) == 0);
}

/* Directories that nothing but a working directory or an O_PATH descriptor holds. */
static void directories_are_gone_into(void)
{
	struct umfs_ioc_stat s = {.path = in_dir(UMFS_IOC_CWD, "f")};
	struct umfs_ioc_walk a;
	struct stat st;
	char text[64];
	int fd, other;

	FAILS(EBADF, ioctl(pool, UMFS_IOC_STAT, &s)); /* the working directory is none */
	s.path.dir = 0;
	FAILS(EBADF, ioctl(pool, UMFS_IOC_STAT, &s));
	CHECK(k_mkdir("d", 0755) == 0 && k_mkdir("d/e", 0755) == 0);
	CHECK(close(k_open("d/e/f", O_RDWR | O_CREAT, 0640)) == 0);
	fd = k_open("d/e", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	CHECK(fd >= 0 && k_where(fd, text, sizeof(text)) == 4 && !memcmp(text, "/d/e", 4));
	FAILS(ERANGE, k_where(fd, text, 3));
	FAILS(ERANGE, k_where(fd, text, 0));
	CHECK(k_where(UMFS_IOC_ROOT, text, 1) == 1 && text[0] == '/');
	CHECK(fchdir(fd) == 0);
	s.path.dir = UMFS_IOC_CWD;
	CHECK(ioctl(pool, UMFS_IOC_STAT, &s) == 0 && s.attr.mode == (S_IFREG | 0640));
	CHECK(k_where(UMFS_IOC_CWD, text, sizeof(text)) == 4 && !memcmp(text, "/d/e", 4));
	/* The kernel finds and makes nothing there by itself. */
	FAILS(ENOENT, open("f", O_RDONLY));
	FAILS(ENOENT, open("g", O_RDWR | O_CREAT, 0600));
	FAILS(ENOENT, mkdir("g", 0700));
	other = k_open("d/e/f", O_RDONLY, 0);
	s.path.dir = other;
	FAILS(ENOTDIR, ioctl(pool, UMFS_IOC_STAT, &s));
	CHECK(close(other) == 0 && k_unlink("d/e/f", 0) == 0 &&
	      k_unlink("d/e", UMFS_IOC_REMOVEDIR) == 0 && k_mkdir("d/e", 0700) == 0);
	a = (struct umfs_ioc_walk){.path = in_dir(fd, "."), .flags = UMFS_IOC_PARENT};
	FAILS(ENOENT, ioctl(pool, UMFS_IOC_WALK, &a));
	a.path.dir = UMFS_IOC_CWD;
	FAILS(ENOENT, ioctl(pool, UMFS_IOC_WALK, &a));
	FAILS(ENOENT, k_where(UMFS_IOC_CWD, text, sizeof(text)));
	FAILS(ENOENT, open("f", O_RDWR | O_CREAT, 0600));
	FAILS(ENOENT, stat(".", &st));
	CHECK(chdir("/") == 0 && close(fd) == 0);
	CHECK(k_unlink("d/e", UMFS_IOC_REMOVEDIR) == 0);
	CHECK(k_mkdir("closed", 0700) == 0);
	fd = k_open("closed", O_PATH, 0);
	AS(1000, FAILS(EACCES, fchdir(fd)));
	CHECK(close(fd) == 0 && k_unlink("closed", UMFS_IOC_REMOVEDIR) == 0 &&
	      k_unlink("d", UMFS_IOC_REMOVEDIR) == 0);
}

/* What a descriptor can do that needed no right to the file, and what not. */
static void path_descriptor_gives_no_rights(void)
{
	struct umfs_ioc_link l = {.from = path_of("soft"), .to = path_of("hard"),
				  .flags = UMFS_IOC_FOLLOW};
	int fd, link;
	struct stat st;
	char name[40], b;

	CHECK(close(k_open("f", O_RDWR | O_CREAT, 0600)) == 0 && k_symlink("f", "soft") == 0);
	CHECK(ioctl(pool, UMFS_IOC_LINK, &l) == 0);
	fd = k_open("soft", O_PATH, 0);
	link = k_open("soft", O_PATH | O_NOFOLLOW, 0);
	CHECK(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 2);
	CHECK(fstat(link, &st) == 0 && S_ISLNK(st.st_mode));
	FAILS(ENOTDIR, k_open("f", O_PATH | O_DIRECTORY, 0));
	FAILS(EBADF, read(fd, &b, 1));
	FAILS(EBADF, fchmod(fd, 0666));
	CHECK(fchownat(link, "", 5, 6, AT_EMPTY_PATH) == 0 && fstat(link, &st) == 0 &&
	      st.st_uid == 5 && fstat(fd, &st) == 0 && st.st_uid == 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", link);
	CHECK(open(name, O_RDONLY) == -1);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	AS(1000, {
		FAILS(EACCES, open(name, O_RDONLY));
		FAILS(EACCES, open(name, O_WRONLY));
		FAILS(EACCES, truncate(name, 0));
		FAILS(EPERM, chmod(name, 0666));
		FAILS(EPERM, fchownat(fd, "", 1000, 1000, AT_EMPTY_PATH));
		CHECK(faccessat(fd, "", R_OK, AT_EMPTY_PATH) == -1);
		CHECK(faccessat(fd, "", F_OK, AT_EMPTY_PATH) == 0);
	});
	CHECK(chmod(name, 0644) == 0);
	AS(1000, CHECK(close(open(name, O_RDONLY)) == 0));
	CHECK(k_unlink("soft", 0) == 0 && k_unlink("hard", 0) == 0 && k_unlink("f", 0) == 0);
	CHECK(fstat(fd, &st) == -1); /* it keeps nothing */
	CHECK(close(fd) == 0 && close(link) == 0);
}

static void reserved_fields_are_zero(void)
{
	struct umfs_ioc_open o = {.path = path_of("f"), .flags = O_RDWR | O_CREAT, .zero0 = 1};
	struct umfs_ioc_stat s = {.path = path_of("/"), .zero0 = 1};
	struct umfs_ioc_mkdir m = {.path = path_of("f"), .mode = 0700, .zero0 = 1};
	struct umfs_ioc_unlink u = {.path = path_of("f"), .zero0 = 1};
	struct umfs_ioc_rename r = {.from = path_of("f"), .to = path_of("g"), .zero0 = 1};
	struct umfs_ioc_link l = {.from = path_of("f"), .to = path_of("g"), .zero0 = 1};
	struct umfs_ioc_symlink y = {.target = path_of("f"), .path = path_of("g"), .zero = 1};
	struct umfs_ioc_walk w = {.path = path_of("/"), .zero0 = 1};
	struct umfs_ioc_attach t = {.device = "/dev/null", .name = "n", .mode = 3, .zero = {0, 1}};
	struct umfs_ioc_detach d = {.name = "none", .zero = {0, 0, 0, 1}};
	struct umfs_ioc_list n = {.zero = {1}};
	int control = open(UMFS_CONTROL_NODE, O_RDONLY | O_CLOEXEC);

	close(k_open("f", O_RDWR | O_CREAT, 0600));
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_OPEN, &o));
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_STAT, &s));
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_MKDIR, &m));
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_UNLINK, &u));
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_RENAME, &r));
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_LINK, &l));
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_SYMLINK, &y));
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_WALK, &w));
	FAILS(EINVAL, ioctl(control, UMFS_IOC_ATTACH, &t));
	t = (struct umfs_ioc_attach){.device = "/dev/null", .name = "n", .mode = 3, .zero0 = 1};
	FAILS(EINVAL, ioctl(control, UMFS_IOC_ATTACH, &t));
	FAILS(EINVAL, ioctl(control, UMFS_IOC_DETACH, &d));
	FAILS(EINVAL, ioctl(control, UMFS_IOC_LIST, &n));
	close(control);
	CHECK(k_unlink("f", 0) == 0);
}

static void bad_arguments_are_refused(void)
{
	struct umfs_ioc_open o = {.path = path_of("f"), .flags = O_RDWR | O_CREAT, .mode = 0600};
	struct umfs_ioc_rename r = {.from = path_of("a"), .to = path_of("b"), .flags = 8};
	static char longest[5000];
	struct umfs_ioc_attr a;

	memset(longest, 'n', sizeof(longest) - 1);
	FAILS(EFAULT, ioctl(pool, UMFS_IOC_OPEN, (void *)16));
	FAILS(ENOTTY, ioctl(pool, _IO(UMFS_IOC_TYPE, 0x7f)));
	FAILS(ENOTTY, ioctl(pool, UMFS_IOC_DETACH, &o));
	FAILS(ENAMETOOLONG, k_stat(longest, 0, &a));
	longest[300] = 0;
	FAILS(ENAMETOOLONG, k_open(longest, O_RDWR | O_CREAT, 0600));
	FAILS(ENOENT, k_stat("", 0, &a));
	o.path.text = 16;
	FAILS(EFAULT, ioctl(pool, UMFS_IOC_OPEN, &o));
	o.path = path_of("f");
	o.path.bytes = 2; /* with its NUL */
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_OPEN, &o));
	o.path = path_of("f");
	o.zero[2] = 1;
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_OPEN, &o));
	o.zero[2] = 0;
	o.flags = O_RDWR | O_PATH;
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_OPEN, &o));
	o.flags = O_RDWR | O_CREAT;
	o.mode = 0100600;
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_OPEN, &o));
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_RENAME, &r));
	r.flags = 3;
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_RENAME, &r));
	FAILS(EINVAL, k_stat("/", 8, &a));
	FAILS(ENOENT, k_stat("f", 0, &a)); /* nothing was made by any of these */
}

int main(int argc, char **argv)
{
	static void (*const cases[])(void) = {
		file_written_reads_back,  direct_is_as_any, write_takes_setid, append_goes_to_the_end,
		unlinked_file_lives_until_closed, names_come_and_go,
		rights_are_the_callers,   user_namespace_gives_no_rights,
		mapping_is_the_file,      own_mapping_as_buffer,
		limits_and_locks_hold,    refused_open_makes_nothing,
		no_struct_file_makes_nothing, end_is_not_an_older_one,
		times_that_do_not_fit_are_cut, walk_says_where_a_path_leads,
		directories_are_gone_into, path_descriptor_gives_no_rights,
		reserved_fields_are_zero,
		bad_arguments_are_refused,
	};

	return run_cases(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
