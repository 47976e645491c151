// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_syscall.c - syscall(): a system call by its number.
 *
 * Programs use it for calls that an older libc has no function for, and some
 * for all of theirs. What names a path or a descriptor goes the way that the
 * function would go; the rest goes to the kernel.
 */
#include <sys/stat.h>

#include "hot.h"
#include "sym.h"

#define P(x) ((void *)(x))
#define FD(x) ((int)(x))

static long call_data(long nr, const long *a, bool *ours)
{
	switch (nr) {
	case SYS_read:
		return umfs_hook_read(FD(a[0]), P(a[1]), (size_t)a[2]);
	case SYS_write:
		return umfs_hook_write(FD(a[0]), P(a[1]), (size_t)a[2]);
	case SYS_pread64:
		return umfs_hook_pread(FD(a[0]), P(a[1]), (size_t)a[2], a[3]);
	case SYS_pwrite64:
		return umfs_hook_pwrite(FD(a[0]), P(a[1]), (size_t)a[2], a[3]);
	case SYS_readv:
		return umfs_hook_readv(FD(a[0]), P(a[1]), FD(a[2]), false, -1, 0);
	case SYS_writev:
		return umfs_hook_writev(FD(a[0]), P(a[1]), FD(a[2]), false, -1, 0);
	case SYS_preadv:
		return umfs_hook_readv(FD(a[0]), P(a[1]), FD(a[2]), true, a[3], 0);
	case SYS_pwritev:
		return umfs_hook_writev(FD(a[0]), P(a[1]), FD(a[2]), true, a[3], 0);
	case SYS_preadv2:
		return umfs_hook_readv(FD(a[0]), P(a[1]), FD(a[2]), a[3] != -1, a[3], FD(a[5]));
	case SYS_pwritev2:
		return umfs_hook_writev(FD(a[0]), P(a[1]), FD(a[2]), a[3] != -1, a[3], FD(a[5]));
	case SYS_lseek:
		return umfs_hook_lseek(FD(a[0]), a[1], FD(a[2]));
	case SYS_fsync:
		return umfs_hook_fsync(FD(a[0]), false);
	case SYS_fdatasync:
		return umfs_hook_fsync(FD(a[0]), true);
	case SYS_syncfs:
		return umfs_hook_syncfs(FD(a[0]));
	case SYS_ftruncate:
		return umfs_hook_ftruncate(FD(a[0]), a[1]);
	case SYS_truncate:
		return umfs_hook_truncate(P(a[0]), a[1]);
	case SYS_fallocate:
		return umfs_hook_fallocate(FD(a[0]), FD(a[1]), a[2], a[3]);
	case SYS_copy_file_range:
		return umfs_hook_copy_file_range(FD(a[0]), P(a[1]), FD(a[2]), P(a[3]),
						 (size_t)a[4], (unsigned)a[5]);
	case SYS_sendfile:
		return umfs_hook_sendfile(FD(a[0]), FD(a[1]), P(a[2]), (size_t)a[3]);
	case SYS_splice:
		return umfs_hook_splice(FD(a[0]), P(a[1]), FD(a[2]), P(a[3]), (size_t)a[4],
					(unsigned)a[5]);
	case SYS_tee:
		return umfs_hook_tee(FD(a[0]), FD(a[1]), (size_t)a[2], (unsigned)a[3]);
	case SYS_io_submit:
		return umfs_hook_io_submit((unsigned long)a[0], a[1], P(a[2]));
	case SYS_munmap:
		return umfs_hook_munmap(P(a[0]), (size_t)a[1]);
	case SYS_mremap:
		return umfs_hook_mremap(P(a[0]), (size_t)a[1], (size_t)a[2], FD(a[3]), P(a[4]));
	case SYS_msync:
		return umfs_hook_msync(P(a[0]), (size_t)a[1], FD(a[2]));
	case SYS_madvise:
		return umfs_hook_madvise(P(a[0]), (size_t)a[1], FD(a[2]));
	case SYS_mmap:
		return umfs_hook_mmap(P(a[0]), (size_t)a[1], FD(a[2]), FD(a[3]), FD(a[4]), a[5]);
	default:
		*ours = false;
		return 0;
	}
}

