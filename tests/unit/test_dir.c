// SPDX-License-Identifier: BSD-3-Clause
/* test_dir.c - directories: size, order, cookies, leaves that overflow. */
#include "bytes.h"
#include "unit.h"

#include <stdio.h>

#define MANY 100000u

static uint32_t name_of(char *name, uint32_t i)
{
	return (uint32_t)sprintf(name, "name-%u", i);
}

static int create(struct umfs *fs, uint32_t dir, uint32_t i)
{
	char name[32];
	uint32_t len = name_of(name, i);
	umfs_node node;

	return umfs_create(fs, &world_root, dir, name, len, 0100644, 0, &node);
}

static int look(struct umfs *fs, uint32_t dir, uint32_t i)
{
	char name[32];
	uint32_t len = name_of(name, i), ino;

	return umfs_lookup(fs, dir, name, len, &ino);
}

static int removed(struct umfs *fs, uint32_t dir, uint32_t i)
{
	char name[32];
	uint32_t len = name_of(name, i);

	return umfs_unlink(fs, &world_root, dir, name, len);
}

/* ---- room ---- */

#define LEAF_FULL 110u /* of some 117 names of two cells */

/* One name goes and another comes, wherever in the leaf and seen from where room was last. */
static void leaf_that_is_full_takes_gaps_anywhere(void **state)
{
	struct unit *u = *state;
	uint32_t dir, i;
	uint64_t leaf;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_ino(u->fs, "/d", &dir));
	for (i = 0; i < LEAF_FULL; i++)
		assert_ok(create(u->fs, dir, 100 + i));
	leaf = ld64(&umfs_inode(u->fs, dir)->root);
	assert_true(leaf & UMFS_DREF_LEAF);
	for (i = LEAF_FULL; i-- > 0;) {
		assert_ok(removed(u->fs, dir, 100 + i));
		assert_ok(create(u->fs, dir, 300 + i));
	}
	for (i = 0; i < LEAF_FULL; i++) {
		assert_ok(removed(u->fs, dir, 300 + i));
		assert_ok(create(u->fs, dir, 500 + i * 37 % LEAF_FULL));
	}
	for (i = 0; i < LEAF_FULL; i++)
		assert_ok(removed(u->fs, dir, 500 + i));
	for (i = 0; i < LEAF_FULL; i++)
		assert_ok(create(u->fs, dir, 700 + i));
	assert_int_equal(ld64(&umfs_inode(u->fs, dir)->root), leaf); /* neither split nor packed */
	for (i = 0; i < LEAF_FULL; i++) {
		assert_ok(look(u->fs, dir, 700 + i));
		assert_err(look(u->fs, dir, 500 + i), ENOENT);
	}
}

/* ---- listing ---- */

struct listing {
	uint8_t *seen; /* how often each number's name came */
	uint32_t names, stop_after;
	uint64_t last, cookie;
};

static int note(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		uint64_t cookie)
{
	struct listing *l = arg;
	char text[300];

	if (l->stop_after && l->names == l->stop_after)
		return 1;
	assert_true(cookie > l->last);
	assert_true(ino != 0 && type == 8);
	l->last = l->cookie = cookie;
	l->names++;
	memcpy(text, name, len);
	text[len] = 0;
	if (l->seen && !strncmp(text, "name-", 5))
		l->seen[atoi(text + 5)]++;
	return 0;
}

static void dir_of_100000_names_works(void **state)
{
	struct unit *u = *state;
	struct listing l = {.seen = calloc(MANY, 1)};
	uint64_t empty;
	uint32_t i, ino;

	unit_pool(u, 600 * MIB, MANY + 1000);
	assert_non_null(l.seen);
	empty = unit_pages_free(u);
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_ino(u->fs, "/d", &ino));
	for (i = 0; i < MANY; i++)
		assert_ok(create(u->fs, ino, i));
	for (i = 0; i < MANY; i++)
		assert_ok(look(u->fs, ino, i));
	assert_err(look(u->fs, ino, MANY), ENOENT);
	assert_ok(umfs_readdir(u->fs, ino, 0, note, &l));
	assert_int_equal(l.names, MANY);
	for (i = 0; i < MANY; i++)
		assert_int_equal(l.seen[i], 1);
	for (i = 0; i < MANY; i++)
		assert_ok(removed(u->fs, ino, i));
	assert_ok(world_rmdir(u->fs, "/d"));
	assert_true(unit_pages_free(u) + 1 >= empty); /* the root has a leaf now */
	free(l.seen);
}

