// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_dir.c - reading directories.
 *
 * A position is 0 before ".", 1 before "..", 2 before the first name, and from
 * then on core's cookie of the last name given, as libumfs has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mount.h"

#define POS_FIRST 2

struct filler {
	fuse_req_t req;
	umfs_node dir;
	bool plus;
	char *buf;
	size_t size, used;
};

/* With `e`, all about it; else only number and type. 1: there was no room. */
static int put(struct filler *f, const char *name, const struct stat *st,
	       const struct fuse_entry_param *e, uint64_t next)
{
	char *to = f->buf + f->used;
	size_t room = f->size - f->used, n;

	if (f->plus)
		n = fuse_add_direntry_plus(f->req, to, room, name, e, (off_t)next);
	else
		n = fuse_add_direntry(f->req, to, room, name, st, (off_t)next);
	if (n > room)
		return 1;
	f->used += n;
	return 0;
}

/* "." and "..", of which nothing is counted and no node is said. */
static int put_dot(struct filler *f, const char *name, umfs_node node, uint64_t next)
{
	struct fuse_entry_param e = {.attr = {.st_ino = (uint32_t)node, .st_mode = S_IFDIR}};

	return put(f, name, &e.attr, &e, next);
}

/* One that went away meanwhile, or can not be read, is named only. */
static int put_plus(struct filler *f, const char *name, struct stat *st, uint64_t next)
{
	struct fuse_entry_param e = {0};
	umfs_node node;
	int full;

	if (entry_find(f->dir, name, &node) || entry_fill(node, &e))
		e = (struct fuse_entry_param){.attr = *st};
	if (e.ino)
		nodes_given(e.ino);
	full = put(f, name, NULL, &e, next);
	if (full && e.ino)
		nodes_forgotten(e.ino, 1);
	return full;
}

static int emit(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		uint64_t cookie)
{
	struct filler *f = arg;
	struct stat st = {.st_ino = ino, .st_mode = type << 12};
	char text[UMFS_NAME_MAX + 1];

	memcpy(text, name, len);
	text[len] = '\0';
	return f->plus ? put_plus(f, text, &st, cookie) : put(f, text, &st, NULL, cookie);
}

/* The root's parent is not ours. */
static umfs_node parent_of(umfs_node dir)
{
	umfs_node parent;

	return entry_find(dir, "..", &parent) ? dir : parent;
}

static int fill(struct filler *f, uint64_t pos)
{
	int err;

	if (pos == 0) {
		if (put_dot(f, ".", f->dir, 1))
			return -EINVAL;
		pos = 1;
	}
	if (pos == 1) {
		if (put_dot(f, "..", parent_of(f->dir), POS_FIRST))
			return 0;
		pos = POS_FIRST;
	}
	err = umfs_readdir(fuse_fs(), f->dir, pos == POS_FIRST ? 0 : pos, emit, f);
	return err < 0 ? err : 0;
}

static void answer(fuse_req_t req, fuse_ino_t id, size_t size, off_t pos,
		   struct fuse_file_info *fi, bool plus)
{
	struct filler f = {.req = req, .dir = node_of(id), .plus = plus, .size = size};
	int err = -ENOMEM;

	f.buf = malloc(size);
	if (f.buf)
		err = fill(&f, (uint64_t)pos);
	/* A directory removed under who reads it has no more names. */
	if (err == -ENOENT)
		err = f.used = 0;
	if (!err && !fuse_no_diratime)
		umfs_accessed(&handle_of(fi)->file);
	if (err && !f.used)
		fuse_reply_err(req, -err);
	else
		fuse_reply_buf(req, f.buf, f.used);
	free(f.buf);
}

static void op_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t pos,
		       struct fuse_file_info *fi)
{
	answer(req, id, size, pos, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t pos,
			   struct fuse_file_info *fi)
{
	answer(req, id, size, pos, fi, true);
}

static void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	handle_reply(req, handle_open(node_of(id), fi), fi);
}

/* Names are durable when they are there. */
static void op_fsyncdir(fuse_req_t req, fuse_ino_t id, int datasync, struct fuse_file_info *fi)
{
	(void)id;
	(void)datasync;
	(void)fi;
	fuse_reply_err(req, 0);
}

void ops_dir_add(struct fuse_lowlevel_ops *ops)
{
	ops->opendir = op_opendir;
	ops->readdir = op_readdir;
	ops->readdirplus = op_readdirplus;
	ops->releasedir = op_release;
	ops->fsyncdir = op_fsyncdir;
}
