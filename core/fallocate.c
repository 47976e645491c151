// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * fallocate.c - the pages of a file without its bytes: allocate, punch, zero.
 *
 * A call is done in pieces, each under the inode's lock: the whole call when it
 * is of at most 2 MiB, else what lies between multiples of 2 MiB of the file.
 *
 * I1  Allocating changes nothing that can be read: holes become unwritten pages.
 *     A crash leaves some of them, and the end where it was: the store of the
 *     size, after the last piece, is the commit point.
 * I2  Punching and zeroing a piece is one transaction: bytes of pages that lie
 *     in it partly are saved in the journal and zeroed, entries of whole pages
 *     are cleared, or become unwritten. Where that does not fit the journal, or
 *     would cut a 2 MiB entry, the piece is first made zeros under a reserve
 *     U-Log, whose retirement is then the commit point; the pages follow in a
 *     transaction that changes nothing that can be read.
 * I3  Neither needs a page, so neither fails for lack of space: what zeroing
 *     allocates, it allocates first.
 * I4  Pages past the end that are asked for with KEEP_SIZE survive the last
 *     close: the inode's `keep` covers them. It is stored in a transaction after
 *     they are there; until then UMFS_IREC_TRIM makes a crash take them back.
 * I5  Of a file that may be mapped (map.c) no entry is cleared or hidden: what was
 *     punched or zeroed has pages of zeros, made under a reserve U-Log.
 */
#include "write.h"

#define MODES (UMFS_FALLOC_KEEP_SIZE | UMFS_FALLOC_PUNCH | UMFS_FALLOC_ZERO)

