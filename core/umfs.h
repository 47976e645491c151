/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * umfs.h - what core offers to libumfs, the tools, the mount and the module.
 *
 * All functions return 0 (or a count, where said) or a negative errno; core
 * never touches errno. Common to all: -EIO once the pool was made read-only by
 * a failed assertion or an unreachable medium, -EUCLEAN for damaged media,
 * -EROFS for a change to a pool attached read-only.
 * Metadata changes are atomic and durable on return in every mode. No function
 * may be called with a core lock held; none keeps one on return.
 *
 * A umfs_node says which inode is meant: its number in the low half and, in the
 * upper one, its generation there. What is in use under that number is looked at
 * under its lock: when the one that was meant is gone the answer is -ESTALE,
 * whatever has the number now, and the caller may find out anew what the name
 * means. A bare number (upper half 0) means whatever has it; -ENOENT when nothing
 * does. Who got a number from a name, and not from an open file, needs a node.
 */
#ifndef UMFS_CORE_UMFS_H
#define UMFS_CORE_UMFS_H

#include "format.h"

typedef uint64_t umfs_node;
static inline umfs_node umfs_node_of(uint32_t ino, uint32_t generation)
{
	return (uint64_t)generation << 32 | ino;
}

/* What the superblock says, checked once. */
struct umfs_geometry {
	uint64_t pool_pages;
	uint32_t group_count, group_count_max, inodes_per_group, inode_bitmap_words;
	uint64_t group_of_ino; /* 2^64 / inodes_per_group, rounded up: see umfs_ino_group() */
	uint32_t itable_pages; /* per group */
	uint32_t groups_page, gtable_page;
	uint32_t slot_count, lanes_per_slot, lanes_page;
	uint32_t irec_count, irecs_page, ofd_count, ofds_page;
	uint32_t reserve_count, reserves_page;
	uint32_t durability, flags;
	bool look_only; /* has features that forbid us to write */
	uint64_t hash_key[2];
};

#define UMFS_CHECKED 256u
#define UMFS_ROOMS 64u
#define UMFS_RUNS 16u

/* Where the directory part of a path led: see prefix.c. */
#define UMFS_PREFIXES 16u /* a power of two, 16 at most */
#define UMFS_PREFIX_BYTES 120u
#define UMFS_PREFIX_STEPS 6u
#define UMFS_PREFIX_ALL UINT32_MAX
struct umfs_prefix {
	uint32_t seq;	/* odd: being written */
	uint32_t uid;	/* for whom it is, or UMFS_PREFIX_ALL */
	uint32_t len, count;
	uint64_t start, dir; /* nodes */
	struct umfs_prefix_step {
		uint64_t seq;
		uint64_t in; /* byte offset of its inode, or 0 */
	} step[UMFS_PREFIX_STEPS];
	char text[UMFS_PREFIX_BYTES];
};

/*
 * Where a thread looks for a free record of an open inode, and of a description: first the
 * one that it let go of last, plus one (0: none), while the processor still has its lines.
 * Threads are spread over these, and each is so far from the next that no two share a line.
 */
struct umfs_recent {
	uint32_t irec, ofd;
	uint32_t irec_cursor, ofd_cursor;
	uint8_t pad[112];
};
#define UMFS_RECENTS 8u

/*
 * One attached pool in one address space. The owner fills `base`, `bytes`,
 * `port` and the two reference arrays before umfs_attach() and zeroes the rest.
 */
struct umfs {
	uint8_t *base;	/* the whole pool, mapped */
	uint64_t bytes; /* that can be addressed; at least pool_pages * 4096, grows with it */
	void *port;	/* the port's own */
	uint32_t *irec_refs; /* geo.irec_count words, zero: this process's opens */
	uint32_t *ofd_refs;  /* geo.ofd_count words, zero: descriptors and holders here */

