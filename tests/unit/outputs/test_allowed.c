/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "tests/unit/outputs/outputs.h"

/* ---- what a derivation promises ---- */

/* An input, and a derivation of MORE that may refer to it as ${i}. */
static void promise_init(struct fixture *f, const char *name, const char *more)
{
	struct err e = ERR_INIT;
	scoped_free char *input = nixstore_add("promised", "p");
	scoped_free char *expr = str_fmt(
		&e,
		"let i = builtins.storePath \"%s%s\"; in derivation { name = \"%s\"; system = "
		"\"x86_64-linux\"; builder = \"/bin/sh\"; %s }",
		"", input, name, more);

	assert_non_null(expr);
	fixture_init(f, REG_AUTO, expr);
	assert_ok(&e, strv_add(&f->inputs, input, &e));
	strv_sort(&f->inputs);
	strv_uniq(&f->inputs);
}

static void assert_not_allowed(struct fixture *f, const char *output, const char *bad)
{
	char text[1024];

	snprintf(text, sizeof text,
		 "output '%s' is not allowed to refer to the following paths:\n  %s",
		 path_of(f, output), bad);
	assert_refused(f, text);
}

static void checks_lists_of_the_environment(void **state)
{
	struct err e = ERR_INIT;
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "none-allowed", "allowedReferences = [];");
		leave_file(&f, "out", f.inputs.items[0]);
		assert_not_allowed(&f, "out", f.inputs.items[0]);
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "self-not-allowed", "allowedReferences = [ i ];");
		leave_file(&f, "out", path_of(&f, "out"));
		assert_not_allowed(&f, "out", path_of(&f, "out"));
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "self-allowed", "allowedReferences = [ i \"out\" ];");
		leave_file(&f, "out", path_of(&f, "out"));
		assert_ok(&e, outputs_register(&f.job, &e));
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "self-forgiven", "allowedRequisites = [ i ];");
		leave_file(&f, "out", path_of(&f, "out"));
		assert_ok(&e, outputs_register(&f.job, &e));
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "dis", "disallowedReferences = [ i ];");
		leave_file(&f, "out", f.inputs.items[0]);
		assert_not_allowed(&f, "out", f.inputs.items[0]);
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "ignored-size", "maxSize = 1;");
		leave_file(&f, "out", "");
		assert_ok(&e, outputs_register(&f.job, &e));
	}
	scoped_fixture struct fixture f;
	promise_init(&f, "word",
		     "outputs = [ \"out\" \"dev\" ]; allowedReferences = [ \"nonsense\" ];");
	leave_file(&f, "out", "");
	leave_file(&f, "dev", "");
	assert_refused(&f,
		       "contains output name 'nonsense', but this is not a valid output of this "
		       "derivation. (Valid outputs are [dev, out].)");
}

static void follows_requisites_through_other_outputs(void **state)
{
	scoped_fixture struct fixture f;

	promise_init(&f, "reqs", "outputs = [ \"out\" \"dev\" ]; disallowedRequisites = [ i ];");
	/* dev -> out -> input; dev comes first. */
	leave_file(&f, "out", f.inputs.items[0]);
	leave_file(&f, "dev", path_of(&f, "out"));
	assert_not_allowed(&f, "dev", f.inputs.items[0]);
}

static void checks_structured_promises(void **state)
{
	struct err e = ERR_INIT;
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "top-ignored",
			     "__structuredAttrs = true; allowedReferences = [];");
		leave_file(&f, "out", f.inputs.items[0]);
		assert_ok(&e, outputs_register(&f.job, &e));
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "max",
			     "__structuredAttrs = true; outputChecks.out.maxSize = 119;");
		leave_file(&f, "out", "x");
		assert_refused(&f, "is too large at 120 bytes; limit is 119 bytes");
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "max-closure",
			     "__structuredAttrs = true; outputChecks.out.maxClosureSize = 200;");
		leave_file(&f, "out", f.inputs.items[0]);
		assert_refused(&f, "closure of path '");
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "enough",
			     "__structuredAttrs = true; outputChecks.out = { maxSize = 120; "
			     "maxClosureSize = 120; allowedReferences = []; };");
		leave_file(&f, "out", "x");
		assert_ok(&e, outputs_register(&f.job, &e));
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "no-forgiving",
			     "__structuredAttrs = true; outputChecks.out.allowedRequisites = [];");
		leave_file(&f, "out", "x");
		assert_not_allowed(&f, "out", path_of(&f, "out"));
	}
	scoped_fixture struct fixture f;
	promise_init(&f, "no-list",
		     "__structuredAttrs = true; outputChecks.out.allowedReferences = 3;");
	leave_file(&f, "out", "x");
	assert_err(&e, outputs_register(&f.job, &e), "must be a list of strings");
	assert_absent(&f);
}

