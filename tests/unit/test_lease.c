// SPDX-License-Identifier: BSD-3-Clause
/* test_lease.c - writes by who has a lease: cut short anywhere, and hostile ones. */
#include "holder.h"
#include "unit.h"

#define POOL_BYTES (80 * MIB) /* the least that have a second reserve, and some */
#define FILE_BYTES 20000u
#define OFF 3000u
#define LEN 9000u

static const struct sim_effort effort = {
	.exhaustive = 16, .singles = 8, .prefixes = 6, .randoms = 8, .seed = 1};

static uint8_t was[FILE_BYTES], now[FILE_BYTES], have[FILE_BYTES];

struct held {
	struct holder by;
	uint32_t irec;
};

/* In place of the kernel, which maps the file, its pages and the log. */
static void take(struct umfs *fs, struct held *h)
{
	uint64_t end = FILE_BYTES;
	struct umfs_file f;

	assert_ok(world_open(fs, "/f", O_RDWR, &f));
	assert_ok(umfs_map_pin(&f, UMFS_MAP_SHARED | UMFS_MAP_WRITE, 0, &end, &h->irec));
	assert_ok(holder_take(&h->by, &f));
}

static void give(struct umfs *fs, struct held *h)
{
	holder_take_back(&h->by);
	umfs_map_put(fs, h->irec);
	world_close(&h->by.file);
}

static bool is(const struct umfs_file *f, const uint8_t *bytes)
{
	return umfs_pread(f, have, FILE_BYTES, 0) == FILE_BYTES && !memcmp(have, bytes, FILE_BYTES);
}

static void make(struct umfs *fs)
{
	world_fill(was, FILE_BYTES, 0, 1);
	memcpy(now, was, FILE_BYTES);
	world_fill(now + OFF, LEN, OFF, 2);
	assert_ok(world_put(fs, "/f", 0, FILE_BYTES, 1));
	assert_ok(world_put(fs, "/other", 0, FILE_BYTES, 3));
}

/* A pool with a lease, by which something was written. */
static void written(struct unit *u, struct held *h)
{
	unit_pool(u, POOL_BYTES, 1024);
	make(u->fs);
	take(u->fs, h);
	holder_write(&h->by, OFF, now + OFF, LEN);
}

static void write_by_lease_seen(void **state)
{
	struct unit *u = *state;
	struct held h;

	written(u, &h);
	assert_true(is(&h.by.file, now));
	give(u->fs, &h);
	take(u->fs, &h);
	assert_true(is(&h.by.file, now));
	give(u->fs, &h);
}

/* Half a write, and the lease ends. */
static void half_undone(void **state)
{
	struct unit *u = *state;
	struct held h;

	written(u, &h);
	st64(&h.by.log->state, 1);
	umfs_lease_undo(&h.by.file, h.by.number);
	assert_true(is(&h.by.file, was));
	assert_int_equal(ld64(&h.by.log->state), 0);
	give(u->fs, &h);
}

/* Who loses the pool undoes nothing, and forgets nothing. */
static void half_in_lost_pool_undone_by_recovery(void **state)
{
	struct unit *u = *state;
	struct umfs_file f;
	struct held h;

	unit_pool(u, POOL_BYTES, 1024);
	make(u->fs);
	take(u->fs, &h);
	holder_write(&h.by, OFF, now + OFF, LEN);
	st64(&h.by.log->state, 1);
	u->fs->broken = 1;
	umfs_lease_undo(&h.by.file, h.by.number);
	umfs_lease_give(u->fs, h.by.number);
	unit_die(u);
	assert_ok(world_open(u->fs, "/f", O_RDONLY, &f));
	assert_true(is(&f, was));
	world_close(&f);
}

static void hostile_log_harms_nobody(void **state)
{
	static const uint64_t said[][2] = {{FILE_BYTES, 1}, {0, FILE_BYTES + 1}, {~0ull, 2},
					   {1, ~0ull}, {1ull << 39, 9}, {0, UMFS_LEASE_BYTES}};
	struct unit *u = *state;
	struct umfs_file other;
	struct held h;
	uint32_t i;

	unit_pool(u, POOL_BYTES, 1024);
	make(u->fs);
	world_fill(now, FILE_BYTES, 0, 3);
	for (i = 0; i < 2 * UMFS_ARRAY_LEN(said); i++) {
		take(u->fs, &h);
		st64(&h.by.log->off, said[i / 2][0]);
		st64(&h.by.log->len, said[i / 2][1]);
		st64(&h.by.log->state, ~0ull);
		if (i % 2)
			unit_die(u);
		else
			give(u->fs, &h);
		assert_ok(world_open(u->fs, "/other", O_RDONLY, &other));
		assert_true(is(&other, now));
		world_close(&other);
		assert_ok(world_open(u->fs, "/f", O_RDONLY, &other));
		assert_true(is(&other, was));
		world_close(&other);
	}
}

