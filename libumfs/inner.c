// SPDX-License-Identifier: BSD-3-Clause
/*
 * inner.c - what the redirected entries of libc do for libc's own code.
 *
 * Where libc calls itself two things differ from a call of the program's:
 *  - the "nocancel" functions are no cancellation points: stdio calls them with
 *    locks held that nobody would let go;
 *  - the child of posix_spawn, system and popen runs in its parent's memory
 *    until it execs. All that it does is the kernel's: what it closed here would
 *    be closed in the parent.
 */
#include "hot.h"
#include "sym.h"

#define INNER(ret, name, args)                                                            \
	ret umfs_at_inner_##name args;                                                    \
	ret umfs_at_inner_##name args

static inline bool spawning(void)
{
	return unlikely(umfs_guard_self.spawning);
}

/* Around a call that must not be cancelled. */
#define NOCANCEL(call)                                                                    \
	({                                                                                \
		long ret_;                                                                \
		umfs_guard_self.nocancel++;                                               \
		ret_ = (call);                                                            \
		umfs_guard_self.nocancel--;                                               \
		umfs_sym_return(ret_);                                                    \
	})

static mode_t mode_arg(int flags, va_list ap)
{
	bool wants = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;

	return wants ? va_arg(ap, mode_t) : 0;
}

#define MODE(mode, flags)                                                                 \
	do {                                                                              \
		va_list ap_;                                                              \
		va_start(ap_, flags);                                                     \
		mode = mode_arg(flags, ap_);                                              \
		va_end(ap_);                                                              \
	} while (0)

static long spawn_opened(long fd)
{
	if (fd >= 0)
		umfs_heirs_moved((int)fd, -1);
	return fd;
}

static long open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	if (spawning())
		return spawn_opened(sys4(SYS_openat, dirfd, path, flags, mode));
	return umfs_hook_open(dirfd, path, flags, mode);
}

INNER(int, open, (const char *path, int flags, ...))
{
	mode_t mode;

	MODE(mode, flags);
	RETURN_INT(open_at(AT_FDCWD, path, flags, mode));
}

INNER(int, openat, (int dirfd, const char *path, int flags, ...))
{
	mode_t mode;

	MODE(mode, flags);
	RETURN_INT(open_at(dirfd, path, flags, mode));
}

INNER(int, open_nocancel, (const char *path, int flags, ...))
{
	mode_t mode;

	MODE(mode, flags);
	return (int)NOCANCEL(open_at(AT_FDCWD, path, flags, mode));
}

INNER(int, openat_nocancel, (int dirfd, const char *path, int flags, ...))
{
	mode_t mode;

	MODE(mode, flags);
	return (int)NOCANCEL(open_at(dirfd, path, flags, mode));
}

static long close_fd(int fd)
{
	if (!spawning())
		return umfs_hook_close(fd);
	umfs_heirs_moved(fd, -1);
	return sys1(SYS_close, fd);
}

/* A number that the child of posix_spawn made: what it is now. */
static long spawn_moved(long to, int from)
{
	if (to >= 0)
		umfs_heirs_moved((int)to, from);
	return to;
}

INNER(int, close, (int fd))
{
	RETURN_INT(close_fd(fd));
}

INNER(int, close_nocancel, (int fd))
{
	return (int)NOCANCEL(close_fd(fd));
}

INNER(int, close_range, (unsigned first, unsigned last, int flags))
{
	if (spawning())
		RETURN_INT(sys3(SYS_close_range, first, last, flags));
	RETURN_INT(umfs_hook_close_range(first, last, (unsigned)flags));
}

INNER(ssize_t, read_nocancel, (int fd, void *buf, size_t n))
{
	return NOCANCEL(umfs_hook_read(fd, buf, n));
}

INNER(ssize_t, write_nocancel, (int fd, const void *buf, size_t n))
{
	return NOCANCEL(umfs_hook_write(fd, buf, n));
}

INNER(ssize_t, pread_nocancel, (int fd, void *buf, size_t n, off_t off))
{
	return NOCANCEL(umfs_hook_pread(fd, buf, n, off));
}

INNER(int, dup2, (int from, int to))
{
	RETURN_INT(spawning() ? spawn_moved(sys2(SYS_dup2, from, to), from) :
				umfs_hook_dup2(from, to));
}

INNER(int, dup3, (int from, int to, int flags))
{
	RETURN_INT(spawning() ? spawn_moved(sys3(SYS_dup3, from, to, flags), from) :
				umfs_hook_dup3(from, to, flags));
}

static long control(int fd, int cmd, long arg)
{
	return spawning() ? sys3(SYS_fcntl, fd, cmd, arg) : umfs_hook_fcntl(fd, cmd, arg);
}

#define LAST_ARG(type, arg, last)                                                         \
	do {                                                                              \
		va_list ap_;                                                              \
		va_start(ap_, last);                                                      \
		arg = va_arg(ap_, type);                                                  \
		va_end(ap_);                                                              \
	} while (0)

INNER(int, fcntl, (int fd, int cmd, ...))
{
	long arg;

	LAST_ARG(long, arg, cmd);
	RETURN_INT(control(fd, cmd, arg));
}

INNER(int, fcntl_nocancel, (int fd, int cmd, ...))
{
	long arg;

	LAST_ARG(long, arg, cmd);
	return (int)NOCANCEL(control(fd, cmd, arg));
}

/* The same with its argument in the third place: not variadic. */
INNER(int, fcntl_adjusted, (int fd, int cmd, long arg))
{
	return (int)NOCANCEL(control(fd, cmd, arg));
}

INNER(int, ioctl, (int fd, unsigned long request, ...))
{
	void *arg;

	LAST_ARG(void *, arg, request);
	if (spawning())
		RETURN_INT(sys3(SYS_ioctl, fd, request, arg));
	RETURN_INT(umfs_hook_ioctl(fd, request, arg));
}

INNER(int, chdir, (const char *path))
{
	if (!spawning())
		RETURN_INT(umfs_hook_chdir(path));
	umfs_guard_self.spawn_moved = 1;
	RETURN_INT(sys1(SYS_chdir, path));
}

INNER(int, fchdir, (int fd))
{
	if (!spawning())
		RETURN_INT(umfs_hook_fchdir(fd));
	umfs_guard_self.spawn_moved = 1;
	RETURN_INT(sys1(SYS_fchdir, fd));
}

INNER(int, utimensat, (int dirfd, const char *path, const struct timespec *times, int flags))
{
	RETURN_INT(umfs_hook_utimens(dirfd, path, times, flags));
}

static long exec_moved(const char *path, char *const argv[])
{
	struct heirs *h = umfs_guard_self.spawn_heirs;
	long err = umfs_heirs_spawned(h, AT_FDCWD, path, 0);

	return err ? err : sys3(SYS_execve, path, argv, umfs_heirs_environment(h));
}

/* The child of system() and popen() comes with `environ`, which says nothing of what it inherits. */
INNER(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
	/* Where it stands now only the kernel knows. */
	if (spawning() && umfs_guard_self.spawn_moved && path[0] != '/')
		RETURN_INT(exec_moved(path, argv));
	RETURN_INT(umfs_hook_execve(AT_FDCWD, path, argv, envp, 0));
}

INNER(void, exit, (int status))
{
	if (!spawning())
		umfs_process_leave();
	for (;;)
		sys1(SYS_exit_group, status);
}
