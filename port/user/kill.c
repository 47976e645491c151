// SPDX-License-Identifier: BSD-3-Clause
/*
 * kill.c - die, or stop, at a given store into a pool (builds with kill hooks).
 *
 * UMFS_KILL_AT=n in the environment kills the process with SIGKILL right after
 * its n-th store into a pool, UMFS_STOP_AT=n stops it there; UMFS_STORE_BYTES=n
 * has only stores of so many bytes or more counted, which are those of data. A
 * program counts its own with port_kill_arm. UMFS_COUNT_FD=n has it write to that
 * descriptor, at its end, how many lines it flushed and how many fences it made.
 */
#include "kill.h"
#include "ranges.h"
#include "sys.h"
#include "umfs_port.h"

#include <signal.h>
#include <time.h>

static uint64_t count;
static uint64_t last;
static uint64_t least_bytes;
static uint64_t pause_every; /* stores; 0: none */
static int what = SIGKILL;
static bool armed;
static int count_fd = -1;

uint64_t port_lines_flushed, port_fences;

void port_fenced(void)
{
	__atomic_fetch_add(&port_fences, 1, __ATOMIC_RELAXED);
}

/* Long enough that others run, and come by what is half done. */
static void pause_at_times(void)
{
	static _Thread_local uint64_t stores;
	uint64_t every = __atomic_load_n(&pause_every, __ATOMIC_RELAXED);
	const struct timespec a_moment = {.tv_nsec = 1000};

	if (every && ++stores % every == 0)
		(void)sys2(SYS_nanosleep, &a_moment, NULL);
}

void port_pause_arm(uint64_t every)
{
	__atomic_store_n(&pause_every, every, __ATOMIC_RELAXED);
}

void port_stored(const void *p, uint64_t n)
{
	pause_at_times();
	if (!__atomic_load_n(&armed, __ATOMIC_RELAXED) || n < least_bytes ||
	    !port_range_has((uintptr_t)p))
		return;
	if (__atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) == last)
		(void)sys2(SYS_kill, sys0(SYS_getpid), what);
}

void port_kill_arm(uint64_t n)
{
	last = n;
	count = 0;
	__atomic_store_n(&armed, true, __ATOMIC_RELEASE);
}

void port_stop_arm(uint64_t n)
{
	what = SIGSTOP;
	port_kill_arm(n);
}

void port_kill_disarm(void)
{
	__atomic_store_n(&armed, false, __ATOMIC_RELEASE);
	what = SIGKILL;
}

uint64_t port_kill_count(void)
{
	return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

/* The number in `entry` when it is NAME=number, else 0. */
static uint64_t number_of(const char *entry, const char *name)
{
	uint64_t n = 0;

	while (*name && *entry == *name) {
		entry++;
		name++;
	}
	if (*name || *entry++ != '=')
		return 0;
	while (*entry >= '0' && *entry <= '9')
		n = n * 10 + (uint64_t)(*entry++ - '0');
	return n;
}

/* glibc hands a constructor what it hands main. */
__attribute__((constructor(102))) static void kill_init(int argc, char **argv, char **env)
{
	(void)argc;
	(void)argv;
	for (; env && *env; env++) {
		uint64_t n = number_of(*env, "UMFS_KILL_AT");

		if (n)
			port_kill_arm(n);
		n = number_of(*env, "UMFS_STOP_AT");
		if (n)
			port_stop_arm(n);
		n = number_of(*env, "UMFS_STORE_BYTES");
		if (n)
			least_bytes = n;
		n = number_of(*env, "UMFS_COUNT_FD");
		if (n)
			count_fd = (int)n;
	}
}

static void say(uint64_t n, char end)
{
	char text[24];
	uint32_t at = sizeof(text);

	text[--at] = end;
	do {
		text[--at] = (char)('0' + n % 10);
	} while (n /= 10);
	(void)sys3(SYS_write, count_fd, text + at, sizeof(text) - at);
}

__attribute__((destructor)) static void kill_end(void)
{
	if (count_fd < 0)
		return;
	say(port_lines_flushed, ' ');
	say(port_fences, '\n');
}
