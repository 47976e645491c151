/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fsck.h - what the passes of fsck.umfs share.
 *
 *   pass 0  superblock and its copy; what runs and what crashed (runtime.c);
 *           then core's recovery, and the same once more
 *   pass 1  inodes and the page tables of files
 *   pass 2  directories and their names
 *   pass 3  what hangs together: parents, loops, inodes without a name
 *   pass 4  link counts
 *   pass 5  bitmaps and counts
 *   then    what has no name gets one in lost+found (lost.c); and, where something was
 *           mended, all from pass 1 on again (rounds.c)
 *
 * Only core's recovery is called; the format is read with the structs of
 * docs/SPEC.md and code of fsck's own. Each page of the pool may hold anything:
 * every loop has a bound that is not taken from the pool, or claims a page in
 * `used` at each step.
 *
 * I1  A page is followed only after page_claim() returned true for it, so no
 *     page is walked twice and no walk runs for ever.
 * I2  When something was found that hides what is in use (c->unsure), nothing
 *     is given back: a bit may be set, never cleared. But see rounds.c on c->freeing.
 *     (with -p also while pages may have been lost: see counts.c)
 * I3  When pages in use are marked free while others are marked in use and are
 *     not (c->crossed), an entry may lead to the wrong page and the right one be
 *     among those: only -y decides for the entries.
 *     And counts stay as they are while a page is used twice: they tell who is wrong.
 * I4  It may be killed at any store: see mend.c.
 */
#ifndef UMFS_FSCK_H
#define UMFS_FSCK_H

#include "pool.h"
#include "problem.h"
#include "sum.h"

struct json_object;

enum fsck_mode { FSCK_CHECK, FSCK_PREEN, FSCK_YES };

/* Exit codes of fsck(8). */
#define EXIT_FIXED 1
#define EXIT_LEFT 4
#define EXIT_ERROR 8
#define EXIT_USAGE 16
#define EXIT_CANCELLED 32

/* What the superblock says, after fsck's own checks. */
struct geo {
	uint64_t pool_pages;
	uint32_t group_count, inodes_per_group, itable_pages, groups_page, gtable_page;
	uint32_t slot_count, lanes_per_slot, lanes_page;
	uint32_t irec_count, irecs_page, ofd_count, ofds_page, reserve_count, reserves_page;
	uint32_t flags, durability;
	uint64_t hash_key[2];
};

/* One per inode of the groups in use; what the passes found out. */
struct inode_info {
	uint32_t names;	  /* dentries that lead here */
	uint32_t subdirs; /* directories in it */
	uint32_t parent;  /* directory: where its (first) name is */
	uint8_t type;	  /* file type, as st_mode >> 12; 0: not in use */
	uint16_t flags;	  /* INFO_* */
};
#define INFO_BAD 1u	/* damaged: neither mended nor reclaimed */
#define INFO_REACHED 2u /* directory: the root is above it, or one without a name */
#define INFO_WALKED 4u
#define INFO_SIZE 8u /* its size is wrong, and not known yet */
#define INFO_LOST 16u /* whole and without a name: for lost+found */
#define INFO_TORN 32u /* bad by more than that somebody else uses one of its pages, too */
#define INFO_TWICE 64u /* a page of it was somebody else's before */
#define INFO_ODD 128u /* its counts are not what was found, and it had all of its pages */
#define INFO_HOME 256u /* directory: a name of it is in the directory that it calls its parent */
#define INFO_NAMES 512u /* directory: it has more than one name */
#define INFO_LOOP 1024u /* directory: the loop it is in is to be cut at its name */

struct group_info {
	uint8_t *used; /* a bit for each page found in use; NULL: the group was never used */
	struct inode_info *inodes;
	uint16_t *before; /* -y: INFO_* of each inode in the last round that cut nothing, or NULL */
	uint32_t unsound; /* inodes that sound.c has left to pass 1 */
	uint64_t backed; /* units that have memory, by the mark or because they must */
	bool wanted; /* never used by its flag, and a file's table leads there (group.c) */
};

struct later;

