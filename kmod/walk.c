// SPDX-License-Identifier: GPL-2.0-only
/* walk.c - who asks, and paths from user space. */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>

#include "kmod.h"

#define PATH_BYTES_MAX 4095u
#define TRIES 100

/*
 * Core has one word for all that goes past permission bits, so only who has every
 * capability that it stands for gets it. Asked without leaving a trace in the audit log:
 * most callers are refused, and go on.
 */
static bool may_override(void)
{
	static const int caps[] = {
		CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID,
		CAP_MKNOD,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (!ns_capable_noaudit(&init_user_ns, caps[i]))
			return false;
	return true;
}

void umfs_kcred(struct umfs_cred *cred)
{
	const struct group_info *groups = current_cred()->group_info;

	BUILD_BUG_ON(sizeof(groups->gid[0]) != sizeof(cred->groups[0]));
	cred->uid = from_kuid(&init_user_ns, current_fsuid());
	cred->gid = from_kgid(&init_user_ns, current_fsgid());
	cred->group_count = (uint32_t)groups->ngroups;
	cred->groups = (const uint32_t *)groups->gid;
	cred->umask = (uint32_t)current_umask();
	cred->override = may_override();
}

/* An inode that is held: is it a directory of that pool? */
static int take_dir(struct umfs_kpool *pool, const struct inode *inode, umfs_node *start)
{
	const struct umfs_kpool *its = umfs_kpool_with(inode);

	if (!its)
		return -EBADF;
	if (its != pool)
		return -EXDEV;
	if (!S_ISDIR(inode->i_mode))
		return -ENOTDIR;
	*start = umfs_knode(inode);
	return 0;
}

static int start_at_cwd(struct umfs_kpool *pool, umfs_node *start)
{
	struct path pwd;
	int err;

	get_fs_pwd(current->fs, &pwd);
	err = take_dir(pool, d_inode(pwd.dentry), start);
	path_put(&pwd);
	return err;
}

/* The directory that the path starts from. */
static int find_start(struct umfs_kpool *pool, int dir, umfs_node *start)
{
	struct file *file;
	int err;

	*start = UMFS_ROOT_INO;
	if (dir == UMFS_IOC_ROOT)
		return 0;
	if (dir == UMFS_IOC_CWD)
		return start_at_cwd(pool, start);
	file = fget_raw(dir);
	if (!file)
		return -EBADF;
	err = take_dir(pool, file_inode(file), start);
	fput(file);
	return err;
}

int umfs_kpath_get(struct umfs_kpool *pool, const struct umfs_ioc_path *from,
		   struct umfs_kpath *p)
{
	memset(p, 0, sizeof(*p));
	if (from->bytes > PATH_BYTES_MAX)
		return -ENAMETOOLONG;
	if (!from->bytes)
		return -ENOENT;
	p->text = memdup_user_nul(u64_to_user_ptr(from->text), from->bytes);
	if (IS_ERR(p->text)) {
		int err = PTR_ERR(p->text);

		p->text = NULL;
		return err;
	}
	if (strlen(p->text) != from->bytes)
		return -EINVAL;
	p->room = kmalloc(UMFS_WALK_ROOM, GFP_KERNEL);
	if (!p->room)
		return -ENOMEM;
	return find_start(pool, from->dir, &p->start);
}

int umfs_kpath_lead(struct umfs_kpool *pool, const struct umfs_cred *cred, struct umfs_kpath *p,
		    uint32_t flags, uint32_t links)
{
	const char *text = p->text;
	struct umfs_attr attr;
	int ret;

	while (*text == '/')
		text++;
	memset(&p->w, 0, sizeof(p->w));
	p->w.rest = p->room;
	p->w.links = links;
	ret = umfs_walk(&pool->fs, cred, p->start, text, flags, &p->w);
	/* Nothing keeps a working directory, or one that is open by O_PATH. */
	if (ret == -ESTALE && umfs_getattr(&pool->fs, p->start, &attr))
		ret = -ENOENT;
	return ret;
}

int umfs_kpath_walk(struct umfs_kpool *pool, const struct umfs_cred *cred, struct umfs_kpath *p,
		    uint32_t flags)
{
	int ret = umfs_kpath_lead(pool, cred, p, flags, 0);

	return ret == UMFS_WALK_ESCAPED ? -EXDEV : ret;
}

bool umfs_walk_again(int err, int *tries)
{
	return err == -ESTALE && ++*tries < TRIES;
}

void umfs_kpath_put(struct umfs_kpath *p)
{
	kfree(p->text);
	kfree(p->room);
}

void umfs_kattr(const struct umfs_attr *in, struct umfs_ioc_attr *out)
{
	struct user_namespace *ns = current_user_ns();

	memset(out, 0, sizeof(*out));
	out->ino = in->ino;
	out->generation = in->generation;
	out->mode = in->mode;
	out->uid = from_kuid_munged(ns, KUIDT_INIT(in->uid));
	out->gid = from_kgid_munged(ns, KGIDT_INIT(in->gid));
	out->nlink = in->nlink;
	out->rdev = in->rdev;
	out->size = in->size;
	out->blocks = in->blocks_512;
	out->atime_ns = in->atime_ns;
	out->mtime_ns = in->mtime_ns;
	out->ctime_ns = in->ctime_ns;
	out->btime_ns = in->btime_ns;
}

int umfs_knode_attr(struct umfs_kpool *pool, umfs_node node, struct umfs_ioc_attr *out)
{
	struct umfs_attr attr;
	int err;

	umfs_leases_look(pool, (uint32_t)node);
	err = umfs_getattr(&pool->fs, node, &attr);

	if (!err)
		umfs_kattr(&attr, out);
	return err;
}
