// SPDX-License-Identifier: BSD-3-Clause
/*
 * attach.c - the control node from a shell, in the guest.
 *
 *   kmod-attach about
 *   kmod-attach attach DEVICE NAME [MODE]
 *   kmod-attach detach NAME
 *   kmod-attach list
 *   kmod-attach as UID COMMAND...
 *   kmod-attach with NODE FILE COMMAND...   which has the file, made if need be, as descriptor 9
 *
 * Exit code 0, or the errno of what failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "umfs/ioctl.h"

static int fd;

static int failed(const char *what)
{
	int err = errno;

	fprintf(stderr, "%s: %s\n", what, strerror(err));
	return err;
}

static int about(void)
{
	struct umfs_ioc_about a;

	if (ioctl(fd, UMFS_IOC_ABOUT, &a))
		return failed("about");
	if (a.abi != UMFS_IOC_ABI) {
		fprintf(stderr, "interface %u, not %u\n", a.abi, UMFS_IOC_ABI);
		return EPROTO;
	}
	printf("interface %u, format %u\n", a.abi, a.format_version);
	return 0;
}

static int attach(const char *device, const char *name, const char *mode)
{
	struct umfs_ioc_attach a = {.mode = (unsigned)atoi(mode)};

	/* What stands behind the NULs is nobody's business. */
	memset(a.device, 'x', sizeof(a.device));
	memset(a.name, 'x', sizeof(a.name));
	snprintf(a.device, sizeof(a.device), "%s", device);
	snprintf(a.name, sizeof(a.name), "%s", name);
	return ioctl(fd, UMFS_IOC_ATTACH, &a) ? failed("attach") : 0;
}

static int detach(const char *name)
{
	struct umfs_ioc_detach d = {0};

	strncpy(d.name, name, sizeof(d.name) - 1);
	return ioctl(fd, UMFS_IOC_DETACH, &d) ? failed("detach") : 0;
}

/* Nothing but zeros behind the NUL. */
static bool tidy(const char *text, size_t bytes)
{
	size_t i;

	for (i = strnlen(text, bytes); i < bytes && !text[i]; i++)
		;
	return i == bytes;
}

static int list(void)
{
	struct umfs_ioc_list l = {0};

	for (; !ioctl(fd, UMFS_IOC_LIST, &l); l.index++) {
		if (!tidy(l.name, sizeof(l.name)) || !tidy(l.device, sizeof(l.device))) {
			fprintf(stderr, "list: what the attacher had in memory is shown\n");
			return EPROTO;
		}
		printf("%s %s %llu bytes, mode %u, %llu open\n", l.name, l.device,
		       (unsigned long long)l.bytes, l.mode, (unsigned long long)l.open);
	}
	return errno == ENOENT ? 0 : failed("list");
}

/* What this user, in no group but his own, may do. */
static int as(char **argv)
{
	unsigned id = (unsigned)atoi(argv[0]);

	if (setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id))
		return failed("as");
	execvp(argv[1], argv + 1);
	return failed(argv[1]);
}

static int with(char **argv)
{
	struct umfs_ioc_open a = {.path = {.text = (uintptr_t)argv[1],
					   .bytes = (uint32_t)strlen(argv[1]),
					   .dir = UMFS_IOC_ROOT},
				  .flags = O_RDWR | O_CREAT,
				  .mode = 0600};
	int node = open(argv[0], O_RDONLY | O_CLOEXEC);

	if (node < 0 || ioctl(node, UMFS_IOC_OPEN, &a) || dup2(a.fd, 9) != 9)
		return failed(argv[0]);
	execvp(argv[2], argv + 2);
	return failed(argv[2]);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "as") && argc >= 4)
		return as(argv + 2);
	if (!strcmp(what, "with") && argc >= 5)
		return with(argv + 2);
	fd = open(UMFS_CONTROL_NODE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(UMFS_CONTROL_NODE);
	if (!strcmp(what, "about"))
		return about();
	if (!strcmp(what, "attach") && argc >= 4)
		return attach(argv[2], argv[3], argc > 4 ? argv[4] : "3");
	if (!strcmp(what, "detach") && argc == 3)
		return detach(argv[2]);
	if (!strcmp(what, "list"))
		return list();
	fprintf(stderr, "usage: kmod-attach about | attach DEVICE NAME [MODE] | detach NAME | list | as UID COMMAND | with NODE FILE COMMAND\n");
	return EINVAL;
}
