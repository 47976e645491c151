// SPDX-License-Identifier: BSD-3-Clause
/*
 * calls.c - a record that is a call of core's: which, by which process, on what.
 *
 * Answers may be anything that the pool's state explains, but they are errors that there
 * are, and counts that the caller's memory can take; memory handed out is exactly as
 * large as the call was told.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "internal.h"
#include "ops.h"

#define FILES 4u
#define BYTES_MAX (3u << 20)

static const char *const names[] = {
	"/a", "/b", "/m", "/empty", "/d", "/d/x", "/d/sub", "/d/sub/y", "/e", "/t", "/t/f", "/s",
	"/long", "/d/l", "/w", "/w/far", "/w/run", "/w/fifo", "/w/null", "/e/new", "/d/new",
	"/w/new", "/new", "/", "/d/..", "/s/z", "/d/./x", "/nothing/x", "/e/sub",
	"/d/long-enough-that-few-of-its-kind-fit-a-leaf-------------------------------------------",
};

static const char *const xattrs[] = {"user.small", "user.other", "user.large", "user.new",
				     "system.posix_acl_access", "system.posix_acl_default",
				     "trusted.x", "security.capability", "none", "user."};

static struct umfs *procs[2];
static struct {
	struct umfs_file file;
	uint32_t pins, irec; /* of a mapping */
	bool open;
} files[2][FILES];

static struct umfs *fs; /* whose call it is */
static uint32_t who;
static const struct record *r;

/* ---- what a record says ---- */

static const char *name(void)
{
	return names[r->how % UMFS_ARRAY_LEN(names)];
}

static const char *other(void)
{
	return names[r->index % UMFS_ARRAY_LEN(names)];
}

static const char *xattr(void)
{
	return xattrs[(r->field & 0xff) % UMFS_ARRAY_LEN(xattrs)];
}

static uint32_t handle(void)
{
	return r->index % FILES;
}

static struct umfs_file *file(void)
{
	return &files[who][handle()].file;
}

/* Offsets and lengths at which something changes: small ones, ends, pages, units, the limit. */
static uint64_t offset(void)
{
	static const uint64_t bases[] = {0, 4096, 5000, 120000, 2 * MIB, 3 * MIB, 3 * MIB + 5000,
					 GIB, UMFS_FILE_BYTES_MAX, ~0ull >> 1, 512 * MIB};
	uint64_t base = bases[(r->value >> 56) % UMFS_ARRAY_LEN(bases)];

	return base + (uint64_t)(int64_t)(int16_t)(r->value >> 32);
}

static uint64_t length(void)
{
	static const uint64_t bases[] = {0, 1, 64, 4096, 8192, 65536, 2 * MIB, 2 * MIB + 4096};
	uint64_t base = bases[(r->value >> 24 & 0xff) % UMFS_ARRAY_LEN(bases)];
	uint64_t n = base + (r->value & 0x1fff);

	return UMFS_MIN(n, BYTES_MAX);
}

static struct umfs_cred cred(void)
{
	struct umfs_cred c = world_root;

	if (r->more & 0x8000)
		c = (struct umfs_cred){.uid = 1 + (r->more & 1), .gid = 1, .umask = 077};
	return c;
}

static void check(int64_t ret, uint64_t max, const char *call)
{
	if (ret < -4095 || (ret > 0 && (uint64_t)ret > max))
		die("%s answered %lld", call, (long long)ret);
}
#define may(call, max) check(call, max, #call)

/* Memory of exactly that many bytes, so that one more is seen; there until the call's end. */
static void *taken[4];
static uint32_t taken_count;

static uint8_t *memory(uint64_t n, bool fill)
{
	uint8_t *p = malloc(n ? n : 1);

	if (!p || taken_count == UMFS_ARRAY_LEN(taken))
		die("out of memory");
	taken[taken_count++] = p;
	if (fill)
		memset(p, (int)(r->value | 1), n);
	return p;
}

