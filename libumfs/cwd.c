// SPDX-License-Identifier: BSD-3-Clause
/*
 * cwd.c - a working directory of ours.
 *
 * U-Info has an entry for it, which keeps the directory's inode; the kernel's
 * working directory is then a place that nobody can reach (place.c). In a pool of the
 * kernel module's it is the kernel's own, and nothing is kept here (module.c).
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "file.h"
#include "hooks.h"
#include "module.h"

#define LONG_BYTES (1ul << 20)

static uint32_t adopted;
/* Where it is, as umfs_cwd_forked() found it, until it is entered; under LOCK_DIRS. `m` NULL: nowhere. */
static struct {
	struct mount *m;
	uint64_t dev;
	umfs_node dir;
} put_off;

/* Make that directory the working directory. `limbo`: the kernel is to be moved too. */
static long enter_gated(struct umfs *fs, umfs_node dir, bool limbo)
{
	struct umfs_file f;
	uint32_t ofd;
	long err = umfs_open(fs, dir, O_PATH | O_DIRECTORY, &ofd);

	if (err)
		return err;
	err = umfs_file_init(fs, ofd, &f);
	if (!err && limbo)
		err = umfs_place_limbo(umfs_mount_of(fs)->dev, f.ino, f.generation);
	if (err)
		umfs_ofd_put(fs, ofd);
	else
		umfs_uinfo_cwd_set(&f);
	return err;
}

/*
 * The kernel's working directory lies in a mount of the kernel's: that mount, and which
 * directory it is. NULL where its name is another one in the pool: it was removed, or is a
 * part of the pool that is mounted once more, which ".." leaves elsewhere.
 */
static struct mount *mount_around(umfs_node *dir)
{
	char where[DIR_BYTES], path[DIR_BYTES];
	const char *rest;
	struct mount *m;
	struct stat st;
	long n;

	if (!umfs_mounts[0].mounted) /* none is, or all are: table.c */
		return NULL;
	n = sys2(SYS_getcwd, where, sizeof(where));
	m = n > 0 && where[0] == '/' ? umfs_mount_match(where, &rest) : NULL;
	if (!m || !*rest || !m->mounted || sys2(SYS_stat, ".", &st) || st.st_dev != m->dev ||
	    st.st_ino > UINT32_MAX || umfs_mount_get(m))
		return NULL;
	*dir = (umfs_node)st.st_ino; /* whoever is in it keeps its generation */
	if (umfs_getpath(umfs_mount_fs(m), (uint32_t)st.st_ino, path, sizeof(path)) ||
	    strcmp(path + 1, rest))
		return NULL;
	return m;
}

/*
 * Who started us was in the directory beneath a mount, as the kernel sees it.
 * With a pool that can not be had, nothing may be written there all the same.
 * Deeper down there is only what the kernel has mounted, which is the pool too.
 */
static void adopt_beneath(void)
{
	struct mount *m;
	umfs_node dir;
	struct stat st;

	if (sys2(SYS_stat, ".", &st))
		return;
	m = umfs_point_mount(umfs_point_landed(st.st_dev, st.st_ino, 0));
	if (!m) {
		m = mount_around(&dir);
		if (m)
			enter_gated(umfs_mount_fs(m), dir, true);
		return;
	}
	if (umfs_mount_get(m) ||
	    (m->module ? umfs_module_chdir_top(m) :
			 enter_gated(umfs_mount_fs(m), UMFS_ROOT_INO, true)))
		umfs_place_limbo(0, 0, 0);
}

/* Where place.c put the kernel, which has no name. */
static bool adopt_limbo(void)
{
	uint32_t ino, generation;
	struct mount *m;
	uint64_t dev;

	if (!umfs_place_in_limbo(&dev, &ino, &generation))
		return false;
	m = umfs_mount_by_dev(dev);
	if (m)
		enter_gated(umfs_mount_fs(m), umfs_node_of(ino, generation), false);
	return true;
}

/* In another pool, which lies there by now, the number is another directory's. */
static void enter_put_off(void)
{
	struct mount *m = put_off.m;

	put_off.m = NULL;
	if (!umfs_mount_get(m) && m->dev == put_off.dev)
		enter_gated(umfs_mount_fs(m), put_off.dir, false);
}

