/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/base/path.h"
#include "tests/unit/unit.h"

#include "nar/base/scope.h"

static void leaves_only_names_between_single_slashes(void **state)
{
	static const struct {
		const char *path, *clean;
	} cases[] = {
		{"/", "/"},
		{"", "/"},
		{"//", "/"},
		{"/a", "/a"},
		{"/a/", "/a"},
		{"//a//b//", "/a/b"},
		{"/./a/./b/.", "/a/b"},
		{"/a/../b", "/b"},
		{"/a/b/../../c", "/c"},
		{"/..", "/"},
		{"/../../a", "/a"},
		{"/a/...", "/a/..."},
		{"/.a/..b", "/.a/..b"},
		{"a/b", "/a/b"},
	};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_free char *clean = path_clean(cases[i].path, &e);

		assert_non_null(clean);
		assert_string_equal(clean, cases[i].clean);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_only_names_between_single_slashes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
