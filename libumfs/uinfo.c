// SPDX-License-Identifier: BSD-3-Clause
/*
 * uinfo.c - U-Info: which open file a descriptor stands for.
 *
 * One entry for each number the kernel may ever give out, in memory that is
 * reserved and never unmapped, so that an entry can be read without a lock
 * however old the number is.
 *
 *  U1  An entry and the number in the kernel's table change together, under
 *      LOCK_UINFO; an entry is set only after its number is held, and
 *      taken away before the number is free again.
 *  U2  A reader sees an entry of one piece (sequence word).
 *  U3  Each entry owns one umfs_ofd_get() reference.
 *  U4  A view's sequence is stored last, and taken away before anything else of
 *      the entry changes: who finds one, reads the rest and then finds the entry's
 *      own sequence unchanged has a view of the entry's file. It may be made of
 *      two views of that file; then the inode's sequence is not the one found.
 */
#include <linux/mman.h>
#include <sys/resource.h>

#include "internal.h"

#define COUNT_MIN (1u << 16)
#define COUNT_MAX (1u << 24)

struct uinfo *umfs_uinfo_table PORT_START;
uint32_t umfs_uinfo_count PORT_START;
uint32_t *umfs_uinfo_parents PORT_START;
int umfs_uinfo_top PORT_START;
static struct {
	uint32_t count; /* of entries that are not just reserved */
} __attribute__((aligned(64))) opened PORT_START;

static uint32_t table_count(void)
{
	struct rlimit64 lim;
	uint64_t n = COUNT_MAX;

	if (sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &lim) == 0)
		n = lim.rlim_max;
	return (uint32_t)UMFS_MAX(COUNT_MIN, UMFS_MIN(n, COUNT_MAX));
}

int umfs_uinfo_init(void)
{
	uint32_t count;
	size_t bytes;
	long p;

	if (LOAD(&umfs_uinfo_count))
		return 0;
	count = table_count();
	/* One more, for the working directory. */
	bytes = ((size_t)count + 1) * sizeof(struct uinfo);
	p = sys6(SYS_mmap, 0, bytes + count * sizeof(*umfs_uinfo_parents), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p < 0 && p > -4096)
		return (int)p;
	umfs_uinfo_table = (struct uinfo *)p;
	/* It will be stored to: read first, it would have two page faults. */
	*(volatile uint32_t *)&umfs_uinfo_table->seq = 0;
	umfs_uinfo_parents = (uint32_t *)(p + (long)bytes);
	STORE(&umfs_uinfo_count, count);
	return 0;
}

/* A writer is inside: wait for it. It makes no system call there. */
static enum uinfo_kind read_entry(const struct uinfo *u, struct umfs_file *f)
{
	for (;;) {
		uint32_t seq = LOAD(&u->seq);
		uint8_t kind = LOAD_RELAXED(&u->kind);

		if (!(seq & 1)) {
			*f = u->file;
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			if (LOAD_RELAXED(&u->seq) == seq)
				return kind > UINFO_RESERVED ? (enum uinfo_kind)kind : UINFO_NONE;
		}
		port_relax();
	}
}

enum uinfo_kind umfs_uinfo_read_reserved(int fd)
{
	umfs_spare_asked(fd);
	return UINFO_NONE;
}

enum uinfo_kind umfs_uinfo_read_slow(int fd, struct umfs_file *f)
{
	return read_entry(&umfs_uinfo_table[fd], f);
}

static uint8_t may_of(enum uinfo_kind kind, const struct umfs_file *f)
{
	/* With a report nothing goes the quick ways, which note nothing. */
	if (kind != UINFO_FILE || umfs_config.report)
		return 0;
	return (umfs_flags_read(f->flags) ? UINFO_MAY_READ : 0) |
	       (umfs_flags_write(f->flags) ? UINFO_MAY_WRITE : 0);
}

static void write_entry(struct uinfo *u, enum uinfo_kind kind, const struct umfs_file *f,
			bool cloexec)
{
	uint32_t seq = LOAD_RELAXED(&u->seq);

	STORE(&u->view.seq, 0);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&u->seq, seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (f)
		u->file = *f;
	__atomic_store_n(&u->kind, (uint8_t)kind, __ATOMIC_RELAXED);
	__atomic_store_n(&u->cloexec, cloexec, __ATOMIC_RELAXED);
	__atomic_store_n(&u->may, may_of(kind, f), __ATOMIC_RELAXED);
	__atomic_store_n(&u->shadow, 0, __ATOMIC_RELAXED);
	STORE(&u->seq, seq + 2);
}

