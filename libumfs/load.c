// SPDX-License-Identifier: BSD-3-Clause
/*
 * load.c - dlopen of libraries that lie in a pool.
 *
 * The dynamic linker makes its own system calls. It is given a copy in a memory
 * file, by its name in /proc; or where the kernel module has the pool, the library
 * itself by a descriptor's name. What it needs in turn is loaded before (needed.c).
 *
 *  B1  The same file has the same name as long as it does not change: by that the
 *      linker knows that it is loaded already. So the descriptors stay open.
 *  B2  dlopen asks who calls it (whose search path, which namespace). So ours is
 *      entered and left with the caller's return address in its place.
 */
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "hooks.h"
#include "module.h"
#include "needed.h"

#define LOADS_MAX 256u
#define NAME_BYTES 32u

struct load {
	const struct umfs *fs;
	umfs_node node;
	int64_t ctime_ns;
	uint64_t size;
	int fd;
	uint64_t fd_ino; /* what that is, as long as it was not closed */
	char name[NAME_BYTES];
};

static struct load loads[LOADS_MAX]; /* under LOCK_LOADS */
static uint32_t load_count PORT_START;

int umfs_load_keeps_next(int from)
{
	uint32_t n = LOAD(&load_count);
	int best = INT_MAX;

	for (uint32_t i = 0; i < n; i++) {
		int fd = LOAD_RELAXED(&loads[i].fd);

		if (fd >= from && fd < best)
			best = fd;
	}
	return best;
}

/* Its descriptor is still what it was. */
static bool is_kept(const struct load *l)
{
	struct stat st;

	return !sys2(SYS_fstat, l->fd, &st) && st.st_ino == l->fd_ino &&
	       st.st_size == (off_t)l->size;
}

static struct load *find(const struct load *what)
{
	for (uint32_t i = 0; i < load_count; i++) {
		struct load *l = &loads[i];

		if (l->fs == what->fs && l->node == what->node && l->size == what->size &&
		    l->ctime_ns == what->ctime_ns && is_kept(l))
			return l;
	}
	return NULL;
}

static long copy(const struct load *l)
{
	struct umfs *fs = (struct umfs *)(uintptr_t)l->fs;
	struct umfs_file f;
	uint32_t ofd;
	long fd = umfs_open(fs, l->node, O_RDONLY, &ofd);

	if (fd)
		return fd;
	fd = umfs_file_init(fs, ofd, &f);
	if (!fd)
		fd = umfs_copy_to_memory(&f, l->size);
	umfs_ofd_put(fs, ofd);
	return fd;
}

/* A descriptor of what was walked to, or of a copy, out of the way. */
static int get(const struct spot *s, struct load *l)
{
	long fd = s->m->module ? umfs_module_open(s, O_RDONLY | O_CLOEXEC, 0) : copy(l), high;

	if (fd < 0)
		return (int)fd;
	high = umfs_place_high((int)fd);
	if (high >= 0)
		sys1(SYS_close, fd);
	l->fd = (int)(high >= 0 ? high : fd);
	port_keep_number(l->fd);
	return 0;
}

static int keep(const struct spot *s, struct load *l)
{
	struct stat st;
	struct text t;
	int err = load_count == LOADS_MAX ? -EMFILE : get(s, l);

	if (err)
		return err;
	umfs_text_init(&t, l->name, sizeof(l->name));
	umfs_text_add(&t, "/proc/self/fd/");
	umfs_text_dec(&t, (uint64_t)l->fd);
	l->fd_ino = sys2(SYS_fstat, l->fd, &st) ? 0 : st.st_ino;
	loads[load_count] = *l;
	STORE(&load_count, load_count + 1);
	return 0;
}

/* May it be read? In a pool of the module's the linker's own open is checked. */
static long check(const struct spot *s, struct umfs_attr *attr)
{
	struct umfs *fs = umfs_mount_fs(s->m);
	struct umfs_cred cred;
	long err;

	*attr = s->w.attr;
	if (s->m->module)
		return S_ISREG(attr->mode) ? 0 : -EINVAL;
	umfs_cred_get(&cred);
	err = umfs_getattr(fs, s->w.ino, attr);
	if (!err)
		err = S_ISREG(attr->mode) ? umfs_access(fs, &cred, s->w.ino, 4) : -EINVAL;
	return err;
}

