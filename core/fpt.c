// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * fpt.c - file page tables: the one index of a file, in the x86-64 format.
 *
 * The root word in the inode names a page (height 0), a PTE page (1), a PMD
 * page (2) or a PUD page (3). Walks take no lock and trust nothing: each entry
 * is loaded once, masked, bounded and only then followed; what they find counts
 * only after the caller rechecked the inode's sequence.
 *
 * A 2 MiB leaf that is cut in two by a truncation stays whole: it is never
 * split, so that freeing never needs a page.
 *
 * I1  UMFS_PTE_RUN on the entry of a PTE page: that page's 512 entries are all
 *     written and name neighbours in order, so any one of them tells all. Set
 *     when that is durable, cleared durably before one of them changes: a crash
 *     at any store leaves it true or not set.
 */
#include "internal.h"
#include "view.h"

#define FPT_PAGES_MAX (UMFS_FILE_BYTES_MAX >> UMFS_PAGE_SHIFT)
#define LEVEL_BITS 9u
#define ALL_THE_REST UINT64_MAX /* pages past what the height reaches, however many are asked for */

static uint32_t level_index(uint64_t index, uint32_t level)
{
	return (uint32_t)(index >> (LEVEL_BITS * (level - 1))) & (UMFS_PTE_PER_PAGE - 1);
}

static uint64_t table_entry(uint64_t page)
{
	return page << UMFS_PAGE_SHIFT | UMFS_PTE_TABLE;
}

/* Where the entry of a page lies: `ptes` and `at` in it, or a leaf, or nothing for `span` pages. */
struct place {
	le64 *ptes;	/* the PTE page, or NULL */
	le64 *parent;	/* the entry that names the PTE page or is the 2 MiB leaf; NULL: the root */
	uint64_t leaf;	/* 2 MiB leaf, or the root entry at height 0; else 0 */
	uint64_t span;	/* pages from index to the end of what was found */
	bool run;	/* UMFS_PTE_RUN of `ptes` */
	bool odd;	/* there is an entry, and it is neither table nor leaf: damage */
};

/* All of [page, page+count) valid; count <= 512. Only the head of a group is not. */
static bool pages_valid(const struct umfs *fs, uint64_t page, uint64_t count)
{
	uint64_t last = page + count - 1;

	return umfs_page_valid(fs, page) && umfs_page_valid(fs, last) &&
	       (page - fs->geo.groups_page) >> UMFS_GROUP_SHIFT ==
		       (last - fs->geo.groups_page) >> UMFS_GROUP_SHIFT;
}

static bool is_leaf_2m(const struct umfs *fs, uint64_t entry)
{
	uint64_t page = umfs_pte_page(entry);

	return (entry & UMFS_PTE_PSE) && (entry & UMFS_PTE_P) &&
	       !(page & (UMFS_UNIT_PAGES - 1)) && pages_valid(fs, page, UMFS_UNIT_PAGES);
}

/* A page of entries. What is marked a leaf, but is none in its place, is no table either. */
static bool is_table(const struct umfs *fs, uint64_t entry)
{
	return (entry & (UMFS_PTE_P | UMFS_PTE_PSE)) == UMFS_PTE_P &&
	       umfs_page_valid(fs, umfs_pte_page(entry));
}

