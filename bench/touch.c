/* SPDX-License-Identifier: BSD-3-Clause */
/* touch.c - counting the pages that are touched; see touch.h. */
#include "touch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

static struct {
	uintptr_t base;
	uint64_t bytes, pages;
} watched;

static void die(void)
{
	static const char text[] = "touch: a fault that is none of ours\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n;
	_exit(1);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1);
	int saved = errno;

	(void)sig;
	(void)context;
	if (info->si_code != SEGV_ACCERR || at - watched.base >= watched.bytes ||
	    mprotect((void *)at, PAGE, PROT_READ | PROT_WRITE))
		die();
	watched.pages++;
	errno = saved;
}

int touch_start(void *base, uint64_t bytes)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_sigaction = on_fault;
	act.sa_flags = SA_SIGINFO;
	watched.base = (uintptr_t)base;
	watched.bytes = bytes;
	watched.pages = 0;
	if (sigaction(SIGSEGV, &act, NULL) || mprotect(base, bytes, PROT_NONE))
		return errno;
	return 0;
}

uint64_t touch_stop(void)
{
	if (mprotect((void *)watched.base, watched.bytes, PROT_READ | PROT_WRITE))
		die();
	signal(SIGSEGV, SIG_DFL);
	return watched.pages;
}
