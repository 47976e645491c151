// SPDX-License-Identifier: BSD-3-Clause
/* test_space.c - space of files: fallocate, holes, copies between descriptors. */
#include "shim_test.h"

#include <linux/falloc.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static blkcnt_t blocks(int fd)
{
	struct stat st;

	assert_ok(fstat(fd, &st));
	return st.st_blocks;
}

static off_t size(int fd)
{
	struct stat st;

	assert_ok(fstat(fd, &st));
	return st.st_size;
}

static void check_zeros(int fd, off_t off, size_t n)
{
	char buf[65536];
	size_t i;

	assert_true(n <= sizeof(buf));
	assert_int_equal(pread(fd, buf, n, off), n);
	for (i = 0; i < n && !buf[i]; i++)
		;
	assert_int_equal(i, n);
}

static void allocate_moves_the_end(void **state)
{
	int fd = make_file("f", "0123");

	(void)state;
	assert_ok(fallocate(fd, 0, 2, 40000));
	assert_int_equal(size(fd), 40002);
	assert_true(blocks(fd) >= 80);
	check_zeros(fd, 4, 39998);
	assert_int_equal(posix_fallocate(fd, 0, 50000), 0);
	assert_int_equal(size(fd), 50000);
	assert_int_equal(posix_fallocate(fd, 0, 10), 0);
	assert_int_equal(size(fd), 50000);
	assert_ok(close(fd));
}

