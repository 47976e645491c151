/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool.h - a pool file or devdax device opened and mapped by this process.
 *
 * Used by libumfs and the tools. Raw system calls only, no malloc.
 */
#ifndef UMFS_PORT_POOL_H
#define UMFS_PORT_POOL_H

#include "umfs.h"
#include "variable.h"

/*
 * The port's part of an attached pool; struct umfs's `port` points here. What every process
 * touches comes first: of a page that is not touched there is no page fault, nor a copy after fork.
 */
struct pool {
	int fd;		/* the pool, moved to a high number, O_CLOEXEC */
	uint32_t flags; /* POOL_* */
	uint64_t dev, inode_no; /* which file it is */
	uint64_t file_bytes;
	uint64_t map_bytes; /* of address space; what lies behind fs.bytes must not be touched */
	uint64_t near; /* an address below which it may be mapped, or 0 */
	uint64_t sparse_bytes; /* of a file that has fewer than its size says; at the beginning */
	uint64_t page_bytes; /* what a mapping of it is a multiple of */
	bool is_device;	     /* devdax: backed as a whole */
	bool is_synced;	     /* mapped so that write-back of lines is enough (MAP_SYNC, devdax) */
	uint32_t collapse_fails; /* huge pages refused in a row; see back.c */
	uint32_t desc_lock; /* see slots.c */
	uint32_t heir_thread; /* the thread that wants to keep the next slot's descriptor: heir.c */
	int heir_fd;
	int attach_fd;	    /* description that holds the attach lock, or -1 */
	void *shadow_page; /* mapping that keeps the lock that says where shadows are, or NULL */
	void *shadow_use; /* the same for the lock that says that their directory is in use */
	uint64_t shadow_dev, shadow_ino; /* that directory */
	void *tables; /* anonymous memory of fs.irec_refs and fs.ofd_refs */
	uint64_t tables_bytes;
	const char *name; /* absolute; empty when it was too long */
	void *slot_page[UMFS_SLOTS_MAX]; /* mapping that keeps a slot's lock, or NULL */
	struct umfs fs __attribute__((aligned(64)));
	void *claim_page[UMFS_SLOTS_MAX]; /* the same for slots being recovered */
	char path[4096]; /* what it mostly is */
};

/*
 * Which descriptors may be kept for a pool, for who holds a program off them: none below
 * `low`, which numbers once kept go on to count for.
 */
struct port_kept {
	int low;
	uint32_t any; /* so many reasons there are to look at each number all the same */
};
extern PORT_HIDDEN struct port_kept port_kept;
void port_keep_number(int fd);
static inline bool port_may_keep(int fd)
{
	return fd >= __atomic_load_n(&port_kept.low, __ATOMIC_RELAXED) ||
	       __builtin_expect(__atomic_load_n(&port_kept.any, __ATOMIC_RELAXED), 0);
}

/* Private copy-on-write mapping: nothing reaches the pool. (devdax: mapped without write rights.) */
#define POOL_READONLY 1u
/* A block device too: for tools that made sure that nobody else uses it, the kernel included. */
#define POOL_BLOCK 2u
/* *p is zero already, and `path` stays as long as it: nothing is touched without need. */
#define POOL_ZERO 4u

/*
 * Open, check and map the pool at `path` into *p (zeroed first if need be); not attached yet.
 * -EINVAL not a pool, -EPROTONOSUPPORT later format, -ENOTSUP a later one that
 * can be opened with POOL_READONLY only, -ENOSPC cut short,
 * -EUCLEAN damaged, or open's and mmap's errors. Says with *from_backup that
 * only the backup superblock was good.
 */
int pool_open(struct pool *p, const char *path, uint32_t flags, bool *from_backup);
/*
 * The mapping alone, without a look at what is in it: for mkfs, and for images
 * too damaged to open. p->fs is ready for umfs_super_load.
 */
int pool_map(struct pool *p, const char *path, uint32_t flags);
/*
 * The pool's UUID, as an attribute of the root of its mount: whoever finds the mount can
 * tell that the file it names is the pool that is mounted.
 */
#define UMFS_XATTR_POOL "umfs.pool"

