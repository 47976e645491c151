// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * write_replace.c - many pages overwritten at once, all or nothing.
 *
 * Written pages get fresh ones that hold the new bytes and, at the ends, the
 * old bytes around them; unwritten pages are filled in place. All entries are
 * saved in one transaction and stored when the bytes are durable; the old pages
 * are freed after its commit. What lies past the old end is filled in place and
 * appears with the size.
 */
#include "write.h"

/* 96 KiB of scattered pages, and what a kernel's stack has room for. More: the reserve serves instead. */
#define RUNS_MAX 24u

/* Entries to be stored: [index, index+count) become `page` and its followers. */
struct piece {
	uint64_t index, page;
	le64 *slot; /* of the first */
	uint32_t count;
	bool fresh;
};

struct replace {
	struct umfs_write *w;
	struct piece piece[RUNS_MAX];
	uint32_t count;
	uint64_t alike_end; /* entries before it, from the last piece on, are in one state and one table */
	bool written;	    /* which */
};

/* A look for room in vain costs as much as a write, and the next one would be in vain, too. */
#define GATHER_PAUSE 64u

static bool may_gather(struct umfs *fs)
{
	uint32_t left = __atomic_load_n(&fs->scattered, __ATOMIC_RELAXED);

	if (left)
		__atomic_store_n(&fs->scattered, left - 1, __ATOMIC_RELAXED);
	return !left;
}

static void note_gathered(struct umfs *fs, bool found)
{
	__atomic_store_n(&fs->scattered, found ? 0 : GATHER_PAUSE, __ATOMIC_RELAXED);
}

/* Bytes for pages that will be `count` pages from `page`, at `index` of the file. */
static int fill(struct umfs_write *w, const struct piece *p)
{
	uint64_t start = p->index << UMFS_PAGE_SHIFT;
	uint64_t stop = start + ((uint64_t)p->count << UMFS_PAGE_SHIFT);
	uint64_t from = UMFS_MAX(start, w->off), to = UMFS_MIN(stop, w->end);
	uint8_t *data = umfs_page(w->fs, p->page);
	uint64_t root = ld64(&w->in->root), head = 0, tail = 0;

	if (from > start && p->fresh)
		head = umfs_pte_page(umfs_fpt_get(w->fs, root, p->index));
	if (to < stop && p->fresh)
		tail = umfs_pte_page(umfs_fpt_get(w->fs, root, p->index + p->count - 1));
	if (head)
		port_copy(data, umfs_page(w->fs, head), from - start);
	else
		umfs_write_zero(w->fs, data, from - start);
	if (tail)
		port_copy(data + (to - start),
			  (uint8_t *)umfs_page(w->fs, tail) + (to & UMFS_PAGE_MASK), stop - to);
	else
		umfs_write_zero(w->fs, data + (to - start), stop - to);
	umfs_flush(w->fs, data, from - start);
	umfs_flush(w->fs, data + (to - start), stop - to);
	return umfs_write_take(w, data + (from - start), to - from);
}

/* How many entries from `index` are in the state of the first, in one table, at most `max`. */
static uint32_t same_state(struct umfs_write *w, uint64_t index, uint64_t max, bool *written)
{
	uint64_t root = ld64(&w->in->root);
	uint64_t in_table = UMFS_PTE_PER_PAGE - (index & (UMFS_PTE_PER_PAGE - 1));
	uint32_t n = 1;

	*written = umfs_pte_written(umfs_fpt_get(w->fs, root, index));
	max = UMFS_MIN(max, in_table);
	while (n < max && umfs_pte_written(umfs_fpt_get(w->fs, root, index + n)) == *written)
		n++;
	return n;
}

/*
 * Fresh pages for as many as are neighbours: what is freed is as long a run as what is taken,
 * so the next one has it. Where they are scattered they become neighbours, if there is a run for
 * all of them. No new memory is taken for that: what comes free are single pages, and the next
 * such write would take as much again.
 */
static int fresh_pages(struct umfs_write *w, struct piece *p, uint32_t want)
{
	uint64_t entry;
	uint32_t run = (uint32_t)umfs_fpt_run(w->fs, ld64(&w->in->root), p->index, want, &entry);
	uint64_t goal = umfs_pte_page(entry);
	int err = -ENOSPC;

	p->count = want;
	if (run < want && may_gather(w->fs)) {
		err = umfs_pages_alloc_ready(&w->tx, goal, want, &p->page);
		note_gathered(w->fs, !err);
	}
	if (err == -ENOSPC) {
		p->count = run;
		err = umfs_pages_alloc_ready(&w->tx, goal, run, &p->page);
	}
	return err;
}

