// SPDX-License-Identifier: BSD-3-Clause
/*
 * point.c - mount points by where they are, not by the text of a path.
 *
 * A mount is a name in a directory of the kernel's: its parent's device and
 * inode number say which one, however a path came there - relative to a
 * descriptor, by "..", by links, by /proc/self/root. Only a path that has the
 * mount's name among its components is looked at more closely, so that others
 * cost one search in their text.
 *
 * Where the mount's directory exists outside as well, a link to it may end
 * there without its name: what stat and open found is then that directory. Who
 * opens such a link without asking for a directory has a descriptor of what lies
 * beneath; nothing is made by it there.
 */
#include <sys/stat.h>

#include "path.h"

void umfs_point_init(struct mount *m)
{
	struct stat st;
	char parent[DIR_BYTES];

	/* A mount is not asked: its daemon may be stopped. */
	m->dir_there = m->mounted || sys2(SYS_stat, m->dir, &st) == 0;
	m->dir_dev = m->mounted ? m->dev : m->dir_there ? st.st_dev : 0;
	m->dir_ino = m->mounted ? UMFS_ROOT_INO : m->dir_there ? st.st_ino : 0;
	m->name_off = (uint32_t)(strrchr(m->dir, '/') + 1 - m->dir);
	memcpy(parent, m->dir, m->name_off);
	parent[m->name_off] = '\0';
	m->parent_there = sys2(SYS_stat, parent, &st) == 0;
	m->parent_dev = m->parent_there ? st.st_dev : 0;
	m->parent_ino = m->parent_there ? st.st_ino : 0;
}

/* The next place at or after `p` where `name` is a whole component of `path`. */
static char *component(char *path, char *p, const char *name, size_t n)
{
	while ((p = strstr(p, name)) != NULL) {
		if ((p == path || p[-1] == '/') && (!p[n] || p[n] == '/'))
			return p;
		p++;
	}
	return NULL;
}

/* Is the directory before `name` in `path`, whose text ends there for a moment, the parent? */
static bool below_parent(const struct mount *m, int dirfd, char *path, char *name)
{
	char first = *name;
	struct stat st;
	long err;

	*name = '\0';
	err = sys4(SYS_newfstatat, dirfd, path, &st, *path ? 0 : AT_EMPTY_PATH);
	*name = first;
	return !err && st.st_dev == m->parent_dev && st.st_ino == m->parent_ino;
}

/* Where `m` is entered on the way of `path`; what lies at "/" has been found by its text. */
static char *entered(const struct mount *m, int dirfd, char *path)
{
	const char *name = m->dir + m->name_off;
	size_t n = m->dir_len - m->name_off;

	if (!m->parent_there)
		return NULL;
	for (char *p = component(path, path, name, n); p; p = component(path, p + 1, name, n)) {
		size_t slashes = strspn(path, "/");

		if (slashes && path + slashes == p)
			continue;
		if (below_parent(m, dirfd, path, p))
			return p;
	}
	return NULL;
}

struct mount *umfs_point_find(int dirfd, char *path, const char **rest)
{
	struct mount *m = NULL;
	char *first = NULL;

	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		char *p = entered(&umfs_mounts[i], dirfd, path);

		if (p && (!first || p < first)) {
			first = p;
			m = &umfs_mounts[i];
		}
	}
	if (m)
		*rest = first + m->dir_len - m->name_off;
	return m ? umfs_mount_inner(m, rest) : NULL;
}

long umfs_point_landed(uint64_t dev, uint64_t ino, long ret)
{
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (umfs_mounts[i].dir_there && umfs_mounts[i].dir_ino == ino &&
		    umfs_mounts[i].dir_dev == dev)
			return SPOT_LANDED - (long)i;
	return ret;
}

struct mount *umfs_point_beneath(int dirfd)
{
	bool any = false;
	struct stat st;

	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		any |= umfs_mounts[i].dir_there;
	if (!any || sys2(SYS_fstat, dirfd, &st))
		return NULL;
	return umfs_point_mount(umfs_point_landed(st.st_dev, st.st_ino, 0));
}

struct mount *umfs_point_mount(long ret)
{
	if (ret > SPOT_LANDED || ret <= SPOT_LANDED - (long)MOUNTS_MAX)
		return NULL;
	return &umfs_mounts[SPOT_LANDED - ret];
}
