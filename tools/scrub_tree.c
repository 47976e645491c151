// SPDX-License-Identifier: BSD-3-Clause
/*
 * scrub_tree.c - what belongs to an inode: see scrub.c for how it is read.
 *
 * T1  Under the inode's lock only copies are made; what is wrong with them is said, and data
 *     is read, when it is free again.
 */
#include "scrub.h"

#include <errno.h>

#define HASH_MAX ((1ull << 63) - 1)
#define HASH_BITS 63u
#define FILE_PAGES_MAX (1ull << 27)

typedef unsigned long long ull;

/*
 * Lock the inode and copy it. -EAGAIN: it is not in use, or a finding was made. The place of
 * the inode is read before its lock, which lies in it, is taken.
 */
static int inode_lock(struct scrub *s, struct umfs_inode_pm *copy)
{
	struct umfs_inode_pm *in = umfs_inode(s->fs, s->at.ino);
	int err;

	if (!in) {
		scrub_find(s, "it lies where no inode can be");
		return -EAGAIN;
	}
	if (port_copy_out(copy, in, sizeof(*copy))) {
		scrub_find(s, "the inode can not be read");
		return -EAGAIN;
	}
	err = umfs_lock(s->fs, &in->lock);
	if (err)
		return err;
	if (!port_copy_out(copy, in, sizeof(*copy)) && ld32(&copy->mode))
		return 0;
	umfs_unlock(s->fs, &in->lock);
	return -EAGAIN;
}

static void inode_unlock(struct scrub *s)
{
	umfs_unlock(s->fs, &umfs_inode(s->fs, s->at.ino)->lock);
}

/* ---- attributes ---- */

static uint8_t xattrs[UMFS_XATTR_PAGES_MAX * UMFS_PAGE_BYTES];

static const char *check_xattrs(const struct scrub *s, uint32_t pages)
{
	const struct umfs_xattr_pm *head = (const struct umfs_xattr_pm *)xattrs;
	uint32_t bytes = ld32(&head->bytes);

	if (ld32(&head->magic) != UMFS_XATTR_MAGIC || ld32(&head->ino) != s->at.ino ||
	    bytes <= sizeof(*head) || bytes > pages * UMFS_PAGE_BYTES)
		return "the head of the attributes is wrong";
	if (ld32(&head->crc) != port_crc32c(0, &head->ino, bytes - 8u))
		return "the checksum of the attributes is wrong";
	return NULL;
}

/* Under the lock: a copy of the run. What is wrong with it, or NULL. */
static const char *copy_xattrs(struct scrub *s, uint64_t word, uint32_t *pages)
{
	uint64_t page;
	uint32_t i;

	*pages = 0;
	if (!word)
		return NULL;
	if (!umfs_xattr_run(s->fs, word, &page, pages))
		return "the reference to the attributes is wrong";
	for (i = 0; i < *pages; i++)
		if (!scrub_read(s, page + i, xattrs + i * UMFS_PAGE_BYTES))
			return "the attributes can not be read";
	return NULL;
}

/* ---- pages of a file ---- */

/* The entries of one table, or a single one: pages [first, end) of the file. */
struct part {
	uint64_t first, end;
	uint64_t page[UMFS_PTE_PER_PAGE]; /* 0: nothing to be read */
	uint64_t table; /* what can not be read, or 0 */
	bool damaged;
};

static uint64_t page_of(const struct umfs_inode_pm *in, uint64_t entry)
{
	return ((entry & UMFS_PTE_ADDR) - ld64(&in->base)) >> UMFS_PAGE_SHIFT;
}

/* A leaf of `count` pages, the i-th of the part. */
static void part_leaf(struct scrub *s, const struct umfs_inode_pm *in, struct part *p, uint32_t i,
		      uint64_t entry, uint32_t count)
{
	uint64_t page = page_of(in, entry);
	uint32_t k;

	if (!(entry & ~UMFS_PTE_VOLATILE))
		return;
	if (!umfs_page_valid(s->fs, page) || !umfs_page_valid(s->fs, page + count - 1)) {
		p->damaged = true;
		return;
	}
	for (k = 0; umfs_pte_written(entry) && k < count; k++)
		p->page[i + k] = page + k;
}

/* The first entry at or after `at` in the copied table; 512: none. */
static uint32_t next_entry(const struct scrub *s, uint32_t at)
{
	const le64 *entries = (const le64 *)s->page;

	while (at < UMFS_PTE_PER_PAGE && !(ld64(&entries[at]) & ~UMFS_PTE_VOLATILE))
		at++;
	return at;
}

static void part_table(struct scrub *s, const struct umfs_inode_pm *in, struct part *p)
{
	const le64 *entries = (const le64 *)s->page;
	uint32_t i;

	for (i = 0; i < UMFS_PTE_PER_PAGE; i++)
		part_leaf(s, in, p, i, ld64(&entries[i]), 1);
}

