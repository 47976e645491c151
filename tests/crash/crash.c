// SPDX-License-Identifier: BSD-3-Clause
/*
 * crash.c - every op, cut short everywhere, on the simulator.
 *
 *	crash MODE none|eadr|flush [OP]
 *
 * none: the process dies after each store. What is left is looked at by a new
 *	first attacher (all others dead too), by a process that attached before and
 *	recovers the dead one's slot, and by one that does not know and runs into
 *	the dead one's locks.
 * flush: power goes at each fence and at the end, with the lines then pending
 *	on the medium or not.
 * eadr: power goes after each store; what was stored is there, but for parts of
 *	what was stored past the caches and not fenced.
 *
 * Each time: the tree is the one before or the one after, the one after once
 * the call returned; it can be used; a full check finds nothing. At some of the
 * points the recovery is cut short too, and recovered from.
 *
 * UMFS_CRASH_EFFORT=n tries n times as many images; UMFS_CRASH_SEED=n picks
 * others; UMFS_CRASH_KEEP=FILE keeps the image that failed; UMFS_CRASH_TRACE=1
 * lists what the op stored, flushed and fenced.
 */
#include "check.h"
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POOL_BYTES (24 * MIB)
#define POOL_INODES 1024
#define RECOVERY_POINTS 6 /* of each op at which the recovery is cut short too */

enum way { WAY_FIRST, WAY_SLOT, WAY_LOCK, WAY_COUNT };
static const char *const way_names[] = {"new first attacher", "slot recovered by another",
					"another runs into its locks"};

struct run {
	const struct op *op;
	uint32_t mode, durability;
	struct sim *sim;
	struct sim_log log;
	size_t first;
	struct tree before, after;

	struct sim_proc *live; /* attached before; NULL when power goes */
	struct umfs live_fs; /* as it was during the op */
	uint32_t *live_refs;

	uint64_t points, in_recovery;
	size_t next_recovery; /* event from which on a recovery is cut short again */
	bool failed;
};

static struct sim_effort effort = {48, 10, 10, 12, 1};
static uint32_t eadr_randoms = 2;
static const struct sim_effort recovery_effort = {16, 3, 4, 6, 7};

/* ---- what the image holds ---- */

static int fail(struct run *r, const struct sim_point *point, const char *how, const char *why)
{
	const char *keep = getenv("UMFS_CRASH_KEEP");
	FILE *file;

	printf("FAIL %s: %s: %s: %s\n", r->op->name, point->what, how, why);
	if (keep && (file = fopen(keep, "w"))) {
		fwrite(r->sim->mem, 1, r->sim->bytes, file);
		fclose(file);
	}
	r->failed = true;
	return 1;
}

static int judge(const struct run *r, const struct sim_point *point, const struct tree *t,
		 char why[256])
{
	bool power = r->durability == UMFS_DURABLE_FLUSH;
	struct tree_torn torn = op_torn(r->op, r->mode, power, point->complete);

	if (point->complete && !torn.path)
		return tree_differ(t, &r->after, torn.times_of, why);
	return tree_between(t, &r->before, &r->after, &torn, why);
}

/* Read, judge; *t is the tree then. */
static int look(const struct run *r, const struct sim_point *point, struct umfs *fs, struct tree *t,
		char why[256])
{
	if (tree_read(fs, t, why))
		return -1;
	return judge(r, point, t, why);
}

/* Use it, and see that nothing else changed. */
static int use(struct umfs *fs, const struct tree *t, char why[256])
{
	struct tree again = {0};
	int err = tree_use(fs, t, why);

	if (!err)
		err = tree_read(fs, &again, why);
	if (!err)
		err = tree_differ(&again, t, NULL, why);
	tree_free(&again);
	return err;
}

static int first_attacher(struct run *r, struct sim *sim, const struct sim_point *point,
			  char why[256])
{
	struct tree t = {0};
	int err;
	struct sim_proc *proc = sim_attach(sim, r->mode, &err);

	if (!proc) {
		snprintf(why, 256, "attach: %s", strerror(-err));
		return -1;
	}
	err = look(r, point, &proc->fs, &t, why);
	if (!err)
		err = use(&proc->fs, &t, why);
	tree_free(&t);
	sim_detach(proc);
	return err ? err : image_check(sim, why);
}

/* ---- a process that was attached all the time ---- */

static size_t refs_bytes(const struct umfs *fs)
{
	return (fs->geo.irec_count + fs->geo.ofd_count) * sizeof(uint32_t);
}

