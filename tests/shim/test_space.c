// SPDX-License-Identifier: BSD-3-Clause
/* test_space.c - space of files: fallocate, holes. */
#include "shim_test.h"

#include <linux/falloc.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocate_moves_the_end),
		cmocka_unit_test(keep_size_stays_after_close),
		cmocka_unit_test(punched_reads_as_zeros),
		cmocka_unit_test(zeroed_reads_as_zeros),
		cmocka_unit_test(wrong_calls_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
