// SPDX-License-Identifier: BSD-3-Clause
/*
 * pass2.c - directories: the trie of nodes and leaves, and each name in them.
 *
 * A name is where its hash leads: the bits of the hash that the walk consumed
 * on the way to a leaf are those of every name in it.
 */
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
};

/* Where the walk is: the bits of the hash consumed so far, and how many they are. */
struct where {
	uint64_t prefix;
	uint32_t bits;
	uint32_t level; /* nodes above */
};

#define bad(d, code, ...)                                                                \
	do {                                                                             \
		problem((d)->c, (code), object("inode", (d)->ino), __VA_ARGS__);         \
		inode_bad((d)->c, (d)->info);                                            \
	} while (0)

static uint64_t ref_page(uint64_t ref)
{
	return (ref & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT;
}

static uint32_t ref_depth(uint64_t ref)
{
	return (uint32_t)((ref & UMFS_DREF_DEPTH_MASK) >> UMFS_DREF_DEPTH_SHIFT);
}

static bool take(struct dir *d, uint64_t ref)
{
	uint64_t page = ref_page(ref);

	if (d->drop) {
		page_free(d->c, page);
		return true;
	}
	if (!page_valid(d->c, page)) {
		bad(d, PR_DIR_RANGE, "reference 0x%llx", (unsigned long long)ref);
		return false;
	}
	if (!page_claim(d->c, page)) {
		bad(d, PR_PAGE_TWICE, "pool page %llu, of the directory",
		    (unsigned long long)page);
		return false;
	}
	d->pages++;
	return true;
}

/* ---- names ---- */

static uint32_t dentry_cells(const struct umfs_dentry_pm *e)
{
	return ((uint32_t)sizeof(*e) + ld8(&e->len) + 15u) / 16u;
}

static bool name_good(const uint8_t *name, uint32_t len)
{
	if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return false;
	return !memchr(name, '/', len) && !memchr(name, 0, len);
}

static void check_target(struct dir *d, const struct umfs_dentry_pm *e, uint64_t page,
			 uint32_t cell)
{
	uint32_t ino = ld32(&e->ino);
	struct inode_info *info = info_at(d->c, ino);

	if (!info || !info->type || ino == UMFS_ROOT_INO) {
		bad(d, PR_DENTRY_INO, "pool page %llu cell %u: inode %u", (unsigned long long)page,
		    cell, ino);
		return;
	}
	if (info->type != ld8(&e->type))
		bad(d, PR_DENTRY_TYPE, "pool page %llu cell %u: type %u, inode %u has type %u",
		    (unsigned long long)page, cell, ld8(&e->type), ino, info->type);
	info->names++;
	if (info->type == S_IFDIR >> 12) {
		d->info->subdirs++;
		if (!info->parent)
			info->parent = d->ino;
	}
}

/* The tag of a dentry's first cell is of its hash, that of its second how many cells it has. */
static void check_tag(struct dir *d, const struct umfs_dleaf_pm *leaf, uint64_t page,
		      uint32_t cell, uint8_t want)
{
	if (ld8(&leaf->tag[cell]) == want ||
	    !problem(d->c, PR_LEAF_TAG, object("inode", d->ino), "pool page %llu cell %u",
		     (unsigned long long)page, cell))
		return;
	st8((le8 *)&leaf->tag[cell], want);
	media_sync(d->c, &leaf->tag[cell], 1);
}

static void check_dentry(struct dir *d, const struct umfs_dleaf_pm *leaf, uint64_t page,
			 uint32_t cell, const struct where *at)
{
	const struct umfs_dentry_pm *e = (const void *)((const uint8_t *)leaf + cell * 16u);
	const uint8_t *name = (const uint8_t *)(e + 1);
	uint32_t len = ld8(&e->len), crc;
	uint64_t hash = ld64(&e->hash);

	crc = sum_crc32c(sum_crc32c(0, e, offsetof(struct umfs_dentry_pm, check)), name, len);
	if (ld16(&e->check) != (uint16_t)crc)
		bad(d, PR_DENTRY_CHECK, "pool page %llu cell %u: found 0x%x, computed 0x%x",
		    (unsigned long long)page, cell, ld16(&e->check), (uint16_t)crc);
	if (!name_good(name, len))
		bad(d, PR_DENTRY_NAME, "pool page %llu cell %u", (unsigned long long)page, cell);
	if (hash != sum_name_hash(d->c->geo.hash_key, name, len))
		bad(d, PR_DENTRY_HASH, "pool page %llu cell %u", (unsigned long long)page, cell);
	else if (at->bits && hash >> (HASH_BITS - at->bits) != at->prefix)
		bad(d, PR_DENTRY_PLACE, "pool page %llu cell %u", (unsigned long long)page, cell);
	check_tag(d, leaf, page, cell, (uint8_t)hash);
	check_tag(d, leaf, page, cell + 1, (uint8_t)((sizeof(*e) + len + 15) / 16));
	d->entries++;
	check_target(d, e, page, cell);
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
		    i + dentry_cells(o) > UMFS_DLEAF_CELLS)
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

	if (tail >= end && tail <= UMFS_DLEAF_CELLS)
		return;
	if (problem(d->c, PR_LEAF_TAIL, object("inode", d->ino),
		    "pool page %llu: %u, the last name ends at %u", (unsigned long long)page, tail,
		    end)) {
		st16(&leaf->tail, (uint16_t)end);
		media_sync(d->c, leaf, sizeof(*leaf));
	}
}

