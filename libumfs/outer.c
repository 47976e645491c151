// SPDX-License-Identifier: BSD-3-Clause
/*
 * outer.c - paths that enter a mount through symbolic links or "..".
 *
 * Asked only after the kernel failed to find something, so that paths that
 * exist outside cost nothing. Done as the kernel would: component by component
 * over names that are known to be no links.
 */
#include <linux/openat2.h>
#include <sys/stat.h>

#include "path.h"
#include "pool.h"
#include "valgrind.h"

#define LINKS_MAX 40u

/* False also where the kernel can not say (before 5.6, in a sandbox). */
static uint32_t unknown PORT_START;

static bool kernel_says(void)
{
	return !port_quiet && !LOAD_RELAXED(&unknown) && !umfs_on_valgrind();
}

/* Programs look for many files that are not there one after the other: so many opens ask at once. */
#define MISSING_RUN 16u
static uint32_t missing PORT_START;

/*
 * Is there no link on the way to what is missing? One call, where to look at each
 * component takes many.
 */
static bool way_is_plain(int dirfd, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	long fd;

	if (!kernel_says())
		return false;
	fd = sys4(SYS_openat2, dirfd, path, &how, sizeof(how));
	if (fd >= 0)
		sys1(SYS_close, fd); /* somebody has made it just now */
	else if (fd == -ENOSYS || fd == -EPERM)
		STORE(&unknown, 1);
	else if (fd == -ENOENT)
		STORE(&missing, MISSING_RUN);
	return fd == -ENOENT || fd == -ENOTDIR;
}

