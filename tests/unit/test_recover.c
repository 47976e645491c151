// SPDX-License-Identifier: BSD-3-Clause
/* test_recover.c - recovery of what a crash left, and of what no crash leaves. */
#include "field.h"
#include "unit.h"

#include <stdio.h>

static void pool_after_crash_of_all_recovered(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_file a, b;
	struct umfs_attr attr;
	struct umfs_statfs st;
	uint64_t before;

	assert_ok(world_put(u->fs, "/keep", 0, 5000, 1));
	umfs_statfs(u->fs, &st);
	before = st.pages_free;
	assert_ok(world_open(u->fs, "/a", O_RDWR | O_CREAT, &a));
	assert_ok(world_open(&other->fs, "/b", O_RDWR | O_CREAT, &b));
	assert_ok(world_write(&a, 0, 50000, 1));
	assert_ok(world_write(&b, 0, 50000, 1));
	assert_ok(world_unlink(u->fs, "/a"));
	assert_ok(world_unlink(u->fs, "/b"));
	sim_kill(other);
	unit_die(u);
	assert_err(umfs_getattr(u->fs, a.ino, &attr), ENOENT);
	assert_err(umfs_getattr(u->fs, b.ino, &attr), ENOENT);
	assert_int_equal(unit_pages_free(u), before);
	assert_ok(world_stat(u->fs, "/keep", &attr));
}

static void grown_file_trimmed_after_death(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	struct umfs_attr attr;
	uint32_t i;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	for (i = 0; i < 33; i++)
		assert_ok(world_append(&file, UMFS_PAGE_BYTES, 1));
	unit_die(u);
	assert_ok(world_stat(u->fs, "/f", &attr));
	assert_int_equal(attr.size, 33 * UMFS_PAGE_BYTES);
	assert_int_equal(attr.blocks_512, 34 * 8);
}

static void recovery_of_clean_pool_changes_nothing(void **state)
{
	struct unit *u = *state;
	struct sim_log log = {0};
	struct umfs fs = {0};
	bool from_backup;

	assert_ok(world_put(u->fs, "/f", 0, 5000, 1));
	sim_detach(u->proc);
	u->sim->log = &log;
	fs.base = u->sim->mem;
	fs.bytes = u->sim->bytes;
	fs.port = u->sim;
	assert_ok(umfs_super_load(&fs, &from_backup));
	assert_ok(umfs_recover_all(&fs));
	assert_int_equal(log.count, 0);
	u->sim->log = NULL;
	sim_log_free(&log);
	u->proc = unit_attach(u);
}

static void locks_of_the_dead_no_obstacle(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint32_t ino[2] = {UMFS_ROOT_INO};
	struct umfs_tx tx;

	assert_ok(world_put(u->fs, "/f", 0, 100, 1));
	assert_ok(world_ino(u->fs, "/f", &ino[1]));
	assert_ok(umfs_lock(&other->fs, &umfs_runtime(u->fs)->rename_lock));
	assert_ok(umfs_enter(&other->fs, &tx, ino, 2));
	assert_int_equal(u->fs->geo.group_count, 1);
	assert_ok(umfs_lock(&other->fs, &umfs_group(u->fs, 0)->lock));
	sim_kill(other);
	assert_ok(world_put(u->fs, "/f", 0, 10000, 2));
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_mkdir(u->fs, "/e"));
	assert_ok(world_rename(u->fs, "/d", "/e/d"));
}

/* A lane of `proc` owns a page, which its recovery gives back under the group's lock. */
static void own_spare(struct sim_proc *proc)
{
	struct umfs_file file;
	uint64_t spares = 0;
	uint32_t i;

	assert_ok(world_open(&proc->fs, "/spare", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 20000, 1));
	assert_ok(world_write(&file, UMFS_PAGE_BYTES, UMFS_PAGE_BYTES, 2));
	for (i = 0; i < proc->fs.geo.lanes_per_slot; i++)
		spares |= ld64(&umfs_lane(&proc->fs, proc->fs.slot, i)->spare);
	assert_true(spares);
}

/*
 * The word was on the medium, what the lane noted was not: as a power cut may leave it
 * when two processes died.
 */
