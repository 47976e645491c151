/* SPDX-License-Identifier: BSD-3-Clause */
/* maps.h - what this process has mapped of files of ours; see maps.c. */
#ifndef UMFS_LIBUMFS_MAPS_H
#define UMFS_LIBUMFS_MAPS_H

#include "internal.h"

struct range {
	uintptr_t start, end; /* whole pages; both 0: the entry is free */
	uintptr_t valid;      /* from here on there is no file: SIGBUS */
	uint64_t off;	      /* of the file, at `start` */
	struct umfs_file file;
	uint32_t irec; /* held by this range, see umfs_map_pin() */
	int prot, flags; /* as given to mmap(2) */
	bool dead; /* nothing but the hold is left of it */
};

/* Entries at and above it are free. 0: nothing of ours is mapped. */
extern PORT_HIDDEN uint32_t umfs_maps_count;

/* Around everything below: takes LOCK_MAPS; the end lets go of holds that are not needed any more. */
void umfs_maps_enter(void);
void umfs_maps_leave(void);

/* The first range from entry *at on that has a part in [start, end), or NULL; *at: where to go on. */
struct range *umfs_maps_next(uint32_t *at, uintptr_t start, uintptr_t end);
/* Another one, in place of what was there; its hold passes to it. -ENOMEM: no room. */
int umfs_maps_add(const struct range *r);
/* Nothing of ours is in [start, end) any more. */
void umfs_maps_forget(uintptr_t start, uintptr_t end);

#endif
