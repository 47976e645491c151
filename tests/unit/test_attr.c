// SPDX-License-Identifier: BSD-3-Clause
/* test_attr.c - attributes and rights. */
#include "unit.h"

static const struct umfs_cred user = {.uid = 1000, .gid = 1000};

static uint32_t new_file(struct unit *u, uint32_t mode, uint32_t uid, uint32_t gid)
{
	umfs_node node;

	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "f", 1, 0100600, 0, &node));
	assert_ok(umfs_chown(u->fs, &world_root, node, uid, gid));
	assert_ok(umfs_chmod(u->fs, &world_root, node, mode));
	return node;
}

static struct umfs_attr get(struct unit *u, uint32_t ino)
{
	struct umfs_attr attr;

	assert_ok(umfs_getattr(u->fs, ino, &attr));
	return attr;
}

static void rights_by_class(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0640, 1000, 50), groups[] = {7, 50};
	struct umfs_cred member = {.uid = 1, .gid = 1, .group_count = 2, .groups = groups};
	struct umfs_cred stranger = {.uid = 1, .gid = 1};

	assert_ok(umfs_access(u->fs, &user, ino, 6));
	assert_err(umfs_access(u->fs, &user, ino, 1), EACCES);
	assert_ok(umfs_access(u->fs, &member, ino, 4));
	assert_err(umfs_access(u->fs, &member, ino, 2), EACCES);
	assert_err(umfs_access(u->fs, &stranger, ino, 4), EACCES);
	assert_ok(umfs_access(u->fs, &world_root, ino, 6));
	assert_err(umfs_access(u->fs, &world_root, ino, 1), EACCES); /* nobody may execute it */
	assert_ok(umfs_chmod(u->fs, &world_root, ino, 0077));
	assert_err(umfs_access(u->fs, &user, ino, 4), EACCES); /* the owner's class alone counts */
}

static void chmod_by_owner_only(void **state)
{
	struct unit *u = *state;
	struct umfs_cred stranger = {.uid = 1, .gid = 1};
	uint32_t ino = new_file(u, 0644, 1000, 1000);

	assert_ok(umfs_chmod(u->fs, &user, ino, 0123));
	assert_int_equal(get(u, ino).mode, 0100123);
	assert_err(umfs_chmod(u->fs, &stranger, ino, 0777), EPERM);
	assert_ok(umfs_chmod(u->fs, &world_root, ino, 0170777));
	assert_int_equal(get(u, ino).mode, 0100777); /* the type stays */
}

static void chown_keeps_and_clears(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 06755, 1000, 1000);

	assert_ok(umfs_chown(u->fs, &world_root, ino, ~0u, 5));
	assert_int_equal(get(u, ino).uid, 1000);
	assert_int_equal(get(u, ino).gid, 5);
	assert_int_equal(get(u, ino).mode & 06000, 0);
	assert_err(umfs_chown(u->fs, &user, ino, 7, ~0u), EPERM);
	assert_err(umfs_chown(u->fs, &user, ino, ~0u, 8), EPERM);
	assert_ok(umfs_chown(u->fs, &user, ino, ~0u, 1000));
	assert_ok(umfs_chown(u->fs, &user, ino, 1000, ~0u));
}

static void chmod_outside_the_group_drops_setgid(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0644, 1000, 50), groups[] = {50};
	struct umfs_cred member = {.uid = 1000, .gid = 1000, .group_count = 1, .groups = groups};

	assert_ok(umfs_chmod(u->fs, &user, ino, 06755));
	assert_int_equal(get(u, ino).mode, 0104755);
	assert_ok(umfs_chmod(u->fs, &member, ino, 06755));
	assert_int_equal(get(u, ino).mode, 0106755);
}

static void chown_drops_setid_of_all_but_directories(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 06755, 1000, 1000);
	umfs_node dir, fifo;

	assert_ok(umfs_chown(u->fs, &world_root, ino, ~0u, ~0u));
	assert_int_equal(get(u, ino).mode, 0100755);
	/* Without execution by the group the bit is not about rights. */
	assert_ok(umfs_chmod(u->fs, &world_root, ino, 06745));
	assert_ok(umfs_chown(u->fs, &world_root, ino, 1000, 1000));
	assert_int_equal(get(u, ino).mode, 0102745);
	assert_ok(umfs_create(u->fs, &world_root, UMFS_ROOT_INO, "p", 1, 0016755, 0, &fifo));
	assert_ok(umfs_chown(u->fs, &world_root, fifo, 5, ~0u));
	assert_int_equal(get(u, fifo).mode, 0010755);
	assert_ok(umfs_mkdir(u->fs, &world_root, UMFS_ROOT_INO, "d", 1, 0755, &dir));
	assert_ok(umfs_chmod(u->fs, &world_root, dir, 06755));
	assert_ok(umfs_chown(u->fs, &world_root, dir, 5, 5));
	assert_int_equal(get(u, dir).mode, 0046755);
}

