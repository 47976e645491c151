// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * acl_inherit.c - what a directory's default access control list is to what is made in it.
 *
 * As Linux: such a list takes the place of the umask. It becomes the new inode's own,
 * with no more rights than the call asked for, unless that says no more than a mode;
 * a new directory gets it as default list too.
 *
 * I1  All is part of the transaction that makes the inode, which nobody sees before
 *     its commit; the new block's pages are noted in it.
 */
#include "internal.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"
#define LEN(text) ((uint32_t)sizeof(text) - 1u)

struct heritage {
	const char *value; /* in the directory's block */
	uint32_t bytes;
	struct umfs_acl acl;
	bool access, passes_on; /* as which of the two it is put into the new block */
	uint32_t mode;		/* permission bits of the new inode */
};

/* 1: there is a list; 0: none. The directory is locked. */
static int find(const struct umfs *fs, const struct umfs_inode_pm *dir, uint32_t dir_ino,
		struct heritage *h)
{
	struct umfs_xblock b;
	struct umfs_xentry e;
	int err = umfs_xblock_load(fs, ld64(&dir->xattr), dir_ino, &b);

	if (!err)
		err = umfs_xblock_find(&b, DEFAULT, LEN(DEFAULT), &e);
	if (err)
		return err == -ENODATA ? 0 : err;
	h->value = umfs_xentry_value(&e);
	h->bytes = e.value_bytes;
	if (h->bytes > UMFS_XATTR_VALUE_MAX || umfs_acl_parse(h->value, h->bytes, &h->acl))
		return -EUCLEAN;
	return !h->acl.empty;
}

static uint8_t *put(uint8_t *to, const char *name, uint32_t len, const struct heritage *h)
{
	struct umfs_xentry_pm *entry = (struct umfs_xentry_pm *)to;
	uint32_t bytes = umfs_xentry_bytes(len, h->bytes);

	port_zero(to + bytes - 8u, 8);
	port_zero(entry, sizeof(*entry));
	st32(&entry->value_bytes, h->bytes);
	st8(&entry->name_bytes, (uint8_t)len);
	port_copy(entry + 1, name, len);
	port_copy((uint8_t *)(entry + 1) + len, h->value, h->bytes);
	return to + bytes;
}

static void build(struct umfs *fs, uint64_t page, uint32_t ino, uint32_t bytes,
		  const struct heritage *h)
{
	struct umfs_xattr_pm *head = umfs_page(fs, page);
	uint8_t *to = (uint8_t *)(head + 1);

	if (h->access) {
		uint8_t *value = to + sizeof(struct umfs_xentry_pm) + LEN(ACCESS);

		to = put(to, ACCESS, LEN(ACCESS), h);
		umfs_acl_limit(value, h->bytes, h->mode);
	}
	if (h->passes_on)
		put(to, DEFAULT, LEN(DEFAULT), h);
	/* Fenced by the commit, before which a crash leaves no inode; nothing was streamed. */
	umfs_xblock_seal(fs, head, ino, bytes, (uint32_t)h->access + h->passes_on);
}

static int store(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino,
		 const struct heritage *h)
{
	struct umfs *fs = tx->fs;
	uint32_t bytes = sizeof(struct umfs_xattr_pm), pages;
	uint64_t page;
	int err;

	if (h->access)
		bytes += umfs_xentry_bytes(LEN(ACCESS), h->bytes);
	if (h->passes_on)
		bytes += umfs_xentry_bytes(LEN(DEFAULT), h->bytes);
	pages = (bytes + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT;
	if (pages > UMFS_XATTR_PAGES_MAX)
		return -ENOSPC;
	err = umfs_pages_alloc_whole(tx, umfs_group_page(fs, umfs_ino_group(fs, ino)), pages, &page);
	if (err)
		return err;
	build(fs, page, ino, bytes, h);
	st64(&in->xattr, page << UMFS_PAGE_SHIFT | pages);
	st64(&in->pages, ld64(&in->pages) + pages);
	return 0;
}

int umfs_acl_inherit(struct umfs_tx *tx, struct umfs_inode_pm *in, uint32_t ino,
		     const struct umfs_inode_pm *dir, uint32_t dir_ino, uint32_t asked)
{
	struct heritage h;
	int ret;

	if (__builtin_expect(!ld64(&dir->xattr), 1))
		return 0;
	memset(&h, 0, sizeof(h));
	ret = find(tx->fs, dir, dir_ino, &h);
	if (ret <= 0)
		return ret;
	h.mode = asked & h.acl.mode & 0777u;
	h.access = !h.acl.minimal;
	h.passes_on = umfs_is_dir(asked);
	ret = h.access || h.passes_on ? store(tx, in, ino, &h) : 0;
	st32(&in->mode, (ld32(&in->mode) & ~0777u) | h.mode);
	umfs_inode_seal(in, ino);
	return ret;
}
