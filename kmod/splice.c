// SPDX-License-Identifier: GPL-2.0-only
/*
 * splice.c - a file's page tables hung into processes.
 *
 * A shared mapping that covers whole GiB or 2 MiB of its file, at addresses that are the
 * same parts of a GiB or 2 MiB, has those parts' entries in the process's own tables
 * exchanged for ones that name the file's tables (tables.c). One exchange gives the process
 * a GiB, whatever is in it. docs/KERNEL.md explains why that holds together; in short:
 *
 * S1  The kernel never walks the file's tables in order to change them. It says before that
 *     it will (mmu_interval_notifier), and then the process's own entries are put back.
 *     It so finds, accounts and frees only what it made itself. Who merely reads page tables
 *     is kept out by VM_PFNMAP and VM_IO, or finds special entries.
 * S2  A part is hung only while no such change is under way, under `lock` and the lock
 *     that the kernel takes to add a table at that entry. Nothing of the kernel's is ever
 *     added below a part's entry while it is hung, nor does this module add entries to the
 *     process's own tables there.
 * S3  `shelf` is done under the mmap lock for writing: nobody is in a fault then. Where
 *     the kernel would split a mapping or change its rights, it first becomes one that
 *     works page by page (map.c), for good.
 * S4  A processor may remember, after a part was taken down, what it read below. What it
 *     remembers stays true until entries of the file's tables change (T1) or the mapping
 *     goes, and both come with the kernel clearing the mapping from end to end. For the
 *     kernel to see that there is something to forget, there is an entry at both ends of
 *     the process's own tables then, and so it flushes all between. That entry may not be
 *     used by the processor (as of PROT_NONE), and goes with the very clearing it is for.
 * S5  Who may not write has tables without a writable entry hung in.
 */
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <xen/xen.h>

#include "splice.h"

#ifndef CONFIG_MMU_NOTIFIER
#error "the module needs a kernel with CONFIG_MMU_NOTIFIER"
#endif

#define PARTS_MAX 2048 /* 512 GiB in GiB, and 2 MiB parts before and after */

static bool splice = true;
module_param(splice, bool, 0444);
MODULE_PARM_DESC(splice, "hang page tables of whole files into processes (Y); N where the kernel does not allow it");

static char *splice_off = "";
module_param(splice_off, charp, 0444);
MODULE_PARM_DESC(splice_off, "why not, set by the module");

/* What one entry of a process's tables covers: 2 MiB or a GiB. */
struct part {
	unsigned long start;
	unsigned long own;	/* the process's entry, while ours is in its place */
	bool gib, hung;
};

/* One mapping. */
struct umfs_splice {
	struct mmu_interval_notifier sub;
	spinlock_t lock;	/* what is hung; S2 */
	struct mutex hanging;
	struct umfs_ktable *table;
	unsigned long start, end;
	u64 index;		/* page of the file at `start` */
	bool writable;
	bool used;		/* S4: something was hung once */
	bool ready;		/* the process has tables of its own at both ends */
	unsigned int hung;	/* so many parts */
	unsigned int count;
	struct part part[];
};

static u64 index_at(const struct umfs_splice *s, unsigned long addr)
{
	return s->index + ((addr - s->start) >> PAGE_SHIFT);
}

static unsigned long part_end(const struct part *p)
{
	return p->start + (p->gib ? PUD_SIZE : PMD_SIZE);
}

/* ---- the process's own tables ---- */