struct fsck {
	const char *path;
	enum fsck_mode mode;
	bool force;
	uint32_t threads; /* as asked for; 0: as the pool is large */
	bool dry;	  /* sound.c: a finding is only counted, in dry_found */
	bool hold;	  /* and no page is claimed, of hold_left */
	uint64_t dry_found, hold_left, inodes_sound;
	int progress_fd; /* -1: none */

	struct pool pool;
	uint8_t *base;
	struct geo geo;
	struct group_info *groups;
	bool resting;	/* nothing ran here, or it was recovered: what is not at rest is damage */
	bool unsure;	/* damage hides what is in use */
	bool crossed;	/* pages in use are marked free, and others the other way round */
	bool unread; /* a page could not be read */
	bool hidden; /* damage of directories hides names */
	bool again; /* something was cut off or named: another round */
	bool wanted; /* a group is wanted that has bitmaps (group.c): another round, too */
	bool cutting; /* this round cuts off what nothing else mends */
	bool shared; /* a page is used twice */
	bool no_room; /* a page was wanted and there was none */
	bool freeing; /* this round frees what it finds unused, though damage is left */
	bool freed; /* one did */
	uint64_t copies_left; /* so many pages may still be copied */
	uint64_t alloc_from; /* pages before it are not looked at for a free one */
	const char *lost_why; /* nothing can be named in lost+found */
	bool skipped;	/* -p on a clean pool */
	bool was_clean; /* when fsck came */
	bool rested;	/* pass 0 is done: slots, lanes and logs are at rest */
	bool journal;	/* mend.c: slot 0 is ours */
	struct later *later; /* counts.c: what waits for pass 2 */
	uint64_t later_count, later_room;
	uint64_t lost; /* inodes with INFO_LOST */
	bool later_lost; /* no memory for those */

	uint64_t fixed, left, notes;
	uint64_t shown[PR_COUNT];
	uint64_t inodes_used, inodes_all, pages_used;
	struct json_object *findings; /* or NULL: text */
	char error[256];	      /* why nothing could be checked */
};

/* ---- media.c ---- */

/* Open the pool and shut others out. 0, or an exit code with c->error set. */
int media_open(struct fsck *c);
void media_close(struct fsck *c);
/* What was stored at p is on the medium when this returns. */
void media_sync(struct fsck *c, const void *p, size_t n);
/*
 * May one of the pages hold anything but zeros? A hole need not be looked at, which on
 * tmpfs would give it memory.
 */
bool media_data(const struct fsck *c, uint64_t page, uint64_t count);
/* Was there a page that could not be read? It reads as zeros, by which nothing is cut off. */
bool media_lost(const struct fsck *c);
/* Report pages that could not be read so far. */
void media_report(struct fsck *c);
/* A line of progress for -C, as e2fsck has it. */
void progress(struct fsck *c, unsigned int pass, uint64_t now, uint64_t max);

static inline void *page_at(const struct fsck *c, uint64_t page)
{
	return c->base + (page << UMFS_PAGE_SHIFT);
}
static inline struct umfs_runtime_pm *runtime_at(const struct fsck *c)
{
	return page_at(c, UMFS_RUNTIME_PAGE);
}
static inline struct umfs_group_pm *group_at(const struct fsck *c, uint32_t group)
{
	return (struct umfs_group_pm *)page_at(c, c->geo.gtable_page) + group;
}
static inline uint64_t group_first(const struct fsck *c, uint32_t group)
{
	return c->geo.groups_page + (uint64_t)group * UMFS_GROUP_PAGES;
}
static inline uint32_t group_pages(const struct fsck *c, uint32_t group)
{
	uint64_t left = c->geo.pool_pages - group_first(c, group);

	return left < UMFS_GROUP_PAGES ? (uint32_t)left : UMFS_GROUP_PAGES;
}
/* So many of them the bitmap knows (bits past that mean nothing), when that makes sense. */
static inline uint32_t group_known(const struct fsck *c, uint32_t group)
{
	uint32_t said = ld32(&group_at(c, group)->pages), all = group_pages(c, group);

	return said > UMFS_GROUP_HEAD_PAGES + c->geo.itable_pages && said < all ? said : all;
}
static inline uint32_t group_head(const struct fsck *c)
{
	return UMFS_GROUP_HEAD_PAGES + c->geo.itable_pages;
}
/* The group has bitmaps (and `groups[group]` its arrays). */
static inline bool group_used(const struct fsck *c, uint32_t group)
{
	return c->groups[group].used != NULL;
}
static inline bool unit_backed(const struct fsck *c, uint32_t group, uint32_t rel_page)
{
	return (c->geo.flags & UMFS_SB_BACKED) ||
	       (c->groups[group].backed >> (rel_page >> UMFS_UNIT_SHIFT) & 1);
}
static inline bool bit_get(const uint8_t *bits, uint32_t n)
{
	return bits[n >> 3] >> (n & 7) & 1;
}
/* 64 of them, from a multiple of 64 on, as a word of a bitmap in the pool has them. */
static inline uint64_t bit_word(const uint8_t *bits, uint32_t n)
{
	uint64_t word;

	memcpy(&word, bits + (n >> 3), sizeof(word));
	return word;
}
static inline void bit_set(uint8_t *bits, uint32_t n)
{
	bits[n >> 3] |= (uint8_t)(1u << (n & 7));
}
static inline void bit_clear(uint8_t *bits, uint32_t n)
{
	bits[n >> 3] &= (uint8_t)~(1u << (n & 7));
}

