// SPDX-License-Identifier: BSD-3-Clause
/*
 * deaths.c - a process dies inside a call, another goes on with what it left, and then
 * power goes.
 *
 * The other one needs pages before anything else, or frees some first, and so makes the dead
 * one let go of the group that it may have locked, and then recovers it. At each fence of
 * that lines are lost. What is found then must be the tree before the call or after it, the
 * other one's files whole, and no page may be two's or nobody's.
 *
 * The call dies at some of its stores: at those that are made durable at once, being commit
 * points, at those where a group is locked or frees are under way, since what is done then is
 * done again, and at some others.
 */
#include "explore.h"

#include "check.h"
#include "internal.h"

#include <stdlib.h>

#define OTHERS "/others"
#define OTHERS_BYTES (3 * UMFS_PAGE_BYTES) /* in the end */
#define FREED "/others too"
#define FREED_BYTES 100u /* at first */
#define STORES_MAX 100000u
#define INSIDE_MAX 8u /* stores of each of both kinds that it dies at */
#define COMMITS_MAX 4u
#define OUTSIDE_MAX 2u

struct deaths {
	const struct op *op;
	uint32_t mode;
	struct sim *base, *sim;
	struct sim_log log;
	struct sim_proc *dying, *other;
	struct umfs_file file; /* the other one's */
	struct stage stage;
	struct tree trees[2];
	uint64_t n;
	struct explored *sum;
};

static void make(struct umfs *fs)
{
	op_tree(fs);
	need(world_creat(fs, OTHERS, 0644));
	need(world_put(fs, FREED, 0, FREED_BYTES, 1));
}

static struct sim_proc *attach(struct sim *sim, uint32_t mode)
{
	int err;
	struct sim_proc *proc = sim_attach(sim, mode, &err);

	if (!proc)
		die("attach: %s", strerror(-err));
	return proc;
}

static int fail(struct deaths *d, const char *at, const char *why)
{
	printf("FAIL deaths: %s: died at store %llu: %s: %s\n", d->op->name,
	       (unsigned long long)d->n, at, why);
	d->sum->failed = true;
	return 1;
}

/* Both are there, and the call is about to be made. */
static void begin(struct deaths *d)
{
	d->sim = sim_copy(d->base);
	if (!d->sim)
		die("out of memory");
	sim_log_clear(&d->log);
	d->sim->log = &d->log;
	d->dying = attach(d->sim, d->mode);
	d->other = attach(d->sim, d->mode);
	need(world_open(&d->other->fs, OTHERS, O_RDWR, &d->file));
	memset(&d->stage, 0, sizeof(d->stage));
	d->stage.fs = &d->dying->fs;
	if (d->op->prepare)
		need(d->op->prepare(&d->stage));
}

static void end(struct deaths *d)
{
	d->sim->log = NULL;
	if (d->dying)
		sim_kill(d->dying);
	sim_kill(d->other);
	d->dying = NULL;
	sim_free(d->sim);
}

/* ---- where to die ---- */

enum kind { OUTSIDE, INSIDE, COMMIT };

static const struct deaths *watched;
static uint64_t store_count;
static uint8_t kinds[STORES_MAX];
static size_t behind[STORES_MAX]; /* the event that follows the store */

static bool is_inside(const struct umfs *fs)
{
	uint32_t i;

	for (i = 0; i < fs->geo.lanes_per_slot; i++) {
		const struct umfs_lane_pm *lane = umfs_lane(fs, fs->slot, i);

		if (umfs_bits_held(fs, fs->slot, lane) ||
		    (ld64(&lane->state) & 3) == UMFS_TX_COMMITTED)
			return true;
	}
	return false;
}

static void note_store(void)
{
	if (++store_count >= STORES_MAX)
		return;
	kinds[store_count] = is_inside(&watched->dying->fs) ? INSIDE : OUTSIDE;
	behind[store_count] = watched->log.count;
}

/* What is written back and fenced as soon as it is stored: mostly a commit point. */
static void find_commits(const struct deaths *d)
{
	uint64_t n;

	for (n = 1; n <= store_count && n < STORES_MAX; n++) {
		const struct sim_event *e = &d->log.events[behind[n]];

		if (kinds[n] == OUTSIDE && behind[n] + 1 < d->log.count &&
		    e[0].kind == SIM_FLUSH && e[1].kind == SIM_FENCE)
			kinds[n] = COMMIT;
	}
}

/* Undisturbed: the trees before and after, and which stores are which. */
static void look_on(struct deaths *d)
{
	struct sim_proc *reader;
	char why[256];
	uint32_t i;

	begin(d);
	for (i = 0; i < 2; i++) {
		struct sim *copy;

		if (i) {
			watched = d;
			store_count = 0;
			d->sim->on_store = note_store;
			need(d->op->run(&d->stage));
			d->sim->on_store = NULL;
			find_commits(d);
		}
		d->sim->log = NULL; /* a fence is one for all pools */
		copy = sim_copy(d->sim);
		if (!copy)
			die("out of memory");
		reader = attach(copy, d->mode);
		if (tree_read(&reader->fs, &d->trees[i], why))
			die("%s: %s", d->op->name, why);
		sim_kill(reader);
		sim_free(copy);
		d->sim->log = &d->log;
	}
	end(d);
}

/* ---- what is found ---- */

