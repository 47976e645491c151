// SPDX-License-Identifier: BSD-3-Clause
/*
 * splice.c - mappings into which a file's page tables are hung, in the guest.
 *
 *   kmod-splice NODE [CASES]
 *
 * That a mapping is of this kind is seen by its page faults: a few for each 2 MiB, and for
 * who comes later one for all of it. The pool is empty at first. Each case
 * cleans up. With CASES only so many.
 */
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>

#include "mapped.h"

int pool, checks, failures;
static char *shared; /* by threads */

#define GIB (1ull << 30)
#define FEW 8 /* faults: ours, and those of a stack that a fork shares */

static long faults(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return r.ru_minflt + r.ru_majflt;
}

static int in_child(void (*f)(char *at, uint64_t bytes), char *at, uint64_t bytes)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		failures = 0;
		f(at, bytes);
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	waitpid(child, &status, 0);
	return status;
}

/* ---- what it is for ---- */

/* 2 MiB: one entry of the process, one PTE page, a fault. */
static void one_unit_one_fault(void)
{
	int fd = new_file("f", 2 * MIB), other = k_open("f", O_RDWR, 0);
	char *a = map(fd, 2 * MIB, RW), *b = map(other, 2 * MIB, PROT_READ), *c;
	long before = faults();
	uint64_t word;

	CHECK(!((uintptr_t)a & (2 * MIB - 1)));
	CHECK(wrong(a, 2 * MIB) == 0);
	CHECK(faults() - before <= FEW);
	before = faults();
	memset(a + 5 * PAGE, 'x', 100 * PAGE);
	CHECK(faults() - before <= FEW);
	CHECK(b[5 * PAGE] == 'x' && b[105 * PAGE - 1] == 'x');
	CHECK(pread(fd, &word, 8, 50 * PAGE) == 8 && word == 0x7878787878787878ull);
	fill(fd, 0, 2 * MIB);
	before = faults();
	CHECK(wrong(a, 2 * MIB) == 0 && wrong(b, 2 * MIB) == 0);
	CHECK(faults() - before <= FEW);
	c = map(fd, 2 * MIB, RW);
	before = faults();
	CHECK(wrong(c, 2 * MIB) == 0);
	CHECK(faults() - before <= FEW);
	munmap(a, 2 * MIB);
	munmap(b, 2 * MIB);
	munmap(c, 2 * MIB);
	close(fd);
	close(other);
	CHECK(k_unlink("f", 0) == 0);
}

static void touch_all(char *at, uint64_t bytes)
{
	int fd = k_open("f", O_RDWR, 0);
	char *a = map(fd, bytes, RW);
	long before = faults();

	(void)at;
	CHECK(wrong(a, bytes) == 0);
	CHECK(faults() - before <= FEW);
}

