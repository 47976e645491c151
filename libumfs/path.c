// SPDX-License-Identifier: BSD-3-Clause
/*
 * path.c - whose path is it, and what does it name.
 *
 * Without a mount in the kernel a path is ours when
 *  P1  its text begins with a mount's directory ("//" and "/./" ignored), or
 *  P2  it is relative to a directory of ours, or
 *  P3  it names one of our descriptors in /proc/self/fd or /dev/fd, or
 *  P4  the kernel finds nothing there and symbolic links or ".." lead into a
 *      mount (outer.c), or
 *  P5  it passes a mount's name in the directory that the mount lies in, or ends
 *      in the directory beneath a mount (point.c).
 *  P6  it is relative to a directory of a mount's that was ours until the process had an
 *      io_uring (ring.c), or is empty and that descriptor is meant.
 * It stops being ours where it leaves the mount again; symbolic links are
 * counted over the whole way.
 *
 * P7  What was found is a node (core/umfs.h). When it went away before the call got
 *     at it (-ESTALE), because others rename over the name or remove it, the whole is
 *     done again: umfs_path_call and umfs_path_pair are the one place for that.
 */
#include <sys/stat.h>

#include "module.h"
#include "umfs/ioctl.h"
#include "valgrind.h"

#define SCRATCHES 32u
#define TRIES 256 /* others rename over the very name: each try misses by itself */

static struct scratch scratches[SCRATCHES] __attribute__((aligned(4096)));
static struct {
	uint32_t used;
} __attribute__((aligned(64))) scratch_bits PORT_START;

