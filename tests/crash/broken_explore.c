// SPDX-License-Identifier: BSD-3-Clause
/*
 * broken_explore.c - see broken.h.
 */
#include "broken.h"

#include "check.h"
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#define POOL_INODES 1024
#define CLOCK_NS 1700000000000000000ll
#define ALL_UP_TO 300u	/* stores: each of these */
#define BESIDE_MAX MIB	/* bytes that somebody else writes in one call */
#define CHECK_EACH 8u	/* fsck looks at each so many-th pool, and the last */

static struct sim *sim;
static uint32_t mode;
static uint64_t left, points, failed;
static struct umfs *victim;

static void lose(void)
{
	if (left && !--left)
		victim->broken = 1;
}

static void fail(const struct op *op, uint64_t n, const char *why)
{
	printf("FAIL %s: lost at store %llu: %s\n", op->name, (unsigned long long)n, why);
	failed++;
}

static struct sim_proc *attach(void)
{
	int err;
	struct sim_proc *proc = sim_attach(sim, mode, &err);

	if (!proc)
		die("can not attach: %s", strerror(-err));
	return proc;
}

/* The op's process, about to do it. */
static struct sim_proc *start(const struct op *op, struct stage *stage)
{
	struct sim_proc *proc;

	sim_reload(sim);
	sim->now_ns = CLOCK_NS;
	proc = attach();
	*stage = (struct stage){.fs = &proc->fs};
	if (op->prepare)
		need(op->prepare(stage));
	return proc;
}

/* It dies, and somebody else looks. */
static int look(struct sim_proc *proc, struct tree *t, char why[256])
{
	struct sim_proc *other;
	int bad;

	sim_kill(proc);
	other = attach();
	bad = tree_read(&other->fs, t, why);
	sim_detach(other);
	return bad;
}

/* What is to be found: before, and after it was done by a pool that is not lost. */
static void expected(const struct op *op, struct tree trees[2])
{
	struct stage stage;
	struct sim_proc *proc = start(op, &stage);
	char why[256];

	if (look(proc, &trees[0], why))
		die("%s: %s", op->name, why);
	proc = start(op, &stage);
	need(op->run(&stage));
	if (look(proc, &trees[1], why))
		die("%s: %s", op->name, why);
}

/* Whatever is asked of it now, it has nothing to say. */
static bool answers_eio(struct umfs *fs)
{
	struct umfs_attr attr;
	uint32_t found;
	umfs_node node;

	return umfs_getattr(fs, UMFS_ROOT_INO, &attr) == -EIO &&
	       umfs_lookup(fs, UMFS_ROOT_INO, "a", 1, &found) == -EIO &&
	       umfs_create(fs, &world_root, UMFS_ROOT_INO, "new", 3, 0100644, 0, &node) == -EIO &&
	       umfs_chmod(fs, &world_root, UMFS_ROOT_INO, 0700) == -EIO;
}

/*
 * A transaction that recovery will undo or finish at the process's end keeps its inodes from
 * others until then, and nothing else does.
 */
static bool kept_for_recovery(struct umfs *fs)
{
	bool left_over = false, held = false;
	uint32_t i;

	for (i = 0; i < UMFS_LANES_MAX; i++)
		left_over |= (ld64(&umfs_lane(fs, fs->slot, i)->state) & 3) != UMFS_TX_IDLE;
	for (i = UMFS_ROOT_INO; i < POOL_INODES; i++) {
		const struct umfs_inode_pm *in = umfs_inode(fs, i);

		held |= in && umfs_lock_held_by(fs, ld64(&in->lock), fs->slot);
	}
	return held == left_over;
}

/* What the lost process left in the file that the op writes is no longer its own, once it is unlocked. */
static void write_beside(const struct op *op, uint64_t n, struct sim_proc *proc)
{
	struct sim_proc *other = attach();
	uint8_t *want = malloc(op->len), *got = malloc(op->len);
	uint32_t slot = proc->fs.slot, ino;
	struct umfs_file file;

	if (!want || !got)
		die("out of memory");
	need(world_ino(&other->fs, op->path, &ino));
	if (!umfs_lock_held_by(&other->fs, ld64(&umfs_inode(&other->fs, ino)->lock), slot)) {
		need(world_put(&other->fs, op->path, op->off, op->len, 3));
		sim_kill(proc);
		need(umfs_slot_recover(&other->fs, slot));
		world_fill(want, op->len, op->off, 3);
		need(world_open(&other->fs, op->path, O_RDONLY, &file));
		if (umfs_pread(&file, got, op->len, op->off) != (int64_t)op->len ||
		    memcmp(got, want, op->len))
			fail(op, n, "what another wrote since is undone");
		world_close(&file);
		sim_kill(other);
		return;
	}
	sim_kill(proc);
	sim_kill(other);
}

