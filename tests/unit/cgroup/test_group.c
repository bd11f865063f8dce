/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/group.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "hook/cgroup/cgroup.h"
#include "hook/cgroup/processes.h"
#include "hook/cgroup/usage.h"
#include "tests/unit/tmpdir.h"

static const struct cgroup_limits no_limits;
static bool unbounded;

/* An existing directory with empty files is a group whose kernel takes everything. */
static void make_fake(const char *name, const char *const *files, struct strv *dirs)
{
	struct err e = ERR_INIT;

	assert_int_equal(mkdirat(dirfd_, name, 0755), 0);
	for (; *files; files++) {
		scoped_free char *path = str_fmt(&e, "%s/%s", name, *files);

		assert_non_null(path);
		make_file(path, 0644, "");
	}
	assert_ok(&e, strv_addf(dirs, &e, "%s/%s", dir, name));
}

static void assert_file(const char *name, const char *wanted)
{
	scoped_buf struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;

	assert_ok(&e, io_read_file(dirfd_, name, &b, &e));
	assert_ok(&e, buf_addc(&b, '\0', &e));
	assert_string_equal(b.data, wanted);
}

static void limits_are_written_where_a_version_has_them(void **state)
{
	static const char *const v2[] = {"memory.max", "pids.max", NULL};
	static const char *const memory[] = {"memory.limit_in_bytes", NULL};
	static const char *const pids[] = {"pids.max", NULL};
	const struct cgroup_limits l = {.memory_max = 64 << 20, .pids_max = 100};
	scoped_strv struct strv one = STRV_INIT, two = STRV_INIT;
	struct err e = ERR_INIT;

	make_fake("w2", v2, &one);
	assert_ok(&e, cgroup_limits_write(&l, &one, &unbounded, &e));
	assert_file("w2/memory.max", "67108864");
	assert_file("w2/pids.max", "100");
	make_fake("w1m", memory, &two);
	make_fake("w1p", pids, &two);
	assert_ok(&e, cgroup_limits_write(&l, &two, &unbounded, &e));
	assert_file("w1m/memory.limit_in_bytes", "67108864");
	assert_file("w1p/pids.max", "100");
}

static void each_form_is_written_as_its_file_has_it(void **state)
{
	static const char *const v2[] = {"memory.max", "memory.high", "memory.swap.max",
					 "cpu.max",    "cpu.weight",  "io.weight",
					 NULL};
	static const char *const v1[] = {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes",
					 "cpu.cfs_quota_us",      "cpu.shares",
					 "blkio.bfq.weight",      NULL};
	struct cgroup_limits l = {.memory_max = 1000,
				  .memory_high = 900,
				  .swap_max = 24,
				  .bounds_swap = true,
				  .cpu_max = 1500,
				  .cpu_weight = 50,
				  .io_weight = 10000};
	scoped_strv struct strv two = STRV_INIT, one = STRV_INIT, none = STRV_INIT;
	struct err e = ERR_INIT;

	make_fake("f2", v2, &two);
	assert_ok(&e, cgroup_limits_write(&l, &two, &unbounded, &e));
	assert_false(unbounded);
	assert_file("f2/memory.high", "900");
	assert_file("f2/memory.swap.max", "24");
	assert_file("f2/cpu.max", "150000 100000");
	assert_file("f2/cpu.weight", "50");
	assert_file("f2/io.weight", "10000");
	make_fake("f1", v1, &one);
	assert_err(&e, cgroup_limits_write(&l, &one, &unbounded, &e),
		   "the limit 'memory-high' cannot be kept: the control groups of this machine "
		   "have no file 'memory.high'");
	l.memory_high = 0;
	assert_ok(&e, cgroup_limits_write(&l, &one, &unbounded, &e));
	assert_file("f1/memory.memsw.limit_in_bytes", "1024");
	assert_file("f1/cpu.cfs_quota_us", "150000");
	assert_file("f1/cpu.shares", "512");
	assert_file("f1/blkio.bfq.weight", "1000");
	/* Swap is not bounded where nothing counts it, which is for the caller to say. */
	assert_int_equal(unlinkat(dirfd_, "f1/memory.memsw.limit_in_bytes", 0), 0);
	assert_ok(&e, cgroup_limits_write(&l, &one, &unbounded, &e));
	assert_true(unbounded);
	l = (struct cgroup_limits){.bounds_swap = true};
	assert_ok(&e, cgroup_limits_write(&l, &none, &unbounded, &e));
	assert_true(unbounded);
}

