/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_lock.c - flock, POSIX and OFD record locks, lockf.
 *
 * "Somebody else" is a child of fork that opens the file anew.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "raw.h"
#include "shim_test.h"

extern char **environ;
static const char *self_path;

#define LK(type, start, len)                                                                       \
	(&(struct flock){                                                                          \
		.l_type = (type), .l_whence = SEEK_SET, .l_start = (start), .l_len = (len)})

static int open_file(void)
{
	int fd = open(at("f"), O_RDWR | O_CREAT, 0644);

	assert_true(fd >= 0);
	return fd;
}

/* ---- what somebody else gets ---- */

struct attempt {
	int cmd; /* F_SETLK, F_OFD_SETLK, or 0: flock */
	int type; /* of the lock, or flock's operation */
	off_t start, len;
};

static int attempt(void *arg)
{
	const struct attempt *a = arg;
	int fd = open(at("f"), O_RDWR), ret;

	if (fd < 0)
		return 100;
	if (a->cmd)
		ret = fcntl(fd, a->cmd, LK((short)a->type, a->start, a->len));
	else
		ret = flock(fd, a->type | LOCK_NB);
	return ret ? errno : 0;
}

static int try_posix(int type, off_t start, off_t len)
{
	int err = in_child(attempt, &(struct attempt){F_SETLK, type, start, len});

	return err == EACCES ? EAGAIN : err;
}

static int try_ofd(int type, off_t start, off_t len)
{
	return in_child(attempt, &(struct attempt){F_OFD_SETLK, type, start, len});
}

static int try_flock(int op)
{
	return in_child(attempt, &(struct attempt){.type = op});
}

/* ---- POSIX locks ---- */

static void posix_ranges_conflict_where_they_meet(void **state)
{
	int fd = open_file();

	(void)state;
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 10, 10)));
	assert_int_equal(try_posix(F_WRLCK, 0, 10), 0);
	assert_int_equal(try_posix(F_WRLCK, 20, 0), 0);
	assert_int_equal(try_posix(F_RDLCK, 19, 1), EAGAIN);
	assert_int_equal(try_posix(F_WRLCK, 0, 0), EAGAIN);
	/* Down to a read lock, a hole in its middle, up again at one end. */
	assert_ok(fcntl(fd, F_SETLK, LK(F_RDLCK, 10, 10)));
	assert_int_equal(try_posix(F_RDLCK, 0, 0), 0);
	assert_int_equal(try_posix(F_WRLCK, 15, 1), EAGAIN);
	assert_ok(fcntl(fd, F_SETLK, LK(F_UNLCK, 14, 2)));
	assert_int_equal(try_posix(F_WRLCK, 14, 2), 0);
	assert_int_equal(try_posix(F_WRLCK, 13, 1), EAGAIN);
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 10, 1)));
	assert_int_equal(try_posix(F_RDLCK, 10, 1), EAGAIN);
	assert_int_equal(try_posix(F_RDLCK, 11, 1), 0);
	/* sqlite's bytes, and the end of what can be locked. */
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 0x40000000, 512)));
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, INT64_MAX, 1)));
	assert_int_equal(try_posix(F_WRLCK, INT64_MAX, 0), EAGAIN);
	assert_ok(close(fd));
	assert_int_equal(try_posix(F_WRLCK, 0, 0), 0);
}

static int get_lock(void *arg)
{
	struct flock lk = *LK(F_RDLCK, 3, 4);
	int fd = open(at("f"), O_RDWR);

	CHILD_CHECK(!fcntl(fd, F_GETLK, &lk));
	CHILD_CHECK(lk.l_type == F_WRLCK && lk.l_whence == SEEK_SET);
	CHILD_CHECK(lk.l_start == 5 && lk.l_len == 7 && lk.l_pid == *(pid_t *)arg);
	lk = (struct flock){
		.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = 50, .l_len = 3, .l_pid = 17};
	CHILD_CHECK(!fcntl(fd, F_GETLK, &lk));
	CHILD_CHECK(lk.l_type == F_UNLCK && lk.l_whence == SEEK_END && lk.l_start == 50 &&
		    lk.l_len == 3 && lk.l_pid == 17);
	return 0;
}

