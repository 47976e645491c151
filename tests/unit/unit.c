// SPDX-License-Identifier: BSD-3-Clause
/* unit.c - see unit.h. */
#include "unit.h"

#include <stdio.h>

static uint32_t durability;

static void attach(struct unit *u)
{
	int err;

	u->proc = sim_attach(u->sim, u->mode, &err);
	if (!u->proc)
		die("attach: %d", err);
	u->fs = &u->proc->fs;
}

int unit_setup(void **state)
{
	struct unit *u = calloc(1, sizeof(*u));

	if (!u)
		return -1;
	u->mode = UMFS_MODE_ATOMIC;
	u->sim = sim_new(24 * MIB, durability, 1024);
	if (!u->sim)
		return -1;
	if (durability != UMFS_DURABLE_NONE)
		u->sim->log = &u->log;
	attach(u);
	*state = u;
	return 0;
}

int unit_teardown(void **state)
{
	struct unit *u = *state;
	char why[256] = "";
	int bad = 0;

	if (u->proc)
		sim_detach(u->proc);
	if (u->sim->log && !u->damaged && !sim_log_complete(u->sim, &u->log)) {
		fprintf(stderr, "core stored into the pool without telling\n");
		bad = -1;
	}
	u->sim->log = NULL;
	if (!u->damaged && image_check(u->sim, why)) {
		fprintf(stderr, "%s\n", why);
		bad = -1;
	}
	sim_log_free(&u->log);
	sim_free(u->sim);
	free(u);
	return bad;
}

void unit_pool(struct unit *u, uint64_t bytes, uint64_t inodes)
{
	sim_detach(u->proc);
	sim_free(u->sim);
	sim_log_clear(&u->log);
	u->sim = sim_new(bytes, durability, inodes);
	if (!u->sim)
		die("no pool of %llu bytes", (unsigned long long)bytes);
	attach(u);
}

void unit_reattach(struct unit *u, uint32_t mode)
{
	sim_detach(u->proc);
	u->mode = mode;
	attach(u);
}

struct sim_proc *unit_attach(struct unit *u)
{
	int err;
	struct sim_proc *proc = sim_attach(u->sim, u->mode, &err);

	if (!proc)
		die("second attach: %d", err);
	return proc;
}

void unit_die(struct unit *u)
{
	sim_kill(u->proc);
	attach(u);
}

void unit_lanes_used(struct unit *u, uint32_t slot)
{
	st64(&umfs_slot(u->fs, slot)->unused, 0);
}

static struct umfs *loser;
static uint64_t until_lost;

static void lose(void)
{
	if (until_lost && !--until_lost)
		loser->broken = 1;
}

void unit_lose_at(struct unit *u, struct umfs *fs, uint64_t n)
{
	loser = fs;
	until_lost = n;
	u->sim->on_store = n ? lose : NULL;
}

uint64_t unit_pages_free(struct unit *u)
{
	struct umfs_statfs st;

	umfs_statfs(u->fs, &st);
	return st.pages_free;
}

int unit_run(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t n)
{
	static const char *const media[] = {"memory", "flush", "eadr"}; /* as enum umfs_durability */

	while (argc > 1 && durability < 3 && strcmp(argv[1], media[durability]))
		durability++;
	if (argc < 2 || durability == 3)
		die("usage: %s memory|flush|eadr [CASE]", argv[0]);
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}
