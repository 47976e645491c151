// SPDX-License-Identifier: GPL-2.0-only
/*
 * file.c - regular files: what a descriptor can without libumfs.
 *
 * I1  Under locks user memory is copied to and from with page faults off: one may take as
 *     long as its owner likes, or be in a mapping of this very file. Where a page is not
 *     there the call is begun again, once with all pages asked for before, then by a buffer
 *     of ours that is copied outside of every lock; it holds what core promises to write at
 *     once (2 MiB).
 * I2  What changes where pages of the file lie is done under the inode's lock and the
 *     invalidate lock of its mapping, and mappings that may show otherwise are cut
 *     before those are let go: a page fault (map.c) sees the file before or after.
 * I3  A read copies to user memory only under the invalidate lock. Without a lock core may
 *     meet pages that a writer has freed and another file has got; it throws away what it
 *     copied then, but the caller's other threads would have seen it. Who does not get the
 *     lock at once reads to the buffer, and so waits for no writer.
 * I4  A write from user memory has to leave nothing when a page of it is not there, since
 *     others see the file before the next try: so only where core undoes it.
 * I5  A read is not while somebody has a lease (lease.c L2): under the lock there is none, and
 *     what was read to the buffer is thrown away when there was one meanwhile. Who met one
 *     ends it and is *alone* then: it reads under the lock, so that none comes.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "splice.h"

int umfs_file_open(struct inode *inode, struct file *file)
{
	struct umfs_kpool *pool = umfs_kpool_of(inode);
	struct umfs_kfile *k = kmalloc(sizeof(*k), GFP_KERNEL_ACCOUNT);
	uint32_t ofd;
	int err;

	if (!k)
		return -ENOMEM;
	err = umfs_kpool_enter(pool);
	if (err)
		goto err_free;
	if (!umfs_kinode_take(inode, &ofd)) /* inode.c I2 */
		err = umfs_open(&pool->fs, umfs_knode(inode), file->f_flags, &ofd);
	if (err)
		goto err_leave;
	k->pool = pool;
	k->maps = NULL;
	k->lease = NULL;
	INIT_LIST_HEAD(&k->shares);
	err = umfs_file_init(&pool->fs, ofd, &k->f);
	if (err)
		goto err_put;
	file->private_data = k;
	return 0;

err_put:
	umfs_ofd_put(&pool->fs, ofd);
err_leave:
	umfs_kpool_leave(pool);
err_free:
	kfree(k);
	return err;
}

int umfs_file_release(struct inode *inode, struct file *file)
{
	struct umfs_kfile *k = file->private_data;

	if (k->lease)
		umfs_lease_release(k);
	umfs_shares_release(inode, k);
	if (k->maps)
		umfs_maps_put(inode, k->maps);
	umfs_ofd_put(&k->pool->fs, k->f.ofd);
	umfs_kpool_leave(k->pool);
	kfree(k);
	return 0;
}

/* ---- whose memory ---- */

#define PART_IOV 8
#define KEPT_BYTES (64u << 10)

/* What core copies to or from in one go: memory of the caller's (I1), or of ours. */
struct part {
	struct umfs_iov iov[PART_IOV];
	uint32_t count;
	size_t bytes;
};

static size_t part_of(const struct iov_iter *iter)
{
	return min_t(size_t, iov_iter_count(iter), UMFS_ATOMIC_BYTES);
}

static struct umfs_iov segment(const struct iov_iter *iter)
{
	const struct iovec *iov;

	if (iter_is_ubuf(iter))
		return (struct umfs_iov){(__force char *)iter->ubuf + iter->iov_offset,
					 iov_iter_count(iter)};
	iov = umfs_iter_iov(iter);
	return (struct umfs_iov){(__force char *)iov->iov_base + iter->iov_offset,
				 min_t(size_t, iov_iter_count(iter),
				       iov->iov_len - iter->iov_offset)};
}

/*
 * Whoever made the iterator has looked at this already. Core's port tells a program's memory by
 * its address, so it is not left to them.
 */
