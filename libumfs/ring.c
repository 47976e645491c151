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
 *  N3  While descriptions of this process have locks by their shadows (hook_lock.c) there is
 *      no first ring: these locks would be lost. That is asked of /proc, which only looks:
 *      to try for a lock would get into the way of others' for a moment.
 *  N4  Where making them the mount's fails half way, the process gets no ring for good.
 *  N5  The mount is asked with no lock held: its daemon may be stopped, and others go on. What
 *      they changed at the number meanwhile is found under the lock, and that number looked
 *      at again. It is over when there is a moment in which none is left.
 *  N6  A directory is the mount's by its path, with its position of that moment. One that
 *      can not be opened there, since it was removed or the rights are not what they were,
 *      stays as it is, and so does what is no directory and was opened with O_PATH: a ring
 *      fails on them (ENOTDIR or EBADF), and its IORING_OP_CLOSE of them is not seen.
 *
 * The price: such a process has the speed of the mount, and no new shared mappings. Left
 * as it is: a working directory in a pool (ENOENT of relative paths in a ring).
 */
#include <linux/futex.h>

#include "file.h"
#include "hooks.h"

enum { RING_NONE, RING_BEGINNING, RING_ON, RING_NEVER };
static uint32_t state PORT_START;
bool umfs_ring_on PORT_START; /* looked at by each open */

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

static bool all_mounted(void)
{
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (!umfs_mounts[i].mounted)
			return false;
	return true;
}

/* Other mounts in the kernel's table may be gone by now: those that are in use are asked. */
static bool all_answer(void)
{
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		const struct mount *m = &umfs_mounts[i];

		if (LOAD(&m->state) == MOUNT_LIVE && !answers(m))
			return false;
	}
	return true;
}

#define INFO_BYTES 256u /* as much of it as comes before locks, and the first one's begin */

/* N3: a lock of the description that is open at `fd`, whoever took it. */
static bool has_lock(int fd)
{
	char path[40], info[INFO_BYTES];
	struct text t;
	long at, n;

	umfs_text_init(&t, path, sizeof(path));
	umfs_text_add(&t, "/proc/self/fdinfo/");
	umfs_text_dec(&t, (uint64_t)fd);
	at = sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (at < 0)
		return true;
	n = sys3(SYS_read, at, info, sizeof(info) - 1);
	sys1(SYS_close, at);
	info[n > 0 ? n : 0] = '\0';
	return n <= 0 || strstr(info, "\nlock:");
}

/* LOCK_UINFO held, as by the next. */
static bool is_locked(int fd)
{
	return umfs_uinfo_table[fd].shadow && has_lock(fd);
}

static bool any_locks(void)
{
	for (int fd = 0; fd < umfs_uinfo_top && !umfs_lock_keepers; fd++) {
		const struct uinfo *u = &umfs_uinfo_table[fd];

		if ((u->kind == UINFO_FILE || u->kind == UINFO_DIR) && is_locked(fd))
			return true;
	}
	return umfs_lock_keepers;
}

static bool same_description(const struct umfs_file *a, const struct umfs_file *b)
{
	return a->fs == b->fs && a->ofd == b->ofd && a->tag == b->tag && a->ino == b->ino &&
	       a->generation == b->generation;
}

static bool is_still(int fd, const struct umfs_file *f)
{
	struct umfs_file now;

	return umfs_uinfo_read(fd, &now) != UINFO_NONE && same_description(&now, f);
}

enum handed { HANDED_OVER, LEFT, FAILED };

/* All numbers of the description. LOCK_UINFO held. */
static enum handed put_onto(int mount, const struct umfs_file *f)
{
	for (int fd = 0; fd < umfs_uinfo_top; fd++) {
		const struct uinfo *u = &umfs_uinfo_table[fd];
		struct umfs_file gone;

		if (!is_still(fd, f))
			continue;
		if (umfs_lock_keepers || is_locked(fd) ||
		    sys3(SYS_dup3, mount, fd, u->cloexec ? O_CLOEXEC : 0) < 0)
			return FAILED;
		umfs_uinfo_clear(fd, &gone);
		umfs_ofd_put(f->fs, f->ofd);
	}
	return HANDED_OVER;
}