static void group_lock_that_no_lane_noted_no_obstacle(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);

	own_spare(u->proc);
	assert_true(u->fs->slot < other->fs.slot); /* recovered first */
	assert_ok(umfs_lock(&other->fs, &umfs_group(u->fs, 0)->lock));
	sim_kill(other);
	unit_die(u);
	assert_ok(world_put(u->fs, "/new", 0, 10000, 1));
}

/* The same of a slot that nobody has, while others are attached. */
static void group_lock_of_free_slot_no_obstacle(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint32_t slot = other->fs.slot;

	own_spare(other);
	sim_kill(other);
	st64(&umfs_group(u->fs, 0)->lock, umfs_lock_value(u->fs, slot + 1));
	assert_false(umfs_lock_free(u->fs, ld64(&umfs_group(u->fs, 0)->lock)));
	assert_ok(umfs_slot_recover(u->fs, slot));
	assert_ok(world_put(u->fs, "/new", 0, 10000, 1));
}

/* ---- lanes of a slot that nobody has ---- */

/* All that a lane may have in hand, and all of it about the pages of a file in use. */
static void spoil_lane(struct umfs *fs, struct umfs_lane_pm *lane, uint32_t ino, uint32_t state)
{
	struct umfs_rec_pm *rec = (struct umfs_rec_pm *)lane->records;
	struct umfs_inode_pm *in = umfs_inode(fs, ino);
	le64 *entry = umfs_fpt_slot(fs, in, 0);
	uint64_t page = umfs_pte_page(ld64(entry));

	umfs_ulog_arm(fs, umfs_lane_ulog(lane), in, ino, 0, 100, NULL);
	port_zero((uint8_t *)umfs_lane_ulog(lane) + UMFS_ULOG_HEAD_BYTES, 100);
	assert_true(field_seal("umfs_ulog_pm", umfs_lane_ulog(lane), 0, UMFS_PAGE_BYTES));
	st64(&lane->state, 77ull << 2 | state);
	st64(&lane->done, 0);
	st16(&rec->type, state == UMFS_TX_ACTIVE ? UMFS_REC_PAGES_ALLOC : UMFS_REC_PAGES_FREE);
	st16(&rec->len, 0);
	st64(&rec->txid, 77);
	st64(&rec->where, page);
	st64(&rec->count, 1);
	assert_true(field_seal("umfs_rec_pm", rec, 0, sizeof(*rec)));
	st64(&lane->swap_entry, umfs_off(fs, entry));
	st64(&lane->swap_old, ld64(entry + 1));
	st64(&lane->swap_new, ld64(entry));
	assert_true(field_seal("umfs_lane_pm", lane, 0, sizeof(*lane)));
	st64(&lane->spare, page + 1);
	st64(&lane->promise, umfs_node_of(ino, ld32(&in->generation)));
	st64(&lane->group, 1);
}

static void spoil_slot(struct umfs *fs, uint32_t slot, uint32_t state)
{
	uint32_t i, ino;

	assert_ok(world_ino(fs, "/f", &ino));
	for (i = 0; i < fs->geo.lanes_per_slot; i++)
		spoil_lane(fs, umfs_lane(fs, slot, i), ino, state);
}

/* Is /f whole and are its pages its own? */
static void not_obeyed(struct unit *u, uint64_t free_pages)
{
	uint8_t want[20000], got[20000];
	struct umfs_file file;

	assert_ok(world_open(u->fs, "/f", O_RDONLY, &file));
	assert_int_equal(umfs_pread(&file, got, sizeof(got), 0), sizeof(got));
	world_fill(want, sizeof(want), 0, 1);
	assert_memory_equal(got, want, sizeof(want));
	world_close(&file);
	assert_int_equal(unit_pages_free(u), free_pages);
}

/* Some of all there is to do in a lane; false: killed at its n-th store, and nothing is freed. */
static bool work(struct sim_proc *proc, uint64_t n)
{
	static jmp_buf jump;
	struct umfs_file file;
	uint8_t bytes[200];

	world_fill(bytes, sizeof(bytes), 100, 2);
	if (setjmp(jump)) {
		sim_kill(proc);
		return false;
	}
	sim_kill_arm(proc->sim, n, &jump);
	assert_ok(world_open(&proc->fs, "/g", O_RDWR, &file));
	assert_int_equal(umfs_pwrite(&file, bytes, sizeof(bytes), 100), sizeof(bytes));
	world_close(&file);
	assert_ok(world_truncate(&proc->fs, "/g", 150));
	sim_kill_arm(proc->sim, 0, NULL);
	return true;
}

