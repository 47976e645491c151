/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * internal.h - what the parts of libumfs share.
 *
 * Layers, top to bottom; each calls only what is below it:
 *   sym_*.c       the exported symbols: set errno, nothing else
 *   hook_*.c ...  the behaviour of one call on any descriptor or path; -errno
 *   path.c        whose path is it, and what does it name
 *   uinfo.c       whose descriptor is it, and which open file
 *   mount.c ...   pools, credentials, placeholders, signals
 *
 * Rules for everything here, since a host program may enter from anywhere:
 *  L1  The kernel is called through sys*() only, never through a libc symbol
 *      that libumfs replaces.
 *  L2  No malloc, but where the interface itself returns malloc'ed memory.
 *  L3  Whatever runs core or holds a lock of this library lies between
 *      umfs_guard_enter() and umfs_guard_leave(): signal handlers of the host
 *      wait until it is over, so that they can call any hook.
 *  L4  Before the constructor has run all state is zero and means "nothing is
 *      ours".
 */
#ifndef UMFS_LIBUMFS_INTERNAL_H
#define UMFS_LIBUMFS_INTERNAL_H

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/single_threaded.h>
#include <sys/types.h>

#include "image.h"
#include "needed.h"
#include "pool.h"
#include "sys.h"
#include "umfs.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define LOAD(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
/* Volatile: gcc folds its address into the instruction, which it does not for atomic loads. */
#define LOAD_RELAXED(p) (*(const volatile __typeof__(*(p)) *)(p))
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* ---- lock.c: mutexes between the threads of this process ---- */

#define LEASE_LOCKS 8

enum lock { /* in the order they are taken */
	LOCK_LOADS,
	LOCK_MAPS,
	LOCK_DIRS,
	LOCK_ATTACH,
	LOCK_UINFO, /* all changes of U-Info and of the numbers in it */
	LOCK_CRED,
	LOCK_SIGNAL,
	LOCK_HINTS,
	LOCK_LEASE, /* and as many as LEASE_LOCKS: what is written in mappings, share.c; one at a time */
	LOCK_COUNT = LOCK_LEASE + LEASE_LOCKS
};
/* A process or thread was made by clone() that has our memory, of which libc knows nothing. */
extern PORT_HIDDEN bool umfs_memory_shared;
void umfs_local_lock(enum lock which);
bool umfs_local_trylock(enum lock which);
void umfs_local_unlock(enum lock which);
/* Around fork, so that the child has no lock that a thread it lacks holds. */
void umfs_local_lock_all(void);
void umfs_local_unlock_all(void);

/*
 * Around everything that opens or gives back open file descriptions: fork
 * waits until nobody is inside, so that the child's counts of what it has open
 * are whole. Before any of the locks above, which fork takes next; not twice.
 */
void umfs_opens_enter(void);
void umfs_opens_leave(void);
void umfs_opens_stop(void);
void umfs_opens_forked(void); /* in the child, before it goes */
void umfs_opens_go(void);

/* ---- text.c: small text without stdio ---- */

struct text {
	char *buf;
	size_t size, len; /* len < size: always terminated; what does not fit is dropped */
};
void umfs_text_init(struct text *t, char *buf, size_t size);
void umfs_text_add(struct text *t, const char *s);
void umfs_text_dec(struct text *t, uint64_t v);
void umfs_text_hex(struct text *t, uint64_t v);
/* Decimal or hexadecimal number at *p, which moves past it; false: no digit there. */
bool umfs_text_number(const char **p, unsigned base, uint64_t *v);
/* Behind `begin`, where `s` begins with that; or NULL. */
const char *umfs_text_after(const char *s, const char *begin);
void umfs_text_say(const char *a, const char *b, const char *c, const char *d);
uint64_t umfs_text_hash(const void *p, size_t n);

/* ---- config.c: the environment ---- */

#define MOUNTS_MAX 8u
#define DIR_BYTES 4096u

