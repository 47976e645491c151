// SPDX-License-Identifier: BSD-3-Clause
/*
 * exec.c - new images.
 *
 * What is open passes on as inherit.c says, a working directory of ours by
 * itself (place.c). The kernel does not see a program that lies in a pool: it is
 * given a copy in a memory file, or, when it is a script, the interpreter that its
 * first line names. Set-id bits mean nothing there. The child of posix_spawn comes
 * here too, where libc's entries are redirected.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "hooks.h"
#include "module.h"

#define LINE_BYTES 256u /* of a script's first line: as much as the kernel reads */
#define INTERPRETERS_MAX 5
#define SPAWNED_INTERPRETERS_MAX 2 /* that child's stack is small */

/*
 * The child of posix_spawn runs on memory of its parent's, which has it again after the
 * exec: a sanitizer must not mark what functions leave there that never return.
 */
#define NEVER_RETURNS __attribute__((no_sanitize_address))

/* What of a program in a pool the kernel is given. */
struct image {
	int fd; /* memory file with a copy, or (module.c) the program itself; -1: a script */
	char line[LINE_BYTES];
};

/* Who may not run it; as the kernel, even who may do anything needs one x bit. */
static long may_run(struct umfs *fs, umfs_node node, struct umfs_attr *attr)
{
	struct umfs_cred cred;
	long err = umfs_getattr(fs, node, attr);

	if (err)
		return err;
	if (!S_ISREG(attr->mode) || !(attr->mode & 0111))
		return -EACCES;
	umfs_cred_get(&cred);
	return umfs_access(fs, &cred, node, 1);
}

long umfs_copy_to_memory(const struct umfs_file *f, uint64_t size)
{
	long fd = sys2(SYS_memfd_create, "umfs", MFD_CLOEXEC), at, err;
	int64_t n = 0;

	if (fd < 0)
		return fd;
	err = sys2(SYS_ftruncate, fd, size);
	at = err ? err : sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at < 0 && at > -4096) {
		sys1(SYS_close, fd);
		return at;
	}
	for (uint64_t off = 0; off < size; off += (uint64_t)n) {
		n = umfs_pread(f, (void *)(at + (long)off), size - off, off);
		if (n <= 0)
			break;
	}
	sys2(SYS_munmap, at, size);
	if (n >= 0)
		return fd;
	sys1(SYS_close, fd);
	return (long)n;
}

static long load(const struct umfs_file *f, uint64_t size, struct image *image)
{
	int64_t n = umfs_pread(f, image->line, sizeof(image->line) - 1, 0);
	long fd;

	if (n < 0)
		return (long)n;
	image->line[n] = '\0';
	image->fd = -1;
	if (n >= 2 && image->line[0] == '#' && image->line[1] == '!')
		return 0;
	if (!n)
		return -ENOEXEC;
	fd = umfs_copy_to_memory(f, size);
	image->fd = (int)fd;
	return fd < 0 ? fd : 0;
}

