// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_pass.c - open files of preloaded processes, given to others.
 *
 * A directory that no list shows, below the root, in which an open file description is
 * "made" by a name that only users of the pool can say (port/user/pass.c). So its opening
 * and what it stands for are one request, and the kernel asks for no rights but those to
 * make something in that directory, which everybody has: who passes an open file on
 * needs no right to open it again. Nothing is made in the pool.
 *
 * G1  The handle has a share in the description (handle->shared) and one of its own,
 *     by which it holds the inode.
 * G2  The kernel has a position of its own for what it opened, and says it with each
 *     request. Who opened it says in the name where that begins: others may move the shared one
 *     meanwhile. Where a request begins where the one before ended, it is taken for a
 *     read() or write() and done at the shared position, which moves. Where it does
 *     not, or another request for the handle is under way (the kernel has one read() or
 *     write() at a time, so one of the two has an offset of its own), it is done where it
 *     says. If the kernel's position is there (position.c) it came there by a seek, and the
 *     shared one follows; if it is not, the offset was pread()'s or pwrite()'s. Where that
 *     can not be found out it is taken for a seek.
 * G3  It is opened for what the description is open for, neither more nor less.
 *
 * What the kernel does not tell: a seek, until something is read or written; and whether
 * pread() begins at the position by chance.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "mount.h"

bool pass_is_dir(fuse_ino_t dir, const char *name)
{
	char good[POOL_PASS_BYTES];

	if (dir != FUSE_ROOT_ID || strncmp(name, POOL_PASS_PREFIX, strlen(POOL_PASS_PREFIX)))
		return false;
	pool_pass_dir(&fuse_pool, good);
	return !strcmp(name, good);
}

void pass_stat(struct stat *st)
{
	*st = (struct stat){.st_ino = PASS_DIR, .st_mode = S_IFDIR | 0333, .st_nlink = 2};
}

void pass_reply_dir(fuse_req_t req)
{
	struct fuse_entry_param e = {.ino = PASS_DIR};

	pass_stat(&e.attr);
	fuse_reply_entry(req, &e);
}

/* Only what can not be opened by libumfs: the other end of a FIFO is the kernel's. */
void pass_lookup(fuse_req_t req, const char *name)
{
	struct fuse_entry_param e;
	struct pool_pass what;
	int err = -ENOENT;

	if (pool_pass_parse(&fuse_pool, name, &what) && what.kind == POOL_PASS_NODE)
		err = entry_fill(what.a, &e);
	if (!err && !S_ISFIFO(e.attr.st_mode))
		err = -ENOENT;
	entry_reply(req, err, what.a);
}

/* What the description is of, read of one piece; its key says whether it still is. */
static int read_ofd(const struct pool_pass *what, umfs_node *node, uint32_t *flags)
{
	struct umfs_ofd_pm *o = NULL;

	if (what->a <= UINT32_MAX)
		o = umfs_ofd(fuse_fs(), (uint32_t)what->a);
	if (!o || ld64(&o->key) != what->b)
		return -ENOENT;
	*node = umfs_node_of(ld32(&o->ino), ld32(&o->generation));
	*flags = ld32(&o->flags);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ld64(&o->key) == what->b ? 0 : -ENOENT;
}

static int share(struct handle *h, const struct pool_pass *what)
{
	uint32_t ofd = (uint32_t)what->a;
	int err = umfs_ofd_join(fuse_fs(), ofd, what->b);

	if (err)
		return err;
	err = umfs_file_init(fuse_fs(), ofd, &h->shared);
	if (!err && umfs_file_node(&h->shared) != umfs_file_node(&h->file))
		err = -EBADF;
	if (err) {
		umfs_ofd_part(fuse_fs(), ofd, what->b);
		return err;
	}
	h->shared_key = what->b;
	return 0;
}

static int make(const struct pool_pass *what, const char *name, struct fuse_file_info *fi,
		struct fuse_entry_param *e)
{
	uint32_t flags;
	umfs_node node;
	int err = read_ofd(what, &node, &flags);

	if (err)
		return err;
	if ((flags & O_ACCMODE) != ((uint32_t)fi->flags & O_ACCMODE))
		return -EACCES;
	err = entry_fill(node, e);
	if (err)
		return err;
	if (!S_ISREG(e->attr.st_mode))
		return -ENOENT;
	err = handle_open(node, fi);
	if (err)
		return err;
	handle_of(fi)->expected = what->pos;
	handle_of(fi)->seen_fd = -1;
	strcpy(handle_of(fi)->name, name); /* it was parsed, so it fits */
	err = share(handle_of(fi), what);
	if (err)
		handle_close(fi);
	return err;
}

