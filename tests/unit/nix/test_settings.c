/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/nix/settings.h"
#include "nar/base/scope.h"

static void keeps_each_name_once_in_order(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	const char *names[] = {"m", "z", "a", "n", "b", "m"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_ok(&e, settings_set(&s, names[i], i == 5 ? "last" : "first", &e));
	assert_int_equal(s.n, 5);
	for (size_t i = 1; i < s.n; i++)
		assert_true(strcmp(s.items[i - 1].name, s.items[i].name) < 0);
	assert_string_equal(settings_get(&s, "m"), "last");
	assert_string_equal(settings_get(&s, "a"), "first");
	assert_null(settings_get(&s, "aa"));
}

static void gives_the_default_for_what_nix_did_not_send(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_strv struct strv v = STRV_INIT;
	uint64_t n = 0;
	bool b = false;

	assert_ok(&e, settings_bool(&s, "keep-failed", true, &b, &e));
	assert_true(b);
	assert_ok(&e, settings_u64(&s, "timeout", 7, &n, &e));
	assert_int_equal(n, 7);
	assert_ok(&e, settings_list(&s, "sandbox-paths", &v, &e));
	assert_int_equal(v.n, 0);
}

static void reads_booleans_numbers_and_lists(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_strv struct strv v = STRV_INIT;
	uint64_t n = 0;
	bool b = true;

	assert_ok(&e, settings_set(&s, "keep-failed", "false", &e));
	assert_ok(&e, settings_set(&s, "max-free", "18446744073709551615", &e));
	assert_ok(&e, settings_set(&s, "system-features", "kvm  big-parallel\tx", &e));
	assert_ok(&e, settings_bool(&s, "keep-failed", true, &b, &e));
	assert_false(b);
	assert_ok(&e, settings_u64(&s, "max-free", 0, &n, &e));
	assert_true(n == UINT64_MAX);
	assert_ok(&e, settings_list(&s, "system-features", &v, &e));
	assert_int_equal(v.n, 3);
	assert_string_equal(v.items[1], "big-parallel");
}

static void refuses_values_of_another_type_and_leaves_the_output_alone(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	uint64_t n = 5;
	bool b = true;

	assert_ok(&e, settings_set(&s, "sandbox", "relaxed", &e));
	assert_err(&e, settings_bool(&s, "sandbox", false, &b, &e), "'sandbox' is 'relaxed'");
	assert_true(b);
	assert_err(&e, settings_u64(&s, "sandbox", 0, &n, &e), "not a number");
	assert_int_equal(n, 5);
}

/* Make DIR/nix a script that does SCRIPT, and PATH just that directory. */
static void fake_nix(const char *dir, const char *script)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/nix", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

static void asks_nix_old_and_new_or_goes_without(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *was = strdup(getenv("PATH"));
	char dir[] = "/tmp/test-settings-XXXXXX", path[128];

	assert_non_null(mkdtemp(dir));
	setenv("PATH", dir, 1);
	assert_ok(&e, settings_from_nix(&s, &e));
	assert_int_equal(s.n, 0);
	/* One that has only the new name. */
	fake_nix(dir, "[ \"$3 $4\" = 'config show' ] || { echo 'wrong = 1'; exit 1; }; "
		      "echo 'cores = 7' && echo 'builders = '");
	assert_ok(&e, settings_from_nix(&s, &e));
	assert_string_equal(settings_get(&s, "cores"), "7");
	assert_string_equal(settings_get(&s, "builders"), "");
	assert_null(settings_get(&s, "wrong"));
	settings_done(&s);
	/* The others are asked once, and may warn of the old one. */
	fake_nix(dir, "[ \"$3\" = show-config ] && [ ! -e \"${0%/*}/asked\" ] || exit 1\n"
		      ": >\"${0%/*}/asked\"; echo 'warning: old' >&2; echo 'cores = 8'");
	assert_ok(&e, settings_from_nix(&s, &e));
	assert_string_equal(settings_get(&s, "cores"), "8");
	assert_null(settings_get(&s, "wrong"));
	settings_done(&s);
	fake_nix(dir, "echo no >&2; exit 1");
	assert_err(&e, settings_from_nix(&s, &e), "asking Nix for its settings");
	setenv("PATH", was, 1);
	snprintf(path, sizeof path, "%s/nix", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/asked", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

static void tells_the_nix_that_sent_them(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;

	assert_ok(&e, settings_set(&s, "build-dir", "", &e));
	assert_false(settings_of_2_31(&s));
	assert_false(settings_of_2_32(&s));
	assert_string_equal(settings_quote(&s), "'");
	assert_ok(&e, settings_set(&s, "warn-short-path-literals", "false", &e));
	assert_true(settings_of_2_31(&s));
	assert_false(settings_of_2_32(&s));
	assert_ok(&e, settings_set(&s, "external-builders", "[]", &e));
	assert_true(settings_of_2_32(&s));
	assert_string_equal(settings_quote(&s), "\"");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_each_name_once_in_order),
		cmocka_unit_test(gives_the_default_for_what_nix_did_not_send),
		cmocka_unit_test(reads_booleans_numbers_and_lists),
		cmocka_unit_test(refuses_values_of_another_type_and_leaves_the_output_alone),
		cmocka_unit_test(asks_nix_old_and_new_or_goes_without),
		cmocka_unit_test(tells_the_nix_that_sent_them),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
