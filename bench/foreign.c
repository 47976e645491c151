/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * foreign.c - what a call on a descriptor of the kernel's costs by libumfs, beside libc's own.
 *
 * A few ns of some hundred, so two processes will not do: both are called in this one, in
 * turns of some dozen microseconds, which way round changes from pair to pair, and what counts is the
 * difference within a pair. libc's own is that of a second copy of libc (dlmopen), which
 * libumfs has not touched. Without libumfs the same gives the measurement's own error.
 */
#include "micro.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CALLS 200 /* in a turn, and numbers that one of `close` closes */

typedef long (*any_fn)(long, long, long);

struct call {
	const char *name;
	long second, third; /* after the descriptor */
	const char *file; /* NULL: a pipe's writing end */
	bool closes;
};

static struct stat st;
static const struct call calls[] = {
	{"lseek", 0, SEEK_CUR, "/dev/null", false},
	{"read", (long)&st, sizeof(st), "/dev/null", false},
	{"write", (long)&st, 1, "/dev/null", false},
	{"fstat", (long)&st, 0, NULL, false},
	{"close", 0, 0, "/dev/null", true},
};

static void *other_libc(void)
{
	static void *libc;
	char *single;

	if (libc)
		return libc;
	libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW | RTLD_LOCAL);
	/* A second copy can not know that there is one thread, and would do more for it. */
	single = libc ? dlsym(libc, "__libc_single_threaded") : NULL;
	if (single)
		*single = 1;
	return libc;
}

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int fds[CALLS];

static int open_all(const struct call *c, int fd)
{
	for (int i = 0; i < CALLS; i++) {
		fds[i] = c->closes ? dup(fd) : fd;
		if (fds[i] < 0)
			return errno;
	}
	return 0;
}

/* One loop for both, so that only what is called differs. */
static __attribute__((noinline)) uint64_t turn(const struct call *c, any_fn fn, long *bad)
{
	uint64_t start = clock_ns();
	long worst = 0;

	for (int i = 0; i < CALLS; i++)
		worst |= (int)fn(fds[i], c->second, c->third);
	*bad |= worst < 0;
	return clock_ns() - start;
}

static int open_for(const struct call *c)
{
	int ends[2];

	if (c->file)
		return open(c->file, O_RDWR | O_CLOEXEC);
	return pipe2(ends, O_CLOEXEC) ? -1 : ends[1];
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int measure(const struct call *c, any_fn fn[2], uint64_t pairs, int64_t *added, int64_t *plain)
{
	int fd = open_for(c), err = fd < 0 ? errno : 0;
	long bad = 0;

	for (uint64_t i = 0; i < pairs && !err; i++) {
		uint64_t took[2];

		for (int k = 0; k < 2 && !err; k++) {
			int which = (int)(i & 1) ^ k;

			err = open_all(c, fd);
			if (!err)
				took[which] = turn(c, fn[which], &bad);
		}
		if (err)
			break;
		plain[i] = (int64_t)took[0] * 1000 / CALLS;
		added[i] = ((int64_t)took[1] - (int64_t)took[0]) * 1000 / CALLS;
	}
	if (fd >= 0)
		close(fd);
	return err ? err : bad ? EIO : 0;
}

int foreign_run(const char *name, uint64_t pairs, struct foreign *took)
{
	const struct call *c = calls;
	any_fn fn[2];
	int64_t *added = calloc(2 * pairs, sizeof(*added)), *plain = added + pairs;
	int err;

	while (c < calls + sizeof(calls) / sizeof(calls[0]) && strcmp(c->name, name) != 0)
		c++;
	if (c == calls + sizeof(calls) / sizeof(calls[0]) || !pairs || !added || !other_libc()) {
		free(added);
		return EINVAL;
	}
	fn[0] = (any_fn)(uintptr_t)dlsym(other_libc(), name);
	fn[1] = (any_fn)(uintptr_t)dlsym(RTLD_DEFAULT, name);
	err = !fn[0] || !fn[1] ? ENOSYS : measure(c, fn, pairs, added, plain);
	qsort(added, pairs, sizeof(*added), by_value);
	qsort(plain, pairs, sizeof(*plain), by_value);
	took->plain_ps = plain[pairs / 2];
	took->added_ps = added[pairs / 2];
	took->low_ps = added[pairs / 4];
	took->high_ps = added[pairs * 3 / 4];
	free(added);
	return err;
}
