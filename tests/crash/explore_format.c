// SPDX-License-Identifier: BSD-3-Clause
/*
 * explore_format.c - a pool that is being made, cut short everywhere: there is no pool yet,
 * or a whole and empty one; once the call has returned, the latter.
 */
#include "explore.h"

#include "check.h"

#include <stdio.h>

#define POOL_BYTES (24 * MIB)
#define POOL_INODES 1024

struct making {
	struct sim *sim;
	bool failed;
};

static int use(struct sim_proc *proc, char why[256])
{
	struct tree t = {0};
	int err = umfs_attach(&proc->fs, UMFS_MODE_ATOMIC);

	if (err) {
		snprintf(why, 256, "attach: %s", strerror(-err));
		return -1;
	}
	err = tree_read(&proc->fs, &t, why);
	if (!err && t.count != 1) {
		snprintf(why, 256, "%zu names", t.count);
		err = -1;
	}
	if (!err)
		err = tree_use(&proc->fs, &t, why);
	tree_free(&t);
	return err;
}

static int look(void *arg, const struct sim_point *point)
{
	struct making *m = arg;
	struct umfs_geometry geo;
	struct sim_proc *proc;
	char why[256] = "no pool";
	bool first = !umfs_super_check(m->sim->mem, m->sim->bytes, &geo);
	int err;

	snprintf(sim_context, sizeof(sim_context), "format: %s", point->what);
	proc = sim_open(m->sim, &err);
	if (!proc && !point->complete)
		return 0;
	if (proc) {
		err = point->complete ? image_check(m->sim, why) : 0; /* as it lies */
		if (!err)
			err = use(proc, why);
		if (err)
			sim_kill(proc);
		else
			sim_detach(proc);
		if (!err && (first || point->complete)) /* the backup alone fsck.umfs has to copy */
			err = image_check(m->sim, why);
	}
	if (!err)
		return 0;
	printf("FAIL format: %s: %s\n", point->what, why);
	m->failed = true;
	return 1;
}

/* All of it has memory, and the groups hold those of an older pool, which was in use. */
static void put_older_pool(struct sim *sim)
{
	struct sim_proc *proc;
	int err;

	need(sim_format(sim, UMFS_DURABLE_NONE, POOL_INODES, UMFS_SB_BACKED));
	proc = sim_attach(sim, UMFS_MODE_ATOMIC, &err);
	if (!proc)
		die("attach: %s", strerror(-err));
	op_tree(&proc->fs);
	sim_settle(sim);
	memset(sim->media, 0, (uint64_t)proc->fs.geo.groups_page << UMFS_PAGE_SHIFT);
	sim_kill(proc);
	sim_reload(sim);
	memset(sim->backed, 1, POOL_BYTES / UMFS_UNIT_BYTES);
	memset(sim->media_backed, 1, POOL_BYTES / UMFS_UNIT_BYTES);
}

bool explore_format(uint32_t durability, bool device, struct explored *sum)
{
	struct making m = {.sim = sim_blank(POOL_BYTES)};
	struct sim_log log = {0};

	if (!m.sim)
		die("out of memory");
	if (device)
		put_older_pool(m.sim);
	m.sim->log = &log;
	need(sim_format(m.sim, durability, POOL_INODES, device ? UMFS_SB_BACKED : 0));
	m.sim->log = NULL;
	if (durability == UMFS_DURABLE_FLUSH)
		sum->points += sim_images_cut(m.sim, &log, 0, &explore_effort.cut, look, &m);
	else if (durability == UMFS_DURABLE_EADR)
		sum->points += sim_images_eadr(m.sim, &log, 0, explore_effort.eadr_randoms, look, &m);
	else
		sum->points += sim_images_kill(m.sim, &log, 0, look, &m);
	sum->events += log.count;
	sum->failed |= m.failed;
	sim_log_free(&log);
	sim_free(m.sim);
	return !m.failed;
}
