// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_out.c - what the kernel would have to do with files of ours by itself.
 *
 * It hands descriptors to other processes (SCM_RIGHTS), binds sockets to names
 * and tells of changes (inotify). It does not know our files, so all of that is
 * refused rather than done to a placeholder or beneath a mount. Where the pool is mounted,
 * what is handed over is the mount's (pass.c), and so is a socket's name.
 */
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hooks.h"
#include "path.h"

#define SOME_FDS 16u
#define CONTROL_BYTES 4096u /* the most that the kernel takes is about a quarter of it */
#define SENT_FDS 253u	    /* SCM_MAX_FD */

/* ---- descriptors in messages ---- */

static bool any_ours(const char *at, size_t bytes)
{
	int fds[SOME_FDS];

	for (size_t done = 0; done < bytes; done += sizeof(fds)) {
		size_t n = UMFS_MIN(bytes - done, sizeof(fds));

		if (port_copy_out(fds, at + done, n))
			return false;
		for (size_t i = 0; i < n / sizeof(int); i++)
			if (umfs_uinfo_ours(fds[i]))
				return true;
	}
	return false;
}

/* What of it can not be read, or is malformed, the kernel says. */
static bool passes_ours(const struct msghdr *user)
{
	struct msghdr msg;
	struct cmsghdr c;

	if (port_copy_out(&msg, user, sizeof(msg)))
		return false;
	for (size_t off = 0; msg.msg_controllen >= sizeof(c) &&
			     off <= msg.msg_controllen - sizeof(c);
	     off += CMSG_ALIGN(c.cmsg_len)) {
		const char *at = (const char *)msg.msg_control + off;

		if (port_copy_out(&c, at, sizeof(c)) || c.cmsg_len < sizeof(c) ||
		    c.cmsg_len > msg.msg_controllen - off)
			return false;
		if (c.cmsg_level == SOL_SOCKET && c.cmsg_type == SCM_RIGHTS &&
		    any_ours(at + sizeof(c), c.cmsg_len - sizeof(c)))
			return true;
	}
	return false;
}

struct sent {
	uint64_t control[CONTROL_BYTES / 8];
	int fds[SENT_FDS]; /* the mount's, ours to close */
	uint32_t count;
};

/* One descriptor in the copy of the message. */
static long replace(struct sent *s, int *fd)
{
	long mount;

	if (!umfs_uinfo_ours(*fd))
		return 0;
	if (s->count == SENT_FDS)
		return -EINVAL;
	mount = umfs_pass_open(*fd, "sendmsg");
	if (mount < 0)
		return mount;
	s->fds[s->count++] = (int)mount;
	*fd = (int)mount;
	return 0;
}

/* Does it lie in the message wholly? Else the kernel says what is wrong. */
static bool whole(const struct msghdr *msg, const struct cmsghdr *c)
{
	const char *end = (const char *)msg->msg_control + msg->msg_controllen;

	return c->cmsg_len >= CMSG_LEN(0) && c->cmsg_len <= (size_t)(end - (const char *)c);
}

static long replace_all(struct sent *s, struct msghdr *msg)
{
	long err = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c && whole(msg, c) && !err;
	     c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; !err && i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			err = replace(s, &fd);
			memcpy(CMSG_DATA(c) + i * sizeof(fd), &fd, sizeof(fd));
		}
	}
	return err;
}

/* With descriptors of the mount's in place of ours. */
static __attribute__((noinline)) long send_passed(int fd, const struct msghdr *user, int flags)
{
	struct sent s;
	struct msghdr msg;
	long ret;

	s.count = 0;
	if (port_copy_out(&msg, user, sizeof(msg)))
		return -EFAULT;
	if (msg.msg_controllen > sizeof(s.control))
		return -ENOBUFS;
	if (port_copy_out(s.control, msg.msg_control, msg.msg_controllen))
		return -EFAULT;
	msg.msg_control = s.control;
	ret = replace_all(&s, &msg);
	if (!ret)
		ret = umfs_cancel_call(SYS_sendmsg, fd, SYS_ARG(&msg), flags, 0, 0, 0);
	else if (ret == -ENOTSUP)
		ret = umfs_refuse(REPORT_NO_PASS, ENOTSUP);
	for (uint32_t i = 0; i < s.count; i++)
		sys1(SYS_close, s.fds[i]);
	return ret;
}

long umfs_hook_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	umfs_spare_drop();
	if (umfs_uinfo_open_count() && passes_ours(msg))
		return send_passed(fd, msg, flags);
	return umfs_cancel_call(SYS_sendmsg, fd, SYS_ARG(msg), flags, 0, 0, 0);
}

/* Those before one that hands over ours, or that one: it may send less than it was asked to. */
long umfs_hook_sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
	unsigned n = umfs_uinfo_open_count() ? 0 : count;
	unsigned sent;
	long ret;

	umfs_spare_drop();
	while (n < count && n < IOV_MAX && !passes_ours(&msgs[n].msg_hdr))
		n++;
	if (n || !count)
		return umfs_cancel_call(SYS_sendmmsg, fd, SYS_ARG(msgs), n, flags, 0, 0);
	ret = send_passed(fd, &msgs[0].msg_hdr, flags);
	if (ret < 0)
		return ret;
	sent = (unsigned)ret;
	return port_copy_out(&msgs[0].msg_len, &sent, sizeof(sent)) ? -EFAULT : 1;
}

