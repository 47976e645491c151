// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * alloc.c - pages and inodes from the groups' bitmaps.
 *
 * Each group has its own lock, bitmaps, counts and 2 MiB units of backing, so
 * allocations in different groups share nothing. A group is set up when it is
 * first used; a unit is backed before its first page is handed out.
 *
 * I1  A bit is set only under the group lock and only after the transaction's
 *     record that names it; so a recovery finds every bit that is to be undone.
 * I2  A bit that a crash makes somebody clear again is cleared under the group
 *     lock, held in the dead slot's name, until its progress word says done
 *     (umfs_bits_release): nobody else can have allocated it in between.
 * I3  Counts follow the bits under the lock; where a death came in between,
 *     UMFS_GROUP_RECOUNT makes the next holder count again.
 */
#include "internal.h"

static le64 *page_bits(const struct umfs *fs, uint32_t group)
{
	return umfs_page(fs, umfs_group_page(fs, group));
}

static le64 *inode_bits(const struct umfs *fs, uint32_t group)
{
	return umfs_page(fs, umfs_group_page(fs, group) + 1);
}

static uint32_t head_pages(const struct umfs *fs)
{
	return UMFS_GROUP_HEAD_PAGES + fs->geo.itable_pages;
}

/* ---- the group lock, noted in the lane ---- */

int umfs_group_lock(struct umfs *fs, struct umfs_lane_pm *lane, uint32_t group, bool wait)
{
	le64 *word = &umfs_group(fs, group)->lock;

	st64(&lane->group, (uint64_t)port_thread() << 32 | (group + 1));
	if (wait)
		return umfs_lock(fs, word);
	if (umfs_lock_try(fs, word, umfs_lock_value(fs, fs->slot)))
		return 0;
	st64(&lane->group, 0);
	return -EAGAIN;
}

void umfs_group_unlock(struct umfs *fs, struct umfs_lane_pm *lane, uint32_t group)
{
	umfs_unlock(fs, &umfs_group(fs, group)->lock);
	st64(&lane->group, 0);
}

/* ---- backing ---- */

static bool unit_backed(const struct umfs *fs, uint32_t group, uint32_t unit)
{
	return (fs->geo.flags & UMFS_SB_BACKED) ||
	       (ld64(&umfs_group(fs, group)->backed) >> unit & 1);
}

/* Group lock held. 0 or -ENOSPC. */
static int back_unit(struct umfs *fs, uint32_t group, uint32_t unit)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	uint64_t off = (umfs_group_page(fs, group) + (uint64_t)unit * UMFS_UNIT_PAGES)
		       << UMFS_PAGE_SHIFT;
	uint64_t end = fs->geo.pool_pages << UMFS_PAGE_SHIFT;
	int err;

	if (unit_backed(fs, group, unit))
		return 0;
	err = port_back(fs, off, UMFS_MIN((uint64_t)UMFS_UNIT_BYTES, end - off));
	if (err)
		return err;
	__atomic_fetch_add(&fs->backed_units, 1, __ATOMIC_RELAXED);
	st64(&grp->backed, ld64(&grp->backed) | 1ull << unit);
	umfs_flush(fs, grp, sizeof(*grp));
	return 0;
}

static int back_pages(struct umfs *fs, uint32_t group, uint32_t first, uint32_t count)
{
	uint32_t unit;
	int err;

	for (unit = first >> UMFS_UNIT_SHIFT; unit <= (first + count - 1) >> UMFS_UNIT_SHIFT;
	     unit++) {
		err = back_unit(fs, group, unit);
		if (err)
			return err;
	}
	return 0;
}

/* The unit of a group in which the inode's bytes lie. */
static uint32_t inode_unit(uint32_t index)
{
	uint32_t page = UMFS_GROUP_HEAD_PAGES + (index >> (UMFS_PAGE_SHIFT - UMFS_INODE_SHIFT));

	return page >> UMFS_UNIT_SHIFT;
}

/* ---- setting a group up ---- */