/* 0: a->p, the name for the linker, is set. */
static long load_ours(struct spot *s, struct path_args *a)
{
	struct load what = {.fs = umfs_mount_fs(s->m), .node = s->w.ino};
	struct umfs_attr attr;
	struct load *l;
	long err = check(s, &attr);

	if (err)
		return err;
	what.size = attr.size;
	what.ctime_ns = attr.ctime_ns;
	umfs_opens_enter();
	umfs_local_lock(LOCK_LOADS);
	l = find(&what);
	if (!l) {
		err = keep(s, &what);
		l = err ? NULL : &loads[load_count - 1];
	}
	umfs_local_unlock(LOCK_LOADS);
	umfs_opens_leave();
	a->p = l ? l->name : NULL;
	return err;
}

static long open_ours(struct spot *s, struct path_args *a)
{
	struct load what = {.fs = umfs_mount_fs(s->m), .node = s->w.ino};
	struct umfs_attr attr;
	long err = s->m->module ? -ENOENT : check(s, &attr);

	if (err)
		return err;
	what.size = attr.size;
	umfs_opens_enter();
	err = get(s, &what);
	umfs_opens_leave();
	a->d = what.fd;
	return err;
}

static long open_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	(void)path;
	(void)a;
	return -ENOENT;
}

long umfs_load_open(const char *path)
{
	struct path_args a = {.d = -1};
	long err = umfs_path_call(AT_FDCWD, path, SPOT_MODULE, open_ours, open_kernel, &a);

	return err ? err : a.d;
}

static long file_ours(struct spot *s, struct path_args *a)
{
	struct umfs_attr attr;

	(void)a;
	return check(s, &attr);
}

static long file_kernel(int dirfd, const char *path, struct path_args *a)
{
	struct stat st;
	long err = sys4(SYS_newfstatat, dirfd, path, &st, 0);

	(void)a;
	return err ? err : S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

bool umfs_load_is_file(const char *path)
{
	struct path_args a = {.p = NULL};

	return !umfs_path_call(AT_FDCWD, path, SPOT_MODULE, file_ours, file_kernel, &a);
}

static long load_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)a;
	return sys4(SYS_newfstatat, dirfd, path, (struct stat[1]){{0}}, 0);
}

__attribute__((visibility("hidden"), used)) void *umfs_load_real;
__attribute__((visibility("hidden"), used)) const char *umfs_load_name(const char *path,
								       int flags);

const char *umfs_load_copy(const char *path)
{
	struct path_args a = {.p = NULL};

	if (!umfs_hook_path_ours(path) ||
	    umfs_path_call(AT_FDCWD, path, SPOT_MODULE, load_ours, load_kernel, &a))
		return NULL;
	return a.p;
}

/* By the linker's search: only what LD_LIBRARY_PATH has in a pool, if it is not loaded. */
static __attribute__((noinline)) const char *find_copy(const char *name, load_fn load)
{
	char path[PATH_MAX];
	const char *copy;
	void *lib;

	if (!umfs_needed_find(name, path))
		return NULL;
	lib = load(name, RTLD_LAZY | RTLD_NOLOAD);
	if (lib) {
		dlclose(lib);
		return NULL;
	}
	copy = umfs_load_copy(path);
	if (copy)
		umfs_needed_load(path, copy, load);
	return copy;
}

/* What the linker is to be given for what the program gave. */
const char *umfs_load_name(const char *path, int flags)
{
	const char *copy;
	load_fn load;

	if (!umfs_load_real)
		umfs_load_real = umfs_libc("dlopen");
	load = (load_fn)(uintptr_t)umfs_load_real;
	if (!path || !*path || !umfs_ready())
		return path;
	if (!strchr(path, '/')) {
		copy = find_copy(path, load);
	} else {
		copy = umfs_load_copy(path);
		if (copy && !(flags & RTLD_NOLOAD))
			umfs_needed_load(path, copy, load);
	}
	return copy ? copy : path;
}

/* B2: void *dlopen(const char *path, int flags). */
__asm__(".text\n"
	".globl dlopen\n"
	".type dlopen, @function\n"
	"dlopen:\n"
	"	.cfi_startproc\n"
	"	push	%rdi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	push	%rsi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	sub	$8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call	umfs_load_name\n"
	"	add	$8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	pop	%rsi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	pop	%rdi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	mov	%rax, %rdi\n"
	"	jmp	*umfs_load_real(%rip)\n"
	"	.cfi_endproc\n"
	".size dlopen, . - dlopen\n");