static void posix_getlk_tells_who_and_where(void **state)
{
	struct flock own = *LK(F_WRLCK, 0, 0);
	int fd = open_file();
	pid_t me = getpid();

	(void)state;
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 5, 7)));
	assert_int_equal(in_child(get_lock, &me), 0);
	assert_ok(fcntl(fd, F_GETLK, &own)); /* its own are in nobody's way */
	assert_int_equal(own.l_type, F_UNLCK);
	assert_ok(close(fd));
}

static void posix_whence_is_the_file_s_own(void **state)
{
	struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = -2, .l_len = 4};
	int fd = make_file("f", "0123456789");

	(void)state;
	assert_ok(lseek(fd, 6, SEEK_SET));
	assert_ok(fcntl(fd, F_SETLK, &lk)); /* 4..7 */
	assert_int_equal(lk.l_start, -2);
	assert_int_equal(try_posix(F_WRLCK, 0, 4), 0);
	assert_int_equal(try_posix(F_WRLCK, 8, 0), 0);
	assert_int_equal(try_posix(F_WRLCK, 4, 1), EAGAIN);
	assert_int_equal(try_posix(F_WRLCK, 7, 1), EAGAIN);
	lk = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_len = -1};
	assert_ok(fcntl(fd, F_SETLK, &lk)); /* 9 */
	assert_int_equal(try_posix(F_WRLCK, 9, 1), EAGAIN);
	assert_int_equal(try_posix(F_WRLCK, 10, 0), 0);
	lk.l_start = -11;
	assert_errno(fcntl(fd, F_SETLK, &lk), EINVAL);
	lk.l_start = INT64_MAX - 5;
	lk.l_len = 1;
	assert_errno(fcntl(fd, F_SETLK, &lk), EOVERFLOW);
	assert_ok(close(fd));
}

static void posix_errors_are_the_kernel_s(void **state)
{
	struct flock lk = *LK(F_WRLCK, 0, 0);
	int fd = open_file(), rd = open(at("f"), O_RDONLY), wr = open(at("f"), O_WRONLY);
	int path = open(at("f"), O_PATH);

	(void)state;
	assert_errno(fcntl(rd, F_SETLK, LK(F_WRLCK, 0, 0)), EBADF);
	assert_errno(fcntl(wr, F_SETLK, LK(F_RDLCK, 0, 0)), EBADF);
	assert_errno(fcntl(rd, F_OFD_SETLK, LK(F_WRLCK, 0, 0)), EBADF);
	assert_errno(fcntl(wr, F_OFD_SETLK, LK(F_RDLCK, 0, 0)), EBADF);
	assert_ok(fcntl(rd, F_SETLK, LK(F_RDLCK, 0, 0)));
	assert_ok(fcntl(wr, F_SETLK, LK(F_WRLCK, 0, 0)));
	assert_ok(fcntl(rd, F_GETLK, LK(F_WRLCK, 0, 0)));
	assert_errno(fcntl(path, F_SETLK, LK(F_RDLCK, 0, 0)), EBADF);
	assert_errno(flock(path, LOCK_SH), EBADF);
	assert_errno(fcntl(fd, F_SETLK, LK(17, 0, 0)), EINVAL);
	assert_errno(fcntl(fd, F_SETLK, LK(F_WRLCK, -1, 0)), EINVAL);
	/* The kind is looked at first when it is asked, last when it is locked. */
	assert_errno(fcntl(fd, F_GETLK, LK(F_UNLCK, INT64_MAX, 67)), EINVAL);
	assert_errno(fcntl(fd, F_SETLK, LK(17, INT64_MAX, 67)), EOVERFLOW);
	assert_errno(fcntl(fd, F_SETLK, (void *)8), EFAULT);
	assert_errno(fcntl(fd, F_GETLK, (void *)8), EFAULT);
	lk.l_whence = 17;
	assert_errno(fcntl(fd, F_SETLK, &lk), EINVAL);
	lk = *LK(F_WRLCK, 0, 0);
	lk.l_pid = 1;
	assert_errno(fcntl(fd, F_OFD_SETLK, &lk), EINVAL);
	assert_errno(flock(fd, 0), EINVAL);
	assert_ok(close(fd) | close(rd) | close(wr) | close(path));
}

static int close_all(void *arg)
{
	CHILD_CHECK(!close(*(int *)arg));
	return 0;
}

