// SPDX-License-Identifier: BSD-3-Clause
/*
 * signal.c - signal entry.
 *
 * In a process with UMFS every handler of the host is entered through here,
 * so that
 *  S1  none runs while its thread is inside core or holds a lock of ours: the
 *      signal is kept, everything is blocked, and umfs_guard_leave() sends it
 *      again (no system call where no signal came);
 *  S2  a fault in one of core's guarded copies becomes an error of the call,
 *      and the host's SIGSEGV and SIGBUS handlers see only faults of its own;
 *  S3  SIGSEGV and SIGBUS are never blocked in the kernel, since it kills on a
 *      blocked fault. The host is told what it asked for.
 */
#include <ucontext.h>

#include "hooks.h"
#include "internal.h"

#define SIG_COUNT 65
#define BIT(sig) (1ull << ((sig)-1))
#define FAULTS (BIT(SIGSEGV) | BIT(SIGBUS))
#define LIBC_OWN (BIT(32) | BIT(33)) /* cancellation and setuid of glibc */
#define KERNEL_RESTORER 0x04000000ul

/* The kernel's struct sigaction. */
struct kernel_action {
	void *handler;
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* libc's own, under a name that is not replaced. */
int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);

__thread struct guard umfs_guard_self __attribute__((tls_model("initial-exec")));
static struct sigaction host[SIG_COUNT];
static uint64_t wrapped PORT_START; /* the kernel's handler is ours; under LOCK_SIGNAL */
static uint64_t interrupting; /* siginterrupt(sig, 1) was called */

/* Unwinders know a signal frame by exactly these bytes. */
void umfs_signal_restorer(void);
__asm__(".text\n"
	".align 16\n"
	".hidden umfs_signal_restorer\n"
	".globl umfs_signal_restorer\n"
	".type umfs_signal_restorer, @function\n"
	"umfs_signal_restorer:\n"
	"	mov $15, %rax\n"
	"	syscall\n"
	".size umfs_signal_restorer, . - umfs_signal_restorer\n");

static uint64_t mask_of(const sigset_t *set)
{
	uint64_t m;

	memcpy(&m, set, sizeof(m));
	return m;
}

static void mask_to(sigset_t *set, uint64_t m)
{
	memcpy(set, &m, sizeof(m));
}

static long set_mask(uint64_t m)
{
	return sys4(SYS_rt_sigprocmask, SIG_SETMASK, &m, 0, sizeof(m));
}

void umfs_guard_flush(void)
{
	struct guard *g = &umfs_guard_self;
	siginfo_t info = g->info;

	g->pending = 0;
	sys4(SYS_rt_tgsigqueueinfo, sys0(SYS_getpid), sys0(SYS_gettid), info.si_signo, &info);
	set_mask(g->mask);
}

static void defer(const siginfo_t *info, ucontext_t *uc)
{
	struct guard *g = &umfs_guard_self;

	g->info = *info;
	g->mask = mask_of(&uc->uc_sigmask);
	mask_to(&uc->uc_sigmask, ~FAULTS);
	g->pending = 1;
}

static void kernel_set(int sig, const struct kernel_action *act)
{
	sys4(SYS_rt_sigaction, sig, act, 0, sizeof(act->mask));
}

static void kernel_default(int sig)
{
	struct kernel_action dfl = {
		.handler = NULL, .flags = KERNEL_RESTORER, .restorer = umfs_signal_restorer};

	kernel_set(sig, &dfl);
}

/* What the host wants for `sig` now; SA_RESETHAND takes effect here. */
static struct sigaction host_take(int sig)
{
	bool lock = umfs_guard_self.busy == 0;
	struct sigaction act;

	umfs_guard_enter();
	if (lock)
		umfs_local_lock(LOCK_SIGNAL);
	act = host[sig];
	if ((act.sa_flags & (int)SA_RESETHAND) && act.sa_handler != SIG_IGN) {
		host[sig].sa_handler = SIG_DFL;
		if (!(FAULTS & BIT(sig))) {
			wrapped &= ~BIT(sig);
			kernel_default(sig);
		}
	}
	if (lock)
		umfs_local_unlock(LOCK_SIGNAL);
	umfs_guard_leave();
	return act;
}

