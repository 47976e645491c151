// SPDX-License-Identifier: BSD-3-Clause
/* steps.c - see steps.h. */
#include "steps.h"

static const char *const paths[] = {"/p/f", "/q/g"};
enum which { F, G };

void steps_tree(struct umfs *fs)
{
	need(world_mkdir(fs, "/p"));
	need(world_mkdir(fs, "/q"));
	need(world_put(fs, "/p/f", 0, 6000, 1));
	need(world_setxattr(fs, "/p/f", "user.old", 20, 1));
	need(world_put(fs, "/q/g", 0, 100, 1));
}

int steps_hold(struct stage *s)
{
	s->holds = true;
	need(world_open(s->fs, "/p/f", O_RDWR, &s->held[F]));
	need(world_open(s->fs, "/q/g", O_RDWR, &s->held[G]));
	return 0;
}

/* ---- names ---- */

#define NAME_STEP(name, call)                                                                      \
	static int name##_run(struct stage *s)                                                     \
	{                                                                                          \
		return call;                                                                       \
	}

NAME_STEP(creat_p, world_creat(s->fs, "/p/n", 0644))
NAME_STEP(creat_q, world_creat(s->fs, "/q/n", 0600))
NAME_STEP(creat_f, world_creat(s->fs, "/p/f", 0640))
NAME_STEP(mkdir_p, world_mkdir(s->fs, "/p/n"))
NAME_STEP(mkdir_q, world_mkdir(s->fs, "/q/n"))
NAME_STEP(creat_in_n, world_creat(s->fs, "/p/n/m", 0644))
NAME_STEP(symlink_p, world_symlink(s->fs, "../q/g", "/p/n"))
NAME_STEP(link_f_p, world_link(s->fs, "/p/f", "/p/n"))
NAME_STEP(link_f_q, world_link(s->fs, "/p/f", "/q/n"))
NAME_STEP(link_g_p, world_link(s->fs, "/q/g", "/p/n"))
NAME_STEP(unlink_f, world_unlink(s->fs, "/p/f"))
NAME_STEP(unlink_g, world_unlink(s->fs, "/q/g"))
NAME_STEP(unlink_pn, world_unlink(s->fs, "/p/n"))
NAME_STEP(unlink_qn, world_unlink(s->fs, "/q/n"))
NAME_STEP(rmdir_p, world_rmdir(s->fs, "/p/n"))
NAME_STEP(rmdir_q, world_rmdir(s->fs, "/q/n"))
NAME_STEP(rename_f, world_rename(s->fs, "/p/f", "/p/n"))
NAME_STEP(rename_f_across, world_rename(s->fs, "/p/f", "/q/n"))
NAME_STEP(rename_f_over_g, world_rename(s->fs, "/p/f", "/q/g"))
NAME_STEP(rename_g_over_f, world_rename(s->fs, "/q/g", "/p/f"))
NAME_STEP(rename_n_over_f, world_rename(s->fs, "/p/n", "/p/f"))
NAME_STEP(rename_n_across, world_rename(s->fs, "/p/n", "/q/n"))
NAME_STEP(rename_p, world_rename(s->fs, "/p", "/q/n"))
NAME_STEP(exchange_f_g, world_rename2(s->fs, "/p/f", "/q/g", UMFS_RENAME_EXCHANGE))
NAME_STEP(exchange_n_g, world_rename2(s->fs, "/p/n", "/q/g", UMFS_RENAME_EXCHANGE))
NAME_STEP(exchange_p_q, world_rename2(s->fs, "/p", "/q", UMFS_RENAME_EXCHANGE))
NAME_STEP(whiteout_f, world_rename2(s->fs, "/p/f", "/q/n", UMFS_RENAME_WHITEOUT))

NAME_STEP(xattr_f, world_setxattr(s->fs, "/p/f", "user.new", 60, s->step + 2))
NAME_STEP(xattr_f_large, world_setxattr(s->fs, "/p/f", "user.old", 5000, s->step + 2))
NAME_STEP(xattr_f_remove, world_removexattr(s->fs, "/p/f", "user.old"))
NAME_STEP(xattr_g, world_setxattr(s->fs, "/q/g", "user.new", 60, s->step + 2))
NAME_STEP(xattr_g_remove, world_removexattr(s->fs, "/q/g", "user.new"))

/* A file without a name, then with one; in between nobody sees it. */
static int tmpfile_run(struct stage *s)
{
	struct umfs_file file;
	int err = world_tmpfile(s->fs, "/p", true, &file);

	if (err)
		return err;
	err = world_write(&file, 0, 5000, s->step + 2);
	if (!err)
		err = umfs_fsync(&file);
	if (!err)
		err = world_name(&file, "/p/n");
	world_close(&file);
	return err;
}

/* ---- bytes ---- */

static int with(struct stage *s, enum which which, struct umfs_file *file)
{
	if (!s->holds)
		return world_open(s->fs, paths[which], O_RDWR, file);
	*file = s->held[which];
	return 0;
}

static int without(struct stage *s, struct umfs_file *file, int err)
{
	if (!s->holds)
		world_close(file);
	return err;
}

#define FILE_STEP(name, which, call)                                                               \
	static int name##_run(struct stage *s)                                                     \
	{                                                                                          \
		struct umfs_file file;                                                             \
		int err = with(s, which, &file);                                                   \
                                                                                                   \
		return err ? err : without(s, &file, call);                                        \
	}
#define WRITE_STEP(name, which, off, n)                                                            \
	FILE_STEP(name, which, world_write(&file, off, n, s->step + 2))
