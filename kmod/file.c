// SPDX-License-Identifier: GPL-2.0-only
/*
 * file.c - regular files: what a descriptor can without libumfs.
 *
 * I1  User memory is copied to and from a buffer of ours outside of every lock, so that
 *     a page fault in it, which may take as long as its owner likes, keeps nobody
 *     waiting, and one in a mapping of this very file finds the file unlocked. One
 *     buffer holds what core promises to write at once (2 MiB).
 * I2  What changes where pages of the file lie is done under the inode's lock and the
 *     invalidate lock of its mapping, and mappings that may show otherwise are cut
 *     before those are let go: a page fault (map.c) sees the file before or after.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "splice.h"

/* One that is waiting for this opening (inode.c I2), or a new one. */
static int find_ofd(struct umfs_kpool *pool, struct inode *inode, uint32_t flags, uint32_t *ofd)
{
	void *given = xchg(&inode->i_private, NULL);

	if (!given)
		return umfs_open(&pool->fs, umfs_knode(inode), flags, ofd);
	*ofd = umfs_given_ofd(given);
	return 0;
}

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
	err = find_ofd(pool, inode, file->f_flags, &ofd);
	if (err)
		goto err_leave;
	k->pool = pool;
	k->maps = NULL;
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

	umfs_shares_release(inode, k);
	if (k->maps)
		umfs_maps_put(inode, k->maps);
	umfs_ofd_put(&k->pool->fs, k->f.ofd);
	umfs_kpool_leave(k->pool);
	kfree(k);
	return 0;
}

/* For the first n bytes of a call, or as many as are moved at once (I1). */
static void *part_of(size_t n, size_t *part)
{
	*part = min_t(size_t, n, UMFS_ATOMIC_BYTES);
	return kvmalloc(*part, GFP_KERNEL_ACCOUNT);
}

/* ---- read ---- */

static ssize_t file_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct umfs_kfile *k = iocb->ki_filp->private_data;
	ssize_t done = 0, ret = 0;
	size_t part;
	void *buf;

	if (!iov_iter_count(to))
		return 0;
	buf = part_of(iov_iter_count(to), &part);
	if (!buf)
		return -ENOMEM;
	while (iov_iter_count(to)) {
		size_t copied;

		ret = umfs_pread(&k->f, buf, min_t(u64, iov_iter_count(to), part), iocb->ki_pos);
		if (ret <= 0)
			break;
		copied = copy_to_iter(buf, ret, to);
		iocb->ki_pos += copied;
		done += copied;
		if (copied < ret) {
			ret = -EFAULT;
			break;
		}
		if (fatal_signal_pending(current))
			break;
	}
	kvfree(buf);
	return done ? done : ret;
}

/* ---- write ---- */

/* Locked, see I2: n bytes of buf; what comes after the file's old end is at *at then. */
static ssize_t write_part(struct kiocb *iocb, const void *buf, size_t n)
{
	struct file *file = iocb->ki_filp;
	struct inode *inode = file_inode(file);
	struct umfs_kfile *k = file->private_data;
	struct umfs_iov iov = {.base = (void *)buf, .len = n};
	uint64_t at = iocb->ki_pos;
	int64_t ret;

	filemap_invalidate_lock(inode->i_mapping);
	umfs_shares_stop(inode);
	ret = umfs_pwritev(&k->f, &iov, 1, &at, iocb->ki_flags & IOCB_APPEND);
	if (ret > 0) {
		iocb->ki_pos = at + ret;
		if (iocb->ki_pos > i_size_read(inode))
			i_size_write(inode, iocb->ki_pos);
		umfs_maps_wrote(inode, at, at + ret); /* also with nothing mapped: tables stay */
	}
	umfs_shares_go(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	return ret;
}

/* How many bytes limits allow; moves to the end for O_APPEND. Inode locked. */
static ssize_t check_limits(struct kiocb *iocb, struct iov_iter *from)
{
	struct umfs_attr attr;
	int err = umfs_inode_refresh(file_inode(iocb->ki_filp), &attr);

	return err ? err : generic_write_checks(iocb, from);
}

static ssize_t file_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t done = 0, ret = 0;
	size_t part, n;
	void *buf;

	if (!iov_iter_count(from))
		return 0;
	buf = part_of(iov_iter_count(from), &part);
	if (!buf)
		return -ENOMEM;
	while (iov_iter_count(from) && !fatal_signal_pending(current)) {
		struct iov_iter rest = *from;

		n = copy_from_iter(buf, part, &rest);
		ret = n ? 0 : -EFAULT;
		if (ret)
			break;
		inode_lock(inode);
		ret = check_limits(iocb, from);
		if (ret > 0)
			ret = write_part(iocb, buf, min_t(size_t, n, ret));
		inode_unlock(inode);
		if (ret <= 0)
			break;
		iov_iter_advance(from, ret);
		done += ret;
		if ((size_t)ret < part)
			break;
	}
	kvfree(buf);
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
	filemap_invalidate_lock(inode->i_mapping);
	umfs_shares_stop(inode);
	ret = umfs_inode_refresh(inode, &attr);
	if (!ret && !(mode & UMFS_FALLOC_KEEP_SIZE) && (uint64_t)(off + len) > attr.size)
		ret = inode_newsize_ok(inode, off + len);
	if (!ret)
		ret = umfs_fallocate(&k->f, (uint32_t)mode, off, len);
	if (mapping_mapped(inode->i_mapping))
		unmap_mapping_range(inode->i_mapping, 0, 0, 0);
	umfs_shares_go(inode);
	filemap_invalidate_unlock(inode->i_mapping);
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
