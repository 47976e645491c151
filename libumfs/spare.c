// SPDX-License-Identifier: BSD-3-Clause
/*
 * spare.c - the number of the file that was closed last, spared for the next one.
 *
 * Holding a number and giving it back are two system calls, more than all else that open
 * and close of a file do together. So close leaves the placeholder where it is, and an open gets it
 * if that is the number the kernel would give.
 *
 *  S1  The entry of a spare number is reserved: to the program the number is not open. Any call
 *      that asks for it gives it back first, so that the kernel says so.
 *  S2  A spare is taken only when each lower number is in use. All below `umfs_spare_floor`
 *      are: the kernel gave its lowest, and none below it was closed since.
 *  S3  Whatever else makes a descriptor, or passes them on, or counts them, gives it back first.
 *      What libumfs does not see (socket, pipe, accept) gets another number than the lowest
 *      then; programs count on that for standard input, output and error only, which are not spared.
 *  S4  None in a process with threads, where S2 would need a lock around each close, nor in a
 *      sandbox, which may end it for what gives it back.
 *
 * All under LOCK_UINFO but umfs_spare_unsure, which is without harm before and after
 * any of it.
 */
#include "internal.h"

#define STANDARD 3 /* input, output, error */

int umfs_spare_fd PORT_START;
int umfs_spare_floor PORT_START;

void umfs_spare_given(int fd)
{
	umfs_spare_floor = fd + 1;
}

void umfs_spare_freed(int fd)
{
	umfs_spare_floor = UMFS_MIN(umfs_spare_floor, fd);
}

static void give_back(void)
{
	struct umfs_file none;
	int fd = umfs_spare_fd;

	if (!fd)
		return;
	umfs_uinfo_clear(fd, &none); /* and it is no spare */
	sys1(SYS_close, fd);
	umfs_spare_freed(fd);
}

bool umfs_spare_put(int fd, struct umfs_file *f, enum uinfo_kind *was)
{
	const struct uinfo *u = &umfs_uinfo_table[fd];

	if (u->kind <= UINFO_RESERVED || u->shadow || fd < STANDARD || fd >= umfs_spare_floor ||
	    !__libc_single_threaded || port_quiet || LOAD_RELAXED(&umfs_ring_on))
		return false;
	if (umfs_spare_fd && umfs_spare_fd < fd)
		return false;
	give_back();
	*was = umfs_uinfo_withdraw(fd, f);
	umfs_spare_fd = fd;
	return true;
}

int umfs_spare_take(bool cloexec)
{
	int fd;

	if (umfs_spare_fd >= umfs_spare_floor)
		give_back();
	fd = umfs_spare_fd;
	if (!fd)
		return -1;
	umfs_spare_fd = 0;
	if (umfs_uinfo_table[fd].cloexec != cloexec)
		sys3(SYS_fcntl, fd, F_SETFD, cloexec ? FD_CLOEXEC : 0);
	return fd;
}

void umfs_spare_drop_slow(void)
{
	umfs_guard_enter();
	umfs_local_lock(LOCK_UINFO);
	give_back();
	umfs_local_unlock(LOCK_UINFO);
	umfs_guard_leave();
}

/* Whoever holds the lock has done so already, or was here before the number was spared. */
void umfs_spare_asked(int fd)
{
	if (fd != LOAD_RELAXED(&umfs_spare_fd))
		return;
	umfs_guard_enter();
	if (umfs_local_trylock(LOCK_UINFO)) {
		if (fd == umfs_spare_fd)
			give_back();
		umfs_local_unlock(LOCK_UINFO);
	}
	umfs_guard_leave();
}
