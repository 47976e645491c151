// SPDX-License-Identifier: BSD-3-Clause
/*
 * module.c - pools that the kernel module has: LIBUMFS_MOUNT=DIR=/dev/umfs/NAME.
 *
 * Such a pool is not mapped here, and core does not run on it: the module is asked by
 * ioctl (include/umfs/ioctl.h), and checks the rights of who asks.
 *
 *  D1  What is open there, and a working directory there, is the kernel's own: U-Info does
 *      not know of it and all hooks leave it to the kernel, but for pread, which may find what
 *      it reads mapped (share.c). So fork, exec, messages,
 *      mappings, locks and positions need nothing from here. Nothing is kept but the
 *      descriptor of the pool's node, which the next image opens anew.
 *  D2  Whose path it is, is found out as for any pool (path.c), with the module's walk in
 *      place of core's.
 *  D3  What the walk says is for errors and attributes only. What is done then is asked for
 *      by the same path, which the module walks again: it may lead elsewhere by then, as it
 *      may between any two calls. Where it leaves the pool by then, all is done again.
 *  D4  The node's number may be closed and be something else by the time it is used, since
 *      programs close what is not theirs. So each call that leads into the pool looks what it
 *      is, and opens the node again where it is not that. The child of posix_spawn, which
 *      has descriptors of its own but its parent's memory, gives back what that says of them.
 *  D5  A descriptor that is only there for a call is opened and closed in the gate that fork
 *      waits for, so that no child of another thread's keeps it.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "module.h"
#include "share.h"
#include "umfs/ioctl.h"

_Static_assert(UMFS_IOC_CWD == AT_FDCWD, "s->dir is a descriptor as programs give it");
_Static_assert(UMFS_IOC_REST_BYTES <= UMFS_WALK_ROOM, "what remains fits in the working memory");

#define TMPFILE_ONLY (O_TMPFILE & ~O_DIRECTORY)
/* What open(2) knows; it is silent of all other bits. */
#define OPEN_FLAGS                                                                         \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | \
	 FASYNC | O_DIRECT | 0100000 | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |     \
	 O_PATH | O_TMPFILE)

static struct umfs_ioc_path path_of(int dir, const char *text)
{
	struct umfs_ioc_path p = {.text = (uintptr_t)text, .bytes = (uint32_t)strlen(text), .dir = dir};

	return p;
}

static struct umfs_ioc_path spot_path(const struct spot *s)
{
	return path_of(s->dir, s->rest);
}

static long ask(const struct mount *m, unsigned long request, void *arg)
{
	return sys3(SYS_ioctl, m->node, request, arg);
}

/* What was walked to is asked for again: D3. */
static long ask_again(const struct spot *s, unsigned long request, void *arg)
{
	long ret = ask(s->m, request, arg);

	return ret == -EXDEV ? SPOT_AGAIN : ret;
}

/* ---- the pool ---- */

static long open_top(const struct mount *m)
{
	struct umfs_ioc_open a = {.path = path_of(UMFS_IOC_ROOT, "/"),
				  .flags = O_PATH | O_DIRECTORY | O_CLOEXEC};
	long err = ask(m, UMFS_IOC_OPEN, &a);

	return err ? err : a.fd;
}

static int learn_device(struct mount *m)
{
	struct stat st;
	long fd = open_top(m), err;

	if (fd < 0)
		return (int)fd;
	err = sys2(SYS_fstat, fd, &st);
	sys1(SYS_close, fd);
	m->dev = st.st_dev;
	return (int)err;
}

bool umfs_module_has_node(const struct mount *m)
{
	struct stat st;

	return !sys2(SYS_fstat, LOAD_RELAXED(&m->node), &st) && st.st_dev == m->node_dev &&
	       st.st_ino == m->node_ino;
}

static int open_node(const struct mount *m)
{
	long fd = sys4(SYS_openat, AT_FDCWD, umfs_pool_path(m), O_RDONLY | O_CLOEXEC, 0);
	int high;

	if (fd < 0)
		return (int)fd;
	high = umfs_place_high((int)fd);
	sys1(SYS_close, fd);
	return high;
}

static int learn_node(struct mount *m, int node)
{
	struct stat st;
	long err = sys2(SYS_fstat, node, &st);

	if (err)
		return (int)err;
	m->node_dev = st.st_dev;
	m->node_ino = st.st_ino;
	return 0;
}