/* A word that names no file any more, or one of another kind. */
static void lease_of_no_file_forgotten(void **state)
{
	struct unit *u = *state;
	struct umfs_ulog_pm *reserve;
	struct held h;
	le64 *word;
	uint32_t i;

	unit_pool(u, POOL_BYTES, 1024);
	for (i = 0; i < 4; i++) {
		make(u->fs);
		take(u->fs, &h);
		reserve = umfs_reserve(u->fs, u->fs->geo.reserve_count - 1);
		word = (le64 *)((uint8_t *)reserve + UMFS_ULOG_HEAD_BYTES) + h.by.number;
		st64(&h.by.log->len, 100);
		st64(&h.by.log->state, 1);
		st64(word, i == 0 ? UMFS_ROOT_INO : i == 1 ? ~0ull : ld64(word) + (i == 2 ? 1ull << 32 : 0));
		if (i == 3)
			st64(&reserve->leases, ~0ull);
		unit_die(u);
		reserve = umfs_reserve(u->fs, u->fs->geo.reserve_count - 1);
		assert_int_equal(ld64(&reserve->leases), 0);
		assert_ok(world_unlink(u->fs, "/f"));
	}
}

/* What a pool left that was on this medium before: who has the lock next is not believed it. */
static void leases_of_a_pool_before_forgotten(void **state)
{
	struct unit *u = *state;
	struct umfs_ulog_pm *reserve;
	struct umfs_file f;
	struct held h;

	written(u, &h);
	reserve = umfs_reserve(u->fs, u->fs->geo.reserve_count - 1);
	umfs_map_put(u->fs, h.irec);
	world_close(&h.by.file);
	st64(&reserve->lock, 0);
	st64(&h.by.log->state, 1);
	unit_die(u);
	reserve = umfs_reserve(u->fs, u->fs->geo.reserve_count - 1);
	assert_true(umfs_lock_try(u->fs, &reserve->lock, umfs_lock_value(u->fs, u->fs->slot)));
	unit_die(u);
	assert_ok(world_open(u->fs, "/f", O_RDONLY, &f));
	assert_true(is(&f, now));
	world_close(&f);
}

/* Whichever slot is recovered first: the inode is whole when what all left in lanes is undone. */
static void lease_undone_of_file_another_was_changing(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other;
	struct umfs_file f, g;
	struct umfs_tx tx;
	struct held h;

	written(u, &h);
	other = unit_attach(u);
	assert_true(u->fs->slot < other->fs.slot);
	assert_ok(world_open(&other->fs, "/f", O_RDWR, &g));
	assert_ok(umfs_enter_inode(&other->fs, &tx, g.inode));
	umfs_tx_begin(&tx);
	assert_ok(umfs_inode_save(&tx, g.inode, g.ino));
	umfs_tx_fence(&tx);
	st32(&g.inode->mode, ld32(&g.inode->mode) ^ 1); /* and its seal was still to come */
	st64(&h.by.log->state, 1);
	sim_kill(other);
	unit_die(u);
	assert_ok(world_open(u->fs, "/f", O_RDONLY, &f));
	assert_true(is(&f, was));
	world_close(&f);
}

/* Only the last is ever divided. */
static void leases_in_another_reserve_not_believed(void **state)
{
	struct unit *u = *state;
	struct umfs_file f;
	struct held h;

	written(u, &h);
	u->damaged = true;
	assert_int_equal(u->fs->geo.reserve_count, 2);
	st64(&h.by.log->state, 1);
	memcpy(umfs_reserve(u->fs, 0), umfs_reserve(u->fs, 1),
	       (size_t)UMFS_RESERVE_PAGES * UMFS_PAGE_BYTES);
	st64(&h.by.log->state, 0);
	unit_die(u);
	assert_ok(world_open(u->fs, "/f", O_RDONLY, &f));
	assert_true(is(&f, now));
	world_close(&f);
}

