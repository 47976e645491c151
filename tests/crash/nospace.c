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
 * records	with no record of an open inode free, then with no open file
 *		description: ENFILE then
 *
 * An op that fails says ENOSPC and leaves the tree and the counts of free pages
 * and inodes as they were; with room again it succeeds. A write may be short
 * instead: then what it says is there, and nothing else. What needs no room
 * (removing, truncating, overwriting, attributes) never fails.
 */
#include "check.h"
#include "internal.h"
#include "ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define POOL_BYTES (24 * MIB)
#define POOL_INODES 1024
#define TRIES_MAX 2000

struct trial {
	const struct op *op;
	uint32_t mode;
	struct sim *sim;
	struct sim_proc *proc;
	struct stage stage;
	struct tree before;
	struct umfs_statfs room;
	int error; /* what a failure has to say */
};

static uint64_t points[4];
static bool failed;

__attribute__((format(printf, 2, 3))) static void fail(const struct trial *t, const char *format,
						       ...)
{
	va_list args;

	va_start(args, format);
	printf("FAIL %s: %s: ", t->op->name, sim_context);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	failed = true;
}

/* ---- a pool that is as full as wanted ---- */

static void start(struct trial *t, const struct op *op, uint32_t mode)
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
static void leave_pages(struct umfs *fs, uint64_t n)
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

static void look(struct trial *t)
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

static void check_failure(struct trial *t, int err)
{
	uint64_t got = world_written;
	struct umfs_statfs room;
	struct tree now = {0};
	char why[256];
	int64_t lost;

	if (tree_read(&t->proc->fs, &now, why)) {
		fail(t, "%s", why);
	} else if (err == -EIO && t->op->path && got && got < t->op->len) {
		if (!short_write_right(t, &now, got))
			fail(t, "a short write of %llu bytes left something else",
			     (unsigned long long)got);
	} else if (err != -t->error) {
		fail(t, "error %d (%s)", err, strerror(-err));
	} else if (tree_differ(&now, &t->before, NULL, why)) {
		fail(t, "it failed, and %s", why);
	}
	umfs_statfs(&t->proc->fs, &room);
	lost = (int64_t)(t->room.pages_free + pages_owned(&t->before)) -
	       (int64_t)(room.pages_free + pages_owned(&now));
	if (!failed && !t->op->path && (lost || room.inodes_free != t->room.inodes_free))
		fail(t, "it failed and %lld pages, %lld inodes are gone", (long long)lost,
		     (long long)(t->room.inodes_free - room.inodes_free));
	if (t->error == ENOSPC && !(t->op->flags & (OP_NEEDS_PAGE | OP_NEEDS_INODE)))
		fail(t, "it needs no room and failed for lack of it");
	tree_free(&now);
}

/* Room again: now it works. Then everything must hang together. */
static void finish(struct trial *t, bool again)
{
	struct umfs *fs = &t->proc->fs;
	char why[256];
	int err;

	t->sim->back_fail_at = 0;
	t->sim->back_left = ~0ull;
	need(world_truncate(fs, "/filler", 0));
	err = again ? t->op->run(&t->stage) : 0;
	if (err)
		fail(t, "fails with room again: %s", strerror(-err));
	if (t->stage.file.fs && t->op->run && strncmp(t->op->name, "close", 5))
		world_close(&t->stage.file);
	sim_detach(t->proc);
	if (image_check(t->sim, why))
		fail(t, "%s", why);
	tree_free(&t->before);
	sim_free(t->sim);
}

/* Run the op; true when it failed (and left what it may). */
static bool run(struct trial *t)
{
	int err = t->op->run(&t->stage);

	if (err)
		check_failure(t, err);
	return err != 0;
}

/* ---- the three kinds ---- */

static void few_pages(const struct op *op, uint32_t mode)
{
	struct trial t;
	uint64_t n;
	bool full = true;

	for (n = 0; full && n < TRIES_MAX && !failed; n++) {
		snprintf(sim_context, sizeof(sim_context), "%llu pages free",
			 (unsigned long long)n);
		start(&t, op, mode);
		leave_pages(&t.proc->fs, n);
		look(&t);
		full = run(&t);
		points[0] += full;
		finish(&t, full);
	}
	if (full && !failed)
		fail(&t, "still fails");
}

