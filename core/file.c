// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * file.c - read(), positions, fsync().
 *
 * A read takes no lock: it copies between two looks at the inode's sequence and
 * starts over when that moved; after a few misses it takes the lock. Up to
 * 2 MiB are seen whole or not at all. The copy may meet pages that a writer has
 * just freed; what it got then is thrown away.
 */
#include "internal.h"
#include "view.h"

#define TRIES 4
#define DAY_NS 86400000000000ll
#define MINUTE_NS 60000000000ull

int umfs_file_init(struct umfs *fs, uint32_t ofd, struct umfs_file *f)
{
	struct umfs_ofd_pm *o = umfs_ofd(fs, ofd);

	if (!o)
		return -EBADF;
	f->fs = fs;
	f->ofd = ofd;
	f->tag = ld64(&o->key) & ((1u << UMFS_FILE_TAG_BITS) - 1);
	f->ino = ld32(&o->ino);
	f->generation = ld32(&o->generation);
	f->flags = ld32(&o->flags);
	f->inode = umfs_inode(fs, f->ino);
	return f->inode ? 0 : -EUCLEAN;
}

/* ---- reading ---- */

/* Where the bytes go. */
struct sink {
	const struct umfs_iov *iov;
	uint32_t at;
	uint64_t off;
};

static const uint8_t zero_page[UMFS_PAGE_BYTES];

static int put(struct sink *s, const void *from, uint64_t n)
{
	while (n) {
		const struct umfs_iov *iov = &s->iov[s->at];
		uint64_t part = UMFS_MIN(n, iov->len - s->off);
		int err = part ? port_copy_out((uint8_t *)iov->base + s->off, from, part) : 0;

		if (err)
			return err;
		from = (const uint8_t *)from + part;
		n -= part;
		s->off += part;
		if (s->off == iov->len) {
			s->at++;
			s->off = 0;
		}
	}
	return 0;
}

static int put_zeros(struct sink *s, uint64_t n)
{
	int err = 0;

	while (!err && n) {
		uint64_t part = UMFS_MIN(n, (uint64_t)UMFS_PAGE_BYTES);

		err = put(s, zero_page, part);
		n -= part;
	}
	return err;
}

/* Of pages that have no entry by which they could be read: none at all? Else they are lost. */
static bool is_hole(const struct umfs *fs, uint64_t root, uint64_t index, uint64_t pages)
{
	return umfs_fpt_next(fs, root, index, index + pages) == index + pages;
}

static int copy_range(const struct umfs *fs, uint64_t root, struct sink *s, uint64_t off,
		      uint64_t n)
{
	int err = 0;

	while (!err && n) {
		uint64_t in_page = off & UMFS_PAGE_MASK, index = off >> UMFS_PAGE_SHIFT;
		uint64_t entry, pages = 1, part;

		if (in_page + n <= UMFS_PAGE_BYTES) { /* the usual small read */
			entry = umfs_fpt_get(fs, root, index);
			part = n;
		} else {
			pages = umfs_fpt_run(fs, root, index,
					     (in_page + n + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT,
					     &entry);
			part = UMFS_MIN((pages << UMFS_PAGE_SHIFT) - in_page, n);
		}
		if (umfs_pte_written(entry))
			err = put(s, (uint8_t *)umfs_page(fs, umfs_pte_page(entry)) + in_page,
				  part);
		else if (!entry && !is_hole(fs, root, index, pages))
			err = -EUCLEAN;
		else
			err = put_zeros(s, part);
		off += part;
		n -= part;
	}
	return err;
}

/* Bytes copied of what there is at `off`, without regard to writers. */
static int64_t read_once(const struct umfs_file *f, struct sink *s, uint64_t n, uint64_t off)
{
	uint64_t size = umfs_inode_size(f->inode);
	int err;

	if (ld32(&f->inode->generation) != f->generation || !ld32(&f->inode->mode))
		return -EBADF;
	if (off >= size)
		return 0;
	n = UMFS_MIN(n, size - off);
	err = copy_range(f->fs, ld64(&f->inode->root), s, off, n);
	return err ? err : (int64_t)n;
}

static int64_t read_locked(const struct umfs_file *f, struct sink *s, uint64_t n, uint64_t off)
{
	int64_t ret = umfs_lock(f->fs, &f->inode->lock);

	if (ret)
		return ret;
	umfs_seq_heal(f->inode);
	ret = read_once(f, s, n, off);
	umfs_unlock(f->fs, &f->inode->lock);
	return ret;
}

static int64_t read_chunk(const struct umfs_file *f, struct sink *s, uint64_t n, uint64_t off)
{
	struct sink start = *s;
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		uint64_t seq = ld64(&f->inode->seq);

		if (!(seq & 1)) {
			int64_t ret = read_once(f, s, n, off);

			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			if (__builtin_expect(ld64(&f->inode->seq) == seq, 1))
				return ret;
			*s = start;
		}
		port_relax();
	}
	return f->fs->readonly ? read_once(f, s, n, off) : read_locked(f, s, n, off);
}

/* ---- times of access ---- */

