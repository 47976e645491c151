// SPDX-License-Identifier: BSD-3-Clause
/* test_shadow.c - the files that locks on files of a pool are taken on. */
#include "internal.h"
#include "test_pools.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* The directory that a new shadow is in. */
static void dir_of(int fd, char *dir, size_t size)
{
	char link[64];
	ssize_t n;

	assert_true(fd >= 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, dir, size - 1);
	assert_true(n > 0);
	dir[n] = '\0';
	*strrchr(dir, '/') = '\0';
	close(fd);
}

/* The last one of its epoch, which left the pool clean. */
static void leave_last(struct pool *p)
{
	struct umfs_runtime_pm *rt = umfs_page(&p->fs, UMFS_RUNTIME_PAGE);

	st32(&rt->epoch, p->fs.epoch);
	st64(&rt->clean, UMFS_CLEAN);
	pool_shadow_leave(p);
	st64(&rt->clean, 0);
}

static bool is_there(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

static void shadow_is_one_for_each_inode(void **state)
{
	struct pool *p = *state;
	int a = pool_shadow_open(p, 5, O_RDWR), b = pool_shadow_open(p, 5, O_RDONLY);
	int c = pool_shadow_open(p, 6, O_WRONLY);
	char dir[256];

	assert_true(a >= 0 && b >= 0 && c >= 0);
	assert_int_equal(inode_of(a), inode_of(b));
	assert_int_not_equal(inode_of(a), inode_of(c));
	assert_true(pool_shadow_is(p, 5, b));
	assert_false(pool_shadow_is(p, 6, b));
	assert_int_equal(write(a, "x", 1), -1);
	assert_int_equal(read(a, dir, 1), -1);
	close(a);
	close(b);
	dir_of(c, dir, sizeof(dir));
	assert_true(is_there(dir));
	leave_last(p);
	assert_false(is_there(dir));
}

/* What its death does to its locks. */
static void die(struct pool *p)
{
	munmap(p->shadow_page, p->page_bytes);
	munmap(p->shadow_use, p->page_bytes);
	p->shadow_page = p->shadow_use = NULL;
}

/* What an earlier epoch's last process left when it was killed goes with the next directory. */
static void shadow_of_dead_epoch_is_swept(void **state)
{
	struct pool *p = *state;
	char dead[256], dir[256];

	dir_of(pool_shadow_open(p, 5, O_RDWR), dead, sizeof(dead));
	die(p);
	p->fs.epoch += 3;
	assert_true(is_there(dead));
	dir_of(pool_shadow_open(p, 5, O_RDWR), dir, sizeof(dir));
	assert_string_not_equal(dir, dead);
	assert_false(is_there(dead));
	leave_last(p);
	assert_false(is_there(dir));
}

/* Whatever is made: another's directory, in use here or passing exec, stays. */
static void shadow_in_use_is_not_swept(void **state)
{
	struct pool *p = *state, other;
	char used[256], dir[256];
	int fd;

	assert_int_equal(pool_map(&other, pool_path, 0), 0);
	dir_of(pool_shadow_open(p, 5, O_RDWR), used, sizeof(used));
	fd = pool_shadow_keep(p);
	assert_true(fd >= 0);
	for (int i = 0; i < 3; i++) {
		other.fs.epoch = p->fs.epoch + 3 + (uint32_t)i;
		if (i == 1)
			die(p); /* exec: now the descriptor keeps it */
		if (i == 2)
			close(fd);
		dir_of(pool_shadow_open(&other, 5, O_RDWR), dir, sizeof(dir));
		assert_int_equal(is_there(used), i < 2);
		leave_last(&other);
	}
	pool_close(&other);
}

/* As its maker leaves one when it is killed: nothing can be told of what has no file for it. */
static void shadow_half_made_goes_when_it_is_empty(void **state)
{
	char empty[64], full[64], file[80], dir[256];
	struct pool *p = *state;

	snprintf(empty, sizeof(empty), "/dev/shm/.umfs-locks-test-empty.%d", getpid());
	snprintf(full, sizeof(full), "/dev/shm/.umfs-locks-test-full.%d", getpid());
	snprintf(file, sizeof(file), "%s/f", full);
	assert_int_equal(mkdir(empty, 0700) | mkdir(full, 0700) | mkdir(file, 0700), 0);
	dir_of(pool_shadow_open(p, 5, O_RDWR), dir, sizeof(dir));
	assert_false(is_there(empty));
	assert_true(is_there(file));
	assert_int_equal(rmdir(file) | rmdir(full), 0);
	leave_last(p);
}

/* Whoever removed it was killed before its last step. */
static void shadow_of_half_removed_directory_is_made(void **state)
{
	struct pool *p = *state;
	char dir[256], again[256], command[600];

	dir_of(pool_shadow_open(p, 5, O_RDWR), dir, sizeof(dir));
	die(p);
	snprintf(command, sizeof(command), "rm %s/*", dir);
	assert_int_equal(system(command), 0);
	dir_of(pool_shadow_open(p, 5, O_RDWR), again, sizeof(again));
	assert_string_equal(dir, again);
	leave_last(p);
	assert_false(is_there(dir));
}

/* Who leaves lets his slot go first; the next epoch's first may come between. */
static void shadow_is_made_beside_one_who_leaves(void **state)
{
	struct pool *p = *state;
	void *leaving, *leaving_use;
	char old[256], dir[256];

	dir_of(pool_shadow_open(p, 5, O_RDWR), old, sizeof(old));
	leaving = p->shadow_page;
	leaving_use = p->shadow_use;
	p->shadow_page = p->shadow_use = NULL;
	p->fs.epoch++;
	dir_of(pool_shadow_open(p, 5, O_RDWR), dir, sizeof(dir));
	assert_string_not_equal(dir, old);
	munmap(leaving, p->page_bytes);
	munmap(leaving_use, p->page_bytes);
	leave_last(p);
	assert_false(is_there(dir));
}

/* Somebody else in the directory's place; and then a place that is not that of the others. */
static void shadow_in_foreign_directory_is_refused(void **state)
{
	struct pool *p = *state, other;
	char dir[256];

	dir_of(pool_shadow_open(p, 5, O_RDWR), dir, sizeof(dir));
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(pool_map(&other, pool_path, 0), 0);
	assert_int_equal(pool_shadow_open(p, 5, O_RDWR), -ENOLCK);
	assert_int_equal(pool_shadow_open(&other, 5, O_RDWR), -ENOLCK);
	assert_int_equal(chmod(dir, 01733), 0);
	dir_of(pool_shadow_open(&other, 5, O_RDWR), dir, sizeof(dir));
	leave_last(&other);
	leave_last(p);
	pool_close(&other);
	assert_false(is_there(dir));
}

/* Others of the epoch may need it, or the dead: what is not clean is not looked at further. */
static void shadow_stays_while_the_epoch_goes_on(void **state)
{
	struct umfs_runtime_pm *rt;
	struct pool *p = *state;
	char dir[256];

	rt = umfs_page(&p->fs, UMFS_RUNTIME_PAGE);
	st32(&rt->epoch, p->fs.epoch);
	dir_of(pool_shadow_open(p, 5, O_RDWR), dir, sizeof(dir));
	pool_shadow_leave(p);
	assert_true(is_there(dir));
	/* Another epoch's first has come: this one is over. */
	st32(&rt->epoch, p->fs.epoch + 1);
	pool_shadow_leave(p);
	assert_false(is_there(dir));
}

/* As the next to attach finds it: removed where that was not done, not looked for where it was. */
static void shadow_of_the_epoch_before_goes_unless_it_was_clean(void **state)
{
	struct pool *p = *state;
	char dir[256];

	dir_of(pool_shadow_open(p, 5, O_RDWR), dir, sizeof(dir));
	die(p);
	p->fs.epoch++;
	pool_shadow_begin(p, p->fs.epoch, false); /* not the first */
	pool_shadow_begin(p, p->fs.epoch - 1, true);
	assert_true(is_there(dir));
	pool_shadow_begin(p, p->fs.epoch - 1, false);
	assert_false(is_there(dir));
	dir_of(pool_shadow_open(p, 5, O_RDWR), dir, sizeof(dir));
	die(p);
	p->fs.epoch++; /* clean when it was looked at, and then somebody came and died */
	pool_shadow_begin(p, p->fs.epoch - 2, true);
	assert_false(is_there(dir));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_POOL(shadow_is_one_for_each_inode),
		WITH_POOL(shadow_of_dead_epoch_is_swept),
		WITH_POOL(shadow_is_made_beside_one_who_leaves),
		WITH_POOL(shadow_in_use_is_not_swept),
		WITH_POOL(shadow_half_made_goes_when_it_is_empty),
		WITH_POOL(shadow_of_half_removed_directory_is_made),
		WITH_POOL(shadow_in_foreign_directory_is_refused),
		WITH_POOL(shadow_stays_while_the_epoch_goes_on),
		WITH_POOL(shadow_of_the_epoch_before_goes_unless_it_was_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
