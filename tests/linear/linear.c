// SPDX-License-Identifier: BSD-3-Clause
/*
 * linear.c - reads against concurrent writes, appends and truncates of other processes: is
 * there one order of all calls that explains what each of them saw?
 *
 *	linear [-x] MODE
 *
 * In each round some processes attach, begin together and do some thousand random calls on
 * ranges of a file (within a page, over a page's end, pages, 2 MiB), on the size of another and
 * on a log. Each write is of a number of its own, over the whole range. In every second round
 * processes are stopped at random moments and go on later, and in `atomic` one of them is killed
 * in every fourth. Then what each call saw, and when, is held against history.h: each range, the
 * size and the log by itself. What is promised is that a read sees each write whole or not at
 * all; that several ranges read at once are of one moment is not, and not looked at.
 *
 * -x: core is wrong on purpose, which has to be found in time.
 *
 * UMFS_LINEAR_SECONDS (3), UMFS_LINEAR_WORKERS (4), UMFS_LINEAR_OPS (3000), UMFS_LINEAR_SEED.
 */
#include "linear.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOL_BYTES (64 * MIB)

struct board *board;
static uint64_t seed, rounds, calls, kills, stops;

static void open_one(struct umfs *fs, const char *path, uint32_t flags, struct umfs_file *file)
{
	need(world_open(fs, path, O_RDWR | O_CREAT | flags, file));
}

void files_open(struct umfs *fs, struct linear_files *files)
{
	open_one(fs, "/ranges", 0, &files->ranges);
	open_one(fs, "/size", 0, &files->size);
	open_one(fs, "/log", O_APPEND, &files->log);
}

void files_close(struct linear_files *files)
{
	world_close(&files->ranges);
	world_close(&files->size);
	world_close(&files->log);
}

/* ---- a round ---- */

static void put_number(struct umfs_file *file, uint64_t off, uint64_t n, uint64_t number)
{
	static uint8_t buf[RANGE_BYTES_MAX];

	number_fill(buf, n, number);
	need(umfs_pwrite(file, buf, n, off));
}

static void prepare(const struct round *r)
{
	struct pool *pool = real_attach(r->path, r->mode);
	struct linear_files files;
	uint32_t i;

	files_open(&pool->fs, &files);
	for (i = 0; i < RANGES; i++)
		put_number(&files.ranges, ranges[i].off, ranges[i].bytes, number_initial(r));
	put_number(&files.size, 0, HEAD_BYTES, number_initial(r));
	need(umfs_truncate(&pool->fs, umfs_file_node(&files.size), SIZE_FIRST));
	need(umfs_truncate(&pool->fs, umfs_file_node(&files.log), 0));
	files_close(&files);
	pool_close(pool);
	free(pool);
	board->ready = 0;
	memset(board->count, 0, sizeof(board->count));
}

static pid_t pids[WORKERS_MAX];

static void start_all(const struct round *r)
{
	uint32_t i;

	for (i = 0; i < r->workers; i++) {
		uint64_t random = random_next(&seed);

		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i])
			worker_run(r, i, random);
	}
}

/* How many are left; a worker may be killed, and else ends well. */
static uint32_t reap(const struct round *r)
{
	uint32_t i, left = 0;
	int status;

	for (i = 0; i < r->workers; i++) {
		if (!pids[i])
			continue;
		if (!waitpid(pids[i], &status, WNOHANG)) {
			left++;
			continue;
		}
		pids[i] = 0;
		if (status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
			found("worker %u ended by itself (%x)", i, status);
	}
	return left;
}

static void disturb(const struct round *r, bool *kill_one)
{
	pid_t pid = pids[random_next(&seed) % r->workers];

	if (!pid || __atomic_load_n(&board->ready, __ATOMIC_SEQ_CST) < r->workers)
		return;
	if (*kill_one) {
		kill(pid, SIGKILL);
		kills++;
		*kill_one = false;
		return;
	}
	kill(pid, SIGSTOP);
	usleep((useconds_t)(random_next(&seed) % 400));
	kill(pid, SIGCONT);
	stops++;
}

static bool one_round(const struct round *r)
{
	bool kill_one = r->number % 4 == 0 && r->mode == UMFS_MODE_ATOMIC;
	uint32_t i;

	prepare(r);
	start_all(r);
	while (reap(r)) {
		usleep((useconds_t)(100 + random_next(&seed) % 900));
		if (r->number % 2 == 0)
			disturb(r, &kill_one);
	}
	for (i = 0; i < r->workers; i++)
		calls += board->count[i];
	return !board->found && judge(r);
}

/* ---- */

static uint64_t number(const char *name, uint64_t other)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : other;
}

static void run(struct round *r, uint64_t seconds)
{
	uint64_t stop = now_ns() + seconds * 1000000000ull;

	do {
		r->number = ++rounds;
	} while (one_round(r) && now_ns() < stop);
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	bool wrong = argc > 1 && !strcmp(argv[1], "-x");
	uint64_t seconds = number("UMFS_LINEAR_SECONDS", wrong ? 30 : 3);
	struct round r = {0};
	char path[256];
	uint32_t i;

	for (i = 1; i < 4 && argc == 2 + wrong; i++)
		if (!strcmp(argv[1 + wrong], modes[i]))
			r.mode = i;
	r.workers = (uint32_t)UMFS_MIN(number("UMFS_LINEAR_WORKERS", 4), (uint64_t)WORKERS_MAX);
	r.ops = (uint32_t)UMFS_MIN(number("UMFS_LINEAR_OPS", 3000), (uint64_t)OPS_MAX);
	if (!r.mode || !r.workers)
		die("usage: linear [-x] atomic|sync|posix");
	seed = number("UMFS_LINEAR_SEED", now_ns());
	printf("seed %llu, %u workers\n", (unsigned long long)seed, r.workers);
	fflush(stdout);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		die("out of memory");
	real_make(path, "linear", POOL_BYTES, UMFS_DURABLE_NONE, 4096);
	r.path = path;
	run(&r, seconds);
	unlink(path);
	if (board->found)
		printf("%s: %s\n", wrong ? "found" : "FAIL", board->why);
	printf("%llu rounds, %llu calls, %llu stopped, %llu killed\n", (unsigned long long)rounds,
	       (unsigned long long)calls, (unsigned long long)stops, (unsigned long long)kills);
	return wrong ? !board->found : (int)board->found;
}
