/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * problem.h - what fsck.umfs can find, as a table.
 *
 * Each finding has a short code that scripts may rely on, one line of text,
 * and a rule that says which modes may mend it:
 *   PREEN  by -p and -y: nothing a user could miss is lost
 *   YES    by -y only
 *   CUT    by -y, once all that can be mended otherwise is: what is wrong is cut off or
 *          copied, and who uses a page is known from the rounds before (rounds.c)
 *   NEVER  reported, left as it is
 *   NOTE   worth a line, not damage: does not count in the exit status
 */
#ifndef UMFS_FSCK_PROBLEM_H
#define UMFS_FSCK_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#define PROBLEMS(X)                                                                     \
	X(SB_PRIMARY, "sb-primary", "superblock is damaged", PREEN)                     \
	X(SB_BACKUP, "sb-backup", "backup superblock is damaged", PREEN)                \
	X(SB_BOTH, "sb-both", "superblock and backup are damaged", NEVER)               \
	X(SB_SHORT, "sb-short", "pool is cut short", NEVER)                             \
	X(SB_COMPAT, "sb-compat", "pool has features this fsck may not change", NOTE)   \
	X(POOL_READ, "pool-read", "page can not be read", NEVER)                        \
	X(POOL_UNCLEAN, "pool-unclean", "pool was not detached cleanly", NOTE)          \
	X(POOL_RECOVER, "pool-recover", "recovery failed", NEVER)                       \
	X(RT_CLEAN, "rt-clean", "clean flag is wrong", PREEN)                           \
	X(RT_MODE, "rt-mode", "mode is unknown", YES)                                   \
	X(RT_LOCK, "rt-lock", "lock is held by nobody", PREEN)                          \
	X(SLOT_STATE, "slot-state", "state of the slot is wrong", PREEN)                \
	X(LANE_STATE, "lane-state", "state of the lane is wrong", PREEN)                \
	X(LANE_RECORD, "lane-record", "journal record makes no sense", PREEN)           \
	X(LANE_SWAP, "lane-swap", "page swap makes no sense", PREEN)                    \
	X(LANE_PROMISE, "lane-promise", "promise of the lane makes no sense", PREEN)    \
	X(LANE_SPARE, "lane-spare", "spare page is wrong", PREEN)                       \
	X(ULOG_HEAD, "ulog-head", "undo log makes no sense", PREEN)                     \
	X(IREC_KEY, "irec-key", "record of an open inode is wrong", PREEN)              \
	X(OFD_KEY, "ofd-key", "open file description is wrong", PREEN)                  \
	X(GROUP_FLAGS, "group-flags", "flags of the group are wrong", YES)              \
	X(GROUP_PAGES, "group-pages", "pages of the group's bitmap are wrong", YES)     \
	X(GROUP_BACKED, "group-backed", "backing of the group is wrong", YES)           \
	X(INO_CRC, "ino-crc", "checksum of the inode is wrong", YES)                    \
	X(INO_MODE, "ino-mode", "mode of the inode is wrong", CUT)                      \
	X(INO_FLAGS, "ino-flags", "inode has unknown flags", YES)                       \
	X(INO_BASE, "ino-base", "base of the page table is wrong", CUT)                 \
	X(INO_PARENT, "ino-parent", "parent of a file that is no directory", YES)       \
	X(INO_RDEV, "ino-rdev", "device number of a file that is no device", YES)       \
	X(INO_RESERVED, "ino-reserved", "reserved field of the inode is in use", YES)   \
	X(INO_KEEP, "ino-keep", "pages kept past the end are wrong", YES)               \
	X(INO_PAGES, "ino-pages", "count of pages is wrong", PREEN)                     \
	X(INO_ENTRIES, "ino-entries", "count of names is wrong", PREEN)                 \
	X(INO_SIZE_CHECK, "ino-size-check", "check of the size is wrong", PREEN)        \
	X(INO_SIZE, "ino-size", "size is wrong for this kind of file", PREEN)           \
	X(INO_LOCK, "ino-lock", "lock is held by nobody", PREEN)                        \
	X(FPT_ROOT, "fpt-root", "root of the page table is wrong", CUT)                 \
	X(FPT_ENTRY, "fpt-entry", "entry of the page table is wrong", CUT)              \
	X(FPT_RANGE, "fpt-range", "page is outside the pool's data", CUT)               \
	X(FPT_ALIGN, "fpt-align", "2 MiB leaf is not aligned", CUT)                     \
	X(FPT_RUN, "fpt-run", "table marked as a run of pages is none", PREEN)         \
	X(PAGE_TWICE, "page-twice", "page is used twice", CUT)                          \
	X(FPT_PAST_END, "fpt-past-end", "file has pages past its end", NOTE)            \
	X(XATTR_REF, "xattr-ref", "reference to extended attributes is wrong", YES)     \
	X(XATTR_HEAD, "xattr-head", "head of extended attributes is wrong", YES)        \
	X(XATTR_CRC, "xattr-crc", "checksum of extended attributes is wrong", YES)      \
	X(XATTR_ENTRY, "xattr-entry", "extended attribute is wrong", YES)               \
	X(XATTR_TWICE, "xattr-twice", "extended attribute is there twice", YES)         \
	X(XATTR_COUNT, "xattr-count", "count of extended attributes is wrong", PREEN)     \
	X(DIR_ROOT, "dir-root", "root of the directory is wrong", CUT)                  \
	X(DIR_REF, "dir-ref", "directory reference is wrong", CUT)                      \
	X(DIR_RANGE, "dir-range", "page is outside the pool's data", CUT)               \
	X(DIR_RUN, "dir-run", "references to a directory leaf do not match its depth", CUT)   \
	X(DIR_DEEP, "dir-deep", "directory is too deep", CUT)                           \
	X(LEAF_MAGIC, "leaf-magic", "directory leaf has no signature", YES)             \
	X(LEAF_INO, "leaf-ino", "directory leaf belongs to another directory", CUT)     \
	X(LEAF_START, "leaf-start", "map of the directory leaf is wrong", YES)          \
	X(LEAF_TAIL, "leaf-tail", "tail of the directory leaf is wrong", YES)           \
	X(LEAF_TAG, "leaf-tag", "tag of a name is wrong", YES)                          \
	X(DENTRY_LEN, "dentry-len", "length of a name is wrong", YES)                   \
	X(DENTRY_CHECK, "dentry-check", "check of a name is wrong", YES)                \
	X(DENTRY_NAME, "dentry-name", "name has bytes no name may have", YES)           \
	X(DENTRY_HASH, "dentry-hash", "hash is not that of the name", CUT)              \
	X(DENTRY_PLACE, "dentry-place", "name lies in the wrong leaf", CUT)             \
	X(DENTRY_TWICE, "dentry-twice", "name is there twice", YES)                     \
	X(DENTRY_INO, "dentry-ino", "name leads to no inode", YES)                      \
	X(DENTRY_TYPE, "dentry-type", "type in the name is not the inode's", YES)       \
	X(ROOT_DIR, "root-dir", "root directory is missing", CUT)                       \
	X(DIR_TWICE, "dir-twice", "directory has more than one name", CUT)              \
	X(DIR_PARENT, "dir-parent", "parent of the directory is wrong", YES)            \
	X(DIR_LOOP, "dir-loop", "directory can not be reached from the root", CUT)      \
	X(ORPHAN, "orphan", "inode without a name", PREEN)                              \
	X(UNATTACHED, "unattached", "inode has lost its names", YES)                    \
	X(NLINK, "nlink", "link count is wrong", PREEN)                                 \
	X(PAGE_FREE, "page-free", "page in use is marked free", PREEN)                  \
	X(PAGE_LEAK, "page-leak", "page marked in use is not used", PREEN)              \
	X(PAGE_HEAD, "page-head", "bit of the group's head or end is clear", PREEN)     \
	X(INODE_FREE, "inode-free", "inode in use is marked free", PREEN)               \
	X(INODE_LEAK, "inode-leak", "inode marked in use is not used", PREEN)           \
	X(INODE_TAIL, "inode-tail", "bit that stands for no inode is wrong", PREEN)     \
	X(COUNT_PAGES, "count-pages", "count of free pages is wrong", PREEN)            \
	X(COUNT_INODES, "count-inodes", "count of free inodes is wrong", PREEN)

