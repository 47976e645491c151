// SPDX-License-Identifier: BSD-3-Clause
/*
 * share.c - pread and pwrite of files that the kernel module has, in mappings.
 *
 * The descriptor is and stays the kernel's. For a number that was opened here as a file of
 * such a pool, and is read again and again, the module is asked for a mapping of the file and
 * for a slot in memory that the kernel keeps (include/umfs/ioctl.h, UMFS_IOC_SHARE;
 * kmod/share.c). A read is then: is it that file still, is it as it was, copy, the same
 * again. Whatever is out of the ordinary is a system call.
 *
 *  N1  The number is the file that is mapped as long as the slot's stamp is the entry's. The
 *      kernel sees to that, so it holds whoever closes the number, past us or in another
 *      process that has it. The hooks of close and dup2 only let mappings go in time.
 *  N2  The first read after each change of the file is a system call, by which access times are
 *      what they are without this. It tells the size, and so the entry's `seen`: the
 *      file's sequence before that call, if it is that still.
 *  N3  Entries change under LOCK_UINFO, and are read with a sequence as U-Info's (U2). A
 *      mapping goes only after its entry: who still copies then gets a fault, which is a
 *      system call, or bytes of what was mapped there since, and does not believe them since
 *      the entry has changed.
 *  N4  Slots stay mapped as long as the process lives, so that looking at one needs no care.
 *  N5  Asking costs two calls, and others close a shared description as often as they like.
 *      So it is asked again only after so many reads, twice as many each time.
 *  N6  Written, and read then too, is by lease (UMFS_IOC_LEASE; kmod/lease.c): a lock of the number's
 *      (lease_lock) is held for the one log, so a lease's mappings are not let go of meanwhile. It ends by a fault
 *      in the middle of anything; then, or where the buffer faults, nothing was written, and
 *      it is a system call.
 */
#include <sys/mman.h>

#include "file.h"
#include "hooks.h"
#include "module.h"
#include "port_own.h"
#include "share.h"
#include "umfs/ioctl.h"

#define NUMBERS (1u << 16)
#define WAIT_FIRST 4u
#define LEASE_TRIES 4096u /* longer than another's write of 64 KiB takes */
#define WAIT_MAX 1024u
#define MAP_MIN (2ull << 20)
#define MAP_LIMIT (512ull << 30)

struct share {
	uint32_t seq; /* N3: odd while the rest changes */
	uint32_t wait; /* so many reads until the module is asked; 0: it is not to be */
	uint64_t stamp, seen, size;
	const struct umfs_ioc_slot *slot; /* NULL: none */
	const uint8_t *base; /* NULL: not mapped */
	uint64_t bytes;
	/* Not read without the lock: */
	struct mount *m __attribute__((aligned(64)));
	uint64_t ino;
	uint32_t generation;
	uint32_t next_wait; /* N5 */
	/* N6; changed under LOCK_UINFO and lease_lock: */
	struct umfs_ioc_log *log __attribute__((aligned(64))); /* NULL: no lease */
	uint8_t *at; /* the file */
	uint64_t lease_bytes, lease_size, lease_stamp;
	const struct umfs_ioc_slot *lease_slot;
	uint32_t wait_write, next_wait_write; /* as `wait`: writes */
	bool durable;
};

uint32_t umfs_share_count;
static struct share *shares;
static bool ended;

static bool make_table(void)
{
	long at;

	if (LOAD(&umfs_share_count))
		return true;
	if (ended || port_quiet)
		return false;
	at = sys6(SYS_mmap, 0, (long)(NUMBERS * sizeof(struct share)), PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at < 0 && at > -4096)
		return false;
	shares = (struct share *)at;
	STORE(&umfs_share_count, NUMBERS);
	__atomic_fetch_add(&port_kept.any, 1, __ATOMIC_RELEASE);
	return true;
}

/* ---- entries: N3 ---- */

