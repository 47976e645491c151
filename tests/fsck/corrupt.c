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

#include "format.h"
#include "sum.h"

struct field {
	const char *type, *name;
	size_t off, size, each;
};

#define F(t, f) { #t, #f, offsetof(struct t, f), sizeof(((struct t *)0)->f), \
		  sizeof(((struct t *)0)->f) }
#define A(t, f) { #t, #f, offsetof(struct t, f), sizeof(((struct t *)0)->f), \
		  sizeof(((struct t *)0)->f[0]) }

static const struct field fields[] = {
	F(umfs_super_pm, magic), F(umfs_super_pm, version), F(umfs_super_pm, crc),
	F(umfs_super_pm, feature_compat), F(umfs_super_pm, feature_ro_compat),
	F(umfs_super_pm, feature_incompat), A(umfs_super_pm, uuid), A(umfs_super_pm, label),
	F(umfs_super_pm, pool_pages), F(umfs_super_pm, created_ns), A(umfs_super_pm, hash_key),
	F(umfs_super_pm, durability), F(umfs_super_pm, flags), F(umfs_super_pm, group_count),
	F(umfs_super_pm, group_count_max), F(umfs_super_pm, inodes_per_group),
	F(umfs_super_pm, groups_page), F(umfs_super_pm, gtable_page),
	F(umfs_super_pm, slot_count), F(umfs_super_pm, lanes_per_slot),
	F(umfs_super_pm, lanes_page), F(umfs_super_pm, irec_count),
	F(umfs_super_pm, irecs_page), F(umfs_super_pm, ofd_count), F(umfs_super_pm, ofds_page),
	F(umfs_super_pm, reserve_count), F(umfs_super_pm, reserves_page), A(umfs_super_pm, pad),
	F(umfs_runtime_pm, clean), F(umfs_runtime_pm, epoch), F(umfs_runtime_pm, mode),
	F(umfs_runtime_pm, rename_lock), F(umfs_runtime_pm, ofd_serial), F(umfs_runtime_pm, freeze),
	A(umfs_runtime_pm, pad),
	F(umfs_slot_pm, incarnation), F(umfs_slot_pm, state), F(umfs_slot_pm, pid),
	F(umfs_slot_pm, flags), A(umfs_slot_pm, busy), F(umfs_slot_pm, cleaning),
	A(umfs_slot_pm, pad),
	F(umfs_group_pm, lock), F(umfs_group_pm, free_pages), F(umfs_group_pm, free_inodes),
	F(umfs_group_pm, backed), F(umfs_group_pm, flags), F(umfs_group_pm, page_hint),
	F(umfs_group_pm, inode_hint), F(umfs_group_pm, pages), A(umfs_group_pm, pad),
	F(umfs_inode_pm, crc), F(umfs_inode_pm, mode), F(umfs_inode_pm, uid),
	F(umfs_inode_pm, gid), F(umfs_inode_pm, nlink), F(umfs_inode_pm, generation),
	F(umfs_inode_pm, flags), F(umfs_inode_pm, pad0), F(umfs_inode_pm, root),
	F(umfs_inode_pm, base), F(umfs_inode_pm, parent), F(umfs_inode_pm, rdev),
	F(umfs_inode_pm, pages), F(umfs_inode_pm, entries), F(umfs_inode_pm, btime_ns),
	F(umfs_inode_pm, xattr), F(umfs_inode_pm, ulog), F(umfs_inode_pm, keep),
	A(umfs_inode_pm, pad1),
	F(umfs_inode_pm, lock), F(umfs_inode_pm, seq), F(umfs_inode_pm, size),
	F(umfs_inode_pm, mtime_ns), F(umfs_inode_pm, ctime_ns), F(umfs_inode_pm, atime_ns),
	F(umfs_inode_pm, rec), F(umfs_inode_pm, pad2), A(umfs_inode_pm, pad3),
	F(umfs_dleaf_pm, magic), F(umfs_dleaf_pm, ino), A(umfs_dleaf_pm, start),
	F(umfs_dleaf_pm, tail), A(umfs_dleaf_pm, pad), A(umfs_dleaf_pm, tag),
	F(umfs_dentry_pm, hash), F(umfs_dentry_pm, ino), F(umfs_dentry_pm, type),
	F(umfs_dentry_pm, len), F(umfs_dentry_pm, check),
	F(umfs_xattr_pm, magic), F(umfs_xattr_pm, crc), F(umfs_xattr_pm, ino),
	F(umfs_xattr_pm, bytes), F(umfs_xattr_pm, count), A(umfs_xattr_pm, pad),
	F(umfs_xentry_pm, value_bytes), F(umfs_xentry_pm, name_bytes), A(umfs_xentry_pm, pad),
	F(umfs_irec_pm, key), F(umfs_irec_pm, flags), F(umfs_irec_pm, generation),
	A(umfs_irec_pm, opens), F(umfs_irec_pm, dirty_lo), F(umfs_irec_pm, dirty_hi),
	F(umfs_ofd_pm, key), F(umfs_ofd_pm, ino), F(umfs_ofd_pm, generation),
	F(umfs_ofd_pm, irec), F(umfs_ofd_pm, flags), F(umfs_ofd_pm, pos), F(umfs_ofd_pm, lock),
	A(umfs_ofd_pm, pad0), A(umfs_ofd_pm, slots), A(umfs_ofd_pm, pad1),
	F(umfs_lane_pm, state), F(umfs_lane_pm, done), F(umfs_lane_pm, group),
	F(umfs_lane_pm, promise), A(umfs_lane_pm, pad0), F(umfs_lane_pm, swap_entry), F(umfs_lane_pm, swap_old),
	F(umfs_lane_pm, swap_new), F(umfs_lane_pm, spare), F(umfs_lane_pm, swap_check),
	A(umfs_lane_pm, pad1), A(umfs_lane_pm, records),
	F(umfs_rec_pm, crc), F(umfs_rec_pm, type), F(umfs_rec_pm, len), F(umfs_rec_pm, txid),
	F(umfs_rec_pm, where), F(umfs_rec_pm, count),
	F(umfs_ulog_pm, state), F(umfs_ulog_pm, ino), F(umfs_ulog_pm, generation),
	F(umfs_ulog_pm, off), F(umfs_ulog_pm, len), F(umfs_ulog_pm, size),
	F(umfs_ulog_pm, data_crc), F(umfs_ulog_pm, crc), F(umfs_ulog_pm, lock),
	A(umfs_ulog_pm, pad),
};

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
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
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

