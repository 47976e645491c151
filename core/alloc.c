// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * alloc.c - pages from the groups' bitmaps.
 *
 * I1  A bit is set only under the group lock and only after the transaction's
 *     record that names it; so a recovery finds every bit that is to be undone.
 *     Bits are cleared in release.c.
 * I2  No page of a group's head is given out, whatever its bits and the hint say: bitmaps and
 *     inodes lie there, with the locks that are held.
 */
#include "bits.h"
#include "group.h"

/* What an allocation of pages is looking for. */
struct wish {
	uint32_t want;
	uint32_t head; /* pages of a group's head */
	uint32_t least; /* a shorter run than that will not do */
	bool behind; /* the hint is the page behind the file's last: alignment does not matter */
	bool wait; /* for a group's lock */
	bool more; /* where there is no such run all groups are looked at again */
	bool ready; /* only what needs no backing; the groups are looked at again for more */
	bool no_backing; /* there is no more to be had */
};

struct run {
	uint32_t first, count;
};

/*
 * Of those that begin in [from, to) the first aligned run of `want`, else the longest. True: it is
 * whole.
 */
static bool find_run(const struct umfs_search *s, uint32_t from, uint32_t to, uint32_t want,
		     struct run *best)
{
	uint32_t align = umfs_run_align(want);

