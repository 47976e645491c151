// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/* rename.c - see namei.c for how names change and which locks are taken. */
#include "internal.h"

enum { FROM_DIR, TO_DIR, FROM, TO };

struct rename {
	const struct umfs_cred *cred;
	struct umfs_name from, to;
	uint32_t ino[4]; /* from dir, to dir, from, to (0: nothing there) */
	struct umfs_inode_pm *in[4];
	int64_t irec; /* hold on what was replaced, when that was its last name */
	bool moves_dir; /* a directory gets another parent: the rename lock is held */
};

static bool is_dir_at(const struct rename *r, int i)
{
	return r->ino[i] && umfs_is_dir(ld32(&r->in[i]->mode));
}

static int lookup_both(struct umfs *fs, struct rename *r)
{
	int err, i;

	r->ino[TO] = 0;
	err = umfs_lookup(fs, r->ino[FROM_DIR], r->from.name, r->from.len, &r->ino[FROM]);
	if (err)
		return err;
	err = umfs_lookup(fs, r->ino[TO_DIR], r->to.name, r->to.len, &r->ino[TO]);
	if (err && err != -ENOENT)
		return err;
	for (i = 0; i < 4; i++) {
		r->in[i] = r->ino[i] ? umfs_inode(fs, r->ino[i]) : NULL;
		if (r->ino[i] && !r->in[i])
			return -EUCLEAN;
	}
	return 0;
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

static int recheck(struct umfs *fs, const struct rename *r, int dir, const struct umfs_name *n,
		   uint32_t want)
{
	const struct umfs_inode_pm *in = r->in[dir];
	uint32_t now = 0;
	int err;

	if (!ld32(&in->mode) || !ld32(&in->nlink))
		return -ENOENT;
	if (!umfs_is_dir(ld32(&in->mode)))
		return -ENOTDIR;
	err = umfs_dir_find(fs, in, r->ino[dir], n, &now);
	if (err && err != -ENOENT)
		return err;
	return now == want ? 0 : -EAGAIN;
}

static int check_rights(const struct rename *r, int dir, int victim)
{
	const struct umfs_inode_pm *d = r->in[dir], *v = r->in[victim];

	if (!umfs_may(r->cred, d, 3))
		return -EACCES;
	if (v && (ld32(&d->mode) & 01000u) && !r->cred->override &&
	    r->cred->uid != ld32(&v->uid) && r->cred->uid != ld32(&d->uid))
		return -EPERM;
	return 0;
}

static int check_kinds(const struct rename *r)
{
	bool gains = is_dir_at(r, FROM) && !r->ino[TO] && r->ino[FROM_DIR] != r->ino[TO_DIR];

	if (r->ino[TO] && is_dir_at(r, TO) && !is_dir_at(r, FROM))
		return -EISDIR;
	if (r->ino[TO] && !is_dir_at(r, TO) && is_dir_at(r, FROM))
		return -ENOTDIR;
	if (is_dir_at(r, TO) && ld64(&r->in[TO]->entries))
		return -ENOTEMPTY;
	if (gains && ld32(&r->in[TO_DIR]->nlink) >= UMFS_LINKS_MAX)
		return -EMLINK;
	/* A directory that changes parents needs to be written itself. */
	if (is_dir_at(r, FROM) && r->ino[FROM_DIR] != r->ino[TO_DIR] &&
	    !umfs_may(r->cred, r->in[FROM], 2))
		return -EACCES;
	return 0;
}

static int save_all(struct umfs_tx *tx, struct rename *r)
{
	int i, k, err = 0;

	for (i = 0; !err && i < 4; i++) {
		for (k = 0; k < i && r->ino[k] != r->ino[i]; k++)
			;
		if (!r->ino[i] || k < i)
			continue;
		err = umfs_inode_save(tx, r->in[i]);
		if (!err && i <= TO_DIR)
			err = umfs_tx_save(tx, &r->in[i]->mtime_ns, 16);
	}
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

	if (dir && r->ino[FROM_DIR] != r->ino[TO_DIR]) {
		st64(&r->in[FROM]->parent, r->ino[TO_DIR]);
		bump(r->in[FROM_DIR], -1);
		bump(r->in[TO_DIR], 1);
	}
	if (r->ino[TO]) {
		if (is_dir_at(r, TO)) {
			bump(r->in[TO_DIR], -1);
			st32(&r->in[TO]->nlink, 0);
		} else {
			bump(r->in[TO], -1);
		}
		umfs_inode_touch_ctime(fs, r->in[TO]);
	}
	umfs_inode_touch_ctime(fs, r->in[FROM]);
	umfs_inode_touch(fs, r->in[FROM_DIR]);
	umfs_inode_touch(fs, r->in[TO_DIR]);
	for (i = 0; i < 4; i++)
		if (r->ino[i])
			umfs_inode_seal(r->in[i], r->ino[i]);
}

static int rename_in_tx(struct umfs_tx *tx, struct rename *r)
{
	uint32_t type = ld32(&r->in[FROM]->mode) >> 12;
	int err = save_all(tx, r);

	if (!err)
		err = r->ino[TO] ? umfs_dir_replace(tx, r->in[TO_DIR], r->ino[TO_DIR], &r->to,
						    r->ino[FROM], type)
				 : umfs_dir_insert(tx, r->in[TO_DIR], r->ino[TO_DIR], &r->to,
						   r->ino[FROM], type);
	if (!err)
		err = umfs_dir_remove(tx, r->in[FROM_DIR], r->ino[FROM_DIR], &r->from);
	if (!err)
		relink(tx->fs, r);
	return err;
}

static int hold_replaced(struct umfs *fs, struct rename *r)
{
	uint32_t irec;
	int err;

	if (!r->ino[TO] || (!is_dir_at(r, TO) && ld32(&r->in[TO]->nlink) > 1))
		return 0;
	err = umfs_irec_hold(fs, r->in[TO], r->ino[TO], &irec);
	if (err)
		return err;
	r->irec = irec;
	umfs_irec_flag(fs, umfs_irec(fs, irec), UMFS_IREC_ORPHAN);
	return 0;
}

/* Everything locked, sequences odd. */
static int rename_locked(struct umfs_tx *tx, struct rename *r)
{
	struct umfs *fs = tx->fs;
	int err = recheck(fs, r, FROM_DIR, &r->from, r->ino[FROM]);

	if (!err)
		err = recheck(fs, r, TO_DIR, &r->to, r->ino[TO]);
	if (err || r->ino[FROM] == r->ino[TO])
		return err; /* two names of one file: nothing to do */
	if (is_dir_at(r, FROM) && r->ino[FROM_DIR] != r->ino[TO_DIR] && !r->moves_dir)
		return -EAGAIN;
	err = check_rights(r, FROM_DIR, FROM);
	if (!err)
		err = check_rights(r, TO_DIR, TO);
	if (!err)
		err = check_kinds(r);
	if (!err && !r->ino[TO])
		err = umfs_dir_reserve(tx, r->in[TO_DIR], r->ino[TO_DIR], &r->to);
	if (!err)
		err = hold_replaced(fs, r);
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

static void seq_all(struct rename *r, bool begin)
{
	int i, k;

	for (i = 0; i < 4; i++) {
		for (k = 0; k < i && r->ino[k] != r->ino[i]; k++)
			;
		if (!r->ino[i] || k < i)
			continue;
		if (begin)
			umfs_seq_begin(r->in[i]);
		else
			umfs_seq_end(r->in[i]);
	}
}

static int rename_once(struct umfs *fs, struct rename *r)
{
	le64 *rename_lock = &umfs_runtime(fs)->rename_lock;
	struct umfs_tx tx;
	int err;

	r->irec = -1;
	err = umfs_lane_get(fs, &tx);
	if (err)
		return err;
	err = lookup_both(fs, r);
	if (err)
		goto err_lane;
	r->moves_dir = is_dir_at(r, FROM) && r->ino[FROM_DIR] != r->ino[TO_DIR];
	if (r->moves_dir) {
		err = umfs_lock(fs, rename_lock);
		if (err)
			goto err_lane;
		err = check_ancestor(fs, r->ino[FROM], r->ino[TO_DIR]);
	}
	if (!err)
		err = umfs_inodes_lock(fs, r->ino, 4);
	if (!err) {
		seq_all(r, true);
		err = rename_locked(&tx, r);
		seq_all(r, false);
		umfs_inodes_unlock(fs, r->ino, 4);
	}
	if (r->moves_dir)
		umfs_unlock(fs, rename_lock);
err_lane:
	umfs_lane_put(&tx);
	if (r->irec >= 0)
		umfs_irec_drop(fs, (uint32_t)r->irec);
	return err;
}

static int init_name(struct umfs *fs, struct umfs_name *n, const char *name, uint32_t len)
{
	if (len > UMFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))))
		return -EBUSY;
	n->name = name;
	n->len = len;
	n->hash = umfs_name_hash(fs, name, len);
	return 0;
}

int umfs_rename(struct umfs *fs, const struct umfs_cred *cred, uint32_t from_dir,
		const char *from, uint32_t from_len, uint32_t to_dir, const char *to,
		uint32_t to_len)
{
	struct rename r = {.cred = cred, .ino = {from_dir, to_dir}};
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
