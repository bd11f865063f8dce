/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/inputs/inputs.h"
#include "tests/unit/unit.h"

#include "nar/restore.h"
#include "nar/storepath.h"
#include "tests/unit/nixstore.h"

struct fixture {
	struct conf conf;
	struct store store;
	struct request r;
	struct machine m;
	struct inputs in;
	char *a, *b; /* store paths: a file each */
};

static void fixture_done(struct fixture *f)
{
	struct err e = ERR_INIT;

	inputs_done(&f->in);
	machine_done(&f->m);
	req_done(&f->r);
	store_done(&f->store);
	assert_ok(&e, io_rmtree(AT_FDCWD, f->conf.cache_dir, "cache", &e));
	conf_done(&f->conf);
	free(f->a);
	free(f->b);
}
#define scoped_fixture __attribute__((cleanup(fixture_done)))

static void fixture_init(struct fixture *f, enum conf_inputs how)
{
	struct err e = ERR_INIT;

	*f = (struct fixture){0};
	f->conf.inputs = how;
	f->conf.cache_dir = str_fmt(&e, "%s/cache", nixstore_root);
	f->conf.cache_size = 1 << 20;
	assert_non_null(f->conf.cache_dir);
	nixstore_open(&f->store, REG_AUTO);
	f->a = nixstore_add("a", "contents of a\n");
	f->b = nixstore_add("b", "contents of b\n");
}

static char *real_of(struct fixture *f, const char *path)
{
	struct err e = ERR_INIT;
	char *real = store_real_path(&f->store, path, &e);

	assert_non_null(real);
	return real;
}

static void add_input(struct fixture *f, const char *path)
{
	struct err e = ERR_INIT;
	scoped_free char *real = real_of(f, path);

	assert_ok(&e, req_add_input(&f->r, str_base(path), real, NULL, &e));
}

static void add_host_path(struct fixture *f, const char *target, const char *source)
{
	struct err e = ERR_INIT;

	assert_ok(&e, req_add_host_path(&f->r, target, source, false, false, &e));
}

static int prepare(struct fixture *f, struct err *e)
{
	const struct inputs_job j = {&f->store, &f->r, &f->m, -1};

	req_sort(&f->r);
	if (inputs_open(&f->in, &f->conf, &f->store, e) < 0 || inputs_start(&f->in, e) < 0)
		return -1;
	return inputs_prepare(&f->in, &j, e);
}

static void assert_contents(const char *path, const char *text)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1000);

	assert_ok(&e, io_read_file(AT_FDCWD, path, &b, &e));
	assert_string_equal(b.data, text);
}

static bool in_cache(const struct fixture *f, const char *source)
{
	return str_starts(source, f->conf.cache_dir);
}

static const struct req_host_path *host_path(const struct fixture *f, const char *target)
{
	for (size_t i = 0; i < f->r.constraints.n_host_paths; i++)
		if (str_eq(f->r.constraints.host_paths[i].target, target))
			return &f->r.constraints.host_paths[i];
	fail_msg("%s is not in the request", target);
	return NULL;
}

/* ---- cases ---- */

static void where_inputs_are_bound_nothing_is_touched(void **state)
{
	enum conf_inputs hows[] = {INPUTS_AUTO, INPUTS_BIND};

	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		scoped_fixture struct fixture f;
		struct err e = ERR_INIT;

		fixture_init(&f, hows[i]);
		add_input(&f, f.a);
		scoped_free char *real = real_of(&f, f.a);
		assert_ok(&e, prepare(&f, &e));
		assert_string_equal(f.r.inputs[0].source, real);
		assert_int_equal(inputs_fd(&f.in), -1);
		assert_null(inputs_dir(&f.in));
		assert_int_equal(access(f.conf.cache_dir, F_OK), -1);
	}
}

