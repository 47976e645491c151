// SPDX-License-Identifier: GPL-2.0-only
/*
 * copy.c - copies into and out of the pool.
 *
 * K1  The caller's memory may be the kernel's or a program's. A program's is copied with page
 *     faults off, since core holds locks: what is not there is -EFAULT, and the module's file
 *     operations see to it, outside of the locks. What of it is a machine check's doing they
 *     find out by a copy to the kernel's memory.
 */
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

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

/* Of a program: the kernel's own addresses have the uppermost bit set. */
static bool is_user(const void *p)
{
	return (long)p >= 0;
}

int port_copy_in(void *pool, const void *from, uint64_t n)
{
	if (is_user(from))
		return (int)copy_from_user_nofault(pool, (__force const void __user *)from, n);
	memcpy(pool, from, n);
	return 0;
}

int port_copy_in_nt(void *pool, const void *from, uint64_t n)
{
	struct iov_iter iter;
	size_t got;

	if (!is_user(from)) {
		memcpy_flushcache(pool, from, n);
		return 0;
	}
	iov_iter_ubuf(&iter, WRITE, (__force void __user *)from, n);
	pagefault_disable();
	got = _copy_from_iter_flushcache(pool, n, &iter);
	pagefault_enable();
	return got == n ? 0 : -EFAULT;
}

/* Memory that the hardware has given up is an error of the file, not of the kernel. */
int port_copy_out(void *to, const void *pool, uint64_t n)
{
	struct iov_iter iter;
	size_t got;

	if (!is_user(to))
		return copy_mc_to_kernel(to, pool, n) ? -EIO : 0;
	iov_iter_ubuf(&iter, READ, (__force void __user *)to, n);
	pagefault_disable();
	got = _copy_mc_to_iter(pool, n, &iter);
	pagefault_enable();
	return got == n ? 0 : -EFAULT;
}
