/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim.h - the simulator as tests see it: a pool in memory, processes that can
 * be ended anywhere, and the images that a death or a power cut may leave.
 *
 * A pool has two mappings of one memory file. `media` is what the medium holds;
 * `mem` is a private view of it in which core works. sim_reload() throws the
 * view away, so that trying one more image costs what the trial touched.
 *
 * Not for threads: the simulated processes take turns.
 */
#ifndef UMFS_PORT_SIM_H
#define UMFS_PORT_SIM_H

#include <setjmp.h>
#include <stdio.h>

#include "umfs.h"

/* ---- what happened: stores, flushes, fences in program order ---- */

enum sim_kind {
	SIM_STORE,
	SIM_STORE_NT, /* counts as flushed when stored */
	SIM_FLUSH,
	SIM_FENCE,
	SIM_PUNCH, /* unback: the range reads as zeros from then on */
	SIM_MARK, /* something was left out here on purpose */
};

struct sim_event {
	enum sim_kind kind;
	uint32_t len;
	uint64_t off; /* in the pool */
	uint64_t data; /* where the stored bytes lie in the log's data */
};

struct sim_log {
	struct sim_event *events;
	size_t count, room;
	uint8_t *data;
	size_t data_used, data_room;
};

void sim_log_clear(struct sim_log *log); /* empty, memory kept */
void sim_log_free(struct sim_log *log);

/* ---- a pool ---- */

struct sim {
	uint8_t *mem;
	uint8_t *media;
	uint64_t bytes; /* of the medium */
	uint64_t room; /* that it may be made to have */
	int fd;

	/* After sim_track(): */
	uint8_t *pages; /* SIM_PAGE_* of each page */
	uint32_t *stale; /* pages of the view that are not the medium's */
	uint32_t stale_count;

	uint32_t random; /* what port_random() gives; 0: always the same */
	struct sim_log *log; /* NULL: nothing is written down */
	const struct umfs *owner[UMFS_SLOTS_MAX]; /* alive and in possession of the slot */
	const struct umfs *claimer[UMFS_SLOTS_MAX];
	const struct umfs *attacher;

	uint8_t *backed; /* a byte for each 2 MiB unit */
	uint8_t *media_backed; /* the same of `media`, or what the log comes to back in it */
	bool watch_backing; /* a store to an unbacked unit is SIGBUS: the test ends */
	uint64_t back_calls;
	uint64_t back_fail_at; /* this call to port_back fails, counted from 1; 0: none */
	uint64_t back_left; /* units the surroundings still give; ~0: no end */
	bool extend_fails; /* the medium can not be made larger */
	int attach_fails; /* what the attach lock answers instead of being given; 0: nothing */

	uint64_t stores; /* counted since sim_kill_arm */
	uint64_t kill_at;
	jmp_buf *kill_jump;

	const uint8_t *fault_lo, *fault_hi; /* user memory that faults */
	int64_t now_ns;
	const uint32_t *waited; /* to see a wait that nobody can end */
	uint32_t waits;
	void (*turn)(void *arg); /* called, once, at the next wait: what others do meanwhile */
	void *turn_arg;
	/* Called before, in the middle of and after each copy to user memory: what a writer does meanwhile. */
	void (*copying)(void *arg);
	void *copying_arg;
	uint32_t thread; /* that runs; it chooses the lane */
	void (*on_store)(void); /* called after each store: what others do meanwhile */
	bool bugs_go_on; /* a failed assertion is what it is in release builds: the pool answers EIO */
};

/* One simulated process. */
struct sim_proc {
	struct umfs fs;
	struct sim *sim;
};

/*
 * A pool of `bytes`, formatted, nothing attached, not recording. The newest
 * pool is the one that core's stores are looked up in first. NULL: no memory.
 */
struct sim *sim_new(uint64_t bytes, uint32_t durability, uint64_t inodes);
/* A medium of zeros without a pool, and a pool made on it, in the view; as umfs_format_write(). */
struct sim *sim_blank(uint64_t bytes);
int sim_format(struct sim *sim, uint32_t durability, uint64_t inodes, uint32_t flags);
/* How much larger than made the pools made from now on may become. */
extern uint64_t sim_room;
/* A pool of the same size and content as the view of `from`, nothing attached. */
struct sim *sim_copy(const struct sim *from);
void sim_free(struct sim *sim);

