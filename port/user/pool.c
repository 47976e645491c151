// SPDX-License-Identifier: BSD-3-Clause
/*
 * pool.c - opening, mapping and attaching a pool.
 *
 * The mapping starts at a multiple of 2 MiB, so that a unit of the pool can be
 * one huge page of the mapping.
 */
#include "port_own.h"
#include "ranges.h"
#include "sys.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static long map(uint64_t at, uint64_t n, int prot, int flags, int fd)
{
	return sys6(SYS_mmap, (long)at, (long)n, prot, flags, fd, 0);
}

static bool failed(long ret)
{
	return ret < 0 && ret > -4096;
}

/* Map the file over [at, at + map_bytes), as the medium allows. `how`: MAP_FIXED or _NOREPLACE. */
static long map_file(struct pool *p, uint64_t at, int how)
{
	const int prot = PROT_READ | PROT_WRITE;
	const int flags = how | MAP_NORESERVE;
	long ret;

	/* devdax knows no private mappings: stores fault there instead of staying private. */
	if (p->flags & POOL_READONLY && p->is_device)
		return map(at, p->map_bytes, PROT_READ, flags | MAP_SHARED, p->fd);
	if (p->flags & POOL_READONLY)
		return map(at, p->map_bytes, prot, flags | MAP_PRIVATE, p->fd);
	/* Files on persistent memory: what lines hold is then all that is to be written back. */
	ret = map(at, p->map_bytes, prot, flags | MAP_SHARED_VALIDATE | MAP_SYNC, p->fd);
	p->is_synced = !failed(ret) || p->is_device;
	if (!failed(ret) || ret == -EEXIST)
		return ret;
	return map(at, p->map_bytes, prot, flags | MAP_SHARED, p->fd);
}

/* Below what was mapped last there is room, mostly: one call in place of three. */
static bool map_near(struct pool *p, uint64_t align)
{
	uint64_t at = (p->near - p->map_bytes) & -align;
	long ret;

	if (p->near <= p->map_bytes + align || p->map_bytes == p->fs.bytes)
		return false;
	ret = map_file(p, at, MAP_FIXED_NOREPLACE);
	if (failed(ret))
		return false;
	if ((uint64_t)ret != at) { /* a kernel that takes the address for a hint */
		(void)sys2(SYS_munmap, ret, p->map_bytes);
		return false;
	}
	p->fs.base = (uint8_t *)at;
	return true;
}