/* Two directories for one pool: which of them a descriptor is in could not be told. */
static bool is_elsewhere(const struct mount *m)
{
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		const struct mount *o = &umfs_mounts[i];

		if (o != m && LOAD(&o->state) == MOUNT_MODULE && o->dev == m->dev)
			return true;
	}
	return false;
}

/* Of the parent, whose memory this is. */
static void keep_what_was(struct mount *m)
{
	if (!umfs_guard_self.spawning || m->lent)
		return;
	m->lent = true;
	m->lent_node = m->node;
	m->lent_state = m->state;
}

int umfs_module_attach(struct mount *m)
{
	int node, err;

	keep_what_was(m);
	node = open_node(m);
	if (node < 0)
		return node;
	STORE(&m->node, node);
	m->slots = NULL;
	err = learn_node(m, node);
	if (!err)
		err = learn_device(m);
	if (!err && is_elsewhere(m))
		err = -EBUSY;
	if (err)
		sys1(SYS_close, node);
	return err;
}

/* ---- pools that are mounted ---- */

struct mount *umfs_kernel_mount(uint64_t dev)
{
	for (uint32_t i = 0; i < umfs_config.kernel_count; i++)
		if (umfs_kernel_mounts[i].dev == dev)
			return &umfs_kernel_mounts[i];
	return NULL;
}

static bool is_kernel_mount(const struct mount *m)
{
	return m >= umfs_kernel_mounts && m < umfs_kernel_mounts + MOUNTS_MAX;
}

/* Only where something is asked of it, which short programs never do. */
bool umfs_module_reach(struct mount *m)
{
	int node;

	if (umfs_module_has_node(m))
		return true;
	if (!is_kernel_mount(m))
		return false;
	node = open_node(m);
	if (node < 0)
		return false;
	if (learn_node(m, node)) {
		sys1(SYS_close, node);
		return false;
	}
	m->slots = NULL; /* the node's as it was opened before */
	STORE(&m->node, node);
	STORE(&m->state, MOUNT_MODULE);
	return true;
}

void umfs_module_opened(int fd, int flags)
{
	struct mount *m;
	struct stat st;

	if ((flags & (O_PATH | O_DIRECTORY)) || !umfs_flags_read((uint32_t)flags) || port_quiet ||
	    sys2(SYS_fstat, fd, &st) || !S_ISREG(st.st_mode))
		return;
	m = umfs_kernel_mount(st.st_dev);
	if (!m)
		return;
	umfs_guard_enter();
	umfs_share_opened(fd, m, umfs_flags_write((uint32_t)flags) && !(flags & O_APPEND));
	umfs_guard_leave();
}

/* In a sandbox nothing is looked at: a file's number may be all that it lets one ask of. */
int umfs_module_again(struct mount *m)
{
	int err = 0;

	if (port_quiet || likely(umfs_module_has_node(m)))
		return 0;
	umfs_guard_enter();
	umfs_local_lock(LOCK_ATTACH);
	if (!umfs_module_has_node(m))
		err = umfs_module_attach(m);
	umfs_local_unlock(LOCK_ATTACH);
	umfs_guard_leave();
	return err;
}

void umfs_module_spawned(void)
{
	if (!umfs_config.modules)
		return;
	umfs_guard_enter();
	umfs_local_lock(LOCK_ATTACH);
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (!m->lent)
			continue;
		m->lent = false;
		STORE(&m->state, m->lent_state);
		STORE(&m->node, m->lent_node);
	}
	umfs_local_unlock(LOCK_ATTACH);
	umfs_guard_leave();
}

const char *umfs_module_strerror(int err)
{
	switch (err) {
	case -ENOENT:
		return "no pool is attached by that name (umfs attach)";
	case -ENXIO:
	case -ENODEV:
		return "the pool is being detached";
	case -EACCES:
	case -EPERM:
		return "permission denied";
	case -ENOTTY:
	case -EINVAL:
		return "not a pool, or one of a kernel module of another version";
	case -EMFILE:
	case -ENFILE:
		return "no descriptor left";
	case -EBUSY:
		return "another of the directories in LIBUMFS_MOUNT is this pool already";
	default:
		return "the kernel module can not serve it";
	}
}

