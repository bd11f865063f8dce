/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/oom_retry.h"
#include "tests/unit/unit.h"

#include "hook/report/report.h"

#define G (UINT64_C(1) << 30)
#define TOTAL (64 * G)

static void a_limit_is_doubled_up_to_its_bound(void **state)
{
	struct conf c = {.oom_retry = 1};

	assert_int_equal(oom_retry_next(&c, G, TOTAL), 2 * G);
	assert_int_equal(oom_retry_next(&c, 40 * G, TOTAL), TOTAL);
	assert_int_equal(oom_retry_next(&c, TOTAL, TOTAL), TOTAL);
	assert_int_equal(oom_retry_next(&c, 100 * G, TOTAL), 100 * G);
	assert_int_equal(oom_retry_next(&c, UINT64_MAX - 1, UINT64_MAX), UINT64_MAX);
	c.memory_retry_max = 3 * G;
	assert_int_equal(oom_retry_next(&c, 2 * G, TOTAL), 3 * G);
	assert_int_equal(oom_retry_next(&c, 3 * G, TOTAL), 3 * G);
	assert_int_equal(oom_retry_next(&c, 4 * G, TOTAL), 4 * G);
}

static void what_was_enough_is_what_the_next_one_starts_with(void **state)
{
	struct conf c = {.oom_retry = 2, .memory_max = G};

	assert_int_equal(oom_retry_first(&c, REPORT_UNKNOWN, REPORT_UNKNOWN, TOTAL), G);
	assert_int_equal(oom_retry_first(&c, 4 * G, 3 * G, TOTAL), 4 * G);
	assert_int_equal(oom_retry_first(&c, 3 * G, 2 * G, TOTAL), 3 * G);
	/* It was not needed, or is not told to have been. */
	assert_int_equal(oom_retry_first(&c, 4 * G, G / 2, TOTAL), G);
	assert_int_equal(oom_retry_first(&c, 4 * G, REPORT_UNKNOWN, TOTAL), G);
	/* More than tries would get to, or than there may be. */
	assert_int_equal(oom_retry_first(&c, 16 * G, 10 * G, TOTAL), 4 * G);
	c.memory_retry_max = 2 * G;
	assert_int_equal(oom_retry_first(&c, 4 * G, 3 * G, TOTAL), 2 * G);
	c.oom_retry = 0;
	assert_int_equal(oom_retry_first(&c, 4 * G, 3 * G, TOTAL), G);
	/* The limit is larger by now, or there is none. */
	c = (struct conf){.oom_retry = 2, .memory_max = 8 * G};
	assert_int_equal(oom_retry_first(&c, 4 * G, 3 * G, TOTAL), 8 * G);
	c.memory_max = 0;
	assert_int_equal(oom_retry_first(&c, 4 * G, 3 * G, TOTAL), 0);
}

static void both_limits_of_memory_are_raised(void **state)
{
	struct conf c = {.memory_max = 2 * G, .memory_high = G};

	oom_retry_raise(&c, 4 * G);
	assert_int_equal(c.memory_max, 4 * G);
	assert_int_equal(c.memory_high, 2 * G);
	c.memory_high = 0;
	oom_retry_raise(&c, 8 * G);
	assert_int_equal(c.memory_high, 0);
}

static void time_and_log_are_of_all_tries_together(void **state)
{
	const struct oom_retry r = {.tries = 1, .spent_ms = 2500};
	struct run_limits l = {.timeout_s = 10, .log_max_bytes = 1000};

	oom_retry_limits(&r, 300, &l);
	assert_int_equal(l.timeout_s, 8);
	assert_int_equal(l.log_max_bytes, 700);
	l = (struct run_limits){.timeout_s = 2, .log_max_bytes = 200};
	oom_retry_limits(&r, 300, &l);
	assert_int_equal(l.timeout_s, 1);
	assert_int_equal(l.log_max_bytes, 1);
	l = (struct run_limits){.timeout_s = 0, .log_max_bytes = 0};
	oom_retry_limits(&r, 300, &l);
	assert_int_equal(l.timeout_s, 0);
	assert_int_equal(l.log_max_bytes, 0);
}

static void only_want_of_memory_is_tried_again(void **state)
{
	const struct conf c = {.oom_retry = 1, .memory_max = 1 << 20};
	const struct job j = {.conf = &c};
	struct run_result res = {.end = RUN_OOM};
	struct oom_retry r = {0};

	oom_retry_note(&r, &j, &res, true, 1500);
	assert_true(r.again);
	assert_int_equal(r.tries, 1);
	assert_int_equal(r.spent_ms, 1500);
	oom_retry_note(&r, &j, &res, true, 500);
	assert_false(r.again);
	assert_int_equal(r.spent_ms, 2000);
	res.end = RUN_SIGNALED;
	r = (struct oom_retry){0};
	oom_retry_note(&r, &j, &res, true, 0);
	assert_false(r.again);
}

static void a_limit_that_cannot_grow_is_not_tried_again(void **state)
{
	const struct conf c = {.oom_retry = 1, .memory_max = G, .memory_retry_max = G};
	const struct job j = {.conf = &c};
	const struct run_result res = {.end = RUN_OOM};
	struct oom_retry r = {0};

	oom_retry_note(&r, &j, &res, true, 0);
	assert_false(r.again);
	r = (struct oom_retry){0};
	/* The machine has perhaps more by then. */
	oom_retry_note(&r, &j, &res, false, 0);
	assert_true(r.again);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_is_doubled_up_to_its_bound),
		cmocka_unit_test(what_was_enough_is_what_the_next_one_starts_with),
		cmocka_unit_test(both_limits_of_memory_are_raised),
		cmocka_unit_test(time_and_log_are_of_all_tries_together),
		cmocka_unit_test(only_want_of_memory_is_tried_again),
		cmocka_unit_test(a_limit_that_cannot_grow_is_not_tried_again),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("oom retry", tests, NULL, NULL);
}
