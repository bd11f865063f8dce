/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook/drv/derivation.h"
#include "nar/base/scope.h"

#define STORE "/nix/store"
#define HASH_A "00000000000000000000000000000000"
#define HASH_B "11111111111111111111111111111111"
#define X_DRV STORE "/" HASH_A "-x.drv"
#define X_OUT STORE "/" HASH_B "-x"
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define EMPTY_SHA1 "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define EMPTY_BLAKE3 "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
#define EMPTY_SHA512                                                       \
	"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" \
	"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"

/* The parts of a .drv; a NULL is what does where a case is about another part. */
struct parts {
	const char *start, *outputs, *inputs, *srcs, *system_, *builder, *args, *env, *end;
	const char *path; /* X_DRV unless it is unknown */
	bool path_unknown;
};
#define OUTPUTS "[(\"out\",\"" X_OUT "\",\"\",\"\")]"

static const char *path_of(const struct parts *p)
{
	return p->path_unknown ? NULL : p->path ? p->path : X_DRV;
}

static const char *fall_back(const char *s, const char *otherwise)
{
	return s ? s : otherwise;
}

static char *join(const struct parts *p, struct err *e)
{
	return str_fmt(e, "%s%s,%s,%s,%s,%s,%s,%s%s", fall_back(p->start, "Derive("),
		       fall_back(p->outputs, OUTPUTS), fall_back(p->inputs, "[]"),
		       fall_back(p->srcs, "[]"), fall_back(p->system_, "\"s\""),
		       fall_back(p->builder, "\"b\""), fall_back(p->args, "[]"),
		       fall_back(p->env, "[]"), fall_back(p->end, ")"));
}

static void prints_back(const struct drv *d, const char *text, size_t len)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(DRV_BYTES_MAX);

	assert_ok(&e, drv_print(d, &b, &e));
	assert_int_equal(b.len, len);
	assert_memory_equal(b.data, text, len);
}

static void accept(struct parts p, struct drv *ret)
{
	struct err e = ERR_INIT;
	scoped_free char *text = join(&p, &e);

	assert_non_null(text);
	assert_ok(&e, drv_parse(text, strlen(text), path_of(&p), STORE, ret, &e));
	prints_back(ret, text, strlen(text));
}

static void refuse_text(const char *text, size_t len, const char *path, const char *why)
{
	struct err e = ERR_INIT;
	struct drv d = DRV_INIT;

	assert_err(&e, drv_parse(text, len, path, STORE, &d, &e), why);
	assert_null(d.name);
}

static void refuse(struct parts p, const char *why)
{
	struct err e = ERR_INIT;
	scoped_free char *text = join(&p, &e);

	assert_non_null(text);
	refuse_text(text, strlen(text), path_of(&p), why);
}

#define ACCEPT(d, ...) accept((struct parts){__VA_ARGS__}, d)
#define REFUSE(why, ...) refuse((struct parts){__VA_ARGS__}, why)

