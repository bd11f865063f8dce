/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "nar/base/scope.h"
#include "specgen/json.h"

static void indents_and_keeps_inline_containers_on_one_line(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1000);
	struct jw w = JW_INIT(&b, &e);

	jw_object(&w, NULL);
	jw_string(&w, "a", "b");
	jw_array(&w, "empty");
	jw_end(&w);
	jw_array(&w, "list");
	jw_inline_object(&w, NULL);
	jw_u64(&w, "n", UINT64_MAX);
	jw_strings(&w, "o", "x", "y", NULL);
	jw_end(&w);
	jw_inline_object(&w, NULL);
	jw_end(&w);
	jw_end(&w);
	jw_bool(&w, "t", true);
	jw_end(&w);
	assert_ok(&e, jw_done(&w));
	assert_string_equal(b.data,
			    "{\n"
			    "    \"a\": \"b\",\n"
			    "    \"empty\": [],\n"
			    "    \"list\": [\n"
			    "        {\"n\": 18446744073709551615, \"o\": [\"x\", \"y\"]},\n"
			    "        {}\n"
			    "    ],\n"
			    "    \"t\": true\n"
			    "}\n");
}

static void escapes_what_json_wants_escaped(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1000);
	struct jw w = JW_INIT(&b, &e);

	jw_string(&w, NULL, "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa4");
	assert_ok(&e, jw_done(&w));
	assert_string_equal(b.data, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa4\"\n");
}

static void refuses_a_string_that_is_not_utf8(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1000);
	struct jw w = JW_INIT(&b, &e);

	jw_array(&w, NULL);
	jw_string(&w, NULL, "a\xff");
	jw_string(&w, NULL, "more");
	jw_end(&w);
	assert_err(&e, jw_done(&w), "not UTF-8");
}

static void reports_a_full_buffer_at_the_end(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(3);
	struct jw w = JW_INIT(&b, &e);

	jw_string(&w, NULL, "abcd");
	assert_err(&e, jw_done(&w), "limit of 3 bytes");
}

static void knows_utf8(void **state)
{
	static const char *const good[] = {"",
					   "a",
					   "\xc2\x80",
					   "\xdf\xbf",
					   "\xe0\xa0\x80",
					   "\xed\x9f\xbf",
					   "\xee\x80\x80",
					   "\xf0\x90\x80\x80",
					   "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",
					  "\xc0\xaf",
					  "\xc1\xbf",
					  "\xc3",
					  "\xe0\x9f\xbf",
					  "\xed\xa0\x80",
					  "\xe1\x80",
					  "\xf0\x8f\xbf\xbf",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xff",
					  "\xe1\x80\x41",
					  "\xf1\x80\x80\xc0"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(text_is_utf8(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(text_is_utf8(bad[i], strlen(bad[i])));
	assert_false(text_is_utf8("a\0b", 3));
}

/* RFC 4648, section 10, and bytes that are no text. */
static void base64_is_that_of_the_rfc(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text;
	} cases[] = {{"\0", 1, "AA=="},
		     {"\xff\xfe", 2, "//4="},
		     {"f\0o", 3, "ZgBv"},
		     {"\xfb\xff\xbf\xff", 4, "+/+//w=="}};
	static const struct {
		const char *bytes, *text;
	} rfc[] = {{"", ""},
		   {"f", "Zg=="},
		   {"fo", "Zm8="},
		   {"foo", "Zm9v"},
		   {"foob", "Zm9vYg=="},
		   {"fooba", "Zm9vYmE="},
		   {"foobar", "Zm9vYmFy"}};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_buf struct buf b = BUF_INIT(100), want = BUF_INIT(100), back = BUF_INIT(100);
		struct jw w = JW_INIT(&b, &e);
		jw_bytes(&w, NULL, cases[i].bytes, cases[i].len);
		assert_ok(&e, jw_done(&w));
		assert_ok(&e, buf_addf(&want, &e, "{\"base64\": \"%s\"}\n", cases[i].text));
		assert_string_equal(b.data, want.data);
		assert_true(text_from_base64(cases[i].text, &back, &e));
		assert_int_equal(back.len, cases[i].len);
		assert_memory_equal(back.data, cases[i].bytes, cases[i].len);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rfc); i++) {
		scoped_buf struct buf b = BUF_INIT(100);
		assert_true(text_from_base64(rfc[i].text, &b, &e));
		assert_ok(&e, buf_adds(&b, "", &e));
		assert_string_equal(b.data, rfc[i].bytes);
	}
}

static void base64_has_one_text_for_each_byte_string(void **state)
{
	static const char *const bad[] = {"Zg",     "Zg=",      "Z===", "====", "Zh==", "Zm9=",
					  "Zg==\n", "Zg==Zg==", " Zg=", "Zm-v", "Z=g="};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		scoped_buf struct buf b = BUF_INIT(100);
		assert_false(text_from_base64(bad[i], &b, &e));
		assert_false(err_is_set(&e));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(indents_and_keeps_inline_containers_on_one_line),
		cmocka_unit_test(escapes_what_json_wants_escaped),
		cmocka_unit_test(refuses_a_string_that_is_not_utf8),
		cmocka_unit_test(reports_a_full_buffer_at_the_end),
		cmocka_unit_test(knows_utf8),
		cmocka_unit_test(base64_is_that_of_the_rfc),
		cmocka_unit_test(base64_has_one_text_for_each_byte_string),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
