// SPDX-License-Identifier: GPL-2.0-only
/*
 * share.c - files that processes read without a call, from a mapping: UMFS_IOC_SHARE.
 *
 * For each open file that is read so there is a slot in memory that the process may only
 * read; it has mapped that memory by the node's mmap. Two numbers there say whether what
 * the process remembers is still so. docs/KERNEL.md has the reader's side.
 *
 * H1  `stamp` changes each time a descriptor of the open file is closed, in whatever process
 *     and by whatever call: f_op->flush comes after the descriptor's number is free and
 *     before anybody is told so. No value comes twice. So who looked that number N
 *     is the file after he read the stamp (do_share) knows that it is as long as the
 *     stamp is the same.
 * H2  But for a number in another table of descriptors, which a thread may get by unshare().
 *     Nothing is shared with a process whose threads have more than one, or whose memory
 *     others have too. Such a table begins as a copy, and what is closed in it is H1.
 *     (close_range() with CLOSE_RANGE_UNSHARE leaves out instead of closing, so who uses that
 *     in a thread must not read from mappings any more.)
 * H3  `seq` is odd while the file's content or size changes, and another number after each
 *     change. Changes and new slots exclude each other by the invalidate lock. Where the size
 *     can not be had it stays odd. While somebody has a lease (lease.c) it is odd as well.
 * H4  Lists of shares, and what slots say, change under the inode's i_lock. That is taken by
 *     who closes whether there are shares or not: either he finds a new one, or who made
 *     it finds the number closed.
 * H5  The mapping is of an open file of its own, so that closing the descriptor frees what
 *     it holds: locks, and the description.
 * H6  Before a lease begins, set-id bits and file capabilities are gone, if its holder may not
 *     keep them. Who gives them to the file ends the lease first. Both hold the inode's lock.
 */
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "splice.h"

#define AREA_BYTES (UMFS_IOC_SLOTS * sizeof(struct umfs_ioc_slot))

static atomic64_t stamps = ATOMIC64_INIT(0); /* the last one given out */

/* What a node that was opened once has mapped. */
struct umfs_karea {
	struct kref refs;
	spinlock_t lock;	/* which slots are free */
	struct umfs_ioc_slot *slot;
	DECLARE_BITMAP(used, UMFS_IOC_SLOTS);
};

/* An open file in an area. */
struct umfs_kshare {
	struct list_head of_file, of_maps;
	struct umfs_karea *area;
	unsigned int at;
};

static struct umfs_ioc_slot *slot_of(const struct umfs_kshare *s)
{
	return &s->area->slot[s->at];
}

/* ---- areas ---- */

static void free_area(struct kref *refs)
{
	struct umfs_karea *area = container_of(refs, struct umfs_karea, refs);

	vfree(area->slot);
	kfree(area);
}

void umfs_area_put(struct umfs_karea *area)
{
	if (area)
		kref_put(&area->refs, free_area);
}

static struct umfs_karea *new_area(void)
{
	struct umfs_karea *area = kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);

	if (!area)
		return NULL;
	kref_init(&area->refs);
	spin_lock_init(&area->lock);
	area->slot = vmalloc_user(AREA_BYTES);
	if (area->slot)
		return area;
	kfree(area);
	return NULL;
}

int umfs_area_mmap(struct umfs_karea **where, struct vm_area_struct *vma)
{
	struct umfs_karea *area;

	if (!(vma->vm_flags & VM_MAYSHARE) || vma->vm_flags & (VM_WRITE | VM_EXEC) || vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start != AREA_BYTES)
		return -EINVAL;
	if (!READ_ONCE(*where)) {
		area = new_area();
		if (!area)
			return -ENOMEM;
		if (cmpxchg(where, NULL, area))
			umfs_area_put(area);
	}
	umfs_vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	return remap_vmalloc_range(vma, READ_ONCE(*where)->slot, 0);
}

/* H1; under the inode's i_lock. */
static void new_stamp(struct umfs_kshare *s)
{
	/* Whoever sees it sees the seq and size that were stored before. */
	smp_store_release(&slot_of(s)->stamp, (u64)atomic64_inc_return(&stamps));
}

static int take_slot(struct umfs_kshare *s)
{
	struct umfs_karea *area = s->area;

	spin_lock(&area->lock);
	s->at = find_first_zero_bit(area->used, UMFS_IOC_SLOTS);
	if (s->at < UMFS_IOC_SLOTS)
		__set_bit(s->at, area->used);
	spin_unlock(&area->lock);
	return s->at < UMFS_IOC_SLOTS ? 0 : -ENFILE;
}

static void give_slot(struct umfs_kshare *s)
{
	spin_lock(&s->area->lock);
	__clear_bit(s->at, s->area->used);
	spin_unlock(&s->area->lock);
	umfs_area_put(s->area);
	kfree(s);
}

/* ---- what happens to a file ---- */

