/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "hook/nonix/graph.h"
#include "nar/base/scope.h"

#define STORE "/nix/store/"
#define NODES_MAX 4096

/* A world of derivations, made by the test, and of paths that caches have. */
static struct world {
	struct strv drv_paths; /* as texts */
	struct strv texts;
	struct strv had; /* sorted */
	size_t n_loads, n_queries, n_asked;
	struct strv asked; /* in all questions */
} world;

static int load(void *ctx, const struct strv *paths, struct drv *ret, struct err *e)
{
	world.n_loads++;
	for (size_t i = 0; i < paths->n; i++) {
		size_t at = 0;

		while (at < world.drv_paths.n &&
		       !str_eq(world.drv_paths.items[at], paths->items[i]))
			at++;
		if (at == world.drv_paths.n)
			return err_set(e, ERR_INPUT, "derivation '%s' is in none of the caches",
				       paths->items[i]);
		if (drv_parse(world.texts.items[at], strlen(world.texts.items[at]), paths->items[i],
			      "/nix/store", &ret[i], e) < 0)
			return -1;
	}
	return 0;
}

static int query(void *ctx, const struct strv *paths, struct err *e)
{
	world.n_queries++;
	world.n_asked += paths->n;
	return strv_copy(&world.asked, paths, e);
}

/* Nothing is taken for known that was not asked for. */
static int has(void *ctx, const char *path, struct err *e)
{
	assert_true(strv_has(&world.asked, path));
	return strv_has_sorted(&world.had, path);
}

static const struct build_source source = {load, query, has, NULL};

/* A store path of NAME with made-up digits. */
static char *store_path(const char *name)
{
	struct err e = ERR_INIT;
	struct hash h;
	char digits[64];

	assert_ok(&e, hash_bytes(HASH_SHA256, name, strlen(name), &h, &e));
	nix32_encode(h.bytes, 20, digits);
	char *p = str_fmt(&e, STORE "%s-%s", digits, name);
	assert_non_null(p);
	return p;
}

static void have(const char *name)
{
	struct err e = ERR_INIT;

	assert_ok(&e, strv_take(&world.had, store_path(name), &e));
	strv_sort(&world.had);
}

/* Derivation NAME with output NAME, of which INPUTS are the names, as of SRCS; sorted by path. */
static void add_drv(const char *name, const char *inputs, const char *srcs)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20), drv_name = BUF_INIT(256);
	scoped_strv struct strv in = STRV_INIT, paths = STRV_INIT, src = STRV_INIT,
				src_paths = STRV_INIT;
	scoped_free char *out = store_path(name);

	assert_ok(&e, strv_split(&in, inputs, " ", &e));
	assert_ok(&e, strv_split(&src, srcs, " ", &e));
	for (size_t i = 0; i < in.n; i++) {
		scoped_free char *n = str_fmt(&e, "%s.drv", in.items[i]);
		assert_ok(&e, strv_take(&paths, store_path(n), &e));
	}
	for (size_t i = 0; i < src.n; i++)
		assert_ok(&e, strv_take(&src_paths, store_path(src.items[i]), &e));
	strv_sort(&paths);
	strv_sort(&src_paths);
	assert_ok(&e, buf_addf(&b, &e, "Derive([(\"out\",\"%s\",\"\",\"\")],[", out));
	for (size_t i = 0; i < paths.n; i++)
		assert_ok(&e,
			  buf_addf(&b, &e, "%s(\"%s\",[\"out\"])", i ? "," : "", paths.items[i]));
	assert_ok(&e, buf_adds(&b, "],[", &e));
	for (size_t i = 0; i < src_paths.n; i++)
		assert_ok(&e, buf_addf(&b, &e, "%s\"%s\"", i ? "," : "", src_paths.items[i]));
	assert_ok(&e,
		  buf_addf(&b, &e, "],\"x86_64-linux\",\"/bin/sh\",[],[(\"out\",\"%s\")])", out));
	assert_ok(&e, buf_addf(&drv_name, &e, "%s.drv", name));
	assert_ok(&e, strv_take(&world.drv_paths, store_path(drv_name.data), &e));
	assert_ok(&e, strv_take(&world.texts, buf_steal(&b, &e), &e));
}

