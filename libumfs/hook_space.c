// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_space.c - ranges of files, copies between descriptors.
 *
 * Where something is not there the error is the one that makes programs fall
 * back to read() and write(): EXDEV from copy_file_range, EINVAL from sendfile
 * and splice, EOPNOTSUPP from fallocate.
 */
#include <poll.h>
#include <sys/stat.h>

#include "file.h"
#include "hot.h"
#include "internal.h"

static long not_file(enum uinfo_kind kind)
{
	return kind == UINFO_PATH ? -EBADF : kind == UINFO_DIR ? -EISDIR : 0;
}

long umfs_hook_sync_file_range(int fd, off_t off, off_t n, unsigned flags)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	long ret;

	if (kind == UINFO_NONE)
		return umfs_cancel_call(SYS_sync_file_range, fd, off, n, flags, 0, 0);
	if (kind != UINFO_FILE)
		return kind == UINFO_PATH ? -EBADF : -ESPIPE;
	if (off < 0 || n < 0 || (flags & ~7u))
		return -EINVAL;
	umfs_guard_enter();
	ret = umfs_fsync(&f);
	umfs_guard_leave();
	return ret;
}

long umfs_hook_fadvise(int fd, off_t off, off_t n, int advice)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return sys4(SYS_fadvise64, fd, off, n, advice);
	if (kind == UINFO_PATH)
		return -EBADF;
	return advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE || n < 0 ? -EINVAL : 0;
}

long umfs_hook_readahead(int fd, off_t off, size_t n)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return sys3(SYS_readahead, fd, off, n);
	if (kind == UINFO_PATH || (f.flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	return kind == UINFO_DIR ? -EINVAL : 0;
}

/* The order of errors is Linux's. */
static long fallocate_ours(const struct umfs_file *f, enum uinfo_kind kind, int mode, off_t off,
			   off_t n)
{
	bool open = kind == UINFO_FILE && (f->flags & O_ACCMODE) != O_RDONLY;
	long ret;

	if (kind == UINFO_PATH)
		return -EBADF;
	if (off < 0 || n <= 0)
		return -EINVAL;
	umfs_guard_enter();
	ret = open ? umfs_fallocate(f, (uint32_t)mode, (uint64_t)off, (uint64_t)n) : -EBADF;
	umfs_guard_leave();
	if (ret == -EOPNOTSUPP)
		return umfs_refuse(REPORT_NO_FALLOCATE, EOPNOTSUPP);
	umfs_report_count(REPORT_SERVED);
	if (ret == -EFBIG)
		umfs_limit_hit((uint64_t)off + (uint64_t)n);
	return ret;
}

long umfs_hook_fallocate(int fd, int mode, off_t off, off_t n)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return umfs_cancel_call(SYS_fallocate, fd, mode, off, n, 0, 0);
	umfs_cancel_test();
	return fallocate_ours(&f, kind, mode, off, n);
}

long umfs_hook_posix_fallocate(int fd, off_t off, off_t n)
{
	return umfs_hook_fallocate(fd, 0, off, n);
}

static bool either(int a, int b)
{
	return umfs_uinfo_ours(a) || umfs_uinfo_ours(b);
}

/* Errors that a fallback would not cure are given as they are. */
static long copy_refused(int in, int out, int err)
{
	struct umfs_file f;
	enum uinfo_kind kind;
	long bad = 0;

	kind = umfs_uinfo_read(in, &f);
	if (kind != UINFO_NONE)
		bad = (f.flags & O_ACCMODE) == O_WRONLY ? -EBADF : not_file(kind);
	kind = umfs_uinfo_read(out, &f);
	if (!bad && kind != UINFO_NONE)
		bad = (f.flags & O_ACCMODE) == O_RDONLY ? -EBADF : not_file(kind);
	return bad ? bad : umfs_refuse(REPORT_NO_COPY, err);
}

/* ---- one side of a copy: a file of ours and where in it ---- */

struct side {
	struct umfs_file f;
	off_t *off; /* the caller's, or NULL: the description's position */
	off_t pos;
};

static long side_start(struct side *s)
{
	if (s->off)
		return port_copy_out(&s->pos, s->off, sizeof(s->pos)) ? -EFAULT :
		       s->pos < 0				     ? -EINVAL :
								       0;
	umfs_guard_enter();
	s->pos = (off_t)umfs_seek(&s->f, 0, SEEK_CUR);
	umfs_guard_leave();
	return s->pos < 0 ? (long)s->pos : 0;
}

/* `done` bytes further; the caller's word may be a bad pointer by now. */
static void side_move(struct side *s, long done)
{
	off_t pos = s->pos + done;

	if (done <= 0)
		return;
	if (s->off) {
		(void)port_copy_out(s->off, &pos, sizeof(pos));
		return;
	}
	umfs_guard_enter();
	(void)umfs_seek(&s->f, pos, SEEK_SET);
	umfs_guard_leave();
}

/* ---- copies ---- */

static bool appends(const struct umfs_file *f)
{
	const struct umfs_ofd_pm *ofd = umfs_ofd(f->fs, f->ofd);

	return ofd && (ld32(&ofd->flags) & O_APPEND);
}

