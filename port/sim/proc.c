// SPDX-License-Identifier: BSD-3-Clause
/*
 * proc.c - simulated processes: who is alive, who waits, what time it is.
 *
 * A slot is alive while a handle owns it. The processes take turns in one
 * thread, so whoever waits for a live one waits for ever: that ends the test.
 */
#include <stdlib.h>

#include "order.h"
#include "sim_internal.h"

#define WAITS_MAX 20000u

struct sim_proc *sim_proc_new(struct sim *sim)
{
	struct sim_proc *proc = calloc(1, sizeof(*proc));

	if (!proc)
		sim_fail("out of memory");
	proc->sim = sim;
	proc->fs.base = sim->mem;
	proc->fs.bytes = sim->bytes;
	proc->fs.port = sim;
	return proc;
}

struct umfs_order *port_order(void)
{
	static struct umfs_order order; /* all processes run in one thread: entries name theirs */

	return &order;
}

void sim_proc_free(struct sim_proc *proc)
{
	umfs_order_forget(&proc->fs);
	free(proc->fs.irec_refs);
	free(proc->fs.ofd_refs);
	free(proc);
}

struct sim_proc *sim_open(struct sim *sim, int *err)
{
	struct sim_proc *proc = sim_proc_new(sim);
	bool from_backup;

	*err = umfs_super_load(&proc->fs, &from_backup);
	if (*err) {
		sim_proc_free(proc);
		return NULL;
	}
	proc->fs.irec_refs = calloc(proc->fs.geo.irec_count, sizeof(uint32_t));
	proc->fs.ofd_refs = calloc(proc->fs.geo.ofd_count, sizeof(uint32_t));
	if (!proc->fs.irec_refs || !proc->fs.ofd_refs)
		sim_fail("out of memory");
	return proc;
}

struct sim_proc *sim_attach(struct sim *sim, uint32_t mode, int *err)
{
	struct sim_proc *proc = sim_open(sim, err);

	if (!proc)
		return NULL;
	*err = umfs_attach(&proc->fs, mode);
	if (!*err)
		return proc;
	sim_proc_free(proc);
	return NULL;
}

void sim_detach(struct sim_proc *proc)
{
	umfs_detach(&proc->fs);
	sim_proc_free(proc);
}

void sim_kill(struct sim_proc *proc)
{
	struct sim *sim = proc->sim;
	uint32_t slot;

	for (slot = 0; slot < UMFS_SLOTS_MAX; slot++) {
		if (sim->owner[slot] == &proc->fs)
			sim->owner[slot] = NULL;
		if (sim->claimer[slot] == &proc->fs)
			sim->claimer[slot] = NULL;
	}
	if (sim->attacher == &proc->fs)
		sim->attacher = NULL;
	sim_proc_free(proc);
}

void sim_slot_give(struct sim *sim, uint32_t slot, const struct sim_proc *child)
{
	sim->owner[slot] = &child->fs;
}

int port_attach_lock(struct umfs *fs)
{
	struct sim *sim = sim_of_fs(fs);

	if (sim->attach_fails)
		return sim->attach_fails;
	if (sim->attacher)
		sim_fail("the attach lock is taken: nobody can release it");
	sim->attacher = fs;
	return 0;
}

void port_attach_unlock(struct umfs *fs)
{
	struct sim *sim = sim_of_fs(fs);

	if (sim->attacher != fs)
		sim_fail("the attach lock is not this process's");
	sim->attacher = NULL;
}

bool port_slot_any(struct umfs *fs)
{
	const struct sim *sim = sim_of_fs(fs);
	uint32_t slot;

	for (slot = 0; slot < UMFS_SLOTS_MAX; slot++)
		if (sim->owner[slot])
			return true;
	return false;
}

int port_slot_take(struct umfs *fs, uint32_t slot)
{
	struct sim *sim = sim_of_fs(fs);

	if (sim->owner[slot] || sim->claimer[slot])
		return -EBUSY;
	sim->owner[slot] = fs;
	return 0;
}

void port_slot_drop(struct umfs *fs, uint32_t slot)
{
	struct sim *sim = sim_of_fs(fs);

	if (sim->owner[slot] != fs)
		sim_fail("dropped a slot that is not this process's");
	sim->owner[slot] = NULL;
}

int port_slot_claim(struct umfs *fs, uint32_t slot)
{
	struct sim *sim = sim_of_fs(fs);

	if (sim->owner[slot] || sim->claimer[slot])
		return -EBUSY;
	sim->claimer[slot] = fs;
	return 0;
}

void port_slot_unclaim(struct umfs *fs, uint32_t slot)
{
	struct sim *sim = sim_of_fs(fs);

	if (sim->claimer[slot] != fs)
		sim_fail("unclaimed a slot that was not claimed");
	sim->claimer[slot] = NULL;
}

/* ---- waiting ---- */

/* Where no other process has a turn, time passes and nothing else; see WAITS_MAX. */
static void idle(struct sim *sim, const uint32_t *word)
{
	if (sim->waited != word)
		sim->waits = 0;
	sim->waited = word;
	if (++sim->waits > WAITS_MAX)
		sim_fail("deadlock: nobody can end this wait");
}

void port_wait(const uint32_t *word, uint32_t seen, uint64_t ns)
{
	struct sim *sim = sim_of(word, 0), *at = sim ? sim : sim_latest();

	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != seen)
		return;
	if (sim)
		sim->now_ns += (int64_t)ns;
	if (at && at->turn) {
		void (*turn)(void *) = at->turn;

		at->turn = NULL;
		turn(at->turn_arg);
		return;
	}
	if (!sim)
		sim_fail("deadlock: a wait for this very process");
	idle(sim, word);
}

void port_wake(const uint32_t *word)
{
	(void)word;
}

void port_relax(void)
{
}

uint32_t port_thread(void)
{
	struct sim *sim = sim_latest();

	return sim ? sim->thread : 1;
}

int64_t port_now_ns(void)
{
	struct sim *sim = sim_latest();

	return sim ? sim->now_ns += 1000000 : 0;
}

/* Odd: added again and again it leads back to where it began after 2^32 times. */
uint32_t port_random(void)
{
	const struct sim *sim = sim_latest();

	return sim && sim->random ? sim->random : 0x9e3779b1u;
}

void port_bug(const char *what, const char *file, int line)
{
	const struct sim *sim = sim_latest();

	if (sim && sim->bugs_go_on)
		return;
	fprintf(stderr, "sim: %s:%d: assertion failed: %s\n", file, line, what);
	sim_fail("core's assertion");
}
