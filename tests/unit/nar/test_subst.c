/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"
#include "nar/subst.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define X "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define Y "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"

static int add(void *ctx, const void *data, size_t n, struct err *e)
{
	return buf_add(ctx, data, n, e);
}

/* TEXT in pieces of STEP bytes, with A for X and B for Y; the result is B's. */
static void run(const char *text, size_t len, size_t step, struct subst *s, struct buf *b)
{
	struct err e = ERR_INIT;
	const struct nar_sink sink = {add, b};

	assert_ok(&e, subst_init(s, &sink, &e));
	assert_ok(&e, subst_add(s, X, A, &e));
	assert_ok(&e, subst_add(s, Y, B, &e));
	for (size_t i = 0; i < len; i += step)
		assert_ok(&e, subst_write(s, text + i, len - i < step ? len - i : step, &e));
	assert_ok(&e, subst_end(s, &e));
	s->to = NULL;
}

static void replaces_at_any_place_in_pieces_of_any_size(void **state)
{
	static const char text[] = X "one" Y "two" X X "xxx" Y;
	static const char want[] = A "one" B "two" A A "xxx" B;
	const uint64_t hits[] = {0, 70, 102};

	for (size_t step = 1; step < sizeof text; step++) {
		scoped_subst struct subst s = SUBST_INIT;
		scoped_buf struct buf b = BUF_INIT(4096);

		run(text, sizeof text - 1, step, &s, &b);
		assert_int_equal(b.len, sizeof want - 1);
		assert_memory_equal(b.data, want, b.len);
		assert_int_equal(s.n_hits, ARRAY_SIZE(hits));
		assert_memory_equal(s.hits, hits, sizeof hits);
	}
}

static void leaves_what_is_shorter_alone(void **state)
{
	static const char *const texts[] = {"", "x", "/nix/store/xxxx",
					    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		scoped_subst struct subst s = SUBST_INIT;
		scoped_buf struct buf b = BUF_INIT(4096);

		run(texts[i], strlen(texts[i]), 7, &s, &b);
		assert_int_equal(b.len, strlen(texts[i]));
		if (b.len)
			assert_string_equal(b.data, texts[i]);
		assert_int_equal(s.n_hits, 0);
	}
}

/* The buffer inside holds 256 KiB: a match lies across each of its ends. */
static void replaces_across_the_ends_of_its_buffer(void **state)
{
	const size_t len = (size_t)3 << 20;
	struct err e = ERR_INIT;
	scoped_free char *text = mem_new(len, 1, &e);
	scoped_subst struct subst s = SUBST_INIT;
	scoped_buf struct buf b = BUF_INIT(4u << 20);
	size_t n = 0;

	assert_non_null(text);
	memset(text, '.', len);
	for (size_t at = 262144 - 20; at + 32 < len; at += 262144 - 31, n++)
		memcpy(text + at, X, 32);
	run(text, len, len, &s, &b);
	assert_int_equal(b.len, len);
	assert_int_equal(s.n_hits, n);
	assert_null(memmem(b.data, b.len, X, 32));
	for (size_t i = 0; i < n; i++)
		assert_memory_equal(b.data + s.hits[i], A, 32);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaces_at_any_place_in_pieces_of_any_size),
		cmocka_unit_test(leaves_what_is_shorter_alone),
		cmocka_unit_test(replaces_across_the_ends_of_its_buffer),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("subst", tests, NULL, NULL);
}
