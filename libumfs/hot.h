/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hot.h - the hooks of the hot calls: hooks.h continued.
 *
 * Inline, so that a call on a descriptor of the kernel's is one look into
 * U-Info and the system call, in one frame: after a system call the processor
 * may have forgotten its return stack, and each frame more is a wrong guess.
 */
#ifndef UMFS_LIBUMFS_HOT_H
#define UMFS_LIBUMFS_HOT_H

#include "hooks.h"
#include "internal.h"
#include "share.h"
#include "view.h"

long umfs_hook_read_ours(int fd, void *buf, size_t n);
long umfs_hook_write_ours(int fd, const void *buf, size_t n);
long umfs_hook_pread_ours(int fd, void *buf, size_t n, off_t off);
long umfs_hook_pwrite_ours(int fd, const void *buf, size_t n, off_t off);
long umfs_hook_lseek_ours(int fd, off_t off, int whence);
/* Of a number that is ours, or may be kept or known. */
long umfs_hook_close_odd(int fd);
long umfs_hook_fstat_ours(int fd, struct stat *st);

static inline long umfs_hook_read(int fd, void *buf, size_t n)
{
	if (umfs_uinfo_ours(fd))
		return umfs_hook_read_ours(fd, buf, n);
	return umfs_cancel_call(SYS_read, fd, SYS_ARG(buf), (long)n, 0, 0, 0);
}

static inline long umfs_hook_write(int fd, const void *buf, size_t n)
{
	if (umfs_uinfo_ours(fd))
		return umfs_hook_write_ours(fd, buf, n);
	return umfs_cancel_call(SYS_write, fd, SYS_ARG(buf), (long)n, 0, 0, 0);
}

static inline long umfs_hook_pread(int fd, void *buf, size_t n, off_t off)
{
	if (umfs_uinfo_ours(fd))
		return umfs_hook_pread_ours(fd, buf, n, off);
	if (unlikely(umfs_share_may(fd)))
		return umfs_hook_pread_shared(fd, buf, n, off);
	return umfs_cancel_call(SYS_pread64, fd, SYS_ARG(buf), (long)n, off, 0, 0);
}

/*
 * A few bytes by the view of a descriptor of ours; -EAGAIN: ask umfs_hook_pread.
 * Needs no guard: it takes no lock and keeps nothing, so a signal handler of
 * the host may come in the middle and call anything, or never come back. And no
 * frame, since it calls nothing.
 */
static inline long umfs_hook_pread_small(int fd, void *buf, size_t n, off_t off)
{
	struct umfs_file f;
	struct umfs_view v;
	const uint8_t *data;
	int err;

	if (n - 1 >= PORT_SMALL_BYTES || (uint32_t)fd >= umfs_uinfo_count || umfs_cancel_asked)
		return -EAGAIN;
	if (!umfs_uinfo_view_get(fd, &f, &v) ||
	    !umfs_view_find(&f, &v, n, (uint64_t)off, true, &data))
		return -EAGAIN;
	err = port_copy_out_small(buf, data, n);
	if (unlikely(!umfs_view_holds(&f, &v)))
		return -EAGAIN;
	return err ? err : (long)n;
}

static inline long umfs_hook_pwrite(int fd, const void *buf, size_t n, off_t off)
{
	if (umfs_uinfo_ours(fd))
		return umfs_hook_pwrite_ours(fd, buf, n, off);
	if (unlikely(umfs_share_may(fd)))
		return umfs_hook_pwrite_shared(fd, buf, n, off);
	return umfs_cancel_call(SYS_pwrite64, fd, SYS_ARG(buf), (long)n, off, 0, 0);
}

static inline long umfs_hook_lseek(int fd, off_t off, int whence)
{
	if (umfs_uinfo_ours(fd))
		return umfs_hook_lseek_ours(fd, off, whence);
	return sys3(SYS_lseek, fd, off, whence);
}

static inline long umfs_hook_close(int fd)
{
	if (umfs_uinfo_ours(fd) || unlikely(port_may_keep(fd)))
		return umfs_hook_close_odd(fd);
	umfs_spare_unsure();
	return umfs_cancel_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline long umfs_hook_fstat(int fd, struct stat *st)
{
	if (umfs_uinfo_ours(fd))
		return umfs_hook_fstat_ours(fd, st);
	return sys2(SYS_fstat, fd, st);
}

#endif
