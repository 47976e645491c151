// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_attr.c - mode, owner and times.
 */
#include <sys/stat.h>
#include <sys/time.h>
#include <utime.h>

#include "file.h"
#include "hooks.h"
#include "module.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* What was found, checked against a trailing slash. */
static long found(struct spot *s, struct umfs_attr *attr)
{
	long err = umfs_walk_getattr(umfs_mount_fs(s->m), &s->w, attr);

	if (!err && s->w.must_be_dir && !S_ISDIR(attr->mode))
		return -ENOTDIR;
	return err;
}

/* ---- chmod ---- */

static long chmod_ours(struct spot *s, struct path_args *a)
{
	struct umfs_cred cred;
	struct umfs_attr attr;
	long err = found(s, &attr);

	if (err)
		return err;
	if (S_ISLNK(attr.mode))
		return -EOPNOTSUPP;
	if (s->m->module)
		return umfs_module_chmod(s, (mode_t)a->a & 07777);
	umfs_cred_get(&cred);
	return umfs_chmod(umfs_mount_fs(s->m), &cred, s->w.ino, (uint32_t)a->a & 07777);
}

/* As glibc does where the kernel has no call for it: never follows a link. */
static long chmod_nofollow(int dirfd, const char *path, long mode, int flags)
{
	long fd, err = sys4(SYS_fchmodat2, dirfd, path, mode, flags);
	char link[40];
	struct stat st;
	struct text t;

	if (err != -ENOSYS || (flags & AT_EMPTY_PATH))
		return err;
	fd = sys4(SYS_openat, dirfd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	err = sys4(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);
	if (!err && S_ISLNK(st.st_mode))
		err = -EOPNOTSUPP;
	umfs_text_init(&t, link, sizeof(link));
	umfs_text_add(&t, "/proc/self/fd/");
	umfs_text_dec(&t, (uint64_t)fd);
	if (!err)
		err = sys2(SYS_chmod, link, mode);
	sys1(SYS_close, fd);
	return err;
}

static long chmod_kernel(int dirfd, const char *path, struct path_args *a)
{
	if (a->b)
		return chmod_nofollow(dirfd, path, a->a, (int)a->b);
	return sys3(SYS_fchmodat, dirfd, path, a->a);
}

static uint32_t spot_flags(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? SPOT_NOFOLLOW : 0) |
	       (flags & AT_EMPTY_PATH ? SPOT_EMPTY : 0);
}

long umfs_hook_chmod(int dirfd, const char *path, mode_t mode, int flags)
{
	struct path_args a = {.a = mode, .b = flags};

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return umfs_path_call(dirfd, path, spot_flags(flags) | SPOT_MODULE, chmod_ours, chmod_kernel, &a);
}

long umfs_hook_fchmod(int fd, mode_t mode)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	struct umfs_cred cred;
	long err;

	if (kind == UINFO_NONE)
		return sys2(SYS_fchmod, fd, mode);
	if (kind == UINFO_PATH)
		return -EBADF;
	umfs_guard_enter();
	umfs_cred_get(&cred);
	err = umfs_file_gone(umfs_chmod(f.fs, &cred, umfs_file_node(&f), mode & 07777));
	umfs_guard_leave();
	return err;
}

/* ---- chown ---- */

static long chown_ours(struct spot *s, struct path_args *a)
{
	struct umfs_cred cred;
	struct umfs_attr attr;
	long err = found(s, &attr);

	if (err)
		return err;
	if (s->m->module)
		return umfs_module_chown(s, (uid_t)a->a, (gid_t)a->b);
	umfs_cred_get(&cred);
	return umfs_chown(umfs_mount_fs(s->m), &cred, s->w.ino, (uint32_t)a->a, (uint32_t)a->b);
}

static long chown_kernel(int dirfd, const char *path, struct path_args *a)
{
	return sys5(SYS_fchownat, dirfd, path, a->a, a->b, a->c);
}

long umfs_hook_chown(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	struct path_args a = {.a = uid, .b = gid, .c = flags};

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return umfs_path_call(dirfd, path, spot_flags(flags) | SPOT_MODULE, chown_ours, chown_kernel, &a);
}

