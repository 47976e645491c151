// SPDX-License-Identifier: BSD-3-Clause
/*
 * cred.c - who asks.
 *
 * Asking the kernel for ids and groups costs more than making a file, so they
 * are kept until a call that changes them (all of those are replaced) says so.
 * The umask is kept likewise; it can be read only by changing it.
 */
#include <sys/stat.h>

#include "internal.h"

#define GROUPS_MAX 65536u

static uint32_t cred_wanted PORT_START = 1, cred_have PORT_START; /* the same: the cache holds */
static uint32_t cred_uid PORT_START, cred_gid PORT_START, cred_group_count PORT_START;
static uint32_t groups[GROUPS_MAX];
static uint32_t umask_now = 022;

void umfs_cred_init(void)
{
	umask_now = (uint32_t)sys1(SYS_umask, 0);
	sys1(SYS_umask, umask_now);
}

static void refresh(void)
{
	uint32_t wanted;
	long n;

	umfs_guard_enter();
	umfs_local_lock(LOCK_CRED);
	wanted = LOAD(&cred_wanted);
	if (LOAD(&cred_have) != wanted) {
		cred_uid = (uint32_t)sys0(SYS_geteuid);
		cred_gid = (uint32_t)sys0(SYS_getegid);
		n = sys2(SYS_getgroups, GROUPS_MAX, groups);
		cred_group_count = n > 0 ? (uint32_t)n : 0;
		STORE(&cred_have, wanted);
	}
	umfs_local_unlock(LOCK_CRED);
	umfs_guard_leave();
}

void umfs_cred_get(struct umfs_cred *cred)
{
	if (unlikely(LOAD(&cred_have) != LOAD_RELAXED(&cred_wanted)))
		refresh();
	cred->uid = cred_uid;
	cred->gid = cred_gid;
	cred->group_count = cred_group_count;
	cred->groups = groups;
	cred->umask = LOAD_RELAXED(&umask_now);
	cred->override = cred_uid == 0;
}

void umfs_cred_real(struct umfs_cred *cred)
{
	umfs_cred_get(cred);
	cred->uid = (uint32_t)sys0(SYS_getuid);
	cred->gid = (uint32_t)sys0(SYS_getgid);
	cred->override = cred->uid == 0;
}

/* Writing asks for no credentials: core knows what it needs of them. */
void umfs_cred_tell(struct mount *m)
{
	struct umfs_cred cred;

	umfs_cred_get(&cred);
	STORE(&umfs_mount_fs(m)->keeps_setid, cred.override);
}

void umfs_cred_changed(void)
{
	__atomic_fetch_add(&cred_wanted, 1, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (LOAD(&umfs_mounts[i].state) == MOUNT_LIVE)
			umfs_cred_tell(&umfs_mounts[i]);
}

uint32_t umfs_cred_umask(uint32_t mask)
{
	uint32_t old = (uint32_t)sys1(SYS_umask, mask);

	STORE(&umask_now, mask & 0777);
	return old;
}
