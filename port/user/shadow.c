// SPDX-License-Identifier: BSD-3-Clause
/*
 * shadow.c - a file of the kernel's for each file of the pool that is locked.
 *
 * flock and record locks on a file of ours are the kernel's locks on its shadow:
 * an empty file /dev/shm/.umfs-locks-POOL/FILE. So the kernel makes locks of all
 * processes exclude each other, waits, finds deadlocks and cleans up.
 *
 *  W1  Both names are keyed hashes with the pool's key, and the directory's name
 *      changes with the pool's epoch: it can not be foreseen by who has no
 *      access to the pool. It is of no use unless its owner could write the
 *      pool as well (trusted()); its mode lets everybody make and open files
 *      there whose names they know, lets nobody list them but its owner, and
 *      nobody remove a file of others.
 *  W2  Directory and file come to be under a private name, with their final
 *      mode, and get their real one by a rename that replaces nothing.
 *  W3  While anybody is attached a shadow keeps its name, so whoever opens it
 *      gets the same one. The last to detach removes the directory, which leaves the pool
 *      clean. Where that was not so, the next epoch's first does. When there is none any more,
 *      since the pool is gone, or when the last was killed at this very step, W6. Both look
 *      into the first place alone, if it is there and has none: in the others W6 has to do.
 *  W4  All that are attached use the same directory: each holds a lock on a byte
 *      of the pool that stands for its directory, and none that stands for another
 *      may be locked. So a container with a /dev/shm of its own gets an error
 *      and no locks that exclude nobody. The bytes are the epoch's: who leaves, or
 *      dies, lets his slot go a moment before the byte, and then the next epoch's
 *      first may be there already.
 *  W5  Nothing is ever in a shadow: it is as long as a file can be, the position
 *      is its end, and it is opened for appending, so that what passes libumfs by
 *      fails (read and write with EINVAL) or finds zeros (pread).
 *  W6  A directory is made with a file for this: who uses the directory has a read lock
 *      on it, from before the first shadow is opened there until none is needed. The
 *      lock is kept by a mapping, so that a child of fork has it and death drops it,
 *      and from exec until the new image has its own by a descriptor that passes. A
 *      lock counts if the file still has a name once it is had. So who gets a write
 *      lock knows that nobody uses the directory, and that nobody will before it is
 *      gone. Whoever makes a directory removes before those of his where that is so, of
 *      any pool. Of one without the file (made or removed just now) only what is empty
 *      goes: its maker, and who wants to use it, try again.
 */
#include "internal.h"
#include "port_own.h"
#include "sys.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define DIR_MODE 01733
#define FILE_MODE 0666
#define NAME_BYTES 64
#define DIR_PREFIX ".umfs-locks-"
#define USE_PREFIX "use-" /* no shadow's name begins so */
#define TRIES 8
#define USE_TRIES 100 /* each of a millisecond: whoever removes the directory is at work */

static const char *const places[] = {"/dev/shm/", "/tmp/", "/var/tmp/"};

/* ---- names ---- */

static char *put_text(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	*to = '\0';
	return to;
}

static char *put_hex(char *to, uint64_t v)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[v >> shift & 15];
	*to = '\0';
	return to;
}

/* 126 bits; no name of a file has a slash, so no hash that readdir shows is one of these. */
static char *put_secret(const struct pool *p, char *to, char what, uint32_t number)
{
	char text[7] = {'/', what, '0'};

	memcpy(text + 3, &number, sizeof(number));
	to = put_hex(to, umfs_name_hash(&p->fs, text, sizeof(text)));
	text[2] = '1';
	return put_hex(to, umfs_name_hash(&p->fs, text, sizeof(text)));
}

static void dir_name(const struct pool *p, char *to, const char *place, uint32_t epoch)
{
	put_secret(p, put_text(put_text(to, place), DIR_PREFIX), 'd', epoch);
}

static void use_name(const struct pool *p, char *to)
{
	put_secret(p, put_text(to, USE_PREFIX), 'u', 0);
}

/* Somebody else's thing can not have that name by accident; creation is exclusive. */
static void private_name(char *to, const char *name)
{
	uint64_t random = 0;

	(void)sys3(SYS_getrandom, &random, sizeof(random), 0);
	put_hex(put_text(put_text(to, name), "."), random ^ (uint64_t)sys0(SYS_gettid));
}

