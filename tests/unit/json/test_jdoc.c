/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "hook/json/jdoc.h"
#include "nar/base/scope.h"

/* TEXT is read and comes out as EXPECTED. */
static void assert_prints(const char *text, size_t len, const char *expected)
{
	struct err e = ERR_INIT;
	scoped_jdoc struct jdoc v = JDOC_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);

	assert_ok(&e, jdoc_parse(text, len, &v, &e));
	assert_ok(&e, jdoc_print(&v, &b, &e));
	assert_string_equal(b.data, expected);
	assert_int_equal(b.len, strlen(expected));
}

static void assert_refused(const char *text, size_t len, const char *why)
{
	struct err e = ERR_INIT;
	scoped_jdoc struct jdoc v = JDOC_INIT;

	assert_err(&e, jdoc_parse(text, len, &v, &e), why);
	assert_int_equal(v.type, JDOC_NULL);
}

static void sorts_keys_at_each_level_and_drops_blanks(void **state)
{
	static const char text[] =
		" { \"b\" : [ 1 , { \"z\":null, \"a\\u0000\":true,\"a\":false } ]"
		",\"\":\"\",\"B\":{ }, \"\\u00e9\":[\t\r\n] }";

	assert_prints(text, sizeof text - 1,
		      "{\"\":\"\",\"B\":{},\"b\":[1,{\"a\":false,\"a\\u0000\":true,\"z\":null}],"
		      "\"\xc3\xa9\":[]}");
}

static void lets_the_last_of_equal_keys_win(void **state)
{
	static const char text[] = "{\"a\":1,\"b\":2,\"a\":{\"x\":1},\"\\u0061\":3,\"b\":[4]}";

	assert_prints(text, sizeof text - 1, "{\"a\":3,\"b\":[4]}");
}

static void keeps_integers_of_64_bits(void **state)
{
	static const char text[] = "[0,-0,9007199254740993,18446744073709551615,"
				   "-9223372036854775808,18446744073709551616,"
				   "-9223372036854775809]";

	assert_prints(text, sizeof text - 1,
		      "[0,0,9007199254740993,18446744073709551615,-9223372036854775808,"
		      "1.8446744073709552e+19,-9.223372036854776e+18]");
}

static void spells_floats_as_nix(void **state)
{
	static const char text[] = "[2.0,1.5,1e100,1E-7,0.0001,0.00012345,1e14,1e15,123456789.25,"
				   "-0.0,5e-324,1.7976931348623157e308,0.1,0.30000000000000004,"
				   "1e-400,12e1]";

	assert_prints(text, sizeof text - 1,
		      "[2.0,1.5,1e+100,1e-07,0.0001,0.00012345,100000000000000.0,1e+15,"
		      "123456789.25,-0.0,5e-324,1.7976931348623157e+308,0.1,0.30000000000000004,"
		      "0.0,120.0]");
}

static void spells_floats_that_read_back(void **state)
{
	uint64_t x = 88172645463325252u;

	for (int i = 0; i < 200000; i++) {
		char text[JDOC_FLOAT_MAX];
		double v, back;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(&v, &x, sizeof v);
		if (v - v != 0)
			continue; /* not finite */
		jdoc_float_text(v, text);
		back = strtod(text, NULL);
		assert_memory_equal(&v, &back, sizeof v);
	}
}

