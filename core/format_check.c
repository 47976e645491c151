// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/* format_check.c - every size and offset of the media format, at compile time. */
#include "format.h"

#define SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define AT(type, field, off) \
	_Static_assert(offsetof(struct type, field) == (off), "offset of " #type "." #field)

SIZE(umfs_super_pm, 512);
AT(umfs_super_pm, magic, 0);
AT(umfs_super_pm, version, 8);
AT(umfs_super_pm, crc, 12);
AT(umfs_super_pm, feature_compat, 16);
AT(umfs_super_pm, feature_ro_compat, 24);
AT(umfs_super_pm, feature_incompat, 32);
AT(umfs_super_pm, uuid, 40);
AT(umfs_super_pm, label, 56);
AT(umfs_super_pm, pool_pages, 88);
AT(umfs_super_pm, created_ns, 96);
AT(umfs_super_pm, hash_key, 104);
AT(umfs_super_pm, durability, 120);
AT(umfs_super_pm, flags, 124);
AT(umfs_super_pm, group_count, 128);
AT(umfs_super_pm, group_count_max, 132);
AT(umfs_super_pm, inodes_per_group, 136);
AT(umfs_super_pm, groups_page, 140);
AT(umfs_super_pm, gtable_page, 144);
AT(umfs_super_pm, slot_count, 148);
AT(umfs_super_pm, lanes_per_slot, 152);
AT(umfs_super_pm, lanes_page, 156);
AT(umfs_super_pm, irec_count, 160);
AT(umfs_super_pm, irecs_page, 164);
AT(umfs_super_pm, ofd_count, 168);
AT(umfs_super_pm, ofds_page, 172);
AT(umfs_super_pm, reserve_count, 176);
AT(umfs_super_pm, reserves_page, 180);
AT(umfs_super_pm, pad, 184);

SIZE(umfs_runtime_pm, 64);
AT(umfs_runtime_pm, clean, 0);
AT(umfs_runtime_pm, epoch, 8);
AT(umfs_runtime_pm, mode, 12);
AT(umfs_runtime_pm, irec_blocks, 40);
AT(umfs_runtime_pm, ofd_blocks, 48);
AT(umfs_runtime_pm, blocks_epoch, 56);
AT(umfs_runtime_pm, rename_lock, 16);
AT(umfs_runtime_pm, ofd_serial, 24);
AT(umfs_runtime_pm, freeze, 32);
AT(umfs_runtime_pm, pad, 60);

SIZE(umfs_slot_pm, 64);
AT(umfs_slot_pm, incarnation, 0);
AT(umfs_slot_pm, state, 4);
AT(umfs_slot_pm, pid, 8);
AT(umfs_slot_pm, flags, 12);
AT(umfs_slot_pm, cleaning, 16);
AT(umfs_slot_pm, pad0, 20);
AT(umfs_slot_pm, unused, 24);
AT(umfs_slot_pm, notes, 32);
AT(umfs_slot_pm, pad, 36);

SIZE(umfs_group_pm, 64);
AT(umfs_group_pm, lock, 0);
AT(umfs_group_pm, free_pages, 8);
AT(umfs_group_pm, free_inodes, 12);
AT(umfs_group_pm, backed, 16);
AT(umfs_group_pm, flags, 24);
AT(umfs_group_pm, page_hint, 28);
AT(umfs_group_pm, inode_hint, 32);
AT(umfs_group_pm, pages, 36);
AT(umfs_group_pm, pad, 40);

SIZE(umfs_inode_pm, UMFS_INODE_BYTES);
AT(umfs_inode_pm, crc, 0);
AT(umfs_inode_pm, mode, 4);
AT(umfs_inode_pm, uid, 8);
AT(umfs_inode_pm, gid, 12);
AT(umfs_inode_pm, nlink, 16);
AT(umfs_inode_pm, generation, 20);
AT(umfs_inode_pm, flags, 24);
AT(umfs_inode_pm, pad0, 28);
AT(umfs_inode_pm, root, 32);
AT(umfs_inode_pm, base, 40);
AT(umfs_inode_pm, parent, 48);
AT(umfs_inode_pm, rdev, 56);
AT(umfs_inode_pm, pages, 64);
AT(umfs_inode_pm, entries, 72);
AT(umfs_inode_pm, btime_ns, 80);
AT(umfs_inode_pm, xattr, 88);
AT(umfs_inode_pm, ulog, 96);
AT(umfs_inode_pm, keep, 104);
AT(umfs_inode_pm, pad1, 112);
AT(umfs_inode_pm, lock, 128);
AT(umfs_inode_pm, seq, 136);
AT(umfs_inode_pm, size, 144);
AT(umfs_inode_pm, mtime_ns, 152);
AT(umfs_inode_pm, ctime_ns, 160);
AT(umfs_inode_pm, atime_ns, 168);
AT(umfs_inode_pm, rec, 176);
AT(umfs_inode_pm, pad2, 184);
AT(umfs_inode_pm, pad3, 192);

SIZE(umfs_dleaf_pm, UMFS_DLEAF_HEAD_CELLS * 16);
AT(umfs_dleaf_pm, magic, 0);
AT(umfs_dleaf_pm, ino, 4);
AT(umfs_dleaf_pm, start, 8);
AT(umfs_dleaf_pm, tail, 40);
AT(umfs_dleaf_pm, pad, 42);
AT(umfs_dleaf_pm, tag, 64);

SIZE(umfs_dentry_pm, 16);
AT(umfs_dentry_pm, hash, 0);
AT(umfs_dentry_pm, ino, 8);
AT(umfs_dentry_pm, type, 12);
AT(umfs_dentry_pm, len, 13);
AT(umfs_dentry_pm, check, 14);

SIZE(umfs_xattr_pm, 24);
AT(umfs_xattr_pm, magic, 0);
AT(umfs_xattr_pm, crc, 4);
AT(umfs_xattr_pm, ino, 8);
AT(umfs_xattr_pm, bytes, 12);
AT(umfs_xattr_pm, count, 16);
AT(umfs_xattr_pm, pad, 20);

SIZE(umfs_xentry_pm, 8);
AT(umfs_xentry_pm, value_bytes, 0);
AT(umfs_xentry_pm, name_bytes, 4);
AT(umfs_xentry_pm, pad, 5);

SIZE(umfs_irec_pm, 64);
AT(umfs_irec_pm, key, 0);
AT(umfs_irec_pm, flags, 8);
AT(umfs_irec_pm, generation, 12);
AT(umfs_irec_pm, opens, 16);
AT(umfs_irec_pm, dirty_lo, 48);
AT(umfs_irec_pm, dirty_hi, 56);

SIZE(umfs_ofd_pm, 128);
AT(umfs_ofd_pm, key, 0);
AT(umfs_ofd_pm, ino, 8);
AT(umfs_ofd_pm, generation, 12);
AT(umfs_ofd_pm, irec, 16);
AT(umfs_ofd_pm, flags, 20);
AT(umfs_ofd_pm, pos, 24);
AT(umfs_ofd_pm, lock, 32);
AT(umfs_ofd_pm, pad0, 40);
AT(umfs_ofd_pm, slots, 64);
AT(umfs_ofd_pm, pad1, 96);

SIZE(umfs_lane_pm, 2 * UMFS_PAGE_BYTES);
AT(umfs_lane_pm, state, 0);
AT(umfs_lane_pm, done, 8);
AT(umfs_lane_pm, group, 16);
AT(umfs_lane_pm, promise, 24);
AT(umfs_lane_pm, busy, 32);
AT(umfs_lane_pm, pad0, 36);
AT(umfs_lane_pm, swap_entry, 64);
AT(umfs_lane_pm, swap_old, 72);
AT(umfs_lane_pm, swap_new, 80);
AT(umfs_lane_pm, spare, 88);
AT(umfs_lane_pm, swap_check, 96);
AT(umfs_lane_pm, records, 128);

SIZE(umfs_rec_pm, 32);
AT(umfs_rec_pm, crc, 0);
AT(umfs_rec_pm, type, 4);
AT(umfs_rec_pm, len, 6);
AT(umfs_rec_pm, txid, 8);
AT(umfs_rec_pm, where, 16);
AT(umfs_rec_pm, count, 24);

SIZE(umfs_ulog_pm, UMFS_ULOG_HEAD_BYTES);
AT(umfs_ulog_pm, state, 0);
AT(umfs_ulog_pm, ino, 8);
AT(umfs_ulog_pm, generation, 12);
AT(umfs_ulog_pm, off, 16);
AT(umfs_ulog_pm, len, 24);
AT(umfs_ulog_pm, size, 32);
AT(umfs_ulog_pm, data_crc, 40);
AT(umfs_ulog_pm, crc, 44);
AT(umfs_ulog_pm, lock, 48);
AT(umfs_ulog_pm, leases, 56);

SIZE(umfs_lease_pm, 128);
AT(umfs_lease_pm, state, 0);
AT(umfs_lease_pm, off, 8);
AT(umfs_lease_pm, len, 16);
AT(umfs_lease_pm, pad0, 24);
AT(umfs_lease_pm, wrote, 64);
AT(umfs_lease_pm, read, 72);
AT(umfs_lease_pm, pad1, 80);
_Static_assert(UMFS_LEASE_PAGES * UMFS_PAGE_BYTES == UMFS_PAGE_BYTES + UMFS_LEASE_BYTES, "");
_Static_assert(1 + UMFS_LEASES * UMFS_LEASE_PAGES <= UMFS_RESERVE_PAGES, "");
