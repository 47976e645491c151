// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_copy.c - copies between descriptors: copy_file_range, sendfile, splice, tee.
 *
 * Within a pool core copies. Otherwise one side is the kernel's, and the bytes go
 * by way of a buffer: there is nothing that the kernel could move for us.
 *
 *  C1  A source loses, or has its position moved by, exactly what was written.
 *      A pipe can not take bytes back, so what is in it is first copied by tee(2),
 *      and read away when it is in the file.
 *  C2  What can not be is refused with the kernel's own error: EXDEV from
 *      copy_file_range between file systems, EINVAL from the others.
 */
#include <poll.h>
#include <sys/stat.h>

#include "file.h"
#include "hot.h"
#include "internal.h"

#define BOUNCE_BYTES 16384
#define PIPE_BYTES 4096 /* a pipe that is not full takes so many without waiting */

/* ---- one side of a copy: a file and where in it ---- */

struct side {
	int fd;
	enum uinfo_kind kind; /* UINFO_NONE: the kernel's, and f is nothing */
	struct umfs_file f;
	off_t *off; /* the caller's, or NULL: the description's position */
	off_t pos;
};

static struct side side_of(int fd, off_t *off)
{
	struct side s = {.fd = fd, .off = off};

	s.kind = umfs_uinfo_read(fd, &s.f);
	return s;
}

static bool is_append(const struct umfs_file *f)
{
	const struct umfs_ofd_pm *ofd = umfs_ofd_of(f);

	return ofd && (ld32(&ofd->flags) & O_APPEND);
}

/* Was it opened for more than `not`, which is O_RDONLY or O_WRONLY? 0 or -EBADF. */
static long more_than(const struct side *s, long not)
{
	long flags = s->kind == UINFO_NONE ? sys3(SYS_fcntl, s->fd, F_GETFL, 0) : (long)s->f.flags;

	if (flags < 0)
		return flags;
	if (s->kind == UINFO_PATH || (flags & O_PATH))
		return -EBADF;
	flags &= O_ACCMODE;
	return flags == not || flags == O_ACCMODE ? -EBADF : 0;
}

/* A descriptor of anybody's that is open for more than its name. */
static long is_open(const struct side *s)
{
	if (s->kind == UINFO_NONE)
		return UMFS_MIN(sys3(SYS_fcntl, s->fd, F_GETFD, 0), 0l);
	return s->kind == UINFO_PATH ? -EBADF : 0;
}

static long may_read(const struct side *s)
{
	return more_than(s, O_WRONLY);
}

static long may_write(const struct side *s)
{
	return more_than(s, O_RDONLY);
}

static long seek(const struct side *s, off_t off, int whence)
{
	long ret;

	if (s->kind == UINFO_NONE)
		return sys3(SYS_lseek, s->fd, off, whence);
	umfs_guard_enter();
	ret = umfs_seek(&s->f, off, whence);
	umfs_guard_leave();
	return ret;
}

static long side_start(struct side *s)
{
	if (s->off)
		return port_copy_out(&s->pos, s->off, sizeof(s->pos)) ? -EFAULT :
		       s->pos < 0				     ? -EINVAL :
								       0;
	s->pos = (off_t)seek(s, 0, SEEK_CUR);
	return s->pos < 0 ? (long)s->pos : 0;
}

/* `done` bytes further; the caller's word may be a bad pointer by now. */
static void side_move(struct side *s, long done)
{
	off_t pos = s->pos + done;

	if (done <= 0)
		return;
	if (s->off)
		(void)port_copy_out(s->off, &pos, sizeof(pos));
	else
		(void)seek(s, pos, SEEK_SET);
}

static long get_at(const struct side *s, void *buf, size_t n, off_t pos)
{
	long ret;

	if (s->kind == UINFO_NONE)
		return sys4(SYS_pread64, s->fd, buf, n, pos);
	umfs_guard_enter();
	ret = umfs_pread(&s->f, buf, n, (uint64_t)pos);
	umfs_guard_leave();
	return ret;
}

/* As write() does where that alone is not durable. */
static void written(const struct side *s, long ret)
{
	if (ret > 0 && (s->f.flags & O_DSYNC) && umfs_mode(s->f.fs) == UMFS_MODE_POSIX)
		(void)umfs_fsync(&s->f);
}

/* Write to a file of ours. */
static long put_at(const struct side *s, const void *buf, size_t n, off_t pos)
{
	long ret;

	umfs_guard_enter();
	ret = umfs_pwrite(&s->f, buf, n, (uint64_t)pos);
	written(s, ret);
	umfs_guard_leave();
	if (ret == -EFBIG)
		umfs_limit_hit(UMFS_FILE_BYTES_MAX);
	return ret;
}

