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
 * T2  Were it not to become executable again, the process would be lost. So all of it
 *     is done to a page of our own text first: whatever forbids the one forbids the
 *     other (PR_SET_MDWE, filters of system calls, rights on modified files), and the
 *     text is changed whole, which needs no new mapping that memory could be short for.
 */
#include <signal.h>
#include <sys/mman.h>

#include "redirect.h"

/* A page that nothing runs. */
__asm__(".pushsection .text.umfs_rehearsal, \"ax\", @progbits\n"
	".balign 4096\n"
	".globl umfs_rehearsal\n"
	".hidden umfs_rehearsal\n"
	"umfs_rehearsal:\n"
	".fill 4096, 1, 0xcc\n"
	".popsection\n");
extern uint8_t umfs_rehearsal[PAGE];

static bool protect(const uint8_t *at, uint64_t bytes, int prot)
{
	return !sys3(SYS_mprotect, SYS_ARG(at), (long)bytes, prot);
}

static bool permitted(void)
{
	if (!protect(umfs_rehearsal, PAGE, PROT_READ | PROT_WRITE))
		return false;
	*(volatile uint8_t *)umfs_rehearsal = 0xf4;
	return protect(umfs_rehearsal, PAGE, PROT_READ | PROT_EXEC);
}

/* T1: by stores that no compiler makes a call of memcpy. */
static void store_jump(const uint8_t *entry, const uint8_t jump[JUMP_BYTES])
{
	volatile uint8_t *to = (volatile uint8_t *)(uintptr_t)entry;

	for (int k = 0; k < JUMP_BYTES; k++)
		to[k] = jump[k];
}

static bool store_jumps(const struct libc *libc, const struct build *b,
			const uint8_t jumps[][JUMP_BYTES])
{
	const uint8_t *start = (const uint8_t *)((uintptr_t)libc->text & ~(PAGE - 1));
	uint64_t bytes = (uint64_t)(libc->text + libc->text_bytes - start);

	if (!protect(start, bytes, PROT_READ | PROT_WRITE))
		return false;
	for (int i = 0; i < ENTRIES; i++)
		store_jump(libc->base + b->at[i].off, jumps[i]);
	if (!protect(start, bytes, PROT_READ | PROT_EXEC))
		sys1(SYS_exit_group, 127); /* T2: nothing is left that could run */
	return true;
}

bool umfs_redirect_text(const struct libc *libc, const struct build *b)
{
	uint8_t jumps[ENTRIES][JUMP_BYTES];
	uint64_t all = ~0ull, before;
	bool done;

	for (int i = 0; i < ENTRIES; i++)
		umfs_make_jump(libc->base + b->at[i].off, i, jumps[i]);
	if (!permitted() ||
	    sys4(SYS_rt_sigprocmask, SIG_SETMASK, SYS_ARG(&all), SYS_ARG(&before), sizeof(all)))
		return false;
	done = store_jumps(libc, b, jumps);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, SYS_ARG(&before), 0, sizeof(before));
	return done;
}
