// SPDX-License-Identifier: BSD-3-Clause
/*
 * inherit.c - descriptors of ours that pass exec.
 *
 * The numbers pass by themselves, as the kernel's placeholders that they are.
 * What they stand for is told to the new image in its environment:
 *
 *   LIBUMFS_INHERIT=PROOF SLOT INCARNATION OLD KEPT FD:OFD:KIND,FD:OFD:KIND,;...
 *
 * with SHADOW added to KIND where the number is of the inode's shadow, and
 * FD:INODE:KEEPER for a descriptor that keeps POSIX locks (hook_lock.c);
 * one part for each pool; PROOF is the descriptor that keeps SLOT alive, OLD the
 * slot of the old image, which the new one cleans up; KEPT one more than the descriptor
 * that keeps the shadows' directory (port/user/shadow.c: W6), 0: there is none. The open file
 * descriptions are in the pool, so positions and flags stay shared with
 * whoever else has them. An image that does not know us passes the text and the
 * numbers on; the first one that does takes the slot (umfs_slot_inherit), and
 * of the numbers those that still are placeholders.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "internal.h"
#include "path.h"

#define NAME "LIBUMFS_INHERIT="
#define PART_BYTES 64u /* of the text, for a pool */
#define FD_BYTES 40u   /* and for a descriptor */
#define SHADOW 8u
#define KEEPER 16u

/* ---- before exec ---- */

static bool has_mounts(char *const envp[])
{
	if (umfs_mounts[0].mounted)
		return true;
	for (; *envp; envp++)
		if (!strncmp(*envp, "LIBUMFS_MOUNT=", 14))
			return true;
	return false;
}

/* Will an image with this environment know what it gets, if its loader reads that? */
static bool knows_us(char *const envp[])
{
	return umfs_preload_names_us(envp) && has_mounts(envp);
}

/* An entry that exec passes on, of that pool or (NULL) any. */
static bool passes(int fd, const struct umfs *fs)
{
	const struct uinfo *u = &umfs_uinfo_table[fd];

	return u->kind > UINFO_RESERVED && !u->cloexec && (!fs || u->file.fs == fs);
}

static uint32_t count_passing(const struct umfs *fs)
{
	uint32_t n = 0;

	for (int fd = 0; fd < umfs_uinfo_top; fd++)
		n += passes(fd, fs);
	return n;
}

static void describe_fd(struct text *t, int fd, uint32_t which, unsigned kind)
{
	umfs_text_dec(t, (uint64_t)fd);
	umfs_text_add(t, ":");
	umfs_text_dec(t, which);
	umfs_text_add(t, ":");
	umfs_text_dec(t, kind);
	umfs_text_add(t, ",");
}

static void describe_keeper(void *t, int fd, uint32_t ino)
{
	describe_fd(t, fd, ino, KEEPER);
}

static void describe_pool(struct text *t, const struct umfs *fs, const struct pool_heir *h)
{
	const uint64_t head[] = {(uint64_t)h->fd, h->slot, h->incarnation, fs->slot,
				 (uint64_t)(h->shadow_fd + 1)};

	for (size_t i = 0; i < UMFS_ARRAY_LEN(head); i++) {
		umfs_text_dec(t, head[i]);
		umfs_text_add(t, " ");
	}
}

static void describe(struct text *t, struct mount *m, const struct pool_heir *h)
{
	struct umfs *fs = umfs_mount_fs(m);

	describe_pool(t, fs, h);
	for (int fd = 0; fd < umfs_uinfo_top; fd++) {
		const struct uinfo *u = &umfs_uinfo_table[fd];

		if (!passes(fd, fs))
			continue;
		umfs_ofd_give(fs, u->file.ofd, h->slot);
		describe_fd(t, fd, u->file.ofd, u->kind | (u->shadow ? SHADOW : 0));
	}
	umfs_lock_pass(fs, describe_keeper, t);
	umfs_text_add(t, ";");
}

