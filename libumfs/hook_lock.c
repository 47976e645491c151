// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_lock.c - flock, record locks, lockf.
 *
 * The kernel does it, on the inode's shadow (port/user/shadow.c):
 *
 *  K1  flock and OFD locks belong to an open file description, so one of the
 *      shadow has to be shared by whoever shares ours. At the first such lock
 *      all numbers of our description become duplicates of one descriptor of
 *      the shadow, in place of the common placeholder; dup, fork and exec then
 *      carry it along, and the last close lets go.
 *  K2  That is done while no other process has a share in the description: at
 *      the latest when this one is about to fork or spawn, for all that is open.
 *      Where it could not be done then, such a lock is refused (ENOLCK).
 *  K3  The shadow is opened for what the description may do, so the kernel
 *      itself refuses a lock for writing on what is open for reading.
 *  K4  POSIX locks belong to the process: they are taken through one descriptor
 *      of the shadow for each inode, the inode's keeper, a high number that the
 *      program can not close. They go when any descriptor of the inode is closed,
 *      the keeper with the last. It passes exec where a lock would.
 *  K5  The kernel drops this process's POSIX locks when any descriptor of the
 *      shadow is closed in it. So what K1 needs for a moment is closed at once
 *      only when no keeper was asked for a lock yet, and else stays until a
 *      descriptor of the inode is closed (`spare`), which drops these locks anyway.
 *  K6  Nothing of ours is held during the call that takes a lock: it waits, and
 *      is interrupted, as the kernel does it.
 */
#include <sys/file.h>
#include <sys/mman.h>

#include "file.h"
#include "hooks.h"

/* What a descriptor that we keep is for; indexed by its number. */
struct keeper {
	struct umfs *fs; /* NULL: that number is none */
	uint32_t ino;
	bool spare;
	bool locks; /* a keeper that may hold some */
	int next; /* of its bucket: number + 1, or 0 */
};
#define BUCKETS 64u
static struct keeper *keepers; /* umfs_uinfo_count of them; changed under LOCK_UINFO */
static int buckets[BUCKETS]; /* as `next` */
uint32_t umfs_lock_keepers PORT_START;

#define FIRST_IN(bucket) (buckets[bucket] - 1)
#define NEXT(fd) (keepers[fd].next - 1)

bool umfs_lock_keeps(int fd)
{
	return umfs_lock_keepers && (uint32_t)fd < umfs_uinfo_count && LOAD(&keepers[fd].fs);
}

int umfs_lock_keeps_next(int from)
{
	int best = INT_MAX;

	if (!umfs_lock_keepers)
		return best;
	umfs_local_lock(LOCK_UINFO);
	for (uint32_t i = 0; i < BUCKETS; i++)
		for (int fd = FIRST_IN(i); fd >= 0; fd = NEXT(fd))
			if (fd >= from && fd < best)
				best = fd;
	umfs_local_unlock(LOCK_UINFO);
	return best;
}

static int keepers_init(void)
{
	long p;

	if (keepers)
		return 0;
	p = sys6(SYS_mmap, 0, (long)umfs_uinfo_count * (long)sizeof(*keepers),
		 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p < 0 && p > -4096)
		return (int)p;
	STORE(&keepers, (struct keeper *)p);
	return 0;
}

static int keeper_add(struct umfs *fs, uint32_t ino, int fd, bool spare)
{
	int *bucket = &buckets[ino % BUCKETS];

	if ((uint32_t)fd >= umfs_uinfo_count || keepers_init())
		return -ENOLCK;
	port_keep_number(fd);
	keepers[fd].ino = ino;
	keepers[fd].spare = spare;
	keepers[fd].locks = false;
	keepers[fd].next = *bucket;
	STORE(&keepers[fd].fs, fs);
	*bucket = fd + 1;
	__atomic_fetch_add(&umfs_lock_keepers, 1, __ATOMIC_RELEASE);
	return 0;
}

