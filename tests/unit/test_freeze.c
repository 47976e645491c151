// SPDX-License-Identifier: BSD-3-Clause
/* test_freeze.c - a pool that stays as it is: who waits, who does not, what a copy of it is. */
#include "unit.h"

#include <stdio.h>

#define SECOND 1000000000ull

/* ---- what may change meanwhile: freeze.c, I1 ---- */

static void *picture(const struct unit *u)
{
	void *bytes = malloc(u->sim->bytes);

	assert_non_null(bytes);
	memcpy(bytes, u->sim->mem, u->sim->bytes);
	return bytes;
}

/* An inode without its lock, sequence and record. */
static void strip(uint8_t *inode)
{
	struct umfs_inode_pm *in = (struct umfs_inode_pm *)inode;

	memset(&in->lock, 0, 8);
	memset(&in->seq, 0, 8);
	memset(&in->rec, 0, 8);
}

static void check_inodes(const struct umfs *fs, const uint8_t *was, uint32_t group)
{
	uint64_t off = (umfs_group_page(fs, group) + UMFS_GROUP_HEAD_PAGES) << UMFS_PAGE_SHIFT;
	uint32_t i;

	for (i = 0; i < fs->geo.inodes_per_group; i++, off += UMFS_INODE_BYTES) {
		uint8_t a[UMFS_INODE_BYTES], b[UMFS_INODE_BYTES];

		memcpy(a, was + off, sizeof(a));
		memcpy(b, fs->base + off, sizeof(b));
		strip(a);
		strip(b);
		assert_memory_equal(a, b, sizeof(a));
	}
}

static void check_range(const struct umfs *fs, const uint8_t *was, uint64_t page, uint64_t pages)
{
	assert_memory_equal(fs->base + page * UMFS_PAGE_BYTES, was + page * UMFS_PAGE_BYTES,
			    pages * UMFS_PAGE_BYTES);
}

/* Only the runtime zone did. */
static void check_unchanged(const struct umfs *fs, const uint8_t *was)
{
	uint32_t g, heads = UMFS_GROUP_HEAD_PAGES + fs->geo.itable_pages;

	check_range(fs, was, UMFS_SB_PAGE, 1);
	check_range(fs, was, fs->geo.gtable_page, 1);
	for (g = 0; g < fs->geo.group_count; g++) {
		uint64_t page = umfs_group_page(fs, g);

		check_range(fs, was, page, UMFS_GROUP_HEAD_PAGES);
		check_inodes(fs, was, g);
		check_range(fs, was, page + heads, umfs_group_pages(fs, g) - heads);
	}
}

/* ---- the freezer, and what it does when somebody waits ---- */

struct freezer {
	struct unit *u;
	struct sim_proc *proc;
	uint8_t *was;
	uint32_t waits;
};

static void freeze(struct unit *u, struct freezer *f)
{
	uint32_t slot;

	memset(f, 0, sizeof(*f));
	f->u = u;
	f->proc = unit_attach(u);
	assert_ok(umfs_freeze(&f->proc->fs, SECOND, &slot));
	f->was = picture(u);
}

static void thaw(struct freezer *f)
{
	check_unchanged(f->u->fs, f->was);
	assert_ok(umfs_thaw(&f->proc->fs));
	free(f->was);
	f->was = NULL;
}

static void thaw_at_wait(void *arg)
{
	struct freezer *f = arg;

	f->waits++;
	thaw(f);
}

static void end(struct freezer *f)
{
	if (f->was)
		thaw(f);
	sim_detach(f->proc);
}

static uint32_t frozen_by(const struct unit *u)
{
	uint32_t slot;

	return umfs_frozen_by(u->fs, &slot) ? slot : UINT32_MAX;
}

/* ---- freezing ---- */

static void pool_frozen_until_thawed(void **state)
{
	struct unit *u = *state;
	struct freezer f;
	uint32_t slot;

	assert_int_equal(frozen_by(u), UINT32_MAX);
	freeze(u, &f);
	assert_int_equal(frozen_by(u), f.proc->fs.slot);
	assert_err(umfs_freeze(u->fs, SECOND, &slot), EBUSY);
	assert_int_equal(slot, f.proc->fs.slot);
	assert_err(umfs_freeze(&f.proc->fs, SECOND, &slot), EBUSY);
	assert_err(umfs_thaw(u->fs), ESTALE);
	assert_int_equal(frozen_by(u), f.proc->fs.slot);
	thaw(&f);
	assert_int_equal(frozen_by(u), UINT32_MAX);
	assert_err(umfs_thaw(&f.proc->fs), ESTALE);
	assert_ok(world_creat(u->fs, "/a", 0644));
	end(&f);
}

