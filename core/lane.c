// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * lane.c - transactions: an undo journal for metadata.
 *
 * Before anything of the pool is changed in place, what was there is appended
 * to the lane's journal; allocations are noted before their bits are set, frees
 * are noted and done after the commit.
 *
 *   IDLE --tx_begin--> ACTIVE --tx_commit--> IDLE            (nothing to free)
 *                             --tx_commit--> COMMITTED --run_frees--> IDLE
 *                             --tx_abort, recovery--> IDLE   (undone)
 *
 * I1  A record is durable before the store that it can undo (umfs_tx_fence).
 * I2  All that the transaction stored is durable before the commit point, the
 *     one store of `state` in umfs_tx_commit.
 * I3  Saved ranges are covered by locks held until after commit or abort, so
 *     undoing them twice is harmless. Bits are not: see umfs_bits_release.
 * I4  A record counts only if its txid and its checksum, seeded with the txid,
 *     fit: what an earlier transaction left behind never does.
 * I5  A lane counts only if it was used in the present life of its slot: whoever takes the
 *     slot marks all lanes unused (slot.c), and a lane's mark goes, durably, when it is taken
 *     first, after all that lies in it is at rest, durably. So damage in the lanes of a slot
 *     that nobody has is not obeyed in the name of who takes the slot and dies, and the lanes
 *     that he never takes are not touched for it. Marks of another life, as a version
 *     leaves that knows none, say nothing: then each lane counts.
 */
#include "internal.h"

#define RECORDS_MAX (UMFS_TX_BYTES / sizeof(struct umfs_rec_pm))

static uint32_t rec_bytes(uint32_t len)
{
	return (uint32_t)sizeof(struct umfs_rec_pm) + ((len + 7u) & ~7u);
}

static uint32_t rec_crc(const struct umfs_rec_pm *rec, uint64_t txid, uint32_t len)
{
	return port_crc32c((uint32_t)txid, &rec->type,
			   sizeof(*rec) - offsetof(struct umfs_rec_pm, type) + len);
}

/* ---- taking a lane ---- */

/*
 * Of this process's threads only one may have it. The word lies in the pool, so that
 * who freezes it sees that there is an operation under way.
 */
static inline le32 *busy_word(const struct umfs *fs, uint32_t lane)
{
	return &umfs_lane(fs, fs->slot, lane)->busy;
}

/* What an owner of the slot before this one left there means nothing. */
static inline bool lane_take(struct umfs *fs, uint32_t lane)
{
	uint32_t seen = ld32(busy_word(fs, lane));

	return seen != fs->incarnation && cas32(busy_word(fs, lane), seen, fs->incarnation);
}

static void lane_let(struct umfs *fs, uint32_t lane)
{
	st32(busy_word(fs, lane), 0);
	if (__atomic_load_n(&fs->lane_wanted, __ATOMIC_RELAXED)) {
		__atomic_store_n(&fs->lane_wanted, 0, __ATOMIC_SEQ_CST);
		port_wake(&fs->lane_wanted);
	}
}

static bool lane_find(struct umfs *fs, uint32_t *lane)
{
	uint32_t count = fs->geo.lanes_per_slot, i;

	*lane = port_thread() % count;
	for (i = 0; i < count; i++) {
		if (lane_take(fs, *lane))
			return true;
		if (++*lane == count)
			*lane = 0;
	}
	return false;
}

bool umfs_lane_used(const struct umfs *fs, uint32_t slot, uint32_t lane)
{
	const struct umfs_slot_pm *s = umfs_slot(fs, slot);
	uint64_t unused = ld64(&s->unused);

	return ld32(&s->state) != UMFS_SLOT_FREE &&
	       (unused >> 32 != ld32(&s->incarnation) || !(unused >> lane & 1));
}

/* Its records are no later transaction's (I4). */
static void lay_to_rest(const struct umfs *fs, struct umfs_lane_pm *lane)
{
	le64 *const words[] = {&lane->group, &lane->promise, &lane->swap_entry, &lane->spare};
	struct umfs_ulog_pm *log = umfs_lane_ulog(lane);
	uint64_t state = ld64(&lane->state);
	uint32_t i;

	if ((state & 3) != UMFS_TX_IDLE)
		st64(&lane->state, ((state >> 2) + 1) << 2 | UMFS_TX_IDLE);
	for (i = 0; i < UMFS_ARRAY_LEN(words); i++)
		if (ld64(words[i]))
			st64(words[i], 0);
	if (ld64(&log->state) & 1)
		st64(&log->state, ld64(&log->state) & ~1ull);
	umfs_flush(fs, lane, offsetof(struct umfs_lane_pm, records));
	umfs_flush(fs, log, UMFS_ULOG_HEAD_BYTES);
	umfs_fence(fs);
}