static void check_leaf(struct dir *d, uint64_t page, const struct where *at)
{
	struct umfs_dleaf_pm *leaf = page_at(d->c, page);
	uint32_t end = UMFS_DLEAF_HEAD_CELLS;
	unsigned long long n = page;

	if (ld32(&leaf->magic) != UMFS_DLEAF_MAGIC)
		bad(d, PR_LEAF_MAGIC, "pool page %llu: 0x%x", n, ld32(&leaf->magic));
	if (ld32(&leaf->ino) != d->ino)
		bad(d, PR_LEAF_INO, "pool page %llu: inode %u", n, ld32(&leaf->ino));
	if (ld64(&leaf->start[0]) & ((1ull << UMFS_DLEAF_HEAD_CELLS) - 1))
		bad(d, PR_LEAF_START, "pool page %llu: a name starts in the head", n);
	for (uint32_t cell = UMFS_DLEAF_HEAD_CELLS; cell < UMFS_DLEAF_CELLS; cell++) {
		const struct umfs_dentry_pm *e =
			(const void *)((const uint8_t *)leaf + cell * 16u);

		if (!starts(leaf, cell))
			continue;
		if (!ld8(&e->len)) {
			bad(d, PR_DENTRY_LEN, "pool page %llu cell %u: 0", n, cell);
		} else if (!room_good(leaf, cell, dentry_cells(e))) {
			bad(d, PR_LEAF_START, "pool page %llu cell %u: names overlap", n, cell);
		} else {
			end = cell + dentry_cells(e);
			check_dentry(d, leaf, page, cell, at);
			if (name_twice(leaf, cell))
				bad(d, PR_DENTRY_TWICE, "pool page %llu cell %u", n, cell);
		}
	}
	check_tail(d, leaf, page, end);
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

static void check_dir(struct fsck *c, uint32_t ino)
{
	struct umfs_inode_pm *inode = inode_at(c, ino);
	struct dir d = { .c = c, .ino = ino, .info = info_at(c, ino) };

	walk_root(&d, ld64(&inode->root));
	count_check(c, PR_INO_ENTRIES, ino, &inode->entries, d.entries);
	count_check(c, PR_INO_PAGES, ino, &inode->pages, d.pages + xattr_pages(c, inode));
}

int pass2(struct fsck *c)
{
	for (uint32_t g = 0; g < c->geo.group_count; g++) {
		if (!group_used(c, g))
			continue;
		for (uint32_t i = 0; i < c->geo.inodes_per_group; i++)
			if (c->groups[g].inodes[i].type == S_IFDIR >> 12)
				check_dir(c, g * c->geo.inodes_per_group + i);
		progress(c, 2, g + 1, c->geo.group_count);
	}
	return 0;
}
