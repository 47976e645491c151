// SPDX-License-Identifier: BSD-3-Clause
/*
 * broken.c - every op with the pool lost inside it: broken_explore.c.
 *
 *	broken MODE [OP]
 */
#include "broken.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	uint32_t done = 0, failed = 0, mode = 0;
	struct explored sum = {0};
	size_t i;

	for (i = 1; i < 4 && argc > 1; i++)
		if (!strcmp(argv[1], modes[i]))
			mode = (uint32_t)i;
	if (!mode)
		die("usage: broken atomic|sync|posix [OP]");
	for (i = 0; i < op_count && failed < 10; i++) {
		struct explored e = {0};

		if ((ops[i].flags & BROKEN_NOT) || (argc > 2 && strcmp(argv[2], ops[i].name)))
			continue;
		done++;
		failed += !broken_explore(&ops[i], mode, &e);
		printf("%-28s %4llu points of %llu stores\n", ops[i].name, (unsigned long long)e.points,
		       (unsigned long long)e.events);
		fflush(stdout);
		sum.points += e.points;
	}
	printf("%u ops, %llu points, %u failed\n", done, (unsigned long long)sum.points, failed);
	return failed || !done;
}
