/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shim_test.h - what the shim's test programs share.
 *
 * A program knows nothing of UMFS: it works in the directory TEST_DIR and is
 * run twice, on tmpfs and under libumfs, with the same assertions. SHIM_UMFS
 * in the environment says which, for the few things that are refused on UMFS.
 */
#ifndef UMFS_SHIM_TEST_H
#define UMFS_SHIM_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static inline const char *test_dir(void)
{
	const char *dir = getenv("TEST_DIR");

	if (!dir) {
		fprintf(stderr, "TEST_DIR is not set; run this through tests/shim/run\n");
		exit(2);
	}
	return dir;
}

static inline bool on_umfs(void)
{
	return getenv("SHIM_UMFS") != NULL;
}

/* Through the mount, without libumfs: tests/fuse. */
static inline bool on_mount(void)
{
	return getenv("SHIM_MOUNT") && !on_umfs();
}

/* The case can not be tried here, and why: scripts/check shows it as a result of its own. */
#define SKIP(why)                                                                         \
	do {                                                                              \
		printf("skipped: %s\n", why);                                             \
		fflush(stdout); /* what cmocka says comes right behind */                 \
		skip();                                                                   \
	} while (0)

/* TEST_DIR/name; of the last eight results each has its own memory. */
static inline const char *at(const char *name)
{
	static char buf[8][PATH_MAX];
	static unsigned n;
	char *p = buf[n++ % 8];

	snprintf(p, PATH_MAX, "%s/%s", test_dir(), name);
	return p;
}

/* Fails with that errno. */
#define assert_errno(call, err)                                                           \
	do {                                                                              \
		errno = 0;                                                                \
		long ret_ = (long)(call);                                                 \
		int errno_ = errno;                                                       \
		if (ret_ != -1 || errno_ != (err))                                        \
			fail_msg("%s: returned %ld, errno %d (%s); expected %s", #call,   \
				 ret_, errno_, strerror(errno_), #err);                   \
	} while (0)

#define assert_ok(call)                                                                   \
	do {                                                                              \
		errno = 0;                                                                \
		if ((long)(call) == -1)                                                   \
			fail_msg("%s: %s", #call, strerror(errno));                       \
	} while (0)

static inline int make_file(const char *name, const char *text)
{
	int fd = open(at(name), O_RDWR | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static inline void put_file(const char *name, const char *text)
{
	assert_ok(close(make_file(name, text)));
}

static inline void check_text(int fd, const char *text)
{
	char buf[4096];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static inline void check_file(const char *name, const char *text)
{
	int fd = open(at(name), O_RDONLY);

	assert_true(fd >= 0);
	check_text(fd, text);
	assert_ok(close(fd));
}

/* Run `child` in a child; its result is its exit status (a signal: 128 + signal). */
static inline int in_child(int (*child)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(child(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A library or a program, to where it is to be tried. */
static inline void copy_file(const char *from, const char *to)
{
	static char buf[4 << 20];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t n = read(in, buf, sizeof(buf));

	assert_true(n > 0 && n < (ssize_t)sizeof(buf));
	assert_int_equal(write(out, buf, (size_t)n), n);
	assert_ok(close(in));
	assert_ok(close(out));
}

/*
 * Until the task sleeps, seen three times in a row: it waits for what it was about to
 * wait for, however long the machine took to let it.
 */
static inline void await_asleep(pid_t pid, pid_t task)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, task);
	for (int seen = 0; seen < 3; usleep(5000)) {
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);
		const char *name_end;

		assert_true(n > 0);
		assert_ok(close(fd));
		text[n] = '\0';
		name_end = strrchr(text, ')');
		assert_non_null(name_end);
		seen = name_end[2] == 'S' ? seen + 1 : 0;
	}
}

/* In a child there is no cmocka: the line number is the exit status's stand-in. */
#define CHILD_CHECK(x)                                                                    \
	do {                                                                              \
		if (!(x)) {                                                               \
			fprintf(stderr, "child: line %d: %s (errno %s)\n", __LINE__, #x,  \
				strerror(errno));                                         \
			return 1;                                                         \
		}                                                                         \
	} while (0)

#endif
