// SPDX-License-Identifier: BSD-3-Clause
/*
 * kernel.c - pools that are attached to the kernel module, which mounts them itself: mount(8)
 * asks this program for all of type umfs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "mount.h"

#include "umfs/ioctl.h"

bool kernel_has(const char *pool)
{
	char node[sizeof(UMFS_NODES) + UMFS_IOC_NAME_BYTES];
	struct stat st;

	if (!strncmp(pool, UMFS_NODES, strlen(UMFS_NODES)))
		return true;
	if (strchr(pool, '/') || !stat(pool, &st) || strlen(pool) >= UMFS_IOC_NAME_BYTES)
		return false;
	snprintf(node, sizeof(node), UMFS_NODES "%s", pool);
	return stat(node, &st) == 0 && S_ISCHR(st.st_mode);
}

static unsigned long flags_of(const struct options *o)
{
	static const struct {
		const char *word;
		unsigned long flag;
	} words[] = {{"nosuid", MS_NOSUID}, {"nodev", MS_NODEV}, {"noexec", MS_NOEXEC}};
	unsigned long flags = 0, own = (o->read_only ? MS_RDONLY : 0) | (o->remount ? MS_REMOUNT : 0);
	char all[sizeof(o->kernel)], *word, *rest = all;

	strcpy(all, o->kernel);
	while ((word = strsep(&rest, ",")))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (!strcmp(word, words[i].word))
				flags |= words[i].flag;
			else if (!strcmp(word, words[i].word + 2)) /* and what undoes it */
				flags &= ~words[i].flag;
		}
	return flags | own;
}

static const char *explain(int err)
{
	switch (err) {
	case ENODEV:
		return "the kernel has no file system umfs: is its module loaded?";
	case ENXIO:
		return "no pool is attached by that name: umfs attach DEVICE NAME";
	default:
		return strerror(err);
	}
}

int kernel_mount(const struct options *o)
{
	if (o->fake || !mount(o->pool, o->dir, "umfs", flags_of(o), NULL))
		return 0;
	fprintf(stderr, "mount.umfs: %s: %s\n", o->pool, explain(errno));
	return EXIT_MOUNT;
}