/* A call may also have ended by a jump. */
static void memory_free(void)
{
	while (taken_count)
		free(taken[--taken_count]);
}

/* ---- names ---- */

static int parent(const char *path, umfs_node *dir, const char **last, uint32_t *len)
{
	return world_parent(fs, path, dir, last, len);
}

static void make_node(uint32_t mode)
{
	struct umfs_cred c = cred();
	const char *last;
	umfs_node dir, node;
	uint32_t len;

	if (!parent(name(), &dir, &last, &len))
		may(umfs_create(fs, &c, dir, last, len, mode, r->value, &node), 0);
}

static void make_dir(void)
{
	struct umfs_cred c = cred();
	const char *last;
	umfs_node dir;
	uint32_t len;
	umfs_node node;

	if (!parent(name(), &dir, &last, &len))
		may(umfs_mkdir(fs, &c, dir, last, len, r->more & 07777, &node), 0);
}

static void make_link(void)
{
	struct umfs_cred c = cred();
	umfs_node node, dir;
	const char *last;
	uint32_t len;

	if (!world_node(fs, name(), &node) && !parent(other(), &dir, &last, &len))
		may(umfs_link(fs, &c, node, dir, last, len), 0);
}

static void remove_name(bool dirs)
{
	struct umfs_cred c = cred();
	const char *last;
	umfs_node dir;
	uint32_t len;

	if (parent(name(), &dir, &last, &len))
		return;
	if (dirs)
		may(umfs_rmdir(fs, &c, dir, last, len), 0);
	else
		may(umfs_unlink(fs, &c, dir, last, len), 0);
}

static void walk(void)
{
	struct umfs_cred c = cred();
	struct umfs_walk w = {.rest = (char *)memory(UMFS_WALK_ROOM, false)};

	may(umfs_walk(fs, &c, UMFS_ROOT_INO, name() + 1, r->more & 7, &w), 1);
}

/* ---- open files ---- */

static void drop(uint32_t p, uint32_t i)
{
	if (!files[p][i].open)
		return;
	while (files[p][i].pins) {
		files[p][i].pins--;
		umfs_map_put(procs[p], files[p][i].irec);
	}
	world_close(&files[p][i].file);
	files[p][i].open = false;
}

static void open_file(uint32_t flags)
{
	drop(who, handle());
	files[who][handle()].open = !world_open(fs, name(), flags, file());
}

static void open_unnamed(void)
{
	drop(who, handle());
	files[who][handle()].open = !world_tmpfile(fs, name(), r->more & 1, file());
}

static void transfer(bool in)
{
	uint64_t n = length();
	uint8_t *p = memory(n, !in);

	if (in)
		may(umfs_pread(file(), p, n, offset()), n);
	else
		may(umfs_pwrite(file(), p, n, offset()), n);
}

/* Three pieces, one of them empty. */
static void vector(bool in)
{
	uint64_t n = length(), off = offset();
	uint8_t *p = memory(n, !in), *q = memory(n / 2, !in);
	struct umfs_iov iov[3] = {{p, n}, {p, 0}, {q, n / 2}};

	if (in && r->more & 1)
		may(umfs_preadv(file(), iov, 3, off), n + n / 2);
	else if (in)
		may(umfs_readv(file(), iov, 3), n + n / 2);
	else if (r->more & 1)
		may(umfs_pwritev(file(), iov, 3, &off, r->more & 2), n + n / 2);
	else
		may(umfs_writev(file(), iov, 3), n + n / 2);
}

static void copy(void)
{
	struct umfs_file *to = &files[who][r->more % FILES].file;
	uint64_t n = length();

	if (files[who][r->more % FILES].open)
		may(umfs_copy_range(file(), offset(), to, r->value & 0xffff, n), n);
}

static void map(void)
{
	uint64_t off = offset() & ~(uint64_t)UMFS_PAGE_MASK, end = off + length(), where;
	uint32_t irec;

	if (umfs_map_pin(file(), r->more & 3, off, &end, &irec))
		return;
	files[who][handle()].irec = irec;
	files[who][handle()].pins++;
	may(umfs_map_run(file(), off, (length() + UMFS_PAGE_MASK) & ~(uint64_t)UMFS_PAGE_MASK,
			 &where), UINT64_MAX >> 1);
}

