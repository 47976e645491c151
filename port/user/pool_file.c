// SPDX-License-Identifier: BSD-3-Clause
/*
 * pool_file.c - the file or device behind a pool, and its descriptors.
 *
 * The host program may close any descriptor, ours too, and get its number for
 * a file of its own. So before p->fd is used it is compared with what was
 * opened (device and inode number), and so is what a name or /proc gives.
 */
#include "port_own.h"
#include "sys.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FD_WANTED 1000 /* out of the way of programs that count on low numbers */
#define FD_BELOW_LIMIT 24
#define HUGETLBFS_MAGIC 0x958458f6
#define DEVDAX_ALIGN (2ull << 20)

static bool same_file(const struct pool *p, int fd)
{
	struct stat st;

	return !sys2(SYS_fstat, fd, &st) && st.st_dev == p->dev && st.st_ino == p->inode_no;
}

int pool_fd(const struct pool *p)
{
	return p->fd >= 0 && same_file(p, p->fd) ? p->fd : -EBADF;
}

static char *put_text(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	*to = '\0';
	return to;
}

static char *put_number(char *to, uint32_t n)
{
	char digits[11];
	char *d = digits + sizeof(digits) - 1;

	*d = '\0';
	do {
		*--d = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return put_text(to, d);
}

static long limit_fds(const struct rlimit *set, struct rlimit *old)
{
	return sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, set, old);
}

/*
 * A program that has used up its descriptors must still be able to fork, and to
 * recover what a dead one left: the soft limit gives way for a moment.
 */
static long open_file(const char *path, int access)
{
	const int flags = access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	long fd = sys3(SYS_open, path, flags, 0);
	struct rlimit limit, more;

	if (fd != -EMFILE || limit_fds(NULL, &limit))
		return fd;
	more = limit;
	more.rlim_cur = UMFS_MIN(limit.rlim_cur + FD_BELOW_LIMIT, limit.rlim_max);
	if (limit_fds(&more, NULL))
		return fd;
	fd = sys3(SYS_open, path, flags, 0);
	(void)limit_fds(&limit, NULL);
	return fd;
}

static int open_same(const struct pool *p, const char *path)
{
	long fd = open_file(path, O_RDWR);

	if (fd < 0 || same_file(p, (int)fd))
		return (int)fd;
	(void)sys1(SYS_close, fd);
	return -ESTALE;
}

/*
 * By its path first: a process's first look into /proc makes an inode for each step, and
 * costs some 20 us more. Whatever else the path leads to by now is closed again.
 */
int pool_reopen(const struct pool *p)
{
	char link[32];
	int fd = -EBADF;

	if (p->name && p->name[0])
		fd = open_same(p, p->name);
	if (fd < 0 && fd != -EMFILE && fd != -ENFILE && p->fd >= 0) {
		put_number(put_text(link, "/proc/self/fd/"), (uint32_t)p->fd);
		fd = open_same(p, link);
	}
	return fd;
}

/* So that a later chdir does not matter; left empty when it does not fit. */
static void keep_path(struct pool *p, const char *path)
{
	size_t len = strlen(path), at = 0;

	p->name = p->path;
	if (path[0] != '/') {
		long n = sys2(SYS_getcwd, p->path, sizeof(p->path));

		if (n <= 0 || p->path[0] != '/') {
			p->path[0] = '\0';
			return;
		}
		at = (size_t)n - 1;
		if (at + 1 < sizeof(p->path))
			p->path[at++] = '/';
	}
	if (at + len >= sizeof(p->path))
		p->path[0] = '\0';
	else
		memcpy(p->path + at, path, len + 1);
}

struct port_kept port_kept = {INT_MAX, 0};

void port_keep_number(int fd)
{
	int low = __atomic_load_n(&port_kept.low, __ATOMIC_RELAXED);

	while (fd >= 0 && fd < low &&
	       !__atomic_compare_exchange_n(&port_kept.low, &low, fd, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED)) {
	}
}

static void move_fd_high(struct pool *p)
{
	struct rlimit limit;
	long want = FD_WANTED, fd = -EINVAL;

	if (!limit_fds(NULL, &limit)) {
		if (limit.rlim_cur < FD_WANTED + FD_BELOW_LIMIT)
			want = (long)limit.rlim_cur - FD_BELOW_LIMIT;
		for (; want > p->fd && fd < 0; want /= 2)
			fd = sys3(SYS_fcntl, p->fd, F_DUPFD_CLOEXEC, want);
	}
	if (fd >= 0) {
		(void)sys1(SYS_close, p->fd);
		p->fd = (int)fd;
	}
	port_keep_number(p->fd);
}