/* Default or ignored: only SIGSEGV and SIGBUS get here with those. */
static void act_default(int sig, const siginfo_t *info, bool ignore)
{
	bool sent = info->si_code <= 0;

	if (ignore && sent)
		return;
	kernel_default(sig);
	/* A fault happens again on return; a signal that was sent must be sent again. */
	if (sent)
		sys3(SYS_tgkill, sys0(SYS_getpid), sys0(SYS_gettid), sig);
}

static void call_host(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct sigaction act = host_take(sig);
	uint64_t mask;

	if (act.sa_handler == SIG_DFL || act.sa_handler == SIG_IGN) {
		act_default(sig, info, act.sa_handler == SIG_IGN);
		return;
	}
	mask = mask_of(&uc->uc_sigmask) | mask_of(&act.sa_mask);
	if (!(act.sa_flags & SA_NODEFER))
		mask |= BIT(sig);
	set_mask(mask & ~FAULTS);
	if (act.sa_flags & SA_SIGINFO)
		act.sa_sigaction(sig, info, uc);
	else
		act.sa_handler(sig);
}

static void signal_entry(int sig, siginfo_t *info, void *ctx)
{
	if (umfs_guard_self.busy)
		defer(info, ctx);
	else
		call_host(sig, info, ctx);
}

/*
 * A pool that vanished under core (cut short, its file system full): the host
 * goes on, the pool does not.
 */
static bool contain(void *addr)
{
	if (!port_fault_in_pool((uintptr_t)addr))
		return false;
	for (uint32_t i = 0; i < umfs_config.mount_count; i++) {
		struct mount *m = &umfs_mounts[i];
		const uint8_t *base = m->pool.fs.base;

		if (!base || (uint8_t *)addr < base || (uint8_t *)addr >= base + m->pool.map_bytes)
			continue;
		if (!__atomic_exchange_n(&m->pool.fs.broken, 1, __ATOMIC_ACQ_REL))
			umfs_text_say("pool ", umfs_pool_path(m),
				      ": its memory is gone (cut short, or no space behind it);",
				      " everything in it now fails with EIO");
	}
	return port_fault_contain((uintptr_t)addr);
}

static void fault_entry(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	uintptr_t next = 0;

	if (info->si_code > 0)
		next = port_fault_fixup((uintptr_t)uc->uc_mcontext.gregs[REG_RIP],
					(uintptr_t)info->si_addr);
	if (next) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)next;
		return;
	}
	if (info->si_code > 0 && contain(info->si_addr))
		return;
	if (sig == SIGBUS && info->si_code > 0 && umfs_maps_fault((uintptr_t)info->si_addr))
		return;
	if (info->si_code <= 0 && umfs_guard_self.busy)
		defer(info, uc);
	else
		call_host(sig, info, uc);
}

static void host_from_kernel(struct sigaction *to, const struct kernel_action *from)
{
	memset(to, 0, sizeof(*to));
	to->sa_sigaction = (void (*)(int, siginfo_t *, void *))(uintptr_t)from->handler;
	to->sa_flags = (int)(from->flags & ~KERNEL_RESTORER);
	mask_to(&to->sa_mask, from->mask);
}

void umfs_signal_install(void)
{
	struct kernel_action act = {
		.handler = (void *)(uintptr_t)fault_entry,
		.flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTART | KERNEL_RESTORER,
		.restorer = umfs_signal_restorer,
	};
	static const int faults[] = {SIGSEGV, SIGBUS};
	struct kernel_action old;
	uint64_t unblock = FAULTS;

	umfs_local_lock(LOCK_SIGNAL);
	for (int i = 0; i < 2; i++) {
		int sig = faults[i];

		if (sys4(SYS_rt_sigaction, sig, &act, &old, sizeof(act.mask)))
			continue;
		if (old.handler || old.flags || old.mask) /* else it is that already */
			host_from_kernel(&host[sig], &old);
		wrapped |= BIT(sig);
	}
	umfs_local_unlock(LOCK_SIGNAL);
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &unblock, 0, sizeof(unblock));
}

