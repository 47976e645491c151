// SPDX-License-Identifier: BSD-3-Clause
/*
 * place.c - things of ours that live in the kernel's tables.
 *
 * A descriptor of ours needs a number that the kernel gives to nobody else. It
 * is held by a duplicate of one O_PATH descriptor of a private, unlinked
 * symbolic link: any call that we do not see fails on it with EBADF or ELOOP
 * and can reach nothing.
 *
 * While the working directory is ours the kernel's is an unlinked directory,
 * so that a relative path that we do not see fails with ENOENT instead of
 * landing where the program came from. Its name says where we are: a new image
 * finds it there after exec, whoever did the exec.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "module.h"

static int place_fd = -1;
static int null_fd = -1;
static uint64_t place_ino PORT_START;
static uint64_t place_serial PORT_START;
static const char *const places[] = {"/dev/shm/", "/tmp/", "/var/tmp/"};

#define NUMBERS_GIVEN_OUT 512

#define LIMBO_NAME ".umfs-cwd-"
#define LIMBO_GONE " (deleted)"

/* A name nobody else has; not secret, so whoever makes it uses exclusive creation. */
static void private_name(struct text *t, const char *place, const char *what)
{
	uint64_t r = 0;

	sys3(SYS_getrandom, &r, sizeof(r), 0);
	r ^= __atomic_add_fetch(&place_serial, 1, __ATOMIC_RELAXED);
	umfs_text_add(t, place);
	umfs_text_add(t, what);
	umfs_text_dec(t, (uint64_t)sys0(SYS_getpid));
	umfs_text_add(t, "-");
	umfs_text_hex(t, r);
}

/*
 * The kernel's table of a process's descriptors is as long as its highest number asks for, 8 bytes
 * for each, and written when it grows: at a limit of 2^20, as containers have it, that were 8 MiB
 * for each process that opens a file.
 */
#define HIGH_MAX 4096u

static int high_number(void)
{
	struct rlimit64 lim = {1024, 1024};

	sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &lim);
	lim.rlim_cur = UMFS_MIN(lim.rlim_cur, HIGH_MAX);
	return lim.rlim_cur > 128 ? (int)lim.rlim_cur - 32 : (int)lim.rlim_cur / 2;
}

int umfs_place_high(int fd)
{
	long high = -EMFILE;

	for (int min = high_number(); high == -EMFILE && min > 0; min /= 2)
		high = sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, min);
	port_keep_number((int)high);
	return (int)high;
}

