// SPDX-License-Identifier: BSD-3-Clause
/*
 * kill.c - every op, by a real process that is killed at each of its stores,
 * while another one has the same pool attached.
 *
 *	kill MODE FSCK [OP]
 *
 * The pool is a file in shared memory. For n = 1, 2, ... until the op comes to
 * its end, a child attaches, prepares, and dies by SIGKILL right after its n-th
 * store. The other process then has to read the whole tree within a second and
 * find it as before or as after, use it, and leave a pool in which fsck finds
 * nothing (asked at every 16th n and at the last).
 */
#include "kill.h"
#include "ops.h"
#include "real.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOL_BYTES (24 * MIB)
#define POOL_INODES 1024
#define DELAY_NS 1000000000ull
#define FSCK_EVERY 16
#define WORKERS 6
#define LONG_STEP 25 /* of an OP_LONG op only each so-many-th store */
/* A delay that the death is to blame for comes again; one of the machine's does not. */
#define DELAY_TRIES 3

struct run {
	const struct op *op;
	uint32_t mode;
	const char *fsck;
	char path[256];
	struct real_image *start;
	struct tree trees[2]; /* before and after */
	uint64_t points, slowest_ns;
	uint64_t took_ns; /* the last reader */
	bool failed;
};

#define NEVER 0 /* n: run it to its end */
#define AT_ONCE UINT64_MAX

/* ---- the process that dies ---- */

static _Noreturn void child(const struct run *r, uint64_t n)
{
	struct pool *pool = NULL;
	struct stage stage = {0};

	if (n != NEVER && n != AT_ONCE && (r->op->flags & OP_ATTACH))
		port_kill_arm(n);
	if (!(n == AT_ONCE && (r->op->flags & OP_ATTACH)))
		pool = real_attach(r->path, r->mode);
	if (pool) {
		stage.fs = &pool->fs;
		if (r->op->prepare)
			need(r->op->prepare(&stage));
	}
	if (n == AT_ONCE)
		raise(SIGKILL);
	if (n != NEVER && !(r->op->flags & OP_ATTACH))
		port_kill_arm(n);
	if (r->op->flags & OP_DETACH)
		umfs_detach(&pool->fs);
	else if (r->op->run)
		need(r->op->run(&stage));
	port_kill_disarm();
	_exit(0); /* without a detach: a death all the same */
}

/* True when it was killed. */
static bool run_child(const struct run *r, uint64_t n)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid)
		child(r, n);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("%s, store %llu: the child ended with %x", r->op->name, (unsigned long long)n,
		    status);
	return false;
}

/* ---- the one that goes on ---- */

static int fail(struct run *r, uint64_t n, const char *why)
{
	printf("FAIL %s: killed at store %llu: %s\n", r->op->name, (unsigned long long)n, why);
	r->failed = true;
	return -1;
}

static void snapshot(struct run *r, uint64_t n, struct tree *t)
{
	struct pool *pool;
	char why[256];

	real_restore(r->path, r->start);
	pool = real_attach(r->path, r->mode);
	(void)run_child(r, n);
	if (tree_read(&pool->fs, t, why))
		die("%s: %s", r->op->name, why);
	pool_close(pool);
	free(pool);
}

static int survive(struct run *r, struct umfs *fs, uint64_t n, bool complete)
{
	struct tree_torn torn = op_torn(r->op, r->mode, false, complete);
	uint64_t start = now_ns();
	struct tree t;
	char why[256];
	int err = tree_read(fs, &t, why);

	r->took_ns = now_ns() - start;
	if (!err)
		err = tree_between(&t, r->trees, 1, &torn, why);
	if (!err)
		err = tree_use(fs, &t, why);
	tree_free(&t);
	return err ? fail(r, n, why) : 0;
}

/* On a fresh pool. True: killed. */
static bool kill_at(struct run *r, uint64_t n)
{
	struct pool *pool;
	bool killed;

	real_restore(r->path, r->start);
	pool = real_attach(r->path, r->mode);
	killed = run_child(r, n);
	(void)survive(r, &pool->fs, n, !killed);
	pool_close(pool);
	free(pool);
	return killed;
}

