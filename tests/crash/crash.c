// SPDX-License-Identifier: BSD-3-Clause
/*
 * crash.c - calls and sequences of calls, cut short everywhere, on the simulator.
 *
 *	crash MODE none|eadr|flush [OP]...		each op of ops.c, or those; `bytes`:
 *							those that the mode matters to
 *	crash MODE flush deaths [OP]...			each op, or those: its process dies, another goes
 *							on, and then power goes
 *	crash MODE none|eadr|flush pairs [I/N]		all sequences of two steps; the I-th of N parts
 *	crash MODE none|eadr|flush triples COUNT	so many of three, at random
 *	crash MODE none|eadr|flush long COUNT		so many of 60, at random
 *	crash MODE none|eadr|flush [hold:]STEP,STEP...	one sequence
 *
 * Of a sequence of up to three steps the last is cut short: the others were when
 * they were last. Each is done twice, with the files opened by each step that
 * writes, and with them held open all the time.
 *
 * UMFS_CRASH_EFFORT=n tries n times as many images (a fraction: fewer);
 * UMFS_CRASH_SEED=n picks others; UMFS_CRASH_KEEP=FILE keeps the image that failed;
 * UMFS_CRASH_TRACE=1 lists what the steps stored, flushed and fenced.
 */
#include "explore.h"
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LONG_STEPS 60u

static uint32_t mode, durability;
static struct explored sum;
static uint32_t done, failed;
static struct sim *base;

static void print_line(const char *name, const struct explored *e)
{
	printf("%-24s %5llu events, %6llu crash points, %5llu in recovery%s\n", name,
	       (unsigned long long)e->events, (unsigned long long)e->points,
	       (unsigned long long)e->in_recovery, e->failed ? "  FAILED" : "");
	fflush(stdout);
}

static void add(const struct explored *e)
{
	sum.events += e->events;
	sum.points += e->points;
	sum.in_recovery += e->in_recovery;
	done++;
	failed += e->failed;
}

/* ---- ops ---- */

static void run_op(const struct op *op)
{
	struct work w = {.name = op->name, .mode = mode, .durability = durability};
	struct explored e = {0};

	w.tree = op_tree;
	w.prepare = op->prepare;
	w.steps = &op;
	w.count = 1;
	explore(&w, &e);
	if (!e.points && !e.failed) {
		printf("FAIL %s: not one crash point\n", op->name);
		e.failed = true;
	}
	print_line(op->name, &e);
	add(&e);
}

/* The mode makes no difference to it. */
static void run_format(bool device)
{
	struct explored e = {0};

	explore_format(durability, device, &e);
	print_line(device ? "format of a device" : "format", &e);
	add(&e);
}

static bool is_named(const char *name, char **names, int count)
{
	int k;

	for (k = 0; k < count; k++)
		if (!strcmp(names[k], name))
			return true;
	return !count;
}

static void run_deaths(char **names, int count)
{
	size_t i;

	for (i = 0; i < op_count; i++) {
		struct explored e = {0};

		if (ops[i].flags & DEATHS_NOT || !is_named(ops[i].name, names, count))
			continue;
		explore_deaths(&ops[i], mode, &e);
		print_line(ops[i].name, &e);
		add(&e);
	}
}

/* "bytes": those that the mode makes a difference to. */
static void run_ops(char **names, int count)
{
	size_t i;
	int k;

	for (i = 0; i < op_count; i++) {
		bool wanted = !count;

		for (k = 0; k < count; k++)
			wanted |= !strcmp(names[k], ops[i].name) ||
				  (ops[i].path && !strcmp(names[k], "bytes"));
		if (wanted)
			run_op(&ops[i]);
	}
	if ((!count && mode == UMFS_MODE_ATOMIC) || (count && !strcmp(names[0], "format"))) {
		run_format(false);
		run_format(true);
	}
}

/* ---- sequences ---- */

static void name_of(char *text, size_t room, const struct op *const *list, uint32_t count,
		    bool hold)
{
	size_t at = (size_t)snprintf(text, room, "%s", hold ? "hold:" : "");
	uint32_t i;

	for (i = 0; i < count && at < room; i++)
		at += (size_t)snprintf(text + at, room - at, "%s%s", i ? "," : "", list[i]->name);
}

static void run_sequence(const struct op *const *list, uint32_t count, uint32_t from, bool hold,
			 bool say)
{
	char name[4000];
	struct work w = {.name = name, .mode = mode, .durability = durability, .base = base};
	struct explored e = {0};

	name_of(name, sizeof(name), list, count, hold);
	w.prepare = hold ? steps_hold : NULL;
	w.steps = list;
	w.count = count;
	w.from = from;
	w.may_fail = true;
	explore(&w, &e);
	if (say || e.failed)
		print_line(name, &e);
	add(&e);
}

