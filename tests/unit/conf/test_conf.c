/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook/conf/conf_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

/* A directory for the files of a case; the environment names an empty file as default. */
static char dir[64];
static int dir_fd;

static char *path_of(const char *name)
{
	struct err e = ERR_INIT;
	char *path = str_fmt(&e, "%s/%s", dir, name);

	assert_non_null(path);
	return path;
}

static void put(const char *name, const char *text)
{
	struct err e = ERR_INIT;

	unlinkat(dir_fd, name, 0);
	assert_ok(&e, io_write_file(dir_fd, name, 0600, text, strlen(text), &e));
}

static int setup(void **state)
{
	scoped_free char *none = NULL;

	snprintf(dir, sizeof dir, "/tmp/test-config-XXXXXX");
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	put("none", "");
	none = path_of("none");
	setenv("NIX_OCI_HOOK_CONFIG", none, 1);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	close(dir_fd);
	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

/* Load the file TEXT as PATH of conf_load(). */
static int load(struct conf *c, const char *text, struct err *e)
{
	scoped_free char *path = path_of("x.conf");

	put("x.conf", text);
	return conf_load(c, path, NULL, e);
}

static void refuse(const char *text, const char *why)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	assert_err(&e, load(&c, text, &e), why);
	assert_null(c.runtime);
}

static void starts_without_a_file(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	assert_ok(&e, conf_load(&c, NULL, NULL, &e));
	assert_string_equal(c.runtime, "auto");
	assert_int_equal(c.runtime_args.n, 0);
	assert_int_equal(c.state_dir[0], '/');
	assert_string_equal(c.bundle_dir, "");
	assert_int_equal(c.profile, SPEC_NIX);
	assert_int_equal(c.registration, REG_AUTO);
	assert_true(c.userns);
}

static void takes_auto_for_zero_where_it_means_that(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	assert_ok(&e, load(&c, "max-jobs = 3\nmax-jobs = auto\n", &e));
	assert_int_equal(c.max_jobs, 0);
}

static void journal_is_a_path_or_off(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	assert_ok(&e, load(&c, "state-dir = /s\n", &e));
	assert_string_equal(c.journal, "/s/builds.jsonl");
	assert_int_equal(c.report, REPORT_LINE_FAILED);
	assert_ok(&e, load(&c, "journal = off\njournal-readable = group\n", &e));
	assert_string_equal(c.journal, "off");
	assert_int_equal(c.journal_readable, READABLE_GROUP);
	refuse("journal = builds\n", "allowed is an absolute path or off");
}

static void reads_every_type(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	assert_ok(&e, load(&c,
			   "# a comment\n"
			   "\n"
			   "  runtime = /opt/bin/crun   # another\n"
			   "runtime-args = --debug\t --x=1 \r\n"
			   "max-jobs\t=\t12\n"
			   "max-jobs = 13\n"
			   "profile = tvix\n"
			   "cgroups = on\n"
			   "registration = load-db\n"
			   "userns = false\n"
			   "bundle-dir =\n"
			   "state-dir = /with blank/x",
			   &e));
	assert_string_equal(c.runtime, "/opt/bin/crun");
	assert_int_equal(c.runtime_args.n, 2);
	assert_string_equal(c.runtime_args.items[1], "--x=1");
	assert_int_equal(c.max_jobs, 13);
	assert_int_equal(c.profile, SPEC_TVIX);
	assert_int_equal(c.cgroups, CGROUPS_ON);
	assert_int_equal(c.registration, REG_LOAD_DB);
	assert_false(c.userns);
	assert_string_equal(c.state_dir, "/with blank/x");
}

static void sizes_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"1", 1},
		{"3K", 3072},
		{"64M", UINT64_C(64) << 20},
		{"2G", UINT64_C(2) << 30},
		{"1T", UINT64_C(1) << 40},
		{"9223372036854775807", INT64_MAX},
		{"8388607T", UINT64_C(8388607) << 40},
	};
	static const char *const bad[] = {
		"",        "K", "1k", "1KB", "1 K", "-1", "1.5G", "64Q", "9223372036854775808",
		"8388608T"};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		scoped_conf struct conf c = CONF_INIT;

		assert_ok(&e, conf_set(&c, "x", "memory-max", good[i].text, &e));
		assert_int_equal(c.memory_max, good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		scoped_conf struct conf c = CONF_INIT;

		assert_err(&e, conf_set(&c, "x", "memory-max", bad[i], &e),
			   "allowed is a number of bytes");
	}
}

