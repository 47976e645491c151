// SPDX-License-Identifier: BSD-3-Clause
/*
 * dirstream.c - DIR objects for directories of ours.
 *
 * libc's stream functions call the kernel where we can not see it, so streams
 * of ours are objects of our own. They lie in one reserved range of memory,
 * which tells them from libc's and keeps a stale pointer harmless.
 */
#include "hot.h"

#include <linux/mman.h>

#define STREAMS 4096u
#define STREAM_BYTES 16384u

struct stream {
	uint32_t used;
	uint32_t lock;
	int fd;
	size_t at, have; /* in buf */
	long pos;	 /* behind the entry given last */
	char buf[STREAM_BYTES - 64] __attribute__((aligned(16)));
};

static struct stream *streams;
static uint32_t hint;

bool umfs_dir_ours(const DIR *dir)
{
	const struct stream *first = LOAD(&streams);

	return first && (uintptr_t)dir >= (uintptr_t)first &&
	       (uintptr_t)dir < (uintptr_t)(first + STREAMS);
}

/* LOCK_DIRS held. */
static long reserve(void)
{
	long p;

	if (streams)
		return 0;
	p = sys6(SYS_mmap, 0, (long)(STREAMS * sizeof(struct stream)), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p < 0 && p > -4096)
		return p;
	STORE(&streams, (struct stream *)p);
	return 0;
}

static struct stream *take(void)
{
	for (uint32_t i = 0; i < STREAMS; i++) {
		struct stream *s = &streams[(hint + i) % STREAMS];

		if (!s->used) {
			hint = (uint32_t)(s - streams);
			s->used = 1;
			return s;
		}
	}
	return NULL;
}

long umfs_dir_open(int fd, DIR **dir)
{
	struct stream *s = NULL;
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	long err;

	if (kind != UINFO_DIR)
		return kind == UINFO_FILE ? -ENOTDIR : -EBADF;
	umfs_guard_enter();
	umfs_local_lock(LOCK_DIRS);
	err = reserve();
	if (!err)
		s = take();
	umfs_local_unlock(LOCK_DIRS);
	umfs_guard_leave();
	if (!s)
		return err ? err : -ENOMEM;
	s->fd = fd;
	s->at = s->have = 0;
	s->pos = umfs_hook_lseek(fd, 0, SEEK_CUR);
	*dir = (DIR *)s;
	return 0;
}

static struct stream *enter(DIR *dir)
{
	struct stream *s = (struct stream *)dir;

	umfs_guard_enter();
	while (__atomic_exchange_n(&s->lock, 1, __ATOMIC_ACQUIRE))
		sys0(SYS_sched_yield);
	return s;
}

static void leave(struct stream *s)
{
	STORE(&s->lock, 0);
	umfs_guard_leave();
}

long umfs_dir_read(DIR *dir, struct dirent **entry)
{
	struct stream *s = enter(dir);
	long n = 0;

	*entry = NULL;
	if (s->at >= s->have) {
		n = umfs_hook_getdents(s->fd, s->buf, sizeof(s->buf));
		s->at = 0;
		s->have = n > 0 ? (size_t)n : 0;
	}
	if (s->at < s->have) {
		*entry = (struct dirent *)(void *)(s->buf + s->at);
		s->at += (*entry)->d_reclen;
		s->pos = (*entry)->d_off;
	}
	leave(s);
	/* A directory removed under the stream has no more names. */
	return n < 0 && n != -ENOENT ? n : 0;
}

long umfs_dir_close(DIR *dir)
{
	struct stream *s = enter(dir);
	int fd = s->fd;
	bool open = s->used;

	s->fd = -1;
	leave(s);
	if (!open)
		return -EBADF;
	STORE(&s->used, 0);
	return umfs_hook_close(fd);
}

long umfs_dir_seek(DIR *dir, long where)
{
	struct stream *s = enter(dir);
	long ret = umfs_hook_lseek(s->fd, where, SEEK_SET);

	s->at = s->have = 0;
	s->pos = where;
	leave(s);
	return ret < 0 ? ret : 0;
}

long umfs_dir_tell(DIR *dir)
{
	return ((struct stream *)dir)->pos;
}

long umfs_dir_fd(DIR *dir)
{
	return ((struct stream *)dir)->fd;
}
