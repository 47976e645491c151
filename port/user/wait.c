// SPDX-License-Identifier: BSD-3-Clause
/* wait.c - waiting and waking across processes, thread numbers, time, failed assertions. */
#include "sys.h"
#include "port_own.h"
#include "order.h"
#include "umfs_port.h"

#include <linux/futex.h>
#include <time.h>

#define NS_PER_S 1000000000ull

static void wait_here(const uint32_t *word, uint32_t seen, uint64_t ns)
{
	int64_t until = port_now_ns() + (int64_t)ns;

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == seen && port_now_ns() < until)
		port_relax();
}

/*
 * Not FUTEX_PRIVATE: waiters of other processes find the word by the file page
 * behind it.
 */
void port_wait(const uint32_t *word, uint32_t seen, uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S),
	};

	if (port_quiet)
		wait_here(word, seen, ns);
	else
		(void)sys4(SYS_futex, word, FUTEX_WAIT, seen, &ts);
}

void port_wake(const uint32_t *word)
{
	/* Nobody sleeps longer than a moment. */
	if (!port_quiet)
		(void)sys3(SYS_futex, word, FUTEX_WAKE, INT32_MAX);
}

/* Kernel thread ids are below 2^22 and unique within an address space. */
static __thread uint32_t thread_id __attribute__((tls_model("initial-exec")));

static __thread bool keeps_setid __attribute__((tls_model("initial-exec")));

bool port_keeps_setid(void)
{
	return keeps_setid;
}

void pool_keep_setid(bool keeps)
{
	keeps_setid = keeps;
}

uint32_t port_thread(void)
{
	if (__builtin_expect(!thread_id, 0))
		thread_id = (uint32_t)sys0(SYS_gettid);
	return thread_id;
}

void port_thread_forget(void)
{
	thread_id = 0;
}

int64_t port_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return ts.tv_sec * (int64_t)NS_PER_S + ts.tv_nsec;
}

#ifdef UMFS_DEBUG
struct umfs_order *port_order(void)
{
	static __thread struct umfs_order order __attribute__((tls_model("initial-exec")));

	return &order;
}
#endif

static void say(const char *text)
{
	(void)sys3(SYS_write, 2, text, strlen(text));
}

static void say_number(int n)
{
	char digits[12];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	say(p);
}

void port_bug(const char *what, const char *file, int line)
{
	static uint32_t said;

	if (!__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED)) {
		say("umfs: assertion failed: ");
		say(what);
		say(" at ");
		say(file);
		say(":");
		say_number(line);
		say("; the pool answers EIO from now on\n");
	}
#ifdef UMFS_DEBUG
	__builtin_trap();
#endif
}
