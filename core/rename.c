// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * rename.c - a name moves, or two names change places.
 *
 * See namei.c for how names change and which locks are taken.
 *
 * I1  One transaction switches the names, link counts and parents; its commit is
 *     the commit point. A crash before leaves both names as they were.
 * I2  A directory gets another parent only under the rename lock, and only when
 *     it is seen, with all four inodes locked, not to be above that parent. What
 *     is above a directory that is locked and has a name can neither move (rename
 *     lock) nor be removed (it is not empty), so that what was seen holds until
 *     the commit. An exchange looks both ways.
 * I3  What is to stay in the old name's place is made in the same transaction, and locked
 *     until that has ended, as whatever is new (create.c).
 */
#include "names.h"

struct rename {
	const struct umfs_cred *cred;
	struct umfs_name from, to;
	struct umfs_four x;
	uint32_t whiteout; /* what the old name means then, when that is asked for; 0: none was made */
	struct umfs_orphan orphan; /* what was replaced, when that was its last name */
	uint32_t flags; /* UMFS_RENAME_* */
	bool moves_dir; /* a directory may get another parent: the rename lock is held */
};

static bool exchanges(const struct rename *r)
{
	return r->flags & UMFS_RENAME_EXCHANGE;
}

static bool is_dir_at(const struct rename *r, int i)
{
	return r->x.ino[i] && umfs_is_dir(ld32(&r->x.in[i]->mode));
}

/* Does what x.ino[i] names change its parent, and is it a directory? */
static bool moves(const struct rename *r, int i)
{
	return is_dir_at(r, i) && r->x.ino[FROM_DIR] != r->x.ino[TO_DIR];
}

static bool any_moves(const struct rename *r)
{
	return moves(r, FROM) || (exchanges(r) && moves(r, TO));
}

/* Also what the flags ask of the new name: -EEXIST, -ENOENT. */
static int lookup_both(struct umfs *fs, struct rename *r)
{
	int err;

	r->x.ino[TO] = 0;
	err = umfs_lookup(fs, r->x.node[FROM_DIR], r->from.name, r->from.len, &r->x.ino[FROM]);
	if (err)
		return err;
	err = umfs_lookup(fs, r->x.node[TO_DIR], r->to.name, r->to.len, &r->x.ino[TO]);
	if (err && (err != -ENOENT || exchanges(r)))
		return err;
	if (!err && (r->flags & UMFS_RENAME_NOREPLACE))
		return -EEXIST;
	r->x.in[FROM] = umfs_inode(fs, r->x.ino[FROM]);
	r->x.in[TO] = r->x.ino[TO] ? umfs_inode(fs, r->x.ino[TO]) : NULL;
	return r->x.in[FROM] && (r->x.in[TO] || !r->x.ino[TO]) ? 0 : -EUCLEAN;
}