/* The next piece at `index`: fresh pages for written ones, unwritten ones as they lie. */
static int add_piece(struct replace *r, uint64_t index, uint64_t max)
{
	struct umfs_write *w = r->w;
	struct piece *p = &r->piece[r->count];
	le64 *slot = umfs_fpt_slot(w->fs, w->in, index);
	uint64_t entry = umfs_fpt_get(w->fs, ld64(&w->in->root), index), n;
	uint32_t want;
	int err;

	if (r->count == RUNS_MAX)
		return -ENOSPC;
	if (!slot || !entry)
		return -EUCLEAN;
	if (index >= r->alike_end)
		r->alike_end = index + same_state(w, index, max, &r->written);
	want = (uint32_t)(r->alike_end - index);
	p->index = index;
	p->slot = slot;
	p->fresh = r->written;
	if (r->written) {
		err = fresh_pages(w, p, want);
		if (!err)
			err = umfs_tx_save_fpt(&w->tx, slot, p->count);
	} else {
		n = umfs_fpt_run(w->fs, ld64(&w->in->root), index, want, &entry);
		p->page = umfs_pte_page(entry);
		p->count = (uint32_t)n;
		err = entry ? umfs_tx_save(&w->tx, slot, p->count * 8) : -EUCLEAN;
	}
	if (!err)
		r->count++;
	return err;
}

static void store_entries(struct replace *r)
{
	struct umfs_write *w = r->w;
	uint32_t i, k;

	for (i = 0; i < r->count; i++) {
		const struct piece *p = &r->piece[i];

		umfs_fpt_break_run(w->fs, w->in, p->index);
		for (k = 0; k < p->count; k++)
			st64(&p->slot[k], (p->page + k) << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF);
		if (p->slot == &w->in->root)
			umfs_inode_seal(w->in, w->ino);
	}
}

/*
 * Pages wholly past the old end: in place, shown at once, seen with the size. What they
 * hold is drained before that, with the rest; until then it is past the end (I1 of write.c).
 */
static int fill_past_end(struct umfs_write *w, uint64_t index)
{
	uint64_t stop = (w->end + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT, entry;

	while (index < stop) {
		uint64_t n = umfs_fpt_run(w->fs, ld64(&w->in->root), index, stop - index, &entry);
		struct piece p = {
			.index = index, .page = umfs_pte_page(entry), .count = (uint32_t)n};
		uint64_t i;
		int err = entry ? fill(w, &p) : -EUCLEAN;

		if (err)
			return err;
		for (i = 0; i < n; i++) {
			le64 *slot = umfs_fpt_slot(w->fs, w->in, index + i);

			if (slot && !umfs_pte_written(ld64(slot)))
				st64(slot, umfs_pte_shown(ld64(slot)));
			if (slot)
				umfs_flush(w->fs, slot, sizeof(*slot));
		}
		index += n;
	}
	return 0;
}

/*
 * First all pages, then all bytes: these are streamed past the caches, and an atomic operation, as
 * each group's lock is, would wait until those before it have arrived.
 */
static int replace_in_tx(struct replace *r)
{
	struct umfs_write *w = r->w;
	uint32_t i;
	uint64_t index = w->off >> UMFS_PAGE_SHIFT;
	uint64_t stop = (UMFS_MIN(w->end, w->old) + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
	int err = umfs_inode_save(&w->tx, w->in, w->ino);

	if (!err && w->end > w->old)
		err = umfs_tx_save(&w->tx, &w->in->size, sizeof(w->in->size));
	while (!err && index < stop) {
		err = add_piece(r, index, stop - index);
		if (!err)
			index += r->piece[r->count - 1].count;
	}
	for (i = 0; !err && i < r->count; i++)
		err = fill(w, &r->piece[i]);
	if (!err)
		err = fill_past_end(w, index);
	return err;
}

int umfs_write_replace(struct umfs_write *w, uint32_t runs)
{
	struct umfs_src start = w->src;
	struct replace r;
	int err;

	if (runs > RUNS_MAX && !may_gather(w->fs))
		return -ENOSPC;
	r.w = w;
	r.count = 0;
	r.alike_end = 0;
	umfs_tx_begin(&w->tx);
	err = replace_in_tx(&r);
	if (err) {
		umfs_write_drain(w);
		umfs_tx_abort(&w->tx);
		w->src = start;
		return err;
	}
	umfs_write_drain(w); /* a fence for the journal, too */
	store_entries(&r);
	umfs_inode_touch(w->fs, w->in);
	if (w->end > w->old)
		umfs_inode_set_size(w->fs, w->in, w->ino, w->end);
	umfs_tx_commit(&w->tx);
	return 0;
}