static pud_t *find_pud(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;

	if (pgd_none(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	return p4d_none(*p4d) ? NULL : pud_offset(p4d, addr);
}

/* Not within a hung GiB. */
static pmd_t *find_pmd(struct mm_struct *mm, unsigned long addr)
{
	pud_t *pud = find_pud(mm, addr);

	return !pud || pud_none(*pud) ? NULL : pmd_offset(pud, addr);
}

/* The part's entry gets `value`; S2. False: there is no table to have it. */
static bool exchange(struct mm_struct *mm, const struct part *p, unsigned long value,
		     unsigned long *old)
{
	pud_t *pud = p->gib ? find_pud(mm, p->start) : NULL;
	pmd_t *pmd = p->gib ? NULL : find_pmd(mm, p->start);
	spinlock_t *ptl;

	if (!pud && !pmd)
		return false;
	ptl = pud ? pud_lock(mm, pud) : pmd_lock(mm, pmd);
	*old = xchg(pud ? (unsigned long *)pud : (unsigned long *)pmd, value);
	spin_unlock(ptl);
	return true;
}

/* s->lock held */
static void hang(struct umfs_splice *s, struct part *p)
{
	u64 index = index_at(s, p->start);
	unsigned long entry = p->gib ? umfs_table_gib(s->table, index)
				     : umfs_table_mib(s->table, index);

	if (p->hung || !entry || !exchange(s->sub.mm, p, entry, &p->own))
		return;
	p->hung = s->used = true;
	s->hung++;
}

/* s->lock held; the way down to the entry is the kernel's own, and there as long as it is hung */
static void take_down(struct umfs_splice *s)
{
	unsigned long ours;
	unsigned int i;

	for (i = 0; s->hung && i < s->count; i++) {
		struct part *p = &s->part[i];

		if (!p->hung || !exchange(s->sub.mm, p, p->own, &ours))
			continue;
		p->hung = false;
		s->hung--;
	}
}

/* ---- S4 ---- */

static void leave_mark(struct umfs_splice *s, unsigned long addr)
{
	pte_t seen = umfs_table_entry(s->table, index_at(s, addr)), *at;
	unsigned long pfn = pte_present(seen) ? pte_pfn(seen) : umfs_zero_pfn();
	pmd_t *pmd = find_pmd(s->sub.mm, addr);
	spinlock_t *ptl;

	if (!pmd || pmd_none(*pmd))
		return;
	ptl = pte_lockptr(s->sub.mm, pmd);
	spin_lock(ptl);
	at = pte_offset_kernel(pmd, addr);
	if (pte_none(*at))
		WRITE_ONCE(*(unsigned long *)at,
			   pte_val(pte_mkspecial(pfn_pte(pfn, vm_get_page_prot(VM_NONE)))));
	spin_unlock(ptl);
}

static bool is_clearing(const struct umfs_splice *s, const struct mmu_notifier_range *range)
{
	return (range->event == MMU_NOTIFY_CLEAR || range->event == MMU_NOTIFY_UNMAP) &&
	       range->start <= s->start && range->end >= s->end;
}

static bool invalidate(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
		       unsigned long seq)
{
	struct umfs_splice *s = container_of(sub, struct umfs_splice, sub);

	spin_lock(&s->lock);
	mmu_interval_set_seq(sub, seq);
	take_down(s);
	if (s->used && is_clearing(s, range)) {
		leave_mark(s, s->start);
		leave_mark(s, s->end - PAGE_SIZE);
	}
	spin_unlock(&s->lock);
	return true;
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = invalidate,
};

/* ---- page faults ---- */

static int keep(pte_t *pte, unsigned long addr, void *data)
{
	(void)pte;
	(void)addr;
	(void)data;
	return 0;
}

/* Tables of the process's own at both ends, which stay as long as the mapping. */
static int make_ends(struct umfs_splice *s)
{
	struct mm_struct *mm = s->sub.mm;
	int err = 0;

	if (!s->ready)
		err = apply_to_page_range(mm, s->start, PAGE_SIZE, keep, NULL);
	if (!err && !s->ready)
		err = apply_to_page_range(mm, s->end - PAGE_SIZE, PAGE_SIZE, keep, NULL);
	s->ready = !err;
	return err;
}

/* With the first part all others that have tables: what others have touched costs nothing. */
static void hang_some(struct umfs_splice *s, struct part *p)
{
	unsigned int i;

	bool all = !s->hung;

	for (i = 0; all && i < s->count; i++)
		hang(s, &s->part[i]);
	hang(s, p);
}

/* S2. The mmap lock keeps the mapping. */
static int hang_part(struct umfs_splice *s, struct part *p)
{
	unsigned long seq;
	int err;

	mutex_lock(&s->hanging);
	err = make_ends(s);
	while (!err) {
		bool done;

		seq = mmu_interval_read_begin(&s->sub);
		spin_lock(&s->lock);
		done = !mmu_interval_read_retry(&s->sub, seq);
		if (done) {
			hang_some(s, p);
			err = p->hung ? 0 : -ENOMEM;
		}
		spin_unlock(&s->lock);
		if (done)
			break;
	}
	mutex_unlock(&s->hanging);
	return err;
}

static struct part *find_part(struct umfs_splice *s, unsigned long addr)
{
	unsigned int low = 0, high = s ? s->count : 0;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (addr < s->part[mid].start)
			high = mid;
		else if (addr >= part_end(&s->part[mid]))
			low = mid + 1;
		else
			return &s->part[mid];
	}
	return NULL;
}

static vm_fault_t fault_in_part(struct vm_fault *vmf, struct umfs_splice *s, struct part *p)
{
	struct file *file = vmf->vma->vm_file;
	struct umfs_kfile *k = file->private_data;
	bool store = s->writable && vmf->flags & FAULT_FLAG_WRITE;
	int err = umfs_maps_fill(k->maps, k, s->writable, vmf->pgoff, store);
	pte_t entry;
	u64 where;

	if (err)
		return umfs_fault_of(err);
	entry = umfs_table_entry(s->table, vmf->pgoff);
	if (store && !pte_write(entry))
		err = umfs_maps_store(k->maps, file, vmf->pgoff, &where);
	if (!err)
		err = hang_part(s, p);
	return umfs_fault_of(err);
}

static vm_fault_t splice_fault(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	struct umfs_splice *s = vmf->vma->vm_private_data;
	struct part *p = find_part(s, vmf->address);
	vm_fault_t ret;

	filemap_invalidate_lock_shared(mapping);
	if (!umfs_lease_lets(vmf->vma))
		ret = VM_FAULT_SIGBUS;
	else
		ret = p ? fault_in_part(vmf, s, p) : umfs_map_loose(vmf);
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

/* The zero page, or a page that is mapped for reading, outside of all parts. */
static vm_fault_t splice_mkwrite(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	struct umfs_splice *s = vmf->vma->vm_private_data;
	struct part *p = find_part(s, vmf->address);
	vm_fault_t ret;

	filemap_invalidate_lock_shared(mapping);
	if (!umfs_lease_lets(vmf->vma))
		ret = VM_FAULT_SIGBUS;
	else
		ret = p ? fault_in_part(vmf, s, p) : umfs_mkwrite_loose(vmf);
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

/* ---- the life of a mapping ---- */

static void free_splice(struct umfs_splice *s)
{
	mmu_interval_notifier_remove(&s->sub);
	kvfree(s);
}

/* A child of fork, what mremap makes: by pages, its memory has no notifier. */
static void splice_open(struct vm_area_struct *vma)
{
	vma->vm_private_data = NULL;
}

/* The kernel has cleared the mapping before, and has told of it: nothing is hung. */
static void splice_close(struct vm_area_struct *vma)
{
	if (vma->vm_private_data)
		free_splice(vma->vm_private_data);
	vma->vm_private_data = NULL;
	umfs_lease_unmapped(vma);
}

/* S3: clearing it all takes the parts down, and makes the processors forget them. */
static void shelve(struct vm_area_struct *vma)
{
	struct umfs_splice *s = vma->vm_private_data;

	if (!s)
		return;
	zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	vma->vm_private_data = NULL;
	free_splice(s);
}

static int splice_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	(void)addr;
	shelve(vma);
	return 0;
}

static int splice_mprotect(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			   unsigned long flags)
{
	(void)start;
	(void)end;
	(void)flags;
	shelve(vma);
	return 0;
}

/*
 * Entries were moved here from where the mapping was, marks (S4) among them, while what
 * processors remember is of there: refused, and the kernel moves back what is left.
 */
static int splice_mremap(struct vm_area_struct *vma)
{
	zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	return -EINVAL;
}

/* For debuggers, which get no pages of it. */
static int splice_access(struct vm_area_struct *vma, unsigned long addr, void *buf, int len,
			 int write)
{
	struct file *file = vma->vm_file;
	struct umfs_kfile *k = file->private_data;
	u64 pos = ((u64)vma->vm_pgoff << PAGE_SHIFT) + (addr - vma->vm_start), where = 0;
	int err;

	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		return -EACCES;
	len = min_t(u64, len, PAGE_SIZE - offset_in_page(addr));
	filemap_invalidate_lock_shared(file->f_mapping);
	err = write ? umfs_maps_store(k->maps, file, pos >> PAGE_SHIFT, &where)
		    : umfs_maps_find(k, pos >> PAGE_SHIFT, &where);
	if (!err && write)
		memcpy(k->pool->fs.base + where + offset_in_page(pos), buf, len);
	else if (!err && where)
		memcpy(buf, k->pool->fs.base + where + offset_in_page(pos), len);
	else if (!err)
		memset(buf, 0, len);
	filemap_invalidate_unlock_shared(file->f_mapping);
	return err ? err : len;
}

static const struct vm_operations_struct splice_ops = {
	.fault = splice_fault,
	.pfn_mkwrite = splice_mkwrite,
	.open = splice_open,
	.close = splice_close,
	.may_split = splice_may_split,
	.mprotect = splice_mprotect,
	.mremap = splice_mremap,
	.access = splice_access,
};

/* ---- making one ---- */

/* The parts of [start, end), in `part` if that is not NULL; how many. */
static unsigned int cut_parts(unsigned long start, unsigned long end, u64 off, struct part *part)
{
	unsigned int n = 0;

	while (start + PMD_SIZE <= end && off + PMD_SIZE <= UMFS_FILE_BYTES_MAX) {
		bool gib = !((start | off) & ~PUD_MASK) && start + PUD_SIZE <= end;

		if (part)
			part[n] = (struct part){.start = start, .gib = gib};
		n++;
		start += gib ? PUD_SIZE : PMD_SIZE;
		off += gib ? PUD_SIZE : PMD_SIZE;
	}
	return n;
}

static bool is_wanted(const struct vm_area_struct *vma)
{
	return splice && vma->vm_flags & VM_MAYSHARE && vma->vm_flags & (VM_READ | VM_WRITE) &&
	       !(vma->vm_flags & VM_EXEC) && vma->vm_end - vma->vm_start >= PMD_SIZE;
}

static struct umfs_splice *new_splice(struct umfs_kfile *k, const struct vm_area_struct *vma)
{
	unsigned long start = ALIGN(vma->vm_start, PMD_SIZE);
	u64 off = ((u64)vma->vm_pgoff << PAGE_SHIFT) + (start - vma->vm_start);
	unsigned int count = off & ~PMD_MASK ? 0 : cut_parts(start, vma->vm_end, off, NULL);
	struct umfs_splice *s;

	if (!count || count > PARTS_MAX)
		return NULL;
	s = kvzalloc(struct_size(s, part, count), GFP_KERNEL_ACCOUNT);
	if (!s)
		return NULL;
	spin_lock_init(&s->lock);
	mutex_init(&s->hanging);
	s->writable = vma->vm_flags & VM_WRITE;
	s->table = umfs_maps_side(k->maps, s->writable); /* S5 */
	s->count = cut_parts(start, vma->vm_end, off, s->part);
	s->start = start;
	s->end = part_end(&s->part[count - 1]);
	s->index = off >> PAGE_SHIFT;
	if (s->table)
		return s;
	kvfree(s);
	return NULL;
}

bool umfs_splice_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct umfs_kfile *k = file->private_data;
	struct umfs_splice *s = is_wanted(vma) ? new_splice(k, vma) : NULL;
	u64 end = 0;

	if (!s)
		return false;
	if (mmu_interval_notifier_insert_locked(&s->sub, vma->vm_mm, s->start, s->end - s->start,
						&notifier_ops)) {
		kvfree(s);
		return false;
	}
	/* Stores are not seen one by one: the time of change is now. Who has a lease says it. */
	if (s->writable && !k->lease)
		(void)umfs_kpin(k, UMFS_MAP_WRITE, 0, &end);
	umfs_vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP | VM_WIPEONFORK);
	vma->vm_private_data = s;
	vma->vm_ops = &splice_ops;
	return true;
}

