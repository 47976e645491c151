// SPDX-License-Identifier: BSD-3-Clause
/*
 * ring.c - io_uring in a process that has files of ours.
 *
 * What a ring is asked for the kernel reads from memory, whenever it likes: no call could
 * be seen and answered here. So a descriptor number in it has to be one that the kernel
 * can use. Where the pools are mounted, it gets one: with the process's first ring all
 * files that it has open become the mount's (pass.c), and from then on each as it is opened.
 * Where one is not mounted there are no rings (ENOSYS), and programs do without. A ring
 * that another process made comes by exec, with any number: it is looked for when a pool is
 * attached, and counts as one that was made then. (In messages kernels refuse to pass rings.)
 *
 *  N1  A number that became the mount's is the kernel's in every way: U-Info forgets it.
 *      It may be closed by a ring, and be given out for something else by a ring. The
 *      position stays shared with who else has the description (fuse/ops_pass.c). What
 *      another thread reads, writes, locks, duplicates or closes at that moment is done, by
 *      either way; another call of it that comes between two instructions may see the number
 *      closed.
 *  N2  What the process has open is made the mount's at its number, before the ring is
 *      given out. What it opens later gets its number from the kernel, and is never
 *      closed a second time: that would drop POSIX locks that the mount has for this process.
 *  N3  While files have locks by their shadows (hook_lock.c) there is no first ring: these
 *      locks would be lost, or be somebody else's.
 *  N4  Where making them the mount's fails half way, the process gets no ring for good.
 *
 * The price: such a process has the speed of the mount, and no new shared mappings. Left
 * as they are: directories and O_PATH (a ring fails on them, ENOTDIR or EBADF), and a
 * working directory in a pool (ENOENT of relative paths in a ring).
 */
#include <sys/file.h>

#include "file.h"
#include "hooks.h"

enum { RING_NONE, RING_ON, RING_NEVER };
static uint32_t state;
bool umfs_ring_on;

/* The kernel makes rings for this process: 0 or -errno. */
static long kernel_has_rings(void)
{
	uint32_t params[30] = {0}; /* struct io_uring_params */
	long fd = sys2(SYS_io_uring_setup, 1, params);

	if (fd < 0)
		return fd;
	sys1(SYS_close, fd);
	return 0;
}

/* The pool's own files are at the path: a mount that answers. */
static bool answers(const struct mount *m)
{
	char uuid[16];

	return sys4(SYS_getxattr, m->dir, UMFS_XATTR_POOL, uuid, sizeof(uuid)) == sizeof(uuid);
}

/* Other mounts in the kernel's table may be gone by now: those that are in use are asked. */
static bool all_mounted(void)
{
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		const struct mount *m = &umfs_mounts[i];

		if (!m->mounted || (LOAD(&m->state) == MOUNT_LIVE && !answers(m)))
			return false;
	}
	return true;
}

/* N3: by a description of its own, which has no part in any lock. */
static bool has_locks(const struct umfs_file *f)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = pool_shadow_open(&umfs_mount_of(f->fs)->pool, f->ino, O_RDWR);
	bool has = fd < 0 || sys2(SYS_flock, fd, LOCK_EX | LOCK_NB) ||
		   sys3(SYS_fcntl, fd, F_OFD_GETLK, &all) || all.l_type != F_UNLCK;

	if (fd >= 0)
		sys1(SYS_close, fd);
	return has;
}

/* LOCK_UINFO held, as by the next. */
static bool any_locks(void)
{
	if (umfs_lock_keepers)
		return true;
	for (int fd = 0; fd < umfs_uinfo_top; fd++) {
		const struct uinfo *u = &umfs_uinfo_table[fd];

		if (u->kind == UINFO_FILE && u->shadow && has_locks(&u->file))
			return true;
	}
	return false;
}

/* The other numbers of the description at `fd`, which is the mount's by now. */
static bool follow(int fd, const struct umfs_file *f)
{
	for (int n = fd + 1; n < umfs_uinfo_top; n++) {
		const struct uinfo *u = &umfs_uinfo_table[n];
		struct umfs_file gone;

		if (u->kind != UINFO_FILE || u->file.fs != f->fs || u->file.ofd != f->ofd)
			continue;
		if (sys3(SYS_dup3, fd, n, u->cloexec ? O_CLOEXEC : 0) < 0)
			return false;
		umfs_uinfo_clear(n, &gone);
		umfs_ofd_put(f->fs, f->ofd);
	}
	return true;
}

static bool hand_over(int fd)
{
	struct umfs_file f = umfs_uinfo_table[fd].file, gone;
	long mount = umfs_pass_open(fd, "io_uring"), ret;

	if (mount < 0)
		return false;
	ret = sys3(SYS_dup3, mount, fd, umfs_uinfo_table[fd].cloexec ? O_CLOEXEC : 0);
	sys1(SYS_close, mount); /* no POSIX lock is there yet: N3 */
	if (ret < 0)
		return false;
	umfs_uinfo_clear(fd, &gone);
	ret = follow(fd, &f);
	umfs_ofd_put(f.fs, f.ofd);
	return ret;
}

