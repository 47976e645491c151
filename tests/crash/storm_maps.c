// SPDX-License-Identifier: BSD-3-Clause
/*
 * storm_maps.c - a storm on files whose pages processes have mapped.
 *
 * Each word that is ever written, by a call or through a mapping, says which file it
 * belongs to. So a page that went to another file, or became a table, while somebody
 * still had it mapped is seen: by a word of another file, or by fsck. Files are cut,
 * punched, overwritten page by page, removed and made anew meanwhile, with their names
 * swapped, and the processes that have them mapped are killed.
 *
 * What a worker stores to are the pool's own pages, at the places that umfs_map_run()
 * names, as through a mapping of the pool file; it holds the file by umfs_map_pin().
 */
#include "storm.h"

#include <stdio.h>

#define FILES 4
#define PAGES 24 /* of a file, at most */
#define BYTES (PAGES * (uint64_t)UMFS_PAGE_BYTES)
#define ROUNDS 8 /* stores through one mapping */

/* A word of a file, which its inode's number and generation stand for. */
static uint64_t tag(const struct umfs_file *f)
{
	return (uint64_t)f->generation << 32 | f->ino;
}

static void file_name(struct worker *w, char path[16])
{
	sprintf(path, "/map%u", storm_upto(w, FILES));
}

static bool open_any(struct worker *w, struct umfs_file *f)
{
	char path[16];
	int err;

	file_name(w, path);
	err = world_open(w->fs, path, O_RDWR | O_CREAT, f);
	storm_allow(w, err, "open");
	return !err;
}

static void check_words(struct worker *w, const struct umfs_file *f, const void *at, uint64_t n,
			uint64_t off)
{
	const uint64_t *word = at;
	uint64_t i, seen;

	for (i = 0; i < n / 8; i++) {
		seen = __atomic_load_n(&word[i], __ATOMIC_RELAXED);
		if (seen && seen != tag(f))
			die("worker %u: inode %u has %llx at byte %llu", w->number, f->ino,
			    (unsigned long long)seen, (unsigned long long)(off + 8 * i));
	}
}

/* ---- calls ---- */

static void write_some(struct worker *w)
{
	static const uint32_t sizes[] = {8, 512, 4096, 8192, 40960};
	static _Thread_local uint64_t buf[40960 / 8];
	uint64_t n = sizes[storm_upto(w, 5)], i;
	uint64_t off = storm_upto(w, (uint32_t)(BYTES - n)) & ~7ull;
	struct umfs_file f;

	if (!open_any(w, &f))
		return;
	if (n >= 4096 && storm_upto(w, 2))
		off &= ~(uint64_t)UMFS_PAGE_MASK;
	for (i = 0; i < n / 8; i++)
		buf[i] = tag(&f);
	storm_allow(w, umfs_pwrite(&f, buf, n, off), "pwrite");
	world_close(&f);
}

static void read_all(struct worker *w)
{
	static _Thread_local uint64_t buf[BYTES / 8];
	struct umfs_file f;
	int64_t got;

	if (!open_any(w, &f))
		return;
	got = umfs_pread(&f, buf, BYTES, 0);
	storm_allow(w, got, "pread");
	if (got > 0)
		check_words(w, &f, buf, (uint64_t)got, 0);
	world_close(&f);
}

static void cut(struct worker *w)
{
	static const uint32_t modes[] = {0, UMFS_FALLOC_ZERO,
					 UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE,
					 UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE};
	uint64_t off = storm_upto(w, BYTES) & ~7ull, n = (1 + storm_upto(w, 40000)) & ~7ull;
	struct umfs_file f;

	if (!open_any(w, &f))
		return;
	if (storm_upto(w, 2))
		storm_allow(w, umfs_truncate(w->fs, umfs_file_node(&f), off), "truncate");
	else
		storm_allow(w,
			    umfs_fallocate(&f, modes[storm_upto(w, 4)], off,
					   UMFS_MIN(n + 8, BYTES - off)),
			    "fallocate");
	world_close(&f);
}

static void change_names(struct worker *w)
{
	char a[16], b[16];

	file_name(w, a);
	file_name(w, b);
	if (storm_upto(w, 2))
		storm_allow(w, world_unlink(w->fs, a), "unlink");
	else
		storm_allow(w,
			    world_rename2(w->fs, a, b, storm_upto(w, 2) ? UMFS_RENAME_EXCHANGE : 0),
			    "rename");
}

