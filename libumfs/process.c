// SPDX-License-Identifier: BSD-3-Clause
/*
 * process.c - fork and exit.
 *
 * fork is followed with pthread_atfork handlers, registered by the
 * constructor: first registered, they run last before and first after, so the
 * handlers of others find everything as usual; and they run for the forks that
 * libc makes itself (daemon, forkpty). The child gets a slot of its own and a
 * share of all open file descriptions before fork returns to the program; of a parent that
 * has nothing open it gets none, and attaches when it uses a pool. The same is
 * done around clone() and the system calls by number where they make a process with a
 * memory of its own.
 *
 * A process that was made by instructions that nobody sees must not go on in its
 * parent's slot: two would write one journal. It is known by a page that the kernel
 * wipes in it, and has no pools. A process that has attached none needs no such page.
 */
#include <pthread.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "hooks.h"
#include "path.h"

/* What pthread_atfork calls, which would be linked in at the far end of the text. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
			     const void *library);

static struct pool_fork forks[MOUNTS_MAX];
static int fork_errors[MOUNTS_MAX];
static bool fork_taken[MOUNTS_MAX];

static const uint32_t always = 1;
const uint32_t *umfs_process_known = &always;
static uint32_t *known_page PORT_START;

static uint32_t *make_page(void)
{
	long at = sys6(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at < 0 && at > -4096)
		return NULL;
	if (!sys3(SYS_madvise, at, 4096, MADV_WIPEONFORK))
		return (uint32_t *)at;
	sys2(SYS_munmap, at, 4096);
	return NULL;
}

/* Where the kernel can not wipe a page such processes are not found out. */
void umfs_process_know(void)
{
	if (!known_page)
		known_page = make_page();
	if (!known_page)
		return;
	*known_page = 1;
	STORE(&umfs_process_known, known_page);
}

static void lose(struct mount *m, int err)
{
	m->pool.fs.broken = 1;
	umfs_maps_lost(&m->pool.fs);
	m->error = err;
}

void umfs_process_unknown(void)
{
	STORE(&umfs_process_known, &always);
	umfs_guard_self.busy++; /* nothing of this is to ask again */
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (LOAD(&m->state) != MOUNT_LIVE)
			continue;
		lose(m, -EIO);
		umfs_text_say("pool ", umfs_pool_path(m), ": not usable in a process that was not "
						     "made by libc's fork, vfork, clone or syscall", "");
	}
	umfs_guard_self.busy--;
}

/* Descriptors, mappings, and what the mount's ring lends; not the working directory: cwd.c. */
static bool holds_nothing(void)
{
	return !umfs_uinfo_open_count() && !LOAD(&umfs_maps_count) && !LOAD(&umfs_ring_on);
}

void umfs_process_fork(void)
{
	bool idle;

	if (!umfs_active())
		return;
	umfs_spare_drop();
	umfs_guard_enter();
	umfs_opens_stop();
	umfs_lock_share_all();
	umfs_local_lock_all();
	idle = holds_nothing();
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		fork_taken[i] = m->state == MOUNT_LIVE && !m->pool.fs.broken;
		fork_errors[i] = 0;
		if (fork_taken[i])
			fork_errors[i] = pool_fork_prepare(&m->pool, idle && !m->spawned,
							   &forks[i]);
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
void umfs_process_forked_parent(void)
{
	if (!umfs_active())
		return;
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (fork_taken[i] && !fork_errors[i])
			pool_fork_parent(&umfs_mounts[i].pool, &forks[i], true);
	finish();
}

void umfs_process_forked_child(void)
{
	if (!umfs_active())
		return;
	if (known_page) {
		*known_page = 1;
		STORE(&umfs_process_known, known_page);
	}
	umfs_guard_self.spawning = 0; /* this one has memory of its own */
	port_thread_forget();
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (fork_taken[i] && !fork_errors[i])
			fork_errors[i] = pool_fork_child(&m->pool, &forks[i]);
		if (!fork_taken[i])
			continue;
		if (!fork_errors[i]) {
			m->apart = forks[i].apart;
			if (m->apart)
				STORE(&m->state, MOUNT_IDLE);
			continue;
		}
		/* The parent's slot is not ours to use. */
		lose(m, fork_errors[i]);
		umfs_text_say("pool ", umfs_pool_path(m), ": not usable in a child of fork: ",
			      pool_strerror(fork_errors[i]));
	}
	umfs_cwd_forked();
	umfs_report_forked();
	umfs_path_forked();
	umfs_ring_forked();
	umfs_opens_forked();
	finish();
}

