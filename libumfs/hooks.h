/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hooks.h - what each replaced call does, for any descriptor and path.
 *
 * All return -errno on failure and leave errno alone, do the real system call
 * themselves where the file is not ours, and may be entered at any time (see
 * internal.h). Whatever sends a program's calls here - exported symbols today -
 * needs nothing else.
 */
#ifndef UMFS_LIBUMFS_HOOKS_H
#define UMFS_LIBUMFS_HOOKS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct epoll_event;
struct pollfd;
struct statx;

/* hook_open.c */
long umfs_hook_open(int dirfd, const char *path, int flags, mode_t mode);
/* By its text: below a mount, or relative to a directory of ours? */
bool umfs_hook_path_ours(const char *path);

/* hook_fd.c */
long umfs_hook_close_range(unsigned first, unsigned last, unsigned flags);
long umfs_hook_dup(int fd);
long umfs_hook_dup2(int from, int to);
long umfs_hook_dup3(int from, int to, int flags);
long umfs_hook_fcntl(int fd, int cmd, long arg);
long umfs_hook_ioctl(int fd, unsigned long request, void *arg);
long umfs_hook_isatty(int fd); /* 1, or -errno */
long umfs_hook_flock(int fd, int op);
long umfs_hook_lockf(int fd, int cmd, off_t len);

/* hook_rw.c; read, write, pread, pwrite, lseek and fstat are in hot.h */
/* off -1 with `at` false: at the file's position. */
long umfs_hook_readv(int fd, const struct iovec *iov, int count, bool at, off_t off, int flags);
long umfs_hook_writev(int fd, const struct iovec *iov, int count, bool at, off_t off, int flags);
long umfs_hook_fsync(int fd, bool data_only);
long umfs_hook_sync(void);
long umfs_hook_syncfs(int fd);
long umfs_hook_ftruncate(int fd, off_t size);
long umfs_hook_truncate(const char *path, off_t size);

/* hook_space.c */
long umfs_hook_sync_file_range(int fd, off_t off, off_t n, unsigned flags);
long umfs_hook_fadvise(int fd, off_t off, off_t n, int advice);
long umfs_hook_readahead(int fd, off_t off, size_t n);
long umfs_hook_fallocate(int fd, int mode, off_t off, off_t n);
long umfs_hook_posix_fallocate(int fd, off_t off, off_t n);

/* hook_copy.c */
long umfs_hook_copy_file_range(int in, off_t *in_off, int out, off_t *out_off, size_t n,
			       unsigned flags);
long umfs_hook_sendfile(int out, int in, off_t *off, size_t n);
long umfs_hook_splice(int in, off_t *in_off, int out, off_t *out_off, size_t n, unsigned flags);
long umfs_hook_tee(int in, int out, size_t n, unsigned flags);

/* hook_map.c */
long umfs_hook_mmap(void *addr, size_t n, int prot, int flags, int fd, off_t off);
long umfs_hook_munmap(void *addr, size_t n);
long umfs_hook_mremap(void *addr, size_t old_n, size_t n, int flags, void *to);
long umfs_hook_msync(void *addr, size_t n, int flags);
long umfs_hook_madvise(void *addr, size_t n, int advice);

/* hook_stat.c */
long umfs_hook_fstatat(int dirfd, const char *path, struct stat *st, int flags);
long umfs_hook_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx);
long umfs_hook_access(int dirfd, const char *path, int mode, int flags);
long umfs_hook_statfs(const char *path, struct statfs *st);
long umfs_hook_fstatfs(int fd, struct statfs *st);
long umfs_hook_statvfs(const char *path, struct statvfs *st);
long umfs_hook_fstatvfs(int fd, struct statvfs *st);

/* hook_name.c */
long umfs_hook_mkdir(int dirfd, const char *path, mode_t mode);
long umfs_hook_unlink(int dirfd, const char *path, int flags);
long umfs_hook_remove(const char *path);
long umfs_hook_rename(int from_dirfd, const char *from, int to_dirfd, const char *to,
		      unsigned flags);
long umfs_hook_link(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags);
long umfs_hook_symlink(const char *target, int dirfd, const char *path);
long umfs_hook_readlink(int dirfd, const char *path, char *buf, size_t size);
long umfs_hook_mknod(int dirfd, const char *path, mode_t mode, dev_t rdev);
long umfs_hook_mkfifo(int dirfd, const char *path, mode_t mode);

/* hook_attr.c */
long umfs_hook_chmod(int dirfd, const char *path, mode_t mode, int flags);
long umfs_hook_fchmod(int fd, mode_t mode);
long umfs_hook_chown(int dirfd, const char *path, uid_t uid, gid_t gid, int flags);
long umfs_hook_fchown(int fd, uid_t uid, gid_t gid);
/* times: atime, mtime, or NULL for now; path NULL: dirfd itself. */
long umfs_hook_utimens(int dirfd, const char *path, const struct timespec *times, int flags);
long umfs_hook_utimes(int dirfd, const char *path, const struct timeval *tv, int flags);
struct utimbuf;
long umfs_hook_utime(const char *path, const struct utimbuf *t);

