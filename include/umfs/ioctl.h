/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * ioctl.h - what programs ask of the kernel module; docs/KERNEL.md explains it.
 *
 * Two kinds of nodes: /dev/umfs/control attaches, detaches and lists pools, and
 * /dev/umfs/NAME is one attached pool, whose permission bits say who may reach it at
 * all. What is asked of a pool's node is asked with the rights of who asks.
 *
 * All structures have a fixed size, the same for 32 and 64 bit programs; a later
 * version of this interface has new numbers beside these and keeps these. Fields named
 * `zero` are to be 0, else the answer is -EINVAL. Strings in structures end with a NUL
 * inside their field.
 *
 * Answers: 0, or -1 with errno. Common to all: EFAULT, EINVAL, ENOMEM, ENOTTY for a
 * number that the module does not know, EIO and EUCLEAN for a pool that is damaged.
 *
 * Since version 2: extended attributes, UMFS_IOC_MKNOD, O_TMPFILE, FIFOs that open, and
 * UMFS_IOC_EMPTY. Since version 3: UMFS_IOC_SETATTR, RENAME_WHITEOUT, O_DIRECT,
 * O_ASYNC.
 */
#ifndef UMFS_IOCTL_H
#define UMFS_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define UMFS_IOC_ABI 3 /* what UMFS_IOC_ABOUT answers: this file */
#define UMFS_IOC_TYPE 0xf5
#define UMFS_NODES "/dev/umfs/" /* and a pool's name: its node */
#define UMFS_CONTROL_NODE UMFS_NODES "control"

#define UMFS_IOC_NAME_BYTES 32
#define UMFS_IOC_DEVICE_BYTES 256

struct umfs_ioc_about {
	__u32 abi;	      /* UMFS_IOC_ABI */
	__u32 format_version; /* of pools, docs/SPEC.md */
	__u64 zero[7];
};

/* ---- control ---- */

/*
 * Take `device`, a block device with memory behind it that has struct pages (fsdax), from
 * all other users, recover the pool on it, and make /dev/umfs/`name`. `mode`: what write()
 * promises, 1 posix, 2 sync, 3 atomic (docs/DESIGN.md). For CAP_SYS_ADMIN.
 * EPERM; EEXIST: the name or device is attached; EBUSY: the device is in use; ENOTBLK;
 * EOPNOTSUPP: no memory that can be mapped (a raw namespace: see docs/KERNEL.md);
 * ENOEXEC: not a pool; EPROTONOSUPPORT: a later format; EROFS: features of a later
 * version; ENOSPC: cut short, the device is smaller than its pool.
 */
struct umfs_ioc_attach {
	char device[UMFS_IOC_DEVICE_BYTES];
	char name[UMFS_IOC_NAME_BYTES]; /* letters, digits, '-', '_', '.', not first */
	__u32 mode;
	__u32 zero0;
	__u64 zero[4];
};

/* Leave the pool clean and let the device go. EPERM; ENOENT; EBUSY: something of it is open or
 * mounted. */
struct umfs_ioc_detach {
	char name[UMFS_IOC_NAME_BYTES];
	__u64 zero[4];
};

/* The attached pool number `index`, from 0; ENOENT: there are not so many. */
struct umfs_ioc_list {
	__u32 index;
	__u32 mode;	/* out, as all that follows */
	__u64 bytes;	/* of the pool */
	__u64 open;	/* descriptors of the node, open files, and mounts */
	__u8 uuid[16];
	char name[UMFS_IOC_NAME_BYTES];
	char device[UMFS_IOC_DEVICE_BYTES];
	__u64 zero[4];
};

/* ---- a pool ---- */

#define UMFS_IOC_FS_MAGIC 0x53464d55 /* "UMFS": f_type of statfs on a pool's descriptors */

