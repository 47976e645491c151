// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_flags.c - flags of descriptors and of single calls: appending from many
 * processes, O_DIRECT, O_SYNC, RWF_*; and advice.
 */
#include <pthread.h>
#include <sys/uio.h>

#include "shim_test.h"

/* Newer than the headers of some systems. */
#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif
#define RWF_ATOMIC_ 0x40
#define RWF_DONTCACHE_ 0x80

/* ---- O_APPEND ---- */

#define WRITERS 8
#define RECORDS 400
#define RECORD_MAX 9000u

/* Record k of writer w: its length depends on both, its bytes are all the same. */
static size_t record(char *buf, unsigned w, unsigned k)
{
	size_t n = 16 + (w * 7919 + k * 104729) % (k % 16 ? 300 : RECORD_MAX - 16);

	memset(buf, 'a' + (int)((w * 5 + k) % 26), n);
	snprintf(buf, 16, "%02u %04u %06zu", w, k, n);
	buf[14] = ' ';
	buf[15] = ' ';
	buf[n - 1] = '\n';
	return n;
}

/* By every call that appends, in turn. */
static bool append(int fd, unsigned w, unsigned k)
{
	char buf[RECORD_MAX];
	size_t n = record(buf, w, k), half = n / 2;
	struct iovec v[2] = {{buf, half}, {buf + half, n - half}};

	switch (k % 4) {
	case 0:
		return write(fd, buf, n) == (ssize_t)n;
	case 1:
		return writev(fd, v, 2) == (ssize_t)n;
	case 2:
		return pwrite(fd, buf, n, 5) == (ssize_t)n;
	default:
		return pwritev2(fd, v, 2, 0, RWF_APPEND) == (ssize_t)n;
	}
}

static int append_all(void *arg)
{
	unsigned w = *(unsigned *)arg;
	int fd = open(at("log"), O_WRONLY | O_APPEND);

	CHILD_CHECK(fd >= 0);
	for (unsigned k = 0; k < RECORDS; k++)
		CHILD_CHECK(append(fd, w, k));
	return close(fd);
}

static void *append_thread(void *arg)
{
	return append_all(arg) ? arg : NULL;
}

/* Each writer's records are all there, whole and in order. */
static void check_records(unsigned writers)
{
	unsigned next[2 * WRITERS] = {0};
	char want[RECORD_MAX], got[RECORD_MAX];
	int fd = open(at("log"), O_RDONLY);
	off_t pos = 0, end = lseek(fd, 0, SEEK_END);

	while (pos < end) {
		unsigned w, k;
		size_t n;

		assert_true(pread(fd, got, sizeof(got), pos) > 16);
		got[14] = '\0';
		assert_int_equal(sscanf(got, "%2u %4u %6zu", &w, &k, &n), 3);
		got[14] = ' ';
		assert_true(w < writers && k == next[w]);
		next[w]++;
		assert_int_equal(n, record(want, w, k));
		assert_memory_equal(got, want, n);
		pos += (off_t)n;
	}
	for (unsigned w = 0; w < writers; w++)
		assert_int_equal(next[w], RECORDS);
	close(fd);
}

static void many_append_whole_records(void **state)
{
	pid_t pids[WRITERS];
	pthread_t threads[WRITERS];
	unsigned number[2 * WRITERS];
	void *bad;
	int status;

	(void)state;
	put_file("log", "");
	for (unsigned w = 0; w < 2 * WRITERS; w++)
		number[w] = w;
	for (unsigned w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		assert_true(pids[w] >= 0);
		if (!pids[w])
			_exit(append_all(&number[w]));
	}
	for (unsigned w = 0; w < WRITERS; w++)
		assert_int_equal(pthread_create(&threads[w], NULL, append_thread,
						&number[WRITERS + w]), 0);
	for (unsigned w = 0; w < WRITERS; w++) {
		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
		assert_int_equal(pthread_join(threads[w], &bad), 0);
		assert_null(bad);
	}
	check_records(2 * WRITERS);
	assert_ok(unlink(at("log")));
}

