// SPDX-License-Identifier: BSD-3-Clause
/*
 * guard.c - P3: a sequence that root runs must not get at anything outside.
 *
 * A path climbs no further than it has components and follows links, so from inside it
 * stays in what is ours. But a directory that one path climbed to would be where the next
 * begins, and one that is open or worked in may be moved. So each step begins inside.
 */
#include "posix.h"

void guard_make(const char *dir)
{
	char path[PATH_MAX];

	strcpy(run.base, dir);
	for (unsigned i = 0; i < GUARD_DEPTH; i++) {
		strcat(run.base, "/u");
		if (mkdir(run.base, 0755))
			say("mkdir: %s\n", strerrorname_np(errno));
	}
	/* The last one that is made, in which the sequence makes its own. */
	snprintf(path, sizeof(path), "%s/w", run.base);
	strcpy(run.base, path);
	run.base_len = strlen(run.base);
}

static bool is_inside(void)
{
	char where[PATH_MAX];

	return getcwd(where, sizeof(where)) && !strncmp(where, run.base, run.base_len) &&
	       (!where[run.base_len] || where[run.base_len] == '/');
}

/* Or it can not be said, which is as bad. Leaves the working directory anywhere. */
static bool dir_outside(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISDIR(st.st_mode))
		return false;
	return fchdir(fd) || !is_inside();
}

static bool back_to(int fd)
{
	return !(fd >= 0 && !fchdir(fd) && is_inside()) && chdir(run.base) ? false : is_inside();
}

static bool any_dirs(void)
{
	struct stat st;

	for (int i = 0; i < SLOTS; i++)
		if (run.slot[i] >= 0 && !fstat(run.slot[i], &st) && S_ISDIR(st.st_mode))
			return true;
	return false;
}

bool guard_inside(void)
{
	int here;
	bool ok;

	if (!is_inside() && (chdir(run.base) || !is_inside()))
		return false;
	if (!any_dirs())
		return true;
	here = open(".", O_PATH | O_DIRECTORY);
	for (int i = 0; i < SLOTS; i++)
		if (run.slot[i] >= 0 && dir_outside(run.slot[i])) {
			close(run.slot[i]);
			run.slot[i] = -1;
		}
	ok = back_to(here);
	if (here >= 0)
		close(here);
	return ok;
}
