// SPDX-License-Identifier: BSD-3-Clause
/* test_slot.c - attaching, leaving, dying, forking. */
#include "unit.h"

static bool clean(struct unit *u)
{
	struct umfs_runtime_pm *rt =
		(struct umfs_runtime_pm *)(u->sim->mem + UMFS_RUNTIME_PAGE * UMFS_PAGE_BYTES);

	return ld64(&rt->clean) == UMFS_CLEAN;
}

static void pool_clean_only_when_nobody_is_attached(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other;

	assert_false(clean(u));
	other = unit_attach(u);
	sim_detach(other);
	assert_false(clean(u));
	sim_detach(u->proc);
	assert_true(clean(u));
	u->proc = unit_attach(u);
	assert_false(clean(u));
}

static void pool_left_by_the_dead_not_clean(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);

	sim_kill(other);
	assert_ok(world_creat(u->fs, "/a", 0644));
	sim_kill(u->proc);
	assert_false(clean(u));
	u->proc = unit_attach(u);
}

static void change_seen_by_other_process(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);
	struct umfs_attr attr;

	assert_ok(world_put(u->fs, "/f", 0, 1234, 1));
	assert_ok(world_stat(&other->fs, "/f", &attr));
	assert_int_equal(attr.size, 1234);
	assert_ok(world_unlink(&other->fs, "/f"));
	assert_err(world_stat(u->fs, "/f", &attr), ENOENT);
	sim_detach(other);
}

static void slots_all_taken_refused(void **state)
{
	struct unit *u = *state;
	struct sim_proc *procs[UMFS_SLOTS_MAX];
	uint32_t n = 0, i, slots = u->fs->geo.slot_count;
	int err = 0;

	for (;;) {
		procs[n] = sim_attach(u->sim, u->mode, &err);
		if (!procs[n])
			break;
		n++;
	}
	assert_int_equal(err, -EBUSY);
	assert_int_equal(n, slots - 1);
	sim_kill(procs[3]);
	procs[3] = unit_attach(u); /* the dead one's slot is taken over */
	for (i = 0; i < n; i++)
		sim_detach(procs[i]);
}

static void mode_set_by_first_and_only_strengthened(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other;
	int err;

	unit_reattach(u, UMFS_MODE_POSIX);
	assert_int_equal(umfs_mode(u->fs), UMFS_MODE_POSIX);
	other = sim_attach(u->sim, UMFS_MODE_SYNC, &err);
	assert_non_null(other);
	assert_int_equal(umfs_mode(u->fs), UMFS_MODE_SYNC);
	sim_detach(other);
	other = sim_attach(u->sim, UMFS_MODE_POSIX, &err);
	assert_non_null(other);
	assert_int_equal(umfs_mode(&other->fs), UMFS_MODE_SYNC);
	sim_detach(other);
	unit_reattach(u, UMFS_MODE_POSIX);
	assert_int_equal(umfs_mode(u->fs), UMFS_MODE_POSIX);
}

static void mode_unknown_refused(void **state)
{
	struct unit *u = *state;
	int err;

	assert_null(sim_attach(u->sim, 4, &err));
	assert_int_equal(err, -EINVAL);
}

static void mode_not_asked_for_stays(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other;
	int err;

	unit_reattach(u, UMFS_MODE_SYNC);
	other = sim_attach(u->sim, 0, &err);
	assert_non_null(other);
	assert_int_equal(umfs_mode(u->fs), UMFS_MODE_SYNC);
	sim_detach(other);
	unit_reattach(u, 0);
	assert_int_equal(umfs_mode(u->fs), UMFS_MODE_ATOMIC);
}

static void live_slot_not_recovered(void **state)
{
	struct unit *u = *state;
	struct sim_proc *other = unit_attach(u);

	assert_err(umfs_slot_recover(u->fs, other->fs.slot), EAGAIN);
	assert_ok(umfs_slot_recover(u->fs, u->fs->geo.slot_count + 5));
	sim_detach(other);
}

static void detach_twice_harmless(void **state)
{
	struct unit *u = *state;

	umfs_detach(u->fs);
	umfs_detach(u->fs);
	assert_true(clean(u));
	sim_proc_free(u->proc);
	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
}

