// SPDX-License-Identifier: BSD-3-Clause
/*
 * image.c - the pools that inputs begin with.
 *
 * One simulated pool holds a small tree with everything there can be. A crashed pool is that
 * one after an op of tests/crash that was cut short, kept as the lines in which it differs,
 * so that going from one pool to another costs what the last input touched.
 *
 * The view lies amid memory that nobody may touch: an access outside of the pool is seen.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "ops.h"
#include "sim_internal.h"

#define POOL_BYTES (24 * MIB)
#define POOL_INODES 1024
#define GUARD_BYTES (4 * GIB)
#define POINTS 16u /* of an op: how many pools it gives for each kind of end */
#define OPS_MAX 512u

struct line {
	uint32_t number;
	uint8_t bytes[UMFS_LINE_BYTES];
};

struct crashed {
	struct line *lines;
	uint32_t count;
	bool made;
};

static struct sim *sim;
static uint8_t *clean; /* the pool as it was made */
static struct crashed crashed[OPS_MAX][2][POINTS];
struct survey survey;
struct umfs_geometry image_geo;

/* ---- the tree ---- */

/* Besides what the ops have: tables of two levels, a mark, nodes, large attributes, all types. */
static void more_tree(struct umfs *fs)
{
	char path[300] = "/w/";
	struct umfs_file file;

	need(world_mkdir(fs, "/w"));
	need(world_put(fs, "/w/far", 3 * MIB, 5000, 1));
	need(world_put(fs, "/w/run", 0, 2 * MIB, 1));
	need(world_open(fs, "/w/far", O_RDWR, &file));
	need(umfs_fallocate(&file, UMFS_FALLOC_KEEP_SIZE, 0, 20000));
	world_close(&file);
	need(world_mknod(fs, "/w/fifo", 010644, 0));
	need(world_mknod(fs, "/w/null", 020600, 0x103));
	need(world_setxattr(fs, "/w/far", "user.small", 20, 1));
	need(world_setxattr(fs, "/w/far", "user.other", 40, 2));
	need(world_setxattr(fs, "/w/run", "user.large", 30000, 1));
	for (char c = 'a'; c < 'u'; c++) { /* two leaves and a node */
		memset(path + 3, c, 250);
		need(world_link(fs, "/w/fifo", path));
	}
}