/* An address where parts of the mapping are parts of a GiB, or 2 MiB; 0: there is none. */
static unsigned long aligned_area(struct file *file, unsigned long len, unsigned long pgoff,
				  unsigned long flags, unsigned long align)
{
	unsigned long off = pgoff << PAGE_SHIFT, at;

	if (len < align || len + align < len)
		return 0;
	at = umfs_area(file, 0, len + align, pgoff, flags);
	return IS_ERR_VALUE(at) ? 0 : at + ((off - at) & (align - 1));
}

unsigned long umfs_splice_area(struct file *file, unsigned long addr, unsigned long len,
			       unsigned long pgoff, unsigned long flags)
{
	unsigned long at = 0;

	if (splice && !addr && flags & MAP_SHARED && !(flags & MAP_FIXED)) {
		at = aligned_area(file, len, pgoff, flags, PUD_SIZE);
		if (!at)
			at = aligned_area(file, len, pgoff, flags, PMD_SIZE);
	}
	return at ? at : umfs_area(file, addr, len, pgoff, flags);
}

/* ---- what a kernel has to be ---- */

static char *refusal(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return "PREEMPT_RT";
	if (ALLOC_SPLIT_PTLOCKS)
		return "locks of page tables are too large (lockdep?)";
	if (IS_ENABLED(CONFIG_PAGE_TABLE_CHECK))
		return "CONFIG_PAGE_TABLE_CHECK";
	if (xen_pv_domain())
		return "Xen PV: page tables are the hypervisor's";
	return NULL;
}

void umfs_splice_init(void)
{
	char *why = refusal();

	if (!splice || !why)
		return;
	splice = false;
	splice_off = why;
	pr_info("umfs: mappings are made page by page: %s\n", why);
}
