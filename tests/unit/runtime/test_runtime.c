/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/runtime/runtime_internal.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[32];

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_rt.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static void make_program(const char *name)
{
	struct err e = ERR_INIT;
	scoped_fd int fd = io_opendir(AT_FDCWD, dir, &e);

	assert_ok(&e, io_write_file(fd, name, 0755, "", 0, &e));
}

static void find(const char *which, struct runtime *rt, struct err *e, int *ret_rc)
{
	scoped_free char *runtime = which ? str_dup(which, e) : NULL;
	const struct conf c = {.runtime = runtime};

	*ret_rc = runtime_find(&c, rt, e);
}

static void finds_the_first_in_path(void **state)
{
	struct err e = ERR_INIT;
	scoped_runtime struct runtime rt = {0};
	char path[64];
	int rc;

	make_program("crun");
	make_program("runsc");
	setenv("PATH", dir, 1);
	find("auto", &rt, &e, &rc);
	assert_ok(&e, rc);
	snprintf(path, sizeof path, "%s/crun", dir);
	assert_string_equal(rt.path, path);
	assert_string_equal(rt.name, "crun");
	assert_int_equal(rt.kind, RUNTIME_CRUN);
	runtime_done(&rt);
	find("runsc", &rt, &e, &rc);
	assert_ok(&e, rc);
	assert_int_equal(rt.kind, RUNTIME_RUNSC);
}

