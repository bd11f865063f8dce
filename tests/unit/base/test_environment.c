/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/base/environment.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

static const char *const ours[] = {
	"PATH=/bin",     "HOME=/root",     "LISTEN_FDS=1",       "LISTEN_PID=1",
	"TMPDIR=/t",     "NIX_CONFIG=a=b", "NOTIFY_SOCKET=/s",   "XDG_RUNTIME_DIR=/run/user/1",
	"AWS_SECRET=no", "LC_ALL=C",       "LISTEN_FDNAMES=nix", NULL,
};

static bool has(char *const *env, const char *s)
{
	for (; *env; env++)
		if (strcmp(*env, s) == 0)
			return true;
	return false;
}

static unsigned count(char *const *env)
{
	unsigned n = 0;

	for (; *env; env++)
		n++;
	return n;
}

static char **get(enum environment_kind kind, const char *const *from)
{
	struct err e = ERR_INIT;
	char **saved = environ;

	environ = (char **)(uintptr_t)from;
	char **env = environment_for(kind, &e);
	environ = saved;
	assert_ok(&e, env ? 0 : -1);
	return env;
}

static void a_runtime_gets_where_programs_are(void **state)
{
	scoped_free char **env = get(ENVIRONMENT_RUNTIME, ours);

	assert_true(has(env, "PATH=/bin"));
	assert_int_equal(count(env), geteuid() == 0 ? 1 : 3);
	assert_int_equal(has(env, "XDG_RUNTIME_DIR=/run/user/1"), geteuid() != 0);
	assert_int_equal(has(env, "HOME=/root"), geteuid() != 0);
}

static void nixs_tools_get_what_configures_them(void **state)
{
	scoped_free char **env = get(ENVIRONMENT_NIX, ours);

	assert_true(has(env, "NIX_CONFIG=a=b") && has(env, "LC_ALL=C") && has(env, "HOME=/root"));
	assert_false(has(env, "LISTEN_FDS=1") || has(env, "NOTIFY_SOCKET=/s") ||
		     has(env, "AWS_SECRET=no"));
}

static void the_pre_build_hook_gets_all_but_the_service_managers(void **state)
{
	scoped_free char **env = get(ENVIRONMENT_PREBUILD, ours);

	assert_true(has(env, "AWS_SECRET=no") && has(env, "TMPDIR=/t"));
	assert_int_equal(count(env), 7);
}

static void there_is_always_a_path(void **state)
{
	const char *const none[] = {NULL};
	scoped_free char **env = get(ENVIRONMENT_RUNTIME, none);

	assert_int_equal(count(env), 1);
	assert_true(str_starts(env[0], "PATH=/usr/local/sbin:"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_runtime_gets_where_programs_are),
		cmocka_unit_test(nixs_tools_get_what_configures_them),
		cmocka_unit_test(the_pre_build_hook_gets_all_but_the_service_managers),
		cmocka_unit_test(there_is_always_a_path),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
