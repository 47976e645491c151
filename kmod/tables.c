// SPDX-License-Identifier: GPL-2.0-only
/*
 * tables.c - page tables of a mapped file, in the form that processors read.
 *
 * They lie in memory of the kernel's own, not in the pool: each entry was made here from
 * one that core had checked, so that no content of a pool, whoever wrote it and whenever it
 * changes, is ever read by a processor as a page table. A PTE page is filled when the first
 * page of its 2 MiB is touched; from then on all processes into which the tables are hung
 * (splice.c) reach those pages without a fault.
 *
 * T1  An entry is none, or names the page that the file has there, or, read-only, the zero
 *     page where it has none. Pages of a mapped file stay (M3), so entries change in these
 *     ways only: none to anything (nobody remembers an absent entry); zero page to page,
 *     and anything to none when the file ends before it. The latter two are followed by
 *     unmap_mapping_range() of everything, which makes each process let go of the tables
 *     and forget what it knows by them (splice.c S4), before the locks are let go.
 * T2  Tables are kept by open files that were mapped, so the file's record is held, and
 *     M3 with it; they are freed a grace period after the last of those files, thus after
 *     all mappings and all walkers that go without locks.
 * T3  Entries change under `lock` with the invalidate lock held; to find a hole and to
 *     show the zero page for it is one step under `lock`, and so is to fill the hole, show
 *     its page, and make everybody forget the zero page. Table pages are added and never
 *     taken away: reading needs no lock.
 * T4  A zero page outside of the tables (map.c) is announced by `loose` first.
 */
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "splice.h"

static struct workqueue_struct *freeing;

/* ---- table pages ---- */

/* The kernel takes the lock that lies in a table page's struct page: it is to be there. */
static void *new_page(void)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (!page)
		return NULL;
	spin_lock_init(umfs_ptlock(page));
	return page_address(page);
}

static pte_t *ptes_of(pmd_t *pmds, unsigned int at)
{
	unsigned long entry = READ_ONCE(*(unsigned long *)&pmds[at]);

	return entry ? __va(entry & PTE_PFN_MASK) : NULL;
}

static unsigned long table_entry(const void *page)
{
	return __pa(page) | _PAGE_TABLE;
}

/* The PTE page of `index` if there is one. */
static pte_t *find_ptes(const struct umfs_ktable *t, u64 index)
{
	u64 gib = index >> (PUD_SHIFT - PAGE_SHIFT);
	/* Pairs with make_ptes(). */
	pmd_t *pmds = gib < PTRS_PER_PUD ? smp_load_acquire(&t->gib[gib]) : NULL;

	return pmds ? ptes_of(pmds, (index >> (PMD_SHIFT - PAGE_SHIFT)) % PTRS_PER_PMD) : NULL;
}

/* The same, made when there is none. T3. */
static pte_t *make_ptes(struct umfs_ktable *t, u64 index)
{
	u64 gib = index >> (PUD_SHIFT - PAGE_SHIFT);
	unsigned int at = (index >> (PMD_SHIFT - PAGE_SHIFT)) % PTRS_PER_PMD;
	void *page;

	if (gib >= PTRS_PER_PUD)
		return NULL;
	if (!t->gib[gib]) {
		page = new_page();
		if (!page)
			return NULL;
		/* Zeros before it is found, by find_ptes() and umfs_table_gib(). */
		smp_store_release(&t->gib[gib], page);
	}
	if (ptes_of(t->gib[gib], at))
		return ptes_of(t->gib[gib], at);
	page = new_page();
	if (page) /* zeros before it is found, by ptes_of(): the address depends on the entry */
		smp_store_release((unsigned long *)&t->gib[gib][at], table_entry(page));
	return page;
}

