// SPDX-License-Identifier: GPL-2.0-only
/*
 * copy.c - copies into and out of the pool.
 *
 * K1  Core never meets user memory here: the module's file operations copy it to and
 *     from buffers of their own before and after, outside of core's locks. A page
 *     fault that waits (userfaultfd, FUSE) so keeps nobody's file locked.
 */
#include <linux/string.h>
#include <linux/uaccess.h>

#include "umfs_port.h"

void port_copy(void *pool, const void *src, uint64_t n)
{
	memcpy(pool, src, n);
}

void port_zero(void *pool, uint64_t n)
{
	memset(pool, 0, n);
}

/* Durable after the next fence, the lines at both ends included. */
void port_copy_nt(void *pool, const void *src, uint64_t n)
{
	memcpy_flushcache(pool, src, n);
}

int port_copy_in(void *pool, const void *from, uint64_t n)
{
	memcpy(pool, from, n);
	return 0;
}

int port_copy_in_nt(void *pool, const void *from, uint64_t n)
{
	memcpy_flushcache(pool, from, n);
	return 0;
}

/* Memory that the hardware has given up is an error of the file, not of the kernel. */
int port_copy_out(void *to, const void *pool, uint64_t n)
{
	return copy_mc_to_kernel(to, pool, n) ? -EIO : 0;
}