static void reads_all_fields(void **state)
{
	scoped_drv struct drv d = DRV_INIT;
	size_t len;

	ACCEPT(&d,
	       .outputs =
		       "[(\"lib\",\"" X_OUT "-lib\",\"\",\"\"),(\"out\",\"" X_OUT "\",\"\",\"\")]",
	       .inputs = "[(\"" STORE "/" HASH_A "-i.drv\",[\"dev\",\"out\"]),(\"" STORE "/" HASH_B
			 "-i.drv\",[\"out\"])]",
	       .srcs = "[\"" STORE "/" HASH_A "-s\"]", .system_ = "\"x86_64-linux\"",
	       .builder = "\"/bin/sh\"", .args = "[\"-e\",\"z\",\"a\",\"a\",\"\"]",
	       .env = "[(\"a\",\"1\\n\\t\\\"\\\\\\r2\"),(\"name\",\"x\")]");
	assert_string_equal(d.path, X_DRV);
	assert_string_equal(d.name, "x");
	assert_int_equal(d.n_outputs, 2);
	assert_string_equal(d.outputs[0].name, "lib");
	assert_string_equal(d.outputs[1].path, X_OUT);
	assert_int_equal(d.outputs[1].kind, DRV_INPUT_ADDRESSED);
	assert_string_equal(drv_output(&d, "lib")->path, X_OUT "-lib");
	assert_null(drv_output(&d, "dev"));
	assert_int_equal(d.n_inputs, 2);
	assert_int_equal(d.inputs[0].node.outputs.n, 2);
	assert_string_equal(d.srcs.items[0], STORE "/" HASH_A "-s");
	assert_string_equal(d.system, "x86_64-linux");
	assert_string_equal(d.builder, "/bin/sh");
	assert_int_equal(d.args.n, 5);
	assert_string_equal(d.args.items[1], "z");
	assert_string_equal(drv_env(&d, "a", &len), "1\n\t\"\\\r2");
	assert_int_equal(len, 7);
	assert_null(drv_env(&d, "b", NULL));
	assert_true(drv_paths_known(&d));
	assert_false(drv_has_network(&d));
	assert_false(drv_is_builtin(&d));
}

static void environment_is_bytes(void **state)
{
	static const char text[] = "Derive(" OUTPUTS ",[],[],\"s\",\"b\",[],[(\"a\",\"\0\xff\"),"
				   "(\"a\0\",\"\"),(\"a\xe4\",\"\x01\")])";
	scoped_drv struct drv d = DRV_INIT;
	struct err e = ERR_INIT;
	size_t len;

	assert_ok(&e, drv_parse(text, sizeof text - 1, X_DRV, STORE, &d, &e));
	prints_back(&d, text, sizeof text - 1);
	assert_memory_equal(drv_env(&d, "a", &len), "\0\xff", 2);
	assert_int_equal(len, 2);
	assert_int_equal(d.env[1].key_len, 2);
	assert_non_null(drv_env(&d, "a\xe4", NULL));
}

static void knows_the_kinds_of_outputs(void **state)
{
	scoped_drv struct drv deferred = DRV_INIT;
	scoped_drv struct drv floating = DRV_INIT;
	scoped_drv struct drv git = DRV_INIT;
	scoped_drv struct drv impure = DRV_INIT;

	ACCEPT(&deferred, .outputs = "[(\"out\",\"\",\"\",\"\")]");
	assert_int_equal(deferred.outputs[0].kind, DRV_DEFERRED);
	assert_false(drv_paths_known(&deferred));
	ACCEPT(&floating, .outputs = "[(\"a\",\"\",\"text:sha256\",\"\"),"
				     "(\"out\",\"\",\"r:sha256\",\"\")]");
	assert_int_equal(floating.outputs[0].kind, DRV_FLOATING);
	assert_int_equal(floating.outputs[0].method, CA_TEXT);
	assert_int_equal(floating.outputs[1].method, CA_NAR);
	assert_int_equal(floating.outputs[1].algo, HASH_SHA256);
	assert_false(drv_has_network(&floating));
	ACCEPT(&git, .outputs = "[(\"out\",\"\",\"git:sha1\",\"\")]");
	assert_int_equal(git.outputs[0].kind, DRV_FLOATING);
	assert_int_equal(git.outputs[0].method, CA_GIT);
	assert_int_equal(git.outputs[0].algo, HASH_SHA1);
	ACCEPT(&impure, .outputs = "[(\"out\",\"\",\"r:sha1\",\"impure\")]");
	assert_true(drv_is_impure(&impure));
	assert_true(drv_has_network(&impure));
	assert_false(drv_paths_known(&impure));
}