static void guard_view(void)
{
	uint8_t *all = mmap(NULL, 2 * GUARD_BYTES + sim->room, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (all == MAP_FAILED ||
	    mremap(sim->mem, sim->room, sim->room, MREMAP_MAYMOVE | MREMAP_FIXED,
		   all + GUARD_BYTES) == MAP_FAILED)
		die("no room for the pool");
	sim->mem = all + GUARD_BYTES;
}

static struct sim_proc *attach(uint32_t mode)
{
	int err;
	struct sim_proc *proc = sim_attach(sim, mode, &err);

	if (!proc)
		die("attach: %s", strerror(-err));
	return proc;
}

static void make(void)
{
	struct sim_proc *proc;

	sim_room = 0;
	sim = sim_new(POOL_BYTES, UMFS_DURABLE_FLUSH, POOL_INODES);
	if (!sim)
		die("no pool");
	guard_view();
	sim_track(sim);
	proc = attach(UMFS_MODE_ATOMIC);
	op_tree(&proc->fs);
	more_tree(&proc->fs);
	image_geo = proc->fs.geo;
	sim_detach(proc);
	sim->watch_backing = false; /* what is backed is the image's to say from now on */
	sim_settle(sim);
	clean = malloc(sim->bytes);
	if (!clean)
		die("out of memory");
	memcpy(clean, sim->media, sim->bytes);
}

struct sim *image_sim(void)
{
	if (!sim)
		make();
	return sim;
}

/* ---- crashed pools ---- */

/* Not those that take long, and those that need room to make the pool larger. */
static bool op_fits(const struct op *op)
{
	return op->run && strncmp(op->name, "grow", 4) && !(op->flags & (OP_LONG | OP_ATTACH | OP_DETACH | OP_FREEZES | OP_ALONE));
}

static uint16_t op_place(const struct op *op)
{
	uint32_t h = 2166136261u;

	for (const char *c = op->name; *c; c++)
		h = (h ^ (uint8_t)*c) * 16777619u;
	return (uint16_t)(h ^ h >> 16);
}

/* The op whose name's hash is next: a new op takes over few of the inputs of others. */
static size_t op_find(uint16_t place)
{
	static uint16_t found[65536];
	uint16_t best = UINT16_MAX;

	if (found[place])
		return found[place] - 1u;
	for (size_t i = 0; i < op_count && i < OPS_MAX; i++) {
		uint16_t distance = (uint16_t)(op_place(&ops[i]) - place);

		if (op_fits(&ops[i]) && distance <= best) {
			best = distance;
			found[place] = (uint16_t)(i + 1);
		}
	}
	return found[place] - 1u;
}

static bool page_used(uint64_t page)
{
	return sim->pages[page] & SIM_PAGE_USED;
}

static void keep_lines(struct crashed *c)
{
	uint64_t i, last = sim->bytes / UMFS_LINE_BYTES;

	for (i = 0; i < last; i++) {
		uint64_t at = i * UMFS_LINE_BYTES;

		if (!page_used(at >> UMFS_PAGE_SHIFT)) {
			i += UMFS_PAGE_BYTES / UMFS_LINE_BYTES - 1;
			continue;
		}
		if (!memcmp(sim->mem + at, clean + at, UMFS_LINE_BYTES))
			continue;
		if (!(c->count & (c->count - 1))) /* a power of two: full */
			c->lines = sim_alloc(c->lines, 2 * UMFS_MAX(c->count, 1u) * sizeof(*c->lines));
		c->lines[c->count].number = (uint32_t)i;
		memcpy(c->lines[c->count++].bytes, sim->mem + at, UMFS_LINE_BYTES);
	}
	c->made = true;
}

static void restore_clean(void)
{
	for (uint64_t i = 0; i < sim->bytes >> UMFS_PAGE_SHIFT; i++) {
		uint64_t at = i << UMFS_PAGE_SHIFT;

		if (!page_used(i))
			continue;
		if (memcmp(sim->media + at, clean + at, UMFS_PAGE_BYTES))
			sim_put_media(sim, at, clean + at, UMFS_PAGE_BYTES);
		if (memcmp(sim->mem + at, clean + at, UMFS_PAGE_BYTES))
			sim_put_view(sim, at, clean + at, UMFS_PAGE_BYTES);
	}
	sim_reload(sim);
}

/* Do the op until its n-th store; returns how many there were when it came to its end. */
static uint64_t cut_op(const struct op *op, uint64_t n)
{
	static jmp_buf jump;
	struct sim_proc *volatile proc = attach(UMFS_MODE_ATOMIC);
	static struct stage stage;
	uint64_t stores = 0;

	stage = (struct stage){.fs = &proc->fs};
	if (op->prepare)
		op->prepare(&stage);
	if (!setjmp(jump)) {
		sim_kill_arm(sim, n, &jump);
		op->run(&stage);
		stores = sim->stores;
	}
	sim_kill_arm(sim, 0, NULL);
	sim_kill(proc);
	return stores;
}

static void make_dead(const struct op *op, uint32_t point)
{
	uint64_t all = cut_op(op, UINT64_MAX);

	sim_reload(sim);
	cut_op(op, 1 + all * point / POINTS);
}

struct choice {
	uint32_t left;
	struct crashed *to;
};

static int choose(void *arg, const struct sim_point *point)
{
	struct choice *c = arg;

	(void)point;
	if (c->left--)
		return 0;
	keep_lines(c->to);
	return 1;
}

static void make_power(const struct op *op, uint32_t point, struct crashed *c)
{
	static struct sim_log log;
	struct sim_effort effort = {
		.singles = 2, .prefixes = 2, .randoms = 2, .seed = point + 1u};
	struct choice choice = {point * 7, c};
	struct sim_proc *proc = attach(UMFS_MODE_ATOMIC);
	static struct stage stage;

	sim_log_clear(&log);
	stage = (struct stage){.fs = &proc->fs};
	if (op->prepare)
		op->prepare(&stage);
	/* What the preparation did is durable: only the op itself is cut. */
	for (uint64_t i = 0; i < sim->bytes >> UMFS_PAGE_SHIFT; i++)
		if (page_used(i))
			sim_put_media(sim, i << UMFS_PAGE_SHIFT, sim->mem + (i << UMFS_PAGE_SHIFT),
				      UMFS_PAGE_BYTES);
	memcpy(sim->media_backed, sim->backed, POOL_BYTES / UMFS_UNIT_BYTES);
	sim->log = &log;
	op->run(&stage);
	sim->log = NULL;
	sim_kill(proc);
	sim_images_cut(sim, &log, 0, &effort, choose, &choice);
	if (!c->made)
		keep_lines(c);
}

static struct crashed *crashed_pool(const struct head *head)
{
	size_t op = op_find(head->op);
	uint32_t point = head->point * POINTS / 256;
	bool power = (head->flags & HEAD_KIND) >= HEAD_POWER;
	struct crashed *c = &crashed[op][power][point];

	if (c->made)
		return c;
	snprintf(sim_context, sizeof(sim_context), "making a pool: %s", ops[op].name);
	if (power) {
		make_power(&ops[op], point, c);
	} else {
		make_dead(&ops[op], point);
		keep_lines(c);
	}
	restore_clean();
	sim_context[0] = 0;
	return c;
}

/* ---- what there is ---- */

static void add(uint32_t *list, uint32_t *count, uint64_t page)
{
	if (*count < SURVEY_MAX && page && page < sim->bytes >> UMFS_PAGE_SHIFT)
		list[(*count)++] = (uint32_t)page;
}

static void add_tables(const struct umfs_inode_pm *in)
{
	uint64_t root = ld64(&in->root), page = (root & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT;
	uint32_t height = (uint32_t)((root & UMFS_ROOT_HEIGHT_MASK) >> UMFS_ROOT_HEIGHT_SHIFT);
	bool dir = (ld32(&in->mode) & 0170000) == 0040000;

	if (!ld32(&in->mode) || page >= sim->bytes >> UMFS_PAGE_SHIFT)
		return;
	if (dir ? !(root & UMFS_DREF_LEAF) : height > 0)
		add(survey.tables, &survey.table_count, page);
	if (!dir && height > 1)
		for (uint32_t i = 0; i < 4; i++) {
			const le64 *table = (const void *)(sim->mem + (page << UMFS_PAGE_SHIFT));

			add(survey.tables, &survey.table_count,
			    (ld64(&table[i]) & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT);
		}
}

static void look(void)
{
	uint64_t first = image_geo.groups_page, page;
	const struct umfs_inode_pm *in = (const void *)(sim->mem + ((first + 2) << UMFS_PAGE_SHIFT));

	memset(&survey, 0, sizeof(survey));
	for (uint32_t i = 0; i < IMAGE_INODES; i++)
		add_tables(&in[i]);
	for (page = 0; page < sim->bytes >> UMFS_PAGE_SHIFT; page++) {
		const le32 *magic = (const void *)(sim->mem + (page << UMFS_PAGE_SHIFT));

		if (!page_used(page))
			continue;
		if (survey.used_count < UMFS_ARRAY_LEN(survey.used))
			survey.used[survey.used_count++] = (uint32_t)page;
		if (page > first && ld32(magic) == UMFS_DLEAF_MAGIC)
			add(survey.leaves, &survey.leaf_count, page);
		if (page > first && ld32(magic) == UMFS_XATTR_MAGIC)
			add(survey.xattrs, &survey.xattr_count, page);
	}
}

void image_load(const struct head *head)
{
	const struct crashed *c = NULL;

	image_sim();
	sim->random = 0;
	sim_reload(sim);
	if (head->flags & HEAD_KIND)
		c = crashed_pool(head);
	for (uint32_t i = 0; c && i < c->count; i++)
		sim_put_view(sim, (uint64_t)c->lines[i].number * UMFS_LINE_BYTES, c->lines[i].bytes,
			     UMFS_LINE_BYTES);
	look();
}

void image_load_for(const struct input *in)
{
	image_load(&in->head);
	sim->random = in->random;
}
