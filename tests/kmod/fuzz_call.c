// SPDX-License-Identifier: BSD-3-Clause
/*
 * fuzz_call.c - random ioctls, and random calls on the descriptors that come of them.
 *
 * The argument is first one that could be served, and then some of its words are others.
 * It ends where its page ends, with nothing behind it; the sibling scribbles in it while
 * the kernel reads it. Names are ones that exist, existed, or can not; those below safe/
 * may not be opened by anybody here.
 */
#include <stddef.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#include "fuzz.h"

int ioctl_32(int fd, unsigned cmd, uintptr_t arg)
{
	long ret;

	/* The entry of 32-bit programs is there for all; its number of ioctl is 54. */
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(54l), "b"((long)fd), "c"((long)cmd), "d"((long)(uint32_t)arg)
			 : "memory", "r8", "r9", "r10", "r11");
	if ((int)ret >= 0)
		return (int)ret;
	errno = -(int)ret;
	return -1;
}

/* ---- names ---- */

static const char *const names[] = {
	"0", "1", "2", "3", "4", "5", "d0", "d0/6", "d0/7", "d1", "d1/8", "d1/d2", "d1/d2/9",
	"d0/../1", "./2", "d1/", "l0", "l1", "l0/x", "", "/3", "...", "4/",
};
/* Root is led by the first ones only: in play/ others lay traps. */
static const char *const targets[] = {"0", "l1", "l0", "d0", "d1/d2/../8", ".",
				      "../play/2", "../safe/1", "/etc"};
#define ROOTS_TARGETS 6
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* A name to f->text, at the end of its page; where it lies. */
static char *put_text(struct fuzzer *f, const char *s, size_t n)
{
	char *at = f->text + PAGE - n;

	memcpy(at, s, n);
	return at;
}

static char *put_name(struct fuzzer *f, unsigned which, uint32_t *bytes)
{
	char name[PAGE];
	size_t n, i;

	n = (size_t)snprintf(name, sizeof(name), "%s/%s", f->root ? "root" : "play",
			     names[below(f, N(names))]);
	if (one_in(f, 12)) /* as long as a name may be, or longer */
		for (i = n, n += 250 + below(f, 12); i < n; i++)
			name[i] = 'n';
	else if (!f->root && one_in(f, 12))
		n = (size_t)snprintf(name, sizeof(name), "safe/%u", below(f, 4));
	else if (one_in(f, 12))
		for (n = 1 + below(f, 200), i = 0; i < n; i++)
			name[i] = (char)rnd(f);
	*bytes = (uint32_t)n;
	/* Two of them side by side. */
	if (which) {
		char *at = f->text + PAGE / 2 - n;

		memcpy(at, name, n);
		return at;
	}
	return put_text(f, name, n > PAGE / 2 ? PAGE / 2 : n);
}

static void put_path(struct fuzzer *f, struct umfs_ioc_path *p, unsigned which)
{
	p->text = (uintptr_t)put_name(f, which, &p->bytes);
	p->dir = !one_in(f, 5) ? UMFS_IOC_ROOT : one_in(f, 4) ? UMFS_IOC_CWD : f->fd[below(f, FILES)];
}

/* ---- arguments ---- */