	while (from < to) {
		uint32_t first = umfs_bits_run(s, from, to, UMFS_MIN(best->count + 1, want));
		uint32_t stop, up;

		if (first >= to)
			break;
		stop = umfs_bits_next(s, first, UMFS_MIN(s->end, first + 2 * want + align), true);
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

/* Right behind what the file has already: no alignment asked for. */
static bool find_behind(const struct umfs_search *s, uint32_t hint, const struct wish *wish,
			struct run *run)
{
	if (!wish->behind || hint >= s->end || wish->want > s->end - hint ||
	    umfs_bits_next(s, hint, hint + wish->want, true) != hint + wish->want)
		return false;
	*run = (struct run){hint, wish->want};
	return true;
}

static bool find_around(const struct umfs_search *s, uint32_t hint, const struct wish *wish,
			uint32_t want, struct run *best)
{
	return find_behind(s, hint, wish, best) || find_run(s, hint, s->end, want, best) ||
	       find_run(s, wish->head, hint, want, best);
}

/* ---- allocating ---- */

static int back_pages(struct umfs *fs, uint32_t group, uint32_t first, uint32_t count)
{
	uint32_t unit;
	int err;

	for (unit = first >> UMFS_UNIT_SHIFT; unit <= (first + count - 1) >> UMFS_UNIT_SHIFT;
	     unit++) {
		err = umfs_group_back(fs, group, unit);
		if (err)
			return err;
	}
	return 0;
}

/* In backed units if a whole run is there, else by backing more, else the longest that is backed. */
static void search_run(struct umfs *fs, uint32_t group, struct umfs_search *s, uint32_t hint,
		       uint32_t want, struct wish *wish, struct run *run)
{
	struct run any = {0, 0};

	if (find_around(s, hint, wish, want, run) || s->backed == ~0ull || wish->ready ||
	    wish->no_backing)
		return;
	s->backed = ~0ull;
	find_around(s, hint, wish, want, &any);
	if (any.count <= run->count)
		return;
	if (back_pages(fs, group, any.first, any.count) == 0)
		*run = any;
	else
		wish->no_backing = true;
}

static bool all_backed(const struct umfs *fs, uint32_t group)
{
	uint32_t units = (umfs_group_pages(fs, group) + UMFS_UNIT_PAGES - 1) >> UMFS_UNIT_SHIFT;

	return umfs_count_ones(ld64(&umfs_group(fs, group)->backed)) >= units;
}

/* A run in this group (lock held, group set up). */
static bool choose_run(struct umfs *fs, uint32_t group, uint32_t hint, struct wish *wish,
		       struct run *run)
{
	struct umfs_search s = {umfs_group_page_bits(fs, group),
				ld64(&umfs_group(fs, group)->backed), umfs_group_known(fs, group)};
	uint32_t want = wish->want;
	bool noted; /* a note tells of all that is searched */

	hint = UMFS_MIN(UMFS_MAX(hint, wish->head), s.end); /* I2 */
	if (fs->geo.flags & UMFS_SB_BACKED)
		s.backed = ~0ull;
	if (find_behind(&s, hint, wish, run))
		return true;
	if (umfs_runs_take(fs, group, &s, wish->head, want, &run->first)) {
		run->count = want;
		return true;
	}
	noted = wish->ready || s.backed == ~0ull || all_backed(fs, group);
	if (noted && wish->more && umfs_runs_pass(fs, group, want))
		return false;
	if (noted && want > wish->least) /* the longest will do */
		want = UMFS_MIN(want, UMFS_MAX(umfs_runs_longest(fs, group), wish->least));
	search_run(fs, group, &s, hint, want, wish, run);
	if (noted && run->count < want)
		umfs_runs_searched(fs, group, run->count);
	return run->count != 0;
}

static void take_pages(struct umfs *fs, uint32_t group, const struct run *run)
{
	struct umfs_group_pm *grp = umfs_group(fs, group);
	le64 *bits = umfs_group_page_bits(fs, group);
	uint32_t from = run->first & ~63u;

	umfs_bits_fill(bits, run->first, run->first + run->count);
	umfs_flush(fs, &bits[from / 64u], (run->first + run->count - from + 7u) / 8u);
	st32(&grp->free_pages, ld32(&grp->free_pages) - run->count);
	st32(&grp->page_hint, run->first + run->count);
	umfs_flush(fs, grp, sizeof(*grp));
}

/* Most likely not worth its lock. */
static bool group_lacks(const struct umfs *fs, uint32_t group, const struct wish *wish)
{
	const struct umfs_group_pm *grp = umfs_group(fs, group);
	uint32_t free = ld32(&grp->free_pages);

	if (!(ld32(&grp->flags) & UMFS_GROUP_INIT))
		return wish->ready || wish->no_backing;
	if (wish->ready)
		return umfs_group_ready(fs, group, free) < wish->least;
	return free < wish->least && ld32(&grp->pages) >= umfs_group_pages(fs, group);
}

/* 1: got a run, 0: nothing here, or -errno. */
static int alloc_in_group(struct umfs_tx *tx, uint32_t group, uint32_t hint, struct wish *wish,
			  struct run *run)
{
	struct umfs *fs = tx->fs;
	struct umfs_group_pm *grp = umfs_group(fs, group);
	int ret;

	if (group_lacks(fs, group, wish))
		return 0;
	ret = umfs_group_lock(fs, tx->lane, group, wish->wait);
	if (ret)
		return ret == -EAGAIN ? 0 : ret;
	ret = umfs_group_init(fs, group);
	if (ret == -ENOSPC || ret == -EUCLEAN) {
		wish->no_backing |= ret == -ENOSPC;
		ret = 0; /* a damaged one is passed over */
	} else if (!ret) {
		wish->behind = hint != 0;
		if (!hint)
			hint = ld32(&grp->page_hint);
		if (choose_run(fs, group, hint, wish, run) && run->count >= wish->least) {
			ret = umfs_tx_note(tx, UMFS_REC_PAGES_ALLOC,
					   umfs_group_page(fs, group) + run->first, run->count);
			umfs_tx_fence(tx);
			if (!ret) {
				take_pages(fs, group, run);
				umfs_taken_note(fs, run->count);
				ret = 1;
			}
		}
	}
	umfs_group_unlock(fs, tx->lane, group);
	return ret;
}

#define WHOLE_RUN_GROUPS 8u /* so many are searched for a whole run before a part will do */

#define READY_PAGES (UMFS_UNIT_PAGES / 2) /* to look for less everywhere costs more than it saves */

/*
 * Whole runs in groups near by that are not busy, where they are long first such as need no
 * new memory: or a file written anew would take it for itself beside what was freed in the
 * next group. Then any run of `least` or more anywhere; then waiting too.
 */
enum pass { READY, NEAR, ANY, WAIT };

static enum pass first_pass(const struct umfs *fs, uint32_t want)
{
	return fs->geo.flags & UMFS_SB_BACKED || want < READY_PAGES ? NEAR : READY;
}

/* The group of the goal; any, where it is none of the pool's. */
static uint32_t goal_group(const struct umfs *fs, uint64_t goal)
{
	if (goal < fs->geo.groups_page || goal >= fs->geo.pool_pages)
		return 0;
	return (uint32_t)UMFS_MIN((goal - fs->geo.groups_page) >> UMFS_GROUP_SHIFT,
				  (uint64_t)fs->geo.group_count - 1);
}

struct ask {
	uint64_t goal;
	uint32_t want, least;
	enum pass from, to;
};

static int alloc_known(struct umfs_tx *tx, const struct ask *ask, uint64_t *page, uint32_t *got)
{
	struct umfs *fs = tx->fs;
	struct wish wish = {.want = UMFS_MIN(ask->want, UMFS_UNIT_PAGES),
			    .head = UMFS_GROUP_HEAD_PAGES + fs->geo.itable_pages};
	uint64_t goal = ask->goal;
	bool there = goal >= fs->geo.groups_page && umfs_page_valid(fs, goal);
	uint32_t first = goal_group(fs, goal), pass, i;
	uint32_t hint = there ? (uint32_t)(goal - umfs_group_page(fs, first)) : 0;

	for (pass = ask->from; pass <= ask->to; pass++) {
		uint32_t groups = fs->geo.group_count;

		wish.least = pass >= ANY ? ask->least : wish.want;
		wish.wait = pass == WAIT;
		wish.more = pass <= NEAR;
		wish.ready = pass == READY;
		for (i = 0; i <= (pass >= ANY ? groups : UMFS_MIN(groups, WHOLE_RUN_GROUPS)); i++) {
			uint32_t group = umfs_group_nth(fs, first, &fs->page_walk, i);
			struct run run = {0, 0};
			int ret;

			if (i && group == first)
				continue;
			ret = alloc_in_group(tx, group, i ? 0 : hint, &wish, &run);
			if (ret < 0)
				return ret;
			if (ret) {
				umfs_group_found(&fs->page_walk, i, group);
				*page = umfs_group_page(fs, group) + run.first;
				*got = run.count;
				return 0;
			}
		}
	}
	return -ENOSPC;
}

/* The pool is full for all that this process knows: it may have been made larger. */
static int alloc_run(struct umfs_tx *tx, uint64_t goal, uint32_t want, uint32_t least,
		     uint64_t *page, uint32_t *got)
{
	struct ask ask = {goal, want, least, first_pass(tx->fs, want), WAIT};
	uint64_t known = umfs_grow_known(tx->fs);
	int err = alloc_known(tx, &ask, page, got);

	if (err == -ENOSPC && umfs_grow_since(tx->fs, known))
		err = alloc_known(tx, &ask, page, got);
	return err;
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

/* Pages that need no backing in the groups that alloc_known() looks at for a whole run. */
static uint64_t ready_near(const struct umfs *fs, uint64_t goal)
{
	uint32_t groups = UMFS_MIN(fs->geo.group_count, WHOLE_RUN_GROUPS), i;
	uint32_t first = goal_group(fs, goal);
	uint64_t ready = 0;

	for (i = 0; i <= groups; i++) {
		uint32_t group = umfs_group_nth(fs, first, &fs->page_walk, i);
		const struct umfs_group_pm *grp = umfs_group(fs, group);

		if (ld32(&grp->flags) & UMFS_GROUP_INIT)
			ready += umfs_group_ready(fs, group, ld32(&grp->free_pages));
	}
	return ready;
}

int umfs_pages_alloc_ready(struct umfs_tx *tx, uint64_t goal, uint32_t count, uint64_t *page)
{
	enum pass pass = tx->fs->geo.flags & UMFS_SB_BACKED ? NEAR : READY;
	struct ask ask = {goal, count, count, pass, pass};
	uint32_t got;
	int err = alloc_known(tx, &ask, page, &got);

	if (err == -ENOSPC && ready_near(tx->fs, goal) < UMFS_UNIT_PAGES) {
		ask.from = ask.to = NEAR;
		err = alloc_known(tx, &ask, page, &got);
	}
	return err;
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
