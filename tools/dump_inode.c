// SPDX-License-Identifier: BSD-3-Clause
/*
 * dump_inode.c - one inode of `umfs dump`: its fields, and what its root leads
 * to. All that is followed is bounded: the image may be damaged.
 */
#include "internal.h"
#include "tools.h"

#include <stdio.h>
#include <sys/stat.h>

typedef unsigned long long ull;

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "regular file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symbolic link";
	case S_IFIFO:
		return "FIFO";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	default:
		return "of no known type";
	}
}

static void print_fields(const struct umfs_inode_pm *in, uint32_t ino, int check)
{
	uint32_t mode = ld32(&in->mode);

	printf("inode %u: %s%s%s\n", ino, mode ? type_name(mode) : "not in use",
	       check && check != -ENOENT ? ", damaged: " : "",
	       check && check != -ENOENT ? strerror(-check) : "");
	printf("  mode %#o, uid %u, gid %u, links %u, generation %u, flags %#x\n", mode,
	       ld32(&in->uid), ld32(&in->gid), ld32(&in->nlink), ld32(&in->generation),
	       ld32(&in->flags));
	printf("  crc %#x, lock %#llx, sequence %llu\n", ld32(&in->crc), (ull)ld64(&in->lock),
	       (ull)ld64(&in->seq));
	printf("  size %llu, size word %#llx, pages %llu, kept %llu, entries %llu\n",
	       (ull)umfs_inode_size(in), (ull)ld64(&in->size), (ull)ld64(&in->pages),
	       (ull)ld64(&in->keep), (ull)ld64(&in->entries));
	printf("  root %#llx, base %#llx, parent %llu, rdev %#llx\n", (ull)ld64(&in->root),
	       (ull)ld64(&in->base), (ull)ld64(&in->parent), (ull)ld64(&in->rdev));
	printf("  extended attributes %#llx\n", (ull)ld64(&in->xattr));
	printf("  record %u of epoch %u\n", (uint32_t)ld64(&in->rec),
	       (uint32_t)(ld64(&in->rec) >> 32));
	printf("  modified %s\n  changed  %s\n", time_text((int64_t)ld64(&in->mtime_ns)),
	       time_text((int64_t)ld64(&in->ctime_ns)));
	printf("  accessed %s\n  born     %s\n", time_text((int64_t)ld64(&in->atime_ns)),
	       time_text((int64_t)ld64(&in->btime_ns)));
}

/* ---- files ---- */

/* The table pages above the entries, one line each, from the top. */
static void print_tables(const struct umfs *fs, uint64_t entry, uint32_t height, uint64_t first)
{
	struct {
		const le64 *table;
		uint64_t first; /* page of the file that it starts with */
		uint32_t next;
	} level[UMFS_HEIGHT_MAX + 1];
	uint32_t top = height;

	for (;;) {
		uint64_t page = umfs_pte_page(entry);

		if (!(entry & UMFS_PTE_P) || entry & UMFS_PTE_PSE || !umfs_page_valid(fs, page)) {
			if (height == top)
				return;
			height++;
		} else {
			printf("  table of level %u in page %llu: file pages from %llu\n", height,
			       (ull)page, (ull)first);
			level[height].table = umfs_page(fs, page);
			level[height].first = first;
			level[height].next = height == 1 ? UMFS_PTE_PER_PAGE : 0;
		}
		while (level[height].next == UMFS_PTE_PER_PAGE)
			if (height++ == top)
				return;
		first = level[height].first + ((uint64_t)level[height].next << (9 * (height - 1)));
		entry = ld64(&level[height].table[level[height].next++]) & ~UMFS_PTE_VOLATILE;
		height--;
	}
}

static void print_run(uint64_t at, uint64_t n, uint64_t entry)
{
	printf("  file pages %llu..%llu: pool pages %llu..%llu%s\n", (ull)at, (ull)(at + n - 1),
	       (ull)umfs_pte_page(entry), (ull)(umfs_pte_page(entry) + n - 1),
	       umfs_pte_written(entry) ? "" : ", unwritten");
}

static void print_file(const struct umfs *fs, const struct umfs_inode_pm *in)
{
	uint64_t root = ld64(&in->root);
	uint64_t end = UMFS_FILE_BYTES_MAX >> UMFS_PAGE_SHIFT;
	uint32_t height = umfs_root_height(root);
	uint64_t at = 0;

	printf("file page table: height %u\n", height);
	if (height)
		print_tables(fs, root & ~(UMFS_ROOT_HEIGHT_MASK | UMFS_PTE_VOLATILE), height, 0);
	while ((at = umfs_fpt_next(fs, root, at, end)) < end) {
		uint64_t entry, n = umfs_fpt_run(fs, root, at, end - at, &entry);

		if (!n)
			return;
		print_run(at, n, entry);
		at += n;
	}
}

/* ---- directories ---- */

