// SPDX-License-Identifier: BSD-3-Clause
/*
 * names.c - the names of a directory as a list, and a directory made anew of one.
 *
 * A trie with all names is built in pages that nothing refers to, and then takes the place
 * of the old one, by one journaled change of the directory's inode (mend.c): the commit point.
 * Killed before, the new pages are leaked; after, the old ones. The next run sees to both. In a full
 * pool there are no such pages: see put_in_place().
 *
 * I1  Pages are taken that are marked free and that nothing was found to use: where damage
 *     hides what is in use, nothing that is hidden has been marked free (I2 of fsck.h).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fsck.h"

#define TYPE_DIR (S_IFDIR >> 12)
#define HASH_TOP 62u

/* ---- the list ---- */

void names_add(struct names *l, const struct name *e)
{
	if (l->count == l->room) {
		uint64_t room = l->room ? 2 * l->room : 256;
		struct name *all = realloc(l->all, room * sizeof(*all));

		if (!all) {
			l->full = l->partial = true;
			return;
		}
		l->all = all;
		l->room = room;
	}
	l->all[l->count++] = *e;
}

void names_own(struct names *l, uint64_t page)
{
	if (l->own_count == l->own_room) {
		uint64_t room = l->own_room ? 2 * l->own_room : 8;
		uint64_t *all = realloc(l->own, room * sizeof(*all));

		if (!all)
			return; /* one less to be used again */
		l->own = all;
		l->own_room = room;
	}
	l->own[l->own_count++] = page;
}

void names_free(struct names *l)
{
	free(l->all);
	free(l->own);
}

static void note(void *arg, const struct umfs_dentry_pm *e)
{
	struct name n = {ld64(&e->hash), ld32(&e->ino), ld8(&e->type), ld8(&e->len), e + 1};

	names_add(arg, &n);
}

static int by_hash(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	uint32_t len = x->len < y->len ? x->len : y->len;
	int less = memcmp(x->bytes, y->bytes, len);

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return less ? less : x->len - y->len;
}

static void sort(struct names *l)
{
	if (l->count)
		qsort(l->all, l->count, sizeof(*l->all), by_hash);
}

const struct name *names_find(const struct names *l, uint64_t count, const char *name)
{
	size_t len = strlen(name);
	struct name key = {.hash = sum_name_hash(l->c->geo.hash_key, name, len),
			   .len = (uint8_t)len, .bytes = name};

	return count ? bsearch(&key, l->all, count, sizeof(key), by_hash) : NULL;
}

void names_read(struct names *l)
{
	dir_visit(l->c, inode_at(l->c, l->dir), l->dir, note, l);
	sort(l);
}

/* Of those that are the same the first stays. */
static void drop_twins(struct names *l)
{
	uint64_t to = 0;

	for (uint64_t i = 0; i < l->count; i++)
		if (!to || by_hash(&l->all[to - 1], &l->all[i]))
			l->all[to++] = l->all[i];
	l->count = to;
}

/* ---- the trie ---- */

static bool leaf_fits(const struct name *e, uint64_t n)
{
	uint64_t cells = UMFS_DLEAF_HEAD_CELLS;

	for (uint64_t i = 0; i < n && cells <= UMFS_DLEAF_CELLS; i++)
		cells += dentry_cells(e[i].len);
	return cells <= UMFS_DLEAF_CELLS;
}

static uint64_t put_page(struct names *l, const void *bytes)
{
	uint64_t page;

	if (l->dry) {
		l->pages++;
		return UMFS_DREF_P;
	}
	page = l->full ? 0 : page_alloc(l->c);
	if (!page && !l->full && l->in_place && l->own_count)
		page = l->own[--l->own_count];
	if (!page) {
		l->full = true;
		return 0;
	}
	if (!l->in_place) /* should this be in vain, it is one that nothing leads to */
		names_own(l, page);
	port_copy(page_at(l->c, page), bytes, UMFS_PAGE_BYTES);
	media_sync(l->c, page_at(l->c, page), UMFS_PAGE_BYTES);
	l->pages++;
	return page << UMFS_PAGE_SHIFT | UMFS_DREF_P;
}

static uint32_t put_dentry(struct umfs_dleaf_pm *leaf, uint32_t cell, const struct name *e)
{
	struct umfs_dentry_pm *d = (void *)((uint8_t *)leaf + cell * 16u);
	uint32_t cells = dentry_cells(e->len);

	st64(&d->hash, e->hash);
	st32(&d->ino, e->ino);
	st8(&d->type, e->type);
	st8(&d->len, e->len);
	memcpy(d + 1, e->bytes, e->len);
	st16(&d->check, dentry_sum(d));
	st8(&leaf->tag[cell], (uint8_t)e->hash);
	st8(&leaf->tag[cell + 1], (uint8_t)cells);
	st64(&leaf->start[cell / 64], ld64(&leaf->start[cell / 64]) | 1ull << cell % 64);
	return cell + cells;
}

