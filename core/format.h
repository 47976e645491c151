/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * format.h - the media format of a UMFS pool; docs/SPEC.md is its prose and
 * core/format_check.c asserts every size and offset.
 *
 * A pool is an array of 4 KiB pages, named by page number. Page 0 is the
 * superblock. The front holds what all processes share at run time (slots,
 * records of open inodes, open file descriptions, lanes with their U-Logs,
 * reserve U-Logs) and the group table; the allocation groups follow, each with
 * a page bitmap, an inode bitmap and its part of the inode zone.
 *
 * Zero is the resting state of all that mkfs does not write, so that a sparse
 * pool costs nothing until it is used.
 */
#ifndef UMFS_CORE_FORMAT_H
#define UMFS_CORE_FORMAT_H

#include "types.h"

#define UMFS_MAGIC 0x0a53464d55f0aa55ull /* 55 aa f0 "UMFS" \n */
#define UMFS_VERSION 1u
#define UMFS_SB_PAGE 0u
#define UMFS_SB_BACKUP_PAGE 511u
#define UMFS_RUNTIME_PAGE 1u
#define UMFS_SLOTS_PAGE 2u

#define UMFS_GROUP_SHIFT 15
#define UMFS_GROUP_PAGES 32768u /* 128 MiB: what one page of bitmap covers */
#define UMFS_GROUP_UNITS 64u
#define UMFS_GROUP_HEAD_PAGES 2u /* page bitmap, inode bitmap */
#define UMFS_POOL_PAGES_MAX (1ull << 32) /* 16 TiB */
#define UMFS_POOL_PAGES_MIN 2560u	 /* 10 MiB */

#define UMFS_SLOTS_MAX 256u
#define UMFS_LANES_MAX 8u
#define UMFS_LANE_PAGES 4u /* two of journal, two of U-Log */
#define UMFS_RESERVES_MAX 4u
#define UMFS_OPENS_MAX (1u << 20) /* records, descriptions: who cleans up looks at all of them */
#define UMFS_RESERVE_PAGES 514u /* a U-Log of 2 MiB of bytes and its head */

#define UMFS_FILE_BYTES_MAX (512ull << 30)
#define UMFS_ATOMIC_BYTES (2u << 20) /* one write() up to this is all or nothing */
#define UMFS_NAME_MAX 255u
#define UMFS_LINKS_MAX 65000u
#define UMFS_ROOT_INO 1u
/* The flags word of an open file description: open(2) on x86-64. */
#define UMFS_O_APPEND 02000u
#define UMFS_O_NOATIME 01000000u

/* Byte-range locks on the pool file (never on its bytes: far past its end). */
#define UMFS_LOCK_ATTACH (1ull << 62)
#define UMFS_LOCK_SLOTS (UMFS_LOCK_ATTACH + 1)	    /* + slot */
#define UMFS_LOCK_PINS (UMFS_LOCK_ATTACH + (1u << 16)) /* + inode number */
/* + 16 bits of the epoch << 32 + 32 bits: where locks of files are */
#define UMFS_LOCK_PLACES (UMFS_LOCK_ATTACH + (1ull << 40))

enum umfs_durability {
	UMFS_DURABLE_NONE = 0, /* DRAM: process death only, no write-back */
	UMFS_DURABLE_FLUSH = 1, /* cache-line write-back and fence */
	UMFS_DURABLE_EADR = 2, /* fence only */
};

enum umfs_mode {
	UMFS_MODE_POSIX = 1,
	UMFS_MODE_SYNC = 2,
	UMFS_MODE_ATOMIC = 3, /* the larger the stronger */
};

