// SPDX-License-Identifier: BSD-3-Clause
/*
 * names.c - the names of a directory as a list, and a directory made anew of one.
 *
 * A trie with all names is built in pages that nothing refers to, and then takes the place
 * of the old one, by one journaled change of the directory's inode (mend.c): the commit point.
 * Killed before, the new pages are leaked; after, the old ones. The next run sees to both.
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
			l->full = true;
			return;
		}
		l->all = all;
		l->room = room;
	}
	l->all[l->count++] = *e;
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
	uint64_t page = l->full ? 0 : page_alloc(l->c);

	if (!page) {
		l->full = true;
		return 0;
	}
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

	fill_leaf(l, bytes, e, n);
	return put_page(l, bytes) | UMFS_DREF_LEAF | (uint64_t)depth << UMFS_DREF_DEPTH_SHIFT;
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

/*
 * Where no page is free, in one that the directory has: it holds all names in one leaf, which
 * takes its place by the same change as the inode. *bytes is that leaf.
 */
static uint64_t put_own(struct names *l, uint8_t *bytes)
{
	if (!l->own || !l->count || !leaf_fits(l->all, l->count))
		return 0;
	fill_leaf(l, bytes, l->all, l->count);
	l->pages = 1;
	return l->own << UMFS_PAGE_SHIFT | UMFS_DREF_P | UMFS_DREF_LEAF;
}

bool names_put(struct names *l, const struct mend *also)
{
	struct umfs_inode_pm *inode = inode_at(l->c, l->dir), want = *inode;
	_Alignas(8) uint8_t bytes[UMFS_PAGE_BYTES] = {0};
	struct mend all[2];
	uint32_t dirs = 0, n = 1;
	uint64_t root;

	sort(l);
	drop_twins(l);
	root = l->full ? 0 : put_all(l);
	if (l->full) {
		root = also ? 0 : put_own(l, bytes);
		if (!root)
			return false;
		all[n++] = (struct mend){page_at(l->c, l->own), bytes, UMFS_PAGE_BYTES};
	}
	for (uint64_t i = 0; i < l->count; i++)
		dirs += l->all[i].type == TYPE_DIR;
	st64(&want.root, root);
	st64(&want.entries, l->count);
	st64(&want.pages, l->pages + xattr_pages(l->c, inode));
	st32(&want.nlink, 2 + dirs);
	st32(&want.crc, sum_crc32c(l->dir, &want.mode, UMFS_INODE_CRC_BYTES - 4));
	all[0] = (struct mend){inode, &want, UMFS_INODE_CRC_BYTES};
	if (also)
		all[n++] = *also;
	mend_all(l->c, all, n); /* commit point */
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