/* What a start stores to comes first, and the names one behind the other: one page of it. */
struct mount {
	uint32_t dir_len;
	uint32_t pool_off; /* in `dir`, behind its end: umfs_pool_path() */
	uint32_t cwd_off; /* kernel's working directory is dir up to here; 0: not above dir */
	uint32_t state; /* enum mount_state */
	int error;	/* MOUNT_FAILED: why */
	uint32_t name_off; /* the last component of dir */
	bool dir_there, parent_there; /* existed when the configuration was read */
	uint64_t dir_dev, dir_ino;
	uint64_t parent_dev, parent_ino;
	bool mounted; /* the kernel's mount of the pool is there, too: table.c */
	bool module; /* the kernel module has the pool, which is not mapped here: module.c */
	int node; /* MOUNT_MODULE: the descriptor by which the module is asked: D4 in module.c */
	uint64_t node_dev, node_ino; /* of what it is */
	const void *slots; /* of files that are read without a call: share.c; of this node */
	bool lent; /* a child of posix_spawn changed node and state, which were these: */
	int lent_node;
	uint32_t lent_state;
	bool used; /* `pool` is not zero any more */
	bool apart; /* a child of fork that had no part in its parent's: process.c */
	bool spawned; /* attached by such a child, which has the pool's descriptor */
	uint64_t dev; /* st_dev of its files */
	char dir[2 * DIR_BYTES]; /* absolute, lexically clean, no trailing slash */
	struct pool pool __attribute__((aligned(4096))); /* what an attach stores to begins a page */
};
static inline const char *umfs_pool_path(const struct mount *m)
{
	return m->dir + m->pool_off;
}
enum mount_state { MOUNT_IDLE = 0, MOUNT_LIVE, MOUNT_FAILED, MOUNT_MODULE /* live, and `module` */ };

struct config {
	uint32_t mount_count;
	uint32_t kernel_count; /* of umfs_kernel_mounts */
	bool modules;	      /* some of the pools are the kernel module's */
	uint32_t mode;	      /* enum umfs_mode; 0: as the pool is */
	enum umfs_atime atime;
	bool redirect; /* libc's entries, where that can be had */
	bool report, report_json;
	const char *report_path; /* NULL: stderr */
	char wrong[256]; /* a variable that can not be understood; no pool is attached */
};
extern PORT_HIDDEN struct config umfs_config;
extern PORT_HIDDEN struct mount umfs_mounts[MOUNTS_MAX];
/* Of type umfs: all is the kernel's there, but for reads and writes in mappings. No `dir`. */
extern PORT_HIDDEN struct mount umfs_kernel_mounts[MOUNTS_MAX];

/* What is mounted, where the environment says nothing (table.c). */
void umfs_table_init(void);
/* Read the environment once; envp as a program gets it. */
void umfs_config_init(char **envp);
/* Else nothing is ours. */
static inline bool umfs_active(void)
{
	return (umfs_config.mount_count | umfs_config.kernel_count) != 0;
}
/* Of all that may keep a descriptor; NULL: there are not so many. */
static inline struct mount *umfs_mount_number(uint32_t i)
{
	if (i < umfs_config.mount_count)
		return &umfs_mounts[i];
	i -= umfs_config.mount_count;
	return i < umfs_config.kernel_count ? &umfs_kernel_mounts[i] : NULL;
}

/* ---- mount.c ---- */

/* Attach at first use. 0 or -EIO (then said on stderr, once); of the module's pools any error. */
int umfs_mount_get(struct mount *m);
/* Attach as the heir of an image before this one: true when that was to be had. */
bool umfs_mount_inherit(struct mount *m, const struct pool_heir *heir);
/* Which mount `path` lies in by its text alone, and what remains; NULL: none. */
struct mount *umfs_mount_match(const char *path, const char **rest);
/* As umfs_mount_match for a path relative to the kernel's working directory. */
struct mount *umfs_mount_match_relative(const char *path, const char **rest);
/* The kernel's working directory changed: learn which mounts lie below it. Has it a name? */
bool umfs_mount_cwd_changed(void);
struct mount *umfs_mount_by_dev(uint64_t dev);
/* `rest` of a path was entered at m: the mount in the depth of it that it leads to, and its rest. */
struct mount *umfs_mount_inner(struct mount *m, const char **rest);
static inline struct umfs *umfs_mount_fs(struct mount *m)
{
	return &m->pool.fs;
}
static inline struct mount *umfs_mount_of(const struct umfs *fs)
{
	return (struct mount *)((uintptr_t)fs - offsetof(struct mount, pool) -
				offsetof(struct pool, fs));
}
/* As pool_memory_next(), of all pools. */
bool umfs_mount_memory(uint64_t from, uint64_t to, uint64_t *start, uint64_t *end);
/* A child of posix_spawn is gone. What it attached in our memory stays, but for descriptors. */
void umfs_mount_spawned(void);
/* Leave all pools if this process holds nothing open in them. */
void umfs_mount_leave(void);

