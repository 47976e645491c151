// SPDX-License-Identifier: BSD-3-Clause
/*
 * dirty.c - how many open files of a pool have bytes that are not durable yet.
 *
 * usage: dirty POOL
 */
#include <stdio.h>

#include "internal.h"
#include "pool.h"

int main(int argc, char **argv)
{
	unsigned count = 0;
	bool from_backup;
	struct pool p;

	if (argc != 2 || pool_open(&p, argv[1], POOL_READONLY, &from_backup))
		return 2;
	for (uint32_t i = 0; i < p.fs.geo.irec_count; i++) {
		const struct umfs_irec_pm *r = umfs_irec(&p.fs, i);

		count += ld64(&r->key) && ld64(&r->dirty_lo) < ld64(&r->dirty_hi);
	}
	printf("%u\n", count);
	pool_close(&p);
	return 0;
}
