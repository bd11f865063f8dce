/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/usage.h"
#include "tests/unit/unit.h"

#include "tests/unit/tmpdir.h"

/* Make the group NAME, a directory below `dir` with FILES, and append its path to DIRS. */
struct file {
	const char *name, *text;
};

static void make_group(const char *name, const struct file *files, struct strv *dirs)
{
	struct err e = ERR_INIT;

	assert_int_equal(mkdirat(dirfd_, name, 0755), 0);
	for (; files->name; files++) {
		scoped_free char *path = str_fmt(&e, "%s/%s", name, files->name);

		assert_non_null(path);
		make_file(path, 0644, files->text);
	}
	assert_ok(&e, strv_addf(dirs, &e, "%s/%s", dir, name));
}

#define assert_known(v, wanted)                  \
	do {                                     \
		assert_true((v).known);          \
		assert_int_equal((v).n, wanted); \
	} while (0)

static void a_group_of_v2_tells_all(void **state)
{
	static const struct file files[] = {
		{"memory.current", "4096\n"},
		{"memory.peak", "8192\n"},
		{"memory.swap.peak", "0\n"},
		{"memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 7\n"},
		{"cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 0\n"},
		{"io.stat", "8:0 rbytes=100 wbytes=1 rios=1 wios=1 dbytes=0 dios=0\n"
			    "259:1 rbytes=23 wbytes=44 rios=1 wios=1 dbytes=0 dios=0\n"},
		{"pids.peak", "17\n"},
		{"pids.events", "max 6\n"},
		{"memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"
				    "full avg10=0.00 avg60=0.00 avg300=0.00 total=4\n"},
		{"io.pressure", "some avg10=1.50 avg60=0.00 avg300=0.00 total=7\n"
				"full avg10=0.00 avg60=0.00 avg300=0.00 total=6\n"},
		{"cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"},
		{NULL, NULL},
	};
	scoped_strv struct strv dirs = STRV_INIT;
	struct cgroup_usage u;

	make_group("v2", files, &dirs);
	cgroup_usage_read(&dirs, &u);
	assert_known(u.memory_bytes, 4096);
	assert_known(u.memory_peak_bytes, 8192);
	assert_known(u.swap_peak_bytes, 0);
	assert_known(u.oom_kills, 2);
	assert_known(u.cpu_user_usec, 20);
	assert_known(u.cpu_system_usec, 10);
	assert_known(u.io_read_bytes, 123);
	assert_known(u.io_written_bytes, 45);
	assert_known(u.pids_peak, 17);
	assert_known(u.pids_refused, 6);
	assert_known(u.memory_pressure.some_usec, 5);
	assert_known(u.memory_pressure.full_usec, 4);
	assert_known(u.io_pressure.some_usec, 7);
	assert_known(u.io_pressure.full_usec, 6);
	assert_known(u.cpu_pressure.some_usec, 9);
	assert_false(u.cpu_pressure.full_usec.known);
}

static void groups_of_v1_tell_their_parts(void **state)
{
	static const struct file memory[] = {
		{"memory.usage_in_bytes", "1\n"},
		{"memory.max_usage_in_bytes", "2\n"},
		{"memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"},
		{NULL, NULL},
	};
	static const struct file cpuacct[] = {
		{"cpuacct.usage_user", "7000\n"},
		{"cpuacct.usage_sys", "9999\n"},
		{NULL, NULL},
	};
	static const struct file blkio[] = {
		{"blkio.throttle.io_service_bytes_recursive",
		 "8:0 Read 512\n8:0 Write 10\n8:0 Sync 0\n8:0 Total 522\n8:16 Read 1\nTotal 523\n"},
		{NULL, NULL},
	};
	scoped_strv struct strv dirs = STRV_INIT;
	struct cgroup_usage u;

	make_group("memory", memory, &dirs);
	make_group("cpuacct", cpuacct, &dirs);
	make_group("blkio", blkio, &dirs);
	cgroup_usage_read(&dirs, &u);
	assert_known(u.memory_bytes, 1);
	assert_known(u.memory_peak_bytes, 2);
	assert_known(u.oom_kills, 1);
	assert_known(u.cpu_user_usec, 7);
	assert_known(u.cpu_system_usec, 9);
	assert_known(u.io_read_bytes, 513);
	assert_known(u.io_written_bytes, 10);
	assert_false(u.swap_peak_bytes.known);
	assert_false(u.pids_peak.known);
	assert_false(u.memory_pressure.some_usec.known);
}

static void kills_below_count_once(void **state)
{
	static const struct file outer[] = {{"memory.oom_control", "oom_kill 0\n"}, {NULL, NULL}};
	static const struct file inner[] = {{"memory.oom_control", "oom_kill 3\n"}, {NULL, NULL}};
	scoped_strv struct strv dirs = STRV_INIT;

	make_group("outer", outer, &dirs);
	make_group("outer/inner", inner, &dirs);
	assert_known(cgroup_oom_kills(&dirs), 3);
}

static void refusals_below_count(void **state)
{
	static const struct file outer[] = {{"pids.events", "max 0\n"}, {NULL, NULL}};
	static const struct file inner[] = {{"pids.events", "max 4\n"}, {NULL, NULL}};
	scoped_strv struct strv dirs = STRV_INIT, below = STRV_INIT;
	struct cgroup_usage u;

	make_group("runc", outer, &dirs);
	make_group("runc/container", inner, &below);
	cgroup_usage_read(&dirs, &u);
	assert_known(u.pids_refused, 4);
}

static void what_is_no_number_is_not_known(void **state)
{
	static const struct file files[] = {
		{"memory.peak", "max\n"},
		{"memory.current", ""},
		{"memory.events", "oom_kill\noom_kill x\n"},
		{"cpu.stat", "user_usec\nsystem_usec 99999999999999999999999\n"},
		{"io.stat", ""},
		{"pids.peak", "-1\n"},
		{"io.pressure", "some total=\nfull total=x\n"},
		{NULL, NULL},
	};
	scoped_strv struct strv dirs = STRV_INIT;
	struct cgroup_usage u;

	make_group("odd", files, &dirs);
	cgroup_usage_read(&dirs, &u);
	assert_false(u.memory_peak_bytes.known);
	assert_false(u.memory_bytes.known);
	assert_false(u.oom_kills.known);
	assert_false(u.cpu_user_usec.known);
	assert_false(u.cpu_system_usec.known);
	assert_false(u.pids_peak.known);
	assert_false(u.io_pressure.some_usec.known);
	assert_false(u.io_pressure.full_usec.known);
	/* The group did no I/O yet. */
	assert_known(u.io_read_bytes, 0);
}

static void without_a_group_nothing_is_known(void **state)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv dirs = STRV_INIT;
	struct cgroup_usage u;

	cgroup_usage_read(&dirs, &u);
	assert_false(u.memory_peak_bytes.known || u.oom_kills.known || u.io_read_bytes.known);
	assert_ok(&e, strv_add(&dirs, "/no/such/group", &e));
	cgroup_usage_read(&dirs, &u);
	assert_false(u.memory_peak_bytes.known || u.oom_kills.known || u.io_read_bytes.known);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_of_v2_tells_all),
		cmocka_unit_test(groups_of_v1_tell_their_parts),
		cmocka_unit_test(kills_below_count_once),
		cmocka_unit_test(refusals_below_count),
		cmocka_unit_test(what_is_no_number_is_not_known),
		cmocka_unit_test(without_a_group_nothing_is_known),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("cgroup usage", tests, setup, teardown);
}