static long call_descriptor(long nr, const long *a, bool *ours)
{
	switch (nr) {
	case SYS_open:
		return umfs_hook_open(AT_FDCWD, P(a[0]), FD(a[1]), (mode_t)a[2]);
	case SYS_openat:
		return umfs_hook_open(FD(a[0]), P(a[1]), FD(a[2]), (mode_t)a[3]);
	case SYS_creat:
		return umfs_hook_open(AT_FDCWD, P(a[0]), O_CREAT | O_WRONLY | O_TRUNC,
				      (mode_t)a[1]);
	case SYS_close:
		return umfs_hook_close(FD(a[0]));
	case SYS_close_range:
		return umfs_hook_close_range((unsigned)a[0], (unsigned)a[1], (unsigned)a[2]);
	case SYS_dup:
		return umfs_hook_dup(FD(a[0]));
	case SYS_dup2:
		return umfs_hook_dup2(FD(a[0]), FD(a[1]));
	case SYS_dup3:
		return umfs_hook_dup3(FD(a[0]), FD(a[1]), FD(a[2]));
	case SYS_fcntl:
		return umfs_hook_fcntl(FD(a[0]), FD(a[1]), a[2]);
	case SYS_ioctl:
		return umfs_hook_ioctl(FD(a[0]), (unsigned long)a[1], P(a[2]));
	case SYS_flock:
		return umfs_hook_flock(FD(a[0]), FD(a[1]));
	case SYS_getdents64:
		return umfs_hook_getdents(FD(a[0]), P(a[1]), (size_t)a[2]);
	case SYS_fstat:
		return umfs_hook_fstat(FD(a[0]), P(a[1]));
	case SYS_newfstatat:
		return umfs_hook_fstatat(FD(a[0]), P(a[1]), P(a[2]), FD(a[3]));
	case SYS_stat:
		return umfs_hook_fstatat(AT_FDCWD, P(a[0]), P(a[1]), 0);
	case SYS_lstat:
		return umfs_hook_fstatat(AT_FDCWD, P(a[0]), P(a[1]), AT_SYMLINK_NOFOLLOW);
	case SYS_statx:
		return umfs_hook_statx(FD(a[0]), P(a[1]), FD(a[2]), (unsigned)a[3], P(a[4]));
	case SYS_access:
		return umfs_hook_access(AT_FDCWD, P(a[0]), FD(a[1]), 0);
	case SYS_faccessat:
		return umfs_hook_access(FD(a[0]), P(a[1]), FD(a[2]), 0);
	case SYS_faccessat2:
		return umfs_hook_access(FD(a[0]), P(a[1]), FD(a[2]), FD(a[3]));
	case SYS_execve:
		return umfs_hook_execve(AT_FDCWD, P(a[0]), P(a[1]), P(a[2]), 0);
	case SYS_prctl:
	case SYS_seccomp:
		return umfs_hook_seccomp(nr, a);
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
		return umfs_hook_sys_clone(nr, a[0], a[1], a[2], a[3], a[4]);
	case SYS_clone3:
		return umfs_hook_sys_clone3(P(a[0]), (size_t)a[1]);
	case SYS_io_uring_setup:
		return umfs_hook_io_uring_setup((unsigned)a[0], P(a[1]));
	case SYS_execveat:
		return umfs_hook_execve(FD(a[0]), P(a[1]), P(a[2]), P(a[3]), FD(a[4]));
	default:
		*ours = false;
		return 0;
	}
}

