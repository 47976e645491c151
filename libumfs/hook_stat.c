// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_stat.c - what is known about files and pools.
 *
 * struct stat, statfs and statx are the kernel's own on x86-64, so the real
 * calls need no conversion; statvfs is libc's view of statfs.
 */
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "file.h"
#include "hot.h"
#include "module.h"
#include "umfs/ioctl.h"

#define ST_VALID_FLAG 0x20
#define STAT_FLAGS                                                                        \
	(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)

static struct timespec time_of(int64_t ns)
{
	struct timespec ts;

	ts.tv_sec = ns / 1000000000;
	ts.tv_nsec = ns % 1000000000;
	if (ts.tv_nsec < 0) {
		ts.tv_nsec += 1000000000;
		ts.tv_sec--;
	}
	return ts;
}

/* The caller's buffer may be a bad pointer: filled aside and copied. */
static long give_stat(const struct umfs *fs, const struct umfs_attr *attr, struct stat *to)
{
	struct stat st;

	memset(&st, 0, sizeof(st));
	st.st_dev = umfs_mount_of(fs)->dev;
	st.st_ino = attr->ino;
	st.st_mode = attr->mode;
	st.st_nlink = attr->nlink;
	st.st_uid = attr->uid;
	st.st_gid = attr->gid;
	st.st_rdev = attr->rdev;
	st.st_size = (off_t)attr->size;
	st.st_blksize = UMFS_PAGE_BYTES;
	st.st_blocks = (blkcnt_t)attr->blocks_512;
	st.st_atim = time_of(attr->atime_ns);
	st.st_mtim = time_of(attr->mtime_ns);
	st.st_ctim = time_of(attr->ctime_ns);
	return port_copy_out(to, &st, sizeof(st));
}

static void put_time(struct statx_timestamp *to, int64_t ns)
{
	struct timespec ts = time_of(ns);

	to->tv_sec = ts.tv_sec;
	to->tv_nsec = (uint32_t)ts.tv_nsec;
}

static long give_statx(const struct umfs *fs, const struct umfs_attr *attr, unsigned mask,
		       struct statx *to)
{
	uint64_t dev = umfs_mount_of(fs)->dev;
	struct statx stx;

	memset(&stx, 0, sizeof(stx));
	stx.stx_mask = STATX_BASIC_STATS | (mask & STATX_BTIME);
	stx.stx_blksize = UMFS_PAGE_BYTES;
	stx.stx_nlink = attr->nlink;
	stx.stx_uid = attr->uid;
	stx.stx_gid = attr->gid;
	stx.stx_mode = (uint16_t)attr->mode;
	stx.stx_ino = attr->ino;
	stx.stx_size = attr->size;
	stx.stx_blocks = attr->blocks_512;
	put_time(&stx.stx_atime, attr->atime_ns);
	if (mask & STATX_BTIME)
		put_time(&stx.stx_btime, attr->btime_ns);
	put_time(&stx.stx_ctime, attr->ctime_ns);
	put_time(&stx.stx_mtime, attr->mtime_ns);
	stx.stx_rdev_major = (uint32_t)((attr->rdev >> 8) & 0xfff);
	stx.stx_rdev_minor = (uint32_t)((attr->rdev & 0xff) | ((attr->rdev >> 12) & 0xfff00));
	stx.stx_dev_major = (uint32_t)((dev >> 8) & 0xfff);
	stx.stx_dev_minor = (uint32_t)((dev & 0xff) | ((dev >> 12) & 0xfff00));
	return port_copy_out(to, &stx, sizeof(stx));
}


long umfs_hook_fstat_ours(int fd, struct stat *st)
{
	struct umfs_file f;
	struct umfs_attr attr;
	long err;

	if (umfs_uinfo_read(fd, &f) == UINFO_NONE)
		return -EBADF; /* closed just now */
	umfs_guard_enter();
	err = umfs_file_gone(umfs_getattr(f.fs, umfs_file_node(&f), &attr));
	umfs_guard_leave();
	umfs_report_count(REPORT_SERVED);
	return err ? err : give_stat(f.fs, &attr, st);
}

