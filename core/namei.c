// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * namei.c - names: lookup, unlink, link; create.c and rename.c have the rest.
 *
 * Every change is one transaction under the locks of all inodes it touches.
 * They are found without locks, locked by ascending number, and looked up again;
 * when the name meanwhile means something else, all is let go and tried anew.
 * So there is one lock order and no operation can wait for another in a circle.
 *
 * I1  The commit of the transaction is the commit point; room in the directory
 *     is made before it, in transactions that change no name.
 * I2  Whoever removes the last name of an inode that does not go with it in the
 *     same transaction first promises to reclaim it, in its record, which it holds,
 *     or where there is none in the lane (promise.c); so a crash at any point after
 *     leaves it to be reclaimed.
 * I3  Moving a directory to another parent happens under the pool's rename lock,
 *     under which the tree above it stands still: no cycle can arise.
 */
#include "names.h"

/* ---- lookup ---- */

static int find_once(struct umfs *fs, const struct umfs_inode_pm *in, umfs_node dir,
		     const struct umfs_name *n, uint32_t *ino)
{
	int err = umfs_dir_check(in, dir);

	return err ? err : umfs_dir_find(fs, in, (uint32_t)dir, n, ino);
}

/* Without regard to writers' locks, while that goes: -EAGAIN, somebody is at it all the time. */
static int find_unlocked(struct umfs *fs, const struct umfs_inode_pm *in, umfs_node dir,
			 const struct umfs_name *n, uint32_t *ino)
{
	int tries, err;

	for (tries = 0; tries < 4; tries++) {
		uint64_t seq = ld64(&in->seq);

		if (!(seq & 1)) {
			err = find_once(fs, in, dir, n, ino);
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			if (ld64(&in->seq) == seq)
				return err;
		}
		port_relax();
	}
	return -EAGAIN;
}

UMFS_RARE static int find_locked(struct umfs *fs, struct umfs_inode_pm *in, umfs_node dir,
				 const struct umfs_name *n, uint32_t *ino)
{
	int err = umfs_lock(fs, &in->lock);

	if (err)
		return err;
	umfs_seq_heal(in);
	err = find_once(fs, in, dir, n, ino);
	umfs_unlock(fs, &in->lock);
	return err;
}

/*
 * In `in`, the inode of dir or NULL: none. *ino is set only where the name is found: a look
 * that did not count may have seen another.
 */
static int find(struct umfs *fs, struct umfs_inode_pm *in, umfs_node dir, const struct umfs_name *n,
		uint32_t *ino)
{
	uint32_t got;
	int err;

	if (!in)
		return -EUCLEAN;
	err = find_unlocked(fs, in, dir, n, &got);
	if (err == -EAGAIN)
		err = fs->readonly ? find_once(fs, in, dir, n, &got)
				   : find_locked(fs, in, dir, n, &got);
	if (!err)
		*ino = got;
	return err;
}

int umfs_lookup_in(struct umfs *fs, struct umfs_inode_pm *in, umfs_node dir, const char *name,
		   uint32_t len, uint32_t *ino)
{
	struct umfs_name n;
	int err = umfs_name_init(fs, &n, name, len);

	if (fs->broken)
		return -EIO;
	return err ? err : find(fs, in, dir, &n, ino);
}

int umfs_lookup(struct umfs *fs, umfs_node dir, const char *name, uint32_t len, uint32_t *ino)
{
	return umfs_lookup_in(fs, umfs_inode(fs, (uint32_t)dir), dir, name, len, ino);
}

/* ---- unlink, rmdir ---- */

static int check_removable(const struct umfs_inode_pm *in, bool want_dir)
{
	bool is_dir = umfs_is_dir(ld32(&in->mode));

	if (want_dir && !is_dir)
		return -ENOTDIR;
	if (!want_dir && is_dir)
		return -EISDIR;
	return is_dir && ld64(&in->entries) ? -ENOTEMPTY : 0;
}

/*
 * Can the inode go with its last name, in one transaction? Nobody has it open,
 * and it has one page at most.
 */
static bool goes_at_once(struct umfs *fs, const struct umfs_inode_pm *in, uint32_t ino)
{
	uint64_t root = ld64(&in->root);

	return umfs_last_link(in) && !umfs_irec_find(fs, in, ino) &&
	       (!root || (!umfs_is_dir(ld32(&in->mode)) && umfs_root_height(root) == 0 &&
			  umfs_page_valid(fs, umfs_pte_page(root))));
}

