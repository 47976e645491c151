// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - /dev/umfs/control: attach, detach, list.
 *
 * I1  `pools` and the names in it change under `lock`, which is held over a whole
 *     attach or detach: two of them never meet.
 */
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kmod.h"

static unsigned int pools_max = 16;
module_param(pools_max, uint, 0444);
MODULE_PARM_DESC(pools_max, "how many pools may be attached at a time (16)");

static DEFINE_MUTEX(lock);
static LIST_HEAD(pools);
static unsigned int pool_count;

static struct umfs_kpool *find(const char *name)
{
	struct umfs_kpool *pool;

	list_for_each_entry(pool, &pools, list)
		if (!strcmp(pool->name, name))
			return pool;
	return NULL;
}

struct umfs_kpool *umfs_pools_lock(const char *name)
{
	mutex_lock(&lock);
	return find(name);
}

void umfs_pools_unlock(void)
{
	mutex_unlock(&lock);
}

static bool name_fit(const char *name)
{
	size_t len = strnlen(name, UMFS_IOC_NAME_BYTES), i;

	if (!len || len == UMFS_IOC_NAME_BYTES || name[0] == '.' || !strcmp(name, "control"))
		return false;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || (!isalnum(name[i]) && !strchr("-_.", name[i])))
			return false;
	return true;
}

static int attach_locked(const struct umfs_ioc_attach *a)
{
	struct umfs_kpool *pool;

	if (find(a->name))
		return -EEXIST;
	if (pool_count >= pools_max)
		return -ENFILE;
	pool = umfs_kpool_open(a);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	list_add_tail(&pool->list, &pools);
	pool_count++;
	return 0;
}

static long do_attach(const struct umfs_ioc_attach __user *arg)
{
	struct umfs_ioc_attach *a;
	long ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	a = memdup_user(arg, sizeof(*a));
	if (IS_ERR(a))
		return PTR_ERR(a);
	ret = -EINVAL;
	if (!name_fit(a->name) || !a->device[0] ||
	    strnlen(a->device, sizeof(a->device)) == sizeof(a->device) ||
	    a->mode < UMFS_MODE_POSIX || a->mode > UMFS_MODE_ATOMIC || a->zero0 ||
	    memchr_inv(a->zero, 0, sizeof(a->zero)))
		goto out;
	ret = mutex_lock_killable(&lock);
	if (ret)
		goto out;
	ret = attach_locked(a);
	mutex_unlock(&lock);
out:
	kfree(a);
	return ret;
}

static long do_detach(const struct umfs_ioc_detach __user *arg)
{
	struct umfs_ioc_detach d;
	struct umfs_kpool *pool;
	long ret = -ENOENT;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&d, arg, sizeof(d)))
		return -EFAULT;
	if (!name_fit(d.name) || memchr_inv(d.zero, 0, sizeof(d.zero)))
		return -EINVAL;
	if (mutex_lock_killable(&lock))
		return -EINTR;
	pool = find(d.name);
	if (pool) {
		list_del(&pool->list);
		ret = umfs_kpool_close(pool);
		if (ret)
			list_add_tail(&pool->list, &pools);
		else
			pool_count--;
	}
	mutex_unlock(&lock);
	return ret;
}

static void describe(struct umfs_kpool *pool, struct umfs_ioc_list *l)
{
	l->mode = umfs_mode(&pool->fs);
	l->bytes = pool->fs.geo.pool_pages << PAGE_SHIFT;
	l->open = (u64)READ_ONCE(pool->users) + umfs_super_mounts(pool);
	memcpy(l->uuid, pool->uuid, sizeof(l->uuid));
	memcpy(l->name, pool->name, sizeof(l->name));
	memcpy(l->device, pool->device, sizeof(l->device));
}

/* The attached pool with that number, from 0. */
static int describe_nth(u32 index, struct umfs_ioc_list *l)
{
	struct umfs_kpool *pool;
	int ret = -ENOENT;
	u32 n = 0;

	if (mutex_lock_killable(&lock))
		return -EINTR;
	list_for_each_entry(pool, &pools, list) {
		if (n++ != index)
			continue;
		describe(pool, l);
		ret = 0;
		break;
	}
	mutex_unlock(&lock);
	return ret;
}

static long do_list(struct umfs_ioc_list __user *arg)
{
	struct umfs_ioc_list *l = memdup_user(arg, sizeof(*l));
	long ret = -EINVAL;
	u32 index;

	if (IS_ERR(l))
		return PTR_ERR(l);
	if (memchr_inv(l->zero, 0, sizeof(l->zero)))
		goto out;
	index = l->index;
	memset(l, 0, sizeof(*l));
	l->index = index;
	ret = describe_nth(index, l);
	if (!ret && copy_to_user(arg, l, sizeof(*l)))
		ret = -EFAULT;
out:
	kfree(l);
	return ret;
}

static long do_about(struct umfs_ioc_about __user *arg)
{
	const struct umfs_ioc_about about = {
		.abi = UMFS_IOC_ABI,
		.format_version = UMFS_VERSION,
	};

	return copy_to_user(arg, &about, sizeof(about)) ? -EFAULT : 0;
}

static long control_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	(void)file;
	switch (cmd) {
	case UMFS_IOC_ABOUT:
		return do_about((void __user *)arg);
	case UMFS_IOC_ATTACH:
		return do_attach((void __user *)arg);
	case UMFS_IOC_DETACH:
		return do_detach((void __user *)arg);
	case UMFS_IOC_LIST:
		return do_list((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice control = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "umfs!control",
	.nodename = "umfs/control",
	.mode = 0666,
	.fops = &control_fops,
};

int umfs_control_init(void)
{
	return misc_register(&control);
}

void umfs_control_exit(void)
{
	misc_deregister(&control);
}
