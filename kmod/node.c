// SPDX-License-Identifier: GPL-2.0-only
/*
 * node.c - /dev/umfs/NAME: what is asked of a pool, by path.
 *
 * Each call copies its arguments once, walks the path with the caller's rights, and asks
 * core. A name that changes between walk and change is looked at again.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kmod.h"

/* ---- open ---- */

#define OPEN_FLAGS                                                                       \
	(O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DIRECTORY | O_NOFOLLOW |  \
	 O_CLOEXEC | O_NONBLOCK | O_NOATIME | O_DIRECT | O_SYNC | O_DSYNC | O_LARGEFILE | \
	 O_NOCTTY | FASYNC | __O_TMPFILE)
#define FILE_FLAGS                                                                       \
	(O_ACCMODE | O_APPEND | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_DIRECT |   \
	 O_SYNC | O_DSYNC | FASYNC | O_PATH)
#define PATH_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static uint32_t wanted(int flags)
{
	uint32_t mask = 0;

	if ((flags & O_ACCMODE) != O_WRONLY)
		mask |= 4;
	if ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC)
		mask |= 2;
	return mask;
}

/* May what exists be opened so? */
static int check_existing(struct umfs_kpool *pool, const struct umfs_cred *cred, umfs_node node,
			  int flags, const struct umfs_attr *attr)
{
	int err;

	if (S_ISLNK(attr->mode) && !(flags & O_PATH))
		return -ELOOP;
	if (flags & O_DIRECTORY && !S_ISDIR(attr->mode))
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	if (S_ISDIR(attr->mode) && (wanted(flags) & 2 || flags & O_CREAT))
		return -EISDIR;
	err = umfs_access(&pool->fs, cred, node, wanted(flags));
	if (err)
		return err;
	if (!S_ISREG(attr->mode) && !S_ISDIR(attr->mode) && !S_ISFIFO(attr->mode))
		return -ENXIO;
	if (flags & O_NOATIME && !cred->override && cred->uid != attr->uid)
		return -EPERM;
	return 0;
}

struct opening {
	int flags;
	uint32_t mode;
	bool made; /* out */
};

/* As F_GETFL shows them. */
static int file_flags(const struct opening *o)
{
	return (o->flags & FILE_FLAGS) | (o->flags & O_PATH ? 0 : O_LARGEFILE);
}

/*
 * Made without a name, opened, and only then given the name, which commits: what fails on
 * the way leaves nothing, for want of a description, memory or a struct file.
 */
static struct file *make_file(struct umfs_kpool *pool, const struct umfs_cred *cred,
			      const struct umfs_walk *w, struct opening *o)
{
	struct file *file;
	uint32_t ofd;
	int err = umfs_tmpfile(&pool->fs, cred, w->parent, o->mode, true,
			       (uint32_t)file_flags(o), &ofd);

	if (err)
		return ERR_PTR(err);
	file = umfs_kopen_made(pool, ofd, file_flags(o));
	if (IS_ERR(file))
		return file;
	err = umfs_link(&pool->fs, cred, umfs_knode(file_inode(file)), w->parent, w->name,
			w->name_len);
	o->made = !err;
	if (!err)
		return file;
	fput(file);
	return ERR_PTR(err == -EEXIST && !(o->flags & O_EXCL) ? -ESTALE : err);
}

/* What the path names is a directory, by its O_DIRECTORY. */
static struct file *make_nameless(struct umfs_kpool *pool, const struct umfs_cred *cred,
				  umfs_node dir, struct opening *o)
{
	int flags = file_flags(o) & ~O_DIRECTORY;
	struct file *file;
	uint32_t ofd;
	int err = umfs_tmpfile(&pool->fs, cred, dir, o->mode, !(o->flags & O_EXCL),
			       (uint32_t)flags, &ofd);

	if (err)
		return ERR_PTR(err);
	o->made = true;
	file = umfs_kopen_made(pool, ofd, flags);
	if (!IS_ERR(file))
		file->f_flags |= O_TMPFILE; /* for F_GETFL: it is nobody else's yet */
	return file;
}

