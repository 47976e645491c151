// SPDX-License-Identifier: BSD-3-Clause
/* test_file.c - read, write, seek, truncate, fsync, against a model of plain bytes. */
#include "unit.h"
#include "view.h"

#define LAST_PAGE (UMFS_FILE_BYTES_MAX - UMFS_PAGE_BYTES)

static void open_new(struct unit *u, struct umfs_file *file)
{
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, file));
}

static bool all_zero(const uint8_t *p, uint64_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return !n;
}

static void read_of_empty_file_gives_nothing(void **state)
{
	struct umfs_file file;
	char buf[10];

	open_new(*state, &file);
	assert_int_equal(umfs_pread(&file, buf, sizeof(buf), 0), 0);
	assert_int_equal(umfs_pread(&file, buf, sizeof(buf), 1000), 0);
	world_close(&file);
}

static void read_across_end_cut(void **state)
{
	struct umfs_file file;
	char buf[100];

	open_new(*state, &file);
	assert_int_equal(umfs_pwrite(&file, "hello", 5, 0), 5);
	assert_int_equal(umfs_pread(&file, buf, sizeof(buf), 2), 3);
	assert_memory_equal(buf, "llo", 3);
	world_close(&file);
}

static void write_of_nothing_changes_nothing(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	struct umfs_attr attr;

	open_new(u, &file);
	assert_int_equal(umfs_pwrite(&file, "x", 0, 12345), 0);
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_int_equal(attr.size, 0);
	world_close(&file);
}

/* What becomes of a page while a write that has looked it up waits for the lock. */
struct meanwhile {
	struct umfs *fs;
	struct umfs_file *old;
	uint8_t other[2 * UMFS_PAGE_BYTES];
};

/* The old file's pages become another file's. */
static void pass_pages_on(void *arg)
{
	struct meanwhile *m = arg;
	struct umfs_file new;

	umfs_unlock(m->fs, &umfs_inode(m->fs, m->old->ino)->lock);
	assert_ok(world_truncate(m->fs, "/f", 0));
	assert_ok(world_open(m->fs, "/new", O_RDWR | O_CREAT, &new));
	memset(m->other, 'n', sizeof(m->other));
	assert_int_equal(umfs_pwrite(&new, m->other, sizeof(m->other), 0), sizeof(m->other));
	world_close(&new);
	memset(m->other, 'o', sizeof(m->other));
	assert_int_equal(umfs_pwrite(m->old, m->other, sizeof(m->other), 0), sizeof(m->other));
}

static void write_after_waiting_goes_to_the_page_of_now(void **state)
{
	static const uint64_t lengths[] = {1, 64, 1000, UMFS_PAGE_BYTES};
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct meanwhile m = {.fs = &other->fs};
	uint8_t buf[2 * UMFS_PAGE_BYTES], put[UMFS_PAGE_BYTES];
	struct umfs_file file, theirs, new;
	size_t i, k;

	open_new(u, &file);
	assert_ok(world_open(&other->fs, "/f", O_RDWR, &theirs));
	m.old = &theirs;
	memset(buf, 'f', sizeof(buf));
	memset(put, 'p', sizeof(put));
	for (i = 0; i < UMFS_ARRAY_LEN(lengths); i++) {
		assert_int_equal(umfs_pwrite(&file, buf, sizeof(buf), 0), sizeof(buf));
		assert_ok(umfs_lock(&other->fs, &file.inode->lock));
		u->sim->turn = pass_pages_on;
		u->sim->turn_arg = &m;
		assert_int_equal(umfs_pwrite(&file, put, lengths[i], UMFS_PAGE_BYTES), lengths[i]);
		assert_null(u->sim->turn);
		assert_ok(world_open(u->fs, "/new", O_RDONLY, &new));
		assert_int_equal(umfs_pread(&new, buf, sizeof(buf), 0), sizeof(buf));
		for (k = 0; k < sizeof(buf); k++)
			assert_int_equal(buf[k], 'n');
		world_close(&new);
		assert_ok(world_unlink(u->fs, "/new"));
		assert_int_equal(umfs_pread(&file, buf, sizeof(buf), 0), sizeof(buf));
		assert_int_equal(buf[UMFS_PAGE_BYTES - 1], 'o');
		for (k = 0; k < lengths[i]; k++)
			assert_int_equal(buf[UMFS_PAGE_BYTES + k], 'p');
	}
	world_close(&file);
	world_close(&theirs);
	sim_detach(other);
}

