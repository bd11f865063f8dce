/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <errno.h>

#include "hook/outputs_internal.h"
#include "nar/storepath.h"
#include "tests/unit/nixstore.h"

/*
 * Each case instantiates a derivation by the real Nix, writes what a build would have left, and
 * registers it. A case that takes a way of registering as its state runs with both.
 */
static enum conf_registration by_sqlite = REG_SQLITE, by_load_db = REG_LOAD_DB;

struct fixture {
	struct store store;
	struct settings settings;
	struct drv drv;
	struct strv inputs, wanted;
	char *scratch;    /* ours alone */
	char *output_dir; /* scratch/store */
	int output_dirfd;
	struct out_job job;
};

static void fixture_done(struct fixture *f)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_rmtree(AT_FDCWD, f->scratch, f->scratch, &e));
	close(f->output_dirfd);
	store_done(&f->store);
	settings_done(&f->settings);
	drv_done(&f->drv);
	strv_done(&f->inputs);
	strv_done(&f->wanted);
	free(f->scratch);
	free(f->output_dir);
}
#define scoped_fixture __attribute__((cleanup(fixture_done)))

static void fixture_init(struct fixture *f, enum conf_registration how, const char *expr)
{
	struct err e = ERR_INIT;
	scoped_free char *path = nixstore_instantiate(expr);

	*f = (struct fixture){0};
	nixstore_open(&f->store, how);
	scoped_free char *real = store_real_path(&f->store, path, &e);
	assert_non_null(real);
	assert_ok(&e, drv_read(path, real, "/nix/store", &f->drv, &e));
	for (size_t i = 0; i < f->drv.n_outputs; i++)
		assert_ok(&e, strv_add(&f->wanted, f->drv.outputs[i].name, &e));
	assert_ok(&e, strv_copy(&f->inputs, &f->drv.srcs, &e));
	f->scratch = str_fmt(&e, "%s/nix/store/scratch", nixstore_root);
	f->output_dir = str_fmt(&e, "%s/store", f->scratch);
	/* Of a case that failed before. */
	assert_ok(&e, io_rmtree(AT_FDCWD, f->scratch, f->scratch, &e));
	int fd = io_mkdir(AT_FDCWD, f->scratch, 0700, &e);
	assert_ok(&e, fd);
	close(fd);
	f->output_dirfd = io_mkdir(AT_FDCWD, f->output_dir, 0755, &e);
	assert_ok(&e, f->output_dirfd);
	f->job = (struct out_job){
		.drv = &f->drv,
		.wanted = &f->wanted,
		.inputs = &f->inputs,
		.store = &f->store,
		.settings = &f->settings,
		.output_dir = f->output_dir,
		.output_dirfd = f->output_dirfd,
	};
}

static const char *path_of(const struct fixture *f, const char *output)
{
	const struct drv_output *o = drv_output(&f->drv, output);

	assert_non_null(o);
	return o->path;
}

static const char *base_of(const struct fixture *f, const char *output)
{
	return str_base(path_of(f, output));
}

/* What the build left for OUTPUT: a file. */
static void leave_file(const struct fixture *f, const char *output, const char *contents)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_write_file(f->output_dirfd, base_of(f, output), 0644, contents,
				    strlen(contents), &e));
}

/* ... or a directory with one file in it. */
static int leave_dir(const struct fixture *f, const char *output, const char *name,
		     const char *contents)
{
	struct err e = ERR_INIT;
	int fd = io_mkdir(f->output_dirfd, base_of(f, output), 0755, &e);

	assert_ok(&e, fd);
	assert_ok(&e, io_write_file(fd, name, 0755, contents, strlen(contents), &e));
	return fd;
}

static char *real_of(struct fixture *f, const char *output)
{
	struct err e = ERR_INIT;
	char *p = store_real_path(&f->store, path_of(f, output), &e);

	assert_non_null(p);
	return p;
}

/* Neither valid nor there, and nobody's leavings in the store. */
static void assert_absent(struct fixture *f)
{
	struct err e = ERR_INIT;
	scoped_free char *copies = str_fmt(&e, "%s/copies", f->scratch);

	for (size_t i = 0; i < f->drv.n_outputs; i++) {
		scoped_free char *real = real_of(f, f->drv.outputs[i].name);

		assert_int_equal(store_is_valid(&f->store, f->drv.outputs[i].path, &e), 0);
		assert_int_equal(access(real, F_OK), -1);
	}
	assert_int_equal(access(copies, F_OK), -1);
}