static void fill_leaf(const struct names *l, uint8_t *bytes, const struct name *e, uint64_t n)
{
	struct umfs_dleaf_pm *leaf = (void *)bytes;
	uint32_t cell = UMFS_DLEAF_HEAD_CELLS;

	st32(&leaf->magic, UMFS_DLEAF_MAGIC);
	st32(&leaf->ino, l->dir);
	for (uint64_t i = 0; i < n; i++)
		cell = put_dentry(leaf, cell, &e[i]);
	st16(&leaf->tail, (uint16_t)cell);
}

static uint64_t put_leaf(struct names *l, uint32_t depth, const struct name *e, uint64_t n)
{
	_Alignas(8) uint8_t bytes[UMFS_PAGE_BYTES] = {0};
	uint64_t ref = l->first << UMFS_PAGE_SHIFT | UMFS_DREF_P;

	if (!l->first) {
		fill_leaf(l, bytes, e, n);
		ref = put_page(l, bytes);
	}
	l->first = 0;
	return ref | UMFS_DREF_LEAF | (uint64_t)depth << UMFS_DREF_DEPTH_SHIFT;
}

static uint64_t put_node(struct names *l, uint32_t level, const struct name *e, uint64_t n);

/* The references from refs[0] on that share `depth` bits: to one leaf, or half of them each. */
static void put_refs(struct names *l, le64 *refs, uint32_t level, uint32_t depth,
		     const struct name *e, uint64_t n)
{
	uint32_t span = 1u << (UMFS_DNODE_BITS - depth);
	uint64_t bit = 1ull << (HASH_TOP - level * UMFS_DNODE_BITS - depth);
	uint64_t ref, low = 0;

	if (!leaf_fits(e, n) && depth < UMFS_DNODE_BITS) {
		while (low < n && !(e[low].hash & bit))
			low++;
		put_refs(l, refs, level, depth + 1, e, low);
		put_refs(l, refs + span / 2, level, depth + 1, e + low, n - low);
		return;
	}
	ref = leaf_fits(e, n) ? put_leaf(l, depth, e, n) : put_node(l, level + 1, e, n);
	for (uint32_t i = 0; i < span; i++)
		st64(&refs[i], ref);
}

static uint64_t put_node(struct names *l, uint32_t level, const struct name *e, uint64_t n)
{
	le64 refs[UMFS_DNODE_REFS];

	if (level >= UMFS_DIR_LEVELS_MAX) {
		l->full = true;
		return 0;
	}
	put_refs(l, refs, level, 0, e, n);
	return put_page(l, refs);
}

/* 0: a directory without names has no page. */
static uint64_t put_all(struct names *l)
{
	if (!l->count)
		return 0;
	return leaf_fits(l->all, l->count) ? put_leaf(l, 0, l->all, l->count)
					   : put_node(l, 0, l->all, l->count);
}

/* The inode as a directory of the first `count` names, at `root`, in l->pages pages. */
static void fill_inode(const struct names *l, struct umfs_inode_pm *want, uint64_t root, uint64_t count)
{
	uint32_t dirs = 0;

	*want = *inode_at(l->c, l->dir);
	for (uint64_t i = 0; i < count; i++)
		dirs += l->all[i].type == TYPE_DIR;
	st64(&want->root, root);
	st64(&want->entries, count);
	st64(&want->pages, l->pages + xattr_pages(l->c, want));
	st32(&want->nlink, 2 + dirs);
	st32(&want->crc, sum_crc32c(l->dir, &want->mode, UMFS_INODE_CRC_BYTES - 4));
}

/* ---- in the directory's own pages ---- */

/* How many names the first leaf of a trie with all of them has. */
static uint64_t first_leaf(const struct names *l)
{
	uint64_t n = l->count, bit = 1ull << HASH_TOP;

	for (; bit && !leaf_fits(l->all, n); bit >>= 1) {
		uint64_t low = 0;

		while (low < n && !(l->all[low].hash & bit))
			low++;
		n = low;
	}
	return n;
}

/* How many pages a trie with all of them is; 0: there can be none. */
static uint64_t trie_pages(struct names *l)
{
	uint64_t pages;

	l->dry = true;
	l->full = false;
	l->pages = 0;
	(void)put_all(l);
	pages = l->full ? 0 : l->pages;
	l->dry = false;
	return pages;
}