static void live_save(struct run *r)
{
	const struct umfs *fs = &r->live->fs;
	size_t irecs = fs->geo.irec_count * sizeof(uint32_t);

	r->live_fs = *fs;
	r->live_refs = malloc(refs_bytes(fs));
	if (!r->live_refs)
		die("out of memory");
	memcpy(r->live_refs, fs->irec_refs, irecs);
	memcpy(r->live_refs + fs->geo.irec_count, fs->ofd_refs, refs_bytes(fs) - irecs);
}

static struct umfs *live_restore(struct run *r)
{
	struct umfs *fs = &r->live->fs;
	size_t irecs = fs->geo.irec_count * sizeof(uint32_t);

	*fs = r->live_fs;
	memcpy(fs->irec_refs, r->live_refs, irecs);
	memcpy(fs->ofd_refs, r->live_refs + fs->geo.irec_count, refs_bytes(fs) - irecs);
	sim_slot_give(r->sim, fs->slot, r->live);
	return fs;
}

static int recover_others(struct umfs *fs, char why[256])
{
	uint32_t slot;

	for (slot = 0; slot < fs->geo.slot_count; slot++) {
		int err = slot == fs->slot ? 0 : umfs_slot_recover(fs, slot);

		if (err) {
			snprintf(why, 256, "recovering slot %u: %s", slot, strerror(-err));
			return -1;
		}
	}
	return 0;
}

static int live_process(struct run *r, const struct sim_point *point, enum way way, char why[256])
{
	struct umfs *fs = live_restore(r);
	struct tree t = {0}, again = {0};
	int err = way == WAY_SLOT ? recover_others(fs, why) : 0;

	if (!err)
		err = look(r, point, fs, &t, why);
	if (!err)
		err = use(fs, &t, why);
	if (!err && way == WAY_LOCK) {
		err = recover_others(fs, why);
		if (!err)
			err = tree_read(fs, &again, why);
		if (!err)
			err = tree_differ(&again, &t, NULL, why);
	}
	tree_free(&t);
	tree_free(&again);
	if (err)
		return err;
	umfs_detach(fs);
	return image_check(r->sim, why);
}

/* ---- a crash inside the recovery ---- */

/* 1: the recovery was cut at its n-th store; 0: it came to its end before. */
static int recover_until(struct run *r, struct sim *sim, uint64_t n)
{
	static jmp_buf jump;
	struct sim_proc *volatile proc;
	int err, cut;

	proc = sim_open(sim, &err);
	if (!proc)
		die("superblock of the image: %s", strerror(-err));
	cut = setjmp(jump);
	if (!cut) {
		sim_kill_arm(sim, n, &jump);
		(void)umfs_attach(&proc->fs, r->mode);
		sim_kill_arm(sim, 0, NULL);
	}
	sim_kill(proc);
	return cut;
}

static int kill_recovery(struct run *r, const struct sim_point *point)
{
	char why[256], how[64];
	uint64_t n;
	int more = 1;

	for (n = 1; more; n += 1 + n / 40) {
		sim_reload(r->sim);
		more = recover_until(r, r->sim, n);
		r->in_recovery++;
		snprintf(how, sizeof(how), "recovery killed at its store %llu",
			 (unsigned long long)n);
		if (first_attacher(r, r->sim, point, why))
			return fail(r, point, how, why);
	}
	return 0;
}

struct nested {
	struct run *r;
	struct sim *sim;
	const struct sim_point *point;
};

static int nested_image(void *arg, const struct sim_point *inner)
{
	struct nested *n = arg;
	char why[256], how[128];

	n->r->in_recovery++;
	if (!first_attacher(n->r, n->sim, n->point, why))
		return 0;
	snprintf(how, sizeof(how), "recovery, %s", inner->what);
	return fail(n->r, n->point, how, why);
}

/* mem is the image. */
static int cut_recovery(struct run *r, const struct sim_point *point)
{
	struct nested n = {r, sim_copy(r->sim), point};
	struct sim_log log = {0};

	if (!n.sim)
		die("out of memory");
	n.sim->log = &log;
	(void)recover_until(r, n.sim, 0);
	n.sim->log = NULL;
	if (r->durability == UMFS_DURABLE_FLUSH)
		sim_images_cut(n.sim, &log, 0, &recovery_effort, nested_image, &n);
	else
		sim_images_eadr(n.sim, &log, 0, 1, nested_image, &n);
	sim_log_free(&log);
	sim_free(n.sim);
	return r->failed;
}

