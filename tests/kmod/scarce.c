// SPDX-License-Identifier: BSD-3-Clause
/*
 * scarce.c - calls for which the kernel has no memory, in the guest.
 *
 *   kmod-scarce NODE CGROUPS
 *
 * CGROUPS is where cgroup2 is mounted. A process that may not be killed for want of memory, in a
 * group that has less and less to spare, is told ENOMEM; what it was told so of did not happen.
 */
#include <sys/uio.h>

#include "kmod_test.h"

int pool, checks, failures;

#define PAGE 4096u
#define LEVELS 13
#define PIECES 10 /* more than the module copies by itself: it takes a buffer */
#define VALUE_BYTES 30000u

enum { MAKE, OPEN, WRITE, READ, MAP, ATTRIBUTE, MODE, RENAME, CALLS };

static char buf[PIECES * 16 * PAGE];

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static long set_value(void)
{
	struct umfs_ioc_xattr a = {.path = path_of("f"),
				   .name = (uintptr_t) "user.x",
				   .name_bytes = 6,
				   .value = (uintptr_t)buf,
				   .bytes = VALUE_BYTES};

	return ioctl(pool, UMFS_IOC_SETXATTR, &a);
}

static long set_mode(void)
{
	struct umfs_ioc_setattr a = {
		.path = path_of("f"), .what = UMFS_IOC_SET_MODE, .mode = 0640};

	return ioctl(pool, UMFS_IOC_SETATTR, &a);
}

static int made;

static long call(int which, int fd)
{
	struct iovec iov[PIECES];
	int i;

	for (i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){buf + i * 16 * PAGE, 16 * PAGE};
	switch (which) {
	case MAKE:
		made = k_open("new", O_RDWR | O_CREAT | O_EXCL, 0600);
		return made < 0 ? -1 : 0;
	case OPEN:
		i = k_open("f", O_RDWR, 0);
		return i < 0 ? -1 : close(i);
	case WRITE:
		return pwritev(fd, iov, PIECES, 0) == sizeof(buf) ? 0 : -1;
	case READ:
		return preadv(fd, iov, PIECES, 0) == sizeof(buf) ? 0 : -1;
	case MAP:
		return mmap(NULL, 4u << 20, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0;
	case ATTRIBUTE:
		return set_value();
	case MODE:
		return set_mode();
	default:
		return k_rename("g", "h", 0);
	}
}

/* Each call's errno. */
static void call_all(int fd, int *err)
{
	int i;

	for (i = 0; i < CALLS; i++) {
		errno = 0;
		err[i] = call(i, fd) ? errno : 0;
	}
}

/*
 * In the child. The calls are made once before, so that no page of the program's own is wanted later:
 * the kernel would try for ever to get that.
 */
static void with_little(const char *group, int fd, int *err)
{
	char path[256], text[32];

	call_all(fd, err);
	close(made);
	if (k_unlink("new", 0) || k_rename("h", "g", 0))
		_exit(1);
	put("/proc/self/oom_score_adj", "-1000");
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(text, sizeof(text), "%d", getpid());
	put(path, text);
	call_all(fd, err);
	_exit(failures != 0);
}

static bool is_there(const char *name)
{
	struct umfs_ioc_attr a;

	return k_stat(name, 0, &a) == 0;
}

/* How many calls there was no memory for. */
static int at_level(const char *group, int fd, int *err)
{
	pid_t child = fork();
	int status = 1, i, none = 0;

	if (!child)
		with_little(group, fd, err);
	waitpid(child, &status, 0);
	CHECK(status == 0);
	for (i = 0; i < CALLS; i++) {
		if (err[i])
			printf("call %d: %s\n", i, strerror(err[i]));
		CHECK(err[i] == 0 || err[i] == ENOMEM);
		none += err[i] == ENOMEM;
	}
	CHECK(is_there("new") == !err[MAKE]);
	CHECK(is_there("h") == !err[RENAME] && is_there("g") == !!err[RENAME]);
	if (!err[MAKE])
		CHECK(k_unlink("new", 0) == 0);
	if (!err[RENAME])
		CHECK(k_rename("h", "g", 0) == 0);
	return none;
}

int main(int argc, char **argv)
{
	int *err = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd, level, none = 0, last = 1;
	char path[256], group[128], text[32];

	if (argc != 3 || err == MAP_FAILED)
		return 2;
	pool = open(argv[1], O_RDONLY | O_CLOEXEC);
	memset(buf, 'b', sizeof(buf));
	fd = k_open("f", O_RDWR | O_CREAT, 0600);
	CHECK(pool >= 0 && pwrite(fd, buf, sizeof(buf), 0) == sizeof(buf));
	close(k_open("g", O_RDWR | O_CREAT, 0600));
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", argv[2]);
	put(path, "+memory");
	snprintf(group, sizeof(group), "%s/scarce", argv[2]);
	CHECK(mkdir(group, 0755) == 0);
	for (level = 0; level < LEVELS; level++) {
		snprintf(path, sizeof(path), "%s/memory.max", group);
		snprintf(text, sizeof(text), "%u", PAGE << level);
		put(path, text);
		last = at_level(group, fd, err);
		none += last;
	}
	CHECK(none > 0 && last == 0);
	CHECK(rmdir(group) == 0);
	close(fd);
	CHECK(k_unlink("f", 0) == 0 && k_unlink("g", 0) == 0);
	printf("scarce: %d checks, %d calls without memory, %d failed\n", checks, none, failures);
	return failures ? 1 : 0;
}
