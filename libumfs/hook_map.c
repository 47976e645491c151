// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_map.c - mmap, munmap, mremap, msync, madvise.
 *
 * A shared mapping is made of the pool's own pages, one mapping of the pool file for
 * each run of them, and its file is pinned for as long (maps.c, core/map.c). A private
 * one of a file that is small, or to be executed, is memory with a copy; larger
 * ones are the pool's pages, copied when they are written to, and pinned as well.
 *
 * Pages behind the end of the file are SIGBUS, as the kernel has it. When the file
 * grows they are mapped at the first touch (umfs_maps_fault); when this process cuts
 * it short they go at once (umfs_maps_cut). Cut short by another process they stay
 * pages of the file, which nobody else gets before the last mapping is gone.
 */
#include <linux/falloc.h>
#include <sys/mman.h>

#include "file.h"
#include "hooks.h"
#include "maps.h"

#define PAGE 4096ul
#define COPY_MAX (256ul << 10) /* bytes of a private mapping; larger ones are not read ahead of use */
#define PLACE_FLAGS (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)

static bool failed(long ret)
{
	return ret < 0 && ret > -4096;
}

static uint64_t page_above(uint64_t n)
{
	return (n + PAGE - 1) & ~(PAGE - 1);
}

/* ---- pages of the pool ---- */

/* May the program store there, or change the protection so that it may? */
static bool may_store(const struct range *r)
{
	return (r->flags & MAP_TYPE) == MAP_PRIVATE || (r->file.flags & O_ACCMODE) == O_RDWR;
}

/* Those of [off, end) of the file at `at`; holes (of private mappings) become zeros. */
static long map_runs(const struct range *r, uintptr_t at, uint64_t off, uint64_t end)
{
	struct mount *m = umfs_mount_of(r->file.fs);
	int keep = r->flags & (MAP_TYPE | MAP_NORESERVE | MAP_LOCKED | MAP_POPULATE);
	bool shared = (r->flags & MAP_TYPE) != MAP_PRIVATE;
	int fd = pool_pages_open(&m->pool, may_store(r));
	long ret = fd;

	if (shared)
		keep = (keep & ~MAP_TYPE) | MAP_SHARED;
	while (ret >= 0 && off < end) {
		uint64_t where = 0;
		int64_t n = umfs_map_run(&r->file, off, end - off, &where);

		if (n <= 0)
			ret = n ? n : -EIO;
		else if (where)
			ret = pool_pages_map(fd, at, (uint64_t)n, r->prot, keep | MAP_FIXED,
					     where);
		else
			ret = shared ? -EIO :
				       pool_pages_map(-1, at, (uint64_t)n, r->prot,
						      keep | MAP_FIXED | MAP_ANONYMOUS, 0);
		ret = failed(ret) ? ret : 0;
		at += (uint64_t)n;
		off += (uint64_t)n;
	}
	if (fd >= 0)
		sys1(SYS_close, fd);
	return ret < 0 ? ret : 0; /* of an empty file there were no runs */
}

static uint32_t pin_flags(const struct range *r)
{
	if ((r->flags & MAP_TYPE) == MAP_PRIVATE)
		return 0;
	return UMFS_MAP_SHARED | ((r->prot & PROT_WRITE) ? UMFS_MAP_WRITE : 0);
}

/* r->start .. r->end is memory of ours by now: make it what r says, and note it. */
static long fill_pinned(struct range *r)
{
	uint64_t end = r->off + (r->end - r->start);
	long ret = umfs_map_pin(&r->file, pin_flags(r), r->off, &end, &r->irec);

	if (ret)
		return ret;
	r->valid = r->start + (end - r->off);
	ret = map_runs(r, r->start, r->off, end);
	if (!ret) {
		umfs_local_lock(LOCK_MAPS);
		ret = umfs_maps_add(r);
		umfs_local_unlock(LOCK_MAPS);
	}
	if (ret)
		umfs_map_put(r->file.fs, r->irec);
	return ret;
}

/* ---- copies ---- */

