// SPDX-License-Identifier: BSD-3-Clause
/* test_history.c - histories made by hand: those that are wrong are found, the others are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "history.h"

#define W(start, end, number) {start, end, number, 0, HISTORY_WRITE}
#define R(start, end, number) {start, end, number, 1, HISTORY_READ}
#define REGISTER(...)                                                                              \
	judge_register((struct history_event[]){__VA_ARGS__},                                      \
		       sizeof((struct history_event[]){__VA_ARGS__}) / sizeof(struct history_event))

static char why[256];

static int judge_register(struct history_event *events, size_t count)
{
	return history_register(events, count, 0, why);
}

static void register_in_order_is_right(void **state)
{
	(void)state;
	assert_int_equal(history_register(NULL, 0, 0, why), 0);
	assert_int_equal(REGISTER(R(1, 2, 0), W(3, 4, 7), R(5, 6, 7), W(7, 8, 9), R(9, 10, 9)), 0);
}

static void register_while_writing_either_is_right(void **state)
{
	(void)state;
	assert_int_equal(REGISTER(W(10, 20, 7), R(11, 12, 0), R(13, 14, 7), R(21, 22, 7)), 0);
	assert_int_equal(REGISTER(W(10, 20, 7), W(10, 20, 9), R(21, 22, 7)), 0);
	assert_int_equal(REGISTER(W(10, 20, 7), W(10, 20, 9), R(21, 22, 9), R(12, 13, 7)), 0);
	/* Two readers at once may see it the one before, the other after. */
	assert_int_equal(REGISTER(W(10, 20, 7), R(11, 15, 7), R(12, 16, 0)), 0);
}

static void register_stale_is_found(void **state)
{
	(void)state;
	assert_int_equal(REGISTER(W(1, 2, 7), R(3, 4, 0)), -1);
	assert_int_equal(REGISTER(W(1, 2, 7), W(3, 4, 9), R(5, 6, 7)), -1);
	assert_int_equal(REGISTER(W(1, 2, 7), W(3, 4, 9), R(4, 6, 7)), 0); /* as soon as it ended, not after */
}

static void register_going_back_is_found(void **state)
{
	(void)state;
	/* The write goes on all the while, so that neither read is stale. */
	assert_int_equal(REGISTER(W(10, 90, 7), R(20, 30, 7), R(40, 50, 0)), -1);
	assert_int_equal(REGISTER(W(10, 90, 7), W(10, 90, 9), R(20, 30, 7), R(40, 50, 9),
				  R(60, 70, 7)), -1);
}

static void register_two_readers_of_two_orders_are_found(void **state)
{
	(void)state;
	assert_int_equal(REGISTER(W(10, 90, 7), W(10, 90, 9), R(20, 30, 7), R(40, 50, 9),
				  R(21, 31, 9), R(41, 51, 7)), -1);
}

static void register_from_nowhere_is_found(void **state)
{
	(void)state;
	assert_int_equal(REGISTER(W(1, 2, 7), R(3, 4, 8)), -1);
	assert_non_null(strstr(why, "nobody"));
	assert_int_equal(REGISTER(R(1, 2, 7), W(3, 4, 7)), -1);
	assert_non_null(strstr(why, "before its write began"));
	assert_int_equal(REGISTER(W(1, 2, 7), W(3, 4, 7)), -1);
	assert_non_null(strstr(why, "twice"));
}

static void register_of_dead_writer_did_it_or_not(void **state)
{
	(void)state;
	assert_int_equal(REGISTER(W(10, HISTORY_NEVER, 7), R(20, 30, 0), R(40, 50, 0)), 0);
	assert_int_equal(REGISTER(W(10, HISTORY_NEVER, 7), R(20, 30, 0), R(40, 50, 7)), 0);
	assert_int_equal(REGISTER(W(10, HISTORY_NEVER, 7), R(20, 30, 7), R(40, 50, 0)), -1);
	assert_int_equal(REGISTER(W(10, HISTORY_NEVER, 7), R(5, 6, 7)), -1);
}

static void register_inside_of_another_is_found(void **state)
{
	(void)state;
	/* All of 9 happens while 7 is known to be there. */
	assert_int_equal(REGISTER(W(1, 2, 7), W(10, 20, 9), R(30, 40, 7)), -1);
	assert_int_equal(REGISTER(W(1, 2, 7), W(10, 35, 9), R(30, 40, 7)), 0);
}

/* ---- all orders tried, for a check of the check ---- */

#define SMALL 6u
#define UMIN(a, b) ((a) < (b) ? (a) : (b))

