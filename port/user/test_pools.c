// SPDX-License-Identifier: BSD-3-Clause
/* test_pools.c - pools for the tests of the port: a file of their own on tmpfs, removed at the end. */
#include "test_pools.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char pool_path[256];

static void file_make(uint64_t bytes)
{
	const char *dir = getenv("UMFS_TEST_DIR");
	int fd;

	snprintf(pool_path, sizeof(pool_path), "%s/umfs-port-%d", dir ? dir : "/dev/shm", getpid());
	fd = open(pool_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
}

int pool_setup(void **state)
{
	struct pool *p = calloc(1, sizeof(*p));

	file_make(POOL_BYTES);
	assert_int_equal(pool_map(p, pool_path, 0), 0);
	*state = p;
	return 0;
}

int pool_teardown(void **state)
{
	struct pool *p = *state;
	uint32_t i;

	for (i = 0; i < UMFS_SLOTS_MAX; i++)
		port_slot_drop(&p->fs, i);
	pool_close(p);
	free(p);
	return unlink(pool_path);
}

struct pool *attached_pool(void)
{
	struct umfs_format f = {
		.pool_pages = POOL_BYTES >> UMFS_PAGE_SHIFT, .now_ns = 1, .root_mode = 0755,
	};
	struct pool *p = calloc(1, sizeof(*p));

	file_make(POOL_BYTES);
	assert_int_equal(pool_map(p, pool_path, 0), 0);
	assert_int_equal(umfs_format_write(&p->fs, &f), 0);
	pool_close(p);
	assert_int_equal(pool_attach(p, pool_path, UMFS_MODE_ATOMIC), 0);
	return p;
}

void detach_pool(struct pool *p)
{
	pool_close(p);
	free(p);
	assert_int_equal(unlink(pool_path), 0);
}
