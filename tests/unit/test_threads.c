// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_threads.c - eight threads at once on a real pool in shared memory.
 *
 *	test_threads [FSCK [CASE]]
 *
 * UMFS_THREADS_SECONDS (3) says how long each case goes on.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kill.h"
#include "open.h"
#include "real.h"
#include "tree.h"

#include <cmocka.h>

#define THREADS 8
#define BLOCKS 16
#define NAMES 16

static const char *fsck;
static char path[256];
static struct pool *pool;

struct thread {
	pthread_t id;
	uint32_t number;
	uint64_t random, steps;
	char why[128]; /* what went wrong, else empty */
};

static uint64_t stop_ns;

static uint64_t random_of(struct thread *t)
{
	uint64_t z = (t->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static bool go_on(struct thread *t)
{
	t->steps++; /* some at least, on a machine that is busy elsewhere, too */
	return !t->why[0] && (now_ns() < stop_ns || t->steps < 10);
}

#define wrong(t, ...) snprintf((t)->why, sizeof((t)->why), __VA_ARGS__)

static void run(void *(*body)(void *))
{
	const char *seconds = getenv("UMFS_THREADS_SECONDS");
	static struct thread threads[THREADS];
	uint32_t i;

	memset(threads, 0, sizeof(threads));
	stop_ns = now_ns() + (seconds ? strtoull(seconds, NULL, 0) : 3) * 1000000000ull;
	for (i = 0; i < THREADS; i++) {
		threads[i].number = i;
		threads[i].random = i + 1;
		assert_int_equal(pthread_create(&threads[i].id, NULL, body, &threads[i]), 0);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	for (i = 0; i < THREADS; i++)
		assert_string_equal(threads[i].why, "");
}

static int setup(void **state)
{
	(void)state;
	real_make(path, "threads", 256 * MIB, UMFS_DURABLE_NONE, 16384);
	pool = real_attach(path, UMFS_MODE_ATOMIC);
	return 0;
}

static int teardown(void **state)
{
	struct tree t;
	char why[256] = "";
	int bad = tree_read(&pool->fs, &t, why);

	(void)state;
	if (bad)
		fprintf(stderr, "%s\n", why);
	tree_free(&t);
	pool_close(pool);
	free(pool);
	if (fsck && real_fsck(fsck, path))
		bad = -1;
	unlink(path);
	return bad;
}

/* ---- what a process has open lies in a range that its threads widen ---- */

static pthread_barrier_t in_step;
static uint64_t range;

static void *widen(void *arg)
{
	struct thread *t = arg;

	for (uint32_t round = 0; round < 2000; round++) {
		uint32_t index = (uint32_t)(random_of(t) % 100000);

		if (t->number == 0)
			range = 0;
		pthread_barrier_wait(&in_step);
		umfs_widen(&range, index);
		pthread_barrier_wait(&in_step);
		if (index < umfs_range_low(&range) || index >= umfs_range_high(&range))
			wrong(t, "%u is not in the range", index);
		pthread_barrier_wait(&in_step);
	}
	return NULL;
}

static void range_widened_at_once_holds_all(void **state)
{
	(void)state;
	pthread_barrier_init(&in_step, NULL, THREADS);
	run(widen);
	pthread_barrier_destroy(&in_step);
}

/* ---- one file, writes that are whole or not there ---- */

static const uint64_t sizes[] = {64, 512, 4096, 12288};

static void block_fill(uint8_t *buf, uint64_t n, uint64_t word)
{
	uint64_t i;

	for (i = 0; i < n; i += 8)
		memcpy(buf + i, &word, 8);
}

static bool block_whole(const uint8_t *buf, uint64_t n)
{
	return !memcmp(buf, buf + 8, n - 8);
}

static void *one_file(void *arg)
{
	struct thread *t = arg;
	uint64_t n = sizes[t->number % 4]; /* each size has an area of its own */
	struct umfs_file file;
	uint8_t buf[12288];

	if (world_open(&pool->fs, "/f", O_RDWR | O_CREAT, &file)) {
		wrong(t, "open");
		return NULL;
	}
	while (go_on(t)) {
		uint64_t off = MIB * (t->number % 4) + random_of(t) % BLOCKS * n;
		int64_t got;

		if (random_of(t) & 1) {
			block_fill(buf, n, random_of(t));
			got = umfs_pwrite(&file, buf, n, off);
			if (got != (int64_t)n)
				wrong(t, "pwrite: %lld", (long long)got);
		} else {
			got = umfs_pread(&file, buf, n, off);
			if (got < 0 || (got == (int64_t)n && !block_whole(buf, n)))
				wrong(t, "pread of %llu at %llu: %lld, a mixture",
				      (unsigned long long)n, (unsigned long long)off,
				      (long long)got);
		}
	}
	world_close(&file);
	return NULL;
}

static void writes_to_one_file_never_mixed(void **state)
{
	(void)state;
	run(one_file);
}

/* ---- appends: every record once ---- */

static uint64_t appended;

static void *append(void *arg)
{
	struct thread *t = arg;
	struct umfs_file file;
	uint64_t record[8], n = 0, off;
	int64_t got;
	struct umfs_iov iov = {record, sizeof(record)};

	if (world_open(&pool->fs, "/log", O_RDWR | O_CREAT, &file)) {
		wrong(t, "open");
		return NULL;
	}
	while (go_on(t) && __atomic_load_n(&appended, __ATOMIC_RELAXED) < 1000000) {
		block_fill((uint8_t *)record, sizeof(record), (uint64_t)t->number << 32 | n++);
		off = 0;
		got = umfs_pwritev(&file, &iov, 1, &off, true);
		if (got != sizeof(record))
			wrong(t, "append: %lld", (long long)got);
		__atomic_fetch_add(&appended, 1, __ATOMIC_RELAXED);
	}
	world_close(&file);
	return NULL;
}

static void appends_by_all_each_there_once(void **state)
{
	uint64_t next[THREADS] = {0}, record[8], off;
	struct umfs_file file;
	struct umfs_attr attr;

	(void)state;
	appended = 0;
	run(append);
	assert_int_equal(world_stat(&pool->fs, "/log", &attr), 0);
	assert_int_equal(attr.size, appended * sizeof(record));
	assert_int_equal(world_open(&pool->fs, "/log", O_RDONLY, &file), 0);
	for (off = 0; off < attr.size; off += sizeof(record)) {
		assert_int_equal(umfs_pread(&file, record, sizeof(record), off), sizeof(record));
		assert_true(block_whole((uint8_t *)record, sizeof(record)));
		assert_true(record[0] >> 32 < THREADS);
		assert_int_equal((uint32_t)record[0],
				 next[record[0] >> 32]++); /* in each one's order */
	}
	world_close(&file);
}

/* ---- appends longer than an atomic piece: the position is behind one's own last byte ---- */

#define LONG_BYTES (5 * MIB)

static void append_once(struct thread *t, struct umfs_file *file, uint8_t *buf)
{
	uint64_t word = random_of(t), last = ~word;
	struct umfs_iov iov = {buf, LONG_BYTES};
	int64_t pos;

	block_fill(buf, LONG_BYTES, word);
	if (umfs_writev(file, &iov, 1) != (int64_t)LONG_BYTES)
		wrong(t, "writev");
	pos = umfs_seek(file, 0, 1);
	if (pos < 8 || umfs_pread(file, &last, 8, (uint64_t)pos - 8) != 8 || last != word)
		wrong(t, "somebody else's bytes lie before the position %lld", (long long)pos);
}

static void *append_long(void *arg)
{
	struct thread *t = arg;
	uint8_t *buf = malloc(LONG_BYTES);
	struct umfs_file file;

	if (!buf || world_open(&pool->fs, "/long", O_RDWR | O_CREAT | O_APPEND, &file)) {
		wrong(t, "open");
		free(buf);
		return NULL;
	}
	while (t->steps++ < 12 && !t->why[0])
		if (t->number < 3) /* what the pool has room for */
			append_once(t, &file, buf);
	world_close(&file);
	free(buf);
	return NULL;
}

static void position_behind_own_bytes_after_long_append(void **state)
{
	(void)state;
	run(append_long);
}

/* ---- names ---- */

static bool allowed(int err)
{
	return !err || err == -ENOENT || err == -EEXIST || err == -ENOTEMPTY || err == -EISDIR ||
	       err == -ENOTDIR || err == -EINVAL || err == -EPERM;
}

static int change_name(struct thread *t, const char *a, const char *b)
{
	struct umfs_attr attr;
	struct umfs *fs = &pool->fs;

	switch (random_of(t) % 8) {
	case 0:
		return world_creat(fs, a, 0644);
	case 1:
		return world_mkdir(fs, a);
	case 2:
		return world_unlink(fs, a);
	case 3:
		return world_rmdir(fs, a);
	case 4:
		return world_link(fs, a, b);
	case 5:
		return world_stat(fs, a, &attr);
	default:
		return world_rename(fs, a, b);
	}
}

static void *names(void *arg)
{
	struct thread *t = arg;
	char a[64], b[64];

	while (go_on(t)) {
		int err;

		sprintf(a, "/d%u/%u", (unsigned)(random_of(t) % 3),
			(unsigned)(random_of(t) % NAMES));
		sprintf(b, "/d%u/%u", (unsigned)(random_of(t) % 3),
			(unsigned)(random_of(t) % NAMES));
		err = change_name(t, a, b);
		if (!allowed(err))
			wrong(t, "%.20s %.20s: %.80s", a, b, strerror(-err));
	}
	return NULL;
}

static void names_in_shared_directories_stay_consistent(void **state)
{
	uint32_t i;
	char name[8];

	(void)state;
	for (i = 0; i < 3; i++) {
		sprintf(name, "/d%u", i);
		assert_int_equal(world_mkdir(&pool->fs, name), 0);
	}
	run(names);
}

/* ---- a name that is there all the time is always found ---- */

static void *rename_around(void *arg)
{
	struct thread *t = arg;
	char mine[32], other[32];
	struct umfs_attr attr;
	uint32_t i;

	while (go_on(t)) {
		if (t->number == 0) { /* the directory splits and shrinks under the others */
			for (i = 0; i < 300; i++) {
				sprintf(mine, "/dir/fill%u", i);
				(void)world_creat(&pool->fs, mine, 0644);
			}
			for (i = 0; i < 300; i++) {
				sprintf(mine, "/dir/fill%u", i);
				(void)world_unlink(&pool->fs, mine);
			}
			continue;
		}
		sprintf(mine, "/dir/stay%u", t->number);
		sprintf(other, "/dir/move%u.%u", t->number, (unsigned)(t->steps & 1));
		if (world_stat(&pool->fs, mine, &attr))
			wrong(t, "%s is not found", mine);
		if (world_rename(&pool->fs, other, "/dir/swap") == 0)
			(void)world_rename(&pool->fs, "/dir/swap", other);
		else
			(void)world_creat(&pool->fs, other, 0644);
	}
	return NULL;
}

static void names_that_stay_always_found(void **state)
{
	char name[32];
	uint32_t i;

	(void)state;
	assert_int_equal(world_mkdir(&pool->fs, "/dir"), 0);
	for (i = 0; i < THREADS; i++) {
		sprintf(name, "/dir/stay%u", i);
		assert_int_equal(world_creat(&pool->fs, name, 0644), 0);
	}
	run(rename_around);
}

/* ---- a name that comes and goes: nothing of a look that did not count is handed out ---- */

static void *come_and_go(void *arg)
{
	struct thread *t = arg;

	while (go_on(t)) {
		uint32_t ino = 0;
		int err;

		if (t->number == 0) {
			if (world_rename(&pool->fs, "/here", "/there"))
				wrong(t, "rename");
			if (world_rename(&pool->fs, "/there", "/here"))
				wrong(t, "rename back");
			continue;
		}
		err = umfs_lookup(&pool->fs, UMFS_ROOT_INO, "here", 4, &ino);
		if (err ? err != -ENOENT || ino : !ino)
			wrong(t, "lookup: %d, inode %u", err, ino);
	}
	return NULL;
}

static void lookup_without_the_name_hands_out_no_inode(void **state)
{
	(void)state;
	assert_int_equal(world_creat(&pool->fs, "/here", 0644), 0);
	run(come_and_go);
}

/* ---- names of any kind that all change at once: nobody is told what was never so ---- */

static void any_name(struct thread *t, char *to)
{
	unsigned first = (unsigned)(random_of(t) % 4), second = (unsigned)(random_of(t) % 4);

	if (random_of(t) % 3)
		sprintf(to, "/n%u", first);
	else
		sprintf(to, "/n%u/n%u", first, second);
}

static int read_link(const char *name)
{
	char target[64];
	umfs_node node;
	int err = world_node(&pool->fs, name, &node);

	return err ? err : (int)UMFS_MIN(umfs_readlink(&pool->fs, node, target, 64), 0);
}

static int open_and_write(const char *name)
{
	struct umfs_file file;
	int err = world_open(&pool->fs, name, O_RDWR | O_CREAT, &file);

	if (!err) {
		err = world_write(&file, 0, 1, 1);
		world_close(&file);
	}
	return err;
}

static int do_any(unsigned what, const char *a, const char *b)
{
	struct umfs *fs = &pool->fs;
	struct umfs_attr attr;

	switch (what) {
	case 0:
		return world_mkdir(fs, a);
	case 1:
		return world_rmdir(fs, a);
	case 2:
		return world_unlink(fs, a);
	case 3:
		return world_rename(fs, a, b);
	case 4:
		return world_rename2(fs, a, b, UMFS_RENAME_EXCHANGE);
	case 5:
		return world_link(fs, a, b);
	case 6:
		return world_symlink(fs, b + 1, a);
	case 7:
		return open_and_write(a);
	case 8:
		return world_stat(fs, a, &attr);
	default:
		return read_link(a);
	}
}

static bool is_fair(int err, unsigned what)
{
	static const int fair[] = {0, ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, ELOOP, ESTALE};
	size_t i;

	if (err == -EINVAL) /* into itself; no file; no link */
		return what == 3 || what == 4 || what == 7 || what > 8;
	if (err == -EPERM) /* a directory */
		return what == 5;
	for (i = 0; i < UMFS_ARRAY_LEN(fair); i++)
		if (err == -fair[i])
			return true;
	return false;
}

static void *anything(void *arg)
{
	struct thread *t = arg;
	char a[16], b[16];

	while (go_on(t)) {
		unsigned what = (unsigned)(random_of(t) % 10);
		int err;

		any_name(t, a);
		any_name(t, b);
		if ((what == 3 || what == 4) && strlen(a) != strlen(b))
			continue; /* else they lie ever deeper */
		err = do_any(what, a, b);
		if (!is_fair(err, what))
			wrong(t, "%u of %s and %s: %s", what, a, b, strerror(-err));
	}
	return NULL;
}

static void names_of_any_kind_answered_fairly(void **state)
{
	(void)state;
	port_pause_arm(29); /* at another place each time, about once in a call */
	run(anything);
	port_pause_arm(0);
}

/* ---- open, write, unlink, close: nothing is left over ---- */

static void *churn(void *arg)
{
	struct thread *t = arg;
	char name[32];

	while (go_on(t)) {
		struct umfs_file file;
		int err;

		sprintf(name, "/c%u", (unsigned)(random_of(t) % 4));
		err = world_open(&pool->fs, name, O_RDWR | O_CREAT, &file);
		if (err) {
			if (!allowed(err))
				wrong(t, "open: %s", strerror(-err));
			continue;
		}
		if (world_append(&file, random_of(t) % 40000, 1))
			wrong(t, "append");
		if (random_of(t) % 3 == 0 &&
		    umfs_truncate(&pool->fs, file.ino, random_of(t) % 50000))
			wrong(t, "truncate");
		err = world_unlink(&pool->fs, name);
		if (!allowed(err))
			wrong(t, "unlink: %s", strerror(-err));
		if (world_write(&file, 0, 100, 2))
			wrong(t, "write after unlink");
		world_close(&file);
	}
	return NULL;
}

static void files_opened_and_removed_leave_nothing(void **state)
{
	struct umfs_statfs before, after;
	char name[8];
	uint32_t i;

	(void)state;
	assert_int_equal(world_creat(&pool->fs, "/first", 0644), 0);
	umfs_statfs(&pool->fs, &before);
	run(churn);
	for (i = 0; i < 4; i++) {
		sprintf(name, "/c%u", i);
		(void)world_unlink(&pool->fs, name);
	}
	umfs_statfs(&pool->fs, &after);
	assert_int_equal(before.inodes_free, after.inodes_free);
	assert_true(before.pages_free - after.pages_free <= UMFS_LANES_MAX); /* lanes' spares */
}

/* ---- a file replaced by rename all the time: it is always found ---- */

static void *replace_or_open(void *arg)
{
	struct thread *t = arg;
	struct umfs_file file;
	struct umfs_attr attr;
	char mine[32];
	int err;

	sprintf(mine, "/new%u", t->number);
	while (go_on(t)) {
		if (t->number < 3) {
			err = world_creat(&pool->fs, mine, 0644);
			if (!err)
				err = world_rename(&pool->fs, mine, "/target");
			if (err)
				wrong(t, "replacing: %s", strerror(-err));
			continue;
		}
		err = world_open(&pool->fs, "/target", O_RDWR, &file);
		if (!err)
			world_close(&file);
		else
			wrong(t, "open: %s", strerror(-err));
		err = world_stat(&pool->fs, "/target", &attr);
		if (!err)
			err = world_truncate(&pool->fs, "/target", 0);
		if (err)
			wrong(t, "stat, truncate: %s", strerror(-err));
	}
	return NULL;
}

static void file_replaced_by_rename_always_opens(void **state)
{
	(void)state;
	assert_int_equal(world_creat(&pool->fs, "/target", 0644), 0);
	run(replace_or_open);
}

/* ---- inodes are used anew at once: who was meant is changed, and nobody else ---- */

static int chmod_by_name(const char *name, uint32_t mode)
{
	umfs_node node;
	int err = world_node(&pool->fs, name, &node);

	usleep(20); /* meanwhile it is removed, and its number used anew */
	return err ? err : umfs_chmod(&pool->fs, &world_root, node, mode);
}

static void *chmod_and_reuse(void *arg)
{
	struct thread *t = arg;
	struct umfs_attr attr;
	char mine[32];
	int err;

	sprintf(mine, "/own%u", t->number);
	while (go_on(t)) {
		if (t->number < 3) {
			err = chmod_by_name("/victim", 0777);
			if (err && err != -ENOENT && err != -ESTALE)
				wrong(t, "chmod: %s", strerror(-err));
			continue;
		}
		(void)world_unlink(&pool->fs, "/victim");
		err = world_creat(&pool->fs, mine, 0600);
		if (random_of(t) % 64 == 0)
			usleep(200);
		if (err || world_stat(&pool->fs, mine, &attr))
			wrong(t, "%s can not be made", mine);
		else if (attr.mode != 0100600)
			wrong(t, "mode %o of a file that nobody changed", attr.mode);
		if (world_unlink(&pool->fs, mine))
			wrong(t, "%s can not be removed", mine);
		(void)world_creat(&pool->fs, "/victim", 0644);
	}
	return NULL;
}

static void changes_by_name_hit_nobody_else(void **state)
{
	(void)state;
	run(chmod_and_reuse);
}

/* ---- closed by one thread while others read by it: no other description is touched ---- */

static struct umfs_file shared;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;

static struct umfs_file share(const struct umfs_file *with)
{
	struct umfs_file before;

	pthread_mutex_lock(&shared_lock);
	before = shared;
	if (with)
		shared = *with;
	pthread_mutex_unlock(&shared_lock);
	return before;
}

static void read_shared(struct thread *t)
{
	static uint8_t bytes[THREADS][32 * KIB];
	struct umfs_iov iov = {bytes[t->number], sizeof(bytes[0])};
	struct umfs_file f = share(NULL);
	int64_t got = umfs_readv(&f, &iov, 1);

	if (got < 0 && got != -EBADF)
		wrong(t, "read: %lld", (long long)got);
}

static void replace_shared(struct thread *t)
{
	struct umfs_file f;

	if (world_open(&pool->fs, "/shared", O_RDONLY, &f))
		wrong(t, "open");
	f = share(&f);
	world_close(&f);
}

static void read_own(struct thread *t)
{
	struct umfs_file f;
	int64_t pos;
	uint8_t c;
	struct umfs_iov iov = {&c, 1};

	if (world_open(&pool->fs, "/own", O_RDONLY, &f)) {
		wrong(t, "open");
		return;
	}
	for (pos = 0; pos < 20; pos++)
		if (umfs_seek(&f, 0, 1) != pos || umfs_readv(&f, &iov, 1) != 1)
			wrong(t, "the position is not %lld", (long long)pos);
	world_close(&f);
}

static void *read_and_close(void *arg)
{
	struct thread *t = arg;

	while (go_on(t)) {
		if (t->number < 4)
			read_shared(t);
		else if (t->number < 6)
			replace_shared(t);
		else
			read_own(t);
	}
	return NULL;
}

static void description_closed_inside_a_read_hurts_no_other(void **state)
{
	(void)state;
	assert_int_equal(world_put(&pool->fs, "/shared", 0, MIB, 1), 0);
	assert_int_equal(world_put(&pool->fs, "/own", 0, 100, 1), 0);
	assert_int_equal(world_open(&pool->fs, "/shared", O_RDONLY, &shared), 0);
	run(read_and_close);
	world_close(&shared);
}

/* As few inodes as there may be, so that numbers come back soon. */
static int setup_few(void **state)
{
	(void)state;
	real_make(path, "threads", 16 * MIB, UMFS_DURABLE_NONE, 64);
	pool = real_attach(path, UMFS_MODE_ATOMIC);
	return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_FEW(name) cmocka_unit_test_setup_teardown(name, setup_few, teardown)

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(range_widened_at_once_holds_all),
	CASE(writes_to_one_file_never_mixed),
	CASE(appends_by_all_each_there_once),
	CASE(position_behind_own_bytes_after_long_append),
	CASE(names_in_shared_directories_stay_consistent),
	CASE(names_that_stay_always_found),
	CASE(lookup_without_the_name_hands_out_no_inode),
	CASE(names_of_any_kind_answered_fairly),
	CASE(files_opened_and_removed_leave_nothing),
	CASE_FEW(file_replaced_by_rename_always_opens),
	CASE_FEW(changes_by_name_hit_nobody_else),
	CASE_FEW(description_closed_inside_a_read_hurts_no_other),
};

int main(int argc, char **argv)
{
	fsck = argc > 1 ? argv[1] : NULL;
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
