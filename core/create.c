// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * create.c - new inodes: files of every type, directories, symbolic links, files without a name.
 *
 * See namei.c for how names change and which locks are taken. A new inode is
 * locked from its allocation to the end: who remembers its former life must not
 * change it while it is made.
 *
 * I1  The commit of the transaction is the commit point, of name and inode together.
 * I2  Whoever makes an inode without a name has first held it and marked its record
 *     an orphan, so that a crash at any point after leaves it to be reclaimed.
 */
#include "names.h"

struct newborn {
	const struct umfs_cred *cred;
	uint32_t mode;	/* as asked for */
	uint32_t umask; /* bits it loses, unless the directory says what it gets */
	uint64_t rdev;
	const char *target; /* symbolic link */
	uint32_t target_len;
	bool nameless, linkable; /* see umfs_tmpfile */
	struct umfs_held *held; /* it is to be held, in the same transaction; NULL: no */
	uint32_t generation; /* out: what it got */
};

/* No name refers to it yet, and it is locked; mode is stored last and makes it one in use. */
static void init_inode(struct umfs *fs, struct umfs_inode_pm *in, uint32_t ino,
		       const struct umfs_inode_pm *dir, uint32_t dir_ino, const struct newborn *b)
{
	uint64_t now = (uint64_t)port_now_ns();
	uint32_t mode = b->mode & ~b->umask, gid = b->cred->gid;
	bool is_dir = umfs_is_dir(mode);

	if (ld32(&dir->mode) & UMFS_S_ISGID) {
		gid = ld32(&dir->gid);
		if (is_dir)
			mode |= UMFS_S_ISGID;
		else if ((b->mode & 010u) && !b->cred->override && !umfs_in_group(b->cred, gid))
			mode &= ~UMFS_S_ISGID;
	}
	st32(&in->generation, ld32(&in->generation) + 1 ? ld32(&in->generation) + 1 : 1);
	st32(&in->uid, b->cred->uid);
	st32(&in->gid, gid);
	st32(&in->nlink, b->nameless ? 0 : is_dir ? 2 : 1);
	st32(&in->flags, 0);
	st64(&in->root, 0);
	st64(&in->base, 0);
	st64(&in->parent, is_dir ? dir_ino : 0);
	st64(&in->rdev, b->rdev);
	st64(&in->pages, 0);
	st64(&in->entries, 0);
	st64(&in->btime_ns, now);
	st64(&in->xattr, 0);
	st64(&in->ulog, 0);
	st64(&in->keep, 0);
	st64(&in->rec, 0);
	st64(&in->mtime_ns, now);
	st64(&in->ctime_ns, now);
	st64(&in->atime_ns, now);
	umfs_inode_set_size(fs, in, ino, 0);
	st32(&in->mode, mode);
	umfs_inode_seal(in, ino);
}

static int put_target(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino,
		      const struct newborn *b)
{
	struct umfs *fs = tx->fs;
	uint64_t page;
	int err = umfs_page_alloc_zeroed(tx, umfs_group_page(fs, umfs_ino_group(fs, ino)), &page);

	if (err)
		return err;
	port_copy(umfs_page(fs, page), b->target, b->target_len);
	umfs_flush(fs, umfs_page(fs, page), b->target_len);
	st64(&in->root, page << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF);
	st64(&in->pages, 1);
	umfs_inode_set_size(fs, in, ino, b->target_len);
	umfs_inode_seal(in, ino);
	return 0;
}

/* Locked, and without a name. */
static int make_inode(struct umfs_tx *tx, const struct umfs_inode_pm *dir, uint32_t dir_ino,
		      const struct newborn *b, uint32_t *ino)
{
	struct umfs *fs = tx->fs;
	struct umfs_inode_pm *in;
	int err = umfs_inode_alloc(tx, dir_ino, umfs_is_dir(b->mode), ino);

	if (err)
		return err;
	in = umfs_inode_known(fs, *ino);
	umfs_seq_begin(in);
	init_inode(fs, in, *ino, dir, dir_ino, b);
	err = b->target ? put_target(tx, in, *ino, b) :
			  umfs_acl_inherit(tx, in, *ino, dir, dir_ino, b->mode);
	umfs_seq_end(fs, in);
	umfs_flush(fs, in, UMFS_INODE_BYTES);
	return err;
}

