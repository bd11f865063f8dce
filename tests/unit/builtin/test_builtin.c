/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtin/builtin.h"
#include "builtin/transfer_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

/* Every case has an empty working directory. */
static char dir[] = "/tmp/test-builtin-XXXXXX";

static int enter(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test-builtin-XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	struct err e = ERR_INIT;

	return chdir("/") == 0 ? io_rmtree(AT_FDCWD, dir, dir, &e) : -1;
}

static void put(const char *path, const char *text)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_write_file(AT_FDCWD, path, 0644, text, strlen(text), &e));
}

/* Parameters of the N bytes at TEXT. */
static void load(struct params *p, const char *text, size_t n)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_write_file(AT_FDCWD, "params", 0600, text, n, &e));
	assert_ok(&e, params_load(p, "params", &e));
}
#define LOAD(p, text) load((p), (text), sizeof(text))

static void reads_parameters_and_removes_the_file(void **state)
{
	scoped_params struct params p = PARAMS_INIT;
	struct err e = ERR_INIT;
	size_t pos = 0;
	uint64_t n;

	LOAD(&p, "a=1\0b=x=y\0a=2\0empty=\0abc=3");
	assert_string_equal(params_get(&p, "a"), "1");
	assert_string_equal(params_get(&p, "b"), "x=y");
	assert_string_equal(params_get(&p, "empty"), "");
	assert_null(params_get(&p, "ab"));
	assert_string_equal(params_next(&p, "a", &pos), "1");
	assert_string_equal(params_next(&p, "a", &pos), "2");
	assert_null(params_next(&p, "a", &pos));
	assert_true(params_true(&p, "a"));
	assert_false(params_true(&p, "b"));
	assert_ok(&e, params_u64(&p, "abc", 7, &n, &e));
	assert_int_equal(n, 3);
	assert_ok(&e, params_u64(&p, "none", 7, &n, &e));
	assert_int_equal(n, 7);
	assert_err(&e, params_u64(&p, "b", 7, &n, &e), "'b' is not a number: 'x=y'");
	assert_int_equal(access("params", F_OK), -1);
}

static void refuses_parameters_that_are_cut_off(void **state)
{
	scoped_params struct params p = PARAMS_INIT;
	struct err e = ERR_INIT;

	put("cut", "a=1");
	assert_err(&e, params_load(&p, "cut", &e), "ends in the middle of a record");
	assert_err(&e, params_load(&p, "none", &e), "opening 'none'");
}

static void knows_what_is_a_success(void **state)
{
	assert_true(transfer_succeeded(CURLE_OK, 0));
	assert_true(transfer_succeeded(CURLE_OK, 206));
	assert_false(transfer_succeeded(CURLE_OK, 302));
	assert_false(transfer_succeeded(CURLE_PARTIAL_FILE, 200));
}

static void knows_which_urls_are_files(void **state)
{
	assert_true(transfer_is_file("file:///x"));
	assert_true(transfer_is_file("FILE:///x"));
	assert_false(transfer_is_file("http://x/file:///x"));
	assert_false(transfer_is_file("x"));
}

static void fetches_a_file_and_hides_netrc_from_it(void **state)
{
	scoped_params struct params p = PARAMS_INIT;
	scoped_params struct params secret = PARAMS_INIT;
	scoped_buf struct buf url = BUF_INIT(PATH_MAX);
	scoped_buf struct buf got = BUF_INIT(100);
	struct err e = ERR_INIT;

	put("source", "text");
	put("netrc", "machine x login y password z");
	assert_ok(&e,
		  buf_addf(&url, &e, "out=got%curl=file://%s/source%cnetrc=netrc%c", 0, dir, 0, 0));
	load(&p, url.data, url.len);
	assert_ok(&e, builtin_fetchurl(&p, &e));
	assert_ok(&e, io_read_file(AT_FDCWD, "got", &got, &e));
	assert_string_equal(got.data, "text");
	assert_int_equal(access("netrc", F_OK), -1);

	put("netrc", "machine x login y password z");
	buf_reset(&url);
	assert_ok(&e,
		  buf_addf(&url, &e, "out=no%curl=file://%s/netrc%cnetrc=netrc%c", 0, dir, 0, 0));
	load(&secret, url.data, url.len);
	assert_err(&e, builtin_fetchurl(&secret, &e), "/netrc': Couldn't read a file:// file (37)");
}