/* hook_xattr.c */
long umfs_hook_getxattr(const char *path, const char *name, void *v, size_t n, bool follow);
long umfs_hook_setxattr(const char *path, const char *name, const void *v, size_t n, int flags,
			bool follow);
long umfs_hook_listxattr(const char *path, char *list, size_t n, bool follow);
long umfs_hook_removexattr(const char *path, const char *name, bool follow);
long umfs_hook_fgetxattr(int fd, const char *name, void *v, size_t n);
long umfs_hook_fsetxattr(int fd, const char *name, const void *v, size_t n, int flags);
long umfs_hook_flistxattr(int fd, char *list, size_t n);
long umfs_hook_fremovexattr(int fd, const char *name);

/* cwd.c, realpath.c, temp.c */
long umfs_hook_chdir(const char *path);
long umfs_hook_fchdir(int fd);
/* Length with the terminating zero. */
long umfs_hook_getcwd(char *buf, size_t size);
/* out: PATH_MAX bytes. */
long umfs_hook_realpath(const char *path, char *out);
/* text: "...XXXXXX" and suffix bytes after it; dir: make a directory instead. */
long umfs_hook_mkstemp(char *text, int suffix, int flags);
long umfs_hook_mkdtemp(char *text);

/* hook_dir.c, dirstream.c */
long umfs_hook_getdents(int fd, void *buf, size_t n);
bool umfs_dir_ours(const DIR *dir);
/* A stream of ours for a descriptor of ours. */
long umfs_dir_open(int fd, DIR **dir);
long umfs_dir_read(DIR *dir, struct dirent **entry);
long umfs_dir_close(DIR *dir);
long umfs_dir_seek(DIR *dir, long where);
long umfs_dir_tell(DIR *dir);
long umfs_dir_fd(DIR *dir);

/* signal.c */
long umfs_hook_sigaction(int sig, const struct sigaction *act, struct sigaction *old);
long umfs_hook_signal(int sig, void (*handler)(int), int flags, void (**before)(int));
long umfs_hook_siginterrupt(int sig, int on);
long umfs_hook_sigprocmask(int how, const sigset_t *set, sigset_t *old);

/* cancel.c */
long umfs_hook_pthread_cancel(unsigned long thread);

/* hook_aio.c; ctx: the kernel's aio_context_t */
long umfs_hook_io_submit(unsigned long ctx, long n, void **iocbs);
/* Before a ring of the kernel's is made: 0 or the error that it is to have. */
long umfs_hook_io_uring_setup(unsigned entries, void *params);

/* hook_poll.c */
long umfs_hook_poll(struct pollfd *fds, unsigned long count, int timeout_ms);
long umfs_hook_ppoll(struct pollfd *fds, unsigned long count, const struct timespec *timeout,
		     const sigset_t *mask);
long umfs_hook_select(int count, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout);
long umfs_hook_pselect(int count, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
		       const sigset_t *mask);
long umfs_hook_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);

/* hook_out.c */
long umfs_hook_sendmsg(int fd, const struct msghdr *msg, int flags);
long umfs_hook_sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags);
long umfs_hook_bind(int fd, const struct sockaddr *addr, socklen_t len);
long umfs_hook_connect(int fd, const struct sockaddr *addr, socklen_t len);
long umfs_hook_inotify_add_watch(int fd, const char *path, uint32_t mask);

/* The path of what a number is open for that `path` names in /proc; -ENOENT: not known. */
long umfs_fd_path(const char *path, char *buf, size_t size);
/* The permissions that such a link has, or 0. */
uint32_t umfs_fd_link_mode(const char *path);

/* process.c, exec.c; the arguments of the system calls. */
long umfs_hook_sys_clone(long nr, long flags, long stack, long c, long d, long e);
long umfs_hook_sys_clone3(void *user, size_t n);
/* nr: SYS_prctl or SYS_seccomp, with six arguments. */
long umfs_hook_seccomp(long nr, const long *a);
long umfs_hook_execve(int dirfd, const char *path, char *const argv[], char *const envp[],
		      int flags);
/* The first file of that name along PATH that may be run, as libc looks for it; "": none. */
#define EXEC_PATH_BYTES (PATH_MAX + NAME_MAX + 2)
const char *umfs_exec_find(const char *file, char *path);
long umfs_hook_execvp(const char *file, char *const argv[], char *const envp[]);
/* Before _exit: leave the pools cleanly. */
void umfs_process_leave(void);

#endif
