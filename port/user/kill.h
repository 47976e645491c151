/* SPDX-License-Identifier: BSD-3-Clause */
/* kill.h - for tests: count stores into mapped pools, and die or stop at the n-th; flushes and fences. */
#ifndef UMFS_PORT_KILL_H
#define UMFS_PORT_KILL_H

#include <stdint.h>

/* From here on count stores from 1, and die right after the n-th; n = 0: only count. */
void port_kill_arm(uint64_t n);
/* The same, but stop (SIGSTOP). */
void port_stop_arm(uint64_t n);
void port_kill_disarm(void);
/* A thread sleeps at each so many-th of its stores, in the middle of whatever it does; 0: never. */
void port_pause_arm(uint64_t every);
/* Stores since it was armed. */
uint64_t port_kill_count(void);

/* Since the program began. */
extern uint64_t port_lines_flushed, port_fences;

#endif