static void chown_to_its_own_group_allowed(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0644, 1000, 50);

	assert_ok(umfs_chown(u->fs, &user, ino, ~0u, 50)); /* which the user is not in */
	assert_err(umfs_chown(u->fs, &user, ino, ~0u, 51), EPERM);
}

/* Each way to write: within a page, over several, at the end, truncated, by nothing at all. */
static void writing_drops_setid(void **state)
{
	static const struct {
		uint64_t off, n;
	} writes[] = {{10, 10}, {0, 4096}, {100, 9000}, {10000, 1}, {50000, 5000}};
	struct unit *u = *state;
	struct umfs_file file;
	size_t i;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 10000, 1));
	for (i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		assert_ok(umfs_chmod(u->fs, &world_root, file.ino, 06755));
		u->fs->keeps_setid = 1;
		assert_ok(world_write(&file, writes[i].off, writes[i].n, 2));
		assert_int_equal(get(u, file.ino).mode, 0106755);
		u->fs->keeps_setid = 0;
		assert_int_equal(umfs_pwrite(&file, "", 0, 0), 0);
		assert_int_equal(get(u, file.ino).mode, 0106755);
		assert_ok(world_write(&file, writes[i].off, writes[i].n, 3));
		assert_int_equal(get(u, file.ino).mode, 0100755);
	}
	assert_ok(umfs_chmod(u->fs, &world_root, file.ino, 06755));
	assert_ok(umfs_fallocate(&file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, 10, 100));
	assert_int_equal(get(u, file.ino).mode, 0100755);
	for (i = 0; i < 3; i++) {
		assert_ok(umfs_chmod(u->fs, &world_root, file.ino, 06745));
		assert_ok(umfs_truncate(u->fs, file.ino, 1000 + i / 2 * 1000));
		assert_int_equal(get(u, file.ino).mode, 0102745);
	}
	world_close(&file);
}

static void nothing_written_past_the_limit(void **state)
{
	static uint8_t buf[10000];
	struct unit *u = *state;
	struct umfs_file file;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 8000, 1));
	u->fs->end_max = 5000;
	assert_int_equal(umfs_pwrite(&file, buf, 100, 4900), 100);
	assert_int_equal(umfs_pwrite(&file, buf, 101, 4900), 100);
	assert_int_equal(umfs_pwrite(&file, buf, 10000, 0), 5000);
	assert_err(umfs_pwrite(&file, buf, 1, 5000), EFBIG);
	assert_err(umfs_pwrite(&file, buf, 1, 7000), EFBIG); /* bytes that are there, too */
	assert_int_equal(umfs_pwrite(&file, buf, 0, 7000), 0);
	assert_err(umfs_truncate(u->fs, file.ino, 8001), EFBIG);
	assert_ok(umfs_truncate(u->fs, file.ino, 8000));
	assert_ok(umfs_truncate(u->fs, file.ino, 7000));
	assert_ok(umfs_truncate(u->fs, file.ino, 0));
	assert_ok(umfs_truncate(u->fs, file.ino, 5000));
	assert_err(umfs_truncate(u->fs, file.ino, 5001), EFBIG);
	assert_err(umfs_fallocate(&file, 0, 0, 5001), EFBIG);
	assert_ok(umfs_fallocate(&file, UMFS_FALLOC_KEEP_SIZE, 0, 5001));
	world_close(&file);
}

