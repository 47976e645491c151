// SPDX-License-Identifier: BSD-3-Clause
/* ops_file.c - open files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount.h"

#define KEPT_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_DIRECT | O_NOATIME)

/* Of the description `ofd`, which it takes. */
static int handle_fill(struct handle *h, uint32_t ofd, struct fuse_file_info *fi)
{
	int err;

	*h = (struct handle){.flock_fd = -1};
	err = umfs_file_init(fuse_fs(), ofd, &h->file);
	if (err) {
		umfs_ofd_put(fuse_fs(), ofd);
		return err;
	}
	fi->fh = (uintptr_t)h;
	fi->direct_io = 1;
	fi->keep_cache = 0;
	return 0;
}

/* What a request opens or makes with a description of its own, in one call of core's. */
typedef int (*open_fn)(const void *what, uint32_t flags, uint32_t *ofd);

/* What core may leave behind is asked for last: without memory nothing was made. */
static int handle_make(open_fn open, const void *what, struct fuse_file_info *fi)
{
	struct handle *h = malloc(sizeof(*h));
	uint32_t ofd;
	int err;

	if (!h)
		return -ENOMEM;
	err = open(what, (uint32_t)(fi->flags & KEPT_FLAGS), &ofd);
	if (!err)
		err = handle_fill(h, ofd, fi);
	if (err)
		free(h);
	return err;
}

static int open_node(const void *what, uint32_t flags, uint32_t *ofd)
{
	return umfs_open(fuse_fs(), *(const umfs_node *)what, flags, ofd);
}

int handle_open(umfs_node node, struct fuse_file_info *fi)
{
	return handle_make(open_node, &node, fi);
}

void handle_close(struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);

	locks_release(h);
	pass_part(h);
	umfs_ofd_put(fuse_fs(), h->file.ofd);
	free(h);
}

void handle_reply(fuse_req_t req, int err, struct fuse_file_info *fi)
{
	if (err)
		fuse_reply_err(req, -err);
	else if (fuse_reply_open(req, fi)) /* who asked was interrupted */
		handle_close(fi);
}

void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	handle_close(fi);
	fuse_reply_err(req, 0);
}

static void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	umfs_node node = node_of(id);
	int err = handle_open(node, fi);

	if (!err && (fi->flags & O_TRUNC)) {
		err = umfs_truncate(fuse_fs(), node, 0);
		if (err)
			handle_close(fi);
	}
	handle_reply(req, err, fi);
}

/* ---- making files ---- */

struct making {
	struct umfs_cred cred;
	umfs_node dir;
	const char *name; /* NULL: it gets none */
	uint32_t mode;
	bool linkable; /* of one without a name */
};

static int make_node(const void *what, uint32_t flags, uint32_t *ofd)
{
	const struct making *m = what;

	if (!m->name)
		return umfs_tmpfile(fuse_fs(), &m->cred, m->dir, m->mode, m->linkable, flags, ofd);
	return umfs_create_open(fuse_fs(), &m->cred, m->dir, m->name, (uint32_t)strlen(m->name),
				m->mode, flags, ofd);
}

static int make_open(const struct making *m, struct fuse_file_info *fi, struct fuse_entry_param *e)
{
	int err = handle_make(make_node, m, fi);

	if (err)
		return err;
	err = entry_fill(umfs_file_node(&handle_of(fi)->file), e);
	if (err)
		handle_close(fi);
	return err;
}

/*
 * ESTALE for a name that somebody made since the kernel looked: it looks again,
 * and then checks the rights to what is there.
 */
static void op_create(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct making m = {.cred = request_cred(req), .dir = node_of(dir), .name = name,
			   .mode = mode & 07777};
	struct fuse_entry_param e;
	int err = dir == PASS_DIR ? pass_create(name, fi, &e) : make_open(&m, fi, &e);

	if (err) {
		fuse_reply_err(req, err == -EEXIST && !(fi->flags & O_EXCL) ? ESTALE : -err);
		return;
	}
	nodes_given(e.ino);
	if (fuse_reply_create(req, &e, fi)) {
		nodes_forgotten(e.ino, 1);
		handle_close(fi);
	}
}

/* A descriptor of it was closed, maybe not the last one. */
static void op_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	locks_flush(&handle_of(fi)->file, fi->lock_owner);
	fuse_reply_err(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t id, int datasync, struct fuse_file_info *fi)
{
	(void)id;
	(void)datasync;
	fuse_reply_err(req, -umfs_fsync(&handle_of(fi)->file));
}

void ops_file_add(struct fuse_lowlevel_ops *ops)
{
	ops->open = op_open;
	ops->create = op_create;
	ops->flush = op_flush;
	ops->release = op_release;
	ops->fsync = op_fsync;
}

/* ---- O_TMPFILE: read and answered by hand ---- */

struct tmpfile_out {
	struct fuse_out_header head;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
};

static void fill_attr(struct fuse_attr *to, const struct stat *st)
{
	*to = (struct fuse_attr){
		.ino = st->st_ino,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.blksize = (uint32_t)st->st_blksize,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
	};
}

static int make_tmpfile(const struct fuse_in_header *head, const struct fuse_create_in *in,
			struct fuse_file_info *fi, struct fuse_entry_param *e)
{
	struct making m = {.cred = {.uid = head->uid, .gid = head->gid, .override = true},
			   .dir = node_of(head->nodeid),
			   .mode = in->mode & 07777,
			   .linkable = !(in->flags & O_EXCL)};

	fi->flags = (int)in->flags;
	return make_open(&m, fi, e);
}

static void send_tmpfile(struct fuse_session *se, struct tmpfile_out *out, int err,
			 struct fuse_file_info *fi)
{
	if (err) {
		out->head.error = err;
		out->head.len = sizeof(out->head);
		(void)!write(fuse_session_fd(se), out, sizeof(out->head));
		return;
	}
	nodes_given(out->entry.nodeid);
	out->head.len = sizeof(*out);
	if (write(fuse_session_fd(se), out, sizeof(*out)) != sizeof(*out)) {
		nodes_forgotten(out->entry.nodeid, 1);
		handle_close(fi);
	}
}

void tmpfile_answer(struct fuse_session *se, const void *message, size_t bytes)
{
	const struct fuse_in_header *head = message;
	const struct fuse_create_in *in = (const void *)(head + 1);
	struct tmpfile_out out = {.head = {.unique = head->unique}};
	struct fuse_entry_param e = {0};
	struct fuse_file_info fi = {0};
	int err = bytes < sizeof(*head) + sizeof(*in) ? -EIO : make_tmpfile(head, in, &fi, &e);

	if (!err) {
		out.entry.nodeid = e.ino;
		out.entry.generation = e.generation;
		fill_attr(&out.entry.attr, &e.attr);
		out.open.fh = fi.fh;
		out.open.open_flags = FOPEN_DIRECT_IO;
	}
	send_tmpfile(se, &out, err, &fi);
}