	struct umfs_geometry geo;
	uint32_t slot;
	uint32_t incarnation;
	uint32_t epoch;
	uint32_t lane_wanted; /* a thread waits for one */
	uint32_t lanes_taken; /* bit: that lane was, in this life of the slot */
	uint32_t freezing;    /* 1: inside umfs_freeze(), which may clean up after the dead */
	uint32_t broken;     /* 1: an assertion failed, everything answers -EIO */
	uint32_t unfinished; /* 1: it broke with a transaction that its recovery has to end */
	uint32_t readonly;   /* 1: looked at only (private copy) */
	uint32_t alone;	     /* 1: recovering a pool that nobody has attached */
	uint32_t fresh;	     /* 1, the owner's to say: nothing is known of the pool but its geometry */
	uint64_t irec_range, ofd_range;	  /* where those with references here lie: see open.h */
	struct umfs_recent recent[UMFS_RECENTS];
	int64_t day_ago_ns; /* at the last open, less a day: older atimes are renewed */
	/* The caller's to set, at any time after umfs_attach(). */
	uint64_t end_max;     /* bytes: no file grows, and nothing is written, past it */
	uint32_t keeps_setid; /* 1: all who call have CAP_FSETID, writing leaves set-id bits */
	uint32_t atime;	      /* UMFS_ATIME_*: by umfs_atime_set() */
	/* 1 + the group where a walk over all groups last found pages, inodes; 0: none. */
	uint32_t page_walk, inode_walk;
	uint64_t runs[UMFS_RUNS]; /* free runs of some groups: see runs.c */
	/* Of each lane: 1 + the group of its new files; how often it met others: see ialloc.c. */
	uint32_t inode_home[UMFS_LANES_MAX], inode_met[UMFS_LANES_MAX];
	/* Memory to give back: see unback.c. */
	uint64_t freed_where; /* bit: groups in which pages were freed */
	int64_t unback_last_ns, taken_since_ns;
	uint32_t taken_pages, taken_before; /* since then, and in the second before */
	uint32_t freed_pages;  /* since it was last looked for; and when it has to be again */
	uint32_t unback_after; /* freed pages that make it worth looking; 0: as core thinks */
	uint32_t scattered;  /* overwrites of scattered pages until room is looked for again */
	uint32_t divided;    /* 1: the last reserve is ours, for leases: see lease.c */
	uint32_t zombies;    /* 1: a dead process was the last holder of some file */
	/* Last, so that what each process touches of the above lies in one page. */
	uint64_t checked[UMFS_CHECKED]; /* inodes whose checksums held; see umfs_inode_check() */
	uint64_t room[UMFS_ROOMS]; /* page << 8 | cell: where directory leaves had room last */
	struct umfs_prefix prefixes[UMFS_PREFIXES];
};

/* Who asks. `override`: not bound by permission bits (CAP_DAC_OVERRIDE, FOWNER, CHOWN ...). */
struct umfs_cred {
	uint32_t uid, gid;
	uint32_t group_count;
	const uint32_t *groups;
	uint32_t umask;
	bool override;
};

struct umfs_iov {
	void *base;
	uint64_t len;
};

struct umfs_attr {
	uint32_t ino, generation, mode, uid, gid, nlink;
	uint64_t rdev, size, blocks_512;
	int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
	/*
	 * The inode's sequence that all this is of; 0: not known; odd: it is of two moments,
	 * as somebody is stopped inside a change: nobody's rights.
	 */
	uint64_t seq;
};

struct umfs_statfs {
	uint64_t pages, pages_free;
	uint64_t pages_ready; /* of pages_free, those that have memory behind them already */
	uint64_t inodes, inodes_free;
	uint32_t name_max, atomic_bytes;
};

/* ---- super.c: superblock ---- */

/*
 * Check a superblock image (4 KiB at `page`) against `bytes` of medium.
 * -EINVAL: no UMFS signature; -EPROTONOSUPPORT: a later or unknown format;
 * -EUCLEAN: checksum or geometry wrong; -ENOSPC: the pool is cut short.
 * A pool with geo->look_only can be loaded and read, and not attached.
 */
int umfs_super_check(const void *page, uint64_t bytes, struct umfs_geometry *geo);
/* Primary, else backup (then *from_backup is set). `fs->base`, `fs->bytes` must be set. */
int umfs_super_load(struct umfs *fs, bool *from_backup);

/* ---- format.c: making a pool ---- */

