// SPDX-License-Identifier: BSD-3-Clause
/*
 * mount.c - a mounted pool, seen by the kernel's calls on names and by the module's at once.
 *
 *   kmod-mount NODE DIRECTORY               the cases
 *   kmod-mount NODE DIRECTORY storm SECONDS names that many processes change by both ways
 *
 * Each leaves the pool empty.
 */
#include <dirent.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>

#include "mapped.h"

int pool, checks, failures;
static const char *top; /* where it is mounted, and the working directory of each case */

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int k_put(const char *path, const char *text)
{
	int fd = k_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static bool fd_has(int fd, const char *text)
{
	char buf[64] = "";
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, sizeof(buf) - 1, 0);

	return n == (ssize_t)strlen(text) && !memcmp(buf, text, (size_t)n);
}

static bool has(const char *path, const char *text)
{
	int fd = open(path, O_RDONLY);
	bool is = fd_has(fd, text);

	if (fd >= 0)
		close(fd);
	return is;
}

static bool k_has(const char *path, const char *text)
{
	int fd = k_open(path, O_RDONLY, 0);
	bool is = fd_has(fd, text);

	if (fd >= 0)
		close(fd);
	return is;
}

static ino_t ino_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_ino;
}

static int names_in(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static sigjmp_buf after_fault;

static void faulted(int sig)
{
	siglongjmp(after_fault, sig);
}

/* Here, and not in a child: a lease is one process's. */
static bool faults(volatile char *at)
{
	struct sigaction act = {.sa_handler = faulted}, old;
	int sig = sigsetjmp(after_fault, 1);

	if (!sig) {
		sigaction(SIGBUS, &act, &old);
		(void)*at;
	}
	sigaction(SIGBUS, &old, NULL);
	return sig == SIGBUS;
}

static void *map_slots(void)
{
	return mmap(NULL, UMFS_IOC_SLOTS * sizeof(struct umfs_ioc_slot), PROT_READ, MAP_SHARED,
		    pool, 0);
}

static char *at(uint64_t addr)
{
	return (char *)(uintptr_t)addr;
}

static int lease(int fd, struct umfs_ioc_lease *l)
{
	*l = (struct umfs_ioc_lease){.fd = fd, .bytes = PAGE};
	return ioctl(pool, UMFS_IOC_LEASE, l);
}

static void lease_end(const struct umfs_ioc_lease *l)
{
	munmap(at(l->addr), PAGE);
	munmap(at(l->log), UMFS_IOC_LOG_BYTES);
}

/* ---- what one way changes, the other sees ---- */

static void name_made_or_removed_is_seen(void)
{
	struct umfs_ioc_attr attr;
	struct stat st;

	/* The kernel remembers that there is nothing, or something, and is wrong each time. */
	FAILS(ENOENT, stat("f", &st));
	CHECK(k_put("f", "one") == 0);
	CHECK(stat("f", &st) == 0 && st.st_size == 3 && has("f", "one"));
	CHECK(k_unlink("f", 0) == 0);
	FAILS(ENOENT, stat("f", &st));
	CHECK(put("f", "two") == 0);
	CHECK(k_has("f", "two"));
	CHECK(k_stat("f", 0, &attr) == 0 && attr.ino == ino_of("f"));
	CHECK(unlink("f") == 0);
	FAILS(ENOENT, k_stat("f", 0, &attr));
	/* Of another type by the same name; numbers are used again. */
	CHECK(k_mkdir("f", 0700) == 0 && stat("f", &st) == 0 && S_ISDIR(st.st_mode));
	CHECK(k_unlink("f", UMFS_IOC_REMOVEDIR) == 0 && k_symlink("g", "f") == 0);
	CHECK(lstat("f", &st) == 0 && S_ISLNK(st.st_mode));
	CHECK(k_unlink("f", 0) == 0 && k_put("f", "three") == 0 && has("f", "three"));
	CHECK(k_rename("f", "g", 0) == 0);
	FAILS(ENOENT, stat("f", &st));
	CHECK(has("g", "three") && rename("g", "h") == 0 && k_has("h", "three"));
	FAILS(ENOENT, k_stat("g", 0, &attr));
	CHECK(k_link("h", "i") == 0 && stat("h", &st) == 0 && st.st_nlink == 2);
	CHECK(link("i", "j") == 0 && k_stat("h", 0, &attr) == 0 && attr.nlink == 3);
	CHECK(names_in(".") == 5);
	CHECK(unlink("h") == 0 && k_unlink("i", 0) == 0 && unlink("j") == 0);
	CHECK(names_in(".") == 2);
}

static void name_replaced_means_the_new_file(void)
{
	int fd, i;
	char text[16];

	for (i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "%d", i);
		CHECK(k_put("new", text) == 0 && k_rename("new", "f", 0) == 0);
		CHECK(has("f", text));
	}
	fd = open("f", O_RDWR);
	CHECK(k_put("new", "another") == 0 && k_rename("new", "f", 0) == 0);
	CHECK(fd_has(fd, "49") && has("f", "another"));
	/* O_EXCL, and without it: what is there by now counts. */
	FAILS(EEXIST, open("f", O_RDWR | O_CREAT | O_EXCL, 0600));
	CHECK(unlink("f") == 0);
	close(fd);
}