/* What port/user does around fork: the child is a copy that becomes another slot. */
static struct sim_proc *forked(struct unit *u)
{
	struct sim_proc *child;
	uint32_t slot, incarnation;
	int err;

	assert_ok(umfs_slot_fork(u->fs, &slot, &incarnation));
	child = sim_open(u->sim, &err);
	assert_non_null(child);
	{
		uint32_t *irecs = child->fs.irec_refs, *ofds = child->fs.ofd_refs;

		child->fs = *u->fs;
		child->fs.irec_refs = irecs;
		child->fs.ofd_refs = ofds;
	}
	memcpy(child->fs.irec_refs, u->fs->irec_refs, u->fs->geo.irec_count * sizeof(uint32_t));
	memcpy(child->fs.ofd_refs, u->fs->ofd_refs, u->fs->geo.ofd_count * sizeof(uint32_t));
	sim_slot_give(u->sim, slot, child);
	umfs_slot_become(&child->fs, slot, incarnation);
	return child;
}

static void fork_shares_positions(void **state)
{
	struct unit *u = *state;
	struct umfs_iov iov = {"abc", 3};
	struct umfs_file file, theirs;
	struct sim_proc *child;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_int_equal(umfs_writev(&file, &iov, 1), 3);
	child = forked(u);
	assert_ok(umfs_file_init(&child->fs, file.ofd, &theirs));
	assert_int_equal(umfs_writev(&theirs, &iov, 1), 3);
	assert_int_equal(umfs_seek(&file, 0, 1), 6);
	world_close(&file);
	assert_int_equal(umfs_writev(&theirs, &iov, 1), 3); /* open in the child still */
	world_close(&theirs);
	sim_detach(child);
}

static void fork_keeps_unlinked_file_alive(void **state)
{
	struct unit *u = *state;
	struct umfs_file file, theirs;
	struct sim_proc *child;
	struct umfs_attr attr;
	char c;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 5000, 1));
	child = forked(u);
	assert_ok(umfs_file_init(&child->fs, file.ofd, &theirs));
	assert_ok(world_unlink(u->fs, "/f"));
	world_close(&file);
	assert_int_equal(umfs_pread(&theirs, &c, 1, 4999), 1);
	world_close(&theirs);
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
	sim_detach(child);
}

/* As truncate and unlink do for a while in another thread, which the child does not have. */
static void fork_inside_another_call_leaves_child_no_hold(void **state)
{
	struct unit *u = *state;
	struct umfs_inode_pm *inode;
	struct umfs_file file;
	struct sim_proc *child;
	struct umfs_attr attr;
	uint32_t ino, irec;

	assert_ok(world_open(u->fs, "/open", O_RDWR | O_CREAT, &file));
	assert_ok(world_put(u->fs, "/f", 0, 5000, 1));
	assert_ok(world_ino(u->fs, "/f", &ino));
	inode = umfs_inode(u->fs, ino);
	assert_ok(umfs_lock(u->fs, &inode->lock));
	assert_ok(umfs_irec_hold(u->fs, inode, ino, &irec));
	umfs_unlock(u->fs, &inode->lock);
	child = forked(u);
	umfs_irec_drop(u->fs, irec);
	assert_ok(world_unlink(u->fs, "/f"));
	assert_err(umfs_getattr(u->fs, ino, &attr), ENOENT);
	assert_int_equal(child->fs.irec_refs[irec], 0);
	assert_ok(world_unlink(u->fs, "/open"));
	world_close(&file);
	assert_ok(umfs_getattr(u->fs, file.ino, &attr)); /* the child has it open */
	umfs_ofd_put(&child->fs, file.ofd);
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
	sim_detach(child);
}