static void keeper_close(int fd)
{
	int *link = &buckets[keepers[fd].ino % BUCKETS];

	while (*link != fd + 1)
		link = &keepers[*link - 1].next;
	*link = keepers[fd].next;
	STORE(&keepers[fd].fs, NULL);
	__atomic_fetch_sub(&umfs_lock_keepers, 1, __ATOMIC_RELEASE);
	sys1(SYS_close, fd);
}

static bool keeper_of(int fd, const struct umfs *fs, uint32_t ino)
{
	return keepers[fd].fs == fs && keepers[fd].ino == ino;
}

/* The inode's keeper, or -1. */
static int keeper_find(const struct umfs *fs, uint32_t ino)
{
	int fd = umfs_lock_keepers ? FIRST_IN(ino % BUCKETS) : -1;

	while (fd >= 0 && (keepers[fd].spare || !keeper_of(fd, fs, ino)))
		fd = NEXT(fd);
	return fd;
}

/* By a descriptor whose closing lets POSIX locks go. */
static bool open_as(const struct uinfo *u, const struct umfs *fs, uint32_t ino)
{
	return u->kind > UINFO_RESERVED && u->kind != UINFO_PATH && u->file.fs == fs &&
	       u->file.ino == ino;
}

static bool inode_open_here(const struct umfs *fs, uint32_t ino)
{
	for (int fd = 0; fd < umfs_uinfo_top; fd++)
		if (open_as(&umfs_uinfo_table[fd], fs, ino))
			return true;
	return false;
}

/* LOCK_UINFO held. */
static void posix_drop(const struct umfs_file *f)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	bool stay = keeper_find(f->fs, f->ino) >= 0 && inode_open_here(f->fs, f->ino);
	int fd, next;

	for (fd = FIRST_IN(f->ino % BUCKETS); fd >= 0; fd = next) {
		next = NEXT(fd);
		if (!keeper_of(fd, f->fs, f->ino))
			continue;
		if (stay && !keepers[fd].spare)
			sys3(SYS_fcntl, fd, F_SETLK, &all);
		else
			keeper_close(fd);
	}
}

/*
 * A descriptor of f's inode was closed here: its POSIX locks go (K4). They go by
 * name and not with the keeper while other descriptors are open, since another
 * thread may be about to use it.
 */
void umfs_lock_closed(const struct umfs_file *f)
{
	umfs_guard_enter();
	umfs_local_lock(LOCK_UINFO);
	posix_drop(f);
	umfs_local_unlock(LOCK_UINFO);
	umfs_guard_leave();
}

static int shadow_open(const struct umfs_file *f, int access)
{
	int fd = pool_shadow_open(&umfs_mount_of(f->fs)->pool, f->ino, access);

	return fd < 0 ? -ENOLCK : fd;
}

/* ---- K4: the process's ---- */

/* LOCK_UINFO held. */
static int keeper_make(const struct umfs_file *f)
{
	int low = shadow_open(f, O_RDWR), fd;

	if (low < 0)
		return low;
	fd = umfs_place_high(low);
	sys1(SYS_close, low); /* no POSIX lock is there yet */
	if (fd < 0)
		return -ENOLCK;
	if (keeper_add(f->fs, f->ino, fd, false)) {
		sys1(SYS_close, fd);
		return -ENOLCK;
	}
	return fd;
}

/* `locks`: not only to ask about locks. */
static int keeper_get(int fd, const struct umfs_file *f, bool locks)
{
	struct umfs_file now;
	int keeper = -EBADF;

	umfs_guard_enter();
	umfs_local_lock(LOCK_UINFO);
	if (umfs_uinfo_read(fd, &now) != UINFO_NONE && now.fs == f->fs && now.ofd == f->ofd) {
		keeper = keeper_find(f->fs, f->ino);
		if (keeper < 0)
			keeper = keeper_make(f);
		if (keeper >= 0 && locks)
			keepers[keeper].locks = true;
	}
	umfs_local_unlock(LOCK_UINFO);
	umfs_guard_leave();
	return keeper;
}

/* ---- K1: the description's ---- */

