// SPDX-License-Identifier: BSD-3-Clause
/*
 * cut.c - a power cut inside fsck.umfs's repair, at each of its fences.
 *
 *	cut [CASE]...		UMFS_CRASH_EFFORT=n tries n times as many images
 *
 * fsck's passes mend a damaged pool in the simulator, on a medium that needs write-back,
 * and all they store is written down. For each image that a power cut may leave, whoever
 * comes next is fsck again, or a process that attaches, and then fsck. The end must be
 * the same: a check finds nothing, every file is there with all its attributes and bytes
 * as after the repair undisturbed, and the pool can be used. At some of the images the
 * second repair is cut short as well.
 *
 * kill.py does this with the program itself and SIGKILL; there no store is lost.
 */
#include "check.h"
#include "internal.h"
#include "ops.h"
#include "sum.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define POOL_BYTES (24 * MIB)
#define POOL_INODES 1024
#define AGAIN_EVERY 120u /* images of which the second repair is cut short too; by effort fewer */

struct damage {
	const char *name;
	bool yes; /* only -y mends it */
	bool crash; /* of a pool that a process died in */
	void (*make)(struct umfs *fs);
};

struct run {
	const struct damage *damage;
	struct sim *sim;
	struct tree want;
	bool failed;
	uint64_t images, nested;
};

static struct sim_effort effort = {
	.exhaustive = 6, .singles = 1, .prefixes = 1, .randoms = 1, .seed = 1};
static const struct sim_effort effort_again = {
	.exhaustive = 2, .singles = 1, .prefixes = 1, .randoms = 1, .seed = 7};
static uint32_t again_every = AGAIN_EVERY;

/* ---- damages ---- */

static uint32_t ino_b, ino_m, ino_d, ino_x, ino_top, ino_root = UMFS_ROOT_INO;

static void note_inodes(struct umfs *fs)
{
	need(world_ino(fs, "/b", &ino_b));
	need(world_ino(fs, "/m", &ino_m));
	need(world_ino(fs, "/d", &ino_d));
	need(world_ino(fs, "/d/x", &ino_x));
	need(world_ino(fs, "/t", &ino_top));
}

static void reseal(struct umfs *fs, uint32_t ino)
{
	umfs_inode_seal(umfs_inode(fs, ino), ino);
}

static void flip(struct umfs *fs, uint64_t bitmap, uint64_t bit)
{
	le64 *word = (le64 *)umfs_page(fs, umfs_group_page(fs, 0) + bitmap) + bit / 64;

	st64(word, ld64(word) ^ 1ull << bit % 64);
}

static uint64_t page_bit(struct umfs *fs, uint32_t ino, uint64_t index)
{
	uint64_t entry = umfs_fpt_get(fs, ld64(&umfs_inode(fs, ino)->root), index);

	return umfs_pte_page(entry) - umfs_group_page(fs, 0);
}

/* Counts and links of inodes. */
static void counts(struct umfs *fs)
{
	st32(&umfs_inode(fs, ino_b)->nlink, 9);
	st64(&umfs_inode(fs, ino_m)->pages, 3);
	st64(&umfs_inode(fs, ino_d)->entries, 77);
	st32(&umfs_inode(fs, ino_d)->nlink, 2);
	st32(&umfs_inode(fs, ino_root)->nlink, 1);
	reseal(fs, ino_b);
	reseal(fs, ino_m);
	reseal(fs, ino_d);
	reseal(fs, ino_root);
}

static void sizes(struct umfs *fs)
{
	le64 *size = &umfs_inode(fs, ino_m)->size;

	st64(size, ld64(size) ^ 1);
	st64(&umfs_inode(fs, ino_x)->size, 0x123456789abcdef0);
}

/* Pages and inodes in use that are marked free. */
static void lost_bits(struct umfs *fs)
{
	flip(fs, 0, page_bit(fs, ino_m, 3));
	flip(fs, 0, page_bit(fs, ino_m, 20));
	flip(fs, 1, ino_b);
	flip(fs, 0, 1); /* of the group's head */
}

/* What nothing uses, marked used; and counts that are wrong by that. */
static void leaks(struct umfs *fs)
{
	flip(fs, 0, page_bit(fs, ino_m, 29) + 60);
	flip(fs, 1, 900);
	st32(&umfs_group(fs, 0)->free_pages, 5);
	st32(&umfs_group(fs, 0)->free_inodes, 7);
}