static bool recovery_due(struct run *r, const struct sim_point *point)
{
	if (point->event < r->next_recovery)
		return false;
	r->next_recovery = point->event + (r->log.count - r->first) / RECOVERY_POINTS + 1;
	return true;
}

/* ---- one image ---- */

static int cut_image(void *arg, const struct sim_point *point)
{
	struct run *r = arg;
	char why[256];

	snprintf(sim_context, sizeof(sim_context), "%s: %s", r->op->name, point->what);
	if (recovery_due(r, point) && cut_recovery(r, point))
		return 1;
	if (first_attacher(r, r->sim, point, why))
		return fail(r, point, "new first attacher", why);
	return 0;
}

static int kill_image(void *arg, const struct sim_point *point)
{
	struct run *r = arg;
	char why[256];
	enum way way;

	for (way = WAY_FIRST; way < WAY_COUNT; way++) {
		int err;

		snprintf(sim_context, sizeof(sim_context), "%s: %s: %s", r->op->name, point->what,
			 way_names[way]);
		sim_reload(r->sim);
		err = way == WAY_FIRST ? first_attacher(r, r->sim, point, why)
				       : live_process(r, point, way, why);
		if (err)
			return fail(r, point, way_names[way], why);
	}
	return recovery_due(r, point) ? kill_recovery(r, point) : 0;
}

/* ---- for whoever has to find out why ---- */

/* A table of the pool, for naming what lies in it. */
struct table {
	const char *name;
	uint64_t first, bytes; /* page, length */
	uint32_t each; /* bytes of an entry */
};

static void describe(const struct umfs_geometry *g, uint64_t off, char text[64])
{
	const struct table tables[] = {
		{"runtime", UMFS_RUNTIME_PAGE, 4096, 4096},
		{"slot", UMFS_SLOTS_PAGE, UMFS_SLOTS_MAX * sizeof(struct umfs_slot_pm),
		 sizeof(struct umfs_slot_pm)},
		{"lane", g->lanes_page,
		 (uint64_t)g->slot_count * g->lanes_per_slot * UMFS_LANE_PAGES * UMFS_PAGE_BYTES,
		 UMFS_LANE_PAGES * UMFS_PAGE_BYTES},
		{"group", g->gtable_page, g->group_count * sizeof(struct umfs_group_pm),
		 sizeof(struct umfs_group_pm)},
		{"irec", g->irecs_page, g->irec_count * sizeof(struct umfs_irec_pm),
		 sizeof(struct umfs_irec_pm)},
		{"ofd", g->ofds_page, g->ofd_count * sizeof(struct umfs_ofd_pm),
		 sizeof(struct umfs_ofd_pm)},
		{"inode", g->groups_page + UMFS_GROUP_HEAD_PAGES,
		 (uint64_t)g->itable_pages * UMFS_PAGE_BYTES, UMFS_INODE_BYTES},
		{"page", 0, UINT64_MAX, UMFS_PAGE_BYTES}, /* anything else */
	};
	const struct table *t = tables;

	while (off < t->first << UMFS_PAGE_SHIFT || off - (t->first << UMFS_PAGE_SHIFT) >= t->bytes)
		t++;
	off -= t->first << UMFS_PAGE_SHIFT;
	snprintf(text, 64, "%s %llu +%llu", t->name, (unsigned long long)(off / t->each),
		 (unsigned long long)(off % t->each));
}

static void trace(const struct run *r, const struct umfs_geometry *g)
{
	static const char *const kinds[] = {"store", "store nt", "flush", "fence", "punch"};
	char text[64];
	size_t i;

	for (i = r->first; i < r->log.count; i++) {
		const struct sim_event *e = &r->log.events[i];
		uint64_t word = 0;

		describe(g, e->off, text);
		if (e->kind <= SIM_STORE_NT)
			memcpy(&word, r->log.data + e->data, UMFS_MIN(e->len, 8u));
		printf("%6zu %-8s %-20s %6u bytes  %llx\n", i, kinds[e->kind],
		       e->kind == SIM_FENCE ? "" : text, e->len, (unsigned long long)word);
	}
}

/* ---- one op ---- */

/* The tree as a first attacher finds it when all processes die now. */
static void snapshot(struct run *r, struct tree *t)
{
	struct sim *copy = sim_copy(r->sim);
	struct sim_proc *proc;
	char why[256];
	int err;

	if (!copy)
		die("out of memory");
	proc = sim_attach(copy, r->mode, &err);
	if (!proc)
		die("%s: attaching: %s", r->op->name, strerror(-err));
	if (tree_read(&proc->fs, t, why))
		die("%s: reading the tree: %s", r->op->name, why);
	sim_kill(proc);
	sim_free(copy);
}

