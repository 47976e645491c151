// SPDX-License-Identifier: BSD-3-Clause
/*
 * pages.c - pages of the pool, mapped elsewhere than where core has them.
 *
 * For programs that map files. What they may not write they get through a
 * description that is not writable, so that mprotect() can not change that.
 */
#include "port_own.h"
#include "sys.h"

#include <fcntl.h>
#include <sys/mman.h>

/* Behind the end of every pool, and within what every file system can address. */
#define NOWHERE (1ull << 43)

int pool_pages_open(const struct pool *p, bool writable)
{
	char link[32] = "/proc/self/fd/";
	int fd = pool_reopen(p), ro;
	uint32_t at = 14, unit = 1;

	if (writable || fd < 0)
		return fd;
	while (unit <= (uint32_t)fd / 10)
		unit *= 10;
	for (; unit; unit /= 10)
		link[at++] = (char)('0' + (uint32_t)fd / unit % 10);
	link[at] = '\0';
	ro = (int)sys3(SYS_open, link, O_RDONLY | O_CLOEXEC, 0);
	(void)sys1(SYS_close, fd);
	return ro;
}

long pool_pages_map(int fd, uint64_t at, uint64_t n, int prot, int flags, uint64_t off)
{
	return sys6(SYS_mmap, (long)at, (long)n, prot, flags, fd, (long)off);
}

/* A private mapping may always be made writable. */
static long map_nowhere(const struct pool *p, uint64_t at, uint64_t n, int prot, int flags,
			bool writable)
{
	int fd = writable ? pool_fd(p) : pool_pages_open(p, false);
	long ret;

	if (fd < 0)
		return -EBADF;
	ret = sys6(SYS_mmap, (long)at, (long)n, prot & ~PROT_EXEC,
		   flags | (writable ? MAP_PRIVATE : MAP_SHARED), fd, NOWHERE);
	if (!writable)
		(void)sys1(SYS_close, fd);
	return ret;
}

long pool_pages_nowhere(const struct pool *p, uint64_t at, uint64_t n, int prot, int flags,
			bool writable)
{
	long ret = -EBADF;

	flags |= MAP_NORESERVE;
	if (!p->is_device)
		ret = map_nowhere(p, at, n, prot, flags, writable);
	if (ret != -EBADF && ret != -EOVERFLOW && ret != -EFBIG)
		return ret;
	return sys6(SYS_mmap, (long)at, (long)n, PROT_NONE, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void nearer(uint64_t at, uint64_t n, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end)
{
	if (!at || at >= to || at + n <= from || at >= *start)
		return;
	*start = UMFS_MAX(at, from);
	*end = UMFS_MIN(at + n, to);
}

bool pool_memory_next(const struct pool *p, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end)
{
	uint32_t slot = p->fs.slot;

	*start = to;
	nearer((uint64_t)p->fs.base, p->map_bytes, from, to, start, end);
	nearer((uint64_t)p->tables, p->tables_bytes, from, to, start, end);
	nearer((uint64_t)p->shadow_page, p->page_bytes, from, to, start, end);
	nearer((uint64_t)p->shadow_use, p->page_bytes, from, to, start, end);
	if (slot < UMFS_SLOTS_MAX)
		nearer((uint64_t)p->slot_page[slot], p->page_bytes, from, to, start, end);
	return *start < to;
}