static void refuses_a_fetch_that_is_not_fixed(void **state)
{
	scoped_params struct params p = PARAMS_INIT;
	scoped_params struct params no_out = PARAMS_INIT;
	scoped_params struct params no_url = PARAMS_INIT;
	struct err e = ERR_INIT;

	LOAD(&p, "out=got\0url=file:///x\0pure=1");
	assert_err(&e, builtin_fetchurl(&p, &e), "must be a fixed-output or impure derivation");
	LOAD(&no_out, "url=file:///x");
	assert_err(&e, builtin_fetchurl(&no_out, &e), "requires an 'out' output");
	LOAD(&no_url, "out=got");
	assert_err(&e, builtin_fetchurl(&no_url, &e), "attribute 'url' missing");
}

/* ---- buildenv ---- */

static void make_packages(void)
{
	mkdir("a", 0755);
	mkdir("a/bin", 0755);
	put("a/bin/x", "a");
	mkdir("b", 0755);
	mkdir("b/bin", 0755);
	put("b/bin/x", "b");
	put("b/bin/y", "b");
	mkdir("b/log", 0755);
}

/* PATH is a link to TARGET in our directory. */
static void assert_link(const char *path, const char *target)
{
	char got[PATH_MAX], want[PATH_MAX];
	ssize_t n = readlink(path, got, sizeof got - 1);

	if (n < 0)
		fail_msg("'%s' is no link", path);
	got[n] = '\0';
	snprintf(want, sizeof want, "%s/%s", dir, target);
	assert_string_equal(got, want);
}

static int build_env(const char *derivations, struct err *e)
{
	scoped_params struct params p = PARAMS_INIT;
	scoped_buf struct buf text = BUF_INIT(65536);

	assert_ok(e, buf_addf(&text, e, "out=env%cmanifest=%s/m%cderivations=%s%c", 0, dir, 0,
			      derivations, 0));
	load(&p, text.data, text.len);
	return builtin_buildenv(&p, e);
}

static void merges_directories_by_priority(void **state)
{
	struct err e = ERR_INIT;
	char d[PATH_MAX];

	make_packages();
	snprintf(d, sizeof d, "true 5 1 %s/a true -1 1 %s/b false 0 1 %s/none", dir, dir, dir);
	assert_ok(&e, build_env(d, &e));
	assert_link("env/bin/x", "b/bin/x");
	assert_link("env/bin/y", "b/bin/y");
	assert_link("env/manifest.nix", "m");
	assert_int_equal(access("env/log", F_OK), -1);
}

static void links_a_whole_directory_of_one_package(void **state)
{
	struct err e = ERR_INIT;
	char d[PATH_MAX];

	make_packages();
	snprintf(d, sizeof d, "true 5 1 %s/a", dir);
	assert_ok(&e, build_env(d, &e));
	assert_link("env/bin", "a/bin");
}

static void refuses_two_files_of_one_priority(void **state)
{
	struct err e = ERR_INIT;
	char d[PATH_MAX];

	make_packages();
	snprintf(d, sizeof d, "true 5 1 %s/a true 5 1 %s/b", dir, dir);
	assert_err(&e, build_env(d, &e), "There is a conflict for the following files");
}

static void refuses_a_file_where_another_has_a_directory(void **state)
{
	struct err e = ERR_INIT;
	char d[PATH_MAX];

	make_packages();
	mkdir("c", 0755);
	put("c/bin", "file");
	snprintf(d, sizeof d, "true 5 1 %s/c true 6 1 %s/b", dir, dir);
	assert_err(&e, build_env(d, &e), "collision between");
}

static void refuses_a_list_that_is_cut_off(void **state)
{
	static const char *const lists[] = {"true",        "true 5",
					    "true 5 1",    "true 5 x",
					    "true 5 2 /a", "true 5 99999999999999999999 /a"};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		assert_err(&e, build_env(lists[i], &e),
			   "the attribute 'derivations' ends too early");
	assert_err(&e, build_env("true x 0", &e), "'x' is not a priority of a package");
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		CASE(reads_parameters_and_removes_the_file),
		CASE(refuses_parameters_that_are_cut_off),
		CASE(knows_what_is_a_success),
		CASE(knows_which_urls_are_files),
		CASE(fetches_a_file_and_hides_netrc_from_it),
		CASE(refuses_a_fetch_that_is_not_fixed),
		CASE(merges_directories_by_priority),
		CASE(links_a_whole_directory_of_one_package),
		CASE(refuses_two_files_of_one_priority),
		CASE(refuses_a_file_where_another_has_a_directory),
		CASE(refuses_a_list_that_is_cut_off),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