static void content_and_attributes_are_the_same(void)
{
	int a, b;
	struct stat st;
	struct umfs_ioc_attr attr;
	char *m;

	CHECK(put("f", "0123456789") == 0);
	a = open("f", O_RDWR);
	b = k_open("f", O_RDWR, 0);
	CHECK(pwrite(a, "AB", 2, 2) == 2 && fd_has(b, "01AB456789"));
	CHECK(pwrite(b, "xyz", 3, 10) == 3 && fstat(a, &st) == 0 && st.st_size == 13);
	CHECK(fd_has(a, "01AB456789xyz"));
	CHECK(ftruncate(b, 4) == 0 && fd_has(a, "01AB"));
	m = mmap(NULL, 4096, RW, MAP_SHARED, a, 0);
	CHECK(m != MAP_FAILED);
	m[0] = 'm';
	CHECK(fd_has(b, "m1AB"));
	CHECK(pwrite(b, "w", 1, 1) == 1 && m[1] == 'w');
	munmap(m, 4096);
	CHECK(chmod("f", 0640) == 0 && k_stat("f", 0, &attr) == 0 && (attr.mode & 07777) == 0640);
	CHECK(fchmod(b, 0604) == 0 && stat("f", &st) == 0 && (st.st_mode & 07777) == 0604);
	CHECK(chown("f", 3, 4) == 0 && fstat(b, &st) == 0 && st.st_uid == 3 && st.st_gid == 4);
	CHECK(setxattr("f", "user.x", "v", 1, 0) == 0 && fgetxattr(b, "user.x", NULL, 0) == 1);
	CHECK(truncate("f", 0) == 0 && fstat(b, &st) == 0 && st.st_size == 0);
	close(a);
	close(b);
	CHECK(unlink("f") == 0);
}

static void unlinked_file_stays_while_open(void)
{
	int a, b;
	struct stat st;

	CHECK(put("f", "text") == 0);
	a = open("f", O_RDWR);
	b = k_open("f", O_RDONLY, 0);
	CHECK(k_unlink("f", 0) == 0);
	CHECK(fstat(a, &st) == 0 && st.st_nlink == 0 && fd_has(a, "text") && fd_has(b, "text"));
	close(b);
	CHECK(k_put("f", "other") == 0 && fd_has(a, "text") && has("f", "other"));
	CHECK(unlink("f") == 0);
	CHECK(pwrite(a, "T", 1, 0) == 1 && fd_has(a, "Text"));
	close(a);
}

static void mapping_is_spliced(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0600), other;
	char *at, *far;

	CHECK(fd >= 0);
	fill(fd, 0, 4 * MIB);
	at = map(fd, 4 * MIB, RW);
	CHECK(wrong(at, 4 * MIB) == 0 && ((uintptr_t)at & (2 * MIB - 1)) == 0);
	other = k_open("f", O_RDWR, 0);
	far = map(other, 4 * MIB, RW);
	far[3 * MIB + 5] = 'q';
	CHECK(at[3 * MIB + 5] == 'q');
	CHECK(truncate("f", (off_t)MIB) == 0);
	CHECK(touch(at + 2 * MIB, false) == SIGBUS && touch(at, true) == 0);
	munmap(at, 4 * MIB);
	munmap(far, 4 * MIB);
	close(fd);
	close(other);
	CHECK(unlink("f") == 0);
}

/* ---- directories that move ---- */

