/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kmod.h - what the files of the module share.
 *
 *   control.c  /dev/umfs/control: attach, detach, list
 *   pool.c     a device becomes a pool, and goes
 *   node.c     /dev/umfs/NAME: what is asked of a pool, by path
 *   open.c     opening and making files for it
 *   names.c    making, reading, moving and removing names for it
 *   walk.c     paths, and who asks
 *   mount.c    superblocks of pools, and who mounts them
 *   lookup.c   what the kernel asks of names, where a pool is mounted
 *   inode.c    inodes of the pool as the kernel's, their attributes
 *   file.c     regular files: read, write, fsync, fallocate, lseek
 *   dir.c      directories: getdents
 *   xattr.c    extended attributes
 *   setattr.c  attributes, by path
 *   map.c      mmap of regular files
 *   tables.c   page tables of mapped files
 *   splice.c   those tables hung into processes
 *   share.c    what processes need to know to read from mappings
 *   lease.c    who writes without calls
 *
 * Invariants of the module, cited where they are held:
 *
 * M1  Core is called with no lock of core's held and in a context that may sleep; it
 *     touches pool memory and the caller's, and no page fault is taken meanwhile.
 * M2  A pool's memory is used only by who is counted in `users`, or holds `live` and
 *     found the pool not gone. Detaching begins when nobody is counted, and nothing mounted.
 * M3  A page of the pool is mapped into a process only for an open file whose it is, and
 *     stays that file's until the last of its holders is gone (core/map.c).
 */
#ifndef UMFS_KMOD_H
#define UMFS_KMOD_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>

#include "compat.h"
#include "port_own.h"
#include "umfs.h"

#include "umfs/ioctl.h"

struct umfs_kpool {
	struct umfs fs;
	struct umfs_kport port;
	char name[UMFS_IOC_NAME_BYTES];
	char device[UMFS_IOC_DEVICE_BYTES];
	uint8_t uuid[16];

	umfs_bdev bdev;
	struct dax_device *dax;
	struct dev_pagemap *pgmap; /* pool.c I1 */
	unsigned long pfn; /* of page 0 */

	struct kref refs;	/* the list's, and its superblock's */
	struct list_head list;	/* of attached pools, under the lock of control.c */
	struct rw_semaphore live; /* M2 */
	bool gone;
	bool leaving;		/* with `users` 0: nobody comes any more */
	long users;		/* open files and nodes; under `count` */
	spinlock_t count;

	struct list_head leases; /* lease.c L6 */
	struct mutex lease_lock;

	struct super_block *sb;
	struct vfsmount *mnt;	/* of the whole, at no place: for what ioctls open */
	struct miscdevice misc;
	char misc_name[48], misc_node[48];
};

/* What an open file of a pool keeps. */
struct umfs_kfile {
	struct umfs_kpool *pool;
	struct umfs_file f;
	struct umfs_kmaps *maps; /* of a regular file that was mapped (tables.c), else NULL */
	struct list_head shares; /* under the inode's i_lock: share.c */
	struct umfs_klease *lease; /* the mappings of a lease are of this file: lease.c; else NULL */
};

/* ---- pool.c ---- */

/* -errno as UMFS_IOC_ATTACH says; a pool with one reference. */
struct umfs_kpool *umfs_kpool_open(const struct umfs_ioc_attach *a);
/* Its users are counted, -ENXIO once it is leaving. */
int umfs_kpool_enter(struct umfs_kpool *pool);
void umfs_kpool_leave(struct umfs_kpool *pool);
/* -EBUSY, or nobody can enter any more and the pool is detached; drops the reference.
 * The list is locked. */
int umfs_kpool_close(struct umfs_kpool *pool);
void umfs_kpool_put(struct umfs_kpool *pool);

/* ---- control.c, node.c, open.c, names.c ---- */

int umfs_control_init(void);
void umfs_control_exit(void);
/* The attached pool of that name, or NULL; it stays attached until umfs_pools_unlock(). */
struct umfs_kpool *umfs_pools_lock(const char *name);
void umfs_pools_unlock(void);
extern const struct file_operations umfs_node_fops;
long umfs_open_ioctl(struct umfs_kpool *pool, void __user *arg);
long umfs_names_ioctl(struct umfs_kpool *pool, unsigned int cmd, void __user *arg);
/* names.c: may he give this file one more name? */
int umfs_may_link(struct umfs_kpool *pool, const struct umfs_cred *cred, umfs_node node);
/* Whether this one may make a file of that type and mode. -EPERM; else what core says. */
int umfs_may_mknod(struct umfs_kpool *pool, const struct umfs_cred *cred, umfs_node dir, u32 mode);

