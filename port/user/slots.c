// SPDX-License-Identifier: BSD-3-Clause
/*
 * slots.c - proofs of life: byte locks on the pool file.
 *
 * A slot is owned by an open-file-description lock on its byte. The description
 * is opened for that slot alone, a page is mapped through it, and its descriptor
 * is closed: the mapping keeps description and lock until it is unmapped or its
 * address space ends, whatever happens to descriptors.
 *
 * S1  A mapping that keeps a lock is MADV_DONTFORK, but for the one that
 *     pool_fork_prepare lets pass to the child it was made for.
 * S2  Between the opening of a description and S1 no thread of this process
 *     forks through libumfs: desc_lock. Otherwise the child would keep a lock
 *     of its parent's.
 * S3  No slot lock is ever taken through p->fd, so that F_OFD_GETLK on it sees
 *     this process's own slots too.
 */
#include "port_own.h"
#include "sys.h"

#include <fcntl.h>
#include <sys/mman.h>

/* Values of desc_lock. */
enum { DESC_FREE, DESC_HELD, DESC_WAITED };

#define DESC_WAITS 20
#define DESC_WAIT_NS 50000000ull

/*
 * Bounded: a thread that forks out of a signal handler may hold it already.
 * Then S2 is given up, not the program.
 */
void pool_desc_lock(struct pool *p)
{
	uint32_t free = DESC_FREE;
	int i;

	if (__atomic_compare_exchange_n(&p->desc_lock, &free, DESC_HELD, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return;
	for (i = 0; i < DESC_WAITS; i++) {
		if (__atomic_exchange_n(&p->desc_lock, DESC_WAITED, __ATOMIC_ACQUIRE) == DESC_FREE)
			return;
		port_wait(&p->desc_lock, DESC_WAITED, DESC_WAIT_NS);
	}
}

void pool_desc_unlock(struct pool *p)
{
	if (__atomic_exchange_n(&p->desc_lock, DESC_FREE, __ATOMIC_RELEASE) == DESC_WAITED)
		port_wake(&p->desc_lock);
}

static int lock_bytes(int fd, int how, short type, uint64_t first, uint64_t count)
{
	struct flock fl = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)first,
		.l_len = (off_t)count,
	};
	long err;

	do {
		err = sys3(SYS_fcntl, fd, how, &fl);
	} while (err == -EINTR);
	return err == -EAGAIN || err == -EACCES ? -EBUSY : (int)err;
}

/* 1 when any of the bytes is locked by a description other than fd's. */
static int bytes_locked(int fd, uint64_t first, uint64_t count)
{
	struct flock fl = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)first,
		.l_len = (off_t)count,
	};
	long err = sys3(SYS_fcntl, fd, F_OFD_GETLK, &fl);

	return err < 0 ? (int)err : fl.l_type != F_UNLCK;
}

/* 1, 0 or -errno, through p->fd (S3) or, when the program has closed it, a new description. */
static int any_locked(const struct pool *p, uint64_t first, uint64_t count)
{
	int fd = pool_fd(p);
	int ret;

	if (fd >= 0)
		return bytes_locked(fd, first, count);
	fd = pool_reopen(p);
	if (fd < 0)
		return fd;
	ret = bytes_locked(fd, first, count);
	(void)sys1(SYS_close, fd);
	return ret;
}

