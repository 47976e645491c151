// SPDX-License-Identifier: BSD-3-Clause
/* world.c - core's API by paths. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const struct umfs_cred world_root = {.umask = 022, .override = true};

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	fflush(NULL);
	abort();
}

int64_t need_at(int64_t err, const char *call, const char *file, int line)
{
	if (err < 0)
		die("%s:%d: %s: %s", file, line, call, strerror((int)-err));
	return err;
}

uint32_t world_tries = 256;

/* As libumfs does: what went away on the way is looked for again. */
#define AGAIN(err, call)                                                                           \
	do {                                                                                       \
		uint32_t tries_ = 0;                                                               \
		do                                                                                 \
			err = (call);                                                              \
		while (err == -ESTALE && ++tries_ < world_tries);                                          \
	} while (0)

static int walk(struct umfs *fs, const char *path, uint32_t flags, struct umfs_walk *w)
{
	static _Thread_local char room[UMFS_WALK_ROOM];
	int ret;

	memset(w, 0, sizeof(*w));
	w->rest = room;
	while (*path == '/')
		path++;
	ret = umfs_walk(fs, &world_root, UMFS_ROOT_INO, path, flags, w);
	return ret == UMFS_WALK_ESCAPED ? -EXDEV : ret;
}

int world_parent(struct umfs *fs, const char *path, umfs_node *dir, const char **name,
		 uint32_t *len)
{
	struct umfs_walk w;
	int err = walk(fs, path, UMFS_WALK_NOFOLLOW | UMFS_WALK_PARENT, &w);

	if (err)
		return err;
	*dir = w.parent;
	*name = strrchr(path, '/') + 1;
	*len = (uint32_t)strlen(*name);
	return w.name_len == *len ? 0 : -EINVAL;
}

static int node_once(struct umfs *fs, const char *path, umfs_node *node)
{
	struct umfs_walk w;
	int err = walk(fs, path, UMFS_WALK_NOFOLLOW, &w);

	*node = w.ino;
	return err;
}

int world_node(struct umfs *fs, const char *path, umfs_node *node)
{
	int err;

	*node = UMFS_ROOT_INO;
	if (!strcmp(path, "/"))
		return 0;
	AGAIN(err, node_once(fs, path, node));
	return err;
}

int world_ino(struct umfs *fs, const char *path, uint32_t *ino)
{
	umfs_node node;
	int err = world_node(fs, path, &node);

	*ino = (uint32_t)node;
	return err;
}

static int stat_once(struct umfs *fs, const char *path, struct umfs_attr *attr)
{
	umfs_node node;
	int err = world_node(fs, path, &node);

	return err ? err : umfs_getattr(fs, node, attr);
}

int world_stat(struct umfs *fs, const char *path, struct umfs_attr *attr)
{
	int err;

	AGAIN(err, stat_once(fs, path, attr));
	return err;
}

/* A call on a name: parent, name, and what the kind of call needs. */
enum { CREAT, MKDIR, SYMLINK, UNLINK, RMDIR };
struct named {
	int what;
	uint32_t mode;
	const char *target;
	uint64_t rdev;
};

static int named_once(struct umfs *fs, const char *path, const struct named *n)
{
	const char *name;
	uint32_t len;
	umfs_node node;
	umfs_node dir;
	int err = world_parent(fs, path, &dir, &name, &len);

	if (err)
		return err;
	switch (n->what) {
	case CREAT:
		return umfs_create(fs, &world_root, dir, name, len, n->mode, n->rdev, &node);
	case MKDIR:
		return umfs_mkdir(fs, &world_root, dir, name, len, 0755, &node);
	case SYMLINK:
		return umfs_symlink(fs, &world_root, dir, name, len, n->target,
				    (uint32_t)strlen(n->target), &node);
	case UNLINK:
		return umfs_unlink(fs, &world_root, dir, name, len);
	default:
		return umfs_rmdir(fs, &world_root, dir, name, len);
	}
}