static void assert_refused(struct fixture *f, const char *text)
{
	struct err e = ERR_INIT;
	int rc = out_register(&f->job, &e);

	assert_int_equal(rc, -1);
	assert_int_equal(e.kind, ERR_BUILD);
	assert_err(&e, rc, text);
	assert_absent(f);
}

static void verify_store(void)
{
	free(NIXSTORE("--verify", "--check-contents"));
}

/* A derivation of NAME, with MORE attributes. */
#define DRV(name, more)               \
	"derivation { name = \"" name \
	"\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; " more "}"

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

	assert_ok(&e, out_register(&f.job, &e));
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
	assert_ok(&e, out_register(&f.job, &e));
	scoped_free char *real = real_of(&f, "out");
	assert_int_equal(lstat(real, &before), 0);
	leave_file(&f, "out", "second");
	assert_ok(&e, out_register(&f.job, &e));
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
	assert_ok(&e, out_register(&f.job, &e));
	assert_int_equal(store_is_valid(&f.store, path_of(&f, "b"), &e), 1);
	assert_int_equal(store_is_valid(&f.store, path_of(&f, "a"), &e), 0);
	/* Then the other, which refers to the valid one. */
	strv_done(&f.wanted);
	assert_ok(&e, strv_add(&f.wanted, "a", &e));
	leave_file(&f, "a", path_of(&f, "b"));
	assert_ok(&e, out_register(&f.job, &e));
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
	assert_ok(&e, out_register(&f.job, &e));
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

static void refuses_names_of_outputs_that_are_not_there(void **state)
{
	struct err e = ERR_INIT;
	scoped_fixture struct fixture f;

	fixture_init(&f, REG_AUTO, DRV("unknown-output", ""));
	assert_ok(&e, strv_add(&f.wanted, "doc", &e));
	assert_err(&e, out_register(&f.job, &e), "has no output 'doc'");
}

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
		assert_ok(&e, out_register(&f.job, &e));
	}
	{
		scoped_fixture struct fixture f;
		promise_init(&f, "self-forgiven", "allowedRequisites = [ i ];");
		leave_file(&f, "out", path_of(&f, "out"));
		assert_ok(&e, out_register(&f.job, &e));
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
		assert_ok(&e, out_register(&f.job, &e));
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
		assert_ok(&e, out_register(&f.job, &e));
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
		assert_ok(&e, out_register(&f.job, &e));
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
	assert_err(&e, out_register(&f.job, &e), "must be a list of strings");
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
	assert_ok(&e, out_register(&f.job, &e));
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
		assert_ok(&e, out_register(&f.job, &e));
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
		storepath_make_ca(CA_FLAT, &empty, NULL, false, "/nix/store", "wrong", &e);
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
	assert_ok(&e, out_register(&f.job, &e));
	assert_ok(&e, io_write(kept, "evil", 4, "kept", &e));
	scoped_free char *real = real_of(&f, "out");
	assert_ok(&e, io_read_file(AT_FDCWD, real, &b, &e));
	assert_int_equal(b.len, 0);
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
		int rc = out_register(&f.job, &e);
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
	int rc = out_register(&f.job, &e);
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
	assert_ok(&e, out_register(&f.job, &e));
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
		assert_err(&e, out_register(&f.job, &e), "secret-key-files");
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
		cmocka_unit_test(refuses_names_of_outputs_that_are_not_there),
		cmocka_unit_test(checks_lists_of_the_environment),
		cmocka_unit_test(follows_requisites_through_other_outputs),
		cmocka_unit_test(checks_structured_promises),
		cmocka_unit_test(discards_references_where_told),
		cmocka_unit_test(checks_fixed_outputs_of_every_algorithm_and_mode),
		cmocka_unit_test(says_which_hash_a_fixed_output_should_have_had),
		cmocka_unit_test(flat_fixed_outputs_are_plain_files),
		cmocka_unit_test(fixed_outputs_refer_to_nothing),
		cmocka_unit_test(fixed_outputs_are_copies),
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
