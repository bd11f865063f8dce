/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "hook/host/cores.h"
#include "hook/request/make.h"
#include "hook/request/maker_internal.h"
#include "nar/base/scope.h"

#define BASE "/nix/store/00000000000000000000000000000000-"
#define INPUT "/nix/store/11111111111111111111111111111111-in"
#define OUT_PLACEHOLDER "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"
#define ONE_OUTPUT "(\"out\",\"" BASE "x\",\"\",\"\")"
/* The flat SHA-256 of nothing, and the path that a fixed output "x" of it has. */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FIXED_OUTPUT                                                                            \
	"(\"out\",\"/nix/store/9zicq1m4wy4bv50xa4l1jk4kpyy41kih-x\",\"sha256\",\"" EMPTY_SHA256 \
	"\")"

/* What a test says of its derivation; the rest is as in most. */
struct given {
	const char *outputs, *builder, *args, *env; /* ATerm */
	const char *const *settings;                /* name, value, ..., NULL */
	char *const *environ;
	const char *input; /* one input, or NULL */
	const struct builtin_program *builtin;
	bool secrets;
	const struct strv *allowed; /* secrets of the environment */
	bool own_shell;
};

static char *const no_environ[] = {NULL};

/* The request for G, or its error. */
static int make(const struct given *g, struct request *ret, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(1 << 20);
	scoped_settings struct settings settings = {0};
	scoped_strv struct strv inputs = STRV_INIT;
	scoped_drv struct drv drv = DRV_INIT;
	char dir[] = "/nix/store";
	struct store store = {.dir = dir, .real_dir = dir, .local = true};
	const struct request_source in = {&drv,
					  &settings,
					  &store,
					  &inputs,
					  g->environ ? g->environ : no_environ,
					  g->builtin,
					  g->secrets,
					  g->allowed,
					  g->own_shell};

	assert_ok(e, buf_addf(&text, e, "Derive([%s],[],[],\"x86_64-linux\",\"%s\",[%s],[%s])",
			      g->outputs ? g->outputs : ONE_OUTPUT,
			      g->builder ? g->builder : "/bin/sh", g->args ? g->args : "",
			      g->env ? g->env : ""));
	assert_ok(e, drv_parse(text.data, text.len, BASE "x.drv", dir, &drv, e));
	for (size_t i = 0; g->settings && g->settings[i]; i += 2)
		assert_ok(e, settings_set(&settings, g->settings[i], g->settings[i + 1], e));
	if (g->input)
		assert_ok(e, strv_add(&inputs, g->input, e));
	return request_make(&in, ret, e);
}

static const char *env(const struct request *r, const char *key)
{
	for (size_t i = 0; i < r->n_env; i++)
		if (str_eq(r->env[i].key, key))
			return r->env[i].value;
	return NULL;
}

static const struct req_host_path *host_path(const struct request *r, const char *target)
{
	for (size_t i = 0; i < r->constraints.n_host_paths; i++)
		if (str_eq(r->constraints.host_paths[i].target, target))
			return &r->constraints.host_paths[i];
	return NULL;
}

static void sets_what_every_build_gets_and_no_more(void **state)
{
	static const char *const settings[] = {"cores", "5", NULL};
	static const char *const want[] = {"HOME=/homeless-shelter",
					   "NIX_BUILD_CORES=5",
					   "NIX_BUILD_TOP=/build",
					   "NIX_LOG_FD=2",
					   "NIX_STORE=/nix/store",
					   "PATH=/path-not-set",
					   "PWD=/build",
					   "TEMP=/build",
					   "TEMPDIR=/build",
					   "TERM=xterm-256color",
					   "TMP=/build",
					   "TMPDIR=/build"};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, make(&(struct given){.settings = settings}, &r, &e));
	assert_int_equal(r.n_env, ARRAY_SIZE(want));
	for (size_t i = 0; i < r.n_env; i++) {
		scoped_free char *line = str_fmt(&e, "%s=%s", r.env[i].key, r.env[i].value);
		assert_string_equal(line, want[i]);
	}
}