/* What the kernel's openat2 takes, and all that its open does without being told. */
#define ASKED_FLAGS                                                                       \
	(O_ACCMODE | O_APPEND | O_NONBLOCK | O_TRUNC | O_NOCTTY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define KERNEL_LARGEFILE 0100000u /* libc's O_LARGEFILE is nothing, since its open always says it */

long umfs_outer_open(int dirfd, const char *path, long flags, long mode, bool *plain)
{
	struct open_how how = {.flags = (uint32_t)flags | KERNEL_LARGEFILE,
			       .resolve = RESOLVE_NO_SYMLINKS};
	uint32_t run = LOAD_RELAXED(&missing);
	long fd;

	if (likely(!run) || flags & ~(long)ASKED_FLAGS || !kernel_says())
		return umfs_cancel_call(SYS_openat, dirfd, SYS_ARG(path), flags, mode, 0, 0);
	fd = umfs_cancel_call(SYS_openat2, dirfd, SYS_ARG(path), SYS_ARG(&how), sizeof(how), 0, 0);
	*plain = fd == -ENOENT || fd == -ENOTDIR;
	STORE(&missing, fd >= 0 ? run - 1 : fd == -ENOENT ? MISSING_RUN : run);
	if (fd != -ELOOP && fd != -ENOSYS && fd != -EPERM && fd != -EINVAL)
		return fd;
	STORE(&missing, 0); /* a link is on the way, or the kernel does not say */
	return umfs_cancel_call(SYS_openat, dirfd, SYS_ARG(path), flags, mode, 0, 0);
}

/* Text of the directory a relative path starts from. */
static long base_text(int dirfd, char *buf, size_t size)
{
	char link[40];
	struct text t;
	long n;

	if (dirfd == AT_FDCWD) {
		n = sys2(SYS_getcwd, buf, size);
		return n > 0 ? n - 1 : n;
	}
	umfs_text_init(&t, link, sizeof(link));
	umfs_text_add(&t, "/proc/self/fd/");
	umfs_text_dec(&t, (uint64_t)(unsigned)dirfd);
	n = sys4(SYS_readlinkat, AT_FDCWD, link, buf, size - 1);
	if (n > 0)
		buf[n] = '\0';
	return n;
}

/*
 * The parent exists outside: then the path can only be ours when its last
 * component is a link there, or the parent is a mount's own directory.
 */
static bool parent_is_plain(int dirfd, const char *path, char *tmp)
{
	struct stat st;
	size_t n = strlen(path);
	char c;

	while (n && path[n - 1] == '/')
		n--;
	while (n && path[n - 1] != '/')
		n--;
	memcpy(tmp, path, n);
	tmp[n] = '\0';
	if (sys4(SYS_newfstatat, dirfd, n ? tmp : ".", &st, 0))
		return false;
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (umfs_mounts[i].dir_there && umfs_mounts[i].dir_dev == st.st_dev &&
		    umfs_mounts[i].dir_ino == st.st_ino)
			return false;
	return sys4(SYS_readlinkat, dirfd, path, &c, 1) < 0;
}

/* `done` is on the way to some mount's directory, which need not exist. */
static bool above_mount(const char *done, size_t len)
{
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (len < umfs_mounts[i].dir_len && !memcmp(done, umfs_mounts[i].dir, len) &&
		    umfs_mounts[i].dir[len] == '/')
			return true;
	return false;
}

/* Put link text before what remains (empty, or from a slash on); both fit or -ENAMETOOLONG. */
static int insert(char *rest, const char *target, size_t n)
{
	size_t have = strlen(rest);

	if (n + have + 1 > OUTER_BYTES)
		return -ENAMETOOLONG;
	memmove(rest + n, rest, have + 1);
	memcpy(rest, target, n);
	return 0;
}

/* Add the next component of *rest to `done`; false: nothing is left or it does not fit. */
static bool step(char *done, size_t *len, char **rest, bool *named)
{
	char *p = *rest;
	size_t n;

	while (*p == '/')
		p++;
	for (n = 0; p[n] && p[n] != '/'; n++)
		;
	*rest = p + n;
	*named = false;
	if (!n)
		return false;
	if (n == 1 && p[0] == '.')
		return true;
	if (n == 2 && p[0] == '.' && p[1] == '.') {
		while (*len && done[*len - 1] != '/')
			(*len)--;
		if (*len)
			(*len)--;
		done[*len] = '\0';
		return true;
	}
	if (*len + n + 2 > DIR_BYTES)
		return false;
	done[(*len)++] = '/';
	memcpy(done + *len, p, n);
	*len += n;
	done[*len] = '\0';
	*named = true;
	return true;
}

static bool only_slashes(const char *p)
{
	while (*p == '/')
		p++;
	return !*p;
}

int umfs_outer_enter(struct scratch *sc, int dirfd, const char *path, uint32_t flags,
		     uint32_t *links, struct mount **m, const char **rest)
{
	char *done = sc->outer[0], *left = sc->outer[1], *target = sc->room;
	bool nofollow = flags & SPOT_NOFOLLOW, named;
	bool plain = *path && !strstr(path, "..") &&
		     (flags & SPOT_PLAIN || way_is_plain(dirfd, path));
	size_t len = 0;

	/* By its text it was looked for already. */
	if (!*path || (plain ? *path == '/' : parent_is_plain(dirfd, path, left)))
		return 0;
	if (*path != '/') {
		long n = base_text(dirfd, done, DIR_BYTES);

		if (n <= 0 || done[0] != '/')
			return 0;
		len = n == 1 ? 0 : (size_t)n;
		done[len] = '\0';
	}
	memcpy(left, path, strlen(path) + 1);
	if (len && (*m = umfs_mount_match(done, rest)) && !**rest) {
		*rest = left; /* from the directory beneath a mount */
		return 1;
	}
	for (char *p = left; step(done, &len, &p, &named);) {
		long n;

		*m = umfs_mount_match(done, rest);
		if (*m && !**rest) {
			memmove(left, p, strlen(p) + 1);
			*rest = left;
			return 1;
		}
		if (!named || plain || (nofollow && only_slashes(p)))
			continue;
		n = sys4(SYS_readlinkat, AT_FDCWD, done, target, DIR_BYTES - 1);
		if (n == -EINVAL || (n < 0 && above_mount(done, len)))
			continue;
		if (n <= 0)
			return 0;
		if (++*links > LINKS_MAX)
			return -ELOOP;
		memmove(left, p, strlen(p) + 1);
		if (insert(left, target, (size_t)n))
			return 0;
		p = left;
		if (target[0] == '/') {
			len = 0;
		} else {
			while (len && done[len - 1] != '/')
				len--;
			if (len)
				len--;
		}
		done[len] = '\0';
	}
	return 0;
}