static long make_link(const char *place)
{
	char name[64];
	struct text t;
	long fd, high;

	umfs_text_init(&t, name, sizeof(name));
	private_name(&t, place, ".umfs-fd-");
	fd = sys3(SYS_symlinkat, "UMFS", AT_FDCWD, name);
	if (fd)
		return fd;
	fd = sys4(SYS_openat, AT_FDCWD, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	sys3(SYS_unlinkat, AT_FDCWD, name, 0);
	if (fd < 0)
		return fd;
	high = umfs_place_high((int)fd);
	if (high < 0)
		return fd;
	sys1(SYS_close, fd);
	return high;
}

/* Under LOCK_UINFO. */
static int place_get(void)
{
	struct stat st;
	long err = -ENOENT;

	if (place_fd >= 0)
		return 0;
	for (size_t i = 0; i < UMFS_ARRAY_LEN(places) && err < 0; i++)
		err = make_link(places[i]);
	if (err < 0)
		return (int)err;
	place_fd = (int)err;
	port_keep_number(place_fd);
	place_ino = sys2(SYS_fstat, place_fd, &st) ? 0 : st.st_ino;
	return 0;
}

/*
 * Not what we made: the program closed that without our seeing it. High numbers are
 * given to nobody who does not ask for them.
 */
static bool place_lost(int place, int dup)
{
	struct stat st;

	if (dup < 0)
		return dup == -EBADF;
	return place < NUMBERS_GIVEN_OUT &&
	       (sys2(SYS_fstat, dup, &st) || !S_ISLNK(st.st_mode) || st.st_ino != place_ino);
}

/* Programs close what is not theirs, and get the number for something else. */
static bool is_null(int fd)
{
	struct stat st;

	return fd >= 0 && !sys2(SYS_fstat, fd, &st) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(1, 3);
}

int umfs_place_null(void)
{
	int null = LOAD_RELAXED(&null_fd);
	long fd;

	if (is_null(null))
		return null;
	fd = sys4(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	umfs_guard_enter();
	umfs_local_lock(LOCK_UINFO);
	null = null_fd;
	if (!is_null(null)) {
		null = umfs_place_high((int)fd);
		if (null >= 0)
			STORE(&null_fd, null);
	}
	umfs_local_unlock(LOCK_UINFO);
	umfs_guard_leave();
	sys1(SYS_close, fd);
	return null;
}

int umfs_place_new(int min, bool cloexec)
{
	int fd = place_get();

	if (!fd)
		fd = umfs_place_dup(place_fd, min, cloexec);
	if (unlikely(place_fd >= 0 && place_lost(place_fd, fd))) {
		if (fd >= 0)
			sys1(SYS_close, fd);
		place_fd = -1;
		fd = place_get();
		if (!fd)
			fd = umfs_place_dup(place_fd, min, cloexec);
	}
	return fd;
}

/* In a sandbox that lets programs open files: a descriptor of the same link by its name. */
static long open_same(int from, bool cloexec)
{
	char name[40];
	struct text t;

	umfs_text_init(&t, name, sizeof(name));
	umfs_text_add(&t, "/proc/self/fd/");
	umfs_text_dec(&t, (uint64_t)from);
	return sys4(SYS_openat, AT_FDCWD, name, O_PATH | (cloexec ? O_CLOEXEC : 0), 0);
}

/* In a sandbox by the system call that libc's dup makes. */
static long duplicate(int from, int min, bool cloexec)
{
	if (port_quiet && !min && !cloexec)
		return sys1(SYS_dup, from);
	return sys3(SYS_fcntl, from, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, min);
}

int umfs_place_dup(int from, int min, bool cloexec)
{
	bool new = from == place_fd && port_quiet && !min;
	long fd = new ? open_same(from, cloexec) : duplicate(from, min, cloexec);

	if (fd >= 0 && (uint32_t)fd >= umfs_uinfo_count) {
		sys1(SYS_close, fd);
		return -EMFILE;
	}
	return (int)fd;
}

static int next_of(int fd, int candidate, int best)
{
	return candidate >= fd && candidate < best ? candidate : best;
}

/* First descriptor >= fd that keeps a pool for us, or INT_MAX. */
static int mount_keeps_next(const struct mount *m, int fd)
{
	int best = INT_MAX;

	if (LOAD(&m->state) == MOUNT_MODULE)
		return next_of(fd, m->node, best);
	if (LOAD(&m->state) != MOUNT_LIVE && !m->apart)
		return best;
	best = next_of(fd, m->pool.fd, best);
	return next_of(fd, m->pool.attach_fd, best);
}

/* The number was not taken by the program, which had closed all that it did not know of. */
static bool still_kept(const struct mount *m)
{
	return !m->module || umfs_module_has_node(m);
}

/* port_may_keep(fd): each number that is asked for below went through port_keep_number. */
bool umfs_place_protected_slow(int fd)
{
	if (fd < 0 || fd == INT_MAX || !umfs_active()) /* INT_MAX: that there is no next one */
		return false;
	if (fd == LOAD_RELAXED(&place_fd) || fd == LOAD_RELAXED(&null_fd) ||
	    fd == umfs_report_fd || umfs_lock_keeps(fd) || umfs_load_keeps_next(fd) == fd)
		return true;
	for (uint32_t i = 0; umfs_mount_number(i); i++)
		if (mount_keeps_next(umfs_mount_number(i), fd) == fd &&
		    still_kept(umfs_mount_number(i)))
			return true;
	return false;
}

int umfs_place_protected_next(int fd)
{
	int best = INT_MAX;

	best = next_of(fd, LOAD_RELAXED(&place_fd), best);
	best = next_of(fd, LOAD_RELAXED(&null_fd), best);
	best = next_of(fd, umfs_report_fd, best);
	best = next_of(fd, umfs_lock_keeps_next(fd), best);
	best = next_of(fd, umfs_load_keeps_next(fd), best);
	for (uint32_t i = 0; umfs_mount_number(i); i++) {
		const struct mount *m = umfs_mount_number(i);
		int next = mount_keeps_next(m, fd);

		if (next < best && still_kept(m))
			best = next;
	}
	return best;
}

/* The name carries device, inode and generation; the rest makes it unique. */
int umfs_place_limbo(uint64_t dev, uint32_t ino, uint32_t generation)
{
	char name[160];
	struct text t;
	long err = -ENOENT;

	for (size_t i = 0; i < UMFS_ARRAY_LEN(places); i++) {
		umfs_text_init(&t, name, sizeof(name));
		umfs_text_add(&t, places[i]);
		umfs_text_add(&t, LIMBO_NAME);
		umfs_text_hex(&t, dev);
		umfs_text_add(&t, "-");
		umfs_text_hex(&t, ino);
		umfs_text_add(&t, "-");
		umfs_text_hex(&t, generation);
		private_name(&t, "-", "");
		err = sys3(SYS_mkdirat, AT_FDCWD, name, 0700);
		if (err)
			continue;
		sys2(SYS_chmod, name, 0700); /* whatever the umask left */
		err = sys1(SYS_chdir, name);
		sys3(SYS_unlinkat, AT_FDCWD, name, AT_REMOVEDIR);
		if (!err)
			return 0;
	}
	return (int)err;
}

bool umfs_place_in_limbo(uint64_t *dev, uint32_t *ino, uint32_t *generation)
{
	char name[256];
	const char *p, *slash;
	uint64_t v[3];
	long n;

	n = sys4(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", name, sizeof(name) - 1);
	if (n <= (long)strlen(LIMBO_GONE))
		return false;
	name[n] = '\0';
	if (strcmp(name + n - strlen(LIMBO_GONE), LIMBO_GONE))
		return false;
	slash = strrchr(name, '/');
	if (!slash || strncmp(slash + 1, LIMBO_NAME, strlen(LIMBO_NAME)))
		return false;
	p = slash + 1 + strlen(LIMBO_NAME);
	for (int i = 0; i < 3; i++) {
		if (!umfs_text_number(&p, 16, &v[i]) || *p != '-')
			return false;
		p++;
	}
	*dev = v[0];
	*ino = (uint32_t)v[1];
	*generation = (uint32_t)v[2];
	return true;
}