/* Does not fail: with all in use it waits for one, they are held for microseconds. */
static struct scratch *scratch_get(void)
{
	for (;;) {
		uint32_t used = LOAD_RELAXED(&scratch_bits.used);
		uint32_t bit = ~used & (used + 1);

		if (!bit)
			port_relax();
		else if (__atomic_compare_exchange_n(&scratch_bits.used, &used, used | bit, false,
						     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return &scratches[__builtin_ctz(bit)];
	}
}

/* In a child of fork nobody has any: the thread that forked had none. */
void umfs_path_forked(void)
{
	STORE(&scratch_bits.used, 0);
}

static void scratch_put(struct scratch *sc)
{
	__atomic_fetch_and(&scratch_bits.used, ~(1u << (sc - scratches)), __ATOMIC_RELEASE);
}

struct scratch *umfs_spot_scratch(struct spot *s)
{
	if (!s->scratch)
		s->scratch = scratch_get();
	return s->scratch;
}

void umfs_spot_end(struct spot *s)
{
	if (s->scratch)
		scratch_put(s->scratch);
	s->scratch = NULL;
}

#define FETCH_BYTES 128u

/* Piece by piece; each comes to `to`, at `step` times its place. */
static long fetch(char *to, const char *from, size_t max, size_t step)
{
	size_t most = umfs_on_memcheck() ? 1 : FETCH_BYTES, n = 0;

	while (n < max) {
		/* Never past the page that the end may lie in. */
		size_t part = UMFS_PAGE_BYTES - ((uintptr_t)(from + n) & UMFS_PAGE_MASK);
		char *piece = to + n * step;
		const char *end;

		part = UMFS_MIN(part, UMFS_MIN(max - n, most));
		if (port_copy_out(piece, from + n, part))
			return -EFAULT;
		end = memchr(piece, '\0', part);
		if (end)
			return (long)n + (end - piece);
		n += part;
	}
	return -ENAMETOOLONG;
}

long umfs_path_fetch(char *to, const char *from)
{
	return fetch(to, from, DIR_BYTES, 1);
}

long umfs_string_fetch(char *to, const char *from, size_t max)
{
	return fetch(to, from, max, 1);
}

long umfs_path_length(const char *from)
{
	char piece[FETCH_BYTES];

	return fetch(piece, from, DIR_BYTES, 0);
}

static bool begins(const char *path, const char *with, const char **rest)
{
	size_t n = strlen(with);

	if (strncmp(path, with, n))
		return false;
	*rest = path + n;
	return true;
}

/* What is a link to /proc/self/fd/0 and so on: that, or the path itself. */
static const char *standard_stream(const char *path)
{
	static const char *const names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
	static const char *const links[] = {"/dev/fd/0", "/dev/fd/1", "/dev/fd/2"};

	for (int i = 0; i < 3; i++)
		if (!strcmp(path, names[i]))
			return links[i];
	return path;
}

static bool begins_own_proc(const char *path, const char **rest)
{
	uint64_t pid;

	return begins(path, "/proc/", rest) && umfs_text_number(rest, 10, &pid) &&
	       pid == (uint64_t)sys0(SYS_getpid) && begins(*rest, "/fd/", rest);
}

/* P3: a descriptor's name, and what comes after it. */
static bool names_descriptor(const char *path, int *number, const char **rest)
{
	uint64_t fd;

	path = standard_stream(path);
	if (!begins(path, "/proc/self/fd/", rest) && !begins(path, "/dev/fd/", rest) &&
	    !begins(path, "/proc/thread-self/fd/", rest) && !begins_own_proc(path, rest))
		return false;
	if (!umfs_text_number(rest, 10, &fd) || fd > INT_MAX || (**rest && **rest != '/'))
		return false;
	*number = (int)fd;
	return true;
}

bool umfs_path_own_number(const char *path, int *fd)
{
	char copy[DIR_BYTES];
	const char *rest;

	return umfs_path_fetch(copy, path) > 0 && names_descriptor(copy, fd, &rest) && !*rest;
}

struct start {
	umfs_node node;
	const char *rest;
};

/* The place itself, not something below it. */
static int found_start(struct spot *s, umfs_node node)
{
	s->w.ino = node;
	s->w.attr.ino = 0;
	s->w.parent = 0;
	s->w.name = "";
	s->w.name_len = 0;
	s->w.must_be_dir = false;
	return 0;
}

static int start_at_descriptor(struct spot *s, const struct umfs_file *f, struct start *st)
{
	s->m = umfs_mount_of(f->fs);
	st->node = umfs_file_node(f);
	return umfs_mount_get(s->m);
}

/* At the top of s->m, if that is any. */
static int start_at_mount(struct spot *s, struct start *st)
{
	st->node = UMFS_ROOT_INO;
	s->dir = UMFS_IOC_ROOT;
	return s->m ? umfs_mount_get(s->m) : 0;
}

/* In a directory that is the kernel's to us, and of a pool that the module has. */
static bool start_in_module(struct spot *s, int dirfd, const char *path)
{
	if (likely(!umfs_config.modules) || !*path)
		return false;
	s->m = umfs_module_at(dirfd);
	s->dir = dirfd;
	return s->m;
}

/* P6. The mount is not asked: the kernel knows which file it is, and that is not let go meanwhile. */
static bool start_on_mount(struct spot *s, int dirfd, const char *path, uint32_t flags,
			   struct start *st)
{
	struct stat is;

	if (likely(!LOAD_RELAXED(&umfs_ring_on)) || port_quiet ||
	    sys4(SYS_newfstatat, dirfd, "", &is, AT_EMPTY_PATH | AT_STATX_DONT_SYNC) ||
	    is.st_ino > UINT32_MAX || (*path ? !S_ISDIR(is.st_mode) : !(flags & SPOT_EMPTY)))
		return false;
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (m->mounted && m->dev == is.st_dev && LOAD(&m->state) == MOUNT_LIVE) {
			s->m = m;
			st->node = is.st_ino;
			return true;
		}
	}
	return false;
}

static int start_absolute(struct spot *s, char *path, uint32_t flags, struct start *st)
{
	struct umfs_file f;
	int fd;

	st->node = UMFS_ROOT_INO;
	s->m = umfs_mount_match(path, &st->rest);
	if (!s->m && (LOAD_RELAXED(&umfs_uinfo_count) || umfs_config.modules) &&
	    names_descriptor(path, &fd, &st->rest)) {
		if (umfs_uinfo_read(fd, &f) != UINFO_NONE) {
			if (*st->rest || !(flags & SPOT_NOFOLLOW))
				return start_at_descriptor(s, &f, st);
		} else if (start_in_module(s, fd, st->rest)) {
			return 0;
		}
	}
	if (!s->m)
		s->m = umfs_point_find(AT_FDCWD, path, &st->rest);
	return start_at_mount(s, st);
}

static int start_relative(struct spot *s, int dirfd, char *path, uint32_t flags, struct start *st)
{
	struct umfs_file f;

	st->rest = path;
	st->node = UMFS_ROOT_INO;
	if (dirfd != AT_FDCWD) {
		if (umfs_uinfo_read(dirfd, &f) != UINFO_NONE)
			return start_at_descriptor(s, &f, st);
		if (start_in_module(s, dirfd, path) || start_on_mount(s, dirfd, path, flags, st))
			return 0;
		if (flags & SPOT_PARENT)
			s->m = umfs_point_beneath(dirfd);
	} else {
		umfs_cwd_adopt();
		if (umfs_uinfo_cwd(&f) != UINFO_NONE)
			return start_at_descriptor(s, &f, st);
		if (start_in_module(s, dirfd, path))
			return 0;
		s->m = umfs_mount_match_relative(path, &st->rest);
	}
	if (!s->m)
		s->m = umfs_point_find(dirfd, path, &st->rest);
	return start_at_mount(s, st);
}

/* Out of the mount, after a walk with room: s->path becomes an absolute path outside, or -errno. */
static int escape(struct spot *s)
{
	struct scratch *sc = s->scratch;
	size_t n = 0;
	size_t rest = strlen(s->w.rest);

	if (s->w.above) {
		n = s->m->dir_len;
		while (n && s->m->dir[n - 1] != '/')
			n--;
	}
	if (n + rest >= DIR_BYTES)
		return -ENAMETOOLONG;
	memcpy(sc->path, s->m->dir, n);
	memcpy(sc->path + n, s->w.rest, rest + 1);
	s->path = sc->path;
	s->dirfd = AT_FDCWD;
	s->rewritten = true;
	return 0;
}

static int walk_inside(struct spot *s, const struct start *st, const struct umfs_cred *cred,
		       uint32_t wflags)
{
	const char *rest = *st->rest ? st->rest : ".";
	int ret;

	if (unlikely(s->m->module)) {
		s->w.rest = umfs_spot_scratch(s)->room;
		s->rest = rest;
		return umfs_module_walk(s, wflags);
	}
	do {
		s->w.rest = s->scratch ? s->scratch->room : NULL;
		ret = umfs_walk(umfs_mount_fs(s->m), cred, st->node, rest, wflags, &s->w);
	} while (ret == UMFS_WALK_NO_ROOM && umfs_spot_scratch(s));
	return ret;
}

/* From a start inside a mount to the end, which may be outside. */
static int walk(struct spot *s, struct start st, uint32_t flags)
{
	struct umfs_cred cred;
	uint32_t wflags = (flags & SPOT_NOFOLLOW ? UMFS_WALK_NOFOLLOW : 0) |
			  (flags & SPOT_PARENT ? UMFS_WALK_PARENT : 0) |
			  (flags & SPOT_NAME ? UMFS_WALK_NAME : 0);

	umfs_cred_get(&cred);
	for (int i = 0; i <= 40; i++) {
		int err;

		while (*st.rest == '/')
			st.rest++;
		err = walk_inside(s, &st, &cred, wflags);
		if (err != UMFS_WALK_ESCAPED)
			return err;
		err = escape(s);
		if (err)
			return err;
		s->m = NULL;
		err = start_absolute(s, s->scratch->path, flags, &st);
		if (err || !s->m)
			return err;
	}
	return -ELOOP;
}

/* The caller's path, to where it may be worked on. NULL: s->unread says why. */
static char *take_path(struct spot *s, const char *path)
{
	char *copy = s->text;
	long n = fetch(copy, path, sizeof(s->text), 1);

	if (n == -ENAMETOOLONG) {
		copy = umfs_spot_scratch(s)->path;
		n = umfs_path_fetch(copy, path);
	}
	s->given = copy;
	s->unread = (int)UMFS_MIN(n, 0);
	return n < 0 ? NULL : copy;
}

int umfs_spot_find(struct spot *s, int dirfd, const char *path, uint32_t flags)
{
	struct start st = {0, NULL};
	char *copy;
	int err;

	s->m = NULL;
	s->dirfd = dirfd;
	s->path = path;
	s->rewritten = false;
	s->scratch = NULL;
	s->w.links = 0;
	copy = take_path(s, path);
	if (!copy) /* What is wrong with it is the kernel's to say. */
		return 0;
	err = *copy == '/' ? start_absolute(s, copy, flags, &st) :
			     start_relative(s, dirfd, copy, flags, &st);
	if (err || !s->m)
		return err;
	if (!*copy)
		return flags & SPOT_EMPTY ? found_start(s, st.node) : -ENOENT;
	if (!*st.rest && st.node != UMFS_ROOT_INO)
		return found_start(s, st.node); /* P3 */
	return walk(s, st, flags);
}

bool umfs_spot_doubtful(long ret)
{
	return ret == -ENOENT || ret == -ENOTDIR || ret == -EACCES || ret == -EROFS;
}

bool umfs_spot_outer(struct spot *s, int dirfd, const char *path, uint32_t flags, int *ret)
{
	struct start st = {0, NULL};
	struct mount *m;
	int entered;

	if (s->unread)
		return false;
	if (path != umfs_spot_scratch(s)->path && umfs_path_fetch(s->scratch->path, path) < 0)
		return false;
	s->given = s->scratch->path;
	entered = umfs_outer_enter(s->scratch, dirfd, s->scratch->path, flags, &s->w.links, &m,
				   &st.rest);
	if (entered <= 0) {
		*ret = entered;
		return entered < 0;
	}
	s->m = m;
	*ret = start_at_mount(s, &st);
	if (!*ret)
		*ret = walk(s, st, flags);
	return true;
}

/* The top directory of s->m itself. */
static int found_top(struct spot *s)
{
	int err = umfs_mount_get(s->m);

	s->given = "/";
	if (err || !s->m->module)
		return err ? err : found_start(s, UMFS_ROOT_INO);
	s->dir = UMFS_IOC_ROOT;
	s->rest = ".";
	return umfs_module_walk(s, 0);
}

/*
 * The kernel's answer, unless the path leads into a mount: then *again. Asked
 * without the guard and without working memory, since the call may block, be
 * cancelled or be left by a signal handler's jump.
 */
static long ask_kernel(struct spot *s, int dirfd, const char *path, uint32_t flags,
		       kernel_fn kernel, struct path_args *a, bool *again, int *err)
{
	long ret;

	umfs_spot_end(s);
	umfs_guard_leave();
	ret = kernel(dirfd, path, a);
	umfs_guard_enter();
	s->m = umfs_point_mount(ret);
	if (s->m) {
		*err = found_top(s);
		return *err;
	}
	if (a->plain)
		flags |= SPOT_PLAIN;
	*again = umfs_spot_doubtful(ret) && umfs_spot_outer(s, dirfd, path, flags, err);
	return ret;
}

static __attribute__((noinline)) long ask_rewritten(struct spot *s, uint32_t flags,
						    kernel_fn kernel, struct path_args *a,
						    bool *again, int *err)
{
	char path[DIR_BYTES];

	memcpy(path, s->path, strlen(s->path) + 1);
	return ask_kernel(s, AT_FDCWD, path, flags, kernel, a, again, err);
}

static long serve(struct spot *s, uint32_t flags, spot_fn ours, struct path_args *a)
{
	if (unlikely(s->m->module) && !(flags & SPOT_MODULE))
		return umfs_refuse(REPORT_NO_MODULE, EOPNOTSUPP);
	return ours(s, a);
}

static long call_once(int dirfd, const char *path, uint32_t flags, spot_fn ours,
		      kernel_fn kernel, struct path_args *a)
{
	struct spot s;
	int err = umfs_spot_find(&s, dirfd, path, flags);
	long ret = err;
	bool again = true;

	/* Each time round follows a link at least, and those are counted. */
	while (!err && !s.m && again)
		ret = s.rewritten ? ask_rewritten(&s, flags, kernel, a, &again, &err) :
				    ask_kernel(&s, dirfd, path, flags, kernel, a, &again, &err);
	if (err)
		ret = err;
	else if (s.m)
		ret = serve(&s, flags, ours, a);
	if (s.m && ret == -ESTALE)
		ret = SPOT_AGAIN;
	umfs_report_count_begun(s.m ? REPORT_SERVED : REPORT_PASSED);
	umfs_spot_end(&s);
	return ret;
}

long (umfs_path_call)(int dirfd, const char *path, uint32_t flags, spot_fn ours, kernel_fn kernel,
		    struct path_args *a)
{
	long ret = SPOT_AGAIN;

