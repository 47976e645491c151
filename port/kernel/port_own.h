/* SPDX-License-Identifier: GPL-2.0-only */
/* port_own.h - the port's part of an attached pool; struct umfs's `port` points at it. */
#ifndef UMFS_PORT_OWN_H
#define UMFS_PORT_OWN_H

#include <linux/bitops.h>
#include <linux/mutex.h>

#include "umfs.h"

struct umfs_kport {
	struct mutex attaching;
	DECLARE_BITMAP(slots, UMFS_SLOTS_MAX); /* taken or claimed by this kernel */
};

static inline void umfs_kport_init(struct umfs_kport *port)
{
	mutex_init(&port->attaching);
	bitmap_zero(port->slots, UMFS_SLOTS_MAX);
}

/* Can this processor do what the port needs? (CRC32 instruction: all since 2008.) */
bool umfs_kport_usable(void);
void umfs_kport_waits_init(void);

#endif
