// SPDX-License-Identifier: GPL-2.0-only
/*
 * mount.c - superblocks of pools, and mounts of them: `mount -t umfs NAME DIRECTORY`.
 *
 * A pool has one superblock from when it is attached until it is detached, with a mount of
 * the module's own that is at no place and by which ioctls open files. Who mounts a pool
 * gets the same superblock: the same inodes and address spaces, so that what he sees is what
 * everybody sees.
 *
 * S1  What is mounted holds the superblock's s_active, whatever becomes of it: a copy for
 *     another namespace, a place that was left lazily. Only umfs_pools_lock() makes the
 *     first of them, and a pool is detached under the same lock (M2).
 * S2  Nothing of the superblock is set by who mounts: read-only, nosuid and the like belong to
 *     mounts. That of the module's own gives nobody devices or set-id bits.
 */
#include <linux/fs_context.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/seq_file.h>
#include <linux/statfs.h>

#include "kmod.h"

static struct umfs_kpool *made; /* whose superblock is being made; under the lock of control.c */

static int do_statfs(struct dentry *dentry, struct kstatfs *st)
{
	struct umfs_kpool *pool = umfs_inode_look(d_inode(dentry));
	struct umfs_statfs s;

	if (!pool)
		return -EIO;
	umfs_statfs(&pool->fs, &s);
	umfs_inode_look_away(pool);
	st->f_type = UMFS_IOC_FS_MAGIC;
	st->f_fsid = u64_to_fsid(huge_encode_dev(dentry->d_sb->s_dev));
	st->f_bsize = UMFS_PAGE_BYTES;
	st->f_blocks = s.pages;
	st->f_bfree = s.pages_free;
	st->f_bavail = s.pages_free;
	st->f_files = s.inodes;
	st->f_ffree = s.inodes_free;
	st->f_namelen = s.name_max;
	return 0;
}

/* The same in all mount tables, however it was called. */
static int show_devname(struct seq_file *to, struct dentry *root)
{
	struct umfs_kpool *pool = root->d_sb->s_fs_info;

	seq_puts(to, UMFS_NODES);
	seq_puts(to, pool->name);
	return 0;
}

static const struct super_operations super_ops = {
	.statfs = do_statfs,
	.show_devname = show_devname,
	.drop_inode = generic_delete_inode,
};

static int fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct umfs_kpool *pool = made;
	struct inode *root;

	(void)fc;
	kref_get(&pool->refs);
	sb->s_fs_info = pool;
	pool->sb = sb;
	sb->s_op = &super_ops;
	sb->s_d_op = &umfs_dentry_ops;
	sb->s_xattr = umfs_xattr_handlers;
	sb->s_magic = UMFS_IOC_FS_MAGIC;
	sb->s_blocksize = UMFS_PAGE_BYTES;
	sb->s_blocksize_bits = UMFS_PAGE_SHIFT;
	sb->s_maxbytes = UMFS_FILE_BYTES_MAX;
	sb->s_time_gran = 1;
	/* What fits in 64 bits of nanoseconds; core's two special values lie below. */
	sb->s_time_min = S64_MIN / NSEC_PER_SEC + 1;
	sb->s_time_max = S64_MAX / NSEC_PER_SEC;
	sb->s_flags |= SB_NOSEC;
	umfs_no_umask(sb);
	root = umfs_kinode(pool, UMFS_ROOT_INO);
	if (IS_ERR(root))
		return PTR_ERR(root);
	if (!S_ISDIR(root->i_mode)) {
		iput(root);
		return -EUCLEAN;
	}
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static int is_of_pool(struct super_block *sb, struct fs_context *fc)
{
	return sb->s_fs_info == fc->fs_private;
}

/* There is one. */
static int no_new_one(struct super_block *sb, struct fs_context *fc)
{
	(void)sb;
	(void)fc;
	return -ENXIO;
}

static int join(struct umfs_kpool *pool, struct fs_context *fc)
{
	struct super_block *sb;

	fc->fs_private = pool;
	sb = sget_fc(fc, is_of_pool, no_new_one);
	fc->fs_private = NULL;
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	fc->root = dget(sb->s_root);
	return 0;
}

static int get_tree(struct fs_context *fc)
{
	const char *name = fc->source;
	struct umfs_kpool *pool;
	int err;

	if (fc->sb_flags & SB_KERNMOUNT)
		return get_tree_nodev(fc, fill_super);
	if (!name)
		return invalf(fc, "umfs: which pool? Its name is wanted as what is mounted");
	if (!strncmp(name, UMFS_NODES, strlen(UMFS_NODES)))
		name += strlen(UMFS_NODES);
	pool = umfs_pools_lock(name);
	err = pool ? join(pool, fc) : -ENXIO; /* S1 */
	umfs_pools_unlock();
	if (!pool)
		errorf(fc, "umfs: no pool is attached as %s (umfs attach DEVICE NAME)", name);
	return err;
}

/* S2: the kernel goes on to the mount's flags. */
static int reconfigure(struct fs_context *fc)
{
	fc->sb_flags_mask = 0;
	return 0;
}

static const struct fs_context_operations context_ops = {
	.get_tree = get_tree,
	.reconfigure = reconfigure,
};

static int init_context(struct fs_context *fc)
{
	fc->ops = &context_ops;
	fc->global = true;
	return 0;
}

static void kill_super(struct super_block *sb)
{
	struct umfs_kpool *pool = sb->s_fs_info;

	kill_anon_super(sb);
	if (pool)
		umfs_kpool_put(pool);
}

static struct file_system_type fs_type = {
	.owner = THIS_MODULE,
	.name = "umfs",
	.init_fs_context = init_context,
	.kill_sb = kill_super,
};

struct umfs_kpool *umfs_kpool_with(const struct inode *inode)
{
	return inode->i_sb->s_type == &fs_type ? umfs_kpool_of(inode) : NULL;
}

int umfs_super_make(struct umfs_kpool *pool)
{
	struct vfsmount *mnt;

	made = pool;
	mnt = kern_mount(&fs_type);
	made = NULL;
	if (IS_ERR(mnt))
		return PTR_ERR(mnt);
	mnt->mnt_flags |= MNT_NODEV | MNT_NOSUID; /* S2 */
	pool->mnt = mnt;
	return 0;
}

void umfs_super_drop(struct umfs_kpool *pool)
{
	kern_unmount(pool->mnt);
	pool->mnt = NULL;
}

/* S1; one is the module's own. */
unsigned int umfs_super_mounts(const struct umfs_kpool *pool)
{
	return (unsigned int)atomic_read(&pool->sb->s_active) - 1;
}

int umfs_mounts_init(void)
{
	return register_filesystem(&fs_type);
}

void umfs_mounts_exit(void)
{
	unregister_filesystem(&fs_type);
}