/* Names there all the time come exactly once, whatever happens to others in between. */
static void cookies_under_change_stay_valid(void **state)
{
	struct unit *u = *state;
	struct listing l = {.seen = calloc(20000, 1)};
	uint64_t random = 3;
	uint32_t i, step;

	unit_pool(u, 64 * MIB, 16000);
	assert_non_null(l.seen);
	for (i = 0; i < 2000; i++)
		assert_ok(create(u->fs, UMFS_ROOT_INO, i));
	for (step = 0; step < 2000; step++) {
		uint32_t before = l.names;

		l.stop_after = l.names + 1 + (uint32_t)sim_random(&random) % 5;
		assert_ok(umfs_readdir(u->fs, UMFS_ROOT_INO, l.cookie, note, &l));
		if (l.names == before)
			break;
		for (i = 0; i < 8; i++) /* others come, so that leaves split */
			(void)create(u->fs, UMFS_ROOT_INO, 2000 + step * 8 + i);
		if (step % 3 == 0)
			for (i = 0; i < 20; i++)
				(void)removed(u->fs, UMFS_ROOT_INO, 2000 + step * 4 + i);
	}
	assert_true(step < 2000);
	for (i = 0; i < 2000; i++)
		assert_int_equal(l.seen[i], 1);
	for (; i < 20000; i++)
		assert_true(l.seen[i] <= 1);
	free(l.seen);
}

static void listing_stopped_goes_on_there(void **state)
{
	struct unit *u = *state;
	struct listing l = {.stop_after = 3};
	uint32_t i;

	for (i = 0; i < 10; i++)
		assert_ok(create(u->fs, UMFS_ROOT_INO, i));
	assert_ok(umfs_readdir(u->fs, UMFS_ROOT_INO, 0, note, &l));
	assert_int_equal(l.names, 3);
	l.stop_after = 0;
	assert_ok(umfs_readdir(u->fs, UMFS_ROOT_INO, l.cookie, note, &l));
	assert_int_equal(l.names, 10);
	assert_ok(umfs_readdir(u->fs, UMFS_ROOT_INO, l.cookie, note, &l));
	assert_ok(umfs_readdir(u->fs, UMFS_ROOT_INO, INT64_MAX, note, &l));
	assert_ok(umfs_readdir(u->fs, UMFS_ROOT_INO, UINT64_MAX, note, &l));
	assert_int_equal(l.names, 10);
}

static void listing_of_a_file_refused(void **state)
{
	struct unit *u = *state;
	struct listing l = {0};
	uint32_t ino;

	assert_ok(world_creat(u->fs, "/f", 0644));
	assert_ok(world_ino(u->fs, "/f", &ino));
	assert_err(umfs_readdir(u->fs, ino, 0, note, &l), ENOTDIR);
}

/* ---- overflow ---- */

/* Names whose hashes share their top `bits`: they all want the same leaf until it goes deep. */
static uint32_t colliding(struct umfs *fs, uint32_t bits, uint32_t *numbers, uint32_t count)
{
	uint64_t want = 0;
	uint32_t i, n = 0;

	for (i = 0; n < count && i < 1u << 30; i++) {
		char name[32];
		uint64_t hash = umfs_name_hash(fs, name, name_of(name, i)) >> (63 - bits);

		if (!n)
			want = hash;
		if (hash == want)
			numbers[n++] = i;
	}
	return n;
}