static void discards_references_where_told(void **state)
{
	struct err e = ERR_INIT;
	scoped_fixture struct fixture f;
	scoped_store_path_info struct store_path_info info = {0};

	promise_init(&f, "discard",
		     "__structuredAttrs = true; unsafeDiscardReferences.out = true; "
		     "outputs = [ \"out\" \"dev\" ];");
	leave_file(&f, "out", f.inputs.items[0]);
	leave_file(&f, "dev", f.inputs.items[0]);
	assert_ok(&e, outputs_register(&f.job, &e));
	assert_ok(&e, store_path_info(&f.store, path_of(&f, "out"), &info, &e));
	assert_int_equal(info.refs.n, 0);
	store_path_info_done(&info);
	assert_ok(&e, store_path_info(&f.store, path_of(&f, "dev"), &info, &e));
	assert_int_equal(info.refs.n, 1);
}

/* ---- fixed outputs ---- */

#define FIXED(name, mode, algo, hash, more)                                 \
	DRV(name, "outputHashMode = \"" mode "\"; outputHashAlgo = \"" algo \
		  "\"; outputHash = \"" hash "\"; " more)

static void checks_fixed_outputs_of_every_algorithm_and_mode(void **state)
{
	/* By the real Nix: nix-hash of a file "fixed\n", flat and as NAR. */
	static const char *const algos[] = {"md5", "sha1", "sha256", "sha512"};
	struct err e = ERR_INIT;
	scoped_free char *file = str_fmt(&e, "%s/fixed", nixstore_root);

	assert_ok(&e, io_write_file(AT_FDCWD, file, 0644, "fixed\n", 6, &e));
	for (size_t i = 0; i < 2 * ARRAY_SIZE(algos); i++) {
		bool flat = i % 2;
		const char *algo = algos[i / 2];
		scoped_buf struct buf out = BUF_INIT(1000);
		char *const argv[] = {(char *)"nix-hash",
				      (char *)"--type",
				      (char *)algo,
				      file,
				      flat ? (char *)"--flat" : NULL,
				      NULL};
		assert_ok(&e, subprocess_run(argv, NULL, 0, &out, &e));
		out.data[strcspn(out.data, "\n")] = '\0';
		scoped_free char *expr = str_fmt(
			&e,
			"derivation { name = \"fixed-%s-%s\"; system = \"x86_64-linux\"; builder = "
			"\"/bin/sh\"; outputHashMode = \"%s\"; outputHashAlgo = \"%s\"; outputHash "
			"= "
			"\"%s\"; }",
			algo, flat ? "flat" : "nar", flat ? "flat" : "recursive", algo, out.data);
		scoped_fixture struct fixture f;
		scoped_store_path_info struct store_path_info info = {0};

		fixture_init(&f, REG_SQLITE, expr);
		leave_file(&f, "out", "fixed\n");
		assert_ok(&e, outputs_register(&f.job, &e));
		assert_ok(&e, store_path_info(&f.store, path_of(&f, "out"), &info, &e));
		scoped_free char *ca = str_fmt(&e, "fixed:%s%s:", flat ? "" : "r:", algo);
		assert_true(str_starts(info.ca, ca));
	}
	verify_store();
}