/* ---- within a pool ---- */

/* An end past all numbers is said before a beginning that makes no sense. */
static long copy_start(struct side *in, struct side *out, size_t n)
{
	long ret = side_start(in), ret2 = side_start(out);

	if (ret == -EFAULT || ret2 == -EFAULT)
		return -EFAULT;
	if ((uint64_t)in->pos + n < n || (uint64_t)out->pos + n < n)
		return -EOVERFLOW;
	if (!ret && !ret2 && out->pos == INT64_MAX)
		return -EFBIG;
	return ret ? ret : ret2;
}

static long copy_ours(struct side *in, struct side *out, size_t n)
{
	long ret;

	if (is_append(&out->f))
		return -EBADF;
	ret = copy_start(in, out, n);
	if (ret)
		return ret;
	umfs_guard_enter();
	ret = umfs_copy_range(&in->f, (uint64_t)in->pos, &out->f, (uint64_t)out->pos,
			      UMFS_MIN(n, UMFS_RW_MAX));
	written(out, ret);
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
	struct side from = side_of(in, in_off), to = side_of(out, out_off);
	long err;

	if (from.kind == UINFO_NONE && to.kind == UINFO_NONE)
		return umfs_cancel_call(SYS_copy_file_range, in, SYS_ARG(in_off), out,
					SYS_ARG(out_off), (long)n, flags);
	err = is_open(&from);
	if (!err)
		err = is_open(&to);
	if (err || flags)
		return err ? err : -EINVAL;
	if (from.kind == UINFO_DIR || to.kind == UINFO_DIR)
		return -EISDIR; /* whatever they were opened for */
	err = may_read(&from);
	if (!err)
		err = may_write(&to);
	if (err)
		return err;
	if (from.kind != to.kind || from.f.fs != to.f.fs)
		return -EXDEV; /* as between any two file systems */
	return copy_ours(&from, &to, n);
}

