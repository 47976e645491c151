// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/* rename.c - see namei.c for how names change and which locks are taken. */
#include "names.h"

struct rename {
	const struct umfs_cred *cred;
	struct umfs_name from, to;
	struct umfs_four x;
	int64_t irec; /* hold on what was replaced, when that was its last name */
	bool moves_dir; /* a directory gets another parent: the rename lock is held */
};

static bool is_dir_at(const struct rename *r, int i)
{
	return r->x.ino[i] && umfs_is_dir(ld32(&r->x.in[i]->mode));
}

static int lookup_both(struct umfs *fs, struct rename *r)
{
	int err;

	r->x.ino[TO] = 0;
	err = umfs_lookup(fs, r->x.ino[FROM_DIR], r->from.name, r->from.len, &r->x.ino[FROM]);
	if (err)
		return err;
	err = umfs_lookup(fs, r->x.ino[TO_DIR], r->to.name, r->to.len, &r->x.ino[TO]);
	if (err && err != -ENOENT)
		return err;
	r->x.in[FROM] = umfs_inode(fs, r->x.ino[FROM]);
	return r->x.in[FROM] ? 0 : -EUCLEAN;
}

/* Is `ino` the directory `below` or above it? The rename lock keeps the tree still. */
static int check_ancestor(struct umfs *fs, uint32_t ino, uint32_t below)
{
	uint64_t steps;

	for (steps = 0; steps < UINT32_MAX; steps++) {
		struct umfs_inode_pm *in = umfs_inode(fs, below);

		if (below == ino)
			return -EINVAL;
		if (below == UMFS_ROOT_INO)
			return 0;
		if (!in || !umfs_is_dir(ld32(&in->mode)))
			return -ENOENT;
		below = (uint32_t)ld64(&in->parent);
	}
	return -EUCLEAN;
}

static int check_kinds(const struct rename *r)
{
	bool gains = is_dir_at(r, FROM) && !r->x.ino[TO] && r->x.ino[FROM_DIR] != r->x.ino[TO_DIR];

	if (r->x.ino[TO] && is_dir_at(r, TO) && !is_dir_at(r, FROM))
		return -EISDIR;
	if (r->x.ino[TO] && !is_dir_at(r, TO) && is_dir_at(r, FROM))
		return -ENOTDIR;
	if (is_dir_at(r, TO) && ld64(&r->x.in[TO]->entries))
		return -ENOTEMPTY;
	if (gains && ld32(&r->x.in[TO_DIR]->nlink) >= UMFS_LINKS_MAX)
		return -EMLINK;
	/* A directory that changes parents needs to be written itself. */
	if (is_dir_at(r, FROM) && r->x.ino[FROM_DIR] != r->x.ino[TO_DIR] &&
	    !umfs_may(r->cred, r->x.in[FROM], 2))
		return -EACCES;
	return 0;
}

static int save_all(struct umfs_tx *tx, struct rename *r)
{
	int i, err = 0;

	for (i = 0; !err && i < 4; i++)
		if (umfs_four_first(&r->x, i))
			err = umfs_inode_save_times(tx, r->x.in[i]);
	return err;
}

static void bump(struct umfs_inode_pm *in, int by)
{
	st32(&in->nlink, ld32(&in->nlink) + (uint32_t)by);
}

/* Link counts and parents, after the names were switched. */
static void relink(struct umfs *fs, struct rename *r)
{
	bool dir = is_dir_at(r, FROM);
	int i;

	if (dir && r->x.ino[FROM_DIR] != r->x.ino[TO_DIR]) {
		st64(&r->x.in[FROM]->parent, r->x.ino[TO_DIR]);
		bump(r->x.in[FROM_DIR], -1);
		bump(r->x.in[TO_DIR], 1);
	}
	if (r->x.ino[TO]) {
		if (is_dir_at(r, TO))
			bump(r->x.in[TO_DIR], -1);
		umfs_drop_link(fs, r->x.in[TO], r->x.ino[TO]);
	}
	umfs_inode_touch_ctime(fs, r->x.in[FROM]);
	umfs_inode_touch(fs, r->x.in[FROM_DIR]);
	umfs_inode_touch(fs, r->x.in[TO_DIR]);
	for (i = 0; i < 4; i++)
		if (r->x.ino[i])
			umfs_inode_seal(r->x.in[i], r->x.ino[i]);
}

