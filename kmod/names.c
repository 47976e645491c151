// SPDX-License-Identifier: GPL-2.0-only
/*
 * names.c - what is asked of the names in a pool, for node.c: made, read, moved, removed.
 */
#include <linux/file.h>
#include <linux/uaccess.h>

#include "kmod.h"

/* ---- one path ---- */

/* A path whose last component is made or removed by `act`. */
typedef int (*act_fn)(struct umfs_kpool *pool, const struct umfs_cred *cred,
		      const struct umfs_walk *w, const void *arg);

static int on_name(struct umfs_kpool *pool, const struct umfs_ioc_path *path, act_fn act,
		   const void *arg)
{
	struct umfs_cred cred;
	struct umfs_kpath p;
	int tries = 0, err;

	umfs_kcred(&cred);
	err = umfs_kpath_get(pool, path, &p);
	if (!err)
		do {
			err = umfs_kpath_walk(pool, &cred, &p,
					      UMFS_WALK_NOFOLLOW | UMFS_WALK_PARENT);
			if (!err)
				err = act(pool, &cred, &p.w, arg);
		} while (umfs_walk_again(err, &tries));
	umfs_kpath_put(&p);
	return err;
}

static int act_mkdir(struct umfs_kpool *pool, const struct umfs_cred *cred,
		     const struct umfs_walk *w, const void *arg)
{
	const struct umfs_ioc_mkdir *a = arg;
	umfs_node made;

	if (w->ino)
		return -EEXIST;
	return umfs_mkdir(&pool->fs, cred, w->parent, w->name, w->name_len, a->mode & 07777, &made);
}

static long do_mkdir(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_mkdir a;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.mode & ~07777u || a.zero0)
		return -EINVAL;
	return on_name(pool, &a.path, act_mkdir, &a);
}

static bool is_device(u32 mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

int umfs_may_mknod(struct umfs_kpool *pool, const struct umfs_cred *cred, umfs_node dir, u32 mode)
{
	if (!is_device(mode) || cred->override)
		return 0;
	return umfs_access(&pool->fs, cred, dir, MAY_WRITE | MAY_EXEC) ?: -EPERM;
}

static int act_mknod(struct umfs_kpool *pool, const struct umfs_cred *cred,
		     const struct umfs_walk *w, const void *arg)
{
	const struct umfs_ioc_mknod *a = arg;
	umfs_node made;
	int err;

	if (w->ino || !w->name_len)
		return -EEXIST;
	if (w->must_be_dir)
		return -ENOENT;
	err = umfs_may_mknod(pool, cred, w->parent, a->mode);
	if (err)
		return err;
	return umfs_create(&pool->fs, cred, w->parent, w->name, w->name_len, a->mode,
			   is_device(a->mode) ? a->rdev : 0, &made);
}

static long do_mknod(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_mknod a;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.mode & ~(S_IFMT | 07777u) || a.zero0 || a.rdev > U32_MAX)
		return -EINVAL;
	switch (a.mode & S_IFMT) {
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return on_name(pool, &a.path, act_mknod, &a);
	default:
		return -EINVAL;
	}
}

static int act_unlink(struct umfs_kpool *pool, const struct umfs_cred *cred,
		      const struct umfs_walk *w, const void *arg)
{
	const struct umfs_ioc_unlink *a = arg;
	bool dir = a->flags & UMFS_IOC_REMOVEDIR;

	if (!w->ino)
		return -ENOENT;
	if (!w->name_len)
		return dir ? -EINVAL : -EISDIR;
	if (dir)
		return umfs_rmdir(&pool->fs, cred, w->parent, w->name, w->name_len);
	if (w->must_be_dir)
		return -EISDIR;
	return umfs_unlink(&pool->fs, cred, w->parent, w->name, w->name_len);
}

static long do_unlink(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_unlink a;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~UMFS_IOC_REMOVEDIR || a.zero0)
		return -EINVAL;
	return on_name(pool, &a.path, act_unlink, &a);
}

static int act_symlink(struct umfs_kpool *pool, const struct umfs_cred *cred,
		       const struct umfs_walk *w, const void *arg)
{
	const char *target = arg;
	umfs_node made;

	if (w->ino)
		return -EEXIST;
	if (w->must_be_dir)
		return -ENOENT;
	return umfs_symlink(&pool->fs, cred, w->parent, w->name, w->name_len, target,
			    (uint32_t)strlen(target), &made);
}

