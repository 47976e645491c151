// SPDX-License-Identifier: BSD-3-Clause
/* make_pool.c - the pool that `umfs run` makes when none is named and none is there. */
#include "tools.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

/* Half of what is free there, in whole units. */
static uint64_t free_half(int fd)
{
	struct statvfs vfs;
	uint64_t bytes;

	if (fstatvfs(fd, &vfs))
		return 0;
	bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize / 2;
	bytes = UMFS_MIN(bytes, UMFS_POOL_PAGES_MAX << UMFS_PAGE_SHIFT);
	return bytes & ~(uint64_t)(UMFS_UNIT_BYTES - 1);
}

static int format(const char *path, uint64_t bytes)
{
	struct umfs_format f = {
		.pool_pages = bytes >> UMFS_PAGE_SHIFT,
		.now_ns = (uint64_t)port_now_ns(),
		.durability = UMFS_DURABLE_NONE,
		.uid = getuid(),
		.gid = getgid(),
		.root_mode = 0755,
	};
	struct pool *p = calloc(1, sizeof(*p));
	int err = p ? pool_map(p, path, 0) : -ENOMEM;

	if (err)
		goto out;
	uuid_generate(f.uuid);
	if (getrandom(f.hash_key, sizeof(f.hash_key), 0) != sizeof(f.hash_key))
		err = -EIO;
	if (!err)
		err = umfs_format_write(&p->fs, &f);
	pool_close(p);
out:
	free(p);
	return err;
}

/* Made under another name: nobody sees it half done, and only one of two makers wins. */
int make_pool(const char *path, uint64_t *bytes)
{
	char temp[512];
	int err = 0, fd;

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*bytes = free_half(fd);
	if (*bytes >> UMFS_PAGE_SHIFT < UMFS_POOL_PAGES_MIN)
		err = -ENOSPC;
	else if (ftruncate(fd, (off_t)*bytes))
		err = -errno;
	if (!err)
		err = format(temp, *bytes);
	if (!err && link(temp, path) && errno != EEXIST)
		err = -errno;
	unlink(temp);
	close(fd);
	return err;
}
