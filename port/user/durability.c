// SPDX-License-Identifier: BSD-3-Clause
/*
 * durability.c - what a medium needs for stores to last, as libpmem finds out.
 *
 * Persistent is what can be mapped with MAP_SYNC or is a devdax device. All
 * else is memory or page cache, where a flush would buy nothing.
 */
#include "durability.h"

#include <libpmem.h>

int port_durability(const char *path)
{
	int is_pmem = 0;
	size_t len;
	void *at = pmem_map_file(path, 0, 0, 0, &len, &is_pmem);

	if (!at)
		return errno ? -errno : -EIO;
	(void)pmem_unmap(at, len);
	if (!is_pmem)
		return UMFS_DURABLE_NONE;
	return pmem_has_auto_flush() == 1 ? UMFS_DURABLE_EADR : UMFS_DURABLE_FLUSH;
}
