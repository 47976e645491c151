// SPDX-License-Identifier: BSD-3-Clause
/*
 * scrub.c - `umfs scrub`: everything in a pool is read, and what is unreadable or has a
 * wrong checksum is said, with inode and path.
 *
 *   scrub.c       the command
 *   scrub_run.c   what belongs to nobody: superblocks, front, heads of groups; the order
 *                 of the walk; faults and findings
 *   scrub_tree.c  inodes, directories, page tables, attributes, data
 *
 * S1  The pool may be in use: this process is attached as any other. What can change is
 *     looked at under its inode's lock, held for one inode, one directory page, or one page
 *     table; data, which has no checksum, is read without one.
 * S2  Pages are read by guarded copies only, so that a page that can not be read is one
 *     finding and not the end. Core is given nothing that was not read so before; where that
 *     fails all the same, fs->broken ends the walk.
 * S3  Each inode is looked at once (`seen`), and each directory gives at most as many pages as
 *     the pool has: the walk ends, whatever is in the pool.
 */
#include "scrub.h"

#include <errno.h>
#include <getopt.h>

#include "tools.h"

#define EXIT_DAMAGED 4

static const char help[] =
	"Usage: umfs scrub POOL\n"
	"\n"
	"Reads everything in POOL: superblocks, tables, inodes, directories, attributes and their\n"
	"checksums, and the data of all files. A line for each place that can not be read or is\n"
	"damaged says which inode and, where it is known, which path. Nothing is mended.\n"
	"\n"
	"POOL may be in use, and programs go on meanwhile. If it is not, and was left by a crash,\n"
	"it is recovered first, as by any program that uses it. Files that are made during the\n"
	"run may be left out.\n"
	"\n"
	"Exit code: 0 all was read and is sound; 1 POOL can not be opened, or another error;\n"
	"4 something is damaged: see fsck.umfs(8).\n"
	"\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n";

/* ---- the command ---- */

static int scrub_pool(const char *path)
{
	static struct pool pool;
	static struct scrub s = {.pool = &pool};
	int err;

	s.out = stdout;
	scrub_catch_faults(&pool);
	err = pool_attach(&pool, path, UMFS_MODE_POSIX); /* the weakest: others may ask for more */
	if (err) {
		complain("%s: %s", path, pool_strerror(err));
		return err == -EUCLEAN ? EXIT_DAMAGED : 1;
	}
	err = scrub_run(&s);
	printf("%s: %llu inodes and %llu pages read, %llu finding%s\n", path,
	       (unsigned long long)s.inodes, (unsigned long long)s.pages,
	       (unsigned long long)s.findings, s.findings == 1 ? "" : "s");
	pool_close(&pool);
	if (err)
		complain("%s: ended before all was read: %s", path, pool_strerror(err));
	if (s.findings)
		return EXIT_DAMAGED;
	return err ? 1 : 0;
}

int scrub_main(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "hV", common_options, NULL)) != -1)
		return common_option(c, "scrub", help);
	if (argc - optind != 1) {
		fprintf(stderr, "umfs scrub: which pool?\nTry 'umfs scrub --help'.\n");
		return 1;
	}
	return scrub_pool(argv[optind]);
}
