// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_process.c - exported symbols: fork, exec, exit, ids, signals.
 */
#include <grp.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <ulimit.h>
#include <unistd.h>

#include "sym.h"

/* libc's fork under a name that is not replaced; it runs the handlers of process.c. */
pid_t __fork(void);

/* A vfork child would run hooks in its parent's memory. */
SYM(pid_t, vfork, (void))
{
	return __fork();
}
SYM_ALIAS(__vfork, vfork);
SYM_ALIAS(_Fork, vfork);

/* What the child of clone() runs: it has a copy of this. */
struct start {
	int (*fn)(void *);
	void *arg;
};

static int start_child(void *arg)
{
	const struct start *s = arg;

	umfs_process_forked_child();
	return s->fn(s->arg);
}

/* All three, whether they were given or not, as libc does. */
static __attribute__((no_sanitize_address, noinline)) void clone_args(void **more, va_list ap)
{
	for (int i = 0; i < 3; i++)
		more[i] = va_arg(ap, void *);
}

typedef int (*clone_fn)(int (*)(void *), void *, int, void *, ...);

/* Where memory is shared the child is a thread of ours; vfork's is as vfork's above. */
SYM(int, clone, (int (*fn)(void *), void *stack, int flags, void *arg, ...))
{
	clone_fn real = (clone_fn)umfs_libc("clone");
	struct start s = {fn, arg};
	void *more[3];
	va_list ap;
	int ret;

	va_start(ap, arg);
	clone_args(more, ap);
	va_end(ap);
	if (umfs_ready() && (flags & CLONE_VFORK) && !(flags & CLONE_THREAD))
		flags &= ~CLONE_VM;
	umfs_process_cloned((uint64_t)flags);
	if (!umfs_ready() || (flags & CLONE_VM) || !fn || !stack)
		return real(fn, stack, flags, arg, more[0], more[1], more[2]);
	umfs_process_fork();
	ret = real(start_child, stack, flags, &s, more[0], more[1], more[2]);
	umfs_process_forked_parent();
	return ret;
}
SYM_ALIAS(__clone, clone);

SYM(void, _exit, (int status))
{
	umfs_process_leave();
	for (;;)
		sys1(SYS_exit_group, status);
}
SYM_ALIAS(_Exit, _exit);

SYM(int, pthread_cancel, (unsigned long thread))
{
	return (int)umfs_hook_pthread_cancel(thread);
}

/* ---- exec ---- */

SYM(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
	RETURN_INT(umfs_hook_execve(AT_FDCWD, path, argv, envp, 0));
}

SYM(int, execv, (const char *path, char *const argv[]))
{
	RETURN_INT(umfs_hook_execve(AT_FDCWD, path, argv, environ, 0));
}

SYM(int, execvpe, (const char *file, char *const argv[], char *const envp[]))
{
	RETURN_INT(umfs_hook_execvp(file, argv, envp));
}

SYM(int, execvp, (const char *file, char *const argv[]))
{
	RETURN_INT(umfs_hook_execvp(file, argv, environ));
}

SYM(int, execveat,
    (int dirfd, const char *path, char *const argv[], char *const envp[], int flags))
{
	RETURN_INT(umfs_hook_execve(dirfd, path, argv, envp, flags));
}

SYM(int, fexecve, (int fd, char *const argv[], char *const envp[]))
{
	RETURN_INT(umfs_hook_execve(fd, "", argv, envp, AT_EMPTY_PATH));
}

/* The arguments of execl and its kin, as an array on the caller's stack. */
#define COUNT_ARGS(n, first)                                                              \
	do {                                                                              \
		va_list ap_;                                                              \
		va_start(ap_, first);                                                     \
		for (n = 1; va_arg(ap_, const char *); n++)                               \
			;                                                                 \
		va_end(ap_);                                                              \
	} while (0)

static void copy_args(char **argv, const char *first, va_list ap)
{
	argv[0] = (char *)(uintptr_t)first;
	for (size_t i = 0; argv[i]; i++)
		argv[i + 1] = va_arg(ap, char *);
}

SYM(int, execl, (const char *path, const char *arg, ...))
{
	size_t n;
	va_list ap;

	COUNT_ARGS(n, arg);
	{
		char *argv[n + 1];

		va_start(ap, arg);
		copy_args(argv, arg, ap);
		va_end(ap);
		RETURN_INT(umfs_hook_execve(AT_FDCWD, path, argv, environ, 0));
	}
}

