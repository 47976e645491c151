// SPDX-License-Identifier: BSD-3-Clause
/*
 * runtime.c - what processes left behind while they ran: slots, lanes with
 * their journals and undo logs, records of open inodes, open file descriptions.
 *
 * At rest (after the last detach, or a recovery) nothing of it is active, and
 * what is active all the same was put there by damage: it is laid to rest, not
 * obeyed. After a crash, activity is what recovery lives on: then only what no
 * crash can explain is reported, and recovery runs before the passes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fsck.h"

struct lane {
	struct fsck *c;
	struct umfs_lane_pm *pm;
	struct object about;
};

static struct umfs_lane_pm *lane_at(const struct fsck *c, uint32_t n)
{
	return page_at(c, c->geo.lanes_page + (uint64_t)n * UMFS_LANE_PAGES);
}

static uint32_t lane_count(const struct fsck *c)
{
	return c->geo.slot_count * c->geo.lanes_per_slot;
}

/* A page of any group's data, whether the group is in use or not. */
static bool data_page(const struct fsck *c, uint64_t page)
{
	uint64_t rel = page - c->geo.groups_page;

	return page >= c->geo.groups_page && page < c->geo.pool_pages &&
	       rel % UMFS_GROUP_PAGES >= group_head(c) &&
	       rel / UMFS_GROUP_PAGES < c->geo.group_count;
}

static void lay_to_rest(struct fsck *c, le64 *word, uint64_t value)
{
	st64(word, value);
	media_sync(c, word, sizeof(*word));
}

/* ---- slots and the clean flag ---- */

static void check_runtime(struct fsck *c)
{
	struct umfs_runtime_pm *rt = runtime_at(c);
	struct object about = object("runtime", OBJECT_ALONE);
	uint64_t clean = ld64(&rt->clean);

	if (clean && clean != UMFS_CLEAN &&
	    problem(c, PR_RT_CLEAN, about, "0x%llx", (unsigned long long)clean))
		lay_to_rest(c, &rt->clean, 0);
	if (ld32(&rt->mode) - UMFS_MODE_POSIX > UMFS_MODE_ATOMIC - UMFS_MODE_POSIX &&
	    problem(c, PR_RT_MODE, about, "%u", ld32(&rt->mode))) {
		st32(&rt->mode, UMFS_MODE_ATOMIC);
		media_sync(c, rt, sizeof(*rt));
	}
	if (c->resting)
		lock_check(c, PR_RT_LOCK, about, "rename_lock", &rt->rename_lock);
	if (c->resting)
		lock_check(c, PR_RT_LOCK, about, "freeze", &rt->freeze);
}

static void check_slots(struct fsck *c)
{
	struct umfs_slot_pm *slots = page_at(c, UMFS_SLOTS_PAGE);

	for (uint32_t i = 0; i < c->geo.slot_count; i++) {
		uint32_t state = ld32(&slots[i].state);

		if (state == UMFS_SLOT_FREE || (!c->resting && (state == UMFS_SLOT_LIVE || state == UMFS_SLOT_HEIR)))
			continue;
		if (problem(c, PR_SLOT_STATE, object("slot", i), "%u", state)) {
			st32(&slots[i].state, UMFS_SLOT_FREE);
			media_sync(c, &slots[i], sizeof(slots[i]));
		}
	}
}

/* ---- journals ---- */

static uint32_t rec_bytes(uint32_t len)
{
	return (uint32_t)sizeof(struct umfs_rec_pm) + ((len + 7) & ~7u);
}

/* The record at `at` when it belongs to the transaction, else NULL: the journal ends there. */
static const struct umfs_rec_pm *rec_at(const struct lane *l, uint64_t txid, uint32_t at)
{
	const uint32_t room = sizeof(l->pm->records);
	const struct umfs_rec_pm *rec = (const void *)(l->pm->records + at);
	uint32_t len;

	if (at + sizeof(*rec) > room)
		return NULL;
	len = ld16(&rec->len);
	if (len > UMFS_PAGE_BYTES || at + rec_bytes(len) > room || ld64(&rec->txid) != txid ||
	    ld32(&rec->crc) != sum_crc32c((uint32_t)txid, &rec->type, sizeof(*rec) - 4 + len))
		return NULL;
	return rec;
}

/* A page of any group's, behind its bitmaps. */
static bool saved_page(const struct fsck *c, uint64_t page)
{
	uint64_t rel = page - c->geo.groups_page;

	return page >= c->geo.groups_page && page < c->geo.pool_pages &&
	       rel % UMFS_GROUP_PAGES >= UMFS_GROUP_HEAD_PAGES &&
	       rel / UMFS_GROUP_PAGES < c->geo.group_count;
}