static void free_table(struct umfs_ktable *t)
{
	unsigned int gib, at;

	for (gib = 0; t && gib < PTRS_PER_PUD; gib++) {
		if (!t->gib[gib])
			continue;
		for (at = 0; at < PTRS_PER_PMD; at++)
			if (ptes_of(t->gib[gib], at))
				free_page((unsigned long)ptes_of(t->gib[gib], at));
		free_page((unsigned long)t->gib[gib]);
		cond_resched();
	}
	kvfree(t);
}

unsigned long umfs_table_mib(const struct umfs_ktable *t, u64 index)
{
	const pte_t *ptes = find_ptes(t, index);

	return ptes ? table_entry(ptes) : 0;
}

unsigned long umfs_table_gib(const struct umfs_ktable *t, u64 index)
{
	/* Pairs with make_ptes(). */
	const pmd_t *pmds = smp_load_acquire(&t->gib[index >> (PUD_SHIFT - PAGE_SHIFT)]);

	return pmds ? table_entry(pmds) : 0;
}

pte_t umfs_table_entry(const struct umfs_ktable *t, u64 index)
{
	pte_t *ptes = find_ptes(t, index);

	return ptes ? READ_ONCE(ptes[index % PTRS_PER_PTE]) : __pte(0);
}

/* ---- entries ---- */

/* Accessed and dirty from the start, so that neither processor nor kernel changes it. */
static pte_t entry_of(unsigned long pfn, bool writable)
{
	pgprot_t prot = vm_get_page_prot(writable ? VM_READ | VM_WRITE | VM_SHARED : VM_READ);
	pte_t pte = pte_mkyoung(pte_mkspecial(pfn_pte(pfn, prot)));

	return writable ? pte_mkdirty(pte) : pte;
}

static bool is_zero(pte_t pte)
{
	return pte_present(pte) && pte_pfn(pte) == umfs_zero_pfn();
}

static void set_entry(pte_t *at, pte_t pte)
{
	WRITE_ONCE(*(unsigned long *)at, pte_val(pte));
}

/* Pages of the file at *where and on, for the `n` entries at `at` that are none. */
static void show_run(const struct umfs_kpool *pool, pte_t *at, u64 n, u64 where, bool writable)
{
	u64 i;

	for (i = 0; i < n; i++)
		if (pte_none(at[i]))
			set_entry(&at[i], entry_of(umfs_pfn_of(pool, where) + i, writable));
}

/* Written pages of [off, end), which is within the 2 MiB of `ptes`. */
static int show_written(const struct umfs_kfile *k, pte_t *ptes, u64 off, u64 end, bool writable)
{
	while (off < end) {
		u64 where;
		int64_t n = umfs_map_run(&k->f, off, end - off, &where);

		if (n <= 0)
			return n ? (int)n : -EUCLEAN;
		if (where + n > k->pool->fs.bytes)
			return -EUCLEAN;
		if (where)
			show_run(k->pool, &ptes[(off >> PAGE_SHIFT) % PTRS_PER_PTE],
				 n >> PAGE_SHIFT, where, writable);
		off += n;
	}
	return 0;
}

/* T3 */
static int fill(struct umfs_kmaps *m, const struct umfs_kfile *k, bool writable, u64 index,
		bool store)
{
	u64 off = round_down(index, PTRS_PER_PTE) << PAGE_SHIFT, end = off + PMD_SIZE;
	pte_t *ptes, *at;
	int err = umfs_kpin(k, 0, off, &end);

	if (err)
		return err;
	if (end <= index << PAGE_SHIFT)
		return -ENXIO;
	ptes = make_ptes(m->side[writable], index);
	if (!ptes)
		return -ENOMEM;
	at = &ptes[index % PTRS_PER_PTE];
	if (pte_none(*at))
		err = show_written(k, ptes, off, end, writable);
	if (!err && !store && pte_none(*at))
		set_entry(at, entry_of(umfs_zero_pfn(), false));
	return err;
}

