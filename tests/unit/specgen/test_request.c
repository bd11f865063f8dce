/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "nar/base/scope.h"
#include "specgen/request.h"
#include "specgen/request_internal.h"

#define DIGITS "00000000000000000000000000000000"
#define HASH "sha256:0000000000000000000000000000000000000000000000000000"

/* A request with each field set, as docs/request.md shows it. */
static const char full[] =
	"{\n"
	"    \"version\": 1,\n"
	"    \"name\": \"x\",\n"
	"    \"inputs\": [\n"
	"        {\"path\": \"" DIGITS "-a\", \"source\": \"/nix/store/" DIGITS "-a\"},\n"
	"        {\"path\": \"" DIGITS "-b\", \"nar_hash\": \"" HASH "\"}\n"
	"    ],\n"
	"    \"command_args\": [\n"
	"        \"/nix/store/" DIGITS "-a/bin/sh\",\n"
	"        \"-c\",\n"
	"        {\"base64\": \"Y/8=\"}\n"
	"    ],\n"
	"    \"argv0\": \"sh\",\n"
	"    \"working_dir\": \"build\",\n"
	"    \"scratch_paths\": [\n"
	"        \"build\",\n"
	"        \"nix/store\"\n"
	"    ],\n"
	"    \"inputs_dir\": \"nix/store\",\n"
	"    \"outputs\": [\n"
	"        {\"name\": \"out\", \"path\": \"nix/store/" DIGITS "-x\"},\n"
	"        {\"name\": \"dev\", \"path\": \"nix/store/" DIGITS "-x-dev\"}\n"
	"    ],\n"
	"    \"environment_vars\": [\n"
	"        {\"key\": \"A\", \"value\": {\"text\": \"1\\n\"}},\n"
	"        {\"key\": \"B\", \"value\": {\"base64\": \"/w==\"}}\n"
	"    ],\n"
	"    \"constraints\": {\n"
	"        \"system\": \"x86_64-linux\",\n"
	"        \"min_memory_bytes\": 4096,\n"
	"        \"host_paths\": [\n"
	"            {\"target\": \"/bin/sh\", \"source\": \"/bin/dash\", \"optional\": false, "
	"\"readonly\": true}\n"
	"        ],\n"
	"        \"network_access\": true,\n"
	"        \"provide_bin_sh\": false,\n"
	"        \"uid_range\": false,\n"
	"        \"kvm\": true,\n"
	"        \"shm_size\": \"50%\"\n"
	"    },\n"
	"    \"additional_files\": [\n"
	"        {\"path\": \"build/.attrs.sh\", \"mode\": \"0644\", \"contents\": {\"text\": "
	"\"declare x=\\n\"}}\n"
	"    ],\n"
	"    \"refscan_needles\": [\n"
	"        \"" DIGITS "\"\n"
	"    ]\n"
	"}\n";

static void fill(struct request *r)
{
	struct err e = ERR_INIT;

	r->name = str_dup("x", &e);
	r->working_dir = str_dup("build", &e);
	r->inputs_dir = str_dup("nix/store", &e);
	r->argv0 = str_dup("sh", &e);
	r->constraints.system = str_dup("x86_64-linux", &e);
	r->constraints.shm_size = str_dup("50%", &e);
	r->constraints.min_memory_bytes = 4096;
	r->constraints.network = r->constraints.kvm = true;
	assert_ok(&e, req_add_input(r, DIGITS "-b", NULL, HASH, &e));
	assert_ok(&e, req_add_input(r, DIGITS "-a", "/nix/store/" DIGITS "-a", NULL, &e));
	assert_ok(&e, strv_add(&r->args, "/nix/store/" DIGITS "-a/bin/sh", &e));
	assert_ok(&e, strv_add(&r->args, "-c", &e));
	assert_ok(&e, strv_add(&r->args, "c\xff", &e));
	assert_ok(&e, strv_add(&r->scratch_paths, "nix/store", &e));
	assert_ok(&e, strv_add(&r->scratch_paths, "build", &e));
	assert_ok(&e, req_add_output(r, "dev", "nix/store/" DIGITS "-x-dev", &e));
	assert_ok(&e, req_add_output(r, "out", "nix/store/" DIGITS "-x", &e));
	assert_ok(&e, req_set_env(r, "B", "old", 3, &e));
	assert_ok(&e, req_set_env(r, "A", "1\n", 2, &e));
	assert_ok(&e, req_set_env(r, "B", "\xff", 1, &e));
	assert_ok(&e, req_add_host_path(r, "/bin/sh", "/bin/dash", false, true, &e));
	assert_ok(&e, req_add_file(r, "build/.attrs.sh", 0644, "declare x=\n", 11, &e));
	assert_ok(&e, strv_add(&r->needles, DIGITS, &e));
	req_sort(r);
}