/* One position for all: what they share was opened once, without O_APPEND. */
static int write_through(void *arg)
{
	int *fd_and_number = arg;

	for (unsigned k = 0; k < RECORDS; k++) {
		char buf[RECORD_MAX];
		size_t n = record(buf, (unsigned)fd_and_number[1], k);

		CHILD_CHECK(write(fd_and_number[0], buf, n) == (ssize_t)n);
	}
	return 0;
}

static void many_write_at_one_position(void **state)
{
	int fd = open(at("log"), O_WRONLY | O_CREAT | O_TRUNC, 0644), status;
	pid_t pids[WRITERS];

	(void)state;
	for (int w = 0; w < WRITERS; w++) {
		int arg[2] = {w % 2 ? fd : dup(fd), w};

		pids[w] = fork();
		assert_true(pids[w] >= 0);
		if (!pids[w])
			_exit(write_through(arg));
		if (arg[0] != fd)
			assert_ok(close(arg[0]));
	}
	for (int w = 0; w < WRITERS; w++) {
		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(lseek(fd, 0, SEEK_CUR), lseek(fd, 0, SEEK_END));
	check_records(WRITERS);
	assert_ok(close(fd));
	assert_ok(unlink(at("log")));
}

/* ---- others ---- */

static void synchronous(void **state)
{
	static const int flags[] = {O_SYNC, O_DSYNC, O_RSYNC};

	(void)state;
	for (int i = 0; i < 3; i++) {
		int fd = open(at("s"), O_RDWR | O_CREAT | flags[i], 0644);

		assert_true(fd >= 0);
		assert_int_equal(fcntl(fd, F_GETFL) & O_SYNC, flags[i] & O_SYNC);
		assert_int_equal(write(fd, "text", 4), 4);
		assert_int_equal(pwritev2(fd, &(struct iovec){(void *)(uintptr_t)"T", 1}, 1, 0,
					  RWF_SYNC), 1);
		check_text(fd, "Text");
		assert_ok(sync_file_range(fd, 0, 4, SYNC_FILE_RANGE_WRITE));
		/* It can not be changed afterwards, and trying is no error. */
		assert_ok(fcntl(fd, F_SETFL, 0));
		assert_int_equal(fcntl(fd, F_GETFL) & O_SYNC, flags[i] & O_SYNC);
		assert_ok(close(fd));
	}
	assert_ok(unlink(at("s")));
}

/* Memory has no sectors: any address, offset and length will do. */
static void direct(void **state)
{
	char buf[8192];
	int fd = open(at("d"), O_RDWR | O_CREAT | O_DIRECT, 0644);

	(void)state;
	if (fd < 0) { /* tmpfs of Linux before 6.6 */
		assert_false(on_umfs());
		return;
	}
	assert_int_equal(fcntl(fd, F_GETFL) & O_DIRECT, O_DIRECT);
	memset(buf, 'd', sizeof(buf));
	assert_int_equal(pwrite(fd, buf + 1, 4096, 4096), 4096);
	assert_int_equal(pwrite(fd, buf + 3, 100, 17), 100);
	assert_int_equal(pread(fd, buf, 4096, 0), 4096);
	assert_int_equal(buf[16] + buf[17] + buf[116] + buf[117], 2 * 'd');
	assert_int_equal(pread(fd, buf + 5, 8187, 8000), 192);
	assert_ok(fcntl(fd, F_SETFL, 0));
	assert_int_equal(fcntl(fd, F_GETFL) & O_DIRECT, 0);
	assert_ok(fcntl(fd, F_SETFL, O_DIRECT));
	assert_int_equal(fcntl(fd, F_GETFL) & O_DIRECT, O_DIRECT);
	assert_ok(close(fd));
	assert_ok(unlink(at("d")));
}

/* The kernel knows RWF_NOAPPEND since 6.9. */
static void flags_of_a_call(void **state)
{
	static const int never[] = {RWF_NOWAIT, RWF_ATOMIC_, RWF_DONTCACHE_, 0x4000};
	int fd = make_file("f", "0123456789");
	struct iovec v = {(void *)(uintptr_t)"ab", 2};
	char buf[8];
	struct iovec r = {buf, 2};
	long ret;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_errno(preadv2(fd, &r, 1, 0, never[i]), EOPNOTSUPP);
		assert_errno(pwritev2(fd, &v, 1, 0, never[i]), EOPNOTSUPP);
		assert_int_equal(pwritev2(fd, &v, 0, 0, never[i]), 0);
	}
	assert_int_equal(preadv2(fd, &r, 1, 0, RWF_HIPRI | RWF_DSYNC | RWF_SYNC), 2);
	assert_int_equal(preadv2(fd, &r, 1, 0, RWF_APPEND), 2);
	assert_int_equal(pwritev2(fd, &v, 1, 0, RWF_HIPRI | RWF_DSYNC | RWF_SYNC), 2);
	assert_int_equal(pwritev2(fd, &v, 1, 0, RWF_APPEND), 2);
	check_text(fd, "ab23456789ab");
	assert_ok(fcntl(fd, F_SETFL, O_APPEND));
	ret = pwritev2(fd, &v, 1, 4, RWF_NOAPPEND);
	if (ret < 0) {
		assert_false(on_umfs());
		assert_int_equal(errno, EOPNOTSUPP);
	} else {
		assert_errno(pwritev2(fd, &v, 1, 4, RWF_NOAPPEND | RWF_APPEND), EINVAL);
		check_text(fd, "ab23ab6789ab");
		assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
		assert_int_equal(pwritev2(fd, &v, 1, -1, RWF_NOAPPEND), 2);
		assert_int_equal(lseek(fd, 0, SEEK_CUR), 8);
		check_text(fd, "ab23abab89ab");
	}
	assert_int_equal(pwritev2(fd, &v, 1, 4, 0), 2);
	assert_ok(close(fd));
	assert_ok(unlink(at("f")));
}

