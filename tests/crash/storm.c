// SPDX-License-Identifier: BSD-3-Clause
/*
 * storm.c - several processes at once on the same few files and directories,
 * killed at random while the others go on.
 *
 *	storm MODE FSCK [files|names|maps|freeze]
 *
 * Each worker attaches and does random calls: storm_files.c, storm_names.c, storm_maps.c,
 * storm_freeze.c. The
 * parent kills a worker every few milliseconds and starts another. A worker that
 * makes no step for STUCK_NS ends the test: no death may hold the others up for
 * longer than a second.
 *
 * UMFS_STORM_SECONDS (20), UMFS_STORM_WORKERS (4; names and freeze: 8), UMFS_STORM_SEED.
 */
#include "storm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOL_BYTES (64 * MIB)
#define STUCK_NS 3000000000ull /* a second, and what a busy machine may add */
#define STALL_NS 200000000ull  /* after so long without being run the parent knows nothing of others */

struct board *storm_board;
static const struct storm_kind *const kinds[] = {&storm_files, &storm_names, &storm_maps, &storm_freeze};
static const struct storm_kind *kind;
static uint64_t seconds, workers, seed;

uint64_t storm_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint32_t storm_upto(struct worker *w, uint32_t n)
{
	return (uint32_t)(storm_random(&w->random) % n);
}

void storm_draw(struct worker *w, const struct storm_step *steps, uint32_t count)
{
	uint32_t sum = 0, dice, i;

	for (i = 0; i < count; i++)
		sum += steps[i].weight;
	dice = storm_upto(w, sum);
	for (i = 0; dice >= steps[i].weight; i++)
		dice -= steps[i].weight;
	strcpy(storm_board->what[w->number], steps[i].what);
	steps[i].run(w);
}

/* What may be answered on names and files that others create, move and remove all the time. */
void storm_allow(struct worker *w, int64_t ret, const char *call)
{
	static const int fine[] = {ENOENT, EEXIST, ENOTEMPTY, EISDIR, ENOTDIR,
				   EINVAL, EBADF,  EXDEV,     ELOOP,  EPERM};
	size_t i;

	__atomic_fetch_add(&storm_board->calls, 1, __ATOMIC_RELAXED);
	if (ret >= 0)
		return;
	__atomic_fetch_add(&storm_board->refused, 1, __ATOMIC_RELAXED);
	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (ret == -fine[i])
			return;
	die("worker %u: %s: %s (%s)", w->number, call, strerror((int)-ret), storm_board->what[w->number]);
}

static _Noreturn void work(const char *path, uint32_t mode, uint32_t number, uint64_t random)
{
	struct worker w = {.number = number, .mode = mode, .random = random};

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever ends the test */
	strcpy(storm_board->what[number], "attaching");
	w.pool = real_attach(path, mode);
	w.fs = &w.pool->fs;
	if (kind->begin)
		kind->begin(&w);
	for (;;) {
		kind->step(&w);
		__atomic_fetch_add(&storm_board->steps[number], 1, __ATOMIC_RELAXED);
	}
}

/* ---- the parent ---- */

static pid_t pids[STORM_WORKERS_MAX];
static uint64_t seen_steps[STORM_WORKERS_MAX], seen_at[STORM_WORKERS_MAX], slowest_ns;

static void start(const char *path, uint32_t mode, uint32_t number, uint64_t *random)
{
	uint64_t mine = storm_random(random);

	pids[number] = fork();
	if (pids[number] < 0)
		die("fork");
	if (!pids[number])
		work(path, mode, number, mine);
	seen_at[number] = now_ns();
}

/* Time in which this process itself stood still is nobody's fault. */
static void leave_out_stalls(uint64_t now)
{
	static uint64_t last;
	uint64_t stall = last && now - last > STALL_NS ? now - last : 0;

	last = now;
	for (uint32_t i = 0; i < workers; i++)
		seen_at[i] = UMFS_MIN(seen_at[i] + stall, now);
}

/* All workers have moved lately and none has ended by itself. */
static bool watch(void)
{
	uint64_t now = now_ns();
	uint32_t i;
	int status;

	leave_out_stalls(now);
	for (i = 0; i < workers; i++) {
		uint64_t steps = __atomic_load_n(&storm_board->steps[i], __ATOMIC_RELAXED);

		if (waitpid(pids[i], &status, WNOHANG) > 0) {
			printf("FAIL worker %u ended by itself (%x)\n", i, status);
			pids[i] = 0;
			return false;
		}
		if (steps != seen_steps[i]) {
			seen_steps[i] = steps;
			seen_at[i] = now;
		}
		slowest_ns = UMFS_MAX(slowest_ns, now - seen_at[i]);
		if (now - seen_at[i] > STUCK_NS) {
			printf("FAIL worker %u is stuck, %s\n", i, storm_board->what[i]);
			return false;
		}
	}
	return true;
}

