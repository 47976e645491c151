// SPDX-License-Identifier: BSD-3-Clause
/*
 * limit.c - how long a file may get: RLIMIT_FSIZE.
 *
 * Core is told the limit and refuses what is past it with EFBIG; the signal
 * that goes with it is sent here, as the kernel does. The limit is asked for
 * when a pool is attached and after this process changed it; a change that
 * another process makes with prlimit() is not seen.
 */
#include <sys/resource.h>

#include "internal.h"

static uint64_t limit = UINT64_MAX;

static uint64_t ask(void)
{
	struct rlimit64 lim;

	if (sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &lim))
		return UINT64_MAX;
	return lim.rlim_cur == RLIM64_INFINITY ? UINT64_MAX : lim.rlim_cur;
}

void umfs_limit_tell(struct mount *m)
{
	uint64_t now = ask();

	STORE(&limit, now);
	STORE(&umfs_mount_fs(m)->end_max, UMFS_MIN(now, UMFS_FILE_BYTES_MAX));
}

void umfs_limit_changed(void)
{
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (LOAD(&umfs_mounts[i].state) == MOUNT_LIVE)
			umfs_limit_tell(&umfs_mounts[i]);
}

void umfs_limit_hit(uint64_t end)
{
	if (end > LOAD(&limit))
		sys3(SYS_tgkill, sys0(SYS_getpid), sys0(SYS_gettid), SIGXFSZ);
}