static long copy_in(const struct umfs_file *f, uintptr_t at, uint64_t off, uint64_t end)
{
	while (off < end) {
		uint64_t where;
		int64_t n = umfs_map_run(f, off, page_above(end - off), &where), got = 0;

		if (n <= 0)
			return n ? n : -EIO;
		if (where)
			got = umfs_pread(f, (void *)at, UMFS_MIN((uint64_t)n, end - off), off);
		if (got < 0)
			return got;
		at += (uint64_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

static long fill_copy(const struct range *r, uint64_t size)
{
	uint64_t n = UMFS_MIN(r->end - r->start, size > r->off ? size - r->off : 0);
	int keep = r->flags & (MAP_NORESERVE | MAP_LOCKED | MAP_POPULATE);
	long ret;

	if (!n)
		return 0;
	ret = sys6(SYS_mmap, r->start, (long)page_above(n), PROT_READ | PROT_WRITE,
		   keep | MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (failed(ret))
		return ret;
	ret = copy_in(&r->file, r->start, r->off, r->off + n);
	if (!ret && r->prot != (PROT_READ | PROT_WRITE))
		ret = sys3(SYS_mprotect, r->start, page_above(n), r->prot);
	return ret;
}

/* ---- mmap ---- */

/* M2. */
static long unmap(uintptr_t at, uint64_t n)
{
	long ret;

	umfs_local_lock(LOCK_MAPS);
	ret = sys2(SYS_munmap, at, n);
	if (!ret)
		umfs_maps_forget(at, at + n);
	umfs_local_unlock(LOCK_MAPS);
	return ret;
}

static bool is_copied(const struct range *r, uint64_t size)
{
	uint64_t n = UMFS_MIN(r->end - r->start, size > r->off ? size - r->off : 0);

	return (r->flags & MAP_TYPE) == MAP_PRIVATE &&
	       (n <= COPY_MAX || (r->prot & PROT_EXEC));
}

/* r->start is where the program wants it, by r->flags; the address, or an error. */
static long make(struct range *r, uint64_t n)
{
	struct mount *m = umfs_mount_of(r->file.fs);
	struct umfs_attr attr;
	long ret = umfs_getattr(r->file.fs, umfs_file_node(&r->file), &attr), at;

	if (ret)
		return umfs_file_gone(ret);
	at = pool_pages_nowhere(&m->pool, r->start, n, r->prot, r->flags & PLACE_FLAGS,
				may_store(r));
	if (failed(at))
		return at;
	r->start = (uintptr_t)at;
	r->end = r->start + n;
	umfs_accessed(&r->file); /* before the time of change is set, which it is compared with */
	if (is_copied(r, attr.size)) {
		umfs_local_lock(LOCK_MAPS);
		umfs_maps_forget(r->start, r->end);
		umfs_local_unlock(LOCK_MAPS);
		ret = fill_copy(r, attr.size);
	} else {
		ret = fill_pinned(r);
	}
	if (ret) {
		(void)unmap((uintptr_t)at, n); /* what MAP_FIXED took the place of is gone, too */
		return ret;
	}
	return at;
}

/* What the kernel says no to. */
static long check(enum uinfo_kind kind, const struct umfs_file *f, uint64_t n, int prot, int flags,
		  uint64_t off)
{
	int type = flags & MAP_TYPE, access = (int)f->flags & O_ACCMODE;

	if (kind == UINFO_PATH)
		return -EBADF;
	if (flags & MAP_HUGETLB)
		return umfs_refuse(REPORT_NO_MMAP, EINVAL);
	if (!page_above(n))
		return -ENOMEM;
	if (off > INT64_MAX || n > INT64_MAX - off)
		return -EOVERFLOW;
	if (type == MAP_SHARED_VALIDATE && (flags & MAP_SYNC))
		return umfs_refuse(REPORT_NO_MMAP, EOPNOTSUPP);
	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type != MAP_PRIVATE && (prot & PROT_WRITE) && access != O_RDWR)
		return -EACCES;
	if (!umfs_flags_read(f->flags))
		return -EACCES;
	return kind == UINFO_DIR ? -ENODEV : 0;
}

static long map_ours(uintptr_t addr, size_t n, int prot, int flags, int fd, uint64_t off)
{
	struct range r = {.start = addr, .off = off, .prot = prot, .flags = flags};
	enum uinfo_kind kind = umfs_uinfo_read(fd, &r.file);
	long ret;

	if (kind == UINFO_NONE)
		return -EBADF; /* closed just now */
	if (!n)
		return kind == UINFO_PATH ? -EBADF : -EINVAL;
	ret = check(kind, &r.file, n, prot, flags, off);
	if (ret)
		return ret;
	umfs_maps_enter();
	umfs_local_unlock(LOCK_MAPS);
	ret = make(&r, page_above(n));
	umfs_local_lock(LOCK_MAPS);
	umfs_maps_leave();
	umfs_report_count(REPORT_SERVED);
	return ret;
}

long umfs_hook_mmap(void *addr, size_t n, int prot, int flags, int fd, off_t off)
{
	long ret;

	if (!(flags & MAP_ANONYMOUS) && umfs_uinfo_ours(fd) && !((uint64_t)off & (PAGE - 1)))
		return map_ours((uintptr_t)addr, n, prot, flags, fd, (uint64_t)off);
	if (likely(!LOAD_RELAXED(&umfs_maps_count)))
		return sys6(SYS_mmap, SYS_ARG(addr), (long)n, prot, flags, fd, off);
	umfs_maps_enter();
	ret = sys6(SYS_mmap, SYS_ARG(addr), (long)n, prot, flags, fd, off);
	if (!failed(ret))
		umfs_maps_forget((uintptr_t)ret, (uintptr_t)ret + page_above(n));
	umfs_maps_leave();
	return ret;
}

/* ---- munmap, mremap, msync, madvise ---- */

static long unmap_as_told(uintptr_t at, size_t n)
{
	long ret;

	if (likely(!LOAD_RELAXED(&umfs_maps_count)))
		return sys2(SYS_munmap, at, n);
	umfs_maps_enter();
	ret = sys2(SYS_munmap, at, n);
	if (!ret)
		umfs_maps_forget(at, at + page_above(n));
	umfs_maps_leave();
	return ret;
}

/*
 * What pools lie in is not the program's, and stays: some other memory would come to its
 * place, and core would take that for the pool. To the program nothing was there.
 */
long umfs_hook_munmap(void *addr, size_t n)
{
	uintptr_t at = (uintptr_t)addr, end = at + page_above(n);
	uint64_t ours, behind;
	long ret = 0;

	if (likely(!umfs_mount_memory(at, end, &ours, &behind)) || at % PAGE)
		return unmap_as_told(at, n);
	do {
		if (ours > at)
			ret = unmap_as_told(at, ours - at);
		at = behind;
	} while (!ret && umfs_mount_memory(at, end, &ours, &behind));
	return ret || at >= end ? ret : unmap_as_told(at, end - at);
}

/* The n bytes behind the range [old, old + old_n), where nothing may be yet. */
static long grow_here(const struct range *was, uintptr_t old, uint64_t old_n, uint64_t n)
{
	struct range r = *was;

	r.off += old - was->start + old_n;
	r.start = old + old_n;
	r.flags = (was->flags & ~(PLACE_FLAGS | MAP_POPULATE)) | MAP_FIXED_NOREPLACE;
	return make(&r, n);
}

/* All of it somewhere else, or where the program says; then the old place is nobody's. */
static long move(const struct range *was, uintptr_t old, uint64_t old_n, uint64_t n, int flags,
		 uintptr_t to)
{
	struct range r = *was;
	long ret;

	if ((was->flags & MAP_TYPE) == MAP_PRIVATE)
		return -ENOMEM; /* its copied pages have no other place */
	r.off += old - was->start;
	r.start = (flags & MREMAP_FIXED) ? to : 0;
	r.flags = (was->flags & ~(PLACE_FLAGS | MAP_POPULATE)) |
		  ((flags & MREMAP_FIXED) ? MAP_FIXED : 0);
	ret = make(&r, n);
	if (!failed(ret) && old_n)
		(void)unmap(old, old_n);
	return ret;
}

static long shrink(uintptr_t old, uint64_t old_n, uint64_t n)
{
	long ret = n == old_n ? 0 : unmap(old + n, old_n - n);

	return ret ? ret : (long)old;
}

/* LOCK_MAPS is not held; `was` is a copy. */
static long remap_ours(const struct range *was, uintptr_t old, uint64_t old_n, uint64_t n, int flags,
		       uintptr_t to)
{
	long ret;

	if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) || !n || old % PAGE ||
	    ((flags & MREMAP_FIXED) &&
	     (!(flags & MREMAP_MAYMOVE) || to % PAGE || (to < old + old_n && old < to + n))) ||
	    (!old_n && !(flags & MREMAP_MAYMOVE)))
		return -EINVAL;
	if (old < was->start || old + old_n > was->end)
		return -EFAULT;
	if (flags & MREMAP_FIXED || !old_n)
		return move(was, old, old_n, n, flags, to);
	if (n <= old_n)
		return shrink(old, old_n, n);
	ret = old + old_n == was->end ? grow_here(was, old, old_n, n - old_n) : -ENOMEM;
	if (!failed(ret))
		return (long)old;
	return (flags & MREMAP_MAYMOVE) ? move(was, old, old_n, n, flags, to) : -ENOMEM;
}

long umfs_hook_mremap(void *addr, size_t old_n, size_t n, int flags, void *to)
{
	uintptr_t old = (uintptr_t)addr;
	struct range *r, was;
	uint32_t at = 0;
	long ret;

	if (likely(!LOAD_RELAXED(&umfs_maps_count)))
		return sys5(SYS_mremap, addr, old_n, n, flags, to);
	umfs_maps_enter();
	r = umfs_maps_next(&at, old, old + (old_n ? page_above(old_n) : 1));
	if (r) {
		was = *r;
		umfs_map_get(was.file.fs, was.irec); /* while it is looked at */
		umfs_local_unlock(LOCK_MAPS);
		ret = remap_ours(&was, old, page_above(old_n), page_above(n), flags,
				 (uintptr_t)to);
		umfs_map_put(was.file.fs, was.irec);
		umfs_local_lock(LOCK_MAPS);
	} else {
		ret = sys5(SYS_mremap, addr, old_n, n, flags, to);
		if (!failed(ret))
			umfs_maps_forget((uintptr_t)ret, (uintptr_t)ret + page_above(n));
	}
	umfs_maps_leave();
	return ret;
}

/* What is durable by a mapping is what fsync makes durable: core knows where the pages lie. */
static long sync_ours(uintptr_t start, uintptr_t end)
{
	struct umfs_file file;
	uint32_t irec, at = 0;
	struct range *r;
	long ret = 0;

	umfs_maps_enter();
	while (!ret && (r = umfs_maps_next(&at, start, end))) {
		file = r->file;
		irec = r->irec;
		umfs_map_get(file.fs, irec);
		umfs_local_unlock(LOCK_MAPS);
		ret = umfs_fsync(&file);
		umfs_map_put(file.fs, irec);
		umfs_local_lock(LOCK_MAPS);
	}
	umfs_maps_leave();
	return ret;
}

long umfs_hook_msync(void *addr, size_t n, int flags)
{
	long ret = umfs_cancel_call(SYS_msync, SYS_ARG(addr), (long)n, flags, 0, 0, 0);

	if (likely(!LOAD_RELAXED(&umfs_maps_count)) || (ret && ret != -EINVAL) ||
	    (flags & (MS_SYNC | MS_ASYNC)) != MS_SYNC || (uintptr_t)addr % PAGE)
		return ret;
	return sync_ours((uintptr_t)addr, (uintptr_t)addr + page_above(n));
}

/* The part of r in [start, end) becomes a hole. LOCK_MAPS is held, and not meanwhile. */
static long punch(const struct range *r, uintptr_t start, uintptr_t end)
{
	struct umfs_file file = r->file;
	uint32_t irec = r->irec;
	uint64_t from = UMFS_MAX(start, r->start), to = UMFS_MIN(end, r->end);
	uint64_t off = r->off + (from - r->start);
	long ret;

	if ((r->flags & MAP_TYPE) == MAP_PRIVATE || (r->file.flags & O_ACCMODE) != O_RDWR)
		return -EACCES;
	umfs_map_get(file.fs, irec);
	umfs_local_unlock(LOCK_MAPS);
	ret = umfs_fallocate(&file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, to - from);
	umfs_map_put(file.fs, irec);
	umfs_local_lock(LOCK_MAPS);
	return ret;
}

/* The kernel would take memory from the pool that core believes to be there. */
long umfs_hook_madvise(void *addr, size_t n, int advice)
{
	uintptr_t start = (uintptr_t)addr, end = start + page_above(n);
	struct range *r;
	uint32_t at = 0;
	bool ours = false;
	long ret = 0;

	if (advice != MADV_REMOVE || start % PAGE || !LOAD_RELAXED(&umfs_maps_count))
		return sys3(SYS_madvise, addr, n, advice);
	umfs_maps_enter();
	while (!ret && (r = umfs_maps_next(&at, start, end))) {
		ours = true;
		ret = punch(r, start, end);
	}
	umfs_maps_leave();
	return ours ? ret : sys3(SYS_madvise, addr, n, advice);
}

/* ---- the end of a file moves ---- */

void umfs_maps_cut(struct umfs *fs, umfs_node node, uint64_t size)
{
	struct range *r;
	uint32_t at = 0;

	if (!LOAD_RELAXED(&umfs_maps_count))
		return;
	umfs_maps_enter();
	while ((r = umfs_maps_next(&at, 0, UINTPTR_MAX))) {
		uint64_t have = UMFS_MAX(page_above(size), r->off) - r->off;
		uintptr_t from = r->start + have;

		if (r->file.fs != fs || umfs_file_node(&r->file) != node ||
		    have >= r->valid - r->start)
			continue;
		(void)pool_pages_nowhere(&umfs_mount_of(fs)->pool, from, r->valid - from,
					 r->prot, MAP_FIXED, may_store(r));
		r->valid = from;
	}
	umfs_maps_leave();
}

/* The range that has addr behind its file's end; a hold of its own. */
static bool behind_end(uintptr_t addr, struct range *found)
{
	uint32_t at = 0;
	struct range *r = umfs_maps_next(&at, addr, addr + 1);

	if (!r || addr < r->valid || (r->flags & MAP_TYPE) == MAP_PRIVATE)
		return false;
	*found = *r;
	umfs_map_get(r->file.fs, r->irec);
	return true;
}

/* LOCK_MAPS held: r up to `end` of its file, whose pages are pinned. */
static bool extend(struct range *r, uint64_t end)
{
	uint64_t off = r->off + (r->valid - r->start);

	end = UMFS_MIN(end, r->off + (r->end - r->start));
	if (end <= off)
		return true; /* by another thread, meanwhile */
	if (map_runs(r, r->valid, off, end))
		return false;
	r->valid += end - off;
	return true;
}

/* Did the file grow to there? Then its pages are mapped (M5), and the touch is tried again. */
static bool map_grown(const struct range *was, uintptr_t addr)
{
	uint64_t end = was->off + (was->end - was->start);
	uint32_t irec, at = 0;
	struct range *now;
	bool there;

	if (umfs_map_pin(&was->file, pin_flags(was), was->off + (was->valid - was->start), &end,
			 &irec))
		return false;
	umfs_local_lock(LOCK_MAPS);
	now = umfs_maps_next(&at, addr, addr + 1);
	there = now && now->irec == was->irec && extend(now, end) && addr < now->valid;
	umfs_local_unlock(LOCK_MAPS);
	umfs_map_put(was->file.fs, irec);
	return there;
}

bool umfs_maps_fault(uintptr_t addr)
{
	struct range r;
	bool again = false;

	if (likely(!LOAD_RELAXED(&umfs_maps_count)) || umfs_guard_self.busy)
		return false;
	umfs_maps_enter();
	if (behind_end(addr, &r)) {
		umfs_local_unlock(LOCK_MAPS);
		again = map_grown(&r, addr);
		umfs_map_put(r.file.fs, r.irec);
		umfs_local_lock(LOCK_MAPS);
	}
	umfs_maps_leave();
	return again;
}

/* The process ends: its pages are given up, so that its pools can be left. */
void umfs_maps_end(void)
{
	struct range *r;
	uint32_t at = 0;

	if (!LOAD_RELAXED(&umfs_maps_count))
		return;
	umfs_maps_enter();
	while ((r = umfs_maps_next(&at, 0, UINTPTR_MAX)))
		(void)sys6(SYS_mmap, r->start, (long)(r->end - r->start), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	umfs_maps_forget(0, UINTPTR_MAX);
	umfs_maps_leave();
}

/*
 * Nobody holds those files for this process (M1), so it must not have their pages.
 * All locks are held, for the parent took them.
 */
void umfs_maps_lost(struct umfs *fs)
{
	struct range *r;
	uint32_t at = 0;

	while ((r = umfs_maps_next(&at, 0, UINTPTR_MAX))) {
		if (r->file.fs != fs)
			continue;
		(void)pool_pages_nowhere(&umfs_mount_of(fs)->pool, r->start, r->end - r->start,
					 r->prot, MAP_FIXED, may_store(r));
		memset(r, 0, sizeof(*r));
	}
}