/* All die, who comes next at his n-th store as well. */
static void die_twice(struct unit *u, uint64_t n)
{
	static jmp_buf jump;
	struct sim_proc *volatile proc;
	int err;

	sim_kill(u->proc);
	proc = sim_open(u->sim, &err);
	assert_non_null(proc);
	if (setjmp(jump)) {
		sim_kill(proc);
		u->proc = unit_attach(u);
	} else {
		sim_kill_arm(u->sim, n, &jump);
		assert_ok(umfs_attach(&proc->fs, u->mode));
		sim_kill_arm(u->sim, 0, NULL);
		u->proc = proc;
	}
	u->fs = &u->proc->fs;
}

/* One takes the slot and dies in it at each of his stores; a survivor, or the next, recovers. */
static void lanes_of_free_slot_not_obeyed(void **state)
{
	static const uint32_t states[] = {UMFS_TX_ACTIVE, UMFS_TX_COMMITTED};
	struct unit *u = *state;
	uint64_t free_pages, n, round = 0;
	bool done = false;

	u->sim->log = NULL;
	assert_ok(world_put(u->fs, "/f", 0, 20000, 1));
	assert_ok(world_put(u->fs, "/g", 0, 300, 2));
	sim_settle(u->sim);
	for (n = 1; !done; n += round++ & 3 ? 0 : 1) {
		struct sim_proc *other;

		sim_kill(u->proc);
		sim_reload(u->sim);
		u->proc = unit_attach(u);
		u->fs = &u->proc->fs;
		free_pages = unit_pages_free(u);
		spoil_slot(u->fs, 1, states[round & 1]);
		other = unit_attach(u);
		assert_int_equal(other->fs.slot, 1);
		done = work(other, n);
		if (done)
			sim_kill(other);
		if (round & 2)
			die_twice(u, n);
		else
			assert_ok(umfs_slot_recover(u->fs, 1));
		not_obeyed(u, free_pages);
	}
	assert_true(round > 40);
	spoil_slot(u->fs, 1, UMFS_TX_ACTIVE); /* left, not died in */
	sim_detach(unit_attach(u));
	not_obeyed(u, free_pages);
	u->damaged = true;
}

/* The lock of a group says that such a lane has it. */
static void lane_of_free_slot_that_has_a_group_not_obeyed(void **state)
{
	struct unit *u = *state;
	uint64_t free_pages;

	u->sim->log = NULL;
	assert_ok(world_put(u->fs, "/f", 0, 20000, 1));
	free_pages = unit_pages_free(u);
	assert_ok(world_put(u->fs, "/g", 0, 4000, 1));
	spoil_slot(u->fs, 1, UMFS_TX_ACTIVE);
	st64(&umfs_lane(u->fs, 1, 0)->group, (uint64_t)port_thread() << 32 | 1);
	st64(&umfs_group(u->fs, 0)->lock, umfs_lock_value(u->fs, 1));
	assert_true(umfs_bits_held(u->fs, 1, umfs_lane(u->fs, 1, 0)));
	assert_ok(world_unlink(u->fs, "/g")); /* frees, and waits for the group */
	not_obeyed(u, free_pages);
	u->damaged = true;
}

/* What says that a slot is in use, in a pool that is clean, is damage. */
static void slot_in_use_in_clean_pool_not_obeyed(void **state)
{
	static const uint32_t states[] = {UMFS_SLOT_LIVE, UMFS_SLOT_HEIR, 77};
	struct unit *u = *state;
	struct sim_proc *more[4];
	uint64_t free_pages;
	uint32_t i, k, ino;

	u->sim->log = NULL;
	u->damaged = true;
	assert_ok(world_put(u->fs, "/f", 0, 20000, 1));
	assert_ok(world_ino(u->fs, "/f", &ino));
	free_pages = unit_pages_free(u);
	for (i = 0; i < UMFS_ARRAY_LEN(states); i++) {
		struct umfs then = *u->fs;

		sim_detach(u->proc);
		then.base = u->sim->mem;
		for (k = 0; k < UMFS_ARRAY_LEN(more); k++) {
			st32(&umfs_slot(&then, k)->state, states[i]);
			spoil_lane(&then, umfs_lane(&then, k, 0), ino, UMFS_TX_ACTIVE);
		}
		u->proc = unit_attach(u);
		u->fs = &u->proc->fs;
		for (k = 0; k < UMFS_ARRAY_LEN(more); k++)
			more[k] = unit_attach(u);
		not_obeyed(u, free_pages);
		for (k = 0; k < UMFS_ARRAY_LEN(more); k++)
			sim_detach(more[k]);
		not_obeyed(u, free_pages);
	}
}

