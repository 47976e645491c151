// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_space.c - ranges of files: what is allocated, and advice.
 *
 * Ranges that fallocate can not make get the error on which programs do without:
 * EOPNOTSUPP.
 */
#include <linux/falloc.h>

#include "file.h"
#include "hot.h"
#include "internal.h"

long umfs_hook_sync_file_range(int fd, off_t off, off_t n, unsigned flags)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	long ret;

	if (kind == UINFO_NONE)
		return umfs_cancel_call(SYS_sync_file_range, fd, off, n, flags, 0, 0);
	if (kind == UINFO_PATH)
		return -EBADF;
	if (off < 0 || n < 0 || n > INT64_MAX - off || (flags & ~7u))
		return -EINVAL;
	if (kind == UINFO_DIR)
		return 0;
	umfs_guard_enter();
	ret = umfs_fsync(&f);
	umfs_guard_leave();
	return ret;
}

long umfs_hook_fadvise(int fd, off_t off, off_t n, int advice)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return sys4(SYS_fadvise64, fd, off, n, advice);
	if (kind == UINFO_PATH)
		return -EBADF;
	return advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE || n < 0 ? -EINVAL : 0;
}

long umfs_hook_readahead(int fd, off_t off, size_t n)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return sys3(SYS_readahead, fd, off, n);
	if (kind == UINFO_PATH || !umfs_flags_read(f.flags))
		return -EBADF;
	return kind == UINFO_DIR ? -EINVAL : 0;
}

/* What no file system is asked for. */
static bool mode_known(int mode)
{
	int keep = mode & FALLOC_FL_KEEP_SIZE;

	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_UNSHARE_RANGE:
		return true;
	case FALLOC_FL_PUNCH_HOLE:
		return keep;
	case FALLOC_FL_COLLAPSE_RANGE:
	case FALLOC_FL_INSERT_RANGE:
		return !keep;
	}
	return false;
}

/* The order of errors is Linux's. */
static long fallocate_ours(const struct umfs_file *f, enum uinfo_kind kind, int mode, off_t off,
			   off_t n)
{
	bool open = kind == UINFO_FILE && umfs_flags_write(f->flags);
	long ret;

	if (kind == UINFO_PATH)
		return -EBADF;
	if (off < 0 || n <= 0)
		return -EINVAL;
	if (!mode_known(mode))
		return umfs_refuse(REPORT_NO_FALLOCATE, EOPNOTSUPP);
	if (open && n > INT64_MAX - off)
		return -EFBIG;
	umfs_guard_enter();
	ret = open ? umfs_fallocate(f, (uint32_t)mode, (uint64_t)off, (uint64_t)n) : -EBADF;
	umfs_guard_leave();
	if (ret == -EOPNOTSUPP)
		return umfs_refuse(REPORT_NO_FALLOCATE, EOPNOTSUPP);
	umfs_report_count(REPORT_SERVED);
	if (ret == -EFBIG)
		umfs_limit_hit((uint64_t)off + (uint64_t)n);
	return ret;
}

long umfs_hook_fallocate(int fd, int mode, off_t off, off_t n)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind == UINFO_NONE)
		return umfs_cancel_call(SYS_fallocate, fd, mode, off, n, 0, 0);
	umfs_cancel_test();
	return fallocate_ours(&f, kind, mode, off, n);
}

long umfs_hook_posix_fallocate(int fd, off_t off, off_t n)
{
	return umfs_hook_fallocate(fd, 0, off, n);
}
