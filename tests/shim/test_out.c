// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_out.c - waiting for descriptors, and what the kernel does with files by
 * itself: messages with descriptors, sockets with names, watches.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "shim_test.h"

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask,
		size_t room);

/* A sanitizer looks at the caller's memory by itself, and ends the program. */
#ifdef __SANITIZE_ADDRESS__
#define TRY_BAD 0
#else
#define TRY_BAD 1
#endif

#define MOST (POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM | POLLRDHUP)
#define ALWAYS (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

static void *volatile nowhere = (void *)8;
static int file, dir, quiet[2], full[2]; /* full: there is something to be read */

static int open_all(void **state)
{
	(void)state;
	file = make_file("f", "text");
	dir = open(test_dir(), O_RDONLY | O_DIRECTORY);
	return dir < 0 || pipe(quiet) || pipe(full) || write(full[1], "x", 1) != 1;
}

static int close_all(void **state)
{
	(void)state;
	close(file);
	close(dir);
	for (int i = 0; i < 2; i++) {
		close(quiet[i]);
		close(full[i]);
	}
	return unlink(at("f"));
}

static long ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

static void poll_says_files_are_ready(void **state)
{
	struct pollfd p[6] = {
		{file, MOST, 0}, {quiet[0], POLLIN, 0},	 {dir, POLLIN, 0},
		{-3, POLLIN, 7}, {full[0], POLLIN, 0}, {file, POLLPRI, 7},
	};
	struct timespec forever = {1000, 0};

	(void)state;
	assert_int_equal(poll(p, 6, -1), 3);
	assert_int_equal(p[0].revents, ALWAYS);
	assert_int_equal(p[1].revents, 0);
	assert_int_equal(p[2].revents, POLLIN);
	assert_int_equal(p[3].revents, 0);
	assert_int_equal(p[4].revents, POLLIN);
	assert_int_equal(p[5].revents, 0);
	for (int i = 0; i < 6; i++)
		p[i].revents = 99;
	assert_int_equal(ppoll(p, 6, NULL, NULL), 3);
	assert_int_equal(p[0].revents, ALWAYS);
	assert_int_equal(p[3].fd, -3);
	assert_int_equal(p[0].fd, file);
	assert_int_equal(ppoll(p, 1, &forever, NULL), 1);
	assert_int_equal(forever.tv_sec, 1000);
	assert_int_equal(__poll_chk(p, 6, 0, sizeof(p)), 3);
	assert_int_equal(__ppoll_chk(p, 6, &forever, NULL, sizeof(p)), 3);
	assert_int_equal(poll(NULL, 0, 0), 0);
	if (TRY_BAD)
		assert_errno(poll(nowhere, 1, 0), EFAULT);
}

static void *write_soon(void *arg)
{
	(void)arg;
	usleep(50000);
	return write(quiet[1], "x", 1) == 1 ? NULL : arg;
}

static void poll_waits_for_others(void **state)
{
	struct pollfd p[2] = {{file, POLLPRI, 0}, {quiet[0], POLLIN, 0}};
	struct timespec start, ts = {0, 30000000};
	pthread_t thread;
	char c;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(poll(p, 2, 30), 0);
	assert_true(ms_since(&start) >= 29);
	assert_int_equal(ppoll(p, 2, &ts, NULL), 0);
	assert_true(ms_since(&start) >= 58);
	assert_int_equal(pthread_create(&thread, NULL, write_soon, NULL), 0);
	assert_int_equal(poll(p, 2, -1), 1);
	assert_int_equal(p[0].revents, 0);
	assert_int_equal(p[1].revents, POLLIN);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(read(quiet[0], &c, 1), 1);
	p[0].events = POLLIN;
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(poll(p, 2, 60000), 1);
	assert_true(ms_since(&start) < 30000);
}

static void poll_of_many_and_of_closed(void **state)
{
	struct pollfd p[100];
	struct rlimit lim;
	int closed = dup(file);
	int path = open(at("f"), O_PATH);

	(void)state;
	assert_ok(close(closed));
	for (int i = 0; i < 100; i++)
		p[i] = (struct pollfd){i % 2 ? file : quiet[0], POLLIN, 0};
	assert_int_equal(poll(p, 100, 1000), 50);
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i].revents, i % 2 ? POLLIN : 0);
	p[0].fd = closed;
	p[2].fd = path;
	assert_int_equal(poll(p, 100, -1), 52);
	assert_int_equal(p[0].revents, POLLNVAL);
	assert_int_equal(p[2].revents, POLLNVAL);
	assert_ok(getrlimit(RLIMIT_NOFILE, &lim));
	if (TRY_BAD && lim.rlim_cur < (1u << 30))
		assert_errno(poll(p, lim.rlim_cur + 1, 0), EINVAL);
	assert_ok(close(path));
}

