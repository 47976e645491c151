// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_open.c - open in all its forms.
 */
#include <sys/syscall.h>

#include "posix.h"

static int arg_open_flags(void)
{
	static const int access[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR, 3};
	static const int common[] = {O_CREAT, O_TRUNC, O_EXCL, O_APPEND, O_CLOEXEC, O_NOFOLLOW};
	static const int rare[] = {O_DIRECTORY, O_PATH, O_NONBLOCK, O_SYNC, O_DSYNC, O_DIRECT,
				   O_NOATIME, O_NOCTTY, O_TMPFILE, O_ASYNC};
	int flags = ONE_OF(access);

	if (chance(45))
		flags |= O_CREAT;
	for (unsigned i = 0; i < COUNT(common); i++)
		if (chance(12))
			flags |= common[i];
	for (unsigned i = 0; i < COUNT(rare); i++)
		if (chance(4))
			flags |= rare[i];
	if (chance(1))
		flags |= 0x40000000;
	/* Older kernels make a file; newer ones refuse that. */
	return (flags & O_CREAT) ? flags & ~(O_TMPFILE) : flags;
}

static const char *show_open(int flags)
{
	return show_flags(open_flags, open_flags_count, flags);
}

static void do_openat(void)
{
	int dirfd = arg_dirfd(), flags = arg_open_flags(), fd;
	const char *path = arg_open_path(dirfd);
	mode_t mode = arg_mode();

	say("openat(%d, %s, %s, %o)", dirfd, show(path), show_open(flags), mode);
	say_flush();
	fd = openat(dirfd, path, flags, mode);
	answer(fd);
	keep_fd(fd);
}

/* So that there is something to work on. */
static void do_open_plain(void)
{
	static const int flags[] = {O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_TRUNC, O_RDONLY,
				    O_WRONLY | O_APPEND | O_CREAT, O_RDONLY | O_DIRECTORY,
				    O_PATH, O_RDWR | O_CREAT | O_EXCL};
	const char *path = arg_open_path(AT_FDCWD);
	int f = ONE_OF(flags), fd;

	say("open(%s, %s)", show(path), show_open(f));
	say_flush();
	fd = open(path, f, 0644);
	answer(fd);
	keep_fd(fd);
}

static void do_open_dir(void)
{
	static const char *const dirs[] = {".", "d", "..", "d/..", "c"};
	const char *path = ONE_OF(dirs);
	int f = O_DIRECTORY | (chance(30) ? O_PATH : 0), fd;

	say("open(%s, %s)", show(path), show_open(f));
	fd = open(path, f);
	answer(fd);
	keep_fd(fd);
}

static void do_creat(void)
{
	const char *path = arg_open_path(AT_FDCWD);
	mode_t mode = arg_mode();
	int fd;

	say("creat(%s, %o)", show(path), mode);
	fd = creat(path, mode);
	answer(fd);
	keep_fd(fd);
}

static void do_tmpfile_at(void)
{
	int flags = O_TMPFILE | (chance(80) ? O_RDWR : O_WRONLY) | (chance(30) ? O_EXCL : 0);
	const char *path = chance(70) ? "." : arg_path();
	int dirfd = arg_dirfd(), fd;

	say("openat(%d, %s, %s)", dirfd, show(path), show_open(flags));
	fd = openat(dirfd, path, flags, 0640);
	answer(fd);
	keep_fd(fd);
}

static void do_close(void)
{
	int fd = arg_fd(), slot = slot_of(fd);

	say("close(%d)", fd);
	answer(close(fd));
	if (slot >= 0)
		run.slot[slot] = -1;
}

const struct op open_ops[] = {
	{"openat", OPEN, 50, do_openat}, {"open", OPEN, 20, do_open_plain},
	{"open dir", OPEN, 5, do_open_dir}, {"creat", OPEN, 5, do_creat},
	{"O_TMPFILE", OPEN, 6, do_tmpfile_at}, {"close", OPEN, 25, do_close}, {0},
};
