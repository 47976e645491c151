// SPDX-License-Identifier: BSD-3-Clause
/*
 * back.c - memory under a sparse pool file.
 *
 * A store to a page that its file system can not supply is a SIGBUS, so core
 * asks for memory before it uses a 2 MiB unit. The cheapest way to a unit that
 * is a huge page, on tmpfs: allocate its first 4 KiB, touch them, and have the
 * kernel collapse the rest, holes included (measured: 174 us with warm memory;
 * 512 small pages 560 us, and collapsing those 630 us more).
 */
#include "port_own.h"
#include "sys.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/statfs.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define COLLAPSE_FAILS_MAX 4 /* refused so often in a row, it is not asked for again */
#define EINTR_RETRIES 8
#define PIECE_BYTES (64u << 10)

uint32_t port_quiet PORT_START;

/* Without a system call: what is touched is there, or it is a fault that the copy answers. */
static int touch(const struct pool *p, uint64_t off, uint64_t end)
{
	uint8_t byte;

	for (; off < end; off += UMFS_PAGE_BYTES)
		if (port_copy_out(&byte, p->fs.base + off, sizeof(byte)))
			return -ENOSPC;
	return 0;
}

static long allocate(int fd, int mode, uint64_t off, uint64_t n)
{
	return sys4(SYS_fallocate, fd, mode, off, n);
}

/*
 * tmpfs gives up, and takes back what it did, when a signal comes: after some
 * tries in pieces small enough to get through between two signals.
 */
int port_fill(int fd, uint64_t off, uint64_t n)
{
	long err = -EINTR;
	uint64_t done;
	int i;

	for (i = 0; i < EINTR_RETRIES && err == -EINTR; i++)
		err = allocate(fd, 0, off, n);
	for (done = 0; err == -EINTR && done < n;) {
		long piece = allocate(fd, 0, off + done, UMFS_MIN(n - done, PIECE_BYTES));

		if (piece == -EINTR)
			continue;
		if (piece)
			err = piece;
		done += PIECE_BYTES;
	}
	return err == -EINTR ? 0 : (int)err;
}

static bool has_data(int fd, uint64_t off)
{
	return sys3(SYS_lseek, fd, off, SEEK_DATA) == (long)off;
}

/* The unit at `off` as one huge page: 0, or why not. *fresh: its first page was not there before. */
static int collapse(struct pool *p, int fd, uint64_t off, bool *fresh)
{
	volatile const uint8_t *first = p->fs.base + off;
	int err;

	*fresh = !has_data(fd, off);
	err = port_fill(fd, off, UMFS_PAGE_BYTES);
	if (err)
		return err;
	(void)*first;
	return (int)sys3(SYS_madvise, p->fs.base + off, UMFS_UNIT_BYTES, MADV_COLLAPSE);
}

static int back_unit(struct pool *p, int fd, uint64_t off)
{
	bool fresh = false;
	int refused = 0, err;

	if (p->collapse_fails < COLLAPSE_FAILS_MAX) {
		refused = collapse(p, fd, off, &fresh);
		if (!refused) {
			p->collapse_fails = 0;
			return 0;
		}
	}
	err = port_fill(fd, off, UMFS_UNIT_BYTES);
	if (err && fresh)
		(void)allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
			       UMFS_PAGE_BYTES);
	/* Where there is room and yet no huge page, there will hardly be one next time. */
	if (!err && refused == -EINVAL)
		p->collapse_fails++;
	return err;
}

static int back_range(struct pool *p, int fd, uint64_t off, uint64_t end)
{
	int err = 0;

	while (off < end && !err) {
		uint64_t next = (off | (UMFS_UNIT_BYTES - 1)) + 1;
		bool whole = !(off & (UMFS_UNIT_BYTES - 1)) && next <= end;

		if (whole && p->page_bytes == UMFS_PAGE_BYTES)
			err = back_unit(p, fd, off);
		else
			err = port_fill(fd, off, UMFS_MIN(next, end) - off);
		off = next;
	}
	return err;
}

int port_back(struct umfs *fs, uint64_t off, uint64_t n)
{
	struct pool *p = pool_of(fs);
	uint64_t end = UMFS_MIN(off + n, fs->bytes);
	int fd, err;

	if (p->is_device || p->flags & POOL_READONLY || off >= end)
		return 0;
	if (port_quiet)
		return touch(p, off, end);
	fd = pool_fd(p);
	if (fd < 0) {
		fd = pool_reopen(p);
		if (fd < 0)
			return fd;
	}
	err = back_range(p, fd, off, end);
	if (fd != p->fd)
		(void)sys1(SYS_close, fd);
	/* A file system that can not allocate ahead: its pages come, or not, when touched. */
	if (err == -EOPNOTSUPP || err == -ENOSYS)
		return 0;
	return err == -ENOMEM || err == -EDQUOT ? -ENOSPC : err;
}

void port_unback(struct umfs *fs, uint64_t off, uint64_t n)
{
	struct pool *p = pool_of(fs);
	uint64_t end = UMFS_MIN(off + n, fs->bytes);
	int fd;

	if (p->is_device || p->flags & POOL_READONLY || off >= end || port_quiet)
		return;
	fd = pool_fd(p);
	if (fd < 0)
		fd = pool_reopen(p);
	if (fd < 0)
		return;
	(void)allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, end - off);
	if (fd != p->fd)
		(void)sys1(SYS_close, fd);
}

uint64_t pool_backing_pages(const struct pool *p)
{
	int fd = pool_fd(p);
	struct statfs st;

	if (p->is_device || fd < 0 || sys2(SYS_fstatfs, fd, &st) || !st.f_blocks ||
	    st.f_bsize <= 0)
		return UINT64_MAX;
	return (uint64_t)st.f_bavail * (uint64_t)st.f_bsize / UMFS_UNIT_BYTES * UMFS_UNIT_PAGES;
}

uint64_t pool_pages_available(const struct pool *p, const struct umfs_statfs *st)
{
	uint64_t more = pool_backing_pages(p);

	if (more >= st->pages_free - st->pages_ready)
		return st->pages_free;
	return st->pages_ready + more;
}