/* ---- mappings ---- */

/* Load and store a word in each run of pages; *all: every page of the range had one. */
static void touch_runs(struct worker *w, const struct umfs_file *f, uint64_t off, uint64_t end)
{
	uint64_t at = off, where, k;

	while (at < end) {
		int64_t n = umfs_map_run(f, at, end - at, &where);

		storm_allow(w, n, "map_run");
		if (n <= 0)
			return;
		if (where) {
			uint64_t *word = (uint64_t *)(void *)(w->fs->base + where);

			check_words(w, f, word, (uint64_t)n, at);
			k = storm_random(&w->random) % ((uint64_t)n / 8);
			__atomic_store_n(&word[k], tag(f), __ATOMIC_RELAXED);
		}
		at += (uint64_t)n;
	}
}

/*
 * The runs are looked up once and used for a while, as those of a mapping are. The
 * descriptor may be closed before: what is pinned stays so.
 */
static void map_some(struct worker *w)
{
	uint64_t off = storm_upto(w, PAGES) * (uint64_t)UMFS_PAGE_BYTES, end, where[PAGES] = {0};
	uint32_t irec, i, k, count = 0;
	struct umfs_file f;
	uint64_t mark;
	int err;

	if (!open_any(w, &f))
		return;
	end = UMFS_MIN(off + (1 + storm_upto(w, 8)) * (uint64_t)UMFS_PAGE_BYTES, BYTES);
	err = umfs_map_pin(&f, UMFS_MAP_SHARED | UMFS_MAP_WRITE, off, &end, &irec);
	storm_allow(w, err, "map_pin");
	mark = tag(&f);
	if (!err) {
		touch_runs(w, &f, off, end);
		for (; off < end; off += UMFS_PAGE_BYTES)
			if (umfs_map_run(&f, off, UMFS_PAGE_BYTES, &where[count]) > 0 &&
			    where[count])
				count++;
	}
	if (err || storm_upto(w, 2)) {
		world_close(&f);
		f.fs = NULL;
	}
	for (i = 0; !err && i < ROUNDS && count; i++) {
		uint64_t *page = (uint64_t *)(void *)(w->fs->base + where[storm_upto(w, count)]);
		uint64_t seen;

		k = storm_upto(w, UMFS_PAGE_BYTES / 8);
		seen = __atomic_load_n(&page[k], __ATOMIC_RELAXED);
		if (seen && seen != mark)
			die("worker %u: a mapped page has %llx instead of %llx", w->number,
			    (unsigned long long)seen, (unsigned long long)mark);
		__atomic_store_n(&page[k], mark, __ATOMIC_RELAXED);
	}
	if (!err)
		umfs_map_put(w->fs, irec);
	if (f.fs)
		world_close(&f);
}

/* ---- the storm ---- */

static void step(struct worker *w)
{
	static const struct storm_step steps[] = {
		{"mapping", map_some, 6}, {"writing", write_some, 4}, {"cutting", cut, 3},
		{"reading", read_all, 2}, {"names", change_names, 1},
	};

	storm_draw(w, steps, UMFS_ARRAY_LEN(steps));
}

static void prepare(struct umfs *fs)
{
	char path[16];
	uint32_t i;

	for (i = 0; i < FILES; i++) {
		sprintf(path, "/map%u", i);
		need(world_creat(fs, path, 0644));
	}
}

/* Each file's words are its own. */
static int check(const struct tree *t, char why[256])
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		const struct node *x = &t->nodes[i];
		uint64_t k, word, mine = (uint64_t)x->attr.generation << 32 | x->attr.ino;

		for (k = 0; x->data && k + 8 <= x->data_bytes; k += 8) {
			memcpy(&word, x->data + k, 8);
			if (!word || word == mine)
				continue;
			snprintf(why, 256, "%s: %llx at byte %llu", x->path,
				 (unsigned long long)word, (unsigned long long)k);
			return -1;
		}
	}
	return 0;
}

const struct storm_kind storm_maps = {"maps", prepare, NULL, step, check, NULL};
