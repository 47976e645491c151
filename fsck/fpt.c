// SPDX-License-Identifier: BSD-3-Clause
/*
 * fpt.c - the page tables of files: every entry in form and in bounds, no page
 * used twice. Recursion is as deep as the format is high (three levels).
 *
 * In a round that cuts (rounds.c) an entry that is wrong becomes a hole, but where one bit of
 * its flags is wrong and the page nobody's; and an entry whose page somebody else has leads to
 * a copy. The page that it led to is not written to.
 */
#include "fsck.h"

#define LEAF_BITS (UMFS_PTE_LEAF & ~UMFS_PTE_VOLATILE)
#define HIDDEN_BITS ((LEAF_BITS & ~UMFS_PTE_P) | UMFS_PTE_UNWRITTEN)
#define LARGE_BITS (LEAF_BITS | UMFS_PTE_PSE)
#define TABLE_BITS (UMFS_PTE_TABLE & ~UMFS_PTE_VOLATILE)
#define STRAY_MAX 4u /* wrong entries that any table may have */

struct walk {
	struct fsck *c;
	uint32_t ino;
	struct umfs_inode_pm *inode;
	struct inode_info *info;
	uint64_t base;
	uint64_t end;	/* pages that the size covers */
	uint64_t pages; /* found to be owned */
	uint64_t past;	/* of them, data wholly behind the end */
	uint64_t extent; /* behind the last of them that is data */
	le64 *run;	/* the entry of the table that is walked, where it is marked as a run */
	bool drop;	/* take claims back instead of making them */
};

/* An entry and where it is: in a table, or the inode's root word. */
struct pte {
	le64 *at;
	uint64_t value; /* without what means nothing, and without the root's height */
	uint64_t index; /* of the file's page */
	uint32_t level; /* of what it names: 0 data, else a table */
};

/* True: it is to be cut off, or mended, now. */
static bool wrong(struct walk *w, enum problem_code code, const struct pte *e)
{
	if (problem(w->c, code, object("inode", w->ino), "page %llu of the file, entry 0x%llx",
		    (unsigned long long)e->index, (unsigned long long)e->value)) {
		cut_done(w->c);
		return true;
	}
	inode_bad(w->c, w->info);
	return false;
}

/* The page that the entry names; 0 (never a valid page) when below the base. */
static uint64_t entry_page(const struct walk *w, uint64_t entry)
{
	uint64_t at = entry & UMFS_PTE_ADDR;

	return at < w->base ? 0 : (at - w->base) >> UMFS_PAGE_SHIFT;
}

static uint64_t entry_of(const struct walk *w, uint64_t page, uint64_t bits)
{
	return ((page << UMFS_PAGE_SHIFT) + w->base) | bits;
}

/* ---- cutting off, and copying: one store each ---- */

/* Who changes an entry of a run takes the mark away before. */
static void run_end(struct walk *w)
{
	if (!w->run)
		return;
	st64(w->run, ld64(w->run) & ~UMFS_PTE_RUN);
	media_sync(w->c, w->run, sizeof(*w->run));
	w->run = NULL;
}

static void entry_put(struct walk *w, struct pte *e, uint64_t value)
{
	uint64_t height = ld64(&w->inode->root) & UMFS_ROOT_HEIGHT_MASK;

	cut_done(w->c);
	e->value = value;
	if (e->at == &w->inode->root) {
		inode_put64(w->c, w->inode, w->ino, &w->inode->root, value ? value | height : 0);
		return;
	}
	run_end(w);
	st64(e->at, value);
	media_sync(w->c, e->at, sizeof(*e->at));
}

/* A copy of the page, claimed; 0: there is no room. */
static uint64_t page_copy(struct fsck *c, uint64_t page)
{
	uint64_t to = c->copies_left ? page_alloc(c) : 0;

	if (!to)
		return 0;
	c->copies_left--;
	port_copy(page_at(c, to), page_at(c, page), UMFS_PAGE_BYTES);
	media_sync(c, page_at(c, to), UMFS_PAGE_BYTES);
	return to;
}