/*
 * From page `at` of the file on, the part that comes first. False: there is none at or after
 * `at` below p->end, which is as far as was looked.
 */
static bool next_part(struct scrub *s, const struct umfs_inode_pm *in, uint64_t at, struct part *p)
{
	uint64_t entry = ld64(&in->root), base = 0;
	uint32_t level = umfs_root_height(entry), i;

	memset(p, 0, sizeof(*p));
	p->end = 1ull << 9 * level;
	if (!(entry & ~UMFS_PTE_VOLATILE) || at >= p->end) {
		p->end = FILE_PAGES_MAX;
		return false;
	}
	if (!level) {
		part_leaf(s, in, p, 0, entry, 1);
		return true;
	}
	for (;; level--) {
		uint64_t page = page_of(in, entry), span = 1ull << 9 * (level - 1);

		p->first = base;
		p->end = base + span * UMFS_PTE_PER_PAGE;
		p->damaged = !umfs_page_valid(s->fs, page);
		if (p->damaged)
			return true;
		if (!scrub_read(s, page, s->page)) {
			p->table = page;
			return true;
		}
		if (level == 1) {
			part_table(s, in, p);
			return true;
		}
		i = next_entry(s, at > base ? (uint32_t)((at - base) / span) : 0);
		if (i == UMFS_PTE_PER_PAGE)
			return false;
		entry = ld64(&((const le64 *)s->page)[i]);
		base += i * span;
		if (level == 2 && entry & UMFS_PTE_PSE) {
			p->first = base;
			p->end = base + UMFS_PTE_PER_PAGE;
			part_leaf(s, in, p, 0, entry, UMFS_PTE_PER_PAGE);
			return true;
		}
	}
}

/* Is it still that page that can not be read? Else it went elsewhere meanwhile. */
static int data_lost(struct scrub *s, uint64_t at, uint64_t page)
{
	struct umfs_inode_pm copy;
	struct part p;
	int err = inode_lock(s, &copy);
	bool same;

	if (err)
		return err == -EAGAIN ? 0 : err;
	same = next_part(s, &copy, at, &p) && at >= p.first && at < p.end &&
	       p.page[at - p.first] == page;
	inode_unlock(s);
	if (same && !scrub_read(s, page, s->page))
		scrub_find(s, "bytes %llu to %llu can not be read (page %llu)",
			   (ull)at << UMFS_PAGE_SHIFT, ((ull)(at + 1) << UMFS_PAGE_SHIFT) - 1,
			   (ull)page);
	return 0;
}

static int read_part(struct scrub *s, const struct part *p, uint64_t at)
{
	int err = 0;

	if (p->damaged)
		scrub_find(s, "the page table of bytes %llu to %llu is damaged",
			   (ull)p->first << UMFS_PAGE_SHIFT, ((ull)p->end << UMFS_PAGE_SHIFT) - 1);
	if (p->table)
		scrub_find(s, "the page table of bytes %llu to %llu can not be read (page %llu)",
			   (ull)p->first << UMFS_PAGE_SHIFT, ((ull)p->end << UMFS_PAGE_SHIFT) - 1,
			   (ull)p->table);
	for (at = UMFS_MAX(at, p->first); !err && at < p->end && at - p->first < UMFS_PTE_PER_PAGE;
	     at++) {
		uint64_t page = p->page[at - p->first];

		if (page && !scrub_read(s, page, s->page))
			err = data_lost(s, at, page);
	}
	return err;
}

/* S1: table by table, so that nobody waits for long. */
static int scrub_data(struct scrub *s)
{
	struct umfs_inode_pm copy;
	static struct part p;
	uint64_t at = 0;
	bool some;
	int err;

	while (at < FILE_PAGES_MAX) {
		err = inode_lock(s, &copy);
		if (err)
			return err == -EAGAIN ? 0 : err;
		if (umfs_is_dir(ld32(&copy.mode))) { /* the number is somebody else's by now */
			inode_unlock(s);
			return 0;
		}
		some = next_part(s, &copy, at, &p);
		inode_unlock(s);
		err = some ? read_part(s, &p, at) : 0;
		if (err)
			return err;
		at = p.end;
	}
	return 0;
}

/* ---- directories ---- */

/* The last hash that leads to what `ref`, number `prefix` of its level, names. */
static uint64_t last_hash(uint64_t ref, uint32_t level, uint64_t prefix)
{
	uint32_t depth = (uint32_t)(ref & UMFS_DREF_DEPTH_MASK) >> UMFS_DREF_DEPTH_SHIFT;

	if (!level)
		return HASH_MAX;
	if (ref & UMFS_DREF_LEAF && depth <= UMFS_DNODE_BITS) /* its neighbours name it too */
		prefix |= (1u << (UMFS_DNODE_BITS - depth)) - 1;
	return ((prefix + 1) << (HASH_BITS - UMFS_DNODE_BITS * level)) - 1;
}

