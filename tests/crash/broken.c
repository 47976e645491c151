// SPDX-License-Identifier: BSD-3-Clause
/*
 * broken.c - every op with the pool lost inside it, on the simulator.
 *
 *	broken MODE [OP]
 *
 * A process has no pool any more once an assertion failed in it or a page of metadata could
 * not be read, in whatever thread. Here that happens after the n-th store of an op, for n =
 * 1, 2, ... until it comes to its end. The op has to come back, with EIO or as if nothing
 * had been; all that is called afterwards answers EIO; the inodes of a transaction that is left
 * for recovery stay locked for it; and whoever attaches when the process is
 * dead finds the tree of before or after, the one after when it was told so, and fsck nothing.
 * Of an op of very many stores only some are tried.
 */
#include "check.h"
#include "internal.h"
#include "ops.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define POOL_BYTES (24 * MIB)
#define POOL_INODES 1024
#define CLOCK_NS 1700000000000000000ll
#define ALL_UP_TO 300u	/* stores: each of these */
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
	uint32_t ino;

	return umfs_getattr(fs, UMFS_ROOT_INO, &attr) == -EIO &&
	       umfs_lookup(fs, UMFS_ROOT_INO, "a", 1, &ino) == -EIO &&
	       umfs_create(fs, &world_root, UMFS_ROOT_INO, "new", 3, 0100644, 0, &ino) == -EIO &&
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

/* False: it was done before the n-th store. */
static bool at_store(const struct op *op, uint64_t n, const struct tree trees[2])
{
	struct stage stage;
	struct sim_proc *proc = start(op, &stage);
	struct tree t = {0};
	struct tree_torn torn;
	char why[256];
	bool fired;
	int err;

	snprintf(sim_context, sizeof(sim_context), "%s, lost at store %llu: ", op->name,
		 (unsigned long long)n);
	victim = &proc->fs;
	left = n;
	sim->on_store = lose;
	err = op->run(&stage);
	sim->on_store = NULL;
	fired = !left;
	left = 0;
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
	return fired;
}

static void run_op(const struct op *op)
{
	struct tree trees[2] = {0};
	uint64_t n = 1, before = points;

	expected(op, trees);
	while (failed < 10 && at_store(op, n, trees))
		n += n < ALL_UP_TO ? 1 : 1 + n / 10;
	printf("%-28s %4llu points of %llu stores\n", op->name, (unsigned long long)(points - before),
	       (unsigned long long)n - 1);
	fflush(stdout);
	tree_free(&trees[0]);
	tree_free(&trees[1]);
}

static void prepare(void)
{
	struct sim_proc *proc;

	sim = sim_new(POOL_BYTES, UMFS_DURABLE_NONE, POOL_INODES);
	if (!sim)
		die("no pool");
	proc = attach();
	op_tree(&proc->fs);
	sim_detach(proc);
	sim_settle(sim);
	sim_track(sim);
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	uint32_t done = 0;
	size_t i;

	for (i = 1; i < 4 && argc > 1; i++)
		if (!strcmp(argv[1], modes[i]))
			mode = (uint32_t)i;
	if (!mode)
		die("usage: broken atomic|sync|posix [OP]");
	prepare();
	for (i = 0; i < op_count && failed < 10; i++) {
		if (!ops[i].run || (ops[i].flags & OP_FREEZES) ||
		    (argc > 2 && strcmp(argv[2], ops[i].name)))
			continue;
		done++;
		run_op(&ops[i]);
	}
	sim_free(sim);
	printf("%u ops, %llu points, %llu failed\n", done, (unsigned long long)points,
	       (unsigned long long)failed);
	return failed || !done;
}
