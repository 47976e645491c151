// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_fd.c - descriptors: close, dup, fcntl, ioctl.
 *
 * A number and its U-Info entry change together under LOCK_UINFO; the
 * reference that an entry held is given back after the lock, since that may
 * close the file and free its pages.
 */
#include <asm/ioctls.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <termios.h>

#include "file.h"
#include "hot.h"

#define SETTABLE_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static long close_ours(int fd)
{
	struct umfs_file f;
	enum uinfo_kind was;

	umfs_cancel_test();
	umfs_guard_enter();
	umfs_opens_enter();
	umfs_local_lock(LOCK_UINFO);
	if (!umfs_spare_put(fd, &f, &was)) {
		was = umfs_uinfo_clear(fd, &f);
		if (was)
			sys1(SYS_close, fd);
		umfs_spare_freed(fd);
	}
	umfs_local_unlock(LOCK_UINFO);
	umfs_uinfo_put(was, &f);
	umfs_opens_leave();
	umfs_guard_leave();
	umfs_report_count(REPORT_SERVED);
	return was ? 0 : umfs_ring_took(fd) ? sys1(SYS_close, fd) : -EBADF;
}

long umfs_file_taken(long fd)
{
	struct umfs_file f;
	enum uinfo_kind was;

	umfs_guard_enter();
	umfs_opens_enter();
	umfs_local_lock(LOCK_UINFO);
	was = umfs_uinfo_clear((int)fd, &f);
	umfs_local_unlock(LOCK_UINFO);
	umfs_uinfo_put(was, &f);
	umfs_opens_leave();
	umfs_guard_leave();
	return fd;
}