/* Room for `fds` descriptors' text and the environment with one more variable. */
static long get_memory(struct heirs *h, char *const envp[], uint32_t fds, struct text *t)
{
	size_t vars = 0, text_bytes;
	long at;

	while (envp[vars])
		vars++;
	text_bytes = sizeof(NAME) + MOUNTS_MAX * PART_BYTES + (size_t)fds * FD_BYTES;
	h->memory_bytes = (vars + 2) * sizeof(char *) + text_bytes;
	at = sys6(SYS_mmap, 0, (long)h->memory_bytes, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at < 0 && at > -4096)
		return -ENOMEM;
	h->memory = (char *)at;
	h->envp = (char **)at;
	memcpy(h->envp, envp, vars * sizeof(char *));
	umfs_text_init(t, h->memory + (vars + 2) * sizeof(char *), text_bytes);
	h->vars = vars;
	h->envp[vars] = t->buf;
	h->envp[vars + 1] = NULL;
	umfs_text_add(t, NAME);
	return 0;
}

/* Attached, and not lost since. */
static bool has_slot(struct mount *m)
{
	return m->state == MOUNT_LIVE && !m->pool.fs.broken;
}

/* Out of the way of the numbers that programs choose. */
static int let_pass(int fd)
{
	int high = umfs_place_high(fd);

	if (high >= 0) {
		sys1(SYS_close, fd);
		fd = high;
	}
	sys3(SYS_fcntl, fd, F_SETFD, 0);
	return fd;
}

/* A slot for the new image. */
static long make_heir(struct mount *m, struct pool_heir *heir)
{
	int err = pool_heir_make(&m->pool, heir);

	if (err)
		return err == -EBUSY ? -EAGAIN : err;
	heir->fd = let_pass(heir->fd);
	if (heir->shadow_fd >= 0)
		heir->shadow_fd = let_pass(heir->shadow_fd);
	return 0;
}

static long make_heirs(struct heirs *h, struct text *t)
{
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];
		long err;

		if (!has_slot(m) || !count_passing(umfs_mount_fs(m)))
			continue;
		err = make_heir(m, &h->pool[i]);
		if (err)
			return err;
		h->made[i] = true;
		umfs_local_lock(LOCK_UINFO);
		describe(t, m, &h->pool[i]);
		umfs_local_unlock(LOCK_UINFO);
	}
	return 0;
}

/* ---- to an image that will not know us: pass.c ---- */

static bool is_passed(const struct heirs *h, long mount)
{
	for (uint32_t i = 0; i < h->passed_count; i++)
		if (h->passed[i].mount == mount)
			return true;
	return false;
}

/* The same description is opened once, so that its numbers go on sharing it. */
static long open_once(const struct heirs *h, int fd, const struct umfs_file *f)
{
	for (uint32_t i = 0; i < h->passed_count; i++)
		if (h->passed[i].fs == f->fs && h->passed[i].ofd == f->ofd)
			return h->passed[i].mount;
	return umfs_pass_open(fd, "exec");
}

static bool is_of(int fd, const struct umfs *fs, uint32_t ofd)
{
	const struct uinfo *u = &umfs_uinfo_table[fd];

	return u->kind > UINFO_RESERVED && u->file.fs == fs && u->file.ofd == ofd;
}

/* The number becomes the mount's, if it still is what was opened there. LOCK_UINFO held. */
static long put_onto(struct heirs *h, int fd, const struct umfs_file *f, long mount)
{
	struct passed *p = &h->passed[h->passed_count];

	*p = (struct passed){fd, (int)mount, umfs_place_high(fd), f->ofd, f->fs};
	h->passed_count++;
	if (p->old < 0)
		return p->old;
	return sys3(SYS_dup3, mount, fd, 0) < 0 ? -EMFILE : 0;
}

/* With no lock held while the mount is asked: its daemon may be stopped. */
static long pass_one(struct heirs *h, int fd)
{
	struct umfs_file f;
	long mount, ret = -EAGAIN;

	if (umfs_uinfo_read(fd, &f) == UINFO_NONE)
		return 0;
	mount = open_once(h, fd, &f);
	if (mount < 0)
		return is_of(fd, f.fs, f.ofd) ? mount : -EAGAIN;
	umfs_local_lock(LOCK_UINFO);
	if (is_of(fd, f.fs, f.ofd) && passes(fd, NULL))
		ret = put_onto(h, fd, &f, mount);
	umfs_local_unlock(LOCK_UINFO);
	if (ret == -EAGAIN && !is_passed(h, mount))
		sys1(SYS_close, mount);
	return ret;
}

