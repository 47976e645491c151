// SPDX-License-Identifier: BSD-3-Clause
/* grow.c - `umfs grow`: a pool made larger while programs use it. */
#include "internal.h"
#include "tools.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
	"Usage: umfs grow POOL --size SIZE\n"
	"\n"
	"Makes POOL, a file, SIZE bytes large. Programs may have it in use and go on writing:\n"
	"they find the new space, and the inodes that come with it, by themselves. Whatever\n"
	"happens meanwhile, it then has its old size or the new one.\n"
	"\n"
	"  -s, --size SIZE  more than it has now, a multiple of 4096 bytes; K, M, G and T are\n"
	"                   powers of 1024. `umfs info` says for how many groups of 128 MiB\n"
	"                   it has room\n"
	"  -h, --help       this text\n"
	"  -V, --version    the version\n";

static const struct option longs[] = {
	{"size", required_argument, NULL, 's'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static uint64_t parse_size(const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t n;
	int shift;

	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
	shift = unit ? (int)(unit - units + 1) * 10 : 0;
	if (errno || text[0] < '0' || text[0] > '9' || (*end && (!unit || end[1])) ||
	    n << shift >> shift != n || !n)
		fail("bad size: %s", text);
	return n << shift;
}

/* What would be said of it in vain to core. */
static void check_size(const struct pool *p, const char *path, uint64_t bytes)
{
	const struct umfs_geometry *g = &p->fs.geo;
	uint64_t now = g->pool_pages << UMFS_PAGE_SHIFT;
	uint64_t room = ((uint64_t)g->group_count_max << UMFS_GROUP_SHIFT) + g->groups_page;

	if (bytes % p->page_bytes)
		fail("%s: the size must be a multiple of %llu bytes", path,
		     (unsigned long long)p->page_bytes);
	if (bytes <= now)
		fail("%s: is %llu bytes large already, and can not become smaller", path,
		     (unsigned long long)now);
	if (bytes >> UMFS_PAGE_SHIFT > UMFS_POOL_PAGES_MAX)
		fail("%s: %s is more than a pool can have (%s)", path, size_text(bytes),
		     size_text(UMFS_POOL_PAGES_MAX << UMFS_PAGE_SHIFT));
	if (bytes >> UMFS_PAGE_SHIFT > room)
		fail("%s: was made for at most %s (%u groups)", path,
		     size_text(room << UMFS_PAGE_SHIFT), g->group_count_max);
	if (p->is_device && bytes > p->file_bytes)
		fail("%s: a device can not be made larger than its %llu bytes", path,
		     (unsigned long long)p->file_bytes);
}

static const char *reason(int err)
{
	switch (-err) {
	case ENOSPC:
	case ENOMEM:
		return "no memory or space behind it for that";
	case EFBIG:
		return "more than it was made for, than its file system allows, or than a limit does";
	case EPERM:
		return "its file may not be made longer";
	case EBUSY:
		return "is frozen; see umfs thaw";
	case EINVAL:
		return "is as large already, or larger";
	default:
		return pool_strerror(err);
	}
}

static void grow(const char *path, uint64_t bytes)
{
	static struct pool p;
	uint32_t groups;
	int err;

	look_open(&p, path);
	check_size(&p, path, bytes);
	pool_close(&p);
	err = pool_attach(&p, path, UMFS_MODE_POSIX); /* the weakest: others may ask for more */
	if (err)
		fail("%s: %s", path, pool_strerror(err));
	groups = p.fs.geo.group_count;
	err = umfs_grow(&p.fs, bytes >> UMFS_PAGE_SHIFT);
	if (err) {
		pool_close(&p);
		fail("%s: %s", path, reason(err));
	}
	printf("%s: %s, %u more groups, %llu more inodes\n", path, size_text(bytes),
	       p.fs.geo.group_count - groups,
	       (unsigned long long)(p.fs.geo.group_count - groups) * p.fs.geo.inodes_per_group);
	pool_close(&p);
}

int grow_main(int argc, char **argv)
{
	uint64_t bytes = 0;
	int c;

	while ((c = getopt_long(argc, argv, "s:hV", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			bytes = parse_size(optarg);
			break;
		default:
			return common_option(c, argv[0], usage);
		}
	}
	if (argc - optind != 1 || !bytes)
		fail("grow wants one POOL and a --size; try 'umfs grow --help'");
	signal(SIGXFSZ, SIG_IGN);
	grow(argv[optind], bytes);
	return 0;
}
