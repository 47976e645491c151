// SPDX-License-Identifier: BSD-3-Clause
/*
 * cancel.c - cancellation points.
 *
 * A call on a descriptor that is not ours must still end when its thread is
 * cancelled. glibc 2.36 does that by switching to asynchronous cancellation
 * around the system call; so do we, with its public function for it.
 */
#include <pthread.h>

#include "internal.h"

long umfs_cancel_call_threads(long nr, long a, long b, long c, long d, long e, long f)
{
	int old, ignored;
	long ret;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	ret = sys6(nr, a, b, c, d, e, f);
	pthread_setcanceltype(old, &ignored);
	return ret;
}

void umfs_cancel_test_threads(void)
{
	pthread_testcancel();
}