static void find_place(const struct umfs *fs, uint64_t root, uint64_t index, struct place *p)
{
	uint32_t level = umfs_root_height(root);
	uint64_t entry = root & ~(UMFS_ROOT_HEIGHT_MASK | UMFS_PTE_VOLATILE);

	p->ptes = p->parent = NULL;
	p->leaf = 0;
	p->run = p->odd = false;
	if (level == 0) {
		p->odd = index == 0 && (entry & UMFS_PTE_PSE);
		p->leaf = index == 0 && !p->odd ? entry : 0;
		p->span = index == 0 ? 1 : ALL_THE_REST;
		return;
	}
	p->span = ALL_THE_REST;
	if (index >> (LEVEL_BITS * level))
		return;
	for (;;) {
		uint64_t cover = 1ull << (LEVEL_BITS * level);
		le64 *table;

		p->span = cover - (index & (cover - 1));
		if (!is_table(fs, entry)) {
			p->odd = entry != 0;
			return;
		}
		table = umfs_page(fs, umfs_pte_page(entry));
		if (level == 1) {
			p->ptes = table;
			p->run = entry & UMFS_PTE_RUN && p->parent;
			return;
		}
		p->parent = &table[level_index(index, level)];
		entry = ld64(p->parent) & ~UMFS_PTE_VOLATILE;
		level--;
		if (level == 1 && is_leaf_2m(fs, entry)) {
			p->leaf = entry;
			p->span = UMFS_PTE_PER_PAGE - (index & (UMFS_PTE_PER_PAGE - 1));
			return;
		}
	}
}

/* The entry of the 4 KiB page `index` inside a found leaf. */
static uint64_t leaf_part(const struct umfs *fs, uint64_t leaf, uint64_t index)
{
	if (!(leaf & UMFS_PTE_PSE))
		return umfs_pte_sane(fs, leaf);
	return leaf + ((index & (UMFS_PTE_PER_PAGE - 1)) << UMFS_PAGE_SHIFT);
}

uint64_t umfs_fpt_get(const struct umfs *fs, uint64_t root, uint64_t index)
{
	struct place p;

	find_place(fs, root, index, &p);
	if (p.ptes)
		return umfs_pte_sane(fs, ld64(&p.ptes[index & (UMFS_PTE_PER_PAGE - 1)]));
	return p.leaf ? leaf_part(fs, p.leaf, index) : 0;
}

/* Does `next`, `n` pages after `first`, continue it? Holes continue holes. */
static bool alike(uint64_t first, uint64_t next, uint64_t n)
{
	const uint64_t state = UMFS_PTE_P | UMFS_PTE_UNWRITTEN | UMFS_PTE_PSE;

	if (!first || !next)
		return first == next;
	return (first & state) == (next & state) &&
	       umfs_pte_page(next) == umfs_pte_page(first) + n;
}

uint64_t umfs_fpt_run(const struct umfs *fs, uint64_t root, uint64_t index, uint64_t max,
		      uint64_t *entry)
{
	uint64_t n = 0;

	*entry = 0;
	while (n < max) {
		struct place p;
		uint64_t i, span;

		find_place(fs, root, index + n, &p);
		span = UMFS_MIN(p.span, max - n);
		for (i = 0; i < span; i++) {
			uint64_t at = index + n + i, e = 0;

			if (p.ptes)
				e = umfs_pte_sane(fs, ld64(&p.ptes[at & (UMFS_PTE_PER_PAGE - 1)]));
			else if (p.leaf)
				e = leaf_part(fs, p.leaf, at);
			if (n + i == 0)
				*entry = e;
			else if (!alike(*entry, e, n + i))
				return n + i;
			if (!p.ptes || (p.run && pages_valid(fs, umfs_pte_page(e), span - i)))
				i = span - 1; /* a hole, a leaf, a run: the rest follows */
		}
		n += span;
	}
	return n;
}

static inline bool eight_zeros(const le64 *e)
{
	return !(ld64(&e[0]) | ld64(&e[1]) | ld64(&e[2]) | ld64(&e[3]) | ld64(&e[4]) | ld64(&e[5]) |
		 ld64(&e[6]) | ld64(&e[7]));
}

/* The first that says anything, or `count`: most of a small file's table is zeros. */
static uint64_t first_set(const le64 *entries, uint64_t count)
{
	uint64_t i = 0;

	while (i < count && !(ld64(&entries[i]) & ~UMFS_PTE_VOLATILE))
		i += count - i >= 8 && eight_zeros(&entries[i]) ? 8 : 1;
	return i;
}

