// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * swap.c - a whole page overwritten by exchanging it for the lane's spare.
 *
 * The new bytes are written once, into a page that the lane owns; then the FPT
 * entry is stored, and the page it named before becomes the lane's spare. No
 * bitmap is touched.
 *
 * I1  The swap line (entry, old, new) is durable before the entry is stored;
 *     the store of the entry is the commit point.
 * I2  While the line names an entry, the file's lock is held: the entry is
 *     `old` or `new`, and that tells which of both pages the lane owns. If it is
 *     neither, the line is damage.
 * I3  The line is cleared, and that is durable, before the lock is let go.
 */
#include "internal.h"

/* The swap line, or what it says now: somebody may be changing the pool under a recovery. */
struct line {
	uint64_t entry, old, new;
};

static uint64_t line_check(const struct line *line)
{
	return port_crc32c(0, line, sizeof(*line));
}

/* The lane has a spare page when this returns 0; -ENOSPC. */
int umfs_swap_prepare(struct umfs_tx *tx, uint64_t goal)
{
	uint64_t page;
	uint32_t got;
	int err;

	if (ld64(&tx->lane->spare))
		return 0;
	umfs_tx_begin(tx);
	err = umfs_tx_save(tx, &tx->lane->spare, sizeof(tx->lane->spare));
	if (!err)
		err = umfs_pages_alloc(tx, goal, 1, &page, &got);
	if (err) {
		umfs_tx_abort(tx);
		return err;
	}
	st64(&tx->lane->spare, page); /* what was saved was fenced by allocating */
	umfs_tx_commit(tx);
	return 0;
}

/* The spare holds the new bytes; *slot becomes `entry`, which names it. */
void umfs_swap_commit(struct umfs_tx *tx, le64 *slot, uint64_t entry)
{
	struct umfs_lane_pm *lane = tx->lane;
	struct umfs *fs = tx->fs;
	struct line line = {umfs_off(fs, slot), ld64(slot), entry};

	st64(&lane->swap_old, line.old);
	st64(&lane->swap_new, line.new);
	st64(&lane->swap_entry, line.entry);
	st64(&lane->swap_check, line_check(&line));
	umfs_flush(fs, &lane->swap_entry, UMFS_LINE_BYTES);
	umfs_drain(fs); /* the page's bytes, on every medium */
	umfs_persist64(fs, slot, entry); /* commit point */
	st64(&lane->spare, umfs_pte_page(line.old));
	umfs_persist64(fs, &lane->swap_entry, 0);
}

/* Is the line whole, and does it speak of an FPT entry and two pages? */
static bool line_valid(const struct umfs *fs, const struct umfs_lane_pm *lane,
		       const struct line *line)
{
	return line->entry && ld64(&lane->swap_check) == line_check(line) && !(line->entry & 7) &&
	       umfs_page_valid(fs, line->entry >> UMFS_PAGE_SHIFT) &&
	       umfs_page_valid(fs, umfs_pte_page(line->old)) &&
	       umfs_page_valid(fs, umfs_pte_page(line->new)) &&
	       umfs_pte_page(line->old) != umfs_pte_page(line->new);
}

static bool alike(uint64_t a, uint64_t b)
{
	return !((a ^ b) & ~UMFS_PTE_VOLATILE);
}

/* Settle an exchange and give the spare of a dead or detaching slot back. */
int umfs_swap_recover(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane)
{
	struct line line = {ld64(&lane->swap_entry), ld64(&lane->swap_old), ld64(&lane->swap_new)};
	uint64_t spare;

	if (line_valid(fs, lane, &line)) {
		const le64 *entry = umfs_at(fs, line.entry);
		uint64_t now = ld64(entry);
		bool done = alike(now, line.new);

		if (fs->broken) /* that was not the entry */
			return -EIO;
		umfs_flush(fs, entry, sizeof(*entry)); /* who died had stored it, maybe, and no more */
		umfs_fence(fs);
		if (done || alike(now, line.old)) /* I2 */
			st64(&lane->spare, umfs_pte_page(done ? line.old : line.new));
	}
	if (ld64(&lane->swap_entry))
		umfs_persist64(fs, &lane->swap_entry, 0);
	spare = ld64(&lane->spare);
	if (spare)
		umfs_bits_release(fs, slot, lane, false, spare, 1, &lane->spare, 0);
	return 0;
}
