// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_sim.c - the simulator itself: a protocol that forgets a flush or a fence
 * must be caught, a right one must pass.
 *
 * The protocol: store a value, make it durable, store a flag, make it durable.
 * An image with the flag and without the value is a failure.
 */
#include "unit.h"

static const struct sim_effort effort = {
	.exhaustive = 64, .singles = 8, .prefixes = 8, .randoms = 32, .seed = 1};

struct toy {
	struct sim *sim;
	struct sim_log log;
	le64 *value, *flag; /* in lines of their own, in the last page of the pool */
	uint64_t bad, both, none, complete_without;
};

enum { FLUSH_VALUE = 1, FENCE_VALUE = 2, FLUSH_FLAG = 4, FENCE_FLAG = 8, ALL = 15 };

static int look(void *arg, const struct sim_point *point)
{
	struct toy *t = arg;
	bool value = ld64(t->value) == 7, flag = ld64(t->flag) == 1;

	t->bad += flag && !value;
	t->both += flag && value;
	t->none += !flag && !value;
	t->complete_without += point->complete && !flag;
	return 0;
}

static void toy_start(struct toy *t, struct unit *u)
{
	memset(t, 0, sizeof(*t));
	t->sim = sim_copy(u->sim);
	assert_non_null(t->sim);
	t->sim->watch_backing = false;
	t->value = (le64 *)(t->sim->mem + t->sim->bytes - 128);
	t->flag = (le64 *)(t->sim->mem + t->sim->bytes - 64);
	t->sim->log = &t->log;
}

static void toy_end(struct toy *t)
{
	sim_log_free(&t->log);
	sim_free(t->sim);
}

static uint64_t cut(struct toy *t)
{
	t->sim->log = NULL;
	assert_true(sim_log_complete(t->sim, &t->log));
	return sim_images_cut(t->sim, &t->log, 0, &effort, look, t);
}

static void protocol(struct toy *t, uint32_t steps, bool nt)
{
	uint64_t seven = 7;

	if (nt)
		port_copy_nt(t->value, &seven, 8);
	else
		st64(t->value, 7);
	if (steps & FLUSH_VALUE)
		port_flush_lines(t->value, 8);
	if (steps & FENCE_VALUE)
		port_fence();
	st64(t->flag, 1);
	if (steps & FLUSH_FLAG)
		port_flush_lines(t->flag, 8);
	if (steps & FENCE_FLAG)
		port_fence();
}

static void protocol_right_never_caught(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	protocol(&t, ALL, false);
	assert_true(cut(&t) > 3);
	assert_int_equal(t.bad, 0);
	assert_true(t.both > 0 && t.none > 0);
	assert_int_equal(t.complete_without, 0);
	toy_end(&t);
}

static void flush_or_fence_missing_caught(void **state)
{
	static const uint32_t wrong[] = {ALL & ~FLUSH_VALUE, ALL & ~FENCE_VALUE,
					 FLUSH_FLAG | FENCE_FLAG};
	struct toy t;
	uint32_t i;

	for (i = 0; i < UMFS_ARRAY_LEN(wrong); i++) {
		toy_start(&t, *state);
		protocol(&t, wrong[i], false);
		cut(&t);
		assert_true(t.bad > 0);
		toy_end(&t);
	}
}

static void last_flush_or_fence_missing_caught(void **state)
{
	struct toy t;
	uint32_t steps;

	for (steps = FLUSH_VALUE | FENCE_VALUE; steps < ALL; steps += FLUSH_FLAG) {
		toy_start(&t, *state);
		protocol(&t, steps, false);
		cut(&t);
		assert_int_equal(t.bad, 0);
		assert_true(t.complete_without > 0);
		toy_end(&t);
	}
}

static void nt_store_needs_fence_but_no_flush(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	protocol(&t, ALL & ~FLUSH_VALUE, true);
	cut(&t);
	assert_int_equal(t.bad, 0);
	toy_end(&t);
	toy_start(&t, *state);
	protocol(&t, ALL & ~FENCE_VALUE, true);
	cut(&t);
	assert_true(t.bad > 0);
	toy_end(&t);
}

/* Within a line the order of stores holds without a flush between. */
static void stores_to_one_line_persist_in_order(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	t.flag = t.value + 1;
	st64(t.value, 7);
	st64(t.flag, 1);
	port_flush_lines(t.flag, 8);
	port_fence();
	assert_true(cut(&t) >= 3);
	assert_int_equal(t.bad, 0);
	assert_true(t.both > 0 && t.none > 0);
	toy_end(&t);
}

/* ... and against it. */
static void stores_to_one_line_in_wrong_order_caught(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	t.flag = t.value + 1;
	st64(t.flag, 1);
	st64(t.value, 7);
	port_flush_lines(t.flag, 8);
	port_fence();
	cut(&t);
	assert_true(t.bad > 0);
	toy_end(&t);
}

