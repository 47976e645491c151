// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_rw.c - reading, writing and positions: the hot calls.
 *
 * Kept short in front of core: one look into U-Info, the access mode, the
 * guard. Anything unusual is out of line. What is the kernel's never gets here
 * (hot.h).
 */
#include <sys/uio.h>

#include "file.h"
#include "hot.h"
#include "module.h"
#include "view.h"

#define IOV_SMALL 8

/*
 * As tmpfs has them: HIPRI is advice, NOSIGNAL is about pipes, and DSYNC and SYNC are
 * less than what atomic and sync do anyway. Of reads, the two of appending mean
 * nothing. NOWAIT, ATOMIC and DONTCACHE are not to be had.
 */
#define RWF_ADVICE 0x1 /* RWF_HIPRI */
#define RWF_SYNCS (0x2 | 0x4)
#define RWF_AT_END 0x10	   /* RWF_APPEND */
#define RWF_NOT_AT_END 0x20 /* RWF_NOAPPEND */
#define RWF_KNOWN (RWF_ADVICE | RWF_SYNCS | RWF_AT_END | RWF_NOT_AT_END | 0x100)

static long why_not_readable(const struct umfs_file *f, enum uinfo_kind kind)
{
	if (kind == UINFO_PATH || !umfs_flags_read(f->flags))
		return -EBADF;
	return kind == UINFO_DIR ? -EISDIR : 0;
}

static long why_not_writable(const struct umfs_file *f, enum uinfo_kind kind)
{
	if (kind != UINFO_FILE || !umfs_flags_write(f->flags))
		return -EBADF;
	return 0;
}

static inline bool readable(const struct umfs_file *f, enum uinfo_kind kind)
{
	return likely(kind == UINFO_FILE && umfs_flags_read(f->flags));
}

static inline bool writable(const struct umfs_file *f, enum uinfo_kind kind)
{
	return likely(kind == UINFO_FILE && umfs_flags_write(f->flags));
}

/*
 * What umfs_uinfo_quick() would not say: true after all, or *err. With a report it never
 * says anything, so that each call begins here.
 */
static __attribute__((noinline)) bool may_call(const char *who, int fd, uint8_t want,
					       struct umfs_file *f, long *err)
{
	enum uinfo_kind kind = umfs_uinfo_read(fd, f);

	if (umfs_config.report)
		umfs_report_begin_slow(who);
	if (kind == UINFO_NONE)
		*err = -EBADF; /* closed just now */
	else
		*err = want == UINFO_MAY_READ ? why_not_readable(f, kind) :
						why_not_writable(f, kind);
	return !*err;
}
#define may(fd, want, f, err) may_call(__func__, fd, want, f, err)

/* Why it may not; or it is the mount's since a moment ago (ring.c), and the kernel does it. */
static __attribute__((noinline)) long or_kernel(long err, long nr, int fd, const void *buf, size_t n,
						off_t off)
{
	if (err != -EBADF || !umfs_ring_took(fd))
		return err;
	return umfs_cancel_call(nr, fd, SYS_ARG(buf), (long)n, off, 0, 0);
}

/* O_SYNC and O_DSYNC matter in posix mode only, where write() alone is not durable. */
static long write_end(const struct umfs_file *f, long ret, int rwf)
{
	long err = 0;

	if (unlikely((f->flags & O_DSYNC) || (rwf & RWF_SYNCS)) && ret > 0 &&
	    umfs_mode(f->fs) == UMFS_MODE_POSIX)
		err = umfs_fsync(f);
	umfs_guard_leave();
	if (unlikely(ret == -EFBIG))
		umfs_limit_hit(UMFS_FILE_BYTES_MAX);
	return err ? err : ret;
}
#define write_done(f, ret, rwf)                                                           \
	({                                                                                \
		long done_ = write_end(f, ret, rwf);                                      \
		umfs_report_bytes(__func__, REPORT_WRITES, done_);                        \
		done_;                                                                    \
	})

static inline void begin(void)
{
	umfs_cancel_test();
	umfs_guard_enter();
}

static inline long read_done_by(const char *who, enum report_class class, long ret)
{
	umfs_guard_leave();
	umfs_report_bytes(who, class, ret);
	return ret;
}
#define read_done(ret) read_done_by(__func__, REPORT_READS, ret)
#define call_done(ret) read_done_by(__func__, REPORT_OTHERS, ret)

/* As umfs_hook_pread_small(), of more bytes. */
static inline long pread_by_view(int fd, void *buf, size_t n, off_t off)
{
	struct umfs_file f;
	struct umfs_view v;

	if (!umfs_uinfo_view_get(fd, &f, &v))
		return -EAGAIN;
	umfs_cancel_test();
	return umfs_view_pread(&f, &v, buf, n, (uint64_t)off);
}