/* A view serves reads within a page while nothing changed the inode, and none after. */
static void view_serves_until_a_change(void **state)
{
	static const uint64_t tall = 3u << 20; /* height 2 */
	struct unit *u = *state;
	struct umfs_file file;
	struct umfs_view v;
	char buf[8192];

	open_new(u, &file);
	umfs_view_take(&file, &v); /* of an empty file: nothing to keep */
	assert_int_equal(v.seq, 0);
	assert_int_equal(umfs_pwrite(&file, "first", 5, 0), 5);
	assert_int_equal(umfs_pwrite(&file, "second", 6, 4094), 6);
	assert_int_equal(umfs_pwrite(&file, "third", 5, tall), 5);
	assert_int_equal(umfs_pread(&file, buf, 1, 0), 1); /* renews the access time */
	umfs_view_take(&file, &v);
	assert_true(v.seq != 0);
	assert_int_equal(umfs_view_pread(&file, &v, buf, 5, 0), 5);
	assert_memory_equal(buf, "first", 5);
	assert_int_equal(umfs_view_pread(&file, &v, buf, 5, tall), 5);
	assert_memory_equal(buf, "third", 5);
	assert_err(umfs_view_pread(&file, &v, buf, 6, 4094), EAGAIN); /* across pages */
	assert_err(umfs_view_pread(&file, &v, buf, 0, 0), EAGAIN);
	assert_err(umfs_view_pread(&file, &v, buf, 6, tall), EAGAIN); /* across the end */
	assert_err(umfs_view_pread(&file, &v, buf, 1, tall + 5), EAGAIN);
	assert_err(umfs_view_pread(&file, &v, buf, 1, 2u << 20), EAGAIN); /* a hole */
	assert_err(umfs_view_pread(&file, &v, buf, 1, ~0ull), EAGAIN);
	assert_int_equal(umfs_pwrite(&file, "F", 1, 0), 1);
	assert_err(umfs_view_pread(&file, &v, buf, 5, 0), EAGAIN);
	umfs_view_take(&file, &v);
	assert_ok(world_truncate(u->fs, "/f", 3));
	assert_err(umfs_view_pread(&file, &v, buf, 5, 0), EAGAIN);
	world_close(&file);
	assert_ok(world_unlink(u->fs, "/f"));
	umfs_view_take(&file, &v); /* gone */
	assert_int_equal(v.seq, 0);
}

#define UNITS_TWO (2u * UMFS_UNIT_BYTES)

/* The bytes of a file of two units that are numbered, each page from its own number on. */
static void fill_numbered(uint8_t *bytes)
{
	uint32_t i;

	for (i = 0; i < UNITS_TWO; i++)
		bytes[i] = (uint8_t)(i + (i >> UMFS_PAGE_SHIFT) * 7);
}

/* What is served is right. */
static bool view_serves(const struct umfs_file *file, const uint8_t *bytes, uint32_t n,
			uint32_t off)
{
	static uint8_t got[UMFS_VIEW_BYTES_MAX + 1];
	struct umfs_view v;
	int64_t ret;

	assert_int_equal(umfs_pread(file, got, 1, 0), 1); /* renews the access time */
	umfs_view_take(file, &v);
	assert_true(v.seq != 0);
	ret = umfs_view_pread(file, &v, got, n, off);
	if (ret == -EAGAIN)
		return false;
	assert_int_equal(ret, n);
	assert_memory_equal(got, bytes + off, n);
	return true;
}

