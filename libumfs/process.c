// SPDX-License-Identifier: BSD-3-Clause
/*
 * process.c - fork and exit.
 *
 * fork is followed with pthread_atfork handlers, registered by the
 * constructor: first registered, they run last before and first after, so the
 * handlers of others find everything as usual; and they run for the forks that
 * libc makes itself (daemon, forkpty). The child gets a slot of its own and a
 * share of all open file descriptions before fork returns to the program.
 */
#include <pthread.h>

#include "hooks.h"
#include "internal.h"

static struct pool_fork forks[MOUNTS_MAX];
static int fork_errors[MOUNTS_MAX];
static bool fork_taken[MOUNTS_MAX];

static void prepare(void)
{
	if (!umfs_active())
		return;
	umfs_guard_enter();
	umfs_opens_stop();
	umfs_lock_share_all();
	umfs_local_lock_all();
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		fork_taken[i] = m->state == MOUNT_LIVE;
		fork_errors[i] = 0;
		if (fork_taken[i])
			fork_errors[i] = pool_fork_prepare(&m->pool, &forks[i]);
	}
}

static void finish(void)
{
	umfs_local_unlock_all();
	umfs_opens_go();
	umfs_guard_leave();
}

/*
 * libc does not say whether there is a child. When there is none, its slot
 * looks like that of a process that died at once, and is recovered like it.
 */
static void in_parent(void)
{
	if (!umfs_active())
		return;
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (fork_taken[i] && !fork_errors[i])
			pool_fork_parent(&umfs_mounts[i].pool, &forks[i], true);
	finish();
}

static void in_child(void)
{
	if (!umfs_active())
		return;
	umfs_guard_self.spawning = 0; /* this one has memory of its own */
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (fork_taken[i] && !fork_errors[i])
			fork_errors[i] = pool_fork_child(&m->pool, &forks[i]);
		if (!fork_taken[i] || !fork_errors[i])
			continue;
		/* The parent's slot is not ours to use. */
		m->pool.fs.broken = 1;
		umfs_maps_lost(&m->pool.fs);
		m->error = fork_errors[i];
		umfs_text_say("pool ", m->pool_path, ": not usable in a child of fork: ",
			      pool_strerror(fork_errors[i]));
	}
	umfs_report_forked();
	umfs_path_forked();
	finish();
}

void umfs_process_init(void)
{
	pthread_atfork(prepare, in_parent, in_child);
}

/* A thread that has ended leaves libc's own variable as it was; the kernel knows. */
bool umfs_process_alone(void)
{
	struct stat st;

	return __libc_single_threaded ||
	       (!sys4(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0) && st.st_nlink == 3);
}

/* All descriptors at once, as the kernel does it at the end of a process. */
static void close_all(void)
{
	for (int fd = 0; fd < umfs_uinfo_top; fd++) {
		struct umfs_file f;

		umfs_uinfo_put(umfs_uinfo_clear(fd, &f), &f);
	}
	umfs_uinfo_cwd_set(NULL);
}

/* With other threads still running nothing can be taken away: the next process recovers. */
void umfs_process_leave(void)
{
	if (!umfs_active())
		return;
	umfs_report_write();
	if (umfs_guard_self.busy || !umfs_process_alone())
		return;
	umfs_maps_end();
	close_all();
	umfs_mount_leave();
}
