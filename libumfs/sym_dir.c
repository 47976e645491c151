// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_dir.c - exported symbols: directory streams.
 *
 * Where libc's entries are redirected its own streams work, on descriptors of
 * ours too. Else a stream is ours or libc's from opendir on, and each function
 * asks which.
 */
#include <stdlib.h>

#include "hot.h"
#include "sym.h"

/* The next function of that name, looked up once. */
#define REAL(type, name)                                                                  \
	({                                                                                \
		static void *real_;                                                       \
		void *f_ = LOAD_RELAXED(&real_);                                          \
		if (!f_) {                                                                \
			f_ = umfs_libc(name);                                             \
			STORE(&real_, f_);                                                \
		}                                                                         \
		(type) f_;                                                                \
	})

typedef DIR *(*fdopendir_fn)(int);
typedef struct dirent *(*readdir_fn)(DIR *);
typedef int (*readdir_r_fn)(DIR *, struct dirent *, struct dirent **);
typedef int (*dir_fn)(DIR *);
typedef long (*telldir_fn)(DIR *);
typedef void (*rewinddir_fn)(DIR *);
typedef void (*seekdir_fn)(DIR *, long);

static DIR *stream_of(int fd)
{
	DIR *dir = NULL;
	long err;

	if (umfs_redirected() || !umfs_uinfo_is_open(fd))
		return REAL(fdopendir_fn, "fdopendir")(fd);
	err = umfs_dir_open(fd, &dir);
	umfs_sym_return(err);
	return err ? NULL : dir;
}

static DIR *open_stream(int dirfd, const char *path)
{
	long fd = umfs_sym_return(umfs_hook_open(
		dirfd, path, O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_CLOEXEC, 0));
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = stream_of((int)fd);
	if (!dir)
		umfs_hook_close((int)fd);
	return dir;
}

SYM(DIR *, opendir, (const char *path))
{
	return open_stream(AT_FDCWD, path);
}

SYM(DIR *, fdopendir, (int fd))
{
	return stream_of(fd);
}

SYM(struct dirent *, readdir, (DIR *dir))
{
	struct dirent *entry;

	if (!umfs_dir_ours(dir))
		return REAL(readdir_fn, "readdir")(dir);
	umfs_sym_return(umfs_dir_read(dir, &entry));
	return entry;
}
SYM_ALIAS(readdir64, readdir);

SYM(int, readdir_r, (DIR *dir, struct dirent *entry, struct dirent **result))
{
	struct dirent *found;
	long err;

	if (!umfs_dir_ours(dir))
		return REAL(readdir_r_fn, "readdir_r")(dir, entry, result);
	err = umfs_dir_read(dir, &found);
	*result = NULL;
	if (!err && found) {
		memcpy(entry, found, found->d_reclen);
		*result = entry;
	}
	return (int)-err;
}
SYM_ALIAS(readdir64_r, readdir_r);

SYM(int, closedir, (DIR *dir))
{
	if (dir && !umfs_dir_ours(dir))
		return REAL(dir_fn, "closedir")(dir);
	RETURN_INT(dir ? umfs_dir_close(dir) : -EINVAL);
}

SYM(void, rewinddir, (DIR *dir))
{
	if (umfs_dir_ours(dir))
		umfs_dir_seek(dir, 0);
	else
		REAL(rewinddir_fn, "rewinddir")(dir);
}

SYM(void, seekdir, (DIR *dir, long where))
{
	if (umfs_dir_ours(dir))
		umfs_dir_seek(dir, where);
	else
		REAL(seekdir_fn, "seekdir")(dir, where);
}

SYM(long, telldir, (DIR *dir))
{
	if (!umfs_dir_ours(dir))
		return REAL(telldir_fn, "telldir")(dir);
	RETURN(umfs_dir_tell(dir));
}

SYM(int, dirfd, (DIR *dir))
{
	if (!umfs_dir_ours(dir))
		return REAL(dir_fn, "dirfd")(dir);
	RETURN_INT(umfs_dir_fd(dir));
}

SYM(ssize_t, getdents64, (int fd, void *buf, size_t n))
{
	RETURN(umfs_hook_getdents(fd, buf, n));
}

/* ---- scandir, over either kind of stream ---- */

struct list {
	struct dirent **entries;
	size_t count, room;
};

static int list_add(struct list *l, const struct dirent *d)
{
	size_t bytes = offsetof(struct dirent, d_name) + strlen(d->d_name) + 1;
	struct dirent *copy;

	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		struct dirent **more = realloc(l->entries, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->entries = more;
		l->room = room;
	}
	copy = malloc(UMFS_MAX(bytes, (size_t)d->d_reclen));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, d, bytes);
	l->entries[l->count++] = copy;
	return 0;
}

static int list_all(DIR *dir, struct list *l, int (*want)(const struct dirent *))
{
	const struct dirent *d;
	int err = 0;

	for (;;) {
		errno = 0;
		d = umfs_sym_readdir(dir);
		if (!d)
			return -errno;
		if (!want || want(d))
			err = list_add(l, d);
		if (err)
			return err;
	}
}

typedef int (*compare_fn)(const struct dirent **, const struct dirent **);

SYM(int, scandirat,
    (int dirfd, const char *path, struct dirent ***entries, int (*want)(const struct dirent *),
     compare_fn compare))
{
	DIR *dir = open_stream(dirfd, path);
	struct list l = {NULL, 0, 0};
	int err, saved = errno;

	if (!dir)
		return -1;
	err = list_all(dir, &l, want);
	umfs_sym_closedir(dir);
	errno = saved;
	if (!err) {
		if (compare && l.count)
			qsort(l.entries, l.count, sizeof(*l.entries),
			      (int (*)(const void *, const void *))compare);
		*entries = l.entries ? l.entries : malloc(sizeof(*l.entries));
		return (int)l.count;
	}
	while (l.count)
		free(l.entries[--l.count]);
	free(l.entries);
	RETURN_INT(err);
}
SYM_ALIAS(scandirat64, scandirat);

SYM(int, scandir,
    (const char *path, struct dirent ***entries, int (*want)(const struct dirent *),
     compare_fn compare))
{
	return umfs_sym_scandirat(AT_FDCWD, path, entries, want, compare);
}
SYM_ALIAS(scandir64, scandir);
