// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_walk.c - what libc makes of many calls: glob, nftw, scandir, realpath.
 */
#include <fts.h>
#include <ftw.h>
#include <glob.h>

#include "posix.h"

static const char *arg_walk_path(void)
{
	const char *path = chance(30) ? "." : arg_path();

	return path && path != bad_pointer() ? path : ".";
}

/* Not through links of /proc, which hold the kernel's names: see excuse.c. */
static const char *arg_real_path(void)
{
	const char *path = arg_walk_path();

	return strncmp(path, "/proc", 5) && strncmp(path, "/dev", 4) ? path : "a";
}

static void do_realpath(void)
{
	const char *path = arg_real_path();
	char to[PATH_MAX];
	bool own = chance(70);
	char *p;

	say("realpath(%s)", show(path));
	p = realpath(path, own ? to : NULL);
	if (p)
		say(" = %s", show(p));
	else
		answer(-1);
	if (!own)
		free(p);
}

/* Lines that come in the order of a directory, which is nobody's promise. */
static char found[128][80];
static unsigned found_count;

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void say_found(void)
{
	qsort(found, found_count, sizeof(found[0]), by_text);
	for (unsigned i = 0; i < found_count; i++)
		say(" %s", found[i]);
}

static int on_error(const char *path, int err)
{
	if (found_count < COUNT(found))
		snprintf(found[found_count++], sizeof(found[0]), "!%.60s:%s", path,
			 strerrorname_np(err));
	return 0;
}

static void do_glob(void)
{
	static const char *const patterns[] = {"*", "d/*", "*/*", "[a-c]", "?", "d/[!a]", "*/",
					       "{a,b,z}", "c/*", "./*/a", "nothing*", "*/*/*"};
	static const int flags[] = {0, GLOB_MARK, GLOB_NOCHECK, GLOB_BRACE, GLOB_ERR, GLOB_ONLYDIR,
				    GLOB_PERIOD};
	const char *pattern = ONE_OF(patterns);
	int f = ONE_OF(flags), ret;
	glob_t g = {0};

	say("glob(%s, %#x)", pattern, f);
	found_count = 0;
	ret = glob(pattern, f, on_error, &g);
	say_found();
	say(" = %d", ret);
	for (size_t i = 0; !ret && i < g.gl_pathc && i < 40; i++)
		say(" %s", g.gl_pathv[i]);
	globfree(&g);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (found_count < COUNT(found))
		snprintf(found[found_count++], sizeof(found[0]), "%.40s/%d/%d/%s", show(path), type,
			 ftw->level, type == FTW_NS ? "" : state_type(st->st_mode));
	return 0;
}

static void do_nftw(void)
{
	/* Following links it comes to a directory once, by the name that it meets first. */
	static const int flags[] = {FTW_PHYS, FTW_PHYS | FTW_DEPTH, FTW_PHYS | FTW_MOUNT};
	const char *path = chance(70) ? (chance(50) ? "." : "d") : arg_name();
	int f = ONE_OF(flags), ret;

	say("nftw(%s, %d)", show(path), f);
	found_count = 0;
	ret = nftw(path, visit, 3, f);
	answer(ret);
	say_found();
}

static void do_fts(void)
{
	char *paths[] = {(char *)(uintptr_t)".", NULL};
	FTS *fts = fts_open(paths, FTS_PHYSICAL | (chance(50) ? FTS_NOCHDIR : 0), NULL);
	FTSENT *e;

	say("fts");
	answer_ok(fts != NULL);
	found_count = 0;
	while (fts && (e = fts_read(fts)))
		if (found_count < COUNT(found))
			snprintf(found[found_count++], sizeof(found[0]), "%.60s/%d", e->fts_path,
				 e->fts_info);
	if (fts)
		fts_close(fts);
	say_found();
}

static void do_scandir(void)
{
	const char *path = arg_walk_path();
	struct dirent **list;
	int n;

	say("scandir(%s)", show(path));
	n = scandir(path, &list, NULL, alphasort);
	answer(n);
	for (int i = 0; i < n; i++) {
		say(" %s", list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void do_canonicalize(void)
{
	const char *path = arg_real_path();
	char *p = canonicalize_file_name(path);

	say("canonicalize_file_name(%s)", show(path));
	if (p)
		say(" = %s", show(p));
	else
		answer(-1);
	free(p);
	p = get_current_dir_name();
	say(" cwd %s", show(p));
	free(p);
}

const struct op walk_ops[] = {
	{"realpath", WALK, 12, do_realpath}, {"glob", WALK, 8, do_glob},
	{"nftw", WALK, 6, do_nftw},	      {"fts", WALK, 3, do_fts},
	{"scandir", WALK, 5, do_scandir},     {"canonicalize", WALK, 3, do_canonicalize}, {0},
};
