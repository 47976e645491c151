// SPDX-License-Identifier: BSD-3-Clause
/* kernel.c - umfs attach, detach, list: pools of the kernel module. */
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "umfs/ioctl.h"

static const char attach_usage[] =
	"Usage: umfs attach [options] DEVICE NAME\n"
	"\n"
	"Attaches the pool on DEVICE to the kernel, as /dev/umfs/NAME.\n"
	"\n"
	"  -m, --mode MODE  posix, sync or atomic (atomic): what write() promises\n"
	"  -h, --help       this text\n"
	"  -V, --version    the version\n";
static const char detach_usage[] =
	"Usage: umfs detach NAME\n"
	"\n"
	"Lets the device of the attached pool NAME go. Nothing of the pool may be open.\n"
	"\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n";
static const char list_usage[] =
	"Usage: umfs list\n"
	"\n"
	"Lists the pools that are attached to the kernel: name, device, size, mode, how many\n"
	"files are open.\n"
	"\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n";

static int control_open(void)
{
	struct umfs_ioc_about about;
	int fd = open(UMFS_CONTROL_NODE, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail("%s: %s", UMFS_CONTROL_NODE,
		     errno == ENOENT ? "not there; the kernel module umfs is not loaded"
				     : strerror(errno));
	if (ioctl(fd, UMFS_IOC_ABOUT, &about) || about.abi != UMFS_IOC_ABI)
		fail("%s: the kernel module is of another version", UMFS_CONTROL_NODE);
	return fd;
}

static const char *attach_error(int err)
{
	switch (err) {
	case EEXIST:
		return "a pool of that name is attached";
	case EBUSY:
		return "the device is in use";
	case ENOTBLK:
		return "not a block device";
	case EOPNOTSUPP:
		return "has no memory that can be mapped (of an NVDIMM, only a namespace of mode "
		       "fsdax has)";
	case ENOEXEC:
		return pool_strerror(-EINVAL);
	case EROFS:
		return pool_strerror(-ENOTSUP);
	case EINVAL:
		return "a name has letters, digits, '-', '_' and '.', not first, at most 31 in all";
	case ENFILE:
		return "so many pools are attached as the module's pools_max allows";
	default:
		return pool_strerror(-err);
	}
}

/* Returns -1 to go on, else an exit code. */
static int parse(int argc, char **argv, const char *usage, int want, uint32_t *mode)
{
	static const struct option with_mode[] = {
		{"mode", required_argument, NULL, 'm'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, mode ? "m:hV" : "hV", with_mode + !mode, NULL)) != -1) {
		if (c != 'm')
			return common_option(c, argv[0], usage);
		if (!mode_number(optarg, mode)) {
			complain("no mode '%s'", optarg);
			return 1;
		}
	}
	if (argc - optind == want)
		return -1;
	fputs(usage, stderr);
	return 1;
}

static void put_text(char *to, size_t room, const char *text, const char *what)
{
	if (strlen(text) >= room)
		fail("%s is too long: %s", what, text);
	memcpy(to, text, strlen(text) + 1);
}

int attach_main(int argc, char **argv)
{
	struct umfs_ioc_attach a = {.mode = UMFS_MODE_ATOMIC};
	int code = parse(argc, argv, attach_usage, 2, &a.mode);

	if (code >= 0)
		return code;
	put_text(a.device, sizeof(a.device), argv[optind], "the device's path");
	put_text(a.name, sizeof(a.name), argv[optind + 1], "the name");
	if (ioctl(control_open(), UMFS_IOC_ATTACH, &a))
		fail("%s: %s", argv[optind], attach_error(errno));
	return 0;
}

int detach_main(int argc, char **argv)
{
	struct umfs_ioc_detach d = {0};
	int code = parse(argc, argv, detach_usage, 1, NULL);

	if (code >= 0)
		return code;
	put_text(d.name, sizeof(d.name), argv[optind], "the name");
	if (ioctl(control_open(), UMFS_IOC_DETACH, &d))
		fail("%s: %s", argv[optind],
		     errno == EBUSY ? "files of the pool, or its node, are open, or it is mounted"
		     : errno == ENOENT || errno == EINVAL ? "no pool of that name is attached"
							  : strerror(errno));
	return 0;
}

int list_main(int argc, char **argv)
{
	int code = parse(argc, argv, list_usage, 0, NULL), fd;
	struct umfs_ioc_list l = {0};

	if (code >= 0)
		return code;
	fd = control_open();
	for (; !ioctl(fd, UMFS_IOC_LIST, &l); l.index++)
		printf("%-16s %-16s %10s  %-6s  %llu open\n", l.name, l.device,
		       size_text(l.bytes), mode_name(l.mode), (unsigned long long)l.open);
	if (errno != ENOENT)
		fail("%s: %s", UMFS_CONTROL_NODE, strerror(errno));
	return 0;
}
