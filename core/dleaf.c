// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * dleaf.c - one directory page: dentries in 16-byte cells.
 *
 * I1  A dentry exists if and only if its start bit is set: one 8-byte store
 *     makes it appear or vanish. All other cells are free, whatever they hold.
 * I2  tag[c] is the low byte of the hash of the dentry that starts at c, and
 *     tag[c + 1] the number of its cells, of which it has at least two; tags of
 *     other cells mean nothing. So both looking a name up and finding room read
 *     the head of the leaf and hardly any dentry.
 * I3  No dentry lies at or past `tail`; a crash may leave it higher than needed.
 * I4  What lies there may be damaged. A dentry has a check of its own, which is looked at before
 *     the inode that it names is anybody's. Start bits, tags and `tail` have none: before cells
 *     are given away, or dentries copied to where the old ones are lost, they must agree.
 */
#include "internal.h"
#include "bytes.h"

#define FIRST UMFS_DLEAF_HEAD_CELLS
#define CELLS UMFS_DLEAF_CELLS
#define DENTRY_CELLS_MAX UMFS_DENTRY_CELLS(UMFS_NAME_MAX)

static uint32_t dentry_check(const struct umfs_dentry_pm *d, const void *name, uint32_t len)
{
	uint32_t crc = port_crc32c(0, d, offsetof(struct umfs_dentry_pm, check));

	return port_crc32c(crc, name, len) & 0xffffu;
}

void umfs_dentry_seal(struct umfs_dentry_pm *d)
{
	st16(&d->check, (uint16_t)dentry_check(d, d + 1, ld8(&d->len)));
}

void umfs_dleaf_init(struct umfs *fs, struct umfs_dleaf_pm *leaf, uint32_t dir_ino)
{
	port_zero(leaf, sizeof(*leaf));
	st32(&leaf->ino, dir_ino);
	st16(&leaf->tail, FIRST);
	st32(&leaf->magic, UMFS_DLEAF_MAGIC);
	umfs_flush(fs, leaf, sizeof(*leaf));
}

bool umfs_dleaf_valid(const struct umfs_dleaf_pm *leaf, uint32_t dir_ino)
{
	return ld32(&leaf->magic) == UMFS_DLEAF_MAGIC && ld32(&leaf->ino) == dir_ino;
}

/* Length of the dentry at `cell` if it lies inside the page, else 0. */
static uint32_t dentry_len(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	uint32_t len = ld8(&umfs_dleaf_dentry(leaf, cell)->len);

	return cell >= FIRST && cell + UMFS_DENTRY_CELLS(len) <= CELLS ? len : 0;
}

/* Next cell at or after `cell` whose start bit is set, or 256. */
static uint32_t next_start(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	while (cell < CELLS) {
		uint64_t word = ld64(&leaf->start[cell / 64u]) >> cell % 64u;

		if (word)
			return cell + (uint32_t)__builtin_ctzll(word);
		cell = (cell / 64u + 1) * 64u;
	}
	return CELLS;
}

uint32_t umfs_dleaf_next(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	for (cell = next_start(leaf, cell); cell < CELLS; cell = next_start(leaf, cell + 1))
		if (dentry_len(leaf, cell))
			return cell;
	return CELLS;
}

/* How many cells the dentry at `cell` takes, if all agrees that it is one there; else 0. */
static uint32_t whole_cells(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	const struct umfs_dentry_pm *d = umfs_dleaf_dentry(leaf, cell);
	uint32_t len = dentry_len(leaf, cell), cells = UMFS_DENTRY_CELLS(len);

	if (!len || ld8(&leaf->tag[cell]) != (uint8_t)ld64(&d->hash) ||
	    ld8(&leaf->tag[cell + 1]) != cells || ld16(&d->check) != dentry_check(d, d + 1, len))
		return 0;
	return cells;
}

