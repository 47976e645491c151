// SPDX-License-Identifier: BSD-3-Clause
/*
 * nospace.c - every op with an allocation failing inside it, on the simulator.
 *
 *	nospace MODE [OP]
 *
 * pages	with n = 0, 1, 2, ... pages free until the op succeeds
 * backing	with the n-th request for backing refused, and with all from the
 *		n-th on, until no request is left to refuse
 * inodes	with none free
 * and nospace_tables.c: records of open inodes, open file descriptions, lanes,
 * reserves, slots.
 *
 * An op that fails says ENOSPC and leaves the tree and the counts of free pages
 * and inodes as they were; with room again it succeeds. A write may be short
 * instead: then what it says is there, and nothing else. What needs no room
 * (removing, truncating, overwriting, attributes) never fails. An op that
 * never failed for what it is said to need is a failure of the test.
 */
#include "nospace.h"
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define POOL_BYTES (24 * MIB)
#define POOL_INODES 1024
#define TRIES_MAX 2000

uint64_t nospace_points[WANTS];
bool nospace_failed;
static uint64_t reserves_waited;

void nospace_fail(const struct trial *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("FAIL %s: %s: ", t->op->name, sim_context);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	nospace_failed = true;
}

/* ---- a pool that is as full as wanted ---- */

void nospace_start(struct trial *t, const struct op *op, uint32_t mode)
{
	int err;

	memset(t, 0, sizeof(*t));
	t->op = op;
	t->mode = mode;
	t->error = ENOSPC;
	t->sim = sim_new(POOL_BYTES, UMFS_DURABLE_NONE, POOL_INODES);
	t->proc = t->sim ? sim_attach(t->sim, mode, &err) : NULL;
	if (!t->proc)
		die("no pool");
	t->stage.fs = &t->proc->fs;
	op_tree(&t->proc->fs);
	if (op->prepare)
		need(op->prepare(&t->stage));
	need(world_creat(&t->proc->fs, "/filler", 0600));
}

/* Append to /filler until nothing more goes in; its size. */
static uint64_t fill(struct umfs *fs)
{
	static const uint64_t sizes[] = {MIB, 64 * KIB, 4096};
	struct umfs_file file;
	struct umfs_attr attr;
	size_t i;

	need(world_open(fs, "/filler", O_RDWR, &file));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		while (!world_append(&file, sizes[i], 7))
			;
	world_close(&file);
	need(world_stat(fs, "/filler", &attr));
	return attr.size;
}

static uint64_t pages_free(struct umfs *fs)
{
	struct umfs_statfs st;

	umfs_statfs(fs, &st);
	return st.pages_free;
}

/* Cut /filler until at least n pages are free. */
void nospace_leave_pages(struct umfs *fs, uint64_t n)
{
	uint64_t size = fill(fs) & ~(uint64_t)UMFS_PAGE_MASK;

	while (pages_free(fs) < n) {
		if (size < UMFS_PAGE_BYTES)
			die("nothing left to cut off");
		size -= UMFS_PAGE_BYTES;
		need(world_truncate(fs, "/filler", size));
	}
}

/* Pages that what can be seen owns; a directory may keep room that it made for a name. */
static uint64_t pages_owned(const struct tree *t)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < t->count; i++)
		pages += t->nodes[i].attr.blocks_512 / 8;
	return pages;
}

void nospace_look(struct trial *t)
{
	char why[256];

	if (tree_read(&t->proc->fs, &t->before, why))
		die("%s: %s", t->op->name, why);
	umfs_statfs(&t->proc->fs, &t->room);
}

/* ---- what a failure may leave ---- */

/* `got` bytes of the write went in. */
static bool short_write_right(const struct trial *t, const struct tree *now, uint64_t got)
{
	const struct node *x = tree_find(now, t->op->path);
	const struct node *old = tree_find(&t->before, t->op->path);
	uint64_t end = t->op->off + got, i;
	uint8_t *want;
	bool same = true;

	if (!x || !old || x->attr.size != UMFS_MAX(old->attr.size, end))
		return false;
	want = malloc(t->op->len + 1);
	if (!want)
		die("out of memory");
	world_fill(want, t->op->len, t->op->off, 2);
	for (i = 0; same && i < x->data_bytes; i++) {
		if (i >= t->op->off && i < end)
			same = x->data[i] == want[i - t->op->off];
		else
			same = x->data[i] == (i < old->data_bytes ? old->data[i] : 0);
	}
	free(want);
	return same;
}

