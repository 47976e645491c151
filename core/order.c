// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/* order.c - the check of order.h; nothing of it is in release builds. */
#include "internal.h"

#ifdef UMFS_DEBUG

enum level { ATTACH, OFD, RENAME, LANE, INODE, RESERVE, GROUP };

static bool within(uint64_t at, uint64_t page, uint64_t bytes)
{
	uint64_t start = page << UMFS_PAGE_SHIFT;

	return at >= start && at - start < bytes;
}

/* What a lock word is tells where it lies. */
static enum level level_of(const struct umfs *fs, const void *what)
{
	const struct umfs_geometry *g = &fs->geo;
	uint64_t at = umfs_off(fs, what);

	if (what == fs)
		return ATTACH;
	if (within(at, g->lanes_page,
		   (uint64_t)g->slot_count * g->lanes_per_slot * UMFS_LANE_PAGES * UMFS_PAGE_BYTES))
		return LANE;
	if (what == &umfs_runtime(fs)->rename_lock)
		return RENAME;
	if (within(at, g->ofds_page, (uint64_t)g->ofd_count * sizeof(struct umfs_ofd_pm)))
		return OFD;
	if (within(at, g->gtable_page, (uint64_t)g->group_count * sizeof(struct umfs_group_pm)))
		return GROUP;
	if (within(at, g->reserves_page,
		   (uint64_t)g->reserve_count * UMFS_RESERVE_PAGES * UMFS_PAGE_BYTES))
		return RESERVE;
	return INODE;
}

void umfs_order_wait(struct umfs *fs, const void *what)
{
	const struct umfs_order *order = port_order();
	enum level level = level_of(fs, what);
	uint32_t i;

	if (level == INODE)
		level = LANE; /* I2 */

	for (i = 0; i < order->count; i++)
		if (order->held[i].fs == fs)
			umfs_assert(fs, level_of(fs, order->held[i].what) < level); /* I1 */
}

void umfs_order_got(struct umfs *fs, const void *what)
{
	struct umfs_order *order = port_order();

	umfs_assert(fs, order->count < UMFS_ORDER_MAX);
	order->held[order->count].fs = fs;
	order->held[order->count++].what = what;
}

void umfs_order_let(struct umfs *fs, const void *what)
{
	struct umfs_order *order = port_order();
	uint32_t i = order->count;

	while (i-- > 0) {
		if (order->held[i].fs != fs || order->held[i].what != what)
			continue;
		order->held[i] = order->held[--order->count];
		return;
	}
}

void umfs_order_forget(const struct umfs *fs)
{
	struct umfs_order *order = port_order();
	uint32_t i = order->count;

	while (i-- > 0)
		if (order->held[i].fs == fs)
			order->held[i] = order->held[--order->count];
}

#endif
