// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * dir.c - directories: a trie over the hash of the name.
 *
 * A node takes 9 bits of the hash, most significant first; 2^k neighbouring
 * references of a node may name one leaf, which then stands for 9-k bits of it.
 * A full leaf is split in two by one more bit, or gets a node of its own: a
 * bounded change whatever the size of the directory. Walking the trie in order
 * walks the hashes in order, so the hash of a name is its readdir position for
 * as long as the name lives.
 *
 * I1  A leaf holds exactly the names whose hash leads to it.
 * I2  Splitting and repacking build fresh leaves and switch references in a
 *     transaction of their own: names neither appear nor vanish by it.
 */
#include "internal.h"

#define HASH_BITS 63u

/* Where in a node of that level (0: the top one) a hash goes. */
static uint32_t node_index(uint64_t hash, uint32_t level)
{
	return (uint32_t)(hash >> (HASH_BITS - UMFS_DNODE_BITS * (level + 1))) &
	       (UMFS_DNODE_REFS - 1);
}

static uint64_t leaf_ref(uint64_t page, uint32_t depth)
{
	return page << UMFS_PAGE_SHIFT | UMFS_DREF_P | UMFS_DREF_LEAF |
	       (uint64_t)depth << UMFS_DREF_DEPTH_SHIFT;
}

static uint32_t ref_depth(uint64_t ref)
{
	return (uint32_t)((ref & UMFS_DREF_DEPTH_MASK) >> UMFS_DREF_DEPTH_SHIFT);
}