struct umfs_format {
	uint64_t pool_pages;
	uint64_t inode_count; /* 0: one for each 16 KiB */
	uint8_t uuid[16];
	char label[33];
	uint32_t durability;
	uint32_t flags; /* UMFS_SB_BACKED */
	uint64_t hash_key[2];
	uint64_t now_ns;
	uint32_t uid, gid; /* of the root directory */
	uint32_t root_mode; /* permission bits of the root directory */
};
/* Fill `sb` (zeroed) from `f`. -EINVAL: too small or too large, or too many inodes. */
int umfs_format_plan(const struct umfs_format *f, struct umfs_super_pm *sb);
/*
 * Write a new pool into fs->base; the superblock comes last. Never proportional
 * to the pool. The front, umfs_format_front_bytes() of it, must read as zeros;
 * what the groups hold does not matter.
 */
uint64_t umfs_format_front_bytes(const struct umfs_super_pm *sb);
int umfs_format_write(struct umfs *fs, const struct umfs_format *f);

/* ---- grow.c ---- */

/*
 * Make the pool so many pages large while it is in use; other processes find the
 * new space by themselves. Atomic and durable: after a crash it has the old size or the new
 * one. -EINVAL: it is not smaller now; -EFBIG: it was not made for so many pages or
 * inodes, or the medium can not be so large; -EBUSY: it is frozen; -ENOSPC and others: as
 * port_extend().
 */
int umfs_grow(struct umfs *fs, uint64_t pool_pages);

/* ---- freeze.c ---- */

/*
 * Keep the pool as it is, for a copy of it: returns when no operation is under way
 * that changes it; whoever begins one waits until umfs_thaw(), or until this process
 * is dead. Reading goes on. -EBUSY: *slot keeps it frozen; -ETIMEDOUT: *slot was inside
 * an operation for `ns`, and nothing is frozen.
 */
int umfs_freeze(struct umfs *fs, uint64_t ns, uint32_t *slot);
/* End it; -ESTALE: somebody else did so meanwhile. */
int umfs_thaw(struct umfs *fs);
/* End what `slot`, which is alive, began; fs need not be attached. -EINVAL: it did not. */
int umfs_thaw_of(struct umfs *fs, uint32_t slot);
/* Is it, and by whom? What a dead process froze counts until somebody waits for it. */
bool umfs_frozen_by(const struct umfs *fs, uint32_t *slot);
/* Open files of which processes may have pages mapped: stores to those do not wait. */
uint32_t umfs_mapped_files(const struct umfs *fs);

/* ---- slot.c: taking part in a pool ---- */

/*
 * Take part in the pool: recover it when first, take a slot. mode 0: what it has, or atomic
 * when first. -EBUSY: no slot; -EINVAL: mode; -EROFS: a feature that only a later version may write.
 */
int umfs_attach(struct umfs *fs, uint32_t mode);
/* When reading a file, directory or link stores its atime; at first RELATIME. */
enum umfs_atime {
	UMFS_ATIME_RELATIME, /* not newer than mtime and ctime, or a day old */
	UMFS_ATIME_NEVER,
	UMFS_ATIME_ALWAYS,
};
void umfs_atime_set(struct umfs *fs, enum umfs_atime when);
void umfs_detach(struct umfs *fs);
uint32_t umfs_mode(const struct umfs *fs);
/*
 * Fork, in the parent: take another slot, give it a share of all that this
 * process has open. The child then calls umfs_slot_become with that slot.
 */
int umfs_slot_fork(struct umfs *fs, uint32_t *slot, uint32_t *incarnation);
void umfs_slot_become(struct umfs *fs, uint32_t slot, uint32_t incarnation);
/*
 * In a child of fork that was given no slot: as after umfs_detach, for umfs_attach. What its
 * parent has open is its parent's alone. Nothing in the pool is touched.
 */
void umfs_slot_forget(struct umfs *fs);
/*
 * exec: another slot, for the new image of this process. What that is to have
 * open is given to it; the port sees to it that the slot outlives this image.
 * The new image takes it, -ESTALE when somebody did before, and then each
 * description once for each of its descriptors, -EBADF when it was not given.
 */
int umfs_slot_heir(struct umfs *fs, uint32_t *slot, uint32_t *incarnation);
void umfs_ofd_give(struct umfs *fs, uint32_t ofd, uint32_t slot);
int umfs_slot_inherit(struct umfs *fs, uint32_t slot, uint32_t incarnation);
int umfs_ofd_inherit(struct umfs *fs, uint32_t ofd);
/* The fork failed: give the slot and its references back. */
void umfs_slot_abandon(struct umfs *fs, uint32_t slot, uint32_t incarnation);
/* Roll back what a dead slot left. 0: done or nothing to do; -EAGAIN: it is alive; -EIO: cut short. */
int umfs_slot_recover(struct umfs *fs, uint32_t slot);
/* All that are dead and may be cleaned up. */
void umfs_slot_recover_dead(struct umfs *fs);
/*
 * Everything a crash left, on a pool nobody else has attached (attach does it, fsck calls it).
 * -EIO: the pool was lost on the way, who comes next goes on; -ENOSPC: no memory for a lane.
 */
