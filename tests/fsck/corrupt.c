// SPDX-License-Identifier: BSD-3-Clause
/*
 * corrupt.c - change one named field of one named object of a pool.
 *
 *   corrupt POOL OBJECT FIELD=VALUE ... [seal]
 *   corrupt --list              every struct and field: "struct field offset size"
 *   corrupt POOL --place OBJECT  its byte offset in the pool
 *
 * OBJECT   super backup runtime slot:N group:N inode:PATH leaf:PATH dentry:PATH
 *          xattr:PATH (head) xentry:PATH (first entry)
 *          lane:N ulog:N (of lane N) rec:N (first record of lane N) reserve:N
 *          lease:N (of the first reserve)
 *          irec:N ofd:N, and single words: pte:PATH:LEVEL:INDEX (level 0: the root)
 *          dref:PATH:INDEX (of the top node) tag:PATH tag2:PATH page:N:WORD
 * FIELD    of the struct, FIELD[I] for the I-th element of an array; `word` of a word
 * VALUE    a number, or ^number (exclusive or), or +number
 * seal     make the object's checksum fit what it now says
 *
 * With "#N" in place of a path, inode N. Reads the format by itself: what a case
 * damages must not keep the tool from finding the next object.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "field.h"

static uint8_t *base;
static uint64_t bytes;
static struct umfs_super_pm sb; /* the superblock as it was before any change */

struct object {
	const char *type; /* NULL: a single word */
	uint8_t *at;
	size_t word_size;
	uint32_t ino; /* inode: its number */
};

static void die(const char *what, const char *which)
{
	fprintf(stderr, "corrupt: %s: %s\n", what, which);
	exit(2);
}

static void *page_at(uint64_t page)
{
	if (page >= bytes / UMFS_PAGE_BYTES)
		die("page out of the pool", "");
	return base + page * UMFS_PAGE_BYTES;
}

static struct umfs_inode_pm *inode_at(uint32_t ino)
{
	uint32_t per = ld32(&sb.inodes_per_group);
	uint64_t page = ld32(&sb.groups_page) + (uint64_t)(ino / per) * UMFS_GROUP_PAGES + 2;

	return (struct umfs_inode_pm *)page_at(page) + ino % per;
}

/* ---- names: all leaves are looked through, wherever they are ---- */

static struct umfs_dentry_pm *find_in_leaf(struct umfs_dleaf_pm *leaf, const char *name, size_t len)
{
	for (uint32_t i = UMFS_DLEAF_HEAD_CELLS; i < UMFS_DLEAF_CELLS; i++) {
		struct umfs_dentry_pm *e = (void *)((uint8_t *)leaf + i * 16);

		if ((ld64(&leaf->start[i / 64]) >> i % 64 & 1) && ld8(&e->len) == len &&
		    !memcmp(e + 1, name, len))
			return e;
	}
	return NULL;
}

static struct umfs_dentry_pm *find_in_dir(uint32_t dir, const char *name, size_t len)
{
	for (uint64_t p = ld32(&sb.groups_page); p < bytes / UMFS_PAGE_BYTES; p++) {
		struct umfs_dleaf_pm *leaf = page_at(p);
		struct umfs_dentry_pm *e;

		if (ld32(&leaf->magic) != UMFS_DLEAF_MAGIC || ld32(&leaf->ino) != dir)
			continue;
		e = find_in_leaf(leaf, name, len);
		if (e)
			return e;
	}
	return NULL;
}

static struct umfs_dentry_pm *find_path(const char *path, uint32_t *ino)
{
	struct umfs_dentry_pm *e = NULL;
	const char *at = path;

	*ino = UMFS_ROOT_INO;
	if (path[0] == '#') {
		*ino = (uint32_t)strtoul(path + 1, NULL, 0);
		return NULL;
	}
	while (*at) {
		size_t len;

		at += strspn(at, "/");
		len = strcspn(at, "/");
		if (!len)
			break;
		e = find_in_dir(*ino, at, len);
		if (!e)
			die("no such name", path);
		*ino = ld32(&e->ino);
		at += len;
	}
	return e;
}

static struct umfs_dentry_pm *need_dentry(const char *path)
{
	uint32_t ino;
	struct umfs_dentry_pm *e = find_path(path, &ino);

	if (!e)
		die("not a name", path);
	return e;
}

static void *leaf_of(void *dentry)
{
	return base + ((uint64_t)((uint8_t *)dentry - base) & ~(uint64_t)UMFS_PAGE_MASK);
}