static void fill_bits(le64 *bits, uint32_t from, uint32_t to)
{
	while (from < to) {
		uint32_t n = UMFS_MIN(64u - from % 64u, to - from);
		uint64_t mask = (n == 64 ? ~0ull : (1ull << n) - 1) << from % 64u;

		st64(&bits[from / 64u], ld64(&bits[from / 64u]) | mask);
		from += n;
	}
}

/* Bits set in a word; the compiler's builtin is a library call that the kernel does not have. */
uint32_t umfs_count_ones(uint64_t v)
{
	v -= v >> 1 & 0x5555555555555555ull;
	v = (v & 0x3333333333333333ull) + (v >> 2 & 0x3333333333333333ull);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (uint32_t)(v * 0x0101010101010101ull >> 56);
}

static uint32_t count_zeros(const le64 *bits, uint32_t total)
{
	uint32_t i, zeros = 0;

	for (i = 0; i < total / 64u; i++)
		zeros += 64u - umfs_count_ones(ld64(&bits[i]));
	return zeros;
}

static void recount(struct umfs *fs, uint32_t group)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);

	st32(&grp->free_pages, count_zeros(page_bits(fs, group), UMFS_GROUP_PAGES));
	st32(&grp->free_inodes, count_zeros(inode_bits(fs, group), UMFS_GROUP_PAGES));
	st32(&grp->flags, ld32(&grp->flags) & ~UMFS_GROUP_RECOUNT);
	umfs_flush(fs, grp, sizeof(*grp));
}

/* Group lock held. Until UMFS_GROUP_INIT is stored the group is as if never used. */
static int group_init(struct umfs *fs, uint32_t group)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *pages = page_bits(fs, group), *inodes = inode_bits(fs, group);
	int err;

	if (ld32(&grp->flags) & UMFS_GROUP_INIT) {
		if (ld32(&grp->flags) & UMFS_GROUP_RECOUNT)
			recount(fs, group);
		return 0;
	}
	err = back_unit(fs, group, 0);
	if (err)
		return err;
	port_zero(pages, 2 * UMFS_PAGE_BYTES);
	fill_bits(pages, 0, head_pages(fs));
	fill_bits(pages, umfs_group_pages(fs, group), UMFS_GROUP_PAGES);
	fill_bits(inodes, fs->geo.inodes_per_group, UMFS_GROUP_PAGES);
	if (group == 0)
		fill_bits(inodes, 0, 1); /* inode 0 names nothing */
	umfs_flush(fs, pages, 2 * UMFS_PAGE_BYTES);
	recount(fs, group);
	umfs_fence(fs);
	st32(&grp->page_hint, head_pages(fs));
	st32(&grp->inode_hint, 0);
	st32(&grp->flags, UMFS_GROUP_INIT);
	umfs_flush(fs, grp, sizeof(*grp));
	umfs_fence(fs);
	return 0;
}

void umfs_group_recount(struct umfs *fs, uint32_t group)
{
	if (ld32(&umfs_group(fs, group)->flags) & UMFS_GROUP_RECOUNT)
		recount(fs, group);
}

/* Making a pool: the first group, with inode `ino` in use. Nobody else is there. */
int umfs_group_make_first(struct umfs *fs, uint32_t ino)
{
	uint32_t unit = inode_unit(ino);
	int err = group_init(fs, 0);

	if (!err)
		err = back_unit(fs, 0, unit);
	if (err)
		return err;
	fill_bits(inode_bits(fs, 0), ino, ino + 1);
	umfs_flush(fs, inode_bits(fs, 0), 8);
	recount(fs, 0);
	return 0;
}

/* ---- looking for free bits ---- */

/* A bitmap to look in; units that are not backed count as used when `backed` says so. */
struct search {
	const le64 *bits;
	uint64_t backed;
	uint32_t end;
};

static uint64_t used_word(const struct search *s, uint32_t word)
{
	return (s->backed >> (word >> 3) & 1) ? ld64(&s->bits[word]) : ~0ull;
}