/* A 0 that is set: Nix tells it as it is before 2.31, else what it stands for. */
static void tells_no_cores_as_nix_does(void **state)
{
	static const char *const old[] = {"cores", "0", NULL};
	static const char *const new[] = {"cores", "0", "warn-short-path-literals", "false", NULL};
	static const char *const none[] = {NULL};
	const struct {
		const char *const *settings;
		unsigned wanted;
	} cases[] = {{old, 0}, {new, cores_of_machine()}, {none, cores_of_machine()}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		scoped_request struct request r = {0};
		char wanted[16];

		assert_ok(&e, make(&(struct given){.settings = cases[i].settings}, &r, &e));
		snprintf(wanted, sizeof wanted, "%u", cases[i].wanted);
		assert_string_equal(env(&r, "NIX_BUILD_CORES"), wanted);
	}
}

static void lets_the_derivation_override_four_of_them(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e,
		  make(&(struct given){.env = "(\"HOME\",\"/h\"),(\"NIX_BUILD_CORES\",\"9\"),"
					      "(\"NIX_BUILD_TOP\",\"/t\"),(\"NIX_LOG_FD\",\"9\"),"
					      "(\"NIX_STORE\",\"/s\"),(\"PATH\",\"/p\"),"
					      "(\"PWD\",\"/w\"),(\"TERM\",\"t\")"},
		       &r, &e));
	assert_string_equal(env(&r, "HOME"), "/h");
	assert_string_equal(env(&r, "NIX_BUILD_CORES"), "9");
	assert_string_equal(env(&r, "NIX_STORE"), "/s");
	assert_string_equal(env(&r, "PATH"), "/p");
	assert_string_equal(env(&r, "NIX_BUILD_TOP"), "/build");
	assert_string_equal(env(&r, "NIX_LOG_FD"), "2");
	assert_string_equal(env(&r, "PWD"), "/build");
	assert_string_equal(env(&r, "TERM"), "xterm-256color");
}

static void passes_variables_as_execve_would(void **state)
{
	static const char variables[] = "(\"=f\",\"5\"),(\"a\",\"1\"),(\"a=b\",\"2\"),"
					"(\"c=d\",\"3\"),(\"c=e\",\"4\")";
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, make(&(struct given){.env = variables}, &r, &e));
	assert_string_equal(env(&r, "a"), "1");
	assert_string_equal(env(&r, "c"), "d=3");
	assert_int_equal(r.n_env, 14);
}

static void ends_values_at_their_first_nul(void **state)
{
	static const char text[] =
		"Derive([" ONE_OUTPUT "],[],[],\"s\",\"/b\",[],[(\"k\",\"a\0b\"),"
		"(\"n\0m\",\"v\")])";
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};
	scoped_settings struct settings settings = {0};
	scoped_strv struct strv inputs = STRV_INIT;
	scoped_drv struct drv drv = DRV_INIT;
	char dir[] = "/nix/store";
	struct store store = {.dir = dir, .real_dir = dir, .local = true};
	const struct request_source in = {&drv, &settings, &store, &inputs, no_environ};

	assert_ok(&e, drv_parse(text, sizeof text - 1, BASE "x.drv", dir, &drv, &e));
	assert_ok(&e, request_make(&in, &r, &e));
	assert_string_equal(env(&r, "k"), "a");
	assert_null(env(&r, "n"));
}

static void replaces_placeholders_but_in_the_builder(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, make(&(struct given){.builder = OUT_PLACEHOLDER "/b//",
					   .args = "\"x" OUT_PLACEHOLDER OUT_PLACEHOLDER "y\","
						   "\"/" OUT_PLACEHOLDER "\",\"\"",
					   .env = "(\"" OUT_PLACEHOLDER "\",\"name\"),"
						  "(\"k\",\"" OUT_PLACEHOLDER "/z\")"},
			   &r, &e));
	assert_string_equal(r.args.items[0], OUT_PLACEHOLDER "/b//");
	assert_string_equal(r.argv0, "b");
	assert_string_equal(r.args.items[1], "x" BASE "x" BASE "xy");
	assert_string_equal(r.args.items[2], "/" BASE "x");
	assert_string_equal(r.args.items[3], "");
	assert_string_equal(env(&r, "k"), BASE "x/z");
	assert_string_equal(env(&r, BASE "x"), "name");
}

