// SPDX-License-Identifier: GPL-2.0-only
/*
 * open.c - opening and making files by path, for node.c.
 */
#include <linux/file.h>
#include <linux/uaccess.h>

#include "kmod.h"

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

	if (flags & O_DIRECTORY && !S_ISDIR(attr->mode))
		return -ENOTDIR;
	if (S_ISLNK(attr->mode) && !(flags & O_PATH))
		return -ELOOP;
	if (flags & O_PATH)
		return 0;
	if (S_ISDIR(attr->mode) && (wanted(flags) & 2 || flags & O_CREAT))
		return -EISDIR;
	err = umfs_access_known(&pool->fs, cred, node, attr, wanted(flags));
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
	int err = get_write_access(inode); /* -ETXTBSY */

	if (err)
		return err;
	inode_lock(inode);
	err = file_remove_privs(file);
	filemap_invalidate_lock(inode->i_mapping);
	umfs_shares_stop(inode);
	if (!err)
		err = umfs_truncate(&k->pool->fs, umfs_knode(inode), 0);
	if (!err) {
		truncate_setsize(inode, 0);
		umfs_maps_cut(inode, 0);
	}
	umfs_shares_go(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	umfs_inode_written(inode);
	inode_unlock(inode);
	put_write_access(inode);
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
		err = umfs_knode_attr(pool, umfs_knode(file_inode(*file)), &a->attr);
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

long umfs_open_ioctl(struct umfs_kpool *pool, void __user *arg)
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