static void posix_any_close_in_the_process_releases(void **state)
{
	int fd = open_file(), other;

	(void)state;
	for (int how = 0; how < 5; how++) {
		assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 0, 0)));
		/* A child's close is its own affair. */
		assert_int_equal(in_child(close_all, &fd), 0);
		assert_int_equal(try_posix(F_RDLCK, 0, 0), EAGAIN);
		other = how == 1 ? dup(fd) : open(at("f"), O_RDONLY);
		assert_true(other >= 0);
		assert_int_equal(try_posix(F_RDLCK, 0, 0), EAGAIN);
		if (how == 2) {
			int null = open("/dev/null", O_RDONLY);

			assert_ok(dup2(null, other));
			assert_ok(close(null) | close(other));
		} else if (how == 3) {
			assert_ok(close_range((unsigned)other, (unsigned)other, 0));
		} else if (how == 4) { /* O_PATH has no part in it */
			int path = open(at("f"), O_PATH);

			assert_ok(close(path));
			assert_int_equal(try_posix(F_RDLCK, 0, 0), EAGAIN);
			assert_ok(close(other));
		} else {
			assert_ok(close(other));
		}
		assert_int_equal(try_posix(F_WRLCK, 0, 0), 0);
	}
	assert_ok(close(fd));
}

static int child_has_none(void *arg)
{
	struct flock lk = *LK(F_WRLCK, 0, 0);
	int fd = *(int *)arg;

	CHILD_CHECK(!fcntl(fd, F_GETLK, &lk) && lk.l_type == F_WRLCK && lk.l_pid == getppid());
	CHILD_CHECK(fcntl(fd, F_SETLK, LK(F_WRLCK, 0, 0)) == -1);
	CHILD_CHECK(!fcntl(fd, F_SETLK, LK(F_UNLCK, 0, 0)));
	return 0;
}

static void posix_fork_does_not_inherit(void **state)
{
	int fd = open_file();

	(void)state;
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 0, 0)));
	assert_int_equal(in_child(child_has_none, &fd), 0);
	assert_int_equal(try_posix(F_RDLCK, 0, 0), EAGAIN);
	assert_ok(close(fd));
}

static int child_does_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* Who only asked has no lock that a descriptor would have to be kept for. */
static void posix_asking_takes_no_number(void **state)
{
	int fd = open_file(), next = dup(fd), after;

	(void)state;
	assert_ok(close(next));
	assert_ok(fcntl(fd, F_GETLK, LK(F_WRLCK, 0, 0)));
	assert_int_equal(in_child(child_does_nothing, NULL), 0);
	after = dup(fd);
	assert_int_equal(after, next);
	assert_ok(close(after));
	assert_ok(close(fd));
}

/* ---- waiting ---- */

struct waiter {
	pid_t pid;
	int out; /* it writes a byte when it starts to wait and one when it is through */
};

static struct waiter start_waiter(int cmd, int type)
{
	struct waiter w;
	int pipes[2];

	assert_ok(pipe(pipes));
	w.pid = fork();
	assert_true(w.pid >= 0);
	if (!w.pid) {
		int fd = open(at("f"), O_RDWR);

		if (fd < 0 || write(pipes[1], "a", 1) != 1)
			_exit(1);
		if (cmd ? fcntl(fd, cmd, LK((short)type, 0, 0)) : flock(fd, type))
			_exit(2);
		_exit(write(pipes[1], "b", 1) != 1);
	}
	assert_ok(close(pipes[1]));
	w.out = pipes[0];
	return w;
}

#define PATIENCE_MS 60000 /* until a process is started and at work, on however busy a machine */

static bool has_more(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;

	return poll(&p, 1, ms) == 1 && read(fd, &c, 1) == 1;
}

static void end_waiter(struct waiter *w)
{
	int status;

	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_int_equal(status, 0);
	assert_ok(close(w->out));
}

