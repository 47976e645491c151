// SPDX-License-Identifier: BSD-3-Clause
/*
 * fpt.c - the page tables of files: every entry in form and in bounds, no page
 * used twice. Recursion is as deep as the format is high (three levels).
 */
#include "fsck.h"

#define LEAF_BITS (UMFS_PTE_LEAF & ~UMFS_PTE_VOLATILE)
#define HIDDEN_BITS ((LEAF_BITS & ~UMFS_PTE_P) | UMFS_PTE_UNWRITTEN)
#define TABLE_BITS (UMFS_PTE_TABLE & ~UMFS_PTE_VOLATILE)

struct walk {
	struct fsck *c;
	uint32_t ino;
	struct inode_info *info;
	uint64_t base;
	uint64_t end;	/* pages that the size covers */
	uint64_t pages; /* found to be owned */
	uint64_t past;	/* of them, data wholly behind the end */
	uint64_t extent; /* behind the last of them that is data */
	bool drop;	/* take claims back instead of making them */
};

static void bad(struct walk *w, enum problem_code code, uint64_t index, uint64_t entry)
{
	problem(w->c, code, object("inode", w->ino), "page %llu of the file, entry 0x%llx",
		(unsigned long long)index, (unsigned long long)entry);
	inode_bad(w->c, w->info);
}

/* The page that the entry names; 0 (never a valid page) when below the base. */
static uint64_t entry_page(const struct walk *w, uint64_t entry)
{
	uint64_t at = entry & UMFS_PTE_ADDR;

	return at < w->base ? 0 : (at - w->base) >> UMFS_PAGE_SHIFT;
}

/* Claim (or give up) `count` pages; false when one of them may not be followed. */
static bool take(struct walk *w, uint64_t entry, uint64_t count, uint64_t index)
{
	uint64_t page = entry_page(w, entry);
	bool all = true;

	if (!page_valid(w->c, page) || !page_valid(w->c, page + count - 1)) {
		if (!w->drop)
			bad(w, PR_FPT_RANGE, index, entry);
		return false;
	}
	w->pages += count;
	for (uint64_t i = 0; i < count; i++) {
		if (w->drop) {
			page_free(w->c, page + i);
		} else if (!page_claim(w->c, page + i)) {
			problem(w->c, PR_PAGE_TWICE, object("inode", w->ino),
				"pool page %llu, page %llu of the file",
				(unsigned long long)(page + i), (unsigned long long)(index + i));
			inode_bad(w->c, w->info);
			all = false;
		}
	}
	return all;
}

/* An entry of a 4 KiB page or, where `large`, a 2 MiB leaf. */
static void check_leaf(struct walk *w, uint64_t entry, uint64_t index, bool large)
{
	uint64_t flags = entry & ~UMFS_PTE_ADDR;

	if (large ? flags != (LEAF_BITS | UMFS_PTE_PSE) :
		    flags != LEAF_BITS && flags != HIDDEN_BITS) {
		bad(w, PR_FPT_ENTRY, index, entry);
		return;
	}
	if (large && entry_page(w, entry) % UMFS_UNIT_PAGES) {
		bad(w, PR_FPT_ALIGN, index, entry);
		return;
	}
	take(w, entry, large ? UMFS_UNIT_PAGES : 1, index);
	w->extent = index + (large ? UMFS_UNIT_PAGES : 1);
	if (index >= w->end)
		w->past += large ? UMFS_UNIT_PAGES : 1;
}

static bool is_run(const le64 *ptes)
{
	uint64_t first = ld64(ptes) & ~UMFS_PTE_VOLATILE;

	for (uint64_t i = 0; i < UMFS_PTE_PER_PAGE; i++)
		if ((ld64(&ptes[i]) & ~UMFS_PTE_VOLATILE) != first + (i << UMFS_PAGE_SHIFT))
			return false;
	return first & UMFS_PTE_P;
}

/* The mark only makes reads faster: without it nothing is lost. */
static void check_run(struct walk *w, const le64 *ptes, le64 *parent, uint64_t index)
{
	if (w->drop || is_run(ptes) ||
	    !problem(w->c, PR_FPT_RUN, object("inode", w->ino), "page %llu of the file",
		     (unsigned long long)index))
		return;
	st64(parent, ld64(parent) & ~UMFS_PTE_RUN);
	media_sync(w->c, parent, sizeof(*parent));
}

/*
 * `level` is that of the table which `entry` names: 1 for a PTE page. `at`:
 * where the entry lies in a table; NULL for the root.
 */
static void check_table(struct walk *w, uint64_t entry, uint32_t level, uint64_t index, le64 *at)
{
	uint64_t mark = level == 1 && at ? UMFS_PTE_RUN : 0;
	le64 *table;

	if ((entry & ~(UMFS_PTE_ADDR | mark)) != TABLE_BITS) {
		bad(w, PR_FPT_ENTRY, index, entry);
		return;
	}
	if (!w->drop && !take(w, entry, 1, index))
		return;
	table = page_at(w->c, entry_page(w, entry));
	if (entry & mark)
		check_run(w, table, at, index);
	for (uint64_t i = 0; i < UMFS_PTE_PER_PAGE; i++) {
		uint64_t e = ld64(&table[i]) & ~UMFS_PTE_VOLATILE;
		uint64_t part = index + (i << 9 * (level - 1));

		if (!e)
			continue;
		if (level == 1)
			check_leaf(w, e, part, false);
		else if (level == 2 && (e & UMFS_PTE_PSE))
			check_leaf(w, e, part, true);
		else
			check_table(w, e, level - 1, part, &table[i]);
	}
	if (w->drop)
		take(w, entry, 1, index);
}

static void walk_root(struct walk *w, uint64_t root)
{
	uint32_t height = (uint32_t)((root & UMFS_ROOT_HEIGHT_MASK) >> UMFS_ROOT_HEIGHT_SHIFT);
	uint64_t entry = root & ~(UMFS_ROOT_HEIGHT_MASK | UMFS_PTE_VOLATILE);

	if (!root)
		return;
	if (!entry) {
		problem(w->c, PR_FPT_ROOT, object("inode", w->ino), "0x%llx",
			(unsigned long long)root);
		inode_bad(w->c, w->info);
	} else if (height) {
		check_table(w, entry, height, 0, NULL);
	} else {
		check_leaf(w, entry, 0, false);
	}
}

/* Pages that the size covers, or that were asked for past it. */
static uint64_t pages_meant(const struct umfs_inode_pm *inode)
{
	uint64_t pages = (inode_size(inode) + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
	uint64_t keep = ld64(&inode->keep);

	return keep > pages ? keep : pages;
}

uint64_t fpt_check(struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino,
		   struct inode_info *info, uint64_t *extent)
{
	struct walk w = {
		.c = c,
		.ino = ino,
		.info = info,
		.base = ld64(&inode->base),
		.end = info->flags & INFO_SIZE ? UINT64_MAX : pages_meant(inode),
	};

	walk_root(&w, ld64(&inode->root));
	*extent = w.extent;
	if (w.past)
		problem(c, PR_FPT_PAST_END, object("inode", ino), "%llu pages",
			(unsigned long long)w.past);
	return w.pages;
}

void fpt_drop(struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino)
{
	struct walk w = {
		.c = c,
		.ino = ino,
		.info = info_at(c, ino),
		.base = ld64(&inode->base),
		.end = UINT64_MAX,
		.drop = true,
	};

	walk_root(&w, ld64(&inode->root));
}
