// SPDX-License-Identifier: BSD-3-Clause
/* test_slots.c - proofs of life: slots, the attach lock, what a child of fork gets. */
#include "test_pools.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- slots ---- */

static void slot_taken_is_busy_for_others(void **state)
{
	struct pool *p = *state;
	struct pool *other = calloc(1, sizeof(*other));

	assert_int_equal(pool_map(other, pool_path, 0), 0);
	assert_false(port_slot_any(&p->fs));
	assert_int_equal(port_slot_take(&p->fs, 3), 0);
	assert_true(port_slot_any(&p->fs));
	assert_true(port_slot_any(&other->fs));
	assert_int_equal(pool_in_use(other), 1);
	assert_int_equal(port_slot_take(&p->fs, 3), -EBUSY);
	assert_int_equal(port_slot_take(&other->fs, 3), -EBUSY);
	assert_int_equal(port_slot_claim(&other->fs, 3), -EBUSY);
	assert_int_equal(port_slot_claim(&p->fs, 3), -EBUSY);
	assert_int_equal(port_slot_take(&other->fs, 4), 0);
	port_slot_drop(&p->fs, 3);
	assert_true(port_slot_any(&p->fs));
	port_slot_drop(&other->fs, 4);
	assert_false(port_slot_any(&p->fs));
	assert_int_equal(pool_in_use(other), 0);
	pool_close(other);
	free(other);
}

