// SPDX-License-Identifier: BSD-3-Clause
/*
 * share.c - pread of files that the kernel module has, from a mapping.
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
 */
#include <sys/mman.h>

#include "file.h"
#include "hooks.h"
#include "module.h"
#include "share.h"
#include "umfs/ioctl.h"

#define NUMBERS (1u << 16)
#define WAIT_FIRST 4u
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

/* Nothing is known of the number any more. */
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

void umfs_share_opened(int fd, struct mount *m)
{
	struct share *e;

	if (umfs_guard_self.spawning) /* the number is the child's, the table its parent's */
		return;
	umfs_local_lock(LOCK_UINFO);
	if (make_table() && (uint32_t)fd < NUMBERS) {
		e = &shares[fd];
		forget(e); /* whoever had the number closed it past us */
		e->m = m;
		e->wait = e->next_wait = WAIT_FIRST;
	}
	umfs_local_unlock(LOCK_UINFO);
}

static bool is_known(const struct share *e)
{
	return LOAD_RELAXED(&e->wait) || LOAD_RELAXED(&e->base);
}

void umfs_share_closed(unsigned first, unsigned last)
{
	for (uint32_t fd = first; fd <= last && fd < LOAD_RELAXED(&umfs_share_count); fd++) {
		if (likely(!is_known(&shares[fd])))
			continue;
		umfs_guard_enter();
		umfs_local_lock(LOCK_UINFO);
		forget(&shares[fd]);
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

static const struct umfs_ioc_slot *slot_of(const struct mount *m, const struct umfs_ioc_share *a)
{
	return (const struct umfs_ioc_slot *)m->slots + a->slot;
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
	bool good = umfs_module_has_node(e->m) && map_slots(e->m) &&
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
	if (likely(ret != -EAGAIN))
		return ret;
	before = sequence(e);
	ret = umfs_cancel_call(SYS_pread64, fd, SYS_ARG(buf), (long)n, off, 0, 0);
	if (ret > 0 && is_known(e))
		learn(fd, before);
	return ret;
}