void nospace_check_failure(struct trial *t, int err)
{
	uint64_t got = world_written;
	struct umfs_statfs room;
	struct tree now = {0};
	char why[256];
	int64_t lost;

	if (tree_read(&t->proc->fs, &now, why)) {
		nospace_fail(t, "%s", why);
	} else if (err == -EIO && t->op->path && got && got < t->op->len) {
		if (!short_write_right(t, &now, got))
			nospace_fail(t, "a short write of %llu bytes left something else",
			     (unsigned long long)got);
	} else if (!t->error) {
		nospace_fail(t, "it needs none and failed: %s", strerror(-err));
	} else if (err != -t->error) {
		nospace_fail(t, "error %d (%s)", err, strerror(-err));
	} else if (tree_differ(&now, &t->before, NULL, why)) {
		nospace_fail(t, "it failed, and %s", why);
	}
	umfs_statfs(&t->proc->fs, &room);
	lost = (int64_t)(t->room.pages_free + pages_owned(&t->before)) -
	       (int64_t)(room.pages_free + pages_owned(&now));
	if (!nospace_failed && !t->op->path && (lost || room.inodes_free != t->room.inodes_free))
		nospace_fail(t, "it failed and %lld pages, %lld inodes are gone", (long long)lost,
		     (long long)(t->room.inodes_free - room.inodes_free));
	if (t->error == ENOSPC && !(t->op->flags & (OP_NEEDS_PAGE | OP_NEEDS_INODE)))
		nospace_fail(t, "it needs no room and failed for lack of it");
	tree_free(&now);
}

/* Room again: now it works. Then everything must hang together. */
void nospace_finish(struct trial *t, bool again)
{
	struct umfs *fs = &t->proc->fs;
	char why[256];
	int err;

	t->sim->back_fail_at = 0;
	t->sim->back_left = ~0ull;
	need(world_truncate(fs, "/filler", 0));
	err = again ? t->op->run(&t->stage) : 0;
	if (err)
		nospace_fail(t, "fails with room again: %s", strerror(-err));
	if (t->stage.file.fs && t->op->run && strncmp(t->op->name, "close", 5))
		world_close(&t->stage.file);
	sim_detach(t->proc);
	if (image_check(t->sim, why))
		nospace_fail(t, "%s", why);
	tree_free(&t->before);
	sim_free(t->sim);
}

/* Run the op; true when it failed (and left what it may). */
static bool run(struct trial *t)
{
	int err = t->op->run(&t->stage);

	if (err)
		nospace_check_failure(t, err);
	return err != 0;
}

/* ---- the three kinds ---- */

static void few_pages(const struct op *op, uint32_t mode)
{
	struct trial t;
	uint64_t n;
	bool full = true;

	for (n = 0; full && n < TRIES_MAX && !nospace_failed; n++) {
		snprintf(sim_context, sizeof(sim_context), "%llu pages free",
			 (unsigned long long)n);
		nospace_start(&t, op, mode);
		nospace_leave_pages(&t.proc->fs, n);
		if (pages_free(&t.proc->fs) != n && !n)
			die("the pool is not full");
		nospace_look(&t);
		full = run(&t);
		nospace_points[PAGES] += full;
		nospace_finish(&t, full);
	}
	if (full && !nospace_failed)
		nospace_fail(&t, "still fails");
}

/* All backed pages in use, so that the next one has to be backed first. */
static bool refuse_backing(const struct op *op, uint32_t mode, uint64_t n, bool all)
{
	struct trial t;
	bool full, fired;

	snprintf(sim_context, sizeof(sim_context), "request %llu for backing refused%s",
		 (unsigned long long)n, all ? ", and all after it" : "");
	nospace_start(&t, op, mode);
	t.sim->back_left = 0;
	(void)fill(&t.proc->fs);
	t.sim->back_left = all ? n - 1 : ~0ull;
	t.sim->back_fail_at = all ? 0 : n;
	t.sim->back_calls = 0;
	nospace_look(&t);
	full = run(&t);
	fired = t.sim->back_calls >= n;
	nospace_points[BACKING] += fired;
	nospace_finish(&t, full);
	return fired;
}