static const struct command {
	unsigned cmd, bytes;
	int path[2]; /* where in it, or -1 */
} commands[] = {
#define ON_A_POOL 16 /* the first ones */
#define OF(type, field) (int)offsetof(struct type, field)
	{UMFS_IOC_OPEN, sizeof(struct umfs_ioc_open), {OF(umfs_ioc_open, path), -1}},
	{UMFS_IOC_STAT, sizeof(struct umfs_ioc_stat), {OF(umfs_ioc_stat, path), -1}},
	{UMFS_IOC_MKDIR, sizeof(struct umfs_ioc_mkdir), {OF(umfs_ioc_mkdir, path), -1}},
	{UMFS_IOC_UNLINK, sizeof(struct umfs_ioc_unlink), {OF(umfs_ioc_unlink, path), -1}},
	{UMFS_IOC_RENAME, sizeof(struct umfs_ioc_rename),
	 {OF(umfs_ioc_rename, from), OF(umfs_ioc_rename, to)}},
	{UMFS_IOC_LINK, sizeof(struct umfs_ioc_link), {OF(umfs_ioc_link, from), OF(umfs_ioc_link, to)}},
	{UMFS_IOC_SYMLINK, sizeof(struct umfs_ioc_symlink), {OF(umfs_ioc_symlink, path), -1}},
	{UMFS_IOC_READLINK, sizeof(struct umfs_ioc_readlink), {OF(umfs_ioc_readlink, path), -1}},
	{UMFS_IOC_WALK, sizeof(struct umfs_ioc_walk), {OF(umfs_ioc_walk, path), -1}},
	{UMFS_IOC_WHERE, sizeof(struct umfs_ioc_where), {OF(umfs_ioc_where, path), -1}},
	{UMFS_IOC_MKNOD, sizeof(struct umfs_ioc_mknod), {OF(umfs_ioc_mknod, path), -1}},
	{UMFS_IOC_GETXATTR, sizeof(struct umfs_ioc_xattr), {OF(umfs_ioc_xattr, path), -1}},
	{UMFS_IOC_SETXATTR, sizeof(struct umfs_ioc_xattr), {OF(umfs_ioc_xattr, path), -1}},
	{UMFS_IOC_LISTXATTR, sizeof(struct umfs_ioc_xattr), {OF(umfs_ioc_xattr, path), -1}},
	{UMFS_IOC_SETATTR, sizeof(struct umfs_ioc_setattr), {OF(umfs_ioc_setattr, path), -1}},
	{UMFS_IOC_REMOVEXATTR, sizeof(struct umfs_ioc_xattr), {OF(umfs_ioc_xattr, path), -1}},
	{UMFS_IOC_SHARE, sizeof(struct umfs_ioc_share), {-1, -1}},
	{UMFS_IOC_LEASE, sizeof(struct umfs_ioc_lease), {-1, -1}},
	{UMFS_IOC_ABOUT, sizeof(struct umfs_ioc_about), {-1, -1}},
	{UMFS_IOC_LIST, sizeof(struct umfs_ioc_list), {-1, -1}},
	{UMFS_IOC_ATTACH, sizeof(struct umfs_ioc_attach), {-1, -1}},
	{UMFS_IOC_DETACH, sizeof(struct umfs_ioc_detach), {-1, -1}},
};

static const uint64_t bad_pointers[] = {
	0, 8, 4095, 0x1000, 0xffffffff, 0x7ffffffff000, 0x800000000000, 0xffff888000000000,
	0xffffffff81000000, ~0ull, ~0ull - 4095,
};

static uint32_t word(struct fuzzer *f)
{
	static const uint32_t words[] = {0, 1, 2, 3, 7, 8, 0x40, 07777, 4095, 4096, 0x7fffffff,
					 0x80000000, 0xfffffffe, 0xffffffff};

	return one_in(f, 3) ? (uint32_t)rnd(f) : words[below(f, N(words))];
}

static void put_open(struct fuzzer *f, struct umfs_ioc_open *a)
{
	static const uint32_t flags[] = {O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY,
					 O_NOFOLLOW, O_NONBLOCK, O_SYNC};
	unsigned i;

	a->flags = below(f, 3) | (one_in(f, 2) ? O_CREAT : 0);
	a->mode = 0666 | (uint32_t)(rnd(f) & 07111);
	if (one_in(f, 8)) {
		a->flags = O_PATH | (one_in(f, 2) ? O_NOFOLLOW : 0);
		a->mode = 0;
	}
	for (i = below(f, 3); i; i--)
		a->flags |= flags[below(f, N(flags))];
	if (one_in(f, 16))
		a->flags = O_RDWR | O_TMPFILE | (one_in(f, 2) ? O_EXCL : 0);
}