static void pool_thawed_by_another(void **state)
{
	struct unit *u = *state;
	struct freezer f;

	freeze(u, &f);
	assert_err(umfs_thaw_of(u->fs, u->fs->slot), EINVAL);
	assert_ok(umfs_thaw_of(u->fs, f.proc->fs.slot));
	assert_err(umfs_thaw(&f.proc->fs), ESTALE);
	assert_ok(world_creat(u->fs, "/a", 0644));
	free(f.was);
	f.was = NULL;
	end(&f);
}

static void pool_thawed_when_its_freezer_leaves(void **state)
{
	struct unit *u = *state;
	struct freezer f;

	freeze(u, &f);
	free(f.was);
	sim_detach(f.proc);
	assert_int_equal(frozen_by(u), UINT32_MAX);
	assert_ok(world_creat(u->fs, "/a", 0644));
	assert_int_equal(ld64(&umfs_runtime(u->fs)->freeze), 0); /* nobody looks twice any more */
}

static void freezer_dead_delays_nobody(void **state)
{
	struct unit *u = *state;
	struct freezer f;
	uint32_t slot;

	freeze(u, &f);
	free(f.was);
	sim_kill(f.proc);
	assert_ok(world_put(u->fs, "/a", 0, 100, 1));
	assert_int_equal(frozen_by(u), UINT32_MAX);
	freeze(u, &f);
	free(f.was);
	sim_kill(f.proc);
	assert_ok(umfs_freeze(u->fs, SECOND, &slot)); /* nor the next freezer */
	assert_ok(umfs_thaw(u->fs));
	freeze(u, &f);
	free(f.was);
	sim_kill(f.proc);
	f.proc = unit_attach(u); /* nor who takes its slot */
	assert_int_equal(frozen_by(u), UINT32_MAX);
	sim_detach(f.proc);
}

/* ---- who changes the pool waits ---- */

struct change {
	const char *name;
	int (*run)(struct umfs *fs, struct umfs_file *file);
};

static int do_creat(struct umfs *fs, struct umfs_file *file)
{
	(void)file;
	return world_creat(fs, "/d/new", 0644);
}
static int do_mkdir(struct umfs *fs, struct umfs_file *file)
{
	(void)file;
	return world_mkdir(fs, "/d/dir");
}
static int do_tmpfile(struct umfs *fs, struct umfs_file *file)
{
	struct umfs_file f;
	int err = world_tmpfile(fs, "/d", true, &f);

	(void)file;
	if (!err)
		world_close(&f);
	return err;
}
static int do_create_open(struct umfs *fs, struct umfs_file *file)
{
	struct umfs_file f;
	int err = world_open(fs, "/opened", O_RDWR | O_CREAT, &f);

	(void)file;
	if (!err)
		world_close(&f);
	return err;
}
static int do_symlink(struct umfs *fs, struct umfs_file *file)
{
	(void)file;
	return world_symlink(fs, "to", "/d/link");
}
static int do_link(struct umfs *fs, struct umfs_file *file)
{
	(void)file;
	return world_link(fs, "/f", "/d/f2");
}
static int do_unlink(struct umfs *fs, struct umfs_file *file)
{
	(void)file;
	return world_unlink(fs, "/gone");
}
static int do_rmdir(struct umfs *fs, struct umfs_file *file)
{
	(void)file;
	return world_rmdir(fs, "/e");
}
static int do_rename(struct umfs *fs, struct umfs_file *file)
{
	(void)file;
	return world_rename(fs, "/e", "/d/e"); /* with the rename lock */
}
static int do_chmod(struct umfs *fs, struct umfs_file *file)
{
	return umfs_chmod(fs, &world_root, file->ino, 0600);
}
static int do_chown(struct umfs *fs, struct umfs_file *file)
{
	return umfs_chown(fs, &world_root, file->ino, 7, 7);
}
static int do_utimens(struct umfs *fs, struct umfs_file *file)
{
	return umfs_utimens(fs, &world_root, file->ino, 5, 5);
}
static int do_setxattr(struct umfs *fs, struct umfs_file *file)
{
	(void)file;
	return world_setxattr(fs, "/f", "user.a", 100, 1);
}
static int do_write_bytes(struct umfs *fs, struct umfs_file *file)
{
	(void)fs;
	return world_write(file, 5000, 64, 7);
}
static int do_write_page(struct umfs *fs, struct umfs_file *file)
{
	(void)fs;
	return world_write(file, 8192, 4096, 7);
}
static int do_write_pages(struct umfs *fs, struct umfs_file *file)
{
	(void)fs;
	return world_write(file, 8000, 20000, 7);
}
static int do_append(struct umfs *fs, struct umfs_file *file)
{
	(void)fs;
	return world_append(file, 5000, 7);
}
static int do_write_at_position(struct umfs *fs, struct umfs_file *file)
{
	struct umfs_iov iov = {(void *)(uintptr_t) "abc", 3};

	(void)fs;
	return umfs_writev(file, &iov, 1) == 3 ? 0 : -EIO;
}
static int do_truncate(struct umfs *fs, struct umfs_file *file)
{
	return umfs_truncate(fs, file->ino, 100);
}
static int do_truncate_up(struct umfs *fs, struct umfs_file *file)
{
	return umfs_truncate(fs, file->ino, 1 << 20);
}
static int do_allocate(struct umfs *fs, struct umfs_file *file)
{
	(void)fs;
	return umfs_fallocate(file, 0, 1 << 20, 4096);
}
static int do_punch(struct umfs *fs, struct umfs_file *file)
{
	(void)fs;
	return umfs_fallocate(file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, 0, 5000);
}
static int do_copy(struct umfs *fs, struct umfs_file *file)
{
	(void)fs;
	return umfs_copy_range(file, 0, file, 1 << 20, 5000) == 5000 ? 0 : -EIO;
}
static int do_map(struct umfs *fs, struct umfs_file *file)
{
	uint64_t end_off = 8192;
	uint32_t irec;
	int err = umfs_map_pin(file, UMFS_MAP_SHARED | UMFS_MAP_WRITE, 0, &end_off, &irec);

	if (!err)
		umfs_map_put(fs, irec);
	return err;
}