static void select_says_files_are_ready(void **state)
{
	int top = 1 + (file > full[1] ? file : full[1]);
	struct timeval tv = {1000, 0};
	struct timespec ts = {1000, 0};
	fd_set r, w, e;

	(void)state;
	for (int i = 0; i < 2; i++) {
		FD_ZERO(&r);
		FD_ZERO(&w);
		FD_ZERO(&e);
		FD_SET(file, &r);
		FD_SET(quiet[0], &r);
		FD_SET(full[0], &r);
		FD_SET(file, &w);
		FD_SET(quiet[1], &w);
		FD_SET(file, &e);
		assert_int_equal(i ? pselect(top, &r, &w, &e, &ts, NULL) :
				     select(top, &r, &w, &e, &tv), 4);
		assert_true(FD_ISSET(file, &r) && FD_ISSET(full[0], &r) && !FD_ISSET(quiet[0], &r));
		assert_true(FD_ISSET(file, &w) && FD_ISSET(quiet[1], &w));
		assert_true(!FD_ISSET(file, &e));
	}
	assert_int_equal(ts.tv_sec, 1000);
	/* Beyond the count it is not asked for. */
	FD_ZERO(&r);
	FD_SET(file, &r);
	tv = (struct timeval){0, 0};
	assert_int_equal(select(file, &r, NULL, NULL, &tv), 0);
	FD_ZERO(&r);
	FD_SET(dir, &r);
	assert_int_equal(select(dir + 1, &r, NULL, NULL, NULL), 1);
	assert_errno(select(-1, NULL, NULL, NULL, &tv), EINVAL);
	if (TRY_BAD)
		assert_errno(select(8, nowhere, NULL, NULL, &tv), EFAULT);
}

static void select_waits_for_others(void **state)
{
	int top = 1 + (file > quiet[1] ? file : quiet[1]);
	struct timeval tv = {0, 30000};
	struct timespec start;
	int path = open(at("f"), O_PATH), root = open("/", O_PATH), as_path;
	fd_set r, e;

	(void)state;
	FD_ZERO(&r);
	FD_ZERO(&e);
	FD_SET(quiet[0], &r);
	FD_SET(file, &e);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(select(top, &r, NULL, &e, &tv), 0);
	assert_true(ms_since(&start) >= 29);
	assert_false(FD_ISSET(quiet[0], &r) || FD_ISSET(file, &e));
	/* One that only names a file: as the kernel has it, which changed its mind about them. */
	FD_SET(path, &r);
	FD_SET(root, &e);
	tv = (struct timeval){0, 0};
	as_path = select(path + 1, &r, NULL, NULL, &tv);
	assert_int_equal(as_path, select(root + 1, &e, NULL, NULL, &tv));
	assert_ok(close(path));
	assert_ok(close(root));
}

static void epoll_takes_no_files(void **state)
{
	if (on_mount())
		return; /* FUSE answers poll for any file */
	int ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN};
	int path = open(at("f"), O_PATH);

	(void)state;
	assert_errno(epoll_ctl(ep, EPOLL_CTL_ADD, file, &ev), EPERM);
	assert_errno(epoll_ctl(ep, EPOLL_CTL_ADD, dir, &ev), EPERM);
	assert_errno(epoll_ctl(ep, EPOLL_CTL_ADD, path, &ev), EBADF);
	assert_errno(epoll_ctl(file, EPOLL_CTL_ADD, full[0], &ev), EINVAL);
	assert_ok(epoll_ctl(ep, EPOLL_CTL_ADD, full[0], &ev));
	assert_int_equal(epoll_wait(ep, &ev, 1, -1), 1);
	assert_ok(close(path));
	assert_ok(close(ep));
}

/* ---- messages ---- */