static void numbers_may_have_decimals(void **state)
{
	static const struct {
		const char *text;
		uint64_t milli;
	} good[] = {{"0", 0},        {"1", 1000},  {"1.5", 1500},        {"0.25", 250},
		    {"2.125", 2125}, {"0.001", 1}, {"100000", 100000000}};
	static const char *const bad[] = {"",    ".5",       "1.",  "1.2345", "-1",
					  "1,5", "100000.1", "1e3", "1.5.1"};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		scoped_conf struct conf c = CONF_INIT;

		assert_ok(&e, conf_set(&c, "x", "cpu-max", good[i].text, &e));
		assert_int_equal(c.cpu_max, good[i].milli);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		scoped_conf struct conf c = CONF_INIT;

		assert_err(&e, conf_set(&c, "x", "cpu-max", bad[i], &e),
			   "allowed is a number from 0 to 100000, with up to three decimals");
	}
}

static void swap_may_be_unlimited(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	assert_ok(&e, conf_set(&c, "x", "swap-max", "1G", &e));
	assert_int_equal(c.swap_max, UINT64_C(1) << 30);
	assert_ok(&e, conf_set(&c, "x", "swap-max", "unlimited", &e));
	assert_true(c.swap_max == CONF_UNLIMITED);
	assert_err(&e, conf_set(&c, "x", "memory-max", "unlimited", &e),
		   "allowed is a number of bytes");
	assert_err(&e, conf_set(&c, "x", "swap-max", "all", &e), ", or unlimited");
}

static void later_wins(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;
	scoped_free char *path = path_of("y.conf");
	scoped_strv struct strv options = STRV_INIT;

	put("y.conf", "max-jobs = 1\nmax-queued = 1\nstore-name = file\n");
	setenv("NIX_OCI_HOOK_MAX_QUEUED", "2", 1);
	setenv("NIX_OCI_HOOK_STORE_NAME", "environment", 1);
	assert_ok(&e, strv_add(&options, "store-name", &e));
	assert_ok(&e, strv_add(&options, "option", &e));
	assert_ok(&e, conf_load(&c, path, &options, &e));
	assert_int_equal(c.max_jobs, 1);
	assert_int_equal(c.max_queued, 2);
	assert_string_equal(c.store_name, "option");
	/* Loading again forgets what was. */
	unsetenv("NIX_OCI_HOOK_MAX_QUEUED");
	unsetenv("NIX_OCI_HOOK_STORE_NAME");
	assert_ok(&e, conf_load(&c, NULL, NULL, &e));
	assert_int_equal(c.max_jobs, 0);
	assert_string_equal(c.store_name, "");
}