void umfs_process_settle(void)
{
	if (!umfs_active())
		return;
	umfs_spare_drop();
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (umfs_mounts[i].apart)
			(void)umfs_mount_get(&umfs_mounts[i]);
	umfs_cwd_settle();
}

void umfs_process_init(void)
{
	/* The library is never unloaded, so whatever stands for it will do. */
	__register_atfork(umfs_process_fork, umfs_process_forked_parent,
			  umfs_process_forked_child, &always);
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
	umfs_process_look();
	if (umfs_config.report)
		umfs_report_write();
	if (!LOAD(&umfs_uinfo_count) && !LOAD(&umfs_maps_count))
		return; /* no pool was ever attached: nothing far from here is touched */
	if (port_quiet || umfs_guard_self.busy || !umfs_process_alone())
		return;
	umfs_maps_end();
	close_all();
	umfs_mount_leave();
}

/* ---- processes made by system calls by number ---- */

/* One whose memory is its own, or (as vfork is served) could as well be. */
static bool makes_process(uint64_t flags, uint64_t stack)
{
	return umfs_active() && !stack && !(flags & CLONE_THREAD) &&
	       (!(flags & CLONE_VM) || (flags & CLONE_VFORK));
}

void umfs_process_cloned(uint64_t flags)
{
	if (flags & CLONE_VM)
		STORE(&umfs_memory_shared, true);
}

static long around(long nr, long a, long b, long c, long d, long e)
{
	long ret;

	umfs_process_fork();
	ret = sys6(nr, a, b, c, d, e, 0);
	if (ret)
		umfs_process_forked_parent();
	else
		umfs_process_forked_child();
	return ret;
}

long umfs_hook_sys_clone(long nr, long flags, long stack, long c, long d, long e)
{
	if (nr == SYS_fork || nr == SYS_vfork) {
		flags = SIGCHLD;
		stack = c = d = e = 0;
	}
	if (!makes_process((uint64_t)flags, (uint64_t)stack)) {
		umfs_process_cloned((uint64_t)flags);
		return sys6(nr, flags, stack, c, d, e, 0);
	}
	return around(SYS_clone, flags & ~(long)CLONE_VM, 0, c, d, e);
}

struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size;
	uint8_t rest[256];
};

long umfs_hook_sys_clone3(void *user, size_t n)
{
	struct clone3_args a = {0};

	if (n < offsetof(struct clone3_args, rest) || n > sizeof(a) || port_copy_out(&a, user, n))
		return sys2(SYS_clone3, user, n);
	if (!makes_process(a.flags, a.stack)) {
		umfs_process_cloned(a.flags);
		return sys2(SYS_clone3, user, n);
	}
	a.flags &= ~(uint64_t)CLONE_VM;
	return around(SYS_clone3, SYS_ARG(&a), (long)n, 0, 0, 0);
}

/* ---- sandboxes ---- */

/*
 * A filter on system calls may end the process at one that libc would not make. What is
 * needed of the kernel later and can be had now is; at the end the pools are not left,
 * and whoever comes next cleans up as after a death.
 */
long umfs_hook_seccomp(long nr, const long *a)
{
	bool sets = nr == SYS_prctl ? a[0] == PR_SET_SECCOMP : a[0] <= SECCOMP_SET_MODE_FILTER;
	uint32_t before = LOAD(&port_quiet);
	struct umfs_cred cred;
	long ret;

	if (sets && umfs_ready()) {
		umfs_process_settle();
		(void)port_thread();
		umfs_guard_enter();
		umfs_local_lock(LOCK_ATTACH);
		umfs_process_know();
		umfs_local_unlock(LOCK_ATTACH);
		umfs_guard_leave();
		umfs_cred_get(&cred);
	}
	if (sets)
		STORE(&port_quiet, 1);
	ret = sys6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (ret < 0)
		STORE(&port_quiet, before);
	return ret;
}