static void rewrites_only_whole_placeholders(void **state)
{
	static const char text[] = "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n "
				   "/0rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9 "
				   "//1rz4/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9";
	char from[] = OUT_PLACEHOLDER, to[] = "/p";
	struct rewrite one = {from, to};
	const struct rewrites w = {&one, 1};
	struct err e = ERR_INIT;

	for (size_t cut = 0; cut < sizeof text - 1; cut++) {
		scoped_buf struct buf b = BUF_INIT(1000);

		assert_ok(&e, rewrite(&w, text, cut, &b, &e));
		assert_int_equal(b.len, cut);
		assert_memory_equal(b.data, text, cut);
	}
	scoped_buf struct buf b = BUF_INIT(1000);
	assert_ok(&e, rewrite(&w, text, sizeof text - 1, &b, &e));
	assert_true(str_ends(b.data, "f2n9 //1rz4/p"));
}

static void puts_passAsFile_into_files(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, make(&(struct given){.env = "(\"bar\",\"b " OUT_PLACEHOLDER "\"),"
						  "(\"baz\",\"\"),(\"bazPath\",\"own\"),"
						  "(\"passAsFile\",\" bar\\tbaz nope bar\")"},
			   &r, &e));
	assert_null(env(&r, "bar"));
	assert_null(env(&r, "nopePath"));
	assert_string_equal(env(&r, "passAsFile"), " bar\tbaz nope bar");
	assert_string_equal(env(&r, "barPath"),
			    "/build/.attr-1fcgpy7vc4ammr7s17j2xq88scswkgz23dqzc04g8sx5vcp2pppw");
	assert_string_equal(env(&r, "bazPath"), "own");
	assert_int_equal(r.n_files, 2);
	assert_string_equal(r.files[0].path,
			    "build/.attr-15l04iksj1280dvhbzdq9ai3wlf8ac2188m9qv0gn81k9nba19ds");
	assert_int_equal(r.files[0].len, 0);
	assert_string_equal(r.files[1].contents, "b " BASE "x");
	assert_int_equal(r.files[1].mode, 0644);
}

static void gives_impure_variables_to_fixed_outputs_only(void **state)
{
	static const char vars[] =
		"(\"SET\",\"drv\"),(\"impureEnvVars\",\"SET UNSET TMPDIR CONF\")";
	static const char *const settings[] = {"impure-env", "CONF=a=b OTHER=c", NULL};
	char set[] = "SET=outside", longer[] = "SETTER=no", conf[] = "CONF=no";
	char *const environ_[] = {longer, conf, set, NULL};
	struct given g = {.env = vars, .settings = settings, .environ = environ_};
	struct err e = ERR_INIT;
	scoped_request struct request fixed = {0};
	scoped_request struct request pure = {0};

	assert_ok(&e, make(&g, &pure, &e));
	assert_string_equal(env(&pure, "SET"), "drv");
	assert_null(env(&pure, "UNSET"));
	assert_null(env(&pure, "NIX_OUTPUT_CHECKED"));
	assert_false(pure.constraints.network);

	g.outputs = FIXED_OUTPUT;
	assert_ok(&e, make(&g, &fixed, &e));
	assert_string_equal(env(&fixed, "SET"), "outside");
	assert_string_equal(env(&fixed, "UNSET"), "");
	assert_string_equal(env(&fixed, "TMPDIR"), "");
	assert_string_equal(env(&fixed, "CONF"), "a=b");
	assert_string_equal(env(&fixed, "NIX_OUTPUT_CHECKED"), "1");
	assert_true(fixed.constraints.network);
}

static void keeps_secrets_of_the_environment_from_builds(void **state)
{
	static const char vars[] =
		"(\"impureEnvVars\",\"NIX_CONFIG AWS_ACCESS_KEY_ID MY_TOKEN_2 a_password "
		"http_proxy TOKEN_OF_NIX MY_SECRET\")";
	static const char *const settings[] = {"impure-env", "TOKEN_OF_NIX=set", NULL};
	char nix[] = "NIX_CONFIG=access-tokens = x", aws[] = "AWS_ACCESS_KEY_ID=x",
	     token[] = "MY_TOKEN_2=x", password[] = "a_password=x", proxy[] = "http_proxy=p",
	     of_nix[] = "TOKEN_OF_NIX=x", secret[] = "MY_SECRET=allowed";
	char *const environ_[] = {nix, aws, token, password, proxy, of_nix, secret, NULL};
	scoped_strv struct strv allowed = STRV_INIT;
	struct given g = {.env = vars,
			  .settings = settings,
			  .environ = environ_,
			  .outputs = FIXED_OUTPUT,
			  .allowed = &allowed};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, strv_add(&allowed, "MY_SECRET", &e));
	assert_ok(&e, make(&g, &r, &e));
	assert_string_equal(env(&r, "NIX_CONFIG"), "");
	assert_string_equal(env(&r, "AWS_ACCESS_KEY_ID"), "");
	assert_string_equal(env(&r, "MY_TOKEN_2"), "");
	assert_string_equal(env(&r, "a_password"), "");
	assert_string_equal(env(&r, "http_proxy"), "p");
	assert_string_equal(env(&r, "TOKEN_OF_NIX"), "set");
	assert_string_equal(env(&r, "MY_SECRET"), "allowed");
}

