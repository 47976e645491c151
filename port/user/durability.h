/* SPDX-License-Identifier: BSD-3-Clause */
/* durability.h - what a medium needs for stores to last. Links libpmem: for tools only. */
#ifndef UMFS_PORT_DURABILITY_H
#define UMFS_PORT_DURABILITY_H

#include "format.h"

/*
 * The kind of the file or device at `path` (not empty): enum umfs_durability.
 * Maps it for a moment and changes nothing. -errno when it can not be mapped.
 */
int port_durability(const char *path);

#endif