static long call_name(long nr, const long *a, bool *ours)
{
	switch (nr) {
	case SYS_mkdir:
		return umfs_hook_mkdir(AT_FDCWD, P(a[0]), (mode_t)a[1]);
	case SYS_mkdirat:
		return umfs_hook_mkdir(FD(a[0]), P(a[1]), (mode_t)a[2]);
	case SYS_rmdir:
		return umfs_hook_unlink(AT_FDCWD, P(a[0]), AT_REMOVEDIR);
	case SYS_unlink:
		return umfs_hook_unlink(AT_FDCWD, P(a[0]), 0);
	case SYS_unlinkat:
		return umfs_hook_unlink(FD(a[0]), P(a[1]), FD(a[2]));
	case SYS_rename:
		return umfs_hook_rename(AT_FDCWD, P(a[0]), AT_FDCWD, P(a[1]), 0);
	case SYS_renameat:
		return umfs_hook_rename(FD(a[0]), P(a[1]), FD(a[2]), P(a[3]), 0);
	case SYS_renameat2:
		return umfs_hook_rename(FD(a[0]), P(a[1]), FD(a[2]), P(a[3]), (unsigned)a[4]);
	case SYS_link:
		return umfs_hook_link(AT_FDCWD, P(a[0]), AT_FDCWD, P(a[1]), 0);
	case SYS_linkat:
		return umfs_hook_link(FD(a[0]), P(a[1]), FD(a[2]), P(a[3]), FD(a[4]));
	case SYS_symlink:
		return umfs_hook_symlink(P(a[0]), AT_FDCWD, P(a[1]));
	case SYS_symlinkat:
		return umfs_hook_symlink(P(a[0]), FD(a[1]), P(a[2]));
	case SYS_readlink:
		return umfs_hook_readlink(AT_FDCWD, P(a[0]), P(a[1]), (size_t)a[2]);
	case SYS_readlinkat:
		return umfs_hook_readlink(FD(a[0]), P(a[1]), P(a[2]), (size_t)a[3]);
	case SYS_mknod:
		return umfs_hook_mknod(AT_FDCWD, P(a[0]), (mode_t)a[1], (dev_t)a[2]);
	case SYS_mknodat:
		return umfs_hook_mknod(FD(a[0]), P(a[1]), (mode_t)a[2], (dev_t)a[3]);
	case SYS_chdir:
		return umfs_hook_chdir(P(a[0]));
	case SYS_fchdir:
		return umfs_hook_fchdir(FD(a[0]));
	case SYS_getcwd:
		return umfs_hook_getcwd(P(a[0]), (size_t)a[1]);
	case SYS_chmod:
		return umfs_hook_chmod(AT_FDCWD, P(a[0]), (mode_t)a[1], 0);
	case SYS_fchmod:
		return umfs_hook_fchmod(FD(a[0]), (mode_t)a[1]);
	case SYS_fchmodat:
		return umfs_hook_chmod(FD(a[0]), P(a[1]), (mode_t)a[2], 0);
	case SYS_chown:
		return umfs_hook_chown(AT_FDCWD, P(a[0]), (uid_t)a[1], (gid_t)a[2], 0);
	case SYS_lchown:
		return umfs_hook_chown(AT_FDCWD, P(a[0]), (uid_t)a[1], (gid_t)a[2],
				       AT_SYMLINK_NOFOLLOW);
	case SYS_fchown:
		return umfs_hook_fchown(FD(a[0]), (uid_t)a[1], (gid_t)a[2]);
	case SYS_fchownat:
		return umfs_hook_chown(FD(a[0]), P(a[1]), (uid_t)a[2], (gid_t)a[3], FD(a[4]));
	default:
		*ours = false;
		return 0;
	}
}

/* Times of several precisions, and what is asked of a file system. */
static long call_times(long nr, const long *a, bool *ours)
{
	switch (nr) {
	case SYS_utimensat:
		return umfs_hook_utimens(FD(a[0]), P(a[1]), P(a[2]), FD(a[3]));
	case SYS_utimes:
		return umfs_hook_utimes(AT_FDCWD, P(a[0]), P(a[1]), 0);
	case SYS_futimesat:
		return umfs_hook_utimes(FD(a[0]), P(a[1]), P(a[2]), 0);
	case SYS_utime:
		return umfs_hook_utime(P(a[0]), P(a[1]));
	case SYS_statfs:
		return umfs_hook_statfs(P(a[0]), P(a[1]));
	case SYS_fstatfs:
		return umfs_hook_fstatfs(FD(a[0]), P(a[1]));
	case SYS_fadvise64:
		return umfs_hook_fadvise(FD(a[0]), a[1], a[2], FD(a[3]));
	case SYS_readahead:
		return umfs_hook_readahead(FD(a[0]), a[1], (size_t)a[2]);
	case SYS_sync_file_range:
		return umfs_hook_sync_file_range(FD(a[0]), a[1], a[2], (unsigned)a[3]);
	default:
		*ours = false;
		return 0;
	}
}

