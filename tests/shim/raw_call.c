/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw_call.c - calls that libumfs can not see, for audit.py to find: system
 * calls that a program makes by itself, on a path, on a descriptor, and on a name in
 * the working directory, which the kernel is told of (in) or not (relative).
 *
 *   raw_call path|fd|locked|relative|in FILE
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "raw.h"

static int in_its_directory(char *path, bool told)
{
	char *name = strrchr(path, '/');

	*name++ = '\0';
	if (chdir(path))
		return 1;
	if (told)
		raw(SYS_unlinkat, AT_FDCWD, (long)name, 0);
	else
		raw(SYS_truncate, (long)name, 0, 0);
	return 0;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 3)
		return 2;
	fd = open(argv[2], O_RDWR | O_CREAT, 0644);
	if (fd < 0)
		return 1;
	if (!strcmp(argv[1], "locked") && flock(fd, LOCK_EX))
		return 1;
	if (!strcmp(argv[1], "relative") || !strcmp(argv[1], "in"))
		return in_its_directory(argv[2], argv[1][0] == 'i');
	if (!strcmp(argv[1], "path"))
		raw(SYS_truncate, (long)argv[2], 0, 0);
	else
		raw(SYS_write, fd, (long)"x", 1);
	return 0;
}
