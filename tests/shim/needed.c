// SPDX-License-Identifier: BSD-3-Clause
/*
 * needed.c - for test_needed: a library (PART 0), another that needs it (1), a module that
 * needs that (2), and a program that needs it too (3).
 */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int needed_deep(void);
int needed_value(void);
int needing_value(void);

#if PART == 0
int needed_deep(void)
{
	return 40;
}
#elif PART == 1
int needed_value(void)
{
	return needed_deep() + 1;
}
#elif PART == 2
int needing_value(void)
{
	return needed_value() + 1;
}
#else
/* Neither the environment nor a descriptor tells of a library that was passed. */
static int left(void)
{
	const char *list = getenv("LD_PRELOAD");
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	char path[300], to[300];

	if (!dir || (list && strstr(list, "/proc/")))
		return 1;
	while ((e = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		memset(to, 0, sizeof(to));
		if (readlink(path, to, sizeof(to) - 1) > 0 && !strncmp(to, "/memfd:", 7))
			return 1;
	}
	return closedir(dir);
}

/* With an argument it loads that; 42: all is well. */
int main(int argc, char **argv)
{
	if (left())
		return 1;
	return argc > 1 && !dlopen(argv[1], RTLD_NOW) ? 2 : needed_value() + 1;
}
#endif
