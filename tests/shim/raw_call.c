/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw_call.c - calls that libumfs can not see, for audit.py to find: system
 * calls that a program makes by itself, on a path and on a descriptor.
 *
 *   raw_call path|fd|locked FILE
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "raw.h"

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
	if (!strcmp(argv[1], "path"))
		raw(SYS_truncate, (long)argv[2], 0, 0);
	else
		raw(SYS_write, fd, (long)"x", 1);
	return 0;
}
