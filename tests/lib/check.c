// SPDX-License-Identifier: BSD-3-Clause
/*
 * check.c - fsck.umfs's passes, linked with the simulator: what main.c,
 * media.c and problem.c are to the program, for an image in memory.
 *
 * What is mended is stored, flushed and fenced by the port, and so written down as any
 * store of core is.
 */
#include "check.h"
#include "fsck.h"

#include <stdarg.h>

static char *found;
static size_t found_room;
static struct image_fsck *result; /* NULL: nobody wants the findings themselves */

static const struct {
	const char *code, *text;
	enum problem_fix fix;
} kinds[] = {
#define X(id, code, text, fix) [PR_##id] = {code, text, FIX_##fix},
	PROBLEMS(X)
#undef X
};

static void note(struct fsck *c, enum problem_code code, struct object about, bool fixed,
		 const char *detail, va_list args)
{
	int n;

	/* Recovery has trimmed what was open: pages past the end are lost space here. */
	if (kinds[code].fix == FIX_NOTE && (code != PR_FPT_PAST_END || c->mode != FSCK_CHECK))
		return;
	if (result && result->count < UMFS_ARRAY_LEN(result->findings))
		result->findings[result->count++] =
			(struct image_finding){code, fixed, about.kind, about.number};
	if (fixed)
		c->fixed++;
	else if (!c->left++) { /* the first says it */
		n = snprintf(found, found_room, "fsck: %s %lld: %s [%s] ", about.kind,
			     (long long)about.number, kinds[code].text, kinds[code].code);
		if (detail && n > 0 && (size_t)n < found_room)
			vsnprintf(found + n, found_room - (size_t)n, detail, args);
	}
}

static bool may_fix(const struct fsck *c, enum problem_fix fix)
{
	return (fix == FIX_PREEN && c->mode != FSCK_CHECK) ||
	       (fix == FIX_YES && c->mode == FSCK_YES) ||
	       (fix == FIX_CUT && c->mode == FSCK_YES && cuts(c));
}

bool problem(struct fsck *c, enum problem_code code, struct object about, const char *detail, ...)
{
	bool fixed = may_fix(c, kinds[code].fix);
	va_list args;

	if (c->dry) {
		c->dry_found++;
		return false;
	}
	if (fixed)
		mend_begin(c);
	va_start(args, detail);
	note(c, code, about, fixed, detail, args);
	va_end(args);
	return fixed;
}

void problem_keep(struct fsck *c, enum problem_code code, struct object about, const char *detail,
		  ...)
{
	va_list args;

	if (c->dry) {
		c->dry_found++;
		return;
	}
	va_start(args, detail);
	note(c, code, about, false, detail, args);
	va_end(args);
}

void media_sync(struct fsck *c, const void *p, size_t n)
{
	if (c->mode == FSCK_CHECK)
		return;
	port_flush_lines(p, n);
	port_fence();
}

/* By 2 MiB units: nothing is stored where there is no memory. */
bool media_data(const struct fsck *c, uint64_t page, uint64_t count)
{
	const struct sim *sim = c->pool.fs.port;
	uint64_t unit = page / UMFS_UNIT_PAGES, end = (page + count - 1) / UMFS_UNIT_PAGES;
	bool any = c->geo.flags & UMFS_SB_BACKED;

	for (; unit <= end; unit++)
		any |= sim->backed[unit];
	return any;
}

bool media_lost(const struct fsck *c)
{
	(void)c;
	return false;
}

struct problem_mark problem_mark(const struct fsck *c)
{
	return (struct problem_mark){.left = c->left};
}

void problem_back(struct fsck *c, const struct problem_mark *mark)
{
	c->left = mark->left;
}

void media_report(struct fsck *c)
{
	(void)c;
}

void progress(struct fsck *c, unsigned int pass, uint64_t now, uint64_t max)
{
	(void)c;
	(void)pass;
	(void)now;
	(void)max;
}

/* All passes over `c`, which says in what mode. */
static int run(struct sim *sim, struct fsck *c, char why[256])
{
	int ret;

	found = why;
	found_room = 256;
	c->base = c->pool.fs.base = sim->mem;
	c->pool.fs.bytes = sim->bytes;
	c->pool.fs.port = sim;
	c->pool.fd = -1;
	ret = pass0_super(c);
	if (!ret)
		ret = pass0_runtime(c);
	if (!ret)
		ret = passes_run(c);
	if (!ret)
		mend_end(c);
	use_drop(c);
	if (ret && !c->left)
		snprintf(why, 256, "fsck: %.200s (%d)", c->error, ret);
	return ret;
}

static int check_or_mend(struct sim *sim, enum fsck_mode mode, char why[256])
{
	struct fsck c = {.path = "image", .mode = mode, .progress_fd = -1};
	int ret = run(sim, &c, why);

	return ret || c.left ? -1 : 0;
}

int image_check(struct sim *sim, char why[256])
{
	return check_or_mend(sim, FSCK_CHECK, why);
}

int image_mend(struct sim *sim, bool yes, char why[256])
{
	return check_or_mend(sim, yes ? FSCK_YES : FSCK_PREEN, why);
}

void image_fsck(struct sim *sim, unsigned int mode, struct image_fsck *res)
{
	static const enum fsck_mode modes[] = {FSCK_CHECK, FSCK_PREEN, FSCK_YES};
	struct fsck c = {.path = "image", .mode = modes[mode], .force = true, .progress_fd = -1};

	res->count = 0;
	res->first[0] = 0;
	result = res;
	res->ret = run(sim, &c, res->first);
	result = NULL;
	res->left = c.left;
	res->fixed = c.fixed;
}