SYM(int, execlp, (const char *file, const char *arg, ...))
{
	size_t n;
	va_list ap;

	COUNT_ARGS(n, arg);
	{
		char *argv[n + 1];

		va_start(ap, arg);
		copy_args(argv, arg, ap);
		va_end(ap);
		RETURN_INT(umfs_hook_execvp(file, argv, environ));
	}
}

SYM(int, execle, (const char *path, const char *arg, ...))
{
	size_t n;
	va_list ap;

	COUNT_ARGS(n, arg);
	{
		char *argv[n + 1];
		char **envp;

		va_start(ap, arg);
		copy_args(argv, arg, ap);
		envp = va_arg(ap, char **);
		va_end(ap);
		RETURN_INT(umfs_hook_execve(AT_FDCWD, path, argv, envp, 0));
	}
}

/*
 * libc's function makes a process, at first in our memory (inner.c). `failed`
 * and `value` are expressions on what it returned.
 */
#define SPAWN(h, call, failed, value)                                                     \
	do {                                                                              \
		struct heirs *outer_ = umfs_guard_self.spawn_heirs;                       \
		umfs_guard_self.spawning++;                                               \
		umfs_guard_self.spawn_heirs = (h);                                        \
		umfs_guard_self.spawn_moved = 0;                                          \
		value = (call);                                                           \
		umfs_guard_self.spawn_heirs = outer_;                                     \
		umfs_guard_self.spawning--;                                               \
		umfs_mount_spawned();                                                     \
		if (failed)                                                               \
			umfs_heirs_drop(h);                                               \
		else                                                                      \
			umfs_heirs_pass(h);                                               \
	} while (0)

typedef int (*spawn_fn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
			const posix_spawnattr_t *, char *const[], char *const[]);

/* Returns the error. `real` comes here again where libc's own system, popen or wordexp called it. */
static int spawn(spawn_fn real, pid_t *pid, const char *path,
		 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
		 char *const argv[], char *const envp[])
{
	char found[EXEC_PATH_BYTES];
	struct heirs h;
	long err;
	int ret;

	if (umfs_guard_self.spawning)
		return real(pid, path, actions, attr, argv, envp);
	/* Where the child's exec does not come here its program is looked at now. */
	err = umfs_heirs_make_beside(&h, umfs_redirected() ? "" : umfs_exec_find(path, found), envp,
				     actions != NULL);
	ret = (int)-err;
	if (!err)
		SPAWN(&h, real(pid, path, actions, attr, argv, umfs_heirs_environment(&h)), ret, ret);
	return ret;
}

SYM(int, posix_spawn,
    (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
     const posix_spawnattr_t *attr, char *const argv[], char *const envp[]))
{
	spawn_fn real = (spawn_fn)umfs_libc("posix_spawnp");
	size_t n = strlen(path);
	char here[PATH_MAX];

	/* libc's has no body any more where its entries are redirected; the other looks for no path. */
	if (strchr(path, '/'))
		return spawn(real, pid, path, actions, attr, argv, envp);
	if (!n)
		return ENOENT;
	if (n + 3 > sizeof(here))
		return ENAMETOOLONG;
	memcpy(here, "./", 2);
	memcpy(here + 2, path, n + 1);
	return spawn(real, pid, here, actions, attr, argv, envp);
}

SYM(int, posix_spawnp,
    (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,
     const posix_spawnattr_t *attr, char *const argv[], char *const envp[]))
{
	return spawn((spawn_fn)umfs_libc("posix_spawnp"), pid, file, actions, attr, argv, envp);
}

typedef int (*system_fn)(const char *);
typedef struct _IO_FILE *(*popen_fn)(const char *, const char *);

/*
 * Their environment is `environ`, which other threads read: it stays as it is,
 * and the child's execve, which is ours (inner.c), gets the one made here.
 */
static long shell_heirs(struct heirs *h)
{
	if (umfs_uinfo_inheritable() && !umfs_redirected())
		return umfs_refuse(REPORT_NO_EXEC, ENOTSUP);
	return umfs_heirs_make_beside(h, "", environ, false);
}

SYM(int, system, (const char *command))
{
	system_fn real = (system_fn)umfs_libc("system");
	struct heirs h;
	int ret;

	if (umfs_sym_return(shell_heirs(&h)))
		return -1;
	SPAWN(&h, real(command), ret == -1, ret);
	return ret;
}

