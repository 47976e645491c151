// SPDX-License-Identifier: GPL-2.0-only
/*
 * pool.c - a block device with memory behind it becomes a pool, and goes.
 *
 * The device is opened for us alone, its memory taken as the kernel maps it for
 * fsdax, with struct pages: without those, mapping it into processes later would be
 * the end of the kernel. What is on it is then core's to check and to recover.
 *
 * I1  While the pool is attached its memory is held (`pgmap`): who takes the device from its
 *     driver meanwhile waits until it is detached, and the pool answers EIO from then on. Else
 *     the kernel's own addresses of it would be gone under us.
 */
#include <linux/memremap.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "kmod.h"

/* ---- the device ---- */

static int memory_failed(struct dax_device *dax, u64 off, u64 len, int flags)
{
	struct umfs_kpool *pool = dax_holder(dax);

	(void)flags;
	if (pool && !pool->fs.broken) {
		pr_err("umfs: %s: memory failed at %llu, %llu bytes; the pool answers EIO from now on\n",
		       pool->name, off, len);
		WRITE_ONCE(pool->fs.broken, 1);
	}
	return 0;
}

static const struct dax_holder_operations holder_ops = {
	.notify_failure = memory_failed,
};

/* All of it in one piece, or not at all. */
static int find_memory(struct umfs_kpool *pool, u64 start, u64 bytes)
{
	long pages = (long)(bytes >> PAGE_SHIFT), got;
	void *at = NULL;
	pfn_t pfn;
	int lock;

	if (start & ~PAGE_MASK || pages <= 0)
		return -EOPNOTSUPP;
	lock = dax_read_lock();
	got = dax_direct_access(pool->dax, start >> PAGE_SHIFT, pages, DAX_ACCESS, &at, &pfn);
	dax_read_unlock(lock);
	if (got < 0)
		return (int)got;
	if (got < pages || !at || !pfn_t_has_page(pfn) || !virt_addr_valid(at))
		return -EOPNOTSUPP;
	pool->pgmap = get_dev_pagemap(pfn_t_to_pfn(pfn), NULL); /* I1 */
	if (!pool->pgmap)
		return -EOPNOTSUPP;
	pool->fs.base = at;
	pool->fs.bytes = (u64)pages << PAGE_SHIFT;
	pool->pfn = pfn_t_to_pfn(pfn);
	return 0;
}

static int open_device(struct umfs_kpool *pool)
{
	struct block_device *bdev;
	u64 start = 0;
	int err;

	pool->bdev = umfs_bdev_open(pool->device, pool);
	if (IS_ERR(pool->bdev)) {
		err = PTR_ERR(pool->bdev);
		pool->bdev = NULL;
		return err;
	}
	bdev = umfs_bdev_of(pool->bdev);
	pool->dax = fs_dax_get_by_bdev(bdev, &start, pool, &holder_ops);
	err = pool->dax ? find_memory(pool, start, bdev_nr_bytes(bdev)) : -EOPNOTSUPP;
	return err;
}

static void close_device(struct umfs_kpool *pool)
{
	put_dev_pagemap(pool->pgmap);
	if (pool->dax)
		fs_put_dax(pool->dax, pool);
	if (pool->bdev)
		umfs_bdev_close(pool->bdev);
	pool->pgmap = NULL;
	pool->dax = NULL;
	pool->bdev = NULL;
}

/* ---- what is on it ---- */

static int make_tables(struct umfs_kpool *pool)
{
	struct umfs *fs = &pool->fs;

	fs->irec_refs = kvcalloc(fs->geo.irec_count, sizeof(*fs->irec_refs), GFP_KERNEL);
	fs->ofd_refs = kvcalloc(fs->geo.ofd_count, sizeof(*fs->ofd_refs), GFP_KERNEL);
	return fs->irec_refs && fs->ofd_refs ? 0 : -ENOMEM;
}

static void free_tables(struct umfs_kpool *pool)
{
	kvfree(pool->fs.irec_refs);
	kvfree(pool->fs.ofd_refs);
}

