// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_name.c - exported symbols: names, directories changed to, attributes.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "sym.h"

SYM(int, mkdir, (const char *path, mode_t mode))
{
	RETURN_INT(umfs_hook_mkdir(AT_FDCWD, path, mode));
}

SYM(int, mkdirat, (int dirfd, const char *path, mode_t mode))
{
	RETURN_INT(umfs_hook_mkdir(dirfd, path, mode));
}

SYM(int, rmdir, (const char *path))
{
	RETURN_INT(umfs_hook_unlink(AT_FDCWD, path, AT_REMOVEDIR));
}

SYM(int, unlink, (const char *path))
{
	RETURN_INT(umfs_hook_unlink(AT_FDCWD, path, 0));
}

SYM(int, unlinkat, (int dirfd, const char *path, int flags))
{
	RETURN_INT(umfs_hook_unlink(dirfd, path, flags));
}

SYM(int, remove, (const char *path))
{
	RETURN_INT(umfs_hook_remove(path));
}

SYM(int, rename, (const char *from, const char *to))
{
	RETURN_INT(umfs_hook_rename(AT_FDCWD, from, AT_FDCWD, to, 0));
}

SYM(int, renameat, (int from_dirfd, const char *from, int to_dirfd, const char *to))
{
	RETURN_INT(umfs_hook_rename(from_dirfd, from, to_dirfd, to, 0));
}

SYM(int, renameat2,
    (int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags))
{
	RETURN_INT(umfs_hook_rename(from_dirfd, from, to_dirfd, to, flags));
}

SYM(int, link, (const char *from, const char *to))
{
	RETURN_INT(umfs_hook_link(AT_FDCWD, from, AT_FDCWD, to, 0));
}

SYM(int, linkat, (int from_dirfd, const char *from, int to_dirfd, const char *to, int flags))
{
	RETURN_INT(umfs_hook_link(from_dirfd, from, to_dirfd, to, flags));
}

SYM(int, symlink, (const char *target, const char *path))
{
	RETURN_INT(umfs_hook_symlink(target, AT_FDCWD, path));
}

SYM(int, symlinkat, (const char *target, int dirfd, const char *path))
{
	RETURN_INT(umfs_hook_symlink(target, dirfd, path));
}

SYM(ssize_t, readlink, (const char *path, char *buf, size_t size))
{
	RETURN(umfs_hook_readlink(AT_FDCWD, path, buf, size));
}

SYM(ssize_t, readlinkat, (int dirfd, const char *path, char *buf, size_t size))
{
	RETURN(umfs_hook_readlink(dirfd, path, buf, size));
}

SYM(ssize_t, __readlink_chk, (const char *path, char *buf, size_t size, size_t room))
{
	if (size > room)
		__chk_fail();
	RETURN(umfs_hook_readlink(AT_FDCWD, path, buf, size));
}

SYM(ssize_t, __readlinkat_chk, (int dirfd, const char *path, char *buf, size_t size, size_t room))
{
	if (size > room)
		__chk_fail();
	RETURN(umfs_hook_readlink(dirfd, path, buf, size));
}

SYM(int, mknod, (const char *path, mode_t mode, dev_t rdev))
{
	RETURN_INT(umfs_hook_mknod(AT_FDCWD, path, mode, rdev));
}

SYM(int, mknodat, (int dirfd, const char *path, mode_t mode, dev_t rdev))
{
	RETURN_INT(umfs_hook_mknod(dirfd, path, mode, rdev));
}

SYM(int, __xmknod, (int version, const char *path, mode_t mode, dev_t *rdev))
{
	RETURN_INT(version ? -EINVAL : umfs_hook_mknod(AT_FDCWD, path, mode, *rdev));
}

SYM(int, __xmknodat, (int version, int dirfd, const char *path, mode_t mode, dev_t *rdev))
{
	RETURN_INT(version ? -EINVAL : umfs_hook_mknod(dirfd, path, mode, *rdev));
}

SYM(int, mkfifo, (const char *path, mode_t mode))
{
	RETURN_INT(umfs_hook_mkfifo(AT_FDCWD, path, mode));
}

SYM(int, mkfifoat, (int dirfd, const char *path, mode_t mode))
{
	RETURN_INT(umfs_hook_mkfifo(dirfd, path, mode));
}

/* ---- canonical paths and the working directory ---- */

/* What libc makes of readlink and getcwd is right where those lead here. */
SYM(char *, realpath, (const char *path, char *out))
{
	char *buf;

	if (umfs_redirected())
		return ((char *(*)(const char *, char *))umfs_libc("realpath"))(path, out);
	buf = out ? out : malloc(PATH_MAX);
	if (!buf)
		return NULL;
	if (umfs_sym_return(umfs_hook_realpath(path, buf)) == 0)
		return buf;
	if (!out)
		free(buf);
	return NULL;
}

SYM(char *, __realpath_chk, (const char *path, char *out, size_t room))
{
	if (out && room < PATH_MAX)
		__chk_fail();
	return umfs_sym_realpath(path, out);
}

SYM(char *, canonicalize_file_name, (const char *path))
{
	return umfs_sym_realpath(path, NULL);
}

SYM(int, chdir, (const char *path))
{
	RETURN_INT(umfs_hook_chdir(path));
}

SYM(int, fchdir, (int fd))
{
	RETURN_INT(umfs_hook_fchdir(fd));
}

