/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/base/account.h"
#include "tests/unit/unit.h"

#include <sys/resource.h>

#define NO_UID 4000000000u /* nobody gives that to a user */

static void finds_what_exists(void **state)
{
	struct err e = ERR_INIT;
	const struct passwd *pw = NULL;
	const struct group *g = NULL;

	assert_ok(&e, account_user("root", &pw, &e));
	assert_non_null(pw);
	assert_int_equal(pw->pw_uid, 0);
	assert_ok(&e, account_user_of(0, &pw, &e));
	assert_non_null(pw);
	assert_string_equal(pw->pw_name, "root");
	assert_ok(&e, account_group("root", &g, &e));
	assert_non_null(g);
}

static void what_does_not_exist_is_no_error(void **state)
{
	struct err e = ERR_INIT;
	const struct passwd some = {0}, *pw = &some;
	const struct group any = {0}, *g = &any;

	assert_ok(&e, account_user("no-such-user", &pw, &e));
	assert_null(pw);
	pw = &some;
	assert_ok(&e, account_user_of(NO_UID, &pw, &e));
	assert_null(pw);
	assert_ok(&e, account_group("no-such-group", &g, &e));
	assert_null(g);
}

static void what_cannot_be_looked_up_is_an_error(void **state)
{
	struct err e = ERR_INIT;
	const struct passwd *pw;
	const struct group *g;
	struct rlimit old, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	const int by_name = account_user("no-such-user", &pw, &e);
	const struct err name_err = e;
	err_clear(&e);
	const int by_uid = account_user_of(NO_UID, &pw, &e);
	const struct err uid_err = e;
	err_clear(&e);
	const int by_group = account_group("no-such-group", &g, &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(by_name, -1);
	assert_int_equal(by_uid, -1);
	assert_int_equal(by_group, -1);
	assert_string_equal(name_err.msg,
			    "looking up the user 'no-such-user': Too many open files");
	assert_string_equal(uid_err.msg,
			    "looking up the user with uid 4000000000: Too many open files");
	assert_string_equal(e.msg, "looking up the group 'no-such-group': Too many open files");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_exists),
		cmocka_unit_test(what_does_not_exist_is_no_error),
		cmocka_unit_test(what_cannot_be_looked_up_is_an_error),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