static void waiting_ends_when_the_holder_lets_go(void **state)
{
	static const struct {
		int set, unset, cmd, type;
	} kinds[] = {
		{F_SETLK, F_SETLK, F_SETLKW, F_WRLCK},
		{F_OFD_SETLK, F_OFD_SETLK, F_OFD_SETLKW, F_WRLCK},
		{F_SETLK, F_SETLK, F_OFD_SETLKW, F_RDLCK},
		{0, 0, 0, LOCK_SH},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int fd = open_file();
		struct waiter w;

		if (kinds[i].set)
			assert_ok(fcntl(fd, kinds[i].set, LK(F_WRLCK, 0, 0)));
		else
			assert_ok(flock(fd, LOCK_EX));
		w = start_waiter(kinds[i].cmd, kinds[i].type);
		assert_true(has_more(w.out, PATIENCE_MS));
		assert_false(has_more(w.out, 100));
		if (kinds[i].set)
			assert_ok(fcntl(fd, kinds[i].set, LK(F_UNLCK, 0, 0)));
		else
			assert_ok(flock(fd, LOCK_UN));
		assert_true(has_more(w.out, PATIENCE_MS));
		end_waiter(&w);
		assert_ok(close(fd));
	}
}

static void waiting_ends_when_the_holder_dies(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		static const int cmds[] = {F_SETLK, F_OFD_SETLK, 0};
		int pipes[2], status;
		struct waiter w;
		pid_t holder;

		assert_ok(close(open_file()));
		assert_ok(pipe(pipes));
		holder = fork();
		if (!holder) {
			int fd = open(at("f"), O_RDWR);

			if (cmds[kind] ? fcntl(fd, cmds[kind], LK(F_WRLCK, 0, 0))
				       : flock(fd, LOCK_EX))
				_exit(1);
			if (write(pipes[1], "x", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		assert_true(has_more(pipes[0], PATIENCE_MS));
		w = start_waiter(kind == 0   ? F_SETLKW
				 : kind == 1 ? F_OFD_SETLKW
					     : 0,
				 kind == 2 ? LOCK_EX : F_WRLCK);
		assert_true(has_more(w.out, PATIENCE_MS));
		assert_false(has_more(w.out, 50));
		assert_ok(kill(holder, SIGKILL));
		assert_true(has_more(w.out, PATIENCE_MS));
		end_waiter(&w);
		assert_int_equal(waitpid(holder, &status, 0), holder);
		assert_ok(close(pipes[0]) | close(pipes[1]));
	}
}

static int handler_fd, handler_ran;

/* While its thread waits for a lock a handler may call anything. */
static void on_alarm(int sig)
{
	char c;

	(void)sig;
	if (pread(handler_fd, &c, 1, 0) == 1 && c == 'x' && !flock(handler_fd, LOCK_SH) &&
	    !fcntl(handler_fd, F_SETLK, LK(F_WRLCK, 0, 0)))
		handler_ran++;
}

static int wait_interrupted(void *arg)
{
	/* Again and again: the first may come before it waits. */
	struct itimerval timer = {{0, 50000}, {0, 50000}}, off = {{0, 0}, {0, 0}};
	struct sigaction act = {.sa_handler = on_alarm};
	int kind = *(int *)arg, fd = open(at("f"), O_RDWR), ret;

	handler_fd = open(at("g"), O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHILD_CHECK(fd >= 0 && handler_fd >= 0 && write(handler_fd, "x", 1) == 1);
	CHILD_CHECK(!sigaction(SIGALRM, &act, NULL));
	CHILD_CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
	if (kind == 0)
		ret = fcntl(fd, F_SETLKW, LK(F_WRLCK, 0, 0));
	else if (kind == 1)
		ret = fcntl(fd, F_OFD_SETLKW, LK(F_WRLCK, 0, 0));
	else
		ret = flock(fd, LOCK_EX);
	CHILD_CHECK(ret == -1 && errno == EINTR);
	CHILD_CHECK(!setitimer(ITIMER_REAL, &off, NULL));
	CHILD_CHECK(handler_ran >= 1);
	return 0;
}

static void waiting_is_interrupted_by_a_signal(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		int fd = open_file();

		assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 0, 0)));
		assert_ok(flock(fd, LOCK_EX));
		assert_int_equal(in_child(wait_interrupted, &kind), 0);
		assert_ok(close(fd));
	}
}

static void *wait_for_lock(void *arg)
{
	return (void *)(intptr_t)flock(*(int *)arg, LOCK_EX);
}

