// SPDX-License-Identifier: BSD-3-Clause
/* test_idle.c - children of a process that has nothing open: fork gives them no part in a pool until they use it. */
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "shim_test.h"

#define NOBODY 65534u
#define CHILDREN 300 /* more than take part in a pool at once */

/* Used, so that its pool is attached; and nothing is open. */
static int setup(void **state)
{
	(void)state;
	put_file("f", "text");
	return chmod(at("f"), 0644) || chmod(test_dir(), 0755);
}

static int uses(void *arg)
{
	char name[32];
	int fd = open(at("f"), O_RDONLY);

	CHILD_CHECK(fd >= 0);
	snprintf(name, sizeof(name), "by-%s", (const char *)arg);
	put_file(name, name);
	CHILD_CHECK(rename(at(name), at("renamed")) == 0);
	CHILD_CHECK(close(fd) == 0);
	return 0;
}

static int grandchild_uses(void *arg)
{
	return in_child(uses, arg) ? 1 : in_child(uses, arg);
}

static void child_takes_part_when_it_uses(void **state)
{
	(void)state;
	assert_int_equal(in_child(uses, "child"), 0);
	check_file("renamed", "by-child");
	/* Of a child that never did. */
	assert_int_equal(in_child(grandchild_uses, "grandchild"), 0);
	check_file("renamed", "by-grandchild");
	assert_ok(unlink(at("renamed")));
}

/* What a child opened, its own child shares. */
static int child_forks_with_file_open(void *arg)
{
	int fd = open(at("shared"), O_RDWR | O_CREAT, 0644), status;
	pid_t pid = fork();

	(void)arg;
	if (!pid)
		_exit(write(fd, "one", 3) == 3 ? 0 : 1);
	CHILD_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHILD_CHECK(write(fd, "two", 3) == 3);
	return 0;
}

static void its_own_children_share(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_forks_with_file_open, NULL), 0);
	check_file("shared", "onetwo");
	assert_ok(unlink(at("shared")));
}

static int works_in(void *arg)
{
	char cwd[PATH_MAX];

	CHILD_CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, arg));
	CHILD_CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0);
	CHILD_CHECK(access("../f", F_OK) == 0);
	CHILD_CHECK(chdir("..") == 0 && rmdir("d") == 0);
	return 0;
}

static int opens_there(void *arg)
{
	int fd = open("f", O_RDONLY);

	(void)arg;
	CHILD_CHECK(fd >= 0);
	return 0;
}

/* Neither has used the directory when it forks. */
static int child_of_child_opens(void *arg)
{
	return in_child(opens_there, arg);
}

static int program_opens(void *arg)
{
	(void)arg;
	execl("/bin/sh", "sh", "-c", "test -f f && cat f >/dev/null", (char *)NULL);
	return 99;
}

static int spawns(void *arg)
{
	(void)arg;
	return system("test -f f");
}

static int goes_outside(void *arg)
{
	(void)arg;
	CHILD_CHECK(chdir("/") == 0 && access("f", F_OK) == -1 && errno == ENOENT);
	CHILD_CHECK(access(at("f"), F_OK) == 0 && chdir(test_dir()) == 0 && access("f", F_OK) == 0);
	return 0;
}

static void working_directory_comes_along(void **state)
{
	char old[PATH_MAX];

	(void)state;
	assert_non_null(getcwd(old, sizeof(old)));
	assert_ok(chdir(test_dir()));
	assert_int_equal(in_child(works_in, (void *)(uintptr_t)test_dir()), 0);
	assert_int_equal(in_child(opens_there, NULL), 0);
	assert_int_equal(in_child(child_of_child_opens, NULL), 0);
	assert_int_equal(in_child(program_opens, NULL), 0);
	assert_int_equal(in_child(spawns, NULL), 0);
	assert_int_equal(in_child(goes_outside, NULL), 0);
	assert_ok(chdir(old));
}

/* Runs when its pipe's other end is closed; 0: `what` then succeeded. */
static pid_t later(int (*what)(void *), int go[2])
{
	char c;
	pid_t pid;

	assert_ok(pipe(go));
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		close(go[0]);
		return pid;
	}
	close(go[1]);
	_exit(read(go[0], &c, 1) ? 1 : what(NULL));
}

