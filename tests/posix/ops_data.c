// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_data.c - reading, writing, positions and ends of files.
 */
#include <sys/uio.h>

#include "posix.h"

static uint8_t buf[1 << 18];

static void read_answer(const void *p, ssize_t n)
{
	answer(n);
	if (n > 0)
		say_bytes(p, (size_t)n);
}

/* Sometimes one that may not be touched, or that ends where no memory is. */
static void *arg_buffer(size_t n, const char **name)
{
	if (chance(95) || SANITIZED) {
		*name = "buf";
		return buf;
	}
	if (chance(30)) {
		*name = "NULL";
		return NULL;
	}
	if (chance(50) || n > 4096) {
		*name = "BAD";
		return bad_pointer();
	}
	*name = "EDGE"; /* whole in memory, up to the last byte */
	return run.page + 4096 - n;
}

static void do_read(void)
{
	size_t n = arg_len();
	const char *name;
	void *p = arg_buffer(n, &name);
	int fd = arg_fd();

	say("read(%d, %s, %zu)", fd, name, n);
	read_answer(p, read(fd, p, n));
}

/*
 * Bytes that can not be read. A file of its own: on Linux such a write moves times,
 * and past the end even the end itself; see excuse.c.
 */
static void do_bad_write(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	const char *name;
	size_t n = arg_len() % 5000;
	void *p = arg_buffer(n, &name);

	say("bad write(%s, %zu)", name, n);
	answer_ok(fd >= 0);
	if (fd < 0)
		return;
	fill(buf, 9000);
	answer(write(fd, buf, 9000));
	answer(pwrite(fd, p, n, pick(9000)));
	answer(lseek(fd, 100, SEEK_SET));
	answer(write(fd, p, n));
	answer(lseek(fd, 0, SEEK_CUR));
	if (!SANITIZED) {
		answer(write(fd, bad_pointer(), 100));
		answer(write(fd, NULL, 0));
	}
	close(fd);
}

static void do_write(void)
{
	size_t n = arg_len();
	int fd = arg_fd();

	fill(buf, n);
	say("write(%d, %zu)", fd, n);
	answer(write(fd, buf, n));
}

static void do_pread(void)
{
	size_t n = arg_len();
	const char *name;
	void *p = arg_buffer(n, &name);
	int fd = arg_fd();
	off_t off = arg_off();

	say("pread(%d, %s, %zu, %lld)", fd, name, n, (long long)off);
	read_answer(p, pread(fd, p, n, off));
}

static void do_pwrite(void)
{
	size_t n = arg_len();
	int fd = arg_fd();
	off_t off = arg_off();

	fill(buf, n);
	say("pwrite(%d, %zu, %lld)", fd, n, (long long)off);
	answer(pwrite(fd, buf, n, off));
}

/* ---- vectors ---- */

static struct iovec iov[1030];

static int arg_iov(const char **name)
{
	int count = (int)pick(6);
	size_t at = 0;

	*name = "iov";
	for (unsigned i = 0; i < COUNT(iov); i++)
		iov[i] = (struct iovec){buf, 0};
	for (int i = 0; i < count; i++) {
		size_t n = arg_len() / 2;

		iov[i] = (struct iovec){buf + at, n};
		at += n;
	}
	if (SANITIZED || !chance(10))
		return count;
	switch (pick(6)) {
	case 0:
		*name = "1024";
		return 1024;
	case 1:
		*name = "1025";
		return 1025;
	case 2:
		*name = "-1";
		return -1;
	case 3:
		*name = "huge";
		iov[count++] = (struct iovec){buf, SIZE_MAX};
		return count;
	case 4:
		*name = "null at the end";
		iov[count++] = (struct iovec){NULL, 0};
		return count;
	default:
		*name = "bad at the end";
		iov[count++] = (struct iovec){bad_pointer(), 0};
		return count;
	}
}

static const struct flag rw_flags[] = {{RWF_HIPRI, "HIPRI"},   {RWF_DSYNC, "DSYNC"},
				       {RWF_SYNC, "SYNC"},     {RWF_NOWAIT, "NOWAIT"},
				       {RWF_APPEND, "APPEND"}};

static int arg_rw_flags(void)
{
	int flags = 0;

	for (unsigned i = 0; i < COUNT(rw_flags); i++)
		if (chance(8))
			flags |= (int)rw_flags[i].bit;
	if (chance(3))
		flags |= 0x4000000;
	return flags;
}

static void do_readv(void)
{
	const char *name;
	int fd = arg_fd(), count = arg_iov(&name);

	say("readv(%d, %s, %d)", fd, name, count);
	read_answer(buf, readv(fd, iov, count));
}