static long copy_ours(struct side *in, struct side *out, size_t n, unsigned flags)
{
	long ret;

	if (flags)
		return -EINVAL;
	if ((in->f.flags & O_ACCMODE) == O_WRONLY || (out->f.flags & O_ACCMODE) == O_RDONLY ||
	    appends(&out->f))
		return -EBADF;
	ret = side_start(in);
	if (!ret)
		ret = side_start(out);
	if (ret)
		return ret;
	umfs_guard_enter();
	ret = umfs_copy_range(&in->f, (uint64_t)in->pos, &out->f, (uint64_t)out->pos,
			      UMFS_MIN(n, UMFS_RW_MAX));
	umfs_guard_leave();
	side_move(in, ret);
	side_move(out, ret);
	umfs_report_count(REPORT_SERVED);
	if (ret == -EFBIG)
		umfs_limit_hit(UMFS_FILE_BYTES_MAX);
	return ret;
}

long umfs_hook_copy_file_range(int in, off_t *in_off, int out, off_t *out_off, size_t n,
			       unsigned flags)
{
	struct side from = {.off = in_off}, to = {.off = out_off};
	enum uinfo_kind in_kind = umfs_uinfo_read(in, &from.f);
	enum uinfo_kind out_kind = umfs_uinfo_read(out, &to.f);

	if (in_kind == UINFO_NONE && out_kind == UINFO_NONE)
		return umfs_cancel_call(SYS_copy_file_range, in, SYS_ARG(in_off), out,
					SYS_ARG(out_off), (long)n, flags);
	if (in_kind != UINFO_FILE || out_kind != UINFO_FILE || from.f.fs != to.f.fs)
		return copy_refused(in, out, EXDEV);
	return copy_ours(&from, &to, n, flags);
}

/* ---- from a file of ours to any descriptor, by way of a buffer ---- */

#define BOUNCE_BYTES 16384
#define PIPE_BYTES 4096 /* a pipe that is not full takes so many without waiting */

/* Write to a descriptor of anybody's; no cancellation point, as sendfile is none. */
static long put(int fd, const void *buf, size_t n)
{
	if (umfs_uinfo_ours(fd))
		return umfs_hook_write_ours(fd, buf, n);
	return sys3(SYS_write, fd, buf, n);
}

/* May a pipe be written to? Only the first time is waited for. */
static bool pipe_ready(int fd, bool wait)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return sys3(SYS_poll, &p, 1, wait ? -1 : 0) == 1;
}

/* `pipe`: at most what goes in without waiting, after the first piece. */
static long send_bytes(struct side *in, int out, size_t n, bool pipe, bool wait)
{
	char buf[BOUNCE_BYTES];
	size_t most = pipe ? PIPE_BYTES : sizeof(buf);
	long done = 0;

	while ((size_t)done < n) {
		size_t part = UMFS_MIN(n - (size_t)done, most);
		long got, sent;

		if (pipe && !pipe_ready(out, wait && !done))
			return done ? done : wait ? -EINTR : -EAGAIN;
		umfs_guard_enter();
		got = umfs_pread(&in->f, buf, part, (uint64_t)(in->pos + done));
		umfs_guard_leave();
		if (got <= 0)
			return done ? done : got;
		sent = put(out, buf, (size_t)got);
		if (sent < 0)
			return done ? done : sent;
		done += sent;
		if (sent < got)
			break;
	}
	return done;
}

static long send_ours(struct side *in, int out, size_t n, bool pipe, bool wait)
{
	long ret;

	if ((in->f.flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	ret = side_start(in);
	if (ret)
		return ret;
	ret = send_bytes(in, out, UMFS_MIN(n, UMFS_RW_MAX), pipe, wait);
	side_move(in, ret);
	umfs_report_count(REPORT_SERVED);
	return ret;
}

long umfs_hook_sendfile(int out, int in, off_t *off, size_t n)
{
	struct side from = {.off = off};
	struct umfs_file to;
	enum uinfo_kind in_kind = umfs_uinfo_read(in, &from.f);
	enum uinfo_kind out_kind = umfs_uinfo_read(out, &to);

	if (in_kind == UINFO_NONE && out_kind == UINFO_NONE)
		return sys4(SYS_sendfile, out, in, off, n);
	if (in_kind != UINFO_FILE || (out_kind != UINFO_NONE && out_kind != UINFO_FILE))
		return copy_refused(in, out, EINVAL);
	return send_ours(&from, out, n, false, true);
}

/*
 * From a file to a pipe. The other way, bytes that were taken out of the pipe
 * could be lost when the pool is full, so programs are made to copy by hand.
 */
long umfs_hook_splice(int in, off_t *in_off, int out, off_t *out_off, size_t n, unsigned flags)
{
	struct side from = {.off = in_off};
	enum uinfo_kind kind = umfs_uinfo_read(in, &from.f);
	struct stat st;

	if (!either(in, out))
		return umfs_cancel_call(SYS_splice, in, SYS_ARG(in_off), out, SYS_ARG(out_off),
					(long)n, flags);
	if (kind != UINFO_FILE || umfs_uinfo_ours(out))
		return copy_refused(in, out, EINVAL);
	if (sys2(SYS_fstat, out, &st))
		return -EBADF;
	if (!S_ISFIFO(st.st_mode))
		return -EINVAL;
	if (out_off)
		return -ESPIPE;
	return send_ours(&from, out, n, true, !(flags & SPLICE_F_NONBLOCK));
}
