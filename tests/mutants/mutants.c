// SPDX-License-Identifier: BSD-3-Clause
/*
 * mutants.c - does the explorer find a flush, a fence or a publishing store that
 * is missing?
 *
 *	mutants [-s SECONDS] [-p PAIRS] [-w OP] [-j I/N] [-k FILE] [-v] MODE[:MEDIUM]... [FILE[:LINE]]...
 *
 * Core is linked in with a switch at each such call (sites.py). Once all work is
 * done with everything on, counting which calls it makes. Then, for each call, a
 * child leaves it out and does the work that makes it, the cheapest first, with images
 * of power cuts soon after it, then few of all and then many, until an image is wrong, the call leaves another
 * tree than it should, core or the simulator end it, or it hangs: the mutant is caught.
 * Work is the ops of ops.c, the making of a pool and sequences of steps.c; with the medium
 * `readers` the ops with somebody who reads meanwhile (readers.h), with `deaths` the ops
 * whose process dies and is recovered by another before power goes (deaths.c), with `broken`
 * those whose process loses the pool (broken.h).
 *
 * The last lines say how many calls there are, how many any work makes, and how
 * many mutants were caught; the others are listed. FILE:LINE does only those there;
 * -v lets them speak; -j does every N-th; -w does of the ops that one, and the making of a
 * pool; -k FILE begins with what caught each before, by the lines of an earlier run.
 */
#include "broken.h"
#include "explore.h"
#include "readers.h"
#include "site.h"
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKS_MAX 4096u
#define LENGTH_MAX 3u

const struct umfs_site *umfs_site_off;
extern struct umfs_site __start_umfs_sites[], __stop_umfs_sites[];

struct job {
	const struct op *list[LENGTH_MAX];
	uint32_t count, mode, durability;
	bool hold, format, device;
	enum beside { ALONE, READERS, DEATHS, BROKEN } beside;
	double seconds;
	uint64_t tree; /* that it leaves */
	uint8_t *makes; /* for each site: does it call it */
};

static struct job jobs[WORKS_MAX];
static uint32_t job_count, seconds_each = 60;
static const char *only_work; /* -w */
static struct sim *bases[4][3];
static uint32_t site_count;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- work ---- */

static struct job *job_new(uint32_t mode, uint32_t durability)
{
	struct job *job = &jobs[job_count];

	if (job_count == WORKS_MAX)
		die("mutants: too much work");
	job_count++;
	job->mode = mode;
	job->durability = durability;
	return job;
}

static void name_of(const struct job *job, char text[256])
{
	static const char *const kinds[] = {"", "hold:", "format", "format device"};
	size_t at = (size_t)snprintf(text, 256, "%s", kinds[job->format * 2u + (job->hold | job->device)]);
	uint32_t i;

	for (i = 0; i < job->count; i++)
		at += (size_t)snprintf(text + at, 256 - at, "%s%s", i ? "," : "", job->list[i]->name);
}

/* As it is asked for: MODE:MEDIUM. */
static const char *medium_of(const struct job *job, char text[32])
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	static const char *const media[] = {"none", "flush", "eadr"};
	static const char *const besides[] = {"", "readers", "deaths", "broken"};

	snprintf(text, 32, "%s:%s", modes[job->mode],
		 job->beside ? besides[job->beside] : media[job->durability]);
	return text;
}

/* What making the tree calls, all do. */
static const struct job *counted;

static int prepare(struct stage *s)
{
	int err = 0;
	uint32_t i;

	if (counted->count == 1 && counted->list[0]->prepare)
		err = counted->list[0]->prepare(s);
	else if (counted->hold)
		err = steps_hold(s);
	for (i = 0; i < site_count; i++)
		__start_umfs_sites[i].calls = 0;
	return err;
}

