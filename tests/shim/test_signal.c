// SPDX-License-Identifier: BSD-3-Clause
/* test_signal.c - the host's handlers and masks, beside those of the library. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "shim_test.h"

/* The compiler knows nothing of it. */
static void *volatile bad_pointer = (void *)16;
static volatile sig_atomic_t hits, last_sig, nested;
static sigjmp_buf jump;

static void count(int sig)
{
	hits++;
	last_sig = sig;
}

static void query_returns_what_was_set(void **state)
{
	static const int sigs[] = {SIGUSR1, SIGSEGV, SIGBUS, SIGTERM};
	struct sigaction act = {0}, old;

	(void)state;
	put_file("f", "attached from here on");
	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++) {
		struct sigaction saved;

		act.sa_handler = count;
		act.sa_flags = SA_RESTART;
		sigemptyset(&act.sa_mask);
		sigaddset(&act.sa_mask, SIGHUP);
		assert_ok(sigaction(sigs[i], &act, &saved));
		assert_ok(sigaction(sigs[i], NULL, &old));
		assert_ptr_equal(old.sa_handler, count);
		assert_int_equal(old.sa_flags & ~0x04000000, SA_RESTART);
		assert_true(sigismember(&old.sa_mask, SIGHUP));
		assert_ptr_equal(signal(sigs[i], SIG_IGN), count);
		assert_ptr_equal(signal(sigs[i], SIG_DFL), SIG_IGN);
		assert_ok(sigaction(sigs[i], &saved, NULL));
	}
	assert_errno(sigaction(SIGKILL, &act, NULL), EINVAL);
	assert_errno(sigaction(0, &act, NULL), EINVAL);
	assert_errno(sigaction(99, &act, NULL), EINVAL);
}

static void jump_out(int sig, siginfo_t *info, void *ctx)
{
	(void)ctx;
	hits++;
	last_sig = sig;
	nested = info->si_addr == (void *)16;
	siglongjmp(jump, 1);
}

/* The host's own faults are the host's; those of read and write are errors. */
static void own_faults_reach_the_host(void **state)
{
	struct sigaction act = {0}, saved;
	volatile int *bad = bad_pointer;
	int fd = make_file("f", "0123");

	(void)state;
	act.sa_sigaction = jump_out;
	act.sa_flags = SA_SIGINFO;
	assert_ok(sigaction(SIGSEGV, &act, &saved));
	for (int i = 0; i < 3; i++) {
		hits = 0;
		assert_errno(pread(fd, bad_pointer, 4, 0), EFAULT);
		assert_int_equal(hits, 0);
		if (sigsetjmp(jump, 1) == 0)
			*bad = 1;
		assert_int_equal(hits, 1);
		assert_int_equal(last_sig, SIGSEGV);
		assert_true(nested);
	}
	assert_ok(sigaction(SIGSEGV, &saved, NULL));
	assert_ok(close(fd));
}

static int die_of_fault(void *arg)
{
	int fd = make_file("f", "0123");
	volatile int *bad = bad_pointer;

	signal(SIGSEGV, SIG_DFL);
	(void)arg;
	CHILD_CHECK(pread(fd, bad_pointer, 4, 0) == -1 && errno == EFAULT);
	*bad = 1;
	return 0;
}

static int die_of_kill(void *arg)
{
	put_file("f", "x");
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	(void)arg;
	return 0;
}

static int survive_ignored(void *arg)
{
	put_file("f", "x");
	signal(SIGSEGV, SIG_IGN);
	raise(SIGSEGV);
	kill(getpid(), SIGSEGV);
	(void)arg;
	return 5;
}

static void default_actions(void **state)
{
	(void)state;
	assert_int_equal(in_child(die_of_fault, NULL), 128 + SIGSEGV);
	assert_int_equal(in_child(die_of_kill, NULL), 128 + SIGSEGV);
	assert_int_equal(in_child(survive_ignored, NULL), 5);
}

static void blocked_fault_is_still_an_error(void **state)
{
	sigset_t set, old, now;
	int fd = make_file("f", "0123");

	(void)state;
	sigfillset(&set);
	assert_ok(sigprocmask(SIG_SETMASK, &set, &old));
	assert_errno(pread(fd, (void *)(uintptr_t)(fd + 8), 4, 0), EFAULT);
	/* The host sees the mask that it set. */
	assert_ok(sigprocmask(SIG_BLOCK, NULL, &now));
	assert_true(sigismember(&now, SIGSEGV));
	assert_true(sigismember(&now, SIGUSR1));
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, &now), 0);
	assert_true(sigismember(&now, SIGBUS));
	assert_ok(sigprocmask(SIG_BLOCK, NULL, &now));
	assert_false(sigismember(&now, SIGSEGV));
	assert_errno(sigprocmask(99, &set, NULL), EINVAL);
	assert_ok(close(fd));
}

/* Handlers that write to the very file that was being written, and take descriptors. */
static int handler_fd;
static volatile long handler_failed;

static void write_in_handler(int sig)
{
	int saved = errno, d;

	(void)sig;
	hits++;
	if (pwrite(handler_fd, "handler!", 8, 0) != 8)
		handler_failed = errno;
	d = open(at("f"), O_RDONLY);
	if (d < 0 || close(d))
		handler_failed = errno;
	errno = saved;
}