#define FALLOC_STEP(name, which, mode, off, n)                                                     \
	FILE_STEP(name, which, umfs_fallocate(&file, mode, off, n))
#define TRUNCATE_STEP(name, which, size)                                                           \
	FILE_STEP(name, which, umfs_truncate(s->fs, umfs_file_node(&file), size))

WRITE_STEP(write_f, F, 130, 64)
WRITE_STEP(write_f_across, F, 4000, 200)
WRITE_STEP(write_f_page, F, 0, 4096)
WRITE_STEP(write_f_pages, F, 0, 8192)
WRITE_STEP(write_f_end, F, 6000, 100)
WRITE_STEP(write_f_past, F, 20001, 100)
FILE_STEP(append_f, F, world_append(&file, 3000, s->step + 2))
FILE_STEP(append_f_page, F, world_append(&file, 4096, s->step + 2))
WRITE_STEP(write_g, G, 7, 10)
WRITE_STEP(write_g_over, G, 50, 200)
WRITE_STEP(write_g_page, G, 0, 4096)
WRITE_STEP(write_g_past, G, 9000, 5000)
FILE_STEP(append_g, G, world_append(&file, 100, s->step + 2))

TRUNCATE_STEP(truncate_f_up, F, 9000)
TRUNCATE_STEP(truncate_f_down, F, 4500)
TRUNCATE_STEP(truncate_f_page, F, 4096)
TRUNCATE_STEP(truncate_f_zero, F, 0)
TRUNCATE_STEP(truncate_g_up, G, 5000)
TRUNCATE_STEP(truncate_g_down, G, 10)
TRUNCATE_STEP(truncate_g_zero, G, 0)

FALLOC_STEP(falloc_f, F, 0, 3000, 12000)
FALLOC_STEP(falloc_f_keep, F, UMFS_FALLOC_KEEP_SIZE, 4000, 20000)
FALLOC_STEP(punch_f, F, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, 0, 4096)
FALLOC_STEP(punch_f_part, F, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, 100, 4500)
FALLOC_STEP(zero_f, F, UMFS_FALLOC_ZERO, 100, 9000)
FALLOC_STEP(zero_f_keep, F, UMFS_FALLOC_ZERO | UMFS_FALLOC_KEEP_SIZE, 4096, 8192)
FALLOC_STEP(falloc_g, G, 0, 0, 5000)
FALLOC_STEP(punch_g, G, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, 0, 100)

static int sync_which(struct stage *s, enum which which)
{
	struct umfs_file file;
	int err = with(s, which, &file);

	if (err)
		return err;
	s->durable = file.ino;
	return without(s, &file, umfs_fsync(&file));
}

NAME_STEP(fsync_f, sync_which(s, F))
NAME_STEP(fsync_g, sync_which(s, G))

#define NAMES(step) {.name = #step, .run = step##_run}
#define BYTES(step, file) {.name = #step, .run = step##_run, .path = file}

const struct op steps[] = {
	NAMES(creat_p),		NAMES(creat_q),		NAMES(creat_f),
	NAMES(mkdir_p),		NAMES(mkdir_q),		NAMES(creat_in_n),
	NAMES(symlink_p),	NAMES(link_f_p),	NAMES(link_f_q),
	NAMES(link_g_p),	NAMES(unlink_f),	NAMES(unlink_g),
	NAMES(unlink_pn),	NAMES(unlink_qn),	NAMES(rmdir_p),
	NAMES(rmdir_q),		NAMES(rename_f),	NAMES(rename_f_across),
	NAMES(rename_f_over_g), NAMES(rename_g_over_f), NAMES(rename_n_over_f),
	NAMES(rename_n_across), NAMES(rename_p),	NAMES(exchange_f_g),
	NAMES(exchange_n_g),	NAMES(exchange_p_q),	NAMES(whiteout_f),	NAMES(xattr_f),
	NAMES(xattr_f_large),	NAMES(xattr_f_remove),	NAMES(xattr_g),
	NAMES(xattr_g_remove),	NAMES(tmpfile),		BYTES(write_f, "/p/f"),
	BYTES(write_f_across, "/p/f"), BYTES(write_f_page, "/p/f"), BYTES(write_f_pages, "/p/f"),
	BYTES(write_f_end, "/p/f"), BYTES(write_f_past, "/p/f"), BYTES(append_f, "/p/f"),
	BYTES(append_f_page, "/p/f"), BYTES(write_g, "/q/g"), BYTES(write_g_over, "/q/g"),
	BYTES(write_g_page, "/q/g"), BYTES(write_g_past, "/q/g"), BYTES(append_g, "/q/g"),
	NAMES(truncate_f_up),	NAMES(truncate_f_down), NAMES(truncate_f_page),
	NAMES(truncate_f_zero), NAMES(truncate_g_up),	NAMES(truncate_g_down),
	NAMES(truncate_g_zero), NAMES(falloc_f),	NAMES(falloc_f_keep),
	NAMES(punch_f),		NAMES(punch_f_part),	NAMES(zero_f),
	NAMES(zero_f_keep),	NAMES(falloc_g),	NAMES(punch_g),
	NAMES(fsync_f),		NAMES(fsync_g),
};
const size_t step_count = sizeof(steps) / sizeof(steps[0]);

const struct op *step_find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < step_count; i++)
		if (strlen(steps[i].name) == len && !memcmp(steps[i].name, name, len))
			return &steps[i];
	return NULL;
}