static void directory_moved_under_somebody_is_found(void)
{
	struct umfs_ioc_attr attr;
	char path[256], want[256];
	struct stat st;
	ino_t d;
	int fd;

	CHECK(mkdir("a", 0700) == 0 && mkdir("a/b", 0700) == 0 && mkdir("a/b/c", 0700) == 0);
	d = ino_of("a/b");
	fd = open("a/b", O_RDONLY | O_DIRECTORY);
	CHECK(chdir("a/b") == 0);
	CHECK(k_rename("a/b", "z", 0) == 0);
	CHECK(put("x", "here") == 0 && k_has("z/x", "here"));
	snprintf(path, sizeof(path), "%s/a/b", top);
	FAILS(ENOENT, stat(path, &st));
	snprintf(want, sizeof(want), "%s/z", top);
	CHECK(ino_of(want) == d && stat(".", &st) == 0 && st.st_ino == d);
	CHECK(getcwd(path, sizeof(path)) && !strcmp(path, want));
	CHECK(stat("..", &st) == 0 && st.st_ino == ino_of(top));
	/* Into its old place and one level deeper; and the kernel moves it as well. */
	CHECK(k_rename("z", "a/b", 0) == 0 && k_rename("a/b", "a/e", 0) == 0);
	CHECK(fstatat(fd, "c", &st, 0) == 0);
	CHECK(chdir(top) == 0 && ino_of("a/e") == d && rename("a/e/c", "c") == 0);
	CHECK(k_stat("c", 0, &attr) == 0 && k_rename("c", "a/e/c", 0) == 0);
	CHECK(rename("a/e", "z") == 0 && ino_of("z/c"));
	/* No directory into what lies in it, whatever the kernel remembers of both. */
	FAILS(EINVAL, rename("a", "a/q"));
	FAILS(EINVAL, rename("z", "z/c/d"));
	CHECK(k_rename("a", "z/c/a", 0) == 0);
	FAILS(EINVAL, rename("z", "z/c/a/z"));
	CHECK(k_rename("z/c", "c", 0) == 0 && rename("z", "c/a/z") == 0 && ino_of("c/a/z/x"));
	close(fd);
	CHECK(unlink("c/a/z/x") == 0 && rmdir("c/a/z") == 0 && rmdir("c/a") == 0 &&
	      rmdir("c") == 0);
}

static void directory_removed_under_somebody_is_empty(void)
{
	struct stat st;

	CHECK(mkdir("d", 0700) == 0 && chdir("d") == 0);
	CHECK(k_unlink("d", UMFS_IOC_REMOVEDIR) == 0);
	FAILS(ENOENT, open("f", O_RDWR | O_CREAT, 0600));
	FAILS(ENOENT, mkdir("e", 0700));
	FAILS(ENOENT, stat("f", &st));
	CHECK(k_mkdir("d", 0700) == 0);
	FAILS(ENOENT, mkdir("e", 0700)); /* that is another one */
	CHECK(chdir(top) == 0 && mkdir("d/e", 0700) == 0);
	FAILS(ENOTEMPTY, rmdir("d"));
	CHECK(rmdir("d/e") == 0 && rmdir("d") == 0);
	/* One that the kernel removes, and an ioctl had open. */
	CHECK(mkdir("d", 0700) == 0);
	int fd = k_open("d", O_RDONLY | O_DIRECTORY, 0);
	CHECK(rmdir("d") == 0);
	FAILS(ENOENT, openat(fd, "f", O_RDWR | O_CREAT, 0600));
	close(fd);
}

/* A descriptor of a directory that an ioctl opened: names in it are the kernel's when it knows where. */
static void directory_opened_by_ioctl_has_its_place(void)
{
	struct stat st;
	int fd;

	CHECK(k_mkdir("d", 0700) == 0 && k_mkdir("d/e", 0700) == 0 && k_put("d/e/f", "text") == 0);
	fd = k_open("d/e", O_RDONLY | O_DIRECTORY, 0);
	FAILS(ENOENT, fstatat(fd, "f", &st, 0));
	CHECK(has("d/e/f", "text"));
	CHECK(fstatat(fd, "f", &st, 0) == 0 && fstatat(fd, "..", &st, 0) == 0 &&
	      st.st_ino == ino_of("d"));
	CHECK(unlinkat(fd, "f", 0) == 0);
	close(fd);
	CHECK(rmdir("d/e") == 0 && rmdir("d") == 0);
}

/* ---- calls ---- */

static void rename_does_what_its_flags_say(void)
{
	struct stat st;

	CHECK(put("a", "a") == 0 && put("b", "b") == 0 && mkdir("d", 0700) == 0);
	FAILS(EEXIST, renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == 0 && has("a", "b") &&
	      has("b", "a"));
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE) == 0 && has("d", "b") &&
	      stat("a", &st) == 0 && S_ISDIR(st.st_mode));
	CHECK(renameat2(AT_FDCWD, "d", AT_FDCWD, "a/d", RENAME_WHITEOUT) == 0 && has("a/d", "b"));
	CHECK(stat("d", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0);
	FAILS(ENOTDIR, rename("a", "b"));
	FAILS(EISDIR, rename("b", "a"));
	CHECK(unlink("d") == 0 && mkdir("e", 0700) == 0);
	FAILS(ENOTEMPTY, rename("e", "a"));
	CHECK(unlink("a/d") == 0 && rename("e", "a") == 0 && rmdir("a") == 0 && unlink("b") == 0);
}

