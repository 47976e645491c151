// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_number.c - the numbers of descriptors that were closed: libumfs may keep one for the next
 * open, which no call of a program is to show.
 */
#include <dirent.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <termios.h>

#include "raw.h"
#include "shim_test.h"

/* The number that is free now, which it was not just before. */
static int closed(int flags)
{
	int fd = open(at("f"), O_RDWR | flags);

	assert_true(fd > 2);
	assert_ok(close(fd));
	return fd;
}

/* Else the rest of this would test nothing. */
static void number_is_kept(void **state)
{
	int fd;

	(void)state;
	put_file("f", "text");
	fd = closed(0);
	if (on_umfs())
		assert_int_equal(raw(SYS_fcntl, fd, F_GETFD, 0), 0);
	fd = closed(O_CLOEXEC);
	if (on_umfs())
		assert_int_equal(raw(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
}

static long send_one(int fd)
{
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {(char[]){"x"}, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			     .msg_controllen = sizeof(room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(500, &msg, 0);
}

static long watch(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	return epoll_ctl(502, EPOLL_CTL_ADD, fd, &ev);
}

static long map_one(int fd)
{
	return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}

static struct stat st;
static struct statx stx;
static struct statfs sfs;
static struct termios termios;
static char buf[64];

#define EACH_CALL(X)                                                                      \
	X(close(fd))                                                                      \
	X(dup(fd))                                                                        \
	X(dup2(fd, fd))                                                                   \
	X(dup2(fd, 600))                                                                  \
	X(dup3(fd, 600, O_CLOEXEC))                                                       \
	X(fcntl(fd, F_GETFD))                                                             \
	X(fcntl(fd, F_SETFD, 0))                                                          \
	X(fcntl(fd, F_GETFL))                                                             \
	X(fcntl(fd, F_DUPFD, 3))                                                          \
	X(fcntl(fd, F_DUPFD_CLOEXEC, 3))                                                  \
	X(ioctl(fd, FIOCLEX))                                                             \
	X(ioctl(fd, FIONREAD, buf))                                                       \
	X(read(fd, buf, 1))                                                               \
	X(pread(fd, buf, 1, 0))                                                           \
	X(write(fd, buf, 1))                                                              \
	X(pwrite(fd, buf, 1, 0))                                                          \
	X(lseek(fd, 0, SEEK_CUR))                                                         \
	X(fsync(fd))                                                                      \
	X(ftruncate(fd, 0))                                                               \
	X(fstat(fd, &st))                                                                 \
	X(fstatat(fd, "", &st, AT_EMPTY_PATH))                                            \
	X(fstatat(fd, "f", &st, 0))                                                       \
	X(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx))                                 \
	X(fstatfs(fd, &sfs))                                                              \
	X(fchmod(fd, 0600))                                                               \
	X(fchdir(fd))                                                                     \
	X(openat(fd, "f", O_RDONLY))                                                      \
	X(unlinkat(fd, "f", 0))                                                           \
	X(linkat(fd, "", AT_FDCWD, at("g"), AT_EMPTY_PATH))                               \
	X(readlinkat(fd, "", buf, sizeof(buf)))                                           \
	X(flock(fd, LOCK_SH))                                                             \
	X(syncfs(fd))                                                                     \
	X(isatty(fd) - 1)                                                                 \
	X(tcgetattr(fd, &termios))                                                        \
	X(fpathconf(fd, _PC_NAME_MAX))                                                    \
	X(fdopendir(fd) ? 0 : -1)                                                         \
	X(fdopen(fd, "r") ? 0 : -1)                                                       \
	X(map_one(fd))                                                                    \
	X(watch(fd))                                                                      \
	X(syscall(SYS_close, fd))                                                         \
	X(send_one(fd))

/* The names that the kernel has for numbers. */
static void name_is_not_there(void)
{
	static const char *const dirs[] = {"/proc/self/fd", "/dev/fd"};
	char name[40];

	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s/%d", dirs[i], closed(0));
		assert_errno(access(name, F_OK), ENOENT);
		closed(0);
		assert_errno(stat(name, &st), ENOENT);
		closed(0);
		assert_errno(readlink(name, buf, sizeof(buf)), ENOENT);
		closed(0);
		assert_errno(open(name, O_RDONLY), ENOENT);
	}
}

static void number_is_not_open(void **state)
{
	int sock[2], ep = epoll_create1(EPOLL_CLOEXEC), fd;
	struct pollfd p = {.events = POLLIN};

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	assert_int_equal(dup2(sock[0], 500), 500);
	assert_int_equal(dup2(sock[1], 501), 501);
	assert_int_equal(dup2(ep, 502), 502);
	close(sock[0]);
	close(sock[1]);
	close(ep);
	put_file("f", "text");
#define TRY(call)                                                                         \
	fd = closed(0);                                                                   \
	assert_errno(call, EBADF);                                                        \
	assert_int_equal(closed(0), fd);
	EACH_CALL(TRY)
#undef TRY
	p.fd = fd = closed(0);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLNVAL);
	name_is_not_there();
	fd = closed(0);
	assert_int_equal(posix_fallocate(fd, 0, 1), EBADF);
	for (fd = 500; fd <= 502; fd++)
		close(fd);
}

static void lowest_is_next(void **state)
{
	int a, b, c, null;

	(void)state;
	put_file("f", "text");
	a = open(at("f"), O_RDONLY);
	b = open(at("f"), O_RDONLY);
	c = open(at("f"), O_RDONLY);
	assert_true(a < b && b < c);
	close(b);
	assert_int_equal(open(at("f"), O_RDONLY), b);
	close(b);
	close(a);
	assert_int_equal(open(at("f"), O_RDONLY), a);
	assert_int_equal(open(at("f"), O_RDONLY), b);
	close(a);
	close(b);
	assert_int_equal(open(at("f"), O_RDONLY), a);
	assert_int_equal(open(at("f"), O_RDONLY), b);
	close(c);
	close(a);
	assert_int_equal(open(at("f"), O_RDONLY), a);
	assert_int_equal(open(at("f"), O_RDONLY), c);
	close(a);
	/* The kernel's, lower and higher. */
	null = open("/dev/null", O_RDONLY);
	assert_int_equal(null, a);
	close(b);
	close(null);
	assert_int_equal(open(at("f"), O_RDONLY), a);
	assert_int_equal(open("/dev/null", O_RDONLY), b);
	close(a);
	assert_ok(close_range((unsigned)b, (unsigned)c, 0));
	assert_int_equal(open(at("f"), O_RDONLY), a);
	assert_int_equal(open(at("f"), O_RDONLY), b);
	close(a);
	close(b);
}

static void others_get_it(void **state)
{
	int fd, low;
	DIR *dir;

	(void)state;
	put_file("f", "text");
	fd = closed(0);
	assert_int_equal(open("/dev/null", O_RDONLY), fd);
	close(fd);
	fd = closed(0);
	assert_int_equal(dup(1), fd);
	close(fd);
	fd = closed(0);
	assert_int_equal(fcntl(1, F_DUPFD, 3), fd);
	close(fd);
	fd = closed(0);
	assert_int_equal(dup2(1, fd), fd);
	check_file("f", "text"); /* by another number */
	assert_int_equal(fcntl(fd, F_GETFL), fcntl(1, F_GETFL));
	close(fd);
	fd = closed(0);
	dir = opendir("/");
	assert_non_null(dir);
	assert_int_equal(dirfd(dir), fd);
	assert_ok(closedir(dir));
	/* Standard input is what programs count on, whatever they make. */
	low = dup(0);
	assert_true(low > 2);
	assert_int_equal(dup2(open(at("f"), O_RDONLY), 0), 0);
	close(0);
	{
		int ends[2];

		assert_ok(pipe(ends));
		assert_int_equal(ends[0], 0);
		close(ends[1]);
	}
	assert_int_equal(dup2(low, 0), 0);
	close(low);
	close(fd);
}

static void flag_is_the_new_one(void **state)
{
	int fd, again;

	(void)state;
	put_file("f", "text");
	fd = closed(0);
	again = open(at("f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(again, fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	again = open(at("f"), O_RDONLY);
	assert_int_equal(again, fd);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	check_text(fd, "text");
	close(fd);
}

extern char **environ;

/* Which of its numbers a new image finds open. */
static int image_has(int fd, bool spawn)
{
	char text[64], *argv[] = {"sh", "-c", text, NULL};
	int status;
	pid_t pid;

	snprintf(text, sizeof(text), "test ! -e /proc/self/fd/%d", fd);
	if (spawn) {
		assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
	} else {
		pid = vfork();
		if (!pid) {
			execv("/bin/sh", argv);
			_exit(9);
		}
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void new_image_has_it_not(void **state)
{
	(void)state;
	put_file("f", "text");
	for (int i = 0; i < 4; i++) {
		int fd = closed(0);

		assert_int_equal(image_has(fd, i % 2), 0);
		assert_int_equal(closed(0), fd);
	}
	assert_int_equal(system("test ! -e /proc/self/fd/20"), 0);
}

static int use_in_child(void *arg)
{
	int fd = *(int *)arg, again;

	if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
		return 1;
	again = open(at("f"), O_RDONLY);
	if (again != fd || pread(again, buf, 4, 0) != 4 || close(again))
		return 2;
	return open("/dev/null", O_RDONLY) == fd ? 0 : 3;
}

static void child_has_its_own(void **state)
{
	int fd;

	(void)state;
	put_file("f", "text");
	fd = closed(0);
	assert_int_equal(in_child(use_in_child, &fd), 0);
	assert_int_equal(closed(0), fd);
	check_file("f", "text");
}

/* A lower limit counts for the next open. */
static int above_limit(void *arg)
{
	int fd = closed(0);
	struct rlimit lim = {(rlim_t)fd, 4096};

	(void)arg;
	if (setrlimit(RLIMIT_NOFILE, &lim))
		return 1;
	return open(at("f"), O_RDONLY) == -1 && errno == EMFILE ? 0 : 2;
}

static void limit_counts(void **state)
{
	(void)state;
	put_file("f", "text");
	assert_int_equal(in_child(above_limit, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_is_kept),
		cmocka_unit_test(number_is_not_open),
		cmocka_unit_test(lowest_is_next),
		cmocka_unit_test(others_get_it),
		cmocka_unit_test(flag_is_the_new_one),
		cmocka_unit_test(new_image_has_it_not),
		cmocka_unit_test(child_has_its_own),
		cmocka_unit_test(limit_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