SYM(struct _IO_FILE *, popen, (const char *command, const char *type))
{
	popen_fn real = (popen_fn)umfs_libc("popen");
	struct _IO_FILE *ret;
	struct heirs h;

	if (umfs_sym_return(shell_heirs(&h)))
		return NULL;
	SPAWN(&h, real(command, type), !ret, ret);
	return ret;
}

/* ---- ids: libc changes them in all threads; what we know of them is then stale ---- */

#define IDS(name, params, args)                                                           \
	SYM(int, name, params)                                                            \
	{                                                                                 \
		int ret;                                                                  \
                                                                                          \
		umfs_process_settle();                                                    \
		ret = ((int(*) params)umfs_libc(#name))args;                              \
		umfs_cred_changed();                                                      \
		return ret;                                                               \
	}

IDS(setuid, (uid_t a), (a))
IDS(seteuid, (uid_t a), (a))
IDS(setreuid, (uid_t a, uid_t b), (a, b))
IDS(setresuid, (uid_t a, uid_t b, uid_t c), (a, b, c))
IDS(setgid, (gid_t a), (a))
IDS(setegid, (gid_t a), (a))
IDS(setregid, (gid_t a, gid_t b), (a, b))
IDS(setresgid, (gid_t a, gid_t b, gid_t c), (a, b, c))
IDS(setgroups, (size_t n, const gid_t *list), (n, list))
IDS(initgroups, (const char *user, gid_t group), (user, group))
IDS(setfsuid, (uid_t a), (a))
IDS(setfsgid, (gid_t a), (a))
IDS(capset, (void *header, const void *data), (header, data))

/* ---- another view of the kernel's files, in which a pool may not be found ---- */

SYM(int, chroot, (const char *path))
{
	umfs_process_settle();
	RETURN_INT(sys1(SYS_chroot, path));
}

SYM(int, unshare, (int flags))
{
	umfs_process_settle();
	RETURN_INT(sys1(SYS_unshare, flags));
}

SYM(int, setns, (int fd, int kind))
{
	umfs_process_settle();
	RETURN_INT(sys2(SYS_setns, fd, kind));
}

/* ---- limits: one of them is ours to keep ---- */

/*
 * With fewer descriptors, or less address space, a pool may not be had any more. (Of the others
 * a sanitizer sets some before its memory is there.)
 */
static long limit_set(pid_t pid, int which, const struct rlimit *new, struct rlimit *old)
{
	long ret;

	if (new && (which == RLIMIT_NOFILE || which == RLIMIT_AS))
		umfs_process_settle();
	ret = sys4(SYS_prlimit64, pid, which, new, old);
	if (!ret && new && which == RLIMIT_FSIZE)
		umfs_limit_changed();
	return ret;
}

SYM(int, setrlimit, (int which, const struct rlimit *new))
{
	RETURN_INT(limit_set(0, which, new, NULL));
}
SYM_ALIAS(setrlimit64, setrlimit);

SYM(int, prlimit, (pid_t pid, int which, const struct rlimit *new, struct rlimit *old))
{
	RETURN_INT(limit_set(pid, which, new, old));
}
SYM_ALIAS(prlimit64, prlimit);

SYM(long, ulimit, (int cmd, long blocks))
{
	long ret = ((long (*)(int, long))umfs_libc("ulimit"))(cmd, blocks);

	if (cmd == UL_SETFSIZE)
		umfs_limit_changed();
	return ret;
}

/* ---- signals ---- */

typedef void (*handler_fn)(int);

SYM(int, sigaction, (int sig, const struct sigaction *act, struct sigaction *old))
{
	RETURN_INT(umfs_hook_sigaction(sig, act, old));
}

SYM(handler_fn, signal, (int sig, handler_fn handler))
{
	handler_fn before;

	umfs_sym_return(umfs_hook_signal(sig, handler, SA_RESTART, &before));
	return before;
}
SYM_ALIAS(bsd_signal, signal);
SYM_ALIAS(ssignal, signal);

SYM(handler_fn, sysv_signal, (int sig, handler_fn handler))
{
	handler_fn before;

	umfs_sym_return(umfs_hook_signal(sig, handler, (int)(SA_RESETHAND | SA_NODEFER), &before));
	return before;
}
SYM_ALIAS(__sysv_signal, sysv_signal);

SYM(int, siginterrupt, (int sig, int on))
{
	RETURN_INT(umfs_hook_siginterrupt(sig, on));
}

SYM(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old))
{
	RETURN_INT(umfs_hook_sigprocmask(how, set, old));
}

/* Returns the error. */
SYM(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old))
{
	return (int)-umfs_hook_sigprocmask(how, set, old);
}