static ssize_t send_fds(int sock, const int *fds, size_t n, unsigned many)
{
	char room[CMSG_SPACE(40 * sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {"x", 1};
	struct mmsghdr mm[2];
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	memset(room, 0, sizeof(room));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	if (!many)
		return sendmsg(sock, &msg, 0);
	memset(mm, 0, sizeof(mm));
	mm[0].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
	mm[1].msg_hdr = msg;
	return sendmmsg(sock, mm + 2 - many, many, 0);
}

static int receive_fd(int sock)
{
	char room[CMSG_SPACE(40 * sizeof(int))] __attribute__((aligned(8))), x;
	struct iovec iov = {&x, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			     .msg_controllen = sizeof(room)};
	int fd = -1;

	assert_int_equal(recvmsg(sock, &msg, 0), 1);
	if (msg.msg_controllen)
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void descriptors_in_messages(void **state)
{
	int sock[2], fds[40], fd;

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_DGRAM, 0, sock));
	for (int i = 0; i < 40; i++)
		fds[i] = quiet[0];
	assert_int_equal(send_fds(sock[0], fds, 1, 0), 1);
	fd = receive_fd(sock[1]);
	assert_true(fd >= 0);
	assert_ok(close(fd));
	fds[39] = file;
	if (on_umfs()) {
		assert_errno(send_fds(sock[0], fds, 40, 0), ENOTSUP);
		assert_errno(send_fds(sock[0], fds, 40, 1), ENOTSUP);
		assert_errno(send_fds(sock[0], &file, 1, 0), ENOTSUP);
		assert_errno(send_fds(sock[0], &dir, 1, 0), ENOTSUP);
		assert_int_equal(send_fds(sock[0], fds, 40, 2), 1);
		assert_int_equal(receive_fd(sock[1]), -1);
	} else {
		assert_int_equal(send_fds(sock[0], &file, 1, 0), 1);
		fd = receive_fd(sock[1]);
		check_text(fd, "text");
		assert_ok(close(fd));
	}
	assert_int_equal(send(sock[0], "x", 1, 0), 1);
	if (TRY_BAD)
		assert_errno(sendmsg(sock[0], nowhere, 0), EFAULT);
	assert_ok(close(sock[0]));
	assert_ok(close(sock[1]));
}

/* ---- names of sockets ---- */

static socklen_t address(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	assert_true(strlen(path) < sizeof(a->sun_path));
	strcpy(a->sun_path, path);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

static void bind_makes_no_name_beneath(void **state)
{
	int sock = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
	char outside[PATH_MAX];
	struct sockaddr_un a;
	struct stat st;
	socklen_t len;

	(void)state;
	len = address(&a, at("f"));
	assert_errno(bind(sock, (void *)&a, len), EADDRINUSE);
	assert_errno(connect(sock, (void *)&a, len), ECONNREFUSED);
	len = address(&a, at("none/s"));
	assert_errno(bind(sock, (void *)&a, len), ENOENT);
	len = address(&a, at("s"));
	assert_errno(connect(sock, (void *)&a, len), ENOENT);
	if (on_umfs()) {
		assert_errno(bind(sock, (void *)&a, len), EOPNOTSUPP);
		assert_errno(lstat(at("s"), &st), ENOENT);
		assert_ok(mknod(at("s"), S_IFSOCK | 0600, 0));
	} else {
		assert_ok(bind(sock, (void *)&a, len));
		assert_ok(close(sock));
		sock = socket(AF_UNIX, SOCK_STREAM, 0);
	}
	assert_errno(connect(other, (void *)&a, len), ECONNREFUSED);
	assert_ok(unlink(at("s")));
	/* By a way through the directory to a place outside. */
	snprintf(outside, sizeof(outside), "%s/../s", test_dir());
	len = address(&a, outside);
	assert_ok(bind(sock, (void *)&a, len));
	assert_ok(listen(sock, 1));
	assert_ok(connect(other, (void *)&a, sizeof(a)));
	assert_ok(unlink(outside));
	assert_ok(close(sock));
	assert_ok(close(other));
	/* Abstract names, and no names. */
	sock = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_ok(bind(sock, (void *)&a, sizeof(sa_family_t)));
	assert_ok(close(sock));
	assert_errno(bind(-1, (void *)&a, len), EBADF);
}

static void watches(void **state)
{
	int fd = inotify_init1(IN_NONBLOCK);

	(void)state;
	assert_ok(inotify_add_watch(fd, "/", IN_CREATE));
	if (on_umfs()) {
		assert_errno(inotify_add_watch(fd, at("f"), IN_MODIFY), ENOSPC);
		assert_errno(inotify_add_watch(fd, test_dir(), IN_CREATE), ENOSPC);
	} else {
		assert_ok(inotify_add_watch(fd, at("f"), IN_MODIFY));
	}
	assert_errno(inotify_add_watch(fd, at("none"), IN_CREATE), ENOENT);
	assert_ok(close(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(poll_says_files_are_ready, open_all, close_all),
		cmocka_unit_test_setup_teardown(poll_waits_for_others, open_all, close_all),
		cmocka_unit_test_setup_teardown(poll_of_many_and_of_closed, open_all, close_all),
		cmocka_unit_test_setup_teardown(select_says_files_are_ready, open_all, close_all),
		cmocka_unit_test_setup_teardown(select_waits_for_others, open_all, close_all),
		cmocka_unit_test_setup_teardown(epoll_takes_no_files, open_all, close_all),
		cmocka_unit_test_setup_teardown(descriptors_in_messages, open_all, close_all),
		cmocka_unit_test_setup_teardown(bind_makes_no_name_beneath, open_all, close_all),
		cmocka_unit_test_setup_teardown(watches, open_all, close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