static void refuses_with_file_line_and_what_is_allowed(void **state)
{
	refuse("\n\nruntme = crun\n",
	       "x.conf:3: there is no key 'runtme'; the keys are builtin-program, bundle-dir,");
	refuse("max-jobs = many",
	       "x.conf:1: key 'max-jobs' is 'many', allowed is a number from 0 to 4096");
	refuse("max-jobs = 4097", "a number from 0 to 4096");
	refuse("max-jobs = -1", "a number from 0 to 4096");
	refuse("max-jobs =", "is '', allowed is a number");
	refuse("userns = yes", "allowed is true or false");
	refuse("cgroups = ON", "allowed is auto, off, on or limits");
	refuse("profile = nix tvix", "allowed is nix or tvix");
	refuse("state-dir = /caf\xe9", "key 'state-dir' is '/caf\xe9', which is not UTF-8");
	refuse("bundle-dir = /caf\xe9", "set 'bundle-dir' to another");
	refuse("state-dir = run/x", "allowed is an absolute path or nothing");
	refuse("runtime = crun --debug", "allowed is a text without blanks");
	refuse("runtime=crun", "x.conf:1: expected 'KEY = VALUE' with blanks around the '='");
	refuse("runtime=crun", "not 'runtime=crun'; did you mean 'runtime = crun'?");
	refuse("runtime= crun", "did you mean 'runtime = crun'?");
	refuse("runtime =crun", "did you mean 'runtime = crun'?");
	refuse("runtime-args=--debug --x", "did you mean 'runtime-args = --debug --x'?");
	refuse("max-jobs=", "did you mean 'max-jobs = '?");
	refuse("x=y", "'include FILE', not 'x=y'");
	refuse("runtime = \"crun\"", "x.conf:1: key 'runtime' is \"crun\": values stand without "
				     "quotes; did you mean 'runtime = crun'?");
	refuse("state-dir = '/run/x'", "did you mean 'state-dir = /run/x'?");
	refuse("runtime-args = \"--a\" \"--b\"", "did you mean 'runtime-args = --a --b'?");
	refuse("max-jobs = \"\"", "did you mean 'max-jobs = '?");
	refuse("max-queued = auto", "allowed is a number from 0 to 100000");
	refuse("runtime", "expected 'KEY = VALUE'");
	refuse("= crun", "expected 'KEY = VALUE'");
	refuse("include", "needs the name of a file");
}

static void refuses_bytes_that_are_no_text(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;
	static const char text[] = "runtime = cr\0un\n";

	assert_err(&e, conf_parse(&c, "t", text, sizeof text - 1, &e), "NUL");
}

static void includes_files_beside_it(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	put("other.conf", "runtime = runc\nmax-jobs = 2\n");
	assert_ok(&e, load(&c,
			   "runtime = crun\ninclude other.conf\n!include missing.conf\n"
			   "max-jobs = 3\n",
			   &e));
	assert_string_equal(c.runtime, "runc");
	assert_int_equal(c.max_jobs, 3);
	refuse("\ninclude missing.conf\n", "x.conf:2: reading the configuration file: opening '");
	put("wrong.conf", "\nuserns = 1\n");
	refuse("include wrong.conf\n", "wrong.conf:2: key 'userns' is '1'");
	refuse("include wrong.conf\n", "x.conf:1: ");
}

static void including_itself_ends(void **state)
{
	put("twice.conf", "!include twice.conf\n!include twice.conf\n");
	refuse("include x.conf\n", "configuration files include each other more than 10 deep");
	refuse("include twice.conf\n", "or are more than 100 in all");
}

static void refuses_a_file_that_is_too_large_or_none(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	scoped_free char *large = str_fmt(&e, "%s/large.conf", dir);

	put("large.conf", "");
	assert_int_equal(truncate(large, 1 << 21), 0);
	assert_err(&e, conf_load(&c, large, NULL, &e), "larger than the limit");
	assert_err(&e, conf_load(&c, "/dev/zero", NULL, &e), "is a device");
	assert_ok(&e, conf_load(&c, "/dev/null", NULL, &e));
	assert_err(&e, conf_load(&c, "/", NULL, &e), "'/'");
}

static void a_file_that_is_named_must_be_there(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;
	const char *was = getenv("NIX_OCI_HOOK_CONFIG");
	scoped_free char *kept = strdup(was);

	assert_err(&e, conf_load(&c, "/none/x.conf", NULL, &e), "/none/x.conf");
	setenv("NIX_OCI_HOOK_CONFIG", "/none/y.conf", 1);
	assert_err(&e, conf_load(&c, NULL, NULL, &e), "/none/y.conf");
	setenv("NIX_OCI_HOOK_CONFIG", kept, 1);
}

static void wrong_variables_and_options_are_named(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;
	scoped_strv struct strv options = STRV_INIT;

	setenv("NIX_OCI_HOOK_RUNTME", "crun", 1);
	assert_err(&e, conf_load(&c, NULL, NULL, &e),
		   "environment variable NIX_OCI_HOOK_RUNTME: there is no key 'runtme'");
	unsetenv("NIX_OCI_HOOK_RUNTME");
	assert_ok(&e, strv_add(&options, "profile", &e));
	assert_ok(&e, strv_add(&options, "other", &e));
	assert_err(&e, conf_load(&c, NULL, &options, &e), "--option: key 'profile' is 'other'");
}

