// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_xattr.c - extended attributes and access control lists.
 */
#include <sys/xattr.h>

#include "posix.h"

static const char *arg_xname(void)
{
	static const char *const names[] = {
		"user.a", "user.b", "user.long.name.of.an.attribute", "user.", "user", "", "nothing.x",
		"trusted.t", "trusted.", "security.s", "system.x", "system.posix_acl_access",
		"system.posix_acl_default"};
	static char big[300];

	if (chance(4)) {
		memset(big, 'n', sizeof(big));
		memcpy(big, "user.", 5);
		big[chance(50) ? 255 : 256] = '\0';
		return big;
	}
	/* No lists that another process would not know of, and chmod a file all the same. */
	return chance(60) || run.turns ? names[pick(3)] : ONE_OF(names);
}


/* Whether the name or the file is looked at first differs between kernels. */
static bool bad_name(const char *name)
{
	size_t n = strlen(name);

	return !n || n > 255;
}

static const char *arg_xpath(const char *name)
{
	const char *path = arg_path();

	return bad_name(name) ? "." : path;
}

/* By path, by a link's own path, by descriptor. */
static int arg_how(const char *name)
{
	return (int)pick(bad_name(name) ? 2 : 3);
}

static size_t arg_value(char *v)
{
	static const size_t sizes[] = {0, 1, 4, 100, 1000, 3000};
	size_t n = ONE_OF(sizes);

	fill(v, n);
	return n;
}

/* A list as the kernel takes it: version 2, little-endian entries of tag, rights, id. */
static size_t arg_acl(uint8_t *v)
{
	static const uint16_t tags[] = {1, 2, 4, 8, 16, 32};
	size_t n = 4;

	memcpy(v, "\2\0\0\0", 4);
	for (unsigned i = 0; i < COUNT(tags); i++) {
		uint16_t perm = (uint16_t)pick(8);
		uint32_t id = tags[i] == 2 ? 2002 : tags[i] == 8 ? 3000 : UINT32_MAX;

		if ((tags[i] == 2 || tags[i] == 8) && chance(50))
			continue;
		if (tags[i] != 16 && chance(2))
			continue; /* one that is needed is missing */
		memcpy(v + n, &tags[i], 2);
		memcpy(v + n + 2, &perm, 2);
		memcpy(v + n + 4, &id, 4);
		n += 8;
	}
	if (chance(3))
		v[0] = 3;
	return chance(3) ? n - 1 : n;
}

static void do_setxattr(void)
{
	static char v[4096];
	const char *name = arg_xname(), *path = arg_xpath(name);
	int fd = arg_fd(), how = arg_how(name), flags = chance(70) ? 0 : (int)pick(4);
	size_t n = strncmp(name, "system.posix", 12) ? arg_value(v) : arg_acl((uint8_t *)v);
	int ret;

	say("setxattr %d(%d, %s, %.40s, %zu, %d)", how, fd, show(path), name, n, flags);
	ret = how == 0 ? setxattr(path, name, v, n, flags) :
	      how == 1 ? lsetxattr(path, name, v, n, flags) : fsetxattr(fd, name, v, n, flags);
	answer(ret);
	run.mapped = run.mapped || !ret; /* they may take blocks of their own */
	run.acl = run.acl || (!ret && name[0] == 's');
}

static void do_getxattr(void)
{
	static char v[4096];
	const char *name = arg_xname(), *path = arg_xpath(name);
	int fd = arg_fd(), how = arg_how(name);
	size_t size = chance(60) ? sizeof(v) : pick(120);
	ssize_t n;

	say("getxattr %d(%d, %s, %.40s, %zu)", how, fd, show(path), name, size);
	n = how == 0 ? getxattr(path, name, v, size) : how == 1 ? lgetxattr(path, name, v, size) :
	    fgetxattr(fd, name, v, size);
	answer(n);
	if (n > 0 && size)
		say_bytes(v, (size_t)n);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void do_listxattr(void)
{
	static char list[4096];
	const char *path = arg_path(), *all[64];
	int fd = arg_fd(), how = (int)pick(3);
	size_t size = chance(70) ? sizeof(list) : pick(40);
	unsigned count = 0;
	ssize_t n;

	say("listxattr %d(%d, %s, %zu)", how, fd, show(path), size);
	n = how == 0 ? listxattr(path, list, size) : how == 1 ? llistxattr(path, list, size) :
	    flistxattr(fd, list, size);
	answer(n);
	for (ssize_t at = 0; size && at < n && count < COUNT(all); at += (ssize_t)strlen(list + at) + 1)
		all[count++] = list + at;
	qsort(all, count, sizeof(all[0]), by_text);
	for (unsigned i = 0; i < count; i++)
		say(" %.40s", all[i]);
}

static void do_removexattr(void)
{
	const char *name = arg_xname(), *path = arg_xpath(name);
	int fd = arg_fd(), how = arg_how(name), ret;

	say("removexattr %d(%d, %s, %.40s)", how, fd, show(path), name);
	ret = how == 0 ? removexattr(path, name) : how == 1 ? lremovexattr(path, name) :
	      fremovexattr(fd, name);
	answer(ret);
}

/* A directory's default list is passed on to what is made in it. */
static void do_inherit(void)
{
	uint8_t v[64], got[64];
	size_t n = arg_acl(v);
	ssize_t k;
	int ret, fd;

	say("default list, %zu", n);
	if (run.turns)
		return;
	mkdir("d", 0755);
	ret = setxattr("d", "system.posix_acl_default", v, n, 0);
	answer(ret);
	run.mapped = run.mapped || !ret; /* what is made there may take blocks for its list */
	run.acl = run.acl || !ret;
	unlink("d/b"); /* it might be a FIFO, to wait at */
	fd = open("d/b", O_CREAT | O_WRONLY, chance(50) ? 0666 : 0640);
	answer(fd);
	keep_fd(fd);
	answer(mkdir("d/c", 0777));
	k = getxattr("d/b", "system.posix_acl_access", got, sizeof(got));
	answer(k);
	if (k > 0)
		say_bytes(got, (size_t)k);
	k = getxattr("d/c", "system.posix_acl_default", got, sizeof(got));
	answer(k);
	if (k > 0)
		say_bytes(got, (size_t)k);
}

const struct op xattr_ops[] = {
	{"setxattr", XATTR, 14, do_setxattr},	  {"getxattr", XATTR, 10, do_getxattr},
	{"listxattr", XATTR, 8, do_listxattr},	  {"removexattr", XATTR, 6, do_removexattr},
	{"inherit", XATTR, 3, do_inherit}, {0},
};