/* Superblock; a copy of bytes 0..511 lies in UMFS_SB_BACKUP_PAGE. */
struct umfs_super_pm {
	le64 magic;
	le32 version;
	le32 crc; /* CRC32C of bytes 0..511 with this field zero */
	le64 feature_compat;
	le64 feature_ro_compat;
	le64 feature_incompat;
	le8 uuid[16];
	le8 label[32]; /* zero padded, not terminated at 32 */
	le64 pool_pages;
	le64 created_ns;
	le64 hash_key[2]; /* SipHash key of the directories */
	le32 durability;  /* enum umfs_durability */
	le32 flags;	  /* UMFS_SB_* */

	/* Geometry: page numbers and counts. */
	le32 group_count;
	le32 group_count_max; /* the group table has room for so many */
	le32 inodes_per_group;
	le32 groups_page; /* first page of group 0, a multiple of 512 */
	le32 gtable_page;
	le32 slot_count;
	le32 lanes_per_slot;
	le32 lanes_page;
	le32 irec_count;
	le32 irecs_page;
	le32 ofd_count;
	le32 ofds_page;
	le32 reserve_count;
	le32 reserves_page;
	le8 pad[512 - 184];
};
#define UMFS_SUPER_CRC_BYTES 512u
#define UMFS_SB_BACKED 1u /* the whole pool was backed at mkfs: back() is not called */

/* Page 1: what all attached processes share, and the clean flag. */
struct umfs_runtime_pm {
	le64 clean; /* UMFS_CLEAN after the last detach, else 0 */
	le32 epoch; /* counts first attachments; stamps irecs and ofds */
	le32 mode;  /* enum umfs_mode of the current attachment */
	le64 rename_lock; /* taken before moving a directory to another parent */
	le64 ofd_serial;
	le64 freeze; /* lock word of who keeps the pool as it is; see freeze.c */
	le64 irec_blocks, ofd_blocks; /* in that epoch: bit per block that had a record in use; open.h */
	le32 blocks_epoch;
	le8 pad[4];
};
#define UMFS_CLEAN 0x636c65616e2e2e2eull

/* From page 2: one per attached address space; proved alive by a byte lock. */
struct umfs_slot_pm {
	le32 incarnation; /* a lock word of an older one is free */
	le32 state;	  /* UMFS_SLOT_* */
	le32 pid;	  /* for people; never used to decide anything */
	le32 flags;
	le32 cleaning; /* how many threads of it clean up after dead slots, or leave */
	le8 pad0[4];
	le64 unused; /* incarnation << 32 | bit per lane that was not used in that life; see lane.c */
	le32 notes;  /* incarnation of a life that sets irec_blocks and ofd_blocks */
	le8 pad[28];
};
#define UMFS_SLOT_FREE 0u
#define UMFS_SLOT_LIVE 1u
#define UMFS_SLOT_HEIR 2u /* made for a new image of its process, which has not taken it yet */

/*
 * A lock word: incarnation << 32 | slot << 24 | thread (23 bits) << 1 | waiters.
 * Free when the low half is 0 or the incarnation is not the slot's.
 * The low half, at the lower address, is what waiters wait on.
 */
#define UMFS_LOCK_WAITERS 1ull
#define UMFS_LOCK_THREAD_MASK 0x7fffffu

/* An entry of the group table; one cache line. */
struct umfs_group_pm {
	le64 lock;
	le32 free_pages;
	le32 free_inodes;
	le64 backed; /* bit per 2 MiB unit */
	le32 flags;  /* UMFS_GROUP_INIT */
	le32 page_hint; /* where to look first, in pages from the group's start */
	le32 inode_hint;
	le32 pages; /* so many the page bitmap knows; the group may have more since the pool grew */
	le8 pad[24];
};
#define UMFS_GROUP_INIT 1u /* bitmaps are there; else both bitmaps and counts are still to be made */
#define UMFS_GROUP_RECOUNT 2u /* counts may be off after a recovery: whoever locks it counts */

/*
 * Inode, 256 bytes. Lines 0 and 1 change only in transactions and carry the
 * checksum; line 2 is hot; line 3 is reserved, zero.
 */
