/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * share.h - reading and writing what the kernel module has open here in a mapping: share.c.
 */
#ifndef UMFS_LIBUMFS_SHARE_H
#define UMFS_LIBUMFS_SHARE_H

#include "internal.h"

/* How many numbers may be such files; 0: none was opened, or no more of this. */
extern PORT_HIDDEN uint32_t umfs_share_count;

static inline bool umfs_share_may(int fd)
{
	return (uint32_t)fd < LOAD_RELAXED(&umfs_share_count);
}

/*
 * `fd` is a regular file of m's, open for reading, and `write`: writing without O_APPEND, since a
 * moment ago. Under the guard.
 */
void umfs_share_opened(int fd, struct mount *m, bool write);
/* These numbers are about to be closed. */
void umfs_share_closed(unsigned first, unsigned last);
/* A thread is about to have descriptors of its own: all reads are calls from now on. */
void umfs_share_end(void);

long umfs_hook_pread_shared(int fd, void *buf, size_t n, off_t off);
long umfs_hook_pwrite_shared(int fd, const void *buf, size_t n, off_t off);

#endif
