// SPDX-License-Identifier: BSD-3-Clause
/*
 * pass3.c - passes 3 and 4: every directory hangs below the root by its one
 * name, every inode has a name, and link counts are what the names say.
 *
 * An inode without a name whose link count is 0 is what a crash may leave and
 * is reclaimed. One with a link count has lost its names to damage: what is in
 * it may be dear to somebody, so it stays, and -y gives it a name (lost.c).
 */
#include <stdio.h>
#include <sys/stat.h>

#include "fsck.h"

#define TYPE_DIR (S_IFDIR >> 12)
#define TYPE_REG (S_IFREG >> 12)
#define TYPE_LNK (S_IFLNK >> 12)

typedef void (*inode_fn)(struct fsck *c, uint32_t ino, struct umfs_inode_pm *inode,
			 struct inode_info *info);

/* Inodes in use, in order. */
static void each_inode(struct fsck *c, unsigned int pass, inode_fn fn)
{
	for (uint32_t g = 0; g < c->geo.group_count; g++) {
		if (!group_used(c, g))
			continue;
		for (uint32_t i = 0; i < c->geo.inodes_per_group; i++) {
			uint32_t ino = g * c->geo.inodes_per_group + i;
			struct inode_info *info = &c->groups[g].inodes[i];

			if (info->type)
				fn(c, ino, inode_at(c, ino), info);
		}
		progress(c, pass, g + 1, c->geo.group_count);
	}
}

/* ---- directories ---- */

/* Up `steps` parents from ino: does the way come by `at`? */
static bool passes_by(const struct fsck *c, uint32_t ino, uint64_t steps, uint32_t at)
{
	for (; steps; steps--, ino = info_at(c, ino)->parent)
		if (ino == at)
			return true;
	return false;
}

/*
 * Follow parents (where the names are) up to a directory known to be reached or
 * known not to be; each directory is marked on the way, so that all walks
 * together visit it twice at most. A way that comes back to itself is a loop.
 */
static bool reach(struct fsck *c, uint32_t ino)
{
	uint32_t at = ino;
	struct inode_info *info = info_at(c, at);
	uint64_t steps = 0;

	for (; !(info->flags & (INFO_REACHED | INFO_WALKED)) && info->parent; steps++) {
		info->flags |= INFO_WALKED;
		at = info->parent;
		info = info_at(c, at);
	}
	if (!(info->flags & INFO_REACHED)) {
		info->flags |= INFO_WALKED;
		if (passes_by(c, ino, steps, at))
			info->flags |= INFO_LOOP;
		return false;
	}
	for (at = ino; !(info_at(c, at)->flags & INFO_REACHED); at = info_at(c, at)->parent)
		info_at(c, at)->flags |= INFO_REACHED;
	return true;
}

static void check_parent(struct fsck *c, uint32_t ino, struct umfs_inode_pm *inode,
			 const struct inode_info *info)
{
	uint64_t said = ld64(&inode->parent);

	if (said == info->parent)
		return;
	if (info->flags & INFO_BAD) {
		problem_keep(c, PR_DIR_PARENT, object("inode", ino), "%llu, its name is in %u",
			     (unsigned long long)said, info->parent);
	} else if (problem(c, PR_DIR_PARENT, object("inode", ino), "%llu, its name is in %u",
			   (unsigned long long)said, info->parent)) {
		inode_put64(c, inode, ino, &inode->parent, info->parent);
	}
}

/* What is below one without a name hangs together by it. */
static void check_top(struct fsck *c, uint32_t ino, struct umfs_inode_pm *inode,
		      struct inode_info *info)
{
	(void)c;
	(void)ino;
	(void)inode;
	if (info->type == TYPE_DIR && !info->names)
		info->flags |= INFO_REACHED;
}