static bool job_do(const struct job *job, uint64_t *tree)
{
	char name[256];
	struct work w = {.name = name, .mode = job->mode, .durability = job->durability};
	struct explored e = {0};

	if (job->format || job->beside >= DEATHS)
		for (uint32_t i = 0; i < site_count; i++)
			__start_umfs_sites[i].calls = 0;
	if (job->format) {
		*tree = 0;
		return explore_format(job->durability, job->device, &e);
	}
	if (job->beside >= DEATHS) {
		(job->beside == DEATHS ? explore_deaths : broken_explore)(job->list[0], job->mode, &e);
		*tree = e.tree;
		return !e.failed;
	}
	name_of(job, name);
	w.steps = (const struct op *const *)job->list;
	w.count = job->count;
	w.from = job->count - 1;
	w.prepare = prepare;
	counted = job;
	if (job->count == 1) {
		w.tree = op_tree;
	} else {
		w.may_fail = true;
		w.base = bases[job->mode][job->durability];
	}
	if (job->beside == READERS)
		readers_explore(&w, &e);
	else
		explore(&w, &e);
	*tree = e.tree;
	return !e.failed;
}

static void add_work(uint32_t mode, uint32_t durability, uint32_t pairs)
{
	uint64_t seed = 1;
	size_t i;

	for (i = 0; i < op_count; i++) {
		struct job *job;

		/* The mode matters to bytes alone. */
		if (ops[i].len >= 2 * MIB || (mode != UMFS_MODE_ATOMIC && !ops[i].path))
			continue;
		if (only_work && strcmp(only_work, ops[i].name))
			continue;
		job = job_new(mode, durability);
		job->list[0] = &ops[i];
		job->count = 1;
	}
	for (i = 0; i < 2 && mode == UMFS_MODE_ATOMIC; i++) {
		struct job *job = job_new(mode, durability);

		job->format = true;
		job->device = i;
	}
	while (pairs--) {
		struct job *job = job_new(mode, durability);

		job->list[0] = &steps[sim_random(&seed) % step_count];
		job->list[1] = &steps[sim_random(&seed) % step_count];
		job->count = 2;
		job->hold = sim_random(&seed) & 1;
	}
	bases[mode][durability] = explore_base(&steps[0], mode, durability, steps_tree);
}

/* The ops with somebody else beside them, in all modes: bytes are not all there is to see. */
static void add_beside(uint32_t mode, enum beside beside)
{
	static const uint32_t nots[] = {0, OP_ATTACH | OP_DETACH | OP_LONG | OP_PIECES | OP_ALONE, DEATHS_NOT,
					BROKEN_NOT | OP_LONG};
	const uint32_t not = nots[beside];
	size_t i;

	for (i = 0; i < op_count; i++) {
		struct job *job;

		if (ops[i].flags & not ||
		    (mode != UMFS_MODE_ATOMIC && !ops[i].path) ||
		    (only_work && strcmp(only_work, ops[i].name)))
			continue;
		job = job_new(mode, beside == DEATHS ? UMFS_DURABLE_FLUSH : UMFS_DURABLE_NONE);
		job->beside = beside;
		job->list[0] = &ops[i];
		job->count = 1;
	}
}

/*
 * With everything on nothing may be wrong; which calls are made, and what it takes. Few
 * images will do.
 */
static const struct explore_effort few = {
	.cut = {.exhaustive = 8, .singles = 1, .prefixes = 3, .randoms = 2, .seed = 1},
	.recovery = {.exhaustive = 8, .singles = 1, .prefixes = 2, .randoms = 2, .seed = 7},
	.eadr_randoms = 1,
	.recoveries = 2,
	.checks = 6,
	.deaths = 1,
};
/* Where what is missing is likely to show: near to it. */
static const struct explore_effort near = {
	.cut = {.exhaustive = 64, .singles = 10, .prefixes = 10, .randoms = 16, .seed = 3, .near = 3},
	.recovery = {.exhaustive = 16, .singles = 3, .prefixes = 4, .randoms = 8, .seed = 5, .near = 3},
	.eadr_randoms = 2,
	.recoveries = 3,
	.uses = 2,
	.checks = 2,
	.deaths = 4,
};

/* The same, of many lines of which it takes the right part of several. */
static const struct explore_effort nearer = {
	.cut = {.exhaustive = 64, .randoms = 200, .seed = 11, .near = 3},
	.recovery = {.exhaustive = 16, .randoms = 40, .seed = 13, .near = 3},
	.eadr_randoms = 2,
	.recoveries = 3,
	.deaths = 4,
};

