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

/* Where bytes may be of either tree. */
struct tree_torn {
	const char *path; /* NULL: nowhere */
	uint64_t off, len; /* those bytes of it */
	bool zeros_too; /* or zero */
	bool any_if_longer; /* also when the size is the one after */
	const char *times_of; /* its mtime and atime are of either tree too; NULL: no matter */
};

/* 0 when they are the same but for times; `times_of`: that path's mtime and atime count. */
int tree_differ(const struct tree *a, const struct tree *b, const char *times_of, char why[256]);
/* 0 when `t` is `before` or `after` but for what may be torn. */
int tree_between(const struct tree *t, const struct tree *before, const struct tree *after,
		 const struct tree_torn *torn, char why[256]);

/* In every directory: create, write, read back, list, delete. 0, or -1 with a reason. */
int tree_use(struct umfs *fs, const struct tree *t, char why[256]);

#endif
