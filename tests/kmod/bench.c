// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench.c - what opening and mapping a file costs, in the guest, in instructions.
 *
 *   kmod-bench NODE TMPFS-DIRECTORY [EXT4-DIRECTORY]
 *
 * The guest runs with -icount shift=0, so that the time stamp counter counts instructions.
 * Each figure is the least of some, in thousands, of open + mmap + touching one page, or all
 * pages, the file's tables not there yet (first) or there since somebody else has it mapped.
 * Before that calls on a descriptor, and what ends a mapping.
 */
#include <sys/mount.h>
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

/* ---- calls ---- */

#define CALL_BYTES (4ull << 20)
#define CALLS 256

enum call { PREAD, PWRITE, APPEND };
static const char *const call_names[] = {"pread 4 KiB", "pwrite 4 KiB", "append 4 KiB"};

static void call_once(int fd, enum call call, unsigned i)
{
	off_t at = (off_t)((i * 7919ull % (CALL_BYTES / PAGE)) * PAGE);

	if (call == PREAD)
		CHECK(pread(fd, buf, PAGE, at) == (ssize_t)PAGE);
	else
		CHECK(pwrite(fd, buf, PAGE, call == PWRITE ? at : (off_t)(CALL_BYTES + i * PAGE)) ==
		      (ssize_t)PAGE);
}

/* Instructions of one. */
static uint64_t call_cost(int fd, enum call call)
{
	uint64_t start;
	unsigned i;

	for (i = 0; call != APPEND && i < CALLS; i++)
		call_once(fd, call, i);
	start = __rdtsc();
	for (i = 0; i < CALLS; i++)
		call_once(fd, call, i);
	return (__rdtsc() - start) / CALLS;
}

/* munmap and close of what is mapped, one page touched: the least, instructions. */
static uint64_t end_cost(const char *path, uint64_t bytes, int flags)
{
	uint64_t best = ~0ull, n;
	volatile char *at;
	int i, fd;

	for (i = 0; i < ROUNDS; i++) {
		fd = path ? open(path, O_RDWR) : k_open("f", O_RDWR, 0);
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
		CHECK((void *)at != MAP_FAILED);
		(void)at[0];
		n = __rdtsc();
		munmap((void *)(uintptr_t)at, bytes);
		close(fd);
		n = __rdtsc() - n;
		best = n < best ? n : best;
	}
	return best;
}