static void nameless_file_gets_names(void)
{
	int fd = open(".", O_RDWR | O_TMPFILE, 0640), alone;
	char proc[64];
	struct stat st;

	CHECK(fd >= 0 && write(fd, "text", 4) == 4);
	CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0 && (st.st_mode & 07777) == 0640);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	CHECK(linkat(AT_FDCWD, proc, AT_FDCWD, "f", AT_SYMLINK_FOLLOW) == 0);
	CHECK(has("f", "text") && fstat(fd, &st) == 0 && st.st_nlink == 1);
	alone = open(".", O_RDWR | O_TMPFILE | O_EXCL, 0600);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", alone);
	FAILS(ENOENT, linkat(AT_FDCWD, proc, AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
	close(alone);
	close(fd);
	CHECK(names_in(".") == 3 && unlink("f") == 0);
}

static int unix_socket(struct sockaddr_un *name)
{
	*name = (struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = "s"};
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static void special_files_are_the_kernels(void)
{
	struct sockaddr_un name;
	int server = unix_socket(&name), client = unix_socket(&name), w, r;
	struct stat st;
	char byte;

	CHECK(bind(server, (struct sockaddr *)&name, sizeof(name)) == 0);
	CHECK(listen(server, 1) == 0 && stat("s", &st) == 0 && S_ISSOCK(st.st_mode));
	CHECK(connect(client, (struct sockaddr *)&name, sizeof(name)) == 0);
	close(client);
	client = unix_socket(&name);
	FAILS(EADDRINUSE, bind(client, (struct sockaddr *)&name, sizeof(name)));
	close(server);
	FAILS(ECONNREFUSED, connect(client, (struct sockaddr *)&name, sizeof(name)));
	close(client);
	FAILS(ENXIO, k_open("s", O_RDONLY, 0));
	CHECK(mkfifo("p", 0600) == 0);
	r = open("p", O_RDONLY | O_NONBLOCK);
	w = k_open("p", O_WRONLY, 0);
	CHECK(write(w, "x", 1) == 1 && read(r, &byte, 1) == 1 && byte == 'x');
	close(r);
	close(w);
	CHECK(mknod("null", S_IFCHR | 0600, makedev(1, 3)) == 0);
	CHECK(stat("null", &st) == 0 && st.st_rdev == makedev(1, 3));
	w = open("null", O_RDWR);
	CHECK(w >= 0 && write(w, "x", 1) == 1 && read(w, &byte, 1) == 0);
	close(w);
	/* What an ioctl gives out opens no device by any name. */
	FAILS(ENXIO, k_open("null", O_RDWR, 0));
	w = k_open("null", O_PATH, 0);
	char proc[64];
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", w);
	CHECK(open(proc, O_RDWR) == -1);
	close(w);
	CHECK(unlink("s") == 0 && unlink("p") == 0 && unlink("null") == 0);
}

static void locks_are_seen_both_ways(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
	int a, b;

	CHECK(put("f", "text") == 0);
	a = open("f", O_RDWR);
	b = k_open("f", O_RDWR, 0);
	CHECK(flock(a, LOCK_EX | LOCK_NB) == 0);
	FAILS(EWOULDBLOCK, flock(b, LOCK_EX | LOCK_NB));
	CHECK(flock(a, LOCK_UN) == 0 && flock(b, LOCK_EX | LOCK_NB) == 0);
	CHECK(fcntl(a, F_OFD_SETLK, &l) == 0);
	FAILS(EAGAIN, fcntl(b, F_OFD_SETLK, &l));
	close(a);
	CHECK(fcntl(b, F_OFD_SETLK, &l) == 0);
	close(b);
	CHECK(unlink("f") == 0);
}

static void links_lead_in_and_out(void)
{
	char to[64] = "";
	int fd;

	CHECK(put("f", "inside") == 0 && k_symlink("f", "in") == 0 && symlink("/init", "out") == 0);
	CHECK(has("in", "inside") && access("out", R_OK) == 0);
	CHECK(readlink("out", to, sizeof(to)) == 5 && !memcmp(to, "/init", 5));
	CHECK(symlink("loop", "loop") == 0);
	FAILS(ELOOP, open("loop", O_RDONLY));
	FAILS(ELOOP, open("in", O_RDONLY | O_NOFOLLOW));
	CHECK(k_readlink("loop", to, sizeof(to)) == 4);
	fd = k_open("out", O_PATH | O_NOFOLLOW, 0);
	CHECK(readlinkat(fd, "", to, sizeof(to)) == 5 && !memcmp(to, "/init", 5));
	close(fd);
	CHECK(unlink("f") == 0 && unlink("in") == 0 && unlink("out") == 0 && unlink("loop") == 0);
}

/* One event at a time. */
static bool told(int fd, uint32_t mask, const char *name)
{
	char buf[4096];
	struct inotify_event *e = (void *)buf;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, 5000) != 1 ||
	    read(fd, buf, sizeof(*e) + 16 * (name ? (strlen(name) + 16) / 16 : 0)) <= 0)
		return false;
	return e->mask & mask && (!name || (e->len && !strcmp(e->name, name)));
}

