// SPDX-License-Identifier: BSD-3-Clause
/* test_port.c - the user-space port: copies, faults, CRC, slots, forks, backing, kill hooks. */
#include "cpu.h"
#include "kill.h"
#include "port_own.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#define POOL_BYTES (16u << 20)

static char pool_path[256];

static void file_make(uint64_t bytes)
{
	const char *dir = getenv("UMFS_TEST_DIR");
	int fd;

	snprintf(pool_path, sizeof(pool_path), "%s/umfs-port-%d", dir ? dir : "/dev/shm", getpid());
	fd = open(pool_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
}

static int pool_setup(void **state)
{
	struct pool *p = calloc(1, sizeof(*p));

	file_make(POOL_BYTES);
	assert_int_equal(pool_map(p, pool_path, 0), 0);
	*state = p;
	return 0;
}

static int pool_teardown(void **state)
{
	struct pool *p = *state;
	uint32_t i;

	for (i = 0; i < UMFS_SLOTS_MAX; i++)
		port_slot_drop(&p->fs, i);
	pool_close(p);
	free(p);
	return unlink(pool_path);
}

/* ---- shadows ---- */

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
	pool_shadow_leave(p);
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
	pool_shadow_leave(p);
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
		pool_shadow_leave(&other);
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
	pool_shadow_leave(p);
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
	pool_shadow_leave(p);
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
	pool_shadow_leave(p);
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
	pool_shadow_leave(&other);
	pool_shadow_leave(p);
	pool_close(&other);
	assert_false(is_there(dir));
}

/* ---- copies ---- */

typedef void copy_any(void *dst, const void *src, uint64_t n);

static void copy_in(void *dst, const void *src, uint64_t n)
{
	assert_int_equal(port_copy_in(dst, src, n), 0);
}
static void copy_in_nt(void *dst, const void *src, uint64_t n)
{
	assert_int_equal(port_copy_in_nt(dst, src, n), 0);
}
static void copy_out(void *dst, const void *src, uint64_t n)
{
	assert_int_equal(port_copy_out(dst, src, n), 0);
}

#define ROOM 8192u

