// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_attr.c - attributes: read, set, asked for.
 */
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <utime.h>

#include "posix.h"

static const struct flag at_flags[] = {{AT_SYMLINK_NOFOLLOW, "NOFOLLOW"},
				       {AT_EMPTY_PATH, "EMPTY_PATH"},
				       {AT_NO_AUTOMOUNT, "NO_AUTOMOUNT"}};

static int arg_at_flags(void)
{
	int flags = chance(30) ? AT_SYMLINK_NOFOLLOW : 0;

	if (chance(10))
		flags |= AT_EMPTY_PATH;
	if (chance(3))
		flags |= AT_NO_AUTOMOUNT;
	if (chance(2) && !flags)
		flags |= AT_REMOVEDIR;
	return flags;
}

/* The descriptor itself, now and then. */
static void arg_at(int *dirfd, const char **path, int *flags)
{
	*dirfd = arg_dirfd();
	*path = arg_path();
	*flags = arg_at_flags();
	if (chance(8)) {
		*dirfd = arg_fd();
		*path = "";
		*flags = (*flags & ~AT_REMOVEDIR) | AT_EMPTY_PATH;
	}
	if (!*path) /* with EMPTY_PATH newer kernels take it for "" */
		*flags &= ~AT_EMPTY_PATH;
}

static void say_stat(int ret, const struct stat *st)
{
	answer(ret);
	if (!ret)
		say(" %s %o n%lu %u:%u s%lld", state_type(st->st_mode), st->st_mode & 07777,
		    (unsigned long)st->st_nlink, st->st_uid, st->st_gid,
		    S_ISDIR(st->st_mode) ? 0 : (long long)st->st_size);
}

static void do_fstatat(void)
{
	int dirfd, flags;
	const char *path;
	struct stat st;

	arg_at(&dirfd, &path, &flags);
	say("fstatat(%d, %s, %s)", dirfd, show(path), SHOW_FLAGS(at_flags, flags));
	say_stat(fstatat(dirfd, path, &st, flags), &st);
}

static void do_stat(void)
{
	const char *path = arg_path();
	struct stat st;

	say("stat(%s)", show(path));
	say_stat(stat(path, &st), &st);
}

static void do_fstat(void)
{
	int fd = arg_fd();
	struct stat st;

	say("fstat(%d)", fd);
	say_stat(fstat(fd, &st), &st);
}

static void do_statx(void)
{
	int dirfd, flags, ret;
	const char *path;
	unsigned mask = chance(50) ? STATX_ALL : pick(0x2000);
	struct statx stx;

	if (chance(3))
		mask |= 0x80000000u;
	arg_at(&dirfd, &path, &flags);
	if (chance(20))
		flags |= chance(70) ? AT_STATX_FORCE_SYNC : AT_STATX_DONT_SYNC;
	if (chance(3))
		flags |= AT_STATX_SYNC_TYPE;
	memset(&stx, 0, sizeof(stx));
	say("statx(%d, %s, %s, %#x)", dirfd, show(path), SHOW_FLAGS(at_flags, flags), mask);
	ret = statx(dirfd, path, flags, mask, &stx);
	answer(ret);
	if (!ret)
		say(" mode %o n%u %u:%u attr %llx", stx.stx_mode, stx.stx_nlink, stx.stx_uid,
		    stx.stx_gid, (unsigned long long)(stx.stx_attributes));
	if (!ret)
		say(" basic %x btime %d", stx.stx_mask & mask & STATX_BASIC_STATS,
		    !!(stx.stx_mask & STATX_BTIME));
}

static void do_access(void)
{
	int dirfd = arg_dirfd(), mode = (int)pick(8), flags = 0;
	const char *path = arg_path();

	if (chance(30))
		flags |= AT_EACCESS;
	if (chance(20))
		flags |= AT_SYMLINK_NOFOLLOW;
	if (chance(10))
		flags |= AT_EMPTY_PATH, path = chance(70) ? "" : path;
	if (chance(3))
		mode |= 8;
	if (chance(2))
		flags |= 0x1;
	say("faccessat(%d, %s, %d, %#x)", dirfd, show(path), mode, flags);
	answer(faccessat(dirfd, path, mode, flags));
}

static void do_chmod(void)
{
	int dirfd, flags;
	const char *path;
	mode_t mode = arg_mode();

	arg_at(&dirfd, &path, &flags);
	flags &= AT_SYMLINK_NOFOLLOW | AT_REMOVEDIR;
	if (chance(70))
		flags = 0;
	say("fchmodat(%d, %s, %o, %s)", dirfd, show(path), mode, SHOW_FLAGS(at_flags, flags));
	if (run.acl)
		return;
	answer(fchmodat(dirfd, path, mode, flags));
}

static void do_fchmod(void)
{
	int fd = arg_fd();
	mode_t mode = arg_mode();

	say("fchmod(%d, %o)", fd, mode);
	if (run.acl)
		return;
	answer(fchmod(fd, mode));
}

static uid_t arg_id(void)
{
	static const uid_t ids[] = {(uid_t)-1, (uid_t)-1, 0, 2001, 2002, 3000, 65534, 70000};

	return ONE_OF(ids);
}

static void do_chown(void)
{
	int dirfd, flags;
	const char *path;
	uid_t uid = arg_id();
	gid_t gid = arg_id();

	arg_at(&dirfd, &path, &flags);
	say("fchownat(%d, %s, %d, %d, %s)", dirfd, show(path), (int)uid, (int)gid,
	    SHOW_FLAGS(at_flags, flags));
	answer(fchownat(dirfd, path, uid, gid, flags));
}

