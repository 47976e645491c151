// SPDX-License-Identifier: BSD-3-Clause
/* test_fd.c - descriptors: close, dup, fcntl, ioctl. */
#include <pthread.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "shim_test.h"

static void close_twice_ebadf(void **state)
{
	int fd = make_file("f", "x");
	char c;

	(void)state;
	assert_ok(close(fd));
	assert_errno(close(fd), EBADF);
	assert_errno(read(fd, &c, 1), EBADF);
	assert_errno(write(fd, &c, 1), EBADF);
	assert_errno(lseek(fd, 0, SEEK_SET), EBADF);
	assert_errno(fsync(fd), EBADF);
	assert_errno(dup(fd), EBADF);
	assert_errno(fcntl(fd, F_GETFL), EBADF);
	assert_errno(close(-1), EBADF);
}

static void dup_shares_position(void **state)
{
	int a = make_file("f", "0123456789"), b = dup(a);
	char c;

	(void)state;
	assert_true(b >= 0);
	assert_int_equal(lseek(a, 3, SEEK_SET), 3);
	assert_int_equal(read(b, &c, 1), 1);
	assert_int_equal(c, '3');
	assert_int_equal(lseek(a, 0, SEEK_CUR), 4);
	assert_ok(close(a));
	assert_int_equal(read(b, &c, 1), 1);
	assert_int_equal(c, '4');
	assert_ok(close(b));
}

static void dup2_replaces(void **state)
{
	int ours = make_file("f", "ours"), other = make_file("g", "other");
	int null = open("/dev/null", O_RDWR);
	char c;

	(void)state;
	/* File over file, file over the kernel's, the kernel's over file. */
	assert_int_equal(dup2(ours, other), other);
	check_text(other, "ours");
	assert_int_equal(dup2(ours, null), null);
	check_text(null, "ours");
	assert_ok(close(null));
	null = open("/dev/null", O_RDWR);
	assert_int_equal(dup2(null, other), other);
	assert_int_equal(read(other, &c, 1), 0);
	assert_int_equal(write(other, "x", 1), 1);
	assert_int_equal(dup2(ours, ours), ours);
	check_text(ours, "ours");
	assert_int_equal(dup2(ours, 700), 700);
	check_text(700, "ours");
	assert_ok(close(700));
	assert_errno(dup2(ours, -1), EBADF);
	assert_errno(dup3(ours, ours, 0), EINVAL);
	assert_errno(dup3(INT_MAX, INT_MAX, O_CLOEXEC), EINVAL);
	assert_errno(dup3(ours, INT_MAX, O_APPEND), EINVAL);
	assert_errno(dup3(ours, INT_MAX, 0), EBADF);
	assert_errno(dup2(ours, 1 << 30), EBADF);
	close(ours);
	close(other);
	close(null);
	check_file("g", "other");
}