/* I5, before anything is stored in the lane. The pool may be lost on the way. */
static void lane_first(struct umfs *fs, uint32_t lane)
{
	struct umfs_slot_pm *s = umfs_slot(fs, fs->slot);

	lay_to_rest(fs, umfs_lane(fs, fs->slot, lane));
	if (fs->broken) /* that was not the lane */
		return;
	(void)and64(&s->unused, ~(1ull << lane));
	umfs_flush(fs, s, sizeof(*s));
	umfs_fence(fs);
	__atomic_fetch_or(&fs->lanes_taken, 1u << lane, __ATOMIC_RELAXED);
}

int umfs_lane_get(struct umfs *fs, struct umfs_tx *tx)
{
	uint32_t lane;

	umfs_order_wait(fs, busy_word(fs, 0));
	while (!fs->broken) {
		if (fs->readonly)
			return -EROFS;
		if (!lane_find(fs, &lane)) {
			__atomic_store_n(&fs->lane_wanted, 1, __ATOMIC_SEQ_CST);
			port_wait(&fs->lane_wanted, 1, 1000000);
			continue;
		}
		if (umfs_frozen(fs)) { /* looked at after the word was taken: freeze.c, I2 */
			lane_let(fs, lane);
			umfs_freeze_await(fs);
			continue;
		}
		if (!(__atomic_load_n(&fs->lanes_taken, __ATOMIC_RELAXED) >> lane & 1))
			lane_first(fs, lane);
		umfs_order_got(fs, busy_word(fs, lane));
		tx->fs = fs;
		tx->lane_index = lane;
		tx->slot = fs->slot;
		tx->lane = umfs_lane(fs, fs->slot, lane);
		tx->active = false;
		return 0;
	}
	return -EIO;
}

void umfs_lane_put(struct umfs_tx *tx)
{
	struct umfs *fs = tx->fs;

	umfs_assert(fs, !tx->active);
	if (__builtin_expect(umfs_unback_due(fs), 0))
		umfs_unback(tx, false);
	umfs_order_let(fs, busy_word(fs, tx->lane_index));
	lane_let(fs, tx->lane_index);
}

/* ---- writing the journal ---- */

void umfs_tx_begin(struct umfs_tx *tx)
{
	struct umfs_lane_pm *lane = tx->lane;

	umfs_assert(tx->fs, !tx->active);
	tx->txid = 0;
	tx->used = 0;
	tx->frees = false;
	tx->active = true;
	if (tx->fs->broken) /* what rest() left there is recovery's to finish */
		return;
	tx->txid = (ld64(&lane->state) >> 2) + 1;
	st64(&lane->done, 0);
	st64(&lane->state, tx->txid << 2 | UMFS_TX_ACTIVE);
	umfs_flush(tx->fs, lane, UMFS_LINE_BYTES);
}

static int append(struct umfs_tx *tx, uint32_t type, uint64_t where, uint64_t count,
		  const void *payload, uint32_t len)
{
	struct umfs_rec_pm *rec = (struct umfs_rec_pm *)(tx->lane->records + tx->used);
	uint32_t bytes = rec_bytes(len);

	umfs_assert(tx->fs, tx->active);
	/* What was read so far may be zeros in place of a page that is lost: a bitmap all free. */
	if (tx->fs->broken)
		return -EIO;
	if (tx->used + bytes > UMFS_TX_BYTES)
		return -ENOSPC;
	if (len)
		port_copy(rec + 1, payload, len);
	st16(&rec->type, (uint16_t)type);
	st16(&rec->len, (uint16_t)len);
	st64(&rec->txid, tx->txid);
	st64(&rec->where, where);
	st64(&rec->count, count);
	st32(&rec->crc, rec_crc(rec, tx->txid, len));
	umfs_flush(tx->fs, rec, bytes);
	tx->used += bytes;
	return 0;
}

int umfs_tx_save(struct umfs_tx *tx, const void *p, uint32_t n)
{
	umfs_assert(tx->fs, n <= UMFS_SAVE_MAX);
	return append(tx, UMFS_REC_BYTES, umfs_off(tx->fs, p), 0, p, n);
}