static uint64_t page_above(uint64_t off)
{
	return (off + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
}

/* ---- allocating ---- */

/* Pages for all of the piece, or -ENOSPC; those past what is kept go back then. */
static int allocate(struct umfs_write *w)
{
	uint64_t end = w->end;
	int err = umfs_write_allocate(w);

	if (!err && w->end < end)
		err = -ENOSPC;
	w->end = end;
	if (err == -ENOSPC && !umfs_irec_mapped(w->rec))
		(void)umfs_fpt_trim(&w->tx, w->in, w->ino, umfs_inode_pages_kept(w->in));
	return err;
}

/* I4 */
static int keep_piece(struct umfs_write *w)
{
	uint64_t pages = page_above(w->end);
	int err;

	if (pages <= umfs_inode_pages_kept(w->in))
		return 0;
	umfs_tx_begin(&w->tx);
	err = umfs_inode_save(&w->tx, w->in, w->ino);
	if (err) {
		umfs_tx_abort(&w->tx);
		return err;
	}
	umfs_tx_fence(&w->tx);
	st64(&w->in->keep, pages);
	umfs_inode_seal(w->in, w->ino);
	umfs_tx_commit(&w->tx);
	return 0;
}

/* No commit is to follow. */
static void touch(struct umfs_write *w)
{
	umfs_inode_touch(w->fs, w->in);
	umfs_fence(w->fs);
}

/* The end moves to that of the piece; what lies between becomes zeros first. */
static void store_end(struct umfs_write *w)
{
	umfs_write_zero_gap(w->fs, w->in, w->old, w->end);
	umfs_write_publish(w); /* commit point */
}

/* `last`: of the call. */
static int allocate_piece(struct umfs_write *w, bool keep_size, bool last)
{
	int err = allocate(w);

	if (err)
		return err;
	if (keep_size)
		err = keep_piece(w);
	else if (last && w->end > w->old)
		store_end(w);
	if (!err && last)
		touch(w);
	return err;
}

/* ---- zeros ---- */

/* The bytes [from, to) of one page; the transaction can put them back. */
static int zero_part(struct umfs_write *w, uint64_t from, uint64_t to)
{
	uint64_t entry = umfs_fpt_get(w->fs, ld64(&w->in->root), from >> UMFS_PAGE_SHIFT);
	uint8_t *data = (uint8_t *)umfs_page(w->fs, umfs_pte_page(entry)) +
			(from & UMFS_PAGE_MASK);
	int err;

	to = UMFS_MIN(to, w->old); /* what is past the end means nothing */
	if (from >= to || !umfs_pte_written(entry))
		return 0;
	err = umfs_tx_save(&w->tx, data, (uint32_t)(to - from));
	if (err)
		return err;
	umfs_tx_fence(&w->tx);
	umfs_write_zero(w->fs, data, to - from);
	return 0;
}

/* What of [off, end) is not of whole pages. */
static int zero_parts(struct umfs_write *w)
{
	uint64_t first = page_above(w->off) << UMFS_PAGE_SHIFT;
	uint64_t last = w->end & ~(uint64_t)UMFS_PAGE_MASK;
	int err = 0;

	if (w->off < first)
		err = zero_part(w, w->off, UMFS_MIN(first, w->end));
	if (!err && last >= first && last < w->end)
		err = zero_part(w, last, w->end);
	return err;
}

/* Written pages of [off, end), all or nothing in atomic mode; the end moves to `end` with them. */
static int zero_by_reserve(struct umfs_write *w, bool grow)
{
	uint64_t to = UMFS_MIN(w->end, w->old);
	struct umfs_ulog_pm *log = NULL;
	int err = 0;

	if (to > w->off && w->mode == UMFS_MODE_ATOMIC) {
		err = umfs_reserve_take(w, &log);
		if (err)
			return err;
		umfs_ulog_arm(w->fs, log, w->in, w->ino, w->off, to - w->off, NULL);
		if (w->fs->broken) {
			err = -EIO;
			goto out; /* nothing was overwritten: others may have the log */
		}
	}
	if (to > w->off)
		umfs_write_zero_gap(w->fs, w->in, w->off, to);
	if (grow) {
		store_end(w);
		w->old = w->end;
	}
out:
	if (log) {
		umfs_ulog_retire(w->fs, log); /* commit point */
		umfs_unlock(w->fs, &log->lock);
	}
	return err;
}

/* Of the root, which the transaction saved, or of `count` entries of a PTE page. */
static int hide_entries(struct umfs_write *w, le64 *slot, uint64_t index, uint32_t count)
{
	uint32_t i;
	int err;

	if (slot == &w->in->root) {
		count = 1;
	} else {
		err = umfs_tx_save(&w->tx, slot, count * 8u);
		if (err)
			return err;
	}
	for (i = 0; i < count; i++)
		if (umfs_pte_written(ld64(&slot[i])) && !umfs_pte_sane(w->fs, ld64(&slot[i])))
			return -EUCLEAN;
	umfs_fpt_break_run(w->fs, w->in, index);
	umfs_tx_fence(&w->tx);
	for (i = 0; i < count; i++)
		if (umfs_pte_written(ld64(&slot[i])))
			st64(&slot[i], umfs_pte_hidden(umfs_pte_page(ld64(&slot[i]))));
	return 0;
}

/* The pages [first, last) become unwritten; 2 MiB entries: as umfs_fpt_cut. */
static int hide_pages(struct umfs_write *w, uint64_t first, uint64_t last, bool pass)
{
	int err = 0;

	while (!err && first < last) {
		uint64_t stop = UMFS_MIN(last, (first | (UMFS_PTE_PER_PAGE - 1)) + 1);
		le64 *slot = umfs_fpt_slot(w->fs, w->in, first);

		if (slot)
			err = hide_entries(w, slot, first, (uint32_t)(stop - first));
		else if (!pass)
			err = -ENOSPC;
		first = stop;
	}
	return err;
}

/* I2: one transaction. `done`: the piece reads as zeros already. */
static int clear_in_tx(struct umfs_write *w, bool punch, bool grow, bool done)
{
	uint64_t first = page_above(w->off), last = w->end >> UMFS_PAGE_SHIFT;
	int err;

	umfs_tx_begin(&w->tx);
	err = umfs_inode_save(&w->tx, w->in, w->ino);
	if (!err && grow)
		err = umfs_tx_save(&w->tx, &w->in->size, sizeof(w->in->size));
	if (!err && !done)
		err = zero_parts(w);
	if (!err && first < last)
		err = punch ? umfs_fpt_cut(&w->tx, w->in, first, last, done)
			    : hide_pages(w, first, last, done);
	if (err) {
		umfs_tx_abort(&w->tx);
		return err;
	}
	/*
	 * Who stored anything so far fenced what was saved before; else the size is all that
	 * is, in one store.
	 */
	umfs_inode_seal(w->in, w->ino);
	umfs_inode_touch(w->fs, w->in);
	if (grow)
		umfs_inode_set_size(w->fs, w->in, w->ino, w->end);
	umfs_tx_commit(&w->tx); /* commit point */
	return 0;
}

static int clear_piece(struct umfs_write *w, bool punch, bool grow)
{
	int err;

	if (umfs_irec_mapped(w->rec)) { /* I5 */
		err = zero_by_reserve(w, grow);
		if (!err)
			touch(w);
		return err;
	}
	if (grow)
		umfs_write_zero_gap(w->fs, w->in, w->old, w->end);
	if (punch) /* a table may be left empty */
		umfs_irec_flag(w->fs, w->in, w->rec, UMFS_IREC_TRIM);
	err = clear_in_tx(w, punch, grow, false);
	if (err != -ENOSPC)
		return err;
	err = zero_by_reserve(w, grow);
	return err ? err : clear_in_tx(w, punch, false, true);
}

static int zero_piece(struct umfs_write *w, bool keep_size)
{
	int err = allocate(w);

	if (!err && keep_size)
		err = keep_piece(w);
	return err ? err : clear_piece(w, false, !keep_size && w->end > w->old);
}

/* ---- the call ---- */

/* Where the piece at `off` ends: small calls are one piece, others go by PTE pages. */
static uint64_t piece_end(uint64_t off, uint64_t end, bool whole)
{
	return whole ? end : UMFS_MIN(end, (off | (UMFS_UNIT_BYTES - 1)) + 1);
}

/* Nothing to punch before there; lock held. */
static uint64_t skip_holes(const struct umfs_write *w, uint64_t end)
{
	uint64_t index = umfs_fpt_next(w->fs, ld64(&w->in->root), w->off >> UMFS_PAGE_SHIFT,
				       page_above(end));

	return UMFS_MIN(UMFS_MAX(w->off, index << UMFS_PAGE_SHIFT), end);
}

static int do_piece(struct umfs_write *w, uint32_t mode, uint64_t end, bool whole)
{
	bool keep_size = mode & UMFS_FALLOC_KEEP_SIZE;
	int err;

	w->old = umfs_inode_size(w->in);
	if (!keep_size && end > w->old && end > w->fs->end_max)
		return -EFBIG;
	err = umfs_setid_drop(&w->tx, w->in, w->ino);
	if (err)
		return err;
	if (mode & UMFS_FALLOC_PUNCH)
		w->off = skip_holes(w, end);
	w->end = piece_end(w->off, end, whole);
	if (mode & UMFS_FALLOC_PUNCH)
		return clear_piece(w, true, false);
	if (mode & UMFS_FALLOC_ZERO)
		return zero_piece(w, keep_size);
	return allocate_piece(w, keep_size, w->end == end);
}

/* *off moves past what is done. */
static int fallocate_piece(const struct umfs_file *f, uint32_t mode, uint64_t *off, uint64_t end,
			   bool whole)
{
	struct umfs_write w = {
		.fs = f->fs,
		.in = f->inode,
		.ino = f->ino,
		.off = *off,
		.exact = true,
		.mode = umfs_mode(f->fs),
	};
	int err = umfs_enter(w.fs, &w.tx, &w.ino, 1);

	if (err)
		return err;
	err = umfs_write_check(&w, f->generation);
	if (!err) {
		umfs_seq_begin(w.in);
		err = do_piece(&w, mode, end, whole);
		umfs_seq_end(w.fs, w.in);
	}
	umfs_leave(&w.tx, &w.ino, 1);
	*off = w.end;
	return err;
}

/* Can so much never be given, however it is spread? Then nothing is taken for the attempt. */
static bool hopeless(const struct umfs_file *f, uint64_t len)
{
	uint64_t has = ld64(&f->inode->pages), want = len >> UMFS_PAGE_SHIFT;
	struct umfs_statfs st;

	if (want <= has || want - has < UMFS_UNIT_PAGES)
		return false;
	umfs_statfs(f->fs, &st);
	return want - has > st.pages_free;
}

int umfs_fallocate(const struct umfs_file *f, uint32_t mode, uint64_t off, uint64_t len)
{
	bool punch = mode & UMFS_FALLOC_PUNCH, whole = len <= UMFS_ATOMIC_BYTES;
	uint64_t end;
	int err = 0;

	if ((mode & ~MODES) || (punch && mode != (UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE)))
		return -EOPNOTSUPP;
	if (!len)
		return -EINVAL;
	if (__builtin_add_overflow(off, len, &end) || end > UMFS_FILE_BYTES_MAX)
		return -EFBIG;
	if (!punch && hopeless(f, len))
		return -ENOSPC;
	do
		err = fallocate_piece(f, mode, &off, end, whole);
	while (!err && off < end);
	return err;
}