/* A decimal number from /sys/dev/char/MAJOR:MINOR/<name>. */
static int read_sys(uint64_t dev, const char *name, uint64_t *value)
{
	char text[96];
	char *to = put_number(put_text(text, "/sys/dev/char/"), major(dev));
	long fd, n, i;

	to = put_number(put_text(to, ":"), minor(dev));
	put_text(put_text(to, "/"), name);
	fd = sys3(SYS_open, text, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	n = sys3(SYS_read, fd, text, sizeof(text));
	(void)sys1(SYS_close, fd);
	*value = 0;
	for (i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		*value = *value * 10 + (uint64_t)(text[i] - '0');
	return i > 0 ? 0 : -EINVAL;
}

/* Of all character devices only devdax states a size and an alignment there. */
static int look_at_device(struct pool *p, uint64_t dev)
{
	if (read_sys(dev, "size", &p->file_bytes))
		return -EINVAL;
	p->is_device = true;
	if (read_sys(dev, "align", &p->page_bytes) && read_sys(dev, "device/align", &p->page_bytes))
		p->page_bytes = DEVDAX_ALIGN;
	return p->page_bytes && !(p->page_bytes & (p->page_bytes - 1)) ? 0 : -EINVAL;
}

static int look_at(struct pool *p)
{
	struct statfs sfs;
	struct stat st;
	int err = (int)sys2(SYS_fstat, p->fd, &st);

	if (err)
		return err;
	p->dev = st.st_dev;
	p->inode_no = st.st_ino;
	p->page_bytes = UMFS_PAGE_BYTES;
	if (S_ISCHR(st.st_mode))
		return look_at_device(p, st.st_rdev);
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISBLK(st.st_mode) && p->flags & POOL_BLOCK)
		st.st_size = (off_t)sys3(SYS_lseek, p->fd, 0, SEEK_END);
	else if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < 0)
		return (int)st.st_size;
	p->file_bytes = (uint64_t)st.st_size;
	if (S_ISREG(st.st_mode))
		p->sparse_bytes = p->file_bytes - UMFS_MIN(p->file_bytes, (uint64_t)st.st_blocks * 512);
	if (!sys2(SYS_fstatfs, p->fd, &sfs) && (uint64_t)sfs.f_type == HUGETLBFS_MAGIC)
		p->page_bytes = (uint64_t)sfs.f_bsize;
	return 0;
}

int pool_file_open(struct pool *p, const char *path)
{
	int access = p->flags & POOL_READONLY ? O_RDONLY : O_RDWR;
	long fd = open_file(path, access);
	int err;

	p->fd = (int)fd;
	if (fd < 0)
		return (int)fd;
	err = look_at(p);
	if (!err && p->file_bytes < p->page_bytes)
		err = -EINVAL;
	if (err) {
		(void)sys1(SYS_close, p->fd);
		p->fd = -1;
		return err;
	}
	if (p->flags & POOL_ZERO && path[0] == '/')
		p->name = path;
	else
		keep_path(p, path);
	move_fd_high(p);
	return 0;
}

bool pool_renew_fd(struct pool *p, int fd)
{
	bool renewed = pool_fd(p) >= 0 && sys3(SYS_dup3, fd, p->fd, O_CLOEXEC) >= 0;

	if (renewed)
		(void)sys1(SYS_close, fd);
	return renewed;
}

int pool_file_again(struct pool *p)
{
	int fd = pool_reopen(p);
	struct stat st;

	if (fd < 0)
		return fd;
	if (sys2(SYS_fstat, fd, &st) || (!p->is_device && (uint64_t)st.st_size < p->fs.bytes)) {
		(void)sys1(SYS_close, fd);
		return -ESTALE;
	}
	if (!p->is_device)
		p->file_bytes = (uint64_t)st.st_size;
	if (pool_renew_fd(p, fd))
		return 0;
	p->fd = fd;
	move_fd_high(p);
	return 0;
}

void pool_regain(struct pool *p)
{
	int fd;

	if (pool_fd(p) >= 0) /* its parent's (fork.c), under the same number */
		return;
	p->fd = -1; /* whatever has the number here */
	fd = pool_reopen(p);
	if (fd < 0)
		return;
	p->fd = fd;
	move_fd_high(p);
}