/*
 * From now on only core and makers of images store into the view: sim_reload() then puts
 * back the pages that were stored to, instead of having all of them mapped anew. For a
 * pool that was just made.
 */
void sim_track(struct sim *sim);
void sim_reload(struct sim *sim); /* mem = media; every process forgotten */
void sim_settle(struct sim *sim); /* media = mem */
/* Is mem what media becomes with all of `log` done? False: core stored without telling. */
bool sim_log_complete(const struct sim *sim, const struct sim_log *log);

/* ---- processes ---- */

/* Map the pool into a new process; not attached. Owned by the caller until sim_proc_free. */
struct sim_proc *sim_proc_new(struct sim *sim);
/* sim_proc_new, ready for umfs_attach; NULL with *err set when the superblock is not good. */
struct sim_proc *sim_open(struct sim *sim, int *err);
/* sim_open and umfs_attach; NULL with *err set when that fails. */
struct sim_proc *sim_attach(struct sim *sim, uint32_t mode, int *err);
void sim_detach(struct sim_proc *proc); /* umfs_detach and free */
void sim_kill(struct sim_proc *proc); /* SIGKILL: its slots are dead; the handle is freed */
void sim_proc_free(struct sim_proc *proc);
/* The slot passes to `child`, as over fork. */
void sim_slot_give(struct sim *sim, uint32_t slot, const struct sim_proc *child);

/* End the running call by longjmp after the n-th store from now; 0 disarms. */
void sim_kill_arm(struct sim *sim, uint64_t n, jmp_buf *jump);

/* ---- images ---- */

/* How many images to try where all are too many. */
struct sim_effort {
	uint32_t exhaustive; /* try all when there are at most so many */
	uint32_t singles; /* lines tried alone, and left out alone */
	uint32_t prefixes; /* cuts in time order */
	uint32_t randoms;
	uint64_t seed;
	uint32_t near; /* only at so many fences from each mark on, if there is one; 0: at all */
};

struct sim_point {
	size_t event; /* the image is what may be found before this event of the log */
	size_t old; /* events before this one were not under test */
	bool inside; /* and part of that event */
	bool complete; /* all of the log has happened */
	char what[96]; /* for people */
};

/* Called with mem being the image and no process there. Non-zero ends the run. */
typedef int (*sim_image_fn)(void *arg, const struct sim_point *point);

/*
 * The death of the process after each store from event `first` of the log on;
 * long copies are cut in a few places. media must be what it was when the log
 * began; it ends as the last image. Returns the number of images.
 */
uint64_t sim_images_kill(struct sim *sim, const struct sim_log *log, size_t first, sim_image_fn fn,
			 void *arg);
/*
 * A power cut before each fence from event `first` on, and after all. What was
 * flushed and fenced is there; of each other line any prefix of its stores may
 * be (of a line of non-temporal stores, any part).
 */
uint64_t sim_images_cut(struct sim *sim, const struct sim_log *log, size_t first,
			const struct sim_effort *effort, sim_image_fn fn, void *arg);

/*
 * A power cut on a medium with durable caches, after each store from event `first`
 * on: all ordinary stores so far, and of the non-temporal ones since the last fence
 * none, all, and `randoms` times any.
 */
uint64_t sim_images_eadr(struct sim *sim, const struct sim_log *log, size_t first,
			 uint32_t randoms, sim_image_fn fn, void *arg);

/* ---- what others see of a writer ---- */

/* When non-temporal stores are seen: see beside.c. */
enum sim_seen { SIM_SEEN_LATE, SIM_SEEN_EARLY, SIM_SEEN_ANY };

struct sim_beside;
/*
 * What log does from event `first` on, to be seen step by step by somebody whose own
 * stores are thrown away at each start. media is as before that event.
 */
struct sim_beside *sim_beside_new(struct sim *sim, const struct sim_log *log, size_t first,
				  enum sim_seen seen, uint64_t seed);
void sim_beside_free(struct sim_beside *b);
void sim_beside_start(struct sim_beside *b); /* mem = media; every process forgotten */
/* All that is seen when events before `moment` are done; never back. */
void sim_beside_go(struct sim_beside *b, size_t moment);

/* Tell the logs that something was left out. */
void sim_mark(void);

/* Printed when the simulator ends the test. */
extern char sim_context[256];
_Noreturn void sim_fail(const char *what);
uint64_t sim_random(uint64_t *state);

#endif
