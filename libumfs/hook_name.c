// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_name.c - names: mkdir, unlink, rename, link, symlink, readlink, mknod.
 */
#include <linux/fs.h>
#include <sys/stat.h>

#include "hooks.h"
#include "module.h"

static struct umfs *fs_of(const struct spot *s)
{
	return umfs_mount_fs(s->m);
}

/* ---- mkdir ---- */

static long mkdir_ours(struct spot *s, struct path_args *a)
{
	struct umfs_cred cred;
	umfs_node made;

	if (s->w.ino || !s->w.name_len)
		return -EEXIST;
	if (s->m->module)
		return umfs_module_mkdir(s, (mode_t)a->a);
	umfs_cred_get(&cred);
	return umfs_mkdir(fs_of(s), &cred, s->w.parent, s->w.name, s->w.name_len,
			  (uint32_t)a->a & 07777, &made);
}

static long mkdir_kernel(int dirfd, const char *path, struct path_args *a)
{
	return sys3(SYS_mkdirat, dirfd, path, a->a);
}

long umfs_hook_mkdir(int dirfd, const char *path, mode_t mode)
{
	struct path_args a = {.a = mode};

	return umfs_path_call(dirfd, path, SPOT_PARENT | SPOT_NOFOLLOW | SPOT_MODULE, mkdir_ours,
			      mkdir_kernel, &a);
}

/* ---- unlink, rmdir ---- */

static bool last_is(const char *path, const char *what)
{
	size_t n = strlen(path), k = strlen(what);

	while (n && path[n - 1] == '/')
		n--;
	return n >= k && !memcmp(path + n - k, what, k) && (n == k || path[n - k - 1] == '/');
}

/* The path ended in something that can not be removed by name. */
static long rmdir_nameless(const struct spot *s)
{
	const char *path = s->given;

	if (last_is(path, ".."))
		return -ENOTEMPTY;
	return last_is(path, ".") ? -EINVAL : -EBUSY;
}

static long unlink_ours(struct spot *s, struct path_args *a)
{
	struct umfs_cred cred;
	struct umfs_attr attr;
	long err;

	if (!s->w.name_len)
		return a->a & AT_REMOVEDIR ? rmdir_nameless(s) : -EISDIR;
	if (!s->w.ino && (s->m->module || s->w.must_be_dir))
		return s->w.name_len > UMFS_NAME_MAX ? -ENAMETOOLONG : -ENOENT;
	if (s->m->module && (a->a & AT_REMOVEDIR || !s->w.must_be_dir))
		return umfs_module_unlink(s, (int)a->a);
	umfs_cred_get(&cred);
	if (a->a & AT_REMOVEDIR)
		return umfs_rmdir(fs_of(s), &cred, s->w.parent, s->w.name, s->w.name_len);
	if (s->w.must_be_dir) {
		err = umfs_walk_getattr(fs_of(s), &s->w, &attr);
		if (err)
			return err;
		return S_ISDIR(attr.mode) ? -EISDIR : -ENOTDIR;
	}
	return umfs_unlink(fs_of(s), &cred, s->w.parent, s->w.name, s->w.name_len);
}

static long unlink_kernel(int dirfd, const char *path, struct path_args *a)
{
	return sys3(SYS_unlinkat, dirfd, path, a->a);
}

long umfs_hook_unlink(int dirfd, const char *path, int flags)
{
	struct path_args a = {.a = flags};

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	return umfs_path_call(dirfd, path, SPOT_PARENT | SPOT_NOFOLLOW | SPOT_NAME | SPOT_MODULE,
			      unlink_ours, unlink_kernel, &a);
}

long umfs_hook_remove(const char *path)
{
	long err = umfs_hook_unlink(AT_FDCWD, path, 0);

	return err == -EISDIR ? umfs_hook_unlink(AT_FDCWD, path, AT_REMOVEDIR) : err;
}

/* ---- rename, link ---- */

