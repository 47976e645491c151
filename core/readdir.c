// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * readdir.c - names of a directory in the order of their hashes.
 *
 * The position after a name is its hash, so it stays valid however the trie is
 * split or repacked meanwhile. One leaf at a time: its live cells are sorted,
 * then each name is copied out; whenever the directory's sequence moved, the
 * leaf is looked up anew from the last hash that was given out.
 *
 * I1  A walk passes each leaf once, so no more of them than the pool has pages. In a
 *     damaged trie, where nodes are named by several, a few pages stand for 2^54 leaves.
 */
#include "internal.h"

#define CELLS UMFS_DLEAF_CELLS
#define TRIES 4u

/* One leaf's cells in the order of their hashes. */
struct order {
	const struct umfs_dleaf_pm *leaf;
	uint64_t last; /* largest hash of the leaf's range */
	uint32_t count;
	uint8_t cell[CELLS];
};

static uint64_t cell_hash(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	return ld64(&umfs_dleaf_dentry(leaf, cell)->hash);
}

static void sift(struct order *o, uint32_t root, uint32_t end)
{
	uint32_t child;

	while ((child = 2 * root + 1) < end) {
		uint8_t swap;

		if (child + 1 < end &&
		    cell_hash(o->leaf, o->cell[child]) < cell_hash(o->leaf, o->cell[child + 1]))
			child++;
		if (cell_hash(o->leaf, o->cell[root]) >= cell_hash(o->leaf, o->cell[child]))
			return;
		swap = o->cell[root];
		o->cell[root] = o->cell[child];
		o->cell[child] = swap;
		root = child;
	}
}

/* Heapsort; a concurrent change makes a wrong order, which the sequence tells. */
static void sort(struct order *o)
{
	uint32_t i;

	for (i = o->count / 2; i-- > 0;)
		sift(o, i, o->count);
	for (i = o->count; i-- > 1;) {
		uint8_t swap = o->cell[0];

		o->cell[0] = o->cell[i];
		o->cell[i] = swap;
		sift(o, 0, i);
	}
}

/* The names with hashes above `after` in the leaf that comes next. -ENOENT: no more. */
static int load_leaf(struct umfs *fs, const struct umfs_inode_pm *dir, uint32_t dir_ino,
		     uint64_t after, struct order *o)
{
	struct umfs_dpath p;
	uint32_t cell;
	int err = umfs_dir_descend(fs, dir, dir_ino, after + 1, &p);

	if (err)
		return err;
	o->leaf = p.leaf;
	o->last = p.last;
	o->count = 0;
	for (cell = umfs_dleaf_next(p.leaf, 0); cell < CELLS;
	     cell = umfs_dleaf_next(p.leaf, cell + 1))
		if (cell_hash(p.leaf, cell) > after)
			o->cell[o->count++] = (uint8_t)cell;
	sort(o);
	return 0;
}

/* Give out the names of a sorted leaf. 1: emit said stop, 0: all done, -EAGAIN: it changed. */
static int emit_leaf(const struct umfs_inode_pm *dir, uint64_t seq, const struct order *o,
		     uint64_t *after, umfs_emit_fn emit, void *arg)
{
	char name[UMFS_NAME_MAX];
	uint32_t i;

	for (i = 0; i < o->count; i++) {
		const struct umfs_dentry_pm *d = umfs_dleaf_dentry(o->leaf, o->cell[i]);
		uint32_t len = ld8(&d->len), ino = ld32(&d->ino), type = ld8(&d->type);
		uint64_t hash = ld64(&d->hash);

		if (o->cell[i] + UMFS_DENTRY_CELLS(len) > CELLS)
			return -EAGAIN;
		umfs_peek(name, d + 1, len);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (ld64(&dir->seq) != seq)
			return -EAGAIN;
		if (emit(arg, name, len, ino, type, hash))
			return 1;
		*after = hash;
	}
	return 0;
}