static int rename_in_tx(struct umfs_tx *tx, struct rename *r)
{
	uint32_t type = ld32(&r->x.in[FROM]->mode) >> 12;
	int err = save_all(tx, r);

	if (!err)
		err = r->x.ino[TO] ? umfs_dir_replace(tx, r->x.in[TO_DIR], r->x.ino[TO_DIR], &r->to,
						    r->x.ino[FROM], type)
				 : umfs_dir_insert(tx, r->x.in[TO_DIR], r->x.ino[TO_DIR], &r->to,
						   r->x.ino[FROM], type);
	if (!err)
		err = umfs_dir_remove(tx, r->x.in[FROM_DIR], r->x.ino[FROM_DIR], &r->from);
	if (!err)
		relink(tx->fs, r);
	return err;
}

/* Everything locked, sequences odd. */
static int rename_locked(struct umfs_tx *tx, struct rename *r)
{
	struct umfs *fs = tx->fs;
	int err = umfs_name_still(fs, r->x.in[FROM_DIR], r->x.ino[FROM_DIR], &r->from,
				  r->x.ino[FROM]);

	if (!err)
		err = umfs_name_still(fs, r->x.in[TO_DIR], r->x.ino[TO_DIR], &r->to,
				      r->x.ino[TO]);
	if (err || r->x.ino[FROM] == r->x.ino[TO])
		return err; /* two names of one file: nothing to do */
	if (is_dir_at(r, FROM) && r->x.ino[FROM_DIR] != r->x.ino[TO_DIR] && !r->moves_dir)
		return -EAGAIN;
	err = umfs_may_remove(r->cred, r->x.in[FROM_DIR], r->x.in[FROM]);
	if (!err)
		err = umfs_may_remove(r->cred, r->x.in[TO_DIR], r->x.in[TO]);
	if (!err)
		err = check_kinds(r);
	if (!err && !r->x.ino[TO])
		err = umfs_dir_reserve(tx, r->x.in[TO_DIR], r->x.ino[TO_DIR], &r->to);
	if (!err && r->x.ino[TO] && umfs_last_link(r->x.in[TO]))
		err = umfs_hold_orphan(fs, r->x.in[TO], r->x.ino[TO], &r->irec);
	if (err)
		return err;
	umfs_tx_begin(tx);
	err = rename_in_tx(tx, r);
	if (err)
		umfs_tx_abort(tx);
	else
		umfs_tx_commit(tx); /* commit point */
	return err;
}

static int rename_once(struct umfs *fs, struct rename *r)
{
	le64 *rename_lock = &umfs_runtime(fs)->rename_lock;
	struct umfs_tx tx;
	int err;

	r->irec = -1;
	err = lookup_both(fs, r);
	if (err)
		return err;
	r->moves_dir = is_dir_at(r, FROM) && r->x.ino[FROM_DIR] != r->x.ino[TO_DIR];
	if (r->moves_dir) {
		err = umfs_lock(fs, rename_lock);
		if (err)
			return err;
		err = check_ancestor(fs, r->x.ino[FROM], r->x.ino[TO_DIR]);
	}
	if (!err)
		err = umfs_four_enter(fs, &tx, &r->x);
	if (!err) {
		umfs_four_seq(&r->x, true);
		err = rename_locked(&tx, r);
		umfs_four_seq(&r->x, false);
		umfs_leave(&tx, r->x.ino, 4);
	}
	if (r->moves_dir)
		umfs_unlock(fs, rename_lock);
	if (r->irec >= 0)
		umfs_irec_drop(fs, (uint32_t)r->irec);
	return err;
}

static int init_name(struct umfs *fs, struct umfs_name *n, const char *name, uint32_t len)
{
	int err = umfs_name_init(fs, n, name, len);

	return err == -EINVAL ? -EBUSY : err; /* "." and ".." stay where they are */
}

int umfs_rename(struct umfs *fs, const struct umfs_cred *cred, uint32_t from_dir,
		const char *from, uint32_t from_len, uint32_t to_dir, const char *to,
		uint32_t to_len)
{
	struct rename r = {.cred = cred, .x.ino = {from_dir, to_dir}};
	int err = init_name(fs, &r.from, from, from_len);

	if (!err)
		err = init_name(fs, &r.to, to, to_len);
	while (!err) {
		err = rename_once(fs, &r);
		if (err != -EAGAIN)
			return err;
		err = 0;
	}
	return err;
}