/* A trailing slash asks for a directory. */
static long want_dir(const struct spot *s)
{
	struct umfs_attr attr;
	long err = umfs_walk_getattr(fs_of(s), &s->w, &attr);

	if (err)
		return err;
	return S_ISDIR(attr.mode) ? 0 : -ENOTDIR;
}

/* Of the new name only an exchange asks what is there; else the old one's is to be a directory. */
static long rename_slashes(const struct spot *from, const struct spot *to, bool exchange)
{
	long err = 0;

	if (exchange && to->w.must_be_dir)
		err = want_dir(to);
	if (!err && (from->w.must_be_dir || (to->w.must_be_dir && !exchange)))
		err = want_dir(from);
	return err;
}

/* What the name means, where the walk has not looked (SPOT_NAME). */
static long look_up(struct spot *s)
{
	uint32_t ino;
	long err;

	if (s->w.ino || s->m->module || s->w.name_len > UMFS_NAME_MAX)
		return 0;
	err = umfs_lookup(fs_of(s), s->w.parent, s->w.name, s->w.name_len, &ino);
	if (!err)
		s->w.ino = ino;
	return err == -ENOENT ? 0 : err;
}

/* Flags, slashes and long names: what Linux says, in its order; core says the rest. */
static long rename_refusal(struct spot *from, struct spot *to, uint32_t flags)
{
	long err = look_up(from);

	if (!err)
		err = look_up(to);
	if (err)
		return err;
	if (!from->w.ino)
		return from->w.name_len > UMFS_NAME_MAX ? -ENAMETOOLONG : -ENOENT;
	if (to->w.name_len > UMFS_NAME_MAX)
		return -ENAMETOOLONG;
	if ((flags & RENAME_NOREPLACE) && to->w.ino)
		return -EEXIST;
	if ((flags & RENAME_EXCHANGE) && !to->w.ino)
		return -ENOENT;
	return rename_slashes(from, to, flags & RENAME_EXCHANGE);
}

static bool plain_name(const struct spot *s)
{
	return !s->m->module && !s->w.must_be_dir && s->w.name_len <= UMFS_NAME_MAX;
}

static long rename_ours(struct spot *from, struct spot *to, struct path_args *a)
{
	uint32_t flags = (uint32_t)a->a;
	struct umfs_cred cred;
	long err = 0;

	if (!from->w.name_len || !to->w.name_len)
		return from->w.name_len && (flags & RENAME_NOREPLACE) ? -EEXIST : -EBUSY;
	if (flags || !plain_name(from) || !plain_name(to))
		err = rename_refusal(from, to, flags);
	if (err)
		return err;
	if (from->m->module)
		return umfs_module_rename(from, to, flags);
	umfs_cred_get(&cred);
	return umfs_rename(fs_of(from), &cred, from->w.parent, from->w.name, from->w.name_len,
			   to->w.parent, to->w.name, to->w.name_len, flags);
}

static long rename_kernel(const struct path_pair *p, struct path_args *a)
{
	if (!a->a)
		return sys4(SYS_renameat, p->from_dirfd, p->from, p->to_dirfd, p->to);
	return sys5(SYS_renameat2, p->from_dirfd, p->from, p->to_dirfd, p->to, a->a);
}

long umfs_hook_rename(int from_dirfd, const char *from, int to_dirfd, const char *to,
		      unsigned flags)
{
	struct path_pair p = {.from_dirfd = from_dirfd,
			      .to_dirfd = to_dirfd,
			      .from = from,
			      .to = to,
			      .from_flags = SPOT_NOFOLLOW | SPOT_PARENT | SPOT_NAME,
			      .to_flags = SPOT_NOFOLLOW | SPOT_PARENT | SPOT_NAME};
	struct path_args a = {.a = flags};

	/* As the kernel, before it looks at the paths. */
	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) ||
	    ((flags & RENAME_EXCHANGE) && (flags & ~RENAME_EXCHANGE)))
		return -EINVAL;
	return umfs_path_pair(&p, rename_ours, rename_kernel, &a);
}