/* 1: it is the name, 0: it is not; -EUCLEAN: its hash is, and nobody can say what it was. */
static int match(const struct umfs_dleaf_pm *leaf, uint32_t cell, const struct umfs_name *n)
{
	const struct umfs_dentry_pm *d = umfs_dleaf_dentry(leaf, cell);

	if (ld64(&d->hash) != n->hash)
		return 0;
	if (dentry_len(leaf, cell) == n->len && umfs_peek_same(d + 1, n->name, n->len))
		return 1;
	return whole_cells(leaf, cell) ? 0 : -EUCLEAN;
}

/* Start bits where dentries can be, and none past the tail (I3): none that a search would miss. */
static bool head_sound(const struct umfs_dleaf_pm *leaf)
{
	uint32_t tail = ld16(&leaf->tail);

	return tail >= FIRST && tail <= CELLS && next_start(leaf, 0) >= FIRST &&
	       next_start(leaf, tail) == CELLS;
}

bool umfs_dleaf_empty(const struct umfs_dleaf_pm *leaf)
{
	return next_start(leaf, 0) == CELLS;
}

uint32_t umfs_dleaf_count(const struct umfs_dleaf_pm *leaf)
{
	uint32_t i, n = 0;

	for (i = 0; i < UMFS_ARRAY_LEN(leaf->start); i++)
		n += umfs_count_ones(ld64(&leaf->start[i]));
	return n;
}

/* Bit n: a dentry with this tag starts at cell 64 * word + n. */
static uint64_t candidates(const struct umfs_dleaf_pm *leaf, uint32_t word, uint8_t tag)
{
	uint64_t starts = ld64(&leaf->start[word]);

	if (!word)
		starts &= ~0ull << FIRST;
	return starts ? starts & umfs_bytes_equal(&leaf->tag[word * 64u], tag) : 0;
}

static int find_cell(const struct umfs_dleaf_pm *leaf, const struct umfs_name *n, uint32_t *at)
{
	uint32_t word, words = (UMFS_MIN((uint32_t)ld16(&leaf->tail), CELLS) + 63u) / 64u;
	uint64_t left;

	for (word = 0; word < words; word++) {
		for (left = candidates(leaf, word, (uint8_t)n->hash); left; left &= left - 1) {
			int found;

			*at = word * 64u + (uint32_t)__builtin_ctzll(left);
			found = match(leaf, *at, n);
			if (found)
				return found > 0 ? 0 : found;
		}
	}
	return -ENOENT;
}

int umfs_dleaf_find(const struct umfs_dleaf_pm *leaf, const struct umfs_name *n, uint32_t *cell,
		    uint32_t *ino)
{
	struct umfs_dentry_pm d;
	int err = find_cell(leaf, n, cell);

	if (err)
		return err == -ENOENT && !head_sound(leaf) ? -EUCLEAN : err;
	if (!ino)
		return 0;
	umfs_peek(&d, umfs_dleaf_dentry(leaf, *cell), sizeof(d));
	*ino = ld32(&d.ino);
	return ld16(&d.check) == dentry_check(&d, n->name, n->len) && *ino > UMFS_ROOT_INO
		       ? 0
		       : -EUCLEAN;
}

bool umfs_dleaf_read(const struct umfs_dleaf_pm *leaf, uint32_t cell, struct umfs_dentry_pm *d,
		     char name[UMFS_NAME_MAX])
{
	const struct umfs_dentry_pm *at = umfs_dleaf_dentry(leaf, cell);
	uint32_t len;

	umfs_peek(d, at, sizeof(*d));
	len = ld8(&d->len);
	if (!len || cell < FIRST || cell + UMFS_DENTRY_CELLS(len) > CELLS)
		return false;
	umfs_peek(name, at + 1, len);
	return ld16(&d->check) == dentry_check(d, name, len);
}