uint64_t umfs_fpt_next(const struct umfs *fs, uint64_t root, uint64_t index, uint64_t end)
{
	while (index < end) {
		struct place p;
		uint64_t stop;

		find_place(fs, root, index, &p);
		stop = p.span < end - index ? index + p.span : end;
		if (p.leaf || p.odd)
			return index;
		if (p.ptes) {
			uint64_t in_table = index & (UMFS_PTE_PER_PAGE - 1);

			index += first_set(p.ptes + in_table, stop - index);
			if (index < stop)
				return index;
		}
		index = stop;
	}
	return end;
}

bool umfs_fpt_find(const struct umfs *fs, uint64_t root, uint64_t index, struct umfs_fpt_at *at)
{
	uint32_t level = umfs_root_height(root), in_table = index & (UMFS_PTE_PER_PAGE - 1);
	uint32_t look = in_table;
	uint64_t entry = root;
	le64 *slot = NULL, *ptes;

	if (!level || index >> (LEVEL_BITS * level))
		return false;
	for (; level > 1; level--) {
		if (!is_table(fs, entry))
			return false;
		slot = (le64 *)umfs_page(fs, umfs_pte_page(entry)) + level_index(index, level);
		entry = ld64(slot);
	}
	if (!is_table(fs, entry))
		return false;
	ptes = umfs_page(fs, umfs_pte_page(entry));
	at->slot = &ptes[in_table];
	at->run = slot && (entry & UMFS_PTE_RUN) ? slot : NULL;
	if (at->run)
		look = umfs_run_look(index);
	entry = ld64(&ptes[look]);
	at->page = umfs_pte_page(entry) + in_table - look;
	return (entry & (UMFS_PTE_P | UMFS_PTE_PSE)) == UMFS_PTE_P &&
	       umfs_page_valid(fs, at->page);
}

/* Does [index, stop), all of one table or leaf, hold a page that is written (or is not)? */
static uint64_t find_in_place(const struct umfs *fs, const struct place *p, uint64_t index,
			      uint64_t stop, bool written)
{
	if (!p->ptes && !p->leaf)
		return written ? stop : index;
	if (!p->ptes || p->run)
		return umfs_pte_written(p->leaf) || p->run ? (written ? index : stop)
							   : (written ? stop : index);
	while (index < stop && umfs_pte_written(umfs_pte_sane(fs, ld64(&p->ptes[index &
						(UMFS_PTE_PER_PAGE - 1)]))) != written)
		index++;
	return index;
}

uint64_t umfs_fpt_seek(const struct umfs *fs, uint64_t root, uint64_t index, uint64_t end,
		       bool written)
{
	while (index < end) {
		struct place p;
		uint64_t stop, at;

		find_place(fs, root, index, &p);
		stop = p.span < end - index ? index + p.span : end;
		if (p.ptes)
			stop = UMFS_MIN(stop, (index | (UMFS_PTE_PER_PAGE - 1)) + 1);
		at = find_in_place(fs, &p, index, stop, written);
		if (at < stop)
			return at;
		index = stop;
	}
	return end;
}

/* The entries change after the caller's next fence, or are put back if there is no commit. */
static void clear_mark(const struct umfs *fs, le64 *parent)
{
	st64(parent, ld64(parent) & ~UMFS_PTE_RUN);
	umfs_flush(fs, parent, sizeof(*parent));
}

void umfs_fpt_break_run(const struct umfs *fs, const struct umfs_inode_pm *inode, uint64_t index)
{
	struct place p;

	find_place(fs, ld64(&inode->root), index, &p);
	if (p.run)
		clear_mark(fs, p.parent);
}

static bool is_run(const struct umfs *fs, const le64 *ptes)
{
	uint64_t first = umfs_pte_sane(fs, ld64(ptes));
	uint32_t i;

	for (i = 1; i < UMFS_PTE_PER_PAGE; i++)
		if (!alike(first, umfs_pte_sane(fs, ld64(&ptes[i])), i))
			return false;
	return umfs_pte_written(first);
}

