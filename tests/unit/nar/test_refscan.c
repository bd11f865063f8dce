/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "nar/base/scope.h"
#include "nar/hash.h"
#include "nar/refscan.h"

#define A "4q0pg5zpfmznxscq3avycvf9xdvx50n3"
#define B "9zicq1m4wy4bv50xa4l1jk4kpyy41kih"

static uint32_t rng = 1;

static uint32_t next_random(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 17;
	rng ^= rng << 5;
	return rng;
}

static void random_hash(char digits[33])
{
	uint8_t bytes[20];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(next_random() >> 11);
	nix32_encode(bytes, sizeof bytes, digits);
}

static struct refscan *with(const char *a, const char *b)
{
	struct err e = ERR_INIT;
	struct refscan *s = refscan_new(&e);

	assert_non_null(s);
	assert_ok(&e, refscan_add(s, a, &e));
	if (b)
		assert_ok(&e, refscan_add(s, b, &e));
	return s;
}

static void finds_at_each_alignment(void **state)
{
	struct refscan *s = with(A, B);
	char data[256];

	for (size_t at = 0; at + 32 <= sizeof data; at++) {
		for (int around = 0; around < 2; around++) {
			/* Once between other bytes, once inside a run of digits. */
			memset(data, around ? '0' : '\0', sizeof data);
			memcpy(data + at, A, 32);
			refscan_reset(s);
			refscan_feed(s, data, sizeof data);
			assert_true(refscan_found(s, 0));
			assert_false(refscan_found(s, 1));
		}
	}
	refscan_free(s);
}

static void finds_across_each_split(void **state)
{
	struct refscan *s = with(A, NULL);
	char data[100];

	memset(data, 'x', sizeof data);
	memcpy(data + 35, A, 32);
	for (size_t i = 0; i <= sizeof data; i++) {
		for (size_t j = i; j <= sizeof data; j++) {
			refscan_reset(s);
			refscan_feed(s, data, i);
			refscan_feed(s, data + i, j - i);
			refscan_feed(s, data + j, sizeof data - j);
			assert_true(refscan_found(s, 0));
		}
	}
	for (size_t step = 1; step < 40; step++) {
		refscan_reset(s);
		for (size_t i = 0; i < sizeof data; i += step)
			refscan_feed(s, data + i, sizeof data - i < step ? sizeof data - i : step);
		assert_true(refscan_found(s, 0));
	}
	refscan_free(s);
}

