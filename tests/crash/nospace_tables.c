// SPDX-License-Identifier: BSD-3-Clause
/*
 * nospace_tables.c - records of open inodes, open file descriptions, lanes, reserves
 * and slots, all of them in use.
 *
 * Without a record or a description an op fails with ENFILE where it opens something,
 * and nowhere else. For lanes and reserves it waits, until somebody lets go of them.
 */
#include "check.h"
#include "internal.h"
#include "nospace.h"

#include <stdio.h>

/* ---- records of open inodes, open file descriptions ---- */

#define TAKEN 0x7ffffff0u /* stands for an inode, and a serial, that nobody has */

/* Free keys in a table of records become taken ones, or those taken free. */
static void set_keys(uint8_t *table, uint32_t count, uint32_t bytes, uint32_t epoch, bool take)
{
	uint64_t mine = (uint64_t)epoch << 32 | TAKEN;
	uint32_t i;

	for (i = 0; i < count; i++) {
		le64 *key = (le64 *)(void *)(table + (uint64_t)i * bytes);

		if (take && ld64(key) >> 32 != epoch)
			st64(key, mine);
		else if (!take && ld64(key) == mine)
			st64(key, 0);
	}
}

static void set_records(struct umfs *fs, bool opens, bool take)
{
	if (opens)
		set_keys(umfs_page(fs, fs->geo.ofds_page), fs->geo.ofd_count,
			 sizeof(struct umfs_ofd_pm), fs->epoch, take);
	else
		set_keys(umfs_page(fs, fs->geo.irecs_page), fs->geo.irec_count,
			 sizeof(struct umfs_irec_pm), fs->epoch, take);
}

void nospace_records(const struct op *op, uint32_t mode, bool opens)
{
	uint32_t needs = op->flags & (opens ? OP_NEEDS_OFD : OP_NEEDS_RECORD);
	struct umfs *fs;
	struct trial t;
	int err;

	snprintf(sim_context, sizeof(sim_context), "no %s free",
		 opens ? "open file description" : "record of an open inode");
	nospace_start(&t, op, mode);
	t.error = needs ? ENFILE : 0;
	fs = &t.proc->fs;
	nospace_look(&t);
	set_records(fs, opens, true);
	err = op->run(&t.stage);
	set_records(fs, opens, false);
	if (err)
		nospace_check_failure(&t, err);
	nospace_points[opens ? DESCRIPTIONS : RECORDS] += err != 0;
	nospace_finish(&t, err != 0);
}

/* ---- lanes, reserves: who has them lets go when somebody waits ---- */

struct holder {
	struct umfs *fs; /* whose lanes they are */
	struct sim_proc *other; /* who has the reserves */
	uint64_t waits;
};

static void free_lanes(void *arg)
{
	struct holder *h = arg;
	uint32_t i;

	h->waits++;
	for (i = 0; i < h->fs->geo.lanes_per_slot; i++)
		st32(&umfs_lane(h->fs, h->fs->slot, i)->busy, 0);
	h->fs->lane_wanted = 0;
}

void nospace_lanes(const struct op *op, uint32_t mode)
{
	struct holder h = {0};
	struct trial t;
	uint32_t i;
	int err;

	snprintf(sim_context, sizeof(sim_context), "no lane free");
	nospace_start(&t, op, mode);
	nospace_look(&t);
	h.fs = &t.proc->fs;
	for (i = 0; i < h.fs->geo.lanes_per_slot; i++)
		st32(&umfs_lane(h.fs, h.fs->slot, i)->busy, h.fs->incarnation);
	t.sim->turn = free_lanes;
	t.sim->turn_arg = &h;
	err = op->run(&t.stage);
	t.sim->turn = NULL;
	nospace_points[LANES] += h.waits;
	if (!h.waits)
		free_lanes(&h);
	t.error = 0;
	if (err)
		nospace_check_failure(&t, err);
	nospace_finish(&t, false);
}

static void free_reserves(void *arg)
{
	struct holder *h = arg;
	uint32_t i;

	h->waits++;
	for (i = 0; i < h->fs->geo.reserve_count; i++)
		umfs_unlock(&h->other->fs, &umfs_reserve(h->fs, i)->lock);
}

/* On a full pool, where overwriting needs one. */
void nospace_reserves(const struct op *op, uint32_t mode)
{
	struct holder h = {0};
	struct trial t;
	uint32_t i;
	int err;

	snprintf(sim_context, sizeof(sim_context), "no page and no reserve free");
	nospace_start(&t, op, mode);
	nospace_leave_pages(&t.proc->fs, 0);
	nospace_look(&t);
	h.fs = &t.proc->fs;
	h.other = sim_attach(t.sim, mode, &err);
	if (!h.other)
		die("no second process");
	for (i = 0; i < h.fs->geo.reserve_count; i++)
		need(umfs_lock(&h.other->fs, &umfs_reserve(h.fs, i)->lock));
	t.sim->turn = free_reserves;
	t.sim->turn_arg = &h;
	err = op->run(&t.stage);
	t.sim->turn = NULL;
	nospace_points[RESERVES] += h.waits;
	if (!h.waits)
		free_reserves(&h);
	if (err)
		nospace_check_failure(&t, err);
	sim_detach(h.other);
	nospace_finish(&t, err != 0);
}

