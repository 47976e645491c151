// SPDX-License-Identifier: BSD-3-Clause
/*
 * position.c - where the kernel's position of an open file is.
 *
 * A request says at which offset it is, but not whether that is the position of the open
 * file or was given in the call. /proc says where the position is; it moves when the
 * request has been answered. A file is known there by the name it was opened by.
 *
 * Who may not be looked at (other users' processes, those of another pid namespace) is
 * not found.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mount.h"

#define PATH_BYTES 64u
#define INFO_BYTES 256u

static bool is_opened_by(int dir, const char *fd, const char *name)
{
	char link[PATH_MAX];
	ssize_t n = readlinkat(dir, fd, link, sizeof(link) - 1);

	if (n < 0)
		return false;
	link[n] = '\0';
	return strstr(link, name) != NULL;
}

static int number_of(const char *name)
{
	char *end;
	long n = strtol(name, &end, 10);

	return end == name || *end || n < 0 || n > INT_MAX ? -1 : (int)n;
}

/* Takes `dir`. */
static int look_through(int dir, const char *name)
{
	DIR *fds = fdopendir(dir);
	struct dirent *d;
	int found = -1;

	if (!fds) {
		close(dir);
		return -1;
	}
	while (found < 0 && (d = readdir(fds)))
		if (number_of(d->d_name) >= 0 && is_opened_by(dir, d->d_name, name))
			found = number_of(d->d_name);
	closedir(fds);
	return found;
}

static int find_fd(pid_t pid, const char *name, int before)
{
	char path[PATH_BYTES], number[16];
	int dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	snprintf(number, sizeof(number), "%d", before);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	if (before < 0 || !is_opened_by(dir, number, name))
		return look_through(dir, name);
	close(dir);
	return before;
}

static int64_t position_at(pid_t pid, int fd)
{
	char path[PATH_BYTES], text[INFO_BYTES];
	int64_t pos = -ENOENT;
	ssize_t n = 0;
	int info;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -ENOENT;
	n = read(info, text, sizeof(text) - 1);
	close(info);
	text[n > 0 ? n : 0] = '\0';
	if (!strncmp(text, "pos:", 4))
		pos = strtoll(text + 4, NULL, 10);
	return pos;
}

int64_t position_find(pid_t pid, const char *name, int *fd)
{
	int found = pid > 0 ? find_fd(pid, name, __atomic_load_n(fd, __ATOMIC_RELAXED)) : -1;

	__atomic_store_n(fd, found, __ATOMIC_RELAXED);
	return found < 0 ? -ENOENT : position_at(pid, found);
}
