// SPDX-License-Identifier: BSD-3-Clause
/*
 * mend.c - fsck -y mends anything: pools damaged at random, and what is left of them.
 *
 *	fuzz-mend IMAGES [FIRST]	the images of these numbers, FIRST and those behind it
 *
 * Each image is the pool of image.c, or that one after a crash, in which one to eight fields
 * are changed (random.c), with the checksums that fit or without. Then
 *
 *   fsck -y ends with nothing left, or says that the pool can not be checked at all
 *   fsck -n finds nothing
 *   core attaches, reads the whole tree, and uses each directory
 *   files whose inode, page tables and pages no change has touched hold what they held,
 *   by the number of their inode: in a pool that was not to be recovered, since a damaged
 *   journal may say anything, and whose superblock is what it was
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fuzz.h"
#include "internal.h"
#include "ops.h"
#include "problem.h"
#include "sim_internal.h"
#include "sum.h"

enum { CHECK, PREEN, YES };

#define CHANGES_MAX 8u

static uint8_t *whole; /* the undamaged pool */
static struct umfs whole_fs;
static struct counts {
	uint64_t number; /* of the image at work */
	uint64_t refused, compared, mended, failed;
} *counts; /* shared with the process that does the images */

static uint32_t below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(sim_random(state) % n);
}

/* ---- what a file holds ---- */

static uint32_t height_of(uint64_t root)
{
	return (uint32_t)((root & UMFS_ROOT_HEIGHT_MASK) >> UMFS_ROOT_HEIGHT_SHIFT);
}

static uint64_t page_of(uint64_t entry)
{
	return (entry & UMFS_PTE_ADDR) >> UMFS_PAGE_SHIFT;
}

static bool same(const void *a, const uint8_t *mem, uint64_t bytes)
{
	return !memcmp(a, mem + ((const uint8_t *)a - whole), bytes);
}

/* Are the pages that the entry of the undamaged pool names as they were? */
static bool pages_same(uint64_t entry, uint32_t level, const uint8_t *mem)
{
	const le64 *page = umfs_page(&whole_fs, page_of(entry));
	uint64_t count = !level && entry & UMFS_PTE_PSE ? UMFS_UNIT_PAGES : 1;

	if (!same(page, mem, count << UMFS_PAGE_SHIFT))
		return false;
	for (uint32_t i = 0; level && i < UMFS_PTE_PER_PAGE; i++) {
		uint64_t e = ld64(&page[i]);

		if (e && !pages_same(e, e & UMFS_PTE_PSE ? 0 : level - 1, mem))
			return false;
	}
	return true;
}

static bool file_same(uint32_t ino, const uint8_t *mem)
{
	const struct umfs_inode_pm *in = umfs_inode(&whole_fs, ino);
	uint64_t root = ld64(&in->root);

	return same(in, mem, UMFS_INODE_CRC_BYTES) && same(&in->size, mem, sizeof(in->size)) &&
	       (!root || pages_same(root & ~UMFS_ROOT_HEIGHT_MASK, height_of(root), mem));
}

static uint32_t content_sum(const struct umfs *fs, uint32_t ino)
{
	static const uint8_t zeros[UMFS_PAGE_BYTES];
	const struct umfs_inode_pm *in = umfs_inode(fs, ino);
	uint64_t size = ld64(&in->size) & ((1ull << UMFS_SIZE_BITS) - 1);
	uint32_t sum = sum_crc32c(ld32(&in->mode), &size, sizeof(size));

	for (uint64_t at = 0; at < size; at += UMFS_PAGE_BYTES) {
		uint64_t e = umfs_fpt_get(fs, ld64(&in->root), at >> UMFS_PAGE_SHIFT);
		const void *page = e & UMFS_PTE_P ? umfs_page(fs, page_of(e)) : zeros;

		sum = sum_crc32c(sum, page, UMFS_MIN(size - at, (uint64_t)UMFS_PAGE_BYTES));
	}
	return sum;
}

static bool is_file(const struct umfs *fs, uint32_t ino)
{
	uint32_t mode = ld32(&umfs_inode(fs, ino)->mode);

	return S_ISREG(mode) || S_ISLNK(mode);
}

static void load_super(struct umfs *fs, uint8_t *mem)
{
	bool from_backup;

	*fs = (struct umfs){.base = mem, .bytes = image_sim()->bytes, .port = image_sim()};
	need(umfs_super_load(fs, &from_backup));
}

static void make_whole(void)
{
	static const struct head clean;

	image_load(&clean);
	whole = malloc(image_sim()->bytes);
	if (!whole)
		die("out of memory");
	memcpy(whole, image_sim()->mem, image_sim()->bytes);
	load_super(&whole_fs, whole);
}

/* ---- one image ---- */

static void any_damage(struct record *r, uint64_t *state)
{
	random_damage(r, state);
	if (below(state, 3))
		return;
	r->how = (uint8_t)(CHANGE_XOR | (below(state, 2) ? CHANGE_SEAL : 0));
	r->value = 1ull << below(state, 64);
}