static int attach(struct umfs_kpool *pool, uint32_t mode)
{
	const struct umfs_super_pm *sb = (const void *)pool->fs.base;
	bool from_backup;
	int err;

	umfs_kport_init(&pool->port);
	pool->fs.port = &pool->port;
	err = umfs_super_load(&pool->fs, &from_backup);
	if (err == -EINVAL)
		return -ENOEXEC;
	if (!err && pool->fs.geo.look_only)
		err = -EROFS;
	if (!err)
		err = make_tables(pool);
	if (err)
		return err;
	if (from_backup)
		pr_warn("umfs: %s: the first superblock is damaged, its backup is used\n",
			pool->name);
	memcpy(pool->uuid, sb->uuid, sizeof(pool->uuid));
	return umfs_attach(&pool->fs, mode);
}

/* ---- its node ---- */

static int make_node(struct umfs_kpool *pool)
{
	snprintf(pool->misc_name, sizeof(pool->misc_name), "umfs!%s", pool->name);
	snprintf(pool->misc_node, sizeof(pool->misc_node), "umfs/%s", pool->name);
	pool->misc.minor = MISC_DYNAMIC_MINOR;
	pool->misc.name = pool->misc_name;
	pool->misc.nodename = pool->misc_node;
	pool->misc.mode = 0666;
	pool->misc.fops = &umfs_node_fops;
	return misc_register(&pool->misc);
}

/* ---- life ---- */

static void free_pool(struct kref *refs)
{
	struct umfs_kpool *pool = container_of(refs, struct umfs_kpool, refs);

	free_tables(pool);
	kvfree(pool);
}

void umfs_kpool_put(struct umfs_kpool *pool)
{
	kref_put(&pool->refs, free_pool);
}

struct umfs_kpool *umfs_kpool_open(const struct umfs_ioc_attach *a)
{
	struct umfs_kpool *pool = kvzalloc(sizeof(*pool), GFP_KERNEL);
	int err;

	if (!pool)
		return ERR_PTR(-ENOMEM);
	kref_init(&pool->refs);
	init_rwsem(&pool->live);
	spin_lock_init(&pool->count);
	INIT_LIST_HEAD(&pool->leases);
	mutex_init(&pool->lease_lock);
	/* Not what stands behind the NULs: UMFS_IOC_LIST shows these to everybody. */
	strscpy(pool->name, a->name, sizeof(pool->name));
	strscpy(pool->device, a->device, sizeof(pool->device));
	err = open_device(pool);
	if (err)
		goto err_device;
	err = attach(pool, a->mode);
	if (err)
		goto err_device;
	err = umfs_super_make(pool);
	if (err)
		goto err_detach;
	err = make_node(pool);
	if (err)
		goto err_mount;
	return pool;

err_mount:
	pool->gone = true;
	umfs_super_drop(pool);
err_detach:
	umfs_detach(&pool->fs);
err_device:
	close_device(pool);
	umfs_kpool_put(pool);
	return ERR_PTR(err);
}

int umfs_kpool_enter(struct umfs_kpool *pool)
{
	int err = 0;

	spin_lock(&pool->count);
	if (pool->leaving)
		err = -ENXIO;
	else
		pool->users++;
	spin_unlock(&pool->count);
	return err;
}

void umfs_kpool_leave(struct umfs_kpool *pool)
{
	spin_lock(&pool->count);
	pool->users--;
	spin_unlock(&pool->count);
}

/* M2: first nobody may enter, then the node goes, then who only looks is kept out. */
int umfs_kpool_close(struct umfs_kpool *pool)
{
	if (umfs_super_mounts(pool)) /* the list is locked: nobody begins to mount it */
		return -EBUSY;
	spin_lock(&pool->count);
	if (pool->users) {
		spin_unlock(&pool->count);
		return -EBUSY;
	}
	pool->leaving = true;
	spin_unlock(&pool->count);
	misc_deregister(&pool->misc);
	down_write(&pool->live);
	pool->gone = true;
	up_write(&pool->live);
	umfs_super_drop(pool);
	umfs_detach(&pool->fs);
	close_device(pool);
	umfs_kpool_put(pool);
	return 0;
}