struct umfs_inode_pm {
	le32 crc; /* CRC32C of bytes 4..127, seeded with the inode number */
	le32 mode; /* as st_mode; 0: not in use */
	le32 uid;
	le32 gid;
	le32 nlink;
	le32 generation; /* grows at each reuse */
	le32 flags;	 /* UMFS_INODE_* */
	le32 pad0;
	le64 root; /* file: FPT entry and height; directory: node reference */
	le64 base; /* physical address of page 0 that FPT entries contain; 0 in user mode */
	le64 parent; /* directory: inode number of its parent; removed: its generation << 32 as well */
	le64 rdev;   /* device node: as st_rdev */

	le64 pages; /* pages owned: data, FPT or directory pages */
	le64 entries; /* directory: names in it */
	le64 btime_ns;
	le64 xattr; /* first page << 12 | pages of its attribute block; 0: none */
	le64 ulog;  /* reserved for kernel mode, 0 */
	le64 keep;  /* regular file: its first so many pages stay at the last close, past the end too */
	le8 pad1[16];

	/* Hot: outside the checksum, each word stored whole. */
	le64 lock;
	le64 seq;  /* odd while a writer is inside */
	le64 size; /* bytes in bits 0..47, check in bits 48..63 */
	le64 mtime_ns; /* any value is a time */
	le64 ctime_ns;
	le64 atime_ns;
	le64 rec; /* epoch << 32 | index of its open record; stale means none */
	le64 pad2;

	le8 pad3[64];
};
#define UMFS_INODE_BYTES 256u
#define UMFS_INODE_SHIFT 8
#define UMFS_INODE_CRC_BYTES 128u
#define UMFS_SIZE_BITS 48

/*
 * FPT entries have the x86-64 page-table format. Bits 5, 6, 11 and 58 may be
 * written by hardware and kernel and are masked when an entry is read.
 */
#define UMFS_PTE_P (1ull << 0)
#define UMFS_PTE_RW (1ull << 1)
#define UMFS_PTE_US (1ull << 2)
#define UMFS_PTE_A (1ull << 5)
#define UMFS_PTE_D (1ull << 6)
#define UMFS_PTE_PSE (1ull << 7)
#define UMFS_PTE_SPECIAL (1ull << 9)
#define UMFS_PTE_UNWRITTEN (1ull << 10) /* with P clear: allocated, reads as zeros */
#define UMFS_PTE_SOFT_DIRTY (1ull << 11)
#define UMFS_PTE_RUN (1ull << 54) /* of a PTE page's: its 512 entries are written neighbours */
#define UMFS_PTE_NX (1ull << 63)
#define UMFS_PTE_ADDR 0x000ffffffffff000ull
#define UMFS_PTE_VOLATILE (UMFS_PTE_A | UMFS_PTE_D | UMFS_PTE_SOFT_DIRTY | (1ull << 58))
#define UMFS_PTE_LEAF                                                                     \
	(UMFS_PTE_P | UMFS_PTE_RW | UMFS_PTE_US | UMFS_PTE_A | UMFS_PTE_D |               \
	 UMFS_PTE_SPECIAL | UMFS_PTE_SOFT_DIRTY | UMFS_PTE_NX)
#define UMFS_PTE_TABLE (UMFS_PTE_P | UMFS_PTE_RW | UMFS_PTE_US | UMFS_PTE_A | UMFS_PTE_D)
#define UMFS_PTE_PER_PAGE 512u
/* The root word in the inode is an entry (leaf at height 0, else table) with the height here. */
#define UMFS_ROOT_HEIGHT_SHIFT 52
#define UMFS_ROOT_HEIGHT_MASK (3ull << UMFS_ROOT_HEIGHT_SHIFT)
#define UMFS_HEIGHT_MAX 3u

/*
 * Directory: a trie over the 64-bit keyed hash of the name, most significant
 * bits first, 9 bits a node. A reference is a page number << 12 with flags;
 * within a node, 2^k neighbouring references may name one leaf.
 */