static uint64_t ref_page(uint64_t ref)
{
	return (ref & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT;
}

/* The hashes that share the bits which `level` nodes and `depth` bits more consumed. */
static void set_range(struct umfs_dpath *p, uint64_t hash, uint32_t depth)
{
	uint32_t bits = p->level ? (p->level - 1) * UMFS_DNODE_BITS + depth : 0;
	uint64_t rest = (1ull << (HASH_BITS - bits)) - 1;

	p->first = hash & ~rest;
	p->last = hash | rest;
}

int umfs_dir_descend(const struct umfs *fs, const struct umfs_inode_pm *dir, uint32_t dir_ino,
		     uint64_t hash, struct umfs_dpath *p)
{
	uint64_t ref = ld64(&dir->root);

	p->ref = (le64 *)(uintptr_t)&dir->root;
	p->leaf = NULL;
	for (p->level = 0; p->level <= UMFS_DIR_LEVELS_MAX; p->level++) {
		if (!(ref & UMFS_DREF_P))
			return p->level || ref ? -EUCLEAN : -ENOENT;
		if (!umfs_page_valid(fs, ref_page(ref)))
			return -EUCLEAN;
		if (ref & UMFS_DREF_LEAF) {
			uint32_t depth = ref_depth(ref);

			if (depth > UMFS_DNODE_BITS || !p->level != !depth)
				return -EUCLEAN;
			p->leaf = umfs_page(fs, ref_page(ref));
			p->word = ref;
			set_range(p, hash, depth);
			return umfs_dleaf_valid(p->leaf, dir_ino) ? 0 : -EUCLEAN;
		}
		if (p->level == UMFS_DIR_LEVELS_MAX)
			break;
		p->ref = (le64 *)umfs_page(fs, ref_page(ref)) + node_index(hash, p->level);
		ref = ld64(p->ref);
	}
	return -EUCLEAN;
}

int umfs_dir_find(struct umfs *fs, const struct umfs_inode_pm *dir, uint32_t dir_ino,
		  const struct umfs_name *n, uint32_t *ino)
{
	struct umfs_dpath p;
	uint32_t cell;
	int err = umfs_dir_descend(fs, dir, dir_ino, n->hash, &p);

	return err ? err : umfs_dleaf_find(p.leaf, n, &cell, ino);
}

/* ---- making room ---- */

static void add_pages(struct umfs_inode_pm *dir, uint32_t ino, int64_t pages)
{
	st64(&dir->pages, ld64(&dir->pages) + (uint64_t)pages);
	umfs_inode_seal(dir, ino);
}

/*
 * What was saved before is durable when this returns, since allocating fences: no fence is
 * needed before the reference is stored. The leaf itself is by the commit.
 */
static int new_leaf(struct umfs_tx *tx, uint64_t goal, uint32_t dir_ino, uint64_t *page)
{
	uint32_t got;
	int err = umfs_pages_alloc(tx, goal, 1, page, &got);

	if (!err)
		umfs_dleaf_init(tx->fs, umfs_page(tx->fs, *page), dir_ino);
	return err;
}

/* Copy the dentries of `from` whose hash has `bit` as said (or all) to an empty leaf, densely. */
static void copy_dentries(struct umfs *fs, const struct umfs_dleaf_pm *from,
			  struct umfs_dleaf_pm *to, uint64_t bit, bool set)
{
	uint32_t cell, at = UMFS_DLEAF_HEAD_CELLS;

	for (cell = umfs_dleaf_next(from, 0); cell < UMFS_DLEAF_CELLS;
	     cell = umfs_dleaf_next(from, cell + 1)) {
		const struct umfs_dentry_pm *d = umfs_dleaf_dentry(from, cell);
		uint32_t len = ld8(&d->len), cells = UMFS_DENTRY_CELLS(len);

		if (bit && !(ld64(&d->hash) & bit) == set)
			continue;
		if (at + cells > UMFS_DLEAF_CELLS)
			break; /* it changed since it was looked at */
		port_copy(umfs_dleaf_dentry(to, at), d, 16u + len);
		umfs_dleaf_tag(to, at, ld64(&d->hash), len);
		st64(&to->start[at / 64u], ld64(&to->start[at / 64u]) | 1ull << at % 64u);
		at += cells;
	}
	st16(&to->tail, (uint16_t)at);
	umfs_flush(fs, to, at * 16u);
}

/* The first leaf of an empty directory. */
static int first_leaf(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino)
{
	uint64_t page;
	uint64_t goal =
		umfs_group_page(tx->fs, umfs_ino_group(tx->fs, dir_ino));
	int err = umfs_inode_save(tx, dir, dir_ino);

	if (!err)
		err = new_leaf(tx, goal, dir_ino, &page);
	if (err)
		return err;
	st64(&dir->root, leaf_ref(page, 0));
	add_pages(dir, dir_ino, 1);
	return 0;
}

/* The references of a node that name the same leaf as *ref. */
static le64 *ref_range(le64 *ref, uint32_t depth, uint32_t *count)
{
	uintptr_t node = (uintptr_t)ref & ~(uintptr_t)UMFS_PAGE_MASK;
	uint32_t index = (uint32_t)(((uintptr_t)ref - node) / 8u);

	*count = 1u << (UMFS_DNODE_BITS - depth);
	return (le64 *)node + (index & ~(*count - 1));
}

/* Do exactly these of their node name the leaf? Others would name a page that is freed. */
static bool refs_agree(const le64 *refs, uint32_t count, uint64_t word)
{
	uintptr_t node = (uintptr_t)refs & ~(uintptr_t)UMFS_PAGE_MASK;
	uint32_t first = (uint32_t)(((uintptr_t)refs - node) / 8u), i;

	for (i = 0; i < UMFS_DNODE_REFS; i++) {
		uint64_t ref = ld64((const le64 *)node + i);

		if (i - first < count ? ref != word : ref_page(ref) == ref_page(word))
			return false;
	}
	return true;
}

/*
 * Save the references of a leaf that is to be replaced, and is whole, or names of it would be
 * lost; a root reference is saved with the inode.
 */
static int save_refs(struct umfs_tx *tx, const struct umfs_dpath *p, le64 **refs,
		     uint32_t *count)
{
	*refs = p->ref;
	*count = 1;
	if (!umfs_dleaf_whole(p->leaf, p->first, p->last))
		return -EUCLEAN;
	if (!p->level)
		return 0;
	*refs = ref_range(p->ref, ref_depth(p->word), count);
	if (!refs_agree(*refs, *count, p->word))
		return -EUCLEAN;
	return umfs_tx_save(tx, *refs, *count * 8);
}

static void store_refs(struct umfs *fs, le64 *refs, uint32_t count, uint64_t ref)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		st64(&refs[i], ref);
	umfs_flush(fs, refs, count * 8);
}

/* The same dentries in a fresh leaf, without gaps. */
static int repack(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		  const struct umfs_dpath *p)
{
	uint64_t old = p->word, page;
	uint32_t count;
	le64 *refs;
	int err = umfs_inode_save(tx, dir, dir_ino);

	if (!err)
		err = save_refs(tx, p, &refs, &count);
	if (!err)
		err = new_leaf(tx, ref_page(old), dir_ino, &page);
	if (!err)
		err = umfs_pages_free(tx, ref_page(old), 1);
	if (err)
		return err;
	copy_dentries(tx->fs, p->leaf, umfs_page(tx->fs, page), 0, false);
	store_refs(tx->fs, refs, count, leaf_ref(page, ref_depth(old)));
	umfs_inode_seal(dir, dir_ino);
	return 0;
}

