// SPDX-License-Identifier: BSD-3-Clause
/* test_copy.c - copies between descriptors: of files, pipes, sockets, devices. */
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statvfs.h>

#include "shim_test.h"

static off_t size(int fd)
{
	struct stat st;

	assert_ok(fstat(fd, &st));
	return st.st_size;
}

/* n bytes that tell where they are. */
static void fill(int fd, size_t n, char first)
{
	char buf[65536];

	assert_true(n <= sizeof(buf));
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)(first + i % 23);
	assert_int_equal(pwrite(fd, buf, n, 0), n);
}

static void check_fill(int fd, off_t at_off, off_t from, size_t n, char first)
{
	char buf[65536];
	size_t i;

	assert_int_equal(pread(fd, buf, n, at_off), n);
	for (i = 0; i < n && buf[i] == (char)(first + (from + (off_t)i) % 23); i++)
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
	static const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	int in = make_file("in", ""), out = make_file("out", ""), sv[2], dir;
	char buf[40000];
	struct stat st;
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
	from = -1;
	assert_errno(sendfile(sv[0], in, &from, 0), EINVAL);
	/* The range is looked at before the other side, the pointer before both. */
	assert_errno(sendfile(-1, in, &from, 10), EINVAL);
	assert_errno(sendfile(-1, in, NULL, SIZE_MAX), EINVAL);
	assert_errno(sendfile(-1, in, NULL, 10), EBADF);
	assert_errno(sendfile(out, -1, (off_t *)8, 10), EFAULT);
	assert_ok(fcntl(out, F_SETFL, O_APPEND));
	assert_errno(sendfile(out, in, NULL, 0), EINVAL); /* of nothing, too */
	assert_ok(fcntl(out, F_SETFL, 0));
	assert_int_equal(sendfile(out, in, NULL, 0), 0);
	assert_errno(sendfile(sv[0], in, (off_t *)8, 10), EFAULT);
	/* A directory has no bytes, and counts as read. */
	assert_ok(utimensat(AT_FDCWD, test_dir(), old, 0));
	dir = open(test_dir(), O_RDONLY);
	assert_errno(sendfile(sv[0], dir, NULL, 10), EINVAL);
	assert_ok(fstat(dir, &st));
	assert_true(st.st_atime > old[0].tv_sec);
	assert_ok(close(dir));
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
	assert_ok(close(p[0]));
	assert_ok(close(p[1]));
	assert_ok(close(in));
	assert_ok(close(out));
}

/* A file that is not in the pool; with n bytes in it. */
static int outside(size_t n)
{
	char name[] = "/tmp/umfs-copy-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	assert_ok(unlink(name));
	fill(fd, n, 'o');
	return fd;
}

static void sendfile_from_anything(void **state)
{
	int in = outside(50000), out = make_file("out", "0123456789"), p[2], sv[2];
	int zero = open("/dev/zero", O_RDONLY);
	off_t from = 1000;

	(void)state;
	assert_int_equal(lseek(out, 4, SEEK_SET), 4);
	assert_int_equal(sendfile(out, in, &from, 30000), 30000);
	assert_int_equal(from, 31000);
	assert_int_equal(lseek(out, 0, SEEK_CUR), 30004);
	check_fill(out, 4, 1000, 30000, 'o');
	assert_int_equal(lseek(in, 49000, SEEK_SET), 49000);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	assert_int_equal(sendfile(out, in, NULL, 1 << 30), 1000);
	assert_int_equal(lseek(in, 0, SEEK_CUR), 50000);
	assert_int_equal(sendfile(out, in, NULL, 1), 0);
	check_fill(out, 0, 49000, 1000, 'o');
	assert_int_equal(size(out), 30004);
	assert_int_equal(sendfile(out, zero, NULL, 100000), 100000);
	assert_int_equal(lseek(out, 0, SEEK_CUR), 101000);
	assert_ok(pipe(p));
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(write(sv[1], "x", 1), 1);
	assert_errno(sendfile(out, p[0], NULL, 1), EINVAL);
	assert_errno(sendfile(out, p[0], &from, 1), ESPIPE);
	assert_errno(sendfile(out, sv[0], NULL, 1), EINVAL);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(sv[i]);
	}
	close(zero);
	close(in);
	close(out);
}

/* The same file to itself too: at two places of it. */
static void sendfile_within_a_file(void **state)
{
	int fd = make_file("f", "0123456789");
	off_t from = 2;

	(void)state;
	assert_int_equal(lseek(fd, 10, SEEK_SET), 10);
	assert_int_equal(sendfile(fd, fd, &from, 3), 3);
	check_text(fd, "0123456789234");
	close(fd);
}