static void keep_size_stays_after_close(void **state)
{
	int fd = make_file("f", "0123");
	blkcnt_t had;

	(void)state;
	assert_ok(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
	assert_int_equal(size(fd), 4);
	had = blocks(fd);
	assert_true(had >= 196);
	assert_ok(close(fd));
	fd = open(at("f"), O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(blocks(fd), had);
	check_text(fd, "0123");
	assert_ok(ftruncate(fd, 2));
	assert_true(blocks(fd) <= 16);
	assert_ok(close(fd));
}

static void punched_reads_as_zeros(void **state)
{
	int fd = make_file("f", "");
	char buf[40960];
	blkcnt_t had;

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
	had = blocks(fd);
	assert_ok(fallocate(fd, PUNCH, 5000, 20000));
	assert_int_equal(size(fd), sizeof(buf));
	assert_true(blocks(fd) <= had - 24);
	check_zeros(fd, 5000, 20000);
	assert_int_equal(pread(fd, buf, 1, 4999), 1);
	assert_int_equal(buf[0], 'x');
	assert_int_equal(pread(fd, buf, 1, 25000), 1);
	assert_int_equal(buf[0], 'x');
	assert_int_equal(lseek(fd, 0, SEEK_HOLE), 8192);
	assert_int_equal(lseek(fd, 8192, SEEK_DATA), 24576);
	assert_ok(close(fd));
}

static void zeroed_reads_as_zeros(void **state)
{
	int fd = make_file("f", "0123456789");

	(void)state;
	if (fallocate(fd, FALLOC_FL_ZERO_RANGE, 3, 20000) && !on_umfs() && errno == EOPNOTSUPP) {
		assert_ok(close(fd)); /* tmpfs has no such call */
		return;
	}
	assert_int_equal(size(fd), 20003);
	check_zeros(fd, 3, 20000);
	assert_ok(close(fd));
}

static void wrong_calls_refused(void **state)
{
	int fd = make_file("f", "0123"), in = open(at("f"), O_RDONLY);

	(void)state;
	assert_errno(fallocate(fd, 0, 0, 0), EINVAL);
	assert_errno(fallocate(fd, 0, -1, 10), EINVAL);
	assert_errno(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
	assert_errno(fallocate(in, 0, 0, 10), EBADF);
	assert_errno(fallocate(-1, 0, 0, 10), EBADF);
	assert_int_equal(posix_fallocate(fd, 0, 0), EINVAL);
	assert_int_equal(posix_fallocate(in, 0, 10), EBADF);
	if (on_umfs()) {
		assert_errno(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP);
		assert_errno(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096), EOPNOTSUPP);
		assert_errno(fallocate(fd, 0, 0, 1ll << 40), EFBIG);
		assert_errno(fallocate(fd, 0, 0, 100ll << 30), ENOSPC);
		assert_int_equal(size(fd), 4);
	}
	assert_ok(close(in));
	assert_ok(close(fd));
}

/* ---- copies ---- */

static void fill(int fd, size_t n, char first)
{
	char buf[65536];
	size_t i;

	assert_true(n <= sizeof(buf));
	for (i = 0; i < n; i++)
		buf[i] = (char)(first + i % 191);
	assert_int_equal(pwrite(fd, buf, n, 0), n);
}

static void check_fill(int fd, off_t at_off, off_t from, size_t n, char first)
{
	char buf[65536];
	size_t i;

	assert_int_equal(pread(fd, buf, n, at_off), n);
	for (i = 0; i < n && buf[i] == (char)(first + ((size_t)from + i) % 191); i++)
		;
	assert_int_equal(i, n);
}

static void copy_range_between_files(void **state)
{
	int in = make_file("in", ""), out = make_file("out", "0123456789"), ro;
	off_t from = 100, to = 5;

	(void)state;
	fill(in, 30000, 'a');
	assert_int_equal(copy_file_range(in, &from, out, &to, 20000, 0), 20000);
	assert_int_equal(from, 20100);
	assert_int_equal(to, 20005);
	check_fill(out, 5, 100, 20000, 'a');
	assert_int_equal(size(out), 20005);
	assert_int_equal(lseek(in, 29990, SEEK_SET), 29990);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	assert_int_equal(copy_file_range(in, NULL, out, NULL, 100, 0), 10); /* to the end */
	assert_int_equal(lseek(in, 0, SEEK_CUR), 30000);
	assert_int_equal(lseek(out, 0, SEEK_CUR), 10);
	assert_int_equal(copy_file_range(in, NULL, out, NULL, 100, 0), 0);
	from = 0;
	to = 100;
	assert_errno(copy_file_range(in, &from, in, &to, 1000, 0), EINVAL);
	assert_int_equal(copy_file_range(in, &from, in, &to, 100, 0), 100);
	check_fill(in, 100, 0, 100, 'a');
	assert_errno(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
	ro = open(at("out"), O_RDONLY);
	assert_errno(copy_file_range(in, NULL, ro, NULL, 1, 0), EBADF);
	assert_ok(close(ro));
	assert_ok(close(in));
	assert_ok(close(out));
}

static void sendfile_to_anything(void **state)
{
	int in = make_file("in", ""), out = make_file("out", ""), sv[2];
	char buf[40000];
	off_t from = 1000;
	size_t got = 0;

	(void)state;
	fill(in, 40000, 'b');
	assert_int_equal(sendfile(out, in, &from, 30000), 30000);
	assert_int_equal(from, 31000);
	check_fill(out, 0, 1000, 30000, 'b');
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	assert_int_equal(sendfile(sv[0], in, NULL, 1 << 20), 40000);
	assert_int_equal(lseek(in, 0, SEEK_CUR), 40000);
	while (got < 40000) {
		ssize_t n = read(sv[1], buf + got, 40000 - got);

		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_int_equal(pwrite(out, buf, 40000, 0), 40000);
	check_fill(out, 0, 0, 40000, 'b');
	assert_int_equal(sendfile(sv[0], in, NULL, 10), 0);
	assert_errno(sendfile(sv[0], in, (off_t *)8, 10), EFAULT);
	assert_ok(close(sv[0]));
	assert_ok(close(sv[1]));
	assert_ok(close(in));
	assert_ok(close(out));
}

/* More than the pipe takes: what fits goes, and nobody waits for ever. */
static void splice_to_a_pipe(void **state)
{
	int in = make_file("in", ""), out = make_file("out", ""), p[2];
	char buf[200000];
	ssize_t n;

	(void)state;
	memset(buf, 'q', sizeof(buf));
	assert_int_equal(pwrite(in, buf, sizeof(buf), 0), sizeof(buf));
	assert_ok(pipe(p));
	n = splice(in, NULL, p[1], NULL, sizeof(buf), 0);
	assert_true(n >= 4096 && n <= 65536);
	assert_int_equal(lseek(in, 0, SEEK_CUR), n);
	assert_errno(splice(in, NULL, p[1], NULL, sizeof(buf), SPLICE_F_NONBLOCK), EAGAIN);
	memset(buf, 0, (size_t)n);
	assert_int_equal(read(p[0], buf, (size_t)n), n);
	assert_int_equal(buf[0] + buf[n - 1], 2 * 'q');
	assert_errno(splice(in, NULL, out, NULL, 10, 0), EINVAL);
	if (on_umfs())
		assert_errno(splice(p[0], NULL, out, NULL, 10, SPLICE_F_NONBLOCK), EINVAL);
	assert_ok(close(p[0]));
	assert_ok(close(p[1]));
	assert_ok(close(in));
	assert_ok(close(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocate_moves_the_end),
		cmocka_unit_test(keep_size_stays_after_close),
		cmocka_unit_test(punched_reads_as_zeros),
		cmocka_unit_test(zeroed_reads_as_zeros),
		cmocka_unit_test(wrong_calls_refused),
		cmocka_unit_test(copy_range_between_files),
		cmocka_unit_test(sendfile_to_anything),
		cmocka_unit_test(splice_to_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