/* An even sequence to compare with: a writer inside is waited for. */
static int settled_seq(struct umfs *fs, struct umfs_inode_pm *dir, uint64_t *seq)
{
	int tries, err;

	for (tries = 0; tries < 1000; tries++) {
		*seq = ld64(&dir->seq);
		if (!(*seq & 1) || fs->readonly)
			return 0;
		port_relax();
	}
	err = umfs_lock(fs, &dir->lock);
	if (err)
		return err;
	umfs_seq_heal(dir); /* its writer died and was undone */
	*seq = ld64(&dir->seq);
	umfs_unlock(fs, &dir->lock);
	return 0;
}

struct name {
	uint64_t hash;
	uint32_t len, ino, type;
	char text[UMFS_NAME_MAX];
};

/* The name that comes next, under the directory's lock. -ENOENT: no more. */
static int next_locked(struct umfs *fs, struct umfs_inode_pm *dir, uint32_t dir_ino,
		       uint64_t after, struct order *o, struct name *n)
{
	const struct umfs_dentry_pm *d;
	uint64_t left = fs->geo.pool_pages; /* I1 */
	int err = umfs_lock(fs, &dir->lock);

	if (err)
		return err;
	umfs_seq_heal(dir);
	do {
		err = load_leaf(fs, dir, dir_ino, after, o);
		if (!err && !o->count)
			after = o->last;
	} while (!err && !o->count && after < (uint64_t)INT64_MAX && left--);
	if (!err && !o->count)
		err = after < (uint64_t)INT64_MAX ? -EUCLEAN : -ENOENT;
	if (!err) {
		d = umfs_dleaf_dentry(o->leaf, o->cell[0]);
		n->hash = ld64(&d->hash);
		n->len = ld8(&d->len);
		n->ino = ld32(&d->ino);
		n->type = ld8(&d->type);
		memcpy(n->text, d + 1, n->len);
	}
	umfs_unlock(fs, &dir->lock);
	return err;
}

/* Where the directory changes too fast: one name at a time. 1: emit said stop. */
static int emit_one(struct umfs *fs, struct umfs_inode_pm *dir, uint32_t dir_ino,
		    uint64_t *cookie, struct order *o, umfs_emit_fn emit, void *arg)
{
	struct name n;
	int err = next_locked(fs, dir, dir_ino, *cookie, o, &n);

	if (err)
		return err;
	if (emit(arg, n.text, n.len, n.ino, n.type, n.hash))
		return 1;
	*cookie = n.hash;
	return 0;
}

/* One leaf's names without a lock. -EAGAIN: the directory changed meanwhile. */
static int emit_some(struct umfs *fs, struct umfs_inode_pm *dir, uint32_t dir_ino,
		     uint64_t *cookie, struct order *o, umfs_emit_fn emit, void *arg)
{
	uint64_t seq;
	int err = settled_seq(fs, dir, &seq);

	if (err)
		return err;
	err = load_leaf(fs, dir, dir_ino, *cookie, o);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (ld64(&dir->seq) != seq)
		return -EAGAIN;
	if (!err)
		err = emit_leaf(dir, seq, o, cookie, emit, arg);
	if (err == -EAGAIN && ld64(&dir->seq) == seq)
		return -EUCLEAN; /* it is not a change that made no sense */
	if (!err)
		*cookie = UMFS_MAX(*cookie, o->last);
	return err;
}

int umfs_readdir(struct umfs *fs, umfs_node node, uint64_t cookie, umfs_emit_fn emit, void *arg)
{
	uint32_t dir = (uint32_t)node;
	struct umfs_inode_pm *in;
	struct order o;
	uint64_t leaves = 0;
	uint32_t missed = 0;
	int err = umfs_inode_check(fs, node, &in);

	if (err)
		return err;
	if (!umfs_is_dir(ld32(&in->mode)))
		return -ENOTDIR;
	while (!err && cookie < (uint64_t)INT64_MAX) {
		if (missed < TRIES) {
			err = emit_some(fs, in, dir, &cookie, &o, emit, arg);
			missed = err == -EAGAIN ? missed + 1 : 0;
			if (!err && ++leaves > fs->geo.pool_pages) /* I1 */
				err = -EUCLEAN;
		} else {
			err = emit_one(fs, in, dir, &cookie, &o, emit, arg);
		}
		if (err == -EAGAIN)
			err = 0;
	}
	return err == 1 || err == -ENOENT ? 0 : err;
}