/* Reserve more than is needed, map at the first aligned place, give back the ends. */
static int map_aligned(struct pool *p)
{
	uint64_t align = UMFS_MAX((uint64_t)UMFS_UNIT_BYTES, p->page_bytes);
	uint64_t room = p->map_bytes + align;
	uint64_t start, end;
	long at, ret;

	if (map_near(p, align))
		return 0;
	at = -ENOMEM;
	if (p->map_bytes == p->fs.bytes && !(p->flags & POOL_READONLY))
		at = pool_lonely(room);
	if (failed(at))
		at = map(0, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	if (failed(at))
		return (int)at;
	start = round_up((uint64_t)at, align);
	end = start + p->map_bytes;
	ret = map_file(p, start, MAP_FIXED);
	if (failed(ret)) {
		(void)sys2(SYS_munmap, at, room);
		return (int)ret;
	}
	if (start > (uint64_t)at)
		(void)sys2(SYS_munmap, at, start - (uint64_t)at);
	if (end < (uint64_t)at + room)
		(void)sys2(SYS_munmap, end, (uint64_t)at + room - end);
	p->fs.base = (uint8_t *)start;
	return 0;
}

static void unmap(struct pool *p)
{
	if (!p->fs.base)
		return;
	port_range_del((uintptr_t)p->fs.base);
	(void)sys2(SYS_munmap, p->fs.base, p->map_bytes);
	p->fs.base = NULL;
}

int pool_map(struct pool *p, const char *path, uint32_t flags)
{
	int err;

	if (!(flags & POOL_ZERO))
		memset(p, 0, sizeof(*p));
	p->flags = flags;
	p->attach_fd = -1;
	err = pool_file_open(p, path);
	if (err)
		return err;
	p->fs.bytes = p->file_bytes / p->page_bytes * p->page_bytes;
	p->fs.port = p;
	p->fs.readonly = !!(flags & POOL_READONLY);
	p->map_bytes = pool_room(p) / p->page_bytes * p->page_bytes;
	err = map_aligned(p);
	if (err && p->map_bytes > p->fs.bytes) {
		p->map_bytes = p->fs.bytes;
		err = map_aligned(p);
	}
	if (err)
		goto err_close;
	err = port_range_add((uintptr_t)p->fs.base, p->map_bytes);
	if (err)
		goto err_unmap;
	/* Only advice: tmpfs then takes huge pages by itself where it is set up so. */
	(void)sys3(SYS_madvise, p->fs.base, p->map_bytes, MADV_HUGEPAGE);
	return 0;

err_unmap:
	unmap(p);
err_close:
	(void)sys1(SYS_close, p->fd);
	p->fd = -1;
	return err;
}

/*
 * Is there a signature at all? Asked with read, since touching a hole of a file
 * that is no pool would give it memory, or a SIGBUS where there is none.
 */
static bool has_signature(const struct pool *p)
{
	static const uint32_t pages[] = {UMFS_SB_PAGE, UMFS_SB_BACKUP_PAGE};
	uint32_t i;

	if (p->is_device)
		return true;
	for (i = 0; i < UMFS_ARRAY_LEN(pages); i++) {
		le64 magic;
		long n = sys4(SYS_pread64, p->fd, &magic, sizeof(magic),
			      (uint64_t)pages[i] << UMFS_PAGE_SHIFT);

		if (n == sizeof(magic) && ld64(&magic) == UMFS_MAGIC)
			return true;
	}
	return false;
}

bool pool_has_data(const struct pool *p, uint64_t off, uint64_t n)
{
	int fd = pool_fd(p);
	long at;

	if (p->is_device || fd < 0)
		return true;
	at = sys3(SYS_lseek, fd, off, SEEK_DATA);
	if (at == -ENXIO)
		return false;
	return at < 0 || (uint64_t)at < off + n;
}

/* Counts of this process's references, a word for each record and description. */
static int make_tables(struct pool *p)
{
	const struct umfs_geometry *geo = &p->fs.geo;
	uint64_t words = (uint64_t)geo->irec_count + geo->ofd_count;
	uint64_t bytes = round_up(words * sizeof(uint32_t), UMFS_PAGE_BYTES);
	long at = map(0, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	if (failed(at))
		return (int)at;
	p->tables = (void *)at;
	p->tables_bytes = bytes;
	p->fs.irec_refs = p->tables;
	p->fs.ofd_refs = p->fs.irec_refs + geo->irec_count;
	return 0;
}

/* The file was mapped before it was made longer, and the superblock read after. */
static bool grew_meanwhile(const struct pool *p)
{
	struct stat st;

	return !p->is_device && !sys2(SYS_fstat, p->fd, &st) &&
	       (uint64_t)st.st_size > p->fs.bytes;
}

static bool all_persistent PORT_START;

void pool_all_persistent(void)
{
	all_persistent = true;
}

static int load(struct pool *p, bool *from_backup)
{
	int err = umfs_super_load(&p->fs, from_backup);

	if (!err && all_persistent)
		p->fs.geo.durability = UMFS_DURABLE_FLUSH;
	return err;
}

static int map_and_load(struct pool *p, const char *path, uint32_t flags, bool *from_backup)
{
	int err = pool_map(p, path, flags);

	if (err)
		return err;
	return has_signature(p) ? load(p, from_backup) : -EINVAL;
}

/*
 * One that says that all its memory is there is copied with holes by some programs: memory
 * for these is had now or never, since core will not ask for any.
 */
static int fill_holes(struct pool *p)
{
	if (!(p->fs.geo.flags & UMFS_SB_BACKED) || !p->sparse_bytes)
		return 0;
	return port_back(&p->fs, 0, p->fs.geo.pool_pages << UMFS_PAGE_SHIFT);
}

int pool_open(struct pool *p, const char *path, uint32_t flags, bool *from_backup)
{
	int err = map_and_load(p, path, flags, from_backup);

	if (err == -ENOSPC && p->fs.base && grew_meanwhile(p)) {
		pool_close(p);
		err = map_and_load(p, path, flags & ~POOL_ZERO, from_backup);
	}
	if (err && !p->fs.base)
		return err;
	if (!err && p->fs.geo.look_only && !(flags & POOL_READONLY))
		err = -ENOTSUP;
	if (!err && p->fs.geo.durability == UMFS_DURABLE_FLUSH)
		port_nt_flushes();
	if (!err)
		err = make_tables(p);
	if (!err)
		err = fill_holes(p);
	if (err)
		pool_close(p);
	return err;
}

/* It is mapped and its superblock loaded; closed when it can not be attached. */
static int join(struct pool *p, uint32_t mode)
{
	bool clean;
	uint32_t epoch = pool_shadow_epoch(p, &clean);
	int err = umfs_attach(&p->fs, mode);

	if (err)
		pool_close(p);
	else
		pool_shadow_begin(p, epoch, clean);
	return err;
}

int pool_attach(struct pool *p, const char *path, uint32_t mode)
{
	bool from_backup;
	int err = pool_open(p, path, 0, &from_backup);

	return err ? err : join(p, mode);
}

int pool_attach_zero(struct pool *p, const char *path, uint32_t mode, uintptr_t near)
{
	bool from_backup;
	int err;

	p->near = near;
	err = pool_open(p, path, POOL_ZERO, &from_backup);
	p->fs.fresh = 1;
	return err ? err : join(p, mode);
}

void pool_close_fd(struct pool *p)
{
	if (pool_fd(p) >= 0)
		(void)sys1(SYS_close, p->fd);
	p->fd = -1;
}

static void leave(struct pool *p)
{
	umfs_detach(&p->fs);
	pool_shadow_leave(p);
}

void pool_close(struct pool *p)
{
	uint32_t slot = p->fs.slot;

	if (slot < UMFS_SLOTS_MAX && p->slot_page[slot])
		leave(p);
	unmap(p);
	if (p->tables)
		(void)sys2(SYS_munmap, p->tables, p->tables_bytes);
	p->tables = NULL;
	pool_close_fd(p);
}

void pool_pause(struct pool *p)
{
	leave(p);
	pool_close_fd(p);
}

/* It may have grown, into the room that was mapped for that. */
static int reach_end(struct pool *p)
{
	uint64_t bytes = p->file_bytes / p->page_bytes * p->page_bytes;

	return bytes > p->map_bytes ? -ESTALE : port_reach(&p->fs, bytes);
}

/* What is in it now fits what was made for it. */
static int load_again(struct pool *p)
{
	const struct umfs_geometry old = p->fs.geo;
	bool from_backup;
	int err = pool_file_again(p);

	if (!err)
		err = reach_end(p);
	if (!err)
		err = load(p, &from_backup);
	if (!err && (p->fs.geo.irec_count != old.irec_count ||
		     p->fs.geo.ofd_count != old.ofd_count ||
		     p->fs.geo.durability != old.durability || p->fs.geo.look_only))
		err = -ESTALE;
	return err;
}

int pool_resume(struct pool *p, const char *path, uint32_t mode)
{
	if (!p->fs.broken && !load_again(p))
		return join(p, mode);
	pool_close(p); /* another pool lies there by now, or none */
	return pool_attach(p, path, mode);
}

const char *pool_strerror(int err)
{
	switch (-err) {
	case EINVAL:
		return "not a UMFS pool";
	case EPROTONOSUPPORT:
		return "made by a later version of UMFS";
	case ENOTSUP:
		return "has features of a later version of UMFS, which this one may only look at";
	case ENOSPC:
		return "cut short, or no memory left behind it";
	case EUCLEAN:
		return "damaged; fsck.umfs may repair it";
	case EBUSY:
		return "too many processes use it";
	case ENOENT:
		return "no such file";
	case EACCES:
	case EPERM:
		return "permission denied";
	case EROFS:
		return "on a read-only file system";
	case EISDIR:
		return "is a directory";
	case ENOMEM:
		return "not enough address space or memory to map it";
	case EMFILE:
	case ENFILE:
		return "too many open files or pools";
	case ELOOP:
		return "too many symbolic links";
	case ENAMETOOLONG:
		return "name too long";
	case EIO:
		return "input/output error";
	default:
		return "can not be used";
	}
}

bool port_fault_in_pool(uintptr_t addr)
{
	return port_range_has(addr);
}

bool port_fault_contain(uintptr_t addr)
{
	uint64_t bytes, at, end;
	uintptr_t base = port_range_find(addr, &bytes);

	if (!base)
		return false;
	at = UMFS_MAX(addr & -(uint64_t)UMFS_UNIT_BYTES, base);
	end = UMFS_MIN(at + UMFS_UNIT_BYTES, base + bytes);
	return !failed(map(at, end - at, PROT_READ | PROT_WRITE,
			   MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1));
}
