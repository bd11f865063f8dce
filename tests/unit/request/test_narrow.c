/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/narrow.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/scope.h"

#define PATH "/nix/store/00000000000000000000000000000000-x"
#define TEXT "Derive([(\"out\",\"" PATH "\",\"\",\"\")],[],[],\"s\",\"/b\",[],[])"
#define NOBODY 65534

/* Only root can become a user; a user is one already. */
static void become_user(void)
{
	if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
		_exit(2);
}

/* Runs in a child. Returns its exit status. */
static int narrow_without_descriptors(void)
{
	static const struct rlimit none = {0, 0};
	struct err e = ERR_INIT;
	scoped_drv struct drv d = DRV_INIT;
	scoped_build_subject struct build_subject b = BUILD_SUBJECT_INIT;

	become_user();
	if (drv_parse(TEXT, sizeof TEXT - 1, PATH ".drv", "/nix/store", &d, &e) < 0 ||
	    setrlimit(RLIMIT_NOFILE, &none) < 0)
		return 3;
	if (build_subject(&d, &b, &e) == 0)
		return 4;
	return strstr(e.msg, "looking up the user with uid") ? 0 : 5;
}

/* A section for that user would not hold, and its limits would be lost. */
static void a_user_that_cannot_be_looked_up_is_an_error(void **state)
{
	int status;
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(narrow_without_descriptors());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_that_cannot_be_looked_up_is_an_error),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