static void put_link(struct fuzzer *f, struct umfs_ioc_link *a)
{
	a->flags = below(f, 2);
	if (!one_in(f, 3))
		return;
	a->flags |= UMFS_IOC_EMPTY;
	a->from.bytes = 0;
	a->from.dir = f->fd[below(f, FILES)];
}

/* Devices can not be opened, whoever makes them. */
static void put_mknod(struct fuzzer *f, struct umfs_ioc_mknod *a)
{
	static const uint32_t types[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};

	a->mode = types[below(f, N(types))] | 0666;
	a->rdev = 0x103;
}

static void put_xattr(struct fuzzer *f, unsigned cmd, struct umfs_ioc_xattr *a)
{
	static const char *const xnames[] = {"user.a", "user.b", "trusted.t", "security.s",
					     "system.posix_acl_access", "system.posix_acl_default",
					     "user.", "other.x"};
	const char *name = xnames[below(f, N(xnames))];

	a->name = (uintptr_t)name;
	a->name_bytes = cmd == UMFS_IOC_LISTXATTR ? 0 : (uint32_t)strlen(name);
	a->value = (uintptr_t)f->room;
	a->bytes = below(f, one_in(f, 4) ? UMFS_IOC_REST_BYTES : 64);
	a->flags = below(f, 2);
	if (cmd == UMFS_IOC_SETXATTR && one_in(f, 4))
		a->flags |= one_in(f, 2) ? UMFS_IOC_XATTR_CREATE : UMFS_IOC_XATTR_REPLACE;
}

/* Not so few rights that others could do nothing any more, nor a file that they fill. */
static void put_setattr(struct fuzzer *f, struct umfs_ioc_setattr *a)
{
	a->flags = below(f, 2);
	a->what = 1u << below(f, 4);
	if (a->what == UMFS_IOC_SET_MODE)
		a->mode = 0666 | below(f, 2) * 06111;
	else if (a->what == UMFS_IOC_SET_OWNER)
		a->uid = a->gid = below(f, 2) ? ~0u : 1000 + below(f, 2);
	else if (a->what == UMFS_IOC_SET_TIMES)
		a->atime.nsec = a->mtime.nsec = one_in(f, 2) ? UTIME_NOW : below(f, 1000000000);
	else
		a->size = below(f, 4 << 20);
}

static void put_names(struct fuzzer *f, unsigned cmd, void *arg)
{
	struct umfs_ioc_attach *a = arg;
	struct umfs_ioc_detach *d = arg;

	if (cmd == UMFS_IOC_ATTACH) {
		snprintf(a->device, sizeof(a->device), "%s", device[below(f, 2)]);
		strcpy(a->name, one_in(f, 2) ? "fuzz" : "fuzz2");
		a->mode = 3;
	} else {
		strcpy(d->name, one_in(f, 2) ? "fuzz" : "fuzz2");
	}
}

/* The sibling's, while it asks. But not the descriptor that it gets: it would use mine. */
static void scribble(struct fuzzer *f)
{
	const size_t spared = PAGE - sizeof(struct umfs_ioc_open) + offsetof(struct umfs_ioc_open, fd);
	size_t at = PAGE - 4 - 4 * below(f, 80);

	if (at != spared)
		*(volatile uint32_t *)(f->sibling->arg + at) = word(f);
}