int umfs_recover_all(struct umfs *fs);

/* ---- namei.c, create.c, rename.c: names; `name` is not terminated, 1..255 bytes, no '/' ---- */

/* *ino stays as it was unless the name is there. */
int umfs_lookup(struct umfs *fs, umfs_node dir, const char *name, uint32_t len, uint32_t *ino);
/*
 * New regular file, FIFO, socket or device (`rdev`) by `mode`. What is told is what was made:
 * whoever goes on with it by its name may find what somebody put there since. -EEXIST tells
 * the number of what is there.
 */
int umfs_create(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
		uint32_t len, uint32_t mode, uint64_t rdev, umfs_node *node);
/*
 * New regular file with an open file description, at once: when that can not be had
 * (-ENFILE) there is no file either. -EEXIST.
 */
int umfs_create_open(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir,
		     const char *name, uint32_t len, uint32_t mode, uint32_t flags,
		     uint32_t *ofd);
int umfs_mkdir(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
	       uint32_t len, uint32_t mode, umfs_node *node);
/* target: 1..4095 bytes. */
int umfs_symlink(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
		 uint32_t len, const char *target, uint32_t target_len, umfs_node *node);
/*
 * New regular file without a name, with an open file description: it is gone
 * with the last holder, or when a crash comes, unless umfs_link() names it
 * before, which only `linkable` allows. `dir` says where it lies and whose
 * group it gets, and is to be writable. -ENFILE as umfs_open().
 */
int umfs_tmpfile(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, uint32_t mode,
		 bool linkable, uint32_t flags, uint32_t *ofd);
int umfs_link(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, umfs_node dir,
	      const char *name, uint32_t len);
int umfs_unlink(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
		uint32_t len);
int umfs_rmdir(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
	       uint32_t len);
/* The same if the name means that directory; -ESTALE. */
int umfs_rmdir_node(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir, const char *name,
		    uint32_t len, umfs_node node);
/* As renameat2(2): nothing may have the new name; both names are there and change places. */
#define UMFS_RENAME_NOREPLACE 1u
#define UMFS_RENAME_EXCHANGE 2u
#define UMFS_RENAME_WHITEOUT 4u /* the old name then means a new character device 0:0 */
int umfs_rename(struct umfs *fs, const struct umfs_cred *cred, umfs_node from_dir,
		const char *from, uint32_t from_len, umfs_node to_dir, const char *to,
		uint32_t to_len, uint32_t flags);
/* The same if the new name means `over`; -ESTALE. 0: whatever it means, or nothing. */
int umfs_rename_over(struct umfs *fs, const struct umfs_cred *cred, umfs_node from_dir,
		     const char *from, uint32_t from_len, umfs_node to_dir, const char *to,
		     uint32_t to_len, umfs_node over, uint32_t flags);

/*
 * Names of a directory in cookie order, those after `cookie` (0: from the
 * start; "." and ".." are the caller's). emit() gets the cookie to go on from
 * after this name; when it returns non-zero that name was not taken and the
 * walk ends. Names there during the whole walk come exactly once, whatever
 * else is created or removed meanwhile.
 * Called outside any lock, so emit() may touch user memory.
 */
typedef int (*umfs_emit_fn)(void *arg, const char *name, uint32_t len, uint32_t ino,
			    uint32_t type, uint64_t cookie);
int umfs_readdir(struct umfs *fs, umfs_node dir, uint64_t cookie, umfs_emit_fn emit, void *arg);

/* ---- path.c: paths ---- */

#define UMFS_WALK_NOFOLLOW 1u /* do not follow a symbolic link in the last place */
#define UMFS_WALK_PARENT 2u   /* a missing last component is not an error: w->ino = 0 */
#define UMFS_WALK_NAME 4u     /* with both: w->ino = 0 unless a slash follows; not looked up */
/*
 * With PARENT the caller looks at w->must_be_dir itself; else the result is a directory
 * when a slash ends the path. With both the name itself is meant, to make, remove or
 * move it, and a slash behind a link's name does not follow it.
 */