static void changes_are_told(void)
{
	int in = inotify_init1(IN_CLOEXEC), of_file = inotify_init1(IN_CLOEXEC), fd;

	CHECK(inotify_add_watch(in, ".", IN_CREATE | IN_DELETE | IN_MOVE) >= 0);
	CHECK(put("f", "x") == 0 && told(in, IN_CREATE, "f"));
	CHECK(rename("f", "g") == 0 && told(in, IN_MOVED_FROM, "f") && told(in, IN_MOVED_TO, "g"));
	CHECK(mkdir("d", 0700) == 0 && told(in, IN_CREATE, "d"));
	CHECK(rmdir("d") == 0 && told(in, IN_DELETE, "d"));
	CHECK(inotify_add_watch(of_file, "g", IN_MODIFY) >= 0);
	fd = k_open("g", O_RDWR, 0);
	CHECK(write(fd, "y", 1) == 1 && told(of_file, IN_MODIFY, NULL));
	close(fd);
	close(of_file);
	CHECK(unlink("g") == 0 && told(in, IN_DELETE, "g"));
	close(in);
}

static void statfs_says_what_descriptors_say(void)
{
	struct statfs a, b;
	int fd = k_open("/", O_RDONLY, 0);

	CHECK(statfs(".", &a) == 0 && fstatfs(fd, &b) == 0);
	CHECK(a.f_type == UMFS_IOC_FS_MAGIC && a.f_blocks == b.f_blocks && a.f_blocks > 1000 &&
	      a.f_bsize == 4096 && a.f_files == b.f_files && a.f_namelen == 255);
	close(fd);
}

/* Reading and writing without a call are asked for of a descriptor that came by either way. */
static void share_and_lease_take_any_descriptor(void)
{
	struct umfs_ioc_share s = {.bytes = PAGE};
	struct umfs_ioc_lease l;
	void *slots = map_slots();
	struct stat st;
	int fd;

	CHECK(slots != MAP_FAILED && put("f", "text") == 0);
	fd = open("f", O_RDWR);
	s.fd = fd;
	CHECK(ioctl(pool, UMFS_IOC_SHARE, &s) == 0 && !memcmp(at(s.addr), "text", 4));
	CHECK(fstat(fd, &st) == 0 && s.ino == st.st_ino);
	CHECK(lease(fd, &l) == 0 && !faults(at(l.addr)));
	at(l.addr)[0] = 'T';
	CHECK(has("f", "Text") && faults(at(l.addr)));
	munmap(at(s.addr), PAGE);
	lease_end(&l);
	close(fd);
	CHECK(unlink("f") == 0);
}

/* ---- rights ---- */

static void second_user_has_his_rights(void)
{
	int fd;

	CHECK(chmod(".", 0755) == 0 && put("secret", "s") == 0 && put("shown", "s") == 0 &&
	      chmod("shown", 0644) == 0);
	CHECK(mkdir("closed", 0700) == 0 && put("closed/in", "s") == 0);
	CHECK(mkdir("open", 0777) == 0 && chmod("open", 01777) == 0 && put("open/mine", "s") == 0);
	AS(1000, {
		FAILS(EACCES, open("secret", O_RDONLY));
		FAILS(EACCES, open("secret", O_WRONLY));
		FAILS(EACCES, open("shown", O_WRONLY | O_TRUNC));
		FAILS(EACCES, open("closed/in", O_RDONLY));
		FAILS(EACCES, chdir("closed"));
		FAILS(EACCES, mkdir("d", 0700));
		FAILS(EACCES, unlink("secret"));
		FAILS(EACCES, rename("secret", "open/s"));
		FAILS(EPERM, unlink("open/mine")); /* sticky */
		FAILS(EPERM, rename("open/mine", "open/yours"));
		FAILS(EPERM, link("secret", "open/s"));
		FAILS(EPERM, chmod("shown", 0666));
		FAILS(EPERM, chown("shown", 1000, 1000));
		FAILS(EACCES, truncate("secret", 0));
		FAILS(EPERM, mknod("open/null", S_IFCHR | 0666, makedev(1, 3)));
		CHECK(access("shown", R_OK) == 0 && access("shown", W_OK) == -1);
		CHECK(has("shown", "s") && put("open/his", "h") == 0 && rename("open/his", "open/h") == 0);
		FAILS(EPERM, mount("a", "open", "umfs", 0, NULL));
	});
	fd = open("open/h", O_RDONLY);
	CHECK(fd_has(fd, "h"));
	close(fd);
	CHECK(k_has("secret", "s") && names_in("open") == 4);
	CHECK(unlink("open/h") == 0 && unlink("open/mine") == 0 && unlink("closed/in") == 0 &&
	      unlink("secret") == 0 && unlink("shown") == 0 && rmdir("open") == 0 &&
	      rmdir("closed") == 0);
}

