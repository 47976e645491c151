// SPDX-License-Identifier: GPL-2.0-only
/*
 * inode.c - inodes of a pool as the kernel's.
 *
 * Each pool has a superblock (mount.c), so that an open file is one like any other:
 * fstat, fchmod, flock, /proc/PID/fd and the rest come from the kernel. Its inodes live
 * while somebody uses them, or the kernel remembers a name of theirs (lookup.c), and keep
 * nothing that counts: what a question needs is read from the pool when it is asked.
 *
 * I1  One struct inode for each inode of the pool in use, by number and generation: so
 *     its address space knows all mappings of the file (map.c).
 * I2  `i_private` is a description that the thread which made the file is about to open it
 *     with. Others may open it meanwhile, without a name: who is asked whether it may be opened
 *     (fanotify) looks at it. They get a description of their own.
 * I3  What is known of an inode is read and shown in turns: nobody who read earlier
 *     shows it later, and so takes from somebody the end of what he has just written.
 * I4  A FIFO is the kernel's own, which finds it by the struct inode (I1) and keeps nothing of
 *     it in the pool. So an open one is not counted (M2), and outlives its name and the
 *     attachment.
 * I5  An ioctl opens what is no directory by a dentry of its own, without a name: whether the
 *     kernel knows one is nothing to it. A directory has one dentry, as the kernel wants it.
 * I6  Set-id bits are given to who executes by what the struct inode says: so whatever takes
 *     them in the pool is shown before it returns (umfs_inode_written).
 * I7  Who looks (M2) asks the kernel nothing that may look itself, nor wait for a program:
 *     taking capabilities of a file away, opening one. A detach that came in between would
 *     wait for him, and he for it.
 */
#include <linux/hash.h>
#include <linux/module.h>

#include "kmod.h"

#define TURN_BITS 6

static struct mutex turns[1 << TURN_BITS]; /* I3 */

umfs_node umfs_knode(const struct inode *inode)
{
	return umfs_node_of((uint32_t)inode->i_ino, inode->i_generation);
}

/* M2, for who is not counted: an O_PATH descriptor may outlive the attachment. */
struct umfs_kpool *umfs_inode_look(const struct inode *inode)
{
	struct umfs_kpool *pool = umfs_kpool_of(inode);

	down_read(&pool->live);
	if (!pool->gone)
		return pool;
	up_read(&pool->live);
	return NULL;
}

void umfs_inode_look_away(struct umfs_kpool *pool)
{
	up_read(&pool->live);
}

/* ---- attributes ---- */

static void show(struct inode *inode, const struct umfs_attr *attr)
{
	spin_lock(&inode->i_lock);
	inode->i_mode = (umode_t)attr->mode;
	inode->i_uid = KUIDT_INIT(attr->uid);
	inode->i_gid = KGIDT_INIT(attr->gid);
	if (inode->i_nlink != attr->nlink)
		set_nlink(inode, attr->nlink);
	umfs_set_atime(inode, ns_to_timespec64(attr->atime_ns));
	umfs_set_mtime(inode, ns_to_timespec64(attr->mtime_ns));
	umfs_set_ctime(inode, ns_to_timespec64(attr->ctime_ns));
	inode->i_blocks = attr->blocks_512;
	inode->i_rdev = (dev_t)new_decode_dev((u32)attr->rdev);
	i_size_write(inode, (loff_t)attr->size);
	spin_unlock(&inode->i_lock);
}

/* Looked at, see look(). What is shown is never older than what was shown before (I3). */
int umfs_inode_refresh_in(struct umfs_kpool *pool, struct inode *inode, struct umfs_attr *attr)
{
	struct mutex *turn = &turns[hash_ptr(inode, TURN_BITS)];
	int err;

	umfs_leases_look(pool, (uint32_t)inode->i_ino);
	mutex_lock(turn);
	err = umfs_getattr(&pool->fs, umfs_knode(inode), attr);
	if (!err && inode->i_mode && (inode->i_mode ^ attr->mode) & S_IFMT)
		err = -EUCLEAN;
	if (!err)
		show(inode, attr);
	mutex_unlock(turn);
	return err;
}