void umfs_cwd_adopt(void)
{
	if (likely(LOAD(&adopted)))
		return;
	umfs_guard_enter();
	umfs_opens_enter();
	umfs_local_lock(LOCK_DIRS);
	if (!LOAD(&adopted)) {
		if (put_off.m)
			enter_put_off();
		else if (umfs_mount_cwd_changed() || !adopt_limbo())
			adopt_beneath();
		STORE(&adopted, 1);
	}
	umfs_local_unlock(LOCK_DIRS);
	umfs_opens_leave();
	umfs_guard_leave();
}

/*
 * Before exec: let go of the directory. Should exec fail, the next relative
 * path finds it again by the name of the kernel's working directory.
 */
void umfs_cwd_forget(void)
{
	struct umfs_file f;

	if (umfs_uinfo_cwd(&f) == UINFO_NONE)
		return;
	umfs_guard_enter();
	umfs_opens_enter();
	STORE(&adopted, 0);
	umfs_uinfo_cwd_set(NULL);
	umfs_opens_leave();
	umfs_guard_leave();
}

void umfs_cwd_forked(void)
{
	struct umfs_file f;

	if (umfs_uinfo_cwd(&f) == UINFO_NONE || LOAD(&umfs_mount_of(f.fs)->state) == MOUNT_LIVE)
		return;
	put_off.m = umfs_mount_of(f.fs);
	put_off.dev = put_off.m->dev;
	put_off.dir = umfs_file_node(&f);
	/* The kernel is where place.c put it: nothing lies below. */
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		STORE(&umfs_mounts[i].cwd_off, 0);
	umfs_uinfo_cwd_drop();
	STORE(&adopted, 0);
}

void umfs_cwd_settle(void)
{
	if (!LOAD(&adopted) && LOAD(&put_off.m))
		umfs_cwd_adopt();
}

static long enter_checked(struct umfs *fs, umfs_node dir)
{
	struct umfs_cred cred;
	struct umfs_attr attr;
	long err = umfs_getattr(fs, dir, &attr);

	if (err)
		return err;
	if (!S_ISDIR(attr.mode))
		return -ENOTDIR;
	umfs_cred_get(&cred);
	err = umfs_access(fs, &cred, dir, X_OK);
	if (err)
		return err;
	umfs_opens_enter();
	err = enter_gated(fs, dir, true);
	umfs_opens_leave();
	return err;
}

/* The kernel moved: outside, or onto a mount's directory that exists there. */
static void moved(void)
{
	umfs_guard_enter();
	umfs_opens_enter();
	umfs_local_lock(LOCK_DIRS);
	umfs_uinfo_cwd_set(NULL);
	umfs_mount_cwd_changed();
	put_off.m = NULL;
	STORE(&adopted, 1);
	umfs_local_unlock(LOCK_DIRS);
	umfs_opens_leave();
	umfs_guard_leave();
}

static long chdir_ours(struct spot *s, struct path_args *a)
{
	long err;

	(void)a;
	umfs_cwd_adopt();
	if (!s->m->module)
		return enter_checked(umfs_mount_fs(s->m), s->w.ino);
	err = umfs_module_chdir(s);
	if (!err)
		moved();
	return err;
}

/* At a mount's top, or below it by a way that is the kernel's. */
static long land(void)
{
	char where[DIR_BYTES];
	umfs_node dir = UMFS_ROOT_INO;
	const char *rest;
	struct mount *m;
	long n, err = 0;

	moved();
	n = sys2(SYS_getcwd, where, sizeof(where));
	if (n <= 0 || where[0] != '/')
		return 0;
	m = umfs_mount_match(where, &rest);
	if (!m)
		return 0;
	umfs_guard_enter();
	if (*rest)
		m = mount_around(&dir);
	else
		err = umfs_mount_get(m);
	if (m && !err)
		err = m->module ? umfs_module_chdir_top(m) : enter_checked(umfs_mount_fs(m), dir);
	umfs_guard_leave();
	return *rest ? 0 : err; /* the kernel got there */
}

static long chdir_kernel(int dirfd, const char *path, struct path_args *a)
{
	long err = sys1(SYS_chdir, path);

	(void)dirfd;
	(void)a;
	return err || !umfs_active() ? err : land();
}

long umfs_hook_chdir(const char *path)
{
	struct path_args a = {0};

	return umfs_path_call(AT_FDCWD, path, SPOT_MODULE, chdir_ours, chdir_kernel, &a);
}

