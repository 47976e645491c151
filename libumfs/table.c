// SPDX-License-Identifier: BSD-3-Clause
/*
 * table.c - pools that are mounted: found in the kernel's table of mounts.
 *
 * Asked once, when the environment names no mount. A mount of type fuse.umfs has the
 * pool's path as its source (mount.umfs), so its directory is served from here, with
 * the mount beneath for everything else. It is left to the mount alone, which is slower
 * and as right, when
 *  T1  it shows a part of the pool only (a bind mount of a directory in it);
 *  T2  this process may not read and write the pool's file;
 *  T3  something else is mounted on it, in it, or over a directory above it.
 * A mount of type umfs is the kernel module's. It is the kernel's in all but what share.c does,
 * which goes by what a file is and not by its name: so none of these matters there.
 *
 * The mount itself is not asked anything here: its daemon may be stopped.
 */
#include <sys/mman.h>

#include "module.h"
#include "path.h"

#define TABLE "/proc/self/mountinfo"
#define TYPE "fuse.umfs"
#define TYPE_KERNEL "umfs"
#define TABLE_BYTES (1u << 20) /* a longer one is not looked at */
#define SHORT_BYTES 4096u      /* as long as it mostly is */

struct line {
	char *device, *root, *dir, *type, *source;
};

/* The next word, terminated; NULL: the line ends. */
static char *word(char **p)
{
	char *w = *p + strspn(*p, " ");
	char *end = w + strcspn(w, " ");

	if (!*w)
		return NULL;
	*p = *end ? end + 1 : end;
	*end = '\0';
	return w;
}

/* As "\040" for what would end a word; in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT DIR OPTIONS [TAG]... - TYPE SOURCE OPTIONS */
static bool parse(char *p, struct line *l)
{
	char *w;

	if (!word(&p) || !word(&p))
		return false;
	l->device = word(&p);
	l->root = word(&p);
	l->dir = word(&p);
	do {
		w = word(&p);
	} while (w && strcmp(w, "-"));
	l->type = word(&p);
	l->source = word(&p);
	if (!l->source)
		return false;
	unescape(l->root);
	unescape(l->dir);
	unescape(l->source);
	return true;
}

/* Is `path` the directory `dir`, or does it lie below? */
static bool lies_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1)
		return true;
	return !strncmp(path, dir, n) && (!path[n] || path[n] == '/');
}

static uint64_t device(const char *text)
{
	uint64_t major = 0, minor = 0;

	if (umfs_text_number(&text, 10, &major) && *text++ == ':')
		(void)umfs_text_number(&text, 10, &minor);
	return (major & 0xfff) << 8 | (minor & 0xff) | (minor & ~0xffull) << 12;
}

static bool usable(const char *pool)
{
	long err = sys4(SYS_faccessat2, AT_FDCWD, pool, R_OK | W_OK, AT_EACCESS);

	if (err == -ENOSYS)
		err = sys2(SYS_access, pool, R_OK | W_OK);
	return !err;
}

/* T3: mounts that were found so far and that this later one hides, wholly or in part. */
static void hide(const char *dir)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];

		if (lies_in(m->dir, dir) || lies_in(dir, m->dir))
			continue;
		if (i != kept)
			memcpy(&umfs_mounts[kept], m, sizeof(*m));
		kept++;
	}
	umfs_config.mount_count = kept;
}

static void take(const struct line *l)
{
	struct mount *m = &umfs_mounts[umfs_config.mount_count];
	size_t dir_len = strlen(l->dir), pool_len = strlen(l->source);

	if (umfs_config.mount_count == MOUNTS_MAX || strcmp(l->root, "/") || l->dir[0] != '/' ||
	    dir_len < 2 || dir_len >= DIR_BYTES || l->source[0] != '/' ||
	    pool_len >= DIR_BYTES || !usable(l->source))
		return;
	memcpy(m->dir, l->dir, dir_len + 1);
	m->dir_len = (uint32_t)dir_len;
	m->pool_off = m->dir_len + 1;
	memcpy(m->dir + m->pool_off, l->source, pool_len + 1);
	m->mounted = true;
	m->dev = device(l->device);
	umfs_config.mount_count++;
}

static void take_kernel(const struct line *l)
{
	struct mount *m = &umfs_kernel_mounts[umfs_config.kernel_count];
	size_t pool_len = strlen(l->source);

	if (umfs_config.kernel_count == MOUNTS_MAX || pool_len >= DIR_BYTES ||
	    strncmp(l->source, UMFS_NODES, strlen(UMFS_NODES)))
		return;
	m->dev = device(l->device);
	if (umfs_kernel_mount(m->dev)) /* at another place, or a part of it */
		return;
	memcpy(m->dir, l->source, pool_len + 1);
	m->module = m->mounted = true;
	umfs_config.kernel_count++;
}

static void take_lines(char *text)
{
	struct line l;

	while (*text) {
		char *end = text + strcspn(text, "\n");
		bool last = !*end;

		*end = '\0';
		if (parse(text, &l)) {
			hide(l.dir);
			if (!strcmp(l.type, TYPE))
				take(&l);
			if (!strcmp(l.type, TYPE_KERNEL))
				take_kernel(&l);
		}
		text = last ? end : end + 1;
	}
}

static size_t read_all(char *to, size_t size)
{
	long fd = sys4(SYS_openat, AT_FDCWD, TABLE, O_RDONLY | O_CLOEXEC, 0), n = 0;
	size_t have = 0;

	if (fd < 0)
		return 0;
	while (have < size && (n = sys3(SYS_read, fd, to + have, size - have)) > 0)
		have += (size_t)n;
	sys1(SYS_close, fd);
	return n || have == size ? 0 : have;
}

/* False: it does not fit. */
static bool take_table(char *text, size_t size)
{
	size_t have = read_all(text, size - 1);

	if (!have)
		return false;
	text[have] = '\0';
	if (!strstr(text, " " TYPE " ") && !strstr(text, " " TYPE_KERNEL " ")) /* mostly */
		return true;
	take_lines(text);
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		umfs_point_init(&umfs_mounts[i]);
	return true;
}

/* In memory of its own, each page of which is new. */
static void take_long_table(void)
{
	long at = sys6(SYS_mmap, 0, TABLE_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at < 0 && at > -4096)
		return;
	(void)take_table((char *)at, TABLE_BYTES);
	sys2(SYS_munmap, at, TABLE_BYTES);
}

void umfs_table_init(void)
{
	char text[SHORT_BYTES];

	if (!take_table(text, sizeof(text)))
		take_long_table();
}
