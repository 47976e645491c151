/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * broken.h - every op with the pool lost inside it, on the simulator.
 *
 * A process has no pool any more once an assertion failed in it or a page of metadata could
 * not be read, in whatever thread. Here that happens after the n-th store of an op, for n =
 * 1, 2, ... until it comes to its end. The op has to come back, with EIO or as if nothing
 * had been; all that is called afterwards answers EIO; the inodes of a transaction that is left
 * for recovery stay locked for it; and whoever attaches when the process is
 * dead finds the tree of before or after, the one after when it was told so, and fsck nothing.
 * A file that it let go of others write to meanwhile, and no recovery undoes that.
 * Of an op of very many stores only some are tried. Who had lost the pool before, or only looks
 * at it, can not do the op at all, says so, and changes nothing.
 */
#ifndef UMFS_TESTS_BROKEN_H
#define UMFS_TESTS_BROKEN_H

#include "explore.h"

#define BROKEN_NOT (OP_ATTACH | OP_DETACH | OP_FREEZES)

/* False, having said why; sum: places tried as points, stores as events. */
bool broken_explore(const struct op *op, uint32_t mode, struct explored *sum);

#endif