int umfs_tx_save_fpt(struct umfs_tx *tx, const le64 *slot, uint32_t count)
{
	umfs_assert(tx->fs, count <= UMFS_PTE_PER_PAGE);
	tx->frees = true;
	return append(tx, UMFS_REC_FPT, umfs_off(tx->fs, slot), count, slot, count * 8);
}

int umfs_tx_note(struct umfs_tx *tx, uint32_t type, uint64_t where, uint64_t count)
{
	if (type == UMFS_REC_PAGES_FREE || type == UMFS_REC_INODE_FREE)
		tx->frees = true;
	return append(tx, type, where, count, NULL, 0);
}

/* ---- reading it back; what lies there may be anything ---- */

/*
 * The record at `at` if it is one of transaction `txid`, else NULL. `limit`: how
 * much this process knows to be written, or UMFS_TX_BYTES.
 */
static struct umfs_rec_pm *rec_at(struct umfs_lane_pm *lane, uint64_t txid, uint32_t at,
				  uint32_t limit)
{
	struct umfs_rec_pm *rec = (struct umfs_rec_pm *)(lane->records + at);
	uint32_t len;

	if (at + sizeof(*rec) > limit)
		return NULL;
	len = ld16(&rec->len);
	if (len > UMFS_SAVE_MAX || at + rec_bytes(len) > limit)
		return NULL;
	if (ld64(&rec->txid) != txid || ld32(&rec->crc) != rec_crc(rec, txid, len))
		return NULL;
	return rec;
}

/* In a group and not in its bitmaps, which records of their own are for. */
static bool page_may_be_saved(const struct umfs *fs, uint64_t page)
{
	uint64_t rel = page - fs->geo.groups_page;

	if (page >= fs->geo.pool_pages)
		umfs_grow_seen(fs);
	return page >= fs->geo.groups_page && page < fs->geo.pool_pages &&
	       (rel & (UMFS_GROUP_PAGES - 1)) >= UMFS_GROUP_HEAD_PAGES &&
	       umfs_group_there(fs, rel >> UMFS_GROUP_SHIFT);
}

/* Is it a range that a transaction may have saved: of inodes, of data pages, or its lane's spare? */
static bool target_valid(const struct umfs *fs, const struct umfs_lane_pm *lane, uint64_t where,
			 uint32_t len)
{
	if (where == umfs_off(fs, &lane->spare) && len == sizeof(lane->spare))
		return true;
	return len && where <= UINT64_MAX - len &&
	       page_may_be_saved(fs, where >> UMFS_PAGE_SHIFT) &&
	       page_may_be_saved(fs, (where + len - 1) >> UMFS_PAGE_SHIFT);
}

/* One piece of deferred or undone bitmap work, numbered in the order it is done. */
struct item {
	uint64_t number, first, count;
	bool inodes;
};

static bool is_alloc(uint32_t type)
{
	return type == UMFS_REC_PAGES_ALLOC || type == UMFS_REC_INODE_ALLOC;
}

static void item_of_rec(const struct umfs_rec_pm *rec, struct item *item)
{
	uint32_t type = ld16(&rec->type);

	item->inodes = type == UMFS_REC_INODE_ALLOC || type == UMFS_REC_INODE_FREE;
	item->first = ld64(&rec->where);
	item->count = item->inodes ? 1 : ld64(&rec->count);
}

/* The pages of saved entries [*i, ...) as one run; *i moves past it. False: no page left. */
static bool entries_run(const le64 *entries, uint32_t count, uint32_t *i, struct item *item)
{
	uint64_t entry = 0;

	while (*i < count && !(entry = ld64(&entries[*i]) & UMFS_PTE_ADDR))
		++*i;
	if (*i >= count)
		return false;
	item->inodes = false;
	item->first = umfs_pte_page(entry);
	item->count = 1;
	if (ld64(&entries[(*i)++]) & UMFS_PTE_PSE) {
		item->count = UMFS_PTE_PER_PAGE;
		return true;
	}
	while (*i < count && !(ld64(&entries[*i]) & UMFS_PTE_PSE) &&
	       umfs_pte_page(ld64(&entries[*i])) == item->first + item->count) {
		item->count++;
		++*i;
	}
	return true;
}

/* Walks the deferred frees of a transaction in order; each record is checked once. */
struct free_cursor {
	struct umfs_rec_pm *rec; /* the FPT record being walked, or NULL */
	uint32_t at, limit, entry;
	uint64_t number;
};