static void measure_calls(const char *name, const char *dir)
{
	char path[256];
	int fd, i;

	snprintf(path, sizeof(path), "%s/f", dir ? dir : "");
	fd = dir ? open(path, O_RDWR | O_CREAT | O_TRUNC, 0600) : k_open("f", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	grow(fd, CALL_BYTES);
	for (i = PREAD; i <= APPEND; i++)
		printf("call | %s | %s | %llu\n", call_names[i], name,
		       (unsigned long long)call_cost(fd, (enum call)i));
	CHECK(ftruncate(fd, (off_t)(64ull << 20)) == 0);
	grow(fd, 64ull << 20);
	close(fd);
	printf("call | munmap + close 64 MiB, lazy | %s | %llu\n", name,
	       (unsigned long long)end_cost(dir ? path : NULL, 64ull << 20, 0));
	if (dir)
		printf("call | munmap + close 64 MiB, populated | %s | %llu\n", name,
		       (unsigned long long)end_cost(path, 64ull << 20, MAP_POPULATE));
	if (dir)
		printf("call | open + mmap + populate 64 MiB | %s | %llu\n", name,
		       (unsigned long long)least(path, 64ull << 20, MAP_POPULATE, false) * 1000);
	fflush(stdout);
	CHECK((dir ? unlink(path) : k_unlink("f", 0)) == 0);
}

/* ---- names ---- */

enum name_call { STAT, OPEN, CREATE, RENAME };
static const char *const name_calls[] = {"stat d/d/f", "open and close d/d/f",
					 "create, close, unlink d/d/n", "rename d/d/f and back"};

/* `dir`: where it is mounted; NULL: by ioctl. */
static void name_once(const char *dir, enum name_call call)
{
	struct umfs_ioc_attr attr;
	struct stat st;

	switch (call) {
	case STAT:
		CHECK((dir ? stat("d/d/f", &st) : k_stat("d/d/f", 0, &attr)) == 0);
		return;
	case OPEN:
		CHECK(close(dir ? open("d/d/f", O_RDONLY) : k_open("d/d/f", O_RDONLY, 0)) == 0);
		return;
	case CREATE:
		CHECK(close(dir ? open("d/d/n", O_RDWR | O_CREAT | O_EXCL, 0600)
				: k_open("d/d/n", O_RDWR | O_CREAT | O_EXCL, 0600)) == 0);
		CHECK((dir ? unlink("d/d/n") : k_unlink("d/d/n", 0)) == 0);
		return;
	default:
		CHECK((dir ? rename("d/d/f", "d/d/m") : k_rename("d/d/f", "d/d/m", 0)) == 0);
		CHECK((dir ? rename("d/d/m", "d/d/f") : k_rename("d/d/m", "d/d/f", 0)) == 0);
	}
}

static void measure_names(const char *name, const char *dir)
{
	uint64_t start;
	unsigned i, n;

	if (dir && chdir(dir))
		return;
	CHECK((dir ? mkdir("d", 0755) : k_mkdir("d", 0755)) == 0);
	CHECK((dir ? mkdir("d/d", 0755) : k_mkdir("d/d", 0755)) == 0);
	CHECK(close(dir ? open("d/d/f", O_RDWR | O_CREAT, 0600)
			: k_open("d/d/f", O_RDWR | O_CREAT, 0600)) == 0);
	for (i = STAT; i <= RENAME; i++) {
		for (n = 0; n < CALLS; n++)
			name_once(dir, (enum name_call)i);
		start = __rdtsc();
		for (n = 0; n < CALLS; n++)
			name_once(dir, (enum name_call)i);
		printf("call | %s | %s | %llu\n", name_calls[i], name,
		       (unsigned long long)((__rdtsc() - start) / CALLS));
	}
	CHECK((dir ? unlink("d/d/f") : k_unlink("d/d/f", 0)) == 0);
	CHECK((dir ? rmdir("d/d") : k_unlink("d/d", UMFS_IOC_REMOVEDIR)) == 0);
	CHECK((dir ? rmdir("d") : k_unlink("d", UMFS_IOC_REMOVEDIR)) == 0);
	CHECK(chdir("/") == 0);
	fflush(stdout);
}

/* By a mount of the pool. */
static void measure_mounted(const char *node)
{
	static const char at[] = "/mnt/mounted";

	CHECK(mkdir(at, 0755) == 0 && mount(node, at, "umfs", 0, NULL) == 0);
	measure_names("mount", at);
	CHECK(umount(at) == 0);
}

int main(int argc, char **argv)
{
	const uint64_t sizes[] = {PAGE, 2ull << 20, 64ull << 20, GIB};
	size_t i;

	if (argc < 3 || argc > 4)
		return 2;
	memset(buf, 'b', sizeof(buf));
	pool = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (pool < 0)
		return 1;
	measure_calls("pool", NULL);
	measure_calls("tmpfs", argv[2]);
	if (argc == 4)
		measure_calls("ext4-DAX", argv[3]);
	measure_names("pool", NULL);
	measure_mounted(argv[1]);
	measure_names("tmpfs", argv[2]);
	if (argc == 4)
		measure_names("ext4-DAX", argv[3]);
	printf("figure | size | splice, first | next | tmpfs populate | tmpfs lazy | all pages: splice, first | next | tmpfs populate |\n");
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		measure(argv[2], sizes[i]);
	measure_sparse(64 * GIB);
	measure_sparse(512 * GIB);
	return failures ? 1 : 0;
}