/* ---- the pool lost by who recovers it ---- */

/* A transaction, an undo log, a spare page and a file without a name. */
static void die_amid(struct unit *u)
{
	struct umfs_file file;
	struct umfs_inode_pm *in;
	struct umfs_tx tx;
	uint64_t page;
	uint32_t got;

	assert_ok(world_open(u->fs, "/gone", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 30000, 1));
	assert_ok(world_unlink(u->fs, "/gone"));
	own_spare(u->proc);
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	in = file.inode;
	assert_ok(umfs_lane_get(u->fs, &tx));
	umfs_ulog_arm(u->fs, umfs_lane_ulog(tx.lane), in, file.ino, 100, 200, NULL);
	memset((uint8_t *)umfs_page(u->fs, umfs_pte_page(ld64(umfs_fpt_slot(u->fs, in, 0)))) + 100, 7,
	       200);
	umfs_tx_begin(&tx);
	assert_ok(umfs_tx_save(&tx, in, UMFS_INODE_CRC_BYTES));
	assert_ok(umfs_pages_alloc(&tx, 0, 10, &page, &got));
	st32(&in->nlink, 5);
	umfs_inode_seal(in, file.ino);
	sim_kill(u->proc);
}

static void pool_lost_in_recovery_recovered_by_the_next(void **state)
{
	struct unit *u = *state;
	uint64_t free_pages = 0, n;
	struct umfs_attr attr;
	bool lost = true;
	char why[256];

	u->sim->log = NULL;
	assert_ok(world_put(u->fs, "/f", 0, 20000, 1));
	die_amid(u);
	sim_settle(u->sim);
	for (n = 0; lost; n++) {
		int err;

		sim_reload(u->sim);
		u->proc = sim_open(u->sim, &err);
		assert_non_null(u->proc);
		unit_lose_at(u, &u->proc->fs, n);
		err = umfs_attach(&u->proc->fs, u->mode);
		unit_lose_at(u, NULL, 0);
		lost = !n || u->proc->fs.broken;
		assert_true(!err || (u->proc->fs.broken && err == -EIO));
		sim_kill(u->proc);
		u->proc = unit_attach(u);
		u->fs = &u->proc->fs;
		if (!n)
			free_pages = unit_pages_free(u);
		not_obeyed(u, free_pages);
		assert_ok(world_stat(u->fs, "/f", &attr));
		assert_int_equal(attr.nlink, 1);
		sim_detach(u->proc);
		if (image_check(u->sim, why))
			fail_msg("lost at store %llu: %s", (unsigned long long)n, why);
	}
	assert_true(n > 40);
	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
}

/* As in a copy of a frozen pool, where the slot was free yet when its page was copied. */
static void description_of_free_slot_forgotten(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	struct umfs_ofd_pm *o;
	struct umfs fs = {0};
	bool from_backup;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	o = umfs_ofd(u->fs, file.ofd);
	st64(&o->slots[0], 0);
	st64(&o->slots[1], 1);
	sim_kill(u->proc);
	fs.base = u->sim->mem;
	fs.bytes = u->sim->bytes;
	fs.port = u->sim;
	assert_ok(umfs_super_load(&fs, &from_backup));
	fs.irec_refs = calloc(fs.geo.irec_count, sizeof(uint32_t));
	fs.ofd_refs = calloc(fs.geo.ofd_count, sizeof(uint32_t));
	assert_ok(umfs_recover_all(&fs));
	assert_null(umfs_ofd(&fs, file.ofd));
	free(fs.irec_refs);
	free(fs.ofd_refs);
	u->proc = unit_attach(u);
}

