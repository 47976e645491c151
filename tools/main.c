// SPDX-License-Identifier: BSD-3-Clause
/* main.c - the `umfs` command: finds the command meant and hands over to it. */
#include "tools.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
	"Usage: umfs COMMAND [options] ...\n"
	"\n"
	"  umfs run [--pool POOL] [--mount DIR] [--mode MODE] -- CMD [ARG...]\n"
	"      run a program that sees the files of a pool under a directory\n"
	"  umfs info POOL [--json]\n"
	"      what a pool is and how full\n"
	"  umfs dump POOL [PATH | inode N]\n"
	"      every structure of a pool, or all about one file\n"
	"  umfs attach [--mode MODE] DEVICE NAME\n"
	"      attach a pool to the kernel, as /dev/umfs/NAME\n"
	"  umfs detach NAME\n"
	"      let its device go\n"
	"  umfs list\n"
	"      the pools that are attached to the kernel\n"
	"  umfs grow POOL --size SIZE\n"
	"      make a pool larger while it is in use\n"
	"  umfs freeze POOL [-- CMD [ARG...]]\n"
	"      keep a pool as it is while CMD copies it, or until it is thawed\n"
	"  umfs thaw POOL\n"
	"      let programs change it again\n"
	"  umfs scrub POOL\n"
	"      read everything in a pool, and say what can not be read or is damaged\n"
	"\n"
	"  umfs COMMAND --help says more. --version gives the version.\n";

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} commands[] = {
	{"run", run_main},
	{"info", info_main},
	{"dump", dump_main},
	{"attach", attach_main},
	{"detach", detach_main},
	{"list", list_main},
	{"grow", grow_main},
	{"freeze", freeze_main},
	{"thaw", thaw_main},
	{"scrub", scrub_main},
};

static void say(const char *format, va_list args)
{
	fputs("umfs: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	exit(1);
}

/* A page that is not there: the file was cut short meanwhile, or a hole can get no memory. */
static void on_sigbus(int sig)
{
	static const char text[] = "umfs: a part of the pool can not be read\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)sig;
	(void)n;
	_exit(1);
}

const struct option common_options[] = {
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

int common_option(int c, const char *command, const char *help)
{
	switch (c) {
	case 'h':
		fputs(help, stdout);
		return 0;
	case 'V':
		puts("umfs " PACKAGE_VERSION);
		return 0;
	default:
		fprintf(stderr, "Try 'umfs %s --help'.\n", command);
		return 1;
	}
}

void look_open(struct pool *p, const char *path)
{
	bool from_backup = false;
	int err = pool_open(p, path, POOL_READONLY, &from_backup);

	if (err)
		fail("%s: %s", path, pool_strerror(err));
	if (from_backup)
		complain("%s: superblock damaged, its backup is used; fsck.umfs repairs it", path);
	signal(SIGBUS, on_sigbus);
}

int main(int argc, char **argv)
{
	unsigned i;
	int code;

	if (argc < 2) {
		fputs(usage, stderr);
		return 1;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("umfs " PACKAGE_VERSION);
		return 0;
	}
	for (i = 0; i < UMFS_ARRAY_LEN(commands); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		code = commands[i].main(argc - 1, argv + 1);
		if (fflush(stdout) || ferror(stdout)) {
			complain("the output can not be written");
			return 1;
		}
		return code;
	}
	fprintf(stderr, "umfs: no command '%s'\nTry 'umfs --help'.\n", argv[1]);
	return 1;
}
