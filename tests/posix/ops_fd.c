// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_fd.c - descriptors: copied, closed, their flags, polled, across fork and exec.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>

#include "posix.h"

static void do_dup(void)
{
	int fd = arg_fd(), got;

	say("dup(%d)", fd);
	got = dup(fd);
	answer(got);
	keep_fd(got);
}

/* Onto one of ours, itself included, or a number in reach. */
static int arg_number(void)
{
	static const int odd[] = {-1, 1024, INT_MAX, FAR_FD - 2};
	int slot = run.slot[pick(SLOTS)];

	if (chance(6))
		return ONE_OF(odd);
	return slot >= 0 && chance(70) ? slot : 40 + (int)pick(4);
}

static void do_dup2(void)
{
	int from = arg_fd(), to = arg_number(), how = (int)pick(3), flags = 0, got;

	if (how)
		flags = chance(50) ? O_CLOEXEC : 0;
	if (how && chance(5))
		flags |= O_APPEND;
	if (to == FAR_FD - 2)
		to = run.slot[0] >= 0 ? run.slot[0] : 41;
	say(how ? "dup3(%d, %d, %#x)" : "dup2(%d, %d)", from, to, flags);
	got = how ? dup3(from, to, flags) : dup2(from, to);
	answer(got);
	keep_fd(got);
}

static void do_dupfd(void)
{
	static const int mins[] = {0, 3, 20, 50, -1, 1023, 1024, INT_MAX};
	int fd = arg_fd(), cmd = chance(50) ? F_DUPFD : F_DUPFD_CLOEXEC, min = ONE_OF(mins), got;

	say("fcntl(%d, %s, %d)", fd, cmd == F_DUPFD ? "DUPFD" : "DUPFD_CLOEXEC", min);
	got = fcntl(fd, cmd, min);
	answer(got);
	keep_fd(got);
}

static void do_setfl(void)
{
	static const int bits[] = {O_APPEND, O_NONBLOCK, O_NOATIME, O_DIRECT, O_ASYNC, O_SYNC,
				   O_RDWR, O_TRUNC};
	int fd = arg_fd(), flags = 0;

	for (unsigned i = 0; i < COUNT(bits); i++)
		if (chance(i < 2 ? 40 : 8))
			flags |= bits[i];
	say("fcntl(%d, SETFL, %s)", fd, show_flags(open_flags, open_flags_count, flags));
	answer(fcntl(fd, F_SETFL, flags));
}

static void do_setfd(void)
{
	int fd = arg_fd(), v = (int)pick(4);

	say("fcntl(%d, SETFD, %d)", fd, v);
	answer(fcntl(fd, F_SETFD, v));
}

static void do_fcntl_other(void)
{
	static const int cmds[] = {F_GETFL, F_GETFD, F_GETOWN, F_GETSIG, F_GETPIPE_SZ, F_GETLEASE,
				   9999, -1};
	int fd = arg_fd(), cmd = ONE_OF(cmds);
	uint64_t room = 0;

	say("fcntl(%d, %d)", fd, cmd);
	answer(fcntl(fd, cmd, &room));
}

static void do_ioctl(void)
{
	static const unsigned long requests[] = {FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, 0x5401,
						 TIOCGWINSZ, 0x12345};
	int fd = arg_fd(), v = (int)pick(2), ret;
	unsigned long request = ONE_OF(requests);

	say("ioctl(%d, %#lx, %d)", fd, request, v);
	ret = ioctl(fd, request, &v);
	answer(ret);
	if (!ret)
		say(" %d", v);
	say(" tty %d", isatty(fd));
	answer(-1);
}

static void do_poll(void)
{
	struct pollfd p[3] = {{arg_fd(), POLLIN | POLLOUT, 0}, {arg_fd(), POLLIN | POLLPRI, 0},
			      {arg_fd(), (short)pick(64), 0}};
	int n = poll(p, 3, 0), saved = errno;

	say("poll(%d, %d, %d)", p[0].fd, p[1].fd, p[2].fd);
	errno = saved;
	answer(n);
	say(" %x %x %x", (unsigned)p[0].revents, (unsigned)p[1].revents, (unsigned)p[2].revents);
}

static void do_select(void)
{
	struct timeval none = {0, 0};
	int fd = arg_fd(), n;
	fd_set r, w, e;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	if (fd < 0 || fd >= 512)
		fd = 300;
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	FD_SET(fd, &e);
	say("select(%d)", fd);
	n = select(512, &r, &w, &e, &none);
	answer(n);
	if (n >= 0)
		say(" %d %d %d", FD_ISSET(fd, &r), FD_ISSET(fd, &w), FD_ISSET(fd, &e));
}

