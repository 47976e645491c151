// SPDX-License-Identifier: BSD-3-Clause
/* test_rw.c - reading, writing, positions, sizes. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "shim_test.h"

ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t off, size_t room);

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = (uint8_t)(seed >> 24);
	}
}

static void write_read_all_sizes(void **state)
{
	static const size_t sizes[] = {1,    63,   64,    65,     4095,    4096,   4097,
				       8192, 9999, 65536, 100000, 1 << 20, 3 << 20};
	uint8_t *out = malloc(3 << 20), *in = malloc(3 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t n = sizes[i];
		int fd = make_file("f", "");
		struct stat st;

		fill(out, n, (uint32_t)n);
		assert_int_equal(write(fd, out, n), (ssize_t)n);
		assert_ok(fstat(fd, &st));
		assert_int_equal(st.st_size, (off_t)n);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(read(fd, in, n + 10 > 3 << 20 ? n : n + 10), (ssize_t)n);
		assert_memory_equal(in, out, n);
		assert_int_equal(read(fd, in, 10), 0);
		/* Again at an odd place, over what is there. */
		assert_int_equal(pwrite(fd, out, n, 77), (ssize_t)n);
		assert_int_equal(pread(fd, in, n, 77), (ssize_t)n);
		assert_memory_equal(in, out, n);
		assert_int_equal(pread(fd, in, 77, 0), 77);
		assert_memory_equal(in, out, n < 77 ? n : 77);
		assert_ok(close(fd));
	}
	free(out);
	free(in);
}

/* Random operations against an array that says what the file must hold. */
static void random_against_model(void **state)
{
	enum { SIZE = 300000 };
	uint8_t *model = calloc(1, SIZE), *buf = malloc(SIZE);
	int fd = make_file("f", "");
	size_t end = 0;
	struct stat st;

	(void)state;
	srandom(7);
	for (int i = 0; i < 3000; i++) {
		size_t off = (size_t)random() % SIZE, n = (size_t)random() % 20000;

		if (random() % 4 == 0)
			n %= 100;
		if (n > SIZE - off)
			n = SIZE - off;
		switch (random() % 8) {
		case 0:
			assert_ok(ftruncate(fd, (off_t)off));
			if (off < end)
				memset(model + off, 0, end - off);
			end = off;
			break;
		case 1:
		case 2:
		case 3:
			fill(buf, n, (uint32_t)i);
			assert_int_equal(pwrite(fd, buf, n, (off_t)off), (ssize_t)n);
			memcpy(model + off, buf, n);
			if (n && off + n > end)
				end = off + n;
			break;
		default: {
			size_t want = off >= end ? 0 : n < end - off ? n : end - off;

			assert_int_equal(pread(fd, buf, n, (off_t)off), (ssize_t)want);
			assert_memory_equal(buf, model + off, want);
		}
		}
	}
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_size, (off_t)end);
	assert_int_equal(pread(fd, buf, SIZE, 0), (ssize_t)end);
	assert_memory_equal(buf, model, end);
	assert_ok(close(fd));
	free(model);
	free(buf);
}

static void holes_read_zero(void **state)
{
	char buf[100], zero[100] = {0};
	int fd = make_file("f", "");
	struct stat st;

	(void)state;
	assert_int_equal(pwrite(fd, "end", 3, 10 << 20), 3);
	assert_int_equal(pread(fd, buf, 100, 5 << 20), 100);
	assert_memory_equal(buf, zero, 100);
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_size, (10 << 20) + 3);
	assert_true(st.st_blocks * 512 < 4 << 20);
	/* Cut in the middle of a page and grown again: zeros, not what was there. */
	assert_int_equal(pwrite(fd, "0123456789", 10, 0), 10);
	assert_ok(ftruncate(fd, 4));
	assert_ok(ftruncate(fd, 20));
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(pread(fd, buf, 100, 0), 20);
	assert_memory_equal(buf, "0123", 4);
	assert_memory_equal(buf + 4, zero, 16);
	assert_ok(close(fd));
}

