/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/store/uri.h"
#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[] = "/tmp/test_store_uri.XXXXXX";
static char state[64]; /* a directory that we may write */

static int setup(void **state_)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(state, sizeof state, "%s/state", dir);
	return mkdir(state, 0755);
}

static int teardown(void **state_)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static const struct store_env machine = {
	.store_dir = "/nix/store", .state_dir = state, .root = true, .home = "/nowhere"};

static void expect(const char *uri, const struct store_env *env, const char *store_dir,
		   const char *real_dir, const char *state_dir, bool local)
{
	struct err e = ERR_INIT;
	scoped_store_where struct store_where w = {0};

	assert_ok(&e, store_uri_resolve(uri, env, &w, &e));
	assert_string_equal(w.dir, store_dir);
	assert_string_equal(w.real_dir, real_dir);
	assert_string_equal(w.state_dir, state_dir);
	assert_int_equal(w.local, local);
}

static void the_machines_own_store_has_many_names(void **state_)
{
	static const char *const uris[] = {
		"", "auto", "local", "local://", "daemon", "unix://", "unix:///run/socket"};

	for (size_t i = 0; i < ARRAY_SIZE(uris); i++)
		expect(uris[i], &machine, "/nix/store", "/nix/store", state, true);
}

static void a_directory_is_a_root(void **state_)
{
	static const char *const uris[] = {"/tmp/some",
					   "/tmp//x/.././some/",
					   "local:///tmp/some",
					   "local?root=/tmp/some",
					   "local://?root=/tmp/some",
					   "local?root=%2ftmp%2Fsome",
					   "auto?root=/tmp/some",
					   "local?root=/tmp/some&log=/var/log&root=/other"};

	for (size_t i = 0; i < ARRAY_SIZE(uris); i++)
		expect(uris[i], &machine, "/nix/store", "/tmp/some/nix/store",
		       "/tmp/some/nix/var/nix", true);
}

static void each_directory_can_be_named(void **state_)
{
	expect("local?store=/foo/store&state=/s&real=/r", &machine, "/foo/store", "/r", "/s", true);
	expect("/x?store=/foo/store", &machine, "/foo/store", "/x/nix/store", "/x/nix/var/nix",
	       true);
	expect("local?root=/x&state=/s", &machine, "/nix/store", "/x/nix/store", "/s", true);
	expect("local?root=/", &machine, "/nix/store", "/nix/store", "/nix/var/nix", true);
	expect("local?root=", &machine, "/nix/store", "/nix/store", state, true);
}

static void an_empty_variable_is_none(void **state_)
{
	static const char *const names[] = {"NIX_STORE_DIR", "NIX_STORE", "NIX_STATE_DIR",
					    "NIX_DAEMON_SOCKET_PATH"};
	struct store_env env;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		setenv(names[i], "", 1);
	store_env_get(&env);
	assert_string_equal(env.store_dir, "/nix/store");
	assert_string_equal(env.state_dir, "/nix/var/nix");
	assert_null(env.socket);
	assert_true(env.dirs_set); /* Nix makes no store below the home directory then */
	setenv("NIX_STORE", "/some", 1);
	store_env_get(&env);
	assert_string_equal(env.store_dir, "/some");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
	store_env_get(&env);
	assert_false(env.dirs_set);
}