/* At most a page of bytes. */
static bool range_good(const struct fsck *c, uint64_t where, uint64_t len)
{
	return where <= UINT64_MAX - len && saved_page(c, where >> UMFS_PAGE_SHIFT) &&
	       saved_page(c, (where + len - 1) >> UMFS_PAGE_SHIFT);
}

static bool is_own_spare(const struct lane *l, uint64_t where, uint32_t len)
{
	return where == (uint64_t)((const uint8_t *)&l->pm->spare - l->c->base) &&
	       len == sizeof(l->pm->spare);
}

static bool pages_good(const struct fsck *c, uint64_t first, uint64_t count)
{
	uint64_t last = first + count - 1;

	return count && count <= UMFS_GROUP_PAGES && data_page(c, first) && data_page(c, last) &&
	       (first - c->geo.groups_page) / UMFS_GROUP_PAGES ==
		       (last - c->geo.groups_page) / UMFS_GROUP_PAGES;
}

static bool rec_good(const struct lane *l, const struct umfs_rec_pm *rec)
{
	const struct fsck *c = l->c;
	uint64_t where = ld64(&rec->where), count = ld64(&rec->count);
	uint32_t len = ld16(&rec->len);

	switch (ld16(&rec->type)) {
	case UMFS_REC_BYTES:
		return len && (range_good(c, where, len) || is_own_spare(l, where, len)) && !count;
	case UMFS_REC_FPT:
		return len && count * 8 == len && !(where & 7) && range_good(c, where, len);
	case UMFS_REC_PAGES_ALLOC:
	case UMFS_REC_PAGES_FREE:
		return !len && pages_good(c, where, count);
	case UMFS_REC_INODE_ALLOC:
	case UMFS_REC_INODE_FREE:
		return !len && count == 1 && where &&
		       where < (uint64_t)c->geo.group_count * c->geo.inodes_per_group;
	default:
		return false;
	}
}

static void check_records(const struct lane *l, uint64_t txid)
{
	const struct umfs_rec_pm *rec;
	uint32_t at = 0;

	while ((rec = rec_at(l, txid, at))) {
		if (!rec_good(l, rec))
			problem(l->c, PR_LANE_RECORD, l->about,
				"type %u, len %u, where 0x%llx, count %llu", ld16(&rec->type),
				ld16(&rec->len), (unsigned long long)ld64(&rec->where),
				(unsigned long long)ld64(&rec->count));
		at += rec_bytes(ld16(&rec->len));
	}
}

static void check_state(const struct lane *l)
{
	uint64_t state = ld64(&l->pm->state), group = ld64(&l->pm->group);

	if ((state & 3) > UMFS_TX_COMMITTED || (l->c->resting && (state & 3))) {
		if (problem(l->c, PR_LANE_STATE, l->about, "0x%llx", (unsigned long long)state))
			lay_to_rest(l->c, &l->pm->state, state & ~3ull);
	} else if (state & 3) {
		check_records(l, state >> 2);
	}
	if (((uint32_t)group > l->c->geo.group_count || (l->c->resting && group)) &&
	    problem(l->c, PR_LANE_STATE, l->about, "group 0x%llx", (unsigned long long)group))
		lay_to_rest(l->c, &l->pm->group, 0);
}

/* ---- page swaps ---- */