static void finds_overlapping_needles(void **state)
{
	/* The second starts one digit into the first, and the third shares its start with it. */
	struct err e = ERR_INIT;
	struct refscan *s =
		with("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaabc");
	assert_ok(&e, refscan_add(s, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", &e));

	refscan_feed(s, "zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabc!", 35);
	assert_true(refscan_found(s, 0));
	assert_true(refscan_found(s, 1));
	assert_false(refscan_found(s, 2));
	refscan_free(s);
}

static void one_changed_byte_hides_a_needle(void **state)
{
	struct refscan *s = with(A, NULL);

	for (size_t i = 0; i < 32; i++) {
		char data[] = "/" A "-";

		data[1 + i] = data[1 + i] == 'z' ? 'y' : 'z';
		refscan_reset(s);
		refscan_feed(s, data, sizeof data);
		assert_false(refscan_found(s, 0));
		data[1 + i] = 'e';
		refscan_feed(s, data, sizeof data);
		assert_false(refscan_found(s, 0));
	}
	refscan_free(s);
}

static void reset_forgets_the_end_of_the_last_stream(void **state)
{
	struct refscan *s = with(A, NULL);

	refscan_feed(s, A, 16);
	refscan_reset(s);
	refscan_feed(s, &A[16], 16);
	assert_false(refscan_found(s, 0));
	refscan_feed(s, A, 32);
	assert_true(refscan_found(s, 0));
	refscan_reset(s);
	assert_false(refscan_found(s, 0));
	refscan_free(s);
}

static void a_needle_may_be_added_twice(void **state)
{
	struct err e = ERR_INIT;
	struct refscan *s = with(A, A);

	assert_ok(&e, refscan_add(s, B, &e));
	assert_int_equal(refscan_count(s), 3);
	refscan_feed(s, A, 32);
	assert_true(refscan_found(s, 0));
	assert_true(refscan_found(s, 1));
	assert_false(refscan_found(s, 2));
	refscan_feed(s, B, 32);
	assert_true(refscan_found(s, 2));
	refscan_free(s);
}

static void refuses_needles_that_are_none(void **state)
{
	struct err e = ERR_INIT;
	struct refscan *s = refscan_new(&e);

	assert_non_null(s);
	assert_err(&e, refscan_add(s, "4q0pg5zpfmznxscq3avycvf9xdvx50ne", &e),
		   "is not the hash part of a store path");
	assert_err(&e, refscan_add(s, "4q0pg5zp", &e), "is not the hash part of a store path");
	assert_int_equal(refscan_count(s), 0);
	refscan_feed(s, A, 32);
	refscan_free(s);
	refscan_free(NULL);
}

static void finds_5000_needles_and_only_those(void **state)
{
	enum { N = 10000 };
	struct err e = ERR_INIT;
	struct refscan *s = refscan_new(&e);
	char(*all)[33] = calloc(N, sizeof *all);

	assert_non_null(s);
	assert_non_null(all);
	for (size_t i = 0; i < N; i++)
		random_hash(all[i]);
	for (size_t i = 0; i < N; i++)
		assert_ok(&e, refscan_add(s, all[i], &e));
	/* Each second one, one after the other without anything between them. */
	for (size_t i = 0; i < N; i += 2)
		refscan_feed(s, all[i], 32);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(refscan_found(s, i), i % 2 == 0);
	free(all);
	refscan_free(s);
}

/* Against the obvious way, on data of few letters with needles that occur in it. */
static void agrees_with_brute_force(void **state)
{
	enum { DATA = 3000, N = 40 };
	static const char letters[] = "0a-";
	struct err e = ERR_INIT;

	for (int round = 0; round < 150; round++) {
		char data[DATA], needles[N][33];
		struct refscan *s = refscan_new(&e);

		assert_non_null(s);
		for (size_t i = 0; i < DATA; i++)
			data[i] = next_random() % 64 ? letters[next_random() >> 8 & 1] : '-';
		for (size_t i = 0; i < N; i++) {
			memcpy(needles[i], data + next_random() % (DATA - 32), 32);
			for (size_t j = 0; j < 32; j++)
				if (needles[i][j] == '-' || next_random() % 200 == 0)
					needles[i][j] = '0';
			needles[i][32] = '\0';
			assert_ok(&e, refscan_add(s, needles[i], &e));
		}
		for (size_t i = 0; i < DATA;) {
			size_t n = next_random() % 90;

			n = n < DATA - i ? n : DATA - i;
			refscan_feed(s, data + i, n);
			i += n;
		}
		for (size_t i = 0; i < N; i++)
			assert_int_equal(refscan_found(s, i),
					 memmem(data, DATA, needles[i], 32) != NULL);
		refscan_free(s);
	}
}

/* Digits only, so much that the scan takes its way for that. */
static void agrees_with_brute_force_on_long_runs(void **state)
{
	enum { DATA = 200000, N = 60 };
	struct err e = ERR_INIT;
	struct refscan *s = refscan_new(&e);
	char *data = malloc(DATA + 33), needles[N][33];

	assert_non_null(s);
	assert_non_null(data);
	for (size_t i = 0; i < DATA; i += 32)
		random_hash(data + i);
	for (size_t i = 0; i < N; i++) {
		size_t at = next_random() % (DATA - 32);

		memcpy(needles[i], data + at, 32);
		needles[i][32] = '\0';
		if (i % 3 == 0)
			needles[i][next_random() % 32] = 'z';
		assert_ok(&e, refscan_add(s, needles[i], &e));
	}
	for (size_t step = 1; step < DATA; step = step * 5 + 1) {
		refscan_reset(s);
		for (size_t i = 0; i < DATA; i += step)
			refscan_feed(s, data + i, DATA - i < step ? DATA - i : step);
		for (size_t i = 0; i < N; i++)
			assert_int_equal(refscan_found(s, i),
					 memmem(data, DATA, needles[i], 32) != NULL);
	}
	free(data);
	refscan_free(s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_at_each_alignment),
		cmocka_unit_test(finds_across_each_split),
		cmocka_unit_test(finds_overlapping_needles),
		cmocka_unit_test(one_changed_byte_hides_a_needle),
		cmocka_unit_test(reset_forgets_the_end_of_the_last_stream),
		cmocka_unit_test(a_needle_may_be_added_twice),
		cmocka_unit_test(refuses_needles_that_are_none),
		cmocka_unit_test(finds_5000_needles_and_only_those),
		cmocka_unit_test(agrees_with_brute_force),
		cmocka_unit_test(agrees_with_brute_force_on_long_runs),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("refscan", tests, NULL, NULL);
}