int umfs_maps_fill(struct umfs_kmaps *m, const struct umfs_kfile *k, bool writable, u64 index,
		   bool store)
{
	int err;

	if (!pte_none(umfs_table_entry(m->side[writable], index)))
		return 0;
	mutex_lock(&m->lock);
	err = fill(m, k, writable, index, store);
	mutex_unlock(&m->lock);
	return err;
}

/* ---- what changes ---- */

int umfs_maps_find(const struct umfs_kfile *k, u64 index, u64 *where)
{
	u64 off = index << PAGE_SHIFT, end = off + PAGE_SIZE;
	int64_t n;
	int err;

	*where = 0;
	err = umfs_kpin(k, 0, off, &end);
	if (err)
		return err;
	if (end <= off)
		return -ENXIO;
	n = umfs_map_run(&k->f, off, PAGE_SIZE, where);
	return n < 0 ? (int)n : 0;
}

static void forget(struct address_space *mapping)
{
	unmap_mapping_range(mapping, 0, 0, 0);
}

/* Where a table has a zero page at `index`, or room, it has the page from now on. */
static bool show_page(struct umfs_ktable *t, u64 index, unsigned long pfn, bool writable)
{
	pte_t *ptes = t ? find_ptes(t, index) : NULL;
	pte_t old = ptes ? ptes[index % PTRS_PER_PTE] : __pte(0);

	if (ptes && (pte_none(old) || is_zero(old)))
		set_entry(&ptes[index % PTRS_PER_PTE], entry_of(pfn, writable));
	return is_zero(old);
}

/* T3: a hole becomes a page. */
static int fill_hole(struct umfs_kmaps *m, const struct file *file, u64 index, u64 *where)
{
	const struct umfs_kfile *k = file->private_data;
	u64 off = index << PAGE_SHIFT, end = off + PAGE_SIZE;
	unsigned long pfn;
	bool zero;
	int err = umfs_kpin(k, UMFS_MAP_SHARED | UMFS_MAP_WRITE, off, &end);

	if (!err)
		err = umfs_maps_find(k, index, where);
	if (err)
		return err;
	if (!*where)
		return -EIO;
	pfn = umfs_pfn_of(k->pool, *where);
	zero = show_page(m->side[0], index, pfn, false);
	zero |= show_page(m->side[1], index, pfn, true);
	if (zero)
		forget(file->f_mapping);
	else if (m->loose)
		unmap_mapping_range(file->f_mapping, (loff_t)off, PAGE_SIZE, 0);
	return 0;
}

int umfs_maps_store(struct umfs_kmaps *m, const struct file *file, u64 index, u64 *where)
{
	u64 off = index << PAGE_SHIFT;
	int err;

	mutex_lock(&m->lock);
	err = umfs_maps_find(file->private_data, index, where);
	if (!err && !*where)
		err = fill_hole(m, file, index, where);
	else if (!err)
		err = umfs_kpin(file->private_data, UMFS_MAP_WRITE, off, &off); /* its time */
	mutex_unlock(&m->lock);
	return err;
}

/* Entries of [first, last) become none: all, or those of zero pages. Whether there were any. */
static bool drop(struct umfs_ktable *t, u64 first, u64 last, bool zeros_only)
{
	bool any = false;

	while (t && first < last) {
		u64 stop = min_t(u64, last, round_down(first, PTRS_PER_PTE) + PTRS_PER_PTE);
		pte_t *ptes = find_ptes(t, first);

		if (!t->gib[first >> (PUD_SHIFT - PAGE_SHIFT)])
			stop = min_t(u64, last, (first | (PTRS_PER_PTE * PTRS_PER_PMD - 1)) + 1);
		for (; ptes && first < stop; first++) {
			pte_t *at = &ptes[first % PTRS_PER_PTE];

			if (pte_none(*at) || (zeros_only && !is_zero(*at)))
				continue;
			set_entry(at, __pte(0));
			any = true;
		}
		first = stop;
	}
	return any;
}

/* The maps of the file, held for a moment, or NULL: then nobody has it mapped. */
static struct umfs_kmaps *look_up(struct inode *inode)
{
	struct umfs_kmaps *m;

