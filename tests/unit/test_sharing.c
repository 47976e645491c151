// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_sharing.c - which cache lines two that work beside each other both store to.
 *
 * A line that one processor stores to is taken from all others, so what two do apart from
 * each other scales with the processors only as far as they store to different lines. The
 * simulator tells of each store to the pool; of `struct umfs`, which the threads of a process
 * share, a copy is compared after each of them.
 *
 * Two parties do the same kind of call in turns, each on its own file or directory, after both
 * have done it for a while. Two processes have their own lanes and slots; two threads of one
 * process have lanes of their own.
 */
#include "unit.h"

#include "group.h"

#include <stdio.h>

#define POOL_BYTES (700 * MIB)
#define LINE UMFS_LINE_BYTES
#define TURNS 100u
#define REFS_MAX (1u << 14)
#define REF_LINES (REFS_MAX * 4u / LINE)

/* Lines stored to: of the pool, of struct umfs, and of its counts of references. */
struct lines {
	uint8_t *pool;
	uint8_t own[(sizeof(struct umfs) + LINE - 1) / LINE];
	uint8_t irec_refs[REF_LINES], ofd_refs[REF_LINES];
};

struct party {
	struct umfs *fs;
	uint32_t thread;
	const char *dir; /* it works there */
	struct umfs_file file;
	uint32_t names; /* made so far */
	struct lines lines;
};

struct pair {
	struct unit *u;
	struct sim_proc *other; /* NULL: two threads of one process */
	struct party party[2];
};

/* ---- seeing stores ---- */

static struct party *working;
static struct {
	struct umfs fs;
	uint32_t irec_refs[REFS_MAX], ofd_refs[REFS_MAX];
} before;

/* What differs now, line by line; `was` becomes it. */
static void see_memory(const void *now, void *was, uint64_t bytes, uint8_t *lines)
{
	uint64_t at;

	if (!memcmp(now, was, bytes))
		return;
	for (at = 0; at < bytes; at += LINE)
		if (memcmp((const uint8_t *)now + at, (const uint8_t *)was + at,
			   UMFS_MIN((uint64_t)LINE, bytes - at)))
			lines[at / LINE] = 1;
	memcpy(was, now, bytes);
}

static void see_own(void)
{
	const struct umfs *fs = working->fs;

	see_memory(fs, &before.fs, sizeof(*fs), working->lines.own);
	see_memory(fs->irec_refs, before.irec_refs, fs->geo.irec_count * 4ull,
		   working->lines.irec_refs);
	see_memory(fs->ofd_refs, before.ofd_refs, fs->geo.ofd_count * 4ull,
		   working->lines.ofd_refs);
}

static void own_begins(const struct umfs *fs)
{
	assert_true(fs->geo.irec_count <= REFS_MAX && fs->geo.ofd_count <= REFS_MAX);
	before.fs = *fs;
	memcpy(before.irec_refs, fs->irec_refs, fs->geo.irec_count * 4ull);
	memcpy(before.ofd_refs, fs->ofd_refs, fs->geo.ofd_count * 4ull);
}

static void see_pool(const struct sim_log *log)
{
	size_t i;
	uint64_t line;

	for (i = 0; i < log->count; i++) {
		const struct sim_event *e = &log->events[i];

		if (e->kind != SIM_STORE && e->kind != SIM_STORE_NT)
			continue;
		for (line = e->off / LINE; line <= (e->off + e->len - 1) / LINE; line++)
			working->lines.pool[line] = 1;
	}
}

typedef void (*work_fn)(struct party *p);

static void work_seen(struct unit *u, struct party *p, work_fn work)
{
	struct sim_log log = {0};

	working = p;
	own_begins(p->fs);
	u->sim->thread = p->thread;
	u->sim->log = &log;
	u->sim->on_store = see_own;
	work(p);
	see_own();
	u->sim->on_store = NULL;
	u->sim->log = NULL;
	see_pool(&log);
	sim_log_free(&log);
}

/* ---- what is done ---- */

static void open_own(struct party *p, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	need(world_open(p->fs, path, O_RDWR | O_CREAT, &p->file));
}

static void read_file(struct party *p)
{
	char buf[64];

	need(umfs_pread(&p->file, buf, sizeof(buf), 4096 + 64));
}

static void overwrite(struct party *p)
{
	need(world_write(&p->file, 4096 + 100, 64, p->names++));
}

static void overwrite_page(struct party *p)
{
	need(world_write(&p->file, 8192, 4096, p->names++));
}

static void append(struct party *p)
{
	need(world_append(&p->file, 1000, 1));
}

static void create(struct party *p)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/n%u", p->dir, p->names++);
	need(world_creat(p->fs, path, 0644));
}

static void open_close(struct party *p)
{
	struct umfs_file file;
	char path[64];

	snprintf(path, sizeof(path), "%s/f", p->dir);
	need(world_open(p->fs, path, O_RDONLY, &file));
	world_close(&file);
}

static void look_up(struct party *p)
{
	struct umfs_attr attr;
	char path[64];

	snprintf(path, sizeof(path), "%s/f", p->dir);
	need(world_stat(p->fs, path, &attr));
}

/* ---- pairs ---- */

static void party_init(struct unit *u, struct party *p, struct umfs *fs, uint32_t thread,
		       const char *dir)
{
	p->fs = fs;
	p->thread = thread;
	p->dir = dir;
	p->lines.pool = calloc(1, POOL_BYTES / LINE);
	if (!p->lines.pool)
		die("no memory");
	u->sim->thread = thread;
	open_own(p, "f");
	need(world_write(&p->file, 0, 64 * KIB, 1));
}