static void flush_before_store_does_not_count(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	port_flush_lines(t.value, 8);
	st64(t.value, 7);
	port_fence();
	st64(t.flag, 1);
	port_flush_lines(t.flag, 8);
	port_fence();
	cut(&t);
	assert_true(t.bad > 0);
	toy_end(&t);
}

/* Lines that never were flushed may still arrive, long after. */
static void unflushed_line_may_persist_late(void **state)
{
	struct toy t;
	uint32_t i;

	toy_start(&t, *state);
	st64(t.flag, 1);
	for (i = 0; i < 5; i++)
		port_fence();
	st64(t.value, 7);
	port_flush_lines(t.value, 8);
	port_fence();
	cut(&t);
	assert_true(t.bad > 0 && t.both > 0);
	toy_end(&t);
}

static void kill_leaves_each_prefix_once(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	st64(t.value, 7);
	st64(t.flag, 1);
	t.sim->log = NULL;
	assert_int_equal(sim_images_kill(t.sim, &t.log, 0, look, &t), 2);
	assert_int_equal(t.bad, 0);
	assert_int_equal(t.both, 1);
	toy_end(&t);
	toy_start(&t, *state);
	st64(t.flag, 1);
	st64(t.value, 7);
	t.sim->log = NULL;
	sim_images_kill(t.sim, &t.log, 0, look, &t);
	assert_int_equal(t.bad, 1);
	toy_end(&t);
}

static void kill_tears_long_copies(void **state)
{
	static const uint8_t ones[4096] = {1};
	struct toy t;

	toy_start(&t, *state);
	port_copy(t.sim->mem + t.sim->bytes - 8192, ones, sizeof(ones));
	t.sim->log = NULL;
	assert_true(sim_images_kill(t.sim, &t.log, 0, look, &t) > 3);
	toy_end(&t);
}

static void store_not_told_of_noticed(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	st64(t.value, 7);
	t.flag->v = 1;
	t.sim->log = NULL;
	assert_false(sim_log_complete(t.sim, &t.log));
	toy_end(&t);
}

static void kill_arm_stops_after_that_store(void **state)
{
	static jmp_buf jump;
	struct toy t;

	toy_start(&t, *state);
	sim_kill_arm(t.sim, 2, &jump);
	if (!setjmp(jump)) {
		st64(t.value, 1);
		st64(t.value, 2);
		st64(t.value, 3);
		fail();
	}
	assert_int_equal(ld64(t.value), 2);
	st64(t.value, 4); /* disarmed */
	toy_end(&t);
}