static void cloexec_flag(void **state)
{
	int fd = make_file("f", ""), d;

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_ok(fcntl(fd, F_SETFD, FD_CLOEXEC));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	d = dup(fd);
	assert_int_equal(fcntl(d, F_GETFD), 0);
	assert_ok(ioctl(d, FIOCLEX));
	assert_int_equal(fcntl(d, F_GETFD), FD_CLOEXEC);
	assert_ok(ioctl(d, FIONCLEX));
	assert_int_equal(fcntl(d, F_GETFD), 0);
	assert_ok(close(d));
	assert_int_equal(dup3(fd, 500, O_CLOEXEC), 500);
	assert_int_equal(fcntl(500, F_GETFD), FD_CLOEXEC);
	assert_ok(close(500));
	d = fcntl(fd, F_DUPFD, 300);
	assert_int_equal(d, 300);
	assert_int_equal(fcntl(d, F_GETFD), 0);
	assert_ok(close(d));
	d = fcntl(fd, F_DUPFD_CLOEXEC, 300);
	assert_int_equal(d, 300);
	assert_int_equal(fcntl(d, F_GETFD), FD_CLOEXEC);
	assert_ok(close(d));
	assert_errno(fcntl(fd, F_DUPFD, -1), EINVAL);
	assert_ok(close(fd));
	fd = open(at("f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_ok(close(fd));
}

static void status_flags(void **state)
{
	int fd = make_file("f", "0123"), d;

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR);
	assert_ok(fcntl(fd, F_SETFL, O_APPEND));
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
	d = dup(fd);
	assert_int_equal(fcntl(d, F_GETFL) & O_APPEND, O_APPEND);
	assert_int_equal(lseek(d, 0, SEEK_SET), 0);
	assert_int_equal(write(d, "4", 1), 1);
	check_text(fd, "01234");
	assert_ok(fcntl(d, F_SETFL, 0));
	assert_int_equal(lseek(d, 0, SEEK_SET), 0);
	assert_int_equal(write(fd, "X", 1), 1);
	check_text(fd, "X1234");
	assert_ok(close(d));
	assert_ok(close(fd));
	fd = open(at("f"), O_WRONLY | O_APPEND);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
	assert_ok(close(fd));
}

static void close_range_mixed(void **state)
{
	int a = make_file("f", ""), n = open("/dev/null", O_RDWR), b = dup(a);

	(void)state;
	assert_int_equal(dup2(a, 600), 600);
	assert_ok(close_range((unsigned)a, (unsigned)b, CLOSE_RANGE_CLOEXEC));
	assert_int_equal(fcntl(b, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(n, F_GETFD), FD_CLOEXEC);
	assert_ok(close_range((unsigned)a, (unsigned)b, 0));
	assert_errno(fcntl(a, F_GETFD), EBADF);
	assert_errno(fcntl(n, F_GETFD), EBADF);
	assert_errno(fcntl(b, F_GETFD), EBADF);
	assert_int_equal(fcntl(600, F_GETFD), 0);
	assert_errno(close_range(5, 4, 0), EINVAL);
	/* Everything, as a daemon does: files can be opened again afterwards. */
	assert_ok(close_range(3, ~0u, 0));
	assert_errno(fcntl(600, F_GETFD), EBADF);
	a = make_file("f", "again");
	check_text(a, "again");
	closefrom(3);
	assert_errno(fcntl(a, F_GETFD), EBADF);
	a = make_file("f", "and again");
	check_text(a, "and again");
	assert_ok(close(a));
}

static void close_all_by_number(void **state)
{
	int fd = make_file("f", "x");

	(void)state;
	for (int i = 3; i < 4096; i++)
		close(i);
	assert_errno(fcntl(fd, F_GETFD), EBADF);
	fd = open(at("f"), O_RDWR);
	assert_true(fd >= 0);
	check_text(fd, "x");
	assert_ok(close(fd));
}

static void no_terminal(void **state)
{
	int fd = make_file("f", "0123456789"), n = -1, terminal;
	struct termios termios;
	char name[100];

	(void)state;
	assert_int_equal(isatty(fd), 0);
	assert_int_equal(errno, ENOTTY);
	assert_errno(tcgetattr(fd, &termios), ENOTTY);
	memset(&termios, 0, sizeof(termios));
	assert_errno(tcsetattr(fd, TCSANOW, &termios), ENOTTY);
	assert_null(ttyname(fd));
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(ttyname_r(fd, name, sizeof(name)), ENOTTY);
	/* And a terminal still is one. */
	terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (terminal >= 0) {
		assert_ok(tcgetattr(terminal, &termios));
		assert_ok(tcsetattr(terminal, TCSANOW, &termios));
		assert_ok(close(terminal));
	}
	assert_ok(lseek(fd, 4, SEEK_SET));
	assert_ok(ioctl(fd, FIONREAD, &n));
	assert_int_equal(n, 6);
	assert_int_equal(lseek(fd, 12, SEEK_SET), 12);
	assert_ok(ioctl(fd, FIONREAD, &n));
	assert_int_equal(n, -2);
	assert_errno(lseek(fd, INT64_MAX, SEEK_END), EINVAL);
	assert_errno(lseek(fd, INT64_MAX, SEEK_CUR), EINVAL);
	assert_errno(ioctl(fd, TIOCGWINSZ, &n), ENOTTY);
	assert_ok(close(fd));
}

/* Threads that use descriptors which others close and reopen: errors, never a crash. */
static volatile int victim = -1;
static volatile int stop;
static volatile long odd;

static void *use(void *arg)
{
	char buf[64];
	long n = 0;

	(void)arg;
	while (!stop) {
		int fd = victim;
		ssize_t r = n % 2 ? pread(fd, buf, sizeof(buf), 0) : read(fd, buf, sizeof(buf));

		if (r < 0 && errno != EBADF)
			odd = errno;
		if (n % 7 == 0 && lseek(fd, 0, SEEK_SET) < 0 && errno != EBADF)
			odd = errno;
		if (n % 5 == 0 && write(fd, "text", 4) < 0 && errno != EBADF)
			odd = errno;
		if (n % 11 == 0) {
			int d = dup(fd);

			if (d >= 0)
				close(d);
		}
		n++;
	}
	return NULL;
}

static void hint_of_life(void **state)
{
	int a = make_file("f", "x"), b = open(at("f"), O_RDONLY), other = make_file("g", "x");
	uint64_t life = 7;

	(void)state;
	assert_ok(fcntl(a, F_GET_RW_HINT, &life));
	assert_int_equal(life, RWH_WRITE_LIFE_NOT_SET);
	life = RWH_WRITE_LIFE_LONG;
	assert_ok(fcntl(a, F_SET_RW_HINT, &life));
	life = 7;
	assert_ok(fcntl(b, F_GET_RW_HINT, &life));
	assert_int_equal(life, RWH_WRITE_LIFE_LONG);
	assert_ok(fcntl(other, F_GET_RW_HINT, &life));
	assert_int_equal(life, RWH_WRITE_LIFE_NOT_SET);
	life = RWH_WRITE_LIFE_EXTREME + 1;
	assert_errno(fcntl(a, F_SET_RW_HINT, &life), EINVAL);
	assert_errno(fcntl(a, F_SET_RW_HINT, (void *)1), EFAULT);
	assert_errno(fcntl(a, F_GET_RW_HINT, (void *)1), EFAULT);
	close(a);
	close(b);
	close(other);
}

static void closed_by_another_thread(void **state)
{
	pthread_t threads[3];

	(void)state;
	put_file("f", "text");
	put_file("g", "TEXT");
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, NULL), 0);
	for (int i = 0; i < (on_mount() ? 1000 : 20000); i++) {
		int fd = open(at(i % 2 ? "f" : "g"), O_RDWR);

		assert_true(fd >= 0);
		victim = fd;
		if (i % 3 == 0)
			unlink(at(i % 2 ? "f" : "g"));
		assert_ok(close(fd));
		if (i % 3 == 0)
			put_file(i % 2 ? "f" : "g", "text");
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(odd, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(close_twice_ebadf),
		cmocka_unit_test(dup_shares_position),
		cmocka_unit_test(dup2_replaces),
		cmocka_unit_test(cloexec_flag),
		cmocka_unit_test(status_flags),
		cmocka_unit_test(close_range_mixed),
		cmocka_unit_test(close_all_by_number),
		cmocka_unit_test(no_terminal),
		cmocka_unit_test(hint_of_life),
		cmocka_unit_test(closed_by_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
