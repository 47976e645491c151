/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * posix.h - the POSIX checker: what its parts share.
 *
 * A sequence is some dozen calls that follow from a seed alone, never from what a call
 * answered, so that it is the same everywhere. `posix run` does sequences in a
 * directory and writes down what each call answered and what can be seen afterwards;
 * `posix compare` has that done on tmpfs and under libumfs and compares the two line by
 * line.
 *
 *  main.c      both commands          compare.c  two runs, differences, the least sequence
 *  run.c       sequences, processes   state.c    what can be seen after a call
 *  arg.c       random arguments       ops_*.c    the calls, by theme
 *  guard.c     nothing outside          excuse.c   what differs on purpose
 *
 *  P1  What a step does depends on seed and step number only (and on the descriptors
 *      that the steps before it got), so that steps can be left out.
 *  P2  Nothing that may differ between two right file systems is written down: inode
 *      and device numbers, sizes of directories, the order of names, times of the clock.
 *  P3  Nothing outside is ever touched, whoever runs it. Paths are relative, or begin with
 *      the sequence's directory, which lies GUARD_DEPTH levels below the first that is
 *      ours: more than a path can climb. Before each step the working directory and all
 *      descriptors of directories are seen to be at or below it (guard.c).
 */
#ifndef UMFS_TESTS_POSIX_H
#define UMFS_TESTS_POSIX_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define STEPS_MAX 64
#define SLOTS 6
#define FAR_FD 700 /* no descriptor of a sequence comes near; its own ones lie above */

/* A sanitizer looks at what it is given before the call is made. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum theme { OPEN, DATA, NAME, ATTR, FDS, DIRS, SPACE, XATTR, LOCK, MAP, STDIO, WALK, THEMES };

struct op {
	const char *name;
	enum theme theme;
	unsigned weight;
	void (*run)(void);
};
/* Each ends with a name of NULL. */
extern const struct op open_ops[], data_ops[], name_ops[], attr_ops[], fd_ops[], dir_ops[],
	space_ops[], xattr_ops[], lock_ops[], map_ops[], stdio_ops[], walk_ops[];

/* The sequence that this process takes part in. */
struct run {
	char base[1024];	 /* absolute: the directory that is the sequence's own */
	size_t base_len;
	char root[512];	 /* absolute: the mount or tmpfs directory above it */
	uint64_t seed;
	uint64_t rng;
	bool timed;  /* the clock moves on before each step, so that each change shows */
	bool mapped; /* something was mapped: it may keep its pages */
	unsigned allocated; /* successful calls of fallocate */
	bool acl;    /* there is an access control list: chmod is left out, see excuse.c */
	bool locked; /* there are POSIX locks: nothing is forked, see excuse.c */
	bool turns;  /* others may have open what we do not */
	bool plain;  /* runs without a privilege */
	int log;
	int slot[SLOTS]; /* -1: none */
	DIR *dir;
	FILE *stream;
	uint8_t *page; /* a page that may be used, before one that may not */
};
extern struct run run;

/* ---- run.c ---- */

int run_main(int argc, char **argv);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void say_flush(void);
/* " = 3", or " = -1 ENOENT"; call it right after the call. */
void answer(long ret);
/* The same where only success counts. */
void answer_ok(bool ok);
/* A hash of bytes, and whether they are all zero. */
void say_bytes(const void *p, size_t n);

/* ---- arg.c ---- */

uint64_t rnd(void);
unsigned pick(unsigned n); /* 0 .. n-1 */
bool chance(unsigned percent);
#define ONE_OF(a) ((a)[pick(COUNT(a))])
/* Any kind of path, good ones mostly. */
const char *arg_path(void);
/* A path without tricks. */
const char *arg_plain_path(void);
const char *arg_name(void);
/* The same, where it does not name what an open could wait for: a FIFO, a device. */
const char *arg_open_path(int dirfd);
/* What a symbolic link may hold. */
const char *arg_target(void);
const char *show(const char *path);
/* CWD mostly. */
int arg_dirfd(void);
/* Open ones mostly; *slot is which, or -1. */
int arg_fd(void);
int slot_of(int fd);
/* Keep a new descriptor, in place of one that is closed. -1: nothing happens. */
void keep_fd(int fd);
off_t arg_off(void);
size_t arg_len(void);
mode_t arg_mode(void);
/* Names of the set bits, the rest as a number. */
struct flag {
	long bit;
	const char *name;
};
const char *show_flags(const struct flag *names, unsigned count, long v);
extern const struct flag open_flags[];
extern const unsigned open_flags_count;
#define SHOW_FLAGS(names, v) show_flags(names, COUNT(names), v)
void fill(void *p, size_t n);
void *bad_pointer(void);

/* ---- guard.c: P3 ---- */

/* Links that Linux follows in one path, and some for the path itself. */
#define GUARD_DEPTH 64
/* Make the directories from `dir` down to run.base, but that one. */
void guard_make(const char *dir);
/* Leave, and close, what is outside. False: that can not be had; the sequence ends. */
bool guard_inside(void);

/* ---- state.c ---- */

void state_reset(void);
/* What changed since it was asked last. */
void state_say(void);
/* All there is, with what files hold. */
void state_say_whole(void);
const char *state_type(mode_t mode);
void state_clear(const char *dir);
/* Of a time: as it was set, or that it is of now. */
const char *show_time(const struct timespec *t);
/* Until the clock of file systems has moved. */
void state_tick(void);

/* ---- compare.c, excuse.c ---- */

int compare_main(int argc, char **argv);
int excuse_main(int argc, char **argv);
unsigned excuse_count(void);
bool excuse_holds(unsigned i, const char *tmpfs, const char *umfs);

#endif