/* The child has the mappings, though it closed the file, and the parent has not, any more. */
static void fork_shares_mappings(void **state)
{
	struct unit *u = *state;
	struct umfs_file file, theirs, closed;
	struct sim_proc *child;
	struct umfs_attr attr;
	uint64_t end = UMFS_PAGE_BYTES;
	uint32_t irec;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 5000, 1));
	assert_ok(world_open(u->fs, "/g", O_RDWR | O_CREAT, &closed));
	assert_ok(umfs_map_pin(&file, UMFS_MAP_SHARED, 0, &end, &irec));
	child = forked(u);
	assert_true(child->fs.irec_refs[irec] > 0);
	assert_ok(umfs_file_init(&child->fs, file.ofd, &theirs));
	world_close(&theirs);
	umfs_ofd_put(&child->fs, closed.ofd);
	world_close(&closed);
	assert_ok(world_unlink(u->fs, "/f"));
	umfs_map_put(u->fs, irec);
	world_close(&file);
	assert_ok(umfs_getattr(u->fs, file.ino, &attr));
	assert_int_equal(attr.size, 5000);
	umfs_map_put(&child->fs, irec);
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
	sim_detach(child);
}

static void fork_failed_gives_all_back(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint32_t slot, incarnation, i;
	struct umfs_attr attr;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	for (i = 0; i < 3 * u->fs->geo.slot_count; i++) {
		assert_ok(umfs_slot_fork(u->fs, &slot, &incarnation));
		umfs_slot_abandon(u->fs, slot, incarnation);
	}
	assert_ok(world_unlink(u->fs, "/f"));
	world_close(&file);
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
}

static void fork_child_dead_parent_keeps_its_files(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	struct sim_proc *child;
	uint32_t slot;
	char c;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 5000, 1));
	child = forked(u);
	slot = child->fs.slot;
	assert_ok(world_unlink(u->fs, "/f"));
	sim_kill(child);
	assert_ok(umfs_slot_recover(u->fs, slot));
	assert_ok(world_creat(u->fs, "/other", 0644));
	assert_int_equal(umfs_pread(&file, &c, 1, 0), 1);
	world_close(&file);
}

/* As the mount takes part in what a preloaded process has open. */
struct joined {
	struct sim_proc *proc;
	uint32_t own;
	uint64_t key;
	struct umfs_file file;
};

static void join(struct unit *u, const struct umfs_file *file, struct joined *j)
{
	j->proc = unit_attach(u);
	j->key = ld64(&umfs_ofd(u->fs, file->ofd)->key);
	assert_ok(umfs_open(&j->proc->fs, umfs_file_node(file), O_RDWR, &j->own));
	assert_ok(umfs_ofd_join(&j->proc->fs, file->ofd, j->key));
	assert_ok(umfs_file_init(&j->proc->fs, file->ofd, &j->file));
}

static void part(struct joined *j)
{
	umfs_ofd_part(&j->proc->fs, j->file.ofd, j->key);
	umfs_ofd_put(&j->proc->fs, j->own);
}

static void join_shares_position(void **state)
{
	struct unit *u = *state;
	struct umfs_iov iov = {"abc", 3};
	struct umfs_file file;
	struct joined j;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_int_equal(umfs_writev(&file, &iov, 1), 3);
	join(u, &file, &j);
	assert_int_equal(umfs_writev(&j.file, &iov, 1), 3);
	assert_int_equal(umfs_seek(&file, 0, 1), 6);
	world_close(&file);
	assert_int_equal(umfs_writev(&j.file, &iov, 1), 3);
	assert_non_null(umfs_ofd(u->fs, j.file.ofd));
	part(&j);
	assert_null(umfs_ofd(u->fs, j.file.ofd));
	sim_detach(j.proc);
}

static void join_parted_leaves_it_to_the_others(void **state)
{
	struct unit *u = *state;
	struct umfs_iov iov = {"abc", 3};
	struct umfs_file file;
	struct umfs_attr attr;
	struct joined j;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_unlink(u->fs, "/f"));
	join(u, &file, &j);
	part(&j);
	sim_detach(j.proc);
	assert_int_equal(umfs_writev(&file, &iov, 1), 3);
	world_close(&file);
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
}

static void join_of_another_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	uint64_t key;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	key = ld64(&umfs_ofd(u->fs, file.ofd)->key);
	assert_err(umfs_ofd_join(u->fs, file.ofd, key + 1), EBADF);
	assert_err(umfs_ofd_join(u->fs, u->fs->geo.ofd_count, key), EBADF);
	world_close(&file);
	assert_err(umfs_ofd_join(u->fs, file.ofd, key), EBADF);
}