/* ---- hint.c: F_GET_RW_HINT, F_SET_RW_HINT ---- */

struct umfs_file;
long umfs_hint_get(const struct umfs_file *f, long arg);
long umfs_hint_set(const struct umfs_file *f, long arg);

/* ---- place.c: placeholders and descriptors that the program may not close ---- */

/* A new lowest descriptor that holds a number for a file of ours: number or -errno. */
int umfs_place_new(int min, bool cloexec);
/* The same, as a duplicate of the descriptor that holds `fd`. */
int umfs_place_dup(int fd, int min, bool cloexec);
/* Duplicate a descriptor of the kernel's to a high, close-on-exec number. */
int umfs_place_high(int fd);
/* A descriptor of /dev/null, made when first asked for: number or -errno. */
int umfs_place_null(void);
bool umfs_place_protected_slow(int fd);
static inline bool umfs_place_protected(int fd)
{
	return unlikely(port_may_keep(fd)) && umfs_place_protected_slow(fd);
}
/* First protected descriptor >= fd, or INT_MAX. */
int umfs_place_protected_next(int fd);
/* Make and enter a directory that nobody can reach, named after where we really are. */
int umfs_place_limbo(uint64_t dev, uint32_t ino, uint32_t generation);
/* Is the kernel's working directory such a place? */
bool umfs_place_in_limbo(uint64_t *dev, uint32_t *ino, uint32_t *generation);

/* ---- hook_lock.c: file locks ---- */

/* How many descriptors of ours keep POSIX locks; the rest asks only when there are any. */
extern PORT_HIDDEN uint32_t umfs_lock_keepers;
bool umfs_lock_keeps(int fd);
/* First of them >= from, or INT_MAX. */
int umfs_lock_keeps_next(int from);
/* A descriptor of f's inode was closed. */
void umfs_lock_closed(const struct umfs_file *f);
/* Before another process gets a share in what is open here; LOCK_UINFO not held. */
void umfs_lock_share_all(void);
/*
 * exec: let those of a pool pass whose locks would; LOCK_UINFO held. Afterwards,
 * where this image goes on, umfs_lock_pass_not. The new one, once it has its
 * descriptors and LOCK_UINFO, takes each.
 */
void umfs_lock_pass(const struct umfs *fs, void (*each)(void *arg, int fd, uint32_t ino), void *arg);
void umfs_lock_pass_not(void);
void umfs_lock_inherit(struct umfs *fs, uint32_t ino, int fd);

/* ---- load.c: libraries that lie in a pool ---- */

/* First descriptor >= from that keeps one, or INT_MAX. */
int umfs_load_keeps_next(int from);

/* ---- uinfo.c: descriptors ---- */

/* RESERVED: held for a file that is still being opened, or a spare; to the program it is not open. */
enum uinfo_kind { UINFO_NONE = 0, UINFO_RESERVED, UINFO_FILE, UINFO_DIR, UINFO_PATH };

#define UINFO_MAY_READ 1
#define UINFO_MAY_WRITE 2
/* O_ACCMODE itself asks for the rights to do both and gives a descriptor that does neither. */
static inline bool umfs_flags_read(uint32_t flags)
{
	return !(flags & O_WRONLY);
}
static inline bool umfs_flags_write(uint32_t flags)
{
	return (flags + 1) & O_RDWR;
}

struct uinfo {
	uint32_t seq; /* odd while the rest changes */
	uint8_t kind; /* enum uinfo_kind */
	uint8_t cloexec;
	uint8_t may; /* UINFO_MAY_*: what a regular file was opened for */
	uint8_t shadow; /* the number is of the inode's shadow: see hook_lock.c */
	struct umfs_file file;
	struct umfs_view view; /* of a file that may be read; see U4 in uinfo.c */
} __attribute__((aligned(64)));

