// SPDX-License-Identifier: BSD-3-Clause
/*
 * counts.c - what an inode says it has of pages and names, against what was found.
 *
 * A count of pages that is too large may be wrong itself, or pages may have been lost,
 * by an entry that was zeroed: then they are marked in use and nothing leads to them.
 * Which it is shows when all that is in use is known, after pass 2. Where there are such
 * pages -p leaves the count, and them, to -y.
 */
#include <stdlib.h>

#include "fsck.h"

struct low_count {
	uint32_t ino;
	uint64_t found;
};

static void settle(struct fsck *c, enum problem_code code, uint32_t ino, le64 *field,
		   uint64_t found)
{
	unsigned long long said = ld64(field), is = found;

	if (info_at(c, ino)->flags & INFO_BAD)
		problem_keep(c, code, object("inode", ino), "%llu, found %llu", said, is);
	else if (problem(c, code, object("inode", ino), "%llu, found %llu", said, is))
		inode_put64(c, inode_at(c, ino), ino, field, found);
}

static void defer(struct fsck *c, uint32_t ino, uint64_t found)
{
	struct low_count *low;

	if (c->low_count == c->low_room) {
		c->low_room = c->low_room ? 2 * c->low_room : 64;
		low = realloc(c->low, c->low_room * sizeof(*low));
		if (!low) {
			c->low_room = 0;
			c->low_lost = true;
			return;
		}
		c->low = low;
	}
	c->low[c->low_count++] = (struct low_count){ ino, found };
}

void count_check(struct fsck *c, enum problem_code code, uint32_t ino, le64 *field,
		 uint64_t found)
{
	uint64_t said = ld64(field);

	if (found == said)
		return;
	if (code == PR_INO_PAGES && found < said && !c->low_lost)
		defer(c, ino, found);
	else
		settle(c, code, ino, field, found);
}

int counts_settle(struct fsck *c)
{
	bool doubt = c->low_count && c->mode == FSCK_PREEN && pages_leaked(c);

	for (uint64_t i = 0; i < c->low_count; i++) {
		uint32_t ino = c->low[i].ino;
		struct umfs_inode_pm *inode = inode_at(c, ino);

		if (!doubt) {
			settle(c, PR_INO_PAGES, ino, &inode->pages, c->low[i].found);
			continue;
		}
		problem_keep(c, PR_INO_PAGES, object("inode", ino),
			     "%llu, found %llu; some may have been lost",
			     (unsigned long long)ld64(&inode->pages),
			     (unsigned long long)c->low[i].found);
		c->unsure = true;
	}
	free(c->low);
	c->low = NULL;
	c->low_count = c->low_room = 0;
	return c->low_lost ? -1 : 0;
}