static void say_twice(struct walk *w, uint64_t page, uint64_t index, const char *what)
{
	(void)problem(w->c, PR_PAGE_TWICE, object("inode", w->ino),
		      "pool page %llu, page %llu of the file%s", (unsigned long long)page,
		      (unsigned long long)index, what);
}

/*
 * Somebody else has the page. When cutting: the entry leads to a copy then, or is cut off;
 * of a table only where nothing else is wrong with the file. True: go on with the entry.
 */
static bool page_shared(struct walk *w, struct pte *e)
{
	uint64_t page = entry_page(w, e->value), bits = e->value & ~UMFS_PTE_ADDR, copy = 0;
	bool hidden = !e->level && bits == HIDDEN_BITS;

	if (!cuts(w->c)) {
		say_twice(w, page, e->index, "");
		inode_shares(w->c, w->info);
		return false;
	}
	mend_begin(w->c);
	if (!hidden && !(e->level && inode_suspect(w->c, w->ino)))
		copy = page_copy(w->c, page);
	if (!copy && room_may_come(w->c)) {
		say_twice(w, page, e->index, "");
		inode_shares(w->c, w->info);
		return false;
	}
	entry_put(w, e, copy ? entry_of(w, copy, bits) : 0);
	say_twice(w, page, e->index, copy ? "; it has a copy now" : "; cut off");
	return copy;
}

/* ---- data ---- */

static bool range_good(const struct walk *w, uint64_t page, uint64_t count)
{
	return page_valid(w->c, page) && page_valid(w->c, page + count - 1);
}

/* The only form that one bit turned makes of it; written pages are many more than others. */
static uint64_t form_guess(uint64_t bits, bool large)
{
	if (large)
		return __builtin_popcountll(bits ^ LARGE_BITS) == 1 ? LARGE_BITS : 0;
	if (__builtin_popcountll(bits ^ LEAF_BITS) == 1)
		return LEAF_BITS;
	return __builtin_popcountll(bits ^ HIDDEN_BITS) == 1 ? HIDDEN_BITS : 0;
}

/* Is it this file's by all that is known: nobody has it, and it is marked in use? */
static bool nobodys(const struct walk *w, uint64_t page, uint64_t count)
{
	if (!range_good(w, page, count))
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (page_claimed(w->c, page + i) || !page_marked(w->c, page + i))
			return false;
	return true;
}

/* False: there is no entry any more, or it is not to be followed. */
static bool leaf_form(struct walk *w, struct pte *e, bool large)
{
	uint64_t bits = e->value & ~UMFS_PTE_ADDR, guess, page = entry_page(w, e->value);
	uint64_t count = large ? UMFS_UNIT_PAGES : 1;

	if (large ? bits == LARGE_BITS : bits == LEAF_BITS || bits == HIDDEN_BITS) {
		if (!large || page % UMFS_UNIT_PAGES == 0)
			return true;
		if (wrong(w, PR_FPT_ALIGN, e))
			entry_put(w, e, 0);
		return false;
	}
	if (!wrong(w, PR_FPT_ENTRY, e))
		return false;
	guess = form_guess(bits, large);
	if (!guess || !nobodys(w, page, count) || (large && page % UMFS_UNIT_PAGES)) {
		entry_put(w, e, 0);
		return false;
	}
	entry_put(w, e, (e->value & UMFS_PTE_ADDR) | guess);
	return true;
}

static void take_back(struct walk *w, uint64_t page, uint64_t count)
{
	for (uint64_t i = 0; range_good(w, page, count) && i < count; i++)
		page_free(w->c, page + i);
}

/*
 * Some of the 512 are somebody else's: a table with an entry for each takes the place of the
 * one entry, so that the others may stay.
 */
