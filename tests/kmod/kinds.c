// SPDX-License-Identifier: BSD-3-Clause
/*
 * kinds.c - what is no plain file with a name: extended attributes, files without a name,
 * FIFOs, sockets and devices, in the guest.
 *
 *   kmod-kinds NODE                the cases; each cleans up after itself
 *   kmod-kinds NODE detach NAME    a FIFO outlives the pool's attachment as NAME
 *   kmod-kinds NODE remove NAME WHAT   the device WHAT is taken from nd_pmem under NAME
 *   kmod-kinds DIR                 the same things by libc, under libumfs
 */
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "kmod_test.h"

int pool, checks, failures;

static char *volatile nowhere = (char *)8;

/* ---- extended attributes ---- */

static int x_call(unsigned long cmd, const char *path, const char *name, void *value, unsigned bytes,
		  unsigned flags)
{
	struct umfs_ioc_xattr a = {.path = path_of(path),
				   .name = (uintptr_t)name,
				   .name_bytes = name ? (uint32_t)strlen(name) : 0,
				   .value = (uintptr_t)value,
				   .bytes = bytes,
				   .flags = flags};

	return ioctl(pool, cmd, &a) ? -1 : (int)a.bytes;
}

static int x_get(const char *path, const char *name, char *to, unsigned room)
{
	return x_call(UMFS_IOC_GETXATTR, path, name, to, room, 0);
}

static int x_set(const char *path, const char *name, const char *value, unsigned flags)
{
	return x_call(UMFS_IOC_SETXATTR, path, name, (void *)(uintptr_t)value,
		      (unsigned)strlen(value), flags);
}

static int x_remove(const char *path, const char *name)
{
	return x_call(UMFS_IOC_REMOVEXATTR, path, name, NULL, 0, 0);
}

