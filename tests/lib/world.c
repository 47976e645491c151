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

int world_parent(struct umfs *fs, const char *path, uint32_t *dir, const char **name, uint32_t *len)
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

int world_ino(struct umfs *fs, const char *path, uint32_t *ino)
{
	struct umfs_walk w;
	int err;

	*ino = UMFS_ROOT_INO;
	if (!strcmp(path, "/"))
		return 0;
	err = walk(fs, path, UMFS_WALK_NOFOLLOW, &w);
	*ino = w.ino;
	return err;
}

int world_stat(struct umfs *fs, const char *path, struct umfs_attr *attr)
{
	uint32_t ino;
	int err = world_ino(fs, path, &ino);

	return err ? err : umfs_getattr(fs, ino, attr);
}

int world_mknod(struct umfs *fs, const char *path, uint32_t mode, uint64_t rdev)
{
	const char *name;
	uint32_t dir, len, ino;
	int err = world_parent(fs, path, &dir, &name, &len);

	return err ? err : umfs_create(fs, &world_root, dir, name, len, mode, rdev, &ino);
}

int world_creat(struct umfs *fs, const char *path, uint32_t mode)
{
	return world_mknod(fs, path, 0100000 | mode, 0);
}

int world_mkdir(struct umfs *fs, const char *path)
{
	const char *name;
	uint32_t dir, len, ino;
	int err = world_parent(fs, path, &dir, &name, &len);

	return err ? err : umfs_mkdir(fs, &world_root, dir, name, len, 0755, &ino);
}

int world_symlink(struct umfs *fs, const char *target, const char *path)
{
	const char *name;
	uint32_t dir, len, ino;
	int err = world_parent(fs, path, &dir, &name, &len);

	return err ? err
		   : umfs_symlink(fs, &world_root, dir, name, len, target, (uint32_t)strlen(target),
				  &ino);
}

int world_link(struct umfs *fs, const char *from, const char *to)
{
	const char *name;
	uint32_t dir, len, ino;
	int err = world_ino(fs, from, &ino);

	if (!err)
		err = world_parent(fs, to, &dir, &name, &len);
	return err ? err : umfs_link(fs, &world_root, ino, dir, name, len);
}

int world_unlink(struct umfs *fs, const char *path)
{
	const char *name;
	uint32_t dir, len;
	int err = world_parent(fs, path, &dir, &name, &len);

	return err ? err : umfs_unlink(fs, &world_root, dir, name, len);
}

int world_rmdir(struct umfs *fs, const char *path)
{
	const char *name;
	uint32_t dir, len;
	int err = world_parent(fs, path, &dir, &name, &len);

	return err ? err : umfs_rmdir(fs, &world_root, dir, name, len);
}

int world_rename2(struct umfs *fs, const char *from, const char *to, uint32_t flags)
{
	const char *from_name, *to_name;
	uint32_t from_dir, to_dir, from_len, to_len;
	int err = world_parent(fs, from, &from_dir, &from_name, &from_len);

	if (!err)
		err = world_parent(fs, to, &to_dir, &to_name, &to_len);
	return err ? err
		   : umfs_rename(fs, &world_root, from_dir, from_name, from_len, to_dir, to_name,
				 to_len, flags);
}

int world_rename(struct umfs *fs, const char *from, const char *to)
{
	return world_rename2(fs, from, to, 0);
}

int world_truncate(struct umfs *fs, const char *path, uint64_t size)
{
	uint32_t ino;
	int err = world_ino(fs, path, &ino);

	return err ? err : umfs_truncate(fs, ino, size);
}

/* ---- open files ---- */

int world_open(struct umfs *fs, const char *path, uint32_t flags, struct umfs_file *file)
{
	uint32_t ino, ofd;
	int err;

	if (flags & O_CREAT) {
		err = world_creat(fs, path, 0644);
		if (err && err != -EEXIST)
			return err;
	}
	err = world_ino(fs, path, &ino);
	if (!err)
		err = umfs_open(fs, ino, flags & ~(uint32_t)O_CREAT, &ofd);
	return err ? err : umfs_file_init(fs, ofd, file);
}

int world_tmpfile(struct umfs *fs, const char *dir, bool linkable, struct umfs_file *file)
{
	uint32_t ino, ofd;
	int err = world_ino(fs, dir, &ino);

	if (!err)
		err = umfs_tmpfile(fs, &world_root, ino, 0644, linkable, O_RDWR, &ofd);
	return err ? err : umfs_file_init(fs, ofd, file);
}

int world_name(struct umfs_file *file, const char *path)
{
	const char *name;
	uint32_t dir, len;
	int err = world_parent(file->fs, path, &dir, &name, &len);

	return err ? err : umfs_link(file->fs, &world_root, file->ino, dir, name, len);
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