static void hashes_sharing_prefix_all_fit(void **state)
{
	struct unit *u = *state;
	static uint32_t numbers[400];
	struct listing l = {0};
	uint32_t i, count = 400;

	unit_pool(u, 32 * MIB, 4096);
	assert_int_equal(colliding(u->fs, 14, numbers, count), count);
	for (i = 0; i < count; i++)
		assert_ok(create(u->fs, UMFS_ROOT_INO, numbers[i]));
	for (i = 0; i < count; i++)
		assert_ok(look(u->fs, UMFS_ROOT_INO, numbers[i]));
	assert_ok(umfs_readdir(u->fs, UMFS_ROOT_INO, 0, note, &l));
	assert_int_equal(l.names, count);
	for (i = 0; i < count; i++)
		assert_ok(removed(u->fs, UMFS_ROOT_INO, numbers[i]));
}

static void leaf_of_longest_names_overflows_and_all_found(void **state)
{
	struct unit *u = *state;
	char name[256];
	uint32_t i, found;
	umfs_node node;

	for (i = 0; i < 300; i++) {
		memset(name, 'a', 255);
		sprintf(name, "%03u", i);
		name[3] = 'b';
		assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, name, 255, 0100644, 0,
				      &node));
	}
	for (i = 0; i < 300; i++) {
		memset(name, 'a', 255);
		sprintf(name, "%03u", i);
		name[3] = 'b';
		assert_ok(umfs_lookup(u->fs, UMFS_ROOT_INO, name, 255, &found));
		name[254] = 'c';
		assert_err(umfs_lookup(u->fs, UMFS_ROOT_INO, name, 255, &found), ENOENT);
	}
}

static void dir_filled_and_emptied_again_does_not_grow(void **state)
{
	struct unit *u = *state;
	struct umfs_attr first, now;
	uint32_t i, round;

	u->sim->log = NULL;
	assert_ok(world_mkdir(u->fs, "/d"));
	for (round = 0; round < 20; round++) {
		uint32_t ino;

		assert_ok(world_ino(u->fs, "/d", &ino));
		for (i = 0; i < 500; i++)
			assert_ok(create(u->fs, ino, round * 500 + i));
		for (i = 0; i < 500; i++)
			assert_ok(removed(u->fs, ino, round * 500 + i));
		assert_ok(world_stat(u->fs, "/d", round ? &now : &first));
	}
	assert_true(now.blocks_512 <= 3 * first.blocks_512);
}

/* ---- names ---- */

static void name_lengths_at_the_limits(void **state)
{
	struct unit *u = *state;
	char name[300];
	umfs_node node;
	uint32_t found;

	memset(name, 'x', sizeof(name));
	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, name, 1, 0100644, 0, &node));
	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, name, 255, 0100644, 0, &node));
	assert_ok(umfs_lookup(u->fs, UMFS_ROOT_INO, name, 255, &found));
	assert_err(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, name, 256, 0100644, 0, &node),
		   ENAMETOOLONG);
	assert_err(umfs_lookup(u->fs, UMFS_ROOT_INO, name, 256, &found), ENAMETOOLONG);
	assert_true(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, name, 0, 0100644, 0, &node) < 0);
}

static void names_of_any_bytes_kept(void **state)
{
	struct unit *u = *state;
	char name[2];
	uint32_t c, found;
	umfs_node node;

	for (c = 1; c < 256; c++) {
		if (c == '/' || c == '.')
			continue;
		name[0] = (char)c;
		name[1] = (char)(256 - c);
		if (name[1] == '/')
			continue;
		assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, name, 2, 0100644, 0,
				      &node));
		assert_ok(umfs_lookup(u->fs, UMFS_ROOT_INO, name, 2, &found));
		assert_int_equal((uint32_t)node, found);
	}
}

static int list_anything(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
			 uint64_t cookie)
{
	(void)name;
	(void)ino;
	(void)type;
	(void)cookie;
	assert_true(len <= UMFS_NAME_MAX);
	return ++((struct listing *)arg)->names > 1000;
}