static void splice_from_a_pipe(void **state)
{
	int out = make_file("out", "0123456789"), p[2];
	char big[40000];
	off_t to = 3;

	(void)state;
	memset(big, 'b', sizeof(big));
	assert_ok(pipe(p));
	assert_int_equal(write(p[1], "hello", 5), 5);
	assert_int_equal(splice(p[0], NULL, out, &to, 3, 0), 3);
	assert_int_equal(to, 6);
	assert_int_equal(lseek(out, 0, SEEK_CUR), 10);
	/* No more than there is is waited for. */
	assert_int_equal(splice(p[0], NULL, out, NULL, 1000, 0), 2);
	check_text(out, "012hel6789lo");
	assert_int_equal(lseek(out, 0, SEEK_CUR), 12);
	assert_errno(splice(p[0], NULL, out, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	assert_ok(fcntl(p[0], F_SETFL, O_NONBLOCK));
	assert_errno(splice(p[0], NULL, out, NULL, 1, 0), EAGAIN);
	assert_ok(fcntl(p[0], F_SETFL, 0));
	assert_int_equal(write(p[1], big, sizeof(big)), sizeof(big));
	assert_int_equal(splice(p[0], NULL, out, NULL, sizeof(big), SPLICE_F_MOVE), sizeof(big));
	assert_int_equal(size(out), 12 + sizeof(big));
	assert_int_equal(pread(out, big, sizeof(big), 12), sizeof(big));
	assert_int_equal(big[0] + big[sizeof(big) - 1], 2 * 'b');
	close(p[1]);
	assert_int_equal(splice(p[0], NULL, out, NULL, 10, 0), 0);
	close(p[0]);
	close(out);
}

static void *write_slowly(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 10; i++) {
		usleep(2000);
		if (write(fd, "0123456789", 10) != 10)
			return arg;
	}
	return close(fd) ? arg : NULL;
}

static void splice_waits_for_the_pipe(void **state)
{
	int out = make_file("out", ""), p[2];
	long sum = 0, n;
	pthread_t t;
	void *bad;

	(void)state;
	assert_ok(pipe(p));
	assert_int_equal(pthread_create(&t, NULL, write_slowly, &p[1]), 0);
	while ((n = splice(p[0], NULL, out, NULL, 1 << 20, 0)) > 0)
		sum += n;
	assert_int_equal(n, 0);
	assert_int_equal(sum, 100);
	assert_int_equal(pthread_join(t, &bad), 0);
	assert_null(bad);
	close(p[0]);
	close(out);
}

/* Cancelled while it waits: nothing stays behind, not even a descriptor. */
static void *splice_for_ever(void *arg)
{
	int *fds = arg;

	splice(fds[0], NULL, fds[1], NULL, 10, 0);
	return NULL;
}

static void waiting_splice_is_cancelled(void **state)
{
	int fds[2] = {-1, make_file("out", "")}, p[2], before, after;
	pthread_t t;
	void *ret;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	close(fds[1]);
	SKIP("the address sanitizer takes what a cancelled thread's frames leave for an overflow");
#endif
	assert_ok(pipe(p));
	fds[0] = p[0];
	before = dup(0);
	close(before);
	assert_int_equal(pthread_create(&t, NULL, splice_for_ever, fds), 0);
	usleep(20000);
	assert_int_equal(pthread_cancel(t), 0);
	assert_int_equal(pthread_join(t, &ret), 0);
	assert_ptr_equal(ret, PTHREAD_CANCELED);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
	close(p[0]);
	close(p[1]);
	close(fds[1]);
}

static void refused_as_by_the_kernel(void **state)
{
	int in = outside(100), f = make_file("f", "text"), p[2];
	int ro = open(at("f"), O_RDONLY), wo = open(at("f"), O_WRONLY), dir = open(test_dir(), O_RDONLY);
	int app = open(at("f"), O_WRONLY | O_APPEND), path = open(at("f"), O_PATH);
	off_t off = -1, here = 0;

	(void)state;
	assert_ok(pipe(p));
	assert_int_equal(write(p[1], "xyz", 3), 3);
	/* Between two file systems. */
	assert_errno(copy_file_range(in, NULL, f, NULL, 4, 0), EXDEV);
	assert_errno(copy_file_range(f, NULL, in, NULL, 4, 0), EXDEV);
	assert_errno(copy_file_range(in, NULL, ro, NULL, 4, 0), EBADF);
	assert_errno(copy_file_range(wo, NULL, in, NULL, 4, 0), EBADF);
	assert_errno(copy_file_range(dir, NULL, in, NULL, 4, 0), EISDIR);
	assert_errno(sendfile(app, in, NULL, 4), EINVAL);
	assert_errno(sendfile(ro, in, NULL, 4), EBADF);
	assert_errno(sendfile(f, wo, NULL, 4), EBADF);
	assert_errno(sendfile(path, in, NULL, 4), EBADF);
	assert_errno(sendfile(f, path, NULL, 4), EBADF);
	assert_errno(sendfile(f, dir, NULL, 4), EINVAL);
	assert_errno(sendfile(dir, in, NULL, 4), EBADF);
	assert_errno(sendfile(f, 12345, NULL, 4), EBADF);
	assert_errno(sendfile(f, in, &off, 4), EINVAL);
	assert_errno(splice(p[0], NULL, app, NULL, 1, 0), EINVAL);
	assert_errno(splice(p[0], NULL, ro, NULL, 1, 0), EBADF);
	assert_errno(splice(p[0], NULL, dir, NULL, 1, 0), EBADF);
	assert_errno(splice(dir, NULL, p[1], NULL, 1, 0), EINVAL);
	assert_errno(splice(p[0], NULL, path, NULL, 1, 0), EBADF);
	assert_errno(splice(p[0], &here, f, NULL, 1, 0), ESPIPE);
	assert_errno(splice(p[0], NULL, f, &off, 1, 0), EINVAL);
	assert_errno(splice(f, NULL, p[1], &here, 1, 0), ESPIPE);
	assert_errno(splice(in, NULL, f, NULL, 1, 0), EINVAL);
	assert_errno(splice(p[0], NULL, f, NULL, 1, 0x100), EINVAL);
	assert_int_equal(splice(in, NULL, f, NULL, 0, 0), 0);
	assert_errno(tee(f, p[1], 1, 0), EINVAL);
	assert_errno(tee(p[0], f, 1, 0), EINVAL);
	assert_errno(vmsplice(f, &(struct iovec){(void *)(uintptr_t)"x", 1}, 1, 0), EBADF);
	check_text(f, "text");
	/* And nothing was taken from the pipe. */
	assert_int_equal(splice(p[0], NULL, f, NULL, 10, 0), 3);
	check_text(f, "textxyz");
	for (int i = 0; i < 2; i++)
		close(p[i]);
	close(in);
	close(f);
	close(ro);
	close(wo);
	close(dir);
	close(app);
	close(path);
}

/* Full: what is not written is still in the pipe, and in the source file's position. */
static void full_takes_nothing_away(void **state)
{
	int f = make_file("f", ""), hog = make_file("hog", ""), in = outside(60000), p[2];
	static char buf[1 << 20], got[40000], want[40000];
	long n, sum = 0;

	(void)state;
	if (!on_umfs()) { /* this tmpfs is everybody's */
		close(f);
		close(hog);
		close(in);
		return;
	}
	while ((n = write(hog, buf, sizeof(buf))) > 0)
		;
	while ((n = write(hog, buf, 512)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	assert_ok(pipe(p));
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (char)(i * 31 >> 3);
	assert_int_equal(write(p[1], want, sizeof(want)), sizeof(want));
	while ((n = splice(p[0], NULL, f, NULL, 1 << 20, SPLICE_F_NONBLOCK)) > 0)
		sum += n;
	assert_int_equal(n, -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(size(f), sum);
	assert_int_equal(pread(f, got, sizeof(got), 0), sum);
	assert_int_equal(read(p[0], got + sum, sizeof(got)), (long)sizeof(got) - sum);
	assert_memory_equal(got, want, sizeof(got));
	n = sendfile(f, in, NULL, 50000);
	assert_true(n > 0 || errno == ENOSPC);
	assert_int_equal(lseek(in, 0, SEEK_CUR), n > 0 ? n : 0);
	close(p[0]);
	close(p[1]);
	close(f);
	close(in);
	close(hog);
	assert_ok(unlink(at("hog")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_range_between_files),
		cmocka_unit_test(sendfile_to_anything),
		cmocka_unit_test(sendfile_from_anything),
		cmocka_unit_test(sendfile_within_a_file),
		cmocka_unit_test(splice_to_a_pipe),
		cmocka_unit_test(splice_from_a_pipe),
		cmocka_unit_test(splice_waits_for_the_pipe),
		cmocka_unit_test(waiting_splice_is_cancelled),
		cmocka_unit_test(refused_as_by_the_kernel),
		cmocka_unit_test(full_takes_nothing_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