#define UMFS_DREF_P 1ull
#define UMFS_DREF_LEAF 2ull
#define UMFS_DREF_DEPTH_SHIFT 8 /* leaf: how many bits of its node's 9 it consumes, 0..9 */
#define UMFS_DREF_DEPTH_MASK (15ull << UMFS_DREF_DEPTH_SHIFT)
#define UMFS_DREF_ADDR UMFS_PTE_ADDR
#define UMFS_DNODE_BITS 9u
#define UMFS_DNODE_REFS 512u
#define UMFS_DIR_LEVELS_MAX 6u /* nodes above a leaf */

/* A directory leaf: 256 cells of 16 bytes; the head takes the first 20. */
#define UMFS_DLEAF_CELLS 256u
#define UMFS_DLEAF_HEAD_CELLS 20u
#define UMFS_DLEAF_MAGIC 0x4641454cu /* "LEAF" */
struct umfs_dleaf_pm {
	le32 magic;
	le32 ino;     /* whose leaf */
	le64 start[4]; /* bit n: a dentry starts at cell n (bits below 20 are 0) */
	le16 tail;     /* no dentry lies at or past this cell */
	le8 pad[22];
	le8 tag[256]; /* where a dentry starts: low byte of its hash, then its cells; else free */
};
/* A dentry: this head, then the name, in (16 + len + 15) / 16 cells. */
struct umfs_dentry_pm {
	le64 hash;
	le32 ino;
	le8 type; /* as st_mode >> 12 */
	le8 len;  /* 1..255 */
	le16 check; /* low half of the CRC32C of the other fields and the name */
};

/*
 * Extended attributes of an inode: a run of pages with this head, then the
 * entries back to back; `bytes` in all, what is past them means nothing.
 */
struct umfs_xattr_pm {
	le32 magic;
	le32 crc;   /* CRC32C of bytes 8 .. `bytes` */
	le32 ino;   /* whose */
	le32 bytes; /* head and entries */
	le32 count; /* of attributes: entries with a name */
	le8 pad[4];
};
#define UMFS_XATTR_MAGIC 0x52545458u /* "XTTR" */
#define UMFS_XATTR_PAGES_MAX 17u     /* the largest value, the longest name, and some more */
#define UMFS_XATTR_VALUE_MAX 65536u
/* An attribute: this, its whole name, its value, zeros up to a multiple of 8. */
struct umfs_xentry_pm {
	le32 value_bytes;
	le8 name_bytes; /* 0: it was removed */
	le8 pad[3];
};

/* Record of an open inode (runtime). */
struct umfs_irec_pm {
	le64 key;   /* epoch << 32 | inode number; another epoch: free */
	le32 flags; /* UMFS_IREC_*, durable before what they announce */
	le32 generation;
	le64 opens[4]; /* bit per slot that has it open */
	le64 dirty_lo; /* posix: bytes not yet durable; lo >= hi: none */
	le64 dirty_hi;
};
#define UMFS_IREC_ORPHAN 1u /* unlinked while open: reclaim at last close */
#define UMFS_IREC_TRIM 2u   /* has pages past the end and past `keep`: trim at last close */
#define UMFS_IREC_LINKABLE 4u /* was made without a name and may be given one */
#define UMFS_IREC_MAPPED 8u /* processes may have its pages mapped: none is exchanged or freed */

/* Open file description (runtime). */
struct umfs_ofd_pm {
	le64 key; /* epoch << 32 | serial; 0 or another epoch: free */
	le32 ino;
	le32 generation;
	le32 irec;
	le32 flags; /* O_ACCMODE, O_APPEND, O_NONBLOCK ... as open(2) on x86-64 Linux */
	le64 pos;   /* bytes; for a directory its readdir cookie */
	le64 lock;
	le8 pad0[24];
	le64 slots[4]; /* bit per slot that holds it */
	le8 pad1[32];
};