/* May what is wrong be cut off now? Not by what reads as zeros because it can not be read. */
static inline bool cuts(const struct fsck *c)
{
	return c->cutting && !media_lost(c);
}
/* There may be room once the pages are free that nothing uses: what needs some is not cut off before. */
static inline bool room_may_come(const struct fsck *c)
{
	return c->no_room && !c->freed;
}
/* Something was cut off: what it stood for is known in the next round. */
static inline void cut_done(struct fsck *c)
{
	c->again = c->unsure = true;
}

/* ---- use.c: pages and inodes ---- */

/* Memory for the groups in use; what is backed is checked. 0 or -ENOMEM. */
int use_make(struct fsck *c);
/* All of that but what the next round wants to know of the inodes; and that, too. */
void use_forget(struct fsck *c);
void use_drop(struct fsck *c);
/* Could the page be a file's: in a group that is in use, behind its head, and backed? */
bool page_valid(const struct fsck *c, uint64_t page);
/*
 * With -y: something leads to the page, and it has memory. If that is all that its unit's mark
 * does not say, the mark is wrong, and so was the bitmap by which it could have been found.
 */
void unit_revive(struct fsck *c, uint64_t page);
/* Note the page as in use; false when it already was. The page is valid. */
bool page_claim(struct fsck *c, uint64_t page);
/* Is it noted as in use? Is it marked so in the pool? */
bool page_claimed(const struct fsck *c, uint64_t page);
bool page_marked(const struct fsck *c, uint64_t page);
/* What was known of the inode in the last round that cut nothing. */
uint32_t info_before(const struct fsck *c, uint32_t ino);
/* May its tree be wrong, for more than a page that it shares? */
static inline bool inode_suspect(const struct fsck *c, uint32_t ino)
{
	return info_before(c, ino) & (INFO_TORN | INFO_ODD);
}
/* Take the claim back and free the page in its bitmap. */
void page_free(struct fsck *c, uint64_t page);
/* A page that nothing uses, claimed and marked; 0: there is none. After pass 5. */
uint64_t page_alloc(struct fsck *c);
/* The same of an inode, which stays one not in use. */
uint32_t inode_alloc(struct fsck *c);
/* Free the inode's bit. */
void inode_free(struct fsck *c, uint32_t ino);
/* The inode's place and what is known of it; NULL when there can be none. */
struct umfs_inode_pm *inode_at(const struct fsck *c, uint32_t ino);
struct inode_info *info_at(const struct fsck *c, uint32_t ino);
void inode_seal(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino);
/* `want`, a copy with something changed, becomes the inode's lines 0 and 1: sealed, at once. */
void inode_put(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino,
	       struct umfs_inode_pm *want);
/* One field of those lines, with the seal. */
void inode_put64(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino, const le64 *field,
		 uint64_t value);