static long do_symlink(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_symlink a;
	struct umfs_kpath target;
	int err;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.zero || a.target.dir != UMFS_IOC_ROOT)
		return -EINVAL;
	err = umfs_kpath_get(pool, &a.target, &target);
	if (!err)
		err = on_name(pool, &a.path, act_symlink, target.text);
	umfs_kpath_put(&target);
	return err;
}

/* At the start of p->room, which the walk is done with. */
static int64_t read_link(struct umfs_kpool *pool, const struct umfs_cred *cred,
			 struct umfs_kpath *p, u32 bytes)
{
	int tries = 0;
	int64_t ret;

	do {
		ret = umfs_kpath_walk(pool, cred, p, UMFS_WALK_NOFOLLOW);
		if (!ret)
			ret = umfs_readlink(&pool->fs, p->w.ino, p->room,
					    min_t(u32, bytes, UMFS_WALK_ROOM));
	} while (umfs_walk_again((int)ret, &tries));
	return ret;
}

static long do_readlink(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_readlink a;
	struct umfs_cred cred;
	struct umfs_kpath p;
	int64_t ret;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (!a.bytes)
		return -EINVAL;
	umfs_kcred(&cred);
	ret = umfs_kpath_get(pool, &a.path, &p);
	if (!ret)
		ret = read_link(pool, &cred, &p, a.bytes);
	if (ret >= 0) {
		a.done = (u32)ret;
		ret = copy_to_user(u64_to_user_ptr(a.buf), p.room, a.done) ||
				      copy_to_user(arg, &a, sizeof(a))
			      ? -EFAULT
			      : 0;
	}
	umfs_kpath_put(&p);
	return ret;
}

/* ---- two paths ---- */

struct pair {
	struct umfs_kpath from, to;
};

static int pair_get(struct umfs_kpool *pool, const struct umfs_ioc_path *from,
		    const struct umfs_ioc_path *to, struct pair *p)
{
	int err = umfs_kpath_get(pool, from, &p->from);

	memset(&p->to, 0, sizeof(p->to));
	return err ? err : umfs_kpath_get(pool, to, &p->to);
}

static void pair_put(struct pair *p)
{
	umfs_kpath_put(&p->from);
	umfs_kpath_put(&p->to);
}

typedef int (*pair_fn)(struct umfs_kpool *pool, const struct umfs_cred *cred, struct pair *p,
		       uint32_t flags);

static int on_pair(struct umfs_kpool *pool, const struct umfs_ioc_path *from,
		   const struct umfs_ioc_path *to, pair_fn act, uint32_t flags)
{
	struct umfs_cred cred;
	int tries = 0, err;
	struct pair p;

	umfs_kcred(&cred);
	err = pair_get(pool, from, to, &p);
	if (!err)
		do
			err = act(pool, &cred, &p, flags);
		while (umfs_walk_again(err, &tries));
	pair_put(&p);
	return err;
}

/* from_flags: UMFS_WALK_NOFOLLOW or 0. */
static int pair_walk(struct umfs_kpool *pool, const struct umfs_cred *cred, struct pair *p,
		     uint32_t from_flags)
{
	int err = umfs_kpath_walk(pool, cred, &p->from, from_flags);

	if (err)
		return err;
	return umfs_kpath_walk(pool, cred, &p->to, UMFS_WALK_NOFOLLOW | UMFS_WALK_PARENT);
}

/* A slash after what is no directory, or is to be none. */
static int check_slashes(struct umfs_kpool *pool, const struct pair *p, uint32_t flags)
{
	struct umfs_attr attr;
	int err;

	if (!p->to.w.must_be_dir || flags & UMFS_RENAME_EXCHANGE)
		return 0;
	err = umfs_getattr(&pool->fs, p->from.w.ino, &attr);
	if (err)
		return err;
	return S_ISDIR(attr.mode) ? 0 : -ENOTDIR;
}

static int rename_pair(struct umfs_kpool *pool, const struct umfs_cred *cred, struct pair *p,
		       uint32_t flags)
{
	const struct umfs_walk *from = &p->from.w, *to = &p->to.w;
	int err = pair_walk(pool, cred, p, UMFS_WALK_NOFOLLOW);

	if (err)
		return err;
	if (!from->name_len || !to->name_len)
		return -EBUSY;
	err = check_slashes(pool, p, flags);
	if (err)
		return err;
	return umfs_rename(&pool->fs, cred, from->parent, from->name, from->name_len, to->parent,
			   to->name, to->name_len, flags);
}

