// SPDX-License-Identifier: BSD-3-Clause
/*
 * sym_aio.c - exported symbols: liburing's ways to make a ring.
 *
 * It makes its system calls itself. (libaio makes them by syscall(), which we
 * replace.) What it has no name for today, it has of what is here: all of its
 * ways to a ring end in these. They return the error and leave errno alone.
 */
#include <dlfcn.h>

#include "sym.h"

struct io_uring;
struct io_uring_params;
struct io_uring_probe;

/* liburing's own, which makes the ring; it may have come later, for a library that uses it. */
static void *real(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name), *uring;

	if (f)
		return f;
	uring = dlopen("liburing.so.2", RTLD_LAZY | RTLD_NOLOAD);
	return uring ? dlsym(uring, name) : NULL;
}

/* Where there may be one: see ring.c. */
#define OR_REAL(name, type, args)                                                         \
	do {                                                                              \
		long err_ = umfs_ready() ? umfs_ring_begin() : 0;                         \
		type f_ = err_ ? NULL : (type)real(#name);                                \
		return f_ ? f_ args : (int)(err_ ? err_ : -ENOSYS);                       \
	} while (0)

SYM(int, io_uring_setup, (unsigned entries, struct io_uring_params *p))
{
	if (umfs_ready())
		return (int)umfs_hook_io_uring_setup(entries, p);
	return (int)sys2(SYS_io_uring_setup, entries, p);
}

typedef int (*init_fn)(unsigned, struct io_uring *, unsigned);

SYM(int, io_uring_queue_init, (unsigned entries, struct io_uring *ring, unsigned flags))
{
	OR_REAL(io_uring_queue_init, init_fn, (entries, ring, flags));
}

typedef int (*init_params_fn)(unsigned, struct io_uring *, struct io_uring_params *);

SYM(int, io_uring_queue_init_params,
    (unsigned entries, struct io_uring *ring, struct io_uring_params *p))
{
	OR_REAL(io_uring_queue_init_params, init_params_fn, (entries, ring, p));
}

typedef int (*init_mem_fn)(unsigned, struct io_uring *, struct io_uring_params *, void *, size_t);

SYM(int, io_uring_queue_init_mem,
    (unsigned entries, struct io_uring *ring, struct io_uring_params *p, void *buf, size_t n))
{
	OR_REAL(io_uring_queue_init_mem, init_mem_fn, (entries, ring, p, buf, n));
}

typedef struct io_uring_probe *(*probe_fn)(void);

/* What a ring could do: nothing where there is none. */
SYM(struct io_uring_probe *, io_uring_get_probe, (void))
{
	bool none = umfs_ready() && !umfs_ring_possible();
	probe_fn f = none ? NULL : (probe_fn)real("io_uring_get_probe");

	return f ? f() : NULL;
}