/* Longer than any path that a call takes: memory of `size` bytes, or of as many as it needs. */
static char *getcwd_long(size_t size)
{
	for (size_t room = size ? size : 4 * PATH_MAX;; room *= 2) {
		char *out = malloc(room);
		long n = out ? umfs_hook_getcwd(out, room) : -ENOMEM;

		if (n > 0)
			return out;
		free(out);
		if (n != -ERANGE || size || room > (1u << 20)) {
			umfs_sym_return(n);
			return NULL;
		}
	}
}

/* buf NULL: as libc, memory of `size` bytes, or of what is needed when that is 0. */
SYM(char *, getcwd, (char *buf, size_t size))
{
	char tmp[PATH_MAX];
	char *out;
	long n;

	if (buf && !size) {
		errno = EINVAL;
		return NULL;
	}
	if (buf)
		return umfs_sym_return(umfs_hook_getcwd(buf, size)) > 0 ? buf : NULL;
	n = umfs_hook_getcwd(tmp, sizeof(tmp));
	if (n == -ERANGE && (!size || size > sizeof(tmp)))
		return getcwd_long(size);
	if (umfs_sym_return(n) < 0)
		return NULL;
	if (size && (size_t)n > size) {
		errno = ERANGE;
		return NULL;
	}
	out = malloc(size ? size : (size_t)n);
	return out ? memcpy(out, tmp, (size_t)n) : NULL;
}

SYM(char *, __getcwd_chk, (char *buf, size_t size, size_t room))
{
	if (size > room)
		__chk_fail();
	return umfs_sym_getcwd(buf, size);
}

SYM(char *, getwd, (char *buf))
{
	if (!buf) {
		errno = EINVAL;
		return NULL;
	}
	return umfs_sym_getcwd(buf, PATH_MAX);
}

SYM(char *, __getwd_chk, (char *buf, size_t room))
{
	char tmp[PATH_MAX];

	if (!umfs_sym_getcwd(tmp, sizeof(tmp)))
		return NULL;
	if (strlen(tmp) >= room)
		__chk_fail();
	return strcpy(buf, tmp);
}

/* $PWD where it names the working directory (it may go through links), else getcwd. */
SYM(char *, get_current_dir_name, (void))
{
	const char *pwd = getenv("PWD");
	struct stat here, there;

	if (pwd && *pwd == '/' && strlen(pwd) < PATH_MAX &&
	    umfs_hook_fstatat(AT_FDCWD, ".", &here, 0) == 0 &&
	    umfs_hook_fstatat(AT_FDCWD, pwd, &there, 0) == 0 && here.st_dev == there.st_dev &&
	    here.st_ino == there.st_ino)
		return strdup(pwd);
	return umfs_sym_getcwd(NULL, 0);
}

SYM(mode_t, umask, (mode_t mask))
{
	return (mode_t)umfs_cred_umask(mask);
}

/* ---- attributes ---- */

SYM(int, chmod, (const char *path, mode_t mode))
{
	RETURN_INT(umfs_hook_chmod(AT_FDCWD, path, mode, 0));
}

SYM(int, lchmod, (const char *path, mode_t mode))
{
	RETURN_INT(umfs_hook_chmod(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW));
}

SYM(int, fchmod, (int fd, mode_t mode))
{
	RETURN_INT(umfs_hook_fchmod(fd, mode));
}

SYM(int, fchmodat, (int dirfd, const char *path, mode_t mode, int flags))
{
	RETURN_INT(umfs_hook_chmod(dirfd, path, mode, flags));
}

SYM(int, chown, (const char *path, uid_t uid, gid_t gid))
{
	RETURN_INT(umfs_hook_chown(AT_FDCWD, path, uid, gid, 0));
}

SYM(int, lchown, (const char *path, uid_t uid, gid_t gid))
{
	RETURN_INT(umfs_hook_chown(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW));
}

SYM(int, fchown, (int fd, uid_t uid, gid_t gid))
{
	RETURN_INT(umfs_hook_fchown(fd, uid, gid));
}

SYM(int, fchownat, (int dirfd, const char *path, uid_t uid, gid_t gid, int flags))
{
	RETURN_INT(umfs_hook_chown(dirfd, path, uid, gid, flags));
}

SYM(int, utimensat, (int dirfd, const char *path, const struct timespec *times, int flags))
{
	/* As glibc: no path is an error here, unlike in the system call. */
	RETURN_INT(path ? umfs_hook_utimens(dirfd, path, times, flags) : -EINVAL);
}

SYM(int, futimens, (int fd, const struct timespec *times))
{
	RETURN_INT(umfs_hook_utimens(fd, NULL, times, 0));
}

SYM(int, utimes, (const char *path, const struct timeval *tv))
{
	RETURN_INT(umfs_hook_utimes(AT_FDCWD, path, tv, 0));
}

SYM(int, lutimes, (const char *path, const struct timeval *tv))
{
	RETURN_INT(umfs_hook_utimes(AT_FDCWD, path, tv, AT_SYMLINK_NOFOLLOW));
}

SYM(int, futimes, (int fd, const struct timeval *tv))
{
	RETURN_INT(umfs_hook_utimes(fd, NULL, tv, 0));
}

SYM(int, futimesat, (int dirfd, const char *path, const struct timeval *tv))
{
	RETURN_INT(umfs_hook_utimes(dirfd, path, tv, 0));
}

SYM(int, utime, (const char *path, const struct utimbuf *t))
{
	RETURN_INT(umfs_hook_utime(path, t));
}