static void slot_survives_closed_descriptors_and_dies_with_process(void **state)
{
	struct pool *p = *state;
	int pipe_fds[2], status;
	char byte;
	pid_t child;

	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	if (!child) {
		int ok = !port_slot_take(&p->fs, 7);
		int fd;

		for (fd = 3; fd < 2000; fd++)
			if (fd != pipe_fds[1])
				close(fd);
		/* A grandchild must not keep it alive. */
		if (!fork()) {
			sleep(3);
			_exit(0);
		}
		if (write(pipe_fds[1], ok ? "y" : "n", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(port_slot_take(&p->fs, 7), -EBUSY);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	assert_false(port_slot_any(&p->fs));
	assert_int_equal(port_slot_claim(&p->fs, 7), 0);
	assert_int_equal(port_slot_take(&p->fs, 7), -EBUSY);
	port_slot_unclaim(&p->fs, 7);
	assert_int_equal(port_slot_take(&p->fs, 7), 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void slots_claimed_nest(void **state)
{
	struct pool *p = *state;

	assert_int_equal(port_slot_claim(&p->fs, 1), 0);
	assert_int_equal(port_slot_claim(&p->fs, 2), 0);
	assert_int_equal(port_slot_claim(&p->fs, 1), -EBUSY);
	port_slot_unclaim(&p->fs, 1);
	assert_int_equal(port_slot_claim(&p->fs, 1), 0);
	port_slot_unclaim(&p->fs, 1);
	port_slot_unclaim(&p->fs, 2);
	assert_false(port_slot_any(&p->fs));
}

static void descriptor_replaced_by_program_is_not_used(void **state)
{
	struct pool *p = *state;
	char other[300];
	struct stat st;
	int fd;

	snprintf(other, sizeof(other), "%s-other", pool_path);
	fd = open(other, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(dup2(fd, p->fd), p->fd);
	assert_int_equal(port_slot_take(&p->fs, 0), 0);
	assert_true(port_slot_any(&p->fs));
	assert_int_equal(port_back(&p->fs, 0, UMFS_UNIT_BYTES), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(stat(pool_path, &st), 0);
	assert_true(st.st_blocks * 512 >= UMFS_UNIT_BYTES);
	close(fd);
	unlink(other);
}

static void slot_is_taken_without_free_descriptors(void **state)
{
	struct pool *p = *state;
	struct rlimit old, tight;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(open("/dev/null", O_RDONLY), -1);
	assert_int_equal(port_slot_take(&p->fs, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(tight.rlim_cur, 3);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void attach_lock_excludes(void **state)
{
	struct pool *p = *state;
	uint32_t *let_go = mmap(NULL, UMFS_PAGE_BYTES, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int about_to[2], status;
	pid_t child;

	assert_ptr_not_equal(let_go, MAP_FAILED);
	assert_int_equal(pipe(about_to), 0);
	assert_int_equal(port_attach_lock(&p->fs), 0);
	child = fork();
	if (!child) {
		struct pool *mine = calloc(1, sizeof(*mine));

		if (pool_map(mine, pool_path, 0) || pool_in_use(mine) != 1)
			_exit(2);
		if (write(about_to[1], "x", 1) != 1 || port_attach_lock(&mine->fs))
			_exit(3);
		_exit(__atomic_load_n(let_go, __ATOMIC_SEQ_CST) ? 0 : 4);
	}
	close(about_to[1]);
	assert_int_equal(read(about_to[0], &(char){0}, 1), 1);
	usleep(200000); /* for it to get there, if it can */
	__atomic_store_n(let_go, 1, __ATOMIC_SEQ_CST);
	port_attach_unlock(&p->fs);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	close(about_to[0]);
	munmap(let_go, UMFS_PAGE_BYTES);
	assert_int_equal(port_attach_lock(&p->fs), 0);
	port_attach_unlock(&p->fs);
}

/* ---- forking ---- */

/* In the child: 0, or what was wrong. */
static int child_checks(struct pool *p, const struct pool_fork *f, uint32_t parent_slot, int fd)
{
	port_thread_forget();
	if (pool_fork_child(p, f))
		return 1;
	if (p->fs.slot != f->slot || p->fs.slot == parent_slot)
		return 2;
	if (port_thread() != (uint32_t)getpid())
		return 3;
	if (port_slot_claim(&p->fs, parent_slot) != -EBUSY)
		return 4;
	/* Until the parent is gone; then its slot can be had, and this one's still not. */
	if (read(fd, &(char){0}, 1) != 0)
		return 5;
	while (port_slot_claim(&p->fs, parent_slot))
		usleep(1000);
	port_slot_unclaim(&p->fs, parent_slot);
	return port_slot_claim(&p->fs, f->slot) == -EBUSY ? 0 : 6;
}

static void fork_gives_child_its_own_slot(void **state)
{
	struct pool *p = attached_pool();
	int alive[2], result[2], status;
	uint8_t code = 99;
	pid_t parent;

	(void)state;
	assert_int_equal(pipe(alive), 0);
	assert_int_equal(pipe(result), 0);
	parent = fork();
	if (!parent) {
		struct pool_fork f;
		struct pool *mine = calloc(1, sizeof(*mine));
		uint32_t slot;

		if (pool_attach(mine, pool_path, UMFS_MODE_ATOMIC) || pool_fork_prepare(mine, false, &f))
			_exit(1);
		slot = mine->fs.slot;
		if (!fork()) {
			close(alive[1]);
			code = (uint8_t)child_checks(mine, &f, slot, alive[0]);
			(void)!write(result[1], &code, 1);
			_exit(0);
		}
		pool_fork_parent(mine, &f, true);
		if (mine->slot_page[f.slot] || port_slot_claim(&mine->fs, f.slot) != -EBUSY)
			_exit(2);
		usleep(100000);
		raise(SIGKILL);
	}
	close(alive[1]);
	waitpid(parent, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(read(result[0], &code, 1), 1);
	assert_int_equal(code, 0);
	close(alive[0]);
	close(result[0]);
	close(result[1]);
	detach_pool(p);
}

static void fork_that_failed_gives_slot_back(void **state)
{
	struct pool *p = attached_pool();
	struct pool_fork f;

	(void)state;
	assert_int_equal(pool_fork_prepare(p, false, &f), 0);
	pool_fork_parent(p, &f, false);
	assert_null(p->slot_page[f.slot]);
	assert_int_equal(port_slot_claim(&p->fs, f.slot), 0);
	port_slot_unclaim(&p->fs, f.slot);
	assert_int_equal(p->desc_lock, 0);
	detach_pool(p);
}

/* In the child of a process that has its working directory in the pool: 0, or what was wrong. */
static int apart_checks(struct pool *p, const struct pool_fork *f, uint32_t parent_slot, int gone)
{
	uint32_t i;

	port_thread_forget();
	if (pool_fork_child(p, f) || p->slot_page[parent_slot])
		return 1;
	for (i = 0; i < p->fs.geo.ofd_count; i++)
		if (p->fs.ofd_refs[i])
			return 2;
	/* Its path leads elsewhere, and its parent goes. */
	if (read(gone, &(char){0}, 1) != 0)
		return 3;
	if (pool_resume(p, pool_path, UMFS_MODE_ATOMIC))
		return 4;
	for (i = 0; i < p->fs.geo.irec_count; i++)
		if (p->fs.irec_refs[i])
			return 5;
	if (umfs_open(&p->fs, UMFS_ROOT_INO, O_PATH | O_DIRECTORY, &i))
		return 6;
	umfs_ofd_put(&p->fs, i);
	if (p->fs.ofd_refs[i])
		return 7;
	pool_close(p);
	return 0;
}

static void fork_leaves_child_apart(void **state)
{
	struct pool *p = attached_pool();
	struct pool_fork f;
	char moved[300];
	int gone[2], status;
	uint32_t ofd;
	pid_t pid;

	(void)state;
	assert_int_equal(umfs_open(&p->fs, UMFS_ROOT_INO, O_PATH | O_DIRECTORY, &ofd), 0);
	assert_int_equal(pipe(gone), 0);
	assert_int_equal(pool_fork_prepare(p, true, &f), 0);
	assert_true(f.apart);
	pid = fork();
	if (!pid) {
		close(gone[1]);
		_exit(apart_checks(p, &f, p->fs.slot, gone[0]));
	}
	pool_fork_parent(p, &f, true);
	assert_int_equal(p->desc_lock, 0);
	umfs_ofd_put(&p->fs, ofd);
	snprintf(moved, sizeof(moved), "%s-moved", pool_path);
	assert_int_equal(rename(pool_path, moved), 0);
	assert_int_equal(truncate(moved, (off_t)p->file_bytes + (1 << 20)), 0); /* as it grows */
	pool_pause(p);
	close(gone[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(rename(moved, pool_path), 0);
	assert_int_equal(pool_resume(p, pool_path, UMFS_MODE_ATOMIC), 0);
	close(gone[0]);
	detach_pool(p);
}

/* Shadows of locks are kept by what the child gets with its slot. */
static void fork_beside_locks_gives_a_slot(void **state)
{
	struct pool *p = attached_pool();
	struct pool_fork f;
	int fd;

	(void)state;
	fd = pool_shadow_open(p, UMFS_ROOT_INO, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pool_fork_prepare(p, true, &f), 0);
	assert_false(f.apart);
	pool_fork_parent(p, &f, false);
	close(fd);
	detach_pool(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_POOL(slot_taken_is_busy_for_others),
		WITH_POOL(slot_survives_closed_descriptors_and_dies_with_process),
		WITH_POOL(slots_claimed_nest),
		WITH_POOL(descriptor_replaced_by_program_is_not_used),
		WITH_POOL(slot_is_taken_without_free_descriptors),
		WITH_POOL(attach_lock_excludes),
		cmocka_unit_test(fork_gives_child_its_own_slot),
		cmocka_unit_test(fork_that_failed_gives_slot_back),
		cmocka_unit_test(fork_leaves_child_apart),
		cmocka_unit_test(fork_beside_locks_gives_a_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