/* A page of garbage in place of a leaf is an error, never a crash. */
static void leaf_of_garbage_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in = umfs_inode(u->fs, UMFS_ROOT_INO);
	uint64_t random = 9;
	uint8_t *page, good[UMFS_PAGE_BYTES];
	uint32_t i, k, round;

	u->damaged = true;
	for (i = 0; i < 60; i++)
		assert_ok(create(u->fs, UMFS_ROOT_INO, i));
	page = umfs_page(u->fs, (ld64(&in->root) & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT);
	memcpy(good, page, sizeof(good));
	for (round = 0; round < 3000; round++) {
		struct listing l = {0};

		memcpy(page, good, sizeof(good));
		for (k = 0; k < 1 + round % 8; k++)
			page[8 + sim_random(&random) % (UMFS_PAGE_BYTES - 8)] =
				(uint8_t)sim_random(&random);
		(void)look(u->fs, UMFS_ROOT_INO, round % 60);
		(void)create(u->fs, UMFS_ROOT_INO, 100 + round);
		(void)removed(u->fs, UMFS_ROOT_INO, round % 60);
		u->fs->readonly = 1; /* no writer is waited for */
		(void)umfs_readdir(u->fs, UMFS_ROOT_INO, 0, list_anything, &l);
		u->fs->readonly = 0;
	}
}

/* The pages of a file, for what a case wants to lie in the pool. */
static uint64_t *pages_of_file(struct umfs *fs, const char *path, uint32_t n)
{
	uint64_t *where = calloc(n, sizeof(*where));
	struct umfs_file file;
	uint32_t i;

	assert_ok(world_open(fs, path, O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, (uint64_t)n * UMFS_PAGE_BYTES, 1));
	for (i = 0; i < n; i++)
		assert_true(umfs_map_run(&file, i * UMFS_PAGE_BYTES, UMFS_PAGE_BYTES, &where[i]) > 0);
	world_close(&file);
	return where;
}

/*
 * Each level is one node, all of whose references name the next one, the lowest's an empty
 * leaf: seven pages that stand for 2^54 leaves. Whoever lists it comes to an end.
 */
static void listing_of_shared_nodes_ends(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in;
	struct listing l = {0};
	uint32_t dir, level, i;
	uint64_t *pages, below;

	u->damaged = true;
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_ino(u->fs, "/d", &dir));
	pages = pages_of_file(u->fs, "/pages", UMFS_DIR_LEVELS_MAX + 1);
	umfs_dleaf_init(u->fs, (void *)(u->fs->base + pages[UMFS_DIR_LEVELS_MAX]), dir);
	below = pages[UMFS_DIR_LEVELS_MAX] | UMFS_DREF_P | UMFS_DREF_LEAF |
		UMFS_DNODE_BITS << UMFS_DREF_DEPTH_SHIFT;
	for (level = UMFS_DIR_LEVELS_MAX; level-- > 0;) {
		le64 *refs = (void *)(u->fs->base + pages[level]);

		for (i = 0; i < UMFS_DNODE_REFS; i++)
			st64(&refs[i], below);
		below = pages[level] | UMFS_DREF_P;
	}
	in = umfs_inode(u->fs, dir);
	st64(&in->root, below);
	umfs_inode_seal(in, dir);
	assert_err(umfs_readdir(u->fs, dir, 0, list_anything, &l), EUCLEAN);
	assert_int_equal(l.names, 0);
	free(pages);
}

/* ---- tags ---- */

static uint64_t equal_one_by_one(const uint8_t *bytes, uint8_t byte)
{
	uint64_t equal = 0;

	for (uint32_t i = 0; i < 64; i++)
		equal |= (uint64_t)(bytes[i] == byte) << i;
	return equal;
}

/* Neighbours of the one looked for, and all that differ from it in one bit, lie side by side. */
static void bytes_equal_found_exactly(void **state)
{
	_Alignas(16) uint8_t bytes[64];
	uint32_t byte, i, round;

	(void)state;
	for (byte = 0; byte < 256; byte++) {
		for (round = 0; round < 64; round++) {
			for (i = 0; i < 64; i++)
				bytes[i] = (uint8_t)(byte + (i * round % 7 < 3 ? 0 : i % 3 ? 1u << i % 8 : ~0u));
			assert_int_equal(umfs_bytes_equal((const le8 *)bytes, (uint8_t)byte),
					 equal_one_by_one(bytes, (uint8_t)byte));
			assert_int_equal(umfs_bytes_equal_by_words((const le8 *)bytes, (uint8_t)byte),
					 equal_one_by_one(bytes, (uint8_t)byte));
		}
	}
}