/* One that could be served. */
static void put_fields(struct fuzzer *f, const struct command *c, char *arg)
{
	const char *target = targets[below(f, f->root ? ROOTS_TARGETS : N(targets))];
	unsigned i;

	memset(arg, 0, c->bytes);
	for (i = 0; i < 2; i++)
		if (c->path[i] >= 0)
			put_path(f, (void *)(arg + c->path[i]), i);
	switch (c->cmd) {
	case UMFS_IOC_OPEN:
		put_open(f, (void *)arg);
		break;
	case UMFS_IOC_STAT:
	case UMFS_IOC_UNLINK:
		((struct umfs_ioc_unlink *)arg)->flags = below(f, 2);
		break;
	case UMFS_IOC_MKDIR:
		((struct umfs_ioc_mkdir *)arg)->mode = 0777;
		break;
	case UMFS_IOC_RENAME:
		((struct umfs_ioc_rename *)arg)->flags = below(f, 6);
		break;
	case UMFS_IOC_SETATTR:
		put_setattr(f, (void *)arg);
		break;
	case UMFS_IOC_SYMLINK:
		((struct umfs_ioc_symlink *)arg)->target = path_of(target);
		break;
	case UMFS_IOC_READLINK:
		((struct umfs_ioc_readlink *)arg)->buf = (uintptr_t)f->room;
		((struct umfs_ioc_readlink *)arg)->bytes = 1 + below(f, 100);
		break;
	case UMFS_IOC_LINK:
		put_link(f, (void *)arg);
		break;
	case UMFS_IOC_MKNOD:
		put_mknod(f, (void *)arg);
		break;
	case UMFS_IOC_GETXATTR:
	case UMFS_IOC_SETXATTR:
	case UMFS_IOC_LISTXATTR:
	case UMFS_IOC_REMOVEXATTR:
		put_xattr(f, c->cmd, (void *)arg);
		break;
	case UMFS_IOC_WALK:
		((struct umfs_ioc_walk *)arg)->flags = below(f, 4);
		((struct umfs_ioc_walk *)arg)->rest = (uintptr_t)f->room;
		break;
	case UMFS_IOC_WHERE:
		((struct umfs_ioc_where *)arg)->buf = (uintptr_t)f->room;
		((struct umfs_ioc_where *)arg)->bytes = 1 + below(f, 100);
		break;
	case UMFS_IOC_SHARE: /* what is mapped stays: where, another thread may have overwritten */
		((struct umfs_ioc_share *)arg)->fd = one_in(f, 2) ? f->file[below(f, OPEN)]
								   : f->fd[below(f, FILES)];
		((struct umfs_ioc_share *)arg)->bytes = one_in(f, 16) ? PAGE << below(f, 12) : 0;
		break;
	case UMFS_IOC_LEASE: /* the same */
		((struct umfs_ioc_lease *)arg)->fd = one_in(f, 4) ? f->file[below(f, OPEN)]
								   : f->fd[below(f, FILES)];
		((struct umfs_ioc_lease *)arg)->bytes = one_in(f, 8) ? PAGE << below(f, 12) : 0;
		break;
	case UMFS_IOC_ATTACH:
	case UMFS_IOC_DETACH:
		put_names(f, c->cmd, arg);
	}
}

static void spoil(struct fuzzer *f, const struct command *c, char *arg)
{
	unsigned n = 1 + below(f, 3);

	while (n--) {
		if (one_in(f, 4) && c->path[0] >= 0)
			((struct umfs_ioc_path *)(arg + c->path[0]))->text =
				bad_pointers[below(f, N(bad_pointers))];
		else
			((volatile uint32_t *)arg)[below(f, c->bytes / 4)] = word(f);
	}
}

/* ---- calls ---- */

static void keep(struct fuzzer *f, int fd)
{
	unsigned i = below(f, FILES);

	if (f->fd[i] >= 0)
		close(f->fd[i]);
	f->fd[i] = fd;
}

static bool is_secret(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == 0 && !(st.st_mode & 077) &&
	       !(fcntl(fd, F_GETFL) & O_PATH);
}