static int note_frees(struct umfs_tx *tx, const struct umfs_inode_pm *in, uint32_t ino)
{
	uint64_t root = ld64(&in->root);
	int err = root ? umfs_pages_free(tx, umfs_pte_page(root), 1) : 0;

	if (!err)
		err = umfs_xattr_free(tx, in);
	return err ? err : umfs_inode_free(tx, ino);
}

static int remove_in_tx(struct umfs_tx *tx, struct umfs_four *x, const struct umfs_name *n,
			bool at_once)
{
	struct umfs_inode_pm *dir = x->in[FROM_DIR], *in = x->in[FROM];
	int err = umfs_inode_save_times(tx, dir, x->ino[FROM_DIR]);

	if (!err)
		err = umfs_inode_save_times(tx, in, x->ino[FROM]);
	if (!err && at_once)
		err = note_frees(tx, in, x->ino[FROM]);
	if (!err)
		err = umfs_dir_remove(tx, dir, x->ino[FROM_DIR], n);
	if (err)
		return err;
	if (umfs_is_dir(ld32(&in->mode)))
		st32(&dir->nlink, ld32(&dir->nlink) - 1);
	if (at_once) { /* in this order: see umfs_readlink() */
		st32(&in->mode, 0);
		st64(&in->root, 0);
	}
	umfs_drop_link(tx->fs, in, x->ino[FROM]);
	umfs_inode_touch(tx->fs, dir);
	umfs_inode_seal(dir, x->ino[FROM_DIR]);
	return 0;
}

/* All locked. *o: about the inode, if it lost its last name, else unchanged. */
static int remove_locked(struct umfs_tx *tx, const struct umfs_cred *cred, struct umfs_four *x,
			 const struct umfs_name *n, bool want_dir, struct umfs_orphan *o)
{
	struct umfs *fs = tx->fs;
	bool at_once = goes_at_once(fs, x->in[FROM], x->ino[FROM]);
	int err = umfs_name_still(fs, x->in[FROM_DIR], x->node[FROM_DIR], n, x->ino[FROM]);

	if (!err)
		err = umfs_four_means(x, FROM);
	if (!err)
		err = umfs_may_remove(cred, x->in[FROM_DIR], x->in[FROM]);
	if (!err)
		err = check_removable(x->in[FROM], want_dir);
	if (!err && !umfs_counts_sound(x->in[FROM_DIR], x->in[FROM]))
		err = -EUCLEAN;
	if (err)
		return err;
	if (umfs_last_link(x->in[FROM]) && !at_once)
		umfs_orphan_begin(tx, x->in[FROM], x->ino[FROM], o);
	umfs_tx_begin(tx);
	umfs_four_seq(fs, x, true);
	err = remove_in_tx(tx, x, n, at_once);
	if (err)
		umfs_tx_abort(tx);
	else
		umfs_tx_commit(tx); /* commit point */
	umfs_four_seq(fs, x, false);
	if (err)
		umfs_orphan_cancel(tx, o);
	return err;
}

/* node: 0, or what the name is to mean. */
static int remove_name(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir,
		       const char *name, uint32_t len, bool want_dir, umfs_node node)
{
	struct umfs_name n;
	int err = umfs_name_init(fs, &n, name, len);

	if (err)
		return err;
	if (fs->zombies)
		umfs_reap(fs, false);
	do {
		struct umfs_four x = {.ino = {(uint32_t)dir},
				      .node = {[FROM_DIR] = dir, [FROM] = node}};
		struct umfs_orphan orphan = {-1, false};
		struct umfs_tx tx;

		err = find(fs, umfs_inode(fs, (uint32_t)dir), dir, &n, &x.ino[FROM]);
		if (!err)
			err = umfs_four_enter(fs, &tx, &x);
		if (err)
			return err;
		err = remove_locked(&tx, cred, &x, &n, want_dir, &orphan);
		umfs_four_leave(&tx, &x, FROM, &orphan);
	} while (err == -EAGAIN);
	return err;
}

int umfs_unlink(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
		uint32_t len)
{
	return remove_name(fs, cred, dir, name, len, false, 0);
}

