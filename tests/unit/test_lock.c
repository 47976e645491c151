// SPDX-License-Identifier: BSD-3-Clause
/* test_lock.c - lock words that survive their owner. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static le64 *word(struct umfs *fs)
{
	return &umfs_inode(fs, UMFS_ROOT_INO)->lock;
}

static void lock_free_taken(void **state)
{
	struct unit *u = *state;

	assert_true(umfs_lock_free(u->fs, ld64(word(u->fs))));
	assert_ok(umfs_lock(u->fs, word(u->fs)));
	assert_false(umfs_lock_free(u->fs, ld64(word(u->fs))));
	assert_true(umfs_lock_held_by(u->fs, ld64(word(u->fs)), u->fs->slot));
	umfs_unlock(u->fs, word(u->fs));
	assert_true(umfs_lock_free(u->fs, ld64(word(u->fs))));
}

static void lock_of_live_other_seen_as_held(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);

	assert_ok(umfs_lock(&other->fs, word(&other->fs)));
	assert_false(umfs_lock_free(u->fs, ld64(word(u->fs))));
	assert_false(umfs_lock_held_by(u->fs, ld64(word(u->fs)), u->fs->slot));
	umfs_unlock(&other->fs, word(&other->fs));
	sim_detach(other);
}

static void lock_of_dead_other_taken_over(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);

	assert_ok(umfs_lock(&other->fs, word(&other->fs)));
	sim_kill(other);
	assert_ok(umfs_lock(u->fs, word(u->fs)));
	assert_true(umfs_lock_held_by(u->fs, ld64(word(u->fs)), u->fs->slot));
	umfs_unlock(u->fs, word(u->fs));
}

static void lock_of_earlier_incarnation_free(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	uint32_t slot = other->fs.slot;
	uint64_t held;

	assert_ok(umfs_lock(&other->fs, word(&other->fs)));
	held = ld64(word(u->fs));
	umfs_unlock(&other->fs, word(&other->fs));
	sim_detach(other);
	other = unit_attach(u);
	assert_int_equal(other->fs.slot, slot);
	assert_true(umfs_lock_free(u->fs, held));
	sim_detach(other);
}

static void lock_word_with_impossible_slot_free(void **state)
{
	struct unit *u = *state;

	assert_true(umfs_lock_free(u->fs, 255ull << 24 | 2));
	st64(word(u->fs), 255ull << 24 | 2);
	assert_ok(umfs_lock(u->fs, word(u->fs)));
	umfs_unlock(u->fs, word(u->fs));
}

/* As a damaged image may have it: no recovery would ever let it go. */
static void lock_of_free_slot_taken_over(void **state)
{
	struct unit *u = *state;
	uint32_t slot = u->fs->slot + 1;

	assert_int_equal(ld32(&umfs_slot(u->fs, slot)->state), UMFS_SLOT_FREE);
	st64(word(u->fs), umfs_lock_value(u->fs, slot));
	assert_false(umfs_lock_free(u->fs, ld64(word(u->fs))));
	assert_ok(umfs_lock(u->fs, word(u->fs)));
	assert_true(umfs_lock_held_by(u->fs, ld64(word(u->fs)), u->fs->slot));
	umfs_unlock(u->fs, word(u->fs));
}

static void lock_of_broken_pool_refused(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);

	assert_ok(umfs_lock(&other->fs, word(&other->fs)));
	u->fs->broken = 1;
	assert_err(umfs_lock(u->fs, word(u->fs)), EIO);
	u->fs->broken = 0;
	umfs_unlock(&other->fs, word(&other->fs));
	sim_detach(other);
}

static void locks_of_several_inodes_taken_once_each(void **state)
{
	struct unit *u = *state;
	uint32_t ino[4] = {0, 0, 0, 0}, i;
	struct umfs_tx tx;
	umfs_node node;

	for (i = 0; i < 2; i++) {
		char name = (char)('a' + i);

		assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, &name, 1, 0100644, 0,
				      &node));
		ino[i] = (uint32_t)node;
	}
	ino[2] = ino[0]; /* a duplicate, and one that is missing */
	assert_ok(umfs_enter(u->fs, &tx, ino, 4));
	for (i = 0; i < 2; i++)
		assert_false(umfs_lock_free(u->fs, ld64(&umfs_inode(u->fs, ino[i])->lock)));
	umfs_leave(&tx, ino, 4);
	for (i = 0; i < 2; i++)
		assert_true(umfs_lock_free(u->fs, ld64(&umfs_inode(u->fs, ino[i])->lock)));
}

static void locks_with_an_impossible_inode_let_go(void **state)
{
	struct unit *u = *state;
	uint32_t ino[4] = {UMFS_ROOT_INO, 0xfffffff0u, 0, 0};
	struct umfs_tx tx;

	assert_err(umfs_enter(u->fs, &tx, ino, 4), EUCLEAN);
	assert_true(umfs_lock_free(u->fs, ld64(word(u->fs))));
	assert_ok(umfs_lane_get(u->fs, &tx)); /* and no lane is lost */
	umfs_lane_put(&tx);
}

