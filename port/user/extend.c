// SPDX-License-Identifier: BSD-3-Clause
/*
 * extend.c - a larger pool: its file, and its mapping.
 *
 * fs->base never changes, since threads hold pointers made from it. So a pool file is
 * mapped with room behind its end for all that the pool may grow to (pool_room):
 * what the file gains is there without anything being mapped. A process with a
 * limit on its address space, or too little of it, has no such room. There the pool lies
 * far from what the kernel and libc map by themselves (pool_lonely), and its mapping is
 * continued behind its end when that has to be.
 */
#include "ranges.h"
#include "sys.h"
#include "port_own.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* ---- room ---- */

/* What a superblock says about how large the pool may become; it is checked by nobody yet. */
static uint64_t room_said(const struct pool *p, uint32_t page)
{
	struct umfs_super_pm sb;

	if (sys4(SYS_pread64, p->fd, &sb, sizeof(sb), (uint64_t)page << UMFS_PAGE_SHIFT) !=
		    sizeof(sb) ||
	    ld64(&sb.magic) != UMFS_MAGIC)
		return 0;
	return ((uint64_t)ld32(&sb.groups_page) +
		((uint64_t)ld32(&sb.group_count_max) << UMFS_GROUP_SHIFT))
	       << UMFS_PAGE_SHIFT;
}

uint64_t pool_room(const struct pool *p)
{
	struct rlimit limit;
	uint64_t room;

	if (p->is_device || p->flags & POOL_READONLY || p->page_bytes != UMFS_PAGE_BYTES ||
	    sys4(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit) || limit.rlim_cur != RLIM_INFINITY)
		return p->file_bytes;
	room = room_said(p, UMFS_SB_PAGE);
	if (!room)
		room = room_said(p, UMFS_SB_BACKUP_PAGE);
	room = UMFS_MIN(room, UMFS_POOL_PAGES_MAX << UMFS_PAGE_SHIFT);
	return UMFS_MAX(room, p->file_bytes);
}

/* Where the kernel maps nothing of its own accord: 48 TiB, between heap and libraries. */
#define LONELY_FIRST (32ull << 40)
#define LONELY_BYTES (48ull << 40)
#define LONELY_TRIES 4

/* n bytes of address space with much that is free behind them: where, or -errno. */
long pool_lonely(uint64_t n)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	uint64_t random = 0, at;
	long ret = -ENOMEM;
	int i;

	for (i = 0; i < LONELY_TRIES; i++) {
		(void)sys3(SYS_getrandom, &random, sizeof(random), 0);
		at = LONELY_FIRST + (random % LONELY_BYTES & -(uint64_t)UMFS_UNIT_BYTES);
		ret = sys6(SYS_mmap, (long)at, (long)n, PROT_NONE, flags, -1, 0);
		if (ret >= 0 || ret < -4095)
			return ret;
	}
	return ret;
}

/* ---- the mapping ---- */

/* desc_lock held: the mapping goes on behind its end. */
static int map_more(struct pool *p, int fd, uint64_t bytes)
{
	uint64_t more = (bytes - p->map_bytes + p->page_bytes - 1) & -p->page_bytes;
	uint64_t at = (uintptr_t)p->fs.base + p->map_bytes;
	int flags = MAP_FIXED_NOREPLACE | MAP_NORESERVE |
		    (p->is_synced ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED);
	long ret = sys6(SYS_mmap, (long)at, (long)more, PROT_READ | PROT_WRITE, flags, fd,
			(long)p->map_bytes);

	if (ret < 0 && ret > -4096)
		return (int)ret;
	if ((uint64_t)ret != at) { /* a kernel that takes the address for a hint */
		(void)sys2(SYS_munmap, ret, more);
		return -EEXIST;
	}
	(void)sys3(SYS_madvise, at, more, MADV_HUGEPAGE);
	port_range_extend((uintptr_t)p->fs.base, p->map_bytes + more);
	__atomic_store_n(&p->map_bytes, p->map_bytes + more, __ATOMIC_RELEASE);
	return 0;
}

static int reach(struct pool *p, int fd, uint64_t bytes)
{
	struct stat st;
	int err = (int)sys2(SYS_fstat, fd, &st);

	if (!err && (uint64_t)st.st_size < bytes)
		err = -EIO;
	if (err || bytes <= __atomic_load_n(&p->map_bytes, __ATOMIC_ACQUIRE))
		return err;
	pool_desc_lock(p);
	if (bytes > p->map_bytes)
		err = map_more(p, fd, bytes);
	pool_desc_unlock(p);
	return err;
}

static void raise_bytes(struct umfs *fs, uint64_t bytes)
{
	uint64_t seen = __atomic_load_n(&fs->bytes, __ATOMIC_RELAXED);

	while (seen < bytes && !__atomic_compare_exchange_n(&fs->bytes, &seen, bytes, false,
							    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
}

/* The pool's descriptor, or another one that the caller closes. */
static int borrow_fd(struct pool *p)
{
	int fd = pool_fd(p);

	return fd >= 0 ? fd : pool_reopen(p);
}

static void give_back(struct pool *p, int fd)
{
	if (fd != p->fd)
		(void)sys1(SYS_close, fd);
}

static int reach_by_file(struct pool *p, uint64_t bytes)
{
	int fd = borrow_fd(p), err;

	if (fd < 0)
		return fd;
	err = reach(p, fd, bytes);
	give_back(p, fd);
	return err;
}

/* The superblock says so much only when the file has it: what is mapped is there. */
static int reach_quietly(const struct pool *p, uint64_t bytes)
{
	return bytes <= __atomic_load_n(&p->map_bytes, __ATOMIC_ACQUIRE) ? 0 : -EIO;
}

static void say_out_of_reach(void)
{
	static const char text[] = "umfs: the pool has grown, and this process has no room to map "
				   "it; the pool answers EIO from now on\n";
	static uint32_t said;

	if (!port_quiet && !__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED))
		(void)sys3(SYS_write, 2, text, sizeof(text) - 1);
}

int port_reach(struct umfs *fs, uint64_t bytes)
{
	struct pool *p = pool_of(fs);
	int err;

	if (bytes <= __atomic_load_n(&fs->bytes, __ATOMIC_ACQUIRE))
		return 0;
	if (p->is_device)
		return -EIO;
	err = port_quiet ? reach_quietly(p, bytes) : reach_by_file(p, bytes);
	if (err)
		say_out_of_reach();
	else
		raise_bytes(fs, bytes);
	return err;
}

/* ---- the file ---- */

static int extend(struct pool *p, int fd, uint64_t bytes)
{
	uint64_t old = p->fs.geo.pool_pages << UMFS_PAGE_SHIFT;
	struct stat st;
	int err = (int)sys2(SYS_fstat, fd, &st);

	if (!err && (uint64_t)st.st_size < bytes)
		err = (int)sys2(SYS_ftruncate, fd, bytes);
	if (err || !(p->fs.geo.flags & UMFS_SB_BACKED))
		return err;
	err = port_fill(fd, old, bytes - old);
	if (err)
		(void)sys2(SYS_ftruncate, fd, st.st_size);
	return err == -ENOMEM || err == -EDQUOT ? -ENOSPC : err;
}

int port_extend(struct umfs *fs, uint64_t bytes)
{
	struct pool *p = pool_of(fs);
	int fd, err;

	if (p->is_device)
		return bytes <= p->file_bytes ? 0 : -EOPNOTSUPP;
	fd = borrow_fd(p);
	if (fd < 0)
		return fd;
	err = extend(p, fd, bytes);
	give_back(p, fd);
	return err;
}
