// SPDX-License-Identifier: BSD-3-Clause
/*
 * mount.c - directories that are ours, and their pools.
 *
 * A pool is attached when the first path below its directory is used. When
 * that fails it has failed for the life of the process: one line on stderr,
 * and EIO for every path below the directory, so that nothing is written
 * elsewhere by mistake.
 */
#include "module.h"

/* A made-up device number: the same in all processes, and no device has it. */
static uint64_t device_number(const struct pool *p)
{
	uint64_t which[2] = {p->dev, p->inode_no};
	uint64_t minor = umfs_text_hash(which, sizeof(which)) & 0xfffff;
	uint64_t major = 0xfee;

	return (major << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12);
}

/* The configuration is bad: said for the first of the mounts. */
static void refuse(struct mount *m)
{
	static bool said;

	if (!said)
		umfs_text_say(umfs_config.wrong, "; all files below LIBUMFS_MOUNT give EIO", "", "");
	said = true;
	m->error = -EINVAL;
	STORE(&m->state, MOUNT_FAILED);
}

struct answer {
	char uuid[16];
	bool given;
};

/*
 * Which pool the mount has. Asked with no lock held: a daemon that is stopped keeps only
 * those waiting who ask. One that is gone gives no answer. A child of who knew need not ask.
 */
static void ask(const struct mount *m, struct answer *a)
{
	a->given = m->mounted && LOAD(&m->state) == MOUNT_IDLE && !m->apart &&
		   sys4(SYS_getxattr, m->dir, UMFS_XATTR_POOL, a->uuid, sizeof(a->uuid)) ==
			   sizeof(a->uuid);
}

/* The path that it was made with leads, in a container or after a pool was replaced, to another. */
static bool is_mounted(const struct mount *m, const struct answer *a)
{
	const struct umfs_super_pm *sb = (const void *)(m->pool.fs.base +
							UMFS_SB_PAGE * UMFS_PAGE_BYTES);

	return !a->given || !memcmp(a->uuid, sb->uuid, sizeof(sb->uuid));
}

static void attach_module(struct mount *m)
{
	m->error = umfs_module_attach(m);
	if (m->error)
		umfs_text_say("pool ", umfs_pool_path(m), ": ", umfs_module_strerror(m->error));
	STORE(&m->state, m->error ? MOUNT_FAILED : MOUNT_MODULE);
}

static int join(struct mount *m)
{
	const char *path = umfs_pool_path(m);
	/* Mapped just now, one below the other. */
	uintptr_t near = UMFS_MIN((uintptr_t)umfs_uinfo_table, (uintptr_t)umfs_process_known);

	if (!m->used)
		return pool_attach_zero(&m->pool, path, umfs_config.mode, near);
	if (m->pool.fs.base)
		return pool_resume(&m->pool, path, umfs_config.mode);
	return pool_attach(&m->pool, path, umfs_config.mode);
}

/* heir: what an image before this one left, or NULL. */
static void attach(struct mount *m, const struct pool_heir *heir, const struct answer *a)
{
	int err = m->module ? 0 : umfs_uinfo_init();

	if (umfs_config.wrong[0]) {
		refuse(m);
		return;
	}
	if (m->module) {
		attach_module(m);
		return;
	}
	umfs_process_know();
	if (!err && !heir)
		err = join(m);
	m->used = true;
	m->apart = false;
	if (!err && heir && pool_inherit(&m->pool, umfs_pool_path(m), heir))
		return; /* as if there were none */
	if (!err && !is_mounted(m, a)) {
		pool_close(&m->pool);
		err = -ESTALE;
	}
	if (err) {
		m->error = err;
		umfs_text_say("pool ", umfs_pool_path(m), ": ",
			      err == -ESTALE ? "is not the one that is mounted" :
					       pool_strerror(err));
		STORE(&m->state, MOUNT_FAILED);
		return;
	}
	if (!m->mounted)
		m->dev = device_number(&m->pool);
	umfs_limit_tell(m);
	umfs_cred_tell(m);
	umfs_atime_set(umfs_mount_fs(m), umfs_config.atime);
	m->spawned = umfs_guard_self.spawning;
	STORE(&m->state, MOUNT_LIVE);
	if (!heir)
		umfs_ring_look();
}

static __attribute__((noinline)) int first_use(struct mount *m)
{
	struct answer a;
	uint32_t state;

	umfs_guard_enter();
	ask(m, &a);
	umfs_local_lock(LOCK_ATTACH);
	if (LOAD(&m->state) == MOUNT_IDLE)
		attach(m, NULL, &a);
	state = LOAD(&m->state);
	umfs_local_unlock(LOCK_ATTACH);
	umfs_guard_leave();
	return state == MOUNT_FAILED ? -EIO : 0;
}

int umfs_mount_get(struct mount *m)
{
	uint32_t state = LOAD(&m->state);

	if (likely(state == MOUNT_LIVE))
		return 0;
	return state == MOUNT_MODULE ? umfs_module_again(m) : first_use(m);
}

bool umfs_mount_memory(uint64_t from, uint64_t to, uint64_t *start, uint64_t *end)
{
	uint64_t first, behind;

	*start = to;
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (pool_memory_next(&umfs_mounts[i].pool, from, to, &first, &behind) &&
		    first < *start) {
			*start = first;
			*end = behind;
		}
	return *start < to;
}

