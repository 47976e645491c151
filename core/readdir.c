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
 * I2  A name that is damaged is not given out. All the others of its leaf are, and then it is
 *     said: the walk ends there, as it does where a leaf is lost as a whole.
 */
#include "internal.h"

#define CELLS UMFS_DLEAF_CELLS
#define TRIES 4u

/* One leaf's cells in the order of their hashes. */
struct order {
	const struct umfs_dleaf_pm *leaf;
	uint64_t last; /* largest hash of the leaf's range */
	uint32_t count;
	bool odd; /* there are others, which are damaged (I2) */
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

/* One that is not above `after`: was it given out, or is it damaged, so that nobody will ask for it? */
static bool is_name(const struct umfs_dpath *p, uint32_t cell)
{
	struct umfs_dentry_pm d;
	char name[UMFS_NAME_MAX];

	return umfs_dleaf_read(p->leaf, cell, &d, name) && ld64(&d.hash) >= p->first;
}

/* The names with hashes above `after` in the leaf that comes next. -ENOENT: no more. */
static int load_leaf(struct umfs *fs, const struct umfs_inode_pm *dir, uint32_t dir_ino,
		     uint64_t after, struct order *o)
{
	struct umfs_dpath p;
	uint32_t cell, seen = 0;
	bool odd = false;
	int err = umfs_dir_descend(fs, dir, dir_ino, after + 1, &p);

	if (err)
		return err;
	o->leaf = p.leaf;
	o->last = p.last;
	o->count = 0;
	for (cell = umfs_dleaf_next(p.leaf, 0); cell < CELLS;
	     cell = umfs_dleaf_next(p.leaf, cell + 1), seen++)
		if (cell_hash(p.leaf, cell) > after)
			o->cell[o->count++] = (uint8_t)cell;
		else if (!is_name(&p, cell))
			odd = true;
	o->odd = odd || seen != umfs_dleaf_count(p.leaf);
	sort(o);
	return 0;
}

struct name {
	uint64_t hash;
	uint32_t len, ino, type;
	char text[UMFS_NAME_MAX];
};

/* The name at o->cell[i], which comes after `after`; false: it is damaged, which is noted (I2). */
static bool load_name(struct order *o, uint32_t i, uint64_t after, struct name *n)
{
	struct umfs_dentry_pm d;
	bool good = umfs_dleaf_read(o->leaf, o->cell[i], &d, n->text);

	n->hash = ld64(&d.hash);
	n->len = ld8(&d.len);
	n->ino = ld32(&d.ino);
	n->type = ld8(&d.type);
	if (good && n->hash > after && n->hash <= o->last)
		return true;
	o->odd = true;
	return false;
}

/* Give out the names of a sorted leaf. 1: emit said stop, 0: all done, -EAGAIN: it changed. */
static int emit_leaf(const struct umfs_inode_pm *dir, uint64_t seq, struct order *o,
		     uint64_t *after, umfs_emit_fn emit, void *arg)
{
	const uint64_t from = *after; /* two names may have one hash */
	struct name n;
	uint32_t i;

	for (i = 0; i < o->count; i++) {
		bool good = load_name(o, i, from, &n);

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (ld64(&dir->seq) != seq)
			return -EAGAIN;
		if (!good)
			continue;
		if (emit(arg, n.text, n.len, n.ino, n.type, n.hash))
			return 1;
		*after = n.hash;
	}
	return o->odd ? -EUCLEAN : 0;
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

/* The first name in the leaf that is whole. -ENOENT: there is none; -EUCLEAN: but others. */
static int first_name(struct order *o, uint64_t after, struct name *n)
{
	uint32_t i;

	for (i = 0; i < o->count; i++)
		if (load_name(o, i, after, n))
			return 0;
	return o->odd ? -EUCLEAN : -ENOENT;
}

/* The name that comes next, under the directory's lock. -ENOENT: no more. */
static int next_locked(struct umfs *fs, struct umfs_inode_pm *dir, uint32_t dir_ino,
		       uint64_t after, struct order *o, struct name *n)
{
	uint64_t left = fs->geo.pool_pages; /* I1 */
	int err = umfs_lock(fs, &dir->lock);

	if (err)
		return err;
	umfs_seq_heal(dir);
	for (;;) {
		err = load_leaf(fs, dir, dir_ino, after, o);
		if (err)
			break;
		err = first_name(o, after, n);
		after = o->last;
		if (err != -ENOENT || after >= (uint64_t)INT64_MAX)
			break;
		if (!left--) {
			err = -EUCLEAN;
			break;
		}
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
