// SPDX-License-Identifier: BSD-3-Clause
/*
 * readers.c - each op with a reader at each store of it: what is seen is what was before or
 * what is after, for who reads at the same time on another processor.
 *
 *	readers MODE [OP]...		each op of ops.c, or those; `bytes`: those that the
 *					mode matters to
 *
 * UMFS_READERS_EFFORT=n looks at more moments; 1 is the least.
 */
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>

static bool run_op(const struct op *op, uint32_t mode, uint64_t *trials)
{
	struct work w = {.name = op->name, .mode = mode, .tree = op_tree, .prepare = op->prepare,
			 .steps = &op, .count = 1};
	struct explored e = {0};

	if (op->flags & (OP_ATTACH | OP_DETACH | OP_LONG | OP_PIECES | OP_ALONE))
		return true;
	readers_explore(&w, &e);
	printf("%-24s %5llu events, %7llu readings%s\n", op->name, (unsigned long long)e.events,
	       (unsigned long long)e.points, e.failed ? "  FAILED" : "");
	fflush(stdout);
	*trials += e.points;
	return !e.failed;
}

static uint32_t mode_of(const char *word)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	uint32_t i;

	for (i = 1; i < 4; i++)
		if (!strcmp(word, modes[i]))
			return i;
	die("usage: readers atomic|sync|posix [OP]...");
}

int main(int argc, char **argv)
{
	uint32_t mode = mode_of(argc > 1 ? argv[1] : ""), done = 0, failed = 0;
	const char *effort = getenv("UMFS_READERS_EFFORT");
	uint64_t trials = 0;
	size_t i;
	int k;

	if (effort)
		readers_effort = UMFS_MAX((uint32_t)atoi(effort), 1u);
	for (i = 0; i < op_count; i++) {
		bool wanted = argc == 2;

		for (k = 2; k < argc; k++)
			wanted |= !strcmp(argv[k], ops[i].name) ||
				  (ops[i].path && !strcmp(argv[k], "bytes"));
		if (!wanted)
			continue;
		done++;
		failed += !run_op(&ops[i], mode, &trials);
	}
	printf("%u done, %llu readings, %u failed\n", done, (unsigned long long)trials, failed);
	return failed || !done;
}