long umfs_hook_pread_ours(int fd, void *buf, size_t n, off_t off)
{
	struct umfs_file f;
	long err, ret = pread_by_view(fd, buf, n, off);

	if (likely(ret != -EAGAIN))
		return ret;
	if (unlikely(off < 0))
		return -EINVAL;
	if (!umfs_uinfo_quick(fd, UINFO_MAY_READ, &f) && !may(fd, UINFO_MAY_READ, &f, &err) &&
	    (err != -EISDIR || n <= (size_t)(INT64_MAX - off)))
		return or_kernel(err, SYS_pread64, fd, buf, n, off);
	if (unlikely(n > (size_t)(INT64_MAX - off)))
		return -EINVAL;
	begin();
	ret = umfs_pread(&f, buf, UMFS_MIN(n, UMFS_RW_MAX), (uint64_t)off);
	if (ret > 0)
		umfs_uinfo_view(fd);
	return read_done(ret);
}

/* As Linux does, and POSIX does not: O_APPEND makes pwrite append. */
static bool appends(const struct umfs_file *f)
{
	const struct umfs_ofd_pm *ofd = umfs_ofd_of(f);

	return ofd && (ld32(&ofd->flags) & O_APPEND);
}

long umfs_hook_pwrite_ours(int fd, const void *buf, size_t n, off_t off)
{
	struct umfs_file f;
	long err;
	struct umfs_iov iov;
	uint64_t at = (uint64_t)off;

	if (unlikely(off < 0))
		return -EINVAL;
	if (!umfs_uinfo_quick(fd, UINFO_MAY_WRITE, &f) && !may(fd, UINFO_MAY_WRITE, &f, &err))
		return or_kernel(err, SYS_pwrite64, fd, buf, n, off);
	if (unlikely(n > (size_t)(INT64_MAX - off)))
		return -EINVAL;
	n = UMFS_MIN(n, UMFS_RW_MAX);
	begin();
	if (likely(!appends(&f)))
		return write_done(&f, umfs_pwrite(&f, buf, n, at), 0);
	iov.base = (void *)(uintptr_t)buf;
	iov.len = n;
	return write_done(&f, umfs_pwritev(&f, &iov, 1, &at, true), 0);
}

long umfs_hook_read_ours(int fd, void *buf, size_t n)
{
	struct umfs_file f;
	long err;
	struct umfs_iov iov;

	if (!umfs_uinfo_quick(fd, UINFO_MAY_READ, &f) && !may(fd, UINFO_MAY_READ, &f, &err))
		return or_kernel(err, SYS_read, fd, buf, n, 0);
	iov.base = buf;
	iov.len = UMFS_MIN(n, UMFS_RW_MAX);
	begin();
	err = read_done(umfs_readv(&f, &iov, 1));
	return unlikely(err == -EBADF) ? or_kernel(err, SYS_read, fd, buf, n, 0) : err;
}

long umfs_hook_write_ours(int fd, const void *buf, size_t n)
{
	struct umfs_file f;
	long err;
	struct umfs_iov iov;

	if (!umfs_uinfo_quick(fd, UINFO_MAY_WRITE, &f) && !may(fd, UINFO_MAY_WRITE, &f, &err))
		return or_kernel(err, SYS_write, fd, buf, n, 0);
	iov.base = (void *)(uintptr_t)buf;
	iov.len = UMFS_MIN(n, UMFS_RW_MAX);
	begin();
	err = write_done(&f, umfs_writev(&f, &iov, 1), 0);
	return unlikely(err == -EBADF) ? or_kernel(err, SYS_write, fd, buf, n, 0) : err;
}

/*
 * The caller's vector, copied once so that it can not change under us, cut to
 * what one call may move, which is *bytes. Number of parts, -EINVAL or -EFAULT.
 */
static long fetch_iov(struct umfs_iov *to, const struct iovec *from, int count, uint64_t *bytes)
{
	uint64_t sum = 0;
	int kept = count;

	if (count < 0 || count > IOV_MAX)
		return -EINVAL;
	if (count && port_copy_out(to, from, (size_t)count * sizeof(*from)))
		return -EFAULT;
	for (int i = 0; i < count; i++) {
		if ((int64_t)to[i].len < 0)
			return -EINVAL;
		if (to[i].len > UMFS_RW_MAX - sum) {
			to[i].len = UMFS_RW_MAX - sum;
			kept = UMFS_MIN(kept, i + 1);
		}
		sum += to[i].len;
	}
	*bytes = sum;
	return kept;
}

struct vector_call {
	const struct umfs_file *f;
	const struct iovec *user;
	int count;
	bool at;
	off_t off;
	int flags;
};

