// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_death.c - who is dead, and who only looks it.
 *
 * Needs the library with stop hooks. A writer is stopped inside a write, where it holds its
 * file's lock. Whoever wants that very file waits as long as it lives, whatever became of
 * its process number: stopped; in another pid namespace, where its number is that of a dead
 * one; dead, but its memory still somebody's. Nobody else waits. When its memory is gone the
 * file is free within a second, and holds the old or the new content; also when another
 * process has got its number by then.
 */
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "shim_test.h"

#define BYTES 20000
#define BEFORE 100
#define QUICK_SECONDS 0.5 /* far below the second after which a waiter probes for the dead */
#define WAITS_SECONDS 1.6 /* more than that: it has asked, and was told that the owner lives */
#define SOON_SECONDS 3.0  /* a second, and what a busy machine may add */
#define MEMORY (256u << 20)

static const char *self;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- the one that is stopped ---- */

/*
 * Another process with this one's memory, which none but the kernel knows of. It only
 * sleeps, and ends by itself some time.
 */
static pid_t share_memory(void)
{
	static const struct timespec long_time = {60, 0};
	static char stack[4096] __attribute__((aligned(16)));
	register long ptid __asm__("r10") = 0, tls __asm__("r8") = 0;
	register const struct timespec *ts __asm__("r12") = &long_time;
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %[nanosleep], %%eax\n\t"
			 "mov %%r12, %%rdi\n\t"
			 "xor %%esi, %%esi\n\t"
			 "syscall\n\t"
			 "mov %[exit], %%eax\n\t"
			 "xor %%edi, %%edi\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone), "D"(CLONE_VM | SIGCHLD), "S"(stack + sizeof(stack)),
			   "d"(0), "r"(ptid), "r"(tls), "r"(ts), [nanosleep] "i"(SYS_nanosleep),
			   [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory", "cc");
	return (pid_t)ret;
}

/* argv: writer FILE HOW. Says on stdout who shares its memory, W before the write, D after it. */
static int writer(const char *name, const char *how)
{
	static char buf[BYTES];
	int fd = open(at(name), O_RDWR);
	pid_t sharer = 0;

	memset(buf, 'n', sizeof(buf));
	if (fd < 0)
		return 1;
	if (!strcmp(how, "large"))
		memset(malloc(MEMORY), 1, MEMORY);
	if (!strcmp(how, "shared"))
		sharer = share_memory();
	if (sharer < 0 || write(1, &sharer, sizeof(sharer)) != sizeof(sharer) ||
	    write(1, "W", 1) != 1)
		return 1;
	if (pwrite(fd, buf, sizeof(buf), BEFORE) != sizeof(buf))
		return 1;
	return write(1, "D", 1) == 1 ? 0 : 1;
}

/*
 * In place of this process. It is stopped after its first store of data, which is inside
 * the write and where it has its file's lock and no other.
 */
static _Noreturn void become_writer(const char *name, const char *how, int out)
{
	dup2(out, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not stay, stopped, after a failure */
	setenv("UMFS_STOP_AT", "1", 1);
	setenv("UMFS_STORE_BYTES", "4096", 1);
	execl(self, self, "writer", name, how, (char *)NULL);
	_exit(99);
}

struct stopped {
	pid_t pid; /* in this namespace; 0: in one of its own */
	pid_t sharer;
	int out; /* what it says */
	int to, from; /* a namespace's init: orders and answers */
	pid_t outer; /* whose child that is */
};

/* How far did it say it got: 0, 'W' or 'D'. */
static int progress(struct stopped *s)
{
	char c, last = 0;

	assert_ok(fcntl(s->out, F_SETFL, O_NONBLOCK));
	if (read(s->out, &s->sharer, sizeof(s->sharer)) == sizeof(s->sharer))
		while (read(s->out, &c, 1) == 1)
			last = c;
	return last;
}

static void start(struct stopped *s, const char *name, const char *how)
{
	int fds[2], status;

	memset(s, 0, sizeof(*s));
	assert_ok(pipe2(fds, O_CLOEXEC));
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid)
		become_writer(name, how, fds[1]);
	close(fds[1]);
	s->out = fds[0];
	assert_int_equal(waitpid(s->pid, &status, WUNTRACED), s->pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(progress(s), 'W');
}

static void end(struct stopped *s, int sig)
{
	int status;

	kill(s->pid, sig);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_int_equal(status, sig == SIGKILL ? SIGKILL : 0);
	close(s->out);
}

static void fill(const char *name)
{
	static char buf[BYTES + BEFORE];
	int fd = open(at(name), O_RDWR | O_CREAT, 0644);

	memset(buf, 'o', sizeof(buf));
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), (ssize_t)sizeof(buf));
	assert_ok(close(fd));
}

