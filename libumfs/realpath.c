// SPDX-License-Identifier: BSD-3-Clause
/*
 * realpath.c - canonical paths, over both our directories and the kernel's.
 */
#include <sys/stat.h>

#include "hooks.h"
#include "internal.h"

#define LINKS_MAX 40

struct canon {
	char *out; /* PATH_MAX bytes; no trailing slash, "" is the root */
	size_t len;
	char left[2 * PATH_MAX]; /* what remains to be resolved */
	char link[PATH_MAX];
	int links;
};

static long must_be_dir(const struct canon *c)
{
	struct stat st;
	long err = umfs_hook_fstatat(AT_FDCWD, c->len ? c->out : "/", &st, 0);

	return err ? err : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static void drop_last(struct canon *c)
{
	while (c->len && c->out[c->len - 1] != '/')
		c->len--;
	if (c->len)
		c->len--;
	c->out[c->len] = '\0';
}

/* The component just added is a link: its text goes before what remains. */
static long follow(struct canon *c, const char *rest, size_t n)
{
	size_t have = strlen(rest);

	if (++c->links > LINKS_MAX)
		return -ELOOP;
	if (n + have + 1 > sizeof(c->left))
		return -ENAMETOOLONG;
	memmove(c->left + n, rest, have + 1);
	memcpy(c->left, c->link, n);
	if (c->link[0] == '/')
		c->len = 0;
	else
		drop_last(c);
	c->out[c->len] = '\0';
	return 0;
}

static long add(struct canon *c, const char *name, size_t n)
{
	if (c->len + n + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	c->out[c->len++] = '/';
	memcpy(c->out + c->len, name, n);
	c->len += n;
	c->out[c->len] = '\0';
	return 0;
}

static long resolve(struct canon *c)
{
	const char *p = c->left;

	for (;;) {
		bool slash = *p == '/';
		size_t n;
		long err = 0;

		while (*p == '/')
			p++;
		for (n = 0; p[n] && p[n] != '/'; n++)
			;
		/* A name after the slash finds out by itself. */
		if (slash && c->len && (!n || p[0] == '.'))
			err = must_be_dir(c);
		if (err || !n)
			return err;
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			drop_last(c);
		} else if (n != 1 || p[0] != '.') {
			err = add(c, p, n);
			if (err)
				return err;
			err = umfs_hook_readlink(AT_FDCWD, c->out, c->link, sizeof(c->link));
			if (err > 0) {
				err = follow(c, p + n, (size_t)err);
				p = c->left;
				n = 0;
			}
			if (err && err != -EINVAL)
				return err;
		}
		p += n;
	}
}

long umfs_hook_realpath(const char *path, char *out)
{
	struct canon c = {.out = out};
	size_t n;
	long err;

	if (!path)
		return -EINVAL;
	n = strlen(path);
	if (!n)
		return -ENOENT;
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(c.left, path, n + 1);
	out[0] = '\0';
	if (path[0] != '/') {
		err = umfs_hook_getcwd(out, PATH_MAX);
		if (err < 0)
			return err;
		c.len = strlen(out);
		if (c.len == 1)
			c.len = 0;
	}
	err = resolve(&c);
	if (!err && !c.len)
		memcpy(out, "/", 2);
	return err;
}