/* Lock the byte and leave the lock in the keeping of a mapping, *page. */
static int keep_byte(struct pool *p, uint64_t byte, void **page)
{
	long err, at;
	int fd;

	/* Mostly somebody has it: a description of its own is costly to find that out. */
	if (any_locked(p, byte, 1) == 1)
		return -EBUSY;
	pool_desc_lock(p);
	err = fd = pool_reopen(p);
	if (fd < 0)
		goto out;
	err = lock_bytes(fd, F_OFD_SETLK, F_WRLCK, byte, 1);
	if (err)
		goto out_close;
	err = at = sys6(SYS_mmap, 0, (long)p->page_bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE,
			fd, 0);
	if (at < 0 && at > -4096)
		goto out_close;
	err = sys3(SYS_madvise, at, p->page_bytes, MADV_DONTFORK);
	if (err) {
		(void)sys2(SYS_munmap, at, p->page_bytes);
	} else {
		*page = (void *)at;
		if (p->heir_thread && p->heir_thread == port_thread()) {
			p->heir_fd = fd;
			goto out;
		}
	}
out_close:
	(void)sys1(SYS_close, fd);
out:
	pool_desc_unlock(p);
	return (int)err;
}

/* The last mapping of the description goes, and the lock with it. */
static void drop_page(struct pool *p, void **page)
{
	void *at = __atomic_exchange_n(page, NULL, __ATOMIC_ACQ_REL);

	if (at)
		(void)sys2(SYS_munmap, at, p->page_bytes);
}

int port_slot_take(struct umfs *fs, uint32_t slot)
{
	struct pool *p = pool_of(fs);

	if (slot >= UMFS_SLOTS_MAX || p->slot_page[slot])
		return -EBUSY;
	return keep_byte(p, UMFS_LOCK_SLOTS + slot, &p->slot_page[slot]);
}

void port_slot_drop(struct umfs *fs, uint32_t slot)
{
	struct pool *p = pool_of(fs);

	if (slot < UMFS_SLOTS_MAX)
		drop_page(p, &p->slot_page[slot]);
}

/* A claim is the slot's own lock: whoever tries to take or claim it meanwhile finds it busy. */
int port_slot_claim(struct umfs *fs, uint32_t slot)
{
	struct pool *p = pool_of(fs);
	void *page = NULL;
	int err;

	if (slot >= UMFS_SLOTS_MAX)
		return -EBUSY;
	err = keep_byte(p, UMFS_LOCK_SLOTS + slot, &page);
	if (!err)
		__atomic_store_n(&p->claim_page[slot], page, __ATOMIC_RELEASE);
	return err;
}

void port_slot_unclaim(struct umfs *fs, uint32_t slot)
{
	struct pool *p = pool_of(fs);

	if (slot < UMFS_SLOTS_MAX)
		drop_page(p, &p->claim_page[slot]);
}

/* When it can not be told, somebody is taken to be alive: recovery waits rather than hurts. */
bool port_slot_any(struct umfs *fs)
{
	return any_locked(pool_of(fs), UMFS_LOCK_SLOTS, UMFS_SLOTS_MAX) != 0;
}

int pool_slot_alive(struct pool *p, uint32_t slot)
{
	return any_locked(p, UMFS_LOCK_SLOTS + slot, 1);
}

int pool_in_use(struct pool *p)
{
	return any_locked(p, UMFS_LOCK_ATTACH, 1 + UMFS_SLOTS_MAX);
}

int port_attach_lock(struct umfs *fs)
{
	struct pool *p = pool_of(fs);
	int fd = pool_reopen(p);
	int err;

	if (fd < 0)
		return fd;
	err = lock_bytes(fd, F_OFD_SETLKW, F_WRLCK, UMFS_LOCK_ATTACH, 1);
	if (err)
		(void)sys1(SYS_close, fd);
	else
		p->attach_fd = fd;
	if (!err)
		__atomic_fetch_add(&port_kept.any, 1, __ATOMIC_RELEASE);
	return err;
}

/* Unlocked by name: a child forked meanwhile may have a copy of the descriptor. */
void port_attach_unlock(struct umfs *fs)
{
	struct pool *p = pool_of(fs);

	(void)lock_bytes(p->attach_fd, F_OFD_SETLK, F_UNLCK, UMFS_LOCK_ATTACH, 1);
	(void)sys1(SYS_close, p->attach_fd);
	p->attach_fd = -1;
	__atomic_fetch_sub(&port_kept.any, 1, __ATOMIC_RELEASE);
}
