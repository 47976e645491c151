// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_stat.c - exported symbols: stat and access in all their forms, file systems.
 *
 * glibc >= 2.33 exports stat itself and keeps __xstat for older programs.
 */
#include <unistd.h>

#include "hot.h"
#include "sym.h"

SYM(int, stat, (const char *path, struct stat *st))
{
	RETURN_INT(umfs_hook_fstatat(AT_FDCWD, path, st, 0));
}
SYM_ALIAS(stat64, stat);

SYM(int, lstat, (const char *path, struct stat *st))
{
	RETURN_INT(umfs_hook_fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW));
}
SYM_ALIAS(lstat64, lstat);

SYM(int, fstat, (int fd, struct stat *st))
{
	RETURN_INT(umfs_hook_fstat(fd, st));
}
SYM_ALIAS(fstat64, fstat);

SYM(int, fstatat, (int dirfd, const char *path, struct stat *st, int flags))
{
	RETURN_INT(umfs_hook_fstatat(dirfd, path, st, flags));
}
SYM_ALIAS(fstatat64, fstatat);

/* On x86-64 versions 0 and 1 are the same structure. */
static bool version_known(int version)
{
	return version == 0 || version == 1;
}

SYM(int, __xstat, (int version, const char *path, struct stat *st))
{
	RETURN_INT(version_known(version) ? umfs_hook_fstatat(AT_FDCWD, path, st, 0) : -EINVAL);
}
SYM_ALIAS(__xstat64, __xstat);

SYM(int, __lxstat, (int version, const char *path, struct stat *st))
{
	RETURN_INT(version_known(version) ?
			   umfs_hook_fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW) :
			   -EINVAL);
}
SYM_ALIAS(__lxstat64, __lxstat);

SYM(int, __fxstat, (int version, int fd, struct stat *st))
{
	RETURN_INT(version_known(version) ? umfs_hook_fstat(fd, st) : -EINVAL);
}
SYM_ALIAS(__fxstat64, __fxstat);

SYM(int, __fxstatat, (int version, int dirfd, const char *path, struct stat *st, int flags))
{
	RETURN_INT(version_known(version) ? umfs_hook_fstatat(dirfd, path, st, flags) : -EINVAL);
}
SYM_ALIAS(__fxstatat64, __fxstatat);

SYM(int, statx, (int dirfd, const char *path, int flags, unsigned mask, struct statx *stx))
{
	RETURN_INT(umfs_hook_statx(dirfd, path, flags, mask, stx));
}

SYM(int, access, (const char *path, int mode))
{
	RETURN_INT(umfs_hook_access(AT_FDCWD, path, mode, 0));
}

SYM(int, faccessat, (int dirfd, const char *path, int mode, int flags))
{
	RETURN_INT(umfs_hook_access(dirfd, path, mode, flags));
}

SYM(int, euidaccess, (const char *path, int mode))
{
	RETURN_INT(umfs_hook_access(AT_FDCWD, path, mode, AT_EACCESS));
}
SYM_ALIAS(eaccess, euidaccess);

SYM(int, statfs, (const char *path, struct statfs *st))
{
	RETURN_INT(umfs_hook_statfs(path, st));
}
SYM_ALIAS(statfs64, statfs);
SYM_ALIAS(__statfs, statfs);

SYM(int, fstatfs, (int fd, struct statfs *st))
{
	RETURN_INT(umfs_hook_fstatfs(fd, st));
}
SYM_ALIAS(fstatfs64, fstatfs);

SYM(int, statvfs, (const char *path, struct statvfs *st))
{
	RETURN_INT(umfs_hook_statvfs(path, st));
}
SYM_ALIAS(statvfs64, statvfs);

SYM(int, fstatvfs, (int fd, struct statvfs *st))
{
	RETURN_INT(umfs_hook_fstatvfs(fd, st));
}
SYM_ALIAS(fstatvfs64, fstatvfs);

/* ---- limits: asked of the descriptor or path only where they differ ---- */

static long limit_of(int name)
{
	switch (name) {
	case _PC_LINK_MAX:
		return UMFS_LINKS_MAX;
	case _PC_NAME_MAX:
		return UMFS_NAME_MAX;
	case _PC_PATH_MAX:
		return PATH_MAX;
	case _PC_PIPE_BUF:
		return PIPE_BUF;
	case _PC_CHOWN_RESTRICTED:
	case _PC_NO_TRUNC:
	case _PC_2_SYMLINKS:
		return 1;
	case _PC_FILESIZEBITS:
		return 64;
	case _PC_SYMLINK_MAX:
		return PATH_MAX - 1;
	case _PC_REC_XFER_ALIGN:
	case _PC_REC_MIN_XFER_SIZE:
	case _PC_ALLOC_SIZE_MIN:
		return UMFS_PAGE_BYTES;
	default:
		return -1;
	}
}

/* libc asks statfs and stat for the rest, which lead here. */
static bool ours_to_say(int name)
{
	return !umfs_redirected() || name == _PC_LINK_MAX || name == _PC_FILESIZEBITS ||
	       name == _PC_2_SYMLINKS;
}

SYM(long, fpathconf, (int fd, int name))
{
	long (*real)(int, int);

	if (umfs_uinfo_is_open(fd) && ours_to_say(name))
		return limit_of(name);
	real = (long (*)(int, int))umfs_libc("fpathconf");
	return real(fd, name);
}

SYM(long, pathconf, (const char *path, int name))
{
	long (*real)(const char *, int);
	struct stat st;

	if (umfs_ready() && ours_to_say(name) && umfs_hook_path_ours(path)) {
		if (umfs_sym_return(umfs_hook_fstatat(AT_FDCWD, path, &st, 0)))
			return -1;
		return limit_of(name);
	}
	real = (long (*)(const char *, int))umfs_libc("pathconf");
	return real(path, name);
}
