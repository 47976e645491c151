// SPDX-License-Identifier: BSD-3-Clause
/*
 * pass2.c - directories: the trie of nodes and leaves, and each name in them.
 *
 * A name is where its hash leads: the bits of the hash that the walk consumed
 * on the way to a leaf are those of every name in it.
 *
 * A directory of which more is wrong than a name is made anew (names.c) in a round that cuts
 * (rounds.c): of the names that are whole, in the leaves that can be found and are its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fsck.h"

#define HASH_BITS 63u

struct dir {
	struct fsck *c;
	uint32_t ino;
	struct inode_info *info;
	uint64_t entries, pages;
	bool drop; /* give the pages back; nothing is checked */
	dir_visit_fn visit; /* or NULL: nothing is checked nor claimed */
	void *arg;
	bool foreign; /* the leaf that is looked at may be another's, or has lost its signature */
	bool torn; /* it is to be made anew, of `names` */
	struct names names; /* when cutting */
};

/* Where the walk is: the bits of the hash consumed so far, and how many they are. */
struct where {
	uint64_t prefix;
	uint32_t bits;
	uint32_t level; /* nodes above */
};

#define bad(d, code, ...)                                                                          \
	do {                                                                                       \
		if (problem((d)->c, (code), object("inode", (d)->ino), __VA_ARGS__))               \
			tear(d);                                                                   \
		else                                                                               \
			hide(d);                                                                   \
	} while (0)

/* The same, and it is not to be mended this time. */
#define keep(d, code, ...)                                                                         \
	do {                                                                                       \
		problem_keep((d)->c, (code), object("inode", (d)->ino), __VA_ARGS__);              \
		hide(d);                                                                           \
	} while (0)

static void hide(struct dir *d)
{
	inode_bad(d->c, d->info);
	d->c->hidden = true;
}

static void tear(struct dir *d)
{
	d->torn = true;
	d->c->hidden = true;
	cut_done(d->c);
}

