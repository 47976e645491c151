// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_poll.c - waiting for descriptors: poll, select, epoll.
 *
 * Files and directories can always be read and written, so that a call with one
 * of ours among its descriptors waits only where it asks of ours what never
 * comes. The kernel is asked about the others, with ours taken out: it would
 * say of the placeholders that they are not open. One opened with O_PATH is what
 * the kernel takes it for.
 */
#include <linux/mman.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "hooks.h"
#include "internal.h"

#define ALWAYS (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)
#define STACK_FDS 32u
#define SET_WORDS (FD_SETSIZE / 64)

static bool waits_for_file(int fd)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	return kind == UINFO_FILE || kind == UINFO_DIR;
}

/* Working memory where the stack's does not do: or -errno. */
static long room_get(size_t bytes)
{
	return sys6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
}

/* ---- poll ---- */

struct poll_call {
	struct pollfd *user;
	nfds_t count;
	bool precise; /* ppoll */
	int timeout_ms;
	const struct timespec *timeout;
	const sigset_t *mask;
};

static long kernel_poll(const struct poll_call *c, struct pollfd *fds, bool now)
{
	struct timespec ts = {0, 0};

	if (!c->precise)
		return umfs_cancel_call(SYS_poll, SYS_ARG(fds), (long)c->count,
					now ? 0 : c->timeout_ms, 0, 0, 0);
	/* The system call writes what is left of the time; libc's does not. */
	if (c->timeout && !now && port_copy_out(&ts, c->timeout, sizeof(ts)))
		return -EFAULT;
	return umfs_cancel_call(SYS_ppoll, SYS_ARG(fds), (long)c->count,
				c->timeout || now ? SYS_ARG(&ts) : 0, SYS_ARG(c->mask),
				_NSIG / 8, 0);
}

/* Any of ours among them? */
static bool poll_has_ours(const struct poll_call *c)
{
	struct pollfd some[STACK_FDS];

	for (nfds_t i = 0; i < c->count; i += STACK_FDS) {
		nfds_t n = UMFS_MIN(c->count - i, STACK_FDS);

		if (port_copy_out(some, c->user + i, n * sizeof(some[0])))
			return false;
		for (nfds_t k = 0; k < n; k++)
			if (waits_for_file(some[k].fd))
				return true;
	}
	return false;
}

/* A descriptor of ours becomes ~fd, which the kernel passes over; NOBODY: so did the caller's. */
#define NOBODY INT_MIN

static bool taken_out(const struct pollfd *p)
{
	return p->fd < 0 && p->fd != NOBODY;
}

/* How many of ours are ready. */
static long take_out(struct pollfd *fds, nfds_t count)
{
	long ready = 0;

	for (nfds_t i = 0; i < count; i++) {
		if (fds[i].fd < 0) {
			fds[i].fd = NOBODY;
		} else if (waits_for_file(fds[i].fd)) {
			fds[i].fd = ~fds[i].fd;
			ready += (fds[i].events & ALWAYS) != 0;
		}
	}
	return ready;
}

/* fds: memory for a copy. */
static long poll_mixed(const struct poll_call *c, struct pollfd *fds)
{
	long ret, ready;

	/* The kernel knows what else is wrong with it. */
	if (port_copy_out(fds, c->user, c->count * sizeof(*fds)))
		return kernel_poll(c, c->user, false);
	ready = take_out(fds, c->count);
	ret = kernel_poll(c, fds, ready);
	if (ret < 0)
		return ret;
	for (nfds_t i = 0; i < c->count; i++) {
		short got = taken_out(&fds[i]) ? fds[i].events & ALWAYS : fds[i].revents;

		if (port_copy_out(&c->user[i].revents, &got, sizeof(got)))
			return -EFAULT;
	}
	return ret + ready;
}

static __attribute__((noinline)) long poll_few(const struct poll_call *c)
{
	struct pollfd fds[STACK_FDS];

	return poll_mixed(c, fds);
}

static long do_poll(const struct poll_call *c)
{
	size_t bytes = c->count * sizeof(struct pollfd);
	long at, ret;

	/* More than can be open: the kernel says so. */
	if (!umfs_uinfo_open_count() || c->count > umfs_uinfo_count || !poll_has_ours(c))
		return kernel_poll(c, c->user, false);
	umfs_report_count(REPORT_SERVED);
	if (c->count <= STACK_FDS)
		return poll_few(c);
	at = room_get(bytes);
	if (at < 0 && at > -4096)
		return at;
	ret = poll_mixed(c, (struct pollfd *)at);
	sys2(SYS_munmap, at, bytes);
	return ret;
}

long umfs_hook_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct poll_call c = {.user = fds, .count = count, .timeout_ms = timeout_ms};

	return do_poll(&c);
}

long umfs_hook_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
		     const sigset_t *mask)
{
	struct poll_call c = {
		.user = fds, .count = count, .precise = true, .timeout = timeout, .mask = mask};

	return do_poll(&c);
}

/* ---- select ---- */

enum { READ, WRITE, EXCEPT, SETS };

