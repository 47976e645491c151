// SPDX-License-Identifier: BSD-3-Clause
/* xattr.c - the run of pages with an inode's extended attributes. */
#include <string.h>

#include "fsck.h"

struct attributes {
	struct fsck *c;
	struct inode_info *info;
	struct umfs_xattr_pm *head;
	uint32_t ino, bytes;
};

/* An entry, its lengths in bounds. */
struct entry {
	const char *name;
	uint32_t name_bytes, bytes;
};

static bool run_of(const struct fsck *c, const struct umfs_inode_pm *inode, uint64_t *page,
		   uint32_t *pages)
{
	uint64_t word = ld64(&inode->xattr), first, last;

	*page = (word & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT;
	*pages = (uint32_t)(word & UMFS_PAGE_MASK);
	if ((word & ~(UMFS_PTE_ADDR | UMFS_PAGE_MASK)) || !*pages || *pages > UMFS_XATTR_PAGES_MAX)
		return false;
	first = *page - c->geo.groups_page;
	last = first + *pages - 1;
	return page_valid(c, *page) && page_valid(c, *page + *pages - 1) &&
	       first / UMFS_GROUP_PAGES == last / UMFS_GROUP_PAGES;
}

uint64_t xattr_pages(const struct fsck *c, const struct umfs_inode_pm *inode)
{
	uint64_t page;
	uint32_t pages;

	return run_of(c, inode, &page, &pages) ? pages : 0;
}

void xattr_drop(struct fsck *c, const struct umfs_inode_pm *inode)
{
	uint64_t page;
	uint32_t pages;

	if (!run_of(c, inode, &page, &pages))
		return;
	while (pages--)
		page_free(c, page + pages);
}

static bool entry_at(const struct attributes *a, uint32_t at, struct entry *e)
{
	const struct umfs_xentry_pm *x = (const void *)((const uint8_t *)a->head + at);
	uint32_t value_bytes = ld32(&x->value_bytes);

	e->name = (const char *)(x + 1);
	e->name_bytes = ld8(&x->name_bytes);
	if (value_bytes > a->bytes || (e->name_bytes && value_bytes > UMFS_XATTR_VALUE_MAX))
		return false;
	e->bytes = ((uint32_t)sizeof(*x) + e->name_bytes + value_bytes + 7) & ~7u;
	return e->bytes <= a->bytes - at;
}

static bool name_known(const struct entry *e)
{
	static const char *const spaces[] = { "user.", "trusted.", "security." };

	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (e->name_bytes > strlen(spaces[i]) &&
		    !memcmp(e->name, spaces[i], strlen(spaces[i])))
			return !memchr(e->name, 0, e->name_bytes);
	return (e->name_bytes == 23 && !memcmp(e->name, "system.posix_acl_access", 23)) ||
	       (e->name_bytes == 24 && !memcmp(e->name, "system.posix_acl_default", 24));
}

/* Is the name of the entry at `end` there before? The entries up to it are in bounds. */
static bool named_before(const struct attributes *a, uint32_t end, const struct entry *e)
{
	struct entry x;

	for (uint32_t at = sizeof(*a->head); at < end && entry_at(a, at, &x); at += x.bytes)
		if (x.name_bytes == e->name_bytes && !memcmp(x.name, e->name, e->name_bytes))
			return true;
	return false;
}

/* The checksum is over all of the block, in the pool: so count first, in a copy of the head. */
static void put_count(struct attributes *a, uint32_t count)
{
	struct umfs_xattr_pm want = *a->head;
	uint32_t crc;

	st32(&want.count, count);
	crc = sum_crc32c(0, &want.ino, sizeof(want) - 8);
	crc = sum_crc32c(crc, a->head + 1, a->bytes - (uint32_t)sizeof(want));
	st32(&want.crc, crc);
	mend_bytes(a->c, a->head, &want, sizeof(want));
}

/*
 * Nothing in the block can be relied on: the inode has no attributes then. What it had of
 * pages is free in the next round.
 */
static void drop_block(struct attributes *a)
{
	struct umfs_inode_pm *inode = inode_at(a->c, a->ino);

	inode_put64(a->c, inode, a->ino, &inode->xattr, 0);
	a->c->again = a->c->unsure = true;
}

/* Of damage inside, or of the way there. The inode's checksum must be right to make another. */
#define block_bad(a, code, ...)                                                                    \
	do {                                                                                       \
		struct object block_ = object("inode", (a)->ino);                                  \
		if ((a)->info->flags & INFO_BAD || media_lost((a)->c))                             \
			problem_keep((a)->c, (code), block_, __VA_ARGS__);                         \
		else if (problem((a)->c, (code), block_, __VA_ARGS__))                             \
			drop_block(a);                                                             \
	} while (0)

static void check_entries(struct attributes *a)
{
	struct object about = object("inode", a->ino);
	uint32_t count = 0, said = ld32(&a->head->count), again = 0;
	struct entry e;

	for (uint32_t at = sizeof(*a->head); at < a->bytes; at += e.bytes) {
		if (!entry_at(a, at, &e) || (e.name_bytes && !name_known(&e))) {
			block_bad(a, PR_XATTR_ENTRY, "at byte %u", at);
			return;
		}
		if (!e.name_bytes)
			continue;
		count++;
		if (named_before(a, at, &e))
			again = at;
	}
	if (again)
		block_bad(a, PR_XATTR_TWICE, "at byte %u", again);
	if (again || (count == said && count))
		return;
	if (!count) {
		block_bad(a, PR_XATTR_ENTRY, "there is none");
	} else if (problem(a->c, PR_XATTR_COUNT, about, "%u, found %u", said, count)) {
		put_count(a, count);
	}
}

/* The pages are known: damage inside hides nothing but attributes. */
static void check_block(struct attributes *a, uint32_t pages)
{
	uint32_t crc;

	a->bytes = ld32(&a->head->bytes);
	if (ld32(&a->head->magic) != UMFS_XATTR_MAGIC || ld32(&a->head->ino) != a->ino ||
	    a->bytes <= sizeof(*a->head) || a->bytes % 8 ||
	    (a->bytes + UMFS_PAGE_MASK) / UMFS_PAGE_BYTES != pages) {
		block_bad(a, PR_XATTR_HEAD, "magic 0x%x, inode %u, %u bytes in %u pages",
			  ld32(&a->head->magic), ld32(&a->head->ino), a->bytes, pages);
		return;
	}
	crc = sum_crc32c(0, &a->head->ino, a->bytes - 8);
	if (ld32(&a->head->crc) != crc)
		block_bad(a, PR_XATTR_CRC, "found 0x%x, computed 0x%x", ld32(&a->head->crc), crc);
	else
		check_entries(a);
}

void xattr_check(struct fsck *c, const struct umfs_inode_pm *inode, uint32_t ino,
		 struct inode_info *info)
{
	struct attributes a = {.c = c, .info = info, .ino = ino};
	bool all = true;
	uint64_t page;
	uint32_t pages;

	if (!ld64(&inode->xattr))
		return;
	unit_revive(c, (ld64(&inode->xattr) & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT);
	if (!run_of(c, inode, &page, &pages)) {
		block_bad(&a, PR_XATTR_REF, "0x%llx", (unsigned long long)ld64(&inode->xattr));
		if (ld64(&inode->xattr))
			inode_bad(c, info);
		return;
	}
	for (uint32_t i = 0; i < pages; i++) {
		if (page_claim(c, page + i))
			continue;
		if (!problem(c, PR_PAGE_TWICE, object("inode", ino),
			     "pool page %llu, of the extended attributes",
			     (unsigned long long)(page + i)))
			inode_shares(c, info);
		all = false;
	}
	a.head = page_at(c, page);
	if (all)
		check_block(&a, pages);
	else if (cuts(c))
		drop_block(&a);
}
