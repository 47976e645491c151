// SPDX-License-Identifier: BSD-3-Clause
/*
 * cancel.c - cancellation points.
 *
 * A call on a descriptor that is not ours must still end when its thread is
 * cancelled. glibc 2.36 does that by switching to asynchronous cancellation
 * around the system call; so do we, with its public function for it. A call on
 * a descriptor of ours looks only once somebody has called pthread_cancel().
 */
#include <pthread.h>

#include "hooks.h"
#include "internal.h"

long umfs_cancel_call_threads(long nr, long a, long b, long c, long d, long e, long f)
{
	int old, ignored;
	long ret;

	if (umfs_guard_self.nocancel)
		return sys6(nr, a, b, c, d, e, f);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	ret = sys6(nr, a, b, c, d, e, f);
	pthread_setcanceltype(old, &ignored);
	return ret;
}

uint32_t umfs_cancel_asked PORT_START; /* looked at by each read */

void umfs_cancel_test_now(void)
{
	if (!umfs_guard_self.nocancel)
		pthread_testcancel();
}

/* An error number, as pthread functions return it. Noted first, so that the thread looks. */
long umfs_hook_pthread_cancel(unsigned long thread)
{
	int (*cancel)(pthread_t) = (int (*)(pthread_t))(uintptr_t)umfs_libc("pthread_cancel");

	__atomic_store_n(&umfs_cancel_asked, 1, __ATOMIC_SEQ_CST);
	return cancel(thread);
}
