// SPDX-License-Identifier: BSD-3-Clause
/*
 * rounds.c - the passes, and all of them again.
 *
 * What -y cuts off (a name that leads to nothing, a reference that is damaged) hides what
 * it stood for until everything has been looked at once more: only then is it known what
 * lost its name and which pages nothing uses. So a round in which something was cut frees
 * nothing (I2 of fsck.h), and is followed by another, from the first pass on.
 *
 * When a round mends nothing and damage is left, the next one is cutting: what follows from
 * nothing else is cut off, and a page that two use is copied. Who may keep a page shows in
 * the order of claims: first attributes, directories and files that nothing else was found
 * to be wrong with, each kind of them before the next, then those that may be wrong.
 *
 * What is made anew, and a copy, takes pages, and there may be none: in a bitmap that has lost
 * its zeros all are in use, and with damage left nothing is freed. So the round after a cutting
 * one that lacked room is freeing: it does free what it finds unused. By then all has been
 * cut off but what waits for that room, and that is found, and claimed, as far as it can be
 * read. Once: if there is no room then, there will be none. A directory is made anew in the pages
 * that it has then (names.c).
 *
 * With -y the last round is one that finds nothing to mend. Each other mends something.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "fsck.h"

#define ROUNDS_MAX 64
#define COPIES_MIN 4096 /* pages */
#define ROOM_KEPT 4u	/* pages, and an eighth of all that are free */

/* ---- claims in order of trust ---- */

typedef void (*claim_fn)(struct fsck *c, uint32_t ino);

static void claim_kind(struct fsck *c, bool suspect, bool dirs, claim_fn fn)
{
	for (uint32_t g = 0; g < c->geo.group_count; g++)
		for (uint32_t i = 0; group_used(c, g) && i < c->geo.inodes_per_group; i++) {
			uint32_t ino = g * c->geo.inodes_per_group + i;
			uint8_t type = c->groups[g].inodes[i].type;

			if (type && (type == S_IFDIR >> 12) == dirs &&
			    inode_suspect(c, ino) == suspect)
				fn(c, ino);
		}
}

void trust_claim(struct fsck *c)
{
	for (int suspect = 0; suspect < 2; suspect++) {
		claim_kind(c, suspect, true, inode_attributes);
		claim_kind(c, suspect, false, inode_attributes);
		claim_kind(c, suspect, true, inode_body);
		claim_kind(c, suspect, true, dir_check);
		claim_kind(c, suspect, false, inode_body);
	}
}

/* ---- rounds ---- */

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
	use_forget(c);
	if (c->cutting || c->freeing)
		c->lost_why = NULL; /* there may be room now */
	c->again = c->wanted = c->hidden = c->crossed = c->shared = c->cutting = c->freeing = c->no_room =
		false;
	c->unsure = unsure || c->unread;
	c->lost = c->inodes_used = c->inodes_all = c->pages_used = c->alloc_from = 0;
}

enum next { END, AGAIN, CUTTING, FREEING };

/* What comes after this round, which began with so many problems fixed and left. */
static enum next what_next(const struct fsck *c, uint64_t fixed, uint64_t left)
{
	bool mended = c->fixed != fixed, yes = c->mode == FSCK_YES;

	if (cuts(c) && room_may_come(c))
		return FREEING;
	if (c->again || c->wanted || (yes && mended))
		return AGAIN;
	return yes && !c->cutting && c->left != left && !media_lost(c) ? CUTTING : END;
}

/*
 * Copies come before directories are made anew, which there is no other way to mend: some of the
 * room is kept for these.
 */
static uint64_t copies_may(const struct fsck *c, uint64_t used, bool dirs)
{
	uint64_t all = 0, room, keep;

	for (uint32_t g = 0; g < c->geo.group_count; g++)
		all += group_pages(c, g) - UMFS_GROUP_HEAD_PAGES - c->geo.itable_pages;
	room = all > used ? all - used : 0;
	keep = dirs ? UMFS_MIN(room, room / 8 + ROOM_KEPT) : 0;
	return UMFS_MIN(room - keep, used > COPIES_MIN ? used : COPIES_MIN);
}

static void prepare(struct fsck *c, enum next next, uint64_t pages, bool dirs)
{
	c->cutting = next == CUTTING;
	c->freeing = next == FREEING;
	c->freed |= c->freeing;
	if (c->cutting)
		c->copies_left = copies_may(c, pages, dirs);
}

int passes_run(struct fsck *c)
{
	bool unsure = c->unsure;
	struct problem_mark mark = problem_mark(c);
	uint64_t fixed = c->fixed, pages;
	int ret, round = 1;
	enum next next;
	bool dirs; /* some are damaged */

	for (;;) {
		ret = round_run(c);
		next = what_next(c, fixed, mark.left);
		if (ret || next == END)
			return ret;
		if (round++ == ROUNDS_MAX) {
			c->left++; /* what was mended last was not looked at again */
			return 0;
		}
		problem_back(c, &mark);
		fixed = c->fixed;
		pages = c->pages_used;
		dirs = c->hidden;
		forget(c, unsure);
		prepare(c, next, pages, dirs);
	}
}