/* There is none, or it is in another process: the numbers that still are ours are held as before. */
static void take_back(struct heirs *h)
{
	umfs_local_lock(LOCK_UINFO);
	for (uint32_t i = 0; i < h->passed_count; i++) {
		const struct passed *p = &h->passed[i];

		if (p->old >= 0 && is_of(p->fd, p->fs, p->ofd))
			sys3(SYS_dup3, p->old, p->fd,
			     umfs_uinfo_table[p->fd].cloexec ? O_CLOEXEC : 0);
		if (p->old >= 0)
			sys1(SYS_close, p->old);
	}
	umfs_local_unlock(LOCK_UINFO);
	while (h->passed_count) {
		int mount = h->passed[--h->passed_count].mount;

		if (!is_passed(h, mount))
			sys1(SYS_close, mount);
	}
}

/* All that would pass, or nothing. */
static long pass_all(struct heirs *h)
{
	uint32_t n = count_passing(NULL);
	long err = 0, at;

	h->memory_bytes = (n + 1) * sizeof(*h->passed);
	at = sys6(SYS_mmap, 0, (long)h->memory_bytes, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at < 0 && at > -4096)
		return -ENOMEM;
	h->memory = (char *)at;
	h->passed = (struct passed *)at;
	for (int fd = 0; !err && fd < umfs_uinfo_top && h->passed_count < n; fd++) {
		do
			err = passes(fd, NULL) ? pass_one(h, fd) : 0;
		while (err == -EAGAIN);
	}
	return err;
}

static void finish(struct heirs *h, void (*each)(struct pool *, const struct pool_heir *))
{
	umfs_guard_enter();
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (h->made[i])
			each(&umfs_mounts[i].pool, &h->pool[i]);
	umfs_lock_pass_not();
	take_back(h);
	if (h->memory)
		sys2(SYS_munmap, h->memory, h->memory_bytes);
	umfs_preload_drop(&h->without);
	umfs_needed_drop(&h->passing);
	umfs_guard_leave();
}

void umfs_heirs_drop(struct heirs *h)
{
	finish(h, pool_heir_drop);
}

void umfs_heirs_pass(struct heirs *h)
{
	finish(h, pool_heir_pass);
}

/*
 * What that program makes of the environment; without libumfs in it where its loader would
 * not start it otherwise.
 */
static long look(struct heirs *h, int dirfd, const char *path, int flags)
{
	bool passes = h->late || umfs_uinfo_inheritable() || umfs_cwd_shows();
	enum image_kind image;

	h->known = false;
	/* In a sandbox no system call is made that libc would not make. */
	if (!umfs_preload_names_us(h->envp))
		return 0;
	image = port_quiet ? IMAGE_LOADS : image_look(dirfd, path, flags, passes);
	h->known = image == IMAGE_LOADS && has_mounts(h->envp);
	return image == IMAGE_BREAKS ? umfs_preload_without(h->envp, &h->without) : 0;
}

void umfs_heirs_program(struct heirs *h, const char *path, int fd)
{
	if (h->known && !h->without.envp && !port_quiet)
		umfs_needed_pass(&h->passing, path, fd, h->envp);
}

char **umfs_heirs_environment(const struct heirs *h)
{
	if (h->passing.envp)
		return h->passing.envp;
	return h->without.envp ? h->without.envp : h->envp;
}

static long make_known(struct heirs *h, char *const envp[])
{
	struct text t;
	long err = get_memory(h, envp, count_passing(NULL) + umfs_lock_keepers, &t);

	return err ? err : make_heirs(h, &t);
}

long umfs_heirs_make(struct heirs *h, int dirfd, const char *path, char *const envp[], int flags)
{
	static char *const none[] = {NULL};
	long err;

	memset(h, 0, sizeof(*h));
	if (!envp)
		envp = none;
	h->envp = (char **)(uintptr_t)envp;
	err = look(h, dirfd, path, flags);
	if (err || !umfs_uinfo_inheritable())
		return err;
	umfs_guard_enter();
	if (h->known) {
		umfs_opens_enter();
		err = make_known(h, envp);
		umfs_opens_leave();
	} else {
		err = pass_all(h);
	}
	umfs_guard_leave();
	if (err)
		umfs_heirs_drop(h);
	return err == -ENOTSUP ? umfs_refuse(REPORT_NO_EXEC, ENOTSUP) : err;
}