void umfs_fpt_mark_run(const struct umfs *fs, const struct umfs_inode_pm *inode, uint64_t index)
{
	struct place p;

	find_place(fs, ld64(&inode->root), index, &p);
	if (!p.ptes || !p.parent || p.run || !is_run(fs, p.ptes))
		return;
	umfs_fence(fs); /* the entries before the mark */
	/* Not flushed: one that is lost is missing, and whoever writes to the last page sets it again. */
	st64(p.parent, ld64(p.parent) | UMFS_PTE_RUN);
}

le64 *umfs_fpt_slot(const struct umfs *fs, struct umfs_inode_pm *inode, uint64_t index)
{
	uint64_t root = ld64(&inode->root);
	struct place p;

	if (umfs_root_height(root) == 0)
		return index == 0 ? &inode->root : NULL;
	find_place(fs, root, index, &p);
	return p.ptes ? &p.ptes[index & (UMFS_PTE_PER_PAGE - 1)] : NULL;
}

/* ---- growing ---- */

static uint32_t height_for(uint64_t index)
{
	uint32_t height = 0;

	while (index >> (LEVEL_BITS * height))
		height++;
	return height;
}

static void add_pages(struct umfs_inode_pm *inode, int64_t pages)
{
	st64(&inode->pages, ld64(&inode->pages) + (uint64_t)pages);
}

/* A new top: what was the file is its first part. */
static int raise_root(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t height)
{
	uint64_t root = ld64(&inode->root), page;
	uint32_t now = umfs_root_height(root);
	int err;

	if (!root)
		now = height - 1; /* nothing to keep: straight to the height wanted */
	while (now < height) {
		err = umfs_page_alloc_zeroed(tx, umfs_pte_page(root), &page);
		if (err)
			return err;
		if (root) {
			st64(umfs_page(tx->fs, page), root & ~UMFS_ROOT_HEIGHT_MASK);
			umfs_flush(tx->fs, umfs_page(tx->fs, page), 8);
		}
		now++;
		root = table_entry(page) | (uint64_t)now << UMFS_ROOT_HEIGHT_SHIFT;
		st64(&inode->root, root); /* the inode was saved, and that fenced by allocating */
		add_pages(inode, 1);
	}
	return 0;
}

int umfs_fpt_reserve(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino,
		     uint64_t index)
{
	struct umfs *fs = tx->fs;
	uint32_t height = height_for(index), level;
	uint64_t page;
	le64 *slot;
	int err = 0;

	(void)ino;
	if (umfs_root_height(ld64(&inode->root)) < height)
		err = raise_root(tx, inode, height);
	slot = &inode->root;
	for (level = umfs_root_height(ld64(slot)); !err && level > 0; level--) {
		uint64_t entry = ld64(slot) & ~UMFS_PTE_VOLATILE;

		if (level == 1 && slot != &inode->root && is_leaf_2m(fs, entry))
			return 0;
		if (!entry) {
			err = umfs_page_alloc_zeroed(tx, 0, &page);
			if (!err)
				err = umfs_tx_save(tx, slot, sizeof(*slot));
			if (err)
				return err;
			umfs_tx_fence(tx);
			entry = table_entry(page);
			st64(slot, entry);
			add_pages(inode, 1);
		}
		if (!is_table(fs, entry))
			return -EUCLEAN; /* what it named is not lost for a new table */
		slot = (le64 *)umfs_page(fs, umfs_pte_page(entry)) + level_index(index, level);
	}
	return err;
}

/* ---- trimming ---- */

/*
 * Leave out zeros at both ends: most of a small file's table, which would be saved, summed
 * and looked through.
 */
static void narrow(le64 **entries, uint32_t *count)
{
	while (*count && !ld64(*entries)) {
		(*entries)++;
		(*count)--;
	}
	while (*count > 8 && eight_zeros(*entries + *count - 8))
		*count -= 8;
	while (*count && !ld64(*entries + *count - 1))
		(*count)--;
}

