/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file.h - small helpers of the hooks that work on descriptors of ours.
 */
#ifndef UMFS_LIBUMFS_FILE_H
#define UMFS_LIBUMFS_FILE_H

#include "internal.h"

/* Hold the lowest number for a file to be opened: the number or -errno. */
long umfs_file_reserve(bool cloexec);
void umfs_file_unreserve(int fd);
/*
 * Make a reserved number the descriptor of an open file; the file's reference
 * passes to it. -EBADF: another thread closed the number meanwhile.
 */
long umfs_file_publish(const struct umfs_file *file, enum uinfo_kind kind, int fd);

/*
 * The kernel gave that number to a file of its own: where it was one of ours, that was
 * closed past us. Returns fd.
 */
long umfs_file_taken(long fd);
static inline long umfs_file_given(long fd)
{
	return unlikely(fd >= 0 && umfs_uinfo_ours((int)fd)) ? umfs_file_taken(fd) : fd;
}

/* An inode that is open does not go away: the descriptor was closed meanwhile. */
static inline long umfs_file_gone(long err)
{
	return err == -ESTALE ? -EBADF : err;
}

/* F_GETLK, F_SETLK and their kin: hook_lock.c. */
long umfs_lock_fcntl(const struct umfs_file *f, enum uinfo_kind kind, int fd, int cmd, long arg);

/* All of it into memory of the kernel's (exec.c): a close-on-exec descriptor or -errno. */
long umfs_copy_to_memory(const struct umfs_file *f, uint64_t size);

#define UMFS_RW_MAX 0x7ffff000ul /* as the kernel: no call moves more */

#endif