static struct file *find_or_make(struct umfs_kpool *pool, const struct umfs_cred *cred,
				 struct umfs_kpath *p, struct opening *o)
{
	uint32_t walk = o->flags & O_CREAT ? UMFS_WALK_PARENT : 0;
	bool new = (o->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	struct umfs_attr attr;
	int err;

	if (o->flags & O_NOFOLLOW || new)
		walk |= UMFS_WALK_NOFOLLOW;
	err = umfs_kpath_walk(pool, cred, p, walk);
	if (err)
		return ERR_PTR(err);
	if (p->w.ino && new)
		return ERR_PTR(-EEXIST);
	if (!p->w.ino && (p->w.must_be_dir || !p->w.name_len))
		return ERR_PTR(-EISDIR);
	if (!p->w.ino)
		return make_file(pool, cred, &p->w, o);
	err = umfs_getattr(&pool->fs, p->w.ino, &attr);
	if (!err && o->flags & __O_TMPFILE && S_ISDIR(attr.mode))
		return make_nameless(pool, cred, p->w.ino, o);
	if (!err)
		err = check_existing(pool, cred, p->w.ino, o->flags, &attr);
	return err ? ERR_PTR(err) : umfs_kopen(pool, p->w.ino, file_flags(o));
}

/* O_TRUNC of what was found, through the file itself: there may be mappings to cut. */
static int empty(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct umfs_kfile *k = file->private_data;
	int err;

	inode_lock(inode);
	filemap_invalidate_lock(inode->i_mapping);
	umfs_shares_stop(inode);
	err = umfs_truncate(&k->pool->fs, umfs_knode(inode), 0);
	if (!err) {
		truncate_setsize(inode, 0);
		umfs_maps_cut(inode, 0);
	}
	umfs_shares_go(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	inode_unlock(inode);
	return err;
}

static struct file *open_path(struct umfs_kpool *pool, struct umfs_kpath *p, struct opening *o)
{
	struct umfs_cred cred;
	struct file *file;
	int tries = 0, err;

	umfs_kcred(&cred);
	do {
		file = find_or_make(pool, &cred, p, o);
		err = PTR_ERR_OR_ZERO(file);
	} while (umfs_walk_again(err, &tries));
	if (err)
		return ERR_PTR(err);
	err = o->flags & O_TRUNC && !o->made && S_ISREG(file_inode(file)->i_mode) ? empty(file)
										  : 0;
	if (!err)
		return file;
	fput(file);
	return ERR_PTR(err);
}

static int node_attr(struct umfs_kpool *pool, umfs_node node, struct umfs_ioc_attr *out)
{
	struct umfs_attr attr;
	int err = umfs_getattr(&pool->fs, node, &attr);

	if (!err)
		umfs_kattr(&attr, out);
	return err;
}

/* First the number, so that nothing is made or emptied without one. */
static int open_fd(struct umfs_kpool *pool, struct umfs_ioc_open *a, struct umfs_kpath *p,
		   struct file **file)
{
	struct opening o = {.flags = (int)a->flags, .mode = a->mode};
	int fd = get_unused_fd_flags(a->flags & O_CLOEXEC), err;

	if (fd < 0)
		return fd;
	*file = open_path(pool, p, &o);
	err = PTR_ERR_OR_ZERO(*file);
	if (!err) {
		err = node_attr(pool, umfs_knode(file_inode(*file)), &a->attr);
		if (err)
			fput(*file);
	}
	if (err) {
		put_unused_fd(fd);
		return err;
	}
	a->fd = fd;
	return 0;
}

/* As openat(2) has it. */
static bool fits_tmpfile(u32 flags)
{
	return flags & O_DIRECTORY && (flags & O_ACCMODE) != O_RDONLY;
}

static long do_open(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_open a;
	struct file *file = NULL;
	struct umfs_kpath p;
	int err;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~(a.flags & O_PATH ? PATH_FLAGS : OPEN_FLAGS) || a.mode & ~07777u || a.zero0 ||
	    memchr_inv(a.zero, 0, sizeof(a.zero)) ||
	    (a.flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY) ||
	    (a.flags & __O_TMPFILE && !fits_tmpfile(a.flags)))
		return -EINVAL;
	err = umfs_kpath_get(pool, &a.path, &p);
	if (!err)
		err = open_fd(pool, &a, &p, &file);
	umfs_kpath_put(&p);
	if (err)
		return err;
	if (copy_to_user(arg, &a, sizeof(a))) {
		fput(file);
		put_unused_fd(a.fd);
		return -EFAULT;
	}
	fd_install(a.fd, file);
	return 0;
}

/* ---- the rest ---- */

static long do_stat(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_cred cred;
	struct umfs_ioc_stat a;
	struct umfs_kpath p;
	int tries = 0, err;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~UMFS_IOC_NOFOLLOW || a.zero0)
		return -EINVAL;
	umfs_kcred(&cred);
	err = umfs_kpath_get(pool, &a.path, &p);
	if (!err)
		do {
			err = umfs_kpath_walk(pool, &cred, &p,
					      a.flags & UMFS_IOC_NOFOLLOW ? UMFS_WALK_NOFOLLOW : 0);
			if (!err)
				err = node_attr(pool, p.w.ino, &a.attr);
		} while (umfs_walk_again(err, &tries));
	umfs_kpath_put(&p);
	if (!err && copy_to_user(arg, &a, sizeof(a)))
		err = -EFAULT;
	return err;
}