extern PORT_HIDDEN struct uinfo *umfs_uinfo_table;
extern PORT_HIDDEN uint32_t umfs_uinfo_count; /* 0 until the first file of ours is opened */
extern PORT_HIDDEN uint32_t *umfs_uinfo_parents; /* directory in which it was opened, or what was before; 0 */
extern PORT_HIDDEN int umfs_uinfo_top; /* no entry at or above it was ever used */

/*
 * The open file behind fd, copied so that it is of one piece; UINFO_NONE: the
 * kernel's. What was copied stays harmless when the descriptor is closed or
 * reused meanwhile: core checks it again.
 */
enum uinfo_kind umfs_uinfo_read_slow(int fd, struct umfs_file *f);
enum uinfo_kind umfs_uinfo_read_reserved(int fd);
static inline enum uinfo_kind umfs_uinfo_read(int fd, struct umfs_file *f)
{
	const struct uinfo *u;
	uint32_t seq;
	uint8_t kind;

	if (likely((uint32_t)fd >= LOAD_RELAXED(&umfs_uinfo_count)))
		return UINFO_NONE;
	u = &umfs_uinfo_table[fd];
	seq = LOAD(&u->seq);
	kind = LOAD_RELAXED(&u->kind);
	if (kind <= UINFO_RESERVED && !(seq & 1))
		return unlikely(kind) ? umfs_uinfo_read_reserved(fd) : UINFO_NONE;
	*f = u->file;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (unlikely((seq & 1) || LOAD_RELAXED(&u->seq) != seq))
		return umfs_uinfo_read_slow(fd, f);
	return (enum uinfo_kind)kind;
}
static inline bool umfs_uinfo_is_open(int fd)
{
	struct umfs_file f;

	return umfs_uinfo_read(fd, &f) != UINFO_NONE;
}
/* Hot hooks ask this first, so that a call of the kernel's needs no frame. */
static inline bool umfs_uinfo_ours(int fd)
{
	return (uint32_t)fd < LOAD_RELAXED(&umfs_uinfo_count) &&
	       LOAD_RELAXED(&umfs_uinfo_table[fd].kind) != UINFO_NONE;
}
/*
 * The same for the hot calls, when umfs_uinfo_ours(fd) was true: false also
 * for whatever is out of the ordinary.
 */
static inline bool umfs_uinfo_quick(int fd, uint8_t want, struct umfs_file *f)
{
	const struct uinfo *u = &umfs_uinfo_table[fd];
	uint32_t seq = LOAD(&u->seq);
	uint8_t may = LOAD_RELAXED(&u->may);

	*f = u->file;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return likely((may & want) && !((seq & 1) | (LOAD_RELAXED(&u->seq) ^ seq)));
}
/* Keep a view of the file behind fd for the reads to come, if nobody is in the way. */
void umfs_uinfo_view(int fd);
/* What was kept, of one piece, of f what a view needs. False: nothing, or it changes just now. */
static inline bool umfs_uinfo_view_get(int fd, struct umfs_file *f, struct umfs_view *v)
{
	const struct uinfo *u = &umfs_uinfo_table[fd];
	uint32_t seq = LOAD(&u->seq);

	v->seq = LOAD(&u->view.seq);
	v->size = LOAD_RELAXED(&u->view.size);
	v->table = LOAD_RELAXED(&u->view.table);
	f->fs = u->file.fs;
	f->inode = u->file.inode;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return v->seq && LOAD_RELAXED(&u->seq) == seq;
}
int umfs_uinfo_init(void);
static inline uint32_t umfs_uinfo_parent(int fd)
{
	return LOAD_RELAXED(&umfs_uinfo_parents[fd]);
}
static inline void umfs_uinfo_parent_set(int fd, uint32_t dir)
{
	__atomic_store_n(&umfs_uinfo_parents[fd], dir, __ATOMIC_RELAXED);
}
/* Under LOCK_UINFO: */
void umfs_uinfo_set(int fd, enum uinfo_kind kind, const struct umfs_file *f, bool cloexec);
/*
 * Takes the entry away: what it was. Where that is an open file the caller
 * gives f->ofd back after unlocking (umfs_uinfo_put).
 */
