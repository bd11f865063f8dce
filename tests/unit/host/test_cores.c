/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "hook/host/cores.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

/* The cores of a process in cgroup /a/b whose cpu.max has TEXT. */
static unsigned cores_of(const char *text)
{
	char root[] = "/tmp/test_cores.XXXXXX";
	struct err e = ERR_INIT;
	unsigned cores;

	assert_non_null(mkdtemp(root));
	scoped_free char *dir = str_fmt(&e, "%s/a/b", root);
	assert_non_null(dir);
	scoped_free char *file = str_fmt(&e, "%s/cpu.max", dir);
	assert_non_null(file);
	assert_ok(&e, io_mkdir_p(dir, 0755, &e));
	assert_ok(&e, io_write_file(AT_FDCWD, file, 0644, text, strlen(text), &e));
	cores = cores_by_quota("12:cpu:/x\n0::/a/b\n1:name=systemd:/y\n", root);
	assert_ok(&e, io_rmtree(AT_FDCWD, root, root, &e));
	return cores;
}

static void rounds_the_quota_up(void **state)
{
	assert_int_equal(cores_of("200000 100000\n"), 2);
	assert_int_equal(cores_of("200001 100000\n"), 3);
	assert_int_equal(cores_of("1000 100000\n"), 1);
}

static void knows_when_there_is_no_quota(void **state)
{
	assert_int_equal(cores_of("max 100000\n"), 0);
	assert_int_equal(cores_of("100000 0\n"), 0);
	assert_int_equal(cores_of("100000\n"), 0);
	assert_int_equal(cores_of(""), 0);
	assert_int_equal(cores_by_quota("0::/\n", "/nonexistent"), 0);
	assert_int_equal(cores_by_quota("1:cpu:/a\n", "/"), 0);
	assert_int_equal(cores_by_quota("0::/../x\n", "/"), 0);
	assert_int_equal(cores_by_quota("", "/"), 0);
}

static void finds_at_least_one(void **state)
{
	assert_true(cores_of_machine() >= 1 && cores_of_machine() <= 1000000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_the_quota_up),
		cmocka_unit_test(knows_when_there_is_no_quota),
		cmocka_unit_test(finds_at_least_one),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