static void attributes_by_path_and_descriptor(void)
{
	int fd = k_open("f", O_RDWR | O_CREAT, 0600), n;
	static char large[65536], back[65536];
	char text[64], proc[64];

	CHECK(x_set("f", "user.one", "first", 0) >= 0);
	CHECK(x_get("f", "user.one", text, 64) == 5 && !memcmp(text, "first", 5));
	CHECK(x_get("f", "user.one", NULL, 0) == 5);
	FAILS(ERANGE, x_get("f", "user.one", text, 4));
	FAILS(ENODATA, x_get("f", "user.two", text, 64));
	CHECK(fgetxattr(fd, "user.one", text, 64) == 5);
	CHECK(fsetxattr(fd, "user.two", "second", 6, XATTR_CREATE) == 0);
	FAILS(EEXIST, fsetxattr(fd, "user.two", "x", 1, XATTR_CREATE));
	FAILS(EEXIST, x_set("f", "user.two", "x", UMFS_IOC_XATTR_CREATE));
	FAILS(ENODATA, x_set("f", "user.no", "x", UMFS_IOC_XATTR_REPLACE));
	CHECK(x_set("f", "user.two", "", UMFS_IOC_XATTR_REPLACE) >= 0);
	CHECK(x_get("f", "user.two", text, 64) == 0);
	CHECK(x_set("f", "trusted.t", "t", 0) >= 0 && x_set("f", "security.s", "s", 0) >= 0);
	n = x_call(UMFS_IOC_LISTXATTR, "f", NULL, back, sizeof(back), 0);
	CHECK(n == (int)sizeof("user.one\0user.two\0trusted.t\0security.s"));
	CHECK(n == x_call(UMFS_IOC_LISTXATTR, "f", NULL, NULL, 0, 0) &&
	      n == flistxattr(fd, large, sizeof(large)) && !memcmp(back, large, (size_t)n));
	CHECK(fremovexattr(fd, "user.one") == 0);
	FAILS(ENODATA, x_remove("f", "user.one"));
	CHECK(x_remove("f", "user.two") >= 0);
	memset(large, 'v', sizeof(large));
	CHECK(fsetxattr(fd, "user.large", large, sizeof(large), 0) == 0);
	CHECK(x_get("f", "user.large", back, sizeof(back)) == (int)sizeof(back) &&
	      !memcmp(back, large, sizeof(back)));
	/* By the name of a descriptor; and of an O_PATH descriptor only so. */
	close(fd);
	fd = k_open("f", O_PATH, 0);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	CHECK(setxattr(proc, "user.three", "3", 1, 0) == 0 &&
	      getxattr(proc, "user.three", text, 64) == 1);
	FAILS(EBADF, fgetxattr(fd, "user.three", text, 64));
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

static void attributes_ask_for_rights(void)
{
	int fd = k_open("f", O_RDWR | O_CREAT, 0600), open_fd;
	char text[64];

	CHECK(x_set("f", "user.secret", "s", 0) >= 0 && x_set("f", "trusted.t", "t", 0) >= 0);
	close(k_open("shown", O_RDWR | O_CREAT, 0644));
	open_fd = k_open("shown", O_RDWR, 0);
	CHECK(x_set("shown", "user.x", "x", 0) >= 0 && x_set("shown", "trusted.t", "t", 0) >= 0);
	CHECK(k_symlink("f", "l") == 0);
	AS(1000, {
		FAILS(EACCES, x_get("f", "user.secret", text, 64));
		FAILS(EACCES, x_set("f", "user.secret", "x", 0));
		FAILS(EACCES, x_remove("f", "user.secret"));
		FAILS(EACCES, fsetxattr(fd, "user.secret", "x", 1, 0));
		CHECK(x_get("shown", "user.x", text, 64) == 1);
		FAILS(EACCES, x_set("shown", "user.x", "y", 0));
		FAILS(EACCES, fremovexattr(open_fd, "user.x"));
		FAILS(ENODATA, x_get("shown", "trusted.t", text, 64));
		FAILS(EPERM, x_set("shown", "trusted.t", "y", 0));
		FAILS(EPERM, x_set("shown", "security.s", "y", 0));
		CHECK(x_call(UMFS_IOC_LISTXATTR, "shown", NULL, text, 64, 0) == (int)sizeof("user.x"));
		/* All capabilities, of a user namespace of his own. */
		CHECK(unshare(CLONE_NEWUSER) == 0);
		FAILS(EACCES, x_get("f", "user.secret", text, 64));
		FAILS(EPERM, x_set("shown", "trusted.t", "y", 0));
		FAILS(EOPNOTSUPP, x_set("shown", "system.posix_acl_access", "y", 0));
	});
	FAILS(EPERM, x_call(UMFS_IOC_SETXATTR, "l", "user.x", text, 1, UMFS_IOC_NOFOLLOW));
	CHECK(x_get("l", "user.secret", text, 64) == 1);
	close(fd);
	close(open_fd);
	CHECK(k_unlink("f", 0) == 0 && k_unlink("shown", 0) == 0 && k_unlink("l", 0) == 0);
}

static void attributes_with_bad_arguments(void)
{
	struct umfs_ioc_xattr a = {.path = path_of("f"), .name_bytes = 6, .bytes = 1};
	char longest[300], text[64] = "";

	memset(longest, 'n', sizeof(longest));
	memcpy(longest, "user.", 5);
	longest[256] = 0;
	close(k_open("f", O_RDWR | O_CREAT, 0600));
	FAILS(ERANGE, x_get("f", longest, text, 64));
	FAILS(ERANGE, x_get("f", "", text, 64));
	FAILS(EOPNOTSUPP, x_get("f", "unknown.x", text, 64));
	FAILS(EINVAL, x_set("f", "user.", "x", 0));
	FAILS(ENOENT, x_get("none", "user.x", text, 64));
	FAILS(ENOTDIR, x_get("f/", "user.x", text, 64));
	FAILS(E2BIG, x_call(UMFS_IOC_SETXATTR, "f", "user.x", text, 65537, 0));
	FAILS(EINVAL, x_call(UMFS_IOC_GETXATTR, "f", "user.x", text, 64, UMFS_IOC_XATTR_CREATE));
	FAILS(EINVAL, x_call(UMFS_IOC_LISTXATTR, "f", "user.x", text, 64, 0));
	FAILS(EFAULT, x_call(UMFS_IOC_SETXATTR, "f", "user.x", nowhere, 1, 0));
	a.name = 8;
	FAILS(EFAULT, ioctl(pool, UMFS_IOC_GETXATTR, &a));
	a.name = (uintptr_t)"user\0x";
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_GETXATTR, &a));
	a.name = (uintptr_t)"user.x";
	a.zero0 = 1;
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_GETXATTR, &a));
	CHECK(x_set("f", "user.x", "x", 0) >= 0);
	FAILS(EFAULT, x_get("f", "user.x", nowhere, 64));
	CHECK(k_unlink("f", 0) == 0);
}