/* Two leaves for one: by the next bit, in the same node or in a new one below *ref. */
static int split(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		 const struct umfs_dpath *p)
{
	struct umfs *fs = tx->fs;
	uint64_t old = p->word, low, high, node = 0, bit;
	uint32_t depth = p->level ? ref_depth(old) : UMFS_DNODE_BITS;
	uint32_t level = p->level, count;
	bool below = depth >= UMFS_DNODE_BITS;
	le64 *refs, *into;
	int err;

	if (below && level == UMFS_DIR_LEVELS_MAX)
		return -ENOSPC;
	err = umfs_inode_save(tx, dir, dir_ino);
	if (!err)
		err = save_refs(tx, p, &refs, &count);
	if (!err)
		err = new_leaf(tx, ref_page(old), dir_ino, &low);
	if (!err)
		err = new_leaf(tx, ref_page(old), dir_ino, &high);
	if (!err && below)
		err = umfs_page_alloc_zeroed(tx, ref_page(old), &node);
	if (!err)
		err = umfs_pages_free(tx, ref_page(old), 1);
	if (err)
		return err;
	if (below) {
		into = umfs_page(fs, node);
		count = UMFS_DNODE_REFS;
		level++;
		depth = 0;
	} else {
		into = refs;
	}
	depth++;
	bit = 1ull << (HASH_BITS - ((level - 1) * UMFS_DNODE_BITS + depth));
	copy_dentries(fs, p->leaf, umfs_page(fs, low), bit, false);
	copy_dentries(fs, p->leaf, umfs_page(fs, high), bit, true);
	store_refs(fs, into, count / 2, leaf_ref(low, depth));
	store_refs(fs, into + count / 2, count / 2, leaf_ref(high, depth));
	if (below) /* undone together, or durable together by the commit: in any order */
		store_refs(fs, refs, 1, node << UMFS_PAGE_SHIFT | UMFS_DREF_P);
	add_pages(dir, dir_ino, below ? 2 : 1);
	return 0;
}

/*
 * A cell for a name of so many cells, or 0. A leaf whose end is taken is searched from where
 * this process last found room in it: it would else pass the same names again each time, so
 * that filling gaps cost the square of their number. It is a hint: another process, or another
 * leaf with the same place in the table, make it a bad one, and the leaf is searched as a whole
 * before there is said to be no room. What is found is free whatever the hint was.
 */
static uint32_t find_room(struct umfs *fs, const struct umfs_dleaf_pm *leaf, uint32_t cells,
			  uint32_t *used)
{
	uint64_t page = umfs_off(fs, leaf) >> UMFS_PAGE_SHIFT;
	uint64_t *hint = &fs->room[page % UMFS_ROOMS];
	uint64_t seen = __atomic_load_n(hint, __ATOMIC_RELAXED);
	uint32_t from = seen >> 8 == page ? (uint32_t)seen & 255u : 0;
	uint32_t cell = umfs_dleaf_room(leaf, cells, from, used);

	if (!cell && from)
		cell = umfs_dleaf_room(leaf, cells, 0, used);
	if (cell != from)
		__atomic_store_n(hint, page << 8 | cell, __ATOMIC_RELAXED);
	return cell;
}

/* One step towards room; -EAGAIN: look again. */
static int make_room(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		     struct umfs_name *n)
{
	const uint32_t capacity = UMFS_DLEAF_CELLS - UMFS_DLEAF_HEAD_CELLS;
	uint32_t cells = UMFS_DENTRY_CELLS(n->len), used = 0;
	struct umfs_dpath p;
	int err = umfs_dir_descend(tx->fs, dir, dir_ino, n->hash, &p);

	if (err && err != -ENOENT)
		return err;
	if (!err) {
		n->leaf = p.leaf;
		n->cell = find_room(tx->fs, p.leaf, cells, &used);
		if (n->cell)
			return umfs_dleaf_free(p.leaf, n->cell, cells) ? 0 : -EUCLEAN;
	}
	umfs_tx_begin(tx);
	if (err)
		err = first_leaf(tx, dir, dir_ino);
	else if (used + cells <= capacity * 3 / 4)
		err = repack(tx, dir, dir_ino, &p);
	else
		err = split(tx, dir, dir_ino, &p);
	if (err) {
		umfs_tx_abort(tx);
		return err;
	}
	umfs_tx_commit(tx);
	return -EAGAIN;
}