/* Newer than the last change, and than a day ago. Always: nothing is. */
static inline bool relatime_fresh(const struct umfs *fs, const struct umfs_inode_pm *in)
{
	int64_t atime = (int64_t)ld64(&in->atime_ns);

	return atime > (int64_t)ld64(&in->mtime_ns) && atime > (int64_t)ld64(&in->ctime_ns) &&
	       atime > __atomic_load_n(&fs->day_ago_ns, __ATOMIC_RELAXED);
}

static bool atime_kept(const struct umfs_file *f)
{
	return f->fs->atime == UMFS_ATIME_NEVER || (f->flags & UMFS_O_NOATIME);
}

static inline bool atime_fresh(const struct umfs_file *f)
{
	return relatime_fresh(f->fs, f->inode) || atime_kept(f);
}

static __attribute__((__noinline__)) void touch_atime(const struct umfs *fs,
						      struct umfs_inode_pm *in)
{
	int64_t now = port_now_ns();

	/* One that lies in the future goes back, as Linux has it. */
	if (!fs->readonly && now != (int64_t)ld64(&in->atime_ns) && !umfs_frozen(fs))
		st64(&in->atime_ns, (uint64_t)now);
}

void umfs_inode_accessed(const struct umfs *fs, struct umfs_inode_pm *in)
{
	if (!relatime_fresh(fs, in) && fs->atime != UMFS_ATIME_NEVER)
		touch_atime(fs, in);
}

/* O_NOATIME may have come by F_SETFL, which f does not know. */
static __attribute__((__noinline__)) void touch_open(const struct umfs_file *f)
{
	const struct umfs_ofd_pm *o = umfs_ofd_of(f);

	if (!o || !(ld32(&o->flags) & UMFS_O_NOATIME))
		touch_atime(f->fs, f->inode);
}

void umfs_accessed(const struct umfs_file *f)
{
	if (!atime_fresh(f))
		touch_open(f);
}

/* A day is a day to the minute: threads that open files do not take the line from each other. */
void umfs_atime_day(struct umfs *fs)
{
	int64_t ago = fs->atime == UMFS_ATIME_ALWAYS ? INT64_MAX : port_now_ns() - DAY_NS;
	int64_t was = __atomic_load_n(&fs->day_ago_ns, __ATOMIC_RELAXED);

	if (ago < was || (uint64_t)ago - (uint64_t)was > MINUTE_NS)
		__atomic_store_n(&fs->day_ago_ns, ago, __ATOMIC_RELAXED);
}

void umfs_atime_set(struct umfs *fs, enum umfs_atime when)
{
	fs->atime = when;
	umfs_atime_day(fs);
}

/* ---- what is read from ---- */

static int check_kind(const struct umfs_file *f)
{
	uint32_t mode = ld32(&f->inode->mode);

	if (f->fs->broken)
		return -EIO;
	if (__builtin_expect(umfs_is_reg(mode), 1))
		return 0;
	if (!mode)
		return -EBADF;
	return umfs_is_dir(mode) ? -EISDIR : -EINVAL;
}

int64_t umfs_preadv(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count,
		    uint64_t off)
{
	struct sink s = {iov, 0, 0};
	uint64_t total = 0, done = 0;
	int64_t ret = check_kind(f);
	uint32_t i;

	if (ret)
		return ret;
	for (i = 0; i < count; i++) {
		if (iov[i].len > (uint64_t)INT64_MAX - total)
			return -EINVAL;
		total += iov[i].len;
	}
	if (off > (uint64_t)INT64_MAX)
		return -EINVAL;
	while (done < total) {
		uint64_t part = UMFS_MIN(total - done, (uint64_t)UMFS_ATOMIC_BYTES);

		ret = read_chunk(f, &s, part, off + done);
		if (ret < 0)
			break;
		done += (uint64_t)ret;
		if ((uint64_t)ret < part)
			break;
	}
	/* Also where there was nothing to read or no place for it, as Linux. */
	if (ret >= 0 || ret == -EFAULT)
		umfs_accessed(f);
	return done || ret >= 0 ? (int64_t)done : ret;
}

/* ---- the usual read, within one page ---- */

void umfs_view_take(const struct umfs_file *f, struct umfs_view *v)
{
	const struct umfs_inode_pm *in = f->inode;
	uint64_t seq = ld64(&in->seq), root = ld64(&in->root);
	uint64_t reach = 1ull << (9 * umfs_root_height(root) + UMFS_PAGE_SHIFT);

	v->size = UMFS_MIN(umfs_inode_size(in), reach);
	v->table = (root & UMFS_PTE_ADDR) | umfs_root_height(root);
	v->seq = 0;
	if ((seq & 1) || f->fs->broken || ld32(&in->generation) != f->generation ||
	    !umfs_is_reg(ld32(&in->mode)) || !atime_fresh(f) || !(root & UMFS_PTE_P) ||
	    !umfs_page_valid(f->fs, umfs_pte_page(root)))
		return;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (ld64(&in->seq) == seq)
		v->seq = seq;
}