static void no_backing(const struct op *op, uint32_t mode)
{
	uint64_t n;

	for (n = 1; n < TRIES_MAX && !nospace_failed && refuse_backing(op, mode, n, false); n++)
		;
	for (n = 1; n < TRIES_MAX && !nospace_failed && refuse_backing(op, mode, n, true); n++)
		;
}

static void no_inodes(const struct op *op, uint32_t mode)
{
	struct trial t;
	char path[32];
	uint32_t i;
	bool full;

	snprintf(sim_context, sizeof(sim_context), "no inode free");
	nospace_start(&t, op, mode);
	need(world_mkdir(&t.proc->fs, "/i"));
	for (i = 0; i < 10 * POOL_INODES; i++) {
		int err;

		snprintf(path, sizeof(path), "/i/%u", i);
		err = world_creat(&t.proc->fs, path, 0600);
		if (err == -ENOSPC)
			break;
		need(err);
	}
	nospace_look(&t);
	if (t.room.inodes_free)
		nospace_fail(&t, "%llu inodes free when a create says there is none",
		     (unsigned long long)t.room.inodes_free);
	full = run(&t);
	nospace_points[INODES] += full;
	need(world_unlink(&t.proc->fs, "/i/0"));
	nospace_finish(&t, full);
}

/* Flag, and what such an op has to have failed for. */
static const struct {
	uint32_t flag;
	enum want want;
	const char *name;
} needs[] = {
	{OP_NEEDS_PAGE, PAGES, "pages"},	 {OP_NEEDS_PAGE, BACKING, "backing"},
	{OP_NEEDS_INODE, INODES, "inodes"},	 {OP_NEEDS_RECORD, RECORDS, "records"},
	{OP_NEEDS_OFD, DESCRIPTIONS, "descriptions"}, {OP_NEEDS_PAGE, LANES, "lanes"},
	{OP_NEEDS_INODE, LANES, "lanes"},
};

static void check_points(const struct op *op)
{
	uint32_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(needs); i++)
		if ((op->flags & needs[i].flag) && !nospace_points[needs[i].want]) {
			printf("FAIL %s: never missed %s\n", op->name, needs[i].name);
			nospace_failed = true;
		}
}

static bool run_op(const struct op *op, uint32_t mode)
{
	uint64_t *p = nospace_points;

	memset(nospace_points, 0, sizeof(nospace_points));
	nospace_failed = false;
	few_pages(op, mode);
	no_backing(op, mode);
	no_inodes(op, mode);
	nospace_records(op, mode, false);
	nospace_records(op, mode, true);
	nospace_lanes(op, mode);
	nospace_reserves(op, mode);
	if (!nospace_failed)
		check_points(op);
	printf("%-28s failure points: %3llu pages, %3llu backing, %llu inodes, %llu records, "
	       "%llu descriptions, %llu lanes, %llu reserves%s\n",
	       op->name, (unsigned long long)p[PAGES], (unsigned long long)p[BACKING],
	       (unsigned long long)p[INODES], (unsigned long long)p[RECORDS],
	       (unsigned long long)p[DESCRIPTIONS], (unsigned long long)p[LANES],
	       (unsigned long long)p[RESERVES], nospace_failed ? "  FAILED" : "");
	fflush(stdout);
	reserves_waited += p[RESERVES];
	return !nospace_failed;
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"", "posix", "sync", "atomic"};
	uint32_t mode = 0, bad = 0, done = 0, i;

	for (i = 1; i < 4 && argc > 1; i++)
		if (!strcmp(argv[1], modes[i]))
			mode = i;
	if (!mode)
		die("usage: nospace atomic|sync|posix [OP]");
	for (i = 0; i < op_count; i++) {
		if (!ops[i].run || (ops[i].flags & (OP_FREEZES | OP_ALONE)) || (argc > 2 && strcmp(argv[2], ops[i].name)))
			continue;
		done++;
		bad += !run_op(&ops[i], mode);
	}
	if (argc < 3) {
		nospace_failed = false;
		nospace_slots(mode);
		bad += nospace_failed;
	}
	if (argc < 3 && mode == UMFS_MODE_ATOMIC && !reserves_waited) {
		puts("FAIL no op ever waited for a reserve");
		bad++;
	}
	printf("%u ops, %u failed\n", done, bad);
	return bad || !done;
}