/* Both: 0, and it is to be looked away from. */
static int look_fresh(struct inode *inode, struct umfs_kpool **pool, struct umfs_attr *attr)
{
	int err;

	*pool = umfs_inode_look(inode);
	if (!*pool)
		return -EIO;
	err = umfs_inode_refresh_in(*pool, inode, attr);
	if (err)
		umfs_inode_look_away(*pool);
	return err;
}

int umfs_inode_refresh(struct inode *inode, struct umfs_attr *attr)
{
	struct umfs_kpool *pool;
	int err = look_fresh(inode, &pool, attr);

	if (!err)
		umfs_inode_look_away(pool);
	return err;
}

/*
 * A working directory that was removed: nothing keeps its inode, and the kernel's word for
 * what is not there any more is this.
 */
static int gone(int err)
{
	return err == -ESTALE ? -ENOENT : err;
}

/* Something of it was removed, or what is under its number now is another. */
void umfs_inode_settle(struct inode *inode)
{
	struct umfs_attr attr;

	if (gone(umfs_inode_refresh(inode, &attr)) != -ENOENT)
		return;
	spin_lock(&inode->i_lock);
	if (inode->i_nlink)
		clear_nlink(inode);
	spin_unlock(&inode->i_lock);
}

/* I6 */
void umfs_inode_written(struct inode *inode)
{
	struct umfs_attr attr;

	if (inode->i_mode & (S_ISUID | S_ISGID))
		(void)umfs_inode_refresh(inode, &attr);
}

int umfs_inode_getattr(umfs_idmap *idmap, const struct path *path, struct kstat *stat, u32 mask,
		       unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct umfs_attr attr;
	int err = gone(umfs_inode_refresh(inode, &attr));

	(void)flags;
	(void)mask;
	if (err)
		return err;
	umfs_fillattr(idmap, mask, inode, stat);
	stat->blksize = UMFS_PAGE_BYTES;
	stat->btime = ns_to_timespec64(attr.btime_ns);
	stat->result_mask |= STATX_BTIME;
	return 0;
}

/* Core's answer, so that a mount gives the rights that the calls by path give. */
int umfs_inode_permission(umfs_idmap *idmap, struct inode *inode, int mask)
{
	struct umfs_kpool *pool;
	struct umfs_cred cred;
	struct umfs_attr attr;
	int err;

	(void)idmap;
	if (mask & MAY_NOT_BLOCK)
		return -ECHILD;
	err = gone(look_fresh(inode, &pool, &attr));
	if (err)
		return err;
	umfs_kcred(&cred);
	err = umfs_access(&pool->fs, &cred, umfs_knode(inode),
			  mask & (MAY_READ | MAY_WRITE | MAY_EXEC));
	umfs_inode_look_away(pool);
	return gone(err);
}

static int64_t time_of(unsigned int valid, unsigned int is, unsigned int set,
		       const struct timespec64 *ts)
{
	if (!(valid & is))
		return UMFS_TIME_OMIT;
	return valid & set ? timespec64_to_ns(ts) : UMFS_TIME_NOW;
}