/* As acl(5) has it on Linux: version 2, then tag, permissions and id of each entry. */
#define ENTRY(tag, perm, id)                                                              \
	(tag), 0, (perm), 0, (id) & 0xff, (id) >> 8 & 0xff, (id) >> 16 & 0xff, (id) >> 24 & 0xff
#define NOBODYS 0xffffffffu
static const unsigned char acl[] = {
	2, 0, 0, 0,
	ENTRY(1, 6, NOBODYS),  /* owner rw */
	ENTRY(2, 4, 1000u),    /* user 1000 r */
	ENTRY(4, 0, NOBODYS),  /* group */
	ENTRY(16, 4, NOBODYS), /* mask r */
	ENTRY(32, 0, NOBODYS), /* others */
};
#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

/* They are kept, and inherited; the mode shows the mask; and they are not enforced. */
static void access_lists_are_kept(void)
{
	struct umfs_ioc_attr attr;
	unsigned char text[128];
	int fd;

	CHECK(k_mkdir("d", 0755) == 0);
	CHECK(x_call(UMFS_IOC_SETXATTR, "d", DEFAULT, (void *)(uintptr_t)acl, sizeof(acl), 0) >= 0);
	fd = k_open("d/f", O_RDWR | O_CREAT, 0666);
	CHECK(x_get("d/f", ACCESS, (char *)text, sizeof(text)) == (int)sizeof(acl) &&
	      !memcmp(text, acl, sizeof(acl)));
	CHECK(k_stat("d/f", 0, &attr) == 0 && (attr.mode & 07777) == 0640);
	AS(1000, {
		FAILS(EACCES, k_open("d/f", O_RDONLY, 0));
		FAILS(EPERM, x_call(UMFS_IOC_SETXATTR, "d/f", ACCESS, (void *)(uintptr_t)acl,
				    sizeof(acl), 0));
		FAILS(EPERM, x_remove("d", DEFAULT));
	});
	FAILS(EOPNOTSUPP, x_set("d/f", ACCESS, "nonsense", 0));
	CHECK(x_remove("d/f", ACCESS) >= 0);
	FAILS(ENODATA, x_get("d/f", ACCESS, (char *)text, sizeof(text)));
	/* The kernel's own call where it comes to us. */
	if (fsetxattr(fd, ACCESS, acl, sizeof(acl), 0) == 0)
		CHECK(fgetxattr(fd, ACCESS, text, sizeof(text)) == (int)sizeof(acl) &&
		      !memcmp(text, acl, sizeof(acl)));
	else
		CHECK(errno == EOPNOTSUPP);
	close(fd);
	CHECK(k_unlink("d/f", 0) == 0 && k_unlink("d", UMFS_IOC_REMOVEDIR) == 0);
}

/* ---- files without a name ---- */

static int link_open(int fd, const char *to)
{
	struct umfs_ioc_link a = {.from = {.dir = fd}, .to = path_of(to), .flags = UMFS_IOC_EMPTY};

	return ioctl(pool, UMFS_IOC_LINK, &a);
}