static void crc32c_has_its_known_value(void **state)
{
	(void)state;
	assert_int_equal(port_crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(port_crc32c(port_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

/* ---- durable caches ---- */

static uint64_t cut_eadr(struct toy *t)
{
	t->sim->log = NULL;
	return sim_images_eadr(t->sim, &t->log, 0, 2, look, t);
}

static void eadr_keeps_order_without_flush(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	protocol(&t, 0, false);
	assert_int_equal(cut_eadr(&t), 2);
	assert_int_equal(t.bad, 0);
	assert_true(t.both > 0);
	assert_int_equal(t.complete_without, 0);
	toy_end(&t);
	toy_start(&t, *state);
	st64(t.flag, 1);
	st64(t.value, 7);
	cut_eadr(&t);
	assert_true(t.bad > 0);
	toy_end(&t);
}

static void eadr_nt_store_needs_fence(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	protocol(&t, FENCE_VALUE, true);
	assert_true(cut_eadr(&t) >= 3);
	assert_int_equal(t.bad, 0);
	assert_true(t.both > 0 && t.none > 0);
	toy_end(&t);
	toy_start(&t, *state);
	protocol(&t, FENCE_FLAG, true);
	cut_eadr(&t);
	assert_true(t.bad > 0 && t.both > 0);
	toy_end(&t);
}

/* What was not fenced at the end may be missing after the call has returned. */
static void eadr_nt_store_last_without_fence_caught(void **state)
{
	struct toy t;
	uint64_t one = 1;

	toy_start(&t, *state);
	st64(t.value, 7);
	port_copy_nt(t.flag, &one, 8);
	cut_eadr(&t);
	assert_true(t.complete_without > 0);
	toy_end(&t);
	toy_start(&t, *state);
	st64(t.value, 7);
	port_copy_nt(t.flag, &one, 8);
	port_fence();
	cut_eadr(&t);
	assert_int_equal(t.complete_without, 0);
	toy_end(&t);
}

/* A store to a line drives out what waits for it: not lost, and not on top. */
static void eadr_store_to_waiting_line_in_order(void **state)
{
	struct toy t;
	uint64_t words[2] = {7, 0};

	toy_start(&t, *state);
	t.flag = t.value + 1;
	port_copy_nt(t.value, words, 16);
	st64(t.flag, 1);
	cut_eadr(&t);
	assert_int_equal(t.bad, 0);
	assert_true(t.both > 0);
	assert_int_equal(t.complete_without, 0);
	toy_end(&t);
}

/* Another processor looks after each event. */
static void look_beside(struct toy *t, enum sim_seen seen)
{
	struct sim_beside *b;
	size_t moment;

	t->sim->log = NULL;
	b = sim_beside_new(t->sim, &t->log, 0, seen, 1);
	sim_beside_start(b);
	for (moment = 0; moment <= t->log.count; moment++) {
		struct sim_point point = {.complete = moment == t->log.count};

		sim_beside_go(b, moment);
		look(t, &point);
	}
	sim_beside_free(b);
}

static void beside_ordinary_stores_seen_in_order(void **state)
{
	enum sim_seen seen;

	for (seen = SIM_SEEN_LATE; seen <= SIM_SEEN_ANY; seen++) {
		struct toy t;

		toy_start(&t, *state);
		protocol(&t, 0, false);
		look_beside(&t, seen);
		assert_int_equal(t.bad, 0);
		assert_true(t.both > 0 && t.none > 0);
		assert_int_equal(t.complete_without, 0);
		toy_end(&t);
	}
}

/* The value is streamed: seen after the flag unless it was drained before. */
static void beside_streamed_store_seen_late(void **state)
{
	struct toy t;

	toy_start(&t, *state);
	protocol(&t, FENCE_FLAG, true);
	look_beside(&t, SIM_SEEN_LATE);
	assert_true(t.bad > 0);
	toy_end(&t);
	toy_start(&t, *state);
	protocol(&t, FENCE_VALUE | FENCE_FLAG, true);
	look_beside(&t, SIM_SEEN_LATE);
	assert_int_equal(t.bad, 0);
	toy_end(&t);
}

/* A flag that warns of a streamed value: overtaken by it unless it was fenced before. */
static void beside_streamed_store_seen_early(void **state)
{
	uint64_t one = 1;
	struct toy t;

	toy_start(&t, *state);
	st64(t.value, 7);
	port_copy_nt(t.flag, &one, 8);
	look_beside(&t, SIM_SEEN_EARLY);
	assert_true(t.bad > 0);
	toy_end(&t);
	toy_start(&t, *state);
	st64(t.value, 7);
	port_fence();
	port_copy_nt(t.flag, &one, 8);
	look_beside(&t, SIM_SEEN_EARLY);
	assert_int_equal(t.bad, 0);
	toy_end(&t);
}

/* Cut nowhere but at the fences that follow what was left out. */
static void cut_near_marks_only(void **state)
{
	struct sim_effort near = effort;
	uint64_t all, few;
	struct toy t;

	near.near = 1;
	toy_start(&t, *state);
	protocol(&t, ALL, false);
	sim_mark();
	protocol(&t, ALL & ~FLUSH_VALUE, false);
	protocol(&t, ALL, false);
	t.sim->log = NULL;
	few = sim_images_cut(t.sim, &t.log, 0, &near, look, &t);
	toy_end(&t);
	toy_start(&t, *state);
	protocol(&t, ALL, false);
	protocol(&t, ALL & ~FLUSH_VALUE, false);
	protocol(&t, ALL, false);
	t.sim->log = NULL;
	all = sim_images_cut(t.sim, &t.log, 0, &near, look, &t); /* not one mark */
	toy_end(&t);
	assert_true(few > 0 && 3 * few < all);
}

static const struct CMUnitTest tests[] = {
	CASE(protocol_right_never_caught),	   CASE(flush_or_fence_missing_caught),
	CASE(last_flush_or_fence_missing_caught),  CASE(nt_store_needs_fence_but_no_flush),
	CASE(stores_to_one_line_persist_in_order), CASE(stores_to_one_line_in_wrong_order_caught),
	CASE(flush_before_store_does_not_count),   CASE(unflushed_line_may_persist_late),
	CASE(kill_leaves_each_prefix_once),	   CASE(kill_tears_long_copies),
	CASE(store_not_told_of_noticed),	   CASE(kill_arm_stops_after_that_store),
	CASE(crc32c_has_its_known_value),	   CASE(eadr_keeps_order_without_flush),
	CASE(eadr_nt_store_needs_fence),	   CASE(eadr_nt_store_last_without_fence_caught),
	CASE(eadr_store_to_waiting_line_in_order),
	CASE(beside_ordinary_stores_seen_in_order), CASE(beside_streamed_store_seen_late),
	CASE(beside_streamed_store_seen_early),	   CASE(cut_near_marks_only),
};
UNIT_MAIN("sim", tests)
