// SPDX-License-Identifier: BSD-3-Clause
/*
 * rounds.c - the passes, and all of them again.
 *
 * What -y cuts off (a name that leads to nothing, a reference that is damaged) hides what
 * it stood for until everything has been looked at once more: only then is it known what
 * lost its name and which pages nothing uses. So a round in which something was cut frees
 * nothing (I2 of fsck.h), and is followed by another, from the first pass on.
 *
 * Each round but the last cuts something or names something, and finds it so afterwards.
 */
#include <stdio.h>

#include "fsck.h"

#define ROUNDS_MAX 12

static int round_run(struct fsck *c)
{
	static int (*const passes[])(struct fsck *) = {pass1, pass2, pass3,
						       pass4, pass5, lost_attach};
	int ret = 0;

	if (use_make(c)) {
		snprintf(c->error, sizeof(c->error), "out of memory");
		return EXIT_ERROR;
	}
	runtime_claim(c);
	for (unsigned int i = 0; !ret && i < UMFS_ARRAY_LEN(passes); i++) {
		media_report(c); /* what could not be read counts before anything is freed */
		ret = passes[i](c);
	}
	media_report(c);
	return ret;
}

static void forget(struct fsck *c, bool unsure)
{
	use_drop(c);
	c->again = c->hidden = c->crossed = false;
	c->unsure = unsure || c->unread;
	c->lost = c->inodes_used = c->inodes_all = c->pages_used = 0;
}

int passes_run(struct fsck *c)
{
	bool unsure = c->unsure;
	struct problem_mark mark = problem_mark(c);
	int ret, round = 1;

	for (;;) {
		ret = round_run(c);
		if (ret || !c->again)
			return ret;
		if (round++ == ROUNDS_MAX) {
			c->left++; /* what was cut last was not looked at again */
			return 0;
		}
		problem_back(c, &mark);
		forget(c, unsure);
	}
}
