// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_step.c - a signal between any two instructions of a read, whose handler
 * closes what is read and execs in vain: the pool must not go away under the read.
 *
 * The parent steps a child through the call with ptrace, one instruction more in
 * each child, and sends the signal there.
 */
#include <signal.h>
#include <sys/ptrace.h>

#include "shim_test.h"

#define TRIES 120
#define STEPS_MAX 20000

static volatile int victim, done;
static size_t bytes;

static void close_and_exec(int sig)
{
	char *const argv[] = {(char *)(uintptr_t)"none", NULL};

	(void)sig;
	close(victim);
	execv("/nonexistent/none", argv);
}

/* Exit status 0: as it should be. */
static int read_and_use(void)
{
	char buf[4096] = "";
	ssize_t n;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return 1;
	signal(SIGUSR1, close_and_exec);
	victim = open(at("f"), O_RDONLY | O_CLOEXEC);
	/* What is found out by the first is there for the second. */
	if (victim < 0 || pread(victim, buf, bytes, 0) != (ssize_t)bytes)
		return 2;
	memset(buf, 0, sizeof(buf));
	raise(SIGSTOP);
	n = pread(victim, buf, bytes, 0);
	done = 1;
	if (n == -1 ? errno != EBADF : n != (ssize_t)bytes || buf[0] != 'x' || buf[n - 1] != 'x')
		return 3;
	victim = open(at("f"), O_RDONLY);
	return victim >= 0 && pread(victim, buf, 5, 4) == 5 && !memcmp(buf, "xxxxx", 5) ? 0 : 4;
}

/* The child after so many steps, or as far as it went; false: it is past the read. */
static bool step(pid_t pid, int steps)
{
	int status;

	while (steps-- > 0) {
		if (ptrace(PTRACE_PEEKDATA, pid, (void *)(uintptr_t)&done, NULL) & 0xff)
			return false;
		assert_ok(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSTOPPED(status));
	}
	return true;
}

static pid_t start(void)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(read_and_use());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

static int end(pid_t pid, int sig)
{
	int status;

	assert_ok(ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)sig));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (WIFSTOPPED(status)) { /* it died of a signal: let it */
		assert_ok(ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)WSTOPSIG(status)));
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void signal_anywhere_in_a_read(size_t n)
{
	char text[4096];
	int total = 0, stride;
	pid_t pid;

	memset(text, 'x', sizeof(text));
	text[4095] = '\0';
	put_file("f", text);
	bytes = n;
	pid = start();
	while (total < STEPS_MAX && step(pid, 1))
		total++;
	assert_true(total > 10 && total < STEPS_MAX);
	assert_int_equal(end(pid, 0), 0);
	stride = total / TRIES + 1;
	for (int i = 0; i < total; i += stride) {
		int status;

		pid = start();
		step(pid, i);
		status = end(pid, SIGUSR1);
		if (status)
			fail_msg("signal after %d of %d steps: status %d", i, total, status);
	}
	assert_ok(unlink(at("f")));
}

static void few_bytes(void **state)
{
	(void)state;
	signal_anywhere_in_a_read(64);
}

static void many_bytes(void **state)
{
	(void)state;
	signal_anywhere_in_a_read(4000);
}

static bool may_trace(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? 1 : 0);
	return waitpid(pid, &status, 0) == pid && !status;
}

int main(void)
{
	if (!may_trace()) {
		puts("nobody may trace here");
		return 77;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_bytes),
		cmocka_unit_test(many_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
