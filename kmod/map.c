// SPDX-License-Identifier: GPL-2.0-only
/*
 * map.c - mmap of regular files, page by page as they are touched.
 *
 * What is mapped are the pool's own pages, so that stores to them are seen by read()
 * and by everybody else at once. The entries are "special": get_user_pages() refuses
 * them, so nobody outside of the page tables keeps a page of a pool beyond what M3 says.
 *
 * I1  Before a page of the file is mapped the file is marked as mapped (umfs_map_pin):
 *     none of its pages is exchanged or given to another file until its last holder is
 *     gone, and the mapping holds the open file.
 * I2  A hole is shown as the zero page, which is never writable: it becomes a page of
 *     the file before the first store (pfn_mkwrite), and all who see the zero page
 *     there are made to look again.
 * I3  Page and page table entry are found and set under the invalidate lock (file.c I2).
 */
#include <linux/module.h>

#include "kmod.h"

static int pin(const struct umfs_kfile *k, uint32_t flags, uint64_t off, uint64_t *end)
{
	uint32_t irec;
	int err = umfs_map_pin(&k->f, flags, off, end, &irec);

	if (!err)
		umfs_map_put(&k->pool->fs, irec); /* the open file holds it too */
	return err;
}

static vm_fault_t fault_of(int err)
{
	switch (err) {
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

/* Where the page at `off` lies in the pool, 0: nowhere, it reads as zeros. Past the end: -ENXIO. */
static int find_page(const struct umfs_kfile *k, bool fill, uint64_t off, uint64_t *where)
{
	uint64_t end = off + PAGE_SIZE;
	int64_t n;
	int err;

	*where = 0;
	err = pin(k, fill ? UMFS_MAP_SHARED | UMFS_MAP_WRITE : 0, off, &end);
	if (err)
		return err;
	if (end <= off)
		return -ENXIO;
	n = umfs_map_run(&k->f, off, PAGE_SIZE, where);
	return n < 0 ? (int)n : 0;
}

static unsigned long zero_pfn_of(void)
{
	return page_to_pfn(ZERO_PAGE(0));
}

/* Invalidate lock held. */
static vm_fault_t map_page(struct vm_fault *vmf, const struct umfs_kfile *k)
{
	struct vm_area_struct *vma = vmf->vma;
	uint64_t off = (uint64_t)vmf->pgoff << PAGE_SHIFT, where, before;
	bool store = vmf->flags & FAULT_FLAG_WRITE && vma->vm_flags & VM_SHARED;
	int err = find_page(k, false, off, &before);

	where = before;
	if (!err && store)
		err = find_page(k, true, off, &where);
	if (err)
		return fault_of(err);
	if (store && !before) /* I2 */
		unmap_mapping_range(vma->vm_file->f_mapping, (loff_t)off, PAGE_SIZE, 0);
	if (!where)
		return vmf_insert_mixed(vma, vmf->address, __pfn_to_pfn_t(zero_pfn_of(), 0));
	if (store)
		return vmf_insert_mixed_mkwrite(
			vma, vmf->address, __pfn_to_pfn_t(k->pool->pfn + PHYS_PFN(where), 0));
	return vmf_insert_mixed(vma, vmf->address,
				__pfn_to_pfn_t(k->pool->pfn + PHYS_PFN(where), 0));
}

static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	vm_fault_t ret;

	filemap_invalidate_lock_shared(file->f_mapping);
	ret = map_page(vmf, file->private_data);
	filemap_invalidate_unlock_shared(file->f_mapping);
	return ret;
}

/* The first store to a page that is mapped for reading in a shared mapping. */
static vm_fault_t map_mkwrite(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	uint64_t off = (uint64_t)vmf->pgoff << PAGE_SHIFT, where;
	vm_fault_t ret = 0;
	int err;

	filemap_invalidate_lock_shared(file->f_mapping);
	err = find_page(file->private_data, true, off, &where);
	if (err) {
		ret = fault_of(err);
	} else if (pte_pfn(vmf->orig_pte) == zero_pfn_of()) { /* I2 */
		unmap_mapping_range(file->f_mapping, (loff_t)off, PAGE_SIZE, 0);
		ret = VM_FAULT_NOPAGE;
	}
	filemap_invalidate_unlock_shared(file->f_mapping);
	return ret;
}

static const struct vm_operations_struct vm_ops = {
	.fault = map_fault,
	.pfn_mkwrite = map_mkwrite,
};

int umfs_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct umfs_kfile *k = file->private_data;
	uint64_t off = (uint64_t)vma->vm_pgoff << PAGE_SHIFT, end = off;
	int err;

	err = pin(k, 0, off, &end); /* I1 */
	if (err)
		return err;
	umfs_vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &vm_ops;
	umfs_accessed(&k->f);
	return 0;
}
