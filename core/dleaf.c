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
 */
#include "internal.h"

#define FIRST UMFS_DLEAF_HEAD_CELLS
#define CELLS UMFS_DLEAF_CELLS
#define DENTRY_CELLS_MAX UMFS_DENTRY_CELLS(UMFS_NAME_MAX)
#define BYTES_01 0x0101010101010101ull
#define BYTES_80 0x8080808080808080ull

static uint32_t dentry_check(const struct umfs_dentry_pm *d, uint32_t len)
{
	uint32_t crc = port_crc32c(0, d, offsetof(struct umfs_dentry_pm, check));

	return port_crc32c(crc, d + 1, len) & 0xffffu;
}

void umfs_dentry_seal(struct umfs_dentry_pm *d)
{
	st16(&d->check, (uint16_t)dentry_check(d, ld8(&d->len)));
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

static bool same_name(const struct umfs_dleaf_pm *leaf, uint32_t cell, const struct umfs_name *n)
{
	const struct umfs_dentry_pm *d = umfs_dleaf_dentry(leaf, cell);

	return ld64(&d->hash) == n->hash && dentry_len(leaf, cell) == n->len &&
	       umfs_peek_same(d + 1, n->name, n->len);
}

/*
 * Eight tags at a time. Bytes equal to the wanted tag become zero, and the usual trick
 * finds zero bytes (false ones above a true one are sorted out by the name, and tags of
 * names that are gone by the start bits).
 */
uint32_t umfs_dleaf_find(const struct umfs_dleaf_pm *leaf, const struct umfs_name *n)
{
	const le64 *tags = (const le64 *)(const void *)leaf->tag;
	uint64_t want = (n->hash & 0xff) * BYTES_01;
	uint32_t i, end = (UMFS_MIN((uint32_t)ld16(&leaf->tail), CELLS) + 7u) / 8u; /* I3 */

	for (i = FIRST / 8u; i < end; i++) {
		uint64_t x = ld64(&tags[i]) ^ want;

		for (x = (x - BYTES_01) & ~x & BYTES_80; x; x &= x - 1) {
			uint32_t cell = i * 8u + (uint32_t)__builtin_ctzll(x) / 8u;

			if ((ld64(&leaf->start[cell / 64u]) >> cell % 64u & 1) &&
			    same_name(leaf, cell, n))
				return cell;
		}
	}
	return 0;
}

/* The end of the dentry that starts at `cell`, which is one of the first 255. */
static uint32_t dentry_end(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	return cell + UMFS_MIN((uint32_t)ld8(&leaf->tag[cell + 1]), DENTRY_CELLS_MAX);
}

/* The end of the last dentry that starts before `cell`, or FIRST. */
static uint32_t end_before(const struct umfs_dleaf_pm *leaf, uint32_t cell)
{
	uint32_t i = cell / 64u;
	uint64_t word = cell % 64u ? ld64(&leaf->start[i]) << (64u - cell % 64u) : 0;

	if (word)
		return dentry_end(leaf, cell - 1 - (uint32_t)__builtin_clzll(word));
	while (i--) {
		word = ld64(&leaf->start[i]);
		if (word)
			return dentry_end(leaf, i * 64u + 63u - (uint32_t)__builtin_clzll(word));
	}
	return FIRST;
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