/* ---- before posix_spawn ---- */

/*
 * The child runs in our memory and changes its descriptors before it execs. Which of
 * them is which of ours is known only then, and so is what the environment has to say.
 */
static long make_late(struct heirs *h, char *const envp[])
{
	uint32_t fds = umfs_uinfo_open_count() + HEIRS_MOVED_MAX;
	long err = get_memory(h, envp, fds, &h->text);

	for (uint32_t i = 0; !err && i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (!has_slot(m))
			continue;
		err = make_heir(m, &h->pool[i]);
		h->made[i] = !err;
	}
	return err;
}

/*
 * Of a program that is not known now what passes could not be the mount's for it: refused.
 * So it is where giving the numbers to the mount would drop locks of this process's.
 */
static long make_early(struct heirs *h, const char *path, char *const envp[])
{
	if (umfs_uinfo_inheritable() && (!*path || umfs_lock_keepers) && !knows_us(envp))
		return umfs_refuse(REPORT_NO_EXEC, ENOTSUP);
	return umfs_heirs_make(h, AT_FDCWD, path, envp, 0);
}

long umfs_heirs_make_beside(struct heirs *h, const char *path, char *const envp[], bool actions)
{
	static char *const none[] = {NULL};
	bool any = umfs_active() && umfs_uinfo_open_count();
	long err;

	umfs_spare_drop(); /* what the child does with its descriptors it does in our memory */
	if (umfs_active() && !port_quiet)
		umfs_cwd_adopt(); /* the child is to know it (exec.c), and can not look */
	if (any) {
		umfs_guard_enter();
		umfs_opens_enter();
		umfs_lock_share_all();
		umfs_opens_leave();
		umfs_guard_leave();
	}
	if (!any || !umfs_redirected() || !(actions || umfs_uinfo_inheritable()))
		return make_early(h, path, envp ? envp : none);
	memset(h, 0, sizeof(*h));
	envp = envp ? envp : none;
	h->late = true;
	umfs_guard_enter();
	umfs_opens_enter();
	err = make_late(h, envp);
	umfs_opens_leave();
	umfs_guard_leave();
	if (err)
		umfs_heirs_drop(h);
	return err;
}

/* Which of our numbers is that one of the child's? */
static int moved_from(const struct heirs *h, int fd)
{
	for (uint32_t i = UMFS_MIN(h->moved_count, HEIRS_MOVED_MAX); i-- > 0;)
		if (h->moved[i].fd == fd)
			return h->moved[i].from;
	return umfs_uinfo_ours(fd) ? fd : -1;
}

void umfs_heirs_moved(int fd, int from)
{
	struct heirs *h = umfs_guard_self.spawn_heirs;
	uint32_t at = 0;

	if (!h || !h->late || fd < 0)
		return;
	from = from < 0 ? -1 : moved_from(h, from);
	while (at < h->moved_count && at < HEIRS_MOVED_MAX && h->moved[at].fd != fd)
		at++;
	if (at == h->moved_count && from < 0 && !umfs_uinfo_ours(fd))
		return;
	if (at < HEIRS_MOVED_MAX) {
		h->moved[at].fd = fd;
		h->moved[at].from = from;
	}
	if (at == h->moved_count)
		h->moved_count++;
}

/* Does number `fd` of the child pass, which is `from` of ours, of that pool or (NULL) any? */
static bool passes_late(const struct umfs *fs, int fd, int from)
{
	const struct uinfo *u = &umfs_uinfo_table[from < 0 ? 0 : from];
	long flags;

	if (from < 0 || u->kind <= UINFO_RESERVED || (fs && u->file.fs != fs))
		return false;
	flags = sys3(SYS_fcntl, fd, F_GETFD, 0);
	return flags >= 0 && !(flags & FD_CLOEXEC);
}