static long flags_bad(int flags)
{
	if (flags & ~RWF_KNOWN)
		return umfs_refuse(REPORT_NO_OTHER, EOPNOTSUPP);
	return (flags & RWF_AT_END) && (flags & RWF_NOT_AT_END) ? -EINVAL : 0;
}

/* What is left of the call, in the kernel's order: number of parts, 0: nothing to do, or -errno. */
static long vector_begin(const struct vector_call *c, struct umfs_iov *iov)
{
	uint64_t bytes = 0;
	long count = fetch_iov(iov, c->user, c->count, &bytes), err;

	if (count <= 0 || !bytes)
		return UMFS_MIN(count, 0l);
	if (c->at && bytes > (uint64_t)(INT64_MAX - c->off))
		return -EINVAL;
	err = flags_bad(c->flags);
	return err ? err : count;
}

static long readv_with(const struct vector_call *c, struct umfs_iov *iov)
{
	long count = vector_begin(c, iov);

	if (count <= 0)
		return count;
	umfs_report_begin();
	begin();
	return read_done(c->at ? umfs_preadv(c->f, iov, (uint32_t)count, (uint64_t)c->off) :
				 umfs_readv(c->f, iov, (uint32_t)count));
}

static long readv_dir(const struct vector_call *c, struct umfs_iov *iov)
{
	long count = vector_begin(c, iov);

	return count <= 0 ? count : c->flags & ~RWF_ADVICE ? -EOPNOTSUPP : -EISDIR;
}

/* At the file's position means that the position goes behind what was written. */
static long write_at_end(const struct vector_call *c, const struct umfs_iov *iov, uint32_t count)
{
	uint64_t off = 0;
	long ret = umfs_pwritev(c->f, iov, count, &off, true);

	if (ret > 0 && !c->at)
		umfs_seek(c->f, (int64_t)off + ret, SEEK_SET);
	return ret;
}

/* At the offset or the position, though the description says that writes append. */
static long write_not_at_end(const struct vector_call *c, const struct umfs_iov *iov, uint32_t count)
{
	int64_t pos = c->at ? (int64_t)c->off : umfs_seek(c->f, 0, SEEK_CUR);
	uint64_t off = (uint64_t)pos;
	long ret = pos < 0 ? (long)pos : umfs_pwritev(c->f, iov, count, &off, false);

	if (ret > 0 && !c->at)
		umfs_seek(c->f, pos + ret, SEEK_SET);
	return ret;
}

static long writev_with(const struct vector_call *c, struct umfs_iov *iov)
{
	long count = vector_begin(c, iov);
	uint64_t off = (uint64_t)c->off;

	if (count <= 0)
		return count;
	umfs_report_begin();
	begin();
	if (unlikely(c->flags & RWF_AT_END))
		return write_done(c->f, write_at_end(c, iov, (uint32_t)count), c->flags);
	if (unlikely(c->flags & RWF_NOT_AT_END) && appends(c->f))
		return write_done(c->f, write_not_at_end(c, iov, (uint32_t)count), c->flags);
	return write_done(c->f,
			  c->at ? umfs_pwritev(c->f, iov, (uint32_t)count, &off, appends(c->f)) :
				  umfs_writev(c->f, iov, (uint32_t)count),
			  c->flags);
}

/* The large vector has a frame of its own, so that the usual call stays small. */
static __attribute__((noinline)) long large(const struct vector_call *c,
					    long (*with)(const struct vector_call *,
							 struct umfs_iov *))
{
	struct umfs_iov iov[IOV_MAX];

	return with(c, iov);
}

static long small_or_large(const struct vector_call *c,
			   long (*with)(const struct vector_call *, struct umfs_iov *))
{
	struct umfs_iov iov[IOV_SMALL];

	return c->count <= IOV_SMALL ? with(c, iov) : large(c, with);
}

/* Both halves of the offset are given as the system call wants them. */
static long kernel_vector(long plain, long at2, int fd, const struct iovec *iov, int count, bool at,
			  off_t off, int flags)
{
	if (!at && !flags)
		return umfs_cancel_call(plain, fd, SYS_ARG(iov), count, 0, 0, 0);
	return umfs_cancel_call(at2, fd, SYS_ARG(iov), count, at ? off : -1, 0, flags);
}

long umfs_hook_readv(int fd, const struct iovec *iov, int count, bool at, off_t off, int flags)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	struct vector_call c = {&f, iov, count, at, off, flags};

	if (kind == UINFO_NONE && at && !flags)
		return umfs_cancel_call(SYS_preadv, fd, SYS_ARG(iov), count, off, 0, 0);
	if (kind == UINFO_NONE)
		return kernel_vector(SYS_readv, SYS_preadv2, fd, iov, count, at, off, flags);
	if (at && off < 0)
		return -EINVAL;
	if (kind == UINFO_DIR && umfs_flags_read(f.flags))
		return small_or_large(&c, readv_dir);
	return readable(&f, kind) ? small_or_large(&c, readv_with) : why_not_readable(&f, kind);
}