static uint32_t pages_in(const le64 *entries, uint32_t count)
{
	uint32_t i, pages = 0;

	for (i = 0; i < count; i++)
		if (ld64(&entries[i]) & UMFS_PTE_ADDR)
			pages += (ld64(&entries[i]) & UMFS_PTE_PSE) ? UMFS_PTE_PER_PAGE : 1;
	return pages;
}

/* Among those of a PTE page: 512 pages would be freed by it. */
static bool any_leaf_2m(const le64 *entries, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (ld64(&entries[i]) & UMFS_PTE_PSE)
			return true;
	return false;
}

/* They were saved: flushed by the commit. */
static void clear_entries(le64 *entries, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (ld64(&entries[i]))
			st64(&entries[i], 0);
}

/*
 * In the caller's transaction, which saved the inode: the entries [slot, slot+count),
 * and the table page that `table` names when it goes with them.
 */
static int cut_entries(struct umfs_tx *tx, struct umfs_inode_pm *inode, le64 *slot,
		       uint32_t count, le64 *table)
{
	uint32_t pages = pages_in(slot, count) + (table ? 1 : 0);
	int err = count ? umfs_tx_save_fpt(tx, slot, count) : 0;

	if (!err && table)
		err = umfs_tx_save_fpt(tx, table, 1);
	if (err)
		return err;
	umfs_tx_fence(tx);
	if (table)
		clear_entries(table, 1);
	else
		clear_entries(slot, count);
	add_pages(inode, -(int64_t)pages);
	return 0;
}

/* The same as a transaction. */
static int drop_entries(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino,
			le64 *slot, uint32_t count, le64 *table)
{
	int err;

	umfs_tx_begin(tx);
	err = umfs_inode_save(tx, inode, ino);
	if (!err)
		err = cut_entries(tx, inode, slot, count, table);
	if (err) {
		umfs_tx_abort(tx);
		return err;
	}
	umfs_inode_seal(inode, ino);
	umfs_tx_commit(tx);
	return 0;
}

/* The root and what it names directly, a page or an empty top table; as cut_entries. */
static int cut_root(struct umfs_tx *tx, struct umfs_inode_pm *inode)
{
	int err = umfs_pages_free(tx, umfs_pte_page(ld64(&inode->root)), 1);

	if (err)
		return err;
	umfs_tx_fence(tx);
	st64(&inode->root, 0);
	add_pages(inode, -1);
	return 0;
}

static int drop_root(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino)
{
	int err;

	umfs_tx_begin(tx);
	err = umfs_inode_save(tx, inode, ino);
	if (!err)
		err = cut_root(tx, inode);
	if (err) {
		umfs_tx_abort(tx);
		return err;
	}
	umfs_inode_seal(inode, ino);
	umfs_tx_commit(tx);
	return 0;
}

/* Free what was found at `index`; *index moves to where to look next. */
static int trim_step(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino,
		     uint64_t *index, uint64_t keep)
{
	struct umfs *fs = tx->fs;
	uint64_t start = *index & ~(uint64_t)(UMFS_PTE_PER_PAGE - 1);
	uint32_t first = (uint32_t)(UMFS_MAX(start, keep) - start);
	uint32_t count = UMFS_PTE_PER_PAGE - first;
	struct place p;
	le64 *slot;

	find_place(fs, ld64(&inode->root), *index, &p);
	*index = start + UMFS_PTE_PER_PAGE;
	if (p.leaf)
		return start < keep ? 0 : drop_entries(tx, inode, ino, p.parent, 1, NULL);
	if (!p.ptes)
		return -EUCLEAN;
	slot = p.ptes + first;
	narrow(&slot, &count);
	if (any_leaf_2m(slot, count))
		return -EUCLEAN;
	if (p.run && first)
		clear_mark(fs, p.parent);
	return drop_entries(tx, inode, ino, slot, count, first ? NULL : p.parent);
}