static void tells_a_runtime_by_its_name(void **state)
{
	static const struct {
		const char *file;
		enum runtime_kind kind;
		const char *name;
	} cases[] = {
		{"crun-1.8", RUNTIME_CRUN, "crun"},
		{"crunchy", RUNTIME_OTHER, "crunchy"},
		{"kata-runtime", RUNTIME_OTHER, "kata-runtime"},
		{"runc", RUNTIME_RUNC, "runc"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		scoped_runtime struct runtime rt = {0};
		char path[64];
		int rc;

		make_program(cases[i].file);
		snprintf(path, sizeof path, "%s/%s", dir, cases[i].file);
		find(path, &rt, &e, &rc);
		assert_ok(&e, rc);
		assert_int_equal(rt.kind, cases[i].kind);
		assert_string_equal(rt.name, cases[i].name);
	}
}

static void says_what_to_install(void **state)
{
	struct err e = ERR_INIT;
	struct runtime rt;
	int rc;

	find("no-such-runtime", &rt, &e, &rc);
	assert_err(&e, rc, "install it");
	find("./crun", &rt, &e, &rc);
	assert_err(&e, rc, "not the absolute path of a program");
	find(dir, &rt, &e, &rc);
	assert_err(&e, rc, "not the absolute path of a program");
}

static void passes_over_what_would_refuse_this_machine(void **state)
{
	static const struct {
		enum runtime_kind kind;
		enum cgroup_layout layout;
		struct runtime_here here;
		const char *why; /* NULL: it may work */
	} cases[] = {
		{RUNTIME_CRUN, CGROUP_V2, {0}, NULL},
		{RUNTIME_CRUN, CGROUP_V1, {0}, NULL},
		{RUNTIME_CRUN, CGROUP_HYBRID, {0}, NULL},
		{RUNTIME_CRUN, CGROUP_HYBRID, {.unified_has_controllers = true}, "at once"},
		{RUNTIME_CRUN,
		 CGROUP_HYBRID,
		 {.unified_has_controllers = true, .may_mount = true},
		 NULL},
		{RUNTIME_CRUN, CGROUP_NONE, {0}, "without control groups"},
		{RUNTIME_CRUN, CGROUP_NONE, {.tmpfs = true}, NULL},
		{RUNTIME_CRUN, CGROUP_NONE, {.may_mount = true}, NULL},
		{RUNTIME_RUNC, CGROUP_HYBRID, {.unified_has_controllers = true}, NULL},
		{RUNTIME_RUNSC, CGROUP_HYBRID, {.may_mount = true}, NULL},
		{RUNTIME_RUNSC, CGROUP_NONE, {0}, NULL},
		{RUNTIME_OTHER, CGROUP_NONE, {0}, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct runtime rt = {.kind = cases[i].kind, .cgroups = cases[i].layout};
		const char *why = runtime_cannot_run(&rt, &cases[i].here);

		if (!why != !cases[i].why || (why && !strstr(why, cases[i].why)))
			fail_msg("case %zu: %s", i, why ? why : "it may work");
	}
}

static char *command_line(const struct runtime *rt, bool network)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv v = STRV_INIT;
	struct buf b = BUF_INIT(4096);
	const struct runtime_call call = {
		.id = "id",
		.bundle = "/b",
		.state_dir = "/s",
		.log_path = "/l",
		.pid_file = "/p",
		.network = network,
	};

	assert_ok(&e, runtime_run_argv(rt, &call, &v, &e));
	for (size_t i = 0; i < v.n; i++)
		assert_ok(&e, buf_addf(&b, &e, "%s%s", i ? " " : "", v.items[i]));
	return b.data;
}

static void command_lines_are_each_runtimes_own(void **state)
{
	static char path[] = "/x", flag[] = "--debug";
	char *flags[] = {flag, NULL};
	const struct {
		struct runtime rt;
		bool network;
		const char *wanted;
	} cases[] = {
		{{.kind = RUNTIME_CRUN, .path = path, .cgroups = CGROUP_HYBRID},
		 false,
		 "/x --root /s --log file:/l --log-format text --cgroup-manager=disabled run "
		 "--bundle "
		 "/b "
		 "id"},
		{{.kind = RUNTIME_CRUN, .path = path, .extra_args = {flags, 1, 2}},
		 false,
		 "/x --root /s --log file:/l --log-format text --cgroup-manager=disabled --debug "
		 "run --bundle /b id"},
		{{.kind = RUNTIME_RUNC, .path = path, .cgroups = CGROUP_V2},
		 true,
		 "/x --root /s --log /l --log-format json run --bundle /b --detach --pid-file /p "
		 "id"},
		{{.kind = RUNTIME_RUNSC, .path = path, .cgroups = CGROUP_V2},
		 false,
		 "/x --root /s --log /l --log-format json --ignore-cgroups --oci-seccomp "
		 "--network=none --panic-log=/l.crash run --bundle /b id"},
		{{.kind = RUNTIME_RUNSC, .path = path, .cgroups = CGROUP_V2, .rootless = true},
		 true,
		 "/x --root /s --log /l --log-format json --ignore-cgroups --rootless "
		 "--oci-seccomp "
		 "--network=host --panic-log=/l.crash run --bundle /b id"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_free char *got = command_line(&cases[i].rt, cases[i].network);

		assert_string_equal(got, cases[i].wanted);
	}
}

static void who_makes_groups_of_v2_leaves_the_one_it_is_started_in(void **state)
{
	const struct {
		struct runtime rt;
		bool keeps;
	} cases[] = {
		{{.kind = RUNTIME_CRUN, .cgroups = CGROUP_V2}, true},
		{{.kind = RUNTIME_RUNSC, .cgroups = CGROUP_V2}, true},
		{{.kind = RUNTIME_CRUN, .cgroups = CGROUP_HYBRID}, true},
		{{.kind = RUNTIME_RUNC, .cgroups = CGROUP_V2}, false},
		{{.kind = RUNTIME_RUNC, .cgroups = CGROUP_HYBRID}, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(runtime_keeps_cgroup(&cases[i].rt), cases[i].keeps);
}

/* What READ finds in a file of a directory. */
struct words {
	const char *text, *wanted;
};
static void check_words(char *(*read)(int, const char *), const struct words *cases, size_t n)
{
	struct err e = ERR_INIT;
	scoped_fd int fd = io_opendir(AT_FDCWD, dir, &e);

	assert_null(read(fd, "words"));
	for (size_t i = 0; i < n; i++) {
		assert_ok(&e, io_write_file(fd, "words", 0600, cases[i].text, strlen(cases[i].text),
					    &e));
		scoped_free char *got = read(fd, "words");
		if (cases[i].wanted)
			assert_string_equal(got, cases[i].wanted);
		else
			assert_null(got);
		unlinkat(fd, "words", 0);
	}
}

static void a_crash_says_why_in_its_first_words(void **state)
{
	static const struct words cases[] = {
		{"", NULL},
		{"\n\n", NULL},
		{"what a kernel says otherwise\nnot panic: here\n", NULL},
		{"panic: no such process\n\ngoroutine 1 [running]:\n", "panic: no such process"},
		{"warning\nfatal error: all goroutines are asleep\n",
		 "fatal error: all goroutines are asleep"},
		{"panic: cut", "panic: cut"},
	};

	check_words(runtime_crash, cases, ARRAY_SIZE(cases));
}

static void the_last_error_of_a_log_counts(void **state)
{
	static const struct words cases[] = {
		{"", NULL},
		{"\n", NULL},
		{"{\"level\":\"info\",\"msg\":\"hello\"}\n", NULL},
		{"{\"level\":\"error\",\"msg\":\"one\"}\n{\"level\":\"fatal\",\"msg\":\"two\"}\n"
		 "{\"level\":\"debug\",\"msg\":\"three\"}\n",
		 "two"},
		{"{\"level\":\"error\",\"msg\":", NULL},
		{"{\"level\":7,\"msg\":[]}", NULL},
		{"plain words\n", "plain words"},
	};

	check_words(runtime_log_error, cases, ARRAY_SIZE(cases));
}

static void knows_when_the_builder_could_not_be_executed(void **state)
{
	static const struct {
		const char *msg, *wanted;
	} cases[] = {
		{"executable file `/x` not found in $PATH: No such file or directory",
		 "No such file or directory"},
		{"open executable: Permission denied", "Permission denied"},
		{"runc run failed: unable to start container process: exec: \"/x\": stat /x: no "
		 "such "
		 "file or directory",
		 "No such file or directory"},
		{"running container: starting container: starting root container: starting "
		 "sandbox: "
		 "creating process: failed to load /x: exec format error",
		 "Exec format error"},
		{"open executable: odd", "odd"},
		{"cannot mkdir `proc`: Permission denied", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got = runtime_exec_failure(cases[i].msg);

		if (cases[i].wanted)
			assert_string_equal(got, cases[i].wanted);
		else
			assert_null(got);
	}
}

static void knows_each_runtime_by_its_name_alone(void **state)
{
	static const char *const names[] = {"crun", "runc", "youki", "runsc"};
	enum runtime_kind kind = RUNTIME_OTHER;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_true(runtime_kind_parse(names[i], &kind));
		assert_int_equal(kind, i);
	}
	assert_false(runtime_kind_parse("crun-1.8", &kind));
	assert_false(runtime_kind_parse("", &kind));
	assert_int_equal(kind, RUNTIME_RUNSC);
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(finds_the_first_in_path),
		CASE(tells_a_runtime_by_its_name),
		cmocka_unit_test(knows_each_runtime_by_its_name_alone),
		CASE(says_what_to_install),
		cmocka_unit_test(passes_over_what_would_refuse_this_machine),
		CASE(command_lines_are_each_runtimes_own),
		CASE(who_makes_groups_of_v2_leaves_the_one_it_is_started_in),
		CASE(a_crash_says_why_in_its_first_words),
		CASE(the_last_error_of_a_log_counts),
		CASE(knows_when_the_builder_could_not_be_executed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