static void computes_the_path_of_a_fixed_output(void **state)
{
	static const struct {
		const char *path, *algo, *hash;
	} ok[] = {
		{STORE "/9zicq1m4wy4bv50xa4l1jk4kpyy41kih-x", "sha256", EMPTY_SHA256},
		{STORE "/dii4qkmn9kdb6ziy6psgldkwa3k3gyia-x", "r:sha1", EMPTY_SHA1},
		{STORE "/w6av5fw9i9xc2xl2f5pr046bfh47qhc8-x", "git:sha1", EMPTY_SHA1},
		{STORE "/hl9cr2xvg4piv4vvni7w8bv168rdivjc-x", "blake3", EMPTY_BLAKE3},
		{STORE "/qxvjfi771q1h87d9f7rvd0g96gyh4lz1-x", "r:blake3", EMPTY_BLAKE3},
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(ok); i++) {
		scoped_free char *outputs = str_fmt(&e, "[(\"out\",\"%s\",\"%s\",\"%s\")]",
						    ok[i].path, ok[i].algo, ok[i].hash);
		scoped_free char *other = str_fmt(&e, "[(\"out\",\"%s\",\"%s\",\"%s\")]", X_OUT,
						  ok[i].algo, ok[i].hash);
		scoped_drv struct drv d = DRV_INIT;

		ACCEPT(&d, .outputs = outputs);
		assert_string_equal(d.outputs[0].path, ok[i].path);
		assert_true(drv_is_fixed(&d));
		assert_true(drv_has_network(&d));
		assert_true(drv_paths_known(&d));
		REFUSE("incorrect output", .outputs = other);
	}
}

