// SPDX-License-Identifier: BSD-3-Clause
/*
 * fork.c - a child of fork takes part in the pool with a slot of its own, or not yet.
 *
 * The parent takes the child's slot before it forks, so the child owns it from
 * its first instruction: the mapping that keeps the slot's lock is let pass,
 * and the parent then unmaps its copy.
 */
#include "port_own.h"
#include "sys.h"

#include <fcntl.h>
#include <sys/mman.h>

int pool_fork_prepare(struct pool *p, bool idle, struct pool_fork *f)
{
	int err;

	f->apart = idle && !p->shadow_page && !p->shadow_use;
	if (f->apart) {
		pool_desc_lock(p);
		return 0;
	}
	err = umfs_slot_fork(&p->fs, &f->slot, &f->incarnation);
	if (err)
		return err;
	err = (int)sys3(SYS_madvise, p->slot_page[f->slot], p->page_bytes, MADV_DOFORK);
	if (err) {
		umfs_slot_abandon(&p->fs, f->slot, f->incarnation);
		return err;
	}
	pool_desc_lock(p);
	return 0;
}

void pool_fork_parent(struct pool *p, const struct pool_fork *f, bool forked)
{
	pool_desc_unlock(p);
	if (f->apart)
		return;
	if (forked)
		port_slot_drop(&p->fs, f->slot);
	else
		umfs_slot_abandon(&p->fs, f->slot, f->incarnation);
}

/*
 * The parent's mappings did not come along, nor what its other threads were at. (Stores
 * only where there is something: a page that is not stored to is not copied.)
 */
static void forget(struct pool *p, const struct pool_fork *f)
{
	uint32_t i;

	p->desc_lock = 0;
	for (i = 0; i < UMFS_SLOTS_MAX; i++) {
		if (p->slot_page[i] && (f->apart || i != f->slot))
			p->slot_page[i] = NULL;
		if (p->claim_page[i])
			p->claim_page[i] = NULL;
	}
	if (p->attach_fd >= 0) {
		(void)sys1(SYS_close, p->attach_fd);
		__atomic_fetch_sub(&port_kept.any, 1, __ATOMIC_RELEASE);
	}
	p->attach_fd = -1;
}

/* A description of its own under the same number; the shared one does where that fails. */
static void renew_fd(struct pool *p)
{
	int fd = pool_reopen(p);

	if (fd >= 0 && !pool_renew_fd(p, fd))
		(void)sys1(SYS_close, fd);
}

int pool_fork_child(struct pool *p, const struct pool_fork *f)
{
	int err;

	forget(p, f);
	if (f->apart) {
		umfs_slot_forget(&p->fs);
		return 0; /* with its parent's descriptor, for pool_resume() where the path leads elsewhere */
	}
	err = (int)sys3(SYS_madvise, p->slot_page[f->slot], p->page_bytes, MADV_DONTFORK);
	renew_fd(p);
	umfs_slot_become(&p->fs, f->slot, f->incarnation);
	return err;
}