/* One path whose last component is made or removed by `act`. */
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
	uint32_t ino;

	if (w->ino)
		return -EEXIST;
	return umfs_mkdir(&pool->fs, cred, w->parent, w->name, w->name_len, a->mode & 07777, &ino);
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

static int act_mknod(struct umfs_kpool *pool, const struct umfs_cred *cred,
		     const struct umfs_walk *w, const void *arg)
{
	const struct umfs_ioc_mknod *a = arg;
	uint32_t ino;

	if (w->ino || !w->name_len)
		return -EEXIST;
	if (w->must_be_dir)
		return -ENOENT;
	if (is_device(a->mode) && !cred->override)
		return umfs_access(&pool->fs, cred, w->parent, MAY_WRITE | MAY_EXEC) ?: -EPERM;
	return umfs_create(&pool->fs, cred, w->parent, w->name, w->name_len, a->mode,
			   is_device(a->mode) ? a->rdev : 0, &ino);
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
	uint32_t ino;

	if (w->ino)
		return -EEXIST;
	if (w->must_be_dir)
		return -ENOENT;
	return umfs_symlink(&pool->fs, cred, w->parent, w->name, w->name_len, target,
			    (uint32_t)strlen(target), &ino);
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
	struct umfs_cred cred;
	int tries = 0, err;
	struct pair p;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~(UMFS_RENAME_NOREPLACE | UMFS_RENAME_EXCHANGE | UMFS_RENAME_WHITEOUT) ||
	    a.zero0 || (a.flags & UMFS_RENAME_EXCHANGE && a.flags != UMFS_RENAME_EXCHANGE))
		return -EINVAL;
	umfs_kcred(&cred);
	err = pair_get(pool, &a.from, &a.to, &p);
	if (!err)
		do
			err = rename_pair(pool, &cred, &p, a.flags);
		while (umfs_walk_again(err, &tries));
	pair_put(&p);
	return err;
}

/*
 * As Linux with fs.protected_hardlinks: nobody makes a name of his own for another's file
 * that he may not read and write, and so keeps what the owner removes or set-id gives.
 */
static int may_link(struct umfs_kpool *pool, const struct umfs_cred *cred, umfs_node node)
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
	err = may_link(pool, cred, from);
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

/* What is open gets a name. It may have been handed to the caller: may_link() asks for his rights. */
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
	struct umfs_cred cred;
	int tries = 0, err;
	struct pair p;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~(UMFS_IOC_FOLLOW | UMFS_IOC_EMPTY) || a.zero0)
		return -EINVAL;
	if (a.flags & UMFS_IOC_EMPTY)
		return a.from.bytes ? -EINVAL : link_open(pool, &a);
	umfs_kcred(&cred);
	err = pair_get(pool, &a.from, &a.to, &p);
	if (!err)
		do
			err = link_pair(pool, &cred, &p, a.flags);
		while (umfs_walk_again(err, &tries));
	pair_put(&p);
	return err;
}

/* ---- where paths lead ---- */

static int lead(struct umfs_kpool *pool, const struct umfs_cred *cred, struct umfs_kpath *p,
		struct umfs_ioc_walk *a)
{
	uint32_t flags = (a->flags & UMFS_IOC_NOFOLLOW ? UMFS_WALK_NOFOLLOW : 0) |
			 (a->flags & UMFS_IOC_PARENT ? UMFS_WALK_PARENT : 0);
	struct umfs_attr attr;
	int err;

	memset(&a->attr, 0, sizeof(a->attr));
	a->left = 0;
	err = umfs_kpath_lead(pool, cred, p, flags, a->links);
	if (err == UMFS_WALK_ESCAPED) {
		a->left = p->w.above ? UMFS_IOC_LEFT_ABOVE : UMFS_IOC_LEFT_ABSOLUTE;
		return 0;
	}
	if (err || !p->w.ino)
		return err;
	err = umfs_walk_getattr(&pool->fs, &p->w, &attr);
	if (!err)
		umfs_kattr(&attr, &a->attr);
	return err;
}

static int show_walk(const struct umfs_kpath *p, struct umfs_ioc_walk *a)
{
	a->links = p->w.links;
	a->name_bytes = a->left ? 0 : p->w.name_len;
	a->must_be_dir = !a->left && p->w.must_be_dir;
	return a->left && copy_to_user(u64_to_user_ptr(a->rest), p->room, strlen(p->room) + 1)
		       ? -EFAULT
		       : 0;
}