/* PTE pages that lie wholly past `keep` and were empty to begin with, and PMD pages. */
static int trim_tables(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino,
		       le64 *table, uint32_t level, uint64_t keep)
{
	struct umfs *fs = tx->fs;
	uint64_t cover = 1ull << (LEVEL_BITS * (level - 1));
	uint32_t first = (uint32_t)((keep + cover - 1) / cover), i;
	int err = 0;

	for (i = first; !err && i < UMFS_PTE_PER_PAGE; i++) {
		uint64_t entry = ld64(&table[i]);

		if (is_table(fs, entry))
			err = drop_entries(tx, inode, ino, &table[i], 1, NULL);
	}
	return err;
}

int umfs_fpt_trim(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino, uint64_t index)
{
	struct umfs *fs = tx->fs;
	uint64_t root = ld64(&inode->root), at = index;
	uint32_t height = umfs_root_height(root), i;
	le64 *top;
	int err = 0;

	if (!root)
		return 0;
	if (!umfs_page_valid(fs, umfs_pte_page(root)))
		return -EUCLEAN;
	if (height == 0)
		return index == 0 ? drop_root(tx, inode, ino) : 0;
	if (index && umfs_fpt_next(fs, root, 0, index) == index)
		at = index = 0; /* a hole is all that stays: no table is needed for it */
	while (!err && (at = umfs_fpt_next(fs, root, at, FPT_PAGES_MAX)) < FPT_PAGES_MAX)
		err = trim_step(tx, inode, ino, &at, index);
	top = umfs_page(fs, umfs_pte_page(root));
	for (i = 0; !err && height == 3 && i < UMFS_PTE_PER_PAGE; i++) {
		uint64_t base = (uint64_t)i << (2 * LEVEL_BITS), entry = ld64(&top[i]);

		if (base + (1ull << (2 * LEVEL_BITS)) <= index || !is_table(fs, entry))
			continue;
		err = trim_tables(tx, inode, ino, umfs_page(fs, umfs_pte_page(entry)), 2,
				  index > base ? index - base : 0);
	}
	if (!err && height >= 2)
		err = trim_tables(tx, inode, ino, top, height, index);
	return !err && index == 0 ? drop_root(tx, inode, ino) : err;
}

/* ---- punching ---- */

/* Of the table or leaf found at `index`, what lies in [first, last). */
static int cut_place(struct umfs_tx *tx, struct umfs_inode_pm *inode, struct place *p,
		     uint64_t index, uint64_t first, uint64_t last, bool pass)
{
	uint64_t start = index & ~(uint64_t)(UMFS_PTE_PER_PAGE - 1);
	uint32_t from = (uint32_t)(UMFS_MAX(start, first) - start);
	uint32_t to = (uint32_t)(UMFS_MIN(start + UMFS_PTE_PER_PAGE, last) - start);
	bool whole = !from && to == UMFS_PTE_PER_PAGE;
	uint32_t count = to - from;
	le64 *slot;

	if (!p->parent && p->leaf)
		return cut_root(tx, inode);
	if (p->leaf && !whole)
		return pass ? 0 : -ENOSPC;
	if (p->leaf)
		return cut_entries(tx, inode, p->parent, 1, NULL);
	if (!p->ptes)
		return -EUCLEAN;
	slot = p->ptes + from;
	narrow(&slot, &count);
	if (any_leaf_2m(slot, count))
		return -EUCLEAN;
	if (p->run && !whole)
		clear_mark(tx->fs, p->parent);
	return cut_entries(tx, inode, slot, count, whole ? p->parent : NULL);
}

int umfs_fpt_cut(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint64_t first, uint64_t last,
		 bool pass)
{
	struct umfs *fs = tx->fs;
	uint64_t root = ld64(&inode->root), at = first;
	int err = 0;

	while (!err && (at = umfs_fpt_next(fs, root, at, last)) < last) {
		struct place p;

		find_place(fs, root, at, &p);
		err = cut_place(tx, inode, &p, at, first, last, pass);
		at = (at | (UMFS_PTE_PER_PAGE - 1)) + 1;
	}
	return err;
}
