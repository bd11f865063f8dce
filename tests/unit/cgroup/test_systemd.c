/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/systemd_internal.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "tests/unit/tmpdir.h"

/* Have SCRIPT stand for busctl. */
static void make_busctl(const char *script)
{
	struct err e = ERR_INIT;
	scoped_free char *path = str_fmt(&e, "%s:/usr/bin:/bin", dir);
	scoped_free char *text = str_fmt(&e, "#!/bin/sh\ncd '%s' || exit 9\n%s\n", dir, script);

	assert_non_null(path);
	assert_non_null(text);
	unlinkat(dirfd_, "busctl", 0);
	make_file("busctl", 0755, text);
	assert_int_equal(setenv("PATH", path, 1), 0);
}

static void what_systemd_says_is_told(void **state)
{
	struct err e = ERR_INIT;

	make_busctl("echo 'Call failed: no room' >&2; exit 1");
	assert_null(systemd_make_scope_within("a.scope", getpid(), 0, &e));
	assert_non_null(strstr(e.msg, "asking systemd for a control group: 'busctl --"));
	assert_non_null(strstr(e.msg, "' failed with exit code 1: Call failed: no room"));
}

static void a_scope_that_does_not_come_is_an_error(void **state)
{
	struct err e = ERR_INIT;

	make_busctl(":");
	assert_null(systemd_make_scope_within("a.scope", getpid(), 20, &e));
	assert_non_null(strstr(e.msg, "systemd did not move a process to the control group "
				      "'a.scope' that it was asked for"));
}

/* The words of the call, which only systemd can check: tests/vm/limits.sh. */
static void the_call_has_its_types_and_values(void **state)
{
	scoped_buf struct buf b = BUF_INIT(4096);
	scoped_free char *wanted = NULL;
	struct err e = ERR_INIT;

	make_busctl("echo \"$@\" >args");
	assert_null(systemd_make_scope_within("a.scope", 42, 0, &e));
	assert_int_equal(io_read_file(dirfd_, "args", &b, &(struct err)ERR_INIT), 0);
	assert_int_equal(buf_addc(&b, '\0', &(struct err)ERR_INIT), 0);
	assert_non_null(strstr(b.data, " StartTransientUnit ssa(sv)a(sa(sv)) a.scope fail 6 "));
	assert_non_null(strstr(b.data, " Slice s nix-builds.slice Delegate b true "));
	assert_non_null(strstr(b.data, " PIDs au 1 42 0\n"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_systemd_says_is_told),
		cmocka_unit_test(a_scope_that_does_not_come_is_an_error),
		cmocka_unit_test(the_call_has_its_types_and_values),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("cgroup systemd", tests, setup, teardown);
}