/* ---- files ---- */

/* W5. Past a limit of the caller's it would be a signal: then it stays short. */
static void make_long(int fd)
{
	struct rlimit limit;

	if (!sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &limit) && limit.rlim_cur == RLIM_INFINITY)
		(void)sys2(SYS_ftruncate, fd, INT64_MAX);
}

static int file_make(int dir, const char *name)
{
	char private[2 * NAME_BYTES];
	long fd, err;

	private_name(private, name);
	fd = sys4(SYS_openat, dir, private, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  FILE_MODE);
	if (fd < 0)
		return (int)fd;
	err = sys2(SYS_fchmod, fd, FILE_MODE);
	make_long((int)fd);
	(void)sys1(SYS_close, fd);
	if (!err)
		err = sys5(SYS_renameat2, dir, private, dir, name, RENAME_NOREPLACE);
	if (err)
		(void)sys3(SYS_unlinkat, dir, private, 0);
	return (int)err;
}

/* ---- the directory ---- */

static int pool_stat(const struct pool *p, struct stat *st)
{
	int fd = pool_fd(p), ret;

	if (fd >= 0)
		return (int)sys2(SYS_fstat, fd, st);
	fd = pool_reopen(p);
	if (fd < 0)
		return fd;
	ret = (int)sys2(SYS_fstat, fd, st);
	(void)sys1(SYS_close, fd);
	return ret;
}

/* Made by somebody who may write the pool? Who gave it the pool's group is of that group. */
static bool trusted(const struct stat *dir, const struct stat *pool)
{
	if (!S_ISDIR(dir->st_mode) || (dir->st_mode & 07777) != DIR_MODE)
		return false;
	if (dir->st_uid == 0 || dir->st_uid == pool->st_uid || (pool->st_mode & 006) == 006)
		return true;
	return dir->st_gid == pool->st_gid && (pool->st_mode & 060) == 060;
}