/* The names themselves, out of the pages that are going to be overwritten. */
static char *names_hold(struct names *l)
{
	char *all = malloc(l->count * UMFS_NAME_MAX + 1), *to = all;

	for (uint64_t i = 0; all && i < l->count; to += l->all[i++].len)
		l->all[i].bytes = memcpy(to, l->all[i].bytes, l->all[i].len);
	return all;
}

/*
 * Where no page is free, and those that it has are enough, two changes. By the first the
 * directory is one leaf, in a page of its own, which has the names that are in the first leaf of
 * the trie that is to be; the leaf and the inode change as one. Then nothing leads to its other
 * pages: the rest of that trie is built there, and takes its place. Killed in between, the
 * directory is sound with these names, and what else was in it has lost its name.
 */
static bool put_in_place(struct names *l)
{
	_Alignas(8) uint8_t bytes[UMFS_PAGE_BYTES] = {0};
	struct umfs_inode_pm *inode = inode_at(l->c, l->dir), want;
	struct mend all[] = {{inode, &want, UMFS_INODE_CRC_BYTES}, {NULL, bytes, UMFS_PAGE_BYTES}};
	uint64_t n = first_leaf(l), need = trie_pages(l), root;
	char *held;

	if (!need || need > l->own_count)
		return false;
	held = names_hold(l);
	if (!held)
		return false;
	l->first = l->own[--l->own_count];
	l->pages = 1;
	l->full = false;
	l->in_place = true;
	fill_leaf(l, bytes, l->all, n);
	fill_inode(l, &want, l->first << UMFS_PAGE_SHIFT | UMFS_DREF_P | UMFS_DREF_LEAF, n);
	all[1].at = page_at(l->c, l->first);
	mend_all(l->c, all, 2); /* commit point */
	if (n < l->count) {
		root = put_all(l);
		fill_inode(l, &want, root, l->count);
		if (!l->full)
			mend_all(l->c, all, 1); /* commit point */
	}
	free(held);
	return true;
}

bool names_put(struct names *l, const struct mend *also)
{
	struct umfs_inode_pm *inode = inode_at(l->c, l->dir), want;
	struct mend all[2] = {{inode, &want, UMFS_INODE_CRC_BYTES}};
	bool own = l->own_count && !also;
	uint64_t root;

	sort(l);
	drop_twins(l);
	root = l->full ? 0 : put_all(l);
	if (l->full)
		return own && l->count && !l->partial && !room_may_come(l->c) && put_in_place(l);
	fill_inode(l, &want, root, l->count);
	if (also)
		all[1] = *also;
	mend_all(l->c, all, also ? 2 : 1); /* commit point */
	return true;
}

/* ---- one name more, where there is no page for a new trie ---- */

/* Of a sound directory: the leaf where the hash leads; NULL: it has none. */
static struct umfs_dleaf_pm *leaf_of(const struct fsck *c, uint32_t dir, uint64_t hash)
{
	uint64_t ref = ld64(&inode_at(c, dir)->root);

	for (uint32_t level = 0; level <= UMFS_DIR_LEVELS_MAX && ref; level++) {
		le64 *page = page_at(c, (ref & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT);

		if (ref & UMFS_DREF_LEAF)
			return (struct umfs_dleaf_pm *)page;
		ref = ld64(&page[hash >> (HASH_TOP + 1 - (level + 1) * UMFS_DNODE_BITS) &
				 (UMFS_DNODE_REFS - 1)]);
	}
	return NULL;
}

bool names_insert(struct fsck *c, uint32_t dir, const struct name *n)
{
	struct umfs_dleaf_pm *leaf = leaf_of(c, dir, n->hash);
	struct umfs_inode_pm *inode = inode_at(c, dir), want = *inode;
	_Alignas(8) uint8_t bytes[UMFS_PAGE_BYTES];
	struct umfs_dleaf_pm *copy = (void *)bytes;
	const struct mend all[] = {{leaf, bytes, UMFS_PAGE_BYTES},
				   {inode, &want, UMFS_INODE_CRC_BYTES}};
	uint32_t tail;

	if (!leaf || ld16(&leaf->tail) + dentry_cells(n->len) > UMFS_DLEAF_CELLS)
		return false;
	memcpy(bytes, leaf, sizeof(bytes));
	tail = ld16(&leaf->tail);
	tail = put_dentry(copy, tail < UMFS_DLEAF_HEAD_CELLS ? UMFS_DLEAF_HEAD_CELLS : tail, n);
	st16(&copy->tail, (uint16_t)tail);
	st64(&want.entries, ld64(&want.entries) + 1);
	st32(&want.nlink, ld32(&want.nlink) + (n->type == TYPE_DIR));
	st32(&want.crc, sum_crc32c(dir, &want.mode, UMFS_INODE_CRC_BYTES - 4));
	mend_all(c, all, 2); /* commit point */
	return true;
}
