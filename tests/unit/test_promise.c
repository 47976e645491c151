// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_promise.c - removing and cutting with no record of an open inode left, killed at
 * each store; and promises that make no sense.
 */
#include "unit.h"

#include <stdio.h>

#define TAKEN 0x7ffffff0u /* an inode that nobody has */

/* What is done to the file or directory, and what it may be afterwards. */
struct act {
	const char *name;
	int (*run)(struct umfs *fs);
	uint64_t size_after; /* of /f; GONE: the name is gone */
	const char *path;
};
#define GONE UINT64_MAX

static int do_unlink(struct umfs *fs)
{
	return world_unlink(fs, "/f");
}

static int do_rename(struct umfs *fs)
{
	return world_rename(fs, "/small", "/f");
}

static int do_truncate(struct umfs *fs)
{
	return world_truncate(fs, "/f", 5000);
}

static int do_rmdir(struct umfs *fs)
{
	return world_rmdir(fs, "/dir");
}

static const struct act acts[] = {
	{"unlink", do_unlink, GONE, "/f"},
	{"rename over", do_rename, 0, "/f"},
	{"truncate", do_truncate, 5000, "/f"},
	{"rmdir", do_rmdir, GONE, "/dir"},
};

/* A file with tables of its own, an empty directory of several pages. */
static void fill(struct umfs *fs)
{
	char path[32];
	uint32_t i;

	assert_ok(world_put(fs, "/f", 0, 300000, 1));
	assert_ok(world_put(fs, "/f", 2 * MIB, 100000, 1));
	assert_ok(world_creat(fs, "/small", 0644));
	assert_ok(world_mkdir(fs, "/dir"));
	for (i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "/dir/name-%u", i);
		assert_ok(world_link(fs, "/small", path));
	}
	for (i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "/dir/name-%u", i);
		assert_ok(world_unlink(fs, path));
	}
}

static void take_records(struct umfs *fs, bool take)
{
	uint64_t mine = (uint64_t)fs->epoch << 32 | TAKEN;
	uint32_t i;

	for (i = 0; i < fs->geo.irec_count; i++) {
		struct umfs_irec_pm *rec = umfs_irec(fs, i);

		if (take && ld64(&rec->key) >> 32 != fs->epoch)
			st64(&rec->key, mine);
		else if (!take && ld64(&rec->key) == mine)
			st64(&rec->key, 0);
	}
}

/* Run the act, the process killed at its n-th store; true: it was, and its handle is gone. */
static bool killed(struct sim_proc *proc, const struct act *a, uint64_t n)
{
	static jmp_buf jump;
	struct sim *sim = proc->sim;
	int err;

	if (setjmp(jump)) {
		sim_kill(proc);
		return true;
	}
	sim_kill_arm(sim, n, &jump);
	err = a->run(&proc->fs);
	sim_kill_arm(sim, 0, NULL);
	assert_ok(err);
	return false;
}

/* Before or after the act; then by hand, so that always the same is left. */
static void look(struct umfs *fs, const struct act *a, bool complete)
{
	uint64_t before = 2 * MIB + 100000;
	struct umfs_attr attr;
	int err = world_stat(fs, a->path, &attr);

	if (a->size_after == GONE) {
		assert_true(err == -ENOENT || (!err && !complete));
		if (!err)
			assert_ok(a->run(fs));
		return;
	}
	assert_ok(err);
	assert_true(attr.size == a->size_after || (attr.size == before && !complete));
	if (attr.size == before)
		assert_ok(a->run(fs));
}

/* Pages in use once all is done; who comes next finds nothing left to free. */
static uint64_t pages_after(struct unit *u)
{
	uint64_t free;

	sim_detach(u->proc);
	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
	free = unit_pages_free(u);
	return free;
}

/* All records stay taken while the survivor, or the next to attach, recovers. */
static bool one_death(struct unit *u, const struct act *a, bool survivor, uint64_t n,
		      uint64_t *free)
{
	struct sim_proc *proc;
	char why[256];
	bool dead;

	sim_reload(u->sim);
	u->proc = unit_attach(u);
	proc = survivor ? unit_attach(u) : u->proc;
	take_records(&u->proc->fs, true);
	dead = killed(proc, a, n);
	if (dead && !survivor)
		u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
	if (!dead && survivor)
		sim_kill(proc);
	assert_ok(world_creat(u->fs, "/meets-the-dead", 0644));
	look(u->fs, a, !dead);
	take_records(u->fs, false);
	if (!dead)
		*free = pages_after(u);
	else
		assert_int_equal(pages_after(u), *free);
	sim_detach(u->proc);
	if (image_check(u->sim, why))
		fail_msg("%s, store %llu: %s", a->name, (unsigned long long)n, why);
	return dead;
}

static void all_deaths(struct unit *u, bool survivor)
{
	uint64_t n, free = 0;
	uint32_t i;

	u->sim->log = NULL;
	fill(u->fs);
	sim_detach(u->proc);
	sim_settle(u->sim);
	for (i = 0; i < UMFS_ARRAY_LEN(acts); i++) {
		assert_false(one_death(u, &acts[i], survivor, 1000000, &free));
		for (n = 1; one_death(u, &acts[i], survivor, n, &free); n++)
			;
		assert_true(n > 10);
	}
	sim_reload(u->sim);
	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
}

static void killed_without_records_survivor_frees(void **state)
{
	all_deaths(*state, true);
}

static void killed_without_records_next_attacher_frees(void **state)
{
	all_deaths(*state, false);
}

/* ---- promises that nobody made ---- */

static void promise(struct sim_proc *proc, uint32_t lane, umfs_node node)
{
	st64(&umfs_lane(&proc->fs, proc->fs.slot, lane)->promise, node);
}