long umfs_hook_writev(int fd, const struct iovec *iov, int count, bool at, off_t off, int flags)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	struct vector_call c = {&f, iov, count, at, off, flags};

	if (kind == UINFO_NONE && at && !flags)
		return umfs_cancel_call(SYS_pwritev, fd, SYS_ARG(iov), count, off, 0, 0);
	if (kind == UINFO_NONE)
		return kernel_vector(SYS_writev, SYS_pwritev2, fd, iov, count, at, off, flags);
	if (at && off < 0)
		return -EINVAL;
	return writable(&f, kind) ? small_or_large(&c, writev_with) : why_not_writable(&f, kind);
}

long umfs_hook_lseek_ours(int fd, off_t off, int whence)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return -EBADF; /* closed just now */
	if (kind == UINFO_PATH)
		return -EBADF;
	if (whence < SEEK_SET || whence > SEEK_HOLE || (kind == UINFO_DIR && whence > SEEK_CUR))
		return -EINVAL;
	umfs_guard_enter();
	return call_done(umfs_seek(&f, off, whence));
}

long umfs_hook_fsync(int fd, bool data_only)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return umfs_cancel_call(data_only ? SYS_fdatasync : SYS_fsync, fd, 0, 0, 0, 0, 0);
	if (kind == UINFO_PATH)
		return -EBADF;
	begin();
	return call_done(kind == UINFO_DIR ? 0 : umfs_fsync(&f));
}

/* Only what this process wrote can be waiting for it: in posix mode, in files it has open. */
static void sync_ours(void)
{
	umfs_guard_enter();
	for (int fd = 0; fd < umfs_uinfo_top; fd++) {
		struct umfs_file f;

		if (umfs_uinfo_read(fd, &f) == UINFO_FILE)
			umfs_fsync(&f);
	}
	umfs_guard_leave();
}

long umfs_hook_sync(void)
{
	if (umfs_active())
		sync_ours();
	return sys0(SYS_sync);
}

long umfs_hook_syncfs(int fd)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return sys1(SYS_syncfs, fd);
	if (kind == UINFO_PATH)
		return -EBADF;
	sync_ours();
	return 0;
}

static long truncate_done(long ret, off_t size)
{
	if (unlikely(ret == -EFBIG))
		umfs_limit_hit((uint64_t)size);
	return ret;
}

long umfs_hook_ftruncate(int fd, off_t size)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	long ret;

	if (kind == UINFO_NONE)
		return sys2(SYS_ftruncate, fd, size);
	if (size < 0) /* before the descriptor is looked at */
		return -EINVAL;
	if (kind == UINFO_PATH)
		return -EBADF;
	if (!writable(&f, kind))
		return -EINVAL;
	umfs_guard_enter();
	ret = umfs_file_gone(umfs_truncate(f.fs, umfs_file_node(&f), (uint64_t)size));
	if (!ret)
		umfs_maps_cut(f.fs, umfs_file_node(&f), (uint64_t)size);
	return truncate_done(call_done(ret), size);
}

static long truncate_ours(struct spot *s, struct path_args *a)
{
	struct umfs *fs = umfs_mount_fs(s->m);
	struct umfs_cred cred;
	struct umfs_attr attr;
	long err;

	if (s->m->module)
		return umfs_module_truncate(s, a->a);
	a->b = 1; /* ours, so the signal is too */
	err = umfs_getattr(fs, s->w.ino, &attr);
	if (err)
		return err;
	if (S_ISDIR(attr.mode))
		return -EISDIR;
	if (!S_ISREG(attr.mode))
		return -EINVAL;
	umfs_cred_get(&cred);
	err = umfs_access(fs, &cred, s->w.ino, 2);
	/* Unlike ftruncate, which says that the file was changed, in Linux. */
	if (!err && attr.size == (uint64_t)a->a && !(attr.mode & (S_ISUID | S_ISGID)))
		return 0;
	if (!err)
		err = umfs_truncate(fs, s->w.ino, (uint64_t)a->a);
	if (!err)
		umfs_maps_cut(fs, s->w.ino, (uint64_t)a->a);
	return err;
}

static long truncate_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	return sys2(SYS_truncate, path, a->a);
}

long umfs_hook_truncate(const char *path, off_t size)
{
	struct path_args a = {.a = size};
	long ret;

	if (size < 0)
		return -EINVAL;
	ret = umfs_path_call(AT_FDCWD, path, SPOT_MODULE, truncate_ours, truncate_kernel, &a);
	return a.b ? truncate_done(ret, size) : ret;
}