/* A root that is damaged may name pages of another file. */
static void lease_of_damaged_file_not_undone(void **state)
{
	struct unit *u = *state;
	struct umfs_file f;
	struct held h;
	uint32_t ino;

	written(u, &h);
	u->damaged = true;
	assert_ok(world_ino(u->fs, "/other", &ino));
	st64(&h.by.file.inode->root, ld64(&umfs_inode(u->fs, ino)->root));
	st64(&h.by.log->state, 1);
	unit_die(u);
	world_fill(now, FILE_BYTES, 0, 3);
	assert_ok(world_open(u->fs, "/other", O_RDONLY, &f));
	assert_true(is(&f, now));
	world_close(&f);
}

static void reserve_shared_with_writers(void **state)
{
	struct unit *u = *state;
	struct held h[UMFS_LEASES];
	struct umfs_ulog_pm *last;
	uint64_t end = FILE_BYTES, where;
	struct umfs_file more;
	uint32_t i, lease;

	unit_pool(u, POOL_BYTES, 1024);
	make(u->fs);
	for (i = 0; i < UMFS_LEASES; i++)
		take(u->fs, &h[i]);
	last = umfs_reserve(u->fs, u->fs->geo.reserve_count - 1);
	assert_int_equal(ld64(&last->leases), 1);
	assert_err(umfs_lease_take(&h[0].by.file, &lease, &where), ENOSPC);
	/* Its pages stay, so they are written by a reserve; there is one. */
	assert_ok(world_open(u->fs, "/other", O_RDWR, &more));
	assert_ok(umfs_map_pin(&more, UMFS_MAP_SHARED, 0, &end, &lease));
	assert_ok(world_write(&more, 0, FILE_BYTES, 4));
	umfs_map_put(u->fs, lease);
	world_close(&more);
	for (i = 0; i < UMFS_LEASES; i++)
		give(u->fs, &h[i]);
	assert_int_equal(ld64(&last->leases), 0);
	assert_true(umfs_lock_free(u->fs, ld64(&last->lock)));
}

static void small_pool_has_none(void **state)
{
	struct unit *u = *state;
	struct umfs_file f;
	uint64_t where;
	uint32_t lease;

	make(u->fs);
	assert_ok(world_open(u->fs, "/f", O_RDWR, &f));
	assert_err(umfs_lease_take(&f, &lease, &where), ENOSPC);
	world_close(&f);
}

static uint32_t seen_old, seen_new;

static int look(void *arg, const struct sim_point *point)
{
	struct unit *u = arg;
	struct umfs_file f;

	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
	assert_ok(world_open(u->fs, "/f", O_RDONLY, &f));
	if (is(&f, was)) {
		seen_old++;
		assert_false(point->complete);
	} else {
		assert_true(is(&f, now));
		seen_new++;
	}
	world_close(&f);
	sim_detach(u->proc);
	return 0;
}

/* Each image is the old file or the new one; when the holder was done, the new one. */
static void write_cut_anywhere_whole(void **state)
{
	struct unit *u = *state;
	uint32_t durability = u->fs->geo.durability;
	struct held h;

	unit_pool(u, POOL_BYTES, 1024);
	u->damaged = true; /* looked at here */
	make(u->fs);
	take(u->fs, &h);
	sim_settle(u->sim);
	u->sim->log = &u->log;
	holder_write(&h.by, OFF, now + OFF, LEN);
	u->sim->log = NULL;
	sim_kill(u->proc);
	if (durability == UMFS_DURABLE_NONE)
		sim_images_kill(u->sim, &u->log, 0, look, u);
	else if (durability == UMFS_DURABLE_EADR)
		sim_images_eadr(u->sim, &u->log, 0, effort.randoms, look, u);
	else
		sim_images_cut(u->sim, &u->log, 0, &effort, look, u);
	assert_true(seen_old > 3 && seen_new > 0);
	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(lease_undone_of_file_another_was_changing),
		CASE(write_by_lease_seen),	   CASE(half_undone),
		CASE(half_in_lost_pool_undone_by_recovery), CASE(hostile_log_harms_nobody),	   CASE(lease_of_no_file_forgotten),
		CASE(leases_of_a_pool_before_forgotten),
		CASE(leases_in_another_reserve_not_believed), CASE(lease_of_damaged_file_not_undone),
		CASE(reserve_shared_with_writers), CASE(small_pool_has_none),
		CASE(write_cut_anywhere_whole),
	};

	return unit_run(argc, argv, "lease", tests, sizeof(tests) / sizeof(tests[0]));
}