/* Freed by its last other holder at the very moment, and another's since: that one stays. */
static void join_too_late_harms_nobody(void **state)
{
	struct unit *u = *state;
	struct umfs_ofd_pm *o;
	struct umfs_file file;
	struct joined j;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	join(u, &file, &j);
	o = umfs_ofd(u->fs, file.ofd);
	st64(&o->key, j.key + 1);
	part(&j);
	assert_true(ld64(&o->key) == j.key + 1);
	st64(&o->key, j.key);
	sim_detach(j.proc);
	world_close(&file);
}

static void join_dead_others_keep_it(void **state)
{
	struct unit *u = *state;
	struct umfs_iov iov = {"abc", 3};
	struct umfs_file file;
	struct joined j;
	uint32_t slot;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	join(u, &file, &j);
	slot = j.proc->fs.slot;
	sim_kill(j.proc);
	assert_ok(umfs_slot_recover(u->fs, slot));
	assert_int_equal(umfs_writev(&file, &iov, 1), 3);
	world_close(&file);
	assert_null(umfs_ofd(u->fs, file.ofd));
}

/* ---- exec: another image of the same process takes over ---- */

/* What port/user does around exec: the new image has the slot that was made for it. */
static struct sim_proc *image_of(struct unit *u, uint32_t slot)
{
	int err;
	struct sim_proc *proc = sim_open(u->sim, &err);

	assert_non_null(proc);
	sim_slot_give(u->sim, slot, proc);
	return proc;
}

static void exec_new_image_has_what_was_given(void **state)
{
	struct unit *u = *state;
	struct umfs_iov iov = {"abc", 3};
	struct umfs_file given, kept, theirs;
	struct sim_proc *image;
	struct umfs_attr attr;
	uint32_t slot, incarnation;

	assert_ok(world_open(u->fs, "/given", O_RDWR | O_CREAT, &given));
	assert_ok(world_open(u->fs, "/kept", O_RDWR | O_CREAT, &kept));
	assert_int_equal(umfs_writev(&given, &iov, 1), 3);
	assert_ok(world_unlink(u->fs, "/given"));
	assert_ok(world_unlink(u->fs, "/kept"));
	assert_ok(umfs_slot_heir(u->fs, &slot, &incarnation));
	umfs_ofd_give(u->fs, given.ofd, slot);
	image = image_of(u, slot);
	sim_detach(u->proc);
	u->proc = image;
	u->fs = &image->fs;
	assert_err(umfs_slot_inherit(u->fs, slot, incarnation + 1), ESTALE);
	assert_err(umfs_slot_inherit(u->fs, u->fs->geo.slot_count, incarnation), ESTALE);
	assert_ok(umfs_slot_inherit(u->fs, slot, incarnation));
	assert_err(umfs_slot_inherit(u->fs, slot, incarnation), ESTALE); /* one image takes it */
	assert_ok(umfs_ofd_inherit(u->fs, given.ofd));
	assert_ok(umfs_ofd_inherit(u->fs, given.ofd)); /* by two descriptors */
	assert_err(umfs_ofd_inherit(u->fs, kept.ofd), EBADF);
	assert_err(umfs_ofd_inherit(u->fs, u->fs->geo.ofd_count), EBADF);
	assert_ok(umfs_file_init(u->fs, given.ofd, &theirs));
	assert_int_equal(umfs_writev(&theirs, &iov, 1), 3);
	assert_int_equal(umfs_seek(&theirs, 0, 1), 6);
	assert_err(umfs_getattr(u->fs, kept.ino, &attr), ENOENT);
	umfs_ofd_put(u->fs, given.ofd);
	assert_int_equal(umfs_writev(&theirs, &iov, 1), 3);
	umfs_ofd_put(u->fs, given.ofd);
	assert_err(umfs_getattr(u->fs, given.ino, &attr), ENOENT);
}

