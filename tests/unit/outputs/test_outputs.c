/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <errno.h>

#include "tests/unit/outputs/outputs.h"

/* A case that takes a way of registering as its state runs with both. */
static enum conf_registration by_sqlite = REG_SQLITE, by_load_db = REG_LOAD_DB;

static enum conf_registration how_of(void **state)
{
	return *(enum conf_registration *)*state;
}

static void registers_outputs_that_refer_to_each_other(void **state)
{
	struct err e = ERR_INIT;
	scoped_fixture struct fixture f;
	scoped_store_path_info struct store_path_info info = {0};
	scoped_free char *input = nixstore_add("an-input", "input");
	char text[1024];
	struct stat st;

	fixture_init(&f, how_of(state),
		     how_of(state) == REG_SQLITE
			     ? DRV("multi", "outputs = [ \"out\" \"dev\" \"lib\" ];")
			     : DRV("multi-l", "outputs = [ \"out\" \"dev\" \"lib\" ];"));
	assert_ok(&e, strv_add(&f.inputs, input, &e));
	/* out -> itself, lib, the input; lib by the name of a file; dev a link to out. */
	snprintf(text, sizeof text, "%s %s %s", path_of(&f, "out"), path_of(&f, "lib"), input);
	close(leave_dir(&f, "out", "f", text));
	close(leave_dir(&f, "lib", str_base(input), "x"));
	assert_int_equal(symlinkat(path_of(&f, "out"), f.output_dirfd, base_of(&f, "dev")), 0);

	assert_ok(&e, outputs_register(&f.job, &e));
	assert_ok(&e, store_path_info(&f.store, path_of(&f, "out"), &info, &e));
	assert_int_equal(info.refs.n, 3);
	assert_true(strv_has(&info.refs, path_of(&f, "out")));
	assert_true(strv_has(&info.refs, path_of(&f, "lib")));
	assert_true(strv_has(&info.refs, input));
	assert_string_equal(info.deriver, f.drv.path);
	store_path_info_done(&info);
	assert_ok(&e, store_path_info(&f.store, path_of(&f, "lib"), &info, &e));
	assert_int_equal(info.refs.n, 1);
	assert_string_equal(info.refs.items[0], input);
	store_path_info_done(&info);
	assert_ok(&e, store_path_info(&f.store, path_of(&f, "dev"), &info, &e));
	assert_int_equal(info.refs.n, 1);

	scoped_free char *real = real_of(&f, "out");
	assert_int_equal(lstat(real, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0555);
	assert_int_equal(st.st_mtime, 1);
	verify_store();
}

static void leaves_valid_outputs_alone(void **state)
{
	struct err e = ERR_INIT;
	scoped_fixture struct fixture f;
	struct stat before, after;

	fixture_init(&f, how_of(state),
		     how_of(state) == REG_SQLITE ? DRV("again", "") : DRV("again-l", ""));
	leave_file(&f, "out", "first");
	assert_ok(&e, outputs_register(&f.job, &e));
	scoped_free char *real = real_of(&f, "out");
	assert_int_equal(lstat(real, &before), 0);
	leave_file(&f, "out", "second");
	assert_ok(&e, outputs_register(&f.job, &e));
	assert_int_equal(lstat(real, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	verify_store();
}

static void registers_only_what_is_wanted(void **state)
{
	struct err e = ERR_INIT;
	scoped_fixture struct fixture f;

	fixture_init(&f, how_of(state),
		     how_of(state) == REG_SQLITE ? DRV("part", "outputs = [ \"a\" \"b\" ];")
						 : DRV("part-l", "outputs = [ \"a\" \"b\" ];"));
	strv_done(&f.wanted);
	assert_ok(&e, strv_add(&f.wanted, "b", &e));
	leave_file(&f, "b", "b");
	assert_ok(&e, outputs_register(&f.job, &e));
	assert_int_equal(store_is_valid(&f.store, path_of(&f, "b"), &e), 1);
	assert_int_equal(store_is_valid(&f.store, path_of(&f, "a"), &e), 0);
	/* Then the other, which refers to the valid one. */
	strv_done(&f.wanted);
	assert_ok(&e, strv_add(&f.wanted, "a", &e));
	leave_file(&f, "a", path_of(&f, "b"));
	assert_ok(&e, outputs_register(&f.job, &e));
	verify_store();
}

static void replaces_what_lies_at_the_path_without_being_valid(void **state)
{
	struct err e = ERR_INIT;
	scoped_fixture struct fixture f;
	scoped_buf struct buf b = BUF_INIT(100);

	fixture_init(&f, how_of(state),
		     how_of(state) == REG_SQLITE ? DRV("stale", "") : DRV("stale-l", ""));
	scoped_free char *real = real_of(&f, "out");
	int fd = io_mkdir(AT_FDCWD, real, 0555, &e);
	assert_ok(&e, fd);
	assert_ok(&e, io_write_file(fd, "old", 0444, "old", 3, &e));
	close(fd);
	leave_file(&f, "out", "new");
	assert_ok(&e, outputs_register(&f.job, &e));
	assert_ok(&e, io_read_file(AT_FDCWD, real, &b, &e));
	assert_string_equal(b.data, "new");
}

/* ---- refusals ---- */

static void names_an_output_that_is_missing(void **state)
{
	scoped_fixture struct fixture f;
	char text[1024];

	fixture_init(&f, REG_AUTO, DRV("missing", "outputs = [ \"out\" \"dev\" ];"));
	leave_file(&f, "dev", "x");
	snprintf(text, sizeof text,
		 "builder for '%s' failed to produce output path for output 'out' at '%s/%s'",
		 f.drv.path, f.output_dir, base_of(&f, "out"));
	assert_refused(&f, text);
}

static void refuses_an_output_that_others_may_write(void **state)
{
	scoped_fixture struct fixture f;
	char text[1024];

	fixture_init(&f, REG_AUTO, DRV("suspicious", ""));
	leave_file(&f, "out", "x");
	assert_int_equal(fchmodat(f.output_dirfd, base_of(&f, "out"), 0664, 0), 0);
	snprintf(text, sizeof text,
		 "suspicious ownership or permission on '%s/%s' for output 'out'; "
		 "rejecting this build output",
		 f.output_dir, base_of(&f, "out"));
	assert_refused(&f, text);
}

static void refuses_an_output_of_another_user(void **state)
{
	const struct build_user u = {.uid = geteuid() + 30001, .gid = 1, .count = 1, .lock_fd = -1};
	scoped_fixture struct fixture f;

	fixture_init(&f, REG_AUTO, DRV("foreign", ""));
	f.job.user = &u;
	leave_file(&f, "out", "x");
	assert_refused(&f, "suspicious ownership or permission");
}

static void refuses_special_files(void **state)
{
	scoped_fixture struct fixture f;
	char text[1024];

	fixture_init(&f, REG_AUTO, DRV("fifo", "outputs = [ \"a\" \"b\" ];"));
	leave_file(&f, "a", "fine");
	int fd = leave_dir(&f, "b", "fine", "x");
	assert_int_equal(mkfifoat(fd, "pipe", 0644), 0);
	close(fd);
	snprintf(text, sizeof text, "file '%s/%s/pipe' has an unsupported type", f.output_dir,
		 base_of(&f, "b"));
	assert_refused(&f, text);
}

static void refuses_cycles_between_outputs(void **state)
{
	scoped_fixture struct fixture f;
	char text[1024];

	fixture_init(&f, REG_AUTO, DRV("cycle", "outputs = [ \"a1\" \"b1\" ];"));
	leave_file(&f, "a1", path_of(&f, "b1"));
	leave_file(&f, "b1", path_of(&f, "a1"));
	snprintf(
		text, sizeof text,
		"cycle detected in build of '%s' in the references of output 'a1' from output 'b1'",
		f.drv.path);
	assert_refused(&f, text);
}

/* ---- all or none ---- */

static struct strv told = STRV_INIT;
static size_t fail_at; /* the call of tell() that fails, from 1; 0: none */

static int tell(struct run *run, const char *path, struct err *e)
{
	if (strv_add(&told, path, e) < 0)
		return -1;
	if (told.n == fail_at)
		return err_set(e, ERR_SYSTEM, "the supervisor is gone");
	return 0;
}

static void a_failure_at_any_step_leaves_nothing(void **state)
{
	struct err e = ERR_INIT;

	for (fail_at = 1;; fail_at++) {
		scoped_fixture struct fixture f;

		fixture_init(&f, how_of(state),
			     how_of(state) == REG_SQLITE
				     ? DRV("steps", "outputs = [ \"a\" \"b\" ];")
				     : DRV("steps-l", "outputs = [ \"a\" \"b\" ];"));
		leave_file(&f, "a", "a");
		close(leave_dir(&f, "b", "b", "b"));
		f.job.own = f.job.disown = tell;
		strv_done(&told);
		int rc = outputs_register(&f.job, &e);
		if (rc == 0)
			break;
		assert_err(&e, rc, "the supervisor is gone");
		assert_absent(&f);
	}
	/* Two outputs, each owned and disowned. */
	assert_int_equal(fail_at, 5);
	assert_int_equal(told.n, 4);
	assert_true(str_starts(told.items[0], nixstore_root));
	strv_done(&told);
}

static void a_reference_that_is_not_valid_leaves_nothing(void **state)
{
	struct err e = ERR_INIT;
	scoped_fixture struct fixture f;
	static const char gone[] = "/nix/store/00000000000000000000000000000000-gone";

	fixture_init(&f, how_of(state), DRV("dangling", ""));
	assert_ok(&e, strv_add(&f.inputs, gone, &e));
	leave_file(&f, "out", gone);
	int rc = outputs_register(&f.job, &e);
	assert_err(&e, rc, "path '/nix/store/00000000000000000000000000000000-gone' is not valid");
	assert_absent(&f);
}

/* ---- signatures ---- */

static void signs_so_that_nix_believes_it(void **state)
{
	struct err e = ERR_INIT;
	scoped_fixture struct fixture f;
	scoped_free char *secret = str_fmt(&e, "%s/secret", nixstore_root);
	scoped_free char *public = str_fmt(&e, "%s/public", nixstore_root);
	scoped_buf struct buf key = BUF_INIT(1000);

	free(NIXSTORE("--generate-binary-cache-key", "test-1", secret, public));
	assert_ok(&e, io_read_file(AT_FDCWD, public, &key, &e));
	fixture_init(&f, REG_SQLITE, DRV("signed", "outputs = [ \"out\" \"dev\" ];"));
	assert_ok(&e, settings_set(&f.settings, "secret-key-files", secret, &e));
	leave_file(&f, "out", path_of(&f, "dev"));
	leave_file(&f, "dev", "");
	assert_ok(&e, outputs_register(&f.job, &e));
	/* Not because it was built here, but because of the signature: --sigs-needed. */
	char *const argv[] = {(char *)"nix",
			      (char *)"--extra-experimental-features",
			      (char *)"nix-command",
			      (char *)"store",
			      (char *)"verify",
			      (char *)"--store",
			      nixstore_root,
			      (char *)"--sigs-needed",
			      (char *)"1",
			      (char *)"--trusted-public-keys",
			      key.data,
			      (char *)path_of(&f, "out"),
			      (char *)path_of(&f, "dev"),
			      NULL};
	assert_ok(&e, subprocess_run(argv, NULL, 0, NULL, &e));
}

static void refuses_keys_that_are_none(void **state)
{
	static const char *const bad[] = {"nonsense", ":AAAA", "name:", "name:AAAA", ""};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = ERR_INIT;
		scoped_fixture struct fixture f;
		scoped_free char *file = str_fmt(&e, "%s/bad-key", nixstore_root);

		unlink(file);
		assert_ok(&e, io_write_file(AT_FDCWD, file, 0600, bad[i], strlen(bad[i]), &e));
		fixture_init(&f, REG_AUTO, DRV("bad-key", ""));
		assert_ok(&e, settings_set(&f.settings, "secret-key-files", file, &e));
		leave_file(&f, "out", "");
		assert_err(&e, outputs_register(&f.job, &e), "secret-key-files");
		assert_absent(&f);
	}
}

#define WITH_BOTH(f)                                        \
	{#f " (SQLite)", f, NULL, NULL, &by_sqlite},        \
	{                                                   \
#f " (load-db)", f, NULL, NULL, &by_load_db \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_BOTH(registers_outputs_that_refer_to_each_other),
		WITH_BOTH(leaves_valid_outputs_alone),
		WITH_BOTH(registers_only_what_is_wanted),
		WITH_BOTH(replaces_what_lies_at_the_path_without_being_valid),
		cmocka_unit_test(names_an_output_that_is_missing),
		cmocka_unit_test(refuses_an_output_that_others_may_write),
		cmocka_unit_test(refuses_an_output_of_another_user),
		cmocka_unit_test(refuses_special_files),
		cmocka_unit_test(refuses_cycles_between_outputs),
		WITH_BOTH(a_failure_at_any_step_leaves_nothing),
		WITH_BOTH(a_reference_that_is_not_valid_leaves_nothing),
		cmocka_unit_test(signs_so_that_nix_believes_it),
		cmocka_unit_test(refuses_keys_that_are_none),
	};
	int status = 0;

	if (nixstore_missing(&status))
		return status;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("outputs", tests, nixstore_setup, nixstore_teardown);
}
