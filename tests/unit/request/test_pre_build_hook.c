/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "hook/request/pre_build_hook_internal.h"
#include "nar/base/scope.h"

/* The paths that TEXT names, joined by '|'; NULL: refused. */
static const char *parsed(const char *text, struct err *e)
{
	static struct buf joined = BUF_INIT(4096);
	scoped_strv struct strv paths = STRV_INIT;

	buf_reset(&joined);
	if (pre_build_hook_parse(text, strlen(text), &paths, e) < 0)
		return NULL;
	for (size_t i = 0; i < paths.n; i++)
		assert_int_equal(buf_addf(&joined, e, "%s|", paths.items[i]), 0);
	return joined.len ? joined.data : "";
}

static void reads_each_list_to_its_empty_line(void **state)
{
	struct err e = ERR_INIT;

	assert_string_equal(parsed("", &e), "");
	assert_string_equal(
		parsed("extra-sandbox-paths\n/a=/b\n/c\n\nextra-chroot-dirs\n/d\n\n", &e),
		"/a=/b|/c|/d|");
	assert_string_equal(parsed("extra-sandbox-paths\n/a\n", &e), "/a|");
	assert_string_equal(parsed("extra-sandbox-paths\n\n", &e), "");
}

static void passes_a_last_line_without_end_over(void **state)
{
	struct err e = ERR_INIT;

	assert_string_equal(parsed("nonsense", &e), "");
	assert_string_equal(parsed("extra-sandbox-paths\n/a\n/b", &e), "/a|");
}

static void refuses_other_commands(void **state)
{
	struct err e = ERR_INIT;

	assert_null(parsed("nonsense\n", &e));
	assert_string_equal(e.msg, "unknown pre-build hook command 'nonsense'");
	err_clear(&e);
	assert_null(parsed("extra-sandbox-paths\n/a\n\n\n", &e));
	assert_string_equal(e.msg, "unknown pre-build hook command ''");
}

static void is_there_only_where_it_is_set(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;

	assert_false(pre_build_hook_is_set(&s));
	assert_ok(&e, settings_set(&s, "pre-build-hook", "", &e));
	assert_false(pre_build_hook_is_set(&s));
	assert_ok(&e, settings_set(&s, "pre-build-hook", "/bin/true", &e));
	assert_true(pre_build_hook_is_set(&s));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_each_list_to_its_empty_line),
		cmocka_unit_test(passes_a_last_line_without_end_over),
		cmocka_unit_test(refuses_other_commands),
		cmocka_unit_test(is_there_only_where_it_is_set),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("prebuild", tests, NULL, NULL);
}
