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

/* ---- damage since the inode was last looked at ---- */

struct victim {
	struct umfs_file file; /* "/f": five pages and some, attributes, another name "/g" */
	uint32_t ino, dir;     /* it, and "/d" with "a" in it */
	uint8_t page[UMFS_PAGE_BYTES];
};

static void make_victim(struct unit *u, struct victim *v)
{
	assert_ok(world_put(u->fs, "/f", 0, 5 * UMFS_PAGE_BYTES + 100, 1));
	assert_ok(world_setxattr(u->fs, "/f", "user.a", 20, 1));
	assert_ok(world_link(u->fs, "/f", "/g"));
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_put(u->fs, "/d/a", 0, 10, 1));
	assert_ok(world_ino(u->fs, "/f", &v->ino));
	assert_ok(world_ino(u->fs, "/d", &v->dir));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &v->file));
	memset(v->page, 7, sizeof(v->page));
}

static int64_t change_file(struct umfs *fs, struct victim *v, uint32_t n)
{
	const struct umfs_cred *root = &world_root;
	uint64_t off = 0, end = UMFS_PAGE_BYTES;
	struct umfs_iov iov = {v->page, 100};
	uint32_t irec;

	switch (n) {
	case 0:
		return umfs_chmod(fs, root, v->ino, 0600);
	case 1:
		return umfs_chown(fs, root, v->ino, 5, 5);
	case 2:
		return umfs_utimens(fs, root, v->ino, 1, 1);
	case 3:
		return umfs_setxattr(fs, root, v->ino, "user.b", 6, "x", 1, 0);
	case 4:
		return umfs_removexattr(fs, root, v->ino, "user.a", 6);
	case 5:
		return umfs_truncate(fs, v->ino, 9);
	case 6:
		return umfs_truncate(fs, v->ino, 20 * UMFS_PAGE_BYTES);
	case 7:
		return umfs_fallocate(&v->file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, 0, 9000);
	case 8:
		return umfs_fallocate(&v->file, UMFS_FALLOC_ZERO, 0, 9000);
	case 9:
		return umfs_fallocate(&v->file, UMFS_FALLOC_KEEP_SIZE, 0, MIB);
	case 10:
		return umfs_pwritev(&v->file, &iov, 1, &off, true);
	case 11:
		return umfs_pwrite(&v->file, v->page, sizeof(v->page), UMFS_PAGE_BYTES);
	case 12:
		return umfs_pwrite(&v->file, v->page, sizeof(v->page), MIB);
	case 13:
		return umfs_map_pin(&v->file, UMFS_MAP_SHARED, 0, &end, &irec);
	case 14:
		return umfs_link(fs, root, v->ino, v->dir, "l", 1);
	case 15:
		return world_rename(fs, "/d/a", "/f");
	case 16:
		return world_rename(fs, "/f", "/h");
	case 17:
		return world_unlink(fs, "/g");
	default:
		return 1;
	}
}

static int64_t change_dir(struct umfs *fs, struct victim *v, uint32_t n)
{
	umfs_node node;
	uint32_t ofd;

	switch (n) {
	case 0:
		return umfs_create(fs, &world_root, v->dir, "b", 1, 0100644, 0, &node);
	case 1:
		return umfs_mkdir(fs, &world_root, v->dir, "b", 1, 0755, &node);
	case 2:
		return umfs_symlink(fs, &world_root, v->dir, "b", 1, "t", 1, &node);
	case 3:
		return umfs_tmpfile(fs, &world_root, v->dir, 0600, false, O_RDWR, &ofd);
	case 4:
		return umfs_link(fs, &world_root, v->ino, v->dir, "b", 1);
	case 5:
		return umfs_unlink(fs, &world_root, v->dir, "a", 1);
	case 6:
		return umfs_rename(fs, &world_root, v->dir, "a", 1, v->dir, "b", 1, 0);
	case 7:
		return umfs_rename(fs, &world_root, v->dir, "a", 1, UMFS_ROOT_INO, "b", 1, 0);
	case 8:
		return world_rename(fs, "/d", "/e");
	case 9:
		return umfs_chmod(fs, &world_root, v->dir, 0700);
	default:
		return 1;
	}
}