static void writes_structured_attributes_instead_of_variables(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, make(&(struct given){.env = "(\"PATH\",\"/p\"),(\"__json\",\"{\\\"b\\\":1,"
						  "\\\"a\\\":[\\\"x\\\"],\\\"outputs\\\":"
						  "[\\\"out\\\"]}\"),(\"out\",\"x\")"},
			   &r, &e));
	assert_string_equal(env(&r, "PATH"), "/path-not-set");
	assert_null(env(&r, "out"));
	assert_string_equal(env(&r, "NIX_ATTRS_SH_FILE"), "/build/.attrs.sh");
	assert_string_equal(env(&r, "NIX_ATTRS_JSON_FILE"), "/build/.attrs.json");
	assert_int_equal(r.n_files, 2);
	assert_string_equal(r.files[0].path, "build/.attrs.json");
	assert_string_equal(r.files[0].contents,
			    "{\"a\":[\"x\"],\"b\":1,\"outputs\":{\"out\":\"" BASE "x\"}}");
	assert_string_equal(r.files[1].path, "build/.attrs.sh");
	assert_string_equal(r.files[1].contents, "declare -a a=('x' )\ndeclare b=1\n"
						 "declare -A outputs=(['out']='" BASE "x' )\n");
}

/* The paths are those that Nix 2.8 told the builder of a derivation of this name. */
static void makes_a_path_for_an_output_that_has_none(void **state)
{
	char path[] = "/nix/store/5ayg00bhkw27mlfm9yyg4dc75a5m2nmy-floating.drv";
	char name[] = "floating", out_name[] = "out", lib_name[] = "lib";
	const struct drv d = {.path = path, .name = name};
	const struct drv nowhere = {.name = name};
	const struct drv_output out = {.name = out_name}, lib = {.name = lib_name};
	struct err e = ERR_INIT;
	scoped_free char *out_path = drv_build_path(&d, &out, "/nix/store", &e);
	scoped_free char *lib_path = drv_build_path(&d, &lib, "/nix/store", &e);

	assert_string_equal(out_path, "/nix/store/0x1zrfvaffdp8vnh9imgxwbl4i58cs4w-floating");
	assert_string_equal(lib_path, "/nix/store/zqy9q18sy1hpq46sybv1xq55y2cmy9nk-floating-lib");
	assert_null(drv_build_path(&nowhere, &out, "/nix/store", &e));
	assert_non_null(strstr(e.msg, "output 'out' has no path yet"));
}

static void lets_a_floating_output_be_written_there(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, make(&(struct given){.outputs = "(\"dev\",\"\",\"r:sha256\",\"\"),"
						      "(\"out\",\"\",\"r:sha256\",\"\")",
					   .env = "(\"out\",\"" OUT_PLACEHOLDER "\")"},
			   &r, &e));
	assert_int_equal(r.n_outputs, 2);
	assert_true(str_ends(env(&r, "out"), "-x"));
	assert_memory_equal(env(&r, "out") + strlen("/nix/store/"), r.needles.items[1], 32);
	assert_string_not_equal(r.needles.items[0], r.needles.items[1]);
}

static void lists_needles_and_inputs(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, make(&(struct given){.input = INPUT}, &r, &e));
	assert_int_equal(r.n_inputs, 1);
	assert_string_equal(r.inputs[0].path, INPUT + strlen("/nix/store/"));
	assert_string_equal(r.inputs[0].source, INPUT);
	assert_int_equal(r.needles.n, 2);
	assert_string_equal(r.needles.items[0], "00000000000000000000000000000000");
	assert_string_equal(r.needles.items[1], "11111111111111111111111111111111");
}

