// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_out.c - exported symbols: waiting for descriptors, sockets, watches.
 */
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "sym.h"

SYM(int, poll, (struct pollfd * fds, nfds_t n, int timeout_ms))
{
	RETURN_INT(umfs_hook_poll(fds, n, timeout_ms));
}
SYM_ALIAS(__poll, poll);

SYM(int, __poll_chk, (struct pollfd * fds, nfds_t n, int timeout_ms, size_t room))
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	RETURN_INT(umfs_hook_poll(fds, n, timeout_ms));
}

SYM(int, ppoll,
    (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask))
{
	RETURN_INT(umfs_hook_ppoll(fds, n, timeout, mask));
}

SYM(int, __ppoll_chk,
    (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
     size_t room))
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	RETURN_INT(umfs_hook_ppoll(fds, n, timeout, mask));
}

SYM(int, select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout))
{
	RETURN_INT(umfs_hook_select(n, r, w, e, timeout));
}
SYM_ALIAS(__select, select);

SYM(int, pselect,
    (int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout, const sigset_t *mask))
{
	RETURN_INT(umfs_hook_pselect(n, r, w, e, timeout, mask));
}

SYM(int, epoll_ctl, (int epfd, int op, int fd, struct epoll_event *event))
{
	RETURN_INT(umfs_hook_epoll_ctl(epfd, op, fd, event));
}

SYM(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags))
{
	RETURN(umfs_hook_sendmsg(fd, msg, flags));
}

SYM(int, sendmmsg, (int fd, struct mmsghdr *msgs, unsigned n, int flags))
{
	RETURN_INT(umfs_hook_sendmmsg(fd, msgs, n, flags));
}

SYM(int, bind, (int fd, const struct sockaddr *addr, socklen_t len))
{
	RETURN_INT(umfs_hook_bind(fd, addr, len));
}

SYM(int, connect, (int fd, const struct sockaddr *addr, socklen_t len))
{
	RETURN_INT(umfs_hook_connect(fd, addr, len));
}
SYM_ALIAS(__connect, connect);

SYM(int, inotify_add_watch, (int fd, const char *path, uint32_t mask))
{
	RETURN_INT(umfs_hook_inotify_add_watch(fd, path, mask));
}
