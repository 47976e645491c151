// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench.c - what opening and mapping a file costs, in the guest, in instructions.
 *
 *   kmod-bench NODE TMPFS-DIRECTORY
 *
 * The guest runs with -icount shift=0, so that the time stamp counter counts instructions.
 * Each figure is the least of some, in thousands, of open + mmap + touching one page, or all
 * pages, the file's tables not there yet (first) or there since somebody else has it mapped.
 */
#include <x86intrin.h>

#include "kmod_test.h"

int pool, checks, failures;

#define ROUNDS 3
#define PAGE 4096ull
#define GIB (1ull << 30)

static char buf[1 << 20];

static void grow(int fd, uint64_t bytes)
{
	uint64_t at;

	for (at = 0; at < bytes; at += sizeof(buf))
		CHECK(pwrite(fd, buf, bytes - at < sizeof(buf) ? bytes - at : sizeof(buf),
			     (off_t)at) > 0);
}

static uint64_t once(const char *path, uint64_t bytes, int flags, bool all)
{
	uint64_t start = __rdtsc(), i, end;
	int fd = path ? open(path, O_RDWR) : k_open("f", O_RDWR, 0);
	volatile char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);

	CHECK((void *)at != MAP_FAILED);
	for (i = 0; i < (all ? bytes : PAGE); i += PAGE)
		(void)at[i];
	end = __rdtsc();
	munmap((void *)at, bytes);
	close(fd);
	return end - start;
}

static uint64_t least(const char *path, uint64_t bytes, int flags, bool all)
{
	uint64_t best = ~0ull, n;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		n = once(path, bytes, flags, all);
		best = n < best ? n : best;
	}
	return best / 1000;
}

/* Somebody has it mapped, and has touched all of it. */
static void *keep(int *fd, uint64_t bytes)
{
	volatile char *at;
	uint64_t i;

	*fd = k_open("f", O_RDWR, 0);
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	for (i = 0; i < bytes; i += PAGE)
		(void)at[i];
	return (void *)at;
}

static void measure(const char *dir, uint64_t bytes)
{
	int fd = k_open("f", O_RDWR | O_CREAT, 0600), tmp;
	uint64_t first, first_all, next, next_all;
	char path[256];
	void *at;

	snprintf(path, sizeof(path), "%s/f", dir);
	tmp = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	grow(fd, bytes);
	grow(tmp, bytes);
	close(tmp);
	close(fd);
	first = least(NULL, bytes, 0, false);
	first_all = least(NULL, bytes, 0, true);
	at = keep(&fd, bytes);
	next = least(NULL, bytes, 0, false);
	next_all = least(NULL, bytes, 0, true);
	munmap(at, bytes);
	close(fd);
	printf("figure | %7llu KiB | %llu | %llu | %llu | %llu | %llu | %llu | %llu |\n",
	       (unsigned long long)bytes >> 10, (unsigned long long)first,
	       (unsigned long long)next,
	       (unsigned long long)least(path, bytes, MAP_POPULATE, false),
	       (unsigned long long)least(path, bytes, 0, false),
	       (unsigned long long)first_all, (unsigned long long)next_all,
	       (unsigned long long)least(path, bytes, MAP_POPULATE, true));
	fflush(stdout);
	unlink(path);
	CHECK(k_unlink("f", 0) == 0);
}

/* Mostly holes: what is the same for 64 GiB and more. */
static void measure_sparse(uint64_t bytes)
{
	int fd = k_open("f", O_RDWR | O_CREAT, 0600);

	CHECK(pwrite(fd, buf, PAGE, 0) == (ssize_t)PAGE && ftruncate(fd, (off_t)bytes) == 0);
	close(fd);
	printf("figure | %7llu KiB, sparse | %llu |\n", (unsigned long long)bytes >> 10,
	       (unsigned long long)least(NULL, bytes, 0, false));
	CHECK(k_unlink("f", 0) == 0);
}

int main(int argc, char **argv)
{
	const uint64_t sizes[] = {PAGE, 2ull << 20, 64ull << 20, GIB};
	size_t i;

	if (argc != 3)
		return 2;
	memset(buf, 'b', sizeof(buf));
	pool = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (pool < 0)
		return 1;
	printf("figure | size | splice, first | next | tmpfs populate | tmpfs lazy | all pages: splice, first | next | tmpfs populate |\n");
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		measure(argv[2], sizes[i]);
	measure_sparse(64 * GIB);
	measure_sparse(512 * GIB);
	return failures ? 1 : 0;
}
