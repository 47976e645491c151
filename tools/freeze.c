// SPDX-License-Identifier: BSD-3-Clause
/*
 * freeze.c - `umfs freeze` and `umfs thaw`: a pool kept as it is while it is copied.
 *
 * Frozen is what a process that is alive keeps frozen: with a command it is this one,
 * as long as the command runs; without one it is a child that stays behind.
 */
#include "internal.h"
#include "tools.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_OWN 125 /* with a command: what went wrong is ours, as env(1) and others have it */
#define EXIT_NO_EXEC 126
#define EXIT_NOT_FOUND 127
#define NS_PER_S 1000000000ull
#define WAIT_S 60u	   /* for operations under way, unless told otherwise */
#define LOOK_NS NS_PER_S   /* whoever stays behind looks so often whether it was thawed */
#define LEAVE_STEPS 200u   /* of 10 ms: how long thaw waits for it to be gone */
#define LEAVE_STEP_NS 10000000ull

static const char freeze_usage[] =
	"Usage: umfs freeze [--wait SECONDS] POOL [-- CMD [ARG...]]\n"
	"\n"
	"Waits until no program is inside a call that changes POOL, and lets none begin another\n"
	"one; programs that try wait, those that read go on. A copy of POOL made meanwhile, with\n"
	"cp, dd or anything else, is whole: every call that was answered before is in it.\n"
	"\n"
	"With CMD, POOL is frozen while that runs, and the exit code is CMD's. Without, it\n"
	"stays frozen until `umfs thaw POOL`, kept so by a process that stays behind; when that\n"
	"is killed, POOL is thawed.\n"
	"\n"
	"  -w, --wait SECONDS  how long to wait for calls under way, meanwhile others wait too;\n"
	"                      then give up (default 60)\n"
	"  -h, --help          this text\n"
	"  -V, --version       the version\n"
	"\n"
	"    umfs freeze POOL -- cp --sparse=always POOL COPY\n"
	"\n"
	"What programs store through shared mappings of files does not wait.\n";

static const char thaw_usage[] =
	"Usage: umfs thaw POOL\n"
	"\n"
	"Ends what `umfs freeze` began: programs that wait go on.\n"
	"\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n";