static void atime_as_asked(void **state)
{
	const int64_t day = 86400000000000, old = 1000;
	struct unit *u = *state;
	struct umfs_file file, quiet;
	int64_t now;
	uint32_t ofd;
	umfs_node link;
	char c[8];

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	assert_ok(world_write(&file, 0, 10, 1));
	assert_ok(umfs_open(u->fs, file.ino, O_RDONLY | O_NOATIME, &ofd));
	assert_ok(umfs_file_init(u->fs, ofd, &quiet));
	assert_ok(umfs_utimens(u->fs, &world_root, file.ino, old, old));
	umfs_atime_set(u->fs, UMFS_ATIME_NEVER);
	assert_int_equal(umfs_pread(&file, c, 1, 0), 1);
	assert_int_equal(get(u, file.ino).atime_ns, old);
	umfs_atime_set(u->fs, UMFS_ATIME_RELATIME);
	assert_int_equal(umfs_pread(&quiet, c, 1, 0), 1);
	assert_int_equal(get(u, file.ino).atime_ns, old);
	assert_int_equal(umfs_pread(&file, c, 1, 0), 1);
	now = get(u, file.ino).atime_ns;
	assert_true(now > day);
	/* Newer than ctime, and than a day: it stays. */
	st64(&file.inode->atime_ns, (uint64_t)(now + 1000));
	assert_int_equal(umfs_pread(&file, c, 1, 0), 1);
	assert_int_equal(get(u, file.ino).atime_ns, now + 1000);
	/* The same, two days ago. */
	st64(&file.inode->mtime_ns, (uint64_t)(now - 3 * day));
	st64(&file.inode->ctime_ns, (uint64_t)(now - 3 * day));
	st64(&file.inode->atime_ns, (uint64_t)(now - 2 * day));
	assert_int_equal(umfs_pread(&file, c, 1, 0), 1);
	assert_true(get(u, file.ino).atime_ns >= now);
	umfs_atime_set(u->fs, UMFS_ATIME_ALWAYS);
	st64(&file.inode->atime_ns, (uint64_t)(now - day / 2));
	assert_int_equal(umfs_pread(&file, c, 1, 0), 1);
	assert_true(get(u, file.ino).atime_ns >= now);
	/* One in the future goes back where the last change is later still. */
	umfs_atime_set(u->fs, UMFS_ATIME_RELATIME);
	st64(&file.inode->atime_ns, (uint64_t)(now + 30 * day));
	st64(&file.inode->mtime_ns, (uint64_t)(now + 30 * day + 1));
	assert_int_equal(umfs_pread(&file, c, 1, 0), 1);
	assert_true(get(u, file.ino).atime_ns < now + day);
	umfs_atime_set(u->fs, UMFS_ATIME_ALWAYS);
	umfs_ofd_put(u->fs, ofd);
	world_close(&file);
	/* Links and directories. */
	assert_ok(umfs_symlink(u->fs, &world_root, UMFS_ROOT_INO, "l", 1, "target", 6, &link));
	assert_ok(umfs_utimens(u->fs, &world_root, link, old, UMFS_TIME_OMIT));
	assert_int_equal(umfs_readlink(u->fs, link, c, 6), 6);
	assert_true(get(u, link).atime_ns > old);
	assert_ok(umfs_utimens(u->fs, &world_root, UMFS_ROOT_INO, old, UMFS_TIME_OMIT));
	assert_ok(umfs_open(u->fs, UMFS_ROOT_INO, O_RDONLY, &ofd));
	assert_ok(umfs_file_init(u->fs, ofd, &file));
	umfs_accessed(&file);
	assert_true(get(u, UMFS_ROOT_INO).atime_ns > old);
	umfs_ofd_put(u->fs, ofd);
}

static void utimens_sets_omits_and_takes_now(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0644, 1000, 1000);
	struct umfs_cred stranger = {.uid = 1, .gid = 1};

	assert_ok(umfs_utimens(u->fs, &user, ino, 111, -222));
	assert_int_equal(get(u, ino).atime_ns, 111);
	assert_int_equal(get(u, ino).mtime_ns, -222);
	assert_ok(umfs_utimens(u->fs, &user, ino, UMFS_TIME_OMIT, 333));
	assert_int_equal(get(u, ino).atime_ns, 111);
	assert_int_equal(get(u, ino).mtime_ns, 333);
	assert_ok(umfs_utimens(u->fs, &user, ino, UMFS_TIME_NOW, UMFS_TIME_OMIT));
	assert_true(get(u, ino).atime_ns > 1000000000000000000);
	assert_int_equal(get(u, ino).mtime_ns, 333);
	assert_err(umfs_utimens(u->fs, &stranger, ino, 1, 1), EPERM);
	assert_err(umfs_utimens(u->fs, &stranger, ino, UMFS_TIME_NOW, UMFS_TIME_NOW), EACCES);
	assert_ok(umfs_chmod(u->fs, &user, ino, 0666));
	assert_ok(umfs_utimens(u->fs, &stranger, ino, UMFS_TIME_NOW, UMFS_TIME_NOW));
}

