// SPDX-License-Identifier: BSD-3-Clause
/*
 * lost.c - names in /lost+found for inodes that are whole and have none.
 *
 * A directory gets more names by being made anew: a trie with the names that it has and
 * those that are to come is built in pages that nothing refers to, and then takes the
 * place of the old one.
 *
 * I1  One journaled change of the directory's inode (mend.c) makes all names be there at
 *     once: the commit point. Killed before, the new pages are leaked and the inodes still
 *     without a name; after, the old pages are leaked. The next run sees to both.
 * I2  A new lost+found is made by the same change that gives the root a name for it.
 * I3  A lost inode has the link count and the parent that its name will give it before
 *     that name is there; the count is never 0, so that nobody reclaims it.
 * I4  Pages are taken that are marked free and that nothing was found to use: where damage
 *     hides what is in use, nothing that is hidden has been marked free (I2 of fsck.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fsck.h"

#define TYPE_DIR (S_IFDIR >> 12)
#define HASH_TOP 62u
#define TEXT_BYTES 24

static const char lost_found[] = "lost+found";

/* A name that a directory is to have. */
struct entry {
	uint64_t hash;
	uint32_t ino;
	uint8_t type, len;
	const void *name; /* in the pool or, new, in `text` of the list */
};

struct list {
	struct fsck *c;
	uint32_t dir;
	struct entry *all;
	uint64_t count, room;
	char (*text)[TEXT_BYTES];
	uint64_t pages; /* of the new trie */
	bool full;
};

/* ---- the names there are ---- */

static struct entry *list_add(struct list *l)
{
	if (l->count == l->room) {
		uint64_t room = l->room ? 2 * l->room : 256;
		struct entry *all = realloc(l->all, room * sizeof(*all));

		if (!all) {
			l->full = true;
			return NULL;
		}
		l->all = all;
		l->room = room;
	}
	return &l->all[l->count++];
}

static void list_note(void *arg, const struct umfs_dentry_pm *e)
{
	struct list *l = arg;
	struct entry *to = list_add(l);

	if (to)
		*to = (struct entry){ld64(&e->hash), ld32(&e->ino), ld8(&e->type), ld8(&e->len),
				     e + 1};
}

static void list_new(struct list *l, uint32_t ino, const char *name)
{
	struct entry *to = list_add(l);
	size_t len = strlen(name);

	if (to)
		*to = (struct entry){sum_name_hash(l->c->geo.hash_key, name, len), ino,
				     info_at(l->c, ino)->type, (uint8_t)len, name};
}