static void seal_inode(struct umfs_inode_pm *in, uint32_t ino)
{
	uint64_t size = ld64(&in->size) & ((1ull << UMFS_SIZE_BITS) - 1);
	uint64_t check = sum_size_check(size, ino, ld32(&in->generation));

	st32(&in->crc, sum_crc32c(ino, &in->mode, UMFS_INODE_CRC_BYTES - 4));
	st64(&in->size, size | check << UMFS_SIZE_BITS);
}

static void seal(const struct object *o)
{
	void *at = o->at;

	if (!o->type) {
		die("a word has no checksum", "");
	} else if (!strcmp(o->type, "umfs_super_pm")) {
		struct umfs_super_pm *s = at;

		st32(&s->crc, 0);
		st32(&s->crc, sum_crc32c(0, s, UMFS_SUPER_CRC_BYTES));
	} else if (!strcmp(o->type, "umfs_inode_pm")) {
		seal_inode(at, o->ino);
	} else if (!strcmp(o->type, "umfs_xattr_pm") || !strcmp(o->type, "umfs_xentry_pm")) {
		struct umfs_xattr_pm *x = (void *)((uintptr_t)at & ~(uintptr_t)UMFS_PAGE_MASK);

		st32(&x->crc, sum_crc32c(0, &x->ino, ld32(&x->bytes) - 8));
	} else if (!strcmp(o->type, "umfs_dentry_pm")) {
		struct umfs_dentry_pm *e = at;
		uint32_t crc = sum_crc32c(0, e, offsetof(struct umfs_dentry_pm, check));

		st16(&e->check, (uint16_t)sum_crc32c(crc, e + 1, ld8(&e->len)));
	} else if (!strcmp(o->type, "umfs_lane_pm")) {
		struct umfs_lane_pm *l = at;

		st64(&l->swap_check, sum_crc32c(0, &l->swap_entry, 24));
	} else if (!strcmp(o->type, "umfs_rec_pm")) {
		struct umfs_rec_pm *r = at;
		uint32_t n = (uint32_t)sizeof(*r) - 4 + ld16(&r->len);

		st32(&r->crc, sum_crc32c((uint32_t)ld64(&r->txid), &r->type, n));
	} else if (!strcmp(o->type, "umfs_ulog_pm")) {
		struct umfs_ulog_pm *u = at;

		st32(&u->crc, sum_crc32c((uint32_t)(ld64(&u->state) >> 1), &u->ino,
					 offsetof(struct umfs_ulog_pm, crc) -
						 offsetof(struct umfs_ulog_pm, ino)));
	} else {
		die("no checksum in", o->type);
	}
}

static void list(void)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
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