/* Locks in the name of slot `slot` when its incarnation will have been raised `by` times. */
static void plant_locks(struct sim *sim, struct umfs *fs, uint32_t slot, uint32_t by)
{
	uint64_t word = umfs_lock_value(fs, slot) + ((uint64_t)by << 32);

	fs->base = sim->mem;
	st64(&umfs_inode(fs, UMFS_ROOT_INO)->lock, word);
	st64(&umfs_runtime(fs)->rename_lock, word);
	st64(&umfs_group(fs, 0)->lock, word);
	st64(&umfs_reserve(fs, 0)->lock, word);
}

/* An image that knows what who attaches next is going to be called. */
static void locks_in_the_name_of_who_comes_no_obstacle(void **state)
{
	struct unit *u = *state;
	struct sim_proc *second;
	struct umfs then;
	uint32_t n;

	u->sim->log = NULL;
	assert_ok(world_put(u->fs, "/f", 0, 10000, 1));
	for (n = 0; n < 24; n++) {
		then = *u->fs;
		if (n & 1)
			sim_kill(u->proc);
		else
			sim_detach(u->proc);
		plant_locks(u->sim, &then, n >> 1 & 1, 1 + (n >> 2));
		u->proc = unit_attach(u);
		u->fs = &u->proc->fs;
		second = unit_attach(u);
		assert_ok(world_put(&second->fs, "/f", 0, 10000, 2));
		assert_ok(world_put(u->fs, "/f", 0, 10000, 1));
		assert_ok(world_mkdir(u->fs, "/d"));
		assert_ok(world_rename(u->fs, "/d", "/e"));
		assert_ok(world_rmdir(u->fs, "/e"));
		sim_detach(second);
	}
}

/* Crash, recover until killed at a random store, again and again. */
static void recovery_killed_many_times_ends_well(void **state)
{
	struct unit *u = *state;
	static jmp_buf jump;
	struct umfs_file file;
	struct sim_proc *volatile proc;
	volatile uint32_t rounds = 0;
	uint64_t random = 11;
	int err;

	u->sim->log = NULL;
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 3 * MIB, 1));
	assert_ok(world_unlink(u->fs, "/f"));
	sim_kill(u->proc);
	for (;;) {
		proc = sim_open(u->sim, &err);
		assert_non_null(proc);
		if (!setjmp(jump)) {
			sim_kill_arm(u->sim, 1 + sim_random(&random) % 60, &jump);
			err = umfs_attach(&proc->fs, u->mode);
			sim_kill_arm(u->sim, 0, NULL);
			assert_ok(err);
			break;
		}
		sim_kill(proc);
		/* Progress is kept, so fewer stores are left each time; but allow for bad luck. */
		assert_true(++rounds < 100000);
	}
	u->proc = proc;
	u->fs = &proc->fs;
	assert_true(rounds > 0);
	assert_true(u->fs->epoch != 0);
}

/* ---- what no crash leaves: every load is hostile ---- */

static void scribble(uint8_t *at, uint64_t bytes, uint32_t count, uint64_t *random)
{
	static const uint8_t likely[] = {0, 1, 2, 0x7f, 0x80, 0xff};

	while (count--) {
		uint64_t r = sim_random(random);

		at[r % bytes] =
			r >> 40 & 1 ? likely[(r >> 41) % sizeof(likely)] : (uint8_t)(r >> 48);
	}
}

/* Attach, look at everything, use it a little: any error will do, a crash will not. */
static void survive(struct unit *u)
{
	struct sim_proc *proc;
	struct umfs_attr attr;
	struct umfs_file file;
	struct tree t = {0};
	char why[256];
	int err;

	u->sim->watch_backing = false; /* hostile "backed" words */
	proc = sim_attach(u->sim, UMFS_MODE_ATOMIC, &err);
	if (!proc)
		return;
	(void)tree_read(&proc->fs, &t, why);
	tree_free(&t);
	(void)world_stat(&proc->fs, "/d/x", &attr);
	(void)world_creat(&proc->fs, "/new", 0644);
	if (!world_open(&proc->fs, "/f", O_RDWR, &file)) {
		(void)world_write(&file, 100, 20000, 3);
		(void)world_append(&file, 5000, 3);
		(void)umfs_truncate(&proc->fs, file.ino, 3000);
		world_close(&file);
	}
	(void)world_rename(&proc->fs, "/d", "/e");
	(void)world_unlink(&proc->fs, "/f");
	sim_kill(proc);
}