static void fail_delayed(struct run *r, uint64_t n)
{
	char why[80];

	snprintf(why, sizeof(why), "the other process was delayed by %llu ms",
		 (unsigned long long)(r->took_ns / 1000000));
	fail(r, n, why);
}

/* True: killed, and there may be more stores. */
static bool one(struct run *r, uint64_t n)
{
	bool killed = kill_at(r, n);
	uint32_t tries;

	for (tries = 1; !r->failed && r->took_ns > DELAY_NS && tries < DELAY_TRIES; tries++)
		killed = kill_at(r, n);
	if (r->took_ns > DELAY_NS)
		fail_delayed(r, n);
	r->slowest_ns = UMFS_MAX(r->slowest_ns, r->took_ns);
	r->points += killed;
	if (!r->failed && (!killed || n % FSCK_EVERY == 0) && real_fsck(r->fsck, r->path))
		fail(r, n, "fsck finds damage");
	return killed && !r->failed;
}

static bool run_op(struct run *r, const struct op *op)
{
	uint64_t n = 1;

	r->op = op;
	r->points = r->slowest_ns = 0;
	r->failed = false;
	snapshot(r, AT_ONCE, &r->trees[0]);
	snapshot(r, NEVER, &r->trees[1]);
	while (one(r, n))
		n += (op->flags & OP_LONG) ? LONG_STEP : 1;
	if (!r->points && !r->failed)
		fail(r, 0, "never killed: not one store");
	printf("%-24s killed at %5llu stores, slowest reader %3llu ms%s\n", op->name,
	       (unsigned long long)r->points, (unsigned long long)(r->slowest_ns / 1000000),
	       r->failed ? "  FAILED" : "");
	fflush(stdout);
	tree_free(&r->trees[0]);
	tree_free(&r->trees[1]);
	return !r->failed;
}

/* Every so-many-th op from `first` on, on a pool of its own. Ops that failed. */
static uint32_t work(struct run *r, uint32_t first, uint32_t step, const char *only)
{
	struct pool *pool;
	uint32_t bad = 0, done = 0, i;
	char name[16];

	snprintf(name, sizeof(name), "kill%u", first);
	real_make(r->path, name, POOL_BYTES, UMFS_DURABLE_NONE, POOL_INODES);
	pool = real_attach(r->path, r->mode);
	op_tree(&pool->fs);
	pool_close(pool);
	free(pool);
	r->start = real_save(r->path);
	for (i = first; i < op_count; i += step)
		if (!(ops[i].flags & OP_ALONE) && (!only || !strcmp(only, ops[i].name))) {
			bad += !run_op(r, &ops[i]);
			done++;
		}
	if (!done)
		die("kill: no such op");
	real_image_free(r->start);
	unlink(r->path);
	return bad;
}

/* The time goes into waiting for locks of the dead: several at once. */
static uint32_t work_all(struct run *r)
{
	uint32_t bad = 0, i;
	int status;

	fflush(stdout);
	for (i = 0; i < WORKERS; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			exit((int)work(r, i, WORKERS, NULL));
	}
	for (i = 0; i < WORKERS; i++) {
		if (wait(&status) < 0)
			die("wait");
		bad += WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 1;
	}
	return bad;
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	struct run r = {0};
	uint32_t bad, i;

	for (i = 1; i < 4 && argc > 1; i++)
		if (!strcmp(argv[1], modes[i]))
			r.mode = i;
	if (!r.mode || argc < 3)
		die("usage: kill atomic|sync|posix FSCK [OP]");
	r.fsck = argv[2];
	bad = argc > 3 ? work(&r, 0, 1, argv[3]) : work_all(&r);
	printf("%zu ops, %u failed\n", argc > 3 ? (size_t)1 : op_count, bad);
	return bad != 0;
}