static void check_later(pid_t pid, int go[2])
{
	int status;

	close(go[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int makes_nothing(void *arg)
{
	(void)arg;
	CHILD_CHECK(open("x", O_WRONLY | O_CREAT, 0644) == -1 && errno == ENOENT);
	/* Nor by what the mount's directory was called from where its parent came from. */
	CHILD_CHECK(open(strrchr(test_dir(), '/') + 1, O_RDONLY) == -1 && errno == ENOENT);
	return 0;
}

static void directory_may_go_meanwhile(void **state)
{
	char old[PATH_MAX];
	int go[2];
	pid_t pid;

	(void)state;
	assert_non_null(getcwd(old, sizeof(old)));
	assert_ok(mkdir(at("gone"), 0755));
	assert_ok(chdir(at("..")));
	assert_ok(chdir(at("gone")));
	pid = later(makes_nothing, go);
	assert_ok(chdir(old));
	assert_ok(rmdir(at("gone")));
	/* Another takes its place, and perhaps its inode. */
	assert_ok(mkdir(at("other"), 0755));
	check_later(pid, go);
	assert_ok(rmdir(at("other")));
}

/* The last that had the pool leaves before its child comes. */
static void parent_may_go_meanwhile(void **state)
{
	int done[2], status;
	char c = 1;
	pid_t pid;

	(void)state;
	assert_ok(pipe(done));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int go[2];

		put_file("by-parent", "x");
		if (pipe(go))
			_exit(1);
		if (fork())
			_exit(0);
		close(go[1]);
		close(done[0]);
		c = read(go[0], &c, 1) || uses("orphan");
		_exit(write(done[1], &c, 1) != 1);
	}
	close(done[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(done[0], &c, 1), 1);
	assert_int_equal(c, 0);
	close(done[0]);
	assert_ok(unlink(at("renamed")));
	assert_ok(unlink(at("by-parent")));
}

/* From inside: others may not pass what lies above the directory of the tests. */
static int as_nobody(void *arg)
{
	struct stat st;

	(void)arg;
	CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	CHILD_CHECK(stat("f", &st) == 0 && st.st_size == 4);
	CHILD_CHECK(open("new", O_WRONLY | O_CREAT, 0644) == -1 && errno == EACCES);
	return 0;
}

static int as_nobody_by_number(void *arg)
{
	(void)arg;
	CHILD_CHECK(syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) == 0 &&
		    syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) == 0);
	CHILD_CHECK(open("f", O_RDONLY) >= 0);
	return 0;
}

static int elsewhere(void *arg)
{
	(void)arg;
	CHILD_CHECK(chroot("/usr") == 0);
	CHILD_CHECK(access("f", R_OK) == 0);
	return 0;
}

/* Its pool is another's file, which it could open before. */
static void rights_may_be_given_up(void **state)
{
	char old[PATH_MAX];

	(void)state;
	if (geteuid())
		SKIP("only root can give up rights");
	assert_non_null(getcwd(old, sizeof(old)));
	assert_ok(chdir(test_dir()));
	assert_int_equal(in_child(as_nobody, NULL), 0);
	assert_int_equal(in_child(as_nobody_by_number, NULL), 0);
	assert_int_equal(in_child(elsewhere, NULL), 0);
	assert_ok(chdir(old));
}

static int with_no_descriptors_left(void *arg)
{
	struct rlimit none = {3, 3};
	struct stat st;

	(void)arg;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHILD_CHECK(stat(at("f"), &st) == 0);
	return 0;
}

static void limits_may_be_lowered(void **state)
{
	(void)state;
	assert_int_equal(in_child(with_no_descriptors_left, NULL), 0);
}

static void *goes_to_usr(void *arg)
{
	(void)arg;
	return chdir("/usr") ? "chdir" : NULL;
}

/* One thread uses the directory for the first time while another leaves it. */
static int threads_use_and_leave(void *arg)
{
	char cwd[PATH_MAX];
	pthread_t other;
	void *failed;

	(void)arg;
	CHILD_CHECK(pthread_create(&other, NULL, goes_to_usr, NULL) == 0);
	(void)access("f", F_OK);
	CHILD_CHECK(pthread_join(other, &failed) == 0 && !failed);
	CHILD_CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/usr"));
	return 0;
}

static void directory_is_left_while_it_is_found(void **state)
{
	char old[PATH_MAX];

	(void)state;
	assert_non_null(getcwd(old, sizeof(old)));
	assert_ok(chdir(test_dir()));
	for (int i = 0; i < 300; i++)
		assert_int_equal(in_child(threads_use_and_leave, NULL), 0);
	assert_ok(chdir(old));
}

static int in_sandbox(void *arg)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog all = {.len = 1, .filter = &allow};

	CHILD_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHILD_CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0) == 0);
	return uses(arg);
}

static void sandboxes(void **state)
{
	(void)state;
	assert_int_equal(in_child(in_sandbox, "sandbox"), 0);
	assert_ok(unlink(at("renamed")));
}

static int is_locked(void *arg)
{
	int fd = open(at("f"), O_RDWR);

	(void)arg;
	CHILD_CHECK(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
	return 0;
}

static int locks(void *arg)
{
	int fd = open(at("f"), O_RDWR);

	(void)arg;
	CHILD_CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
	CHILD_CHECK(in_child(is_locked, NULL) == 0);
	return 0;
}

/* Of a process that has locked something and has closed it again. */
static void locks_of_children_exclude(void **state)
{
	int fd = open(at("f"), O_RDWR), go[2];
	pid_t pid;

	(void)state;
	assert_int_equal(in_child(locks, NULL), 0);
	assert_ok(flock(fd, LOCK_EX));
	assert_ok(close(fd));
	pid = later(locks, go);
	assert_int_equal(in_child(locks, NULL), 0);
	check_later(pid, go);
}

static void more_than_take_part_at_once(void **state)
{
	pid_t pids[CHILDREN];
	int go[2], status;
	char c;

	(void)state;
	assert_ok(pipe(go));
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (!pids[i]) {
			close(go[1]);
			_exit(read(go[0], &c, 1) != 0);
		}
	}
	assert_int_equal(in_child(uses, "one-more"), 0);
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_ok(unlink(at("renamed")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_takes_part_when_it_uses),
		cmocka_unit_test(its_own_children_share),
		cmocka_unit_test(working_directory_comes_along),
		cmocka_unit_test(directory_may_go_meanwhile),
		cmocka_unit_test(parent_may_go_meanwhile),
		cmocka_unit_test(rights_may_be_given_up),
		cmocka_unit_test(limits_may_be_lowered),
		cmocka_unit_test(directory_is_left_while_it_is_found),
		cmocka_unit_test(sandboxes),
		cmocka_unit_test(more_than_take_part_at_once),
		cmocka_unit_test(locks_of_children_exclude),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