/* Damage in [first, first+pages) of a pool that died in the middle of things. */
static void damage(struct unit *u, uint64_t first, uint64_t pages, uint32_t rounds)
{
	struct umfs_file file;
	uint64_t random = first * 77 + 5;
	uint32_t i;

	u->sim->log = NULL;
	u->damaged = true;
	assert_ok(world_mkdir(u->fs, "/d"));
	assert_ok(world_put(u->fs, "/d/x", 0, 100, 1));
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 100000, 1));
	assert_ok(world_write(&file, 4096, 4096, 2));
	assert_ok(world_write(&file, 10, 50, 2));
	sim_kill(u->proc);
	u->proc = NULL;
	sim_settle(u->sim);
	for (i = 0; i < rounds; i++) {
		sim_reload(u->sim);
		snprintf(sim_context, sizeof(sim_context), "damage from page %llu, round %u",
			 (unsigned long long)first, i);
		scribble(u->sim->mem + first * UMFS_PAGE_BYTES, pages * UMFS_PAGE_BYTES,
			 1u << i % 12, &random);
		survive(u);
	}
	sim_context[0] = 0;
}

static void lanes_of_garbage_survived(void **state)
{
	struct unit *u = *state;

	damage(u, u->fs->geo.lanes_page, 2ull * u->fs->geo.lanes_per_slot * UMFS_LANE_PAGES, 400);
}

static void runtime_of_garbage_survived(void **state)
{
	struct unit *u = *state;

	damage(u, UMFS_RUNTIME_PAGE, 1 + UMFS_SLOTS_MAX * 64 / UMFS_PAGE_BYTES, 400);
}

static void open_records_of_garbage_survived(void **state)
{
	struct unit *u = *state;

	damage(u, u->fs->geo.irecs_page, 2, 400);
}

static void descriptions_of_garbage_survived(void **state)
{
	struct unit *u = *state;

	damage(u, u->fs->geo.ofds_page, 2, 400);
}

static void reserves_of_garbage_survived(void **state)
{
	struct unit *u = *state;

	damage(u, u->fs->geo.reserves_page, 1, 400);
}

static void group_table_of_garbage_survived(void **state)
{
	struct unit *u = *state;

	damage(u, u->fs->geo.gtable_page, 1, 400);
}

static void bitmaps_of_garbage_survived(void **state)
{
	struct unit *u = *state;

	damage(u, u->fs->geo.groups_page, 2, 400);
}

static void inodes_of_garbage_survived(void **state)
{
	struct unit *u = *state;

	damage(u, u->fs->geo.groups_page + UMFS_GROUP_HEAD_PAGES, 1, 400);
}

static void tables_and_directories_of_garbage_survived(void **state)
{
	struct unit *u = *state;
	uint64_t head = u->fs->geo.groups_page + UMFS_GROUP_HEAD_PAGES + u->fs->geo.itable_pages;

	damage(u, head, 40, 400);
}

static const struct CMUnitTest tests[] = {
	CASE(pool_after_crash_of_all_recovered),
	CASE(grown_file_trimmed_after_death),
	CASE(recovery_of_clean_pool_changes_nothing),
	CASE(locks_of_the_dead_no_obstacle),
	CASE(group_lock_that_no_lane_noted_no_obstacle),
	CASE(group_lock_of_free_slot_no_obstacle),
	CASE(lanes_of_free_slot_not_obeyed),
	CASE(lane_of_free_slot_that_has_a_group_not_obeyed),
	CASE(slot_in_use_in_clean_pool_not_obeyed),
	CASE(pool_lost_in_recovery_recovered_by_the_next),
	CASE(description_of_free_slot_forgotten),
	CASE(locks_in_the_name_of_who_comes_no_obstacle),
	CASE(recovery_killed_many_times_ends_well),
	CASE(lanes_of_garbage_survived),
	CASE(runtime_of_garbage_survived),
	CASE(open_records_of_garbage_survived),
	CASE(descriptions_of_garbage_survived),
	CASE(reserves_of_garbage_survived),
	CASE(group_table_of_garbage_survived),
	CASE(bitmaps_of_garbage_survived),
	CASE(inodes_of_garbage_survived),
	CASE(tables_and_directories_of_garbage_survived),
};
UNIT_MAIN("recover", tests)