/* All backed pages in use, so that the next one has to be backed first. */
static bool refuse_backing(const struct op *op, uint32_t mode, uint64_t n, bool all)
{
	struct trial t;
	bool full, fired;

	snprintf(sim_context, sizeof(sim_context), "request %llu for backing refused%s",
		 (unsigned long long)n, all ? ", and all after it" : "");
	start(&t, op, mode);
	t.sim->back_left = 0;
	(void)fill(&t.proc->fs);
	t.sim->back_left = all ? n - 1 : ~0ull;
	t.sim->back_fail_at = all ? 0 : n;
	t.sim->back_calls = 0;
	look(&t);
	full = run(&t);
	fired = t.sim->back_calls >= n;
	points[1] += fired;
	finish(&t, full);
	return fired;
}

static void no_backing(const struct op *op, uint32_t mode)
{
	uint64_t n;

	for (n = 1; n < TRIES_MAX && !failed && refuse_backing(op, mode, n, false); n++)
		;
	for (n = 1; n < TRIES_MAX && !failed && refuse_backing(op, mode, n, true); n++)
		;
}

static void no_inodes(const struct op *op, uint32_t mode)
{
	struct trial t;
	char path[32];
	uint32_t i;
	bool full;

	snprintf(sim_context, sizeof(sim_context), "no inode free");
	start(&t, op, mode);
	need(world_mkdir(&t.proc->fs, "/i"));
	for (i = 0; i < 10 * POOL_INODES; i++) {
		int err;

		snprintf(path, sizeof(path), "/i/%u", i);
		err = world_creat(&t.proc->fs, path, 0600);
		if (err == -ENOSPC)
			break;
		need(err);
	}
	look(&t);
	if (t.room.inodes_free)
		fail(&t, "%llu inodes free when a create says there is none",
		     (unsigned long long)t.room.inodes_free);
	full = run(&t);
	points[2] += full;
	need(world_unlink(&t.proc->fs, "/i/0"));
	finish(&t, full);
}

/* ---- records of open inodes, open file descriptions ---- */

#define TAKEN 0x7ffffff0u /* stands for an inode, and a serial, that nobody has */

/* Free keys in a table of records become taken ones, or those taken free. */
static void set_keys(uint8_t *table, uint32_t count, uint32_t bytes, uint32_t epoch, bool take)
{
	uint64_t mine = (uint64_t)epoch << 32 | TAKEN;
	uint32_t i;

	for (i = 0; i < count; i++) {
		le64 *key = (le64 *)(void *)(table + (uint64_t)i * bytes);

		if (take && ld64(key) >> 32 != epoch)
			st64(key, mine);
		else if (!take && ld64(key) == mine)
			st64(key, 0);
	}
}

static void set_records(struct umfs *fs, bool opens, bool take)
{
	if (opens)
		set_keys(umfs_page(fs, fs->geo.ofds_page), fs->geo.ofd_count,
			 sizeof(struct umfs_ofd_pm), fs->epoch, take);
	else
		set_keys(umfs_page(fs, fs->geo.irecs_page), fs->geo.irec_count,
			 sizeof(struct umfs_irec_pm), fs->epoch, take);
}

static void no_records(const struct op *op, uint32_t mode, bool opens)
{
	struct umfs *fs;
	struct trial t;
	int err;

	snprintf(sim_context, sizeof(sim_context), "no %s free",
		 opens ? "open file description" : "record of an open inode");
	start(&t, op, mode);
	t.error = ENFILE;
	fs = &t.proc->fs;
	look(&t);
	set_records(fs, opens, true);
	err = op->run(&t.stage);
	set_records(fs, opens, false);
	if (err)
		check_failure(&t, err);
	points[3] += err != 0;
	finish(&t, err != 0);
}

static bool run_op(const struct op *op, uint32_t mode)
{
	memset(points, 0, sizeof(points));
	failed = false;
	few_pages(op, mode);
	no_backing(op, mode);
	no_inodes(op, mode);
	if (!(op->flags & OP_CALLS)) {
		no_records(op, mode, false);
		no_records(op, mode, true);
	}
	if (((op->flags & OP_NEEDS_PAGE) && !(points[0] && points[1])) ||
	    ((op->flags & OP_NEEDS_INODE) && !points[2])) {
		printf("FAIL %s: nothing ever failed\n", op->name);
		failed = true;
	}
	printf("%-24s failure points: %3llu pages, %3llu backing, %llu inodes, %llu records%s\n",
	       op->name, (unsigned long long)points[0], (unsigned long long)points[1],
	       (unsigned long long)points[2], (unsigned long long)points[3], failed ? "  FAILED" : "");
	fflush(stdout);
	return !failed;
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
		if (!ops[i].run || (argc > 2 && strcmp(argv[2], ops[i].name)))
			continue;
		done++;
		bad += !run_op(&ops[i], mode);
	}
	printf("%u ops, %u failed\n", done, bad);
	return bad || !done;
}