int umfs_dir_reserve(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		     struct umfs_name *n)
{
	uint32_t steps;
	int err = -EAGAIN;

	/* Each step takes one more bit of the hash, of which there are 54. */
	for (steps = 0; err == -EAGAIN && steps < 64; steps++)
		err = make_room(tx, dir, dir_ino, n);
	return err == -EAGAIN ? -ENOSPC : err;
}

/* ---- changing names ---- */

static int flip_start(struct umfs_tx *tx, struct umfs_dleaf_pm *leaf, uint32_t cell, bool on)
{
	le64 *word = &leaf->start[cell / 64u];
	uint64_t bit = 1ull << cell % 64u;
	int err = umfs_tx_save(tx, word, sizeof(*word));

	if (err)
		return err;
	umfs_tx_fence(tx); /* and a new dentry is durable before its bit */
	st64(word, on ? ld64(word) | bit : ld64(word) & ~bit);
	return 0;
}

int umfs_dir_insert(struct umfs_tx *tx, struct umfs_inode_pm *dir, const struct umfs_name *n,
		    uint32_t ino, uint32_t type)
{
	int err;

	if (!n->cell)
		return -ENOSPC; /* not reserved */
	umfs_dleaf_put(tx->fs, n->leaf, n->cell, n, ino, type);
	err = flip_start(tx, n->leaf, n->cell, true);
	if (!err)
		st64(&dir->entries, ld64(&dir->entries) + 1);
	return err;
}

int umfs_dir_remove(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		    const struct umfs_name *n)
{
	struct umfs_dpath p;
	uint32_t cell;
	int err = umfs_dir_descend(tx->fs, dir, dir_ino, n->hash, &p);

	if (!err)
		err = umfs_dleaf_find(p.leaf, n, &cell, NULL);
	if (!err && !ld64(&dir->entries))
		err = -EUCLEAN;
	if (err)
		return err;
	err = flip_start(tx, p.leaf, cell, false);
	if (!err)
		st64(&dir->entries, ld64(&dir->entries) - 1);
	return err;
}

int umfs_dir_replace(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		     const struct umfs_name *n, uint32_t ino, uint32_t type)
{
	struct umfs_dentry_pm *d;
	struct umfs_dpath p;
	uint32_t cell;
	int err = umfs_dir_descend(tx->fs, dir, dir_ino, n->hash, &p);

	if (!err)
		err = umfs_dleaf_find(p.leaf, n, &cell, NULL);
	if (err)
		return err;
	d = umfs_dleaf_dentry(p.leaf, cell);
	err = umfs_tx_save(tx, &d->ino, 8);
	if (err)
		return err;
	umfs_tx_fence(tx);
	st32(&d->ino, ino);
	st8(&d->type, (uint8_t)type);
	umfs_dentry_seal(d);
	return 0;
}

/* ---- freeing the pages of a directory ---- */

/* What has no presence bit names nothing, and so do the words of a leaf's head. */
static uint64_t named_page(uint64_t ref)
{
	return (ref & UMFS_DREF_P) ? ref_page(ref) : 0;
}

static bool is_leaf_of(const struct umfs *fs, uint64_t page, uint32_t dir_ino)
{
	return umfs_page_valid(fs, page) && umfs_dleaf_valid(umfs_page(fs, page), dir_ino);
}

/* Only a leaf of this directory is freed, and only without names. */
static int free_leaf(struct umfs_tx *tx, uint64_t page, uint32_t dir_ino)
{
	if (!is_leaf_of(tx->fs, page, dir_ino) || !umfs_dleaf_empty(umfs_page(tx->fs, page)))
		return -EUCLEAN;
	return umfs_pages_free(tx, page, 1);
}

/*
 * One transaction: the references [from, *to) of a node go, with the pages
 * they name; as many as fit. A leaf named by several goes once.
 */