/* ---- the order, checked in this build ---- */

typedef void (*steps_fn)(struct umfs *fs, uint32_t ino);

/* Does core's assertion end the process that does this? */
static bool caught(struct unit *u, steps_fn steps)
{
	uint32_t ino;
	int status;
	pid_t pid;

	(void)world_creat(u->fs, "/f", 0644);
	assert_ok(world_ino(u->fs, "/f", &ino));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		signal(SIGABRT, SIG_DFL);
		(void)!freopen("/dev/null", "w", stderr);
		steps(u->fs, ino);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void lane_then_inode(struct umfs *fs, uint32_t ino)
{
	struct umfs_tx tx;

	if (!umfs_lane_get(fs, &tx))
		(void)umfs_lock(fs, &umfs_inode(fs, ino)->lock);
}

static void inode_then_lane(struct umfs *fs, uint32_t ino)
{
	struct umfs_tx tx;

	if (!umfs_lock(fs, &umfs_inode(fs, ino)->lock))
		(void)umfs_lane_get(fs, &tx);
}

static void inode_then_inode(struct umfs *fs, uint32_t ino)
{
	if (!umfs_lock(fs, &umfs_inode(fs, UMFS_ROOT_INO)->lock))
		(void)umfs_lock(fs, &umfs_inode(fs, ino)->lock); /* ascending, but waited for */
}

static void inode_then_attributes(struct umfs *fs, uint32_t ino)
{
	struct umfs_attr attr;

	umfs_seq_begin(umfs_inode(fs, ino));
	if (!umfs_lock(fs, &umfs_inode(fs, UMFS_ROOT_INO)->lock))
		(void)umfs_getattr(fs, ino, &attr);
}

static void inode_then_rename(struct umfs *fs, uint32_t ino)
{
	if (!umfs_lock(fs, &umfs_inode(fs, ino)->lock))
		(void)umfs_lock(fs, &umfs_runtime(fs)->rename_lock);
}

static void rename_then_position(struct umfs *fs, uint32_t ino)
{
	uint32_t ofd;

	if (!umfs_open(fs, ino, O_RDWR, &ofd) && !umfs_lock(fs, &umfs_runtime(fs)->rename_lock))
		(void)umfs_lock(fs, &umfs_ofd(fs, ofd)->lock);
}

static void group_then_reserve(struct umfs *fs, uint32_t ino)
{
	(void)ino;
	if (!umfs_lock(fs, &umfs_group(fs, 0)->lock))
		(void)umfs_lock(fs, &umfs_reserve(fs, 0)->lock);
}

static void group_then_attach(struct umfs *fs, uint32_t ino)
{
	(void)ino;
	if (!umfs_lock(fs, &umfs_group(fs, 0)->lock))
		umfs_detach(fs);
}

static void all_in_order(struct umfs *fs, uint32_t ino)
{
	struct umfs_tx tx;
	uint32_t ofd;

	need(umfs_open(fs, ino, O_RDWR, &ofd));
	need(umfs_lock(fs, &umfs_ofd(fs, ofd)->lock));
	need(umfs_lock(fs, &umfs_runtime(fs)->rename_lock));
	need(umfs_enter(fs, &tx, &ino, 1));
	need(umfs_lock(fs, &umfs_reserve(fs, 0)->lock));
	need(umfs_lock(fs, &umfs_group(fs, 0)->lock));
	umfs_unlock(fs, &umfs_runtime(fs)->rename_lock); /* let go of in any order */
	umfs_unlock(fs, &umfs_group(fs, 0)->lock);
	need(umfs_lock(fs, &umfs_group(fs, 0)->lock));
}

static void order_of_locks_kept_passes(void **state)
{
	assert_false(caught(*state, all_in_order));
}

static void order_of_locks_broken_caught(void **state)
{
	assert_true(caught(*state, lane_then_inode));
	assert_true(caught(*state, inode_then_lane));
	assert_true(caught(*state, inode_then_inode));
	assert_true(caught(*state, inode_then_attributes));
	assert_true(caught(*state, inode_then_rename));
	assert_true(caught(*state, rename_then_position));
	assert_true(caught(*state, group_then_reserve));
	assert_true(caught(*state, group_then_attach));
}

static const struct CMUnitTest tests[] = {
	CASE(lock_free_taken),
	CASE(lock_of_live_other_seen_as_held),
	CASE(lock_of_dead_other_taken_over),
	CASE(lock_of_earlier_incarnation_free),
	CASE(lock_word_with_impossible_slot_free),
	CASE(lock_of_free_slot_taken_over),
	CASE(lock_of_broken_pool_refused),
	CASE(locks_of_several_inodes_taken_once_each),
	CASE(locks_with_an_impossible_inode_let_go),
	CASE(order_of_locks_kept_passes),
	CASE(order_of_locks_broken_caught),
};
UNIT_MAIN("lock", tests)