static void check_directory(struct fsck *c, uint32_t ino, struct umfs_inode_pm *inode,
			    struct inode_info *info)
{
	if (info->type != TYPE_DIR || !info->names || ino == UMFS_ROOT_INO)
		return;
	if (info->names > 1) {
		problem(c, PR_DIR_TWICE, object("inode", ino), "%u names", info->names);
		inode_bad(c, info);
	} else {
		check_parent(c, ino, inode, info);
	}
	if (!reach(c, ino)) {
		problem(c, PR_DIR_LOOP, object("inode", ino), NULL);
		inode_bad(c, info);
	}
}

static void check_root(struct fsck *c)
{
	struct inode_info *root = info_at(c, UMFS_ROOT_INO);

	if (!root || root->type != TYPE_DIR) {
		problem_keep(c, PR_ROOT_DIR, object("inode", UMFS_ROOT_INO), NULL);
		c->unsure = c->hidden = true;
		return;
	}
	root->flags |= INFO_REACHED;
	root->parent = UMFS_ROOT_INO;
	check_parent(c, UMFS_ROOT_INO, inode_at(c, UMFS_ROOT_INO), root);
}

/* ---- inodes without a name ---- */

/* The inode first: should this be cut short, only pages that nothing uses are left. */
static void reclaim(struct fsck *c, uint32_t ino, struct umfs_inode_pm *inode,
		    struct inode_info *info)
{
	st32(&inode->mode, 0);
	inode_seal(c, inode, ino);
	if (info->type == TYPE_REG || info->type == TYPE_LNK)
		fpt_drop(c, inode, ino);
	else if (info->type == TYPE_DIR)
		dir_drop(c, inode, ino);
	xattr_drop(c, inode);
	inode_free(c, ino);
	info->type = 0;
}

static void lose(struct fsck *c, uint32_t ino, struct inode_info *info, uint32_t nlink)
{
	if (c->mode != FSCK_YES) {
		problem(c, PR_UNATTACHED, object("inode", ino), "link count %u", nlink);
		inode_bad(c, info);
		return;
	}
	info->flags |= INFO_LOST;
	c->lost++;
}

static void check_named(struct fsck *c, uint32_t ino, struct umfs_inode_pm *inode,
			struct inode_info *info)
{
	uint32_t nlink = ld32(&inode->nlink);

	if (info->names || ino == UMFS_ROOT_INO)
		return;
	if (nlink || (info->type == TYPE_DIR && ld64(&inode->entries))) {
		lose(c, ino, info, nlink);
	} else if (c->unsure || info->flags & INFO_BAD) {
		problem_keep(c, PR_ORPHAN, object("inode", ino), NULL);
	} else if (problem(c, PR_ORPHAN, object("inode", ino), "reclaimed")) {
		reclaim(c, ino, inode, info);
	}
}

int pass3(struct fsck *c)
{
	if (counts_settle(c)) {
		snprintf(c->error, sizeof(c->error), "out of memory");
		return EXIT_ERROR;
	}
	check_root(c);
	each_inode(c, 3, check_top);
	each_inode(c, 3, check_directory);
	each_inode(c, 3, check_named);
	return 0;
}

/* ---- pass 4 ---- */

static void check_links(struct fsck *c, uint32_t ino, struct umfs_inode_pm *inode,
			struct inode_info *info)
{
	uint32_t said = ld32(&inode->nlink);
	uint32_t found = info->type == TYPE_DIR ? 2 + info->subdirs : info->names;

	if (said == found || (!info->names && ino != UMFS_ROOT_INO))
		return;
	if (c->unsure || info->flags & INFO_BAD) {
		problem_keep(c, PR_NLINK, object("inode", ino), "%u, found %u", said, found);
	} else if (problem(c, PR_NLINK, object("inode", ino), "%u, found %u", said, found)) {
		struct umfs_inode_pm want = *inode;

		st32(&want.nlink, found);
		inode_put(c, inode, ino, &want);
	}
}

int pass4(struct fsck *c)
{
	each_inode(c, 4, check_links);
	return 0;
}