bool umfs_mount_inherit(struct mount *m, const struct pool_heir *heir)
{
	struct answer a;

	umfs_guard_enter();
	ask(m, &a);
	umfs_local_lock(LOCK_ATTACH);
	if (LOAD(&m->state) == MOUNT_IDLE)
		attach(m, heir, &a);
	umfs_local_unlock(LOCK_ATTACH);
	umfs_guard_leave();
	return LOAD(&m->state) == MOUNT_LIVE;
}

/* The slot is kept by a mapping, which is this process's as well. */
void umfs_mount_spawned(void)
{
	umfs_guard_enter();
	umfs_local_lock(LOCK_ATTACH);
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (m->spawned && LOAD(&m->state) == MOUNT_LIVE)
			pool_regain(&m->pool);
		m->spawned = false;
	}
	umfs_local_unlock(LOCK_ATTACH);
	umfs_guard_leave();
	umfs_module_spawned();
}

/* Past slashes and "." components. */
static const char *skip_nothing(const char *p)
{
	for (;;) {
		if (*p == '/')
			p++;
		else if (p[0] == '.' && (p[1] == '/' || !p[1]))
			p++;
		else
			return p;
	}
}

/* `dir`: clean components. What of `path` comes after them, or NULL. */
static const char *after_prefix(const char *dir, const char *path)
{
	for (;;) {
		path = skip_nothing(path);
		while (*dir == '/')
			dir++;
		if (!*dir)
			return path;
		while (*dir && *dir != '/')
			if (*dir++ != *path++)
				return NULL;
		if (*path && *path != '/')
			return NULL;
	}
}

/* The same for a whole mount's directory; nearly always the path has its very text. */
static const char *after_mount(const struct mount *m, const char *path)
{
	if (likely(!strncmp(path, m->dir, m->dir_len)) && path[m->dir_len] == '/')
		return skip_nothing(path + m->dir_len);
	return after_prefix(m->dir, path);
}

struct mount *umfs_mount_match(const char *path, const char **rest)
{
	struct mount *best = NULL;

	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];
		const char *after = after_mount(m, path);

		if (after && (!best || m->dir_len > best->dir_len)) {
			best = m;
			*rest = after;
		}
	}
	return best;
}

struct mount *umfs_mount_match_relative(const char *path, const char **rest)
{
	struct mount *best = NULL;

	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];
		uint32_t off = LOAD_RELAXED(&m->cwd_off);
		const char *after = off ? after_prefix(m->dir + off, path) : NULL;

		if (after && (!best || m->dir_len > best->dir_len)) {
			best = m;
			*rest = after;
		}
	}
	return best;
}

struct mount *umfs_mount_inner(struct mount *m, const char **rest)
{
	struct mount *best = m;
	const char *from = *rest;

	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *inner = &umfs_mounts[i];
		const char *after;

		if (inner->dir_len <= best->dir_len || inner->dir[m->dir_len] != '/' ||
		    memcmp(inner->dir, m->dir, m->dir_len))
			continue;
		after = after_prefix(inner->dir + m->dir_len, from);
		if (after) {
			best = inner;
			*rest = after;
		}
	}
	return best;
}

/* Where in the mount's directory what follows the working directory begins; 0: not below it. */
static uint32_t below_cwd(const struct mount *m, const char *cwd, uint32_t len)
{
	bool root = len == 1;
	bool below = len && len < m->dir_len && !memcmp(cwd, m->dir, len) && m->dir[len] == '/';

	return root ? 1 : below ? len + 1 : 0;
}

bool umfs_mount_cwd_changed(void)
{
	char cwd[DIR_BYTES];
	long n = sys2(SYS_getcwd, cwd, sizeof(cwd));
	uint32_t len = n > 1 && cwd[0] == '/' ? (uint32_t)n - 1 : 0;

	for (uint32_t i = 0; i < UMFS_MIN(umfs_config.mount_count, MOUNTS_MAX); i++)
		STORE(&umfs_mounts[i].cwd_off, below_cwd(&umfs_mounts[i], cwd, len));
	return n > 0 && cwd[0] == '/';
}

/* A mount's number is known; others have theirs when they are attached. Not of the module's. */
struct mount *umfs_mount_by_dev(uint64_t dev)
{
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (!m->module && (!m->mounted || m->dev == dev) && !umfs_mount_get(m) && m->dev == dev)
			return m;
	}
	return NULL;
}

/*
 * The mapping stays: before an exec that may fail this may be a signal handler in the
 * middle of a read that has no guard (umfs_hook_pread_small).
 */
void umfs_mount_leave(void)
{
	struct umfs_file cwd;

	if (umfs_guard_self.busy || umfs_uinfo_open_count() || LOAD(&umfs_maps_count) ||
	    umfs_uinfo_cwd(&cwd) != UINFO_NONE || !umfs_process_alone())
		return;
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (LOAD(&m->state) != MOUNT_LIVE)
			continue;
		STORE(&m->state, MOUNT_IDLE);
		pool_pause(&m->pool);
	}
}
