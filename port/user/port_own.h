/* SPDX-License-Identifier: BSD-3-Clause */
/* port_own.h - what the files of port/user share with one another. */
#ifndef UMFS_PORT_OWN_H
#define UMFS_PORT_OWN_H

#include "pool.h"

static inline struct pool *pool_of(struct umfs *fs)
{
	return fs->port;
}

/* Open the file at `path` for p->flags and find out what it is. */
int pool_file_open(struct pool *p, const char *path);
/*
 * The same file once more, after p->fd was closed, or in place of the parent's after fork.
 * -ESTALE: it is another one, or a smaller one. p->file_bytes is its size.
 */
int pool_file_again(struct pool *p);
/* A medium that needs write-back of lines is mapped: port_copy*_nt see to their ends. */
extern PORT_HIDDEN uint64_t port_nt_min;
void port_nt_flushes(void);

/*
 * The pool's own descriptor, or -EBADF when the host program has closed it and
 * perhaps put something else in its place.
 */
int pool_fd(const struct pool *p);
void pool_close_fd(struct pool *p);
/* That description, under p->fd's number; false: p->fd is not the pool's, and `fd` still open. */
bool pool_renew_fd(struct pool *p, int fd);
/* A new open file description of the pool: a descriptor, or -errno. */
int pool_reopen(const struct pool *p);

/* Only one thread of this process opens descriptions or forks at a time. */
void pool_desc_lock(struct pool *p);
void pool_desc_unlock(struct pool *p);

/* How many bytes to map for it: with room for all that it may grow to, where that costs nothing. */
uint64_t pool_room(const struct pool *p);
/* n bytes of address space where there is room behind: where they begin, or -errno. */
long pool_lonely(uint64_t n);
/* Memory for [off, off + n) of the file, whatever signals come. */
int port_fill(int fd, uint64_t off, uint64_t n);

#endif
