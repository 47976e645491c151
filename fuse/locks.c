// SPDX-License-Identifier: BSD-3-Clause
/*
 * locks.c - flock and record locks, taken on the shadows that libumfs uses.
 *
 * So they exclude preloaded processes, and others, alike.
 *
 * K1  A record lock belongs to an owner: a process's table of descriptors
 *     (POSIX), or an open file (OFD). Each owner has one description of the
 *     inode's shadow and its locks are OFD locks of that.
 * K2  POSIX locks go with any close by their owner, which the kernel tells by
 *     FLUSH; those of an open file with RELEASE, and nothing tells those apart from
 *     here: by then POSIX ones are gone.
 * K3  Nobody here waits in the kernel: who has to wait is kept in a list that one
 *     thread looks through every few milliseconds and whenever something was
 *     unlocked here. So the mount does not find deadlocks (EDEADLK).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "mount.h"

#define BUCKETS 256u
#define AGAIN_NS 5000000l

struct owner {
	struct owner *next;
	uint32_t ino, generation;
	uint64_t owner;
	struct handle *last; /* through which it asked last */
	pid_t pid;	     /* and who that was */
	int fd;
};

struct waiter {
	struct waiter *next;
	fuse_req_t req;
	struct handle *h;
	uint64_t owner;
	struct flock lock; /* record lock, or ... */
	int how;	   /* flock's operation; -1: a record lock */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* all of this file */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct owner *owners[BUCKETS];
static uint32_t owner_count;
static struct waiter *waiters;

/* ---- owners ---- */

static struct owner **find(const struct umfs_file *f, uint64_t owner)
{
	struct owner **o = &owners[f->ino % BUCKETS];

	while (*o && ((*o)->ino != f->ino || (*o)->generation != f->generation ||
		      (*o)->owner != owner))
		o = &(*o)->next;
	return o;
}

static int make(struct owner **at, const struct umfs_file *f, uint64_t owner)
{
	struct owner *o = malloc(sizeof(*o));
	int fd = o ? pool_shadow_open(&fuse_pool, f->ino, O_RDWR) : -ENOMEM;

	if (fd < 0) {
		free(o);
		return fd == -ENOMEM ? -ENOMEM : -ENOLCK;
	}
	*o = (struct owner){.ino = f->ino, .generation = f->generation, .owner = owner, .fd = fd};
	*at = o;
	__atomic_add_fetch(&owner_count, 1, __ATOMIC_RELAXED);
	return 0;
}

static void drop(struct owner **at)
{
	struct owner *o = *at;

	*at = o->next;
	close(o->fd);
	free(o);
	__atomic_sub_fetch(&owner_count, 1, __ATOMIC_RELAXED);
	pthread_cond_signal(&changed);
}

void locks_flush(const struct umfs_file *f, uint64_t owner)
{
	struct owner **o;

	if (!__atomic_load_n(&owner_count, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&mutex);
	o = find(f, owner);
	if (*o)
		drop(o);
	pthread_mutex_unlock(&mutex);
}

void locks_release(struct handle *h)
{
	struct owner **o = &owners[h->file.ino % BUCKETS];

	if (h->flock_fd < 0 && !h->has_locks)
		return;
	pthread_mutex_lock(&mutex);
	if (h->flock_fd >= 0)
		close(h->flock_fd);
	while (*o) {
		if ((*o)->last == h)
			drop(o);
		else
			o = &(*o)->next;
	}
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
}

/* ---- trying; the mutex is held ---- */

static int try_record(struct handle *h, uint64_t owner, const struct flock *lock)
{
	struct owner **o = find(&h->file, owner);
	struct flock fl = *lock;
	int err = 0;

	if (!*o && lock->l_type == F_UNLCK)
		return 0;
	if (!*o)
		err = make(o, &h->file, owner);
	if (err)
		return err;
	(*o)->last = h;
	(*o)->pid = lock->l_pid;
	h->has_locks = true;
	fl.l_pid = 0;
	err = fcntl((*o)->fd, F_OFD_SETLK, &fl) ? -errno : 0;
	if (!err && lock->l_type != F_WRLCK)
		pthread_cond_signal(&changed);
	return err == -EACCES ? -EAGAIN : err;
}

static int try_flock(struct handle *h, int how)
{
	if (h->flock_fd < 0 && (how & LOCK_UN))
		return 0;
	if (h->flock_fd < 0)
		h->flock_fd = pool_shadow_open(&fuse_pool, h->file.ino, O_RDWR);
	if (h->flock_fd < 0)
		return -ENOLCK;
	if (flock(h->flock_fd, how | LOCK_NB))
		return -errno;
	if (!(how & LOCK_EX))
		pthread_cond_signal(&changed);
	return 0;
}

static int try_again(const struct waiter *w)
{
	return w->how < 0 ? try_record(w->h, w->owner, &w->lock) : try_flock(w->h, w->how);
}

/* ---- waiting ---- */

/* 0: it waits, and is answered later. */
static int wait_for(fuse_req_t req, const struct waiter *like)
{
	struct waiter *w = malloc(sizeof(*w)), **last = &waiters;

	if (!w)
		return -ENOLCK;
	*w = *like;
	w->req = req;
	w->next = NULL;
	while (*last)
		last = &(*last)->next;
	*last = w;
	pthread_cond_signal(&changed);
	return 0;
}

static void ask(fuse_req_t req, const struct waiter *w, bool sleep)
{
	int err;

	pthread_mutex_lock(&mutex);
	err = try_again(w);
	if (err == -EAGAIN && sleep && !wait_for(req, w)) {
		pthread_mutex_unlock(&mutex);
		return;
	}
	pthread_mutex_unlock(&mutex);
	fuse_reply_err(req, -err);
}

static void look_through(void)
{
	struct waiter **at = &waiters;

	while (*at) {
		struct waiter *w = *at;
		int err = fuse_req_interrupted(w->req) ? -EINTR : try_again(w);

		if (err == -EAGAIN) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		fuse_reply_err(w->req, -err);
		free(w);
	}
}

static void *waiting(void *unused)
{
	pthread_mutex_lock(&mutex);
	for (;;) {
		struct timespec until;

		if (!waiters) {
			pthread_cond_wait(&changed, &mutex);
			continue;
		}
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += AGAIN_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&changed, &mutex, &until);
		look_through();
	}
	return unused;
}

void locks_start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, waiting, NULL) == 0)
		pthread_detach(thread);
}