static long call_xattr(long nr, const long *a, bool *ours)
{
	switch (nr) {
	case SYS_getxattr:
	case SYS_lgetxattr:
		return umfs_hook_getxattr(P(a[0]), P(a[1]), P(a[2]), (size_t)a[3],
					  nr == SYS_getxattr);
	case SYS_fgetxattr:
		return umfs_hook_fgetxattr(FD(a[0]), P(a[1]), P(a[2]), (size_t)a[3]);
	case SYS_setxattr:
	case SYS_lsetxattr:
		return umfs_hook_setxattr(P(a[0]), P(a[1]), P(a[2]), (size_t)a[3], FD(a[4]),
					  nr == SYS_setxattr);
	case SYS_fsetxattr:
		return umfs_hook_fsetxattr(FD(a[0]), P(a[1]), P(a[2]), (size_t)a[3], FD(a[4]));
	case SYS_listxattr:
	case SYS_llistxattr:
		return umfs_hook_listxattr(P(a[0]), P(a[1]), (size_t)a[2], nr == SYS_listxattr);
	case SYS_flistxattr:
		return umfs_hook_flistxattr(FD(a[0]), P(a[1]), (size_t)a[2]);
	case SYS_removexattr:
	case SYS_lremovexattr:
		return umfs_hook_removexattr(P(a[0]), P(a[1]), nr == SYS_removexattr);
	case SYS_fremovexattr:
		return umfs_hook_fremovexattr(FD(a[0]), P(a[1]));
	default:
		*ours = false;
		return 0;
	}
}

/* All of them, whether the caller gave them or not, as libc does. */
static __attribute__((no_sanitize_address, noinline)) void fetch_args(long *a, int n, va_list ap)
{
	for (int i = 0; i < n; i++)
		a[i] = va_arg(ap, long);
}

static bool changes_who(long nr)
{
	switch (nr) {
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
	case SYS_setfsuid:
	case SYS_setfsgid:
	case SYS_setgroups:
	case SYS_capset:
		return true;
	default:
		return false;
	}
}

static bool changes_limits(long nr)
{
	return nr == SYS_setrlimit || nr == SYS_prlimit64;
}

static bool gives_up(long nr)
{
	return changes_who(nr) || changes_limits(nr) || nr == SYS_chroot || nr == SYS_pivot_root || nr == SYS_unshare ||
	       nr == SYS_setns || nr == SYS_landlock_restrict_self;
}

/* What changes who asks, or how long files may get, is known afterwards. */
static long call_kernel(long nr, const long *a)
{
	long ret;

	if (nr == SYS_umask)
		return umfs_cred_umask((uint32_t)a[0]);
	if (nr == SYS_exit_group)
		umfs_process_leave();
	if (gives_up(nr))
		umfs_process_settle();
	ret = sys6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (changes_who(nr))
		umfs_cred_changed();
	else if (changes_limits(nr))
		umfs_limit_changed();
	return ret;
}

typedef long group_fn(long nr, const long *a, bool *ours);
static group_fn *const groups[] = {call_data, call_descriptor, call_name, call_times, call_xattr};

SYM(long, syscall, (long nr, ...))
{
	long a[6];
	va_list ap;

	va_start(ap, nr);
	fetch_args(a, 6, ap);
	va_end(ap);
	if (!umfs_ready())
		RETURN(sys6(nr, a[0], a[1], a[2], a[3], a[4], a[5]));
	for (size_t i = 0; i < UMFS_ARRAY_LEN(groups); i++) {
		bool ours = true;
		long ret = groups[i](nr, a, &ours);

		if (ours)
			RETURN(ret);
	}
	RETURN(call_kernel(nr, a));
}

SYM(int, prctl, (int option, ...))
{
	long a[6];
	va_list ap;

	va_start(ap, option);
	fetch_args(a + 1, 5, ap);
	va_end(ap);
	a[0] = option;
	RETURN_INT(umfs_hook_seccomp(SYS_prctl, a));
}