static long do_rename(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_rename a;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~(UMFS_RENAME_NOREPLACE | UMFS_RENAME_EXCHANGE | UMFS_RENAME_WHITEOUT) ||
	    a.zero0 || (a.flags & UMFS_RENAME_EXCHANGE && a.flags != UMFS_RENAME_EXCHANGE))
		return -EINVAL;
	return on_pair(pool, &a.from, &a.to, rename_pair, a.flags);
}

/*
 * As Linux with fs.protected_hardlinks: nobody makes a name of his own for another's file
 * that he may not read and write, and so keeps what the owner removes or set-id gives.
 */
int umfs_may_link(struct umfs_kpool *pool, const struct umfs_cred *cred, umfs_node node)
{
	struct umfs_attr attr;
	int err = umfs_getattr(&pool->fs, node, &attr);

	if (err || cred->override || attr.uid == cred->uid)
		return err;
	if (!S_ISREG(attr.mode) || (attr.mode & S_ISUID) ||
	    (attr.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return -EPERM;
	return umfs_access(&pool->fs, cred, node, MAY_READ | MAY_WRITE) ? -EPERM : 0;
}

/* `from`, which was walked to or is open, gets the name that `p` leads to. */
static int link_to(struct umfs_kpool *pool, const struct umfs_cred *cred, umfs_node from,
		   struct umfs_kpath *p)
{
	const struct umfs_walk *to = &p->w;
	int err = umfs_kpath_walk(pool, cred, p, UMFS_WALK_NOFOLLOW | UMFS_WALK_PARENT);

	if (err)
		return err;
	if (to->ino)
		return -EEXIST;
	if (to->must_be_dir || !to->name_len)
		return -ENOENT;
	err = umfs_may_link(pool, cred, from);
	if (err)
		return err;
	return umfs_link(&pool->fs, cred, from, to->parent, to->name, to->name_len);
}

static int link_pair(struct umfs_kpool *pool, const struct umfs_cred *cred, struct pair *p,
		     uint32_t flags)
{
	int err = umfs_kpath_walk(pool, cred, &p->from,
				  flags & UMFS_IOC_FOLLOW ? 0 : UMFS_WALK_NOFOLLOW);

	return err ? err : link_to(pool, cred, p->from.w.ino, &p->to);
}

/* What is open gets a name. It may have been handed to the caller: umfs_may_link() asks for his rights. */
static long link_open(struct umfs_kpool *pool, const struct umfs_ioc_link *a)
{
	struct file *file = fget_raw(a->from.dir);
	const struct inode *inode;
	struct umfs_kpool *its;
	struct umfs_cred cred;
	struct umfs_kpath to;
	int tries = 0, err;

	if (!file)
		return -EBADF;
	umfs_kcred(&cred);
	inode = file_inode(file);
	its = umfs_kpool_with(inode);
	err = umfs_kpath_get(pool, &a->to, &to);
	if (!err && its != pool)
		err = -EXDEV;
	if (!err)
		do
			err = link_to(pool, &cred, umfs_knode(inode), &to);
		while (umfs_walk_again(err, &tries));
	umfs_kpath_put(&to);
	fput(file);
	return err == -ESTALE ? -ENOENT : err;
}

static long do_link(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_link a;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~(UMFS_IOC_FOLLOW | UMFS_IOC_EMPTY) || a.zero0)
		return -EINVAL;
	if (a.flags & UMFS_IOC_EMPTY)
		return a.from.bytes ? -EINVAL : link_open(pool, &a);
	return on_pair(pool, &a.from, &a.to, link_pair, a.flags);
}

long umfs_names_ioctl(struct umfs_kpool *pool, unsigned int cmd, void __user *arg)
{
	switch (cmd) {
	case UMFS_IOC_MKDIR:
		return do_mkdir(pool, arg);
	case UMFS_IOC_MKNOD:
		return do_mknod(pool, arg);
	case UMFS_IOC_SYMLINK:
		return do_symlink(pool, arg);
	case UMFS_IOC_READLINK:
		return do_readlink(pool, arg);
	case UMFS_IOC_UNLINK:
		return do_unlink(pool, arg);
	case UMFS_IOC_RENAME:
		return do_rename(pool, arg);
	case UMFS_IOC_LINK:
		return do_link(pool, arg);
	default:
		return -ENOTTY;
	}
}