static void a_limit_that_is_not_kept_is_named(void **state)
{
	static const char *const only_pids[] = {"pids.max", NULL};
	const struct cgroup_limits memory = {.memory_max = 1 << 20}, pids = {.pids_max = 7};
	scoped_strv struct strv dirs = STRV_INIT;
	struct err e = ERR_INIT;

	make_fake("no-memory", only_pids, &dirs);
	assert_err(&e, cgroup_limits_write(&memory, &dirs, &unbounded, &e),
		   "the limit 'memory-max' cannot be kept: the control groups of this machine "
		   "have no file 'memory.max'");
	assert_ok(&e, cgroup_limits_write(&pids, &dirs, &unbounded, &e));
	/* A directory: opening it to be written fails, as a read-only mount does. */
	assert_int_equal(unlinkat(dirfd_, "no-memory/pids.max", 0), 0);
	assert_int_equal(mkdirat(dirfd_, "no-memory/pids.max", 0755), 0);
	assert_err(&e, cgroup_limits_write(&pids, &dirs, &unbounded, &e),
		   "the limit 'pids-max' cannot be kept: writing '7' to '");
}

static void limits_know_their_controllers(void **state)
{
	const struct cgroup_limits both = {.memory_max = 1, .pids_max = 1}, pids = {.pids_max = 1};

	assert_int_equal(cgroup_limits_controllers(&no_limits), 0);
	assert_int_equal(cgroup_limits_controllers(&both), CGROUP_MEMORY | CGROUP_PIDS);
	assert_string_equal(cgroup_limits_key(&both, ~0u), "memory-max");
	assert_string_equal(cgroup_limits_key(&both, CGROUP_PIDS), "pids-max");
	assert_null(cgroup_limits_key(&pids, CGROUP_MEMORY));
	assert_string_equal(cgroup_controller_name(CGROUP_IO, true), "blkio");
	assert_null(cgroup_controller_name(CGROUP_CPUACCT, false));
	assert_null(cgroup_controller_name(0, false));
}

static void what_cannot_be_made_names_the_limit(void **state)
{
	struct cgroup_group g = CGROUP_GROUP_INIT;
	struct err e = ERR_INIT;

	g.keys[0] = "memory-max";
	assert_ok(&e, strv_addf(&g.dirs, &e, "%s/missing/group", dir));
	assert_err(&e, cgroup_make(&g, &no_limits, &unbounded, &e),
		   "the limit 'memory-max' cannot be kept: creating the control group '");
	g.keys[0] = NULL;
	assert_err(&e, cgroup_make(&g, &no_limits, &unbounded, &e), "creating the control group '");
	cgroup_group_done(&g);
}

static void nothing_is_asked_of_a_machine_without_a_wish(void **state)
{
	const struct cgroup_wish w = {.name = "x", .limits = &no_limits};
	struct cgroup_group g;
	struct err e = ERR_INIT;

	assert_ok(&e, cgroup_choose(&w, &g, &e));
	assert_int_equal(g.dirs.n, 0);
	assert_null(g.v2);
	cgroup_group_done(&g);
}

static pid_t start_in(const struct cgroup_group *g, const char *sub)
{
	struct err e = ERR_INIT;
	int ready[2];
	char word;

	assert_int_equal(pipe(ready), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < g->dirs.n; i++)
			if (cgroup_enter(g->dirs.items[i], &e) < 0)
				_exit(1);
		if ((sub && cgroup_enter(sub, &e) < 0) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &word, 1), 1);
	close(ready[0]);
	return pid;
}