static bool on_some_pool(int dirfd)
{
	struct statfs st;

	return !(dirfd == AT_FDCWD ? sys2(SYS_statfs, ".", &st) : sys2(SYS_fstatfs, dirfd, &st)) &&
	       (uint32_t)st.f_type == UMFS_IOC_FS_MAGIC;
}

/*
 * A pool that was not used yet is attached only where there is one, so that nothing is said of it.
 * In a sandbox libc's own calls are all that one may count on: it is asked only by programs that
 * had been in such directories before.
 */
struct mount *umfs_module_at(int dirfd)
{
	static uint32_t any; /* was found before */
	struct stat st;

	if ((port_quiet && !LOAD_RELAXED(&any)) ||
	    sys4(SYS_newfstatat, dirfd, "", &st, AT_EMPTY_PATH) || major(st.st_dev))
		return NULL;
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (m->module && LOAD(&m->state) == MOUNT_IDLE && on_some_pool(dirfd))
			(void)umfs_mount_get(m);
		if (LOAD(&m->state) != MOUNT_MODULE || m->dev != st.st_dev)
			continue;
		STORE(&any, 1);
		return umfs_module_again(m) ? NULL : m;
	}
	return NULL;
}

/* ---- the walk ---- */

static void take_attr(struct umfs_attr *to, const struct umfs_ioc_attr *from)
{
	*to = (struct umfs_attr){
		.ino = (uint32_t)from->ino,
		.generation = from->generation,
		.mode = from->mode,
		.uid = from->uid,
		.gid = from->gid,
		.nlink = from->nlink,
		.rdev = from->rdev,
		.size = from->size,
		.blocks_512 = from->blocks,
		.atime_ns = from->atime_ns,
		.mtime_ns = from->mtime_ns,
		.ctime_ns = from->ctime_ns,
		.btime_ns = from->btime_ns,
	};
}

int umfs_module_walk(struct spot *s, uint32_t wflags)
{
	struct umfs_ioc_walk a = {.path = spot_path(s),
				  .flags = (wflags & UMFS_WALK_NOFOLLOW ? UMFS_IOC_NOFOLLOW : 0) |
					   (wflags & UMFS_WALK_PARENT ? UMFS_IOC_PARENT : 0),
				  .links = s->w.links,
				  .rest = (uintptr_t)s->w.rest};
	long err = ask(s->m, UMFS_IOC_WALK, &a);

	if (err)
		return (int)err;
	s->w.links = a.links;
	s->w.above = a.left == UMFS_IOC_LEFT_ABOVE;
	if (a.left)
		return UMFS_WALK_ESCAPED;
	take_attr(&s->w.attr, &a.attr);
	s->w.ino = a.attr.ino ? umfs_node_of(s->w.attr.ino, s->w.attr.generation) : 0;
	s->w.name_len = a.name_bytes;
	s->w.must_be_dir = a.must_be_dir;
	return 0;
}

/* ---- names ---- */

long umfs_module_open(const struct spot *s, int flags, mode_t mode)
{
	struct umfs_ioc_open a = {.path = spot_path(s),
				  .flags = (uint32_t)(flags & OPEN_FLAGS),
				  .mode = flags & (O_CREAT | TMPFILE_ONLY) ? mode & 07777 : 0};
	long err = ask_again(s, UMFS_IOC_OPEN, &a);

	if (err)
		return err;
	if (S_ISREG(a.attr.mode) && umfs_flags_read(a.flags) && !(flags & O_PATH))
		umfs_share_opened(a.fd, s->m, umfs_flags_write(a.flags) && !(flags & O_APPEND));
	return a.fd;
}

long umfs_module_mkdir(const struct spot *s, mode_t mode)
{
	struct umfs_ioc_mkdir a = {.path = spot_path(s), .mode = mode & 07777};

	return ask_again(s, UMFS_IOC_MKDIR, &a);
}

long umfs_module_mknod(const struct spot *s, mode_t mode, dev_t rdev)
{
	struct umfs_ioc_mknod a = {.path = spot_path(s),
				   .mode = mode & S_IFMT ? mode : mode | S_IFREG,
				   .rdev = rdev};

	return ask_again(s, UMFS_IOC_MKNOD, &a);
}

long umfs_module_unlink(const struct spot *s, int flags)
{
	struct umfs_ioc_unlink a = {.path = spot_path(s),
				    .flags = flags & AT_REMOVEDIR ? UMFS_IOC_REMOVEDIR : 0};

	return ask_again(s, UMFS_IOC_UNLINK, &a);
}

