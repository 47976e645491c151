// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_open.c - open and create.
 */
#include <sys/stat.h>

#include "file.h"
#include "hooks.h"
#include "module.h"

/* What an open file description remembers of open's flags. */
#define KEPT_FLAGS                                                                        \
	(O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_DIRECT | O_NOATIME | O_PATH | \
	 O_DIRECTORY | O_NOFOLLOW | O_TMPFILE | FASYNC)

#define TMPFILE_ONLY (O_TMPFILE & ~O_DIRECTORY)

/* open_ours: a FIFO that may be opened, which takes time; a->p and a->c say which it is. */
#define OPEN_FIFO (-3001l)

long umfs_file_reserve(bool cloexec)
{
	int fd;

	umfs_local_lock(LOCK_UINFO);
	fd = umfs_spare_take(cloexec);
	if (fd < 0) {
		fd = umfs_place_new(0, cloexec);
		if (fd >= 0)
			umfs_spare_given(fd);
	}
	if (fd >= 0)
		umfs_uinfo_set(fd, UINFO_RESERVED, NULL, cloexec);
	umfs_local_unlock(LOCK_UINFO);
	return fd;
}

void umfs_file_unreserve(int fd)
{
	struct umfs_file none;

	umfs_local_lock(LOCK_UINFO);
	if (umfs_uinfo_table[fd].kind == UINFO_RESERVED) {
		umfs_uinfo_clear(fd, &none);
		sys1(SYS_close, fd);
		umfs_spare_freed(fd);
	}
	umfs_local_unlock(LOCK_UINFO);
}

long umfs_file_publish(const struct umfs_file *file, enum uinfo_kind kind, int fd)
{
	struct uinfo *u = &umfs_uinfo_table[fd];
	bool still;

	umfs_local_lock(LOCK_UINFO);
	still = u->kind == UINFO_RESERVED;
	if (still)
		umfs_uinfo_set(fd, kind, file, u->cloexec);
	umfs_local_unlock(LOCK_UINFO);
	return still ? fd : -EBADF;
}

static uint32_t wanted_access(int flags)
{
	uint32_t mask = 0;

	if (flags & O_PATH)
		return 0;
	if ((flags & O_ACCMODE) != O_WRONLY)
		mask |= 4;
	if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))
		mask |= 2;
	return mask;
}

/* May `node`, which exists, be opened like this? */
static long check_existing(struct umfs *fs, umfs_node node, int flags,
			   const struct umfs_attr *attr)
{
	uint32_t mode = attr->mode;
	struct umfs_cred cred;
	bool writes = wanted_access(flags) & 2;
	long err = 0;

	if ((flags & O_DIRECTORY) && !S_ISDIR(mode))
		return -ENOTDIR;
	if (S_ISLNK(mode) && !(flags & O_PATH))
		return -ELOOP;
	if (S_ISDIR(mode) && (writes || (flags & O_CREAT)) && !(flags & O_PATH))
		return -EISDIR;
	umfs_cred_get(&cred);
	if (wanted_access(flags))
		err = umfs_access_known(fs, &cred, node, attr, wanted_access(flags));
	if (!err && (flags & O_DIRECT) && S_ISDIR(mode) && !(flags & O_PATH))
		err = -EINVAL;
	/* Reading without a trace is for who could change the times back. */
	if (!err && (flags & O_NOATIME) && !(flags & O_PATH) && !cred.override &&
	    cred.uid != attr->uid)
		err = -EPERM;
	/* Their other ends are the kernel's, which does not know them but by the mount. */
	if (!err && S_ISFIFO(mode) && !(flags & O_PATH))
		return OPEN_FIFO;
	if (!err && !S_ISREG(mode) && !S_ISDIR(mode) && !(flags & O_PATH))
		return umfs_refuse(REPORT_NO_SPECIAL, ENXIO);
	return err;
}

static enum uinfo_kind kind_of(int flags, uint32_t mode)
{
	if (flags & O_PATH)
		return UINFO_PATH;
	return S_ISDIR(mode) ? UINFO_DIR : UINFO_FILE;
}