/* fs.protected_hardlinks, as the kernel applies it by the mount; where it can not be read: on. */
static bool links_protected(void)
{
	static uint32_t known; /* 0: not yet, else 1 + the answer */
	char value = '1';
	long fd;

	if (!LOAD(&known)) {
		fd = port_quiet ? -1 : sys4(SYS_openat, AT_FDCWD, "/proc/sys/fs/protected_hardlinks",
					    O_RDONLY | O_CLOEXEC, 0);
		if (fd >= 0) {
			(void)sys4(SYS_pread64, fd, &value, 1, 0);
			sys1(SYS_close, fd);
		}
		STORE(&known, value == '0' ? 1 : 2);
	}
	return LOAD(&known) == 2;
}

/* Nobody makes a name of his own for another's file that he may not read and write. */
static long may_link(struct umfs *fs, const struct umfs_cred *cred, umfs_node node)
{
	struct umfs_attr attr;
	long err;

	if (cred->override)
		return 0;
	err = umfs_getattr(fs, node, &attr);
	if (err || attr.uid == cred->uid || !links_protected())
		return err;
	if (!S_ISREG(attr.mode) || (attr.mode & S_ISUID) ||
	    (attr.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return -EPERM;
	return umfs_access(fs, cred, node, R_OK | W_OK) ? -EPERM : 0;
}

static long link_ours(struct spot *from, struct spot *to, struct path_args *a)
{
	struct umfs_cred cred;
	long err;

	if (to->w.ino || !to->w.name_len)
		return -EEXIST;
	if (to->w.must_be_dir)
		return -ENOENT;
	if (from->m->module)
		return umfs_module_link(from, to, a->a & AT_SYMLINK_FOLLOW);
	umfs_cred_get(&cred);
	err = may_link(fs_of(from), &cred, from->w.ino);
	if (err)
		return err;
	return umfs_link(fs_of(from), &cred, from->w.ino, to->w.parent, to->w.name,
			 to->w.name_len);
}

static long link_kernel(const struct path_pair *p, struct path_args *a)
{
	return sys5(SYS_linkat, p->from_dirfd, p->from, p->to_dirfd, p->to, a->a);
}

/*
 * A file by its descriptor alone: Linux before 6.10 lets only CAP_DAC_READ_SEARCH do it, and says
 * ENOENT to others before anything else; there is no descriptor -1 that it could come by.
 */
static bool empty_refused(void)
{
	return !port_quiet && sys5(SYS_linkat, -1, "", -1, "-", AT_EMPTY_PATH) == -ENOENT;
}

long umfs_hook_link(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
	struct path_pair p = {.from_dirfd = from_dirfd,
			      .to_dirfd = to_dirfd,
			      .from = from,
			      .to = to,
			      .to_flags = SPOT_NOFOLLOW | SPOT_PARENT};
	struct path_args a = {.a = flags};

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!(flags & AT_SYMLINK_FOLLOW))
		p.from_flags |= SPOT_NOFOLLOW;
	if (flags & AT_EMPTY_PATH) {
		if (empty_refused())
			return -ENOENT;
		p.from_flags |= SPOT_EMPTY;
	}
	return umfs_path_pair(&p, link_ours, link_kernel, &a);
}

/* ---- symlink, readlink ---- */

static long symlink_ours(struct spot *s, struct path_args *a)
{
	char *target = umfs_spot_scratch(s)->outer[0];
	struct umfs_cred cred;
	umfs_node made;
	long n;

	if (s->w.ino || !s->w.name_len)
		return -EEXIST;
	if (s->w.must_be_dir)
		return -ENOENT;
	n = umfs_path_fetch(target, a->p);
	if (n <= 0)
		return n ? n : -ENOENT;
	if (s->m->module)
		return umfs_module_symlink(s, target);
	umfs_cred_get(&cred);
	return umfs_symlink(fs_of(s), &cred, s->w.parent, s->w.name, s->w.name_len, target,
			    (uint32_t)n, &made);
}

static long symlink_kernel(int dirfd, const char *path, struct path_args *a)
{
	return sys3(SYS_symlinkat, a->p, dirfd, path);
}

long umfs_hook_symlink(const char *target, int dirfd, const char *path)
{
	struct path_args a = {.p = (void *)(uintptr_t)target};
	long n = umfs_active() ? umfs_path_length(target) : 1;

	if (n <= 0) /* said before the path is looked at */
		return n ? n : -ENOENT;
	return umfs_path_call(dirfd, path, SPOT_PARENT | SPOT_NOFOLLOW | SPOT_MODULE, symlink_ours,
			      symlink_kernel, &a);
}

static long readlink_ours(struct spot *s, struct path_args *a)
{
	char *target = umfs_spot_scratch(s)->outer[0];
	struct umfs_attr attr;
	int64_t n;

	n = umfs_walk_getattr(fs_of(s), &s->w, &attr);
	if (n)
		return n;
	if (!S_ISLNK(attr.mode)) /* the descriptor itself: there is no such name */
		return *s->given ? -EINVAL : -ENOENT;
	if (s->m->module)
		return umfs_module_readlink(s, a->p, (size_t)a->a);
	n = umfs_readlink(fs_of(s), s->w.ino, target, UMFS_MIN((uint64_t)a->a, OUTER_BYTES));
	if (n > 0 && port_copy_out(a->p, target, (uint64_t)n))
		return -EFAULT;
	return n;
}

/* Of a number's name the kernel says what holds it. */
static long readlink_kernel(int dirfd, const char *path, struct path_args *a)
{
	long n = sys4(SYS_readlinkat, dirfd, path, a->p, a->a), ours;

	if (n <= 0 || !umfs_uinfo_open_count())
		return n;
	ours = umfs_fd_path(path, a->p, (size_t)a->a);
	return ours < 0 ? n : ours;
}

long umfs_hook_readlink(int dirfd, const char *path, char *buf, size_t size)
{
	struct path_args a = {.a = (long)UMFS_MIN(size, (size_t)INT_MAX), .p = buf};

	if (!size)
		return -EINVAL;
	return umfs_path_call(dirfd, path, SPOT_NOFOLLOW | SPOT_EMPTY | SPOT_MODULE, readlink_ours,
			      readlink_kernel, &a);
}

/* ---- mknod, mkfifo ---- */

/* As the kernel, before it looks at the path. */
static long mknod_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return 0;
	case S_IFDIR:
		return -EPERM;
	}
	return -EINVAL;
}