static void prints_a_file_that_gives_the_same(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;
	scoped_conf struct conf again = CONF_INIT;
	scoped_buf struct buf b = BUF_INIT(65536);
	scoped_buf struct buf b2 = BUF_INIT(65536);

	assert_ok(&e, load(&c, "runtime-args = a b\nprofile = tvix\nmax-jobs = 7\n", &e));
	assert_ok(&e, conf_print(&c, &b, &e));
	assert_non_null(strstr(b.data, "runtime-args = a b\n"));
	assert_ok(&e, load(&again, b.data, &e));
	assert_ok(&e, conf_print(&again, &b2, &e));
	assert_string_equal(b.data, b2.data);
}

static void every_default_is_allowed_and_every_name_sorted(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	assert_ok(&e, conf_set_defaults(&c, &e));
	for (size_t i = 0; i < conf_keys_count; i++) {
		assert_true(i == 0 || strcmp(conf_keys[i - 1].name, conf_keys[i].name) < 0);
		assert_ptr_equal(conf_key_find(conf_keys[i].name), &conf_keys[i]);
		assert_true(strlen(conf_keys[i].help) > 20);
	}
}

static void finds_a_cache_directory_for_the_user(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	setenv("XDG_CACHE_HOME", "/some/cache", 1);
	assert_ok(&e, load(&c, "", &e));
	assert_int_equal(c.inputs, INPUTS_AUTO);
	assert_string_equal(c.cache_dir, geteuid() == 0 ? "/var/cache/nix-oci-hook"
							: "/some/cache/nix-oci-hook");
	assert_ok(&e, load(&c, "cache-dir = /x\ninputs = nar\ncache-size = 5\n", &e));
	assert_int_equal(c.inputs, INPUTS_NAR);
	assert_string_equal(c.cache_dir, "/x");
	assert_int_equal(c.cache_size, 5);
	unsetenv("XDG_CACHE_HOME");
}

static void others_must_not_write_to_our_directories(void **state)
{
	static const struct {
		mode_t mode;
		bool fine;
	} cases[] = {{0700, true}, {0755, true}, {0775, false}, {0757, false}, {01777, false}};
	char path[] = "/tmp/test_config.XXXXXX";

	assert_non_null(mkdtemp(path));
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(fchmod(fd, cases[i].mode), 0);
		if (cases[i].fine)
			assert_ok(&e, conf_check_dir(fd, path, "some-dir", &e));
		else
			assert_err(&e, conf_check_dir(fd, path, "some-dir", &e),
				   "(see 'some-dir') has to belong to user");
	}
	close(fd);
	rmdir(path);
	/* Root's, or that of the machine's root where it is another. */
	if (geteuid() != 0) {
		struct err e = ERR_INIT;
		const int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_err(&e, conf_check_dir(root, "/", "some-dir", &e), "has to belong to user");
		close(root);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_cache_directory_for_the_user),
		cmocka_unit_test(starts_without_a_file),
		cmocka_unit_test(takes_auto_for_zero_where_it_means_that),
		cmocka_unit_test(journal_is_a_path_or_off),
		cmocka_unit_test(reads_every_type),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(numbers_may_have_decimals),
		cmocka_unit_test(swap_may_be_unlimited),
		cmocka_unit_test(later_wins),
		cmocka_unit_test(refuses_with_file_line_and_what_is_allowed),
		cmocka_unit_test(refuses_bytes_that_are_no_text),
		cmocka_unit_test(includes_files_beside_it),
		cmocka_unit_test(including_itself_ends),
		cmocka_unit_test(refuses_a_file_that_is_too_large_or_none),
		cmocka_unit_test(a_file_that_is_named_must_be_there),
		cmocka_unit_test(wrong_variables_and_options_are_named),
		cmocka_unit_test(prints_a_file_that_gives_the_same),
		cmocka_unit_test(every_default_is_allowed_and_every_name_sorted),
		cmocka_unit_test(others_must_not_write_to_our_directories),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