/* Any bytes, up to a page of them, over any page that has something in it. */
static void scribble(uint64_t *state)
{
	struct sim *sim = image_sim();
	uint32_t from = below(state, UMFS_PAGE_BYTES) & ~7u;
	uint32_t to = from + 8 + (below(state, UMFS_PAGE_BYTES - from) & ~7u);
	uint64_t at = (uint64_t)survey.used[below(state, survey.used_count)] << UMFS_PAGE_SHIFT;

	for (; from < to; from += 8) {
		uint64_t word = sim_random(state);

		memcpy(sim->mem + at + from, &word, 8);
		sim_note_view(sim, at + from, 8);
	}
}

static bool damaged(uint64_t *state)
{
	struct head head = {.op = (uint16_t)sim_random(state), .point = (uint8_t)below(state, 256),
			    .flags = below(state, 4) ? 0 : (uint8_t)(below(state, 2) ? HEAD_DEAD : HEAD_POWER)};
	uint32_t changes = 1 + below(state, CHANGES_MAX);

	image_load(&head);
	while (changes--) {
		struct record r;

		any_damage(&r, state);
		if (below(state, 8))
			damage(&r);
		else
			scribble(state);
	}
	return !(head.flags & HEAD_KIND);
}

/* Which files hold what they held, and where fsck must keep that. */
static uint64_t files_whole(bool compare)
{
	const uint8_t *mem = image_sim()->mem;
	uint64_t set = 0;

	compare = compare && same(umfs_runtime(&whole_fs), mem, sizeof(struct umfs_runtime_pm));
	for (uint32_t ino = 1; compare && ino < IMAGE_INODES; ino++)
		if (is_file(&whole_fs, ino) && file_same(ino, mem))
			set |= 1ull << ino;
	return set;
}

static void compare_files(uint64_t set)
{
	struct sim *sim = image_sim();
	struct umfs fs;

	if (!same(whole, sim->mem, sizeof(struct umfs_super_pm)))
		return;
	load_super(&fs, sim->mem);
	for (uint32_t ino = 1; ino < IMAGE_INODES; ino++) {
		if (!(set >> ino & 1))
			continue;
		counts->compared++;
		if (content_sum(&fs, ino) != content_sum(&whole_fs, ino))
			die("inode %u was whole, and is not what it was", ino);
	}
}

static void use(void)
{
	struct tree t = {0};
	char why[256] = "";
	int err;
	struct sim_proc *proc = sim_attach(image_sim(), UMFS_MODE_ATOMIC, &err);

	if (!proc)
		die("attach: %s", strerror(-err));
	if (tree_read(&proc->fs, &t, why))
		die("the tree: %s", why);
	if (tree_use(&proc->fs, &t, why) && !strstr(why, strerror(ENOSPC)))
		die("using it: %s", why);
	tree_free(&t);
	sim_detach(proc);
}

/* Pages past a file's end are a waste, and no damage. */
static void check_clean(const char *when)
{
	static struct image_fsck res;

	image_fsck(image_sim(), CHECK, &res);
	if (res.ret)
		die("-n %s: %s", when, res.first);
	for (uint32_t i = 0; i < res.count; i++)
		if (res.findings[i].code != PR_FPT_PAST_END)
			die("-n %s: %s %llu; %s", when, res.findings[i].kind,
			    (unsigned long long)res.findings[i].number, res.first);
}

static void one(uint64_t number)
{
	static struct image_fsck res;
	uint64_t state = number * 0x9e3779b97f4a7c15ull + 1, set;

	snprintf(sim_context, sizeof(sim_context), "image %llu", (unsigned long long)number);
	set = files_whole(damaged(&state));
	image_fsck(image_sim(), YES, &res);
	if (res.ret) {
		counts->refused++;
		return;
	}
	counts->mended += res.fixed != 0;
	if (res.left)
		die("-y left %llu: %s", (unsigned long long)res.left, res.first);
	check_clean("after -y");
	compare_files(set);
	use();
	check_clean("after it was used");
}

/* Until the end, or the first that fails. */
static void some(uint64_t end)
{
	if (!fork()) {
		for (; counts->number < end; counts->number++)
			one(counts->number);
		exit(0); /* not _exit(): what was reached is counted */
	}
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	int status;

	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (!count || counts == MAP_FAILED) {
		fprintf(stderr, "usage: fuzz-mend IMAGES [FIRST]\n");
		return 2;
	}
	make_whole();
	counts->number = first;
	while (counts->number < first + count) {
		some(first + count);
		if (wait(&status) < 0 || status) {
			fprintf(stderr, "image %llu failed\n", (unsigned long long)counts->number);
			counts->failed++;
			counts->number++;
		}
	}
	printf("%llu images: %llu mended, %llu refused, %llu files compared, %llu failed\n",
	       (unsigned long long)count, (unsigned long long)counts->mended,
	       (unsigned long long)counts->refused, (unsigned long long)counts->compared,
	       (unsigned long long)counts->failed);
	return counts->failed != 0;
}