static inline uint64_t inode_size(const struct umfs_inode_pm *inode)
{
	return ld64(&inode->size) & ((1ull << UMFS_SIZE_BITS) - 1);
}
/* Is it held by a slot, by I1 of docs/SPEC.md's lock words? */
bool lock_held(const struct fsck *c, uint64_t word);
/* Report a lock that is held, as `code`, and free it when that is to be mended. */
void lock_check(struct fsck *c, enum problem_code code, struct object about, const char *name,
		le64 *word);

/* ---- mend.c: changes that may be cut short ---- */

/* The caller is about to change something of the pool. */
void mend_begin(struct fsck *c);
/* Nothing more is changed: the pool is as after a detach, where nothing is left to mend. */
void mend_end(struct fsck *c);
/* Of one change: n bytes at `at` become `bytes`. */
struct mend {
	void *at;
	const void *bytes;
	uint32_t n;
};
/* All of them, or none; together with 32 bytes for each they take at most 8064. */
void mend_all(struct fsck *c, const struct mend *all, uint32_t count);
/* One of them, at most a page. */
void mend_bytes(struct fsck *c, void *at, const void *bytes, uint32_t n);

/* ---- counts.c, size.c: single words of an inode ---- */

/*
 * A count that goes by itself, against what was found; mended after pass 2, where the inode
 * is sound otherwise.
 */
void count_check(struct fsck *c, enum problem_code code, uint32_t ino, le64 *field,
		 uint64_t found);
/* The entry is marked as a run and is none: the same. */
void run_check(struct fsck *c, uint32_t ino, le64 *entry, uint64_t index);
/* After pass 2: all of those. 0, or -1: out of memory. */
int counts_settle(struct fsck *c);
bool size_good(const struct umfs_inode_pm *inode, uint32_t ino);
/* The size, when all else of the inode has been looked at; `extent`: of fpt_check. */
void size_check(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino,
		struct inode_info *info, uint64_t extent);
/* Is some page marked in use that nothing uses? After pass 2. */
bool pages_leaked(const struct fsck *c);

/* ---- the passes; each returns 0, or an exit code with c->error set ---- */

int pass0_super(struct fsck *c);
/* Slots, lanes, logs and what is open; recovery where it is due, and the same once more. */
int pass0_runtime(struct fsck *c);
/* Pages that lanes own; after use_make(). */
void runtime_claim(struct fsck *c);
int pass1(struct fsck *c);
/* One inode of it. */
void inode_check(struct fsck *c, uint32_t ino);
/*
 * sound.c: inodes with which nothing is wrong are done, and have a type. False: a page is
 * used twice, and none is.
 */
bool sound_claim(struct fsck *c);
int pass2(struct fsck *c);
int pass3(struct fsck *c);
int pass4(struct fsck *c);
int pass5(struct fsck *c);
/* Inodes of a pool whose claims are made in order of trust: pass 1 and 2 in one. */
void trust_claim(struct fsck *c);
/* Attributes of an inode; what a file, or a directory, owns. */
void inode_attributes(struct fsck *c, uint32_t ino);
void inode_body(struct fsck *c, uint32_t ino);
void dir_check(struct fsck *c, uint32_t ino);
/* ---- lost.c ---- */
int lost_attach(struct fsck *c);
/* ---- rounds.c ---- */
int passes_run(struct fsck *c);

/* ---- fpt.c, pass2.c: what a file and a directory own ---- */

/*
 * Walk a file's page table, claim its pages. Pages owned; sets INFO_BAD on damage.
 * *extent: data pages up to and with the last one, holes among them.
 */
uint64_t fpt_check(struct fsck *c, struct umfs_inode_pm *inode, uint32_t ino,
		   struct inode_info *info, uint64_t *extent);
/* Give back the pages of an inode that was found in order. */
void fpt_drop(struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino);
void dir_drop(struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino);
/* Each name of a directory that was found in order. */
typedef void (*dir_visit_fn)(void *arg, const struct umfs_dentry_pm *e);
void dir_visit(struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino, dir_visit_fn fn,
	       void *arg);