/* ---- who wants what ---- */

/* Reads what is there, the old or the new, and overwrites it. */
static int waiter(const char *name)
{
	static char buf[BYTES];
	int fd = open(at(name), O_RDWR), i;

	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(pread(fd, buf, sizeof(buf), BEFORE) == sizeof(buf));
	CHILD_CHECK(buf[0] == 'o' || buf[0] == 'n');
	for (i = 1; i < BYTES; i++)
		CHILD_CHECK(buf[i] == buf[0]);
	memset(buf, 'q', sizeof(buf));
	CHILD_CHECK(pwrite(fd, buf, sizeof(buf), BEFORE) == sizeof(buf));
	return 0;
}

static pid_t start_waiter(const char *name)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(waiter(name));
}

static void use_others(void)
{
	struct stat st;

	put_file("other", "other");
	check_file("other", "other");
	assert_ok(rename(at("other"), at("renamed")));
	assert_ok(unlink(at("renamed")));
	assert_ok(stat(at("victim"), &st));
	assert_int_equal(st.st_size, BYTES + BEFORE);
}

/* A wait that the stopped one is to blame for comes again at once; one of the machine's does not. */
static void others_are_quick(void)
{
	double took = 0, begun;
	int tries;

	for (tries = 0; tries < 3; tries++) {
		begun = now();
		use_others();
		took = now() - begun;
		if (took <= QUICK_SECONDS)
			return;
	}
	fail_msg("others waited %.3f s", took);
}

static void still_waits(pid_t waiter)
{
	double begun = now();

	while (now() - begun < WAITS_SECONDS) {
		if (waitpid(waiter, NULL, WNOHANG))
			fail_msg("broke in after %.3f s", now() - begun);
		usleep(20000);
	}
	others_are_quick();
	assert_int_equal(waitpid(waiter, NULL, WNOHANG), 0);
}

static double slowest;

static void ends_soon(pid_t waiter)
{
	double begun = now(), took;
	int status;

	assert_int_equal(waitpid(waiter, &status, 0), waiter);
	assert_int_equal(status, 0);
	took = now() - begun;
	if (took > slowest)
		slowest = took;
}

/* A wait that the dead is to blame for comes again with the next; one of the machine's does not. */
static void soon_at_last(void (*part)(void))
{
	for (int tries = 0; tries < 3; tries++) {
		slowest = 0;
		part();
		if (slowest <= SOON_SECONDS)
			return;
	}
	fail_msg("waited %.3f s for the dead", slowest);
}

/* What the waiter wrote, behind the first bytes. */
static void is_the_waiters(const char *name)
{
	static char buf[BYTES + BEFORE];
	int fd = open(at(name), O_RDONLY), i;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), (ssize_t)sizeof(buf));
	assert_ok(close(fd));
	for (i = 0; i < BYTES + BEFORE; i++)
		if (buf[i] != (i < BEFORE ? 'o' : 'q'))
			fail_msg("%s: byte %d is %c", name, i, buf[i]);
}

/* ---- in this namespace ---- */

/* Somebody writes behind an owner that is stopped in a write, which goes on or dies by `sig`. */
static void wait_for_owner(const char *how, void (*meanwhile)(pid_t waiter), int sig)
{
	struct stopped s;
	pid_t waiter;

	fill("victim");
	start(&s, "victim", how);
	waiter = start_waiter("victim");
	meanwhile(waiter);
	end(&s, sig);
	ends_soon(waiter);
	is_the_waiters("victim");
}