long umfs_hook_fchown(int fd, uid_t uid, gid_t gid)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	struct umfs_cred cred;
	long err;

	if (kind == UINFO_NONE)
		return sys3(SYS_fchown, fd, uid, gid);
	if (kind == UINFO_PATH)
		return -EBADF;
	umfs_guard_enter();
	umfs_cred_get(&cred);
	err = umfs_file_gone(umfs_chown(f.fs, &cred, umfs_file_node(&f), uid, gid));
	umfs_guard_leave();
	return err;
}

/* ---- times ---- */

static int time_from(const struct timespec *ts, int64_t *ns)
{
	if (ts->tv_nsec == UTIME_OMIT) {
		*ns = UMFS_TIME_OMIT;
		return 0;
	}
	if (ts->tv_nsec == UTIME_NOW) {
		*ns = UMFS_TIME_NOW;
		return 0;
	}
	if (ts->tv_nsec < 0 || ts->tv_nsec >= 1000000000)
		return -EINVAL;
	/* What does not fit in 64 bits of nanoseconds is cut to the last that does. */
	if (ts->tv_sec > INT64_MAX / 1000000000 - 1)
		*ns = INT64_MAX;
	else if (ts->tv_sec < INT64_MIN / 1000000000 + 1)
		*ns = INT64_MIN + 1000000000;
	else
		*ns = ts->tv_sec * 1000000000 + ts->tv_nsec;
	return 0;
}

static long utimens_inode(struct umfs *fs, umfs_node node, const struct timespec *times)
{
	struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	const struct timespec *t = times ? times : now;
	struct umfs_cred cred;
	int64_t atime, mtime;

	if (time_from(&t[0], &atime) || time_from(&t[1], &mtime))
		return -EINVAL;
	umfs_cred_get(&cred);
	return umfs_utimens(fs, &cred, node, atime, mtime);
}

static long utimens_ours(struct spot *s, struct path_args *a)
{
	struct umfs_attr attr;
	long err = found(s, &attr);

	if (!err && s->m->module)
		return umfs_module_utimens(s, a->p);
	return err ? err : utimens_inode(umfs_mount_fs(s->m), s->w.ino, a->p);
}

static long utimens_kernel(int dirfd, const char *path, struct path_args *a)
{
	return sys4(SYS_utimensat, dirfd, path, a->p, a->a);
}

static long utimens_fd(int fd, const struct timespec *times, int flags)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	long err;

	if (kind == UINFO_NONE)
		return sys4(SYS_utimensat, fd, 0, times, flags);
	if (kind == UINFO_PATH)
		return -EBADF;
	umfs_guard_enter();
	err = umfs_file_gone(utimens_inode(f.fs, umfs_file_node(&f), times));
	umfs_guard_leave();
	return err;
}

static bool nothing_to_do(const struct timespec *times)
{
	struct timespec t[2];

	return umfs_active() && times && !port_copy_out(t, times, sizeof(t)) &&
	       t[0].tv_nsec == UTIME_OMIT && t[1].tv_nsec == UTIME_OMIT;
}

long umfs_hook_utimens(int dirfd, const char *path, const struct timespec *times, int flags)
{
	struct path_args a = {.a = flags, .p = (void *)(uintptr_t)times};

	if (nothing_to_do(times)) /* then the path is not looked at */
		return 0;
	if (!path)
		return utimens_fd(dirfd, times, flags);
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return umfs_path_call(dirfd, path, spot_flags(flags) | SPOT_MODULE, utimens_ours, utimens_kernel,
			      &a);
}

/* Microseconds to nanoseconds. As in glibc: what is out of range is found out behind the path. */
static void from_timeval(const struct timeval *tv, struct timespec *ts)
{
	for (int i = 0; i < 2; i++) {
		bool good = tv[i].tv_usec >= 0 && tv[i].tv_usec < 1000000;

		ts[i].tv_sec = tv[i].tv_sec;
		ts[i].tv_nsec = good ? tv[i].tv_usec * 1000 : -1;
	}
}

long umfs_hook_utimes(int dirfd, const char *path, const struct timeval *tv, int flags)
{
	struct timespec ts[2];

	if (tv)
		from_timeval(tv, ts);
	return umfs_hook_utimens(dirfd, path, tv ? ts : NULL, flags);
}

long umfs_hook_utime(const char *path, const struct utimbuf *t)
{
	struct timespec ts[2];

	if (t) {
		ts[0] = (struct timespec){t->actime, 0};
		ts[1] = (struct timespec){t->modtime, 0};
	}
	return umfs_hook_utimens(AT_FDCWD, path, t ? ts : NULL, 0);
}
