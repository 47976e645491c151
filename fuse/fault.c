// SPDX-License-Identifier: BSD-3-Clause
/*
 * fault.c - a pool that can not be touched.
 *
 * Faults of the guarded copies become errors of the call. Any other fault in the
 * pool (somebody cut the file short, or its file system is full) makes the pool
 * answer EIO from then on, and the mount lives.
 */
#include <signal.h>
#include <ucontext.h>

#include "mount.h"

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	uintptr_t addr = (uintptr_t)info->si_addr;
	uintptr_t next = info->si_code > 0 ? port_fault_fixup(pc, addr) : 0;

	if (next) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)next;
		return;
	}
	if (info->si_code > 0 && port_fault_in_pool(addr) && port_fault_contain(addr)) {
		__atomic_store_n(&fuse_fs()->broken, 1, __ATOMIC_RELEASE);
		return;
	}
	signal(sig, SIG_DFL);
}

void fault_install(void)
{
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
}