/* One thread that waits keeps nothing from the others: opens, forks, locks. */
static void waiting_holds_up_no_other_thread(void **state)
{
	int fd = open_file(), other = open_file();
	pthread_t thread;
	void *ret;

	(void)state;
	assert_ok(flock(fd, LOCK_EX));
	assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, &other), 0);
	usleep(50000);
	for (int i = 0; i < 20; i++) {
		check_file("g", "x");
		assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
		assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, i, 1)));
	}
	assert_ok(flock(fd, LOCK_UN));
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_null(ret);
	assert_ok(close(fd) | close(other));
}

static int lock_both(void *arg)
{
	const int *pipes = arg;
	int fd = open(at("f"), O_RDWR);
	char c;

	CHILD_CHECK(!fcntl(fd, F_SETLK, LK(F_WRLCK, 1, 1)));
	CHILD_CHECK(write(pipes[3], "x", 1) == 1 && read(pipes[0], &c, 1) == 1);
	CHILD_CHECK(write(pipes[3], "y", 1) == 1);
	CHILD_CHECK(!fcntl(fd, F_SETLKW, LK(F_WRLCK, 0, 1)));
	return 0;
}

static void posix_deadlock_is_found(void **state)
{
	if (on_mount())
		return; /* it waits there until a signal comes: fuse/locks.c, K3 */
	int fd = open_file(), pipes[4], status;
	pid_t child;
	char c;

	(void)state;
	assert_ok(pipe(pipes) | pipe(pipes + 2));
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 0, 1)));
	child = fork();
	if (!child)
		_exit(lock_both(pipes));
	assert_int_equal(read(pipes[2], &c, 1), 1);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(read(pipes[2], &c, 1), 1);
	await_asleep(child, child); /* it waits for byte 0 */
	assert_errno(fcntl(fd, F_SETLKW, LK(F_WRLCK, 1, 1)), EDEADLK);
	assert_ok(close(fd));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (int i = 0; i < 4; i++)
		assert_ok(close(pipes[i]));
}

/* ---- flock and OFD locks ---- */