/* Neighbouring pages at one look, as far as a table says that all of its are that. */
static void view_serves_a_run(void **state)
{
	static uint8_t bytes[UNITS_TWO];
	static const uint32_t unit = UMFS_UNIT_BYTES;
	struct umfs_file file;

	open_new(*state, &file);
	fill_numbered(bytes);
	assert_int_equal(umfs_pwrite(&file, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_true(view_serves(&file, bytes, 8192, 8192));
	assert_true(view_serves(&file, bytes, 3, UMFS_PAGE_BYTES - 1));
	assert_true(view_serves(&file, bytes, UMFS_VIEW_BYTES_MAX, 4097));
	assert_true(view_serves(&file, bytes, 8192, unit - 8192));
	assert_true(view_serves(&file, bytes, 8192, 2 * unit - 8192));
	assert_false(view_serves(&file, bytes, UMFS_VIEW_BYTES_MAX + 1, 0));
	assert_false(view_serves(&file, bytes, 2, unit - 1));
	assert_false(view_serves(&file, bytes, 8192, 2 * unit - 8191)); /* past the end */
	/* One page is elsewhere now. */
	memset(bytes + UMFS_PAGE_BYTES, 'x', UMFS_PAGE_BYTES);
	assert_int_equal(umfs_pwrite(&file, bytes + UMFS_PAGE_BYTES, UMFS_PAGE_BYTES,
				     UMFS_PAGE_BYTES),
			 UMFS_PAGE_BYTES);
	view_serves(&file, bytes, 8192, 0);
	view_serves(&file, bytes, 8192, UMFS_PAGE_BYTES);
	assert_true(view_serves(&file, bytes, UMFS_PAGE_BYTES, UMFS_PAGE_BYTES));
	assert_true(view_serves(&file, bytes, 8192, unit));
	world_close(&file);
}

static void gap_before_write_reads_as_zeros(void **state)
{
	struct umfs_file file;
	uint8_t buf[20000];

	open_new(*state, &file);
	assert_ok(world_write(&file, 15000, 100, 1));
	assert_int_equal(umfs_pread(&file, buf, sizeof(buf), 0), 15100);
	assert_true(all_zero(buf, 15000));
	world_close(&file);
}

/* What was beyond a smaller end must not come back. */
static void bytes_cut_off_stay_gone(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint8_t buf[20000];

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 20000, 1));
	assert_ok(umfs_truncate(u->fs, file.ino, 5000));
	assert_ok(umfs_truncate(u->fs, file.ino, 20000));
	assert_int_equal(umfs_pread(&file, buf, sizeof(buf), 0), 20000);
	assert_true(all_zero(buf + 5000, 15000));
	assert_ok(umfs_truncate(u->fs, file.ino, 100));
	assert_ok(world_write(&file, 4000, 10, 2));
	assert_int_equal(umfs_pread(&file, buf, 4000, 0), 4000);
	assert_true(all_zero(buf + 100, 3900));
	world_close(&file);
}

/* ---- a random history against a model ---- */

#define MODEL_BYTES (700 * KIB)

struct model {
	uint8_t bytes[MODEL_BYTES];
	uint64_t size, random;
};

static uint64_t model_random(struct model *m, uint64_t n)
{
	return sim_random(&m->random) % n;
}

static void model_write(struct model *m, struct umfs_file *file, bool append)
{
	static const uint64_t lengths[] = {1, 64, 100, 4096, 5000, 8192, 70000, 300000};
	uint64_t n = lengths[model_random(m, 8)], off = model_random(m, MODEL_BYTES - n);
	uint32_t version = (uint32_t)model_random(m, 1000);

	if (model_random(m, 2))
		off &= ~(uint64_t)UMFS_PAGE_MASK;
	if (append && m->size + n > MODEL_BYTES)
		return;
	if (append) {
		off = m->size;
		assert_ok(world_append(file, n, version));
	} else {
		assert_ok(world_write(file, off, n, version));
	}
	world_fill(m->bytes + off, n, off, version);
	m->size = UMFS_MAX(m->size, off + n);
}

static void model_truncate(struct model *m, struct umfs_file *file)
{
	uint64_t size = model_random(m, MODEL_BYTES);

	if (model_random(m, 3) == 0)
		size = model_random(m, 2) ? 0 : size & ~(uint64_t)UMFS_PAGE_MASK;
	assert_ok(umfs_truncate(file->fs, file->ino, size));
	if (size < m->size)
		memset(m->bytes + size, 0, m->size - size);
	m->size = size;
}

static void model_check(struct model *m, struct umfs_file *file, uint8_t *buf)
{
	uint64_t off = model_random(m, MODEL_BYTES), n = model_random(m, MODEL_BYTES);
	uint64_t want = off >= m->size ? 0 : UMFS_MIN(n, m->size - off);

	assert_int_equal(umfs_pread(file, buf, n, off), want);
	assert_memory_equal(buf, m->bytes + off, want);
}