/*
 * A lane: 2 pages of journal, 2 of U-Log. Used by one thread of the slot at a
 * time. The journal's records follow its head back to back; a record counts
 * while its txid is the head's and its crc holds.
 */
struct umfs_lane_pm {
	le64 state; /* txid << 2 | UMFS_TX_* */
	le64 done;  /* how many allocations are undone (ACTIVE) or frees done (COMMITTED) */
	le64 group; /* thread << 32 | 1 + the group whose lock this lane holds or is about to take */
	le64 promise; /* generation << 32 | inode that is freed, or trimmed, after a commit; 0: none */
	le32 busy; /* the slot's incarnation while a thread is at work in the lane */
	le8 pad0[28];
	/* A line of its own: the page swap of one FPT entry (see core/swap.c). */
	le64 swap_entry; /* pool offset of the FPT entry in exchange; 0: none */
	le64 swap_old;	 /* entry before */
	le64 swap_new;	 /* entry after; its page is the spare's */
	le64 spare;	 /* a page this lane owns, or 0 */
	le64 swap_check; /* CRC32C of entry, old, new */
	le8 pad1[24];
	le8 records[2 * 4096 - 128];
};
#define UMFS_TX_IDLE 0u
#define UMFS_TX_ACTIVE 1u    /* undo it */
#define UMFS_TX_COMMITTED 2u /* finish its frees */

/* Head of a journal record; `len` bytes of payload follow, padded to 8. */
struct umfs_rec_pm {
	le32 crc; /* CRC32C of the rest of the head and the payload, seeded with the txid */
	le16 type; /* UMFS_REC_* */
	le16 len;
	le64 txid;
	le64 where; /* BYTES, FPT: pool offset; PAGES_*: first page; INODE_*: number */
	le64 count; /* PAGES_*: pages; FPT: entries; else 0 */
};
#define UMFS_REC_BYTES 1u	/* payload: the bytes before */
#define UMFS_REC_PAGES_ALLOC 2u /* undo: free them */
#define UMFS_REC_PAGES_FREE 3u	/* after commit: free them */
#define UMFS_REC_INODE_ALLOC 4u
#define UMFS_REC_INODE_FREE 5u
#define UMFS_REC_FPT 6u /* payload: entries before; after commit their data pages are freed */

/* Head of a U-Log (in a lane or a reserve); the undo bytes follow at 64. */
struct umfs_ulog_pm {
	le64 state; /* serial << 1 | active */
	le32 ino;
	le32 generation;
	le64 off;  /* bytes; of the first byte in the file */
	le64 len;  /* bytes saved, all inside the old size */
	le64 size; /* the file's size before */
	le32 data_crc; /* CRC32C of the saved bytes; 0 where the medium keeps no power */
	le32 crc; /* CRC32C of serial and all the fields above but state */
	le64 lock; /* reserve only: its lock word */
	le64 leases; /* reserve only: 1 while its room is divided into leases, else 0 */
};
#define UMFS_ULOG_HEAD_BYTES 64u
#define UMFS_ULOG_LANE_BYTES (2u * 4096u - 64u)

/*
 * What who has a lease of a file (core/lease.c) writes, and nobody checks before recovery
 * does; the undo bytes follow on the next page. In a reserve that is divided a word for each
 * follows the head, generation << 32 | inode, 0: free. The leases themselves follow on its next
 * pages.
 */
struct umfs_lease_pm {
	le64 state; /* 1 while the bytes are being replaced */
	le64 off;   /* bytes; of the first in the file */
	le64 len;
	le8 pad0[40];
	le64 wrote; /* not 0: written since somebody looked */
	le64 read;
	le8 pad1[48];
};
#define UMFS_LEASES 30u
#define UMFS_LEASE_BYTES (64u << 10)
#define UMFS_LEASE_PAGES 17u

#endif
