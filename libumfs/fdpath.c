// SPDX-License-Identifier: BSD-3-Clause
/*
 * fdpath.c - readlink of /proc/self/fd/N: the path of what N is open for.
 *
 * The link in /proc is the kernel's, of what holds the number. A directory in a pool knows
 * its path; of anything else U-Info has noted in which directory it was opened, and there a
 * name is looked for that is its. So what is found is true, whatever was renamed or removed
 * meanwhile; what was moved to another directory, has no name any more, or came by exec is
 * not found, and the kernel's answer stands.
 */
#include <sys/stat.h>

#include "hooks.h"
#include "path.h"

struct looking {
	uint32_t ino;
	char *name; /* UMFS_NAME_MAX + 1 bytes */
	bool found;
};

static int is_it(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		 uint64_t cookie)
{
	struct looking *l = arg;

	(void)type;
	(void)cookie;
	if (ino != l->ino)
		return 0;
	memcpy(l->name, name, len);
	l->name[len] = '\0';
	l->found = true;
	return 1;
}

static bool add_dir(struct text *t, const struct umfs_file *f, uint32_t dir)
{
	if (umfs_getpath(f->fs, dir, t->buf + t->len, (uint32_t)(t->size - t->len)))
		return false;
	t->len += strlen(t->buf + t->len);
	if (t->buf[t->len - 1] == '/') /* the top */
		t->buf[--t->len] = '\0';
	return true;
}

static bool add_file(struct text *t, const struct umfs_file *f, uint32_t dir)
{
	char name[UMFS_NAME_MAX + 2] = "/";
	struct looking l = {.ino = f->ino, .name = name + 1};

	if (!dir || umfs_readdir(f->fs, dir, 0, is_it, &l) < 0 || !l.found || !add_dir(t, f, dir))
		return false;
	umfs_text_add(t, name);
	return t->len + 1 < t->size;
}

static bool find(int fd, struct text *t)
{
	struct umfs_attr attr;
	struct umfs_file f;

	if (umfs_uinfo_read(fd, &f) == UINFO_NONE || umfs_getattr(f.fs, umfs_file_node(&f), &attr))
		return false;
	umfs_text_add(t, umfs_mount_of(f.fs)->dir);
	if (S_ISDIR(attr.mode))
		return add_dir(t, &f, f.ino);
	return add_file(t, &f, umfs_uinfo_parent(fd));
}

long umfs_fd_path(const char *path, char *buf, size_t size)
{
	char found[2 * DIR_BYTES];
	struct text t;
	bool known;
	int fd;

	if (!LOAD_RELAXED(&umfs_uinfo_count) || !umfs_path_own_number(path, &fd))
		return -ENOENT;
	umfs_text_init(&t, found, sizeof(found));
	umfs_guard_enter();
	known = find(fd, &t);
	umfs_guard_leave();
	if (!known)
		return -ENOENT;
	size = UMFS_MIN(size, t.len);
	return port_copy_out(buf, found, size) ? -EFAULT : (long)size;
}

/* What the link's mode says: for what the number is open. The placeholder is for nothing. */
uint32_t umfs_fd_link_mode(const char *path)
{
	struct umfs_file f;
	enum uinfo_kind kind;
	int fd;

	if (!LOAD_RELAXED(&umfs_uinfo_count) || !umfs_path_own_number(path, &fd))
		return 0;
	kind = umfs_uinfo_read(fd, &f);
	if (kind == UINFO_NONE || kind == UINFO_PATH)
		return 0;
	return (kind == UINFO_DIR || umfs_flags_read(f.flags) ? 0500 : 0) |
	       (kind != UINFO_DIR && umfs_flags_write(f.flags) ? 0300 : 0);
}