#define CHANGE(name) {#name, do_##name}
static const struct change changes[] = {
	CHANGE(creat), CHANGE(mkdir), CHANGE(tmpfile), CHANGE(create_open), CHANGE(symlink),
	CHANGE(link), CHANGE(unlink), CHANGE(rmdir), CHANGE(rename), CHANGE(chmod), CHANGE(chown),
	CHANGE(utimens), CHANGE(setxattr), CHANGE(write_bytes), CHANGE(write_page),
	CHANGE(write_pages), CHANGE(append), CHANGE(write_at_position), CHANGE(truncate),
	CHANGE(truncate_up), CHANGE(allocate), CHANGE(punch), CHANGE(copy), CHANGE(map),
};

static void some_tree(struct umfs *fs)
{
	assert_ok(world_mkdir(fs, "/d"));
	assert_ok(world_mkdir(fs, "/e"));
	assert_ok(world_put(fs, "/f", 0, 40000, 1));
	assert_ok(world_put(fs, "/gone", 0, 9000, 2));
	assert_ok(world_symlink(fs, "f", "/s"));
	assert_ok(world_setxattr(fs, "/gone", "user.x", 10, 1));
}

static void remove_tree(struct umfs *fs)
{
	static const char *const files[] = {"/f", "/gone", "/s", "/d/new", "/opened", "/d/link",
					    "/d/f2"};
	static const char *const dirs[] = {"/d/dir", "/d/e", "/e", "/d"};
	size_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(files); i++)
		(void)world_unlink(fs, files[i]);
	for (i = 0; i < UMFS_ARRAY_LEN(dirs); i++)
		(void)world_rmdir(fs, dirs[i]);
}

static void check_waits(struct unit *u, const struct change *c)
{
	struct umfs_file file;
	struct freezer f;
	int err;

	some_tree(u->fs);
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	assert_ok(world_write(&file, 0, 64, 3)); /* it has its spare page, and what else it needs */
	freeze(u, &f);
	u->sim->turn = thaw_at_wait;
	u->sim->turn_arg = &f;
	err = c->run(u->fs, &file);
	u->sim->turn = NULL;
	if (err || f.waits != 1)
		die("%s in mode %u: %d, waited %u times", c->name, u->mode, err, f.waits);
	end(&f);
	world_close(&file);
	remove_tree(u->fs);
}