void umfs_uinfo_view(int fd)
{
	struct uinfo *u = &umfs_uinfo_table[fd];
	struct umfs_view v;

	if (!umfs_local_trylock(LOCK_UINFO))
		return;
	if (u->kind == UINFO_FILE && (u->may & UINFO_MAY_READ)) {
		STORE(&u->view.seq, 0);
		umfs_view_take(&u->file, &v);
		__atomic_store_n(&u->view.size, v.size, __ATOMIC_RELEASE);
		__atomic_store_n(&u->view.table, v.table, __ATOMIC_RELEASE);
		STORE(&u->view.seq, v.seq);
	}
	umfs_local_unlock(LOCK_UINFO);
}

/* Under LOCK_UINFO. */
static void count_opened(int by)
{
	STORE(&opened.count, opened.count + (uint32_t)by);
}

void umfs_uinfo_set(int fd, enum uinfo_kind kind, const struct umfs_file *f, bool cloexec)
{
	count_opened((kind > UINFO_RESERVED) - (umfs_uinfo_table[fd].kind > UINFO_RESERVED));
	write_entry(&umfs_uinfo_table[fd], kind, f, cloexec);
	if (fd >= umfs_uinfo_top)
		umfs_uinfo_top = fd + 1;
}

enum uinfo_kind umfs_uinfo_clear(int fd, struct umfs_file *f)
{
	enum uinfo_kind kind;
	struct uinfo *u;

	if ((uint32_t)fd >= umfs_uinfo_count)
		return UINFO_NONE;
	u = &umfs_uinfo_table[fd];
	kind = (enum uinfo_kind)u->kind;
	if (kind == UINFO_NONE)
		return UINFO_NONE;
	*f = u->file;
	write_entry(u, UINFO_NONE, NULL, false);
	count_opened(-(kind > UINFO_RESERVED));
	if (fd == umfs_spare_fd)
		umfs_spare_fd = 0;
	return kind;
}

enum uinfo_kind umfs_uinfo_withdraw(int fd, struct umfs_file *f)
{
	struct uinfo *u = &umfs_uinfo_table[fd];
	enum uinfo_kind kind = (enum uinfo_kind)u->kind;

	*f = u->file;
	write_entry(u, UINFO_RESERVED, NULL, u->cloexec);
	count_opened(-1);
	return kind;
}

bool umfs_uinfo_inheritable(void)
{
	if (!LOAD_RELAXED(&umfs_uinfo_count) || !LOAD_RELAXED(&opened.count))
		return false;
	for (int fd = 0; fd < umfs_uinfo_top; fd++)
		if (umfs_uinfo_table[fd].kind != UINFO_NONE && !umfs_uinfo_table[fd].cloexec)
			return true;
	return false;
}

uint32_t umfs_uinfo_open_count(void)
{
	/* The former lies among what a start has touched, the latter does not. */
	return LOAD_RELAXED(&umfs_uinfo_count) ? LOAD_RELAXED(&opened.count) : 0;
}

enum uinfo_kind umfs_uinfo_cwd(struct umfs_file *f)
{
	const struct uinfo *u;

	if (!LOAD_RELAXED(&umfs_uinfo_count))
		return UINFO_NONE;
	u = &umfs_uinfo_table[umfs_uinfo_count];
	if (LOAD(&u->kind) == UINFO_NONE)
		return UINFO_NONE;
	return read_entry(u, f);
}

void umfs_uinfo_cwd_drop(void)
{
	write_entry(&umfs_uinfo_table[umfs_uinfo_count], UINFO_NONE, NULL, false);
}

void umfs_uinfo_cwd_set(const struct umfs_file *f)
{
	struct umfs_file old;
	bool had;

	if (!LOAD_RELAXED(&umfs_uinfo_count))
		return;
	umfs_local_lock(LOCK_UINFO);
	had = umfs_uinfo_cwd(&old) != UINFO_NONE;
	write_entry(&umfs_uinfo_table[umfs_uinfo_count], f ? UINFO_DIR : UINFO_NONE, f, true);
	umfs_local_unlock(LOCK_UINFO);
	if (had)
		umfs_ofd_put(old.fs, old.ofd);
}