static void nameless_file_may_get_a_name(void)
{
	int fd, alone, null = open("/dev/null", O_RDWR);
	struct stat st;
	char text[8];

	CHECK(k_mkdir("d", 0755) == 0);
	fd = k_open("d", O_RDWR | O_TMPFILE, 0640);
	CHECK(fd >= 0 && write(fd, "text", 4) == 4 && fstat(fd, &st) == 0 && st.st_nlink == 0 &&
	      st.st_size == 4 && (st.st_mode & 07777) == 0640);
	CHECK(link_open(fd, "d/f") == 0 && fstat(fd, &st) == 0 && st.st_nlink == 1);
	FAILS(EEXIST, link_open(fd, "d/f"));
	CHECK(link_open(fd, "d/g") == 0);
	close(fd);
	fd = k_open("d/g", O_RDONLY, 0);
	CHECK(read(fd, text, 8) == 4 && !memcmp(text, "text", 4));
	close(fd);
	alone = k_open("d/", O_WRONLY | O_TMPFILE | O_EXCL, 0600);
	CHECK(alone >= 0);
	FAILS(ENOENT, link_open(alone, "d/h"));
	FAILS(EXDEV, link_open(null, "d/h"));
	FAILS(EBADF, link_open(-1, "d/h"));
	FAILS(EINVAL, k_open("d", O_RDONLY | O_TMPFILE, 0600));
	FAILS(EINVAL, k_open("d", O_RDWR | (O_TMPFILE & ~O_DIRECTORY), 0600));
	FAILS(EINVAL, k_open("d", O_RDWR | O_TMPFILE | O_CREAT, 0600));
	FAILS(ENOTDIR, k_open("d/f", O_RDWR | O_TMPFILE, 0600));
	FAILS(ENOENT, k_open("none", O_RDWR | O_TMPFILE, 0600));
	fd = k_open("d", O_RDONLY | O_DIRECTORY, 0);
	FAILS(EPERM, link_open(fd, "d/h"));
	close(fd);
	close(alone);
	close(null);
	CHECK(k_unlink("d/f", 0) == 0 && k_unlink("d/g", 0) == 0);
	CHECK(k_unlink("d", UMFS_IOC_REMOVEDIR) == 0);
}

static void nameless_file_asks_for_rights(void)
{
	int fd = k_open("secret", O_RDWR | O_CREAT, 0600), path = k_open("secret", O_PATH, 0), own;

	CHECK(k_mkdir("closed", 0755) == 0);
	CHECK(k_mkdir("all", 0777) == 0);
	close(k_open("all", O_RDONLY | O_DIRECTORY, 0));
	AS(1000, {
		FAILS(EACCES, k_open("closed", O_RDWR | O_TMPFILE, 0600));
		/* What was handed to him is not his to name. */
		FAILS(EPERM, link_open(fd, "all/f"));
		FAILS(EPERM, link_open(path, "all/f"));
	});
	own = k_open("all", O_PATH | O_DIRECTORY, 0);
	CHECK(fchownat(own, "", 1000, 1000, AT_EMPTY_PATH) == 0);
	close(own);
	AS(1000, {
		own = k_open("all", O_RDWR | O_TMPFILE, 0600);
		FAILS(EACCES, link_open(own, "closed/f"));
		CHECK(own >= 0 && link_open(own, "all/f") == 0 && k_unlink("all/f", 0) == 0);
	});
	close(fd);
	close(path);
	CHECK(k_unlink("secret", 0) == 0 && k_unlink("closed", UMFS_IOC_REMOVEDIR) == 0 &&
	      k_unlink("all", UMFS_IOC_REMOVEDIR) == 0);
}

/* ---- FIFOs, sockets, devices ---- */

static int k_mknod(const char *path, unsigned mode, unsigned rdev)
{
	struct umfs_ioc_mknod a = {.path = path_of(path), .mode = mode, .rdev = rdev};

	return ioctl(pool, UMFS_IOC_MKNOD, &a);
}

