// SPDX-License-Identifier: GPL-2.0-only
/*
 * xattr.c - extended attributes: what the kernel asks of an inode, and the calls by path.
 *
 * I1  The kernel's own functions are asked where they can be, so that rights, capabilities
 *     and security modules are what they are in any file system; core checks the rights
 *     that it knows of once more, under its lock.
 * I2  Access control lists are core's alone: they are kept, and the kernel, which would
 *     enforce what it is shown by other means, sees bytes. Their ids are those of the first
 *     user namespace; before 6.2 the kernel has translated them when it calls us, later it
 *     does not call us.
 * I3  File capabilities go when anybody writes the file: the kernel asks for that itself, and
 *     has checked the rights of who asks for it by name.
 */
#include <linux/dcache.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xattr.h>

#include "kmod.h"

#define FLAGS_XATTR (UMFS_IOC_NOFOLLOW | UMFS_IOC_XATTR_CREATE | UMFS_IOC_XATTR_REPLACE)

static uint32_t bytes_of(const char *name)
{
	return (uint32_t)strlen(name);
}

/* ---- what the kernel asks ---- */

static int do_get(const struct xattr_handler *handler, struct dentry *dentry, struct inode *inode,
		  const char *name, void *value, size_t size)
{
	const char *full = xattr_full_name(handler, name);
	struct umfs_kpool *pool = umfs_inode_look(inode);
	struct umfs_cred cred;
	int64_t ret;

	(void)dentry;
	if (!pool)
		return -EIO;
	umfs_kcred(&cred);
	ret = umfs_getxattr(&pool->fs, &cred, umfs_knode(inode), full, bytes_of(full), value, size);
	umfs_inode_look_away(pool);
	return (int)ret;
}

/* Without a value: to be removed. */
static int do_set(const struct xattr_handler *handler, umfs_idmap *idmap, struct dentry *dentry,
		  struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	const char *full = xattr_full_name(handler, name);
	struct umfs_kpool *pool = umfs_inode_look(inode);
	umfs_node node = umfs_knode(inode);
	struct umfs_cred cred;
	int err;

	BUILD_BUG_ON(XATTR_CREATE != UMFS_XATTR_CREATE || XATTR_REPLACE != UMFS_XATTR_REPLACE);
	(void)idmap;
	(void)dentry;
	if (!pool)
		return -EIO;
	umfs_kcred(&cred);
	if (!strcmp(full, XATTR_NAME_CAPS)) {
		/* Who writes by lease does not take it away (share.c H6). */
		filemap_invalidate_lock(inode->i_mapping);
		umfs_lease_end(inode);
		filemap_invalidate_unlock(inode->i_mapping);
		cred.override |= !value; /* I3 */
	}
	err = value ? umfs_setxattr(&pool->fs, &cred, node, full, bytes_of(full), value, size,
				    (uint32_t)flags)
		    : umfs_removexattr(&pool->fs, &cred, node, full, bytes_of(full));
	umfs_inode_look_away(pool);
	return err;
}

ssize_t umfs_inode_listxattr(struct dentry *dentry, char *list, size_t size)
{
	struct inode *inode = d_inode(dentry);
	struct umfs_kpool *pool = umfs_inode_look(inode);
	struct umfs_cred cred;
	int64_t ret;

	if (!pool)
		return -EIO;
	umfs_kcred(&cred);
	ret = umfs_listxattr(&pool->fs, &cred, umfs_knode(inode), list, size);
	umfs_inode_look_away(pool);
	return ret;
}

#define SPACE(text) {.prefix = text, .get = do_get, .set = do_set}
#define NAMED(text) {.name = text, .get = do_get, .set = do_set}

static const struct xattr_handler handlers[] = {
	SPACE(XATTR_USER_PREFIX),
	SPACE(XATTR_TRUSTED_PREFIX),
	SPACE(XATTR_SECURITY_PREFIX),
	NAMED(XATTR_NAME_POSIX_ACL_ACCESS),
	NAMED(XATTR_NAME_POSIX_ACL_DEFAULT),
};

const struct xattr_handler *umfs_xattr_handlers[] = {
	&handlers[0], &handlers[1], &handlers[2], &handlers[3], &handlers[4], NULL,
};

/* ---- calls by path ---- */

struct request {
	struct umfs_ioc_xattr a;
	unsigned int cmd;
	char name[XATTR_NAME_MAX + 1];
	void *value; /* room for `bytes`, or NULL */
	size_t bytes;
};

static bool is_acl(const char *name)
{
	return !strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) ||
	       !strcmp(name, XATTR_NAME_POSIX_ACL_DEFAULT);
}

static uint32_t set_flags(const struct request *r)
{
	return (r->a.flags & UMFS_IOC_XATTR_CREATE ? XATTR_CREATE : 0) |
	       (r->a.flags & UMFS_IOC_XATTR_REPLACE ? XATTR_REPLACE : 0);
}

