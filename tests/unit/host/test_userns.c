/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/userns.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/buf.h"

#define USER_UID 30001
#define USER_GID 30000

/* As machine_describe() fills it for a build user with COUNT ids. */
static struct spec_host host_of(uint32_t count, bool rootless)
{
	struct spec_host h;

	spec_host_init(&h);
	h.userns = true;
	h.rootless = rootless;
	h.uid = h.gid = count > 1 ? 0 : 1000;
	h.uid_map[0] = (struct spec_idmap){h.uid, USER_UID, count};
	h.gid_map[0] = (struct spec_idmap){h.gid, USER_GID, count};
	h.n_uid_map = h.n_gid_map = 1;
	return h;
}

static void refuses(struct spec_host h, int why, const char *fallback, const char *words)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = {0};
	scoped_buf struct buf warning = BUF_INIT(ERR_MSG_MAX);

	assert_ok(&e, settings_set(&s, "sandbox-fallback", fallback, &e));
	assert_err(&e, userns_do_without(&h, why, false, &s, &warning, &e), words);
	assert_true(h.userns);
	assert_int_equal(warning.len, 0);
}

static void a_try_leaves_no_child_and_says_why_not(void **state)
{
	const int why = userns_try();

	assert_true(why == 0 || why == ENOSPC || why == EPERM || why == EINVAL || why == EUSERS);
	assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void falls_back_to_the_build_users_ids(void **state)
{
	struct err e = ERR_INIT;
	struct spec_host h = host_of(1, false);
	scoped_settings struct settings s = {0};
	scoped_buf struct buf warning = BUF_INIT(ERR_MSG_MAX);

	assert_ok(&e, userns_do_without(&h, ENOSPC, false, &s, &warning, &e));
	assert_false(h.userns);
	assert_int_equal(h.uid, USER_UID);
	assert_int_equal(h.gid, USER_GID);
	assert_int_equal(h.n_uid_map, 0);
	assert_int_equal(h.n_gid_map, 0);
	assert_string_equal(warning.data,
			    "building without a user namespace, as none can be made: No space left "
			    "on device (see the limit '/proc/sys/user/max_user_namespaces')");
}

static void heeds_sandbox_fallback(void **state)
{
	refuses(host_of(1, false), ENOSPC, "false",
		"no user namespace can be made: No space left on device (see the limit "
		"'/proc/sys/user/max_user_namespaces'); builds do without one where 'userns' is "
		"false or Nix's 'sandbox-fallback' is true");
	refuses(host_of(1, false), EPERM, "false", "/proc/sys/kernel/unprivileged_userns_clone");
	refuses(host_of(1, false), EINVAL, "false", "CONFIG_USER_NS");
}

static void some_runtimes_cannot_do_without(void **state)
{
	struct err e = ERR_INIT;
	struct spec_host h = host_of(1, false);
	scoped_settings struct settings s = {0};
	scoped_buf struct buf warning = BUF_INIT(ERR_MSG_MAX);

	assert_err(&e, userns_do_without(&h, ENOSPC, true, &s, &warning, &e),
		   "this build cannot do without");
	assert_true(h.userns);
}

/* Who starts the build is who it would run as, or it is to be root of its ids. */
static void some_builds_cannot_do_without(void **state)
{
	refuses(host_of(1, true), ENOSPC, "true", "this build cannot do without");
	refuses(host_of(65536, false), EPERM, "true", "this build cannot do without");
}

static void want_of_memory_is_no_reason(void **state)
{
	refuses(host_of(1, false), ENOMEM, "true", "Cannot allocate memory");
	refuses(host_of(1, false), EAGAIN, "true", "Resource temporarily unavailable");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_try_leaves_no_child_and_says_why_not),
		cmocka_unit_test(falls_back_to_the_build_users_ids),
		cmocka_unit_test(heeds_sandbox_fallback),
		cmocka_unit_test(some_runtimes_cannot_do_without),
		cmocka_unit_test(some_builds_cannot_do_without),
		cmocka_unit_test(want_of_memory_is_no_reason),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