static void inputs_come_from_the_cache(void **state)
{
	scoped_fixture struct fixture f;
	struct err e = ERR_INIT;

	fixture_init(&f, INPUTS_NAR);
	add_input(&f, f.a);
	add_input(&f, f.b);
	assert_ok(&e, prepare(&f, &e));
	assert_true(inputs_fd(&f.in) >= 0);
	for (size_t i = 0; i < 2; i++) {
		const struct req_input *in = &f.r.inputs[i];
		const char *name = storepath_name(in->path);
		scoped_free char *text = str_fmt(&e, "contents of %s\n", name);
		scoped_free char *path = str_fmt(&e, "%s/%s", f.store.dir, in->path);
		scoped_free char *hash = NIXSTORE("-q", "--hash", path);

		assert_true(in_cache(&f, in->source));
		assert_contents(in->source, text);
		assert_string_equal(in->nar_hash, hash);
	}
}

static void a_request_without_inputs_is_fine(void **state)
{
	scoped_fixture struct fixture f;
	struct err e = ERR_INIT;

	fixture_init(&f, INPUTS_NAR);
	assert_ok(&e, prepare(&f, &e));
}

static void paths_of_the_machine_that_lie_in_the_store_do_too(void **state)
{
	scoped_fixture struct fixture f;
	struct err e = ERR_INIT;

	fixture_init(&f, INPUTS_NAR);
	scoped_free char *real = real_of(&f, f.a);
	scoped_free char *dots = str_fmt(&e, "%s/./%s", f.store.real_dir, str_base(f.a));
	add_host_path(&f, "/plain", real);
	add_host_path(&f, "/dots", dots);
	add_host_path(&f, "/usr", "/usr");
	add_host_path(&f, "/proc", "/proc");
	add_host_path(&f, "/missing", "/no/such/file");
	assert_ok(&e, prepare(&f, &e));
	for (const char *const *t = (const char *const[]){"/plain", "/dots", NULL}; *t; t++) {
		assert_true(in_cache(&f, host_path(&f, *t)->source));
		assert_true(host_path(&f, *t)->readonly);
		assert_contents(host_path(&f, *t)->source, "contents of a\n");
	}
	assert_string_equal(host_path(&f, "/usr")->source, "/usr");
	assert_false(host_path(&f, "/usr")->readonly);
	assert_string_equal(host_path(&f, "/proc")->source, "/proc");
}

/* A tree in the store that leads to another path of it by a link on the way. */
static char *add_leading(struct fixture *f, const char *to)
{
	struct err e = ERR_INIT;
	scoped_free char *tree = str_fmt(&e, "%s/leading", nixstore_root);
	scoped_free char *link = str_fmt(&e, "%s/way", tree);
	scoped_free char *file = str_fmt(&e, "%s/file", tree);

	assert_int_equal(mkdir(tree, 0755), 0);
	assert_int_equal(symlink(to, link), 0);
	assert_ok(&e, io_write_file(AT_FDCWD, file, 0644, "in a tree\n", 10, &e));
	char *path = NIXSTORE("--add", tree);
	assert_ok(&e, io_rmtree(AT_FDCWD, tree, tree, &e));
	(void)f;
	return path;
}

static void links_on_the_way_are_followed_before_not_in_the_mount(void **state)
{
	scoped_fixture struct fixture f;
	struct err e = ERR_INIT;

	fixture_init(&f, INPUTS_NAR);
	scoped_free char *inner = add_leading(&f, "/nowhere");
	scoped_free char *inner_real = real_of(&f, inner);
	scoped_free char *outer = add_leading(&f, inner_real);
	scoped_free char *outer_real = real_of(&f, outer);
	scoped_free char *source = str_fmt(&e, "%s/way/file", outer_real);
	scoped_free char *link = str_fmt(&e, "%s/way", outer_real);
	add_host_path(&f, "/through", source);
	add_host_path(&f, "/link", link);
	assert_ok(&e, prepare(&f, &e));
	const char *is = host_path(&f, "/through")->source;
	assert_true(in_cache(&f, is) && str_ends(is, "/contents/file"));
	assert_contents(is, "in a tree\n");
	/* A link itself is made again, and shows nothing. */
	assert_string_equal(host_path(&f, "/link")->source, link);
}