int umfs_file_flush(struct file *file, fl_owner_t id)
{
	struct umfs_kfile *k = file->private_data;
	struct inode *inode = file_inode(file);
	struct umfs_kshare *s;

	(void)id;
	spin_lock(&inode->i_lock);
	list_for_each_entry(s, &k->shares, of_file)
		new_stamp(s);
	spin_unlock(&inode->i_lock);
	return 0;
}

void umfs_shares_release(struct inode *inode, struct umfs_kfile *k)
{
	struct umfs_kshare *s, *next;
	LIST_HEAD(gone);

	spin_lock(&inode->i_lock);
	list_for_each_entry(s, &k->shares, of_file) {
		new_stamp(s);
		list_del(&s->of_maps);
	}
	list_splice_init(&k->shares, &gone);
	spin_unlock(&inode->i_lock);
	list_for_each_entry_safe(s, next, &gone, of_file)
		give_slot(s);
}

/* H3: the file's slots while its maps are, under i_lock. */
static struct list_head *slots_of(struct inode *inode)
{
	struct umfs_kmaps *m = umfs_mapping_private(inode->i_mapping);

	return m && !list_empty(&m->shares) ? &m->shares : NULL;
}

void umfs_shares_stop(struct inode *inode)
{
	struct list_head *shares;
	struct umfs_kshare *s;

	umfs_lease_end(inode);
	spin_lock(&inode->i_lock);
	shares = slots_of(inode);
	if (shares)
		list_for_each_entry(s, shares, of_maps)
			WRITE_ONCE(slot_of(s)->seq, slot_of(s)->seq | 1);
	spin_unlock(&inode->i_lock);
	wmb(); /* before any store to the file's pages, non-temporal ones too */
}

void umfs_shares_go(struct inode *inode)
{
	struct list_head *shares;
	struct umfs_kshare *s;
	struct umfs_attr attr;

	if (!READ_ONCE(umfs_mapping_private(inode->i_mapping)) ||
	    umfs_getattr(&umfs_kpool_of(inode)->fs, umfs_knode(inode), &attr))
		return;
	wmb(); /* after all stores to the file's pages, non-temporal ones too */
	spin_lock(&inode->i_lock);
	shares = slots_of(inode);
	if (shares)
		list_for_each_entry(s, shares, of_maps) {
			WRITE_ONCE(slot_of(s)->size, attr.size);
			/* The size before it is even. */
			smp_store_release(&slot_of(s)->seq, (slot_of(s)->seq | 1) + 1);
		}
	spin_unlock(&inode->i_lock);
}

/* ---- UMFS_IOC_SHARE ---- */

/* H2 */
static bool is_alone(void)
{
	struct task_struct *t;
	bool same = true;
	int threads = 0;

	rcu_read_lock();
	for_each_thread(current, t) {
		struct files_struct *files = READ_ONCE(t->files);

		same &= !files || files == current->files;
		threads += READ_ONCE(t->mm) != NULL;
	}
	rcu_read_unlock();
	return same && atomic_read(&current->mm->mm_users) <= threads;
}

/* H5 */
static int map(struct umfs_kpool *pool, struct inode *inode, struct umfs_ioc_share *a)
{
	struct file *file;
	unsigned long at;

	if (a->bytes & (PAGE_SIZE - 1) || a->bytes > UMFS_FILE_BYTES_MAX)
		return -EINVAL;
	file = umfs_kopen(pool, umfs_knode(inode), O_RDONLY | O_LARGEFILE);
	if (IS_ERR(file))
		return PTR_ERR(file);
	at = vm_mmap(file, 0, a->bytes, PROT_READ, MAP_SHARED, 0);
	fput(file);
	if (IS_ERR_VALUE(at))
		return (int)at;
	a->addr = at;
	return 0;
}

static struct umfs_kshare *find(struct umfs_kfile *k, const struct umfs_karea *area)
{
	struct umfs_kshare *s;

	list_for_each_entry(s, &k->shares, of_file)
		if (s->area == area)
			return s;
	return NULL;
}

static struct umfs_kshare *new_share(struct umfs_karea *area)
{
	struct umfs_kshare *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return ERR_PTR(-ENOMEM);
	kref_get(&area->refs);
	s->area = area;
	if (!take_slot(s))
		return s;
	umfs_area_put(area);
	kfree(s);
	return ERR_PTR(-ENFILE);
}

/* The slot begins with what the file is now: H3. */
static void add(struct umfs_kfile *k, struct umfs_kshare *s, u64 size)
{
	struct umfs_ioc_slot *slot = slot_of(s);

	WRITE_ONCE(slot->size, size);
	WRITE_ONCE(slot->seq, (slot->seq | 1) + (k->maps->lease ? 2 : 1));
	new_stamp(s);
	list_add(&s->of_file, &k->shares);
	list_add(&s->of_maps, &k->maps->shares);
}

