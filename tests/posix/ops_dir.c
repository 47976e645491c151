// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_dir.c - directories: listed, also while they change, and worked in.
 */
#include "posix.h"

struct name {
	char text[16];
	long where;
	unsigned char type;
};
static struct name names[64];
static unsigned name_count;

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static void take(const struct dirent *e)
{
	if (name_count == COUNT(names))
		return;
	snprintf(names[name_count].text, sizeof(names[0].text), "%.15s", e->d_name);
	names[name_count++].type = e->d_type;
}

static void say_names(void)
{
	qsort(names, name_count, sizeof(names[0]), by_text);
	for (unsigned i = 0; i < name_count; i++)
		say(" %s/%d", names[i].text, names[i].type);
}

static void read_all(DIR *dir)
{
	struct dirent *e;

	errno = 0;
	while ((e = readdir(dir)))
		take(e);
	if (errno)
		say(" readdir %s", strerrorname_np(errno));
}

/* In place of the one that was. */
static void keep_dir(DIR *dir)
{
	if (run.dir)
		closedir(run.dir);
	run.dir = dir;
}

static void do_opendir(void)
{
	const char *path = chance(60) ? (chance(50) ? "." : "d") : arg_path();
	DIR *dir;

	if (!path || path == bad_pointer())
		path = "";
	say("opendir(%s)", show(path));
	dir = opendir(path);
	answer_ok(dir != NULL);
	if (!dir)
		return;
	keep_dir(dir);
	say(" fd %d cloexec %d", dirfd(dir), fcntl(dirfd(dir), F_GETFD));
}

static void do_fdopendir(void)
{
	int fd = arg_fd(), slot = slot_of(fd);
	DIR *dir;

	say("fdopendir(%d)", fd);
	dir = fdopendir(fd);
	answer_ok(dir != NULL);
	if (!dir)
		return;
	keep_dir(dir);
	run.slot[slot] = -1;
}

/* Some now and the rest later: what was there all the time comes once. */
static void do_readdir_rest(void)
{
	say("readdir...");
	if (!run.dir)
		return;
	name_count = 0;
	if (chance(40))
		rewinddir(run.dir);
	read_all(run.dir);
	/* After a change since the last rewinddir what comes is for the file system to say. */
	say(" last %s", readdir(run.dir) ? "more" : "end");
	rewinddir(run.dir);
	name_count = 0;
	read_all(run.dir);
	say_names();
}

static void do_readdir_changing(void)
{
	static const char *const extra[] = {"x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8"};
	unsigned n = 0, seen = 0, dots = 0;
	DIR *dir;
	struct dirent *e;

	say("readdir while changing");
	if (mkdir("ch", 0700) || !(dir = opendir("ch"))) {
		answer(-1);
		return;
	}
	for (unsigned i = 0; i < COUNT(extra); i++) {
		int fd = openat(dirfd(dir), extra[i], O_CREAT | O_EXCL | O_WRONLY, 0600);

		if (fd >= 0)
			close(fd);
	}
	rewinddir(dir);
	while ((e = readdir(dir)) && n++ < 100) {
		dots += e->d_name[0] == '.';
		seen |= e->d_name[0] == 'x' ? 1u << (e->d_name[1] - '0') : 0;
		if (e->d_name[0] == 'x')
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	say(" seen %x of %u, dots %u", seen, n, dots);
	closedir(dir);
	answer(rmdir("ch"));
}

/* Each place told leads to the name that came after it. */
static void do_telldir(void)
{
	struct dirent *e;
	unsigned wrong = 0, at;
	DIR *dir = opendir(chance(50) ? "." : "d");

	say("telldir, seekdir");
	if (!dir) {
		answer(-1);
		return;
	}
	for (name_count = 0; name_count < COUNT(names);) {
		names[name_count].where = telldir(dir);
		e = readdir(dir);
		if (!e)
			break;
		take(e);
	}
	for (unsigned i = 0; i < 10 && name_count; i++) {
		at = pick(name_count);
		seekdir(dir, names[at].where);
		e = readdir(dir);
		wrong += !e || strncmp(e->d_name, names[at].text, sizeof(names[0].text) - 1);
	}
	closedir(dir);
	say(" %u names, %u wrong", name_count, wrong);
}

static void do_closedir(void)
{
	say("closedir");
	if (!run.dir)
		return;
	answer(closedir(run.dir));
	run.dir = NULL;
}

static void do_getdents(void)
{
	static char room[8192];
	int fd = arg_fd();
	size_t size = chance(80) ? sizeof(room) : pick(60);
	long n, total = 0;

	say("getdents64(%d, %zu)", fd, size);
	lseek(fd, 0, SEEK_SET);
	n = getdents64(fd, room, size);
	if (n < 0)
		answer(-1);
	for (name_count = 0; n > 0; n = getdents64(fd, room, sizeof(room)))
		for (long at = 0; at < n && total++ < 60;) {
			struct dirent *e = (struct dirent *)(void *)(room + at);

			take(e);
			at += e->d_reclen;
		}
	say_names();
}

/* ---- the working directory ---- */

static void do_chdir(void)
{
	static const char *const back[] = {"..", ".", "d", "../d"};
	const char *path = chance(50) ? ONE_OF(back) : chance(50) ? run.base : arg_path();

	say("chdir(%s)", show(path));
	answer(chdir(path));
}

static void do_fchdir(void)
{
	int fd = arg_fd();

	say("fchdir(%d)", fd);
	answer(fchdir(fd));
}

static void do_getcwd(void)
{
	char buf[PATH_MAX];
	size_t size = chance(70) ? sizeof(buf) : run.base_len + pick(6);
	char *p = getcwd(buf, chance(5) ? 0 : size);

	say("getcwd(%zu)", size == sizeof(buf) ? size : size - run.base_len);
	if (p)
		say(" = %s", show(p));
	else
		answer(-1);
}

/* Work in a directory that is removed meanwhile. */
static void do_removed_cwd(void)
{
	char buf[PATH_MAX];
	struct stat st;
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	say("in a removed directory:");
	if (fd < 0 || mkdir("gone", 0755) || chdir("gone")) {
		answer(-1);
		if (fd >= 0)
			close(fd);
		return;
	}
	answer(rmdir("../gone"));
	answer(stat(".", &st));
	say(" n%lu", (unsigned long)st.st_nlink);
	answer(stat("..", &st));
	answer(open("x", O_CREAT | O_RDWR, 0644));
	answer(mkdir("x", 0755));
	answer(open("nothing", O_RDONLY));
	answer(rename("x", "y"));
	answer(symlink("x", "y"));
	answer_ok(getcwd(buf, sizeof(buf)) != NULL);
	answer_ok(realpath(".", buf) != NULL);
	answer(chdir("."));
	answer(chdir(".."));
	answer(access("d", F_OK));
	answer(fchdir(fd));
	close(fd);
}

const struct op dir_ops[] = {
	{"opendir", DIRS, 8, do_opendir},	 {"fdopendir", DIRS, 4, do_fdopendir},
	{"readdir", DIRS, 10, do_readdir_rest}, {"changing", DIRS, 2, do_readdir_changing},
	{"telldir", DIRS, 4, do_telldir},	 {"closedir", DIRS, 3, do_closedir},
	{"getdents", DIRS, 6, do_getdents},	 {"chdir", DIRS, 12, do_chdir},
	{"fchdir", DIRS, 6, do_fchdir},		 {"getcwd", DIRS, 6, do_getcwd},
	{"removed", DIRS, 2, do_removed_cwd}, {0},
};