bool umfs_dleaf_whole(const struct umfs_dleaf_pm *leaf, uint64_t first, uint64_t last)
{
	uint32_t cell, at = FIRST;

	if (!head_sound(leaf))
		return false;
	for (cell = next_start(leaf, FIRST); cell < CELLS; cell = next_start(leaf, cell + 1)) {
		uint32_t cells = whole_cells(leaf, cell);
		uint64_t hash = ld64(&umfs_dleaf_dentry(leaf, cell)->hash);

		if (!cells || cell < at || hash < first || hash > last)
			return false;
		at = cell + cells;
	}
	return at <= ld16(&leaf->tail);
}

/* The end of the dentry that starts at `cell`, which is one of the first 255. */
static uint32_t dentry_end(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	return cell + UMFS_MIN((uint32_t)ld8(&leaf->tag[cell + 1]), DENTRY_CELLS_MAX);
}

/* The last start bit before `cell`, or 0. */
static uint32_t start_before(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	uint32_t i = cell / 64u;
	uint64_t word = cell % 64u ? ld64(&leaf->start[i]) << (64u - cell % 64u) : 0;

	if (word)
		return cell - 1 - (uint32_t)__builtin_clzll(word);
	while (i--) {
		word = ld64(&leaf->start[i]);
		if (word)
			return i * 64u + 63u - (uint32_t)__builtin_clzll(word);
	}
	return 0;
}

/* The end of the last dentry that starts before `cell`, or FIRST. */
static uint32_t end_before(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	uint32_t start = start_before(leaf, cell);

	return start ? dentry_end(leaf, start) : FIRST;
}

bool umfs_dleaf_free(const struct umfs_dleaf_pm *leaf, uint32_t cell, uint32_t cells)
{
	uint32_t before = start_before(leaf, cell), n = before ? whole_cells(leaf, before) : 0;

	if (next_start(leaf, cell) < cell + cells || !head_sound(leaf))
		return false;
	return !before || (n && before + n <= cell);
}

/*
 * The first gap that is large enough at or after `from`: between one dentry's end and where
 * the next starts.
 */
uint32_t umfs_dleaf_room(const struct umfs_dleaf_pm *leaf, uint32_t cells, uint32_t from,
			 uint32_t *used)
{
	uint32_t tail = ld16(&leaf->tail), at = FIRST, cell;

	*used = 0;
	if (tail >= FIRST && tail + cells <= CELLS)
		return tail;
	if (from > FIRST && from < CELLS)
		at = UMFS_MAX(from, end_before(leaf, from));
	for (cell = next_start(leaf, at); cell < CELLS - 1; cell = next_start(leaf, cell + 1)) {
		uint32_t n = dentry_end(leaf, cell) - cell;

		if (cell >= at + cells)
			return at;
		*used += n;
		at = UMFS_MAX(at, cell + n); /* in a damaged leaf they may overlap */
	}
	return at + cells <= CELLS ? at : 0;
}

void umfs_dleaf_tag(struct umfs_dleaf_pm *leaf, uint32_t cell, uint64_t hash, uint32_t len)
{
	st8(&leaf->tag[cell], (uint8_t)hash);
	st8(&leaf->tag[cell + 1], (uint8_t)UMFS_DENTRY_CELLS(len));
}

void umfs_dleaf_put(struct umfs *fs, struct umfs_dleaf_pm *leaf, uint32_t cell,
		    const struct umfs_name *n, uint32_t ino, uint32_t type)
{
	struct umfs_dentry_pm *d = umfs_dleaf_dentry(leaf, cell);
	uint32_t stop = cell + UMFS_DENTRY_CELLS(n->len);

	st64(&d->hash, n->hash);
	st32(&d->ino, ino);
	st8(&d->type, (uint8_t)type);
	st8(&d->len, (uint8_t)n->len);
	port_copy(d + 1, n->name, n->len);
	umfs_dentry_seal(d);
	umfs_dleaf_tag(leaf, cell, n->hash, n->len);
	umfs_flush(fs, d, sizeof(*d) + n->len);
	umfs_flush(fs, &leaf->tag[cell], 2);
	if (ld16(&leaf->tail) < stop)
		st16(&leaf->tail, (uint16_t)stop);
}
