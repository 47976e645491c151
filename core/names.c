// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/* names.c - the parts that all changes of names have in common; see namei.c. */
#include "names.h"

int umfs_name_init(struct umfs *fs, struct umfs_name *n, const char *name, uint32_t len)
{
	if (len == 0 || (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))))
		return -EINVAL;
	if (len > UMFS_NAME_MAX)
		return -ENAMETOOLONG;
	n->name = name;
	n->len = len;
	n->hash = umfs_name_hash(fs, name, len);
	n->cell = 0;
	return 0;
}

int umfs_dir_check(const struct umfs_inode_pm *dir, umfs_node node)
{
	int err = umfs_node_check(dir, node);

	if (err)
		return err;
	if (!ld32(&dir->nlink))
		return -ENOENT; /* removed and held: no name is in it any more */
	return umfs_is_dir(ld32(&dir->mode)) ? 0 : -ENOTDIR;
}

int umfs_four_enter(struct umfs *fs, struct umfs_tx *tx, struct umfs_four *x)
{
	int err = umfs_enter(fs, tx, x->ino, 4);
	uint32_t i;

	for (i = 0; !err && i < 4; i++)
		x->in[i] = x->ino[i] ? umfs_inode_known(fs, x->ino[i]) : NULL;
	return err;
}

int umfs_four_means(const struct umfs_four *x, int i)
{
	if (!x->node[i])
		return 0;
	return x->ino[i] == (uint32_t)x->node[i] && !umfs_node_check(x->in[i], x->node[i]) ?
		       0 : -ESTALE;
}

bool umfs_four_first(const struct umfs_four *x, int i)
{
	int k = 0;

	while (k < i && x->ino[k] != x->ino[i])
		k++;
	return x->ino[i] && k == i;
}

void umfs_four_seq(const struct umfs *fs, struct umfs_four *x, bool begin)
{
	int i;

	for (i = 0; i < 4; i++) {
		if (!umfs_four_first(x, i))
			continue;
		if (begin)
			umfs_seq_begin(x->in[i]);
		else
			umfs_seq_end(fs, x->in[i]);
	}
}

int umfs_name_still(struct umfs *fs, const struct umfs_inode_pm *dir, umfs_node dir_node,
		    const struct umfs_name *n, uint32_t ino)
{
	uint32_t now = 0;
	int err = umfs_dir_check(dir, dir_node);

	if (err)
		return err;
	err = umfs_dir_find(fs, dir, (uint32_t)dir_node, n, &now);
	if (err && err != -ENOENT)
		return err;
	return now == ino ? 0 : -EAGAIN;
}

int umfs_may_remove(const struct umfs_cred *cred, const struct umfs_inode_pm *dir,
		    const struct umfs_inode_pm *in)
{
	if (!umfs_may(cred, dir, 3))
		return -EACCES;
	if (in && (ld32(&dir->mode) & UMFS_S_ISVTX) && !cred->override &&
	    cred->uid != ld32(&in->uid) && cred->uid != ld32(&dir->uid))
		return -EPERM;
	return 0;
}

bool umfs_counts_sound(const struct umfs_inode_pm *dir, const struct umfs_inode_pm *in)
{
	/* A directory has two links of its own; with none it would pass for one that was removed. */
	return ld32(&in->nlink) && (!umfs_is_dir(ld32(&in->mode)) || ld32(&dir->nlink) > 2);
}

bool umfs_last_link(const struct umfs_inode_pm *in)
{
	return umfs_is_dir(ld32(&in->mode)) || ld32(&in->nlink) <= 1;
}

void umfs_orphan_begin(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino,
		       struct umfs_orphan *o)
{
	struct umfs *fs = tx->fs;
	struct umfs_irec_pm *rec = umfs_irec_find(fs, in, ino);
	uint32_t held;

	o->promised = !rec || umfs_irec_hold(fs, in, ino, &held);
	if (o->promised) {
		umfs_promise_make(tx, in, ino);
		return;
	}
	umfs_irec_flag(fs, in, rec, UMFS_IREC_ORPHAN);
	o->irec = held;
}

/* The record's flag may stay: it counts only without a link. */
void umfs_orphan_cancel(struct umfs_tx *tx, struct umfs_orphan *o)
{
	if (o->promised)
		umfs_promise_drop(tx);
	o->promised = false;
}

/* Freeing may take long: nothing else is locked then. */
void umfs_four_leave(struct umfs_tx *tx, struct umfs_four *x, int i, const struct umfs_orphan *o)
{
	if (o->promised) {
		umfs_leave_others(tx, x->ino, 4, x->ino[i]);
		umfs_promise_keep(tx, x->in[i], x->ino[i]);
		umfs_leave_inode(tx, x->in[i]);
	} else {
		umfs_leave(tx, x->ino, 4);
	}
	if (o->irec >= 0)
		umfs_irec_drop(tx->fs, (uint32_t)o->irec);
}

/* Whoever has it open may still ask for "..": that its parent is the same is seen by this. */
static void keep_parent(struct umfs *fs, struct umfs_inode_pm *in)
{
	uint32_t parent = (uint32_t)ld64(&in->parent);
	const struct umfs_inode_pm *dir = umfs_inode(fs, parent);

	if (dir)
		st64(&in->parent, umfs_node_of(parent, ld32(&dir->generation)));
}

void umfs_drop_link(struct umfs *fs, struct umfs_inode_pm *in, uint32_t ino)
{
	if (umfs_is_dir(ld32(&in->mode)))
		keep_parent(fs, in);
	st32(&in->nlink, umfs_is_dir(ld32(&in->mode)) ? 0 : ld32(&in->nlink) - 1);
	umfs_inode_touch_ctime(in);
	umfs_inode_seal(in, ino);
}

int umfs_inode_save_times(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino)
{
	int err = umfs_inode_save(tx, inode, ino);

	return err ? err : umfs_tx_save(tx, &inode->mtime_ns, 16);
}