static int create_in_tx(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
			const struct umfs_name *n, const struct newborn *b, uint32_t *ino)
{
	struct umfs *fs = tx->fs;
	int err = umfs_inode_save_times(tx, dir, dir_ino);

	if (!err)
		err = make_inode(tx, dir, dir_ino, b, ino);
	if (!err)
		err = umfs_dir_insert(tx, dir, n, *ino, umfs_mode_type(b->mode));
	if (!err && b->held) /* the last that can fail: nobody would let go of it */
		err = umfs_irec_hold(fs, umfs_inode_known(fs, *ino), *ino, &b->held->irec);
	if (err)
		return err;
	if (umfs_is_dir(b->mode))
		st32(&dir->nlink, ld32(&dir->nlink) + 1);
	umfs_inode_touch(fs, dir);
	umfs_inode_seal(dir, dir_ino);
	return 0;
}

/* Directory locked, sequence odd. */
static int create_locked(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
			 struct umfs_name *n, struct newborn *b, uint32_t *ino)
{
	int err = umfs_dir_find(tx->fs, dir, dir_ino, n, ino);

	if (!err)
		return -EEXIST;
	if (err != -ENOENT)
		return err;
	if (!umfs_may(b->cred, dir, 3))
		return -EACCES;
	if (umfs_is_dir(b->mode) && ld32(&dir->nlink) >= UMFS_LINKS_MAX)
		return -EMLINK;
	err = umfs_dir_reserve(tx, dir, dir_ino, n);
	if (err)
		return err;
	*ino = 0;
	umfs_tx_begin(tx);
	err = create_in_tx(tx, dir, dir_ino, n, b, ino);
	if (err)
		umfs_tx_abort(tx);
	else
		umfs_tx_commit(tx); /* commit point */
	if (*ino) {
		b->generation = ld32(&umfs_inode_known(tx->fs, *ino)->generation);
		umfs_unlock(tx->fs, &umfs_inode_known(tx->fs, *ino)->lock);
	}
	return err;
}

static int create(struct umfs *fs, umfs_node node, const char *name, uint32_t len,
		  struct newborn *b, uint32_t *ino)
{
	uint32_t dir = (uint32_t)node;
	struct umfs_inode_pm *in;
	struct umfs_name n;
	struct umfs_tx tx;
	int err = umfs_name_init(fs, &n, name, len);

	if (err)
		return err;
	if (fs->zombies)
		umfs_reap(fs, false);
	err = umfs_enter(fs, &tx, &dir, 1);
	if (err)
		return err;
	in = umfs_inode_known(fs, dir);
	err = umfs_dir_check(in, node);
	if (!err) {
		umfs_seq_begin(in);
		err = create_locked(&tx, in, dir, &n, b, ino);
		umfs_seq_end(fs, in);
	}
	umfs_leave(&tx, &dir, 1);
	return err;
}

static int create_node(struct umfs *fs, umfs_node dir, const char *name, uint32_t len,
		       struct newborn *b, umfs_node *node)
{
	uint32_t ino = 0;
	int err = create(fs, dir, name, len, b, &ino);

	*node = umfs_node_of(ino, err ? 0 : b->generation);
	return err;
}

int umfs_create(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
		uint32_t len, uint32_t mode, uint64_t rdev, umfs_node *node)
{
	struct newborn b = {
		.cred = cred, .mode = mode & 0177777u, .umask = cred->umask & 0777u};

	switch (umfs_mode_type(mode)) {
	case 0:
		b.mode |= 0100000u;
		break;
	case 002: /* character and block device */
	case 006:
		b.rdev = rdev;
		break;
	case 001: /* FIFO, regular, socket */
	case 010:
	case 014:
		break;
	default:
		return -EINVAL;
	}
	return create_node(fs, dir, name, len, &b, node);
}