/*
 * A path below the pool's root, below the directory that is open as `dir` (a descriptor
 * that UMFS_IOC_OPEN made), or below the working directory, when fchdir() of such a
 * descriptor made it that. Leading slashes mean nothing. EXDEV: it leaves the pool, by a
 * symbolic link with an absolute target or by ".."; UMFS_IOC_WALK says where to. EBADF:
 * `dir` is no directory of a pool; EXDEV too: it is one of another pool.
 */
struct umfs_ioc_path {
	__u64 text;  /* pointer to `bytes` bytes, no NUL needed; 1..4095 */
	__u32 bytes;
	__s32 dir;   /* or UMFS_IOC_ROOT, UMFS_IOC_CWD */
};
#define UMFS_IOC_ROOT (-1)
#define UMFS_IOC_CWD (-100) /* AT_FDCWD */

struct umfs_ioc_attr {
	__u64 ino;
	__u32 generation;
	__u32 mode;
	__u32 uid, gid; /* in the caller's user namespace */
	__u32 nlink;
	__u32 zero0;
	__u64 rdev;
	__u64 size;
	__u64 blocks; /* of 512 bytes */
	__s64 atime_ns, mtime_ns, ctime_ns, btime_ns;
};

/*
 * As openat(2): O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW,
 * O_CLOEXEC, O_NONBLOCK, O_NOATIME, O_DIRECT, O_ASYNC, O_SYNC, O_DSYNC and O_TMPFILE in `flags`,
 * others are refused. A FIFO is one of the kernel's, as anywhere; sockets and devices are ENXIO.
 * `mode` is that of a new file, less the umask; where the call fails, but with EFAULT for
 * its own structure, nothing was made. The descriptor is one like any other:
 * read, write, lseek, mmap, fstat, ftruncate, fchmod, fsync, getdents and the rest work.
 * Or O_PATH, with O_DIRECTORY, O_NOFOLLOW and O_CLOEXEC alone: needs no right to the file,
 * works for files of all types, and does not keep one that has no name any more. fstat,
 * fstatfs, fchdir, and with AT_EMPTY_PATH fchownat, utimensat, faccessat2 and execveat
 * work on it, and chmod on its name in /proc/self/fd.
 */
struct umfs_ioc_open {
	struct umfs_ioc_path path;
	__u32 flags;
	__u32 mode;
	__s32 fd;	      /* out */
	__u32 zero0;
	struct umfs_ioc_attr attr; /* out */
	__u64 zero[4];
};

/* As fstatat(2); flags: UMFS_IOC_NOFOLLOW. */
struct umfs_ioc_stat {
	struct umfs_ioc_path path;
	__u32 flags;
	__u32 zero0;
	struct umfs_ioc_attr attr; /* out */
};
#define UMFS_IOC_NOFOLLOW 1u

/* As mkdirat(2). */
struct umfs_ioc_mkdir {
	struct umfs_ioc_path path;
	__u32 mode;
	__u32 zero0;
};

/* As unlinkat(2); flags: UMFS_IOC_REMOVEDIR. */
struct umfs_ioc_unlink {
	struct umfs_ioc_path path;
	__u32 flags;
	__u32 zero0;
};
#define UMFS_IOC_REMOVEDIR 1u

/* As renameat2(2) with RENAME_NOREPLACE, RENAME_EXCHANGE and RENAME_WHITEOUT. */
struct umfs_ioc_rename {
	struct umfs_ioc_path from;
	struct umfs_ioc_path to;
	__u32 flags;
	__u32 zero0;
};

/*
 * As linkat(2), with fs.protected_hardlinks whatever that is; flags: UMFS_IOC_FOLLOW, a
 * symbolic link `from` is not meant itself; UMFS_IOC_EMPTY, `from.dir` is no directory but
 * a descriptor of the file itself, and `from.bytes` is 0.
 */
struct umfs_ioc_link {
	struct umfs_ioc_path from;
	struct umfs_ioc_path to;
	__u32 flags;
	__u32 zero0;
};
#define UMFS_IOC_FOLLOW 1u
#define UMFS_IOC_EMPTY 4u