static bool next_of_rec(struct free_cursor *c, struct item *item)
{
	uint32_t type = ld16(&c->rec->type);

	if (type == UMFS_REC_FPT)
		return entries_run((const le64 *)(c->rec + 1), ld16(&c->rec->len) / 8u, &c->entry,
				   item);
	if ((type != UMFS_REC_PAGES_FREE && type != UMFS_REC_INODE_FREE) || c->entry++)
		return false;
	item_of_rec(c->rec, item);
	return true;
}

static bool next_free(struct umfs_lane_pm *lane, uint64_t txid, struct free_cursor *c,
		      struct item *item)
{
	for (;;) {
		if (!c->rec) {
			c->rec = rec_at(lane, txid, c->at, c->limit);
			c->entry = 0;
			if (!c->rec)
				return false;
		}
		if (next_of_rec(c, item)) {
			item->number = c->number++;
			return true;
		}
		c->at += rec_bytes(ld16(&c->rec->len));
		c->rec = NULL;
	}
}

static void run_frees(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane, uint64_t txid,
		      uint32_t limit)
{
	struct free_cursor c = {.limit = limit};
	struct item item;

	while (!fs->broken && next_free(lane, txid, &c, &item))
		if (item.number >= ld64(&lane->done))
			umfs_bits_release(fs, slot, lane, item.inodes, item.first, item.count,
					  &lane->done, item.number + 1);
}

/* ---- undo ---- */

/*
 * Walks a transaction backwards. `number` counts the allocations passed; `done`
 * of them were released by an earlier, interrupted undo, and what was saved
 * after those was put back before them: it must not be put back again, since
 * somebody else may have those pages by now (I3).
 */
struct undo_cursor {
	uint16_t at[RECORDS_MAX];
	uint32_t left;
	uint64_t number, done;
};

static void undo_start(struct umfs_lane_pm *lane, uint64_t txid, uint32_t limit,
		       struct undo_cursor *c)
{
	struct umfs_rec_pm *rec;
	uint32_t pos = 0;

	c->left = 0;
	c->number = 0;
	c->done = ld64(&lane->done);
	while (c->left < RECORDS_MAX && (rec = rec_at(lane, txid, pos, limit))) {
		c->at[c->left++] = (uint16_t)pos;
		pos += rec_bytes(ld16(&rec->len));
	}
}

static void restore(struct umfs *fs, const struct umfs_lane_pm *lane,
		    const struct umfs_rec_pm *rec)
{
	uint64_t where = ld64(&rec->where);
	uint32_t len = ld16(&rec->len);

	if (!target_valid(fs, lane, where, len))
		return;
	port_copy(umfs_at(fs, where), rec + 1, len);
	umfs_flush(fs, umfs_at(fs, where), len);
}

/* A new inode that is not to be: no longer in use before its bit says so. */
static void clear_new_inode(struct umfs *fs, uint64_t ino)
{
	struct umfs_inode_pm *inode = ino <= UINT32_MAX ? umfs_inode(fs, (uint32_t)ino) : NULL;

	if (!inode)
		return;
	st32(&inode->mode, 0);
	umfs_flush(fs, inode, UMFS_LINE_BYTES);
}

/* Put back what was saved after the next allocation to release; false: all is put back. */
static bool undo_step(struct umfs *fs, struct umfs_lane_pm *lane, struct undo_cursor *c,
		      struct item *item)
{
	while (c->left) {
		struct umfs_rec_pm *rec = (struct umfs_rec_pm *)(lane->records + c->at[--c->left]);
		uint32_t type = ld16(&rec->type);

		if ((type == UMFS_REC_BYTES || type == UMFS_REC_FPT) && c->number >= c->done)
			restore(fs, lane, rec);
		if (!is_alloc(type) || c->number++ < c->done)
			continue;
		item_of_rec(rec, item);
		item->number = c->number;
		if (item->inodes)
			clear_new_inode(fs, item->first);
		/*
		 * Not fenced: nobody has what is freed before its group's lock is let go of, and until
		 * `done` counts it, after a fence, recovery puts all of this back once more.
		 */
		return true;
	}
	umfs_fence(fs);
	return false;
}

static void undo(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane, uint64_t txid,
		 uint32_t limit)
{
	struct undo_cursor c;
	struct item item;

	undo_start(lane, txid, limit, &c);
	while (!fs->broken && undo_step(fs, lane, &c, &item))
		umfs_bits_release(fs, slot, lane, item.inodes, item.first, item.count, &lane->done,
				  item.number);
}

/* ---- ends ---- */

