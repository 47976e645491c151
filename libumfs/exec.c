// SPDX-License-Identifier: BSD-3-Clause
/*
 * exec.c - new images.
 *
 * What is open passes on as inherit.c says, a working directory of ours by
 * itself (place.c). A program that lies in a pool can not be run: the kernel
 * does not see it.
 */
#include <unistd.h>

#include "hooks.h"
#include "path.h"

static long exec_ours(struct spot *s, struct path_args *a)
{
	struct umfs_attr attr;
	long err = umfs_getattr(umfs_mount_fs(s->m), s->w.ino, &attr);

	(void)a;
	if (err)
		return err;
	return umfs_refuse(REPORT_NO_EXEC, ENOTSUP);
}

/* Leave the pools before the image goes, where nothing is lost should it stay. */
static void prepare(void)
{
	if (umfs_uinfo_open_count() || !umfs_process_alone())
		return;
	umfs_cwd_forget();
	umfs_mount_leave();
}

/* The path is the kernel's by now, so it needs nothing of what is let go. */
static long exec_now(int dirfd, const char *path, struct path_args *a, char **envp)
{
	if (dirfd == AT_FDCWD && !a->a)
		return sys3(SYS_execve, path, a->p, envp);
	return sys5(SYS_execveat, dirfd, path, a->p, envp, a->a);
}

static long exec_kernel(int dirfd, const char *path, struct path_args *a)
{
	struct heirs heirs;
	long err;

	if (!umfs_active() || umfs_guard_self.busy)
		return exec_now(dirfd, path, a, a->q);
	err = umfs_heirs_make(&heirs, a->q);
	if (err)
		return err;
	prepare();
	err = exec_now(dirfd, path, a, heirs.envp);
	umfs_heirs_drop(&heirs);
	return err;
}

long umfs_hook_execve(int dirfd, const char *path, char *const argv[], char *const envp[],
		      int flags)
{
	struct path_args a = {.a = flags,
			      .p = (void *)(uintptr_t)argv,
			      .q = (void *)(uintptr_t)envp};

	if (!umfs_ready())
		return exec_kernel(dirfd, path, &a);
	return umfs_path_call(dirfd, path, flags & AT_EMPTY_PATH ? SPOT_EMPTY : 0, exec_ours,
			      exec_kernel, &a);
}

/* A file without a known format is a shell script. */
static long try_one(const char *path, char *const argv[], char *const envp[])
{
	long err = umfs_hook_execve(AT_FDCWD, path, argv, envp, 0);
	size_t n = 0;

	if (err != -ENOEXEC)
		return err;
	while (argv[n])
		n++;
	{
		char *shell[n + 2 > 3 ? n + 2 : 3];

		shell[0] = (char *)(uintptr_t)"/bin/sh";
		shell[1] = (char *)(uintptr_t)path;
		if (n)
			memcpy(shell + 2, argv + 1, n * sizeof(*argv));
		else
			shell[2] = NULL;
		return umfs_hook_execve(AT_FDCWD, "/bin/sh", shell, envp, 0);
	}
}

static const char *search_path(void)
{
	for (char **e = environ; e && *e; e++)
		if (!strncmp(*e, "PATH=", 5))
			return *e + 5;
	return "/bin:/usr/bin";
}

static bool go_on(long err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ESTALE || err == -ENODEV ||
	       err == -ETIMEDOUT || err == -EACCES;
}

long umfs_hook_execvp(const char *file, char *const argv[], char *const envp[])
{
	char path[PATH_MAX + NAME_MAX + 2];
	const char *p = search_path();
	size_t len = strlen(file);
	bool denied = false;
	long err = -ENOENT;

	if (!len)
		return -ENOENT;
	if (strchr(file, '/'))
		return try_one(file, argv, envp);
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	for (;; p++) {
		size_t n = strcspn(p, ":");

		if (n < PATH_MAX) {
			memcpy(path, p, n);
			if (n)
				path[n++] = '/';
			memcpy(path + n, file, len + 1);
			err = try_one(path, argv, envp);
			denied |= err == -EACCES;
			if (!go_on(err))
				return err;
		}
		p += strcspn(p, ":");
		if (!*p)
			return denied ? -EACCES : err;
	}
}