/* A file of the other one's is taken out of the tree: `full` bytes of that version, or none. */
static int take_one(struct tree *t, const char *path, uint64_t full, uint32_t version, char why[256])
{
	struct node *node = (struct node *)(uintptr_t)tree_find(t, path);
	uint64_t size = node ? node->attr.size : 1;
	uint8_t *want;
	int bad;

	if (size && size != full) {
		snprintf(why, 256, "%s has %llu bytes", path, (unsigned long long)size);
		return -1;
	}
	want = malloc(full);
	if (!want)
		die("out of memory");
	world_fill(want, full, 0, version);
	bad = node->data_bytes != size || memcmp(node->data, want, size);
	free(want);
	if (bad)
		snprintf(why, 256, "%s is not what was written", path);
	free(node->path);
	free(node->data);
	free(node->xattrs);
	t->count--;
	memmove(node, node + 1, (size_t)(t->nodes + t->count - node) * sizeof(*node));
	return bad ? -1 : 0;
}

static int take_others(struct tree *t, char why[256])
{
	int err = take_one(t, OTHERS, OTHERS_BYTES, 9, why);

	return err ? err : take_one(t, FREED, FREED_BYTES, 1, why);
}

static int look(struct deaths *d, char why[256])
{
	struct tree_torn torn = op_torn(d->op, d->mode, true, false);
	struct tree t = {0};
	int err;
	struct sim_proc *proc;

	if (explore_free_slots(d->sim, why))
		return -1;
	proc = sim_attach(d->sim, d->mode, &err);
	if (!proc) {
		snprintf(why, 256, "attach: %s", strerror(-err));
		return -1;
	}
	err = tree_read(&proc->fs, &t, why);
	if (!err)
		err = take_others(&t, why);
	if (!err)
		err = tree_between(&t, d->trees, 1, &torn, why);
	if (!err)
		err = tree_use(&proc->fs, &t, why);
	tree_free(&t);
	sim_detach(proc);
	return err ? err : image_check(d->sim, why);
}

static int image(void *arg, const struct sim_point *point)
{
	struct deaths *d = arg;
	char why[256];

	snprintf(sim_context, sizeof(sim_context), "deaths: %s, store %llu: %s", d->op->name,
		 (unsigned long long)d->n, point->what);
	d->sum->points++;
	return look(d, why) ? fail(d, point->what, why) : 0;
}

/* ---- one death ---- */

/*
 * Pages that the dead one may have freed; before that, where `frees`, some are freed: who
 * does that makes the dead one let go of the group, and leaves the rest for later.
 */
static void go_on(struct deaths *d, uint32_t slot, bool frees)
{
	struct umfs *fs = &d->other->fs;
	int err = frees ? world_truncate(fs, FREED, 0) : 0;

	if (err)
		fail(d, "the other truncates", strerror(-err));
	explore_hint_low(fs);
	err = world_append(&d->file, OTHERS_BYTES, 9);
	if (err && err != -ENOSPC)
		fail(d, "the other appends", strerror(-err));
	err = umfs_slot_recover(fs, slot);
	if (err)
		fail(d, "the other recovers", strerror(-err));
	if (fs->zombies)
		umfs_reap(fs, true);
}

static void die_at(struct deaths *d, uint64_t n, bool frees)
{
	static jmp_buf jump;
	uint32_t slot;
	size_t first;

	d->n = n;
	snprintf(sim_context, sizeof(sim_context), "deaths: %s, store %llu", d->op->name,
		 (unsigned long long)n);
	begin(d);
	if (!setjmp(jump)) {
		sim_kill_arm(d->sim, n, &jump);
		need(d->op->run(&d->stage));
		sim_kill_arm(d->sim, 0, NULL);
	}
	slot = d->dying->fs.slot;
	sim_kill(d->dying);
	d->dying = NULL;
	first = d->log.count;
	go_on(d, slot, frees);
	d->sim->log = NULL;
	if (getenv("UMFS_CRASH_TRACE"))
		sim_trace(&d->log, first - UMFS_MIN(first, (size_t)30), &d->other->fs.geo);
	d->sum->events += d->log.count - first;
	if (!d->sum->failed)
		sim_images_cut(d->sim, &d->log, first, &explore_effort.cut, image, d);
	sim_kill(d->other);
	sim_free(d->sim);
}

/* Some of the stores of that kind, in turn with the one and the other way to go on. */
static void die_at_some(struct deaths *d, enum kind kind, uint64_t max)
{
	uint64_t count = 0, at = 0, done = 0, n;

	max *= explore_effort.deaths;
	for (n = 1; n <= store_count && n < STORES_MAX; n++)
		count += kinds[n] == kind;
	for (n = 1; n <= store_count && n < STORES_MAX && !d->sum->failed; n++) {
		if (kinds[n] != kind)
			continue;
		if (count <= max || at * max / count != (at + 1) * max / count) {
			die_at(d, n, done++ % 2);
			if (explore_effort.deaths > 1 && !d->sum->failed)
				die_at(d, n, done % 2);
		}
		at++;
	}
}

bool explore_deaths(const struct op *op, uint32_t mode, struct explored *sum)
{
	struct deaths d = {.op = op, .mode = mode, .sum = sum};
	char why[256];
	uint32_t i;

	d.base = explore_base(op, mode, UMFS_DURABLE_FLUSH, make);
	look_on(&d);
	sum->tree = tree_hash(&d.trees[1]);
	for (i = 0; i < 2; i++)
		if (take_others(&d.trees[i], why))
			die("deaths: %s: %s", op->name, why);
	die_at_some(&d, COMMIT, COMMITS_MAX);
	die_at_some(&d, INSIDE, INSIDE_MAX);
	die_at_some(&d, OUTSIDE, OUTSIDE_MAX);
	for (i = 0; i < 2; i++)
		tree_free(&d.trees[i]);
	sim_log_free(&d.log);
	sim_free(d.base);
	return !sum->failed;
}
