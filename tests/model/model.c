// SPDX-License-Identifier: BSD-3-Clause
/*
 * model.c - the protocol of writers, readers and dead owners, all of its interleavings.
 *
 *	model [-p DELAYS] [-x VARIANT] [SCENARIO]
 *
 * What runs is core itself (lock words, sequences, undo logs, recovery of slots), with a few
 * processes on one simulated pool. Each is a coroutine that may be put aside at every access
 * to a word of the protocol and in the middle of each copy of a file's bytes; one of them may
 * die there. Who runs goes on, and after it the next in a circle; all schedules that depart
 * from that at most so many times are gone through (Emmi, Qadeer and Rakamaric, Delay-bounded
 * scheduling, 2011), and with each of them a death at each point. Each runs from the start:
 * a schedule is the list of choices made, the next one changes the last that has an
 * alternative left.
 *
 * Memory is as if all accesses had one order: what a weaker order would allow is not seen
 * here. VARIANT makes the protocol wrong on purpose, and then a violation must be found.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"
#include "hook.h"
#include "internal.h"
#include "order.h"
#include "world.h"

#undef port_slot_claim
#undef port_wait
#undef port_relax
#undef port_copy_in
#undef port_copy_out

#define PROCS 3u
#define STACK_BYTES (256u << 10)
#define DEPTH_MAX 20000u
#define STEPS_MAX 50000u
#define BLOCK 64u
#define AT 128u

/* ---- the schedule ---- */

struct choice {
	uint8_t taken, count;
};
static struct choice choices[DEPTH_MAX];
static uint32_t depth, planned;

struct proc {
	ucontext_t context; /* where it begins */
	jmp_buf at;
	struct sim_proc *sim;
	struct umfs_file file;
	void (*script)(struct proc *p);
	uint32_t number;
	bool mortal, begun, done, dead;
	const uint32_t *waits_for; /* or relaxes, until somebody stored */
	uint32_t seen;
	bool relaxes;
	uint64_t relaxed_at;
	uint64_t seq_seen; /* of a wrong variant */
	bool reads;
	uint8_t stack[STACK_BYTES] __attribute__((aligned(16)));
};

static struct sim *sim;
static struct proc procs[PROCS];
static struct proc *running; /* NULL: nothing is explored just now */
static jmp_buf scheduler;
static uint64_t stores, steps;
static uint32_t delays, delays_max, deaths;
static const struct umfs_inode_pm *inode;
static char failure[256];

static enum variant {
	RIGHT,
	SEQ_STAYS_EVEN, /* a writer does not say that it is inside */
	CAS_IS_TORN,	/* a lock is looked at and taken in two steps */
	FREED_FIRST,	/* recovery raises the incarnation before it undoes */
	SEQ_SEEN_ONCE,	/* a reader does not look a second time */
	NO_UNDO,	/* recovery does not undo */
	VARIANTS
} variant;

static void fail_with(const char *what)
{
	if (!failure[0])
		snprintf(failure, sizeof(failure), "%s", what);
}

static bool enabled(const struct proc *p)
{
	if (p->done || p->dead || !p->script)
		return false;
	if (p->relaxes)
		return stores != p->relaxed_at;
	return !p->waits_for || *p->waits_for != p->seen;
}

/* Time passes when nobody can do anything else. */
static void time_out(void)
{
	for (uint32_t i = 0; i < PROCS; i++) {
		procs[i].waits_for = NULL;
		procs[i].relaxes = false;
	}
}

static uint32_t choose(uint32_t count)
{
	if (depth == DEPTH_MAX) {
		fail_with("too deep");
		return 0;
	}
	if (depth >= planned)
		choices[depth] = (struct choice){0, (uint8_t)count};
	return choices[depth++].taken;
}

static void die_here(struct proc *p)
{
	struct sim_proc *dead = p->sim;

	for (uint32_t slot = 0; slot < UMFS_SLOTS_MAX; slot++)
		if (sim->owner[slot] == &dead->fs)
			sim->owner[slot] = NULL;
	umfs_order_forget(&dead->fs);
	p->dead = true;
	deaths++;
}

/* The first that can go on, from `last` on in a circle. */
static uint32_t list_enabled(const struct proc *last, struct proc *may[PROCS])
{
	uint32_t first = last ? last->number : 0, count = 0;

	for (uint32_t i = 0; i < PROCS; i++)
		if (enabled(&procs[(first + i) % PROCS]))
			may[count++] = &procs[(first + i) % PROCS];
	return count;
}