static void prints_every_field(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};
	scoped_buf struct buf b = BUF_INIT(REQ_JSON_MAX);

	fill(&r);
	assert_ok(&e, req_print(&r, &b, &e));
	assert_string_equal(b.data, full);
}

static void reads_what_it_prints(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};
	scoped_buf struct buf b = BUF_INIT(REQ_JSON_MAX);

	assert_ok(&e, req_parse(full, sizeof full - 1, &r, &e));
	assert_int_equal(r.n_env, 2);
	assert_int_equal(r.env[1].value_len, 1);
	assert_string_equal(r.env[1].value, "\xff");
	assert_string_equal(r.args.items[2], "c\xff");
	assert_true(r.constraints.host_paths[0].readonly);
	assert_int_equal(r.files[0].mode, 0644);
	assert_ok(&e, req_print(&r, &b, &e));
	assert_string_equal(b.data, full);
}

static void lists_stay_sorted_however_they_are_filled(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};
	char key[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "%03u", i * 617 % 1000);
		assert_ok(&e, req_set_env(&r, key, key, 3, &e));
		assert_ok(&e, req_set_env(&r, key, "again", 5, &e));
	}
	assert_int_equal(r.n_env, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "%03u", i);
		assert_string_equal(r.env[i].key, key);
		assert_string_equal(r.env[i].value, "again");
	}
}

/* The full request with the first FROM replaced by TO. */
static char *edited(const char *from, const char *to)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(REQ_JSON_MAX);
	const char *at = strstr(full, from);

	if (!at)
		fail_msg("no '%s' in the request", from);
	assert_ok(&e, buf_add(&b, full, (size_t)(at - full), &e));
	assert_ok(&e, buf_adds(&b, to, &e));
	assert_ok(&e, buf_adds(&b, at + strlen(from), &e));
	return b.data;
}