static int dir_find(const char *name, const struct stat *pool, struct stat *st)
{
	long fd = sys3(SYS_open, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	long err;

	if (fd < 0)
		return (int)fd;
	err = sys2(SYS_fstat, fd, st);
	if (!err && !trusted(st, pool))
		err = -EPERM;
	if (!err)
		return (int)fd;
	(void)sys1(SYS_close, fd);
	return (int)err;
}

struct dirent_kernel {
	uint64_t ino;
	int64_t off;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

static bool begins(const char *name, const char *with)
{
	while (*with && *name == *with)
		name++, with++;
	return !*with;
}

/* Each name in a directory that begins so (but "." and ".."), until `each` says no. */
static void each_name(int fd, const char *with, bool (*each)(int fd, const char *name, void *arg),
		      void *arg)
{
	char buf[1024] __attribute__((aligned(8)));
	long n;

	(void)sys3(SYS_lseek, fd, 0, SEEK_SET);
	while ((n = sys3(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		struct dirent_kernel *d;

		for (long at = 0; at < n; at += d->bytes) {
			d = (struct dirent_kernel *)(void *)(buf + at);
			if (begins(d->name, with) && !begins("..", d->name) &&
			    !each(fd, d->name, arg))
				return;
		}
	}
}

static bool remove_shadow(int fd, const char *name, void *gone)
{
	if (!begins(name, USE_PREFIX) && !sys3(SYS_unlinkat, fd, name, 0))
		*(bool *)gone = true;
	return true;
}

static bool remove_use(int fd, const char *name, void *arg)
{
	(void)arg;
	(void)sys3(SYS_unlinkat, fd, name, 0);
	return true;
}

/* The file of W6 goes last: killed in between, this leaves what can be used or removed. */
static void empty(int fd)
{
	bool gone = true;

	/* Whoever knows its name can go on putting files there: not for ever. */
	for (int i = 0; i < TRIES && gone; i++) {
		gone = false;
		each_name(fd, "", remove_shadow, &gone);
	}
	each_name(fd, USE_PREFIX, remove_use, NULL);
}

/* Only its owner can; never anything that somebody else put there in its place. */
static void dir_remove(const char *name, const struct stat *pool)
{
	long fd = sys3(SYS_open, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	struct stat st;

	if (fd < 0)
		return;
	if (!sys2(SYS_fstat, fd, &st) && trusted(&st, pool)) {
		empty((int)fd);
		(void)sys1(SYS_rmdir, name);
	}
	(void)sys1(SYS_close, fd);
}

/* ---- W6 ---- */

/* A lock of the file: 0, or -EAGAIN where another one is in the way. */
static int use_lock(int fd, short type)
{
	struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	return (int)sys3(SYS_fcntl, fd, F_OFD_SETLK, &fl);
}

/* A descriptor that says that the directory is in use; -EAGAIN: it is being removed. */
static int use_open(const struct pool *p, int dir)
{
	char name[NAME_BYTES];
	struct stat st;
	long fd, err;

	use_name(p, name);
	fd = sys4(SYS_openat, dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd == -ENOENT ? -EAGAIN : (int)fd;
	err = use_lock((int)fd, F_RDLCK);
	if (!err)
		err = sys2(SYS_fstat, fd, &st);
	if (!err && !st.st_nlink)
		err = -EAGAIN;
	if (!err)
		return (int)fd;
	(void)sys1(SYS_close, fd);
	return (int)err;
}

struct unused {
	int fd; /* of the file of W6; -1: there is none, or it can not be opened */
	bool used; /* somebody uses the directory; else nobody will as long as fd is open */
};

static bool take_use(int dir, const char *name, void *arg)
{
	struct unused *u = arg;

	u->fd = (int)sys4(SYS_openat, dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
	u->used = u->fd < 0 || use_lock(u->fd, F_WRLCK);
	return false;
}

static bool remove_unused(int place, const char *name, void *arg)
{
	struct unused u = {.fd = -1};
	struct stat st;
	long dir = sys4(SYS_openat, place, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

	(void)arg;
	if (dir < 0)
		return true;
	/* Not of others, also for root: they could go on filling it. */
	if (!sys2(SYS_fstat, dir, &st) && st.st_uid == (uid_t)sys0(SYS_geteuid)) {
		each_name((int)dir, USE_PREFIX, take_use, &u);
		if (u.fd >= 0 && !u.used)
			empty((int)dir);
		if (!u.used)
			(void)sys3(SYS_unlinkat, place, name, AT_REMOVEDIR);
		if (u.fd >= 0)
			(void)sys1(SYS_close, u.fd);
	}
	(void)sys1(SYS_close, dir);
	return true;
}

/* What those who were killed left there. */
static void sweep(const char *place)
{
	long fd = sys3(SYS_open, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	each_name((int)fd, DIR_PREFIX, remove_unused, NULL);
	(void)sys1(SYS_close, fd);
}

/* ---- making it ---- */

static int use_make(const struct pool *p, const char *dir)
{
	char name[NAME_BYTES];
	long fd = sys3(SYS_open, dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return (int)fd;
	use_name(p, name);
	err = file_make((int)fd, name);
	(void)sys1(SYS_close, fd);
	return err;
}

static int dir_make(const struct pool *p, const char *name, const struct stat *pool)
{
	char private[2 * NAME_BYTES];
	struct stat st;
	long err;

	private_name(private, name);
	err = sys2(SYS_mkdir, private, 0700);
	if (err)
		return (int)err;
	(void)sys3(SYS_chown, private, -1, pool->st_gid);
	err = sys2(SYS_chmod, private, DIR_MODE);
	if (!err)
		err = sys4(SYS_newfstatat, AT_FDCWD, private, &st, AT_SYMLINK_NOFOLLOW);
	if (!err && !trusted(&st, pool))
		err = -EPERM;
	if (!err)
		err = use_make(p, private);
	if (!err)
		err = sys5(SYS_renameat2, AT_FDCWD, private, AT_FDCWD, name, RENAME_NOREPLACE);
	if (err) {
		dir_remove(private, pool);
		(void)sys1(SYS_rmdir, private);
	}
	return (int)err;
}

static int dir_at(const struct pool *p, const char *place, const struct stat *pool, struct stat *st)
{
	char name[2 * NAME_BYTES];
	int fd = -EEXIST;

	dir_name(p, name, place, p->fs.epoch);
	for (int i = 0; i < TRIES && (fd == -EEXIST || fd == -ENOENT); i++) {
		int err;

		fd = dir_find(name, pool, st);
		if (fd != -ENOENT)
			break;
		sweep(place);
		err = dir_make(p, name, pool);
		if (err && err != -EEXIST && err != -ENOENT)
			return err;
	}
	return fd;
}

/* ---- W4 ---- */

/* The first of this epoch's bytes, of which there are 2^32. */
static uint64_t places_of(const struct pool *p)
{
	return UMFS_LOCK_PLACES + ((uint64_t)(p->fs.epoch & 0xffff) << 32);
}

static bool others_locked(int fd, uint64_t first, uint64_t count)
{
	struct flock fl = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)first,
		.l_len = (off_t)count,
	};

	/* A length of 0 would be all that follows. */
	return count && (sys3(SYS_fcntl, fd, F_OFD_GETLK, &fl) || fl.l_type != F_UNLCK);
}

static uint32_t place_number(const struct stat *st)
{
	uint64_t h = st->st_dev * 0x9e3779b97f4a7c15ull + st->st_ino;

	h *= 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(h >> 32);
}

/* What keeps the description that holds a lock, as in slots.c; a child of fork has it, too. */
static int keep(const struct pool *p, int fd, void **page)
{
	long at = sys6(SYS_mmap, 0, (long)p->page_bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (at < 0 && at > -4096)
		return (int)at;
	*page = (void *)at;
	return 0;
}

static void let_go(const struct pool *p, void **page)
{
	if (*page)
		(void)sys2(SYS_munmap, *page, p->page_bytes);
	*page = NULL;
}

/* Say with a lock which directory is ours. */
static int say_place(struct pool *p, int fd, uint32_t number)
{
	uint64_t first = places_of(p);
	struct flock fl = {
		.l_type = F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(first + number),
		.l_len = 1,
	};
	long err = sys3(SYS_fcntl, fd, F_OFD_SETLK, &fl);

	if (err)
		return (int)err;
	if (others_locked(fd, first, number) ||
	    others_locked(fd, first + number + 1, UINT32_MAX - (uint64_t)number))
		return -ENOLCK;
	return keep(p, fd, &p->shadow_page);
}

static int use(struct pool *p, int dir)
{
	int fd = use_open(p, dir), err;

	if (fd < 0)
		return fd;
	err = keep(p, fd, &p->shadow_use);
	(void)sys1(SYS_close, fd);
	return err;
}

static int agree_now(struct pool *p, int dir, const struct stat *st)
{
	int err = use(p, dir), fd;

	if (err)
		return err;
	err = fd = pool_reopen(p);
	if (fd >= 0) {
		err = say_place(p, fd, place_number(st));
		(void)sys1(SYS_close, fd);
	}
	if (err)
		let_go(p, &p->shadow_use);
	return err;
}

static int agree(struct pool *p, int dir, const struct stat *st)
{
	int err;

	if (p->shadow_page)
		return p->shadow_dev == st->st_dev && p->shadow_ino == st->st_ino ? 0 : -ENOLCK;
	pool_desc_lock(p);
	err = agree_now(p, dir, st);
	pool_desc_unlock(p);
	if (!err) {
		p->shadow_dev = st->st_dev;
		p->shadow_ino = st->st_ino;
	}
	return err;
}

static int dir_get_once(struct pool *p)
{
	struct stat pool, st;
	int err = pool_stat(p, &pool), fd = -ENOENT;
	size_t at = 0;

	if (err)
		return err;
	while (at < UMFS_ARRAY_LEN(places) && fd < 0)
		fd = dir_at(p, places[at++], &pool, &st);
	if (fd < 0)
		return fd;
	err = agree(p, fd, &st);
	if (!err)
		return fd;
	(void)sys1(SYS_close, fd);
	if (err == -EAGAIN)
		sweep(places[at - 1]); /* who was about to remove it may have been killed */
	return err;
}

/* The directory, or -errno. */
static int dir_get(struct pool *p)
{
	const struct timespec soon = {.tv_nsec = 1000000};
	int dir = dir_get_once(p);

	for (int i = 0; i < USE_TRIES && dir == -EAGAIN; i++) {
		(void)sys2(SYS_nanosleep, &soon, NULL);
		dir = dir_get_once(p);
	}
	return dir;
}

/* ---- shadows ---- */

static int file_open(int dir, const char *name, int access)
{
	long fd = -EEXIST;

	for (int i = 0; i < TRIES && (fd == -EEXIST || fd == -ENOENT); i++) {
		/* Never O_CREAT, which may be refused for others' files (protected_regular). */
		fd = sys4(SYS_openat, dir, name, access | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0);
		if (fd == -ENOENT) {
			int err = file_make(dir, name);

			if (err && err != -EEXIST)
				return err;
		}
	}
	if (fd >= 0)
		(void)sys3(SYS_lseek, fd, 0, SEEK_END);
	return (int)fd;
}

int pool_shadow_open(struct pool *p, uint32_t ino, int access)
{
	char name[NAME_BYTES];
	int dir = dir_get(p), fd;

	if (dir < 0)
		return dir;
	put_secret(p, name, 'f', ino);
	fd = file_open(dir, name, access);
	(void)sys1(SYS_close, dir);
	return fd;
}

static bool same_file(int dir, const char *name, int fd)
{
	struct stat is, wanted;

	return !sys2(SYS_fstat, fd, &is) &&
	       !sys4(SYS_newfstatat, dir, name, &wanted, AT_SYMLINK_NOFOLLOW) &&
	       is.st_dev == wanted.st_dev && is.st_ino == wanted.st_ino;
}

bool pool_shadow_is(struct pool *p, uint32_t ino, int fd)
{
	char name[NAME_BYTES];
	int dir = dir_get(p);
	bool same;

	if (dir < 0)
		return false;
	put_secret(p, name, 'f', ino);
	same = same_file(dir, name, fd);
	(void)sys1(SYS_close, dir);
	return same;
}

int pool_shadow_keep(struct pool *p)
{
	int dir = dir_get(p), fd;

	if (dir < 0)
		return dir;
	fd = use_open(p, dir);
	(void)sys1(SYS_close, dir);
	return fd;
}

void pool_shadow_kept(struct pool *p, int fd)
{
	char name[NAME_BYTES];
	int dir = p->shadow_page ? dir_get(p) : -ENOENT;

	use_name(p, name);
	if (dir >= 0 && same_file(dir, name, fd))
		(void)sys1(SYS_close, fd);
	if (dir >= 0)
		(void)sys1(SYS_close, dir);
}

/* Nobody is of that epoch any more. */
static void epoch_ended(const struct pool *p, uint32_t epoch)
{
	char name[2 * NAME_BYTES];
	struct stat pool, st;
	long err;

	for (size_t i = 0; i < UMFS_ARRAY_LEN(places); i++) {
		dir_name(p, name, places[i], epoch);
		err = sys4(SYS_newfstatat, AT_FDCWD, name, &st, AT_SYMLINK_NOFOLLOW);
		if (!err && !pool_stat(p, &pool))
			dir_remove(name, &pool);
		/* The next place is for those who can not use this one. */
		if (err && !sys4(SYS_newfstatat, AT_FDCWD, places[i], &st, 0))
			return;
	}
}

uint32_t pool_shadow_epoch(struct pool *p, bool *clean)
{
	const struct umfs_runtime_pm *rt = umfs_runtime(&p->fs);
	uint32_t epoch = ld32(&rt->epoch);

	*clean = ld64(&rt->clean) == UMFS_CLEAN;
	return epoch;
}

void pool_shadow_begin(struct pool *p, uint32_t epoch, bool clean)
{
	/* Whoever left it clean has seen to that, if nobody else was there meanwhile. */
	if (p->fs.epoch != epoch && !(clean && p->fs.epoch == epoch + 1))
		epoch_ended(p, p->fs.epoch - 1);
}

/* Was it the last to leave? Where the dead have left something the next epoch's first sees to it. */
static bool was_last(struct pool *p)
{
	uint32_t epoch;
	bool clean;

	if (p->fs.broken) /* there may be nothing left to read it from */
		return false;
	epoch = pool_shadow_epoch(p, &clean);
	return clean || epoch != p->fs.epoch;
}

void pool_shadow_leave(struct pool *p)
{
	let_go(p, &p->shadow_page);
	let_go(p, &p->shadow_use);
	if (was_last(p))
		epoch_ended(p, p->fs.epoch);
}