/* Who goes on: the first of those, or for a delay each another unless it is `late`; or `last` dies. */
static struct proc *pick(struct proc *last, bool late)
{
	struct proc *may[PROCS];
	uint32_t count = list_enabled(last, may), others, n = 0;
	bool may_die = last && last->mortal && !last->done && !last->dead && !deaths;

	if (!count && !may_die)
		return NULL;
	others = count && delays < delays_max && !late ? count - 1 : 0;
	if (others + may_die)
		n = choose(1 + others + may_die);
	if (n > others) {
		die_here(last);
		return pick(NULL, false);
	}
	if (!count)
		return NULL;
	delays += n != 0;
	return may[n];
}

/* Another stack, without the signal mask that swapcontext() asks the kernel for. */
static void switch_to(jmp_buf from, jmp_buf to)
{
	if (!_setjmp(from))
		_longjmp(to, 1);
}

void model_yield(void)
{
	struct proc *me = running;

	if (!me)
		return;
	if (++steps > STEPS_MAX)
		fail_with("it does not come to an end");
	switch_to(me->at, scheduler);
}

static void go_on(struct proc *p)
{
	if (p->begun) {
		switch_to(scheduler, p->at);
		return;
	}
	p->begun = true;
	if (!_setjmp(scheduler))
		setcontext(&p->context);
}

static void schedule(void)
{
	struct proc *last = NULL;

	while (!failure[0]) {
		struct proc *next = pick(last, false);

		if (!next) {
			time_out();
			next = pick(NULL, true);
		}
		if (!next)
			return;
		next->waits_for = NULL;
		next->relaxes = false;
		running = next;
		go_on(next);
		running = NULL;
		last = next;
	}
}

/* ---- what core does, seen from outside ---- */

static bool in_pool(const void *p)
{
	return (const uint8_t *)p >= sim->mem && (const uint8_t *)p < sim->mem + sim->bytes;
}

/* Words of the protocol: of the inode its lock and sequence, of slots, of undo logs. */
static bool matters(const void *p, enum model_access what)
{
	uint64_t off, page, lanes = procs[0].sim->fs.geo.lanes_page;

	if (!in_pool(p))
		return false;
	if (p == &inode->lock || p == &inode->seq)
		return true;
	if (what == MODEL_LOAD)
		return false;
	off = (uint64_t)((const uint8_t *)p - sim->mem);
	page = off >> UMFS_PAGE_SHIFT;
	if (page == UMFS_SLOTS_PAGE)
		return off % sizeof(struct umfs_slot_pm) < 8; /* incarnation, state */
	return page >= lanes && page < lanes + 64 * UMFS_LANE_PAGES && !(off & UMFS_PAGE_MASK);
}

bool model_access(const void *p, enum model_access what, uint64_t value)
{
	if (!running)
		return true;
	/* Who looks again and again at what nobody has changed is at one point, not at many. */
	if (matters(p, what) && (what != MODEL_LOAD || running->relaxed_at != stores))
		model_yield();
	if (what != MODEL_LOAD)
		stores++;
	return !(variant == SEQ_STAYS_EVEN && p == &inode->seq && what == MODEL_STORE &&
		 (value & 1));
}

/* The first even sequence that a reader sees is what it sees until its call returns. */
uint64_t model_loaded(const void *p, uint64_t value)
{
	if (!running || variant != SEQ_SEEN_ONCE || p != &inode->seq)
		return value;
	if (!running->reads || value & 1)
		return value;
	if (!running->seq_seen)
		running->seq_seen = value;
	return running->seq_seen;
}

bool model_cas_is_torn(const void *p)
{
	return running && variant == CAS_IS_TORN && p == &inode->lock;
}

void model_wait(const uint32_t *word, uint32_t seen, uint64_t ns);
void model_relax(void);
int model_copy_in(void *pool, const void *user, uint64_t n);
int model_copy_out(void *user, const void *pool, uint64_t n);
int model_slot_claim(struct umfs *fs, uint32_t slot);

void model_wait(const uint32_t *word, uint32_t seen, uint64_t ns)
{
	sim->now_ns += (int64_t)ns;
	if (!running || *word != seen)
		return;
	running->waits_for = word;
	running->seen = seen;
	model_yield();
}

void model_relax(void)
{
	if (!running)
		return;
	running->relaxes = true;
	running->relaxed_at = stores;
	model_yield();
}

static bool file_bytes(uint64_t n)
{
	return running && n == BLOCK;
}

int model_copy_in(void *pool, const void *user, uint64_t n)
{
	uint64_t half = file_bytes(n) ? n / 2 : 0;

	stores++;
	if (half) {
		model_yield();
		(void)port_copy_in(pool, user, half);
		model_yield();
	}
	return port_copy_in((uint8_t *)pool + half, (const uint8_t *)user + half, n - half);
}