static int by_hash(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* The first `count` of the list are sorted. */
static const struct entry *list_find(const struct list *l, uint64_t count, const char *name)
{
	size_t len = strlen(name);
	struct entry key = {.hash = sum_name_hash(l->c->geo.hash_key, name, len)};
	const struct entry *e = count ? bsearch(&key, l->all, count, sizeof(key), by_hash) : NULL;

	if (!e)
		return NULL;
	while (e > l->all && e[-1].hash == key.hash)
		e--;
	for (; e < l->all + count && e->hash == key.hash; e++)
		if (e->len == len && !memcmp(e->name, name, len))
			return e;
	return NULL;
}

static void list_read(struct list *l)
{
	dir_visit(l->c, inode_at(l->c, l->dir), l->dir, list_note, l);
	if (l->count)
		qsort(l->all, l->count, sizeof(*l->all), by_hash);
}

/* ---- the trie ---- */

static bool leaf_fits(const struct entry *e, uint64_t n)
{
	uint64_t cells = UMFS_DLEAF_HEAD_CELLS;

	for (uint64_t i = 0; i < n && cells <= UMFS_DLEAF_CELLS; i++)
		cells += dentry_cells(e[i].len);
	return cells <= UMFS_DLEAF_CELLS;
}

static uint64_t put_page(struct list *l, const void *bytes)
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

static uint32_t put_dentry(struct umfs_dleaf_pm *leaf, uint32_t cell, const struct entry *e)
{
	struct umfs_dentry_pm *d = (void *)((uint8_t *)leaf + cell * 16u);
	uint32_t cells = dentry_cells(e->len);

	st64(&d->hash, e->hash);
	st32(&d->ino, e->ino);
	st8(&d->type, e->type);
	st8(&d->len, e->len);
	memcpy(d + 1, e->name, e->len);
	st16(&d->check, dentry_sum(d));
	st8(&leaf->tag[cell], (uint8_t)e->hash);
	st8(&leaf->tag[cell + 1], (uint8_t)cells);
	st64(&leaf->start[cell / 64], ld64(&leaf->start[cell / 64]) | 1ull << cell % 64);
	return cell + cells;
}

static uint64_t put_leaf(struct list *l, uint32_t depth, const struct entry *e, uint64_t n)
{
	_Alignas(8) uint8_t bytes[UMFS_PAGE_BYTES] = {0};
	struct umfs_dleaf_pm *leaf = (void *)bytes;
	uint32_t cell = UMFS_DLEAF_HEAD_CELLS;

	st32(&leaf->magic, UMFS_DLEAF_MAGIC);
	st32(&leaf->ino, l->dir);
	for (uint64_t i = 0; i < n; i++)
		cell = put_dentry(leaf, cell, &e[i]);
	st16(&leaf->tail, (uint16_t)cell);
	return put_page(l, bytes) | UMFS_DREF_LEAF | (uint64_t)depth << UMFS_DREF_DEPTH_SHIFT;
}

static uint64_t put_node(struct list *l, uint32_t level, const struct entry *e, uint64_t n);

/* The references from refs[0] on that share `depth` bits: to one leaf, or half of them each. */
static void put_refs(struct list *l, le64 *refs, uint32_t level, uint32_t depth,
		     const struct entry *e, uint64_t n)
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

static uint64_t put_node(struct list *l, uint32_t level, const struct entry *e, uint64_t n)
{
	le64 refs[UMFS_DNODE_REFS];

	if (level >= UMFS_DIR_LEVELS_MAX) {
		l->full = true;
		return 0;
	}
	put_refs(l, refs, level, 0, e, n);
	return put_page(l, refs);
}

/* All names of the list become those of the directory; and `also`, if any, is changed. */
static bool list_put(struct list *l, const struct mend *also)
{
	struct fsck *c = l->c;
	struct umfs_inode_pm *inode = inode_at(c, l->dir), old = *inode, want = old;
	struct mend all[2];
	uint32_t dirs = 0;
	uint64_t root;

	if (l->full || !l->count)
		return false;
	qsort(l->all, l->count, sizeof(*l->all), by_hash);
	root = leaf_fits(l->all, l->count) ? put_leaf(l, 0, l->all, l->count)
					   : put_node(l, 0, l->all, l->count);
	if (l->full)
		return false;
	for (uint64_t i = 0; i < l->count; i++)
		dirs += l->all[i].type == TYPE_DIR;
	st64(&want.root, root);
	st64(&want.entries, l->count);
	st64(&want.pages, l->pages + xattr_pages(c, inode));
	st32(&want.nlink, 2 + dirs);
	st32(&want.crc, sum_crc32c(l->dir, &want.mode, UMFS_INODE_CRC_BYTES - 4));
	all[0] = (struct mend){inode, &want, UMFS_INODE_CRC_BYTES};
	if (also)
		all[1] = *also;
	mend_all(c, all, also ? 2 : 1); /* commit point (I1, I2) */
	dir_drop(c, &old, l->dir);
	return true;
}

/* ---- lost+found itself ---- */

/* What a new, empty directory in the root is to be. */
static void dir_fill(struct umfs_inode_pm *want, uint32_t ino, uint32_t generation)
{
	uint64_t now = (uint64_t)port_now_ns();

	*want = (struct umfs_inode_pm){0};
	st32(&want->mode, S_IFDIR | 0700);
	st32(&want->nlink, 2);
	st32(&want->generation, generation);
	st64(&want->parent, UMFS_ROOT_INO);
	st64(&want->size, (uint64_t)sum_size_check(0, ino, generation) << UMFS_SIZE_BITS);
	st64(&want->btime_ns, now);
	st64(&want->mtime_ns, now);
	st64(&want->ctime_ns, now);
	st64(&want->atime_ns, now);
	st32(&want->crc, sum_crc32c(ino, &want->mode, UMFS_INODE_CRC_BYTES - 4));
}

/* With a name in the root, whose names are in the list. 0: there is no room. */
static uint32_t dir_make(struct list *root)
{
	uint32_t ino = root->full ? 0 : inode_alloc(root->c), generation;
	struct umfs_inode_pm want;
	struct mend make;

	if (!ino)
		return 0;
	make = (struct mend){inode_at(root->c, ino), &want, sizeof(want)};
	generation = ld32(&inode_at(root->c, ino)->generation) + 1;
	dir_fill(&want, ino, generation ? generation : 1);
	info_at(root->c, ino)->type = TYPE_DIR;
	list_new(root, ino, lost_found);
	return list_put(root, &make) ? ino : 0;
}

static bool dir_good(const struct fsck *c, uint32_t ino)
{
	const struct inode_info *info = info_at(c, ino);

	return info && info->type == TYPE_DIR && !(info->flags & INFO_BAD);
}

/* Its inode; 0: it can not be had, and *why. */
static uint32_t dir_get(struct fsck *c, const char **why)
{
	struct list l = {.c = c, .dir = UMFS_ROOT_INO};
	const struct entry *e;
	uint32_t ino = 0;

	*why = "the root directory is damaged";
	if (!dir_good(c, UMFS_ROOT_INO))
		return 0;
	list_read(&l);
	e = list_find(&l, l.count, lost_found);
	if (e) {
		*why = "lost+found is damaged, or no directory";
		ino = dir_good(c, e->ino) ? e->ino : 0;
	} else {
		*why = "no room for lost+found";
		ino = dir_make(&l);
	}
	free(l.all);
	return ino;
}

/* ---- who gets a name ---- */

typedef void (*lost_fn)(struct fsck *c, uint32_t ino, struct inode_info *info, void *arg);

static void each_lost(struct fsck *c, lost_fn fn, void *arg)
{
	for (uint32_t g = 0; g < c->geo.group_count; g++)
		for (uint32_t i = 0; group_used(c, g) && i < c->geo.inodes_per_group; i++)
			if (c->groups[g].inodes[i].flags & INFO_LOST)
				fn(c, g * c->geo.inodes_per_group + i, &c->groups[g].inodes[i],
				   arg);
}

static void lost_leave(struct fsck *c, uint32_t ino, struct inode_info *info, void *arg)
{
	problem_keep(c, PR_UNATTACHED, object("inode", ino), "link count %u; %s",
		     ld32(&inode_at(c, ino)->nlink),
		     info->flags & INFO_BAD ? "it is damaged" : (const char *)arg);
}

struct naming {
	struct list *l;
	uint64_t before, made;
};

static void nlink_put(struct fsck *c, uint32_t ino, uint32_t nlink, uint64_t parent)
{
	struct umfs_inode_pm want = *inode_at(c, ino);

	st32(&want.nlink, nlink);
	st64(&want.parent, parent);
	inode_put(c, inode_at(c, ino), ino, &want);
}

static void lost_name(struct fsck *c, uint32_t ino, struct inode_info *info, void *arg)
{
	struct naming *n = arg;
	char *name = n->l->text[n->made];

	if (info->flags & INFO_BAD)
		return;
	n->made++;
	snprintf(name, TEXT_BYTES, "#%u", ino);
	for (uint32_t k = 1; k && list_find(n->l, n->before, name); k++)
		snprintf(name, TEXT_BYTES, "#%u.%u", ino, k);
	nlink_put(c, ino, info->type == TYPE_DIR ? 2 + info->subdirs : 1,
		  info->type == TYPE_DIR ? n->l->dir : 0);
	list_new(n->l, ino, name);
}

static void lost_say(struct fsck *c, uint32_t ino, struct inode_info *info, void *arg)
{
	struct naming *n = arg;

	if (info->flags & INFO_BAD)
		lost_leave(c, ino, info, NULL);
	else
		problem(c, PR_UNATTACHED, object("inode", ino), "it is lost+found/%s now",
			n->l->text[n->made++]);
}

/* NULL: they have names now; else why not. */
static const char *name_all(struct fsck *c)
{
	struct list l = {.c = c, .text = calloc(c->lost, TEXT_BYTES)};
	struct naming n = {.l = &l};
	const char *why = "out of memory";

	if (!l.text)
		return why;
	mend_begin(c);
	l.dir = dir_get(c, &why);
	if (l.dir) {
		list_read(&l);
		n.before = l.count;
		each_lost(c, lost_name, &n);
		why = list_put(&l, NULL) ? NULL : "no room in lost+found";
	}
	n.made = 0;
	if (!why)
		each_lost(c, lost_say, &n);
	free(l.all);
	free(l.text);
	return why;
}

static bool any_whole(const struct fsck *c)
{
	for (uint32_t g = 0; g < c->geo.group_count; g++)
		for (uint32_t i = 0; group_used(c, g) && i < c->geo.inodes_per_group; i++)
			if ((c->groups[g].inodes[i].flags & (INFO_LOST | INFO_BAD)) == INFO_LOST)
				return true;
	return false;
}

int lost_attach(struct fsck *c)
{
	const char *why = "damaged directories may hide its name";
	bool tried = c->lost && !c->lost_why && !c->hidden && any_whole(c);

	if (!c->lost)
		return 0;
	if (c->lost_why)
		why = c->lost_why;
	else if (tried)
		c->lost_why = why = name_all(c);
	if (why)
		each_lost(c, lost_leave, (void *)(uintptr_t)why);
	c->again |= tried; /* also for the pages that it took in vain */
	return 0;
}