static void refusals_name_field_and_position(void **state)
{
	static const struct {
		const char *from, *to, *message;
	} cases[] = {
		{"\"version\": 1", "\"version\": 2", "version: this program reads version 1"},
		{"\"version\": 1,", "", "version: this program reads version 1"},
		{"\"version\": 1", "\"version\": 1.5", "version: not a whole number"},
		{"\"argv0\"", "\"argv1\"", "unknown key 'argv1'"},
		{"\"nar_hash\"", "\"hash\"", "inputs at position 1: unknown key 'hash'"},
		{"sha256:0", "sha256:e", "inputs at position 1: nar_hash is not"},
		{"-b\", \"nar", "-a\", \"nar", "inputs at position 1: path: not sorted"},
		{"\"path\": \"" DIGITS "-b", "\"path\": \"" DIGITS "/b",
		 "inputs at position 1: path is not a file name"},
		{"\"source\": \"/", "\"source\": \"",
		 "inputs at position 0: source is not absolute"},
		{"\"-c\",", "7,", "command_args at position 1: not a string"},
		{"Y/8=", "Y/9=", "command_args at position 2: not base64"},
		{"Y/8=", "YQBi", "command_args at position 2: holds a NUL"},
		{"\"working_dir\": \"build\"", "\"working_dir\": \"buil\"",
		 "working_dir: not in a scratch path: 'buil'"},
		{"\"working_dir\": \"build\"", "\"working_dir\": \"../build\"",
		 "working_dir: not a clean"},
		{"        \"build\",\n        \"nix/store\"", "\"nix/store\", \"build\"",
		 "scratch_paths at position 1: not sorted"},
		{"        \"nix/store\"\n", "\"build/x\"",
		 "scratch_paths at position 1: lies in another scratch path"},
		{"\"inputs_dir\": \"nix/store\"", "\"inputs_dir\": \"/nix/store\"",
		 "inputs_dir: not a clean"},
		{"nix/store/" DIGITS "-x\"", "etc/x\"",
		 "outputs at position 0: not below a scratch"},
		{"\"name\": \"dev\"", "\"name\": \"out\"",
		 "outputs at position 1: name stands twice"},
		{"\"key\": \"A\"", "\"key\": \"A=\"", "environment_vars at position 0: not a name"},
		{"\"key\": \"A\"", "\"key\": \"C\"",
		 "environment_vars at position 1: key: not sorted"},
		{"/w==", "AA==", "environment_vars at position 1: the value holds a NUL"},
		{"\"text\": \"1\\n\"", "\"test\": \"1\\n\"",
		 "environment_vars at position 0: value: not {\"text\""},
		{"{\"text\": \"1\\n\"}", "\"1\"", "environment_vars at position 0: value: not {"},
		{"\"1\\n\"", "\"1\\u0000\"", "with a NUL"},
		{"x86_64-linux", "", "constraints.system: missing"},
		{"4096", "-1", "constraints: min_memory_bytes: not a whole number"},
		{"\"/bin/sh\"", "\"/bin/../sh\"",
		 "constraints.host_paths at position 0: target is not a clean"},
		{"\"readonly\": true", "\"readonly\": 1",
		 "host_paths at position 0: readonly: not true or false"},
		{"50%", "50%,mode=0", "constraints.shm_size: not a size such as 64m or 50%"},
		{"build/.attrs.sh", "nix/store/x",
		 "additional_files at position 0: lies in inputs"},
		{"\"0644\"", "\"1644\"", "additional_files at position 0: mode has more"},
		{"\"0644\"", "\"0684\"", "additional_files at position 0: mode: not up to four"},
		{"        \"" DIGITS "\"", "\"0000\"",
		 "refscan_needles at position 0: not 32 digits"},
		{"\"inputs\": [", "\"inputs\": {", "not JSON"},
		{"\"name\": \"x\"", "\"name\": \"x\", \"name\": \"y\"",
		 "not JSON, or with a key twice"},
		{"    ]\n}\n", "    ]\n} {}", "something follows the JSON at byte"},
		{"\"inputs\": [", "\"inputs\": [[[[[[[[[[", "nested deeper than 8 levels at byte"},
		{"\"name\": \"x\"", "\"name\": \"\xff\"", "not UTF-8"},
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct request r = {0};
		char *json = edited(cases[i].from, cases[i].to);
		assert_err(&e, req_parse(json, strlen(json), &r, &e), cases[i].message);
		free(json);
	}
}

static void refuses_each_cut_of_a_request(void **state)
{
	struct err e = ERR_INIT;
	struct request r = {0};

	for (size_t n = 0; n < sizeof full - 3; n++)
		assert_err(&e, req_parse(full, n, &r, &e), "request: ");
}

static void paths_are_clean(void **state)
{
	static const char *const bad[] = {"",   "/",    "/a",  "a/",    "a//b", ".",
					  "..", "a/..", "./a", "a/./b", "../a"};

	assert_true(req_path_ok("a"));
	assert_true(req_path_ok("a/b/..."));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(req_path_ok(bad[i]));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_every_field),
		cmocka_unit_test(reads_what_it_prints),
		cmocka_unit_test(lists_stay_sorted_however_they_are_filled),
		cmocka_unit_test(refusals_name_field_and_position),
		cmocka_unit_test(refuses_each_cut_of_a_request),
		cmocka_unit_test(paths_are_clean),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
