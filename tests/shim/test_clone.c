// SPDX-License-Identifier: BSD-3-Clause
/* test_clone.c - processes that are made without fork(): clone, system calls by number. */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "raw.h"
#include "shim_test.h"

#define STACK 262144

static char *stack;

static pid_t by_clone(int (*child)(void *), void *arg)
{
	return clone(child, stack + STACK, SIGCHLD, arg);
}

static pid_t by_clone_vfork(int (*child)(void *), void *arg)
{
	return clone(child, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
}

static pid_t ran(long pid, int (*child)(void *), void *arg)
{
	if (!pid)
		_exit(child(arg));
	return (pid_t)pid;
}

static pid_t by_number(int (*child)(void *), void *arg)
{
	return ran(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), child, arg);
}

static pid_t by_number_3(int (*child)(void *), void *arg)
{
	struct clone_args a = {.exit_signal = SIGCHLD};

	return ran(syscall(SYS_clone3, &a, sizeof(a)), child, arg);
}

static pid_t by_fork_number(int (*child)(void *), void *arg)
{
	return ran(syscall(SYS_fork), child, arg);
}

static int write_much(void *arg)
{
	int fd = *(int *)arg;
	char name[40];

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "child%d", i);
		put_file(name, name);
		CHILD_CHECK(write(fd, "c", 1) == 1);
		check_file(name, name);
		CHILD_CHECK(unlink(at(name)) == 0);
	}
	put_file("by-child", "child");
	return close(fd) ? 1 : 7;
}

/* Both work in the pool at the same time; what is open is shared. */
static void two_at_work(pid_t (*make)(int (*)(void *), void *))
{
	int fd = make_file("f", ""), status;
	char name[40];
	pid_t pid = make(write_much, &fd);

	assert_true(pid > 0);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "parent%d", i);
		put_file(name, name);
		assert_int_equal(write(fd, "p", 1), 1);
		check_file(name, name);
		assert_ok(unlink(at(name)));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 100);
	check_file("by-child", "child");
	assert_ok(unlink(at("by-child")));
	assert_ok(close(fd));
	assert_ok(unlink(at("f")));
}

static void each_way(void **state)
{
	static pid_t (*const ways[])(int (*)(void *), void *) = {
		by_clone, by_clone_vfork, by_number, by_number_3, by_fork_number,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		for (int k = 0; k < 3; k++)
			two_at_work(ways[i]);
}

/* A thread made by clone: its memory is ours. */
static int write_as_thread(void *arg)
{
	return write(*(int *)arg, "t", 1) == 1 ? 0 : 1;
}

static void shared_memory(void **state)
{
	int fd = make_file("f", ""), status;
	pid_t pid = clone(write_as_thread, stack + STACK, CLONE_VM | CLONE_FILES | SIGCHLD, &fd);

	(void)state;
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	check_text(fd, "t");
	assert_ok(close(fd));
}

static int use_in_vain(int fd)
{
	char c;

	CHILD_CHECK(write(fd, "x", 1) == -1 && errno == EIO);
	CHILD_CHECK(open(at("new"), O_RDWR | O_CREAT, 0644) == -1 && errno == EIO);
	CHILD_CHECK(mkdir(at("dir"), 0755) == -1 && errno == EIO);
	CHILD_CHECK(read(fd, &c, 1) == -1 && errno == EIO);
	return 0;
}

/* Nobody can see this: the child has no pools, and its parent keeps all it has. */
static void made_past_us(void **state)
{
	int fd = make_file("f", "text"), status;
	pid_t pid;

	(void)state;
	if (!on_umfs())
		return;
	for (int i = 0; i < 10; i++) {
		pid = (pid_t)raw(SYS_clone, SIGCHLD, 0, 0);
		assert_true(pid >= 0);
		if (!pid) {
			if (i % 3 == 0)
				_exit(use_in_vain(fd));
			if (i % 3 == 1)
				_exit(0); /* without a call before */
			close(fd);
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		put_file("g", "parent");
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		check_text(fd, "text");
		check_file("g", "parent");
	}
	assert_int_equal(access(at("new"), F_OK), -1);
	/* Its children by libc are as they are, and this process goes on. */
	two_at_work(by_number);
	assert_ok(close(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way),
		cmocka_unit_test(shared_memory),
		cmocka_unit_test(made_past_us),
	};

	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
