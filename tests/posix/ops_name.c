// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_name.c - names: made, removed, moved, linked.
 */
#include <sys/sysmacros.h>

#include "posix.h"

static const struct flag at_flags[] = {{AT_SYMLINK_FOLLOW, "FOLLOW"},
				       {AT_SYMLINK_NOFOLLOW, "NOFOLLOW"},
				       {AT_REMOVEDIR, "REMOVEDIR"},
				       {AT_EMPTY_PATH, "EMPTY_PATH"}};

static void do_mkdir(void)
{
	int dirfd = arg_dirfd();
	const char *path = arg_path();
	mode_t mode = arg_mode();

	say("mkdirat(%d, %s, %o)", dirfd, show(path), mode);
	answer(mkdirat(dirfd, path, mode));
}

static void do_unlink(void)
{
	int dirfd = arg_dirfd(), flags = chance(40) ? AT_REMOVEDIR : 0;
	const char *path = arg_path();

	if (chance(2))
		flags |= 0x8000;
	say("unlinkat(%d, %s, %s)", dirfd, show(path), SHOW_FLAGS(at_flags, flags));
	answer(unlinkat(dirfd, path, flags));
}

static void do_rmdir(void)
{
	const char *path = arg_path();

	say("rmdir(%s)", show(path));
	answer(rmdir(path));
}

static void do_remove(void)
{
	const char *path = arg_path();

	say("remove(%s)", show(path));
	answer(remove(path));
}

static void do_rename(void)
{
	const char *from = arg_path(), *to = arg_path();

	say("rename(%s, %s)", show(from), show(to));
	answer(rename(from, to));
}

static void do_renameat2(void)
{
	static const struct flag names[] = {{RENAME_NOREPLACE, "NOREPLACE"},
					    {RENAME_EXCHANGE, "EXCHANGE"},
					    {RENAME_WHITEOUT, "WHITEOUT"}};
	static const unsigned flags[] = {0, 0, 1, 1, 2, 2, 2, 3, 4, 4, 5, 6, 8, 1u << 31};
	int from_fd = arg_dirfd(), to_fd = arg_dirfd();
	const char *from = arg_path(), *to = arg_path();
	unsigned f = ONE_OF(flags);

	say("renameat2(%d, %s, %d, %s, %s)", from_fd, show(from), to_fd, show(to),
	    SHOW_FLAGS(names, (long)f));
	answer(renameat2(from_fd, from, to_fd, to, f));
}

static void do_link(void)
{
	int from_fd = arg_dirfd(), to_fd = arg_dirfd(), flags = 0;
	const char *from = arg_path(), *to = arg_path();

	if (chance(25))
		flags |= AT_SYMLINK_FOLLOW;
	if (chance(12))
		flags |= AT_EMPTY_PATH;
	if (chance(2))
		flags |= 0x20;
	if ((flags & AT_EMPTY_PATH) && chance(70)) {
		from_fd = arg_fd();
		from = "";
	}
	say("linkat(%d, %s, %d, %s, %s)", from_fd, show(from), to_fd, show(to),
	    SHOW_FLAGS(at_flags, flags));
	answer(linkat(from_fd, from, to_fd, to, flags));
}

/* The usual way to give a file without a name one. */
static void do_link_proc(void)
{
	const char *to = arg_plain_path();
	int fd = arg_fd();
	char from[40];

	sprintf(from, "/proc/self/fd/%d", fd);
	if (slot_of(fd) < 0)
		return;
	say("linkat(%s, %s, FOLLOW)", show(from), show(to));
	answer(linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW));
}

static void do_symlink(void)
{
	const char *target = chance(90) ? arg_target() : arg_path();
	const char *path = arg_path();
	int dirfd = arg_dirfd();

	say("symlinkat(%s, %d, %s)", show(target), dirfd, show(path));
	answer(symlinkat(target, dirfd, path));
}

