/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "nar/base/scope.h"
#include "nar/storepath.h"

#define H "4q0pg5zpfmznxscq3avycvf9xdvx50n3"

static void checks_base_names_with_the_words_of_nix(void **state)
{
	static const struct {
		const char *base, *refusal;
	} cases[] = {
		{"", "'' is too short to be a valid store path"},
		{H, "is too short to be a valid store path"},
		{H "-", "path '" H "-' is not a valid store path: name must not be empty"},
		{H "-a/b", "name 'a/b' contains illegal character '/'"},
		{"eq0pg5zpfmznxscq3avycvf9xdvx50n3-x", "contains illegal base-32 character 'e'"},
		{"4Q0pg5zpfmznxscq3avycvf9xdvx50n3-x", "contains illegal base-32 character 'Q'"},
		{H "_x", "no '-' after its hash"},
		{H "-.", "name '.' is not valid"},
		{H "-..", "name '..' is not valid"},
		{H "-.-a", "first dash-separated component must not be '.'"},
		{H "-..-a", "first dash-separated component must not be '..'"},
		{H "-a b", "contains illegal character ' '"},
		{H "-\xc3\xa9", "contains illegal character"},
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_err(&e, storepath_check_base(cases[i].base, strlen(cases[i].base), &e),
			   cases[i].refusal);
	assert_err(&e, storepath_check_base(H "-a\0b", STORE_HASH_LEN + 4, &e),
		   "illegal character");
	assert_ok(&e, storepath_check_base(H "-.a", STORE_HASH_LEN + 3, &e));
	assert_ok(&e, storepath_check_base(H "-...", STORE_HASH_LEN + 4, &e));
	assert_ok(&e, storepath_check_base(H "-azAZ09+-._?=", STORE_HASH_LEN + 13, &e));
}

static void names_are_bounded(void **state)
{
	struct err e = ERR_INIT;
	char name[STORE_NAME_MAX + 1];

	memset(name, 'a', sizeof name);
	assert_ok(&e, storepath_check_name(name, STORE_NAME_MAX, &e));
	assert_err(&e, storepath_check_name(name, STORE_NAME_MAX + 1, &e),
		   "must be no longer than 211 characters");
}

static void finds_the_store_path_in_a_path(void **state)
{
	struct err e = ERR_INIT;
	const char *base = NULL;

	assert_ok(&e, storepath_check("/nix/store/" H "-x", "/nix/store", &base, &e));
	assert_string_equal(base, H "-x");
	assert_err(&e, storepath_check("/nix/store/" H "-x/y", "/nix/store", &base, &e),
		   "is not in the Nix store");
	assert_err(&e, storepath_check("/nix/stor/" H "-x", "/nix/store", &base, &e),
		   "is not in the Nix store");
	assert_err(&e, storepath_check("/nix/store" H "-x", "/nix/store", &base, &e),
		   "is not in the Nix store");
	assert_err(&e, storepath_check("/nix/store//" H "-x", "/nix/store", &base, &e),
		   "is not in the Nix store");
	assert_err(&e, storepath_check("/nix/store/", "/nix/store", &base, &e), "too short");
	assert_int_equal(storepath_prefix("/nix/store/" H "-x/bin/y", "/nix/store"), 45);
	assert_int_equal(storepath_prefix("/nix/store/" H "-x", "/nix/store"), 45);
	assert_int_equal(storepath_prefix("/nix/store/../" H "-x", "/nix/store"), 0);
	assert_int_equal(storepath_prefix("/nix/store", "/nix/store"), 0);
	assert_int_equal(storepath_prefix("/usr/bin", "/nix/store"), 0);
	assert_string_equal(storepath_name("/nix/store/" H "-x-1.0"), "x-1.0");
	assert_string_equal(storepath_name(H "-x-1.0"), "x-1.0");
}

static void names_outputs(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *out = storepath_output_name("x-1.0", "out", &e);
	scoped_free char *dev = storepath_output_name("x-1.0", "dev", &e);

	assert_string_equal(out, "x-1.0");
	assert_string_equal(dev, "x-1.0-dev");
}

static void check_ca(enum ca_method m, const char *hash, const char *name, const char *want)
{
	struct err e = ERR_INIT;
	struct hash h;

	assert_ok(&e, hash_parse_any(hash, strlen(hash), &h, &e));
	scoped_free char *path =
		storepath_make_ca(&(struct ca_contents){m, h}, STORE_DIR_DEFAULT, name, &e);
	assert_non_null(path);
	assert_string_equal(path, want);
}

static void computes_content_addressed_paths(void **state)
{
	check_ca(CA_NAR, "sha256:08813cbee9903c62be4c5027726a418a300da4500b2d369d3af9286f4815ceba",
		 "bar", "/nix/store/4q0pg5zpfmznxscq3avycvf9xdvx50n3-bar");
	check_ca(CA_FLAT, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		 "x", "/nix/store/9zicq1m4wy4bv50xa4l1jk4kpyy41kih-x");
	check_ca(CA_NAR, "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", "x",
		 "/nix/store/dii4qkmn9kdb6ziy6psgldkwa3k3gyia-x");
	/* What Nix 2.34 makes of outputHashMode = "git". */
	check_ca(CA_GIT, "sha1:4b825dc642cb6eb9a060e54bf8d69288fbee4904", "x",
		 "/nix/store/kmy4s13hg17rnvg5wm0n8f1wva92n0gq-x");
	check_ca(CA_GIT, "sha256:6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
		 "x", "/nix/store/56fqwd8p30ynnjbp8bbn94dds0m3d68s-x");
}

/* The .drv file `x.drv` with these bytes, which `nix-store --add-text` would store as text. */
static void computes_text_paths_with_references(void **state)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv refs = STRV_INIT;
	struct hash h, inner;

	assert_ok(&e, hash_bytes(HASH_SHA256, "hello", 5, &h, &e));
	assert_ok(&e, strv_add(&refs, "/nix/store/" H "-a", &e));
	assert_ok(&e, strv_add(&refs, "/nix/store/" H "-b", &e));
	scoped_free char *text =
		storepath_make_ca(&(struct ca_contents){CA_TEXT, h, &refs}, "/nix/store", "t", &e);
	scoped_free char *plain = storepath_make("text:/nix/store/" H "-a:/nix/store/" H "-b", &h,
						 "/nix/store", "t", &e);
	assert_string_equal(text, plain);
	scoped_free char *src = storepath_make_ca(&(struct ca_contents){CA_NAR, h, &refs, true},
						  "/nix/store", "t", &e);
	scoped_free char *src2 = storepath_make("source:/nix/store/" H "-a:/nix/store/" H "-b:self",
						&h, "/nix/store", "t", &e);
	assert_string_equal(src, src2);
	assert_null(
		storepath_make_ca(&(struct ca_contents){CA_FLAT, h, &refs}, "/nix/store", "t", &e));
	assert_err(&e, -1, "fixed output derivation 't' is not allowed to refer to other store");
	assert_null(storepath_make_ca(&(struct ca_contents){CA_TEXT, h, &refs, true}, "/nix/store",
				      "t", &e));
	assert_err(&e, -1, "self-reference not allowed with text hashing");
	assert_null(
		storepath_make_ca(&(struct ca_contents){CA_GIT, h, &refs}, "/nix/store", "t", &e));
	assert_err(&e, -1, "fixed output derivation 't' is not allowed to refer to other store");
	assert_null(storepath_make_ca(&(struct ca_contents){CA_GIT, h, NULL, true}, "/nix/store",
				      "t", &e));
	assert_err(&e, -1, "fixed output derivation 't' is not allowed to refer to other store");
	assert_ok(&e, hash_bytes(HASH_MD5, "hello", 5, &inner, &e));
	assert_null(storepath_make_ca(&(struct ca_contents){CA_GIT, inner, NULL, true},
				      "/nix/store", "t", &e));
	assert_err(&e, -1,
		   "Git file ingestion must use SHA-1 or SHA-256 hash, but instead "
		   "using: md5");
	assert_null(
		storepath_make_ca(&(struct ca_contents){CA_TEXT, inner}, "/nix/store", "t", &e));
	assert_err(&e, -1, "text must be hashed with sha256");
	assert_null(storepath_make("text", &h, "/nix/store", "a/b", &e));
	assert_err(&e, -1, "illegal character '/'");
}

