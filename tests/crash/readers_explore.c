// SPDX-License-Identifier: BSD-3-Clause
/*
 * readers_explore.c - see readers.h.
 *
 * The op is done once, writing everything down. Then a process that was attached all the
 * time reads a file, or asks for a path's attributes or extended ones, with the op as far
 * as its i-th store when it begins, and as far as its j-th from some point of its copying
 * on; non-temporal stores are seen late, early or anywhen (port/sim/beside.c). What it
 * gets must be what it would have got before the op or after it. If it waits for a lock,
 * the op goes on to its end.
 *
 * The writer is alive all the time: nothing is recovered.
 */
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>

#define STARTS 24u /* i: all, or so many */
#define COPIES 3u /* where between i and j the reader copies: everywhere, or so many */
#define WAITS_PATIENT 64u /* waits until the writer goes on: stopped, for who can do without the lock */
#define ANSWER_MAX 160000u
#define WATCHES_MAX 40u

uint32_t readers_effort = 1;

enum what { WATCH_BYTES, WATCH_ATTR, WATCH_XATTR };
static const char *const what_names[] = {"bytes", "attributes", "extended attributes"};

struct answer {
	int64_t ret;
	uint32_t len;
	uint8_t data[ANSWER_MAX];
};

struct watch {
	enum what what;
	const char *path;
	const char *name; /* of an extended attribute; NULL: the list of them */
	struct umfs_file file;
	uint64_t off, len; /* of its bytes */
	struct answer *before, *after;
};

struct look {
	const struct work *work;
	struct sim *sim;
	struct sim_log log;
	struct sim_proc *writer, *reader;
	struct umfs reader_fs; /* as it was before it looked */
	struct watch watch[WATCHES_MAX];
	uint32_t count;

	struct sim_beside *beside;
	size_t first, to; /* where the op began, and is when the reader copies for the `at`-th time */
	uint32_t copies, at, waits;
	bool waited;
	uint64_t trials;
};

static const char *const files[] = {"/a", "/b", "/m", "/empty", "/d/x", "/d/sub/y", "/t/f", "/h"};
static const char *const names[] = {"/b", "/m", "/e", "/d/x", "/d/new", "/e/new", "/d"};
static const char *const xattrs[][2] = {
	{"/b", NULL}, {"/b", "user.two"}, {"/b", "user.four"}, {"/a", "user.large"},
	{"/e", NULL}, {"/e", "user.only"}, {"/e", "trusted.first"}, {"/d/x", "user.first"},
	{"/e/new", "system.posix_acl_access"}, {"/e/new", "system.posix_acl_default"},
};

/* ---- one reading ---- */

static void copying(void *arg)
{
	struct look *l = arg;

	if (l->copies++ == l->at)
		sim_beside_go(l->beside, l->to);
}

/* Called at a wait. */
static void waiting(void *arg)
{
	struct look *l = arg;

	if (++l->waits < WAITS_PATIENT) {
		l->sim->turn = waiting;
		return;
	}
	l->waited = true;
	sim_beside_go(l->beside, l->log.count);
}

static void add(struct answer *a, const void *data, size_t n)
{
	memcpy(a->data + a->len, data, n);
	a->len += (uint32_t)n;
}

static void ask_attr(struct umfs *fs, const char *path, struct answer *a)
{
	struct umfs_attr attr;

	a->ret = world_stat(fs, path, &attr);
	if (a->ret)
		return;
	add(a, &attr.ino, sizeof(attr.ino));
	add(a, &attr.mode, sizeof(attr.mode));
	add(a, &attr.size, sizeof(attr.size));
}

static void ask_xattr(struct umfs *fs, const struct watch *w, struct answer *a)
{
	umfs_node node;

	a->ret = world_node(fs, w->path, &node);
	if (a->ret)
		return;
	if (w->name)
		a->ret = umfs_getxattr(fs, &world_root, node, w->name, (uint32_t)strlen(w->name),
				       a->data, ANSWER_MAX);
	else
		a->ret = umfs_listxattr(fs, &world_root, node, (char *)a->data, 65536);
	a->len = a->ret > 0 ? (uint32_t)a->ret : 0;
}

