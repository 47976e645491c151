/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* names.h - what namei.c, create.c and rename.c share: the inodes of an operation, and its checks. */
#ifndef UMFS_CORE_NAMES_H
#define UMFS_CORE_NAMES_H

#include "internal.h"

/* The type of a file as directory entries state it. */
static inline uint32_t umfs_mode_type(uint32_t mode)
{
	return mode >> 12 & 017u;
}

/* Two directories and what two names mean in them; 0: not in this operation. */
enum { FROM_DIR, TO_DIR, FROM, TO };
struct umfs_four {
	uint32_t ino[4];
	umfs_node node[4]; /* what the caller means by them; of those found by name the number is enough */
	struct umfs_inode_pm *in[4];
};

/* -EINVAL: "", "." or ".."; -ENAMETOOLONG. */
int umfs_name_init(struct umfs *fs, struct umfs_name *n, const char *name, uint32_t len);
/* umfs_lookup() in the directory whose inode is `in` (NULL: -EUCLEAN). */
int umfs_lookup_in(struct umfs *fs, struct umfs_inode_pm *in, umfs_node dir, const char *name,
		   uint32_t len, uint32_t *ino);
/* In use as the node says, a directory, and has a name: 0, -ENOENT, -ESTALE, -ENOTDIR. */
int umfs_dir_check(const struct umfs_inode_pm *dir, umfs_node node);
/* A lane and all their locks; see umfs_enter. */
int umfs_four_enter(struct umfs *fs, struct umfs_tx *tx, struct umfs_four *x);
/* Sequences of all of them, each once. */
void umfs_four_seq(const struct umfs *fs, struct umfs_four *x, bool begin);
/* Locked: is x->in[i] what the caller means by it, if anything? -ESTALE. */
int umfs_four_means(const struct umfs_four *x, int i);
/* Is x->in[i] the first of them that is this inode? */
bool umfs_four_first(const struct umfs_four *x, int i);
/* Does the name still mean `ino` (0: nothing)? Directory locked. -EAGAIN: no. */
int umfs_name_still(struct umfs *fs, const struct umfs_inode_pm *dir, umfs_node dir_node,
		    const struct umfs_name *n, uint32_t ino);
/* May `cred` take `in` (or, NULL, put a name) from `dir`? -EACCES, -EPERM (sticky). */
int umfs_may_remove(const struct umfs_cred *cred, const struct umfs_inode_pm *dir,
		    const struct umfs_inode_pm *in);
/* Do the counts say that there is a name of `in` in `dir`? They go down without a look at them. */
bool umfs_counts_sound(const struct umfs_inode_pm *dir, const struct umfs_inode_pm *in);
/* Does losing one name leave the inode without any? */
bool umfs_last_link(const struct umfs_inode_pm *in);
/* An inode whose last name goes, and who sees to its end: {-1, false} to begin with. */
struct umfs_orphan {
	int64_t irec;  /* this process holds its record, which others may hold too */
	bool promised; /* this lane */
};
/* Before the transaction: promise, durably, to reclaim it. Needs nothing that could be used up. */
void umfs_orphan_begin(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino,
		       struct umfs_orphan *o);
/* The transaction was not committed. */
void umfs_orphan_cancel(struct umfs_tx *tx, struct umfs_orphan *o);
/* All locks and the lane go; x->ino[i] is reclaimed, if nobody has it open. */
void umfs_four_leave(struct umfs_tx *tx, struct umfs_four *x, int i, const struct umfs_orphan *o);
/*
 * In a transaction: a new character device 0:0 without rights, by which a file system above
 * this one says that there is nothing. The caller names it, and lets go of its lock after the
 * transaction's end, whatever that is; *ino 0: there is none.
 */
int umfs_whiteout_make(struct umfs_tx *tx, const struct umfs_cred *cred,
		       const struct umfs_inode_pm *dir, uint32_t dir_ino, uint32_t *ino);
/* One name less, in a transaction that saved the inode. */
void umfs_drop_link(struct umfs *fs, struct umfs_inode_pm *in, uint32_t ino);
/* Save an inode whose mtime or ctime changes too. */
int umfs_inode_save_times(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino);

#endif
