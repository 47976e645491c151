// SPDX-License-Identifier: BSD-3-Clause
/*
 * heir.c - a new image of this process takes part in the pool after exec.
 *
 * The mapping that proves a slot alive ends with the address space. So the old
 * image takes one more slot, and keeps the descriptor whose description holds
 * its lock: that passes exec, and whatever image comes keeps the slot alive
 * until it maps it itself, or ends.
 */
#include "port_own.h"
#include "sys.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int pool_heir_make(struct pool *p, struct pool_heir *h)
{
	int err;

	p->heir_fd = -1;
	p->heir_thread = port_thread();
	err = umfs_slot_heir(&p->fs, &h->slot, &h->incarnation);
	p->heir_thread = 0;
	h->fd = p->heir_fd;
	h->shadow_fd = -1;
	if (!err && h->fd < 0)
		err = -EMFILE;
	if (err && h->fd >= 0)
		(void)sys1(SYS_close, h->fd);
	if (err || !p->shadow_page)
		return err;
	h->shadow_fd = pool_shadow_keep(p);
	if (h->shadow_fd >= 0)
		return 0;
	err = h->shadow_fd;
	pool_heir_drop(p, h);
	return err;
}

static void close_both(const struct pool_heir *h)
{
	(void)sys1(SYS_close, h->fd);
	if (h->shadow_fd >= 0)
		(void)sys1(SYS_close, h->shadow_fd);
}

void pool_heir_drop(struct pool *p, const struct pool_heir *h)
{
	close_both(h);
	umfs_slot_abandon(&p->fs, h->slot, h->incarnation);
}

void pool_heir_pass(struct pool *p, const struct pool_heir *h)
{
	close_both(h);
	port_slot_drop(&p->fs, h->slot);
}

/* Is the slot's byte locked, as seen through this descriptor? A description does not see its own. */
static bool seen_locked(int fd, uint32_t slot)
{
	struct flock fl = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(UMFS_LOCK_SLOTS + slot),
		.l_len = 1,
	};

	return !sys3(SYS_fcntl, fd, F_OFD_GETLK, &fl) && fl.l_type != F_UNLCK;
}

/* Is it a description of this very pool that has that slot's lock? */
static int check_proof(struct pool *p, const struct pool_heir *h)
{
	struct stat st;

	if (h->slot >= UMFS_SLOTS_MAX || sys2(SYS_fstat, h->fd, &st) ||
	    st.st_dev != p->dev || st.st_ino != p->inode_no)
		return -ESTALE;
	return !seen_locked(h->fd, h->slot) && seen_locked(p->fd, h->slot) ? 0 : -ESTALE;
}

static int keep_slot(struct pool *p, const struct pool_heir *h)
{
	long at = sys6(SYS_mmap, 0, (long)p->page_bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE,
		       h->fd, 0);
	int err;

	if (at < 0 && at > -4096)
		return (int)at;
	err = (int)sys3(SYS_madvise, at, p->page_bytes, MADV_DONTFORK);
	if (err)
		(void)sys2(SYS_munmap, at, p->page_bytes);
	else
		p->slot_page[h->slot] = (void *)at;
	return err;
}

int pool_inherit(struct pool *p, const char *path, const struct pool_heir *h)
{
	bool from_backup;
	int err = pool_open(p, path, 0, &from_backup);

	if (!err) {
		err = check_proof(p, h);
		if (!err)
			err = keep_slot(p, h);
		if (!err)
			err = umfs_slot_inherit(&p->fs, h->slot, h->incarnation);
		if (err) {
			port_slot_drop(&p->fs, h->slot);
			pool_close(p);
		}
	}
	(void)sys1(SYS_close, h->fd);
	return err;
}
