/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - what differs between the kernels that the module builds for, 6.1 and later.
 * Nothing else asks for the kernel's version.
 */
#ifndef UMFS_COMPAT_H
#define UMFS_COMPAT_H

#include <linux/blkdev.h>
#include <linux/dax.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pfn_t.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/uio.h>
#include <linux/version.h>

/* A block device opened for us alone: what is kept of it, and its struct block_device. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
typedef struct file *umfs_bdev;
static inline umfs_bdev umfs_bdev_open(const char *path, void *holder)
{
	return bdev_file_open_by_path(path, BLK_OPEN_READ | BLK_OPEN_WRITE, holder, NULL);
}
static inline struct block_device *umfs_bdev_of(umfs_bdev dev)
{
	return file_bdev(dev);
}
static inline void umfs_bdev_close(umfs_bdev dev)
{
	fput(dev);
}
#else
typedef struct block_device *umfs_bdev;
static inline umfs_bdev umfs_bdev_open(const char *path, void *holder)
{
	return blkdev_get_by_path(path, FMODE_READ | FMODE_WRITE | FMODE_EXCL, holder);
}
static inline struct block_device *umfs_bdev_of(umfs_bdev dev)
{
	return dev;
}
static inline void umfs_bdev_close(umfs_bdev dev)
{
	blkdev_put(dev, FMODE_READ | FMODE_WRITE | FMODE_EXCL);
}
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
typedef struct mnt_idmap umfs_idmap;
#define umfs_idmap_none (&nop_mnt_idmap)
#else
typedef struct user_namespace umfs_idmap;
#define umfs_idmap_none (&init_user_ns)
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define umfs_fillattr(idmap, mask, inode, stat) generic_fillattr(idmap, mask, inode, stat)
#else
#define umfs_fillattr(idmap, mask, inode, stat) generic_fillattr(idmap, inode, stat)
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define umfs_set_atime(inode, ts) inode_set_atime_to_ts(inode, ts)
#define umfs_set_mtime(inode, ts) inode_set_mtime_to_ts(inode, ts)
#define umfs_set_ctime(inode, ts) inode_set_ctime_to_ts(inode, ts)
#else
#define umfs_set_atime(inode, ts) ((inode)->i_atime = (ts))
#define umfs_set_mtime(inode, ts) ((inode)->i_mtime = (ts))
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define umfs_set_ctime(inode, ts) inode_set_ctime_to_ts(inode, ts)
#else
#define umfs_set_ctime(inode, ts) ((inode)->i_ctime = (ts))
#endif
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define umfs_splice_read copy_splice_read
#else
#define umfs_splice_read generic_file_splice_read
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define umfs_vm_flags_set(vma, flags) vm_flags_set(vma, flags)
#define umfs_vm_flags_clear(vma, flags) vm_flags_clear(vma, flags)
#else
#define umfs_vm_flags_set(vma, flags) ((vma)->vm_flags |= (flags))
#define umfs_vm_flags_clear(vma, flags) ((vma)->vm_flags &= ~(flags))
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define umfs_ptlock(page) ptlock_ptr(page_ptdesc(page))
#else
#define umfs_ptlock(page) ptlock_ptr(page)
#endif

/* The segment that an iterator over a vector of user memory is at. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define umfs_iter_iov(iter) iter_iov(iter)
#else
#define umfs_iter_iov(iter) ((iter)->iov)
#endif

/* What the owner of an address space may keep with it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define umfs_mapping_private(mapping) ((mapping)->i_private_data)
#else
#define umfs_mapping_private(mapping) ((mapping)->private_data)
#endif

/* Where the kernel would map `len` bytes of the file. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define umfs_area(file, addr, len, pgoff, flags) \
	mm_get_unmapped_area(current->mm, file, addr, len, pgoff, flags)
#else
#define umfs_area(file, addr, len, pgoff, flags) \
	current->mm->get_unmapped_area(file, addr, len, pgoff, flags)
#endif

/* The kernel leaves the umask to us: core knows where a directory's list takes its place. */
#ifdef SB_I_NOUMASK
#define umfs_no_umask(sb) ((sb)->s_iflags |= SB_I_NOUMASK)
#else
#define umfs_no_umask(sb) ((sb)->s_flags |= SB_POSIXACL)
#endif

#endif
