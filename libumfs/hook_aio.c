// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_aio.c - asynchronous requests of the kernel's: io_submit (io_uring: ring.c).
 *
 * (POSIX aio needs nothing: libc's runs on threads that call pread and pwrite.)
 *
 * A request on a file of ours is done inside io_submit, as the kernel does it for
 * files in memory. Its completion has to come out of the kernel's ring, in order with
 * the others: the ring lies in the program's memory and some programs read it
 * themselves, waiters sleep in the kernel, and an eventfd may go with it. So the
 * request then goes to the kernel as a write of as many bytes to /dev/null, which
 * gives the same result, with the program's own request as the event's name.
 *
 *  A1  The program's request is changed only from before that call until after it,
 *      and differs then in what the kernel copies and gives back nowhere. By the end of
 *      the call another thread may have the event, and the request be in use for the
 *      next one, or freed: what is still as it was made for the call is put back, and
 *      nothing else.
 *  A2  A request that failed makes no event: io_submit returns the error, or the
 *      number of those before it.
 */
#include <linux/aio_abi.h>
#include <poll.h>

#include "hooks.h"
#include "hot.h"
#include "internal.h"

#define FILE_READY (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

static long serve(const struct iocb *cb)
{
	int fd = (int)cb->aio_fildes, flags = (int)cb->aio_rw_flags;
	void *buf = (void *)(uintptr_t)cb->aio_buf;
	struct iovec one = {buf, cb->aio_nbytes};

	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
		return umfs_hook_readv(fd, &one, 1, true, cb->aio_offset, flags);
	case IOCB_CMD_PWRITE:
		return umfs_hook_writev(fd, &one, 1, true, cb->aio_offset, flags);
	case IOCB_CMD_PREADV:
		return umfs_hook_readv(fd, buf, (int)cb->aio_nbytes, true, cb->aio_offset, flags);
	case IOCB_CMD_PWRITEV:
		return umfs_hook_writev(fd, buf, (int)cb->aio_nbytes, true, cb->aio_offset, flags);
	case IOCB_CMD_FSYNC:
	case IOCB_CMD_FDSYNC:
		return umfs_hook_fsync(fd, cb->aio_lio_opcode == IOCB_CMD_FDSYNC);
	case IOCB_CMD_POLL:
		return (long)(cb->aio_buf & FILE_READY);
	default:
		return -EINVAL;
	}
}

/* What is malformed the kernel refuses before it looks at the descriptor. */
static bool is_malformed(const struct iocb *cb)
{
	return cb->aio_reserved2 || (int64_t)cb->aio_nbytes < 0;
}

static bool is_vector(const struct iocb *cb)
{
	return cb->aio_lio_opcode == IOCB_CMD_PREADV || cb->aio_lio_opcode == IOCB_CMD_PWRITEV;
}

/* A request and its words. MARK has operation and descriptor: nobody else uses that one. */
union words {
	struct iocb cb;
	uint64_t word[8];
};
#define MARK (offsetof(struct iocb, aio_lio_opcode) / sizeof(uint64_t))
_Static_assert(sizeof(union words) == sizeof(struct iocb), "all of it");
_Static_assert(offsetof(struct iocb, aio_fildes) / sizeof(uint64_t) == MARK, "one word");

/* A request that ends at once with that result, and tells the same of itself. */
static union words stand_in(const struct iocb *cb, int null, long result)
{
	union words s = {.cb = *cb};

	s.cb.aio_fildes = (uint32_t)null;
	s.cb.aio_rw_flags = 0;
	if (cb->aio_lio_opcode == IOCB_CMD_POLL)
		return s; /* /dev/null is as ready as a file */
	s.cb.aio_lio_opcode = IOCB_CMD_PWRITE;
	s.cb.aio_nbytes = (uint64_t)result;
	if (is_vector(cb))
		s.cb.aio_buf = 0; /* nobody reads it, but so much could not be there */
	return s;
}

/* A1. The mark goes last: as long as it is there the program has not begun to change it. */
static void put_back(struct iocb *user, const union words *s, const struct iocb *cb)
{
	union words was = {.cb = *cb};
	uint64_t *word = (uint64_t *)user, mark;

	if (port_copy_out(&mark, word + MARK, sizeof(mark)) || mark != s->word[MARK])
		return;
	for (size_t i = 0; i < UMFS_ARRAY_LEN(was.word); i++)
		if (i != MARK && was.word[i] != s->word[i])
			(void)port_swap_out(word + i, s->word[i], was.word[i]);
	(void)port_swap_out(word + MARK, s->word[MARK], was.word[MARK]);
}

static long submit_kernel(unsigned long ctx, long n, void **iocbs)
{
	return sys3(SYS_io_submit, ctx, n, iocbs);
}

/* 1 or -errno. A handler of the program's must not find its request changed: the guard. */
static long submit_result(unsigned long ctx, struct iocb *user, struct iocb *cb, int null,
			  long result)
{
	void *list[] = {user};
	union words s;
	long ret;

	cb->aio_key = 0; /* what the kernel writes there */
	s = stand_in(cb, null, result);
	umfs_guard_enter();
	ret = port_copy_out(user, &s, sizeof(s)) ? -EFAULT : submit_kernel(ctx, 1, list);
	put_back(user, &s, cb);
	umfs_guard_leave();
	return ret;
}

static long submit_ours(unsigned long ctx, struct iocb *user, struct iocb *cb)
{
	int null = umfs_place_null();
	long ret = null < 0 ? null : submit_kernel(ctx, 0, NULL); /* is there such a context? */

	if (!ret)
		ret = serve(cb);
	return ret < 0 ? ret : submit_result(ctx, user, cb, null, ret);
}

/* The request at `at` of the caller's list, when it is on a descriptor of ours. */
static bool fetch_ours(void **at, struct iocb **user, struct iocb *cb)
{
	return !port_copy_out(user, at, sizeof(*user)) &&
	       !port_copy_out(cb, *user, sizeof(*cb)) && !is_malformed(cb) &&
	       umfs_uinfo_is_open((int)cb->aio_fildes);
}

long umfs_hook_io_submit(unsigned long ctx, long n, void **iocbs)
{
	long done = 0, ret = 0;
	struct iocb *user, cb;

	if (n <= 0 || !umfs_uinfo_open_count())
		return submit_kernel(ctx, n, iocbs);
	while (done < n) {
		long from = done, want;

		while (done < n && !fetch_ours(iocbs + done, &user, &cb))
			done++;
		want = done - from;
		if (want) {
			ret = submit_kernel(ctx, want, iocbs + from);
			if (ret < want)
				return ret < 0 && from ? from : from + ret;
		}
		if (done == n)
			break;
		ret = submit_ours(ctx, user, &cb);
		if (ret < 0)
			return done ? done : ret;
		done++;
	}
	return done;
}