/* Each number of the child that passes. The first error ends it; else how many there were. */
static long each_late(struct heirs *h, const struct umfs *fs, uint32_t slot,
		      long (*each)(struct heirs *h, uint32_t slot, int fd, int from))
{
	long n = 0, err = 0;

	for (int fd = 0; !err && fd < umfs_uinfo_top; fd++)
		if (passes_late(fs, fd, moved_from(h, fd)) && ++n)
			err = each(h, slot, fd, moved_from(h, fd));
	for (uint32_t i = 0; !err && i < h->moved_count; i++)
		if (h->moved[i].fd >= umfs_uinfo_top &&
		    passes_late(fs, h->moved[i].fd, h->moved[i].from) && ++n)
			err = each(h, slot, h->moved[i].fd, h->moved[i].from);
	return err ? err : n;
}

static long pass_late(struct heirs *h, uint32_t slot, int fd, int from)
{
	const struct uinfo *u = &umfs_uinfo_table[from];

	if (!h->given)
		umfs_ofd_give(u->file.fs, u->file.ofd, slot);
	describe_fd(&h->text, fd, u->file.ofd, u->kind | (u->shadow ? SHADOW : 0));
	return 0;
}

static long describe_late(struct heirs *h, struct umfs *fs, const struct pool_heir *heir)
{
	long n;

	describe_pool(&h->text, fs, heir);
	n = each_late(h, fs, heir->slot, pass_late);
	umfs_text_add(&h->text, ";");
	return n;
}

static long count_late(struct heirs *h, uint32_t slot, int fd, int from)
{
	(void)h;
	(void)slot;
	(void)fd;
	(void)from;
	return 0;
}

/* A number of this child's own becomes the mount's, as a duplicate of one before where it is. */
static long mount_late(struct heirs *h, uint32_t slot, int fd, int from)
{
	const struct umfs_file *f = &umfs_uinfo_table[from].file;
	long mount = -1;

	(void)slot;
	for (uint32_t i = 0; mount < 0 && i < h->passed_count; i++)
		if (h->passed[i].fs == f->fs && h->passed[i].ofd == f->ofd)
			mount = h->passed[i].mount;
	if (mount < 0) {
		mount = umfs_pass_open(from, "posix_spawn");
		if (mount < 0)
			return mount;
		if (h->passed_count < HEIRS_MOVED_MAX)
			h->passed[h->passed_count++] =
				(struct passed){fd, (int)mount, -1, f->ofd, f->fs};
	}
	return sys3(SYS_dup3, mount, fd, 0) < 0 ? -EMFILE : 0;
}

static long mount_all_late(struct heirs *h)
{
	struct passed passed[HEIRS_MOVED_MAX];
	long n;

	h->passed = passed;
	n = each_late(h, NULL, 0, mount_late);
	h->passed = NULL;
	h->passed_count = 0;
	return n;
}

/* In the child. It may be several times, where it looks for its program along PATH. */
long umfs_heirs_spawned(struct heirs *h, int dirfd, const char *path, int flags)
{
	bool knows;
	long n;

	if (h->late) /* what was made for a program that was not there is of no use */
		h->envp[h->vars] = NULL;
	umfs_preload_drop(&h->without);
	umfs_needed_drop(&h->passing);
	n = look(h, dirfd, path, flags);
	if (n || !h->late)
		return n;
	if (h->moved_count > HEIRS_MOVED_MAX)
		return umfs_refuse(REPORT_NO_EXEC, ENOTSUP);
	umfs_guard_enter();
	n = each_late(h, NULL, 0, count_late);
	knows = !n || h->known;
	h->text.len = strlen(NAME);
	if (!knows)
		n = mount_all_late(h);
	for (uint32_t i = 0; n && knows && i < umfs_config.mount_count; i++)
		if (h->made[i])
			describe_late(h, umfs_mount_fs(&umfs_mounts[i]), &h->pool[i]);
	h->given |= knows;
	umfs_guard_leave();
	if (n < 0)
		return n == -ENOTSUP ? umfs_refuse(REPORT_NO_EXEC, ENOTSUP) : n;
	h->envp[h->vars] = n && knows ? h->text.buf : NULL;
	for (uint32_t i = 0; !h->envp[h->vars] && i < umfs_config.mount_count; i++)
		if (h->made[i]) {
			sys3(SYS_fcntl, h->pool[i].fd, F_SETFD, FD_CLOEXEC);
			sys3(SYS_fcntl, h->pool[i].shadow_fd, F_SETFD, FD_CLOEXEC);
		}
	return 0;
}

/* ---- after exec ---- */