static long found_attr(struct spot *s, struct umfs_attr *attr)
{
	long err = umfs_walk_getattr(umfs_mount_fs(s->m), &s->w, attr);

	if (!err && s->w.must_be_dir && !S_ISDIR(attr->mode))
		return -ENOTDIR;
	return err;
}

static long stat_ours(struct spot *s, struct path_args *a)
{
	struct umfs_attr attr;
	long err = found_attr(s, &attr);

	return err ? err : give_stat(umfs_mount_fs(s->m), &attr, a->p);
}

/* Only the links of numbers that were opened with O_PATH, or are ours, have no permission. */
static bool may_be_number(uint32_t mode)
{
	return unlikely(S_ISLNK(mode) && !(mode & ~(uint32_t)S_IFMT));
}

static long stat_kernel(int dirfd, const char *path, struct path_args *a)
{
	long ret = sys4(SYS_newfstatat, dirfd, path, a->p, a->a);
	struct stat *st = a->p;

	if (!ret && may_be_number(st->st_mode))
		st->st_mode |= umfs_fd_link_mode(path);
	return ret ? ret : umfs_point_landed(st->st_dev, st->st_ino, 0);
}

static uint32_t spot_flags(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? SPOT_NOFOLLOW : 0) |
	       (flags & AT_EMPTY_PATH ? SPOT_EMPTY : 0);
}

long umfs_hook_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	struct path_args a = {.a = flags, .p = st};

	if (flags & ~STAT_FLAGS)
		return -EINVAL;
	if (!path && (flags & AT_EMPTY_PATH))
		path = ""; /* since Linux 6.11 */
	return umfs_path_call(dirfd, path, spot_flags(flags) | SPOT_MODULE, stat_ours, stat_kernel, &a);
}

static long statx_ours(struct spot *s, struct path_args *a)
{
	struct umfs_attr attr;
	long err = found_attr(s, &attr);

	return err ? err : give_statx(umfs_mount_fs(s->m), &attr, (unsigned)a->b, a->p);
}

static long statx_kernel(int dirfd, const char *path, struct path_args *a)
{
	long ret = sys5(SYS_statx, dirfd, path, a->a, a->b, a->p);
	struct statx *stx = a->p;

	if (ret)
		return ret;
	if (may_be_number(stx->stx_mode))
		stx->stx_mode |= (uint16_t)umfs_fd_link_mode(path);
	return umfs_point_landed(makedev(stx->stx_dev_major, stx->stx_dev_minor), stx->stx_ino, 0);
}

long umfs_hook_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx)
{
	struct path_args a = {.a = flags, .b = mask, .p = stx};

	if ((mask & STATX__RESERVED) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
	    (flags & ~STAT_FLAGS))
		return -EINVAL;
	if (!path && (flags & AT_EMPTY_PATH))
		path = "";
	return umfs_path_call(dirfd, path, spot_flags(flags) | SPOT_MODULE, statx_ours, statx_kernel, &a);
}

static long access_ours(struct spot *s, struct path_args *a)
{
	struct umfs *fs = umfs_mount_fs(s->m);
	struct umfs_cred cred;
	struct umfs_attr attr;
	long err = found_attr(s, &attr);

	if (err || !(a->a & (R_OK | W_OK | X_OK)))
		return err;
	if (s->m->module)
		return umfs_module_access(s, (int)a->a, (int)a->b);
	if (a->b & AT_EACCESS)
		umfs_cred_get(&cred);
	else
		umfs_cred_real(&cred);
	return umfs_access_known(fs, &cred, s->w.ino, &attr, (uint32_t)a->a);
}