static void is_not_the_shortest_where_nix_is_not(void **state)
{
	/*
	 * Found by comparing 20 million doubles with Nix's library: Grisu2 is not always shortest.
	 */
	static const struct {
		double v;
		const char *text;
	} cases[] = {
		{69821.48475502161, "69821.48475502161"}, /* 69821.4847550216 would do */
		{182.56142780551411, "182.56142780551411"},
		{33149233.961648252, "33149233.961648252"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[JDOC_FLOAT_MAX];

		jdoc_float_text(cases[i].v, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void escapes_what_nix_escapes(void **state)
{
	static const char text[] = "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u001F\x7f\\ud83d\\ude00"
				   "\\u20ac\\u00fc\"";

	assert_prints(text, sizeof text - 1,
		      "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xf0\x9f\x98\x80\xe2\x82\xac"
		      "\xc3\xbc\"");
}

static void refuses_what_is_no_json(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "unexpected end at byte 0"},
		{"[1,", "unexpected end at byte 3"},
		{"[1", "expected ',' or ']' at byte 2"},
		{"[1,]", "unexpected character at byte 3"},
		{"{\"a\" 1}", "expected ':' at byte 5"},
		{"{\"a\":1,}", "expected a key at byte 7"},
		{"{a:1}", "expected a key"},
		{"{\"a\":1", "expected ',' or '}'"},
		{"{} {}", "text after the end at byte 3"},
		{"01", "text after the end at byte 1"},
		{"-", "a number without digits"},
		{"1.", "a number without digits"},
		{"1e+", "a number without digits"},
		{"+1", "unexpected character"},
		{"1e400", "a number that is too large"},
		{"nul", "unknown word"},
		{"True", "unexpected character"},
		{"\"a", "a string without end"},
		{"\"a\\", "a string without end"},
		{"\"\\x\"", "unknown escape"},
		{"\"\n\"", "a control character in a string"},
		{"\"\\u12\"", "\\u without four hexadecimal digits"},
		{"\"\\udc00\"", "a low surrogate on its own"},
		{"\"\\ud800\"", "a high surrogate on its own"},
		{"\"\\ud800\\u0041\"", "a high surrogate on its own"},
		{"\"\xff\"", "invalid UTF-8 at byte 1"},
		{"\"\xc0\x80\"", "invalid UTF-8"},
		{"\"\xed\xa0\x80\"", "invalid UTF-8"},
		{"\"\xf4\x90\x80\x80\"", "invalid UTF-8"},
		{"\"\xe2\x82", "invalid UTF-8"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_refused(cases[i].text, strlen(cases[i].text), cases[i].why);
	assert_refused("{}\0", 3, "text after the end at byte 2");
}

static void bounds_depth(void **state)
{
	char text[2 * (JDOC_DEPTH_MAX + 1)];
	struct err e = ERR_INIT;
	scoped_jdoc struct jdoc v = JDOC_INIT;

	memset(text, '[', JDOC_DEPTH_MAX + 1);
	memset(text + JDOC_DEPTH_MAX + 1, ']', JDOC_DEPTH_MAX + 1);
	assert_ok(&e, jdoc_parse(text + 1, 2 * JDOC_DEPTH_MAX, &v, &e));
	assert_refused(text, sizeof text, "nested deeper than 512");
}

static void bounds_the_number_of_values(void **state)
{
	size_t len = 2 * (size_t)JDOC_VALUES_MAX + 1;
	scoped_free char *text = malloc(len);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 ? '0' : ',';
	text[0] = '[';
	text[len - 1] = ']';
	assert_refused(text, len, "more than 1048576 values");
}

static void sets_replaces_and_finds_members(void **state)
{
	struct err e = ERR_INIT;
	scoped_jdoc struct jdoc o = jdoc_object();
	scoped_buf struct buf b = BUF_INIT(1000);
	struct jdoc v = jdoc_array();

	assert_ok(&e, jdoc_append_string(&v, "x", &e));
	assert_ok(&e, jdoc_set(&o, "m", &v, &e));
	assert_int_equal(v.type, JDOC_NULL);
	assert_ok(&e, jdoc_set_string(&o, "z", "1", &e));
	assert_ok(&e, jdoc_set_string(&o, "a", "2", &e));
	assert_ok(&e, jdoc_set_string(&o, "z", "3", &e));
	v = jdoc_natural(7);
	assert_ok(&e, jdoc_set(&o, "n", &v, &e));
	v = jdoc_bool(true);
	assert_ok(&e, jdoc_set(&o, "t", &v, &e));
	assert_ok(&e, jdoc_print(&o, &b, &e));
	assert_string_equal(b.data, "{\"a\":\"2\",\"m\":[\"x\"],\"n\":7,\"t\":true,\"z\":\"3\"}");

	assert_string_equal(jdoc_text(jdoc_get(&o, "z")), "3");
	assert_true(jdoc_is_true(jdoc_get(&o, "t")));
	assert_false(jdoc_is_true(jdoc_get(&o, "a")));
	assert_null(jdoc_get(&o, "zz"));
	assert_null(jdoc_get(jdoc_get(&o, "m"), "z"));
	assert_null(jdoc_text(jdoc_get(&o, "t")));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_keys_at_each_level_and_drops_blanks),
		cmocka_unit_test(lets_the_last_of_equal_keys_win),
		cmocka_unit_test(keeps_integers_of_64_bits),
		cmocka_unit_test(spells_floats_as_nix),
		cmocka_unit_test(spells_floats_that_read_back),
		cmocka_unit_test(is_not_the_shortest_where_nix_is_not),
		cmocka_unit_test(escapes_what_nix_escapes),
		cmocka_unit_test(refuses_what_is_no_json),
		cmocka_unit_test(bounds_depth),
		cmocka_unit_test(bounds_the_number_of_values),
		cmocka_unit_test(sets_replaces_and_finds_members),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