/*
 * At any moment something else gets the place of "x", and it is gone. Before all others on its
 * processor, so that whoever made "x" there goes on after that.
 */
static void replace_until(const atomic_bool *over)
{
	static const char *const others[] = {"open/secret", "open/dir"};
	const struct sched_param first = {.sched_priority = 1};
	unsigned seed = 1, i = 0;

	CHECK(sched_setscheduler(0, SCHED_FIFO, &first) == 0);
	while (!*over) {
		const char *other = others[i % 2];

		usleep((unsigned)rand_r(&seed) % 500);
		if (k_rename(other, "open/x", RENAME_EXCHANGE))
			continue;
		usleep((unsigned)rand_r(&seed) % 500);
		k_rename(other, "open/x", RENAME_EXCHANGE);
		k_unlink("open/x", 0);
		i++;
	}
}

/* Who makes a file is asked for no rights when it is opened: it has to be that file (N4). */
static void file_made_is_the_one_opened(void)
{
	atomic_bool *over = mmap(NULL, sizeof(*over), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cpu_set_t all, one;
	int ended = 0;
	pid_t other;

	CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
	CHECK(chmod(".", 0755) == 0 && mkdir("open", 0777) == 0 && chmod("open", 0777) == 0 &&
	      put("open/secret", "s") == 0 && mkdir("open/dir", 0777) == 0);
	fflush(stdout);
	other = fork();
	if (!other) {
		failures = 0;
		replace_until(over);
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	AS(1000, {
		unsigned i, made = 0, bad = 0;

		for (i = 0; i < 20000 && made < 2000; i++) {
			struct stat st;
			int fd = open("open/x", O_RDWR | O_CREAT, 0600);

			if (fd < 0)
				continue;
			made++;
			bad += fstat(fd, &st) || st.st_uid != 1000;
			close(fd);
			unlink("open/x");
		}
		CHECK(made > 10);
		CHECK(bad == 0);
	});
	*over = true;
	CHECK(waitpid(other, &ended, 0) == other && ended == 0);
	CHECK(sched_setaffinity(0, sizeof(all), &all) == 0);
	munmap(over, sizeof(*over));
	unlink("open/x");
	CHECK(unlink("open/secret") == 0 && rmdir("open/dir") == 0 && rmdir("open") == 0);
}

static void modes_of_new_files_are_right(void)
{
	static const unsigned char acl[] = { /* as acl(5) has it: user::rwx group::r-x other::r-- */
		2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 5, 0, 255, 255, 255, 255,
		32, 0, 4, 0, 255, 255, 255, 255};
	struct umfs_ioc_xattr x = {.path = path_of("l"), .name = (uintptr_t)"system.posix_acl_default",
				   .name_bytes = 24, .value = (uintptr_t)acl, .bytes = sizeof(acl)};
	struct stat st;
	mode_t old = umask(027);
	int fd;

	CHECK(mkdir("g", 0777) == 0 && stat("g", &st) == 0 && (st.st_mode & 07777) == 0750);
	CHECK(chown("g", 0, 77) == 0 && chmod("g", 02770) == 0);
	CHECK(mkdir("g/d", 0777) == 0 && stat("g/d", &st) == 0 && st.st_gid == 77 &&
	      (st.st_mode & 07777) == 02750);
	CHECK(put("g/f", "x") == 0 && stat("g/f", &st) == 0 && st.st_gid == 77 &&
	      (st.st_mode & 07777) == 0600);
	/* A list of the directory's takes the place of the umask, by either way. */
	CHECK(mkdir("l", 0777) == 0 && ioctl(pool, UMFS_IOC_SETXATTR, &x) == 0);
	fd = open("l/a", O_RDWR | O_CREAT | O_EXCL, 0666);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0644);
	close(fd);
	fd = k_open("l/b", O_RDWR | O_CREAT | O_EXCL, 0666);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0644);
	close(fd);
	umask(old);
	CHECK(unlink("l/a") == 0 && unlink("l/b") == 0 && rmdir("l") == 0);
	CHECK(unlink("g/f") == 0 && rmdir("g/d") == 0 && rmdir("g") == 0);
}

