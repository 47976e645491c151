// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_fd.c - exported symbols: open, close, dup, fcntl, locks, temporary files.
 */
#include <sys/stat.h>

#include "hot.h"
#include "sym.h"

static bool wants_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define MODE_ARG(mode, flags)                                                             \
	do {                                                                              \
		if (wants_mode(flags)) {                                                  \
			va_list ap;                                                       \
			va_start(ap, flags);                                              \
			mode = va_arg(ap, mode_t);                                        \
			va_end(ap);                                                       \
		}                                                                         \
	} while (0)

SYM(int, open, (const char *path, int flags, ...))
{
	mode_t mode = 0;

	MODE_ARG(mode, flags);
	RETURN_INT(umfs_hook_open(AT_FDCWD, path, flags, mode));
}
SYM_ALIAS(open64, open);
SYM_ALIAS(__open, open);
SYM_ALIAS(__open64, open);

SYM(int, openat, (int dirfd, const char *path, int flags, ...))
{
	mode_t mode = 0;

	MODE_ARG(mode, flags);
	RETURN_INT(umfs_hook_open(dirfd, path, flags, mode));
}
SYM_ALIAS(openat64, openat);

/* Fortified: a call without a mode that would need one is a bug of the program. */
SYM(int, __open_2, (const char *path, int flags))
{
	if (wants_mode(flags))
		__chk_fail();
	RETURN_INT(umfs_hook_open(AT_FDCWD, path, flags, 0));
}
SYM_ALIAS(__open64_2, __open_2);

SYM(int, __openat_2, (int dirfd, const char *path, int flags))
{
	if (wants_mode(flags))
		__chk_fail();
	RETURN_INT(umfs_hook_open(dirfd, path, flags, 0));
}
SYM_ALIAS(__openat64_2, __openat_2);

SYM(int, creat, (const char *path, mode_t mode))
{
	RETURN_INT(umfs_hook_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode));
}
SYM_ALIAS(creat64, creat);

SYM(int, mkstemp, (char *text))
{
	RETURN_INT(umfs_hook_mkstemp(text, 0, 0));
}
SYM_ALIAS(mkstemp64, mkstemp);

SYM(int, mkostemp, (char *text, int flags))
{
	RETURN_INT(umfs_hook_mkstemp(text, 0, flags));
}
SYM_ALIAS(mkostemp64, mkostemp);

SYM(int, mkstemps, (char *text, int suffix))
{
	RETURN_INT(umfs_hook_mkstemp(text, suffix, 0));
}
SYM_ALIAS(mkstemps64, mkstemps);

SYM(int, mkostemps, (char *text, int suffix, int flags))
{
	RETURN_INT(umfs_hook_mkstemp(text, suffix, flags));
}
SYM_ALIAS(mkostemps64, mkostemps);

SYM(char *, mkdtemp, (char *text))
{
	return umfs_sym_return(umfs_hook_mkdtemp(text)) ? NULL : text;
}

/* ---- descriptors ---- */

SYM(int, close, (int fd))
{
	RETURN_INT(umfs_hook_close(fd));
}
SYM_ALIAS(__close, close);

SYM(int, close_range, (unsigned first, unsigned last, int flags))
{
	RETURN_INT(umfs_hook_close_range(first, last, (unsigned)flags));
}

SYM(void, closefrom, (int low))
{
	umfs_hook_close_range(low < 0 ? 0 : (unsigned)low, ~0u, 0);
}

SYM(int, dup, (int fd))
{
	RETURN_INT(umfs_hook_dup(fd));
}

SYM(int, dup2, (int from, int to))
{
	RETURN_INT(umfs_hook_dup2(from, to));
}
SYM_ALIAS(__dup2, dup2);

SYM(int, dup3, (int from, int to, int flags))
{
	RETURN_INT(umfs_hook_dup3(from, to, flags));
}

SYM(int, fcntl, (int fd, int cmd, ...))
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	RETURN_INT(umfs_hook_fcntl(fd, cmd, arg));
}
SYM_ALIAS(fcntl64, fcntl);
SYM_ALIAS(__fcntl, fcntl);

SYM(int, ioctl, (int fd, unsigned long request, ...))
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	RETURN_INT(umfs_hook_ioctl(fd, request, arg));
}

SYM(int, isatty, (int fd))
{
	return umfs_sym_return(umfs_hook_isatty(fd)) == 1;
}

SYM(int, flock, (int fd, int op))
{
	RETURN_INT(umfs_hook_flock(fd, op));
}

SYM(int, lockf, (int fd, int cmd, off_t len))
{
	RETURN_INT(umfs_hook_lockf(fd, cmd, len));
}
SYM_ALIAS(lockf64, lockf);

/* ---- handles: there are none for files of ours ---- */

SYM(int, name_to_handle_at,
    (int dirfd, const char *path, struct file_handle *handle, int *mount_id, int flags))
{
	if (umfs_uinfo_is_open(dirfd))
		RETURN_INT(umfs_refuse(REPORT_NO_OTHER, EOPNOTSUPP));
	RETURN_INT(sys5(SYS_name_to_handle_at, dirfd, path, handle, mount_id, flags));
}

/* ---- streams of stdio: libc reads and writes them where we can not see it ---- */

struct _IO_FILE *_IO_fopen(const char *path, const char *mode);
struct _IO_FILE *_IO_fdopen(int fd, const char *mode);

SYM(struct _IO_FILE *, fopen, (const char *path, const char *mode))
{
	if (umfs_ready() && !umfs_redirected() && umfs_hook_path_ours(path)) {
		umfs_sym_return(umfs_refuse(REPORT_NO_STDIO, ENOTSUP));
		return NULL;
	}
	return _IO_fopen(path, mode);
}
SYM_ALIAS(fopen64, fopen);

SYM(struct _IO_FILE *, fdopen, (int fd, const char *mode))
{
	if (umfs_uinfo_is_open(fd) && !umfs_redirected()) {
		umfs_sym_return(umfs_refuse(REPORT_NO_STDIO, ENOTSUP));
		return NULL;
	}
	return _IO_fdopen(fd, mode);
}
