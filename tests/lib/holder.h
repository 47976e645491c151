/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * holder.h - who writes by a lease (include/umfs/ioctl.h), in place of libumfs and of the kernel
 * that maps the pages of the file and the log for it.
 */
#ifndef UMFS_TESTS_HOLDER_H
#define UMFS_TESTS_HOLDER_H

#include "internal.h"

struct holder {
	struct umfs_file file;
	struct umfs_lease_pm *log;
	uint32_t number;
};

/* -errno as umfs_lease_take(). */
int holder_take(struct holder *h, const struct umfs_file *file);
/* Nobody can write there any more: what is active is undone. */
void holder_take_back(struct holder *h);

/* A write of `n` bytes: the old ones are kept; any of the new ones put; it is done. */
void holder_begin(struct holder *h, uint64_t off, uint64_t n);
void holder_put(struct holder *h, uint64_t off, uint8_t *bytes, uint64_t n);
void holder_end(struct holder *h);
/* The three of them. */
void holder_write(struct holder *h, uint64_t off, uint8_t *bytes, uint64_t n);

#endif