#define CLEAR_PAGES 48u
static int clear_refs(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino,
		      le64 *node, uint32_t from, uint32_t *to)
{
	uint64_t page, before = 0;
	uint32_t i, pages = 0;
	int err;

	umfs_tx_begin(tx);
	err = umfs_inode_save(tx, dir, dir_ino);
	for (i = from; !err && i < UMFS_DNODE_REFS && pages < CLEAR_PAGES; i++) {
		page = named_page(ld64(&node[i]));
		if (page && page != before) {
			err = free_leaf(tx, page, dir_ino);
			pages++;
		}
		before = page;
	}
	/* All references to the last leaf go in the same transaction. */
	while (i < UMFS_DNODE_REFS && named_page(ld64(&node[i])) == before)
		i++;
	if (!err)
		err = umfs_tx_save(tx, &node[from], (i - from) * 8);
	if (err) {
		umfs_tx_abort(tx);
		return err;
	}
	umfs_tx_fence(tx);
	store_refs(tx->fs, &node[from], i - from, 0);
	add_pages(dir, dir_ino, -(int64_t)pages);
	umfs_tx_commit(tx);
	*to = i;
	return 0;
}

/* A node that became a leaf is one, whatever what names it says. */
static bool is_node(const struct umfs *fs, uint64_t ref, uint32_t dir_ino)
{
	return (ref & UMFS_DREF_P) && !(ref & UMFS_DREF_LEAF) &&
	       umfs_page_valid(fs, ref_page(ref)) && !is_leaf_of(fs, ref_page(ref), dir_ino);
}

static uint32_t first_node_ref(const struct umfs *fs, const le64 *node, uint32_t dir_ino)
{
	uint32_t i = 0;

	while (i < UMFS_DNODE_REFS && !is_node(fs, ld64(&node[i]), dir_ino))
		i++;
	return i;
}

/*
 * Words with no presence bit are none, but where a node becomes a leaf (clear_below), those of
 * its head: what has others may be anybody's page.
 */
static bool node_sound(const le64 *node)
{
	const uint32_t tail = offsetof(struct umfs_dleaf_pm, tail) / 8;
	uint32_t i;

	for (i = 0; i < UMFS_DNODE_REFS; i++)
		if (ld64(&node[i]) && !(ld64(&node[i]) & UMFS_DREF_P) && i && i != tail)
			return false;
	return true;
}

/* A node at or below `top` that names leaves only. */
static le64 *deepest_node(const struct umfs *fs, le64 *top, uint32_t dir_ino)
{
	le64 *node = top;
	uint32_t level, i;

	for (level = 0; level < UMFS_DIR_LEVELS_MAX; level++) {
		i = first_node_ref(fs, node, dir_ino);
		if (i == UMFS_DNODE_REFS)
			break;
		node = umfs_page(fs, ref_page(ld64(&node[i])));
	}
	return node;
}

/*
 * All that hangs below the top node. A node that is empty becomes an empty leaf, and goes as
 * such; where a crash takes that back it is an empty node once more.
 */
static int clear_below(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino, le64 *top)
{
	le64 *node;
	int err = 0;

	do {
		uint32_t at = 0;

		node = deepest_node(tx->fs, top, dir_ino);
		if (!node_sound(node))
			return -EUCLEAN;
		while (!err && at < UMFS_DNODE_REFS)
			err = clear_refs(tx, dir, dir_ino, node, at, &at);
		if (!err && node != top)
			umfs_dleaf_init(tx->fs, (struct umfs_dleaf_pm *)node, dir_ino);
	} while (!err && node != top);
	return err;
}

int umfs_dir_clear(struct umfs_tx *tx, struct umfs_inode_pm *dir, uint32_t dir_ino)
{
	struct umfs *fs = tx->fs;
	uint64_t root = ld64(&dir->root);
	int err = 0;

	if (!(root & UMFS_DREF_P))
		return 0;
	if (!umfs_page_valid(fs, ref_page(root)))
		return -EUCLEAN;
	if (!(root & UMFS_DREF_LEAF))
		err = clear_below(tx, dir, dir_ino, umfs_page(fs, ref_page(root)));
	if (err)
		return err;
	umfs_tx_begin(tx);
	err = umfs_inode_save(tx, dir, dir_ino);
	if (!err)
		err = (root & UMFS_DREF_LEAF) ? free_leaf(tx, ref_page(root), dir_ino)
					      : umfs_pages_free(tx, ref_page(root), 1);
	if (err) {
		umfs_tx_abort(tx);
		return err;
	}
	umfs_tx_fence(tx);
	st64(&dir->root, 0);
	add_pages(dir, dir_ino, -1);
	umfs_tx_commit(tx);
	return 0;
}