static void append_goes_to_the_end(void **state)
{
	int a = make_file("f", "one "), b = open(at("f"), O_WRONLY | O_APPEND);

	(void)state;
	assert_int_equal(write(b, "two ", 4), 4);
	assert_int_equal(lseek(b, 0, SEEK_CUR), 8);
	assert_int_equal(pwrite(a, "three ", 6, 8), 6);
	assert_int_equal(lseek(b, 0, SEEK_SET), 0);
	assert_int_equal(write(b, "four", 4), 4);
	check_text(a, "one two three four");
	/* Linux appends with pwrite too. */
	assert_int_equal(pwrite(b, "!", 1, 0), 1);
	check_text(a, "one two three four!");
	close(a);
	close(b);
}

/* The compiler knows nothing of these. */
static void *bad(uintptr_t p)
{
	volatile uintptr_t v = p;

	return (void *)v;
}

static int many_parts(int n)
{
	volatile int v = n;

	return v;
}

/* RWF_APPEND: wherever the call says. */
static void written_at_the_end(void)
{
	int fd = make_file("end", "0123456789");
	struct iovec iov = {(void *)(uintptr_t)"ab", 2};

	assert_int_equal(pwritev2(fd, &iov, 1, 3, RWF_APPEND), 2);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 10);
	assert_ok(lseek(fd, 1, SEEK_SET));
	assert_int_equal(pwritev2(fd, &iov, 1, -1, RWF_APPEND), 2);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 14);
	assert_int_equal(pwritev2(fd, &iov, 1, 0, RWF_APPEND | RWF_DSYNC), 2);
	check_text(fd, "0123456789ababab");
	assert_ok(close(fd));
	assert_ok(unlink(at("end")));
}

static void vectors(void **state)
{
	struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}};
	char x[3], y[10];
	struct iovec in[2] = {{x, 3}, {y, 10}}, many[1024];
	int fd = make_file("f", "");

	(void)state;
	assert_int_equal(writev(fd, out, 3), 6);
	assert_int_equal(pwritev(fd, out, 1, 6), 2);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(readv(fd, in, 2), 8);
	assert_memory_equal(x, "abc", 3);
	assert_memory_equal(y, "defab", 5);
	assert_int_equal(preadv(fd, in, 2, 6), 2);
	assert_memory_equal(x, "ab", 2);
	assert_int_equal(preadv2(fd, in, 2, 4, 0), 4);
	assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
	assert_int_equal(preadv2(fd, in, 1, -1, 0), 3);
	assert_memory_equal(x, "bcd", 3);
	assert_int_equal(pwritev2(fd, out, 1, -1, RWF_DSYNC), 2);
	written_at_the_end();
	check_text(fd, "abcdabab");
	for (int i = 0; i < 1024; i++)
		many[i] = (struct iovec){"z", 1};
	assert_int_equal(pwritev(fd, many, 1024, 0), 1024);
	assert_errno(writev(fd, many, many_parts(1025)), EINVAL);
	assert_errno(writev(fd, many, many_parts(-1)), EINVAL);
	assert_errno(preadv(fd, in, 2, -1), EINVAL);
	assert_int_equal(readv(fd, in, 0), 0);
	in[1].iov_len = (size_t)many_parts(-1);
	assert_errno(readv(fd, in, 2), EINVAL);
	assert_ok(close(fd));
}

static void positions(void **state)
{
	int fd = make_file("f", "0123456789");

	(void)state;
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 10);
	assert_int_equal(lseek(fd, -3, SEEK_END), 7);
	assert_int_equal(lseek(fd, -2, SEEK_CUR), 5);
	assert_errno(lseek(fd, -6, SEEK_CUR), EINVAL);
	assert_errno(lseek(fd, 0, 99), EINVAL);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 5);
	assert_int_equal(lseek(fd, 1000, SEEK_SET), 1000);
	assert_int_equal(lseek(fd, 0, SEEK_DATA), 0);
	assert_int_equal(lseek(fd, 0, SEEK_HOLE), 10);
	assert_errno(lseek(fd, 10, SEEK_DATA), ENXIO);
	assert_errno(lseek(fd, 11, SEEK_HOLE), ENXIO);
	assert_errno(pread(fd, &fd, 1, -1), EINVAL);
	assert_errno(pwrite(fd, "x", 1, -1), EINVAL);
	assert_ok(close(fd));
}

