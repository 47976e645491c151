// SPDX-License-Identifier: BSD-3-Clause
/*
 * storm_files.c - a storm of all kinds of calls on a few files and names.
 *
 * Blocks of the shared files are written whole, each a function of one random
 * word, so that a reader sees a mixture of two writes.
 */
#include "storm.h"

#include <stdio.h>

#define FILES 3
#define NAMES 12
#define DIRS 3
#define BLOCKS 8

static const uint64_t block_bytes[FILES] = {512, 4096, 10000};

/* ---- blocks that are whole or not ---- */

static void block_fill(uint8_t *buf, uint64_t n, uint64_t word)
{
	uint64_t i;

	memcpy(buf, &word, 8);
	for (i = 8; i < n; i++)
		buf[i] = (uint8_t)(word >> (i % 8 * 8)) ^ (uint8_t)(i >> 3);
}

static bool block_whole(const uint8_t *buf, uint64_t n)
{
	uint8_t want[10000];
	uint64_t word;

	memcpy(&word, buf, 8);
	block_fill(want, n, word);
	return !memcmp(buf, want, n);
}

static void do_write(struct worker *w)
{
	uint32_t f = storm_upto(w, FILES), block = storm_upto(w, BLOCKS);
	uint64_t n = block_bytes[f];
	uint8_t buf[10000];

	block_fill(buf, n, storm_random(&w->random));
	storm_allow(w, umfs_pwrite(&w->files[f], buf, n, block * n), "pwrite");
}

static void do_read(struct worker *w)
{
	uint32_t f = storm_upto(w, FILES), block = storm_upto(w, BLOCKS);
	uint64_t n = block_bytes[f];
	uint8_t buf[10000];
	int64_t got = umfs_pread(&w->files[f], buf, n, block * n);

	if (got != (int64_t)n)
		die("worker %u: pread of %llu bytes: %lld", w->number, (unsigned long long)n,
		    (long long)got);
	if (w->mode == UMFS_MODE_ATOMIC && !block_whole(buf, n))
		die("worker %u: block %u of file %u is a mixture", w->number, block, f);
}

/* ---- names ---- */

static void name_path(struct worker *w, char *path)
{
	sprintf(path, "/d%u/n%u", storm_upto(w, DIRS), storm_upto(w, NAMES));
}

static void do_grow(struct worker *w, const char *path)
{
	struct umfs_file file;
	int err = world_open(w->fs, path, O_RDWR, &file);

	storm_allow(w, err, "open");
	if (err)
		return;
	storm_allow(w, world_append(&file, storm_upto(w, 20000), 1), "append");
	storm_allow(w, umfs_truncate(w->fs, file.ino, storm_upto(w, 30000)), "truncate");
	world_close(&file);
}

static void do_list(struct worker *w, const char *path)
{
	uint32_t ino, n = 0;
	int err = world_ino(w->fs, path, &ino);

	storm_allow(w, err, "lookup");
	if (!err)
		storm_allow(w, umfs_readdir(w->fs, ino, 0, world_count_name, &n), "readdir");
}

static void do_unlink_open(struct worker *w, const char *path)
{
	struct umfs_file file;
	uint8_t buf[100];
	int err = world_open(w->fs, path, O_RDWR, &file);

	storm_allow(w, err, "open");
	if (err)
		return;
	storm_allow(w, world_unlink(w->fs, path), "unlink");
	storm_allow(w, world_write(&file, 0, 5000, 3), "write to an unlinked file");
	storm_allow(w, umfs_pread(&file, buf, sizeof(buf), 0), "read of an unlinked file");
	world_close(&file);
}

static void do_names(struct worker *w)
{
	char a[64], b[64];
	struct umfs_attr attr;

	name_path(w, a);
	name_path(w, b);
	switch (storm_upto(w, 11)) {
	case 0:
		storm_allow(w, world_creat(w->fs, a, 0644), "creat");
		break;
	case 1:
		storm_allow(w, world_mkdir(w->fs, a), "mkdir");
		break;
	case 2:
		storm_allow(w, world_unlink(w->fs, a), "unlink");
		break;
	case 3:
		storm_allow(w, world_rmdir(w->fs, a), "rmdir");
		break;
	case 4:
	case 5:
		storm_allow(w, world_rename(w->fs, a, b), "rename");
		break;
	case 6:
		storm_allow(w, world_link(w->fs, a, b), "link");
		break;
	case 7:
		storm_allow(w, world_stat(w->fs, a, &attr), "stat");
		break;
	case 8:
		do_grow(w, a);
		break;
	case 9:
		do_list(w, "/d0");
		break;
	default:
		do_unlink_open(w, a);
		break;
	}
}

static void begin(struct worker *w)
{
	char name[32];
	uint32_t i;

	for (i = 0; i < FILES; i++) {
		sprintf(name, "/file%u", i);
		need(world_open(w->fs, name, O_RDWR, &w->files[i]));
	}
}

static void step(struct worker *w)
{
	static const struct storm_step steps[] = {
		{"writing", do_write, 1}, {"reading", do_read, 1}, {"names", do_names, 2},
	};

	storm_draw(w, steps, UMFS_ARRAY_LEN(steps));
}

static void prepare(struct umfs *fs)
{
	uint8_t buf[10000];
	char name[32];
	uint32_t i, k;

	for (i = 0; i < DIRS; i++) {
		sprintf(name, "/d%u", i);
		need(world_mkdir(fs, name));
	}
	for (i = 0; i < FILES; i++) {
		struct umfs_file file;

		sprintf(name, "/file%u", i);
		need(world_open(fs, name, O_RDWR | O_CREAT, &file));
		block_fill(buf, block_bytes[i], 1);
		for (k = 0; k < BLOCKS; k++)
			need(umfs_pwrite(&file, buf, block_bytes[i], k * block_bytes[i]));
		world_close(&file);
	}
}

/* Names come and go: what there is hangs together, and that is all. */
static int check(const struct tree *t, char why[256])
{
	(void)t;
	(void)why;
	return 0;
}

const struct storm_kind storm_files = {"files", prepare, begin, step, check, NULL};