/* ---- requests ---- */

static void op_setlk(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi, struct flock *lock,
		     int sleep)
{
	struct waiter w = {
		.h = handle_of(fi), .owner = fi->lock_owner, .lock = *lock, .how = -1};

	(void)id;
	ask(req, &w, sleep);
}

static void op_flock(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi, int how)
{
	struct waiter w = {.h = handle_of(fi), .how = how & ~LOCK_NB};

	(void)id;
	ask(req, &w, !(how & LOCK_NB));
}

static bool same_range(const struct flock *a, const struct flock *b)
{
	return a->l_type != F_UNLCK && a->l_start == b->l_start && a->l_len == b->l_len;
}

/*
 * Locks of the owners here are OFD locks to the kernel, which does not say whose: it
 * is the owner that does not find this lock in its way.
 */
static pid_t whose(const struct umfs_file *f, const struct flock *lock)
{
	for (struct owner *o = owners[f->ino % BUCKETS]; o; o = o->next) {
		struct flock fl = *lock;

		fl.l_type = F_WRLCK;
		fl.l_pid = 0;
		if (o->ino == f->ino && !fcntl(o->fd, F_OFD_GETLK, &fl) && !same_range(&fl, lock))
			return o->pid;
	}
	return 0;
}

/* Asked through the owner's own description, whose locks do not count, or one for this. */
static int find_lock(struct handle *h, uint64_t owner, struct flock *lock)
{
	struct owner *o = *find(&h->file, owner);
	int fd = o ? o->fd : pool_shadow_open(&fuse_pool, h->file.ino, O_RDWR);
	int err = 0;

	if (fd < 0)
		return -ENOLCK;
	lock->l_pid = 0;
	if (fcntl(fd, F_OFD_GETLK, lock))
		err = -errno;
	if (!err && lock->l_type != F_UNLCK && lock->l_pid < 0)
		lock->l_pid = whose(&h->file, lock);
	if (!o)
		close(fd);
	return err;
}

static void op_getlk(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi, struct flock *lock)
{
	int err;

	(void)id;
	pthread_mutex_lock(&mutex);
	err = find_lock(handle_of(fi), fi->lock_owner, lock);
	pthread_mutex_unlock(&mutex);
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_lock(req, lock);
}

void ops_lock_add(struct fuse_lowlevel_ops *ops)
{
	ops->getlk = op_getlk;
	ops->setlk = op_setlk;
	ops->flock = op_flock;
}
