// SPDX-License-Identifier: GPL-2.0-only
/*
 * lease.c - files that a process writes without a call, in a mapping: UMFS_IOC_LEASE.
 *
 * One process at a time may have a lease of a file: mappings, of a file opened for them, of
 * the file and of an undo log in the pool (core/lease.c). It is taken back before anybody
 * sees or changes the file by a call; docs/KERNEL.md argues why a write is whole or not at all.
 *
 * L1  A lease begins and ends under the invalidate lock, held for one alone. While there is
 *     one the file's maps name it, and the process to which it was given, and no other, may
 *     have page faults in its mappings.
 * L2  Under that lock, shared, with no lease the file is as core has it. So who reads or changes
 *     it by a call looks there first and ends what he finds; and who changes what a write by
 *     a call would change as well: set-id bits, times. Who has ended one and keeps the lock,
 *     shared, reads before the next begins: nobody who takes leases again and again can keep him out.
 * L3  At its end faults are refused first, then all mappings are cut, which all processors know
 *     when that returns, then the log is read: it can not change any more. Last the maps
 *     do not name it any more.
 * L4  What the process writes in the log is data: core checks it against the one file.
 * L5  The file's maps and the lease are kept by the file opened for the mappings, until a grace
 *     period after it is closed. The lease ends when the process unmaps any of them, or that
 *     file goes, which children of fork may keep for longer.
 * L6  A pool's list of leases changes, and core is called for them, under the pool's lock for that.
 *     Without it the list tells only that an inode has none.
 */
#include <linux/list.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "format.h"
#include "splice.h"

#define LOG_OFF (1ull << 40) /* of the mapped file, past all that a file can have */

struct umfs_klease {
	struct list_head list;	/* of the pool's, while given: L6 */
	struct rcu_head rcu;
	struct umfs_kfile *k;	/* L5 */
	struct inode *inode;
	struct mm_struct *mm;	/* L1; kept, so that no other has its address */
	u32 number;
	u64 where;		/* the log in the pool */
	bool given;
};

static atomic64_t begun = ATOMIC64_INIT(0);

static struct umfs_lease_pm *log_of(const struct umfs_klease *l)
{
	return (struct umfs_lease_pm *)(l->k->pool->fs.base + l->where);
}

/* The file's, or NULL. L5: it can be used only under the invalidate lock. */
static struct umfs_klease *find(const struct inode *inode)
{
	struct umfs_klease *l;
	struct umfs_kmaps *m;

	rcu_read_lock(); /* tables.c T2 */
	m = READ_ONCE(umfs_mapping_private(inode->i_mapping));
	l = m ? READ_ONCE(m->lease) : NULL;
	rcu_read_unlock();
	return l;
}

/* ---- times ---- */

/* Written or read since the last time: as POSIX has it, times are those of looking. */
static void look(const struct umfs_klease *l)
{
	struct umfs_lease_pm *log = log_of(l);
	u64 end = 0;

	if (xchg((u64 *)&log->wrote, 0))
		(void)umfs_kpin(l->k, UMFS_MAP_WRITE, 0, &end);
	if (xchg((u64 *)&log->read, 0))
		umfs_accessed(&l->k->f);
}

/* L6: under the lock, or RCU's. */
static struct umfs_klease *find_in(struct umfs_kpool *pool, uint32_t ino)
{
	struct umfs_klease *l;

	list_for_each_entry_rcu(l, &pool->leases, list, lockdep_is_held(&pool->lease_lock))
		if (l->inode->i_ino == ino)
			return l;
	return NULL;
}

void umfs_leases_look(struct umfs_kpool *pool, uint32_t ino)
{
	struct umfs_klease *l;

	rcu_read_lock();
	l = find_in(pool, ino);
	rcu_read_unlock();
	if (!l)
		return;
	mutex_lock(&pool->lease_lock);
	l = find_in(pool, ino);
	if (l)
		look(l);
	mutex_unlock(&pool->lease_lock);
}

/* ---- the end ---- */

void umfs_lease_end(struct inode *inode)
{
	struct umfs_klease *l = find(inode);
	struct umfs_kpool *pool;

	if (!l)
		return;
	pool = l->k->pool;
	l->given = false; /* L3 */
	unmap_mapping_range(inode->i_mapping, 0, 0, 0);
	mutex_lock(&pool->lease_lock);
	list_del_rcu(&l->list);
	look(l);
	umfs_lease_undo(&l->k->f, l->number);
	umfs_lease_give(&pool->fs, l->number);
	mutex_unlock(&pool->lease_lock);
	/* Not before all is as it was: who looks without the lock goes by it (umfs_lease_is). */
	smp_store_release(&l->k->maps->lease, NULL);
	umfs_shares_go(inode);
}

void umfs_lease_stop(struct inode *inode)
{
	filemap_invalidate_lock(inode->i_mapping);
	umfs_lease_end(inode);
	downgrade_write(&inode->i_mapping->invalidate_lock);
}

/* Ends it if it is this one, and not another that came after it. */
static void end_this(const struct umfs_klease *l)
{
	filemap_invalidate_lock(l->inode->i_mapping);
	if (l->given)
		umfs_lease_end(l->inode);
	filemap_invalidate_unlock(l->inode->i_mapping);
}