static void handlers_may_call_anything(void **state)
{
	struct itimerval timer = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
	static char buf[100000];
	void (*saved)(int) = signal(SIGALRM, write_in_handler);

	(void)state;
	hits = 0;
	handler_fd = make_file("f", "");
	memset(buf, 'w', sizeof(buf));
	assert_ok(setitimer(ITIMER_REAL, &timer, NULL));
	for (int i = 0; i < 20000 || hits < 50; i++) {
		int d;

		assert_int_equal(pwrite(handler_fd, buf, (size_t)(i * 37 % 9000) + 1, 0),
				 i * 37 % 9000 + 1);
		d = dup(handler_fd);
		assert_true(d >= 0);
		assert_ok(close(d));
		if (i % 100 == 0) {
			put_file("g", "x");
			assert_ok(unlink(at("g")));
		}
	}
	assert_ok(setitimer(ITIMER_REAL, &off, NULL));
	assert_int_equal(handler_failed, 0);
	assert_true(hits >= 50);
	signal(SIGALRM, saved);
	assert_ok(close(handler_fd));
}

static void leave_by_jump(int sig)
{
	(void)sig;
	hits++;
	siglongjmp(jump, 1);
}

/* A handler that never returns leaves no lock behind. */
static void jumps_out_of_calls(void **state)
{
	struct itimerval timer = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
	static char buf[70000];
	void (*saved)(int) = signal(SIGALRM, leave_by_jump);
	volatile int rounds = 0;
	volatile int fd = make_file("f", "");

	(void)state;
	hits = 0;
	assert_ok(setitimer(ITIMER_REAL, &timer, NULL));
	while (rounds < 200) {
		if (sigsetjmp(jump, 1) == 0) {
			for (;;) {
				pwrite(fd, buf, sizeof(buf), 0);
				pread(fd, buf, sizeof(buf), 0);
			}
		}
		rounds++;
	}
	assert_ok(setitimer(ITIMER_REAL, &off, NULL));
	signal(SIGALRM, saved);
	assert_int_equal(pwrite(fd, "done", 4, 0), 4);
	assert_true(hits >= 200);
	assert_ok(close(fd));
}

static void mask_inside(int sig)
{
	sigset_t now;

	hits++;
	last_sig = sig;
	sigprocmask(SIG_BLOCK, NULL, &now);
	nested = sigismember(&now, sig) + 2 * sigismember(&now, SIGUSR2) +
		 4 * sigismember(&now, SIGWINCH);
}

static void handler_runs_with_its_mask(void **state)
{
	struct sigaction act = {0}, saved;

	(void)state;
	act.sa_handler = mask_inside;
	sigemptyset(&act.sa_mask);
	sigaddset(&act.sa_mask, SIGUSR2);
	assert_ok(sigaction(SIGUSR1, &act, &saved));
	hits = 0;
	raise(SIGUSR1);
	assert_int_equal(hits, 1);
	assert_int_equal(nested, 1 + 2);
	act.sa_flags = (int)(SA_RESETHAND | SA_NODEFER);
	assert_ok(sigaction(SIGUSR1, &act, NULL));
	raise(SIGUSR1);
	assert_int_equal(nested, 2);
	assert_ok(sigaction(SIGUSR1, NULL, &act));
	assert_ptr_equal(act.sa_handler, SIG_DFL);
	assert_ok(sigaction(SIGUSR1, &saved, NULL));
}

/* Calls on the kernel's descriptors are still interrupted and still cancelled. */
static pid_t reader_task;

static void *blocked_reader(void *arg)
{
	char c;

	__atomic_store_n(&reader_task, gettid(), __ATOMIC_RELEASE);
	if (read(*(int *)arg, &c, 1) == -1)
		return (void *)(intptr_t)errno;
	return NULL;
}

/* The thread, which reads from an empty pipe by now. */
static pthread_t start_reader(int *fd)
{
	pthread_t t;

	reader_task = 0;
	assert_int_equal(pthread_create(&t, NULL, blocked_reader, fd), 0);
	while (!__atomic_load_n(&reader_task, __ATOMIC_ACQUIRE))
		usleep(1000);
	await_asleep(getpid(), reader_task);
	return t;
}

static void blocking_calls(void **state)
{
	struct sigaction act = {0}, saved;
	pthread_t t;
	int fds[2];
	void *ret;

	(void)state;
	put_file("f", "x");
	assert_ok(pipe(fds));
	act.sa_handler = count;
	assert_ok(sigaction(SIGUSR1, &act, &saved));
	t = start_reader(&fds[0]);
	assert_int_equal(pthread_kill(t, SIGUSR1), 0);
	assert_int_equal(pthread_join(t, &ret), 0);
	assert_int_equal((intptr_t)ret, EINTR);
	t = start_reader(&fds[0]);
	assert_int_equal(pthread_cancel(t), 0);
	assert_int_equal(pthread_join(t, &ret), 0);
	assert_ptr_equal(ret, PTHREAD_CANCELED);
	assert_ok(sigaction(SIGUSR1, &saved, NULL));
	close(fds[0]);
	close(fds[1]);
}

static void *endless_writer(void *arg)
{
	for (;;)
		if (pwrite(*(int *)arg, "x", 1, 0) != 1)
			return NULL;
}

static void cancelled_while_writing(void **state)
{
	int fd = make_file("f", "");
	pthread_t t;
	void *ret;

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(pthread_create(&t, NULL, endless_writer, &fd), 0);
		usleep(1000);
		assert_int_equal(pthread_cancel(t), 0);
		assert_int_equal(pthread_join(t, &ret), 0);
		assert_ptr_equal(ret, PTHREAD_CANCELED);
	}
	assert_int_equal(pwrite(fd, "y", 1, 0), 1);
	assert_ok(close(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_returns_what_was_set),
		cmocka_unit_test(own_faults_reach_the_host),
		cmocka_unit_test(default_actions),
		cmocka_unit_test(blocked_fault_is_still_an_error),
		cmocka_unit_test(handler_runs_with_its_mask),
		cmocka_unit_test(handlers_may_call_anything),
		cmocka_unit_test(jumps_out_of_calls),
		cmocka_unit_test(blocking_calls),
		cmocka_unit_test(cancelled_while_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