/*
 * A walk's start and result. Paths leave UMFS by an absolute link or by ".."
 * above the root: then the walk returns UMFS_WALK_ESCAPED and `rest` is what
 * remains: absolute, or (w->above) relative to the directory above the root.
 */
struct umfs_walk {
	uint32_t links;	 /* in and out: symbolic links followed so far (at most 40) */
	umfs_node parent; /* directory of the last component */
	umfs_node ino;	  /* what it names, or 0 */
	const char *name; /* last component inside `rest` or the path given */
	uint32_t name_len; /* 0: the path ended in ".", ".." or "/": no name to create or remove */
	bool must_be_dir;  /* trailing slash */
	bool above;
	char *rest; /* in: room of UMFS_WALK_ROOM bytes for link targets, or NULL */
	struct umfs_attr attr; /* of `ino` while its name meant it, if attr.ino is that number */
};
#define UMFS_WALK_ROOM (2u * 4096u)
#define UMFS_WALK_ESCAPED 1
#define UMFS_WALK_NO_ROOM 3 /* that would have been needed: walk again with it */
/*
 * 0, UMFS_WALK_ESCAPED, UMFS_WALK_NO_ROOM, -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG; -ESTALE: a
 * directory or link on the way went away meanwhile, or `start` did: walk again.
 */
int umfs_walk(struct umfs *fs, const struct umfs_cred *cred, umfs_node start, const char *path,
	      uint32_t flags, struct umfs_walk *w);
/* One step of it, by umfs_lookup(): what the name means; *attr as w->attr. -ESTALE: as above. */
int umfs_lookup_node(struct umfs *fs, umfs_node dir, const char *name, uint32_t len,
		     umfs_node *node, struct umfs_attr *attr);

/* ---- attr.c ---- */

int umfs_getattr(struct umfs *fs, umfs_node node, struct umfs_attr *attr);
/* Of what a walk led to: those that the walk has seen, or else as above. */
static inline int umfs_walk_getattr(struct umfs *fs, const struct umfs_walk *w,
				    struct umfs_attr *attr)
{
	if (!w->ino || w->attr.ino != (uint32_t)w->ino)
		return umfs_getattr(fs, w->ino, attr);
	*attr = w->attr;
	return 0;
}
/* What was read just now held: who opens the inode next need not sum it up again. */
void umfs_attr_believe(struct umfs *fs, const struct umfs_attr *attr);
/* mask: bits 4 read, 2 write, 1 execute. -EACCES. */
int umfs_access(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, uint32_t mask);
/* The same of a node's attributes that were read just now. */
int umfs_access_known(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
		      const struct umfs_attr *attr, uint32_t mask);
int umfs_chmod(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, uint32_t mode);
/* ~0u leaves an id as it is. */
int umfs_chown(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, uint32_t uid,
	       uint32_t gid);
#define UMFS_TIME_OMIT INT64_MIN
#define UMFS_TIME_NOW (INT64_MIN + 1)
int umfs_utimens(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, int64_t atime_ns,
		 int64_t mtime_ns);

/* ---- xattr.c: extended attributes; `name` is whole ("user.x"), not terminated ---- */

#define UMFS_XATTR_CREATE 1u /* as setxattr(2): -EEXIST when it is there */
#define UMFS_XATTR_REPLACE 2u /* -ENODATA when it is not */
/*
 * Namespaces user., trusted., security., and system.posix_acl_access and _default;
 * -EOPNOTSUPP for others, -EINVAL for a bare namespace, -ERANGE for names that are not
 * 1..255 bytes long. Rights are those that Linux asks for; -EPERM, -EACCES.
 * Access control lists are kept and not enforced; setting one sets the mode
 * as Linux does, and one that says no more than a mode is not kept.
 */
/* Bytes of the value; `size` 0 asks for them alone. -ENODATA, -ERANGE: it is longer, -EFAULT. */
int64_t umfs_getxattr(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
		      const char *name, uint32_t len, void *value, uint64_t size);
/* -E2BIG: more than 64 KiB; -ENOSPC: more than 68 KiB in all, or no run of free pages for it. */
int umfs_setxattr(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, const char *name,
		  uint32_t len, const void *value, uint64_t size, uint32_t flags);
