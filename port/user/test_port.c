// SPDX-License-Identifier: BSD-3-Clause
/* test_port.c - threads, waiting, time, and the hooks that kill at a store. */
#include "test_pools.h"
#include "kill.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void thread_number_fits_lock_word(void **state)
{
	(void)state;
	assert_int_equal(port_thread(), gettid());
	assert_true(port_thread() <= UMFS_LOCK_THREAD_MASK);
}

static void clock_agrees_with_time(void **state)
{
	int64_t before = time(NULL), now = port_now_ns() / 1000000000, after = time(NULL);

	(void)state;
	assert_true(before - 1 <= now && now <= after + 1);
}

#define LONG_NS 60000000000ull /* nobody is kept from running for half of it */

static void wait_wakes_across_processes(void **state)
{
	struct pool *p = *state;
	uint32_t *word = (uint32_t *)p->fs.base;
	int64_t start = port_now_ns();
	pid_t child;

	port_wait(word, *word + 1, LONG_NS);
	assert_true(port_now_ns() - start < (int64_t)LONG_NS / 2);
	child = fork();
	if (!child) {
		usleep(50000);
		__atomic_store_n(word, 1, __ATOMIC_RELEASE);
		port_wake(word);
		_exit(0);
	}
	while (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
		port_wait(word, 0, LONG_NS);
	assert_true(port_now_ns() - start < (int64_t)LONG_NS / 2);
	waitpid(child, NULL, 0);
	start = port_now_ns();
	port_wait(word, 1, 20000000);
	assert_true(port_now_ns() - start < (int64_t)LONG_NS / 2);
}

/* ---- kill hooks ---- */

static void kill_at_nth_store_kills_there(void **state)
{
	struct pool *p = *state;
	le64 *words = (le64 *)p->fs.base;
	le64 outside = {0};
	uint64_t n;

	port_kill_arm(0);
	st64(&words[0], 1);
	st64(&outside, 1);
	port_copy(words, "abcdefgh", 8); /* never half a word */
	assert_int_equal(port_kill_count(), 2);
	port_copy((char *)words + 4, "abcdefgh", 8);
	assert_int_equal(port_kill_count(), 4);
	port_kill_disarm();
	st64(&words[0], 1);
	assert_int_equal(port_kill_count(), 4);
	for (n = 1; n <= 4; n++) {
		pid_t child;
		int status, i;

		memset(words, 0, 64);
		child = fork();
		if (!child) {
			port_kill_arm(n);
			for (i = 0; i < 4; i++)
				st64(&words[i], 1);
			_exit(0);
		}
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		for (i = 0; i < 4; i++)
			assert_int_equal(ld64(&words[i]), (uint64_t)i < n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thread_number_fits_lock_word),
		cmocka_unit_test(clock_agrees_with_time),
		WITH_POOL(wait_wakes_across_processes),
		WITH_POOL(kill_at_nth_store_kills_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