static void unmap(void)
{
	if (!files[who][handle()].pins)
		return;
	files[who][handle()].pins--;
	umfs_map_put(fs, files[who][handle()].irec);
}

/* ---- attributes ---- */

static void xattr_call(umfs_node node, unsigned int what)
{
	struct umfs_cred c = cred();
	uint64_t n = UMFS_MIN(length(), 70000u);
	uint8_t *p = memory(n, what == 1);
	uint32_t len = (uint32_t)strlen(xattr());

	if (what == 0)
		may(umfs_getxattr(fs, &c, node, xattr(), len, p, n), n ? n : 65536);
	else if (what == 1)
		may(umfs_setxattr(fs, &c, node, xattr(), len, p, n, r->more & 3), 0);
	else if (what == 2)
		may(umfs_listxattr(fs, &c, node, (char *)p, n), n ? n : 1u << 20);
	else
		may(umfs_removexattr(fs, &c, node, xattr(), len), 0);
}

static void attributes(umfs_node node, unsigned int what)
{
	struct umfs_cred c = cred();
	struct umfs_attr attr;

	if (what == 0)
		may(umfs_getattr(fs, node, &attr), 0);
	else if (what == 1)
		may(umfs_access(fs, &c, node, r->more & 7), 0);
	else if (what == 2)
		may(umfs_chmod(fs, &c, node, r->more & 07777), 0);
	else if (what == 3)
		may(umfs_chown(fs, &c, node, r->more & 3, (uint32_t)r->value), 0);
	else
		may(umfs_utimens(fs, &c, node, (int64_t)r->value, UMFS_TIME_NOW), 0);
}

static void read_link(umfs_node node)
{
	uint64_t n = UMFS_MIN(length(), 5000u);
	uint8_t *p = memory(n, false);

	may(umfs_readlink(fs, node, (char *)p, n), n);
}

static void path_of(uint32_t dir)
{
	uint32_t n = (uint32_t)UMFS_MIN(length(), 5000u);
	uint8_t *p = memory(n, false);

	may(umfs_getpath(fs, dir, (char *)p, n), n);
}

struct listing {
	uint64_t names, cookie, max;
};

static int list_name(void *arg, const char *at, uint32_t len, uint32_t ino, uint32_t type,
		     uint64_t cookie)
{
	struct listing *l = arg;
	volatile char last = at[(len - 1) & 0xff];

	(void)last;
	(void)ino;
	(void)type;
	if (!len || len > UMFS_NAME_MAX)
		die("a name of %u bytes", len);
	if (cookie < l->cookie) /* two damaged ones may have the same */
		die("readdir went back");
	l->cookie = cookie;
	return ++l->names >= l->max;
}

static void list(umfs_node dir, uint64_t cookie, uint64_t max)
{
	struct listing l = {.cookie = cookie, .max = max};

	may(umfs_readdir(fs, dir, cookie, list_name, &l), 0);
}

/* ---- the pool ---- */

static void pool_call(unsigned int what)
{
	struct umfs_statfs st;
	uint32_t slot;

	if (what == 0)
		umfs_statfs(fs, &st);
	else if (what == 1)
		umfs_reap(fs, false);
	else if (what == 2)
		may(umfs_grow(fs, fs->geo.pool_pages + (r->value & 0xffff)), 0);
	else if (!umfs_freeze(fs, 1000, &slot))
		may(umfs_thaw(fs), 0);
}

/* ---- which call; numbers stay, new ones come last ---- */

