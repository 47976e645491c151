// SPDX-License-Identifier: BSD-3-Clause
/* holder.c - who writes by a lease: see holder.h. */
#include "holder.h"

int holder_take(struct holder *h, const struct umfs_file *file)
{
	uint64_t where;
	int err;

	h->file = *file;
	err = umfs_lease_take(&h->file, &h->number, &where);
	if (!err)
		h->log = umfs_at(file->fs, where);
	return err;
}

void holder_take_back(struct holder *h)
{
	umfs_lease_undo(&h->file, h->number);
	umfs_lease_give(h->file.fs, h->number);
}

/* Between bytes and the pages of the file, as they are mapped. */
static void move(const struct holder *h, uint64_t off, uint8_t *bytes, uint64_t n, bool in)
{
	struct umfs *fs = h->file.fs;
	uint64_t part;

	for (; n; n -= part, off += part, bytes += part) {
		uint64_t entry = umfs_fpt_get(fs, ld64(&h->file.inode->root), off >> UMFS_PAGE_SHIFT);
		uint8_t *at = (uint8_t *)umfs_page(fs, umfs_pte_page(entry)) + (off & UMFS_PAGE_MASK);

		part = UMFS_MIN(n, UMFS_PAGE_BYTES - (off & UMFS_PAGE_MASK));
		port_copy(in ? at : bytes, in ? bytes : at, part);
		umfs_flush(fs, in ? at : bytes, part);
	}
}

void holder_begin(struct holder *h, uint64_t off, uint64_t n)
{
	struct umfs *fs = h->file.fs;

	move(h, off, (uint8_t *)h->log + UMFS_PAGE_BYTES, n, false);
	st64(&h->log->off, off);
	st64(&h->log->len, n);
	umfs_flush(fs, h->log, UMFS_LINE_BYTES);
	umfs_fence(fs);
	umfs_persist64(fs, &h->log->state, 1);
}

void holder_put(struct holder *h, uint64_t off, uint8_t *bytes, uint64_t n)
{
	move(h, off, bytes, n, true);
}

void holder_end(struct holder *h)
{
	umfs_fence(h->file.fs);
	umfs_persist64(h->file.fs, &h->log->state, 0);
}

void holder_write(struct holder *h, uint64_t off, uint8_t *bytes, uint64_t n)
{
	holder_begin(h, off, n);
	holder_put(h, off, bytes, n);
	holder_end(h);
}
