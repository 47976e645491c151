// SPDX-License-Identifier: BSD-3-Clause
/* ops_attr.c - attributes. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "mount.h"

#define NS 1000000000

/* Times before 1970 count down from it. */
static struct timespec to_timespec(int64_t ns)
{
	struct timespec ts = {.tv_sec = ns / NS, .tv_nsec = ns % NS};

	if (ts.tv_nsec < 0) {
		ts.tv_sec--;
		ts.tv_nsec += NS;
	}
	return ts;
}

/* What does not fit is cut to the last that does, as libumfs has it. */
static int64_t to_ns(const struct timespec *ts)
{
	if (ts->tv_sec > INT64_MAX / NS - 1)
		return INT64_MAX;
	if (ts->tv_sec < INT64_MIN / NS + 1)
		return INT64_MIN + NS;
	return (int64_t)ts->tv_sec * NS + ts->tv_nsec;
}

void attr_to_stat(const struct umfs_attr *a, struct stat *st)
{
	*st = (struct stat){
		.st_ino = a->ino,
		.st_mode = a->mode,
		.st_nlink = a->nlink,
		.st_uid = a->uid,
		.st_gid = a->gid,
		.st_rdev = a->rdev,
		.st_size = (off_t)a->size,
		.st_blocks = (blkcnt_t)a->blocks_512,
		.st_blksize = UMFS_PAGE_BYTES,
		.st_atim = to_timespec(a->atime_ns),
		.st_mtim = to_timespec(a->mtime_ns),
		.st_ctim = to_timespec(a->ctime_ns),
	};
}

static void reply_attr(fuse_req_t req, int err, umfs_node node)
{
	struct umfs_attr a;
	struct stat st;

	if (!err)
		err = umfs_getattr(fuse_fs(), node, &a);
	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	attr_to_stat(&a, &st);
	fuse_reply_attr(req, &st, 0);
}

static void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	if (id != PASS_DIR) {
		reply_attr(req, 0, node_of(id));
		return;
	}
	pass_stat(&st);
	fuse_reply_attr(req, &st, 0);
}

static int set_times(const struct umfs_cred *cred, umfs_node node, const struct stat *st, int what)
{
	int64_t atime = UMFS_TIME_OMIT, mtime = UMFS_TIME_OMIT;

	if (what & FUSE_SET_ATTR_ATIME_NOW)
		atime = UMFS_TIME_NOW;
	else if (what & FUSE_SET_ATTR_ATIME)
		atime = to_ns(&st->st_atim);
	if (what & FUSE_SET_ATTR_MTIME_NOW)
		mtime = UMFS_TIME_NOW;
	else if (what & FUSE_SET_ATTR_MTIME)
		mtime = to_ns(&st->st_mtim);
	return umfs_utimens(fuse_fs(), cred, node, atime, mtime);
}

/* Each is atomic by itself; a call of the system asks for one, or for bytes and times. */
static int set_attr(const struct umfs_cred *cred, umfs_node node, const struct stat *st, int what)
{
	struct umfs *fs = fuse_fs();
	int err = 0;

	if (what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		err = umfs_chown(fs, cred, node, what & FUSE_SET_ATTR_UID ? st->st_uid : ~0u,
				 what & FUSE_SET_ATTR_GID ? st->st_gid : ~0u);
	if (!err && (what & FUSE_SET_ATTR_MODE))
		err = umfs_chmod(fs, cred, node, st->st_mode & 07777);
	if (!err && (what & FUSE_SET_ATTR_SIZE))
		err = umfs_truncate(fs, node, (uint64_t)st->st_size);
	/* After ftruncate of nothing the kernel asks for both times to be now: they are. */
	if (!err && (what & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)))
		err = set_times(cred, node, st, what);
	return err;
}

static void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *st, int what,
		       struct fuse_file_info *fi)
{
	struct umfs_cred cred = request_cred(req);

	(void)fi;
	reply_attr(req, set_attr(&cred, node_of(id), st, what), node_of(id));
}

static void op_statfs(fuse_req_t req, fuse_ino_t id)
{
	struct umfs_statfs us;
	struct statvfs st = {.f_bsize = UMFS_PAGE_BYTES, .f_frsize = UMFS_PAGE_BYTES};

	(void)id;
	umfs_statfs(fuse_fs(), &us);
	st.f_blocks = us.pages;
	st.f_bfree = st.f_bavail = pool_pages_available(&fuse_pool, &us);
	st.f_files = us.inodes;
	st.f_ffree = st.f_favail = us.inodes_free;
	st.f_namemax = us.name_max;
	fuse_reply_statfs(req, &st);
}

void ops_attr_add(struct fuse_lowlevel_ops *ops)
{
	ops->getattr = op_getattr;
	ops->setattr = op_setattr;
	ops->statfs = op_statfs;
}