static uint8_t *xattr_of(const char *path)
{
	uint32_t ino;
	uint64_t word;

	find_path(path, &ino);
	word = ld64(&inode_at(ino)->xattr);
	if (!word)
		die("no extended attributes", path);
	return page_at((word & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT);
}

/* ---- words inside trees ---- */

static uint64_t number_after(char **text)
{
	char *colon = strchr(*text, ':');
	uint64_t n = strtoull(*text, NULL, 0);

	*text = colon ? colon + 1 : *text + strlen(*text);
	return n;
}

/* The entry for page `index` of the file in the table at `level`; level 0: the root word. */
static le64 *pte_at(uint32_t ino, uint32_t level, uint64_t index)
{
	le64 *e = &inode_at(ino)->root;
	uint32_t height = (uint32_t)(ld64(e) >> UMFS_ROOT_HEIGHT_SHIFT & 3), h;

	if (!level)
		return e;
	for (h = height; h >= level; h--) {
		le64 *table = page_at((ld64(e) & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT);

		e = &table[index >> 9 * (h - 1) & 511];
	}
	if (level > height)
		die("no table at that level", "");
	return e;
}

static struct object find_word(char *text)
{
	struct object o = { .word_size = 8 };
	char *rest = strchr(text, ':');
	uint32_t ino;

	if (rest)
		*rest++ = 0;
	else
		die("unknown object", text);
	if (!strcmp(text, "page")) {
		uint64_t page = number_after(&rest);

		o.at = (uint8_t *)page_at(page) + number_after(&rest) * 8;
	} else if (!strcmp(text, "tag") || !strcmp(text, "tag2")) {
		int second = text[3] == '2';
		uint8_t *e = (uint8_t *)need_dentry(rest);
		struct umfs_dleaf_pm *leaf = leaf_of(e);

		o.at = (uint8_t *)&leaf->tag[(e - (uint8_t *)leaf) / 16] + second;
		o.word_size = 1;
	} else if (!strcmp(text, "pte") || !strcmp(text, "dref")) {
		char *path = rest;
		uint64_t level, ref;

		rest = strchr(rest, ':');
		if (!rest)
			die("incomplete object", text);
		*rest++ = 0;
		find_path(path, &ino);
		if (*text == 'p') {
			level = number_after(&rest);
			o.at = (uint8_t *)pte_at(ino, (uint32_t)level, number_after(&rest));
		} else {
			ref = ld64(&inode_at(ino)->root);
			if (ref & UMFS_DREF_LEAF)
				die("the directory has no node", path);
			o.at = (uint8_t *)((le64 *)page_at((ref & UMFS_DREF_ADDR) >> 12) +
					   number_after(&rest));
		}
	} else {
		die("unknown object", text);
	}
	return o;
}

/* ---- structs ---- */

static struct umfs_lane_pm *lane_at(uint64_t n)
{
	return page_at(ld32(&sb.lanes_page) + n * UMFS_LANE_PAGES);
}

static struct object find_numbered(const char *kind, uint64_t n)
{
	struct object o = { 0 };

	if (!strcmp(kind, "slot")) {
		o.type = "umfs_slot_pm";
		o.at = (uint8_t *)((struct umfs_slot_pm *)page_at(UMFS_SLOTS_PAGE) + n);
	} else if (!strcmp(kind, "group")) {
		o.type = "umfs_group_pm";
		o.at = (uint8_t *)((struct umfs_group_pm *)page_at(ld32(&sb.gtable_page)) + n);
	} else if (!strcmp(kind, "lane")) {
		o.type = "umfs_lane_pm";
		o.at = (uint8_t *)lane_at(n);
	} else if (!strcmp(kind, "rec")) {
		o.type = "umfs_rec_pm";
		o.at = (uint8_t *)lane_at(n)->records;
	} else if (!strcmp(kind, "ulog")) {
		o.type = "umfs_ulog_pm";
		o.at = (uint8_t *)lane_at(n) + 2 * UMFS_PAGE_BYTES;
	} else if (!strcmp(kind, "reserve")) {
		o.type = "umfs_ulog_pm";
		o.at = page_at(ld32(&sb.reserves_page) + n * UMFS_RESERVE_PAGES);
	} else if (!strcmp(kind, "lease")) {
		o.type = "umfs_lease_pm";
		o.at = page_at(ld32(&sb.reserves_page) + 1 + n * UMFS_LEASE_PAGES);
	} else if (!strcmp(kind, "irec")) {
		o.type = "umfs_irec_pm";
		o.at = (uint8_t *)((struct umfs_irec_pm *)page_at(ld32(&sb.irecs_page)) + n);
	} else if (!strcmp(kind, "ofd")) {
		o.type = "umfs_ofd_pm";
		o.at = (uint8_t *)((struct umfs_ofd_pm *)page_at(ld32(&sb.ofds_page)) + n);
	}
	return o;
}

static struct object find_object(char *text)
{
	struct object o = { 0 };
	char *arg = strchr(text, ':');

	if (!strcmp(text, "super"))
		return (struct object){ .type = "umfs_super_pm", .at = base };
	if (!strcmp(text, "backup"))
		return (struct object){ .type = "umfs_super_pm",
					.at = page_at(UMFS_SB_BACKUP_PAGE) };
	if (!strcmp(text, "runtime"))
		return (struct object){ .type = "umfs_runtime_pm", .at = page_at(1) };
	if (!arg)
		die("unknown object", text);
	if (!strncmp(text, "inode:", 6)) {
		o.type = "umfs_inode_pm";
		find_path(arg + 1, &o.ino);
		o.at = (uint8_t *)inode_at(o.ino);
	} else if (!strncmp(text, "leaf:", 5)) {
		o.type = "umfs_dleaf_pm";
		o.at = leaf_of(need_dentry(arg + 1));
	} else if (!strncmp(text, "xattr:", 6)) {
		o.type = "umfs_xattr_pm";
		o.at = xattr_of(arg + 1);
	} else if (!strncmp(text, "xentry:", 7)) {
		o.type = "umfs_xentry_pm";
		o.at = xattr_of(arg + 1) + sizeof(struct umfs_xattr_pm);
	} else if (!strncmp(text, "dentry:", 7)) {
		o.type = "umfs_dentry_pm";
		o.at = (uint8_t *)need_dentry(arg + 1);
	} else {
		*arg = 0;
		o = find_numbered(text, strtoull(arg + 1, NULL, 0));
		*arg = ':';
		if (!o.at)
			o = find_word(text);
	}
	return o;
}

/* ---- changing ---- */

static void change(uint8_t *at, size_t size, const char *value)
{
	uint64_t old = 0, n;

	memcpy(&old, at, size);
	if (*value == '^')
		n = old ^ strtoull(value + 1, NULL, 0);
	else if (*value == '+')
		n = old + strtoull(value + 1, NULL, 0);
	else if (isdigit((unsigned char)*value))
		n = strtoull(value, NULL, 0);
	else
		die("not a value", value), n = 0;
	memcpy(at, &n, size);
}

static void set_field(const struct object *o, char *text)
{
	char *value = strchr(text, '='), *bracket;
	size_t index = 0;

	if (!value)
		die("FIELD=VALUE wanted", text);
	*value++ = 0;
	if (!o->type) {
		change(o->at, o->word_size, value);
		return;
	}
	bracket = strchr(text, '[');
	if (bracket) {
		*bracket = 0;
		index = strtoul(bracket + 1, NULL, 0);
	}
	for (size_t i = 0; i < field_count; i++) {
		const struct field *f = &fields[i];

		if (strcmp(f->type, o->type) || strcmp(f->name, text))
			continue;
		if (index * f->each >= f->size || f->each > 8)
			die("no such element", text);
		change(o->at + f->off + index * f->each, f->each, value);
		return;
	}
	die("no such field", text);
}

static void seal(const struct object *o)
{
	if (!o->type)
		die("a word has no checksum", "");
	if (!field_seal(o->type, o->at, o->ino, bytes - (uint64_t)(o->at - base)))
		die("no checksum in", o->type);
}

static void list(void)
{
	for (size_t i = 0; i < field_count; i++)
		printf("%s %s %zu %zu\n", fields[i].type, fields[i].name, fields[i].off,
		       fields[i].size);
}

static void map_pool(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("can not open", path);
	bytes = (uint64_t)st.st_size;
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		die("can not map", path);
	close(fd);
	memcpy(&sb, base, sizeof(sb));
	if (ld64(&sb.magic) != UMFS_MAGIC)
		memcpy(&sb, page_at(UMFS_SB_BACKUP_PAGE), sizeof(sb));
}

int main(int argc, char **argv)
{
	struct object o;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		list();
		return 0;
	}
	if (argc < 4)
		die("usage", "corrupt POOL OBJECT FIELD=VALUE... [seal]");
	map_pool(argv[1]);
	if (!strcmp(argv[2], "--place")) {
		o = find_object(argv[3]);
		printf("%llu\n", (unsigned long long)(o.at - base));
		return 0;
	}
	o = find_object(argv[2]);
	for (int i = 3; i < argc; i++) {
		if (!strcmp(argv[i], "seal"))
			seal(&o);
		else
			set_field(&o, argv[i]);
	}
	return 0;
}