static void leaves_its_own_output_out_of_the_inputs(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, make(&(struct given){.input = BASE "x"}, &r, &e));
	assert_int_equal(r.n_inputs, 0);
	assert_int_equal(r.needles.n, 1);
}

static void reads_sandbox_paths_in_all_their_forms(void **state)
{
	static const char *const settings[] = {
		"sandbox-paths",
		"/same /target=/source /maybe=/m? /maybe2? /eq=/a=b /twice=/a /twice=/b"
		" //un/../clean/./=/x /build=/hidden /p=/proc /bin/sh=__embedded_sandbox_shell__"
		" /q?=/w",
		NULL};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_ok(&e, make(&(struct given){.settings = settings}, &r, &e));
	assert_int_equal(r.constraints.n_host_paths, 8);
	assert_string_equal(host_path(&r, "/same")->source, "/same");
	assert_false(host_path(&r, "/same")->optional);
	assert_string_equal(host_path(&r, "/target")->source, "/source");
	assert_true(host_path(&r, "/maybe")->optional);
	assert_string_equal(host_path(&r, "/maybe")->source, "/m");
	assert_true(host_path(&r, "/maybe2")->optional);
	assert_string_equal(host_path(&r, "/eq")->source, "/a=b");
	assert_string_equal(host_path(&r, "/twice")->source, "/b");
	assert_string_equal(host_path(&r, "/clean")->source, "/x");
	assert_string_equal(host_path(&r, "/q?")->source, "/w");
	assert_true(r.constraints.provide_bin_sh);
}

static void refuses_sandbox_paths_that_cannot_be(void **state)
{
	static const struct {
		const char *value, *why;
	} cases[] = {
		{"relative", "setting 'sandbox-paths': 'relative' is not an absolute path"},
		{"/a=b", "'b' is not an absolute path"},
		{"/a=", "'' is not an absolute path"},
		{"=/a", "'' is not an absolute path"},
		{"?", "'' is not an absolute path"},
		{"/..=/a", "'/..' would hide the whole root"},
		{"/sh=__embedded_sandbox_shell__", "only /bin/sh can be"},
	};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const settings[] = {"sandbox-paths", cases[i].value, NULL};

		assert_err(&e, make(&(struct given){.settings = settings}, &r, &e), cases[i].why);
	}
}

static void provides_a_shell_only_where_nix_did_not_say(void **state)
{
	static const char *const empty[] = {"sandbox-paths", "", NULL};
	struct err e = ERR_INIT;
	scoped_request struct request with = {0};
	scoped_request struct request without = {0};

	assert_ok(&e, make(&(struct given){0}, &with, &e));
	assert_true(with.constraints.provide_bin_sh);
	assert_ok(&e, make(&(struct given){.settings = empty}, &without, &e));
	assert_false(without.constraints.provide_bin_sh);
}