/* cap_net_raw=ep, as linux/capability.h has it. */
static const unsigned char caps[20] = {1, 0, 0, 2, 0, 0x20};

static void privileged(void)
{
	CHECK(chmod("f", 06777) == 0 &&
	      setxattr("f", "security.capability", caps, sizeof(caps), 0) == 0);
}

static bool is_plain(void)
{
	struct stat st;

	return stat("f", &st) == 0 && !(st.st_mode & 06000) &&
	       getxattr("f", "security.capability", NULL, 0) == -1;
}

/* As another user, `change`; then nothing is left of what the owner gave to the content. */
#define SPOILS(change)                                                                    \
	do {                                                                              \
		privileged();                                                             \
		AS(1000, CHECK(change));                                                  \
		CHECK(is_plain());                                                        \
	} while (0)

static bool leased(void)
{
	struct umfs_ioc_lease l;
	int fd = open("f", O_RDWR);

	return map_slots() != MAP_FAILED && fd >= 0 && lease(fd, &l) == 0 && !faults(at(l.addr));
}

static void privileges_go_with_the_content(void)
{
	struct umfs_ioc_lease l;
	int fd;

	CHECK(put("f", "text") == 0);
	SPOILS(pwrite(open("f", O_RDWR), "x", 1, 0) == 1);
	SPOILS(pwrite(k_open("f", O_RDWR, 0), "x", 1, 0) == 1);
	SPOILS(truncate("f", 2) == 0);
	SPOILS(open("f", O_WRONLY | O_TRUNC) >= 0);
	SPOILS(k_open("f", O_WRONLY | O_TRUNC, 0) >= 0);
	SPOILS(fallocate(k_open("f", O_RDWR, 0), 0, 0, PAGE) == 0);
	SPOILS(leased());
	/* Given while somebody writes by lease: who began before ends. */
	CHECK(map_slots() != MAP_FAILED);
	fd = open("f", O_RDWR);
	CHECK(lease(fd, &l) == 0 && !faults(at(l.addr)));
	CHECK(setxattr("f", "security.capability", caps, sizeof(caps), 0) == 0 &&
	      faults(at(l.addr)));
	lease_end(&l);
	close(fd);
	CHECK(unlink("f") == 0);
}

/* A program that runs is not written, and one that is written does not run, whoever opens how. */
static void running_program_is_not_written(void)
{
	int fd, to[2];
	pid_t child;
	char byte;

	CHECK(put("sleep", "") == 0 && chmod("sleep", 0700) == 0);
	fd = k_open("sleep", O_WRONLY, 0);
	FAILS(ETXTBSY, execl("sleep", "sleep", NULL));
	close(fd);
	CHECK(system("cp /bin/busybox sleep && chmod 755 sleep") == 0 && pipe2(to, O_CLOEXEC) == 0);
	fflush(stdout);
	child = fork();
	if (!child) {
		execl("sleep", "sleep", "1000", NULL);
		_exit(1);
	}
	close(to[1]);
	CHECK(read(to[0], &byte, 1) == 0); /* it runs, and has lost its end */
	close(to[0]);
	FAILS(ETXTBSY, open("sleep", O_WRONLY));
	FAILS(ETXTBSY, k_open("sleep", O_RDWR, 0));
	FAILS(ETXTBSY, k_open("sleep", O_RDONLY | O_TRUNC, 0));
	kill(child, SIGKILL);
	CHECK(waitpid(child, NULL, 0) == child && unlink("sleep") == 0);
}

/* ---- a storm ---- */

#define NAMES 6

/* Names two deep, few enough that everybody meets everybody. */
static const char *any_name(unsigned *seed, char *to)
{
	int n = rand_r(seed) % NAMES;

	if (rand_r(seed) % 3)
		sprintf(to, "n%d", n);
	else
		sprintf(to, "n%d/n%d", n, rand_r(seed) % NAMES);
	return to;
}

static int natively(int what, const char *a, const char *b)
{
	struct stat st;
	int fd, ret;

	switch (what % 9) {
	case 0:
		return mkdir(a, 0777);
	case 1:
		return rmdir(a);
	case 2:
		return unlink(a);
	case 3:
		return rename(a, b);
	case 4:
		return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
	case 5:
		return link(a, b);
	case 6:
		return symlink(b, a);
	case 7:
		ret = names_in(a);
		return ret < 0 ? -1 : lstat(b, &st);
	default:
		fd = open(a, O_RDWR | O_CREAT, 0666);
		if (fd < 0)
			return -1;
		ret = pwrite(fd, "x", 1, 0) == 1 ? 0 : -1;
		close(fd);
		return ret;
	}
}