int model_copy_out(void *user, const void *pool, uint64_t n)
{
	uint64_t half = file_bytes(n) ? n / 2 : 0;

	if (half) {
		model_yield();
		(void)port_copy_out(user, pool, half);
		model_yield();
	}
	return port_copy_out((uint8_t *)user + half, (const uint8_t *)pool + half, n - half);
}

/* Recovery begins. */
int model_slot_claim(struct umfs *fs, uint32_t slot)
{
	int err = port_slot_claim(fs, slot);
	struct umfs_ulog_pm *log;

	if (err || !running)
		return err;
	if (variant == FREED_FIRST) {
		st32(&umfs_slot(fs, slot)->incarnation, ld32(&umfs_slot(fs, slot)->incarnation) + 1);
		model_yield();
	}
	for (uint32_t i = 0; variant == NO_UNDO && i < fs->geo.lanes_per_slot; i++) {
		log = umfs_lane_ulog(umfs_lane(fs, slot, i));
		st64(&log->state, ld64(&log->state) & ~1ull);
	}
	return 0;
}

/* ---- what the processes do ---- */

static uint32_t acknowledged; /* bit: a writer's call has returned */
static uint32_t reads;

/* The version of a block, all of it; 0: it is a mixture. */
static uint32_t version_of(const uint8_t *block)
{
	for (uint32_t i = 1; i < BLOCK; i++)
		if (block[i] != block[0])
			return 0;
	return block[0];
}

static void write_block(struct proc *p)
{
	uint8_t block[BLOCK];

	memset(block, (int)(2 + p->number), BLOCK);
	if (umfs_pwrite(&p->file, block, BLOCK, AT) != BLOCK)
		fail_with("a write failed");
	acknowledged |= 1u << p->number;
}

/* Versions: 1 is what was there, 2 and 3 are the writers'. None is read that is taken back. */
static void read_blocks(struct proc *p)
{
	uint8_t block[BLOCK];
	uint32_t last = 1, done_before, version;

	for (int i = 0; i < 2; i++) {
		done_before = acknowledged;
		p->reads = true;
		p->seq_seen = 0;
		if (umfs_pread(&p->file, block, BLOCK, AT) != BLOCK)
			fail_with("a read failed");
		version = version_of(block);
		if (!version)
			fail_with("a read saw a mixture of two writes");
		if (version == 1 && (last != 1 || done_before))
			fail_with("a read saw what had been overwritten");
		last = version;
		reads |= 1u << version;
	}
}

/* One who comes anew, perhaps in the dead one's slot. */
static void come_and_write(struct proc *p)
{
	uint32_t ofd;
	int err = umfs_attach(&p->sim->fs, 0);

	if (err) {
		fail_with("attach failed");
		return;
	}
	err = umfs_open(&p->sim->fs, p->file.ino, O_RDWR, &ofd);
	if (!err)
		err = umfs_file_init(&p->sim->fs, ofd, &p->file);
	if (err)
		fail_with("open failed");
	else
		write_block(p);
}

static const struct scenario {
	const char *name;
	void (*scripts[PROCS])(struct proc *p);
	bool mortal; /* the first of them */
	uint32_t delays;
	uint32_t versions; /* bit: is read in some schedule */
} scenarios[] = {
	{"writers", {write_block, write_block, read_blocks}, false, 3, 0xe},
	{"readers", {write_block, read_blocks, read_blocks}, true, 2, 0x6},
	{"death", {write_block, write_block, read_blocks}, true, 2, 0xe},
	{"reuse", {write_block, come_and_write, read_blocks}, true, 2, 0xe},
};

/* ---- one schedule ---- */

static void enter(uint32_t number)
{
	struct proc *p = &procs[number];

	p->script(p);
	p->done = true;
	_longjmp(scheduler, 1);
}

static void proc_begin(struct proc *p, const struct scenario *s)
{
	bool comes = s->scripts[p->number] == come_and_write;
	int err;

	p->sim = comes ? sim_open(sim, &err) : sim_attach(sim, UMFS_MODE_ATOMIC, &err);
	if (!p->sim)
		die("attach: %s", strerror(-err));
	if (comes)
		need(world_ino(&procs[0].sim->fs, "/f", &p->file.ino));
	else
		need(world_open(&p->sim->fs, "/f", O_RDWR, &p->file));
	inode = procs[0].file.inode;
	p->script = s->scripts[p->number];
	p->mortal = s->mortal && !p->number;
	getcontext(&p->context);
	p->context.uc_stack.ss_sp = p->stack;
	p->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&p->context, (void (*)(void))enter, 1, p->number);
}