/* Has no other process a share in it? */
static bool held_alone(const struct umfs_file *f)
{
	const struct umfs_ofd_pm *ofd = umfs_ofd_of(f);

	for (uint32_t i = 0; ofd && i < UMFS_ARRAY_LEN(ofd->slots); i++) {
		uint64_t own = i == f->fs->slot / 64 ? 1ull << f->fs->slot % 64 : 0;

		if (ld64(&ofd->slots[i]) & ~own)
			return false;
	}
	return ofd;
}

static int put_onto(int shadow, int fd)
{
	struct uinfo *u = &umfs_uinfo_table[fd];
	long ret = sys3(SYS_dup3, shadow, fd, u->cloexec ? O_CLOEXEC : 0);

	if (ret < 0)
		return -ENOLCK;
	u->shadow = 1;
	return 0;
}

/* All numbers of the description; mostly there is but the one that is known. */
static int put_onto_all(int shadow, int known, const struct umfs_file *f)
{
	int err = put_onto(shadow, known);

	if (LOAD(&f->fs->ofd_refs[f->ofd]) == 1)
		return err;
	for (int fd = 0; fd < umfs_uinfo_top && !err; fd++) {
		const struct uinfo *u = &umfs_uinfo_table[fd];

		if (fd != known && u->kind > UINFO_RESERVED && u->file.fs == f->fs &&
		    u->file.ofd == f->ofd)
			err = put_onto(shadow, fd);
	}
	return err;
}

/* LOCK_UINFO held. */
static int share_make(int fd, enum uinfo_kind kind, const struct umfs_file *f)
{
	int access = kind == UINFO_DIR ? O_RDONLY : (int)f->flags & O_ACCMODE;
	int shadow, keeper, err;

	if (!held_alone(f))
		return -ENOLCK;
	shadow = shadow_open(f, access == O_ACCMODE ? O_RDONLY : access);
	if (shadow < 0)
		return shadow;
	err = put_onto_all(shadow, fd, f);
	/* K5 */
	keeper = keeper_find(f->fs, f->ino);
	if (keeper < 0 || !keepers[keeper].locks || keeper_add(f->fs, f->ino, shadow, true))
		sys1(SYS_close, shadow);
	return err;
}

static int share_get(int fd)
{
	enum uinfo_kind kind;
	struct umfs_file f;
	int err = 0;

	if (LOAD_RELAXED(&umfs_uinfo_table[fd].shadow))
		return 0;
	umfs_guard_enter();
	umfs_opens_enter();
	umfs_local_lock(LOCK_UINFO);
	kind = umfs_uinfo_read(fd, &f);
	if (kind == UINFO_NONE || kind == UINFO_PATH)
		err = -EBADF;
	else if (!umfs_uinfo_table[fd].shadow)
		err = share_make(fd, kind, &f);
	umfs_local_unlock(LOCK_UINFO);
	umfs_opens_leave();
	umfs_guard_leave();
	return err;
}

/* K2. What fails here is refused when it is asked for. */
void umfs_lock_share_all(void)
{
	if (!umfs_uinfo_open_count())
		return;
	umfs_local_lock(LOCK_UINFO);
	for (int fd = 0; fd < umfs_uinfo_top; fd++) {
		const struct uinfo *u = &umfs_uinfo_table[fd];

		if ((u->kind == UINFO_FILE || u->kind == UINFO_DIR) && !u->shadow &&
		    !u->file.fs->broken) {
			struct umfs_file f = u->file;

			(void)share_make(fd, (enum uinfo_kind)u->kind, &f);
		}
	}
	umfs_local_unlock(LOCK_UINFO);
}

/* ---- exec ---- */

/* Linux drops a POSIX lock where exec closes any of the inode's descriptors. */
static bool keeper_passes(int fd)
{
	bool passes = false;

	for (int n = 0; n < umfs_uinfo_top; n++) {
		const struct uinfo *u = &umfs_uinfo_table[n];

		if (!open_as(u, keepers[fd].fs, keepers[fd].ino))
			continue;
		if (u->cloexec)
			return false;
		passes = true;
	}
	return passes && !keepers[fd].spare;
}

