/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spawn.c - what loading libumfs adds to the start of a process.
 */
#include "micro.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;
}

int spawn_run(uint64_t n, const char *preload, const char *mount, uint64_t *cpu_ns)
{
	char preload_env[4096], mount_env[4096];
	char *argv[] = { (char *)"true", NULL };
	char *envp[] = { NULL, NULL, NULL };

	snprintf(preload_env, sizeof(preload_env), "LD_PRELOAD=%s", preload ? preload : "");
	snprintf(mount_env, sizeof(mount_env), "LIBUMFS_MOUNT=%s", mount ? mount : "");
	if (preload) {
		envp[0] = preload_env;
		envp[1] = mount_env;
	}
	while (n--) {
		struct rusage usage;
		pid_t pid;
		int status, err = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, envp);

		if (err)
			return err;
		if (wait4(pid, &status, 0, &usage) != pid || status != 0)
			return EIO;
		*cpu_ns += timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime);
	}
	return 0;
}
