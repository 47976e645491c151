// SPDX-License-Identifier: BSD-3-Clause
/*
 * explore.c - see explore.h.
 *
 * The steps are done once, writing everything down, and after each the tree is
 * read as it would be found if all processes died then. Then, for each image of
 * the steps to be cut short:
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
 * Each time: the tree is the one before or the one after the step, the one after
 * once the call returned, and all steps before are there; it can be used; a full
 * check finds nothing. At some of the points the recovery is cut short too, and
 * recovered from.
 */
#include "explore.h"

#include "check.h"
#include "group.h"
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#define POOL_INODES 1024

enum way { WAY_FIRST, WAY_SLOT, WAY_LOCK, WAY_COUNT };
static const char *const way_names[] = {"new first attacher", "slot recovered by another",
					"another runs into its locks"};

struct run {
	const struct work *work;
	uint32_t mode, durability;
	struct sim *sim;
	struct sim_log log;
	size_t first; /* event of the log from which on images are made */
	struct tree trees[STEPS_MAX + 1]; /* before the first step and after each */
	size_t ends[STEPS_MAX + 1]; /* how long the log was then */
	uint32_t durable[STEPS_MAX + 1]; /* the inode that the step made durable */
	uint64_t pool_pages[STEPS_MAX + 1];

	struct sim_proc *live; /* attached before; NULL when power goes */
	struct umfs live_fs; /* as it was during the op */
	struct umfs_file live_file; /* without a name: of no op */
	uint32_t *live_refs;

	uint64_t points, in_recovery, checked;
	size_t next_recovery; /* event from which on a recovery is cut short again */
	uint32_t busy_images; /* that had a lane not at rest when it was to be */
	uint32_t used; /* the image is of a pool that was recovered, and then used by this thread */
	bool failed;
};

struct explore_effort explore_effort = {
	.cut = {.exhaustive = 48, .singles = 10, .prefixes = 10, .randoms = 12, .seed = 1},
	.recovery = {.exhaustive = 16, .singles = 3, .prefixes = 4, .randoms = 6, .seed = 7},
	.eadr_randoms = 2,
	.recoveries = 5,
	.uses = 12,
	.checks = 6,
	.deaths = 1,
};

/* ---- what the image holds ---- */

static int fail(struct run *r, const struct sim_point *point, const char *how, const char *why)
{
	const char *keep = getenv("UMFS_CRASH_KEEP");
	FILE *file;

	printf("FAIL %s: %s: %s: %s\n", r->work->name, point->what, how, why);
	if (keep && (file = fopen(keep, "w"))) {
		fwrite(r->sim->mem, 1, r->sim->bytes, file);
		fclose(file);
	}
	r->failed = true;
	return 1;
}

/* The step that was under way, as the number of the tree after it; *complete: it had returned. */
static uint32_t step_of(const struct run *r, const struct sim_point *point, bool *complete)
{
	uint32_t last = UMFS_MAX(r->work->from, 1u);

	while (last < r->work->count &&
	       (point->event > r->ends[last] || (point->inside && point->event == r->ends[last])))
		last++;
	*complete = point->event == r->ends[last] && !point->inside;
	return last;
}

static int judge(const struct run *r, const struct sim_point *point, const struct tree *t,
		 char why[256])
{
	bool power = r->durability == UMFS_DURABLE_FLUSH, complete;
	uint32_t last = step_of(r, point, &complete);
	struct tree_torn torn = op_torn(r->work->steps[last - 1], r->mode, power, complete);

	torn.times = !r->used;
	/* What earlier steps wrote and nobody made durable may be missing as well. */
	if (r->work->count > 1 && r->mode == UMFS_MODE_POSIX && power) {
		torn.mixed = torn.lazy = true;
		torn.durable = r->durable;
	}
	return tree_between(t, r->trees, last, &torn, why);
}