/* Bytes of all names, each with a NUL; `size` 0 asks for them alone. -ERANGE, -E2BIG, -EFAULT. */
int64_t umfs_listxattr(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, char *list,
		       uint64_t size);
/* -ENODATA, but for an access control list. Needs no space. */
int umfs_removexattr(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
		     const char *name, uint32_t len);

/* ---- attr.c ---- */

/* Bytes copied into buf (not terminated), at most `size`. */
int64_t umfs_readlink(struct umfs *fs, umfs_node node, char *buf, uint64_t size);
int umfs_getpath(struct umfs *fs, uint32_t dir, char *buf, uint32_t size); /* dir's path from the root, "/a/b"; -ERANGE */
void umfs_statfs(struct umfs *fs, struct umfs_statfs *st);

/* ---- ofd.c: open files. An ofd is an index into the pool's table. ---- */

/*
 * A new open file description of `ino`, with one reference of this process.
 * Rights are the caller's to check. A file without a name can be opened while
 * somebody has it open. -ENFILE: table full; -ENOENT, -ESTALE: it went away.
 */
int umfs_open(struct umfs *fs, umfs_node node, uint32_t flags, uint32_t *ofd);
void umfs_ofd_get(struct umfs *fs, uint32_t ofd); /* one more descriptor here */
/* One descriptor less; the last holder anywhere closes it: trims or reclaims the file. */
void umfs_ofd_put(struct umfs *fs, uint32_t ofd);
struct umfs_ofd_pm *umfs_ofd(struct umfs *fs, uint32_t ofd);
/*
 * A share in the description with that key, which another process has open. The caller
 * holds its inode by an umfs_open() of its own for as long, and gives the share back by
 * umfs_ofd_part(). Durable is nothing, as with all that is open; a death in between is a
 * slot's. -EBADF: it was closed.
 */
int umfs_ofd_join(struct umfs *fs, uint32_t ofd, uint64_t key);
void umfs_ofd_part(struct umfs *fs, uint32_t ofd, uint64_t key);

/* ---- file.c: data. `ofd` names an open file; -EBADF when it was closed meanwhile. ---- */

#define UMFS_FILE_TAG_BITS 18

/*
 * Where data calls find their file; filled by umfs_open's caller through
 * umfs_file_init and kept in U-Info, so that a call touches no table.
 */
struct umfs_file {
	struct umfs *fs;
	struct umfs_inode_pm *inode;
	uint32_t ino, generation;
	/*
	 * Which description, and part of its key: another one with the same index is
	 * told apart. `flags` are those of the opening.
	 */
	uint64_t ofd : 24, tag : UMFS_FILE_TAG_BITS, flags : 22;
};
int umfs_file_init(struct umfs *fs, uint32_t ofd, struct umfs_file *f);
/* The description that f came from; NULL: it was closed, and is another's by now, or may be soon. */
struct umfs_ofd_pm *umfs_ofd_of(const struct umfs_file *f);
/* Of the description's flags those in `mask` become `flags`. -EBADF. */
int umfs_ofd_set_flags(const struct umfs_file *f, uint32_t mask, uint32_t flags);
static inline umfs_node umfs_file_node(const struct umfs_file *f)
{
	return umfs_node_of(f->ino, f->generation);
}

/*
 * What a reader keeps of an open file for as long as the inode's sequence is
 * `seq`: it was found in order and readable then. Used by view.h.
 */
struct umfs_view {
	uint64_t seq;	/* 0: nothing is kept */
	uint64_t size;	/* bytes that the table can reach, at most the file's size */
	uint64_t table; /* offset in the pool of the topmost table or only page; height in bits 0..1 */
};
void umfs_view_take(const struct umfs_file *f, struct umfs_view *v);

/* Bytes moved, or -EFAULT, -EISDIR, -EBADF, -ENOSPC, -EFBIG, -EINVAL. A fault after some bytes returns those. */
int64_t umfs_pread(const struct umfs_file *f, void *buf, uint64_t n, uint64_t off);
int64_t umfs_pwrite(const struct umfs_file *f, const void *buf, uint64_t n, uint64_t off);
int64_t umfs_preadv(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count,
		    uint64_t off);