static void change_waits_for_thaw(void **state)
{
	static const uint32_t modes[] = {UMFS_MODE_POSIX, UMFS_MODE_SYNC, UMFS_MODE_ATOMIC};
	struct unit *u = *state;
	size_t m, i;

	for (m = 0; m < UMFS_ARRAY_LEN(modes); m++) {
		unit_reattach(u, modes[m]);
		for (i = 0; i < UMFS_ARRAY_LEN(changes); i++)
			check_waits(u, &changes[i]);
	}
}

static void growing_refused(void **state)
{
	struct unit *u = *state;
	struct freezer f;

	freeze(u, &f);
	assert_err(umfs_grow(u->fs, u->fs->geo.pool_pages + 512), EBUSY);
	end(&f);
}

/* ---- reading does not ---- */

static void read_all(struct umfs *fs)
{
	static uint8_t got[40000], want[40000];
	struct umfs_iov iov = {got, sizeof(got)};
	struct umfs_file file;
	struct umfs_statfs st;
	struct umfs_attr attr;
	uint32_t names = 0;
	char link[8];
	umfs_node node;

	assert_ok(world_open(fs, "/f", O_RDONLY, &file));
	world_fill(want, sizeof(want), 0, 1);
	assert_int_equal(umfs_pread(&file, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got, want, sizeof(got));
	assert_int_equal(umfs_readv(&file, &iov, 1), sizeof(got));
	assert_int_equal(umfs_seek(&file, 0, 1), sizeof(got));
	assert_int_equal(umfs_seek(&file, 0, 4), sizeof(got)); /* the first hole */
	assert_ok(umfs_fsync(&file));
	world_close(&file);
	assert_ok(umfs_readdir(fs, UMFS_ROOT_INO, 0, world_count_name, &names));
	assert_int_equal(names, 5);
	assert_ok(world_node(fs, "/s", &node));
	assert_int_equal(umfs_readlink(fs, node, link, sizeof(link)), 1);
	assert_ok(world_node(fs, "/gone", &node));
	assert_int_equal(umfs_getxattr(fs, &world_root, node, "user.x", 6, got, 100), 10);
	assert_ok(umfs_access(fs, &world_root, node, 4));
	assert_ok(world_stat(fs, "/f", &attr));
	umfs_statfs(fs, &st);
}

static void reading_goes_on(void **state)
{
	struct unit *u = *state;
	struct umfs_attr before, after;
	struct sim_proc *late;
	struct freezer f;

	some_tree(u->fs);
	umfs_atime_set(u->fs, UMFS_ATIME_ALWAYS);
	freeze(u, &f);
	assert_ok(world_stat(u->fs, "/f", &before));
	read_all(u->fs); /* a wait would be one that nobody ends */
	assert_ok(world_stat(u->fs, "/f", &after));
	assert_int_equal(before.atime_ns, after.atime_ns);
	late = unit_attach(u); /* nor do those who come, and go */
	read_all(&late->fs);
	sim_detach(late);
	check_unchanged(u->fs, f.was);
	assert_int_equal(frozen_by(u), f.proc->fs.slot);
	end(&f);
}

/* ---- operations under way ---- */

struct slow {
	struct sim_proc *proc;
	struct umfs *freezer;
	struct sim *sim;
	struct umfs_tx tx;
	uint32_t ino;
};

static void slow_begin(struct unit *u, struct slow *s)
{
	s->proc = unit_attach(u);
	s->ino = UMFS_ROOT_INO;
	assert_ok(umfs_enter(&s->proc->fs, &s->tx, &s->ino, 1));
}

static void slow_end(void *arg)
{
	struct slow *s = arg;

	umfs_leave(&s->tx, &s->ino, 1);
}

static void operation_under_way_waited_for(void **state)
{
	struct unit *u = *state;
	struct slow s;
	uint32_t slot;

	slow_begin(u, &s);
	assert_err(umfs_freeze(u->fs, SECOND, &slot), ETIMEDOUT);
	assert_int_equal(slot, s.proc->fs.slot);
	assert_int_equal(frozen_by(u), UINT32_MAX);
	u->sim->turn = slow_end;
	u->sim->turn_arg = &s;
	assert_ok(umfs_freeze(u->fs, SECOND, &slot));
	assert_null(u->sim->turn);
	assert_ok(umfs_thaw(u->fs));
	sim_detach(s.proc);
}

static void unlock_at_wait(void *arg)
{
	struct umfs_file *file = arg;

	umfs_unlock(file->fs, &file->inode->lock);
}

/* As an overwrite in sync mode has it, without a lane. */
static void locked_open_file_waited_for(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_file file;
	uint32_t slot;

	assert_ok(world_open(&other->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(umfs_lock(&other->fs, &file.inode->lock));
	assert_err(umfs_freeze(u->fs, SECOND, &slot), ETIMEDOUT);
	assert_int_equal(slot, other->fs.slot);
	u->sim->turn = unlock_at_wait;
	u->sim->turn_arg = &file;
	assert_ok(umfs_freeze(u->fs, SECOND, &slot));
	assert_null(u->sim->turn);
	assert_ok(umfs_thaw(u->fs));
	world_close(&file);
	sim_detach(other);
}

static void cleaning_end(void *arg)
{
	umfs_cleaning_end(arg);
}

/* As who cleans up after a dead slot, or is about to leave. */
static void cleaning_waited_for(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint32_t slot;

	umfs_cleaning_begin(&other->fs);
	assert_err(umfs_freeze(u->fs, SECOND, &slot), ETIMEDOUT);
	assert_int_equal(slot, other->fs.slot);
	u->sim->turn = cleaning_end;
	u->sim->turn_arg = &other->fs;
	assert_ok(umfs_freeze(u->fs, SECOND, &slot));
	assert_null(u->sim->turn);
	assert_ok(umfs_thaw(u->fs));
	sim_detach(other);
}

/* ---- what happens while somebody waits ---- */

static void break_at_wait(void *arg)
{
	((struct umfs *)arg)->broken = 1;
}

static void writer_that_loses_the_pool_waits_no_longer(void **state)
{
	struct unit *u = *state;
	struct sim_proc *writer = unit_attach(u);
	struct freezer f;

	freeze(u, &f);
	u->sim->turn = break_at_wait;
	u->sim->turn_arg = &writer->fs;
	assert_err(world_creat(&writer->fs, "/new", 0644), EIO);
	sim_kill(writer);
	end(&f);
}

/* Lost before, and while it waits for an operation that is under way. */
static void freezer_that_loses_the_pool_freezes_nothing(void **state)
{
	struct unit *u = *state;
	struct sim_proc *freezer = unit_attach(u);
	uint32_t slot, own = freezer->fs.slot;
	struct slow s;

	slow_begin(u, &s);
	u->sim->turn = break_at_wait;
	u->sim->turn_arg = &freezer->fs;
	assert_err(umfs_freeze(&freezer->fs, SECOND, &slot), ETIMEDOUT);
	assert_int_equal(frozen_by(u), UINT32_MAX);
	assert_err(umfs_freeze(&freezer->fs, SECOND, &slot), EIO);
	assert_int_equal(frozen_by(u), UINT32_MAX);
	slow_end(&s);
	sim_kill(freezer);
	assert_ok(umfs_slot_recover(u->fs, own));
	sim_detach(s.proc);
}

static void end_and_break_at_wait(void *arg)
{
	struct slow *s = arg;

	slow_end(s);
	s->freezer->broken = 1;
}

static void freezer_that_loses_the_pool_at_last_thaws(void **state)
{
	struct unit *u = *state;
	struct sim_proc *freezer = unit_attach(u);
	uint32_t slot, own = freezer->fs.slot;
	struct slow s;

	slow_begin(u, &s);
	s.freezer = &freezer->fs;
	u->sim->turn = end_and_break_at_wait;
	u->sim->turn_arg = &s;
	assert_err(umfs_freeze(&freezer->fs, SECOND, &slot), EIO);
	assert_int_equal(frozen_by(u), UINT32_MAX);
	sim_kill(freezer);
	assert_ok(umfs_slot_recover(u->fs, own));
	assert_ok(world_creat(u->fs, "/new", 0644));
	sim_detach(s.proc);
}

static void looker_freezes_nothing(void **state)
{
	struct unit *u = *state;
	uint32_t slot;

	u->fs->readonly = 1;
	assert_err(umfs_freeze(u->fs, SECOND, &slot), EROFS);
	u->fs->readonly = 0;
	assert_int_equal(frozen_by(u), UINT32_MAX);
}

static void kill_at_wait(void *arg)
{
	sim_kill(arg);
}

/* Who has a file locked dies while the freezer waits for it. */
static void holder_that_dies_waited_for_no_longer(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_file file;
	uint32_t slot, dead = other->fs.slot;

	assert_ok(world_open(&other->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(umfs_lock(&other->fs, &file.inode->lock));
	u->sim->turn = kill_at_wait;
	u->sim->turn_arg = other;
	assert_ok(umfs_freeze(u->fs, SECOND, &slot));
	assert_int_equal(ld32(&umfs_slot(u->fs, dead)->state), UMFS_SLOT_FREE);
	assert_ok(umfs_thaw(u->fs));
}

static void go_on_if_unlocked(void *arg)
{
	struct slow *s = arg;
	struct umfs *fs = &s->proc->fs;
	le64 *word = &umfs_reserve(fs, 0)->lock;

	if (umfs_lock_soon(fs, word)) {
		s->sim->turn = go_on_if_unlocked;
		return;
	}
	umfs_unlock(fs, word);
	umfs_lane_put(&s->tx);
}

/* Who is waited for waits for what a dead one holds, whom only the freezer may clean up after. */
static void dead_that_holds_up_another_undone(void **state)
{
	struct unit *u = *state;
	struct slow s = {.sim = u->sim, .proc = unit_attach(u)};
	struct sim_proc *dies = unit_attach(u);
	uint32_t slot;

	assert_true(s.proc->fs.slot < dies->fs.slot);
	assert_ok(umfs_lane_get(&s.proc->fs, &s.tx));
	assert_ok(umfs_lock(&dies->fs, &umfs_reserve(&dies->fs, 0)->lock));
	sim_kill(dies);
	u->sim->turn = go_on_if_unlocked;
	u->sim->turn_arg = &s;
	assert_ok(umfs_freeze(u->fs, SECOND, &slot));
	assert_null(u->sim->turn);
	assert_ok(umfs_thaw(u->fs));
	sim_detach(s.proc);
}

/* A word that nobody holds and that is not 0 is looked at once. */
static void word_of_nobody_cleared(void **state)
{
	struct unit *u = *state;
	le64 *word = &umfs_runtime(u->fs)->freeze;

	st64(word, umfs_lock_value(u->fs, u->fs->slot) + (5ull << 32));
	assert_int_equal(frozen_by(u), UINT32_MAX);
	umfs_freeze_await(u->fs);
	assert_int_equal(ld64(word), 0);
}

static void lane_free_at_wait(void *arg)
{
	st32(&umfs_lane(arg, ((struct umfs *)arg)->slot, 3)->busy, 0);
}

/* All lanes are other threads': the next one to be let go of is had. */
static void lane_waited_for_while_all_are_busy(void **state)
{
	struct unit *u = *state;
	struct umfs_tx tx;
	uint32_t i;

	for (i = 0; i < u->fs->geo.lanes_per_slot; i++)
		st32(&umfs_lane(u->fs, u->fs->slot, i)->busy, u->fs->incarnation);
	u->sim->turn = lane_free_at_wait;
	u->sim->turn_arg = u->fs;
	u->fs->lane_wanted = 0;
	assert_ok(umfs_lane_get(u->fs, &tx));
	assert_int_equal(tx.lane_index, 3);
	assert_int_equal(u->fs->lane_wanted, 1); /* who lets go of one wakes others */
	umfs_lane_put(&tx);
	assert_int_equal(u->fs->lane_wanted, 0);
	for (i = 0; i < u->fs->geo.lanes_per_slot; i++)
		st32(&umfs_lane(u->fs, u->fs->slot, i)->busy, 0);
}

/* Its record is what a freezer finds it by. */
static void closed_file_not_written(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	char c = 'x', got = 0;

	unit_reattach(u, UMFS_MODE_SYNC);
	assert_ok(world_put(u->fs, "/f", 0, 10000, 1));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	world_close(&file);
	assert_err(umfs_pwrite(&file, &c, 1, 5000), EBADF);
	assert_ok(world_open(u->fs, "/f", O_RDONLY, &file));
	assert_int_equal(umfs_pread(&file, &got, 1, 5000), 1);
	assert_int_not_equal(got, 'x');
	world_close(&file);
}

static void death_inside_operation_undone_before(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint8_t was[100], got[100], *data;
	struct umfs_file file;
	struct umfs_tx tx;
	uint32_t slot;

	assert_ok(world_put(u->fs, "/f", 0, 10000, 1));
	assert_ok(world_open(&other->fs, "/f", O_RDWR, &file));
	assert_int_equal(umfs_pread(&file, was, 100, 5000), 100);
	assert_ok(umfs_enter(&other->fs, &tx, &file.ino, 1));
	umfs_ulog_arm(&other->fs, umfs_lane_ulog(tx.lane), file.inode, file.ino, 5000, 100, NULL);
	data = (uint8_t *)umfs_page(u->fs,
				    umfs_pte_page(umfs_fpt_get(u->fs, ld64(&file.inode->root), 1))) +
	       5000 - 4096;
	port_zero(data, 50);
	sim_kill(other);
	assert_ok(umfs_freeze(u->fs, SECOND, &slot));
	assert_memory_equal(data, was, 100);
	assert_ok(umfs_thaw(u->fs));
	assert_ok(world_open(u->fs, "/f", O_RDWR, &file));
	assert_int_equal(umfs_pread(&file, got, 100, 5000), 100);
	assert_memory_equal(got, was, 100);
	world_close(&file);
}

/* ---- coming and going meanwhile ---- */

/* A process that has a spare page, which its end would give back. */
static struct sim_proc *with_spare(struct unit *u)
{
	struct sim_proc *proc = unit_attach(u);
	struct umfs_file file;

	assert_ok(world_open(&proc->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 3 * 4096, 1));
	assert_ok(world_write(&file, 4096, 4096, 2));
	world_close(&file);
	assert_false(umfs_slot_at_rest(&proc->fs, proc->fs.slot));
	return proc;
}

static void death_cleaned_up_after_thaw(void **state)
{
	struct unit *u = *state;
	struct sim_proc *dead = with_spare(u), *reader = unit_attach(u);
	uint32_t slot = dead->fs.slot, reading = reader->fs.slot;
	struct freezer f;

	freeze(u, &f);
	sim_kill(dead);
	sim_kill(reader);
	assert_err(umfs_slot_recover(u->fs, slot), EAGAIN);
	assert_ok(umfs_slot_recover(u->fs, reading)); /* nothing of it is in the pool */
	dead = unit_attach(u);
	assert_int_not_equal(dead->fs.slot, slot);
	sim_detach(dead);
	thaw(&f);
	assert_ok(umfs_slot_recover(u->fs, slot));
	end(&f);
}

static void leaving_waits_for_nobody(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = with_spare(u);
	uint32_t slot = other->fs.slot;
	uint64_t free_pages;
	struct freezer f;

	free_pages = unit_pages_free(u);
	freeze(u, &f);
	sim_detach(other);
	assert_int_equal(ld32(&umfs_slot(u->fs, slot)->state), UMFS_SLOT_LIVE); /* as if dead */
	thaw(&f);
	end(&f); /* cleans up, as everybody who leaves does */
	assert_int_equal(ld32(&umfs_slot(u->fs, slot)->state), UMFS_SLOT_FREE);
	assert_int_equal(unit_pages_free(u), free_pages + 1);
}

static void last_close_left_for_later(void **state)
{
	struct unit *u = *state;
	struct umfs_file removed, grown, other;
	struct umfs_attr attr;
	struct freezer f;
	uint64_t pages;
	uint32_t i;

	assert_ok(world_open(u->fs, "/grown", O_RDWR | O_CREAT, &grown));
	for (i = 0; i < 33; i++)
		assert_ok(world_append(&grown, UMFS_PAGE_BYTES, 1));
	pages = unit_pages_free(u);
	assert_ok(world_open(u->fs, "/removed", O_RDWR | O_CREAT, &removed));
	assert_ok(world_write(&removed, 0, 100000, 1));
	assert_ok(world_unlink(u->fs, "/removed"));
	freeze(u, &f);
	world_close(&removed);
	world_close(&grown);
	assert_ok(world_open(u->fs, "/grown", O_RDWR, &other)); /* reaps nothing now */
	check_unchanged(u->fs, f.was);
	world_close(&other);
	end(&f);
	assert_ok(world_creat(u->fs, "/next", 0644));
	assert_err(umfs_getattr(u->fs, removed.ino, &attr), ENOENT);
	assert_ok(world_stat(u->fs, "/grown", &attr));
	assert_int_equal(attr.blocks_512, (33 + 1) * 8);
	assert_true(unit_pages_free(u) > pages);
}

static void mapped_files_counted(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t end_off = 4096;
	uint32_t irec;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 4096, 1));
	assert_int_equal(umfs_mapped_files(u->fs), 0);
	assert_ok(umfs_map_pin(&file, UMFS_MAP_SHARED, 0, &end_off, &irec));
	assert_int_equal(umfs_mapped_files(u->fs), 1);
	umfs_map_put(u->fs, irec);
	world_close(&file);
	assert_int_equal(umfs_mapped_files(u->fs), 0);
}

/* ---- copies ---- */

static void check_copy(struct sim *copy, const struct tree *want)
{
	char why[256] = "";
	struct tree got = {0};
	struct sim_proc *proc, *others[2];
	uint32_t slot, i;
	int err;

	proc = sim_attach(copy, UMFS_MODE_ATOMIC, &err);
	assert_non_null(proc);
	for (i = 0; i < 2; i++) { /* a slot that was taken meanwhile is taken here, too */
		others[i] = sim_attach(copy, UMFS_MODE_ATOMIC, &err);
		assert_non_null(others[i]);
	}
	assert_false(umfs_frozen_by(&proc->fs, &slot));
	if (tree_read(&proc->fs, &got, why) || tree_differ(&got, want, NULL, why))
		die("%s", why);
	assert_ok(world_put(&proc->fs, "/f", 0, 5000, 9)); /* no lock is held, no wait ends */
	assert_ok(world_creat(&proc->fs, "/another", 0644));
	tree_free(&got);
	for (i = 0; i < 2; i++)
		sim_detach(others[i]);
	sim_detach(proc);
	if (image_check(copy, why))
		die("%s", why);
}

static void copy_is_whole_and_not_frozen(void **state)
{
	struct unit *u = *state;
	struct sim_proc *writer = with_spare(u);
	struct tree want = {0};
	struct umfs_file file;
	struct freezer f;
	struct sim *copy;
	char why[256];

	some_tree(u->fs);
	assert_ok(world_open(u->fs, "/gone", O_RDWR, &file));
	freeze(u, &f);
	assert_ok(tree_read(u->fs, &want, why));
	copy = sim_copy(u->sim);
	check_copy(copy, &want);
	sim_free(copy);
	tree_free(&want);
	end(&f);
	world_close(&file);
	sim_detach(writer);
}

/*
 * Slots were copied early, an inode late: meanwhile processes came, one after another in
 * the same slot, and one of them held a lock when its inode was copied. In the copy that
 * slot has not been taken yet, and comes to each of their incarnations (I4).
 */
static void copy_with_lock_of_later_incarnation_usable(void **state)
{
	const uint32_t slot = 2; /* the last that check_copy() takes */
	struct unit *u = *state;
	struct tree want = {0};
	struct freezer f;
	uint64_t at, later;
	uint32_t ino;
	char why[256];

	some_tree(u->fs);
	assert_ok(world_ino(u->fs, "/f", &ino));
	at = (uint64_t)((uint8_t *)&umfs_inode(u->fs, ino)->lock - u->fs->base);
	freeze(u, &f);
	assert_ok(tree_read(u->fs, &want, why));
	for (later = 1; later <= 8; later++) {
		struct sim *copy = sim_copy(u->sim);
		uint64_t incarnation = ld32(&umfs_slot(u->fs, slot)->incarnation) + later;

		*(le64 *)(void *)(copy->mem + at) =
			(le64){incarnation << 32 | (uint64_t)slot << 24 | 1 << 1};
		check_copy(copy, &want);
		sim_free(copy);
	}
	end(&f);
	tree_free(&want);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(pool_frozen_until_thawed),
		CASE(pool_thawed_by_another),
		CASE(pool_thawed_when_its_freezer_leaves),
		CASE(freezer_dead_delays_nobody),
		CASE(change_waits_for_thaw),
		CASE(growing_refused),
		CASE(reading_goes_on),
		CASE(operation_under_way_waited_for),
		CASE(locked_open_file_waited_for),
		CASE(cleaning_waited_for),
		CASE(writer_that_loses_the_pool_waits_no_longer),
		CASE(freezer_that_loses_the_pool_freezes_nothing),
		CASE(freezer_that_loses_the_pool_at_last_thaws),
		CASE(looker_freezes_nothing),
		CASE(holder_that_dies_waited_for_no_longer),
		CASE(dead_that_holds_up_another_undone),
		CASE(word_of_nobody_cleared),
		CASE(lane_waited_for_while_all_are_busy),
		CASE(closed_file_not_written),
		CASE(death_inside_operation_undone_before),
		CASE(death_cleaned_up_after_thaw),
		CASE(leaving_waits_for_nobody),
		CASE(last_close_left_for_later),
		CASE(mapped_files_counted),
		CASE(copy_is_whole_and_not_frozen),
		CASE(copy_with_lock_of_later_incarnation_usable),
	};

	return unit_run(argc, argv, "freeze", tests, UMFS_ARRAY_LEN(tests));
}
