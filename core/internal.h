/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * internal.h - what the files of core share with one another.
 * Which locks are taken in which order stands in order.h.
 */
#ifndef UMFS_CORE_INTERNAL_H
#define UMFS_CORE_INTERNAL_H

#include "order.h"
#include "umfs.h"

#define umfs_assert(fs, cond)                                          \
	do {                                                           \
		if (__builtin_expect(!(cond), 0)) {                    \
			(fs)->broken = 1;                              \
			port_bug(#cond, __FILE__, __LINE__);           \
		}                                                      \
	} while (0)

/* ---- addressing ---- */

static inline void *umfs_at(const struct umfs *fs, uint64_t off)
{
	return fs->base + off;
}
static inline void *umfs_page(const struct umfs *fs, uint64_t page)
{
	return fs->base + (page << UMFS_PAGE_SHIFT);
}
static inline uint64_t umfs_off(const struct umfs *fs, const void *p)
{
	return (uint64_t)((const uint8_t *)p - fs->base);
}
static inline struct umfs_runtime_pm *umfs_runtime(const struct umfs *fs)
{
	return umfs_page(fs, UMFS_RUNTIME_PAGE);
}
static inline struct umfs_slot_pm *umfs_slot(const struct umfs *fs, uint32_t slot)
{
	return (struct umfs_slot_pm *)umfs_page(fs, UMFS_SLOTS_PAGE) + slot;
}
static inline struct umfs_group_pm *umfs_group(const struct umfs *fs, uint32_t group)
{
	return (struct umfs_group_pm *)umfs_page(fs, fs->geo.gtable_page) + group;
}
static inline struct umfs_irec_pm *umfs_irec(const struct umfs *fs, uint32_t irec)
{
	return (struct umfs_irec_pm *)umfs_page(fs, fs->geo.irecs_page) + irec;
}
static inline struct umfs_lane_pm *umfs_lane(const struct umfs *fs, uint32_t slot, uint32_t lane)
{
	uint64_t n = (uint64_t)slot * fs->geo.lanes_per_slot + lane;

	return umfs_page(fs, fs->geo.lanes_page + n * UMFS_LANE_PAGES);
}
static inline struct umfs_ulog_pm *umfs_lane_ulog(struct umfs_lane_pm *lane)
{
	return (struct umfs_ulog_pm *)((uint8_t *)lane + 2 * UMFS_PAGE_BYTES);
}
static inline struct umfs_ulog_pm *umfs_reserve(const struct umfs *fs, uint32_t n)
{
	return umfs_page(fs, fs->geo.reserves_page + (uint64_t)n * UMFS_RESERVE_PAGES);
}
static inline uint64_t umfs_group_page(const struct umfs *fs, uint32_t group)
{
	return fs->geo.groups_page + ((uint64_t)group << UMFS_GROUP_SHIFT);
}
/* A division by what is known only at run time, made a multiplication; exact for 32 bits. */
static inline uint32_t umfs_ino_group(const struct umfs *fs, uint32_t ino)
{
	return (uint32_t)(((unsigned __int128)fs->geo.group_of_ino * ino) >> 64);
}
/* Pages in a group: all but the last have UMFS_GROUP_PAGES. */
static inline uint32_t umfs_group_pages(const struct umfs *fs, uint32_t group)
{
	uint64_t left = fs->geo.pool_pages - umfs_group_page(fs, group);

	return (uint32_t)UMFS_MIN(left, (uint64_t)UMFS_GROUP_PAGES);
}
/* Of so many pages from the first group on: how many groups; a tail too short for one is none. */
uint32_t umfs_groups_of(uint64_t pages, uint32_t itable_pages);
/* Somebody may have made the pool larger: see grow.c. */
void umfs_grow_seen(const struct umfs *fs);
/* What this process knows of the size, as a number that only grows. */
static inline uint64_t umfs_grow_known(const struct umfs *fs)
{
	return fs->geo.pool_pages + fs->geo.group_count;
}
/* Does it know of more by now, or when it has looked? */
bool umfs_grow_since(const struct umfs *fs, uint64_t known);
bool umfs_page_valid_now(const struct umfs *fs, uint64_t page);
bool umfs_group_there(const struct umfs *fs, uint64_t group);
static inline bool umfs_group_backed(const struct umfs *fs, uint32_t group, uint32_t unit)
{
	return (fs->geo.flags & UMFS_SB_BACKED) ||
	       (ld64(&umfs_group(fs, group)->backed) >> unit & 1);
}
/* The unit of a group in which the inode's bytes lie. */
static inline uint32_t umfs_inode_unit(uint32_t index)
{
	uint32_t page = UMFS_GROUP_HEAD_PAGES + (index >> (UMFS_PAGE_SHIFT - UMFS_INODE_SHIFT));

	return page >> UMFS_UNIT_SHIFT;
}
static inline bool umfs_page_within(const struct umfs *fs, uint64_t page)
{
	uint64_t rel = page - fs->geo.groups_page;

	return page >= fs->geo.groups_page && page < fs->geo.pool_pages &&
	       (rel & (UMFS_GROUP_PAGES - 1)) >= UMFS_GROUP_HEAD_PAGES + fs->geo.itable_pages &&
	       (rel >> UMFS_GROUP_SHIFT) < fs->geo.group_count;
}
/* May `page` hold data, a table or directory page? (In a group and not in its head.) */
static inline bool umfs_page_valid(const struct umfs *fs, uint64_t page)
{
	return __builtin_expect(umfs_page_within(fs, page), 1) || umfs_page_valid_now(fs, page);
}

/* ---- durability: flush and fence cost nothing where the medium needs neither ---- */

static inline void umfs_flush(const struct umfs *fs, const void *p, uint64_t n)
{
	if (fs->geo.durability == UMFS_DURABLE_FLUSH)
		port_flush_lines(p, n);
}
/* What was flushed before is durable before anything stored after. */
static inline void umfs_fence(const struct umfs *fs)
{
	if (fs->geo.durability != UMFS_DURABLE_NONE)
		port_fence();
}
/* After non-temporal stores, on every medium, before a store that publishes them. */
static inline void umfs_drain(const struct umfs *fs)
{
	(void)fs;
	port_fence();
}
static inline void umfs_persist64(const struct umfs *fs, le64 *p, uint64_t v)
{
	st64(p, v);
	umfs_flush(fs, p, sizeof(*p));
	umfs_fence(fs);
}

uint32_t umfs_super_crc(const struct umfs_super_pm *sb);
/* Both copies of the superblock alike after a growth cut short; attach lock held. -EUCLEAN: damage. */
int umfs_super_settle(struct umfs *fs);
int umfs_attach_lock(struct umfs *fs);
void umfs_attach_unlock(struct umfs *fs);

/* ---- lock.c ---- */

int umfs_lock(struct umfs *fs, le64 *word);
/* The same, but an owner that is alive is not waited for longer than 3 ms: -EAGAIN. */
int umfs_lock_soon(struct umfs *fs, le64 *word);
/* Spin for it a little. */
bool umfs_lock_try(struct umfs *fs, le64 *word, uint64_t mine);
struct umfs_wait {
	uint64_t seen, ns; /* zero to begin with */
};
int umfs_lock_sleep(struct umfs *fs, le64 *word, struct umfs_wait *w);
void umfs_lock_await(struct umfs *fs, le64 *word, struct umfs_wait *w);
uint32_t umfs_lock_slot(uint64_t word);
/* Of an inode or the like; once a transaction was left for recovery they all stay held for it. */
void umfs_unlock(struct umfs *fs, le64 *word);
/* Of what is whole by itself: a group. */
void umfs_unlock_now(struct umfs *fs, le64 *word);
/* Is the word held by this very slot incarnation? */
bool umfs_lock_held_by(const struct umfs *fs, uint64_t word, uint32_t slot);
bool umfs_lock_free(const struct umfs *fs, uint64_t word);
uint64_t umfs_lock_value(const struct umfs *fs, uint32_t slot);
/* The same in this process's own name. */
static inline uint64_t umfs_lock_mine(const struct umfs *fs)
{
	return (uint64_t)fs->incarnation << 32 | (uint64_t)fs->slot << 24 |
	       (uint64_t)(port_thread() & UMFS_LOCK_THREAD_MASK) << 1;
}

/* ---- freeze.c ---- */

/* Nobody may begin to change the pool. Costs a load and a test while nobody froze it. */
bool umfs_freeze_holds(const struct umfs *fs);
static inline bool umfs_frozen(const struct umfs *fs)
{
	return __builtin_expect(ld64(&umfs_runtime(fs)->freeze) != 0, 0) && umfs_freeze_holds(fs);
}
/* Until it is not frozen any more; nothing in hand but what order.h allows before a lane. */
void umfs_freeze_await(struct umfs *fs);
/* May a slot be cleaned up now, which is dead and claimed? */
bool umfs_freeze_lets_clean(const struct umfs *fs, uint32_t slot);
/* Is there nothing of a slot's in the pool but its opens and locks? */
bool umfs_slot_at_rest(const struct umfs *fs, uint32_t slot);
/* Around what changes the pool without a lane: a freezer waits for it. See freeze.c, I3. */
void umfs_cleaning_begin(struct umfs *fs);
void umfs_cleaning_end(struct umfs *fs);

/* ---- lane.c: transactions ---- */

struct umfs_tx {
	struct umfs *fs;
	struct umfs_lane_pm *lane;
	uint32_t lane_index;
	uint32_t slot;	 /* whose lane it is */
	uint32_t used;	 /* bytes of records */
	uint64_t txid;	 /* 0: begun when the pool was lost already; nothing goes into the lane */
	bool active;	 /* umfs_tx_begin was called and neither commit nor abort */
	bool frees;	 /* something is freed after the commit */
};
#define UMFS_TX_BYTES (2u * UMFS_PAGE_BYTES - 128u)
#define UMFS_SAVE_MAX 4096u

/* A lane for this thread until lane_put; waits while all are busy. Before any lock. -EIO. */
int umfs_lane_get(struct umfs *fs, struct umfs_tx *tx);
void umfs_lane_put(struct umfs_tx *tx);
void umfs_tx_begin(struct umfs_tx *tx);
/* Save n bytes (n <= 4096) at p so that an abort or a crash restores them. -ENOSPC: lane full. */
int umfs_tx_save(struct umfs_tx *tx, const void *p, uint32_t n);
/* Save `count` FPT entries at `slot`; their pages are freed when the transaction commits. */
int umfs_tx_save_fpt(struct umfs_tx *tx, const le64 *slot, uint32_t count);
int umfs_tx_note(struct umfs_tx *tx, uint32_t type, uint64_t where, uint64_t count);
/* All that was saved is durable: in-place stores may follow. */
static inline void umfs_tx_fence(struct umfs_tx *tx)
{
	umfs_fence(tx->fs);
}
void umfs_tx_commit(struct umfs_tx *tx);
void umfs_tx_abort(struct umfs_tx *tx);
/* May there be anything of the slot's present life in the lane? What else lies there means nothing. */
bool umfs_lane_used(const struct umfs *fs, uint32_t slot, uint32_t lane);
/* Bring a lane of `slot` (own or a claimed dead one) to rest, but for its promise. */
int umfs_lane_recover(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane);
/* Leave no group lock of a dead, claimed slot behind; waits for nothing. */
void umfs_lane_leave_group(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane);
void umfs_slot_leave_groups(struct umfs *fs, uint32_t slot);

/* ---- bits.c ---- */

uint32_t umfs_count_ones(uint64_t v);

/* ---- group.c ---- */

/* Of `free` free pages of a group that is set up, those with memory behind them already. */
uint64_t umfs_group_ready(const struct umfs *fs, uint32_t group, uint32_t free);
/* A group's lock, noted in the lane. -EAGAIN: it is held, and `wait` is false. */
int umfs_group_lock(struct umfs *fs, struct umfs_lane_pm *lane, uint32_t group, bool wait);
void umfs_group_unlock(struct umfs *fs, struct umfs_lane_pm *lane, uint32_t group);
int umfs_group_make_first(struct umfs *fs, uint32_t ino);
/* Counts of a group afresh from its bitmaps, where recovery asked for it. */
void umfs_group_recount(struct umfs *fs, uint32_t group);

/* ---- alloc.c ---- */

/*
 * Allocate 1..want pages in one run, near `goal` (a page; a group's first page:
 * anywhere in that group; 0: anywhere), noted in
 * the transaction first, so an abort or crash frees them. A run of at least
 * 512 pages is aligned to 512 where that can be had.
 */
int umfs_pages_alloc(struct umfs_tx *tx, uint64_t goal, uint32_t want, uint64_t *page,
		     uint32_t *got);
/* All of 1..512 pages in one run, or -ENOSPC. */
int umfs_pages_alloc_whole(struct umfs_tx *tx, uint64_t goal, uint32_t count, uint64_t *page);
/* The same near `goal`, of memory that is there; new only where less than a unit of that is free. */
int umfs_pages_alloc_ready(struct umfs_tx *tx, uint64_t goal, uint32_t count, uint64_t *page);
int umfs_page_alloc_zeroed(struct umfs_tx *tx, uint64_t goal, uint64_t *page);
int umfs_pages_free(struct umfs_tx *tx, uint64_t page, uint64_t count);

/* ---- ialloc.c ---- */

/* *ino is locked: whoever remembers its former life must not change it while it is made. */
int umfs_inode_alloc(struct umfs_tx *tx, uint32_t near_ino, bool directory, uint32_t *ino);
int umfs_inode_free(struct umfs_tx *tx, uint32_t ino);
bool umfs_inode_allocated(struct umfs *fs, uint32_t ino);

/* ---- release.c ---- */

/*
 * Clear bits in the name of `slot`, whose lane this is: its group lock is taken
 * in that slot's name, the bits cleared, *progress stored, the lock released.
 * A crash in between repeats the clearing under the lock, which nobody else
 * can have had meanwhile; after *progress nobody repeats it.
 */
void umfs_bits_release(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane, bool inodes,
		       uint64_t first, uint64_t count, le64 *progress, uint64_t value);
/* The rest of that, or of an allocation, for a dead claimed slot's lane that still holds a group lock. */
struct umfs_bits {
	bool any, inodes;
	uint64_t first, count;
	le64 *progress;
	uint64_t value;
};
bool umfs_bits_held(const struct umfs *fs, uint32_t slot, const struct umfs_lane_pm *lane);
void umfs_bits_leave(struct umfs *fs, struct umfs_lane_pm *lane, const struct umfs_bits *next);
/* The group of a run of pages or inodes, or -1 when the run is not within one. */
int64_t umfs_bits_group(const struct umfs *fs, bool inodes, uint64_t first, uint64_t count);

/* ---- unback.c ---- */

/* Pages were taken. */
void umfs_taken_note(struct umfs *fs, uint32_t pages);
/* Pages of the group were freed. */
void umfs_freed_note(struct umfs *fs, uint32_t group, uint32_t pages);
/* Enough were, to see whether memory can be given back. */
bool umfs_unback_due(const struct umfs *fs);
/* Do so; a lane at rest, no lock below it held. `at_once`: there may be no later. */
void umfs_unback(struct umfs_tx *tx, bool at_once);

/* ---- inode.c ---- */

static inline struct umfs_inode_pm *umfs_inode_at(const struct umfs *fs, uint32_t group,
						  uint32_t index)
{
	uint8_t *table = umfs_page(fs, umfs_group_page(fs, group) + UMFS_GROUP_HEAD_PAGES);

	return (struct umfs_inode_pm *)(table + ((uint64_t)index << UMFS_INODE_SHIFT));
}
/* The inode's place, or NULL when the number is out of range or its place not backed. */
struct umfs_inode_pm *umfs_inode_now(const struct umfs *fs, uint32_t ino);
static inline struct umfs_inode_pm *umfs_inode(const struct umfs *fs, uint32_t ino)
{
	uint32_t group = umfs_ino_group(fs, ino), index = ino - group * fs->geo.inodes_per_group;

	if (__builtin_expect(ino && group < fs->geo.group_count, 1) &&
	    umfs_group_backed(fs, group, umfs_inode_unit(index)))
		return umfs_inode_at(fs, group, index);
	return umfs_inode_now(fs, ino); /* which looks whether the pool was made larger */
}
/*
 * The place of one that umfs_inode() has found before, as whoever has it locked knows: a
 * hostile neighbour may since have said that it is not backed.
 */
static inline struct umfs_inode_pm *umfs_inode_known(const struct umfs *fs, uint32_t ino)
{
	uint32_t group = umfs_ino_group(fs, ino);

	return umfs_inode_at(fs, group, ino - group * fs->geo.inodes_per_group);
}
/* In use as the node says: 0, -ENOENT, -ESTALE. Locked, or a sequence tells whether it counts. */
int umfs_node_check(const struct umfs_inode_pm *inode, umfs_node node);
/* In use, and its checksums hold: 0, -ENOENT, -ESTALE, -EUCLEAN. */
int umfs_inode_check(struct umfs *fs, umfs_node node, struct umfs_inode_pm **inode);
/* Does the checksum of lines 0 and 1 hold? */
bool umfs_inode_sealed(const struct umfs_inode_pm *inode, uint32_t ino);
void umfs_inode_seal(struct umfs_inode_pm *inode, uint32_t ino);
/*
 * Does that hold now, and the check of the size? Asked under the lock before what the inode
 * says is acted on: umfs_inode_check() believes for a while what it saw.
 */
bool umfs_inode_whole(const struct umfs_inode_pm *inode, uint32_t ino);
/* Save lines 0 and 1 in the transaction before changing them. -EUCLEAN: they are damaged. */
int umfs_inode_save(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino);
uint64_t umfs_size_word(uint64_t size, uint32_t ino, uint32_t generation);
static inline uint64_t umfs_inode_size(const struct umfs_inode_pm *inode)
{
	return ld64(&inode->size) & ((1ull << UMFS_SIZE_BITS) - 1);
}
void umfs_inode_set_size(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino,
			 uint64_t size);
/* Pages from here on are nobody's wish: trimmed at the last close. At most what a file may have. */
static inline uint64_t umfs_inode_pages_kept(const struct umfs_inode_pm *inode)
{
	uint64_t pages = (umfs_inode_size(inode) + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
	uint64_t keep = ld64(&inode->keep), most = UMFS_FILE_BYTES_MAX >> UMFS_PAGE_SHIFT;

	return UMFS_MIN(UMFS_MAX(pages, keep), most);
}
/*
 * Bracket every change that lock-free readers must see whole; inode lock held. It stays open
 * where the pool was lost and recovery has something to undo.
 */
void umfs_seq_begin(struct umfs_inode_pm *inode);
void umfs_seq_end(const struct umfs *fs, struct umfs_inode_pm *inode);
/* mtime and ctime to now; inode lock held. */
void umfs_inode_touch(struct umfs *fs, struct umfs_inode_pm *inode);
void umfs_inode_touch_ctime(struct umfs_inode_pm *inode);
static inline bool umfs_is_dir(uint32_t mode)
{
	return (mode & 0170000u) == 0040000u;
}
static inline bool umfs_is_reg(uint32_t mode)
{
	return (mode & 0170000u) == 0100000u;
}
static inline bool umfs_is_link(uint32_t mode)
{
	return (mode & 0170000u) == 0120000u;
}
/* What changes no byte was read: its atime (file.c). */
void umfs_inode_accessed(const struct umfs *fs, struct umfs_inode_pm *inode);
void umfs_atime_day(struct umfs *fs);
/* After a writer died inside and was undone; lock held. */
void umfs_seq_heal(struct umfs_inode_pm *inode);
/*
 * A lane, and the locks of up to 4 inodes (zeros and duplicates allowed) in
 * ascending order. -EIO, -EROFS, -EUCLEAN: no such inode.
 */
int umfs_enter(struct umfs *fs, struct umfs_tx *tx, const uint32_t *ino, uint32_t count);
void umfs_leave(struct umfs_tx *tx, const uint32_t *ino, uint32_t count);
/* Let go of all of them but `keep`; the lane stays too. */
void umfs_leave_others(struct umfs_tx *tx, const uint32_t *ino, uint32_t count, uint32_t keep);
/* The same for one inode that is known. */
int umfs_enter_inode(struct umfs *fs, struct umfs_tx *tx, struct umfs_inode_pm *inode);
void umfs_leave_inode(struct umfs_tx *tx, struct umfs_inode_pm *inode);

/* ---- fpt.c ---- */

/* The entry of page `index` (volatile bits masked, 2 MiB leaves resolved to the page), or 0. */
uint64_t umfs_fpt_get(const struct umfs *fs, uint64_t root, uint64_t index);
/* How many pages from `index` on (at most max) are alike: same state, and neighbours in the pool. */
uint64_t umfs_fpt_run(const struct umfs *fs, uint64_t root, uint64_t index, uint64_t max,
		      uint64_t *entry);
/* First index >= index below end that has an entry, be it damage, or end. */
uint64_t umfs_fpt_next(const struct umfs *fs, uint64_t root, uint64_t index, uint64_t end);
/* First index >= index below end whose page is written (or is not: a hole, unwritten), or end. */
uint64_t umfs_fpt_seek(const struct umfs *fs, uint64_t root, uint64_t index, uint64_t end,
		       bool written);
/* Where the 4 KiB entry of `index` lies, or NULL: no table, or a 2 MiB leaf. */
le64 *umfs_fpt_slot(const struct umfs *fs, struct umfs_inode_pm *inode, uint64_t index);
/*
 * Where the usual page lies: written, in a PTE page, the file higher than one
 * page. False for everything else. Lock-free; counts after a sequence check.
 */
struct umfs_fpt_at {
	le64 *slot;
	le64 *run; /* the entry that says the PTE page is a run, or NULL */
	uint64_t page;
};
bool umfs_fpt_find(const struct umfs *fs, uint64_t root, uint64_t index, struct umfs_fpt_at *at);
/*
 * Before the entry of `index` in a PTE page changes: the page is no run any
 * more. After all its entries were shown: it may be one. Inode lock held.
 */
void umfs_fpt_break_run(const struct umfs *fs, const struct umfs_inode_pm *inode, uint64_t index);
void umfs_fpt_mark_run(const struct umfs *fs, const struct umfs_inode_pm *inode, uint64_t index);
/* Make tables down to `index`; inode saved and lines 0..1 updated inside the transaction. */
int umfs_fpt_reserve(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino,
		     uint64_t index);
/*
 * In the caller's transaction, which saved the inode and seals it: what lies in
 * [first, last), at most 512 pages, and tables wholly in it. Needs no page.
 * -ENOSPC: the lane is full, or a 2 MiB leaf lies partly in it and !`pass` (such
 * a leaf is left as it is).
 */
int umfs_fpt_cut(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint64_t first, uint64_t last,
		 bool pass);
/* Free what lies at and past `index`, in transactions of their own; restartable. */
int umfs_fpt_trim(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino, uint64_t index);
static inline uint32_t umfs_root_height(uint64_t root)
{
	return (uint32_t)((root & UMFS_ROOT_HEIGHT_MASK) >> UMFS_ROOT_HEIGHT_SHIFT);
}
static inline uint64_t umfs_pte_page(uint64_t entry)
{
	return (entry & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT;
}
static inline bool umfs_pte_written(uint64_t entry)
{
	return (entry & UMFS_PTE_P) != 0;
}
/* An entry of a PTE page, or a root of height 0, as it may be used (volatile bits masked), or 0. */
static inline uint64_t umfs_pte_sane(const struct umfs *fs, uint64_t entry)
{
	entry &= ~UMFS_PTE_VOLATILE;
	if (!(entry & (UMFS_PTE_P | UMFS_PTE_UNWRITTEN)) || (entry & UMFS_PTE_PSE) ||
	    !umfs_page_valid(fs, umfs_pte_page(entry)))
		return 0;
	return entry;
}

/* ---- write.c ---- */

/* umfs_pwritev; *end is set, when bytes were written, to behind the last of them. */
int64_t umfs_write_vector(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count,
			  uint64_t *off, bool append, uint64_t *end);

/* ---- map.c ---- */

/* Write back all bytes of a file that may be mapped; lock held. */
void umfs_map_flush(struct umfs *fs, const struct umfs_inode_pm *in);
/* Pages [index, last) of a file, as far as they are written; fenced by the caller. */
void umfs_pages_flush(struct umfs *fs, uint64_t root, uint64_t index, uint64_t last);

/* ---- ulog.c ---- */

/*
 * Save [off, off+len) of the file and its size; active when this returns, unless fs->broken.
 * `data`: where those bytes lie when they are in one page, else NULL.
 */
void umfs_ulog_arm(struct umfs *fs, struct umfs_ulog_pm *log, const struct umfs_inode_pm *inode,
		   uint32_t ino, uint64_t off, uint64_t len, const void *data);
/* The commit point of a write that armed it. */
void umfs_ulog_retire(struct umfs *fs, struct umfs_ulog_pm *log);
/* Put the saved bytes back if it is active; hostile content is checked. */
int umfs_ulog_recover(struct umfs *fs, struct umfs_ulog_pm *log, uint64_t room);
/* Bytes to [off, off+len) of the pages that a file has there; durable after a fence. */
void umfs_ulog_put_back(struct umfs *fs, uint64_t root, const uint8_t *bytes, uint64_t off,
			uint64_t len);

/* ---- lease.c ---- */

/* Of a reserve whose owner is dead: what its leases say of writes that were begun is undone. */
void umfs_lease_recover(struct umfs *fs, struct umfs_ulog_pm *reserve);
/* Nobody is attached, and all is recovered. */
void umfs_lease_forget(struct umfs *fs);

/* ---- swap.c: one page exchanged for the lane's spare ---- */

int umfs_swap_prepare(struct umfs_tx *tx, uint64_t goal);
void umfs_swap_commit(struct umfs_tx *tx, le64 *slot, uint64_t entry);
int umfs_swap_recover(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane);

/* ---- hash.c ---- */

/* SipHash-1-3 of the name under the pool's key, 1 .. 2^63-1: also its readdir cookie. */
uint64_t umfs_name_hash(const struct umfs *fs, const char *name, uint32_t len);

/* ---- prefix.c: directory parts of paths ---- */

/*
 * What a walk has seen on its way. To begin with `count` is 0 and `uid` UMFS_PREFIX_ALL. Once it
 * is lost nothing more is noted.
 */
struct umfs_trail {
	struct umfs_prefix_step step[UMFS_PREFIX_STEPS];
	uint64_t seq; /* of the directory that is being looked into */
	uint32_t count, uid;
	bool lost; /* it came by what is not kept */
};
/* Bytes of the path that lead, now and for this user, to *dir; 0: not known. */
uint32_t umfs_prefix_find(struct umfs *fs, const struct umfs_cred *cred, umfs_node start,
			  const char *path, umfs_node *dir);
/* Around a step from `dir` by a plain name. */
void umfs_trail_begin(struct umfs *fs, struct umfs_trail *t, umfs_node dir);
void umfs_trail_step(struct umfs *fs, const struct umfs_cred *cred, struct umfs_trail *t,
		     umfs_node dir);
/* The first `len` bytes of `path` led to `dir`. */
void umfs_prefix_keep(struct umfs *fs, umfs_node start, const char *path, uint32_t len,
		      const struct umfs_trail *t, umfs_node dir);

/* ---- dleaf.c: one directory page ---- */

struct umfs_name {
	const char *name;
	uint32_t len;
	uint64_t hash;
	/* Where it may be put: by umfs_dir_reserve(), while the directory stays locked. */
	struct umfs_dleaf_pm *leaf;
	uint32_t cell;
};
#define UMFS_DENTRY_CELLS(len) ((16u + (len) + 15u) / 16u)
void umfs_dleaf_init(struct umfs *fs, struct umfs_dleaf_pm *leaf, uint32_t dir_ino);
bool umfs_dleaf_valid(const struct umfs_dleaf_pm *leaf, uint32_t dir_ino);
/*
 * Where the name is, and the inode it means. -ENOENT, -EUCLEAN. `ino` NULL: this look is
 * under the lock under which that was asked for.
 */
int umfs_dleaf_find(const struct umfs_dleaf_pm *leaf, const struct umfs_name *n, uint32_t *cell,
		    uint32_t *ino);
/* The head of the dentry at `cell`, and its name; false: it is damaged. Counts as any look does. */
bool umfs_dleaf_read(const struct umfs_dleaf_pm *leaf, uint32_t cell, struct umfs_dentry_pm *d,
		     char name[UMFS_NAME_MAX]);
/* Has no name any more, as far as its start bits say. */
bool umfs_dleaf_empty(const struct umfs_dleaf_pm *leaf);
/* How many start bits are set. */
uint32_t umfs_dleaf_count(const struct umfs_dleaf_pm *leaf);
/* Head and dentries, none over another, their hashes from `first` to `last`: to be copied elsewhere. */
bool umfs_dleaf_whole(const struct umfs_dleaf_pm *leaf, uint64_t first, uint64_t last);
/* So many cells at `cell` are of no dentry, whatever `tail` and tags say. */
bool umfs_dleaf_free(const struct umfs_dleaf_pm *leaf, uint32_t cell, uint32_t cells);
/*
 * Cell where a dentry of `cells` cells fits, at `from` or after (0: anywhere), or 0, and then
 * *used: cells taken by dentries from there on.
 */
uint32_t umfs_dleaf_room(const struct umfs_dleaf_pm *leaf, uint32_t cells, uint32_t from,
			 uint32_t *used);
/* Write a dentry to free cells; nobody sees it before its start bit. */
void umfs_dleaf_put(struct umfs *fs, struct umfs_dleaf_pm *leaf, uint32_t cell,
		    const struct umfs_name *n, uint32_t ino, uint32_t type);
/* The two tags of a dentry; see I2 there. */
void umfs_dleaf_tag(struct umfs_dleaf_pm *leaf, uint32_t cell, uint64_t hash, uint32_t len);
/* Next live cell at or after `cell`, or 256; its dentry is in bounds. */
uint32_t umfs_dleaf_next(const struct umfs_dleaf_pm *leaf, uint32_t cell);
static inline struct umfs_dentry_pm *umfs_dleaf_dentry(const struct umfs_dleaf_pm *leaf,
						       uint32_t cell)
{
	return (struct umfs_dentry_pm *)((uint8_t *)(uintptr_t)leaf + cell * 16u);
}
void umfs_dentry_seal(struct umfs_dentry_pm *d);

/* ---- dir.c: the trie; inode lock of the directory held for changes ---- */

/* What a hash leads to. */
struct umfs_dpath {
	struct umfs_dleaf_pm *leaf; /* NULL: empty directory, or damage */
	le64 *ref;		    /* the reference followed: in a node, or the inode's root */
	uint64_t word;		    /* what it said */
	uint32_t level;		    /* nodes above: 0 when ref is the root */
	uint64_t first, last;	    /* hashes that lead to the same leaf */
};
/* 0, -ENOENT: empty, -EUCLEAN. Lock-free; counts only after a sequence check. */
int umfs_dir_descend(const struct umfs *fs, const struct umfs_inode_pm *dir, uint32_t dir_ino,
		     uint64_t hash, struct umfs_dpath *p);
int umfs_dir_find(struct umfs *fs, const struct umfs_inode_pm *dir, uint32_t dir_ino,
		  const struct umfs_name *n, uint32_t *ino);
/* Room for the name, in transactions of its own. -ENOSPC. */
int umfs_dir_reserve(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		     struct umfs_name *n);
/* In the caller's transaction, which saved the directory's inode and seals it; room was made. */
int umfs_dir_insert(struct umfs_tx *tx, struct umfs_inode_pm *dir, const struct umfs_name *n,
		    uint32_t ino, uint32_t type);
int umfs_dir_remove(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		    const struct umfs_name *n);
/* Point an existing name at another inode. */
int umfs_dir_replace(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		     const struct umfs_name *n, uint32_t ino, uint32_t type);
/* Free the pages of a directory without names, in transactions of its own. */
int umfs_dir_clear(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino);

/* ---- irec.c ---- */

/* A free record for the inode, which has none (lock held); nobody holds it yet. -ENFILE. */
int umfs_irec_claim(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino,
		    struct umfs_irec_pm **rec);
/* Note this process as a holder of the inode (lock held). -ENFILE. */
int umfs_irec_hold(struct umfs *fs, struct umfs_inode_pm *inode, uint32_t ino, uint32_t *irec);
/* The record of an open inode, or NULL. */
struct umfs_irec_pm *umfs_irec_find(struct umfs *fs, const struct umfs_inode_pm *inode,
				    uint32_t ino);
void umfs_irec_flag(struct umfs *fs, struct umfs_inode_pm *inode, struct umfs_irec_pm *rec,
		    uint32_t flag);
/* It may be mapped: no page is exchanged or freed, see map.c. */
static inline bool umfs_irec_mapped(const struct umfs_irec_pm *rec)
{
	return rec && (ld32(&rec->flags) & UMFS_IREC_MAPPED);
}
/* posix: make durable what writes left in the caches (file.c). */
void umfs_irec_sync(struct umfs *fs, const struct umfs_inode_pm *inode, struct umfs_irec_pm *rec);
/* Drop it; when nobody is left, trim or reclaim. Takes a lane and the inode lock. */
void umfs_irec_drop(struct umfs *fs, uint32_t irec);
/* Reclaim what dead processes were the last to hold. */
void umfs_reap(struct umfs *fs, bool patient);
/* An inode without names or holders: free its pages and itself. Lock and lane held. */
int umfs_inode_reclaim(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino);

/* ---- ofd.c ---- */

/* An open file description of what is held; the hold passes to it, or is dropped. -ENFILE. */
struct umfs_held {
	uint32_t ino, generation, irec;
};
int umfs_ofd_new(struct umfs *fs, const struct umfs_held *h, uint32_t flags, uint32_t *ofd);
/* The same in two steps, for who must not fail in between: claim, then fill or unclaim. */
int umfs_ofd_claim(struct umfs *fs, uint32_t *ofd);
void umfs_ofd_fill(struct umfs *fs, uint32_t ofd, const struct umfs_held *h, uint32_t flags);
void umfs_ofd_unclaim(struct umfs *fs, uint32_t ofd);
/* The description that f came from, locked for a call; -EBADF: it was closed meanwhile. */
int umfs_ofd_lock(const struct umfs_file *f, struct umfs_ofd_pm **ofd);
void umfs_slot_drop_opens(struct umfs *fs, uint32_t slot);
/* All alone: the description is nobody's. */
void umfs_ofd_forget(struct umfs *fs, uint32_t ofd);
void umfs_slot_drop_own_opens(struct umfs *fs);
void umfs_slot_share_opens(struct umfs *fs, uint32_t slot);
void umfs_slot_forget_opens(struct umfs *fs);
void umfs_slot_recount_opens(struct umfs *fs);

/* ---- promise.c; inode locked, without a record, lane held ---- */

/* After the commit to come the inode is freed, or its pages past the end; durable. */
void umfs_promise_make(struct umfs_tx *tx, const struct umfs_inode_pm *inode, uint32_t ino);
/* Do so, after the commit. */
void umfs_promise_keep(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino);
/* It is done, or there was no commit. */
void umfs_promise_drop(struct umfs_tx *tx);
/*
 * What a dead, claimed slot's lane promised, it and all that are recovered with it being at
 * rest otherwise.
 */
void umfs_promise_recover(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane);

/* ---- setid.c ---- */

#define UMFS_S_ISUID 04000u
#define UMFS_S_ISGID 02000u
#define UMFS_S_ISVTX 01000u
/* The bits of `mode` that a change of bytes or owner takes away. */
uint32_t umfs_setid_bits(uint32_t mode);
/* Take them away before bytes change, in a transaction of its own; lane and lock held. */
int umfs_setid_drop(struct umfs_tx *tx, struct umfs_inode_pm *inode, uint32_t ino);

/* ---- xattr_block.c: the attributes of an inode, as they lie in the pool ---- */

struct umfs_xblock {
	const struct umfs_xattr_pm *head; /* NULL: the inode has none */
	uint64_t page;
	uint32_t pages, bytes;
};
struct umfs_xentry {
	const struct umfs_xentry_pm *at; /* the name follows, then the value */
	uint32_t name_bytes, value_bytes, bytes;
};
static inline const char *umfs_xentry_name(const struct umfs_xentry *e)
{
	return (const char *)(e->at + 1);
}
static inline const char *umfs_xentry_value(const struct umfs_xentry *e)
{
	return umfs_xentry_name(e) + e->name_bytes;
}
static inline uint32_t umfs_xentry_bytes(uint32_t name_bytes, uint32_t value_bytes)
{
	return ((uint32_t)sizeof(struct umfs_xentry_pm) + name_bytes + value_bytes + 7u) & ~7u;
}
/* The run that an inode's `xattr` word names; false: none, or damage. */
bool umfs_xattr_run(const struct umfs *fs, uint64_t word, uint64_t *page, uint32_t *pages);
/* The block, all of it checked but the entries; -EUCLEAN. */
int umfs_xblock_load(const struct umfs *fs, uint64_t word, uint32_t ino, struct umfs_xblock *b);
/* The entry at byte *at, which moves behind it: 1; 0: there are no more; -EUCLEAN. */
int umfs_xblock_next(const struct umfs_xblock *b, uint32_t *at, struct umfs_xentry *e);
/* 0, -ENODATA, -EUCLEAN. */
int umfs_xblock_find(const struct umfs_xblock *b, const char *name, uint32_t len,
		     struct umfs_xentry *e);
/* The head of a block whose entries are there; all of it is flushed. */
void umfs_xblock_seal(struct umfs *fs, struct umfs_xattr_pm *head, uint32_t ino, uint32_t bytes,
		      uint32_t count);
/* In a transaction that sets mode or xattr to 0: the run is freed with its commit. */
int umfs_xattr_free(struct umfs_tx *tx, const struct umfs_inode_pm *inode);

/* ---- xattr_acl.c ---- */

struct umfs_acl {
	uint32_t mode; /* the nine bits that it stands for */
	bool minimal;  /* it says no more than those */
	bool empty;
};
#define UMFS_ACL_EMPTY_BYTES 4u	   /* a head without entries */
#define UMFS_ACL_MINIMAL_BYTES 28u /* and with the three that a mode says as well */
/*
 * The head and the tags of a list in the caller's memory, which Linux looks at before it looks
 * at the file. -EINVAL, -EOPNOTSUPP, -EFAULT.
 */
int umfs_acl_check_form(const uint8_t *value, uint32_t size);
/* An access control list as system.posix_acl_* has it. -EINVAL, -EOPNOTSUPP. */
int umfs_acl_parse(const void *value, uint32_t size, struct umfs_acl *acl);
/* In a list that was parsed and has a mask: owner, mask and others get the bits of `mode`. */
void umfs_acl_limit(uint8_t *value, uint32_t size, uint32_t mode);
/* A stored one, for the caller's memory, as an inode with that mode has it; 0 or -EFAULT. */
int umfs_acl_copy_out(void *to, const uint8_t *value, uint32_t size, uint32_t mode);

/* ---- acl_inherit.c ---- */

/*
 * In the transaction that makes `in`, locked and with its mode by umask, in `dir`,
 * locked: what that directory's default list makes of the mode that was asked for, and
 * of the attributes. -ENOSPC, -EUCLEAN.
 */
int umfs_acl_inherit(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino,
		     const struct umfs_inode_pm *dir, uint32_t dir_ino, uint32_t asked);

/* ---- attr.c ---- */

bool umfs_mode_allows(const struct umfs_cred *cred, uint32_t mode, uint32_t uid, uint32_t gid,
		      uint32_t mask);
/* Do the permission bits allow all of `mask` (4 read, 2 write, 1 execute)? */
bool umfs_may(const struct umfs_cred *cred, const struct umfs_inode_pm *inode, uint32_t mask);
bool umfs_in_group(const struct umfs_cred *cred, uint32_t gid);

#endif
