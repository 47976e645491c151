/* SPDX-License-Identifier: BSD-3-Clause */
/* real.h - pools in shared memory, for tests with real processes. */
#ifndef UMFS_TESTS_REAL_H
#define UMFS_TESTS_REAL_H

#include "pool.h"

/* Format a new pool file; the directory is UMFS_TEST_DIR or /dev/shm, the name in `path`. */
void real_make(char path[256], const char *name, uint64_t bytes, uint32_t durability,
	       uint64_t inodes);
/* Attach or end the test. The pool is the caller's to pool_close and free. */
struct pool *real_attach(const char *path, uint32_t mode);
/* What is in the file now, to be put back at any time. NULL: no memory. */
struct real_image {
	uint64_t bytes;
	uint64_t *page; /* numbers of those that are not zero */
	uint8_t *data;
	uint64_t count;
};
struct real_image *real_save(const char *path);
/* Nobody may have it attached. */
void real_restore(const char *path, const struct real_image *image);
void real_image_free(struct real_image *image);

/* Run `fsck -n path`; its exit code. What it said goes to stderr when that is not 0. */
int real_fsck(const char *fsck, const char *path);
uint64_t now_ns(void);

#endif
