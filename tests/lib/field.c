// SPDX-License-Identifier: BSD-3-Clause
/* field.c - see field.h. Sums by fsck's own code, which shares none with core. */
#include <string.h>

#include "field.h"
#include "sum.h"

#define F(t, f) { #t, #f, offsetof(struct t, f), sizeof(((struct t *)0)->f), \
		  sizeof(((struct t *)0)->f) }
#define A(t, f) { #t, #f, offsetof(struct t, f), sizeof(((struct t *)0)->f), \
		  sizeof(((struct t *)0)->f[0]) }

const struct field fields[] = {
	F(umfs_super_pm, magic), F(umfs_super_pm, version), F(umfs_super_pm, crc),
	F(umfs_super_pm, feature_compat), F(umfs_super_pm, feature_ro_compat),
	F(umfs_super_pm, feature_incompat), A(umfs_super_pm, uuid), A(umfs_super_pm, label),
	F(umfs_super_pm, pool_pages), F(umfs_super_pm, created_ns), A(umfs_super_pm, hash_key),
	F(umfs_super_pm, durability), F(umfs_super_pm, flags), F(umfs_super_pm, group_count),
	F(umfs_super_pm, group_count_max), F(umfs_super_pm, inodes_per_group),
	F(umfs_super_pm, groups_page), F(umfs_super_pm, gtable_page),
	F(umfs_super_pm, slot_count), F(umfs_super_pm, lanes_per_slot),
	F(umfs_super_pm, lanes_page), F(umfs_super_pm, irec_count),
	F(umfs_super_pm, irecs_page), F(umfs_super_pm, ofd_count), F(umfs_super_pm, ofds_page),
	F(umfs_super_pm, reserve_count), F(umfs_super_pm, reserves_page), A(umfs_super_pm, pad),
	F(umfs_runtime_pm, clean), F(umfs_runtime_pm, epoch), F(umfs_runtime_pm, mode),
	F(umfs_runtime_pm, rename_lock), F(umfs_runtime_pm, ofd_serial), F(umfs_runtime_pm, freeze),
	F(umfs_runtime_pm, irec_blocks), F(umfs_runtime_pm, ofd_blocks),
	F(umfs_runtime_pm, blocks_epoch), A(umfs_runtime_pm, pad),
	F(umfs_slot_pm, incarnation), F(umfs_slot_pm, state), F(umfs_slot_pm, pid),
	F(umfs_slot_pm, flags), F(umfs_slot_pm, cleaning), A(umfs_slot_pm, pad0),
	F(umfs_slot_pm, unused), F(umfs_slot_pm, notes), A(umfs_slot_pm, pad),
	F(umfs_group_pm, lock), F(umfs_group_pm, free_pages), F(umfs_group_pm, free_inodes),
	F(umfs_group_pm, backed), F(umfs_group_pm, flags), F(umfs_group_pm, page_hint),
	F(umfs_group_pm, inode_hint), F(umfs_group_pm, pages), A(umfs_group_pm, pad),
	F(umfs_inode_pm, crc), F(umfs_inode_pm, mode), F(umfs_inode_pm, uid),
	F(umfs_inode_pm, gid), F(umfs_inode_pm, nlink), F(umfs_inode_pm, generation),
	F(umfs_inode_pm, flags), F(umfs_inode_pm, pad0), F(umfs_inode_pm, root),
	F(umfs_inode_pm, base), F(umfs_inode_pm, parent), F(umfs_inode_pm, rdev),
	F(umfs_inode_pm, pages), F(umfs_inode_pm, entries), F(umfs_inode_pm, btime_ns),
	F(umfs_inode_pm, xattr), F(umfs_inode_pm, ulog), F(umfs_inode_pm, keep),
	A(umfs_inode_pm, pad1),
	F(umfs_inode_pm, lock), F(umfs_inode_pm, seq), F(umfs_inode_pm, size),
	F(umfs_inode_pm, mtime_ns), F(umfs_inode_pm, ctime_ns), F(umfs_inode_pm, atime_ns),
	F(umfs_inode_pm, rec), F(umfs_inode_pm, pad2), A(umfs_inode_pm, pad3),
	F(umfs_dleaf_pm, magic), F(umfs_dleaf_pm, ino), A(umfs_dleaf_pm, start),
	F(umfs_dleaf_pm, tail), A(umfs_dleaf_pm, pad), A(umfs_dleaf_pm, tag),
	F(umfs_dentry_pm, hash), F(umfs_dentry_pm, ino), F(umfs_dentry_pm, type),
	F(umfs_dentry_pm, len), F(umfs_dentry_pm, check),
	F(umfs_xattr_pm, magic), F(umfs_xattr_pm, crc), F(umfs_xattr_pm, ino),
	F(umfs_xattr_pm, bytes), F(umfs_xattr_pm, count), A(umfs_xattr_pm, pad),
	F(umfs_xentry_pm, value_bytes), F(umfs_xentry_pm, name_bytes), A(umfs_xentry_pm, pad),
	F(umfs_irec_pm, key), F(umfs_irec_pm, flags), F(umfs_irec_pm, generation),
	A(umfs_irec_pm, opens), F(umfs_irec_pm, dirty_lo), F(umfs_irec_pm, dirty_hi),
	F(umfs_ofd_pm, key), F(umfs_ofd_pm, ino), F(umfs_ofd_pm, generation),
	F(umfs_ofd_pm, irec), F(umfs_ofd_pm, flags), F(umfs_ofd_pm, pos), F(umfs_ofd_pm, lock),
	A(umfs_ofd_pm, pad0), A(umfs_ofd_pm, slots), A(umfs_ofd_pm, pad1),
	F(umfs_lane_pm, state), F(umfs_lane_pm, done), F(umfs_lane_pm, group),
	F(umfs_lane_pm, promise), F(umfs_lane_pm, busy), A(umfs_lane_pm, pad0),
	F(umfs_lane_pm, swap_entry), F(umfs_lane_pm, swap_old),
	F(umfs_lane_pm, swap_new), F(umfs_lane_pm, spare), F(umfs_lane_pm, swap_check),
	A(umfs_lane_pm, pad1), A(umfs_lane_pm, records),
	F(umfs_rec_pm, crc), F(umfs_rec_pm, type), F(umfs_rec_pm, len), F(umfs_rec_pm, txid),
	F(umfs_rec_pm, where), F(umfs_rec_pm, count),
	F(umfs_ulog_pm, state), F(umfs_ulog_pm, ino), F(umfs_ulog_pm, generation),
	F(umfs_ulog_pm, off), F(umfs_ulog_pm, len), F(umfs_ulog_pm, size),
	F(umfs_ulog_pm, data_crc), F(umfs_ulog_pm, crc), F(umfs_ulog_pm, lock),
	F(umfs_ulog_pm, leases),
	F(umfs_lease_pm, state), F(umfs_lease_pm, off), F(umfs_lease_pm, len),
	A(umfs_lease_pm, pad0), F(umfs_lease_pm, wrote), F(umfs_lease_pm, read),
	A(umfs_lease_pm, pad1),
};
const size_t field_count = sizeof(fields) / sizeof(fields[0]);