static void flush_saved(struct umfs_tx *tx)
{
	uint32_t at = 0;

	if (tx->fs->geo.durability != UMFS_DURABLE_FLUSH)
		return;
	while (at < tx->used) {
		const struct umfs_rec_pm *rec =
			(const struct umfs_rec_pm *)(tx->lane->records + at);
		uint32_t type = ld16(&rec->type);

		if (type == UMFS_REC_BYTES || type == UMFS_REC_FPT)
			port_flush_lines(umfs_at(tx->fs, ld64(&rec->where)), ld16(&rec->len));
		at += rec_bytes(ld16(&rec->len));
	}
}

/* Nothing is left to do, unless an assertion failed on the way: then recovery has to look. */
static void rest(struct umfs *fs, struct umfs_lane_pm *lane, uint64_t txid)
{
	if (fs->broken)
		fs->unfinished = 1; /* umfs_unlock() */
	else
		umfs_persist64(fs, &lane->state, txid << 2 | UMFS_TX_IDLE);
}

void umfs_tx_commit(struct umfs_tx *tx)
{
	struct umfs *fs = tx->fs;
	struct umfs_lane_pm *lane = tx->lane;

	umfs_assert(fs, tx->active);
	tx->active = false;
	if (!tx->txid) /* the pool was lost before it began */
		return;
	flush_saved(tx);
	umfs_fence(fs);
	if (!tx->frees) {
		umfs_persist64(fs, &lane->state, tx->txid << 2 | UMFS_TX_IDLE); /* commit point */
	} else {
		umfs_persist64(fs, &lane->state,
			       tx->txid << 2 | UMFS_TX_COMMITTED); /* commit point */
		run_frees(fs, tx->slot, lane, tx->txid, tx->used);
		rest(fs, lane, tx->txid);
	}
}

void umfs_tx_abort(struct umfs_tx *tx)
{
	if (!tx->active)
		return;
	tx->active = false;
	if (!tx->txid) /* the pool was lost before it began */
		return;
	undo(tx->fs, tx->slot, tx->lane, tx->txid, tx->used);
	rest(tx->fs, tx->lane, tx->txid);
}

/*
 * The transaction after the last known one may have left durable records and
 * no durable state: its number is never used again (I4).
 */
int umfs_lane_recover(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane)
{
	uint64_t state = ld64(&lane->state);
	uint64_t txid = state >> 2;
	int err;

	if ((state & 3) == UMFS_TX_ACTIVE)
		undo(fs, slot, lane, txid, UMFS_TX_BYTES);
	else if ((state & 3) == UMFS_TX_COMMITTED)
		run_frees(fs, slot, lane, txid, UMFS_TX_BYTES);
	if (fs->broken)
		return -EIO;
	/*
	 * Durable before the slot is free, and its locks with it (leave_slot): until then nobody
	 * is in between, and a second recovery may do all of it again.
	 */
	st64(&lane->state, (txid + 1) << 2 | UMFS_TX_IDLE);
	if (ld64(&lane->group))
		st64(&lane->group, 0);
	err = umfs_ulog_recover(fs, umfs_lane_ulog(lane), UMFS_ULOG_LANE_BYTES);
	if (!fs->broken)
		umfs_swap_recover(fs, slot, lane);
	return err;
}

/* What umfs_lane_recover would release first, all before it done. */
static void next_bits(struct umfs *fs, struct umfs_lane_pm *lane, struct umfs_bits *bits)
{
	uint64_t state = ld64(&lane->state), txid = state >> 2;
	struct free_cursor c = {.limit = UMFS_TX_BYTES};
	struct undo_cursor u;
	struct item item = {0};

	bits->any = false;
	bits->progress = &lane->done;
	bits->value = ld64(&lane->done) + 1;
	if ((state & 3) == UMFS_TX_COMMITTED) {
		while (!bits->any && next_free(lane, txid, &c, &item))
			bits->any = item.number >= ld64(&lane->done);
	} else if ((state & 3) == UMFS_TX_ACTIVE) {
		undo_start(lane, txid, UMFS_TX_BYTES, &u);
		bits->any = undo_step(fs, lane, &u, &item);
	} else if (ld64(&lane->spare)) { /* a spare was being given back */
		item.first = ld64(&lane->spare);
		item.count = 1;
		bits->any = true;
		bits->progress = &lane->spare;
		bits->value = 0;
	}
	bits->inodes = item.inodes;
	bits->first = item.first;
	bits->count = item.count;
}

void umfs_lane_leave_group(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane)
{
	struct umfs_bits bits;

	if (!umfs_bits_held(fs, slot, lane))
		return;
	next_bits(fs, lane, &bits);
	umfs_bits_leave(fs, lane, &bits);
}
