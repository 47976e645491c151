// SPDX-License-Identifier: BSD-3-Clause
/*
 * pass.c - open files for those whom libumfs does not serve.
 *
 * A static program that inherits one of our numbers, or who gets one in a message, can do
 * nothing with a placeholder. Where mount.umfs serves the pool at the same path, it
 * opens the same description once more (fuse/ops_pass.c), and the number becomes a
 * descriptor of the mount's: same file, with or without a name, same flags, and one
 * position with all others that have the description.
 *
 * Not kept: locks stay those of whoever has them, so the other program can neither give
 * them back nor pass on its own; and what it changes by F_SETFL is its own.
 *
 * A directory is opened by its path, and from then on has a position of its own. What is no
 * directory and was opened with O_PATH is not passed, nor is a directory that was removed or
 * that this process could not open now.
 */
#include <sys/stat.h>
#include <sys/xattr.h>

#include "internal.h"

/* ---- one file ---- */

#define PASSED_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_DIRECT)

static void add_path(struct text *t, struct mount *m, const struct pool_pass *what)
{
	char name[POOL_PASS_BYTES];

	umfs_text_add(t, m->dir);
	umfs_text_add(t, "/");
	pool_pass_dir(&m->pool, name);
	umfs_text_add(t, name);
	umfs_text_add(t, "/");
	pool_pass_name(&m->pool, what, name);
	umfs_text_add(t, name);
}

long umfs_pass_open_node(struct mount *m, umfs_node node, int flags)
{
	struct pool_pass what = {POOL_PASS_NODE, node, 0, 0};
	char path[DIR_BYTES + 2 * POOL_PASS_BYTES];
	struct text t;

	umfs_text_init(&t, path, sizeof(path));
	add_path(&t, m, &what);
	return umfs_cancel_call(SYS_openat, AT_FDCWD, SYS_ARG(path), flags | O_NOFOLLOW, 0, 0, 0);
}

/* The kernel's position is to begin where the mount expects it: both are told the same. */
static long open_same(const struct umfs_file *f, uint64_t key, bool cloexec)
{
	int64_t pos = umfs_seek(f, 0, SEEK_CUR);
	struct pool_pass what = {POOL_PASS_OFD, f->ofd, key, pos > 0 ? (uint64_t)pos : 0};
	char path[DIR_BYTES + 2 * POOL_PASS_BYTES];
	struct umfs_ofd_pm *o = umfs_ofd_of(f);
	long flags = o ? (long)(ld32(&o->flags) & PASSED_FLAGS) : 0, fd;
	struct text t;

	umfs_text_init(&t, path, sizeof(path));
	add_path(&t, umfs_mount_of(f->fs), &what);
	fd = sys4(SYS_openat, AT_FDCWD, path,
		  flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | (cloexec ? O_CLOEXEC : 0),
		  0600);
	if (fd >= 0 && pos > 0)
		sys3(SYS_lseek, fd, pos, SEEK_SET);
	return fd;
}

long umfs_pass_open_file(const struct umfs_file *f, const char *who, bool cloexec)
{
	struct umfs_ofd_pm *o;
	long passed;

	umfs_guard_enter();
	o = umfs_ofd_of(f);
	passed = o ? open_same(f, ld64(&o->key), cloexec) : -EBADF;
	umfs_guard_leave();
	if (passed >= 0 && umfs_config.report)
		umfs_report_note(REPORT_MATERIALISED, who, REPORT_OTHERS, 0);
	return passed;
}

/* The way that its path leads now may be another's. */
static bool is_that(long fd, const struct umfs_file *f)
{
	struct stat st;

	return !sys2(SYS_fstat, fd, &st) && S_ISDIR(st.st_mode) && st.st_ino == f->ino &&
	       st.st_dev == umfs_mount_of(f->fs)->dev;
}

static long open_dir(const struct umfs_file *f, bool path_only)
{
	const struct mount *m = umfs_mount_of(f->fs);
	long flags = path_only ? O_PATH : O_RDONLY | (f->flags & PASSED_FLAGS), fd;
	int64_t pos = path_only ? 0 : umfs_seek(f, 0, SEEK_CUR);
	char path[DIR_BYTES + PATH_MAX];
	int err;

	memcpy(path, m->dir, m->dir_len);
	err = umfs_getpath(f->fs, f->ino, path + m->dir_len, PATH_MAX);
	if (err || pos < 0)
		return err ? err : (long)pos;
	fd = sys4(SYS_openat, AT_FDCWD, path, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd >= 0 && is_that(fd, f)) {
		if (pos)
			sys3(SYS_lseek, fd, pos, SEEK_SET);
		return fd;
	}
	if (fd >= 0)
		sys1(SYS_close, fd);
	return fd < 0 ? fd : -ENOENT;
}

/*
 * By its path: by a name that is not its own the kernel would take it to lie where that name is.
 */
long umfs_pass_open_dir(const struct umfs_file *f, bool path_only, const char *who)
{
	struct umfs_attr attr;
	long passed;

	umfs_guard_enter();
	passed = umfs_getattr(f->fs, umfs_file_node(f), &attr);
	if (!passed)
		passed = S_ISDIR(attr.mode) ? open_dir(f, path_only) : -ENOTDIR;
	umfs_guard_leave();
	if (passed >= 0 && umfs_config.report)
		umfs_report_note(REPORT_MATERIALISED, who, REPORT_OTHERS, 0);
	return passed;
}

long umfs_pass_open(int fd, const char *who)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	long passed;

	if (kind == UINFO_NONE)
		return -ENOTSUP;
	passed = kind == UINFO_FILE ? umfs_pass_open_file(&f, who, true) :
				      umfs_pass_open_dir(&f, kind == UINFO_PATH, who);
	return passed < 0 ? -ENOTSUP : passed;
}