/* The kernel can run it: it says what is wrong, but of a script, which it is not given. */
static long load_module(const struct spot *s, struct image *image)
{
	long fd = umfs_module_open(s, O_RDONLY | O_CLOEXEC, 0), err, n;

	if (fd == -EACCES && S_ISREG(s->w.attr.mode)) /* may be run all the same, if no script */
		fd = umfs_module_open(s, O_PATH | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	image->fd = (int)fd;
	n = sys4(SYS_pread64, fd, image->line, sizeof(image->line) - 1, 0);
	if (n < 2 || image->line[0] != '#' || image->line[1] != '!')
		return 0;
	image->line[n] = '\0';
	image->fd = -1;
	err = sys4(SYS_faccessat2, fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH);
	sys1(SYS_close, fd);
	return err;
}

/* 0: a->d, the image, says how to go on. */
static long exec_ours(struct spot *s, struct path_args *a)
{
	struct umfs *fs = umfs_mount_fs(s->m);
	struct umfs_attr attr;
	struct umfs_file f;
	uint32_t ofd;
	long err;

	if (s->m->module)
		return load_module(s, (struct image *)a->d);
	err = may_run(fs, s->w.ino, &attr);
	if (err)
		return err;
	umfs_opens_enter();
	err = umfs_open(fs, s->w.ino, O_RDONLY, &ofd);
	if (!err) {
		err = umfs_file_init(fs, ofd, &f);
		if (!err)
			err = load(&f, attr.size, (struct image *)a->d);
		umfs_ofd_put(fs, ofd);
	}
	umfs_opens_leave();
	return err;
}

/* Leave the pools before the image goes, where nothing is lost should it stay. */
static void prepare(void)
{
	if (port_quiet || umfs_uinfo_open_count() || !umfs_process_alone())
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
	bool shown = false;
	struct heirs heirs;
	long err;

	if (umfs_guard_self.busy)
		return exec_now(dirfd, path, a, a->q);
	err = umfs_heirs_make(&heirs, dirfd, path, a->q, (int)a->a);
	if (err)
		return err;
	if (a->b)
		umfs_heirs_program(&heirs, (const char *)a->b, dirfd);
	if (umfs_active() && !heirs.known)
		shown = umfs_cwd_show();
	if (umfs_active() && !shown)
		prepare();
	err = exec_now(dirfd, path, a, umfs_heirs_environment(&heirs));
	if (shown)
		umfs_cwd_hide();
	umfs_heirs_drop(&heirs);
	return err;
}

static NEVER_RETURNS long exec_file(int dirfd, const char *path, char *const argv[],
				    char *const envp[], int flags, int depth);

/*
 * The interpreter that a script names in its first line (which is changed), with
 * the rest of that line as one argument, the script's path, and what came after it.
 */
static NEVER_RETURNS long exec_script(char *line, const char *path, char *const argv[],
				      char *const envp[], int depth)
{
	char *name = line + 2 + strspn(line + 2, " \t"), *end = name + strcspn(name, "\n"), *arg;
	size_t n = 0, at = 0;

	if (!*end && strlen(line) == LINE_BYTES - 1 && !strpbrk(name, " \t"))
		return -ENOEXEC; /* the interpreter's name does not end */
	while (end > name && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	if (!*name)
		return -ENOEXEC;
	if (depth == INTERPRETERS_MAX)
		return -ELOOP;
	arg = name + strcspn(name, " \t");
	if (*arg) {
		*arg++ = '\0';
		arg += strspn(arg, " \t");
	}
	while (argv && argv[n])
		n++;
	{
		char *args[n + 4];

		args[at++] = name;
		if (*arg)
			args[at++] = arg;
		args[at++] = (char *)(uintptr_t)path;
		for (size_t i = 1; i < n; i++)
			args[at++] = argv[i];
		args[at] = NULL;
		return exec_file(AT_FDCWD, name, args, envp, 0, depth + 1);
	}
}

/* A script that is known by a descriptor: as the kernel names it to the interpreter. */
static __attribute__((noinline)) long exec_script_at(char *line, int dirfd, const char *path,
						     char *const argv[], char *const envp[])
{
	char name[PATH_MAX + 32];
	long fdflags = sys3(SYS_fcntl, dirfd, F_GETFD, 0);
	struct text t;

	if (fdflags < 0)
		return fdflags;
	if (fdflags & FD_CLOEXEC)
		return -ENOENT; /* it is not there any more when that looks */
	umfs_text_init(&t, name, sizeof(name));
	umfs_text_add(&t, "/dev/fd/");
	umfs_text_dec(&t, (uint64_t)(unsigned)dirfd);
	umfs_text_add(&t, *path ? "/" : "");
	umfs_text_add(&t, path);
	return exec_script(line, name, argv, envp, 0);
}

/* ---- the child of libc's posix_spawn ---- */

struct where {
	const char *path; /* NULL: in a pool */
	char rewritten[PATH_MAX];
};

/* Only whether it is there: an exec that succeeds would leave what path.c has in its hands. */
static long look_outside(int dirfd, const char *path, struct path_args *a)
{
	struct where *w = a->p;

	w->path = path;
	if (path != a->q) {
		w->path = w->rewritten;
		memcpy(w->rewritten, path, strnlen(path, PATH_MAX - 1) + 1);
		w->rewritten[PATH_MAX - 1] = '\0';
	}
	return sys4(SYS_newfstatat, dirfd, path, (struct stat[1]){{0}}, 0);
}

/* The child has a working directory of its own in the kernel, if not in our memory. */
static void show_cwd(const struct heirs *h)
{
	if (!umfs_guard_self.spawn_moved && !h->known)
		umfs_cwd_show();
}

/*
 * This thread in memory that is still its parent's: what passes on was made ready
 * there, and the environment says it.
 */
static NEVER_RETURNS __attribute__((noinline)) long exec_spawned(const char *path,
								 char *const argv[], int depth)
{
	struct heirs *h = umfs_guard_self.spawn_heirs;
	struct image image;
	struct where w;
	struct path_args a = {.d = (long)&image, .p = &w, .q = (void *)(uintptr_t)path};
	long err;

	if (depth > SPAWNED_INTERPRETERS_MAX)
		return -ELOOP;
	w.path = NULL;
	err = umfs_path_call(AT_FDCWD, path, SPOT_MODULE, exec_ours, look_outside, &a);
	if (err)
		return err;
	if (!w.path && image.fd < 0)
		return exec_script(image.line, path, argv, h->envp, depth);
	err = w.path ? umfs_heirs_spawned(h, AT_FDCWD, w.path, 0) :
		       umfs_heirs_spawned(h, image.fd, "", AT_EMPTY_PATH);
	if (!err && !w.path)
		umfs_heirs_program(h, path, image.fd);
	if (!err)
		show_cwd(h);
	if (w.path)
		return err ? err : sys3(SYS_execve, w.path, argv, umfs_heirs_environment(h));
	if (!err)
		err = sys5(SYS_execveat, image.fd, "", argv, umfs_heirs_environment(h),
			   AT_EMPTY_PATH);
	sys1(SYS_close, image.fd);
	return err;
}

static NEVER_RETURNS long exec_file(int dirfd, const char *path, char *const argv[],
				    char *const envp[], int flags, int depth)
{
	struct image image;
	struct path_args a = {.a = flags,
			      .d = (long)&image,
			      .p = (void *)(uintptr_t)argv,
			      .q = (void *)(uintptr_t)envp};
	long err;

	if (umfs_guard_self.spawning)
		return exec_spawned(path, argv, depth);
	if (!umfs_ready())
		return exec_kernel(dirfd, path, &a);
	err = umfs_path_call(dirfd, path, SPOT_MODULE | (flags & AT_EMPTY_PATH ? SPOT_EMPTY : 0),
			     exec_ours, exec_kernel, &a);
	if (err)
		return err;
	if (image.fd >= 0) {
		a.a = AT_EMPTY_PATH;
		if (*path && (*path == '/' || dirfd == AT_FDCWD))
			a.b = (long)path;
		err = exec_kernel(image.fd, "", &a);
		sys1(SYS_close, image.fd);
		return err;
	}
	if (path[0] != '/' && dirfd != AT_FDCWD)
		return exec_script_at(image.line, dirfd, path, argv, envp);
	return exec_script(image.line, path, argv, envp, depth);
}

long umfs_hook_execve(int dirfd, const char *path, char *const argv[], char *const envp[],
		      int flags)
{
	umfs_spare_drop();
	return exec_file(dirfd, path, argv, envp, flags, 0);
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

const char *umfs_exec_find(const char *file, char *path)
{
	const char *p = search_path();
	size_t len = strlen(file), n;

	if (strchr(file, '/'))
		return file;
	for (; len && len <= NAME_MAX; p += n + 1) {
		n = strcspn(p, ":");
		if (n < PATH_MAX) {
			memcpy(path, p, n);
			path[n] = '/';
			memcpy(path + n + (n != 0), file, len + 1);
			if (!sys2(SYS_access, path, X_OK))
				return path;
		}
		if (!p[n])
			break;
	}
	return "";
}
