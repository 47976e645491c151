// SPDX-License-Identifier: GPL-2.0-only
/*
 * map.c - mmap of regular files, page by page as they are touched.
 *
 * So work mappings, and parts of mappings, into which no tables are hung (splice.c): small
 * and private ones, those that may be executed, and all where the kernel forbids more.
 * What is mapped are the pool's own pages, so that stores to them are seen by read()
 * and by everybody else at once. The entries are "special": get_user_pages() refuses
 * them, so nobody outside of the page tables keeps a page of a pool beyond what M3 says.
 *
 * I1  Before a page of the file is mapped the file is marked as mapped (umfs_map_pin):
 *     none of its pages is exchanged or given to another file until its last holder is
 *     gone, and the mapping holds the open file.
 * I2  A hole is shown as the zero page, which is never writable: it becomes a page of
 *     the file before the first store (pfn_mkwrite), and all who see the zero page
 *     there are made to look again. That no page is there is found out, and the zero page
 *     shown, under the lock of the file's maps (tables.c T3, T4).
 * I3  Page and page table entry are found and set under the invalidate lock (file.c I2).
 */
#include <linux/module.h>

#include "splice.h"

int umfs_kpin(const struct umfs_kfile *k, u32 flags, u64 off, u64 *end)
{
	uint32_t irec;
	int err = umfs_map_pin(&k->f, flags, off, end, &irec);

	if (!err)
		umfs_map_put(&k->pool->fs, irec); /* the open file holds it too */
	return err;
}

vm_fault_t umfs_fault_of(int err)
{
	switch (err) {
	case 0:
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

/* In a mixed mapping never writable, which not all kernels offer: pfn_mkwrite comes next. */
static vm_fault_t insert(struct vm_fault *vmf, unsigned long pfn, bool writable)
{
	struct vm_area_struct *vma = vmf->vma;

	if (vma->vm_flags & VM_MIXEDMAP)
		return vmf_insert_mixed(vma, vmf->address, __pfn_to_pfn_t(pfn, 0));
	return vmf_insert_pfn_prot(vma, vmf->address, pfn,
				   writable ? vm_get_page_prot(vma->vm_flags)
					    : vma->vm_page_prot);
}

/* I2 */
static vm_fault_t insert_zero(struct vm_fault *vmf, const struct umfs_kfile *k)
{
	struct umfs_kmaps *m = k->maps;
	vm_fault_t ret;
	u64 where;
	int err;

	mutex_lock(&m->lock);
	err = umfs_maps_find(k, vmf->pgoff, &where);
	if (err) {
		ret = umfs_fault_of(err);
	} else if (where) {
		ret = insert(vmf, umfs_pfn_of(k->pool, where), false);
	} else {
		m->loose = true;
		ret = insert(vmf, umfs_zero_pfn(), false);
	}
	mutex_unlock(&m->lock);
	return ret;
}

vm_fault_t umfs_map_loose(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	const struct umfs_kfile *k = file->private_data;
	bool store = vmf->flags & FAULT_FLAG_WRITE && vmf->vma->vm_flags & VM_SHARED;
	u64 where;
	int err = store ? umfs_maps_store(k->maps, file, vmf->pgoff, &where)
			: umfs_maps_find(k, vmf->pgoff, &where);

	if (err)
		return umfs_fault_of(err);
	return where ? insert(vmf, umfs_pfn_of(k->pool, where), store) : insert_zero(vmf, k);
}

/* The first store to a page that is mapped for reading in a shared mapping. */
vm_fault_t umfs_mkwrite_loose(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	const struct umfs_kfile *k = file->private_data;
	u64 where;
	int err = umfs_maps_store(k->maps, file, vmf->pgoff, &where);

	if (err)
		return umfs_fault_of(err);
	if (pte_pfn(vmf->orig_pte) == umfs_pfn_of(k->pool, where))
		return 0;
	unmap_mapping_range(file->f_mapping, (loff_t)vmf->pgoff << PAGE_SHIFT, PAGE_SIZE, 0);
	return VM_FAULT_NOPAGE;
}

static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	vm_fault_t ret;

	filemap_invalidate_lock_shared(mapping);
	ret = umfs_lease_lets(vmf->vma) ? umfs_map_loose(vmf) : VM_FAULT_SIGBUS;
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

static vm_fault_t map_mkwrite(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	vm_fault_t ret;

	filemap_invalidate_lock_shared(mapping);
	ret = umfs_lease_lets(vmf->vma) ? umfs_mkwrite_loose(vmf) : VM_FAULT_SIGBUS;
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

static void map_close(struct vm_area_struct *vma)
{
	umfs_lease_unmapped(vma);
}

static const struct vm_operations_struct vm_ops = {
	.close = map_close,
	.fault = map_fault,
	.pfn_mkwrite = map_mkwrite,
};

int umfs_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct umfs_kfile *k = file->private_data;
	uint64_t off = (uint64_t)vma->vm_pgoff << PAGE_SHIFT, end = off;
	int err;

	if (umfs_lease_mmap_log(k, vma))
		return 0;
	err = umfs_kpin(k, 0, off, &end); /* I1 */
	if (!err)
		err = umfs_maps_get(file);
	if (err)
		return err;
	if (!umfs_splice_mmap(file, vma)) {
		/* VM_IO: later kernels show the zero page in no other mapping that may be written. */
		umfs_vm_flags_set(vma, vma->vm_flags & VM_MAYSHARE ? VM_MIXEDMAP | VM_IO
								   : VM_MIXEDMAP);
		vma->vm_ops = &vm_ops;
	}
	if (k->lease) /* a child has the addresses, so that it gets nothing else there, and no entry */
		umfs_vm_flags_set(vma, VM_WIPEONFORK | VM_DONTEXPAND | VM_DONTDUMP);
	else
		umfs_accessed(&k->f);
	return 0;
}
