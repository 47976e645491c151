// SPDX-License-Identifier: BSD-3-Clause
/*
 * life.c - what the kernel does to processes that have files' page tables hung in.
 *
 *   kmod-life NODE CGROUPS SWAP
 *
 * CGROUPS is where cgroup2 is mounted, SWAP a device that is swapped to. In each case a
 * process has spliced mappings while the kernel kills it for want of memory, reads it back from
 * swap, merges its pages, stops it, shows it, moves its pages, dumps it; the file, and other
 * mappings of it, are what they were.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/syscall.h>

#include "mapped.h"

int pool, checks, failures;
static const char *cgroups, *swap;

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* The number behind `key` in a file of lines "key number"; without a key the first; -1. */
static long number_in(const char *path, const char *key)
{
	char line[256];
	long n = -1, v;
	FILE *f = fopen(path, "re");

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), "%ld", &v) == 1)
			n = v;
	if (f)
		fclose(f);
	return n;
}

/* Memory of the process's own, each page another or all the same. */
static char *own_memory(uint64_t bytes, bool same)
{
	char *at = mmap(NULL, bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t i;

	CHECK(at != MAP_FAILED);
	for (i = 0; i < bytes / PAGE; i++)
		*(uint64_t *)(at + i * PAGE) = same ? 42 : mark_of(i);
	return at;
}

static void sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

/* ---- killed for want of memory ---- */

static void eat_until_killed(const char *group, uint64_t bytes)
{
	char path[256], text[32], *at;
	unsigned i;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(text, sizeof(text), "%d", getpid());
	put(path, text);
	at = map(k_open("f", O_RDWR, 0), bytes, RW);
	if (failures || wrong(at, bytes))
		_exit(1);
	for (i = 0; i < 256; i++)
		memset(mmap(NULL, MIB, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 'e', MIB);
	_exit(2);
}

static void killed_by_a_cgroup(void)
{
	uint64_t bytes = 16 * MIB;
	int fd = new_file("f", bytes), i, status = 0;
	char *at = map(fd, bytes, RW), group[128], path[256];
	pid_t child;

	CHECK(wrong(at, bytes) == 0);
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", cgroups);
	put(path, "+memory");
	snprintf(group, sizeof(group), "%s/small", cgroups);
	CHECK(mkdir(group, 0755) == 0);
	snprintf(path, sizeof(path), "%s/memory.max", group);
	put(path, "16M");
	snprintf(path, sizeof(path), "%s/memory.swap.max", group);
	put(path, "0");
	for (i = 0; i < 3; i++) {
		fflush(stdout);
		child = fork();
		if (!child)
			eat_until_killed(group, bytes);
		waitpid(child, &status, 0);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		CHECK(wrong(at, bytes) == 0);
	}
	snprintf(path, sizeof(path), "%s/memory.events", group);
	CHECK(number_in(path, "oom_kill ") == 3);
	munmap(at, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
	CHECK(rmdir(group) == 0);
}

/* ---- swap ---- */

/* swapoff looks through all of each process's tables for what it has to bring back. */
static void swapped_and_brought_back(void)
{
	uint64_t bytes = 8 * MIB, i;
	int fd = new_file("f", bytes), status = 0, round;
	char *at = map(fd, bytes, RW), *own = own_memory(bytes, false);
	pid_t child;

	for (round = 0; round < 2; round++) {
		CHECK(swapon(swap, 0) == 0);
		CHECK(wrong(at, bytes) == 0);
		CHECK(madvise(own, bytes, MADV_PAGEOUT) == 0);
		(void)madvise(at, bytes, MADV_PAGEOUT);
		CHECK(number_in("/proc/self/status", "VmSwap:") > 1024);
		fflush(stdout);
		child = fork();
		if (!child) {
			at = map(k_open("f", O_RDWR, 0), bytes, RW);
			_exit(wrong(at, bytes) || wrong(own, bytes / 2));
		}
		for (i = 0; i < bytes / PAGE; i += 7)
			CHECK(*(uint64_t *)(at + i * PAGE) == mark_of(i));
		CHECK(swapoff(swap) == 0);
		CHECK(number_in("/proc/self/status", "VmSwap:") == 0);
		CHECK(wrong(own, bytes) == 0 && wrong(at, bytes) == 0);
		waitpid(child, &status, 0);
		CHECK(status == 0);
	}
	munmap(at, bytes);
	munmap(own, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* ---- pages that are the same ---- */

static void merged_beside_it(void)
{
	uint64_t bytes = 4 * MIB;
	int fd = new_file("f", bytes), i;
	char *at = map(fd, bytes, RW), *own = own_memory(bytes, true);

	put("/sys/kernel/mm/ksm/pages_to_scan", "5000");
	put("/sys/kernel/mm/ksm/run", "1");
	CHECK(wrong(at, bytes) == 0);
	(void)madvise(at, bytes, MADV_MERGEABLE);
	CHECK(madvise(own, bytes, MADV_MERGEABLE) == 0);
	(void)syscall(SYS_prctl, 67 /* PR_SET_MEMORY_MERGE */, 1, 0, 0, 0);
	for (i = 0; i < 3000 && number_in("/sys/kernel/mm/ksm/pages_sharing", "") < 500; i++) {
		CHECK(*(uint64_t *)(at + (uint64_t)i % 1024 * PAGE) == mark_of((uint64_t)i % 1024));
		sleep_ms(10);
	}
	CHECK(number_in("/sys/kernel/mm/ksm/pages_sharing", "") >= 500);
	CHECK(wrong(at, bytes) == 0);
	put("/sys/kernel/mm/ksm/run", "2"); /* all apart again */
	CHECK(number_in("/sys/kernel/mm/ksm/pages_sharing", "") == 0);
	CHECK(wrong(at, bytes) == 0);
	put("/sys/kernel/mm/ksm/run", "0");
	munmap(at, bytes);
	munmap(own, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* ---- somebody else's hands ---- */

/* Until page 1 says 's', page 0 is looked at and page 2 counts. */
static void look_on(uint64_t bytes)
{
	volatile char *at = map(k_open("f", O_RDWR, 0), bytes, RW);
	uint64_t n = 0;

	while (at[PAGE] != 's') {
		if (*(volatile uint64_t *)at != mark_of(0))
			_exit(1);
		*(volatile uint64_t *)(at + 2 * PAGE) = ++n;
	}
	_exit(0);
}

/* Its mapping is cut, and the file longer again, while it stands still. */
static void change_below(int fd, uint64_t bytes)
{
	CHECK(ftruncate(fd, (off_t)(3 * PAGE)) == 0 && ftruncate(fd, (off_t)bytes) == 0);
	fill(fd, 3 * PAGE, bytes);
}

static void goes_on(char *at)
{
	volatile uint64_t *n = (volatile uint64_t *)(at + 2 * PAGE);
	uint64_t before = *n;
	int i;

	for (i = 0; i < 6000 && *n == before; i++)
		sleep_ms(10);
	CHECK(*n != before);
}

static void stopped_and_traced(void)
{
	uint64_t bytes = 4 * MIB;
	int fd = new_file("f", bytes), status = 0, round;
	char *at = map(fd, bytes, RW);
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		look_on(bytes);
	for (round = 0; round < 5; round++) {
		goes_on(at);
		CHECK(ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0);
		CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
		change_below(fd, bytes);
		CHECK(ptrace(PTRACE_DETACH, child, NULL, NULL) == 0);
		goes_on(at);
		CHECK(kill(child, SIGSTOP) == 0);
		CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
		change_below(fd, bytes);
		CHECK(kill(child, SIGCONT) == 0);
	}
	at[PAGE] = 's';
	waitpid(child, &status, 0);
	CHECK(status == 0);
	munmap(at, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* All of a file of /proc is read. */
static void read_all(pid_t pid, const char *name)
{
	char path[64], buf[4096];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY);
	while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

static void map_and_unmap(uint64_t bytes)
{
	int fd = k_open("f", O_RDWR, 0), i;

	for (i = 0; i < 60; i++) {
		char *at = map(fd, bytes, RW);

		if (wrong(at, bytes))
			_exit(1);
		if (i % 3 == 0)
			mprotect(at + MIB, PAGE, PROT_READ);
		munmap(at, i % 2 ? bytes : bytes / 2);
		munmap(at, bytes);
	}
	_exit(0);
}

/* Its tables are shown while they come and go. */
static void shown_meanwhile(void)
{
	uint64_t bytes = 6 * MIB;
	int fd = new_file("f", bytes), status = 0, i;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		map_and_unmap(bytes);
	for (i = 0; waitpid(child, &status, WNOHANG) == 0; i++) {
		read_all(child, "smaps");
		read_all(child, "smaps_rollup");
		read_all(child, "numa_maps");
	}
	CHECK(status == 0 && i > 0);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* Nothing can be moved; to be asked does no harm. */
static void pages_asked_to_move(void)
{
	uint64_t bytes = 4 * MIB, i;
	int fd = new_file("f", bytes), node[16] = {0}, status[16];
	char *at = map(fd, bytes, RW);
	unsigned long mask = 1;
	void *page[16];

	CHECK(wrong(at, bytes) == 0);
	for (i = 0; i < 16; i++) {
		page[i] = at + i * 60 * PAGE;
		status[i] = 1;
	}
	(void)syscall(SYS_move_pages, 0, 16ul, page, node, status, 2 /* MPOL_MF_MOVE */);
	for (i = 0; i < 16; i++)
		CHECK(status[i] < 0 || status[i] == 1);
	(void)syscall(SYS_mbind, at, bytes, 2 /* MPOL_BIND */, &mask, 64ul, 3 /* MOVE, STRICT */);
	(void)syscall(SYS_migrate_pages, 0, 64ul, &mask, &mask);
	put("/proc/sys/vm/compact_memory", "1");
	put("/proc/sys/vm/drop_caches", "3");
	CHECK(wrong(at, bytes) == 0);
	munmap(at, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* The dump is there, and the file is not in it. */
static void dumped_without_the_file(void)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	uint64_t bytes = 32 * MIB;
	int fd = new_file("f", bytes), status = 0;
	struct stat st = {0};
	pid_t child;

	put("/proc/sys/kernel/core_pattern", "/tmp/life.core");
	fflush(stdout);
	child = fork();
	if (!child) {
		char *at = map(fd, bytes, RW);

		setrlimit(RLIMIT_CORE, &unlimited);
		(void)madvise(at, bytes, MADV_DODUMP);
		if (wrong(at, bytes) == 0)
			abort();
		_exit(1);
	}
	waitpid(child, &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && WCOREDUMP(status));
	CHECK(stat("/tmp/life.core", &st) == 0 && st.st_size > 0 && st.st_blocks * 512 < (long)bytes);
	unlink("/tmp/life.core");
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

int main(int argc, char **argv)
{
	static void (*const cases[])(void) = {
		killed_by_a_cgroup,  swapped_and_brought_back, merged_beside_it,
		stopped_and_traced,  shown_meanwhile,	       pages_asked_to_move,
		dumped_without_the_file,
	};
	size_t i;

	if (argc != 4)
		return 2;
	pool = open(argv[1], O_RDONLY | O_CLOEXEC);
	cgroups = argv[2];
	swap = argv[3];
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cases[i]();
		printf("case %zu\n", i);
		fflush(stdout);
	}
	printf("%zu cases, %d checks, %d failed\n", i, checks, failures);
	return failures ? 1 : 0;
}