static void the_configurations_shell_is_there_unless_nix_has_one(void **state)
{
	static const struct {
		const char *sandbox_paths;
		bool provided;
	} cases[] = {
		{"", true},
		{"/usr /bin/shells /bin/bash=/bin/sh", true},
		{"/bin/sh=__embedded_sandbox_shell__", true},
		{"/bin/sh=/usr/bin/bash-static", false},
		{"//bin/../bin/sh=/sh?", false},
		{"/bin", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const settings[] = {"sandbox-paths", cases[i].sandbox_paths, NULL};
		const struct given g = {.settings = settings, .own_shell = true};
		scoped_request struct request r = {0};
		struct err e = ERR_INIT;

		assert_ok(&e, make(&g, &r, &e));
		if (r.constraints.provide_bin_sh != cases[i].provided)
			fail_msg("wrong with '%s'", cases[i].sandbox_paths);
	}
}

static void lets_in_impure_host_deps_that_are_allowed(void **state)
{
	static const char *const settings[] = {"allowed-impure-host-deps", "/usr/share /exact/",
					       NULL};
	struct given g = {.settings = settings};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	g.env = "(\"__impureHostDeps\",\"/usr/share/zoneinfo /exact /usr/./share\")";
	assert_ok(&e, make(&g, &r, &e));
	assert_int_equal(r.constraints.n_host_paths, 3);
	assert_string_equal(host_path(&r, "/usr/share/zoneinfo")->source, "/usr/share/zoneinfo");
	assert_true(host_path(&r, "/exact")->optional);

	g.env = "(\"__impureHostDeps\",\"/usr/share/../../etc\")";
	assert_err(&e, make(&g, &r, &e),
		   "derivation '" BASE
		   "x.drv' requested impure path '/usr/share/../../etc', but it "
		   "was not in allowed-impure-host-deps");
	g.env = "(\"__impureHostDeps\",\"/usr/shared\")";
	assert_err(&e, make(&g, &r, &e), "requested impure path '/usr/shared'");
}

static void takes_constraints_from_settings_and_features(void **state)
{
	static const char *const settings[] = {"sandbox-build-dir",
					       "/b//d/",
					       "sandbox-dev-shm-size",
					       "64m",
					       "system-features",
					       "kvm x",
					       NULL};
	static const char *const no_kvm[] = {"system-features", "nokvm", NULL};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};
	scoped_request struct request other = {0};

	assert_ok(&e, make(&(struct given){.settings = settings,
					   .env = "(\"requiredSystemFeatures\",\"a uid-range\")"},
			   &r, &e));
	assert_true(r.constraints.kvm);
	assert_true(r.constraints.uid_range);
	assert_string_equal(r.constraints.shm_size, "64m");
	assert_string_equal(r.constraints.system, "x86_64-linux");
	assert_string_equal(r.working_dir, "b/d");
	assert_string_equal(r.scratch_paths.items[0], "b/d");
	assert_string_equal(r.scratch_paths.items[1], "nix/store");
	assert_string_equal(env(&r, "TMPDIR"), "/b/d");

	assert_ok(&e, make(&(struct given){.settings = no_kvm}, &other, &e));
	assert_false(other.constraints.kvm);
	assert_false(other.constraints.uid_range);
	assert_string_equal(other.constraints.shm_size, "50%");
}

/* A file of the request has NAME=VALUE among its records. */
static bool has_param(const struct request *r, const char *param)
{
	for (size_t i = 0; i < r->n_files; i++)
		if (str_eq(r->files[i].path, "build/.builtin"))
			for (size_t at = 0; at < r->files[i].len;
			     at += strlen(r->files[i].contents + at) + 1)
				if (str_eq(r->files[i].contents + at, param))
					return true;
	return false;
}

static void makes_a_builtin_builder_a_run_of_its_program(void **state)
{
	static const char *const settings[] = {
		"download-attempts", "3", "hashed-mirrors", "http://m http://n/", "netrc-file",
		"/proc/version",     NULL};
	char proxy[] = "https_proxy=http://p", home[] = "HOME=/x";
	char *const environ_[] = {proxy, home, NULL};
	char program[] = "/proc/self/exe", loader[] = "/proc/self/exe";
	struct builtin_program b = {program, loader, STRV_INIT};
	struct given g = {.builder = "builtin:fetchurl",
			  .args = "\"ignored\"",
			  .outputs = FIXED_OUTPUT,
			  .settings = settings,
			  .environ = environ_,
			  .builtin = &b,
			  .env = "(\"https_proxy\",\"other\"),(\"url\",\"http://u\")"};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};
	scoped_request struct request whole = {0};

	assert_ok(&e, strv_add(&b.libs, "/proc/self/exe", &e));
	assert_ok(&e, make(&g, &r, &e));
	assert_string_equal(r.args.items[0], "/.nix-oci-hook/loader");
	assert_string_equal(r.args.items[r.args.n - 2], "fetchurl");
	assert_string_equal(r.args.items[r.args.n - 1], "/build/.builtin");
	assert_true(host_path(&r, "/.nix-oci-hook/lib/exe")->readonly);
	assert_int_equal(r.n_env, 0);
	assert_true(has_param(&r, "out=/nix/store/9zicq1m4wy4bv50xa4l1jk4kpyy41kih-x"));
	assert_true(has_param(&r, "url=http://u"));
	assert_true(has_param(&r, "download-attempts=3"));
	assert_true(has_param(&r, "mirror=http://m/sha256/" EMPTY_SHA256));
	assert_true(has_param(&r, "mirror=http://n/sha256/" EMPTY_SHA256));
	assert_true(has_param(&r, "env=https_proxy=http://p"));
	assert_false(has_param(&r, "netrc=/build/netrc"));
	assert_false(has_param(&r, "pure=1"));
	g.secrets = true;
	assert_ok(&e, make(&g, &whole, &e));
	assert_true(has_param(&whole, "netrc=/build/netrc"));
	strv_done(&b.libs);
}