static long do_walk(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_cred cred;
	struct umfs_ioc_walk a;
	struct umfs_kpath p;
	int tries = 0, err;

	BUILD_BUG_ON(UMFS_IOC_REST_BYTES < UMFS_WALK_ROOM);
	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~(UMFS_IOC_NOFOLLOW | UMFS_IOC_PARENT) || a.zero0)
		return -EINVAL;
	umfs_kcred(&cred);
	err = umfs_kpath_get(pool, &a.path, &p);
	if (!err)
		do
			err = lead(pool, &cred, &p, &a);
		while (umfs_walk_again(err, &tries));
	if (!err)
		err = show_walk(&p, &a);
	umfs_kpath_put(&p);
	if (!err && copy_to_user(arg, &a, sizeof(a)))
		err = -EFAULT;
	return err;
}

#define WHERE_BYTES_MAX (1u << 20)

/* Into `to`, with a NUL. */
static int where(struct umfs_kpool *pool, const struct umfs_cred *cred, struct umfs_kpath *p,
		 char *to, u32 bytes)
{
	struct umfs_attr attr;
	int tries = 0, err;

	do {
		err = umfs_kpath_walk(pool, cred, p, 0);
		if (!err)
			err = umfs_walk_getattr(&pool->fs, &p->w, &attr);
		if (!err && !S_ISDIR(attr.mode))
			err = -ENOTDIR;
		if (!err)
			err = umfs_getpath(&pool->fs, (uint32_t)p->w.ino, to, bytes);
	} while (umfs_walk_again(err, &tries));
	return err;
}

static long do_where(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_where a;
	struct umfs_cred cred;
	struct umfs_kpath p;
	u32 bytes;
	char *to;
	int err;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	bytes = min_t(u32, a.bytes, WHERE_BYTES_MAX) + 1;
	to = kvmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!to)
		return -ENOMEM;
	umfs_kcred(&cred);
	err = umfs_kpath_get(pool, &a.path, &p);
	if (!err)
		err = where(pool, &cred, &p, to, bytes);
	umfs_kpath_put(&p);
	if (!err) {
		a.done = (u32)strlen(to);
		if (copy_to_user(u64_to_user_ptr(a.buf), to, a.done) ||
		    copy_to_user(arg, &a, sizeof(a)))
			err = -EFAULT;
	}
	kvfree(to);
	return err;
}

/* ---- the node ---- */

struct node {
	struct umfs_kpool *pool;
	struct umfs_karea *area; /* share.c; made when it is mapped */
};

static long node_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct node *node = file->private_data;
	struct umfs_kpool *pool = node->pool;
	void __user *at = (void __user *)arg;

	switch (cmd) {
	case UMFS_IOC_OPEN:
		return do_open(pool, at);
	case UMFS_IOC_STAT:
		return do_stat(pool, at);
	case UMFS_IOC_MKDIR:
		return do_mkdir(pool, at);
	case UMFS_IOC_UNLINK:
		return do_unlink(pool, at);
	case UMFS_IOC_RENAME:
		return do_rename(pool, at);
	case UMFS_IOC_LINK:
		return do_link(pool, at);
	case UMFS_IOC_SYMLINK:
		return do_symlink(pool, at);
	case UMFS_IOC_READLINK:
		return do_readlink(pool, at);
	case UMFS_IOC_WALK:
		return do_walk(pool, at);
	case UMFS_IOC_WHERE:
		return do_where(pool, at);
	case UMFS_IOC_MKNOD:
		return do_mknod(pool, at);
	case UMFS_IOC_GETXATTR:
	case UMFS_IOC_SETXATTR:
	case UMFS_IOC_LISTXATTR:
	case UMFS_IOC_REMOVEXATTR:
		return umfs_xattr_ioctl(pool, cmd, at);
	case UMFS_IOC_SETATTR:
		return umfs_setattr_ioctl(pool, at);
	case UMFS_IOC_SHARE:
		return umfs_area_share(pool, READ_ONCE(node->area), at);
	default:
		return -ENOTTY;
	}
}

static int node_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct node *node = file->private_data;

	return umfs_area_mmap(&node->area, vma);
}

static int node_open(struct inode *inode, struct file *file)
{
	struct umfs_kpool *pool = container_of(file->private_data, struct umfs_kpool, misc);
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	int err;

	(void)inode;
	if (!node)
		return -ENOMEM;
	err = umfs_kpool_enter(pool);
	if (err) {
		kfree(node);
		return err;
	}
	node->pool = pool;
	file->private_data = node;
	return 0;
}

static int node_release(struct inode *inode, struct file *file)
{
	struct node *node = file->private_data;

	(void)inode;
	umfs_area_put(node->area);
	umfs_kpool_leave(node->pool);
	kfree(node);
	return 0;
}

const struct file_operations umfs_node_fops = {
	.owner = THIS_MODULE,
	.open = node_open,
	.release = node_release,
	.mmap = node_mmap,
	.unlocked_ioctl = node_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};