static void do_readlink(void)
{
	int dirfd = arg_dirfd();
	const char *path = arg_path();
	size_t size = chance(70) ? PATH_MAX : pick(6);
	char to[PATH_MAX + 1];
	ssize_t n;

	if (chance(10)) {
		dirfd = arg_fd();
		path = "";
	}
	if (path && path != bad_pointer() && (!strncmp(path, "/proc", 5) || !strncmp(path, "/dev", 4)))
		path = "c"; /* what they hold is the kernel's name of ours: see excuse.c */
	say("readlinkat(%d, %s, %zu)", dirfd, show(path), size);
	n = readlinkat(dirfd, path, to, size);
	to[n < 0 ? 0 : n] = '\0';
	/* An absolute one, cut short, can not be shown as relative to the directory. */
	if (n >= 0 && *to == '/' && strncmp(to, run.base, run.base_len))
		say(" = %zd", n);
	else if (n >= 0)
		say(" = %s", show(to));
	else
		answer(-1);
}

static void do_mknod(void)
{
	static const mode_t types[] = {0, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR,
				       S_IFLNK, 0110000, 0170000};
	int dirfd = arg_dirfd();
	const char *path = arg_path();
	mode_t mode = types[chance(70) ? pick(4) : pick(COUNT(types))] | (arg_mode() & 07777);
	dev_t dev = S_ISCHR(mode) ? makedev(1, 3) : S_ISBLK(mode) ? makedev(7, 300) : 0;

	say("mknodat(%d, %s, %o, %#lx)", dirfd, show(path), mode, (unsigned long)dev);
	answer(mknodat(dirfd, path, mode, dev));
}

static void do_mkfifo(void)
{
	const char *path = arg_path();
	mode_t mode = arg_mode();

	say("mkfifo(%s, %o)", show(path), mode);
	answer(mkfifo(path, mode));
}

static void do_mkstemp(void)
{
	static const char *const forms[] = {"tXXXXXX",	"d/tXXXXXX", "tXXXXX",	"XXXXXX", "",
					    "c/XXXXXX", "a/XXXXXX",  "tXXXXXXs", "nowhere/XXXXXX"};
	char text[64];
	int fd, suffix = chance(20) ? 1 : 0, flags = chance(30) ? O_APPEND : 0;

	strcpy(text, ONE_OF(forms));
	say("mkostemps(%s, %d, %#x)", show(text), suffix, flags);
	fd = mkostemps(text, suffix, flags);
	answer(fd);
	if (fd < 0)
		return;
	answer(unlink(text)); /* the name is random */
	keep_fd(fd);
}

static void do_mkdtemp(void)
{
	static const char *const forms[] = {"tXXXXXX", "d/tXXXXXX", "tXXXXX", "a/XXXXXX"};
	char text[64];
	struct stat st;
	char *p;

	strcpy(text, ONE_OF(forms));
	say("mkdtemp(%s)", show(text));
	p = mkdtemp(text);
	answer_ok(p != NULL);
	if (!p)
		return;
	if (!stat(p, &st))
		say(" %o", st.st_mode);
	answer(rmdir(p));
}

const struct op name_ops[] = {
	{"mkdir", NAME, 18, do_mkdir},	     {"unlink", NAME, 14, do_unlink},
	{"rmdir", NAME, 6, do_rmdir},	     {"remove", NAME, 5, do_remove},
	{"rename", NAME, 20, do_rename},     {"renameat2", NAME, 14, do_renameat2},
	{"link", NAME, 14, do_link},	     {"link proc", NAME, 4, do_link_proc},
	{"symlink", NAME, 14, do_symlink},   {"readlink", NAME, 8, do_readlink},
	{"mknod", NAME, 8, do_mknod},	     {"mkfifo", NAME, 2, do_mkfifo},
	{"mkstemp", NAME, 4, do_mkstemp},    {"mkdtemp", NAME, 2, do_mkdtemp}, {0},
};