	if (!umfs_ready())
		return kernel(dirfd, path, a);
	umfs_guard_enter();
	for (int i = 0; i < TRIES && ret == SPOT_AGAIN; i++)
		ret = call_once(dirfd, path, flags, ours, kernel, a);
	umfs_guard_leave();
	return ret == SPOT_AGAIN ? -ENOENT : ret;
}

/* A mount's own directory: on -EXDEV programs would copy it and remove what was in it. */
static bool is_top(const struct spot *s)
{
	return s->m && (uint32_t)s->w.ino == UMFS_ROOT_INO && !s->w.name_len;
}

/* The last name is missing; is what it would be in? */
static long parent_error(struct spot *s)
{
	char *dir = umfs_spot_scratch(s)->outer[0];
	size_t n = strlen(s->path);
	struct stat st;

	while (n && s->path[n - 1] == '/')
		n--;
	while (n && s->path[n - 1] != '/')
		n--;
	memcpy(dir, s->path, n);
	memcpy(dir + n, ".", 2);
	return sys4(SYS_newfstatat, s->dirfd, dir, &st, 0);
}

/*
 * What the kernel finds wrong with a path of its own, when it is not asked to do the
 * call; 0 where only the last name is missing and may be.
 */
static long foreign_error(struct spot *s, uint32_t flags)
{
	int at = (flags & SPOT_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) |
		 (flags & SPOT_EMPTY ? AT_EMPTY_PATH : 0);
	struct stat st;
	long err;

	if (s->unread)
		return s->unread;
	err = sys4(SYS_newfstatat, s->dirfd, s->path, &st, at);
	return err == -ENOENT && (flags & SPOT_PARENT) && *s->path ? parent_error(s) : err;
}

static bool foreign_there(const struct spot *s)
{
	struct stat st;

	return !sys4(SYS_newfstatat, s->dirfd, s->path, &st, AT_SYMLINK_NOFOLLOW);
}

/* The other path is ours, or wrong: does this one lead into a mount, or is it wrong? */
static long look_again(struct spot *s, int dirfd, const char *path, uint32_t flags)
{
	int err = 0;

	if (s->m)
		return 0;
	if (!s->unread && umfs_spot_outer(s, dirfd, path, flags, &err))
		return err;
	return foreign_error(s, flags);
}

/* One of the two at least is not the kernel's to serve: as it would, the first before the second. */
static long pair_mixed(const struct path_pair *p, struct spot *from, struct spot *to, long err,
		       pair_fn ours, struct path_args *a)
{
	long ret = look_again(from, from->dirfd, from->path, p->from_flags);

	if (!ret)
		ret = err;
	if (!ret)
		ret = look_again(to, to->dirfd, to->path, p->to_flags);
	if (ret)
		return ret;
	if (from->m == to->m)
		return ours(from, to, a);
	/* A link is made before it is asked whether that is across file systems. */
	if (!(p->from_flags & SPOT_PARENT) && (to->m ? to->w.ino != 0 : foreign_there(to)))
		return -EEXIST;
	if (is_top(from) || is_top(to))
		return -EBUSY;
	/* What is open in such a pool is the kernel's, and its name in /proc too. */
	if (to->m && to->m->module && !(p->from_flags & SPOT_PARENT))
		return umfs_module_link_open(from, p->from_flags, to);
	return -EXDEV;
}

static long pair_kernel(const struct spot *from, const struct spot *to, kernel_pair_fn kernel,
			struct path_args *a)
{
	struct path_pair k = {.from_dirfd = from->dirfd, .to_dirfd = to->dirfd};

