// SPDX-License-Identifier: BSD-3-Clause
/*
 * storm.c - several processes at once on the same few files and directories,
 * killed at random while the others go on.
 *
 *	storm MODE FSCK
 *
 * Each worker attaches and does random calls. Blocks of the shared files are
 * written whole, each a function of one random word, so that a reader sees a
 * mixture of two writes. The parent kills a worker every few milliseconds and
 * starts another. A worker that makes no step for STUCK_NS ends the test: no
 * death may hold the others up for longer than a second.
 *
 * UMFS_STORM_SECONDS (20), UMFS_STORM_WORKERS (4), UMFS_STORM_SEED.
 */
#include "real.h"
#include "tree.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOL_BYTES (64 * MIB)
#define WORKERS_MAX 16
#define FILES 3
#define NAMES 12
#define DIRS 3
#define BLOCKS 8
#define STUCK_NS 3000000000ull /* a second, and what a busy machine may add */

static const uint64_t block_bytes[FILES] = {512, 4096, 10000};

/* Shared by all: each worker's steps, and what it is at, for the parent to print. */
struct board {
	uint64_t steps[WORKERS_MAX];
	char what[WORKERS_MAX][64];
	uint64_t calls, refused;
};
static struct board *board;

struct worker {
	struct umfs *fs;
	struct pool *pool;
	uint64_t random;
	uint32_t number, mode;
	struct umfs_file files[FILES];
};

static uint64_t seconds, workers, seed;