/* First bit at or after `from` that is `value`, below `end`, or `end`. */
static uint32_t next_bit(const struct search *s, uint32_t from, uint32_t end, bool value)
{
	while (from < end) {
		uint64_t word = used_word(s, from / 64u);

		word = (value ? word : ~word) >> from % 64u;
		if (word) {
			from += (uint32_t)__builtin_ctzll(word);
			return UMFS_MIN(from, end);
		}
		from = (from / 64u + 1) * 64u;
	}
	return end;
}

/* What an allocation of pages is looking for. */
struct wish {
	uint32_t want;
	uint32_t least;	 /* a shorter run than that will not do */
	bool behind;	 /* the hint is the page behind the file's last: alignment does not matter */
	bool wait;	 /* for a group's lock */
	bool no_backing; /* there is no more to be had */
};

struct run {
	uint32_t first, count;
};

/* The alignment that a run of `want` pages deserves. */
static uint32_t run_align(uint32_t want)
{
	return want >= UMFS_UNIT_PAGES ? UMFS_UNIT_PAGES : 1u << (31 - __builtin_clz(want));
}

/* Look in [from, to): the first aligned run of `want`, else the longest seen. True: it is whole. */
static bool find_run(const struct search *s, uint32_t from, uint32_t to, uint32_t want,
		     struct run *best)
{
	uint32_t align = run_align(want);

	while (from < to) {
		uint32_t first = next_bit(s, from, to, false);
		uint32_t stop, up;

		if (first >= to)
			break;
		stop = next_bit(s, first, UMFS_MIN(s->end, first + 2 * want + align), true);
		up = (first + align - 1) & ~(align - 1);
		if (up + want <= stop) {
			best->first = up;
			best->count = want;
			return true;
		}
		if (UMFS_MIN(stop - first, want) > best->count) {
			best->first = first;
			best->count = UMFS_MIN(stop - first, want);
		}
		from = stop;
	}
	return false;
}

static bool find_around(const struct search *s, uint32_t hint, bool behind, uint32_t want,
			struct run *best)
{
	struct run exact = {0, 0};

	/* Right behind what the file has already: no alignment asked for. */
	if (behind && hint < s->end && next_bit(s, hint, hint + 1, false) == hint) {
		exact.first = hint;
		exact.count = next_bit(s, hint, UMFS_MIN(s->end, hint + want), true) - hint;
		if (exact.count == want) {
			*best = exact;
			return true;
		}
	}
	return find_run(s, hint, s->end, want, best) || find_run(s, 0, hint, want, best);
}

/* ---- allocating ---- */

/*
 * A run in this group (lock held, group set up): in backed units if a whole one
 * is there, else by backing more, else the longest that is backed.
 */
static bool choose_run(struct umfs *fs, uint32_t group, uint32_t hint, struct wish *wish,
		       struct run *run)
{
	struct search s = {page_bits(fs, group), ld64(&umfs_group(fs, group)->backed),
			   umfs_group_pages(fs, group)};
	struct run any = {0, 0};

	run->count = 0;
	if (fs->geo.flags & UMFS_SB_BACKED)
		s.backed = ~0ull;
	if (find_around(&s, hint, wish->behind, wish->want, run) || s.backed == ~0ull)
		return run->count != 0;
	if (!wish->no_backing) {
		s.backed = ~0ull;
		find_around(&s, hint, wish->behind, wish->want, &any);
		if (any.count > run->count) {
			if (back_pages(fs, group, any.first, any.count) == 0)
				*run = any;
			else
				wish->no_backing = true;
		}
	}
	return run->count != 0;
}

static void take_pages(struct umfs *fs, uint32_t group, const struct run *run)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *bits = page_bits(fs, group);
	uint32_t from = run->first & ~63u;

	fill_bits(bits, run->first, run->first + run->count);
	umfs_flush(fs, &bits[from / 64u], (run->first + run->count - from + 7u) / 8u);
	st32(&grp->free_pages, ld32(&grp->free_pages) - run->count);
	st32(&grp->page_hint, run->first + run->count);
	umfs_flush(fs, grp, sizeof(*grp));
}