enum uinfo_kind umfs_uinfo_clear(int fd, struct umfs_file *f);
/* The same of an open file, and its number stays reserved. */
enum uinfo_kind umfs_uinfo_withdraw(int fd, struct umfs_file *f);
static inline void umfs_uinfo_put(enum uinfo_kind was, const struct umfs_file *f)
{
	if (was <= UINFO_RESERVED)
		return;
	if (unlikely(LOAD_RELAXED(&umfs_lock_keepers)) && was != UINFO_PATH)
		umfs_lock_closed(f);
	umfs_ofd_put(f->fs, f->ofd);
}
/* Any descriptor that exec would pass on? */
bool umfs_uinfo_inheritable(void);
uint32_t umfs_uinfo_open_count(void);
/* The working directory, when it is ours, has an entry of its own behind the last number. */
enum uinfo_kind umfs_uinfo_cwd(struct umfs_file *f);
void umfs_uinfo_cwd_set(const struct umfs_file *f); /* NULL: the kernel's; takes the lock */
void umfs_uinfo_cwd_drop(void); /* the entry alone, whose file is not this process's; under the lock */

/* ---- spare.c: the number of the file closed last, for the next ---- */

extern PORT_HIDDEN int umfs_spare_fd; /* 0: none */
extern PORT_HIDDEN int umfs_spare_floor; /* all numbers below it are in use, the spare among them */
/* The program closes descriptors of the kernel's. A store and nothing else, for closes that are not ours. */
static inline void umfs_spare_unsure(void)
{
	*(volatile int *)&umfs_spare_floor = 0;
}
/* Before anything that makes descriptors, passes them on or looks at all of them. */
void umfs_spare_drop_slow(void);
static inline void umfs_spare_drop(void)
{
	if (unlikely(LOAD_RELAXED(&umfs_spare_fd)))
		umfs_spare_drop_slow();
}
/* The program asks for fd, which is not open: the kernel is to say so. */
void umfs_spare_asked(int fd);
/* Under LOCK_UINFO: */
/* Instead of clearing the entry of fd and closing that; false: do these. */
bool umfs_spare_put(int fd, struct umfs_file *f, enum uinfo_kind *was);
/* The number for a file to open, if it is there; -1. */
int umfs_spare_take(bool cloexec);
/* The kernel gave this one, as the lowest; it is closed. */
void umfs_spare_given(int fd);
void umfs_spare_freed(int fd);

/* ---- cred.c ---- */

void umfs_cred_get(struct umfs_cred *cred);
/* As access(2) wants it: real ids. */
void umfs_cred_real(struct umfs_cred *cred);
void umfs_cred_changed(void);
uint32_t umfs_cred_umask(uint32_t mask);
void umfs_cred_init(void);

/* A pool was attached: tell it who asks. */
void umfs_cred_tell(struct mount *m);

/* ---- limit.c: RLIMIT_FSIZE; outside the guard ---- */

void umfs_limit_tell(struct mount *m);
void umfs_limit_changed(void);
/* Core answered EFBIG to what would have ended there, at least: SIGXFSZ if that is past the limit. */
void umfs_limit_hit(uint64_t end);

/* ---- maps.c ---- */

extern PORT_HIDDEN uint32_t umfs_maps_count; /* 0: no file of ours is mapped */
/* This process moved the end of a file: what it has mapped behind it is gone. */
void umfs_maps_cut(struct umfs *fs, umfs_node node, uint64_t size);
/* SIGBUS at addr: true when there is memory now, since the file has grown to there. */
bool umfs_maps_fault(uintptr_t addr);
void umfs_maps_end(void);
/* In a child of fork that got no slot, before another thread is there: SIGBUS. */
void umfs_maps_lost(struct umfs *fs);

/* ---- signal.c: see L3 ---- */

