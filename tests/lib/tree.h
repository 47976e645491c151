/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree.h - everything a pool's user can see, read through core, to be compared:
 * names, attributes, link counts, sizes, content.
 */
#ifndef UMFS_TESTS_TREE_H
#define UMFS_TESTS_TREE_H

#include "world.h"

struct node {
	char *path;
	struct umfs_attr attr;
	uint8_t *data; /* of a link its target; of a long file the ends of it */
	uint64_t data_bytes;
	uint8_t *xattrs; /* name, NUL, value, each, by name; NULL: none */
	uint64_t xattr_bytes;
};

struct tree {
	struct node *nodes; /* by path */
	size_t count, room;
};

/*
 * Read it all, from the root. 0, or -1 with a reason in `why`: whatever can not
 * be read, directories whose link or entry counts are not what is in them, a
 * name that appears twice.
 */
int tree_read(struct umfs *fs, struct tree *t, char why[256]);
void tree_free(struct tree *t);
const struct node *tree_find(const struct tree *t, const char *path);

/* 0 when they are the same but for times; `times_of`: that path's mtime and atime count. */
int tree_differ(const struct tree *a, const struct tree *b, const char *times_of, char why[256]);

/* What is not promised of a tree that a crash left. */
struct tree_torn {
	bool complete; /* the call had returned: the tree is the last one */
	bool times; /* ... with its times of change: both were made by the same clock */
	bool mixed; /* bytes of a file may be of either version that it had before and after */
	bool lazy; /* ... or of an older one, back to when it was made durable */
	const uint32_t *durable; /* for each tree the inode that was, by the call that led to it; or NULL */
	bool modes; /* a file's mode may be the one after, and all else the one before */
	const char *times_of; /* its mtime and atime are of either tree too; NULL: no matter */
};

/*
 * `trees` are those that `last` calls led through, from before the first one on.
 * 0 when `t` is trees[last], or trees[last - 1] unless the last call had returned, but
 * for what may be torn.
 */
int tree_between(const struct tree *t, const struct tree *trees, size_t last,
		 const struct tree_torn *torn, char why[256]);

/* Of all that tree_differ() compares but times. */
uint64_t tree_hash(const struct tree *t);

/* In every directory: create, write, read back, list, delete. 0, or -1 with a reason. */
int tree_use(struct umfs *fs, const struct tree *t, char why[256]);
/* Leave out of a tree that was read what tree_use(), cut short, may have left. */
void tree_forget_use(struct tree *t);

#endif