static bool is_programs(const struct umfs_iov *iov)
{
	return access_ok((__force void __user *)iov->base, iov->len);
}

/* The next part, if it is a few pieces of user memory. */
static bool find_direct(const struct iov_iter *iter, struct part *p)
{
	struct iov_iter at = *iter;

	p->count = 0;
	p->bytes = part_of(iter);
	iov_iter_truncate(&at, p->bytes);
	while (user_backed_iter(&at) && iov_iter_count(&at) && p->count < PART_IOV) {
		p->iov[p->count] = segment(&at);
		if (!is_programs(&p->iov[p->count]))
			return false;
		iov_iter_advance(&at, p->iov[p->count].len);
		p->count++;
	}
	return !iov_iter_count(&at);
}

static void cut(struct part *p, size_t bytes)
{
	uint32_t i;

	p->bytes = min(p->bytes, bytes);
	for (i = 0; i < p->count; i++) {
		p->iov[i].len = min_t(size_t, p->iov[i].len, bytes);
		bytes -= p->iov[i].len;
	}
}

/*
 * A buffer of each processor's that does not have to be allocated, which means cleared. Who
 * finds it taken, or needs more, allocates.
 */
static DEFINE_PER_CPU(void *, kept);

struct buffer {
	void *at;
	void **from; /* where it was kept, or NULL */
};

static bool take_buffer(struct buffer *b, size_t bytes)
{
	b->from = raw_cpu_ptr(&kept);
	b->at = bytes <= KEPT_BYTES ? xchg(b->from, NULL) : NULL;
	if (b->at)
		return true;
	b->from = NULL;
	b->at = kvmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	return b->at;
}

static void give_buffer(const struct buffer *b)
{
	if (b->from) /* after what was done with it, which who takes it next does not see */
		smp_store_release(b->from, b->at);
	else
		kvfree(b->at);
}

void umfs_files_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		kvfree(per_cpu(kept, cpu));
}