static void times_move_with_changes(void **state)
{
	struct unit *u = *state;
	struct umfs_attr first, now, dir, dir_now;
	struct umfs_file file;
	char c;

	assert_ok(world_open(u->fs, "/f", O_RDWR | O_CREAT, &file));
	first = get(u, file.ino);
	assert_ok(world_write(&file, 0, 10, 1));
	now = get(u, file.ino);
	assert_true(now.mtime_ns > first.mtime_ns && now.ctime_ns > first.ctime_ns);
	first = now;
	assert_ok(umfs_chmod(u->fs, &world_root, file.ino, 0600));
	now = get(u, file.ino);
	assert_true(now.mtime_ns == first.mtime_ns && now.ctime_ns > first.ctime_ns);
	assert_int_equal(umfs_pread(&file, &c, 1, 0), 1);
	assert_true(get(u, file.ino).atime_ns >= now.mtime_ns); /* relatime */
	dir = get(u, UMFS_ROOT_INO);
	assert_ok(world_creat(u->fs, "/g", 0644));
	dir_now = get(u, UMFS_ROOT_INO);
	assert_true(dir_now.mtime_ns > dir.mtime_ns);
	world_close(&file);
}

static void statfs_counts_what_is_used(void **state)
{
	struct unit *u = *state;
	struct umfs_statfs before, after;

	assert_ok(world_creat(u->fs, "/first", 0644));
	umfs_statfs(u->fs, &before);
	assert_ok(world_put(u->fs, "/f", 0, 10 * UMFS_PAGE_BYTES, 1));
	umfs_statfs(u->fs, &after);
	assert_int_equal(before.pages_free - after.pages_free, 11);
	assert_int_equal(before.inodes_free - after.inodes_free, 1);
	assert_int_equal(after.name_max, 255);
	assert_int_equal(after.atomic_bytes, 2 * MIB);
	assert_true(after.pages * UMFS_PAGE_BYTES < u->sim->bytes);
}

static void attributes_of_missing_inode_refused(void **state)
{
	struct unit *u = *state;

	assert_err(umfs_chmod(u->fs, &world_root, 900, 0), ENOENT);
	assert_err(umfs_chown(u->fs, &world_root, 900, 0, 0), ENOENT);
	assert_err(umfs_utimens(u->fs, &world_root, 900, 0, 0), ENOENT);
	assert_true(umfs_chmod(u->fs, &world_root, ~0u, 0) < 0);
	assert_true(umfs_truncate(u->fs, ~0u, 0) < 0);
}

/* ---- beside a writer that is stopped ---- */

struct stopped {
	struct sim_proc *proc;
	struct umfs_tx tx;
	struct umfs_inode_pm *in;
	uint32_t ino;
	int64_t since;
};

static struct stopped stop_inside(struct unit *u, uint32_t ino)
{
	struct stopped s = {.proc = unit_attach(u), .ino = ino};

	s.in = umfs_inode(&s.proc->fs, ino);
	assert_ok(umfs_enter(&s.proc->fs, &s.tx, &s.ino, 1));
	umfs_seq_begin(s.in);
	s.since = u->sim->now_ns;
	return s;
}

static void go_on(struct stopped *s)
{
	umfs_inode_seal(s->in, s->ino);
	umfs_seq_end(&s->proc->fs, s->in);
	umfs_leave(&s->tx, &s->ino, 1);
	sim_detach(s->proc);
}

/* What was read is believed only of the moment that it was read at. */
static void attributes_not_of_this_moment_not_believed(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0640, 1000, 1000), ofd, i;
	struct umfs_attr attr = get(u, ino), old = attr, unknown = attr, mixed = attr;
	const struct umfs_attr *const read[] = {&old, &unknown, &mixed};
	struct umfs_inode_pm *in = umfs_inode(u->fs, ino);

	u->damaged = true;
	assert_ok(umfs_chmod(u->fs, &world_root, ino, 0600));
	attr = get(u, ino);
	assert_int_not_equal(attr.seq, old.seq);
	unknown.seq = 0;
	mixed.seq = attr.seq + 1;
	st32(&in->gid, 7);
	for (i = 0; i < UMFS_ARRAY_LEN(read); i++) {
		umfs_attr_believe(u->fs, read[i]);
		assert_err(umfs_open(u->fs, ino, O_RDONLY, &ofd), EUCLEAN);
	}
	st32(&in->gid, attr.gid);
	umfs_attr_believe(u->fs, &attr);
	assert_ok(umfs_open(u->fs, ino, O_RDONLY, &ofd));
	umfs_ofd_put(u->fs, ofd);
}

