/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/cgroup.h"
#include "tests/unit/unit.h"

#include <unistd.h>

#include "hook/cgroup/cgroup_internal.h"
#include "nar/base/scope.h"

static const char hybrid_mounts[] =
	"22 1 0:20 / / rw - ext4 /dev/vda rw\n"
	"30 22 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:3 - cgroup cgroup rw,cpu,cpuacct\n"
	"32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	"33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
	"34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

static void finds_what_differs_from_ours(void **state)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv v = STRV_INIT;

	assert_ok(&e,
		  cgroup_match("4:cpu,cpuacct:/a/id\n3:memory:/box/id\n2:name=systemd:/\n0::/id\n",
			       "4:cpu,cpuacct:/\n3:memory:/box\n2:name=systemd:/\n0::/\n",
			       hybrid_mounts, "id", &v, &e));
	assert_int_equal(v.n, 3);
	assert_string_equal(v.items[0], "/sys/fs/cgroup/cpu,cpuacct/a/id");
	assert_string_equal(v.items[1], "/sys/fs/cgroup/memory/box/id");
	assert_string_equal(v.items[2], "/sys/fs/cgroup/unified/id");
	/* Once is enough. */
	assert_ok(&e, cgroup_match("0::/id\n", "0::/\n", hybrid_mounts, "id", &v, &e));
	assert_int_equal(v.n, 3);
}

static void leaves_what_is_not_the_containers(void **state)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv v = STRV_INIT;

	assert_ok(&e, cgroup_match("3:memory:/other\n0::/../outside-id\n9:pids:/id\nnonsense\n",
				   "3:memory:/\n0::/\n", hybrid_mounts, "id", &v, &e));
	assert_int_equal(v.n, 0);
}

static void follows_mounts_of_a_part(void **state)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv v = STRV_INIT;
	static const char mounts[] = "34 30 0:30 /box /cg rw - cgroup2 none rw\n";

	assert_ok(&e, cgroup_match("0::/box/id\n", "0::/box\n", mounts, "id", &v, &e));
	assert_ok(&e, cgroup_match("0::/boxid\n", "0::/box\n", mounts, "id", &v, &e));
	assert_int_equal(v.n, 1);
	assert_string_equal(v.items[0], "/cg/id");
}

static void knows_controllers_of_both_versions(void **state)
{
	const char v1[] = "5:pids:/\n4:cpu,cpuacct:/\n3:name=systemd:/\n0::/\n";

	assert_true(cgroup_lists(v1, "", "pids"));
	assert_true(cgroup_lists(v1, "", "cpuacct"));
	assert_false(cgroup_lists(v1, "", "memory"));
	assert_true(cgroup_lists("0::/x\n", "cpuset cpu memory\n", "memory"));
	assert_false(cgroup_lists("0::/x\n", "cpuset cpu memory\n", "mem"));
	assert_false(cgroup_lists("", "", "memory"));
}

static void this_process_is_in_no_cgroup_but_its_own(void **state)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv v = STRV_INIT;

	assert_ok(&e, cgroup_find(getpid(), "", &v, &e));
	assert_int_equal(v.n, 0);
	assert_ok(&e, cgroup_guess("no-such-container-id", &v, &e));
	assert_int_equal(v.n, 0);
	assert_ok(&e, cgroup_remove(&v, &e));
}

static char *own(const char *ours, const char *mounts, const char *controller, bool topmost)
{
	struct err e = ERR_INIT;
	const struct cgroup_texts t = {{.data = (char *)(uintptr_t)ours},
				       {.data = (char *)(uintptr_t)mounts}};
	char *dir = cgroup_own(&t, controller, topmost, &e);

	assert_false(err_is_set(&e));
	return dir;
}

static void our_group_is_found_in_each_hierarchy(void **state)
{
	static const char box[] = "34 30 0:30 /box /cg rw - cgroup2 none rw\n";
	const struct {
		const char *ours, *mounts, *controller;
		bool topmost;
		const char *wanted; /* NULL: it is not to be seen */
	} cases[] = {
		{"4:pids:/x\n0::/\n", hybrid_mounts, NULL, false, "/sys/fs/cgroup/unified"},
		{"0::/a/b\n", hybrid_mounts, NULL, false, "/sys/fs/cgroup/unified/a/b"},
		{"0::/a/b\n", hybrid_mounts, NULL, true, "/sys/fs/cgroup/unified"},
		{"0::/box/a\n", box, NULL, false, "/cg/a"},
		{"0::/box\n", box, NULL, false, "/cg"},
		{"0::/boxes\n", box, NULL, false, NULL},
		{"0::/../x\n", hybrid_mounts, NULL, false, NULL},
		{"4:pids:/x\n", hybrid_mounts, NULL, false, NULL},
		{"3:memory:/m\n0::/\n", hybrid_mounts, "memory", false, "/sys/fs/cgroup/memory/m"},
		{"3:cpu,cpuacct:/c\n", hybrid_mounts, "cpuacct", false,
		 "/sys/fs/cgroup/cpu,cpuacct/c"},
		{"3:memory:/m\n0::/\n", hybrid_mounts, "pids", false, NULL},
		{"3:name=systemd:/m\n", hybrid_mounts, "memory", false, NULL},
		{"3:pids:/m\n", hybrid_mounts, "pids", false, NULL}, /* not mounted */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_free char *dir =
			own(cases[i].ours, cases[i].mounts, cases[i].controller, cases[i].topmost);

		if (!dir != !cases[i].wanted || (dir && strcmp(dir, cases[i].wanted) != 0))
			fail_msg("case %zu: %s", i, dir ? dir : "nothing");
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_differs_from_ours),
		cmocka_unit_test(leaves_what_is_not_the_containers),
		cmocka_unit_test(follows_mounts_of_a_part),
		cmocka_unit_test(knows_controllers_of_both_versions),
		cmocka_unit_test(this_process_is_in_no_cgroup_but_its_own),
		cmocka_unit_test(our_group_is_found_in_each_hierarchy),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
