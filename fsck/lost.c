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
 * Where there are no pages for that, a name goes into the leaf where it belongs as it is, of
 * lost+found or, when there is none, of the root, if the leaf has room.
 *
 * I4  Pages are taken that are marked free and that nothing was found to use: where damage
 *     hides what is in use, nothing that is hidden has been marked free (I2 of fsck.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fsck.h"

#define TYPE_DIR (S_IFDIR >> 12)
#define TEXT_BYTES 24

static const char *const lost_found[] = {"lost+found", "lost+found.1", "lost+found.2"};

/* In place of the names that the directory has; its old pages are given back. */
static bool list_put(struct names *l, const struct mend *also)
{
	struct umfs_inode_pm old = *inode_at(l->c, l->dir);

	if (!names_put(l, also))
		return false;
	dir_drop(l->c, &old, l->dir);
	return true;
}

static void list_new(struct names *l, uint32_t ino, const char *name)
{
	size_t len = strlen(name);
	struct name n = {sum_name_hash(l->c->geo.hash_key, name, len), ino,
			 info_at(l->c, ino)->type, (uint8_t)len, name};

	names_add(l, &n);
}

/* ---- lost+found itself ---- */

/* With a name in the root, whose names are in the list. 0: there is no room. */
static uint32_t dir_make(struct names *root, const char *name)
{
	uint32_t ino = root->full ? 0 : inode_alloc(root->c), generation;
	struct umfs_inode_pm want;
	struct mend make;

	if (!ino)
		return 0;
	make = (struct mend){inode_at(root->c, ino), &want, sizeof(want)};
	generation = ld32(&inode_at(root->c, ino)->generation) + 1;
	dir_fill(&want, ino, generation ? generation : 1, 0700);
	info_at(root->c, ino)->type = TYPE_DIR;
	list_new(root, ino, name);
	return list_put(root, &make) ? ino : 0;
}

static bool dir_good(const struct fsck *c, uint32_t ino)
{
	const struct inode_info *info = info_at(c, ino);

	return info && info->type == TYPE_DIR && !(info->flags & INFO_BAD);
}

/* Its inode, or that of the next of the NAMES: another file may have its name. */
static uint32_t dir_find(struct names *root, const char **name)
{
	const struct fsck *c = root->c;

	for (uint32_t i = 0; i < UMFS_ARRAY_LEN(lost_found); i++) {
		const struct name *e = names_find(root, root->count, lost_found[i]);

		*name = lost_found[i];
		if (!e)
			return 0;
		if (dir_good(c, e->ino))
			return e->ino;
	}
	*name = NULL;
	return 0;
}

/* 0: it can not be had, and *why. */
static uint32_t dir_get(struct fsck *c, const char **why)
{
	struct names root = {.c = c, .dir = UMFS_ROOT_INO};
	const char *name;
	uint32_t ino;

	names_read(&root);
	ino = dir_find(&root, &name);
	if (!ino && name) {
		*why = "no room for lost+found";
		ino = dir_make(&root, name);
	} else {
		*why = "lost+found is no directory";
	}
	names_free(&root);
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
	struct names *l;
	char (*text)[TEXT_BYTES];
	uint64_t before, made;
};

/* One that none of the first `count` has. */
static void name_choose(const struct names *l, uint64_t count, uint32_t ino, char *name)
{
	snprintf(name, TEXT_BYTES, "#%u", ino);
	for (uint32_t k = 1; k && names_find(l, count, name); k++)
		snprintf(name, TEXT_BYTES, "#%u.%u", ino, k);
}

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
	char *name = n->text[n->made];

	if (info->flags & INFO_BAD)
		return;
	n->made++;
	name_choose(n->l, n->before, ino, name);
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
			n->text[n->made++]);
}

/* NULL: they have names now; else why not. */
static const char *name_all(struct fsck *c)
{
	struct names l = {.c = c};
	struct naming n = {.l = &l, .text = calloc(c->lost, TEXT_BYTES)};
	const char *why = "out of memory";

	if (!n.text)
		return why;
	mend_begin(c);
	l.dir = dir_get(c, &why);
	if (l.dir) {
		names_read(&l);
		n.before = l.count;
		each_lost(c, lost_name, &n);
		why = list_put(&l, NULL) ? NULL : "no room in lost+found";
	}
	n.made = 0;
	if (!why)
		each_lost(c, lost_say, &n);
	names_free(&l);
	free(n.text);
	return why;
}

/* ---- without a page ---- */

struct squeeze {
	struct names *l;
	const char *why;
	bool left;
};

static void lost_squeeze(struct fsck *c, uint32_t ino, struct inode_info *info, void *arg)
{
	struct squeeze *s = arg;
	uint32_t dir = s->l->dir;
	char text[TEXT_BYTES];
	struct name n = {.ino = ino, .type = info->type, .bytes = text};

	if (info->flags & INFO_BAD) {
		lost_leave(c, ino, info, NULL);
		return;
	}
	name_choose(s->l, s->l->count, ino, text);
	n.len = (uint8_t)strlen(text);
	n.hash = sum_name_hash(c->geo.hash_key, text, n.len);
	nlink_put(c, ino, info->type == TYPE_DIR ? 2 + info->subdirs : 1,
		  info->type == TYPE_DIR ? dir : 0);
	if (names_insert(c, dir, &n)) {
		problem(c, PR_UNATTACHED, object("inode", ino), "it is %s%s now",
			dir == UMFS_ROOT_INO ? "/" : "lost+found/", text);
		return;
	}
	s->left = true;
	lost_leave(c, ino, info, (void *)(uintptr_t)s->why);
}

/* NULL: they have names now; else why not all of them. */
static const char *squeeze_all(struct fsck *c, const char *why)
{
	struct names l = {.c = c, .dir = UMFS_ROOT_INO};
	struct squeeze s = {.l = &l, .why = why};
	const char *name;
	uint32_t dir;

	names_read(&l);
	dir = dir_find(&l, &name);
	if (dir) {
		l.dir = dir;
		l.count = 0;
		names_read(&l);
	}
	each_lost(c, lost_squeeze, &s);
	names_free(&l);
	return s.left ? why : NULL;
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
	bool root = dir_good(c, UMFS_ROOT_INO);
	bool tried = c->lost && root && !c->lost_why && !c->hidden && any_whole(c);
	const char *why = root ? "damaged directories may hide its name"
			       : "the root directory is damaged";

	if (!c->lost)
		return 0;
	if (c->lost_why)
		why = c->lost_why;
	else if (tried)
		why = name_all(c);
	if (why && tried)
		c->lost_why = squeeze_all(c, why);
	else if (why)
		each_lost(c, lost_leave, (void *)(uintptr_t)why);
	c->again |= tried; /* also for the pages that it took in vain */
	return 0;
}