/* 1: got a run, 0: nothing here, or -errno. */
static int alloc_in_group(struct umfs_tx *tx, uint32_t group, uint32_t hint, struct wish *wish,
			  struct run *run)
{
	struct umfs *fs = tx->fs;
	struct umfs_group_pm *grp = umfs_group(fs, group);
	int ret;

	if ((ld32(&grp->flags) & UMFS_GROUP_INIT) ? ld32(&grp->free_pages) < wish->least
						  : wish->no_backing)
		return 0;
	ret = umfs_group_lock(fs, tx->lane, group, wish->wait);
	if (ret)
		return ret == -EAGAIN ? 0 : ret;
	ret = group_init(fs, group);
	if (ret == -ENOSPC) {
		wish->no_backing = true;
		ret = 0;
	} else if (!ret) {
		wish->behind = hint != 0;
		if (!hint)
			hint = UMFS_MIN(ld32(&grp->page_hint), umfs_group_pages(fs, group));
		if (choose_run(fs, group, hint, wish, run) &&
		    run->count >= wish->least) {
			ret = umfs_tx_note(tx, UMFS_REC_PAGES_ALLOC,
					   umfs_group_page(fs, group) + run->first, run->count);
			umfs_tx_fence(tx);
			if (!ret) {
				take_pages(fs, group, run);
				ret = 1;
			}
		}
	}
	umfs_group_unlock(fs, tx->lane, group);
	return ret;
}

#define WHOLE_RUN_GROUPS 8u /* so many are searched for a whole run before a part will do */

/*
 * Whole runs in groups near by that are not busy; then any run of `least` or more
 * anywhere; then waiting too.
 */
static int alloc_run(struct umfs_tx *tx, uint64_t goal, uint32_t want, uint32_t least,
		     uint64_t *page, uint32_t *got)
{
	struct umfs *fs = tx->fs;
	struct wish wish = {.want = UMFS_MIN(want, UMFS_UNIT_PAGES)};
	uint32_t first = 0, hint = 0, pass, i;

	if (goal >= fs->geo.groups_page && goal < fs->geo.pool_pages) {
		first = (uint32_t)((goal - fs->geo.groups_page) >> UMFS_GROUP_SHIFT);
		if (umfs_page_valid(fs, goal))
			hint = (uint32_t)(goal - umfs_group_page(fs, first));
		first = UMFS_MIN(first, fs->geo.group_count - 1);
	}
	for (pass = 0; pass < 3; pass++) {
		uint32_t groups = fs->geo.group_count;

		wish.least = pass ? least : wish.want;
		wish.wait = pass == 2;
		for (i = 0; i < (pass ? groups : UMFS_MIN(groups, WHOLE_RUN_GROUPS)); i++) {
			uint32_t group = (first + i) % groups;
			struct run run = {0, 0};
			int ret = alloc_in_group(tx, group, i ? 0 : hint, &wish, &run);

			if (ret < 0)
				return ret;
			if (ret) {
				*page = umfs_group_page(fs, group) + run.first;
				*got = run.count;
				return 0;
			}
		}
	}
	return -ENOSPC;
}

int umfs_pages_alloc(struct umfs_tx *tx, uint64_t goal, uint32_t want, uint64_t *page,
		     uint32_t *got)
{
	return alloc_run(tx, goal, want, 1, page, got);
}

int umfs_pages_alloc_whole(struct umfs_tx *tx, uint64_t goal, uint32_t count, uint64_t *page)
{
	uint32_t got;

	return alloc_run(tx, goal, count, count, page, &got);
}

int umfs_page_alloc_zeroed(struct umfs_tx *tx, uint64_t goal, uint64_t *page)
{
	uint32_t got;
	int err = umfs_pages_alloc(tx, goal, 1, page, &got);

	if (err)
		return err;
	port_zero(umfs_page(tx->fs, *page), UMFS_PAGE_BYTES);
	umfs_flush(tx->fs, umfs_page(tx->fs, *page), UMFS_PAGE_BYTES);
	return 0;
}