static void assert_killed(const struct cgroup_group *g, pid_t pid)
{
	struct err e = ERR_INIT;
	int status;

	/* It is our child, and a zombie is in its group until we know. */
	const pid_t killer = fork();
	if (killer == 0) {
		for (size_t i = 0; i < g->dirs.n; i++)
			cgroup_kill(g->dirs.items[i]);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(waitpid(killer, &status, 0), killer);
	assert_ok(&e, cgroup_remove(&g->dirs, &e));
	for (size_t i = 0; i < g->dirs.n; i++)
		assert_int_equal(access(g->dirs.items[i], F_OK), -1);
}

/* Where we can make one: needs root and memory to be limited. */
static void a_group_with_a_limit_is_made_entered_and_removed(void **state)
{
	const struct cgroup_limits l = {.memory_max = 1 << 30, .pids_max = 50};
	struct cgroup_group g;
	struct cgroup_usage u;
	struct err e = ERR_INIT;
	char name[64];

	snprintf(name, sizeof name, CGROUP_BUILD_PREFIX "unit-%d", (int)getpid());
	const struct cgroup_wish w = {.name = name, .limits = &l, .counts = true};
	if (geteuid() != 0 || cgroup_choose(&w, &g, &e) < 0)
		return;
	assert_true(g.dirs.n > 0);
	assert_ok(&e, cgroup_make(&g, &l, &unbounded, &e));
	const pid_t pid = start_in(&g, NULL);
	cgroup_usage_read(&g.dirs, &u);
	assert_true(u.memory_bytes.known && u.memory_peak_bytes.known);
	assert_true(u.oom_kills.known && u.oom_kills.n == 0);
	assert_true(u.cpu_user_usec.known);
	assert_err(&e, cgroup_make(&g, &l, &unbounded, &e), "File exists");
	assert_killed(&g, pid);
	cgroup_group_done(&g);
}

/* It is in groups that this process is in, and moves no process into another. */
static void an_optional_group_is_no_trouble_to_others(void **state)
{
	const struct cgroup_wish w = {.name = CGROUP_BUILD_PREFIX "x",
				      .limits = &no_limits,
				      .counts = true,
				      .optional = true};
	scoped_buf struct buf before = BUF_INIT(1 << 16), after = BUF_INIT(1 << 16);
	struct cgroup_group g;
	struct err e = ERR_INIT;

	assert_ok(&e, io_read_file(AT_FDCWD, "/proc/self/cgroup", &before, &e));
	if (cgroup_choose(&w, &g, &e) < 0)
		return;
	assert_ok(&e, io_read_file(AT_FDCWD, "/proc/self/cgroup", &after, &e));
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
	for (size_t i = 0; i < g.dirs.n; i++) {
		scoped_free char *parent =
			str_ndup(g.dirs.items[i],
				 strlen(g.dirs.items[i]) - strlen("/" CGROUP_BUILD_PREFIX "x"), &e);

		assert_null(g.keys[i]);
		assert_int_equal(access(parent, W_OK), 0);
	}
	/* Where v1 counts all, pressure alone is not worth a directory of v2. */
	assert_true(!g.v2 || access("/sys/fs/cgroup/memory", F_OK) < 0);
	cgroup_group_done(&g);
}

/* Where we can make one: needs root and v2. */
static void a_build_may_make_groups_in_one_that_is_handed_over(void **state)
{
	struct cgroup_group g;
	struct err e = ERR_INIT;
	struct stat st;
	char name[64];

	snprintf(name, sizeof name, CGROUP_BUILD_PREFIX "unit-%d", (int)getpid());
	const struct cgroup_wish w = {.name = name, .limits = &no_limits, .v2 = true};
	if (geteuid() != 0 || cgroup_choose(&w, &g, &e) < 0)
		return;
	assert_ok(&e, cgroup_make(&g, &no_limits, &unbounded, &e));
	assert_ok(&e, cgroup_hand_over(g.v2, 12345, 54321, &e));
	assert_int_equal(stat(g.v2, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 54321);
	scoped_free char *procs = str_fmt(&e, "%s/cgroup.procs", g.v2);
	assert_int_equal(stat(procs, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	scoped_free char *subtree = str_fmt(&e, "%s/cgroup.subtree_control", g.v2);
	assert_int_equal(stat(subtree, &st), 0);
	assert_int_equal(st.st_uid, 0);
	scoped_free char *sub = str_fmt(&e, "%s/a b", g.v2);
	assert_int_equal(mkdir(sub, 0755), 0);
	const pid_t pid = start_in(&g, sub);
	scoped_strv struct strv found = STRV_INIT;
	assert_ok(&e, cgroup_find(pid, "a b", &found, &e));
	assert_int_equal(found.n, 1);
	assert_string_equal(found.items[0], sub);
	assert_killed(&g, pid);
	cgroup_group_done(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_written_where_a_version_has_them),
		cmocka_unit_test(each_form_is_written_as_its_file_has_it),
		cmocka_unit_test(a_limit_that_is_not_kept_is_named),
		cmocka_unit_test(limits_know_their_controllers),
		cmocka_unit_test(what_cannot_be_made_names_the_limit),
		cmocka_unit_test(nothing_is_asked_of_a_machine_without_a_wish),
		cmocka_unit_test(a_group_with_a_limit_is_made_entered_and_removed),
		cmocka_unit_test(an_optional_group_is_no_trouble_to_others),
		cmocka_unit_test(a_build_may_make_groups_in_one_that_is_handed_over),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("cgroup group", tests, setup, teardown);
}