static void a_store_has_features_of_its_own(void **state_)
{
	static const struct {
		const char *uri, *features;
	} vectors[] = {
		{"local", NULL},
		{"/x?system-features=foo%20bar", "foo bar"},
		{"local://?root=/x&system-features=", ""},
		{"auto?system-features=a&system-features=b", "a"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		struct err e = ERR_INIT;
		scoped_store_where struct store_where w = {0};

		assert_ok(&e, store_uri_resolve(vectors[i].uri, &machine, &w, &e));
		if (vectors[i].features)
			assert_string_equal(w.system_features, vectors[i].features);
		else
			assert_null(w.system_features);
	}
}

static void the_environment_moves_the_defaults(void **state_)
{
	const struct store_env env = {.store_dir = "/foo//store",
				      .state_dir = "/var/state/",
				      .dirs_set = true,
				      .root = true};

	expect("local", &env, "/foo/store", "/foo/store", "/var/state", true);
	expect("/x", &env, "/foo/store", "/x/nix/store", "/x/nix/var/nix", true);
}

static void auto_falls_back_to_the_daemon_and_then_to_the_home(void **state_)
{
	struct err e = ERR_INIT;
	char absent[80], socket[80], root[100];
	snprintf(absent, sizeof absent, "%s/absent", dir);
	snprintf(socket, sizeof socket, "%s/socket", dir);
	snprintf(root, sizeof root, "%s/nix/root", dir);
	const struct store_env env = {
		.store_dir = "/nix/store", .state_dir = absent, .socket = socket, .data_home = dir};
	char real[140], below[140];

	expect("auto", &env, "/nix/store", "/nix/store", absent, true);
	int fd = io_mkdir_p(root, 0755, &e);
	assert_true(fd >= 0);
	close(fd);
	snprintf(real, sizeof real, "%s/nix/store", root);
	snprintf(below, sizeof below, "%s/nix/var/nix", root);
	expect("auto", &env, "/nix/store", real, below, true);
	assert_ok(&e, io_write_file(AT_FDCWD, socket, 0600, "", 0, &e));
	expect("auto", &env, "/nix/store", "/nix/store", absent, false);
}

static void other_stores_are_not_local(void **state_)
{
	static const char *const uris[] = {"ssh://host",
					   "https://cache.example.org?priority=3",
					   "local-overlay://?root=/x",
					   "dummy://",
					   "whatever",
					   "local?read-only=true",
					   "local-overlay:///x"};

	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		struct err e = ERR_INIT;
		scoped_store_where struct store_where w = {0};

		assert_ok(&e, store_uri_resolve(uris[i], &machine, &w, &e));
		assert_false(w.local);
		assert_string_equal(w.uri, uris[i]);
	}
}

static void a_relative_directory_becomes_absolute(void **state_)
{
	struct err e = ERR_INIT;
	scoped_store_where struct store_where w = {0};
	char want[100];

	assert_int_equal(chdir(dir), 0);
	assert_ok(&e, store_uri_resolve("./a/../b?log=/l", &machine, &w, &e));
	snprintf(want, sizeof want, "%s/b?log=/l", dir);
	assert_string_equal(w.uri, want);
	snprintf(want, sizeof want, "%s/b/nix/store", dir);
	assert_string_equal(w.real_dir, want);
}

static void escapes_in_the_authority_are_literal_unless_only_the_other_exists(void **state_)
{
	char uri[100], want[100], spaced[100];

	snprintf(uri, sizeof uri, "local://%s/a%%20b", dir);
	snprintf(want, sizeof want, "%s/a%%20b/nix/store", dir);
	struct err e = ERR_INIT;
	{
		scoped_store_where struct store_where w = {0};
		assert_ok(&e, store_uri_resolve(uri, &machine, &w, &e));
		assert_string_equal(w.real_dir, want);
	}
	snprintf(spaced, sizeof spaced, "%s/a b", dir);
	assert_int_equal(mkdir(spaced, 0755), 0);
	snprintf(want, sizeof want, "%s/a b/nix/store", dir);
	scoped_store_where struct store_where w = {0};
	assert_ok(&e, store_uri_resolve(uri, &machine, &w, &e));
	assert_string_equal(w.real_dir, want);
}

static void bad_escapes_are_refused(void **state_)
{
	static const char *const uris[] = {"local?root=%", "local?root=%2", "local?root=/a%zz",
					   "local?root=/a%00b", "/x?store=%0"};

	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		struct err e = ERR_INIT;
		struct store_where w = {0};

		assert_err(&e, store_uri_resolve(uris[i], &machine, &w, &e),
			   "contains a '%' without two hexadecimal digits, or '%00'");
		assert_null(w.uri);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_machines_own_store_has_many_names),
		cmocka_unit_test(a_directory_is_a_root),
		cmocka_unit_test(each_directory_can_be_named),
		cmocka_unit_test(an_empty_variable_is_none),
		cmocka_unit_test(a_store_has_features_of_its_own),
		cmocka_unit_test(the_environment_moves_the_defaults),
		cmocka_unit_test(auto_falls_back_to_the_daemon_and_then_to_the_home),
		cmocka_unit_test(other_stores_are_not_local),
		cmocka_unit_test(a_relative_directory_becomes_absolute),
		cmocka_unit_test(escapes_in_the_authority_are_literal_unless_only_the_other_exists),
		cmocka_unit_test(bad_escapes_are_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("store_uri", tests, setup, teardown);
}