static void lose_name(struct umfs *fs, uint32_t dir, uint32_t ino)
{
	struct umfs_inode_pm *in = umfs_inode(fs, dir);
	struct umfs_dleaf_pm *leaf = umfs_page(fs, (ld64(&in->root) & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT);
	uint32_t cell;

	for (cell = umfs_dleaf_next(leaf, 0); cell < UMFS_DLEAF_CELLS;
	     cell = umfs_dleaf_next(leaf, cell + 1))
		if (ld32(&umfs_dleaf_dentry(leaf, cell)->ino) == ino)
			st64(&leaf->start[cell / 64], ld64(&leaf->start[cell / 64]) & ~(1ull << cell % 64));
	st64(&in->entries, ld64(&in->entries) - 1);
	reseal(fs, dir);
}

/* A file of 30 pages and a small one without a name, to be reclaimed. */
static void orphans(struct umfs *fs)
{
	lose_name(fs, ino_root, ino_m);
	st32(&umfs_inode(fs, ino_m)->nlink, 0);
	reseal(fs, ino_m);
	lose_name(fs, ino_d, ino_x);
	st32(&umfs_inode(fs, ino_x)->nlink, 0);
	reseal(fs, ino_x);
}

static void super(struct umfs *fs)
{
	struct umfs_super_pm *sb = umfs_page(fs, UMFS_SB_PAGE);

	st32(&sb->crc, ld32(&sb->crc) ^ 1);
	counts(fs);
}

static void backup(struct umfs *fs)
{
	struct umfs_super_pm *sb = umfs_page(fs, UMFS_SB_BACKUP_PAGE);

	memset(sb, 0x5a, sizeof(*sb));
	leaks(fs);
}

/* What is active in a pool at rest. */
static void runtime(struct umfs *fs)
{
	struct umfs_runtime_pm *rt = umfs_runtime(fs);
	struct umfs_irec_pm *rec = umfs_irec(fs, fs->geo.irec_count - 1);

	st64(&umfs_lane(fs, 0, 3)->state, 5);
	st64(&umfs_lane(fs, 0, 1)->spare, 5);
	st64(&umfs_lane(fs, 1, 0)->group, 0x100000001);
	st64(&umfs_lane_ulog(umfs_lane(fs, 0, 2))->state, 3);
	st64(&rec->key, (uint64_t)ld32(&rt->epoch) << 32 | ino_b);
	st32(&umfs_slot(fs, 1)->state, UMFS_SLOT_LIVE);
	counts(fs);
}

/* -y only: tags of names, where names end, who the parent is. */
static void names(struct umfs *fs)
{
	struct umfs_inode_pm *in = umfs_inode(fs, ino_d);
	struct umfs_dleaf_pm *leaf = umfs_page(fs, (ld64(&in->root) & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT);
	uint32_t cell = umfs_dleaf_next(leaf, 0);

	st8((le8 *)&leaf->tag[cell], (uint8_t)(ld8(&leaf->tag[cell]) + 1));
	st16(&leaf->tail, UMFS_DLEAF_HEAD_CELLS);
	st64(&umfs_inode(fs, ino_top)->parent, ino_d);
	reseal(fs, ino_top);
	st64(&umfs_group(fs, 0)->backed, 0);
}

/* -y only: a file and a directory with something in it lose their names. */
static void lost_names(struct umfs *fs)
{
	lose_name(fs, ino_root, ino_m);
	lose_name(fs, ino_root, ino_top);
	lose_name(fs, ino_d, ino_x);
}

static struct umfs_dentry_pm *first_dentry(struct umfs *fs, uint32_t dir)
{
	uint64_t root = ld64(&umfs_inode(fs, dir)->root);
	struct umfs_dleaf_pm *leaf = umfs_page(fs, (root & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT);

	return umfs_dleaf_dentry(leaf, umfs_dleaf_next(leaf, 0));
}

/* -y only: what is cut off, and given a name after that. */
static void cut_off(struct umfs *fs)
{
	struct umfs_dentry_pm *e = first_dentry(fs, ino_d);

	st64(&e->hash, ld64(&e->hash) ^ 6);
	st64(&umfs_inode(fs, ino_b)->xattr, 5);
	reseal(fs, ino_b);
	st32(&umfs_inode(fs, ino_top)->mode, ld32(&umfs_inode(fs, ino_top)->mode) ^ 4);
}

static le64 *pte(struct umfs *fs, uint32_t ino, uint32_t index)
{
	uint64_t root = ld64(&umfs_inode(fs, ino)->root);

	return (le64 *)umfs_page(fs, umfs_pte_page(root & UMFS_PTE_ADDR)) + index;
}

/* -y only: a page of two files, of which one gets a copy, and entries that become holes. */
static void tables(struct umfs *fs)
{
	st64(pte(fs, ino_m, 3), ld64(pte(fs, ino_b, 1)));
	st64(pte(fs, ino_m, 7), ld64(pte(fs, ino_m, 8)));
	st64(pte(fs, ino_m, 12), ld64(pte(fs, ino_m, 12)) ^ 2);
	st64(pte(fs, ino_m, 20), ld64(pte(fs, ino_m, 20)) ^ 1ull << 40);
}

/* -y only: a directory made anew, one that is in itself, and inodes that can not be kept. */
static void torn(struct umfs *fs)
{
	uint64_t root = ld64(&umfs_inode(fs, ino_d)->root);
	struct umfs_dleaf_pm *leaf = umfs_page(fs, (root & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT);

	st32(&leaf->magic, ld32(&leaf->magic) ^ 0x11);
	st32(&umfs_inode(fs, ino_b)->mode, 0xffff);
	reseal(fs, ino_b);
	st64(&umfs_inode(fs, ino_m)->base, 5);
	st32(&umfs_inode(fs, ino_m)->uid, 0x1234);
	st32(&umfs_inode(fs, ino_root)->mode, 0100644);
	reseal(fs, ino_root);
}

/* The rest of a crash, and damage as well. */
static void after_crash(struct umfs *fs)
{
	flip(fs, 1, 900);
	st32(&umfs_inode(fs, ino_b)->nlink, 9);
	reseal(fs, ino_b);
}

static void nothing(struct umfs *fs)
{
	(void)fs;
}

static const struct damage damages[] = {
	{"counts", false, false, counts},     {"sizes", false, false, sizes},
	{"lost-bits", false, false, lost_bits}, {"leaks", false, false, leaks},
	{"orphans", false, false, orphans},   {"super", false, false, super},
	{"backup", false, false, backup},     {"runtime", false, false, runtime},
	{"names", true, false, names},        {"lost-names", true, false, lost_names},
	{"cut-off", true, false, cut_off},    {"tables", true, false, tables},
	{"torn", true, false, torn},          {"crash", false, true, nothing},
	{"crash-damage", false, true, after_crash},
};

/* ---- a damaged pool ---- */

/* A file that is written to and one without a name, when the process dies in a rename. */
static void leave(struct sim *sim, struct sim_proc *proc)
{
	struct umfs_file file;
	static jmp_buf jump;

	need(world_open(&proc->fs, "/b", O_RDWR, &file));
	need(world_write(&file, 5000, 30000, 2));
	need(world_tmpfile(&proc->fs, "/d", true, &file));
	need(world_write(&file, 0, 9000, 2));
	if (!setjmp(jump)) {
		sim_kill_arm(sim, 25, &jump);
		need(world_rename(&proc->fs, "/m", "/d/x"));
		die("cut: a rename of fewer stores");
	}
}

static struct sim *make(const struct damage *d)
{
	struct sim *sim = sim_new(POOL_BYTES, UMFS_DURABLE_FLUSH, POOL_INODES);
	struct umfs fs = {.base = sim->mem, .bytes = sim->bytes, .port = sim};
	struct sim_proc *proc;
	bool from_backup;
	int err;

	sim_track(sim);
	proc = sim_attach(sim, UMFS_MODE_ATOMIC, &err);
	if (!proc)
		die("attach: %s", strerror(-err));
	op_tree(&proc->fs);
	need(world_setxattr(&proc->fs, "/b", "user.one", 5000, 1));
	note_inodes(&proc->fs);
	if (d->crash) {
		leave(sim, proc);
		sim_kill(proc);
	} else {
		sim_detach(proc);
	}
	need(umfs_super_load(&fs, &from_backup));
	d->make(&fs);
	sim_settle(sim);
	return sim;
}

/* ---- one image ---- */

static void attach_and_leave(struct sim *sim)
{
	int err;
	struct sim_proc *proc = sim_attach(sim, UMFS_MODE_ATOMIC, &err);

	if (proc)
		sim_detach(proc);
}

static int look(struct run *r, struct sim *sim, char why[256])
{
	struct tree t = {0};
	struct sim_proc *proc;
	int err = image_check(sim, why);

	if (err)
		return err;
	proc = sim_attach(sim, UMFS_MODE_ATOMIC, &err);
	if (!proc) {
		snprintf(why, 256, "attach: %s", strerror(-err));
		return -1;
	}
	err = tree_read(&proc->fs, &t, why);
	if (!err)
		err = tree_differ(&t, &r->want, NULL, why);
	if (!err)
		err = tree_use(&proc->fs, &t, why);
	tree_free(&t);
	sim_detach(proc);
	return err ? err : image_check(sim, why);
}

static int mend(struct run *r, struct sim *sim, char why[256])
{
	return image_mend(sim, r->damage->yes, why);
}

static int fail(struct run *r, const struct sim_point *point, const char *how, const char *why)
{
	printf("FAIL %s: %s: %s: %s\n", r->damage->name, point->what, how, why);
	r->failed = true;
	return -1;
}

/* The second repair was cut short here; the third comes to the end. */
static int nested_image(void *arg, const struct sim_point *point)
{
	struct run *r = arg;
	struct sim *sim = r->sim;
	char why[256];

	r->nested++;
	if (mend(r, sim, why) || look(r, sim, why))
		return fail(r, point, "repaired for the third time", why);
	return 0;
}

static int cut_again(struct run *r)
{
	struct run inner = *r;
	struct sim_log log = {0};
	char why[256];

	inner.sim = sim_copy(r->sim);
	if (!inner.sim)
		die("out of memory");
	inner.sim->log = &log;
	(void)mend(&inner, inner.sim, why);
	inner.sim->log = NULL;
	inner.nested = 0;
	sim_images_cut(inner.sim, &log, 0, &effort_again, nested_image, &inner);
	r->nested += inner.nested;
	r->failed |= inner.failed;
	sim_log_free(&log);
	sim_free(inner.sim);
	return r->failed;
}

static int image(void *arg, const struct sim_point *point)
{
	struct run *r = arg;
	char why[256];

	snprintf(sim_context, sizeof(sim_context), "%s: %s", r->damage->name, point->what);
	if (r->images++ % again_every == 0 && cut_again(r))
		return -1;
	if (mend(r, r->sim, why) || look(r, r->sim, why))
		return fail(r, point, "repaired again", why);
	sim_reload(r->sim);
	attach_and_leave(r->sim);
	if (mend(r, r->sim, why) || look(r, r->sim, why))
		return fail(r, point, "attached to, then repaired", why);
	return 0;
}

/* ---- one damage ---- */

/* What the repair leaves when nothing comes between. */
static void undisturbed(struct run *r)
{
	struct sim_proc *proc;
	char why[256] = "";
	int err;

	if (!r->damage->crash && !image_check(r->sim, why))
		die("cut: %s is no damage", r->damage->name);
	if (mend(r, r->sim, why))
		die("cut: %s: %s", r->damage->name, why);
	proc = sim_attach(r->sim, UMFS_MODE_ATOMIC, &err);
	if (!proc || tree_read(&proc->fs, &r->want, why))
		die("cut: %s: after the repair: %s", r->damage->name, why);
	sim_detach(proc);
	sim_reload(r->sim);
}

static bool test(const struct damage *d)
{
	struct run r = {.damage = d, .sim = make(d)};
	struct sim_log log = {0};
	char why[256];

	undisturbed(&r);
	r.sim->log = &log;
	(void)mend(&r, r.sim, why);
	r.sim->log = NULL;
	if (!sim_log_complete(r.sim, &log))
		die("cut: %s: fsck stored into the pool without telling", d->name);
	if (!sim_images_cut(r.sim, &log, 0, &effort, image, &r))
		die("cut: %s: not one image", d->name);
	printf("%-14s %5zu events, %5llu images, %5llu of a second repair cut short\n", d->name,
	       log.count, (unsigned long long)r.images, (unsigned long long)r.nested);
	tree_free(&r.want);
	sim_log_free(&log);
	sim_free(r.sim);
	return r.failed;
}

static void scale(uint32_t by)
{
	effort.exhaustive *= by;
	effort.singles *= by;
	effort.prefixes *= by;
	effort.randoms *= by;
	again_every = UMFS_MAX(AGAIN_EVERY / by, 1u);
}

int main(int argc, char **argv)
{
	const char *by = getenv("UMFS_CRASH_EFFORT");
	uint32_t done = 0, failed = 0;
	size_t i;
	int k;

	if (by && atoi(by) > 1)
		scale((uint32_t)atoi(by));

	for (i = 0; i < UMFS_ARRAY_LEN(damages); i++) {
		bool wanted = argc == 1;

		for (k = 1; k < argc; k++)
			wanted |= !strcmp(argv[k], damages[i].name);
		if (!wanted)
			continue;
		done++;
		failed += test(&damages[i]);
		fflush(stdout);
	}
	printf("%u done, %u failed\n", done, failed);
	return failed || !done;
}
