// SPDX-License-Identifier: BSD-3-Clause
/*
 * hook_dir.c - reading directories by descriptor.
 *
 * A directory's position is 0 before ".", 1 before "..", 2 before the first
 * name, and from then on core's cookie of the last name given: it stays valid
 * whatever is created or removed meanwhile. (A name whose 63-bit keyed hash is
 * 1 or 2 would be given twice.)
 */
#include "hooks.h"
#include "path.h"

#define POS_FIRST 2

struct filler {
	char *buf;
	size_t size, used;
	uint64_t pos; /* behind the last entry that fitted */
	bool full;    /* there was one that did not */
};

static int put_entry(struct filler *f, const char *name, uint32_t len, uint64_t ino, uint8_t type,
		     uint64_t next)
{
	size_t reclen = (offsetof(struct dirent, d_name) + len + 1 + 7) & ~(size_t)7;
	struct dirent *d = (struct dirent *)(void *)(f->buf + f->used);

	if (reclen > f->size - f->used)
		return 1;
	d->d_ino = ino;
	d->d_off = (off_t)next;
	d->d_reclen = (unsigned short)reclen;
	d->d_type = type;
	memcpy(d->d_name, name, len);
	memset(d->d_name + len, 0, reclen - offsetof(struct dirent, d_name) - len);
	f->used += reclen;
	f->pos = next;
	return 0;
}

static int emit(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		uint64_t cookie)
{
	struct filler *f = arg;

	f->full = put_entry(f, name, len, ino, (uint8_t)type, cookie);
	return f->full;
}

/* The parent's inode number; that of the root is its own, as its parent is not ours. */
static uint32_t parent_of(struct spot *s, const struct umfs_file *f)
{
	struct umfs_cred root = {.override = true};

	s->w.links = 0;
	s->w.rest = s->scratch->room;
	if (umfs_walk(umfs_mount_fs(s->m), &root, umfs_file_node(f), "..", 0, &s->w) ||
	    !s->w.ino)
		return f->ino;
	return (uint32_t)s->w.ino;
}

static long fill(struct spot *s, const struct umfs_file *f, struct filler *fill)
{
	long err;

	if (fill->pos == 0 && put_entry(fill, ".", 1, f->ino, DT_DIR, 1))
		return -EINVAL;
	if (fill->pos == 1 && put_entry(fill, "..", 2, parent_of(s, f), DT_DIR, POS_FIRST))
		return fill->used ? 0 : -EINVAL;
	err = umfs_readdir(f->fs, umfs_file_node(f), fill->pos == POS_FIRST ? 0 : fill->pos, emit, fill);
	if (err == -EUCLEAN && fill->used)
		return 0; /* what is whole comes first, and the next call says it */
	if (!err && fill->full && !fill->used)
		return -EINVAL;
	return err < 0 ? err : 0;
}

static long getdents_ours(const struct umfs_file *f, void *buf, size_t n)
{
	struct spot s;
	struct filler out = {.used = 0};
	int64_t pos;
	long ret;

	s.scratch = NULL;
	s.m = umfs_mount_of(f->fs);
	out.buf = umfs_spot_scratch(&s)->outer[0];
	out.size = UMFS_MIN(n, sizeof(s.scratch->outer));
	pos = umfs_seek(f, 0, SEEK_CUR);
	out.pos = (uint64_t)pos;
	ret = pos < 0 ? pos : fill(&s, f, &out);
	if (!ret || ret == -EINVAL) /* though the buffer was too short */
		umfs_accessed(f);
	if (!ret && out.used && port_copy_out(buf, out.buf, out.used))
		ret = -EFAULT;
	if (!ret && out.pos != (uint64_t)pos)
		ret = UMFS_MIN(umfs_seek(f, (int64_t)out.pos, SEEK_SET), 0);
	umfs_spot_end(&s);
	return ret ? ret : (long)out.used;
}

long umfs_hook_getdents(int fd, void *buf, size_t n)
{
	struct umfs_file f;
	enum uinfo_kind kind = umfs_uinfo_read(fd, &f);
	long ret;

	if (kind == UINFO_NONE)
		return sys3(SYS_getdents64, fd, buf, n);
	if (kind != UINFO_DIR)
		return kind == UINFO_PATH ? -EBADF : -ENOTDIR;
	umfs_guard_enter();
	umfs_local_lock(LOCK_DIRS); /* two threads in one description: each entry once */
	ret = getdents_ours(&f, buf, n);
	umfs_local_unlock(LOCK_DIRS);
	umfs_guard_leave();
	umfs_report_count(REPORT_SERVED);
	return ret;
}