int umfs_pages_free(struct umfs_tx *tx, uint64_t page, uint64_t count)
{
	return umfs_tx_note(tx, UMFS_REC_PAGES_FREE, page, count);
}

/* ---- inodes ---- */

/*
 * Lock held, group set up. 1: *index is free, its place backed and itself locked.
 * A free inode may be locked for a moment by who remembers its former life;
 * nobody waits for it here, which would upset the order of locks.
 */
static int choose_inode(struct umfs *fs, uint32_t group, uint32_t *index)
{
	struct search s = {inode_bits(fs, group), ~0ull, fs->geo.inodes_per_group};
	uint32_t hint = ld32(&umfs_group(fs, group)->inode_hint), tries;
	uint64_t mine = umfs_lock_value(fs, fs->slot);

	if (hint >= s.end)
		hint = 0;
	for (tries = 0; tries < 8; tries++) {
		*index = next_bit(&s, hint, s.end, false);
		if (*index == s.end)
			*index = next_bit(&s, 0, s.end, false);
		if (*index == s.end)
			return 0;
		if (back_unit(fs, group, inode_unit(*index)))
			return -ENOSPC;
		if (umfs_lock_try(fs,
				  &umfs_inode(fs, group * fs->geo.inodes_per_group + *index)->lock,
				  mine))
			return 1;
		hint = *index + 1 < s.end ? *index + 1 : 0;
	}
	return 0;
}

static void take_inode(struct umfs *fs, uint32_t group, uint32_t index)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *bits = inode_bits(fs, group);

	fill_bits(bits, index, index + 1);
	umfs_flush(fs, &bits[index / 64u], 8);
	st32(&grp->free_inodes, ld32(&grp->free_inodes) - 1);
	st32(&grp->inode_hint, index + 1);
	umfs_flush(fs, grp, sizeof(*grp));
}

static int inode_in_group(struct umfs_tx *tx, uint32_t group, bool wait, uint32_t *ino)
{
	struct umfs *fs = tx->fs;
	uint32_t index = 0;
	int ret;

	ret = umfs_group_lock(fs, tx->lane, group, wait);
	if (ret)
		return ret == -EAGAIN ? 0 : ret;
	ret = group_init(fs, group);
	if (!ret)
		ret = choose_inode(fs, group, &index);
	if (ret == 1) {
		*ino = group * fs->geo.inodes_per_group + index;
		ret = umfs_tx_note(tx, UMFS_REC_INODE_ALLOC, *ino, 1);
		umfs_tx_fence(tx);
		if (!ret) {
			take_inode(fs, group, index);
			ret = 1;
		} else {
			umfs_unlock(fs, &umfs_inode(fs, *ino)->lock);
		}
	}
	umfs_group_unlock(fs, tx->lane, group);
	return ret == -ENOSPC ? 0 : ret;
}

/*
 * Files go near their directory. A directory goes to the next group that is in
 * use and has many inodes left, so that each has room for its files. A group
 * whose lock is busy is passed over as long as there are others.
 */
enum { PASS_HALF, PASS_FREE, PASS_NEW, PASS_WAIT, PASSES };

int umfs_inode_alloc(struct umfs_tx *tx, uint32_t near_ino, bool directory, uint32_t *ino)
{
	struct umfs *fs = tx->fs;
	uint32_t first = umfs_ino_group(fs, near_ino);
	uint32_t half = fs->geo.inodes_per_group / 2;
	uint32_t pass, i;

	for (pass = directory ? PASS_HALF : PASS_FREE; pass < PASSES; pass++) {
		for (i = 0; i < fs->geo.group_count; i++) {
			uint32_t group = (first + i) % fs->geo.group_count;
			struct umfs_group_pm *grp = umfs_group(fs, group);
			bool init = ld32(&grp->flags) & UMFS_GROUP_INIT;
			uint32_t least = pass == PASS_HALF ? half : 1;
			int ret;

			/* Groups never used before cost backing: after the others, but before waiting. */
			if (init ? ld32(&grp->free_inodes) < least : pass < PASS_NEW)
				continue;
			ret = inode_in_group(tx, group, pass >= PASS_WAIT, ino);
			if (ret)
				return ret < 0 ? ret : 0;
		}
	}
	return -ENOSPC;
}