static void end(uint32_t number)
{
	if (!pids[number])
		return;
	kill(pids[number], SIGKILL);
	waitpid(pids[number], NULL, 0);
	__atomic_store_n(&storm_board->whole[number], 0, __ATOMIC_SEQ_CST);
	pids[number] = 0;
}

static uint64_t kills;

void storm_replace(const struct storm *s)
{
	uint32_t victim = (uint32_t)(storm_random(s->random) % workers);

	end(victim);
	kills++;
	start(s->path, s->mode, victim, s->random);
}

/* Nobody was stuck while the parent kept all of them waiting. */
static void forgive(void)
{
	uint32_t i;

	for (i = 0; i < workers; i++)
		seen_at[i] = now_ns();
}

/* True when nobody was stuck or failed. */
static bool storm(const struct storm *s)
{
	uint64_t stop = now_ns() + seconds * 1000000000ull;
	uint32_t i;
	bool good = true;

	for (i = 0; i < workers; i++)
		start(s->path, s->mode, i, s->random);
	while (good && now_ns() < stop) {
		usleep((useconds_t)(storm_random(s->random) % 20000));
		good = watch();
		if (!good)
			break;
		storm_replace(s);
		if (kind->round) {
			kind->round(s);
			forgive();
		}
	}
	for (i = 0; i < workers; i++)
		end(i);
	return good && kills;
}

/* What the last dead left is recovered by whoever comes next; then all must hang together. */
static int look(const char *path, uint32_t mode, const char *fsck)
{
	struct pool *pool;
	struct tree t;
	char why[256];
	int bad = 0;

	if (real_fsck(fsck, path)) {
		printf("FAIL fsck on the pool as the dead left it\n");
		return 1;
	}
	pool = real_attach(path, mode);
	if (tree_read(&pool->fs, &t, why) || kind->check(&t, why) ||
	    tree_use(&pool->fs, &t, why)) {
		printf("FAIL %s\n", why);
		bad = 1;
	}
	tree_free(&t);
	pool_close(pool);
	free(pool);
	if (real_fsck(fsck, path)) {
		printf("FAIL fsck after recovery\n");
		bad = 1;
	}
	return bad;
}

static uint64_t number(const char *name, uint64_t other)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : other;
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	uint32_t mode = 0, i;
	struct storm s;
	struct pool *pool;
	char path[256];
	int bad;

	for (i = 1; i < 4 && argc > 1; i++)
		if (!strcmp(argv[1], modes[i]))
			mode = i;
	kind = NULL;
	for (i = 0; i < UMFS_ARRAY_LEN(kinds); i++)
		if (!strcmp(argc > 3 ? argv[3] : "files", kinds[i]->name))
			kind = kinds[i];
	if (!mode || argc < 3 || !kind)
		die("usage: storm atomic|sync|posix FSCK [files|names|maps|freeze]");
	seconds = number("UMFS_STORM_SECONDS", 20);
	workers = UMFS_MIN(number("UMFS_STORM_WORKERS", kind == &storm_names || kind == &storm_freeze ? 8 : 4), (uint64_t)STORM_WORKERS_MAX);
	seed = number("UMFS_STORM_SEED", now_ns());
	printf("seed %llu, %llu workers, %llu s\n", (unsigned long long)seed,
	       (unsigned long long)workers, (unsigned long long)seconds);
	fflush(stdout);
	storm_board = mmap(NULL, sizeof(*storm_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (storm_board == MAP_FAILED)
		die("out of memory");
	real_make(path, "storm", POOL_BYTES, UMFS_DURABLE_NONE, 4096);
	pool = real_attach(path, mode);
	kind->prepare(&pool->fs);
	pool_close(pool);
	free(pool);
	s = (struct storm){.path = path, .fsck = argv[2], .mode = mode, .random = &seed};
	bad = !storm(&s) || look(path, mode, argv[2]);
	printf("%llu calls, %llu refused, %llu killed, slowest step %llu ms%s\n",
	       (unsigned long long)storm_board->calls, (unsigned long long)storm_board->refused,
	       (unsigned long long)kills, (unsigned long long)(slowest_ns / 1000000),
	       bad ? "  FAILED" : "");
	if (!bad || !getenv("UMFS_CRASH_KEEP"))
		unlink(path);
	return bad;
}