static void baseline(void)
{
	struct explore_effort all = explore_effort;
	uint32_t i, k;

	explore_effort = few;

	for (i = 0; i < job_count; i++) {
		struct job *job = &jobs[i];
		double start = now();

		if (!job_do(job, &job->tree))
			die("mutants: core is wrong as it is");
		job->seconds = now() - start;
		job->makes = calloc(site_count, 1);
		if (!job->makes)
			die("out of memory");
		for (k = 0; k < site_count; k++)
			job->makes[k] = __start_umfs_sites[k].calls != 0;
	}
	explore_effort = all;
}

static int by_time(const void *a, const void *b)
{
	const struct job *x = a, *y = b;

	return x->seconds < y->seconds ? -1 : x->seconds > y->seconds;
}

/* ---- one mutant ---- */

#define CAUGHT 3
#define EFFORTS 4

static uint32_t *trying; /* the work that the child is at, seen by both */

static void try_one(uint32_t i)
{
	struct rlimit cpu;
	uint64_t tree;

	*trying = i;
	/* A hang is seen by the limit, set anew for each: by far more than it took. */
	cpu.rlim_cur = (rlim_t)(now() + 100 * jobs[i].seconds + 10);
	cpu.rlim_max = RLIM_INFINITY;
	setrlimit(RLIMIT_CPU, &cpu);
	if (!job_do(&jobs[i], &tree) || tree != jobs[i].tree) {
		fflush(stdout);
		_exit(CAUGHT);
	}
}

/* All work that calls it; what is the same with any effort, once. */
static void try_all(uint32_t index, bool again)
{
	uint32_t i;

	for (i = 0; i < job_count; i++) {
		if (!jobs[i].makes[index] ||
		    (again && (jobs[i].beside == READERS || jobs[i].beside == BROKEN)))
			continue;
		try_one(i);
		if (now() > seconds_each)
			_exit(1); /* not all was tried */
	}
}

/* ---- what an earlier run says ---- */

static char *known; /* its lines */

static void read_known(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t room = 1 << 20, n;

	known = calloc(room, 1);
	if (!file || !known)
		die("%s: %s", path, strerror(errno));
	n = fread(known, 1, room - 1, file);
	known[n] = 0;
	fclose(file);
}

/* The work that caught it before, or job_count. */
static uint32_t known_job(const struct umfs_site *site)
{
	char name[256], medium[32], line[512];
	const char *at;
	uint32_t i;

	for (i = 0; known && i < job_count; i++) {
		name_of(&jobs[i], name);
		snprintf(line, sizeof(line), "%s:%d %s: caught by %s, %s\n", site->file, site->line,
			 site->kind, name, medium_of(&jobs[i], medium));
		at = strstr(known, line);
		if (at && (at == known || at[-1] == '\n'))
			return i;
	}
	return job_count;
}

_Noreturn static void child(const struct umfs_site *site, bool loud)
{
	struct explore_effort all = explore_effort;
	struct rlimit core = {0, 0};
	const struct explore_effort *efforts[EFFORTS] = {&near, &few, NULL, &nearer};
	uint32_t index = (uint32_t)(site - __start_umfs_sites), first = known_job(site), i;
	int null = open("/dev/null", O_WRONLY);

	setrlimit(RLIMIT_CORE, &core);
	umfs_site_off = site;
	if (!loud) {
		dup2(null, 1);
		dup2(null, 2);
	}
	efforts[2] = &all;
	for (i = 0; i < EFFORTS && first < job_count; i++) {
		explore_effort = *efforts[i];
		try_one(first);
	}
	for (i = 0; i < EFFORTS; i++) {
		explore_effort = *efforts[i];
		try_all(index, i > 0);
	}
	fflush(stdout);
	_exit(0);
}

enum verdict { VERDICT_CAUGHT, VERDICT_MISSED, VERDICT_NEVER, VERDICT_TIME };
static const char *const verdicts[] = {"caught", "NOT CAUGHT", "never called", "NOT CAUGHT in time"};