int umfs_files_init(void)
{
	int cpu;

	for_each_online_cpu(cpu) {
		per_cpu(kept, cpu) = kvmalloc(KEPT_BYTES, GFP_KERNEL);
		if (!per_cpu(kept, cpu)) {
			umfs_files_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

/* ---- read ---- */

/* The invalidate lock, shared; alone: and no lease. */
static bool lock_to_read(struct inode *inode, bool alone)
{
	if (!alone)
		return filemap_invalidate_trylock_shared(inode->i_mapping); /* I3 */
	umfs_lease_stop(inode);
	return true;
}

/* -EFAULT: a page is not there; -EAGAIN: this is not the way; -EBUSY: it is to be done alone. */
static ssize_t read_direct(struct kiocb *iocb, struct iov_iter *to, bool alone)
{
	struct umfs_kfile *k = iocb->ki_filp->private_data;
	struct inode *inode = file_inode(iocb->ki_filp);
	struct part p;
	ssize_t ret;
	u64 begun;

	if (!find_direct(to, &p) || !lock_to_read(inode, alone))
		return -EAGAIN;
	if (umfs_lease_is(inode, &begun))
		ret = -EBUSY;
	else if (p.count == 1)
		ret = umfs_pread(&k->f, p.iov[0].base, p.bytes, iocb->ki_pos);
	else
		ret = umfs_preadv(&k->f, p.iov, p.count, iocb->ki_pos);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	if (ret > 0)
		iov_iter_advance(to, ret);
	return ret;
}

static ssize_t read_alone(struct kiocb *iocb, void *at, size_t bytes)
{
	struct umfs_kfile *k = iocb->ki_filp->private_data;
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	umfs_lease_stop(inode);
	ret = umfs_pread(&k->f, at, bytes, iocb->ki_pos);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return ret;
}

/* I5 */
static ssize_t read_beside(struct kiocb *iocb, void *at, size_t bytes)
{
	struct umfs_kfile *k = iocb->ki_filp->private_data;
	struct inode *inode = file_inode(iocb->ki_filp);
	u64 before, after;
	ssize_t ret;

	if (umfs_lease_is(inode, &before))
		return -EBUSY;
	ret = umfs_pread(&k->f, at, bytes, iocb->ki_pos);
	return umfs_lease_is(inode, &after) || before != after ? -EBUSY : ret;
}

static ssize_t read_by_buffer(struct kiocb *iocb, struct iov_iter *to, bool alone)
{
	size_t part = part_of(to);
	struct buffer b;
	ssize_t ret;

	if (!take_buffer(&b, part))
		return -ENOMEM;
	ret = alone ? read_alone(iocb, b.at, part) : read_beside(iocb, b.at, part);
	if (ret > 0)
		ret = copy_to_iter(b.at, ret, to) ?: -EFAULT;
	give_buffer(&b);
	return ret;
}

static ssize_t read_once(struct kiocb *iocb, struct iov_iter *to, bool alone)
{
	ssize_t ret = read_direct(iocb, to, alone);

	if (ret == -EFAULT && !fault_in_iov_iter_writeable(to, part_of(to)))
		ret = read_direct(iocb, to, alone);
	return ret == -EFAULT || ret == -EAGAIN ? read_by_buffer(iocb, to, alone) : ret;
}

static ssize_t read_part(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t ret = read_once(iocb, to, false);

	return ret == -EBUSY ? read_once(iocb, to, true) : ret;
}

static ssize_t file_read(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t done = 0, ret = 0;
	size_t part;

	while (iov_iter_count(to)) {
		part = part_of(to);
		ret = read_part(iocb, to);
		if (ret <= 0)
			break;
		iocb->ki_pos += ret;
		done += ret;
		if ((size_t)ret < part || fatal_signal_pending(current))
			break;
	}
	return done ? done : ret;
}

/* ---- write ---- */

/* Locked, see I2; what comes after the file's old end is at *at then. */
static ssize_t write_locked(struct kiocb *iocb, const struct part *p)
{
	struct file *file = iocb->ki_filp;
	struct inode *inode = file_inode(file);
	struct umfs_kfile *k = file->private_data;
	uint64_t at = iocb->ki_pos;
	int64_t ret;

	filemap_invalidate_lock(inode->i_mapping);
	umfs_shares_stop(inode);
	ret = umfs_pwritev(&k->f, p->iov, p->count, &at, iocb->ki_flags & IOCB_APPEND);
	if (ret > 0) {
		iocb->ki_pos = at + ret;
		if (iocb->ki_pos > i_size_read(inode))
			i_size_write(inode, iocb->ki_pos);
		umfs_maps_wrote(inode, at, at + ret); /* also with nothing mapped: tables stay */
	}
	umfs_shares_go(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	umfs_inode_written(inode);
	return ret;
}

/* How many bytes limits allow; moves to the end for O_APPEND. Inode locked. */
static ssize_t check_limits(struct kiocb *iocb, struct iov_iter *from)
{
	struct umfs_attr attr;
	int err = umfs_inode_refresh(file_inode(iocb->ki_filp), &attr);

	return err ? err : generic_write_checks(iocb, from);
}

/* I4; inode locked, limits checked. */
static bool is_undone(const struct kiocb *iocb)
{
	const struct umfs_kfile *k = iocb->ki_filp->private_data;

	return umfs_mode(&k->pool->fs) == UMFS_MODE_ATOMIC ||
	       iocb->ki_pos >= i_size_read(file_inode(iocb->ki_filp));
}

static ssize_t write_from(struct kiocb *iocb, struct iov_iter *from, struct part *p, bool direct)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	inode_lock(inode);
	ret = check_limits(iocb, from);
	if (ret > 0 && direct && !is_undone(iocb))
		ret = -EAGAIN;
	if (ret > 0) {
		cut(p, ret);
		ret = file_remove_privs(iocb->ki_filp) ?: write_locked(iocb, p);
	}
	inode_unlock(inode);
	return ret;
}

/* -EFAULT: a page is not there; -EAGAIN: this is not the way. */
static ssize_t write_direct(struct kiocb *iocb, struct iov_iter *from)
{
	struct part p;

	return find_direct(from, &p) ? write_from(iocb, from, &p, true) : -EAGAIN;
}

static ssize_t write_by_buffer(struct kiocb *iocb, struct iov_iter *from)
{
	struct iov_iter at = *from;
	struct part p = {.count = 1};
	struct buffer b;
	ssize_t ret;

	if (!take_buffer(&b, part_of(from)))
		return -ENOMEM;
	p.bytes = copy_from_iter(b.at, part_of(from), &at);
	p.iov[0] = (struct umfs_iov){b.at, p.bytes};
	ret = p.bytes ? write_from(iocb, from, &p, false) : -EFAULT;
	give_buffer(&b);
	return ret;
}

static ssize_t write_part(struct kiocb *iocb, struct iov_iter *from)
{
	ssize_t ret = write_direct(iocb, from);

	if (ret == -EFAULT && !fault_in_iov_iter_readable(from, part_of(from)))
		ret = write_direct(iocb, from);
	return ret == -EFAULT || ret == -EAGAIN ? write_by_buffer(iocb, from) : ret;
}

static ssize_t file_write(struct kiocb *iocb, struct iov_iter *from)
{
	ssize_t done = 0, ret = 0;
	size_t part;

	while (iov_iter_count(from) && !fatal_signal_pending(current)) {
		part = part_of(from);
		ret = write_part(iocb, from);
		if (ret <= 0)
			break;
		iov_iter_advance(from, ret);
		done += ret;
		if ((size_t)ret < part)
			break;
	}
	if (done)
		return generic_write_sync(iocb, done);
	return ret;
}

int umfs_file_fsync(struct file *file, loff_t from, loff_t to, int datasync)
{
	struct umfs_kfile *k = file->private_data;

	(void)from;
	(void)to;
	(void)datasync;
	return umfs_fsync(&k->f);
}

static long file_fallocate(struct file *file, int mode, loff_t off, loff_t len)
{
	struct inode *inode = file_inode(file);
	struct umfs_kfile *k = file->private_data;
	struct umfs_attr attr;
	long ret;

	inode_lock(inode);
	ret = file_remove_privs(file);
	filemap_invalidate_lock(inode->i_mapping);
	umfs_shares_stop(inode);
	if (!ret)
		ret = umfs_inode_refresh(inode, &attr);
	if (!ret && !(mode & UMFS_FALLOC_KEEP_SIZE) && (uint64_t)(off + len) > attr.size)
		ret = inode_newsize_ok(inode, off + len);
	if (!ret)
		ret = umfs_fallocate(&k->f, (uint32_t)mode, off, len);
	if (mapping_mapped(inode->i_mapping))
		unmap_mapping_range(inode->i_mapping, 0, 0, 0);
	umfs_shares_go(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	umfs_inode_written(inode);
	inode_unlock(inode);
	return ret;
}

static loff_t file_llseek(struct file *file, loff_t off, int whence)
{
	struct inode *inode = file_inode(file);
	struct umfs_attr attr;
	int err = umfs_inode_refresh(inode, &attr);

	return err ? err : generic_file_llseek_size(file, off, whence, inode->i_sb->s_maxbytes,
						    (loff_t)attr.size);
}

const struct file_operations umfs_file_fops = {
	.owner = THIS_MODULE,
	.open = umfs_file_open,
	.release = umfs_file_release,
	.read_iter = file_read,
	.write_iter = file_write,
	.flush = umfs_file_flush,
	.fsync = umfs_file_fsync,
	.fallocate = file_fallocate,
	.llseek = file_llseek,
	.mmap = umfs_file_mmap,
	.get_unmapped_area = umfs_splice_area,
	.splice_read = umfs_splice_read,
	.splice_write = iter_file_splice_write,
};