static umfs_node put(struct unit *u, const char *path)
{
	struct umfs_attr attr;
	uint32_t ino;

	assert_ok(world_put(u->fs, path, 0, 30000, 1));
	assert_ok(world_ino(u->fs, path, &ino));
	assert_ok(umfs_getattr(u->fs, ino, &attr));
	return umfs_node_of(ino, attr.generation);
}

static void promise_about_files_in_use_frees_nothing(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_file file;
	struct umfs_attr attr;
	umfs_node node;

	u->sim->log = NULL;
	unit_lanes_used(u, other->fs.slot);
	node = put(u, "/closed");
	promise(other, 0, node);
	promise(other, 1, node + (1ull << 32)); /* the next to have that inode */
	promise(other, 2, UMFS_ROOT_INO);
	assert_ok(world_open(u->fs, "/open", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 30000, 1));
	assert_ok(world_unlink(u->fs, "/open"));
	promise(other, 3, umfs_file_node(&file));
	sim_kill(other);
	assert_ok(umfs_slot_recover(u->fs, 1));
	assert_ok(world_stat(u->fs, "/closed", &attr));
	assert_int_equal(attr.size, 30000);
	assert_int_equal(attr.blocks_512, 9 * 8); /* eight pages and their table */
	assert_ok(umfs_getattr(u->fs, umfs_file_node(&file), &attr));
	assert_int_equal(attr.size, 30000);
	world_close(&file);
	assert_err(umfs_getattr(u->fs, umfs_file_node(&file), &attr), ESTALE);
}

/* The last lane of the slot has taken the file's last link away, and did not commit. */
static void take_link(struct umfs *fs, uint32_t ino)
{
	struct umfs_inode_pm *inode = umfs_inode(fs, ino);
	struct umfs_tx tx = {.fs = fs, .slot = fs->slot};

	tx.lane = umfs_lane(fs, fs->slot, fs->geo.lanes_per_slot - 1);
	umfs_tx_begin(&tx);
	assert_ok(umfs_tx_save(&tx, inode, UMFS_INODE_CRC_BYTES));
	umfs_tx_fence(&tx);
	st32(&inode->nlink, 0);
	umfs_inode_seal(inode, ino);
}

/*
 * A promise that was kept is there again after a power cut, and since then another lane, of
 * the same slot or another, was changing the file.
 */
static void promise_looks_at_what_is_left_when_all_is_undone(void **state)
{
	struct unit *u = *state;
	struct umfs_attr attr;
	uint32_t round;
	umfs_node node;

	u->sim->log = NULL;
	node = put(u, "/f");
	for (round = 0; round < 3; round++) {
		struct sim_proc *other = unit_attach(u);

		unit_lanes_used(u, other->fs.slot);
		if (round == 0) {
			unit_lanes_used(u, u->fs->slot);
			promise(u->proc, 0, node);
		} else {
			promise(other, 0, node);
		}
		take_link(&other->fs, (uint32_t)node);
		sim_kill(other);
		take_records(u->fs, true); /* or one would take the promise over */
		if (round == 2)
			assert_ok(umfs_slot_recover(u->fs, 1));
		else
			unit_die(u);
		take_records(u->fs, false);
		assert_ok(world_stat(u->fs, "/f", &attr));
		assert_int_equal(attr.nlink, 1);
		assert_int_equal(attr.blocks_512, 9 * 8);
	}
}

static void promise_about_a_locked_file_is_not_kept(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_inode_pm *inode;
	struct umfs_attr attr;
	struct umfs_tx tx;
	umfs_node node;
	uint32_t ino;

	u->sim->log = NULL;
	unit_lanes_used(u, other->fs.slot);
	node = put(u, "/f");
	ino = (uint32_t)node;
	inode = umfs_inode(u->fs, ino);
	assert_ok(umfs_enter(u->fs, &tx, &ino, 1));
	promise(other, 0, node);
	promise(other, 1, umfs_node_of(0x7fffffff, 1));
	sim_kill(other);
	assert_ok(umfs_slot_recover(u->fs, 1));
	assert_false(umfs_lock_free(u->fs, ld64(&inode->lock)));
	umfs_leave(&tx, &ino, 1);
	assert_ok(world_stat(u->fs, "/f", &attr));
}

/*
 * A power cut in a recovery kept the first words of a record and the inode's, that leads to
 * it: the rest is of whoever had the record before.
 */
static void record_claimed_in_part_is_completed(void **state)
{
	struct unit *u = *state;
	struct umfs_irec_pm *rec;
	struct umfs_inode_pm *inode;
	struct umfs_file file;
	uint32_t flags;

	u->sim->log = NULL;
	for (flags = 0; flags <= UMFS_IREC_ORPHAN; flags++) {
		assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
		assert_ok(world_unlink(u->fs, "/f"));
		inode = umfs_inode(u->fs, (uint32_t)file.ino);
		rec = umfs_irec_find(u->fs, inode, (uint32_t)file.ino);
		st32(&rec->generation, ld32(&inode->generation) + 7);
		st32(&rec->flags, flags);
		unit_lanes_used(u, u->fs->slot);
		promise(u->proc, 0, umfs_file_node(&file));
		unit_die(u);
		assert_int_equal(ld32(&umfs_inode(u->fs, (uint32_t)file.ino)->mode), 0);
	}
}

static const struct CMUnitTest tests[] = {
	CASE(killed_without_records_survivor_frees),
	CASE(killed_without_records_next_attacher_frees),
	CASE(promise_about_files_in_use_frees_nothing),
	CASE(promise_looks_at_what_is_left_when_all_is_undone),
	CASE(promise_about_a_locked_file_is_not_kept),
	CASE(record_claimed_in_part_is_completed),
};

UNIT_MAIN("promise", tests)