static void writes_content_addresses(void **state)
{
	struct err e = ERR_INIT;
	struct hash h;

	assert_ok(&e, hash_bytes(HASH_MD5, "", 0, &h, &e));
	scoped_free char *nar = storepath_ca_text(CA_NAR, &h, &e);
	assert_string_equal(nar, "fixed:r:md5:3y8bwfr609h3lh9ch0izcqq7fl");
	scoped_free char *flat = storepath_ca_text(CA_FLAT, &h, &e);
	assert_string_equal(flat, "fixed:md5:3y8bwfr609h3lh9ch0izcqq7fl");
	scoped_free char *git = storepath_ca_text(CA_GIT, &h, &e);
	assert_string_equal(git, "fixed:git:md5:3y8bwfr609h3lh9ch0izcqq7fl");
	assert_ok(&e, hash_bytes(HASH_SHA256, "abc", 3, &h, &e));
	scoped_free char *text = storepath_ca_text(CA_TEXT, &h, &e);
	assert_string_equal(text,
			    "text:sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s");
}

static void reads_content_addresses(void **state)
{
	static const char *const good[] = {
		"fixed:r:md5:3y8bwfr609h3lh9ch0izcqq7fl", "fixed:md5:3y8bwfr609h3lh9ch0izcqq7fl",
		"fixed:git:sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s",
		"text:sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"};
	struct err e = ERR_INIT;
	enum ca_method m;
	struct hash h;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_ok(&e, storepath_ca_parse(good[i], &m, &h, &e));
		scoped_free char *again = storepath_ca_text(m, &h, &e);
		assert_string_equal(again, good[i]);
	}
	assert_err(&e, storepath_ca_parse("fixed", &m, &h, &e), "not in the form");
	assert_err(&e, storepath_ca_parse("git:sha1:x", &m, &h, &e), "prefix 'git' is unrecog");
	assert_err(&e,
		   storepath_ca_parse(
			   "fixed:sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", &m, &h, &e),
		   "must be in form '<algo>:<hash>'");
	assert_err(&e, storepath_ca_parse("fixed:r:", &m, &h, &e), "must be in form");
	assert_err(&e, storepath_ca_parse("fixed:git:sha1:x", &m, &h, &e), "wrong length");
	assert_err(&e, storepath_ca_parse("fixed:git:r:sha1:x", &m, &h, &e),
		   "does not name one of");
	assert_err(&e, storepath_ca_parse("text:sha256:abc", &m, &h, &e), "wrong length");
}

static void knows_the_placeholder_of_out(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *p = storepath_placeholder("out", &e);

	assert_string_equal(p, "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_base_names_with_the_words_of_nix),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(finds_the_store_path_in_a_path),
		cmocka_unit_test(names_outputs),
		cmocka_unit_test(computes_content_addressed_paths),
		cmocka_unit_test(computes_text_paths_with_references),
		cmocka_unit_test(writes_content_addresses),
		cmocka_unit_test(reads_content_addresses),
		cmocka_unit_test(knows_the_placeholder_of_out),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("storepath", tests, NULL, NULL);
}