static void run_pairs(const char *part)
{
	uint32_t i = 1, n = 1, at = 0;
	size_t a, b;

	if (part && sscanf(part, "%u/%u", &i, &n) != 2)
		die("crash: '%s' is not I/N", part);
	for (a = 0; a < step_count; a++)
		for (b = 0; b < step_count; b++) {
			const struct op *list[] = {&steps[a], &steps[b]};

			if (at++ % n != i - 1)
				continue;
			run_sequence(list, 2, 1, false, false);
			run_sequence(list, 2, 1, true, false);
		}
}

static void run_random(uint32_t count, uint32_t length, uint32_t from, uint64_t seed)
{
	const struct op *list[STEPS_MAX];
	uint32_t k;

	while (count--) {
		for (k = 0; k < length; k++)
			list[k] = &steps[sim_random(&seed) % step_count];
		run_sequence(list, length, from, sim_random(&seed) & 1, false);
	}
}

static void run_named(const char *text)
{
	const struct op *list[STEPS_MAX];
	bool hold = !strncmp(text, "hold:", 5);
	uint32_t count = 0;

	if (hold)
		text += 5;
	while (*text) {
		size_t len = strcspn(text, ",");

		if (count == STEPS_MAX || !(list[count++] = step_find(text, len)))
			die("crash: what is '%.*s'?", (int)len, text);
		text += len + (text[len] == ',');
	}
	run_sequence(list, count, count <= 3 ? count - 1 : 0, hold, true);
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

static uint32_t times(uint32_t n, double by)
{
	return (uint32_t)(n * by + 0.5);
}

static void scale(struct sim_effort *e, double by)
{
	e->exhaustive = times(e->exhaustive, by);
	e->singles = times(e->singles, by);
	e->prefixes = times(e->prefixes, by);
	e->randoms = times(e->randoms, by);
}

static void read_environment(void)
{
	const char *by_text = getenv("UMFS_CRASH_EFFORT"), *seed = getenv("UMFS_CRASH_SEED");
	struct explore_effort *e = &explore_effort;
	double by = by_text ? atof(by_text) : 1;

	scale(&e->cut, by);
	scale(&e->recovery, by);
	e->eadr_randoms = times(e->eadr_randoms, by);
	if (by < 1)
		e->recoveries = UMFS_MAX(times(e->recoveries, by), 1u);
	if (seed)
		e->cut.seed = strtoull(seed, NULL, 0);
	printf("seed %llu; all images of a power cut up to %u, else %u lines alone and left out, "
	       "%u prefixes, %u at random\n",
	       (unsigned long long)e->cut.seed, e->cut.exhaustive, e->cut.singles,
	       e->cut.prefixes, e->cut.randoms);
}

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void run(char **words, int count)
{
	uint64_t seed = explore_effort.cut.seed;
	const char *what = count ? words[0] : "";
	uint32_t n = count > 1 ? (uint32_t)atoi(words[1]) : 100;

	if (!strcmp(what, "deaths") && durability == UMFS_DURABLE_FLUSH)
		run_deaths(words + 1, count - 1);
	else if (!strcmp(what, "pairs"))
		run_pairs(count > 1 ? words[1] : NULL);
	else if (!strcmp(what, "triples"))
		run_random(n, 3, 2, seed);
	else if (!strcmp(what, "long"))
		run_random(n, LONG_STEPS, 0, seed);
	else if (strchr(what, ',') || !strncmp(what, "hold:", 5) || step_find(what, strlen(what)))
		run_named(what);
	else
		run_ops(words, count);
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	static const char *const durabilities[] = {"none", "flush", "eadr"};
	double took;

	if (argc < 3)
		die("usage: crash atomic|sync|posix none|flush|eadr [what, see crash.c]");
	mode = choose(argv[1], modes, 4);
	durability = choose(argv[2], durabilities, 3);
	read_environment();
	base = explore_base(&steps[0], mode, durability, steps_tree);
	run(argv + 3, argc - 3);
	sim_free(base);
	took = cpu_seconds();
	printf("%llu images, %llu of them of a recovery cut short; %.0f s of CPU, %.0f images a second\n",
	       (unsigned long long)(sum.points + sum.in_recovery),
	       (unsigned long long)sum.in_recovery, took,
	       (double)(sum.points + sum.in_recovery) / took);
	printf("%u done, %u failed\n", done, failed);
	return failed || !done;
}
