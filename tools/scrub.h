/* SPDX-License-Identifier: BSD-3-Clause */
/* scrub.h - what the parts of `umfs scrub` share; see scrub.c. */
#ifndef UMFS_SCRUB_H
#define UMFS_SCRUB_H

#include <stdio.h>

#include "internal.h"
#include "pool.h"

/* Where the walk is, for what it says: an inode, and the name that led to it. */
struct scrub_place {
	uint32_t ino; /* 0: nobody's */
	uint32_t dir; /* directory of the name; 0: not known */
	char name[UMFS_NAME_MAX + 1];
	uint32_t len;
};

struct scrub {
	struct pool *pool;
	struct umfs *fs;
	FILE *out;
	struct scrub_place at;
	uint64_t findings, inodes, pages;
	uint8_t *seen; /* bit per inode of the pool as it was at first */
	uint64_t seen_inos;
	uint32_t *dirs; /* still to be walked */
	uint64_t dir_count, dir_room;
	uint8_t page[UMFS_PAGE_BYTES]; /* a copy of what is looked at */
};

/*
 * Read all of an attached pool and print a line for each finding. 0, or why it was ended:
 * -ENOMEM, -EIO (the pool can not be used any more), what umfs_lock() says.
 * SIGBUS and SIGSEGV are taken by scrub_catch_faults().
 */
int scrub_run(struct scrub *s);
void scrub_catch_faults(struct pool *pool);

/* A copy of a page; false: it can not be read. */
bool scrub_read(struct scrub *s, uint64_t page, void *copy);
void scrub_find(struct scrub *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- scrub_tree.c: inode s->at and what it leads to; 0 or what ends the run ---- */

int scrub_inode(struct scrub *s);
int scrub_dir(struct scrub *s);
/* Called for each name of a directory, which is not locked. */
int scrub_name(struct scrub *s, uint32_t dir, const char *name, uint32_t len, uint32_t ino);

#endif