long umfs_hook_close_odd(int fd)
{
	umfs_spare_asked(fd);
	if (umfs_uinfo_ours(fd))
		return close_ours(fd);
	if (umfs_place_protected(fd))
		return -EBADF;
	umfs_share_closed((unsigned)fd, (unsigned)fd);
	umfs_spare_unsure();
	return umfs_cancel_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Our entries in [first, last]: take away, or mark close-on-exec. */
static void range_ours(unsigned first, unsigned last, bool cloexec)
{
	for (unsigned fd = first; fd <= last && fd < (unsigned)umfs_uinfo_top; fd++) {
		struct umfs_file f;
		enum uinfo_kind was = UINFO_NONE;

		if (!umfs_uinfo_ours((int)fd))
			continue;
		umfs_local_lock(LOCK_UINFO);
		if (cloexec)
			umfs_uinfo_table[fd].cloexec = 1;
		else
			was = umfs_uinfo_clear((int)fd, &f);
		if (was)
			sys1(SYS_close, fd);
		umfs_local_unlock(LOCK_UINFO);
		umfs_uinfo_put(was, &f);
	}
}

long umfs_hook_close_range(unsigned first, unsigned last, unsigned flags)
{
	long err = 0;

	if (first > last || (flags & ~(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)) ||
	    !umfs_active())
		return sys3(SYS_close_range, first, last, flags);
	umfs_spare_drop();
	umfs_spare_unsure();
	umfs_guard_enter();
	umfs_opens_enter();
	range_ours(first, last, flags & CLOSE_RANGE_CLOEXEC);
	umfs_opens_leave();
	if (flags & CLOSE_RANGE_UNSHARE)
		umfs_share_end();
	if (!(flags & CLOSE_RANGE_CLOEXEC))
		umfs_share_closed(first, last);
	/* Around the numbers that keep the pools. */
	while (!err && first <= last) {
		unsigned keep = first > INT_MAX ? first :
						  (unsigned)umfs_place_protected_next((int)first);

		if (keep >= last || first > INT_MAX) {
			unsigned end = keep == last && first <= INT_MAX && keep < INT_MAX ?
					       last - 1 : last;

			if (first <= end)
				err = sys3(SYS_close_range, first, end, flags);
			break;
		}
		if (first < keep)
			err = sys3(SYS_close_range, first, keep - 1, flags);
		first = keep + 1;
	}
	umfs_guard_leave();
	return err;
}

/* Duplicate descriptor `fd` of ours onto the lowest number >= min. */
static long dup_ours(int fd, int min, bool cloexec)
{
	struct umfs_file f;
	enum uinfo_kind kind;
	long to = -EBADF;

	umfs_guard_enter();
	umfs_local_lock(LOCK_UINFO);
	kind = umfs_uinfo_read(fd, &f);
	if (kind != UINFO_NONE) {
		bool shadow = umfs_uinfo_table[fd].shadow;

		to = shadow ? umfs_place_dup(fd, min, cloexec) : umfs_place_new(min, cloexec);
		if (to >= 0) {
			umfs_ofd_get(f.fs, f.ofd);
			umfs_uinfo_set((int)to, kind, &f, cloexec);
			umfs_uinfo_table[to].shadow = shadow;
			umfs_uinfo_parent_set((int)to, umfs_uinfo_parent(fd));
		}
	}
	umfs_local_unlock(LOCK_UINFO);
	umfs_guard_leave();
	umfs_report_count(REPORT_SERVED);
	return to;
}

long umfs_hook_dup(int fd)
{
	long to = -EBADF;

	umfs_spare_drop();
	if (umfs_uinfo_ours(fd)) {
		to = dup_ours(fd, 0, false);
		if (to != -EBADF || !umfs_ring_took(fd))
			return to;
	}
	return umfs_file_given(sys1(SYS_dup, fd));
}

/* Either side is ours: replace number `to` and its entry in one step. */
static long dup_onto(int from, int to, int flags)
{
	bool cloexec = flags & O_CLOEXEC;
	struct umfs_file f, old;
	enum uinfo_kind kind, was = UINFO_NONE;
	long ret;

	umfs_guard_enter();
	umfs_opens_enter();
	umfs_local_lock(LOCK_UINFO);
	kind = umfs_uinfo_read(from, &f);
	ret = -EBADF;
	/* The source is a placeholder itself when it is ours. */
	if (kind == UINFO_NONE || (uint32_t)to < umfs_uinfo_count)
		ret = sys3(SYS_dup3, from, to, flags);
	if (ret >= 0) {
		was = umfs_uinfo_clear(to, &old);
		if (kind != UINFO_NONE) {
			umfs_ofd_get(f.fs, f.ofd);
			umfs_uinfo_set(to, kind, &f, cloexec);
			umfs_uinfo_table[to].shadow = umfs_uinfo_table[from].shadow;
			umfs_uinfo_parent_set(to, umfs_uinfo_parent(from));
		}
	}
	umfs_local_unlock(LOCK_UINFO);
	umfs_uinfo_put(was, &old);
	umfs_opens_leave();
	umfs_guard_leave();
	return ret;
}

long umfs_hook_dup3(int from, int to, int flags)
{
	if (flags & ~O_CLOEXEC)
		return -EINVAL;
	umfs_spare_drop();
	if (unlikely(umfs_place_protected(to) || umfs_place_protected(from)))
		return -EBADF;
	if (from != to)
		umfs_share_closed((unsigned)to, (unsigned)to);
	if (from == to || (!umfs_uinfo_ours(from) && !umfs_uinfo_ours(to)))
		return sys3(SYS_dup3, from, to, flags);
	return dup_onto(from, to, flags);
}

long umfs_hook_dup2(int from, int to)
{
	umfs_spare_drop();
	if (from == to || (!umfs_uinfo_ours(from) && !umfs_uinfo_ours(to) &&
			   !umfs_place_protected(to) && !umfs_place_protected(from) &&
			   !umfs_share_may(to)))
		return sys2(SYS_dup2, from, to);
	return umfs_hook_dup3(from, to, 0);
}

static long set_cloexec(int fd, bool on)
{
	long ret;

	umfs_guard_enter();
	umfs_local_lock(LOCK_UINFO);
	ret = sys3(SYS_fcntl, fd, F_SETFD, on ? FD_CLOEXEC : 0);
	if (!ret && umfs_uinfo_ours(fd))
		umfs_uinfo_table[fd].cloexec = on;
	umfs_local_unlock(LOCK_UINFO);
	umfs_guard_leave();
	return ret;
}

/* The flags belong to the description: all descriptors and processes see the change. */
static long set_flags(const struct umfs_file *f, long arg)
{
	long ret;

	umfs_guard_enter();
	ret = umfs_ofd_set_flags(f, SETTABLE_FLAGS, (uint32_t)arg);
	umfs_guard_leave();
	return ret;
}

/* The kernel says O_LARGEFILE, which the header defines as 0. */
static long get_flags(const struct umfs_file *f, enum uinfo_kind kind)
{
	struct umfs_ofd_pm *ofd = umfs_ofd_of(f);

	return ofd ? (long)(ld32(&ofd->flags) | (kind == UINFO_PATH ? 0 : 0100000)) : -EBADF;
}

/* O_NOATIME is for who could set the times back. */
static long may_set_flags(const struct umfs_file *f, enum uinfo_kind kind, long arg)
{
	struct umfs_attr attr;
	struct umfs_cred cred;
	long err;

	if (kind == UINFO_PATH)
		return -EBADF;
	if ((arg & O_NOATIME) && !(get_flags(f, kind) & O_NOATIME)) {
		umfs_cred_get(&cred);
		umfs_guard_enter();
		err = umfs_file_gone(umfs_getattr(f->fs, umfs_file_node(f), &attr));
		umfs_guard_leave();
		if (err || (!cred.override && cred.uid != attr.uid))
			return err ? err : -EPERM;
	}
	return (arg & O_DIRECT) && kind == UINFO_DIR ? -EINVAL : 0;
}

static long fcntl_ours(const struct umfs_file *f, enum uinfo_kind kind, int fd, int cmd, long arg)
{
	long err;

	umfs_report_count(REPORT_SERVED);
	if (kind == UINFO_PATH && cmd != F_DUPFD && cmd != F_DUPFD_CLOEXEC && cmd != F_GETFD &&
	    cmd != F_SETFD && cmd != F_GETFL)
		return -EBADF;
	switch (cmd) {
	case F_DUPFD:
		return dup_ours(fd, (int)arg, false);
	case F_DUPFD_CLOEXEC:
		return dup_ours(fd, (int)arg, true);
	case F_GETFD:
		return sys3(SYS_fcntl, fd, cmd, 0);
	case F_SETFD:
		return set_cloexec(fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return get_flags(f, kind);
	case F_SETFL:
		err = may_set_flags(f, kind, arg);
		return err ? err : set_flags(f, arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return umfs_lock_fcntl(f, kind, fd, cmd, arg);
	case F_GETPIPE_SZ:
	case F_SETPIPE_SZ:
		return -EBADF;
	/* Nothing ever signals a regular file's readiness, and nobody has a lease. */
	case F_GETOWN:
	case F_GETSIG:
		return 0;
	case F_GETLEASE:
		return F_UNLCK;
	case F_GET_RW_HINT:
		return umfs_hint_get(f, arg);
	case F_SET_RW_HINT:
		return umfs_hint_set(f, arg);
	default:
		return umfs_refuse(REPORT_NO_OTHER, EINVAL);
	}
}

long umfs_hook_fcntl(int fd, int cmd, long arg)
{
	struct umfs_file f;
	enum uinfo_kind kind;
	long ret = -EBADF;

	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		umfs_spare_drop();
	kind = umfs_uinfo_read(fd, &f);
	if (kind != UINFO_NONE)
		ret = fcntl_ours(&f, kind, fd, cmd, arg);
	if (kind != UINFO_NONE && (ret != -EBADF || !umfs_ring_took(fd)))
		return ret;
	if (unlikely(umfs_place_protected(fd)))
		return -EBADF;
	if (cmd == F_SETLKW || cmd == F_OFD_SETLKW)
		return umfs_cancel_call(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
	if (cmd == F_SETFL && (arg & O_APPEND)) /* pwrite is another call then */
		umfs_share_closed((unsigned)fd, (unsigned)fd);
	return sys3(SYS_fcntl, fd, cmd, arg);
}

static long unread_bytes(const struct umfs_file *f, enum uinfo_kind kind, void *arg)
{
	struct umfs_attr attr;
	int64_t pos;
	int left;
	long ret;

	if (kind != UINFO_FILE)
		return -ENOTTY;
	umfs_guard_enter();
	pos = umfs_seek(f, 0, SEEK_CUR);
	ret = pos < 0 ? pos : umfs_file_gone(umfs_getattr(f->fs, umfs_file_node(f), &attr));
	umfs_guard_leave();
	if (ret)
		return ret;
	left = (int)(attr.size - (uint64_t)pos); /* behind the end less than none, as Linux says it */
	return port_copy_out(arg, &left, sizeof(left));
}

static long set_nonblock(const struct umfs_file *f, const void *arg)
{
	long flags = get_flags(f, UINFO_FILE);
	int on;

	if (port_copy_out(&on, arg, sizeof(on)))
		return -EFAULT;
	return flags < 0 ? flags : set_flags(f, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/* As the kernel for what signals nothing: an error where it would change anything. */
static long set_async(const struct umfs_file *f, enum uinfo_kind kind, const void *arg)
{
	long flags = get_flags(f, kind);
	int on;

	if (port_copy_out(&on, arg, sizeof(on)))
		return -EFAULT;
	return flags < 0 ? flags : !on == !(flags & FASYNC) ? 0 : -ENOTTY;
}

static long ioctl_ours(const struct umfs_file *f, enum uinfo_kind kind, int fd,
		       unsigned long request, void *arg)
{
	if (kind == UINFO_PATH)
		return -EBADF;
	switch (request) {
	case FIOCLEX:
		return set_cloexec(fd, true);
	case FIONCLEX:
		return set_cloexec(fd, false);
	case FIONBIO:
		return set_nonblock(f, arg);
	case FIOASYNC:
		return set_async(f, kind, arg);
	case FIONREAD:
		return unread_bytes(f, kind, arg);
	case FICLONE:
	case FICLONERANGE:
	case FIDEDUPERANGE:
		return umfs_refuse(REPORT_NO_COPY, EOPNOTSUPP);
	default:
		return -ENOTTY;
	}
}

/* FICLONE(to, from): the source may be ours though the descriptor called on is not. */
static bool clones_ours(unsigned long request, void *arg)
{
	struct file_clone_range range;

	if (request == FICLONE)
		return umfs_uinfo_is_open((int)(uintptr_t)arg);
	if (request != FICLONERANGE || port_copy_out(&range, arg, sizeof(range)))
		return false;
	return umfs_uinfo_is_open((int)range.src_fd);
}

long umfs_hook_ioctl(int fd, unsigned long request, void *arg)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);

	if (kind != UINFO_NONE)
		return ioctl_ours(&f, kind, fd, request, arg);
	if (unlikely(umfs_place_protected(fd)))
		return -EBADF;
	if (unlikely(clones_ours(request, arg)))
		return umfs_refuse(REPORT_NO_COPY, EXDEV);
	return sys3(SYS_ioctl, fd, request, arg);
}

long umfs_hook_isatty(int fd)
{
	char kernel_termios[64];
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	long err;

	if (kind != UINFO_NONE)
		return kind == UINFO_PATH ? -EBADF : -ENOTTY;
	err = sys3(SYS_ioctl, fd, TCGETS, kernel_termios);
	return err ? err : 1;
}
