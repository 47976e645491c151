/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pools.h - pools for the tests of the port. */
#ifndef UMFS_PORT_TEST_POOLS_H
#define UMFS_PORT_TEST_POOLS_H

#include "port_own.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define POOL_BYTES (16u << 20)

extern char pool_path[256];

/* A mapped file that is not formatted, as *state. */
int pool_setup(void **state);
int pool_teardown(void **state);
#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, pool_setup, pool_teardown)

/* A pool, attached; at the end what of it is open is closed and the file removed. */
struct pool *attached_pool(void);
void detach_pool(struct pool *p);

#endif