/* ---- damage ---- */

static struct umfs_dleaf_pm *leaf_at(struct unit *u, uint64_t ref)
{
	return umfs_page(u->fs, (ref & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT);
}

/* A directory of so many names in one leaf. */
static struct umfs_dleaf_pm *leaf_of(struct unit *u, uint32_t names, uint32_t *dir)
{
	uint32_t i;

	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_ino(u->fs, "/d", dir));
	for (i = 0; i < names; i++)
		assert_ok(create(u->fs, *dir, 100 + i));
	assert_true(ld64(&umfs_inode(u->fs, *dir)->root) & UMFS_DREF_LEAF);
	return leaf_at(u, ld64(&umfs_inode(u->fs, *dir)->root));
}

/* Where the name is, or 0. */
static uint32_t cell_of(const struct umfs_dleaf_pm *leaf, uint32_t i)
{
	char name[32];
	uint32_t len = name_of(name, i), cell;

	for (cell = umfs_dleaf_next(leaf, 0); cell < UMFS_DLEAF_CELLS;
	     cell = umfs_dleaf_next(leaf, cell + 1))
		if (!memcmp(umfs_dleaf_dentry(leaf, cell) + 1, name, len))
			return cell;
	return 0;
}

static int renamed(struct umfs *fs, uint32_t dir, uint32_t from, uint32_t to)
{
	char a[32], b[32];
	uint32_t a_len = name_of(a, from), b_len = name_of(b, to);

	return umfs_rename(fs, &world_root, dir, a, a_len, dir, b, b_len, 0);
}