static void the_store_itself_and_what_is_above_are_refused(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *other = str_fmt(&e, "%s/nix/store/.links", nixstore_root);
	const char *above[] = {"/", nixstore_root, "/nix/../tmp"};

	for (size_t i = 0; i < ARRAY_SIZE(above); i++) {
		scoped_fixture struct fixture f;

		fixture_init(&f, INPUTS_NAR);
		add_host_path(&f, "/x", above[i]);
		assert_err(&e, prepare(&f, &e), "would show the store to the build");
	}
	scoped_fixture struct fixture f;
	fixture_init(&f, INPUTS_NAR);
	mkdir(other, 0755);
	add_host_path(&f, "/x", other);
	assert_err(&e, prepare(&f, &e), "lies in the store, but not in a store path");
}

static void shell_and_certificates_do_too(void **state)
{
	scoped_fixture struct fixture f;
	struct err e = ERR_INIT;

	fixture_init(&f, INPUTS_NAR);
	f.r.constraints.provide_bin_sh = f.r.constraints.network = true;
	f.m.shell = real_of(&f, f.a);
	f.m.ca_bundle = str_dup("/etc/passwd", &e);
	assert_ok(&e, prepare(&f, &e));
	assert_true(in_cache(&f, f.m.shell));
	assert_ptr_equal(f.m.host.sandbox_shell, f.m.shell);
	assert_string_equal(f.m.host.ca_bundle, "/etc/passwd");
}

static void contents_that_are_not_what_is_registered_are_refused(void **state)
{
	scoped_fixture struct fixture f;
	struct err e = ERR_INIT;

	fixture_init(&f, INPUTS_NAR);
	add_input(&f, f.b);
	scoped_free char *real = real_of(&f, f.b);
	assert_int_equal(chmod(real, 0644), 0);
	assert_int_equal(truncate(real, 3), 0);
	scoped_free char *text = str_fmt(&e, "unpacking '%s': the contents of", f.b);
	assert_err(&e, prepare(&f, &e), text);
	/* For the others. */
	assert_int_equal(unlink(real), 0);
	assert_ok(&e, io_write_file(AT_FDCWD, real, 0444, "contents of b\n", 14, &e));
}

static void paths_that_are_not_valid_are_refused(void **state)
{
	scoped_fixture struct fixture f;
	struct err e = ERR_INIT;

	fixture_init(&f, INPUTS_NAR);
	add_input(&f, "/nix/store/00000000000000000000000000000000-x");
	assert_err(&e, prepare(&f, &e), "is not valid");
}

static void a_cache_in_the_store_is_refused(void **state)
{
	scoped_fixture struct fixture f;
	struct err e = ERR_INIT;

	fixture_init(&f, INPUTS_NAR);
	free(f.conf.cache_dir);
	f.conf.cache_dir = str_fmt(&e, "%s/.cache", f.store.real_dir);
	assert_err(&e, prepare(&f, &e), "lies in the store (see 'cache-dir')");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_inputs_are_bound_nothing_is_touched),
		cmocka_unit_test(inputs_come_from_the_cache),
		cmocka_unit_test(a_request_without_inputs_is_fine),
		cmocka_unit_test(paths_of_the_machine_that_lie_in_the_store_do_too),
		cmocka_unit_test(links_on_the_way_are_followed_before_not_in_the_mount),
		cmocka_unit_test(the_store_itself_and_what_is_above_are_refused),
		cmocka_unit_test(shell_and_certificates_do_too),
		cmocka_unit_test(contents_that_are_not_what_is_registered_are_refused),
		cmocka_unit_test(paths_that_are_not_valid_are_refused),
		cmocka_unit_test(a_cache_in_the_store_is_refused),
	};
	int status;

	if (nixstore_missing(&status))
		return status;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, nixstore_setup, nixstore_teardown);
}
