// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_xattr.c - exported symbols: extended attributes.
 */
#include "sym.h"

SYM(ssize_t, getxattr, (const char *path, const char *name, void *v, size_t n))
{
	RETURN(umfs_hook_getxattr(path, name, v, n, true));
}

SYM(ssize_t, lgetxattr, (const char *path, const char *name, void *v, size_t n))
{
	RETURN(umfs_hook_getxattr(path, name, v, n, false));
}

SYM(ssize_t, fgetxattr, (int fd, const char *name, void *v, size_t n))
{
	RETURN(umfs_hook_fgetxattr(fd, name, v, n));
}

SYM(int, setxattr, (const char *path, const char *name, const void *v, size_t n, int flags))
{
	RETURN_INT(umfs_hook_setxattr(path, name, v, n, flags, true));
}

SYM(int, lsetxattr, (const char *path, const char *name, const void *v, size_t n, int flags))
{
	RETURN_INT(umfs_hook_setxattr(path, name, v, n, flags, false));
}

SYM(int, fsetxattr, (int fd, const char *name, const void *v, size_t n, int flags))
{
	RETURN_INT(umfs_hook_fsetxattr(fd, name, v, n, flags));
}

SYM(ssize_t, listxattr, (const char *path, char *list, size_t n))
{
	RETURN(umfs_hook_listxattr(path, list, n, true));
}

SYM(ssize_t, llistxattr, (const char *path, char *list, size_t n))
{
	RETURN(umfs_hook_listxattr(path, list, n, false));
}

SYM(ssize_t, flistxattr, (int fd, char *list, size_t n))
{
	RETURN(umfs_hook_flistxattr(fd, list, n));
}

SYM(int, removexattr, (const char *path, const char *name))
{
	RETURN_INT(umfs_hook_removexattr(path, name, true));
}

SYM(int, lremovexattr, (const char *path, const char *name))
{
	RETURN_INT(umfs_hook_removexattr(path, name, false));
}

SYM(int, fremovexattr, (int fd, const char *name))
{
	RETURN_INT(umfs_hook_fremovexattr(fd, name));
}
