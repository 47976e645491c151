// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_stop.c - a process stopped inside a write delays nothing elsewhere.
 *
 * Needs the library with stop hooks. A writer is stopped (SIGSTOP) at its n-th
 * store, for each n that lies inside one write; meanwhile this process works
 * on other files, in the same directory and elsewhere, and must not wait. Then
 * the writer is killed (or goes on, every other time), and its file must hold
 * the old or the new content, soon.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "shim_test.h"

#define BYTES 20000
#define QUICK_SECONDS 0.5 /* far below the second after which a waiter probes for the dead */
#define SOON_SECONDS 3.0

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* argv: writer. Says W before the write and D after it, on stdout. */
static int writer(void)
{
	char buf[BYTES];
	int fd = open(at("victim"), O_RDWR);

	memset(buf, 'n', sizeof(buf));
	if (fd < 0 || write(1, "W", 1) != 1)
		return 1;
	if (pwrite(fd, buf, sizeof(buf), 100) != sizeof(buf))
		return 1;
	return write(1, "D", 1) == 1 ? 0 : 1;
}

static pid_t start(const char *self, int at_store, int *out)
{
	char n[16];
	int fds[2];
	pid_t pid;

	assert_ok(pipe2(fds, O_CLOEXEC));
	snprintf(n, sizeof(n), "%d", at_store);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fds[1], 1);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not stay, stopped, after a failure */
		setenv("UMFS_STOP_AT", n, 1);
		execl(self, self, "writer", (char *)NULL);
		_exit(99);
	}
	close(fds[1]);
	*out = fds[0];
	return pid;
}

/* How far did it say it got: 0, 'W' or 'D'. */
static int progress(int fd)
{
	char c, last = 0;

	assert_ok(fcntl(fd, F_SETFL, O_NONBLOCK));
	while (read(fd, &c, 1) == 1)
		last = c;
	return last;
}

static void work_elsewhere(int round)
{
	char name[32];
	struct stat st;
	int others = 0, fd;
	struct dirent *e;
	DIR *d;

	snprintf(name, sizeof(name), "other%d", round);
	put_file(name, "other");
	check_file(name, "other");
	fd = open(at("neighbour"), O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, name, 5, 50), 5);
	assert_ok(ftruncate(fd, 10000));
	assert_ok(close(fd));
	assert_ok(rename(at(name), at("sub/renamed")));
	assert_ok(unlink(at("sub/renamed")));
	assert_ok(mkdir(at("sub/dir"), 0755));
	assert_ok(rmdir(at("sub/dir")));
	assert_ok(stat(at("neighbour"), &st));
	/* As ls -l: of the stopped file, too. */
	d = opendir(test_dir());
	while ((e = readdir(d))) {
		others++;
		assert_ok(fstatat(dirfd(d), e->d_name, &st, 0));
		assert_ok(faccessat(dirfd(d), e->d_name, R_OK, 0));
	}
	assert_int_equal(others, 6);
	assert_ok(closedir(d));
	assert_ok(stat(at("victim"), &st));
	assert_int_equal(st.st_size, BYTES + 100);
	assert_true(S_ISREG(st.st_mode));
}

/* False: it took too long. */
static bool old_or_new(bool finished)
{
	static char buf[BYTES + 100];
	double begun = now();
	int fd = open(at("victim"), O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), BYTES + 100);
	for (int i = 0; i < BYTES + 100; i++) {
		char want = i < 100 ? 'o' : finished ? 'n' : buf[100];

		if (buf[i] != want || (want != 'o' && want != 'n'))
			fail_msg("byte %d is %c where %c is due", i, buf[i], want);
	}
	memset(buf, 'o', sizeof(buf));
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), BYTES + 100);
	assert_ok(close(fd));
	return now() - begun < SOON_SECONDS;
}

/*
 * More than one allocation group in use: while one is locked by the stopped
 * process, allocation goes to another.
 */
static void use_two_groups(void)
{
	static char buf[1 << 20];
	int fd = make_file("filler", "");

	memset(buf, 'f', sizeof(buf));
	for (int i = 0; i < 160; i++)
		assert_int_equal(pwrite(fd, buf, sizeof(buf), (off_t)i << 20), sizeof(buf));
	assert_ok(close(fd));
}

static const char *self;

/*
 * Others at work while the writer is stopped. A wait that the writer is to blame for
 * comes again at once, since it stays stopped; one of the machine's does not.
 */
static void work_unhindered(int n)
{
	double begun, took = 0;

	for (int tries = 0; tries < 3; tries++) {
		begun = now();
		work_elsewhere(n);
		took = now() - begun;
		if (took <= QUICK_SECONDS)
			return;
	}
	fail_msg("store %d: others waited %.3f s", n, took);
}

static void stopped_inside_a_write(void **state)
{
	static char buf[BYTES + 100];
	int inside = 0, late = 0, n, fd, out, status, how;

	(void)state;
	memset(buf, 'o', sizeof(buf));
	fd = make_file("victim", "");
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), BYTES + 100);
	assert_ok(close(fd));
	put_file("neighbour", "x");
	assert_ok(mkdir(at("sub"), 0755));
	use_two_groups();
	for (n = 1; n < 5000; n++) {
		pid_t pid = start(self, n, &out);

		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		how = progress(out);
		if (!WIFSTOPPED(status)) {
			close(out);
			assert_int_equal(status, 0);
			break; /* ran through: n is behind its last store */
		}
		if (how == 'W') {
			work_unhindered(n);
			inside++;
		}
		kill(pid, n % 2 ? SIGKILL : SIGCONT);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		close(out);
		if (how == 'W')
			late += !old_or_new(n % 2 == 0);
	}
	printf("stopped at %d stores, %d of them inside the write\n", n - 1, inside);
	assert_true(inside >= 5);
	/* A wait that the dead is to blame for comes with each of them; one of the machine's does not. */
	assert_true(late <= inside / 10);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(stopped_inside_a_write)};

	if (argc > 1 && !strcmp(argv[1], "writer"))
		return writer();
	self = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