static long access_kernel(int dirfd, const char *path, struct path_args *a)
{
	long ret;

	if (!a->b)
		return sys3(SYS_faccessat, dirfd, path, a->a);
	ret = sys4(SYS_faccessat2, dirfd, path, a->a, a->b);
	/* Before Linux 5.8: the same answer where real and effective ids do not differ. */
	if (ret == -ENOSYS && a->b == AT_EACCESS && sys0(SYS_getuid) == sys0(SYS_geteuid) &&
	    sys0(SYS_getgid) == sys0(SYS_getegid))
		ret = sys3(SYS_faccessat, dirfd, path, a->a);
	return ret;
}

long umfs_hook_access(int dirfd, const char *path, int mode, int flags)
{
	struct path_args a = {.a = mode, .b = flags};

	if ((mode & ~(R_OK | W_OK | X_OK)) ||
	    (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	return umfs_path_call(dirfd, path, spot_flags(flags) | SPOT_MODULE, access_ours, access_kernel, &a);
}

static long give_statfs(struct umfs *fs, struct statfs *to)
{
	struct mount *m = umfs_mount_of(fs);
	struct umfs_statfs us;
	struct statfs st;

	umfs_statfs(fs, &us);
	memset(&st, 0, sizeof(st));
	st.f_type = UMFS_IOC_FS_MAGIC;
	st.f_bsize = UMFS_PAGE_BYTES;
	st.f_frsize = UMFS_PAGE_BYTES;
	st.f_blocks = us.pages;
	st.f_bfree = pool_pages_available(&m->pool, &us);
	st.f_bavail = st.f_bfree;
	st.f_files = us.inodes;
	st.f_ffree = us.inodes_free;
	st.f_namelen = us.name_max;
	memcpy(&st.f_fsid, &m->dev, sizeof(st.f_fsid));
	st.f_flags = ST_VALID_FLAG;
	return port_copy_out(to, &st, sizeof(st));
}

long umfs_hook_fstatfs(int fd, struct statfs *st)
{
	struct umfs_file f;
	long err;

	if (umfs_uinfo_read(fd, &f) == UINFO_NONE)
		return sys2(SYS_fstatfs, fd, st);
	umfs_guard_enter();
	err = give_statfs(f.fs, st);
	umfs_guard_leave();
	return err;
}

static long statfs_ours(struct spot *s, struct path_args *a)
{
	struct umfs_attr attr;
	long err = found_attr(s, &attr);

	if (!err && s->m->module)
		return umfs_module_statfs(s, a->p);
	return err ? err : give_statfs(umfs_mount_fs(s->m), a->p);
}

static long statfs_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	return sys2(SYS_statfs, path, a->p);
}

long umfs_hook_statfs(const char *path, struct statfs *st)
{
	struct path_args a = {.p = st};

	return umfs_path_call(AT_FDCWD, path, SPOT_MODULE, statfs_ours, statfs_kernel, &a);
}

static void statvfs_from(struct statvfs *to, const struct statfs *st)
{
	memset(to, 0, sizeof(*to));
	to->f_bsize = (unsigned long)st->f_bsize;
	to->f_frsize = (unsigned long)(st->f_frsize ? st->f_frsize : st->f_bsize);
	to->f_blocks = st->f_blocks;
	to->f_bfree = st->f_bfree;
	to->f_bavail = st->f_bavail;
	to->f_files = st->f_files;
	to->f_ffree = st->f_ffree;
	to->f_favail = st->f_ffree;
	memcpy(&to->f_fsid, &st->f_fsid, sizeof(to->f_fsid));
	to->f_flag = (unsigned long)st->f_flags & ~(unsigned long)ST_VALID_FLAG;
	to->f_namemax = (unsigned long)st->f_namelen;
}

long umfs_hook_statvfs(const char *path, struct statvfs *to)
{
	struct statfs st;
	long err = umfs_hook_statfs(path, &st);

	if (!err)
		statvfs_from(to, &st);
	return err;
}

long umfs_hook_fstatvfs(int fd, struct statvfs *to)
{
	struct statfs st;
	long err = umfs_hook_fstatfs(fd, &st);

	if (!err)
		statvfs_from(to, &st);
	return err;
}