static void special_files_have_names(void)
{
	static const unsigned types[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
	struct umfs_ioc_attr attr;
	struct stat st;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		bool device = types[i] == S_IFCHR || types[i] == S_IFBLK;
		unsigned rdev = device ? (unsigned)makedev(1, 3) : 0;

		CHECK(k_mknod("n", types[i] | 0644, rdev) == 0);
		FAILS(EEXIST, k_mknod("n", types[i] | 0644, rdev));
		CHECK(k_stat("n", 0, &attr) == 0 && attr.mode == (types[i] | 0644) &&
		      attr.rdev == rdev);
		fd = k_open("n", O_PATH, 0);
		CHECK(fstat(fd, &st) == 0 && st.st_mode == (types[i] | 0644) && st.st_rdev == rdev);
		close(fd);
		if (device || types[i] == S_IFSOCK)
			FAILS(ENXIO, k_open("n", O_RDWR, 0));
		AS(1000, {
			FAILS(EACCES, k_mknod("m", types[i] | 0644, 0));
			FAILS(EACCES, k_open("n", O_RDWR | O_NONBLOCK, 0));
		});
		CHECK(k_unlink("n", 0) == 0);
	}
	CHECK(k_mkdir("all", 0777) == 0 && k_mkdir("all/d", 0700) == 0);
	fd = k_open("all", O_PATH | O_DIRECTORY, 0);
	CHECK(fchownat(fd, "", 1000, 1000, AT_EMPTY_PATH) == 0);
	close(fd);
	AS(1000, {
		FAILS(EPERM, k_mknod("all/n", S_IFCHR | 0666, (unsigned)makedev(1, 1)));
		FAILS(EPERM, k_mknod("all/n", S_IFBLK | 0666, (unsigned)makedev(1, 1)));
		CHECK(k_mknod("all/n", S_IFIFO | 0600, 0) == 0 && k_unlink("all/n", 0) == 0);
	});
	FAILS(EINVAL, k_mknod("n", S_IFDIR | 0700, 0));
	FAILS(EINVAL, k_mknod("n", S_IFLNK | 0700, 0));
	FAILS(EINVAL, k_mknod("n", 0700, 0));
	FAILS(EINVAL, k_mknod("n", 1u << 20 | S_IFREG, 0));
	FAILS(ENOENT, k_mknod("n/", S_IFIFO | 0600, 0));
	CHECK(k_unlink("all/d", UMFS_IOC_REMOVEDIR) == 0);
	CHECK(k_unlink("all", UMFS_IOC_REMOVEDIR) == 0);
}

static void on_signal(int n)
{
	(void)n;
}

static void fifo_is_the_kernels(void)
{
	struct sigaction alarmed = {.sa_handler = on_signal};
	char text[16], proc[64];
	int fd, again;
	pid_t child;

	CHECK(k_mknod("p", S_IFIFO | 0600, 0) == 0);
	FAILS(ENXIO, k_open("p", O_WRONLY | O_NONBLOCK, 0));
	fflush(stdout);
	child = fork();
	if (!child) {
		fd = k_open("p", O_WRONLY, 0); /* until there is a reader */
		_exit(fd < 0 || write(fd, "through", 7) != 7);
	}
	fd = k_open("p", O_RDONLY, 0);
	CHECK(fd >= 0 && read(fd, text, 16) == 7 && !memcmp(text, "through", 7));
	CHECK(waitpid(child, &again, 0) == child && again == 0);
	CHECK(read(fd, text, 16) == 0); /* nobody writes */
	/* One and the same, by whatever way; also without its name. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	again = open(proc, O_WRONLY | O_NONBLOCK);
	CHECK(again >= 0 && write(again, "more", 4) == 4 && read(fd, text, 16) == 4);
	CHECK(k_unlink("p", 0) == 0);
	CHECK(write(again, "on", 2) == 2 && read(fd, text, 16) == 2);
	close(again);
	close(fd);
	/* Another with the same name is another. */
	CHECK(k_mknod("p", S_IFIFO | 0600, 0) == 0);
	sigaction(SIGALRM, &alarmed, NULL);
	ualarm(100000, 100000);
	FAILS(EINTR, k_open("p", O_RDONLY, 0));
	ualarm(0, 0);
	fd = k_open("p", O_RDWR, 0);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && read(fd, text, 16) == 1);
	close(fd);
	CHECK(k_unlink("p", 0) == 0);
}