/* ---- slots ---- */

/* All slots that are free are somebody's, or nobody's again. */
static void set_slots(struct sim *sim, bool take)
{
	static const struct umfs somebody;
	uint32_t i;

	for (i = 0; i < UMFS_SLOTS_MAX; i++)
		if (take && !sim->owner[i])
			sim->owner[i] = &somebody;
		else if (!take && sim->owner[i] == &somebody)
			sim->owner[i] = NULL;
}

/* Each of these wants a slot: 0, or the error. */
static int want_attach(struct trial *t)
{
	struct sim_proc *proc;
	int err;

	proc = sim_attach(t->sim, t->mode, &err);
	if (proc)
		sim_detach(proc);
	return err;
}

static int want_fork(struct trial *t)
{
	uint32_t slot, incarnation;
	int err = umfs_slot_fork(&t->proc->fs, &slot, &incarnation);

	if (!err)
		umfs_slot_abandon(&t->proc->fs, slot, incarnation);
	return err;
}

static int want_heir(struct trial *t)
{
	uint32_t slot, incarnation;
	int err = umfs_slot_heir(&t->proc->fs, &slot, &incarnation);

	if (!err)
		umfs_slot_abandon(&t->proc->fs, slot, incarnation);
	return err;
}

/* The first to attach, after a death. */
static int want_first(struct trial *t)
{
	struct sim_proc *proc;
	int err;

	if (t->proc)
		sim_kill(t->proc);
	t->proc = NULL;
	proc = sim_attach(t->sim, t->mode, &err);
	if (!proc)
		return err;
	t->proc = proc;
	t->stage.fs = &proc->fs;
	return 0;
}

static const struct slot_case {
	struct op op;
	int (*want)(struct trial *t);
} slot_cases[] = {
	{{.name = "attach"}, want_attach},
	{{.name = "attach_first"}, want_first},
	{{.name = "fork"}, want_fork},
	{{.name = "exec"}, want_heir},
};

static void unchanged(struct trial *t)
{
	struct tree now;
	char why[256];

	if (tree_read(&t->proc->fs, &now, why) || tree_differ(&now, &t->before, NULL, why))
		nospace_fail(t, "%s", why);
	tree_free(&now);
}

static void without_slot(const struct slot_case *c, uint32_t mode)
{
	struct trial t;
	int err;

	snprintf(sim_context, sizeof(sim_context), "no slot free");
	nospace_start(&t, &c->op, mode);
	nospace_look(&t);
	set_slots(t.sim, true);
	err = c->want(&t);
	set_slots(t.sim, false);
	if (err != -EBUSY)
		nospace_fail(&t, "%s instead of EBUSY", strerror(-err));
	err = c->want(&t);
	if (err)
		nospace_fail(&t, "with slots again: %s", strerror(-err));
	else
		unchanged(&t);
	nospace_finish(&t, false);
}

/* True: the n-th request for memory came. */
static bool without_memory(const struct slot_case *c, uint32_t mode, uint64_t n)
{
	struct trial t;
	bool fired;
	int err;

	snprintf(sim_context, sizeof(sim_context), "request %llu for backing refused",
		 (unsigned long long)n);
	nospace_start(&t, &c->op, mode);
	nospace_look(&t);
	t.sim->back_calls = 0;
	t.sim->back_fail_at = n;
	err = c->want(&t);
	fired = t.sim->back_calls >= n;
	t.sim->back_fail_at = 0;
	if (err != (fired ? -ENOSPC : 0))
		nospace_fail(&t, "%s", strerror(-err));
	if (fired && c->want(&t))
		nospace_fail(&t, "fails with room again");
	unchanged(&t);
	nospace_finish(&t, false);
	return fired;
}

void nospace_slots(uint32_t mode)
{
	uint64_t n, points;
	uint32_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(slot_cases); i++) {
		const struct slot_case *c = &slot_cases[i];

		points = 0;
		/* Who comes first finds slots of the dead only: there is always one. */
		if (c->want != want_first)
			without_slot(c, mode);
		for (n = 1; !nospace_failed && without_memory(c, mode, n); n++)
			points++;
		if (!points && !nospace_failed) {
			printf("FAIL %s: asks for no memory\n", c->op.name);
			nospace_failed = true;
		}
		printf("%-24s %llu requests for memory%s\n", c->op.name, (unsigned long long)points,
		       nospace_failed ? "  FAILED" : "");
	}
}