/* The reserved number becomes the descriptor of `ofd`, whose reference this takes. */
static long publish(struct umfs *fs, uint32_t ofd, int flags, uint32_t mode, int fd)
{
	struct umfs_file file;
	long ret = umfs_file_init(fs, ofd, &file);

	if (!ret && (flags & O_TRUNC) && S_ISREG(mode) && !(flags & O_PATH))
		ret = umfs_truncate(fs, umfs_file_node(&file), 0);
	if (!ret)
		ret = umfs_file_publish(&file, kind_of(flags, mode), fd);
	if (ret < 0)
		umfs_ofd_put(fs, ofd);
	return ret;
}

static long open_gated(struct umfs *fs, umfs_node node, int flags, uint32_t mode, int fd)
{
	uint32_t ofd;
	long ret = umfs_open(fs, node, (uint32_t)(flags & KEPT_FLAGS), &ofd);

	return ret ? ret : publish(fs, ofd, flags, mode, fd);
}

static long open_inode(struct umfs *fs, umfs_node node, int flags, uint32_t mode, int fd)
{
	long ret;

	umfs_opens_enter();
	ret = open_gated(fs, node, flags, mode, fd);
	umfs_opens_leave();
	if (ret >= 0 && (flags & O_TRUNC) && S_ISREG(mode) && !(flags & O_PATH))
		umfs_maps_cut(fs, node, 0);
	return ret;
}

static long open_new(struct spot *s, int flags, mode_t mode, int fd)
{
	struct umfs *fs = umfs_mount_fs(s->m);
	struct umfs_cred cred;
	uint32_t ofd;
	long ret;

	if (s->w.must_be_dir || !s->w.name_len)
		return -EISDIR;
	umfs_cred_get(&cred);
	umfs_opens_enter();
	/* Whoever makes a file may open it, whatever its mode says. */
	ret = umfs_create_open(fs, &cred, s->w.parent, s->w.name, s->w.name_len, mode & 07777,
			       (uint32_t)(flags & KEPT_FLAGS), &ofd);
	if (!ret)
		ret = publish(fs, ofd, flags & ~O_TRUNC, S_IFREG, fd);
	umfs_opens_leave();
	return ret == -EEXIST && !(flags & O_EXCL) ? SPOT_AGAIN : ret;
}

static long open_found(struct spot *s, int flags, int fd)
{
	struct umfs *fs = umfs_mount_fs(s->m);
	struct umfs_attr attr;
	long ret;

	if ((flags & O_CREAT) && s->w.must_be_dir && s->w.name_len)
		return -EISDIR;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	ret = umfs_walk_getattr(fs, &s->w, &attr);
	if (ret)
		return ret;
	if (s->w.must_be_dir && !S_ISDIR(attr.mode))
		return -ENOTDIR;
	ret = check_existing(fs, s->w.ino, flags, &attr);
	if (!ret)
		umfs_attr_believe(fs, &attr);
	return ret ? ret : open_inode(fs, s->w.ino, flags, attr.mode, fd);
}

/* A FIFO that comes to the name only now would be waited for here, signals and all. */
static long open_of_module(const struct spot *s, struct path_args *a)
{
	int flags = (int)a->a;

	if (!umfs_module_is_fifo(s, flags))
		return umfs_file_given(umfs_module_open(s, flags, (mode_t)a->b));
	a->p = s->m;
	a->c = umfs_module_open_path(s);
	return a->c < 0 ? a->c : OPEN_FIFO;
}

/* As the kernel: first the number, so that nothing is made or emptied without one. */
static long open_ours(struct spot *s, struct path_args *a)
{
	int flags = (int)a->a;
	long ret, fd;

	if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
		return -EINVAL;
	if (s->m->module)
		return open_of_module(s, a);
	fd = umfs_file_reserve(flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	if (s->w.ino)
		ret = open_found(s, flags, (int)fd);
	else
		ret = open_new(s, flags, (mode_t)a->b, (int)fd);
	if (ret < 0)
		umfs_file_unreserve((int)fd);
	else
		umfs_uinfo_parent_set((int)ret, (uint32_t)s->w.parent); /* for fdpath.c */
	if (ret == OPEN_FIFO) {
		a->p = s->m;
		a->c = (long)s->w.ino;
	}
	return ret;
}

/* It may wait for the other end, so signals are let through. */
static long open_fifo(const struct path_args *a)
{
	const struct mount *m = a->p;
	long fd;

	if (m->module)
		return umfs_file_given(umfs_module_open_fifo((int)a->c, (int)a->a));
	fd = umfs_pass_open_node(a->p, (umfs_node)a->c,
				 (int)a->a & ~(O_CREAT | O_EXCL | O_TRUNC));

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ENOTCONN || fd == -ENAMETOOLONG)
		return umfs_refuse(REPORT_NO_SPECIAL, ENOTSUP);
	return umfs_file_given(fd);
}