	spin_lock(&inode->i_lock);
	m = umfs_mapping_private(inode->i_mapping);
	if (m)
		m->refs++;
	spin_unlock(&inode->i_lock);
	return m;
}

void umfs_maps_wrote(struct inode *inode, u64 from, u64 to)
{
	struct umfs_kmaps *m = look_up(inode);
	u64 first = from >> PAGE_SHIFT, last = DIV_ROUND_UP_ULL(to, PAGE_SIZE);
	bool zero;

	if (!m)
		return;
	mutex_lock(&m->lock);
	zero = drop(m->side[0], first, last, true);
	zero |= drop(m->side[1], first, last, true);
	if (zero)
		forget(inode->i_mapping);
	else if (m->loose)
		unmap_mapping_range(inode->i_mapping, (loff_t)(first << PAGE_SHIFT),
				    (loff_t)((last - first) << PAGE_SHIFT), 0);
	mutex_unlock(&m->lock);
	umfs_maps_put(inode, m);
}

void umfs_maps_cut(struct inode *inode, u64 size)
{
	struct umfs_kmaps *m = look_up(inode);
	u64 first = DIV_ROUND_UP_ULL(size, PAGE_SIZE);
	u64 last = UMFS_FILE_BYTES_MAX >> PAGE_SHIFT;
	bool any;

	if (!m)
		return;
	mutex_lock(&m->lock);
	any = drop(m->side[0], first, last, false);
	any |= drop(m->side[1], first, last, false);
	if (any)
		forget(inode->i_mapping);
	mutex_unlock(&m->lock);
	umfs_maps_put(inode, m);
}

/* ---- life ---- */

int umfs_maps_get(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct umfs_kfile *k = file->private_data;
	struct umfs_kmaps *m, *new;

	if (READ_ONCE(k->maps))
		return 0;
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	mutex_init(&new->lock);
	INIT_LIST_HEAD(&new->shares);
	spin_lock(&inode->i_lock);
	if (!k->maps) {
		m = umfs_mapping_private(inode->i_mapping);
		if (!m) {
			umfs_mapping_private(inode->i_mapping) = new;
			m = new;
			new = NULL;
		}
		m->refs++;
		/* All of it before it is found, also by who looks without this lock. */
		smp_store_release(&k->maps, m);
	}
	spin_unlock(&inode->i_lock);
	kfree(new);
	return 0;
}

struct umfs_ktable *umfs_maps_side(struct umfs_kmaps *m, bool writable)
{
	mutex_lock(&m->lock);
	if (!m->side[writable]) /* zeros before it is found, also without this lock */
		smp_store_release(&m->side[writable],
				  kvzalloc(sizeof(struct umfs_ktable), GFP_KERNEL_ACCOUNT));
	mutex_unlock(&m->lock);
	return m->side[writable];
}

static void free_maps(struct work_struct *work)
{
	struct umfs_kmaps *m = container_of(to_rcu_work(work), struct umfs_kmaps, free);

	free_table(m->side[0]);
	free_table(m->side[1]);
	kfree(m);
}

void umfs_maps_put(struct inode *inode, struct umfs_kmaps *m)
{
	bool last;

	spin_lock(&inode->i_lock);
	last = !--m->refs;
	if (last)
		umfs_mapping_private(inode->i_mapping) = NULL;
	spin_unlock(&inode->i_lock);
	if (!last)
		return;
	INIT_RCU_WORK(&m->free, free_maps);
	queue_rcu_work(freeing, &m->free); /* T2 */
}

int umfs_tables_init(void)
{
	freeing = alloc_workqueue("umfs_tables", WQ_UNBOUND, 0);
	return freeing ? 0 : -ENOMEM;
}

void umfs_tables_exit(void)
{
	rcu_barrier(); /* what waits for its grace period is queued then */
	destroy_workqueue(freeing);
}