static void sizes(void **state)
{
	struct stat st;
	int fd = make_file("f", "0123456789");

	(void)state;
	assert_ok(ftruncate(fd, 3));
	assert_ok(stat(at("f"), &st));
	assert_int_equal(st.st_size, 3);
	assert_ok(truncate(at("f"), 5000));
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_size, 5000);
	assert_errno(ftruncate(fd, -1), EINVAL);
	assert_errno(truncate(at("f"), -1), EINVAL);
	assert_errno(truncate(at("none"), 0), ENOENT);
	assert_errno(truncate(test_dir(), 0), EISDIR);
	assert_ok(fsync(fd));
	assert_ok(fdatasync(fd));
	assert_ok(syncfs(fd));
	assert_ok(sync_file_range(fd, 0, 100, SYNC_FILE_RANGE_WRITE));
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, 99), EINVAL);
	assert_ok(close(fd));
}

static void bad_pointers_efault(void **state)
{
	long page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov[2] = {{p, 4}, {bad(16), 4}};
	int fd = make_file("f", "0123456789");
	char big[10000];

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_ok(munmap(p + page, (size_t)page));
	assert_errno(pread(fd, bad(8), 4, 0), EFAULT);
	assert_errno(pwrite(fd, bad(8), 4, 0), EFAULT);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_errno(read(fd, bad(0), 4), EFAULT);
	assert_errno(write(fd, bad(0xdead000000000000ul), 4), EFAULT);
	assert_errno(pread(fd, bad(0xffff800000000000ul), 4, 0), EFAULT);
	assert_errno(writev(fd, bad(8), 1), EFAULT);
	check_text(fd, "0123456789");
	/* Into the hole behind p: what came before it may have been moved, the rest not. */
	memset(p, 'w', (size_t)page);
	{
		ssize_t n = pwrite(fd, p + page - 2, 4, 0);

		assert_true(n == 2 || (n == -1 && errno == EFAULT));
		check_text(fd, n == 2 ? "ww23456789" : "0123456789");
	}
	assert_true(pwritev(fd, iov, 2, 0) <= 4);
	memset(big, 'b', sizeof(big));
	assert_int_equal(pwrite(fd, big, sizeof(big), 0), (ssize_t)sizeof(big));
	assert_true(pread(fd, p + page - 10, 5000, 0) <= 10);
	assert_errno(open(bad(8), O_RDONLY), EFAULT);
	assert_errno(stat(bad(8), (void *)p), EFAULT);
	assert_errno(stat(at("f"), bad(8)), EFAULT);
	assert_errno(symlink(bad(8), at("sl")), EFAULT);
	/* The file still works. */
	assert_int_equal(pwrite(fd, "good", 4, 0), 4);
	assert_int_equal(pread(fd, big, 4, 0), 4);
	assert_memory_equal(big, "good", 4);
	assert_ok(close(fd));
}

static void fortified_reads(void **state)
{
	int fd = make_file("f", "0123");
	char buf[8];

	(void)state;
	assert_int_equal(__pread_chk(fd, buf, 4, 0, sizeof(buf)), 4);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(__read_chk(fd, buf, 4, sizeof(buf)), 4);
	assert_memory_equal(buf, "0123", 4);
	assert_ok(close(fd));
}

/* What is not there yet fails with the error that makes programs fall back. */
static void mappings_of_others(void **state)
{
	int fd = make_file("f", "0123"), out;
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/out", getenv("SHIM_WORK"));
	out = open(path, O_RDWR | O_CREAT, 0644);
	assert_true(out >= 0);
	/* Mappings of others are none of our business. */
	assert_int_equal(write(out, "data", 4), 4);
	{
		char *p = mmap(NULL, 4, PROT_READ, MAP_SHARED, out, 0);

		assert_ptr_not_equal(p, MAP_FAILED);
		assert_memory_equal(p, "data", 4);
		munmap(p, 4);
	}
	close(out);
	unlink(path);
	assert_ok(close(fd));
}

static void very_far_offset(void **state)
{
	int fd = make_file("f", "");
	struct stat st;
	char c;

	(void)state;
	if (!on_umfs())
		return; /* tmpfs goes further than 512 GiB */
	assert_int_equal(pwrite(fd, "x", 1, (512ll << 30) - 1), 1);
	assert_int_equal(pread(fd, &c, 1, (512ll << 30) - 1), 1);
	assert_int_equal(c, 'x');
	assert_errno(pwrite(fd, "x", 1, 512ll << 30), EFBIG);
	assert_errno(ftruncate(fd, (512ll << 30) + 1), EFBIG);
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_size, 512ll << 30);
	assert_ok(ftruncate(fd, 0));
	assert_ok(close(fd));
}

static volatile sig_atomic_t too_large;

