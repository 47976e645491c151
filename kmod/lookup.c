// SPDX-License-Identifier: GPL-2.0-only
/*
 * lookup.c - what the kernel asks of names, where a pool is mounted.
 *
 * Core decides, by the names that are in the pool now and the rights of who asks. The
 * kernel's own memory of names (dentries) is only a guess that is looked at before each use,
 * since an ioctl may have changed any of them in between.
 *
 * N1  The kernel's locks of directories are taken before core's, and mean nothing to core: an
 *     ioctl takes none of them. So whatever the kernel has looked at before it asks for a
 *     change may be otherwise by now, and core looks again under its own locks.
 * N2  A directory has one dentry. One that an ioctl opened has no place until the kernel comes
 *     to it by a name; it is moved there then. As long as it has none, no name in it is found:
 *     ".." would lead nowhere.
 * N3  A name is bound to a node (core/path.c I1): never to another file that has got the
 *     number of the one that had the name.
 * N4  Who makes a file and opens it is asked no more whether he may: so he gets the node that
 *     was made for him, and not what its name means by then.
 * N5  While the kernel changes a name, core has it before the dentry has. Who finds that core
 *     says otherwise waits for the dentry to change as well, and looks again: one that is found
 *     wrong is taken out of the tree, and what is mounted below it is unmounted. `d_fsdata` has
 *     the sequence of the dentry from before the change.
 * N6  Where a directory goes, the kernel has asked whether something is mounted there, and marks
 *     it as dead after that. So it has to be the one that the kernel looked at.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "kmod.h"

#define TRIES 100
#define MOVES 10

/* Who asks for what in which directory. */
struct asked {
	struct umfs_kpool *pool;
	struct umfs *fs;
	struct umfs_cred cred;
	umfs_node dir;
	const char *name;
	uint32_t len;
};

/* 0: and it is to be looked away from. The name is held by a lock of the kernel's. */
static int ask(struct asked *a, const struct inode *dir, const struct dentry *dentry)
{
	a->pool = umfs_inode_look(dir);
	if (!a->pool)
		return -EIO;
	a->fs = &a->pool->fs;
	umfs_kcred(&a->cred);
	a->dir = umfs_knode(dir);
	a->name = dentry->d_name.name;
	a->len = dentry->d_name.len;
	return 0;
}

/* NULL: nothing has that name. */
static struct inode *find(const struct asked *a)
{
	struct umfs_attr attr;
	struct inode *inode;
	umfs_node node;
	int tries, err;

	for (tries = 0; tries < TRIES; tries++) {
		err = umfs_lookup_node(a->fs, a->dir, a->name, a->len, &node, &attr);
		if (err)
			return err == -ENOENT ? NULL : ERR_PTR(err);
		inode = umfs_kinode(a->pool, node);
		err = PTR_ERR_OR_ZERO(inode);
		if (err != -ESTALE && err != -ENOENT) /* else it went just now */
			return inode;
	}
	return ERR_PTR(-ESTALE);
}

/* ---- finding ---- */

/*
 * The name means `inode`, or NULL nothing; takes the reference. A directory that has a dentry
 * elsewhere gets it moved here (N2), for which the kernel wants locks that it can not wait for.
 */
static struct dentry *place(struct inode *inode, struct dentry *dentry)
{
	struct dentry *other;
	int tries = 0;

	if (IS_ERR_OR_NULL(inode))
		return d_splice_alias(inode, dentry);
	ihold(inode);
	while ((other = d_splice_alias(inode, dentry)) == ERR_PTR(-ESTALE) && ++tries < MOVES) {
		ihold(inode);
		usleep_range(100, 500);
	}
	iput(inode);
	if (IS_ERR_OR_NULL(other))
		return other;
	spin_lock(&other->d_lock);
	other->d_flags &= ~DCACHE_DISCONNECTED; /* that may be without a place */
	spin_unlock(&other->d_lock);
	return other;
}

static struct dentry *do_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)
{
	struct inode *inode;
	struct asked a;
	int err;

	(void)flags;
	if (IS_ROOT(dentry->d_parent) && dentry->d_parent != dir->i_sb->s_root) /* N2 */
		return ERR_PTR(-ENOENT);
	err = ask(&a, dir, dentry);
	if (err)
		return ERR_PTR(err);
	inode = find(&a);
	umfs_inode_look_away(a.pool);
	if (inode == ERR_PTR(-ESTALE))
		inode = ERR_PTR(-ENOENT); /* the directory itself is gone */
	return place(inode, dentry);
}

/* 1: the name means that inode, or NULL nothing, as the dentry has it; 0: something else. */
static int still(struct umfs_kpool *pool, const struct inode *dir, const struct qstr *name,
		 struct inode *inode)
{
	struct umfs_attr attr;
	uint32_t ino;
	int err = umfs_lookup(&pool->fs, umfs_knode(dir), (const char *)name->name, name->len, &ino);

	if (err == -ENOENT || err == -ESTALE)
		return !inode;
	if (err)
		return err;
	if (!inode || inode->i_ino != ino)
		return 0;
	err = umfs_inode_refresh_in(pool, inode, &attr);
	return err == -ENOENT || err == -ESTALE ? 0 : err ?: 1;
}

