// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_xattr.c - extended attributes: not there yet on files of ours (ENOTSUP).
 */
#include "hooks.h"
#include "path.h"

static long refuse_ours(struct spot *s, struct path_args *a)
{
	struct umfs_attr attr;
	long err = umfs_getattr(umfs_mount_fs(s->m), s->w.ino, &attr);

	(void)a;
	if (err)
		return err;
	return umfs_refuse(REPORT_NO_XATTR, ENOTSUP);
}

/* a: system call number; b, c, d and p, q: its arguments after the path. */
static long get_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	return sys4(a->a, path, a->p, a->q, a->b);
}

static long set_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	return sys5(a->a, path, a->p, a->q, a->b, a->c);
}

static long list_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	return sys3(a->a, path, a->p, a->b);
}

static long remove_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	return sys2(a->a, path, a->p);
}

static uint32_t how(bool follow)
{
	return follow ? 0 : SPOT_NOFOLLOW;
}

long umfs_hook_getxattr(const char *path, const char *name, void *v, size_t n, bool follow)
{
	struct path_args a = {.a = follow ? SYS_getxattr : SYS_lgetxattr,
			      .b = (long)n,
			      .p = (void *)(uintptr_t)name,
			      .q = v};

	return umfs_path_call(AT_FDCWD, path, how(follow), refuse_ours, get_kernel, &a);
}

long umfs_hook_setxattr(const char *path, const char *name, const void *v, size_t n, int flags,
			bool follow)
{
	struct path_args a = {.a = follow ? SYS_setxattr : SYS_lsetxattr,
			      .b = (long)n,
			      .c = flags,
			      .p = (void *)(uintptr_t)name,
			      .q = (void *)(uintptr_t)v};

	return umfs_path_call(AT_FDCWD, path, how(follow), refuse_ours, set_kernel, &a);
}

long umfs_hook_listxattr(const char *path, char *list, size_t n, bool follow)
{
	struct path_args a = {
		.a = follow ? SYS_listxattr : SYS_llistxattr, .b = (long)n, .p = list};

	return umfs_path_call(AT_FDCWD, path, how(follow), refuse_ours, list_kernel, &a);
}

long umfs_hook_removexattr(const char *path, const char *name, bool follow)
{
	struct path_args a = {.a = follow ? SYS_removexattr : SYS_lremovexattr,
			      .p = (void *)(uintptr_t)name};

	return umfs_path_call(AT_FDCWD, path, how(follow), refuse_ours, remove_kernel, &a);
}

static bool refused(int fd, long *ret)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return false;
	*ret = kind == UINFO_PATH ? -EBADF : umfs_refuse(REPORT_NO_XATTR, ENOTSUP);
	return true;
}

long umfs_hook_fgetxattr(int fd, const char *name, void *v, size_t n)
{
	long ret;

	return refused(fd, &ret) ? ret : sys4(SYS_fgetxattr, fd, name, v, n);
}

long umfs_hook_fsetxattr(int fd, const char *name, const void *v, size_t n, int flags)
{
	long ret;

	return refused(fd, &ret) ? ret : sys5(SYS_fsetxattr, fd, name, v, n, flags);
}

long umfs_hook_flistxattr(int fd, char *list, size_t n)
{
	long ret;

	return refused(fd, &ret) ? ret : sys3(SYS_flistxattr, fd, list, n);
}

long umfs_hook_fremovexattr(int fd, const char *name)
{
	long ret;

	return refused(fd, &ret) ? ret : sys2(SYS_fremovexattr, fd, name);
}
