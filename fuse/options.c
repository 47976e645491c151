// SPDX-License-Identifier: BSD-3-Clause
/* options.c - the command line, as mount(8) gives it to its helpers. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mount.h"

enum { EXIT_USAGE = 1 };
enum { LONG_FOREGROUND = 256, LONG_HELP, LONG_VERSION };

static const char help[] =
	"Usage: mount.umfs [OPTION]... POOL DIR\n"
	"Make the files of a UMFS pool appear in directory DIR, for all programs, also\n"
	"while others use the pool through libumfs.so. fusermount3 -u DIR ends it.\n"
	"A pool that is attached to the kernel (/dev/umfs/NAME, or NAME) the kernel mounts;\n"
	"of the options ro, nosuid, nodev, noexec and remount count then. umount DIR ends it.\n"
	"\n"
	"  -o OPTION,...     see below\n"
	"  -r, -w            as -o ro, -o rw\n"
	"  -F, --foreground  stay in the foreground (also -o foreground)\n"
	"  -d                the same, and print every request (also -o debug)\n"
	"  -f                check only that it could be mounted (fake, as in mount(8))\n"
	"  -n, -s, -v, -t TYPE, -N SPACE  accepted, as mount(8) gives them\n"
	"      --help        print this\n"
	"      --version     print the version\n"
	"\n"
	"Options after -o:\n"
	"  mode=MODE         atomic (default), sync or posix: what is promised of writes, if\n"
	"                    nobody has the pool in use yet\n"
	"  ro, rw            look only; change too (default)\n"
	"  allow_other       for other users too, by the rights of files\n"
	"  allow_root        for root too\n"
	"  relatime, noatime, strictatime\n"
	"                    when reading stores a time of access (default: relatime)\n"
	"  nodiratime, diratime\n"
	"                    of directories never; as of files (default)\n"
	"  dev, suid         device files and set-id bits mean something (root only)\n"
	"  nodev, nosuid, exec, noexec, sync, async, dirsync\n"
	"                    as mount(8)\n"
	"  foreground, debug as -F and -d\n"
	"What fstab has for mount(8) alone (defaults, noauto, user, nofail, x-...) is ignored.\n"
	"\n"
	"In fstab:\n"
	"  /dev/shm/demo.pool  /mnt/umfs  fuse.umfs  allow_other,mode=sync  0  0\n";

static const char *const kernels[] = {"allow_other", "allow_root", "dev",   "nodev", "suid",
				      "nosuid",	     "exec",	   "noexec", "sync",  "async",
				      "dirsync",     NULL};
static const char *const ignored[] = {"defaults", "auto",   "noauto",  "user",	  "nouser", "users",
				      "owner",	  "group",  "nofail",  "_netdev", "noowner", "fuse", NULL};

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "mount.umfs: %s%s; --help lists what there is\n", what, value);
	return -1;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

static int pass_on(struct options *o, const char *word)
{
	size_t n = strlen(o->kernel);
	int len = snprintf(o->kernel + n, sizeof(o->kernel) - n, ",%s", word);

	return (size_t)len >= sizeof(o->kernel) - n ? usage("too many options", "") : 0;
}

static int take_mode(struct options *o, const char *word)
{
	if (!strcmp(word, "atomic"))
		o->mode = UMFS_MODE_ATOMIC;
	else if (!strcmp(word, "sync"))
		o->mode = UMFS_MODE_SYNC;
	else if (!strcmp(word, "posix"))
		o->mode = UMFS_MODE_POSIX;
	else
		return usage("mode is atomic, sync or posix, and not ", word);
	return 0;
}

static bool take_own(struct options *o, const char *word)
{
	if (!strcmp(word, "ro"))
		o->read_only = true;
	else if (!strcmp(word, "rw"))
		o->read_only = false;
	else if (!strcmp(word, "relatime"))
		o->atime = UMFS_ATIME_RELATIME;
	else if (!strcmp(word, "noatime"))
		o->atime = UMFS_ATIME_NEVER;
	else if (!strcmp(word, "strictatime"))
		o->atime = UMFS_ATIME_ALWAYS;
	else if (!strcmp(word, "nodiratime") || !strcmp(word, "diratime"))
		o->no_diratime = word[0] == 'n';
	else if (!strcmp(word, "remount"))
		o->remount = true;
	else if (!strcmp(word, "foreground"))
		o->foreground = true;
	else if (!strcmp(word, "debug"))
		o->foreground = o->debug = true;
	else
		return false;
	return true;
}

static int take_word(struct options *o, const char *word)
{
	if (!*word || is_one_of(word, ignored) || !strncmp(word, "x-", 2) ||
	    !strncmp(word, "comment=", 8) || take_own(o, word))
		return 0;
	if (!strncmp(word, "mode=", 5))
		return take_mode(o, word + 5);
	if (is_one_of(word, kernels))
		return pass_on(o, word);
	return usage("unknown option ", word);
}

static int take_words(struct options *o, char *words)
{
	char *word, *rest = words;
	int err = 0;

	while (!err && (word = strsep(&rest, ",")))
		err = take_word(o, word);
	return err;
}

static int take_letter(struct options *o, int c)
{
	switch (c) {
	case 'o':
		return take_words(o, optarg);
	case 'r':
		o->read_only = true;
		return 0;
	case 'w':
		o->read_only = false;
		return 0;
	case 'd':
		o->debug = o->foreground = true;
		return 0;
	case 'F':
	case LONG_FOREGROUND:
		o->foreground = true;
		return 0;
	case 'f':
		o->fake = true;
		return 0;
	case 'n':
	case 's':
	case 'v':
	case 't':
	case 'N':
		return 0;
	default:
		return -1; /* getopt has said it */
	}
}

int options_parse(struct options *o, int argc, char **argv, int *code)
{
	static const struct option longs[] = {{"foreground", 0, NULL, LONG_FOREGROUND},
					      {"help", 0, NULL, LONG_HELP},
					      {"version", 0, NULL, LONG_VERSION},
					      {0}};
	int c, err = 0;

	*o = (struct options){.mode = UMFS_MODE_ATOMIC, .atime = UMFS_ATIME_RELATIME};
	*code = EXIT_USAGE;
	while (!err && (c = getopt_long(argc, argv, "o:rwdFfnsvt:N:", longs, NULL)) != -1) {
		if (c == LONG_HELP || c == LONG_VERSION) {
			fputs(c == LONG_HELP ? help : "mount.umfs " PACKAGE_VERSION "\n", stdout);
			*code = 0;
			return 1;
		}
		err = take_letter(o, c);
	}
	if (!err && argc - optind != 2)
		err = usage("wants a pool and a directory", "");
	if (err)
		return 1;
	o->pool = argv[optind];
	o->dir = argv[optind + 1];
	return 0;
}