/* ---- names in between (N5) ---- */

/* From now until the dentry changes, or unchanged(). A lock of the kernel's keeps others out. */
static void changing(struct dentry *dentry)
{
	uintptr_t seq = read_seqcount_begin(&dentry->d_seq);

	WRITE_ONCE(dentry->d_fsdata, (void *)(seq | 1));
	smp_mb(); /* before core changes anything */
}

static void unchanged(struct dentry *dentry)
{
	WRITE_ONCE(dentry->d_fsdata, NULL);
}

static bool is_changing(const struct dentry *dentry)
{
	uintptr_t seq = (uintptr_t)READ_ONCE(dentry->d_fsdata);

	return seq && !read_seqcount_retry(&dentry->d_seq, (unsigned int)(seq & ~1ul));
}

/* As still() has it of the dentry as it is now. */
static int look_at(struct dentry *dentry)
{
	struct dentry *parent = dget_parent(dentry);
	struct umfs_kpool *pool = umfs_inode_look(d_inode(parent));
	struct name_snapshot name;
	int ret = -EIO;

	if (pool) {
		take_dentry_name_snapshot(&name, dentry);
		ret = still(pool, d_inode(parent), &name.name, d_inode(dentry));
		release_dentry_name_snapshot(&name);
		umfs_inode_look_away(pool);
	}
	dput(parent);
	return ret;
}

int umfs_dentry_revalidate(struct dentry *dentry, unsigned int flags)
{
	unsigned int seq;
	int tries = 0, ret;

	if (flags & LOOKUP_RCU)
		return -ECHILD;
	if (IS_ROOT(dentry))
		return 1;
	do {
		seq = read_seqcount_begin(&dentry->d_seq);
		ret = look_at(dentry);
		if (ret)
			return ret;
		smp_rmb(); /* core was looked at before */
		while (is_changing(dentry))
			usleep_range(10, 50);
	} while (read_seqcount_retry(&dentry->d_seq, seq) && ++tries < TRIES);
	return 0;
}

const struct dentry_operations umfs_dentry_ops = {
	.d_revalidate = umfs_dentry_revalidate,
};

/* ---- making ---- */

/*
 * What was made gets the dentry: that very node (N4), wherever its name is by now. -ESTALE when
 * it is gone already: who asked looks, and makes it, again.
 */
static int show_made(const struct asked *a, struct dentry *dentry, umfs_node made)
{
	struct inode *inode = umfs_kinode(a->pool, made);
	struct dentry *other;

	if (IS_ERR(inode))
		return inode == ERR_PTR(-ENOENT) ? -ESTALE : PTR_ERR(inode);
	if (!S_ISDIR(inode->i_mode)) {
		d_instantiate(dentry, inode);
		return 0;
	}
	d_drop(dentry); /* N2: it may have one already */
	other = place(inode, dentry);
	if (!IS_ERR(other))
		dput(other);
	return 0; /* made it is, and whoever comes by its name gives it its place */
}

static int do_mknod(umfs_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode,
		    dev_t rdev)
{
	struct asked a;
	umfs_node made;
	int err = ask(&a, dir, dentry);

	(void)idmap;
	if (err)
		return err;
	err = umfs_may_mknod(a.pool, &a.cred, a.dir, mode);
	changing(dentry);
	if (!err)
		err = umfs_create(a.fs, &a.cred, a.dir, a.name, a.len, mode, new_encode_dev(rdev),
				  &made);
	if (!err)
		err = show_made(&a, dentry, made);
	unchanged(dentry);
	umfs_inode_look_away(a.pool);
	return err;
}

/* Without O_EXCL what is there already would do: it is looked for once more (-ESTALE). */
static int do_create(umfs_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode,
		     bool excl)
{
	int err = do_mknod(idmap, dir, dentry, mode | S_IFREG, 0);

	return err == -EEXIST && !excl ? -ESTALE : err;
}

static int do_mkdir(umfs_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode)
{
	struct asked a;
	umfs_node made;
	int err = ask(&a, dir, dentry);

	(void)idmap;
	if (err)
		return err;
	err = umfs_mkdir(a.fs, &a.cred, a.dir, a.name, a.len, mode, &made);
	if (!err)
		err = show_made(&a, dentry, made);
	umfs_inode_look_away(a.pool);
	return err;
}

static int do_symlink(umfs_idmap *idmap, struct inode *dir, struct dentry *dentry,
		      const char *target)
{
	struct asked a;
	umfs_node made;
	int err = ask(&a, dir, dentry);

	(void)idmap;
	if (err)
		return err;
	err = umfs_symlink(a.fs, &a.cred, a.dir, a.name, a.len, target, (uint32_t)strlen(target),
			   &made);
	if (!err)
		err = show_made(&a, dentry, made);
	umfs_inode_look_away(a.pool);
	return err;
}