static void refuses_what_only_nix_can_do(void **state)
{
	static const char *const nix[] = {"sandbox-build-dir", "/nix", NULL};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	assert_err(&e, make(&(struct given){.builder = "builtin:fetchurl"}, &r, &e),
		   "has the builder 'builtin:fetchurl', which is a part of Nix");
	assert_err(&e,
		   make(&(struct given){.env = "(\"requiredSystemFeatures\",\"recursive-nix\")"},
			&r, &e),
		   "requires the feature 'recursive-nix'");
	assert_err(&e, make(&(struct given){.settings = nix}, &r, &e),
		   "`sandbox-build-dir` must not contain the storeDir");
	assert_err(&e, make(&(struct given){.env = "(\"__json\",\"[]\")"}, &r, &e),
		   "cannot process __json attribute: it is no JSON object");
	assert_err(&e, make(&(struct given){.env = "(\"__json\",\"{\")"}, &r, &e),
		   "cannot process __json attribute: expected a key at byte 1");
}

static void refuses_graphs_that_nix_refuses(void **state)
{
	static const struct {
		const char *env, *why;
	} cases[] = {
		{"(\"exportReferencesGraph\",\"a\")",
		 "odd number of tokens in 'exportReferencesGraph': 'a'"},
		{"(\"exportReferencesGraph\",\"../a " INPUT "\")",
		 "invalid file name '../a' in 'exportReferencesGraph'"},
		{"(\"exportReferencesGraph\",\".a " INPUT "\")", "invalid file name '.a'"},
		{"(\"exportReferencesGraph\",\"a /etc\")",
		 "'exportReferencesGraph' contains a non-store path '/etc'"},
		{"(\"exportReferencesGraph\",\"a " BASE "y/z\")",
		 "cannot export references of path '" BASE "y' because it is not in the input "
		 "closure of the derivation"},
		{"(\"__json\",\"{\\\"exportReferencesGraph\\\":{\\\"a\\\":1}}\")",
		 "'exportReferencesGraph' value is not an array or a string"},
		{"(\"__json\",\"{\\\"exportReferencesGraph\\\":{\\\"a\\\":[[\\\"" BASE
		 "y\\\"]]}}\")",
		 "cannot export references of path '" BASE "y'"},
	};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_err(&e, make(&(struct given){.env = cases[i].env, .input = INPUT}, &r, &e),
			   cases[i].why);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_what_every_build_gets_and_no_more),
		cmocka_unit_test(tells_no_cores_as_nix_does),
		cmocka_unit_test(lets_the_derivation_override_four_of_them),
		cmocka_unit_test(passes_variables_as_execve_would),
		cmocka_unit_test(ends_values_at_their_first_nul),
		cmocka_unit_test(replaces_placeholders_but_in_the_builder),
		cmocka_unit_test(rewrites_only_whole_placeholders),
		cmocka_unit_test(puts_passAsFile_into_files),
		cmocka_unit_test(gives_impure_variables_to_fixed_outputs_only),
		cmocka_unit_test(keeps_secrets_of_the_environment_from_builds),
		cmocka_unit_test(writes_structured_attributes_instead_of_variables),
		cmocka_unit_test(makes_a_path_for_an_output_that_has_none),
		cmocka_unit_test(lets_a_floating_output_be_written_there),
		cmocka_unit_test(lists_needles_and_inputs),
		cmocka_unit_test(leaves_its_own_output_out_of_the_inputs),
		cmocka_unit_test(reads_sandbox_paths_in_all_their_forms),
		cmocka_unit_test(refuses_sandbox_paths_that_cannot_be),
		cmocka_unit_test(provides_a_shell_only_where_nix_did_not_say),
		cmocka_unit_test(the_configurations_shell_is_there_unless_nix_has_one),
		cmocka_unit_test(lets_in_impure_host_deps_that_are_allowed),
		cmocka_unit_test(takes_constraints_from_settings_and_features),
		cmocka_unit_test(makes_a_builtin_builder_a_run_of_its_program),
		cmocka_unit_test(refuses_what_only_nix_can_do),
		cmocka_unit_test(refuses_graphs_that_nix_refuses),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
