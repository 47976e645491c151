// SPDX-License-Identifier: BSD-3-Clause
/*
 * target_fsck.c - fsck's passes over a damaged pool: -n, -p and -y each on the same one.
 *
 * -y leaves nothing, or says that it can not check the pool; and a second -y finds nothing.
 * More of that, with what becomes of the files, is in mend.c.
 */
#include "check.h"
#include "fuzz.h"
#include "world.h"

enum { CHECK, PREEN, YES };

static void load(const struct input *in)
{
	image_load_for(in);
	for (uint32_t i = 0; i < in->count; i++)
		damage(&in->records[i]);
}

static void second_run(const struct image_fsck *mended, const struct image_fsck *after)
{
	if (mended->ret)
		return; /* it could not go on, and said so */
	if (mended->left)
		die("fsck -y left: %s", mended->first);
	if (after->ret || after->left || after->fixed)
		die("fsck -y left nothing, and then: %s", after->first);
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
