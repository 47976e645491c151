// SPDX-License-Identifier: BSD-3-Clause
/*
 * session.c - a damaged pool attached, used and left, twice.
 *
 * A wait for what nobody will release ends the program as a deadlock, unless a neighbour
 * changed the pool meanwhile: who may write the pool may hold its locks for ever, and then
 * the session ends there as by a kill. The same neighbour may change the pool while a
 * call is under way, after so many stores of it, what an assertion says cannot be is then
 * that process's end with the pool, as in release builds.
 */
#include "fuzz.h"
#include "order.h"
#include "sim_internal.h"

static jmp_buf cut;
static struct sim_proc *procs[2];

static void stuck(void *arg)
{
	(void)arg;
	longjmp(cut, 1);
}

/* ---- a change while a call runs ---- */

static const struct record *later;
static uint32_t later_stores;

/* Told of each store: see port/sim. */
static void on_store(void)
{
	const struct record *r = later;

	if (!r || later_stores--)
		return;
	later = NULL;
	damage(r);
}

static void neighbour(const struct record *r)
{
	struct sim *sim = image_sim();

	sim->turn = stuck;
	sim->bugs_go_on = true;
	if (r->how & CHANGE_LATER) {
		later = r;
		later_stores = r->more % 512;
	} else {
		damage(r);
	}
}

/* ---- */

static struct sim_proc *attach(uint32_t mode)
{
	int err;

	return sim_attach(image_sim(), mode, &err);
}

static void as_said(const struct input *in)
{
	for (uint32_t i = 0; i < in->count; i++)
		if (in->records[i].what & RECORD_CALL)
			calls_run(&in->records[i]);
		else
			neighbour(&in->records[i]);
}

static void session(const struct input *in, void (*use)(const struct input *in))
{
	procs[0] = attach(in->head.flags & HEAD_MODE);
	if (!procs[0])
		return;
	procs[1] = attach(0);
	calls_begin(&procs[0]->fs, procs[1] ? &procs[1]->fs : NULL);
	use(in);
	calls_look(&procs[0]->fs);
	calls_end();
	for (int i = 1; i >= 0; i--) {
		struct sim_proc *proc = procs[i];

		procs[i] = NULL;
		if (proc)
			sim_detach(proc);
	}
}

static void forget(void)
{
	for (int i = 0; i < 2; i++)
		if (procs[i])
			sim_kill(procs[i]);
	procs[0] = procs[1] = NULL;
	memset(port_order(), 0, sizeof(*port_order())); /* also of who was cut off in attaching */
}

/* What comes first in the input and is no call; it is there when the pool is attached. */
static void damage_first(struct input *in)
{
	uint32_t n = 0;

	while (n < in->count && !(in->records[n].what & RECORD_CALL))
		damage(&in->records[n++]);
	in->count -= n;
	memmove(in->records, in->records + n, in->count * sizeof(in->records[0]));
}

void session_run(struct input *in, void (*use)(const struct input *in))
{
	struct sim *sim = image_sim();

	image_load_for(in);
	sim->on_store = on_store;
	sim->turn = NULL;
	later = NULL;
	damage_first(in);
	if (!setjmp(cut)) {
		session(in, use ? use : as_said);
		in->count = 0;
		session(in, as_said); /* what it left is attached again */
	}
	later = NULL;
	sim->turn = NULL;
	sim->bugs_go_on = false;
	sim->on_store = NULL;
	forget();
}
