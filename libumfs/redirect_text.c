// SPDX-License-Identifier: BSD-3-Clause
/*
 * redirect_text.c - jumps stored into libc's text in place.
 *
 * A third of what a memory file costs: the kernel copies the pages that are stored
 * to, and the text stays one mapping of libc's file, which profilers know.
 *
 * T1  While the text is writable it is not executable. Nothing runs there then:
 *     there is one thread, signals are blocked, and system calls are made by our own
 *     instructions.
 * T2  Were it not to become executable again, the process would be lost. So that is done
 *     to another page first which was written to and is not executable, one of ours:
 *     whatever forbids the one forbids the other (PR_SET_MDWE, filters of system calls,
 *     rights on modified files). And the text is changed whole, which needs no new
 *     mapping that memory could be short for.
 * T3  Its pages are had in one go, and read when they are private copies already: a page
 *     that is read first, then written to, is two faults.
 */
#include <signal.h>
#include <sys/mman.h>

#include "redirect.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static bool protect(const uint8_t *at, uint64_t bytes, int prot)
{
	return !sys3(SYS_mprotect, SYS_ARG(at), (long)bytes, prot);
}

/* T2: by what the loader has relocated and made read-only: a mapping by itself, and no fault. */
static bool permitted(const struct libc *libc)
{
	if (!libc->relro || !protect(libc->relro, libc->relro_bytes, PROT_READ | PROT_EXEC))
		return false;
	protect(libc->relro, libc->relro_bytes, PROT_READ);
	return true;
}

/* T1: by stores that no compiler makes a call of memcpy. */
static void store_jump(const uint8_t *entry, const uint8_t jump[JUMP_BYTES])
{
	volatile uint8_t *to = (volatile uint8_t *)(uintptr_t)entry;

	for (int k = 0; k < JUMP_BYTES; k++)
		to[k] = jump[k];
}

/* All that is known before libc can not run, so that nothing of it is called then (memset). */
struct stores {
	uint8_t jumps[ENTRIES][JUMP_BYTES];
	uint64_t pages[TEXT_PAGES_MAX / 64]; /* of the text: a bit for each that is stored to */
};

static const uint8_t *text_start(const struct libc *libc)
{
	return (const uint8_t *)((uintptr_t)libc->text & ~(PAGE - 1));
}

static void mark(uint64_t *pages, uint64_t page)
{
	if (page < TEXT_PAGES_MAX)
		pages[page / 64] |= 1ull << page % 64;
}

static bool marked(const uint64_t *pages, uint64_t page)
{
	return page < TEXT_PAGES_MAX && (pages[page / 64] >> page % 64 & 1);
}

static void prepare(struct stores *s, const struct libc *libc, const struct build *b)
{
	memset(s->pages, 0, sizeof(s->pages));
	for (int i = 0; i < ENTRIES; i++) {
		const uint8_t *entry = libc->base + b->at[i].off;
		uint64_t off = (uint64_t)(entry - text_start(libc));

		umfs_make_jump(entry, i, s->jumps[i]);
		mark(s->pages, off / PAGE);
		mark(s->pages, (off + JUMP_BYTES - 1) / PAGE);
	}
}

/* T3. A kernel that can not do that lets the stores fault. */
static void populate(const uint8_t *start, const uint64_t *pages)
{
	for (uint64_t i = 0, n; i < TEXT_PAGES_MAX; i += n + 1) {
		n = 63; /* most of the words are empty */
		if (i % 64 == 0 && !pages[i / 64])
			continue;
		for (n = 0; marked(pages, i + n); n++)
			;
		if (n)
			sys3(SYS_madvise, SYS_ARG(start + i * PAGE), (long)(n * PAGE),
			     MADV_POPULATE_WRITE);
	}
}

static enum redirected store_jumps(const struct libc *libc, const struct build *b,
				   const struct stores *s)
{
	const uint8_t *start = text_start(libc);
	uint64_t bytes = (uint64_t)(libc->text + libc->text_bytes - start);
	enum redirected ret = REDIRECT_ALTERED;

	if (!protect(start, bytes, PROT_READ | PROT_WRITE))
		return REDIRECT_NOT_PERMITTED;
	populate(start, s->pages);
	if (umfs_libc_unaltered(libc, b)) {
		for (int i = 0; i < ENTRIES; i++)
			store_jump(libc->base + b->at[i].off, s->jumps[i]);
		ret = REDIRECT_DONE;
	}
	if (!protect(start, bytes, PROT_READ | PROT_EXEC))
		sys1(SYS_exit_group, 127); /* T2: nothing is left that could run */
	return ret;
}

enum redirected umfs_redirect_text(const struct libc *libc, const struct build *b)
{
	uint64_t all = ~0ull, before;
	enum redirected ret;
	struct stores s;

	prepare(&s, libc, b);
	if (!permitted(libc) ||
	    sys4(SYS_rt_sigprocmask, SIG_SETMASK, SYS_ARG(&all), SYS_ARG(&before), sizeof(all)))
		return REDIRECT_NOT_PERMITTED;
	ret = store_jumps(libc, b, &s);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, SYS_ARG(&before), 0, sizeof(before));
	return ret;
}