static void begin(const struct scenario *s)
{
	sim_reload(sim);
	depth = 0;
	stores = steps = 0;
	delays = deaths = 0;
	acknowledged = 0;
	failure[0] = 0;
	for (uint32_t i = 0; i < PROCS; i++) {
		memset(&procs[i], 0, offsetof(struct proc, stack));
		procs[i].relaxed_at = UINT64_MAX;
		procs[i].number = i;
		proc_begin(&procs[i], s);
	}
}

static bool assertion_failed(void)
{
	for (uint32_t i = 0; i < PROCS; i++)
		if (procs[i].sim->fs.broken)
			return true;
	return false;
}

/* All that live have ended; what is there is whole, and a write that returned is not undone. */
static void look(uint64_t number)
{
	uint8_t block[BLOCK];
	char why[256];

	if (assertion_failed())
		fail_with("an assertion of core's failed");
	else if (umfs_pread(&procs[2].file, block, BLOCK, AT) != BLOCK || !version_of(block))
		fail_with("a mixture is left");
	else if (acknowledged && version_of(block) == 1)
		fail_with("a write that had returned is lost");
	if (failure[0] || number % 64)
		return;
	for (uint32_t i = 0; i < PROCS; i++)
		sim_kill(procs[i].sim);
	for (uint32_t i = 0; i < PROCS; i++)
		procs[i].sim = NULL;
	if (image_check(sim, why))
		fail_with(why);
}

static void end(void)
{
	for (uint32_t i = 0; i < PROCS; i++)
		if (procs[i].sim)
			sim_kill(procs[i].sim);
	memset(port_order(), 0, sizeof(*port_order()));
}

/* Plan the next one; false: that was all. */
static bool next(void)
{
	while (depth && choices[depth - 1].taken + 1 >= choices[depth - 1].count)
		depth--;
	if (!depth)
		return false;
	choices[depth - 1].taken++;
	planned = depth;
	return true;
}

static bool explore(const struct scenario *s, uint64_t *count)
{
	planned = 0;
	reads = 0;
	*count = 0;
	do {
		begin(s);
		schedule();
		if (!failure[0])
			look(*count);
		end();
		++*count;
	} while (!failure[0] && next());
	return !failure[0];
}

/* ---- */

static void make_pool(void)
{
	struct sim_proc *proc;
	struct umfs_file file;
	uint8_t page[4096];
	int err;

	sim_room = 0;
	sim = sim_new(24 * MIB, UMFS_DURABLE_NONE, 1024);
	if (!sim)
		die("no pool");
	sim_track(sim);
	sim->bugs_go_on = true; /* looked for after each schedule */
	proc = sim_attach(sim, UMFS_MODE_ATOMIC, &err);
	need(world_creat(&proc->fs, "/f", 0644));
	need(world_open(&proc->fs, "/f", O_RDWR, &file));
	memset(page, 1, sizeof(page));
	need(umfs_pwrite(&file, page, sizeof(page), 0));
	need(umfs_pwrite(&file, page, sizeof(page), 4096));
	world_close(&file);
	sim_detach(proc);
	sim_settle(sim);
}

/* The right one has no violation; each wrong one has in one scenario at least. */
static int run_all(const char *only, int bound)
{
	bool violated = false;

	for (size_t i = 0; i < UMFS_ARRAY_LEN(scenarios); i++) {
		const struct scenario *s = &scenarios[i];
		uint64_t count;

		if (only && strcmp(only, s->name))
			continue;
		delays_max = bound < 0 ? s->delays : (uint32_t)bound;
		violated |= !explore(s, &count);
		printf("%s, at most %u delays: %llu schedules%s%s\n", s->name,
		       delays_max, (unsigned long long)count, failure[0] ? ": " : "", failure);
		if (violated)
			break;
		if (delays_max && reads != s->versions)
			die("not all versions were ever read: nothing is explored");
	}
	return violated == (variant != RIGHT) ? 0 : 1;
}

int main(int argc, char **argv)
{
	int option, bound = -1;

	while ((option = getopt(argc, argv, "p:x:")) != -1)
		if (option == 'p')
			bound = atoi(optarg);
		else if (option == 'x' && atoi(optarg) < VARIANTS)
			variant = (enum variant)atoi(optarg);
		else
			die("usage: model [-p DELAYS] [-x 0..%d] [SCENARIO]", VARIANTS - 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_pool();
	return run_all(argv[optind], bound);
}
