/* SPDX-License-Identifier: BSD-3-Clause */
/* tools.h - what the commands of `umfs` share. */
#ifndef UMFS_TOOLS_H
#define UMFS_TOOLS_H

#include <getopt.h>

#include "pool.h"

/* A command: gets its own name as argv[0], returns an exit code. */
int run_main(int argc, char **argv);
int info_main(int argc, char **argv);
int dump_main(int argc, char **argv);
int attach_main(int argc, char **argv);
int detach_main(int argc, char **argv);
int list_main(int argc, char **argv);
int grow_main(int argc, char **argv);
int freeze_main(int argc, char **argv);
int thaw_main(int argc, char **argv);
int scrub_main(int argc, char **argv);

/* One line on stderr, "umfs: ...". */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and exit code 1. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* For commands without options of their own. */
extern const struct option common_options[];
/* What getopt_long found and is no option of its own to the command: the exit code. */
int common_option(int c, const char *command, const char *help);

/* Open the pool for looking at it only; ends the program with one line when that fails. */
void look_open(struct pool *p, const char *path);

/* ---- make_pool.c ---- */

/*
 * A sparse pool file for the half of what the file system of `path` has free,
 * readable by its owner alone. 0 also when somebody else made it meanwhile.
 */
int make_pool(const char *path, uint64_t *bytes);

/* ---- names.c ---- */

const char *durability_name(uint32_t durability);
const char *mode_name(uint32_t mode);
/* The other way; false: there is none of that name. */
bool mode_number(const char *name, uint32_t *mode);
/* The label as text: what is not printable UTF-8 becomes '?'. */
void label_text(const struct umfs_super_pm *sb, char text[33]);
/* "12.5 MiB" in one of a few static buffers. */
const char *size_text(uint64_t bytes);
/* "2026-01-31 12:00:00.000000000 UTC", likewise. */
const char *time_text(int64_t ns);

/* ---- dump_inode.c ---- */

void dump_inode(struct umfs *fs, uint32_t ino);

#endif