	k.from = from->path;
	k.to = to->path;
	return kernel(&k, a);
}

/* The kernel found neither: does either lead into a mount? *err is the second's. */
static bool pair_outer(const struct path_pair *p, struct spot *from, struct spot *to, long *err)
{
	int first = 0, second = 0;

	umfs_spot_outer(from, from->dirfd, from->path, p->from_flags, &first);
	umfs_spot_outer(to, to->dirfd, to->path, p->to_flags, &second);
	*err = first ? first : second;
	return *err || from->m || to->m;
}

static long pair_once(const struct path_pair *p, pair_fn ours, kernel_pair_fn kernel,
		      struct path_args *a)
{
	struct spot from, to;
	bool kernels;
	long ret;

	to.scratch = NULL;
	to.m = NULL;
	ret = umfs_spot_find(&from, p->from_dirfd, p->from, p->from_flags);
	/* Before the second is looked at, which may leave traces in links. */
	if (!ret && !from.m && !from.unread && from.dirfd != AT_FDCWD &&
	    (from.path[0] ? from.path[0] != '/' : !!(p->from_flags & SPOT_EMPTY)))
		ret = UMFS_MIN(sys3(SYS_fcntl, from.dirfd, F_GETFD, 0), 0l);
	if (!ret && from.unread) {
		ret = kernel(p, a);
	} else if (!ret) {
		long err = umfs_spot_find(&to, p->to_dirfd, p->to, p->to_flags);

		kernels = !err && !from.m && !to.m;
		if (kernels)
			ret = pair_kernel(&from, &to, kernel, a);
		if (!kernels || (umfs_spot_doubtful(ret) && pair_outer(p, &from, &to, &err)))
			ret = pair_mixed(p, &from, &to, err, ours, a);
	}
	if ((from.m || to.m) && ret == -ESTALE)
		ret = SPOT_AGAIN;
	umfs_report_count_begun(from.m || to.m ? REPORT_SERVED : REPORT_PASSED);
	umfs_spot_end(&from);
	umfs_spot_end(&to);
	return ret;
}

long (umfs_path_pair)(const struct path_pair *p, pair_fn ours, kernel_pair_fn kernel,
		    struct path_args *a)
{
	long ret = SPOT_AGAIN;

	if (!umfs_ready())
		return kernel(p, a);
	umfs_guard_enter();
	for (int i = 0; i < TRIES && ret == SPOT_AGAIN; i++)
		ret = pair_once(p, ours, kernel, a);
	umfs_guard_leave();
	return ret == SPOT_AGAIN ? -ENOENT : ret;
}