/* Is there an order of those left, after what was taken, when `now` is what it holds? */
static int explains(const struct history_event *e, uint32_t n, uint32_t left, uint64_t now)
{
	uint32_t i, k;

	if (!left)
		return 1;
	for (i = 0; i < n; i++) {
		int first = left >> i & 1;

		for (k = 0; first && k < n; k++)
			first = !(left >> k & 1) || k == i || e[k].end >= e[i].start;
		if (!first || (e[i].kind == HISTORY_READ && e[i].number != now))
			continue;
		if (explains(e, n, left & ~(1u << i),
			     e[i].kind == HISTORY_READ ? now : e[i].number))
			return 1;
	}
	return 0;
}

static void register_judged_as_by_trying_all_orders(void **state)
{
	struct history_event e[SMALL], kept[SMALL];
	uint32_t round, i, good = 0;

	(void)state;
	srand(1);
	for (round = 0; round < 200000; round++) {
		uint32_t n = 2 + (uint32_t)rand() % (SMALL - 1), writes = 1 + (uint32_t)rand() % UMIN(n, 3u);
		int want;

		for (i = 0; i < n; i++) {
			uint64_t start = 1 + (uint64_t)rand() % 12;

			e[i] = (struct history_event){start, start + (uint64_t)rand() % 8,
						      i < writes ? i + 1
								 : (uint64_t)rand() % (writes + 1),
						      i, i < writes ? HISTORY_WRITE : HISTORY_READ};
		}
		memcpy(kept, e, sizeof(e));
		want = explains(kept, n, (1u << n) - 1, 0) ? 0 : -1;
		good += !want;
		assert_int_equal(history_register(e, n, 0, why), want);
	}
	assert_in_range(good, 1000, 199000); /* of both kinds enough */
}

/* ---- logs ---- */

static const struct history_record three[] = {{10, 20, 100}, {15, 30, 200}, {40, 50, 300}};

static int judge_looks(struct history_look *looks, size_t count)
{
	return history_log(three, 3, looks, count, why);
}
#define LOOKS(...)                                                                                 \
	judge_looks((struct history_look[]){__VA_ARGS__},                                          \
		    sizeof((struct history_look[]){__VA_ARGS__}) / sizeof(struct history_look))

static void log_in_order_is_right(void **state)
{
	(void)state;
	assert_int_equal(history_log(NULL, 0, NULL, 0, why), 0);
	assert_int_equal(judge_looks(NULL, 0), 0);
	assert_int_equal(LOOKS({1, 5, 0}, {16, 17, 100}, {18, 19, 200}, {31, 39, 200}, {45, 46, 300}), 0);
	/* At once, and so in any order. */
	assert_int_equal(LOOKS({16, 19, 100}, {16, 19, 200}, {16, 19, 0}), 0);
}

static void log_against_time_is_found(void **state)
{
	static const struct history_record turned[] = {{40, 50, 100}, {10, 20, 200}};
	static const struct history_record far[] = {{40, 50, 100}, {45, 60, 200}, {10, 20, 300}};

	(void)state;
	assert_int_equal(history_log(turned, 2, NULL, 0, why), -1);
	assert_int_equal(history_log(far, 3, NULL, 0, why), -1);
}

static void log_cut_record_is_found(void **state)
{
	(void)state;
	assert_int_equal(LOOKS({16, 17, 150}), -1);
	assert_int_equal(LOOKS({60, 70, 301}), -1);
}

static void log_stale_or_early_is_found(void **state)
{
	(void)state;
	assert_int_equal(LOOKS({31, 32, 100}), -1); /* the second had ended */
	assert_int_equal(LOOKS({31, 35, 300}), -1); /* the third had not begun */
}

static void log_going_back_is_found(void **state)
{
	(void)state;
	/* Each by itself may be: the second record's append goes on all the while. */
	assert_int_equal(LOOKS({21, 23, 200}), 0);
	assert_int_equal(LOOKS({25, 27, 100}), 0);
	assert_int_equal(LOOKS({21, 23, 200}, {25, 27, 100}), -1);
	assert_int_equal(LOOKS({21, 26, 200}, {25, 27, 100}), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(register_in_order_is_right),
		cmocka_unit_test(register_while_writing_either_is_right),
		cmocka_unit_test(register_stale_is_found),
		cmocka_unit_test(register_going_back_is_found),
		cmocka_unit_test(register_two_readers_of_two_orders_are_found),
		cmocka_unit_test(register_from_nowhere_is_found),
		cmocka_unit_test(register_of_dead_writer_did_it_or_not),
		cmocka_unit_test(register_inside_of_another_is_found),
		cmocka_unit_test(register_judged_as_by_trying_all_orders),
		cmocka_unit_test(log_in_order_is_right),
		cmocka_unit_test(log_against_time_is_found),
		cmocka_unit_test(log_cut_record_is_found),
		cmocka_unit_test(log_stale_or_early_is_found),
		cmocka_unit_test(log_going_back_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
