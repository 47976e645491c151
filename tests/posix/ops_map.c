// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_map.c - mapped files. Each step maps, uses and unmaps.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "posix.h"

static sigjmp_buf back;
static volatile sig_atomic_t caught;

static void on_fault(int sig)
{
	caught = sig;
	siglongjmp(back, 1);
}

static void guarded(void (*touch)(volatile uint8_t *p), volatile uint8_t *p)
{
	struct sigaction sa = {.sa_handler = on_fault}, bus, segv;

	caught = 0;
	sigaction(SIGBUS, &sa, &bus);
	sigaction(SIGSEGV, &sa, &segv);
	if (!sigsetjmp(back, 1))
		touch(p);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	if (caught)
		say(" %s", caught == SIGBUS ? "SIGBUS" : "SIGSEGV");
}

static uint8_t loaded;
static void load(volatile uint8_t *p)
{
	loaded = *p;
	say(" %02x", loaded);
}

static void store(volatile uint8_t *p)
{
	*p = 0x5a;
	say(" stored");
}

/* As a file is mapped: the flags, then bytes at its start, its end and behind it. */
static void do_mmap(void)
{
	static const int prots[] = {PROT_READ, PROT_READ | PROT_WRITE, PROT_WRITE, PROT_NONE,
				    PROT_READ | PROT_EXEC};
	static const int all_flags[] = {MAP_SHARED, MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE, 0};
	static const size_t lens[] = {1, 4096, 5000, 12288, 65536, 0};
	int fd = arg_fd(), prot = ONE_OF(prots), flags = ONE_OF(all_flags);
	size_t n = ONE_OF(lens);
	off_t off = chance(70) ? 0 : chance(80) ? 4096 * (off_t)pick(4) : arg_off();
	static const size_t at[] = {0, 4095, 4096, 4999, 8191, 8192};
	struct stat st = {0};
	uint8_t *p;

	say("mmap(%zu, %d, %#x, %d, %lld)", n, prot, flags, fd, (long long)off);
	p = mmap(NULL, n, prot, flags, fd, off);
	answer_ok(p != MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	run.mapped = true;
	fstat(fd, &st);
	for (unsigned i = 0; i < COUNT(at); i++) {
		if (at[i] >= n)
			continue;
		say(" [%zu]", at[i]);
		/* What is stored behind the end may or may not be there the next time. */
		guarded(chance(60) || off + (off_t)at[i] >= st.st_size ? load : store, p + at[i]);
	}
	if (chance(30))
		answer(msync(p, n, chance(50) ? MS_SYNC : chance(80) ? MS_ASYNC : 99));
	if ((prot & PROT_WRITE) && chance(30))
		answer(mprotect(p, n, PROT_READ | PROT_WRITE));
	answer(munmap(p, n));
	if (prot & PROT_WRITE) /* whether it was stored to, or could have been */
		futimens(fd, NULL);
}

/* Coherent with read and write, after close as well. */
static void do_coherent(void)
{
	static uint8_t text[64];
	const char *path = arg_open_path(AT_FDCWD);
	int fd = open(path, O_RDWR);
	uint8_t *p;

	say("shared mapping of %s", show(path));
	answer_ok(fd >= 0);
	if (fd < 0)
		return;
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	answer_ok(p != MAP_FAILED);
	run.mapped = run.mapped || p != MAP_FAILED;
	if (p != MAP_FAILED) {
		fill(text, sizeof(text));
		answer(pwrite(fd, text, sizeof(text), 100));
		guarded(load, p + 101);
		guarded(store, p + 102);
		answer(pread(fd, text, sizeof(text), 90));
		say_bytes(text, sizeof(text));
		answer(ftruncate(fd, 4096 - (off_t)pick(2) * 4096));
		guarded(load, p + 200);
		guarded(load, p + 5000);
		answer(ftruncate(fd, 9000));
		guarded(load, p + 200);
		guarded(load, p + 5000);
		close(fd);
		guarded(store, p + 5001);
		answer(munmap(p, 8192));
	} else {
		close(fd);
	}
}

static void do_mremap(void)
{
	int fd = open("a", O_RDWR);
	uint8_t *p = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), *q;

	say("mremap");
	answer_ok(p != MAP_FAILED);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return;
	run.mapped = true;
	q = mremap(p, 4096, 16384, MREMAP_MAYMOVE);
	answer_ok(q != MAP_FAILED);
	if (q == MAP_FAILED) {
		munmap(p, 4096);
		return;
	}
	guarded(load, q);
	guarded(load, q + 4096);
	guarded(load, q + 12288);
	answer(munmap(q, 16384));
}

const struct op map_ops[] = {
	{"mmap", MAP, 10, do_mmap}, {"coherent", MAP, 4, do_coherent}, {"mremap", MAP, 2, do_mremap}, {0},
};