/* Pages cut off stay the file's while it is mapped (M3); who touches them gets SIGBUS. */
static int set_size(struct umfs_kpool *pool, struct inode *inode, loff_t size)
{
	int err;

	filemap_invalidate_lock(inode->i_mapping);
	umfs_shares_stop(inode);
	err = umfs_truncate(&pool->fs, umfs_knode(inode), (uint64_t)size);
	if (!err) {
		truncate_setsize(inode, size);
		umfs_maps_cut(inode, (u64)size);
	}
	umfs_shares_go(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

/* Core checks rights by what is in the pool now; what the kernel checked was a copy. */
static int set_attr(struct umfs_kpool *pool, struct inode *inode, const struct iattr *a)
{
	struct umfs *fs = &pool->fs;
	umfs_node node = umfs_knode(inode);
	struct umfs_cred cred;
	int err = 0;

	umfs_kcred(&cred);
	if (a->ia_valid & (ATTR_UID | ATTR_GID))
		err = umfs_chown(fs, &cred, node,
				 a->ia_valid & ATTR_UID ? __kuid_val(a->ia_uid) : ~0u,
				 a->ia_valid & ATTR_GID ? __kgid_val(a->ia_gid) : ~0u);
	/* What chown and writing take of the mode, core takes itself. */
	if (!err && a->ia_valid & ATTR_MODE && !(a->ia_valid & (ATTR_UID | ATTR_GID)) &&
	    !(a->ia_valid & (ATTR_KILL_SUID | ATTR_KILL_SGID)))
		err = umfs_chmod(fs, &cred, node, a->ia_mode & 07777);
	if (!err && a->ia_valid & (ATTR_ATIME | ATTR_MTIME) && !(a->ia_valid & ATTR_SIZE))
		err = umfs_utimens(
			fs, &cred, node,
			time_of(a->ia_valid, ATTR_ATIME, ATTR_ATIME_SET, &a->ia_atime),
			time_of(a->ia_valid, ATTR_MTIME, ATTR_MTIME_SET, &a->ia_mtime));
	return err;
}

/* Who writes by lease takes no set-id bits away and changes no times: so nobody does (lease.c L2). */
static int change(struct umfs_kpool *pool, struct inode *inode, const struct iattr *a)
{
	int err = a->ia_valid & ATTR_SIZE ? set_size(pool, inode, a->ia_size) : 0;

	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	umfs_lease_end(inode);
	err = set_attr(pool, inode, a);
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

/* I7 */
int umfs_inode_setattr(umfs_idmap *idmap, struct dentry *dentry, struct iattr *a)
{
	struct inode *inode = d_inode(dentry);
	struct umfs_kpool *pool;
	struct umfs_attr attr;
	int err = umfs_inode_refresh(inode, &attr);

	if (!err)
		err = setattr_prepare(idmap, dentry, a);
	if (err)
		return err;
	pool = umfs_inode_look(inode);
	if (!pool)
		return -EIO;
	err = change(pool, inode, a);
	if (!err)
		err = umfs_inode_refresh_in(pool, inode, &attr);
	umfs_inode_look_away(pool);
	return err;
}

static const struct inode_operations inode_ops = {
	.getattr = umfs_inode_getattr,
	.setattr = umfs_inode_setattr,
	.permission = umfs_inode_permission,
	.listxattr = umfs_inode_listxattr,
};

/* ---- inodes ---- */

/* O_DIRECT is what all reads and writes are. */
static const struct address_space_operations mapping_ops = {
	.direct_IO = noop_direct_IO,
};

static int is_node(struct inode *inode, void *arg)
{
	return umfs_knode(inode) == *(const umfs_node *)arg;
}

static int be_node(struct inode *inode, void *arg)
{
	umfs_node node = *(const umfs_node *)arg;

	inode->i_ino = (uint32_t)node;
	inode->i_generation = (uint32_t)(node >> 32);
	inode->i_mode = 0; /* of what was in this memory before */
	return 0;
}

static bool is_special(umode_t mode)
{
	return S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) || S_ISBLK(mode);
}

static int set_up(struct umfs_kpool *pool, struct inode *inode)
{
	struct umfs_attr attr;
	int err = umfs_inode_refresh_in(pool, inode, &attr);

	if (err)
		return err;
	inode->i_op = &inode_ops;
	inode->i_flags |= S_NOATIME | S_NOCMTIME; /* core's matter */
	if (S_ISREG(inode->i_mode)) {
		inode->i_fop = &umfs_file_fops;
		inode->i_mapping->a_ops = &mapping_ops;
	} else if (S_ISDIR(inode->i_mode)) {
		inode->i_op = &umfs_dir_inode_ops;
		inode->i_fop = &umfs_dir_fops;
	} else if (S_ISLNK(inode->i_mode)) {
		inode->i_op = &umfs_link_inode_ops;
	} else if (is_special(inode->i_mode)) {
		init_special_inode(inode, inode->i_mode, inode->i_rdev); /* I4 */
	}
	return 0;
}

/* I1: so a bare number, as a path may end in, is made a node first. */
struct inode *umfs_kinode(struct umfs_kpool *pool, umfs_node node)
{
	struct umfs_attr attr;
	struct inode *inode;
	int err = umfs_getattr(&pool->fs, node, &attr);

	if (err)
		return ERR_PTR(err);
	node = umfs_node_of((uint32_t)node, attr.generation);
	inode = iget5_locked(pool->sb, (unsigned long)(uint32_t)node, is_node, be_node, &node);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (!(inode->i_state & I_NEW))
		return inode;
	err = set_up(pool, inode);
	if (err) {
		iget_failed(inode);
		return ERR_PTR(err);
	}
	unlock_new_inode(inode);
	return inode;
}

static char *dname(struct dentry *dentry, char *buf, int len)
{
	char text[80];
	int n = snprintf(text, sizeof(text), UMFS_NODES "%s:[%lu]",
			 umfs_kpool_of(d_inode(dentry))->name, d_inode(dentry)->i_ino);

	if (n + 1 > len)
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buf + len - n - 1, text, n + 1);
}

/* Nobody finds one by a name; but flags of a dentry say what the superblock's operations are. */
static const struct dentry_operations nameless_ops = {
	.d_revalidate = umfs_dentry_revalidate,
	.d_dname = dname,
};

/* I5. Takes the reference to the inode. */
static struct dentry *dentry_of(struct inode *inode)
{
	struct dentry *dentry;

	if (S_ISDIR(inode->i_mode))
		return d_obtain_alias(inode);
	dentry = d_alloc_anon(inode->i_sb);
	if (!dentry) {
		iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	dentry->d_op = &nameless_ops;
	d_instantiate(dentry, inode);
	return dentry;
}

/* Takes the reference to the inode. */
static struct file *open_inode(struct umfs_kpool *pool, struct inode *inode, int flags)
{
	struct path path = {.mnt = pool->mnt, .dentry = dentry_of(inode)};
	struct file *file;

	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);
	file = dentry_open(&path, flags, current_cred());
	dput(path.dentry);
	return file;
}

struct dentry *umfs_kdentry(struct umfs_kpool *pool, umfs_node node)
{
	struct inode *inode = umfs_kinode(pool, node);

	return IS_ERR(inode) ? ERR_CAST(inode) : dentry_of(inode);
}

struct file *umfs_kopen(struct umfs_kpool *pool, umfs_node node, int flags)
{
	struct inode *inode = umfs_kinode(pool, node);

	return IS_ERR(inode) ? ERR_CAST(inode) : open_inode(pool, inode, flags);
}

struct inode *umfs_kinode_made(struct umfs_kpool *pool, struct umfs_given *given)
{
	struct umfs_file f;
	int err = umfs_file_init(&pool->fs, given->ofd, &f);
	struct inode *inode = err ? ERR_PTR(err) : umfs_kinode(pool, umfs_file_node(&f));

	given->to = current;
	if (IS_ERR(inode)) {
		umfs_ofd_put(&pool->fs, given->ofd);
		return inode;
	}
	spin_lock(&inode->i_lock);
	inode->i_private = given;
	spin_unlock(&inode->i_lock);
	return inode;
}

bool umfs_kinode_take(struct inode *inode, uint32_t *ofd)
{
	const struct umfs_given *given;
	bool is;

	if (!READ_ONCE(inode->i_private))
		return false;
	spin_lock(&inode->i_lock);
	given = inode->i_private;
	is = given && given->to == current;
	if (is) {
		*ofd = given->ofd;
		inode->i_private = NULL;
	}
	spin_unlock(&inode->i_lock);
	return is;
}

void umfs_kinode_opened(struct inode *inode)
{
	uint32_t ofd;

	if (umfs_kinode_take(inode, &ofd)) /* the opening did not get so far */
		umfs_ofd_put(&umfs_kpool_of(inode)->fs, ofd);
	iput(inode);
}

struct file *umfs_kopen_made(struct umfs_kpool *pool, uint32_t ofd, int flags)
{
	struct umfs_given given = {.ofd = ofd};
	struct inode *inode = umfs_kinode_made(pool, &given);
	struct file *file;

	if (IS_ERR(inode))
		return ERR_CAST(inode);
	ihold(inode);
	file = open_inode(pool, inode, flags);
	umfs_kinode_opened(inode);
	return file;
}

void umfs_inodes_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(turns); i++)
		mutex_init(&turns[i]);
}

void umfs_inodes_exit(void)
{
	rcu_barrier(); /* inodes are freed after a grace period */
}