static void ask(struct look *l, const struct watch *w, struct answer *a)
{
	struct umfs *fs = &l->reader->fs;

	a->len = 0;
	if (w->what == WATCH_ATTR) {
		ask_attr(fs, w->path, a);
	} else if (w->what == WATCH_XATTR) {
		ask_xattr(fs, w, a);
	} else {
		a->ret = umfs_pread(&w->file, a->data, w->len, w->off);
		a->len = a->ret > 0 ? (uint32_t)a->ret : 0;
	}
}

/* The reader begins when the op is at `from`, and it goes on to `to` at the at-th copy. */
static void trial(struct look *l, const struct watch *w, size_t from, size_t to, uint32_t at,
		  struct answer *a)
{
	sim_beside_start(l->beside);
	l->reader->fs = l->reader_fs;
	sim_slot_give(l->sim, l->writer->fs.slot, l->writer);
	sim_slot_give(l->sim, l->reader->fs.slot, l->reader);
	sim_beside_go(l->beside, from);
	l->to = to;
	l->at = at;
	l->copies = l->waits = 0;
	l->waited = false;
	l->sim->turn = waiting;
	l->sim->turn_arg = l;
	l->sim->copying = copying;
	l->sim->copying_arg = l;
	ask(l, w, a);
	l->sim->turn = NULL;
	l->sim->copying = NULL;
	l->trials++;
}

static bool same(const struct answer *a, const struct answer *b)
{
	return a->ret == b->ret && a->len == b->len && !memcmp(a->data, b->data, a->len);
}

/* Is what was seen what it may be? What a path led to may be gone when it is asked. */
static bool allowed(const struct watch *w, const struct answer *a, bool moved)
{
	if (same(a, w->before) || same(a, w->after))
		return true;
	return moved && w->what == WATCH_XATTR && (a->ret == -ENOENT || a->ret == -ESTALE);
}

/* ---- all of them ---- */

static int fail(const struct look *l, const struct watch *w, size_t from, size_t to, uint32_t at,
		const struct answer *a, enum sim_seen seen)
{
	static const char *const when[] = {"late", "early", "anywhen"};

	printf("FAIL %s: %s of %s, begun at store %zu, from copy %u on at %zu, of %zu (seen %s): %lld, "
	       "%u bytes, neither those before nor after%s\n",
	       l->work->name, what_names[w->what], w->path, from - l->first, at, to - l->first,
	       l->log.count - l->first, when[seen], (long long)a->ret, a->len,
	       l->waited ? "; it waited" : "");
	return 1;
}

/* How much further: nothing, one store, ..., and ever larger steps. */
static size_t further(size_t by)
{
	return by < 4 ? by + 1 : by + by / 2;
}

static int try_from(struct look *l, const struct watch *w, size_t from, enum sim_seen seen)
{
	static struct answer a;
	size_t by, to;
	uint32_t at, copies;

	trial(l, w, from, from, UINT32_MAX, &a);
	copies = l->copies;
	if (!allowed(w, &a, l->waited))
		return fail(l, w, from, from, 0, &a, seen);
	for (by = 1; copies && from + by <= l->log.count; by = further(by)) {
		to = from + by;
		for (at = 0; at < copies; at += 1 + copies / (COPIES * readers_effort)) {
			trial(l, w, from, to, at, &a);
			if (!allowed(w, &a, true))
				return fail(l, w, from, to, at, &a, seen);
		}
	}
	return 0;
}

static int try_seen(struct look *l, enum sim_seen seen, uint64_t seed)
{
	size_t n = l->log.count - l->first, from;
	uint32_t i;
	int err = 0;

	l->beside = sim_beside_new(l->sim, &l->log, l->first, seen, seed);
	for (i = 0; !err && i < l->count; i++)
		for (from = l->first; !err && from <= l->log.count; from += 1 + n / (STARTS * readers_effort))
			err = try_from(l, &l->watch[i], from, seen);
	sim_beside_free(l->beside);
	return err;
}

/* ---- what is looked at ---- */

static struct watch *watch_new(struct look *l, enum what what, const char *path)
{
	struct watch *w = &l->watch[l->count++];

	if (l->count > WATCHES_MAX)
		die("readers: too much to look at");
	*w = (struct watch){.what = what, .path = path};
	w->before = calloc(1, sizeof(*w->before));
	w->after = calloc(1, sizeof(*w->after));
	if (!w->before || !w->after)
		die("out of memory");
	return w;
}