long umfs_hook_fchdir(int fd)
{
	struct umfs_file f;
	long err;

	if (umfs_uinfo_read(fd, &f) == UINFO_NONE) {
		err = sys1(SYS_fchdir, fd);
		return err || !umfs_ready() ? err : land();
	}
	umfs_guard_enter();
	umfs_cwd_adopt();
	err = umfs_file_gone(enter_checked(f.fs, umfs_file_node(&f)));
	umfs_guard_leave();
	return err;
}

/* `room` bytes of memory at path, for the part below the mount. */
static long getcwd_by(const struct umfs_file *f, char *path, uint32_t room, char *buf, size_t size)
{
	const struct mount *m = umfs_mount_of(f->fs);
	long err = umfs_getpath(f->fs, f->ino, path, room);
	size_t n;

	if (err)
		return err;
	if (path[0] == '/' && !path[1])
		path[0] = '\0';
	n = strlen(path) + 1;
	if (m->dir_len + n > size)
		return -ERANGE;
	memcpy(buf, m->dir, m->dir_len);
	memcpy(buf + m->dir_len, path, n);
	return (long)(m->dir_len + n);
}

static long getcwd_module(char *buf, size_t size)
{
	struct mount *m = umfs_config.modules ? umfs_module_at(AT_FDCWD) : NULL;

	return m ? umfs_module_getcwd(m, buf, size) : -ENOENT;
}

/* Deep down, where relative paths have led, a path may be longer than any that a call takes. */
static long getcwd_long(const struct umfs_file *f, char *buf, size_t size)
{
	uint32_t room = (uint32_t)UMFS_MIN(size, LONG_BYTES);
	long ret, at = sys6(SYS_mmap, 0, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (at < 0 && at > -4096)
		return at;
	ret = getcwd_by(f, (char *)at, room, buf, size);
	sys2(SYS_munmap, at, room);
	return ret;
}

static long getcwd_ours(const struct umfs_file *f, char *buf, size_t size)
{
	struct spot s;
	long ret;

	s.scratch = NULL;
	ret = getcwd_by(f, umfs_spot_scratch(&s)->outer[0], OUTER_BYTES, buf, size);
	umfs_spot_end(&s);
	return ret == -ERANGE && size > OUTER_BYTES ? getcwd_long(f, buf, size) : ret;
}

long umfs_hook_getcwd(char *buf, size_t size)
{
	struct umfs_file f;
	long ret;

	if (umfs_ready()) {
		umfs_cwd_adopt();
		if (umfs_uinfo_cwd(&f) != UINFO_NONE) {
			umfs_guard_enter();
			ret = getcwd_ours(&f, buf, size);
			umfs_guard_leave();
			return ret;
		}
	}
	ret = sys2(SYS_getcwd, buf, size);
	/* "(unreachable)/...": as libc, not a path. */
	return ret > 0 && buf[0] != '/' ? getcwd_module(buf, size) : ret;
}

/* ---- for an image that is not served ---- */

/* Did the kernel get to the same directory? What lies beneath a mount must not be used. */
static bool at_same(const struct umfs_file *f)
{
	struct stat st;

	return !sys2(SYS_stat, ".", &st) && st.st_dev == umfs_mount_of(f->fs)->dev &&
	       st.st_ino == f->ino;
}

bool umfs_cwd_shows(void)
{
	struct umfs_file f;

	if (!umfs_mounts[0].mounted)
		return false;
	if (!umfs_guard_self.spawning && !port_quiet)
		umfs_cwd_adopt(); /* who started us may have left it */
	return umfs_uinfo_cwd(&f) != UINFO_NONE && umfs_mount_of(f.fs)->mounted;
}

bool umfs_cwd_show(void)
{
	char path[PATH_MAX];
	struct umfs_file f;
	bool shown = false;

	if (!umfs_cwd_shows() || umfs_uinfo_cwd(&f) == UINFO_NONE)
		return false;
	umfs_guard_enter();
	if (getcwd_ours(&f, path, sizeof(path)) > 0 && !sys1(SYS_chdir, path)) {
		shown = at_same(&f);
		if (!shown)
			umfs_place_limbo(umfs_mount_of(f.fs)->dev, f.ino, f.generation);
	}
	umfs_guard_leave();
	return shown;
}

void umfs_cwd_hide(void)
{
	struct umfs_file f;

	if (umfs_uinfo_cwd(&f) != UINFO_NONE)
		umfs_place_limbo(umfs_mount_of(f.fs)->dev, f.ino, f.generation);
}
