// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * xattr_acl.c - what an access control list says, as Linux passes it in
 * system.posix_acl_access and _default: four bytes of version, then entries of
 * tag (2 bytes), permissions (2) and id (4). It is not enforced, but setting one sets
 * the permission bits that it stands for, since programs that copy files rely on it. From
 * then on the inode's mode says these (of owner, mask and others), and chmod changes them:
 * what is stored of them is as it was set, and who reads the list gets the mode's.
 *
 * Entries come in the order of their tags: the owner, users, the group, groups,
 * the mask, others; with users or groups there has to be a mask.
 */
#include "internal.h"

#define ACL_VERSION 2u
#define ACL_HEAD_BYTES UMFS_ACL_EMPTY_BYTES
#define ACL_ENTRY_BYTES 8u

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

struct parse {
	uint32_t last;	/* tag of the entry before */
	uint32_t seen;	/* tags so far */
	uint32_t perm[OTHER + 1];
};

static uint32_t le_at(const uint8_t *p, uint32_t bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static bool tag_known(uint32_t tag)
{
	return tag && !(tag & (tag - 1)) && tag <= OTHER;
}

static int parse_entry(struct parse *p, const uint8_t *entry)
{
	uint32_t tag = le_at(entry, 2), perm = le_at(entry + 2, 2);
	bool many = tag == USER || tag == GROUP;

	if (!tag_known(tag) || (perm & ~7u))
		return -EINVAL;
	if (tag < p->last || (tag == p->last && !many))
		return -EINVAL;
	p->last = tag;
	p->seen |= tag;
	p->perm[tag] = perm;
	return 0;
}

static int parse_end(const struct parse *p, struct umfs_acl *acl)
{
	bool named = p->seen & (USER | GROUP);

	if ((p->seen & (USER_OBJ | GROUP_OBJ | OTHER)) != (USER_OBJ | GROUP_OBJ | OTHER) ||
	    (named && !(p->seen & MASK)))
		return -EINVAL;
	acl->minimal = !named && !(p->seen & MASK);
	acl->mode = p->perm[USER_OBJ] << 6 | p->perm[OTHER] |
		    p->perm[(p->seen & MASK) ? MASK : GROUP_OBJ] << 3;
	return 0;
}

/* `head`: ACL_HEAD_BYTES of a list of `size`. */
static int check_head(const uint8_t *head, uint32_t size)
{
	if (le_at(head, 4) != ACL_VERSION)
		return -EOPNOTSUPP;
	return (size - ACL_HEAD_BYTES) % ACL_ENTRY_BYTES ? -EINVAL : 0;
}

int umfs_acl_check_form(const uint8_t *value, uint32_t size)
{
	uint8_t part[ACL_ENTRY_BYTES];
	uint32_t pos;
	int err;

	if (size < ACL_HEAD_BYTES)
		return size ? -EINVAL : 0;
	err = port_copy_in(part, value, ACL_HEAD_BYTES);
	if (!err)
		err = check_head(part, size);
	for (pos = ACL_HEAD_BYTES; !err && pos < size; pos += ACL_ENTRY_BYTES) {
		err = port_copy_in(part, value + pos, ACL_ENTRY_BYTES);
		if (!err && !tag_known(le_at(part, 2)))
			err = -EINVAL;
	}
	return err;
}

int umfs_acl_parse(const void *value, uint32_t size, struct umfs_acl *acl)
{
	const uint8_t *at = value;
	struct parse p;
	uint32_t pos;
	int err;

	memset(acl, 0, sizeof(*acl));
	memset(&p, 0, sizeof(p));
	acl->empty = size == 0 || size == ACL_HEAD_BYTES;
	if (!size)
		return 0;
	if (size < ACL_HEAD_BYTES)
		return -EINVAL;
	err = check_head(at, size);
	if (err || acl->empty)
		return err;
	for (pos = ACL_HEAD_BYTES; pos < size; pos += ACL_ENTRY_BYTES) {
		err = parse_entry(&p, at + pos);
		if (err)
			return err;
	}
	return parse_end(&p, acl);
}

static uint32_t limited(uint32_t tag, uint32_t mode)
{
	return tag == USER_OBJ ? mode >> 6 & 7u : tag == MASK ? mode >> 3 & 7u : mode & 7u;
}

void umfs_acl_limit(uint8_t *value, uint32_t size, uint32_t mode)
{
	uint32_t pos;

	for (pos = ACL_HEAD_BYTES; pos + ACL_ENTRY_BYTES <= size; pos += ACL_ENTRY_BYTES) {
		uint32_t tag = le_at(value + pos, 2);

		if (tag == USER_OBJ || tag == MASK || tag == OTHER)
			st8((le8 *)(value + pos + 2), (uint8_t)limited(tag, mode));
	}
}

/* Entry by entry: there is no room here for all of one, and the pool's must not change. */
int umfs_acl_copy_out(void *to, const uint8_t *value, uint32_t size, uint32_t mode)
{
	uint32_t pos = UMFS_MIN(size, ACL_HEAD_BYTES), n;
	int err = port_copy_out(to, value, pos);

	for (; !err && pos < size; pos += n) {
		uint8_t entry[ACL_ENTRY_BYTES];
		uint32_t tag;

		n = UMFS_MIN(size - pos, ACL_ENTRY_BYTES);
		memcpy(entry, value + pos, n);
		tag = n == ACL_ENTRY_BYTES ? le_at(entry, 2) : 0;
		if (tag == USER_OBJ || tag == MASK || tag == OTHER)
			entry[2] = (uint8_t)limited(tag, mode);
		err = port_copy_out((uint8_t *)to + pos, entry, n);
	}
	return err;
}