static void watch_file(struct look *l, const char *path)
{
	const struct op *op = l->work->steps[0];
	struct umfs_file file;
	struct watch *w;

	if (world_open(&l->reader->fs, path, O_RDONLY, &file))
		return;
	w = watch_new(l, WATCH_BYTES, path);
	w->file = file;
	w->len = 140000;
	if (!op->path || strcmp(op->path, path))
		return;
	/* Where it is within a page, reading takes the short way (view.h). */
	w->off = op->off > 300 ? op->off - 300 : 0;
	w->len = UMFS_MIN(op->len + 600, 140000);
	w = watch_new(l, WATCH_BYTES, path);
	w->file = file;
	w->off = op->off;
	w->len = UMFS_MIN(op->len, UMFS_PAGE_BYTES - (op->off & UMFS_PAGE_MASK));
}

/* Before the op. */
static void watch_all(struct look *l)
{
	size_t i;

	umfs_atime_set(&l->reader->fs, UMFS_ATIME_NEVER);
	for (i = 0; i < UMFS_ARRAY_LEN(files); i++)
		watch_file(l, files[i]);
	/* Taking away set-id bits first is a change of its own. */
	for (i = 0; i < UMFS_ARRAY_LEN(names) && !(l->work->steps[0]->flags & OP_SETID); i++)
		watch_new(l, WATCH_ATTR, names[i]);
	for (i = 0; i < UMFS_ARRAY_LEN(xattrs); i++)
		watch_new(l, WATCH_XATTR, xattrs[i][0])->name = xattrs[i][1];
}

/* What there is to see before and after; where that is the same nothing else may be seen, too. */
static void answers(struct look *l)
{
	uint32_t i;

	l->beside = sim_beside_new(l->sim, &l->log, l->first, SIM_SEEN_LATE, 0);
	for (i = 0; i < l->count; i++) {
		trial(l, &l->watch[i], 0, 0, UINT32_MAX, l->watch[i].before);
		trial(l, &l->watch[i], l->log.count, 0, UINT32_MAX, l->watch[i].after);
	}
	sim_beside_free(l->beside);
}

/* Of what the op does not change one look is enough. */
static void forget_unchanged(struct look *l)
{
	uint32_t i, kept = 0;

	for (i = 0; i < l->count; i++) {
		struct watch w = l->watch[i];

		if (!same(w.before, w.after)) {
			l->watch[kept++] = w;
			continue;
		}
		free(w.before);
		free(w.after);
	}
	l->count = kept;
}

/* ---- */

static struct sim_proc *attach(struct look *l)
{
	int err;
	struct sim_proc *proc = sim_attach(l->sim, l->work->mode, &err);

	if (!proc)
		die("%s: attach: %s", l->work->name, strerror(-err));
	return proc;
}

static void record(struct look *l)
{
	const struct op *op = l->work->steps[0];
	struct stage stage = {0};

	l->writer = attach(l);
	l->reader = attach(l);
	stage.fs = &l->writer->fs;
	l->work->tree(stage.fs);
	if (l->work->prepare)
		need(l->work->prepare(&stage));
	watch_all(l);
	l->reader_fs = l->reader->fs;
	sim_settle(l->sim);
	l->sim->log = &l->log;
	l->first = 0;
	need(op->run(&stage));
	l->sim->log = NULL;
}

bool readers_explore(const struct work *w, struct explored *sum)
{
	struct look l = {.work = w};
	uint32_t i;
	int err;

	snprintf(sim_context, sizeof(sim_context), "%s: readers", w->name);
	l.sim = explore_base(w->steps[0], w->mode, UMFS_DURABLE_NONE, NULL);
	record(&l);
	answers(&l);
	forget_unchanged(&l);
	err = try_seen(&l, SIM_SEEN_LATE, 0);
	if (!err)
		err = try_seen(&l, SIM_SEEN_EARLY, 0);
	for (i = 0; !err && i < readers_effort; i++)
		err = try_seen(&l, SIM_SEEN_ANY, i + 1);
	sum->events += l.log.count;
	sum->points += l.trials;
	sum->failed |= err != 0;
	for (i = 0; i < l.count; i++) {
		free(l.watch[i].before);
		free(l.watch[i].after);
	}
	sim_proc_free(l.reader);
	sim_proc_free(l.writer);
	sim_log_free(&l.log);
	sim_free(l.sim);
	return !err;
}
