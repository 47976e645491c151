/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * refuse.c - run a command to which the kernel refuses something.
 *
 *   refuse memfd COMMAND...       memfd_create() fails with EPERM
 *   refuse map BYTES COMMAND...   mapping a file over other code, so many bytes, fails with EACCES
 *   refuse exec COMMAND...        mprotect() that makes memory executable fails with EACCES
 *   refuse mdwe COMMAND...        no memory becomes executable that was writable (PR_SET_MDWE)
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1ul
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))

static int filter(struct sock_filter *code, unsigned short n)
{
	struct sock_fprog prog = { .len = n, .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static int refuse_memfd(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		UNLESS(SYS_memfd_create, 1),
		ANSWER(SECCOMP_RET_ERRNO | EPERM),
		ANSWER(SECCOMP_RET_ALLOW),
	};

	return filter(code, sizeof(code) / sizeof(code[0]));
}

static int refuse_map(unsigned bytes)
{
	struct sock_filter code[] = {
		LOAD(nr),
		UNLESS(SYS_mmap, 7),
		LOAD(args[1]),
		UNLESS(bytes, 5),
		LOAD(args[2]),
		UNLESS(PROT_READ | PROT_EXEC, 3),
		LOAD(args[3]),
		UNLESS(MAP_PRIVATE | MAP_FIXED, 1),
		ANSWER(SECCOMP_RET_ERRNO | EACCES),
		ANSWER(SECCOMP_RET_ALLOW),
	};

	return filter(code, sizeof(code) / sizeof(code[0]));
}

static int refuse_exec(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		UNLESS(SYS_mprotect, 3),
		LOAD(args[2]),
		UNLESS(PROT_READ | PROT_EXEC, 1),
		ANSWER(SECCOMP_RET_ERRNO | EACCES),
		ANSWER(SECCOMP_RET_ALLOW),
	};

	return filter(code, sizeof(code) / sizeof(code[0]));
}

int main(int argc, char **argv)
{
	int at = 2, err = 1;

	if (argc > 2 && !strcmp(argv[1], "memfd"))
		err = refuse_memfd();
	else if (argc > 3 && !strcmp(argv[1], "map"))
		err = refuse_map((unsigned)strtoul(argv[at++], NULL, 10));
	else if (argc > 2 && !strcmp(argv[1], "exec"))
		err = refuse_exec();
	else if (argc > 2 && !strcmp(argv[1], "mdwe"))
		err = prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
	if (err) {
		perror("refuse");
		return 77;
	}
	execvp(argv[at], argv + at);
	perror(argv[at]);
	return 127;
}
