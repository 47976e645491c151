/* SPDX-License-Identifier: BSD-3-Clause */
/* mkfs.h - what the files of mkfs.umfs share. */
#ifndef UMFS_MKFS_H
#define UMFS_MKFS_H

#include "pool.h"

struct options {
	const char *path;
	uint64_t size_bytes; /* 0: that of the file */
	uint64_t inodes;     /* 0: core's choice */
	const char *label;
	uint8_t uuid[16];
	int durability; /* enum umfs_durability, or -1: find out */
	bool force, dry_run, quiet;
	bool prealloc; /* all memory at once */
};

/* The file or device to be made a pool. */
struct target {
	const char *path;
	int fd; /* -1: does not exist (dry run) */
	bool created, is_device; /* device: devdax */
	bool is_block; /* a block device with memory behind it */
	uint64_t file_bytes; /* now */
	uint64_t block_bytes; /* its size is a multiple of that; more than 4096 on hugetlbfs */
	uint64_t bytes; /* of the pool */
	char found[64]; /* the signature there is, or empty */
};

/* All say what is wrong in one line and exit or return false. */
void fail(const char *path, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* Takes the options apart; --help, --version and mistakes end the program. */
void options_parse(int argc, char **argv, struct options *o);

/*
 * Find or create it, see that nobody uses it (locks it until the program ends)
 * and that there is nothing in it that must not be overwritten.
 */
void target_open(struct target *t, const struct options *o);
/* See that its file system has room for all of it, whatever becomes of that until it is taken. */
void target_expect_room(const struct target *t);
/* Make it as large as wanted and empty: all of it reads as zeros where it can be had at once. */
void target_clear(struct target *t);
/* What the kernel knows of a block device's caches. */
int target_block_durability(const struct target *t);
/* Give up: remove it again if it was created. */
void target_abandon(struct target *t);

/* Name of what huge pages this target gets. */
const char *huge_pages(const struct target *t);

#endif