static void stopped_owner(void)
{
	wait_for_owner("plain", still_waits, SIGCONT);
}

static void stopped_owner_is_waited_for(void **state)
{
	(void)state;
	soon_at_last(stopped_owner);
}

static void nobody_else_waits(pid_t waiter)
{
	(void)waiter;
	others_are_quick();
}

static void dead_owner_with_much_memory(void)
{
	wait_for_owner("large", nobody_else_waits, SIGKILL);
}

static void dead_owner_with_much_memory_is_not(void **state)
{
	(void)state;
	soon_at_last(dead_owner_with_much_memory);
}

/* The process is gone and reaped, its number free; its memory is not, and might be stored from. */
static void dead_owner_with_memory_in_use(void)
{
	struct stopped s;
	pid_t waiter;

	assert_ok(prctl(PR_SET_CHILD_SUBREAPER, 1));
	fill("victim");
	start(&s, "victim", "shared");
	assert_true(s.sharer > 0);
	waiter = start_waiter("victim");
	end(&s, SIGKILL);
	still_waits(waiter);
	assert_ok(kill(s.sharer, SIGKILL));
	ends_soon(waiter);
	is_the_waiters("victim");
	assert_int_equal(waitpid(s.sharer, NULL, 0), s.sharer);
}

static void dead_owner_with_memory_in_use_is_waited_for(void **state)
{
	(void)state;
	soon_at_last(dead_owner_with_memory_in_use);
}

/* ---- in others ---- */

/* The next process that is made here gets that number. */
static bool choose_next_pid(pid_t pid)
{
	char text[16];
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY), n;
	bool done;

	n = snprintf(text, sizeof(text), "%d", pid - 1);
	done = fd >= 0 && write(fd, text, (size_t)n) == n;
	if (fd >= 0)
		close(fd);
	return done;
}

/* argv: user FILE. Has the pool attached and a file open, and says so. */
static int user(const char *name)
{
	int fd = open(at(name), O_RDWR | O_CREAT, 0644);
	char c;

	if (fd < 0 || write(fd, "user", 4) != 4 || write(1, "U", 1) != 1)
		return 1;
	while (read(0, &c, 1) == 1)
		if (pwrite(fd, "used", 4, 0) != 4 || write(1, "U", 1) != 1)
			return 1;
	return 0;
}

#define INSIDE_PID 2 /* of the writer, in its namespace */

/*
 * The first process of a namespace: makes the writer, answers with how it is, and then
 * obeys. c: it goes on to its end; k: it is killed; r: that, and its number is another's.
 */
static _Noreturn void namespace_init(const char *name, int out, int from, int to)
{
	int status = 0, in[2];
	char c = 'x';
	pid_t pid = fork();

	if (!pid)
		become_writer(name, "plain", out);
	if (pid == INSIDE_PID && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
		c = 's';
	while (write(to, &c, 1) == 1 && read(from, &c, 1) == 1) {
		kill(pid, c == 'c' ? SIGCONT : SIGKILL);
		if (waitpid(pid, &status, 0) != pid || (c == 'c' && status))
			c = 'x';
		if (c != 'r')
			continue;
		if (!choose_next_pid(INSIDE_PID) || pipe(in)) {
			c = '-';
			continue;
		}
		pid = fork();
		if (!pid) {
			dup2(in[0], 0);
			dup2(to, 1);
			close(in[1]);
			execl(self, self, "user", "neighbour", (char *)NULL);
			_exit(99);
		}
		if (pid != INSIDE_PID) {
			c = 'x';
			continue;
		}
		close(in[0]);
		while (read(from, &c, 1) == 1 && write(in[1], &c, 1) == 1)
			;
		_exit(0);
	}
	_exit(0);
}

static char answer(struct stopped *s)
{
	char c = 0;

	assert_int_equal(read(s->from, &c, 1), 1);
	return c;
}

static char order(struct stopped *s, char what)
{
	assert_int_equal(write(s->to, &what, 1), 1);
	return answer(s);
}

static bool may_unshare(void)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid)
		_exit(unshare(CLONE_NEWPID) != 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !status;
}