int pass_create(const char *name, struct fuse_file_info *fi, struct fuse_entry_param *e)
{
	struct pool_pass what;

	if (!pool_pass_parse(&fuse_pool, name, &what) || what.kind != POOL_PASS_OFD)
		return -EACCES;
	return make(&what, name, fi, e);
}

void pass_part(struct handle *h)
{
	if (h->shared_key)
		umfs_ofd_part(fuse_fs(), h->shared.ofd, h->shared_key);
}

/* ---- data: G2 ---- */

/* A request begins. True: do it at the shared position, which is where it is to be. */
static bool at_shared(struct handle *h, uint64_t off)
{
	bool alone = __atomic_fetch_add(&h->running, 1, __ATOMIC_ACQ_REL) == 0;
	uint64_t expected = __atomic_load_n(&h->expected, __ATOMIC_ACQUIRE);

	return alone && expected == off;
}

static void done(struct handle *h, uint64_t end)
{
	__atomic_store_n(&h->expected, end, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&h->running, 1, __ATOMIC_RELEASE);
}

/* Does anybody have the description but who has the handle? */
static bool has_sharers(const struct handle *h)
{
	const struct umfs *fs = fuse_fs();
	const struct umfs_ofd_pm *o = umfs_ofd_of(&h->shared);
	bool others = __atomic_load_n(&fs->ofd_refs[h->shared.ofd], __ATOMIC_ACQUIRE) != 1;

	for (uint32_t i = 0; o && i < UMFS_ARRAY_LEN(o->slots) && !others; i++) {
		uint64_t own = i == fs->slot / 64 ? 1ull << fs->slot % 64 : 0;

		others = ld64(&o->slots[i]) & ~own;
	}
	return others;
}

/* May it have been at the kernel's position? While it is answered that is where it was before. */
static bool was_at_position(struct handle *h, uint64_t off, pid_t pid)
{
	int64_t pos;

	if (has_sharers(h)) {
		pos = position_find(pid, h->name, &h->seen_fd);
		if (pos >= 0)
			return (uint64_t)pos == off;
	}
	return __atomic_load_n(&h->running, __ATOMIC_ACQUIRE) == 1 ||
	       __atomic_load_n(&h->expected, __ATOMIC_ACQUIRE) == off;
}

/* It was done where it said. The shared position goes there, too, if it may have been for that. */
static int64_t follow(struct handle *h, uint64_t off, int64_t n, pid_t pid)
{
	uint64_t end = off + (uint64_t)(n > 0 ? n : 0);

	if (was_at_position(h, off, pid)) {
		(void)umfs_seek(&h->shared, (int64_t)end, SEEK_SET);
		done(h, end);
	} else {
		__atomic_fetch_sub(&h->running, 1, __ATOMIC_RELEASE);
	}
	return n;
}

static int64_t moved(struct handle *h, uint64_t off, int64_t n)
{
	done(h, off + (uint64_t)(n > 0 ? n : 0));
	return n;
}

int64_t handle_read(struct handle *h, void *buf, uint64_t n, uint64_t off, pid_t pid)
{
	struct umfs_iov iov = {.base = buf, .len = n};

	if (!h->shared_key)
		return umfs_pread(&h->file, buf, n, off);
	if (!at_shared(h, off))
		return follow(h, off, umfs_pread(&h->file, buf, n, off), pid);
	return moved(h, off, umfs_readv(&h->shared, &iov, 1));
}

/* The end is where it is now, whatever the kernel last knew. */
int64_t handle_write(struct handle *h, const void *buf, uint64_t n, uint64_t off, bool append,
		     pid_t pid)
{
	struct umfs_iov iov = {.base = (void *)(uintptr_t)buf, .len = n};
	uint64_t at = off;

	if (!h->shared_key)
		return umfs_pwritev(&h->file, &iov, 1, &at, append);
	if (!at_shared(h, off) && !append)
		return follow(h, off, umfs_pwritev(&h->file, &iov, 1, &at, false), pid);
	return moved(h, off, umfs_writev(&h->shared, &iov, 1));
}
