// SPDX-License-Identifier: GPL-2.0-only
/*
 * node.c - /dev/umfs/NAME: what is asked of a pool, by path.
 *
 * Each call copies its arguments once, walks the path with the caller's rights, and asks
 * core. A name that changes between walk and change is looked at again.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kmod.h"

/* ---- where paths lead, and to what ---- */

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
				err = umfs_knode_attr(pool, p.w.ino, &a.attr);
		} while (umfs_walk_again(err, &tries));
	umfs_kpath_put(&p);
	if (!err && copy_to_user(arg, &a, sizeof(a)))
		err = -EFAULT;
	return err;
}

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
	umfs_leases_look(pool, (uint32_t)p->w.ino);
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
		return umfs_open_ioctl(pool, at);
	case UMFS_IOC_STAT:
		return do_stat(pool, at);
	case UMFS_IOC_MKDIR:
	case UMFS_IOC_MKNOD:
	case UMFS_IOC_SYMLINK:
	case UMFS_IOC_READLINK:
	case UMFS_IOC_UNLINK:
	case UMFS_IOC_RENAME:
	case UMFS_IOC_LINK:
		return umfs_names_ioctl(pool, cmd, at);
	case UMFS_IOC_WALK:
		return do_walk(pool, at);
	case UMFS_IOC_WHERE:
		return do_where(pool, at);
	case UMFS_IOC_GETXATTR:
	case UMFS_IOC_SETXATTR:
	case UMFS_IOC_LISTXATTR:
	case UMFS_IOC_REMOVEXATTR:
		return umfs_xattr_ioctl(pool, cmd, at);
	case UMFS_IOC_SETATTR:
		return umfs_setattr_ioctl(pool, at);
	case UMFS_IOC_SHARE:
		return umfs_area_share(pool, READ_ONCE(node->area), at);
	case UMFS_IOC_LEASE:
		return umfs_area_lease(pool, READ_ONCE(node->area), at);
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