/* ---- names of sockets ---- */

struct named {
	struct sockaddr_un addr;
	char end; /* a full path has none of its own */
	const struct sockaddr *user;
	bool pass; /* to the mount: by addr, or where that is as it was by the program's own */
	bool changed;
};

/* Is it a socket's name in the file system? */
static bool take_name(struct named *n, const struct sockaddr *user, socklen_t len)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);

	memset(n, 0, sizeof(*n));
	n->user = user;
	if (!umfs_ready() || len <= head || len > sizeof(n->addr) ||
	    port_copy_out(&n->addr, user, len))
		return false;
	return n->addr.sun_family == AF_UNIX && n->addr.sun_path[0];
}

/* The same call with the path that the kernel is to see. */
static long with_path(long nr, const char *path, struct path_args *a)
{
	const struct named *n = a->p;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (path == n->addr.sun_path)
		return umfs_cancel_call(nr, a->a, SYS_ARG(n->user), a->b, 0, 0, 0);
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	return umfs_cancel_call(nr, a->a, SYS_ARG(&addr), sizeof(addr), 0, 0, 0);
}

/*
 * A socket's name in a pool that is mounted is the mount's, which all find it by. The kernel
 * does not know the working directory, so what is relative to it is made absolute.
 */
static long by_mount(struct spot *s, struct named *n)
{
	struct text t;

	if (!s->m->mounted)
		return -EOPNOTSUPP;
	if (n->addr.sun_path[0] != '/') {
		umfs_text_init(&t, n->addr.sun_path, sizeof(n->addr.sun_path));
		umfs_text_add(&t, s->m->dir);
		if (umfs_getpath(umfs_mount_fs(s->m), s->w.parent, t.buf + t.len,
				 (uint32_t)(t.size - t.len)))
			return -ENAMETOOLONG;
		t.len += strlen(t.buf + t.len);
		umfs_text_add(&t, t.buf[t.len - 1] == '/' ? "" : "/");
		if (t.len + s->w.name_len + 1 > t.size)
			return -ENAMETOOLONG;
		memcpy(t.buf + t.len, s->w.name, s->w.name_len);
		t.buf[t.len + s->w.name_len] = '\0';
		n->changed = true;
	}
	n->pass = true;
	return 0;
}

/* With nothing held: the mount's process may be stopped, and who listens may be slow. */
static long pass_name(long nr, int fd, const struct named *n, socklen_t len)
{
	if (n->changed)
		return umfs_cancel_call(nr, fd, SYS_ARG(&n->addr), sizeof(n->addr), 0, 0, 0);
	return umfs_cancel_call(nr, fd, SYS_ARG(n->user), len, 0, 0, 0);
}

static long bind_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	return with_path(SYS_bind, path, a);
}

static long bind_ours(struct spot *s, struct path_args *a)
{
	long err;

	if (s->w.ino || !s->w.name_len)
		return -EADDRINUSE;
	err = by_mount(s, a->p);
	return err == -EOPNOTSUPP ? umfs_refuse(REPORT_NO_SPECIAL, EOPNOTSUPP) : err;
}

long umfs_hook_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct named n;
	struct path_args a = {.a = fd, .b = len, .p = &n};
	long ret;

	if (!take_name(&n, addr, len))
		return sys3(SYS_bind, fd, addr, len);
	ret = umfs_path_call(AT_FDCWD, n.addr.sun_path, SPOT_PARENT | SPOT_NOFOLLOW | SPOT_MODULE,
			     bind_ours, bind_kernel, &a);
	return n.pass ? pass_name(SYS_bind, fd, &n, len) : ret;
}

static long connect_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	return with_path(SYS_connect, path, a);
}

/* Where the pool is not mounted nobody can listen there. */
static long connect_ours(struct spot *s, struct path_args *a)
{
	long err = by_mount(s, a->p);

	return err == -EOPNOTSUPP ? -ECONNREFUSED : err;
}

long umfs_hook_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct named n;
	struct path_args a = {.a = fd, .b = len, .p = &n};
	long ret;

	if (!take_name(&n, addr, len))
		return umfs_cancel_call(SYS_connect, fd, SYS_ARG(addr), len, 0, 0, 0);
	ret = umfs_path_call(AT_FDCWD, n.addr.sun_path, SPOT_MODULE, connect_ours, connect_kernel, &a);
	return n.pass ? pass_name(SYS_connect, fd, &n, len) : ret;
}

/* ---- watches: of all errors it is ENOSPC on which programs look by themselves instead ---- */

static long watch_ours(struct spot *s, struct path_args *a)
{
	(void)s;
	(void)a;
	return umfs_refuse(REPORT_NO_WATCH, ENOSPC);
}

static long watch_kernel(int dirfd, const char *path, struct path_args *a)
{
	(void)dirfd;
	return sys3(SYS_inotify_add_watch, a->a, path, a->b);
}

long umfs_hook_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	struct path_args a = {.a = fd, .b = mask};

	return umfs_path_call(AT_FDCWD, path,
			      SPOT_MODULE | (mask & IN_DONT_FOLLOW ? SPOT_NOFOLLOW : 0),
			      watch_ours, watch_kernel, &a);
}