static int do_link(struct dentry *from, struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(from);
	struct asked a;
	int err = ask(&a, dir, dentry);

	if (err)
		return err;
	err = umfs_may_link(a.pool, &a.cred, umfs_knode(inode));
	if (!err)
		err = umfs_link(a.fs, &a.cred, umfs_knode(inode), a.dir, a.name, a.len);
	umfs_inode_look_away(a.pool);
	if (err)
		return err;
	umfs_inode_settle(inode);
	ihold(inode);
	d_instantiate(dentry, inode);
	return 0;
}

/* As umfs_kopen_made(). */
static int open_made(struct asked *a, struct file *file, uint32_t ofd)
{
	struct umfs_given given = {.ofd = ofd};
	struct inode *inode = umfs_kinode_made(a->pool, &given);
	int err;

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	ihold(inode);
	set_nlink(inode, 1); /* which d_tmpfile() takes away */
	d_tmpfile(file, inode);
	err = finish_open_simple(file, 0);
	umfs_kinode_opened(inode);
	return err;
}

/* Counted instead of looking, since it may take a program's word to open it (inode.c I7). */
static int do_tmpfile(umfs_idmap *idmap, struct inode *dir, struct file *file, umode_t mode)
{
	struct asked a;
	uint32_t ofd;
	int err = ask(&a, dir, file->f_path.dentry);

	(void)idmap;
	if (err)
		return err;
	err = umfs_kpool_enter(a.pool);
	umfs_inode_look_away(a.pool);
	if (err)
		return err;
	err = umfs_tmpfile(a.fs, &a.cred, a.dir, mode, !(file->f_flags & O_EXCL), file->f_flags,
			   &ofd);
	if (!err)
		err = open_made(&a, file, ofd);
	umfs_kpool_leave(a.pool);
	return err;
}

/* ---- removing and moving ---- */

static int removed(const struct asked *a, struct dentry *dentry, int err)
{
	umfs_inode_look_away(a->pool);
	if (!err)
		umfs_inode_settle(d_inode(dentry));
	return err;
}

static int do_unlink(struct inode *dir, struct dentry *dentry)
{
	struct asked a;
	int err = ask(&a, dir, dentry);

	return err ?: removed(&a, dentry, umfs_unlink(a.fs, &a.cred, a.dir, a.name, a.len));
}

/* N6 */
static int do_rmdir(struct inode *dir, struct dentry *dentry)
{
	struct asked a;
	int err = ask(&a, dir, dentry);

	return err ?: removed(&a, dentry, umfs_rmdir_node(a.fs, &a.cred, a.dir, a.name, a.len,
							  umfs_knode(d_inode(dentry))));
}

static int do_rename(umfs_idmap *idmap, struct inode *from_dir, struct dentry *from,
		     struct inode *to_dir, struct dentry *to, unsigned int flags)
{
	umfs_node over = 0; /* N6 */
	struct asked a;
	int err;

	BUILD_BUG_ON(RENAME_NOREPLACE != UMFS_RENAME_NOREPLACE ||
		     RENAME_EXCHANGE != UMFS_RENAME_EXCHANGE ||
		     RENAME_WHITEOUT != UMFS_RENAME_WHITEOUT);
	(void)idmap;
	err = ask(&a, from_dir, from);
	if (err)
		return err;
	changing(from);
	changing(to);
	if (d_is_dir(to) && !(flags & RENAME_EXCHANGE))
		over = umfs_knode(d_inode(to));
	err = umfs_rename_over(a.fs, &a.cred, a.dir, a.name, a.len, umfs_knode(to_dir),
			       to->d_name.name, to->d_name.len, over, flags);
	umfs_inode_look_away(a.pool);
	if (!err && d_really_is_positive(to))
		umfs_inode_settle(d_inode(to));
	if (err) {
		unchanged(from);
		unchanged(to);
	}
	return err;
}

const struct inode_operations umfs_dir_inode_ops = {
	.lookup = do_lookup,
	.create = do_create,
	.mknod = do_mknod,
	.mkdir = do_mkdir,
	.symlink = do_symlink,
	.link = do_link,
	.tmpfile = do_tmpfile,
	.unlink = do_unlink,
	.rmdir = do_rmdir,
	.rename = do_rename,
	.getattr = umfs_inode_getattr,
	.setattr = umfs_inode_setattr,
	.permission = umfs_inode_permission,
	.listxattr = umfs_inode_listxattr,
};

/* ---- symbolic links ---- */

static const char *get_link(struct dentry *dentry, struct inode *inode, struct delayed_call *done)
{
	struct umfs_kpool *pool;
	int64_t len = -EIO;
	char *text;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	text = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!text)
		return ERR_PTR(-ENOMEM);
	pool = umfs_inode_look(inode);
	if (pool) {
		len = umfs_readlink(&pool->fs, umfs_knode(inode), text, PATH_MAX - 1);
		umfs_inode_look_away(pool);
	}
	if (len < 0) {
		kfree(text);
		return ERR_PTR((long)len);
	}
	text[len] = 0;
	set_delayed_call(done, kfree_link, text);
	return text;
}

const struct inode_operations umfs_link_inode_ops = {
	.get_link = get_link,
	.getattr = umfs_inode_getattr,
	.setattr = umfs_inode_setattr,
	.permission = umfs_inode_permission,
	.listxattr = umfs_inode_listxattr,
};