int umfs_rmdir(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
	       uint32_t len)
{
	return remove_name(fs, cred, dir, name, len, true, 0);
}

int umfs_rmdir_node(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
		    uint32_t len, umfs_node node)
{
	return remove_name(fs, cred, dir, name, len, true, node);
}

/* ---- link ---- */

static int link_in_tx(struct umfs_tx *tx, struct umfs_four *x, const struct umfs_name *n)
{
	struct umfs_inode_pm *dir = x->in[TO_DIR], *in = x->in[FROM];
	int err = umfs_inode_save_times(tx, dir, x->ino[TO_DIR]);

	if (!err)
		err = umfs_inode_save_times(tx, in, x->ino[FROM]);
	if (!err)
		err = umfs_dir_insert(tx, dir, n, x->ino[FROM], umfs_mode_type(ld32(&in->mode)));
	if (err)
		return err;
	st32(&in->nlink, ld32(&in->nlink) + 1);
	umfs_inode_touch_ctime(in);
	umfs_inode_seal(in, x->ino[FROM]);
	umfs_inode_touch(tx->fs, dir);
	umfs_inode_seal(dir, x->ino[TO_DIR]);
	return 0;
}

/* A name, or made without one and open: see umfs_tmpfile. */
static bool may_be_named(struct umfs *fs, const struct umfs_inode_pm *in, uint32_t ino)
{
	const struct umfs_irec_pm *rec = umfs_irec_find(fs, in, ino);

	return ld32(&in->nlink) || (rec && (ld32(&rec->flags) & UMFS_IREC_LINKABLE));
}

/* It has a name: should it lose that, it gets no other. A crash keeps nothing that could. */
static void settle_linkable(struct umfs *fs, const struct umfs_inode_pm *in, uint32_t ino)
{
	struct umfs_irec_pm *rec = umfs_irec_find(fs, in, ino);

	if (rec && (ld32(&rec->flags) & UMFS_IREC_LINKABLE))
		st32(&rec->flags, ld32(&rec->flags) & ~UMFS_IREC_LINKABLE);
}

static int link_locked(struct umfs_tx *tx, const struct umfs_cred *cred, struct umfs_four *x,
		       struct umfs_name *n)
{
	struct umfs_inode_pm *dir = x->in[TO_DIR], *in = x->in[FROM];
	uint32_t there;
	int err = umfs_dir_check(dir, x->node[TO_DIR]);

	if (!err)
		err = umfs_node_check(in, x->node[FROM]);
	if (err)
		return err;
	if (!may_be_named(tx->fs, in, x->ino[FROM]))
		return -ENOENT;
	if (umfs_is_dir(ld32(&in->mode)))
		return -EPERM;
	err = umfs_dir_find(tx->fs, dir, x->ino[TO_DIR], n, &there);
	if (err != -ENOENT)
		return err ? err : -EEXIST;
	if (!umfs_may(cred, dir, 3))
		return -EACCES;
	if (ld32(&in->nlink) >= UMFS_LINKS_MAX)
		return -EMLINK;
	err = umfs_dir_reserve(tx, dir, x->ino[TO_DIR], n);
	if (err)
		return err;
	umfs_tx_begin(tx);
	err = link_in_tx(tx, x, n);
	if (err) {
		umfs_tx_abort(tx);
		return err;
	}
	umfs_tx_commit(tx); /* commit point */
	settle_linkable(tx->fs, in, x->ino[FROM]);
	return 0;
}

int umfs_link(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, umfs_node dir,
	      const char *name, uint32_t len)
{
	struct umfs_four x = {.ino = {0, (uint32_t)dir, (uint32_t)node, 0},
			      .node = {0, dir, node, 0}};
	struct umfs_name n;
	struct umfs_tx tx;
	int err = umfs_name_init(fs, &n, name, len);

	if (err)
		return err;
	if ((uint32_t)node == (uint32_t)dir)
		return -EPERM;
	err = umfs_four_enter(fs, &tx, &x);
	if (err)
		return err;
	umfs_four_seq(fs, &x, true);
	err = link_locked(&tx, cred, &x, &n);
	umfs_four_seq(fs, &x, false);
	umfs_leave(&tx, x.ino, 4);
	return err;
}
