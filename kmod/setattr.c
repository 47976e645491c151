// SPDX-License-Identifier: GPL-2.0-only
/*
 * setattr.c - mode, owner, times and size of what a path leads to: UMFS_IOC_SETATTR.
 *
 * As the kernel's calls by path, without a descriptor: what they ask of rights, leases and
 * security modules is asked by the same functions, which end in do_setattr() (inode.c).
 */
#include <linux/stat.h>
#include <linux/uaccess.h>

#include "kmod.h"

static int set_mode(const struct path *path, const struct umfs_ioc_setattr *a, struct iattr *to)
{
	umode_t mode = d_inode(path->dentry)->i_mode;

	if (S_ISLNK(mode))
		return -EOPNOTSUPP;
	to->ia_valid = ATTR_MODE | ATTR_CTIME;
	to->ia_mode = (umode_t)((a->mode & S_IALLUGO) | (mode & ~S_IALLUGO));
	return 0;
}

static int set_owner(const struct path *path, const struct umfs_ioc_setattr *a, struct iattr *to)
{
	struct inode *inode = d_inode(path->dentry);
	kuid_t uid = make_kuid(current_user_ns(), a->uid);
	kgid_t gid = make_kgid(current_user_ns(), a->gid);

	to->ia_valid = ATTR_CTIME;
	if (a->uid != ~0u)
		to->ia_valid |= ATTR_UID;
	if (a->gid != ~0u)
		to->ia_valid |= ATTR_GID;
	if ((to->ia_valid & ATTR_UID && !uid_valid(uid)) ||
	    (to->ia_valid & ATTR_GID && !gid_valid(gid)))
		return -EINVAL;
	to->ia_vfsuid = VFSUIDT_INIT(uid);
	to->ia_vfsgid = VFSGIDT_INIT(gid);
	if (!S_ISDIR(inode->i_mode))
		to->ia_valid |= ATTR_KILL_SUID | ATTR_KILL_PRIV |
				setattr_should_drop_sgid(umfs_idmap_none, inode);
	return 0;
}

static int set_time(const struct umfs_ioc_time *from, struct timespec64 *to, unsigned int is,
		    unsigned int set, unsigned int *valid)
{
	if (from->zero || (from->nsec >= NSEC_PER_SEC && from->nsec != UTIME_NOW &&
			   from->nsec != UTIME_OMIT))
		return -EINVAL;
	if (from->nsec == UTIME_OMIT)
		return 0;
	*valid |= is;
	if (from->nsec == UTIME_NOW)
		return 0;
	*valid |= set;
	to->tv_sec = from->sec;
	to->tv_nsec = from->nsec;
	return 0;
}

/* Who may write, and does not own the file, may set both to now. */
static int set_times(const struct umfs_ioc_setattr *a, struct iattr *to)
{
	bool touch = a->atime.nsec == UTIME_NOW && a->mtime.nsec == UTIME_NOW;
	int err;

	to->ia_valid = ATTR_CTIME | (touch ? ATTR_TOUCH : ATTR_TIMES_SET);
	err = set_time(&a->atime, &to->ia_atime, ATTR_ATIME, ATTR_ATIME_SET, &to->ia_valid);
	if (!err)
		err = set_time(&a->mtime, &to->ia_mtime, ATTR_MTIME, ATTR_MTIME_SET, &to->ia_valid);
	return err;
}

static int change(const struct path *path, const struct umfs_ioc_setattr *a)
{
	struct inode *inode = d_inode(path->dentry);
	struct iattr to = {.ia_valid = 0};
	int err;

	inode_lock(inode);
	if (a->what == UMFS_IOC_SET_MODE)
		err = set_mode(path, a, &to);
	else if (a->what == UMFS_IOC_SET_OWNER)
		err = set_owner(path, a, &to);
	else
		err = set_times(a, &to);
	if (!err)
		err = notify_change(umfs_idmap_none, path->dentry, &to, NULL);
	inode_unlock(inode);
	return err;
}

static int walk_and_change(struct umfs_kpool *pool, const struct umfs_cred *cred,
			   struct umfs_kpath *p, const struct umfs_ioc_setattr *a)
{
	struct path path = {.mnt = pool->mnt};
	int err = umfs_kpath_walk(pool, cred, p,
				  a->flags & UMFS_IOC_NOFOLLOW ? UMFS_WALK_NOFOLLOW : 0);

	if (err)
		return err;
	path.dentry = umfs_kdentry(pool, p->w.ino);
	if (IS_ERR(path.dentry))
		return PTR_ERR(path.dentry);
	err = a->what == UMFS_IOC_SET_SIZE ? (int)vfs_truncate(&path, (loff_t)a->size)
					   : change(&path, a);
	dput(path.dentry);
	return err;
}

/* What is not meant to be set is 0; one thing is. */
static bool is_tidy(const struct umfs_ioc_setattr *a)
{
	static const struct umfs_ioc_time none;

	return !(a->flags & ~UMFS_IOC_NOFOLLOW) && is_power_of_2(a->what) &&
	       a->what <= UMFS_IOC_SET_SIZE && !(a->mode & ~S_IALLUGO) && !a->zero0 &&
	       !memchr_inv(a->zero, 0, sizeof(a->zero)) &&
	       (a->what == UMFS_IOC_SET_MODE || !a->mode) &&
	       (a->what == UMFS_IOC_SET_OWNER || (!a->uid && !a->gid)) &&
	       (a->what == UMFS_IOC_SET_SIZE || !a->size) &&
	       (a->what == UMFS_IOC_SET_TIMES || (!memcmp(&a->atime, &none, sizeof(none)) &&
						  !memcmp(&a->mtime, &none, sizeof(none))));
}

long umfs_setattr_ioctl(struct umfs_kpool *pool, void __user *arg)
{
	struct umfs_ioc_setattr a;
	struct umfs_cred cred;
	struct umfs_kpath p;
	int tries = 0, err;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (!is_tidy(&a))
		return -EINVAL;
	umfs_kcred(&cred);
	err = umfs_kpath_get(pool, &a.path, &p);
	if (!err)
		do
			err = walk_and_change(pool, &cred, &p, &a);
		while (umfs_walk_again(err, &tries));
	umfs_kpath_put(&p);
	return err;
}