/* As symlinkat(2): `target` is any text of 1..4095 bytes, its `dir` is UMFS_IOC_ROOT. */
struct umfs_ioc_symlink {
	struct umfs_ioc_path target;
	struct umfs_ioc_path path;
	__u64 zero;
};

/* As readlinkat(2): `done` bytes, at most `bytes`, to `buf`. */
struct umfs_ioc_readlink {
	struct umfs_ioc_path path;
	__u64 buf;
	__u32 bytes;
	__u32 done; /* out */
};

/* As mknodat(2); `mode` has the type, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR or S_IFBLK. */
struct umfs_ioc_mknod {
	struct umfs_ioc_path path;
	__u32 mode;
	__u32 zero0;
	__u64 rdev;
};

/*
 * Extended attributes, as getxattr(2), setxattr(2), listxattr(2), removexattr(2) and, with
 * UMFS_IOC_NOFOLLOW in `flags`, the same of what may be a symbolic link. `name` has
 * `name_bytes` bytes, 1..255, no NUL needed; 0 of them to list. `value` has room for `bytes`;
 * reading and listing set `bytes` to what there is, and with 0 before copy nothing.
 * UMFS_IOC_XATTR_CREATE and _REPLACE in `flags` are for setting. The calls of the kernel work
 * on descriptors too, and on names in /proc/self/fd; access control lists so on kernels
 * before 6.2 only, and here only for who is in the first user namespace: EOPNOTSUPP. They are
 * kept, and not enforced.
 */
struct umfs_ioc_xattr {
	struct umfs_ioc_path path;
	__u64 name;  /* pointer */
	__u64 value; /* pointer */
	__u32 bytes;
	__u32 name_bytes;
	__u32 flags;
	__u32 zero0;
};
#define UMFS_IOC_XATTR_CREATE 8u
#define UMFS_IOC_XATTR_REPLACE 16u

/*
 * As chmod(2), chown(2), utimensat(2) or truncate(2), by `what`; what belongs to another of
 * them is 0. flags: UMFS_IOC_NOFOLLOW; EOPNOTSUPP: the mode of a symbolic link.
 */
struct umfs_ioc_time {
	__s64 sec;
	__u32 nsec; /* or UTIME_NOW, UTIME_OMIT */
	__u32 zero;
};
struct umfs_ioc_setattr {
	struct umfs_ioc_path path;
	__u32 flags;
	__u32 what; /* one of UMFS_IOC_SET_* */
	__u32 mode;
	__u32 uid, gid; /* in the caller's user namespace; ~0: stays */
	__u32 zero0;
	__u64 size;
	struct umfs_ioc_time atime, mtime;
	__u64 zero[4];
};
#define UMFS_IOC_SET_MODE 1u
#define UMFS_IOC_SET_OWNER 2u
#define UMFS_IOC_SET_TIMES 4u
#define UMFS_IOC_SET_SIZE 8u

/*
 * Where a path leads, for who serves names outside of the pool as well. flags:
 * UMFS_IOC_NOFOLLOW; UMFS_IOC_PARENT: the last name may be missing, then attr.ino is 0.
 * `left` says that the path leaves the pool: UMFS_IOC_LEFT_ABSOLUTE, by the target of a
 * link, or UMFS_IOC_LEFT_ABOVE, by ".." at its root. Then what remains of it is at `rest`,
 * which has room for UMFS_IOC_REST_BYTES, with a NUL; and only `links` is filled in.
 */
struct umfs_ioc_walk {
	struct umfs_ioc_path path;
	__u32 flags;
	__u32 links;	   /* in and out: symbolic links followed; after 40 ELOOP */
	__u64 rest;	   /* pointer */
	__u32 left;	   /* out, as all that follows: 0, or UMFS_IOC_LEFT_* */
	__u32 name_bytes;  /* of the last component; 0: it is ".", ".." or the root */
	__u32 must_be_dir; /* 1: a slash comes after it */
	__u32 zero0;
	struct umfs_ioc_attr attr;
};
#define UMFS_IOC_PARENT 2u
#define UMFS_IOC_LEFT_ABSOLUTE 1u
#define UMFS_IOC_LEFT_ABOVE 2u
#define UMFS_IOC_REST_BYTES 8192u

