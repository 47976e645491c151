/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mount.h - what the parts of the mount share.
 *
 *   main.c, options.c  the command
 *   loop.c             requests: read, given to workers, parked
 *   ops_*.c            one answer for each kind of request
 *   ops_pass.c         open files of preloaded processes, passed on to others
 *   position.c         and where the kernel's position of one is
 *   nodes.c            what the kernel remembers of our inodes
 *   locks.c            flock and record locks
 *   fault.c            SIGSEGV and SIGBUS
 *
 * M1  The kernel's node id is core's node, number and generation; 1 is the root. So
 *     a daemon needs no memory to know what is meant, and what has gone is ESTALE.
 * M2  Nothing is cached by the kernel: times of validity are 0 and files are opened
 *     with direct_io. So whatever preloaded processes do is seen by the next call.
 * M3  The kernel checks rights (default_permissions); here everything is allowed.
 * M4  All state that matters is in the pool. A daemon that is killed is a dead
 *     process like any other: its slot is recovered, and another may take its place.
 */
#ifndef UMFS_FUSE_MOUNT_H
#define UMFS_FUSE_MOUNT_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "pool.h"

enum { EXIT_MOUNT = 32 }; /* as mount(8) has it */

struct options {
	const char *pool;
	const char *dir;
	uint32_t mode; /* enum umfs_mode */
	enum umfs_atime atime;
	bool read_only, foreground, debug, fake, verbose, no_diratime, remount;
	char kernel[4096]; /* what libfuse and the kernel are given by -o */
};

extern struct pool fuse_pool;
extern bool fuse_no_diratime; /* reading a directory stores no time of access */
static inline struct umfs *fuse_fs(void)
{
	return &fuse_pool.fs;
}

/* ---- options.c ---- */

/* 0: go on; else the process ends with *code. */
int options_parse(struct options *o, int argc, char **argv, int *code);

/* ---- kernel.c ---- */

/* It is one of the kernel module's, by its node or, where no file has that name, its name. */
bool kernel_has(const char *pool);
/* The process's exit code. */
int kernel_mount(const struct options *o);

/* ---- loop.c ---- */

/* Serve until the session ends. `stop`: a descriptor that gets readable when it is to. */
void loop_run(struct fuse_session *se, int stop);
/* No request is being answered, nor will be: the pool can be left in order. Waits for a second. */
bool loop_close(void);

/* ---- nodes.c ---- */

static inline umfs_node node_of(fuse_ino_t id)
{
	return id == FUSE_ROOT_ID ? UMFS_ROOT_INO : (umfs_node)id;
}
/* The kernel was given it once more; it has forgotten n times. */
void nodes_given(umfs_node node);
void nodes_forgotten(umfs_node node, uint64_t n);
/*
 * Before a name of it is removed: what the kernel knows lives on until it
 * forgets, as an inode does that somebody has open. Afterwards nodes_settle()
 * lets go of what still has a name.
 */
void nodes_hold(umfs_node node);
void nodes_settle(umfs_node node);

/* ---- ops_name.c, ops_attr.c, ops_dir.c, ops_file.c: fill in their operations ---- */

void ops_name_add(struct fuse_lowlevel_ops *ops);
void ops_attr_add(struct fuse_lowlevel_ops *ops);
void ops_xattr_add(struct fuse_lowlevel_ops *ops);
void ops_dir_add(struct fuse_lowlevel_ops *ops);
void ops_file_add(struct fuse_lowlevel_ops *ops);
void ops_data_add(struct fuse_lowlevel_ops *ops);
void ops_lock_add(struct fuse_lowlevel_ops *ops);

static inline struct umfs_cred request_cred(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct umfs_cred){.uid = ctx->uid, .gid = ctx->gid, .override = true};
}
void attr_to_stat(const struct umfs_attr *a, struct stat *st);
/* All about a node, as the kernel is given it; 0 or -errno. Counts nothing. */
int entry_fill(umfs_node node, struct fuse_entry_param *e);
/* Number and generation of what a name means now. */
int entry_find(umfs_node dir, const char *name, umfs_node *node);
/* Answers a request that made or found `node`, or failed. */
void entry_reply(fuse_req_t req, int err, umfs_node node);

/* An open file or directory: fuse_file_info's fh. */
struct handle {
	struct umfs_file file;
	int flock_fd; /* shadow that the flock of this description is taken on, or -1 */
	bool has_locks; /* record locks were asked for through it */
	/* Of one that a preloaded process passed on (ops_pass.c): */
	uint64_t shared_key; /* 0: it is none */
	uint64_t expected;   /* where the kernel's position is, unless it was moved */
	uint32_t running;    /* requests that read or write */
	char name[POOL_PASS_BYTES];
	int seen_fd; /* the number that it had when it was looked for last, or -1 */
	struct umfs_file shared;
};
static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}
/* Open `node`, of a file or directory; 0 or -errno. */
int handle_open(umfs_node node, struct fuse_file_info *fi);
void handle_close(struct fuse_file_info *fi);
/* Answers a request that opened it, or failed. */
void handle_reply(fuse_req_t req, int err, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
/* FUSE_TMPFILE, which libfuse does not know: the bytes after its header. */
#define OPCODE_TMPFILE 51u
void tmpfile_answer(struct fuse_session *se, const void *message, size_t bytes);

/* ---- ops_pass.c ---- */

/* The node id of its directory: no inode has the number 0. */
#define PASS_DIR ((fuse_ino_t)1 << 32)
bool pass_is_dir(fuse_ino_t dir, const char *name);
void pass_stat(struct stat *st);
void pass_reply_dir(fuse_req_t req);
void pass_lookup(fuse_req_t req, const char *name);
/* 0: opened, and known to nobody yet. */
int pass_create(const char *name, struct fuse_file_info *fi, struct fuse_entry_param *e);
void pass_part(struct handle *h);
/* `pid` asks for it. */
int64_t handle_read(struct handle *h, void *buf, uint64_t n, uint64_t off, pid_t pid);
int64_t handle_write(struct handle *h, const void *buf, uint64_t n, uint64_t off, bool append,
		     pid_t pid);

/* ---- position.c ---- */

/*
 * The kernel's position of what thread `pid` opened by the name `name`, or -ENOENT: it can
 * not be found out. *fd is where to look first, and then where it was.
 */
int64_t position_find(pid_t pid, const char *name, int *fd);

/* ---- locks.c ---- */

void locks_start(void);
/* A descriptor of the file was closed by `owner`. */
void locks_flush(const struct umfs_file *f, uint64_t owner);
/* The handle goes, and what was locked through it. */
void locks_release(struct handle *h);

/* ---- fault.c ---- */

void fault_install(void);

#endif