void umfs_lock_pass(const struct umfs *fs, void (*each)(void *arg, int fd, uint32_t ino), void *arg)
{
	for (uint32_t i = 0; umfs_lock_keepers && i < BUCKETS; i++) {
		for (int fd = FIRST_IN(i); fd >= 0; fd = NEXT(fd)) {
			if (keepers[fd].fs != fs || !keeper_passes(fd))
				continue;
			sys3(SYS_fcntl, fd, F_SETFD, 0);
			each(arg, fd, keepers[fd].ino);
		}
	}
}

void umfs_lock_pass_not(void)
{
	umfs_local_lock(LOCK_UINFO);
	for (uint32_t i = 0; umfs_lock_keepers && i < BUCKETS; i++)
		for (int fd = FIRST_IN(i); fd >= 0; fd = NEXT(fd))
			sys3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	umfs_local_unlock(LOCK_UINFO);
}

void umfs_lock_inherit(struct umfs *fs, uint32_t ino, int fd)
{
	if (!pool_shadow_is(&umfs_mount_of(fs)->pool, ino, fd))
		return;
	sys3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	if (!inode_open_here(fs, ino) || keeper_add(fs, ino, fd, false))
		sys1(SYS_close, fd);
	else
		keepers[fd].locks = true;
}

/* ---- the calls ---- */

static long flock_ours(int fd, int op)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	long err;

	if ((op & ~LOCK_NB) != LOCK_SH && (op & ~LOCK_NB) != LOCK_EX && (op & ~LOCK_NB) != LOCK_UN)
		return -EINVAL;
	if (kind > UINFO_RESERVED && (f.flags & O_ACCMODE) == O_ACCMODE &&
	    (op & ~LOCK_NB) != LOCK_UN)
		return -EBADF; /* opened for neither */
	err = share_get(fd);

	umfs_report_count(REPORT_SERVED);
	if (err)
		return err == -ENOLCK ? umfs_refuse(REPORT_NO_LOCK, ENOLCK) : err;
	return umfs_cancel_call(SYS_flock, fd, op, 0, 0, 0, 0);
}

long umfs_hook_flock(int fd, int op)
{
	long ret = -EBADF;
	bool ours = umfs_uinfo_ours(fd);

	if (ours)
		ret = flock_ours(fd, op);
	if (ours && (ret != -EBADF || !umfs_ring_took(fd)))
		return ret;
	if (unlikely(umfs_place_protected(fd)))
		return -EBADF;
	return umfs_cancel_call(SYS_flock, fd, op, 0, 0, 0, 0);
}

/* Where l_whence counts from: what the kernel knows of the shadow is not it. */
static long base_of(const struct umfs_file *f, int whence, int64_t *base)
{
	struct umfs_attr attr;
	long err = 0;

	*base = 0;
	if (whence == SEEK_SET)
		return 0;
	umfs_guard_enter();
	if (whence == SEEK_CUR) {
		*base = umfs_seek(f, 0, SEEK_CUR);
		err = *base < 0 ? *base : 0;
	} else if (whence == SEEK_END) {
		err = umfs_file_gone(umfs_getattr(f->fs, umfs_file_node(f), &attr));
		*base = err ? 0 : (int64_t)attr.size;
	} else {
		err = -EINVAL;
	}
	umfs_guard_leave();
	return err;
}

static long to_absolute(const struct umfs_file *f, struct flock *lk)
{
	int64_t base;
	long err = base_of(f, lk->l_whence, &base);

	if (err)
		return err;
	if (lk->l_start > INT64_MAX - base)
		return -EOVERFLOW;
	lk->l_whence = SEEK_SET;
	lk->l_start += base;
	if (lk->l_start < 0 || (lk->l_len < 0 && lk->l_start + lk->l_len < 0))
		return -EINVAL;
	if (lk->l_len > 0 && lk->l_len - 1 > INT64_MAX - lk->l_start)
		return -EOVERFLOW;
	return lk->l_type < F_RDLCK || lk->l_type > F_UNLCK ? -EINVAL : 0;
}

static bool is_ofd(int cmd)
{
	return cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
}

