// SPDX-License-Identifier: BSD-3-Clause
/*
 * init.c - the library's beginning and end.
 *
 * The constructor reads the environment, and where that names a mount makes
 * the process ready for it; pools are attached when they are first used. It
 * runs before all others (-z initfirst); where another library has taken that
 * place, the first call with a path does its work.
 */
#include <dlfcn.h>
#include <unistd.h>

#include "hooks.h"
#include "internal.h"
#include "path.h"

uint32_t umfs_init_done PORT_START;
static uint32_t init_begun PORT_START;

static void init(char **envp)
{
	if (__atomic_exchange_n(&init_begun, 1, __ATOMIC_ACQ_REL))
		return;
	umfs_config_init(envp);
	if (umfs_active()) {
		umfs_cred_init();
		umfs_signal_install();
		umfs_report_init();
		umfs_redirect_refusal = umfs_redirect_init();
		umfs_process_init(); /* its page of libc may be one that was stored to just now */
		umfs_inherit_init(envp);
	}
	STORE(&umfs_init_done, 1);
}

void umfs_init_late(void)
{
	/* Before libc has set it there is no environment to read. */
	if (environ)
		init(environ);
}

__attribute__((constructor)) static void constructor(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)argv;
	init(envp);
}

__attribute__((destructor)) static void destructor(void)
{
	if (!umfs_active())
		return;
	umfs_process_look();
	if (umfs_config.report)
		umfs_report_write();
	/* Where threads go on, or files are still open, the pools stay for them. */
	if (!port_quiet && !umfs_guard_self.busy && !umfs_uinfo_open_count() &&
	    umfs_process_alone()) {
		umfs_cwd_forget();
		umfs_mount_leave();
	}
}

void *umfs_libc(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f) {
		umfs_text_say("libc has no function ", name, "", "");
		sys1(SYS_exit_group, 127);
	}
	return f;
}
