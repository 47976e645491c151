// SPDX-License-Identifier: BSD-3-Clause
/* test_pool.c - opening pools, damaged ones too, and the memory behind them. */
#include "test_pools.h"

#include <fcntl.h>
#include <stdio.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Give the superblock at `at` the checksum of what it says now. */
static void reseal(int fd, uint64_t at)
{
	struct umfs_super_pm sb;

	assert_int_equal(pread(fd, &sb, sizeof(sb), (off_t)at), sizeof(sb));
	sb.crc.v = 0;
	sb.crc.v = port_crc32c(0, &sb, sizeof(sb));
	assert_int_equal(pwrite(fd, &sb, sizeof(sb), (off_t)at), sizeof(sb));
}

static void damaged_pools_are_told_apart(void **state)
{
	static const struct {
		uint64_t at;
		uint8_t byte;
		int err;
	} damages[] = {
		{0, 0, -EINVAL}, {8, 9, -EPROTONOSUPPORT}, {24, 1, -ENOTSUP}, {60, 77, -EUCLEAN}};
	struct pool *p = attached_pool();
	struct pool *q = calloc(1, sizeof(*q));
	bool from_backup;
	uint32_t i;
	int fd;

	(void)state;
	fd = open(pool_path, O_RDWR);
	for (i = 0; i < UMFS_ARRAY_LEN(damages); i++) {
		uint64_t backup = UMFS_SB_BACKUP_PAGE * (uint64_t)UMFS_PAGE_BYTES;
		uint8_t good;

		assert_int_equal(pread(fd, &good, 1, (off_t)damages[i].at), 1);
		assert_int_equal(pwrite(fd, &damages[i].byte, 1, (off_t)damages[i].at), 1);
		if (damages[i].err != -EPROTONOSUPPORT && damages[i].err != -ENOTSUP) {
			assert_int_equal(pool_open(q, pool_path, 0, &from_backup), 0);
			assert_true(from_backup);
			pool_close(q);
		}
		assert_int_equal(
			pwrite(fd, &damages[i].byte, 1, (off_t)(backup + damages[i].at)), 1);
		if (damages[i].err == -EPROTONOSUPPORT || damages[i].err == -ENOTSUP) {
			reseal(fd, 0);
			reseal(fd, backup);
		}
		assert_int_equal(pool_open(q, pool_path, 0, &from_backup), damages[i].err);
		if (damages[i].err == -ENOTSUP) {
			assert_int_equal(pool_open(q, pool_path, POOL_READONLY, &from_backup), 0);
			pool_close(q);
		}
		assert_int_equal(pwrite(fd, &good, 1, (off_t)damages[i].at), 1);
		assert_int_equal(pwrite(fd, &good, 1, (off_t)(backup + damages[i].at)), 1);
		reseal(fd, 0);
		reseal(fd, backup);
	}
	assert_int_equal(pool_open(q, pool_path, 0, &from_backup), 0);
	assert_false(from_backup);
	pool_close(q);
	close(fd);
	detach_pool(p);
	assert_int_equal(pool_open(q, "/nonexistent", 0, &from_backup), -ENOENT);
	assert_int_equal(pool_open(q, "/dev", 0, &from_backup), -EISDIR);
	assert_int_equal(pool_open(q, "/dev/null", 0, &from_backup), -EINVAL);
	free(q);
}

static void pool_cut_short_is_told(void **state)
{
	struct pool *p = attached_pool();
	bool from_backup;

	(void)state;
	pool_close(p);
	assert_int_equal(truncate(pool_path, POOL_BYTES - 4096), 0);
	assert_int_equal(pool_open(p, pool_path, 0, &from_backup), -ENOSPC);
	assert_int_equal(truncate(pool_path, 4095), 0);
	assert_int_equal(pool_open(p, pool_path, 0, &from_backup), -EINVAL);
	detach_pool(p);
}