#define SOON_NS 20000000 /* the simulator's clock moves by a millisecond at each look */

static void attributes_beside_stopped_writer_read(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0640, 1000, 1000);
	struct umfs_attr before = get(u, ino), attr;
	struct stopped s = stop_inside(u, ino);

	attr = get(u, ino);
	assert_same_attr(&attr, &before);
	umfs_inode_set_size(u->fs, s.in, ino, 77);
	assert_int_equal(get(u, ino).size, 77);
	assert_ok(umfs_access(u->fs, &user, ino, 6));
	assert_err(umfs_access(u->fs, &user, ino, 1), EACCES);
	assert_true(u->sim->now_ns - s.since < SOON_NS);
	umfs_inode_set_size(u->fs, s.in, ino, 0);
	go_on(&s);
}

static void attributes_between_store_and_seal_each_old_or_new(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0640, 1000, 1000);
	struct stopped s = stop_inside(u, ino);
	struct umfs_attr attr;

	umfs_tx_begin(&s.tx);
	assert_ok(umfs_inode_save(&s.tx, s.in, ino));
	st32(&s.in->uid, 5);
	attr = get(u, ino);
	assert_int_equal(attr.uid, 5);
	assert_int_equal(attr.gid, 1000);
	assert_int_equal(attr.mode, 0100640);
	assert_true(u->sim->now_ns - s.since < SOON_NS);
	umfs_tx_abort(&s.tx);
	go_on(&s);
	assert_int_equal(get(u, ino).uid, 1000);
}

static void attributes_beside_dead_writer_recovered_first(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0640, 1000, 1000);
	struct stopped s = stop_inside(u, ino);

	umfs_tx_begin(&s.tx);
	assert_ok(umfs_inode_save(&s.tx, s.in, ino));
	umfs_tx_fence(&s.tx);
	st32(&s.in->uid, 5);
	umfs_inode_seal(s.in, ino);
	sim_kill(s.proc);
	assert_int_equal(get(u, ino).uid, 1000);
	assert_true(umfs_lock_free(u->fs, ld64(&umfs_inode(u->fs, ino)->lock)));
	assert_false(ld64(&umfs_inode(u->fs, ino)->seq) & 1);
}

static void attributes_of_inode_that_stopped_remover_freed_stale(void **state)
{
	struct unit *u = *state;
	uint32_t ino = new_file(u, 0640, 1000, 1000);
	struct umfs_attr attr = get(u, ino);
	umfs_node node = umfs_node_of(ino, attr.generation);
	struct stopped s = stop_inside(u, ino);

	st32(&s.in->mode, 0);
	assert_err(umfs_getattr(u->fs, node, &attr), ESTALE);
	assert_err(umfs_getattr(u->fs, ino, &attr), ENOENT);
	st32(&s.in->mode, 0100640);
	go_on(&s);
}

static void node_of_no_inode_not_there(void **state)
{
	struct unit *u = *state;

	assert_int_equal(umfs_chmod(u->fs, &world_root, 0, 0600), -ENOENT);
	assert_int_equal(umfs_utimens(u->fs, &world_root, 0, 0, 0), -ENOENT);
}

static const struct CMUnitTest tests[] = {
	CASE(node_of_no_inode_not_there),
	CASE(rights_by_class),
	CASE(chmod_by_owner_only),
	CASE(chown_keeps_and_clears),
	CASE(chmod_outside_the_group_drops_setgid),
	CASE(chown_drops_setid_of_all_but_directories),
	CASE(chown_to_its_own_group_allowed),
	CASE(writing_drops_setid),
	CASE(nothing_written_past_the_limit),
	CASE(atime_as_asked),
	CASE(utimens_sets_omits_and_takes_now),
	CASE(times_move_with_changes),
	CASE(statfs_counts_what_is_used),
	CASE(attributes_of_missing_inode_refused),
	CASE(attributes_not_of_this_moment_not_believed),
	CASE(attributes_beside_stopped_writer_read),
	CASE(attributes_between_store_and_seal_each_old_or_new),
	CASE(attributes_beside_dead_writer_recovered_first),
	CASE(attributes_of_inode_that_stopped_remover_freed_stale),
};
UNIT_MAIN("attr", tests)