static void pair_init(struct pair *pair, struct unit *u, bool threads)
{
	memset(pair, 0, sizeof(*pair));
	pair->u = u;
	unit_pool(u, POOL_BYTES, 40960);
	u->sim->log = NULL;
	need(world_mkdir(u->fs, "/a"));
	need(world_mkdir(u->fs, "/b"));
	if (!threads)
		pair->other = unit_attach(u);
	party_init(u, &pair->party[0], u->fs, 1, "/a");
	party_init(u, &pair->party[1], threads ? u->fs : &pair->other->fs, threads ? 2 : 1, "/b");
}

static void pair_end(struct pair *pair)
{
	uint32_t i;

	for (i = 0; i < 2; i++) {
		world_close(&pair->party[i].file);
		free(pair->party[i].lines.pool);
	}
	if (pair->other)
		sim_detach(pair->other);
}

/* The first line that both stored to; `count` if there is none. */
static uint64_t shared(const uint8_t *a, const uint8_t *b, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count; i++)
		if (a[i] && b[i])
			break;
	return i;
}

static void forget_lines(struct party *p)
{
	memset(p->lines.pool, 0, POOL_BYTES / LINE);
	memset(p->lines.own, 0, sizeof(p->lines.own));
	memset(p->lines.irec_refs, 0, sizeof(p->lines.irec_refs));
	memset(p->lines.ofd_refs, 0, sizeof(p->lines.ofd_refs));
}

/* A third process has the group's lock, some times: how the second party comes to a group of its own. */
static void meet(struct pair *pair, work_fn work)
{
	struct unit *u = pair->u;
	struct sim_proc *third = unit_attach(u);
	struct umfs_tx tx;
	uint32_t i;

	u->sim->thread = 3;
	assert_ok(umfs_lane_get(&third->fs, &tx));
	assert_ok(umfs_group_lock(&third->fs, tx.lane, 0, true));
	for (i = 0; i < 20; i++)
		work_seen(u, &pair->party[1], work);
	u->sim->thread = 3;
	umfs_group_unlock(&third->fs, tx.lane, 0);
	umfs_lane_put(&tx);
	sim_detach(third);
}

static void take_turns(struct pair *pair, work_fn work)
{
	uint32_t turn, i;

	for (turn = 0; turn < TURNS; turn++)
		for (i = 0; i < 2; i++)
			work_seen(pair->u, &pair->party[i], work);
}

static void nothing_shared(struct unit *u, bool threads, work_fn work)
{
	struct pair pair;
	const struct lines *a = &pair.party[0].lines, *b = &pair.party[1].lines;

	pair_init(&pair, u, threads);
	meet(&pair, work);
	take_turns(&pair, work);
	forget_lines(&pair.party[0]);
	forget_lines(&pair.party[1]);
	take_turns(&pair, work);
	assert_int_equal(shared(a->pool, b->pool, POOL_BYTES / LINE), POOL_BYTES / LINE);
	if (threads) {
		assert_int_equal(shared(a->own, b->own, sizeof(a->own)), sizeof(a->own));
		assert_int_equal(shared(a->irec_refs, b->irec_refs, REF_LINES), REF_LINES);
		assert_int_equal(shared(a->ofd_refs, b->ofd_refs, REF_LINES), REF_LINES);
	}
	pair_end(&pair);
}

static void both_ways(void **state, work_fn work)
{
	nothing_shared(*state, false, work);
	nothing_shared(*state, true, work);
}

/* Nobody stores at all. */
static void nothing_stored(struct unit *u, bool threads, work_fn work)
{
	struct pair pair;
	uint64_t i;

	pair_init(&pair, u, threads);
	work_seen(u, &pair.party[0], work); /* it notes the time of access */
	work_seen(u, &pair.party[1], work);
	forget_lines(&pair.party[0]);
	take_turns(&pair, work);
	for (i = 0; i < POOL_BYTES / LINE; i++)
		assert_false(pair.party[0].lines.pool[i]);
	for (i = 0; i < sizeof(pair.party[0].lines.own); i++)
		assert_false(pair.party[0].lines.own[i]);
	pair_end(&pair);
}

static void reading_one_file_stores_nothing(void **state)
{
	nothing_stored(*state, false, read_file);
	nothing_stored(*state, true, read_file);
}

static void looking_up_stores_nothing(void **state)
{
	nothing_stored(*state, false, look_up);
}

static void overwrites_of_two_files(void **state)
{
	both_ways(state, overwrite);
}

static void page_overwrites_of_two_files(void **state)
{
	both_ways(state, overwrite_page);
}

static void appends_to_two_files(void **state)
{
	both_ways(state, append);
}

static void creates_in_two_directories(void **state)
{
	both_ways(state, create);
}

static void opens_of_two_files(void **state)
{
	both_ways(state, open_close);
}

/* The test can see what is shared: both append to one file. */
static void one_file_is_shared(void **state)
{
	struct unit *u = *state;
	struct pair pair;

	pair_init(&pair, u, false);
	world_close(&pair.party[1].file);
	pair.party[1].dir = "/a";
	open_own(&pair.party[1], "f");
	take_turns(&pair, append);
	assert_int_not_equal(shared(pair.party[0].lines.pool, pair.party[1].lines.pool,
				    POOL_BYTES / LINE),
			     POOL_BYTES / LINE);
	pair_end(&pair);
}

static const struct CMUnitTest tests[] = {
	CASE(reading_one_file_stores_nothing),
	CASE(looking_up_stores_nothing),
	CASE(overwrites_of_two_files),
	CASE(page_overwrites_of_two_files),
	CASE(appends_to_two_files),
	CASE(creates_in_two_directories),
	CASE(opens_of_two_files),
	CASE(one_file_is_shared),
};

UNIT_MAIN("sharing", tests)
