// SPDX-License-Identifier: BSD-3-Clause
/* options.c - the command line of mkfs.umfs. */
#include "mkfs.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <uuid/uuid.h>

static const char usage[] =
	"Usage: mkfs.umfs [options] POOL\n"
	"\n"
	"Makes POOL, a file or a device of memory, an empty UMFS pool.\n"
	"\n"
	"  -s, --size SIZE   size of the pool; needed when POOL does not exist yet,\n"
	"                    then a sparse file is made. K, M, G and T are powers of 1024\n"
	"      --prealloc    take all memory of a file now, not as it comes into use\n"
	"  -N INODES         at least so many inodes (default: one for each 16 KiB)\n"
	"  -L LABEL          a label of up to 32 bytes\n"
	"  -U UUID           this UUID instead of a random one\n"
	"  -f                overwrite what has a signature of some kind\n"
	"  -n, --dry-run     say what would be done and do nothing\n"
	"  -q                say nothing but errors\n"
	"      --durability=auto|none|flush|eadr\n"
	"                    what stores need to last: nothing (DRAM), write-back of cache\n"
	"                    lines, or a fence alone; auto finds out (default)\n"
	"  -h, --help        this text\n"
	"  -V, --version     the version\n";

enum { OPT_DURABILITY = 256, OPT_PREALLOC };

static const struct option longs[] = {
	{"size", required_argument, NULL, 's'},
	{"prealloc", no_argument, NULL, OPT_PREALLOC},
	{"dry-run", no_argument, NULL, 'n'},
	{"durability", required_argument, NULL, OPT_DURABILITY},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static void wrong(const char *what, const char *value)
{
	fprintf(stderr, "mkfs.umfs: %s: %s\n", what, value);
	exit(1);
}

static uint64_t parse_number(const char *text, char **end, const char *what)
{
	unsigned long long n;

	errno = 0;
	n = strtoull(text, end, 10);
	if (errno || *end == text || text[0] < '0' || text[0] > '9')
		wrong(what, text);
	return n;
}

static uint64_t parse_size(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	uint64_t n = parse_number(text, &end, "bad size");
	const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
	int shift = unit ? (int)(unit - units + 1) * 10 : 0;

	if ((*end && (!unit || end[1])) || n << shift >> shift != n || !n)
		wrong("bad size", text);
	return n << shift;
}

static uint64_t parse_count(const char *text)
{
	char *end;
	uint64_t n = parse_number(text, &end, "bad number of inodes");

	if (*end || !n)
		wrong("bad number of inodes", text);
	return n;
}

static int parse_durability(const char *text)
{
	static const char *const names[] = {"none", "flush", "eadr"};
	int i;

	if (!strcmp(text, "auto"))
		return -1;
	for (i = 0; i < 3; i++)
		if (!strcmp(text, names[i]))
			return i;
	wrong("bad durability", text);
	return -1;
}

static void take_option(int c, const char *arg, struct options *o)
{
	switch (c) {
	case 's':
		o->size_bytes = parse_size(arg);
		break;
	case OPT_PREALLOC:
		o->prealloc = true;
		break;
	case 'N':
		o->inodes = parse_count(arg);
		break;
	case 'L':
		if (strlen(arg) > 32)
			wrong("label longer than 32 bytes", arg);
		o->label = arg;
		break;
	case 'U':
		if (uuid_parse(arg, o->uuid))
			wrong("bad UUID", arg);
		break;
	case 'f':
		o->force = true;
		break;
	case 'n':
		o->dry_run = true;
		break;
	case 'q':
		o->quiet = true;
		break;
	case OPT_DURABILITY:
		o->durability = parse_durability(arg);
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	case 'V':
		puts("mkfs.umfs " PACKAGE_VERSION);
		exit(0);
	default:
		fputs("Try 'mkfs.umfs --help'.\n", stderr);
		exit(1);
	}
}

void options_parse(int argc, char **argv, struct options *o)
{
	int c;

	memset(o, 0, sizeof(*o));
	o->label = "";
	o->durability = -1;
	uuid_generate(o->uuid);
	while ((c = getopt_long(argc, argv, "s:N:L:U:fnqhV", longs, NULL)) != -1)
		take_option(c, optarg, o);
	if (argc - optind != 1) {
		fprintf(stderr, "mkfs.umfs: %s\nTry 'mkfs.umfs --help'.\n",
			optind == argc ? "no POOL given" : "more than one POOL given");
		exit(1);
	}
	o->path = argv[optind];
}