static void do_epoll(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int fd = arg_fd(), ep = epoll_create1(EPOLL_CLOEXEC);

	say("epoll_ctl(%d)", fd);
	answer(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	answer(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
	answer(epoll_ctl(ep, EPOLL_CTL_DEL, fd, &ev));
	close(ep);
}

static void forget_closed(unsigned first, unsigned last)
{
	for (int i = 0; i < SLOTS; i++)
		if (run.slot[i] >= 0 && (unsigned)run.slot[i] >= first &&
		    (unsigned)run.slot[i] <= last)
			run.slot[i] = -1;
}

static void do_close_range(void)
{
	unsigned first = (unsigned)arg_number(), last = first + pick(3), flags = pick(3) ? 0 : 4;
	int ret;

	if (first < 3 || last > FAR_FD || last < first)
		first = 10, last = chance(50) ? 12 : 9;
	if (run.dir && (unsigned)dirfd(run.dir) >= first && (unsigned)dirfd(run.dir) <= last)
		last = first - 1; /* a stream would be left without its descriptor */
	if (run.stream && (unsigned)fileno(run.stream) >= first &&
	    (unsigned)fileno(run.stream) <= last)
		last = first - 1;
	if (chance(4))
		flags = 64;
	say("close_range(%u, %u, %u)", first, last, flags);
	ret = close_range(first, last, (int)flags);
	answer(ret);
	if (!ret && !flags)
		forget_closed(first, last);
}

/* A child moves the position that it shares, and what it closes stays open here. */
static void do_fork(void)
{
	int fd = arg_fd(), what = (int)pick(5), status;
	char text[8];
	pid_t pid;

	say("fork: %d on %d", what, fd);
	if (run.locked)
		return;
	say_flush();
	pid = fork();
	if (!pid) {
		long ret = what == 0 ? lseek(fd, 3, SEEK_CUR) : what == 1 ? read(fd, text, 5) :
			   what == 2 ? write(fd, "child", 5) : what == 3 ? close(fd) :
				       fcntl(fd, F_SETFL, O_APPEND);

		_exit(ret < 0 ? 100 + errno % 100 : (int)ret % 100);
	}
	if (waitpid(pid, &status, 0) != pid)
		status = -1;
	say(" = %#x", status);
}

/* A program with that descriptor as its input or output. */
static void do_exec(void)
{
	static const char *const commands[] = {"cat", "echo text", "head -c 7 >/dev/null; cat",
					       "ls d | wc -l", "exec 5<&0; read x <&5; cat"};
	int fd = arg_fd(), status;
	bool in = chance(50);
	const char *command = ONE_OF(commands);
	pid_t pid;

	if (SANITIZED)
		command = "read x; echo \"$x\"";
	say("sh -c '%s' %s %d", command, in ? "<" : ">", fd);
	if (run.locked)
		return;
	say_flush();
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		if (dup2(null, in ? 1 : 0) < 0 || dup2(null, 2) < 0 || dup2(fd, in ? 0 : 1) < 0)
			_exit(100 + errno % 100);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(99);
	}
	if (waitpid(pid, &status, 0) != pid)
		status = -1;
	say(" = %#x", status);
}

/* What is too long for it is refused; the signal is ignored. */
static void do_fsize(void)
{
	struct rlimit old, lim;
	int fd = arg_fd();
	char text[3000];
	ssize_t n;

	getrlimit(RLIMIT_FSIZE, &old);
	lim = old;
	lim.rlim_cur = pick(8000);
	setrlimit(RLIMIT_FSIZE, &lim);
	fill(text, sizeof(text));
	say("limit %lu: write(%d)", (unsigned long)lim.rlim_cur, fd);
	n = write(fd, text, sizeof(text));
	answer(n);
	answer(ftruncate(fd, 6000));
	answer(posix_fallocate(fd, 0, 7000));
	setrlimit(RLIMIT_FSIZE, &old);
}

const struct op fd_ops[] = {
	{"dup", FDS, 10, do_dup},	  {"dup2", FDS, 18, do_dup2},
	{"F_DUPFD", FDS, 10, do_dupfd},	  {"F_SETFL", FDS, 12, do_setfl},
	{"F_SETFD", FDS, 6, do_setfd},	  {"fcntl", FDS, 6, do_fcntl_other},
	{"ioctl", FDS, 4, do_ioctl},	  {"poll", FDS, 4, do_poll},
	{"select", FDS, 3, do_select},	  {"epoll", FDS, 3, do_epoll},
	{"close_range", FDS, 5, do_close_range}, {"fork", FDS, 5, do_fork},
	{"exec", FDS, 2, do_exec},	  {"RLIMIT_FSIZE", FDS, 4, do_fsize}, {0},
};