static void check_copy(copy_any *copy, uint32_t n, uint32_t to, uint32_t from)
{
	static uint8_t src[ROOM], dst[ROOM], want[ROOM];
	uint32_t i;

	for (i = 0; i < ROOM; i++) {
		src[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
		dst[i] = want[i] = 0xee;
	}
	memcpy(want + to, src + from, n);
	copy(dst + to, src + from, n);
	port_fence();
	if (memcmp(dst, want, ROOM))
		fail_msg("n %u to %u from %u", n, to, from);
}

static void check_copies(void)
{
	static copy_any *const all[] = {port_copy, port_copy_nt, copy_in, copy_in_nt, copy_out};
	static const uint32_t large[] = {1023, 1279, 1280, 1281, 1343, 2048, 4095, 4096, 4097};
	uint32_t f, n, i, a;

	for (f = 0; f < UMFS_ARRAY_LEN(all); f++) {
		for (n = 0; n <= 600; n++)
			for (a = 0; a < 64; a += 9)
				check_copy(all[f], n, 64 + a, 128 + (a * 5 & 63));
		for (i = 0; i < UMFS_ARRAY_LEN(large); i++)
			for (a = 0; a < 64; a++)
				check_copy(all[f], large[i], 64 + a, 128 + (a * 3 & 63));
	}
}

static void copy_any_size_copies_exactly(void **state)
{
	uint32_t cpu = port_cpu;
	uint64_t min = port_nt_min;

	(void)state;
	check_copies();
	port_nt_flushes();
	check_copies();
	port_nt_min = min;
	port_cpu = 0;
	check_copies();
	port_cpu = cpu;
}

static void zero_clears_exactly(void **state)
{
	uint8_t a[256];

	(void)state;
	memset(a, 1, sizeof(a));
	port_zero(a + 3, 200);
	assert_int_equal(a[2], 1);
	assert_int_equal(a[3], 0);
	assert_int_equal(a[202], 0);
	assert_int_equal(a[203], 1);
}

/* ---- faults ---- */

static void on_fault(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	greg_t *pc = &uc->uc_mcontext.gregs[REG_RIP];
	uintptr_t to = port_fault_fixup((uintptr_t)*pc, (uintptr_t)si->si_addr);

	if (!to && port_fault_contain((uintptr_t)si->si_addr))
		return;
	if (!to) {
		signal(sig, SIG_DFL);
		return;
	}
	*pc = (greg_t)to;
}

static void catch_faults(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/* Memory whose end is followed by a page that can not be touched. */
static uint8_t *cliff(uint32_t bytes)
{
	uint8_t *at = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	assert_int_equal(mprotect(at + bytes, 4096, PROT_NONE), 0);
	return at + bytes;
}

static void check_faults(uint8_t *pool)
{
	static const uint32_t sizes[] = {1, 2, 3, 5, 9, 17, 40, 70, 128, 200, 300, 1500, 4096};
	uint8_t *end = cliff(8192);
	uint64_t word = 5;
	uint32_t i, short_by;

	for (i = 0; i < UMFS_ARRAY_LEN(sizes); i++)
		for (short_by = 1; short_by <= sizes[i]; short_by += 1 + short_by / 3) {
			uint8_t *user = end - (sizes[i] - short_by);

			assert_int_equal(port_copy_in(pool, user, sizes[i]), -EFAULT);
			assert_int_equal(port_copy_in_nt(pool + 5, user, sizes[i]), -EFAULT);
			assert_int_equal(port_copy_out(user, pool, sizes[i]), -EFAULT);
		}
	assert_int_equal(port_copy_in(pool, NULL, 64), -EFAULT);
	assert_int_equal(port_swap_out((uint64_t *)16, 0, 1), -EFAULT);
	assert_int_equal(port_swap_out(&word, 6, 7), 0);
	assert_int_equal(word, 5);
	assert_int_equal(port_swap_out(&word, 5, 7), 0);
	assert_int_equal(word, 7);
	/* Not an address at all: the processor does not say which. */
	assert_int_equal(port_copy_in(pool, (void *)0x8000000000000000, 64), -EFAULT);
	munmap(end - 8192, 8192 + 4096);
}

static void copy_from_bad_pointer_gives_efault(void **state)
{
	struct pool *p = *state;
	uint32_t cpu = port_cpu;

	catch_faults();
	check_faults(p->fs.base);
	port_cpu = 0;
	check_faults(p->fs.base);
	port_cpu = cpu;
}

static void copy_past_end_of_pool_gives_eio(void **state)
{
	struct pool *p = *state;
	uint8_t buf[4096] = {0};
	uint32_t cpu = port_cpu;

	catch_faults();
	assert_int_equal(truncate(pool_path, POOL_BYTES / 2), 0);
	assert_int_equal(port_copy_in(p->fs.base + POOL_BYTES / 2, buf, 4096), -EIO);
	assert_int_equal(port_copy_in_nt(p->fs.base + POOL_BYTES / 2, buf, 4096), -EIO);
	port_cpu = 0;
	assert_int_equal(port_copy_out(buf, p->fs.base + POOL_BYTES - 64, 64), -EIO);
	port_cpu = cpu;
	/* A plain store: the page is replaced and the program lives. */
	p->fs.base[POOL_BYTES - 1] = 1;
	assert_int_equal(p->fs.base[POOL_BYTES - 1], 1);
}

/* ---- crc, time, threads ---- */

static void crc_of_check_string_is_standard(void **state)
{
	uint32_t cpu = port_cpu, i;
	uint8_t data[100];

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31);
	for (i = 0; i < 2; i++, port_cpu = 0) {
		uint32_t cut;

		assert_int_equal(port_crc32c(0, "123456789", 9), 0xe3069283);
		assert_int_equal(port_crc32c(5, "", 0), 5);
		for (cut = 0; cut <= sizeof(data); cut++)
			assert_int_equal(port_crc32c(port_crc32c(0, data, cut), data + cut,
						     sizeof(data) - cut),
					 port_crc32c(0, data, sizeof(data)));
	}
	port_cpu = cpu;
}

static void flush_reaches_every_line(void **state)
{
	struct pool *p = *state;
	uint32_t cpu = port_cpu;

	/* What can be seen: no instruction is illegal here, and no line past the end is touched. */
	port_flush_lines(p->fs.base + 1, 4095);
	port_cpu = CPU_CLFLUSHOPT & cpu;
	port_flush_lines(p->fs.base + POOL_BYTES - 1, 1);
	port_cpu = 0;
	port_flush_lines(p->fs.base + 63, 2);
	port_cpu = cpu;
	port_fence();
}

static void thread_number_fits_lock_word(void **state)
{
	(void)state;
	assert_int_equal(port_thread(), gettid());
	assert_true(port_thread() <= UMFS_LOCK_THREAD_MASK);
}

static void clock_agrees_with_time(void **state)
{
	(void)state;
	assert_true(llabs((long long)(port_now_ns() / 1000000000 - time(NULL))) <= 1);
}

static void wait_wakes_across_processes(void **state)
{
	struct pool *p = *state;
	uint32_t *word = (uint32_t *)p->fs.base;
	int64_t start = port_now_ns();
	pid_t child;

	port_wait(word, *word + 1, 1000000000ull);
	assert_true(port_now_ns() - start < 500000000);
	child = fork();
	if (!child) {
		usleep(50000);
		__atomic_store_n(word, 1, __ATOMIC_RELEASE);
		port_wake(word);
		_exit(0);
	}
	while (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
		port_wait(word, 0, 5000000000ull);
	assert_true(port_now_ns() - start < 2000000000);
	waitpid(child, NULL, 0);
	start = port_now_ns();
	port_wait(word, 1, 20000000);
	assert_true(port_now_ns() - start < 1000000000);
}

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
	pid_t child;
	int status;
	int64_t start;

	assert_int_equal(port_attach_lock(&p->fs), 0);
	child = fork();
	if (!child) {
		struct pool *mine = calloc(1, sizeof(*mine));

		if (pool_map(mine, pool_path, 0) || pool_in_use(mine) != 1)
			_exit(2);
		start = port_now_ns();
		if (port_attach_lock(&mine->fs))
			_exit(3);
		_exit(port_now_ns() - start > 20000000 ? 0 : 4);
	}
	usleep(200000);
	port_attach_unlock(&p->fs);
	waitpid(child, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(port_attach_lock(&p->fs), 0);
	port_attach_unlock(&p->fs);
}

/* ---- attaching and forking ---- */

static struct pool *attached_pool(void)
{
	struct umfs_format f = {
		.pool_pages = POOL_BYTES >> UMFS_PAGE_SHIFT, .now_ns = 1, .root_mode = 0755,
	};
	struct pool *p = calloc(1, sizeof(*p));

	file_make(POOL_BYTES);
	assert_int_equal(pool_map(p, pool_path, 0), 0);
	assert_int_equal(umfs_format_write(&p->fs, &f), 0);
	pool_close(p);
	assert_int_equal(pool_attach(p, pool_path, UMFS_MODE_ATOMIC), 0);
	return p;
}

static void detach_pool(struct pool *p)
{
	pool_close(p);
	free(p);
	assert_int_equal(unlink(pool_path), 0);
}

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

/* In the child: 0, or what was wrong. */
static int child_checks(struct pool *p, const struct pool_fork *f, uint32_t parent_slot, int fd)
{
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

		if (pool_attach(mine, pool_path, UMFS_MODE_ATOMIC) || pool_fork_prepare(mine, &f))
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
	assert_int_equal(pool_fork_prepare(p, &f), 0);
	pool_fork_parent(p, &f, false);
	assert_null(p->slot_page[f.slot]);
	assert_int_equal(port_slot_claim(&p->fs, f.slot), 0);
	port_slot_unclaim(&p->fs, f.slot);
	assert_int_equal(p->desc_lock, 0);
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

/* ---- kill hooks ---- */

static void kill_at_nth_store_kills_there(void **state)
{
	struct pool *p = *state;
	le64 *words = (le64 *)p->fs.base;
	le64 outside = {0};
	uint64_t n;

	port_kill_arm(0);
	st64(&words[0], 1);
	st64(&outside, 1);
	port_copy(words, "abcdefgh", 8);
	assert_int_equal(port_kill_count(), 3);
	port_kill_disarm();
	st64(&words[0], 1);
	assert_int_equal(port_kill_count(), 3);
	for (n = 1; n <= 4; n++) {
		pid_t child;
		int status, i;

		memset(words, 0, 64);
		child = fork();
		if (!child) {
			port_kill_arm(n);
			for (i = 0; i < 4; i++)
				st64(&words[i], 1);
			_exit(0);
		}
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		for (i = 0; i < 4; i++)
			assert_int_equal(ld64(&words[i]), (uint64_t)i < n);
	}
}

int main(void)
{
#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, pool_setup, pool_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_any_size_copies_exactly),
		cmocka_unit_test(zero_clears_exactly),
		WITH_POOL(copy_from_bad_pointer_gives_efault),
		WITH_POOL(copy_past_end_of_pool_gives_eio),
		cmocka_unit_test(crc_of_check_string_is_standard),
		WITH_POOL(flush_reaches_every_line),
		cmocka_unit_test(thread_number_fits_lock_word),
		cmocka_unit_test(clock_agrees_with_time),
		WITH_POOL(wait_wakes_across_processes),
		WITH_POOL(slot_taken_is_busy_for_others),
		WITH_POOL(slot_survives_closed_descriptors_and_dies_with_process),
		WITH_POOL(slots_claimed_nest),
		WITH_POOL(descriptor_replaced_by_program_is_not_used),
		WITH_POOL(slot_is_taken_without_free_descriptors),
		WITH_POOL(attach_lock_excludes),
		WITH_POOL(shadow_is_one_for_each_inode),
		WITH_POOL(shadow_of_dead_epoch_is_swept),
		WITH_POOL(shadow_is_made_beside_one_who_leaves),
		WITH_POOL(shadow_in_use_is_not_swept),
		WITH_POOL(shadow_half_made_goes_when_it_is_empty),
		WITH_POOL(shadow_of_half_removed_directory_is_made),
		WITH_POOL(shadow_in_foreign_directory_is_refused),
		cmocka_unit_test(damaged_pools_are_told_apart),
		cmocka_unit_test(pool_cut_short_is_told),
		cmocka_unit_test(readonly_pool_keeps_stores_private),
		cmocka_unit_test(fork_gives_child_its_own_slot),
		cmocka_unit_test(fork_that_failed_gives_slot_back),
		WITH_POOL(back_unit_takes_exactly_that),
		WITH_POOL(back_ragged_range_takes_its_pages),
		WITH_POOL(kill_at_nth_store_kills_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
