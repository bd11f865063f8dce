/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/cgroup.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static void a_group_has_its_place_in_ours(void **state)
{
	static const char box[] = "34 30 0:30 /box /cg rw - cgroup2 none rw\n";
	const struct {
		const char *ours, *mounts;
		bool topmost;
		const char *wanted;
	} cases[] = {
		{"4:pids:/x\n0::/\n", hybrid_mounts, false, "/sys/fs/cgroup/unified/id"},
		{"4:pids:/x\n0::/a/b\n", hybrid_mounts, false, "/sys/fs/cgroup/unified/a/b/id"},
		{"0::/a/b\n", hybrid_mounts, true, "/sys/fs/cgroup/unified/id"},
		{"0::/box/a\n", box, false, "/cg/a/id"},
		{"0::/box/a\n", box, true, "/cg/id"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		scoped_free char *dir =
			cgroup_place_in(cases[i].ours, cases[i].mounts, "id", cases[i].topmost, &e);
		assert_non_null(dir);
		assert_string_equal(dir, cases[i].wanted);
	}
}

static void where_it_has_none_is_told(void **state)
{
	struct err e = ERR_INIT;

	assert_null(cgroup_place_in("0::/\n", "32 30 0:28 / /m rw - cgroup cgroup rw,memory\n",
				    "id", false, &e));
	assert_non_null(strstr(e.msg, "no file system of cgroup v2 is mounted"));
	err_clear(&e);
	assert_null(cgroup_place_in("4:pids:/x\n", hybrid_mounts, "id", false, &e));
	err_clear(&e);
	assert_null(cgroup_place_in("0::/../x\n", hybrid_mounts, "id", false, &e));
	assert_non_null(strstr(e.msg, "own control group ('/../x')"));
}

static void what_is_no_group_is_not_left(void **state)
{
	struct err e = ERR_INIT;
	char dir[] = "/tmp/test_cgroup.XXXXXX";

	assert_non_null(mkdtemp(dir));
	scoped_free char *group = str_fmt(&e, "%s/group", dir);
	assert_err(&e, cgroup_make(group, geteuid(), getegid(), &e), "cgroup.max.depth");
	assert_int_equal(rmdir(dir), 0);
}

/* Where we can make one: needs root and v2. */
static void a_group_is_made_entered_and_removed(void **state)
{
	struct err e = ERR_INIT;
	char name[64];
	struct stat st;
	int status;

	snprintf(name, sizeof name, "nix-oci-hook-test-%d", (int)getpid());
	scoped_free char *dir = cgroup_place(name, false, &e);
	if (geteuid() != 0 || !dir || mkdir(dir, 0755) < 0)
		return;
	assert_int_equal(rmdir(dir), 0);
	assert_ok(&e, cgroup_make(dir, 12345, 54321, &e));
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 54321);
	scoped_free char *procs = str_fmt(&e, "%s/cgroup.procs", dir);
	assert_int_equal(stat(procs, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	scoped_free char *subtree = str_fmt(&e, "%s/cgroup.subtree_control", dir);
	assert_int_equal(stat(subtree, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_err(&e, cgroup_make(dir, 12345, 54321, &e), "File exists");
	err_clear(&e);
	scoped_free char *sub = str_fmt(&e, "%s/a b", dir);
	assert_int_equal(mkdir(sub, 0755), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		if (cgroup_enter(sub, &e) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	scoped_strv struct strv found = STRV_INIT;
	while (found.n == 0)
		assert_ok(&e, cgroup_find(pid, "a b", &found, &e));
	assert_string_equal(found.items[0], sub);
	cgroup_kill(dir);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	scoped_strv struct strv dirs = STRV_INIT;
	assert_ok(&e, strv_add(&dirs, dir, &e));
	assert_ok(&e, cgroup_remove(&dirs, &e));
	assert_int_equal(access(dir, F_OK), -1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_differs_from_ours),
		cmocka_unit_test(leaves_what_is_not_the_containers),
		cmocka_unit_test(follows_mounts_of_a_part),
		cmocka_unit_test(knows_controllers_of_both_versions),
		cmocka_unit_test(this_process_is_in_no_cgroup_but_its_own),
		cmocka_unit_test(a_group_has_its_place_in_ours),
		cmocka_unit_test(where_it_has_none_is_told),
		cmocka_unit_test(what_is_no_group_is_not_left),
		cmocka_unit_test(a_group_is_made_entered_and_removed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