static void large_split(struct walk *w, struct pte *e)
{
	uint64_t page = entry_page(w, e->value), table, copies = 0;
	le64 entries[UMFS_PTE_PER_PAGE];

	mend_begin(w->c);
	table = page_alloc(w->c);
	for (uint64_t i = 0; table && i < UMFS_UNIT_PAGES; i++) {
		uint64_t own = page_claim(w->c, page + i) ? page + i : page_copy(w->c, page + i);

		copies += own && own != page + i;
		st64(&entries[i], own ? entry_of(w, own, LEAF_BITS) : 0);
	}
	if (table) {
		port_copy(page_at(w->c, table), entries, UMFS_PAGE_BYTES);
		media_sync(w->c, page_at(w->c, table), UMFS_PAGE_BYTES);
	}
	entry_put(w, e, table ? entry_of(w, table, TABLE_BITS) : 0);
	(void)problem(w->c, PR_PAGE_TWICE, object("inode", w->ino),
		      "of pool pages %llu to %llu, page %llu of the file; %llu have a copy now",
		      (unsigned long long)page, (unsigned long long)(page + UMFS_UNIT_PAGES - 1),
		      (unsigned long long)e->index, (unsigned long long)copies);
}

static void take_large(struct walk *w, struct pte *e)
{
	uint64_t page = entry_page(w, e->value), first = UMFS_UNIT_PAGES;

	for (uint64_t i = 0; cuts(w->c) && i < UMFS_UNIT_PAGES; i++)
		if (page_claimed(w->c, page + i)) {
			large_split(w, e);
			return;
		}
	for (uint64_t i = 0; i < UMFS_UNIT_PAGES; i++)
		if (!page_claim(w->c, page + i) && first == UMFS_UNIT_PAGES) {
			first = i;
			if (w->c->hold)
				break;
		}
	if (first < UMFS_UNIT_PAGES) {
		say_twice(w, page + first, e->index + first, ", and maybe more");
		inode_shares(w->c, w->info);
	}
}

/* An entry of a 4 KiB page or, where `large`, a 2 MiB leaf. */
static void check_leaf(struct walk *w, struct pte *e, bool large)
{
	uint64_t count = large ? UMFS_UNIT_PAGES : 1, page = entry_page(w, e->value);

	if (w->drop) {
		take_back(w, page, count);
		return;
	}
	unit_revive(w->c, page);
	if (!leaf_form(w, e, large))
		return;
	if (!range_good(w, page, count)) {
		if (wrong(w, PR_FPT_RANGE, e))
			entry_put(w, e, 0);
		return;
	}
	w->pages += count;
	w->extent = e->index + count;
	if (e->index >= w->end)
		w->past += count;
	if (large)
		take_large(w, e);
	else if (!page_claim(w->c, page))
		(void)page_shared(w, e);
}

/* ---- tables ---- */

static bool is_run(const le64 *ptes)
{
	uint64_t first = ld64(ptes) & ~UMFS_PTE_VOLATILE;

	for (uint64_t i = 0; i < UMFS_PTE_PER_PAGE; i++)
		if ((ld64(&ptes[i]) & ~UMFS_PTE_VOLATILE) != first + (i << UMFS_PAGE_SHIFT))
			return false;
	return first & UMFS_PTE_P;
}

static bool entry_plausible(const struct walk *w, uint64_t entry, uint32_t level)
{
	uint64_t bits = entry & ~UMFS_PTE_ADDR;

	if (!page_valid(w->c, entry_page(w, entry)))
		return false;
	if (level == 1)
		return bits == LEAF_BITS || bits == HIDDEN_BITS;
	return (bits & ~UMFS_PTE_RUN) == TABLE_BITS || (level == 2 && bits == LARGE_BITS);
}

/* May it be a table at all, of which an entry or two are damaged? */
static bool table_like(const struct walk *w, const le64 *table, uint32_t level)
{
	uint32_t good = 0, stray = 0;

	for (uint64_t i = 0; i < UMFS_PTE_PER_PAGE; i++) {
		uint64_t entry = ld64(&table[i]) & ~UMFS_PTE_VOLATILE;

		if (entry && entry_plausible(w, entry, level))
			good++;
		else if (entry)
			stray++;
	}
	return !stray || (good && (stray <= STRAY_MAX || stray <= good / 4));
}