/* Read, judge; *t is the tree then. */
static int look(const struct run *r, const struct sim_point *point, struct umfs *fs, struct tree *t,
		char why[256])
{
	if (tree_read(fs, t, why))
		return -1;
	if (r->used)
		tree_forget_use(t);
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

/* A pool that was made larger is. */
static int look_at_size(const struct run *r, const struct sim_point *point, const struct umfs *fs,
			char why[256])
{
	bool complete;
	uint32_t last = step_of(r, point, &complete);

	if (!complete || fs->geo.pool_pages == r->pool_pages[last])
		return 0;
	snprintf(why, 256, "%llu pages, not %llu", (unsigned long long)fs->geo.pool_pages,
		 (unsigned long long)r->pool_pages[last]);
	return -1;
}

static bool lane_at_rest(struct umfs_lane_pm *lane)
{
	return (ld64(&lane->state) & 3) == UMFS_TX_IDLE && !ld64(&lane->swap_entry) &&
	       !(ld64(&umfs_lane_ulog(lane)->state) & 1);
}

/*
 * A call that returned has left nothing to do, durably, in the lane that it had, and so has
 * a recovery: what others change from now on would be undone with it.
 */
static bool lanes_at_rest(const struct sim *sim)
{
	struct umfs fs = {.base = sim->mem, .bytes = sim->bytes};
	bool from_backup;
	uint32_t i;

	if (umfs_super_load(&fs, &from_backup))
		return true; /* that is said elsewhere */
	for (i = 0; i < fs.geo.lanes_per_slot; i++)
		if (!lane_at_rest(umfs_lane(&fs, 0, i)))
			return false;
	return true;
}

/* Is what leases lie in divided, and is there one? Without, it is not. */
static bool leases_as_told(const struct sim *sim, bool may_be)
{
	struct umfs fs = {.base = sim->mem, .bytes = sim->bytes};
	struct umfs_ulog_pm *reserve;
	bool from_backup, any = false;
	const le64 *words;
	uint32_t i;

	if (umfs_super_load(&fs, &from_backup) || fs.geo.reserve_count < 2)
		return true;
	reserve = umfs_reserve(&fs, fs.geo.reserve_count - 1);
	words = (const le64 *)(reserve + 1);
	for (i = 0; i < UMFS_LEASES; i++)
		any |= ld64(&words[i]) != 0;
	return !ld64(&reserve->leases) || (may_be && any);
}

int explore_free_slots(const struct sim *sim, char why[256])
{
	struct umfs fs = {.base = sim->mem, .bytes = sim->bytes};
	bool from_backup;
	uint32_t slot, i;

	if (umfs_super_load(&fs, &from_backup))
		return 0; /* that is said elsewhere */
	for (slot = 0; slot < fs.geo.slot_count; slot++) {
		if (ld32(&umfs_slot(&fs, slot)->state) != UMFS_SLOT_FREE)
			continue;
		for (i = 0; i < fs.geo.lanes_per_slot; i++) {
			struct umfs_lane_pm *lane = umfs_lane(&fs, slot, i);

			if (lane_at_rest(lane) && !ld64(&lane->spare))
				continue;
			snprintf(why, 256, "slot %u is free, and its lane %u is not at rest", slot, i);
			return -1;
		}
	}
	return 0;
}

static int recovered(const struct sim *sim, char why[256])
{
	if (lanes_at_rest(sim) && leases_as_told(sim, false))
		return 0;
	snprintf(why, 256, "recovery is done, and a lane or the leases are not at rest");
	return -1;
}

/* A file of nothing but holes, which nobody has open any more, has no tables either. */
static int no_empty_tables(const struct umfs *fs, const struct tree *t, char why[256])
{
	const uint64_t max = UMFS_FILE_BYTES_MAX >> UMFS_PAGE_SHIFT;
	size_t i;

	for (i = 0; i < t->count; i++) {
		const struct umfs_inode_pm *in = umfs_inode(fs, t->nodes[i].attr.ino);
		uint64_t root = in && umfs_is_reg(ld32(&in->mode)) ? ld64(&in->root) : 0;

		if (root && umfs_fpt_next(fs, root, 0, max) == max) {
			snprintf(why, 256, "%s: tables of nothing", t->nodes[i].path);
			return -1;
		}
	}
	return 0;
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
	err = recovered(sim, why);
	if (!err)
		err = look_at_size(r, point, &proc->fs, why);
	if (!err)
		err = look(r, point, &proc->fs, &t, why);
	if (!err)
		err = no_empty_tables(&proc->fs, &t, why);
	if (!err)
		err = use(&proc->fs, &t, why);
	tree_free(&t);
	sim_detach(proc);
	return err ? err : image_check(sim, why);
}

/* ---- as fsck.umfs meets it, before anybody attaches ---- */

static bool says_clean(const struct sim *sim)
{
	const struct umfs_runtime_pm *rt =
		(const void *)(sim->mem + UMFS_RUNTIME_PAGE * UMFS_PAGE_BYTES);

	return ld64(&rt->clean) == UMFS_CLEAN;
}

/*
 * The image as it is. One that says that it was left in order is at rest in all its
 * parts; of some of the others fsck may find only what a crash explains.
 */
static int look_at_rest(struct run *r, const struct sim_point *point, char why[256])
{
	bool complete, clean = says_clean(r->sim);
	uint32_t last = step_of(r, point, &complete);
	struct sim *copy;
	int err;

	if (complete && !clean && !r->live && (r->work->steps[last - 1]->flags & OP_DETACH)) {
		snprintf(why, 256, "the last one left, and the pool does not say so");
		return -1;
	}
	if (complete && !leases_as_told(r->sim, true)) {
		snprintf(why, 256, "there are no leases, and their reserve is no whole one");
		return -1;
	}
	if (complete && !lanes_at_rest(r->sim)) {
		snprintf(why, 256, "the call has returned, and a lane is not at rest");
		return -1;
	}
	if (explore_free_slots(r->sim, why))
		return -1;
	if (clean)
		return image_check(r->sim, why);
	if (!explore_effort.checks || r->checked++ % explore_effort.checks)
		return 0;
	copy = sim_copy(r->sim);
	if (!copy)
		die("out of memory");
	err = image_check(copy, why);
	sim_free(copy);
	return err;
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

void explore_hint_low(struct umfs *fs)
{
	struct umfs_group_pm *grp = umfs_group(fs, 0);
	const le64 *bits = umfs_group_page_bits(fs, 0);
	uint32_t page = 0, end = ld32(&grp->pages);

	while (page < end && ld64(&bits[page / 64]) >> page % 64 & 1)
		page++;
	st32(&grp->page_hint, page);
}

/*
 * Pages for it, before anybody recovers the dead one: what that frees later is not to be
 * these. A full pool has none.
 */
static struct umfs_file allocate_first(const struct run *r)
{
	struct umfs_file file = r->live_file;

	explore_hint_low(&r->live->fs);
	(void)world_append(&file, 3 * UMFS_PAGE_BYTES, 9);
	return file;
}

static int live_process(struct run *r, const struct sim_point *point, enum way way, char why[256])
{
	struct umfs *fs = live_restore(r);
	struct tree t = {0}, again = {0};
	int err = way == WAY_SLOT ? recover_others(fs, why) : 0;
	struct umfs_file file;

	if (way == WAY_LOCK)
		file = allocate_first(r);
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
		if (!err)
			(void)world_name(&file, "/of the living"); /* for image_check() */
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
	bool done; /* the recovery came to its end: what it did is durable */
};

static int nested_image(void *arg, const struct sim_point *inner)
{
	struct nested *n = arg;
	char why[256], how[128];

	n->r->in_recovery++;
	if (!(inner->complete && n->done && recovered(n->sim, why)) &&
	    !explore_free_slots(n->sim, why) && !first_attacher(n->r, n->sim, n->point, why))
		return 0;
	snprintf(how, sizeof(how), "recovery%s, %s", n->r->used ? " and use" : "", inner->what);
	return fail(n->r, n->point, how, why);
}

/*
 * Attach, make a file in the root and remove it, detach: as `used` says, more or less of it.
 * True: the pool was recovered.
 */
static bool recover(struct run *r, struct sim *sim)
{
	struct node root = {.path = "/", .attr = {.ino = UMFS_ROOT_INO, .mode = 0040000}};
	struct tree t = {.nodes = &root, .count = 1};
	struct sim_proc *proc;
	char why[256];
	int err;

	if (!r->used)
		return !recover_until(r, sim, 0);
	proc = sim_attach(sim, r->mode, &err);
	if (!proc)
		return false; /* cut_image() is going to say so */
	sim->thread = r->used; /* by another lane, or the same */
	(void)tree_use(&proc->fs, &t, why);
	sim_detach(proc);
	return true;
}

/* mem is the image. */
static int cut_recovery(struct run *r, const struct sim_point *point)
{
	static uint32_t count, used; /* of all works */
	struct nested n = {r, sim_copy(r->sim), point, false};
	struct sim_log log = {0};

	if (!n.sim)
		die("out of memory");
	if (explore_effort.uses && ++count % explore_effort.uses == 0)
		r->used = 1 + used++ % 2;
	n.sim->log = &log;
	n.done = recover(r, n.sim);
	n.sim->log = NULL;
	if (r->durability == UMFS_DURABLE_FLUSH)
		sim_images_cut(n.sim, &log, 0, &explore_effort.recovery, nested_image, &n);
	else
		sim_images_eadr(n.sim, &log, 0, 1, nested_image, &n);
	sim_log_free(&log);
	sim_free(n.sim);
	r->used = 0;
	return r->failed;
}

/*
 * At so many events of the log, at one image of each: one with something to undo or to
 * finish, if such a one comes along, and mostly not the first of those, in which nothing
 * is pending.
 */
static bool recovery_due(struct run *r, const struct sim_point *point)
{
	size_t span;

	if (!explore_effort.recoveries || point->event < r->next_recovery)
		return false;
	span = (r->log.count - r->first) / explore_effort.recoveries + 1;
	if (point->event < r->next_recovery + span &&
	    (lanes_at_rest(r->sim) || r->busy_images++ % 11 != point->event % 11))
		return false;
	r->next_recovery = point->event + span / 2 + 1;
	return true;
}

/* ---- one image ---- */

static int cut_image(void *arg, const struct sim_point *point)
{
	struct run *r = arg;
	char why[256];

	snprintf(sim_context, sizeof(sim_context), "%s: %s", r->work->name, point->what);
	if (look_at_rest(r, point, why))
		return fail(r, point, "before anybody attaches", why);
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

	if (look_at_rest(r, point, why))
		return fail(r, point, "before anybody attaches", why);
	for (way = WAY_FIRST; way < WAY_COUNT; way++) {
		int err;

		if (way == WAY_LOCK && (r->work->steps[0]->flags & OP_ALONE))
			continue;

		snprintf(sim_context, sizeof(sim_context), "%s: %s: %s", r->work->name, point->what,
			 way_names[way]);
		sim_reload(r->sim);
		err = way == WAY_FIRST ? first_attacher(r, r->sim, point, why)
				       : live_process(r, point, way, why);
		if (err)
			return fail(r, point, way_names[way], why);
	}
	return recovery_due(r, point) ? kill_recovery(r, point) : 0;
}

/* ---- one op ---- */

/* The tree as a first attacher finds it when all processes die now. */
static void snapshot(struct run *r, uint32_t k)
{
	struct tree *t = &r->trees[k];
	struct sim *copy = sim_copy(r->sim);
	struct sim_proc *proc;
	char why[256];
	int err;

	if (!copy)
		die("out of memory");
	r->sim->log = NULL; /* a fence is one for all pools */
	proc = sim_attach(copy, r->mode, &err);
	if (!proc)
		die("%s: attaching: %s", r->work->name, strerror(-err));
	if (tree_read(&proc->fs, t, why))
		die("%s: reading the tree: %s", r->work->name, why);
	r->pool_pages[k] = proc->fs.geo.pool_pages;
	sim_kill(proc);
	sim_free(copy);
	r->sim->log = &r->log;
}

static struct sim_proc *attach(struct run *r)
{
	int err;
	struct sim_proc *proc = sim_attach(r->sim, r->mode, &err);

	if (!proc)
		die("%s: attach: %s", r->work->name, strerror(-err));
	return proc;
}

static void run_step(struct run *r, struct stage *stage, struct sim_proc **proc, uint32_t k)
{
	const struct op *op = r->work->steps[k];
	int err = 0;

	stage->step = k;
	stage->durable = 0;
	if (op->flags & OP_ATTACH)
		*proc = attach(r);
	else if (op->flags & OP_DETACH)
		umfs_detach(&(*proc)->fs);
	else
		err = op->run(stage);
	if (!r->work->may_fail)
		need(err);
	r->durable[k + 1] = stage->durable;
	r->ends[k + 1] = r->log.count;
}

/* Is the tree after so many steps one that an image may be compared with? */
static bool tree_matters(const struct run *r, uint32_t k)
{
	return k + 1 >= r->work->from ||
	       (r->mode == UMFS_MODE_POSIX && r->durability == UMFS_DURABLE_FLUSH);
}

/* Do it once, writing everything down. */
static void record(struct run *r)
{
	const struct work *w = r->work;
	struct stage stage = {0};
	struct sim_proc *proc;
	uint32_t k;

	r->sim->log = &r->log;
	proc = attach(r);
	if (r->durability == UMFS_DURABLE_NONE) {
		r->live = attach(r);
		need(world_tmpfile(&r->live->fs, "/", true, &r->live_file));
		live_save(r);
	}
	if (w->tree)
		w->tree(&proc->fs);
	stage.fs = &proc->fs;
	if (w->prepare)
		need(w->prepare(&stage));
	if (w->steps[0]->flags & OP_ATTACH)
		sim_detach(proc);
	r->ends[0] = r->log.count;
	for (k = 0; k <= w->count; k++) {
		if (k)
			run_step(r, &stage, &proc, k - 1);
		if (tree_matters(r, k))
			snapshot(r, k);
	}
	r->first = r->ends[w->from];
	r->next_recovery = r->first;
	r->sim->log = NULL;
	if (!sim_log_complete(r->sim, &r->log))
		die("%s: core stored into the pool without telling", w->name);
	if (getenv("UMFS_CRASH_TRACE"))
		sim_trace(&r->log, r->first, &proc->fs.geo);
	sim_kill(proc);
}

/*
 * What free pages hold does not matter: they hold entries of page tables and of directories
 * that lead to pages of this pool. At rest, and nobody has it.
 */
static void soil_free_pages(struct sim *sim)
{
	struct umfs fs = {.base = sim->mem, .bytes = sim->bytes, .port = sim};
	uint64_t first, page, word, i;
	const le64 *bits;
	bool from_backup;

	if (umfs_super_load(&fs, &from_backup))
		die("a new pool has no superblock");
	first = umfs_group_page(&fs, 0);
	bits = umfs_page(&fs, first);
	for (page = first; page < fs.geo.pool_pages; page++) {
		uint64_t at = page - first;

		if (!sim->backed[page / UMFS_UNIT_PAGES] || ld64(&bits[at / 64]) >> at % 64 & 1)
			continue;
		word = page << UMFS_PAGE_SHIFT | UMFS_PTE_LEAF;
		for (i = 0; i < UMFS_PAGE_BYTES; i += sizeof(word))
			memcpy(sim->media + (page << UMFS_PAGE_SHIFT) + i, &word, sizeof(word));
	}
}

struct sim *explore_base(const struct op *op, uint32_t mode, uint32_t durability,
			 void (*make)(struct umfs *fs))
{
	uint64_t bytes = op_pool_bytes(op);
	struct sim *sim = sim_new(bytes, durability, POOL_INODES);
	struct sim_proc *proc;
	int err = 0;

	if (!sim)
		die("no pool of %llu bytes", (unsigned long long)bytes);
	soil_free_pages(sim);
	sim_track(sim);
	if (make) {
		proc = sim_attach(sim, mode, &err);
		if (!proc)
			die("attach: %s", strerror(-err));
		make(&proc->fs);
		sim_detach(proc);
	}
	return sim;
}

static void images(struct run *r)
{
	struct explore_effort *e = &explore_effort;
	struct sim_effort mine = e->cut;

	if (r->durability == UMFS_DURABLE_FLUSH)
		r->points = sim_images_cut(r->sim, &r->log, r->first, &mine, cut_image, r);
	else if (r->durability == UMFS_DURABLE_EADR)
		r->points = sim_images_eadr(r->sim, &r->log, r->first, e->eadr_randoms, cut_image,
					    r);
	else
		r->points = sim_images_kill(r->sim, &r->log, r->first, kill_image, r);
}

static void run_free(struct run *r)
{
	uint32_t k;

	if (r->live) {
		sim_proc_free(r->live);
		free(r->live_refs);
	}
	for (k = 0; k <= r->work->count; k++)
		tree_free(&r->trees[k]);
	sim_log_free(&r->log);
	sim_free(r->sim);
}

bool explore(const struct work *w, struct explored *sum)
{
	static struct run r;

	memset(&r, 0, sizeof(r));
	r.work = w;
	r.mode = w->mode;
	r.durability = w->durability;
	snprintf(sim_context, sizeof(sim_context), "%s: recording", w->name);
	r.sim = w->base ? sim_copy(w->base) : explore_base(w->steps[0], w->mode, w->durability, NULL);
	if (!r.sim)
		die("out of memory");
	record(&r);
	images(&r);
	sum->events += r.log.count - r.first;
	sum->points += r.points;
	sum->in_recovery += r.in_recovery;
	sum->tree = tree_hash(&r.trees[w->count]);
	sum->failed |= r.failed;
	run_free(&r);
	return !r.failed;
}