static void flock_belongs_to_the_description(void **state)
{
	int fd = open_file(), other = open(at("f"), O_RDONLY), copy;

	(void)state;
	assert_ok(flock(fd, LOCK_SH));
	assert_ok(flock(other, LOCK_SH));
	assert_errno(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	assert_ok(flock(other, LOCK_UN));
	assert_ok(flock(fd, LOCK_EX | LOCK_NB));
	assert_errno(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	copy = dup(fd);
	assert_ok(flock(copy, LOCK_EX)); /* its own */
	assert_ok(close(fd));
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	assert_ok(dup2(copy, fd));
	assert_ok(close(copy));
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	assert_int_equal(fcntl(fd, F_DUPFD_CLOEXEC, 50), 50);
	assert_ok(close(fd));
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	assert_ok(flock(50, LOCK_UN));
	assert_int_equal(try_flock(LOCK_EX), 0);
	assert_ok(flock(50, LOCK_EX));
	assert_ok(close(50));
	assert_int_equal(try_flock(LOCK_EX), 0);
	assert_ok(close(other));
}

/* Numbers that were made before the first lock are of the same description. */
static void flock_first_after_dup(void **state)
{
	int fd = open_file(), copy = dup(fd), far = fcntl(fd, F_DUPFD, 60);

	(void)state;
	assert_int_equal(far, 60);
	assert_ok(fcntl(far, F_SETFD, FD_CLOEXEC));
	assert_ok(flock(copy, LOCK_EX));
	assert_ok(flock(fd, LOCK_EX | LOCK_NB));
	assert_ok(close(fd) | close(copy));
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	assert_int_equal(fcntl(far, F_GETFD), FD_CLOEXEC);
	check_text(far, "");
	assert_ok(close(far));
	assert_int_equal(try_flock(LOCK_EX), 0);
}

static int child_locks(void *arg)
{
	CHILD_CHECK(!flock(*(int *)arg, LOCK_EX | LOCK_NB));
	return 0;
}

/* exec 9>lock; flock 9: the child takes it, the parent has it. */
static void flock_taken_by_a_child_stays(void **state)
{
	int fd = open_file();

	(void)state;
	assert_int_equal(in_child(child_locks, &fd), 0);
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	assert_int_equal(in_child(close_all, &fd), 0);
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	assert_ok(close(fd));
	assert_int_equal(try_flock(LOCK_EX), 0);
}

static int shell(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void flock_by_a_program_on_our_descriptor(void **state)
{
	int fd = open(at("f"), O_RDWR);
	char command[PATH_MAX + 64];

	(void)state;
	assert_int_equal(dup2(fd, 9), 9);
	assert_ok(close(fd));
	assert_int_equal(shell("flock -n 9"), 0);
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	snprintf(command, sizeof(command), "flock -n %s true", at("f"));
	assert_int_equal(shell(command), 1);
	assert_int_equal(shell("flock -u 9"), 0);
	assert_int_equal(shell(command), 0);
	assert_ok(close(9));
	snprintf(command, sizeof(command),
		 "(flock -n 7 || exit 4; flock -n %s true && exit 5; exit 6) 7>%s", at("f"),
		 at("f"));
	assert_int_equal(shell(command), 6);
}

static void ofd_locks_conflict_within_the_process(void **state)
{
	struct flock lk = *LK(F_RDLCK, 0, 0);
	int fd = open_file(), other = open_file(), copy = dup(fd);

	(void)state;
	assert_ok(fcntl(fd, F_OFD_SETLK, LK(F_WRLCK, 3, 4)));
	assert_errno(fcntl(other, F_OFD_SETLK, LK(F_RDLCK, 0, 0)), EAGAIN);
	assert_errno(fcntl(other, F_SETLK, LK(F_RDLCK, 0, 0)), EAGAIN);
	assert_ok(fcntl(other, F_OFD_SETLK, LK(F_WRLCK, 7, 0)));
	assert_ok(fcntl(copy, F_OFD_SETLK, LK(F_RDLCK, 3, 2)));
	assert_ok(fcntl(fd, F_OFD_GETLK, &lk));
	assert_int_equal(lk.l_type, F_WRLCK);
	assert_int_equal(lk.l_start, 7);
	assert_int_equal(lk.l_len, 0);
	assert_int_equal(lk.l_pid, -1);
	assert_ok(close(other)); /* takes none of fd's along */
	assert_int_equal(try_ofd(F_RDLCK, 5, 2), EAGAIN);
	assert_int_equal(try_ofd(F_RDLCK, 3, 2), 0);
	assert_int_equal(try_ofd(F_WRLCK, 7, 0), 0);
	assert_ok(close(fd));
	assert_int_equal(try_posix(F_RDLCK, 5, 2), EAGAIN);
	assert_ok(close(copy));
	assert_int_equal(try_posix(F_WRLCK, 0, 0), 0);
}

/* A description's first lock while the process has others of each kind on the file. */
static void kinds_side_by_side(void **state)
{
	int fd = open_file(), other = open_file(), third = open_file();

	(void)state;
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 0, 1)));
	assert_ok(fcntl(other, F_OFD_SETLK, LK(F_WRLCK, 1, 1)));
	assert_ok(flock(third, LOCK_EX));
	assert_int_equal(try_posix(F_RDLCK, 0, 1), EAGAIN);
	assert_int_equal(try_posix(F_RDLCK, 1, 1), EAGAIN);
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	assert_int_equal(try_posix(F_WRLCK, 2, 0), 0);
	assert_ok(close(third));
	assert_int_equal(try_flock(LOCK_EX), 0);
	assert_int_equal(try_posix(F_WRLCK, 0, 1), 0);
	assert_int_equal(try_posix(F_RDLCK, 1, 1), EAGAIN);
	assert_ok(close(other));
	assert_int_equal(try_posix(F_WRLCK, 0, 0), 0);
	assert_ok(close(fd));
}

static void flock_of_a_directory(void **state)
{
	int fd, other;

	(void)state;
	assert_ok(mkdir(at("d"), 0755));
	fd = open(at("d"), O_RDONLY | O_DIRECTORY);
	other = open(at("d"), O_RDONLY | O_DIRECTORY);
	assert_ok(flock(fd, LOCK_EX));
	assert_errno(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	assert_errno(fcntl(other, F_SETLK, LK(F_WRLCK, 0, 0)), EBADF);
	assert_ok(fcntl(other, F_SETLK, LK(F_RDLCK, 0, 0)));
	assert_ok(close(fd) | close(other) | rmdir(at("d")));
}

/* The name is another file's by now. */
static void locks_of_a_file_without_a_name(void **state)
{
	int fd = open_file(), again;

	(void)state;
	assert_ok(unlink(at("f")));
	assert_ok(flock(fd, LOCK_EX));
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 0, 0)));
	again = open_file();
	assert_ok(flock(again, LOCK_EX | LOCK_NB));
	assert_int_equal(try_posix(F_WRLCK, 0, 0), 0);
	assert_ok(close(fd));
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	assert_ok(close(again));
}