/* A file of many units, and of no whole number of them; who comes second has one fault. */
static void many_units_for_two_processes(void)
{
	uint64_t bytes = 64 * MIB, odd = bytes - 5 * PAGE;
	int fd = new_file("f", bytes);
	char *a = map(fd, bytes, RW), *b;
	long before = faults();

	CHECK(wrong(a, bytes) == 0);
	CHECK(faults() - before <= 32 + FEW);
	CHECK(in_child(touch_all, NULL, bytes) == 0);
	b = map(fd, odd, PROT_READ);
	CHECK(wrong(b, odd) == 0);
	CHECK(touch(b, true) == SIGSEGV);
	munmap(a, bytes);
	munmap(b, odd);
	/* From the middle of the file, at a place of our choice. */
	a = mmap(NULL, 16 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a = (char *)(((uintptr_t)a + 4 * MIB) & ~(2 * MIB - 1));
	b = mmap(a, 6 * MIB + 3 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 8 * MIB);
	CHECK(b == a && *(uint64_t *)b == mark_of(8 * MIB / PAGE));
	CHECK(*(uint64_t *)(b + 6 * MIB + 2 * PAGE) == mark_of(14 * MIB / PAGE + 2));
	munmap(b, 6 * MIB + 3 * PAGE);
	/* Not where parts fit: page by page. */
	b = mmap(a + PAGE, 4 * MIB, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	CHECK(wrong(b, 4 * MIB) == 0);
	munmap(b, 4 * MIB);
	b = mmap(a, 4 * MIB, RW, MAP_SHARED | MAP_FIXED, fd, PAGE);
	CHECK(*(uint64_t *)b == mark_of(1));
	munmap(b, 4 * MIB);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* GiB parts: several PMD pages, to the largest file there is, mostly holes. */
static void gibs_of_holes(void)
{
	const uint64_t sizes[] = {GIB, 3 * GIB + 6 * MIB + PAGE, 64 * GIB, 512 * GIB};
	struct stat before, after;
	unsigned i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t bytes = sizes[i], last = bytes - PAGE;
		int fd = k_open("f", O_RDWR | O_CREAT | O_EXCL, 0600);
		char *a, *b, text[2];
		long n;

		CHECK(ftruncate(fd, (off_t)bytes) == 0);
		a = map(fd, bytes, RW);
		b = map(fd, bytes, PROT_READ);
		CHECK(!((uintptr_t)a & (GIB - 1)));
		CHECK(fstat(fd, &before) == 0);
		CHECK(a[0] == 0 && a[last] == 0 && a[bytes / 2] == 0 && b[last] == 0);
		CHECK(fstat(fd, &after) == 0 && before.st_blocks == after.st_blocks);
		a[last] = 'l';
		a[PAGE] = 'p';
		CHECK(b[last] == 'l' && b[PAGE] == 'p' && a[0] == 0);
		CHECK(pread(fd, text, 2, (off_t)last) == 2 && text[0] == 'l');
		n = faults();
		CHECK(pwrite(fd, "w", 1, (off_t)(bytes / 2)) == 1);
		CHECK(a[bytes / 2] == 'w' && b[bytes / 2] == 'w');
		CHECK(faults() - n <= FEW);
		CHECK(touch(a + bytes, false) == SIGSEGV);
		munmap(b, bytes);
		munmap(a, bytes);
		close(fd);
		CHECK(k_unlink("f", 0) == 0);
	}
}

/* ---- the file changes below it ---- */

struct watcher {
	int in, out;
	pid_t pid;
};

/* A process that maps the file and tells, on demand, the signal of touching a page or its word. */
static void watch(int in, int out, uint64_t bytes, int prot)
{
	int fd = k_open("f", prot & PROT_WRITE ? O_RDWR : O_RDONLY, 0);
	char *at = map(fd, bytes, prot);
	uint64_t page, word;

	while (read(in, &page, 8) == 8) {
		word = page == ~0ull ? wrong(at, bytes)
				     : *(volatile uint64_t *)(at + page * PAGE);
		if (write(out, &word, 8) != 8)
			break;
	}
	_exit(0);
}

static struct watcher start_watch(uint64_t bytes, int prot)
{
	int in[2], out[2];
	struct watcher w;

	CHECK(pipe(in) == 0 && pipe(out) == 0);
	fflush(stdout);
	w.pid = fork();
	if (!w.pid) {
		close(in[1]);
		close(out[0]);
		watch(in[0], out[1], bytes, prot);
	}
	close(in[0]);
	close(out[1]);
	w.in = in[1];
	w.out = out[0];
	return w;
}

/* False: it was killed for asking. */
static bool ask(const struct watcher *w, uint64_t page, uint64_t *word)
{
	return write(w->in, &page, 8) == 8 && read(w->out, word, 8) == 8;
}

static int end_watch(const struct watcher *w)
{
	int status = 0;

	close(w->in);
	close(w->out);
	waitpid(w->pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void truncation_is_seen_at_once(void)
{
	uint64_t bytes = 8 * MIB, pages = bytes / PAGE, word;
	int fd = new_file("f", bytes);
	struct watcher a = start_watch(bytes, RW), b = start_watch(bytes, PROT_READ), c;
	char *at = map(fd, 2 * bytes, RW);

	c = start_watch(bytes, RW);
	/* All have all of it before their eyes, and the processor remembers. */
	CHECK(ask(&a, ~0ull, &word) && word == 0 && ask(&b, ~0ull, &word) && word == 0 &&
	      ask(&c, ~0ull, &word) && word == 0 && wrong(at, bytes) == 0);
	CHECK(ftruncate(fd, (off_t)(bytes - PAGE)) == 0);
	CHECK(!ask(&a, pages - 1, &word) && end_watch(&a) == SIGBUS);
	CHECK(ask(&b, pages - 2, &word) && word == mark_of(pages - 2));
	CHECK(touch(at + bytes - PAGE, true) == SIGBUS);
	CHECK(ftruncate(fd, (off_t)(3 * PAGE)) == 0);
	CHECK(ask(&c, 2, &word) && word == mark_of(2));
	CHECK(!ask(&c, 3, &word) && end_watch(&c) == SIGBUS);
	CHECK(touch(at + 3 * PAGE, false) == SIGBUS);
	CHECK(ask(&b, 0, &word) && word == mark_of(0));
	/* Longer again: zeros, and new bytes, without anybody mapping anew. */
	CHECK(ftruncate(fd, (off_t)bytes) == 0);
	CHECK(ask(&b, 3, &word) && word == 0 && ask(&b, pages - 1, &word) && word == 0);
	at[4 * PAGE] = 'n';
	CHECK(ask(&b, 4, &word) && word == 'n');
	fill(fd, 0, bytes);
	CHECK(ask(&b, ~0ull, &word) && word == 0 && wrong(at, bytes) == 0);
	/* Longer than it ever was. */
	CHECK(touch(at + bytes, false) == SIGBUS);
	fill(fd, 0, 2 * bytes);
	CHECK(wrong(at, 2 * bytes) == 0);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(!ask(&b, 0, &word) && end_watch(&b) == SIGBUS);
	CHECK(touch(at, true) == SIGBUS);
	munmap(at, 2 * bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

static void zeros_are_forgotten_when_a_page_comes(void)
{
	uint64_t bytes = 4 * MIB, word, i;
	int fd = k_open("f", O_RDWR | O_CREAT | O_EXCL, 0600);
	struct watcher w;
	char *at, *small;

	CHECK(ftruncate(fd, (off_t)bytes) == 0);
	w = start_watch(bytes, PROT_READ);
	at = map(fd, bytes, RW);
	small = map(fd, 64 * PAGE, RW); /* page by page */
	for (i = 0; i < 64; i++) {
		CHECK(ask(&w, i, &word) && word == 0 && small[i * PAGE] == 0);
		switch (i % 4) {
		case 0:
			*(uint64_t *)(at + i * PAGE) = i + 1;
			break;
		case 1:
			CHECK(at[i * PAGE] == 0);
			*(uint64_t *)(at + i * PAGE) = i + 1;
			break;
		case 2:
			*(uint64_t *)(small + i * PAGE) = i + 1;
			break;
		default:
			word = i + 1;
			CHECK(pwrite(fd, &word, 8, (off_t)(i * PAGE)) == 8);
		}
		CHECK(ask(&w, i, &word) && word == i + 1);
		CHECK(*(uint64_t *)(at + i * PAGE) == i + 1);
		CHECK(*(uint64_t *)(small + i * PAGE) == i + 1);
	}
	/* Unwritten pages, and punching. */
	CHECK(fallocate(fd, 0, (off_t)(2 * MIB), MIB) == 0);
	CHECK(ask(&w, 512, &word) && word == 0 && at[2 * MIB] == 0);
	at[2 * MIB] = 'u';
	CHECK(ask(&w, 512, &word) && word == 'u');
	CHECK(fallocate(fd, 3, 0, MIB) == 0);
	CHECK(ask(&w, 1, &word) && word == 0 && at[PAGE] == 0 && small[PAGE] == 0);
	at[PAGE] = 'p';
	CHECK(ask(&w, 1, &word) && word == 'p' && small[PAGE] == 'p');
	CHECK(end_watch(&w) == 0);
	munmap(at, bytes);
	munmap(small, 64 * PAGE);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* Tables outlive the mappings: a page that comes while nobody maps the file is seen later. */
static void pages_come_while_nobody_looks(void)
{
	uint64_t bytes = 2 * MIB, word = 'w';
	int fd = k_open("f", O_RDWR | O_CREAT | O_EXCL, 0600);
	char *at;

	CHECK(ftruncate(fd, (off_t)bytes) == 0);
	at = map(fd, bytes, RW);
	CHECK(at[22 * PAGE] == 0 && at[23 * PAGE] == 0);
	munmap(at, bytes);
	CHECK(pwrite(fd, &word, 8, 22 * PAGE) == 8);
	at = map(fd, bytes, RW);
	CHECK(*(uint64_t *)(at + 22 * PAGE) == 'w' && at[23 * PAGE] == 0);
	munmap(at, bytes);
	CHECK(pwrite(fd, &word, 8, 23 * PAGE) == 8);
	at = map(fd, bytes, RW);
	*(uint64_t *)(at + 23 * PAGE + 8) = 's'; /* and can be stored to */
	CHECK(*(uint64_t *)(at + 23 * PAGE) == 'w');
	CHECK(pread(fd, &word, 8, 23 * PAGE + 8) == 8 && word == 's');
	munmap(at, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* Tables are of the file as it is mapped, not of one that was closed and changed since. */
static void tables_do_not_outlive_the_open_file(void)
{
	uint64_t bytes = 2 * MIB, i, text[PAGE / 8] = {0};
	int fd = new_file("f", bytes), path, other = new_file("g", PAGE);
	char name[64], *at = map(fd, bytes, RW);

	CHECK(wrong(at, bytes) == 0);
	munmap(at, bytes);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	path = open(name, O_PATH); /* keeps the inode, not the file */
	CHECK(path >= 0);
	close(fd);
	fd = k_open("f", O_RDWR, 0);
	for (i = 0; i < bytes / PAGE; i++) { /* whole pages are written to others */
		text[0] = i;
		CHECK(pwrite(fd, text, PAGE, (off_t)(i * PAGE)) == PAGE);
	}
	fill(other, 0, bytes); /* gets those that were, it may be */
	at = map(fd, bytes, RW);
	for (i = 0; i < bytes / PAGE; i++)
		if (*(uint64_t *)(at + i * PAGE) != i)
			break;
	CHECK(i == bytes / PAGE);
	memset(at, 0xff, bytes);
	munmap(at, bytes);
	at = map(other, bytes, PROT_READ);
	CHECK(wrong(at, bytes) == 0);
	munmap(at, bytes);
	close(path);
	close(fd);
	close(other);
	CHECK(k_unlink("f", 0) == 0 && k_unlink("g", 0) == 0);
}

/* ---- what a process does to its mapping ---- */

static void child_has_it_too(char *at, uint64_t bytes)
{
	CHECK(wrong(at, bytes) == 0);
	at[8] = 'c';
	if (fork() == 0) {
		CHECK(wrong(at, bytes) == 0 && at[8] == 'c');
		at[9] = 'g';
		munmap(at + 2 * MIB, PAGE);
		_exit(failures ? 1 : 0);
	}
	wait(NULL);
	CHECK(at[9] == 'g' && munmap(at, bytes) == 0);
}

static void fork_and_exec(void)
{
	uint64_t bytes = 8 * MIB;
	int fd = new_file("f", bytes), status = 0;
	char *at = map(fd, bytes, RW);
	long before;

	CHECK(wrong(at, bytes) == 0);
	CHECK(in_child(child_has_it_too, at, bytes) == 0);
	before = faults();
	CHECK(wrong(at, bytes) == 0 && at[8] == 'c' && at[9] == 'g');
	CHECK(faults() - before <= FEW);
	CHECK(madvise(at, bytes, MADV_KEEPONFORK) == 0); /* then the kernel copies entries */
	CHECK(in_child(child_has_it_too, at, bytes) == 0);
	CHECK(madvise(at, bytes, MADV_DONTFORK) == 0);
	CHECK(touch(at, false) == SIGSEGV);
	fflush(stdout);
	if (fork() == 0) {
		CHECK(wrong(map(fd, bytes, RW), bytes) == 0);
		execl("/bin/busybox", "busybox", "true", (char *)NULL);
		_exit(9);
	}
	wait(&status);
	CHECK(status == 0);
	if (vfork() == 0)
		_exit(at[8] == 'c' ? 0 : 1);
	wait(&status);
	CHECK(status == 0);
	CHECK(wrong(at, bytes) == 0);
	munmap(at, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

static void parts_are_unmapped_and_protected(void)
{
	uint64_t bytes = 8 * MIB;
	int fd = new_file("f", bytes);
	char *at = map(fd, bytes, RW), *b;

	/* A hole of one page: the rest stays. */
	CHECK(wrong(at, bytes) == 0 && munmap(at + 3 * MIB, PAGE) == 0);
	CHECK(touch(at + 3 * MIB, false) == SIGSEGV && touch(at + 3 * MIB + PAGE, true) == 0);
	fill(fd, 0, bytes);
	CHECK(wrong(at, 3 * MIB) == 0);
	munmap(at, bytes);
	/* Something else in the middle. */
	at = map(fd, bytes, RW);
	CHECK(wrong(at, bytes) == 0);
	b = mmap(at + 4 * MIB, 2 * PAGE, RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(b == at + 4 * MIB && b[0] == 0 && b[PAGE] == 0);
	b[0] = 'a';
	CHECK(wrong(at, 4 * MIB) == 0 && *(uint64_t *)(b + 2 * PAGE) == mark_of(1026));
	munmap(at, bytes);
	/* Rights, of a part and of all. */
	at = map(fd, bytes, RW);
	CHECK(wrong(at, bytes) == 0 && mprotect(at + MIB, PAGE, PROT_READ) == 0);
	CHECK(touch(at + MIB, true) == SIGSEGV && touch(at + MIB, false) == 0 &&
	      touch(at + MIB + PAGE, false) == 0 && wrong(at, bytes) == 0);
	munmap(at, bytes);
	at = map(fd, bytes, RW);
	CHECK(wrong(at, bytes) == 0 && mprotect(at, bytes, PROT_READ) == 0);
	CHECK(touch(at, true) == SIGSEGV && touch(at + 5 * MIB, true) == SIGSEGV &&
	      wrong(at, bytes) == 0);
	CHECK(mprotect(at, bytes, PROT_NONE) == 0 && touch(at + 5 * MIB, false) == SIGSEGV);
	CHECK(mprotect(at, bytes, RW) == 0 && wrong(at, bytes) == 0);
	at[1] = 0;
	munmap(at, bytes);
	at = map(fd, bytes, PROT_NONE);
	CHECK(touch(at, false) == SIGSEGV && touch(at + 2 * MIB, true) == SIGSEGV);
	munmap(at, bytes);
	at = map(fd, bytes, PROT_WRITE);
	at[2 * MIB + 8] = 1;
	CHECK(at[2 * MIB + 8] == 1);
	munmap(at, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

static void moves_are_refused_shrinking_is_not(void)
{
	uint64_t bytes = 8 * MIB;
	int fd = new_file("f", bytes);
	char *at = map(fd, bytes, RW), *to;

	to = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	to = (char *)(((uintptr_t)to + 2 * MIB) & ~(2 * MIB - 1));
	CHECK(wrong(at, bytes) == 0);
	FAILS(EINVAL, mremap(at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED
			      ? -1 : 0);
	CHECK(wrong(at, bytes) == 0);
	CHECK(ftruncate(fd, (off_t)(bytes - PAGE)) == 0);
	CHECK(touch(at + bytes - PAGE, false) == SIGBUS);
	fill(fd, 0, bytes);
	CHECK(wrong(at, bytes) == 0);
	FAILS(EFAULT, mremap(at, bytes, 2 * bytes, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	CHECK(wrong(at, bytes) == 0);
	CHECK(mremap(at, bytes, bytes / 2, 0) == at);
	CHECK(wrong(at, bytes / 2) == 0 && touch(at + bytes / 2, false) == SIGSEGV);
	munmap(at, bytes / 2);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

static void advice_and_proc(void)
{
	static const int advice[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
				     MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_COLD,
				     MADV_PAGEOUT, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
				     MADV_UNMERGEABLE, MADV_DODUMP, MADV_DONTDUMP, MADV_WIPEONFORK,
				     22 /* POPULATE_READ */, 23, 24 /* DONTNEED_LOCKED */,
				     25 /* COLLAPSE */};
	static const char *const files[] = {"maps", "smaps", "smaps_rollup", "pagemap", "numa_maps"};
	uint64_t bytes = 8 * MIB;
	int fd = new_file("f", bytes), proc;
	char *at = map(fd, bytes, RW), text[4096], vec[2048];
	unsigned i;

	for (i = 0; i < sizeof(advice) / sizeof(advice[0]); i++) {
		CHECK(wrong(at, bytes) == 0);
		(void)madvise(at, bytes, advice[i]);
		if (advice[i] == MADV_REMOVE) { /* of the file's bytes, that is */
			CHECK(wrong(at, bytes) == bytes / PAGE);
			fill(fd, 0, bytes);
		}
		CHECK(wrong(at, bytes) == 0);
		(void)madvise(at + 2 * MIB, PAGE, advice[i]);
		if (advice[i] == MADV_REMOVE)
			fill(fd, 0, bytes);
	}
	CHECK(wrong(at, bytes) == 0);
	munmap(at, bytes);
	at = map(fd, bytes, RW);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		CHECK(wrong(at, bytes) == 0);
		snprintf(text, sizeof(text), "/proc/self/%s", files[i]);
		proc = open(text, O_RDONLY);
		if (i == 3)
			CHECK(lseek(proc, (off_t)((uintptr_t)at / PAGE * 8), SEEK_SET) >= 0 &&
			      read(proc, text, sizeof(text)) == sizeof(text));
		while (i != 3 && proc >= 0 && read(proc, text, sizeof(text)) > 0)
			;
		close(proc);
	}
	for (i = 1; i <= 5; i++) {
		proc = open("/proc/self/clear_refs", O_WRONLY);
		snprintf(text, sizeof(text), "%u", i);
		CHECK(wrong(at, bytes) == 0);
		(void)!write(proc, text, 1);
		at[8 + i] = 1;
		close(proc);
	}
	CHECK(mincore(at, bytes, (void *)vec) == 0);
	CHECK(mlock(at, bytes) == 0 && munlock(at, bytes) == 0);
	CHECK(msync(at, bytes, MS_SYNC) == 0 && wrong(at, bytes) == 0);
	munmap(at, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* As memory of read() and write(), and for a debugger. */
static void others_reach_into_it(void)
{
	uint64_t bytes = 4 * MIB, word = 7;
	int fd = new_file("f", bytes), other = k_open("g", O_RDWR | O_CREAT, 0600), mem, status;
	char *at = map(fd, bytes, RW), name[64];
	struct iovec iov = {&word, 8}, far = {NULL, 8};
	pid_t child;

	CHECK(pwrite(other, at, bytes, 0) == (ssize_t)bytes);
	CHECK(pread(other, at, bytes, 0) == (ssize_t)bytes && wrong(at, bytes) == 0);
	CHECK(pwrite(fd, at, bytes, 0) == (ssize_t)bytes && wrong(at, bytes) == 0);
	fflush(stdout);
	child = fork();
	if (!child) {
		at = map(fd, bytes, RW);
		word = (uint64_t)(uintptr_t)at;
		(void)wrong(at, bytes / 2);
		CHECK(pwrite(other, &word, 8, 0) == 8);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(at[PAGE] == 'D' ? 0 : 1);
	}
	waitpid(child, &status, 0);
	CHECK(WIFSTOPPED(status) && pread(other, &word, 8, 0) == 8);
	at = (char *)(uintptr_t)word;
	CHECK((uint64_t)ptrace(PTRACE_PEEKDATA, child, at + 5 * PAGE, NULL) == mark_of(5));
	CHECK((uint64_t)ptrace(PTRACE_PEEKDATA, child, at + 3 * MIB, NULL) == mark_of(768));
	CHECK(ptrace(PTRACE_POKEDATA, child, at + PAGE, (void *)(uintptr_t)'D') == 0);
	snprintf(name, sizeof(name), "/proc/%d/mem", child);
	mem = open(name, O_RDONLY);
	CHECK(pread(mem, &word, 8, (off_t)(uintptr_t)(at + PAGE)) == 8 && word == 'D');
	close(mem);
	far.iov_base = at;
	FAILS(EFAULT, process_vm_readv(child, &iov, 1, &far, 1, 0));
	ptrace(PTRACE_CONT, child, NULL, NULL);
	waitpid(child, &status, 0);
	CHECK(status == 0);
	CHECK(pread(fd, &word, 8, PAGE) == 8 && word == 'D');
	close(fd);
	close(other);
	CHECK(k_unlink("f", 0) == 0 && k_unlink("g", 0) == 0);
}

static void read_only_stays_so(void)
{
	uint64_t bytes = 4 * MIB, word;
	int fd = new_file("f", bytes), ro;
	struct watcher w;
	char *at;

	CHECK(fchmod(fd, 0644) == 0);
	w = start_watch(bytes, RW);
	CHECK(ask(&w, ~0ull, &word) && word == 0); /* tables for writers are there */
	AS(1000, {
		FAILS(EACCES, k_open("f", O_RDWR, 0));
		ro = k_open("f", O_RDONLY, 0);
		FAILS(EACCES, mmap(NULL, bytes, RW, MAP_SHARED, ro, 0) == MAP_FAILED ? -1 : 0);
		at = map(ro, bytes, PROT_READ);
		CHECK(wrong(at, bytes) == 0);
		CHECK(touch(at, true) == SIGSEGV);
		FAILS(EACCES, mprotect(at, bytes, RW));
		FAILS(EACCES, mprotect(at + PAGE, PAGE, RW));
		FAILS(EFAULT, read(open("/proc/self/maps", O_RDONLY), at, 100));
		CHECK(wrong(at, bytes) == 0);
		word = 1;
		prctl(PR_SET_DUMPABLE, 1);
		FAILS(EIO, pwrite(open("/proc/self/mem", O_RDWR), &word, 8,
				  (off_t)(uintptr_t)at));
	});
	CHECK(end_watch(&w) == 0);
	at = map(fd, bytes, PROT_READ);
	CHECK(wrong(at, bytes) == 0 && touch(at, true) == SIGSEGV);
	munmap(at, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* ---- many at once ---- */

static void live_wildly(unsigned seed, uint64_t bytes)
{
	unsigned n;

	srand(seed);
	for (n = 0; n < 12; n++) {
		int ro = rand() % 3 == 0, fd = k_open("f", ro ? O_RDONLY : O_RDWR, 0);
		char *at = mmap(NULL, bytes, ro ? PROT_READ : RW, MAP_SHARED, fd, 0);
		uint64_t i, page = (uint64_t)rand() % (bytes / PAGE);

		close(fd);
		if (at == MAP_FAILED)
			_exit(1);
		for (i = 0; i < bytes / PAGE; i += 1 + (uint64_t)rand() % 64)
			if (*(volatile uint64_t *)(at + i * PAGE) != mark_of(i))
				_exit(2);
		switch (rand() % 6) {
		case 0:
			munmap(at + page * PAGE, PAGE);
			break;
		case 1:
			mprotect(at + page * PAGE, PAGE, PROT_READ);
			break;
		case 2:
			if (fork() == 0)
				_exit(*(volatile uint64_t *)(at + page * PAGE) != mark_of(page));
			wait(NULL);
			break;
		case 3:
			if (rand() % 8 == 0)
				_exit(0);
			break;
		default:
			if (!ro)
				*(volatile uint64_t *)(at + page * PAGE) = mark_of(page);
		}
		munmap(at, bytes);
	}
	_exit(0);
}

static void two_hundred_processes(void)
{
	uint64_t bytes = 8 * MIB;
	int fd = new_file("f", bytes), status;
	pid_t child[200];
	unsigned i, killed = 0, bad = 0;
	char *at = map(fd, bytes, RW);

	fflush(stdout);
	for (i = 0; i < 200; i++) {
		child[i] = fork();
		if (!child[i])
			live_wildly(i, bytes);
	}
	for (i = 0; i < 200; i += 3) {
		fill(fd, 0, MIB);
		kill(child[i], SIGKILL);
	}
	for (i = 0; i < 200; i++) {
		waitpid(child[i], &status, 0);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			killed++;
		else if (status)
			bad++;
	}
	CHECK(bad == 0);
	CHECK(wrong(at, bytes) == 0);
	munmap(at, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

static volatile int stop;

static void *touch_for_ever(void *arg)
{
	uint64_t bytes = *(uint64_t *)arg, i = 0, sum = 0;

	while (!stop)
		sum += *(volatile uint64_t *)(shared + (i++ * 7 % (bytes / PAGE)) * PAGE);
	return (void *)(uintptr_t)(sum & 1);
}

/* Threads touch while the file changes and others of the mappings go. */
static void threads_and_changes(void)
{
	uint64_t bytes = 4 * MIB, i;
	int fd = new_file("f", 2 * bytes);
	pthread_t thread[3];
	char *other;

	shared = map(fd, bytes, RW);
	stop = 0;
	for (i = 0; i < 3; i++)
		CHECK(pthread_create(&thread[i], NULL, touch_for_ever, &bytes) == 0);
	for (i = 0; i < 30; i++) {
		other = map(fd, 2 * bytes, RW);
		CHECK(*(uint64_t *)(other + bytes) == (i ? 0 : mark_of(bytes / PAGE)));
		CHECK(ftruncate(fd, (off_t)bytes) == 0 && ftruncate(fd, (off_t)(2 * bytes)) == 0);
		if (i % 2)
			munmap(other + bytes, bytes);
		CHECK(*(uint64_t *)other == mark_of(0));
		munmap(other, 2 * bytes);
	}
	stop = 1;
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	CHECK(wrong(shared, bytes) == 0);
	munmap(shared, bytes);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* ---- what processors remember ---- */

static void on_processor(int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(n, &set);
	CHECK(sched_setaffinity(0, sizeof(set), &set) == 0);
}

/* Who looks at one word of a mapping without ever entering the kernel. */
struct looker {
	volatile uint64_t ready, now, seen;
};

static void look(struct looker *l, char *at, uint64_t bytes, uint64_t page)
{
	const volatile uint64_t *word = (const volatile uint64_t *)(at + page * PAGE);
	uint64_t sum = wrong(at, bytes);

	l->ready = 1;
	while (!l->now)
		sum += *word;
	l->seen = *word + 0 * sum;
}

static pid_t start_look(struct looker *l, uint64_t bytes, uint64_t page)
{
	pid_t child;

	l->ready = l->now = l->seen = 0;
	fflush(stdout);
	child = fork();
	if (!child) {
		on_processor(1);
		look(l, map(k_open("f", O_RDONLY, 0), bytes, PROT_READ), bytes, page);
		_exit(0);
	}
	while (!l->ready)
		sched_yield();
	return child;
}

static int end_look(struct looker *l, pid_t child)
{
	int status = 0;

	l->now = 1;
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void *look_in_thread(void *arg)
{
	on_processor(1);
	look(arg, shared, 4 * MIB, 700);
	return NULL;
}

/* The page of a thread that looks is replaced, with all of the mapping or alone. */
static void replaced_below_a_thread(struct looker *l, int fd, bool all)
{
	uint64_t bytes = 4 * MIB, *word;
	pthread_t thread;
	char *at = NULL;

	shared = map(fd, bytes, RW);
	l->ready = l->now = l->seen = 0;
	CHECK(pthread_create(&thread, NULL, look_in_thread, l) == 0);
	while (!l->ready)
		sched_yield();
	at = mmap(all ? shared : shared + 700 * PAGE, all ? bytes : PAGE, RW,
		  MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	word = (uint64_t *)(shared + 700 * PAGE);
	CHECK(at != MAP_FAILED);
	*word = 'N';
	l->now = 1;
	pthread_join(thread, NULL);
	CHECK(l->seen == 'N');
	munmap(shared, bytes);
}

static void processors_forget(void)
{
	uint64_t bytes = 4 * MIB, i, new;
	struct looker *l = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = new_file("f", bytes);
	cpu_set_t before;
	pid_t child;

	CHECK(sched_getaffinity(0, sizeof(before), &before) == 0);
	on_processor(0);
	for (i = 0; i < 5; i++) {
		child = start_look(l, bytes, 700);
		CHECK(ftruncate(fd, (off_t)(700 * PAGE)) == 0);
		CHECK(end_look(l, child) == SIGBUS);
		/* Page 700 is a hole now, or zeros. */
		CHECK(ftruncate(fd, 0) == 0 && ftruncate(fd, (off_t)bytes) == 0);
		child = start_look(l, bytes, 900 + i);
		new = 1000 + i;
		CHECK(pwrite(fd, &new, 8, (off_t)((900 + i) * PAGE)) == 8);
		CHECK(end_look(l, child) == 0 && l->seen == new);
		fill(fd, 0, bytes);
		replaced_below_a_thread(l, fd, i % 2);
	}
	CHECK(sched_setaffinity(0, sizeof(before), &before) == 0);
	munmap(l, PAGE);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* A process that dies of it, with its memory dumped. */
static void core_dump(void)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	int fd = new_file("f", 4 * MIB), status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		setrlimit(RLIMIT_CORE, &unlimited);
		CHECK(chdir("/tmp") == 0 && wrong(map(fd, 4 * MIB, RW), 4 * MIB) == 0);
		abort();
	}
	waitpid(child, &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	unlink("/tmp/core");
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

int main(int argc, char **argv)
{
	static void (*const cases[])(void) = {
		one_unit_one_fault,
		many_units_for_two_processes,
		gibs_of_holes,
		processors_forget,
		truncation_is_seen_at_once,
		zeros_are_forgotten_when_a_page_comes,
		pages_come_while_nobody_looks,
		tables_do_not_outlive_the_open_file,
		fork_and_exec,
		parts_are_unmapped_and_protected,
		moves_are_refused_shrinking_is_not,
		advice_and_proc,
		others_reach_into_it,
		read_only_stays_so,
		two_hundred_processes,
		threads_and_changes,
		core_dump,
	};
	time_t start;
	size_t i;

	if (argc < 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	pool = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (pool < 0) {
		perror(argv[1]);
		return 1;
	}
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc == 3 && (size_t)atoi(argv[2]) == i)
			break;
		start = time(NULL);
		cases[i]();
		printf("case %zu: %d s\n", i, (int)(time(NULL) - start));
		fflush(stdout);
	}
	printf("%zu cases, %d checks, %d failed\n", i, checks, failures);
	return failures ? 1 : 0;
}