static void exec_that_never_came_leaves_nothing(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	struct umfs_attr attr;
	uint32_t slot, incarnation;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_ok(umfs_slot_heir(u->fs, &slot, &incarnation));
	umfs_ofd_give(u->fs, file.ofd, slot);
	umfs_slot_abandon(u->fs, slot, incarnation); /* exec failed */
	assert_int_equal(ld32(&umfs_slot(u->fs, slot)->state), UMFS_SLOT_FREE);
	world_close(&file);
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_unlink(u->fs, "/f"));
	assert_ok(umfs_slot_heir(u->fs, &slot, &incarnation));
	umfs_ofd_give(u->fs, file.ofd, slot);
	unit_die(u); /* or the process died in it */
	assert_int_equal(ld32(&umfs_slot(u->fs, slot)->state), UMFS_SLOT_FREE);
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
}

/* The new image has taken it, and gone: whoever has the slot now keeps it. */
static void exec_abandoned_late_harms_nobody(void **state)
{
	struct unit *u = *state;
	uint32_t slot, incarnation;

	assert_ok(umfs_slot_heir(u->fs, &slot, &incarnation));
	umfs_slot_abandon(u->fs, slot, incarnation - 1);
	assert_int_equal(ld32(&umfs_slot(u->fs, slot)->state), UMFS_SLOT_HEIR);
	assert_ok(umfs_slot_recover(u->fs, slot));
	assert_int_equal(ld32(&umfs_slot(u->fs, slot)->state), UMFS_SLOT_FREE);
}

static void exec_description_of_no_record_refused(void **state)
{
	struct unit *u = *state;
	struct umfs_file file;
	struct sim_proc *image;
	struct umfs_ofd_pm *o;
	uint32_t slot, incarnation, irec;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	o = umfs_ofd(u->fs, file.ofd);
	irec = ld32(&o->irec);
	assert_ok(umfs_slot_heir(u->fs, &slot, &incarnation));
	st32(&o->irec, u->fs->geo.irec_count);
	umfs_ofd_give(u->fs, file.ofd, slot);
	image = image_of(u, slot);
	assert_ok(umfs_slot_inherit(&image->fs, slot, incarnation));
	assert_err(umfs_ofd_inherit(&image->fs, file.ofd), EUCLEAN);
	st32(&o->irec, irec);
	sim_kill(image);
	assert_ok(umfs_slot_recover(u->fs, slot));
	world_close(&file);
}

/* ---- what the surroundings refuse ---- */

static void attach_lock_refused_is_what_is_answered(void **state)
{
	struct unit *u = *state;
	uint32_t slot, incarnation;
	struct umfs_attr attr;
	struct umfs_file file;
	int err;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_unlink(u->fs, "/f"));
	u->sim->attach_fails = -ENOLCK;
	assert_null(sim_attach(u->sim, u->mode, &err));
	assert_int_equal(err, -ENOLCK);
	assert_err(umfs_slot_fork(u->fs, &slot, &incarnation), ENOLCK);
	assert_err(umfs_slot_heir(u->fs, &slot, &incarnation), ENOLCK);
	assert_err(umfs_freeze(u->fs, 1000, &slot), ENOLCK);
	assert_false(umfs_frozen_by(u->fs, &slot));
	assert_err(umfs_grow(u->fs, u->fs->geo.pool_pages + 512), ENOLCK);
	assert_ok(world_creat(u->fs, "/g", 0644)); /* all else goes on */
	sim_detach(u->proc); /* as if it had died */
	assert_false(clean(u));
	u->sim->attach_fails = 0;
	u->proc = unit_attach(u);
	u->fs = &u->proc->fs;
	assert_ok(world_stat(u->fs, "/g", &attr));
	assert_err(umfs_getattr(u->fs, file.ino, &attr), ENOENT);
}