static void check_swap(const struct lane *l)
{
	const struct umfs_lane_pm *pm = l->pm;
	uint64_t at = ld64(&pm->swap_entry);
	uint64_t old = (ld64(&pm->swap_old) & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT;
	uint64_t new = (ld64(&pm->swap_new) & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT;
	bool whole = ld64(&pm->swap_check) == sum_crc32c(0, &pm->swap_entry, 24);

	if (!at)
		return;
	/* A line that a crash tore was never acted on. */
	if (!l->c->resting && (!whole || (!(at & 7) && range_good(l->c, at, 8) &&
					  data_page(l->c, old) && data_page(l->c, new))))
		return;
	if (problem(l->c, PR_LANE_SWAP, l->about, "entry 0x%llx", (unsigned long long)at))
		lay_to_rest(l->c, &l->pm->swap_entry, 0);
}

static void check_spare(const struct lane *l)
{
	uint64_t spare = ld64(&l->pm->spare);

	if (!spare || (!l->c->resting && data_page(l->c, spare)))
		return;
	if (problem(l->c, PR_LANE_SPARE, l->about, "page %llu", (unsigned long long)spare))
		lay_to_rest(l->c, &l->pm->spare, 0);
}

static bool ino_good(const struct fsck *c, uint64_t ino)
{
	return ino && ino < (uint64_t)c->geo.group_count * c->geo.inodes_per_group;
}

/* Whether the inode is still that one, recovery sees. */
static void check_promise(const struct lane *l)
{
	uint64_t promise = ld64(&l->pm->promise);

	if (!promise || (!l->c->resting && ino_good(l->c, (uint32_t)promise) && promise >> 32))
		return;
	if (problem(l->c, PR_LANE_PROMISE, l->about, "inode %u, generation %u", (uint32_t)promise,
		    (uint32_t)(promise >> 32)))
		lay_to_rest(l->c, &l->pm->promise, 0);
}

/* ---- undo logs ---- */

/* The file as the log knew it: it can not have gone while a write was in it. */
static bool ulog_file_good(const struct fsck *c, const struct umfs_ulog_pm *log)
{
	uint32_t ino = ld32(&log->ino), group = ino / c->geo.inodes_per_group;
	const struct umfs_inode_pm *table;

	if (!ino || group >= c->geo.group_count ||
	    !(ld32(&group_at(c, group)->flags) & UMFS_GROUP_INIT))
		return false;
	table = page_at(c, group_first(c, group) + UMFS_GROUP_HEAD_PAGES);
	table += ino % c->geo.inodes_per_group;
	return ld32(&table->generation) == ld32(&log->generation) && S_ISREG(ld32(&table->mode));
}

static bool ulog_good(const struct fsck *c, const struct umfs_ulog_pm *log, uint64_t room)
{
	uint64_t off = ld64(&log->off), len = ld64(&log->len), size = ld64(&log->size);
	uint32_t serial = (uint32_t)(ld64(&log->state) >> 1);
	uint32_t crc = sum_crc32c(serial, &log->ino,
				  offsetof(struct umfs_ulog_pm, crc) -
					  offsetof(struct umfs_ulog_pm, ino));

	return ld32(&log->crc) == crc && ulog_file_good(c, log) &&
	       len <= room && size <= UMFS_FILE_BYTES_MAX && off <= size && len <= size - off &&
	       (!ld32(&log->data_crc) ||
		ld32(&log->data_crc) ==
			sum_crc32c(0, (const uint8_t *)log + UMFS_ULOG_HEAD_BYTES, len));
}

static void check_ulog(struct fsck *c, struct umfs_ulog_pm *log, struct object about, uint64_t room)
{
	uint64_t state = ld64(&log->state);

	if (!(state & 1) || (!c->resting && ulog_good(c, log, room)))
		return;
	if (problem(c, PR_ULOG_HEAD, about, "inode %u, offset %llu, %llu bytes", ld32(&log->ino),
		    (unsigned long long)ld64(&log->off), (unsigned long long)ld64(&log->len)))
		lay_to_rest(c, &log->state, state & ~1ull);
}

static void check_lane(struct fsck *c, uint32_t n)
{
	struct lane l = { .c = c, .pm = lane_at(c, n), .about = object("lane", n) };

	check_state(&l);
	check_promise(&l);
	check_swap(&l);
	check_spare(&l);
}

static void check_lanes(struct fsck *c)
{
	for (uint32_t i = 0; i < lane_count(c); i++) {
		uint64_t page = c->geo.lanes_page + (uint64_t)i * UMFS_LANE_PAGES;

		if (media_data(c, page, 1))
			check_lane(c, i);
		if (media_data(c, page + 2, 1))
			check_ulog(c, page_at(c, page + 2), object("lane", i),
				   UMFS_ULOG_LANE_BYTES);
	}
}

static void check_reserves(struct fsck *c)
{
	for (uint32_t i = 0; i < c->geo.reserve_count; i++) {
		struct umfs_ulog_pm *log =
			page_at(c, c->geo.reserves_page + (uint64_t)i * UMFS_RESERVE_PAGES);
		struct object about = object("reserve", i);

		check_ulog(c, log, about,
			   UMFS_ATOMIC_BYTES);
		if (c->resting)
			lock_check(c, PR_RT_LOCK, about, "lock", &log->lock);
	}
}

/* ---- what is open ---- */

static bool this_epoch(const struct fsck *c, uint64_t key)
{
	return key && (uint32_t)(key >> 32) == ld32(&runtime_at(c)->epoch);
}

/* Only slots that there are may have it open. */
static bool holders_good(const struct fsck *c, const le64 *bits)
{
	for (uint32_t i = c->geo.slot_count; i < UMFS_SLOTS_MAX; i++)
		if (ld64(&bits[i / 64]) >> i % 64 & 1)
			return false;
	return true;
}

static void check_irecs(struct fsck *c)
{
	struct umfs_irec_pm *recs = page_at(c, c->geo.irecs_page);

	for (uint32_t i = 0; i < c->geo.irec_count; i++) {
		struct umfs_irec_pm *r = &recs[i];
		uint64_t key = ld64(&r->key);
		uint32_t flags = ld32(&r->flags);

		if (!this_epoch(c, key))
			continue;
		if (!c->resting && ino_good(c, (uint32_t)key) && holders_good(c, r->opens) &&
		    !(flags & ~(UMFS_IREC_ORPHAN | UMFS_IREC_TRIM | UMFS_IREC_LINKABLE |
			       UMFS_IREC_MAPPED)))
			continue;
		if (!problem(c, PR_IREC_KEY, object("irec", i), "inode %u, flags 0x%x",
			     (uint32_t)key, flags))
			continue;
		lay_to_rest(c, &r->key, 0);
		for (uint32_t k = 0; k < UMFS_ARRAY_LEN(r->opens); k++)
			lay_to_rest(c, &r->opens[k], 0);
	}
}

/*
 * Descriptions are not made durable: where the power may have gone any part of one may be
 * of the time before, also of one that was closed and after the last detach.
 */
static void check_ofds(struct fsck *c)
{
	struct umfs_ofd_pm *ofds = page_at(c, c->geo.ofds_page);

	if (c->resting && c->geo.durability == UMFS_DURABLE_FLUSH)
		return;
	for (uint32_t i = 0; i < c->geo.ofd_count; i++) {
		struct umfs_ofd_pm *o = &ofds[i];

		if (!this_epoch(c, ld64(&o->key)))
			continue;
		if (!c->resting && (!ld32(&o->ino) || ino_good(c, ld32(&o->ino))) &&
		    ld32(&o->irec) < c->geo.irec_count && holders_good(c, o->slots))
			continue;
		if (problem(c, PR_OFD_KEY, object("ofd", i), "inode %u, irec %u", ld32(&o->ino),
			    ld32(&o->irec)))
			lay_to_rest(c, &o->key, 0);
	}
}

static void check_all(struct fsck *c)
{
	check_runtime(c);
	check_slots(c);
	check_lanes(c);
	check_reserves(c);
	check_irecs(c);
	check_ofds(c);
}

/* ---- recovery ---- */

/* Core's: with -n in the private mapping, else in the pool. The attach lock is ours. */
static int recover(struct fsck *c)
{
	struct umfs *fs = &c->pool.fs;
	bool from_backup;
	int err;

	if (c->pool.is_device && c->mode == FSCK_CHECK) {
		snprintf(c->error, sizeof(c->error),
			 "the pool needs recovery, which -n can not do on a device: use -p");
		return EXIT_ERROR;
	}
	fs->readonly = 0; /* a private copy takes stores as the pool would */
	err = umfs_super_load(fs, &from_backup);
	if (!err) {
		fs->irec_refs = calloc(c->geo.irec_count, sizeof(uint32_t));
		fs->ofd_refs = calloc(c->geo.ofd_count, sizeof(uint32_t));
		err = fs->irec_refs && fs->ofd_refs ? umfs_recover_all(fs) : -ENOMEM;
		free(fs->irec_refs);
		free(fs->ofd_refs);
		fs->irec_refs = fs->ofd_refs = NULL;
	}
	if (err) {
		problem(c, PR_POOL_RECOVER, object("pool", OBJECT_ALONE), "%s", strerror(-err));
		c->unsure = true;
	}
	return 0;
}

int pass0_runtime(struct fsck *c)
{
	int ret;

	c->resting = c->was_clean = ld64(&runtime_at(c)->clean) == UMFS_CLEAN;
	check_all(c);
	c->rested = c->resting;
	if (c->resting)
		return 0;
	problem(c, PR_POOL_UNCLEAN, object("pool", OBJECT_ALONE), "%s",
		c->mode == FSCK_CHECK ? "recovered in a private copy" : "recovered");
	ret = recover(c);
	if (ret)
		return ret;
	c->resting = true;
	check_all(c);
	c->rested = true;
	return 0;
}

void runtime_claim(struct fsck *c)
{
	for (uint32_t i = 0; i < lane_count(c); i++) {
		uint64_t page = c->geo.lanes_page + (uint64_t)i * UMFS_LANE_PAGES;
		uint64_t spare = media_data(c, page, 1) ? ld64(&lane_at(c, i)->spare) : 0;

		if (spare && page_valid(c, spare) && !page_claim(c, spare))
			problem(c, PR_PAGE_TWICE, object("lane", i), "spare page %llu",
				(unsigned long long)spare);
	}
}