/* Who asks for a directory may have come to the one beneath a mount, by a link. */
static long landed(long fd)
{
	struct stat st;
	long ret = sys2(SYS_fstat, fd, &st) ? fd : umfs_point_landed(st.st_dev, st.st_ino, fd);

	if (ret != fd)
		sys1(SYS_close, fd);
	return ret;
}

static long open_kernel(int dirfd, const char *path, struct path_args *a)
{
	long fd;

	a->plain = false;
	umfs_spare_drop();
	fd = umfs_outer_open(dirfd, path, a->a, a->b, &a->plain);
	if (fd >= 0 && (a->a & (O_DIRECTORY | O_PATH)) && umfs_active())
		return landed(fd);
	if (fd >= 0 && unlikely(umfs_config.kernel_count))
		umfs_module_opened((int)fd, (int)a->a);
	return umfs_file_given(fd);
}

/* ---- O_TMPFILE: the path names a directory ---- */

static long tmpfile_gated(struct umfs *fs, umfs_node dir, int flags, mode_t mode, int fd)
{
	struct umfs_cred cred;
	uint32_t ofd;
	long ret;

	umfs_cred_get(&cred);
	umfs_opens_enter();
	ret = umfs_tmpfile(fs, &cred, dir, mode & 07777, !(flags & O_EXCL),
			   (uint32_t)(flags & KEPT_FLAGS), &ofd);
	if (!ret)
		ret = publish(fs, ofd, flags & ~O_TRUNC, S_IFREG, fd);
	umfs_opens_leave();
	return ret;
}

static long tmpfile_ours(struct spot *s, struct path_args *a)
{
	int flags = (int)a->a;
	long ret, fd;

	if (s->m->module)
		return umfs_file_given(umfs_module_open(s, flags, (mode_t)a->b));
	fd = umfs_file_reserve(flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	ret = tmpfile_gated(umfs_mount_fs(s->m), s->w.ino, flags, (mode_t)a->b, (int)fd);
	if (ret < 0)
		umfs_file_unreserve((int)fd);
	return ret;
}

/* What it is by the mount, where that serves it: a FIFO, and all once there was a ring. */
static long opened(const struct path_args *a, long ret)
{
	if (ret == OPEN_FIFO)
		return open_fifo(a);
	if (unlikely(LOAD_RELAXED(&umfs_ring_on)) && ret >= 0 && umfs_uinfo_ours((int)ret))
		return umfs_ring_opened((int)ret);
	return ret;
}

long umfs_hook_open(int dirfd, const char *path, int flags, mode_t mode)
{
	struct path_args a = {.b = mode};
	uint32_t how = 0;
	long ret;

	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	a.a = flags;
	if (flags & TMPFILE_ONLY) {
		if ((flags & (O_TMPFILE | O_CREAT)) != O_TMPFILE || (flags & O_ACCMODE) == O_RDONLY)
			return -EINVAL;
		how = SPOT_MODULE | (flags & O_NOFOLLOW ? SPOT_NOFOLLOW : 0);
		ret = umfs_path_call(dirfd, path, how, tmpfile_ours, open_kernel, &a);
		return opened(&a, ret);
	}
	if (flags & O_CREAT)
		how |= SPOT_PARENT;
	if (flags & O_NOFOLLOW)
		how |= SPOT_NOFOLLOW;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		how |= SPOT_NOFOLLOW | SPOT_NAME; /* core says whether there is one */
	ret = umfs_path_call(dirfd, path, how | SPOT_MODULE, open_ours, open_kernel, &a);
	return opened(&a, ret);
}

static long yes(struct spot *s, struct path_args *a)
{
	(void)s;
	(void)a;
	return 1;
}

static long no(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	(void)path;
	(void)a;
	return 0;
}

/* Whatever keeps it from being opened, it is ours once it was found not to be the kernel's. */
bool umfs_hook_path_ours(const char *path)
{
	struct path_args a = {0};

	return umfs_path_call(AT_FDCWD, path, SPOT_PARENT | SPOT_MODULE, yes, no, &a) != 0;
}