static void print_name(const char *name, uint32_t len)
{
	uint32_t i;

	putchar('"');
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			printf("\\%03o", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void print_leaf(const struct umfs *fs, uint64_t page, uint32_t depth, uint32_t ino)
{
	const struct umfs_dleaf_pm *leaf = umfs_page(fs, page);
	uint32_t cell;

	printf("  leaf in page %llu, %u bits%s\n", (ull)page, depth,
	       umfs_dleaf_valid(leaf, ino) ? "" : ": damaged");
	if (!umfs_dleaf_valid(leaf, ino))
		return;
	for (cell = umfs_dleaf_next(leaf, 0); cell < UMFS_DLEAF_CELLS;
	     cell = umfs_dleaf_next(leaf, cell + 1)) {
		const struct umfs_dentry_pm *d = umfs_dleaf_dentry(leaf, cell);

		printf("    cell %u: hash %016llx, inode %u, type %#o, ", cell, (ull)ld64(&d->hash),
		       ld32(&d->ino), ld8(&d->type));
		print_name((const char *)(d + 1), ld8(&d->len));
		putchar('\n');
	}
}

static uint64_t dref_page(uint64_t ref)
{
	return (ref & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT;
}

/* The reference is to a leaf: print it. True when it is a node to go down into. */
static bool print_ref(const struct umfs *fs, uint64_t ref, uint32_t level, uint32_t ino)
{
	uint64_t page = dref_page(ref);

	if (!(ref & UMFS_DREF_P))
		return false;
	if (!umfs_page_valid(fs, page)) {
		printf("  damaged reference %#llx\n", (ull)ref);
		return false;
	}
	if (ref & UMFS_DREF_LEAF) {
		print_leaf(fs, page,
			   (uint32_t)((ref & UMFS_DREF_DEPTH_MASK) >> UMFS_DREF_DEPTH_SHIFT), ino);
		return false;
	}
	printf("  node of level %u in page %llu\n", level, (ull)page);
	return level < UMFS_DIR_LEVELS_MAX;
}

static void print_directory(const struct umfs *fs, const struct umfs_inode_pm *in, uint32_t ino)
{
	struct {
		const le64 *refs;
		uint32_t next;
		uint64_t last;
	} node[UMFS_DIR_LEVELS_MAX];
	uint64_t left = UMFS_MIN(ld64(&in->pages) + 1, fs->geo.pool_pages);
	uint64_t ref = ld64(&in->root);
	uint32_t level = 0;

	printf("directory:\n");
	for (;;) {
		if (ref & UMFS_DREF_P && !left--) {
			printf("  damaged: more references than pages\n");
			return;
		}
		if (print_ref(fs, ref, level, ino)) {
			node[level].refs = umfs_page(fs, dref_page(ref));
			node[level].next = 0;
			node[level].last = 0;
			level++;
		}
		while (level && node[level - 1].next == UMFS_DNODE_REFS)
			level--;
		if (!level)
			return;
		/* Neighbouring references to one leaf show it once. */
		ref = ld64(&node[level - 1].refs[node[level - 1].next++]);
		if (ref == node[level - 1].last)
			ref = 0;
		else
			node[level - 1].last = ref;
	}
}

/* ---- links ---- */

static void print_link(struct umfs *fs, uint32_t ino)
{
	char target[UMFS_PAGE_BYTES];
	int64_t n = umfs_readlink(fs, ino, target, sizeof(target));

	if (n < 0) {
		printf("target: %s\n", strerror((int)-n));
		return;
	}
	printf("target: ");
	print_name(target, (uint32_t)n);
	putchar('\n');
}

/* ---- extended attributes ---- */

/* No text in general; and of it no more than a line's worth. */
static void print_value(const struct umfs_xentry *e)
{
	uint32_t shown = UMFS_MIN(e->value_bytes, 48u), i;

	printf(", %u bytes: \"", e->value_bytes);
	for (i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)umfs_xentry_value(e)[i];

		printf(c < 0x20 || c >= 0x7f || c == '"' || c == '\\' ? "\\%03o" : "%c", c);
	}
	printf(shown < e->value_bytes ? "\"...\n" : "\"\n");
}

static void print_xattrs(const struct umfs *fs, const struct umfs_inode_pm *in, uint32_t ino)
{
	uint32_t at = sizeof(struct umfs_xattr_pm);
	struct umfs_xblock b;
	struct umfs_xentry e;
	int err = umfs_xblock_load(fs, ld64(&in->xattr), ino, &b), more = 1;

	if (!err && !b.head)
		return;
	if (err) {
		printf("extended attributes: damaged\n");
		return;
	}
	printf("extended attributes: %u in pool pages %llu..%llu, %u bytes\n",
	       ld32(&b.head->count), (ull)b.page, (ull)(b.page + b.pages - 1), b.bytes);
	while ((more = umfs_xblock_next(&b, &at, &e)) > 0) {
		if (!e.name_bytes)
			continue;
		printf("  ");
		print_name(umfs_xentry_name(&e), e.name_bytes);
		print_value(&e);
	}
	if (more)
		printf("  damaged entry at byte %u\n", at);
}

void dump_inode(struct umfs *fs, uint32_t ino)
{
	struct umfs_inode_pm *in = NULL;
	int err = umfs_inode_check(fs, ino, &in);

	if (!in)
		fail("inode %u: there is no such inode, or its place was never used", ino);
	print_fields(in, ino, err);
	print_xattrs(fs, in, ino);
	switch (ld32(&in->mode) & S_IFMT) {
	case S_IFREG:
		print_file(fs, in);
		break;
	case S_IFDIR:
		print_directory(fs, in, ino);
		break;
	case S_IFLNK:
		print_link(fs, ino);
		break;
	}
}