/*
 * For whoever looks at what is stored, flushed and fenced; before a pool is opened. Each
 * pool that is from then on is taken for one that needs write-back, whatever its superblock
 * says. Ordinary stores only: nothing bypasses the cache.
 */
void pool_all_persistent(void);
void pool_stream_never(void);

/* pool_open, then umfs_attach in `mode`. */
int pool_attach(struct pool *p, const char *path, uint32_t mode);
/* The same with POOL_ZERO; below address `near` there is room, or (0) that is not known. */
int pool_attach_zero(struct pool *p, const char *path, uint32_t mode, uintptr_t near);
/* Detach when attached, unmap, close. */
void pool_close(struct pool *p);
/*
 * Detach and close, and stay mapped, so that what reads through the mapping just now
 * can go on; then pool_resume() as pool_attach(), or pool_close().
 */
void pool_pause(struct pool *p);
int pool_resume(struct pool *p, const char *path, uint32_t mode);
/* Attached by another process in this memory, whose descriptors are not this one's: get its own. */
void pool_regain(struct pool *p);
/* One line for people: what went wrong with `path`, from a negative errno of the above. */
const char *pool_strerror(int err);

/*
 * Around fork. pool_fork_prepare takes the child's slot and lets its mapping
 * pass; then exactly one of: pool_fork_parent (child = false when fork failed)
 * in the parent, pool_fork_child in the child (which reopens its own pool
 * descriptor), after port_thread_forget().
 *
 * A slot costs tens of system calls until the child has left it again, and most children
 * go on to exec. `idle`: this process has nothing open in the pool that the child were to
 * share. Then, where f->apart says so, the child gets none: the pool is there as after
 * pool_pause(), but for its descriptor. (Not where record locks were used, whose shadows the child is to keep.)
 */
struct pool_fork {
	bool apart;
	uint32_t slot, incarnation;
};
int pool_fork_prepare(struct pool *p, bool idle, struct pool_fork *f);
/* The next port_thread() of this thread asks again: it is another one after fork. */
void port_thread_forget(void);
void pool_fork_parent(struct pool *p, const struct pool_fork *f, bool forked);
int pool_fork_child(struct pool *p, const struct pool_fork *f);

/*
 * Around exec. pool_heir_make takes a slot for the new image, whose proof of life
 * is the open descriptor h->fd: it is close-on-exec until the caller says
 * otherwise, and so is h->shadow_fd. pool_heir_drop when there is no new image after all;
 * pool_heir_pass when another process has the descriptor too (posix_spawn). The
 * new image calls pool_inherit in place of pool_attach; it closes h->fd. When it has its
 * shadows, pool_shadow_kept() closes the other.
 * -ESTALE: this is not, or no more, to be had.
 */
struct pool_heir {
	uint32_t slot, incarnation;
	int fd;
	int shadow_fd; /* keeps the shadows' directory in use; -1: this process does not use it */
};
int pool_heir_make(struct pool *p, struct pool_heir *h);
void pool_heir_drop(struct pool *p, const struct pool_heir *h);
void pool_heir_pass(struct pool *p, const struct pool_heir *h);
int pool_inherit(struct pool *p, const char *path, const struct pool_heir *h);

/*
 * Pages of the pool for the program itself. pool_pages_open: a descriptor to map
 * them through, which the caller closes; without `writable` such a mapping can
 * never be written. pool_pages_map: n bytes from offset `off` of the pool, flags as
 * mmap(2). pool_pages_nowhere: memory whose touch is SIGBUS (on a device: SIGSEGV).
 * All: the result of the system call.
 */
int pool_pages_open(const struct pool *p, bool writable);
long pool_pages_map(int fd, uint64_t at, uint64_t n, int prot, int flags, uint64_t off);
long pool_pages_nowhere(const struct pool *p, uint64_t at, uint64_t n, int prot, int flags,
			bool writable);
/*
 * The first part of [from, to) of this process's memory that the pool lies in, or that keeps
 * the locks that say that this process is alive. False: there is none.
 */
bool pool_memory_next(const struct pool *p, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end);