static const struct option longs[] = {
	{"wait", required_argument, NULL, 'w'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

/* ---- freezing ---- */

static uint32_t pid_of(struct pool *p, uint32_t slot)
{
	return slot < p->fs.geo.slot_count ? ld32(&umfs_slot(&p->fs, slot)->pid) : 0;
}

static void say_mapped(struct pool *p, const char *path)
{
	uint32_t n = umfs_mapped_files(&p->fs);

	if (n)
		complain("%s: %u open file%s mapped by programs: what these store through shared "
			 "mappings does not wait", path, n, n == 1 ? " is" : "s are");
}

static bool freeze(struct pool *p, const char *path, uint32_t wait_s)
{
	uint32_t slot;
	int err = pool_attach(p, path, UMFS_MODE_POSIX); /* the weakest: others may ask for more */

	if (err) {
		complain("%s: %s", path, pool_strerror(err));
		return false;
	}
	err = umfs_freeze(&p->fs, wait_s * NS_PER_S, &slot);
	if (err == -EBUSY)
		complain("%s: process %u keeps it frozen", path, pid_of(p, slot));
	else if (err == -ETIMEDOUT)
		complain("%s: process %u has been inside a call for %u s, is it stopped? Nothing is frozen",
			 path, pid_of(p, slot), wait_s);
	else if (err)
		complain("%s: %s", path, pool_strerror(err));
	else
		say_mapped(p, path);
	if (err)
		pool_close(p);
	return !err;
}

/* ---- while a command runs ---- */

static void passed_on(sigset_t *set)
{
	static const int signals[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
	size_t i;

	sigemptyset(set);
	for (i = 0; i < UMFS_ARRAY_LEN(signals); i++)
		sigaddset(set, signals[i]);
}

/* A copy that goes on without the freeze would not be one: it ends with us. */
static _Noreturn void run(char **argv, const sigset_t *mask, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_OWN);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	complain("%s: %s", argv[0], strerror(errno));
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NO_EXEC);
}

/* What a terminal sends it sends to both of us. */
static int wait_for(pid_t pid, const sigset_t *set)
{
	siginfo_t info;
	int status;

	for (;;) {
		if (sigwaitinfo(set, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD) {
			if (info.si_code <= 0)
				kill(pid, info.si_signo);
			continue;
		}
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

static int freeze_around(const char *path, uint32_t wait_s, char **argv)
{
	static struct pool p;
	sigset_t set, before;
	pid_t self = getpid(), pid;
	int code;

	if (!freeze(&p, path, wait_s))
		return EXIT_OWN;
	passed_on(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	pid = fork();
	if (!pid)
		run(argv, &before, self);
	if (pid < 0)
		complain("%s: %s", argv[0], strerror(errno));
	code = pid < 0 ? EXIT_OWN : wait_for(pid, &set);
	if (umfs_thaw(&p.fs)) {
		complain("%s: was thawed by somebody else while %s ran: a copy that this made is "
			 "not to be trusted", path, argv[0]);
		code = EXIT_OWN;
	}
	pool_close(&p);
	return code;
}

/* ---- until it is thawed ---- */

static volatile sig_atomic_t told_to_end;

static void on_end(int sig)
{
	(void)sig;
	told_to_end = 1;
}

static void let_go_of_caller(void)
{
	int null = open("/dev/null", O_RDWR);
	int fd;

	for (fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (chdir("/"))
		told_to_end = 1;
}

/* Thaw stores the word and wakes who sleeps on it. */
static void stay(struct pool *p)
{
	const le64 *word = &umfs_runtime(&p->fs)->freeze;
	uint32_t slot, seen;

	for (;;) {
		seen = (uint32_t)ld64(word);
		if (told_to_end || !umfs_frozen_by(&p->fs, &slot) || slot != p->fs.slot)
			return;
		port_wait((const uint32_t *)(const void *)word, seen, LOOK_NS);
	}
}

static _Noreturn void keep(const char *path, uint32_t wait_s, int ready)
{
	static struct pool p;
	struct sigaction act = {.sa_handler = on_end};

	setsid();
	if (!freeze(&p, path, wait_s))
		_exit(1);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	let_go_of_caller();
	if (write(ready, "", 1) != 1)
		told_to_end = 1;
	close(ready);
	stay(&p);
	(void)umfs_thaw(&p.fs);
	pool_close(&p);
	_exit(0);
}

static int freeze_and_leave(const char *path, uint32_t wait_s)
{
	int ends[2];
	pid_t pid;
	char c;

	if (pipe2(ends, O_CLOEXEC))
		fail("%s: %s", path, strerror(errno));
	pid = fork();
	if (pid < 0)
		fail("%s: %s", path, strerror(errno));
	if (!pid) {
		close(ends[0]);
		keep(path, wait_s, ends[1]);
	}
	close(ends[1]);
	if (read(ends[0], &c, 1) != 1)
		return 1; /* the child said why */
	printf("%s: frozen by process %d\n", path, (int)pid);
	return 0;
}

static uint32_t parse_seconds(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || n > 1000000)
		fail("bad number of seconds: %s", text);
	return (uint32_t)n;
}

int freeze_main(int argc, char **argv)
{
	uint32_t wait_s = WAIT_S;
	const char *path;
	int c;

	while ((c = getopt_long(argc, argv, "+w:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'w':
			wait_s = parse_seconds(optarg);
			break;
		case 'h':
			fputs(freeze_usage, stdout);
			return 0;
		case 'V':
			puts("umfs " PACKAGE_VERSION);
			return 0;
		default:
			fputs("Try 'umfs freeze --help'.\n", stderr);
			return 1;
		}
	}
	if (optind >= argc)
		fail("freeze wants a POOL; try 'umfs freeze --help'");
	path = argv[optind++];
	if (optind == argc)
		return freeze_and_leave(path, wait_s);
	if (strcmp(argv[optind], "--") || optind + 1 == argc)
		fail("freeze wants one POOL, and a command after --; try 'umfs freeze --help'");
	return freeze_around(path, wait_s, argv + optind + 1);
}

/* ---- thaw ---- */

/* Who stays behind leaves the pool at once; who runs a command does so at its end. */
static void wait_gone(struct pool *p, uint32_t slot)
{
	const struct timespec step = {.tv_nsec = LEAVE_STEP_NS};
	uint32_t i;

	for (i = 0; i < LEAVE_STEPS && pool_slot_alive(p, slot) == 1; i++)
		nanosleep(&step, NULL);
}

static void thaw(const char *path)
{
	static struct pool p;
	bool from_backup;
	uint32_t slot;
	int err = pool_open(&p, path, 0, &from_backup);

	if (err)
		fail("%s: %s", path, pool_strerror(err));
	/* What a dead process froze, or what was copied, nobody keeps frozen. */
	if (!umfs_frozen_by(&p.fs, &slot) || pool_slot_alive(&p, slot) != 1 ||
	    umfs_thaw_of(&p.fs, slot))
		fail("%s: is not frozen", path);
	wait_gone(&p, slot);
	pool_close(&p);
}

int thaw_main(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "hV", longs + 1, NULL)) != -1) {
		switch (c) {
		case 'h':
			fputs(thaw_usage, stdout);
			return 0;
		case 'V':
			puts("umfs " PACKAGE_VERSION);
			return 0;
		default:
			fputs("Try 'umfs thaw --help'.\n", stderr);
			return 1;
		}
	}
	if (argc - optind != 1)
		fail("thaw wants one POOL; try 'umfs thaw --help'");
	thaw(argv[optind]);
	return 0;
}
