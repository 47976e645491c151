// SPDX-License-Identifier: GPL-2.0-only
/*
 * dir.c - directories: getdents.
 *
 * A position is 0 before ".", 1 before "..", 2 before the first name, else core's
 * cookie of the name before, which is a hash and no small number.
 */
#include <linux/module.h>

#include "kmod.h"

#define FIRST 2

static int emit(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		uint64_t cookie)
{
	struct dir_context *ctx = arg;

	if (!dir_emit(ctx, name, (int)len, ino, type))
		return 1;
	ctx->pos = (loff_t)cookie;
	return 0;
}

static bool emit_dots(const struct umfs_kfile *k, struct dir_context *ctx)
{
	struct umfs *fs = &k->pool->fs;
	const struct umfs_cred root = {.override = true};
	struct umfs_walk w = {0};
	char rest[4];

	if (ctx->pos == 0) {
		if (!dir_emit(ctx, ".", 1, k->f.ino, DT_DIR))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		w.rest = rest; /* nothing is left of ".." */
		if (umfs_walk(fs, &root, umfs_file_node(&k->f), "..", 0, &w))
			w.ino = k->f.ino;
		if (!dir_emit(ctx, "..", 2, (uint32_t)w.ino, DT_DIR))
			return false;
		ctx->pos = FIRST;
	}
	return true;
}

static int dir_iterate(struct file *file, struct dir_context *ctx)
{
	const struct umfs_kfile *k = file->private_data;
	int err;

	if (!emit_dots(k, ctx))
		return 0;
	err = umfs_readdir(&k->pool->fs, umfs_file_node(&k->f),
			   ctx->pos == FIRST ? 0 : (uint64_t)ctx->pos, emit, ctx);
	umfs_accessed(&k->f);
	return err < 0 ? err : 0;
}

static loff_t dir_llseek(struct file *file, loff_t off, int whence)
{
	return generic_file_llseek_size(file, off, whence, S64_MAX, S64_MAX);
}

const struct file_operations umfs_dir_fops = {
	.owner = THIS_MODULE,
	.open = umfs_file_open,
	.release = umfs_file_release,
	.read = generic_read_dir,
	.iterate_shared = dir_iterate,
	.llseek = dir_llseek,
	.fsync = umfs_file_fsync,
};
