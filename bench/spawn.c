/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spawn.c - what short processes cost, from their start to their end.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;
}

static int spawn_one(const posix_spawn_file_actions_t *actions, char *const argv[],
		     char *const envp[], uint64_t *cpu_ns)
{
	struct rusage usage;
	pid_t pid;
	int status, err = posix_spawn(&pid, argv[0], actions, NULL, argv, envp);

	if (err)
		return err;
	if (wait4(pid, &status, 0, &usage) != pid || status != 0)
		return EIO;
	*cpu_ns += timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime);
	return 0;
}

int spawn_run(uint64_t n, const char *program, const char *arg, const char *preload,
	      const char *mount, uint64_t *cpu_ns)
{
	char preload_env[4096], mount_env[4096];
	char *argv[] = { (char *)program, (char *)arg, NULL };
	char *envp[] = { NULL, NULL, NULL };
	posix_spawn_file_actions_t actions;
	int err;

	snprintf(preload_env, sizeof(preload_env), "LD_PRELOAD=%s", preload ? preload : "");
	snprintf(mount_env, sizeof(mount_env), "LIBUMFS_MOUNT=%s", mount ? mount : "");
	if (preload) {
		envp[0] = preload_env;
		envp[1] = mount_env;
	}
	err = posix_spawn_file_actions_init(&actions);
	if (!err)
		err = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
						       O_WRONLY, 0);
	while (n-- && !err)
		err = spawn_one(&actions, argv, envp, cpu_ns);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}