static struct sim_proc *attach(struct run *r)
{
	int err;
	struct sim_proc *proc = sim_attach(r->sim, r->mode, &err);

	if (!proc)
		die("%s: attach: %s", r->op->name, strerror(-err));
	return proc;
}

/* Do it once, writing everything down. */
static void record(struct run *r)
{
	struct stage stage = {0};
	struct sim_proc *proc;

	r->sim->log = &r->log;
	proc = attach(r);
	if (r->durability == UMFS_DURABLE_NONE) {
		r->live = attach(r);
		live_save(r);
	}
	op_tree(&proc->fs);
	stage.fs = &proc->fs;
	if (r->op->prepare)
		need(r->op->prepare(&stage));
	if (r->op->flags & OP_ATTACH)
		sim_detach(proc);
	snapshot(r, &r->before);
	r->first = r->log.count;
	if (r->op->flags & OP_ATTACH)
		proc = attach(r);
	else if (r->op->flags & OP_DETACH)
		umfs_detach(&proc->fs);
	else
		need(r->op->run(&stage));
	r->sim->log = NULL;
	snapshot(r, &r->after);
	if (!sim_log_complete(r->sim, &r->log))
		die("%s: core stored into the pool without telling", r->op->name);
	if (getenv("UMFS_CRASH_TRACE"))
		trace(r, &proc->fs.geo);
	sim_kill(proc);
}

static bool run_op(const struct op *op, uint32_t mode, uint32_t durability)
{
	struct run r = {.op = op, .mode = mode, .durability = durability};
	struct sim_effort mine = effort;
	size_t stores;

	snprintf(sim_context, sizeof(sim_context), "%s: recording", op->name);
	r.sim = sim_new(POOL_BYTES, durability, POOL_INODES);
	if (!r.sim)
		die("no pool of %llu bytes", (unsigned long long)POOL_BYTES);
	record(&r);
	stores = r.log.count - r.first;
	if (durability == UMFS_DURABLE_FLUSH)
		r.points = sim_images_cut(r.sim, &r.log, r.first, &mine, cut_image, &r);
	else if (durability == UMFS_DURABLE_EADR)
		r.points = sim_images_eadr(r.sim, &r.log, r.first, eadr_randoms, cut_image, &r);
	else
		r.points = sim_images_kill(r.sim, &r.log, r.first, kill_image, &r);
	if (!r.points && !r.failed) {
		printf("FAIL %s: not one crash point\n", op->name);
		r.failed = true;
	}
	printf("%-24s %5zu events, %6llu crash points, %5llu in recovery%s\n", op->name, stores,
	       (unsigned long long)r.points, (unsigned long long)r.in_recovery,
	       r.failed ? "  FAILED" : "");
	fflush(stdout);
	if (r.live) {
		sim_proc_free(r.live);
		free(r.live_refs);
	}
	tree_free(&r.before);
	tree_free(&r.after);
	sim_log_free(&r.log);
	sim_free(r.sim);
	return !r.failed;
}

/* ---- */

static uint32_t choose(const char *word, const char *const *words, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(word, words[i]))
			return i;
	die("crash: what is '%s'?", word);
}

static void read_environment(void)
{
	const char *times = getenv("UMFS_CRASH_EFFORT"), *seed = getenv("UMFS_CRASH_SEED");
	uint32_t n = times ? (uint32_t)atoi(times) : 1;

	effort.exhaustive *= n;
	effort.singles *= n;
	effort.prefixes *= n;
	effort.randoms *= n;
	eadr_randoms *= n;
	if (seed)
		effort.seed = strtoull(seed, NULL, 0);
	printf("seed %llu, effort %u\n", (unsigned long long)effort.seed, n);
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	static const char *const durabilities[] = {"none", "flush", "eadr"};
	uint32_t mode, durability, failed = 0, done = 0;
	size_t i;

	if (argc < 3)
		die("usage: crash atomic|sync|posix none|flush|eadr [OP]");
	mode = choose(argv[1], modes, 4);
	durability = choose(argv[2], durabilities, 3);
	read_environment();
	for (i = 0; i < op_count; i++) {
		if (argc > 3 && strcmp(argv[3], ops[i].name))
			continue;
		done++;
		failed += !run_op(&ops[i], mode, durability);
	}
	printf("%u ops, %u failed\n", done, failed);
	return failed || !done;
}