static void start_in_namespace(struct stopped *s, const char *name)
{
	int out[2], to[2], from[2];

	memset(s, 0, sizeof(*s));
	assert_ok(pipe2(out, O_CLOEXEC));
	assert_ok(pipe2(to, O_CLOEXEC));
	assert_ok(pipe2(from, O_CLOEXEC));
	s->outer = fork();
	assert_true(s->outer >= 0);
	if (!s->outer) {
		pid_t init;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(to[1]);
		close(from[0]);
		if (unshare(CLONE_NEWPID))
			_exit(99);
		init = fork();
		if (!init) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			namespace_init(name, out[1], to[0], from[1]);
		}
		waitpid(init, NULL, 0);
		_exit(0);
	}
	close(out[1]);
	close(to[0]);
	close(from[1]);
	s->out = out[0];
	s->to = to[1];
	s->from = from[0];
	assert_int_equal(answer(s), 's');
	assert_int_equal(progress(s), 'W');
}

static void end_namespace(struct stopped *s)
{
	close(s->to);
	assert_int_equal(waitpid(s->outer, NULL, 0), s->outer);
	close(s->from);
	close(s->out);
}

/* Two have the same number, each in a namespace of its own; one dies. */
static void one_dead_of_two_namespaces(void)
{
	struct stopped dead, alive;
	pid_t waiter, other;

	fill("victim");
	fill("second");
	start_in_namespace(&dead, "victim");
	start_in_namespace(&alive, "second");
	waiter = start_waiter("victim");
	other = start_waiter("second");
	assert_int_equal(order(&dead, 'k'), 'k');
	ends_soon(waiter);
	is_the_waiters("victim");
	still_waits(other);
	assert_int_equal(order(&alive, 'c'), 'c');
	ends_soon(other);
	is_the_waiters("second");
	end_namespace(&alive); /* whose processes have the other's pipes */
	end_namespace(&dead);
}

static void owner_is_not_the_dead_of_another_namespace(void **state)
{
	(void)state;
	if (!may_unshare())
		SKIP("no pid namespace may be made here");
	soon_at_last(one_dead_of_two_namespaces);
}

static bool may_choose_pids;

static void number_of_the_dead_is_reused(void)
{
	struct stopped s;
	pid_t waiter;
	char got;

	fill("victim");
	start_in_namespace(&s, "victim");
	waiter = start_waiter("victim");
	got = order(&s, 'r');
	may_choose_pids = got != '-';
	if (!may_choose_pids) {
		assert_ok(kill(waiter, SIGKILL));
		assert_int_equal(waitpid(waiter, NULL, 0), waiter);
		end_namespace(&s);
		return;
	}
	assert_int_equal(got, 'U'); /* it is at work, by that number */
	ends_soon(waiter);
	is_the_waiters("victim");
	assert_int_equal(order(&s, 'u'), 'U'); /* and still is */
	check_file("neighbour", "used");
	end_namespace(&s);
	assert_ok(unlink(at("neighbour")));
}

static void dead_owner_whose_number_is_reused_is_dead(void **state)
{
	(void)state;
	if (!may_unshare())
		SKIP("no pid namespace may be made here");
	soon_at_last(number_of_the_dead_is_reused);
	if (!may_choose_pids)
		SKIP("the next process number may not be chosen here");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stopped_owner_is_waited_for),
		cmocka_unit_test(dead_owner_with_much_memory_is_not),
		cmocka_unit_test(dead_owner_with_memory_in_use_is_waited_for),
		cmocka_unit_test(owner_is_not_the_dead_of_another_namespace),
		cmocka_unit_test(dead_owner_whose_number_is_reused_is_dead),
	};

	if (argc > 3 && !strcmp(argv[1], "writer"))
		return writer(argv[2], argv[3]);
	if (argc > 2 && !strcmp(argv[1], "user"))
		return user(argv[2]);
	self = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