static uint64_t ref_page(uint64_t ref)
{
	return (ref & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT;
}

static uint32_t ref_depth(uint64_t ref)
{
	return (uint32_t)((ref & UMFS_DREF_DEPTH_MASK) >> UMFS_DREF_DEPTH_SHIFT);
}

/* Another directory says that the page is its own, and has not got it by another way. */
static bool others_leaf(const struct dir *d, uint32_t ino)
{
	const struct inode_info *info = info_at(d->c, ino);

	return ino != d->ino && info && info->type == S_IFDIR >> 12 && inode_suspect(d->c, ino);
}

/* Of what looks like a leaf of this directory, or might be one all the same. */
static bool leaf_fits(const struct dir *d, uint64_t page)
{
	const struct umfs_dleaf_pm *leaf = page_at(d->c, page);
	uint32_t ino = ld32(&leaf->ino);

	if (ld32(&leaf->magic) != UMFS_DLEAF_MAGIC)
		return ino == d->ino;
	return !others_leaf(d, ino);
}

/* Most of a node are references to what may be in it. */
static bool node_fits(const struct dir *d, uint64_t page)
{
	const le64 *node = page_at(d->c, page);
	uint32_t good = 0;

	for (uint32_t i = 0; i < UMFS_DNODE_REFS; i++) {
		uint64_t ref = ld64(&node[i]);

		good += (ref & UMFS_DREF_P) && page_valid(d->c, ref_page(ref)) &&
			(!(ref & UMFS_DREF_LEAF) || leaf_fits(d, ref_page(ref)));
	}
	return good > UMFS_DNODE_REFS / 2;
}

static bool page_fits(const struct dir *d, uint64_t ref)
{
	return ref & UMFS_DREF_LEAF ? leaf_fits(d, ref_page(ref)) : node_fits(d, ref_page(ref));
}

static bool take(struct dir *d, uint64_t ref)
{
	uint64_t page = ref_page(ref);

	if (d->drop)
		page_free(d->c, page);
	if (d->drop || d->visit)
		return true;
	unit_revive(d->c, page);
	if (!page_valid(d->c, page)) {
		bad(d, PR_DIR_RANGE, "reference 0x%llx", (unsigned long long)ref);
		return false;
	}
	if (cuts(d->c) && !page_fits(d, ref)) {
		bad(d, PR_LEAF_INO, "pool page %llu is none of this directory",
		    (unsigned long long)page);
		return false;
	}
	if (!page_claim(d->c, page)) {
		if (problem(d->c, PR_PAGE_TWICE, object("inode", d->ino),
			    "pool page %llu, of the directory", (unsigned long long)page)) {
			tear(d);
		} else {
			inode_shares(d->c, d->info);
			d->c->hidden = true;
		}
		return false;
	}
	d->pages++;
	if (cuts(d->c))
		names_own(&d->names, page);
	return true;
}

/* ---- names ---- */

static bool name_good(const uint8_t *name, uint32_t len)
{
	if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return false;
	return !memchr(name, '/', len) && !memchr(name, 0, len);
}

/* A place in a leaf. */
struct spot {
	struct umfs_dleaf_pm *leaf;
	uint64_t page;
	uint32_t cell;
};

static struct umfs_dentry_pm *dentry_at(const struct spot *s)
{
	return (void *)((uint8_t *)s->leaf + s->cell * 16u);
}

/* One store: from then on there is no such name. */
static void starts_clear(struct dir *d, const struct spot *s, uint32_t cell)
{
	le64 *word = &s->leaf->start[cell / 64];

	and64(word, ~(1ull << cell % 64));
	media_sync(d->c, word, sizeof(*word));
	d->c->again = true;
}

/* The name is cut off where that is to be mended and `cut`: what it led to is looked for again. */
static void name_bad(struct dir *d, const struct spot *s, enum problem_code code, bool cut,
		     const char *what)
{
	struct object about = object("inode", d->ino);
	unsigned long long page = s->page;

	if (!cut || d->foreign || media_lost(d->c))
		problem_keep(d->c, code, about, "pool page %llu cell %u%s", page, s->cell, what);
	else if (problem(d->c, code, about, "pool page %llu cell %u%s", page, s->cell, what))
		starts_clear(d, s, s->cell);
	inode_bad(d->c, d->info);
	d->c->hidden = true;
}

static void put_type(struct dir *d, struct umfs_dentry_pm *e, uint8_t type)
{
	_Alignas(8) uint8_t bytes[sizeof(*e) + UMFS_NAME_MAX];
	struct umfs_dentry_pm *want = (void *)bytes;

	memcpy(bytes, e, sizeof(*e) + ld8(&e->len));
	st8(&want->type, type);
	st16(&want->check, dentry_sum(want));
	mend_bytes(d->c, e, want, sizeof(*want));
}

/*
 * May the name be cut off? Not where its inode is damaged, nor where the group that would
 * have it says that it was never used: that is damage of the group, which would take all
 * names of its inodes along.
 */
static bool leads_nowhere(const struct fsck *c, uint32_t ino)
{
	const struct umfs_inode_pm *inode = inode_at(c, ino);

	if (cuts(c) || !ino || ino == UMFS_ROOT_INO || ino / c->geo.inodes_per_group >= c->geo.group_count)
		return true;
	return inode && !ld32(&inode->mode);
}

/*
 * A directory has one name: the one in its parent, where it has one there, else the first.
 * And the name that closes a loop is none.
 */
static bool name_spare(const struct dir *d, uint32_t ino, const struct inode_info *info)
{
	uint32_t before = info_before(d->c, ino);
	bool home = ld64(&inode_at(d->c, ino)->parent) == d->ino;

	if (!cuts(d->c) || info->type != S_IFDIR >> 12)
		return false;
	return info->names || (before & INFO_LOOP) ||
	       ((before & INFO_NAMES) && (before & INFO_HOME) && !home);
}

/* When cutting: the name is one that the directory has if it is made anew. */
static void collect(struct dir *d, const struct umfs_dentry_pm *e, uint8_t type)
{
	const struct name n = {sum_name_hash(d->c->geo.hash_key, e + 1, ld8(&e->len)),
			       ld32(&e->ino), type, ld8(&e->len), e + 1};

	if (d->c->cutting)
		names_add(&d->names, &n);
}

static void check_target(struct dir *d, const struct spot *s)
{
	struct umfs_dentry_pm *e = dentry_at(s);
	uint32_t ino = ld32(&e->ino), said = ld8(&e->type);
	struct inode_info *info = info_at(d->c, ino);
	struct object about = object("inode", d->ino);
	char what[48];

	snprintf(what, sizeof(what), ": inode %u", ino);
	if (!info || !info->type || ino == UMFS_ROOT_INO) {
		name_bad(d, s, PR_DENTRY_INO, leads_nowhere(d->c, ino), what);
		return;
	}
	if (name_spare(d, ino, info)) {
		name_bad(d, s, info->names ? PR_DIR_TWICE : info_before(d->c, ino) & INFO_LOOP ?
			 PR_DIR_LOOP : PR_DIR_TWICE, true, what);
		return;
	}
	collect(d, e, info->type);
	if (info->type != said && (d->foreign || info->flags & INFO_BAD))
		name_bad(d, s, PR_DENTRY_TYPE, false, what);
	else if (info->type != said &&
		 problem(d->c, PR_DENTRY_TYPE, about,
			 "pool page %llu cell %u: type %u, inode %u has type %u",
			 (unsigned long long)s->page, s->cell, said, ino, info->type))
		put_type(d, e, info->type);
	else if (info->type != said)
		inode_bad(d->c, d->info);
	info->names++;
	if (info->type == S_IFDIR >> 12) {
		d->info->subdirs++;
		if (ld64(&inode_at(d->c, ino)->parent) == d->ino)
			info->flags |= INFO_HOME;
		if (!info->parent)
			info->parent = d->ino;
	}
}

/* The tag of a dentry's first cell is of its hash, that of its second how many cells it has. */
static void check_tag(struct dir *d, const struct umfs_dleaf_pm *leaf, uint64_t page,
		      uint32_t cell, uint8_t want)
{
	if (ld8(&leaf->tag[cell]) == want || d->foreign ||
	    !problem(d->c, PR_LEAF_TAG, object("inode", d->ino), "pool page %llu cell %u",
		     (unsigned long long)page, cell))
		return;
	st8((le8 *)&leaf->tag[cell], want);
	media_sync(d->c, &leaf->tag[cell], 1);
}

/* Does all of the dentry fit together, and with an inode? */
static bool dentry_fits(const struct dir *d, const struct umfs_dentry_pm *e)
{
	const struct inode_info *info = info_at(d->c, ld32(&e->ino));
	uint32_t len = ld8(&e->len);

	return ld16(&e->check) == dentry_sum(e) && name_good((const uint8_t *)(e + 1), len) &&
	       ld64(&e->hash) == sum_name_hash(d->c->geo.hash_key, e + 1, len) && info &&
	       info->type == ld8(&e->type);
}

/* The only dentry that one bit turned makes of it, if that fits. The length stays. */
static bool dentry_guess(const struct dir *d, const struct umfs_dentry_pm *e, uint8_t *bytes)
{
	uint32_t size = (uint32_t)sizeof(*e) + ld8(&e->len), fits = 0, found = 0;

	memcpy(bytes, e, size);
	for (uint32_t bit = 0; bit < 8 * size; bit++) {
		if (bit / 8 == offsetof(struct umfs_dentry_pm, len))
			continue;
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (dentry_fits(d, (const void *)bytes)) {
			found = bit;
			fits++;
		}
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	bytes[found / 8] ^= (uint8_t)(1u << found % 8);
	return fits == 1;
}

/* Its check does not fit: one turned bit is turned back, else the name is cut off. */
static bool mend_check(struct dir *d, const struct spot *s)
{
	_Alignas(8) uint8_t bytes[sizeof(struct umfs_dentry_pm) + UMFS_NAME_MAX];
	struct umfs_dentry_pm *e = dentry_at(s);

	if (d->foreign || !dentry_guess(d, e, bytes)) {
		name_bad(d, s, PR_DENTRY_CHECK, true, ": it does not fit");
		return false;
	}
	if (!problem(d->c, PR_DENTRY_CHECK, object("inode", d->ino),
		     "pool page %llu cell %u: one bit is wrong", (unsigned long long)s->page,
		     s->cell)) {
		inode_bad(d->c, d->info);
		d->c->hidden = true;
		return true; /* what else is wrong with it is told, too */
	}
	mend_bytes(d->c, e, bytes, (uint32_t)sizeof(*e) + ld8(&e->len));
	return true;
}

static void check_dentry(struct dir *d, const struct spot *s, const struct where *at)
{
	const struct umfs_dentry_pm *e = dentry_at(s);
	const uint8_t *name = (const uint8_t *)(e + 1);
	uint32_t len = ld8(&e->len);
	uint64_t hash;

	if (ld16(&e->check) != dentry_sum(e) && !mend_check(d, s))
		return;
	hash = ld64(&e->hash);
	d->entries++;
	if (!name_good(name, len)) {
		name_bad(d, s, PR_DENTRY_NAME, true, "");
		return;
	}
	/* Its check fits: the pool's key or the way here may be damaged, and the name not. */
	if (hash != sum_name_hash(d->c->geo.hash_key, name, len))
		bad(d, PR_DENTRY_HASH, "pool page %llu cell %u", (unsigned long long)s->page,
		    s->cell);
	else if (at->bits && hash >> (HASH_BITS - at->bits) != at->prefix)
		bad(d, PR_DENTRY_PLACE, "pool page %llu cell %u", (unsigned long long)s->page,
		    s->cell);
	check_tag(d, s->leaf, s->page, s->cell, (uint8_t)hash);
	check_tag(d, s->leaf, s->page, s->cell + 1, (uint8_t)dentry_cells(len));
	check_target(d, s);
}

/* ---- leaves ---- */

static bool starts(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	return ld64(&leaf->start[cell / 64]) >> cell % 64 & 1;
}

/* No other name starts inside this one, and it ends inside the page. */
static bool room_good(const struct umfs_dleaf_pm *leaf, uint32_t cell, uint32_t cells)
{
	if (cell + cells > UMFS_DLEAF_CELLS)
		return false;
	for (uint32_t i = 1; i < cells; i++)
		if (starts(leaf, cell + i))
			return false;
	return true;
}

static bool name_twice(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	const struct umfs_dentry_pm *e = (const void *)((const uint8_t *)leaf + cell * 16u);

	for (uint32_t i = UMFS_DLEAF_HEAD_CELLS; i < cell; i++) {
		const struct umfs_dentry_pm *o = (const void *)((const uint8_t *)leaf + i * 16u);

		if (!starts(leaf, i) || ld8(&o->len) != ld8(&e->len) ||
		    i + dentry_cells(ld8(&o->len)) > UMFS_DLEAF_CELLS)
			continue;
		if (!memcmp(o + 1, e + 1, ld8(&e->len)))
			return true;
	}
	return false;
}

/* Names are added at the tail: one that lies behind it would be overwritten. */
static void check_tail(struct dir *d, struct umfs_dleaf_pm *leaf, uint64_t page, uint32_t end)
{
	uint32_t tail = ld16(&leaf->tail);

	if ((tail >= end && tail <= UMFS_DLEAF_CELLS) || d->foreign)
		return;
	if (problem(d->c, PR_LEAF_TAIL, object("inode", d->ino),
		    "pool page %llu: %u, the last name ends at %u", (unsigned long long)page, tail,
		    end)) {
		st16(&leaf->tail, (uint16_t)end);
		media_sync(d->c, leaf, sizeof(*leaf));
	}
}

/*
 * Is the page a leaf of this directory? Only then is anything mended in it: where a wrong
 * reference led here it is another's, whose data may look like anything. The signature is
 * mended where one bit of it is wrong and the directory right.
 */
static bool check_head(struct dir *d, struct umfs_dleaf_pm *leaf, uint64_t page)
{
	uint32_t magic = ld32(&leaf->magic), ino = ld32(&leaf->ino);
	bool near = __builtin_popcount(magic ^ UMFS_DLEAF_MAGIC) == 1;
	unsigned long long n = page;

	if (ino != d->ino)
		bad(d, PR_LEAF_INO, "pool page %llu: inode %u", n, ino);
	if (magic == UMFS_DLEAF_MAGIC)
		return ino == d->ino;
	if (cuts(d->c) && !near) {
		bad(d, PR_LEAF_MAGIC, "pool page %llu: 0x%x", n, magic);
		return false;
	}
	if (ino != d->ino || !near || media_lost(d->c)) {
		keep(d, PR_LEAF_MAGIC, "pool page %llu: 0x%x", n, magic);
		return false;
	}
	if (!problem(d->c, PR_LEAF_MAGIC, object("inode", d->ino), "pool page %llu: 0x%x", n,
		     magic))
		return true;
	st32(&leaf->magic, UMFS_DLEAF_MAGIC);
	media_sync(d->c, leaf, UMFS_LINE_BYTES);
	return true;
}

/* No name starts in the head. */
static void check_head_map(struct dir *d, struct umfs_dleaf_pm *leaf, uint64_t page)
{
	uint64_t map = ld64(&leaf->start[0]), head = (1ull << UMFS_DLEAF_HEAD_CELLS) - 1;

	if (!(map & head) || d->foreign ||
	    !problem(d->c, PR_LEAF_START, object("inode", d->ino),
		     "pool page %llu: a name starts in the head", (unsigned long long)page))
		return;
	st64(&leaf->start[0], map & ~head);
	media_sync(d->c, leaf, UMFS_LINE_BYTES);
}

/* The name that fits is kept, and what starts inside it is none. */
static void mend_overlap(struct dir *d, const struct spot *s)
{
	uint32_t cells = dentry_cells(ld8(&dentry_at(s)->len));

	if (s->cell + cells > UMFS_DLEAF_CELLS || !dentry_fits(d, dentry_at(s))) {
		name_bad(d, s, PR_LEAF_START, true, ": names overlap");
		return;
	}
	for (uint32_t i = s->cell + 1; i < s->cell + cells; i++) {
		const struct spot inner = {s->leaf, s->page, i};

		if (starts(s->leaf, i))
			name_bad(d, &inner, PR_LEAF_START, true, ": names overlap");
	}
}

static void check_leaf(struct dir *d, uint64_t page, const struct where *at)
{
	struct umfs_dleaf_pm *leaf = page_at(d->c, page);
	uint32_t end = UMFS_DLEAF_HEAD_CELLS;

	d->foreign = !check_head(d, leaf, page);
	if (d->foreign && ld32(&leaf->magic) != UMFS_DLEAF_MAGIC && ld32(&leaf->ino) != d->ino)
		return; /* nothing in it is a name */
	check_head_map(d, leaf, page);
	for (uint32_t cell = UMFS_DLEAF_HEAD_CELLS; cell < UMFS_DLEAF_CELLS; cell++) {
		const struct spot s = {leaf, page, cell};
		uint32_t len = ld8(&dentry_at(&s)->len);

		if (!starts(leaf, cell))
			continue;
		if (!len) {
			name_bad(d, &s, PR_DENTRY_LEN, true, ": 0");
		} else if (!room_good(leaf, cell, dentry_cells(len))) {
			mend_overlap(d, &s);
		} else {
			end = cell + dentry_cells(len);
			check_dentry(d, &s, at);
			if (starts(leaf, cell) && name_twice(leaf, cell))
				name_bad(d, &s, PR_DENTRY_TWICE, true, "");
		}
	}
	check_tail(d, leaf, page, end);
}

static void visit_leaf(struct dir *d, const struct umfs_dleaf_pm *leaf)
{
	for (uint32_t cell = UMFS_DLEAF_HEAD_CELLS; cell < UMFS_DLEAF_CELLS; cell++)
		if (starts(leaf, cell))
			d->visit(d->arg, (const void *)((const uint8_t *)leaf + cell * 16u));
}

/* ---- nodes ---- */

static bool ref_good(struct dir *d, uint64_t ref)
{
	uint64_t known = UMFS_DREF_ADDR | UMFS_DREF_P | UMFS_DREF_LEAF | UMFS_DREF_DEPTH_MASK;
	bool leaf = ref & UMFS_DREF_LEAF;

	if (!(ref & UMFS_DREF_P) || ref & ~known || ref_depth(ref) > UMFS_DNODE_BITS ||
	    (!leaf && ref_depth(ref))) {
		bad(d, PR_DIR_REF, "0x%llx", (unsigned long long)ref);
		return false;
	}
	return true;
}

static void walk_node(struct dir *d, const le64 *node, const struct where *at);

static void walk_ref(struct dir *d, uint64_t ref, const struct where *at)
{
	if (!(ref & UMFS_DREF_LEAF) && at->level >= UMFS_DIR_LEVELS_MAX) {
		bad(d, PR_DIR_DEEP, "reference 0x%llx", (unsigned long long)ref);
		return;
	}
	if (!take(d, ref))
		return;
	if (!(ref & UMFS_DREF_LEAF))
		walk_node(d, page_at(d->c, ref_page(ref)), at);
	else if (d->visit)
		visit_leaf(d, page_at(d->c, ref_page(ref)));
	else if (!d->drop)
		check_leaf(d, ref_page(ref), at);
}

/* How many references from node[i] on belong to one leaf; says so when they do not match. */
static uint32_t leaf_run(struct dir *d, const le64 *node, uint32_t i)
{
	uint64_t ref = ld64(&node[i]);
	uint32_t span = 1u << (UMFS_DNODE_BITS - ref_depth(ref)), n = 1;

	while (n < span && i + n < UMFS_DNODE_REFS && ld64(&node[i + n]) == ref)
		n++;
	if (!d->drop && (n != span || i % span))
		bad(d, PR_DIR_RUN, "reference %u, 0x%llx: %u of %u", i, (unsigned long long)ref, n,
		    span);
	return n;
}

static void walk_node(struct dir *d, const le64 *node, const struct where *at)
{
	uint32_t i = 0, holes = 0;

	while (i < UMFS_DNODE_REFS) {
		struct where below = { .level = at->level + 1 };
		uint64_t ref = ld64(&node[i]);
		uint32_t depth, n = 1;

		holes += !ref;
		if (ref && ref_good(d, ref)) {
			depth = UMFS_DNODE_BITS;
			if (ref & UMFS_DREF_LEAF) {
				depth = ref_depth(ref);
				n = leaf_run(d, node, i);
			}
			below.bits = at->bits + depth;
			below.prefix = at->prefix << depth | i >> (UMFS_DNODE_BITS - depth);
			walk_ref(d, ref, &below);
		}
		i += n;
	}
	if (holes && !d->drop)
		bad(d, PR_DIR_REF, "%u references of a node lead nowhere", holes);
}

static void walk_root(struct dir *d, uint64_t root)
{
	struct where top = { 0 };

	if (!root || !ref_good(d, root))
		return;
	if ((root & UMFS_DREF_LEAF) && ref_depth(root)) {
		bad(d, PR_DIR_ROOT, "0x%llx", (unsigned long long)root);
		return;
	}
	walk_ref(d, root, &top);
}

void dir_drop(struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino)
{
	struct dir d = { .c = c, .ino = ino, .info = info_at(c, ino), .drop = true };

	walk_root(&d, ld64(&inode->root));
}

void dir_visit(struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino, dir_visit_fn fn,
	       void *arg)
{
	struct dir d = {.c = c, .ino = ino, .info = info_at(c, ino), .visit = fn, .arg = arg};

	walk_root(&d, ld64(&inode->root));
}

/* Of the names that were found; what it had of pages is free in the next round. */
static bool make_anew(struct dir *d)
{
	if (names_put(&d->names, NULL))
		return true;
	keep(d, PR_DIR_REF, "there is no room to make it anew");
	return false;
}

void dir_check(struct fsck *c, uint32_t ino)
{
	struct umfs_inode_pm *inode = inode_at(c, ino);
	struct dir d = {.c = c, .ino = ino, .info = info_at(c, ino), .names = {.c = c, .dir = ino}};
	uint64_t fixed = c->fixed;
	bool again = c->again;

	walk_root(&d, ld64(&inode->root));
	/* What could not be read may have had names, too. */
	if (d.torn && (media_lost(c) || !make_anew(&d))) {
		c->fixed = fixed; /* and another round would find the same */
		c->again = again;
	}
	names_free(&d.names);
	if (d.torn)
		return;
	count_check(c, PR_INO_ENTRIES, ino, &inode->entries, d.entries);
	count_check(c, PR_INO_PAGES, ino, &inode->pages, d.pages + xattr_pages(c, inode));
}

int pass2(struct fsck *c)
{
	if (c->cutting) {
		trust_claim(c);
		return 0;
	}
	for (uint32_t g = 0; g < c->geo.group_count; g++) {
		if (!group_used(c, g))
			continue;
		for (uint32_t i = 0; i < c->geo.inodes_per_group; i++)
			if (c->groups[g].inodes[i].type == S_IFDIR >> 12)
				dir_check(c, g * c->geo.inodes_per_group + i);
		progress(c, 2, g + 1, c->geo.group_count);
	}
	return 0;
}