/* The invalidate lock is held. */
static int show(struct file *file, struct umfs_karea *area, struct umfs_ioc_share *a)
{
	struct umfs_kfile *k = file->private_data;
	struct inode *inode = file_inode(file);
	struct umfs_kshare *s, *new;
	struct umfs_attr attr;
	int err = umfs_inode_refresh(inode, &attr);

	if (err)
		return err;
	new = new_share(area);
	spin_lock(&inode->i_lock);
	s = find(k, area);
	if (!s && !IS_ERR(new)) {
		s = new;
		new = NULL;
		add(k, s, attr.size);
	}
	if (s) {
		a->slot = s->at;
		a->stamp = slot_of(s)->stamp;
	}
	spin_unlock(&inode->i_lock);
	if (!IS_ERR_OR_NULL(new))
		give_slot(new);
	return s ? 0 : (int)PTR_ERR(new);
}

/* Whether it may be asked for that file, open for `modes`, and has maps from now on. */
static int may_share(const struct umfs_kpool *pool, struct file *file, fmode_t modes)
{
	if (file->f_op != &umfs_file_fops)
		return -EINVAL;
	if (umfs_kpool_of(file_inode(file)) != pool)
		return -EXDEV;
	if ((file->f_mode & modes) != modes)
		return -EBADF;
	if (!is_alone())
		return -EPERM;
	return umfs_maps_get(file);
}

/* H1 */
static int still_is(int fd, const struct file *file)
{
	struct file *still = fget(fd);

	if (still)
		fput(still);
	return still == file ? 0 : -EAGAIN;
}

static int share(struct umfs_kpool *pool, struct umfs_karea *area, struct file *file,
		 struct umfs_ioc_share *a)
{
	struct inode *inode = file_inode(file);
	int err = may_share(pool, file, FMODE_READ);

	if (!err && a->bytes)
		err = map(pool, inode, a);
	if (err)
		return err;
	filemap_invalidate_lock_shared(inode->i_mapping);
	err = show(file, area, a);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	a->ino = inode->i_ino;
	a->generation = inode->i_generation;
	return err ? err : still_is(a->fd, file);
}

/* The file that is asked for; the caller's to put. */
static long asked(const struct umfs_karea *area, int fd, struct file **file)
{
	if (!area)
		return -ENXIO;
	*file = fget(fd);
	return *file ? 0 : -EBADF;
}

long umfs_area_share(struct umfs_kpool *pool, struct umfs_karea *area, void __user *arg)
{
	struct umfs_ioc_share a;
	struct file *file;
	long err;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.zero0 || memchr_inv(a.zero, 0, sizeof(a.zero)))
		return -EINVAL;
	err = asked(area, a.fd, &file);
	if (err)
		return err;
	a.addr = 0;
	err = share(pool, area, file, &a);
	fput(file);
	if (!err && copy_to_user(arg, &a, sizeof(a)))
		err = -EFAULT;
	if (err && a.addr)
		vm_munmap(a.addr, a.bytes);
	return err;
}

/* ---- UMFS_IOC_LEASE ---- */

/* The inode's lock is held: H6. */
static int begin_locked(struct file *mapped, struct file *file, struct umfs_karea *area,
			struct umfs_ioc_lease *a, struct umfs_ioc_share *seen)
{
	struct inode *inode = file_inode(file);
	int err = file_remove_privs(file);

	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	err = umfs_lease_begin(mapped, a);
	if (!err) {
		err = show(file, area, seen);
		if (err)
			umfs_lease_end(inode);
	}
	filemap_invalidate_unlock(inode->i_mapping);
	umfs_inode_written(inode);
	return err;
}

static int begin(struct file *mapped, struct file *file, struct umfs_karea *area,
		 struct umfs_ioc_lease *a)
{
	struct inode *inode = file_inode(file);
	struct umfs_ioc_share seen;
	int err;

	inode_lock(inode);
	err = begin_locked(mapped, file, area, a, &seen);
	inode_unlock(inode);
	if (err)
		return err;
	a->slot = seen.slot;
	a->stamp = seen.stamp;
	a->ino = inode->i_ino;
	a->generation = inode->i_generation;
	return still_is(a->fd, file);
}

static int lease(struct umfs_kpool *pool, struct umfs_karea *area, struct file *file,
		 struct umfs_ioc_lease *a)
{
	int err = may_share(pool, file, FMODE_READ | FMODE_WRITE);
	struct file *mapped = NULL;

	if (!err && file->f_flags & O_APPEND)
		err = -EBADF;
	if (!err)
		err = umfs_lease_map(pool, file_inode(file), a, &mapped);
	if (!err)
		err = begin(mapped, file, area, a);
	if (mapped)
		fput(mapped);
	return err;
}

long umfs_area_lease(struct umfs_kpool *pool, struct umfs_karea *area, void __user *arg)
{
	struct umfs_ioc_lease a;
	struct file *file;
	long err;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (memchr_inv(a.zero, 0, sizeof(a.zero)))
		return -EINVAL;
	err = asked(area, a.fd, &file);
	if (err)
		return err;
	a.addr = a.log = 0;
	err = lease(pool, area, file, &a);
	fput(file);
	if (!err && copy_to_user(arg, &a, sizeof(a)))
		err = -EFAULT;
	if (err && a.addr)
		vm_munmap(a.addr, a.bytes);
	if (err && a.log)
		vm_munmap(a.log, UMFS_IOC_LOG_BYTES);
	return err;
}