static inline uint32_t dentry_cells(uint32_t len)
{
	return ((uint32_t)sizeof(struct umfs_dentry_pm) + len + 15u) / 16u;
}
static inline uint16_t dentry_sum(const struct umfs_dentry_pm *e)
{
	uint32_t crc = sum_crc32c(0, e, offsetof(struct umfs_dentry_pm, check));

	return (uint16_t)sum_crc32c(crc, e + 1, ld8(&e->len));
}

/* ---- names.c: a directory made anew ---- */

/* A name that a directory is to have. */
struct name {
	uint64_t hash;
	uint32_t ino;
	uint8_t type, len;
	const void *bytes; /* in the pool, or its owner's */
};

struct names {
	struct fsck *c;
	uint32_t dir;
	struct name *all;
	uint64_t count, room;
	uint64_t pages; /* of the new trie */
	/* Pages that the directory has claimed: for where there are no others. */
	uint64_t *own, own_count, own_room;
	uint64_t first; /* the page in which the first leaf of the new trie is already; 0: none */
	bool in_place;	/* own pages may be overwritten: nothing leads to them any more */
	bool dry;	/* only counted */
	bool partial;	/* there was no memory for some of the names */
	bool full;	/* or no page */
};

void names_add(struct names *l, const struct name *e);
void names_own(struct names *l, uint64_t page);
void names_free(struct names *l);
/* The names that a sound directory has, sorted. */
void names_read(struct names *l);
/* Among the first `count`, which are sorted; or NULL. */
const struct name *names_find(const struct names *l, uint64_t count, const char *name);
/*
 * All names of the list become those of the directory, in one change, and `also`, if any, is
 * changed with it. The old pages are not given back; where there are no others, and nothing else
 * is to be changed, the directory is made anew in its own. False: there is no room.
 */
bool names_put(struct names *l, const struct mend *also);
/* One name more, in the leaf of a sound directory where it belongs. False: that is full. */
bool names_insert(struct fsck *c, uint32_t dir, const struct name *n);

/* ---- remake.c: inodes that are not worth their number any more, or are made anew ---- */

/* What a new, empty directory in the root is to be. */
void dir_fill(struct umfs_inode_pm *want, uint32_t ino, uint32_t generation, uint32_t perm);
/* It is one not in use from now on. */
void inode_clear(struct fsck *c, uint32_t ino);
bool mode_known(uint32_t mode);
/* A mode that is none becomes what the file's root looks like, or else the inode is cleared. */
void mode_remake(struct fsck *c, uint32_t ino);
/* Inode 1 becomes a directory. */
void root_remake(struct fsck *c);
/* Could the page be a leaf of the directory? */
bool leaf_like(const struct fsck *c, uint64_t page, uint32_t ino);

/* ---- group.c: groups that are in use and do not say so ---- */

/* Flags of a group, before anything in it is looked at. */
void group_flags_check(struct fsck *c, uint32_t group);
/* A table leads to a page of this group, which is not in use: if it was, the next round has it. */
void group_want(struct fsck *c, uint32_t group, uint64_t page);
/* Units of its head in which there is an inode in use, but for those that are known. */
uint64_t group_units_of_inodes(const struct fsck *c, uint32_t group, uint64_t known);
/* A group that was never used is set up; false: it can not be. */
bool group_start(struct fsck *c, uint32_t group);
/* Memory for what is known of its pages and inodes. 0 or -ENOMEM. */
int group_make(struct fsck *c, uint32_t group);

/* ---- xattr.c ---- */

/* Look through the extended attributes of an inode and claim their pages. */
void xattr_check(struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino,
		 struct inode_info *info);
/* How many pages they take. */
uint64_t xattr_pages(const struct fsck *c, const struct umfs_inode_pm *inode);
void xattr_drop(struct fsck *c, const struct umfs_inode_pm *inode);

/* Damage of this inode: it is left alone, and what it used is unknown. */
static inline void inode_bad(struct fsck *c, struct inode_info *info)
{
	info->flags |= INFO_BAD | INFO_TORN;
	c->unsure = true;
}
/* Somebody else uses a page of it. */
static inline void inode_shares(struct fsck *c, struct inode_info *info)
{
	info->flags |= INFO_BAD | INFO_TWICE;
	c->unsure = c->shared = true;
}

#endif