static void readonly_pool_keeps_stores_private(void **state)
{
	struct pool *p = attached_pool();
	struct pool *q = calloc(1, sizeof(*q));
	bool from_backup;

	(void)state;
	assert_int_equal(pool_open(q, pool_path, POOL_READONLY, &from_backup), 0);
	assert_int_equal(pool_in_use(q), 1);
	q->fs.base[100] ^= 0xff;
	assert_int_not_equal(q->fs.base[100], p->fs.base[100]);
	pool_close(q);
	free(q);
	detach_pool(p);
}

/* ---- larger ones ---- */

/* From here on only what nobody can do without is let through. */
static bool sandbox(void)
{
	struct sock_filter only[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog filter = {UMFS_ARRAY_LEN(only), only};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

/* 0, or what was wrong. */
static int reach_in_sandbox(struct pool *p, uint64_t bytes)
{
	if (!sandbox())
		return 1;
	if (port_reach(&p->fs, p->map_bytes + 1) != -EIO)
		return 2;
	if (port_reach(&p->fs, bytes))
		return 3;
	return p->fs.bytes == bytes ? 0 : 4;
}

static void pool_grown_by_others_is_reached_in_sandbox(void **state)
{
	struct pool *p = attached_pool(), *q = calloc(1, sizeof(*q));
	uint64_t pages = p->fs.geo.pool_pages + 100;
	int status;
	pid_t child;

	(void)state;
	assert_true(p->map_bytes > pages << UMFS_PAGE_SHIFT); /* no limit on address space here */
	assert_int_equal(pool_attach(q, pool_path, 0), 0);
	assert_int_equal(umfs_grow(&q->fs, pages), 0);
	child = fork();
	if (!child) {
		port_quiet = 1;
		/* Not _exit(): a sanitizer has more to do there. */
		(void)syscall(SYS_exit_group, reach_in_sandbox(p, pages << UMFS_PAGE_SHIFT));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	pool_close(q);
	free(q);
	detach_pool(p);
}

/* ---- backing ---- */

static uint64_t backed_bytes(void)
{
	struct stat st;

	assert_int_equal(stat(pool_path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void back_unit_takes_exactly_that(void **state)
{
	struct pool *p = *state;

	assert_int_equal(port_back(&p->fs, 2 * UMFS_UNIT_BYTES, UMFS_UNIT_BYTES), 0);
	assert_int_equal(backed_bytes(), UMFS_UNIT_BYTES);
	p->fs.base[2 * UMFS_UNIT_BYTES] = 9;
	assert_int_equal(port_back(&p->fs, 2 * UMFS_UNIT_BYTES, UMFS_UNIT_BYTES), 0);
	assert_int_equal(p->fs.base[2 * UMFS_UNIT_BYTES], 9);
	assert_int_equal(port_back(&p->fs, POOL_BYTES - 8192, UMFS_UNIT_BYTES), 0);
	assert_int_equal(backed_bytes(), UMFS_UNIT_BYTES + 8192);
	port_unback(&p->fs, 2 * UMFS_UNIT_BYTES, UMFS_UNIT_BYTES);
	assert_int_equal(backed_bytes(), 8192);
	assert_int_equal(p->fs.base[2 * UMFS_UNIT_BYTES], 0);
}

static void back_ragged_range_takes_its_pages(void **state)
{
	struct pool *p = *state;

	assert_int_equal(port_back(&p->fs, UMFS_UNIT_BYTES - 4096, 2 * UMFS_UNIT_BYTES), 0);
	assert_int_equal(backed_bytes(), 2 * UMFS_UNIT_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_pools_are_told_apart),
		cmocka_unit_test(pool_cut_short_is_told),
		cmocka_unit_test(readonly_pool_keeps_stores_private),
		cmocka_unit_test(pool_grown_by_others_is_reached_in_sandbox),
		WITH_POOL(back_unit_takes_exactly_that),
		WITH_POOL(back_ragged_range_takes_its_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
