// SPDX-License-Identifier: BSD-3-Clause
/*
 * counts.c - what waits until all that is in use is known, after pass 2: what an inode says it
 * has of pages and names, against what was found, and marks of runs.
 *
 * A count of pages that is too large may be wrong itself, or pages may have been lost,
 * by an entry that was zeroed: then they are marked in use and nothing leads to them.
 * Where there are such pages -p leaves the count, and them, to -y.
 *
 * While a page is used twice, counts stay as they are: a file whose entry leads to another's
 * pages has not as many as it says, and the other has. And a table that carries a mark may be
 * another's.
 */
#include <stdlib.h>

#include "fsck.h"

struct later {
	enum problem_code code;
	uint32_t ino;
	le64 *at; /* of a count in the inode, or an entry in a table */
	uint64_t value; /* found, or which page of the file */
};

static void settle_run(struct fsck *c, const struct later *l)
{
	struct object about = object("inode", l->ino);
	unsigned long long index = l->value;

	if (c->shared || info_at(c, l->ino)->flags & INFO_BAD)
		problem_keep(c, l->code, about, "page %llu of the file", index);
	else if (problem(c, l->code, about, "page %llu of the file", index)) {
		st64(l->at, ld64(l->at) & ~UMFS_PTE_RUN);
		media_sync(c, l->at, sizeof(*l->at));
	}
}

static void settle_count(struct fsck *c, const struct later *l, bool doubt)
{
	unsigned long long said = ld64(l->at), is = l->value;
	struct inode_info *info = info_at(c, l->ino);
	struct object about = object("inode", l->ino);

	if (!(info->flags & INFO_TWICE))
		info->flags |= INFO_ODD;
	if (doubt && l->code == PR_INO_PAGES && is < said) {
		problem_keep(c, l->code, about, "%llu, found %llu; some may have been lost", said,
			     is);
		c->unsure = true;
	} else if (info->flags & INFO_BAD || c->shared || c->cutting) {
		problem_keep(c, l->code, about, "%llu, found %llu", said, is);
	} else if (problem(c, l->code, about, "%llu, found %llu", said, is)) {
		inode_put64(c, inode_at(c, l->ino), l->ino, l->at, is);
	}
}

static void defer(struct fsck *c, const struct later *l)
{
	struct later *all;

	if (c->dry) {
		c->dry_found++;
		return;
	}
	if (c->later_count == c->later_room) {
		c->later_room = c->later_room ? 2 * c->later_room : 64;
		all = realloc(c->later, c->later_room * sizeof(*all));
		if (!all) {
			c->later_room = c->later_count;
			c->later_lost = true;
			return;
		}
		c->later = all;
	}
	c->later[c->later_count++] = *l;
}

void count_check(struct fsck *c, enum problem_code code, uint32_t ino, le64 *field,
		 uint64_t found)
{
	if (found != ld64(field))
		defer(c, &(struct later){code, ino, field, found});
}

void run_check(struct fsck *c, uint32_t ino, le64 *entry, uint64_t index)
{
	defer(c, &(struct later){PR_FPT_RUN, ino, entry, index});
}

int counts_settle(struct fsck *c)
{
	bool doubt = c->later_count && c->mode == FSCK_PREEN && pages_leaked(c);

	for (uint64_t i = 0; i < c->later_count; i++) {
		const struct later *l = &c->later[i];

		if (!info_at(c, l->ino)->type)
			continue; /* it was cleared */
		if (l->code == PR_FPT_RUN)
			settle_run(c, l);
		else
			settle_count(c, l, doubt);
	}
	free(c->later);
	c->later = NULL;
	c->later_count = c->later_room = 0;
	return c->later_lost ? -1 : 0;
}