/* ---- walk.c ---- */

/* `cred` is that of the current thread and holds while its system call lasts. */
void umfs_kcred(struct umfs_cred *cred);

/* A path from user space, and where it leads; umfs_kpath_put() in any case. */
struct umfs_kpath {
	char *text, *room;
	umfs_node start;
	struct umfs_walk w;
};
int umfs_kpath_get(struct umfs_kpool *pool, const struct umfs_ioc_path *from,
		   struct umfs_kpath *p);
/*
 * As umfs_walk(), with flags UMFS_WALK_* and so many links followed before. `room` has what
 * remains where that is UMFS_WALK_ESCAPED.
 */
int umfs_kpath_lead(struct umfs_kpool *pool, const struct umfs_cred *cred, struct umfs_kpath *p,
		    uint32_t flags, uint32_t links);
/* The same for who stays in the pool: -EXDEV when the path leaves it. */
int umfs_kpath_walk(struct umfs_kpool *pool, const struct umfs_cred *cred, struct umfs_kpath *p,
		    uint32_t flags);
void umfs_kpath_put(struct umfs_kpath *p);
/* Whether the walk is to be done again after `err`: somebody changed what it saw. */
bool umfs_walk_again(int err, int *tries);
void umfs_kattr(const struct umfs_attr *in, struct umfs_ioc_attr *out);
int umfs_knode_attr(struct umfs_kpool *pool, umfs_node node, struct umfs_ioc_attr *out);

/* ---- inode.c ---- */

void umfs_inodes_init(void);
void umfs_inodes_exit(void);
/* The kernel's inode of `node`, which may be a bare number; ERR_PTR. */
struct inode *umfs_kinode(struct umfs_kpool *pool, umfs_node node);
/* An open file of `node`, with O_* flags; rights were checked. ERR_PTR. */
struct file *umfs_kopen(struct umfs_kpool *pool, umfs_node node, int flags);
/* The same of a file that has no name yet; takes `ofd`, its description. */
struct file *umfs_kopen_made(struct umfs_kpool *pool, uint32_t ofd, int flags);
/* inode.c I2 */
struct umfs_given {
	uint32_t ofd;
	const struct task_struct *to; /* set by umfs_kinode_made() */
};
/* Its inode, whose opening by this thread takes given->ofd; ERR_PTR, and that is put. */
struct inode *umfs_kinode_made(struct umfs_kpool *pool, struct umfs_given *given);
/* Whether there is one for this thread, and it is taken. */
bool umfs_kinode_take(struct inode *inode, uint32_t *ofd);
/* That opening is over, well or not; puts `inode`. */
void umfs_kinode_opened(struct inode *inode);
umfs_node umfs_knode(const struct inode *inode);
static inline struct umfs_kpool *umfs_kpool_of(const struct inode *inode)
{
	return inode->i_sb->s_fs_info;
}
/* M2, for who is not counted: the pool, to be looked away from, or NULL. */
struct umfs_kpool *umfs_inode_look(const struct inode *inode);
void umfs_inode_look_away(struct umfs_kpool *pool);
/* ERR_PTR */
struct dentry *umfs_kdentry(struct umfs_kpool *pool, umfs_node node);
/* What core says of the inode now, which `inode` shows too. */
int umfs_inode_refresh(struct inode *inode, struct umfs_attr *attr);
/* The same, looked at already: who looks twice waits for a detach that waits for him. */
int umfs_inode_refresh_in(struct umfs_kpool *pool, struct inode *inode, struct umfs_attr *attr);
/* The same, after what may have taken its last name. */
void umfs_inode_settle(struct inode *inode);
/* inode.c I6: its content, size or owner changed by core, the inode's lock held or nobody else's. */
void umfs_inode_written(struct inode *inode);
int umfs_inode_getattr(umfs_idmap *idmap, const struct path *path, struct kstat *stat, u32 mask,
		       unsigned int flags);
int umfs_inode_setattr(umfs_idmap *idmap, struct dentry *dentry, struct iattr *a);
int umfs_inode_permission(umfs_idmap *idmap, struct inode *inode, int mask);