/* Any bit of a dentry: the name leads to nothing else, and the others are there still. */
static void damaged_dentry_leads_nowhere(void **state)
{
	struct unit *u = *state;
	uint32_t dir, cell, bit, i;
	struct umfs_dleaf_pm *leaf = leaf_of(u, 20, &dir);
	uint8_t was[UMFS_PAGE_BYTES], *bytes;

	cell = cell_of(leaf, 107);
	bytes = (uint8_t *)umfs_dleaf_dentry(leaf, cell);
	for (bit = 64; bit < (16 + 8) * 8; bit++) { /* one of the hash hides the name */
		struct listing l = {0};

		memcpy(was, leaf, sizeof(was));
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		was[bytes + bit / 8 - (uint8_t *)leaf] ^= (uint8_t)(1u << bit % 8);
		assert_err(look(u->fs, dir, 107), EUCLEAN);
		assert_err(create(u->fs, dir, 107), EUCLEAN);
		assert_err(removed(u->fs, dir, 107), EUCLEAN);
		assert_err(renamed(u->fs, dir, 107, 300), EUCLEAN);
		assert_err(renamed(u->fs, dir, 108, 107), EUCLEAN);
		assert_err(umfs_readdir(u->fs, dir, 0, note, &l), EUCLEAN);
		assert_int_equal(l.names, 19);
		assert_err(umfs_readdir(u->fs, dir, l.cookie, note, &l), EUCLEAN); /* told again */
		assert_int_equal(l.names, 19);
		for (i = 0; i < 20; i++)
			assert_true(i == 7 || !look(u->fs, dir, 100 + i));
		assert_memory_equal(leaf, was, sizeof(was));
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_ok(look(u->fs, dir, 107));
}

/* One of its hash hides it from a search, but not from who lists or splits the leaf. */
static void damaged_hash_seen_by_listing(void **state)
{
	struct unit *u = *state;
	uint32_t dir, bit;
	struct umfs_dleaf_pm *leaf = leaf_of(u, 20, &dir);
	struct umfs_dentry_pm *d = umfs_dleaf_dentry(leaf, cell_of(leaf, 107));

	for (bit = 0; bit < 64; bit++) {
		struct listing l = {0};

		st64(&d->hash, ld64(&d->hash) ^ 1ull << bit);
		assert_err(umfs_readdir(u->fs, dir, 0, note, &l), EUCLEAN);
		assert_int_equal(l.names, 19);
		assert_err(umfs_readdir(u->fs, dir, l.cookie, note, &l), EUCLEAN); /* told again */
		assert_int_equal(l.names, 19);
		st64(&d->hash, ld64(&d->hash) ^ 1ull << bit);
	}
}

/* No cell is given away that a dentry has, whatever says that it is free. */
static void damaged_tail_gives_nothing_away(void **state)
{
	static const uint16_t tails[] = {0, 19, 20, 21, 40, 59, 257, 300, 0xffff};
	struct unit *u = *state;
	uint32_t dir, i;
	struct umfs_dleaf_pm *leaf = leaf_of(u, 20, &dir);
	uint16_t good = ld16(&leaf->tail);
	uint8_t was[UMFS_PAGE_BYTES];

	assert_int_equal(good, 60);
	for (i = 0; i < UMFS_ARRAY_LEN(tails); i++) {
		st16(&leaf->tail, tails[i]);
		memcpy(was, leaf, sizeof(was));
		assert_err(create(u->fs, dir, 300), EUCLEAN);
		assert_int_not_equal(look(u->fs, dir, 119), -ENOENT);
		assert_memory_equal(leaf, was, sizeof(was));
	}
	st16(&leaf->tail, good);
	assert_ok(create(u->fs, dir, 300));
}

/* A gap begins where the dentry before it ends, and not where its tag says. */
static void damaged_tag_gives_nothing_away(void **state)
{
	static const uint8_t lengths[] = {0, 1, 3, 255};
	struct unit *u = *state;
	uint32_t dir, i, cell;
	struct umfs_dleaf_pm *leaf = leaf_of(u, 118, &dir);
	uint8_t was[UMFS_PAGE_BYTES];

	assert_int_equal(ld16(&leaf->tail), UMFS_DLEAF_CELLS);
	cell = cell_of(leaf, 107);
	assert_ok(removed(u->fs, dir, 108));
	for (i = 0; i < UMFS_ARRAY_LEN(lengths); i++) {
		st8(&leaf->tag[cell + 1], lengths[i]);
		memcpy(was, leaf, sizeof(was));
		assert_err(create(u->fs, dir, 300), EUCLEAN);
		assert_memory_equal(leaf, was, sizeof(was));
	}
	st8(&leaf->tag[cell + 1], 2);
	assert_ok(create(u->fs, dir, 300));
}

/* What would be lost with the old leaf stays there, for fsck. */
static void damaged_leaf_not_split(void **state)
{
	struct unit *u = *state;
	uint32_t dir, i;
	struct umfs_dleaf_pm *leaf = leaf_of(u, 118, &dir);
	struct umfs_dentry_pm *d = umfs_dleaf_dentry(leaf, cell_of(leaf, 107));
	uint64_t root = ld64(&umfs_inode(u->fs, dir)->root), free = unit_pages_free(u);

	st8(&d->len, 0);
	assert_err(create(u->fs, dir, 300), EUCLEAN);
	st8(&d->len, 8);
	st64(&d->hash, ld64(&d->hash) ^ 1ull << 40);
	assert_err(create(u->fs, dir, 300), EUCLEAN);
	st64(&d->hash, ld64(&d->hash) ^ 1ull << 40);
	assert_int_equal(ld64(&umfs_inode(u->fs, dir)->root), root);
	assert_int_equal(unit_pages_free(u), free);
	assert_ok(create(u->fs, dir, 300));
	for (i = 0; i < 118; i++)
		assert_ok(look(u->fs, dir, 100 + i));
}

static uint32_t ref_of(struct unit *u, uint32_t i)
{
	char name[32];
	uint32_t len = name_of(name, i);

	return (uint32_t)(umfs_name_hash(u->fs, name, len) >> 54);
}

/* References that should be alike and are not: no other leaf's are stored over, none is left. */
static void references_that_disagree_not_replaced(void **state)
{
	struct unit *u = *state;
	uint32_t dir, i, n, round;
	uint64_t good, first, last;
	le64 *node;
	int err;

	(void)leaf_of(u, 118, &dir);
	assert_ok(create(u->fs, dir, 218));
	node = (le64 *)leaf_at(u, ld64(&umfs_inode(u->fs, dir)->root));
	first = ld64(&node[0]);
	last = ld64(&node[511]);
	assert_true(first != last && ld64(&node[255]) == first && ld64(&node[256]) == last);
	for (round = 0, n = 219; round < 3; round++) {
		i = round == 2 ? 400 : 10;
		good = ld64(&node[i]);
		st64(&node[i], round == 1 ? good + (1u << UMFS_DREF_DEPTH_SHIFT) :
			       round == 2 ? first : last);
		for (err = 0; !err && n < 600; n++)
			err = ref_of(u, n) < 256 && ref_of(u, n) != i ? create(u->fs, dir, n) : 0;
		assert_int_equal(err, -EUCLEAN);
		st64(&node[i], good);
		assert_int_equal(ld64(&node[0]), first);
		assert_int_equal(ld64(&node[511]), last);
		n--;
	}
	for (; n < 600; n++)
		if (ref_of(u, n) < 256)
			assert_ok(create(u->fs, dir, n));
	for (i = 100; i < 219; i++)
		assert_ok(look(u->fs, dir, i));
}

static bool page_in_use(struct unit *u, uint64_t where)
{
	uint64_t n = (where >> UMFS_PAGE_SHIFT) - u->fs->geo.groups_page;
	const uint8_t *bits = umfs_page(u->fs, umfs_group_page(u->fs, (uint32_t)(n >> UMFS_GROUP_SHIFT)));

	n &= UMFS_GROUP_PAGES - 1;
	return bits[n / 8] >> n % 8 & 1;
}

/* A removed directory frees its own leaves, and none that has names. */
static void damaged_reference_frees_no_others(void **state)
{
	struct unit *u = *state;
	uint32_t dir, i, round;
	uint64_t *pages, good;
	char why[256];
	le64 *node;

	u->damaged = true;
	pages = pages_of_file(u->fs, "/other", 1);
	for (round = 0; round < 3; round++) {
		(void)leaf_of(u, 118, &dir);
		assert_ok(create(u->fs, dir, 218));
		node = (le64 *)leaf_at(u, ld64(&umfs_inode(u->fs, dir)->root));
		for (i = 100; i < 219; i++)
			assert_ok(removed(u->fs, dir, i));
		good = ld64(&node[300]);
		if (round < 2) /* as a leaf, and as a node */
			st64(&node[300], (good & ~UMFS_DREF_ADDR & ~(round ? UMFS_DREF_LEAF : 0)) | pages[0]);
		else
			st64(&leaf_at(u, good)->start[1], 1);
		assert_ok(world_rmdir(u->fs, "/d"));
		assert_true(page_in_use(u, pages[0]));
		assert_true(round < 2 || page_in_use(u, good & UMFS_DREF_ADDR));
	}
	assert_ok(world_put(u->fs, "/other", 0, 100, 2));
	sim_detach(u->proc);
	u->proc = NULL;
	if (image_mend(u->sim, true, why))
		fail_msg("%s", why);
	free(pages);
}

static const struct CMUnitTest tests[] = {
	CASE(leaf_that_is_full_takes_gaps_anywhere),
	CASE(dir_of_100000_names_works),
	CASE(cookies_under_change_stay_valid),
	CASE(listing_stopped_goes_on_there),
	CASE(listing_of_a_file_refused),
	CASE(hashes_sharing_prefix_all_fit),
	CASE(leaf_of_longest_names_overflows_and_all_found),
	CASE(dir_filled_and_emptied_again_does_not_grow),
	CASE(name_lengths_at_the_limits),
	CASE(names_of_any_bytes_kept),
	CASE(bytes_equal_found_exactly),
	CASE(leaf_of_garbage_refused),
	CASE(listing_of_shared_nodes_ends),
	CASE(damaged_dentry_leads_nowhere),
	CASE(damaged_hash_seen_by_listing),
	CASE(damaged_tail_gives_nothing_away),
	CASE(damaged_tag_gives_nothing_away),
	CASE(damaged_leaf_not_split),
	CASE(references_that_disagree_not_replaced),
	CASE(damaged_reference_frees_no_others),
};
UNIT_MAIN("dir", tests)
