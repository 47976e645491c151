// SPDX-License-Identifier: BSD-3-Clause
/* test_inode.c - which inodes are believed. */
#include "unit.h"

static uint32_t new_file(struct unit *u)
{
	uint32_t ino;

	assert_ok(world_put(u->fs, "/f", 0, 100, 1));
	assert_ok(world_ino(u->fs, "/f", &ino));
	return ino;
}

static void inode_in_use_believed(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in;

	assert_ok(umfs_inode_check(u->fs, new_file(u), &in));
	assert_int_equal(umfs_inode_size(in), 100);
}

static void inode_unused_is_nothing(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in;

	assert_err(umfs_inode_check(u->fs, 700, &in), ENOENT);
}

static void inode_out_of_range_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in;
	uint32_t end = u->fs->geo.group_count * u->fs->geo.inodes_per_group;

	assert_null(umfs_inode(u->fs, 0));
	assert_null(umfs_inode(u->fs, end));
	assert_null(umfs_inode(u->fs, 0xffffffffu));
	assert_err(umfs_inode_check(u->fs, end, &in), EUCLEAN);
}

/* Every bit of lines 0 and 1, and of the size, is covered by a check. */
static void inode_with_any_bit_flipped_refused(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u), bit;
	struct umfs_inode_pm *in = umfs_inode(u->fs, ino), *got;
	uint8_t *bytes = (uint8_t *)in;
	uint32_t size_at = 8 * (uint32_t)offsetof(struct umfs_inode_pm, size);

	for (bit = 0; bit < 8 * UMFS_INODE_CRC_BYTES; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(umfs_inode_check(u->fs, ino, &got) < 0);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (bit = size_at; bit < size_at + 64; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_err(umfs_inode_check(u->fs, ino, &got), EUCLEAN);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_ok(umfs_inode_check(u->fs, ino, &got));
}

/* A whole inode copied to another place does not pass for the one that belongs there. */
static void inode_in_wrong_place_refused(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u);
	struct umfs_inode_pm *got, *other = umfs_inode(u->fs, 500);

	memcpy(other, umfs_inode(u->fs, ino), sizeof(*other));
	assert_err(umfs_inode_check(u->fs, 500, &got), EUCLEAN);
	memset(other, 0, sizeof(*other));
}

static void calls_on_damaged_inode_say_so(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u), ofd;
	struct umfs_inode_pm *in = umfs_inode(u->fs, ino);
	struct umfs_attr attr;

	u->damaged = true;
	in->uid.v ^= 1;
	assert_err(umfs_getattr(u->fs, ino, &attr), EUCLEAN);
	assert_err(umfs_open(u->fs, ino, O_RDWR, &ofd), EUCLEAN);
}

static void size_word_of_other_inode_refused(void **state)
{
	(void)state;
	assert_int_not_equal(umfs_size_word(100, 5, 1) >> 48, umfs_size_word(100, 6, 1) >> 48);
	assert_int_not_equal(umfs_size_word(100, 5, 1) >> 48, umfs_size_word(100, 5, 2) >> 48);
	assert_int_equal(umfs_size_word(UMFS_FILE_BYTES_MAX, 5, 1) & ((1ull << 48) - 1),
			 UMFS_FILE_BYTES_MAX);
}

static void sequence_left_odd_mended_by_next_writer(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u);
	struct umfs_inode_pm *in = umfs_inode(u->fs, ino);
	struct umfs_attr attr;

	st64(&in->seq, ld64(&in->seq) | 1);
	assert_ok(umfs_getattr(u->fs, ino, &attr));
	assert_ok(world_put(u->fs, "/f", 0, 50, 2));
	assert_int_equal(ld64(&in->seq) & 1, 0);
	assert_ok(umfs_getattr(u->fs, ino, &attr));
}

static const struct CMUnitTest tests[] = {
	CASE(inode_in_use_believed),
	CASE(inode_unused_is_nothing),
	CASE(inode_out_of_range_refused),
	CASE(inode_with_any_bit_flipped_refused),
	CASE(inode_in_wrong_place_refused),
	CASE(calls_on_damaged_inode_say_so),
	CASE(size_word_of_other_inode_refused),
	CASE(sequence_left_odd_mended_by_next_writer),
};
UNIT_MAIN("inode", tests)