enum problem_code {
#define X(id, code, text, fix) PR_##id,
	PROBLEMS(X)
#undef X
	PR_COUNT
};

enum problem_fix { FIX_PREEN, FIX_YES, FIX_CUT, FIX_NEVER, FIX_NOTE };

struct problem {
	const char *code;
	const char *text;
	enum problem_fix fix;
};

/* What a finding is about: "inode 12". */
struct object {
	const char *kind;
	uint64_t number;
};
static inline struct object object(const char *kind, uint64_t number)
{
	return (struct object){ kind, number };
}
#define OBJECT_ALONE UINT64_MAX /* there is only one of its kind */

struct fsck;

/*
 * Report a finding, one line: object, what is wrong, the detail (or NULL).
 * True when the caller is to mend it now.
 */
bool problem(struct fsck *c, enum problem_code code, struct object about, const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
/* The same, of a kind that some circumstance forbids to mend this time. */
void problem_keep(struct fsck *c, enum problem_code code, struct object about, const char *detail,
		  ...) __attribute__((format(printf, 4, 5)));
/* Where the report stands; and back to there, what was mended since excepted. */
struct problem_mark {
	uint64_t left, notes, shown[PR_COUNT];
	uint64_t findings;
};
struct problem_mark problem_mark(const struct fsck *c);
void problem_back(struct fsck *c, const struct problem_mark *mark);
/* List all codes on stdout, for documentation and tests. */
void problem_list(void);
/* Print the JSON report or, for people, the closing line. */
void problem_finish(struct fsck *c, int status);

#endif