/* I2 */
static int64_t ask_core(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
			const struct request *r)
{
	uint32_t len = bytes_of(r->name);

	if (current_user_ns() != &init_user_ns)
		return -EOPNOTSUPP;
	switch (r->cmd) {
	case UMFS_IOC_GETXATTR:
		return umfs_getxattr(fs, cred, node, r->name, len, r->value, r->bytes);
	case UMFS_IOC_SETXATTR:
		return umfs_setxattr(fs, cred, node, r->name, len, r->value, r->bytes,
				     set_flags(r));
	default:
		return umfs_removexattr(fs, cred, node, r->name, len);
	}
}

/* I1 */
static int64_t ask_kernel(struct dentry *dentry, const struct request *r)
{
	switch (r->cmd) {
	case UMFS_IOC_GETXATTR:
		return vfs_getxattr(umfs_idmap_none, dentry, r->name, r->value, r->bytes);
	case UMFS_IOC_SETXATTR:
		return vfs_setxattr(umfs_idmap_none, dentry, r->name, r->value, r->bytes,
				    (int)set_flags(r));
	case UMFS_IOC_LISTXATTR:
		return vfs_listxattr(dentry, r->value, r->bytes);
	default:
		return vfs_removexattr(umfs_idmap_none, dentry, r->name);
	}
}

static int64_t ask(struct umfs_kpool *pool, const struct umfs_cred *cred, struct umfs_kpath *p,
		   const struct request *r)
{
	uint32_t walk = r->a.flags & UMFS_IOC_NOFOLLOW ? UMFS_WALK_NOFOLLOW : 0;
	struct dentry *dentry;
	int64_t ret;
	int err = umfs_kpath_walk(pool, cred, p, walk);

	if (err)
		return err;
	if (is_acl(r->name))
		return ask_core(&pool->fs, cred, p->w.ino, r);
	dentry = umfs_kdentry(pool, p->w.ino);
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	ret = ask_kernel(dentry, r);
	dput(dentry);
	return ret;
}

/* -ERANGE: as the kernel has it of names. */
static int get_name(struct request *r)
{
	if (r->cmd == UMFS_IOC_LISTXATTR)
		return r->a.name_bytes ? -EINVAL : 0;
	if (!r->a.name_bytes || r->a.name_bytes > XATTR_NAME_MAX)
		return -ERANGE;
	if (copy_from_user(r->name, u64_to_user_ptr(r->a.name), r->a.name_bytes))
		return -EFAULT;
	return strlen(r->name) == r->a.name_bytes ? 0 : -EINVAL;
}

static int get_value(struct request *r)
{
	bool set = r->cmd == UMFS_IOC_SETXATTR;

	if (r->cmd == UMFS_IOC_REMOVEXATTR || (!set && !r->a.bytes))
		return 0;
	if (set && r->a.bytes > XATTR_SIZE_MAX)
		return -E2BIG;
	r->bytes = min_t(size_t, r->a.bytes, XATTR_SIZE_MAX); /* lists have the same limit */
	r->value = kvzalloc(max_t(size_t, r->bytes, 1), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!r->value)
		return -ENOMEM;
	return set && copy_from_user(r->value, u64_to_user_ptr(r->a.value), r->bytes) ? -EFAULT : 0;
}

static int put_result(struct request *r, void __user *arg, int64_t ret)
{
	if (r->cmd != UMFS_IOC_GETXATTR && r->cmd != UMFS_IOC_LISTXATTR)
		return 0;
	r->a.bytes = (u32)ret;
	if (r->bytes && copy_to_user(u64_to_user_ptr(r->a.value), r->value, (size_t)ret))
		return -EFAULT;
	return copy_to_user(arg, &r->a, sizeof(r->a)) ? -EFAULT : 0;
}

static int64_t perform(struct umfs_kpool *pool, struct request *r)
{
	struct umfs_cred cred;
	struct umfs_kpath p;
	int tries = 0;
	int64_t ret;

	umfs_kcred(&cred);
	ret = umfs_kpath_get(pool, &r->a.path, &p);
	if (!ret)
		do
			ret = ask(pool, &cred, &p, r);
		while (umfs_walk_again((int)ret, &tries));
	umfs_kpath_put(&p);
	return ret;
}

long umfs_xattr_ioctl(struct umfs_kpool *pool, unsigned int cmd, void __user *arg)
{
	uint32_t flags = cmd == UMFS_IOC_SETXATTR ? FLAGS_XATTR : UMFS_IOC_NOFOLLOW;
	struct request *r = kzalloc(sizeof(*r), GFP_KERNEL);
	int64_t ret = -EFAULT;

	if (!r)
		return -ENOMEM;
	r->cmd = cmd;
	if (copy_from_user(&r->a, arg, sizeof(r->a)))
		goto out;
	ret = r->a.flags & ~flags || r->a.zero0 ? -EINVAL : get_name(r);
	if (!ret)
		ret = get_value(r);
	if (!ret)
		ret = perform(pool, r);
	if (ret >= 0)
		ret = put_result(r, arg, ret);
out:
	kvfree(r->value);
	kfree(r);
	return (long)ret;
}