long umfs_module_rename(const struct spot *from, const struct spot *to, uint32_t flags)
{
	struct umfs_ioc_rename a = {.from = spot_path(from), .to = spot_path(to), .flags = flags};

	return ask_again(from, UMFS_IOC_RENAME, &a);
}

long umfs_module_link(const struct spot *from, const struct spot *to, bool follow)
{
	struct umfs_ioc_link a = {.from = spot_path(from),
				  .to = spot_path(to),
				  .flags = follow ? UMFS_IOC_FOLLOW : 0};

	return ask_again(from, UMFS_IOC_LINK, &a);
}

static long link_fd(const struct spot *to, struct umfs_ioc_link *a)
{
	struct stat st;
	long err = sys2(SYS_fstat, a->from.dir, &st);

	if (err)
		return err;
	return st.st_dev == to->m->dev ? ask_again(to, UMFS_IOC_LINK, a) : -EXDEV;
}

long umfs_module_link_open(const struct spot *from, uint32_t from_flags, const struct spot *to)
{
	struct umfs_ioc_link a = {.to = spot_path(to), .flags = UMFS_IOC_EMPTY};
	int how = O_PATH | O_CLOEXEC | (from_flags & SPOT_NOFOLLOW ? O_NOFOLLOW : 0);
	bool itself = from_flags & SPOT_EMPTY && !*from->path;
	long fd, err;

	umfs_opens_enter();
	fd = itself ? from->dirfd : sys4(SYS_openat, from->dirfd, from->path, how, 0);
	a.from.dir = (int32_t)fd;
	err = fd < 0 ? fd : link_fd(to, &a);
	if (!itself && fd >= 0)
		sys1(SYS_close, fd);
	umfs_opens_leave();
	return err;
}

long umfs_module_symlink(const struct spot *s, const char *target)
{
	struct umfs_ioc_symlink a = {.target = path_of(UMFS_IOC_ROOT, target), .path = spot_path(s)};

	return ask_again(s, UMFS_IOC_SYMLINK, &a);
}

long umfs_module_readlink(const struct spot *s, char *buf, size_t size)
{
	struct umfs_ioc_readlink a = {.path = spot_path(s),
				      .buf = (uintptr_t)buf,
				      .bytes = (uint32_t)UMFS_MIN(size, (size_t)INT_MAX)};
	long err = ask_again(s, UMFS_IOC_READLINK, &a);

	return err ? err : (long)a.done;
}

/* ---- attributes ---- */

/* Of the very thing that was walked to: that is no link, or one that is meant itself. */
static long set_attr(const struct spot *s, struct umfs_ioc_setattr *a)
{
	a->path = spot_path(s);
	if (S_ISLNK(s->w.attr.mode))
		a->flags = UMFS_IOC_NOFOLLOW;
	return ask_again(s, UMFS_IOC_SETATTR, a);
}

long umfs_module_truncate(const struct spot *s, off_t size)
{
	struct umfs_ioc_setattr a = {.what = UMFS_IOC_SET_SIZE, .size = (uint64_t)size};

	return set_attr(s, &a);
}

long umfs_module_chmod(const struct spot *s, mode_t mode)
{
	struct umfs_ioc_setattr a = {.what = UMFS_IOC_SET_MODE, .mode = mode};

	return set_attr(s, &a);
}

long umfs_module_chown(const struct spot *s, uid_t uid, gid_t gid)
{
	struct umfs_ioc_setattr a = {.what = UMFS_IOC_SET_OWNER, .uid = uid, .gid = gid};

	return set_attr(s, &a);
}

static struct umfs_ioc_time time_of(const struct timespec *ts)
{
	uint64_t nsec = (uint64_t)ts->tv_nsec;

	return (struct umfs_ioc_time){.sec = ts->tv_sec,
				      .nsec = (uint32_t)UMFS_MIN(nsec, (uint64_t)UINT32_MAX)};
}

long umfs_module_utimens(const struct spot *s, const struct timespec *times)
{
	static const struct timespec now = {.tv_nsec = UTIME_NOW};
	struct umfs_ioc_setattr a = {.what = UMFS_IOC_SET_TIMES,
				     .atime = time_of(times ? &times[0] : &now),
				     .mtime = time_of(times ? &times[1] : &now)};

	return set_attr(s, &a);
}

/* ---- what is done by a descriptor ---- */