/* L5. The memory's lock is held: the order is that of page faults. */
void umfs_lease_unmapped(const struct vm_area_struct *vma)
{
	const struct umfs_kfile *k = vma->vm_file->private_data;

	if (k->lease && k->lease->mm == vma->vm_mm)
		end_this(k->lease);
}

void umfs_lease_release(struct umfs_kfile *k)
{
	struct umfs_klease *l = k->lease;

	end_this(l);
	mmdrop(l->mm);
	kfree_rcu(l, rcu);
}

bool umfs_lease_is(struct inode *inode, u64 *count)
{
	/* Before what is read of the file, or after it: with a lease in between it is another. */
	smp_mb();
	*count = (u64)atomic64_read(&begun);
	return find(inode);
}

/* ---- the beginning ---- */

static int begin(struct umfs_klease *l, struct umfs_ioc_lease *a)
{
	struct umfs_kpool *pool = l->k->pool;
	struct umfs_attr attr;
	int err = umfs_getattr(&pool->fs, umfs_knode(l->inode), &attr);

	if (err)
		return err;
	if (attr.size > a->bytes || attr.size > rlimit(RLIMIT_FSIZE))
		return -EFBIG;
	a->size = attr.size;
	a->durable = pool->fs.geo.durability == UMFS_DURABLE_FLUSH;
	mutex_lock(&pool->lease_lock);
	err = umfs_lease_take(&l->k->f, &l->number, &l->where);
	if (!err)
		list_add_rcu(&l->list, &pool->leases);
	mutex_unlock(&pool->lease_lock);
	return err;
}

int umfs_lease_begin(struct file *file, struct umfs_ioc_lease *a)
{
	struct umfs_kfile *k = file->private_data;
	struct umfs_klease *l = k->lease;
	int err = k->maps->lease ? -EBUSY : begin(l, a);

	if (err)
		return err;
	umfs_shares_stop(l->inode);
	l->given = true;
	WRITE_ONCE(k->maps->lease, l);
	atomic64_inc(&begun); /* pairs with umfs_lease_is(): before any store by lease */
	smp_mb__after_atomic();
	return 0;
}

/* ---- mappings ---- */

bool umfs_lease_lets(const struct vm_area_struct *vma)
{
	const struct umfs_kfile *k = vma->vm_file->private_data;

	return !k->lease || (k->lease->given && k->lease->mm == vma->vm_mm);
}

static vm_fault_t log_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct address_space *mapping = vma->vm_file->f_mapping;
	const struct umfs_kfile *k = vma->vm_file->private_data;
	u64 page = vmf->pgoff - (LOG_OFF >> PAGE_SHIFT);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	filemap_invalidate_lock_shared(mapping);
	if (page < UMFS_LEASE_PAGES && umfs_lease_lets(vma))
		ret = vmf_insert_pfn(vma, vmf->address,
				     umfs_pfn_of(k->pool, k->lease->where) + page);
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

static void log_close(struct vm_area_struct *vma)
{
	umfs_lease_unmapped(vma);
}

static const struct vm_operations_struct log_ops = {
	.fault = log_fault,
	.close = log_close,
};

bool umfs_lease_mmap_log(const struct umfs_kfile *k, struct vm_area_struct *vma)
{
	if (!k->lease || vma->vm_pgoff < LOG_OFF >> PAGE_SHIFT)
		return false;
	umfs_vm_flags_set(vma,
			  VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP | VM_WIPEONFORK);
	vma->vm_ops = &log_ops;
	return true;
}

static int map(struct file *file, u64 bytes, u64 off, __u64 *to)
{
	unsigned long at = vm_mmap(file, 0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, off);

	if (IS_ERR_VALUE(at))
		return (int)at;
	*to = at;
	return 0;
}

static struct umfs_klease *new_lease(struct file *file)
{
	struct umfs_klease *l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);

	if (!l)
		return NULL;
	l->k = file->private_data;
	l->inode = file_inode(file);
	l->mm = current->mm;
	mmgrab(l->mm);
	l->k->lease = l;
	return l;
}

int umfs_lease_map(struct umfs_kpool *pool, struct inode *inode, struct umfs_ioc_lease *a,
		   struct file **file)
{
	struct file *mapped;
	int err;

	BUILD_BUG_ON(sizeof(struct umfs_ioc_log) != sizeof(struct umfs_lease_pm));
	BUILD_BUG_ON(UMFS_IOC_LOG_BYTES != UMFS_LEASE_PAGES * PAGE_SIZE ||
		     UMFS_IOC_LOG_ROOM != UMFS_LEASE_BYTES);
	if (!a->bytes || a->bytes & (PAGE_SIZE - 1) || a->bytes > UMFS_FILE_BYTES_MAX)
		return -EINVAL;
	mapped = umfs_kopen(pool, umfs_knode(inode), O_RDWR | O_LARGEFILE);
	if (IS_ERR(mapped))
		return PTR_ERR(mapped);
	*file = mapped;
	err = new_lease(mapped) ? umfs_maps_get(mapped) : -ENOMEM;
	if (!err)
		err = map(mapped, a->bytes, 0, &a->addr);
	if (!err)
		err = map(mapped, UMFS_IOC_LOG_BYTES, LOG_OFF, &a->log);
	return err;
}
