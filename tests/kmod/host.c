// SPDX-License-Identifier: BSD-3-Clause
/*
 * host.c - what a program under libumfs may do with a pool of the module's, and what it does
 * to libumfs without knowing.
 *
 *   kmod-host CASE DIRECTORY
 *
 * DIRECTORY is the pool's, by LIBUMFS_MOUNT; "shown" lies in it, and "true" is a program.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "kmod_test.h"

int pool, checks, failures;

extern char **environ;

#define NUMBERS 1024
#define FORKS 60

static char shown[256], file[256];

/* Past libumfs, as what is linked into a program without libc does it. */
static long raw(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

static bool is_shown(void)
{
	char buf[16] = "";
	int fd = open(shown, O_RDONLY);
	bool good = fd >= 0 && read(fd, buf, sizeof(buf)) == 6 && !strcmp(buf, "shown\n");

	if (fd >= 0)
		close(fd);
	return good;
}

/* The first that uses the pool is the child, in our memory. */
static void spawned_first(const char *dir)
{
	char program[256], *const argv[] = {(char *)"true", NULL};
	int status = -1;
	pid_t pid;

	snprintf(program, sizeof(program), "%s/true", dir);
	CHECK(posix_spawn(&pid, program, NULL, NULL, argv, environ) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(is_shown());
}

/* The child closes what it does not know before it uses the pool. */
static void spawned_closing(const char *dir)
{
	char program[256], *const argv[] = {(char *)"true", NULL};
	posix_spawn_file_actions_t actions;
	int status = -1, i;
	pid_t pid;

	snprintf(program, sizeof(program), "%s/true", dir);
	CHECK(is_shown());
	CHECK(posix_spawn_file_actions_init(&actions) == 0);
	CHECK(posix_spawn_file_actions_addclosefrom_np(&actions, 3) == 0);
	for (i = 0; i < 3; i++) {
		CHECK(posix_spawn(&pid, program, &actions, NULL, argv, environ) == 0);
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		CHECK(is_shown());
	}
}

/* All descriptors are closed past libumfs, and their numbers are something else's. */
static void closed(const char *dir)
{
	int other, n, taken = 0;

	(void)dir;
	CHECK(is_shown());
	CHECK(raw(SYS_close_range, 3, ~0u, 0) == 0);
	CHECK(is_shown());
	CHECK(raw(SYS_close_range, 3, ~0u, 0) == 0);
	other = (int)raw(SYS_memfd_create, (long)"other", 0, 0);
	CHECK(other >= 0);
	for (n = NUMBERS / 2; n < NUMBERS; n++)
		taken += raw(SYS_dup2, other, n, 0) == n;
	CHECK(taken == NUMBERS / 2);
	CHECK(is_shown());
	CHECK(truncate(shown, 6) == 0);
	for (n = NUMBERS / 2; n < NUMBERS; n++)
		CHECK(close(n) == 0); /* they are the program's */
	CHECK(is_shown());
}

static int open_descriptors(void)
{
	int n = 0, fd;

	for (fd = 3; fd < NUMBERS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool stop;

static void *change(void *arg)
{
	int i;

	for (i = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); i++) {
		CHECK(truncate(file, i % 2) == 0);
		CHECK(chmod(file, i % 2 ? 0600 : 0644) == 0);
	}
	return arg;
}

/* What another thread has open for the length of a call passes to no child. */
static void forked(const char *dir)
{
	pthread_t thread;
	int before, i, leaks = 0, status;

	snprintf(file, sizeof(file), "%s/changed", dir);
	CHECK(close(open(file, O_CREAT | O_RDWR, 0600)) == 0);
	before = open_descriptors();
	CHECK(pthread_create(&thread, NULL, change, NULL) == 0);
	for (i = 0; i < FORKS; i++) {
		pid_t child = fork();

		if (!child)
			_exit(open_descriptors() > before);
		CHECK(waitpid(child, &status, 0) == child);
		leaks += status != 0;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(leaks == 0);
	CHECK(unlink(file) == 0);
}

/* A sandbox that ends the process at whatever libc's open() would not do. */
static void sandboxed(const char *dir)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statfs, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstatfs, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
	pid_t child = fork();
	int status, tmp, fd;

	(void)dir;
	if (!child) {
		tmp = open("/tmp", O_RDONLY | O_DIRECTORY);
		if (chdir("/tmp") || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
			_exit(2);
		fd = open("sandboxed", O_CREAT | O_RDWR, 0600);
		if (fd < 0 || close(fd) || openat(tmp, "sandboxed", O_RDONLY) != fd)
			_exit(3);
		_exit(is_shown() ? 0 : 4); /* by its name it is found as well */
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(status == 0);
	unlink("/tmp/sandboxed");
}

static void loaded(const char *dir)
{
	char name[256];
	void *lib, *again;

	snprintf(name, sizeof(name), "%s/library.so", dir);
	lib = dlopen(name, RTLD_NOW);
	CHECK(lib && dlsym(lib, "selinux_getenforcemode"));
	again = dlopen(name, RTLD_NOW);
	CHECK(again == lib);
	snprintf(name, sizeof(name), "%s/none.so", dir);
	CHECK(!dlopen(name, RTLD_NOW));
}

static const struct {
	const char *name;
	void (*run)(const char *dir);
} cases[] = {
	{"spawned-first", spawned_first}, {"spawned-closing", spawned_closing},
	{"closed", closed},		  {"forked", forked},
	{"sandboxed", sandboxed},	  {"loaded", loaded},
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 3)
		return 2;
	snprintf(shown, sizeof(shown), "%s/shown", argv[2]);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, argv[1]))
			cases[i].run(argv[2]);
	if (!checks)
		return 2;
	return failures ? 1 : 0;
}
