// SPDX-License-Identifier: BSD-3-Clause
/*
 * loop.c - requests are read by workers and answered by who read them.
 *
 * A request may have to wait for a lock in the pool whose owner, a process of a
 * user's, is stopped. Nobody else is to wait for that:
 *
 * L1  While there is a request to read there is a worker to read it: who takes one
 *     and finds nobody else reading starts another worker, up to WORKERS_MAX.
 * L2  A request that has run for STUCK_NS makes its node a stuck one. Further
 *     requests for that node are parked, and take no worker. So at most those
 *     that came within STUCK_NS are workers lost to one stopped process; and once
 *     WORKERS_MANY are at work, whatever comes for a node that somebody works on
 *     is parked at once, so that one node can not take all of them.
 * L3  Whoever finishes a request answers what is parked for nodes that no longer are
 *     stuck, in the order it came. So nothing is parked for ever: a parked request has
 *     a worker on its node that will finish.
 * L4  Once loop_close() has found nobody at work no request is begun: the pool may go,
 *     though some were read already. Who asked hears that the mount is gone.
 *
 * What is left: WORKERS_MAX - WORKERS_MANY different nodes whose owners are all
 * stopped would keep the mount until one of them goes on.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "mount.h"

#define WORKERS_MAX 256u
#define WORKERS_MANY 192u
#define READERS_KEPT 4u
#define STUCK_NS 100000000ull
#define STACK_BYTES (256u << 10)
#define LEAVE_MS 1000
#define OPCODE_STATX 52u /* later than libfuse and the headers; answered with ENOSYS */

struct parked {
	struct parked *next;
	struct fuse_buf buf;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct fuse_session *session;
static int ended; /* eventfd: the last reader has left */
/* Under the mutex: */
static struct {
	uint64_t node;
	uint64_t since_ns; /* 0: nobody */
} work[WORKERS_MAX];
static uint32_t workers, readers, busy;
static bool closed; /* L4 */
static struct parked *first_parked;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Is a request for that node to be kept for later? */
static bool stuck(uint64_t node)
{
	uint64_t now = now_ns(), patience = busy >= WORKERS_MANY ? 0 : STUCK_NS;

	for (uint32_t i = 0; i < WORKERS_MAX; i++)
		if (work[i].since_ns && work[i].node == node && now - work[i].since_ns >= patience)
			return true;
	return false;
}

static const struct fuse_in_header *header(const struct fuse_buf *buf)
{
	return buf->mem;
}

/*
 * What is never parked: it ends the waiting of others, or it waits for no lock of an
 * inode, or for milliseconds (core/getattr.c), so that `ls -l` works beside who is stopped.
 */
static bool urgent(const struct fuse_buf *buf)
{
	switch (header(buf)->opcode) {
	case FUSE_INTERRUPT:
	case FUSE_INIT:
	case FUSE_DESTROY:
	case FUSE_STATFS:
	case FUSE_GETATTR:
	case OPCODE_STATX:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
	case FUSE_FLUSH:
		return true;
	default:
		return false;
	}
}

static bool park(struct fuse_buf *buf)
{
	struct parked *p, **last = &first_parked;

	if (urgent(buf) || !stuck(header(buf)->nodeid))
		return false;
	p = malloc(sizeof(*p));
	if (!p)
		return false;
	p->next = NULL;
	p->buf = *buf;
	buf->mem = NULL;
	while (*last)
		last = &(*last)->next;
	*last = p;
	return true;
}

static bool unpark(struct fuse_buf *buf)
{
	for (struct parked **at = &first_parked; *at; at = &(*at)->next) {
		struct parked *p = *at;

		if (stuck(header(&p->buf)->nodeid))
			continue;
		*at = p->next;
		*buf = p->buf;
		free(p);
		return true;
	}
	return false;
}

/*
 * Who asks has CAP_FSETID. Of writes the kernel says it; truncation and the like are
 * taken to be root's, if root's.
 */
static bool keeps_setid(const struct fuse_buf *buf)
{
	const struct fuse_write_in *in = (const void *)(header(buf) + 1);

	if (header(buf)->opcode == FUSE_WRITE && buf->size >= sizeof(*header(buf)) + sizeof(*in))
		return !(in->write_flags & FUSE_WRITE_KILL_SUIDGID);
	return !header(buf)->uid;
}

static void answer(const struct fuse_buf *buf)
{
	pool_keep_setid(keeps_setid(buf));
	if (header(buf)->opcode == OPCODE_TMPFILE)
		tmpfile_answer(session, buf->mem, buf->size);
	else
		fuse_session_process_buf(session, buf);
}

/* The mutex is held, but not while it is answered. */
static void do_work(uint32_t self, const struct fuse_buf *buf)
{
	work[self].node = header(buf)->nodeid;
	work[self].since_ns = now_ns();
	busy++;
	pthread_mutex_unlock(&mutex);
	answer(buf);
	pthread_mutex_lock(&mutex);
	busy--;
	work[self].since_ns = 0;
}

static void *worker(void *arg);

/* The mutex is held. With no memory for one more there is one less. */
static void start_worker(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (workers == WORKERS_MAX)
		return;
	workers++;
	readers++;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, worker, NULL)) {
		workers--;
		readers--;
	}
	pthread_attr_destroy(&attr);
}

/* A place in work[]: there are as many as workers. */
static uint32_t take_place(void)
{
	uint32_t i = 0;

	while (work[i].since_ns)
		i++;
	return i;
}

static void serve(struct fuse_buf *buf)
{
	uint32_t self;

	if (park(buf))
		return;
	self = take_place();
	do_work(self, buf);
	if (!first_parked)
		return;
	free(buf->mem);
	buf->mem = NULL;
	while (unpark(buf)) {
		self = take_place();
		do_work(self, buf);
		free(buf->mem);
		buf->mem = NULL;
	}
}

static void *worker(void *arg)
{
	struct fuse_buf buf = {.mem = NULL};
	int n;

	for (;;) {
		n = fuse_session_receive_buf(session, &buf);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		pthread_mutex_lock(&mutex);
		readers--;
		if (n <= 0 || closed)
			break;
		if (!readers)
			start_worker();
		serve(&buf);
		if (readers >= READERS_KEPT)
			break;
		readers++;
		pthread_mutex_unlock(&mutex);
	}
	workers--;
	if (n <= 0) {
		fuse_session_exit(session);
		(void)!eventfd_write(ended, 1);
	}
	pthread_mutex_unlock(&mutex);
	free(buf.mem);
	return arg;
}

static bool close_idle(void)
{
	bool now;

	pthread_mutex_lock(&mutex);
	now = closed = !busy;
	pthread_mutex_unlock(&mutex);
	return now;
}

bool loop_close(void)
{
	int i;

	for (i = 0; !close_idle() && i < LEAVE_MS; i++)
		poll(NULL, 0, 1);
	return i < LEAVE_MS;
}

void loop_run(struct fuse_session *se, int stop)
{
	struct pollfd fds[2] = {{.fd = stop, .events = POLLIN}, {.events = POLLIN}};

	session = se;
	ended = fds[1].fd = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_lock(&mutex);
	start_worker();
	pthread_mutex_unlock(&mutex);
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	fuse_session_exit(se);
	fuse_session_unmount(se);
}