/* A system call on what was walked to, whose first argument is a descriptor of that: D5. */
static long call_by(const struct spot *s, int flags, long nr, long b, long c, long d, long e)
{
	long fd, err;

	umfs_opens_enter();
	fd = umfs_module_open(s, flags | O_CLOEXEC, 0);
	err = fd < 0 ? fd : sys6(nr, fd, b, c, d, e, 0);
	if (fd >= 0)
		sys1(SYS_close, fd);
	umfs_opens_leave();
	return err;
}

/* Of the very thing that was walked to: that is no link, or one that is meant itself. */
static int by_path(const struct spot *s)
{
	return O_PATH | O_NOFOLLOW * S_ISLNK(s->w.attr.mode);
}

static void name_of_fd(char name[40], long fd)
{
	struct text t;

	umfs_text_init(&t, name, 40);
	umfs_text_add(&t, "/proc/self/fd/");
	umfs_text_dec(&t, (uint64_t)fd);
}

long umfs_module_access(const struct spot *s, int mode, int flags)
{
	return call_by(s, by_path(s), SYS_faccessat2, SYS_ARG(""), mode,
		       (flags & AT_EACCESS) | AT_EMPTY_PATH, 0);
}

long umfs_module_statfs(const struct spot *s, struct statfs *st)
{
	return call_by(s, by_path(s), SYS_fstatfs, SYS_ARG(st), 0, 0, 0);
}

bool umfs_module_is_fifo(const struct spot *s, int flags)
{
	return s->w.ino && S_ISFIFO(s->w.attr.mode) && !(flags & O_PATH) &&
	       (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
}

long umfs_module_open_path(const struct spot *s)
{
	return umfs_module_open(s, by_path(s) | O_CLOEXEC, 0);
}

/* D5 can not be kept while others are waited for: a child may inherit path_fd, to no effect. */
long umfs_module_open_fifo(int path_fd, int flags)
{
	char name[40];
	long fd;

	name_of_fd(name, path_fd);
	fd = umfs_cancel_call(SYS_openat, AT_FDCWD, SYS_ARG(name),
			      flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW), 0, 0, 0);
	sys1(SYS_close, path_fd);
	return fd;
}

long umfs_module_xattr(const struct spot *s, const struct module_xattr *x)
{
	struct umfs_ioc_xattr a = {
		.path = spot_path(s),
		.name = (uintptr_t)x->name,
		.name_bytes = (uint32_t)x->name_len,
		.value = (uintptr_t)x->value,
		.bytes = (uint32_t)UMFS_MIN(x->size, (size_t)INT_MAX),
		.flags = (x->follow ? 0 : UMFS_IOC_NOFOLLOW) |
			 (x->flags & UMFS_XATTR_CREATE ? UMFS_IOC_XATTR_CREATE : 0) |
			 (x->flags & UMFS_XATTR_REPLACE ? UMFS_IOC_XATTR_REPLACE : 0),
	};
	bool answers = x->request == UMFS_IOC_GETXATTR || x->request == UMFS_IOC_LISTXATTR;
	long err = ask_again(s, x->request, &a);

	return err ? err : answers ? (long)a.bytes : 0;
}

/* ---- the working directory ---- */

long umfs_module_chdir(const struct spot *s)
{
	return call_by(s, O_PATH | O_DIRECTORY, SYS_fchdir, 0, 0, 0, 0);
}

/* Without the gate: who adopts a directory is in it. */
long umfs_module_chdir_top(struct mount *m)
{
	long fd = open_top(m), err;

	if (fd < 0)
		return fd;
	err = sys1(SYS_fchdir, fd);
	sys1(SYS_close, fd);
	return err;
}

long umfs_module_getcwd(const struct mount *m, char *buf, size_t size)
{
	struct umfs_ioc_where a = {.path = path_of(UMFS_IOC_CWD, ".")};
	size_t n = m->dir_len;
	long err;

	if (size <= n + 1)
		return -ERANGE;
	a.buf = (uintptr_t)buf + n;
	a.bytes = (uint32_t)UMFS_MIN(size - n - 1, (size_t)INT_MAX);
	err = ask(m, UMFS_IOC_WHERE, &a);
	if (err)
		return err;
	memcpy(buf, m->dir, n);
	if (a.done > 1)
		n += a.done;
	buf[n] = '\0';
	return (long)n + 1;
}
