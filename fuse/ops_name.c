// SPDX-License-Identifier: BSD-3-Clause
/* ops_name.c - names: found, made, moved and removed. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "mount.h"

static uint32_t length(const char *name)
{
	return (uint32_t)strlen(name);
}

int entry_fill(umfs_node node, struct fuse_entry_param *e)
{
	struct umfs_attr a;
	int err = umfs_getattr(fuse_fs(), node, &a);

	if (err)
		return err;
	*e = (struct fuse_entry_param){.generation = a.generation};
	e->ino = a.ino == UMFS_ROOT_INO ? FUSE_ROOT_ID : umfs_node_of(a.ino, a.generation);
	attr_to_stat(&a, &e->attr);
	return 0;
}

int entry_find(umfs_node dir, const char *name, umfs_node *node)
{
	const struct umfs_cred all = {.override = true}; /* M3 */
	char rest[1]; /* nothing is left of one name */
	struct umfs_walk w = {.rest = rest};
	int err = umfs_walk(fuse_fs(), &all, dir, name, UMFS_WALK_NOFOLLOW, &w);

	*node = w.ino;
	return err == UMFS_WALK_ESCAPED ? -ENOENT : err;
}

void entry_reply(fuse_req_t req, int err, umfs_node node)
{
	struct fuse_entry_param e;

	if (!err)
		err = entry_fill(node, &e);
	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	nodes_given(e.ino);
	if (fuse_reply_entry(req, &e))
		nodes_forgotten(e.ino, 1); /* who asked was interrupted */
}

static void op_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	umfs_node node = 0;
	int err;

	if (pass_is_dir(dir, name)) {
		pass_reply_dir(req);
	} else if (dir == PASS_DIR) {
		pass_lookup(req, name);
	} else {
		err = entry_find(node_of(dir), name, &node);
		entry_reply(req, err, node);
	}
}

static void op_forget(fuse_req_t req, fuse_ino_t id, uint64_t n)
{
	nodes_forgotten(id, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *all)
{
	for (size_t i = 0; i < count; i++)
		nodes_forgotten(all[i].ino, all[i].nlookup);
	fuse_reply_none(req);
}

static void op_readlink(fuse_req_t req, fuse_ino_t id)
{
	char target[UMFS_PAGE_BYTES];
	int64_t n = umfs_readlink(fuse_fs(), node_of(id), target, sizeof(target) - 1);

	if (n < 0) {
		fuse_reply_err(req, (int)-n);
		return;
	}
	target[n] = '\0';
	fuse_reply_readlink(req, target);
}

static void op_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t rdev)
{
	struct umfs_cred cred = request_cred(req);
	umfs_node node = 0;
	int err = umfs_create(fuse_fs(), &cred, node_of(dir), name, length(name), mode, rdev,
			      &node);

	entry_reply(req, err, node);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	struct umfs_cred cred = request_cred(req);
	umfs_node node = 0;
	int err = umfs_mkdir(fuse_fs(), &cred, node_of(dir), name, length(name), mode & 07777,
			     &node);

	entry_reply(req, err, node);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t dir, const char *name)
{
	struct umfs_cred cred = request_cred(req);
	umfs_node node = 0;
	int err = umfs_symlink(fuse_fs(), &cred, node_of(dir), name, length(name), target,
			       length(target), &node);

	entry_reply(req, err, node);
}

static void op_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t dir, const char *name)
{
	struct umfs_cred cred = request_cred(req);
	int err = umfs_link(fuse_fs(), &cred, node_of(id), node_of(dir), name, length(name));

	entry_reply(req, err, node_of(id));
}

/* `gone`: what the name means, which the kernel may go on using. */
static umfs_node hold_named(fuse_ino_t dir, const char *name)
{
	umfs_node gone = 0;

	if (entry_find(node_of(dir), name, &gone))
		return 0;
	nodes_hold(gone);
	return gone;
}

typedef int (*remove_fn)(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir,
			 const char *name, uint32_t len);

static void remove_name(fuse_req_t req, fuse_ino_t dir, const char *name, remove_fn remove)
{
	struct umfs_cred cred = request_cred(req);
	umfs_node gone = hold_named(dir, name);
	int err = remove(fuse_fs(), &cred, node_of(dir), name, length(name));

	if (gone)
		nodes_settle(gone);
	fuse_reply_err(req, -err);
}

static void op_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	remove_name(req, dir, name, umfs_unlink);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	remove_name(req, dir, name, umfs_rmdir);
}

/* The kernel's values. */
#define RENAME_FLAGS (UMFS_RENAME_NOREPLACE | UMFS_RENAME_EXCHANGE | UMFS_RENAME_WHITEOUT)

static void op_rename(fuse_req_t req, fuse_ino_t from_dir, const char *from, fuse_ino_t to_dir,
		      const char *to, unsigned flags)
{
	struct umfs_cred cred = request_cred(req);
	umfs_node gone;
	int err;

	if (flags & ~RENAME_FLAGS) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	gone = flags & ~UMFS_RENAME_WHITEOUT ? 0 : hold_named(to_dir, to);
	err = umfs_rename(fuse_fs(), &cred, node_of(from_dir), from, length(from),
			  node_of(to_dir), to, length(to), flags);
	if (gone)
		nodes_settle(gone);
	fuse_reply_err(req, -err);
}

void ops_name_add(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = op_lookup;
	ops->forget = op_forget;
	ops->forget_multi = op_forget_multi;
	ops->readlink = op_readlink;
	ops->mknod = op_mknod;
	ops->mkdir = op_mkdir;
	ops->symlink = op_symlink;
	ops->link = op_link;
	ops->unlink = op_unlink;
	ops->rmdir = op_rmdir;
	ops->rename = op_rename;
}