static bool hand_over_all(void)
{
	for (int fd = 0; fd < umfs_uinfo_top; fd++)
		if (umfs_uinfo_table[fd].kind == UINFO_FILE && !hand_over(fd))
			return false;
	return true;
}

/* Who opens meanwhile sees the word, or has its number in the table already. */
static long begin(void)
{
	if (state != RING_NONE || any_locks())
		return state == RING_ON ? 0 : -ENOSYS;
	STORE(&umfs_ring_on, true);
	STORE(&state, hand_over_all() ? RING_ON : RING_NEVER);
	if (state == RING_ON)
		return 0;
	STORE(&umfs_ring_on, false);
	return -ENOSYS;
}

bool umfs_ring_possible(void)
{
	return LOAD(&state) != RING_NEVER && !port_quiet && all_mounted();
}

long umfs_ring_begin(void)
{
	long err;

	if (LOAD(&state) == RING_ON)
		return 0;
	if (!umfs_ring_possible())
		return umfs_refuse(REPORT_NO_RING, ENOSYS);
	err = kernel_has_rings();
	if (err)
		return err;
	umfs_guard_enter();
	umfs_opens_enter();
	umfs_local_lock(LOCK_UINFO);
	err = begin();
	umfs_local_unlock(LOCK_UINFO);
	umfs_opens_leave();
	umfs_guard_leave();
	return err ? umfs_refuse(REPORT_NO_RING, ENOSYS) : 0;
}

/* Under LOCK_UINFO: what number `fd` was just opened for, of which this takes the reference. */
static bool take_new(int fd, struct umfs_file *f)
{
	if (umfs_uinfo_table[fd].kind != UINFO_FILE)
		return false;
	umfs_uinfo_clear(fd, f);
	sys1(SYS_close, fd);
	return true;
}

/* N2: the placeholder's number is free again when the mount's is given out. */
long umfs_ring_opened(int fd)
{
	struct umfs_file f;
	long ret = fd;
	bool ours, cloexec;

	umfs_guard_enter();
	umfs_opens_enter();
	umfs_local_lock(LOCK_UINFO);
	cloexec = umfs_uinfo_table[fd].cloexec;
	ours = umfs_uinfo_ours(fd) && take_new(fd, &f);
	umfs_local_unlock(LOCK_UINFO);
	if (ours) {
		ret = umfs_pass_open_file(&f, "io_uring", cloexec);
		if (ret < 0 && ret != -EMFILE && ret != -ENFILE)
			ret = -EIO; /* nobody serves the mount any more */
		umfs_ofd_put(f.fs, f.ofd);
	}
	umfs_opens_leave();
	umfs_guard_leave();
	return ours ? umfs_file_given(ret) : ret;
}

/* ---- rings of others ---- */

#define RING_LINK "anon_inode:[io_uring]"
#define LIST_BYTES 1024u

/* `name` is the descriptor's in that directory of /proc. */
static bool is_ring(long dir, const char *name)
{
	char link[sizeof(RING_LINK)];

	return sys4(SYS_readlinkat, dir, name, link, sizeof(link)) == sizeof(RING_LINK) - 1 &&
	       !memcmp(link, RING_LINK, sizeof(RING_LINK) - 1);
}

struct dirent_kernel {
	uint64_t ino, off;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

static bool any_ring(void)
{
	char list[LIST_BYTES] __attribute__((aligned(8)));
	long dir = sys4(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool found = false;
	long n = 0;

	while (dir >= 0 && !found && (n = sys3(SYS_getdents64, dir, list, sizeof(list))) > 0)
		for (long at = 0; at < n && !found;) {
			const struct dirent_kernel *d = (const void *)(list + at);

			found = d->name[0] != '.' && is_ring(dir, d->name);
			at += d->bytes;
		}
	if (dir >= 0)
		sys1(SYS_close, dir);
	return found;
}

/* Files of ours, and with them the places where a ring could come in, are not open yet. */
void umfs_ring_look(void)
{
	if (LOAD(&state) == RING_NONE && !umfs_uinfo_open_count() && umfs_ring_possible() && any_ring()) {
		STORE(&umfs_ring_on, true);
		STORE(&state, RING_ON);
	}
}

void umfs_ring_inherited(void)
{
	if (umfs_uinfo_open_count() && LOAD(&state) == RING_NONE && umfs_ring_possible() && any_ring())
		(void)umfs_ring_begin();
}

long umfs_hook_io_uring_setup(unsigned entries, void *params)
{
	long err = umfs_ring_begin();

	return err ? err : umfs_file_given(sys2(SYS_io_uring_setup, entries, params));
}