int umfs_create_open(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir,
		     const char *name, uint32_t len, uint32_t mode, uint32_t flags, uint32_t *ofd)
{
	struct umfs_held h = {0};
	struct newborn b = {.cred = cred,
			    .mode = 0100000u | (mode & 07777u),
			    .umask = cred->umask & 0777u,
			    .held = &h};
	int err = umfs_ofd_claim(fs, ofd);

	if (err)
		return err;
	umfs_atime_day(fs);
	err = create(fs, dir, name, len, &b, &h.ino);
	h.generation = b.generation;
	if (err)
		umfs_ofd_unclaim(fs, *ofd);
	else
		umfs_ofd_fill(fs, *ofd, &h, flags);
	return err;
}

int umfs_mkdir(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
	       uint32_t len, uint32_t mode, umfs_node *node)
{
	struct newborn b = {.cred = cred,
			    .mode = 0040000u | (mode & 01777u),
			    .umask = cred->umask & 0777u};

	return create_node(fs, dir, name, len, &b, node);
}

int umfs_symlink(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
		 uint32_t len, const char *target, uint32_t target_len, umfs_node *node)
{
	struct newborn b = {
		.cred = cred, .mode = 0120777u, .target = target, .target_len = target_len};

	if (!target_len)
		return -ENOENT;
	if (target_len >= UMFS_PAGE_BYTES)
		return -ENAMETOOLONG;
	return create_node(fs, dir, name, len, &b, node);
}

int umfs_whiteout_make(struct umfs_tx *tx, const struct umfs_cred *cred,
		       const struct umfs_inode_pm *dir, uint32_t dir_ino, uint32_t *ino)
{
	const struct newborn b = {.cred = cred, .mode = 0020000u, .umask = cred->umask & 0777u};

	*ino = 0;
	return make_inode(tx, dir, dir_ino, &b, ino);
}

/* ---- creating without a name ---- */

/* The promise to reclaim it is durable before the commit makes it an inode in use (I2). */
static int tmpfile_in_tx(struct umfs_tx *tx, const struct umfs_inode_pm *dir, uint32_t dir_ino,
			 const struct newborn *b, struct umfs_held *h)
{
	struct umfs *fs = tx->fs;
	struct umfs_inode_pm *in;
	int err = make_inode(tx, dir, dir_ino, b, &h->ino);

	if (err)
		return err;
	in = umfs_inode_known(fs, h->ino);
	h->generation = ld32(&in->generation);
	err = umfs_irec_hold(fs, in, h->ino, &h->irec);
	if (!err)
		umfs_irec_flag(fs, in, umfs_irec(fs, h->irec),
			       UMFS_IREC_ORPHAN | (b->linkable ? UMFS_IREC_LINKABLE : 0));
	return err;
}

/* Directory locked. */
static int tmpfile_locked(struct umfs_tx *tx, const struct umfs_inode_pm *dir, umfs_node node,
			  const struct newborn *b, struct umfs_held *h)
{
	int err = umfs_dir_check(dir, node);

	if (err)
		return err;
	if (!umfs_inode_sealed(dir, (uint32_t)node))
		return -EUCLEAN;
	if (!umfs_may(b->cred, dir, 3))
		return -EACCES;
	umfs_tx_begin(tx);
	err = tmpfile_in_tx(tx, dir, (uint32_t)node, b, h);
	if (err)
		umfs_tx_abort(tx);
	else
		umfs_tx_commit(tx); /* commit point */
	if (h->ino)
		umfs_unlock(tx->fs, &umfs_inode_known(tx->fs, h->ino)->lock);
	return err;
}

int umfs_tmpfile(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, uint32_t mode,
		 bool linkable, uint32_t flags, uint32_t *ofd)
{
	uint32_t dir = (uint32_t)node;
	struct newborn b = {.cred = cred,
			    .mode = 0100000u | (mode & 07777u),
			    .umask = cred->umask & 0777u,
			    .nameless = true,
			    .linkable = linkable};
	struct umfs_held h = {0};
	struct umfs_tx tx;
	int err;

	if (fs->zombies)
		umfs_reap(fs, false);
	err = umfs_enter(fs, &tx, &dir, 1);
	if (err)
		return err;
	err = tmpfile_locked(&tx, umfs_inode_known(fs, dir), node, &b, &h);
	umfs_leave(&tx, &dir, 1);
	return err ? err : umfs_ofd_new(fs, &h, flags, ofd);
}