/* Is `ino` the directory `below` or above it? -EINVAL: yes (I2). */
static int check_ancestor(struct umfs *fs, uint32_t ino, uint32_t below)
{
	uint64_t steps, most = (uint64_t)fs->geo.group_count * fs->geo.inodes_per_group;

	for (steps = 0; steps < most; steps++) {
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

/* No directory into what is below it, nor anything in place of what it lies in. */
static int check_cycle(struct umfs *fs, const struct rename *r)
{
	int err = 0;

	if (is_dir_at(r, TO) && !exchanges(r) &&
	    check_ancestor(fs, r->x.ino[TO], r->x.ino[FROM_DIR]) == -EINVAL)
		return -ENOTEMPTY;
	if (moves(r, FROM))
		err = check_ancestor(fs, r->x.ino[FROM], r->x.ino[TO_DIR]);
	if (!err && exchanges(r) && moves(r, TO))
		err = check_ancestor(fs, r->x.ino[TO], r->x.ino[FROM_DIR]);
	return err;
}

/* A file's name and a directory's change places: may the latter's new parent have one more? */
static int check_exchange(const struct rename *r)
{
	int gains = is_dir_at(r, FROM) ? TO_DIR : FROM_DIR;

	if (r->x.ino[FROM_DIR] != r->x.ino[TO_DIR] && is_dir_at(r, FROM) != is_dir_at(r, TO) &&
	    ld32(&r->x.in[gains]->nlink) >= UMFS_LINKS_MAX)
		return -EMLINK;
	return 0;
}

/* A directory takes the place of a directory, and a file that of a file. */
static int check_kinds(const struct rename *r)
{
	if (exchanges(r) || !r->x.ino[TO] || is_dir_at(r, TO) == is_dir_at(r, FROM))
		return 0;
	return is_dir_at(r, TO) ? -EISDIR : -ENOTDIR;
}

static int check_room(const struct rename *r)
{
	if (exchanges(r))
		return check_exchange(r);
	if (is_dir_at(r, TO) && ld64(&r->x.in[TO]->entries))
		return -ENOTEMPTY;
	if (moves(r, FROM) && !r->x.ino[TO] && ld32(&r->x.in[TO_DIR]->nlink) >= UMFS_LINKS_MAX)
		return -EMLINK;
	return 0;
}

static int check_counts(const struct rename *r)
{
	return umfs_counts_sound(r->x.in[FROM_DIR], r->x.in[FROM]) &&
			       (!r->x.ino[TO] || umfs_counts_sound(r->x.in[TO_DIR], r->x.in[TO]))
		       ? 0
		       : -EUCLEAN;
}

static int check_names(const struct rename *r)
{
	int err = umfs_may_remove(r->cred, r->x.in[FROM_DIR], r->x.in[FROM]);

	return err ? err : umfs_may_remove(r->cred, r->x.in[TO_DIR], r->x.in[TO]);
}

/* A directory that changes parents needs to be written itself. */
static int check_moved(const struct rename *r)
{
	if ((moves(r, FROM) && !umfs_may(r->cred, r->x.in[FROM], 2)) ||
	    (exchanges(r) && moves(r, TO) && !umfs_may(r->cred, r->x.in[TO], 2)))
		return -EACCES;
	return 0;
}

static int save_all(struct umfs_tx *tx, struct rename *r)
{
	int i, err = 0;

	for (i = 0; !err && i < 4; i++)
		if (umfs_four_first(&r->x, i))
			err = umfs_inode_save_times(tx, r->x.in[i], r->x.ino[i]);
	return err;
}

static void bump(struct umfs_inode_pm *in, int by)
{
	st32(&in->nlink, ld32(&in->nlink) + (uint32_t)by);
}

/* What x.ino[i] names, if a directory, leaves one parent for another. */
static void move_dir(struct rename *r, int i, int old_dir, int new_dir)
{
	if (!moves(r, i))
		return;
	st64(&r->x.in[i]->parent, r->x.ino[new_dir]);
	bump(r->x.in[old_dir], -1);
	bump(r->x.in[new_dir], 1);
}

/* Link counts and parents, after the names were switched. */
static void relink(struct umfs *fs, struct rename *r)
{
	int i;

	move_dir(r, FROM, FROM_DIR, TO_DIR);
	if (exchanges(r)) {
		move_dir(r, TO, TO_DIR, FROM_DIR);
		umfs_inode_touch_ctime(r->x.in[TO]);
	} else if (r->x.ino[TO]) {
		if (is_dir_at(r, TO))
			bump(r->x.in[TO_DIR], -1);
		umfs_drop_link(fs, r->x.in[TO], r->x.ino[TO]);
	}
	umfs_inode_touch_ctime(r->x.in[FROM]);
	umfs_inode_touch(fs, r->x.in[FROM_DIR]);
	umfs_inode_touch(fs, r->x.in[TO_DIR]);
	for (i = 0; i < 4; i++)
		if (r->x.ino[i])
			umfs_inode_seal(r->x.in[i], r->x.ino[i]);
}

/* The name `n` in directory x.ino[dir] means x.ino[i] from now on. */
static int point_at(struct umfs_tx *tx, struct rename *r, int dir, const struct umfs_name *n, int i)
{
	return umfs_dir_replace(tx, r->x.in[dir], r->x.ino[dir], n, r->x.ino[i],
				ld32(&r->x.in[i]->mode) >> 12);
}

static int put_new_name(struct umfs_tx *tx, struct rename *r)
{
	if (r->x.ino[TO])
		return point_at(tx, r, TO_DIR, &r->to, FROM);
	return umfs_dir_insert(tx, r->x.in[TO_DIR], &r->to, r->x.ino[FROM],
			       ld32(&r->x.in[FROM]->mode) >> 12);
}

static int put_whiteout(struct umfs_tx *tx, struct rename *r)
{
	int err = umfs_whiteout_make(tx, r->cred, r->x.in[FROM_DIR], r->x.ino[FROM_DIR],
				     &r->whiteout);

	if (err)
		return err;
	return umfs_dir_replace(tx, r->x.in[FROM_DIR], r->x.ino[FROM_DIR], &r->from, r->whiteout,
				ld32(&umfs_inode_known(tx->fs, r->whiteout)->mode) >> 12);
}

/* What becomes of the old one. */
static int take_old_name(struct umfs_tx *tx, struct rename *r)
{
	if (exchanges(r))
		return point_at(tx, r, FROM_DIR, &r->from, TO);
	if (r->flags & UMFS_RENAME_WHITEOUT)
		return put_whiteout(tx, r);
	return umfs_dir_remove(tx, r->x.in[FROM_DIR], r->x.ino[FROM_DIR], &r->from);
}

static int rename_in_tx(struct umfs_tx *tx, struct rename *r)
{
	int err = save_all(tx, r);

	if (!err)
		err = put_new_name(tx, r);
	if (!err)
		err = take_old_name(tx, r);
	if (!err)
		relink(tx->fs, r);
	return err;
}

/* Do the names still mean what was found? -EAGAIN: look again. */
static int check_still(struct umfs *fs, const struct rename *r)
{
	int err = umfs_name_still(fs, r->x.in[FROM_DIR], r->x.node[FROM_DIR], &r->from,
				  r->x.ino[FROM]);

	if (!err)
		err = umfs_name_still(fs, r->x.in[TO_DIR], r->x.node[TO_DIR], &r->to,
				      r->x.ino[TO]);
	if (!err)
		err = umfs_four_means(&r->x, TO);
	return !err && any_moves(r) && !r->moves_dir ? -EAGAIN : err;
}

/* In the order of Linux. */
static int check_all(struct umfs *fs, const struct rename *r)
{
	int err = check_cycle(fs, r);

	if (!err)
		err = check_names(r);
	if (!err)
		err = check_kinds(r);
	if (!err)
		err = check_moved(r);
	if (!err)
		err = check_room(r);
	return err ? err : check_counts(r);
}

/* Everything locked, sequences odd. */
static int rename_locked(struct umfs_tx *tx, struct rename *r)
{
	struct umfs *fs = tx->fs;
	int err = check_still(fs, r);

	if (err || r->x.ino[FROM] == r->x.ino[TO])
		return err; /* two names of one file: nothing to do */
	err = check_all(fs, r);
	if (!err && !r->x.ino[TO])
		err = umfs_dir_reserve(tx, r->x.in[TO_DIR], r->x.ino[TO_DIR], &r->to);
	if (!err && r->x.ino[TO] && !exchanges(r) && umfs_last_link(r->x.in[TO]))
		umfs_orphan_begin(tx, r->x.in[TO], r->x.ino[TO], &r->orphan);
	if (err)
		return err;
	umfs_tx_begin(tx);
	err = rename_in_tx(tx, r);
	if (!err)
		umfs_tx_commit(tx); /* commit point */
	else
		umfs_tx_abort(tx);
	if (r->whiteout)
		umfs_unlock(fs, &umfs_inode_known(fs, r->whiteout)->lock);
	if (err)
		umfs_orphan_cancel(tx, &r->orphan);
	return err;
}

static int rename_once(struct umfs *fs, struct rename *r)
{
	le64 *rename_lock = &umfs_runtime(fs)->rename_lock;
	struct umfs_tx tx;
	bool entered;
	int err;

	r->orphan = (struct umfs_orphan){-1, false};
	r->whiteout = 0;
	err = lookup_both(fs, r);
	if (err)
		return err;
	r->moves_dir = any_moves(r);
	if (r->moves_dir)
		err = umfs_lock(fs, rename_lock);
	if (err)
		return err;
	err = umfs_four_enter(fs, &tx, &r->x);
	entered = !err;
	if (entered) {
		umfs_four_seq(fs, &r->x, true);
		err = rename_locked(&tx, r);
		umfs_four_seq(fs, &r->x, false);
	}
	if (r->moves_dir)
		umfs_unlock(fs, rename_lock);
	if (entered)
		umfs_four_leave(&tx, &r->x, TO, &r->orphan);
	return err;
}

static int init_name(struct umfs *fs, struct umfs_name *n, const char *name, uint32_t len)
{
	int err = umfs_name_init(fs, n, name, len);

	return err == -EINVAL ? -EBUSY : err; /* "." and ".." stay where they are */
}

int umfs_rename(struct umfs *fs, const struct umfs_cred *cred, umfs_node from_dir,
		const char *from, uint32_t from_len, umfs_node to_dir, const char *to,
		uint32_t to_len, uint32_t flags)
{
	return umfs_rename_over(fs, cred, from_dir, from, from_len, to_dir, to, to_len, 0, flags);
}

int umfs_rename_over(struct umfs *fs, const struct umfs_cred *cred, umfs_node from_dir,
		     const char *from, uint32_t from_len, umfs_node to_dir, const char *to,
		     uint32_t to_len, umfs_node over, uint32_t flags)
{
	struct rename r = {.cred = cred,
			   .x.ino = {(uint32_t)from_dir, (uint32_t)to_dir},
			   .x.node = {[FROM_DIR] = from_dir, [TO_DIR] = to_dir, [TO] = over},
			   .flags = flags};
	int err;

	if (flags & ~(UMFS_RENAME_NOREPLACE | UMFS_RENAME_EXCHANGE | UMFS_RENAME_WHITEOUT) ||
	    ((flags & UMFS_RENAME_EXCHANGE) && flags != UMFS_RENAME_EXCHANGE))
		return -EINVAL;
	if (fs->zombies && (flags & UMFS_RENAME_WHITEOUT))
		umfs_reap(fs, false);
	err = init_name(fs, &r.from, from, from_len);

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
