// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_xattr.c - extended attributes.
 *
 * A call is one of four things done to one file, which a path or a descriptor
 * names; `struct request` carries it. What core gets of the caller's memory by
 * pointer are values; the name is fetched before.
 */
#include "file.h"
#include "hooks.h"
#include "module.h"
#include "umfs/ioctl.h"

enum what { GET, SET, LIST, REMOVE };

struct request {
	enum what what;
	const char *name;  /* the caller's */
	void *value;	   /* or list of names */
	size_t size;
	int flags;
	bool follow; /* of a path */
};

/* The caller's name: its length, -ERANGE, -EFAULT. */
static long fetch_name(char to[UMFS_NAME_MAX + 1], const char *from)
{
	long n = umfs_string_fetch(to, from, UMFS_NAME_MAX + 1);

	return !n || n == -ENAMETOOLONG ? -ERANGE : n;
}

/* As newer kernels do, it is looked at before the path is. */
static long check_name(const char *from)
{
	char name[UMFS_NAME_MAX + 1];
	long len = umfs_active() ? fetch_name(name, from) : 0;

	return UMFS_MIN(len, 0l);
}

/* Under the guard. */
static long serve(struct umfs *fs, umfs_node node, const struct request *r)
{
	char name[UMFS_NAME_MAX + 1];
	struct umfs_cred cred;
	long len = r->what == LIST ? 0 : fetch_name(name, r->name);

	if (len < 0)
		return len;
	umfs_cred_get(&cred);
	switch (r->what) {
	case GET:
		return umfs_getxattr(fs, &cred, node, name, (uint32_t)len, r->value, r->size);
	case SET:
		return umfs_setxattr(fs, &cred, node, name, (uint32_t)len, r->value, r->size,
				     (uint32_t)r->flags);
	case LIST:
		return umfs_listxattr(fs, &cred, node, r->value, r->size);
	default:
		return umfs_removexattr(fs, &cred, node, name, (uint32_t)len);
	}
}

static long serve_module(const struct spot *s, const struct request *r)
{
	static const unsigned long requests[] = {
		[GET] = UMFS_IOC_GETXATTR,
		[SET] = UMFS_IOC_SETXATTR,
		[LIST] = UMFS_IOC_LISTXATTR,
		[REMOVE] = UMFS_IOC_REMOVEXATTR,
	};
	char name[UMFS_NAME_MAX + 1];
	long len = r->what == LIST ? 0 : fetch_name(name, r->name);
	struct module_xattr x = {
		.request = requests[r->what],
		.name = name,
		.name_len = (size_t)len,
		.value = r->value,
		.size = r->size,
		.flags = r->flags,
		.follow = r->follow,
	};

	return len < 0 ? len : umfs_module_xattr(s, &x);
}

/* d: the request. */
static long serve_ours(struct spot *s, struct path_args *a)
{
	if (s->m->module)
		return serve_module(s, (const struct request *)a->d);
	struct umfs *fs = umfs_mount_fs(s->m);
	struct umfs_attr attr;
	long err = umfs_getattr(fs, s->w.ino, &attr);

	if (!err && s->w.must_be_dir && !S_ISDIR(attr.mode))
		err = -ENOTDIR;
	return err ? err : serve(fs, s->w.ino, (const struct request *)a->d);
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
	return SPOT_MODULE | (follow ? 0 : SPOT_NOFOLLOW);
}

long umfs_hook_getxattr(const char *path, const char *name, void *v, size_t n, bool follow)
{
	struct request r = {
		.what = GET, .name = name, .value = v, .size = n, .follow = follow};
	struct path_args a = {.a = follow ? SYS_getxattr : SYS_lgetxattr,
			      .b = (long)n,
			      .d = (long)&r,
			      .p = (void *)(uintptr_t)name,
			      .q = v};
	long err = check_name(name);

	return err ? err : umfs_path_call(AT_FDCWD, path, how(follow), serve_ours, get_kernel, &a);
}

long umfs_hook_setxattr(const char *path, const char *name, const void *v, size_t n, int flags,
			bool follow)
{
	struct request r = {.what = SET,
			    .name = name,
			    .value = (void *)(uintptr_t)v,
			    .size = n,
			    .flags = flags,
			    .follow = follow};
	struct path_args a = {.a = follow ? SYS_setxattr : SYS_lsetxattr,
			      .b = (long)n,
			      .c = flags,
			      .d = (long)&r,
			      .p = (void *)(uintptr_t)name,
			      .q = (void *)(uintptr_t)v};
	long err = check_name(name);

	return err ? err : umfs_path_call(AT_FDCWD, path, how(follow), serve_ours, set_kernel, &a);
}

long umfs_hook_listxattr(const char *path, char *list, size_t n, bool follow)
{
	struct request r = {.what = LIST, .value = list, .size = n, .follow = follow};
	struct path_args a = {.a = follow ? SYS_listxattr : SYS_llistxattr,
			      .b = (long)n,
			      .d = (long)&r,
			      .p = list};

	return umfs_path_call(AT_FDCWD, path, how(follow), serve_ours, list_kernel, &a);
}

long umfs_hook_removexattr(const char *path, const char *name, bool follow)
{
	struct request r = {.what = REMOVE, .name = name, .follow = follow};
	struct path_args a = {.a = follow ? SYS_removexattr : SYS_lremovexattr,
			      .d = (long)&r,
			      .p = (void *)(uintptr_t)name};
	long err = check_name(name);

	return err ? err : umfs_path_call(AT_FDCWD, path, how(follow), serve_ours, remove_kernel,
					  &a);
}

/* False: the descriptor is the kernel's. */
static bool serve_fd(int fd, const struct request *r, long *ret)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return false;
	if (kind == UINFO_PATH) {
		*ret = -EBADF;
		return true;
	}
	umfs_guard_enter();
	*ret = umfs_file_gone(serve(f.fs, umfs_file_node(&f), r));
	umfs_guard_leave();
	return true;
}

long umfs_hook_fgetxattr(int fd, const char *name, void *v, size_t n)
{
	struct request r = {.what = GET, .name = name, .value = v, .size = n};
	long ret;

	return serve_fd(fd, &r, &ret) ? ret : sys4(SYS_fgetxattr, fd, name, v, n);
}

long umfs_hook_fsetxattr(int fd, const char *name, const void *v, size_t n, int flags)
{
	struct request r = {.what = SET,
			    .name = name,
			    .value = (void *)(uintptr_t)v,
			    .size = n,
			    .flags = flags};
	long ret;

	return serve_fd(fd, &r, &ret) ? ret : sys5(SYS_fsetxattr, fd, name, v, n, flags);
}

long umfs_hook_flistxattr(int fd, char *list, size_t n)
{
	struct request r = {.what = LIST, .value = list, .size = n};
	long ret;

	return serve_fd(fd, &r, &ret) ? ret : sys3(SYS_flistxattr, fd, list, n);
}

long umfs_hook_fremovexattr(int fd, const char *name)
{
	struct request r = {.what = REMOVE, .name = name};
	long ret;

	return serve_fd(fd, &r, &ret) ? ret : sys2(SYS_fremovexattr, fd, name);
}
