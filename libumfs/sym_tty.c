// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_tty.c - exported symbols: what is asked of a terminal. A file of ours is none.
 *
 * libc makes these system calls in the functions themselves, so that the entry of
 * ioctl() does not catch them; what they do with a terminal is left to libc.
 */
#include <termios.h>

#include "sym.h"

typedef int (*getattr_fn)(int, struct termios *);
typedef int (*setattr_fn)(int, int, const struct termios *);
typedef char *(*name_fn)(int);
typedef int (*name_r_fn)(int, char *, size_t);

static void *find(void **known, const char *name)
{
	void *f = LOAD_RELAXED(known);

	if (!f) {
		f = umfs_libc(name);
		STORE(known, f);
	}
	return f;
}

SYM(int, tcgetattr, (int fd, struct termios *t))
{
	static void *real;

	if (umfs_uinfo_is_open(fd))
		RETURN_INT(-ENOTTY);
	return ((getattr_fn)find(&real, "tcgetattr"))(fd, t);
}

SYM(int, tcsetattr, (int fd, int actions, const struct termios *t))
{
	static void *real;

	if (umfs_uinfo_is_open(fd))
		RETURN_INT(-ENOTTY);
	return ((setattr_fn)find(&real, "tcsetattr"))(fd, actions, t);
}

SYM(char *, ttyname, (int fd))
{
	static void *real;

	if (umfs_uinfo_is_open(fd)) {
		umfs_sym_return(-ENOTTY);
		return NULL;
	}
	return ((name_fn)find(&real, "ttyname"))(fd);
}

SYM(int, ttyname_r, (int fd, char *buf, size_t n))
{
	static void *real;

	if (umfs_uinfo_is_open(fd)) {
		umfs_sym_return(-ENOTTY);
		return ENOTTY;
	}
	return ((name_r_fn)find(&real, "ttyname_r"))(fd, buf, n);
}