/*
 * The path of a directory from the pool's root, "/a/b": `done` bytes without a NUL. As
 * with getcwd(2) no rights to what lies above it are asked for. ERANGE: it is longer
 * than `bytes`, or than a mebibyte.
 */
struct umfs_ioc_where {
	struct umfs_ioc_path path;
	__u64 buf;
	__u32 bytes;
	__u32 done; /* out */
};

/*
 * The file that is open for reading as `fd`, of this pool, can be read without a call. mmap of
 * the node, MAP_SHARED, PROT_READ, of UMFS_IOC_SLOTS slots at offset 0, comes before: ENXIO.
 * The answer is that slot's number and its stamp. With `bytes`, a multiple of 4096, so many of
 * the file are mapped for reading, at `addr`, for munmap(2) to undo; it may reach beyond the end.
 *
 * What is mapped is what read(2) would give of the first `size` bytes while `stamp` is the one
 * that was answered, and `seq` is even and the same before and after the copy. The stamp
 * changes whenever a descriptor of the same open file is closed, here or elsewhere: then ask
 * again, since `fd` may be another file. `ino` and `generation` say whether a mapping fits.
 *
 * EBADF: not open, or not for reading; EINVAL: not a regular file of a pool; EXDEV: of another
 * pool; EPERM: threads that do not share all descriptors, or memory that is another
 * process's too; ENFILE: no slot, or open file of the pool, is left; EAGAIN: `fd` was closed or
 * replaced meanwhile; what mmap(2) says.
 */
struct umfs_ioc_share {
	__s32 fd;
	__u32 slot;  /* out */
	__u64 bytes; /* or 0: no mapping */
	__u64 addr;  /* out, as all that follows */
	__u64 stamp;
	__u64 ino;
	__u32 generation;
	__u32 zero0;
	__u64 zero[2];
};
struct umfs_ioc_slot {
	__u64 stamp;
	__u64 seq;
	__u64 size;
	__u64 zero[5];
};
#define UMFS_IOC_SLOTS 1024u

/*
 * The file that is open for reading and writing as `fd`, of this pool, can be written within its
 * size without a call, by who has this lease: `bytes` of it, a multiple of 4096 and not less
 * than its size, are mapped at `addr`, and an undo log at `log`, UMFS_IOC_LOG_BYTES with its
 * head; all for munmap(2) to undo. Of at most UMFS_IOC_LOG_ROOM bytes at a time: the old
 * bytes to the log's at UMFS_IOC_LOG_DATA, and `off` and `len` to its head; then `state` 1; then the
 * new bytes to the mapping; then `state` 0, which commits. Each of these is stored, and with
 * `durable` written back to memory and fenced, before the next. `wrote` is to be 1 before and
 * after, `read` 1 after the file was read from this mapping: they have the file's times changed
 * when somebody looks.
 *
 * A lease ends when anybody reads, changes or cuts the file by a call, or when who has it unmaps
 * any of it. Nothing is where they were then (SIGBUS, for good), and a write that was begun
 * is undone. So what was stored, each of these steps in order, without a fault happened whole,
 * and what met a fault did not happen; nothing more is to be stored by a lease after one.
 * `slot`, `stamp`: as of UMFS_IOC_SHARE; of its slot `seq` is odd while the lease lasts. `size`
 * does not change.
 *
 * As UMFS_IOC_SHARE; and EBADF: not for both, or with O_APPEND; EBUSY: somebody has a lease, or
 * no room now; ENOSPC: no room for more leases in the pool; EFBIG: the file is larger than
 * `bytes`, or than RLIMIT_FSIZE. After a child of fork, mappings are there and may not be touched.
 */