static void advice(void **state)
{
	int fd = make_file("f", "text"), dir = open(test_dir(), O_RDONLY), p[2];
	int wo = open(at("f"), O_WRONLY), path = open(at("f"), O_PATH);

	(void)state;
	assert_ok(pipe(p));
	for (int a = POSIX_FADV_NORMAL; a <= POSIX_FADV_NOREUSE; a++) {
		assert_int_equal(posix_fadvise(fd, 0, 0, a), 0);
		assert_int_equal(posix_fadvise(fd, 1 << 20, 1 << 30, a), 0);
	}
	assert_int_equal(posix_fadvise(fd, 0, 0, 99), EINVAL);
	assert_int_equal(posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL), EINVAL);
	assert_int_equal(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL), ESPIPE);
	assert_int_equal(posix_fadvise(path, 0, 0, POSIX_FADV_NORMAL), EBADF);
	assert_ok(readahead(fd, 0, 1 << 20));
	assert_errno(readahead(dir, 0, 1), EINVAL);
	assert_errno(readahead(wo, 0, 1), EBADF);
	assert_ok(sync_file_range(fd, 0, 0, 7));
	assert_errno(sync_file_range(fd, 0, 0, 8), EINVAL);
	assert_errno(sync_file_range(fd, -1, 0, 1), EINVAL);
	assert_errno(sync_file_range(p[0], 0, 0, 1), ESPIPE);
	assert_errno(sync_file_range(path, 0, 0, 1), EBADF);
	check_text(fd, "text");
	close(fd);
	close(dir);
	close(wo);
	close(path);
	close(p[0]);
	close(p[1]);
	assert_ok(unlink(at("f")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_append_whole_records),
		cmocka_unit_test(many_write_at_one_position),
		cmocka_unit_test(synchronous),
		cmocka_unit_test(direct),
		cmocka_unit_test(flags_of_a_call),
		cmocka_unit_test(advice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