/* As nobody keeps the pool by it, nothing of the pool may be touched by it later. */
static void fifo_outlives_the_attachment(const char *name)
{
	char command[64], text[16];
	struct stat st;
	int fd, path;

	CHECK(k_mknod("p", S_IFIFO | 0600, 0) == 0);
	fd = k_open("p", O_RDWR, 0);
	path = k_open("p", O_PATH, 0);
	close(pool);
	snprintf(command, sizeof(command), "kmod-attach detach %s", name);
	CHECK(system(command) == 0);
	CHECK(write(fd, "still", 5) == 5 && read(fd, text, 16) == 5);
	FAILS(EIO, fstat(fd, &st));
	FAILS(EIO, fsetxattr(fd, "trusted.x", "x", 1, 0));
	FAILS(EIO, fchmod(fd, 0666));
	FAILS(EIO, flistxattr(fd, text, 16));
	FAILS(EIO, fstat(path, &st));
}

/* ---- the device goes ---- */

/* When it is told to, so that it has nothing of the pool open. */
static _Noreturn void unbind(const char *what, const int go[2])
{
	int fd = open("/sys/bus/nd/drivers/nd_pmem/unbind", O_WRONLY);
	char c;

	close(pool);
	close(go[1]);
	(void)!read(go[0], &c, 1);
	_exit(write(fd, what, strlen(what)) != (ssize_t)strlen(what));
}

/* The driver waits until the pool is detached; what of it is open answers EIO. */
static void device_is_removed(const char *name, const char *what)
{
	const size_t bytes = 4u << 20;
	struct umfs_ioc_attr attr;
	char command[64], c = 'c';
	int fd, status = -1, i, go[2];
	volatile char *at;
	pid_t child;

	CHECK(pipe(go) == 0);
	fflush(stdout);
	child = fork();
	if (!child)
		unbind(what, go);
	close(go[0]);
	fd = k_open("f", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(fd, (off_t)bytes) == 0 && pwrite(fd, &c, 1, 3 << 20) == 1);
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK((void *)at != MAP_FAILED && at[3 << 20] == 'c');
	CHECK(write(go[1], "g", 1) == 1);
	for (i = 0; i < 3000 && pread(fd, &c, 1, 0) == 1; i++)
		usleep(10000);
	FAILS(EIO, pread(fd, &c, 1, 0));
	FAILS(EIO, pwrite(fd, &c, 1, 0));
	FAILS(EIO, k_stat("f", 0, &attr));
	at[3 << 20] = 'd';
	CHECK(at[3 << 20] == 'd');
	/* It would be done soon. */
	for (i = 0; i < 200 && waitpid(child, &status, WNOHANG) == 0; i++)
		usleep(10000);
	CHECK(i == 200);
	munmap((void *)(uintptr_t)at, bytes);
	close(fd);
	close(pool);
	snprintf(command, sizeof(command), "kmod-attach detach %s", name);
	CHECK(system(command) == 0);
	if (!failures)
		CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* ---- by libc ---- */

static void libc_nameless(void)
{
	int fd = open(".", O_RDWR | O_TMPFILE, 0600), alone = open(".", O_RDWR | O_TMPFILE | O_EXCL, 0600);
	char proc[64], path[64];
	struct stat st;

	CHECK(fd >= 0 && write(fd, "text", 4) == 4);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	FAILS(ENOENT, linkat(AT_FDCWD, "none", AT_FDCWD, "f", 0));
	CHECK(linkat(AT_FDCWD, proc, AT_FDCWD, "f", AT_SYMLINK_FOLLOW) == 0);
	CHECK(linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH) == 0);
	FAILS(EEXIST, linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH));
	FAILS(EXDEV, linkat(AT_FDCWD, "/init", AT_FDCWD, "h", 0));
	FAILS(EXDEV, linkat(AT_FDCWD, proc, AT_FDCWD, "/tmp/h", AT_SYMLINK_FOLLOW));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", alone);
	FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "h", AT_SYMLINK_FOLLOW));
	CHECK(stat("f", &st) == 0 && st.st_nlink == 2 && st.st_size == 4);
	FAILS(EINVAL, open(".", O_RDONLY | O_TMPFILE, 0600));
	FAILS(ENOTDIR, open("f", O_RDWR | O_TMPFILE, 0600));
	close(fd);
	close(alone);
	CHECK(unlink("f") == 0 && unlink("g") == 0);
}

