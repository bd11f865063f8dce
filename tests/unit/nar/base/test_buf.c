/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "nar/base/buf.h"
#include "nar/base/scope.h"

static void grows_up_to_its_maximum_only(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(10);

	assert_ok(&e, buf_adds(&b, "12345", &e));
	assert_ok(&e, buf_adds(&b, "67890", &e));
	assert_err(&e, buf_addc(&b, 'x', &e), "limit of 10 bytes");
	assert_string_equal(b.data, "1234567890");
}

static void formats_at_the_end(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1000);

	assert_ok(&e, buf_adds(&b, "a", &e));
	assert_ok(&e, buf_addf(&b, &e, "-%s-%d", "b", 7));
	assert_string_equal(b.data, "a-b-7");
}

static void splits_at_any_separator(void **state)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv v = STRV_INIT;

	assert_ok(&e, strv_split(&v, "  b a\t\nc b ", " \t\n", &e));
	assert_int_equal(v.n, 4);
	strv_sort(&v);
	strv_uniq(&v);
	assert_int_equal(v.n, 3);
	assert_string_equal(v.items[0], "a");
	assert_string_equal(v.items[2], "c");
	assert_null(v.items[3]);
	assert_true(strv_has_sorted(&v, "b"));
	assert_false(strv_has_sorted(&v, "d"));
	strv_remove(&v, "b");
	strv_remove(&v, "d");
	assert_int_equal(v.n, 2);
	assert_string_equal(v.items[1], "c");
	assert_null(v.items[2]);
}

static void parses_numbers_strictly(void **state)
{
	uint64_t v = 0;

	assert_true(num_parse_u64("18446744073709551615", 20, UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
	assert_false(num_parse_u64("18446744073709551616", 20, UINT64_MAX, &v));
	assert_false(num_parse_u64("", 0, 10, &v));
	assert_false(num_parse_u64("-1", 2, 10, &v));
	assert_false(num_parse_u64("+1", 2, 10, &v));
	assert_false(num_parse_u64(" 1", 2, 10, &v));
	assert_false(num_parse_u64("11", 2, 10, &v));
}

static void knows_utf8_from_what_looks_like_it(void **state)
{
	assert_int_equal(utf8_len("a", 1), 1);
	assert_int_equal(utf8_len("\xc3\xa9", 2), 2);
	assert_int_equal(utf8_len("\xf4\x8f\xbf\xbf", 4), 4);
	assert_int_equal(utf8_len("\xc3", 1), 0);             /* cut off */
	assert_int_equal(utf8_len("\xc0\x80", 2), 0);         /* overlong */
	assert_int_equal(utf8_len("\xe0\x9f\xbf", 3), 0);     /* overlong */
	assert_int_equal(utf8_len("\xed\xa0\x80", 3), 0);     /* surrogate */
	assert_int_equal(utf8_len("\xf4\x90\x80\x80", 4), 0); /* beyond U+10FFFF */
	assert_int_equal(utf8_len("\x80", 1), 0);
	assert_int_equal(utf8_len("\xe9t", 2), 0); /* Latin-1 */
	assert_true(str_is_utf8(""));
	assert_true(str_is_utf8("/caf\xc3\xa9"));
	assert_false(str_is_utf8("/caf\xe9"));
	assert_false(str_is_utf8("/caf\xc3"));
}

static void messages_carry_no_control_bytes(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(err_set(&e, ERR_INPUT, "name '%s'", "a\033[31mb"), -1);
	assert_string_equal(e.msg, "name 'a?[31mb'");
	assert_int_equal(err_wrap(&e, "reading"), -1);
	assert_string_equal(e.msg, "reading: name 'a?[31mb'");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_up_to_its_maximum_only),
		cmocka_unit_test(formats_at_the_end),
		cmocka_unit_test(splits_at_any_separator),
		cmocka_unit_test(parses_numbers_strictly),
		cmocka_unit_test(knows_utf8_from_what_looks_like_it),
		cmocka_unit_test(messages_carry_no_control_bytes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