/* Tell the kernel about the host's new action for `sig`; LOCK_SIGNAL held. */
static long kernel_tell(int sig, const struct sigaction *act, struct kernel_action *old)
{
	struct kernel_action k = {
		.handler = (void *)(uintptr_t)act->sa_sigaction,
		.flags = ((unsigned long)(unsigned)act->sa_flags & ~(unsigned long)SA_RESETHAND) |
			 KERNEL_RESTORER,
		.restorer = umfs_signal_restorer,
		.mask = mask_of(&act->sa_mask) & ~FAULTS,
	};

	if (act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN) {
		k.handler = (void *)(uintptr_t)signal_entry;
		k.flags |= SA_SIGINFO;
		k.mask = ~FAULTS;
	}
	return sys4(SYS_rt_sigaction, sig, &k, old, sizeof(k.mask));
}

static long action_change(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction before = host[sig];
	struct kernel_action kold = {0};
	bool ours = wrapped & BIT(sig);
	long err = 0;

	if (FAULTS & BIT(sig)) {
		if (act)
			host[sig] = *act;
	} else if (act) {
		err = kernel_tell(sig, act, &kold);
		if (!err && !ours)
			host_from_kernel(&before, &kold);
		if (!err)
			host[sig] = *act;
		if (!err && act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN)
			wrapped |= BIT(sig);
		else if (!err)
			wrapped &= ~BIT(sig);
	} else if (!ours) {
		err = sys4(SYS_rt_sigaction, sig, 0, &kold, sizeof(kold.mask));
		host_from_kernel(&before, &kold);
	}
	if (!err && old)
		*old = before;
	return err;
}

long umfs_hook_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction copy;
	long err;

	if (sig <= 0 || sig >= SIG_COUNT || (LIBC_OWN & BIT(sig)))
		return -EINVAL;
	if (act)
		copy = *act;
	if (!umfs_ready())
		return __sigaction(sig, act ? &copy : NULL, old) ? -errno : 0;
	umfs_guard_enter();
	umfs_local_lock(LOCK_SIGNAL);
	err = action_change(sig, act ? &copy : NULL, old);
	umfs_local_unlock(LOCK_SIGNAL);
	umfs_guard_leave();
	return err;
}

long umfs_hook_signal(int sig, void (*handler)(int), int flags, void (**before)(int))
{
	struct sigaction act = {0}, old;
	long err;

	act.sa_handler = handler;
	act.sa_flags = flags;
	if (!(flags & SA_NODEFER) && sig > 0 && sig < SIG_COUNT)
		mask_to(&act.sa_mask, BIT(sig));
	if (sig > 0 && sig < SIG_COUNT && (LOAD_RELAXED(&interrupting) & BIT(sig)))
		act.sa_flags &= ~SA_RESTART;
	err = umfs_hook_sigaction(sig, &act, &old);
	*before = err ? SIG_ERR : old.sa_handler;
	return err;
}

long umfs_hook_siginterrupt(int sig, int on)
{
	struct sigaction act;
	long err = umfs_hook_sigaction(sig, NULL, &act);

	if (err)
		return err;
	if (on) {
		__atomic_fetch_or(&interrupting, BIT(sig), __ATOMIC_RELAXED);
		act.sa_flags &= ~SA_RESTART;
	} else {
		__atomic_fetch_and(&interrupting, ~BIT(sig), __ATOMIC_RELAXED);
		act.sa_flags |= SA_RESTART;
	}
	return umfs_hook_sigaction(sig, &act, NULL);
}

long umfs_hook_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	struct guard *g = &umfs_guard_self;
	uint64_t want = 0, before = 0, hidden = umfs_ready() ? FAULTS : 0, blocked = g->blocked;
	long err;

	if (set)
		want = mask_of(set) & ~LIBC_OWN;
	if (how == SIG_BLOCK && set)
		g->blocked |= want & hidden;
	else if (how == SIG_UNBLOCK && set)
		g->blocked &= ~want;
	else if (how == SIG_SETMASK && set)
		g->blocked = want & hidden;
	if (how != SIG_UNBLOCK)
		want &= ~hidden;
	err = sys4(SYS_rt_sigprocmask, how, set ? &want : NULL, &before, sizeof(want));
	if (!err && old) {
		memset(old, 0, sizeof(*old));
		mask_to(old, before | blocked);
	}
	return err;
}