/* N5 */
static enum handed hand_over(int fd)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	enum handed ret = LEFT;
	long mount;

	if (kind == UINFO_NONE)
		return LEFT;
	mount = kind == UINFO_FILE ? umfs_pass_open_file(&f, "io_uring", true) :
				     umfs_pass_open_dir(&f, kind == UINFO_PATH, "io_uring");
	if (mount < 0)
		return kind == UINFO_FILE && is_still(fd, &f) ? FAILED : LEFT;
	umfs_local_lock(LOCK_UINFO);
	if (is_still(fd, &f))
		ret = put_onto((int)mount, &f);
	umfs_local_unlock(LOCK_UINFO);
	sys1(SYS_close, mount); /* no POSIX lock is there yet: N3 */
	return ret;
}

static bool any_files(void)
{
	for (int fd = 0; fd < umfs_uinfo_top; fd++)
		if (umfs_uinfo_table[fd].kind == UINFO_FILE)
			return true;
	return false;
}

static void set_state(uint32_t to)
{
	STORE(&state, to);
	sys3(SYS_futex, &state, FUTEX_WAKE_PRIVATE, INT_MAX);
}

/* Who opens meanwhile sees the word, or has its number in the table already. */
static uint32_t hand_over_all(void)
{
	bool left = true;

	STORE(&umfs_ring_on, true);
	while (left) {
		for (int fd = 0; fd < umfs_uinfo_top; fd++) {
			if (hand_over(fd) == FAILED) {
				STORE(&umfs_ring_on, false);
				return RING_NEVER;
			}
		}
		umfs_local_lock(LOCK_UINFO);
		left = any_files();
		umfs_local_unlock(LOCK_UINFO);
	}
	return RING_ON;
}

/* One thread does it, and others that want a ring wait for that. */
static long begin(void)
{
	uint32_t was = RING_NONE;
	bool locked;

	while (!__atomic_compare_exchange_n(&state, &was, RING_BEGINNING, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE)) {
		if (was != RING_BEGINNING)
			return was == RING_ON ? 0 : -ENOSYS;
		sys4(SYS_futex, &state, FUTEX_WAIT_PRIVATE, RING_BEGINNING, 0);
		was = RING_NONE;
	}
	umfs_local_lock(LOCK_UINFO);
	locked = any_locks();
	umfs_local_unlock(LOCK_UINFO);
	set_state(locked ? RING_NONE : hand_over_all());
	return LOAD(&state) == RING_ON ? 0 : -ENOSYS;
}

/* The thread that was at it is not there. */
void umfs_ring_forked(void)
{
	if (state != RING_BEGINNING)
		return;
	STORE(&umfs_ring_on, false);
	STORE(&state, RING_NONE);
}

static bool is_possible(void)
{
	return LOAD(&state) != RING_NEVER && !port_quiet && all_mounted();
}

bool umfs_ring_possible(void)
{
	return is_possible() && all_answer();
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
	err = begin();
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
static long file_opened(int fd)
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

long umfs_ring_opened(int fd)
{
	struct umfs_file f;

	if (umfs_uinfo_read(fd, &f) == UINFO_FILE)
		return file_opened(fd);
	umfs_guard_enter();
	(void)hand_over(fd);
	umfs_guard_leave();
	return fd;
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

/*
 * Files of ours, and with them the places where a ring could come in, are not open yet. A
 * mount is asked only for a ring: its daemon may be stopped, and others wait for LOCK_ATTACH.
 */
void umfs_ring_look(void)
{
	if (LOAD(&state) == RING_NONE && !umfs_uinfo_open_count() && is_possible() && any_ring() &&
	    all_answer()) {
		STORE(&umfs_ring_on, true);
		STORE(&state, RING_ON);
	}
}

void umfs_ring_inherited(void)
{
	if (umfs_uinfo_open_count() && LOAD(&state) == RING_NONE && is_possible() && any_ring())
		(void)umfs_ring_begin();
}

long umfs_hook_io_uring_setup(unsigned entries, void *params)
{
	long err = umfs_ring_begin();

	return err ? err : umfs_file_given(sys2(SYS_io_uring_setup, entries, params));
}
