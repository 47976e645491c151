/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops_data.c - the measured calls on file data.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The loops keep what they need in registers: what they execute between two
 * calls takes room in the processor's window, which limits how far two calls
 * can overlap.
 */

/* What a call that moved too little leaves to report. */
static int short_errno(ssize_t got)
{
	return got < 0 ? errno : EIO;
}

int bench_fill(struct bench *b, const char *path, uint64_t bytes)
{
	const uint64_t chunk = 1u << 20;

	b->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (b->fd < 0)
		return errno;
	for (uint64_t off = 0; off < bytes; off += chunk) {
		ssize_t got = pwrite(b->fd, b->buf, chunk, (off_t)off);

		if (got != (ssize_t)chunk)
			return short_errno(got);
	}
	b->file_bytes = bytes;
	return 0;
}

int bench_pread(struct bench *b, uint64_t n)
{
	struct place at = b->at;
	const size_t block = b->block;
	void *buf = b->buf;
	const int fd = b->fd;

	if (b->fd < 0)
		return EBADF;
	while (n--) {
		ssize_t got = pread(fd, buf, block, (off_t)bench_next_off(&at));

		if (got != (ssize_t)block)
			return short_errno(got);
	}
	b->at = at;
	return 0;
}

int bench_pwrite(struct bench *b, uint64_t n)
{
	struct place at = b->at;
	const size_t block = b->block;
	void *buf = b->buf;
	const int fd = b->fd;

	if (b->fd < 0)
		return EBADF;
	while (n--) {
		ssize_t got = pwrite(fd, buf, block, (off_t)bench_next_off(&at));

		if (got != (ssize_t)block)
			return short_errno(got);
	}
	b->at = at;
	return 0;
}

int bench_append_reset(struct bench *b)
{
	char path[4096];

	if (b->append_fd >= 0)
		return ftruncate(b->append_fd, 0) ? errno : 0;
	snprintf(path, sizeof(path), "%s/append", b->dir);
	b->append_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	return b->append_fd < 0 ? errno : 0;
}

int bench_append(struct bench *b, uint64_t n)
{
	int err = b->append_fd < 0 ? bench_append_reset(b) : 0;

	if (err)
		return err;
	while (n--) {
		ssize_t got = write(b->append_fd, b->buf, b->block);

		if (got != (ssize_t)b->block)
			return short_errno(got);
	}
	return 0;
}

#define PAGE_BYTES 4096u

int bench_touch_mapped(struct bench *b, uint64_t n)
{
	volatile const uint8_t *at;

	if (b->fd < 0)
		return EBADF;
	at = mmap(NULL, b->file_bytes, PROT_READ, MAP_SHARED, b->fd, 0);
	if (at == MAP_FAILED)
		return errno;
	while (n--)
		for (uint64_t off = 0; off < b->file_bytes; off += PAGE_BYTES)
			if (at[off] != b->buf[0])
				return EIO;
	return 0;
}