static void do_writev(void)
{
	const char *name;
	int fd = arg_fd(), count = arg_iov(&name);

	fill(buf, 40000);
	say("writev(%d, %s, %d)", fd, name, count);
	answer(writev(fd, iov, count));
}

static void do_preadv(void)
{
	const char *name;
	int fd = arg_fd(), count = arg_iov(&name);
	off_t off = arg_off();

	say("preadv(%d, %s, %d, %lld)", fd, name, count, (long long)off);
	read_answer(buf, preadv(fd, iov, count, off));
}

static void do_pwritev(void)
{
	const char *name;
	int fd = arg_fd(), count = arg_iov(&name);
	off_t off = arg_off();

	fill(buf, 40000);
	say("pwritev(%d, %s, %d, %lld)", fd, name, count, (long long)off);
	answer(pwritev(fd, iov, count, off));
}

static void do_preadv2(void)
{
	const char *name;
	int fd = arg_fd(), count = arg_iov(&name), flags = arg_rw_flags();
	off_t off = chance(20) ? -1 : arg_off();

	say("preadv2(%d, %s, %d, %lld, %s)", fd, name, count, (long long)off,
	    SHOW_FLAGS(rw_flags, flags));
	read_answer(buf, preadv2(fd, iov, count, off, flags));
}

static void do_pwritev2(void)
{
	const char *name;
	int fd = arg_fd(), count = arg_iov(&name), flags = arg_rw_flags();
	off_t off = chance(20) ? -1 : arg_off();

	fill(buf, 40000);
	say("pwritev2(%d, %s, %d, %lld, %s)", fd, name, count, (long long)off,
	    SHOW_FLAGS(rw_flags, flags));
	answer(pwritev2(fd, iov, count, off, flags));
}

/* ---- positions and ends ---- */

static void do_lseek(void)
{
	static const char *const names[] = {"SET", "CUR", "END", "DATA", "HOLE"};
	int fd = arg_fd(), whence = (int)pick(5);
	off_t off = arg_off();
	struct stat st;

	if (chance(30))
		off = (off_t)pick(3) - 1;
	if (chance(3))
		whence = chance(50) ? -1 : 99;
	say("lseek(%d, %lld, %s)", fd, (long long)off,
	    whence >= 0 && whence < 5 ? names[whence] : "odd");
	/*
	 * What was mapped may keep pages of zeros, and what fallocate asks for twice tmpfs
	 * takes for data.
	 */
	if ((whence == SEEK_DATA || whence == SEEK_HOLE) &&
	    (run.mapped || run.allocated > 1 || run.turns)) {
		say(" left out");
		return;
	}
	/* Where a directory was read to is each file system's own number. */
	if (whence == SEEK_CUR && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		answer_ok(lseek(fd, off, whence) >= 0);
	else
		answer(lseek(fd, off, whence));
}

static void do_ftruncate(void)
{
	int fd = arg_fd();
	off_t off = arg_off();

	say("ftruncate(%d, %lld)", fd, (long long)off);
	/* Longer than any file of ours may be: see excuse.c. */
	if (off > (1ll << 38)) {
		say(" left out");
		return;
	}
	answer(ftruncate(fd, off));
}

static void do_truncate(void)
{
	const char *path = arg_path();
	off_t off = arg_off();

	say("truncate(%s, %lld)", show(path), (long long)off);
	if (off > (1ll << 38)) {
		say(" left out");
		return;
	}
	answer(truncate(path, off));
}

static void do_sync(void)
{
	int fd = arg_fd(), what = (int)pick(4);

	say("%s(%d)", what == 0 ? "fsync" : what == 1 ? "fdatasync" : what == 2 ? "syncfs" : "range",
	    fd);
	if (what == 3)
		answer(sync_file_range(fd, (off_t)pick(3) - 1, (off_t)pick(3) - 1, pick(9)));
	else
		answer(what == 0 ? fsync(fd) : what == 1 ? fdatasync(fd) : syncfs(fd));
}

const struct op data_ops[] = {
	{"read", DATA, 20, do_read},	       {"write", DATA, 25, do_write},
	{"pread", DATA, 15, do_pread},	       {"pwrite", DATA, 20, do_pwrite},
	{"bad write", DATA, 2, do_bad_write},
	{"readv", DATA, 6, do_readv},	       {"writev", DATA, 6, do_writev},
	{"preadv", DATA, 5, do_preadv},	       {"pwritev", DATA, 5, do_pwritev},
	{"preadv2", DATA, 6, do_preadv2},      {"pwritev2", DATA, 6, do_pwritev2},
	{"lseek", DATA, 20, do_lseek},	       {"ftruncate", DATA, 12, do_ftruncate},
	{"truncate", DATA, 10, do_truncate}, {"sync", DATA, 5, do_sync}, {0},
};
