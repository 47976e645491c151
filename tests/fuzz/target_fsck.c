// SPDX-License-Identifier: BSD-3-Clause
/*
 * target_fsck.c - fsck's passes over a damaged pool: -n, -p and -y each on the same one.
 *
 * After -y nothing is found that it did not say it left; what it said to have mended is
 * not found again; where it left nothing the pool is clean. Where it left something, a second
 * -y may mend more: pages that two had used may be one's by then.
 */
#include "check.h"
#include "fuzz.h"
#include "world.h"

enum { CHECK, PREEN, YES };

static void load(const struct input *in)
{
	image_load(&in->head);
	for (uint32_t i = 0; i < in->count; i++)
		damage(&in->records[i]);
}

static bool same(const struct image_finding *a, const struct image_finding *b)
{
	return a->code == b->code && a->number == b->number && !strcmp(a->kind, b->kind);
}

static bool all_known(const struct image_fsck *res)
{
	return res->count < UMFS_ARRAY_LEN(res->findings);
}

/* Said to be mended, and there again; a kind may have several findings of which one is left. */
static const struct image_finding *undone(const struct image_fsck *mended,
					  const struct image_fsck *after)
{
	for (uint32_t i = 0; i < after->count; i++) {
		bool fixed = false, left = false;

		for (uint32_t k = 0; k < mended->count; k++)
			if (same(&mended->findings[k], &after->findings[i])) {
				fixed |= mended->findings[k].fixed;
				left |= !mended->findings[k].fixed;
			}
		if (fixed && !left)
			return &after->findings[i];
	}
	return NULL;
}

static void second_run(const struct image_fsck *mended, const struct image_fsck *after)
{
	const struct image_finding *again;

	if (mended->ret)
		return; /* it could not go on, and said so */
	if (!mended->left && (after->ret || after->left || after->fixed))
		die("fsck -y left nothing, and then: %s", after->first);
	if (mended->left && !after->left && !after->fixed)
		die("fsck -y left what is not there: %s", mended->first);
	again = all_known(mended) ? undone(mended, after) : NULL;
	if (again)
		die("said to be mended, and found again: %s %llu", again->kind,
		    (unsigned long long)again->number);
}

void fuzz_one(const uint8_t *data, size_t n)
{
	static struct input in;
	static struct image_fsck res, after;

	input_parse(&in, data, n);
	load(&in);
	image_fsck(image_sim(), CHECK, &res);
	load(&in);
	image_fsck(image_sim(), PREEN, &res);
	load(&in);
	image_fsck(image_sim(), YES, &res);
	image_fsck(image_sim(), YES, &after);
	second_run(&res, &after);
}