static void history(struct unit *u, uint32_t mode, uint64_t seed)
{
	struct model *m = calloc(1, sizeof(*m));
	uint8_t *buf = malloc(MODEL_BYTES);
	struct umfs_file file;
	uint32_t i;

	assert_true(m && buf);
	unit_reattach(u, mode);
	m->random = seed;
	open_new(u, &file);
	for (i = 0; i < 400; i++) {
		switch (model_random(m, 8)) {
		case 0:
			model_truncate(m, &file);
			break;
		case 1:
			world_close(&file); /* trims */
			open_new(u, &file);
			break;
		case 2:
			model_write(m, &file, true);
			break;
		default:
			model_write(m, &file, false);
			break;
		}
		model_check(m, &file, buf);
		sim_log_clear(&u->log);
	}
	u->sim->log = NULL;
	world_close(&file);
	free(buf);
	free(m);
}

static void history_in_atomic_mode_as_model(void **state)
{
	history(*state, UMFS_MODE_ATOMIC, 1);
}

static void history_in_sync_mode_as_model(void **state)
{
	history(*state, UMFS_MODE_SYNC, 2);
}

static void history_in_posix_mode_as_model(void **state)
{
	history(*state, UMFS_MODE_POSIX, 3);
}

/* ---- ends of what is possible ---- */

static void sparse_file_at_512_gib_works(void **state)
{
	struct unit *u = *state;
	uint8_t want[UMFS_PAGE_BYTES], got[UMFS_PAGE_BYTES];
	struct umfs_file file;
	struct umfs_attr attr;

	open_new(u, &file);
	assert_ok(world_write(&file, LAST_PAGE, UMFS_PAGE_BYTES, 1));
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_int_equal(attr.size, UMFS_FILE_BYTES_MAX);
	assert_true(attr.blocks_512 <= 10 * 8);
	world_fill(want, sizeof(want), LAST_PAGE, 1);
	assert_int_equal(umfs_pread(&file, got, sizeof(got), LAST_PAGE), sizeof(got));
	assert_memory_equal(want, got, sizeof(got));
	assert_int_equal(umfs_pread(&file, got, sizeof(got), LAST_PAGE / 2), sizeof(got));
	assert_true(all_zero(got, sizeof(got)));
	assert_ok(umfs_truncate(u->fs, file.ino, 0));
	world_close(&file);
}

static void write_past_largest_size_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	struct umfs_attr attr;

	open_new(u, &file);
	assert_err(umfs_pwrite(&file, "x", 1, UMFS_FILE_BYTES_MAX), EFBIG);
	assert_int_equal(umfs_pwrite(&file, "xyz", 3, UMFS_FILE_BYTES_MAX - 1), 1);
	assert_err(umfs_truncate(u->fs, file.ino, UMFS_FILE_BYTES_MAX + 1), EFBIG);
	assert_ok(umfs_truncate(u->fs, file.ino, UMFS_FILE_BYTES_MAX));
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_int_equal(attr.size, UMFS_FILE_BYTES_MAX);
	assert_ok(umfs_truncate(u->fs, file.ino, 0));
	world_close(&file);
}

static void offsets_beyond_off_t_refused(void **state)
{
	struct umfs_file file;
	char c = 'x';

	open_new(*state, &file);
	assert_true(umfs_pwrite(&file, &c, 1, 1ull << 63) < 0);
	assert_true(umfs_pread(&file, &c, 1, 1ull << 63) <= 0);
	assert_true(umfs_pwrite(&file, &c, 1, INT64_MAX) < 0);
	world_close(&file);
}

/* ---- faults in the caller's memory ---- */

static void write_fault_leaves_file_as_it_was(void **state)
{
	struct unit *u = *state;
	static const uint64_t cases[][2] = {{0, 50},	 {100, 64},	{0, 4096},
					    {100, 9000}, {19990, 5000}, {30000, 100}};
	uint8_t *buf = malloc(20000), before[20000], after[40000];
	struct umfs_file file;
	struct umfs_attr attr;
	uint32_t i;

	assert_non_null(buf);
	memset(buf, 'n', 20000);
	open_new(u, &file);
	assert_ok(world_write(&file, 0, 20000, 1));
	assert_int_equal(umfs_pread(&file, before, sizeof(before), 0), 20000);
	for (i = 0; i < UMFS_ARRAY_LEN(cases); i++) {
		u->sim->fault_lo = buf + cases[i][1] / 2;
		u->sim->fault_hi = buf + 20000;
		assert_err(umfs_pwrite(&file, buf, cases[i][1], cases[i][0]), EFAULT);
		u->sim->fault_lo = NULL;
		assert_ok(umfs_getattr(u->fs, file.ino, &attr));
		assert_int_equal(attr.size, 20000);
		assert_int_equal(umfs_pread(&file, after, sizeof(after), 0), 20000);
		assert_memory_equal(before, after, 20000);
	}
	world_close(&file);
	free(buf);
}

