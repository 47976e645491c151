/* SPDX-License-Identifier: BSD-3-Clause */
/* kmod_test.h - what the guest's test programs share: a pool's calls by path, and checks. */
#ifndef KMOD_TEST_H
#define KMOD_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "umfs/ioctl.h"

/* The pool's node, opened by the program. */
extern int pool;

static inline struct umfs_ioc_path in_dir(int dir, const char *text)
{
	return (struct umfs_ioc_path){.text = (uintptr_t)text, .bytes = (uint32_t)strlen(text),
				      .dir = dir};
}
static inline struct umfs_ioc_path path_of(const char *text)
{
	return in_dir(UMFS_IOC_ROOT, text);
}

/* All: -1 and errno, as the calls they are like. */
static inline int k_open(const char *path, int flags, unsigned mode)
{
	struct umfs_ioc_open a = {.path = path_of(path), .flags = (uint32_t)flags, .mode = mode};

	return ioctl(pool, UMFS_IOC_OPEN, &a) ? -1 : a.fd;
}
static inline int k_stat(const char *path, unsigned flags, struct umfs_ioc_attr *attr)
{
	struct umfs_ioc_stat a = {.path = path_of(path), .flags = flags};
	int ret = ioctl(pool, UMFS_IOC_STAT, &a);

	*attr = a.attr;
	return ret;
}
static inline int k_mkdir(const char *path, unsigned mode)
{
	struct umfs_ioc_mkdir a = {.path = path_of(path), .mode = mode};

	return ioctl(pool, UMFS_IOC_MKDIR, &a);
}
static inline int k_unlink(const char *path, unsigned flags)
{
	struct umfs_ioc_unlink a = {.path = path_of(path), .flags = flags};

	return ioctl(pool, UMFS_IOC_UNLINK, &a);
}
static inline int k_rename(const char *from, const char *to, unsigned flags)
{
	struct umfs_ioc_rename a = {.from = path_of(from), .to = path_of(to), .flags = flags};

	return ioctl(pool, UMFS_IOC_RENAME, &a);
}
static inline int k_link(const char *from, const char *to)
{
	struct umfs_ioc_link a = {.from = path_of(from), .to = path_of(to)};

	return ioctl(pool, UMFS_IOC_LINK, &a);
}
static inline int k_symlink(const char *target, const char *path)
{
	struct umfs_ioc_symlink a = {.target = path_of(target), .path = path_of(path)};

	return ioctl(pool, UMFS_IOC_SYMLINK, &a);
}
static inline int k_readlink(const char *path, char *buf, unsigned n)
{
	struct umfs_ioc_readlink a = {.path = path_of(path), .buf = (uintptr_t)buf, .bytes = n};

	return ioctl(pool, UMFS_IOC_READLINK, &a) ? -1 : (int)a.done;
}

/* A check that does not hold is said and counted; the case goes on. */
extern int checks, failures;
#define CHECK(cond)                                                                       \
	do {                                                                              \
		checks++;                                                                 \
		if (!(cond)) {                                                            \
			failures++;                                                       \
			printf("FAILED %s:%d: %s (%s)\n", __FILE__, __LINE__, #cond,      \
			       strerror(errno));                                          \
		}                                                                         \
	} while (0)
/* The call fails with this errno. */
#define FAILS(err, call)                                                                  \
	do {                                                                              \
		errno = 0;                                                                \
		CHECK((call) == -1 && errno == (err));                                    \
	} while (0)

/* A program's whole work: its one argument is the pool's node. What main() returns. */
static inline int run_cases(int argc, char **argv, void (*const cases[])(void), size_t count)
{
	size_t i;

	if (argc != 2)
		return 2;
	pool = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (pool < 0) {
		perror(argv[1]);
		return 1;
	}
	for (i = 0; i < count; i++)
		cases[i]();
	printf("%zu cases, %d checks, %d failed\n", count, checks, failures);
	return failures ? 1 : 0;
}

/* Does touching the byte end in this signal? In a child, so that we live on. */
static inline int touch(volatile char *at, bool store)
{
	pid_t child = fork();
	int status = 0;

	if (!child) {
		if (store)
			*at = 1;
		else
			(void)*at;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* In a child with these rights and no group but its own; its failures count. */
#define AS(id, ...)                                                                       \
	do {                                                                              \
		pid_t child;                                                              \
		int status = 0;                                                           \
                                                                                          \
		fflush(stdout);                                                           \
		child = fork();                                                           \
		if (!child) {                                                             \
			failures = 0;                                                     \
			if (setgroups(0, NULL) || setresgid(id, id, id) ||                \
			    setresuid(id, id, id))                                        \
				_exit(99);                                                \
			__VA_ARGS__;                                                      \
			fflush(stdout);                                                   \
			_exit(failures ? 1 : 0);                                          \
		}                                                                         \
		waitpid(child, &status, 0);                                               \
		CHECK(status == 0);                                                       \
	} while (0)

#endif