static __attribute__((__noinline__)) int64_t read_one(const struct umfs_file *f, void *buf,
						  uint64_t n, uint64_t off)
{
	struct umfs_iov iov = {buf, n};

	return umfs_preadv(f, &iov, 1, off);
}

int64_t umfs_pread(const struct umfs_file *f, void *buf, uint64_t n, uint64_t off)
{
	struct umfs_view v;
	int64_t ret = -EAGAIN;

	umfs_view_take(f, &v);
	if (v.seq)
		ret = umfs_view_pread(f, &v, buf, n, off);
	return ret == -EAGAIN ? read_one(f, buf, n, off) : ret;
}

/* ---- positions ---- */

int64_t umfs_readv(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count)
{
	struct umfs_ofd_pm *o;
	int64_t ret = umfs_ofd_lock(f, &o);

	if (ret)
		return ret;
	ret = umfs_preadv(f, iov, count, ld64(&o->pos));
	if (ret > 0)
		st64(&o->pos, ld64(&o->pos) + (uint64_t)ret);
	umfs_unlock(f->fs, &o->lock);
	return ret;
}

int64_t umfs_writev(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count)
{
	struct umfs_ofd_pm *o;
	uint64_t off, end;
	int64_t ret = umfs_ofd_lock(f, &o);

	if (ret)
		return ret;
	off = ld64(&o->pos);
	ret = umfs_write_vector(f, iov, count, &off, (ld32(&o->flags) & UMFS_O_APPEND) != 0, &end);
	if (ret > 0)
		st64(&o->pos, end);
	umfs_unlock(f->fs, &o->lock);
	return ret;
}

/* SEEK_DATA and SEEK_HOLE, by the entries: an unwritten page is a hole, and so is the end. */
static int64_t seek_data(const struct umfs_file *f, uint64_t off, bool hole)
{
	uint64_t size = umfs_inode_size(f->inode);
	uint64_t last = (size + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT, index;

	if (off >= size)
		return -ENXIO;
	index = umfs_fpt_seek(f->fs, ld64(&f->inode->root), off >> UMFS_PAGE_SHIFT, last, !hole);
	if (index == last)
		return hole ? (int64_t)size : -ENXIO;
	return (int64_t)UMFS_MAX(off, index << UMFS_PAGE_SHIFT);
}

static int64_t seek_locked(const struct umfs_file *f, uint64_t off, bool hole)
{
	int64_t ret = umfs_lock(f->fs, &f->inode->lock);

	if (ret)
		return ret;
	ret = seek_data(f, off, hole);
	umfs_unlock(f->fs, &f->inode->lock);
	return ret;
}

int64_t umfs_seek(const struct umfs_file *f, int64_t off, int whence)
{
	bool dir = umfs_is_dir(ld32(&f->inode->mode));
	struct umfs_ofd_pm *o;
	int64_t base = 0, ret = umfs_ofd_lock(f, &o);

	if (ret)
		return ret;
	if (whence == 1)
		base = (int64_t)ld64(&o->pos);
	else if (whence == 2)
		base = dir ? 0 : (int64_t)umfs_inode_size(f->inode);
	else if (whence == 3 || whence == 4)
		off = off < 0 || dir ? -ENXIO : seek_locked(f, (uint64_t)off, whence == 4);
	if (whence < 0 || whence > 4)
		ret = -EINVAL;
	else if (whence >= 3 && off < 0)
		ret = off;
	else if (__builtin_add_overflow(base, off, &ret) || ret < 0)
		ret = -EINVAL;
	if (ret >= 0)
		st64(&o->pos, (uint64_t)ret);
	umfs_unlock(f->fs, &o->lock);
	return ret;
}

/* ---- fsync ---- */

/* Lock held. */
void umfs_irec_sync(struct umfs *fs, const struct umfs_inode_pm *inode, struct umfs_irec_pm *rec)
{
	uint64_t lo = ld64(&rec->dirty_lo), hi = ld64(&rec->dirty_hi);

	if (lo >= hi)
		return;
	hi = UMFS_MIN(hi, umfs_inode_size(inode));
	umfs_pages_flush(fs, ld64(&inode->root), lo >> UMFS_PAGE_SHIFT,
			 (hi + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT);
	umfs_fence(fs);
	st64(&rec->dirty_lo, 0);
	st64(&rec->dirty_hi, 0);
}

/* Only `posix` on a medium that needs write-back leaves anything to do, now or before. */
int umfs_fsync(const struct umfs_file *f)
{
	struct umfs *fs = f->fs;
	struct umfs_irec_pm *rec;
	int err;

	if (fs->broken)
		return -EIO;
	if (fs->geo.durability != UMFS_DURABLE_FLUSH)
		return 0;
	err = umfs_lock(fs, &f->inode->lock);
	if (err)
		return err;
	rec = umfs_irec_find(fs, f->inode, f->ino);
	if (umfs_irec_mapped(rec))
		umfs_map_flush(fs, f->inode);
	if (rec)
		umfs_irec_sync(fs, f->inode, rec);
	umfs_unlock(fs, &f->inode->lock);
	return 0;
}
