// SPDX-License-Identifier: BSD-3-Clause
/* test_process.c - fork, vfork, exec, spawn, exit. */
#include <pthread.h>
#include <spawn.h>
#include <sys/inotify.h>

#include "shim_test.h"

extern char **environ;

static int write_rest(void *arg)
{
	int fd = *(int *)arg;

	CHILD_CHECK(write(fd, "child ", 6) == 6);
	CHILD_CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0);
	CHILD_CHECK(close(fd) == 0);
	CHILD_CHECK(mkdir(at("by-child"), 0755) == 0);
	return 7;
}

static void fork_shares_descriptions(void **state)
{
	int fd = make_file("f", "parent ");

	(void)state;
	assert_int_equal(in_child(write_rest, &fd), 7);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 13);
	assert_int_equal(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
	assert_ok(fcntl(fd, F_SETFL, 0));
	assert_int_equal(write(fd, "again", 5), 5);
	check_text(fd, "parent child again");
	assert_ok(rmdir(at("by-child")));
	assert_ok(close(fd));
}

/* The parent's close leaves the child's file open, name or not. */
static void child_keeps_unlinked_file(void **state)
{
	int fd = make_file("f", "kept"), status, go[2];
	char c;
	pid_t pid;

	(void)state;
	assert_ok(pipe(go));
	pid = fork();
	if (!pid) {
		char buf[4];

		close(go[1]);
		if (read(go[0], &c, 1) != 0)
			_exit(1);
		_exit(pread(fd, buf, 4, 0) == 4 && !memcmp(buf, "kept", 4) ? 0 : 2);
	}
	close(go[0]);
	assert_ok(unlink(at("f")));
	assert_ok(close(fd));
	/* Others get new files meanwhile, which must not land in its pages. */
	for (int i = 0; i < 50; i++)
		put_file("g", "something else entirely");
	close(go[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int grandchildren(void *arg)
{
	int fd = *(int *)arg, status;

	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		CHILD_CHECK(pid >= 0);
		if (!pid) {
			char name[32];

			snprintf(name, sizeof(name), "g%d", i);
			put_file(name, name);
			_exit(write(fd, "x", 1) == 1 ? 0 : 1);
		}
		CHILD_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	return 0;
}

static void forks_of_forks(void **state)
{
	int fd = make_file("f", "");

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(in_child(grandchildren, &fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 100);
	check_file("g4", "g4");
	assert_ok(close(fd));
}

static void many_at_once(void **state)
{
	pid_t pids[30];
	int fd = make_file("log", ""), status;
	struct stat st;

	(void)state;
	assert_ok(close(fd));
	for (int i = 0; i < 30; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (!pids[i]) {
			fd = open(at("log"), O_WRONLY | O_APPEND);
			for (int k = 0; k < 100; k++)
				if (write(fd, "0123456789", 10) != 10)
					_exit(1);
			_exit(0);
		}
	}
	for (int i = 0; i < 30; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_ok(stat(at("log"), &st));
	assert_int_equal(st.st_size, 30 * 100 * 10);
}

/* Threads open and close while another forks: the child's counts must be whole. */
static volatile int stop;

static void *open_close(void *arg)
{
	const char *name = arg;

	while (!stop) {
		int fd = open(at(name), O_RDWR | O_CREAT, 0644);

		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static int child_of_threads(void *arg)
{
	int fd = *(int *)arg;

	CHILD_CHECK(pwrite(fd, "x", 1, 0) == 1);
	CHILD_CHECK(close(open(at("t1"), O_RDWR | O_CREAT, 0644)) == 0);
	CHILD_CHECK(unlink(at("t2")) == 0 || errno == ENOENT);
	return 0;
}

static void fork_beside_threads(void **state)
{
	pthread_t t[2];
	int fd = make_file("f", "");

	(void)state;
	stop = 0;
	assert_int_equal(pthread_create(&t[0], NULL, open_close, (void *)"t1"), 0);
	assert_int_equal(pthread_create(&t[1], NULL, open_close, (void *)"t2"), 0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(in_child(child_of_threads, &fd), 0);
	stop = 1;
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	assert_ok(close(fd));
}

/* A child that forks itself: what it found of its parent's other threads must not be in its way. */
static void *fork_twice(void *arg)
{
	int status;

	(void)arg;
	for (int i = 0; i < 150; i++) {
		pid_t pid = fork();

		if (!pid) {
			pid = fork();
			if (!pid)
				_exit(0);
			_exit(waitpid(pid, &status, 0) != pid || status);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			return "a child";
	}
	return NULL;
}

static volatile bool forks_are_done;

static void *open_until_done(void *path)
{
	while (!forks_are_done) {
		int fd = open(path, O_RDWR | O_CREAT, 0644);

		if (fd < 0 || close(fd))
			return "open";
	}
	return NULL;
}

static void forks_beside_one_another(void **state)
{
	pthread_t forkers[2], openers[2];
	char path[PATH_MAX];
	void *failed;

	(void)state;
	forks_are_done = false;
	strcpy(path, at("opened"));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&openers[i], NULL, open_until_done, path), 0);
		assert_int_equal(pthread_create(&forkers[i], NULL, fork_twice, NULL), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(forkers[i], &failed), 0);
		assert_null(failed);
	}
	forks_are_done = true;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(openers[i], &failed), 0);
		assert_null(failed);
	}
}

static void vfork_like_fork(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = vfork();
	assert_true(pid >= 0);
	if (!pid) {
		execlp("true", "true", (char *)NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- exec ---- */

/* Runs a shell command with FD in its environment, by exec. */
static int run_shell(void *arg)
{
	execl("/bin/sh", "sh", "-c", (const char *)arg, (char *)NULL);
	return errno;
}

static int spawn_shell(const char *command)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)(uintptr_t)command, NULL};
	int status;
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Position and flags are shared with the new image, and with what that runs. */
static void exec_passes_descriptors_on(void **state)
{
	static const char command[] = "echo sh >&7 && /bin/echo echo >&7 && test -z \"$LIBUMFS_INHERIT\"";
	int fd = make_file("f", ""), other;
	char text[64] = "";

	(void)state;
	assert_int_equal(dup2(fd, 7), 7);
	assert_int_equal(write(fd, "one\n", 4), 4);
	assert_int_equal(in_child(run_shell, (void *)(uintptr_t)command), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 12);
	assert_int_equal(spawn_shell(command), 0);
	assert_int_equal(system(command), 0);
	assert_int_equal(lseek(7, 0, SEEK_CUR), 28);
	other = open(at("f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(other, text, sizeof(text)), 28);
	assert_string_equal(text, "one\nsh\necho\nsh\necho\nsh\necho\n");
	assert_ok(close(other));
	assert_ok(close(7));
	/* What is close-on-exec is not there. */
	assert_ok(fcntl(fd, F_SETFD, FD_CLOEXEC));
	assert_int_not_equal(spawn_shell("cat <&5"), 0);
	assert_ok(close(fd));
}

/* A copy of a program outside, which nobody else runs. */
static void copy_program(char *to, size_t size)
{
	char command[PATH_MAX + 32];

	snprintf(to, size, "%s/program", getenv("SHIM_WORK"));
	snprintf(command, sizeof(command), "cp /bin/true %s", to);
	assert_int_equal(system(command), 0);
}

static int run_copy(void *arg)
{
	execl(arg, "true", (char *)NULL);
	return errno;
}

/* To see what it is libumfs looks into it once; else only the kernel opens it. */
static void exec_looks_at_program_once(void **state)
{
	char program[PATH_MAX], events[4096];
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ssize_t n;

	(void)state;
	copy_program(program, sizeof(program));
	assert_true(watch >= 0);
	assert_true(inotify_add_watch(watch, program, IN_OPEN | IN_CLOSE_NOWRITE) >= 0);
	assert_int_equal(in_child(run_copy, program), 0);
	n = read(watch, events, sizeof(events));
	assert_true(n <= (on_umfs() ? 4 : 2) * (ssize_t)sizeof(struct inotify_event));
	assert_ok(close(watch));
	assert_ok(unlink(program));
}

static int run_plain(void *arg)
{
	char *const argv[] = {(char *)"true", NULL}, *const envp[] = {NULL};

	(void)arg;
	execve("/bin/true", argv, envp);
	return errno == ENOTSUP ? 50 : 51;
}

/* An image that would not load libumfs could do nothing with it. */
/* ---- programs that lie there ---- */

static int run_program(void *arg)
{
	char *argv[] = {(char *)(uintptr_t)"zero", (char *)(uintptr_t)"one",
			(char *)(uintptr_t)"two", NULL};

	execv(at(arg), argv);
	return errno == EACCES ? 101 : errno == ENOENT ? 102 : errno == ENOEXEC ? 103 : 104;
}

static void put_program(const char *name, const char *text, mode_t mode)
{
	put_file(name, text);
	assert_ok(chmod(at(name), mode));
}

static void copy_true(const char *name)
{
	static char buf[1 << 20];
	int from = open("/bin/true", O_RDONLY), to = open(at(name), O_WRONLY | O_CREAT, 0755);
	ssize_t n = read(from, buf, sizeof(buf));

	assert_true(n > 0 && n < (ssize_t)sizeof(buf));
	assert_int_equal(write(to, buf, (size_t)n), n);
	assert_ok(close(from));
	assert_ok(close(to));
}

static void programs_there_are_run(void **state)
{
	char text[PATH_MAX];

	(void)state;
	copy_true("true");
	assert_int_equal(in_child(run_program, (void *)(uintptr_t)"true"), 0);
	put_program("s1", "#!/bin/sh\n[ \"$0 $1 $2 $#\" = \"$(dirname $0)/s1 one two 2\" ] && exit 7\n", 0755);
	assert_int_equal(in_child(run_program, (void *)(uintptr_t)"s1"), 7);
	put_program("s2", "#! \t/bin/sh -e \nfalse\nexit 9\n", 0755);
	assert_int_equal(in_child(run_program, (void *)(uintptr_t)"s2"), 1);
	snprintf(text, sizeof(text), "#!%s arg\n", at("s3i"));
	put_program("s3", text, 0755);
	put_program("s3i", "#!/bin/sh\n[ $# = 4 ] && [ $1 = arg ] && [ $4 = two ] && exit 8\n", 0755);
	assert_int_equal(in_child(run_program, (void *)(uintptr_t)"s3"), 8);
	put_program("no", "#!/bin/sh\nexit 0\n", 0644);
	assert_int_equal(in_child(run_program, (void *)(uintptr_t)"no"), 101);
	put_program("gone", "#!/no/such/interpreter\n", 0755);
	assert_int_equal(in_child(run_program, (void *)(uintptr_t)"gone"), 102);
	put_program("text", "exit 3\n", 0755);
	assert_int_equal(in_child(run_program, (void *)(uintptr_t)"text"), 103);
	put_program("bare", "#!\n", 0755);
	assert_int_equal(in_child(run_program, (void *)(uintptr_t)"bare"), 103);
	put_program("empty", "", 0755);
	assert_int_equal(in_child(run_program, (void *)(uintptr_t)"empty"), 103);
}

/* The kernel names it to the interpreter by the descriptor, which must be there then. */
static int run_by_descriptor(void *arg)
{
	char *argv[] = {(char *)(uintptr_t)"zero", (char *)(uintptr_t)"one", NULL};
	int fd = open(at("s"), O_RDONLY), dir = open(test_dir(), O_RDONLY);

	if (arg) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (fexecve(fd, argv, environ) != -1 || errno != ENOENT)
			return 1;
		fcntl(fd, F_SETFD, 0);
		fexecve(fd, argv, environ);
		return 2;
	}
	fcntl(dir, F_SETFD, FD_CLOEXEC);
	if (execveat(dir, "s", argv, environ, 0) != -1 || errno != ENOENT)
		return 3;
	fcntl(dir, F_SETFD, 0);
	execveat(dir, "s", argv, environ, 0);
	return 4;
}

static void scripts_there_by_descriptor(void **state)
{
	(void)state;
	put_program("s", "#!/bin/sh\ncase $0 in /dev/fd/*) [ \"$1 $#\" = 'one 1' ] && exit 9;; esac\n", 0755);
	assert_int_equal(in_child(run_by_descriptor, (void *)1), 9);
	assert_int_equal(in_child(run_by_descriptor, NULL), 9);
}

static void exec_without_the_library(void **state)
{
	int fd = make_file("f", "x");

	(void)state;
	assert_int_equal(in_child(run_plain, NULL), on_umfs() ? 50 : 0);
	assert_ok(fcntl(fd, F_SETFD, FD_CLOEXEC));
	assert_int_equal(in_child(run_plain, NULL), 0);
	check_text(fd, "x");
	assert_ok(close(fd));
}

/* A file without a name lives on in the new image alone. */
static void exec_keeps_an_unlinked_file(void **state)
{
	int fd = make_file("f", "kept");

	(void)state;
	assert_ok(unlink(at("f")));
	assert_int_equal(dup2(fd, 7), 7);
	assert_ok(close(fd));
	assert_ok(lseek(7, 0, SEEK_SET));
	assert_int_equal(system("test \"$(exec cat <&7)\" = kept"), 0);
	assert_ok(close(7));
}

/* A FIFO outside. */
static const char *no_program(void)
{
	static char name[64];

	snprintf(name, sizeof(name), "/tmp/umfs-no-program.%d", (int)getpid());
	return mkfifo(name, 0755) && errno != EEXIST ? "" : name;
}

static int failing_exec(void *arg)
{
	int fd = *(int *)arg;
	char *const argv[] = {(char *)"none", NULL};

	setenv("PATH", "/usr/bin:/bin", 1);
	CHILD_CHECK(execv("/nonexistent/none", argv) == -1 && errno == ENOENT);
	CHILD_CHECK(execvp("surely-no-such-program", argv) == -1 && errno == ENOENT);
	CHILD_CHECK(execv(test_dir(), argv) == -1);
	alarm(60); /* nobody waits for a writer */
	CHILD_CHECK(execv(no_program(), argv) == -1 && errno == EACCES);
	alarm(0);
	CHILD_CHECK(unlink(no_program()) == 0);
	/* Everything is as before. */
	CHILD_CHECK(pwrite(fd, "y", 1, 0) == 1);
	CHILD_CHECK(access("f", F_OK) == 0);
	return 0;
}

static void exec_that_fails_changes_nothing(void **state)
{
	int fd = make_file("f", "x");
	char old[PATH_MAX];

	(void)state;
	assert_non_null(getcwd(old, sizeof(old)));
	assert_ok(chdir(test_dir()));
	assert_int_equal(in_child(failing_exec, &fd), 0);
	assert_ok(fcntl(fd, F_SETFD, FD_CLOEXEC));
	assert_int_equal(in_child(failing_exec, &fd), 0);
	assert_ok(close(fd));
	fd = open("/dev/null", O_RDWR);
	/* The same with nothing of ours open but the working directory. */
	{
		char *const argv[] = {(char *)"none", NULL};

		assert_errno(execv("/nonexistent/none", argv), ENOENT);
	}
	assert_ok(access("f", F_OK));
	close(fd);
	assert_ok(chdir(old));
}

static int pwd_is(void *arg)
{
	const char *want = arg;
	char command[PATH_MAX + 100];

	snprintf(command, sizeof(command),
		 "test \"$(/bin/pwd)\" = '%s' && test -f f && cat f >/dev/null", want);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	return 99;
}

static void working_directory_passes_on(void **state)
{
	char old[PATH_MAX];

	(void)state;
	put_file("f", "x");
	assert_ok(mkdir(at("d"), 0755));
	put_file("d/f", "x");
	assert_non_null(getcwd(old, sizeof(old)));
	assert_ok(chdir(test_dir()));
	assert_int_equal(in_child(pwd_is, (void *)test_dir()), 0);
	assert_ok(chdir("d"));
	assert_int_equal(in_child(pwd_is, (void *)at("d")), 0);
	/* By libc's own exec too. */
	assert_int_equal(system("test -f f && /bin/pwd >/dev/null"), 0);
	assert_ok(chdir(old));
	unlink(at("d/f"));
	rmdir(at("d"));
}

static int exit_normally(void *arg)
{
	(void)arg;
	put_file("at-exit", "x");
	exit(3);
}

static void exits(void **state)
{
	(void)state;
	assert_int_equal(in_child(exit_normally, NULL), 3);
	assert_ok(unlink(at("at-exit")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fork_shares_descriptions),
		cmocka_unit_test(child_keeps_unlinked_file),
		cmocka_unit_test(forks_of_forks),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(vfork_like_fork),
		cmocka_unit_test(exec_passes_descriptors_on),
		cmocka_unit_test(exec_looks_at_program_once),
		cmocka_unit_test(programs_there_are_run),
		cmocka_unit_test(scripts_there_by_descriptor),
		cmocka_unit_test(exec_without_the_library),
		cmocka_unit_test(exec_keeps_an_unlinked_file),
		cmocka_unit_test(exec_that_fails_changes_nothing),
		cmocka_unit_test(working_directory_passes_on),
		cmocka_unit_test(exits),
		cmocka_unit_test(fork_beside_threads),
		cmocka_unit_test(forks_beside_one_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