/*
 * The page of names that `hash` leads to is copied; *last: the last hash that leads there.
 * -EIO, -EUCLEAN: it, or *page on the way to it, can not be read, or is damaged.
 */
static int next_leaf(struct scrub *s, const struct umfs_inode_pm *dir, uint64_t hash,
		     uint64_t *last, uint64_t *page)
{
	uint64_t ref = ld64(&dir->root), prefix = 0;
	uint32_t level, i;

	*last = HASH_MAX;
	if (!ref)
		return -ENOENT;
	for (level = 0;; level++) {
		*last = last_hash(ref, level, prefix);
		*page = (ref & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT;
		if (!(ref & UMFS_DREF_P) || !umfs_page_valid(s->fs, *page))
			return -EUCLEAN;
		if (!scrub_read(s, *page, s->page))
			return -EIO;
		if (ref & UMFS_DREF_LEAF)
			break;
		if (level == UMFS_DIR_LEVELS_MAX)
			return -EUCLEAN;
		i = (uint32_t)(hash >> (HASH_BITS - UMFS_DNODE_BITS * (level + 1))) &
		    (UMFS_DNODE_REFS - 1);
		prefix = prefix << UMFS_DNODE_BITS | i;
		ref = ld64(&((const le64 *)s->page)[i]);
	}
	return umfs_dleaf_valid((const struct umfs_dleaf_pm *)s->page, s->at.ino) ? 0 : -EUCLEAN;
}

static bool dentry_sealed(const struct scrub *s, const struct umfs_dentry_pm *d)
{
	const char *name = (const char *)(d + 1);
	uint32_t len = ld8(&d->len), crc = port_crc32c(0, d, 14);

	return ld16(&d->check) == (port_crc32c(crc, name, len) & 0xffff) &&
	       ld64(&d->hash) == umfs_name_hash(s->fs, name, len);
}

/* The names of a copied page. */
static int read_leaf(struct scrub *s, const struct umfs_dleaf_pm *leaf)
{
	struct scrub_place here = s->at;
	uint32_t cell;
	int err = 0;

	for (cell = umfs_dleaf_next(leaf, 0); !err && cell < UMFS_DLEAF_CELLS;
	     cell = umfs_dleaf_next(leaf, cell + 1)) {
		const struct umfs_dentry_pm *d = umfs_dleaf_dentry(leaf, cell);

		if (dentry_sealed(s, d))
			err = scrub_name(s, here.ino, (const char *)(d + 1), ld8(&d->len),
					 ld32(&d->ino));
		else
			scrub_find(s, "a name in it is damaged");
		s->at = here;
	}
	return err;
}

int scrub_dir(struct scrub *s)
{
	uint64_t hash = 1, last, page, pages = 0;
	struct umfs_inode_pm copy;
	struct umfs_dleaf_pm *leaf;
	uint8_t names[UMFS_PAGE_BYTES] __attribute__((aligned(64)));
	int err, found;

	leaf = (struct umfs_dleaf_pm *)names;
	for (;; hash = last + 1) {
		err = inode_lock(s, &copy);
		if (err)
			return err == -EAGAIN ? 0 : err;
		found = umfs_is_dir(ld32(&copy.mode)) ? next_leaf(s, &copy, hash, &last, &page)
						    : -ENOENT;
		memcpy(names, s->page, sizeof(names));
		inode_unlock(s);
		if (found == -ENOENT)
			return 0;
		if (found)
			scrub_find(s, found == -EIO ? "names can not be read (page %llu)"
						    : "names are hidden by damage (page %llu)",
				   (ull)page);
		else
			err = read_leaf(s, leaf);
		if (err || last == HASH_MAX)
			return err;
		if (++pages > s->fs->geo.pool_pages) { /* S3 */
			scrub_find(s, "it has more pages than the pool");
			return 0;
		}
	}
}

/* ---- inodes ---- */

/* 1: a directory, whose names are to be read. */
int scrub_inode(struct scrub *s)
{
	struct umfs_inode_pm copy;
	uint32_t pages, mode;
	const char *wrong;
	int err = inode_lock(s, &copy);

	if (err)
		return err == -EAGAIN ? 0 : err;
	wrong = copy_xattrs(s, ld64(&copy.xattr), &pages);
	inode_unlock(s);
	s->inodes++;
	if (!umfs_inode_sealed(&copy, s->at.ino))
		scrub_find(s, "the checksum of the inode is wrong");
	if (ld64(&copy.size) !=
	    umfs_size_word(umfs_inode_size(&copy), s->at.ino, ld32(&copy.generation)))
		scrub_find(s, "the checksum of the size is wrong");
	if (!wrong && pages)
		wrong = check_xattrs(s, pages);
	if (wrong)
		scrub_find(s, "%s", wrong);
	mode = ld32(&copy.mode);
	if (umfs_is_dir(mode))
		return 1;
	return umfs_is_reg(mode) || umfs_is_link(mode) ? scrub_data(s) : 0;
}
