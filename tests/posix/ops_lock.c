// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_lock.c - file locks, asked for without waiting.
 */
#include <sys/file.h>
#include <sys/wait.h>

#include "posix.h"

/* Not both on one file: see excuse.c. */
static bool posix_kind(void)
{
	return run.seed / THEMES % 2;
}

static void do_flock(void)
{
	static const int ops[] = {LOCK_SH, LOCK_EX, LOCK_UN, 0, LOCK_SH | LOCK_EX};
	int fd = arg_fd(), op = ops[chance(90) ? pick(3) : pick(COUNT(ops))] | LOCK_NB;

	say("flock(%d, %d)", fd, op);
	if (posix_kind())
		return;
	answer(flock(fd, op));
}

static struct flock arg_lock(void)
{
	static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK, F_WRLCK, 77};
	struct flock lk = {.l_type = types[chance(96) ? pick(4) : 4]};

	lk.l_whence = (short)(chance(80) ? SEEK_SET : (int)pick(4));
	lk.l_start = chance(90) ? pick(300) : arg_off();
	lk.l_len = chance(70) ? (off_t)pick(100) : chance(70) ? 0 : -(off_t)pick(100);
	return lk;
}

/* Where a directory ends is each file system's own. */
static void not_from_dir_end(int fd, struct flock *lk)
{
	struct stat st;

	if (lk->l_whence == SEEK_END && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		lk->l_whence = SEEK_SET;
}

static void do_setlk(void)
{
	struct flock lk = arg_lock();
	int fd = arg_fd(), cmd = posix_kind() ? F_SETLK : F_OFD_SETLK;

	not_from_dir_end(fd, &lk);
	if (chance(3))
		lk.l_pid = 1;
	say("fcntl(%d, %s, %d %d %lld %lld)", fd, cmd == F_SETLK ? "SETLK" : "OFD_SETLK",
	    lk.l_type, lk.l_whence, (long long)lk.l_start, (long long)lk.l_len);
	answer(fcntl(fd, cmd, &lk));
	run.locked = posix_kind();
}

static void do_getlk(void)
{
	struct flock lk = arg_lock();
	int fd = arg_fd(), cmd = posix_kind() ? F_GETLK : F_OFD_GETLK, ret;

	not_from_dir_end(fd, &lk);
	say("fcntl(%d, %s, %d %d %lld %lld)", fd, cmd == F_GETLK ? "GETLK" : "OFD_GETLK",
	    lk.l_type, lk.l_whence, (long long)lk.l_start, (long long)lk.l_len);
	ret = fcntl(fd, cmd, &lk);
	answer(ret);
	if (!ret)
		say(" %d %d %lld %lld %s", lk.l_type, lk.l_whence, (long long)lk.l_start,
		    (long long)lk.l_len,
		    lk.l_pid == getpid() ? "own" : lk.l_pid > 0 ? "other" : lk.l_pid ? "ofd" : "0");
}

static void do_lockf(void)
{
	static const int cmds[] = {F_ULOCK, F_TLOCK, F_TEST, F_TLOCK, 9};
	int fd = arg_fd(), cmd = ONE_OF(cmds);
	off_t n = (off_t)pick(200) - 50;

	say("lockf(%d, %d, %lld)", fd, cmd, (long long)n);
	if (!posix_kind())
		return;
	answer(lockf(fd, cmd, n));
	run.locked = true;
}

/* What another process is told. */
static void do_ask(void)
{
	struct flock lk = arg_lock();
	int fd = arg_fd(), status;
	pid_t pid;

	if (posix_kind())
		return;
	say("a child asks for %d: %d %lld %lld", fd, lk.l_type, (long long)lk.l_start,
	    (long long)lk.l_len);
	say_flush();
	pid = fork();
	if (!pid) {
		int ret = fcntl(fd, posix_kind() ? F_SETLK : F_OFD_SETLK, &lk);

		_exit(ret < 0 ? 100 + errno % 100 : 0);
	}
	if (waitpid(pid, &status, 0) != pid)
		status = -1;
	say(" = %#x", status);
}

const struct op lock_ops[] = {
	{"flock", LOCK, 14, do_flock}, {"setlk", LOCK, 20, do_setlk}, {"getlk", LOCK, 10, do_getlk},
	{"lockf", LOCK, 6, do_lockf},  {"ask", LOCK, 3, do_ask},      {0},
};
