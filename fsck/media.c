// SPDX-License-Identifier: BSD-3-Clause
/*
 * media.c - the pool, opened so that nobody attaches meanwhile, and read so
 * that a page which can not be read is a finding and not the end of fsck.
 *
 * With -n the mapping is private: recovery and whatever else stores there goes
 * into copies of the pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsck.h"

#define LOST_MAX 64

/* Pages that raised SIGBUS: each was replaced by a page of zeros of our own. */
static struct {
	uint8_t *base;
	uint64_t bytes;
	uint64_t page[LOST_MAX];
	int count; /* also more than there is room for; several threads may add to it */
} lost;

static void say_and_leave(const char *text)
{
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

	(void)ignored;
	_exit(EXIT_ERROR);
}

static void on_bus_error(int sig, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;
	uint64_t page;
	int n;

	(void)sig;
	(void)context;
	if (!lost.base || at < lost.base || at >= lost.base + lost.bytes)
		say_and_leave("fsck.umfs: bus error\n");
	page = (uint64_t)(at - lost.base) >> UMFS_PAGE_SHIFT;
	if (mmap(lost.base + (page << UMFS_PAGE_SHIFT), UMFS_PAGE_BYTES, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		say_and_leave("fsck.umfs: the pool can not be read\n");
	n = __atomic_fetch_add(&lost.count, 1, __ATOMIC_RELAXED);
	if (n < LOST_MAX)
		lost.page[n] = page;
}

bool media_lost(const struct fsck *c)
{
	return __atomic_load_n(&lost.count, __ATOMIC_RELAXED) || c->unread;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void media_report(struct fsck *c)
{
	int count = lost.count < LOST_MAX ? lost.count : LOST_MAX;

	qsort(lost.page, (size_t)count, sizeof(lost.page[0]), by_number);
	for (int i = 0; i < count; i++)
		problem(c, PR_POOL_READ, object("page", lost.page[i]), NULL);
	if (lost.count)
		c->unsure = c->unread = c->hidden = true;
	lost.count = 0;
}

static void guard(struct fsck *c)
{
	struct sigaction act = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

	lost.base = c->base;
	lost.bytes = c->pool.fs.bytes;
	sigaction(SIGBUS, &act, NULL);
}

/*
 * Keep attachers out: the attach lock is held until exit (shared where the pool
 * may only be read), and no slot's byte is locked by anybody.
 */
static int shut_out(struct fsck *c)
{
	struct flock lock = { .l_whence = SEEK_SET, .l_start = (off_t)UMFS_LOCK_ATTACH,
			      .l_len = 1 };
	int writable = c->mode != FSCK_CHECK;
	struct stat st;
	/* A block device for us alone: the kernel may have it mounted or attached. */
	int alone = !stat(c->path, &st) && S_ISBLK(st.st_mode) ? O_EXCL : 0;
	int fd = open(c->path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | alone);

	if (fd < 0) {
		snprintf(c->error, sizeof(c->error), "%s",
			 errno == EBUSY ? "the device is in use" : strerror(errno));
		return EXIT_ERROR;
	}
	lock.l_type = writable ? F_WRLCK : F_RDLCK;
	if (fcntl(fd, F_OFD_SETLK, &lock)) {
		snprintf(c->error, sizeof(c->error), "%s",
			 errno == EAGAIN || errno == EACCES
				 ? "the pool is in use: somebody is attaching to it or checking it"
				 : strerror(errno));
		close(fd);
		return EXIT_ERROR;
	}
	lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET,
			       .l_start = (off_t)UMFS_LOCK_SLOTS, .l_len = UMFS_SLOTS_MAX };
	if (fcntl(fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK) {
		snprintf(c->error, sizeof(c->error),
			 "the pool is in use: a process is attached to it (slot %lld)",
			 (long long)lock.l_start - (long long)UMFS_LOCK_SLOTS);
		close(fd);
		return EXIT_ERROR;
	}
	/* The descriptor stays open, and with it the lock, until this process ends. */
	return 0;
}

int media_open(struct fsck *c)
{
	int err;

	err = shut_out(c);
	if (err)
		return err;
	err = pool_map(&c->pool, c->path, POOL_BLOCK | (c->mode == FSCK_CHECK ? POOL_READONLY : 0));
	if (err) {
		snprintf(c->error, sizeof(c->error), "%s", pool_strerror(err));
		return EXIT_ERROR;
	}
	c->base = c->pool.fs.base;
	guard(c);
	return 0;
}

bool media_data(const struct fsck *c, uint64_t page, uint64_t count)
{
	off_t at = (off_t)(page << UMFS_PAGE_SHIFT);
	off_t data = lseek(c->pool.fd, at, SEEK_DATA);

	if (data < 0)
		return errno != ENXIO;
	return data < at + (off_t)(count << UMFS_PAGE_SHIFT);
}

void media_close(struct fsck *c)
{
	if (c->base)
		pool_close(&c->pool);
	c->base = NULL;
	lost.base = NULL;
}

void media_sync(struct fsck *c, const void *p, size_t n)
{
	uintptr_t from = (uintptr_t)p & ~(uintptr_t)UMFS_PAGE_MASK;
	uintptr_t to = ((uintptr_t)p + n + UMFS_PAGE_MASK) & ~(uintptr_t)UMFS_PAGE_MASK;

	if (c->mode == FSCK_CHECK)
		return;
	port_flush_lines(p, n);
	port_fence();
	msync((void *)from, to - from, MS_SYNC);
}

void progress(struct fsck *c, unsigned int pass, uint64_t now, uint64_t max)
{
	if (c->progress_fd >= 0)
		dprintf(c->progress_fd, "%u %llu %llu %s\n", pass, (unsigned long long)now,
			(unsigned long long)max, c->path);
}