/* Each change that seals an inode anew, or frees what it names, of one that was whole just now. */
static void damage_since_seen_is_not_sealed(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in, *got, was;
	struct victim v;
	uint64_t free;
	uint32_t n, kind;
	int64_t ret;

	make_victim(u, &v);
	for (kind = 0; kind < 2; kind++) {
		in = umfs_inode(u->fs, kind ? v.dir : v.ino);
		for (n = 0;; n++) {
			assert_ok(umfs_inode_check(u->fs, kind ? v.dir : v.ino, &got));
			st64(&in->btime_ns, ld64(&in->btime_ns) ^ 1);
			memcpy(&was, in, sizeof(was));
			free = unit_pages_free(u);
			ret = (kind ? change_dir : change_file)(u->fs, &v, n);
			st64(&in->btime_ns, ld64(&in->btime_ns) ^ 1);
			if (ret == 1)
				break;
			if (ret != -EUCLEAN)
				fail_msg("change %u of a damaged %s: %lld", n,
					 kind ? "directory" : "file", (long long)ret);
			st64(&was.btime_ns, ld64(&was.btime_ns) ^ 1);
			assert_memory_equal(in, &was, UMFS_INODE_CRC_BYTES);
			assert_int_equal(unit_pages_free(u), free);
			assert_ok(umfs_inode_check(u->fs, kind ? v.dir : v.ino, &got));
		}
	}
	assert_int_equal(n, 10);
	world_close(&v.file);
}

static void set_count(le32 *nlink, uint32_t ino, struct umfs_inode_pm *in, uint32_t value)
{
	st32(nlink, value);
	umfs_inode_seal(in, ino);
}

/* What is sealed may make no sense all the same: no count goes below what it may be. */
static void counts_that_make_no_sense_go_no_lower(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *dir, *in;
	struct victim v;

	make_victim(u, &v);
	world_close(&v.file);
	assert_ok(world_mkdir(u->fs, "/d/sub"));
	dir = umfs_inode(u->fs, v.dir);
	in = umfs_inode(u->fs, v.ino);
	assert_int_equal(ld32(&dir->nlink), 3);
	set_count(&dir->nlink, v.dir, dir, 2);
	assert_err(world_rmdir(u->fs, "/d/sub"), EUCLEAN);
	assert_err(world_rename(u->fs, "/d/sub", "/sub"), EUCLEAN);
	assert_int_equal(ld32(&dir->nlink), 2);
	set_count(&dir->nlink, v.dir, dir, 3);
	set_count(&in->nlink, v.ino, in, 0);
	assert_err(world_unlink(u->fs, "/f"), EUCLEAN);
	assert_err(world_rename(u->fs, "/d/a", "/f"), EUCLEAN);
	assert_int_equal(ld32(&in->nlink), 0);
	set_count(&in->nlink, v.ino, in, 2);
	st64(&dir->entries, 0);
	umfs_inode_seal(dir, v.dir);
	assert_err(world_unlink(u->fs, "/d/a"), EUCLEAN);
	assert_int_equal(ld64(&dir->entries), 0);
	st64(&dir->entries, 2);
	umfs_inode_seal(dir, v.dir);
	assert_ok(world_rename(u->fs, "/d/sub", "/sub"));
	assert_ok(world_rename(u->fs, "/d/a", "/f"));
}

/* The size says which pages are kept: it is looked at before any are cut. */
static void damaged_size_cuts_nothing(void **state)
{
	struct unit *u = *state;
	struct victim v;
	struct umfs_inode_pm *in;
	struct umfs_iov iov = {v.page, 100};
	uint64_t size, free, off = 0;

	make_victim(u, &v);
	in = umfs_inode(u->fs, v.ino);
	size = ld64(&in->size);
	assert_int_equal(umfs_pwritev(&v.file, &iov, 1, &off, true), 100); /* pages ahead of it */
	size = ld64(&in->size);
	free = unit_pages_free(u);
	st64(&in->size, size ^ 5 * UMFS_PAGE_BYTES);
	assert_err(umfs_truncate(u->fs, v.ino, 0), EUCLEAN);
	assert_err(umfs_pwritev(&v.file, &iov, 1, &off, true), EUCLEAN);
	world_close(&v.file);
	assert_int_equal(unit_pages_free(u), free);
	st64(&in->size, size);
	assert_ok(world_truncate(u->fs, "/f", 0)); /* so that no page is left past its end */
}

/* An inode whose last holder goes: what it names may be another's. */
static void damaged_orphan_frees_nothing(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *in;
	struct victim v;
	uint64_t free;
	char why[256];

	u->damaged = true;
	make_victim(u, &v);
	in = umfs_inode(u->fs, v.ino);
	assert_ok(world_unlink(u->fs, "/f"));
	assert_ok(world_unlink(u->fs, "/g"));
	assert_ok(world_put(u->fs, "/other", 0, 5 * UMFS_PAGE_BYTES, 2));
	free = unit_pages_free(u);
	st64(&in->root, ld64(&in->root) ^ 1ull << UMFS_PAGE_SHIFT);
	world_close(&v.file);
	assert_int_equal(unit_pages_free(u), free);
	sim_detach(u->proc);
	u->proc = NULL;
	if (image_mend(u->sim, true, why))
		fail_msg("%s", why);
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
	CASE(damage_since_seen_is_not_sealed),
	CASE(counts_that_make_no_sense_go_no_lower),
	CASE(damaged_size_cuts_nothing),
	CASE(damaged_orphan_frees_nothing),
};
UNIT_MAIN("inode", tests)