static void count_signal(int sig)
{
	too_large += sig == SIGXFSZ;
}

static int limited(void *arg)
{
	struct rlimit lim = {5000, RLIM_INFINITY};
	char buf[4000] = {0};
	int fd = open(at("limited"), O_RDWR | O_CREAT | O_TRUNC, 0644);

	(void)arg;
	CHILD_CHECK(fd >= 0 && signal(SIGXFSZ, count_signal) != SIG_ERR);
	CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &lim) == 0);
	CHILD_CHECK(write(fd, buf, 4000) == 4000);
	CHILD_CHECK(write(fd, buf, 4000) == 1000 && too_large == 0);
	CHILD_CHECK(write(fd, buf, 1) == -1 && errno == EFBIG && too_large == 1);
	CHILD_CHECK(pwrite(fd, buf, 100, 4950) == 50 && too_large == 1);
	CHILD_CHECK(pwrite(fd, buf, 100, 5000) == -1 && errno == EFBIG && too_large == 2);
	CHILD_CHECK(write(fd, buf, 0) == 0 && too_large == 2);
	CHILD_CHECK(ftruncate(fd, 5001) == -1 && errno == EFBIG && too_large == 3);
	CHILD_CHECK(truncate(at("limited"), 6000) == -1 && errno == EFBIG && too_large == 4);
	CHILD_CHECK(ftruncate(fd, 1000) == 0 && ftruncate(fd, 5000) == 0 && too_large == 4);
	lim.rlim_cur = RLIM_INFINITY;
	CHILD_CHECK(prlimit(0, RLIMIT_FSIZE, &lim, NULL) == 0);
	CHILD_CHECK(ftruncate(fd, 8000) == 0 && pwrite(fd, buf, 100, 8000) == 100);
	/* Made shorter, not longer, above the limit: allowed. */
	lim.rlim_cur = 100;
	CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &lim) == 0);
	CHILD_CHECK(ftruncate(fd, 7000) == 0 && too_large == 4);
	CHILD_CHECK(pwrite(fd, buf, 1, 200) == -1 && errno == EFBIG && too_large == 5);
	CHILD_CHECK(fallocate(fd, 0, 0, 7001) == -1 && errno == EFBIG && too_large == 6);
	CHILD_CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	CHILD_CHECK(pwrite(fd, buf, 1, 200) == -1 && errno == EFBIG && too_large == 6);
	CHILD_CHECK(unlink(at("limited")) == 0);
	CHILD_CHECK(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
	(void)!pwrite(fd, buf, 1, 200);
	return 0; /* not reached */
}

static int write_one(void *arg)
{
	CHILD_CHECK(write(*(int *)arg, "x", 1) == -1 && errno == EFBIG);
	return 0;
}

static long set_limit(int how, const struct rlimit *lim)
{
	switch (how) {
	case 0:
		return setrlimit(RLIMIT_FSIZE, lim);
	case 1:
		return syscall(SYS_setrlimit, RLIMIT_FSIZE, lim);
	default:
		return syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, lim, NULL);
	}
}

/* A limit of nothing is one, for children too. */
static int limited_to_nothing(void *how)
{
	struct rlimit lim = {0, RLIM_INFINITY};
	int fd = open(at("limited"), O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHILD_CHECK(fd >= 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	CHILD_CHECK(set_limit(*(int *)how, &lim) == 0);
	CHILD_CHECK(write_one(&fd) == 0);
	CHILD_CHECK(in_child(write_one, &fd) == 0);
	CHILD_CHECK(unlink(at("limited")) == 0);
	return 0;
}

static void file_size_limit(void **state)
{
	(void)state;
	assert_int_equal(in_child(limited, NULL), 128 + SIGXFSZ);
	for (int how = 0; how < 3; how++)
		assert_int_equal(in_child(limited_to_nothing, &how), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_read_all_sizes),
		cmocka_unit_test(random_against_model),
		cmocka_unit_test(holes_read_zero),
		cmocka_unit_test(append_goes_to_the_end),
		cmocka_unit_test(vectors),
		cmocka_unit_test(positions),
		cmocka_unit_test(sizes),
		cmocka_unit_test(bad_pointers_efault),
		cmocka_unit_test(fortified_reads),
		cmocka_unit_test(mappings_of_others),
		cmocka_unit_test(very_far_offset),
		cmocka_unit_test(file_size_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