struct umfs_ioc_lease {
	__s32 fd;
	__u32 slot;  /* out */
	__u64 bytes;
	__u64 addr;  /* out, as all that follows */
	__u64 log;
	__u64 stamp;
	__u64 size;
	__u64 ino;
	__u32 generation;
	__u32 durable;
	__u64 zero[2];
};
struct umfs_ioc_log {
	__u64 state;
	__u64 off;
	__u64 len;
	__u64 pad0[5];
	__u64 wrote;
	__u64 read;
	__u64 pad1[6];
};
#define UMFS_IOC_LOG_DATA 4096u
#define UMFS_IOC_LOG_ROOM 65536u
#define UMFS_IOC_LOG_BYTES (UMFS_IOC_LOG_DATA + UMFS_IOC_LOG_ROOM)

#define UMFS_IOC_ABOUT _IOR(UMFS_IOC_TYPE, 0x00, struct umfs_ioc_about)
#define UMFS_IOC_ATTACH _IOW(UMFS_IOC_TYPE, 0x01, struct umfs_ioc_attach)
#define UMFS_IOC_DETACH _IOW(UMFS_IOC_TYPE, 0x02, struct umfs_ioc_detach)
#define UMFS_IOC_LIST _IOWR(UMFS_IOC_TYPE, 0x03, struct umfs_ioc_list)

#define UMFS_IOC_OPEN _IOWR(UMFS_IOC_TYPE, 0x10, struct umfs_ioc_open)
#define UMFS_IOC_STAT _IOWR(UMFS_IOC_TYPE, 0x11, struct umfs_ioc_stat)
#define UMFS_IOC_MKDIR _IOW(UMFS_IOC_TYPE, 0x12, struct umfs_ioc_mkdir)
#define UMFS_IOC_UNLINK _IOW(UMFS_IOC_TYPE, 0x13, struct umfs_ioc_unlink)
#define UMFS_IOC_RENAME _IOW(UMFS_IOC_TYPE, 0x14, struct umfs_ioc_rename)
#define UMFS_IOC_LINK _IOW(UMFS_IOC_TYPE, 0x15, struct umfs_ioc_link)
#define UMFS_IOC_SYMLINK _IOW(UMFS_IOC_TYPE, 0x16, struct umfs_ioc_symlink)
#define UMFS_IOC_READLINK _IOWR(UMFS_IOC_TYPE, 0x17, struct umfs_ioc_readlink)
#define UMFS_IOC_WALK _IOWR(UMFS_IOC_TYPE, 0x18, struct umfs_ioc_walk)
#define UMFS_IOC_WHERE _IOWR(UMFS_IOC_TYPE, 0x19, struct umfs_ioc_where)
#define UMFS_IOC_MKNOD _IOW(UMFS_IOC_TYPE, 0x1a, struct umfs_ioc_mknod)
#define UMFS_IOC_GETXATTR _IOWR(UMFS_IOC_TYPE, 0x1b, struct umfs_ioc_xattr)
#define UMFS_IOC_SETXATTR _IOW(UMFS_IOC_TYPE, 0x1c, struct umfs_ioc_xattr)
#define UMFS_IOC_LISTXATTR _IOWR(UMFS_IOC_TYPE, 0x1d, struct umfs_ioc_xattr)
#define UMFS_IOC_REMOVEXATTR _IOW(UMFS_IOC_TYPE, 0x1e, struct umfs_ioc_xattr)
#define UMFS_IOC_SETATTR _IOW(UMFS_IOC_TYPE, 0x1f, struct umfs_ioc_setattr)
#define UMFS_IOC_SHARE _IOWR(UMFS_IOC_TYPE, 0x20, struct umfs_ioc_share)
#define UMFS_IOC_LEASE _IOWR(UMFS_IOC_TYPE, 0x21, struct umfs_ioc_lease)

#endif