int umfs_inode_free(struct umfs_tx *tx, uint32_t ino)
{
	return umfs_tx_note(tx, UMFS_REC_INODE_FREE, ino, 1);
}

bool umfs_inode_allocated(struct umfs *fs, uint32_t ino)
{
	uint32_t group = umfs_ino_group(fs, ino), index = ino - group * fs->geo.inodes_per_group;

	if (group >= fs->geo.group_count ||
	    !(ld32(&umfs_group(fs, group)->flags) & UMFS_GROUP_INIT))
		return false;
	return ld64(&inode_bits(fs, group)[index / 64u]) >> index % 64u & 1;
}

struct umfs_inode_pm *umfs_inode(struct umfs *fs, uint32_t ino)
{
	uint32_t group = umfs_ino_group(fs, ino), index = ino - group * fs->geo.inodes_per_group;
	uint8_t *table;

	if (!ino || group >= fs->geo.group_count || !unit_backed(fs, group, inode_unit(index)))
		return NULL;
	table = umfs_page(fs, umfs_group_page(fs, group) + UMFS_GROUP_HEAD_PAGES);
	return (struct umfs_inode_pm *)(table + ((uint64_t)index << UMFS_INODE_SHIFT));
}

/* ---- giving bits back ---- */

int64_t umfs_bits_group(const struct umfs *fs, bool inodes, uint64_t first, uint64_t count)
{
	uint64_t group;

	if (inodes) {
		group = first / fs->geo.inodes_per_group;
		return first && count == 1 && group < fs->geo.group_count ? (int64_t)group : -1;
	}
	if (!count || count > UMFS_GROUP_PAGES || !umfs_page_valid(fs, first) ||
	    !umfs_page_valid(fs, first + count - 1))
		return -1;
	group = (first - fs->geo.groups_page) >> UMFS_GROUP_SHIFT;
	return group == (first + count - 1 - fs->geo.groups_page) >> UMFS_GROUP_SHIFT
		       ? (int64_t)group
		       : -1;
}

/* Clear the bits that are still set and add them to the count. Group lock held. */
static void clear_bits(struct umfs *fs, uint32_t group, bool inodes, uint64_t first,
		       uint64_t count)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *bits = inodes ? inode_bits(fs, group) : page_bits(fs, group);
	uint32_t from = (uint32_t)(inodes ? first - (uint64_t)group * fs->geo.inodes_per_group
					  : first - umfs_group_page(fs, group));
	uint32_t to = from + (uint32_t)count, start = from & ~63u, cleared = 0;

	if (!(ld32(&grp->flags) & UMFS_GROUP_INIT))
		return;
	while (from < to) {
		uint32_t n = UMFS_MIN(64u - from % 64u, to - from);
		uint64_t mask = (n == 64 ? ~0ull : (1ull << n) - 1) << from % 64u;
		uint64_t word = ld64(&bits[from / 64u]);

		cleared += umfs_count_ones(word & mask);
		st64(&bits[from / 64u], word & ~mask);
		from += n;
	}
	umfs_flush(fs, &bits[start / 64u], (to - start + 7u) / 8u);
	if (inodes) {
		st32(&grp->free_inodes, ld32(&grp->free_inodes) + cleared);
	} else {
		st32(&grp->free_pages, ld32(&grp->free_pages) + cleared);
		umfs_freed_note(fs, group, cleared);
	}
	umfs_flush(fs, grp, sizeof(*grp));
}

/*
 * The lock in the name of `slot`: this process's own, or a dead one that this
 * thread has claimed and that may hold it already. A dead owner in the way is
 * not recovered, which would need other locks, but made to let go of this one.
 */