static int named(struct umfs *fs, const char *path, struct named n)
{
	int err;

	AGAIN(err, named_once(fs, path, &n));
	return err;
}

int world_mknod(struct umfs *fs, const char *path, uint32_t mode, uint64_t rdev)
{
	return named(fs, path, (struct named){CREAT, mode, NULL, rdev});
}

int world_creat(struct umfs *fs, const char *path, uint32_t mode)
{
	return world_mknod(fs, path, 0100000 | mode, 0);
}

int world_mkdir(struct umfs *fs, const char *path)
{
	return named(fs, path, (struct named){MKDIR, 0, NULL, 0});
}

int world_symlink(struct umfs *fs, const char *target, const char *path)
{
	return named(fs, path, (struct named){SYMLINK, 0, target, 0});
}

int world_unlink(struct umfs *fs, const char *path)
{
	return named(fs, path, (struct named){UNLINK, 0, NULL, 0});
}

int world_rmdir(struct umfs *fs, const char *path)
{
	return named(fs, path, (struct named){RMDIR, 0, NULL, 0});
}

static int link_once(struct umfs *fs, const char *from, const char *to)
{
	umfs_node node, dir;
	const char *name;
	uint32_t len;
	int err = world_node(fs, from, &node);

	if (!err)
		err = world_parent(fs, to, &dir, &name, &len);
	return err ? err : umfs_link(fs, &world_root, node, dir, name, len);
}

int world_link(struct umfs *fs, const char *from, const char *to)
{
	int err;

	AGAIN(err, link_once(fs, from, to));
	return err;
}

static int rename_once(struct umfs *fs, const char *from, const char *to, uint32_t flags)
{
	const char *from_name, *to_name;
	uint32_t from_len, to_len;
	umfs_node from_dir, to_dir;
	int err = world_parent(fs, from, &from_dir, &from_name, &from_len);

	if (!err)
		err = world_parent(fs, to, &to_dir, &to_name, &to_len);
	return err ? err
		   : umfs_rename(fs, &world_root, from_dir, from_name, from_len, to_dir, to_name,
				 to_len, flags);
}

int world_rename2(struct umfs *fs, const char *from, const char *to, uint32_t flags)
{
	int err;

	AGAIN(err, rename_once(fs, from, to, flags));
	return err;
}

int world_rename(struct umfs *fs, const char *from, const char *to)
{
	return world_rename2(fs, from, to, 0);
}

static int truncate_once(struct umfs *fs, const char *path, uint64_t size)
{
	umfs_node node;
	int err = world_node(fs, path, &node);

	return err ? err : umfs_truncate(fs, node, size);
}

int world_truncate(struct umfs *fs, const char *path, uint64_t size)
{
	int err;

	AGAIN(err, truncate_once(fs, path, size));
	return err;
}

/* ---- open files ---- */

static int create_once(struct umfs *fs, const char *path, uint32_t flags, uint32_t *ofd)
{
	const char *name;
	uint32_t len;
	umfs_node dir;
	int err = world_parent(fs, path, &dir, &name, &len);

	return err ? err
		   : umfs_create_open(fs, &world_root, dir, name, len, 0644, flags, ofd);
}

static int open_once(struct umfs *fs, const char *path, uint32_t flags, uint32_t *ofd)
{
	uint32_t kept = flags & ~(uint32_t)O_CREAT;
	umfs_node node;
	int err = world_node(fs, path, &node);

	if (err == -ENOENT && (flags & O_CREAT)) {
		err = create_once(fs, path, kept, ofd);
		return err == -EEXIST ? -ESTALE : err; /* somebody else was quicker: again */
	}
	return err ? err : umfs_open(fs, node, kept, ofd);
}

int world_open(struct umfs *fs, const char *path, uint32_t flags, struct umfs_file *file)
{
	uint32_t ofd;
	int err;

	AGAIN(err, open_once(fs, path, flags, &ofd));
	return err ? err : umfs_file_init(fs, ofd, file);
}