static void call_name(unsigned int n)
{
	umfs_node node;

	switch (n) {
	case 0: make_node(0100000 | (r->more & 07777)); return;
	case 1: make_node(r->more & 1 ? 0010644 : 0020600); return;
	case 2: make_dir(); return;
	case 3: may(world_symlink(fs, other() + 1, name()), 0); return;
	case 4: make_link(); return;
	case 5: remove_name(false); return;
	case 6: remove_name(true); return;
	case 7: may(world_rename2(fs, name(), other(), r->more & 3), 0); return;
	case 8: walk(); return;
	case 9: may(world_truncate(fs, name(), offset() & ~(1ull << 63)), 0); return;
	}
	if (n == 10)
		node = r->index; /* whatever has that number */
	else if (world_node(fs, name(), &node))
		return;
	switch (n) {
	case 10:
	case 11: attributes(node, r->field % 5); return;
	case 12: xattr_call(node, 0); return;
	case 13: xattr_call(node, 1); return;
	case 14: xattr_call(node, 2); return;
	case 15: xattr_call(node, 3); return;
	case 16: read_link(node); return;
	case 17: path_of((uint32_t)node); return;
	case 18: list(node, r->more & 1 ? r->value >> 1 : 0, 1 + (r->field & 0xff)); return;
	default: pool_call(n % 4); return;
	}
}

static void call_file(unsigned int n)
{
	if (n > 2 && !files[who][handle()].open)
		return;
	switch (n) {
	case 0: open_file(r->more & (O_ACCMODE | O_CREAT | O_APPEND | O_TRUNC)); return;
	case 1: open_file(O_RDWR | O_CREAT); return;
	case 2: open_unnamed(); return;
	case 3: drop(who, handle()); return;
	case 4: transfer(true); return;
	case 5: transfer(false); return;
	case 6: vector(true); return;
	case 7: vector(false); return;
	case 8: may(umfs_seek(file(), (int64_t)offset(), r->more % 4), INT64_MAX); return;
	case 9: may(umfs_truncate(fs, umfs_file_node(file()), offset() & ~(1ull << 63)), 0); return;
	case 10: may(umfs_fallocate(file(), r->more & 19, offset(), length()), 0); return;
	case 11: may(umfs_fsync(file()), 0); return;
	case 12: copy(); return;
	case 13: map(); return;
	case 14: unmap(); return;
	case 15: may(umfs_ofd_set_flags(file(), UMFS_O_APPEND, r->more), 0); return;
	case 16: may(world_name(file(), name()), 0); return;
	default: umfs_accessed(file()); return;
	}
}

void calls_begin(struct umfs *first, struct umfs *second)
{
	memset(files, 0, sizeof(files));
	procs[0] = first;
	procs[1] = second;
	world_tries = 2;
}

void calls_run(const struct record *record)
{
	unsigned int n = (record->what & ~RECORD_CALL) % CALL_COUNT;

	memory_free();
	r = record;
	who = procs[1] && record->more & 0x4000;
	fs = procs[who];
	if (n < 24)
		call_name(n);
	else
		call_file(n - 24);
}

void calls_look(struct umfs *looker)
{
	static const struct record nothing = {.value = 5000};
	struct umfs_file f;
	uint8_t *p;
	uint32_t ino, ofd;

	r = &nothing;
	fs = looker;
	for (ino = 0; ino < IMAGE_INODES; ino++) {
		memory_free();
		attributes(ino, 0);
		xattr_call(ino, 2);
		read_link(ino);
		path_of(ino);
		list(ino, 0, 1000);
		if (umfs_open(fs, ino, O_RDONLY, &ofd))
			continue;
		p = memory(5000, false);
		if (!umfs_file_init(fs, ofd, &f)) {
			may(umfs_pread(&f, p, 5000, 0), 5000);
			may(umfs_pread(&f, p, 5000, 3 * MIB + 100), 5000);
			may(umfs_seek(&f, 0, 3), INT64_MAX);
		}
		umfs_ofd_put(fs, ofd);
	}
}

void calls_end(void)
{
	memory_free();
	for (uint32_t p = 0; p < 2; p++)
		for (uint32_t i = 0; procs[p] && i < FILES; i++)
			drop(p, i);
}