/*
 * False when [off, off + n) is a hole and so reads as zeros. Tools ask first:
 * touching a hole through a mapping, even a private one, gives it memory.
 */
bool pool_has_data(const struct pool *p, uint64_t off, uint64_t n);

/*
 * Shadows: the files that locks on files of the pool are taken on. A new open file
 * description of inode `ino`'s: a close-on-exec descriptor, or -errno; `access` is
 * O_RDONLY, O_WRONLY or O_RDWR. Attached only; not from two threads at once.
 */
int pool_shadow_open(struct pool *p, uint32_t ino, int access);
/* Is descriptor `fd` of that shadow? */
bool pool_shadow_is(struct pool *p, uint32_t ino, int fd);
/*
 * A close-on-exec descriptor that keeps the directory they are in, or -errno; and its end
 * in an image that it has come to, where that number still is it.
 */
int pool_shadow_keep(struct pool *p);
void pool_shadow_kept(struct pool *p, int fd);
/*
 * After attaching, with what pool_shadow_epoch() said before: the first one removes
 * what the last of the epoch before could not. After detaching: the last one does.
 */
uint32_t pool_shadow_epoch(struct pool *p, bool *clean);
void pool_shadow_begin(struct pool *p, uint32_t epoch, bool clean);
void pool_shadow_leave(struct pool *p);

/* This thread works for somebody who has CAP_FSETID or not, until it says otherwise. */
void pool_keep_setid(bool keeps);

/*
 * Names below the root of a mount of the pool (pass.c): of the directory that the others
 * lie in, of an open file description (index, key and the position that the opener begins at), of an
 * inode (node, 0 and 0).
 */
#define POOL_PASS_PREFIX ".umfs-pass-"
#define POOL_PASS_OFD 'f'
#define POOL_PASS_NODE 'n'
#define POOL_PASS_BYTES 88u /* room for any of them */
struct pool_pass {
	char kind;
	uint64_t a, b, pos;
};
void pool_pass_dir(const struct pool *p, char *to);
void pool_pass_name(const struct pool *p, const struct pool_pass *what, char *to);
/* False: none of ours, or made by who does not know the pool. */
bool pool_pass_parse(const struct pool *p, const char *name, struct pool_pass *what);

/* Is a process attached or attaching? 1, 0 or -errno. Nothing is kept locked. */
int pool_in_use(struct pool *p);
/* Does somebody have that slot, or clean it up? 1, 0 or -errno. */
int pool_slot_alive(struct pool *p, uint32_t slot);

/*
 * Set, never cleared: this process is in a sandbox that may end who makes a system call
 * that it does not expect. Memory under the pool then comes as it is touched, and is not
 * given back; waiting is done without the kernel.
 */
extern PORT_HIDDEN uint32_t port_quiet;

/*
 * Fault handling of the guarded copies (port_copy_in/out): when a SIGSEGV or
 * SIGBUS handler is entered at instruction address `pc` with fault address
 * `addr`, this returns the address to go on at, or 0 when the fault is not ours.
 */
uintptr_t port_fault_fixup(uintptr_t pc, uintptr_t addr);
/* A guarded copy of one word, in one step, if it is `was` there: 0 also when not, or -EFAULT. */
int port_swap_out(uint64_t *user, uint64_t was, uint64_t now);
/* Does addr lie in a mapped pool? */
bool port_fault_in_pool(uintptr_t addr);
/*
 * For a fault in a pool outside the guarded copies (the file was cut short, or
 * its file system is full under a page that was not backed): puts private zero
 * pages under the 2 MiB around addr, so that the faulting instruction can go
 * on. What is stored there from then on is lost, so the pool must not be used
 * any more: the caller sets fs->broken. False when addr is in no pool.
 */
bool port_fault_contain(uintptr_t addr);

/* Pages that the pool file's file system still gives, in whole units; UINT64_MAX: no limit known. */
uint64_t pool_backing_pages(const struct pool *p);
/* Of the free pages of umfs_statfs(), those that can be had: the smaller of pool and backing. */
uint64_t pool_pages_available(const struct pool *p, const struct umfs_statfs *st);

#endif