static void says_which_hash_a_fixed_output_should_have_had(void **state)
{
	scoped_fixture struct fixture f;
	struct err e = ERR_INIT;
	struct hash empty;
	char text[1024];
	static const char empty_text[] =
		"sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";

	assert_ok(&e, hash_parse_any(empty_text, strlen(empty_text), &empty, &e));
	fixture_init(&f, REG_AUTO,
		     FIXED("wrong", "flat", "sha256",
			   "0000000000000000000000000000000000000000000000000000", ""));
	leave_file(&f, "out", "");
	snprintf(text, sizeof text,
		 "hash mismatch in fixed-output derivation '%s':\n"
		 "  specified: sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
		 "     got:    sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		 f.drv.path);
	assert_refused(&f, text);
	/* What was built is kept as what it is: the flat file of nothing, of that name. */
	scoped_free char *path =
		storepath_make_ca(&(struct ca_contents){CA_FLAT, empty}, "/nix/store", "wrong", &e);
	assert_non_null(path);
	assert_int_equal(store_is_valid(&f.store, path, &e), 1);
	scoped_store_path_info struct store_path_info info = {0};
	assert_ok(&e, store_path_info(&f.store, path, &info, &e));
	assert_string_equal(info.deriver, f.drv.path);
	assert_true(str_starts(info.ca, "fixed:"));
	assert_string_equal(info.ca + strlen("fixed:"), empty_text);
	verify_store();
}

static void flat_fixed_outputs_are_plain_files(void **state)
{
	for (int i = 0; i < 3; i++) {
		scoped_fixture struct fixture f;

		fixture_init(&f, REG_AUTO,
			     FIXED("plain", "flat", "sha256",
				   "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ""));
		if (i == 0)
			close(leave_dir(&f, "out", "f", ""));
		else if (i == 1)
			assert_int_equal(
				symlinkat("/etc/hostname", f.output_dirfd, base_of(&f, "out")), 0);
		else
			leave_file(&f, "out", "");
		if (i == 2)
			assert_int_equal(fchmodat(f.output_dirfd, base_of(&f, "out"), 0744, 0), 0);
		assert_refused(&f,
			       "should be a non-executable regular file since recursive hashing "
			       "is not enabled (one of outputHashMode={flat,text} is true)");
	}
}

static void fixed_outputs_refer_to_nothing(void **state)
{
	{
		scoped_fixture struct fixture f;
		fixture_init(&f, REG_AUTO,
			     FIXED("flat-refs", "flat", "sha256",
				   "0000000000000000000000000000000000000000000000000000", ""));
		leave_file(&f, "out", path_of(&f, "out"));
		assert_refused(&f, "fixed output derivation 'flat-refs' is not allowed to refer to "
				   "other store paths.\nYou may need to use the "
				   "'unsafeDiscardReferences' derivation attribute, see the manual "
				   "for more details.");
	}
	{
		/* Nobody can know the hash of a NAR that holds its own path. */
		scoped_fixture struct fixture f;
		fixture_init(&f, REG_AUTO,
			     FIXED("nar-self", "recursive", "sha256",
				   "0000000000000000000000000000000000000000000000000000", ""));
		leave_file(&f, "out", path_of(&f, "out"));
		assert_refused(&f, "hash mismatch");
	}
	/* A NAR whose declared hash is right, and which names an input. */
	struct err e = ERR_INIT;
	scoped_free char *input = nixstore_add("referred", "r");
	scoped_free char *added = nixstore_add("with-reference", input);
	scoped_free char *hash = NIXSTORE("--query", "--hash", added);
	scoped_free char *expr =
		str_fmt(&e,
			"derivation { name = \"nar-refs\"; system = \"x86_64-linux\"; builder = "
			"\"/bin/sh\"; outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\"; "
			"outputHash = \"%s\"; }",
			hash);
	scoped_fixture struct fixture f;
	char text[1024];

	fixture_init(&f, REG_AUTO, expr);
	assert_ok(&e, strv_add(&f.inputs, input, &e));
	leave_file(&f, "out", input);
	snprintf(text, sizeof text,
		 "fixed-output derivations must not reference store paths: '%s' references 1 "
		 "distinct "
		 "paths, e.g. '%s'",
		 f.drv.path, input);
	assert_refused(&f, text);
}

/* Whoever kept a descriptor of a fixed output cannot write to what is registered. */
static void fixed_outputs_are_copies(void **state)
{
	struct err e = ERR_INIT;
	scoped_fixture struct fixture f;
	scoped_buf struct buf b = BUF_INIT(100);

	fixture_init(&f, REG_AUTO,
		     FIXED("copied", "flat", "sha256",
			   "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ""));
	leave_file(&f, "out", "");
	scoped_fd int kept = openat(f.output_dirfd, base_of(&f, "out"), O_WRONLY | O_CLOEXEC);
	assert_true(kept >= 0);
	assert_ok(&e, outputs_register(&f.job, &e));
	assert_ok(&e, io_write(kept, "evil", 4, "kept", &e));
	scoped_free char *real = real_of(&f, "out");
	assert_ok(&e, io_read_file(AT_FDCWD, real, &b, &e));
	assert_int_equal(b.len, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_lists_of_the_environment),
		cmocka_unit_test(follows_requisites_through_other_outputs),
		cmocka_unit_test(checks_structured_promises),
		cmocka_unit_test(discards_references_where_told),
		cmocka_unit_test(checks_fixed_outputs_of_every_algorithm_and_mode),
		cmocka_unit_test(says_which_hash_a_fixed_output_should_have_had),
		cmocka_unit_test(flat_fixed_outputs_are_plain_files),
		cmocka_unit_test(fixed_outputs_refer_to_nothing),
		cmocka_unit_test(fixed_outputs_are_copies),
	};
	int status = 0;

	if (nixstore_missing(&status))
		return status;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("outchecks", tests, nixstore_setup, nixstore_teardown);
}
