/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops.h - one call of each kind, on a small tree made for it: what the crash,
 * kill and no-space tests all go through.
 */
#ifndef UMFS_TESTS_OPS_H
#define UMFS_TESTS_OPS_H

#include "tree.h"

/* An op in progress: what prepare() leaves for run(). */
struct stage {
	struct umfs *fs;
	struct umfs_file file;
	uint32_t count; /* op's own */
	/* Of a step of a sequence, see steps.c: */
	uint32_t step; /* how many were done before */
	uint32_t durable; /* the inode that fsync() was called for, if it was */
	bool holds; /* the two files are open all the time */
	struct umfs_file held[2];
};

#define OP_TIMES 1u /* sets times: they are compared too */
#define OP_FSYNC 2u /* what it wrote is durable in every mode when it returns */
#define OP_ATTACH 4u /* the call is the attaching itself; prepare and run are NULL */
#define OP_DETACH 8u
/* What it needs, and so must fail without; an op with neither must not fail for lack of room. */
#define OP_NEEDS_PAGE 16u
#define OP_NEEDS_INODE 32u
#define OP_SETID 256u /* set-id bits of `path` go first: its mode may be the one after, and nothing else */
#define OP_LONG 64u /* more than 2 MiB, or thousands of stores: tried at fewer places */
#define OP_PIECES 128u /* one call, but more than one piece: torn between them in every mode */
#define OP_NEEDS_RECORD 512u /* of an open inode; without one, and without ... */
#define OP_NEEDS_OFD 1024u   /* an open file description, it says ENFILE */
#define OP_FREEZES 2048u     /* nobody changes the pool until its process ends */
#define OP_ALONE 4096u	     /* nobody else can do anything before its process's end is known */
#define OP_LEASE 8192u	     /* needs a pool with room for leases */
#define OP_OPENS (OP_NEEDS_RECORD | OP_NEEDS_OFD)

struct op {
	const char *name;
	int (*prepare)(struct stage *s); /* NULL: nothing to do */
	int (*run)(struct stage *s);
	uint32_t flags;
	/* A write: the bytes it changes. */
	const char *path;
	uint64_t off, len;
};

extern const struct op ops[];
extern const size_t op_count;
uint64_t op_pool_bytes(const struct op *op);

/*
 * The tree that each op starts from:
 *   /a 100 bytes, also /d/l    /b 5000 bytes      /m 120 000 bytes
 *   /empty 0 bytes             /s -> d/x          /long -> 300 bytes
 *   /d/x 10 bytes  /d/sub/y    /e/ (empty)        /t/f
 */
void op_tree(struct umfs *fs);
/* What may be torn when this op is cut short, or was not made durable. */
struct tree_torn op_torn(const struct op *op, uint32_t mode, bool power, bool complete);

#endif
