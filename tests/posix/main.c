// SPDX-License-Identifier: BSD-3-Clause
/*
 * main.c - the POSIX checker's commands; see posix.h.
 */
#include "posix.h"

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "run"))
		return run_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "compare"))
		return compare_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "excuses"))
		return excuse_main(argc - 1, argv + 1);
	fprintf(stderr, "usage: posix compare [-s FIRST-SEED] [-n SEQUENCES] [-w WORKERS] [-l STEPS] [-i] [-x]\n");
	return 2;
}
