/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * world.h - a pool used by paths, for tests: small helpers over core's API that
 * work on the simulator and on real pools alike.
 *
 * All return 0 or a negative errno; need() ends the test on one.
 */
#ifndef UMFS_TESTS_WORLD_H
#define UMFS_TESTS_WORLD_H

#include <fcntl.h>

#include "umfs.h"

#define KIB 1024ull
#define MIB (1024ull * KIB)
#define GIB (1024ull * MIB)

extern const struct umfs_cred world_root; /* may do anything */

_Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format, ...);
/* End the test, naming the call, unless err >= 0; returns err. */
int64_t need_at(int64_t err, const char *call, const char *file, int line);
#define need(call) need_at((call), #call, __FILE__, __LINE__)

/* How often what answers ESTALE is tried; in a damaged pool that may be its last word. */
extern uint32_t world_tries;
/* Parent directory and last name of an absolute path. */
int world_parent(struct umfs *fs, const char *path, umfs_node *dir, const char **name,
		 uint32_t *len);
int world_node(struct umfs *fs, const char *path, umfs_node *node);
int world_ino(struct umfs *fs, const char *path, uint32_t *ino); /* follows no last link */
int world_stat(struct umfs *fs, const char *path, struct umfs_attr *attr);
int world_creat(struct umfs *fs, const char *path, uint32_t mode);
int world_mknod(struct umfs *fs, const char *path, uint32_t mode, uint64_t rdev);
int world_mkdir(struct umfs *fs, const char *path);
int world_symlink(struct umfs *fs, const char *target, const char *path);
int world_link(struct umfs *fs, const char *from, const char *to);
int world_unlink(struct umfs *fs, const char *path);
int world_rmdir(struct umfs *fs, const char *path);
int world_rename(struct umfs *fs, const char *from, const char *to);
int world_rename2(struct umfs *fs, const char *from, const char *to, uint32_t flags);
int world_truncate(struct umfs *fs, const char *path, uint64_t size);

/* For umfs_readdir(): arg is a uint32_t, one more for each name. */
int world_count_name(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		     uint64_t cookie);

/* An extended attribute of n bytes, version `v`. */
int world_setxattr(struct umfs *fs, const char *path, const char *name, uint64_t n, uint32_t v);
int world_removexattr(struct umfs *fs, const char *path, const char *name);

/* An open file; flags as open(2), O_CREAT among them. */
int world_open(struct umfs *fs, const char *path, uint32_t flags, struct umfs_file *file);
/* A file without a name, and giving it one. */
int world_tmpfile(struct umfs *fs, const char *dir, bool linkable, struct umfs_file *file);
int world_name(struct umfs_file *file, const char *path);
void world_close(struct umfs_file *file);

/* The bytes that version `v` of a file has at `off`: no two versions share a word. */
void world_fill(void *buf, uint64_t n, uint64_t off, uint32_t v);
/* Write those; -EIO when fewer went in, and world_written says how many. */
extern _Thread_local uint64_t world_written;
int world_write(struct umfs_file *file, uint64_t off, uint64_t n, uint32_t v);
int world_append(struct umfs_file *file, uint64_t n, uint32_t v);
/* Open (and create), write, fsync, close. */
int world_put(struct umfs *fs, const char *path, uint64_t off, uint64_t n, uint32_t v);

#endif
