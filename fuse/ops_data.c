// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_data.c - bytes of files.
 *
 * The kernel cuts what is longer than a request (max_write) into pieces, so that
 * a write through the mount is whole up to that, where it is 2 MiB elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "mount.h"

static void reply_bytes(fuse_req_t req, int64_t n)
{
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}

static void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	char *buf = malloc(size);
	int64_t n = -ENOMEM;

	(void)id;
	if (buf)
		n = handle_read(handle_of(fi), buf, size, (uint64_t)off, fuse_req_ctx(req)->pid);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
	free(buf);
}

static void op_write(fuse_req_t req, fuse_ino_t id, const char *buf, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	(void)id;
	reply_bytes(req, handle_write(handle_of(fi), buf, size, (uint64_t)off,
				      (fi->flags & O_APPEND) != 0, fuse_req_ctx(req)->pid));
}

static void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t off, off_t n,
			 struct fuse_file_info *fi)
{
	(void)id;
	fuse_reply_err(req, -umfs_fallocate(&handle_of(fi)->file, (uint32_t)mode, (uint64_t)off,
					    (uint64_t)n));
}

/* Only SEEK_DATA and SEEK_HOLE come here; the position is the kernel's. */
static void op_lseek(fuse_req_t req, fuse_ino_t id, off_t off, int whence,
		     struct fuse_file_info *fi)
{
	int64_t at = umfs_seek(&handle_of(fi)->file, off, whence);

	(void)id;
	if (at < 0)
		fuse_reply_err(req, (int)-at);
	else
		fuse_reply_lseek(req, at);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t id_in, off_t off_in,
			       struct fuse_file_info *in, fuse_ino_t id_out, off_t off_out,
			       struct fuse_file_info *out, size_t n, int flags)
{
	(void)id_in;
	(void)id_out;
	if (flags) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	reply_bytes(req, umfs_copy_range(&handle_of(in)->file, (uint64_t)off_in,
					 &handle_of(out)->file, (uint64_t)off_out, n));
}

void ops_data_add(struct fuse_lowlevel_ops *ops)
{
	ops->read = op_read;
	ops->write = op_write;
	ops->fallocate = op_fallocate;
	ops->lseek = op_lseek;
	ops->copy_file_range = op_copy_file_range;
}