static void random_ioctl(struct fuzzer *f)
{
	const struct command *c = &commands[below(f, one_in(f, 8) ? N(commands) : ON_A_POOL)];
	char *arg = f->arg + PAGE - c->bytes;
	int on = c < commands + ON_A_POOL ? pool : control, ret;
	unsigned cmd = c->cmd;
	bool as_32;

	put_fields(f, c, arg);
	if (one_in(f, 3))
		spoil(f, c, arg);
	if (one_in(f, 24))
		cmd = one_in(f, 2) ? (unsigned)rnd(f) : cmd ^ (1u << below(f, 32));
	if (one_in(f, 24)) /* where another structure is expected, or none */
		on = one_in(f, 2) ? f->fd[below(f, FILES)] : one_in(f, 2) ? pool : control;
	if (one_in(f, 16)) /* some of it, or nothing, can be read */
		arg = one_in(f, 2) ? f->arg + PAGE - below(f, c->bytes)
				   : (char *)(uintptr_t)bad_pointers[below(f, N(bad_pointers))];
	as_32 = one_in(f, 3);
	ret = as_32 ? ioctl_32(on, cmd, (uintptr_t)arg) : ioctl(on, cmd, arg);
	count(&counts->asked);
	if (!ret)
		count(&counts->served);
	if (!ret && as_32)
		count(&counts->as_32);
	if (ret || cmd != UMFS_IOC_OPEN || on != pool || arg != f->arg + PAGE - c->bytes)
		return;
	if (!f->root && is_secret(((struct umfs_ioc_open *)arg)->fd))
		is_bad(f, "a file of root's alone was opened", 0, 0);
	keep(f, ((struct umfs_ioc_open *)arg)->fd);
}

static off_t random_off(struct fuzzer *f)
{
	if (one_in(f, 16))
		return (off_t)(rnd(f) >> below(f, 64));
	return (off_t)(rnd(f) % (4 * MIB));
}

static void on_directory(struct fuzzer *f, int fd)
{
	char buf[512];

	if (one_in(f, 2))
		lseek(fd, one_in(f, 2) ? 0 : random_off(f), SEEK_SET);
	(void)syscall(SYS_getdents64, fd, buf, 1 + below(f, sizeof(buf)));
}

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void random_call(struct fuzzer *f)
{
	int fd = f->fd[below(f, FILES)], other = f->fd[below(f, FILES)];
	static char buf[64 * PAGE];
	size_t n = 1 + below(f, sizeof(buf));

	switch (below(f, 16)) {
	case 0: case 1:
		(void)!pwrite(fd, one_in(f, 16) ? (char *)8 : buf, n, random_off(f));
		break;
	case 2:
		(void)!pread(fd, buf, n, random_off(f));
		break;
	case 3:
		(void)!write(fd, buf, n);
		break;
	case 4:
		(void)!ftruncate(fd, random_off(f));
		break;
	case 5:
		(void)!fallocate(fd, (int)below(f, 4), random_off(f), (off_t)n);
		break;
	case 6:
		(void)lseek(fd, random_off(f), (int)below(f, 6));
		break;
	case 7:
		if (!f->root || is_file(fd)) /* not the root of all */
			(void)!fchmod(fd, 0777 | (mode_t)(rnd(f) & 07000));
		break;
	case 8:
		if (!f->root || is_file(fd))
			(void)!fchown(fd, (uid_t)below(f, 3) * 1000, (gid_t)-1);
		break;
	case 9:
		(void)fsync(fd);
		break;
	case 10:
		(void)sendfile(other, fd, NULL, n);
		break;
	case 11:
		if (other >= 0 && fd >= 0)
			keep(f, dup(other));
		break;
	case 12:
		on_directory(f, fd);
		break;
	case 13:
		(void)!fchdir(fd);
		break;
	case 14:
		(void)!fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH);
		break;
	default:
		keep(f, -1);
	}
}

void step_call(struct fuzzer *f)
{
	if (one_in(f, 6))
		scribble(f);
	if (one_in(f, 2))
		random_ioctl(f);
	else
		random_call(f);
}
