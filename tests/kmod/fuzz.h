/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz.h - what the two halves of kmod-fuzz share: fuzz.c (mappings), fuzz_call.c (calls). */
#ifndef KMOD_FUZZ_H
#define KMOD_FUZZ_H

#include <stdint.h>

#include "kmod_test.h"

#define PAGE 4096ull
#define MIB (1ull << 20)
#define FILES 16 /* descriptors that a thread has open at most: of anything */
#define OPEN 6	 /* and of the files that it maps */
#define MAPS 6	 /* mappings that it has */

/* A thread of a worker; what is not its own is the sibling's `arg` and `map`. */
struct fuzzer {
	uint64_t random;
	unsigned steps, done;
	bool root;		/* its names are below root/, else play/ */
	struct fuzzer *sibling;
	char *arg;		/* a page below 4 GiB, and none behind it */
	char *text;		/* another */
	char *room;		/* for answers */
	int fd[FILES];		/* of anything: fuzz_call.c; -1: none */
	char *span;		/* addresses that nothing else comes to lie at: fuzz.c */
	int file[OPEN];		/* of maps/, and which */
	unsigned file_of[OPEN];
	volatile uint64_t map[MAPS]; /* page of the address << 20 | pages; 0: none */
	unsigned map_of[MAPS];
	bool map_writable[MAPS];
	unsigned bad;		/* things that may not be */
};

/* Of all threads: what was not refused. */
struct counts {
	unsigned asked, served; /* ioctls */
	unsigned as_32;		/* of those served, as of a 32-bit program */
	unsigned mapped, touched, faulted, died;
};
extern struct counts *counts;
static inline void count(unsigned *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

uint64_t rnd(struct fuzzer *f);
/* From 0 up to and without `n`. */
static inline unsigned below(struct fuzzer *f, unsigned n)
{
	return (unsigned)(rnd(f) % n);
}
static inline bool one_in(struct fuzzer *f, unsigned n)
{
	return below(f, n) == 0;
}
/* What may not be: of a file, and a word of it. */
void is_bad(struct fuzzer *f, const char *what, unsigned file, uint64_t word);

/* A call on a node or a descriptor, with whatever comes to mind. */
void step_call(struct fuzzer *f);

/* An ioctl(2) as of a 32-bit program; -1 and errno. */
int ioctl_32(int fd, unsigned cmd, uintptr_t arg);

extern int control;
/* The device of the pool, attached as "fuzz", and another that comes and goes as "fuzz2". */
extern const char *device[2];

#endif