static enum verdict try(const struct umfs_site *site, bool loud)
{
	uint32_t i, index = (uint32_t)(site - __start_umfs_sites);
	int status;
	pid_t pid;

	for (i = 0; i < job_count && !jobs[i].makes[index]; i++)
		;
	if (i == job_count)
		return VERDICT_NEVER;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		child(site, loud);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return VERDICT_MISSED;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
		return VERDICT_TIME;
	return VERDICT_CAUGHT;
}

/* ---- */

static uint32_t choose(const char *word, size_t len, const char *const *words, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (strlen(words[i]) == len && !memcmp(word, words[i], len))
			return i;
	die("mutants: what is '%s'?", word);
}

static void add_named(const char *word, uint32_t pairs)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	static const char *const durabilities[] = {"none", "flush", "eadr"};
	static const char *const besides[] = {"", "readers", "deaths", "broken"};
	size_t len = strcspn(word, ":");

	for (uint32_t i = READERS; i <= BROKEN; i++)
		if (word[len] && !strcmp(word + len + 1, besides[i])) {
			add_beside(choose(word, len, modes, 4), (enum beside)i);
			return;
		}
	add_work(choose(word, len, modes, 4),
		 word[len] ? choose(word + len + 1, strlen(word + len + 1), durabilities, 3)
			   : UMFS_DURABLE_FLUSH,
		 pairs);
}

static bool matches(const struct umfs_site *site, char *const *only, uint32_t count)
{
	char where[64];
	uint32_t i;

	snprintf(where, sizeof(where), "%s:%d", site->file, site->line);
	for (i = 0; i < count; i++)
		if (!strcmp(where, only[i]) || !strcmp(site->file, only[i]))
			return true;
	return !count;
}

int main(int argc, char **argv)
{
	uint32_t i, part = 1, parts = 1, of[4] = {0}, tried = 0, pairs = 60;
	char **only = argv + argc, name[256], medium[32];
	bool loud = false;
	int opt;

	while ((opt = getopt(argc, argv, "s:j:p:w:k:v")) > 0) {
		if (opt == 's')
			seconds_each = (uint32_t)atoi(optarg);
		else if (opt == 'v')
			loud = true;
		else if (opt == 'w')
			only_work = optarg;
		else if (opt == 'k')
			read_known(optarg);
		else if (opt == 'p')
			pairs = (uint32_t)atoi(optarg);
		else if (opt != 'j' || sscanf(optarg, "%u/%u", &part, &parts) != 2)
			die("usage: mutants [-s SECONDS] [-p PAIRS] [-w OP] [-j I/N] [-k FILE] [-v] MODE[:MEDIUM]... "
			    "[FILE[:LINE]]...");
	}
	site_count = (uint32_t)(__stop_umfs_sites - __start_umfs_sites);
	for (; optind < argc && !strstr(argv[optind], ".c"); optind++)
		add_named(argv[optind], pairs);
	only = argv + optind;
	trying = mmap(NULL, sizeof(*trying), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (trying == MAP_FAILED)
		die("out of memory");
	baseline();
	qsort(jobs, job_count, sizeof(*jobs), by_time);
	printf("%u pieces of work, %.0f s\n", job_count, now());
	for (i = 0; i < site_count; i++) {
		const struct umfs_site *site = &__start_umfs_sites[i];
		enum verdict v;

		if (i % parts != part - 1 || !matches(site, only, (uint32_t)(argc - optind)))
			continue;
		v = try(site, loud);
		of[v]++;
		tried++;
		printf("%s:%d %s: %s", site->file, site->line, site->kind, verdicts[v]);
		if (v == VERDICT_CAUGHT) {
			name_of(&jobs[*trying], name);
			printf(" by %s, %s", name, medium_of(&jobs[*trying], medium));
		}
		printf("\n");
	}
	printf("%u sites in the source, %u mutants made: %u caught, %u not, %u not in time, "
	       "%u never called by this work\n",
	       site_count, tried, of[VERDICT_CAUGHT], of[VERDICT_MISSED], of[VERDICT_TIME],
	       of[VERDICT_NEVER]);
	return 0;
}