static void get_root(const char *name, struct drv *ret)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv one = STRV_INIT;
	scoped_free char *n = str_fmt(&e, "%s.drv", name);

	assert_ok(&e, strv_take(&one, store_path(n), &e));
	assert_ok(&e, load(NULL, &one, ret, &e));
}

static int plan(struct build_graph *g, const char *root, bool recursive, struct err *e)
{
	scoped_drv struct drv d = DRV_INIT;

	get_root(root, &d);
	world.n_loads = world.n_queries = world.n_asked = 0;
	return build_graph_plan(g, &d, recursive, e);
}

static int setup(void **state)
{
	memset(&world, 0, sizeof world);
	return 0;
}

static int teardown(void **state)
{
	strv_done(&world.drv_paths);
	strv_done(&world.texts);
	strv_done(&world.had);
	strv_done(&world.asked);
	return 0;
}

static void fetches_what_is_there_and_builds_the_root(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_graph struct build_graph *g = build_graph_new(&source, "/nix/store", &e);
	scoped_free char *a = store_path("a"), *src = store_path("src");

	add_drv("a", "", "");
	add_drv("top", "a", "src");
	have("a");
	have("src");
	assert_ok(&e, plan(g, "top", false, &e));
	assert_int_equal(g->n_builds, 1);
	assert_string_equal(g->builds[0]->drv.name, "top");
	assert_int_equal(g->builds[0]->wanted.n, 1);
	assert_int_equal(g->builds[0]->inputs.n, 2);
	assert_int_equal(g->fetch.n, 2);
	assert_true(strv_has_sorted(&g->fetch, a) && strv_has_sorted(&g->fetch, src));
}

static void names_what_is_missing(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_graph struct build_graph *g = build_graph_new(&source, "/nix/store", &e);
	scoped_build_graph struct build_graph *r = build_graph_new(&source, "/nix/store", &e);
	scoped_free char *a = store_path("a"), *src = store_path("src");

	add_drv("a", "", "");
	add_drv("top", "a", "src");
	assert_err(&e, plan(g, "top", false, &e), a);
	build_graph_free(TAKE(g, build_graph_new(&source, "/nix/store", &e)));
	assert_err(&e, plan(g, "top", false, &e), "(--recursive builds what is an output)");
	/* A source cannot be built, and there is no word of it. */
	assert_err(&e, plan(r, "top", true, &e), src);
}

static void builds_what_nobody_has_dependencies_first(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_graph struct build_graph *g = build_graph_new(&source, "/nix/store", &e);

	/* a is used by the root and, below, by b: it is found early and needed first. */
	add_drv("a", "", "");
	add_drv("b", "a", "");
	add_drv("c", "b had", "");
	add_drv("had", "deep", "");
	add_drv("deep", "", "");
	add_drv("top", "a c", "");
	have("had");
	assert_ok(&e, plan(g, "top", true, &e));
	assert_int_equal(g->n_builds, 4);
	assert_string_equal(g->builds[0]->drv.name, "a");
	assert_string_equal(g->builds[1]->drv.name, "b");
	assert_string_equal(g->builds[2]->drv.name, "c");
	assert_string_equal(g->builds[3]->drv.name, "top");
	assert_int_equal(g->builds[3]->n_left, 2);
	assert_int_equal(g->fetch.n, 1);
}

