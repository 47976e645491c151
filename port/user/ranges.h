/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ranges.h - where pools are mapped in this process.
 *
 * Asked from signal handlers, so reading takes no lock.
 */
#ifndef UMFS_PORT_RANGES_H
#define UMFS_PORT_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#define RANGES_MAX 64u

/* -ENFILE when RANGES_MAX pools are mapped already. */
int port_range_add(uintptr_t base, uint64_t bytes);
void port_range_del(uintptr_t base);
/* The one that starts there is so long now. */
void port_range_extend(uintptr_t base, uint64_t bytes);
bool port_range_has(uintptr_t addr);
/* The range that holds addr: its start, and its length in *bytes; 0 when none does. */
uintptr_t port_range_find(uintptr_t addr, uint64_t *bytes);

#endif