static uint64_t random_of(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint32_t upto(struct worker *w, uint32_t n)
{
	return (uint32_t)(random_of(&w->random) % n);
}

/* ---- blocks that are whole or not ---- */

static void block_fill(uint8_t *buf, uint64_t n, uint64_t word)
{
	uint64_t i;

	memcpy(buf, &word, 8);
	for (i = 8; i < n; i++)
		buf[i] = (uint8_t)(word >> (i % 8 * 8)) ^ (uint8_t)(i >> 3);
}

static bool block_whole(const uint8_t *buf, uint64_t n)
{
	uint8_t want[10000];
	uint64_t word;

	memcpy(&word, buf, 8);
	block_fill(want, n, word);
	return !memcmp(buf, want, n);
}

/* What may be answered on names and files that others create, move and remove all the time. */
static void allow(struct worker *w, int64_t ret, const char *call)
{
	static const int fine[] = {ENOENT, EEXIST, ENOTEMPTY, EISDIR, ENOTDIR,
				   EINVAL, EBADF,  EXDEV,     ELOOP,  EPERM};
	size_t i;

	__atomic_fetch_add(&board->calls, 1, __ATOMIC_RELAXED);
	if (ret >= 0)
		return;
	__atomic_fetch_add(&board->refused, 1, __ATOMIC_RELAXED);
	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (ret == -fine[i])
			return;
	die("worker %u: %s: %s (%s)", w->number, call, strerror((int)-ret), board->what[w->number]);
}

static void do_write(struct worker *w)
{
	uint32_t f = upto(w, FILES), block = upto(w, BLOCKS);
	uint64_t n = block_bytes[f];
	uint8_t buf[10000];

	block_fill(buf, n, random_of(&w->random));
	allow(w, umfs_pwrite(&w->files[f], buf, n, block * n), "pwrite");
}

static void do_read(struct worker *w)
{
	uint32_t f = upto(w, FILES), block = upto(w, BLOCKS);
	uint64_t n = block_bytes[f];
	uint8_t buf[10000];
	int64_t got = umfs_pread(&w->files[f], buf, n, block * n);

	if (got != (int64_t)n)
		die("worker %u: pread of %llu bytes: %lld", w->number, (unsigned long long)n,
		    (long long)got);
	if (w->mode == UMFS_MODE_ATOMIC && !block_whole(buf, n))
		die("worker %u: block %u of file %u is a mixture", w->number, block, f);
}

/* ---- names ---- */

static void name_path(struct worker *w, char *path)
{
	sprintf(path, "/d%u/n%u", upto(w, DIRS), upto(w, NAMES));
}

static void do_grow(struct worker *w, const char *path)
{
	struct umfs_file file;
	int err = world_open(w->fs, path, O_RDWR, &file);

	allow(w, err, "open");
	if (err)
		return;
	allow(w, world_append(&file, upto(w, 20000), 1), "append");
	allow(w, umfs_truncate(w->fs, file.ino, upto(w, 30000)), "truncate");
	world_close(&file);
}

static int count_names(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		       uint64_t cookie)
{
	(void)name;
	(void)len;
	(void)ino;
	(void)type;
	(void)cookie;
	++*(uint32_t *)arg;
	return 0;
}

static void do_list(struct worker *w, const char *path)
{
	uint32_t ino, n = 0;
	int err = world_ino(w->fs, path, &ino);

	allow(w, err, "lookup");
	if (!err)
		allow(w, umfs_readdir(w->fs, ino, 0, count_names, &n), "readdir");
}

static void do_unlink_open(struct worker *w, const char *path)
{
	struct umfs_file file;
	uint8_t buf[100];
	int err = world_open(w->fs, path, O_RDWR, &file);

	allow(w, err, "open");
	if (err)
		return;
	allow(w, world_unlink(w->fs, path), "unlink");
	allow(w, world_write(&file, 0, 5000, 3), "write to an unlinked file");
	allow(w, umfs_pread(&file, buf, sizeof(buf), 0), "read of an unlinked file");
	world_close(&file);
}

static void do_names(struct worker *w)
{
	char a[64], b[64];
	struct umfs_attr attr;

	name_path(w, a);
	name_path(w, b);
	switch (upto(w, 11)) {
	case 0:
		allow(w, world_creat(w->fs, a, 0644), "creat");
		break;
	case 1:
		allow(w, world_mkdir(w->fs, a), "mkdir");
		break;
	case 2:
		allow(w, world_unlink(w->fs, a), "unlink");
		break;
	case 3:
		allow(w, world_rmdir(w->fs, a), "rmdir");
		break;
	case 4:
	case 5:
		allow(w, world_rename(w->fs, a, b), "rename");
		break;
	case 6:
		allow(w, world_link(w->fs, a, b), "link");
		break;
	case 7:
		allow(w, world_stat(w->fs, a, &attr), "stat");
		break;
	case 8:
		do_grow(w, a);
		break;
	case 9:
		do_list(w, "/d0");
		break;
	default:
		do_unlink_open(w, a);
		break;
	}
}

static _Noreturn void work(const char *path, uint32_t mode, uint32_t number, uint64_t random)
{
	struct worker w = {.number = number, .mode = mode, .random = random};
	char name[32];
	uint32_t i;

	strcpy(board->what[number], "attaching");
	w.pool = real_attach(path, mode);
	w.fs = &w.pool->fs;
	for (i = 0; i < FILES; i++) {
		sprintf(name, "/file%u", i);
		need(world_open(w.fs, name, O_RDWR, &w.files[i]));
	}
	for (;;) {
		uint32_t kind = upto(&w, 4);

		snprintf(board->what[number], 64, "%s",
			 kind == 0   ? "writing"
			 : kind == 1 ? "reading"
				     : "names");
		if (kind == 0)
			do_write(&w);
		else if (kind == 1)
			do_read(&w);
		else
			do_names(&w);
		__atomic_fetch_add(&board->steps[number], 1, __ATOMIC_RELAXED);
	}
}

/* ---- the parent ---- */

static pid_t pids[WORKERS_MAX];
static uint64_t seen_steps[WORKERS_MAX], seen_at[WORKERS_MAX];

static void start(const char *path, uint32_t mode, uint32_t number, uint64_t *random)
{
	uint64_t mine = random_of(random);

	pids[number] = fork();
	if (pids[number] < 0)
		die("fork");
	if (!pids[number])
		work(path, mode, number, mine);
	seen_at[number] = now_ns();
}

/* All workers have moved lately and none has ended by itself. */
static bool watch(void)
{
	uint64_t now = now_ns();
	uint32_t i;
	int status;

	for (i = 0; i < workers; i++) {
		uint64_t steps = __atomic_load_n(&board->steps[i], __ATOMIC_RELAXED);

		if (waitpid(pids[i], &status, WNOHANG) > 0) {
			printf("FAIL worker %u ended by itself (%x)\n", i, status);
			pids[i] = 0;
			return false;
		}
		if (steps != seen_steps[i]) {
			seen_steps[i] = steps;
			seen_at[i] = now;
		} else if (now - seen_at[i] > STUCK_NS) {
			printf("FAIL worker %u is stuck, %s\n", i, board->what[i]);
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
	pids[number] = 0;
}

static uint64_t storm(const char *path, uint32_t mode)
{
	uint64_t stop = now_ns() + seconds * 1000000000ull, random = seed, kills = 0;
	uint32_t i;
	bool good = true;

	for (i = 0; i < workers; i++)
		start(path, mode, i, &random);
	while (good && now_ns() < stop) {
		uint32_t victim;

		usleep((useconds_t)(random_of(&random) % 20000));
		good = watch();
		victim = (uint32_t)(random_of(&random) % workers);
		if (!good)
			break;
		end(victim);
		kills++;
		start(path, mode, victim, &random);
	}
	for (i = 0; i < workers; i++)
		end(i);
	return good ? kills : 0;
}

static void prepare(const char *path, uint32_t mode)
{
	struct pool *pool = real_attach(path, mode);
	uint8_t buf[10000];
	char name[32];
	uint32_t i, k;

	for (i = 0; i < DIRS; i++) {
		sprintf(name, "/d%u", i);
		need(world_mkdir(&pool->fs, name));
	}
	for (i = 0; i < FILES; i++) {
		struct umfs_file file;

		sprintf(name, "/file%u", i);
		need(world_open(&pool->fs, name, O_RDWR | O_CREAT, &file));
		block_fill(buf, block_bytes[i], 1);
		for (k = 0; k < BLOCKS; k++)
			need(umfs_pwrite(&file, buf, block_bytes[i], k * block_bytes[i]));
		world_close(&file);
	}
	pool_close(pool);
	free(pool);
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
	if (tree_read(&pool->fs, &t, why) || tree_use(&pool->fs, &t, why)) {
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
	uint64_t kills;
	char path[256];
	int bad;

	for (i = 1; i < 4 && argc > 1; i++)
		if (!strcmp(argv[1], modes[i]))
			mode = i;
	if (!mode || argc < 3)
		die("usage: storm atomic|sync|posix FSCK");
	seconds = number("UMFS_STORM_SECONDS", 20);
	workers = UMFS_MIN(number("UMFS_STORM_WORKERS", 4), (uint64_t)WORKERS_MAX);
	seed = number("UMFS_STORM_SEED", now_ns());
	printf("seed %llu, %llu workers, %llu s\n", (unsigned long long)seed,
	       (unsigned long long)workers, (unsigned long long)seconds);
	fflush(stdout);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (board == MAP_FAILED)
		die("out of memory");
	real_make(path, "storm", POOL_BYTES, UMFS_DURABLE_NONE, 4096);
	prepare(path, mode);
	kills = storm(path, mode);
	bad = !kills || look(path, mode, argv[2]);
	printf("%llu calls, %llu refused, %llu killed%s\n", (unsigned long long)board->calls,
	       (unsigned long long)board->refused, (unsigned long long)kills,
	       bad ? "  FAILED" : "");
	if (!bad || !getenv("UMFS_CRASH_KEEP"))
		unlink(path);
	return bad;
}