static void refuses_outputs_that_nix_never_writes(void **state)
{
	static const struct {
		const char *outputs, *why;
	} cases[] = {
		{"[]", "must have at least one output"},
		{"[(\"out\",\"out\",\"\",\"\")]", "bad path 'out'"},
		{"[(\"out\",\"/tmp/x\",\"\",\"\")]", "path '/tmp/x' is not in the Nix store"},
		{"[(\"out\",\"" X_OUT "/..\",\"\",\"\")]", "is not in the Nix store"},
		{"[(\"out\",\"" X_OUT "y\",\"\",\"\")]", "is not called 'x'"},
		{"[(\"dev\",\"" X_OUT "\",\"\",\"\")]", "is not called 'x-dev'"},
		{"[(\"out\",\"" X_OUT "\",\"\",\"00\")]", "hash without an algorithm"},
		{"[(\"out\",\"" X_OUT "\",\"sha256\",\"\")]",
		 "content-addressing derivation output should not specify output path"},
		{"[(\"out\",\"" X_OUT "\",\"sha256\",\"impure\")]",
		 "impure derivation output should not specify output path"},
		{"[(\"out\",\"\",\"sha256\",\"" EMPTY_SHA256 "\")]", "bad path ''"},
		{"[(\"out\",\"" X_OUT "\",\"sha256\",\"00\")]", "wrong length"},
		{"[(\"out\",\"" X_OUT "\",\"sha256\",\"0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877"
		 "wk11c9c73\")]",
		 "is not in base 16"},
		{"[(\"out\",\"" X_OUT "\",\"sha1\",\"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709\")]",
		 "is not in base 16"},
		{"[(\"out\",\"\",\"md4\",\"\")]", "unknown hash algorithm 'md4'"},
		{"[(\"out\",\"\",\"r:\",\"\")]", "unknown hash algorithm ''"},
		{"[(\"out\",\"\",\"r:r:sha1\",\"\")]", "unknown hash algorithm 'r:sha1'"},
		{"[(\"out\",\"\",\"git:md4\",\"\")]", "unknown hash algorithm 'md4'"},
		{"[(\"out\",\"" X_OUT "\",\"git:sha512\",\"" EMPTY_SHA512 "\")]",
		 "Git file ingestion must use SHA-1 or SHA-256 hash, but instead using: sha512"},
		{"[(\"a\",\"\",\"\",\"\"),(\"out\",\"\",\"sha256\",\"\")]",
		 "can't mix derivation output types"},
		{"[(\"a\",\"\",\"sha1\",\"\"),(\"out\",\"\",\"sha256\",\"\")]",
		 "all floating outputs must use the same hash algorithm"},
		{"[(\"dev\",\"" X_OUT "\",\"sha1\",\"" EMPTY_SHA1 "\")]",
		 "single fixed output must be named \"out\""},
		{"[(\"a\",\"" X_OUT "\",\"sha1\",\"" EMPTY_SHA1 "\"),(\"b\",\"" X_OUT
		 "\",\"sha1\",\"" EMPTY_SHA1 "\")]",
		 "only one fixed output is allowed for now"},
		{"[(\"\",\"\",\"\",\"\")]", "invalid derivation output name"},
		{"[(\"a/b\",\"\",\"\",\"\")]", "invalid derivation output name"},
		{"[(\"drv\",\"\",\"\",\"\")]", "invalid derivation output name 'drv'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		REFUSE(cases[i].why, .outputs = cases[i].outputs);
}

static void refuses_lists_that_are_no_sets(void **state)
{
	REFUSE("output 'a' stands twice", .outputs =
						  "[(\"a\",\"\",\"\",\"\"),(\"b\",\"\",\"\",\"\"),"
						  "(\"a\",\"\",\"\",\"\")]");
	REFUSE("input source '" STORE "/" HASH_A "-s' stands twice",
	       .srcs = "[\"" STORE "/" HASH_A "-s\",\"" STORE "/" HASH_A "-s\"]");
	REFUSE("stands twice", .inputs = "[(\"" STORE "/" HASH_A "-i.drv\",[\"a\"]),(\"" STORE
					 "/" HASH_A "-i.drv\",[\"b\"])]");
	REFUSE("output of an input 'a' stands twice",
	       .inputs = "[(\"" STORE "/" HASH_A "-i.drv\",[\"a\",\"b\",\"a\"])]");
	REFUSE("environment variable 'k' stands twice", .env = "[(\"k\",\"1\"),(\"k\",\"1\")]");
}

/* Nix writes them sorted, but another program that writes derivations may not. */
static void sorts_what_is_in_another_order(void **state)
{
	struct err e = ERR_INIT;
	scoped_drv struct drv d = DRV_INIT;
	static const char text[] =
		"Derive([(\"out\",\"\",\"\",\"\"),(\"lib\",\"\",\"\",\"\")],"
		"[(\"" STORE "/" HASH_B "-i.drv\",[\"out\",\"dev\"]),"
		"(\"" STORE "/" HASH_A "-i.drv\",[\"out\"])],"
		"[\"" STORE "/" HASH_B "-s\",\"" STORE "/" HASH_A "-s\"],\"s\",\"b\",[\"z\",\"a\"],"
		"[(\"ka\",\"1\"),(\"\xff\",\"2\"),(\"k\",\"3\")])";
	static const char sorted[] =
		"Derive([(\"lib\",\"\",\"\",\"\"),(\"out\",\"\",\"\",\"\")],"
		"[(\"" STORE "/" HASH_A "-i.drv\",[\"out\"]),"
		"(\"" STORE "/" HASH_B "-i.drv\",[\"dev\",\"out\"])],"
		"[\"" STORE "/" HASH_A "-s\",\"" STORE "/" HASH_B "-s\"],\"s\",\"b\",[\"z\",\"a\"],"
		"[(\"k\",\"3\"),(\"ka\",\"1\"),(\"\xff\",\"2\")])";

	assert_ok(&e, drv_parse(text, sizeof text - 1, X_DRV, STORE, &d, &e));
	prints_back(&d, sorted, sizeof sorted - 1);
}

/* `nix-store --add` makes such paths, and Nix builds what is there. */
static void knows_the_path_of_a_file_that_was_added(void **state)
{
	struct err e = ERR_INIT;
	scoped_drv struct drv d = DRV_INIT;
	static const char text[] = "Derive(" OUTPUTS ",[],[],\"s\",\"b\",[],[])";
	const size_t len = sizeof text - 1;
	/* As nix-store 2.8 prints them for a file x.drv of this text. */
	static const char *const added[] = {
		STORE "/q42jna7jlqsa7q088v99av1k8a37xla5-x.drv", /* --add */
		STORE "/5piilbf0y8jwj99j3yb9ljkqfx5206sv-x.drv", /* --add-fixed sha256 */
	};

	for (size_t i = 0; i < ARRAY_SIZE(added); i++) {
		assert_ok(&e, drv_parse(text, len, added[i], STORE, &d, &e));
		assert_ok(&e, drv_check_own_path(&d, text, len, STORE, &e));
		assert_err(&e, drv_check_own_path(&d, text, len - 1, STORE, &e), "is damaged");
		drv_done(&d);
	}
}

static void refuses_what_nix_reads_but_never_writes(void **state)
{
	REFUSE("expected string ','", .args = "[\"a\"\"b\"]");
	REFUSE("expected string '\"'", .args = "[,\"a\"]");
	REFUSE("expected string '\"'", .args = "[\"a\",]");
	REFUSE("expected string '\"'", .args = "[\"a\",,\"b\"]");
	REFUSE("expected string '\"'", .args = "[ \"a\"]");
	REFUSE("an unknown escape", .args = "[\"\\a\"]");
	REFUSE("an unknown escape", .env = "[(\"a\",\"\\\n\")]");
	REFUSE("not escaped", .env = "[(\"a\",\"b\nc\")]");
	REFUSE("not escaped", .env = "[(\"a\",\"b\tc\")]");
	REFUSE("something follows the end", .end = ")\n");
	REFUSE("something follows the end", .end = "))");
	REFUSE("a quote, backslash or control byte", .system_ = "\"a\\\"b\"");
	REFUSE("a quote, backslash or control byte", .outputs = "[(\"a\\nb\",\"\",\"\",\"\")]");
	REFUSE("required attribute 'system' missing", .system_ = "\"\"");
	REFUSE("required attribute 'builder' missing", .builder = "\"\"");
	REFUSE("does not start with 'Derive' or 'DrvWithVersion'", .start = " Derive(");
	REFUSE("does not start with 'Derive' or 'DrvWithVersion'", .start = "Derive ");
}

static void refuses_nul_where_it_cannot_go_on(void **state)
{
	static const char arg[] = "Derive(" OUTPUTS ",[],[],\"s\",\"b\",[\"a\0b\"],[])";
	static const char builder[] = "Derive(" OUTPUTS ",[],[],\"s\",\"b\0\",[],[])";

	refuse_text(arg, sizeof arg - 1, X_DRV, "a NUL byte");
	refuse_text(builder, sizeof builder - 1, X_DRV, "a NUL byte");
}

static void refuses_wrong_inputs(void **state)
{
	REFUSE("is not a derivation", .inputs = "[(\"" STORE "/" HASH_A "-i\",[\"out\"])]");
	REFUSE("is not in the Nix store", .inputs = "[(\"/tmp/i.drv\",[\"out\"])]");
	REFUSE("is not in the Nix store", .srcs = "[\"" STORE "/../../etc/shadow\"]");
	REFUSE("is not in the Nix store", .srcs = "[\"" STORE "//" HASH_A "-s\"]");
	REFUSE("invalid derivation output name",
	       .inputs = "[(\"" STORE "/" HASH_A "-i.drv\",[\"a b\"])]");
}

#define DYN "DrvWithVersion(\"xp-dyn-drv\","
#define IN(node) "[(\"" STORE "/" HASH_A "-i.drv\"," node ")]"

static void reads_dynamic_derivations(void **state)
{
	scoped_drv struct drv d = DRV_INIT;

	ACCEPT(&d, .start = DYN,
	       .inputs = IN("([\"out\"],[(\"a\",[\"x\",\"y\"]),(\"b\",([],[(\"c\",[\"z\"])]))])"));
	assert_true(d.dynamic);
	assert_int_equal(d.inputs[0].node.n_dynamic, 2);
	assert_string_equal(d.inputs[0].node.dynamic[0].output, "a");
	assert_string_equal(d.inputs[0].node.dynamic[0].node.outputs.items[1], "y");
	assert_string_equal(d.inputs[0].node.dynamic[1].node.dynamic[0].output, "c");
}

static void refuses_wrong_dynamic_derivations(void **state)
{
	REFUSE("Unknown derivation ATerm format version 'xp-new'",
	       .start = "DrvWithVersion(\"xp-new\",");
	REFUSE("'DrvWithVersion' without any output of an output", .start = DYN);
	REFUSE("which only DrvWithVersion may have", .inputs = IN("([],[(\"a\",[\"x\"])])"));
	REFUSE("an empty list of outputs", .start = DYN, .inputs = IN("([\"out\"],[])"));
	REFUSE("stands twice", .start = DYN, .inputs = IN("([],[(\"a\",[]),(\"a\",[])])"));
	REFUSE("invalid derivation output name", .start = DYN, .inputs = IN("([],[(\"a b\",[])])"));
}

static void refuses_nodes_that_are_nested_too_deep(void **state)
{
	struct err e = ERR_INIT;

	for (int depth = 1; depth < 2000; depth = depth == 1 ? DRV_DYNAMIC_DEPTH_MAX : depth + 1) {
		scoped_buf struct buf b = BUF_INIT(1 << 20);
		scoped_drv struct drv d = DRV_INIT;

		assert_ok(&e, buf_adds(&b, "[(\"" STORE "/" HASH_A "-i.drv\",", &e));
		for (int i = 0; i < depth; i++)
			assert_ok(&e, buf_adds(&b, "([],[(\"a\",", &e));
		assert_ok(&e, buf_adds(&b, "[\"a\"]", &e));
		for (int i = 0; i < depth; i++)
			assert_ok(&e, buf_adds(&b, ")])", &e));
		assert_ok(&e, buf_adds(&b, ")]", &e));
		if (depth <= DRV_DYNAMIC_DEPTH_MAX)
			ACCEPT(&d, .start = DYN, .inputs = b.data);
		else
			REFUSE("nested deeper than 32 levels", .start = DYN, .inputs = b.data);
		if (depth == DRV_DYNAMIC_DEPTH_MAX + 1)
			depth = 1998;
	}
}

static void a_cut_derivation_is_refused_at_every_byte(void **state)
{
	struct parts p = {.start = DYN,
			  .inputs = IN("([\"o\"],[(\"a\",[\"x\"])])"),
			  .srcs = "[\"" STORE "/" HASH_A "-s\"]",
			  .args = "[\"a\\nb\"]",
			  .env = "[(\"k\",\"v\\\\\")]"};
	struct err e = ERR_INIT;
	scoped_free char *text = join(&p, &e);
	size_t len = strlen(text);

	for (size_t n = 0; n < len; n++) {
		/* A copy of its own, so that a sanitizer sees a read past its end. */
		scoped_free char *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, text, n);
		refuse_text(cut, n, X_DRV, n == 0 ? "file is empty" : "error parsing derivation");
	}
}

static void refuses_a_list_without_end(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(16 << 20);

	assert_ok(&e, buf_adds(&b, "[\"\"", &e));
	for (unsigned i = 0; i < 1u << 20; i++)
		assert_ok(&e, buf_adds(&b, ",\"\"", &e));
	assert_ok(&e, buf_adds(&b, "]", &e));
	REFUSE("more than 1048576 elements", .args = b.data);
}

static void takes_the_name_from_path_or_attribute(void **state)
{
	scoped_drv struct drv env = DRV_INIT;
	scoped_drv struct drv json = DRV_INIT;

	ACCEPT(&env, .path_unknown = true, .env = "[(\"name\",\"x\")]");
	assert_string_equal(env.name, "x");
	assert_null(env.path);
	ACCEPT(&json, .path_unknown = true, .env = "[(\"__json\",\"{\\\"name\\\":\\\"x\\\"}\")]");
	assert_string_equal(json.name, "x");
	REFUSE("nor an attribute 'name'", .path_unknown = true);
	REFUSE("cannot process __json attribute", .path_unknown = true,
	       .env = "[(\"__json\",\"{\"),(\"name\",\"x\")]");
	REFUSE("illegal character", .path_unknown = true, .env = "[(\"name\",\"a/b\")]");
	REFUSE("does not end in '.drv'", .path = STORE "/" HASH_A "-x");
	REFUSE("is not in the Nix store", .path = "/tmp/" HASH_A "-x.drv");
}

static void booleans_come_from_the_right_place(void **state)
{
	scoped_drv struct drv plain = DRV_INIT;
	scoped_drv struct drv json = DRV_INIT;

	ACCEPT(&plain, .env = "[(\"no\",\"true\"),(\"yes\",\"1\")]");
	assert_true(drv_env_bool(&plain, "yes"));
	assert_false(drv_env_bool(&plain, "no"));
	assert_false(drv_env_bool(&plain, "none"));
	ACCEPT(&json, .env = "[(\"__json\",\"{\\\"num\\\":1,\\\"str\\\":\\\"1\\\",\\\"yes\\\":true,"
			     "\\\"no\\\":false}\"),(\"env\",\"1\")]");
	assert_true(drv_env_bool(&json, "yes"));
	assert_false(drv_env_bool(&json, "no"));
	assert_false(drv_env_bool(&json, "num"));
	assert_false(drv_env_bool(&json, "str"));
	assert_false(drv_env_bool(&json, "env"));
}

static void reads_files_and_names_the_missing(void **state)
{
	static const char text[] = "Derive(" OUTPUTS ",[],[],\"s\",\"b\",[],[])";
	char path[] = "/tmp/test-derivation-XXXXXX", link[64];
	int fd = mkstemp(path);
	struct err e = ERR_INIT;
	scoped_drv struct drv d = DRV_INIT;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
	assert_ok(&e, drv_parse(text, sizeof text - 1, X_DRV, STORE, &d, &e));
	scoped_free char *own = drv_text_path(&d, STORE, &e);
	drv_done(&d);
	assert_ok(&e, drv_read(own, path, STORE, &d, &e));
	assert_string_equal(d.builder, "b");
	drv_done(&d);
	assert_err(&e, drv_read(X_DRV, path, STORE, &d, &e), "is damaged");
	assert_null(d.name);
	snprintf(link, sizeof link, "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	assert_err(&e, drv_read(own, link, STORE, &d, &e), own);
	unlink(link);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_err(&e, drv_read(own, path, STORE, &d, &e),
		   "file is empty (possible filesystem corruption)");
	assert_int_equal(ftruncate(fd, (off_t)DRV_BYTES_MAX + 1), 0);
	assert_err(&e, drv_read(own, path, STORE, &d, &e), "limit");
	unlink(path);
	close(fd);
	assert_err(&e, drv_read(own, path, STORE, &d, &e), "No such file");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_fields),
		cmocka_unit_test(environment_is_bytes),
		cmocka_unit_test(knows_the_kinds_of_outputs),
		cmocka_unit_test(computes_the_path_of_a_fixed_output),
		cmocka_unit_test(refuses_outputs_that_nix_never_writes),
		cmocka_unit_test(refuses_lists_that_are_no_sets),
		cmocka_unit_test(sorts_what_is_in_another_order),
		cmocka_unit_test(knows_the_path_of_a_file_that_was_added),
		cmocka_unit_test(refuses_what_nix_reads_but_never_writes),
		cmocka_unit_test(refuses_nul_where_it_cannot_go_on),
		cmocka_unit_test(refuses_wrong_inputs),
		cmocka_unit_test(reads_dynamic_derivations),
		cmocka_unit_test(refuses_wrong_dynamic_derivations),
		cmocka_unit_test(refuses_nodes_that_are_nested_too_deep),
		cmocka_unit_test(a_cut_derivation_is_refused_at_every_byte),
		cmocka_unit_test(refuses_a_list_without_end),
		cmocka_unit_test(takes_the_name_from_path_or_attribute),
		cmocka_unit_test(booleans_come_from_the_right_place),
		cmocka_unit_test(reads_files_and_names_the_missing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("derivation", tests, NULL, NULL);
}