/* The memory of lanes: of the first to attach, and of each that comes. */
static void lanes_without_memory_refused(void **state)
{
	struct unit *u = *state;
	uint32_t slot, incarnation, n, refused = 0;
	struct umfs_attr attr;
	int err;

	assert_ok(world_creat(u->fs, "/f", 0644));
	u->sim->back_fail_at = u->sim->back_calls + 1;
	assert_err(umfs_slot_fork(u->fs, &slot, &incarnation), ENOSPC);
	u->sim->back_fail_at = u->sim->back_calls + 1;
	assert_null(sim_attach(u->sim, u->mode, &err));
	assert_int_equal(err, -ENOSPC);
	for (n = 1; n <= 3; n++) {
		sim_kill(u->proc); /* slot 0 is settled for those who died, and then taken */
		u->sim->back_fail_at = u->sim->back_calls + n;
		u->proc = sim_attach(u->sim, u->mode, &err);
		refused += !u->proc;
		u->sim->back_fail_at = 0;
		if (u->proc)
			continue;
		assert_int_equal(err, -ENOSPC);
		u->proc = unit_attach(u);
	}
	assert_int_equal(refused, 2);
	u->fs = &u->proc->fs;
	assert_ok(world_stat(u->fs, "/f", &attr));
}

/* A pool that only a later version may write. */
static void pool_to_look_at_not_attached(void **state)
{
	struct unit *u = *state;
	struct umfs_super_pm *sb = (struct umfs_super_pm *)u->sim->mem;
	struct sim_proc *proc;
	int err;

	u->damaged = true;
	sim_detach(u->proc);
	u->sim->log = NULL;
	st64(&sb->feature_ro_compat, 1ull << 40);
	st32(&sb->crc, umfs_super_crc(sb));
	proc = sim_open(u->sim, &err);
	assert_non_null(proc);
	assert_true(proc->fs.geo.look_only);
	assert_err(umfs_attach(&proc->fs, u->mode), EROFS);
	assert_true(clean(u));
	sim_proc_free(proc);
	u->proc = NULL;
}

/* Who knows the pool's size only from the superblock, and who has looked at it before. */
static void attach_looks_at_superblock_itself(void **state)
{
	struct unit *u = *state;
	struct sim_proc *proc = sim_proc_new(u->sim);
	uint32_t ino;

	proc->fs.irec_refs = calloc(u->fs->geo.irec_count, sizeof(uint32_t));
	proc->fs.ofd_refs = calloc(u->fs->geo.ofd_count, sizeof(uint32_t));
	proc->fs.fresh = 1;
	assert_ok(umfs_attach(&proc->fs, u->mode));
	assert_int_equal(proc->fs.geo.pool_pages, u->fs->geo.pool_pages);
	assert_int_equal(proc->fs.fresh, 0);
	assert_ok(world_creat(&proc->fs, "/f", 0644));
	assert_ok(world_ino(u->fs, "/f", &ino));
	sim_detach(proc);
}

static const struct CMUnitTest tests[] = {
	CASE(pool_clean_only_when_nobody_is_attached),
	CASE(pool_left_by_the_dead_not_clean),
	CASE(change_seen_by_other_process),
	CASE(slots_all_taken_refused),
	CASE(mode_set_by_first_and_only_strengthened),
	CASE(mode_unknown_refused),
	CASE(mode_not_asked_for_stays),
	CASE(live_slot_not_recovered),
	CASE(detach_twice_harmless),
	CASE(fork_shares_positions),
	CASE(fork_keeps_unlinked_file_alive),
	CASE(fork_inside_another_call_leaves_child_no_hold),
	CASE(fork_shares_mappings),
	CASE(fork_failed_gives_all_back),
	CASE(fork_child_dead_parent_keeps_its_files),
	CASE(join_shares_position),
	CASE(join_parted_leaves_it_to_the_others),
	CASE(join_of_another_refused),
	CASE(join_too_late_harms_nobody),
	CASE(join_dead_others_keep_it),
	CASE(exec_new_image_has_what_was_given),
	CASE(exec_that_never_came_leaves_nothing),
	CASE(exec_abandoned_late_harms_nobody),
	CASE(exec_description_of_no_record_refused),
	CASE(attach_lock_refused_is_what_is_answered),
	CASE(lanes_without_memory_refused),
	CASE(pool_to_look_at_not_attached),
	CASE(attach_looks_at_superblock_itself),
};
UNIT_MAIN("slot", tests)