/* `append`: write at the end, wherever that is then; *off is set to where it went. */
int64_t umfs_pwritev(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count,
		     uint64_t *off, bool append);
/* At the description's position, which moves; O_APPEND as flags say. */
int64_t umfs_readv(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count);
int64_t umfs_writev(const struct umfs_file *f, const struct umfs_iov *iov, uint32_t count);
/* whence: 0 set, 1 current, 2 end. New position. */
int64_t umfs_seek(const struct umfs_file *f, int64_t off, int whence);
/* -EFBIG: past fs->end_max. Set-id bits go as by a write. */
int umfs_truncate(struct umfs *fs, umfs_node node, uint64_t size);
/* What readdir was called for was read: its atime. Reads and umfs_readlink() do it themselves. */
void umfs_accessed(const struct umfs_file *f);
int umfs_fsync(const struct umfs_file *f);
/*
 * Up to n bytes of one file into another of the same pool, or elsewhere in the
 * same file, as writes of up to 2 MiB each; bytes copied, 0 at the end of `in`.
 * Holes of `in` larger than a piece stay holes. -EINVAL: the ranges overlap, or
 * not both are regular files; -ENOSPC, -EFBIG, -EBADF, -EISDIR.
 */
int64_t umfs_copy_range(const struct umfs_file *in, uint64_t in_off, const struct umfs_file *out,
			uint64_t out_off, uint64_t n);
/*
 * mode: bits of fallocate(2). 0 and KEEP_SIZE: pages for all of [off, off+len);
 * PUNCH|KEEP_SIZE: reads as zeros, whole pages are freed; ZERO: reads as zeros,
 * and has pages. Without KEEP_SIZE the end moves to off+len if that is further.
 * Up to 2 MiB all or nothing; more in pieces, in order, but 0 moves the end last.
 * -EOPNOTSUPP: another mode; -ENOSPC: some pages may have been given, what is
 * read is as before (ZERO: but for whole pieces); punching needs no space;
 * -EFBIG, -EINVAL, -EBADF, -EISDIR.
 */
#define UMFS_FALLOC_KEEP_SIZE 1u
#define UMFS_FALLOC_PUNCH 2u
#define UMFS_FALLOC_ZERO 16u
int umfs_fallocate(const struct umfs_file *f, uint32_t mode, uint64_t off, uint64_t len);

/* ---- map.c: pages that a process maps ---- */

/*
 * Before the pages of [off, *end) are mapped: from now until the last holder
 * anywhere has closed the file, and let go of what this returns, none of them is
 * exchanged or freed. `off` is a multiple of a page; *end is cut to the page in
 * which the file ends. SHARED: holes in the range get pages, which -ENOSPC may
 * prevent; without it they stay holes. WRITE: the time of change is now. *irec is held: umfs_map_put() when the
 * mapping is gone, umfs_map_get() when there is one more of it. -EBADF, -ENFILE.
 */
#define UMFS_MAP_SHARED 1u
#define UMFS_MAP_WRITE 2u
int umfs_map_pin(const struct umfs_file *f, uint32_t flags, uint64_t off, uint64_t *end,
		 uint32_t *irec);
void umfs_map_get(struct umfs *fs, uint32_t irec);
void umfs_map_put(struct umfs *fs, uint32_t irec);
/*
 * How many of the n bytes at `off`, both multiples of a page, lie in a row in the
 * pool; *where: from which offset of it on, 0: they are holes. -EBADF.
 */
int64_t umfs_map_run(const struct umfs_file *f, uint64_t off, uint64_t n, uint64_t *where);

/*
 * ---- lease.c: who may write a file without core, in mappings of it and of an undo log ----
 *
 * For ports that can take mappings away from processes (the kernel's). One call at a time
 * of these three; the file is open and mapped (umfs_map_pin) while the lease lasts.
 *
 * Room for the log: *lease is its number, and at *where in the pool are UMFS_LEASE_PAGES pages,
 * zeros. Set-id bits are gone. -ENOSPC: no room; -EBUSY: not now.
 */
int umfs_lease_take(const struct umfs_file *f, uint32_t *lease, uint64_t *where);
/* Nobody can write there any more: a write that was begun is undone. */
void umfs_lease_undo(const struct umfs_file *f, uint32_t lease);
/* Undone before. */
void umfs_lease_give(struct umfs *fs, uint32_t lease);

#endif