static void do_fchown(void)
{
	int fd = arg_fd();
	uid_t uid = arg_id();
	gid_t gid = arg_id();

	say("fchown(%d, %d, %d)", fd, (int)uid, (int)gid);
	answer(fchown(fd, uid, gid));
}

static struct timespec arg_time(void)
{
	static const long odd[] = {UTIME_NOW, UTIME_OMIT, -1, 1000000000, 999999999};
	struct timespec t = {(time_t)pick(2000000000), pick(1000000000)};

	if (chance(40))
		t.tv_nsec = ONE_OF(odd);
	if (chance(8))
		t.tv_sec = chance(50) ? -5 : 4102444800;
	return t;
}

static const char *show_ts(const struct timespec *t)
{
	static char bufs[4][40];
	static unsigned n;
	char *p = bufs[n++ % 4];

	if (t->tv_nsec == UTIME_NOW)
		return "NOW";
	if (t->tv_nsec == UTIME_OMIT)
		return "OMIT";
	sprintf(p, "%lld.%ld", (long long)t->tv_sec, t->tv_nsec);
	return p;
}

static void do_utimens(void)
{
	int dirfd, flags;
	const char *path;
	struct timespec t[2] = {arg_time(), arg_time()};
	bool now = chance(15);

	arg_at(&dirfd, &path, &flags);
	if (chance(15)) {
		dirfd = arg_fd();
		path = NULL;
	}
	say("utimensat(%d, %s, %s %s, %s)", dirfd, show(path), now ? "NULL" : show_ts(&t[0]),
	    now ? "" : show_ts(&t[1]), SHOW_FLAGS(at_flags, flags));
	answer(utimensat(dirfd, path, now ? NULL : t, flags));
}

static void do_old_times(void)
{
	const char *path = arg_path();
	struct timeval tv[2] = {{1000, chance(80) ? 5 : 1000000}, {2000, chance(80) ? 6 : -1}};
	struct utimbuf ub = {3000, 4000};
	int how = (int)pick(5), fd = arg_fd();
	bool now = chance(30);

	say("times %d (%d, %s%s)", how, fd, show(path), now ? ", NULL" : "");
	switch (how) {
	case 0:
		answer(utimes(path, now ? NULL : tv));
		break;
	case 1:
		answer(lutimes(path, now ? NULL : tv));
		break;
	case 2:
		answer(futimes(fd, now ? NULL : tv));
		break;
	case 3:
		answer(utime(path, now ? NULL : &ub));
		break;
	default:
		answer(futimesat(AT_FDCWD, path, now ? NULL : tv));
	}
}

static void do_umask(void)
{
	static const mode_t masks[] = {022, 0, 077, 027, 0777, 01777, 0111};
	mode_t m = ONE_OF(masks);

	say("umask(%o) = %o", m, umask(m));
}

static void do_statfs(void)
{
	const char *path = arg_path();
	int fd = arg_fd(), how = (int)pick(4), ret;
	struct statfs sf = {0};
	struct statvfs sv = {0};

	say("statfs %d (%d, %s)", how, fd, show(path));
	ret = how == 0 ? statfs(path, &sf) : how == 1 ? fstatfs(fd, &sf) :
	      how == 2 ? statvfs(path, &sv) : fstatvfs(fd, &sv);
	answer(ret);
	if (!ret && how < 2)
		say(" bsize %ld frsize %ld name %ld", (long)sf.f_bsize, (long)sf.f_frsize,
		    (long)sf.f_namelen);
	else if (!ret)
		say(" bsize %lu frsize %lu name %lu", sv.f_bsize, sv.f_frsize, sv.f_namemax);
}

static void do_pathconf(void)
{
	static const int names[] = {_PC_NAME_MAX, _PC_PATH_MAX, _PC_PIPE_BUF,
				    _PC_CHOWN_RESTRICTED, _PC_NO_TRUNC, _PC_VDISABLE,
				    _PC_SYNC_IO, _PC_ASYNC_IO, _PC_SYMLINK_MAX, _PC_MAX_CANON, -1, 999};
	int name = ONE_OF(names), fd = arg_fd();
	const char *path = arg_path();
	bool by_fd = chance(50);

	if (!path || path == bad_pointer())
		path = "a";
	if (by_fd)
		say("fpathconf(%d, %d)", fd, name);
	else
		say("pathconf(%s, %d)", show(path), name);
	errno = 0;
	answer(by_fd ? fpathconf(fd, name) : pathconf(path, name));
}

const struct op attr_ops[] = {
	{"fstatat", ATTR, 10, do_fstatat}, {"stat", ATTR, 6, do_stat},
	{"fstat", ATTR, 5, do_fstat},	   {"statx", ATTR, 8, do_statx},
	{"access", ATTR, 14, do_access},   {"chmod", ATTR, 18, do_chmod},
	{"fchmod", ATTR, 8, do_fchmod},	   {"chown", ATTR, 12, do_chown},
	{"fchown", ATTR, 6, do_fchown},	   {"utimens", ATTR, 16, do_utimens},
	{"times", ATTR, 5, do_old_times},  {"umask", ATTR, 8, do_umask},
	{"statfs", ATTR, 4, do_statfs},	   {"pathconf", ATTR, 4, do_pathconf}, {0},
};