static int lockf_somebody(void *arg)
{
	int fd = open(at("f"), O_RDWR);

	(void)arg;
	CHILD_CHECK(lseek(fd, 4, SEEK_SET) == 4);
	CHILD_CHECK(lockf(fd, F_TEST, 1) == -1 && errno == EACCES);
	CHILD_CHECK(lockf(fd, F_TLOCK, 2) == -1 && (errno == EAGAIN || errno == EACCES));
	CHILD_CHECK(lockf(fd, F_TEST, -4) == 0);
	CHILD_CHECK(lockf(fd, F_TLOCK, -4) == 0);
	return 0;
}

static void lockf_is_a_record_lock(void **state)
{
	int fd = open_file();

	(void)state;
	assert_ok(lseek(fd, 4, SEEK_SET));
	assert_ok(lockf(fd, F_LOCK, 3));
	assert_ok(lockf(fd, F_TEST, 3));
	assert_int_equal(in_child(lockf_somebody, NULL), 0);
	assert_int_equal(try_posix(F_RDLCK, 6, 1), EAGAIN);
	assert_ok(lockf(fd, F_ULOCK, 0));
	assert_int_equal(try_posix(F_WRLCK, 0, 0), 0);
	assert_errno(lockf(fd, 99, 0), EINVAL);
	assert_ok(close(fd));
}

/* ---- over exec ---- */

/* The new image: say that it is there, then wait for the end of its input. */
static int image(const char *fd_text)
{
	int fd = atoi(fd_text);
	char c;

	if (fcntl(fd, F_GETFD) == -1 || write(1, "x", 1) != 1)
		return 1;
	while (read(0, &c, 1) > 0)
		;
	return 0;
}

static void become_image(int fd, const int in[2], const int out[2], bool cloexec)
{
	char text[16];
	int other = cloexec ? open(at("f"), O_RDWR | O_CLOEXEC) : -1;

	snprintf(text, sizeof(text), "%d", fd);
	if (dup2(in[0], 0) || dup2(out[1], 1) != 1 || close(in[1]) || close(out[0]))
		_exit(1);
	if (fcntl(fd, F_SETLK, LK(F_WRLCK, 0, 0)) || flock(fd, LOCK_EX) || (cloexec && other < 0))
		_exit(2);
	execl(self_path, self_path, "image", text, NULL);
	_exit(3);
}

static void locks_pass_exec(void **state)
{
	(void)state;
	for (int cloexec = 0; cloexec < 2; cloexec++) {
		int fd = open_file(), in[2], out[2], status;
		pid_t child;

		assert_ok(pipe(in) | pipe(out));
		child = fork();
		if (!child)
			become_image(fd, in, out, cloexec);
		assert_ok(close(fd) | close(in[0]) | close(out[1]));
		assert_true(has_more(out[0], 10000));
		assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
		/* exec closed a descriptor of the file: as close would. */
		assert_int_equal(try_posix(F_RDLCK, 0, 0), cloexec ? 0 : EAGAIN);
		assert_ok(close(in[1]));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		assert_ok(close(out[0]));
		assert_int_equal(try_flock(LOCK_EX), 0);
		assert_int_equal(try_posix(F_WRLCK, 0, 0), 0);
	}
}