/* False: there is no entry any more, or it is not to be followed. */
static bool table_form(struct walk *w, struct pte *e, uint64_t mark)
{
	uint64_t bits = e->value & ~UMFS_PTE_ADDR & ~mark, page = entry_page(w, e->value);
	bool form = bits == TABLE_BITS;

	unit_revive(w->c, page);
	if (!form) {
		if (!wrong(w, PR_FPT_ENTRY, e))
			return false;
		form = __builtin_popcountll(bits ^ TABLE_BITS) == 1 && nobodys(w, page, 1);
		entry_put(w, e, form ? (e->value & UMFS_PTE_ADDR) | TABLE_BITS : 0);
		if (!form)
			return false;
	}
	if (!page_valid(w->c, page)) {
		if (wrong(w, PR_FPT_RANGE, e))
			entry_put(w, e, 0);
		return false;
	}
	if (cuts(w->c) && !table_like(w, page_at(w->c, page), e->level)) {
		if (wrong(w, PR_FPT_ENTRY, e))
			entry_put(w, e, 0);
		return false;
	}
	return true;
}

static void check_table(struct walk *w, struct pte *e);

static void walk_table(struct walk *w, struct pte *parent, le64 *table)
{
	for (uint64_t i = 0; i < UMFS_PTE_PER_PAGE; i++) {
		struct pte e = {.at = &table[i],
				.value = ld64(&table[i]) & ~UMFS_PTE_VOLATILE,
				.index = parent->index + (i << 9 * (parent->level - 1)),
				.level = parent->level - 1};

		if (!e.value)
			continue;
		if (parent->level == 2 && (e.value & UMFS_PTE_PSE))
			e.level = 0;
		if (e.level)
			check_table(w, &e);
		else
			check_leaf(w, &e, parent->level == 2);
	}
}

/* `e->level` is that of the table which the entry names: 1 for a PTE page. */
static void check_table(struct walk *w, struct pte *e)
{
	uint64_t mark = e->level == 1 && e->at != &w->inode->root ? UMFS_PTE_RUN : 0, page;

	if (w->drop) {
		page = entry_page(w, e->value);
		if (!page_valid(w->c, page))
			return;
		walk_table(w, e, page_at(w->c, page));
		page_free(w->c, page);
		return;
	}
	if (!table_form(w, e, mark))
		return;
	w->pages++;
	if (!page_claim(w->c, entry_page(w, e->value)) && !page_shared(w, e))
		return;
	page = entry_page(w, e->value);
	w->run = e->value & mark ? e->at : NULL;
	if (w->run && !is_run(page_at(w->c, page)))
		run_check(w->c, w->ino, e->at, e->index);
	walk_table(w, e, page_at(w->c, page));
	w->run = NULL;
}

static void walk_root(struct walk *w, uint64_t root)
{
	uint32_t height = (uint32_t)((root & UMFS_ROOT_HEIGHT_MASK) >> UMFS_ROOT_HEIGHT_SHIFT);
	struct pte e = {.at = &w->inode->root, .level = height,
			.value = root & ~(UMFS_ROOT_HEIGHT_MASK | UMFS_PTE_VOLATILE)};

	if (!root)
		return;
	if (!e.value) {
		if (!w->drop && wrong(w, PR_FPT_ROOT, &e))
			entry_put(w, &e, 0);
	} else if (height) {
		check_table(w, &e);
	} else {
		check_leaf(w, &e, false);
	}
}

/* Pages that the size covers, or that were asked for past it. */
static uint64_t pages_meant(const struct umfs_inode_pm *inode)
{
	uint64_t pages = (inode_size(inode) + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
	uint64_t keep = ld64(&inode->keep);

	return keep > pages ? keep : pages;
}

uint64_t fpt_check(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino,
		   struct inode_info *info, uint64_t *extent)
{
	struct walk w = {
		.c = c,
		.ino = ino,
		.inode = inode,
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
		.inode = inode_at(c, ino),
		.info = info_at(c, ino),
		.base = ld64(&inode->base),
		.end = UINT64_MAX,
		.drop = true,
	};

	walk_root(&w, ld64(&inode->root));
}