struct guard {
	uint32_t busy;	  /* depth */
	uint32_t nocancel; /* depth of calls of libc that are no cancellation points */
	uint32_t spawning; /* libc makes a process that shares our memory: see inner.c */
	struct heirs *spawn_heirs; /* and what passes on to it */
	uint32_t spawn_moved; /* it went to another directory */
	uint32_t pending; /* a signal waits in info, all are blocked in the kernel */
	uint64_t mask;	  /* to restore then */
	uint64_t blocked; /* SIGSEGV and SIGBUS bits that the host believes blocked */
	siginfo_t info;
};
extern __thread struct guard umfs_guard_self __attribute__((tls_model("initial-exec")));
void umfs_guard_flush(void);

/* process.c: zero behind it in a process that was made past us; it then loses the pools. */
extern PORT_HIDDEN const uint32_t *umfs_process_known;
void umfs_process_know(void); /* from now on; under LOCK_ATTACH, when a pool is attached */
void umfs_process_unknown(void);
static inline void umfs_process_look(void)
{
	if (unlikely(!LOAD_RELAXED(LOAD_RELAXED(&umfs_process_known))))
		umfs_process_unknown();
}

static inline void umfs_guard_enter(void)
{
	umfs_process_look();
	umfs_guard_self.busy++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
static inline void umfs_guard_leave(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (--umfs_guard_self.busy == 0) {
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (unlikely(umfs_guard_self.pending))
			umfs_guard_flush();
	}
}
/* The fault handlers; before anything of the host is touched through guarded copies. */
void umfs_signal_install(void);

/* ---- path.c ---- */

void umfs_path_forked(void);

/* ---- process.c ---- */

/* No other thread runs in this process. */
bool umfs_process_alone(void);
void umfs_process_init(void);
/* Before clone() with these flags, where the child may have this one's memory. */
void umfs_process_cloned(uint64_t flags);
/* Around whatever makes a process with a copy of this one's memory. */
void umfs_process_fork(void);
void umfs_process_forked_parent(void);
void umfs_process_forked_child(void);
/*
 * Before the process gives up rights, or the view of the kernel's files that it has: pools
 * that its parent had attached are, whatever fork put off.
 */
void umfs_process_settle(void);

/* ---- cancel.c ---- */

/* A system call that is a cancellation point of POSIX, as libc makes it. */
long umfs_cancel_call_threads(long nr, long a, long b, long c, long d, long e, long f);
void umfs_cancel_test_now(void);
/* Any thread of this process was ever cancelled. */
extern PORT_HIDDEN uint32_t umfs_cancel_asked;
static inline long umfs_cancel_call(long nr, long a, long b, long c, long d, long e, long f)
{
	if (likely(__libc_single_threaded))
		return sys6(nr, a, b, c, d, e, f);
	return umfs_cancel_call_threads(nr, a, b, c, d, e, f);
}
/* A call on a descriptor of ours never blocks; it is a cancellation point at its start. */
static inline void umfs_cancel_test(void)
{
	if (unlikely(LOAD_RELAXED(&umfs_cancel_asked)))
		umfs_cancel_test_now();
}

/* ---- pass.c: for those who are not served ---- */

/*
 * What number `fd` of ours is open for, as a close-on-exec descriptor of the mount's;
 * `who`: __func__ of the hook, for the report. -ENOTSUP: there is no mount that serves it.
 */
long umfs_pass_open(int fd, const char *who);
/* The same of an open file; any error. */
long umfs_pass_open_file(const struct umfs_file *f, const char *who, bool cloexec);
/* The same of a directory, or -ENOTDIR; `path_only`: with O_PATH. */
long umfs_pass_open_dir(const struct umfs_file *f, bool path_only, const char *who);
/* A FIFO, opened by the mount, where there is one; -errno of that. */
long umfs_pass_open_node(struct mount *m, umfs_node node, int flags);

/* ---- preload.c: libumfs in LD_PRELOAD ---- */

struct without {
	char **envp; /* NULL: none was made */
	size_t bytes;
};
bool umfs_preload_names_us(char *const envp[]);
/* That environment without libumfs among the libraries, the rest as it is: 0 or -ENOMEM. */
long umfs_preload_without(char *const envp[], struct without *w);
void umfs_preload_drop(struct without *w);

/* ---- ring.c: io_uring ---- */

extern PORT_HIDDEN bool umfs_ring_on; /* what is opened becomes the mount's */
bool umfs_ring_possible(void);
/* Not open as ours any more, since it is the mount's: the kernel is to do the call. */
static inline bool umfs_ring_took(int fd)
{
	return LOAD(&umfs_ring_on) && !umfs_uinfo_ours(fd);
}
/* Before a ring is made: 0, or why there is none, mostly -ENOSYS. */
long umfs_ring_begin(void);
/*
 * A ring of another process's may be among the descriptors: a pool was attached; an image
 * took over what the one before left.
 */
void umfs_ring_look(void);
void umfs_ring_inherited(void);
void umfs_ring_forked(void); /* in the child */
/* A file was opened at `fd`: the number that it has by the mount, or -errno and it is closed. */
long umfs_ring_opened(int fd);

/* ---- inherit.c: descriptors of ours that pass exec ---- */

#define HEIRS_MOVED_MAX 64u

struct passed {
	int fd;
	int mount; /* the same file by the mount */
	int old;   /* what held the number */
	uint32_t ofd;
	const struct umfs *fs;
};

struct heirs {
	struct pool_heir pool[MOUNTS_MAX];
	bool made[MOUNTS_MAX];
	char **envp; /* the new image's environment, but see umfs_heirs_environment() */
	struct without without; /* for a program of another libc */
	struct passing passing; /* for one that lies in a pool */
	bool known; /* the new image loads libumfs, which will know what it gets */
	char *memory;
	size_t memory_bytes;
	struct passed *passed; /* numbers that are the mount's until exec fails */
	uint32_t passed_count;
	/* Of a child of libc's posix_spawn: written by it, in our memory. */
	bool late;  /* what passes is found out when it execs */
	bool given; /* the descriptions are shared with the new slots */
	size_t vars;
	struct text text;
	uint32_t moved_count; /* numbers that it changed; more than the array holds: too many */
	struct {
		int fd, from; /* from: the parent's number that it is the same as, or -1 */
	} moved[HEIRS_MOVED_MAX];
};
/*
 * Before an image is made with that environment. -ENOTSUP: it would not load
 * libumfs, and there is no mount to give it descriptors of. Afterwards one of the
 * others: there was none; or one in another process; neither after a successful exec.
 */
long umfs_heirs_make(struct heirs *h, int dirfd, const char *path, char *const envp[], int flags);
/*
 * For an image in another process, which shares what this one has open: `path`, or "" where
 * that is not known. `actions`: the child will change descriptors before it execs, and tells
 * by umfs_heirs_moved(); -1: a number of none of ours. umfs_heirs_spawned() just before its
 * exec, where libc's entries are redirected.
 */
long umfs_heirs_make_beside(struct heirs *h, const char *path, char *const envp[], bool actions);
void umfs_heirs_moved(int fd, int from);
long umfs_heirs_spawned(struct heirs *h, int dirfd, const char *path, int flags);
/* What the image gets; the memory is of h's. */
char **umfs_heirs_environment(const struct heirs *h);
void umfs_heirs_drop(struct heirs *h);
void umfs_heirs_pass(struct heirs *h);
/* The image is a program in a pool, given by the descriptor of its copy. */
void umfs_heirs_program(struct heirs *h, const char *path, int fd);
/* Take what the image before this one left, and that out of the environment. */
void umfs_inherit_init(char **envp);

/* ---- redirect.c ---- */

/* Let libc's own entries lead here too. NULL: done; else why not, and nothing was touched. */
const char *umfs_redirect_init(void);
extern PORT_HIDDEN const char *umfs_redirect_refusal; /* what it returned */
/* libc's own code comes here: its streams of files and directories work as they are. */
static inline bool umfs_redirected(void)
{
	return umfs_active() && !umfs_redirect_refusal;
}

/* ---- report.c ---- */

#include "report.h"

/* ---- init.c ---- */


/* The next function of that name after ours: for what only libc can do. Never NULL. */
void *umfs_libc(const char *name);

/* For hooks that take a path: does what the constructor does if it has not run yet. */
void umfs_init_late(void);
extern PORT_HIDDEN uint32_t umfs_init_done;
static inline bool umfs_ready(void)
{
	if (unlikely(!LOAD(&umfs_init_done)))
		umfs_init_late();
	return umfs_active();
}

#endif