static int by_ioctl(int what, const char *a, const char *b)
{
	struct umfs_ioc_attr attr;
	int fd;

	switch (what % 8) {
	case 0:
		return k_mkdir(a, 0777);
	case 1:
		return k_unlink(a, UMFS_IOC_REMOVEDIR);
	case 2:
		return k_unlink(a, 0);
	case 3:
		return k_rename(a, b, 0);
	case 4:
		return k_rename(a, b, RENAME_EXCHANGE);
	case 5:
		return k_link(a, b);
	case 6:
		return k_stat(a, 0, &attr);
	default:
		fd = k_open(a, O_RDWR | O_CREAT, 0666);
		if (fd >= 0)
			close(fd);
		return fd < 0 ? -1 : 0;
	}
}

/* What a call may answer when others change the same names. */
static bool is_fair(int err)
{
	static const int fair[] = {ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL, ELOOP, ESTALE,
				   EXDEV, EPERM};
	size_t i;

	for (i = 0; i < sizeof(fair) / sizeof(fair[0]); i++)
		if (err == fair[i])
			return true;
	return false;
}

static int one_of_many(unsigned seed, bool mounted, time_t until)
{
	unsigned long done = 0, calls = 0, stale = 0;
	char a[16], b[16];
	int what;

	while (time(NULL) < until) {
		any_name(&seed, a);
		any_name(&seed, b);
		what = rand_r(&seed) % (8 * 9);
		calls++;
		if ((mounted ? natively : by_ioctl)(what, a, b) == 0) {
			done++;
			continue;
		}
		stale += errno == ESTALE;
		if (!is_fair(errno)) {
			printf("FAILED %s %d %s %s: %s\n", mounted ? "mount" : "ioctl", what, a, b,
			       strerror(errno));
			return 1;
		}
	}
	printf("%s: %lu calls, %lu did, %lu ESTALE\n", mounted ? "mount" : "ioctl", calls, done, stale);
	return done < 10;
}

/* What is left may lie deeper than a path reaches, and than rm has descriptors for. */
static int remove_all(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return unlinkat(dir, name, 0);
	d = fdopendir(fd);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			err |= remove_all(fd, e->d_name);
	closedir(d);
	return err | unlinkat(dir, name, AT_REMOVEDIR);
}

static int remove_names(void)
{
	struct rlimit many = {1 << 20, 1 << 20};
	char name[16];
	int i, err = setrlimit(RLIMIT_NOFILE, &many);

	for (i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		if (ino_of(name))
			err |= remove_all(AT_FDCWD, name);
	}
	if (err)
		perror("FAILED: not all can be removed");
	return err;
}

static int storm(unsigned seconds)
{
	time_t until = time(NULL) + seconds;
	int i, status, bad = 0;

	for (i = 0; i < 6; i++) {
		fflush(stdout);
		if (!fork())
			exit(one_of_many((unsigned)i + 1, i < 4, until));
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad || remove_names() ? 1 : 0;
}

static void (*const cases[])(void) = {
	name_made_or_removed_is_seen,
	name_replaced_means_the_new_file,
	content_and_attributes_are_the_same,
	unlinked_file_stays_while_open,
	mapping_is_spliced,
	directory_moved_under_somebody_is_found,
	directory_removed_under_somebody_is_empty,
	directory_opened_by_ioctl_has_its_place,
	rename_does_what_its_flags_say,
	nameless_file_gets_names,
	special_files_are_the_kernels,
	locks_are_seen_both_ways,
	links_lead_in_and_out,
	changes_are_told,
	statfs_says_what_descriptors_say,
	share_and_lease_take_any_descriptor,
	second_user_has_his_rights,
	file_made_is_the_one_opened,
	modes_of_new_files_are_right,
	privileges_go_with_the_content,
	running_program_is_not_written,
};

int main(int argc, char **argv)
{
	char *node_only[] = {argv[0], argv[1], NULL};

	if (argc < 3 || chdir(argv[2]))
		return 2;
	top = argv[2];
	if (argc == 5 && !strcmp(argv[3], "storm")) {
		pool = open(argv[1], O_RDONLY | O_CLOEXEC);
		return pool < 0 ? 1 : storm((unsigned)atoi(argv[4]));
	}
	return argc == 3 ? run_cases(2, node_only, cases, sizeof(cases) / sizeof(cases[0])) : 2;
}