static void what_the_caches_lack_of_an_old_build_is_not_looked_into(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_graph struct build_graph *g = build_graph_new(&source, "/nix/store", &e);

	/* gone.drv is in no cache, and is needed by nothing: had is fixed. */
	assert_ok(&e, strv_take(&world.drv_paths, store_path("had.drv"), &e));
	scoped_free char *gone = store_path("gone.drv");
	scoped_free char *hex =
		str_dup("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", &e);
	struct hash h;
	assert_ok(&e, hash_parse(hex, strlen(hex), HASH_SHA256, &h, &e));
	scoped_free char *out =
		storepath_make_ca(&(struct ca_contents){CA_FLAT, h}, "/nix/store", "had", &e);
	assert_non_null(out);
	assert_ok(&e,
		  strv_addf(&world.texts, &e,
			    "Derive([(\"out\",\"%s\",\"sha256\",\"%s\")],[(\"%s\",[\"out\"])],[]"
			    ",\"x86_64-linux\",\"/bin/sh\",[],[(\"out\",\"%s\")])",
			    out, hex, gone, out));
	add_drv("top", "had", "");
	assert_ok(&e, strv_add(&world.had, out, &e));
	assert_ok(&e, plan(g, "top", true, &e));
	assert_int_equal(g->n_builds, 1);
	/* Once it has to be built, it is. */
	build_graph_free(TAKE(g, build_graph_new(&source, "/nix/store", &e)));
	strv_done(&world.had);
	strv_done(&world.asked);
	assert_err(&e, plan(g, "top", true, &e), gone);
}

static void refuses_derivations_that_need_themselves(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_graph struct build_graph *g = build_graph_new(&source, "/nix/store", &e);

	add_drv("a", "b", "");
	add_drv("b", "a", "");
	add_drv("top", "a", "");
	assert_err(&e, plan(g, "top", true, &e), "inputs of themselves");
}

/* n0 that needs nothing, n1 that needs it, ... */
static void add_chain(unsigned n)
{
	char name[16], below[16] = "";

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof name, "n%u", i);
		add_drv(name, below, "");
		memcpy(below, name, sizeof below);
	}
}

static void a_long_chain_is_asked_for_in_few_questions(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_graph struct build_graph *g = build_graph_new(&source, "/nix/store", &e);

	add_chain(500);
	assert_ok(&e, plan(g, "n499", true, &e));
	assert_int_equal(g->n_builds, 500);
	assert_string_equal(g->builds[0]->drv.name, "n0");
	assert_int_equal(world.n_queries, 9); /* 1 + 2 + 4 + .. levels */
}

/* What is far below what can be had is nobody's business. */
static void what_is_not_needed_is_not_asked_for(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_graph struct build_graph *g = build_graph_new(&source, "/nix/store", &e);

	add_chain(500);
	have("n496");
	assert_ok(&e, plan(g, "n499", true, &e));
	assert_int_equal(g->n_builds, 3);
	assert_int_equal(g->fetch.n, 1);
	assert_int_equal(world.n_queries, 2);
	assert_true(world.n_asked < 10);
}

static void a_wide_graph_is_asked_for_at_once(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_graph struct build_graph *g = build_graph_new(&source, "/nix/store", &e);
	scoped_buf struct buf all = BUF_INIT(1 << 20);
	char name[16];

	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "w%u", i);
		add_drv(name, "", "");
		if (i % 2)
			have(name);
		assert_ok(&e, buf_addf(&all, &e, "%s ", name));
	}
	add_drv("top", all.data, "");
	assert_ok(&e, plan(g, "top", true, &e));
	assert_int_equal(g->n_builds, 151);
	assert_int_equal(g->fetch.n, 150);
	assert_int_equal(world.n_loads, 1);
	assert_int_equal(world.n_queries, 2);
}

static void refuses_output_paths_that_do_not_follow(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_graph struct build_graph *g = build_graph_new(&source, "/nix/store", &e);

	add_drv("top", "", "");
	assert_ok(&e, plan(g, "top", true, &e));
	assert_err(&e, build_graph_check(g, &e), "derivation has incorrect output");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(fetches_what_is_there_and_builds_the_root),
		CASE(names_what_is_missing),
		CASE(builds_what_nobody_has_dependencies_first),
		CASE(what_the_caches_lack_of_an_old_build_is_not_looked_into),
		CASE(refuses_derivations_that_need_themselves),
		CASE(a_long_chain_is_asked_for_in_few_questions),
		CASE(a_wide_graph_is_asked_for_at_once),
		CASE(what_is_not_needed_is_not_asked_for),
		CASE(refuses_output_paths_that_do_not_follow),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("build_graph", tests, NULL, NULL);
}