struct select_call {
	int count;
	uint64_t *user[SETS];
	bool precise; /* pselect */
	struct timeval *timeval;
	const struct timespec *timeout;
	const sigset_t *mask;
};

/* Bits of one call, each set `words` long. */
struct select_room {
	size_t words;
	uint64_t *asked[SETS]; /* of the kernel; then its answer */
	uint64_t *ours[SETS];  /* ready by themselves */
};

static long kernel_select(const struct select_call *c, uint64_t *const *sets, bool now)
{
	struct timeval none = {0, 0};
	struct timespec ts = {0, 0};
	struct {
		const sigset_t *mask;
		size_t bytes;
	} mask = {c->mask, _NSIG / 8};

	if (!c->precise)
		return umfs_cancel_call(SYS_select, c->count, SYS_ARG(sets[READ]),
					SYS_ARG(sets[WRITE]), SYS_ARG(sets[EXCEPT]),
					now ? SYS_ARG(&none) : SYS_ARG(c->timeval), 0);
	if (c->timeout && !now && port_copy_out(&ts, c->timeout, sizeof(ts)))
		return -EFAULT;
	return umfs_cancel_call(SYS_pselect6, c->count, SYS_ARG(sets[READ]), SYS_ARG(sets[WRITE]),
				SYS_ARG(sets[EXCEPT]), c->timeout || now ? SYS_ARG(&ts) : 0,
				SYS_ARG(&mask));
}

/* Take ours out of one set: how many there are. */
static long split(uint64_t *asked, uint64_t *ours, size_t words, int count)
{
	long n = 0;

	for (size_t w = 0; w < words; w++) {
		ours[w] = 0;
		for (uint64_t left = asked[w]; left; left &= left - 1) {
			uint64_t bit = left & -left;
			int fd = (int)w * 64 + __builtin_ctzll(left);

			if (fd < count && waits_for_file(fd)) {
				ours[w] |= bit;
				n++;
			}
		}
		asked[w] &= ~ours[w];
	}
	return n;
}

static long select_mixed(const struct select_call *c, const struct select_room *r)
{
	uint64_t *sets[SETS];
	long found = 0, ready = 0, ret;

	for (int i = 0; i < SETS; i++) {
		long n;

		sets[i] = c->user[i] ? r->asked[i] : NULL;
		if (!sets[i])
			continue;
		if (port_copy_out(sets[i], c->user[i], r->words * 8))
			return -EFAULT;
		n = split(sets[i], r->ours[i], r->words, c->count);
		found += n;
		ready += i == EXCEPT ? 0 : n;
	}
	if (!found)
		return kernel_select(c, c->user, false);
	umfs_report_count(REPORT_SERVED);
	ret = kernel_select(c, sets, ready);
	for (int i = 0; i < SETS && ret >= 0; i++) {
		for (size_t w = 0; sets[i] && i != EXCEPT && w < r->words; w++)
			sets[i][w] |= r->ours[i][w];
		if (sets[i] && port_copy_out(c->user[i], sets[i], r->words * 8))
			return -EFAULT;
	}
	return ret < 0 ? ret : ret + ready;
}

static void room_init(struct select_room *r, uint64_t *memory, size_t words)
{
	r->words = words;
	for (size_t i = 0; i < SETS; i++) {
		r->asked[i] = memory + i * words;
		r->ours[i] = memory + (SETS + i) * words;
	}
}

static __attribute__((noinline)) long select_few(const struct select_call *c, size_t words)
{
	uint64_t memory[2 * SETS * SET_WORDS];
	struct select_room r;

	room_init(&r, memory, words);
	return select_mixed(c, &r);
}

static long do_select(const struct select_call *c)
{
	size_t words = ((size_t)c->count + 63) / 64;
	struct select_room r;
	long at, ret;

	if (!umfs_uinfo_open_count() || c->count <= 0 || (uint32_t)c->count > umfs_uinfo_count)
		return kernel_select(c, c->user, false);
	if (words <= SET_WORDS)
		return select_few(c, words);
	at = room_get(2 * SETS * words * 8);
	if (at < 0 && at > -4096)
		return at;
	room_init(&r, (uint64_t *)at, words);
	ret = select_mixed(c, &r);
	sys2(SYS_munmap, at, 2 * SETS * words * 8);
	return ret;
}

long umfs_hook_select(int count, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
	struct select_call c = {.count = count,
				.user = {(void *)r, (void *)w, (void *)e},
				.timeval = timeout};

	return do_select(&c);
}

long umfs_hook_pselect(int count, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
		       const sigset_t *mask)
{
	struct select_call c = {.count = count,
				.user = {(void *)r, (void *)w, (void *)e},
				.precise = true,
				.timeout = timeout,
				.mask = mask};

	return do_select(&c);
}

/* ---- epoll: the kernel takes no files that are always ready ---- */

long umfs_hook_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (waits_for_file(fd))
		return -EPERM;
	if (waits_for_file(epfd))
		return -EINVAL;
	return sys4(SYS_epoll_ctl, epfd, op, fd, event);
}
