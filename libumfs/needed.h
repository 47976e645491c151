/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * needed.h - what a library in a pool needs that the linker would not find (needed.c).
 */
#ifndef UMFS_NEEDED_H
#define UMFS_NEEDED_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* libc's dlopen. */
typedef void *(*load_fn)(const char *path, int flags);

/* load.c: the name of a copy of a library in a pool; NULL: it is none. */
const char *umfs_load_copy(const char *path);

/*
 * Loads what the library needs that lies in a pool, or that it names by its own place.
 * copy: the name by which the linker is given it. No lock held.
 */
void umfs_needed_load(const char *path, const char *copy, load_fn load);
/* Is there, in the first directory of LD_LIBRARY_PATH that has the name, one in a pool? */
bool umfs_needed_find(const char *name, char path[PATH_MAX]);

/* load.c: does it name a file, in a pool or elsewhere? One in a pool by a descriptor of a copy. */
bool umfs_load_is_file(const char *path);
long umfs_load_open(const char *path);

/* What goes with a program that is about to be run. */
struct passing {
	char **envp; /* NULL: nothing goes with it */
	struct needs *needs;
	size_t bytes;
	long pid; /* whose descriptors they are: a child may have our memory */
};

/* The program `path` of a pool, by the descriptor of its copy; envp has LD_PRELOAD. */
void umfs_needed_pass(struct passing *p, const char *path, int fd, char *const envp[]);
/* It was not run, or in another process. */
void umfs_needed_drop(struct passing *p);
/* What went with this one is in its place: out of the environment. */
void umfs_needed_init(char **envp);

#endif