static void begin(struct share *e)
{
	__atomic_store_n(&e->seq, e->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end(struct share *e)
{
	STORE(&e->seq, e->seq + 1);
}

/* In a sandbox the mapping stays: it may forbid that call. */
static void unmap(const uint8_t *base, uint64_t bytes)
{
	if (base && !port_quiet)
		sys2(SYS_munmap, base, bytes);
}

/* It is not read from a mapping. */
static void forget(struct share *e)
{
	const uint8_t *base = e->base;
	uint64_t bytes = e->bytes;

	begin(e);
	e->slot = NULL;
	e->base = NULL;
	e->wait = 0;
	end(e);
	unmap(base, bytes);
}

/* Threads that write files whose numbers lie near one another do not wait for one another. */
static enum lock lease_lock(const struct share *e)
{
	return (enum lock)(LOCK_LEASE + (e - shares) % LEASE_LOCKS);
}

/* N6; its end, where it has not ended. */
static void forget_lease(struct share *e)
{
	struct umfs_ioc_log *log = e->log;

	if (!log)
		return;
	umfs_local_lock(lease_lock(e));
	e->log = NULL;
	umfs_local_unlock(lease_lock(e));
	unmap(e->at, e->lease_bytes);
	unmap((const uint8_t *)log, UMFS_IOC_LOG_BYTES);
}

/* Nothing is known of the number any more. */
static void forget_all(struct share *e)
{
	forget_lease(e);
	e->wait_write = 0;
	forget(e);
}

void umfs_share_opened(int fd, struct mount *m, bool write)
{
	struct share *e;

	if (umfs_guard_self.spawning) /* the number is the child's, the table its parent's */
		return;
	umfs_local_lock(LOCK_UINFO);
	if (make_table() && (uint32_t)fd < NUMBERS) {
		e = &shares[fd];
		forget_all(e); /* whoever had the number closed it past us */
		e->m = m;
		e->wait = e->next_wait = WAIT_FIRST;
		e->wait_write = e->next_wait_write = write ? WAIT_FIRST : 0;
	}
	umfs_local_unlock(LOCK_UINFO);
}

static bool is_known(const struct share *e)
{
	return LOAD_RELAXED(&e->wait) || LOAD_RELAXED(&e->base) || LOAD_RELAXED(&e->wait_write);
}

void umfs_share_closed(unsigned first, unsigned last)
{
	for (uint32_t fd = first; fd <= last && fd < LOAD_RELAXED(&umfs_share_count); fd++) {
		if (likely(!is_known(&shares[fd])))
			continue;
		umfs_guard_enter();
		umfs_local_lock(LOCK_UINFO);
		forget_all(&shares[fd]);
		umfs_local_unlock(LOCK_UINFO);
		umfs_guard_leave();
	}
}

void umfs_share_end(void)
{
	umfs_share_closed(0, NUMBERS);
	umfs_local_lock(LOCK_UINFO);
	ended = true;
	if (umfs_share_count)
		__atomic_fetch_sub(&port_kept.any, 1, __ATOMIC_RELEASE);
	STORE(&umfs_share_count, 0);
	umfs_local_unlock(LOCK_UINFO);
}

/* ---- asking the module ---- */

static bool map_slots(struct mount *m)
{
	long at;

	if (m->slots)
		return true;
	at = sys6(SYS_mmap, 0, UMFS_IOC_SLOTS * sizeof(struct umfs_ioc_slot), PROT_READ, MAP_SHARED,
		  m->node, 0);
	if (at < 0 && at > -4096)
		return false;
	m->slots = (const void *)at;
	return true;
}

static const struct umfs_ioc_slot *slot_at(const struct mount *m, uint32_t slot)
{
	return (const struct umfs_ioc_slot *)m->slots + slot;
}

static const struct umfs_ioc_slot *slot_of(const struct mount *m, const struct umfs_ioc_share *a)
{
	return slot_at(m, a->slot);
}

static bool fits(const struct share *e, const struct umfs_ioc_share *a, uint64_t size)
{
	return e->base && e->ino == a->ino && e->generation == a->generation && e->bytes >= size;
}

/* Address space for a file that grows, as the splice likes it; 0: it can not be mapped. */
static uint64_t bytes_for(uint64_t size)
{
	uint64_t bytes = MAP_MIN;

	while (bytes < size && bytes < MAP_LIMIT)
		bytes *= 2;
	return bytes >= size ? bytes : 0;
}

/* The entry's mapping is the one of what `a` says. */
static bool map_file(struct share *e, int fd, struct umfs_ioc_share *a)
{
	uint64_t size = LOAD_RELAXED(&slot_of(e->m, a)->size);
	struct umfs_ioc_share mapped = {.fd = fd, .bytes = bytes_for(size)};

	if (fits(e, a, size))
		return true;
	forget(e);
	if (!mapped.bytes || sys3(SYS_ioctl, e->m->node, UMFS_IOC_SHARE, &mapped))
		return false;
	e->base = (const uint8_t *)(uintptr_t)mapped.addr;
	e->bytes = mapped.bytes;
	e->ino = mapped.ino;
	e->generation = mapped.generation;
	*a = mapped;
	return true;
}

/* N1: what the number is now. Under the lock. */
static void ask(struct share *e, int fd)
{
	struct umfs_ioc_share a = {.fd = fd};
	bool good = umfs_module_reach(e->m) && map_slots(e->m) &&
		    !sys3(SYS_ioctl, e->m->node, UMFS_IOC_SHARE, &a);

	begin(e);
	e->slot = NULL;
	end(e);
	good = good && map_file(e, fd, &a);
	begin(e);
	if (good)
		e->slot = slot_of(e->m, &a);
	e->stamp = a.stamp;
	e->seen = 0;
	e->next_wait = UMFS_MIN(e->next_wait * 2, WAIT_MAX);
	e->wait = e->next_wait;
	end(e);
}

/* ---- reading ---- */

/* What an entry says, of one piece. False: nothing. */
static bool get(const struct share *e, struct share *to, uint32_t *seq)
{
	*seq = LOAD(&e->seq);
	to->slot = LOAD_RELAXED(&e->slot);
	to->stamp = LOAD_RELAXED(&e->stamp);
	to->seen = LOAD_RELAXED(&e->seen);
	to->size = LOAD_RELAXED(&e->size);
	to->base = LOAD_RELAXED(&e->base);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return to->slot && !(*seq & 1) && LOAD_RELAXED(&e->seq) == *seq;
}

/* N1, and the file is as it was seen. */
static inline bool holds(const struct share *e)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return LOAD(&e->slot->stamp) == e->stamp && LOAD(&e->slot->seq) == e->seen;
}

/* Bytes, or -EAGAIN: by the kernel. Needs no guard, see umfs_hook_pread_small(). */
static long read_mapped(int fd, void *buf, size_t n, off_t off)
{
	struct share now;
	uint32_t seq;
	int err;

	if (!get(&shares[fd], &now, &seq) || !holds(&now) || off < 0 || !n)
		return -EAGAIN;
	if ((uint64_t)off >= now.size)
		return n <= UMFS_RW_MAX ? 0 : -EAGAIN;
	n = UMFS_MIN(n, now.size - (uint64_t)off);
	if (n > UMFS_RW_MAX)
		return -EAGAIN;
	err = n <= PORT_SMALL_BYTES ? port_copy_out_small(buf, now.base + off, n) :
				      port_copy_out(buf, now.base + off, n);
	if (err || !holds(&now) || LOAD_RELAXED(&shares[fd].seq) != seq)
		return -EAGAIN;
	return (long)n;
}

/* N2: `before` is the sequence that the file had before a read that was the kernel's. */
static void see(struct share *e, uint64_t before)
{
	uint64_t size = LOAD_RELAXED(&e->slot->size);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if ((before & 1) || LOAD_RELAXED(&e->slot->seq) != before)
		return;
	if (size > e->bytes) {
		begin(e);
		e->slot = NULL; /* asked for again, for more */
		end(e);
		return;
	}
	begin(e);
	e->size = size;
	e->seen = before;
	end(e);
}

/* After a read by the kernel: what is to be known for the next one. */
static void learn(int fd, uint64_t before)
{
	struct share *e = &shares[fd];

	umfs_guard_enter();
	if (umfs_local_trylock(LOCK_UINFO)) {
		if (e->slot && LOAD(&e->slot->stamp) == e->stamp)
			see(e, before);
		else if (e->wait && !port_quiet && !--e->wait)
			ask(e, fd);
		umfs_local_unlock(LOCK_UINFO);
	}
	umfs_guard_leave();
}

/* ---- by lease: N6 ---- */

static int put_word(__u64 *at, uint64_t v)
{
	return port_copy_in(at, &v, sizeof(v));
}

/* Durable, where that means something, and before what is stored next. */
static int settle_log(const struct share *e)
{
	int err = e->durable ? port_flush_guarded(e->log, 1) : 0;

	port_fence();
	return err;
}

/* Old bytes to the log, which is at work when this returns 0. */
static int arm(struct share *e, uint64_t off, size_t n)
{
	uint64_t where[2] = {off, n};
	int err = port_copy_in_nt((uint8_t *)e->log + UMFS_IOC_LOG_DATA, e->at + off, n);

	if (!err)
		err = port_copy_in(&e->log->off, where, sizeof(where));
	if (!err)
		err = put_word(&e->log->wrote, 1);
	if (!err)
		err = settle_log(e);
	if (!err)
		err = put_word(&e->log->state, 1);
	return err ? err : settle_log(e);
}

/* Where the lease ends after the commit point who ended it makes that durable. */
static int retire(struct share *e)
{
	int err;

	port_fence();
	err = put_word(&e->log->state, 0); /* commit point */
	if (!err)
		(void)settle_log(e);
	return err;
}

/* -EAGAIN: it was the buffer that faulted, and nothing was written; -EIO: the lease is over. */
static long write_logged(struct share *e, const void *buf, size_t n, uint64_t off)
{
	const uint8_t *old = (const uint8_t *)e->log + UMFS_IOC_LOG_DATA;

	if (arm(e, off, n))
		return -EIO;
	if (port_copy_in_nt(e->at + off, buf, n))
		return port_copy_in_nt(e->at + off, old, n) || retire(e) ? -EIO : -EAGAIN;
	if (retire(e))
		return -EIO;
	(void)put_word(&e->log->wrote, 1); /* over by now, it has been looked at */
	return (long)n;
}

static long read_leased(struct share *e, void *buf, size_t n, uint64_t off)
{
	n = UMFS_MIN(n, e->lease_size - off);
	return put_word(&e->log->read, 1) || port_copy_out(buf, e->at + off, n) ? -EAGAIN : (long)n;
}

/*
 * The buffer of whoever has it may be one that another thread has to bring (userfaultfd), which
 * then comes here itself: so nobody waits for long. Who gives up ends the lease, and that goes on.
 */
static bool lock_lease(const struct share *e)
{
	for (uint32_t i = 0; i < LEASE_TRIES; i++) {
		if (umfs_local_trylock(lease_lock(e)))
			return true;
		port_relax();
	}
	return false;
}

/* To `in` from the file, or to the file from `out`. Bytes, or -EAGAIN: by the kernel. */
static long by_lease(int fd, void *in, const void *out, size_t n, off_t off)
{
	struct share *e = &shares[fd];
	long ret = -EAGAIN;

	umfs_guard_enter();
	if (!lock_lease(e)) {
		umfs_guard_leave();
		return -EAGAIN;
	}
	if (e->log && LOAD(&e->lease_slot->stamp) == e->lease_stamp && n && off >= 0 &&
	    (uint64_t)off < e->lease_size) {
		if (in)
			ret = read_leased(e, in, n, (uint64_t)off);
		else if (n <= UMFS_IOC_LOG_ROOM && n <= e->lease_size - (uint64_t)off)
			ret = write_logged(e, out, n, (uint64_t)off);
		/* Also where it has not ended (no page for a hole): the log is needed as it is. */
		if (ret == -EIO)
			e->lease_stamp = 0;
	}
	umfs_local_unlock(lease_lock(e));
	umfs_guard_leave();
	return ret == -EIO ? -EAGAIN : ret;
}

static bool ask_lease(struct share *e, int fd, struct umfs_ioc_lease *a)
{
	struct stat st;

	*a = (struct umfs_ioc_lease){.fd = fd};
	if (sys2(SYS_fstat, fd, &st) || st.st_size <= 0)
		return false;
	a->bytes = bytes_for((uint64_t)st.st_size);
	return a->bytes && umfs_module_reach(e->m) && map_slots(e->m) &&
	       !sys3(SYS_ioctl, e->m->node, UMFS_IOC_LEASE, a);
}

static void take_lease(struct share *e, int fd)
{
	struct umfs_ioc_lease a;

	e->next_wait_write = UMFS_MIN(e->next_wait_write * 2, WAIT_MAX);
	e->wait_write = e->next_wait_write;
	if (!ask_lease(e, fd, &a))
		return;
	if (a.durable)
		port_nt_flushes();
	umfs_local_lock(lease_lock(e));
	e->at = (uint8_t *)(uintptr_t)a.addr;
	e->lease_bytes = a.bytes;
	e->lease_size = a.size;
	e->lease_stamp = a.stamp;
	e->lease_slot = slot_at(e->m, a.slot);
	e->durable = a.durable;
	e->log = (struct umfs_ioc_log *)(uintptr_t)a.log;
	umfs_local_unlock(lease_lock(e));
}

/* After a write by the kernel, which ended the lease; N5. */
static void learn_write(int fd)
{
	struct share *e = &shares[fd];

	umfs_guard_enter();
	if (umfs_local_trylock(LOCK_UINFO)) {
		forget_lease(e);
		if (e->wait_write && !port_quiet && !--e->wait_write)
			take_lease(e, fd);
		umfs_local_unlock(LOCK_UINFO);
	}
	umfs_guard_leave();
}

long umfs_hook_pwrite_shared(int fd, const void *buf, size_t n, off_t off)
{
	struct share *e = &shares[fd];
	long ret = -EAGAIN;

	umfs_cancel_test();
	if (LOAD_RELAXED(&e->log))
		ret = by_lease(fd, NULL, buf, n, off);
	if (likely(ret != -EAGAIN))
		return ret;
	ret = umfs_cancel_call(SYS_pwrite64, fd, SYS_ARG(buf), (long)n, off, 0, 0);
	if (ret > 0 && LOAD_RELAXED(&e->wait_write))
		learn_write(fd);
	return ret;
}

static uint64_t sequence(const struct share *e)
{
	struct share now;
	uint32_t seq;

	return get(e, &now, &seq) ? LOAD(&now.slot->seq) : 1;
}

long umfs_hook_pread_shared(int fd, void *buf, size_t n, off_t off)
{
	struct share *e = &shares[fd];
	uint64_t before;
	long ret;

	umfs_cancel_test();
	ret = read_mapped(fd, buf, n, off);
	if (ret == -EAGAIN && LOAD_RELAXED(&e->log))
		ret = by_lease(fd, buf, NULL, n, off);
	if (likely(ret != -EAGAIN))
		return ret;
	before = sequence(e);
	ret = umfs_cancel_call(SYS_pread64, fd, SYS_ARG(buf), (long)n, off, 0, 0);
	if (ret > 0 && is_known(e))
		learn(fd, before);
	return ret;
}