static void read_fault_reported(void **state)
{
	struct unit *u = *state;
	static uint8_t buf[8192];
	struct umfs_file file;

	open_new(u, &file);
	assert_ok(world_write(&file, 0, 8192, 1));
	u->sim->fault_lo = buf;
	u->sim->fault_hi = buf + sizeof(buf);
	assert_err(umfs_pread(&file, buf, sizeof(buf), 0), EFAULT);
	u->sim->fault_lo = NULL;
	assert_int_equal(umfs_pread(&file, buf, sizeof(buf), 0), sizeof(buf));
	world_close(&file);
}

/* ---- vectors, positions ---- */

static void vectors_joined_in_order(void **state)
{
	struct umfs_file file;
	char a[3], b[5], buf[9] = {0};
	struct umfs_iov out[] = {{"abc", 3}, {"", 0}, {"de", 2}, {"fgh", 3}};
	struct umfs_iov in[] = {{a, 3}, {b, 5}};
	uint64_t off = 10;

	open_new(*state, &file);
	assert_int_equal(umfs_pwritev(&file, out, 4, &off, false), 8);
	assert_int_equal(umfs_pread(&file, buf, 8, 10), 8);
	assert_string_equal(buf, "abcdefgh");
	assert_int_equal(umfs_preadv(&file, in, 2, 10), 8);
	assert_memory_equal(a, "abc", 3);
	assert_memory_equal(b, "defgh", 5);
	world_close(&file);
}

static void positions_move_with_reads_and_writes(void **state)
{
	struct umfs_file file;
	char buf[4];
	struct umfs_iov out = {"abcdef", 6}, in = {buf, 2};

	open_new(*state, &file);
	assert_int_equal(umfs_writev(&file, &out, 1), 6);
	assert_int_equal(umfs_seek(&file, 0, 1), 6);
	assert_int_equal(umfs_seek(&file, 1, 0), 1);
	assert_int_equal(umfs_readv(&file, &in, 1), 2);
	assert_memory_equal(buf, "bc", 2);
	assert_int_equal(umfs_seek(&file, 0, 1), 3);
	assert_int_equal(umfs_seek(&file, -1, 2), 5);
	assert_int_equal(umfs_seek(&file, 100, 2), 106);
	assert_err(umfs_seek(&file, -1000, 1), EINVAL);
	assert_err(umfs_seek(&file, 0, 77), EINVAL);
	assert_int_equal(umfs_seek(&file, 0, 1), 106);
	/* The same over pages that are there already. */
	assert_ok(world_write(&file, 0, 3 * UMFS_PAGE_BYTES, 1));
	assert_int_equal(umfs_seek(&file, 5000, 0), 5000);
	assert_int_equal(umfs_writev(&file, &out, 1), 6);
	assert_int_equal(umfs_writev(&file, &out, 1), 6);
	assert_int_equal(umfs_seek(&file, 0, 1), 5012);
	world_close(&file);
}

static void appends_go_to_the_end(void **state)
{
	struct unit *u = *state;
	struct umfs_file one, two;
	struct umfs_iov iov = {"xyz", 3};
	char buf[16];

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT | O_APPEND, &one));
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_APPEND, &two));
	assert_int_equal(umfs_writev(&one, &iov, 1), 3);
	assert_int_equal(umfs_writev(&two, &iov, 1), 3);
	assert_int_equal(umfs_writev(&one, &iov, 1), 3);
	assert_int_equal(umfs_seek(&one, 0, 1), 9);
	assert_int_equal(umfs_pread(&one, buf, sizeof(buf), 0), 9);
	assert_memory_equal(buf, "xyzxyzxyz", 9);
	world_close(&one);
	world_close(&two);
}

static void holes_and_data_told_apart(void **state)
{
	struct umfs_file file;

	open_new(*state, &file);
	assert_ok(world_write(&file, 8 * UMFS_PAGE_BYTES, UMFS_PAGE_BYTES, 1));
	assert_int_equal(umfs_seek(&file, 0, 3), 8 * UMFS_PAGE_BYTES);
	assert_int_equal(umfs_seek(&file, 0, 4), 0);
	assert_int_equal(umfs_seek(&file, 8 * UMFS_PAGE_BYTES, 4), 9 * UMFS_PAGE_BYTES);
	assert_err(umfs_seek(&file, 9 * UMFS_PAGE_BYTES, 3), ENXIO);
	world_close(&file);
}