static void spawn_shares_the_description_only(void **state)
{
	int fd = open_file(), in[2], out[2], status;
	char text[16];
	char *argv[] = {(char *)(uintptr_t)self_path, (char *)"image", text, NULL};
	posix_spawn_file_actions_t actions;
	pid_t child;

	(void)state;
	snprintf(text, sizeof(text), "%d", fd);
	assert_ok(pipe(in) | pipe(out));
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_addclose(&actions, in[1]);
	posix_spawn_file_actions_addclose(&actions, out[0]);
	assert_ok(fcntl(fd, F_SETLK, LK(F_WRLCK, 0, 0)));
	assert_int_equal(posix_spawn(&child, self_path, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_ok(close(in[0]) | close(out[1]));
	assert_true(has_more(out[0], 10000));
	assert_int_equal(try_posix(F_RDLCK, 0, 0), EAGAIN); /* it closed none of ours */
	assert_ok(flock(fd, LOCK_EX));
	assert_ok(close(fd)); /* the child still has the description, not the process's lock */
	assert_int_equal(try_flock(LOCK_SH), EWOULDBLOCK);
	assert_int_equal(try_posix(F_WRLCK, 0, 0), 0);
	assert_ok(close(in[1]));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(try_flock(LOCK_EX), 0);
	assert_ok(close(out[0]));
}

/* ---- what only UMFS has ---- */

/* A call that passes libumfs by reaches nothing, and locks keep working. */
static void calls_past_the_library_reach_nothing(void **state)
{
	int fd = make_file("f", "text");
	char c = 'X';

	(void)state;
	if (!on_umfs())
		return;
	assert_ok(flock(fd, LOCK_EX));
	assert_int_equal(raw(SYS_write, fd, (long)&c, 1), -EINVAL);
	assert_int_equal(raw(SYS_read, fd, (long)&c, 1), -EINVAL);
	assert_true(raw(SYS_pwrite64, fd, (long)&c, 1) < 0); /* appends, too */
	check_text(fd, "text");
	assert_ok(close(fd));
	fd = open(at("f"), O_RDONLY);
	assert_ok(flock(fd, LOCK_EX));
	assert_int_equal(raw(SYS_write, fd, (long)&c, 1), -EBADF);
	assert_ok(close(fd));
}

/* Many files, each locked, opened twice and closed: nothing is left over. */
static void many_files_leave_no_descriptor(void **state)
{
	int before = dup(0), after;
	char name[32];

	(void)state;
	assert_ok(close(before));
	for (int round = 0; round < 3; round++) {
		int fds[40];

		for (int i = 0; i < 40; i++) {
			snprintf(name, sizeof(name), "many%d", i);
			fds[i] = open(at(name), O_RDWR | O_CREAT, 0644);
			assert_true(fds[i] >= 0);
			assert_ok(fcntl(fds[i], F_SETLK, LK(F_WRLCK, 0, 0)));
			if (i % 2)
				assert_ok(flock(fds[i], LOCK_EX));
		}
		for (int i = 0; i < 40; i++)
			assert_ok(close(fds[i]));
	}
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		assert_ok(unlink(at(name)));
	}
	after = dup(0);
	assert_int_equal(after, before);
	assert_ok(close(after));
}

static int setup(void **state)
{
	(void)state;
	if (mkdir(test_dir(), 0755) && errno != EEXIST)
		return -1;
	put_file("f", "");
	put_file("g", "x");
	return 0;
}

static int empty(void **state)
{
	(void)state;
	put_file("f", "");
	put_file("g", "x");
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, empty)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(posix_ranges_conflict_where_they_meet),
		TEST(posix_getlk_tells_who_and_where),
		TEST(posix_whence_is_the_file_s_own),
		TEST(posix_errors_are_the_kernel_s),
		TEST(posix_any_close_in_the_process_releases),
		TEST(posix_fork_does_not_inherit),
		TEST(posix_asking_takes_no_number),
		TEST(waiting_ends_when_the_holder_lets_go),
		TEST(waiting_ends_when_the_holder_dies),
		TEST(waiting_is_interrupted_by_a_signal),
		TEST(waiting_holds_up_no_other_thread),
		TEST(posix_deadlock_is_found),
		TEST(flock_belongs_to_the_description),
		TEST(flock_first_after_dup),
		TEST(flock_taken_by_a_child_stays),
		TEST(flock_by_a_program_on_our_descriptor),
		TEST(ofd_locks_conflict_within_the_process),
		TEST(kinds_side_by_side),
		TEST(flock_of_a_directory),
		TEST(locks_of_a_file_without_a_name),
		TEST(lockf_is_a_record_lock),
		TEST(locks_pass_exec),
		TEST(spawn_shares_the_description_only),
		TEST(calls_past_the_library_reach_nothing),
		TEST(many_files_leave_no_descriptor),
	};

	if (argc == 3 && !strcmp(argv[1], "image"))
		return image(argv[2]);
	self_path = argv[0];
	return cmocka_run_group_tests(tests, setup, NULL);
}