/* Devices are for who may make them anywhere. */
static bool is_device(uint32_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

static long mknod_ours(struct spot *s, struct path_args *a)
{
	uint32_t mode = (uint32_t)a->a;
	struct umfs_cred cred;
	umfs_node made;

	umfs_cred_get(&cred);
	if (s->w.ino || !s->w.name_len)
		return -EEXIST;
	if (s->w.must_be_dir)
		return -ENOENT;
	if (s->m->module)
		return umfs_module_mknod(s, mode, (dev_t)a->b);
	if (is_device(mode) && !cred.override)
		return s->w.name_len > UMFS_NAME_MAX ? -ENAMETOOLONG : -EPERM;
	return umfs_create(fs_of(s), &cred, s->w.parent, s->w.name, s->w.name_len, mode,
			   (uint64_t)a->b, &made);
}

static long mknod_kernel(int dirfd, const char *path, struct path_args *a)
{
	return sys4(SYS_mknodat, dirfd, path, a->a, a->b);
}

long umfs_hook_mknod(int dirfd, const char *path, mode_t mode, dev_t rdev)
{
	struct path_args a = {.a = mode, .b = (long)rdev};

	if (rdev > UINT32_MAX)
		return -EINVAL; /* as glibc: the system call takes 32 bits */
	if (umfs_active() && mknod_type(mode))
		return mknod_type(mode);
	return umfs_path_call(dirfd, path, SPOT_PARENT | SPOT_NOFOLLOW | SPOT_MODULE, mknod_ours,
			      mknod_kernel, &a);
}

long umfs_hook_mkfifo(int dirfd, const char *path, mode_t mode)
{
	return umfs_hook_mknod(dirfd, path, S_IFIFO | mode, 0);
}
