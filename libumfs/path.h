/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * path.h - whose path is it, and what does it name.
 */
#ifndef UMFS_LIBUMFS_PATH_H
#define UMFS_LIBUMFS_PATH_H

#include "internal.h"

#define SPOT_NOFOLLOW 1u /* a symbolic link in the last place is meant itself */
#define SPOT_PARENT 2u	 /* the last component need not exist */
#define SPOT_EMPTY 4u	 /* an empty path means the directory descriptor itself (AT_EMPTY_PATH) */
#define SPOT_MODULE 8u	 /* `ours` is also for pools that the kernel module has; else: refused */
#define SPOT_NAME 16u   /* with both: what the name means is for core to look up (UMFS_WALK_NAME) */
#define SPOT_PLAIN 32u	 /* umfs_spot_outer: the kernel met no link on the way to what is missing */

#define OUTER_BYTES (2u * 4096u)

#define SPOT_TEXT 192u /* bytes: most paths are shorter */

/*
 * Working memory of one resolution; too large for small thread stacks. There are a few, which
 * all threads take from one word: so it is taken by those only that need it.
 */
struct scratch {
	char path[4096 + 8]; /* the caller's path, where it is long, or where it led to outside */
	char room[UMFS_WALK_ROOM];
	char outer[2][OUTER_BYTES];
};

struct spot {
	struct mount *m; /* NULL: the kernel's, who is to be called with dirfd and path */
	int dirfd;
	const char *path;
	bool rewritten; /* path lies in the scratch memory */
	int unread; /* why the caller's path could not be read; the kernel says it too */
	struct umfs_walk w; /* in a pool of the kernel module's without `parent` and `name` */
	int dir; /* there: the path's start, a descriptor, AT_FDCWD or UMFS_IOC_ROOT */
	const char *rest; /* and the path from it */
	struct scratch *scratch; /* or NULL: umfs_spot_scratch() */
	const char *given; /* the caller's path, in `text`; a long one in scratch->path, while inside */
	char text[SPOT_TEXT];
};

/*
 * Find what (dirfd, path) names; between umfs_guard_enter() and leave(). 0 or
 * -errno; then umfs_spot_end() in any case.
 */
int umfs_spot_find(struct spot *s, int dirfd, const char *path, uint32_t flags);
/*
 * The kernel answered `err`: true when the path does lead into a mount by
 * symbolic links or "..", and *ret is then what umfs_spot_find() would have
 * said.
 */
bool umfs_spot_outer(struct spot *s, int dirfd, const char *path, uint32_t flags, int *ret);
void umfs_spot_end(struct spot *s);
/* A name in /proc of a number of this process's. */
bool umfs_path_own_number(const char *path, int *fd);
/* The working memory, where there is none yet (s->scratch is NULL); then umfs_spot_end(). */
struct scratch *umfs_spot_scratch(struct spot *s);
/* May the kernel's answer be different because it does not know our directories? */
bool umfs_spot_doubtful(long ret);

/* Copy the caller's text (at most 4096 bytes with its end): length, -EFAULT or -ENAMETOOLONG. */
long umfs_path_fetch(char *to, const char *from);
/* The same without the copy. */
long umfs_path_length(const char *from);
/* The same of any string in the caller's memory, of less than `max` bytes. */
long umfs_string_fetch(char *to, const char *from, size_t max);
/*
 * Follow dirfd and path outside, component by component. 1 when that enters a
 * mount: *rest is what remains; 0 when it does not; -ELOOP. `links` counts
 * symbolic links. `flags`: SPOT_NOFOLLOW, SPOT_PLAIN.
 */
int umfs_outer_enter(struct scratch *sc, int dirfd, const char *path, uint32_t flags,
		     uint32_t *links, struct mount **m, const char **rest);

/*
 * openat of a path of the kernel's, which is a cancellation point. *plain: there is nothing, and no
 * symbolic link was on the way, so that umfs_outer_enter() need not ask.
 */
long umfs_outer_open(int dirfd, const char *path, long flags, long mode, bool *plain);

/* point.c: where the mount's directory and its parent are; once. */
void umfs_point_init(struct mount *m);
/* Does (dirfd, path) pass a mount's name in its parent directory? `path` is changed meanwhile. */
struct mount *umfs_point_find(int dirfd, char *path, const char **rest);
/*
 * The kernel found that file: `ret`, or, when it is the directory beneath a
 * mount, what makes umfs_path_call() take the mount's top directory instead.
 */
#define SPOT_LANDED (-3000l)
long umfs_point_landed(uint64_t dev, uint64_t ino, long ret);
struct mount *umfs_point_mount(long ret);
/* The mount that descriptor of the kernel's lies beneath, where one has anything beneath it. */
struct mount *umfs_point_beneath(int dirfd);

/* Arguments of a call, for the two functions below. */
struct path_args {
	long a, b, c, d;
	void *p, *q;
	bool plain; /* set by kernel_fn: SPOT_PLAIN */
};
typedef long (*spot_fn)(struct spot *s, struct path_args *a);
typedef long (*kernel_fn)(int dirfd, const char *path, struct path_args *a);
/*
 * One call on one path: `ours` under the guard when it is in a mount, else
 * `kernel` outside of it. `ours` returns SPOT_AGAIN, or core's -ESTALE, when
 * what was found changed under it.
 */
#define SPOT_AGAIN (-ERESTART)
long umfs_path_call(int dirfd, const char *path, uint32_t flags, spot_fn ours, kernel_fn kernel,
		    struct path_args *a);

/* The same for two paths (rename, link); one ours and one not: -EXDEV. */
struct path_pair {
	int from_dirfd, to_dirfd;
	const char *from, *to;
	uint32_t from_flags, to_flags;
};
typedef long (*pair_fn)(struct spot *from, struct spot *to, struct path_args *a);
typedef long (*kernel_pair_fn)(const struct path_pair *p, struct path_args *a);
long umfs_path_pair(const struct path_pair *p, pair_fn ours, kernel_pair_fn kernel,
		    struct path_args *a);

/* The report calls a call what its hook is called. */
#define umfs_path_call(dirfd, path, flags, ours, kernel, a)                               \
	({                                                                                \
		umfs_report_begin();                                                      \
		(umfs_path_call)(dirfd, path, flags, ours, kernel, a);                    \
	})
#define umfs_path_pair(p, ours, kernel, a)                                                \
	({                                                                                \
		umfs_report_begin();                                                      \
		(umfs_path_pair)(p, ours, kernel, a);                                     \
	})

/* cwd.c: find out whether the image that exec'ed us was in a mount. */
void umfs_cwd_adopt(void);
void umfs_cwd_forget(void);
/* In a child of fork, all locks held: a directory of a pool that is not attached here is found later. */
void umfs_cwd_forked(void);
void umfs_cwd_settle(void); /* such a directory is entered */
/*
 * Before exec of an image that libumfs is not in: the kernel's working directory is ours by
 * the mount, where there is one (true). Where exec failed: umfs_cwd_hide().
 */
bool umfs_cwd_show(void);
/* Whether it could: it is ours, and of a pool that is mounted. */
bool umfs_cwd_shows(void);
void umfs_cwd_hide(void);

#endif