static int group_lock_for(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane,
			  uint32_t group)
{
	le64 *word = &umfs_group(fs, group)->lock;
	uint64_t mine = umfs_lock_value(fs, slot);
	struct umfs_wait w = {0, 0};

	umfs_order_wait(fs, word);
	st64(&lane->group, (uint64_t)port_thread() << 32 | (group + 1));
	while (!fs->broken) {
		uint32_t owner;

		if (slot != fs->slot && umfs_lock_held_by(fs, ld64(word), slot))
			return 0;
		if (umfs_lock_try(fs, word, w.seen ? mine | UMFS_LOCK_WAITERS : mine))
			return 0;
		if (!umfs_lock_sleep(fs, word, &w))
			continue;
		owner = umfs_lock_slot(w.seen);
		if (port_slot_claim(fs, owner) == 0) {
			umfs_slot_leave_groups(fs, owner);
			port_slot_unclaim(fs, owner);
		}
	}
	return -EIO;
}

static void group_unlock_for(struct umfs *fs, struct umfs_lane_pm *lane, uint32_t group)
{
	le64 *word = &umfs_group(fs, group)->lock;

	umfs_order_let(fs, word);
	if (xchg64(word, 0) & UMFS_LOCK_WAITERS)
		port_wake((const uint32_t *)(const void *)word);
	st64(&lane->group, 0);
}

/* A death may have come between bits and counts. */
static void doubt_counts(struct umfs *fs, uint32_t group)
{
	le32 *flags = &umfs_group(fs, group)->flags;

	if (ld32(flags) & UMFS_GROUP_INIT)
		st32(flags, ld32(flags) | UMFS_GROUP_RECOUNT);
}

void umfs_bits_release(struct umfs *fs, uint32_t slot, struct umfs_lane_pm *lane, bool inodes,
		       uint64_t first, uint64_t count, le64 *progress, uint64_t value)
{
	int64_t at = umfs_bits_group(fs, inodes, first, count);
	uint32_t group = (uint32_t)at;

	if (at < 0) { /* a damaged record: nothing to free by it */
		umfs_persist64(fs, progress, value);
		return;
	}
	if (group_lock_for(fs, slot, lane, group))
		return;
	if (slot != fs->slot)
		doubt_counts(fs, group);
	clear_bits(fs, group, inodes, first, count);
	umfs_fence(fs);
	umfs_persist64(fs, progress, value);
	umfs_group_recount(fs, group);
	group_unlock_for(fs, lane, group);
}

/* Does the lane's thread hold the group lock that the lane has noted? */
bool umfs_bits_held(const struct umfs *fs, uint32_t slot, const struct umfs_lane_pm *lane)
{
	uint64_t note = ld64(&lane->group), word;
	uint32_t group = (uint32_t)note - 1;

	if (group >= fs->geo.group_count)
		return false;
	word = ld64(&umfs_group(fs, group)->lock);
	return umfs_lock_held_by(fs, word, slot) &&
	       ((word >> 1) & UMFS_LOCK_THREAD_MASK) == note >> 32;
}

/*
 * The slot is dead and claimed by us, and its lane holds a group lock; waits for
 * nothing. Whatever it was at under that lock is finished and the lock let go,
 * so that other recoveries can pass.
 */
void umfs_bits_leave(struct umfs *fs, struct umfs_lane_pm *lane, const struct umfs_bits *next)
{
	uint32_t group = (uint32_t)ld64(&lane->group) - 1;

	if (group >= fs->geo.group_count)
		return; /* changed since umfs_bits_held: damage */
	doubt_counts(fs, group);
	if (next->any && umfs_bits_group(fs, next->inodes, next->first, next->count) == group) {
		clear_bits(fs, group, next->inodes, next->first, next->count);
		umfs_fence(fs);
		umfs_persist64(fs, next->progress, next->value);
	}
	umfs_group_recount(fs, group);
	group_unlock_for(fs, lane, group);
}
