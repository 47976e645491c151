// SPDX-License-Identifier: BSD-3-Clause
/* main.c - fsck.umfs: options, the order of the passes, the exit code of fsck(8). */
#include <getopt.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fsck.h"

static const char usage_text[] =
	"Usage: fsck.umfs [-n|-p|-a|-y] [-f] [-C FD] [-j N] [--json] POOL\n"
	"Check a UMFS pool, and mend it where asked to.\n"
	"\n"
	"  -n          check only (the default); recovery runs on a private copy\n"
	"  -p, -a      recover, mend what is safe to mend; a clean pool is not looked at\n"
	"  -y          recover, mend all that can be mended\n"
	"  -f          with -p, check a clean pool too\n"
	"  -C FD       write progress to descriptor FD: \"pass now max pool\"\n"
	"  -j N        look at inodes by N threads (a large pool: as many as processors)\n"
	"      --json  report as JSON on standard output\n"
	"      --list  list all findings there are: code, what mends it, text\n"
	"  -h, --help     this text\n"
	"  -V, --version  version\n"
	"\n"
	"Exit code: the sum of 0 no damage, 1 damage mended, 4 damage left, 8 could not\n"
	"check, 16 usage, 32 cancelled. A pool that a process has attached is refused (8).\n";

enum { OPT_JSON = 256, OPT_LIST };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static void usage(const char *what)
{
	fprintf(stderr, "fsck.umfs: %s\nTry 'fsck.umfs --help'.\n", what);
	exit(EXIT_USAGE);
}

static void set_mode(struct fsck *c, bool *given, enum fsck_mode mode)
{
	if (*given && c->mode != mode)
		usage("only one of -n, -p, -a and -y may be given");
	*given = true;
	c->mode = mode;
}

static int parse_fd(const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (!*text || *end || fd < 0 || fd > 1 << 20)
		usage("-C wants a descriptor number");
	return (int)fd;
}

static uint32_t parse_threads(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (!*text || *end || n < 1 || n > 1024)
		usage("-j wants a number of threads");
	return (uint32_t)n;
}

static void say_and_exit(int option)
{
	if (option == OPT_LIST)
		problem_list();
	else if (option == 'V')
		puts("fsck.umfs " UMFS_PACKAGE_VERSION);
	else
		fputs(usage_text, stdout);
	exit(fflush(stdout) ? EXIT_ERROR : 0);
}

/* last: where getopt stands; a long option is there as it was written. */
static void wrong_option(int why, const char *last)
{
	char text[128], name[3] = { '-', (char)optopt, '\0' };
	bool is_long = !optopt || optopt >= OPT_JSON;

	snprintf(text, sizeof(text), "%s '%.80s'",
		 why == ':' ? "no argument of option" :
		 is_long && optopt ? "no argument is taken by option" : "unknown option",
		 is_long ? last : name);
	usage(text);
}

static void parse(struct fsck *c, int argc, char **argv)
{
	bool given = false;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":npayfC:j:hV", long_options, NULL)) != -1) {
		switch (option) {
		case 'n':
			set_mode(c, &given, FSCK_CHECK);
			break;
		case 'p':
		case 'a':
			set_mode(c, &given, FSCK_PREEN);
			break;
		case 'y':
			set_mode(c, &given, FSCK_YES);
			break;
		case 'f':
			c->force = true;
			break;
		case 'C':
			c->progress_fd = parse_fd(optarg);
			break;
		case 'j':
			c->threads = parse_threads(optarg);
			break;
		case OPT_JSON:
			c->findings = json_object_new_array();
			break;
		case '?':
		case ':':
			wrong_option(option, argv[optind - 1]);
			break;
		default:
			say_and_exit(option);
		}
	}
	if (argc - optind != 1)
		usage("one pool is wanted");
	c->path = argv[optind];
}

static int check(struct fsck *c)
{
	int ret = pass0_super(c);

	if (ret)
		return ret;
	if (c->mode == FSCK_PREEN && !c->force && !c->fixed && !c->left &&
	    ld64(&runtime_at(c)->clean) == UMFS_CLEAN) {
		c->skipped = true;
		return 0;
	}
	progress(c, 0, 0, 1);
	ret = pass0_runtime(c);
	return ret ? ret : passes_run(c);
}

/* Nothing is half mended by a signal: see mend.c. */
static void on_cancel(int sig)
{
	(void)sig;
	_exit(EXIT_CANCELLED);
}

int main(int argc, char **argv)
{
	static struct fsck c = { .progress_fd = -1 };
	int status;

	parse(&c, argc, argv);
	signal(SIGINT, on_cancel);
	signal(SIGTERM, on_cancel);
	status = media_open(&c);
	if (!status) {
		status = check(&c);
		if (!status)
			mend_end(&c);
	}
	if (c.left)
		status |= EXIT_LEFT;
	if (c.fixed)
		status |= EXIT_FIXED;
	problem_finish(&c, status);
	use_drop(&c);
	media_close(&c);
	return status;
}