/* The op with the pool lost; *err is what it answers. False: it was done before the n-th store. */
static bool run_lost(const struct op *op, uint64_t n, struct sim_proc **proc, int *err)
{
	struct stage stage;
	bool fired;

	*proc = start(op, &stage);
	victim = &(*proc)->fs;
	left = n;
	sim->on_store = lose;
	*err = op->run(&stage);
	sim->on_store = NULL;
	fired = !left;
	left = 0;
	return fired;
}

/* False: it was done before the n-th store. */
static bool at_store(const struct op *op, uint64_t n, const struct tree trees[2])
{
	struct sim_proc *proc;
	struct tree t = {0};
	struct tree_torn torn;
	char why[256];
	bool fired;
	int err;

	snprintf(sim_context, sizeof(sim_context), "%s, lost at store %llu: ", op->name,
		 (unsigned long long)n);
	fired = run_lost(op, n, &proc, &err);
	if (err && err != -EIO) {
		snprintf(why, sizeof(why), "it says %s", strerror(-err));
		fail(op, n, why);
	}
	if (fired && !answers_eio(&proc->fs))
		fail(op, n, "the process goes on with it");
	if (fired && !kept_for_recovery(&proc->fs))
		fail(op, n, "what recovery will change is free, or what it will not is held");
	torn = op_torn(op, mode, false, !err);
	torn.times = false;
	if (look(proc, &t, why) || tree_between(&t, trees, 1, &torn, why) ||
	    ((!fired || n % CHECK_EACH == 0) && image_check(sim, why)))
		fail(op, n, why);
	tree_free(&t);
	points += fired;
	if (fired && err && op->path && !(op->flags & OP_ALONE) && op->len <= BESIDE_MAX && !failed &&
	    run_lost(op, n, &proc, &err))
		write_beside(op, n, proc);
	return fired;
}

/* Stores to what it has mapped itself, which no pool can refuse. */
static bool stores_itself(const struct op *op)
{
	return op->flags & (OP_LEASE | OP_FSYNC);
}

/*
 * The op by who may change nothing: the pool was lost before, or is only looked at. It says so,
 * unless nothing was to be seen of it anyway, and there is the tree of before.
 */
static void by_who_may_not(const struct op *op, bool readonly, const struct tree trees[2])
{
	struct tree_torn torn = op_torn(op, mode, false, false);
	struct stage stage;
	struct sim_proc *proc = start(op, &stage);
	struct tree t = {0};
	char why[256];
	int err, bad;

	snprintf(sim_context, sizeof(sim_context), "%s, %s before: ", op->name,
		 readonly ? "read-only" : "lost");
	if (readonly)
		proc->fs.readonly = 1;
	else
		proc->fs.broken = 1;
	err = op->run(&stage);
	if (err ? err != (readonly ? -EROFS : -EIO)
		: !stores_itself(op) && tree_differ(&trees[1], &trees[0], NULL, why))
		fail(op, 0, err ? strerror(-err) : "it says that it was done");
	bad = look(proc, &t, why) || image_check(sim, why);
	if (!bad)
		bad = stores_itself(op) ? tree_between(&t, trees, 1, &torn, why)
					: tree_differ(&t, &trees[0], NULL, why);
	if (bad)
		fail(op, 0, why);
	tree_free(&t);
}

static struct sim *new_pool(uint64_t bytes)
{
	struct sim_proc *proc;

	sim = sim_new(bytes, UMFS_DURABLE_NONE, POOL_INODES);
	if (!sim)
		die("no pool");
	proc = attach();
	op_tree(&proc->fs);
	sim_detach(proc);
	sim_settle(sim);
	sim_track(sim);
	return sim;
}

bool broken_explore(const struct op *op, uint32_t in_mode, struct explored *sum)
{
	static struct sim *pools[4][2]; /* with room for leases or without */
	uint32_t leases = op->flags & OP_LEASE ? 1 : 0;
	struct tree trees[2] = {0};
	uint64_t n = 1;

	mode = in_mode;
	points = failed = 0;
	if (!pools[mode][leases])
		pools[mode][leases] = new_pool(op_pool_bytes(op));
	sim = pools[mode][leases];
	expected(op, trees);
	by_who_may_not(op, false, trees);
	by_who_may_not(op, true, trees);
	while (!failed && at_store(op, n, trees))
		n += n < ALL_UP_TO ? 1 : 1 + n / 10;
	sum->events += n - 1;
	sum->points += points;
	sum->tree = tree_hash(&trees[1]);
	sum->failed |= failed != 0;
	tree_free(&trees[0]);
	tree_free(&trees[1]);
	return !failed;
}