/* ---- wrong kinds ---- */

static void directory_not_read_or_written(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	char c;

	assert_ok(world_open(u->fs, "/", O_RDONLY, &file));
	assert_err(umfs_pread(&file, &c, 1, 0), EISDIR);
	assert_err(umfs_pwrite(&file, &c, 1, 0), EISDIR);
	world_close(&file);
	assert_err(umfs_truncate(u->fs, UMFS_ROOT_INO, 0), EISDIR);
}

static void closed_file_refused(void **state)
{
	struct umfs_file file;
	char c = 'x';
	struct umfs_iov iov = {&c, 1};

	open_new(*state, &file);
	world_close(&file);
	assert_err(umfs_readv(&file, &iov, 1), EBADF);
	assert_err(umfs_seek(&file, 0, 0), EBADF);
}

static void overwrite_with_full_pool_works(void **state)
{
	struct unit *u = *state;
	struct umfs_file file, filler;
	uint8_t want[100000], got[100000];

	u->sim->log = NULL;
	open_new(u, &file);
	assert_ok(world_write(&file, 0, 3 * MIB, 1));
	assert_ok(world_open(u->fs, "/filler", O_RDWR | O_CREAT, &filler));
	while (!world_append(&filler, 64 * KIB, 1) || !world_append(&filler, UMFS_PAGE_BYTES, 1))
		;
	assert_ok(world_write(&file, 4096, 4096, 2));
	assert_ok(world_write(&file, 5, 100000, 3));
	assert_ok(world_write(&file, 100, 2 * MIB, 4));
	assert_ok(world_write(&file, 2 * MIB, MIB, 5));
	world_fill(want, sizeof(want), 50000, 4);
	assert_int_equal(umfs_pread(&file, got, sizeof(got), 50000), sizeof(got));
	assert_memory_equal(want, got, sizeof(got));
	world_close(&file);
	world_close(&filler);
}

static void fsync_of_anything_succeeds(void **state)
{
	struct unit *u = *state;
	uint32_t mode;

	for (mode = UMFS_MODE_POSIX; mode <= UMFS_MODE_ATOMIC; mode++) {
		struct umfs_file file;

		unit_reattach(u, mode);
		open_new(u, &file);
		assert_ok(umfs_fsync(&file));
		assert_ok(world_write(&file, mode * 1000, 10000, mode));
		assert_ok(umfs_fsync(&file));
		world_close(&file);
	}
}

static void random_overwrites_cost_no_space(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t random = 5, before;
	struct umfs_attr attr;
	uint32_t i;

	u->sim->log = NULL;
	open_new(u, &file);
	assert_ok(world_write(&file, 0, 4 * MIB, 1));
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	before = attr.blocks_512;
	for (i = 0; i < 5000; i++)
		assert_ok(world_write(&file, sim_random(&random) % (4 * MIB - 9000),
				      1 + sim_random(&random) % 9000, i));
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_true(attr.blocks_512 <= before + before / 20);
	world_close(&file);
}

static const struct CMUnitTest tests[] = {
	CASE(read_of_empty_file_gives_nothing),
	CASE(read_across_end_cut),
	CASE(write_of_nothing_changes_nothing),
	CASE(write_after_waiting_goes_to_the_page_of_now),
	CASE(view_serves_until_a_change),
	CASE(view_serves_a_run),
	CASE(gap_before_write_reads_as_zeros),
	CASE(bytes_cut_off_stay_gone),
	CASE(history_in_atomic_mode_as_model),
	CASE(history_in_sync_mode_as_model),
	CASE(history_in_posix_mode_as_model),
	CASE(sparse_file_at_512_gib_works),
	CASE(write_past_largest_size_refused),
	CASE(offsets_beyond_off_t_refused),
	CASE(write_fault_leaves_file_as_it_was),
	CASE(read_fault_reported),
	CASE(vectors_joined_in_order),
	CASE(positions_move_with_reads_and_writes),
	CASE(appends_go_to_the_end),
	CASE(holes_and_data_told_apart),
	CASE(directory_not_read_or_written),
	CASE(closed_file_refused),
	CASE(overwrite_with_full_pool_works),
	CASE(fsync_of_anything_succeeds),
	CASE(random_overwrites_cost_no_space),
};
UNIT_MAIN("file", tests)
