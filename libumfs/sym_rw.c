// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_rw.c - exported symbols: reading, writing, positions, space, mappings.
 */
#include "hot.h"
#include "sym.h"

SYM(ssize_t, read, (int fd, void *buf, size_t n))
{
	RETURN(umfs_hook_read(fd, buf, n));
}
SYM_ALIAS(__read, read);

SYM(ssize_t, write, (int fd, const void *buf, size_t n))
{
	RETURN(umfs_hook_write(fd, buf, n));
}
SYM_ALIAS(__write, write);

static __attribute__((noinline)) ssize_t pread_any(int fd, void *buf, size_t n, off_t off)
{
	RETURN(umfs_hook_pread(fd, buf, n, off));
}

SYM(ssize_t, pread, (int fd, void *buf, size_t n, off_t off))
{
	long ret = umfs_hook_pread_small(fd, buf, n, off);

	return likely(ret >= 0) ? ret : pread_any(fd, buf, n, off);
}
SYM_ALIAS(pread64, pread);
SYM_ALIAS(__pread64, pread);

SYM(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t off))
{
	RETURN(umfs_hook_pwrite(fd, buf, n, off));
}
SYM_ALIAS(pwrite64, pwrite);
SYM_ALIAS(__pwrite64, pwrite);

SYM(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t room))
{
	if (n > room)
		__chk_fail();
	RETURN(umfs_hook_read(fd, buf, n));
}

SYM(ssize_t, __pread_chk, (int fd, void *buf, size_t n, off_t off, size_t room))
{
	if (n > room)
		__chk_fail();
	RETURN(umfs_hook_pread(fd, buf, n, off));
}
SYM_ALIAS(__pread64_chk, __pread_chk);

SYM(ssize_t, readv, (int fd, const struct iovec *iov, int count))
{
	RETURN(umfs_hook_readv(fd, iov, count, false, -1, 0));
}

SYM(ssize_t, writev, (int fd, const struct iovec *iov, int count))
{
	RETURN(umfs_hook_writev(fd, iov, count, false, -1, 0));
}

SYM(ssize_t, preadv, (int fd, const struct iovec *iov, int count, off_t off))
{
	RETURN(umfs_hook_readv(fd, iov, count, true, off, 0));
}
SYM_ALIAS(preadv64, preadv);

SYM(ssize_t, pwritev, (int fd, const struct iovec *iov, int count, off_t off))
{
	RETURN(umfs_hook_writev(fd, iov, count, true, off, 0));
}
SYM_ALIAS(pwritev64, pwritev);

SYM(ssize_t, preadv2, (int fd, const struct iovec *iov, int count, off_t off, int flags))
{
	RETURN(umfs_hook_readv(fd, iov, count, off != -1, off, flags));
}
SYM_ALIAS(preadv64v2, preadv2);

SYM(ssize_t, pwritev2, (int fd, const struct iovec *iov, int count, off_t off, int flags))
{
	RETURN(umfs_hook_writev(fd, iov, count, off != -1, off, flags));
}
SYM_ALIAS(pwritev64v2, pwritev2);

SYM(off_t, lseek, (int fd, off_t off, int whence))
{
	RETURN(umfs_hook_lseek(fd, off, whence));
}
SYM_ALIAS(lseek64, lseek);
SYM_ALIAS(__lseek, lseek);
SYM_ALIAS(llseek, lseek);

SYM(int, fsync, (int fd))
{
	RETURN_INT(umfs_hook_fsync(fd, false));
}

SYM(int, fdatasync, (int fd))
{
	RETURN_INT(umfs_hook_fsync(fd, true));
}

SYM(void, sync, (void))
{
	umfs_hook_sync();
}

SYM(int, syncfs, (int fd))
{
	RETURN_INT(umfs_hook_syncfs(fd));
}

SYM(int, sync_file_range, (int fd, off_t off, off_t n, unsigned flags))
{
	RETURN_INT(umfs_hook_sync_file_range(fd, off, n, flags));
}

SYM(int, ftruncate, (int fd, off_t size))
{
	RETURN_INT(umfs_hook_ftruncate(fd, size));
}
SYM_ALIAS(ftruncate64, ftruncate);

SYM(int, truncate, (const char *path, off_t size))
{
	RETURN_INT(umfs_hook_truncate(path, size));
}
SYM_ALIAS(truncate64, truncate);

/* These two return the error and leave errno alone. */
SYM(int, posix_fadvise, (int fd, off_t off, off_t n, int advice))
{
	return (int)-umfs_hook_fadvise(fd, off, n, advice);
}
SYM_ALIAS(posix_fadvise64, posix_fadvise);

SYM(int, posix_fallocate, (int fd, off_t off, off_t n))
{
	long err = umfs_hook_posix_fallocate(fd, off, n);
	int (*real)(int, off_t, off_t);

	/* Where a file system has no fallocate libc writes; it does that better than we. */
	if (err == -EOPNOTSUPP && !umfs_uinfo_ours(fd)) {
		real = (int (*)(int, off_t, off_t))umfs_libc("posix_fallocate");
		return real(fd, off, n);
	}
	return (int)-err;
}
SYM_ALIAS(posix_fallocate64, posix_fallocate);

SYM(int, fallocate, (int fd, int mode, off_t off, off_t n))
{
	RETURN_INT(umfs_hook_fallocate(fd, mode, off, n));
}
SYM_ALIAS(fallocate64, fallocate);

SYM(ssize_t, readahead, (int fd, off_t off, size_t n))
{
	RETURN(umfs_hook_readahead(fd, off, n));
}

SYM(ssize_t, copy_file_range,
    (int in, off_t *in_off, int out, off_t *out_off, size_t n, unsigned flags))
{
	RETURN(umfs_hook_copy_file_range(in, in_off, out, out_off, n, flags));
}

SYM(ssize_t, sendfile, (int out, int in, off_t *off, size_t n))
{
	RETURN(umfs_hook_sendfile(out, in, off, n));
}
SYM_ALIAS(sendfile64, sendfile);

SYM(ssize_t, splice, (int in, off_t *in_off, int out, off_t *out_off, size_t n, unsigned flags))
{
	RETURN(umfs_hook_splice(in, in_off, out, out_off, n, flags));
}

SYM(ssize_t, tee, (int in, int out, size_t n, unsigned flags))
{
	RETURN(umfs_hook_tee(in, out, n, flags));
}