int world_tmpfile(struct umfs *fs, const char *dir, bool linkable, struct umfs_file *file)
{
	umfs_node node;
	uint32_t ofd;
	int err = world_node(fs, dir, &node);

	if (!err)
		err = umfs_tmpfile(fs, &world_root, node, 0644, linkable, O_RDWR, &ofd);
	return err ? err : umfs_file_init(fs, ofd, file);
}

int world_name(struct umfs_file *file, const char *path)
{
	const char *name;
	uint32_t len;
	umfs_node dir;
	int err = world_parent(file->fs, path, &dir, &name, &len);

	return err ? err
		   : umfs_link(file->fs, &world_root, umfs_file_node(file), dir, name, len);
}

void world_close(struct umfs_file *file)
{
	umfs_ofd_put(file->fs, file->ofd);
}

void world_fill(void *buf, uint64_t n, uint64_t off, uint32_t v)
{
	uint8_t *at = buf;
	uint64_t i = 0;

	while (i < n) {
		uint64_t word =
			((off + i) / 8 + 1) * 0x9e3779b97f4a7c15ull ^ v * 0xc2b2ae3d27d4eb4full;
		uint64_t skip = (off + i) % 8, part = UMFS_MIN(8 - skip, n - i);

		word ^= word >> 29;
		memcpy(at + i, (uint8_t *)&word + skip, part);
		i += part;
	}
}

_Thread_local uint64_t world_written;

static int all_or_error(int64_t got, uint64_t n)
{
	world_written = got > 0 ? (uint64_t)got : 0;
	if (got < 0)
		return (int)got;
	return (uint64_t)got == n ? 0 : -EIO;
}

int world_write(struct umfs_file *file, uint64_t off, uint64_t n, uint32_t v)
{
	uint8_t *buf = malloc(n + 1);
	int64_t got;

	if (!buf)
		die("out of memory");
	world_fill(buf, n, off, v);
	got = umfs_pwrite(file, buf, n, off);
	free(buf);
	return all_or_error(got, n);
}

int world_append(struct umfs_file *file, uint64_t n, uint32_t v)
{
	uint8_t *buf = malloc(n + 1);
	struct umfs_iov iov = {buf, n};
	uint64_t off = 0;
	int64_t got;

	if (!buf)
		die("out of memory");
	world_fill(buf, n, umfs_seek(file, 0, 2) > 0 ? (uint64_t)umfs_seek(file, 0, 2) : 0, v);
	got = umfs_pwritev(file, &iov, 1, &off, true);
	free(buf);
	return all_or_error(got, n);
}

int world_put(struct umfs *fs, const char *path, uint64_t off, uint64_t n, uint32_t v)
{
	struct umfs_file file;
	int err = world_open(fs, path, O_RDWR | O_CREAT, &file);

	if (err)
		return err;
	err = world_write(&file, off, n, v);
	if (!err)
		err = umfs_fsync(&file);
	world_close(&file);
	return err;
}

int world_count_name(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		     uint64_t cookie)
{
	(void)name;
	(void)len;
	(void)ino;
	(void)type;
	(void)cookie;
	++*(uint32_t *)arg;
	return 0;
}

/* ---- extended attributes ---- */

int world_setxattr(struct umfs *fs, const char *path, const char *name, uint64_t n, uint32_t v)
{
	static _Thread_local uint8_t value[UMFS_XATTR_VALUE_MAX + 1];
	umfs_node node;
	int err = world_node(fs, path, &node);

	if (err)
		return err;
	if (n > sizeof(value))
		die("a value of %llu bytes", (unsigned long long)n);
	world_fill(value, n, 0, v);
	return umfs_setxattr(fs, &world_root, node, name, (uint32_t)strlen(name), value, n, 0);
}

int world_removexattr(struct umfs *fs, const char *path, const char *name)
{
	umfs_node node;
	int err = world_node(fs, path, &node);

	return err ? err : umfs_removexattr(fs, &world_root, node, name, (uint32_t)strlen(name));
}
