/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "hook/drv/attrs.h"

/* The file for the attributes JSON is EXPECTED. tests/parity/ compares with a real Nix. */
static void assert_shell(const char *json, const char *expected)
{
	struct err e = ERR_INIT;
	scoped_jdoc struct jdoc doc = JDOC_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);

	assert_ok(&e, jdoc_parse(json, strlen(json), &doc, &e));
	assert_ok(&e, attrs_shell(&doc, &b, &e));
	assert_string_equal(b.data ? b.data : "", expected);
}

static void declares_simple_values(void **state)
{
	assert_shell("{\"s\":\"it's\",\"n\":null,\"t\":true,\"f\":false,\"i\":-7,\"e\":\"\"}",
		     "declare e=''\ndeclare f=\ndeclare i=-7\ndeclare n=''\n"
		     "declare s='it'\\''s'\ndeclare t=1\n");
}

static void declares_arrays_with_a_blank_after_each_element(void **state)
{
	assert_shell("{\"a\":[1,\"a b\",true,false,null],\"b\":[]}",
		     "declare -a a=(1 'a b' 1  '' )\ndeclare -a b=()\n");
}

static void declares_objects_with_quoted_keys(void **state)
{
	assert_shell("{\"o\":{\"k\":\"v\",\"it's\":false,\"a\":2}}",
		     "declare -A o=(['a']=2 ['it'\\''s']= ['k']='v' )\n");
}

static void cuts_numbers_to_32_bits(void **state)
{
	assert_shell(
		"{\"a\":4294967297,\"b\":2147483648,\"c\":2.0,\"d\":1e100,\"e\":-2147483649,"
		"\"f\":18446744073709551615,\"g\":-1e100,\"h\":-2147483648.0,\"i\":16777217.5}",
		"declare a=1\ndeclare b=-2147483648\ndeclare c=2\ndeclare d=-2147483648\n"
		"declare e=2147483647\ndeclare f=-1\ndeclare g=-2147483648\n"
		"declare h=-2147483648\ndeclare i=16777217\n");
}

static void leaves_out_what_shell_cannot_say(void **state)
{
	assert_shell("{\"half\":1.5,\"halves\":[1,1.5],\"deep\":[[1]],\"o\":{\"x\":{}},\"a-b\":1,"
		     "\"1a\":1,\"\":1,\"a1\":1,\"_\":2,\"\\u00e9\":1,\"x\\u0000y\":1}",
		     "declare _=2\ndeclare a1=1\n");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(declares_simple_values),
		cmocka_unit_test(declares_arrays_with_a_blank_after_each_element),
		cmocka_unit_test(declares_objects_with_quoted_keys),
		cmocka_unit_test(cuts_numbers_to_32_bits),
		cmocka_unit_test(leaves_out_what_shell_cannot_say),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