/* ---- from a file to any descriptor ---- */

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
static long send_bytes(const struct side *in, int out, size_t n, bool pipe, bool wait)
{
	char buf[BOUNCE_BYTES];
	size_t most = pipe ? PIPE_BYTES : sizeof(buf);
	long done = 0;

	while ((size_t)done < n) {
		size_t part = UMFS_MIN(n - (size_t)done, most);
		long got, sent;

		if (pipe && !pipe_ready(out, wait && !done))
			return done ? done : wait ? -EINTR : -EAGAIN;
		got = get_at(in, buf, part, in->pos + done);
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

/* The range of a source, which Linux looks at before the other side. */
static long range_start(struct side *in, size_t n)
{
	long ret = side_start(in);

	return !ret && n > (size_t)(INT64_MAX - in->pos) ? -EINVAL : ret;
}

static long send_from(struct side *in, int out, size_t n, bool pipe, bool wait)
{
	long ret = range_start(in, n);

	if (ret)
		return ret;
	ret = send_bytes(in, out, UMFS_MIN(n, UMFS_RW_MAX), pipe, wait);
	side_move(in, ret);
	umfs_report_count(REPORT_SERVED);
	return ret;
}

static bool is_pipe(int fd, long *err)
{
	struct stat st;

	*err = sys2(SYS_fstat, fd, &st);
	return !*err && S_ISFIFO(st.st_mode);
}

/* There is nothing to send in a directory, and yet Linux has it read by then, but for a pipe. */
static long dir_sent(const struct side *from, const struct side *to)
{
	long err;

	if (to->kind == UINFO_NONE && is_pipe(to->fd, &err))
		return -EINVAL;
	umfs_guard_enter();
	umfs_accessed(&from->f);
	umfs_guard_leave();
	return -EINVAL;
}

long umfs_hook_sendfile(int out, int in, off_t *off, size_t n)
{
	struct side from = side_of(in, off), to = side_of(out, NULL);
	long err;

	if (from.kind == UINFO_NONE && to.kind == UINFO_NONE)
		return sys4(SYS_sendfile, out, in, off, n);
	if (off && port_copy_out(&from.pos, off, sizeof(from.pos)))
		return -EFAULT;
	err = may_read(&from);
	if (!err && from.kind == UINFO_NONE && sys3(SYS_lseek, in, 0, SEEK_CUR) < 0)
		err = off ? -ESPIPE : -EINVAL; /* only what has positions */
	if (!err && (off || from.kind != UINFO_DIR))
		err = range_start(&from, n);
	if (!err)
		err = may_write(&to);
	if (!err && (to.kind == UINFO_DIR || (to.kind == UINFO_FILE && is_append(&to.f))))
		err = -EINVAL;
	if (err || !n)
		return err;
	if (from.kind == UINFO_DIR)
		return dir_sent(&from, &to);
	err = send_from(&from, out, n, false, true);
	return err == -EISDIR ? -EINVAL : err;
}

/* ---- from a pipe to a file of ours ---- */

/*
 * What is in the pipe, `part` bytes at most, goes to the file and then (C1) out of the
 * pipe. -EAGAIN: nothing is in it. Two who read one pipe at once may both get a piece.
 */
static long take_piece(int in, const int *spare, const struct side *to, off_t pos, size_t part)
{
	char buf[BOUNCE_BYTES];
	long got = sys4(SYS_tee, in, spare[1], UMFS_MIN(part, sizeof(buf)), SPLICE_F_NONBLOCK);

	if (got <= 0)
		return got;
	got = sys3(SYS_read, spare[0], buf, got);
	if (got <= 0)
		return got;
	got = put_at(to, buf, (size_t)got, pos);
	return got <= 0 ? got : sys3(SYS_read, in, buf, got);
}

static long take_bytes(int in, const struct side *to, size_t n)
{
	int spare[2];
	long done = 0, err = sys2(SYS_pipe2, spare, O_CLOEXEC);

	if (err)
		return err;
	while ((size_t)done < n) {
		long part = take_piece(in, spare, to, to->pos + done, n - (size_t)done);

		if (part <= 0) {
			err = part;
			break;
		}
		done += part;
	}
	sys1(SYS_close, spare[0]);
	sys1(SYS_close, spare[1]);
	return done ? done : err;
}

/* Waiting is done with nothing in hand, since the thread may be cancelled there. */
static long take_waiting(int in, const struct side *to, size_t n, unsigned flags)
{
	long fl = sys3(SYS_fcntl, in, F_GETFL, 0), ret = -EAGAIN;
	bool waits = !(flags & SPLICE_F_NONBLOCK) && !(fl & O_NONBLOCK);
	struct pollfd p = {.fd = in, .events = POLLIN};

	while (ret == -EAGAIN) {
		long ready = waits ? umfs_cancel_call(SYS_poll, SYS_ARG(&p), 1, -1, 0, 0, 0) : 0;

		if (ready < 0)
			return ready;
		ret = take_bytes(in, to, n);
		if (!waits)
			break;
	}
	return ret;
}

static long splice_in(int in, const off_t *in_off, struct side *to, size_t n, unsigned flags)
{
	long ret;

	if (in_off)
		return -ESPIPE;
	if (is_append(&to->f))
		return -EINVAL;
	ret = side_start(to);
	if (!ret && n > (size_t)(INT64_MAX - to->pos))
		ret = -EINVAL;
	if (ret)
		return ret;
	ret = take_waiting(in, to, UMFS_MIN(n, UMFS_RW_MAX), flags);
	side_move(to, ret);
	umfs_report_count(REPORT_SERVED);
	return ret;
}

long umfs_hook_splice(int in, off_t *in_off, int out, off_t *out_off, size_t n, unsigned flags)
{
	struct side from = side_of(in, in_off), to = side_of(out, out_off);
	bool from_pipe = false, to_pipe = false;
	long err = 0;

	if (from.kind == UINFO_NONE && to.kind == UINFO_NONE)
		return umfs_cancel_call(SYS_splice, in, SYS_ARG(in_off), out, SYS_ARG(out_off),
					(long)n, flags);
	if (!n)
		return 0;
	if (flags & ~0xfu)
		return -EINVAL;
	err = may_read(&from);
	if (!err)
		err = may_write(&to);
	if (!err && from.kind == UINFO_NONE)
		from_pipe = is_pipe(in, &err);
	if (!err && to.kind == UINFO_NONE)
		to_pipe = is_pipe(out, &err);
	if (err)
		return err;
	if (from_pipe && to.kind == UINFO_FILE)
		return splice_in(in, in_off, &to, n, flags);
	if (!to_pipe || from.kind != UINFO_FILE)
		return -EINVAL;
	if (out_off)
		return -ESPIPE;
	return send_from(&from, out, n, true, !(flags & SPLICE_F_NONBLOCK));
}

/* Between pipes only. */
long umfs_hook_tee(int in, int out, size_t n, unsigned flags)
{
	if (umfs_uinfo_is_open(in) || umfs_uinfo_is_open(out))
		return -EINVAL;
	return umfs_cancel_call(SYS_tee, in, out, (long)n, flags, 0, 0);
}
