/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * module.h - pools that the kernel module has: module.c.
 */
#ifndef UMFS_LIBUMFS_MODULE_H
#define UMFS_LIBUMFS_MODULE_H

#include <sys/statfs.h>

#include "path.h"
#include "umfs/ioctl.h"

/* Open the pool's node, which is kept; -errno. Under LOCK_ATTACH. */
int umfs_module_attach(struct mount *m);
/* Of one that was: its node is there, as it was or opened anew; -errno. */
int umfs_module_again(struct mount *m);
/* Is its number still the node? */
bool umfs_module_has_node(const struct mount *m);
/* The same; of one of umfs_kernel_mounts it is opened where it is not. Under LOCK_UINFO. */
bool umfs_module_reach(struct mount *m);
/* Which of umfs_kernel_mounts a device is; NULL: none. */
struct mount *umfs_kernel_mount(uint64_t dev);
/* The kernel opened `fd`, perhaps as a file of one of these. */
void umfs_module_opened(int fd, int flags);
/* This process made another by posix_spawn, which is gone from our memory: see D4. */
void umfs_module_spawned(void);
/* One line for people: why not. */
const char *umfs_module_strerror(int err);
/* Where dirfd (or AT_FDCWD) is a directory of such a pool: that. May attach. */
struct mount *umfs_module_at(int dirfd);

/* As umfs_walk(), from s->dir along s->rest; what comes out is in s->w. */
int umfs_module_walk(struct spot *s, uint32_t wflags);

/*
 * What was walked to, as the system calls of these names; all but stat, which needs
 * nothing more, and exec. Under the guard. SPOT_AGAIN: the path leads elsewhere by now.
 */
long umfs_module_open(const struct spot *s, int flags, mode_t mode);
long umfs_module_mkdir(const struct spot *s, mode_t mode);
long umfs_module_mknod(const struct spot *s, mode_t mode, dev_t rdev);
long umfs_module_unlink(const struct spot *s, int flags);
long umfs_module_rename(const struct spot *from, const struct spot *to, uint32_t flags);
long umfs_module_link(const struct spot *from, const struct spot *to, bool follow);
/* `from` is the kernel's, perhaps an open file of the pool: -EXDEV when it is not. */
long umfs_module_link_open(const struct spot *from, uint32_t from_flags, const struct spot *to);
long umfs_module_symlink(const struct spot *s, const char *target);
long umfs_module_readlink(const struct spot *s, char *buf, size_t size);
long umfs_module_truncate(const struct spot *s, off_t size);
long umfs_module_chmod(const struct spot *s, mode_t mode);
long umfs_module_chown(const struct spot *s, uid_t uid, gid_t gid);
long umfs_module_utimens(const struct spot *s, const struct timespec *times);
long umfs_module_access(const struct spot *s, int mode, int flags);
/* Extended attributes: `request` is one of UMFS_IOC_*XATTR, flags are those of setxattr(2). */
struct module_xattr {
	unsigned long request;
	const char *name; /* `name_len` bytes */
	size_t name_len;
	void *value;
	size_t size;
	int flags;
	bool follow;
};
long umfs_module_xattr(const struct spot *s, const struct module_xattr *x);
/*
 * A FIFO is opened in two steps, the second of which may wait for the other end and is to be
 * done outside of the guard: a descriptor by O_PATH, and what is opened by that, which is
 * closed.
 */
bool umfs_module_is_fifo(const struct spot *s, int flags);
long umfs_module_open_path(const struct spot *s);
long umfs_module_open_fifo(int path_fd, int flags);
long umfs_module_statfs(const struct spot *s, struct statfs *st);
long umfs_module_chdir(const struct spot *s);
/* To the pool's top directory. */
long umfs_module_chdir_top(struct mount *m);
/* The working directory, which lies in m; length with the terminating zero. */
long umfs_module_getcwd(const struct mount *m, char *buf, size_t size);

#endif