static bool seal_super(void *at, uint32_t ino, uint64_t room)
{
	struct umfs_super_pm *s = at;

	(void)ino;
	(void)room;
	st32(&s->crc, 0);
	st32(&s->crc, sum_crc32c(0, s, UMFS_SUPER_CRC_BYTES));
	return true;
}

static bool seal_inode(void *at, uint32_t ino, uint64_t room)
{
	struct umfs_inode_pm *in = at;
	uint64_t size = ld64(&in->size) & ((1ull << UMFS_SIZE_BITS) - 1);
	uint64_t check = sum_size_check(size, ino, ld32(&in->generation));

	(void)room;
	st32(&in->crc, sum_crc32c(ino, &in->mode, UMFS_INODE_CRC_BYTES - 4));
	st64(&in->size, size | check << UMFS_SIZE_BITS);
	return true;
}

static bool seal_xattr(void *at, uint32_t ino, uint64_t room)
{
	struct umfs_xattr_pm *x = at;
	uint32_t bytes = ld32(&x->bytes);

	(void)ino;
	if (bytes < offsetof(struct umfs_xattr_pm, ino) || bytes > room)
		return false;
	st32(&x->crc, sum_crc32c(0, &x->ino, bytes - offsetof(struct umfs_xattr_pm, ino)));
	return true;
}

static bool seal_xentry(void *at, uint32_t ino, uint64_t room)
{
	uint64_t in_page = (uintptr_t)at & UMFS_PAGE_MASK;

	return seal_xattr((uint8_t *)at - in_page, ino, room + in_page);
}

static bool seal_dentry(void *at, uint32_t ino, uint64_t room)
{
	struct umfs_dentry_pm *e = at;
	uint32_t crc = sum_crc32c(0, e, offsetof(struct umfs_dentry_pm, check));

	(void)ino;
	if (sizeof(*e) + ld8(&e->len) > room)
		return false;
	st16(&e->check, (uint16_t)sum_crc32c(crc, e + 1, ld8(&e->len)));
	return true;
}

static bool seal_lane(void *at, uint32_t ino, uint64_t room)
{
	struct umfs_lane_pm *l = at;

	(void)ino;
	(void)room;
	st64(&l->swap_check, sum_crc32c(0, &l->swap_entry, 24));
	return true;
}

static bool seal_rec(void *at, uint32_t ino, uint64_t room)
{
	struct umfs_rec_pm *r = at;
	uint32_t n = (uint32_t)sizeof(*r) - 4 + ld16(&r->len);

	(void)ino;
	if (n + 4u > room)
		return false;
	st32(&r->crc, sum_crc32c((uint32_t)ld64(&r->txid), &r->type, n));
	return true;
}

static bool seal_ulog(void *at, uint32_t ino, uint64_t room)
{
	struct umfs_ulog_pm *u = at;

	(void)ino;
	(void)room;
	st32(&u->crc, sum_crc32c((uint32_t)(ld64(&u->state) >> 1), &u->ino,
				 offsetof(struct umfs_ulog_pm, crc) -
					 offsetof(struct umfs_ulog_pm, ino)));
	return true;
}

bool field_seal(const char *type, void *at, uint32_t ino, uint64_t room)
{
	static const struct {
		const char *type;
		bool (*seal)(void *at, uint32_t ino, uint64_t room);
	} seals[] = {
		{"umfs_super_pm", seal_super},	 {"umfs_inode_pm", seal_inode},
		{"umfs_xattr_pm", seal_xattr},	 {"umfs_xentry_pm", seal_xentry},
		{"umfs_dentry_pm", seal_dentry}, {"umfs_lane_pm", seal_lane},
		{"umfs_rec_pm", seal_rec},	 {"umfs_ulog_pm", seal_ulog},
	};

	for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++)
		if (!strcmp(seals[i].type, type))
			return seals[i].seal(at, ino, room);
	return false;
}