static char *take_value(char **envp)
{
	char *found = NULL, **to = envp;

	for (; *envp; envp++) {
		if (umfs_text_after(*envp, NAME))
			found = *envp + strlen(NAME);
		else
			*to++ = *envp;
	}
	*to = NULL;
	return found;
}

static bool number(const char **p, char end, uint64_t *v)
{
	return umfs_text_number(p, 10, v) && *(*p)++ == end;
}

/* Which pool a descriptor is of: the mount's whose pool is that file. */
static struct mount *mount_of_fd(int fd)
{
	struct stat st, pool;

	if (sys2(SYS_fstat, fd, &st))
		return NULL;
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (!sys4(SYS_newfstatat, AT_FDCWD, umfs_pool_path(m), &pool, 0) &&
		    pool.st_dev == st.st_dev && pool.st_ino == st.st_ino)
			return m;
	}
	return NULL;
}

static bool is_placeholder(int fd)
{
	struct stat st;

	return !sys2(SYS_fstat, fd, &st) && S_ISLNK(st.st_mode);
}

/* It was given to us: ours to use or, where the number is something else by now, to let go. */
static void take_fd(struct umfs *fs, int fd, uint32_t ofd, enum uinfo_kind kind, bool shadow)
{
	struct umfs_file f;
	bool good;

	if (umfs_ofd_inherit(fs, ofd))
		return;
	good = (uint32_t)fd < umfs_uinfo_count && umfs_uinfo_table[fd].kind == UINFO_NONE &&
	       !umfs_file_init(fs, ofd, &f) &&
	       (shadow ? pool_shadow_is(&umfs_mount_of(fs)->pool, f.ino, fd) : is_placeholder(fd));
	if (!good) {
		umfs_ofd_put(fs, ofd);
		return;
	}
	umfs_uinfo_set(fd, kind, &f, sys2(SYS_fcntl, fd, F_GETFD) & FD_CLOEXEC);
	umfs_uinfo_table[fd].shadow = shadow;
}

static void take_fds(struct umfs *fs, const char **p)
{
	uint64_t fd, ofd, kind;

	umfs_opens_enter();
	umfs_local_lock(LOCK_UINFO);
	while (**p != ';' && number(p, ':', &fd) && number(p, ':', &ofd) &&
	       number(p, ',', &kind)) {
		bool shadow = kind & SHADOW;

		if (fd > INT_MAX || ofd > UINT32_MAX)
			continue;
		if (kind == KEEPER)
			umfs_lock_inherit(fs, (uint32_t)ofd, (int)fd);
		kind &= ~(uint64_t)SHADOW;
		if (ofd < fs->geo.ofd_count && kind > UINFO_RESERVED && kind <= UINFO_PATH)
			take_fd(fs, (int)fd, (uint32_t)ofd, (enum uinfo_kind)kind, shadow);
	}
	umfs_local_unlock(LOCK_UINFO);
	umfs_opens_leave();
}

/* One pool's part; false: the text ends here, or makes no sense. */
static bool take_part(const char **p)
{
	uint64_t proof, slot, incarnation, old, kept;
	struct pool_heir heir;
	struct mount *m;

	if (!number(p, ' ', &proof) || !number(p, ' ', &slot) || !number(p, ' ', &incarnation) ||
	    !number(p, ' ', &old) || !number(p, ' ', &kept) || proof > INT_MAX || kept > INT_MAX)
		return false;
	heir = (struct pool_heir){(uint32_t)slot, (uint32_t)incarnation, (int)proof, (int)kept - 1};
	m = mount_of_fd(heir.fd);
	if (m && umfs_mount_inherit(m, &heir)) {
		umfs_guard_enter();
		take_fds(umfs_mount_fs(m), p);
		if (kept)
			pool_shadow_kept(&m->pool, heir.shadow_fd);
		umfs_slot_recover(umfs_mount_fs(m), (uint32_t)old);
		umfs_guard_leave();
	}
	while (**p && **p != ';')
		(*p)++;
	return *(*p)++ == ';';
}

void umfs_inherit_init(char **envp)
{
	const char *p = take_value(envp);

	umfs_needed_init(envp);
	while (p && *p && take_part(&p))
		;
	if (p)
		umfs_ring_inherited();
}