/* K3, for the keeper, which is open for both. */
static bool may_lock(const struct umfs_file *f, int cmd, int type)
{
	if (cmd == F_GETLK)
		return true;
	return !(type == F_RDLCK && !umfs_flags_read(f->flags)) &&
	       !(type == F_WRLCK && !umfs_flags_write(f->flags));
}

/* Closed by another thread while this one got its lock: the kernel lets go of that, too. */
static long still_open(const struct umfs_file *f, int fd, int keeper, const struct flock *lk)
{
	struct flock none = *lk;
	struct umfs_file now;

	if (umfs_uinfo_read(fd, &now) != UINFO_NONE && now.fs == f->fs && now.ofd == f->ofd)
		return 0;
	none.l_type = F_UNLCK;
	sys3(SYS_fcntl, keeper, F_SETLK, &none);
	return -EBADF;
}

static long lock_posix(const struct umfs_file *f, int fd, int cmd, struct flock *lk)
{
	int keeper;
	long err;

	if (!may_lock(f, cmd, lk->l_type))
		return -EBADF;
	keeper = keeper_get(fd, f, cmd != F_GETLK && lk->l_type != F_UNLCK);
	if (keeper < 0)
		return keeper;
	if (cmd == F_SETLKW)
		err = umfs_cancel_call(SYS_fcntl, keeper, cmd, SYS_ARG(lk), 0, 0, 0);
	else
		err = sys3(SYS_fcntl, keeper, cmd, lk);
	if (!err && cmd != F_GETLK && lk->l_type != F_UNLCK)
		err = still_open(f, fd, keeper, lk);
	return err;
}

static long lock_ofd(const struct umfs_file *f, int fd, int cmd, struct flock *lk)
{
	long err;

	if (cmd != F_OFD_GETLK && !may_lock(f, cmd, lk->l_type))
		return -EBADF;
	err = share_get(fd);

	if (err)
		return err;
	if (cmd == F_OFD_SETLKW)
		return umfs_cancel_call(SYS_fcntl, fd, cmd, SYS_ARG(lk), 0, 0, 0);
	return sys3(SYS_fcntl, fd, cmd, lk);
}

long umfs_lock_fcntl(const struct umfs_file *f, enum uinfo_kind kind, int fd, int cmd, long arg)
{
	struct flock lk, asked;
	long err;

	if (kind == UINFO_PATH)
		return -EBADF;
	if (port_copy_in(&lk, (const void *)arg, sizeof(lk)))
		return -EFAULT;
	asked = lk;
	err = cmd == F_GETLK && lk.l_type != F_RDLCK && lk.l_type != F_WRLCK ?
		      -EINVAL : to_absolute(f, &lk);
	if (!err)
		err = is_ofd(cmd) ? lock_ofd(f, fd, cmd, &lk) : lock_posix(f, fd, cmd, &lk);
	if (err == -ENOLCK)
		return umfs_refuse(REPORT_NO_LOCK, ENOLCK);
	if (err || (cmd != F_GETLK && cmd != F_OFD_GETLK))
		return err;
	if (lk.l_type == F_UNLCK) { /* then nothing else changes */
		asked.l_type = F_UNLCK;
		lk = asked;
	}
	return port_copy_out((void *)arg, &lk, sizeof(lk));
}

/* As libc makes it of a record lock from the file's position on. */
long umfs_hook_lockf(int fd, int cmd, off_t len)
{
	struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = len};
	long err;

	switch (cmd) {
	case F_TEST:
		lk.l_type = F_RDLCK;
		err = umfs_hook_fcntl(fd, F_GETLK, SYS_ARG(&lk));
		if (err)
			return err;
		return lk.l_type == F_UNLCK || lk.l_pid == (pid_t)sys0(SYS_getpid) ? 0 : -EACCES;
	case F_ULOCK:
		lk.l_type = F_UNLCK;
		return umfs_hook_fcntl(fd, F_SETLK, SYS_ARG(&lk));
	case F_LOCK:
		return umfs_hook_fcntl(fd, F_SETLKW, SYS_ARG(&lk));
	case F_TLOCK:
		return umfs_hook_fcntl(fd, F_SETLK, SYS_ARG(&lk));
	default:
		return -EINVAL;
	}
}