/* ---- mount.c, lookup.c ---- */

int umfs_mounts_init(void);
void umfs_mounts_exit(void);
/* The pool's superblock, and its mount at no place; the list of pools is locked. */
int umfs_super_make(struct umfs_kpool *pool);
void umfs_super_drop(struct umfs_kpool *pool);
/* At how many places it is mounted, those counted that were left and are still in use. */
unsigned int umfs_super_mounts(const struct umfs_kpool *pool);
/* The pool that any inode of the kernel's is of, or NULL. */
struct umfs_kpool *umfs_kpool_with(const struct inode *inode);
extern const struct inode_operations umfs_dir_inode_ops, umfs_link_inode_ops;
extern const struct dentry_operations umfs_dentry_ops;
int umfs_dentry_revalidate(struct dentry *dentry, unsigned int flags);

/* ---- xattr.c ---- */

extern const struct xattr_handler *umfs_xattr_handlers[];
ssize_t umfs_inode_listxattr(struct dentry *dentry, char *list, size_t size);
long umfs_xattr_ioctl(struct umfs_kpool *pool, unsigned int cmd, void __user *arg);

/* ---- setattr.c ---- */

long umfs_setattr_ioctl(struct umfs_kpool *pool, void __user *arg);

/* ---- file.c, dir.c, map.c ---- */

int umfs_files_init(void);
void umfs_files_exit(void);
extern const struct file_operations umfs_file_fops, umfs_dir_fops;
int umfs_file_open(struct inode *inode, struct file *file);
int umfs_file_release(struct inode *inode, struct file *file);
int umfs_file_fsync(struct file *file, loff_t from, loff_t to, int datasync);
int umfs_file_mmap(struct file *file, struct vm_area_struct *vma);

/* ---- share.c ---- */

struct umfs_karea;
int umfs_area_mmap(struct umfs_karea **where, struct vm_area_struct *vma);
void umfs_area_put(struct umfs_karea *area);
long umfs_area_share(struct umfs_kpool *pool, struct umfs_karea *area, void __user *arg);
long umfs_area_lease(struct umfs_kpool *pool, struct umfs_karea *area, void __user *arg);
int umfs_file_flush(struct file *file, fl_owner_t id);
void umfs_shares_release(struct inode *inode, struct umfs_kfile *k);
/* Around what changes the file's content or size, the invalidate lock held for us alone. Ends a lease. */
void umfs_shares_stop(struct inode *inode);
void umfs_shares_go(struct inode *inode);

/* ---- lease.c ---- */

/*
 * Mappings for one at a->addr and a->log, of a file that is to be put in any case (*file, or
 * NULL). On errors too they are the caller's to unmap, where not 0.
 */
int umfs_lease_map(struct umfs_kpool *pool, struct inode *inode, struct umfs_ioc_lease *a,
		   struct file **file);
/* That file's mappings may be used from now on; the invalidate lock held for us alone. */
int umfs_lease_begin(struct file *file, struct umfs_ioc_lease *a);
/* The same held: nobody has a lease, and what was begun is undone. */
void umfs_lease_end(struct inode *inode);
/* The same, and the invalidate lock is taken, shared, and left to the caller. */
void umfs_lease_stop(struct inode *inode);
/* Whether there is one; another number whenever there was one in between. */
bool umfs_lease_is(struct inode *inode, u64 *begun);
/* A mapping of an open file with k->lease goes, and that file; the invalidate lock not held. */
void umfs_lease_unmapped(const struct vm_area_struct *vma);
void umfs_lease_release(struct umfs_kfile *k);
/* Before attributes are read: times of what was written by lease. */
void umfs_leases_look(struct umfs_kpool *pool, uint32_t ino);
/* A page fault in a mapping of `file` may go on; the invalidate lock held. */
bool umfs_lease_lets(const struct vm_area_struct *vma);
/* Whether `vma` is for the log, and was made so. */
bool umfs_lease_mmap_log(const struct umfs_kfile *k, struct vm_area_struct *vma);

/* ---- tables.c; the invalidate lock held for us alone ---- */

/* Bytes were written: who saw zeros there because the file had no page looks again. */
void umfs_maps_wrote(struct inode *inode, u64 from, u64 to);
/* The file ends at `size`; beyond it nobody sees anything of it any more. */
void umfs_maps_cut(struct inode *inode, u64 size);

#endif