static void libc_special(void)
{
	struct sigaction alarmed = {.sa_handler = on_signal};
	struct stat st;
	char text[16];
	pid_t child;
	int fd;

	CHECK(mknod("c", S_IFCHR | 0600, makedev(1, 3)) == 0 && stat("c", &st) == 0 &&
	      S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	FAILS(ENXIO, open("c", O_RDONLY));
	CHECK(mkfifo("p", 0600) == 0);
	FAILS(EEXIST, mkfifo("p", 0600));
	fflush(stdout);
	child = fork();
	if (!child) {
		fd = open("p", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		_exit(write(fd, "through", 7) != 7);
	}
	fd = open("p", O_RDONLY);
	CHECK(read(fd, text, sizeof(text)) == 7 && !memcmp(text, "through", 7));
	waitpid(child, NULL, 0);
	close(fd);
	/* Signals are served while the other end is waited for. */
	sigaction(SIGALRM, &alarmed, NULL);
	ualarm(100000, 100000);
	FAILS(EINTR, open("p", O_RDONLY));
	ualarm(0, 0);
	FAILS(ENXIO, open("p", O_WRONLY | O_NONBLOCK));
	CHECK(unlink("p") == 0 && unlink("c") == 0);
}

static void libc_attributes(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char text[64];

	CHECK(setxattr("f", "user.x", "value", 5, 0) == 0);
	FAILS(EEXIST, setxattr("f", "user.x", "value", 5, XATTR_CREATE));
	FAILS(ENODATA, setxattr("f", "user.y", "value", 5, XATTR_REPLACE));
	CHECK(fgetxattr(fd, "user.x", text, 64) == 5 && fsetxattr(fd, "user.y", "", 0, 0) == 0);
	CHECK(getxattr("f", "user.x", NULL, 0) == 5 && getxattr("f", "user.y", text, 64) == 0);
	FAILS(ERANGE, getxattr("f", "user.x", text, 2));
	CHECK(listxattr("f", text, 64) == (int)sizeof("user.x\0user.y"));
	CHECK(symlink("f", "l") == 0 && getxattr("l", "user.x", text, 64) == 5);
	FAILS(EPERM, lsetxattr("l", "user.x", "x", 1, 0));
	FAILS(ENODATA, lgetxattr("l", "trusted.x", text, 64));
	CHECK(lsetxattr("l", "trusted.x", "x", 1, 0) == 0 && llistxattr("l", text, 64) == 10);
	CHECK(setxattr("f", ACCESS, acl, sizeof(acl), 0) == 0 &&
	      getxattr("f", ACCESS, text, 64) == (int)sizeof(acl));
	CHECK(removexattr("f", "user.x") == 0 && fremovexattr(fd, "user.y") == 0);
	FAILS(ENODATA, removexattr("f", "user.x"));
	FAILS(ENOENT, getxattr("none", "user.x", text, 64));
	FAILS(EFAULT, setxattr("f", "user.x", nowhere, 5, 0));
	FAILS(EFAULT, getxattr("f", nowhere, text, 5));
	close(fd);
	CHECK(unlink("f") == 0 && unlink("l") == 0);
}

static int by_libc(const char *dir)
{
	umask(0);
	CHECK(chdir(dir) == 0);
	libc_nameless();
	libc_special();
	libc_attributes();
	printf("%d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}

int main(int argc, char **argv)
{
	static void (*const cases[])(void) = {
		attributes_by_path_and_descriptor, attributes_ask_for_rights,
		attributes_with_bad_arguments,	   access_lists_are_kept,
		nameless_file_may_get_a_name,	   nameless_file_asks_for_rights,
		special_files_have_names,	   fifo_is_the_kernels,
	};
	size_t i;

	if (argc == 2 && strncmp(argv[1], "/dev/", 5))
		return by_libc(argv[1]);
	pool = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	if (pool < 0) {
		perror("kmod-kinds");
		return 2;
	}
	umask(0);
	if (argc == 4)
		fifo_outlives_the_attachment(argv[3]);
	if (argc == 5)
		device_is_removed(argv[3], argv[4]);
	for (i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++)
		cases[i]();
	printf("%d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
